"""What the policy judges and answers: rows of a host, moves that somebody may try, decisions."""

from functools import cache
from typing import Final, NamedTuple

from hypothesis import strategies as st

from connect_core.decision import Decision, Denial
from connect_core.identifiers import OrganizationId
from connect_core.lifecycle import Action, Status
from connect_core.parties import (
    Actor,
    Organization,
)
from connect_core.policy import (
    ConnectionLike,
    allowed_actions,
    decide,
    decide_access,
    decide_create,
)
from connect_core.strategies.parties import Pair, actors, pairs, pinned
from connect_core.strategies.values import KNOWN_SCOPES, scope_sets


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
UNKNOWN_STATUSES: Final = ("archived", "", "ACTIVE", "active ", "absent", "none", "null", "0")


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
    anything = st.sampled_from([*known, *UNKNOWN_STATUSES]) | st.text()
    return _rows(
        pairs(*pinned(source, destination), allow_self=True),
        anything if status is None else st.just(status),
    )


@st.composite
def _rows(draw: st.DrawFn, pairs: st.SearchStrategy[Pair], statuses: st.SearchStrategy[str]) -> Row:
    source, destination = map(str, draw(pairs))
    return Row(source, destination, draw(statuses), tuple(sorted(map(str, draw(scope_sets())))))


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
        rows = [
            Row(source, destination, status, KNOWN_SCOPES[:1]) for status in (*Status, "archived")
        ]
        for actor in (us, other, stranger):
            found += [decide(actor, action, row) for row in rows for action in Action]
            found += [
                decide_access(actor, scope, row) for row in rows for scope in KNOWN_SCOPES[:2]
            ]
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
