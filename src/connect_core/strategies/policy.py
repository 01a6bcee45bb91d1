"""Strategies for the policy: rows of a host's table, moves to try, and decisions."""

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
from connect_core.text import text_of


class Row(NamedTuple):
    """A row of a service's own table: plain values, about which the policy can decide.

    Attributes:
        source_organization_id: whose data is shared.
        destination_organization_id: who receives it.
        status: its status, as a plain string.
        scopes: what may be shared, as plain strings.
    """

    source_organization_id: str
    destination_organization_id: str
    status: str
    scopes: tuple[str, ...]


#: What a status column may hold though no version of the library has written it.
UNKNOWN_STATUSES: Final = ("archived", "", "ACTIVE", "active ", "absent", "none", "null", "0")


def rows(
    *,
    status: str | None = None,
    source: str | Organization | None = None,
    destination: str | Organization | None = None,
) -> st.SearchStrategy[Row]:
    """Rows of a host's table. They follow no rule: some statuses are unknown.

    Args:
        status: the text in the status column, known or not; any text if omitted.
        source: the source; any organization if omitted.
        destination: the destination; any organization if omitted.

    Raises:
        ValueError: `source` or `destination` is not an organization id.
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
    """Any action that any actor may try on `connection`, as action and actor; most are refused.

    The actors act for either party, or are outsiders. Create is among the actions, though it is
    always refused on a Connection that exists.

    Args:
        connection: a `Connection`, or a row of your own.

    Raises:
        ValueError: it has an invalid organization id.
    """
    theirs = [actors(organization=party) for party in _parties(connection)]
    return st.tuples(st.sampled_from(list(Action)), st.one_of([*theirs, actors()]))


def legal_moves(connection: ConnectionLike) -> st.SearchStrategy[tuple[Action, Actor]]:
    """The actions that are allowed on `connection` now, as action and actor.

    Args:
        connection: a `Connection`, or a row of your own.

    Raises:
        ValueError: its status is unknown, so that nothing is allowed; or it has an invalid
            organization id.
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
    return [OrganizationId(text_of(party)) for party in dict.fromkeys(pair)]


def decisions(
    *, allowed: bool | None = None, denial: Denial | None = None
) -> st.SearchStrategy[Decision]:
    """Decisions: every one that the policy can give, on actions, on creation and on access.

    Args:
        allowed: True for only those that permit, False for only those that refuse; both if
            omitted.
        denial: only decisions with this denial; any if omitted.

    Raises:
        ValueError: there is no such denial, or `allowed` is True and `denial` is given.
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
    """The policy's answers to every question, each once, those that permit first."""
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
