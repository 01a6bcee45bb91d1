"""The databases that commands run on."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from databases import SERVERS, database
from exports import Place
from people import People


@pytest.fixture(params=["sqlite-file", *SERVERS])
def anywhere(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[People]:
    """The people, on an empty database of each kind."""
    with database(request.param, tmp_path) as url:
        yield People.on(url.render_as_string(hide_password=False))


@pytest.fixture
def people(tmp_path: Path) -> People:
    """The people, on a SQLite file without Connections."""
    return People.on(str(tmp_path / "connections.db"))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A SQLite file without Connections."""
    return Place.on(f"sqlite:///{tmp_path / 'connections.db'}", tmp_path)


@pytest.fixture(params=["sqlite-file", *SERVERS])
def any_place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """An empty database of each kind."""
    with database(request.param, tmp_path) as url:
        yield Place.on(url.render_as_string(hide_password=False), tmp_path)
