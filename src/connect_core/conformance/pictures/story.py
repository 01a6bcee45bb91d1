"""A story, drawn.

A column for every organization and every Connection, a row for every attempt. An attempt's text
stands beside whoever makes it, between two columns, so that it crosses none.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import Final, NamedTuple

from connect_core.conformance.pictures.scenes import (
    Attempt,
    Pair,
    Party,
    Story,
    who,
)
from connect_core.conformance.pictures.svg import (
    MARGIN,
    SIZE,
    SMALL,
    box,
    document,
    fitted,
    group,
    head,
    label,
    line,
    pill,
    tag,
    width_of,
)

_COLUMN_HEIGHT: Final = 44
_LINE: Final = 15
#: Between two columns' heads.
_APART: Final = 12
#: How much room there is on both sides of an attempt's text.
_BESIDE: Final = 23
#: Longer names than this are cut.
_LONGEST: Final = 150
_PASSES: Final = "data"


class _Column(NamedTuple):
    """What stands at the top of a column: two lines, of which the second may be empty."""

    about: Party | Pair
    tone: str
    heading: str
    name: str

    def half(self) -> float:
        wide = width_of(self.heading, SIZE, strong=True), width_of(self.name, SMALL)
        return max(wide) / 2 + 10


def _columns(story: Story) -> list[_Column]:
    """The first source, the Connections, and then everybody else."""
    single = len(story.labels) == 1
    first, *others = [
        _Column(
            party,
            who(party.roles),
            party.part().capitalize(),
            fitted(party.organization, SMALL, _LONGEST),
        )
        for party in story.parties
    ]
    connections = [
        _Column(pair, "ink", "Connection", "" if single else fitted(name, SMALL, _LONGEST))
        for pair, name in story.labels.items()
    ]
    return [first, *connections, *others]


class _Row(NamedTuple):
    """An attempt, and where it is drawn: `y` is that of its arrow, `bottom` where the row ends."""

    attempt: Attempt
    y: float
    bottom: float


def _above(attempt: Attempt) -> list[str]:
    return [attempt.words, *(fitted(detail, SMALL, _LONGEST) for detail in attempt.details)]


def _below(attempt: Attempt) -> list[str]:
    if attempt.refusal:
        return ["refused:", fitted(attempt.refusal, SMALL, _LONGEST)]
    return [_PASSES] if attempt.data else []


def _rows(story: Story) -> Iterator[_Row]:
    y: float = MARGIN + _COLUMN_HEIGHT + 8
    for attempt in story.attempts:
        arrow = y + 6 + _LINE * len(_above(attempt)) + 6
        y = arrow + 14
        if attempt.refusal or attempt.status or attempt.data:
            y = arrow + 38
        yield _Row(attempt, arrow, y)


class _Stage:
    """Where the columns of a story are."""

    def __init__(self, story: Story) -> None:
        self.story = story
        self.columns = _columns(story)
        self.rows = list(_rows(story))
        self.places = {
            column.about.organization if isinstance(column.about, Party) else column.about: place
            for place, column in enumerate(self.columns)
        }
        self.numbers = width_of(f"{len(self.rows)}", SMALL) + 8
        self.xs = list(self._xs())
        self.width = self.xs[-1] + self._outer(-1)
        self.height = self.rows[-1].bottom + MARGIN

    def way(self, attempt: Attempt) -> tuple[int, int]:
        """The columns from which and to which an attempt goes."""
        return self.places[attempt.by], self.places[attempt.pair]

    def _gap(self, attempt: Attempt) -> int:
        """The gap in which the texts of an attempt stand: beside whoever makes it."""
        start, end = self.way(attempt)
        return start if end > start else start - 1

    def _outer(self, place: int) -> float:
        return self.columns[place].half() + MARGIN

    def _xs(self) -> Iterator[float]:
        """The middle of each column."""
        x = max(self._outer(0), self.numbers + 2 * MARGIN)
        yield x
        for gap, (left, right) in enumerate(pairwise(self.columns)):
            texts = [
                width_of(text, SIZE, strong=True) + 2 * _BESIDE
                for row in self.rows
                if self._gap(row.attempt) == gap
                for text in _above(row.attempt) + _below(row.attempt)
            ]
            x += max([left.half() + right.half() + _APART, *texts])
            yield x

    def between(self, attempt: Attempt) -> float:
        """The middle of an attempt's texts."""
        gap = self._gap(attempt)
        return (self.xs[gap] + self.xs[gap + 1]) / 2


def story(story: Story) -> str:
    """A story from top to bottom: who attempts what, and what comes of it."""
    stage = _Stage(story)
    return document(
        f"cxn-story-{story.name}",
        story.title,
        " ".join(f"{number}. {_sentence(row.attempt)}" for number, row in enumerate(stage.rows, 1)),
        (stage.width, stage.height),
        [
            *(_lifeline(stage, place) for place in range(len(stage.columns))),
            *(_heading(stage, place) for place in range(len(stage.columns))),
            *(_row(stage, number, row) for number, row in enumerate(stage.rows, 1)),
        ],
    )


def _sentence(attempt: Attempt) -> str:
    asked = ", ".join([f"{attempt.by}: {attempt.words}", *attempt.details])
    if attempt.refusal:
        return f"{asked}; refused, {attempt.refusal}."
    if attempt.data:
        return f"{asked}; data passes."
    return f"{asked}; {f'now {attempt.status}' if attempt.status else 'done'}."


def _heading(stage: _Stage, place: int) -> str:
    column, x = stage.columns[place], stage.xs[place]
    middle = MARGIN + _COLUMN_HEIGHT / 2
    lines = [label(column.heading, x, middle + 5, classes="strong within")]
    if column.name:
        lines = [
            label(column.heading, x, middle - 3, classes="strong within"),
            label(column.name, x, middle + 13, size=SMALL, classes="within"),
        ]
    return group(
        f"column {column.tone}", [*box(x, middle, 2 * column.half(), _COLUMN_HEIGHT, 8), *lines]
    )


def _lifeline(stage: _Stage, place: int) -> str:
    x, bottom = stage.xs[place], stage.height - MARGIN
    top: float = MARGIN + _COLUMN_HEIGHT
    about = stage.columns[place].about
    if isinstance(about, Party):
        return group("faint", [line(x, top, x, bottom, "line lifeline")])
    parts: list[str] = []
    standing = ""
    for row in stage.rows:
        if row.attempt.pair == about and row.attempt.status:
            parts.append(_standing(x, top, row.y, standing))
            top, standing = row.y, row.attempt.status
    return group("", [*parts, _standing(x, top, bottom, standing)])


def _standing(x: float, top: float, bottom: float, status: str) -> str:
    """The part of a Connection's line in which it has one status; none: it is not there yet."""
    if not status:
        return group("faint", [line(x, top, x, bottom, "line broken lifeline")])
    return group(status, [line(x, top, x, bottom, "line bar lifeline")])


def _row(stage: _Stage, number: int, row: _Row) -> str:
    attempt = row.attempt
    start, end = stage.way(attempt)
    side = 1 if end > start else -1
    tone = "refused" if attempt.refusal else who(attempt.roles())
    elements = [
        label(f"{number}", MARGIN, row.y + 4, size=SMALL, classes="muted", anchor="start"),
        *_texts(stage, row),
        group(tone, _arrow(stage.xs[start], stage.xs[end], row.y, side, attempt.refusal)),
    ]
    if attempt.data:
        elements.append(_data(stage, row))
    if attempt.status:
        elements.append(pill(attempt.status, stage.xs[end], row.y + 20, attempt.status))
    return group("row", elements, _sentence(attempt))


def _texts(stage: _Stage, row: _Row) -> Iterator[str]:
    x, above = stage.between(row.attempt), _above(row.attempt)
    for place, text in enumerate(above):
        y = row.y - 7 - _LINE * (len(above) - 1 - place)
        size, classes = (SMALL, "muted") if place else (SIZE, "strong")
        yield label(text, x, y, size=size, classes=classes)
    if row.attempt.refusal:
        for place, text in enumerate(_below(row.attempt), 1):
            yield label(text, x, row.y + 2 + _LINE * place, size=SMALL, classes="refused")


def _arrow(start: float, end: float, y: float, side: int, refusal: str) -> Iterator[str]:
    """From whoever tries to the Connection; if in vain, it ends in a cross before that."""
    if not refusal:
        yield line(start, y, end - side * 8, y)
        yield head(end - side * 3, y, side)
        return
    x = end - side * 13
    yield line(start, y, x - side * 7, y, "line broken")
    yield tag("circle", {"class": "line", "cx": x, "cy": y, "r": 7})
    yield line(x - 3, y - 3, x + 3, y + 3)
    yield line(x - 3, y + 3, x + 3, y - 3)


def _data(stage: _Stage, row: _Row) -> str:
    """Data on its way from the source to whoever reads it."""
    start, end = stage.places[row.attempt.pair.source], stage.places[row.attempt.by]
    if start == end:
        start = stage.places[row.attempt.pair]
    side = 1 if end > start else -1
    x1, x2, y = stage.xs[start], stage.xs[end], row.y + 26
    middle = (x1 + stage.xs[start + side]) / 2
    return group(
        "data",
        [
            label(_PASSES, middle, y - 6, size=SMALL),
            line(x1, y, x2 - side * 6, y, "line stream"),
            head(x2 - side, y, side),
        ],
    )
