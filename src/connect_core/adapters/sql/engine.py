"""Engines with the settings that each database needs.

This module creates the tables if they are absent. Otherwise it knows nothing about Connections.
"""

import asyncio
import errno
import sqlite3
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from functools import partial
from os import strerror
from pathlib import Path, PurePath
from select import select
from time import monotonic, sleep
from typing import Any, Final

from sqlalchemy import (
    URL,
    Connection,
    Dialect,
    Engine,
    Index,
    MetaData,
    NullPool,
    QueuePool,
    Table,
    create_engine,
    event,
    inspect,
    make_url,
)
from sqlalchemy.engine import AdaptedConnection
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    InvalidatePoolError,
    InvalidRequestError,
    NoSuchTableError,
)

from connect_core.adapters.sql.sessions import check_settings, known_settings, require_utf8
from connect_core.adapters.sql.tables import metadata
from connect_core.adapters.sql.types import MYSQL_FAMILY
from connect_core.text import kind_of

#: How long SQLite waits for another process's transaction, in milliseconds.
_BUSY_TIMEOUT: Final = 30_000
#: How long to wait before a retry where SQLite itself does not wait, in milliseconds.
_PAUSE: Final = 20
#: The codes with which SQLite says that another process is at work.
_AT_WORK: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})


def open_engine(url: str | URL, *, create: bool = True) -> Engine:
    """An Engine with the settings that each database needs; the tables are created if absent.

    SQLite: see `configure_engine`. A database in memory has one connection, for one transaction at
    a time. Servers: the driver is psycopg for PostgreSQL and PyMySQL for MariaDB and MySQL, unless
    the URL names another one; connections that the server has closed are replaced. MariaDB and
    MySQL get the isolation READ COMMITTED. For asynchronous drivers see `configure_engine`.

    A database in which something else has one of the tables' names is left as it is, and so is the
    journal mode of a SQLite file that does not have all of the tables.

    The tables are those of `metadata`. For what `tables_for` returned, make an engine of your own,
    give it to `configure_engine`, and create them with ``tables.metadata.create_all(engine)``.

    Args:
        url: any SQLAlchemy URL, such as ``sqlite:///connect.db`` or ``postgresql://host/name``.
        create: False to create nothing: neither a SQLite file nor a table.

    Raises:
        TypeError: `url` is neither text nor a `URL`.
        ValueError: a setting of the server is not supported: the encoding of a PostgreSQL database,
            or of its clients, is not UTF8; MariaDB or MySQL has no strict ``sql_mode``, or another
            character set than ``utf8mb4``; or a URL that begins with ``mysql`` leads to a MariaDB.
        FileNotFoundError: nothing is to be created, and there is no such SQLite file; `filename` is
            its path.
        sqlalchemy.exc.NoSuchTableError: nothing is to be created, and tables are absent.
        sqlalchemy.exc.SQLAlchemyError: the URL cannot be read or names an asynchronous driver, the
            database cannot be opened, or it has a table of another kind by one of the names.
        ModuleNotFoundError: the driver is not installed; PostgreSQL needs the extra `postgres`, and
            MariaDB and MySQL need `mariadb`.
    """
    _require_url(url)
    url = make_url(url)
    if not create and url.get_backend_name() == "sqlite" and url.database not in _IN_MEMORY:
        url = _existing(url)
    engine = engine_for(url)
    try:
        absent = _absent(engine)
        if absent and not create:
            lacking = ", ".join(str(each.name) for each in absent)
            raise NoSuchTableError(f"there is no table {lacking}")
        if absent:
            create_tables(engine, metadata)
    except BaseException:
        engine.dispose()
        raise
    return engine


def engine_for(url: URL) -> Engine:
    """The Engine with the settings that the database of a URL needs. It has not connected yet.

    Raises:
        sqlalchemy.exc.ArgumentError: the URL names an asynchronous driver.
        ModuleNotFoundError: the driver is not installed.
    """
    options: dict[str, Any] = {}
    url = url.set(drivername=_DRIVERS.get(url.drivername, url.drivername))
    if url.get_dialect().is_async:
        raise ArgumentError(
            f"{url.drivername} is an asynchronous driver: make the engine with create_async_engine,"
            " give its sync_engine to configure_engine, and create the tables with run_sync"
        )
    if url.get_backend_name() in MYSQL_FAMILY:
        options = {"isolation_level": "READ COMMITTED"}
    elif url.get_backend_name() == "sqlite" and url.database in _IN_MEMORY:
        options = {"poolclass": QueuePool, "pool_size": 1, "max_overflow": 0}
        options["connect_args"] = {"check_same_thread": False}
    engine = configure_engine(create_engine(url, **options))
    if engine.dialect.name != "sqlite":
        event.listen(engine, "checkin", _on_checkin)
        event.listen(engine, "checkout", partial(_on_checkout, engine.dialect))
    return engine


#: The names of a SQLite database in memory.
_IN_MEMORY: Final = (None, "", ":memory:")
#: The drivers of URLs that name none.
_DRIVERS: Final = {
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "mariadb": "mariadb+pymysql",
    "mysql": "mysql+pymysql",
}


def _existing(url: URL) -> URL:
    """The URL of a SQLite file, such that SQLite does not create the file.

    Raises:
        FileNotFoundError: there is no such file.
    """
    if "uri" in url.query:  # then SQLite itself reads the name and the options
        return url if "mode" in url.query else url.update_query_dict({"mode": "rw"})
    if not Path(str(url.database)).exists():
        raise FileNotFoundError(errno.ENOENT, strerror(errno.ENOENT), str(url.database))
    return url


def _require_url(url: object) -> None:
    if not isinstance(url, str | URL):
        advice = "; a file's is sqlite:/// and its path" if isinstance(url, PurePath) else ""
        raise TypeError(f"url: expected a str or a sqlalchemy.URL, got {kind_of(url)}{advice}")


def require_engine(engine: object, *, if_async: str = "pass its sync_engine") -> None:
    """Refuse what is not an Engine.

    Args:
        engine: what was given as one.
        if_async: what to do about an ``AsyncEngine``.

    Raises:
        TypeError: `engine` is no `Engine`; the message says what to pass instead.
    """
    if not isinstance(engine, Engine):
        is_async = hasattr(engine, "sync_engine")
        advice = f"; of an AsyncEngine, {if_async}" if is_async else ""
        raise TypeError(f"engine: expected a sqlalchemy.Engine, got {kind_of(engine)}{advice}")


def _absent(engine: Engine) -> list[Table | Index]:
    """What of our tables is absent. This waits for no transaction, and changes nothing.

    Raises:
        sqlalchemy.exc.InvalidRequestError: some are absent, and one that is there is not ours.
        ValueError: a setting of the server is not supported.
    """
    if engine.dialect.name == "sqlite" and engine.url.database not in _IN_MEMORY:
        # Without our settings, which change the journal mode of the file.
        engine = create_engine(
            engine.url, poolclass=NullPool, connect_args={"timeout": _BUSY_TIMEOUT / 1000}
        )
    with engine.execution_options(only_reads=True).connect() as connection:
        check_settings(connection)
        return _absent_from(connection, metadata)


def _absent_from(connection: Connection, tables: MetaData) -> list[Table | Index]:
    """The tables that are absent; in MySQL's family also the indexes of those that are not.

    There a process that is killed while it creates the tables leaves a part of them.
    """
    found = inspect(connection)
    there = [each for each in tables.sorted_tables if found.has_table(each.name)]
    if len(there) < len(tables.tables):
        for table in there:
            _require_ours(table, {each["name"] for each in found.get_columns(table.name)})
    absent: list[Table | Index] = [each for each in tables.sorted_tables if each not in there]
    if connection.dialect.name in MYSQL_FAMILY:
        for table in there:
            names = {each["name"] for each in found.get_indexes(table.name)}
            absent += (each for each in table.indexes if each.name not in names)
    return absent


def _require_ours(table: Table, columns: set[str]) -> None:
    lacking = [column.name for column in table.columns if column.name not in columns]
    if lacking:
        raise InvalidRequestError(
            f"it has a table {table.name} of another kind, without {', '.join(lacking)}; nothing"
            " was changed: use another database, or another schema"
        )


def create_tables(engine: Engine, tables: MetaData) -> None:
    """Create those of the tables that are absent, also when several processes do so at once.

    Raises:
        sqlalchemy.exc.InvalidRequestError: some are absent, and one that is there is not ours;
            nothing was changed.
        sqlalchemy.exc.DBAPIError: the database does not take them.
    """
    absent: list[Table | Index] | None = None
    while True:
        before = absent
        try:
            with engine.begin() as connection:
                absent = _absent_from(connection, tables)
                for each in absent:
                    each.create(connection, checkfirst=True)
            return
        except DBAPIError:  # another process may have been faster
            if absent is None or absent == before:
                raise


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
    Nothing is set for MariaDB and MySQL: make the engine with ``isolation_level="READ COMMITTED"``.

    Args:
        engine: the Engine; of an ``AsyncEngine``, its ``sync_engine``.

    Returns:
        The same Engine.

    Raises:
        TypeError: `engine` is no `Engine`.
    """
    require_engine(engine)
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
    """Set write-ahead logging. SQLite itself does not wait for this while others are at work.

    A file that cannot be written stays as it is: it can be read.
    """
    waited = 0
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            code = error.sqlite_errorcode & 0xFF
            if code == sqlite3.SQLITE_READONLY:
                return
            if code not in _AT_WORK or waited >= _BUSY_TIMEOUT:
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


# --- Connections that the server has closed ------------------------------------------------------

#: After how many idle seconds the server is asked in any case: a firewall between it and this
#: machine may have forgotten the connection.
_IDLE: Final = 30.0
#: Where a record of the pool keeps when its connection was returned.
_RETURNED: Final = "connect_core_returned"


def _on_checkin(_: object, record: Any) -> None:
    record.info[_RETURNED] = monotonic()


def _on_checkout(dialect: Dialect, connection: Any, record: Any, _: object) -> None:
    """Refuse a connection that the server has closed, so that the pool replaces it.

    SQLAlchemy's ``pool_pre_ping`` asks the server before each transaction, which takes a round
    trip. This asks it only if the connection was idle for long, if something has come from the
    server meanwhile, such as the end of the connection, or if the driver does not let that be seen.

    Raises:
        sqlalchemy.exc.InvalidatePoolError: the server has closed it, and perhaps the others.
    """
    returned = record.info.pop(_RETURNED, None)
    if returned is None or (monotonic() - returned < _IDLE and not _has_input(connection)):
        return
    try:
        dialect.do_ping(connection)
    except dialect.loaded_dbapi.Error as error:
        raise InvalidatePoolError(str(error)) from error


def _has_input(connection: Any) -> bool:
    """Whether input from the server is waiting, or the end of the connection."""
    try:
        return bool(select([connection.fileno()], [], [], 0)[0])
    except Exception:  # the driver gives no number, or none that can be asked about
        return True


# --- Waiting -------------------------------------------------------------------------------------

_IN_MYSQL: Final = (
    "SELECT @@innodb_lock_wait_timeout",
    "SET SESSION innodb_lock_wait_timeout",
)
#: How to ask for, and to set, how long a statement waits, in the databases that keep it so.
_WAITING: Final = {
    "sqlite": ("PRAGMA busy_timeout", "PRAGMA busy_timeout"),
    **dict.fromkeys(MYSQL_FAMILY, _IN_MYSQL),
}


@contextmanager
def without_waiting(database: Connection) -> Generator[None]:
    """Let a statement that would wait for another transaction fail at once."""
    if database.dialect.name == "postgresql":
        database.exec_driver_sql("SET LOCAL lock_timeout = '1ms'")  # until the transaction ends
        yield
        return
    look, setting = _WAITING[database.dialect.name]
    before = database.exec_driver_sql(look).scalar_one()
    database.exec_driver_sql(f"{setting} = 0")
    try:
        yield
    finally:
        database.exec_driver_sql(f"{setting} = {before}")
