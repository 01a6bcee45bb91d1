"""python-statemachine: a machine bound to the row. Its guards get the actor with the event."""

from collections.abc import Sequence
from typing import Any

from statemachine import State, StateMachine
from statemachine.exceptions import TransitionNotAllowed

from connect_core import Action, Actor

from .contestant import Contestant, StoredRow


class Lifecycle(StateMachine):
    """The policy. The guards are methods, which receive the arguments that they name."""

    pending = State(initial=True, value="pending")
    active = State(value="active")
    inactive = State(value="inactive")

    activate = pending.to(active, cond="by_destination")
    deactivate = inactive.from_(pending, active, cond="by_either")
    reactivate = inactive.to(pending, cond="by_source")

    def by_source(self, actor: Actor, model: StoredRow) -> bool:
        """Whether the source acts."""
        return actor.organization_id == model.source_organization_id

    def by_destination(self, actor: Actor, model: StoredRow) -> bool:
        """Whether the destination acts."""
        return actor.organization_id == model.destination_organization_id

    def by_either(self, actor: Actor, model: StoredRow) -> bool:
        """Whether the source or the destination acts."""
        return self.by_source(actor, model) or self.by_destination(actor, model)


class PythonStatemachine(Contestant):
    """`enabled_events` answers its questions, and `send` takes a step."""

    name = "python-statemachine"
    distribution = "python-statemachine"
    gives = "yes or no"
    refusals = (TransitionNotAllowed,)

    def subject(self, row: StoredRow) -> Lifecycle:
        return Lifecycle(row, state_field="status")

    def decide(self, actor: Actor, action: Action, subject: Any) -> bool:
        return action in subject.enabled_events(actor=actor)

    def step(self, subject: Any, actor: Actor, action: Action) -> Any:
        subject.send(action, actor=actor)
        return subject

    def status_of(self, subject: Any) -> str:
        return str(subject.model.status)

    def allowed_actions(self, actor: Actor, subject: Any) -> Any:
        return subject.enabled_events(actor=actor)

    def permitted(self, actor: Actor, action: Action, rows: Sequence[StoredRow]) -> list[StoredRow]:
        return [row for row in rows if self.decide(actor, action, self.subject(row))]
