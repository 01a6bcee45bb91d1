"""Fixtures for the tests of the SQL adapter."""

from collections.abc import Iterator

import pytest
from clocks import Clock
from databases import SERVERS, connection_of_a_host
from embedding import Base
from sqlalchemy import Connection as Database
from sqlalchemy import Engine
from support import T0

from connect_core.adapters.sql import open_engine


@pytest.fixture
def host(engine: Engine) -> Engine:
    """A database with a table of the host's beside ours."""
    Base.metadata.create_all(engine)
    return engine


@pytest.fixture
def clock() -> Clock:
    return Clock(T0)


@pytest.fixture
def memory() -> Iterator[Engine]:
    """SQLite in memory, for what does not depend on the database."""
    engine = open_engine("sqlite://")
    yield engine
    engine.dispose()


@pytest.fixture(scope="module", params=["sqlite-memory", *SERVERS])
def hosted(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Database]:
    """A connection to an empty database of a host's."""
    with connection_of_a_host(request.param, tmp_path_factory.mktemp("host")) as connection:
        yield connection
