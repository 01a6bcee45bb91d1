"""Tables: the columns that the policy reads, once their types are known to fit.

A column of another type than the values that are looked for would hold none of them. It is refused,
so that no mistake looks like an empty result. This module compares nothing.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final, Protocol, TypeAlias
from uuid import UUID

import pyarrow as pa

from connect_core import arguments
from connect_core.lifecycle import Status
from connect_core.row_policy import RowPolicy
from connect_core.text import kind_of, quoted, text_of

#: A value that a column can hold, of exactly one of these types.
Plain: TypeAlias = str | int | UUID
Column: TypeAlias = "pa.ChunkedArray[Any]"
Values: TypeAlias = "pa.Array[Any] | pa.ChunkedArray[Any]"

#: Of PyArrow, what its stubs describe only in part.
untyped: Any = pa
#: How the kinds of values are called in messages.
_NAMES: Final[Mapping[type, str]] = {str: "text", int: "an integer", UUID: "a UUID"}
_PLURALS: Final[Mapping[type, str]] = {str: "text", int: "integers", UUID: "UUIDs"}


class ArrowStreamLike(Protocol):
    """A table: whatever has the stream of the Arrow C data interface."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """The stream, in a capsule."""
        ...


def table_of(table: object) -> pa.Table:
    """A table, or what hands one out, as a table of PyArrow.

    Raises:
        TypeError: it is no table.
    """
    if isinstance(table, pa.Table):
        return table
    if isinstance(table, type) or not hasattr(table, "__arrow_c_stream__"):
        raise TypeError(
            "table: expected a table of PyArrow, Polars, pandas or DuckDB, or another object with"
            f" __arrow_c_stream__, got {kind_of(table)}"
        )
    try:
        made: pa.Table = untyped.table(table)
    except pa.ArrowInvalid as error:
        raise TypeError(
            f"table: expected a table with columns, got {kind_of(table)}: {error}"
        ) from None
    return made


def organization_of(actor: object, argument: str) -> Plain:
    """The id of the actor's organization, as a value that a column can hold.

    Raises:
        TypeError: it acts for no organization, or the id is neither text, an integer nor a UUID.
    """
    ours = arguments.acting_for(actor, argument)
    plain = _plain(ours)
    if plain is None:
        raise TypeError(
            f"{argument}: expected an organization_id that a column can hold, which is text, an"
            f" integer or a UUID; got {kind_of(ours)}"
        )
    return plain


def spelled(statuses: Mapping[Status, object]) -> dict[Status, Plain]:
    """How the statuses are spelled, as values that a column can hold.

    Raises:
        TypeError: one of them is a member of an Enum that is neither text nor an integer.
    """
    return {status: _storable(status, "statuses", each) for status, each in statuses.items()}


def spelling_of(scope: str, rows: RowPolicy) -> Plain | None:
    """How a scope is spelled, as a value that a column can hold. None if no row can grant it.

    Raises:
        TypeError: it is a member of an Enum that is neither text nor an integer.
    """
    spelling = rows.spelling_of(scope)
    return None if spelling is None else _storable(scope, "scope_names", spelling)


def _storable(name: str, argument: str, spelling: object) -> Plain:
    plain = _plain(spelling)
    if plain is None:
        raise TypeError(
            f"rows: {name} is spelled {spelling!r}, which no column of Arrow holds; give a"
            f" RowPolicy whose {argument} are spelled as the column has them: by the values of the"
            " members, or by their names"
        )
    return plain


def _plain(value: object) -> Plain | None:
    """Text, an integer or a UUID without the class that is derived from it; None if it is none."""
    if issubclass(type(value), str):
        return text_of(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return int.__int__(value)
    return UUID(int=value.int) if isinstance(value, UUID) else None


# --- Columns -------------------------------------------------------------------------------------


def column_of_ids(table: pa.Table, argument: str, name: str, ours: Plain) -> Column:
    """The column of the ids of organizations.

    Raises:
        LookupError: there is no such column, or there are two.
        TypeError: it holds no ids of this kind.
    """
    column = _column_of(table, argument, name)
    if not fits(column.type, [ours]):
        raise TypeError(
            f"table: the column {quoted(name)} is of the type {column.type}, which holds no"
            f" {_PLURALS[type(ours)]}, and the id of the actor's organization is"
            f" {_NAMES[type(ours)]}; cast the column, or give an actor whose organization_id is of"
            " the column's kind"
        )
    return column


def column_of_statuses(table: pa.Table, name: str, spellings: Collection[Plain]) -> Column:
    """The column of the statuses.

    Raises:
        LookupError: there is no such column, or there are two.
        TypeError: it holds nothing that is spelled so.
    """
    column = _column_of(table, "status", name)
    if not fits(column.type, spellings):
        raise TypeError(
            f"table: the column {quoted(name)} is of the type {column.type}, which holds none of"
            f" {_listed(spellings)}; say how the statuses are spelled, in"
            " rows=RowPolicy(statuses={Status.PENDING: ...})"
        )
    return column


def column_of_scopes(table: pa.Table, name: str, spelling: Plain | None) -> Column:
    """The column of the scopes, which is one of lists. It may be anything if nothing is looked for.

    Raises:
        LookupError: there is no such column, or there are two.
        TypeError: it holds no lists of what is spelled so.
    """
    column = _column_of(table, "scopes", name)
    type_: Any = column.type
    if spelling is None or pa.types.is_null(type_):
        return column
    if not _is_list(type_) or not fits(type_.value_type, [spelling]):
        raise TypeError(
            f"table: the column {quoted(name)} is of the type {type_}, which is no list of"
            f" {_PLURALS[type(spelling)]}; cast it to one, such as pyarrow.list_(pyarrow.string())"
        )
    return column


def _column_of(table: pa.Table, argument: str, name: str) -> Column:
    positions = table.schema.get_all_field_indices(name)
    if len(positions) != 1:
        found = "no column" if not positions else "more than one column"
        raise LookupError(
            f"table: there is {found} {quoted(name)}; its columns are"
            f" {_listed(table.column_names)}. Say which one it is, in"
            f" rows=RowPolicy({argument}=...)"
        )
    return table.column(positions[0])


def _is_list(type_: Any) -> bool:
    types = pa.types
    return types.is_list(type_) or types.is_large_list(type_) or types.is_fixed_size_list(type_)


def fits(type_: Any, values: Iterable[Plain]) -> bool:
    """Whether a column of this type can hold values of the kind of one of these, or only NULL."""
    if pa.types.is_dictionary(type_):
        type_ = type_.value_type
    return pa.types.is_null(type_) or any(_HOLDS[type(value)](type_) for value in values)


def _holds_text(type_: Any) -> bool:
    types = pa.types
    return types.is_string(type_) or types.is_large_string(type_) or types.is_string_view(type_)


def _holds_uuids(type_: Any) -> bool:
    """Whether it can hold UUIDs: as such, or as their 16 bytes."""
    types = pa.types
    if types.is_fixed_size_binary(type_):
        return bool(type_.byte_width == 16)
    return (
        isinstance(type_, pa.UuidType)
        or types.is_binary(type_)
        or types.is_large_binary(type_)
        or types.is_binary_view(type_)
    )


_HOLDS: Final = {str: _holds_text, int: pa.types.is_integer, UUID: _holds_uuids}


def _listed(values: Iterable[object]) -> str:
    return ", ".join(map(quoted, values)) or "none"
