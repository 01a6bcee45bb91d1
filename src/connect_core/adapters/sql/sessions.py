"""The host's session: which are accepted, which database is behind one, and what it keeps.

This module runs no statement of the store's and knows none of the rules.
"""

import re
import sqlite3
from collections.abc import Callable, Set
from functools import partial
from typing import Any, Final
from weakref import WeakSet

from sqlalchemy import (
    Column,
    ColumnElement,
    Engine,
    inspect,
    select,
    text,
    update,
)
from sqlalchemy import Connection as Database
from sqlalchemy.exc import UnboundExecutionError
from sqlalchemy.orm import InstanceState, Mapper, Session, scoped_session

from connect_core.adapters.sql.tables import connections

#: What is shown to a session that chooses its engine by the statement. All three tables are in one
#: database, and every change is one to a Connection.
_READS: Final = {"clause": select(connections)}
_WRITES: Final = {"clause": update(connections)}

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


def kind_of(value: object) -> str:
    """A value's type, for a message; what it holds may be secret, such as a URL's password."""
    return "None" if value is None else f"{type(value).__module__}.{type(value).__qualname__}"


def reading(session: Session | scoped_session[Session]) -> Database:
    """The session's connection to the database that has the tables, for a query."""
    return _usable(session, _READS)


def writing(session: Session | scoped_session[Session], *, checked: bool = False) -> Database:
    """The session's connection to the database that has the tables, for a change.

    Args:
        session: the host's session.
        checked: whether this was called before, outside of a savepoint of our own.

    Raises:
        ValueError: the change would be committed at once, whatever becomes of the session.
    """
    database = _usable(session, _WRITES)
    if not checked and not _is_in_transaction(database):
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
    return getattr(driver, "autocommit", False) is not True


def _begins_by_itself(driver: Any) -> bool:
    """Whether the driver of SQLite begins transactions itself, but not for savepoints."""
    by_itself = getattr(driver, "isolation_level", None) is not None
    return by_itself and getattr(driver, "autocommit", -1) == -1  # set from Python 3.12 on


#: The engines whose settings have been checked.
_checked: Final[WeakSet[Engine]] = WeakSet()


def _usable(session: Session | scoped_session[Session], bind_arguments: dict[str, Any]) -> Database:
    try:
        database = session.connection(bind_arguments)
    except UnboundExecutionError as error:
        raise UnboundExecutionError(
            f"the session has no engine for the table {connections.name}: give it a bind of its"
            " own, as in Session(binds={..., connections: engine})"
        ) from error
    if database.engine not in _checked:
        _check_settings(database)
        _checked.add(database.engine)
    return database


# --- Settings ------------------------------------------------------------------------------------


def _check_settings(database: Database) -> None:
    """Refuse settings with which text would not come back as it was stored.

    Raises:
        ValueError: the message names the setting, its value, and what to do.
    """
    driver = database.connection.driver_connection
    if database.dialect.name == "postgresql":
        require_utf8(known_settings(driver) or partial(_ask, database))
    elif database.dialect.name == "sqlite":
        _check_text_factory(driver)


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


# --- Constraints ---------------------------------------------------------------------------------


def violated(error: BaseException | None) -> frozenset[str]:
    """The words with which a database names the constraint that refused a row.

    They are the same in every language of the server. If the driver does not give the name itself,
    they are those of the message's first line; what follows it quotes the row. SQLite names the
    columns, and a trigger of the host's may say anything.
    """
    if isinstance(error, sqlite3.Error):
        return frozenset()
    diagnosis = getattr(error, "diag", None)
    if diagnosis is not None:
        return frozenset({str(diagnosis.constraint_name)})
    return frozenset(re.findall(r"\w+", str(error).partition("\n")[0]))


# --- What a session keeps ------------------------------------------------------------------------

#: The columns of `connections` that a change updates.
_CHANGING: Final = frozenset({"status", "updated_at", "version"})


def expire_kept(session: Session | scoped_session[Session], connection_id: str | None) -> None:
    """Expire what changes in the objects that the session keeps of a Connection, or of all.

    The host has loaded them with classes of its own. The attributes are read again when the host
    next looks at them.
    """
    # A list first: objects that nobody holds may leave the map while it is read.
    for class_ in {key[0] for key in list(session.identity_map.keys())}:
        mapper: Mapper[Any] = inspect(class_)
        if not any(map(_is_on_connections, mapper.self_and_descendants)):
            continue
        for kept in _kept(session, mapper, connection_id):
            if changing := _attributes(inspect(type(kept)), _CHANGING, or_expressions=True):
                session.expire(kept, changing)


def _is_on_connections(mapper: Mapper[Any]) -> bool:
    """Whether the class is mapped on our table, or on a table of the host's of the same name."""
    return any(_is_connections(table) for table in mapper.tables)


def _is_connections(table: object) -> bool:
    return getattr(table, "name", None) == connections.name


def _kept(
    session: Session | scoped_session[Session], mapper: Mapper[Any], connection_id: str | None
) -> list[object]:
    """The objects of a class and its subclasses that may show this Connection, or all of them."""
    identity_map = session.identity_map
    if connection_id is not None and [_names(key) for key in mapper.primary_key] == [{"id"}]:
        kept = identity_map.get(mapper.identity_key_from_primary_key((connection_id,)))
        return [] if kept is None else [kept]
    ours = (each for each in identity_map.values() if isinstance(each, mapper.class_))
    return [each for each in ours if connection_id in (None, _loaded_id(each, connection_id))]


def _loaded_id(kept: object, otherwise: str | None) -> object:
    """The id of a Connection that an object has loaded."""
    state: InstanceState[Any] = inspect(kept)
    keys = _attributes(state.mapper, {"id"}, or_expressions=False)
    return next((state.dict[key] for key in keys if key in state.dict), otherwise)


def _attributes(mapper: Mapper[Any], names: Set[str], *, or_expressions: bool) -> list[str]:
    """The attributes of a class that are mapped on these columns, or else on an expression."""
    return [
        each.key
        for each in mapper.column_attrs
        if any(
            or_expressions if found is None else found & names
            for found in map(_names, each.columns)
        )
    ]


def _names(column: ColumnElement[Any]) -> Set[str] | None:
    """The names of the columns of our table that a column is; None if it is an expression."""
    bases = column.base_columns
    if not all(isinstance(base, Column) for base in bases):
        return None
    return {str(base.name) for base in bases if _is_connections(getattr(base, "table", None))}
