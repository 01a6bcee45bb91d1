"""`import` and `export`: files, progress, and others who work on the same database."""

import errno
import json
import os
import sqlite3
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, redirect_stderr, redirect_stdout, suppress
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from databases import database
from exports import THREE, Place, line, loaded, resource, seen, session_on
from hypothesis import given
from hypothesis import strategies as st
from support import PARTNER, histories
from terminal import (
    command,
    complaint,
    environment,
    on_a_terminal,
    outcome,
    piped,
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
from connect_core.adapters import cli
from connect_core.adapters.cli import transfer
from connect_core.adapters.cli.reading import Found
from connect_core.adapters.sql import History, SqlConnectionStore
from connect_core.jsonapi import parse_record, record_document


class TestRoundTrip:
    """Exporting and importing keeps every Connection and every event."""

    def test_lines(self, any_place: Place) -> None:
        any_place.add(*THREE)
        written = any_place.run("export")
        assert written == "".join(map(line, THREE))
        other = Place(f"sqlite:///{any_place.directory / 'other.db'}", any_place.directory)
        assert other.run("import", other.file(written)) == "3 Connections imported.\n"
        assert seen(other.kept()) == seen(any_place.kept()) == THREE

    def test_into_any_database(self, any_place: Place) -> None:
        file = any_place.file("".join(map(line, THREE)))
        assert any_place.run("import", file) == "3 Connections imported.\n"
        assert seen(any_place.kept()) == THREE

    def test_a_list(self, any_place: Place) -> None:
        """A list document has the state of Connections, without their histories."""
        any_place.add(*THREE)
        written = any_place.run("export", "--format", "list")
        assert json.loads(written) == list_document(history.connection for history in THREE)
        other = Place(f"sqlite:///{any_place.directory / 'other.db'}", any_place.directory)
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
        assert not (place.directory / "connections.db").exists()

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
        """Whether it is noticed at once, or only when the buffer is flushed."""
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

    def test_one_state(self, any_place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
        """An export does not contain what is committed while it runs."""
        any_place.add(*THREE[:2])
        monkeypatch.setattr("connect_core.adapters.sql.store._BATCH", 1)
        everything = SqlConnectionStore.everything

        def interrupted(self: SqlConnectionStore) -> Iterator[History]:
            found = everything(self)
            yield next(found)
            any_place.add(THREE[2])
            yield from found

        monkeypatch.setattr(SqlConnectionStore, "everything", interrupted)
        assert any_place.run("export") == "".join(map(line, THREE[:2]))


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
        add_all = SqlConnectionStore.add_all

        def overtaken(self: SqlConnectionStore, added: Sequence[History]) -> Sequence[int]:
            monkeypatch.setattr(SqlConnectionStore, "add_all", add_all)
            any_place.add(THREE[0])
            return self.add_all(added)

        monkeypatch.setattr(SqlConnectionStore, "add_all", overtaken)
        output = outcome("import", any_place.file(line(THREE[0])), "--database", any_place.url)
        assert output[0] == 1
        assert "the id cxn_00000 is taken" in output[2]
        assert seen(any_place.kept()) == THREE[:1]

    def test_who_cannot_be_seen(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Under REPEATABLE READ, an insert can conflict with a row that cannot be seen."""
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
            output = outcome("import", strict.file(line(THREE[0])), "--database", strict.url)
            assert seen(strict.kept()) == THREE[:1]
        assert output == (
            1,
            "",
            "Nothing was imported: somebody else added one of them meanwhile.\n",
        )

    def test_who_spoilt_a_row(self, place: Place) -> None:
        place.add(THREE[0])
        with closing(sqlite3.connect(place.directory / "connections.db")) as file, file:
            file.execute("UPDATE connections SET name = char(7)")
        output = outcome("import", place.file(line(THREE[0])), "--database", place.url)
        assert (output[0], output[1]) == (1, "")
        assert squeezed(output[2]).startswith(
            "What is stored as connections cxn_00000 is not what was written: name: "
        )

    def test_a_disk_that_fails(self, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
        def failing(*_: object) -> Iterator[Found]:
            yield Found(1, "", line(THREE[0]).encode())
            raise OSError(errno.EIO, "Input/output error")

        monkeypatch.setattr(transfer, "records", failing)
        file = place.file("")
        output = complaint("import", file, "--database", place.url)
        assert output.endswith(f"Invalid value for 'FILE': '{file}': Input/output error.\n")
        assert place.kept() == []

    def test_a_reader_that_leaves(self, place: Place) -> None:
        """An export into a closed pipe ends without a message."""
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
