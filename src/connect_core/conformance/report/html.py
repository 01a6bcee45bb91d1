"""A report for people: one self-contained HTML page.

The layout is in ``report.html.jinja``; this module prepares what the template shows. Jinja2 escapes
every text. Characters that a reader could not see are replaced by escape sequences.

The page loads nothing and has no scripts: CSS alone hides the results that a reader deselects.
Importing the kit does not import Jinja2; making a page does.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby
from typing import Final, NamedTuple

from connect_core import __version__
from connect_core.conformance.results import (
    Exploration,
    Report,
    RequirementResult,
    Result,
    VectorResult,
    Verdict,
)
from connect_core.conformance.specification import OpenPoint
from connect_core.text import visible

#: The Markdown that requirements use.
_SPAN: Final = re.compile(r"`(?P<code>[^`]+)`|\*(?P<emphasis>\w+)\*|(?P<text>[^`*]+|[`*])")

#: The heading of each verdict. Its CSS class is its value.
_VERDICTS: Final = {
    Verdict.CONFORMS: "Conforms",
    Verdict.INCOMPLETE: "Passed what was run",
    Verdict.KNOWN_FAILURES: "Known failures",
    Verdict.DOES_NOT_CONFORM: "Does not conform",
    Verdict.NOT_TESTED: "Not tested",
    Verdict.BROKEN: "Broke the protocol",
}

#: Vectors with one of these results are not listed one by one.
_UNLISTED: Final = (Result.PASS, Result.NOT_CLAIMED)

_MINUTE: Final = 60


class _Section(NamedTuple):
    """The requirements of one section of the specification."""

    title: str
    results: list[RequirementResult]


class _Count(NamedTuple):
    """How many vectors and how many requirements have a result."""

    result: Result
    vectors: int
    requirements: int


class _Failure(NamedTuple):
    """A vector that did not pass, with its description except for the line with id and result.

    The transcript is apart from the description.
    """

    vector: str
    result: Result
    details: str
    transcript: tuple[str, ...]


class _Exploration(NamedTuple):
    """The result of the exploration in a sentence, and the counterexample or the cells missed."""

    sentence: str
    traceback: str
    transcript: tuple[str, ...]
    finding: _Failure | None
    unvisited: tuple[str, ...]


class _Answer(NamedTuple):
    """The answers to an open point that agree with everything observed."""

    point: OpenPoint
    values: list[str]


def report_html(report: Report) -> str:
    """The report as a self-contained HTML page."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("connect_core.conformance.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    page = environment.get_template("report.html.jinja").render(
        report=report,
        heading=_VERDICTS[report.verdict],
        facts=_facts(report),
        counts=_counts(report),
        failures=_failures(report),
        exploration=None if report.exploration is None else _exploration(report.exploration),
        sections=_sections(report),
        answers=_answers(report),
        every_result=list(Result),
        spans=_spans,
        counted=_counted,
    )
    return visible(page, keep="\n\t")


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"


def _spans(text: str) -> Iterator[tuple[str | None, str]]:
    """The parts of a requirement's text, each with its kind: `code`, `emphasis` or `text`."""
    for found in _SPAN.finditer(text):
        yield found.lastgroup, found[found.lastgroup or 0]


def _sections(report: Report) -> list[_Section]:
    sections = groupby(report.requirements(), key=lambda each: each.requirement.section)
    return [_Section(title, list(results)) for title, results in sections]


def _facts(report: Report) -> list[tuple[str, str]]:
    """What somebody needs to repeat the run, and when it was; each with its label."""
    facts = [
        ("Level", report.level),
        ("Seed", str(report.shuffle) if report.shuffle else "none, not shuffled"),
        ("Kit", f"connect-core {__version__}"),
    ]
    if report.began is not None:
        facts.append(("Date", f"{report.began:%Y-%m-%d %H:%M:%S} UTC"))
        facts.append(("Duration", _duration(report.seconds)))
    return facts


def _duration(seconds: float) -> str:
    return f"{seconds:.3f} s" if seconds < _MINUTE else f"{seconds / _MINUTE:.1f} min"


def _counts(report: Report) -> list[_Count]:
    """The results that occur, the worst first."""
    vectors = report.counts()
    requirements = Counter(each.result for each in report.requirements())
    counts = [_Count(each, vectors[each], requirements[each]) for each in Result]
    return [each for each in counts if each.vectors or each.requirements]


def _failures(report: Report) -> list[_Failure]:
    """The vectors that did not pass, the worst first."""
    failed = [each for each in report.results if each.result not in _UNLISTED]
    failed.sort(key=lambda each: list(Result).index(each.result))
    return [_failure(each, replace(each, transcript=()).describe()) for each in failed]


def _failure(result: VectorResult, description: str) -> _Failure:
    details = description.partition("\n")[2]
    return _Failure(result.vector.id, result.result, details, result.transcript)


def _exploration(done: Exploration) -> _Exploration:
    sentence = done.sentence()
    finding = None
    if done.finding is not None:
        apart = replace(done, finding=replace(done.finding, transcript=()))
        finding = _failure(done.finding, apart.describe())
    return _Exploration(
        f"{sentence[0].upper()}{sentence[1:]}.",
        done.traceback,
        done.transcript,
        finding,
        done.unvisited,
    )


def _answers(report: Report) -> list[_Answer]:
    return [
        _Answer(point, report.answers.get(point.id, []))
        for point in report.specification.open_points
    ]
