"""The columns that the filters compare: of any table of a host's, compared as Python compares.

A filter and a single check agree only if the database finds a value equal to another exactly when
Python does, once the value is loaded. A column whose type compares otherwise, or that holds no such
values, is refused. What only the database knows, such as a collation that was declared there,
cannot be seen from here.

A value is bound by the column's own type, an integer as BIGINT, never as text in its place.
"""

import re
from collections.abc import Sequence
from typing import Any, Final, cast
from uuid import UUID

from sqlalchemy import (
    CHAR,
    NCHAR,
    BigInteger,
    ColumnElement,
    Enum,
    FromClause,
    Integer,
    LargeBinary,
    PickleType,
    String,
    Uuid,
    and_,
    inspect,
    literal,
)
from sqlalchemy.dialects.postgresql import DOMAIN
from sqlalchemy.orm import Mapper, QueryableAttribute, RelationshipProperty
from sqlalchemy.orm.util import AliasedClass, AliasedInsp
from sqlalchemy.types import NullType, TypeDecorator, TypeEngine

from connect_core.text import kind_of, same_value, text_of

# --- Columns -------------------------------------------------------------------------------------


def has_value(on: object, name: str, values: Sequence[object]) -> ColumnElement[bool] | None:
    """Whether a column has one of these values: true or false, and false for NULL.

    Returns None if no value of the column can ever be one of them.

    Args:
        on: the table, alias or mapped class.
        name: the name of its column, or of the attribute.
        values: texts, integers, UUIDs, or what a type of the host's takes; none is None.

    Raises:
        TypeError: `on` is something else, has no such column but a Python attribute, or has one
            that does not compare such values as Python does.
        KeyError: the table has no such column.
        AttributeError: the class has no such attribute.
    """
    column = column_of(on, name)
    chosen = [
        bound for value in values if (bound := bound_to(column, column.type, value)) is not None
    ]
    if not chosen:
        return None
    one_of = column == chosen[0] if len(chosen) == 1 else column.in_(chosen)
    return and_(column.is_not(None), one_of)


def column_of(on: object, name: str) -> ColumnElement[Any]:
    """The column of a table, or what a class's attribute is in SQL.

    Raises:
        TypeError: `on` is something else, or the attribute is nothing in SQL.
        KeyError: the table has no such column.
        AttributeError: the class has no such attribute.
    """
    if isinstance(on, FromClause):
        return cast("FromClause", on).c[name]
    mapped = _is_mapped(on)
    found: Any = getattr(on, name) if mapped else getattr(on, name, None)
    kind = type(found).__name__
    if isinstance(getattr(found, "property", None), RelationshipProperty):
        kind = "relationship"
    else:
        attribute: Any = found.expression if _is_attribute(found) else found
        if isinstance(attribute, ColumnElement):
            return cast("ColumnElement[Any]", attribute)  # type: ignore[redundant-cast]  # for pyright
    if mapped:
        raise TypeError(
            f"on: {name} is a {kind} of {on}, which SQL cannot compare: make it a hybrid_property"
            " or a synonym, or name a mapped column in rows=RowPolicy(...)"
        )
    raise TypeError(
        f"on: expected a table, alias, subquery or mapped class with the column {name},"
        f" got {kind_of(on)}"
    )


def _is_attribute(found: object) -> bool:
    return isinstance(found, QueryableAttribute)


def _is_mapped(on: Any) -> bool:
    """Whether it is a mapped class or an alias of one. To inspect an engine opens its database."""
    is_class = isinstance(on, type | AliasedClass)
    return is_class and isinstance(inspect(on, raiseerr=False), Mapper | AliasedInsp)


# --- Types ---------------------------------------------------------------------------------------


class _DiffersError(Exception):
    """Why a type does not compare values as Python does, and what to do."""


_SUBQUERY: Final = "or select it as such into a subquery and pass that"

#: Collations, and suffixes of their names, that find different texts equal.
_FOLDING: Final = re.compile(
    r"nocase|rtrim|.*_(ci|ai)(_.*)?"  # SQLite's; MySQL's and SQL Server's: case, accents
    r"|(?!.*(_nopad_|_0900_)).*_(bin2?|general_cs)",  # theirs that ignore spaces at the end
    re.IGNORECASE,
)


#: The widest integers of SQL have 64 bits.
_INTEGERS: Final = range(-(1 << 63), 1 << 63)


def bound_to(
    column: ColumnElement[Any], type_: TypeEngine[Any], value: object
) -> ColumnElement[Any] | None:
    """The value as a parameter of a column's type, or its items'; None if nothing can equal it.

    Raises:
        TypeError: the type does not compare such values as Python does.
    """
    try:
        return _bound(type_, value)
    except _DiffersError as error:
        raise TypeError(f"on: {column} is of the type {type_!r}, {error}") from None


def _bound(type_: TypeEngine[Any], value: object) -> ColumnElement[Any] | None:
    held = _held(type_, value)
    if held is None:
        return None
    if isinstance(type_, NullType):
        return literal(held)
    if isinstance(type_, Integer):  # a number that is too wide for it can still be compared
        return literal(held, BigInteger())
    return literal(held, type_)


def _held(type_: TypeEngine[Any], value: object, *, decorated: bool = False) -> object:
    """What equals the value among what a column of this type holds, on every database.

    None, if nothing can equal it.
    """
    variants = type_._variant_mapping.values()  # pyright: ignore[reportPrivateUsage]  # SQLAlchemy has no other way
    found = [_held_alone(each, value, decorated) for each in (type_, *variants)]
    if any(type(each) is not type(found[0]) or each != found[0] for each in found):
        raise _DiffersError("which has other values on another database; use one set of values")
    return found[0]


def _held_alone(type_: TypeEngine[Any], value: object, decorated: bool) -> object:
    _require_exact(type_, value)
    if isinstance(type_, TypeDecorator) and not isinstance(type_, PickleType):
        return _held(type_.impl_instance, value, decorated=True)
    if isinstance(type_, DOMAIN):
        return _held(type_.data_type, value, decorated=decorated)
    if isinstance(type_, Enum):
        return _member(type_, value)
    if decorated and isinstance(type_, String | Integer | Uuid | LargeBinary):
        return value  # the host's type makes it what the database compares
    if isinstance(type_, NullType):
        return _as_text(value) if isinstance(value, str) else value
    if isinstance(value, str):
        if isinstance(type_, String):
            return _as_text(value)
        if isinstance(type_, Uuid) and not type_.as_uuid:
            return value if _is_canonical(value) else None
    if isinstance(value, int) and not isinstance(value, bool) and isinstance(type_, Integer):
        return int(value) if int(value) in _INTEGERS else None
    if isinstance(value, UUID) and isinstance(type_, Uuid) and type_.as_uuid:
        return value
    if isinstance(value, bytes) and type(type_) is LargeBinary:
        return value
    raise _DiffersError(f"which holds no {type(value).__name__}: {_remedy(type_)}")


def _remedy(type_: TypeEngine[Any]) -> str:
    """What to do about a value that is not of the type's kind."""
    if isinstance(type_, Uuid) and type_.as_uuid:
        return "compare it with a uuid.UUID"
    if isinstance(type_, Integer):
        return "compare it with an int"
    if isinstance(type_, String):
        return "compare it with text, or give the column a TypeDecorator that takes such values"
    return (
        "ids and statuses are texts, integers, UUIDs or what a TypeDecorator over such a type"
        f" takes; make it one of these, {_SUBQUERY}"
    )


def _as_text(value: str) -> str | None:
    """A text as it is compared; None if no database can hold it."""
    text = text_of(value)
    return None if re.search("[\x00\ud800-\udfff]", text) else text


def _is_canonical(text: str) -> bool:
    """Whether a UUID is written as SQLAlchemy writes it."""
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def _require_exact(type_: TypeEngine[Any], value: object) -> None:
    """Refuse a type that compares otherwise than Python."""
    if isinstance(type_, CHAR | NCHAR) and not isinstance(value, UUID):  # which has one length
        raise _DiffersError(
            "which pads texts with spaces and ignores them; make it a String (VARCHAR)"
        )
    if type_.__visit_name__ == "CITEXT":
        raise _DiffersError(f"which ignores case; make it a Text, {_SUBQUERY}")
    collation = getattr(type_, "collation", None)
    if collation is not None and _FOLDING.fullmatch(collation):
        raise _DiffersError(
            f"whose collation {collation} finds different texts equal; use one that compares code"
            f" points, such as C (PostgreSQL) or BINARY (SQLite), {_SUBQUERY}"
        )
    if type_.__visit_name__ == "SET":
        raise _DiffersError(f"which holds several values at once; make it a String, {_SUBQUERY}")


def _member(type_: Enum, value: object) -> object:
    """The member that equals the value, if there is one."""
    if type_.enum_class is None:
        return next((each for each in type_.enums if same_value(value, each)), None)
    names = type_.enum_class.__members__.items()
    members = [member for name, member in names if member.name == name]  # without aliases
    stored = dict(zip(type_.enums, members, strict=False))
    # SQLAlchemy takes a member that is a text for the one that is stored under that text.
    if not len(members) == len(stored) == len(type_.enums) or any(
        isinstance(member, str) and stored.get(member, member) is not member for member in members
    ):
        raise _DiffersError("whose members and stored names are not one to one; make them so")
    return next((member for member in members if same_value(value, member)), None)
