"""`import` and `export`: files, progress, and others who work on the same database."""

import json
import os
import sqlite3
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from databases import database
from exports import THREE, Place, line, lived, loaded, resource, seen, session_on
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine, text
from support import OUR_KEY, PARTNER, T0, histories
from terminal import (
    complaint,
    on_a_terminal,
    outcome,
    piped,
    run,
    run_json,
    squeezed,
    with_a_terminal,
)

from connect_core import (
    Connection,
    ConnectionEvent,
    ConnectionService,
    Status,
    connection_document,
    list_document,
)
from connect_core.adapters.cli import loading, reading
from connect_core.adapters.sql import History, SqlConnectionStore, open_engine
from connect_core.adapters.sql import histories as sql_histories
from connect_core.adapters.sql.bulk import Bulk, Rows
from connect_core.adapters.sql.histories import Streamed
from connect_core.jsonapi import PlainRecord, parse_record, record_document


class TestRoundTrip:
    """Exporting and importing keeps every Connection and every event."""

    def test_lines(self, any_place: Place) -> None:
        any_place.add(*THREE)
        written = any_place.run("export")
        assert written == "".join(map(line, THREE))
        other = Place.on(f"sqlite:///{any_place.directory / 'other.db'}", any_place.directory)
        assert other.run("import", other.file(written)) == "3 Connections imported.\n"
        assert seen(other.kept()) == seen(any_place.kept()) == THREE

    def test_into_any_database(self, any_place: Place) -> None:
        file = any_place.file("".join(map(line, THREE)))
        assert any_place.run("import", file) == "3 Connections imported.\n"
        assert seen(any_place.kept()) == THREE

    def test_postgresql_gathers_statistics(self, tmp_path: Path) -> None:
        """On all rows that were added. If that fails, nobody is told: the import has succeeded."""
        with database("postgresql", tmp_path) as url:
            place = Place.on(url.render_as_string(hide_password=False), tmp_path)
            place.run("import", place.file("".join(map(line, THREE))))
            engine = create_engine(url)
            query = text("SELECT reltuples FROM pg_class WHERE oid = CAST(:name AS regclass)")
            with engine.begin() as connection:
                events = sum(len(each.events) for each in THREE)
                for name, rows in (("connections", len(THREE)), ("connection_events", events)):
                    assert connection.scalar(query, {"name": name}) == rows
                connection.exec_driver_sql("DROP TABLE connection_events")
            loading.analyze(engine)
            engine.dispose()

    def test_a_list(self, any_place: Place) -> None:
        """A list document has the state of Connections, without their histories."""
        any_place.add(*THREE)
        written = any_place.run("export", "--format", "list")
        assert json.loads(written) == list_document(history.connection for history in THREE)
        other = Place.on(f"sqlite:///{any_place.directory / 'other.db'}", any_place.directory)
        assert other.run("import", other.file(written)) == "3 Connections imported.\n"
        assert other.run("export", "--format", "list") == written
        assert [connection.version for connection, _ in other.kept()] == [3, 3, 3]

    @pytest.mark.parametrize("format", ["jsonl", "list"])
    def test_of_long_histories(
        self, any_place: Place, monkeypatch: pytest.MonkeyPatch, format: str
    ) -> None:
        """They are read and checked in parts, and written as all others are."""
        any_place.add(*THREE)
        written = any_place.run("export", "--format", format)
        monkeypatch.setattr(sql_histories, "_MOST_PLAIN", 1)
        assert any_place.run("export", "--format", format) == written

    @pytest.mark.parametrize("number", [0, 1, 2])
    def test_a_list_is_a_line_for_each(self, place: Place, number: int) -> None:
        place.add(*THREE[:number])
        written = place.run("export", "--format", "list")
        assert written.isascii()
        first, *lines, last = written.splitlines()
        assert first == '{"data": ['
        assert last == '], "links": {"prev": null, "next": null}}'
        assert [json.loads(each.rstrip(",")) for each in lines if each] == list(
            map(resource, THREE[:number])
        )

    def test_nothing(self, place: Place) -> None:
        assert place.run("export") == ""
        assert place.run("import", place.file("")) == "0 Connections imported.\n"

    @given(history=histories())
    def test_any_history(self, history: tuple[Connection, tuple[ConnectionEvent, ...]]) -> None:
        """Reading the record that is written of a Connection gives that Connection and its events.

        Through the whole import, on a database in memory.
        """
        connection, events = history
        text = json.dumps(record_document(connection, events)).encode()
        assert loaded(text) == [History(connection, tuple(events))]

    @given(history=histories(max_steps=4), output=st.booleans())
    def test_either_way_of_reading(
        self, history: tuple[Connection, tuple[ConnectionEvent, ...]], output: bool
    ) -> None:
        """Our own records are read in a faster way, with the same result.

        The type is one that is read, and never written.
        """
        connection, events = history
        document: Any = (
            record_document(connection, events) if output else connection_document(connection)
        )
        shorter = loaded(json.dumps(document).encode())
        document["data"]["type"] = "connect/connection"
        assert loaded(json.dumps(document).encode()) == shorter

    @given(history=histories(max_steps=4))
    def test_what_is_written_is_what_pydantic_writes(
        self, history: tuple[Connection, tuple[ConnectionEvent, ...]]
    ) -> None:
        connection, events = history
        document = record_document(connection, events)
        assert document == {
            **connection_document(connection),
            "meta": {"history": [event.model_dump(mode="json") for event in events]},
        }
        record = parse_record(document)
        assert record == (connection, tuple(events), "/data")


class TestUsage:
    """A file that cannot be read or written is wrong usage, and changes nothing."""

    def test_a_file_that_is_not_there(self, place: Place) -> None:
        output = complaint("import", str(place.directory / "none"), "--database", place.url)
        assert "No such file or directory" in output

    def test_a_format_that_is_not_there(self, place: Place) -> None:
        output = complaint("export", "--format", "xml", "--database", place.url)
        assert "'xml' is not one of jsonl, list." in output

    def test_a_database_that_cannot_be_opened(self, place: Place) -> None:
        for arguments in (["export"], ["import", place.file("")]):
            output = complaint(*arguments, "--database", str(place.directory))
            assert "unable to open database file" in output

    @pytest.mark.parametrize("name", ["none/file", "."])
    def test_a_place_that_cannot_be_written_to(self, place: Place, name: str) -> None:
        place.add(THREE[0])
        output = complaint("export", str(place.directory / name), "--database", place.url)
        assert f"{name}'" in output or "Is a directory" in output


class TestExportedFiles:
    """An export replaces the file of that name only when it is complete."""

    def test_a_new_one(self, place: Place) -> None:
        place.add(*THREE)
        target = place.directory / "out.jsonl"
        assert place.run("export", str(target)) == ""
        assert target.read_bytes() == "".join(map(line, THREE)).encode()
        assert sorted(each.name for each in place.directory.iterdir()) == [
            "connections.db",
            "out.jsonl",
        ]

    def test_one_that_is_replaced(self, place: Place) -> None:
        place.add(*THREE)
        target = Path(place.file(line(THREE[0]), "out.jsonl"))
        assert place.run("export", str(target)) == ""
        assert target.read_text() == place.run("export")

    def test_who_may_read_it_stays_the_same(self, place: Place) -> None:
        target = Path(place.file("", "out.jsonl"))
        target.chmod(0o600)
        place.run("export", str(target))
        assert target.stat().st_mode & 0o777 == 0o600

    def test_one_that_a_link_leads_to(self, place: Place) -> None:
        place.add(*THREE)
        target = Path(place.file("", "out.jsonl"))
        link = place.directory / "link"
        link.symlink_to(target)
        place.run("export", str(link))
        assert link.is_symlink()
        assert target.read_text() == place.run("export")

    def test_one_that_fails(self, place: Place) -> None:
        place.add(*THREE)
        target = Path(place.file("before", "out.jsonl"))
        with closing(sqlite3.connect(place.directory / "connections.db")) as file, file:
            file.execute("UPDATE connections SET status = 'active' WHERE id = 'cxn_00002'")
        code, written, complained = outcome("export", str(target), "--database", place.url)
        assert (code, written) == (1, "")
        assert "the history of cxn_00002" in complained
        assert target.read_text() == "before"
        assert sorted(each.name for each in place.directory.iterdir()) == [
            "connections.db",
            "out.jsonl",
        ]

    def test_a_device(self, place: Place) -> None:
        place.add(*THREE)
        assert place.run("export", os.devnull) == ""
        assert not Path(os.devnull).is_file()

    def test_a_pipe(self, place: Place) -> None:
        place.add(*THREE)
        pipe = place.directory / "pipe"
        os.mkfifo(pipe)
        with ThreadPoolExecutor() as pool:
            read = pool.submit(pipe.read_text)
            assert place.run("export", str(pipe)) == ""
            assert read.result() == place.run("export")
        assert pipe.is_fifo()

    def test_one_state(self, any_place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
        """An export does not contain what is committed while it runs."""
        any_place.add(*THREE[:2])
        monkeypatch.setattr("connect_core.adapters.sql.histories._BATCH", 1)
        plain_records = SqlConnectionStore.plain_records

        def interrupted(
            self: SqlConnectionStore, **options: Any
        ) -> Iterator[PlainRecord | Streamed]:
            found = plain_records(self, **options)
            yield next(found)
            any_place.add(THREE[2])
            yield from found

        monkeypatch.setattr(SqlConnectionStore, "plain_records", interrupted)
        assert any_place.run("export") == "".join(map(line, THREE[:2]))


def renamed(history: History, **ids: str) -> str:
    """A line of an export in which ids are replaced: its Connection's, or an organization's."""
    text = line(history)
    for old, new in ids.items():
        text = text.replace(f'"{old}"', f'"{new}"')
    return text


class TestSkipExisting:
    """With `--skip-existing` an import can be repeated: what is there stays as it is.

    A record is skipped if the Connection with its id is there, and has its ordered pair. If only
    one of the two is taken, it is another Connection, and the record is a bad one.
    """

    @pytest.fixture(params=["held", "long"])
    def two(
        self, any_place: Place, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
    ) -> Place:
        """A database that has the first two of three Connections.

        The records are held as a whole, or are read in parts.
        """
        if request.param == "long":
            monkeypatch.setattr(reading, "_LONG", 0)
        any_place.add(*THREE[:2])
        return any_place

    def test_again(self, two: Place) -> None:
        file = two.file("".join(map(line, THREE)))
        assert two.run("import", file, "--skip-existing") == (
            "1 Connection imported, 2 skipped because they exist.\n"
        )
        assert seen(two.kept()) == THREE
        assert two.run("import", file, "--skip-existing") == (
            "0 Connections imported, 3 skipped because they exist.\n"
        )
        assert seen(two.kept()) == THREE

    def test_one(self, two: Place) -> None:
        file = two.file(line(THREE[0]) + line(THREE[2]))
        assert two.run("import", file, "--skip-existing") == (
            "1 Connection imported, 1 skipped because it exists.\n"
        )

    def test_none(self, two: Place) -> None:
        file = two.file(line(THREE[2]))
        assert two.run("import", file, "--skip-existing") == "1 Connection imported.\n"

    def test_without_it(self, two: Place) -> None:
        file = two.file("".join(map(line, THREE)))
        assert two.refused("import", file).startswith(
            "line 1, /data/id: the id cxn_00000 is taken line 2, /data/id: the id cxn_00001 is "
        )

    def test_another_state_is_not_taken_over(self, two: Place) -> None:
        """Neither a newer one, nor an older one, nor another name."""
        first = json.loads(line(THREE[0]))
        older = {"data": first["data"], "meta": {"history": first["meta"]["history"][:1]}}
        older["data"]["attributes"]["updated-at"] = older["data"]["attributes"]["created-at"]
        other: Any = json.loads(line(THREE[1]))
        other["data"]["attributes"]["name"] = "Another"
        other["meta"]["history"][0]["terms"]["name"] = "Another"
        file = two.file(f"{json.dumps(older)}\n{json.dumps(other)}\n")
        assert two.run("import", file, "--skip-existing") == (
            "0 Connections imported, 2 skipped because they exist.\n"
        )
        assert seen(two.kept()) == THREE[:2]

    def test_another_connection_with_the_id_or_the_pair(self, two: Place) -> None:
        other_pair = renamed(THREE[0], org_0="org_other")
        other_id = renamed(THREE[1], cxn_00001="cxn_other")
        file = two.file(other_pair + other_id + line(THREE[2]) + line(THREE[0]))
        complained = (
            "line 1, /data/id: the id cxn_00000 is taken "
            "line 2, /data/id: the ordered pair org_ABC123 -> org_1 is taken by cxn_00001 "
        )
        assert two.refused("import", file, "--skip-existing") == (
            f"{complained}Nothing was imported: 2 bad records. "
            "Fix the file, or import the rest with --skip-invalid."
        )
        output = outcome("import", file, "--skip-existing", "--skip-invalid", "--database", two.url)
        assert output[:2] == (0, "1 Connection imported, 1 skipped because it exists.\n")
        assert squeezed(output[2]) == f"{complained}2 records skipped."
        assert seen(two.kept()) == THREE

    def test_twice_in_the_file(self, two: Place) -> None:
        """It was not there before, so the file is wrong; one that was there is skipped twice."""
        file = two.file(line(THREE[2]) + line(THREE[0]) + line(THREE[0]) + line(THREE[2]))
        assert two.refused("import", file, "--skip-existing").startswith(
            "line 4, /data/id: the id cxn_00002 is taken Nothing was imported: 1 bad record."
        )
        output = outcome("import", file, "--skip-existing", "--skip-invalid", "--database", two.url)
        assert output[:2] == (0, "1 Connection imported, 2 skipped because they exist.\n")

    def test_twice_in_the_file_far_apart(self, two: Place, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(loading, "_BATCH", 1)
        file = two.file("".join(map(line, THREE)) + line(THREE[2]))
        assert two.refused("import", file, "--skip-existing").startswith(
            "line 4, /data/id: the id cxn_00002 is taken Nothing was imported: 1 bad record."
        )

    def test_a_bad_record_is_bad(self, two: Place) -> None:
        """Even if a Connection with its id exists."""
        bad = line(THREE[0]).replace('"pending"', '"archived"')
        assert "1 bad record" in two.refused("import", two.file(bad), "--skip-existing")

    def test_as_json(self, two: Place) -> None:
        file = two.file("".join(map(line, THREE)))
        assert run_json("import", file, "--skip-existing", "--database", two.url) == {
            "imported": 1,
            "existing": 2,
            "bad": 0,
            "problems": [],
            "more_problems": 0,
        }

    def test_a_list(self, two: Place) -> None:
        """What `list` and `show` print can be imported, with their versions and menus."""
        listed = run("list", "--all", "--json", "--database", two.url)
        others = [f"{OUR_KEY.id}@{OUR_KEY.organization_id}", "--database", two.url]
        document = run("show", "cxn_00001", "--json", "--as", *others)
        for written, number in ((listed, 2), (document, 1)):
            there = "they exist" if number == 2 else "it exists"
            assert two.run("import", two.file(written), "--skip-existing") == (
                f"0 Connections imported, {number} skipped because {there}.\n"
            )
            other = Place.on(f"sqlite:///{two.directory / f'{number}.db'}", two.directory)
            plural = "s" if number == 2 else ""
            assert other.run("import", other.file(written)) == (
                f"{number} Connection{plural} imported.\n"
            )
            documents = [connection_document(connection) for connection, _ in other.kept()]
            assert documents == [
                connection_document(connection) for connection, _ in THREE[2 - number : 2]
            ]

    def test_a_stored_one_that_nobody_can_read(self, place: Place) -> None:
        """Nobody knows whether it is the same one."""
        place.add(THREE[0])
        spoil(place, "UPDATE connections SET version = 0")
        output = outcome(
            "import", place.file(line(THREE[0])), "--skip-existing", "--database", place.url
        )
        assert output[:2] == (1, "")
        assert squeezed(output[2]).startswith(
            "line 1, /data/id: the id cxn_00000 is taken by connections cxn_00000, which is not "
        )

    def test_one_that_somebody_else_adds_meanwhile(
        self, any_place: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        overtake(any_place, monkeypatch)
        file = any_place.file(line(THREE[0]) + line(THREE[1]))
        assert any_place.run("import", file, "--skip-existing") == (
            "1 Connection imported, 1 skipped because it exists.\n"
        )
        assert seen(any_place.kept()) == THREE[:2]


#: What is done to the second of three Connections, and how it is named.
UNREADABLE = {
    "a row": (
        "UPDATE connections SET version = 0 WHERE id = 'cxn_00001'",
        "connections cxn_00001: version: Input should be greater than or equal to 1",
    ),
    "an event": (
        "UPDATE connection_events SET actor_id = 'nobody'"
        " WHERE connection_id = 'cxn_00001' AND version = 4",
        "connection_events cxn_00001 version 4: actor.id: ",
    ),
    "a history": (
        "UPDATE connections SET name = 'Another' WHERE id = 'cxn_00001'",
        "the history of cxn_00001: it leads to another name than is stored",
    ),
    "no Connection": (
        "DELETE FROM connections WHERE id = 'cxn_00001'",
        "the history of cxn_00001: there is no such Connection",
    ),
}


class TestUnreadable:
    """A stored record that is not what was written is named, and on request left out."""

    @pytest.fixture
    def spoilt(self, any_place: Place) -> Place:
        any_place.add(*THREE)
        return any_place

    @pytest.mark.parametrize(("statement", "named"), UNREADABLE.values(), ids=UNREADABLE)
    def test_it_is_left_out_on_request(self, spoilt: Place, statement: str, named: str) -> None:
        spoil(spoilt, statement)
        for options, written in (
            ([], line(THREE[0]) + line(THREE[2])),
            (["--format", "list"], a_list(THREE[0], THREE[2])),
        ):
            output = outcome("export", "--skip-invalid", *options, "--database", spoilt.url)
            assert output[:2] == (0, written)
            assert squeezed(output[2]).startswith(named)
            assert output[2].endswith("\n1 record skipped.\n")

    @pytest.mark.parametrize(("statement", "named"), UNREADABLE.values(), ids=UNREADABLE)
    def test_it_ends_the_export(self, spoilt: Place, statement: str, named: str) -> None:
        spoil(spoilt, statement)
        target = Path(spoilt.file("before", "out.jsonl"))
        code, written, complained = outcome("export", str(target), "--database", spoilt.url)
        assert (code, written, target.read_text()) == (1, "", "before")
        record, reason = named.split(": ", 1)
        output = squeezed(complained)
        assert output.startswith(f"What is stored as {record} is not what was written: {reason}")
        assert output.endswith("Mend it, or export the rest with --skip-invalid.")

    @pytest.mark.parametrize("spoilt_ones", [(0,), (2,), (0, 1), (1, 2), (0, 1, 2)])
    def test_wherever_they_are(self, place: Place, spoilt_ones: tuple[int, ...]) -> None:
        """What is written is a whole document."""
        place.add(*THREE)
        for number in spoilt_ones:
            spoil(place, f"UPDATE connections SET name = 'x' WHERE id = 'cxn_0000{number}'")  # noqa: S608  # our own numbers
        rest = [each for number, each in enumerate(THREE) if number not in spoilt_ones]
        for options, expected in (
            ([], "".join(map(line, rest))),
            (["--format", "list"], a_list(*rest)),
        ):
            output = outcome("export", "--skip-invalid", *options, "--database", place.url)
            assert output[:2] == (0, expected)

    def test_nothing_is_said_if_there_is_none(self, place: Place) -> None:
        place.add(*THREE)
        assert place.run("export", "--skip-invalid") == "".join(map(line, THREE))

    def test_of_very_many_the_first_are_named(self, place: Place) -> None:
        many = [lived(number) for number in range(102)]
        place.add(*many)
        spoil(place, "UPDATE connections SET name = 'x' WHERE id <> 'cxn_00050'")
        code, written, complained = outcome("export", "--skip-invalid", "--database", place.url)
        assert (code, written) == (0, line(many[50]))
        lines = complained.splitlines()
        assert sum("it leads to another name" in each for each in lines) == 100
        assert "cxn_00100:" in complained
        assert lines[-2:] == ["and 1 more record", "101 records skipped."]

    def test_stored_text_does_not_disturb_the_terminal(self, place: Place) -> None:
        place.add(THREE[0])
        spoil(place, "UPDATE connections SET id = 'x' || char(27) || '[31m'")
        for options in ([], ["--skip-invalid"]):
            complained = outcome("export", *options, "--database", place.url)[2]
            assert "\x1b" not in complained
            assert "connections x\\" in complained  # escaped


def a_list(*histories: History) -> str:
    """An export as a list document."""
    elements = [json.dumps(resource(each), separators=(",", ":")) for each in histories]
    return '{"data": [\n' + ",\n".join(elements) + '\n], "links": {"prev": null, "next": null}}\n'


def spoil(place: Place, statement: str) -> None:
    """Change stored data without any check."""
    engine = open_engine(place.url)
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("COMMIT")  # within a transaction it would have no effect
            connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
            connection.exec_driver_sql("PRAGMA ignore_check_constraints = ON")
            connection.exec_driver_sql("BEGIN")
        else:
            for table, constraint in (
                ("connections", "ck_connections_version"),
                ("connection_events", "fk_connection_events_connection"),
            ):
                connection.exec_driver_sql(
                    f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {constraint}"
                )
        connection.exec_driver_sql(statement)
        connection.commit()
    engine.dispose()


def overtake(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let somebody else add the first of `THREE` just before the next import adds what it has."""
    add_rows = SqlConnectionStore.add_rows

    def overtaken(self: SqlConnectionStore, added: Sequence[Rows]) -> Sequence[int]:
        monkeypatch.setattr(SqlConnectionStore, "add_rows", add_rows)
        place.add(THREE[0])
        return self.add_rows(added)

    monkeypatch.setattr(SqlConnectionStore, "add_rows", overtaken)


#: What a host may add to our tables so that the database refuses a row, and what it then says.
REFUSING = {
    "sqlite": {
        "a trigger": (
            "CREATE TRIGGER refusing BEFORE INSERT ON connections"
            " BEGIN SELECT RAISE(ABORT, 'not this one'); END",
            "not this one",
        ),
        "a trigger on events": (
            "CREATE TRIGGER refusing BEFORE INSERT ON connection_events"
            " BEGIN SELECT RAISE(ABORT, 'not this one'); END",
            "not this one",
        ),
        "a unique index": (
            "CREATE UNIQUE INDEX names ON connections (creator_id)",
            "UNIQUE constraint failed: connections.creator_id",
        ),
    },
    "postgresql": {
        "a trigger": (
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " RAISE EXCEPTION 'not this one' USING ERRCODE = 'integrity_constraint_violation';"
            " END $$; CREATE TRIGGER refusing BEFORE INSERT ON connections"
            " FOR EACH ROW EXECUTE FUNCTION refuse()",
            "not this one",
        ),
        "a check": (
            "ALTER TABLE connections ADD CONSTRAINT short CHECK (length(name) < 3)",
            'violates check constraint "short"',
        ),
        "no null": (
            "ALTER TABLE connections ADD COLUMN customer integer NOT NULL",
            'null value in column "customer"',
        ),
        "a foreign key": (
            "CREATE TABLE customers (id varchar PRIMARY KEY); ALTER TABLE connections"
            " ADD CONSTRAINT of_a_customer FOREIGN KEY (destination_organization_id)"
            " REFERENCES customers",
            'violates foreign key constraint "of_a_customer"',
        ),
        "a foreign key that is checked at the end": (
            "CREATE TABLE customers (id varchar PRIMARY KEY); ALTER TABLE connections"
            " ADD CONSTRAINT of_a_customer FOREIGN KEY (destination_organization_id)"
            " REFERENCES customers DEFERRABLE INITIALLY DEFERRED",
            'violates foreign key constraint "of_a_customer"',
        ),
        "a unique index": (
            "CREATE UNIQUE INDEX pk_connections_names ON connections (creator_id)",
            '"pk_connections_names"',
        ),
    },
    "mariadb": {
        "a trigger": (
            "CREATE TRIGGER refusing BEFORE INSERT ON connections FOR EACH ROW"
            " SIGNAL SQLSTATE '23000' SET MESSAGE_TEXT = 'not this one'",
            "not this one",
        ),
        "a check": (
            "ALTER TABLE connections ADD CONSTRAINT short CHECK (length(name) < 3)",
            "CONSTRAINT `short` failed",
        ),
        "a unique index": (
            "CREATE UNIQUE INDEX pk_connections_names ON connections (creator_id)",
            "for key 'pk_connections_names'",
        ),
    },
}


class TestRefusedByTheDatabase:
    """A host may add triggers and constraints to our tables. What they say is passed on."""

    @pytest.mark.parametrize("options", [[], ["--skip-invalid"]])
    @pytest.mark.parametrize(
        ("kind", "name"), [(kind, name) for kind, each in REFUSING.items() for name in each]
    )
    def test_import(self, tmp_path: Path, kind: str, name: str, options: list[str]) -> None:
        statement, said = REFUSING[kind][name]
        with database("sqlite-file" if kind == "sqlite" else kind, tmp_path) as url:
            place = Place.on(url.render_as_string(hide_password=False), tmp_path)
            spoil(place, statement)
            file = place.file("".join(map(line, THREE)))
            output = complaint("import", file, *options, "--database", place.url)
            assert said in output
            assert "somebody else" not in output
            assert place.kept() == []


class TestProgress:
    """A progress bar on stderr, only if stderr is a terminal."""

    def test_in_a_pipe(self, place: Place) -> None:
        done = piped("import", place.file(line(THREE[0])), "--database", place.url)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"1 Connection imported.\n", b"")

    def test_in_a_coloured_pipe(self, place: Place) -> None:
        """Colours were requested, but no animation."""
        file = place.file(line(THREE[0]))
        done = piped("import", file, "--database", place.url, FORCE_COLOR="1")
        assert (done.returncode, done.stderr) == (0, b"")

    def test_on_a_terminal(self, place: Place) -> None:
        """It is removed at the end."""
        file = place.file(line(THREE[0]))  # of 1,514 bytes
        written, shown = with_a_terminal("import", file, "--database", place.url)
        assert written == "1 Connection imported.\n"
        assert "0.0/1.5 kB" in shown
        assert "1.5/1.5 kB" in shown
        assert shown.endswith("\x1b[2K")

    def test_of_what_has_no_known_size(self, place: Place) -> None:
        output = with_a_terminal(
            "import", "-", "--database", place.url, stdin=line(THREE[0]).encode()
        )
        assert output[0] == "1 Connection imported.\n"
        assert "1.5/? kB" in output[1]


class TestOthers:
    """Somebody else may be at work on the same database."""

    def test_who_takes_an_id_meanwhile(
        self, any_place: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It is reported as if it had been there before."""
        overtake(any_place, monkeypatch)
        output = outcome("import", any_place.file(line(THREE[0])), "--database", any_place.url)
        assert output[0] == 1
        assert "the id cxn_00000 is taken" in output[2]
        assert seen(any_place.kept()) == THREE[:1]

    @pytest.mark.parametrize("options", [[], ["--skip-existing"]])
    @pytest.mark.parametrize("id", ["cxn_00000", "cxn_x"], ids=["the id", "the pair"])
    def test_who_cannot_be_seen(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, id: str, options: list[str]
    ) -> None:
        """Under REPEATABLE READ, an insert can conflict with a row that cannot be seen."""
        add_rows = SqlConnectionStore.add_rows

        def overtaken(self: SqlConnectionStore, added: Sequence[Rows]) -> Sequence[int]:
            assert self.get(THREE[0].connection.id) is None
            monkeypatch.setattr(SqlConnectionStore, "add_rows", add_rows)
            Place.on(url.render_as_string(hide_password=False), tmp_path).add(rival)
            return self.add_rows(added)

        created = Connection.create(by=OUR_KEY, destination="org_0", id=id, at=T0)
        rival = History(created.connection, (created.event,))
        with database("postgresql", tmp_path) as url:
            strictly = f"{url.query['options']} -cdefault_transaction_isolation=repeatable\\ read"
            strict = Place.on(
                url.update_query_dict({"options": strictly}).render_as_string(hide_password=False),
                tmp_path,
            )
            monkeypatch.setattr(SqlConnectionStore, "add_rows", overtaken)
            file = strict.file(line(THREE[0]))
            output = outcome("import", file, *options, "--database", strict.url)
            assert seen(strict.kept()) == [rival]
        assert output == (
            1,
            "",
            "Nothing was imported: somebody else added one of them meanwhile.\n",
        )

    @pytest.mark.parametrize("id", ["cxn_00000", "cxn_x"], ids=["the id", "the pair"])
    def test_who_comes_after_the_look(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, id: str
    ) -> None:
        """MariaDB is asked what is taken, and somebody takes it then."""
        look = Bulk._taken  # pyright: ignore[reportPrivateUsage]  # what happens after it is tested

        def overtaken(self: Bulk, *asked: Any) -> set[object]:
            taken = look(self, *asked)
            monkeypatch.setattr(Bulk, "_taken", look)
            place.add(rival)
            return taken

        created = Connection.create(by=OUR_KEY, destination="org_0", id=id, at=T0)
        rival = History(created.connection, (created.event,))
        with database("mariadb", tmp_path) as url:
            place = Place.on(url.render_as_string(hide_password=False), tmp_path)
            monkeypatch.setattr(Bulk, "_taken", overtaken)
            output = outcome("import", place.file(line(THREE[0])), "--database", place.url)
            assert seen(place.kept()) == [rival]
        assert output == (
            1,
            "",
            "Nothing was imported: somebody else added one of them meanwhile.\n",
        )

    @pytest.mark.parametrize("by_id", [True, False], ids=["the id", "the pair"])
    def test_who_spoilt_a_row(self, place: Place, by_id: bool) -> None:
        """It says which record has the id or the pair, and what is wrong with it."""
        place.add(THREE[0])
        spoil(place, "UPDATE connections SET version = 0")
        taken = "the id cxn_00000 is taken"
        record: Any = json.loads(line(THREE[0]))
        if not by_id:
            taken = "the ordered pair org_ABC123 -> org_0 is taken"
            record = {"data": {**record["data"], "id": "cxn_x"}}
            record["data"]["attributes"]["token"] = "cxn_x"  # noqa: S105  # as the wire names it
        problem = (
            f"line 1, /data/id: {taken} by connections cxn_00000, which is not what was written: "
            "version: Input should be greater than or equal to 1"
        )
        file = place.file(json.dumps(record) + "\n" + line(THREE[1]))
        output = outcome("import", file, "--database", place.url)
        assert output[:2] == (1, "")
        assert squeezed(output[2]) == (
            f"{problem} Nothing was imported: 1 bad record. Fix the file, or import the rest with "
            "--skip-invalid."
        )
        output = outcome("import", file, "--skip-invalid", "--database", place.url)
        assert output[:2] == (0, "1 Connection imported.\n")
        assert squeezed(output[2]) == f"{problem} 1 record skipped."
        assert line(THREE[1]) in outcome("export", "--skip-invalid", "--database", place.url)[1]


def test_a_service_carries_on_from_what_was_imported(place: Place) -> None:
    place.run("import", place.file(line(THREE[0])))
    with session_on(place.url) as session:
        service = ConnectionService(SqlConnectionStore(session))
        partner = PARTNER.model_copy(update={"organization_id": "org_0"})
        changed, _ = service.activate("cxn_00000", by=partner, expected_version=4)
        assert (changed.status, changed.version) == (Status.ACTIVE, 5)
        assert len(service.history("cxn_00000", by=partner)) == 5


def test_a_terminal_shows_the_answer(place: Place) -> None:
    shown = on_a_terminal("import", place.file(line(THREE[0])), "--database", place.url)
    assert shown == "1 Connection imported.\n"
