"""Adding many Connections with their histories in a few statements, all of them or none.

There is no savepoint. On PostgreSQL an error ends the transaction, and what is taken is found by
the insert itself. On other databases it is looked up first, and if a statement fails after others
have succeeded, what these added is deleted again.

This module checks nothing: what it adds has been checked.
"""

import json
from collections.abc import Generator, Iterable, Iterator, Sequence, Set
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple
from typing import cast as cast_to

from sqlalchemy import (
    ARRAY,
    BindParameter,
    ColumnElement,
    Delete,
    Insert,
    Integer,
    Select,
    Table,
    Text,
    bindparam,
    cast,
    column,
    delete,
    func,
    insert,
    literal_column,
    select,
    text,
    tuple_,
)
from sqlalchemy import Connection as Database
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.types import TypeEngine

from connect_core.adapters.sql.availability import goes_on
from connect_core.adapters.sql.tables import Tables
from connect_core.adapters.sql.types import MYSQL_FAMILY, JsonValue, UtcTime
from connect_core.history import as_timestamp, format_timestamp

#: A row of one of the tables: its values in the order of the columns.
Row = tuple[Any, ...]

#: How many ids or pairs one query looks up: SQLite before 3.32 takes at most 999 parameters.
_LOOKED_UP: Final = 400


class Rows(NamedTuple):
    """A Connection with its events, or with the first of them, as rows of the tables."""

    connection: Row
    events: Sequence[Row]


class Bulk:
    """Adds Connections with their histories to one set of tables."""

    def __init__(self, tables: Tables) -> None:
        connections, events = tables.connections, tables.connection_events
        id_, pair = connections.c.id, _pair_of(connections)
        keys = select(id_, *pair)
        wanted: BindParameter[Any] = bindparam("wanted", expanding=True)
        self._with_ids = keys.where(id_.in_(wanted))
        self._with_pairs = keys.where(tuple_(*pair).in_(wanted))
        # SQLite uses an index only if the pairs are a table: for a plain list it reads every row.
        listed = text("SELECT * FROM :wanted").bindparams(wanted)
        as_table = listed.columns(column("source", Text), column("destination", Text))
        self._with_pairs_on_sqlite = keys.where(tuple_(*pair).in_(as_table))
        self._add, self._add_events = insert(connections), insert(events)
        self._delete = delete(connections).where(id_ == bindparam("the_id"))
        self._events_there = select(events.c.connection_id, events.c.version).where(
            events.c.connection_id.in_(wanted)
        )
        self._delete_event = delete(events).where(
            events.c.connection_id == bindparam("the_id"),
            events.c.version == bindparam("the_version"),
        )
        self._on_postgresql = (
            _of_arrays(connections).on_conflict_do_nothing().returning(id_, *pair),
            _of_arrays(events),
        )
        self._on_mysql = (_of_json(connections), _of_json(events))
        self._tables = connections, events

    def add(self, database: Database, found: Sequence[Rows]) -> list[int]:
        """Add all of them but those whose id, or ordered pair, is taken.

        Args:
            database: a transaction.
            found: the rows. An earlier one takes its id and its pair, if it is added.

        Returns:
            The indices of those that were left out.

        Raises:
            sqlalchemy.exc.DBAPIError: the database refuses a row. None of them was added.
        """
        if not found:
            return []
        if database.dialect.name == "postgresql":
            return self._add_on_postgresql(database, found)
        left_out = _left_out(found, self._taken(database, found))
        rest = _without(found, left_out)
        if rest and database.dialect.name in MYSQL_FAMILY:
            self._add_on_mysql(database, rest)
        elif rest:
            with self._all_or_none(database, rest):
                connections, connection_events = self._tables
                added = [_named(connections, each.connection) for each in rest]
                database.execute(self._add, added)
                events = [_named(connection_events, each) for each in _events_of(rest)]
                database.execute(self._add_events, events)
        return left_out

    def _add_on_postgresql(self, database: Database, found: Sequence[Rows]) -> list[int]:
        """The same in two statements, of which the first leaves out what is taken.

        It also leaves out what another transaction has taken in the meantime, and what violates a
        unique constraint of the host's. The latter is added once more, to be refused.
        """
        add, add_events = self._on_postgresql
        connections, connection_events = self._tables
        rows = [each.connection for each in found]
        added = {tuple(row) for row in database.execute(add, _arrays(connections, rows))}
        left_out: list[int] = []
        if len(added) < len(found):
            for place, each in enumerate(found):
                keys = _keys_of(each)
                if keys in added:
                    added.remove(keys)
                else:
                    left_out.append(place)
            taken = self._taken(database, [found[place] for place in left_out])
            refused = [place for place in left_out if not taken & _claims_of(found[place])]
            for place in refused:
                database.execute(self._add, _named(connections, found[place].connection))
                left_out.remove(place)
        rest = _without(found, left_out)
        if rest:
            database.execute(add_events, _arrays(connection_events, _events_of(rest)))
        return left_out

    def _add_on_mysql(self, database: Database, rest: Sequence[Rows]) -> None:
        """Add all of them by statements of many rows, each of which adds all of its rows or none.

        What other statements added is known exactly: since they were looked up, another transaction
        may have committed a Connection with one of the ids.
        """
        add, add_events = self._on_mysql
        connections, connection_events = self._tables
        events = _events_of(rest)
        done: list[tuple[Delete, list[dict[str, object]]]] = []
        try:
            for rows in _portions([each.connection for each in rest]):
                database.execute(add, {"rows": _in_json(connections, rows)})
                done.append((self._delete, [{"the_id": row[0]} for row in rows]))
            for rows in _portions(events):
                database.execute(add_events, {"rows": _in_json(connection_events, rows)})
                keys = [{"the_id": row[0], "the_version": row[1]} for row in rows]
                done.append((self._delete_event, keys))
        except Exception as error:
            if goes_on(database, error):
                for statement, keys in reversed(done):
                    database.execute(statement, keys)
            raise

    def _taken(self, database: Database, found: Sequence[Rows]) -> set[object]:
        """The ids and the pairs of stored Connections that have an id or a pair of these.

        Each query reads an index.
        """
        on_sqlite = database.dialect.name == "sqlite"
        with_pairs = self._with_pairs_on_sqlite if on_sqlite else self._with_pairs
        taken: set[object] = set()
        for start in range(0, len(found), _LOOKED_UP):
            keys = [_keys_of(each) for each in found[start : start + _LOOKED_UP]]
            ids, pairs = [key[0] for key in keys], [key[1:] for key in keys]
            for query, wanted in ((self._with_ids, ids), (with_pairs, pairs)):
                for id_, *pair in database.execute(query, {"wanted": wanted}):
                    taken |= {id_, tuple(pair)}
        return taken

    @contextmanager
    def _all_or_none(self, database: Database, added: Sequence[Rows]) -> Generator[None]:
        """Delete what was added if a statement fails, unless the transaction has ended with it.

        None of the Connections exists before, and nobody else writes: this is for SQLite. Events of
        theirs may exist, and stay.
        """
        ids = [each.connection[0] for each in added]
        before = self._keys_there(database, self._events_there, ids)
        try:
            yield
        except Exception as error:
            if goes_on(database, error):
                events = {event[:2] for event in _events_of(added)}
                # What is there by exactly this key: a column may find others the same.
                events &= self._keys_there(database, self._events_there, ids) - before
                for id_, version in events:
                    database.execute(self._delete_event, {"the_id": id_, "the_version": version})
                there = self._keys_there(database, self._with_ids, ids)
                for id_ in {key[0] for key in there}.intersection(ids):
                    database.execute(self._delete, {"the_id": id_})
            raise

    def _keys_there(self, database: Database, query: Any, ids: Sequence[str]) -> set[Any]:
        """The keys of the rows of these Connections."""
        keys: set[Any] = set()
        for start in range(0, len(ids), _LOOKED_UP):
            wanted = {"wanted": ids[start : start + _LOOKED_UP]}
            keys.update(tuple(row) for row in database.execute(query, wanted))
        return keys


# --- Which are taken -----------------------------------------------------------------------------


def _pair_of(connections: Table) -> tuple[ColumnElement[str], ColumnElement[str]]:
    return connections.c.source_organization_id, connections.c.destination_organization_id


def _keys_of(rows: Rows) -> tuple[str, str, str]:
    """The id, the source and the destination."""
    id_, source, destination = rows.connection[:3]
    return id_, source, destination


def _claims_of(rows: Rows) -> set[object]:
    """What no other Connection may have: the id and the ordered pair."""
    id_, *pair = _keys_of(rows)
    return {id_, tuple(pair)}


def _left_out(found: Sequence[Rows], taken: Set[object]) -> list[int]:
    """The indices of those whose id or pair is taken, also by an earlier one."""
    claimed = set(taken)
    left_out: list[int] = []
    for place, each in enumerate(found):
        claims = _claims_of(each)
        if claims & claimed:
            left_out.append(place)
        else:
            claimed |= claims
    return left_out


def _without(found: Sequence[Rows], left_out: Sequence[int]) -> Sequence[Rows]:
    if not left_out:
        return found
    places = set(left_out)
    return [each for place, each in enumerate(found) if place not in places]


def _events_of(found: Iterable[Rows]) -> list[Row]:
    return [event for each in found for event in each.events]


def _named(table: Table, row: Row) -> dict[str, Any]:
    """The values of a row by the names of the columns."""
    return dict(zip(table.c.keys(), row, strict=True))


# --- Many rows as few parameters -----------------------------------------------------------------


def _element_type(type_: TypeEngine[Any]) -> TypeEngine[Any]:
    """The type of PostgreSQL as which the values of a column are sent."""
    if isinstance(type_, UtcTime):
        return TIMESTAMP(timezone=True)
    if isinstance(type_, JsonValue):
        return JSONB()
    return Integer() if isinstance(type_, Integer) else Text()


def _of_arrays(table: Table) -> Any:
    """An INSERT whose only parameters are arrays, one for each column.

    It takes PostgreSQL half as long as one that has a parameter for each value.
    """
    arrays = [
        cast(bindparam(each.key, type_=Text()), ARRAY(_element_type(each.type))) for each in table.c
    ]
    names = table.c.keys()
    rows = (
        func.unnest(*arrays)
        .table_valued(*(column(name, Text()) for name in names))
        .render_derived()
    )
    return postgresql_insert(table).from_select(names, select(*rows.c))


def _arrays(table: Table, rows: Iterable[Row]) -> dict[str, str]:
    """The columns of rows, each as the text of an array."""
    columns = zip(*rows, strict=True)
    return {name: _array(values) for name, values in zip(table.c.keys(), columns, strict=True)}


#: What stands in no text that PostgreSQL can store.
_NUL: Final = "\0"


def _array(values: Sequence[Any]) -> str:
    """The text of an array; texts alone are escaped together, in much less time."""
    try:
        joined = _NUL.join(values)
    except TypeError:
        return "{" + ",".join(map(_element, values)) + "}"
    if joined.count(_NUL) != len(values) - 1:
        raise ValueError("a text cannot hold the character U+0000")
    return "{" + _quoted(joined).replace(_NUL, '","') + "}"


def _element(value: object) -> str:
    """A value of a row in the text of an array."""
    if isinstance(value, str):
        return _quoted(value)
    if value is None:
        return "NULL"
    if isinstance(value, datetime):
        return _quoted(format_timestamp(as_timestamp(value)))
    if isinstance(value, list | tuple):  # of scopes or of roles
        return _quoted_json(tuple(cast_to("Sequence[str]", value)))
    return str(value) if isinstance(value, int) else _quoted(json.dumps(value))


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


@lru_cache(maxsize=1024)
def _quoted_json(texts: tuple[str, ...]) -> str:
    """A list as JSON, cached because many rows have the same scopes and roles."""
    return _quoted(json.dumps(texts))


# --- Many rows as JSON ---------------------------------------------------------------------------

#: About how many characters one statement of MySQL's family has. A server takes 16 MiB by default.
PORTION: Final = 1_000_000


def _of_json(table: Table) -> Insert:
    """An INSERT whose only parameter is a list of rows, in JSON."""
    names = table.c.keys()
    columns = ", ".join(
        f"`{each.key}` {'BIGINT' if isinstance(each.type, Integer) else 'LONGTEXT'}"
        f" PATH '$.{each.key}'"
        for each in table.c
    )
    given = text(f"JSON_TABLE(:rows, '$[*]' COLUMNS ({columns})) AS given")
    values: list[ColumnElement[Any]] = [literal_column(f"given.`{name}`") for name in names]
    rows: Select[Any] = select(*values).select_from(given)
    return insert(table).from_select(names, rows)


def _portions(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """The rows, as many at a time as one statement takes."""
    start = size = 0
    for place, row in enumerate(rows):
        size += sum(len(str(value)) for value in row)
        if size > PORTION:
            yield rows[start : place + 1]
            start, size = place + 1, 0
    if start < len(rows):
        yield rows[start:]


def _in_json(table: Table, rows: Sequence[Row]) -> str:
    """Rows as JSON: their times as MySQL's family writes them, and their JSON as text."""
    columns = [(each.key, each.type) for each in table.c]
    plain = [
        {name: _plain(type_, value) for (name, type_), value in zip(columns, row, strict=True)}
        for row in rows
    ]
    return json.dumps(plain, ensure_ascii=False)


def _plain(type_: TypeEngine[Any], value: Any) -> object:
    if value is None:
        return None
    if isinstance(type_, UtcTime):
        return as_timestamp(value).replace(tzinfo=None).isoformat(" ", "milliseconds")
    return json.dumps(value) if isinstance(type_, JsonValue) else value
