"""Importing records into a database, as many at a time as fit into little memory.

A record whose history is too long to be held is read twice: first from the file, to check it, and
then from a temporary file with its events, to add them.

This module needs SQLAlchemy, so commands import it when they run.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from functools import cache, lru_cache
from tempfile import TemporaryFile
from typing import IO, Any, Final, NamedTuple

from connect_core import (
    Action,
    Actor,
    Change,
    ConnectError,
    Connection,
    ConnectionEvent,
    InvalidDocumentError,
    InvalidHistoryError,
    InvalidRecordError,
    Problem,
    Role,
    Status,
    Step,
    connection_document,
    replay,
    steps_to,
)
from connect_core.adapters.cli.reading import BrokenFileError, Found, LongRecord, MistakeError
from connect_core.adapters.sql import History, SqlConnectionStore
from connect_core.history import as_timestamp
from connect_core.jsonapi import Record, load_json, parse_record, record_document
from connect_core.store import require_same_state, verified_history

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
        for batch in _batches(_until_broken(found, tally)):
            if isinstance(batch, LongRecord):
                _add_long(batch, store, tally)
            else:
                _add(batch, store, tally)
    except BrokenFileError as error:  # in a long record
        tally.broken = error
    if tally.broken is not None:
        tally.problems.append(RecordProblem(tally.broken.line, "", tally.broken.reason))
    return tally


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


def _add(batch: Sequence[Found], store: SqlConnectionStore, tally: Tally) -> None:
    problems: dict[int, list[RecordProblem]] = {}
    histories: dict[int, tuple[History, str]] = {}
    for place, found in enumerate(batch):
        try:
            histories[place] = _history(found.text)
        except InvalidDocumentError as error:
            problems[place] = [_problem_in(found, *problem) for problem in error.problems]
    places = list(histories)
    left_out = store.add_all([history for history, _ in histories.values()])
    for place in map(places.__getitem__, left_out):
        (connection, _), pointer = histories[place]
        if tally.skips(connection):
            continue
        why = "" if tally.more_problems else _taken(connection, store)
        problems[place] = [_problem_in(batch[place], f"{pointer}/id", why)]
    tally.added += len(histories) - len(left_out)
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


# --- Histories -----------------------------------------------------------------------------------

#: A step to take: the action, who takes it, and when.
_PlannedStep = tuple[Action, Actor, datetime]


def _history(text: bytes) -> tuple[History, str]:
    """The Connection in a record, with its history, and the place of its resource object.

    The history is the record's own, checked, or else the shortest one.

    Raises:
        InvalidDocumentError: with every problem, or because the record's own history does not lead
            to its Connection.
    """
    value: Any
    value, repeated = load_json(text)
    history = None if repeated else _replayed_from(value)
    if history is not None:
        return history, "/data" if "data" in value else ""
    connection, events, pointer = parse_record(value, repeated)
    if events is None:
        return shortest_history(connection), pointer
    try:
        return History(connection, verified_history(connection, events)), pointer
    except InvalidRecordError as error:
        raise InvalidDocumentError((Problem("/meta/history", error.reason),)) from None


def _replayed_from(value: Any) -> History | None:
    """The history that would be exported as exactly this record, or None.

    This takes the steps again from what the record says, and compares the record with what would be
    written for the result. Then nothing is left to be checked, which saves most of the time of an
    import. All other records are left to `parse_record`.
    """
    try:
        document = value if "data" in value else {"data": value}
        events = document["meta"]["history"] if "meta" in document else None
        resource = document["data"]
        attributes = resource["attributes"]
        created = Connection.create(
            by=_actor(attributes["creator-id"], attributes["organization-id"]),
            destination=attributes["destination-organization-id"],
            name=attributes["name"],
            scopes=attributes["scopes"],
            allow_self=True,
            id=resource["id"],
            at=attributes["created-at"],
        )
        if events is None:
            status, at = Status(attributes["status"]), as_timestamp(attributes["updated-at"])
            history = _after(created, _shortest(created.connection, status, at))
            return history if connection_document(history.connection) == document else None
        history = _after(created, map(_step_of, events[1:]))
        # In Python, 1 equals 1.0 and True.
        numbered = all(type(event["version"]) is int for event in events)
        return history if numbered and record_document(*history) == document else None
    except (ConnectError, LookupError, TypeError, ValueError):
        return None


def _step_of(event: Any) -> _PlannedStep:
    """The step that an event in a record describes."""
    by = _actor(event["actor"]["id"], event["actor"]["organization_id"])
    return Action(event["action"]), by, event["occurred_at"]


@lru_cache(maxsize=_BATCH)
def _actor(actor_id: str, organization_id: str) -> Actor:
    """An actor, cached because most actors take more than one step."""
    return Actor(id=actor_id, organization_id=organization_id)


def shortest_history(connection: Connection) -> History:
    """The fewest steps that lead to the status of a Connection, and the version that they make.

    They are taken at the time of its last update, each for an organization that may take it.
    """
    created = Connection.create(
        by=connection.creator,
        destination=connection.destination_organization_id,
        name=connection.name,
        scopes=connection.scopes,
        allow_self=True,
        id=connection.id,
        at=connection.created_at,
    )
    steps = _shortest(created.connection, connection.status, connection.updated_at)
    return _after(created, steps)


def _after(created: Change, planned: Iterable[_PlannedStep]) -> History:
    """The new Connection and its history after these steps."""
    connection, event = created
    events = [event]
    for action, by, at in planned:
        connection, event = connection.take(action, by=by, at=at)
        events.append(event)
    return History(connection, events)


def _shortest(created: Connection, status: Status, at: datetime) -> Iterator[_PlannedStep]:
    """The fewest steps that give a new Connection this status and this time of update."""
    for step in _way(created.status, status, at != created.updated_at):
        role = next(role for role in Role if role in step.roles)
        yield step.action, _actor("api_import", created.organization_of(role)), at


class _Standing(NamedTuple):
    """What the policy needs to know about a Connection to find the steps."""

    source_organization_id: str
    destination_organization_id: str
    status: Status


@cache
def _way(start: Status, goal: Status, moved: bool) -> tuple[Step, ...]:
    """The shortest way between two statuses; if it `moved`, one step or more."""

    def steps(start: Status, goal: Status) -> tuple[Step, ...]:
        return steps_to(_Standing("", "", start), goal)

    if start is not goal or not moved:
        return steps(start, goal)
    ways = (steps(start, over) + steps(over, goal) for over in Status if over is not start)
    return min(ways, key=len)
