"""A sample of the parametrized tests, for runs that repeat the suite: ``pytest --every=5``.

Of each test function, the sample has the first case and every fifth after it, in the order of
collection, and also the first case with each value of each parametrized fixture. So every function
runs, on each database that it is written for. The choice depends on nothing else.

This module is a plugin for pytest, which ``conftest.py`` loads.
"""

from collections import Counter
from typing import Any, cast

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
        help="run only the first case of each parametrized test and every Nth after it, and the "
        "first with each value of a fixture",
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
    cases: Counter[str] = Counter()
    seen: set[tuple[str, str, str]] = set()
    kept: list[pytest.Item] = []
    left_out: list[pytest.Item] = []
    for item in items:
        function = item.nodeid.partition("[")[0]
        values = {(function, *pair) for pair in fixture_values(item)}
        chosen = cases[function] % every == 0 or not values <= seen
        (kept if chosen else left_out).append(item)
        cases[function] += 1
        seen |= values
    return kept, left_out


def fixture_values(item: pytest.Item) -> set[tuple[str, str]]:
    """The parametrized fixtures that a test uses, and their values: not its own parameters."""
    if not isinstance(item, pytest.Function) or not hasattr(item, "callspec"):
        return set()
    own: set[str] = set()
    for mark in item.iter_markers("parametrize"):
        names = mark.args[0] if mark.args else mark.kwargs["argnames"]
        names = [each.strip() for each in names.split(",")] if isinstance(names, str) else names
        indirect = mark.kwargs.get("indirect", False)
        if indirect is not True:
            own |= set(names) - set(indirect or ())
    return {(name, repr(value)) for name, value in item.callspec.params.items() if name not in own}
