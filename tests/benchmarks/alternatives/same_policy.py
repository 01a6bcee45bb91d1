"""Checks that a contestant has the same policy: every cell, compared with the decision table."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import NamedTuple

from connect_core import Action, Actor, Decision, Role, Status, decision_table
from connect_core.decision import Cell

from .contestant import ACTIONS, Ability, Contestant, StoredRow

_SOURCE, _DESTINATION, _OUTSIDER = "org_ABC123", "org_DEF456", "org_XYZ789"
#: The actor's organization, the two parties, and the roles that the actor therefore holds.
_CASTS = (
    (_OUTSIDER, _SOURCE, _DESTINATION, frozenset[Role]()),
    (_SOURCE, _SOURCE, _DESTINATION, frozenset({Role.SOURCE})),
    (_DESTINATION, _SOURCE, _DESTINATION, frozenset({Role.DESTINATION})),
    (_SOURCE, _SOURCE, _SOURCE, frozenset(Role)),
)


class _Case(NamedTuple):
    """A cell of the table, with an actor and a row for it."""

    actor: Actor
    action: Action
    row: StoredRow
    due: Decision


def _cases() -> Iterator[_Case]:
    for status, action, (who, source, destination, roles) in product(Status, ACTIONS, _CASTS):
        yield _Case(
            Actor(id="usr_Rk3v", organization_id=who),
            action,
            StoredRow("cxn_1", source, destination, status.value),
            decision_table()[Cell(status, action, roles)],
        )


def differences(contestant: Contestant) -> list[str]:
    """Every answer that differs from the table, in words."""
    return [
        f"{contestant.name}: {difference}, for {case.action} from {case.row.status} by "
        f"{'+'.join(sorted(case.due.roles)) or 'an outsider'}"
        for case in _cases()
        for difference in _different(contestant, case)
    ]


def _different(contestant: Contestant, case: _Case) -> Iterator[str]:
    checks = {
        Ability.DECIDE: _decides,
        Ability.STEP: _steps,
        Ability.ALLOWED_ACTIONS: _lists,
        Ability.PERMITTED: _filters,
    }
    for ability, holds in checks.items():
        afresh = case._replace(row=replace(case.row))  # a step changes it
        if ability not in contestant.cannot and not holds(contestant, afresh):
            yield f"{ability} is wrong"


def _decides(contestant: Contestant, case: _Case) -> bool:
    subject = contestant.subject(case.row)
    allowed, _ = contestant.read(contestant.decide(case.actor, case.action, subject))
    return allowed is case.due.allowed


def _steps(contestant: Contestant, case: _Case) -> bool:
    subject = contestant.subject(case.row)
    before = case.row.status
    try:
        subject = contestant.step(subject, case.actor, case.action)
    except contestant.refusals:
        if case.due.allowed:
            return False
    return contestant.status_of(subject) == (case.due.target or before)


def _lists(contestant: Contestant, case: _Case) -> bool:
    subject = contestant.subject(case.row)
    due = {
        a
        for a in ACTIONS
        if decision_table()[Cell(Status(case.row.status), a, case.due.roles)].allowed
    }
    return {str(each) for each in contestant.allowed_actions(case.actor, subject)} == due


def _filters(contestant: Contestant, case: _Case) -> bool:
    due = [case.row] if case.due.allowed else []
    return contestant.permitted(case.actor, case.action, [case.row]) == due
