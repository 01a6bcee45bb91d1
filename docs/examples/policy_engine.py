"""The policy engine alone, on rows of your own.

Run it: ``uv run python docs/examples/policy_engine.py``. The rows are whatever your ORM gives you:
two organization ids and a status as plain text, and the scopes if you share data through them.
"""

import json
from dataclasses import dataclass, field

from connect_core import Action, Actor, actions, can, decide, decide_access, steps_to


@dataclass
class PartnershipRow:
    """A row of a table that existed before this library."""

    source_organization_id: str
    destination_organization_id: str
    status: str
    scopes: list[str] = field(default_factory=lambda: ["inquiry.read"])


rows = [
    PartnershipRow("org_ABC123", "org_DEF456", "pending"),
    PartnershipRow("org_DEF456", "org_ABC123", "active"),
    PartnershipRow("org_XYZ789", "org_DEF456", "inactive"),
    PartnershipRow("org_ABC123", "org_XYZ789", "archived"),  # an unknown status
]
me = Actor(id="usr_Rk3v", organization_id="org_DEF456")

# Which rows are waiting for me?
waiting = [row for row in rows if can(me, Action.ACTIVATE, row)]
assert waiting == rows[:1]

# A menu for one of them, with the reason beside each entry that is greyed out.
for action, decision in actions(me, rows[0]).items():
    print(f"{action:10}", "yes" if decision else f"no: {decision.explanation}")

# The steps that are left, and who must take each.
for step in steps_to(rows[2]):
    print(f"{step} ({step.before} -> {step.after})")

# Reading data: only the destination, only while active, only the agreed scopes.
reader = Actor(id="api_ABC123", organization_id="org_ABC123")
assert decide_access(reader, "inquiry.read", rows[1])
assert not decide_access(reader, "account.read", rows[1])
assert not decide_access(me, "inquiry.read", rows[1])

# A status that this version does not know permits nothing, and an audit record says so.
refused = decide(Actor(id="usr_1", organization_id="org_XYZ789"), Action.ACTIVATE, rows[3])
print(json.dumps(refused.as_dict(), indent=2))
assert refused.as_dict()["denials"] == ["unknown_status"]
