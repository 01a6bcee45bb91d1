"""Spark for the tests in this folder: one session for all of them."""

import os
from collections.abc import Iterator
from typing import Any

import pytest
from spark import session, why_not


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A session. If Spark cannot run here, the test is skipped.

    It fails if ``CONNECT_CORE_REQUIRE_SPARK`` is set in the environment.
    """
    reason = why_not()
    if reason is not None:
        if os.environ.get("CONNECT_CORE_REQUIRE_SPARK"):
            pytest.fail(reason)
        pytest.skip(reason)
    with session(tmp_path_factory.mktemp("spark")) as found:
        yield found
