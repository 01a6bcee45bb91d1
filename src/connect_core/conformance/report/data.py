"""A report for programs: as plain JSON values, and as JSON text."""

import json

from connect_core.conformance.results import (
    Exploration,
    Report,
    RequirementResult,
    Result,
    VectorResult,
)
from connect_core.conformance.vectors import vector_dict


def report_dict(report: Report) -> dict[str, object]:
    """A report as plain JSON values."""
    return {
        "specification": report.specification.version,
        "implementation": report.profile.name,
        "conforms": report.conforms,
        "sentence": report.sentence(),
        "claims": list(report.profile.claims),
        "answers": report.answers,
        "counts": {each.value: report.counts()[each] for each in Result},
        "requirements": [_requirement(each) for each in report.requirements()],
        "vectors": [_vector(each) for each in report.results],
        "exploration": None if report.exploration is None else _exploration(report.exploration),
    }


def _requirement(result: RequirementResult) -> dict[str, object]:
    requirement = result.requirement
    return {
        "id": requirement.id,
        "result": result.result.value,
        "vectors": {each.value: result.counts[each] for each in Result if result.counts[each]},
        "keyword": requirement.keyword,
        "basis": requirement.basis,
        "text": requirement.text,
    }


def _vector(result: VectorResult) -> dict[str, object]:
    members: dict[str, object] = {
        "id": result.vector.id,
        "result": result.result.value,
        "requirements": list(result.vector.requirements),
    }
    if result.result is Result.PASS:
        return members
    return members | {
        "reason": result.reason,
        "blamed": list(result.blamed),
        "exchanges": [{"call": each.call, "answer": each.answer} for each in result.exchanges],
        "expected": result.expected,
        "observed": result.observed,
        "traceback": result.traceback,
    }


def _exploration(done: Exploration) -> dict[str, object]:
    return {
        "examples": done.examples,
        "steps": done.steps,
        "seed": done.seed,
        "result": done.result.value,
        "reason": done.reason,
        "traceback": done.traceback,
        "runs": done.runs,
        "seconds": done.seconds,
        "timed_out": done.timed_out,
        "unvisited": list(done.unvisited),
        "finding": None if done.finding is None else _vector(done.finding),
        "vector": None if done.finding is None else vector_dict(done.finding.vector),
    }


def report_json(report: Report) -> str:
    """The report as JSON text."""
    return f"{json.dumps(report_dict(report), indent=2)}\n"
