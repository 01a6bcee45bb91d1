"""Reading every Connection with its events, in little memory.

It does not matter how many Connections there are, or how long their histories are: the Connections
are read a page at a time, and so are their events. No statement has more than four parameters,
because some databases limit their number.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any, Final, TypeAlias, cast

from sqlalchemy import Connection as Database
from sqlalchemy import Row, Select, bindparam, exists, select

from connect_core.adapters.sql.rows import connection_of, event_of
from connect_core.adapters.sql.tables import Tables
from connect_core.adapters.sql.types import as_stored
from connect_core.connection import Connection
from connect_core.errors import InvalidRecordError
from connect_core.history import ConnectionEvent
from connect_core.jsonapi import PlainRecord, plain_record
from connect_core.store import verified_events

#: What is called for each record that is not what was written.
OnUnreadable = Callable[[InvalidRecordError], None]
#: A Connection, and its events as they are read.
Streamed = tuple[Connection, Iterator[ConnectionEvent]]

#: Rows of Connections as the driver returns them, and those of their events by the id.
_Group: TypeAlias = tuple[list[tuple[Any, ...]], dict[Any, list[tuple[Any, ...]]]]

#: How many Connections are read at a time.
_BATCH: Final = 500
#: How many events are read at a time: of some Connections, or of a part of a longer history.
_MOST_EVENTS: Final = 5000
#: How many events a Connection has at most whose line is held.
_MOST_PLAIN: Final = 1000


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
        self._report_unknown(database, on_unreadable)

    def plain_records(
        self, database: Database, on_unreadable: OnUnreadable
    ) -> Iterator[PlainRecord | Streamed]:
        """The same as `stream`, in which most Connections are checked without models.

        The other ones, and those with very many events, are as `stream` has them.
        """
        for rows, events in self._groups_of(database):
            for row in rows:
                found = events.pop(row[0], [])
                plain = plain_row(row, found)
                if plain is not None:
                    yield plain
                    continue
                try:
                    connection = connection_of(self._typed(database, row), self._connections)
                except InvalidRecordError as error:
                    on_unreadable(error)
                    continue
                typed: Iterable[Any] = (self._typed_event(database, each) for each in found)
                if _is_long(row):
                    typed = self._history(database, connection)
                yield connection, verified_events(connection, self._events_of(typed))
        self._report_unknown(database, on_unreadable)

    def _groups_of(self, database: Database) -> Iterator[_Group]:
        """The rows of every Connection, in groups, with those of their events.

        PostgreSQL reads a group while the one before is being checked. A long history is a group of
        its own, and nothing is read ahead of it: its events are read when they are due.
        """
        found = _raw_groups(self._raw(database))
        groups = ((rows, self._raw_events(database, rows)) for rows in found)
        if database.dialect.name != "postgresql" or database.dialect.is_async:
            yield from groups
            return
        with ThreadPoolExecutor(1) as pool:
            group = next(groups, None)
            while group is not None:
                if _is_long(group[0][0]):
                    yield group
                    group = next(groups, None)
                else:
                    following = pool.submit(next, groups, None)
                    yield group
                    group = following.result()

    def _report_unknown(self, database: Database, on_unreadable: OnUnreadable) -> None:
        for (connection_id,) in database.execute(self._unknown):
            record = f"the history of {connection_id}"
            on_unreadable(InvalidRecordError(record, "there is no such Connection"))

    def _raw(self, database: Database) -> Iterator[tuple[Any, ...]]:
        """The rows of every Connection, as the driver returns them."""
        rows = _fetched(database, self._page, {"limit": _BATCH})
        while rows:
            yield from rows
            rows = _fetched(database, self._next_page, {"limit": _BATCH, "last": rows[-1][0]})

    def _raw_events(
        self, database: Database, rows: list[tuple[Any, ...]]
    ) -> dict[Any, list[tuple[Any, ...]]]:
        """The rows of their events by the id, likewise; none of a long history."""
        events: dict[Any, list[tuple[Any, ...]]] = {}
        if not _is_long(rows[0]):
            which = {"first": rows[0][0], "last": rows[-1][0]}
            for row in _fetched(database, self._events, which):
                events.setdefault(row[0], []).append(row)
        return events

    def _typed(self, database: Database, row: tuple[Any, ...]) -> tuple[Any, ...]:
        """A row of `connections` as SQLAlchemy returns it."""
        return _processed(database, self._page, row)

    def _typed_event(self, database: Database, row: tuple[Any, ...]) -> tuple[Any, ...]:
        """A row of `connection_events` as SQLAlchemy returns it."""
        return _processed(database, self._events, row)

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

    def _events_of(self, rows: Iterable[Row[Any] | tuple[Any, ...]]) -> Iterator[ConnectionEvent]:
        return (event_of(row, self._connection_events) for row in rows)


# --- Rows as the driver returns them -------------------------------------------------------------


def _fetched(
    database: Database, statement: Select[Any], which: dict[str, Any]
) -> list[tuple[Any, ...]]:
    """The rows, without the types' own processing, which takes longer than reading them."""
    result: Any = database.execute(statement, which)  # of which `cursor` may be None
    try:
        return list(result.cursor.fetchall())
    finally:
        result.close()


def _processed(database: Database, statement: Select[Any], row: tuple[Any, ...]) -> tuple[Any, ...]:
    """The same row with the types' own processing."""
    processors = [
        each.type.result_processor(database.dialect, None) for each in statement.selected_columns
    ]
    return tuple(
        value if processor is None else processor(value)
        for processor, value in zip(processors, row, strict=True)
    )


def _is_long(row: tuple[Any, ...]) -> bool:
    """Whether a history is too long to be held; also if the version is no number."""
    version = row[-1]
    return type(version) is not int or version > min(_MOST_PLAIN, _MOST_EVENTS)


def _raw_groups(found: Iterable[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    """Neighbours that have no more than `_MOST_EVENTS` together, or one that is long."""
    group: list[tuple[Any, ...]] = []
    events = 0
    for row in found:
        if group and (_is_long(group[0]) or _is_long(row) or events + row[-1] > _MOST_EVENTS):
            yield group
            group, events = [], 0
        group.append(row)
        events += 0 if _is_long(row) else row[-1]
    if group:
        yield group


def plain_row(row: tuple[Any, ...], events: Sequence[tuple[Any, ...]]) -> PlainRecord | None:
    """The record in the rows of a Connection and its events, if it is certainly valid."""
    steps = [(event[2], event[5], event[6], event[8]) for event in events]
    id_, source, destination, name, _, scopes, *_ = row
    found = plain_record(id_, source, destination, name, _list_in(scopes), steps)
    if found is None or type(row[9]) is not int:
        return None
    if row[4] != found.connection[4] or row[6:] != found.connection[6:]:
        return None
    for event, due in zip(events, found.events, strict=True):
        if not (
            event[:7] == due[:7]
            and type(event[1]) is int
            and _list_in(event[7]) == due[7]
            and _are_terms(event[9], due[9])
        ):
            return None
    return found


def _list_in(text: object) -> tuple[str, ...] | None:
    """The texts in a list in JSON; None if it is written in another way than we do."""
    return _listed(text) if isinstance(text, str) else None


@lru_cache(maxsize=1024)
def _listed(text: str) -> tuple[str, ...] | None:
    values = decoded(text)
    if not isinstance(values, list) or json.dumps(values) != text:
        return None
    return tuple(cast("list[str]", values))  # whether they are texts is checked with the scopes


def decoded(text: str) -> Any:
    """The JSON value in a text; None if there is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _are_terms(text: object, due: Mapping[str, Any] | None) -> bool:
    """Whether these terms are stored."""
    if due is None or not isinstance(text, str):
        return text is due
    scopes = due["scopes"]
    written = (  # as PostgreSQL has them, most often
        f'{{"name": {_ENCODE(due["name"])}, "scopes": {_written(scopes)}, "source_organization_id":'
        f' "{due["source_organization_id"]}", "destination_organization_id":'
        f' "{due["destination_organization_id"]}"}}'
    )
    return text == written or bool(decoded(text) == {**due, "scopes": list(scopes)})


_ENCODE: Final = json.JSONEncoder(ensure_ascii=False).encode
_written: Final = lru_cache(maxsize=1024)(_ENCODE)


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
