"""The report: what was measured, in the form in which it is written to a file and read back."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TypedDict, cast

OURS = "connect-core"


class Answer(TypedDict):
    """How many seconds one contestant took for one question, or why it did not answer."""

    contestant: str
    seconds: float | None
    instead: str


class Question(TypedDict):
    """One question, with every contestant's answer in the order of the tables."""

    title: str
    answers: list[Answer]


class BulkAnswer(Answer):
    """How long a contestant took to decide on rows in memory, and on how many this was measured."""

    measured_rows: int


class Bulk(TypedDict):
    """Decisions on many rows. The seconds are for all `rows`."""

    rows: int
    permitted: int
    loading: float
    sql: float
    answers: list[BulkAnswer]


class Entrant(TypedDict):
    """A contestant: what is installed, and what its answers say."""

    name: str
    distribution: str | None
    version: str
    gives: str


class Aim(TypedDict):
    """A goal: how many times faster `decide` should be, and whether it is."""

    claim: str
    at_least: float
    times: float
    holds: bool


class Report(TypedDict):
    """Everything. The questions are `allowed`, `refused`, `step` and `allowed_actions`."""

    python: str
    machine: str
    processor: str
    contestants: list[Entrant]
    questions: dict[str, Question]
    bulk: Bulk
    aims: list[Aim]


def seconds_of(question: Question | Bulk, contestant: str) -> float:
    """The seconds that a contestant took; it must have answered."""
    [seconds] = [
        answer["seconds"]
        for answer in question["answers"]
        if answer["contestant"] == contestant and answer["seconds"] is not None
    ]
    return seconds


#: The goals for `decide`: a contestant, its questions, its function, and how many times faster.
_AIMS = (
    ("cedarpy", ("allowed", "refused"), "is_authorized of cedarpy", 100),
    ("pycasbin", ("allowed", "refused"), "enforce_ex of pycasbin", 100),
    ("transitions", ("step",), "trigger of transitions", 20),
    ("transitions", ("allowed", "refused"), "may_trigger of transitions", 20),
    ("python-statemachine", ("step",), "send of python-statemachine", 20),
    (
        "python-statemachine",
        ("allowed", "refused"),
        "enabled_events of python-statemachine",
        20,
    ),
)


def aims(questions: dict[str, Question]) -> Iterator[Aim]:
    """Judge each goal, with several questions by the one that is worst for us.

    A step of theirs is compared with the slower of our two answers.
    """
    for contestant, names, claim, at_least in _AIMS:
        ours = max(seconds_of(questions[name], OURS) for name in ("allowed", "refused"))
        times = min(seconds_of(questions[name], contestant) / ours for name in names)
        yield Aim(claim=claim, at_least=at_least, times=times, holds=times >= at_least)


def write(report: Report, path: Path) -> None:
    """Write a report as JSON."""
    path.write_text(f"{json.dumps(report, indent=2, ensure_ascii=False)}\n", encoding="utf-8")


def read(path: Path) -> Report:
    """Read a report that `write` wrote."""
    return cast("Report", json.loads(path.read_text(encoding="utf-8")))
