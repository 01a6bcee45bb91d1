"""The operations: each request becomes a `Job`, the work to do and the answer to it.

An operation reads all of its request first, and then asks the service for one thing, inside a
transaction. It states no rule.
"""

import logging
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from typing import Final, NamedTuple, TypeAlias

from connect_core import (
    Change,
    Connection,
    ConnectionService,
    IdempotencyKeyReusedError,
    InvalidDocumentError,
    Problem,
)
from connect_core.adapters.http import headers
from connect_core.adapters.http.messages import Caller, Request
from connect_core.adapters.http.queries import fields_query, list_query, require_none
from connect_core.adapters.http.refusals import invalid_header
from connect_core.adapters.http.routing import CONNECTIONS, Operation, Route
from connect_core.jsonapi import (
    Representation,
    connection_document,
    history_document,
    list_document,
    parse_create,
)

log: Final = logging.getLogger("connect_core.adapters.http")


class Answer(NamedTuple):
    """What an operation answers.

    Attributes:
        document: the document; None for ``304 Not Modified``.
        status: the HTTP status.
        headers: header fields that belong to it.
    """

    document: object
    status: int = 200
    headers: Mapping[str, str] = {}


#: The work of an operation, in a transaction that may be run again.
Work: TypeAlias = Callable[[ConnectionService], Answer]


class Job(NamedTuple):
    """The work that a request asks for.

    Attributes:
        changes: whether it may change something; if not, a transaction that only reads will do.
        work: asks the service.
    """

    changes: bool
    work: Work


class Setting(NamedTuple):
    """How an application answers this caller."""

    representation: Representation
    extensions: bool


def job_of(request: Request, route: Route, caller: Caller, setting: Setting) -> Job:
    """Read a request, as far as it can be read without the store.

    Raises:
        RequestError: it is refused because of its form.
        ConnectError: it is refused because of a header or a document.
    """
    return _JOBS[route.operation](request, route, caller, setting)


# --- Commands ---


def _create(request: Request, _: Route, caller: Caller, setting: Setting) -> Job:
    key = headers.idempotency_key(request.headers)
    fields = fields_query(request.query, setting.representation)
    if headers.values(request.headers, "If-Match"):
        raise invalid_header("If-Match", "There is no version yet: a creation takes no If-Match.")
    by = caller.actor
    try:
        wanted = parse_create(
            request.body,
            representation=setting.representation,
            extensions=setting.extensions,
            any_spelling=True,
        )
    except InvalidDocumentError as error:
        return _refused(error, request, "create", caller, key, setting)

    def work(service: ConnectionService) -> Answer:
        change = service.create(
            by=by,
            destination=wanted.destination_organization_id,
            name=wanted.name,
            scopes=wanted.scopes,
            idempotency_key=key,
        )
        place = f"{request.root}{CONNECTIONS}/{change.connection.id}"
        return _changed(change, setting, fields, 201, {"Location": place})

    return Job(changes=True, work=work)


def _take(request: Request, route: Route, caller: Caller, setting: Setting) -> Job:
    key = headers.idempotency_key(request.headers)
    versions = headers.expected_versions(request.headers)
    require_none(request.query)
    if request.body.strip() not in (b"", b"{}"):
        error = InvalidDocumentError((Problem("", f"to {route.operation} takes no body"),))
        action = f"{route.operation} {route.connection_id}"
        return _refused(error, request, action, caller, key, setting)

    def carry_out(service: ConnectionService, version: int | None) -> Change:
        return service.take(
            route.operation,
            route.connection_id,
            by=caller.actor,
            expected_version=version,
            idempotency_key=key,
        )

    def work(service: ConnectionService) -> Answer:
        wanted = list(versions)
        if len(wanted) > 1:  # the present one first
            now = service.get(route.connection_id, by=caller.actor).version
            wanted.sort(key=lambda version: version != now)
        for version in wanted[:-1]:
            with suppress(IdempotencyKeyReusedError):  # the first answer was for another version
                return _changed(carry_out(service, version), setting)
        return _changed(carry_out(service, wanted[-1]), setting)

    return Job(changes=True, work=work)


def _refused(
    error: InvalidDocumentError,
    request: Request,
    action: str,
    caller: Caller,
    key: str | None,
    setting: Setting,
) -> Job:
    """Refuse a document. The refusal is kept for the key, if there is one."""
    if key is None:
        raise error
    body = request.body.decode("utf-8", "backslashreplace")

    def work(service: ConnectionService) -> Answer:
        refused = {"action": action, "body": body}
        return _changed(
            service.refuse(error, by=caller.actor, request=refused, idempotency_key=key), setting
        )

    return Job(changes=True, work=work)


def _changed(
    change: Change,
    setting: Setting,
    fields: Collection[str] | None = None,
    status: int = 200,
    more: Mapping[str, str] = {},  # never changed
) -> Answer:
    replayed = {"Idempotent-Replayed": "true"} if change.replayed else {}
    return _one(change.connection, setting, fields, status, {**more, **replayed})


# --- Questions ---


def _retrieve(request: Request, route: Route, caller: Caller, setting: Setting) -> Job:
    fields = fields_query(request.query, setting.representation)

    def work(service: ConnectionService) -> Answer:
        connection = service.get(route.connection_id, by=caller.actor)
        if headers.is_known(request.headers, connection.version):
            return Answer(None, 304, {"ETag": headers.etag(connection.version)})
        return _one(connection, setting, fields)

    return Job(changes=False, work=work)


def _list(request: Request, _: Route, caller: Caller, setting: Setting) -> Job:
    query = list_query(request.query, setting.representation, extensions=setting.extensions)

    def link(name: str, cursor: str | None) -> str | None:
        there = query.page(name, cursor)
        return None if there is None else f"{request.root}{CONNECTIONS}?{there}"

    def work(service: ConnectionService) -> Answer:
        page = service.list(by=caller.actor, **query.arguments)
        for unreadable in page.unreadable:
            log.error("left out of a list: %s", unreadable)
        return Answer(
            list_document(
                page,
                prev=link("before", page.prev),
                next=link("after", page.next),
                representation=setting.representation,
                fields=query.fields,
            )
        )

    return Job(changes=False, work=work)


def _history(request: Request, route: Route, caller: Caller, _: Setting) -> Job:
    require_none(request.query)

    def work(service: ConnectionService) -> Answer:
        return Answer(history_document(service.history(route.connection_id, by=caller.actor)))

    return Job(changes=False, work=work)


def _one(
    connection: Connection,
    setting: Setting,
    fields: Collection[str] | None = None,
    status: int = 200,
    more: Mapping[str, str] = {},  # never changed
) -> Answer:
    document = connection_document(connection, representation=setting.representation, fields=fields)
    return Answer(document, status, {"ETag": headers.etag(connection.version), **more})


_JOBS: Final[Mapping[Operation, Callable[[Request, Route, Caller, Setting], Job]]] = {
    Operation.LIST: _list,
    Operation.CREATE: _create,
    Operation.RETRIEVE: _retrieve,
    Operation.ACTIVATE: _take,
    Operation.DEACTIVATE: _take,
    Operation.REACTIVATE: _take,
    Operation.HISTORY: _history,
}
