"""Reading every Connection with its events, in little memory.

It does not matter how many Connections there are, or how long their histories are: the Connections
are read a page at a time, and so are their events. No statement has more than four parameters,
because some databases limit their number.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from sqlalchemy import Connection as Database
from sqlalchemy import Row, bindparam, exists, select

from connect_core.adapters.sql.rows import connection_of, event_of
from connect_core.adapters.sql.tables import Tables
from connect_core.adapters.sql.types import as_stored
from connect_core.connection import Connection
from connect_core.errors import InvalidRecordError
from connect_core.history import ConnectionEvent
from connect_core.store import verified_events

#: What is called for each record that is not what was written.
OnUnreadable = Callable[[InvalidRecordError], None]
#: A Connection, and its events as they are read.
Streamed = tuple[Connection, Iterator[ConnectionEvent]]

#: How many Connections are read at a time.
_BATCH: Final = 500
#: How many events are read at a time: of some Connections, or of a part of a longer history.
_MOST_EVENTS: Final = 5000


class Histories:
    """Reads every Connection with its events from one set of tables."""

    def __init__(self, tables: Tables) -> None:
        connections, events = tables.connections, tables.connection_events
        self._connections, self._connection_events = connections, events
        self._page = (
            select(*as_stored(connections.c)).order_by(connections.c.id).limit(bindparam("limit"))
        )
        self._next_page = self._page.where(connections.c.id > bindparam("last"))
        # The events of the Connections from one id to another, in order; for each as many as its
        # version says, however many there are.
        self._events = (
            select(*as_stored(events.c))
            .join(connections, connections.c.id == events.c.connection_id)
            .where(
                events.c.connection_id >= bindparam("first"),
                events.c.connection_id <= bindparam("last"),
                events.c.version <= connections.c.version,
            )
            .order_by(events.c.connection_id, events.c.version)
        )
        # A part of the history of one Connection.
        self._part = (
            select(*as_stored(events.c))
            .where(
                events.c.connection_id == bindparam("id"),
                events.c.version <= bindparam("version"),
            )
            .order_by(events.c.version)
            .limit(bindparam("limit"))
        )
        self._next_part = self._part.where(events.c.version > bindparam("last"))
        # The ids that events have, and no Connection.
        self._unknown = (
            select(events.c.connection_id)
            .where(~exists().where(connections.c.id == events.c.connection_id))
            .distinct()
            .order_by(events.c.connection_id)
        )

    def stream(self, database: Database, on_unreadable: OnUnreadable) -> Iterator[Streamed]:
        """Every Connection, sorted by id, with its events.

        The events are read and checked as you take them: take all of them, and use none of them
        before the end.

        Args:
            database: a transaction that sees one state throughout.
            on_unreadable: is called for each Connection that is not what was written, and for each
                id that events have but no Connection. These are left out.

        Raises:
            InvalidRecordError: from the iterator of the events: one of them is not what was
                written, or they do not lead to the Connection.
        """
        for group in _groups(self._found(database)):
            if isinstance(group, InvalidRecordError):
                on_unreadable(group)
            else:
                for connection, rows in self._with_events(database, group):
                    yield connection, verified_events(connection, self._events_of(rows))
        for (connection_id,) in database.execute(self._unknown):
            record = f"the history of {connection_id}"
            on_unreadable(InvalidRecordError(record, "there is no such Connection"))

    def _found(self, database: Database) -> Iterator[Connection | InvalidRecordError]:
        """Every Connection, or why it is not what was written."""
        rows = database.execute(self._page, {"limit": _BATCH}).all()
        while rows:
            for row in rows:
                try:
                    yield connection_of(row, self._connections)
                except InvalidRecordError as error:
                    yield error
            # The id as it is stored, which may be no id.
            rows = database.execute(self._next_page, {"limit": _BATCH, "last": rows[-1].id}).all()

    def _with_events(
        self, database: Database, group: list[Connection]
    ) -> Iterator[tuple[Connection, Iterable[Row[Any]]]]:
        """The Connections of a group with the rows of their events."""
        if len(group) == 1:
            yield group[0], self._history(database, group[0])
        elif group:
            which = {"first": str(group[0].id), "last": str(group[-1].id)}
            events: dict[str, list[Row[Any]]] = {}
            for row in database.execute(self._events, which):
                events.setdefault(row.connection_id, []).append(row)
            for connection in group:
                yield connection, events.pop(connection.id, ())

    def _history(self, database: Database, connection: Connection) -> Iterator[Row[Any]]:
        """The rows of the events of one Connection, read in parts."""
        which = {"id": str(connection.id), "version": connection.version, "limit": _MOST_EVENTS}
        rows = database.execute(self._part, which).all()
        while rows:
            yield from rows
            rows = database.execute(self._next_part, which | {"last": rows[-1].version}).all()

    def _events_of(self, rows: Iterable[Row[Any]]) -> Iterator[ConnectionEvent]:
        return (event_of(row, self._connection_events) for row in rows)


def _groups(
    found: Iterable[Connection | InvalidRecordError],
) -> Iterator[list[Connection] | InvalidRecordError]:
    """Neighbours that have no more than `_MOST_EVENTS` together, or one that alone has more."""
    group: list[Connection] = []
    events = 0
    for each in found:
        if isinstance(each, InvalidRecordError):
            yield group
            yield each
            group, events = [], 0
            continue
        if events + each.version > _MOST_EVENTS:
            yield group
            group, events = [], 0
        group.append(each)
        events += each.version
    yield group
