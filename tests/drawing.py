"""Examples drawn from strategies: many, the first that fits, and the simplest."""

from collections.abc import Callable
from typing import TypeVar

from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

_T = TypeVar("_T")

#: The same examples on every run, so that no test passes by chance. (Hypothesis uses constants
#: of the modules that are loaded, so a run of other tests may see other examples.)
REPEATABLE = settings(database=None, derandomize=True, phases=[Phase.generate])


def found(
    strategy: st.SearchStrategy[_T], condition: Callable[[_T], object], *, within: int = 3000
) -> _T:
    """The first example that meets the condition; `NoSuchExample` is raised if none does."""
    return find(
        strategy,
        lambda example: bool(condition(example)),
        settings=settings(REPEATABLE, max_examples=within),
    )


def simplest(
    strategy: st.SearchStrategy[_T], condition: Callable[[_T], object] = lambda _: True
) -> _T:
    """The example to which Hypothesis shrinks those that meet the condition."""
    return find(
        strategy,
        lambda example: bool(condition(example)),
        settings=settings(REPEATABLE, max_examples=3000, phases=[Phase.generate, Phase.shrink]),
    )


def drawn(strategy: st.SearchStrategy[_T], *, examples: int = 250) -> list[_T]:
    """At most this many examples, whatever the profile sets: tests assert what they contain."""
    seen: list[_T] = []

    @settings(REPEATABLE, max_examples=examples)
    @given(strategy)
    def collect(example: _T) -> None:
        seen.append(example)

    collect()
    return seen
