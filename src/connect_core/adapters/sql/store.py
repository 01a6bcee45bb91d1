"""The store for databases, inside a session that the host owns.

Every statement goes through SQLAlchemy Core. Nothing here commits or rolls back the host's
transaction.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection as Database
from sqlalchemy import Result, Row, Select
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.orm import Session, scoped_session

from connect_core.adapters.sql.availability import goes_on
from connect_core.adapters.sql.bulk import Rows
from connect_core.adapters.sql.histories import OnUnreadable, Streamed
from connect_core.adapters.sql.kept import expire_kept
from connect_core.adapters.sql.rows import (
    connection_of,
    connection_row,
    event_of,
    event_row,
    rows_of,
    state_of,
)
from connect_core.adapters.sql.sessions import (
    reading,
    require_session,
    violated,
    writing,
)
from connect_core.adapters.sql.statements import Insertion, statements_for
from connect_core.adapters.sql.tables import DEFAULT_TABLES, Tables, require_tables
from connect_core.adapters.sql.types import MYSQL_FAMILY
from connect_core.connection import Change, Connection
from connect_core.errors import InvalidRecordError
from connect_core.history import ConnectionEvent
from connect_core.identifiers import ConnectionId, IdempotencyKey, OrganizationId
from connect_core.jsonapi import PlainRecord
from connect_core.store import IdempotencyRecord, Position, Selection

#: The row of an idempotency key whose outcome is not known yet. Others never see it. If it is left
#: behind all the same, it is old enough to be forgotten.
_NO_OUTCOME: Final = {
    "fingerprint": "",
    "outcome": "",
    "created_at": datetime(2000, 1, 1, tzinfo=UTC),
}


class History(NamedTuple):
    """A Connection with all of its events."""

    connection: Connection
    events: Sequence[ConnectionEvent]


class SqlConnectionStore:
    """A `ConnectionStore` in a database, inside a session that you own.

    It never commits, rolls back or opens anything: others see a change when you commit, and it is
    gone when you roll back. It sets no savepoint. After `StaleConnectionError`,
    `DuplicateConnectionError` and every other refusal of the service the session remains usable.

    If the database fails or refuses a row, SQLAlchemy's errors are passed on, also those of
    triggers and constraints of your own on these tables; only our own keys make a Connection a
    duplicate. The change that met the error is not there. On PostgreSQL nothing else of the
    transaction is, either, unless you go back to a savepoint of your own.

    Make one per session. Threads must not share it, just as they must not share the session.

    **Several engines.** All three tables are in one database. A `get_bind` of yours is given
    ``update(connections)`` as `clause` for every change, and for what must be read together with
    it; for other reads it is given ``select(connections)``. Once a transaction writes, send its
    reads to the same engine. From a replica, a command may read an older version and be refused as
    stale, and you do not see what you have written. With ``Session(binds=...)``, bind
    `connections`.

    **Tables of your own choosing.** With `tables`, it is the same for those of the given tables.
    Stores on different tables may share a session: what one writes, another neither sees nor
    changes.

    **Objects of your own.** If you have mapped a class on `connections`, or on a table of your own
    by that name in the same schema, its objects in this session agree with what a command wrote:
    their status, update time and version are expired, and read again when you next look at them. So
    are attributes that are mapped on SQL expressions. A change of your own to one of these
    attributes that is not yet flushed is dropped; other attributes keep theirs. This store does not
    know of relationships, hybrid attributes that you have cached, objects of other sessions, or a
    savepoint of yours that you roll back: refresh those yourself, and with an ``AsyncSession``
    refresh the object before you look at it. If a column that changes is part of the class's
    primary key, the object is that of a row that is gone, and SQLAlchemy says so.

    **Settings.** PostgreSQL must have ``server_encoding`` and ``client_encoding`` UTF8, MariaDB and
    MySQL a strict ``sql_mode`` and connections in ``utf8mb4``, and a connection of `sqlite3` a
    ``text_factory`` that makes `str`. No other setting of a role,
    database or session changes what is read; see the guide to filters for collations. What a
    rollback of the session would not undo is refused before it is written: AUTOCOMMIT, and an
    engine for SQLite without the settings of `configure_engine`, or the same of your own.

    Args:
        session: a `Session`, or a `scoped_session`. From an ``AsyncSession``, use ``run_sync``.
        tables: those that `tables_for` returned; our own if omitted.

    Raises:
        TypeError: an argument is something else.
        InvalidRecordError: from every method that reads, if a row is not what was written.
        ValueError: from the first method that is called, if a setting is not supported; from every
            method that writes, if a rollback of the session would not undo it.
    """

    def __init__(
        self, session: Session | scoped_session[Session], tables: Tables = DEFAULT_TABLES
    ) -> None:
        require_session(session)
        require_tables(tables)
        self._session = session
        self._tables = tables
        self._statements = statements_for(tables)
        #: The changes of the attempt that is under way, in their order; None if none is.
        self._attempted: list[Change] | None = None

    def add(self, change: Change) -> bool:
        """See `ConnectionStore.add`."""
        row, statements = connection_row(change.connection), self._statements
        database = self._writing()
        if not _is_inserted(database, statements.add, row):
            if database.execute(statements.conflicting, row).first() is not None:
                return False
            try:  # let the database say what is wrong
                database.execute(statements.add.plain, row)
            except IntegrityError as error:
                if violated(error.orig) & statements.own_keys:  # a stricter isolation hides it
                    return False
                raise
        self._add_event(database, change)
        return True

    def save(self, change: Change) -> bool:
        """See `ConnectionStore.save`."""
        connection, statements = change.connection, self._statements
        which = {"the_id": str(connection.id), "previous_version": connection.version - 1}
        database = self._writing()
        saved = database.execute(statements.save, which | state_of(connection)).rowcount == 1
        if saved:
            self._add_event(database, change)
        self._expire_kept(str(connection.id))
        return saved

    def get(self, connection_id: ConnectionId) -> Connection | None:
        """See `ConnectionStore.get`."""
        return self._one(self._statements.get, {"id": str(connection_id)})

    def find(self, source: OrganizationId, destination: OrganizationId) -> Connection | None:
        """See `ConnectionStore.find`."""
        return self._one(
            self._statements.find, {"source": str(source), "destination": str(destination)}
        )

    def page(
        self, selection: Selection, *, beyond: Position | None, newest_first: bool, limit: int
    ) -> Sequence[Connection | InvalidRecordError]:
        """See `ConnectionStore.page`.

        This is one query. It reads each standing from its own index, no further than the page goes,
        so that a page costs the same however many rows there are. Only a page of the Connections of
        every organization may read all rows.
        """
        asked = self._statements.pages.page_query(
            selection,
            beyond=beyond,
            newest_first=newest_first,
            limit=limit,
            by_column=self._by_column,
        )
        return [] if asked is None else [self._read(row) for row in self._rows(*asked)]

    def count(self, selection: Selection, most: int) -> int:
        """How many Connections are selected, counting no further than `most`; one query.

        It reads no further than a page of this length, and counts rows that cannot be read, too.
        """
        asked = self._statements.pages.count_query(selection, most, by_column=self._by_column)
        return 0 if asked is None else self._rows(*asked).scalar_one()

    @property
    def _by_column(self) -> bool:
        """Whether the database finds a range of an index only column by column."""
        return self._reading().dialect.name in MYSQL_FAMILY

    def _rows(self, statement: Select[Any], values: dict[str, object]) -> Result[Any]:
        return self._reading().execute(statement, values)

    def history(self, connection_id: ConnectionId) -> Sequence[ConnectionEvent]:
        """See `ConnectionStore.history`."""
        rows = self._reading().execute(self._statements.history, {"id": str(connection_id)})
        return [event_of(row, self._tables.connection_events) for row in rows]

    def event(self, connection_id: ConnectionId, version: int) -> ConnectionEvent | None:
        """See `ConnectionStore.event`."""
        which = {"id": str(connection_id), "version": version}
        row = self._reading().execute(self._statements.event, which).one_or_none()
        return None if row is None else event_of(row, self._tables.connection_events)

    def once(
        self,
        organization_id: OrganizationId,
        key: IdempotencyKey,
        attempt: Callable[[], IdempotencyRecord],
    ) -> IdempotencyRecord:
        """See `ConnectionStore.once`."""
        statements, database = self._statements, self._writing()
        claim = {"organization_id": str(organization_id), "key": str(key), **_NO_OUTCOME}
        place = {"the_organization_id": str(organization_id), "the_key": str(key)}
        if not _is_inserted(database, statements.claim, claim):
            kept = self._find_outcome(place)
            if kept is not None:
                return kept
            database.execute(statements.claim.plain, claim)  # let the database say what is wrong
        self._attempted = []
        try:
            record = attempt()
            database.execute(statements.complete, place | record._asdict())
        except Exception as error:  # no cancellation: SQLAlchemy has closed the connection
            self._undo(database, error, self._attempted, place)
            self._expire_kept(None)
            raise
        finally:
            self._attempted = None
        return record

    def forget(self, before: datetime) -> int:
        """See `ConnectionStore.forget`."""
        return self._writing().execute(self._statements.forget, {"before": before}).rowcount

    # --- Import and export ---

    def add_all(self, histories: Sequence[History]) -> Sequence[int]:
        """Keep many new Connections, each with its whole history, in a few statements.

        There is no savepoint: if it fails, all of them are gone again, but on PostgreSQL the
        transaction has ended. Triggers of yours see the rows come, and go.

        Args:
            histories: the Connections and their events, as `verified_history` has checked them.

        Returns:
            The indices of those that were left out because their id, or their ordered pair, is
            taken, perhaps by an earlier one of them.

        Raises:
            sqlalchemy.exc.DBAPIError: the database refuses a row for a reason of its own. Or
                another transaction took an id or a pair at the same time, and this one cannot see
                that: roll back and run the transaction again, as `in_transaction` does. It is an
                IntegrityError on MariaDB, and under REPEATABLE READ or stricter an OperationalError
                on PostgreSQL.
        """
        return self.add_rows([rows_of(*history) for history in histories])

    def add_rows(self, found: Sequence[Rows]) -> Sequence[int]:
        """The same as `add_all`, for what are rows already; so are the errors."""
        return self._statements.bulk.add(self._writing(), found)

    def everything(self, *, on_unreadable: OnUnreadable | None = None) -> Iterator[History]:
        """Every Connection with its history, sorted by id, each read when it is due.

        Call it in a transaction that sees one state throughout: REPEATABLE READ on PostgreSQL; any
        on SQLite. The histories are checked.

        Args:
            on_unreadable: is called with the error of each record that is not what was written:
                a row, a history that does not lead to its Connection, or one that has none. The
                Connection is left out, and the rest follows. If omitted, the error is raised.

        Raises:
            InvalidRecordError: a record is not what was written, and `on_unreadable` is omitted.
        """
        report = _refuse if on_unreadable is None else on_unreadable
        for connection, events in self.stream(on_unreadable=report):
            try:
                history = History(connection, tuple(events))
            except InvalidRecordError as error:
                report(error)
            else:
                yield history

    def stream(self, *, on_unreadable: OnUnreadable | None = None) -> Iterator[Streamed]:
        """The same as `everything`, for histories that are too long to be held.

        Each Connection comes with an iterator, which reads and checks its events. Take all events,
        and use none of them before the end.

        Args:
            on_unreadable: as `everything` has it, except for the errors of that iterator.

        Raises:
            InvalidRecordError: as `everything` does; from the iterator, if an event is not what was
                written, or the history does not lead to the Connection.
        """
        report = _refuse if on_unreadable is None else on_unreadable
        return self._statements.histories.stream(self._reading(), report)

    def plain_records(
        self, *, on_unreadable: OnUnreadable | None = None
    ) -> Iterator[PlainRecord | Streamed]:
        """The same as `stream`, with most Connections as plain values, which takes far less time.

        Those with very many events, and those that only the models can judge, are as `stream` has
        them; so are the arguments and the errors. Leave the session alone until the iterator ends:
        on PostgreSQL another thread is reading ahead.
        """
        report = _refuse if on_unreadable is None else on_unreadable
        return self._statements.histories.plain_records(self._reading(), report)

    def add_events(self, events: Sequence[ConnectionEvent]) -> None:
        """Keep more events of a Connection that `add_all` has added with the first of them.

        Args:
            events: the next ones, as `verified_history` has checked them. Add all of them in the
                same transaction.
        """
        self._writing().execute(self._statements.add_event, [event_row(event) for event in events])

    # --- Statements ---

    def _add_event(self, database: Database, change: Change) -> None:
        """Add the event of a change whose Connection is written; undo that if it is refused."""
        try:
            database.execute(self._statements.add_event, event_row(change.event))
        except Exception as error:  # no cancellation: SQLAlchemy has closed the connection
            self._undo(database, error, [change])
            raise
        if self._attempted is not None:
            self._attempted.append(change)

    def _undo(
        self,
        database: Database,
        error: Exception,
        changes: Sequence[Change],
        claimed: Mapping[str, str] | None = None,
    ) -> None:
        """Undo changes of this transaction, and the claim of a key, after a statement was refused.

        On PostgreSQL it ends the transaction, or the host goes back to a savepoint of its own. If
        the database has undone all of the transaction, nothing is done: in the one that follows,
        another may have made the same change. If that happens here, it is raised instead.
        """
        if not goes_on(database, error):
            return
        statements = self._statements
        try:
            for connection, event in reversed(changes):
                which = {"the_id": str(connection.id), "the_version": connection.version}
                database.execute(statements.remove_event, which)
                if event.previous_status is None:
                    database.execute(statements.remove, which)
                else:
                    previous = {"status": event.previous_status.value}
                    database.execute(statements.restore, which | previous)
            if claimed is not None:
                database.execute(statements.release, claimed)
        except SQLAlchemyError as another:
            if not goes_on(database, another):
                raise

    def _reading(self) -> Database:
        return reading(self._session, self._tables.connections)

    def _writing(self) -> Database:
        return writing(self._session, self._tables.connections)

    def _expire_kept(self, connection_id: str | None) -> None:
        expire_kept(self._session, self._tables.connections, connection_id)

    def _read(self, row: Row[Any]) -> Connection | InvalidRecordError:
        """The Connection in a row, or why it is not what was written."""
        try:
            return connection_of(row, self._tables.connections)
        except InvalidRecordError as error:
            return error

    def _one(self, statement: Select[Any], which: dict[str, object]) -> Connection | None:
        row = self._reading().execute(statement, which).one_or_none()
        return None if row is None else connection_of(row, self._tables.connections)

    def _find_outcome(self, place: dict[str, str]) -> IdempotencyRecord | None:
        """The record for a key, from where it would be written: a replica may not have it yet."""
        found = self._writing().execute(self._statements.find_outcome, place)
        row = found.mappings().one_or_none()
        if row is None:
            return None
        if not isinstance(row["created_at"], datetime):
            table = self._tables.idempotency_keys.fullname
            raise InvalidRecordError(
                f"{table} {place['the_organization_id']} '{place['the_key']}'",
                f"created_at is {row['created_at']!r}, no UTC time in milliseconds",
            )
        return IdempotencyRecord(row["fingerprint"], row["outcome"], row["created_at"])


def _refuse(error: InvalidRecordError) -> None:
    raise error


def _is_inserted(database: Database, insertion: Insertion, row: Mapping[str, object]) -> bool:
    """Whether a row was inserted; False if it was refused, perhaps because a key of it is taken.

    Then nothing was done. On PostgreSQL every other refusal ends the transaction, and is raised.
    """
    try:
        return database.execute(insertion.on(database.dialect), row).rowcount == 1
    except IntegrityError:
        if database.dialect.name == "postgresql":
            raise
        return False
