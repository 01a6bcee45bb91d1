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

import asyncio
import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache, partial
from time import sleep
from typing import Any, Final, NamedTuple, TypeVar, cast

from pydantic import BaseModel, ValidationError
from sqlalchemy import (
    URL,
    BindParameter,
    CheckConstraint,
    Column,
    ColumnElement,
    Dialect,
    Engine,
    ForeignKeyConstraint,
    FromClause,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    QueuePool,
    Row,
    Select,
    String,
    Table,
    Text,
    UniqueConstraint,
    and_,
    bindparam,
    create_engine,
    delete,
    event,
    false,
    func,
    insert,
    inspect,
    literal,
    make_url,
    or_,
    select,
    tuple_,
    union,
    update,
)
from sqlalchemy import Connection as Database
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.engine import AdaptedConnection
from sqlalchemy.exc import ArgumentError, IntegrityError
from sqlalchemy.orm import Session
from sqlalchemy.types import TypeDecorator, TypeEngine

from connect_core.connection import Change, Connection
from connect_core.errors import InvalidRecordError, StaleConnectionError
from connect_core.history import ConnectionEvent, as_timestamp, format_timestamp
from connect_core.identifiers import ConnectionId, IdempotencyKey, OrganizationId
from connect_core.lifecycle import Action, Role, Status
from connect_core.parties import MAX_NAME_LENGTH, Actor, Organization, organization_id_of
from connect_core.policy import decision_table, permitting_statuses
from connect_core.service import (
    IdempotencyRecord,
    Position,
    Selection,
    Standing,
    verified_history,
)

# --- Column types --------------------------------------------------------------------------------


class UtcTime(TypeDecorator[datetime]):
    """A time in UTC and whole milliseconds.

    ``timestamptz(3)`` on PostgreSQL. Elsewhere text such as ``2018-06-01T00:00:00.000Z``, which
    sorts as the times do; text of another form is given back as it is, and is no time.
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

    Text that is not JSON is given back as it is.
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
_Id: Final = String().with_variant(String(collation="C"), "postgresql")


# --- Tables --------------------------------------------------------------------------------------


def _quoted(values: Sequence[str]) -> str:
    return ", ".join(f"'{value}'" for value in values)


def _known_steps() -> str:
    """The steps that the lifecycle has, as a condition on a row of `connection_events`."""
    steps = dict.fromkeys(
        (cell.status, cell.action, decision.target)
        for cell, decision in decision_table().items()
        if decision
    )
    return " OR ".join(
        f"action = '{action}' AND status = '{target}' AND "
        + ("previous_status IS NULL" if previous is None else f"previous_status = '{previous}'")
        for previous, action, target in steps
    )


#: The tables, for ``create_all`` or for the migrations of your own.
metadata = MetaData()

#: How things stand: one row a Connection.
connections = Table(
    "connections",
    metadata,
    Column("id", _Id, nullable=False),
    Column("source_organization_id", _Id, nullable=False),
    Column("destination_organization_id", _Id, nullable=False),
    Column("name", String(MAX_NAME_LENGTH)),
    Column("status", String(16), nullable=False),
    Column("scopes", JsonValue, nullable=False),
    Column("creator_id", _Id, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
    Column("version", Integer, nullable=False),
    PrimaryKeyConstraint("id", name="pk_connections"),
    UniqueConstraint(
        "source_organization_id", "destination_organization_id", name="uq_connections_ordered_pair"
    ),
    CheckConstraint(f"status IN ({_quoted(list(Status))})", name="ck_connections_status"),
    CheckConstraint("version >= 1", name="ck_connections_version"),
    CheckConstraint("updated_at >= created_at", name="ck_connections_updated_at"),
    # A list is of an organization in one role, of any status or of one, from the newest down.
    *(
        Index(f"ix_connections_{role}{suffix}", f"{role}_organization_id", *columns)
        for role in Role
        for suffix, columns in {
            "": ["created_at", "id"],
            "_status": ["status", "created_at", "id"],
        }.items()
    ),
)

#: How things came to be as they are: one row a change. Rows are added, never changed.
connection_events = Table(
    "connection_events",
    metadata,
    Column("connection_id", _Id, nullable=False),
    Column("version", Integer, nullable=False),
    Column("action", String(16), nullable=False),
    Column("previous_status", String(16)),
    Column("status", String(16), nullable=False),
    Column("actor_id", _Id, nullable=False),
    Column("actor_organization_id", _Id, nullable=False),
    Column("roles", JsonValue, nullable=False),
    Column("occurred_at", UtcTime, nullable=False),
    Column("terms", JsonValue),
    PrimaryKeyConstraint("connection_id", "version", name="pk_connection_events"),
    ForeignKeyConstraint(
        ["connection_id"], ["connections.id"], name="fk_connection_events_connection"
    ),
    CheckConstraint("version >= 1", name="ck_connection_events_version"),
    CheckConstraint(_known_steps(), name="ck_connection_events_step"),
    CheckConstraint(
        "version = 1 AND previous_status IS NULL AND terms IS NOT NULL OR "
        "version > 1 AND previous_status IS NOT NULL AND terms IS NULL",
        name="ck_connection_events_creation",
    ),
)

#: What came of requests that had an idempotency key.
idempotency_keys = Table(
    "connection_idempotency_keys",
    metadata,
    Column("organization_id", _Id, nullable=False),
    Column("key", _Id, nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("outcome", Text, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    PrimaryKeyConstraint("organization_id", "key", name="pk_connection_idempotency_keys"),
    Index("ix_connection_idempotency_keys_created_at", "created_at"),
)


# --- Filters -------------------------------------------------------------------------------------


def _column(on: object, name: str) -> Any:
    """The column of a table, an alias, a mapped class or an alias of one."""
    if isinstance(on, FromClause):
        return cast("FromClause", on).c[name]
    return getattr(on, name)


def _holds(organization_id: str, role: Role, on: object) -> ColumnElement[bool]:
    """Whether the organization holds the role: true or false, and false where there is none."""
    column = _column(on, f"{role}_organization_id")
    return and_(column.is_not(None), column == str(organization_id))


def _stands(statuses: Sequence[Status], on: object) -> ColumnElement[bool]:
    """Whether the status is one of these: true or false, and false where there is none."""
    column = _column(on, "status")
    values = [status.value for status in statuses]  # an `Enum(Status)` takes them, too
    one_of = column == values[0] if len(values) == 1 else column.in_(values)
    return and_(column.is_not(None), one_of)


def visible(organization_id: str | Organization, on: object = connections) -> ColumnElement[bool]:
    """The rows that an organization may know of: those in which it holds a role.

    True or false for every row, never NULL, so that it can be negated and selected as a column.

    Args:
        organization_id: whose rows.
        on: the table, alias or mapped class to filter.

    Raises:
        ValueError: `organization_id` is not one.
    """
    wanted = OrganizationId(str(organization_id_of(organization_id)))
    return or_(*(_holds(wanted, role, on) for role in Role))


def actionable(actor: Actor, action: str, on: object = connections) -> ColumnElement[bool]:
    """The rows on which `actor` may take `action` now: those where `decide` allows it.

    Derived from the decision table, and made of ``=``, ``IN``, ``IS NOT NULL``, ``AND`` and ``OR``
    only, which every database and query engine understands. True or false for every row, never
    NULL, so that it can be negated and selected as a column. For `Action.CREATE` it is false.

    Args:
        actor: who would act.
        action: an `Action`.
        on: the table, alias or mapped class to filter.

    Raises:
        ValueError: there is no such action.
    """
    ways = [
        and_(_holds(actor.organization_id, role, on), _stands(statuses, on))
        for role in Role
        if (statuses := permitting_statuses(role, Action(action)))
    ]
    return or_(*ways) if ways else false()


# --- Engines -------------------------------------------------------------------------------------

#: How long SQLite waits for another process's transaction, in milliseconds.
_BUSY_TIMEOUT: Final = 30_000
#: How long to wait before trying again what SQLite does not wait for, in milliseconds.
_PAUSE: Final = 20
#: A number that no other application is likely to lock in PostgreSQL.
_CREATION_LOCK: Final = 0x636F6E6E


def open_engine(url: str | URL) -> Engine:
    """An Engine with the settings that each database needs; the tables are created if absent.

    SQLite: see `configure_engine`. A database in memory has one connection, for one transaction at
    a time. PostgreSQL: through psycopg, unless the URL names another driver; connections that the
    server has closed are replaced. For asynchronous drivers see `configure_engine`.

    Args:
        url: any SQLAlchemy URL, such as ``sqlite:///connect.db`` or ``postgresql://host/name``.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the URL cannot be read or names an asynchronous driver, or
            the database cannot be opened.
        ModuleNotFoundError: the driver is not installed; for PostgreSQL take the extra `postgres`.
    """
    url = make_url(url)
    options: dict[str, Any] = {"pool_pre_ping": True}
    if url.drivername in ("postgres", "postgresql"):
        url = url.set(drivername="postgresql+psycopg")
    if url.get_dialect().is_async:
        raise ArgumentError(
            f"{url.drivername} is an asynchronous driver: make the engine with create_async_engine,"
            " give its sync_engine to configure_engine, and create the tables with run_sync"
        )
    if url.get_backend_name() == "sqlite":
        options = {}
        if url.database in (None, "", ":memory:"):
            options = {"poolclass": QueuePool, "pool_size": 1, "max_overflow": 0}
            options["connect_args"] = {"check_same_thread": False}
    engine = configure_engine(create_engine(url, **options))
    if not _has_tables(engine):
        _create_tables(engine)
    return engine


def _has_tables(engine: Engine) -> bool:
    """Whether the tables are there. To look waits for nobody; to create them does."""
    with engine.execution_options(only_reads=True).connect() as connection:
        return all(map(inspect(connection).has_table, metadata.tables))


def _create_tables(engine: Engine) -> None:
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":  # where two processes could both find them absent
            connection.execute(select(func.pg_advisory_xact_lock(_CREATION_LOCK)))
        metadata.create_all(connection)


def configure_engine(engine: Engine) -> Engine:
    """Give an Engine of your own the settings that its database needs, before its first use.

    SQLite: write-ahead logging, foreign keys, thirty seconds of patience with other processes, and
    transactions that begin as writing ones: one that only read at first could fail when it comes to
    write. With ``engine.execution_options(only_reads=True)`` you get an Engine for transactions
    that only read, which neither wait nor make others wait. What is committed survives the death of
    the process; a loss of power may undo the last commits (``synchronous = NORMAL``, as is usual
    with write-ahead logging). Where it must not, set ``PRAGMA synchronous = FULL`` in a "connect"
    listener of your own; it takes about twice the time. PostgreSQL needs no settings.

    Args:
        engine: the Engine; of an ``AsyncEngine``, its ``sync_engine``.

    Returns:
        The same Engine.
    """
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _on_connect)
        event.listen(engine, "begin", _on_begin)
        event.listen(engine, "invalidate", _on_invalidate)
    return engine


def _on_connect(connection: Any, _: object) -> None:
    connection.isolation_level = None  # the driver's own idea of transactions knows no savepoints
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT}")
    _write_ahead(cursor, pause=partial(_pause, connection))
    cursor.execute("PRAGMA synchronous = NORMAL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _write_ahead(cursor: Any, *, pause: Callable[[], None]) -> None:
    """Set write-ahead logging, for which SQLite does not wait by itself if others are at work."""
    waited = 0
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError:
            if waited >= _BUSY_TIMEOUT:
                raise
            pause()
            waited += _PAUSE


def _pause(connection: Any) -> None:
    """Wait a moment; with an asynchronous driver, let other tasks go on meanwhile."""
    seconds = _PAUSE / 1000
    if isinstance(connection, AdaptedConnection):
        connection.run_async(lambda _: asyncio.sleep(seconds))
    else:
        sleep(seconds)


def _on_begin(connection: Any) -> None:
    only_reads = connection.get_execution_options().get("only_reads", False)
    connection.exec_driver_sql("BEGIN DEFERRED" if only_reads else "BEGIN IMMEDIATE")


def _on_invalidate(connection: Any, *_: object) -> None:
    """Let go of the lock before the connection of a task that was cancelled is closed.

    SQLite does not end the transaction of a connection that is closed while somebody holds a cursor
    with rows left, and the traceback of the cancelled task may hold one for long.
    """
    with suppress(asyncio.CancelledError, sqlite3.Error):  # a second time, or closed already
        connection.rollback()


# --- Rows ----------------------------------------------------------------------------------------

_Model = TypeVar("_Model", bound=BaseModel)

_CONNECTION_COLUMNS: Final = tuple(connections.c.keys())
_EVENT_COLUMNS: Final = tuple(connection_events.c.keys())


def _connection_row(connection: Connection) -> dict[str, object]:
    return {
        "id": str(connection.id),
        "source_organization_id": str(connection.source_organization_id),
        "destination_organization_id": str(connection.destination_organization_id),
        "name": connection.name,
        "scopes": sorted(map(str, connection.scopes)),
        "creator_id": str(connection.creator.id),
        "created_at": connection.created_at,
        **_state(connection),
    }


def _state(connection: Connection) -> dict[str, object]:
    """The columns that a change changes."""
    return {
        "status": connection.status.value,
        "updated_at": connection.updated_at,
        "version": connection.version,
    }


def _event_row(event: ConnectionEvent) -> dict[str, object]:
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


def _connection(row: Row[Any]) -> Connection:
    """The Connection in a row of `connections`, all columns."""
    values: dict[str, Any] = dict(zip(_CONNECTION_COLUMNS, row, strict=True))
    source = values["source_organization_id"]
    values["creator"] = {"id": values.pop("creator_id"), "organization_id": source}
    return _valid(Connection, values, f"connections {values['id']}")


def _event(row: Row[Any]) -> ConnectionEvent:
    """The event in a row of `connection_events`, all columns."""
    values: dict[str, Any] = dict(zip(_EVENT_COLUMNS, row, strict=True))
    values["actor"] = {
        "id": values.pop("actor_id"),
        "organization_id": values.pop("actor_organization_id"),
    }
    record = f"connection_events {values['connection_id']} version {values['version']}"
    return _valid(ConnectionEvent, values, record)


def _valid(model: type[_Model], values: dict[str, Any], record: str) -> _Model:
    """The row as a model; what is stored may be anything at all."""
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


# --- The store -----------------------------------------------------------------------------------

_GET: Final = select(connections).where(connections.c.id == bindparam("id"))
_FIND: Final = select(connections).where(
    connections.c.source_organization_id == bindparam("source"),
    connections.c.destination_organization_id == bindparam("destination"),
)
#: Those that have the id, or the ordered pair, of a row.
_RIVALS: Final = select(
    connections.c.id,
    connections.c.source_organization_id,
    connections.c.destination_organization_id,
).where(
    or_(
        connections.c.id == bindparam("id"),
        and_(
            connections.c.source_organization_id == bindparam("source_organization_id"),
            connections.c.destination_organization_id == bindparam("destination_organization_id"),
        ),
    )
)
_SAVE: Final = update(connections).where(
    connections.c.id == bindparam("the_id"), connections.c.version == bindparam("previous_version")
)
_HISTORY: Final = (
    select(connection_events)
    .where(connection_events.c.connection_id == bindparam("id"))
    .order_by(connection_events.c.version)
)
_RECALL: Final = select(idempotency_keys).where(
    idempotency_keys.c.organization_id == bindparam("organization_id"),
    idempotency_keys.c.key == bindparam("key"),
)
_ADD: Final = insert(connections)
_ADD_EVENT: Final = insert(connection_events)
_REMEMBER: Final = insert(idempotency_keys)
#: The place from which a page goes on, and how long it is.
_PLACE: Final = (bindparam("created_at", type_=UtcTime), bindparam("id", type_=_Id))
_LIMIT: Final[BindParameter[int]] = bindparam("limit", type_=Integer)
#: How many Connections `SqlConnectionStore.everything` holds at a time.
_BATCH: Final = 1000


class History(NamedTuple):
    """A Connection with all of its events."""

    connection: Connection
    events: Sequence[ConnectionEvent]


class SqlConnectionStore:
    """A `ConnectionStore` in a database, inside a session that you own.

    Never commits, rolls back or opens anything: a change is there for others when you commit, and
    gone when you roll back. A failing database raises what SQLAlchemy raises. After
    `StaleConnectionError`, `DuplicateConnectionError` and every other refusal of the service the
    session remains usable.

    Make one for a session; it is as little shared between threads as the session is.

    Raises:
        InvalidRecordError: from whatever reads, if a row is not what was written.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, change: Change) -> bool:
        """See `ConnectionStore.add`."""
        with self._session.begin_nested() as savepoint:
            try:
                database = self._database()
                database.execute(_ADD, _connection_row(change.connection))
                database.execute(_ADD_EVENT, _event_row(change.event))
            except IntegrityError:
                savepoint.rollback()
                return False
        return True

    def save(self, change: Change) -> bool:
        """See `ConnectionStore.save`."""
        connection, event = change
        which = {"the_id": str(connection.id), "previous_version": connection.version - 1}
        database = self._database()
        if database.execute(_SAVE, which | _state(connection)).rowcount != 1:
            return False
        database.execute(_ADD_EVENT, _event_row(event))
        return True

    def get(self, connection_id: ConnectionId) -> Connection | None:
        """See `ConnectionStore.get`."""
        return self._one(_GET, {"id": str(connection_id)})

    def find(self, source: OrganizationId, destination: OrganizationId) -> Connection | None:
        """See `ConnectionStore.find`."""
        return self._one(_FIND, {"source": str(source), "destination": str(destination)})

    def page(
        self, selection: Selection, *, beyond: Position | None, newest_first: bool, limit: int
    ) -> Sequence[Connection]:
        """See `ConnectionStore.page`.

        One query. Each standing is read from its own index, no further than the page goes, so that
        a page costs the same however many rows there are.
        """
        parties = {Role.SOURCE: selection.source, Role.DESTINATION: selection.destination}
        ours = selection.organization_id
        fitting = tuple(each for each in selection.standings if parties[each.role] in (None, ours))
        if not fitting:
            return ()
        given = frozenset(role for role, party in parties.items() if party is not None)
        values: dict[str, object] = {role.value: str(parties[role]) for role in given}
        values |= {"organization_id": str(ours), "limit": limit}
        if beyond is not None:
            values |= {"created_at": beyond.created_at, "id": str(beyond.id)}
        statement = _page(fitting, given, beyond is not None, newest_first)
        return [_connection(row) for row in self._database().execute(statement, values)]

    def history(self, connection_id: ConnectionId) -> Sequence[ConnectionEvent]:
        """See `ConnectionStore.history`."""
        rows = self._database().execute(_HISTORY, {"id": str(connection_id)})
        return [_event(row) for row in rows]

    def once(
        self,
        organization_id: OrganizationId,
        key: IdempotencyKey,
        attempt: Callable[[], IdempotencyRecord],
    ) -> IdempotencyRecord:
        """See `ConnectionStore.once`."""
        place = {"organization_id": str(organization_id), "key": str(key)}
        kept = self._recall(place)
        if kept is not None:
            return kept
        overtaken: Exception
        try:
            with self._session.begin_nested() as savepoint:
                record = attempt()
                try:
                    self._database().execute(_REMEMBER, place | record._asdict())
                except IntegrityError as error:  # another transaction has kept its record meanwhile
                    savepoint.rollback()
                    overtaken = error
                else:
                    return record
        except StaleConnectionError as error:  # another was quicker: with the same request?
            overtaken = error
        kept = self._recall(place)
        if kept is None:  # with another one, or a stricter isolation hides its record
            raise overtaken
        return kept

    def forget(self, before: datetime) -> int:
        """See `ConnectionStore.forget`."""
        old = delete(idempotency_keys).where(idempotency_keys.c.created_at < before)
        return self._database().execute(old).rowcount

    # --- Many at once ---

    def add_all(self, histories: Sequence[History]) -> Sequence[int]:
        """Keep many new Connections, each with its whole history, in a few statements.

        Args:
            histories: the Connections and their events, as `verified_history` has checked them.

        Returns:
            The places of those that were left out because their id, or their ordered pair, is
            taken, be it by an earlier one of them.

        Raises:
            sqlalchemy.exc.IntegrityError: it is taken by another transaction, at the same time, and
                this one cannot see that: its isolation is REPEATABLE READ or stricter.
        """
        taken: set[object] = set()
        while True:
            left_out, rest = _sorted_out(histories, taken)
            try:
                self._add_all(rest)
            except IntegrityError:
                others = self._others(rest)
                if not others:  # that this transaction, of a stricter isolation, can see
                    raise
                taken |= others
            else:
                return left_out

    def everything(self) -> Iterator[History]:
        """Every Connection with its history, by id, never holding more than a thousand.

        Read it in a transaction that sees one state throughout: REPEATABLE READ on PostgreSQL; any
        on SQLite. The histories are checked.

        Raises:
            InvalidRecordError: the stored events do not lead to the stored Connection.
        """
        batch = select(connections).order_by(connections.c.id).limit(_BATCH)
        last = ""
        while rows := self._database().execute(batch.where(connections.c.id > last)).all():
            found = [_connection(row) for row in rows]
            last = str(found[-1].id)
            events = self._events_of([str(connection.id) for connection in found])
            for connection in found:
                yield History(
                    connection, verified_history(connection, events.get(connection.id, ()))
                )

    # --- How ---

    def _database(self) -> Database:
        """The session's own connection to the database that the tables are in."""
        return self._session.connection({"clause": connections})

    def _one(self, statement: Select[Any], which: dict[str, object]) -> Connection | None:
        row = self._database().execute(statement, which).one_or_none()
        return None if row is None else _connection(row)

    def _recall(self, place: dict[str, str]) -> IdempotencyRecord | None:
        row = self._database().execute(_RECALL, place).mappings().one_or_none()
        if row is None:
            return None
        if not isinstance(row["created_at"], datetime):
            raise InvalidRecordError(
                f"{idempotency_keys.name} {place['organization_id']} '{place['key']}'",
                f"created_at is {row['created_at']!r}, no UTC time in milliseconds",
            )
        return IdempotencyRecord(row["fingerprint"], row["outcome"], row["created_at"])

    def _add_all(self, histories: Sequence[History]) -> None:
        """Keep all of them, or none."""
        rows = [_connection_row(connection) for connection, _ in histories]
        event_rows = [_event_row(event) for _, events in histories for event in events]
        with self._session.begin_nested():
            if rows:
                database = self._database()
                database.execute(_ADD, rows)
                database.execute(_ADD_EVENT, event_rows)

    def _others(self, histories: Sequence[History]) -> set[object]:
        """The ids and the pairs of those that stand in the way of these.

        One after another: SQLite finds no index for many pairs at once, and reads the whole table.
        """
        taken: set[object] = set()
        for connection, _ in histories:
            for row in self._database().execute(_RIVALS, _connection_row(connection)):
                taken |= {row[0], (row[1], row[2])}
        return taken

    def _events_of(self, ids: Sequence[str]) -> Mapping[str, Sequence[ConnectionEvent]]:
        """The events of these Connections, in order."""
        these = select(connection_events).where(connection_events.c.connection_id.in_(ids))
        in_order = these.order_by(connection_events.c.connection_id, connection_events.c.version)
        events: dict[str, list[ConnectionEvent]] = {}
        for row in self._database().execute(in_order):
            events.setdefault(row.connection_id, []).append(_event(row))
        return events


def _sorted_out(
    histories: Sequence[History], taken: Set[object]
) -> tuple[list[int], list[History]]:
    """The places of those whose id or pair is taken, by others or an earlier one; and the rest."""
    claimed = set(taken)
    left_out: list[int] = []
    rest: list[History] = []
    for place, history in enumerate(histories):
        connection = history.connection
        pair = str(connection.source_organization_id), str(connection.destination_organization_id)
        claims = {str(connection.id), pair}
        if claims & claimed:
            left_out.append(place)
        else:
            claimed |= claims
            rest.append(history)
    return left_out, rest


@lru_cache
def _page(
    standings: tuple[Standing, ...], given: frozenset[Role], placed: bool, newest_first: bool
) -> Select[Any]:
    """The statement for a page: of these standings, with these parties given, from a place on.

    Kept, for making it takes longer than carrying it out. What differs between two pages of the
    same kind comes as parameters.
    """
    parts: list[Select[Any]] = []
    for standing in standings:
        others = given - {standing.role}
        part = _stretch(standing, placed, newest_first).where(
            connections.c[f"{standing.role}_organization_id"] == bindparam("organization_id"),
            *(connections.c[f"{role}_organization_id"] == bindparam(role.value) for role in others),
        )
        # Two parties have one Connection at most. Asked for the first few of them, PostgreSQL may
        # look for it among all that one of the two has.
        parts.append(part if others else part.limit(_LIMIT))
    # A union, for a Connection of an organization with itself is found in both roles.
    found = union(*(select(part.subquery()) for part in parts)).subquery()
    order = _in_order([found.c.created_at, found.c.id], newest_first)
    return select(found).order_by(*order).limit(_LIMIT)


def _stretch(standing: Standing, placed: bool, newest_first: bool) -> Select[Any]:
    """The Connections of a status, or of all, in order from a place on: a stretch of an index.

    A status is written as a range, and comes first in the order, though all rows have the same.
    With ``=`` PostgreSQL may take the index that has no status in it, and read whatever lies
    between two Connections of that status, which can be everything that an organization has.
    """
    columns: list[ColumnElement[Any]] = [connections.c.created_at, connections.c.id]
    start: list[ColumnElement[Any]] = list(_PLACE) if placed else []
    statement = select(connections)
    if standing.status is not None:
        columns.insert(0, connections.c.status)
        start.insert(0, literal(standing.status.value))
        last = columns[0] >= start[0] if newest_first else columns[0] <= start[0]
        statement = statement.where(last)
    if start:
        here, there = tuple_(*columns[: len(start)]), tuple_(*start)
        if placed:
            statement = statement.where(here < there if newest_first else here > there)
        else:
            statement = statement.where(here <= there if newest_first else here >= there)
    return statement.order_by(*_in_order(columns, newest_first))


def _in_order(
    columns: Sequence[ColumnElement[Any]], newest_first: bool
) -> list[ColumnElement[Any]]:
    return [column.desc() if newest_first else column.asc() for column in columns]
