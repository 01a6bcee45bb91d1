"""A race on a Galera cluster: ``uv run --group test python -m tests.cluster``.

It starts three MariaDB nodes on the loopback interface (`nodes`). Processes take steps on the same
Connections through all of them at once (`writers`). Meanwhile nodes are killed and one is frozen,
and they come back. At the end it checks every history, everything that a writer was told, and that
the nodes hold the same rows (`checks`). It prints the figures, and ends the nodes whatever happens.

It needs Debian, or a system like it; as root, it installs the packages that are missing. Exit code
0 means that every check has passed.
"""

import argparse
import re
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from random import SystemRandom
from statistics import quantiles
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

from sqlalchemy import Engine
from workers import PROCESSES, opened, running

from .checks import check, check_readings, check_same
from .nodes import Node, cluster, install
from .writers import CHANGED, Records, deliveries, quieten, read_records, write

STEPS: Final = 100_000
#: How many processes prefer each node.
PROCESSES_PER_NODE: Final = 2
#: The longest that the race may take, in seconds.
PATIENCE: Final = 3600.0
#: A setting with which a session sees what was committed on another node before its statement.
SYNCED: Final = "?init_command=SET SESSION wsrep_sync_wait = 1"


class Disturbance(NamedTuple):
    """Something that happens to a node.

    Attributes:
        after: how much of the race is over by then, from 0 to 1.
        name: what it is.
        strike: does it, and brings the node back; it is given the node and the others.
        node: its index.
    """

    after: float
    name: str
    strike: Callable[[Node, Sequence[Node]], None]
    node: int


def _kill(node: Node, others: Sequence[Node]) -> None:
    node.kill()
    _wait_until_alone(others)
    node.rejoin()


def _kill_and_erase(node: Node, others: Sequence[Node]) -> None:
    node.kill()
    _wait_until_alone(others)
    node.erase()
    node.join()


def _freeze(node: Node, others: Sequence[Node]) -> None:
    node.freeze()
    _wait_until_alone(others)
    node.thaw()


def _wait_until_alone(others: Sequence[Node]) -> None:
    """Wait until the other nodes have gone on without one, and let them for five seconds."""
    _wait_until_together(others)
    time.sleep(5)


def _wait_until_together(nodes: Sequence[Node]) -> None:
    """Wait until a cluster of these nodes serves clients."""
    for each in nodes:
        each.wait_for("wsrep_cluster_size", str(len(nodes)))
        each.wait_until_ready()


DISTURBANCES: Final = (
    Disturbance(0.2, "killed, and joined again", _kill, 2),
    Disturbance(0.4, "frozen until it was excluded", _freeze, 1),
    Disturbance(0.6, "killed, lost its data, and joined again", _kill_and_erase, 0),
    Disturbance(0.8, "frozen until it was excluded", _freeze, 2),
)


def main() -> None:
    """Run the race, and report."""
    parser = argparse.ArgumentParser(description="A race on a Galera cluster.")
    parser.add_argument("--steps", type=int, default=STEPS, help="how many steps are committed")
    parser.add_argument("--seed", type=int, default=SystemRandom().randrange(2**32))
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, _leave)
    quieten()
    install()
    with ExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory(prefix="connect-core-race-")))
        began = time.monotonic()
        nodes = stack.enter_context(cluster())
        _say(f"three nodes run after {time.monotonic() - began:.0f} s; seed {options.seed}")
        engines = [stack.enter_context(opened(node.url + SYNCED)) for node in nodes]
        deliveries.create(engines[0])
        began = time.monotonic()
        records = _race(nodes, options.seed, options.steps, directory)
        _report(records, time.monotonic() - began)
        _verify(nodes, engines, records)


def _leave(_signal: int, _frame: object) -> None:
    """End the nodes and the writers, and exit."""
    sys.exit("terminated")


def _race(nodes: Sequence[Node], seed: int, steps: int, directory: Path) -> Records:
    """Let the writers take so many steps, and disturb them."""
    taken = PROCESSES.Value("q", 0)
    paths: list[Path] = []
    arguments: list[tuple[object, ...]] = []
    for number in range(len(nodes) * PROCESSES_PER_NODE):
        paths.append(directory / f"{number}.jsonl")
        synced = SYNCED if number % 2 else ""
        urls = [f"{node.url}{synced}" for node in nodes]
        name = f"{seed}-{number}"
        arguments.append((urls, number % len(nodes), name, str(paths[-1]), steps, taken))
    began = time.monotonic()
    with running(write, arguments) as processes:

        def wait_for(least: float) -> None:
            end = time.monotonic() + PATIENCE
            while taken.value < least:
                assert time.monotonic() < end, "the race takes too long"
                assert all(each.exitcode in (None, 0) for each in processes), "a writer has failed"
                time.sleep(0.05)

        for disturbance in DISTURBANCES:
            wait_for(disturbance.after * steps)
            _say(f"{taken.value} steps after {time.monotonic() - began:.0f} s")
            _disturb(nodes, disturbance)
        wait_for(steps)
        for process in processes:
            process.join(PATIENCE)
            assert process.exitcode == 0, "a writer has failed"
    return read_records(paths)


def _disturb(nodes: Sequence[Node], disturbance: Disturbance) -> None:
    """Disturb a node until it is back, and say what it needed."""
    node = nodes[disturbance.node]
    seen = node.log.stat().st_size
    began = time.monotonic()
    disturbance.strike(node, [each for each in nodes if each is not node])
    _wait_until_together(nodes)
    seconds = time.monotonic() - began
    with node.log.open(encoding="utf-8", errors="replace") as log:
        log.seek(seen)
        since = log.read()
    missed = sum(map(int, re.findall(r"Receiving IST: (\d+) writesets", since)))
    copy = "a copy (SST) and " if "rsync SST completed on joiner" in since else ""
    _say(
        f"node {node.number} was {disturbance.name}: in step after {seconds:.0f} s,"
        f" by {copy}{missed} missed changes (IST)"
    )


def _report(records: Records, seconds: float) -> None:
    """Print what the writers were told, and what the database told the library."""
    changed = [each for each in records.told if each.outcome == CHANGED]
    _say(
        f"{len(changed)} steps committed in {seconds:.0f} s, {len(changed) / seconds:.0f} a second,"
        f" of {len(records.told)} requests"
    )
    parts = quantiles((each.seconds for each in changed), n=100)
    longest = max(each.seconds for each in changed)
    _say(
        f"a committed step took {1000 * parts[49]:.0f} ms in the median,"
        f" {1000 * parts[98]:.0f} ms at the 99th percentile, {longest:.1f} s at most"
    )
    outcomes = Counter(f"{each.outcome} ({each.way})" for each in records.told)
    for title, counts in ("outcomes", outcomes), ("errors of the database", records.errors):
        _say(f"{title}:")
        for name, count in sorted(counts.items()):
            _say(f"    {count:7} {name}")


def _verify(nodes: Sequence[Node], engines: Sequence[Engine], records: Records) -> None:
    """Check everything, and that there was something to check."""
    _wait_until_together(nodes)
    check_same(engines)
    _say("all nodes hold the same rows")
    landed = check(engines[-1], records.told)
    _say("nothing is lost, nothing is there twice, every history is legal and replays")
    _say(
        f"of {sum(landed)} uncertain outcomes, {landed.carried_out} were committed and"
        f" {landed.not_carried_out} were not"
    )
    stale = check_readings(records.readings)
    _say(
        f"{len(records.readings)} readings on another node directly after a commit: none was stale"
        f" with wsrep_sync_wait = 1, and {stale:.0%} were without it"
    )
    conflicts = sum(count for name, count in records.errors.items() if name.startswith("1213 "))
    at_commit = records.errors["1213 at COMMIT"]
    _say(f"{conflicts} conflicts (1213), of which {at_commit} came up at COMMIT")
    assert at_commit > 0, "no two nodes were in each other's way"
    assert landed.carried_out + landed.not_carried_out > 0, "nothing was ever uncertain"


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201  # it is a command


if __name__ == "__main__":
    main()
