"""The databases that the tests run on: empty at first, removed afterwards.

PostgreSQL is expected at `POSTGRESQL`, which ``CONNECT_CORE_TEST_POSTGRESQL`` overrides. If it does
not answer, tests that need it are skipped with the reason. If ``CONNECT_CORE_REQUIRE_POSTGRESQL``
is set, as in ``.ci/run``, they fail.
"""

import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import URL, Engine, create_engine, make_url, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from connect_core import ConnectionId, ConnectionService, ConnectionStore, InMemoryStore
from connect_core.adapters.sql import SqlConnectionStore, open_engine
from connect_core.history import utc_now

POSTGRESQL = make_url(
    os.environ.get("CONNECT_CORE_TEST_POSTGRESQL", "postgresql+psycopg://root@127.0.0.1:5432/test")
)
#: The kinds of database.
DATABASES = ("sqlite-memory", "sqlite-file", "postgresql")
#: The kinds of store: in memory, and on each database.
STORES = ("memory", *DATABASES)


@cache
def _why_no_postgresql() -> str | None:
    engine = create_engine(POSTGRESQL, poolclass=NullPool, connect_args={"connect_timeout": 5})
    try:
        with engine.connect():
            return None
    except OperationalError as error:
        return f"no PostgreSQL at {POSTGRESQL}: {error.orig}"


def need_postgresql() -> None:
    """Skip the test if no PostgreSQL answers; fail it if PostgreSQL is required."""
    reason = _why_no_postgresql()
    if reason is not None:
        if os.environ.get("CONNECT_CORE_REQUIRE_POSTGRESQL"):
            pytest.fail(reason)
        pytest.skip(reason)


@contextmanager
def postgresql(*, durable: bool = False) -> Generator[URL]:
    """The URL of a new, empty schema, in which unqualified names are looked up.

    Args:
        durable: whether a commit waits until it is on disk, which is a server's default.
            Tests need not survive a crash of the server, so they do not wait; benchmarks do.
    """
    need_postgresql()
    schema = f"connect_core_{uuid4().hex}"
    engine = create_engine(POSTGRESQL, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE SCHEMA {schema}"))
        try:
            options = f"-csearch_path={schema}" + ("" if durable else " -csynchronous_commit=off")
            yield POSTGRESQL.update_query_dict({"options": options})
        finally:
            connection.execute(text(f"DROP SCHEMA {schema} CASCADE"))


@contextmanager
def database(kind: str, directory: Path) -> Generator[URL]:
    """The URL of an empty database of this kind, one of `DATABASES`."""
    if kind == "postgresql":
        with postgresql() as url:
            yield url
    else:
        name = str(directory / "connections.db") if kind == "sqlite-file" else None
        yield URL.create("sqlite", database=name)


class Backend:
    """A store, and transactions on it.

    Attributes:
        kind: one of `STORES`.
        engine: the database's engine; a store in memory has none.
    """

    def __init__(self, kind: str, engine: Engine | None = None) -> None:
        self.kind = kind
        self._engine = engine
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
                yield SqlConnectionStore(session)

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
def backend(kind: str, directory: Path) -> Generator[Backend]:
    """An empty store of this kind, one of `STORES`."""
    if kind == "memory":
        yield Backend(kind)
        return
    with database(kind, directory) as url:
        engine = open_engine(url)
        try:
            yield Backend(kind, engine)
        finally:
            engine.dispose()
