"""No library: a dict, and two comparisons to find the key. The fastest that Python can be."""

from collections.abc import Callable, Sequence
from itertools import product

from connect_core import Action, Actor, Denial, Role, Status, decision_table
from connect_core.decision import Cell

from .contestant import ACTIONS, Contestant, StoredRow

_ROLES = {
    (False, False): frozenset[Role](),
    (True, False): frozenset({Role.SOURCE}),
    (False, True): frozenset({Role.DESTINATION}),
    (True, True): frozenset(Role),
}
#: The denial, or None, by roles, action and status. A user would type it; here it is derived.
_DENIALS: dict[tuple[bool, bool, str, str], Denial | None] = {
    (*held, action, status): decision_table()[Cell(status, action, _ROLES[held])].denial
    for held, action, status in product(_ROLES, ACTIONS, Status)
}
#: The status that a permitted action leads to, by the same keys.
_TARGETS: dict[tuple[bool, bool, str, str], str] = {
    (*held, action, status): target.value
    for held, action, status in product(_ROLES, ACTIONS, Status)
    if (target := decision_table()[Cell(status, action, _ROLES[held])].target)
}
_MENUS: dict[tuple[bool, bool, str], list[Action]] = {
    (*held, status): [a for a in ACTIONS if _DENIALS[*held, a, status] is None]
    for held, status in product(_ROLES, Status)
}


def _decide(actor: Actor, action: Action, row: StoredRow) -> Denial | None:
    organization_id = actor.organization_id
    return _DENIALS[
        organization_id == row.source_organization_id,
        organization_id == row.destination_organization_id,
        action,
        row.status,
    ]


def _allowed_actions(actor: Actor, row: StoredRow) -> list[Action]:
    organization_id = actor.organization_id
    return _MENUS[
        organization_id == row.source_organization_id,
        organization_id == row.destination_organization_id,
        row.status,
    ]


class BareDict(Contestant):
    """The policy written by hand, with nothing around it."""

    name = "a bare dict"
    gives = "what the user writes into it; here, the first condition that failed"
    refusals = (KeyError,)

    def decide(self, actor: Actor, action: Action, subject: StoredRow) -> Denial | None:
        return _decide(actor, action, subject)

    def deciding(self) -> Callable[[Actor, Action, StoredRow], Denial | None]:
        return _decide

    def allowed_actions(self, actor: Actor, subject: StoredRow) -> list[Action]:
        return _allowed_actions(actor, subject)

    def listing(self) -> Callable[[Actor, StoredRow], list[Action]]:
        return _allowed_actions

    def read(self, answer: Denial | None) -> tuple[bool, object]:
        return answer is None, answer

    def step(self, subject: StoredRow, actor: Actor, action: Action) -> StoredRow:
        organization_id = actor.organization_id
        subject.status = _TARGETS[
            organization_id == subject.source_organization_id,
            organization_id == subject.destination_organization_id,
            action,
            subject.status,
        ]
        return subject

    def permitted(self, actor: Actor, action: Action, rows: Sequence[StoredRow]) -> list[StoredRow]:
        return [row for row in rows if _decide(actor, action, row) is None]
