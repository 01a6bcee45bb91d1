"""Hypothesis profiles, and the stores and databases that tests are run on."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from databases import DATABASES, STORES, Backend, backend
from hypothesis import settings
from sqlalchemy import Engine

settings.register_profile("default", deadline=None)
settings.register_profile("thorough", deadline=None, max_examples=2000)
settings.register_profile("mutation", deadline=None, max_examples=40, derandomize=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


@pytest.fixture
def node() -> str:
    """Node.js. Where it is not installed the test is skipped; in ``.ci/run``, it fails instead."""
    found = shutil.which("node")
    if found is None:
        if os.environ.get("CONNECT_CORE_REQUIRE_NODE"):
            pytest.fail("Node.js is not installed")
        pytest.skip("Node.js is not installed")
    return found


@pytest.fixture(params=STORES)
def stored(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
    """An empty store: in memory, on SQLite in memory and in a file, on PostgreSQL."""
    with backend(request.param, tmp_path) as found:
        yield found


@pytest.fixture(params=DATABASES)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """An engine on an empty database: SQLite in memory and in a file, PostgreSQL."""
    with backend(request.param, tmp_path) as found:
        yield found.engine
