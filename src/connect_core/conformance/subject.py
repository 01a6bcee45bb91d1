"""What is tested: five verbs, and the answers to them.

An implementation takes part by being a `System`: create, act, share, read and close. The library's
own take part in the same way: `ReferenceSystem` is the core alone, `ServiceSystem` is a
`ConnectionService` over any store. In other languages the same five verbs go over a line protocol;
`connect_core.conformance.transports.stdio` is the `System` that speaks it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache, partial
from typing import Final, Protocol

from pydantic import ValidationError

from connect_core.connection import Connection
from connect_core.decision import Denial, minds_version
from connect_core.errors import (
    AccessDeniedError,
    ConnectError,
    ConnectionNotFoundError,
    DuplicateConnectionError,
    ForbiddenTransitionError,
    InvalidDocumentError,
    InvalidTransitionError,
    NotAPartyError,
    SelfConnectionError,
    StaleConnectionError,
)
from connect_core.history import ConnectionEvent, format_timestamp
from connect_core.jsonapi import CreateRequest, connection_document, error_document, parse_create
from connect_core.lifecycle import Action
from connect_core.parties import Actor, roles_of
from connect_core.policy import authorize_access, authorize_create, decide
from connect_core.scopes import DEFAULT_SCOPES
from connect_core.service import ConnectionService


class Outcome(StrEnum):
    """What came of an attempt. Everything but `OK` and `UNSUPPORTED` is a refusal."""

    #: It was done, or it is permitted.
    OK = "ok"
    #: The actor is an outsider.
    NOT_A_PARTY = "not-a-party"
    #: There is no such Connection, or none that the actor may know of.
    NOT_FOUND = "not-found"
    #: No role that the actor holds may ever do this.
    WRONG_ROLE = "wrong-role"
    #: A role that the actor holds may do this, but not from this status.
    WRONG_STATUS = "wrong-status"
    #: There is a Connection for this ordered pair.
    ALREADY_EXISTS = "already-exists"
    #: Source and destination are the same organization.
    SELF_CONNECTION = "self-connection"
    #: The Connection has another version than the actor expected.
    STALE = "stale"
    #: What was sent is not valid.
    INVALID = "invalid"
    #: Data of this scope may not be read by this actor now.
    DENIED = "denied"
    #: The implementation does not have what it was asked for. Nothing was tested.
    UNSUPPORTED = "unsupported"


#: What a Connection looks like from outside: the members of `state` in the line protocol.
State = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a `System` answers to one call.

    Attributes:
        outcome: what came of it.
        connection: of a creation that was `ok`: the id of the Connection, any text.
        state: of a read that was `ok`: `status`, `source`, `destination`, `name`, `scopes`; and as
            far as they are claimed `version`, `events`, `created_at`, `updated_at`, `document`.
        pointers: of an invalid document: the JSON Pointer of each problem, if that is claimed.
        http: the HTTP status, if that is claimed.
    """

    outcome: Outcome
    connection: str | None = None
    state: State | None = None
    pointers: Sequence[str] | None = None
    http: int | None = None

    @classmethod
    def to(cls, error: ConnectError | ValidationError) -> "Answer":
        """The answer that an error of this library amounts to: for systems built on it.

        Raises:
            TypeError: the error is not the outcome of an attempt.
        """
        if isinstance(error, ValidationError):
            return cls(Outcome.INVALID, http=422)
        outcome = next((_OUTCOMES[base] for base in type(error).__mro__ if base in _OUTCOMES), None)
        if outcome is None:
            raise TypeError(f"{type(error).__name__} is not the outcome of an attempt") from error
        if isinstance(error, AccessDeniedError) and error.denial is Denial.NOT_A_PARTY:
            outcome = Outcome.NOT_A_PARTY
        pointers = None
        if isinstance(error, InvalidDocumentError):
            pointers = [problem.pointer for problem in error.problems]
        return cls(outcome, pointers=pointers, http=error_document(error)[0])


_OUTCOMES: Final[dict[type, Outcome]] = {
    NotAPartyError: Outcome.NOT_A_PARTY,
    ForbiddenTransitionError: Outcome.WRONG_ROLE,
    InvalidTransitionError: Outcome.WRONG_STATUS,
    DuplicateConnectionError: Outcome.ALREADY_EXISTS,
    SelfConnectionError: Outcome.SELF_CONNECTION,
    StaleConnectionError: Outcome.STALE,
    InvalidDocumentError: Outcome.INVALID,
    ConnectionNotFoundError: Outcome.NOT_FOUND,
    AccessDeniedError: Outcome.DENIED,
}


class System(Protocol):
    """An implementation under test: a world that holds no Connections at first.

    `by` is the id of the organization that acts; the implementation takes any actor of it. What a
    verb refuses is an `Answer`; an exception is a fault of the implementation.
    """

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
        """Create a Connection from terms, or from the text of a create document.

        Args:
            by: who acts.
            destination: the organization to share with.
            source: the organization whose data is shared; that of `by` if None.
            name: for people.
            scopes: what to share; the defaults if None.
            allow_self: a Connection from an organization to itself is asked for.
            body: the text of what ought to be a create document, instead of all these.
        """
        ...

    def act(
        self, *, by: str, connection: str, action: str, expected_version: int | None = None
    ) -> Answer:
        """Activate, deactivate or reactivate a Connection; if a version is given, only that."""
        ...

    def share(self, *, by: str, connection: str, scope: str) -> Answer:
        """Whether data of `scope`, any text, may be read through a Connection now."""
        ...

    def read(self, *, by: str, connection: str) -> Answer:
        """The state of a Connection."""
        ...

    def close(self) -> None:
        """The case is over. Forget everything; nothing else will be asked of this object."""
        ...


@lru_cache(maxsize=256)
def actor_of(organization: str) -> Actor:
    """The actor who acts for an organization: its API key."""
    return Actor(id=organization.replace("org_", "api_", 1), organization_id=organization)


def state_of(connection: Connection, events: Iterable[ConnectionEvent]) -> State:
    """The state of a Connection and its history, with every member that can be claimed."""
    return {
        "status": connection.status.value,
        "source": str(connection.source_organization_id),
        "destination": str(connection.destination_organization_id),
        "name": connection.name,
        "scopes": sorted(map(str, connection.scopes)),
        "version": connection.version,
        "events": [
            {
                "version": event.version,
                "action": event.action.value,
                "previous_status": event.previous_status and event.previous_status.value,
                "status": event.status.value,
                "organization": str(event.actor.organization_id),
            }
            for event in events
        ],
        "created_at": format_timestamp(connection.created_at),
        "updated_at": format_timestamp(connection.updated_at),
        "document": connection_document(connection),
    }


def _requested(
    destination: str | None,
    name: str | None,
    scopes: Sequence[str] | None,
    body: str | None,
) -> tuple[str, str | None, Iterable[str]]:
    """The terms of a creation, read from the document if there is one."""
    if body is not None:
        request: CreateRequest = parse_create(body)
        return request.destination_organization_id, request.name, request.scopes
    return str(destination), name, DEFAULT_SCOPES if scopes is None else scopes


def _answered(attempt: Callable[[], Answer]) -> Answer:
    """What `attempt` answers, or what its refusal amounts to."""
    try:
        return attempt()
    except (ConnectError, ValidationError) as refusal:
        return Answer.to(refusal)


class ReferenceSystem:
    """The core alone, with a dict for a store: what the specification calls ours.

    It has every capability, and outsiders are told that there is no such Connection.
    """

    def __init__(self) -> None:
        self._connections: dict[str, Connection] = {}
        self._events: dict[str, list[ConnectionEvent]] = {}

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
        """See `System.create`."""

        def attempt() -> Answer:
            actor = actor_of(by)
            to, named, shared = _requested(destination, name, scopes, body)
            origin = by if source is None else source
            existing = self._find(origin, to)
            authorize_create(
                actor, source=origin, destination=to, existing=existing, allow_self=allow_self
            )
            connection, event = Connection.create(
                by=actor, destination=to, name=named, scopes=shared, allow_self=allow_self
            )
            self._connections[connection.id] = connection
            self._events[connection.id] = [event]
            return Answer(Outcome.OK, connection.id, http=201)

        return _answered(attempt)

    def act(
        self, *, by: str, connection: str, action: str, expected_version: int | None = None
    ) -> Answer:
        """See `System.act`."""

        def attempt() -> Answer:
            found, actor = self._visible(connection, by), actor_of(by)
            if expected_version not in (None, found.version) and minds_version(
                decide(actor, Action(action), found)
            ):
                return Answer(Outcome.STALE, http=409)
            changed, event = found.take(Action(action), by=actor)
            self._connections[connection] = changed
            self._events[connection].append(event)
            return Answer(Outcome.OK, http=200)

        return _answered(attempt)

    def share(self, *, by: str, connection: str, scope: str) -> Answer:
        """See `System.share`."""

        def attempt() -> Answer:
            authorize_access(actor_of(by), scope, self._visible(connection, by))
            return Answer(Outcome.OK, http=200)

        return _answered(attempt)

    def read(self, *, by: str, connection: str) -> Answer:
        """See `System.read`."""

        def attempt() -> Answer:
            state = state_of(self._visible(connection, by), self._events[connection])
            return Answer(Outcome.OK, state=state, http=200)

        return _answered(attempt)

    def close(self) -> None:
        """See `System.close`."""

    def _find(self, source: str, destination: str) -> Connection | None:
        """The Connection for this ordered pair."""
        for each in self._connections.values():
            pair = each.source_organization_id, each.destination_organization_id
            if pair == (source, destination):
                return each
        return None

    def _visible(self, connection_id: str, by: str) -> Connection:
        """The Connection, if `by` may know of it."""
        found = self._connections.get(connection_id)
        if found is None or not roles_of(actor_of(by), found):
            raise ConnectionNotFoundError(connection_id)
        return found


class ServiceSystem:
    """A `ConnectionService`, over whatever store: for those who write one.

    It has every capability but ``named-source``: a service takes the source from who acts.

    Args:
        service: the service; or, for a store with transactions, what gives a context with it for
            one call. The context is left without an exception when the call was refused.
        close: called at the end of the case.
    """

    def __init__(
        self,
        service: ConnectionService | Callable[[], AbstractContextManager[ConnectionService]],
        close: Callable[[], None] = lambda: None,
    ) -> None:
        self._service = service
        self._close = close

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
        """See `System.create`."""
        if source not in (None, by):
            return Answer(Outcome.UNSUPPORTED)

        def attempt(service: ConnectionService) -> Answer:
            to, named, shared = _requested(destination, name, scopes, body)
            connection, _ = service.create(
                by=actor_of(by), destination=to, name=named, scopes=shared, allow_self=allow_self
            )
            return Answer(Outcome.OK, connection.id, http=201)

        return self._call(attempt)

    def act(
        self, *, by: str, connection: str, action: str, expected_version: int | None = None
    ) -> Answer:
        """See `System.act`."""

        def attempt(service: ConnectionService) -> Answer:
            take = {
                Action.ACTIVATE: service.activate,
                Action.DEACTIVATE: service.deactivate,
                Action.REACTIVATE: service.reactivate,
            }[Action(action)]
            take(connection, by=actor_of(by), expected_version=expected_version)
            return Answer(Outcome.OK, http=200)

        return self._call(attempt)

    def share(self, *, by: str, connection: str, scope: str) -> Answer:
        """See `System.share`."""

        def attempt(service: ConnectionService) -> Answer:
            service.authorize_access(connection, scope, by=actor_of(by))
            return Answer(Outcome.OK, http=200)

        return self._call(attempt)

    def read(self, *, by: str, connection: str) -> Answer:
        """See `System.read`."""

        def attempt(service: ConnectionService) -> Answer:
            actor = actor_of(by)
            found, events = service.get(connection, by=actor), service.history(connection, by=actor)
            return Answer(Outcome.OK, state=state_of(found, events), http=200)

        return self._call(attempt)

    def close(self) -> None:
        """See `System.close`."""
        self._close()

    def _call(self, attempt: Callable[[ConnectionService], Answer]) -> Answer:
        """One call, in a transaction of its own."""
        if isinstance(self._service, ConnectionService):
            return _answered(partial(attempt, self._service))
        with self._service() as service:
            return _answered(partial(attempt, service))
