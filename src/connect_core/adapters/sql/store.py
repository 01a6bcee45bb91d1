"""The store for databases, inside a session that the host owns.

Every statement goes through SQLAlchemy Core. Nothing here commits or rolls back the host's
transaction.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Integer,
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
from connect_core.store import IdempotencyRecord, Position, Selection, Standing, verified_history

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
_PLACE: Final = (bindparam("created_at", type_=UtcTime), bindparam("id", type_=Id))
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
        return [connection_of(row) for row in self._database().execute(statement, values)]

    def history(self, connection_id: ConnectionId) -> Sequence[ConnectionEvent]:
        """See `ConnectionStore.history`."""
        rows = self._database().execute(_HISTORY, {"id": str(connection_id)})
        return [event_of(row) for row in rows]

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
            found = [connection_of(row) for row in rows]
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
        return None if row is None else connection_of(row)

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
        rows = [connection_row(connection) for connection, _ in histories]
        event_rows = [event_row(event) for _, events in histories for event in events]
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
            for row in self._database().execute(_RIVALS, connection_row(connection)):
                taken |= {row[0], (row[1], row[2])}
        return taken

    def _events_of(self, ids: Sequence[str]) -> Mapping[str, Sequence[ConnectionEvent]]:
        """The events of these Connections, in order."""
        these = select(connection_events).where(connection_events.c.connection_id.in_(ids))
        in_order = these.order_by(connection_events.c.connection_id, connection_events.c.version)
        events: dict[str, list[ConnectionEvent]] = {}
        for row in self._database().execute(in_order):
            events.setdefault(row.connection_id, []).append(event_of(row))
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
