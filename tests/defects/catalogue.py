"""The catalogue: every defect with its kind, its description and its witness.

A defect registers itself with `defect`. A *witness* is a list of calls; the last answer of the
defect is one that the rules forbid, so that the defect is not an equivalent of the reference.
"""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, TypeVar

from defects.witnesses import Exchanges, Step

from connect_core.conformance import System

#: The kinds of defects, by the part of an implementation that is wrong.
KINDS: Final = (
    "ids-compared",
    "connection-ids",
    "depth",
    "many",
    "third-party",
    "isolation",
    "cached",
    "scopes",
    "names",
    "expected-version",
    "open-points",
    "documents",
    "times",
    "http",
    "refusals",
    "history",
    "permanence",
)


class Defect(NamedTuple):
    """One faulty implementation.

    Attributes:
        name: the name of its class.
        kind: one of `KINDS`.
        make: makes a fresh system.
        text: what is wrong, in one sentence.
        witness: calls whose last answer shows the fault.
        judge: whether the answers to these calls break a rule; if None, they do if the last one is
            not the reference's.
    """

    name: str
    kind: str
    make: Callable[[], System]
    text: str
    witness: Sequence[Step]
    judge: Callable[[Exchanges], bool] | None = None


#: All defects by their names.
DEFECTS: Final[dict[str, Defect]] = {}

_Made = TypeVar("_Made", bound=System)


def defect(
    kind: str, *witness: Step, judge: Callable[[Exchanges], bool] | None = None
) -> Callable[[type[_Made]], type[_Made]]:
    """Register the class of a defect, whose docstring says what is wrong."""

    def register(faulty: type[_Made]) -> type[_Made]:
        name = faulty.__name__
        if name in DEFECTS:
            raise ValueError(f"there are two defects named {name}")
        DEFECTS[name] = Defect(name, kind, faulty, faulty.__dict__["__doc__"], witness, judge)
        return faulty

    return register
