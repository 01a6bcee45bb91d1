"""The model of a Connection: a few plain values, and the rules written out by hand."""

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

#: For each action: the roles that may take it, the statuses it starts from, the one it leads to.
EFFECTS = {
    Action.ACTIVATE: ({"destination"}, {"pending"}, "active"),
    Action.DEACTIVATE: ({"source", "destination"}, {"pending", "active"}, "inactive"),
    Action.REACTIVATE: ({"source"}, {"inactive"}, "pending"),
}


@dataclass
class Model:
    """The expected state of one Connection."""

    source: str
    destination: str
    status: str = "pending"
    version: int = 1
    events: list[ConnectionEvent] = field(default_factory=list[ConnectionEvent])

    def roles_of(self, actor: Actor) -> set[str]:
        """The roles that the actor's organization holds."""
        parts = {"source": self.source, "destination": self.destination}
        return {role for role, holder in parts.items() if holder == actor.organization_id}

    def refusal(self, actor: Actor, action: Action) -> type[ConnectError] | None:
        """The error that the actor must get for this action; None if it is permitted."""
        permitted_roles, permitted_statuses, _ = EFFECTS[action]
        roles = self.roles_of(actor)
        if not roles:
            return NotAPartyError
        if not roles & permitted_roles:
            return ForbiddenTransitionError
        return None if self.status in permitted_statuses else InvalidTransitionError

    def take(self, action: Action, event: ConnectionEvent) -> None:
        """Apply a permitted action."""
        self.status, self.version = EFFECTS[action][2], self.version + 1
        self.events.append(event)
