"""The figures as a drawing: a dot for each answer, on a scale of powers of ten.

Narrow, so that it can be read on a telephone, with each name above its line.
"""

from collections.abc import Iterator
from math import ceil, floor, log10
from typing import NamedTuple

from benchmarks.timing import readable

from connect_core.conformance.pictures.svg import (
    MARGIN,
    SIZE,
    SMALL,
    document,
    group,
    label,
    line,
    tag,
)

from .report import OURS, Bulk, Question, Report

_WIDTH = 460
_ROW = 32
_HEADING = 54
_LEFT, _RIGHT = MARGIN + 6, _WIDTH - MARGIN - 6


class _Dot(NamedTuple):
    """One answer."""

    name: str
    seconds: float
    tone: str


class _Panel(NamedTuple):
    """One question, with its dots from the quickest to the slowest."""

    title: str
    dots: list[_Dot]

    @property
    def height(self) -> float:
        """With its heading and scale."""
        return _HEADING + _ROW * len(self.dots) + MARGIN


def chart(report: Report) -> str:
    """The drawing."""
    panels = [*map(_panel, report["questions"].values()), _bulk_panel(report["bulk"])]
    height = sum(panel.height for panel in panels) + MARGIN
    description = ". ".join(
        f"{panel.title}: " + ", ".join(f"{dot.name} {readable(dot.seconds)}" for dot in panel.dots)
        for panel in panels
    )
    return document(
        "alternatives",
        "How long each library takes, question by question, on a logarithmic scale",
        f"{description}.",
        (_WIDTH, height),
        _drawn(panels),
    )


def _panel(question: Question) -> _Panel:
    return _Panel(question["title"], _sorted(_dots(question)))


def _bulk_panel(bulk: Bulk) -> _Panel:
    """Deciding, with the loading that it takes; and the filter, which loads what it finds."""
    decided = [dot._replace(seconds=dot.seconds + bulk["loading"]) for dot in _dots(bulk)]
    title = f"{bulk['rows']:,} rows: decided in Python, or filtered"
    return _Panel(title, _sorted([*decided, _Dot("one SQL filter", bulk["sql"], "data")]))


def _dots(question: Question | Bulk) -> list[_Dot]:
    return [
        _Dot(answer["contestant"], answer["seconds"], _tone(answer["contestant"]))
        for answer in question["answers"]
        if answer["seconds"] is not None
    ]


def _tone(contestant: str) -> str:
    return "data" if contestant == OURS else "source"


def _sorted(dots: list[_Dot]) -> list[_Dot]:
    return sorted(dots, key=lambda dot: dot.seconds)


def _drawn(panels: list[_Panel]) -> Iterator[str]:
    top: float = MARGIN
    for panel in panels:
        yield from _drawn_panel(panel, top)
        top += panel.height


def _drawn_panel(panel: _Panel, top: float) -> Iterator[str]:
    title = panel.title[0].upper() + panel.title[1:]
    yield label(title, _LEFT, top + 16, size=SIZE + 1, classes="strong", anchor="start")
    scale = _Scale(floor(log10(panel.dots[0].seconds)), ceil(log10(panel.dots[-1].seconds)))
    bottom = top + panel.height - MARGIN
    yield group("faint", (line(x, top + 44, x, bottom) for x in scale.places()))
    yield group("muted", _marks(scale, top + 38))
    for place, dot in enumerate(panel.dots):
        yield _drawn_dot(dot, scale, top + _HEADING + _ROW * place)


def _drawn_dot(dot: _Dot, scale: "_Scale", top: float) -> str:
    """A name and a time, and below them the dot at the end of its line."""
    x, y = scale.place(dot.seconds), top + 20
    strong = "strong" if dot.tone == "data" else ""
    told = readable(dot.seconds)
    dotted = [
        line(_LEFT, y, x, y, "line stream"),
        tag("circle", {"class": "solid", "cx": x, "cy": y, "r": 5}),
    ]
    named = [
        label(dot.name, _LEFT, top + 12, size=SMALL, classes=strong, anchor="start"),
        label(told, _RIGHT, top + 12, size=SMALL, classes=strong, anchor="end"),
    ]
    return group("ink", [*named, group(dot.tone, dotted)], f"{dot.name}: {told}")


class _Scale(NamedTuple):
    """Powers of ten seconds, from the first to the last."""

    first: int
    last: int

    def place(self, seconds: float) -> float:
        """Where on the drawing a time is."""
        share = (log10(seconds) - self.first) / (self.last - self.first)
        return _LEFT + share * (_RIGHT - _LEFT)

    def places(self) -> Iterator[float]:
        """Where its powers are."""
        return map(self.place, self.powers())

    def powers(self) -> list[float]:
        """Each power of ten, in seconds."""
        return [10.0**power for power in range(self.first, self.last + 1)]


def _marks(scale: _Scale, y: float) -> Iterator[str]:
    """What each line means; the outermost keep within the drawing."""
    powers = scale.powers()
    for power in powers:
        anchor = {powers[0]: "start", powers[-1]: "end"}.get(power, "middle")
        text = readable(power * 1.0000001)
        yield label(text, scale.place(power), y, size=SMALL, anchor=anchor)
