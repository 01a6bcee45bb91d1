"""How many instructions the library takes for an answer, compared with its bounds.

From the top of the repository, with valgrind installed::

    uv run --group bench python -m tests.benchmarks.instructions              # one table
    uv run --group bench python -m tests.benchmarks.instructions --json FILE  # also as JSON

It exits with 1 if a bound does not hold, with 2 if nothing could be counted, and with 0 otherwise.
A count does not depend on how busy the machine is, so it shows regressions where times do not. The
bounds apply to ratios to a lookup in a bare dict, counted in the same process, because the counts
themselves differ from one build of Python to the next.

Callgrind counts one process, `counted`, which runs each statement in a loop, and then in a loop of
twice the length. Before, between and after the loops it calls `os.getppid`, at which callgrind
writes its count and starts again from zero. The difference between the two loops is the cost of the
statement, including one step of the loop.
"""

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from .counted import LOOKUP, REPETITIONS, statements
from .results import AtMost, verdict

_WIDTH = 80
#: The greatest ratio to the lookup: that of Python 3.11, with a margin so small that one needless
#: function call exceeds it. Later versions of Python take less.
_BOUNDS = {
    "decide, allowed": AtMost(4.5),
    "decide, denied": AtMost(4.5),
    "decide, unknown status": AtMost(5.7),
    "decide_access": AtMost(5.3),
    "decide_access, row": AtMost(9),
    "can": AtMost(5),
    "allowed_actions": AtMost(5.8),
    "connection.activate(by=...)": AtMost(57),
}


class NotCountedError(Exception):
    """Valgrind is not installed, or did not count."""


@dataclass(frozen=True, slots=True)
class Count:
    """The instructions of one statement, and their ratio to those of the lookup."""

    subject: str
    instructions: float
    ratio: float
    bound: AtMost | None

    @property
    def holds(self) -> bool:
        """Whether the ratio is within its bound; true if there is none."""
        return self.bound is None or self.bound.admits(self.ratio)

    def as_dict(self) -> dict[str, object]:
        """The count as plain JSON values."""
        return {
            "subject": self.subject,
            "instructions": self.instructions,
            "ratio": self.ratio,
            "bound": None if self.bound is None else self.bound.as_dict(),
            "holds": self.holds,
        }


# --- Counting ------------------------------------------------------------------------------------


def count() -> list[Count]:
    """Count every statement.

    Raises:
        NotCountedError: valgrind is not installed, or did not write the counts.
    """
    each = _instructions(_totals())
    return [
        Count(subject, instructions, instructions / each[LOOKUP], _BOUNDS.get(subject))
        for subject, instructions in each.items()
    ]


def _totals() -> list[int]:
    """Callgrind's count at each mark, since the previous one."""
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        raise NotCountedError("valgrind is not installed (Debian: apt-get install valgrind)")
    with TemporaryDirectory(prefix="connect-core-") as directory:
        out = Path(directory) / "out"
        options = ["--tool=callgrind", "--dump-before=getppid", f"--callgrind-out-file={out}"]
        done = subprocess.run(  # noqa: S603  # the program and what it runs are named here
            [valgrind, *options, sys.executable, "-m", "tests.benchmarks.counted"],
            env={**os.environ, "PYTHONHASHSEED": "0"},
            capture_output=True,
            text=True,
        )
        if done.returncode != 0:
            raise NotCountedError(f"valgrind exited with {done.returncode}: {done.stderr[-2000:]}")
        dumps = sorted(Path(directory).glob("out.*"), key=lambda path: int(path.suffix[1:]))
        return [_total(dump) for dump in dumps]


def _total(dump: Path) -> int:
    found = re.search(r"^(?:totals|summary): (\d+)", dump.read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        raise NotCountedError(f"callgrind wrote no total into {dump.name}")
    return int(found[1])


def _instructions(totals: Sequence[int]) -> Mapping[str, float]:
    """The instructions of each statement, from its three marks: around and between two loops."""
    subjects = list(statements())
    if len(totals) < 3 * len(subjects):
        raise NotCountedError(
            f"callgrind wrote {len(totals)} dumps, not {3 * len(subjects)}: it does not see the "
            "calls of getppid"
        )
    marks = zip(*[iter(totals)] * 3, strict=False)
    return {
        subject: (twice - once) / REPETITIONS
        for subject, (_, once, twice) in zip(subjects, marks, strict=False)
    }


# --- The command ---------------------------------------------------------------------------------


def table_of(counts: Sequence[Count]) -> Table:
    """The counts as a table, for people."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("what")
    for heading in ("instructions", "ratio", "bound"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("holds", no_wrap=True)
    for each in counts:
        bounded = ("", "") if each.bound is None else (str(each.bound), verdict(each.holds))
        table.add_row(
            escape(each.subject), f"{each.instructions:,.0f}", f"{each.ratio:.2f}", *bounded
        )
    return table


def document_of(counts: Sequence[Count]) -> dict[str, object]:
    """The counts as JSON values, for programs."""
    return {
        "holds": all(each.holds for each in counts),
        "python": platform.python_version(),
        "machine": platform.platform(),
        "counts": [each.as_dict() for each in counts],
    }


def main() -> int:
    """Count and print; the exit code says whether every bound holds."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.instructions",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the counts there")
    arguments = parser.parse_args()
    try:
        counts = count()
    except NotCountedError as reason:
        Console(stderr=True).print(f"NOT COUNTED: {reason}", markup=False, soft_wrap=True)
        return 2
    console = Console()
    console.print(table_of(counts), width=min(console.width, _WIDTH))
    if arguments.json is not None:
        text = json.dumps(document_of(counts), indent=2, ensure_ascii=False)
        arguments.json.write_text(f"{text}\n", encoding="utf-8")
    return 0 if all(each.holds for each in counts) else 1


if __name__ == "__main__":
    sys.exit(main())
