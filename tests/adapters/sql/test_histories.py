"""Reading everything: what is unreadable is named and left out, and little is held at a time."""

import json
import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from embedding import edit
from sqlalchemy import Engine, Table, literal, select, update
from sqlalchemy import column as sql_column
from sqlalchemy import table as sql_table
from sqlalchemy.event import listen, remove
from sqlalchemy.orm import Session
from support import OUR_KEY, PARTNER, T0

from connect_core import Action, Connection, InvalidRecordError
from connect_core.adapters.sql import (
    History,
    SqlConnectionStore,
    connection_events,
    connections,
    open_engine,
)
from connect_core.adapters.sql import histories as module
from connect_core.adapters.sql.rows import event_of
from connect_core.jsonapi import PlainRecord, parse_record

#: Three steps that lead to where they began.
ROUND = ((Action.ACTIVATE, PARTNER), (Action.DEACTIVATE, PARTNER), (Action.REACTIVATE, OUR_KEY))


def lived(number: int, length: int) -> History:
    """A Connection with this many events."""
    partner = PARTNER.model_copy(update={"organization_id": f"org_{number}"})
    change = Connection.create(
        by=OUR_KEY, destination=f"org_{number}", id=f"cxn_{number:04}", at=T0
    )
    events = [change.event]
    for step in range(length - 1):
        action, by = ROUND[step % 3]
        who = by if by is OUR_KEY else partner
        change = change.connection.take(action, by=who, at=T0 + timedelta(seconds=step))
        events.append(change.event)
    return History(change.connection, tuple(events))


def keep(engine: Engine, *kept: History) -> None:
    with Session(engine) as session, session.begin():
        assert SqlConnectionStore(session).add_all(kept) == []


def read(engine: Engine) -> tuple[list[History], list[str]]:
    """The histories that can be read, and the names of the other records."""
    unreadable: list[InvalidRecordError] = []
    with Session(engine) as session:
        store = SqlConnectionStore(session)
        found = list(store.everything(on_unreadable=unreadable.append))
        if unreadable:
            with pytest.raises(InvalidRecordError) as caught:
                list(store.everything())
            assert caught.value.args == unreadable[0].args
        else:
            assert list(store.everything()) == found
        assert read_plainly(store) == (found, [error.args for error in unreadable])
    return found, [error.record for error in unreadable]


def read_plainly(store: SqlConnectionStore) -> tuple[list[History], list[Any]]:
    """The same, by `plain_records`: what most lines say, and the arguments of the errors."""
    unreadable: list[InvalidRecordError] = []
    found: list[History] = []
    for each in store.plain_records(on_unreadable=unreadable.append):
        if isinstance(each, PlainRecord):
            connection, events, _ = parse_record(json.loads(each.line()))
            assert events is not None
            found.append(History(connection, events))
            continue
        try:
            found.append(History(each[0], tuple(each[1])))
        except InvalidRecordError as error:
            unreadable.append(error)
    return found, [error.args for error in unreadable]


def spoil(engine: Engine, statement: Any) -> None:
    """Change stored data without any check, without foreign keys too."""
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("COMMIT")  # within a transaction it would have no effect
            connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
            connection.exec_driver_sql("BEGIN")
        else:
            connection.exec_driver_sql(
                "ALTER TABLE connection_events DROP CONSTRAINT IF EXISTS"
                " fk_connection_events_connection"
            )
        connection.commit()
    edit(engine, statement)


def of(number: int, table: Any = connections) -> Any:
    """An update of the rows of one Connection."""
    column = table.c.id if table is connections else table.c.connection_id
    return update(table).where(column == f"cxn_{number:04}")


#: What is done to the second of three Connections, and the names that are reported.
SPOILT: dict[str, tuple[Any, list[str]]] = {
    "a row": (of(1).values(status="frozen"), ["connections cxn_0001"]),
    "a row and its events": (
        of(1).values(version=0),
        ["connections cxn_0001"],
    ),
    "an event": (
        of(1, connection_events).where(connection_events.c.version == 3).values(action="expire"),
        ["connection_events cxn_0001 version 3"],
    ),
    "the last event is missing": (
        connection_events.delete().where(
            connection_events.c.connection_id == "cxn_0001", connection_events.c.version == 4
        ),
        ["the history of cxn_0001"],
    ),
    "all events are missing": (
        connection_events.delete().where(connection_events.c.connection_id == "cxn_0001"),
        ["the history of cxn_0001"],
    ),
    "a history that leads elsewhere": (
        of(1).values(status="inactive"),
        ["the history of cxn_0001"],
    ),
    "a version that is far too high": (
        of(1).values(version=2**31 - 1),
        ["the history of cxn_0001"],
    ),
    "an id that is none": (
        of(1).values(id="nonsense"),
        ["connections nonsense", "the history of cxn_0001"],
    ),
    "an empty id": (of(1).values(id=""), ["connections ", "the history of cxn_0001"]),
    "no Connection": (
        connections.delete().where(connections.c.id == "cxn_0001"),
        ["the history of cxn_0001"],
    ),
}


class TestUnreadable:
    """Whatever is wrong with a record: it is named, and the rest is read."""

    @pytest.mark.parametrize("batch", [1, 2, 500])
    @pytest.mark.parametrize(("statement", "names"), SPOILT.values(), ids=SPOILT)
    def test_it_is_named(
        self,
        engine: Engine,
        statement: Any,
        names: list[str],
        batch: int,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(module, "_BATCH", batch)
        three = [lived(number, 4) for number in range(3)]
        keep(engine, *three)
        spoil(engine, statement)
        assert read(engine) == ([three[0], three[2]], names)

    def test_each_of_them(self, engine: Engine) -> None:
        """In the order of their ids; what belongs to no Connection comes last."""
        five = [lived(number, 4) for number in range(5)]
        keep(engine, *five)
        spoil(engine, connections.delete().where(connections.c.id == "cxn_0000"))
        spoil(engine, of(1, connection_events).values(status="frozen"))
        spoil(engine, of(2).values(scopes=[]))
        spoil(engine, of(4).values(name="Another"))
        assert read(engine) == (
            [five[3]],
            [
                "connection_events cxn_0001 version 1",
                "connections cxn_0002",
                "the history of cxn_0004",
                "the history of cxn_0000",
            ],
        )

    def test_a_reason_is_given(self, engine: Engine) -> None:
        keep(engine, lived(0, 4))
        spoil(engine, connections.delete())
        with Session(engine) as session, pytest.raises(InvalidRecordError) as caught:
            list(SqlConnectionStore(session).everything())
        assert caught.value.reason == "there is no such Connection"

    @pytest.mark.parametrize("value", [b"\xff", b"cxn_0001"])
    def test_an_id_that_is_no_text(self, tmp_path: Path, value: bytes) -> None:
        """SQLite keeps what it is given. Bytes are sorted behind all text."""
        engine = open_engine(f"sqlite:///{tmp_path / 'connections.db'}")
        three = [lived(number, 4) for number in range(3)]
        keep(engine, *three)
        table = sql_table("connections", sql_column("id"))
        spoil(engine, update(table).where(table.c.id == "cxn_0001").values(id=literal(value)))
        assert read(engine) == (
            [three[0], three[2]],
            [f"connections {value!r}", "the history of cxn_0001"],
        )
        engine.dispose()


class TestBatches:
    """Everything is read in parts, and the parts do not matter."""

    @pytest.mark.parametrize("batch", [1, 2, 3, 500])
    @pytest.mark.parametrize("events", [1, 4, 5, 9, 5000])
    def test_of_any_size(
        self, engine: Engine, batch: int, events: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "_BATCH", batch)
        monkeypatch.setattr(module, "_MOST_EVENTS", events)
        kept = [lived(number, length) for number, length in enumerate([1, 9, 4, 1, 1, 5, 2, 13])]
        keep(engine, *kept)
        assert read(engine) == (kept, [])

    def test_hold_few_events(self, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
        """No statement returns more events, although the Connections have many more."""
        monkeypatch.setattr(module, "_MOST_EVENTS", 20)
        keep(engine, *(lived(number, length) for number, length in enumerate([7, 7, 7, 90, 7, 30])))
        asked: list[tuple[str, Any]] = []

        def ask(_: object, __: object, statement: str, values: Any, *___: object) -> None:
            asked.append((statement, values))

        with Session(engine) as session:
            listen(engine, "before_cursor_execute", ask)
            found = list(SqlConnectionStore(session).everything())
            remove(engine, "before_cursor_execute", ask)
            assert [len(history.events) for history in found] == [7, 7, 7, 90, 7, 30]
            events = [each for each in asked if "occurred_at" in each[0]]
            sizes = [
                len(session.connection().exec_driver_sql(statement, values).all())
                for statement, values in events
            ]
        assert sum(sizes) == 148
        assert max(sizes) == 20

    def test_hold_no_more_than_a_version_says(self, engine: Engine) -> None:
        """Events of later versions are not read at all, however many there are."""
        keep(engine, lived(0, 4), lived(1, 1), lived(2, 4))
        copies = [
            {**row, "connection_id": "cxn_0001", "version": row["version"] + 1}
            for row in map(dict, self.rows(engine, "cxn_0002"))
        ]
        for row in copies:
            row |= {"action": "deactivate", "previous_status": "pending", "terms": None}
            edit(engine, connection_events.insert().values(row | {"status": "frozen"}))
        found, unreadable = read(engine)
        assert [len(history.events) for history in found] == [4, 1, 4]
        assert unreadable == []

    def rows(self, engine: Engine, connection_id: str) -> list[Any]:
        chosen = select(connection_events).where(connection_events.c.connection_id == connection_id)
        with engine.connect() as connection:
            return list(connection.execute(chosen).mappings())

    def test_need_few_parameters(self, tmp_path: Path) -> None:
        """Older versions of SQLite take at most 999."""
        engine = open_engine(f"sqlite:///{tmp_path / 'connections.db'}")
        kept = [lived(number, 1) for number in range(1001)]
        keep(engine, *kept)

        def limited(connection: sqlite3.Connection, _: object) -> None:
            connection.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 999)

        engine.dispose()
        listen(engine, "connect", limited)
        assert read(engine) == (kept, [])
        engine.dispose()


class TestStream:
    """`stream` reads the events as they are taken."""

    def test_reads_them_when_they_are_taken(
        self, engine: Engine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "_MOST_EVENTS", 10)
        read_rows: list[object] = []

        def counted(row: Any, table: Table) -> Any:
            read_rows.append(row)
            return event_of(row, table)

        monkeypatch.setattr(module, "event_of", counted)
        (kept,) = [lived(0, 50)]
        keep(engine, kept)
        with Session(engine) as session:
            ((connection, events),) = SqlConnectionStore(session).stream()
            assert (connection, read_rows) == (kept.connection, [])
            assert next(events) == kept.events[0]
            assert len(read_rows) == 1
            assert tuple(events) == kept.events[1:]

    def test_says_at_the_end_that_they_lead_elsewhere(self, engine: Engine) -> None:
        kept = lived(0, 4)
        keep(engine, kept)
        spoil(engine, of(0).values(name="Another"))
        with Session(engine) as session:
            ((_, events),) = SqlConnectionStore(session).stream()
            taken = taking(events)
            with pytest.raises(InvalidRecordError) as caught:
                taken.extend(events)
        assert tuple(taken) == kept.events
        assert caught.value.reason == "it leads to another name than is stored"

    def test_raises_what_nobody_wants_to_be_called_with(self, engine: Engine) -> None:
        keep(engine, lived(0, 4))
        spoil(engine, of(0).values(status="frozen"))
        with Session(engine) as session, pytest.raises(InvalidRecordError, match="cxn_0000"):
            list(SqlConnectionStore(session).stream())


def taking(events: Iterator[Any]) -> list[Any]:
    """The first four."""
    return [next(events) for _ in range(4)]


def test_more_events_are_added(engine: Engine) -> None:
    """What `add_all` began, `add_events` continues."""
    kept = lived(0, 10)
    with Session(engine) as session, session.begin():
        store = SqlConnectionStore(session)
        assert store.add_all([History(kept.connection, kept.events[:3])]) == []
        store.add_events(kept.events[3:7])
        store.add_events(kept.events[7:])
    assert read(engine) == ([kept], [])
