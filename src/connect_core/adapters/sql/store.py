"""The store for databases, inside a session that the host owns.

Every statement goes through SQLAlchemy Core. Nothing here commits or rolls back the host's
transaction.
"""

from collections.abc import Callable, Generator, Iterator, Sequence, Set
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection as Database
from sqlalchemy import (
    Row,
    Select,
    and_,
    bindparam,
    delete,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, scoped_session

from connect_core.adapters.sql.histories import OnUnreadable, Streamed, stream
from connect_core.adapters.sql.pages import page_statement
from connect_core.adapters.sql.rows import (
    connection_of,
    connection_row,
    event_of,
    event_row,
    state_of,
)
from connect_core.adapters.sql.sessions import (
    expire_kept,
    reading,
    require_session,
    violated,
    writing,
)
from connect_core.adapters.sql.tables import connection_events, connections, idempotency_keys
from connect_core.adapters.sql.types import as_stored
from connect_core.connection import Change, Connection
from connect_core.errors import InvalidRecordError, StaleConnectionError
from connect_core.history import ConnectionEvent
from connect_core.identifiers import ConnectionId, IdempotencyKey, OrganizationId
from connect_core.lifecycle import Role
from connect_core.store import IdempotencyRecord, Position, Selection

_CONNECTIONS: Final = select(*as_stored(connections.c))
_EVENTS: Final = select(*as_stored(connection_events.c))
_GET: Final = _CONNECTIONS.where(connections.c.id == bindparam("id"))
_FIND: Final = _CONNECTIONS.where(
    connections.c.source_organization_id == bindparam("source"),
    connections.c.destination_organization_id == bindparam("destination"),
)
#: The Connections that have the id, or the ordered pair, of a row.
_CONFLICTING: Final = select(
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
_HISTORY: Final = _EVENTS.where(connection_events.c.connection_id == bindparam("id")).order_by(
    connection_events.c.version
)
_EVENT: Final = _EVENTS.where(
    connection_events.c.connection_id == bindparam("id"),
    connection_events.c.version == bindparam("version"),
)
_FIND_OUTCOME: Final = select(*as_stored(idempotency_keys.c)).where(
    idempotency_keys.c.organization_id == bindparam("organization_id"),
    idempotency_keys.c.key == bindparam("key"),
)
_ADD: Final = insert(connections)
_ADD_EVENT: Final = insert(connection_events)
_ADD_OUTCOME: Final = insert(idempotency_keys)
#: The constraints that make a Connection a duplicate.
_OWN_KEYS: Final = frozenset({"pk_connections", "uq_connections_ordered_pair"})


class History(NamedTuple):
    """A Connection with all of its events."""

    connection: Connection
    events: Sequence[ConnectionEvent]


class SqlConnectionStore:
    """A `ConnectionStore` in a database, inside a session that you own.

    It never commits, rolls back or opens anything: others see a change when you commit, and it is
    gone when you roll back. If the database fails or refuses a row, SQLAlchemy's errors are passed
    on, also those of triggers and constraints of your own on these tables; only our own keys make a
    Connection a duplicate. After `StaleConnectionError`, `DuplicateConnectionError` and every other
    refusal of the service the session remains usable.

    Make one per session. Threads must not share it, just as they must not share the session.

    **Several engines.** All three tables are in one database. A `get_bind` of yours is given
    ``update(connections)`` as `clause` for every change, and for what must be read together with
    it; for other reads it is given ``select(connections)``. Once a transaction writes, send its
    reads to the same engine. From a replica, a command may read an older version and be refused as
    stale, and you do not see what you have written. With ``Session(binds=...)``, bind
    `connections`.

    **Objects of your own.** If you have mapped a class on `connections`, or on a table of that name
    of your own, its objects in this session agree with what a command wrote: their status, update
    time and version are expired, and read again when you next look at them. So are attributes that
    are mapped on SQL expressions. A change of your own to one of these attributes that is not yet
    flushed is dropped; other attributes keep theirs. This store does not know of relationships,
    hybrid attributes that you have cached, objects of other sessions, or a savepoint of yours that
    you roll back: refresh those yourself, and with an ``AsyncSession`` refresh the object before
    you look at it. If a column that changes is part of the class's primary key, the object is that
    of a row that is gone, and SQLAlchemy says so.

    **Settings.** PostgreSQL must have ``server_encoding`` and ``client_encoding`` UTF8, and a
    connection of `sqlite3` a ``text_factory`` that makes `str`. No other setting of a role,
    database or session changes what is read; see the guide to filters for collations. What a
    rollback of the session would not undo is refused before it is written: AUTOCOMMIT, and an
    engine for SQLite without the settings of `configure_engine`, or the same of your own.

    Args:
        session: a `Session`, or a `scoped_session`. From an ``AsyncSession``, use ``run_sync``.

    Raises:
        TypeError: `session` is something else.
        InvalidRecordError: from every method that reads, if a row is not what was written.
        ValueError: from the first method that is called, if a setting is not supported; from every
            method that writes, if a rollback of the session would not undo it.
    """

    def __init__(self, session: Session | scoped_session[Session]) -> None:
        require_session(session)
        self._session = session

    def add(self, change: Change) -> bool:
        """See `ConnectionStore.add`."""
        row = connection_row(change.connection)
        writing(self._session)
        with self._session.begin_nested() as savepoint:
            try:
                database = writing(self._session, checked=True)  # the savepoint begins with this
                database.execute(_ADD, row)
                database.execute(_ADD_EVENT, event_row(change.event))
            except IntegrityError as error:
                savepoint.rollback()
                refused = error
            else:
                return True
        taken = writing(self._session).execute(_CONFLICTING, row).first() is not None
        if taken or violated(refused.orig) & _OWN_KEYS:  # a stricter isolation may hide the other
            return False
        raise refused

    def save(self, change: Change) -> bool:
        """See `ConnectionStore.save`."""
        connection, event = change
        which = {"the_id": str(connection.id), "previous_version": connection.version - 1}
        database = writing(self._session)
        with _all_or_nothing(database):
            saved = database.execute(_SAVE, which | state_of(connection)).rowcount == 1
            if saved:
                database.execute(_ADD_EVENT, event_row(event))
        expire_kept(self._session, str(connection.id))
        return saved

    def get(self, connection_id: ConnectionId) -> Connection | None:
        """See `ConnectionStore.get`."""
        return self._one(_GET, {"id": str(connection_id)})

    def find(self, source: OrganizationId, destination: OrganizationId) -> Connection | None:
        """See `ConnectionStore.find`."""
        return self._one(_FIND, {"source": str(source), "destination": str(destination)})

    def page(
        self, selection: Selection, *, beyond: Position | None, newest_first: bool, limit: int
    ) -> Sequence[Connection | InvalidRecordError]:
        """See `ConnectionStore.page`.

        This is one query. It reads each standing from its own index, no further than the page goes,
        so that a page costs the same however many rows there are. Only a page of the Connections of
        every organization may read all rows.
        """
        parties = {Role.SOURCE: selection.source, Role.DESTINATION: selection.destination}
        ours = selection.organization_id
        fitting = tuple(
            each
            for each in selection.standings
            if ours is None or parties[each.role] in (None, ours)
        )
        if not fitting:
            return ()
        given = frozenset(role for role, party in parties.items() if party is not None)
        values: dict[str, object] = {role.value: str(parties[role]) for role in given}
        values |= {"organization_id": str(ours), "limit": limit}  # the id is not read if it is None
        if beyond is not None:
            values |= {"created_at": beyond.created_at, "id": str(beyond.id)}
        statement = page_statement(
            fitting,
            given,
            of_all=ours is None,
            placed=beyond is not None,
            newest_first=newest_first,
        )
        return [_read(row) for row in reading(self._session).execute(statement, values)]

    def history(self, connection_id: ConnectionId) -> Sequence[ConnectionEvent]:
        """See `ConnectionStore.history`."""
        rows = reading(self._session).execute(_HISTORY, {"id": str(connection_id)})
        return [event_of(row) for row in rows]

    def event(self, connection_id: ConnectionId, version: int) -> ConnectionEvent | None:
        """See `ConnectionStore.event`."""
        which = {"id": str(connection_id), "version": version}
        row = reading(self._session).execute(_EVENT, which).one_or_none()
        return None if row is None else event_of(row)

    def once(
        self,
        organization_id: OrganizationId,
        key: IdempotencyKey,
        attempt: Callable[[], IdempotencyRecord],
    ) -> IdempotencyRecord:
        """See `ConnectionStore.once`."""
        place = {"organization_id": str(organization_id), "key": str(key)}
        kept = self._find_outcome(place)
        if kept is not None:
            return kept
        overtaken: Exception
        try:
            with self._session.begin_nested() as savepoint:
                record = attempt()
                try:
                    writing(self._session).execute(_ADD_OUTCOME, place | record._asdict())
                except IntegrityError as error:  # another transaction may have kept its record
                    savepoint.rollback()
                    overtaken = error
                else:
                    return record
        except StaleConnectionError as error:  # another request was faster: is it the same one?
            overtaken = error
        except BaseException:
            expire_kept(self._session, None)
            raise
        expire_kept(self._session, None)  # what the attempt changed is undone
        kept = self._find_outcome(place)
        if kept is None:  # there is no record, or a stricter isolation hides it
            raise overtaken
        return kept

    def forget(self, before: datetime) -> int:
        """See `ConnectionStore.forget`."""
        old = delete(idempotency_keys).where(idempotency_keys.c.created_at < before)
        return writing(self._session).execute(old).rowcount

    # --- Import and export ---

    def add_all(self, histories: Sequence[History]) -> Sequence[int]:
        """Keep many new Connections, each with its whole history, in a few statements.

        Args:
            histories: the Connections and their events, as `verified_history` has checked them.

        Returns:
            The indices of those that were left out because their id, or their ordered pair, is
            taken, perhaps by an earlier one of them.

        Raises:
            sqlalchemy.exc.IntegrityError: another transaction took an id or a pair at the same
                time, and this one cannot see that: its isolation is REPEATABLE READ or stricter.
        """
        taken: set[object] = set()
        while True:
            left_out, rest = _without_taken(histories, taken)
            try:
                self._add_all(rest)
            except IntegrityError:
                others = self._conflicts_with(rest) - taken
                if not others:  # something else was refused, or a stricter isolation hides them
                    raise
                taken |= others
            else:
                return left_out

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
        return stream(reading(self._session), _refuse if on_unreadable is None else on_unreadable)

    def add_events(self, events: Sequence[ConnectionEvent]) -> None:
        """Keep more events of a Connection that `add_all` has added with the first of them.

        Args:
            events: the next ones, as `verified_history` has checked them. Add all of them in the
                same transaction.
        """
        writing(self._session).execute(_ADD_EVENT, [event_row(event) for event in events])

    # --- Statements ---

    def _one(self, statement: Select[Any], which: dict[str, object]) -> Connection | None:
        row = reading(self._session).execute(statement, which).one_or_none()
        return None if row is None else connection_of(row)

    def _find_outcome(self, place: dict[str, str]) -> IdempotencyRecord | None:
        """The record for a key, from where it would be written: a replica may not have it yet."""
        found = writing(self._session).execute(_FIND_OUTCOME, place)
        row = found.mappings().one_or_none()
        if row is None:
            return None
        if not isinstance(row["created_at"], datetime):
            raise InvalidRecordError(
                f"{idempotency_keys.name} {place['organization_id']} '{place['key']}'",
                f"created_at is {row['created_at']!r}, no UTC time in milliseconds",
            )
        return IdempotencyRecord(row["fingerprint"], row["outcome"], row["created_at"])

    def _add_all(self, histories: Sequence[History]) -> None:
        """Add all of them, or none."""
        rows = [connection_row(connection) for connection, _ in histories]
        event_rows = [event_row(event) for _, events in histories for event in events]
        writing(self._session)
        with self._session.begin_nested():
            if rows:
                database = writing(self._session, checked=True)
                database.execute(_ADD, rows)
                database.execute(_ADD_EVENT, event_rows)

    def _conflicts_with(self, histories: Sequence[History]) -> set[object]:
        """The ids and the pairs of stored Connections that conflict with these.

        One query each: for many pairs at once SQLite uses no index, and reads the whole table.
        """
        taken: set[object] = set()
        for connection, _ in histories:
            for row in writing(self._session).execute(_CONFLICTING, connection_row(connection)):
                taken |= {row[0], (row[1], row[2])}
        return taken


def _refuse(error: InvalidRecordError) -> None:
    raise error


@contextmanager
def _all_or_nothing(database: Database) -> Generator[None]:
    """A savepoint around statements of which the second may fail after the first has succeeded.

    PostgreSQL needs none: an error there undoes the transaction, up to a savepoint of the host's.
    It goes to the driver itself: `Connection.begin_nested` takes a third of a step's time.
    """
    if database.dialect.name == "postgresql":
        yield
        return
    cursor = database.connection.cursor()
    cursor.execute("SAVEPOINT connect_core_step")
    try:
        yield
    except Exception:  # no cancellation, after which SQLAlchemy has closed the connection
        cursor.execute("ROLLBACK TO SAVEPOINT connect_core_step")
        cursor.execute("RELEASE SAVEPOINT connect_core_step")
        raise
    cursor.execute("RELEASE SAVEPOINT connect_core_step")
    cursor.close()


def _read(row: Row[Any]) -> Connection | InvalidRecordError:
    """The Connection in a row, or why it is not what was written."""
    try:
        return connection_of(row)
    except InvalidRecordError as error:
        return error


def _without_taken(
    histories: Sequence[History], taken: Set[object]
) -> tuple[list[int], list[History]]:
    """The indices of those whose id or pair is taken, also by an earlier one; and the rest."""
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
