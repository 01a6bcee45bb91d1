"""The databases that the tests run on: empty at first, removed afterwards.

PostgreSQL is expected at `POSTGRESQL`, which ``CONNECT_CORE_TEST_POSTGRESQL`` overrides, and
MariaDB at `MARIADB`, which ``CONNECT_CORE_TEST_MARIADB`` overrides. If one does not answer, tests
that need it are skipped with the reason. If ``CONNECT_CORE_REQUIRE_POSTGRESQL``, or
``CONNECT_CORE_REQUIRE_MARIADB``, is set, as in ``.ci/run``, they fail.
"""

import os
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from functools import cache
from pathlib import Path
from uuid import uuid4

import pytest
from prepared import prepared
from sqlalchemy import URL, ClauseElement, Engine, MetaData, create_engine, make_url
from sqlalchemy import Connection as Database
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool
from sqlalchemy.schema import CreateSchema, DropSchema

from connect_core import ConnectionId, ConnectionService, ConnectionStore, InMemoryStore
from connect_core.adapters.sql import (
    SqlConnectionStore,
    Tables,
    configure_engine,
    open_engine,
    sql_text,
    tables_for,
)
from connect_core.history import utc_now

POSTGRESQL = make_url(
    os.environ.get("CONNECT_CORE_TEST_POSTGRESQL", "postgresql+psycopg://root@127.0.0.1:5432/test")
)
MARIADB = make_url(
    os.environ.get("CONNECT_CORE_TEST_MARIADB", "mariadb+pymysql://root@127.0.0.1:3306/")
)
#: The servers, by the kind of their databases.
SERVERS = {"postgresql": POSTGRESQL, "mariadb": MARIADB}
#: More settings of PostgreSQL's for every connection, which an option of pytest adds.
SETTINGS: list[str] = []
#: The kinds of database.
DATABASES = ("sqlite-memory", "sqlite-file", *SERVERS)
#: The kinds of store: in memory, and on each database.
STORES = ("memory", *DATABASES)
#: Stores on tables that a host has chosen: with a prefix, and on a server in a schema.
CHOSEN = ("sqlite-file-chosen", "postgresql-chosen", "mariadb-chosen")


@cache
def _why_no(server: URL) -> str | None:
    engine = create_engine(server, poolclass=NullPool, connect_args={"connect_timeout": 5})
    try:
        with engine.connect():
            return None
    except OperationalError as error:
        return f"no server at {server}: {error.orig}"


def need(kind: str) -> None:
    """Skip the test if no server of this kind answers; fail it if that server is required."""
    reason = _why_no(SERVERS[kind])
    if reason is not None:
        if os.environ.get(f"CONNECT_CORE_REQUIRE_{kind.upper()}"):
            pytest.fail(reason)
        pytest.skip(reason)


@contextmanager
def postgresql(*, durable: bool = False) -> Generator[URL]:
    """The URL of a new, empty schema, in which unqualified names are looked up.

    Args:
        durable: whether a commit waits until it is on disk, which is a server's default.
            Tests need not survive a crash of the server, so they do not wait; benchmarks do.
    """
    with new_schema("postgresql", f"connect_core_{uuid4().hex}") as schema:
        settings = [f"search_path={schema}", *SETTINGS]
        if not durable:
            settings.append("synchronous_commit=off")
        options = " ".join(f"-c{setting}" for setting in settings)
        yield POSTGRESQL.update_query_dict({"options": options})


@contextmanager
def mariadb() -> Generator[URL]:
    """The URL of a new, empty database on MariaDB."""
    with new_schema("mariadb", f"connect_core_{uuid4().hex}") as name:
        yield MARIADB.set(database=name)


@contextmanager
def new_schema(kind: str, name: str) -> Generator[str]:
    """A new, empty schema on a server of this kind, by this name; on MariaDB it is a database."""
    need(kind)
    engine = create_engine(SERVERS[kind], poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(CreateSchema(name))
        try:
            yield name
        finally:
            connection.execute(DropSchema(name, cascade=kind == "postgresql"))


@contextmanager
def database(kind: str, directory: Path) -> Generator[URL]:
    """The URL of an empty database of this kind, one of `DATABASES`."""
    if kind in SERVERS:
        with postgresql() if kind == "postgresql" else mariadb() as url:
            yield url
    else:
        name = str(directory / "connections.db") if kind == "sqlite-file" else None
        yield URL.create("sqlite", database=name)


class Backend:
    """A store, and transactions on it.

    Attributes:
        kind: one of `STORES` or `CHOSEN`.
        engine: the database's engine; a store in memory has none.
    """

    def __init__(
        self, kind: str, engine: Engine | None = None, tables: Tables | None = None
    ) -> None:
        self.kind = kind
        self._engine = engine
        self._tables = tables
        self._memory = InMemoryStore()

    @property
    def engine(self) -> Engine:
        assert self._engine is not None, "a store in memory has no engine"
        return self._engine

    @contextmanager
    def store(self) -> Generator[ConnectionStore]:
        """The store in a transaction, committed at the end and rolled back by an exception."""
        if self._engine is None:
            yield self._memory
        else:
            with Session(self._engine) as session, session.begin():
                if self._tables is None:
                    yield SqlConnectionStore(session)
                else:
                    yield SqlConnectionStore(session, self._tables)

    @contextmanager
    def service(
        self,
        clock: Callable[[], datetime] = utc_now,
        new_id: Callable[[], str] = ConnectionId.mint,
    ) -> Generator[ConnectionService]:
        """A service in a transaction. A refusal that propagates rolls it back."""
        with self.store() as store:
            yield ConnectionService(store, clock=clock, new_id=new_id)


@contextmanager
def connection_of_a_host(kind: str, directory: Path) -> Generator[Database]:
    """A connection to an empty database of this kind, in which a host makes its own tables."""
    with database(kind, directory) as url:
        engine = configure_engine(create_engine(url))
        with engine.connect() as connection:
            if kind == "mariadb":  # texts are to be compared as Python compares them
                connection.exec_driver_sql("ALTER DATABASE COLLATE utf8mb4_nopad_bin")
                connection.commit()
            yield connection
        engine.dispose()


@contextmanager
def backend(kind: str, directory: Path) -> Generator[Backend]:
    """An empty store of this kind, one of `STORES` or `CHOSEN`."""
    if kind == "memory":
        yield Backend(kind)
        return
    if kind in CHOSEN:
        with chosen_tables(kind.removesuffix("-chosen"), directory) as (engine, tables):
            yield Backend(kind, engine, tables)
        return
    with _with_our_tables(kind, directory) as engine:
        yield Backend(kind, engine)


@contextmanager
def _with_our_tables(kind: str, directory: Path) -> Generator[Engine]:
    """An engine on a database of this kind that has our tables and no rows."""
    with ExitStack() as stack:
        if kind == "mariadb":
            need(kind)
            used = prepared(MARIADB, kind, "connect_core_")
            (name,), is_complete = stack.enter_context(used)
            engine = open_engine(MARIADB.set(database=name))
            stack.callback(engine.dispose)
            is_complete()
        else:
            engine = open_engine(stack.enter_context(database(kind, directory)))
            stack.callback(engine.dispose)
        yield engine


@contextmanager
def chosen_tables(
    kind: str, directory: Path, prefix: str = "acme_"
) -> Generator[tuple[Engine, Tables]]:
    """Tables with a prefix, and on a server in a schema, in a database of this kind.

    They are part of the host's metadata, which has a naming convention. Tables without the prefix
    are absent, and the schema's name must be quoted.
    """
    metadata = MetaData(naming_convention={"pk": "%(table_name)s_pkey", "ck": "x_%(table_name)s"})
    schema, is_complete = None, _nothing
    with ExitStack() as stack:
        if kind == "mariadb":
            need(kind)
            used = prepared(MARIADB, (kind, prefix), "Acme's ", "connect_core_")
            (schema, name), is_complete = stack.enter_context(used)
            url = MARIADB.set(database=name)
        else:
            if kind in SERVERS:
                schema = stack.enter_context(new_schema(kind, f"Acme's {uuid4().hex}"))
            url = stack.enter_context(database(kind, directory))
        engine = configure_engine(create_engine(url))
        stack.callback(engine.dispose)
        tables = tables_for(metadata, schema=schema, prefix=prefix)
        tables.metadata.create_all(engine)
        is_complete()
        yield engine, tables


def _nothing() -> None:
    """There is nothing to do."""


def in_duckdb(query: ClauseElement) -> str:
    """The text of a query for DuckDB, with its values in it."""
    return sql_text(query, "duckdb")
