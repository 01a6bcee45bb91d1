"""The test oracle: the matrix of the rules, typed by hand and derived from no code.

A cell holds the status that the action leads to, or the denials in order of precedence.
"""

from typing import NamedTuple

from connect_core import Action, Denial, Role, Status

SOURCE = frozenset({Role.SOURCE})
DESTINATION = frozenset({Role.DESTINATION})
BOTH = frozenset({Role.SOURCE, Role.DESTINATION})
OUTSIDER: frozenset[Role] = frozenset()

MATRIX = """
status   | action     | source         | destination               | both           | outsider
none     | create     | pending        | wrong_role                | pending        | not_a_party
pending  | activate   | wrong_role     | active                    | active         | not_a_party
pending  | deactivate | inactive       | inactive                  | inactive       | not_a_party
pending  | reactivate | wrong_status   | wrong_role,wrong_status   | wrong_status   | not_a_party
active   | activate   | wrong_role,wrong_status | wrong_status     | wrong_status   | not_a_party
active   | deactivate | inactive       | inactive                  | inactive       | not_a_party
active   | reactivate | wrong_status   | wrong_role,wrong_status   | wrong_status   | not_a_party
inactive | activate   | wrong_role,wrong_status | wrong_status     | wrong_status   | not_a_party
inactive | deactivate | wrong_status   | wrong_status              | wrong_status   | not_a_party
inactive | reactivate | pending        | wrong_role                | pending        | not_a_party
pending  | create     | already_exists | wrong_role,already_exists | already_exists | not_a_party
active   | create     | already_exists | wrong_role,already_exists | already_exists | not_a_party
inactive | create     | already_exists | wrong_role,already_exists | already_exists | not_a_party
"""

#: The steps that lead to a status where the action is possible, by (status, action).
REMEDIES = {
    ("pending", "reactivate"): "deactivate by source or destination",
    ("active", "activate"): "deactivate by source or destination, reactivate by source",
    ("active", "reactivate"): "deactivate by source or destination",
    ("inactive", "activate"): "reactivate by source",
    ("inactive", "deactivate"): "reactivate by source",
}


class Verdict(NamedTuple):
    """One cell: a status, an action and roles, with the expected result."""

    status: Status | None
    action: Action
    roles: frozenset[Role]
    target: Status | None
    denials: tuple[Denial, ...]

    def __str__(self) -> str:
        who = " and ".join(sorted(self.roles)) or "outsider"
        return f"{self.status}-{self.action}-{who}".lower()


def _verdicts() -> list[Verdict]:
    rows = [[cell.strip() for cell in line.split("|")] for line in MATRIX.strip().splitlines()]
    return [
        Verdict(
            None if status == "none" else Status(status),
            Action(action),
            roles,
            Status(answer) if answer in {"pending", "active", "inactive"} else None,
            ()
            if answer in {"pending", "active", "inactive"}
            else tuple(Denial(denial) for denial in answer.split(",")),
        )
        for status, action, *answers in rows[1:]
        for roles, answer in zip((SOURCE, DESTINATION, BOTH, OUTSIDER), answers, strict=True)
    ]


VERDICTS = _verdicts()
EXISTING = [verdict for verdict in VERDICTS if verdict.status is not None]
CREATION = [verdict for verdict in VERDICTS if verdict.status is None]
