"""transitions: one Machine without automatic transitions, to which models are added."""

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

from connect_core import Action, Actor

from .contestant import Contestant, StoredRow

_transitions: Any = import_module("transitions")  # it has types in part only


class Model:
    """A row with the guards; the machine adds the methods that are only declared here."""

    status: str
    trigger: Callable[..., bool]
    may_trigger: Callable[..., bool]

    def __init__(self, row: StoredRow) -> None:
        self.row = row

    def by_source(self, actor: Actor) -> bool:
        """Whether the source acts."""
        return actor.organization_id == self.row.source_organization_id

    def by_destination(self, actor: Actor) -> bool:
        """Whether the destination acts."""
        return actor.organization_id == self.row.destination_organization_id

    def by_either(self, actor: Actor) -> bool:
        """Whether the source or the destination acts."""
        return self.by_source(actor) or self.by_destination(actor)


_TRANSITIONS = [
    {
        "trigger": "activate",
        "source": "pending",
        "dest": "active",
        "conditions": "by_destination",
    },
    {
        "trigger": "deactivate",
        "source": ["pending", "active"],
        "dest": "inactive",
        "conditions": "by_either",
    },
    {"trigger": "reactivate", "source": "inactive", "dest": "pending", "conditions": "by_source"},
]


class Transitions(Contestant):
    """`may_trigger` answers its questions, and `trigger` takes a step: both take the name."""

    name = "transitions"
    distribution = "transitions"
    gives = "yes or no"
    refusals = (_transitions.MachineError,)

    def __init__(self) -> None:
        self._machine = _transitions.Machine(
            model=None,
            states=["pending", "active", "inactive"],
            transitions=_TRANSITIONS,
            initial=None,
            auto_transitions=False,
            model_attribute="status",
        )

    def subject(self, row: StoredRow) -> Model:
        model = Model(row)
        self._machine.add_model(model, initial=row.status)
        return model

    def decide(self, actor: Actor, action: Action, subject: Model) -> bool:
        return subject.may_trigger(action, actor)

    def step(self, subject: Model, actor: Actor, action: Action) -> Model:
        subject.trigger(action, actor)
        return subject

    def allowed_actions(self, actor: Actor, subject: Model) -> list[str]:
        triggers = self._machine.get_triggers(subject.status)
        return [trigger for trigger in triggers if subject.may_trigger(trigger, actor)]

    def permitted(self, actor: Actor, action: Action, rows: Sequence[StoredRow]) -> list[StoredRow]:
        found: list[StoredRow] = []
        for row in rows:
            model = self.subject(row)
            if model.may_trigger(action, actor):
                found.append(row)
            self._machine.remove_model(model)  # otherwise the machine would keep it
        return found
