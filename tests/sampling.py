"""A sample of the parametrized tests, for runs that repeat the suite: ``pytest --every=5``.

Of each test function, the sample has every fifth case, in the order of collection. Which of the
first five it begins with follows from a checksum of the function's name: so every function runs,
and their cases are spread over all databases. The choice depends on nothing else.

This module is a plugin for pytest, which ``conftest.py`` loads.
"""

from collections import Counter
from typing import Any, cast
from zlib import crc32

import pytest

SAMPLE: "pytest.StashKey[str]" = pytest.StashKey()


def count(text: str) -> int:
    """The value of the option: 1 or more."""
    number = int(text)
    if number < 1:
        raise ValueError(text)  # pytest then says which option it was, and ends
    return number


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    parser.addoption(
        "--every",
        type=count,
        default=1,
        metavar="N",
        help="run only every Nth case of each parametrized test",
    )


@pytest.hookimpl(trylast=True)  # of the tests that -m and -k have left
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what the sample does not have."""
    every = cast("int", config.getoption("every"))
    if every == 1:
        return
    kept, left_out = split(items, every)
    config.hook.pytest_deselected(items=left_out)
    config.stash[SAMPLE] = f"A SAMPLE: {len(kept)} of {len(items)} cases (--every={every})"
    items[:] = kept


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say at the end, also with ``-q``, that this was a sample."""
    if SAMPLE in config.stash:
        terminalreporter.write_line(config.stash[SAMPLE])


def split(items: list[pytest.Item], every: int) -> tuple[list[pytest.Item], list[pytest.Item]]:
    """The cases in the sample, and the others."""
    sizes = Counter(map(function_of, items))
    cases: Counter[str] = Counter()
    kept: list[pytest.Item] = []
    left_out: list[pytest.Item] = []
    for item in items:
        function = function_of(item)
        first = crc32(function.encode()) % min(every, sizes[function])
        (kept if cases[function] % every == first else left_out).append(item)
        cases[function] += 1
    return kept, left_out


def function_of(item: pytest.Item) -> str:
    """The test function, without its parameters."""
    return item.nodeid.partition("[")[0]
