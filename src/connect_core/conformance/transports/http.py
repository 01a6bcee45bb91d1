"""An implementation behind HTTP as a `System`: the published operations, and what a profile adds.

`HttpService` is a service at a URL; `connect_core.conformance.transports.asgi` has the same for an
application in this process. Each execution is an `HttpSystem` in organizations of its own.

Of what the published API leaves out, activation and the history have a path in the profile. There
is none to read data through a Connection, unless the profile has one, no way to name another source
and none to ask for a self-connection.

This module does not judge answers. A 5xx, a redirect, an answer that is not JSON or lacks a member,
and no answer in time are errors of the implementation. A service that cannot be reached, or that
does not accept a key, ends the run with a `PeerError`.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import wraps
from types import TracebackType
from typing import Any, Final, ParamSpec, Self
from urllib.parse import quote

import httpx
from pydantic import TypeAdapter, ValidationError

from connect_core.conformance.execution import ImplementationError
from connect_core.conformance.profile import HttpProfile, Profile
from connect_core.conformance.subject import Answer, Outcome
from connect_core.conformance.transports.client import CONNECTIONS, Client
from connect_core.conformance.transports.errors import PeerError
from connect_core.conformance.transports.organizations import (
    KeyPool,
    Keys,
    MakeKey,
    NotProvidedError,
    Organizations,
    in_text,
    keys_from,
)
from connect_core.conformance.transports.replies import (
    Reply,
    Resource,
    creator_of,
    events_of,
    form_of,
    next_of,
    object_in,
    parties_of,
    refusal_of,
    resource_of,
    state_of,
)
from connect_core.jsonapi import Representation
from connect_core.parties import Name
from connect_core.scopes import DEFAULT_SCOPES, Scope, ScopeSet
from connect_core.text import shown

_Call = ParamSpec("_Call")

#: Why a call cannot be made.
_NO_SOURCE: Final = "Over HTTP the source is the organization that acts."
_NO_SHARE: Final = "The profile names no path to read data over HTTP."
_NO_SCOPES: Final = "Over HTTP the creation takes no scopes here."
_UNSEEN: Final = "The published form shows no name, no scopes and no document of the guide's."
_NO_NAME: Final = "The published form takes no name."
_NO_PATH: Final = "No path can carry an empty id, nor a dot or two alone."
_NO_DOCUMENT: Final = "The service has the published form of the documents, not the guide's."


#: The members of a state that the published form does not show, and those that depend on scopes.
_NOT_PUBLISHED: Final = frozenset({"name", "scopes", "document"})
_OF_SCOPES: Final = frozenset({"scopes", "document"})
_DOTS: Final = (".", "..")
_SCOPES: Final = TypeAdapter[frozenset[Scope]](ScopeSet)
_NAME: Final = TypeAdapter[str](Name)


class HttpService:
    """A service that has the published operations, at a URL. Each execution is one `system()`.

    Use it as a context manager, or call `stop`.

    Args:
        base: the URL below which ``/api/v1`` stands.
        keys: makes the key of an organization, given its id; or a `KeyPool`.
        profile: the profile of the implementation; if omitted, every capability is claimed that
            HTTP can carry.
        timeout: the time limit for each part of an answer, in seconds.

    Raises:
        ValueError: the URL or the time limit is not valid. The message does not repeat a URL with
            a password.
        TypeError: `keys` is no source of keys.
    """

    def __init__(
        self,
        base: str,
        keys: Keys | MakeKey,
        profile: Profile | None = None,
        *,
        timeout: float = 10.0,
    ) -> None:
        self._profile = Profile() if profile is None else profile
        self._keys = keys_from(keys)
        self._client = Client(base, self._profile.http.headers, timeout, self._open_transport)
        self._representation: Representation | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Close the connections. Calling it again does nothing."""
        self._client.close()

    def _open_transport(self, opened: ExitStack) -> httpx.BaseTransport | None:  # noqa: ARG002  # for subclasses
        """What carries the requests; None for httpx's own. `opened` closes it."""
        return None

    @property
    def representation(self) -> Representation:
        """The form of the documents. A creation finds it out, once.

        Raises:
            PeerError: the service cannot be reached, or has no creation at its URL.
        """
        if self._representation is None:
            if isinstance(self._keys, KeyPool):
                for organization in self._keys.ids():
                    self._learn(self._keys, organization)
            self._representation = self._detect()
        return self._representation

    @property
    def profile(self) -> Profile:
        """The profile to test it with: the given one, without what HTTP cannot carry.

        Raises:
            PeerError: as `representation`.
        """
        return self._profile.over_http(self.representation)

    def system(self, *, related: bool = True) -> "HttpSystem":
        """A system for one execution, in organizations of its own.

        Args:
            related: True if the ids of organizations have to be related as in a vector. Without,
                a `KeyPool` can stand for organizations whose ids differ by case alone, too.

        Raises:
            PeerError: as `representation`.
        """
        form = self.representation
        organizations = self._keys.organizations(related=related)
        return HttpSystem(self._client, self._profile.http, form, organizations)

    def _learn(self, pool: KeyPool, organization: str) -> None:
        """Ask which Connections an organization of a pool has, from earlier runs.

        Raises:
            PeerError: the service does not say.
        """
        after = ""
        while True:
            path = f"{CONNECTIONS}?page%5Bsize%5D=100{after}"
            try:
                reply = self._client.ask("GET", path, pool.key_of(organization))
                if not reply.is_ok:
                    raise reply.wrong("it is refused")
                found = parties_of(reply)
            except ImplementationError as error:
                raise PeerError(
                    f"{self._client.base}: the Connections of {organization} cannot be listed, so"
                    f" that it is not known which pairs are unused: {error}"
                ) from None
            for _, source, destination in found:
                pool.connect(source, destination)
            if not found or next_of(reply) is None:
                return
            after = f"&page%5Bafter%5D={quote(found[-1][0], safe='')}"

    def _detect(self) -> Representation:
        """The form in which a creation is answered; the guide's if it is refused."""
        organizations = self._keys.organizations(related=False)
        key = organizations.key_of("org_Source")
        to = organizations.id_of("org_Destination")
        organizations.connect("org_Source", "org_Destination")
        body = _document({"destination-organization-id": to})
        try:
            response = self._client.send("POST", CONNECTIONS, key, body=body)
        except ImplementationError as error:
            raise PeerError(f"{self._client.base} cannot be tested: {error}") from None
        status = response.status_code
        if 300 <= status < 400 or status in (404, 405):
            raise PeerError(
                f"{self._client.base}: POST {CONNECTIONS}: HTTP {status}; give the URL below which"
                " /api/v1 stands"
            )
        return form_of(response.content)


def _document(attributes: Mapping[str, object]) -> str:
    return json.dumps({"data": {"attributes": attributes}})


def _where_provided(call: Callable[_Call, Answer]) -> Callable[_Call, Answer]:
    """The same call, left out if no organization can stand for a name in it, or no path."""

    @wraps(call)
    def called(*args: _Call.args, **kwargs: _Call.kwargs) -> Answer:
        try:
            return call(*args, **kwargs)
        except NotProvidedError as error:
            return _left_out(str(error))

    return called


class HttpSystem:
    """A service behind HTTP in one execution. `HttpService.system` makes it."""

    def __init__(
        self,
        client: Client,
        profile: HttpProfile,
        form: Representation,
        organizations: Organizations,
    ) -> None:
        self._client = client
        self._profile = profile
        self._form = form
        self._organizations = organizations
        #: The creator of the Connections of each source, as first shown.
        self._creators: dict[str, tuple[object, object]] = {}
        #: The Connections that were to have other scopes than the creation could say.
        self._of_other_scopes: set[str] = set()

    # --- The five verbs ---

    @_where_provided
    def create(
        self,
        *,
        by: str,
        destination: str | None = None,
        source: str | None = None,
        name: str | None = None,
        scopes: Sequence[str] | None = None,
        allow_self: bool = False,  # noqa: ARG002  # no request can say so
        body: str | None = None,
    ) -> Answer:
        """See `System.create`."""
        if source not in (None, by):
            return _left_out(_NO_SOURCE)
        if body is not None and self._form != "guide":
            return _left_out(_NO_DOCUMENT)
        if name is not None and self._form != "guide":
            if not _is_valid(_NAME, name):
                return _left_out(_NO_NAME)
            name = None
        takes_scopes = self._form == "guide" and self._profile.scopes
        as_default = scopes is None or frozenset(scopes) == DEFAULT_SCOPES
        if not takes_scopes:
            if not as_default and not _is_valid(_SCOPES, frozenset(scopes or ())):
                return _left_out(_NO_SCOPES)
            scopes = None
        if body is None:
            others = [str(destination)]
            attributes: dict[str, object] = {
                "destination-organization-id": self._organizations.id_of(str(destination))
            }
            if name is not None:
                attributes["name"] = name
            if scopes is not None:
                attributes["scopes"] = list(scopes)
            body = _document(attributes)
        else:
            body, others = in_text(self._organizations, body)
        answer = self._create(by, others, body)
        if answer.connection is not None and not takes_scopes and not as_default:
            self._of_other_scopes.add(answer.connection)
        return answer

    def _create(self, by: str, others: Sequence[str], body: str) -> Answer:
        key = self._organizations.key_of(by)
        for other in others:
            self._organizations.connect(by, other)
        reply = self._client.ask("POST", CONNECTIONS, key, body=body)
        if not reply.is_ok:
            return self._refused(reply, "create", is_self=by in others)
        resource = self._resource(reply)
        return Answer(Outcome.OK, resource.id, http=reply.status)

    @_where_provided
    def act(
        self, *, by: str, connection: str, action: str, expected_version: int | None = None
    ) -> Answer:
        """See `System.act`."""
        template = self._profile.activate if action == "activate" else f"{{id}}/{action}"
        path = _path(template, connection)
        headers = {} if expected_version is None else {"If-Match": f'"{expected_version}"'}
        key = self._organizations.key_of(by)
        reply = self._client.ask("POST", path, key, headers=headers)
        if not reply.is_ok:
            return self._refused(reply, "act", expects=expected_version is not None)
        self._resource(reply, connection)
        return Answer(Outcome.OK, http=reply.status)

    @_where_provided
    def share(self, *, by: str, connection: str, scope: str) -> Answer:
        """See `System.share`."""
        if self._profile.share is None:
            return _left_out(_NO_SHARE)
        if connection in self._of_other_scopes:
            return _left_out(_NO_SCOPES)
        path = _path(self._profile.share, connection, scope)
        key = self._organizations.key_of(by)
        reply = self._client.ask("GET", path, key)
        if not reply.is_ok:
            return self._refused(reply, "share")
        return Answer(Outcome.OK, http=reply.status)

    @_where_provided
    def read(self, *, by: str, connection: str) -> Answer:
        """See `System.read`."""
        key = self._organizations.key_of(by)
        reply = self._client.ask("GET", _path("{id}", connection), key)
        if not reply.is_ok:
            return self._refused(reply, "read")
        resource = self._resource(reply, connection)
        state = state_of(resource, self._organizations.name_of)
        if self._form == "guide":
            state["document"] = self._document_of(resource, state)
        history = self._profile.history
        if history is not None:
            events = self._client.ask("GET", _path(history, connection), key)
            if not events.is_ok:
                raise events.wrong("the history is refused to an organization that may read")
            state["events"] = events_of(events, self._organizations.name_of)
        unseen, reason = self._unseen(connection)
        return Answer(Outcome.OK, state=state, http=reply.status, unseen=unseen, reason=reason)

    def close(self) -> None:
        """See `System.close`. The service keeps what was created; nobody uses it again."""

    # --- Reading answers ---

    def _refused(
        self, reply: Reply, verb: str, *, is_self: bool = False, expects: bool = False
    ) -> Answer:
        """The answer that corresponds to a refusal."""
        readings, pointers = refusal_of(reply, verb, is_self=is_self, expects=expects)
        # The published form has 400 for whatever is invalid. What is sent in it is always JSON.
        published = self._form == "current" and reply.status == 400
        return Answer(
            readings[0].outcome,
            pointers=pointers,
            http=422 if published else reply.status,
            readings=readings if len(readings) > 1 else (),
        )

    def _resource(self, reply: Reply, connection: str | None = None) -> Resource:
        """The Connection in a success, which has to be this one."""
        resource = resource_of(reply)
        if resource.form != self._form:
            raise reply.wrong(f"this is the {resource.form} form, and a creation had {self._form}")
        if connection not in (None, resource.id):
            raise reply.wrong(f"it shows another Connection, {shown(resource.id)}")
        return resource

    def _unseen(self, connection: str) -> tuple[frozenset[str], str]:
        """The members of the state that cannot be shown, and why."""
        if self._form == "current":
            return _NOT_PUBLISHED, _UNSEEN
        if connection in self._of_other_scopes:
            return _OF_SCOPES, _NO_SCOPES
        return frozenset(), ""

    def _document_of(self, resource: Resource, state: Mapping[str, object]) -> object:
        """The document with the names of this execution: the organizations, and the creator."""
        names = {
            "organization-id": state["source"],
            "destination-organization-id": state["destination"],
        }
        source = str(state["source"])
        kind, actor = creator = creator_of(resource)
        due = "api-key" if str(actor).startswith("api_") else "user"
        # Which actor a key stands for is the service's own; it is the same every time.
        if kind == due and self._creators.setdefault(source, creator) == creator:
            names["creator-type"] = "api-key"
            names["creator-id"] = source.replace("org_", "api_", 1)
        document = resource.reply.document
        data = object_in(resource.reply, document, "data")
        return {**document, "data": {**data, "attributes": {**resource.attributes, **names}}}


def _path(template: str, connection: str, scope: str = "") -> str:
    """The path of an operation on a Connection, below the base URL.

    Raises:
        NotProvidedError: there is none. Of dots, clients, proxies and servers make other paths.
    """
    if connection in ("", *_DOTS) or scope in _DOTS:
        raise NotProvidedError(_NO_PATH)
    filled = template.replace("{id}", quote(connection, safe=""))
    filled = filled.replace("{scope}", quote(scope, safe=""))
    return filled if filled.startswith("/") else f"{CONNECTIONS}/{filled}"


def _is_valid(terms: TypeAdapter[Any], value: object) -> bool:
    """Whether a creation may have this."""
    try:
        terms.validate_python(value)
    except ValidationError:
        return False
    return True


def _left_out(reason: str) -> Answer:
    """The answer to a call that cannot be made over HTTP, or not with these keys."""
    return Answer(Outcome.UNSUPPORTED, reason=reason)
