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
from connect_core.adapters.sql.tables import connection_events, connections
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

_PAGE: Final = (
    select(*as_stored(connections.c)).order_by(connections.c.id).limit(bindparam("limit"))
)
_NEXT_PAGE: Final = _PAGE.where(connections.c.id > bindparam("last"))
#: The events of the Connections from one id to another, in order; for each as many as its
#: version says, however many there are.
_EVENTS: Final = (
    select(*as_stored(connection_events.c))
    .join(connections, connections.c.id == connection_events.c.connection_id)
    .where(
        connection_events.c.connection_id >= bindparam("first"),
        connection_events.c.connection_id <= bindparam("last"),
        connection_events.c.version <= connections.c.version,
    )
    .order_by(connection_events.c.connection_id, connection_events.c.version)
)
#: A part of the history of one Connection.
_PART: Final = (
    select(*as_stored(connection_events.c))
    .where(
        connection_events.c.connection_id == bindparam("id"),
        connection_events.c.version <= bindparam("version"),
    )
    .order_by(connection_events.c.version)
    .limit(bindparam("limit"))
)
_NEXT_PART: Final = _PART.where(connection_events.c.version > bindparam("last"))
#: The ids that events have, and no Connection.
_UNKNOWN: Final = (
    select(connection_events.c.connection_id)
    .where(~exists().where(connections.c.id == connection_events.c.connection_id))
    .distinct()
    .order_by(connection_events.c.connection_id)
)


def stream(database: Database, on_unreadable: OnUnreadable) -> Iterator[Streamed]:
    """Every Connection, sorted by id, with its events.

    The events are read and checked as you take them: take all of them, and use none of them before
    the end.

    Args:
        database: a transaction that sees one state throughout.
        on_unreadable: is called for each Connection that is not what was written, and for each id
            that events have but no Connection. These are left out.

    Raises:
        InvalidRecordError: from the iterator of the events: one of them is not what was written,
            or they do not lead to the Connection.
    """
    for group in _groups(_connections(database)):
        if isinstance(group, InvalidRecordError):
            on_unreadable(group)
        else:
            for connection, rows in _with_events(database, group):
                yield connection, verified_events(connection, map(event_of, rows))
    for (connection_id,) in database.execute(_UNKNOWN):
        record = f"the history of {connection_id}"
        on_unreadable(InvalidRecordError(record, "there is no such Connection"))


def _connections(database: Database) -> Iterator[Connection | InvalidRecordError]:
    """Every Connection, or why it is not what was written."""
    rows = database.execute(_PAGE, {"limit": _BATCH}).all()
    while rows:
        for row in rows:
            try:
                yield connection_of(row)
            except InvalidRecordError as error:
                yield error
        # The id as it is stored, which may be no id.
        rows = database.execute(_NEXT_PAGE, {"limit": _BATCH, "last": rows[-1].id}).all()


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


def _with_events(
    database: Database, group: list[Connection]
) -> Iterator[tuple[Connection, Iterable[Row[Any]]]]:
    """The Connections of a group with the rows of their events."""
    if len(group) == 1:
        yield group[0], _history(database, group[0])
    elif group:
        which = {"first": str(group[0].id), "last": str(group[-1].id)}
        events: dict[str, list[Row[Any]]] = {}
        for row in database.execute(_EVENTS, which):
            events.setdefault(row.connection_id, []).append(row)
        for connection in group:
            yield connection, events.pop(connection.id, ())


def _history(database: Database, connection: Connection) -> Iterator[Row[Any]]:
    """The rows of the events of one Connection, read in parts."""
    which = {"id": str(connection.id), "version": connection.version, "limit": _MOST_EVENTS}
    rows = database.execute(_PART, which).all()
    while rows:
        yield from rows
        rows = database.execute(_NEXT_PART, which | {"last": rows[-1].version}).all()
