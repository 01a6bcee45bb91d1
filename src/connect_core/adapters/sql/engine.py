"""Engines with the settings that each database needs.

This module creates the tables if they are absent. Otherwise it knows nothing about Connections.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import PurePath
from time import sleep
from typing import Any, Final

from sqlalchemy import (
    URL,
    Engine,
    QueuePool,
    create_engine,
    event,
    func,
    inspect,
    make_url,
    select,
)
from sqlalchemy.engine import AdaptedConnection
from sqlalchemy.exc import ArgumentError

from connect_core.adapters.sql.sessions import kind_of, known_settings, require_utf8
from connect_core.adapters.sql.tables import metadata

#: How long SQLite waits for another process's transaction, in milliseconds.
_BUSY_TIMEOUT: Final = 30_000
#: How long to wait before a retry where SQLite itself does not wait, in milliseconds.
_PAUSE: Final = 20
#: A number that no other application is likely to lock in PostgreSQL.
_CREATION_LOCK: Final = 0x636F6E6E


def open_engine(url: str | URL) -> Engine:
    """An Engine with the settings that each database needs; the tables are created if absent.

    SQLite: see `configure_engine`. A database in memory has one connection, for one transaction at
    a time. PostgreSQL: the driver is psycopg, unless the URL names another one; connections that
    the server has closed are replaced. For asynchronous drivers see `configure_engine`.

    Args:
        url: any SQLAlchemy URL, such as ``sqlite:///connect.db`` or ``postgresql://host/name``.

    Raises:
        TypeError: `url` is neither text nor a `URL`.
        ValueError: the encoding of a PostgreSQL database, or of its clients, is not UTF8.
        sqlalchemy.exc.SQLAlchemyError: the URL cannot be read or names an asynchronous driver, or
            the database cannot be opened.
        ModuleNotFoundError: the driver is not installed; PostgreSQL needs the extra `postgres`.
    """
    _require_url(url)
    url = make_url(url)
    options: dict[str, Any] = {"pool_pre_ping": True}
    if url.drivername in ("postgres", "postgresql"):
        url = url.set(drivername="postgresql+psycopg")
    if url.get_dialect().is_async:
        raise ArgumentError(
            f"{url.drivername} is an asynchronous driver: make the engine with create_async_engine,"
            " give its sync_engine to configure_engine, and create the tables with run_sync"
        )
    if url.get_backend_name() == "sqlite":
        options = {}
        if url.database in (None, "", ":memory:"):
            options = {"poolclass": QueuePool, "pool_size": 1, "max_overflow": 0}
            options["connect_args"] = {"check_same_thread": False}
    engine = configure_engine(create_engine(url, **options))
    if not _has_tables(engine):
        _create_tables(engine)
    return engine


def _require_url(url: object) -> None:
    if not isinstance(url, str | URL):
        advice = "; a file's is sqlite:/// and its path" if isinstance(url, PurePath) else ""
        raise TypeError(f"url: expected a str or a sqlalchemy.URL, got {kind_of(url)}{advice}")


def _require_engine(engine: object) -> None:
    if not isinstance(engine, Engine):
        is_async = hasattr(engine, "sync_engine")
        advice = "; of an AsyncEngine, pass its sync_engine" if is_async else ""
        raise TypeError(f"engine: expected a sqlalchemy.Engine, got {kind_of(engine)}{advice}")


def _has_tables(engine: Engine) -> bool:
    """Whether the tables exist. This never waits for other transactions; creating them may."""
    with engine.execution_options(only_reads=True).connect() as connection:
        return all(map(inspect(connection).has_table, metadata.tables))


def _create_tables(engine: Engine) -> None:
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":  # where two processes could both find them absent
            connection.execute(select(func.pg_advisory_xact_lock(_CREATION_LOCK)))
        metadata.create_all(connection)


def configure_engine(engine: Engine) -> Engine:
    """Give an Engine of your own the settings that its database needs, before its first use.

    SQLite gets write-ahead logging, foreign keys, and a wait of up to thirty seconds for other
    processes. Its transactions begin as writing ones: one that only reads at first could fail when
    it starts to write. ``engine.execution_options(only_reads=True)`` returns an Engine for
    transactions that only read, which neither wait nor make others wait. Committed changes survive
    a crash of the process; a loss of power may undo the last commits (``synchronous = NORMAL``, as
    is usual with write-ahead logging). If it must not, set ``PRAGMA synchronous = FULL`` in a
    "connect" listener of your own; it takes about twice the time. PostgreSQL needs no settings; a
    connection whose ``server_encoding`` or ``client_encoding`` is not UTF8 raises `ValueError`.

    Args:
        engine: the Engine; of an ``AsyncEngine``, its ``sync_engine``.

    Returns:
        The same Engine.

    Raises:
        TypeError: `engine` is no `Engine`.
    """
    _require_engine(engine)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _on_connect)
        event.listen(engine, "begin", _on_begin)
        event.listen(engine, "invalidate", _on_invalidate)
    elif engine.dialect.name == "postgresql":
        # Before SQLAlchemy's own first look, which fails for an encoding that makes no text.
        event.listen(engine, "connect", _require_utf8, insert=True)
    return engine


def _require_utf8(connection: Any, _: object) -> None:
    setting = known_settings(getattr(connection, "driver_connection", connection))
    if setting is None:
        return
    try:
        require_utf8(setting)
    except ValueError:
        connection.close()  # the pool does not know it yet
        raise


def _on_connect(connection: Any, _: object) -> None:
    connection.isolation_level = None  # the driver's own transactions do not work with savepoints
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT}")
    _write_ahead(cursor, pause=partial(_pause, connection))
    cursor.execute("PRAGMA synchronous = NORMAL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _write_ahead(cursor: Any, *, pause: Callable[[], None]) -> None:
    """Set write-ahead logging. SQLite itself does not wait for this while others are at work."""
    waited = 0
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError:
            if waited >= _BUSY_TIMEOUT:
                raise
            pause()
            waited += _PAUSE


def _pause(connection: Any) -> None:
    """Wait a moment; with an asynchronous driver, let other tasks run meanwhile."""
    seconds = _PAUSE / 1000
    if isinstance(connection, AdaptedConnection):
        connection.run_async(lambda _: asyncio.sleep(seconds))
    else:
        sleep(seconds)


def _on_begin(connection: Any) -> None:
    only_reads = connection.get_execution_options().get("only_reads", False)
    connection.exec_driver_sql("BEGIN DEFERRED" if only_reads else "BEGIN IMMEDIATE")


def _on_invalidate(connection: Any, *_: object) -> None:
    """Release the lock before the connection of a cancelled task is closed.

    SQLite does not end the transaction of a connection that is closed while somebody holds a cursor
    with rows left, and the traceback of the cancelled task may hold one for long.
    """
    with suppress(asyncio.CancelledError, sqlite3.Error):  # cancelled again, or closed already
        connection.rollback()
