"""What the defects are made of: the reference, with a place for a fault before and after each call.

A defect overrides one of these methods of `Faulty`:

- `sent` replaces the request;
- `before` answers it, so that the reference does not see it;
- `changed` and `refused` alter what is stored;
- `show` alters the state that is read;
- `after` replaces the answer.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from connect_core import Action, Connection, decide
from connect_core.conformance import Answer, Outcome, ReferenceSystem
from connect_core.conformance.subject import actor_of

#: The HTTP status of each refusal.
_HTTP: Final = {
    Outcome.NOT_FOUND: 404,
    Outcome.NOT_A_PARTY: 404,
    Outcome.WRONG_ROLE: 403,
    Outcome.DENIED: 403,
    Outcome.INVALID: 422,
}


@dataclass(frozen=True, slots=True)
class Request:
    """A call of any verb."""

    verb: str
    by: str
    connection: str = ""
    action: str = ""
    expected_version: int | None = None
    scope: str = ""
    destination: str | None = None
    source: str | None = None
    name: str | None = None
    scopes: Sequence[str] | None = None
    allow_self: bool = False
    body: str | None = None

    @property
    def origin(self) -> str:
        """The source of a creation."""
        return self.by if self.source is None else self.source


def refuse(outcome: Outcome) -> Answer:
    """The refusal with this outcome, as the reference answers it."""
    return Answer(outcome, http=_HTTP.get(outcome, 409))


def permit() -> Answer:
    """The answer to an action or a share that is permitted."""
    return Answer(Outcome.OK, http=200)


class Faulty(ReferenceSystem):
    """The reference, with a place for a fault."""

    def sent(self, call: Request) -> Request:
        """The request that is handled instead."""
        return call

    def before(self, call: Request) -> Answer | None:
        """Called first; an answer that it returns is final."""

    def changed(self, call: Request, there: Connection) -> None:
        """Called after a Connection was created or an action taken."""

    def refused(self, call: Request, there: Connection | None) -> None:
        """Called after a creation or an action was refused."""

    def show(self, call: Request, state: Any, attributes: Any) -> None:
        """Called with a state that is read, and the attributes of its document, to alter them."""

    def after(self, call: Request, answer: Answer) -> Answer:
        """The answer that is given instead."""
        return answer

    # --- For use in defects ---

    def there(self, id: str) -> Connection:
        return self._connections[id]

    def others(self, there: Connection) -> Iterator[Connection]:
        """Every other Connection, oldest first."""
        return (each for each in list(self._connections.values()) if each.id != there.id)

    def found(self, call: Request) -> Connection | None:
        """The Connection that a call is about, if the actor is a party to it."""
        there = self._connections.get(call.connection)
        return there if there is not None and is_party(call.by, there) else None

    def past(self, id: str) -> list[str]:
        """The actions taken so far."""
        return [event.action.value for event in self._events[id]]

    def round(self, id: str) -> int:
        """How many times a Connection was reactivated."""
        return sum(event.action is Action.REACTIVATE for event in self._events[id])

    def meddle(self, id: str, **changes: object) -> None:
        """Change what is stored of a Connection."""
        self._connections[id] = self._connections[id].model_copy(update=changes)

    def rename(self, old: str, new: str) -> None:
        """Give a Connection another id; whatever has it already is replaced."""
        there, events = self._connections.pop(old), self._events.pop(old)
        self._connections.pop(new, None)  # so that the new one comes last
        self._connections[new] = there.model_copy(update={"id": new})
        self._events[new] = events

    def restore(self, there: Connection) -> None:
        """Store a Connection as it was."""
        self._connections[there.id] = there

    def may(self, call: Request, there: Connection) -> bool:
        """Whether the rules permit an action."""
        return decide(actor_of(call.by), Action(call.action), there).allowed

    # --- The verbs ---

    def create(
        self,
        *,
        by: str,
        destination: str | None = None,
        source: str | None = None,
        name: str | None = None,
        scopes: Sequence[str] | None = None,
        allow_self: bool = False,
        body: str | None = None,
    ) -> Answer:
        return self._handle(
            Request(
                "create",
                by,
                destination=destination,
                source=source,
                name=name,
                scopes=scopes,
                allow_self=allow_self,
                body=body,
            )
        )

    def act(
        self, *, by: str, connection: str, action: str, expected_version: int | None = None
    ) -> Answer:
        return self._handle(Request("act", by, connection, action, expected_version))

    def share(self, *, by: str, connection: str, scope: str) -> Answer:
        return self._handle(Request("share", by, connection, scope=scope))

    def read(self, *, by: str, connection: str) -> Answer:
        return self._handle(Request("read", by, connection))

    def _handle(self, call: Request) -> Answer:
        call = self.sent(call)
        answer = self.before(call)
        if answer is None:
            answer = self.right(call)
            answer = self._told(call, answer)
        return self.after(call, answer)

    def right(self, call: Request) -> Answer:
        """The reference's answer."""
        if call.verb == "create":
            return super().create(
                by=call.by,
                destination=call.destination,
                source=call.source,
                name=call.name,
                scopes=call.scopes,
                allow_self=call.allow_self,
                body=call.body,
            )
        if call.verb == "act":
            return super().act(
                by=call.by,
                connection=call.connection,
                action=call.action,
                expected_version=call.expected_version,
            )
        if call.verb == "share":
            return super().share(by=call.by, connection=call.connection, scope=call.scope)
        return super().read(by=call.by, connection=call.connection)

    def _told(self, call: Request, answer: Answer) -> Answer:
        """Tell the defect what happened."""
        state: Any = answer.state
        if state is not None:
            self.show(call, state, state["document"]["data"]["attributes"])
        elif call.verb in {"create", "act"}:
            about = answer.connection or call.connection
            if answer.outcome is not Outcome.OK:
                self.refused(call, self._connections.get(about))
                return answer
            there = self.there(about)
            self.changed(call, there)
            if answer.connection is not None and there.id not in self._connections:
                newest = next(reversed(self._connections))  # it was renamed
                return replace(answer, connection=newest)
        return answer


def is_party(by: str, there: Connection) -> bool:
    return by in {there.source_organization_id, there.destination_organization_id}


def is_source(by: str, there: Connection) -> bool:
    return by == there.source_organization_id


def is_destination(by: str, there: Connection) -> bool:
    return by == there.destination_organization_id


def same_source(one: Connection, other: Connection) -> bool:
    return one.source_organization_id == other.source_organization_id


def same_destination(one: Connection, other: Connection) -> bool:
    return one.destination_organization_id == other.destination_organization_id


def is_reverse(one: Connection, other: Connection) -> bool:
    return (
        one.source_organization_id == other.destination_organization_id
        and one.destination_organization_id == other.source_organization_id
    )
