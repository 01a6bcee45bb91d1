"""Decisions on many rows: `decide_many` on a table of Arrow, against `decide` on each row.

The rows of the loop exist already: what it takes to make a million objects is not counted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from random import Random
from typing import Any, NamedTuple
from uuid import UUID

import pyarrow as pa

from connect_core import Action, Status, decide
from connect_core.adapters.arrow import decide_many

from .results import AtLeast, Fact, Figure, Section
from .timing import Sample, best, statement

#: The numbers of rows, and how many rounds there are of each.
_SIZES = {10: 300, 100: 300, 1_000: 200, 10_000: 50, 100_000: 10, 1_000_000: 5}
_MILLION = 1_000_000
_LOOP = "[decide(actor, action, row) for row in rows]"
_FILTER = "decide_many(actor, action, table).allowed"
_REASON = "decide_many(actor, action, table).column('explanation')"
#: From so many rows on, how many times as fast as the loop the filter is, and the reasons are. The
#: loop takes 300 ms for a million rows: these are the aims of 20 ms and 60 ms.
_BOUNDED = 100_000
_FILTER_BOUND, _REASON_BOUND = AtLeast(15), AtLeast(5)
_STATUSES = (*(status.value for status in Status), "archived")
_ORGANIZATIONS = 500
arrow: Any = pa  # its stubs describe only some of what is made here


@dataclass(slots=True)
class _Row:
    source_organization_id: object
    destination_organization_id: object
    status: object


class _Actor(NamedTuple):
    organization_id: object


def deciding() -> list[Section]:
    """How long it takes by the number of rows, and for a million by the types of the columns."""
    ids = _text_ids(Random(1))  # noqa: S311  # no secret
    return [
        Section(
            "Deciding about many rows (ids and statuses as text)",
            *_compared([_Case(f"{size:,} rows", ids, size) for size in _SIZES]),
        ),
        Section(
            "A million rows, by the types of the columns",
            *_compared(
                [
                    _Case(f"{kind}, status {form}", found, _MILLION, form == "dictionary")
                    for kind, found in _ids(Random(1)).items()  # noqa: S311  # no secret
                    for form in ("text", "dictionary")
                ]
            ),
        ),
    ]


class _Case(NamedTuple):
    """A table: its name, the ids in it, the number of its rows, and how its statuses are stored."""

    name: str
    ids: Sequence[Any]
    size: int
    dictionary: bool = False


def _text_ids(random: Random) -> list[str]:
    return [f"org_{random.getrandbits(60):015x}" for _ in range(_ORGANIZATIONS)]


def _ids(random: Random) -> dict[str, Sequence[Any]]:
    """Ids of each kind; a row's ids are drawn from them."""
    return {
        "text": _text_ids(random),
        "integers": range(1_000, 1_000 + _ORGANIZATIONS),
        "UUIDs": [UUID(int=random.getrandbits(128)) for _ in range(_ORGANIZATIONS)],
    }


def _compared(cases: Sequence[_Case]) -> tuple[tuple[Figure, ...], tuple[Fact, ...]]:
    found = [_measured(case) for case in cases]
    return tuple(figure for figures, _ in found for figure in figures), tuple(
        fact for _, fact in found
    )


def _measured(case: _Case) -> tuple[list[Figure], Fact]:
    """The figures of one table, and whether the decisions are the same."""
    actor, rows, table = _made(case)
    names: dict[str, Any] = {"decide": decide, "decide_many": decide_many}
    names |= {"actor": actor, "action": Action.ACTIVATE, "rows": rows, "table": table}
    contestants: dict[str, Sample] = {
        source: statement(source, **names) for source in (_LOOP, _FILTER, _REASON)
    }
    seconds = best(contestants, _SIZES[case.size])
    figures = [
        Figure(
            f"{case.name}: {what}",
            seconds[source],
            _LOOP,
            seconds[_LOOP],
            bound if case.size >= _BOUNDED else None,
            faster=True,
        )
        for what, source, bound in (
            ("filter", _FILTER, _FILTER_BOUND),
            ("reasons", _REASON, _REASON_BOUND),
        )
    ]
    same = [*decide_many(actor, Action.ACTIVATE, table)] == [
        decide(actor, Action.ACTIVATE, row) for row in rows
    ]
    return figures, Fact(f"{case.name}: the same decisions", same)


def _made(case: _Case) -> tuple[_Actor, list[_Row], Any]:
    """An actor, and the same rows as objects and as a table.

    The actor's organization is the source of a tenth of the rows, and the destination of a tenth.
    """
    random = Random(case.size)  # noqa: S311  # no secret
    ours = case.ids[0]
    sources, destinations = (
        [ours if random.random() < 0.1 else random.choice(case.ids) for _ in range(case.size)]
        for _ in range(2)
    )
    statuses = [*islice(cycle(_STATUSES), case.size)]
    rows = [*map(_Row, sources, destinations, statuses)]
    stored = arrow.array(statuses)
    table = arrow.table(
        {
            "source_organization_id": _column(sources),
            "destination_organization_id": _column(destinations),
            "status": stored.dictionary_encode() if case.dictionary else stored,
        }
    )
    return _Actor(ours), rows, table


def _column(ids: list[Any]) -> Any:
    if isinstance(ids[0], UUID):
        return arrow.array([each.bytes for each in ids], arrow.uuid())
    return arrow.array(ids)
