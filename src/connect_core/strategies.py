"""Strategies: Hypothesis makes up what your own tests need. The extra `testing` installs it.

Everything here is legal unless its name or its description says otherwise: a Connection was
created and changed by the library's own commands, so that its version, its times and its creator go
together. What is legal and unpleasant comes often: ids that differ only by case, names that read
backwards, clocks that run backwards, two steps in the same millisecond.

Examples shrink to the plain ones: to ``org_A``, to a person, to a Connection that is pending, to
the fewest steps. What you pin is honoured, and what nothing can satisfy is refused when the
strategy is made, not when an example is drawn::

    from hypothesis import given
    from connect_core import Connection
    from connect_core.strategies import connections

    @given(connections(status="active", source="org_ABC123"))
    def test_our_report_lists_it(connection: Connection) -> None: ...

`histories` with ``actors=`` keeps to people and organizations that your tests know already.
"""

import string
from collections.abc import Iterable
from copy import deepcopy
from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from itertools import cycle, product
from typing import Any, Final, NamedTuple, TypeVar

from hypothesis import strategies as st

from connect_core.connection import Connection
from connect_core.decision import Decision, Denial
from connect_core.history import ConnectionEvent, as_timestamp
from connect_core.identifiers import ActorId, ConnectionId, OrganizationId, ValidatedText
from connect_core.jsonapi import RESOURCE_TYPE, connection_document
from connect_core.lifecycle import Action, Status
from connect_core.parties import (
    MAX_NAME_LENGTH,
    Actor,
    ActorType,
    Organization,
    organization_id_of,
)
from connect_core.policy import (
    ConnectionLike,
    allowed_actions,
    decide,
    decide_access,
    decide_create,
    steps_to,
)
from connect_core.scopes import DEFAULT_SCOPES, MAX_SCOPES, Scope

__all__ = [
    "History",
    "Row",
    "actor_ids",
    "actors",
    "connection_documents",
    "connection_ids",
    "connections",
    "create_documents",
    "decisions",
    "events",
    "histories",
    "invalid_connection_documents",
    "invalid_create_documents",
    "legal_moves",
    "moves",
    "names",
    "organization_ids",
    "organizations",
    "rows",
    "scope_sets",
    "scopes",
    "times",
]

#: A Connection, and all of its events, oldest first.
History = tuple[Connection, tuple[ConnectionEvent, ...]]

_Pair = tuple[OrganizationId, OrganizationId]
_Text = TypeVar("_Text", bound=ValidatedText)


# --- Ids -----------------------------------------------------------------------------------------

_OPAQUE_ALPHABET: Final = string.ascii_letters + string.digits + "_-"
#: Two that differ only by case, twice; what looks alike; what reads as a number, a flag, nothing.
_OPAQUE: Final = ("A", "B", "a", "b", "0", "_", "-", "AbC123", "aBc123", "O0Il1", "null", "Z" * 50)
_ORGANIZATION_PREFIX: Final = "org_"
_CONNECTION_PREFIX: Final = "cxn_"
_ACTOR_PREFIXES: Final = ("usr_", "api_", "user_")


def organization_ids(*, max_length: int = 64) -> st.SearchStrategy[OrganizationId]:
    """Ids of organizations. Two of them often differ only by case.

    Args:
        max_length: the longest, in characters. The library knows no limit; a column may have one.

    Raises:
        ValueError: no id is as short as `max_length`.
    """
    return _ids(OrganizationId, (_ORGANIZATION_PREFIX,), max_length)


def actor_ids(*, type: ActorType | None = None, max_length: int = 64) -> st.SearchStrategy[ActorId]:
    """Ids of people and of API keys. Two of them often differ only by case.

    Args:
        type: of people or of API keys alone; both if omitted.
        max_length: the longest, in characters. The library knows no limit; a column may have one.

    Raises:
        ValueError: no id is as short as `max_length`, or there is no such type.
    """
    wanted = tuple(ActorType) if type is None else (ActorType(type),)
    prefixes = tuple(
        prefix
        for prefix in _ACTOR_PREFIXES
        if Actor(id=f"{prefix}A", organization_id="org_A").type in wanted
    )
    return _ids(ActorId, prefixes, max_length)


def connection_ids(*, max_length: int = 64) -> st.SearchStrategy[ConnectionId]:
    """Ids of Connections. Two of them often differ only by case.

    Args:
        max_length: the longest, in characters. The library knows no limit; a column may have one.

    Raises:
        ValueError: no id is as short as `max_length`.
    """
    return _ids(ConnectionId, (_CONNECTION_PREFIX,), max_length)


@cache
def _ids(kind: type[_Text], prefixes: tuple[str, ...], max_length: int) -> st.SearchStrategy[_Text]:
    """Ids that begin with one of the prefixes, the simple and the nasty ones first."""
    longest = max_length - max(map(len, prefixes))
    if longest < 1:
        raise ValueError(
            f"max_length is {max_length}, and no id is so short; "
            f"give max_length={max_length - longest + 1} or more"
        )
    known = [prefixes[0] + text for text in _OPAQUE if len(text) <= longest]
    known += [prefix + text for prefix in prefixes[1:] for text in _OPAQUE[:4]]
    opaque = st.text(_OPAQUE_ALPHABET, min_size=1, max_size=longest)
    made_up = st.tuples(st.sampled_from(prefixes), opaque).map("".join)
    return (st.sampled_from(known) | made_up).map(kind)


# --- Scopes, names, times ------------------------------------------------------------------------

_SCOPES: Final = tuple(
    map(Scope, ("inquiry.read", "account.read", "inquiry.write", "x-1.y_2", "a.b"))
)
_SCOPE_PARTS: Final = st.tuples(
    st.sampled_from(string.ascii_lowercase),
    st.text(string.ascii_lowercase + string.digits + "_-", max_size=8),
).map("".join)


def scopes() -> st.SearchStrategy[Scope]:
    """Scopes: the guide's, and others that are well formed."""
    made_up = st.tuples(_SCOPE_PARTS, _SCOPE_PARTS).map(".".join).map(Scope)
    return st.sampled_from(_SCOPES) | made_up


def scope_sets() -> st.SearchStrategy[frozenset[Scope]]:
    """Sets of scopes that a Connection can have: mostly a few, at times as many as there may be."""
    most = frozenset(Scope(f"resource-{number}.read") for number in range(MAX_SCOPES))
    known = [frozenset(_SCOPES[:1]), DEFAULT_SCOPES, frozenset(_SCOPES), most]
    return st.sampled_from(known) | st.frozensets(scopes(), min_size=1, max_size=4)


#: Markup and quotes, what turns the direction round, what cannot be seen, one letter made of many.
_NAMES: Final = (
    "Partner",
    "",
    " ",
    'O\'Brien & "Søns" <b>%s</b> \\',
    "\u202etrams",
    "a\u200d\ufeff\u0301",
    "\U0001f469\u200d\U0001f4bb",
    "\U0001f4be" * MAX_NAME_LENGTH,
)


def names() -> st.SearchStrategy[str]:
    """Names of organizations and Connections; they may have none, which is not drawn here."""
    readable = st.characters(exclude_categories=("Cc", "Cs"))
    return st.sampled_from(_NAMES) | st.text(readable, max_size=MAX_NAME_LENGTH)


_MILLISECOND: Final = timedelta(milliseconds=1)
_EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(2100, 1, 1, tzinfo=UTC)
#: The plainest, a millisecond later, the last of a leap day, the ends of what seconds can count.
_TIMES: Final = (
    datetime(2000, 1, 1, tzinfo=UTC),
    datetime(2000, 1, 1, tzinfo=UTC) + _MILLISECOND,
    datetime(2024, 2, 29, 23, 59, 59, 999000, tzinfo=UTC),
    datetime(1970, 1, 1, tzinfo=UTC),
    datetime(2038, 1, 19, 3, 14, 8, tzinfo=UTC),
)


def times(
    *, min_value: datetime = _EARLIEST, max_value: datetime = _LATEST, normalized: bool = True
) -> st.SearchStrategy[datetime]:
    """Times: aware, in UTC and in whole milliseconds, as the library keeps them.

    Args:
        min_value: the earliest; aware.
        max_value: the latest; aware.
        normalized: False for microseconds and for other zones as well, which the library takes and
            normalizes.

    Raises:
        ValueError: there is no whole millisecond between the two, or one of them is naive.
    """
    first = as_timestamp(min_value)
    first += _MILLISECOND if first < min_value else timedelta(0)
    last = as_timestamp(max_value)
    if first > last:
        raise ValueError(
            f"no whole millisecond is between min_value={min_value} and max_value={max_value}; "
            "give an earlier min_value or a later max_value"
        )
    unit = _MILLISECOND if normalized else timedelta.resolution
    any_time = st.integers(0, (last - first) // unit).map(lambda count: first + count * unit)
    known = [at for at in _TIMES if first <= at <= last]
    moments = st.sampled_from(known) | any_time if known else any_time
    return moments if normalized else st.builds(_elsewhere, moments, st.integers(-1439, 1439))


def _elsewhere(at: datetime, minutes: int) -> datetime:
    """The same moment where clocks are so many minutes ahead, if they can show it."""
    try:
        return at.astimezone(timezone(timedelta(minutes=minutes)))
    except OverflowError:  # it is the year 0 or 10000 there
        return at


# --- Parties -------------------------------------------------------------------------------------


def organizations() -> st.SearchStrategy[Organization]:
    """Organizations, with and without a name."""
    return st.builds(Organization, id=organization_ids(), name=st.none() | names())


def actors(
    *, organization: str | Organization | None = None, type: ActorType | None = None
) -> st.SearchStrategy[Actor]:
    """Actors: people and API keys.

    Args:
        organization: whom they act for; anyone if omitted.
        type: people or API keys alone; both if omitted.

    Raises:
        ValueError: `organization` is not an organization id, or there is no such type.
    """
    theirs = organization_ids() if organization is None else st.just(_id_of(organization))
    return st.builds(Actor, id=actor_ids(type=type), organization_id=theirs)


def _id_of(organization: str | Organization) -> OrganizationId:
    return OrganizationId(str(organization_id_of(organization)))


@st.composite
def _pairs(
    draw: st.DrawFn,
    source: OrganizationId | None,
    destination: OrganizationId | None,
    *,
    allow_self: bool,
) -> _Pair:
    """Source and destination, each as given or drawn, often alike but for case."""
    if source and destination:
        return source, destination
    one = source or destination or draw(organization_ids())
    # The first of these is never filtered out: what is refused at its plainest hardly shrinks.
    plain = next(OrganizationId(each) for each in ("org_A", "org_B") if each != one)
    others = st.sampled_from([plain, _swapped(one), one]) | organization_ids()
    other = draw(others.filter(lambda other: allow_self or other != one))
    return (other, one) if destination else (one, other)


def _swapped(organization_id: OrganizationId) -> OrganizationId:
    """The id with upper and lower case exchanged after the prefix."""
    opaque = organization_id.removeprefix(_ORGANIZATION_PREFIX)
    return OrganizationId(_ORGANIZATION_PREFIX + opaque.swapcase())


# --- Connections and their histories -------------------------------------------------------------


class Row(NamedTuple):
    """What a service has in a table of its own: plain values, which the policy can judge.

    Attributes:
        source_organization_id: whose data is shared.
        destination_organization_id: who receives it.
        status: where it stands, as a plain string.
        scopes: what may be shared, as plain strings.
    """

    source_organization_id: str
    destination_organization_id: str
    status: str
    scopes: tuple[str, ...]


#: What a status column may hold, and no version of the library has written.
_UNKNOWN_STATUSES: Final = ("archived", "", "ACTIVE", "active ", "absent", "none", "null", "0")

#: The status in which every Connection begins.
_BEGINNING: Final = Connection.create(
    by=Actor(id="usr_A", organization_id="org_A"), destination="org_B"
).connection.status
#: How many steps it is from one status to another.
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
        status: where it stands in the end: one status or several; any if omitted.
        source: the source; any organization if omitted.
        destination: the destination; any organization if omitted.
        allow_self: draw Connections of an organization with itself as well.
        scopes: its scopes; any if omitted.
        actors: who takes part: the parties are their organizations. Made up if omitted.
        clock: what time it is at each step; `times()` if omitted.
        max_steps: the most steps after the creation.

    Raises:
        ValueError: an argument is not valid, or nothing satisfies all of them; what to change is
            in the message.
    """
    pair = _pinned(source, destination)
    if source is not None and pair[0] == pair[1] and not allow_self:
        raise ValueError(
            f"source and destination are both {pair[0]}; give another destination, "
            "or allow_self=True if that is meant"
        )
    return _histories(
        _goals(status, max_steps),
        _made_up_casts(*pair, allow_self=allow_self)
        if actors is None
        else st.sampled_from(_casts_of(list(actors), *pair, allow_self=allow_self)),
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
        status: where it stands: one status or several; any if omitted.
        source: the source; any organization if omitted.
        destination: the destination; any organization if omitted.
        allow_self: draw Connections of an organization with itself as well.
        scopes: its scopes; any if omitted.
        actors: who takes part: the parties are their organizations. Made up if omitted.
        clock: what time it is at each step; `times()` if omitted.
        max_steps: the most steps after the creation.

    Raises:
        ValueError: an argument is not valid, or nothing satisfies all of them; what to change is
            in the message.
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
        of: the histories that they end; ``histories(max_steps=4)`` if omitted.
    """
    endings = histories(max_steps=4) if of is None else of
    return endings.map(lambda history: history[1][-1])


def rows(
    *,
    status: str | None = None,
    source: str | Organization | None = None,
    destination: str | Organization | None = None,
) -> st.SearchStrategy[Row]:
    """Rows of somebody's table. No rule was applied: there are statuses that are none.

    Args:
        status: what stands as the status, of whatever kind; anything if omitted.
        source: the source; any organization if omitted.
        destination: the destination; any organization if omitted.

    Raises:
        ValueError: an organization id is not one.
    """
    known = [each.value for each in Status]
    anything = st.sampled_from([*known, *_UNKNOWN_STATUSES]) | st.text()
    return _rows(
        _pairs(*_pinned(source, destination), allow_self=True),
        anything if status is None else st.just(status),
    )


@st.composite
def _rows(
    draw: st.DrawFn, pairs: st.SearchStrategy[_Pair], statuses: st.SearchStrategy[str]
) -> Row:
    source, destination = map(str, draw(pairs))
    return Row(source, destination, draw(statuses), tuple(sorted(map(str, draw(scope_sets())))))


# --- How a history comes about -------------------------------------------------------------------


class _Cast(NamedTuple):
    """Who takes part in a history."""

    source: OrganizationId
    destination: OrganizationId
    actors: list[Actor]


def _pinned(
    source: str | Organization | None, destination: str | Organization | None
) -> tuple[OrganizationId | None, OrganizationId | None]:
    """The ids of the parties that are given."""
    return (
        None if source is None else _id_of(source),
        None if destination is None else _id_of(destination),
    )


def _goals(status: str | Iterable[str] | None, max_steps: int) -> list[Status]:
    """Where a history may end, in the order of `Status`."""
    if max_steps < 0:
        raise ValueError(f"max_steps is {max_steps}; give 0 or more")
    if status is None:
        return [each for each in Status if _DISTANCES[_BEGINNING, each] <= max_steps]
    given = (status,) if isinstance(status, str) else tuple(status)
    if not given or not set(given) <= set(Status):
        named = ", ".join(map(repr, given)) or "empty"
        raise ValueError(f"status is {named}; give one or several of {', '.join(Status)}")
    goals = [each for each in Status if each in given]
    farthest = max(goals, key=lambda each: _DISTANCES[_BEGINNING, each])
    if (least := _DISTANCES[_BEGINNING, farthest]) > max_steps:
        raise ValueError(
            f"max_steps is {max_steps}, and it takes {least} to be {farthest}; "
            f"give max_steps={least} or more"
        )
    return goals


def _scope_set(scopes: Iterable[str]) -> frozenset[Scope]:
    """The scopes that are given, if a Connection can have them."""
    found = frozenset(map(Scope, scopes))
    if not 1 <= len(found) <= MAX_SCOPES:
        raise ValueError(f"scopes has {len(found)} of them; give 1 to {MAX_SCOPES}")
    return found


@st.composite
def _made_up_casts(
    draw: st.DrawFn,
    source: OrganizationId | None,
    destination: OrganizationId | None,
    *,
    allow_self: bool,
) -> _Cast:
    """One or two actors for each party. None of them acts for both."""
    pair = draw(_pairs(source, destination, allow_self=allow_self))
    ids = _distinct(draw(st.lists(actor_ids(), min_size=2, max_size=4)))
    staff = zip(ids, cycle(pair), strict=False)
    return _Cast(*pair, [Actor(id=each, organization_id=party) for each, party in staff])


def _distinct(ids: list[ActorId]) -> list[ActorId]:
    """The ids, with plain ones in place of those that are there already."""
    found: list[ActorId] = []
    for each in ids:
        plain = (ActorId(f"usr_{letter}") for letter in string.ascii_uppercase)
        found.append(next(new for new in (each, *plain) if new not in found))
    return found


def _casts_of(
    actors: list[Actor],
    source: OrganizationId | None,
    destination: OrganizationId | None,
    *,
    allow_self: bool,
) -> list[_Cast]:
    """Every pair of the actors' organizations that fits, with those who act for one of the two."""
    known = list(dict.fromkeys(actor.organization_id for actor in actors))
    for pinned in (source, destination):
        if pinned is not None and pinned not in known:
            raise ValueError(f"none of the actors acts for {pinned}; add one who does")
    if len(known) < (needed := 1 if allow_self else 2):
        raise ValueError(
            f"the actors act for {len(known)} organizations, and it takes {needed}; "
            "add an actor of another organization"
        )
    return [
        _Cast(one, other, [actor for actor in actors if actor.organization_id in (one, other)])
        for one in ([source] if source else known)
        for other in ([destination] if destination else known)
        if allow_self or one != other
    ]


@st.composite
def _histories(
    draw: st.DrawFn,
    goals: list[Status],
    casts: st.SearchStrategy[_Cast],
    shared: st.SearchStrategy[frozenset[Scope]],
    clock: st.SearchStrategy[datetime],
    max_steps: int,
) -> History:
    """A creation, and then legal steps until the goal is reached and no more are wanted."""
    goal, cast = draw(st.sampled_from(goals)), draw(casts)
    creators = [actor for actor in cast.actors if actor.organization_id == cast.source]
    connection, event = Connection.create(
        by=draw(st.sampled_from(creators)),
        destination=cast.destination,
        name=draw(st.none() | names()),
        scopes=draw(shared),
        allow_self=True,
        id=draw(connection_ids()),
        at=draw(clock),
    )
    events = [event]
    left = draw(st.integers(_DISTANCES[_BEGINNING, goal], max_steps))
    while found := _moves_towards(goal, connection, cast.actors, left):
        action, actor = draw(st.sampled_from(found))
        connection, event = connection.take(action, by=actor, at=draw(clock))
        events.append(event)
        left -= 1
    return connection, tuple(events)


def _moves_towards(
    goal: Status, connection: Connection, actors: list[Actor], left: int
) -> list[tuple[Action, Actor]]:
    """The legal moves after which the goal can still be reached in the steps that are left.

    Short of the goal there is always one; at the goal there is none when too few steps are left to
    come back to it.
    """
    return [
        (action, actor)
        for actor in actors
        for action in sorted(allowed_actions(actor, connection))
        if _DISTANCES[decide(actor, action, connection).target, goal] < left
    ]


# --- Moves and decisions -------------------------------------------------------------------------


def moves(connection: ConnectionLike) -> st.SearchStrategy[tuple[Action, Actor]]:
    """Anything that anybody may try on `connection`, as action and actor; most is refused.

    The actors are of either party, and outsiders. Nobody may create what exists; some try.

    Args:
        connection: a `Connection`, or a row of your own.

    Raises:
        ValueError: an organization id in it is not one.
    """
    theirs = [actors(organization=party) for party in _parties(connection)]
    return st.tuples(st.sampled_from(list(Action)), st.one_of([*theirs, actors()]))


def legal_moves(connection: ConnectionLike) -> st.SearchStrategy[tuple[Action, Actor]]:
    """What may be done to `connection` now, as action and actor.

    Args:
        connection: a `Connection`, or a row of your own.

    Raises:
        ValueError: its status is not one, so that nothing may be done; or an organization id in it
            is not one.
    """
    menus = {
        party: sorted(allowed_actions(Actor(id="usr_A", organization_id=party), connection))
        for party in _parties(connection)
    }
    if not any(menus.values()):
        raise ValueError(
            f"nothing may be done while the status is {connection.status!r}; "
            f"give a Connection that is one of {', '.join(Status)}"
        )
    return st.one_of(
        [
            st.tuples(st.sampled_from(menu), actors(organization=party))
            for party, menu in menus.items()
            if menu
        ]
    )


def _parties(connection: ConnectionLike) -> list[OrganizationId]:
    """The source and the destination; once if they are the same."""
    pair = (connection.source_organization_id, connection.destination_organization_id)
    return list(dict.fromkeys(map(OrganizationId, pair)))


def decisions(
    *, allowed: bool | None = None, denial: Denial | None = None
) -> st.SearchStrategy[Decision]:
    """Decisions: every one that the policy can give, on actions, on creation and on access.

    Args:
        allowed: only those that permit, or only those that refuse; both if omitted.
        denial: one that is among the reasons; any if omitted.

    Raises:
        ValueError: there is no such denial, or what is allowed would have one.
    """
    found = [
        decision
        for decision in _every_decision()
        if allowed in (None, decision.allowed)
        and (denial is None or Denial(denial) in decision.denials)
    ]
    if not found:
        raise ValueError(f"nothing that is allowed is denied as {denial}; leave one of the two out")
    return st.sampled_from(found)


@cache
def _every_decision() -> tuple[Decision, ...]:
    """The policy's answers to every question, each once, what is allowed first."""
    us, them, stranger = (
        Actor(id=f"usr_{each}", organization_id=f"org_{each}") for each in ("A", "B", "C")
    )
    found: list[Decision] = []
    for other in (them, us):
        source, destination = us.organization_id, other.organization_id
        rows = [Row(source, destination, status, _SCOPES[:1]) for status in (*Status, "archived")]
        for actor in (us, other, stranger):
            found += [decide(actor, action, row) for row in rows for action in Action]
            found += [decide_access(actor, scope, row) for row in rows for scope in _SCOPES[:2]]
            found += [
                decide_create(
                    actor,
                    source=source,
                    destination=destination,
                    existing=existing,
                    allow_self=allow_self,
                )
                for existing in (None, *rows)
                for allow_self in (False, True)
            ]
    return tuple(sorted(dict.fromkeys(found), key=lambda decision: len(decision.denials)))


# --- Documents -----------------------------------------------------------------------------------

#: The type that is written, and the other one that is read.
_TYPES: Final = (RESOURCE_TYPE, "connect/connection")


def create_documents(
    *, destination: str | Organization | None = None
) -> st.SearchStrategy[dict[str, object]]:
    """Bodies of create requests that `parse_create` reads, as plain JSON values.

    Members that may be left out are there or not; scopes stand in any order.

    Args:
        destination: whom to share with; any organization if omitted.

    Raises:
        ValueError: `destination` is not an organization id.
    """
    theirs = organization_ids() if destination is None else st.just(_id_of(destination))
    attributes = st.fixed_dictionaries(
        {"destination-organization-id": theirs.map(str)},
        optional={"name": st.none() | names(), "scopes": scope_sets().flatmap(_in_any_order)},
    )
    data = st.fixed_dictionaries(
        {"attributes": attributes}, optional={"type": st.sampled_from(_TYPES)}
    )
    return st.fixed_dictionaries({"data": data})


def _in_any_order(scopes: Iterable[Scope]) -> st.SearchStrategy[list[str]]:
    return st.permutations(sorted(map(str, scopes)))


def connection_documents(
    of: st.SearchStrategy[Connection] | None = None,
) -> st.SearchStrategy[dict[str, object]]:
    """Documents that `parse_connection` reads, as plain JSON values.

    They are those of `connection_document`, and what other writers make of them: the other type, no
    name where there is none, scopes in any order.

    Args:
        of: the Connections; `connections()` if omitted.
    """
    return (connections() if of is None else of).flatmap(_documents_of)


@st.composite
def _documents_of(draw: st.DrawFn, connection: Connection) -> dict[str, object]:
    """The document of the Connection, as one writer or another writes it."""
    document: dict[str, Any] = connection_document(connection)
    document["data"]["type"] = draw(st.sampled_from(_TYPES))
    attributes = document["data"]["attributes"]
    attributes["scopes"] = draw(_in_any_order(connection.scopes))
    if connection.name is None and draw(st.booleans()):
        del attributes["name"]
    return document


#: Stands for a member that is taken away.
_GONE: Final = object()
#: Where something is wrong, and what stands there instead.
_Fault = tuple[str, object]

# What each kind of member cannot be. What is drawn are copies, so that nobody can spoil these.
_LIST: Final[list[object]] = []
_OBJECT: Final[dict[str, object]] = {}
_NOT_OBJECTS: Final = (None, True, 0, 1.5, _LIST)
_NOT_TEXT: Final = (*_NOT_OBJECTS, _OBJECT)


def _wrong(pointer: str, *values: object) -> list[_Fault]:
    return [(pointer, value) for value in values]


def _wrong_ids(pointer: str, prefix: str) -> list[_Fault]:
    """No text, an empty one, another prefix or case, nothing after it, and what looks right."""
    texts = ("", "A", prefix, prefix.upper() + "A", f"x{prefix}A", f"{prefix}A ", f"{prefix}A\n")
    return _wrong(pointer, *_NOT_TEXT, *texts, f"{prefix}\u0410", f"{prefix}\uff21")


_ATTRIBUTES: Final = "/data/attributes"
#: What can be wrong in either document.
_FAULTS: Final = [
    *_wrong("/data", _GONE, *_NOT_OBJECTS, "A"),
    *_wrong(_ATTRIBUTES, _GONE, *_NOT_OBJECTS, "A"),
    *_wrong("", *_NOT_OBJECTS),
    *_wrong("/included", _LIST, _OBJECT),
    *_wrong("/data/relationships", _OBJECT, None),
    *_wrong(f"{_ATTRIBUTES}/version", 1, "1"),
    *_wrong(f"{_ATTRIBUTES}/Name", "A", None),
    *_wrong("/data/type", *_NOT_TEXT, "", "connect/other", RESOURCE_TYPE.upper()),
    *_wrong(f"{_ATTRIBUTES}/destination-organization-id", _GONE),
    *_wrong_ids(f"{_ATTRIBUTES}/destination-organization-id", _ORGANIZATION_PREFIX),
    *_wrong(f"{_ATTRIBUTES}/name", *_NOT_TEXT[1:]),
    *_wrong(f"{_ATTRIBUTES}/name", "A" * (MAX_NAME_LENGTH + 1), "A\0", "\n", "\x85"),
    *_wrong(f"{_ATTRIBUTES}/scopes", *_NOT_TEXT, "inquiry.read"),
    *_wrong(f"{_ATTRIBUTES}/scopes", [f"a.b{count}" for count in range(MAX_SCOPES + 1)]),
    *(
        (f"{_ATTRIBUTES}/scopes", ["inquiry.read", scope])
        for scope in (*_NOT_TEXT, "", "inquiry", "Inquiry.read", "inquiry.read ")
    ),
]
#: What can be wrong in the body of a create request. The source, the id and the status are not
#: the client's to name.
_CREATE_FAULTS: Final = [
    *_FAULTS,
    *_wrong("/data/id", "cxn_A", None),
    *_wrong(f"{_ATTRIBUTES}/organization-id", "org_A", None),
    *_wrong(f"{_ATTRIBUTES}/status", *[each.value for each in Status]),
]


#: The attributes that only a Connection's document has to have, and the scopes.
_REQUIRED: Final = (
    "token",
    "status",
    "organization-id",
    "scopes",
    "creator-id",
    "creator-type",
    "created-at",
    "updated-at",
)
#: No text that is a time: not even one, no time of day, no zone, no such month, a space in it.
_NO_TIMES: Final = (
    "",
    "2018-06-01",
    "2018-06-01T00:00:00.000",
    "2018-13-01T00:00:00.000Z",
    "2018-06-01 00:00:00.000 Z",
)


def _connection_faults(connection: Connection) -> list[_Fault]:
    """What can be wrong in the document of this Connection."""
    attributes = [f"{_ATTRIBUTES}/{name}" for name in _REQUIRED]
    token, status, source, _, creator_id, creator_type, created_at, updated_at = attributes
    other_type = next(each for each in ActorType if each is not connection.creator.type)
    return [
        *_FAULTS,
        *((pointer, _GONE) for pointer in ("/data/type", "/data/id", *attributes)),
        *_wrong("/data/id", *_NOT_TEXT),  # of another text, the token would be wrong as well
        *_wrong_ids(token, _CONNECTION_PREFIX),
        *_wrong(token, f"{connection.id}x"),
        *_wrong(status, *_NOT_TEXT, *_UNKNOWN_STATUSES),
        *_wrong_ids(source, _ORGANIZATION_PREFIX),
        *_wrong_ids(creator_id, _ACTOR_PREFIXES[0]),
        *_wrong(creator_type, *_NOT_TEXT, "", "robot", other_type.value),
        *_wrong(created_at, *_NOT_TEXT, *_NO_TIMES),
        *_wrong(updated_at, *_NOT_TEXT, *_NO_TIMES, "0001-01-01T00:00:00.000Z"),
    ]


def invalid_create_documents(
    of: st.SearchStrategy[dict[str, object]] | None = None,
) -> st.SearchStrategy[object]:
    """Bodies that `parse_create` refuses, as plain JSON values: exactly one thing is wrong.

    Some member is missing, is one that a request does not have, or has a value that is not its: of
    another type, or ill-formed. Of the scopes there may be none or too many; the name may be too
    long or hold control characters; the document as a whole may be no object. What is wrong is
    told as one `Problem`, at its place.

    Args:
        of: the valid ones that they are made from; `create_documents()` if omitted.
    """
    valid = create_documents() if of is None else of
    return st.builds(_edited, valid, _one_of(_CREATE_FAULTS))


def invalid_connection_documents(
    of: st.SearchStrategy[Connection] | None = None,
) -> st.SearchStrategy[object]:
    """Documents that `parse_connection` refuses, as plain JSON values: exactly one thing is wrong.

    What can be wrong in `invalid_create_documents` can be wrong here; and in the members that only
    a Connection has, also that two of them contradict each other: the token and the id, the
    creator's type and id, the time of the last change and that of the creation. What is wrong is
    told as one `Problem`, at its place.

    Args:
        of: the Connections that they would be of; `connections()` if omitted.
    """
    return (connections() if of is None else of).flatmap(
        lambda connection: st.builds(
            _edited,
            st.just(connection_document(connection)),
            _one_of(_connection_faults(connection)),
        )
    )


def _one_of(faults: list[_Fault]) -> st.SearchStrategy[_Fault]:
    """One fault, every place being as likely as any other."""
    places: dict[str, list[_Fault]] = {}
    for fault in faults:
        places.setdefault(fault[0], []).append(fault)
    return st.sampled_from(list(places.values())).flatmap(st.sampled_from)


def _edited(document: dict[str, object], fault: _Fault) -> object:
    """A copy of the document with the fault in it."""
    pointer, value = fault
    whole: Any = {"": deepcopy(document)}
    *way, last = pointer.split("/")
    holder = whole
    for name in way:
        holder = holder[name]
    if value is _GONE:
        del holder[last]
    else:
        holder[last] = deepcopy(value)
    return whole[""]
