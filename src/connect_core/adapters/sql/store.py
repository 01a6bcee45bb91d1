"""The store for databases, inside a session that the host owns.

Every statement goes through SQLAlchemy Core. Nothing here commits or rolls back the host's
transaction.
"""

from collections.abc import Callable, Iterator, Sequence, Set
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Integer,
    Row,
    Select,
    and_,
    bindparam,
    delete,
    insert,
    literal,
    or_,
    select,
    tuple_,
    union,
    update,
)
from sqlalchemy import Connection as Database
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from connect_core.adapters.sql.histories import OnUnreadable, Streamed, stream
from connect_core.adapters.sql.rows import (
    connection_of,
    connection_row,
    event_of,
    event_row,
    state_of,
)
from connect_core.adapters.sql.tables import connection_events, connections, idempotency_keys
from connect_core.adapters.sql.types import Id, UtcTime
from connect_core.connection import Change, Connection
from connect_core.errors import InvalidRecordError, StaleConnectionError
from connect_core.history import ConnectionEvent
from connect_core.identifiers import ConnectionId, IdempotencyKey, OrganizationId
from connect_core.lifecycle import Role
from connect_core.store import IdempotencyRecord, Position, Selection, Standing

_GET: Final = select(connections).where(connections.c.id == bindparam("id"))
_FIND: Final = select(connections).where(
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
_HISTORY: Final = (
    select(connection_events)
    .where(connection_events.c.connection_id == bindparam("id"))
    .order_by(connection_events.c.version)
)
_EVENT: Final = select(connection_events).where(
    connection_events.c.connection_id == bindparam("id"),
    connection_events.c.version == bindparam("version"),
)
_FIND_OUTCOME: Final = select(idempotency_keys).where(
    idempotency_keys.c.organization_id == bindparam("organization_id"),
    idempotency_keys.c.key == bindparam("key"),
)
_ADD: Final = insert(connections)
_ADD_EVENT: Final = insert(connection_events)
_ADD_OUTCOME: Final = insert(idempotency_keys)
#: The position after which a page begins, and the length of the page.
_PLACE: Final = (bindparam("created_at", type_=UtcTime), bindparam("id", type_=Id))
_LIMIT: Final[BindParameter[int]] = bindparam("limit", type_=Integer)


class History(NamedTuple):
    """A Connection with all of its events."""

    connection: Connection
    events: Sequence[ConnectionEvent]


class SqlConnectionStore:
    """A `ConnectionStore` in a database, inside a session that you own.

    It never commits, rolls back or opens anything: others see a change when you commit, and it is
    gone when you roll back. If the database fails, SQLAlchemy's errors are passed on. After
    `StaleConnectionError`, `DuplicateConnectionError` and every other refusal of the service the
    session remains usable.

    Make one per session. Threads must not share it, just as they must not share the session.

    Raises:
        InvalidRecordError: from every method that reads, if a row is not what was written.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, change: Change) -> bool:
        """See `ConnectionStore.add`."""
        with self._session.begin_nested() as savepoint:
            try:
                database = self._database()
                database.execute(_ADD, connection_row(change.connection))
                database.execute(_ADD_EVENT, event_row(change.event))
            except IntegrityError:
                savepoint.rollback()
                return False
        return True

    def save(self, change: Change) -> bool:
        """See `ConnectionStore.save`."""
        connection, event = change
        which = {"the_id": str(connection.id), "previous_version": connection.version - 1}
        database = self._database()
        if database.execute(_SAVE, which | state_of(connection)).rowcount != 1:
            return False
        database.execute(_ADD_EVENT, event_row(event))
        return True

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
        so that a page costs the same however many rows there are.
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
        return [_read(row) for row in self._database().execute(statement, values)]

    def history(self, connection_id: ConnectionId) -> Sequence[ConnectionEvent]:
        """See `ConnectionStore.history`."""
        rows = self._database().execute(_HISTORY, {"id": str(connection_id)})
        return [event_of(row) for row in rows]

    def event(self, connection_id: ConnectionId, version: int) -> ConnectionEvent | None:
        """See `ConnectionStore.event`."""
        which = {"id": str(connection_id), "version": version}
        row = self._database().execute(_EVENT, which).one_or_none()
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
                    self._database().execute(_ADD_OUTCOME, place | record._asdict())
                except IntegrityError as error:  # another transaction kept its record meanwhile
                    savepoint.rollback()
                    overtaken = error
                else:
                    return record
        except StaleConnectionError as error:  # another request was faster: is it the same one?
            overtaken = error
        kept = self._find_outcome(place)
        if kept is None:  # it is not, or a stricter isolation hides its record
            raise overtaken
        return kept

    def forget(self, before: datetime) -> int:
        """See `ConnectionStore.forget`."""
        old = delete(idempotency_keys).where(idempotency_keys.c.created_at < before)
        return self._database().execute(old).rowcount

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
                others = self._conflicts_with(rest)
                if not others:  # a stricter isolation hides them from this transaction
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
        return stream(self._database(), _refuse if on_unreadable is None else on_unreadable)

    def add_events(self, events: Sequence[ConnectionEvent]) -> None:
        """Keep more events of a Connection that `add_all` has added with the first of them.

        Args:
            events: the next ones, as `verified_history` has checked them. Add all of them in the
                same transaction.
        """
        self._database().execute(_ADD_EVENT, [event_row(event) for event in events])

    # --- Statements ---

    def _database(self) -> Database:
        """The session's connection to the database that has the tables."""
        return self._session.connection({"clause": connections})

    def _one(self, statement: Select[Any], which: dict[str, object]) -> Connection | None:
        row = self._database().execute(statement, which).one_or_none()
        return None if row is None else connection_of(row)

    def _find_outcome(self, place: dict[str, str]) -> IdempotencyRecord | None:
        row = self._database().execute(_FIND_OUTCOME, place).mappings().one_or_none()
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
        with self._session.begin_nested():
            if rows:
                database = self._database()
                database.execute(_ADD, rows)
                database.execute(_ADD_EVENT, event_rows)

    def _conflicts_with(self, histories: Sequence[History]) -> set[object]:
        """The ids and the pairs of stored Connections that conflict with these.

        One query each: for many pairs at once SQLite uses no index, and reads the whole table.
        """
        taken: set[object] = set()
        for connection, _ in histories:
            for row in self._database().execute(_CONFLICTING, connection_row(connection)):
                taken |= {row[0], (row[1], row[2])}
        return taken


def _refuse(error: InvalidRecordError) -> None:
    raise error


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


@lru_cache
def _page(
    standings: tuple[Standing, ...], given: frozenset[Role], placed: bool, newest_first: bool
) -> Select[Any]:
    """The statement for a page of these standings, with the parties in `given`.

    It is cached, because making it takes longer than executing it. What differs between two pages
    of the same kind is a parameter. If `placed`, the page begins after a position.
    """
    parts: list[Select[Any]] = []
    for standing in standings:
        others = given - {standing.role}
        part = _index_range(standing, placed, newest_first).where(
            connections.c[f"{standing.role}_organization_id"] == bindparam("organization_id"),
            *(connections.c[f"{role}_organization_id"] == bindparam(role.value) for role in others),
        )
        # Two parties have one Connection at most. With a limit, PostgreSQL may look for it among
        # all Connections that one of the two has.
        parts.append(part if others else part.limit(_LIMIT))
    # A union, because a self-connection is found in both roles.
    found = union(*(select(part.subquery()) for part in parts)).subquery()
    order = _in_order([found.c.created_at, found.c.id], newest_first)
    return select(found).order_by(*order).limit(_LIMIT)


def _index_range(standing: Standing, placed: bool, newest_first: bool) -> Select[Any]:
    """The Connections of one status, or of all, in order: a range of an index.

    If `placed`, they begin after a position. The status is compared as a range, and comes first in
    the order, though all rows have the same. With ``=`` PostgreSQL may use the index without a
    status, and read everything between two Connections of that status, which can be everything
    that an organization has.
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
