"""Rows: Connections and events as the columns of their tables, and back.

A database may hold anything. A row that is not what was written is never served: it raises
`InvalidRecordError`. This module runs no statement.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError
from sqlalchemy import Row, Table

from connect_core.adapters.sql.bulk import Rows
from connect_core.adapters.sql.tables import connection_events, connections
from connect_core.connection import Connection
from connect_core.errors import InvalidRecordError
from connect_core.history import ConnectionEvent

_Model = TypeVar("_Model", bound=BaseModel)

#: The columns are the same in every set of tables.
_CONNECTION_COLUMNS: Final = tuple(connections.c.keys())
_EVENT_COLUMNS: Final = tuple(connection_events.c.keys())


def connection_row(connection: Connection) -> dict[str, object]:
    """The columns of `connections` for a Connection."""
    return {
        "id": str(connection.id),
        "source_organization_id": str(connection.source_organization_id),
        "destination_organization_id": str(connection.destination_organization_id),
        "name": connection.name,
        "scopes": sorted(map(str, connection.scopes)),
        "creator_id": str(connection.creator.id),
        "created_at": connection.created_at,
        **state_of(connection),
    }


def state_of(connection: Connection) -> dict[str, object]:
    """The columns that every change updates."""
    return {
        "status": connection.status.value,
        "updated_at": connection.updated_at,
        "version": connection.version,
    }


def event_row(event: ConnectionEvent) -> dict[str, object]:
    """The columns of `connection_events` for an event, in their order."""
    previous = event.previous_status
    return {
        "connection_id": str(event.connection_id),
        "version": event.version,
        "action": event.action.value,
        "previous_status": None if previous is None else previous.value,
        "status": event.status.value,
        "actor_id": str(event.actor.id),
        "actor_organization_id": str(event.actor.organization_id),
        "roles": sorted(role.value for role in event.roles),
        "occurred_at": event.occurred_at,
        "terms": None if event.terms is None else event.terms.as_dict(),
    }


def rows_of(connection: Connection, events: Iterable[ConnectionEvent]) -> Rows:
    """A Connection and events of it as rows."""
    row = connection_row(connection)
    return Rows(
        tuple(row[name] for name in _CONNECTION_COLUMNS),
        [tuple(event_row(event).values()) for event in events],
    )


def connection_of(row: Row[Any] | tuple[Any, ...], table: Table) -> Connection:
    """The Connection in a row of this table, all columns."""
    values: dict[str, Any] = dict(zip(_CONNECTION_COLUMNS, row, strict=True))
    source = values["source_organization_id"]
    values["creator"] = {"id": values.pop("creator_id"), "organization_id": source}
    return valid(Connection, values, f"{table.fullname} {values['id']}")


def event_of(row: Row[Any] | tuple[Any, ...], table: Table) -> ConnectionEvent:
    """The event in a row of this table, all columns."""
    values: dict[str, Any] = dict(zip(_EVENT_COLUMNS, row, strict=True))
    values["actor"] = {
        "id": values.pop("actor_id"),
        "organization_id": values.pop("actor_organization_id"),
    }
    record = f"{table.fullname} {values['connection_id']} version {values['version']}"
    return valid(ConnectionEvent, values, record)


def valid(model: type[_Model], values: dict[str, Any], record: str) -> _Model:
    """The row as a model; a stored value may be anything.

    Raises:
        InvalidRecordError: it is not what was written.
    """
    for name, value in values.items():
        if name.endswith("_at") and not isinstance(value, datetime):
            raise InvalidRecordError(record, f"{name} is {value!r}, no UTC time in milliseconds")
    try:
        return model.model_validate(values, context={"allow_self": True})
    except ValidationError as error:
        problems = [
            f"{'.'.join(map(str, details['loc'])) or 'the row'}: {details['msg']}"
            for details in error.errors(include_url=False)
        ]
        raise InvalidRecordError(record, "; ".join(problems)) from error
