"""An import of many records, against a bulk insert of the same rows; and the memory it takes.

These benchmarks run on SQLite, in a file with write-ahead logging. On PostgreSQL, which waits for
the disk, the import and an export are timed as people see them, by the clock: records a second.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import NamedTuple

from databases import postgresql
from sqlalchemy import URL, insert
from sqlalchemy.orm import Session

from connect_core import (
    Action,
    Actor,
    Connection,
    ConnectionEvent,
    InvalidRecordError,
    connection_document,
)
from connect_core.adapters.cli.checking import shortest_history
from connect_core.adapters.cli.loading import analyze, load
from connect_core.adapters.cli.reading import Found, LongRecord, records
from connect_core.adapters.cli.transfer import FORMATS, Pieces
from connect_core.adapters.sql import (
    History,
    SqlConnectionStore,
    connection_events,
    connections,
    open_engine,
)
from connect_core.adapters.sql.histories import Streamed
from connect_core.jsonapi import PlainRecord, record_document

from .results import AtLeast, AtMost, Fact, Figure, Section

_RECORDS = 100_000
_BOUND = AtMost(3)
_FLAT = AtMost(1.25)
#: How much quicker an export is than one through the models.
_QUICKER = AtLeast(2)
#: How many turns the two take, and how many rows one statement inserts.
_TURNS, _BATCH = 10, 1_000
_INSERT = "bulk insert of the same rows"


def transferring(number: int = _RECORDS) -> list[Section]:
    """The time and memory of an import of `number` records, a multiple of 10,000."""
    return [_on_sqlite(number), _on_postgresql(number // 5)]


def _on_sqlite(number: int) -> Section:
    found = [_compared(_WITH_HISTORIES, number), _compared(_A_LIST, number // 4)]
    return Section(
        "An import on SQLite (processor time)",
        tuple(figure for figure, _ in found),
        (*(fact for _, fact in found), _memory(number // 10, number)),
    )


# --- Records -------------------------------------------------------------------------------------

_ORGANIZATIONS = 1_000
_STEPS = (Action.ACTIVATE, Action.DEACTIVATE)


def _history(number: int) -> History:
    """One of many Connections: pending, active or inactive, with one, two or three events.

    A thousand organizations are connected with each other. Each has one key, which creates, and one
    person, who takes the other steps. The ids are in no order.
    """
    offset, source = divmod(number, _ORGANIZATIONS)
    key = Actor(id=f"api_{source}", organization_id=f"org_{source}")
    destination = (source + 1 + offset) % _ORGANIZATIONS
    person = Actor(id=f"usr_{destination}", organization_id=f"org_{destination}")
    now = datetime(2026, 11, 24, 12, tzinfo=UTC) + timedelta(seconds=number)
    connection, event = Connection.create(
        by=key,
        destination=person.organization_id,
        name=f"Connection {number}",
        id=f"cxn_{sha256(str(number).encode()).hexdigest()[:28]}",
        at=now,
    )
    events = [event]
    for action in _STEPS[: number % (len(_STEPS) + 1)]:
        connection, event = connection.take(action, by=person, at=now + timedelta(days=1))
        events.append(event)
    return History(connection, events)


def _histories(start: int, end: int) -> Iterator[History]:
    return map(_history, range(start, end))


class Form(NamedTuple):
    """A file format: its name, how it is written, and what an import makes of it."""

    name: str
    write: Callable[[Iterable[History]], Iterator[str]]
    imported: Callable[[History], History]


def _lines(histories: Iterable[History]) -> Iterator[str]:
    for history in histories:
        yield json.dumps(record_document(*history), separators=(",", ":")) + "\n"


def _list(histories: Iterable[History]) -> Iterator[str]:
    """A list on one line, as a server sends it."""
    before = '{"data":['
    for connection, _ in histories:
        yield before + json.dumps(connection_document(connection)["data"], separators=(",", ":"))
        before = ","
    yield "]}"


def _as_it_is(history: History) -> History:
    return history


def _shortest(history: History) -> History:
    return shortest_history(history.connection)


_WITH_HISTORIES = Form("JSON Lines, with histories", _lines, _as_it_is)
_A_LIST = Form("list document, no histories", _list, _shortest)


# --- Time ----------------------------------------------------------------------------------------


def _connection_row(connection: Connection) -> dict[str, object]:
    return {
        "id": str(connection.id),
        "source_organization_id": str(connection.source_organization_id),
        "destination_organization_id": str(connection.destination_organization_id),
        "name": connection.name,
        "status": connection.status.value,
        "scopes": sorted(map(str, connection.scopes)),
        "creator_id": str(connection.creator.id),
        "created_at": connection.created_at,
        "updated_at": connection.updated_at,
        "version": connection.version,
    }


def _event_row(event: ConnectionEvent) -> dict[str, object]:
    return {
        "connection_id": str(event.connection_id),
        "version": event.version,
        "action": event.action.value,
        "previous_status": event.previous_status and event.previous_status.value,
        "status": event.status.value,
        "actor_id": str(event.actor.id),
        "actor_organization_id": str(event.actor.organization_id),
        "roles": sorted(role.value for role in event.roles),
        "occurred_at": event.occurred_at,
        "terms": event.terms and event.terms.model_dump(mode="json"),
    }


@contextmanager
def _session(path: Path) -> Generator[Session]:
    """A transaction on a fresh file."""
    engine = open_engine(URL.create("sqlite", database=str(path)))
    try:
        with Session(engine) as session:
            yield session
    finally:
        engine.dispose()


def _insert(session: Session, histories: Iterable[History]) -> float:
    """The seconds that it takes to insert the histories, once their rows are built."""
    kept = list(histories)
    rows = [_connection_row(connection) for connection, _ in kept]
    event_rows = [_event_row(event) for _, events in kept for event in events]
    begun = process_time()
    database = session.connection()
    for table, of_table in ((connections, rows), (connection_events, event_rows)):
        for start in range(0, len(of_table), _BATCH):
            database.execute(insert(table), of_table[start : start + _BATCH])
    return process_time() - begun


def _commit(session: Session) -> float:
    """The seconds that it takes."""
    begun = process_time()
    session.commit()
    return process_time() - begun


def _compared(form: Form, number: int) -> tuple[Figure, Fact]:
    """Time an import and the insert, each into a file of its own and in one transaction.

    They take turns, a tenth at a time, so that both meet the same disturbances and tables of the
    same size. Building the rows for the insert is not timed.
    """
    theirs = paused = 0.0
    length = number // _TURNS

    def in_turns(
        found: Iterable[Found | LongRecord], inserting: Session
    ) -> Iterator[Found | LongRecord]:
        nonlocal theirs, paused
        for place, each in enumerate(found):
            if place % length == 0:
                begun = process_time()
                due = map(form.imported, _histories(place, place + length))
                theirs += _insert(inserting, due)
                paused += process_time() - begun
            yield each

    with TemporaryDirectory(prefix="connect-core-") as directory:
        path = Path(directory) / "records"
        with path.open("w", encoding="ascii") as file:
            file.writelines(form.write(_histories(0, number)))
        with (
            path.open("rb") as written,
            _session(path.with_name("imported.db")) as importing,
            _session(path.with_name("inserted.db")) as inserting,
        ):
            begun = process_time()
            tally = load(in_turns(records(written), inserting), SqlConnectionStore(importing))
            ours = process_time() - begun - paused + _commit(importing)
            theirs += _commit(inserting)
            same = tally.added == number and _content(importing) == _content(inserting)
    subject = f"{number:,}: {form.name}"
    return Figure(subject, ours, _INSERT, theirs, _BOUND), Fact(f"the same rows: {form.name}", same)


def _content(session: Session) -> str:
    """A digest of the two tables."""
    content = sha256()
    for query in (
        "SELECT * FROM connections ORDER BY id",
        "SELECT * FROM connection_events ORDER BY connection_id, version",
    ):
        for row in session.connection().exec_driver_sql(query):
            content.update(repr(tuple(row)).encode())
    return content.hexdigest()


# --- Records a second ----------------------------------------------------------------------------


def _on_postgresql(number: int) -> Section:
    """An import of `number` records, and an export of them, beside the same without our own ways.

    The import is compared with a bulk insert of the same rows, unchecked; the export with one in
    which the models check every record.
    """
    with (
        TemporaryDirectory(prefix="connect-core-") as directory,
        postgresql(durable=True) as one,
        postgresql(durable=True) as other,
    ):
        path, output = Path(directory) / "records", Path(directory) / "output"
        histories = list(_histories(0, number))
        with path.open("w", encoding="ascii") as file:
            file.writelines(_lines(histories))
        with _transaction(one) as session, path.open("rb") as written:
            imported = _timed(lambda: load(records(written), SqlConnectionStore(session)), session)
            analyze(session.get_bind().engine)
        with _transaction(other) as session:
            inserted = _timed(lambda: _insert(session, histories), session)
        with _transaction(one) as session:
            store = SqlConnectionStore(session)
            exported = _timed(lambda: _export(store.plain_records(), output), session)
            same = sorted(path.open()) == sorted(output.open())
            by_models = _timed(lambda: _export(store.stream(), output), session)
            same = same and sorted(path.open()) == sorted(output.open())
    figures = (
        Figure(f"{number:,}: import, checked", imported, _INSERT, inserted, _BOUND),
        Figure(
            f"{number:,}: export, checked",
            exported,
            "the same, checked by the models",
            by_models,
            _QUICKER,
            faster=True,
        ),
    )
    rates = f"import {number / imported:,.0f}, export {number / exported:,.0f} records a second"
    return Section(
        "On PostgreSQL, waiting for the disk (by the clock)",
        figures,
        (Fact(f"the same lines come out as went in: {rates}", same),),
    )


@contextmanager
def _transaction(url: URL) -> Generator[Session]:
    engine = open_engine(url)
    try:
        with Session(engine) as session:
            yield session
    finally:
        engine.dispose()


def _timed(work: Callable[[], object], session: Session) -> float:
    """The seconds by the clock that it takes, with the commit."""
    begun = perf_counter()
    work()
    session.commit()
    return perf_counter() - begun


def _export(found: Iterable[PlainRecord | Streamed], output: Path) -> None:
    with output.open("w", encoding="ascii") as file:
        file.writelines(Pieces(FORMATS["jsonl"], found, _unreadable))


def _unreadable(error: InvalidRecordError) -> None:
    raise error


# --- Memory --------------------------------------------------------------------------------------

#: A process that runs the command, and then prints its peak memory in kilobytes. Linux counts this
#: peak for the program alone; `resource.getrusage` includes the process that started it.
_CHILD = """
import re, sys
from pathlib import Path
from connect_core.adapters.cli import app
try:
    app(sys.argv[1:])
except SystemExit as left:
    assert left.code == 0
print(re.search("VmHWM: *([0-9]+)", Path("/proc/self/status").read_text().expandtabs())[1])
"""


def _memory(few: int, many: int) -> Fact:
    """Whether the process takes as little memory for many records as for few."""
    peaks = [_peak(number) for number in (few, many)]
    ratio = peaks[1] / peaks[0]
    claim = (
        f"peak of the process: {peaks[1]:.0f} MB for {many:,}, {peaks[0]:.0f} MB for {few:,}: "
        f"{ratio:.2f} {_FLAT}"
    )
    return Fact(claim, _FLAT.admits(ratio))


def _peak(number: int) -> float:
    """The peak of resident memory while the command imports `number` records, in megabytes."""
    with TemporaryDirectory(prefix="connect-core-") as directory:
        path = Path(directory) / "records"
        with path.open("w", encoding="ascii") as file:
            file.writelines(_lines(_histories(0, number)))
        done = subprocess.run(  # noqa: S603  # the program and its source are our own
            [sys.executable, "-P", "-c", _CHILD, "import", path, f"--database={path}.db"],
            check=True,
            capture_output=True,
            text=True,
        )
    return int(done.stdout.split()[-1]) / 1024
