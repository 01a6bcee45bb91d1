"""The store for databases, and filters for queries of your own: SQLAlchemy, any way you use it.

`SqlConnectionStore` works inside a `sqlalchemy.orm.Session` that you own. It never commits, never
rolls back and opens nothing itself, so that a change of a Connection lands together with what you
wrote in the same transaction, or not at all. From asynchronous code, go through
``AsyncSession.run_sync``. SQLite and PostgreSQL are supported, and one code serves both.

Three tables: `connections` says how things stand, `connection_events` how they came to, and
`idempotency_keys` what came of requests that may be sent again. They are in `metadata`, for your
migrations. The databases hold whatever a database can: one row for an ordered pair, one event for a
version, no status that does not exist, no step that the lifecycle does not have.

`visible` and `actionable` are derived from the decision table and fit any table or mapped class
with the columns `source_organization_id`, `destination_organization_id` and `status`. Sorted and
cut to a page, a filter that fits both roles makes the database read all rows of the organization;
`ConnectionService.list` does not.
"""

from connect_core.adapters.sql.engine import configure_engine, open_engine
from connect_core.adapters.sql.filters import actionable, visible
from connect_core.adapters.sql.store import History, SqlConnectionStore
from connect_core.adapters.sql.tables import (
    connection_events,
    connections,
    idempotency_keys,
    metadata,
)
from connect_core.adapters.sql.types import JsonValue, UtcTime

__all__ = [
    "History",
    "JsonValue",
    "SqlConnectionStore",
    "UtcTime",
    "actionable",
    "configure_engine",
    "connection_events",
    "connections",
    "idempotency_keys",
    "metadata",
    "open_engine",
    "visible",
]
