"""The port: what `ConnectionService` needs from a store, and the values that it asks with.

A store keeps Connections, their events and the outcomes of idempotency keys. It enforces only two
of the rules: one Connection per id and per ordered pair, and one event per Connection and version.

This module stores nothing. `connect_core.memory` has the reference store, and
`connect_core.adapters.sql` has the store for databases.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import datetime
from enum import StrEnum
from string import ascii_lowercase, ascii_uppercase
from typing import Final, NamedTuple, Protocol, TypedDict

from connect_core import arguments
from connect_core.connection import Change, Connection, replay
from connect_core.errors import DuplicateConnectionError, InvalidHistoryError, InvalidRecordError
from connect_core.history import ConnectionEvent
from connect_core.identifiers import ConnectionId, IdempotencyKey, OrganizationId
from connect_core.lifecycle import Action, Role, Status
from connect_core.parties import MAX_NAME_LENGTH, Actor, Organization, may_be_in_name
from connect_core.policy import decide_create, permitting_statuses
from connect_core.text import quoted


class Direction(StrEnum):
    """The direction in which data flows, seen from the organization that asks."""

    #: The organization that asks is the source.
    OUTBOUND = "outbound"
    #: The organization that asks is the destination.
    INBOUND = "inbound"


#: The most partners that a list can be asked for at once.
MAX_PARTNERS: Final = 100

_ROLE_IN: Final = {Direction.OUTBOUND: Role.SOURCE, Direction.INBOUND: Role.DESTINATION}


#: The letters whose case is ignored: every database folds these alike, and no other ones.
_LOWER: Final = str.maketrans(ascii_uppercase, ascii_lowercase)


def lowered(name: str) -> str:
    """A name with A to Z in lower case."""
    return name.translate(_LOWER)


class Filters(TypedDict, total=False):
    """The arguments of `ConnectionService.list` that select Connections."""

    status: str | None
    source: str | Organization | None
    destination: str | Organization | None
    direction: str | None
    actionable: str | None
    name: str | None
    partners: Collection[str | Organization] | None


class Standing(NamedTuple):
    """A role that an organization can hold in a Connection, and the Connection's status."""

    #: The role that the organization holds.
    role: Role
    #: The Connection's status; None for any.
    status: Status | None


class Position(NamedTuple):
    """A Connection's position in a list. Lists are sorted by it."""

    #: When the Connection was created.
    created_at: datetime
    #: Its id, which sorts Connections of the same millisecond.
    id: ConnectionId

    @classmethod
    def of(cls, connection: Connection) -> "Position":
        """The position of `connection`."""
        return cls(connection.created_at, connection.id)


class Selection(NamedTuple):
    """Which Connections are in a list.

    Attributes:
        organization_id: whose Connections; None for those of every organization, which
            `ConnectionService` never asks for.
        standings: the Connection must match one of these. If `organization_id` is None, only their
            statuses count.
        source: the source's id; None for any.
        destination: the destination's id; None for any.
        name: a text in the Connection's name, with A to Z in lower case; None for any name.
        partners: the ids of other parties. If a name is given too, one of the two is enough. None
            for any other party.
    """

    organization_id: OrganizationId | None
    standings: tuple[Standing, ...]
    source: OrganizationId | None = None
    destination: OrganizationId | None = None
    name: str | None = None
    partners: tuple[OrganizationId, ...] | None = None

    def admits(self, connection: Connection) -> bool:
        """Whether `connection` is selected. A store gives the same answer by its own means."""
        return (
            self.source in (None, connection.source_organization_id)
            and self.destination in (None, connection.destination_organization_id)
            and any(
                self.organization_id in (None, connection.organization_of(standing.role))
                and standing.status in (None, connection.status)
                and self._is_found(connection, standing.role)
                for standing in self.standings
            )
        )

    def _is_found(self, connection: Connection, role: Role) -> bool:
        """Whether the name, or the party that does not hold `role`, is looked for."""
        if self.name is not None and self.name in lowered(connection.name or ""):
            return True
        if self.partners is None:
            return self.name is None
        (other,) = set(Role) - {role}
        return connection.organization_of(other) in self.partners


def selection_for(
    by: Actor,
    *,
    status: str | None = None,
    source: str | Organization | None = None,
    destination: str | Organization | None = None,
    direction: str | None = None,
    actionable: str | None = None,
    name: str | None = None,
    partners: Collection[str | Organization] | None = None,
) -> Selection:
    """The arguments of `ConnectionService.list` as a `Selection`.

    Args:
        by: who asks.
        status: only Connections with this `Status`.
        source: only Connections from this organization.
        destination: only Connections to this organization.
        direction: a `Direction`, seen from the organization that asks.
        actionable: only Connections on which `by` may take this `Action` now.
        name: only Connections with this text in their names, ignoring the case of A to Z.
        partners: only Connections with one of these organizations, at most 100; with `name`,
            Connections that match either.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: an argument is not valid.
    """
    wanted = None if status is None else arguments.member(Status, status, "status")
    way = None if direction is None else arguments.member(Direction, direction, "direction")
    if actionable is None:
        standings = [Standing(role, wanted) for role in (Role if way is None else [_ROLE_IN[way]])]
    else:  # both roles: in a self-connection the organization may act in the other one, too
        action = arguments.member(Action, actionable, "actionable")
        standings = [
            Standing(role, permitting)
            for role in Role
            for permitting in permitting_statuses(role, action)
            if wanted in (None, permitting)
        ]
    ours = by.organization_id
    parties = {
        Role.SOURCE: None if source is None else arguments.organization_id(source, "source"),
        Role.DESTINATION: (
            None if destination is None else arguments.organization_id(destination, "destination")
        ),
    }
    if way is not None:
        role = _ROLE_IN[way]
        if parties[role] not in (None, ours):
            standings = []
        parties[role] = ours
    part = None if name is None else lowered(_part_of_name(name))
    others = None if partners is None else _partners(partners)
    if part is not None and not may_be_in_name(part):  # some databases cannot be asked for it
        part, others = None, others or ()
    if part is None and others == ():
        standings = []
    source_id, destination_id = parties[Role.SOURCE], parties[Role.DESTINATION]
    return Selection(ours, tuple(standings), source_id, destination_id, part, others)


def _part_of_name(name: object) -> str:
    part = arguments.text(name, "name")
    if not 1 <= len(part) <= MAX_NAME_LENGTH:
        raise ValueError(
            f"name is {quoted(part)}; it must be a part of a name, 1 to {MAX_NAME_LENGTH}"
            " characters"
        )
    return part


def _partners(partners: Collection[object]) -> tuple[OrganizationId, ...]:
    if isinstance(partners, str | bytes) or not isinstance(partners, Collection):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
        raise TypeError(f"partners is {quoted(partners)}; it must be a list of organization ids")
    if len(partners) > MAX_PARTNERS:
        raise ValueError(f"partners has {len(partners)} ids; it may have {MAX_PARTNERS} at most")
    ids = [arguments.organization_id(each, "partners") for each in partners]
    return tuple(dict.fromkeys(ids))


def selection_of_all(
    *,
    status: str | None = None,
    source: str | Organization | None = None,
    destination: str | Organization | None = None,
) -> Selection:
    """The Connections of every organization as a `Selection`, for an operator.

    Args:
        status: only Connections with this `Status`.
        source: only Connections from this organization.
        destination: only Connections to this organization.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: an argument is not valid.
    """
    wanted = None if status is None else arguments.member(Status, status, "status")
    return Selection(
        None,
        (Standing(Role.SOURCE, wanted),),
        None if source is None else arguments.organization_id(source, "source"),
        None if destination is None else arguments.organization_id(destination, "destination"),
    )


class IdempotencyRecord(NamedTuple):
    """The outcome of a request that had an idempotency key.

    Attributes:
        fingerprint: identifies the request: 64 hexadecimal digits.
        outcome: the outcome, as JSON text.
        created_at: when the record was made, in UTC and whole milliseconds.
    """

    fingerprint: str
    outcome: str
    created_at: datetime


class ConnectionStore(Protocol):
    """What `ConnectionService` needs from a store.

    A store keeps what it is given and enforces only two rules: one Connection per id and per
    ordered pair, and one event per Connection and version. Each method does all that it says; if
    it returns False or raises, it has done nothing.

    A store may also have ``count(selection, most)``: how many Connections are selected, counting no
    further than `most`. Without it, that many are read.
    """

    def add(self, change: Change) -> bool:
        """Keep a new Connection and its first event.

        Returns False if its id, or its ordered pair of organizations, is taken.
        """
        ...

    def save(self, change: Change) -> bool:
        """Keep the next state of a Connection and the event that led to it.

        Returns False if the stored version is not the one just before: somebody else was faster.
        """
        ...

    def get(self, connection_id: ConnectionId) -> Connection | None:
        """The Connection as it is stored now, or None."""
        ...

    def find(self, source: OrganizationId, destination: OrganizationId) -> Connection | None:
        """The Connection for this ordered pair as it is stored now, or None."""
        ...

    def page(
        self, selection: Selection, *, beyond: Position | None, newest_first: bool, limit: int
    ) -> Sequence[Connection | InvalidRecordError]:
        """The first `limit` Connections of a selection, in one of the two directions.

        A record that is not what was written stands in its place as the error that says so, and
        counts towards the limit.

        Args:
            selection: which Connections.
            beyond: leave out this position and all that come before it in this direction.
            newest_first: True for newest to oldest, False for oldest to newest.
            limit: how many at most, 1 or more.
        """
        ...

    def history(self, connection_id: ConnectionId) -> Sequence[ConnectionEvent]:
        """The events of a Connection, oldest first; empty if there is none."""
        ...

    def event(self, connection_id: ConnectionId, version: int) -> ConnectionEvent | None:
        """The event that made this version of a Connection, or None.

        It costs the same however long the history is.
        """
        ...

    def once(
        self,
        organization_id: OrganizationId,
        key: IdempotencyKey,
        attempt: Callable[[], IdempotencyRecord],
    ) -> IdempotencyRecord:
        """The record that is kept for this key; if there is none, `attempt` makes it now.

        The changes that `attempt` makes and its record are kept together or not at all. If two
        requests use one key at the same time, one has its record kept, and the other gets that
        record and changes nothing. If `attempt` raises, the error is passed on and nothing is kept.
        """
        ...

    def forget(self, before: datetime) -> int:
        """Delete the records of idempotency keys made before this time; return how many."""
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
        InvalidRecordError: the events could not have happened, or do not lead to this Connection.
    """
    return tuple(verified_events(connection, events))


def verified_events(
    connection: Connection, events: Iterable[ConnectionEvent]
) -> Iterator[ConnectionEvent]:
    """The events of `verified_history`, each as soon as it has been replayed.

    Whether they lead to the Connection is known, and checked, only after the last one.

    Raises:
        InvalidRecordError: as `verified_history` does; also after some events.
    """
    replayed: Connection | None = None
    try:
        for event in events:
            if event.version <= connection.version:
                replayed = replay((event,)) if replayed is None else replayed.apply(event)
                yield event
        replayed = replay(()) if replayed is None else replayed
    except InvalidHistoryError as error:
        raise InvalidRecordError(_history_of(connection), str(error)) from error
    require_same_state(connection, replayed)


def require_same_state(
    connection: Connection, replayed: Connection, *, except_for: Collection[str] = ()
) -> None:
    """Compare a Connection with what its events lead to.

    Args:
        connection: the Connection as it was stored.
        replayed: what `connect_core.replay` returned for its events.
        except_for: the fields in which they may differ.

    Raises:
        InvalidRecordError: they differ; it names the fields.
    """
    fields = [field for field in Connection.model_fields if field not in except_for]
    differ = [each for each in fields if getattr(replayed, each) != getattr(connection, each)]
    if differ:
        raise InvalidRecordError(
            _history_of(connection), f"it leads to another {', '.join(differ)} than is stored"
        )


def _history_of(connection: Connection) -> str:
    return f"the history of {connection.id}"


def step_taken(connection: Connection, event: ConnectionEvent) -> Change:
    """The `Change` that an earlier event made, taken again under the rules.

    It costs the same however long the history is.

    Args:
        connection: the Connection as it is stored now.
        event: one of its stored events.

    Raises:
        InvalidRecordError: the event could not have happened to this Connection.
    """
    try:
        if event.previous_status is None:
            after = replay([event])
        else:
            before = {
                "status": event.previous_status,
                "updated_at": connection.created_at,
                "version": event.version - 1,
            }
            after = connection.model_copy(update=before).apply(event)
    except InvalidHistoryError as error:
        raise InvalidRecordError(_history_of(connection), str(error)) from error
    later = event.version < connection.version
    changed = ("status", "updated_at", "version") if later else ()
    require_same_state(connection, after, except_for=changed)
    return Change(after, event)


class _Unseen(NamedTuple):
    """A Connection that exists, but that this transaction cannot see."""

    source_organization_id: str
    destination_organization_id: str
    status: str = "unseen"


def unseen_duplicate(by: Actor, connection: Connection) -> DuplicateConnectionError:
    """The refusal because of another transaction's Connection, which this one cannot see."""
    source, destination = connection.source_organization_id, connection.destination_organization_id
    existing = _Unseen(source, destination)
    decision = decide_create(
        by, source=source, destination=destination, existing=existing, allow_self=True
    )
    return DuplicateConnectionError(decision)
