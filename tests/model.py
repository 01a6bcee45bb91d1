"""What a Connection should be: a handful of plain values, and the rules written out by hand."""

from dataclasses import dataclass, field

from connect_core import (
    Action,
    Actor,
    ConnectError,
    ConnectionEvent,
    ForbiddenTransitionError,
    InvalidTransitionError,
    NotAPartyError,
)

#: What each action needs and does: who may, from where, to where.
EFFECTS = {
    Action.ACTIVATE: ({"destination"}, {"pending"}, "active"),
    Action.DEACTIVATE: ({"source", "destination"}, {"pending", "active"}, "inactive"),
    Action.REACTIVATE: ({"source"}, {"inactive"}, "pending"),
}


@dataclass
class Model:
    """What one Connection should be."""

    source: str
    destination: str
    status: str = "pending"
    version: int = 1
    events: list[ConnectionEvent] = field(default_factory=list[ConnectionEvent])

    def roles_of(self, actor: Actor) -> set[str]:
        """Which part of the two the actor's organization has."""
        parts = {"source": self.source, "destination": self.destination}
        return {role for role, holder in parts.items() if holder == actor.organization_id}

    def refusal(self, actor: Actor, action: Action) -> type[ConnectError] | None:
        """The error that is due when the actor asks for this; None if it is permitted."""
        permitted_roles, permitted_statuses, _ = EFFECTS[action]
        roles = self.roles_of(actor)
        if not roles:
            return NotAPartyError
        if not roles & permitted_roles:
            return ForbiddenTransitionError
        return None if self.status in permitted_statuses else InvalidTransitionError

    def take(self, action: Action, event: ConnectionEvent) -> None:
        """What a permitted action does."""
        self.status, self.version = EFFECTS[action][2], self.version + 1
        self.events.append(event)
