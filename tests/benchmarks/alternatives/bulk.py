"""Which of 100,000 Connections may this actor activate? In Python, row by row; and in SQL.

The actor's organization is a party to all of them, so that no index excludes any and each needs a
decision. The table is the library's own, on SQLite in a file. The times are processor times,
because these runs last long enough to be interrupted by other processes.
"""

import gc
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time
from typing import NamedTuple

from sqlalchemy import URL, ColumnElement, insert, select
from sqlalchemy import Connection as Database

from connect_core import DEFAULT_SCOPES, Action, Actor, Status
from connect_core.adapters.sql import actionable, connections, open_engine

from .contestant import Ability, Contestant, StoredRow
from .report import Bulk, BulkAnswer

_HUB = Actor(id="usr_Rk3v", organization_id="org_HUB")
_BATCH = 1_000
#: A contestant that would take longer decides over fewer rows.
_PATIENCE = 5.0
_TURNS = 3


class Timed(NamedTuple):
    """The rows found, and the seconds that it took."""

    result: list[StoredRow]
    seconds: float


def filter_rows(everyone: Sequence[Contestant], number: int) -> Bulk:
    """Time each contestant on `number` rows in memory, the loading of the rows, and the filter."""
    with _database(number) as database:
        loaded = _quickest(lambda: _rows(database))
        filtered = _quickest(lambda: _rows(database, actionable(_HUB, Action.ACTIVATE)))
    due = {row.id for row in filtered.result}
    return Bulk(
        rows=number,
        permitted=len(due),
        loading=loaded.seconds,
        sql=filtered.seconds,
        answers=[_answer(each, loaded.result, due) for each in everyone],
    )


def _answer(contestant: Contestant, rows: list[StoredRow], due: set[str]) -> BulkAnswer:
    if Ability.PERMITTED in contestant.cannot:
        instead = contestant.cannot[Ability.PERMITTED]
        return BulkAnswer(
            contestant=contestant.name, seconds=None, instead=instead, measured_rows=0
        )
    asked = _as_many_as_it_can(contestant, rows)
    found = _quickest(lambda: contestant.permitted(_HUB, Action.ACTIVATE, asked))
    if {row.id for row in found.result} != due & {row.id for row in asked}:
        raise AssertionError(f"{contestant.name} does not find the rows that the filter does")
    return BulkAnswer(
        contestant=contestant.name,
        seconds=found.seconds * len(rows) / len(asked),
        instead="",
        measured_rows=len(asked),
    )


def _as_many_as_it_can(contestant: Contestant, rows: list[StoredRow]) -> list[StoredRow]:
    """All the rows, or a tenth of them, depending on how long a hundredth takes."""
    few = rows[: len(rows) // 100]
    hundredth = _quickest(lambda: contestant.permitted(_HUB, Action.ACTIVATE, few)).seconds
    return rows if hundredth * 100 <= _PATIENCE else rows[: len(rows) // 10]


def _timed(question: Callable[[], list[StoredRow]]) -> Timed:
    """Time it without the garbage collector, as `timeit` does for the other questions."""
    gc.collect()
    gc.disable()
    try:
        begun = process_time()
        result = question()
        return Timed(result, process_time() - begun)
    finally:
        gc.enable()


def _quickest(question: Callable[[], list[StoredRow]]) -> Timed:
    return min((_timed(question) for _ in range(_TURNS)), key=lambda timed: timed.seconds)


# --- The table -----------------------------------------------------------------------------------

_COLUMNS = (
    connections.c.id,
    connections.c.source_organization_id,
    connections.c.destination_organization_id,
    connections.c.status,
)


def _rows(database: Database, *conditions: ColumnElement[bool]) -> list[StoredRow]:
    query = select(*_COLUMNS).where(*conditions)
    return [
        StoredRow(ident, source, destination, status)
        for ident, source, destination, status in database.execute(query)
    ]


@contextmanager
def _database(number: int) -> Generator[Database]:
    with TemporaryDirectory(prefix="connect-core-") as directory:
        engine = open_engine(URL.create("sqlite", database=str(Path(directory) / "rows.db")))
        try:
            with engine.begin() as database:
                for start in range(0, number, _BATCH):
                    database.execute(
                        insert(connections), [_record(start + place) for place in range(_BATCH)]
                    )
            with engine.connect() as database:
                database.exec_driver_sql("ANALYZE")
                yield database
        finally:
            engine.dispose()


def _record(number: int) -> dict[str, object]:
    """One of many Connections, alternately from and to the hub, equally many in each status."""
    ends = ["org_HUB", f"org_{number}"]
    source, destination = ends if number % 2 else reversed(ends)
    now = datetime(2026, 11, 24, 12, tzinfo=UTC)
    return {
        "id": f"cxn_{sha256(str(number).encode()).hexdigest()[:28]}",
        "source_organization_id": source,
        "destination_organization_id": destination,
        "name": f"Connection {number}",
        "status": tuple(Status)[number % 3].value,
        "scopes": sorted(map(str, DEFAULT_SCOPES)),
        "creator_id": f"api_{source}",
        "created_at": now,
        "updated_at": now,
        "version": 1,
    }
