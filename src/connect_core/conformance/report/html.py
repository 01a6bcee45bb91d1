"""A report for people: one self-contained HTML page.

The layout is in ``report.html.jinja``; this module prepares what the template shows. Jinja2 escapes
every text. Characters that a reader could not see are replaced by escape sequences.

The page loads nothing and has no scripts. Importing the kit does not import Jinja2; making a page
does.
"""

import re
from collections.abc import Iterator
from itertools import groupby
from typing import Final, NamedTuple

from connect_core.conformance.results import (
    Exploration,
    Report,
    RequirementResult,
    Result,
    VectorResult,
)
from connect_core.conformance.specification import OpenPoint
from connect_core.text import visible

#: The Markdown that requirements use.
_SPAN: Final = re.compile(r"`(?P<code>[^`]+)`|\*(?P<emphasis>\w+)\*|(?P<text>[^`*]+|[`*])")

#: The CSS class and the words of the verdict, by exit code.
_VERDICTS: Final = {
    0: ("conforms", "Conforms"),
    1: ("does-not-conform", "Does not conform"),
    3: ("not-tested", "Not tested"),
}

#: Vectors with one of these results are not listed one by one.
_UNLISTED: Final = (Result.PASS, Result.NOT_CLAIMED)


class _Section(NamedTuple):
    """The requirements of one section of the specification."""

    title: str
    results: list[RequirementResult]


class _Failure(NamedTuple):
    """A vector that did not pass, with its description except for the line with id and result."""

    vector: str
    result: Result
    details: str


class _Exploration(NamedTuple):
    """The result of the exploration in a sentence, and the counterexample or the cells missed."""

    sentence: str
    traceback: str
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
        verdict=_VERDICTS[report.exit_code],
        sections=_sections(report),
        failures=[
            _failure(each, each.describe())
            for each in report.results
            if each.result not in _UNLISTED
        ],
        exploration=None if report.exploration is None else _exploration(report.exploration),
        answers=_answers(report),
        every_result=list(Result),
        spans=_spans,
    )
    return visible(page, keep="\n\t")


def _spans(text: str) -> Iterator[tuple[str | None, str]]:
    """The parts of a requirement's text, each with its kind: `code`, `emphasis` or `text`."""
    for found in _SPAN.finditer(text):
        yield found.lastgroup, found[found.lastgroup or 0]


def _sections(report: Report) -> list[_Section]:
    sections = groupby(report.requirements(), key=lambda each: each.requirement.section)
    return [_Section(title, list(results)) for title, results in sections]


def _failure(result: VectorResult, description: str) -> _Failure:
    return _Failure(result.vector.id, result.result, description.partition("\n")[2])


def _exploration(done: Exploration) -> _Exploration:
    sentence = done.sentence()
    return _Exploration(
        f"{sentence[0].upper()}{sentence[1:]}.",
        done.traceback,
        None if done.finding is None else _failure(done.finding, done.describe()),
        done.unvisited,
    )


def _answers(report: Report) -> list[_Answer]:
    return [
        _Answer(point, report.answers.get(point.id, []))
        for point in report.specification.open_points
    ]
