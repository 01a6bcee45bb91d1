"""Databases: how they are named, and why one cannot be used."""

import json
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from socket import create_server, socket
from threading import Thread
from typing import Any, NoReturn, Protocol
from urllib.parse import quote
from uuid import uuid4
from warnings import catch_warnings, simplefilter

import pytest
from databases import postgresql
from exports import THREE, line
from people import (
    CHANGES,
    NOBODYS,
    OURS,
    QUESTIONS,
    People,
    Person,
    create_tables,
    filled,
    spoil,
)
from psycopg.errors import lookup
from sqlalchemy import URL, Engine, create_engine, event, func, inspect, select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session
from support import OUR_KEY
from terminal import complaint, outcome, run, squeezed

from connect_core import ConnectionService
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
        create_tables(str(tmp_path / name))
        connection_id = Person(OUR_KEY, str(tmp_path / name)).create()
        assert Person(OUR_KEY, str(tmp_path / name)).status(connection_id) == "pending"
        assert [each.name for each in tmp_path.iterdir()] == [name]

    def test_a_file_below_where_one_is(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        create_tables("mine.db")
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
        code, written, told = outcome("create", "org_DEF456", *said, "--json", stdin=b"", **home)
        (file,) = tmp_path.rglob("connections.db")
        assert (code, squeezed(told)) == (0, f"Created the database {file}.")
        assert file.parent.name == "connect-core"
        connection_id = json.loads(written)["data"]["id"]
        assert connection_id in run("list", *said, code=0, stdin=b"", **home)
        assert Person(OUR_KEY, str(file)).status(connection_id) == "pending"

    def test_your_own_file_where_none_can_be(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        home = {"HOME": str(tmp_path / "file"), "XDG_DATA_HOME": str(tmp_path / "file")}
        output = complaint("create", "org_DEF456", "--as", OURS, stdin=b"", **home)
        assert output.endswith(
            f"{UNUSABLE}{tmp_path / 'file'}/connect-core cannot be made: Not a directory.\n"
        )

    def test_tests_have_no_data_directory(self) -> None:
        assert "cannot be made" in complaint("create", "org_DEF456", "--as", OURS)


UNUSABLE = "\n\nError: Invalid value for '--database' (or CONNECT_CORE_DATABASE): "


def unusable(place: str, *arguments: str) -> str:
    """Why a database cannot be used. The message is the same for text and for JSON."""
    whole = [*(arguments or ["list"]), "--as", OURS, "--database", place]
    output = complaint(*whole)
    assert complaint(*whole, "--json") == output
    usage, _, reason = output.partition(UNUSABLE)
    assert usage.startswith("Usage: connect-core ")
    return reason


class TestUnusableDatabases:
    """The message about an unusable database has the reason, and never a password."""

    def test_a_directory(self, tmp_path: Path) -> None:
        assert unusable(str(tmp_path)) == f"{tmp_path}: unable to open database file.\n"

    @pytest.mark.parametrize(
        "url",
        [
            "sqlite://",
            "sqlite:///:memory:",
            ":memory:",
            "sqlite:///file::memory:?uri=true",
            "sqlite:///file:x?mode=memory&cache=shared&uri=true",
        ],
    )
    def test_one_that_would_not_last(self, url: str) -> None:
        assert unusable(url) == "a database in memory would be gone when the command ends.\n"

    def test_a_place_where_no_file_can_be(self, tmp_path: Path) -> None:
        place = tmp_path / "absent" / "x.db"
        for form in ("{}", "sqlite:///{}", "sqlite+pysqlite:///{}"):
            output = unusable(form.format(place), "create", "org_B")
            assert output == f"{place}: unable to open database file.\n"
        assert list(tmp_path.iterdir()) == []

    def test_a_file_that_is_something_else(self, tmp_path: Path) -> None:
        file = tmp_path / "notes.txt"
        file.write_text("These are notes, and no database at all.\n" * 100)
        before = file.read_bytes()
        for arguments in (["list"], ["create", "org_B"], ["show", NOBODYS]):
            assert unusable(str(file), *arguments) == f"{file}: file is not a database.\n"
        assert file.read_bytes() == before

    def test_a_name_that_would_disturb_a_terminal(self, tmp_path: Path) -> None:
        output = unusable(str(tmp_path / "\x1b[31m\u202e" / "x.db"), "create", "org_B")
        assert output == f"{tmp_path}/\\u001b[31m\\u202e/x.db: unable to open database file.\n"

    @pytest.mark.parametrize("arguments", [["list"], ["create", "org_B"], ["export"]])
    def test_a_database_of_something_else(self, tmp_path: Path, arguments: list[str]) -> None:
        """It stays as it is."""
        file = tmp_path / "other.db"
        with closing(sqlite3.connect(file)) as other:
            other.execute("CREATE TABLE connections (wire TEXT)")
        before = file.read_bytes()
        whole = [*arguments, *([] if arguments == ["export"] else ["--as", OURS])]
        output = complaint(*whole, "--database", str(file))
        assert f"{UNUSABLE}{file}: it has a table connections of another kind, " in output
        assert file.read_bytes() == before
        assert list(tmp_path.iterdir()) == [file]

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
        output = unusable(f"sqlite:///{tmp_path}/x.db?{options}", "create", "org_B")
        assert named in output
        assert list(tmp_path.iterdir()) == []

    def test_an_option_that_would_be_left_out(self, tmp_path: Path) -> None:
        """If SQLAlchemy warns of it, as later versions do, that is an error here."""
        place = f"sqlite:///{tmp_path}/x.db?colour=red"
        with catch_warnings(record=True) as warned:
            simplefilter("always")
            create_engine(place).dispose()
        code, _, complained = outcome("create", "org_B", "--as", OURS, "--database", place)
        assert code == (2 if warned else 0)
        assert (f"{UNUSABLE}Query string argument(s) 'colour' " in complained) is bool(warned)
        assert "Background" not in complained
        assert (tmp_path / "x.db").exists() is not bool(warned)

    def test_an_option_that_postgresql_does_not_take(self) -> None:
        output = unusable("postgresql://me:s3cret@127.0.0.1:1/x?colour=red")
        assert output == 'invalid connection option "colour".\n'

    def test_a_database_that_is_not_there(self) -> None:
        with postgresql() as url:
            absent = url.set(database="absent", password="s3cret")  # noqa: S106  # not a real one
            output = unusable(absent.render_as_string(hide_password=False))
        assert output.endswith('"absent" does not exist.\n')
        assert "s3cret" not in output


#: What names a database in another way than a SQLAlchemy URL or a file does.
ANOTHER_WAY = [
    "host=db.example password=s3cret dbname=x",
    "dbname=x user=me password = s3cret",
    "service=ours",
    "postgresql:me:s3cret@host/x",
    "postgres:/x",
    "sqlite:x.db",
    "SQLite+pysqlite:x.db",
    "file:x.db",
    "me:s3cret@host/x",
    "me:s3cret@host:5432",
]


class TestNamesOfAnotherKind:
    """What was meant as something else does not become a SQLite file of that name."""

    @pytest.mark.parametrize("arguments", [["list"], ["create", "org_B"]], ids=" ".join)
    @pytest.mark.parametrize("name", ANOTHER_WAY)
    def test_is_refused(
        self,
        name: str,
        arguments: list[str],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.chdir(tmp_path)
        assert unusable(name, *arguments) == (
            "it is neither a file nor a URL: write sqlite:///FILE,"
            " postgresql://USER@HOST:PORT/NAME or mariadb://USER@HOST:PORT/NAME; a file of such a"
            " name is ./FILE.\n"
        )
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("name", ["host=1", "file:x.db", "a:b@c.db"])
    def test_a_file_of_such_a_name(
        self, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        create_tables(f"./{name}")
        assert "There are none" in run("list", "--as", OURS, "--database", f"./{name}")
        assert [each.name for each in tmp_path.iterdir()] == [name]

    @pytest.mark.parametrize(
        "name",
        [
            "hosts=1.db",
            "backup:2026.db",
            "C:connections.db",
            "C:\\me@home\\x.db",
            "a@b.db",
            "x.db?y=z",
        ],
    )
    def test_other_names(self, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        create_tables(str(tmp_path / name))
        assert "There are none" in run("list", "--as", OURS, "--database", name)


#: Commands that create no database and no tables.
CREATE_NOTHING = [
    ["list"],
    ["show", NOBODYS],
    ["history", NOBODYS],
    ["check", NOBODYS, "inquiry.read"],
    ["activate", NOBODYS],
    ["deactivate", NOBODYS],
    ["reactivate", NOBODYS],
    ["export"],
    ["export", "out.jsonl"],
]


class TestWhatIsAbsent:
    """Only `create` and `import` create a database, and they say so."""

    @pytest.mark.parametrize("arguments", CREATE_NOTHING, ids=" ".join)
    @pytest.mark.parametrize("form", ["{}", "sqlite:///{}"])
    def test_a_file(
        self, arguments: list[str], form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "out.jsonl").write_text(line(THREE[0]))
        file = tmp_path / "typo.db"
        whole = [*arguments, *([] if arguments[0] == "export" else ["--as", OURS])]
        output = complaint(*whole, "--database", form.format(file))
        assert output.endswith(
            f"{UNUSABLE}{file}: it does not exist. Only connect-core create, import, keys create"
            " and serve would create it.\n"
        )
        assert (tmp_path / "out.jsonl").read_text() == line(THREE[0])
        assert [each.name for each in tmp_path.iterdir()] == ["out.jsonl"]

    @pytest.mark.parametrize("option", [[], ["--database", ""]], ids=["none", "empty"])
    def test_your_own_file(self, option: list[str], tmp_path: Path) -> None:
        home = {"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path / "data")}
        output = complaint("list", "--as", OURS, *option, stdin=b"", **home)
        assert "connections.db: it does not exist. " in output
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("arguments", [["list"], ["activate", NOBODYS]], ids=" ".join)
    def test_tables(self, arguments: list[str], tmp_path: Path) -> None:
        file = tmp_path / "empty.db"
        file.touch()
        assert unusable(str(file), *arguments).startswith(f"{file}: there is no table connection")
        assert file.read_bytes() == b""
        with postgresql() as url:
            whole = url.render_as_string(hide_password=False)
            output = unusable(whole, *arguments)
            engine = create_engine(url)
            assert inspect(engine).get_table_names() == []
            engine.dispose()
        assert output.startswith("postgresql+psycopg://root@127.0.0.1:5432/test: there is no table")
        assert "search_path" not in output

    def test_that_a_file_was_created(self, tmp_path: Path) -> None:
        for number, arguments in enumerate((["create", "org_B", "--as", OURS], ["import", "-"])):
            file = tmp_path / f"{number}.db"
            code, _, told = outcome(*arguments, "--database", str(file))
            assert (code, squeezed(told)) == (0, f"Created the database {file}.")
            code, _, told = outcome(
                *arguments[:1], "org_C", *arguments[2:], "--database", str(file)
            )
            assert told == "" or arguments[0] == "import"

    def test_that_tables_were_created(self) -> None:
        with postgresql() as url:
            secret = url.set(password="s3cret")  # noqa: S106  # not a real one
            whole = secret.render_as_string(hide_password=False)
            code, _, told = outcome("create", "org_B", "--as", OURS, "--database", whole)
            assert code == 0
            assert squeezed(told) == (
                "Created the tables in the database"
                " postgresql+psycopg://root:***@127.0.0.1:5432/test."
            )
            assert "There are none" not in run("list", "--as", OURS, "--database", whole)


def unavailable(place: str, *arguments: str) -> str:
    """What is said of a database that is not available. It is the same with --json."""
    whole = [*arguments, "--as", OURS, "--database", place]
    code, written, told = outcome(*whole)
    assert (code, written) == (4, "")
    assert outcome(*whole, "--json") == (4, "", told)
    assert "s3cret" not in told
    return squeezed(told)


class Refusing(Protocol):
    """Makes a server that answers each connection with this text, and closes it."""

    def __call__(self, answer: bytes) -> int: ...


@pytest.fixture
def server() -> Iterator[Refusing]:
    """Servers on 127.0.0.1 that speak PostgreSQL's protocol as far as a refusal."""
    listening: list[socket] = []

    def start(answer: bytes) -> int:
        bound = create_server(("127.0.0.1", 0))
        listening.append(bound)

        def refuse(client: socket) -> None:
            with suppress(OSError), client:
                while (request := client.recv(1000)) and request[4:8] == b"\x04\xd2\x16/":
                    client.sendall(b"N")  # no SSL
                client.sendall(answer)

        def serve() -> None:
            with suppress(OSError):
                while True:  # a driver may keep a connection that was refused
                    Thread(target=refuse, args=bound.accept()[:1], daemon=True).start()

        Thread(target=serve, daemon=True).start()
        return int(bound.getsockname()[1])

    yield start
    for each in listening:
        each.close()


def fatal(text: str, state: str = "57P03", severity: str = "FATAL") -> bytes:
    """PostgreSQL's message that ends a connection."""
    fields = b"".join(
        code + value.encode() + b"\0"
        for code, value in ((b"S", severity), (b"V", "FATAL"), (b"C", state), (b"M", text))
    )
    return b"E" + (len(fields) + 5).to_bytes(4, "big") + fields + b"\0"


class TestUnavailableDatabases:
    """A database that is down, or kept busy, is neither wrong usage nor a refusal: it is 4."""

    @pytest.fixture
    def closed_port(self) -> int:
        """A port on which nothing listens."""
        with closing(socket()) as bound:
            bound.bind(("127.0.0.1", 0))
            return int(bound.getsockname()[1])

    @pytest.mark.parametrize(
        ("arguments", "unchanged"), [(["list"], ""), (["create", "org_B"], " Nothing was changed.")]
    )
    def test_a_server_that_does_not_answer(
        self, closed_port: int, arguments: list[str], unchanged: str
    ) -> None:
        output = unavailable(f"postgresql://me:s3cret@127.0.0.1:{closed_port}/x", *arguments)
        assert output.startswith(
            f"postgresql://me:***@127.0.0.1:{closed_port}/x is not available: connection failed: "
        )
        assert "Connection refused" in output
        assert " accepting TCP/IP connections? Check that " in output
        assert output.endswith(
            f"Check that the server runs, and that its host and port are right.{unchanged}"
        )

    def test_a_host_that_is_not_known(self) -> None:
        output = unavailable("postgresql://me:s3cret@absent.invalid/x", "list")
        assert "its host and port are right." in output

    @pytest.mark.parametrize(
        "answer",
        [
            fatal("the database system is starting up"),
            fatal("the database system is shutting down"),
            fatal("the database system is in recovery mode"),
            fatal("sorry, too many clients already", "53300"),
            fatal("remaining connection slots are reserved", "53300"),
            b"",
        ],
    )
    def test_a_server_that_takes_nobody(self, server: Refusing, answer: bytes) -> None:
        unavailable(f"postgresql://me:s3cret@127.0.0.1:{server(answer)}/x", "list")

    @pytest.mark.parametrize(
        ("text", "severity"),
        [
            ('password authentication failed for user "me"', "FATAL"),
            ("authentification par mot de passe echouee pour me", "FATAL"),
            ("la base de donnees x n existe pas", "FATAL"),
            ('database "x" does not exist', "FATAL"),
            ("no pg_hba.conf entry for host", "FATAL"),
        ],
    )
    def test_a_server_that_refuses_this_user(
        self, server: Refusing, text: str, severity: str
    ) -> None:
        """That is wrong usage, in every language."""
        port = server(fatal(text, "28000", severity))
        assert text in unusable(f"postgresql://me:s3cret@127.0.0.1:{port}/x")

    def test_what_a_server_lacks(self, server: Refusing) -> None:
        output = unusable(
            f"postgresql://me@127.0.0.1:{server(b'')}/x?sslmode=require&connect_timeout=60"
        )
        assert "SSL was required" in output

    def test_connecting_has_a_time_limit(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The driver's own is two minutes. What the user has set is kept."""
        opened_with: list[str | None] = []

        def open_engine(url: URL, **_: object) -> Engine:
            limit = url.query.get("connect_timeout")
            opened_with.append(None if limit is None else str(limit))
            raise ValueError("enough")

        monkeypatch.setattr("connect_core.adapters.cli.database.open_engine", open_engine)
        for url, variables in (
            ("postgresql://host/x", {}),
            ("postgresql+psycopg://host/x", {}),
            ("postgresql://host/x?connect_timeout=3", {}),
            ("postgresql://host/x?service=ours", {}),
            ("postgresql://host/x", {"PGCONNECT_TIMEOUT": "5"}),
            ("postgresql+pg8000://host/x", {}),
            ("sqlite:///x.db", {}),
        ):
            outcome("list", "--as", OURS, "--database", url, stdin=b"", **variables)
        assert opened_with == ["10", "10", "3", None, None, None, None]

    def test_one_that_another_process_keeps_busy(
        self, people: People, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("connect_core.adapters.sql.engine._BUSY_TIMEOUT", 50)
        connection_id = people.connection()
        with closing(sqlite3.connect(people.source.database, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            output = unavailable(people.source.database, "deactivate", connection_id)
        assert output == (
            f"{people.source.database} is not available: database is locked. Another process is at"
            " work on it: try again when that has ended. Nothing was changed."
        )

    def test_one_that_cannot_be_written(self, people: People) -> None:
        """That is wrong usage, told at once; it can be read."""
        connection_id = people.connection()
        place = f"sqlite:///file:{people.source.database}?mode=ro&uri=true"
        assert "attempt to write a readonly database" in unusable(place, "create", "org_B")
        assert connection_id in run("list", "--as", OURS, "--database", place)

    @pytest.mark.parametrize("arguments", [["create", "org_B"], ["list"]], ids=" ".join)
    def test_a_connection_that_is_lost(
        self, arguments: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """After a lost connection, nobody knows whether the change was committed."""
        with postgresql() as url:
            place = url.render_as_string(hide_password=False)
            create_tables(place)
            admin = create_engine(url, isolation_level="AUTOCOMMIT")
            stop = text(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
                " WHERE application_name = :name"
            )
            name = f"to be lost {uuid4().hex}"

            def lose() -> None:
                with admin.connect() as connection:
                    connection.execute(stop, {"name": name})

            monkeypatch.setattr(ConnectionService, "list", losing(ConnectionService.list, lose))
            monkeypatch.setattr(ConnectionService, "create", losing(ConnectionService.create, lose))
            code, written, told = outcome(
                *arguments,
                *("--as", OURS, "--database", f"{place}&application_name={quote(name)}"),
            )
            admin.dispose()
        assert (code, written) == (4, "")
        output = squeezed(told)
        assert "The connection was lost: check that the server runs." in output
        assert ("Whether the change was stored is not known: " in output) is (
            arguments[0] == "create"
        )

    @pytest.mark.parametrize(
        ("state", "advice"),
        [
            ("40001", "Another process is at work on it: try again when that has ended."),
            ("40P01", "Another process is at work on it: try again when that has ended."),
            ("55P03", "Another process is at work on it: try again when that has ended."),
            ("53100", "Look at what the server's log says."),
            ("57014", "Look at what the server's log says."),
            ("58030", "Look at what the server's log says."),
            ("57P01", "The connection was lost: check that the server runs."),
            ("08006", "The connection was lost: check that the server runs."),
        ],
    )
    def test_what_a_server_reports(
        self, state: str, advice: str, people: People, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        reported = lookup(state)("it says so")

        def failing(*_: object, **__: object) -> NoReturn:
            raise OperationalError("SELECT", {}, reported)

        monkeypatch.setattr(ConnectionService, "list", failing)
        output = unavailable(people.source.database, "list")
        assert output == f"{people.source.database} is not available: it says so. {advice}"

    @pytest.mark.parametrize("state", ["25006", "42501", "22P02"])
    def test_what_a_server_refuses(
        self, state: str, people: People, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def failing(*_: object, **__: object) -> NoReturn:
            raise OperationalError("SELECT", {}, lookup(state)("it says so"))

        monkeypatch.setattr(ConnectionService, "list", failing)
        assert unusable(people.source.database) == f"{people.source.database}: it says so.\n"

    @pytest.mark.parametrize(
        ("code", "advice"),
        [
            (sqlite3.SQLITE_FULL, "Make room on its disk."),
            (sqlite3.SQLITE_IOERR_WRITE, "Check its disk."),
            (sqlite3.SQLITE_PROTOCOL, "Another process is at work on it: try again when that has"),
            (sqlite3.SQLITE_BUSY_SNAPSHOT, "Another process is at work on it: try again when that"),
        ],
    )
    def test_what_sqlite_reports(
        self, code: int, advice: str, people: People, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        reported = sqlite3.OperationalError("it says so")
        reported.sqlite_errorcode = code

        def failing(*_: object, **__: object) -> NoReturn:
            raise OperationalError("SELECT", {}, reported)

        monkeypatch.setattr(ConnectionService, "create", failing)
        output = unavailable(people.source.database, "create", "org_B")
        assert f" is not available: it says so. {advice}" in output
        assert output.endswith(" Nothing was changed.")

    def test_a_disk_that_is_full(self, people: People) -> None:
        """SQLite reports a file that may have no more pages as it does a full disk."""
        with closing(sqlite3.connect(people.source.database)) as other:
            (pages,) = other.execute("PRAGMA page_count").fetchone()
        limit = f"PRAGMA max_page_count = {pages}"

        def on_connect(connection: Any, _: object) -> None:
            connection.execute(limit)

        event.listen(Engine, "connect", on_connect)
        try:
            codes = [
                outcome(
                    *("create", f"org_{'x' * 200}{number}", "--as", OURS),
                    *("--database", people.source.database),
                )
                for number in range(60)
            ]
        finally:
            event.remove(Engine, "connect", on_connect)
        code, written, told = codes[-1]
        assert (code, written) == (4, "")
        assert "database or disk is full. Make room on its disk. Nothing was changed." in squeezed(
            told
        )


def losing(method: Callable[..., Any], lose: Callable[[], None]) -> Callable[..., Any]:
    """The method, after which the connection is lost."""

    def lost(self: ConnectionService, **options: Any) -> Any:
        result = method(self, **options)
        lose()
        return result

    return lost


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
