"""Engines: the settings for each database, and the creation of tables."""

import sqlite3
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing
from pathlib import Path
from select import select as wait_for
from threading import Timer
from typing import Any
from unittest.mock import Mock, patch

import pytest
from databases import SERVERS, database, mariadb, postgresql
from embedding import THEIRS, committed, count, service_in
from sqlalchemy import URL, Connection, Engine, create_engine, inspect, make_url, select, text
from sqlalchemy.exc import (
    ArgumentError,
    InvalidRequestError,
    NoSuchModuleError,
    NoSuchTableError,
    OperationalError,
)
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import Session
from sqlalchemy.schema import CreateTable
from support import OUR_KEY

from connect_core import Status
from connect_core.adapters.sql import (
    configure_engine,
    connections,
    idempotency_keys,
    metadata,
    open_engine,
)
from connect_core.adapters.sql import engine as sql_engine
from connect_core.adapters.sql.engine import engine_for


class TestEngines:
    """`open_engine`: the settings that each database needs, and the tables."""

    def test_the_tables_are_created_once(self, engine: Engine) -> None:
        assert set(inspect(engine).get_table_names()) >= THREE_TABLES
        committed(engine)
        if engine.url.database is None:  # a second engine would be another database
            return
        again = open_engine(engine.url)
        assert count(again, connections) == 1
        again.dispose()

    def test_to_open_waits_for_nobody(self, engine: Engine) -> None:
        """Neither for a writer nor for one who creates the tables elsewhere."""
        if engine.url.database is None:  # where there is nobody else
            return
        url = engine.url
        with Session(engine) as session, session.begin():
            service_in(session).create(by=OUR_KEY, destination=THEIRS)
            if engine.dialect.name == "postgresql":
                session.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": 0x636F6E6E})
                options = f"{url.query['options']} -clock_timeout=1000"
                url = url.update_query_dict({"options": options})
            open_engine(url).dispose()

    def test_sqlite(self, tmp_path: Path) -> None:
        engine = open_engine(f"sqlite:///{tmp_path / 'connections.db'}")
        with engine.connect() as connection:
            settings = {
                name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                for name in ("journal_mode", "foreign_keys", "busy_timeout", "synchronous")
            }
        assert settings == {
            "journal_mode": "wal",
            "foreign_keys": 1,
            "busy_timeout": 30_000,
            "synchronous": 1,
        }
        engine.dispose()

    @pytest.mark.parametrize("patient", [False, True])
    def test_write_ahead_logging_waits_for_others(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, patient: bool
    ) -> None:
        """SQLite fails at once while somebody writes to a database without a write-ahead log."""
        path = tmp_path / "connections.db"
        other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        other.execute("CREATE TABLE theirs (id INTEGER)")
        other.execute("BEGIN IMMEDIATE")
        if patient:
            timer = Timer(0.3, other.execute, ["COMMIT"])
            timer.start()
            open_engine(f"sqlite:///{path}").dispose()
            timer.join()
        else:
            slept: list[float] = []
            monkeypatch.setattr(sql_engine, "sleep", slept.append)
            monkeypatch.setattr(sql_engine, "_BUSY_TIMEOUT", 41)
            with pytest.raises(OperationalError, match="database is locked"):
                open_engine(f"sqlite:///{path}")
            assert slept == [0.02] * 3
            other.execute("COMMIT")
        other.close()
        again = sqlite3.connect(path)
        assert again.execute("PRAGMA journal_mode").fetchone() == ("wal" if patient else "delete",)
        again.close()

    def test_transactions_begin_as_writing_ones(self, tmp_path: Path) -> None:
        """Two transactions that read and then write take turns, and neither fails."""
        engine = open_engine(f"sqlite:///{tmp_path / 'connections.db'}")
        impatient = create_engine(engine.url, connect_args={"timeout": 0})
        reader = engine.execution_options(only_reads=True)
        with engine.connect() as writing, writing.begin():
            writing.execute(select(connections))
            with impatient.connect() as other:
                other.exec_driver_sql("PRAGMA busy_timeout = 0")
                with pytest.raises(OperationalError, match="database is locked"):
                    other.exec_driver_sql("BEGIN IMMEDIATE")
            with reader.connect() as reading:  # and who only reads does not wait
                assert reading.execute(select(connections)).all() == []
        engine.dispose()
        impatient.dispose()

    def test_an_engine_of_the_hosts_own(self, tmp_path: Path) -> None:
        engine = create_engine(f"sqlite:///{tmp_path / 'host.db'}")
        assert configure_engine(engine) is engine
        metadata.create_all(engine)
        assert committed(engine).status is Status.ACTIVE
        engine.dispose()

    def test_one_transaction_at_a_time_in_memory(self) -> None:
        engine = open_engine("sqlite://")
        committed(engine)
        with Session(engine) as session:
            assert service_in(session).get("cxn_1", by=OUR_KEY).version == 2
        with Session(engine) as session, ThreadPoolExecutor(1) as pool:
            service_in(session).list(by=OUR_KEY)
            waiting = pool.submit(count, engine, connections)
            with pytest.raises(TimeoutError):
                waiting.result(0.1)
            session.rollback()
            assert waiting.result(30) == 1
        for url in ("sqlite:///:memory:", "sqlite:///"):
            other = open_engine(url)
            assert count(other, connections) == 0
            other.dispose()
        engine.dispose()

    def test_two_processes_create_the_tables_at_once(self) -> None:
        """PostgreSQL refuses one of them, which looks again."""
        with postgresql() as url:
            holder = create_engine(url)
            with holder.connect() as other, ThreadPoolExecutor(1) as pool:
                metadata.create_all(other)
                waiting = pool.submit(open_engine, url)
                with pytest.raises(TimeoutError):
                    waiting.result(0.3)
                other.commit()
                waiting.result(30).dispose()
            holder.dispose()

    def test_postgresql_through_psycopg(self) -> None:
        with postgresql() as url:
            for name in ("postgresql", "postgres"):
                plain = url.set(drivername=name).render_as_string(hide_password=False)
                engine = open_engine(plain)
                assert engine.dialect.driver == "psycopg"
                engine.dispose()
            named = open_engine(url.set(drivername="postgresql+psycopg"))
            with named.connect() as connection:
                assert connection.exec_driver_sql("SHOW transaction_isolation").scalar() == (
                    "read committed"
                )
            named.dispose()

    def test_mariadb_through_pymysql(self) -> None:
        with mariadb() as url:
            for name in ("mariadb", "mariadb+pymysql"):
                engine = open_engine(url.set(drivername=name).render_as_string(hide_password=False))
                assert engine.dialect.driver == "pymysql"
                with engine.connect() as connection:
                    assert connection.get_isolation_level() == "READ COMMITTED"
                engine.dispose()

    @pytest.mark.parametrize("name", ["mysql", "mysql+pymysql"])
    def test_a_mariadb_that_is_called_a_mysql(self, name: str) -> None:
        with mariadb() as url:
            with pytest.raises(
                ValueError, match=r"^the server is a MariaDB: begin the URL with mar"
            ):
                open_engine(url.set(drivername=name))
            admin = create_engine(url)
            assert inspect(admin).get_table_names() == []
            admin.dispose()

    def test_several_create_the_tables_of_mariadb_at_once(self) -> None:
        """There is no transaction around it: whoever is slower looks again."""
        with mariadb() as url, ThreadPoolExecutor(4) as pool:
            for engine in list(pool.map(open_engine, [url] * 4)):
                assert set(inspect(engine).get_table_names()) == THREE_TABLES
                assert indexes_of(engine) == indexes_of_metadata()
                engine.dispose()

    def test_a_process_was_killed_while_it_created_them(self) -> None:
        """Its last table has no indexes, and others are absent; who opens it next adds them."""
        with mariadb() as url:
            half = create_engine(url)
            with half.begin() as connection:
                connection.execute(CreateTable(connections))
            with pytest.raises(
                NoSuchTableError, match=r"there is no table connection_.*, ix_connections_source"
            ):
                open_engine(url, create=False)
            open_engine(url).dispose()
            assert indexes_of(half) == indexes_of_metadata()
            with half.begin() as connection:
                connection.exec_driver_sql("DROP INDEX ix_connections_source ON connections")
            with pytest.raises(NoSuchTableError, match=r"ix_connections_source$"):
                open_engine(url, create=False)
            open_engine(url).dispose()
            open_engine(url, create=False).dispose()
            assert indexes_of(half) == indexes_of_metadata()
            half.dispose()

    @pytest.mark.parametrize(
        ("url", "error"),
        [
            ("", ArgumentError),
            ("connections.db", ArgumentError),
            ("oracular://host", NoSuchModuleError),
            ("sqlite:////no/such/directory/connections.db", OperationalError),
            ("postgresql://127.0.0.1:1/test", OperationalError),
            ("mariadb://127.0.0.1:1/test", OperationalError),
            ("mariadb+aiomysql://127.0.0.1:1/test", ArgumentError),
        ],
    )
    def test_what_cannot_be_opened(self, url: str, error: type[Exception]) -> None:
        with pytest.raises(error):
            open_engine(url)


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[URL]:
    """An empty database on a server."""
    with database(request.param, tmp_path) as url:
        yield url


class TestClosedConnections:
    """Connections that the server has closed are replaced; it is asked only if it has to be."""

    @pytest.fixture
    def engine(self, server: URL) -> Iterator[Engine]:
        engine = open_engine(server)
        yield engine
        engine.dispose()

    @pytest.fixture
    def pings(self, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Mock:
        """Each time the server is asked."""
        pings = Mock(wraps=engine.dialect.do_ping)
        monkeypatch.setattr(engine.dialect, "do_ping", pings)
        return pings

    def test_all_of_them(self, engine: Engine, pings: Mock) -> None:
        """The server has closed two: the first that is used makes the pool replace both."""
        with engine.connect() as one, engine.connect() as other:
            ids = {identity(one), identity(other)}
        close(engine, ids)
        pings.reset_mock()
        with engine.connect() as one, engine.connect() as other:
            assert not {identity(one), identity(other)} & ids
        assert pings.call_count == 1

    def test_one_that_stands(self, engine: Engine, pings: Mock) -> None:
        """PostgreSQL is not asked. PyMySQL does not let its connection be looked at."""
        with engine.connect() as connection:
            before = identity(connection)
        pings.reset_mock()
        with engine.connect() as connection:
            assert identity(connection) == before
        assert pings.call_count == (engine.dialect.name == "mariadb")

    def test_one_that_was_idle_for_long(
        self, engine: Engine, pings: Mock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before, clock = count(engine, connections), Mock()
        pings.reset_mock()
        monkeypatch.setattr("connect_core.adapters.sql.engine.monotonic", clock)
        clock.return_value = 1000.0
        engine.connect().close()
        pings.reset_mock()
        clock.return_value = 1030.0
        assert count(engine, connections) == before
        assert pings.call_count == 1

    def test_one_that_the_server_told_something(self) -> None:
        """A notice that nobody asked for does not mean that the connection is closed."""
        with postgresql() as url:
            engine = open_engine(url)
            with engine.connect() as connection:
                before = identity(connection)
                connection.exec_driver_sql("LISTEN anything")
                connection.commit()
                driver: Any = connection.connection.driver_connection
            other = create_engine(url, isolation_level="AUTOCOMMIT")
            with other.connect() as notifying:
                notifying.exec_driver_sql("NOTIFY anything")
            other.dispose()
            assert wait_for([driver.fileno()], [], [], 10)[0]
            with (
                patch.object(engine.dialect, "do_ping", wraps=engine.dialect.do_ping) as ping,
                engine.connect() as connection,
            ):
                assert identity(connection) == before
            ping.assert_called_once()
            engine.dispose()

    def test_a_new_one(self, engine: Engine, pings: Mock) -> None:
        engine.dispose()
        engine.connect().close()
        pings.assert_not_called()

    def test_sqlite_is_never_asked(self, tmp_path: Path) -> None:
        engine = engine_for(make_url(f"sqlite:///{tmp_path / 'connections.db'}"))
        assert not list(engine.pool.dispatch.checkout)


def identity(connection: Connection) -> int:
    """The server's number for a connection."""
    function = {"postgresql": "pg_backend_pid()", "mariadb": "CONNECTION_ID()"}
    found: int = connection.exec_driver_sql(
        f"SELECT {function[connection.dialect.name]}"
    ).scalar_one()
    return found


def close(engine: Engine, ids: Iterable[int]) -> None:
    """Let the server close these connections."""
    statement = {"postgresql": "SELECT pg_terminate_backend({}, 5000)", "mariadb": "KILL {}"}
    admin = create_engine(engine.url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        for each in ids:
            connection.exec_driver_sql(statement[engine.dialect.name].format(each))
    admin.dispose()


THREE_TABLES = {"connections", "connection_events", "connection_idempotency_keys"}


def indexes_of_metadata() -> set[str]:
    """The names of the indexes of our tables."""
    return {str(each.name) for table in metadata.sorted_tables for each in table.indexes}


def indexes_of(engine: Engine) -> set[str]:
    """The names of those that a database has, without the constraints."""
    found = inspect(engine)
    names = {str(each["name"]) for name in THREE_TABLES for each in found.get_indexes(name)}
    return {name for name in names if name.startswith("ix_")}


def inside(path: Path) -> tuple[str, list[str]]:
    """The journal mode of a SQLite file, and the names of its tables."""
    with closing(sqlite3.connect(path)) as database:
        (mode,) = database.execute("PRAGMA journal_mode").fetchone()
        names = database.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY 1")
        return mode, [name for (name,) in names]


def foreign(path: Path) -> tuple[str, list[str]]:
    """Make a SQLite file of somebody else's that has a table by the name of one of ours."""
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE connections (wire TEXT)")
    return inside(path)


class TestNothingIsCreated:
    """`open_engine(create=False)` creates no file and no table."""

    def test_an_absent_file(self, tmp_path: Path) -> None:
        path = tmp_path / "typo.db"
        with pytest.raises(FileNotFoundError, match="No such file") as absent:
            open_engine(f"sqlite:///{path}", create=False)
        assert absent.value.filename == str(path)
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("options", ["uri=true", "mode=rwc&uri=true", "mode=ro&uri=true"])
    def test_an_absent_file_that_sqlite_finds(self, tmp_path: Path, options: str) -> None:
        """A mode that was asked for is not changed."""
        url = f"sqlite:///file:{tmp_path / 'typo.db'}?{options}"
        creates = "rwc" in options
        with pytest.raises(NoSuchTableError if creates else OperationalError):
            open_engine(url, create=False)
        assert bool(list(tmp_path.iterdir())) is creates

    @pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
    def test_in_memory(self, url: str) -> None:
        with pytest.raises(NoSuchTableError, match="there is no table connection"):
            open_engine(url, create=False)

    def test_a_file_of_something_else(self, tmp_path: Path) -> None:
        before = foreign(tmp_path / "other.db")
        with pytest.raises(InvalidRequestError, match="a table connections of another kind, with"):
            open_engine(f"sqlite:///{tmp_path / 'other.db'}", create=False)
        assert inside(tmp_path / "other.db") == before == ("delete", ["connections"])

    def test_an_empty_file(self, tmp_path: Path) -> None:
        (tmp_path / "empty.db").touch()
        with pytest.raises(NoSuchTableError):
            open_engine(f"sqlite:///{tmp_path / 'empty.db'}", create=False)
        assert (tmp_path / "empty.db").read_bytes() == b""

    def test_what_lacks_a_table(self, engine: Engine) -> None:
        if engine.url.database is None:
            return
        idempotency_keys.drop(engine)
        with pytest.raises(NoSuchTableError, match=r"^there is no table connection_idempotency_"):
            open_engine(engine.url, create=False)
        assert not inspect(engine).has_table(idempotency_keys.name)
        open_engine(engine.url).dispose()
        assert inspect(engine).has_table(idempotency_keys.name)

    def test_postgresql(self) -> None:
        with postgresql() as url:
            with pytest.raises(NoSuchTableError):
                open_engine(url, create=False)
            open_engine(url).dispose()
            open_engine(url, create=False).dispose()

    def test_what_is_there(self, tmp_path: Path) -> None:
        path = tmp_path / "connections.db"
        for form in ("sqlite:///{}", "sqlite:///file:{}?uri=true"):
            open_engine(form.format(path)).dispose()
            engine = open_engine(form.format(path), create=False)
            assert count(engine, connections) == 0
            engine.dispose()
        assert inside(path)[0] == "wal"


class TestTablesOfAnotherKind:
    """Where something else has one of the names, nothing is created beside it."""

    def test_sqlite(self, tmp_path: Path) -> None:
        before = foreign(tmp_path / "other.db")
        with pytest.raises(InvalidRequestError, match="another kind, without id, "):
            open_engine(f"sqlite:///{tmp_path / 'other.db'}")
        assert inside(tmp_path / "other.db") == before

    def test_postgresql(self) -> None:
        self._check(postgresql())

    def test_mariadb(self) -> None:
        self._check(mariadb())

    def _check(self, server: AbstractContextManager[URL]) -> None:
        with server as url:
            admin = create_engine(url)
            with admin.begin() as connection:
                connection.execute(text("CREATE TABLE connection_events (wire TEXT)"))
            with pytest.raises(InvalidRequestError, match="a table connection_events of another"):
                open_engine(url)
            assert inspect(admin).get_table_names() == ["connection_events"]
            admin.dispose()

    def test_a_file_of_the_hosts_with_other_tables(self, tmp_path: Path) -> None:
        with closing(sqlite3.connect(tmp_path / "host.db")) as database:
            database.execute("CREATE TABLE orders (id TEXT)")
        open_engine(f"sqlite:///{tmp_path / 'host.db'}").dispose()
        assert set(inside(tmp_path / "host.db")[1]) == {*THREE_TABLES, "orders"}


class TestNoWaitingForWhatWillNotCome:
    """Only another process's transaction is worth waiting for."""

    @pytest.fixture(autouse=True)
    def impatient(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def sleep(_: float) -> None:
            raise AssertionError("it waits")

        monkeypatch.setattr(sql_engine, "sleep", sleep)

    def test_a_file_that_cannot_be_written(self, tmp_path: Path) -> None:
        """It can be read, although it does not have a write-ahead log; a change fails at once."""
        path = tmp_path / "connections.db"
        made = open_engine(f"sqlite:///{path}")
        committed(made)
        made.dispose()
        with closing(sqlite3.connect(path)) as database:
            database.execute("PRAGMA journal_mode = DELETE")
        engine = open_engine(f"sqlite:///file:{path}?mode=ro&uri=true", create=False)
        with Session(engine.execution_options(only_reads=True)) as session:
            assert service_in(session).get("cxn_1", by=OUR_KEY).version == 2
        with (
            Session(engine) as session,
            pytest.raises(OperationalError, match="attempt to write a readonly database"),
        ):
            service_in(session).deactivate("cxn_1", by=OUR_KEY)
        engine.dispose()
        assert inside(path)[0] == "delete"

    def test_a_file_that_cannot_be_opened(self, tmp_path: Path) -> None:
        engine = configure_engine(create_engine(f"sqlite:///{tmp_path}"))
        with pytest.raises(OperationalError, match="unable to open database file"):
            engine.connect()
        engine.dispose()


class TestArguments:
    """What is no URL, or no engine, is refused by name; a message holds no password."""

    @pytest.mark.parametrize(
        ("url", "got"),
        [
            (None, "None"),
            (b"sqlite://", "builtins.bytes"),
            (5, "builtins.int"),
            (Path("connections.db"), "Path; a file's is sqlite:/// and its path"),
            (create_engine("sqlite:///secret"), "sqlalchemy.engine.base.Engine"),
            (create_async_engine("sqlite+aiosqlite://"), "AsyncEngine"),
            (Session(), "sqlalchemy.orm.session.Session"),
        ],
        ids=repr,
    )
    def test_url(self, url: Any, got: str) -> None:
        with pytest.raises(TypeError) as refused:
            open_engine(url)
        message = str(refused.value)
        assert message.startswith("url: expected a str or a sqlalchemy.URL, got ")
        assert message.endswith(got)

    @pytest.mark.parametrize(
        ("engine", "got"),
        [
            (None, "None"),
            ("sqlite:///secret", "builtins.str"),
            (b"sqlite://", "builtins.bytes"),
            (make_url("sqlite:///secret"), "sqlalchemy.engine.url.URL"),
            (create_async_engine("sqlite+aiosqlite://"), "pass its sync_engine"),
            (Session(), "sqlalchemy.orm.session.Session"),
        ],
        ids=repr,
    )
    def test_engine(self, engine: Any, got: str) -> None:
        with pytest.raises(TypeError) as refused:
            configure_engine(engine)
        message = str(refused.value)
        assert message.startswith("engine: expected a sqlalchemy.Engine, got ")
        assert message.endswith(got)
