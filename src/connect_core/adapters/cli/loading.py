"""Importing records into a database, as many at a time as fit into little memory.

A record whose history is too long to be held is read twice: first from the file, to check it, and
then from a temporary file with its events, to add them.

This module needs SQLAlchemy, so commands import it when they run.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import suppress
from tempfile import TemporaryFile
from typing import IO, Final, NamedTuple

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from connect_core import (
    Connection,
    ConnectionEvent,
    InvalidDocumentError,
    InvalidHistoryError,
    InvalidRecordError,
    Problem,
    replay,
)
from connect_core.adapters.cli.checking import CheckedRecord, checked_record
from connect_core.adapters.cli.reading import BrokenFileError, Found, LongRecord, MistakeError
from connect_core.adapters.sql import (
    History,
    SqlConnectionStore,
    connection_events,
    connections,
)
from connect_core.jsonapi import (
    Record,
    load_json,
    parse_record,
)
from connect_core.store import require_same_state

#: How many records, or events of one record, are held at a time.
_BATCH: Final = 1000
#: How many bytes of them are held at a time, not counting the last one.
_MOST_BYTES: Final = 1 << 21
#: How many problems are kept to be reported.
_MOST_PROBLEMS: Final = 100


class RecordProblem(NamedTuple):
    """One thing wrong with a record.

    Attributes:
        line: the line on which the record begins.
        pointer: the JSON Pointer of the place in its document.
        detail: what is wrong there, in one sentence without a full stop.
    """

    line: int
    pointer: str
    detail: str


class Tally:
    """The result of importing the records of a file.

    Attributes:
        added: how many records were added.
        existing: how many were not, because their Connections exist.
        bad: how many were not, because something is wrong with them.
        problems: what was wrong with them: at most the first 100 problems.
        more_problems: how many more problems there were.
        broken: where the file is broken; None if it is not.
    """

    def __init__(self, exists: Callable[[Connection], bool]) -> None:
        self._exists = exists
        self.added = 0
        self.existing = 0
        self.bad = 0
        self.problems: list[RecordProblem] = []
        self.more_problems = 0
        self.broken: BrokenFileError | None = None

    def skips(self, connection: Connection) -> bool:
        """Whether the Connection exists. Then its record is skipped, and counted."""
        skipped = self._exists(connection)
        self.existing += skipped
        return skipped

    def refuse(self, problems: Sequence[RecordProblem]) -> None:
        """Count a bad record."""
        self.bad += 1
        kept = problems[: _MOST_PROBLEMS - len(self.problems)]
        self.problems += kept
        self.more_problems += len(problems) - len(kept)


def load(
    found: Iterable[Found | LongRecord],
    store: SqlConnectionStore,
    exists: Callable[[Connection], bool] = lambda _: False,
) -> Tally:
    """Add the records to the store, except for bad ones and those that are skipped.

    Args:
        found: the records.
        store: where they are added.
        exists: is asked about each record whose id, or ordered pair, is taken. If it answers True,
            the record is skipped; otherwise it is a bad one.

    Raises:
        sqlalchemy.exc.IntegrityError: another transaction took an id or a pair at the same time, or
            the database refuses a row for a reason of its own.
    """
    tally = Tally(exists)
    try:
        with ThreadPoolExecutor(1, "connect-core-import") as worker:
            for batch in _checked_batches(_batches(_until_broken(found, tally)), worker):
                if isinstance(batch, LongRecord):
                    _add_long(batch, store, tally)
                else:
                    _add(batch, store, tally)
    except BrokenFileError as error:  # in a long record
        tally.broken = error
    if tally.broken is not None:
        tally.problems.append(RecordProblem(tally.broken.line, "", tally.broken.reason))
    return tally


def analyze(engine: Engine) -> None:
    """Have PostgreSQL gather statistics on the tables, after many rows were added.

    Until it has done so by itself, which may be a minute later, it plans as if the tables were
    small: each page of an export sorts all of the rows. MariaDB keeps its statistics itself, and
    SQLite uses the index without any. If it fails, nothing is lost, and nothing is raised.
    """
    if engine.dialect.name == "postgresql":
        with suppress(DBAPIError), engine.begin() as database:
            database.exec_driver_sql(f"ANALYZE {connections.name}, {connection_events.name}")


def _until_broken(
    found: Iterable[Found | LongRecord], tally: Tally
) -> Iterator[Found | LongRecord]:
    """The records up to where the file is broken."""
    try:
        yield from found
    except BrokenFileError as error:
        tally.broken = error


def _batches(found: Iterator[Found | LongRecord]) -> Iterator[list[Found] | LongRecord]:
    """The records in lists, and the long ones between them."""
    long: list[LongRecord] = []

    def up_to_a_long_one() -> Iterator[Found]:
        for each in found:
            if isinstance(each, LongRecord):
                long.append(each)
                return
            yield each

    while True:
        yield from _lists(up_to_a_long_one())
        if not long:
            return
        yield long.pop()


def _lists(found: Iterable[Found]) -> Iterator[list[Found]]:
    """Lists that are short, in number and in bytes."""
    batch: list[Found] = []
    size = 0
    for each in found:
        batch.append(each)
        size += len(each.text)
        if len(batch) == _BATCH or size > _MOST_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


class _CheckedBatch(NamedTuple):
    """A list of records, with those that are valid, and what is wrong with the others."""

    found: Sequence[Found]
    checked: Mapping[int, CheckedRecord]
    problems: dict[int, list[RecordProblem]]


def _checked_batches(
    batches: Iterable[list[Found] | LongRecord], worker: Executor
) -> Iterator[_CheckedBatch | LongRecord]:
    """The same lists; each is checked by the worker while the one before is being added.

    The worker neither reads the file nor uses the database.
    """
    checked: _CheckedBatch | None = None
    for batch in batches:
        due = None if isinstance(batch, LongRecord) else worker.submit(_check, batch)
        if checked is not None:
            yield checked
        checked = None if due is None else due.result()
        if isinstance(batch, LongRecord):
            yield batch
    if checked is not None:
        yield checked


def _check(batch: Sequence[Found]) -> _CheckedBatch:
    problems: dict[int, list[RecordProblem]] = {}
    checked: dict[int, CheckedRecord] = {}
    for place, found in enumerate(batch):
        try:
            checked[place] = checked_record(found.text)
        except InvalidDocumentError as error:
            problems[place] = [_problem_in(found, *problem) for problem in error.problems]
    return _CheckedBatch(batch, checked, problems)


def _add(batch: _CheckedBatch, store: SqlConnectionStore, tally: Tally) -> None:
    found, checked, problems = batch
    places = list(checked)
    left_out = store.add_rows([each.rows for each in checked.values()])
    for place in map(places.__getitem__, left_out):
        connection = parse_record(*load_json(found[place].text)).connection
        if tally.skips(connection):
            continue
        why = "" if tally.more_problems else _taken(connection, store)
        problems[place] = [_problem_in(found[place], f"{checked[place].pointer}/id", why)]
    tally.added += len(checked) - len(left_out)
    for place in sorted(problems):
        tally.refuse(problems[place])


def _problem_in(found: Found, pointer: str, detail: str) -> RecordProblem:
    # Only a line can fail to be JSON, and the problem has its number already.
    return RecordProblem(
        found.line, found.pointer + pointer, detail.replace(": line 1 column ", ": column ")
    )


def _taken(connection: Connection, store: SqlConnectionStore) -> str:
    """Why a Connection was left out."""
    source, destination = connection.source_organization_id, connection.destination_organization_id
    taken = f"the id {connection.id} is taken"
    try:
        if store.get(connection.id) is not None:
            return taken
        taken = f"the ordered pair {source} -> {destination} is taken"
        other = store.find(source, destination)
    except InvalidRecordError as error:  # a stored one, not one in the file
        by = f" by {error.record}, which is not what was written: {error.reason}"
    else:
        by = "" if other is None else f" by {other.id}"
    return taken + by


# --- Long histories ------------------------------------------------------------------------------


def _add_long(record: LongRecord, store: SqlConnectionStore, tally: Tally) -> None:
    try:
        with TemporaryFile() as checked:
            resource, connection = _checked(record, checked)
            checked.seek(0)
            added = _add_checked(connection, _read_again(resource, checked), store)
    except MistakeError as error:
        tally.refuse([RecordProblem(record.line, "", error.reason)])
    except InvalidDocumentError as error:
        tally.refuse([RecordProblem(record.line, *problem) for problem in error.problems])
    else:
        if added:
            tally.added += 1
        elif not tally.skips(connection):
            tally.refuse([RecordProblem(record.line, "/data/id", _taken(connection, store))])


def _add_checked(
    connection: Connection,
    batches: Iterator[Sequence[ConnectionEvent]],
    store: SqlConnectionStore,
) -> bool:
    """Add a Connection with its events, unless its id or its ordered pair is taken."""
    if store.add_all([History(connection, next(batches))]):
        return False
    for events in batches:
        store.add_events(events)
    return True


def _checked(record: LongRecord, checked: IO[bytes]) -> tuple[bytes, Connection]:
    """The resource object in a record, and its Connection, once its history has been checked.

    Args:
        record: the record.
        checked: where the events are written, some on each line.

    Raises:
        InvalidDocumentError: with the problems of the first bad part, or because the history does
            not lead to the Connection.
        MistakeError: the record does not continue as a line of an export.
        BrokenFileError: a part of the record is too long.
    """
    parts = record.parts()
    resource = next(parts).text
    described = _parsed(resource, b"").connection
    try:
        replayed = replay(_events(resource, parts, checked))
        require_same_state(described.model_copy(update={"version": replayed.version}), replayed)
    except (InvalidHistoryError, InvalidRecordError) as error:
        reason = error.reason if isinstance(error, InvalidRecordError) else str(error)
        raise InvalidDocumentError((Problem("/meta/history", reason),)) from None
    return resource, replayed


def _events(
    resource: bytes, parts: Iterable[Found], checked: IO[bytes]
) -> Iterator[ConnectionEvent]:
    """The events in the parts of a record, each valid by itself, and written to `checked`."""
    first = 0
    for batch in _lists(parts):
        texts = b",".join(part.text for part in batch)
        try:
            events = _parsed(resource, texts).events or ()
        except InvalidDocumentError as error:
            problems = tuple(_renumbered(problem, first) for problem in error.problems)
            raise InvalidDocumentError(problems) from None
        yield from events
        checked.write(texts + b"\n")
        first += len(batch)


def _renumbered(problem: Problem, first: int) -> Problem:
    """A problem with a part of a history that begins at the event `first`, in the history."""
    pointer, detail = problem
    match pointer.split("/"):
        case ["", "meta", "history", index, *rest]:
            pointer = "/".join(["/meta/history", str(first + int(index)), *rest])
        case _:  # the text is bad, and its place in it is counted from there
            detail = f"among the events from {first} on: {detail}"
    return Problem(pointer, detail)


def _read_again(resource: bytes, checked: IO[bytes]) -> Iterator[Sequence[ConnectionEvent]]:
    """The events that have been checked, in the same batches."""
    for line in checked:
        yield _parsed(resource, line).events or ()


def _parsed(resource: bytes, events: bytes) -> Record:
    """The record with a part of its history.

    Raises:
        InvalidDocumentError: with every problem.
    """
    return parse_record(*load_json(b'{"data":%b,"meta":{"history":[%b]}}' % (resource, events)))
