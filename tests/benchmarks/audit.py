"""The audit of ten million events in one query, on DuckDB and on Spark.

From the top of the repository, with Java 17 or later for Spark::

    uv run --group analytics python -m tests.benchmarks.audit                  # both engines
    uv run --group analytics python -m tests.benchmarks.audit --engine duckdb
    uv run --group analytics python -m tests.benchmarks.audit --events 1000000

It writes Connections with five events each into files of Parquet, some of them impossible, and
times how long each engine takes from the text of the query to all of its findings; the processor
time, of all cores, depends less on what else the machine does. It exits with 1 if an engine finds
anything but what was planted, or if an engine cannot run, and with 0 otherwise.
"""

import argparse
import sys
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from os import cpu_count, sysconf
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import Any, NamedTuple

import duckdb
from rich import box
from rich.console import Console
from rich.table import Table
from spark import session, why_not

from connect_core.adapters.sql import impossible_events, sql_text

from .results import verdict
from .timing import readable

_EVENTS = 10_000_000
#: How many events a Connection has, and of how many Connections one is altered in each way.
_LENGTH, _SPARSITY = 5, 1_000
_FINDING = tuple[str, int, str]

#: The source of a Connection, and its destination, by its number.
_SOURCE, _DESTINATION = "'org_' || (n % 997)", "'org_' || (1000 + n % 1009)"
#: What the five events of a history have, by column: values of SQL.
_HISTORY = {
    "action": ["'create'", "'activate'", "'deactivate'", "'reactivate'", "'activate'"],
    "previous_status": ["NULL", "'pending'", "'active'", "'inactive'", "'pending'"],
    "status": ["'pending'", "'active'", "'inactive'", "'pending'", "'active'"],
    "actor_organization_id": [_SOURCE, _DESTINATION, _SOURCE, _SOURCE, _DESTINATION],
    "roles": [f"'[\"{role}\"]'" for role in ("source", "destination", "source", "source")]
    + ["'[\"destination\"]'"],
}


class Planted(NamedTuple):
    """An impossible event: the version, what it has in which column, and what should be found."""

    version: int
    column: str
    value: str
    finding: str


_PLANTED = [
    Planted(3, "actor_organization_id", "'org_outside'", "not_a_party"),
    Planted(2, "actor_organization_id", _SOURCE, "wrong_role"),
    Planted(3, "action", "'reactivate'", "wrong_status"),
    Planted(4, "action", "'create'", "already_exists"),
    Planted(5, "action", "'expire'", "unknown_step"),
    Planted(3, "previous_status", "'pending'", "wrong_previous_status"),
    Planted(5, "status", "'inactive'", "wrong_status_after"),
    Planted(3, "roles", "'[\"destination\"]'", "wrong_recorded_roles"),
]
#: Of such Connections the fourth event is missing, and of such ones the Connection itself.
_WITHOUT_EVENT, _WITHOUT_CONNECTION = len(_PLANTED), len(_PLANTED) + 1


def _id(number: object) -> str:
    """The id of a Connection, in SQL."""
    return f"printf('cxn_%022d', {number})"


def write_files(directory: Path, connections: int) -> None:
    """Write both tables as Parquet."""
    whens = {
        column: [
            f"WHEN n % {_SPARSITY} = {kind} AND v = {each.version} THEN {each.value}"
            for kind, each in enumerate(_PLANTED)
            if each.column == column
        ]
        for column in _HISTORY
    }
    columns = ", ".join(
        f"CASE {' '.join(whens[column])} ELSE ([{', '.join(values)}])[v] END AS {column}"
        for column, values in _HISTORY.items()
    )
    of_connections = (
        f"SELECT {_id('n')} AS id, {_SOURCE} AS source_organization_id,"  # noqa: S608  # ours
        f" {_DESTINATION} AS destination_organization_id FROM range({connections}) AS t(n)"
        f" WHERE n % {_SPARSITY} <> {_WITHOUT_CONNECTION}"
    )
    of_events = (
        f"SELECT {_id('n')} AS connection_id, CAST(v AS INTEGER) AS version, {columns}"  # noqa: S608  # ours
        f" FROM range({connections}) AS t(n), range(1, {_LENGTH + 1}) AS s(v)"
        f" WHERE NOT (n % {_SPARSITY} = {_WITHOUT_EVENT} AND v = 4)"
    )
    with duckdb.connect() as duck:
        for name, query in (("connections", of_connections), ("connection_events", of_events)):
            duck.execute(f"COPY ({query}) TO '{directory / name}.parquet'")


def planted(connections: int) -> Iterator[_FINDING]:
    """What should be found."""
    for first in range(0, connections, _SPARSITY):
        for kind, each in enumerate(_PLANTED):
            yield f"cxn_{first + kind:022d}", each.version, each.finding
        yield f"cxn_{first + _WITHOUT_EVENT:022d}", 5, "version_gap"
        for number in range(1, _LENGTH + 1):
            yield f"cxn_{first + _WITHOUT_CONNECTION:022d}", number, "unknown_connection"


# --- Engines -------------------------------------------------------------------------------------


class Engine(NamedTuple):
    """An engine on the files."""

    #: Runs the text of a query.
    run: Callable[[str], Iterable[Any]]
    #: The processor time that it has taken since it began, in seconds.
    processor_time: Callable[[], float]


@contextmanager
def in_duckdb(directory: Path) -> Generator[Engine]:
    """DuckDB on the files."""
    with duckdb.connect() as duck:
        for name in ("connections", "connection_events"):
            duck.read_parquet(f"{directory}/{name}.parquet").create_view(name)

        def run(text: str) -> Iterable[Any]:
            return duck.execute(text).fetchall()

        yield Engine(run, process_time)


@contextmanager
def in_spark(directory: Path) -> Generator[Engine]:
    """Spark on the files."""
    with session(directory) as spark:
        for name in ("connections", "connection_events"):
            spark.read.parquet(f"{directory}/{name}.parquet").createOrReplaceTempView(name)

        def run(text: str) -> Iterable[Any]:
            found: Iterable[Any] = spark.sql(text).collect()
            return found

        java: int = spark.sparkContext._gateway.proc.pid
        yield Engine(run, lambda: _processor_time_of(java))


def _processor_time_of(process: int) -> float:
    """The processor time of a process, in seconds, as Linux has it."""
    status = Path(f"/proc/{process}/stat").read_text(encoding="utf-8")
    fields = status.rpartition(")")[2].split()  # after the name, which may have spaces
    return (int(fields[11]) + int(fields[12])) / sysconf("SC_CLK_TCK")


_ENGINES: dict[Any, Callable[[Path], Any]] = {"duckdb": in_duckdb, "spark": in_spark}


class Audit(NamedTuple):
    """What an audit took, and whether it found exactly what was planted."""

    engine: str
    seconds: float
    processor_seconds: float
    findings: int
    holds: bool


def audit(engine: Any, directory: Path, expected: set[_FINDING]) -> Audit:
    """One audit, from the text of the query to all findings."""
    with _ENGINES[engine](directory) as opened:
        started, begun = perf_counter(), opened.processor_time()
        rows = opened.run(sql_text(impossible_events(), engine))
        seconds, processor = perf_counter() - started, opened.processor_time() - begun
    found = [tuple(row) for row in rows]
    holds = len(found) == len(expected) and set(found) == expected
    package = "pyspark" if engine == "spark" else engine
    return Audit(f"{engine} {version(package)}", seconds, processor, len(found), holds)


def main() -> int:
    """Write, audit and print; the exit code says whether everything was found, and nothing else."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.audit",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--events", type=int, default=_EVENTS, help="about how many; 10 million")
    parser.add_argument("--engine", action="append", choices=_ENGINES, help="both if omitted")
    arguments = parser.parse_args()
    engines = arguments.engine or list(_ENGINES)
    if "spark" in engines and (reason := why_not()) is not None:
        print(f"Spark cannot run here: {reason}", file=sys.stderr)  # noqa: T201  # a command's output
        return 1
    connections = max(arguments.events // _LENGTH // _SPARSITY, 1) * _SPARSITY
    expected = set(planted(connections))
    table = Table(
        box=box.SIMPLE_HEAD, title=f"{connections * _LENGTH:,} events, {cpu_count()} cores"
    )
    for heading in ("engine", "time", "processor time", "findings", "exactly those planted"):
        table.add_column(heading, justify="left" if heading == "engine" else "right")
    holds = True
    with TemporaryDirectory() as name:
        write_files(Path(name), connections)
        for engine in engines:
            done = audit(engine, Path(name), expected)
            holds &= done.holds
            times = readable(done.seconds), readable(done.processor_seconds)
            table.add_row(done.engine, *times, f"{done.findings:,}", verdict(done.holds))
    Console().print(table)
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
