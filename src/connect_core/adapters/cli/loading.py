"""Records into a database, a thousand at a time.

This module needs SQLAlchemy, so commands import it when they run.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from typing import Final, NamedTuple

from connect_core import (
    Action,
    Actor,
    Change,
    Connection,
    InvalidDocumentError,
    InvalidRecordError,
    Role,
    Status,
    Step,
    steps_to,
)
from connect_core.adapters.cli.reading import BrokenFileError, Found
from connect_core.adapters.sql import History, SqlConnectionStore
from connect_core.jsonapi import Record, parse_record
from connect_core.service import verified_history

#: How many records are added with one statement.
_BATCH: Final = 1000
#: How many troubles are kept to be told.
_MOST_TROUBLES: Final = 100


class Trouble(NamedTuple):
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
    """What came of the records of a file.

    Attributes:
        added: how many were added.
        bad: how many were not.
        troubles: what was wrong with them; of very many the first.
        untold: how many troubles more there were.
        broken: where the file could be read no further, if so.
    """

    def __init__(self) -> None:
        self.added = 0
        self.bad = 0
        self.troubles: list[Trouble] = []
        self.untold = 0
        self.broken: BrokenFileError | None = None

    def refuse(self, troubles: Sequence[Trouble]) -> None:
        """Count a bad record."""
        self.bad += 1
        told = troubles[: _MOST_TROUBLES - len(self.troubles)]
        self.troubles += told
        self.untold += len(troubles) - len(told)


def load(found: Iterable[Found], store: SqlConnectionStore) -> Tally:
    """Add the records to the store, all but those that are bad.

    Raises:
        sqlalchemy.exc.IntegrityError: another transaction took an id or a pair at the same time.
        InvalidRecordError: what the store holds is not what was written to it.
    """
    tally = Tally()
    for batch in _batches(found, tally):
        _add(batch, store, tally)
    if tally.broken is not None:
        tally.troubles.append(Trouble(tally.broken.line, "", tally.broken.reason))
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
    bad: list[list[Trouble]] = []
    good: list[tuple[Found, Record]] = []
    histories: list[History] = []
    for found in batch:
        try:
            record = parse_record(found.text)
            history = _history(record)
        except InvalidDocumentError as error:
            bad.append([_trouble(found, *problem) for problem in error.problems])
        except InvalidRecordError as error:
            bad.append([_trouble(found, "/meta/history", error.reason)])
        else:
            good.append((found, record))
            histories.append(history)
    left_out = store.add_all(histories)
    for found, record in map(good.__getitem__, left_out):
        why = "" if tally.untold else _taken(record.connection, store)
        bad.append([_trouble(found, f"{record.pointer}/id", why)])
    tally.added += len(histories) - len(left_out)
    for troubles in sorted(bad, key=lambda troubles: troubles[0].line):
        tally.refuse(troubles)


def _trouble(found: Found, pointer: str, detail: str) -> Trouble:
    return Trouble(found.line, found.pointer + pointer, detail)


def _taken(connection: Connection, store: SqlConnectionStore) -> str:
    """Why a Connection was left out."""
    if store.get(connection.id) is not None:
        return f"the id {connection.id} is taken"
    source, destination = connection.source_organization_id, connection.destination_organization_id
    other = store.find(source, destination)
    by = "" if other is None else f" by {other.id}"
    return f"the ordered pair {source} -> {destination} is taken{by}"


# --- Histories -----------------------------------------------------------------------------------

_COMMANDS: Final[dict[Action, Callable[..., Change]]] = {
    Action.ACTIVATE: Connection.activate,
    Action.DEACTIVATE: Connection.deactivate,
    Action.REACTIVATE: Connection.reactivate,
}


def _history(record: Record) -> History:
    """The Connection of a record with its history: the record's own, checked, or the shortest.

    Raises:
        InvalidRecordError: the record's own does not lead to its Connection.
    """
    if record.events is None:
        return shortest_history(record.connection)
    return History(record.connection, verified_history(record.connection, record.events))


def shortest_history(connection: Connection) -> History:
    """The fewest steps that lead to where a Connection stands, and the version that they make.

    They are taken when it was updated last, each for an organization that may take it.
    """
    now, event = Connection.create(
        by=connection.creator,
        destination=connection.destination_organization_id,
        name=connection.name,
        scopes=connection.scopes,
        allow_self=True,
        id=connection.id,
        at=connection.created_at,
    )
    events = [event]
    for step in _way(now.status, connection.status, connection.updated_at != now.updated_at):
        role = next(role for role in Role if role in step.roles)
        by = Actor(id="api_import", organization_id=now.organization_of(role))
        now, event = _COMMANDS[step.action](now, by=by, at=connection.updated_at)
        events.append(event)
    return History(now, events)


class _Standing(NamedTuple):
    """What the policy has to know of a Connection to say which steps are left."""

    source_organization_id: str
    destination_organization_id: str
    status: Status


@cache
def _way(start: Status, goal: Status, moved: bool) -> tuple[Step, ...]:
    """The shortest way between two statuses; if it `moved`, with one step or more."""

    def steps(start: Status, goal: Status) -> tuple[Step, ...]:
        return steps_to(_Standing("", "", start), goal)

    if start is not goal or not moved:
        return steps(start, goal)
    ways = (steps(start, over) + steps(over, goal) for over in Status if over is not start)
    return min(ways, key=len)
