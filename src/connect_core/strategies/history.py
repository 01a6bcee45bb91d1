"""Strategies for histories: Connections created and changed by legal steps, with their events."""

import string
from collections.abc import Iterable
from datetime import datetime
from itertools import cycle, product
from typing import Final, NamedTuple

from hypothesis import strategies as st

from connect_core.connection import Connection
from connect_core.history import ConnectionEvent
from connect_core.identifiers import ActorId, OrganizationId
from connect_core.lifecycle import Action, Status
from connect_core.parties import (
    Actor,
    Organization,
)
from connect_core.policy import (
    allowed_actions,
    decide,
    steps_to,
)
from connect_core.scopes import MAX_SCOPES, Scope
from connect_core.strategies.identifiers import actor_ids, connection_ids
from connect_core.strategies.parties import pairs, pinned
from connect_core.strategies.policy import Row
from connect_core.strategies.values import names, scope_sets, times

#: A Connection and all of its events, oldest first.
History = tuple[Connection, tuple[ConnectionEvent, ...]]

#: The status in which every Connection begins.
_INITIAL_STATUS: Final = Connection.create(
    by=Actor(id="usr_A", organization_id="org_A"), destination="org_B"
).connection.status
#: The number of steps from one status to another.
_DISTANCES: Final[dict[tuple[Status | None, Status], int]] = {
    (start, goal): len(steps_to(Row("", "", start, ()), goal))
    for start, goal in product(Status, repeat=2)
}


def histories(
    *,
    status: str | Iterable[str] | None = None,
    source: str | Organization | None = None,
    destination: str | Organization | None = None,
    allow_self: bool = False,
    scopes: Iterable[str] | None = None,
    actors: Iterable[Actor] | None = None,
    clock: st.SearchStrategy[datetime] | None = None,
    max_steps: int = 8,
) -> st.SearchStrategy[History]:
    """Connections, each with all of its events: a creation and then legal steps.

    Several people and API keys of either organization take the steps, by clocks that disagree. Each
    acts for one organization only. ``replay(events)`` gives the Connection.

    Args:
        status: the final status, one or several; any if omitted.
        source: the source; any organization if omitted.
        destination: the destination; any organization if omitted.
        allow_self: draw Connections of an organization with itself as well.
        scopes: its scopes; any if omitted.
        actors: who takes part; the parties are their organizations. Random if omitted.
        clock: draws the time of each step; `times()` if omitted.
        max_steps: the most steps after the creation.

    Raises:
        ValueError: an argument is not valid, or nothing satisfies all of them; the message says
            what to change.
    """
    pair = pinned(source, destination)
    if source is not None and pair[0] == pair[1] and not allow_self:
        raise ValueError(
            f"source and destination are both {pair[0]}; give another destination, "
            "or allow_self=True if that is meant"
        )
    return _histories(
        _goals(status, max_steps),
        _made_up_participants(*pair, allow_self=allow_self)
        if actors is None
        else st.sampled_from(_participants_among(list(actors), *pair, allow_self=allow_self)),
        scope_sets() if scopes is None else st.just(_scope_set(scopes)),
        times() if clock is None else clock,
        max_steps,
    )


def connections(
    *,
    status: str | Iterable[str] | None = None,
    source: str | Organization | None = None,
    destination: str | Organization | None = None,
    allow_self: bool = False,
    scopes: Iterable[str] | None = None,
    actors: Iterable[Actor] | None = None,
    clock: st.SearchStrategy[datetime] | None = None,
    max_steps: int = 4,
) -> st.SearchStrategy[Connection]:
    """Connections in every status, each reached by legal steps.

    Args:
        status: the status, one or several; any if omitted.
        source: the source; any organization if omitted.
        destination: the destination; any organization if omitted.
        allow_self: draw Connections of an organization with itself as well.
        scopes: its scopes; any if omitted.
        actors: who takes part; the parties are their organizations. Random if omitted.
        clock: draws the time of each step; `times()` if omitted.
        max_steps: the most steps after the creation.

    Raises:
        ValueError: an argument is not valid, or nothing satisfies all of them; the message says
            what to change.
    """
    return histories(
        status=status,
        source=source,
        destination=destination,
        allow_self=allow_self,
        scopes=scopes,
        actors=actors,
        clock=clock,
        max_steps=max_steps,
    ).map(lambda history: history[0])


def events(of: st.SearchStrategy[History] | None = None) -> st.SearchStrategy[ConnectionEvent]:
    """Events: creations and every other step.

    Args:
        of: the histories whose last event is drawn; ``histories(max_steps=4)`` if omitted.
    """
    endings = histories(max_steps=4) if of is None else of
    return endings.map(lambda history: history[1][-1])


# --- Goals, participants and steps of a history --------------------------------------------------


class _Participants(NamedTuple):
    """Who takes part in a history."""

    source: OrganizationId
    destination: OrganizationId
    actors: list[Actor]


def _goals(status: str | Iterable[str] | None, max_steps: int) -> list[Status]:
    """The statuses in which a history may end, in the order of `Status`."""
    if max_steps < 0:
        raise ValueError(f"max_steps is {max_steps}; give 0 or more")
    if status is None:
        return [each for each in Status if _DISTANCES[_INITIAL_STATUS, each] <= max_steps]
    given = (status,) if isinstance(status, str) else tuple(status)
    if not given or not set(given) <= set(Status):
        named = ", ".join(map(repr, given)) or "empty"
        raise ValueError(f"status is {named}; give one or several of {', '.join(Status)}")
    goals = [each for each in Status if each in given]
    farthest = max(goals, key=lambda each: _DISTANCES[_INITIAL_STATUS, each])
    if (least := _DISTANCES[_INITIAL_STATUS, farthest]) > max_steps:
        raise ValueError(
            f"max_steps is {max_steps}, and it takes {least} to be {farthest}; "
            f"give max_steps={least} or more"
        )
    return goals


def _scope_set(scopes: Iterable[str]) -> frozenset[Scope]:
    """The given scopes, if a Connection can have them."""
    found = frozenset(map(Scope, scopes))
    if not 1 <= len(found) <= MAX_SCOPES:
        raise ValueError(f"scopes has {len(found)} of them; give 1 to {MAX_SCOPES}")
    return found


@st.composite
def _made_up_participants(
    draw: st.DrawFn,
    source: OrganizationId | None,
    destination: OrganizationId | None,
    *,
    allow_self: bool,
) -> _Participants:
    """One or two actors for each party. None of them acts for both."""
    pair = draw(pairs(source, destination, allow_self=allow_self))
    ids = _distinct(draw(st.lists(actor_ids(), min_size=2, max_size=4)))
    staff = zip(ids, cycle(pair), strict=False)
    return _Participants(*pair, [Actor(id=each, organization_id=party) for each, party in staff])


def _distinct(ids: list[ActorId]) -> list[ActorId]:
    """The ids, with simple new ones in place of repeated ones."""
    found: list[ActorId] = []
    for each in ids:
        plain = (ActorId(f"usr_{letter}") for letter in string.ascii_uppercase)
        found.append(next(new for new in (each, *plain) if new not in found))
    return found


def _participants_among(
    actors: list[Actor],
    source: OrganizationId | None,
    destination: OrganizationId | None,
    *,
    allow_self: bool,
) -> list[_Participants]:
    """Every fitting pair of the actors' organizations, with the actors of these two."""
    known = list(dict.fromkeys(actor.organization_id for actor in actors))
    for party in (source, destination):
        if party is not None and party not in known:
            raise ValueError(f"none of the actors acts for {party}; add one who does")
    if len(known) < (needed := 1 if allow_self else 2):
        raise ValueError(
            f"the actors act for {len(known)} organizations, and it takes {needed}; "
            "add an actor of another organization"
        )
    return [
        _Participants(
            one, other, [actor for actor in actors if actor.organization_id in (one, other)]
        )
        for one in ([source] if source else known)
        for other in ([destination] if destination else known)
        if allow_self or one != other
    ]


@st.composite
def _histories(
    draw: st.DrawFn,
    goals: list[Status],
    participants: st.SearchStrategy[_Participants],
    shared: st.SearchStrategy[frozenset[Scope]],
    clock: st.SearchStrategy[datetime],
    max_steps: int,
) -> History:
    """A creation, and then legal steps until the goal is reached and enough steps are taken."""
    goal, (source, destination, actors) = draw(st.sampled_from(goals)), draw(participants)
    creators = [actor for actor in actors if actor.organization_id == source]
    connection, event = Connection.create(
        by=draw(st.sampled_from(creators)),
        destination=destination,
        name=draw(st.none() | names()),
        scopes=draw(shared),
        allow_self=True,
        id=draw(connection_ids()),
        at=draw(clock),
    )
    events = [event]
    left = draw(st.integers(_DISTANCES[_INITIAL_STATUS, goal], max_steps))
    while found := _moves_towards(goal, connection, actors, left):
        action, actor = draw(st.sampled_from(found))
        connection, event = connection.take(action, by=actor, at=draw(clock))
        events.append(event)
        left -= 1
    return connection, tuple(events)


def _moves_towards(
    goal: Status, connection: Connection, actors: list[Actor], left: int
) -> list[tuple[Action, Actor]]:
    """The legal moves after which the goal can still be reached in the steps that are left.

    Before the goal there is always one. At the goal there is none if too few steps are left to come
    back to it.
    """
    return [
        (action, actor)
        for actor in actors
        for action in sorted(allowed_actions(actor, connection))
        if _DISTANCES[decide(actor, action, connection).target, goal] < left
    ]
