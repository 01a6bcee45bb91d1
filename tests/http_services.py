"""Services behind HTTP for the kit: one that is right, and faulty ones.

`Service` has the published operations and the extensions, on a `ConnectionService` in memory, in
both forms, with or without codes in its errors. Each of `FAULTY` is wrong in one way, and named
with the vector that finds it.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from starlette.applications import Starlette
from starlette.convertors import StringConvertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from connect_core import (
    Action,
    Actor,
    ConnectError,
    Connection,
    ConnectionNotFoundError,
    ConnectionService,
    DuplicateConnectionError,
    ForbiddenTransitionError,
    InMemoryStore,
    InvalidTransitionError,
    NotAPartyError,
    Status,
    authorize_access,
    roles_of,
)
from connect_core.history import MAX_VERSION
from connect_core.identifiers import ConnectionId
from connect_core.jsonapi import (
    Representation,
    connection_document,
    error_document,
    history_document,
    list_document,
    parse_create,
)

CONNECTIONS = "/api/v1/connect/connections"
#: The published titles, by HTTP status.
TITLES = {
    400: "Bad Request",
    403: "Forbidden",
    404: "Record not found",
    409: "Conflict",
    422: "Unprocessable entity",
}


class _Any(StringConvertor):
    """Any text, also with slashes and line feeds."""

    regex = r"[\s\S]*"


register_url_convertor("any", _Any())


def key_for(organization: str) -> str:
    """The key of an organization, as the services take it."""
    return f"secret-key-{organization}"


def actor_of(request: Request) -> Actor:
    """The actor whose key a request has."""
    value = request.headers.get("Authorization", "")
    organization = value.removeprefix("Bearer ").removeprefix("secret-key-")
    return Actor(id="api_TheKeyOfIt", organization_id=organization)


class Service:
    """The operations, as they should be.

    Args:
        representation: the form of the documents.
        statuses: if given, errors have no codes, as published, and these are the HTTP statuses of
            a wrong role and a wrong status.
    """

    #: The vector that shows what is wrong.
    found_by: ClassVar[str] = ""
    #: Whether that vector can be put to the published form.
    in_current_form: ClassVar[bool] = True
    #: Whether it is wrong without codes, too: an HTTP status alone may mean something permitted.
    without_codes: ClassVar[bool] = True

    def __init__(
        self,
        representation: Representation = "guide",
        statuses: tuple[int, int] | None = None,
    ) -> None:
        self.store = InMemoryStore()
        self.service = ConnectionService(self.store)
        self.representation: Representation = representation
        self.statuses = statuses
        one = f"{CONNECTIONS}/{{id:any}}"  # it may have a slash
        self.app = Starlette(
            routes=[
                Route(CONNECTIONS, self._answering(self.create), methods=["POST"]),
                Route(CONNECTIONS, self._answering(self.list)),
                Route(f"{one}/history", self._answering(self.history)),
                Route(f"{one}/data/{{scope:any}}", self._answering(self.share)),
                Route(one, self._answering(self.read)),
                Route(f"{one}/{{action}}", self._answering(self.act), methods=["POST"]),
            ]
        )

    def _answering(self, operation: Callable[[Request, bytes], Response]) -> Any:
        async def answer(request: Request) -> Response:
            body = await request.body()
            try:
                return operation(request, body)
            except ConnectError as error:
                return self.refusal(error)

        return answer

    # --- Operations ---

    def create(self, request: Request, body: bytes, /) -> Response:
        wanted = parse_create(body, representation=self.representation)
        connection, _ = self.service.create(
            by=actor_of(request),
            destination=wanted.destination_organization_id,
            name=wanted.name,
            scopes=wanted.scopes,
        )
        return self.document(connection, 201)

    def read(self, request: Request, _: bytes, /) -> Response:
        return self.document(self.service.get(request.path_params["id"], by=actor_of(request)))

    def list(self, request: Request, _: bytes, /) -> Response:
        query = request.query_params
        page = self.service.list(
            by=actor_of(request),
            limit=int(query["page[size]"]) // 50,  # so that a test needs few Connections
            after=query.get("page[after]"),
        )
        link = page.next and f"{CONNECTIONS}?page%5Bafter%5D={page.next}"
        return JSONResponse(list_document(page, next=link, representation=self.representation))

    def history(self, request: Request, _: bytes, /) -> Response:
        events = self.service.history(request.path_params["id"], by=actor_of(request))
        return JSONResponse(history_document(events))

    def share(self, request: Request, _: bytes, /) -> Response:
        actor = actor_of(request)
        connection = self.service.get(request.path_params["id"], by=actor)
        authorize_access(actor, request.path_params["scope"], connection)
        return JSONResponse({"data": []})

    def act(self, request: Request, _: bytes, /) -> Response:
        tag = request.headers.get("If-Match")
        version = None if tag is None else int(tag.strip('"'))
        if version is not None and version > MAX_VERSION:
            version = 0  # no Connection has that one, either
        action = Action(request.path_params["action"])
        return self.take(action, request.path_params["id"], actor_of(request), version)

    def take(self, action: Action, id: str, by: Actor, version: int | None, /) -> Response:
        change = self.service.take(action, id, by=by, expected_version=version)
        return self.document(change.connection)

    # --- Answers ---

    def document(self, connection: Connection, status: int = 200, /) -> Response:
        document = connection_document(connection, representation=self.representation)
        return JSONResponse(document, status, {"ETag": f'"{connection.version}"'})

    def refusal(self, error: ConnectError) -> Response:
        status, document = error_document(error, representation=self.representation)
        if self.statuses is not None:
            status, document = self._without_codes(error, status, document)
        return JSONResponse(document, status)

    def _without_codes(
        self, error: ConnectError, status: int, document: Mapping[str, Any]
    ) -> tuple[int, dict[str, object]]:
        """The published title of each error, and its source if it has one."""
        assert self.statuses is not None
        titles = ("Record not unique", "Stale object error")
        if type(error) is ForbiddenTransitionError:
            status = self.statuses[0]
        if isinstance(error, InvalidTransitionError):
            status = self.statuses[1]
        errors: list[dict[str, object]] = []
        for each in document["errors"]:
            title = each["title"] if each["title"] in titles else TITLES[status]
            kept = {name: each[name] for name in ("details", "source") if name in each}
            errors.append({"title": title, **kept})
        return status, {"errors": errors}

    def refused(self, status: int, title: str, code: str, facts: object = None) -> Response:
        """A refusal with any status, title and code."""
        error: dict[str, object] = {"title": title, "details": title}
        if self.statuses is None:
            error["meta"] = {"code": code, "status": facts}
        return JSONResponse({"errors": [error]}, status)

    # --- For faults ---

    def there(self, id: str) -> Connection | None:
        """A Connection as it is, whoever asks."""
        try:
            found = self.store.get(ConnectionId(id))
        except ValueError:
            return None
        assert found is None or isinstance(found, Connection)
        return found

    def meddle(self, connection: Connection, **changes: object) -> Connection:
        """Store a Connection with changes that no rule permits."""
        changed = connection.model_copy(update=changes)
        self.store._connections[changed.id] = changed  # pyright: ignore[reportPrivateUsage]  # the fault
        return changed


def _acting(organization: str) -> Actor:
    return Actor(id="api_TheKeyOfIt", organization_id=organization)


class ActivationBySource(Service):
    """The source may activate."""

    found_by = "transition/pending/activate/source"

    def take(self, action: Action, id: str, by: Actor, version: int | None, /) -> Response:
        there = self.there(id)
        source = there and there.source_organization_id
        if there and action is Action.ACTIVATE and by.organization_id == source:
            by = _acting(there.destination_organization_id)
        return super().take(action, id, by, version)


class DeactivationTwice(Service):
    """To deactivate an inactive Connection is a success."""

    found_by = "transition/inactive/deactivate/source"

    def take(self, action: Action, id: str, by: Actor, version: int | None, /) -> Response:
        try:
            return super().take(action, id, by, version)
        except InvalidTransitionError:
            if action is not Action.DEACTIVATE:
                raise
            return self.document(self.service.get(id, by=by))


class SecondCreate(Service):
    """A second creation makes a second Connection."""

    found_by = "transition/pending/create/source"

    def create(self, request: Request, body: bytes, /) -> Response:
        try:
            return super().create(request, body)
        except DuplicateConnectionError:
            wanted = parse_create(body, representation=self.representation)
            to = wanted.destination_organization_id
            connection, event = Connection.create(by=actor_of(request), destination=to)
            self.store._connections[connection.id] = connection  # pyright: ignore[reportPrivateUsage]
            self.store._events[connection.id] = [event]  # pyright: ignore[reportPrivateUsage]
            return self.document(connection, 201)


class ReactivationActivates(Service):
    """A reactivated Connection is active at once."""

    found_by = "transition/inactive/reactivate/source"

    def take(self, action: Action, id: str, by: Actor, version: int | None, /) -> Response:
        answer = super().take(action, id, by, version)
        there = self.there(id)
        if action is not Action.REACTIVATE or there is None:
            return answer
        return self.document(self.meddle(there, status=Status.ACTIVE))


class DestinationReactivates(Service):
    """The destination may reactivate."""

    found_by = "transition/inactive/reactivate/destination"

    def take(self, action: Action, id: str, by: Actor, version: int | None, /) -> Response:
        there = self.there(id)
        destination = there and there.destination_organization_id
        if there and action is Action.REACTIVATE and by.organization_id == destination:
            by = _acting(there.source_organization_id)
        return super().take(action, id, by, version)


class HiddenFromDestination(Service):
    """The destination is told that there is nothing until it is active."""

    found_by = "transition/pending/activate/source"

    def read(self, request: Request, body: bytes, /) -> Response:
        there = self.there(request.path_params["id"])
        destination = there and there.destination_organization_id
        who = actor_of(request).organization_id
        if there and there.status is Status.PENDING and who == destination:
            raise ConnectionNotFoundError(there.id)
        return super().read(request, body)


class OutsidersLearnTheStatus(Service):
    """An outsider is refused like a party, with the status."""

    found_by = "outsider/pending"

    def take(self, action: Action, id: str, by: Actor, version: int | None, /) -> Response:
        there = self.there(id)
        if there is None or roles_of(by, there):
            return super().take(action, id, by, version)
        if there.status is Status.PENDING:
            return self.refused(403, "Forbidden", "wrong_role", "pending")
        return self.refused(409, "Conflict", "wrong_status", there.status)


class RefusalChanges(Service):
    """A refused activation makes an inactive Connection pending."""

    found_by = "transition/inactive/activate/destination"

    def take(self, action: Action, id: str, by: Actor, version: int | None, /) -> Response:
        try:
            return super().take(action, id, by, version)
        except InvalidTransitionError:
            there = self.there(id)
            if there and action is Action.ACTIVATE:
                self.meddle(there, status=Status.PENDING)
            raise


class UnorderedPair(Service):
    """The other direction counts as the same Connection."""

    found_by = "independence/reverse/pending"

    def create(self, request: Request, body: bytes, /) -> Response:
        wanted = parse_create(body, representation=self.representation)
        actor, to = actor_of(request), wanted.destination_organization_id
        if self.service.find(by=actor, source=to) is None:
            return super().create(request, body)
        return self.refused(409, "Record not unique", "duplicate_connection")


class IdsWithoutCase(Service):
    """Organizations whose ids differ by case alone are the same."""

    found_by = "identity/case/source/pending"

    def _same(self, id: str, by: Actor) -> Actor:
        there = self.there(id)
        parties = (
            ()
            if there is None
            else (there.source_organization_id, there.destination_organization_id)
        )
        same = [each for each in parties if each.lower() == by.organization_id.lower()]
        return _acting(same[0]) if same else by

    def take(self, action: Action, id: str, by: Actor, version: int | None, /) -> Response:
        return super().take(action, id, self._same(id, by), version)


class VersionNotRaised(Service):
    """The entity tag does not change."""

    found_by = "versions/deactivate-source/reactivate/deactivate-source/reactivate"

    def document(self, connection: Connection, status: int = 200, /) -> Response:
        answer = super().document(connection, status)
        answer.headers["ETag"] = '"1"'
        return answer


class IfMatchIgnored(Service):
    """The version that an actor expects is ignored."""

    found_by = "expected-version/pending/activate-destination"

    def take(self, action: Action, id: str, by: Actor, _: int | None, /) -> Response:
        return super().take(action, id, by, None)


class FailsOnMalformed(Service):
    """A body that is not JSON ends in an error of the server."""

    found_by = "documents/not-json/cut-off"
    in_current_form = False

    def create(self, request: Request, body: bytes, /) -> Response:
        try:
            json.loads(body)
        except ValueError:
            return self.refused(500, "Internal error", "internal_error")
        return super().create(request, body)


class CreatedIs200(Service):
    """The status of a creation is 200."""

    found_by = "http/created/partner"

    def document(self, connection: Connection, _: int = 200, /) -> Response:
        return super().document(connection, 200)


class WrongRoleIsNotFound(Service):
    """A party is told that there is nothing, where its role may not do something."""

    found_by = "transition/pending/activate/source"
    without_codes = False  # a wrong role may have the status 404

    def take(self, action: Action, id: str, by: Actor, version: int | None, /) -> Response:
        try:
            return super().take(action, id, by, version)
        except NotAPartyError:
            raise
        except ForbiddenTransitionError:
            raise ConnectionNotFoundError(id) from None


FAULTY: dict[str, type[Service]] = {
    each.__name__: each
    for each in (
        ActivationBySource,
        DeactivationTwice,
        SecondCreate,
        ReactivationActivates,
        DestinationReactivates,
        HiddenFromDestination,
        OutsidersLearnTheStatus,
        RefusalChanges,
        UnorderedPair,
        IdsWithoutCase,
        VersionNotRaised,
        IfMatchIgnored,
        FailsOnMalformed,
        CreatedIs200,
        WrongRoleIsNotFound,
    )
}


# --- Serving -------------------------------------------------------------------------------------
