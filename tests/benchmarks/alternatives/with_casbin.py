"""pycasbin: attribute-based, with a policy row for each action, status and role.

Two alternatives were measured and are slower here: the rules written into the matcher, and the
`FastEnforcer`, which is made for policies of thousands of rows.
"""

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, ClassVar

from connect_core import Action, Actor

from .contestant import ACTIONS, Ability, Contestant, StoredRow

_casbin: Any = import_module("casbin")  # it has no types

_MODEL = """
[request_definition]
r = sub, obj, act

[policy_definition]
p = act, status, role

[policy_effect]
e = some(where (p.eft == allow))

[matchers]
m = r.act == p.act && r.obj.status == p.status && \
  (p.role == 'source' && r.sub == r.obj.source_organization_id || \
   p.role == 'destination' && r.sub == r.obj.destination_organization_id)
"""
_POLICY = [
    ["activate", "pending", "destination"],
    ["deactivate", "pending", "source"],
    ["deactivate", "pending", "destination"],
    ["deactivate", "active", "source"],
    ["deactivate", "active", "destination"],
    ["reactivate", "inactive", "source"],
]


class Casbin(Contestant):
    """`enforce_ex` answers with a reason; `batch_enforce` answers many questions."""

    name = "pycasbin"
    distribution = "pycasbin"
    gives = "the row of the policy that permits; of a refusal, nothing"
    cannot: ClassVar[Mapping[Ability, str]] = {Ability.STEP: "no transitions"}

    def __init__(self) -> None:
        self._enforcer = _casbin.Enforcer(_casbin.Enforcer.new_model(text=_MODEL))
        self._enforcer.add_policies(_POLICY)

    def decide(self, actor: Actor, action: Action, subject: StoredRow) -> tuple[bool, list[str]]:
        # Plain strings, like those of the policy: it handles no others as well.
        answer: tuple[bool, list[str]] = self._enforcer.enforce_ex(
            actor.organization_id, subject, action.value
        )
        return answer

    def read(self, answer: tuple[bool, list[str]]) -> tuple[bool, object]:
        allowed, rule = answer
        return allowed, rule or None

    def allowed_actions(self, actor: Actor, subject: StoredRow) -> list[str]:
        asked = [(actor.organization_id, subject, action.value) for action in ACTIONS]
        answers = self._enforcer.batch_enforce(asked)
        return [action for action, allowed in zip(ACTIONS, answers, strict=True) if allowed]

    def permitted(self, actor: Actor, action: Action, rows: Sequence[StoredRow]) -> list[StoredRow]:
        organization_id, name = actor.organization_id, action.value
        answers = self._enforcer.batch_enforce([(organization_id, row, name) for row in rows])
        return [row for row, allowed in zip(rows, answers, strict=True) if allowed]
