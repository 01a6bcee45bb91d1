"""Importing records into a database, a thousand at a time.

This module needs SQLAlchemy, so commands import it when they run.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from functools import cache, lru_cache
from typing import Any, Final, NamedTuple

from connect_core import (
    Action,
    Actor,
    Change,
    ConnectError,
    Connection,
    InvalidDocumentError,
    InvalidRecordError,
    Problem,
    Role,
    Status,
    Step,
    connection_document,
    steps_to,
)
from connect_core.adapters.cli.reading import BrokenFileError, Found
from connect_core.adapters.sql import History, SqlConnectionStore
from connect_core.history import as_timestamp
from connect_core.jsonapi import load_json, parse_record, record_document
from connect_core.store import verified_history

#: How many records are added with one statement.
_BATCH: Final = 1000
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
        bad: how many were not.
        problems: what was wrong with them: at most the first 100 problems.
        more_problems: how many more problems there were.
        broken: where the file is broken; None if it is not.
    """

    def __init__(self) -> None:
        self.added = 0
        self.bad = 0
        self.problems: list[RecordProblem] = []
        self.more_problems = 0
        self.broken: BrokenFileError | None = None

    def refuse(self, problems: Sequence[RecordProblem]) -> None:
        """Count a bad record."""
        self.bad += 1
        kept = problems[: _MOST_PROBLEMS - len(self.problems)]
        self.problems += kept
        self.more_problems += len(problems) - len(kept)


def load(found: Iterable[Found], store: SqlConnectionStore) -> Tally:
    """Add the records to the store, except for bad ones.

    Raises:
        sqlalchemy.exc.IntegrityError: another transaction took an id or a pair at the same time.
        InvalidRecordError: a stored record is not what was written.
    """
    tally = Tally()
    for batch in _batches(found, tally):
        _add(batch, store, tally)
    if tally.broken is not None:
        tally.problems.append(RecordProblem(tally.broken.line, "", tally.broken.reason))
    return tally


def _batches(found: Iterable[Found], tally: Tally) -> Iterator[list[Found]]:
    """The records in lists, up to where the file is broken."""
    batch: list[Found] = []
    try:
        for each in found:
            batch.append(each)
            if len(batch) == _BATCH:
                yield batch
                batch = []
    except BrokenFileError as error:
        tally.broken = error
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
    if store.get(connection.id) is not None:
        return f"the id {connection.id} is taken"
    source, destination = connection.source_organization_id, connection.destination_organization_id
    other = store.find(source, destination)
    by = "" if other is None else f" by {other.id}"
    return f"the ordered pair {source} -> {destination} is taken{by}"


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
