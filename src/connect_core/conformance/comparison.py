"""Comparison of implementations: what the reports of several runs say about each requirement.

A report is what ``connect-core conformance run --report`` writes. It is read from JSON that may
come from anywhere, also from another version of the kit. This module reads no files, and does not
judge: the verdicts and results are those of the reports.
"""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple, TypeVar

from connect_core.conformance.json_values import (
    Record,
    as_record,
    as_records,
    as_text,
    excerpt,
)
from connect_core.conformance.results import Result, Verdict
from connect_core.errors import InvalidDocumentError
from connect_core.jsonapi import load_json
from connect_core.text import visible


class Implementation(NamedTuple):
    """What the report on one implementation says.

    Attributes:
        file: where the report is.
        name: the name in the profile.
        specification: the version of the specification that it was tested against.
        kit: the version of the kit that tested it.
        level: what was tested, in words.
        verdict: the verdict.
        sentence: the verdict in a sentence.
        results: the result of each requirement, by its id.
    """

    file: str
    name: str
    specification: str
    kit: str
    level: str
    verdict: Verdict
    sentence: str
    results: dict[str, Result]


class Comparison(NamedTuple):
    """Reports on one version of the specification, with the same requirements; at least one."""

    implementations: Sequence[Implementation]

    @property
    def specification(self) -> str:
        """The version of the specification."""
        return self.implementations[0].specification

    def rows(self) -> list[tuple[str, list[Result]]]:
        """Each requirement, with the result of each implementation."""
        return [
            (name, [each.results[name] for each in self.implementations])
            for name in self.implementations[0].results
        ]

    def as_dict(self) -> dict[str, object]:
        """The comparison as plain JSON values. Results are in the order of the implementations."""
        return {
            "specification": self.specification,
            "implementations": [
                {
                    "report": each.file,
                    "implementation": each.name,
                    "verdict": each.verdict.value,
                    "level": each.level,
                    "kit": each.kit,
                    "sentence": each.sentence,
                }
                for each in self.implementations
            ],
            "requirements": [
                {"id": name, "results": [each.value for each in results]}
                for name, results in self.rows()
            ],
        }

    def markdown(self) -> str:
        """The comparison as a table in Markdown."""
        rows = [
            ["requirement", *(_escaped(each.name) for each in self.implementations)],
            ["---"] * (len(self.implementations) + 1),
            ["**verdict**", *(f"**{each.verdict}**" for each in self.implementations)],
            *([_escaped(name), *results] for name, results in self.rows()),
        ]
        return "\n".join(f"| {' | '.join(row)} |" for row in rows)


#: Characters that Markdown, or the HTML in it, may take for markup.
_MARKUP: Final = re.compile(r"[\\`*_~|<>&\[\]]")


def _escaped(text: str) -> str:
    return _MARKUP.sub(r"\\\g<0>", visible(text))


# --- Reading reports -----------------------------------------------------------------------------

_ADVICE: Final = "give what 'connect-core conformance run --report' of this version writes"

_Word = TypeVar("_Word", Result, Verdict)


def read_report(content: bytes, file: str) -> Implementation:
    """Read the report on an implementation.

    Args:
        content: the JSON.
        file: where the report is, for messages.

    Raises:
        ValueError: it is no report. The message names the file and says what to do.
    """
    try:
        value, repeated = load_json(content)
    except InvalidDocumentError as error:
        raise ValueError(f"{file} is not JSON: {error.problems[0].detail}; {_ADVICE}") from None
    if repeated:
        raise ValueError(f"{file}: {repeated[0]}; remove one of them")
    try:
        return _implementation(as_record(value, "a report"), file)
    except ValueError as error:
        raise ValueError(f"{file} is no report: {error}; {_ADVICE}") from None


def _implementation(report: Record, file: str) -> Implementation:
    texts = {
        member: as_text(_member(report, member), f"'{member}'")
        for member in ("implementation", "specification", "kit", "level", "sentence")
    }
    results: dict[str, Result] = {}
    for each in as_records(_member(report, "requirements"), "'requirements'"):
        name = as_text(_member(each, "id"), "a requirement's 'id'")
        if name in results:
            raise ValueError(f"{excerpt(name)} is there twice")
        results[name] = _word(Result, _member(each, "result"), f"the result of {name}")
    return Implementation(
        file,
        texts["implementation"],
        texts["specification"],
        texts["kit"],
        texts["level"],
        _word(Verdict, _member(report, "verdict"), "'verdict'"),
        texts["sentence"],
        results,
    )


def _member(record: Record, name: str) -> object:
    if name not in record:
        raise ValueError(f"it has no '{name}'")
    return record[name]


def _word(words: type[_Word], value: object, where: str) -> _Word:
    """The result or verdict that a text names."""
    try:
        return words(as_text(value, where))
    except ValueError:
        raise ValueError(
            f"{where} must be one of {', '.join(words)}, not {excerpt(value)}"
        ) from None


def compare_reports(reports: Sequence[Implementation]) -> Comparison:
    """Compare implementations, in the order of their reports.

    Args:
        reports: the reports, at least one.

    Raises:
        ValueError: they are about different versions of the specification, or do not have the same
            requirements. The message says which ones, and what to do.
    """
    first, *others = reports
    for each in others:
        if each.specification != first.specification:
            raise ValueError(
                f"{first.file} is about version {first.specification} of the specification, and "
                f"{each.file} about version {each.specification}; run both with one version of the "
                f"kit"
            )
        differing = sorted(first.results.keys() ^ each.results.keys())
        if differing:
            raise ValueError(
                f"{differing[0]} is in only one of {first.file} (kit {first.kit}) and {each.file} "
                f"(kit {each.kit}); run both with one version of the kit"
            )
    return Comparison(tuple(reports))
