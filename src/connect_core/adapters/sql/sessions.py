"""The host's session: which are accepted, and which database is behind one.

This module runs no statement of the store's and knows none of the rules.
"""

import re
import sqlite3
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, Final
from weakref import WeakSet

from sqlalchemy import Connection as Database
from sqlalchemy import Engine, Select, Table, Update, select, text, update
from sqlalchemy.exc import UnboundExecutionError
from sqlalchemy.orm import Session, scoped_session

from connect_core.adapters.sql.types import MYSQL_FAMILY
from connect_core.text import kind_of

# --- Which sessions, and which database ----------------------------------------------------------


def require_session(session: object) -> None:
    """Refuse what is not a session.

    Raises:
        TypeError: `session` is neither a `Session` nor a `scoped_session`; the message says what to
            pass instead.
    """
    if isinstance(session, Session | scoped_session):
        return
    advice = "pass a sqlalchemy.orm.Session"
    # Not by their types: to import them costs time, and needs greenlet.
    if hasattr(session, "run_sync"):
        advice = (
            "call it inside of run_sync, which passes a Session:"
            " await session.run_sync(lambda session: ... SqlConnectionStore(session) ...)"
        )
    elif hasattr(session, "sync_engine"):
        advice = "open an AsyncSession on it, and call it inside of run_sync"
    elif isinstance(session, Engine | Database):
        advice = "pass a Session on it: with Session(bind) as session"
    elif callable(session):
        advice = "pass what it makes, a sqlalchemy.orm.Session"
    raise TypeError(f"session: expected a Session, got {kind_of(session)}; {advice}")


# A session that chooses its engine by the statement is shown one on the table of Connections. All
# three tables are in one database, and every change is one to a Connection.


@lru_cache
def _read(table: Table) -> Select[Any]:
    return select(table)


@lru_cache
def _change(table: Table) -> Update:
    return update(table)


def reading(session: Session | scoped_session[Session], table: Table) -> Database:
    """The session's connection to the database that has the tables, for a query.

    Args:
        session: the host's session.
        table: that of the Connections.
    """
    return _usable(session, table, _read(table))


def writing(session: Session | scoped_session[Session], table: Table) -> Database:
    """The session's connection to the database that has the tables, for a change.

    Args:
        session: the host's session.
        table: that of the Connections.

    Raises:
        ValueError: the change would be committed at once, whatever becomes of the session.
    """
    database = _usable(session, table, _change(table))
    if not _is_in_transaction(database):
        raise ValueError(_NO_TRANSACTION)
    return database


#: What to do about a connection that is in no transaction although the session has begun one.
_NO_TRANSACTION: Final = (
    "a rollback of the session would not undo this, because its connection is in no transaction:"
    " give the engine to configure_engine before its first use, or make it with open_engine, and"
    " do not set AUTOCOMMIT"
)


def _is_in_transaction(database: Database) -> bool:
    """Whether a rollback would undo what follows, as far as the driver tells."""
    driver = database.connection.driver_connection
    if database.dialect.name == "sqlite":
        # A savepoint that begins a transaction commits it when it is released. In the driver's own
        # mode, which begins a transaction with the first change, nobody can tell whether it does.
        unsafe = database.in_nested_transaction() and _begins_by_itself(driver)
        return getattr(driver, "in_transaction", True) and not unsafe
    if database.dialect.name in MYSQL_FAMILY:
        return not getattr(driver, "get_autocommit", bool)()
    return getattr(driver, "autocommit", False) is not True


def _begins_by_itself(driver: Any) -> bool:
    """Whether the driver of SQLite begins transactions itself, but not for savepoints."""
    by_itself = getattr(driver, "isolation_level", None) is not None
    return by_itself and getattr(driver, "autocommit", -1) == -1  # set from Python 3.12 on


#: The engines whose settings have been checked.
_checked: Final[WeakSet[Engine]] = WeakSet()


def default_schema(session: Session | scoped_session[Session], table: Table) -> str | None:
    """The schema in which the database of the tables looks up a table without one."""
    return session.get_bind(clause=_change(table)).dialect.default_schema_name


def _usable(
    session: Session | scoped_session[Session], table: Table, clause: Select[Any] | Update
) -> Database:
    try:
        database = session.connection({"clause": clause})
    except UnboundExecutionError as error:
        raise UnboundExecutionError(
            f"the session has no engine for the table {table.fullname}: give that table a bind of"
            " its own, as in Session(binds={..., connections: engine})"
        ) from error
    if database.engine not in _checked:
        check_settings(database)
        _checked.add(database.engine)
    return database


# --- Settings ------------------------------------------------------------------------------------


def check_settings(database: Database) -> None:
    """Refuse settings with which text would not come back as it was stored.

    Raises:
        ValueError: the message names the setting, its value, and what to do.
    """
    driver = database.connection.driver_connection
    if database.dialect.name == "postgresql":
        require_utf8(known_settings(driver) or partial(_ask, database))
    elif database.dialect.name == "sqlite":
        _check_text_factory(driver)
    elif database.dialect.name in MYSQL_FAMILY:
        _check_mysql(database)


#: For each of PostgreSQL's encodings, how to set it.
_REMEDIES: Final = {
    "server_encoding": "create the database with ENCODING 'UTF8'",
    "client_encoding": "remove the setting from the URL, the role or the database, or set it there",
}


def require_utf8(setting: Callable[[str], object]) -> None:
    """Refuse PostgreSQL's encodings other than UTF-8.

    Raises:
        ValueError: the message names the setting, its value, and what to do.
    """
    for name, remedy in _REMEDIES.items():
        value = setting(name)
        if value != "UTF8":
            raise ValueError(f"{name} is {value}, but must be UTF8 to hold every name: {remedy}")


def known_settings(driver: Any) -> Callable[[str], object] | None:
    """The settings that psycopg knows without asking the server; None for other drivers."""
    info = getattr(driver, "info", None)
    return None if info is None else info.parameter_status


def _ask(database: Database, name: str) -> object:
    return database.scalar(text("SELECT current_setting(:name)"), {"name": name})


def _check_text_factory(connection: Any) -> None:
    factory = connection.text_factory
    if factory is not str and not isinstance(factory(b""), str):
        raise ValueError(
            "text_factory of the SQLite connection does not make str; leave it as it is, and set"
            " one only on a connection of your own"
        )


def _check_mysql(database: Database) -> None:
    if database.dialect.name == "mysql" and getattr(database.dialect, "is_mariadb", False):
        raise ValueError(
            "the server is a MariaDB: begin the URL with mariadb+pymysql (or another driver of"
            " yours), because the two have different names for the collation that is exact"
        )
    modes, charset = database.exec_driver_sql("SELECT @@sql_mode, @@character_set_connection").one()
    if "STRICT_" not in modes:
        raise ValueError(
            f"sql_mode is {modes!r}, with which the server changes what it cannot store: add"
            " STRICT_TRANS_TABLES to it"
        )
    if charset != "utf8mb4":
        raise ValueError(
            f"character_set_connection is {charset}, but must be utf8mb4 to hold every name:"
            " remove the setting from the URL, or set charset=utf8mb4 there"
        )


# --- Constraints ---------------------------------------------------------------------------------


#: The code with which the databases of MySQL's family say that a key is taken.
_DUPLICATE: Final = 1062


def violated(error: BaseException | None) -> frozenset[str]:
    """The words with which a database names the constraint that refused a row.

    They are the same in every language of the server. If the driver does not give the name itself,
    they are those of the message's first line; what follows it quotes the row. SQLite names the
    columns, and a trigger of the host's may say anything. MySQL's family quotes the row before the
    name, calls every primary key PRIMARY, and names a key only for its own code.
    """
    if isinstance(error, sqlite3.Error):
        return frozenset()
    diagnosis = getattr(error, "diag", None)
    if diagnosis is not None:
        return frozenset({str(diagnosis.constraint_name)})
    if error is not None and error.args and isinstance(error.args[0], int):
        said = str(error.args[-1]) if error.args[0] == _DUPLICATE else ""
        return frozenset(re.findall(r" for key '(?:[^']*\.)?(\w+)'$", said))
    return frozenset(re.findall(r"\w+", str(error).partition("\n")[0]))
