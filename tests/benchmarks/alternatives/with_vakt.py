"""vakt: rule-based policies in a MemoryStorage, and a Guard with the RulesChecker.

The cached guard was measured as well and is far slower: it turns each inquiry into JSON for a key.
"""

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, ClassVar

from connect_core import Action, Actor

from .contestant import Ability, Contestant, StoredRow

_vakt: Any = import_module("vakt")  # it has no types
_rules: Any = import_module("vakt.rules")
_audit: Any = import_module("vakt.audit")


def _policies() -> list[Any]:
    """The subject is an organization's id; a resource is a dict of the row's values."""
    mine = _rules.SubjectMatch()
    anyone = [_rules.Any()]
    begun = _rules.In("pending", "active")
    return [
        _vakt.PolicyAllow(
            "activate",
            actions=[_rules.Eq("activate")],
            subjects=anyone,
            resources=[{"status": _rules.Eq("pending"), "destination": mine}],
        ),
        _vakt.PolicyAllow(
            "deactivate",
            actions=[_rules.Eq("deactivate")],
            subjects=anyone,
            resources=[
                {"status": begun, "source": mine},
                {"status": begun, "destination": mine},
            ],
        ),
        _vakt.PolicyAllow(
            "reactivate",
            actions=[_rules.Eq("reactivate")],
            subjects=anyone,
            resources=[{"status": _rules.Eq("inactive"), "source": mine}],
        ),
    ]


class Vakt(Contestant):
    """`is_allowed` answers its questions. It logs which policy decided, but the log is off."""

    name = "vakt"
    distribution = "vakt"
    gives = "yes or no; the policy that decided goes to an audit log"
    cannot: ClassVar[Mapping[Ability, str]] = {
        Ability.STEP: "no transitions",
        Ability.ALLOWED_ACTIONS: "one by one",
    }

    def __init__(self) -> None:
        storage = _vakt.MemoryStorage()
        for policy in _policies():
            storage.add(policy)
        self._guard = _vakt.Guard(storage, _vakt.RulesChecker(), _audit.PoliciesNopMsg)

    def subject(self, row: StoredRow) -> dict[str, str]:
        return {
            "status": row.status,
            "source": row.source_organization_id,
            "destination": row.destination_organization_id,
        }

    def decide(self, actor: Actor, action: Action, subject: dict[str, str]) -> bool:
        inquiry = _vakt.Inquiry(
            subject=actor.organization_id, action=action.value, resource=subject
        )
        return bool(self._guard.is_allowed(inquiry))

    def permitted(self, actor: Actor, action: Action, rows: Sequence[StoredRow]) -> list[StoredRow]:
        return [row for row in rows if self.decide(actor, action, self.subject(row))]
