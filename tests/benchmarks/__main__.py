"""The benchmarks: how long the library takes, compared with its bounds.

From the top of the repository::

    uv run --group bench python -m tests.benchmarks               # one table
    uv run --group bench python -m tests.benchmarks --json FILE   # and the same as JSON
    uv run --group bench python -m tests.benchmarks --only store  # a part of it

It exits with 1 if a bound does not hold, and with 0 otherwise. It times what it compares side by
side in one run, so that the ratios are reliable even on a busy machine; the times themselves depend
on the machine. The benchmarks are not part of the tests: pytest does not collect them.
"""

import argparse
import json
import platform
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from .commands import activating
from .conformance import judging
from .dashboard import showing
from .decisions import asking
from .enforcement import enforcing
from .http import serving
from .imports import importing
from .many import deciding
from .own_rows import mapping
from .results import Figure, Section, verdict
from .store import storing
from .timing import readable
from .transfer import transferring
from .wire import answering
from .writing import writing

_WIDTH = 80
#: How many rounds there are of samples of a millisecond, and of whole processes.
_ROUNDS = 300
_PROCESS_ROUNDS = 25


#: The parts, by the names of their modules.
_PARTS: Mapping[str, Callable[[], Sequence[Section]]] = {
    "decisions": lambda: [asking(_ROUNDS)],
    "own_rows": lambda: [mapping(_ROUNDS)],
    "many": deciding,
    "commands": lambda: [activating(_ROUNDS)],
    "wire": lambda: [answering(_ROUNDS)],
    "imports": lambda: [importing(_PROCESS_ROUNDS)],
    "store": lambda: storing(_ROUNDS),
    "writing": lambda: writing(_ROUNDS),
    "enforcement": lambda: enforcing(_ROUNDS),
    "http": lambda: serving(_ROUNDS),
    "dashboard": lambda: showing(_ROUNDS),
    "transfer": transferring,
    "conformance": lambda: [judging(5)],
}


def measure(parts: Collection[str]) -> list[Section]:
    """Measure these parts."""
    return [section for part in parts for section in _PARTS[part]()]


def _time(seconds: float | None) -> str:
    return "" if seconds is None else readable(seconds)


def _cells(figure: Figure) -> tuple[str, ...]:
    """The cells beside the name of a figure."""
    ratio = "" if figure.ratio is None else f"{figure.ratio:.2f}"
    times = _time(figure.seconds), _time(figure.baseline_seconds)
    if figure.bound is None:
        return *times, ratio, "", ""
    bound = str(figure.bound) if figure.ratio is not None else f"≤ {_time(figure.bound.limit)}"
    return *times, ratio, bound, verdict(figure.holds)


def _add(table: Table, section: Section) -> None:
    """Add the rows of one section, each baseline above the figures that are compared with it."""
    table.add_row(f"[bold]{section.title}[/]")
    baseline: str | None = None
    for figure in section.figures:
        if figure.baseline not in (None, baseline):
            baseline = figure.baseline
            table.add_row(escape(f"against {baseline}"), style="dim")
        table.add_row(escape(f"  {figure.subject}"), *_cells(figure))
    for fact in section.facts:
        table.add_row(f"  {fact.claim}", "", "", "", "", verdict(fact.holds))
    table.add_section()


def table_of(sections: Sequence[Section]) -> Table:
    """The sections as a table, for people."""
    table = Table(box=box.SIMPLE_HEAD, padding=0)
    table.add_column("what")
    for heading in ("time", "baseline", "ratio", "bound"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("holds", no_wrap=True)
    for section in sections:
        _add(table, section)
    return table


def document_of(sections: Sequence[Section]) -> dict[str, object]:
    """The sections as JSON values, with the versions and the machine. Times are in seconds."""
    return {
        "holds": all(section.holds for section in sections),
        "python": platform.python_version(),
        "machine": platform.platform(),
        "packages": {
            name: version(name) for name in ("connect-core", "pydantic", "python-statemachine")
        },
        "sections": [section.as_dict() for section in sections],
    }


def main() -> int:
    """Measure and print; the exit code says whether every bound holds."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures there")
    parser.add_argument(
        "--only", action="append", choices=_PARTS, metavar="PART", help=", ".join(_PARTS)
    )
    arguments = parser.parse_args()
    sections = measure(arguments.only or _PARTS)
    console = Console()
    console.print(table_of(sections), width=min(console.width, _WIDTH))
    if arguments.json is not None:
        text = json.dumps(document_of(sections), indent=2, ensure_ascii=False)
        arguments.json.write_text(f"{text}\n", encoding="utf-8")
    return 0 if all(section.holds for section in sections) else 1


if __name__ == "__main__":
    sys.exit(main())
