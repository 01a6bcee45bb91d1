"""The reference: another implementation, compared with every cell of the table.

Run it: ``uv run --group test python docs/examples/reference.py``. The other implementation is a few
typical lines of `if`. Two of its answers are wrong, and the table finds both.
"""

from typing import Any

from connect_core import Action, ConnectionLifecycle, Role, Status, decision_table


def theirs(status: Status | None, action: Action, roles: frozenset[Role]) -> Status | None:
    """Where the action leads in the other implementation; None if it refuses."""
    if action is Action.CREATE and status is None and Role.SOURCE in roles:
        return Status.PENDING
    if action is Action.ACTIVATE and status is not Status.ACTIVE and Role.DESTINATION in roles:
        return Status.ACTIVE  # wrong: an inactive one must be reactivated first
    if action is Action.DEACTIVATE and status is not None and roles:
        return Status.INACTIVE  # wrong: a second deactivation is refused
    if action is Action.REACTIVATE and status is Status.INACTIVE and Role.SOURCE in roles:
        return Status.PENDING
    return None


wrong = [
    cell for cell, decision in decision_table().items() if theirs(*cell) is not decision.target
]
for cell in wrong:
    who = " and ".join(sorted(cell.roles)) or "outsider"
    print(f"{cell.status} {cell.action} by {who}: {decision_table()[cell].explanation}")
assert {(status, action) for status, action, _ in wrong} == {
    (Status.INACTIVE, Action.ACTIVATE),
    (Status.INACTIVE, Action.DEACTIVATE),
}


class Order:
    """An object of your own that the machine itself can drive."""

    stage = "pending"


order = Order()
lifecycle: Any = ConnectionLifecycle(order, state_field="stage")
lifecycle.send("activate", roles={Role.DESTINATION})
assert order.stage == "active"
