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

If these names do not suit your database, `tables_for` defines the tables in metadata of your own,
with a prefix and in a schema that you choose, for `SqlConnectionStore` and `Transactions`.

`ApiKeys` says who calls, for hosts that authenticate in no other way, and `BrowserSessions` which
browser has signed in with a key. Their tables are in metadata of their own, `keys_metadata`.

`visible`, `actionable` and `readable` are derived from the decision table and fit any table or
mapped class, and so is `decision_columns`, which says why; a `connect_core.RowPolicy` says what its
columns are called. `impossible_events` audits histories, and `sql_text` writes all of them for
DuckDB and Spark. If you sort the rows of a filter
and limit them to a page, a filter on both roles makes the database read all rows of the
organization; `ConnectionService.list` does not.
"""

from connect_core.adapters.sql.audit import impossible_events
from connect_core.adapters.sql.browser_sessions import (
    BrowserSession,
    BrowserSessions,
    NewBrowserSession,
    browser_sessions,
)
from connect_core.adapters.sql.decisions import DecisionColumns, decision_columns
from connect_core.adapters.sql.enforcement import Enforcement, enforcement
from connect_core.adapters.sql.engine import configure_engine, open_engine
from connect_core.adapters.sql.filters import actionable, readable, visible
from connect_core.adapters.sql.keys import (
    ApiKey,
    ApiKeys,
    KeyStatus,
    NewApiKey,
    api_keys,
    keys_metadata,
)
from connect_core.adapters.sql.rendering import sql_text
from connect_core.adapters.sql.store import History, SqlConnectionStore
from connect_core.adapters.sql.tables import (
    Tables,
    connection_events,
    connections,
    idempotency_keys,
    metadata,
    tables_for,
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
    "BrowserSession",
    "BrowserSessions",
    "DecisionColumns",
    "Enforcement",
    "History",
    "JsonValue",
    "KeyStatus",
    "NewApiKey",
    "NewBrowserSession",
    "SqlConnectionStore",
    "Tables",
    "Transactions",
    "UtcTime",
    "actionable",
    "api_keys",
    "browser_sessions",
    "configure_engine",
    "connection_events",
    "connections",
    "decision_columns",
    "enforcement",
    "idempotency_keys",
    "impossible_events",
    "in_transaction",
    "keys_metadata",
    "metadata",
    "open_engine",
    "readable",
    "sql_text",
    "tables_for",
    "visible",
]
