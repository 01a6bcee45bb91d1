"""Comparing: which rows have a value, as one mask for a whole column.

Values are compared as `connect_core.text.same_value` compares them one by one: text by its
characters, with its case, and NULL equals no value. This module decides nothing.
"""

from typing import Any, TypeAlias
from uuid import UUID

import pyarrow as pa
from pyarrow import compute

from connect_core.adapters.arrow.tables import Column, Plain, Values, fits

#: The functions of Arrow. Their stubs describe only some of what they take.
pc: Any = compute
#: A truth value for each row, never NULL.
Mask: TypeAlias = "pa.BooleanArray"


def has_value(column: Column, value: Plain) -> Mask:
    """The rows in which the column has this value."""
    if not pa.types.is_dictionary(column.type):
        return _joined(_equal(column, value))
    chunks: list[Any] = column.chunks  # each value of a dictionary is compared once
    found = [_equal(each.dictionary, value).take(each.indices) for each in chunks]
    return _joined(pa.chunked_array(found, pa.bool_()))


def has_member(column: Column, value: Plain) -> Mask:
    """The rows in which the column has a list with this value."""
    if pa.types.is_null(column.type):
        return constant(False, len(column))
    found = [_lists_with(each, value) for each in column.chunks]
    return _joined(pa.chunked_array(found, pa.bool_()))


def constant(value: bool, length: int) -> Mask:
    """The same for every row."""
    return pa.repeat(value, length)


def distinct_values(column: Column) -> tuple[list[str | int | None], Any]:
    """The distinct values of a column, and for each row the position of its value among them.

    NULL is the last of them, and may be there twice. Where text is not UTF-8, lone surrogates stand
    for its bytes, as `os.fsdecode` has them.
    """
    if pa.types.is_null(column.type) or not len(column):
        return [None], pa.repeat(pa.scalar(0, pa.int64()), len(column))
    if pa.types.is_dictionary(column.type):  # each chunk may have a dictionary of its own
        chunks: list[Any] = column.chunks
    else:
        chunks = [_comparable(column).dictionary_encode().combine_chunks()]
    dictionaries = [_comparable(each.dictionary) for each in chunks]
    values = pa.chunked_array(dictionaries).unique()
    positions: list[Any] = [
        pc.index_in(dictionary, values).take(each.indices)
        for dictionary, each in zip(dictionaries, chunks, strict=True)
    ]
    joined: Any = pa.chunked_array(positions).combine_chunks()
    return [*_python_values(values), None], joined.fill_null(len(values)).cast(pa.int64())


def _python_values(values: Any) -> list[str | int | None]:
    if pa.types.is_integer(values.type):
        return list(values.to_pylist())
    return [
        None if text is None else text.decode("utf-8", "surrogateescape")
        for text in values.cast(pa.large_binary()).to_pylist()
    ]


def _lists_with(lists: Any, value: Plain) -> Any:
    """Which of the lists have this value: those before whose end there are more than at the start.

    What a NULL list, or the lists that were cut off, may still hold is not looked at.
    """
    if pa.types.is_fixed_size_list(lists.type):
        lists = lists.cast(pa.large_list(lists.type.value_type))
    hits = has_value(pa.chunked_array([lists.values]), value)
    none = pa.array([0], pa.int64())
    before = pa.concat_arrays([none, pc.cumulative_sum(hits.cast(pa.int64()))])
    offsets = lists.offsets
    more = pc.greater(before.take(offsets[1:]), before.take(offsets[:-1]))
    return pc.and_(more, lists.is_valid())


def _equal(values: Values, value: Plain) -> Any:
    """Where the values are this one; NULL or false for NULL."""
    comparable = _comparable(values)
    if not _has_room(comparable.type, value):
        return constant(False, len(values))
    stored = value.bytes if isinstance(value, UUID) else value
    return pc.equal(comparable, pa.scalar(stored, comparable.type))


def _comparable(values: Values) -> Any:
    """The same values, of a type that every version of PyArrow compares."""
    type_ = values.type
    if pa.types.is_string_view(type_):
        return values.cast(pa.large_string())
    if pa.types.is_binary_view(type_):
        return values.cast(pa.large_binary())
    if isinstance(type_, pa.UuidType):
        return values.cast(type_.storage_type)
    return values


def _has_room(type_: Any, value: Plain) -> bool:
    """Whether a column of this type could hold the value: a small one holds no large integers."""
    if pa.types.is_null(type_) or not fits(type_, [value]):
        return False
    if isinstance(value, int):
        signed = pa.types.is_signed_integer(type_)
        width: int = type_.bit_width
        lowest = -(1 << width - 1) if signed else 0
        return lowest <= value < lowest + (1 << width)
    return isinstance(value, UUID) or not any("\ud800" <= each <= "\udfff" for each in value)


def _joined(mask: Any) -> Mask:
    """A mask in one piece, false for NULL."""
    whole = mask.combine_chunks() if hasattr(mask, "combine_chunks") else mask
    filled: Mask = whole.fill_null(False)
    return filled
