"""The port: what `ConnectionService` needs of a store, and the values it asks with.

A store keeps Connections, their events and the outcomes of idempotency keys. It knows none of the
rules but two: one Connection per id and per ordered pair, and one event per Connection and version.

This module does no input or output. `connect_core.memory` has the reference store, and
`connect_core.adapters.sql` the one for databases.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple, Protocol

from connect_core.connection import Change, Connection, replay
from connect_core.errors import InvalidHistoryError, InvalidRecordError
from connect_core.history import ConnectionEvent
from connect_core.identifiers import ConnectionId, IdempotencyKey, OrganizationId
from connect_core.lifecycle import Action, Role, Status
from connect_core.parties import Actor, Organization, organization_id_of
from connect_core.policy import permitting_statuses


class Direction(StrEnum):
    """Which way data would flow, seen from the organization that asks."""

    #: The organization that asks is the source.
    OUTBOUND = "outbound"
    #: The organization that asks is the destination.
    INBOUND = "inbound"


_ROLE_IN: Final = {Direction.OUTBOUND: Role.SOURCE, Direction.INBOUND: Role.DESTINATION}


class Standing(NamedTuple):
    """A part that an organization can have in a Connection, and where the Connection stands."""

    #: The role that the organization holds.
    role: Role
    #: The Connection's status; None for any.
    status: Status | None


class Position(NamedTuple):
    """The place of a Connection in a list. Lists are ordered by this."""

    #: When the Connection was created.
    created_at: datetime
    #: Its id, which decides between Connections of the same millisecond.
    id: ConnectionId

    @classmethod
    def of(cls, connection: Connection) -> "Position":
        """The place of `connection`."""
        return cls(connection.created_at, connection.id)


class Selection(NamedTuple):
    """Which Connections a list is of.

    Attributes:
        organization_id: whose Connections.
        standings: one of these must fit.
        source: the source's id; None for any.
        destination: the destination's id; None for any.
    """

    organization_id: OrganizationId
    standings: tuple[Standing, ...]
    source: OrganizationId | None = None
    destination: OrganizationId | None = None

    def admits(self, connection: Connection) -> bool:
        """Whether `connection` is one of them. A store answers the same, by its own means."""
        return (
            self.source in (None, connection.source_organization_id)
            and self.destination in (None, connection.destination_organization_id)
            and any(
                connection.organization_of(standing.role) == self.organization_id
                and standing.status in (None, connection.status)
                for standing in self.standings
            )
        )


def selection_for(
    by: Actor,
    status: str | None,
    destination: str | Organization | None,
    direction: str | None,
    actionable: str | None,
) -> Selection:
    """The selection that `ConnectionService.list` was asked for, in a store's terms.

    Args:
        by: who asks.
        status: only Connections with this `Status`.
        destination: only Connections to this organization.
        direction: a `Direction`, seen from the organization that asks.
        actionable: only Connections on which `by` may take this `Action` now.

    Raises:
        ValueError: an argument is not valid.
    """
    wanted = None if status is None else Status(status)
    way = None if direction is None else Direction(direction)
    if actionable is None:
        standings = [Standing(role, wanted) for role in (Role if way is None else [_ROLE_IN[way]])]
    else:  # whichever way: with itself, an organization may act in the other role, too
        standings = [
            Standing(role, permitting)
            for role in Role
            for permitting in permitting_statuses(role, Action(actionable))
            if wanted in (None, permitting)
        ]
    ours = by.organization_id
    to = None if destination is None else OrganizationId(str(organization_id_of(destination)))
    if way is Direction.INBOUND:
        if to not in (None, ours):
            standings = []
        to = ours
    source = ours if way is Direction.OUTBOUND else None
    return Selection(ours, tuple(standings), source, to)


class IdempotencyRecord(NamedTuple):
    """What came of a request that had an idempotency key.

    Attributes:
        fingerprint: tells this request from others: 64 hexadecimal digits.
        outcome: what came of it, as JSON text.
        created_at: when, in UTC and whole milliseconds.
    """

    fingerprint: str
    outcome: str
    created_at: datetime


class ConnectionStore(Protocol):
    """What `ConnectionService` needs of a store.

    A store keeps what it is given and knows no rule but two: one Connection per id and ordered
    pair, and one event per Connection and version. Each method does all that it says or, when it
    answers False or raises, nothing.
    """

    def add(self, change: Change) -> bool:
        """Keep a new Connection and its first event.

        False if its id, or its ordered pair of organizations, is taken.
        """
        ...

    def save(self, change: Change) -> bool:
        """Keep the next state of a Connection and the event that led to it.

        False if the version that is kept is not the one just before, so that somebody else was
        faster.
        """
        ...

    def get(self, connection_id: ConnectionId) -> Connection | None:
        """The Connection as it is kept now, or None."""
        ...

    def find(self, source: OrganizationId, destination: OrganizationId) -> Connection | None:
        """The Connection for this ordered pair as it is kept now, or None."""
        ...

    def page(
        self, selection: Selection, *, beyond: Position | None, newest_first: bool, limit: int
    ) -> Sequence[Connection]:
        """The first `limit` Connections of a selection, in one of the two directions.

        Args:
            selection: which Connections.
            beyond: leave out this place and all that come before it in this direction.
            newest_first: from the newest to the oldest, or from the oldest to the newest.
            limit: how many at most, 1 or more.
        """
        ...

    def history(self, connection_id: ConnectionId) -> Sequence[ConnectionEvent]:
        """The events of a Connection, oldest first; empty if there is none."""
        ...

    def once(
        self,
        organization_id: OrganizationId,
        key: IdempotencyKey,
        attempt: Callable[[], IdempotencyRecord],
    ) -> IdempotencyRecord:
        """The record that is kept for this key; if there is none, that of `attempt`, kept now.

        What `attempt` changes and its record are kept together or not at all. Of two at the same
        time with one key, one has its record kept, and the other gets that record and changes
        nothing. What `attempt` raises comes through, with nothing kept.
        """
        ...

    def forget(self, before: datetime) -> int:
        """Drop the records of idempotency keys made before this time, and say how many."""
        ...


def verified_history(
    connection: Connection, events: Iterable[ConnectionEvent]
) -> tuple[ConnectionEvent, ...]:
    """The events that led to this state of a Connection, replayed and compared with it.

    Args:
        connection: the Connection as it was stored.
        events: its stored events, oldest first. Those of later versions, which somebody else may
            have added since the Connection was read, are left out.

    Raises:
        InvalidRecordError: they could not have happened, or do not lead to this Connection.
    """
    led = tuple(event for event in events if event.version <= connection.version)
    record = f"the history of {connection.id}"
    try:
        replayed = replay(led)
    except InvalidHistoryError as error:
        raise InvalidRecordError(record, str(error)) from error
    fields = Connection.model_fields
    differ = [each for each in fields if getattr(replayed, each) != getattr(connection, each)]
    if differ:
        raise InvalidRecordError(record, f"it leads to another {', '.join(differ)} than is stored")
    return led
