"""Checking one record of a file: what it says, and whether that could have happened.

Most records are exactly what an export writes, and are checked as plain values. The models judge
all other ones. A record without a history gets the shortest one.

This module needs SQLAlchemy, so commands import it when they run.
"""

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import cache, lru_cache
from typing import Any, Final, NamedTuple

from pydantic_core import from_json

from connect_core import (
    Action,
    Actor,
    Change,
    Connection,
    InvalidDocumentError,
    InvalidRecordError,
    Problem,
    Role,
    Status,
    Step,
    steps_to,
)
from connect_core.adapters.sql import History
from connect_core.adapters.sql.bulk import Rows
from connect_core.adapters.sql.rows import rows_of
from connect_core.jsonapi import PlainRecord, PlainStep, load_json, parse_record, plain_record
from connect_core.store import verified_history


class CheckedRecord(NamedTuple):
    """A record that was found to be valid.

    Attributes:
        rows: what is added.
        pointer: the place of its resource object.
    """

    rows: Rows
    pointer: str


def checked_record(text: bytes) -> CheckedRecord:
    """The Connection in a record, with its history, and the place of its resource object.

    The history is the record's own, checked, or else the shortest one.

    Raises:
        InvalidDocumentError: with every problem, or because the record's own history does not lead
            to its Connection.
    """
    checked = certain(text)
    if checked is not None:
        return checked
    value, repeated = load_json(text)
    connection, events, pointer = parse_record(value, repeated)
    if events is None:
        return CheckedRecord(rows_of(*shortest_history(connection)), pointer)
    try:
        return CheckedRecord(rows_of(connection, verified_history(connection, events)), pointer)
    except InvalidRecordError as error:
        raise InvalidDocumentError((Problem("/meta/history", error.reason),)) from None


def certain(text: bytes) -> CheckedRecord | None:
    """The record, if it is exactly what would be written for it.

    It is compared as text, without the white space between its tokens. So nothing in it has been
    overlooked, and no member stands twice. All other records are left to `parse_record`.
    """
    try:
        value = from_json(text)
        document = value if "data" in value else {"data": value}
        plain = _plain(document)
        if plain is None:
            return None
        due = plain.line() if "meta" in document else plain.resource
        if "data" in value and "meta" not in document:
            due = f'{{"data":{due}}}'
        if text != due.encode("ascii") and _compact(text) != due:
            return None
    except (InvalidDocumentError, LookupError, TypeError, ValueError, RecursionError):
        return None
    return CheckedRecord(Rows(plain.connection, plain.events), "/data" if "data" in value else "")


def _compact(text: bytes) -> str | None:
    """The same JSON text without white space between its tokens; None if a member stands twice."""
    value, repeated = load_json(text)
    return None if repeated else json.dumps(value, separators=(",", ":"))


def _plain(document: Any) -> PlainRecord | None:
    """The record that has the terms and the steps of this one."""
    attributes = document["data"]["attributes"]
    source, destination = attributes["organization-id"], attributes["destination-organization-id"]
    steps: list[PlainStep]
    if "meta" in document:
        steps = [
            (
                event["action"],
                event["actor"]["id"],
                event["actor"]["organization_id"],
                event["occurred_at"],
            )
            for event in document["meta"]["history"]
        ]
    else:
        created_at, updated_at = attributes["created-at"], attributes["updated-at"]
        steps = [(Action.CREATE.value, attributes["creator-id"], source, created_at)]
        way = _way(Status.PENDING, Status(attributes["status"]), created_at != updated_at)
        for step in way:
            by_source = Role.SOURCE in step.roles
            steps.append(
                (step.action.value, _IMPORTER, source if by_source else destination, updated_at)
            )
    scopes = tuple(attributes["scopes"])
    return plain_record(
        document["data"]["id"], source, destination, attributes["name"], scopes, steps
    )


# --- Records without a history -------------------------------------------------------------------

#: Who takes the steps of a history that is not in the file.
_IMPORTER: Final = "api_import"
#: A step to take: the action, who takes it, and when.
_PlannedStep = tuple[Action, Actor, datetime]


@lru_cache(maxsize=1024)
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
        yield step.action, _actor(_IMPORTER, created.organization_of(role)), at


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
