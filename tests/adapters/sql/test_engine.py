"""Engines: the settings for each database, and the creation of tables."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Timer
from typing import Any

import pytest
from databases import POSTGRESQL, postgresql
from embedding import THEIRS, committed, count, service_in
from sqlalchemy import Engine, create_engine, inspect, make_url, select, text
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import Session
from support import OUR_KEY

from connect_core import Status
from connect_core.adapters.sql import configure_engine, connections, metadata, open_engine
from connect_core.adapters.sql import engine as sql_engine


class TestEngines:
    """`open_engine`: the settings that each database needs, and the tables."""

    def test_the_tables_are_created_once(self, engine: Engine) -> None:
        assert {"connections", "connection_events", "connection_idempotency_keys"} <= set(
            inspect(engine).get_table_names()
        )
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

    def test_two_processes_never_create_the_tables_at_once(self) -> None:
        """PostgreSQL would refuse one of them."""
        with postgresql() as url:
            holder = create_engine(url)
            with holder.connect() as other, ThreadPoolExecutor(1) as pool:
                other.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": 0x636F6E6E})
                waiting = pool.submit(open_engine, url)
                with pytest.raises(TimeoutError):
                    waiting.result(0.3)
                metadata.create_all(other)
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

    def test_a_connection_that_the_server_has_closed_is_replaced(self) -> None:
        with postgresql() as url:
            engine = open_engine(url)
            admin = create_engine(POSTGRESQL, isolation_level="AUTOCOMMIT")
            with engine.connect() as connection:
                pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()
            with admin.connect() as connection:
                connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
            assert count(engine, connections) == 0
            engine.dispose()
            admin.dispose()

    @pytest.mark.parametrize(
        ("url", "error"),
        [
            ("", ArgumentError),
            ("connections.db", ArgumentError),
            ("oracular://host", NoSuchModuleError),
            ("sqlite:////no/such/directory/connections.db", OperationalError),
            ("postgresql://127.0.0.1:1/test", OperationalError),
        ],
    )
    def test_what_cannot_be_opened(self, url: str, error: type[Exception]) -> None:
        with pytest.raises(error):
            open_engine(url)


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
