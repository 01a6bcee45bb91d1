"""Views: what a page shows of Connections, as plain values for a template.

Each value is made from the policy's answers, so that a template decides nothing.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from connect_core import (
    Action,
    Actor,
    Connection,
    ConnectionEvent,
    Decision,
    Role,
    actions,
    roles_of,
    steps_to,
)
from connect_core.adapters.dashboard.wording import (
    ACTIONS,
    DIRECTIONS,
    STATUSES,
    Names,
    action_label,
    event_label,
    exact,
    reason,
    relative,
    scope_label,
    turn,
)
from connect_core.history import format_timestamp
from connect_core.lifecycle import READING_ROLE, SHARING_STATUS

#: How many events of a history are shown at first.
MOST_EVENTS: Final = 20


class Viewpoint(NamedTuple):
    """From where a page looks at Connections.

    Attributes:
        visitor: who looks.
        names: the names that they may know.
        now: the current time.
    """

    visitor: Actor
    names: Names
    now: datetime

    def roles(self, connection: Connection) -> frozenset[Role]:
        """The roles of the visitor's organization."""
        return roles_of(self.visitor, connection)


class Time(NamedTuple):
    """A point in time.

    Attributes:
        machine: for programs, in UTC.
        exact: for people, in UTC.
        relative: how long ago.
    """

    machine: str
    exact: str
    relative: str

    @classmethod
    def of(cls, at: datetime, view: Viewpoint) -> "Time":
        """This time, seen from now."""
        machine = format_timestamp(at)
        return cls(machine, exact(machine), relative(at, view.now))


class Party(NamedTuple):
    """An organization in a Connection.

    Attributes:
        id: its id.
        name: its name; the id, if it has none.
        is_ours: whether it is the visitor's.
        role: its role, in words.
    """

    id: str
    name: str
    is_ours: bool
    role: str


class Entry(NamedTuple):
    """An action in a menu.

    Attributes:
        action: what it does.
        label: what it says.
        reason: why it is not possible; empty if it is.
    """

    action: str
    label: str
    reason: str

    @property
    def is_possible(self) -> bool:
        """Whether it can be taken now."""
        return not self.reason


class Scope(NamedTuple):
    """A scope, and what it permits in words."""

    name: str
    label: str


class Summary(NamedTuple):
    """A Connection, as in a row of a list.

    Attributes:
        id: its id.
        title: its name; that of the other organization, if it has none.
        name: its name; empty if it has none.
        source: the source.
        destination: the destination.
        other: the party that is not the visitor's; the visitor's own in a self-connection.
        direction: ``outbound``, ``inbound`` or ``self``.
        direction_label: the direction in words, before the other party's name.
        status: its status.
        status_label: the status in words.
        turn: whose turn it is.
        due: the action of the visitor's organization for which somebody waits; None if nobody does.
        scopes: what it shares.
        created: when it was created.
        menu: every action, possible or not.
        version: its version.
    """

    id: str
    title: str
    name: str
    source: Party
    destination: Party
    other: Party
    direction: str
    direction_label: str
    status: str
    status_label: str
    turn: str
    due: Entry | None
    scopes: Sequence[Scope]
    created: Time
    menu: Sequence[Entry]
    version: int


def summary(connection: Connection, view: Viewpoint) -> Summary:
    """A Connection as in a row of a list."""
    roles = view.roles(connection)
    source = party(connection, Role.SOURCE, view)
    destination = party(connection, Role.DESTINATION, view)
    whose, awaited = turn(connection, roles, view.names)
    entries = menu(view.visitor, connection, view.names)
    other = source if destination.is_ours and not source.is_ours else destination
    direction = "self" if len(roles) == len(Role) else "outbound" if source.is_ours else "inbound"
    return Summary(
        id=str(connection.id),
        title=connection.name or other.name,
        name=connection.name or "",
        source=source,
        destination=destination,
        other=other,
        direction=direction,
        direction_label=DIRECTIONS[direction],
        status=connection.status.value,
        status_label=STATUSES[connection.status],
        turn=whose,
        due=next((each for each in entries if each.action == awaited), None),
        scopes=scopes(connection.scopes),
        created=Time.of(connection.created_at, view),
        menu=entries,
        version=connection.version,
    )


def party(connection: Connection, role: Role, view: Viewpoint) -> Party:
    """The organization with this role."""
    organization_id = connection.organization_of(role)
    return Party(
        str(organization_id),
        view.names.of(organization_id),
        organization_id == view.visitor.organization_id,
        role.value.capitalize(),
    )


def scopes(given: Iterable[str]) -> Sequence[Scope]:
    """Scopes in words, sorted."""
    return [Scope(str(scope), scope_label(scope)) for scope in sorted(given)]


def menu(actor: Actor, connection: Connection, names: Names) -> Sequence[Entry]:
    """Every action on a Connection that exists, with the reason if an actor may not take it."""
    decisions = actions(actor, connection)
    return [entry(decisions[action], action, connection, names) for action in ACTIONS]


def entry(decision: Decision, action: Action, connection: Connection, names: Names) -> Entry:
    """An action, with the reason if it is not possible."""
    return Entry(
        action.value,
        action_label(action, connection.status, decision.roles),
        reason(decision, connection, names),
    )


class Side(NamedTuple):
    """An organization, and what it may do now."""

    party: Party
    menu: Sequence[Entry]


def sides(connection: Connection, view: Viewpoint) -> Sequence[Side]:
    """Both organizations, the visitor's first, and what each may do now; one if they are the same.

    Roles follow from the organization alone, so that any actor of it may do the same.
    """
    parties = {each.id: each for each in (party(connection, role, view) for role in Role)}
    ordered = sorted(parties.values(), key=lambda each: not each.is_ours)
    return [
        Side(
            each,
            menu(
                Actor(id=view.visitor.id, organization_id=each.id),
                connection,
                view.names,
            ),
        )
        for each in ordered
    ]


class Milestone(NamedTuple):
    """A step on the way to active.

    Attributes:
        label: what is done.
        by: who takes it, or has taken it.
        state: ``done``, ``current`` or ``later``.
        time: when it was taken; None if it was not yet.
    """

    label: str
    by: str
    state: str
    time: Time | None = None


def steps_to_active(
    connection: Connection, last: ConnectionEvent, view: Viewpoint
) -> Sequence[Milestone]:
    """What has been done last, what is left, and who takes each step."""
    done = Milestone(
        event_label(last),
        view.names.of(last.actor.organization_id),
        "done",
        Time.of(last.occurred_at, view),
    )
    steps = steps_to(connection)
    left = [
        Milestone(
            action_label(step.action, step.before, step.roles),
            view.names.of_roles(step.roles, connection),
            "later" if number else "current",
        )
        for number, step in enumerate(steps)
    ]
    reached = "later" if steps else "done"
    reader = view.names.of_role(READING_ROLE, connection)
    return [done, *left, Milestone(STATUSES[SHARING_STATUS], f"{reader} can read", reached)]


class TimelineEvent(NamedTuple):
    """An event of a history.

    Attributes:
        label: what happened.
        actor: who did it.
        organization: for which organization.
        before: the status before; empty for a creation.
        after: the status after.
        after_value: the same, for programs.
        time: when.
    """

    label: str
    actor: str
    organization: str
    before: str
    after: str
    after_value: str
    time: Time


def timeline(events: Iterable[ConnectionEvent], view: Viewpoint) -> Sequence[TimelineEvent]:
    """Events, newest first."""
    return [
        TimelineEvent(
            event_label(event),
            view.names.of(event.actor.id),
            view.names.of(event.actor.organization_id),
            "" if event.previous_status is None else STATUSES[event.previous_status],
            STATUSES[event.status],
            event.status.value,
            Time.of(event.occurred_at, view),
        )
        for event in sorted(events, key=lambda event: -event.version)
    ]


def ids_of(
    connections: Iterable[Connection], events: Iterable[ConnectionEvent] = ()
) -> frozenset[str]:
    """The ids of the organizations in these, and of the actors in these events."""
    found: set[str] = set()
    for connection in connections:
        found |= {str(connection.organization_of(role)) for role in Role}
    for event in events:
        found |= {str(event.actor.id), str(event.actor.organization_id)}
    return frozenset(found)
