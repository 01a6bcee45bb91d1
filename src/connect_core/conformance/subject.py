"""The subject: the implementation under test, as five verbs and the answers to them.

Every implementation is tested as a `System`: create, act, share, read and close. `ReferenceSystem`
is the core alone; `ServiceSystem` is a `ConnectionService` on any store. Implementations in other
languages receive the same five verbs over a line protocol, through
`connect_core.conformance.transports.stdio`; those behind HTTP are called through
`connect_core.conformance.transports.http`.

This module does not judge answers. What is permitted is in `connect_core.conformance.model` and in
the vectors.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache, partial
from types import MappingProxyType
from typing import Final, NamedTuple, Protocol

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
from connect_core.history import MAX_VERSION, ConnectionEvent, format_timestamp
from connect_core.jsonapi import CreateRequest, connection_document, error_document, parse_create
from connect_core.lifecycle import Action
from connect_core.parties import Actor, roles_of
from connect_core.policy import authorize_access, authorize_create, decide
from connect_core.scopes import DEFAULT_SCOPES
from connect_core.service import ConnectionService


class Outcome(StrEnum):
    """The outcome of an attempt. Everything but `OK` and `UNSUPPORTED` is a refusal."""

    #: The attempt succeeded, or it is permitted.
    OK = "ok"
    #: The actor is an outsider.
    NOT_A_PARTY = "not-a-party"
    #: There is no such Connection, or the actor may not know of it.
    NOT_FOUND = "not-found"
    #: None of the actor's roles may ever do this.
    WRONG_ROLE = "wrong-role"
    #: One of the actor's roles may do this, but not from this status.
    WRONG_STATUS = "wrong-status"
    #: There already is a Connection for this ordered pair.
    ALREADY_EXISTS = "already-exists"
    #: Source and destination are the same organization.
    SELF_CONNECTION = "self-connection"
    #: The Connection does not have the version that the actor expects.
    STALE = "stale"
    #: The document or the terms are not valid.
    INVALID = "invalid"
    #: This actor may not read data of this scope now.
    DENIED = "denied"
    #: The implementation does not support the call. Nothing was tested.
    UNSUPPORTED = "unsupported"


#: A Connection as seen from outside: the members of `state` in the line protocol.
State = Mapping[str, object]
#: Answers to open points of the specification: for each point, those that are possible.
Choices = Mapping[str, tuple[str, ...]]


class Reading(NamedTuple):
    """One of several outcomes that an answer can mean.

    Attributes:
        outcome: the outcome.
        answers: the answers to open points that the implementation has chosen if it means this.
    """

    outcome: Outcome
    answers: Choices = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of a `System` to one call.

    Attributes:
        outcome: the outcome.
        connection: after a creation that was `ok`, the id of the Connection: any text.
        state: after a read that was `ok`, `status`, `source`, `destination`, `name` and `scopes`;
            if the profile claims them, also `version`, `events`, `created_at`, `updated_at` and
            `document`.
        pointers: for an invalid document, the JSON Pointer of each problem, if that is claimed.
        http: the HTTP status, if that is claimed.
        readings: if the transport cannot tell which of several outcomes the implementation means,
            all of them, `outcome` among them. The answer is permitted if one of them is.
        unseen: the members of the state that the transport cannot show. They are not compared.
        reason: why the transport cannot make this call or show these members; empty if it can, so
            that `UNSUPPORTED` is the answer of the implementation itself. Calls and reads that it
            cannot make are left out, and what only they test counts as not claimed.
    """

    outcome: Outcome
    connection: str | None = None
    state: State | None = None
    pointers: Sequence[str] | None = None
    http: int | None = None
    readings: Sequence[Reading] = ()
    unseen: frozenset[str] = frozenset()
    reason: str = ""

    @classmethod
    def to(cls, error: ConnectError | ValidationError) -> "Answer":
        """The answer that corresponds to an error of this library, for systems built on it.

        Raises:
            TypeError: the error is not the outcome of an attempt.
        """
        if isinstance(error, ValidationError):
            return cls(Outcome.INVALID, http=422)
        outcome = next((ERRORS[base] for base in type(error).__mro__ if base in ERRORS), None)
        if outcome is None:
            raise TypeError(f"{type(error).__name__} is not the outcome of an attempt") from error
        if isinstance(error, AccessDeniedError) and error.denial is Denial.NOT_A_PARTY:
            outcome = Outcome.NOT_A_PARTY
        pointers = None
        if isinstance(error, InvalidDocumentError):
            pointers = list(dict.fromkeys(problem.pointer for problem in error.problems))
        return cls(outcome, pointers=pointers, http=error_document(error)[0])


#: The outcome of each error; a subclass that is not listed has that of its base.
ERRORS: Final[dict[type[ConnectError], Outcome]] = {
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
    """An implementation under test. A fresh one holds no Connections.

    `by` is the id of the organization that acts; the implementation chooses any actor of that
    organization. A refusal is an `Answer`; an exception is a fault of the implementation.
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
            by: the organization that acts.
            destination: the organization to share with.
            source: the organization whose data is shared; `by` if None.
            name: a name for people to read.
            scopes: the scopes to share; the defaults if None.
            allow_self: True if a Connection from an organization to itself is intended.
            body: text that should be a create document; it replaces all the other terms.
        """
        ...

    def act(
        self, *, by: str, connection: str, action: str, expected_version: int | None = None
    ) -> Answer:
        """Activate, deactivate or reactivate a Connection; only at `expected_version`, if given."""
        ...

    def share(self, *, by: str, connection: str, scope: str) -> Answer:
        """Whether `by` may read data of a scope through a Connection now. A scope is any text."""
        ...

    def read(self, *, by: str, connection: str) -> Answer:
        """The state of a Connection."""
        ...

    def close(self) -> None:
        """End the execution and forget everything. No other call follows on this object."""
        ...


@lru_cache(maxsize=4096)
def actor_of(organization: str) -> Actor:
    """The API key that acts for an organization."""
    return Actor(id=organization.replace("org_", "api_", 1), organization_id=organization)


def state_of(connection: Connection, events: Iterable[ConnectionEvent]) -> State:
    """The state of a Connection and its history, with every member that a profile can claim."""
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


def _terms(
    destination: str | None,
    name: str | None,
    scopes: Sequence[str] | None,
    body: str | None,
) -> tuple[str, str | None, Iterable[str]]:
    """The destination, name and scopes of a creation, read from the document if there is one."""
    if body is not None:
        request: CreateRequest = parse_create(body)
        return request.destination_organization_id, request.name, request.scopes
    return str(destination), name, DEFAULT_SCOPES if scopes is None else scopes


def _answer_to(attempt: Callable[[], Answer]) -> Answer:
    """The answer of `attempt`, or the answer that corresponds to the error it raises."""
    try:
        return attempt()
    except (ConnectError, ValidationError) as refusal:
        return Answer.to(refusal)


class ReferenceSystem:
    """The core alone, with a dict as its store: the answers that the specification calls ours.

    It has every capability. To outsiders it answers that there is no such Connection.
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
            to, named, shared = _terms(destination, name, scopes, body)
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

        return _answer_to(attempt)

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

        return _answer_to(attempt)

    def share(self, *, by: str, connection: str, scope: str) -> Answer:
        """See `System.share`."""

        def attempt() -> Answer:
            authorize_access(actor_of(by), scope, self._visible(connection, by))
            return Answer(Outcome.OK, http=200)

        return _answer_to(attempt)

    def read(self, *, by: str, connection: str) -> Answer:
        """See `System.read`."""

        def attempt() -> Answer:
            state = state_of(self._visible(connection, by), self._events[connection])
            return Answer(Outcome.OK, state=state, http=200)

        return _answer_to(attempt)

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
        """The Connection with this id, if `by` may know of it."""
        found = self._connections.get(connection_id)
        if found is None or not roles_of(actor_of(by), found):
            raise ConnectionNotFoundError(connection_id)
        return found


class ServiceSystem:
    """A `ConnectionService` on any store, for testing a store of your own.

    It has every capability but ``named-source``: in a service the actor's organization is the
    source.

    Args:
        service: the service; or, for a store with transactions, a function that returns a context
            manager that gives the service for one call. A refusal leaves the context without an
            exception.
        close: called at the end of each execution.
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
            to, named, shared = _terms(destination, name, scopes, body)
            connection, _ = service.create(
                by=actor_of(by), destination=to, name=named, scopes=shared, allow_self=allow_self
            )
            return Answer(Outcome.OK, connection.id, http=201)

        return self._call(attempt)

    def act(
        self, *, by: str, connection: str, action: str, expected_version: int | None = None
    ) -> Answer:
        """See `System.act`."""
        if expected_version is not None and expected_version > MAX_VERSION:
            return Answer(Outcome.INVALID, http=422)  # the service takes no such argument

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
        """Make one call, in a transaction of its own if the store has transactions."""
        if isinstance(self._service, ConnectionService):
            return _answer_to(partial(attempt, self._service))
        with self._service() as service:
            return _answer_to(partial(attempt, service))
