"""Hypothesis profiles, the options of pytest, and the stores, databases and programs of tests."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest
from compiler import compiler
from databases import DATABASES, SETTINGS, STORES, Backend, backend
from guard import GUARD, Guard
from hypothesis import settings
from injection import give_up_everywhere
from sampling import pytest_addoption as add_every
from sampling import pytest_collection_modifyitems, pytest_terminal_summary
from sqlalchemy import Engine

if TYPE_CHECKING:
    from playwright.sync_api import Browser

__all__ = ["pytest_collection_modifyitems", "pytest_terminal_summary"]

settings.register_profile("default", deadline=None)
settings.register_profile("quick", deadline=None, max_examples=20, derandomize=True)
settings.register_profile("sample", deadline=None, max_examples=5, derandomize=True)
settings.register_profile("brief", deadline=None, max_examples=30)
settings.register_profile("thorough", deadline=None, max_examples=2000)
settings.register_profile("mutation", deadline=None, max_examples=40, derandomize=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    add_every(parser)
    parser.addoption(
        "--isolation",
        choices=["serializable"],
        help="the isolation of all transactions on PostgreSQL, in place of the server's default",
    )
    parser.addoption(
        "--inject",
        choices=["40001"],
        help="on servers, give up every transaction that is run again, at each of its statements "
        "in turn and at COMMIT: 40001 on PostgreSQL, 1213 on MariaDB",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Let the guard look at every statement of the suite, and do what the options say."""
    GUARD.start()
    if config.getoption("isolation"):
        SETTINGS.append(f"default_transaction_isolation={config.getoption('isolation')}")
    if config.getoption("inject"):
        give_up_everywhere()


@pytest.fixture(autouse=True)
def guard() -> Iterator[Guard]:
    """Fail the test if the library sends a statement that uses what its engine lacks."""
    yield GUARD
    GUARD.verify()


def installed(program: str, name: str, required: str) -> str:
    """The path of a program. If it is missing, fail if `required` is set in the environment.

    Otherwise skip the test.
    """
    return shutil.which(program) or missing(f"{name} is not installed", required)


def missing(reason: str, required: str) -> NoReturn:
    """Fail if `required` is set in the environment; otherwise skip the test."""
    if os.environ.get(required):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture
def node() -> str:
    """Node.js. If it is not installed, the test is skipped; in ``.ci/run``, it fails."""
    return installed("node", "Node.js", "CONNECT_CORE_REQUIRE_NODE")


@pytest.fixture
def perl() -> str:
    """Perl. If it is not installed, the test is skipped; in ``.ci/run``, it fails."""
    return installed("perl", "Perl", "CONNECT_CORE_REQUIRE_PERL")


@pytest.fixture(scope="module")
def tsc() -> list[str]:
    """TypeScript's compiler, as a command. If it cannot be had, the tests are skipped or fail."""
    required = "CONNECT_CORE_REQUIRE_NODE"
    node = installed("node", "Node.js", required)
    try:
        return [node, str(compiler(installed("npm", "npm", required)))]
    except subprocess.SubprocessError as error:
        missing(f"npm could not fetch typescript: {error}", required)


@pytest.fixture(scope="module")
def chromium() -> Iterator["Browser"]:
    """Chromium for a module's tests. If it is not installed, they are skipped or fail, as above.

    While it is open, Playwright has an event loop running in this thread.
    """
    executable = installed("chromium", "Chromium", "CONNECT_CORE_REQUIRE_CHROMIUM")
    from browser import launched  # imported late: Playwright takes a while to import

    with launched(executable) as browser:
        yield browser


@pytest.fixture
def curl() -> None:
    """Require curl. If it is not installed, the test is skipped or fails, as above."""
    installed("curl", "curl", "CONNECT_CORE_REQUIRE_CURL")


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
