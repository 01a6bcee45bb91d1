"""A report for programs: as plain JSON values, and as JSON text."""

import json

from connect_core import __version__
from connect_core.conformance.results import (
    Exploration,
    Report,
    RequirementResult,
    Result,
    VectorResult,
)
from connect_core.conformance.vectors import vector_dict
from connect_core.history import format_timestamp


def report_dict(report: Report) -> dict[str, object]:
    """A report as plain JSON values.

    ``transcript`` is there only if something was sent and received before the protocol was broken.
    ``began`` is in UTC, and null if it is not known.
    """
    explored = report.exploration
    return {
        "specification": report.specification.version,
        "implementation": report.profile.name,
        "conforms": report.conforms,
        "verdict": report.verdict.value,
        "level": report.level,
        "gaps": list(report.gaps()),
        "explored": explored is not None and explored.result is Result.PASS,
        "sentence": report.sentence(),
        "kit": __version__,
        "shuffle": report.shuffle,
        "began": None if report.began is None else format_timestamp(report.began),
        "seconds": _rounded(report.seconds),
        "claims": list(report.profile.claims),
        "answers": report.answers,
        "counts": {each.value: report.counts()[each] for each in Result},
        "requirements": [_requirement(each) for each in report.requirements()],
        "vectors": [_vector(each) for each in report.results],
        "exploration": None if explored is None else _exploration(explored),
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
        "seconds": _rounded(result.seconds),
    }
    if result.result is Result.PASS:
        return members
    return {
        **members,
        "reason": result.reason,
        "blamed": list(result.blamed),
        "exchanges": [{"call": each.call, "answer": each.answer} for each in result.exchanges],
        "expected": result.expected,
        "observed": result.observed,
        "traceback": result.traceback,
        **_transcript(result),
    }


def _exploration(done: Exploration) -> dict[str, object]:
    return {
        "examples": done.examples,
        "steps": done.steps,
        "seed": done.seed,
        "result": done.result.value,
        "reason": done.reason,
        "traceback": done.traceback,
        **_transcript(done),
        "runs": done.runs,
        "seconds": done.seconds,
        "timed_out": done.timed_out,
        "unvisited": list(done.unvisited),
        "finding": None if done.finding is None else _vector(done.finding),
        "vector": None if done.finding is None else vector_dict(done.finding.vector),
    }


def _transcript(of: VectorResult | Exploration) -> dict[str, object]:
    """The lines that were sent and received, if there are any."""
    return {"transcript": list(of.transcript)} if of.transcript else {}


def _rounded(seconds: float) -> float:
    """Seconds, in whole milliseconds."""
    return round(seconds, 3)


def report_json(report: Report) -> str:
    """The report as JSON text."""
    return f"{json.dumps(report_dict(report), indent=2)}\n"
