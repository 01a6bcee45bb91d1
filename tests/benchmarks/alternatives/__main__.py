"""The library compared with its alternatives.

From the top of the repository::

    uv run --group bench python -m tests.benchmarks.alternatives              # the tables
    uv run --group bench python -m tests.benchmarks.alternatives --json FILE --charts FOLDER
    uv run --group bench python -m tests.benchmarks.alternatives --docs       # the docs, anew

First it compares every contestant with the decision table; if one of them has another policy, it
times nothing and exits with 1. No ratio makes it fail.
"""

import argparse
import logging
import platform
import sys
from collections.abc import Iterator
from importlib.metadata import version
from itertools import chain
from pathlib import Path

from benchmarks.results import verdict
from benchmarks.timing import readable
from rich import box
from rich.console import Console
from rich.table import Table

from .bulk import filter_rows
from .chart import write_charts
from .contestant import Contestant
from .contestants import contestants
from .page import CHARTS, IN_README, JSON, PAGE, PARTS, README, rewritten, times
from .questions import ask
from .report import OURS, Entrant, Report, aims, read, seconds_of, write
from .same_policy import differences

_WIDTH = 100
_ROUNDS = 300
_ROWS = 100_000


def measure() -> Report:
    """Measure everything; the report also has the versions and the machine."""
    everyone = contestants()
    questions = ask(everyone, _ROUNDS)
    return Report(
        python=platform.python_version(),
        machine=f"{platform.system()} on {platform.machine()}",
        processor=_processor(),
        contestants=[*map(_entrant, everyone)],
        questions=questions,
        bulk=filter_rows(everyone, _ROWS),
        aims=[*aims(questions)],
    )


def _processor() -> str:
    """The name of the processor, if the system gives it."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0]}, {len(names)} cores" if names else platform.processor()


def _entrant(contestant: Contestant) -> Entrant:
    distribution = contestant.distribution
    return Entrant(
        name=contestant.name,
        distribution=distribution,
        version=version(distribution) if distribution else "",
        gives=contestant.gives,
    )


# --- Tables --------------------------------------------------------------------------------------


def tables(report: Report) -> Iterator[Table]:
    """The report as tables, for people. Beside each time is its ratio to ours."""
    yield _questions(report)
    yield _bulk(report)
    yield _aims(report)


def _new(title: str, first: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column(first, no_wrap=True)
    for column in columns:
        table.add_column(column, justify="right")
    return table


def _questions(report: Report) -> Table:
    asked = report["questions"].values()
    table = _new("One Connection", "", *(question["title"] for question in asked))
    for place, entrant in enumerate(report["contestants"]):
        cells: list[str] = []
        for question in asked:
            answer = question["answers"][place]
            seconds, ours = answer["seconds"], seconds_of(question, OURS)
            cells.append(
                f"[dim]{answer['instead']}[/]"
                if seconds is None
                else f"{readable(seconds)} {times(seconds / ours):>7}"
            )
        table.add_row(entrant["name"], *cells)
    return table


def _bulk(report: Report) -> Table:
    bulk = report["bulk"]
    table = _new(
        f"Which of {bulk['rows']:,} rows may it activate? ({bulk['permitted']:,})",
        "",
        "deciding",
        "loading and deciding",
        "against the filter",
        "measured with",
    )
    table.add_row("one SQL filter", "", readable(bulk["sql"]), times(1), "")
    for answer in bulk["answers"]:
        seconds = answer["seconds"]
        if seconds is None:
            table.add_row(answer["contestant"], f"[dim]{answer['instead']}[/]")
            continue
        total = seconds + bulk["loading"]
        table.add_row(
            answer["contestant"],
            readable(seconds),
            readable(total),
            times(total / bulk["sql"]),
            f"{answer['measured_rows']:,} rows",
        )
    return table


def _aims(report: Report) -> Table:
    table = _new("What was aimed at", "decide is faster than", "aimed at", "measured", "holds")
    for aim in report["aims"]:
        holds = verdict(aim["holds"])
        table.add_row(aim["claim"], f"≥ {times(aim['at_least'])}", times(aim["times"]), holds)
    return table


# --- The command ---------------------------------------------------------------------------------


def _write_docs(report: Report) -> None:
    JSON.parent.mkdir(exist_ok=True)
    write(report, JSON)
    report = read(JSON)
    write_charts(report, CHARTS)
    for path, parts in ((PAGE, PARTS), (README, IN_README)):
        text = path.read_text(encoding="utf-8")
        path.write_text(rewritten(text, report, parts), encoding="utf-8")


def main() -> int:
    """Check, measure, print and write; 1 if the policies are not the same."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.alternatives",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures there")
    parser.add_argument("--charts", type=Path, metavar="FOLDER", help="also draw them there")
    parser.add_argument("--docs", action="store_true", help="also write what the docs say of them")
    arguments = parser.parse_args()
    logging.disable(logging.CRITICAL)  # no contestant pays for logs that nobody reads
    different = [*chain.from_iterable(map(differences, contestants()))]
    if different:
        print(*different, sep="\n", file=sys.stderr)  # noqa: T201  # a command says what is wrong
        return 1
    report = measure()
    console = Console()
    for table in tables(report):
        console.print(table, width=min(console.width, _WIDTH))
    if arguments.json is not None:
        write(report, arguments.json)
    if arguments.charts is not None:
        folder: Path = arguments.charts
        folder.mkdir(parents=True, exist_ok=True)
        write_charts(report, {theme: folder / path.name for theme, path in CHARTS.items()})
    if arguments.docs:
        _write_docs(report)
    return 0


if __name__ == "__main__":
    sys.exit(main())
