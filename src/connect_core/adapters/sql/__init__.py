"""The store for databases, and filters for queries of your own: SQLAlchemy, any way you use it.

`SqlConnectionStore` works inside a `sqlalchemy.orm.Session` that you own. It never commits, never
rolls back and opens nothing itself, so that a change of a Connection is committed together with
what you wrote in the same transaction, or not at all. From asynchronous code, use
``AsyncSession.run_sync``. The same code supports SQLite and PostgreSQL.

`Transactions` and `AsyncTransactions` open a session for each request, commit it, and run it again
if the database gave it up; `in_transaction` does so for any work of a host's own.

There are three tables: `connections` holds the current state, `connection_events` the history, and
``connection_idempotency_keys``, in Python `idempotency_keys`, the outcomes of requests that may be
sent again. They are in `metadata`, for your migrations. The databases enforce what a database can:
one row for an ordered pair, one event for a version, only known statuses, only steps of the
lifecycle.

`ApiKeys` says who calls, for hosts that authenticate in no other way; its table is in metadata of
its own, `keys_metadata`.

`visible` and `actionable` are derived from the decision table and fit any table or mapped class
with the columns `source_organization_id`, `destination_organization_id` and `status`. If you sort
their rows and limit them to a page, a filter on both roles makes the database read all rows of the
organization; `ConnectionService.list` does not.
"""

from connect_core.adapters.sql.engine import configure_engine, open_engine
from connect_core.adapters.sql.filters import actionable, visible
from connect_core.adapters.sql.keys import (
    ApiKey,
    ApiKeys,
    KeyStatus,
    NewApiKey,
    api_keys,
    keys_metadata,
)
from connect_core.adapters.sql.store import History, SqlConnectionStore
from connect_core.adapters.sql.tables import (
    connection_events,
    connections,
    idempotency_keys,
    metadata,
)
from connect_core.adapters.sql.transactions import (
    AsyncTransactions,
    Transactions,
    in_transaction,
)
from connect_core.adapters.sql.types import JsonValue, UtcTime

__all__ = [
    "ApiKey",
    "ApiKeys",
    "AsyncTransactions",
    "History",
    "JsonValue",
    "KeyStatus",
    "NewApiKey",
    "SqlConnectionStore",
    "Transactions",
    "UtcTime",
    "actionable",
    "api_keys",
    "configure_engine",
    "connection_events",
    "connections",
    "idempotency_keys",
    "in_transaction",
    "keys_metadata",
    "metadata",
    "open_engine",
    "visible",
]
