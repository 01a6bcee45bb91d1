"""Databases: how they are named, and why one cannot be used."""

import json
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from socket import socket
from warnings import catch_warnings, simplefilter

import pytest
from databases import postgresql
from people import CHANGES, NOBODYS, OURS, QUESTIONS, People, Person, filled, spoil
from sqlalchemy import create_engine, func, select
from sqlalchemy.orm import Session
from support import OUR_KEY
from terminal import complaint, outcome, run, squeezed

from connect_core.adapters.cli.database import opened, seeing_one_state
from connect_core.adapters.sql import connections


class TestDatabases:
    """`--database` names a file or a URL; without it CONNECT_CORE_DATABASE, or your own file."""

    @pytest.mark.parametrize("form", ["{}", "sqlite:///{}", "sqlite+pysqlite:///{}"])
    def test_a_file_or_its_url(self, form: str, tmp_path: Path, people: People) -> None:
        connection_id = people.connection()
        place = form.format(tmp_path / "connections.db")
        assert Person(OUR_KEY, place).status(connection_id) == "pending"

    @pytest.mark.parametrize("name", ["a b?c=d&e#f%20g.db", "ü 🎉.db", "'\".db", "\udcff.db"])
    def test_a_file_of_any_name(self, name: str, tmp_path: Path) -> None:
        connection_id = Person(OUR_KEY, str(tmp_path / name)).create()
        assert Person(OUR_KEY, str(tmp_path / name)).status(connection_id) == "pending"
        assert [each.name for each in tmp_path.iterdir()] == [name]

    def test_a_file_below_where_one_is(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        connection_id = Person(OUR_KEY, "mine.db").create()
        assert Person(OUR_KEY, str(tmp_path / "mine.db")).status(connection_id) == "pending"

    def test_to_ask_waits_for_nobody(self, people: People) -> None:
        connection_id = people.connection()
        with closing(sqlite3.connect(people.source.database)) as other:
            other.execute("BEGIN IMMEDIATE")
            assert people.source.status(connection_id) == "pending"

    def test_is_left_closed(self, people: People, tmp_path: Path) -> None:
        connection_id = people.connection()
        people.source.run("show", connection_id)
        people.source.refused("activate", connection_id)
        assert [each.name for each in tmp_path.iterdir()] == ["connections.db"]

    def test_the_variable(self, people: People) -> None:
        connection_id = people.connection()
        variable = {"CONNECT_CORE_DATABASE": people.source.database}
        written = run("list", "--as", OURS, code=0, stdin=b"", **variable)
        assert connection_id in written

    def test_the_option_goes_first(self, people: People) -> None:
        connection_id = people.connection()
        assert connection_id in people.source.run("list", CONNECT_CORE_DATABASE="/dev/null/x.db")

    @pytest.mark.parametrize("option", [[], ["--database", ""]], ids=["none", "empty"])
    def test_your_own_file(self, option: list[str], tmp_path: Path) -> None:
        home = {"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path / "not" / "there yet")}
        said = ["--as", OURS, *option]
        written = run("create", "org_DEF456", *said, "--json", code=0, stdin=b"", **home)
        (file,) = tmp_path.rglob("connections.db")
        assert file.parent.name == "connect-core"
        connection_id = json.loads(written)["data"]["id"]
        assert connection_id in run("list", *said, code=0, stdin=b"", **home)
        assert Person(OUR_KEY, str(file)).status(connection_id) == "pending"

    def test_your_own_file_where_none_can_be(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        home = {"HOME": str(tmp_path / "file"), "XDG_DATA_HOME": str(tmp_path / "file")}
        output = complaint("list", "--as", OURS, stdin=b"", **home)
        assert output.endswith(
            f"{UNUSABLE}{tmp_path / 'file'}/connect-core cannot be made: Not a directory.\n"
        )

    def test_tests_have_no_data_directory(self) -> None:
        assert "cannot be made" in complaint("list", "--as", OURS)


UNUSABLE = "\n\nError: Invalid value for '--database' (or CONNECT_CORE_DATABASE): "


def unusable(place: str, *arguments: str) -> str:
    """Why a database cannot be used. The message is the same for text and for JSON."""
    whole = [*(arguments or ["list"]), "--as", OURS, "--database", place]
    output = complaint(*whole)
    assert complaint(*whole, "--json") == output
    usage, _, reason = output.partition(UNUSABLE)
    assert usage.startswith("Usage: connect-core ")
    return reason


@pytest.fixture
def closed_port() -> int:
    """A port on which nothing listens."""
    with closing(socket()) as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


class TestUnusableDatabases:
    """The message about an unusable database has the reason, and never a password."""

    def test_a_directory(self, tmp_path: Path) -> None:
        assert unusable(str(tmp_path)) == f"{tmp_path}: unable to open database file.\n"

    @pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", ":memory:"])
    def test_one_that_would_not_last(self, url: str) -> None:
        assert unusable(url) == "a database in memory would be gone when the command ends.\n"

    def test_a_place_where_no_file_can_be(self, tmp_path: Path) -> None:
        place = tmp_path / "absent" / "x.db"
        for form in ("{}", "sqlite:///{}", "sqlite+pysqlite:///{}"):
            assert unusable(form.format(place)) == f"{place}: unable to open database file.\n"
        assert list(tmp_path.iterdir()) == []

    def test_a_file_that_is_something_else(self, tmp_path: Path) -> None:
        file = tmp_path / "notes.txt"
        file.write_text("These are notes, and no database at all.\n" * 100)
        before = file.read_bytes()
        for arguments in (["list"], ["create", "org_B"], ["show", NOBODYS]):
            assert unusable(str(file), *arguments) == f"{file}: file is not a database.\n"
        assert file.read_bytes() == before

    def test_a_name_that_would_disturb_a_terminal(self, tmp_path: Path) -> None:
        output = unusable(str(tmp_path / "\x1b[31m\u202e" / "x.db"))
        assert output == f"{tmp_path}/\\u001b[31m\\u202e/x.db: unable to open database file.\n"

    def test_a_database_of_something_else(self, tmp_path: Path) -> None:
        file = tmp_path / "other.db"
        with closing(sqlite3.connect(file)) as other:
            other.execute("CREATE TABLE connections (wire TEXT)")
        assert unusable(str(file)).startswith(f"{file}: no such column: connections.")

    @pytest.mark.parametrize(
        "url",
        [
            "postgresql://me:s3cret@host:port/x",
            "postgresql://me:s3cret@[::1/x",
            "://s3cret",
        ],
    )
    def test_a_url_that_cannot_be_read(self, url: str) -> None:
        assert unusable(url) == "it is neither a file nor a URL that SQLAlchemy can read.\n"

    def test_a_database_that_nobody_knows(self) -> None:
        output = unusable("unheard://me:s3cret@host/x")
        assert "unheard" in output
        assert "s3cret" not in output

    def test_an_asynchronous_driver(self) -> None:
        output = unusable("postgresql+asyncpg://me:s3cret@host/x")
        assert output.startswith("postgresql+asyncpg is an asynchronous driver: ")
        assert "s3cret" not in output

    @pytest.mark.parametrize(
        ("url", "output"),
        [
            (
                "postgresql://me:s3cret@host/x",
                "it needs psycopg, which is not installed. "
                "Install it with: pip install 'connect-core[postgres]'.\n",
            ),
            (
                "postgresql+psycopg2://me:s3cret@host/x",
                "it needs psycopg2, which is not installed.\n",
            ),
        ],
    )
    def test_a_driver_that_is_not_installed(
        self, url: str, output: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for driver in ("psycopg", "psycopg2"):
            monkeypatch.setitem(sys.modules, driver, None)
        assert unusable(url) == output

    def test_a_driver_that_lacks_a_library(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "psycopg.py").write_text("raise ImportError('libpq is not to be found')")
        monkeypatch.delitem(sys.modules, "psycopg", raising=False)
        monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
        assert unusable("postgresql://me:s3cret@host/x") == "libpq is not to be found.\n"

    @pytest.mark.parametrize(
        ("options", "named"),
        [("timeout=soon", "'soon'"), ("check_same_thread=perhaps", "'perhaps'")],
    )
    def test_an_option_that_the_driver_does_not_take(
        self, options: str, named: str, tmp_path: Path
    ) -> None:
        output = unusable(f"sqlite:///{tmp_path}/x.db?{options}")
        assert named in output
        assert list(tmp_path.iterdir()) == []

    def test_an_option_that_would_be_left_out(self, tmp_path: Path) -> None:
        """If SQLAlchemy warns of it, as later versions do, that is an error here."""
        place = f"sqlite:///{tmp_path}/x.db?colour=red"
        with catch_warnings(record=True) as warned:
            simplefilter("always")
            create_engine(place).dispose()
        code, _, complained = outcome("list", "--as", OURS, "--database", place)
        assert code == (2 if warned else 0)
        assert (f"{UNUSABLE}Query string argument(s) 'colour' " in complained) is bool(warned)
        assert "Background" not in complained
        assert (tmp_path / "x.db").exists() is not bool(warned)

    def test_an_option_that_postgresql_does_not_take(self) -> None:
        output = unusable("postgresql://me:s3cret@127.0.0.1:1/x?colour=red")
        assert output == 'invalid connection option "colour".\n'

    def test_a_server_that_does_not_answer(self, closed_port: int) -> None:
        output = unusable(f"postgresql://me:s3cret@127.0.0.1:{closed_port}/x")
        assert "failed: Connection refused" in output
        assert output.endswith(" accepting TCP/IP connections?\n")
        assert output.count("\n") == 1
        assert "s3cret" not in output

    def test_a_database_that_is_not_there(self) -> None:
        with postgresql() as url:
            absent = url.set(database="absent", password="s3cret")  # noqa: S106  # not a real one
            output = unusable(absent.render_as_string(hide_password=False))
        assert output.endswith('"absent" does not exist.\n')
        assert "s3cret" not in output


class TestSpoiltRecords:
    """Nothing is served from a spoilt record, and the message names the record."""

    def test_a_row(self, anywhere: People) -> None:
        connection_id = anywhere.connection()
        spoil(anywhere.source.database, "UPDATE connections SET creator_id = 'nobody'")
        for arguments in (*QUESTIONS[1:], *CHANGES):
            output = squeezed(anywhere.source.refused(*filled(arguments, connection_id)))
            assert output.startswith("What is stored as ")
            assert connection_id in output
            assert " is not what was written: " in output
            assert output.endswith(" Compare it with a backup; nothing was served from it.")
        (error,) = anywhere.source.refused_json("show", connection_id)["errors"]
        assert error["meta"] == {"code": "invalid_record"}
        assert error["details"] == squeezed(anywhere.source.refused("show", connection_id))

    @pytest.mark.parametrize("side", ["source", "destination"])
    def test_a_row_in_a_list(self, anywhere: People, side: str) -> None:
        """The rest is listed, and the record is named on stderr."""
        good, bad = anywhere.connection(), anywhere.source.create("org_GHI789")
        which = f"WHERE id = '{bad}'"
        spoil(anywhere.source.database, f"UPDATE connections SET name = '\n' {which}")  # noqa: S608  # our id
        person: Person = getattr(anywhere, side)
        for more in ([], ["--json"]):
            who = f"{person.actor.id}@{person.actor.organization_id}"
            code, written, complained = outcome(
                "list", *more, "--as", who, "--database", person.database
            )
            assert code == 0
            assert good in written
            assert bad not in written
            named = f"Left out: What is stored as connections {bad} is not what was written: "
            assert squeezed(complained).startswith(named if side == "source" else "")
            assert bool(complained) is (side == "source")

    def test_a_history(self, anywhere: People) -> None:
        connection_id = anywhere.connection("active")
        spoil(anywhere.source.database, "DELETE FROM connection_events WHERE version = 2")
        assert squeezed(anywhere.source.refused("history", connection_id)) == (
            f"What is stored as the history of {connection_id} is not what was written: "
            "it leads to another status, updated_at, version than is stored. "
            "Compare it with a backup; nothing was served from it."
        )
        assert anywhere.source.status(connection_id) == "active"


class TestOneState:
    """A long read sees the database as it was when the read began."""

    def test_what_is_committed_meanwhile_is_not_seen(self, anywhere: People) -> None:
        number = select(func.count()).select_from(connections)
        anywhere.source.create("org_A")
        with opened(anywhere.source.database) as engine:
            with Session(seeing_one_state(engine)) as session:
                assert session.scalar(number) == 1
                anywhere.source.create("org_B")
                assert session.scalar(number) == 1
            with Session(seeing_one_state(engine)) as session:
                assert session.scalar(number) == 2
