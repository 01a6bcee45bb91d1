"""Column types: how the databases store times, JSON values and ids."""

import json
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import (
    Dialect,
    String,
    Text,
)
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.types import TypeDecorator, TypeEngine

from connect_core.history import as_timestamp, format_timestamp


class UtcTime(TypeDecorator[datetime]):
    """A time in UTC and whole milliseconds.

    It is ``timestamptz(3)`` on PostgreSQL, and elsewhere text such as ``2018-06-01T00:00:00.000Z``,
    which sorts as the times do. Text of another form is returned as it is: as a `str`, not a time.
    """

    impl = String
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """The type of the column."""
        if dialect.name == "postgresql":
            return TIMESTAMP(timezone=True, precision=3)
        return String(24)

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """What is stored for a time."""
        if value is None:
            return None
        moment = as_timestamp(value)
        return moment if dialect.name == "postgresql" else format_timestamp(moment)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:  # noqa: ARG002
        """The time that is stored."""
        if not isinstance(value, str):
            return value
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return value
        return moment if moment.tzinfo is UTC and format_timestamp(moment) == value else value


class JsonValue(TypeDecorator[object]):
    """Plain JSON values: ``jsonb`` on PostgreSQL, text elsewhere.

    Text that is not JSON is returned as it is.
    """

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """The type of the column."""
        if dialect.name == "postgresql":
            return JSONB(none_as_null=True)
        return Text()

    def process_bind_param(self, value: object, dialect: Dialect) -> Any:
        """What is stored for a value."""
        return value if value is None or dialect.name == "postgresql" else json.dumps(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        """The value that is stored."""
        if dialect.name == "postgresql" or not isinstance(value, str):
            return value
        try:
            return json.loads(value)
        except ValueError:
            return value


#: Ids are compared and sorted by their code points, in every database.
Id: Final = String(255).with_variant(String(255, collation="C"), "postgresql")
