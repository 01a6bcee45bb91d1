"""The conformance kit: how long a verdict takes."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from connect_core.conformance import ReferenceSystem, Result, StdioPeer, explore, load_vectors, run

from .results import AtMost, Fact, Figure, Section

_PEER = Path(__file__).parents[1] / "node" / "peer.mjs"


def judging(rounds: int) -> Section:
    """How long all vectors and an exploration take, and whether the subject conforms."""
    load_vectors()
    vectors = f"all {len(load_vectors())} vectors"
    passed: list[bool] = []

    def core() -> None:
        passed.append(run(ReferenceSystem).conforms)

    def node() -> None:
        with StdioPeer(["node", str(_PEER)]) as peer:
            passed.append(run(lambda: peer).conforms)

    def node_stories() -> None:
        with StdioPeer(["node", str(_PEER)]) as peer:
            passed.append(explore(lambda: peer, seed=1).result is Result.PASS)

    def stories() -> None:
        found = explore(ReferenceSystem, examples=100, steps=50, seed=1)
        passed.append(found.result is Result.PASS)

    figures = [
        Figure(f"{vectors}, the core", _median(core, rounds), bound=AtMost(2)),
        Figure("exploration 100x50, the core", _median(stories, rounds), bound=AtMost(15)),
    ]
    if shutil.which("node"):
        figures.append(Figure(f"{vectors}, Node.js", _median(node, rounds), bound=AtMost(5)))
        explored = _median(node_stories, rounds)
        figures.append(Figure("exploration 100x50, Node.js", explored, bound=AtMost(30)))
    return Section(
        "A verdict on an implementation",
        tuple(figures),
        (
            Fact("Node.js is installed, and was timed", len(figures) == 4),
            Fact("every verdict was that it conforms", all(passed)),
        ),
    )


def _median(what: Callable[[], None], rounds: int) -> float:
    def once() -> float:
        begun = time.perf_counter()
        what()
        return time.perf_counter() - begun

    return median(once() for _ in range(rounds))
