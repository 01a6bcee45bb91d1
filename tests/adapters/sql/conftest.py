"""Fixtures for the tests of the SQL adapter."""

import pytest
from embedding import Base
from sqlalchemy import Engine


@pytest.fixture
def host(engine: Engine) -> Engine:
    """A database with a table of the host's beside ours."""
    Base.metadata.create_all(engine)
    return engine
