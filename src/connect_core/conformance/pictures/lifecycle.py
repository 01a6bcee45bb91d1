"""The lifecycle, drawn.

The statuses stand below each other. A transition to the next one below is a straight arrow; any
other goes through a lane of its own, to the right of them if it leads down and to the left if it
leads up. The texts of both stand in the gaps between two statuses, where no lane ends.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from connect_core.conformance.pictures.scenes import (
    Rules,
    Transition,
    readers,
    statuses,
    transitions,
)
from connect_core.conformance.pictures.svg import (
    MARGIN,
    PILL,
    SIZE,
    SMALL,
    box,
    document,
    group,
    head,
    label,
    line,
    pill,
    pill_width,
    tag,
    width_of,
)
from connect_core.lifecycle import Status

_BOX_HEIGHT: Final = 54
_DOT: Final = 7
#: Between an arrow and its text, and between a text and the next lane.
_SPACE: Final = 12
#: Between two lanes that end at the same status.
_PORTS: Final = 16
_CURVE: Final = 10
_NOTHING: Final = "no Connection"


class _Lane(NamedTuple):
    """A transition beside the statuses; `start` and `end` are their numbers, from above.

    `side` is 1 for the right and -1 for the left.
    """

    way: Transition
    start: int
    end: int
    side: int

    def gap(self, gaps: int) -> int:
        """The gap in which its text stands; a gap has the number of the status above it."""
        return min(max((self.start + self.end - 1) // 2, 0), gaps - 1)


class _Layout:
    """Where everything is."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.statuses = statuses(rules.table)
        self.straight: dict[int, Transition] = {}
        self.lanes: list[_Lane] = []
        for way in transitions(rules.table):
            self._place(way)
        self.lanes.sort(key=lambda lane: abs(lane.start - lane.end))
        self.half = max(
            *(width_of(self.about(status), SMALL) / 2 + 14 for status in self.statuses),
            *(_text_width(way) + 2 * _SPACE for way in self.straight.values()),
        )
        self.middle = MARGIN + self._reach(-1) + self.half
        self.width = self.middle + self.half + self._reach(1) + MARGIN
        self.tops = list(self._tops())
        self.height = self.tops[-1] + _BOX_HEIGHT + MARGIN

    def _place(self, way: Transition) -> None:
        start, end = self.statuses.index(way.before), self.statuses.index(way.after)
        if end == start + 1 and start not in self.straight:
            self.straight[start] = way
        else:
            self.lanes.append(_Lane(way, start, end, side=1 if end >= start else -1))

    def about(self, status: Status | None) -> str:
        """What a status means for data."""
        if status is None:
            return _NOTHING
        reading = " or ".join(f"the {role}" for role in readers(self.rules, status))
        return f"{reading or 'nobody'} may read data"

    def beside(self, side: int) -> list[_Lane]:
        """The lanes of one side, the innermost first."""
        return [lane for lane in self.lanes if lane.side == side]

    def _reach(self, side: int) -> float:
        return sum(_lane_width(lane) for lane in self.beside(side))

    def lane_x(self, lane: _Lane) -> float:
        """The x of the lane's long part."""
        lanes = self.beside(lane.side)
        inner = sum(map(_lane_width, lanes[: lanes.index(lane)]))
        return self.middle + lane.side * (self.half + inner + 2 * _SPACE)

    def _tops(self) -> Iterator[float]:
        """The y of the upper edge of each status."""
        y: float = MARGIN
        for place, status in enumerate(self.statuses):
            yield y
            texts = [self.straight[place]] if place in self.straight else []
            gaps = len(self.statuses) - 1
            texts += [lane.way for lane in self.lanes if lane.gap(gaps) == place]
            y += self.box_height(status) + max([40, *(_text_height(way) + 20 for way in texts)])

    def box_height(self, status: Status | None) -> float:
        return 2 * _DOT if status is None else _BOX_HEIGHT

    def bottom(self, place: int) -> float:
        return self.tops[place] + self.box_height(self.statuses[place])

    def gap_middle(self, place: int) -> float:
        return (self.bottom(place) + self.tops[place + 1]) / 2

    def edge(self, place: int, side: int) -> float:
        """The x at which a status ends on one side."""
        return self.middle + side * (_DOT if self.statuses[place] is None else self.half)

    def port(self, lane: _Lane, place: int) -> float:
        """The y at which a lane meets a status, so that lanes of one side do not cross there."""
        lanes = self.beside(lane.side)
        above = [other for other in lanes if max(other.start, other.end) == place]
        below = [other for other in reversed(lanes) if min(other.start, other.end) == place]
        if place == max(lane.start, lane.end):
            position = above.index(lane)
        else:
            position = len(above) + below.index(lane)
        middle = self.tops[place] + self.box_height(self.statuses[place]) / 2
        return middle + (position - (len(above) + len(below) - 1) / 2) * _PORTS


def _text_width(way: Transition) -> float:
    return max(width_of(way.action, SIZE, strong=True), *map(pill_width, way.roles))


def _text_height(way: Transition) -> float:
    return SIZE + (PILL + 4) * len(way.roles)


def _lane_width(lane: _Lane) -> float:
    return _text_width(lane.way) + 3 * _SPACE


def lifecycle(rules: Rules) -> str:
    """The statuses, and every transition with who may take it."""
    layout = _Layout(rules)
    ways = transitions(rules.table)
    told = "; ".join(f"{_told(way)}, by the {' or the '.join(way.roles)}" for way in ways)
    means = "; ".join(
        f"{status}: {layout.about(status)}" for status in layout.statuses if status is not None
    )
    return document(
        "cxn-lifecycle",
        "The life of a Connection",
        f"Transitions: {told}. Data: {means}.",
        (layout.width, layout.height),
        [
            *(_straight(layout, place, way) for place, way in layout.straight.items()),
            *(_lane(layout, lane) for lane in layout.lanes),
            *(_status(layout, place) for place in range(len(layout.statuses))),
        ],
    )


def _told(way: Transition) -> str:
    return f"{way.action}: {way.before or _NOTHING} → {way.after}"


def _status(layout: _Layout, place: int) -> str:
    status, x, top = layout.statuses[place], layout.middle, layout.tops[place]
    if status is None:
        dot = tag("circle", {"class": "solid", "cx": x, "cy": top + _DOT, "r": _DOT})
        text = label(_NOTHING, x - 2 * _SPACE, top + 11, size=SMALL, classes="muted", anchor="end")
        return group("status", [dot, text])
    elements = [
        *box(x, top + _BOX_HEIGHT / 2, 2 * layout.half, _BOX_HEIGHT, _CURVE),
        label(status, x, top + 23, size=16, classes="strong within"),
        label(layout.about(status), x, top + 42, size=SMALL, classes="within"),
    ]
    return group(f"status {status}", elements)


def _straight(layout: _Layout, place: int, way: Transition) -> str:
    x, end = layout.middle, layout.tops[place + 1]
    arrow = [line(x, layout.bottom(place), x, end - 4), head(x, end - 1, 0, 1)]
    text = _text(way, x + _SPACE, layout.gap_middle(place), side=1)
    return group("way", [*arrow, *text], _told(way))


def _lane(layout: _Layout, lane: _Lane) -> str:
    side, x = lane.side, layout.lane_x(lane)
    y1, y2 = layout.port(lane, lane.start), layout.port(lane, lane.end)
    down = 1 if y2 > y1 else -1
    curve = min(_CURVE, abs(y2 - y1) / 2)
    tip = layout.edge(lane.end, side)
    path = (
        f"M{layout.edge(lane.start, side):.6g} {y1:.6g}H{x - side * curve:.6g}"
        f"Q{x:.6g} {y1:.6g} {x:.6g} {y1 + down * curve:.6g}V{y2 - down * curve:.6g}"
        f"Q{x:.6g} {y2:.6g} {x - side * curve:.6g} {y2:.6g}H{tip + side * 4:.6g}"
    )
    gap = lane.gap(len(layout.statuses) - 1)
    text = _text(lane.way, x + side * _SPACE, layout.gap_middle(gap), side)
    arrow = [tag("path", {"class": "lane", "d": path}), head(tip + side, y2, -side)]
    return group("way", [*arrow, *text], _told(lane.way))


def _text(way: Transition, x: float, middle: float, side: int) -> Iterator[str]:
    """What a transition is called, and below it who may take it, on one side of `x`."""
    y = middle - _text_height(way) / 2 + SIZE - 2
    anchor = "start" if side > 0 else "end"
    yield label(way.action, x, y, classes="strong", anchor=anchor)
    for role in way.roles:
        y += PILL + 4
        yield pill(role, x + side * pill_width(role) / 2, y - SIZE + 2 + 2, role)
