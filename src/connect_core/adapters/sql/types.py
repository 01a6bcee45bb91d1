"""Column types: how the databases store times, JSON values and ids, and how the store reads them.

A host that reads the tables gets the values that its driver makes of them. The store does not: it
asks a server for text, which `as_stored` adds to the columns of its queries. What a driver makes
of a time depends on the session's `DateStyle` and `TimeZone`, and a driver that cannot make a value
at all (of ``infinity``, of a time before Christ, of JSON with a number of ten thousand digits)
fails for the whole result because of one row. What the store cannot read as a value stays text, and
its row is refused alone.
"""

import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Dialect,
    String,
    Text,
    case,
    cast,
    func,
    literal_column,
    type_coerce,
)
from sqlalchemy.dialects import mysql
from sqlalchemy.dialects.mysql import DATETIME
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.types import TypeDecorator, TypeEngine

from connect_core.history import as_timestamp, format_timestamp
from connect_core.identifiers import MAX_ID_LENGTH

#: The names of the dialects of MySQL's family: MariaDB's depends on the URL of the engine.
MYSQL_FAMILY: Final = frozenset({"mysql", "mariadb"})


class UtcTime(TypeDecorator[datetime]):
    """A time in UTC and whole milliseconds.

    It is ``timestamptz(3)`` on PostgreSQL and ``DATETIME(3)`` on MariaDB and MySQL. Elsewhere it is
    text such as ``2018-06-01T00:00:00.000Z``, which sorts as the times do. Text of another form is
    returned as it is: as a `str`, not a time.
    """

    impl = String
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """The type of the column."""
        if dialect.name == "postgresql":
            return TIMESTAMP(timezone=True, precision=3)
        if dialect.name in MYSQL_FAMILY:
            return DATETIME(fsp=3)
        return String(24)

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """What is stored for a time."""
        if value is None:
            return None
        moment = as_timestamp(value)
        if dialect.name == "postgresql":
            return moment
        if dialect.name in MYSQL_FAMILY:
            return moment.replace(tzinfo=None)
        return format_timestamp(moment)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        """The time that is stored."""
        if isinstance(value, datetime) and dialect.name in MYSQL_FAMILY:
            return value.replace(tzinfo=UTC)
        if not isinstance(value, str):
            return value
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return value
        return moment if moment.tzinfo is UTC and format_timestamp(moment) == value else value


class JsonValue(TypeDecorator[object]):
    """Plain JSON values: ``jsonb`` on PostgreSQL, ``JSON`` on MariaDB and MySQL, text elsewhere.

    Text that is not JSON is returned as it is.
    """

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """The type of the column."""
        if dialect.name == "postgresql":
            return JSONB(none_as_null=True)
        if dialect.name in MYSQL_FAMILY:
            return mysql.JSON(none_as_null=True)
        return Text()

    def process_bind_param(self, value: object, dialect: Dialect) -> Any:
        """What is stored for a value."""
        return value if value is None or _has_json(dialect) else json.dumps(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        """The value that is stored."""
        return value if _has_json(dialect) else _parsed(value)


def _has_json(dialect: Dialect) -> bool:
    """Whether the database has a type for JSON, whose values SQLAlchemy writes and reads."""
    return dialect.name == "postgresql" or dialect.name in MYSQL_FAMILY


def _parsed(value: Any) -> Any:
    """The JSON value that a text holds; anything else is returned as it is."""
    if not isinstance(value, str):
        return value
    try:
        return _DECODER.decode(value)
    except (ValueError, RecursionError):  # too many digits are a ValueError
        return value


def _refuse(constant: str) -> object:
    raise ValueError(f"{constant} is not JSON")


_DECODER: Final = json.JSONDecoder(parse_constant=_refuse)


#: The options of every table of ours. In MySQL's family a text has its table's collation, and most
#: collations find texts equal that differ in case, in accents, or in spaces at the end.
EXACT: Final[dict[str, Any]] = {
    "mariadb_engine": "InnoDB",
    "mariadb_charset": "utf8mb4",
    "mariadb_collate": "utf8mb4_nopad_bin",
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_0900_bin",
}

#: Ids and keys. They are compared and sorted by their code points, in every database.
Id: Final = String(MAX_ID_LENGTH).with_variant(String(MAX_ID_LENGTH, collation="C"), "postgresql")


# --- What the store reads ------------------------------------------------------------------------

_UTC: Final[ColumnElement[str]] = literal_column("'UTC'")
_YEAR_1: Final[ColumnElement[datetime]] = literal_column("timestamptz '0001-01-01 00:00:00+00'")
_FORMAT: Final[ColumnElement[str]] = literal_column("""'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'""")


_MYSQL_FORMAT: Final[ColumnElement[str]] = literal_column("'%Y-%m-%dT%H:%i:%s.%f'")
_UP_TO_MILLISECONDS: Final[ColumnElement[int]] = literal_column("23")
_Z: Final[ColumnElement[str]] = literal_column("'Z'")


class _StoredTime(UtcTime):
    """A `UtcTime` that a server writes as text itself, in UTC whatever the session's settings."""

    cache_ok = True

    def column_expression(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        """What is selected for a column."""
        if isinstance(self.impl_instance, DATETIME):
            whole = func.date_format(column, _MYSQL_FORMAT)
            return type_coerce(func.concat(func.left(whole, _UP_TO_MILLISECONDS), _Z), self)
        if not getattr(self.impl_instance, "timezone", False):  # it is none of PostgreSQL's
            return column
        in_utc = func.pg_catalog.timezone(_UTC, column)
        # Years before Christ would be written like those after. `to_char` of infinity is NULL.
        written = case((column >= _YEAR_1, func.pg_catalog.to_char(in_utc, _FORMAT)))
        return type_coerce(func.coalesce(written, cast(column, Text)), self)


class _StoredJson(JsonValue):
    """A `JsonValue` that is parsed here, not by the driver."""

    cache_ok = True

    def column_expression(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        """What is selected for a column."""
        if not isinstance(self.impl_instance, JSONB):  # the drivers of other databases return text
            return column
        return type_coerce(cast(column, Text), self)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[..., Any]:  # noqa: ARG002
        """What makes a value of what the database returns."""
        return _parsed


#: The types that the store reads in a form of its own.
_STORED: Final[dict[type[Any], TypeEngine[Any]]] = {
    UtcTime: _StoredTime(),
    JsonValue: _StoredJson(),
}


def as_stored(columns: Iterable[ColumnElement[Any]]) -> list[ColumnElement[Any]]:
    """The columns for the outermost SELECT of a query of the store's, under the same names.

    A value that is none of its column's type is returned as text.
    """
    return [
        type_coerce(column, stored).label(column.key)
        if (stored := _STORED.get(type(column.type))) is not None
        else column
        for column in columns
    ]
