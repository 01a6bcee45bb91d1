"""The data of the chart: a panel for each question, with a bar for each answer.

It draws nothing; `chart` does.
"""

from typing import NamedTuple

from .report import OURS, Bulk, Question, Report


class Bar(NamedTuple):
    """One answer.

    Attributes:
        name: the contestant.
        seconds: how long it took.
        ours: whether it is this library's.
    """

    name: str
    seconds: float
    ours: bool


class Panel(NamedTuple):
    """One question, with its bars from the quickest to the slowest."""

    title: str
    bars: list[Bar]


def panels(report: Report) -> list[Panel]:
    """A panel for each question, in the order of the tables, and last one for the rows."""
    return [*map(_question, report["questions"].values()), _rows(report["bulk"])]


def _question(question: Question) -> Panel:
    title = question["title"]
    return Panel(f"{title[0].upper()}{title[1:]}", _sorted(_bars(question)))


def _rows(bulk: Bulk) -> Panel:
    """Deciding in Python requires loading all rows; the filter loads only those it selects."""
    decided = [bar._replace(seconds=bar.seconds + bulk["loading"]) for bar in _bars(bulk)]
    title = f"{bulk['rows']:,} rows: decided in Python, or filtered"
    return Panel(title, _sorted([*decided, Bar("one SQL filter", bulk["sql"], ours=True)]))


def _bars(question: Question | Bulk) -> list[Bar]:
    return [
        Bar(answer["contestant"], answer["seconds"], answer["contestant"] == OURS)
        for answer in question["answers"]
        if answer["seconds"] is not None
    ]


def _sorted(bars: list[Bar]) -> list[Bar]:
    return sorted(bars, key=lambda bar: bar.seconds)
