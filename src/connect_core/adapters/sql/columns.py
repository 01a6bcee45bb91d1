"""The columns that the filters compare: of any table of a host's, compared as Python compares.

A filter and a single check agree only if the database finds a value equal to a text exactly when
Python does, once the value is loaded. A column whose type compares otherwise is refused. What only
the database knows, such as a collation that was declared there, cannot be seen from here.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from sqlalchemy import (
    CHAR,
    NCHAR,
    ColumnElement,
    Enum,
    FromClause,
    String,
    and_,
    inspect,
)
from sqlalchemy.dialects.postgresql import DOMAIN
from sqlalchemy.orm import Mapper, QueryableAttribute
from sqlalchemy.orm.util import AliasedClass, AliasedInsp
from sqlalchemy.types import NullType, TypeDecorator, TypeEngine

from connect_core.adapters.sql.sessions import kind_of

#: The values with which a column is compared, by the text as which each is loaded; None if every
#: text is compared as it is.
_Values = Mapping[str, object] | None


def has_text(on: object, name: str, texts: Sequence[str]) -> ColumnElement[bool] | None:
    """Whether a column has one of these texts: true or false, and false for NULL.

    Returns None if no value of the column can ever be one of them.

    Args:
        on: the table, alias or mapped class.
        name: the name of its column, or of the attribute.
        texts: plain strings.

    Raises:
        TypeError: `on` is something else, or the column does not compare texts as Python does.
        KeyError: the table has no such column.
        AttributeError: the class has no such attribute.
    """
    column = _column(on, name)
    try:
        values = _values_of(column.expression.type)
    except _DiffersError as error:
        raise TypeError(
            f"on: {column} is of the type {column.expression.type!r}, {error}"
        ) from None
    chosen = texts if values is None else [values[text] for text in texts if text in values]
    if not chosen:
        return None
    one_of = column == chosen[0] if len(chosen) == 1 else column.in_(chosen)
    return and_(column.is_not(None), one_of)


def _column(on: object, name: str) -> Any:
    if isinstance(on, FromClause):
        return cast("FromClause", on).c[name]
    column: Any = getattr(on, name) if _is_mapped(on) else getattr(on, name, None)
    if isinstance(column, ColumnElement | QueryableAttribute):
        return cast("Any", column)
    raise TypeError(
        f"on: expected a table, alias, subquery or mapped class with the column {name},"
        f" got {kind_of(on)}"
    )


def _is_mapped(on: Any) -> bool:
    """Whether it is a mapped class or an alias of one. To inspect an engine opens its database."""
    is_class = isinstance(on, type | AliasedClass)
    return is_class and isinstance(inspect(on, raiseerr=False), Mapper | AliasedInsp)


# --- Types ---------------------------------------------------------------------------------------


class _DiffersError(Exception):
    """Why a type does not compare texts as Python does, and what to do."""


_SUBQUERY: Final = "or select it as such into a subquery and pass that"

#: Collations, and suffixes of their names, that find different texts equal.
_FOLDING: Final = re.compile(
    r"nocase|rtrim|.*_(ci|ai)(_.*)?"  # SQLite's; MySQL's and SQL Server's: case, accents
    r"|(?!.*(_nopad_|_0900_)).*_(bin2?|general_cs)",  # theirs that ignore spaces at the end
    re.IGNORECASE,
)


def _values_of(type_: TypeEngine[Any]) -> _Values:
    """With what a column of this type is compared, on every database for which it has a variant."""
    variants = type_._variant_mapping.values()  # pyright: ignore[reportPrivateUsage]  # SQLAlchemy has no other way
    found = [_values_alone(each) for each in (type_, *variants)]
    if any(each != found[0] for each in found):
        raise _DiffersError("which has other values on another database; use one set of values")
    return found[0]


def _values_alone(type_: TypeEngine[Any]) -> _Values:
    _require_exact(type_)
    if isinstance(type_, TypeDecorator):
        return _values_of(type_.impl_instance)
    if isinstance(type_, DOMAIN):
        return _values_of(type_.data_type)
    return _members_of(type_) if isinstance(type_, Enum) else None


def _require_exact(type_: TypeEngine[Any]) -> None:
    """Refuse a type that compares otherwise than Python."""
    name = type_.__visit_name__
    if isinstance(type_, CHAR | NCHAR):
        raise _DiffersError(
            "which pads texts with spaces and ignores them; make it a String (VARCHAR)"
        )
    if name == "CITEXT":
        raise _DiffersError(f"which ignores case; make it a Text, {_SUBQUERY}")
    collation = getattr(type_, "collation", None)
    if collation is not None and _FOLDING.fullmatch(collation):
        raise _DiffersError(
            f"whose collation {collation} finds different texts equal; use one that compares code"
            f" points, such as C (PostgreSQL) or BINARY (SQLite), {_SUBQUERY}"
        )
    if name == "SET" or not isinstance(type_, String | TypeDecorator | DOMAIN | NullType):
        raise _DiffersError(f"but ids and statuses are texts; make it a String, {_SUBQUERY}")


def _members_of(type_: Enum) -> _Values:
    """The members that are texts, by their texts: only they can equal an id or a status."""
    if type_.enum_class is None:
        return {value: value for value in type_.enums}
    names = type_.enum_class.__members__.items()
    members = [member for name, member in names if member.name == name]  # without aliases
    stored = dict(zip(type_.enums, members, strict=False))
    # SQLAlchemy takes a member that is a text for the one that is stored under that text.
    if not len(members) == len(stored) == len(type_.enums) or any(
        isinstance(member, str) and stored.get(member, member) is not member for member in members
    ):
        raise _DiffersError("whose members and stored names are not one to one; make them so")
    return {str.__str__(member): member for member in members if isinstance(member, str)}
