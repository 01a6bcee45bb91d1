"""cedarpy: Cedar policies parsed once into a PolicySet, with each row as an entity.

Entities are named by type and id, which is far quicker than a string that Cedar has to parse.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from itertools import islice
from typing import Any, ClassVar, NamedTuple

from connect_core import Action, Actor

from .contestant import ACTIONS, Ability, Contestant, StoredRow

_cedarpy: Any = import_module("cedarpy")  # it has types in part only

_POLICIES = """
@id("activate")
permit(principal, action == Action::"activate", resource)
when { resource.status == "pending" && principal == resource.destination };

@id("deactivate")
permit(principal, action == Action::"deactivate", resource)
when {
  (resource.status == "pending" || resource.status == "active") &&
  (principal == resource.source || principal == resource.destination)
};

@id("reactivate")
permit(principal, action == Action::"reactivate", resource)
when { resource.status == "inactive" && principal == resource.source };
"""
#: How many rows are asked about in one call.
_BATCH = 300

_Uid = dict[str, str]


def _uid(kind: str, ident: str) -> _Uid:
    return {"type": kind, "id": ident}


def _entity(row: StoredRow) -> dict[str, Any]:
    return {
        "uid": _uid("Connection", row.id),
        "attrs": {
            "status": row.status,
            "source": {"__entity": _uid("Organization", row.source_organization_id)},
            "destination": {"__entity": _uid("Organization", row.destination_organization_id)},
        },
        "parents": [],
    }


class Parsed(NamedTuple):
    """A row for Cedar: its name, and a handle of the entity."""

    uid: _Uid
    entities: Any


class Cedar(Contestant):
    """`is_authorized` answers one question, `is_authorized_batch` many."""

    name = "cedarpy"
    distribution = "cedarpy"
    gives = "the policy that permits; of a refusal, nothing"
    cannot: ClassVar[Mapping[Ability, str]] = {Ability.STEP: "no transitions"}

    def __init__(self) -> None:
        self._policies = _cedarpy.PolicySet.from_str(_POLICIES)

    def subject(self, row: StoredRow) -> Parsed:
        entities = _cedarpy.Entities.from_json_str(json.dumps([_entity(row)]))
        return Parsed(_uid("Connection", row.id), entities)

    def decide(self, actor: Actor, action: Action, subject: Parsed) -> Any:
        request = {
            "principal": {"type": "Organization", "id": actor.organization_id},
            "action": {"type": "Action", "id": action.value},
            "resource": subject.uid,
        }
        return _cedarpy.is_authorized(request, self._policies, subject.entities)

    def read(self, answer: Any) -> tuple[bool, object]:
        return bool(answer.allowed), answer.diagnostics.id_annotations_by_reason or None

    def allowed_actions(self, actor: Actor, subject: Parsed) -> list[str]:
        principal = _uid("Organization", actor.organization_id)
        requests = [
            {
                "principal": principal,
                "action": {"type": "Action", "id": action.value},
                "resource": subject.uid,
            }
            for action in ACTIONS
        ]
        answers = _cedarpy.is_authorized_batch(requests, self._policies, subject.entities)
        return [action for action, each in zip(ACTIONS, answers, strict=True) if each.allowed]

    def permitted(self, actor: Actor, action: Action, rows: Sequence[StoredRow]) -> list[StoredRow]:
        return list(self._permitted(actor, action, rows))

    def _permitted(
        self, actor: Actor, action: Action, rows: Sequence[StoredRow]
    ) -> Iterator[StoredRow]:
        principal = _uid("Organization", actor.organization_id)
        asked = _uid("Action", action.value)
        remaining = iter(rows)
        while batch := list(islice(remaining, _BATCH)):
            requests = [
                {
                    "principal": principal,
                    "action": asked,
                    "resource": {"type": "Connection", "id": row.id},
                }
                for row in batch
            ]
            entities = [_entity(row) for row in batch]
            answers = _cedarpy.is_authorized_batch(requests, self._policies, entities)
            for row, answer in zip(batch, answers, strict=True):
                if answer.allowed:
                    yield row
