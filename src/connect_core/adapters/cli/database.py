"""Opening the database, and calling the service in a transaction of its own.

This module needs SQLAlchemy, so commands import it when they run.
"""

import os
import re
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NoReturn, TypeVar, cast
from warnings import catch_warnings, filterwarnings

import typer
from platformdirs import user_data_path
from sqlalchemy import URL, Engine, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    InvalidRequestError,
    NoSuchTableError,
    SAWarning,
    SQLAlchemyError,
)
from sqlalchemy.orm import Session

from connect_core import (
    Actor,
    ConnectError,
    Connection,
    ConnectionService,
    Decision,
    InvalidRecordError,
    SelfConnectionError,
    error_document,
)
from connect_core.adapters.cli.options import acting, sentence, unusable
from connect_core.adapters.cli.output import labelled, next_steps, shown, write, write_json
from connect_core.adapters.sql import SqlConnectionStore, open_engine
from connect_core.adapters.sql.availability import Trouble, first_of, reason_of, trouble_of

_Answer = TypeVar("_Answer")

#: The exit code if the database is not available: it is down, or another process keeps it busy.
UNAVAILABLE: Final = 4


@contextmanager
def opened(
    database: str, *, changes: bool = False, on_creation: Callable[[str], None] | None = None
) -> Generator[Engine]:
    """The engine of the database that `--database` names.

    Args:
        database: a URL, a file, or nothing for the default file.
        changes: whether the command changes what the database holds.
        on_creation: called with a sentence about what was created: a SQLite file, or only the
            tables. If omitted, nothing is created, and what is absent is an error.

    Raises:
        typer.BadParameter: the database cannot be used.
        typer.Exit: with `UNAVAILABLE`; stderr says what to check.
    """
    url = _url(database)
    if _is_in_memory(url):
        raise unusable("a database in memory would be gone when the command ends")
    place = in_words(url)
    try:
        engine = _engine(url, place, on_creation)
        try:
            yield engine
        finally:
            engine.dispose()
    except DBAPIError as last:
        error = first_of(last)
        reason = sentence(reason_of(error))
        if (advice := _advice(error, changes=changes)) is not None:
            write(f"{place} is not available: {reason}", advice, err=True)
            raise typer.Exit(UNAVAILABLE) from None
        raise unusable(f"{place}: {reason}" if url.host is None else reason) from None
    except SQLAlchemyError as error:
        raise unusable(str(error)) from None


#: How a text begins that names a database in another way than a SQLAlchemy URL or a file does.
_ANOTHER_WAY: Final = re.compile(
    r"""(?ix) (?P<libpq> (.*\s)? (host(addr)?|port|dbname|user|password|passfile|service|sslmode)
              \s*= )
    | (?P<scheme> (sqlite|postgres(ql)?|mysql|mariadb|oracle|mssql|file|jdbc) (\+\w+)? :)
    | (?P<account> [^/\\\s]* : [^/\\\s]* @)
    """
)


def _url(database: str) -> URL:
    """The URL that is given, or that of the SQLite file that is given, or the default."""
    if "://" in database:
        try:
            url = make_url(database)
        except (ArgumentError, ValueError):  # their texts may quote a password
            raise unusable("it is neither a file nor a URL that SQLAlchemy can read") from None
        return _with_time_limit(url)
    if _ANOTHER_WAY.match(database):  # it may have a password, too
        raise unusable(
            "it is neither a file nor a URL: write sqlite:///FILE,"
            " postgresql://USER@HOST:PORT/NAME or mariadb://USER@HOST:PORT/NAME; a file of such a"
            " name is ./FILE"
        )
    return URL.create("sqlite", database=str(Path(database) if database else _default()))


def _with_time_limit(url: URL) -> URL:
    """The URL with a limit of ten seconds for connecting, unless the user has set one."""
    drivers = ("postgres", "postgresql", "postgresql+psycopg", "postgresql+psycopg2")
    if url.drivername not in drivers or {"connect_timeout", "service"} & url.query.keys():
        return url
    return url if "PGCONNECT_TIMEOUT" in os.environ else url.update_query_dict(_TIME_LIMIT)


_TIME_LIMIT: Final = {"connect_timeout": "10"}


def _is_in_memory(url: URL) -> bool:
    named = url.database in (None, "", ":memory:", "file::memory:")
    return url.get_backend_name() == "sqlite" and (named or url.query.get("mode") == "memory")


def in_words(url: URL) -> str:
    """The database for people to read, without a password."""
    if url.get_backend_name() == "sqlite":
        return shown(str(url.database))
    return shown(url.set(query={}).render_as_string(hide_password=True))


def _default() -> Path:
    return user_data_path("connect-core", appauthor=False) / "connections.db"


def say_what_is_new(text: str) -> None:
    """Say on stderr that a database, or tables, have been created."""
    write(text, err=True)


#: The extras that install the drivers of databases.
_EXTRAS: Final = {"psycopg": "postgres", "pymysql": "mariadb"}


def _engine(url: URL, place: str, on_creation: Callable[[str], None] | None) -> Engine:
    try:
        with catch_warnings():
            filterwarnings("error", "Query string argument", SAWarning)  # for an ignored one
            try:
                return open_engine(url, create=False)
            except (FileNotFoundError, NoSuchTableError) as error:
                is_new = isinstance(error, FileNotFoundError)
                if on_creation is None:
                    reason = "it does not exist" if is_new else str(error)
                    raise unusable(
                        f"{place}: {reason}. Only connect-core create, import, keys create and"
                        " serve would create it"
                    ) from None
            _make_default_directory(url)
            engine = open_engine(url)
            on_creation(f"Created {'' if is_new else 'the tables in '}the database {place}.")
            return engine
    except ModuleNotFoundError as error:
        extra = _EXTRAS.get(str(error.name))
        advice = "" if extra is None else f". Install it with: pip install 'connect-core[{extra}]'"
        raise unusable(f"it needs {error.name}, which is not installed{advice}") from None
    except InvalidRequestError as error:
        raise unusable(f"{place}: {error}") from None
    except (ImportError, SAWarning, TypeError, ValueError) as error:
        # The driver lacks a library of its own, or does not accept an option in the URL.
        raise unusable(str(error.args[0])) from None


def _make_default_directory(url: URL) -> None:
    if url.database != str(_default()):
        return
    try:
        _default().parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unusable(f"{_default().parent} cannot be made: {error.strerror}") from None


# --- What is not available -----------------------------------------------------------------------

_UNCHANGED: Final = " Nothing was changed."
#: What is not known after a change, if the connection was lost.
_UNKNOWN: Final = (
    " Whether the change was stored is not known: look with connect-core show, or repeat a command"
    " that had an --idempotency-key."
)
#: What to check.
_ADVICE: Final = {
    Trouble.OTHERS: "Another process is at work on it: try again when that has ended.",
    Trouble.DISK: "Check its disk.",
    Trouble.FULL: "Make room on its disk.",
    Trouble.SERVER: "Look at what the server's log says.",
    Trouble.LOST: "The connection was lost: check that the server runs.",
    Trouble.UNREACHABLE: "Check that the server runs, and that its host and port are right.",
}


def _advice(error: DBAPIError, *, changes: bool) -> str | None:
    """What to check if the database is not available; None if something else is wrong."""
    trouble = trouble_of(error)
    if trouble is None:
        return None
    known = _UNKNOWN if trouble is Trouble.LOST else _UNCHANGED
    return _ADVICE[trouble] + (known if changes else "")


# --- Asking --------------------------------------------------------------------------------------


def files_of(engine: Engine) -> list[Path]:
    """The files of a SQLite database, also those that it has only at times; none of a server's."""
    if engine.dialect.name != "sqlite":
        return []
    with engine.execution_options(only_reads=True).connect() as connection:
        found = connection.exec_driver_sql("PRAGMA database_list").all()
    endings = ("", "-journal", "-shm", "-wal")
    return [Path(row[2] + ending) for row in found if row[2] for ending in endings]


def seeing_one_state(engine: Engine) -> Engine:
    """An engine for transactions that only read, and see one state of the database throughout."""
    if engine.dialect.name == "sqlite":
        return engine.execution_options(only_reads=True)
    return engine.execution_options(isolation_level="REPEATABLE READ")


def ask(
    database: str,
    actor: str,
    question: Callable[[ConnectionService, Actor], _Answer],
    *,
    as_json: bool,
    only_reads: bool = False,
    creates: bool = False,
) -> _Answer:
    """The service's answer, in one transaction. A refusal is reported, and ends the command.

    It is reported after the transaction is committed: the service may have kept the refusal for an
    idempotency key.
    """
    by = acting(actor)
    on_creation = say_what_is_new if creates else None
    with opened(database, changes=not only_reads, on_creation=on_creation) as opened_engine:
        engine = opened_engine.execution_options(only_reads=only_reads)
        with Session(engine) as session, session.begin():
            service = ConnectionService(SqlConnectionStore(session))
            try:
                return question(service, by)
            except ConnectError as error:
                refusal, connection = error, _concerned(service, by, error)
    return refuse(refusal, connection, as_json=as_json)


def _concerned(service: ConnectionService, by: Actor, error: ConnectError) -> Connection | None:
    """The Connection that a refusal is about, if the caller may know of it."""
    connection_id = getattr(error, "connection_id", None) or getattr(error, "existing_id", None)
    with suppress(ConnectError):
        return None if connection_id is None else service.get(connection_id, by=by)
    return None


def refuse(
    error: ConnectError, connection: Connection | None = None, *, as_json: bool = False
) -> NoReturn:
    """Report a refusal on stderr, with what would help and who must do it. The exit code is 1."""
    if as_json:
        write_json(_document(error), err=True)
    else:
        decision: Decision | None = getattr(error, "decision", None)
        steps = [] if decision is None else list(next_steps(decision, connection))
        how = " Here, --allow-self does." if isinstance(error, SelfConnectionError) else ""
        write(f"{error}{how}", *([labelled(steps)] if steps else []), err=True)
    raise typer.Exit(1)


def _document(error: ConnectError) -> dict[str, object]:
    """The error document. Unlike a client, the user of this command is told about a bad record."""
    document = error_document(error)[1]
    if isinstance(error, InvalidRecordError):
        (reported,) = cast("list[dict[str, object]]", document["errors"])
        reported["details"] = str(error)
    return document
