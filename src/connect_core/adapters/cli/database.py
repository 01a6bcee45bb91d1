"""Opening the database, and calling the service in a transaction of its own.

This module needs SQLAlchemy, so commands import it when they run.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NoReturn, TypeVar, cast
from warnings import catch_warnings, filterwarnings

import typer
from platformdirs import user_data_path
from sqlalchemy import URL, Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SAWarning, SQLAlchemyError
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
from connect_core.adapters.cli.options import acting, unusable
from connect_core.adapters.cli.output import labelled, next_steps, shown, write, write_json
from connect_core.adapters.sql import SqlConnectionStore, open_engine

_Answer = TypeVar("_Answer")


@contextmanager
def opened(database: str) -> Generator[Engine]:
    """The engine of the database that `--database` names. Every failure there is wrong usage."""
    url = _url(database)
    if _is_in_memory(url):
        raise unusable("a database in memory would be gone when the command ends")
    file = f"{shown(url.database or '')}: " if url.get_backend_name() == "sqlite" else ""
    try:
        engine = _engine(url)
        try:
            yield engine
        finally:
            engine.dispose()
    except DBAPIError as error:
        raise unusable(f"{file}{error.orig}") from None
    except SQLAlchemyError as error:
        raise unusable(str(error)) from None


def _url(database: str) -> URL:
    """The URL that is given, or that of the SQLite file that is given, or the default."""
    if "://" in database:
        try:
            return make_url(database)
        except (ArgumentError, ValueError):  # their texts may quote a password
            raise unusable("it is neither a file nor a URL that SQLAlchemy can read") from None
    return URL.create("sqlite", database=str(Path(database) if database else _default()))


def _is_in_memory(url: URL) -> bool:
    return url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:")


def _default() -> Path:
    directory = user_data_path("connect-core", appauthor=False)
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unusable(f"{directory} cannot be made: {error.strerror}") from None
    return directory / "connections.db"


def _engine(url: URL) -> Engine:
    try:
        with catch_warnings():
            filterwarnings("error", "Query string argument", SAWarning)  # for an ignored one
            return open_engine(url)
    except ModuleNotFoundError as error:
        advice = ". Install it with: pip install 'connect-core[postgres]'"
        raise unusable(
            f"it needs {error.name}, which is not installed"
            f"{advice if error.name == 'psycopg' else ''}"
        ) from None
    except (ImportError, SAWarning, TypeError, ValueError) as error:
        # The driver lacks a library of its own, or does not accept an option in the URL.
        raise unusable(str(error.args[0])) from None


def seeing_one_state(engine: Engine) -> Engine:
    """An engine for transactions that only read, and see one state of the database throughout."""
    if engine.dialect.name == "postgresql":
        return engine.execution_options(isolation_level="REPEATABLE READ")
    return engine.execution_options(only_reads=True)


def ask(
    database: str,
    actor: str,
    question: Callable[[ConnectionService, Actor], _Answer],
    *,
    as_json: bool,
    only_reads: bool = False,
) -> _Answer:
    """The service's answer, in one transaction. A refusal is reported, and ends the command.

    It is reported after the transaction is committed: the service may have kept the refusal for an
    idempotency key.
    """
    by = acting(actor)
    with opened(database) as opened_engine:
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
