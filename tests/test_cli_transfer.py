"""Files of Connections: what an import takes, what it refuses and where; what an export gives."""

import errno
import json
import os
import sqlite3
import subprocess
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, redirect_stderr, redirect_stdout, suppress
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple, cast

import pytest
from databases import database
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import URL
from sqlalchemy.event import listen
from sqlalchemy.orm import Session
from support import OUR_KEY, PARTNER, T0, connection_in, histories
from terminal import (
    command,
    complaint,
    environment,
    on_a_terminal,
    outcome,
    piped,
    run,
    run_json,
    squeezed,
    with_a_terminal,
)

from connect_core import (
    Action,
    Actor,
    Connection,
    ConnectionEvent,
    ConnectionService,
    InvalidDocumentError,
    Role,
    Status,
    connection_document,
    list_document,
    replay,
)
from connect_core.adapters import cli
from connect_core.adapters.cli import loading, transfer
from connect_core.adapters.cli.loading import load, shortest_history
from connect_core.adapters.cli.reading import Found, records
from connect_core.adapters.sql import History, SqlConnectionStore, open_engine
from connect_core.jsonapi import load_json, parse_record, record_document


@contextmanager
def session_on(url: str | URL) -> Generator[Session]:
    """A transaction on this database, which is committed at the end."""
    engine = open_engine(url)
    try:
        with Session(engine) as session, session.begin():
            yield session
    finally:
        engine.dispose()


class Place(NamedTuple):
    """A database, and a directory for files."""

    url: str
    directory: Path

    def run(self, *arguments: str, code: int = 0, stdin: bytes = b"") -> str:
        """What the command says on stdout; nothing goes to stderr."""
        return run(*arguments, "--database", self.url, code=code, stdin=stdin)

    def refused(self, *arguments: str, stdin: bytes = b"") -> str:
        """What the command says on stderr, without line breaks; nothing is changed."""
        before = self.kept()
        code, written, complained = outcome(*arguments, "--database", self.url, stdin=stdin)
        assert (code, written) == (1, "")
        assert self.kept() == before
        return squeezed(complained)

    def file(self, content: str | bytes, name: str = "file") -> str:
        """The path of a file with this content."""
        path = self.directory / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)

    def add(self, *added: History) -> None:
        """Put Connections into the database."""
        with session_on(self.url) as session:
            assert SqlConnectionStore(session).add_all(added) == []

    def kept(self) -> list[History]:
        """All that is in the database."""
        with session_on(self.url) as session:
            return list(SqlConnectionStore(session).everything())


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A SQLite file that does not exist yet."""
    return Place(f"sqlite:///{tmp_path / 'connections.db'}", tmp_path)


@pytest.fixture(params=["sqlite-file", "postgresql"])
def anywhere(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """An empty database of each kind."""
    with database(request.param, tmp_path) as url:
        yield Place(url.render_as_string(hide_password=False), tmp_path)


def lived(number: int) -> History:
    """A Connection with a history of four events, the third by the destination."""
    partner = Actor(id="usr_Rk3v", organization_id=f"org_{number}")
    created = Connection.create(
        by=OUR_KEY,
        destination=partner.organization_id,
        name=f"Söhne {number} 🎉",
        id=f"cxn_{number:05}",
        at=T0 + timedelta(seconds=number),
    )
    changes = [created]
    for action, by in (
        (Action.ACTIVATE, partner),
        (Action.DEACTIVATE, partner),
        (Action.REACTIVATE, OUR_KEY),
    ):
        changes.append(changes[-1].connection.take(action, by=by, at=T0 + timedelta(days=1)))
    return History(changes[-1].connection, tuple(change.event for change in changes))


def line(history: History) -> str:
    """A line of an export."""
    return json.dumps(record_document(*history), separators=(",", ":")) + "\n"


def resource(history: History) -> dict[str, Any]:
    """The resource object of a Connection."""
    return cast("dict[str, Any]", connection_document(history.connection)["data"])


def seen(kept: Sequence[History]) -> list[History]:
    """The same, comparable whatever kind of sequence the events are in."""
    return [History(connection, tuple(events)) for connection, events in kept]


THREE = [lived(number) for number in range(3)]


class TestRoundTrip:
    """What is exported and imported is the same: every Connection, and every event."""

    def test_lines(self, anywhere: Place) -> None:
        anywhere.add(*THREE)
        written = anywhere.run("export")
        assert written == "".join(map(line, THREE))
        other = Place(f"sqlite:///{anywhere.directory / 'other.db'}", anywhere.directory)
        assert other.run("import", other.file(written)) == "3 Connections imported.\n"
        assert seen(other.kept()) == seen(anywhere.kept()) == THREE

    def test_into_any_database(self, anywhere: Place) -> None:
        file = anywhere.file("".join(map(line, THREE)))
        assert anywhere.run("import", file) == "3 Connections imported.\n"
        assert seen(anywhere.kept()) == THREE

    def test_a_list(self, anywhere: Place) -> None:
        """A list document tells where Connections stand, not how they came to."""
        anywhere.add(*THREE)
        written = anywhere.run("export", "--format", "list")
        assert json.loads(written) == list_document(history.connection for history in THREE)
        other = Place(f"sqlite:///{anywhere.directory / 'other.db'}", anywhere.directory)
        assert other.run("import", other.file(written)) == "3 Connections imported.\n"
        assert other.run("export", "--format", "list") == written
        assert [connection.version for connection, _ in other.kept()] == [3, 3, 3]

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

    @given(history=histories(max_steps=4), told=st.booleans())
    def test_either_way_of_reading(
        self, history: tuple[Connection, tuple[ConnectionEvent, ...]], told: bool
    ) -> None:
        """What we write ourselves is read in a shorter way, which gives the same.

        The type is one that is read, and never written.
        """
        connection, events = history
        document: Any = (
            record_document(connection, events) if told else connection_document(connection)
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


class File:
    """A file in memory."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def read(self, size: int, /) -> bytes:
        """The next bytes."""
        piece, self._content = self._content[:size], self._content[size:]
        return piece


def loaded(text: bytes) -> list[History]:
    """What an import of a good file puts into an empty database."""
    with session_on(URL.create("sqlite")) as session:
        store = SqlConnectionStore(session)
        tally = load(records(File(text)), store)
        assert (tally.bad, tally.troubles, tally.broken) == (0, [], None)
        found = seen(list(store.everything()))
        assert tally.added == len(found)
        return found


A_YEAR = timedelta(days=365)


class TestWithoutAHistory:
    """The shortest way that the policy knows is recorded, at the time of the last update."""

    WAYS: tuple[tuple[Status, int, list[Action]], ...] = (
        (Status.PENDING, 0, []),
        (Status.PENDING, 1, [Action.DEACTIVATE, Action.REACTIVATE]),
        (Status.ACTIVE, 0, [Action.ACTIVATE]),
        (Status.ACTIVE, 1, [Action.ACTIVATE]),
        (Status.INACTIVE, 0, [Action.DEACTIVATE]),
        (Status.INACTIVE, 1, [Action.DEACTIVATE]),
    )

    @pytest.mark.parametrize("to_self", [False, True])
    @pytest.mark.parametrize(("status", "days", "steps"), WAYS)
    def test_the_shortest(
        self, status: Status, days: int, steps: list[Action], to_self: bool
    ) -> None:
        known = connection_in(Status.PENDING, to_self=to_self)
        updated_at = T0 + timedelta(days=days)
        told = known.model_copy(update={"status": status, "updated_at": updated_at})
        connection, events = shortest_history(told)
        assert [event.action for event in events] == [Action.CREATE, *steps]
        assert replay(events) == connection
        assert connection == told.model_copy(update={"version": len(events)})
        assert {event.occurred_at for event in events[1:]} <= {updated_at}
        assert {event.actor.id for event in events[1:]} <= {"api_import"}
        for event in events[1:]:
            role = next(role for role in Role if role in event.roles)
            assert event.actor.organization_id == connection.organization_of(role)
        for document in (connection_document(told), connection_document(told)["data"]):
            assert loaded(json.dumps(document).encode()) == [History(connection, tuple(events))]

    @given(histories(max_steps=1), st.sampled_from(Status), st.timedeltas(timedelta(0), A_YEAR))
    def test_any(
        self,
        begun: tuple[Connection, tuple[ConnectionEvent, ...]],
        status: Status,
        later: timedelta,
    ) -> None:
        """Wherever a Connection stands, and since when: its history leads exactly there."""
        later = timedelta(milliseconds=later // timedelta(milliseconds=1))
        at = begun[0].created_at + later
        told = begun[0].model_copy(update={"status": status, "updated_at": at})
        history = shortest_history(told)
        assert replay(history.events) == history.connection
        assert history.connection == told.model_copy(update={"version": len(history.events)})
        (found,) = loaded(json.dumps(list_document([told])).encode())
        assert found == History(history.connection, tuple(history.events))
        assert connection_document(found.connection) == connection_document(told)

    def test_a_record_with_an_empty_meta_has_none(self, place: Place) -> None:
        document = {**connection_document(THREE[0].connection), "meta": None}
        assert place.run("import", place.file(json.dumps(document))) == "1 Connection imported.\n"
        assert [connection.version for connection, _ in place.kept()] == [3]


class TestWhatIsTaken:
    """Whatever JSON may look like that says the same is taken, and gives the same."""

    @pytest.mark.parametrize("indent", [None, 2])
    def test_lines_and_longer_values(self, place: Place, indent: int | None) -> None:
        text = "\n".join(json.dumps(record_document(*each), indent=indent) for each in THREE)
        assert place.run("import", place.file(text)) == "3 Connections imported.\n"
        assert seen(place.kept()) == THREE

    def test_stdin(self, place: Place) -> None:
        text = "".join(map(line, THREE)).encode()
        assert place.run("import", "-", stdin=text) == "3 Connections imported.\n"
        assert seen(place.kept()) == THREE

    def test_another_writing_of_the_same(self, place: Place) -> None:
        """Times in another zone, scopes in another order: read, and checked."""
        document: Any = json.loads(line(THREE[0]))
        attributes = document["data"]["attributes"]
        attributes["scopes"] = attributes["scopes"][::-1]
        attributes["created-at"] = "2026-11-24T13:00:00.123+01:00"
        document["meta"]["history"][0]["roles"] = ["source"]
        file = place.file(json.dumps(document))
        assert place.run("import", file) == "1 Connection imported.\n"
        assert seen(place.kept()) == THREE[:1]

    def test_more_than_one_batch(self, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(loading, "_BATCH", 2)
        many = [lived(number) for number in range(5)]
        assert place.run("import", place.file("".join(map(line, many)))) == (
            "5 Connections imported.\n"
        )
        assert seen(place.kept()) == many

    def test_as_json(self, place: Place) -> None:
        told = run_json("import", place.file(line(THREE[0])), "--database", place.url)
        assert told == {"imported": 1, "bad": 0, "problems": [], "more_problems": 0}


def changed(history: History, *path: str | int, to: object) -> str:
    """A line of an export in which one value was exchanged."""
    document: Any = json.loads(line(history))
    place = document
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = to
    return json.dumps(document) + "\n"


ATTRIBUTES = "data", "attributes"
HISTORY = "meta", "history"

#: What is wrong with a record, where that is, and how it begins to be told.
BAD: dict[str, tuple[str, str, str]] = {
    "no JSON": ("nonsense\n", "", "Expecting value"),
    "not an object": ("[]\n", "", "Input should be an object"),
    "nothing": ("{}\n", "", "the member 'type' is missing"),
    "no connection": ('{"data": null}\n', "/data", "Input should be an object"),
    "no UTF-8": ("\udcff\n", "", "byte 0 is not UTF-8"),
    "an unknown status": (
        changed(THREE[1], *ATTRIBUTES, "status", to="archived"),
        "/data/attributes/status",
        "Input should be 'pending',",
    ),
    "an id that is none": (
        changed(THREE[1], "data", "id", to="org_1"),
        "/data/id",
        "expected a connection id",
    ),
    "a naive time": (
        changed(THREE[1], *ATTRIBUTES, "created-at", to="2026-11-24T12:00:00.123"),
        "/data/attributes/created-at",
        "expected a time such as 2018-06-01T00:00:00.000Z, with its offset",
    ),
    "an actor that is none": (
        changed(THREE[1], *HISTORY, 1, "actor", "id", to="cxn_1"),
        "/meta/history/1/actor/id",
        "expected an actor id",
    ),
    "an action that does not exist": (
        changed(THREE[1], *HISTORY, 2, "action", to="expire"),
        "/meta/history/2/action",
        "Input should be 'create',",
    ),
    "a version that is no integer": (
        changed(THREE[1], *HISTORY, 1, "version", to=True),
        "/meta/history/1/version",
        "",
    ),
    "a step that nobody may take": (
        changed(THREE[1], *HISTORY, 1, "actor", "organization_id", to="org_ABC123"),
        "/meta/history",
        "This history could not have happened: event 1 was not permitted (usr_Rk3v of org_ABC123 ",
    ),
    "a version too many": (
        changed(THREE[1], *HISTORY, 3, "version", to=5),
        "/meta/history",
        "it leads to another status, version than is stored",
    ),
    "another role": (
        changed(THREE[1], *HISTORY, 3, "roles", to=["source", "destination"]),
        "/meta/history",
        "This history could not have happened: event 3 has roles ",
    ),
    "a history of nothing": (changed(THREE[1], *HISTORY, to=[]), "/meta/history", ""),
    "a history of another": (
        changed(THREE[1], *HISTORY, to=json.loads(line(THREE[2]))["meta"]["history"]),
        "/meta/history",
        "it leads to another id, destination_organization_id, name, created_at than is stored",
    ),
    "a history that leads elsewhere": (
        changed(THREE[1], *ATTRIBUTES, "status", to="active"),
        "/meta/history",
        "it leads to another status than is stored",
    ),
    "a history without its end": (
        changed(THREE[1], *HISTORY, to=json.loads(line(THREE[1]))["meta"]["history"][:2]),
        "/meta/history",
        "it leads to another status than is stored",
    ),
    "a member twice": (
        line(THREE[1]).replace('"id":"cxn', '"id":"cxn_0","id":"cxn', 1),
        "/data/id",
        "",
    ),
}


class TestBadRecords:
    """Each is told with its line and place; nothing is imported, or the rest if that is wanted."""

    @pytest.mark.parametrize(("bad", "pointer", "detail"), BAD.values(), ids=BAD)
    def test_nothing_is_imported(self, place: Place, bad: str, pointer: str, detail: str) -> None:
        text = line(THREE[0]) + "\n" + bad + line(THREE[2])
        file = place.file(text.encode("utf-8", "surrogateescape"))
        told = place.refused("import", file)
        where = f"line 3, {pointer}: {detail}" if pointer else "line 3: "
        assert told.startswith(where), told
        assert detail in told
        assert told.endswith(
            "Nothing was imported: 1 bad record. Mend the file, or import the rest with "
            "--skip-invalid."
        )
        assert place.kept() == []

    @pytest.mark.parametrize(("bad", "pointer", "detail"), BAD.values(), ids=BAD)
    def test_the_rest_is_imported(self, place: Place, bad: str, pointer: str, detail: str) -> None:
        text = line(THREE[0]) + bad + line(THREE[2])
        file = place.file(text.encode("utf-8", "surrogateescape"))
        code, written, complained = outcome(
            "import", file, "--skip-invalid", "--database", place.url
        )
        assert (code, written) == (0, "2 Connections imported.\n")
        told = squeezed(complained)
        assert told.startswith(f"line 2, {pointer}: {detail}" if pointer else "line 2: ")
        assert told.endswith("1 record skipped.")
        assert seen(place.kept()) == [THREE[0], THREE[2]]

    def test_as_json(self, place: Place) -> None:
        file = place.file(line(THREE[0]) + BAD["an unknown status"][0] + BAD["no JSON"][0])
        for options, code, imported in (([], 1, 0), (["--skip-invalid"], 0, 1)):
            done = outcome("import", file, "--json", "--database", place.url, *options)
            told = json.loads(done[1])
            assert (done[0], told["imported"], told["bad"]) == (code, imported, 2)
            assert told["more_problems"] == 0
            first, second = told["problems"]
            assert (first["line"], first["pointer"]) == (2, "/data/attributes/status")
            assert first["detail"].startswith("Input should be 'pending'")
            assert (second["line"], second["pointer"]) == (3, "")

    def test_in_a_list(self, place: Place) -> None:
        """The pointer leads from the top of the file."""
        bad = json.loads(BAD["an unknown status"][0])["data"]
        document = {"data": [resource(THREE[0]), bad, resource(THREE[2])]}
        told = place.refused("import", place.file(json.dumps(document, indent=1)))
        lines = json.dumps(document, indent=1).splitlines()
        number = [n for n, each in enumerate(lines, 1) if each == "  {"][1]
        assert told.startswith(f"line {number}, /data/1/attributes/status: Input should be")

    def test_all_problems_of_all_records_in_order(self, place: Place) -> None:
        two: Any = json.loads(line(THREE[0]))
        two["data"]["attributes"] |= {"status": "x", "creator-id": "y"}
        text = json.dumps(two) + "\nnonsense\n" + line(THREE[2]) + line(THREE[2])
        code, _, complained = outcome("import", place.file(text), "--database", place.url)
        assert code == 1
        lines = complained.splitlines()
        assert [each.split(":")[0] for each in lines if each.startswith("line ")] == [
            "line 1, /data/attributes/status",
            "line 1, /data/attributes/creator-id",
            "line 2",
            "line 4, /data/id",
        ]
        assert "Nothing was imported: 3 bad records." in complained

    @pytest.mark.parametrize("one", [True, 1.0])
    def test_what_python_takes_for_one(self, place: Place, one: object) -> None:
        told = place.refused(
            "import", place.file(changed(THREE[0], *HISTORY, 0, "version", to=one))
        )
        assert told.startswith("line 1, /meta/history/0/version: Input should be a valid integer")

    def test_of_very_many_the_first(self, place: Place) -> None:
        file = place.file("nonsense\n" * 105)
        told = place.refused("import", file)
        assert told.count("Expecting value") == 100
        assert "line 100: " in told
        assert "line 101: " not in told
        assert " and 5 problems more Nothing was imported: 105 bad records. " in told
        done = outcome("import", file, "--json", "--database", place.url)
        assert json.loads(done[1])["more_problems"] == 5
        assert len(json.loads(done[1])["problems"]) == 100

    def test_one_more_than_are_told(self, place: Place) -> None:
        told = place.refused("import", place.file("nonsense\n" * 101))
        assert " and 1 problem more Nothing " in told

    def test_text_from_the_file_does_not_disturb_the_terminal(self, place: Place) -> None:
        bad = changed(THREE[0], "data", "id", to="\x1b[31m\u202e")
        told = place.refused("import", place.file(bad))
        assert "\x1b" not in told
        assert "\u202e" not in told


class TestWhatIsThereAlready:
    """An id or an ordered pair that is taken, in the database or earlier in the file."""

    def test_an_id(self, anywhere: Place) -> None:
        anywhere.add(THREE[0])
        told = anywhere.refused("import", anywhere.file(line(THREE[0])))
        assert told.startswith("line 1, /data/id: the id cxn_00000 is taken Nothing was imported:")

    def test_a_pair(self, anywhere: Place) -> None:
        anywhere.add(THREE[0])
        rival, event = Connection.create(by=OUR_KEY, destination="org_0", id="cxn_x", at=T0)
        told = anywhere.refused("import", anywhere.file(line(History(rival, (event,)))))
        assert told.startswith(
            "line 1, /data/id: the ordered pair org_ABC123 -> org_0 is taken by cxn_00000 Nothing"
        )

    def test_the_rest_goes_in(self, anywhere: Place) -> None:
        anywhere.add(THREE[1])
        file = anywhere.file("".join(map(line, [*THREE, THREE[0]])))
        code, written, complained = outcome(
            "import", file, "--skip-invalid", "--database", anywhere.url
        )
        assert (code, written) == (0, "2 Connections imported.\n")
        assert complained.splitlines() == [
            "line 2, /data/id: the id cxn_00001 is taken",
            "line 4, /data/id: the id cxn_00000 is taken",
            "2 records skipped.",
        ]
        assert seen(anywhere.kept()) == THREE

    def test_in_a_list(self, place: Place) -> None:
        document = json.dumps({"data": [resource(THREE[0]), resource(THREE[0])]})
        told = place.refused("import", place.file(document))
        assert told.startswith("line 1, /data/1/id: the id cxn_00000 is taken")

    def test_is_found_by_indexes(self, place: Place) -> None:
        """However many there are: a table that was read for each record would be read too often."""
        place.add(*THREE)
        with session_on(place.url) as session:
            asked: list[tuple[str, Any]] = []

            def ask(_: object, __: object, statement: str, values: Any, *___: object) -> None:
                if statement.startswith("SELECT"):
                    asked.append((statement, values))

            listen(session.get_bind(), "before_cursor_execute", ask)
            assert SqlConnectionStore(session).add_all(THREE) == [0, 1, 2]
            statement, values = asked[0]
            plan = session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
            steps = [str(row[-1]) for row in plan]
        assert sum(step.startswith("SEARCH") for step in steps) == 2
        assert not [step for step in steps if step.startswith("SCAN")]

    def test_is_told_in_the_order_of_the_file(self, place: Place) -> None:
        told = place.refused("import", place.file(line(THREE[0]) * 2 + "nonsense\n"))
        assert told.startswith("line 2, /data/id: the id cxn_00000 is taken line 3: Expecting")

    def test_across_batches(self, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(loading, "_BATCH", 1)
        told = place.refused("import", place.file(line(THREE[0]) * 2))
        assert told.startswith("line 2, /data/id: the id cxn_00000 is taken")

    def test_why_is_not_looked_up_for_what_is_not_told(self, place: Place) -> None:
        place.add(THREE[0])
        told = place.refused("import", place.file("nonsense\n" * 101 + line(THREE[0])))
        assert " and 2 problems more Nothing was imported: 102 bad records. " in told


class TestBrokenFiles:
    """Where nobody can tell what comes next nothing is imported, whatever was asked for."""

    @pytest.mark.parametrize("options", [[], ["--skip-invalid"]])
    def test_a_list(self, place: Place, options: list[str]) -> None:
        text = json.dumps({"data": [resource(each) for each in THREE]}, indent=1)
        number = text.count("\n") + 1
        told = place.refused("import", place.file(text[:-2]), *options)
        assert told.endswith(f"Nothing was imported: line {number - 1} breaks the file.")
        assert told.startswith(f"line {number - 1}: ',' or '}}' is due, and there is the end")

    def test_longer_values(self, place: Place) -> None:
        text = json.dumps(record_document(*THREE[0]), indent=1) + "\nnonsense"
        told = place.refused("import", place.file(text), "--skip-invalid")
        number = text.count("\n") + 1
        assert f"Nothing was imported: line {number} breaks the file." in told

    def test_as_json(self, place: Place) -> None:
        file = place.file('{"data": [')
        code, written, complained = outcome("import", file, "--json", "--database", place.url)
        told = json.loads(written)
        assert (code, told["imported"]) == (1, 0)
        assert [trouble["line"] for trouble in told["problems"]] == [1]
        assert "Nothing was imported: line 1 breaks the file." in complained


class TestUsage:
    """What cannot be read or written is wrong usage, and changes nothing."""

    def test_a_file_that_is_not_there(self, place: Place) -> None:
        told = complaint("import", str(place.directory / "none"), "--database", place.url)
        assert "No such file or directory" in told
        assert not (place.directory / "connections.db").exists()

    def test_a_format_that_is_not_there(self, place: Place) -> None:
        told = complaint("export", "--format", "xml", "--database", place.url)
        assert "'xml' is not one of jsonl, list." in told

    def test_a_database_that_cannot_be_opened(self, place: Place) -> None:
        for arguments in (["export"], ["import", place.file("")]):
            told = complaint(*arguments, "--database", str(place.directory))
            assert "unable to open database file" in told

    @pytest.mark.parametrize("name", ["none/file", "."])
    def test_a_place_that_cannot_be_written_to(self, place: Place, name: str) -> None:
        place.add(THREE[0])
        told = complaint("export", str(place.directory / name), "--database", place.url)
        assert f"{name}'" in told or "Is a directory" in told


class TestExportedFiles:
    """A file gets its name when it is whole; until then what had that name stays."""

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
        target = Path(place.file("before", "out.jsonl"))
        assert place.run("export", str(target)) == ""
        assert target.read_text() == place.run("export")

    def test_who_may_read_it_stays_the_same(self, place: Place) -> None:
        target = Path(place.file("before", "out.jsonl"))
        target.chmod(0o600)
        place.run("export", str(target))
        assert target.stat().st_mode & 0o777 == 0o600

    @pytest.mark.parametrize("number", [0, 3])
    def test_no_room_on_stdout(self, place: Place, number: int) -> None:
        """Be it noticed at once, or only when what was written is sent on."""
        place.add(*THREE[:number])
        with Path("/dev/full").open("w") as full:
            done = subprocess.run(  # noqa: S603  # our own command
                command("export", "--format", "list", "--database", place.url),
                env=environment(PYTHONUNBUFFERED=""),
                stdout=full,
                stderr=subprocess.PIPE,
                check=False,
            )
        assert done.returncode != 0
        assert b"'-': No space left on device." in done.stderr
        assert b"Traceback" not in done.stderr

    def test_one_that_a_link_leads_to(self, place: Place) -> None:
        place.add(*THREE)
        target = Path(place.file("before", "out.jsonl"))
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

    def test_one_state(self, anywhere: Place, monkeypatch: pytest.MonkeyPatch) -> None:
        """What is committed while an export goes on is not in it."""
        anywhere.add(*THREE[:2])
        monkeypatch.setattr("connect_core.adapters.sql.store._BATCH", 1)
        everything = SqlConnectionStore.everything

        def interrupted(self: SqlConnectionStore) -> Iterator[History]:
            found = everything(self)
            yield next(found)
            anywhere.add(THREE[2])
            yield from found

        monkeypatch.setattr(SqlConnectionStore, "everything", interrupted)
        assert anywhere.run("export") == "".join(map(line, THREE[:2]))


class TestProgress:
    """A bar on stderr, if that is a terminal, and nothing of it elsewhere."""

    def test_in_a_pipe(self, place: Place) -> None:
        done = piped("import", place.file(line(THREE[0])), "--database", place.url)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"1 Connection imported.\n", b"")

    def test_in_a_coloured_pipe(self, place: Place) -> None:
        """Colours were asked for, and not that things move."""
        file = place.file(line(THREE[0]))
        done = piped("import", file, "--database", place.url, FORCE_COLOR="1")
        assert (done.returncode, done.stderr) == (0, b"")

    def test_on_a_terminal(self, place: Place) -> None:
        """It is taken away in the end."""
        file = place.file(line(THREE[0]))  # of 1,514 bytes
        written, shown = with_a_terminal("import", file, "--database", place.url)
        assert written == "1 Connection imported.\n"
        assert "0.0/1.5 kB" in shown
        assert "1.5/1.5 kB" in shown
        assert shown.endswith("\x1b[2K")

    def test_of_what_has_no_known_size(self, place: Place) -> None:
        told = with_a_terminal(
            "import", "-", "--database", place.url, stdin=line(THREE[0]).encode()
        )
        assert told[0] == "1 Connection imported.\n"
        assert "1.5/? kB" in told[1]


class TestOthers:
    """Somebody else may be at work on the same database."""

    def test_who_takes_an_id_meanwhile(
        self, anywhere: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It is told as if it had been there before."""
        add_all = SqlConnectionStore.add_all

        def overtaken(self: SqlConnectionStore, added: Sequence[History]) -> Sequence[int]:
            monkeypatch.setattr(SqlConnectionStore, "add_all", add_all)
            anywhere.add(THREE[0])
            return self.add_all(added)

        monkeypatch.setattr(SqlConnectionStore, "add_all", overtaken)
        told = outcome("import", anywhere.file(line(THREE[0])), "--database", anywhere.url)
        assert told[0] == 1
        assert "the id cxn_00000 is taken" in told[2]
        assert seen(anywhere.kept()) == THREE[:1]

    def test_who_cannot_be_seen(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A transaction that sees what was there at first finds a place taken that it sees free."""
        add_all = SqlConnectionStore.add_all

        def overtaken(self: SqlConnectionStore, added: Sequence[History]) -> Sequence[int]:
            assert self.get(THREE[0].connection.id) is None
            monkeypatch.setattr(SqlConnectionStore, "add_all", add_all)
            Place(url.render_as_string(hide_password=False), tmp_path).add(THREE[0])
            return self.add_all(added)

        with database("postgresql", tmp_path) as url:
            options = f"{url.query['options']} -cdefault_transaction_isolation=repeatable\\ read"
            strict = Place(
                url.update_query_dict({"options": options}).render_as_string(hide_password=False),
                tmp_path,
            )
            monkeypatch.setattr(SqlConnectionStore, "add_all", overtaken)
            told = outcome("import", strict.file(line(THREE[0])), "--database", strict.url)
            assert seen(strict.kept()) == THREE[:1]
        assert told == (
            1,
            "",
            "Nothing was imported: somebody else added one of them meanwhile.\n",
        )

    def test_who_spoilt_a_row(self, place: Place) -> None:
        place.add(THREE[0])
        with closing(sqlite3.connect(place.directory / "connections.db")) as file, file:
            file.execute("UPDATE connections SET name = char(7)")
        told = outcome("import", place.file(line(THREE[0])), "--database", place.url)
        assert (told[0], told[1]) == (1, "")
        assert squeezed(told[2]).startswith(
            "What is stored as connections cxn_00000 is not what was written: name: "
        )

    def test_a_disk_that_fails(self, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
        def failing(*_: object) -> Iterator[Found]:
            yield Found(1, "", line(THREE[0]).encode())
            raise OSError(errno.EIO, "Input/output error")

        monkeypatch.setattr(transfer, "records", failing)
        file = place.file("")
        told = complaint("import", file, "--database", place.url)
        assert told.endswith(f"Invalid value for 'FILE': '{file}': Input/output error.\n")
        assert place.kept() == []

    def test_a_reader_that_leaves(self, place: Place) -> None:
        """An export into a pipe that nobody reads any more ends without a word."""
        place.add(*THREE)
        reader, writer = os.pipe()
        os.close(reader)
        with (
            suppress(BrokenPipeError),  # once more, when it is closed
            os.fdopen(writer, "w") as closed,
            redirect_stdout(closed),
            redirect_stderr(StringIO()) as complained,
            pytest.raises(SystemExit) as left,
        ):
            cli.app(["export", "--database", place.url], prog_name="connect-core")
        assert (left.value.code, complained.getvalue()) == (1, "")


class TestRecords:
    """`parse_record` reads what `record_document` writes, and a bare resource object."""

    def test_a_bare_resource_object(self) -> None:
        record = parse_record(resource(THREE[0]))
        assert record.connection == THREE[0].connection.model_copy(update={"version": 1})
        assert (record.events, record.pointer) == (None, "")

    def test_a_document_without_a_history(self) -> None:
        record = parse_record(connection_document(THREE[0].connection))
        assert (record.connection.version, record.events, record.pointer) == (1, None, "/data")

    def test_problems_that_were_found_before(self) -> None:
        value, repeated = load_json(BAD["a member twice"][0])
        with pytest.raises(InvalidDocumentError) as caught:
            parse_record(value, repeated)
        assert [problem.pointer for problem in caught.value.problems] == ["/data/id"]


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
