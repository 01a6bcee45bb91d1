"""How many faults the conformance kit finds: ``uv run --group test python -m tests.adequacy``.

It puts every faulty implementation of `tests.defects` to all vectors, and to the exploration, and
writes ``tests/defects/found.json``: for each kind of fault, how many there are and what finds them;
for each vector, how many of them it finds. The table of the documentation is made of it, and the
tests hold the numbers. It takes a quarter of an hour on two cores.
"""

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from time import monotonic
from typing import Any, Final, NamedTuple
from unittest import mock

if __name__ == "__main__":  # the modules of the tests are found as pytest finds them
    sys.path.insert(0, str(Path(__file__).parent))

from defects import DEFECTS

from connect_core.conformance import Profile, Result, System, explore, load_vectors
from connect_core.conformance.profile import Answers
from connect_core.conformance.runner import run_vector
from connect_core.conformance.shuffle import Shuffle
from connect_core.conformance.trace import Counterexample, Search

#: The file with the numbers.
FOUND: Final = Path(__file__).parent / "defects" / "found.json"
#: The size and the seed of the exploration, and the seed of the vectors.
EXAMPLES, STEPS, SEED, SHUFFLE = 100, 50, 1, 7
#: The results that tell a fault.
_FAULTS: Final = (Result.FAIL, Result.ERROR, Result.COULD_NOT_TEST)


class Found(NamedTuple):
    """What finds one faulty implementation."""

    name: str
    vectors: list[str]
    explored: bool


def failing_vectors(make: Callable[[], System], *, first: Iterable[str] = ()) -> Iterable[str]:
    """The ids of the vectors that an implementation fails, as they are run.

    Args:
        make: makes the implementation.
        first: the ids of vectors to run before the others.
    """
    answers, shuffle, early = Answers({}), Shuffle(SHUFFLE), set(first)
    ordered = sorted(shuffle.order(load_vectors()), key=lambda vector: vector.id not in early)
    for vector in ordered:
        if run_vector(make, vector, Profile(), answers, shuffle).result in _FAULTS:
            yield vector.id


def _as_it_is(_: Search, fault: Counterexample) -> Counterexample:
    return fault


def is_explored(make: Callable[[], System]) -> bool:
    """Whether the exploration finds a fault. It is not shrunk."""
    with mock.patch("connect_core.conformance.exploration.shrink", _as_it_is):
        found = explore(make, examples=EXAMPLES, steps=STEPS, seed=SEED)
    return found.finding is not None


def _measured(name: str) -> Found:
    make = DEFECTS[name].make
    return Found(name, list(failing_vectors(make)), is_explored(make))


def summary(found: Iterable[Found]) -> dict[str, Any]:
    """The numbers that are kept."""
    results = list(found)
    kinds: dict[str, dict[str, int]] = {}
    for each in results:
        counts = kinds.setdefault(DEFECTS[each.name].kind, Counter())
        counts["faults"] += 1
        counts["vectors"] += bool(each.vectors)
        counts["exploration"] += each.explored
        counts["both"] += bool(each.vectors or each.explored)
    by_vector = Counter(vector for each in results for vector in each.vectors)
    families = {vector.id.partition("/")[0] for vector in load_vectors()}
    return {
        "kinds": {kind: dict(counts) for kind, counts in sorted(kinds.items())},
        "families": {
            family: sum(
                any(vector.startswith(f"{family}/") for vector in each.vectors) for each in results
            )
            for family in sorted(families)
        },
        "vectors": {vector.id: by_vector[vector.id] for vector in load_vectors()},
        "not found by vectors": sorted(each.name for each in results if not each.vectors),
        "not found": sorted(
            each.name for each in results if not each.vectors and not each.explored
        ),
    }


def table(numbers: dict[str, Any]) -> str:
    """The numbers as a table in Markdown."""
    rows = [
        (kind, *(counts[column] for column in ("faults", "vectors", "exploration", "both")))
        for kind, counts in numbers["kinds"].items()
    ]
    total = tuple(sum(row[column] for row in rows) for column in range(1, 5))
    lines = [
        "| kind of fault | faults | vectors | exploration | both |",
        "| --- | --- | --- | --- | --- |",
        *("| " + " | ".join(map(str, row)) + " |" for row in (*rows, ("**all**", *total))),
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure, write the numbers, and print the table."""
    begun = monotonic()
    with ProcessPoolExecutor(max_workers=2) as workers:
        found = list(workers.map(_measured, DEFECTS, chunksize=4))
    numbers = summary(found)
    FOUND.write_text(f"{json.dumps(numbers, indent=1)}\n", encoding="utf-8")
    sys.stdout.write(f"{table(numbers)}\n\n{monotonic() - begun:.0f} s\n")
    sys.stdout.write(f"Not found: {', '.join(numbers['not found']) or 'none'}.\n")


if __name__ == "__main__":
    main()
