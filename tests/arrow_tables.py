"""Tables of Arrow with hostile rows, in every type that can hold them, and what to expect."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, NamedTuple
from uuid import UUID

import pyarrow as pa
from hypothesis import strategies as st

from connect_core import Decision, RowPolicy, Wording
from connect_core.adapters.arrow import Decisions

arrow: Any = pa  # its stubs describe only some of what is made here


@dataclass(frozen=True)
class User:
    """An actor with an id of any kind."""

    organization_id: object


class Kind(NamedTuple):
    """A kind of ids: an actor's, those that a table may hold, and the types that hold them."""

    ours: object
    ids: Sequence[object]
    types: Sequence[Any]


class Text(str):
    """Text whose class claims to be equal to everything."""

    __slots__ = ()
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        return True


class Level(IntEnum):
    """Statuses that a host spells as numbers."""

    OFFERED = 1
    LIVE = 2
    ENDED = 3


TEXTS = [arrow.string(), arrow.large_string(), arrow.string_view()]
#: Signed and unsigned, small and large.
INTEGERS = [arrow.int8(), arrow.int64(), arrow.uint8(), arrow.uint64()]
BYTES = [
    arrow.uuid(),
    arrow.binary(16),
    arrow.binary(),
    arrow.large_binary(),
    arrow.binary_view(),
]
#: One has a Cyrillic letter, one a combining accent.
NAMES = ["org_A", "org_a", "org_A ", "\u043erg_A", "", "org_B", "org_A\u0301", None]
OURS = UUID("5f0c7f9e-93a8-4c0e-8f9e-1b7b7e0f5a11")
UUIDS = [OURS, UUID(bytes=OURS.bytes_le), UUID(int=0), UUID(int=OURS.int ^ 1), None]
KINDS = {
    "text": Kind("org_A", NAMES, TEXTS),
    "text of a class": Kind(Text("org_A"), NAMES, TEXTS),
    "lone surrogate": Kind("org_\ud800", NAMES, TEXTS),
    "integer": Kind(7, [7, 0, 1, 127, None], INTEGERS),
    "IntEnum": Kind(Level.LIVE, [2, 0, 1, 127, None], INTEGERS),
    "large integer": Kind(2**64 + 7, [7, 0, 1, 127, None], INTEGERS),
    "negative integer": Kind(-128, [-128, -1, 0, 127, None], INTEGERS[:2]),
    "integer that is never there": Kind(-1, [7, 0, 1, 127, None], INTEGERS),
    "UUID": Kind(OURS, UUIDS, BYTES),
}

STATUSES = ["pending", "active", "inactive", "PENDING", "active ", "", "offered", "1", None]
#: "pending" is spelled like a status of ours, and is another one.
OTHERS = RowPolicy(
    source="giver",
    destination="taker",
    status="state",
    scopes="grants",
    statuses={"pending": "offered", "active": Text("pending"), "inactive": "1"},
    scope_names={"inquiry.read": "INQUIRY", "account.read": "inquiry.read"},
    wording=Wording(connection="partnership"),
)
NUMBERS = RowPolicy(
    statuses={"pending": Level.OFFERED, "active": 2, "inactive": Level.ENDED},
    scope_names={"inquiry.read": 1, "account.read": Level.LIVE},
)
#: Of the spellings, a column of text holds two, and one of integers one.
MIXED = RowPolicy(statuses={"pending": "pending", "active": 2, "inactive": "inactive"})
#: Each with the statuses that a table may hold, and the types that hold them.
POLICIES: dict[str, tuple[RowPolicy, Sequence[object], Sequence[Any]]] = {
    "default": (RowPolicy(), STATUSES, TEXTS),
    "other names": (OTHERS, STATUSES, TEXTS),
    "numbers": (NUMBERS, [1, 2, 3, 0, 4, 127, None], INTEGERS),
    "mixed, of text": (MIXED, STATUSES, TEXTS),
    "mixed, of integers": (MIXED, [1, 2, 3, None], INTEGERS),
}

# --- Storage -------------------------------------------------------------------------------------


def plain(values: Sequence[object], type_: Any) -> Any:
    """An array of these values."""
    stored = [value.bytes if isinstance(value, UUID) else value for value in values]
    return arrow.array(stored, type_)


def encoded(values: Sequence[object], type_: Any) -> Any:
    """The same, dictionary-encoded."""
    array = plain(values, arrow.binary(16) if type_ == arrow.uuid() else type_)
    return array.dictionary_encode()


def repeated(values: Sequence[object], type_: Any) -> Any:
    """The same, with a dictionary that has NULL, and values twice."""
    array = plain(values, type_)
    indices = arrow.array([*range(len(values))], arrow.uint16())
    return arrow.DictionaryArray.from_arrays(indices, array)


def sliced(values: Sequence[object], type_: Any) -> Any:
    """The same, as a slice of an array that has them twice."""
    return plain([*values, *values], type_)[len(values) :]


FORMS: list[Callable[[Sequence[object], Any], Any]] = [plain, encoded, repeated, sliced]


def column(values: Sequence[object], type_: Any, form: Callable[..., Any], cuts: list[int]) -> Any:
    """A column of these values, cut into chunks."""
    ends = [0, *sorted(min(cut, len(values)) for cut in cuts), len(values)]
    chunks = [form(values[start:end], type_) for start, end in pairwise(ends)]
    return arrow.chunked_array(chunks)


def pairs(type_: Any) -> Any:
    """The type of lists of two."""
    return arrow.list_(type_, 2)


#: Where a column is cut into chunks.
CUTS = st.lists(st.integers(0, 12), max_size=3)
ANY_FORM = st.sampled_from(FORMS)


@st.composite
def tables(
    draw: st.DrawFn, kind: Kind, policy: str, type_: Any
) -> tuple[Any, RowPolicy, list[SimpleNamespace]]:
    """A table, how it is read, and its rows."""
    rows, statuses, status_types = POLICIES[policy]
    values = draw(
        st.lists(
            st.tuples(*map(st.sampled_from, (kind.ids, kind.ids, statuses))),
            max_size=12,
        )
    )
    sources, destinations, states = ([row[place] for row in values] for place in range(3))
    table = arrow.table(
        {
            rows.status: column(
                states, draw(st.sampled_from(status_types)), draw(ANY_FORM), draw(CUTS)
            ),
            rows.source: column(sources, type_, draw(ANY_FORM), draw(CUTS)),
            rows.destination: column(
                destinations, draw(st.sampled_from(kind.types)), draw(ANY_FORM), draw(CUTS)
            ),
        }
    )
    names = rows.source, rows.destination, rows.status
    return table, rows, [SimpleNamespace(**dict(zip(names, row, strict=True))) for row in values]


def check(decisions: Decisions, expected: list[Decision]) -> None:
    """Every view of the decisions says the same."""
    assert [*decisions] == expected
    assert [decisions[index] for index in range(len(decisions))] == expected
    assert decisions[:] == tuple(expected)
    assert len(decisions) == len(expected)
    assert type(decisions.allowed) is pa.BooleanArray
    assert decisions.allowed.to_pylist() == [decision.allowed for decision in expected]
    assert decisions.distinct == tuple(dict.fromkeys(expected))
    assert decisions.codes.to_pylist() == [*map(decisions.distinct.index, expected)]
    assert decisions.codes.type == arrow.int32()
    for attribute in ("explanation", "advice", "denial", "target"):
        column: Any = decisions.column(attribute)
        assert column.to_pylist() == [getattr(decision, attribute) for decision in expected]
        assert column.type == arrow.dictionary(arrow.int32(), arrow.string())
        assert len(set(column.dictionary.to_pylist())) == len(column.dictionary)


# --- Tables --------------------------------------------------------------------------------------

#: An actor, and a table in which it is the destination of active Connections.
OURSELVES = User("org_A")


def table_of(length: int = 1, **columns: Any) -> Any:
    """A table, with these columns in place of its own."""
    given = {"source": ["org_B"], "destination": ["org_A"], "status": ["active"]}
    values = {name: value * length for name, value in given.items()} | columns
    names = {name: f"{name}_organization_id" for name in ("source", "destination")}
    return arrow.table({names.get(name, name): value for name, value in values.items()})


class Foreign:
    """A table of another library, of which only the stream is known."""

    def __init__(self, table: Any) -> None:
        self._table = table

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._table.__arrow_c_stream__(requested_schema)
