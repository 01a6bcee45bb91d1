"""A report for programs: plain JSON values, and their text."""

import json

from connect_core.conformance.runner import (
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


def _requirement(found: RequirementResult) -> dict[str, object]:
    requirement = found.requirement
    return {
        "id": requirement.id,
        "result": found.result.value,
        "vectors": {each.value: found.counts[each] for each in Result if found.counts[each]},
        "keyword": requirement.keyword,
        "basis": requirement.basis,
        "text": requirement.text,
    }


def _vector(found: VectorResult) -> dict[str, object]:
    told: dict[str, object] = {
        "id": found.vector.id,
        "result": found.result.value,
        "requirements": list(found.vector.requirements),
    }
    if found.result is Result.PASS:
        return told
    return told | {
        "reason": found.reason,
        "blamed": list(found.blamed),
        "exchanges": [{"call": each.call, "answer": each.answer} for each in found.exchanges],
        "expected": found.expected,
        "observed": found.observed,
    }


def _exploration(found: Exploration) -> dict[str, object]:
    return {
        "examples": found.examples,
        "steps": found.steps,
        "seed": found.seed,
        "result": found.result.value,
        "unvisited": list(found.unvisited),
        "finding": None if found.finding is None else _vector(found.finding),
        "vector": None if found.finding is None else vector_dict(found.finding.vector),
    }


def report_json(report: Report) -> str:
    """The report as JSON text."""
    return f"{json.dumps(report_dict(report), indent=2)}\n"
