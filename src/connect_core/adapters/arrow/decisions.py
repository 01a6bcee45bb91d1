"""Decisions on every row of a table, made once for all rows that they fit.

No rule is repeated here: for each combination of roles and status that occurs, a `RowPolicy`
decides about one such row.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, get_args, overload

import pyarrow as pa

from connect_core import arguments
from connect_core.adapters.arrow.comparing import distinct_values, pc
from connect_core.adapters.arrow.questions import OnAccess, OnAction, Question
from connect_core.adapters.arrow.tables import ArrowStreamLike, table_of, untyped
from connect_core.decision import Decision
from connect_core.parties import ActorLike
from connect_core.row_policy import RowPolicy
from connect_core.text import quoted

if TYPE_CHECKING:
    from pyarrow.lib import Int32Type, StringType

    TextColumn = pa.DictionaryArray[Int32Type, StringType]
else:
    TextColumn = pa.DictionaryArray

#: How rows are read whose columns have the names of this library.
_OURS: Final = RowPolicy()

#: What `Decisions.column` gives.
_Attribute: TypeAlias = Literal["explanation", "advice", "denial", "target"]


@dataclass(frozen=True, eq=False, repr=False)
class Decisions(Sequence[Decision]):
    """The decision on each row of a table, in the order of its rows: a sequence of them. Immutable.

    `decide_many` and `decide_access_many` make it. An index gives a `Decision` that equals what
    asking about that row alone gives; a slice gives a tuple of them. What is made for all rows is
    made when it is first asked for, and kept; until then, it keeps the table's columns.

    Two are equal if their decisions are. It is neither true nor false, because ``if decisions``
    would not say whether anything is allowed.
    """

    _question: Question

    @cached_property
    def allowed(self) -> pa.BooleanArray:
        """Whether each row is allowed, without NULL: a mask for ``table.filter``.

        It is the quickest answer, for which no decision is made.
        """
        return self._question.allowed()

    @property
    def distinct(self) -> tuple[Decision, ...]:
        """The decisions that occur, each once, in the order in which they occur first."""
        return self._encoded[1]

    @property
    def codes(self) -> pa.Int32Array:
        """For each row, the position of its decision in `distinct`."""
        codes: pa.Int32Array = self._encoded[0]
        return codes

    def column(self, attribute: _Attribute) -> TextColumn:
        """An attribute of each decision, as a column of text to append to the table.

        It is dictionary-encoded: each text is stored once. `denial` and `target` are NULL where
        they are None, and have the names of this library.

        Args:
            attribute: ``explanation``, ``advice``, ``denial`` or ``target``.

        Raises:
            ValueError: it is none of these.
        """
        if attribute not in get_args(_Attribute):
            known = ", ".join(get_args(_Attribute))
            raise ValueError(f"attribute: expected one of {known}; got {quoted(attribute)}")
        texts: dict[str, int] = {}
        positions: list[int | None] = []
        for decision in self.distinct:
            text: str | None = getattr(decision, attribute)
            positions.append(None if text is None else texts.setdefault(str(text), len(texts)))
        indices: Any = pa.array(positions, pa.int32()).take(self.codes)
        made: TextColumn
        made = untyped.DictionaryArray.from_arrays(indices, pa.array(texts, pa.string()))
        return made

    def __len__(self) -> int:
        return len(self._question.columns)

    def __iter__(self) -> Iterator[Decision]:
        return iter(self[:])

    @overload
    def __getitem__(self, index: int) -> Decision: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Decision, ...]: ...
    def __getitem__(self, index: int | slice) -> Decision | tuple[Decision, ...]:
        codes, distinct = self._encoded
        if isinstance(index, slice):
            positions: list[int] = codes.to_pylist()[index]
            return tuple([distinct[position] for position in positions])
        position: int = codes[index].as_py()
        return distinct[position]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Decisions):
            return NotImplemented
        return self.distinct == other.distinct and self.codes.equals(other.codes)

    def __bool__(self) -> bool:
        raise TypeError(
            "decisions on many rows are neither true nor false; look at .allowed, such as"
            " table.filter(decisions.allowed), or at len(decisions)"
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__} on {len(self)} rows>"

    @cached_property
    def _encoded(self) -> tuple[Any, tuple[Decision, ...]]:
        """The codes, and what they stand for."""
        question = self._question
        statuses, keys = distinct_values(question.columns.status)
        masks = question.masks
        for mask in masks:  # a number for each combination: the last mask is its last bit
            keys = pc.add(pc.multiply(keys, 2), mask.cast(pa.int64()))
        met: Any = keys.dictionary_encode()
        found: dict[Decision, int] = {}
        positions: list[int] = []
        bits = range(len(masks))[::-1]
        combinations: list[int] = met.dictionary.to_pylist()
        for key in combinations:
            facts = [bool(key >> bit & 1) for bit in bits]
            decision = question.decide(facts, statuses[key >> len(bits)])
            positions.append(found.setdefault(decision, len(found)))
        return pa.array(positions, pa.int32()).take(met.indices), tuple(found)


def decide_many(
    actor: ActorLike,
    action: str,
    table: ArrowStreamLike,
    *,
    rows: RowPolicy = _OURS,
) -> Decisions:
    """Whether `actor` may take `action` on each row of a table, and why.

    The answer on a row is that of `rows.decide`, which is `connect_core.decide` if `rows` is
    omitted. An id that is NULL is nobody's; a status that is NULL is not known.

    The columns of ids hold text, integers or UUIDs, like the actor's own id; UUIDs as such
    (``arrow.uuid``) or as their 16 bytes, as ``UUID.bytes`` has them. The status is text or an
    integer. All of them may be dictionary-encoded.

    Args:
        actor: who asks.
        action: an `Action`, or the same as plain text.
        table: a table, of which three columns are read. A stream that can be read only once is
            used up by it.
        rows: what the columns are called and how the statuses are spelled; as in this library if
            omitted.

    Raises:
        ValueError: there is no such action.
        TypeError: `actor` acts for no organization, or its id is not of the kind that the columns
            hold; no status could be spelled as `rows` says; `table` is no table; or `rows` is no
            `RowPolicy`.
        LookupError: the table lacks a column, or has two of the same name.
    """
    arguments.instance(RowPolicy, rows, "rows")
    return Decisions(OnAction(actor, action, table_of(table), rows))


def decide_access_many(
    reader: ActorLike,
    scope: str,
    table: ArrowStreamLike,
    *,
    rows: RowPolicy = _OURS,
) -> Decisions:
    """Whether `reader` may read data of `scope` through each row of a table, and why.

    The answer on a row is that of `rows.decide_access`, which is `connect_core.decide_access` if
    `rows` is omitted. The scopes are a column of lists of text, or of integers if `rows` spells
    them so. NULL grants nothing. Everything else is as for `decide_many`.

    Args:
        reader: who asks.
        scope: what they would read, by its name in this library.
        table: a table, of which four columns are read. A stream that can be read only once is used
            up by it.
        rows: what the columns are called, and how statuses and scopes are spelled; as in this
            library if omitted.

    Raises:
        TypeError: as for `decide_many`; or the scopes are no lists of what `rows` spells.
        LookupError: the table lacks a column, or has two of the same name.
    """
    arguments.instance(RowPolicy, rows, "rows")
    return Decisions(OnAccess(reader, scope, table_of(table), rows))
