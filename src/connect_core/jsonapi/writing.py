"""Writing documents: Connections, lists of Connections, records with a history, and errors."""

from collections.abc import Iterable, Mapping
from typing import Final

from connect_core.connection import Connection
from connect_core.decision import Decision, Denial
from connect_core.errors import (
    AccessDeniedError,
    ConnectError,
    ConnectionNotFoundError,
    DuplicateConnectionError,
    ForbiddenTransitionError,
    IdempotencyKeyReusedError,
    InvalidDocumentError,
    InvalidHistoryError,
    InvalidIdempotencyKeyError,
    InvalidRecordError,
    InvalidTransitionError,
    NotAPartyError,
    SelfConnectionError,
    StaleConnectionError,
)
from connect_core.history import ConnectionEvent, format_timestamp
from connect_core.jsonapi.models import RESOURCE_TYPE
from connect_core.text import shown


def connection_document(connection: Connection) -> dict[str, object]:
    """The document of one Connection, as the guide shows it."""
    return {"data": _resource(connection)}


def record_document(connection: Connection, events: Iterable[ConnectionEvent]) -> dict[str, object]:
    """The document of a Connection with all of its events in ``meta``, for `parse_record`."""
    history = [_event(event) for event in events]
    return {"data": _resource(connection), "meta": {"history": history}}


def list_document(
    connections: Iterable[Connection], *, prev: str | None = None, next: str | None = None
) -> dict[str, object]:
    """The document of a page of Connections, in the order given.

    Args:
        connections: the page.
        prev: the link to the page before, or None at the beginning.
        next: the link to the page after, or None at the end.
    """
    return {
        "data": [_resource(connection) for connection in connections],
        "links": {"prev": prev, "next": next},
    }


def _resource(connection: Connection) -> dict[str, object]:
    """The resource object, in plain `str`: some JSON writers accept no subclass of it."""
    return {
        "type": RESOURCE_TYPE,
        "id": str(connection.id),
        "attributes": {
            "token": str(connection.id),
            "name": connection.name,
            "status": connection.status.value,
            "organization-id": str(connection.source_organization_id),
            "destination-organization-id": str(connection.destination_organization_id),
            "scopes": sorted(map(str, connection.scopes)),
            "creator-id": str(connection.creator.id),
            "creator-type": connection.creator.type.value,
            "created-at": format_timestamp(connection.created_at),
            "updated-at": format_timestamp(connection.updated_at),
        },
    }


def _event(event: ConnectionEvent) -> dict[str, object]:
    """What ``event.model_dump(mode="json")`` gives, in plain `str`, and in half the time."""
    previous = event.previous_status
    return {
        "connection_id": str(event.connection_id),
        "version": event.version,
        "action": event.action.value,
        "previous_status": None if previous is None else previous.value,
        "status": event.status.value,
        "actor": {
            "id": str(event.actor.id),
            "organization_id": str(event.actor.organization_id),
        },
        "roles": sorted(role.value for role in event.roles),
        "occurred_at": format_timestamp(event.occurred_at),
        "terms": None if event.terms is None else event.terms.as_dict(),
    }


#: The HTTP status and the title of each error; a subclass that is not listed has its base's.
_HTTP: Final[dict[type[ConnectError], tuple[int, str]]] = {
    ConnectError: (500, "Internal error"),
    ForbiddenTransitionError: (403, "Forbidden"),
    InvalidTransitionError: (409, "Invalid transition"),
    DuplicateConnectionError: (409, "Record not unique"),
    SelfConnectionError: (422, "Self-connection"),
    AccessDeniedError: (403, "Access denied"),
    ConnectionNotFoundError: (404, "Record not found"),
    StaleConnectionError: (409, "Stale object error"),
    InvalidIdempotencyKeyError: (400, "Invalid idempotency key"),
    IdempotencyKeyReusedError: (422, "Idempotency key reused"),
    InvalidDocumentError: (422, "Invalid document"),
    InvalidHistoryError: (500, "Internal error"),
    InvalidRecordError: (500, "Internal error"),
}


def error_document(error: ConnectError) -> tuple[int, dict[str, object]]:
    """The HTTP status and the body that report `error` to a client.

    An outsider's refusal is reported as `ConnectionNotFoundError`, so that clients cannot find out
    which Connections exist. The details of an internal error (500) are not reported.

    ``meta`` has the error's `code`, and the facts that belong to it: the ``denials``, the
    Connection's ``status`` now, the ``remedy`` (the steps that would help, as `Step.as_dict` writes
    them), the ``missing-scopes``, the ``existing-id``, the ``expected-version`` and the
    ``actual-version``. What is not known is left out.

    Raises:
        TypeError: `error` is not a `ConnectError`. Report other errors in your own way: they are
            faults, and their texts are not for clients.
    """
    if not isinstance(error, ConnectError):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
        raise TypeError(f"error_document reports a ConnectError, not {type(error).__name__}")
    error = _reported(error)
    status, title = next(_HTTP[base] for base in type(error).__mro__ if base in _HTTP)
    if isinstance(error, InvalidDocumentError):
        if error.malformed:
            status, title = 400, "Malformed JSON"
        return status, {
            "errors": [
                _error(title, problem.detail, {"code": error.code}, {"pointer": problem.pointer})
                for problem in error.problems
            ]
        }
    details, meta = str(error), {"code": error.code, **_facts(error)}
    if status >= 500:
        details, meta = "The request could not be served.", {"code": error.code}
    return status, {"errors": [_error(title, details, meta, _source(error))]}


def _facts(error: ConnectError) -> dict[str, object]:
    """The error's facts as JSON values. An outsider's refusal has been replaced before."""
    facts: dict[str, object | None] = {}
    decision = getattr(error, "decision", None)
    if isinstance(decision, Decision):
        facts["denials"] = [denial.value for denial in decision.denials]
        facts["status"] = None if decision.status is None else decision.status.value
        facts["remedy"] = [step.as_dict() for step in decision.remedy]
    if isinstance(error, AccessDeniedError):
        facts["missing-scopes"] = sorted(map(shown, error.missing_scopes)) or None
    if isinstance(error, DuplicateConnectionError):
        facts["existing-id"] = None if error.existing_id is None else shown(error.existing_id)
    if isinstance(error, StaleConnectionError):
        facts["expected-version"] = error.expected_version
        facts["actual-version"] = error.actual_version
    return {name: fact for name, fact in facts.items() if fact is not None}


def _source(error: ConnectError) -> dict[str, object] | None:
    """The part of the request that is wrong."""
    if isinstance(error, SelfConnectionError):
        return {"pointer": "/data/attributes/destination-organization-id"}
    if isinstance(error, (InvalidIdempotencyKeyError, IdempotencyKeyReusedError)):
        return {"header": "Idempotency-Key"}
    return None


def _reported(error: ConnectError) -> ConnectError:
    """The error to report instead, if `error` itself would reveal too much."""
    if isinstance(error, NotAPartyError) or (
        isinstance(error, AccessDeniedError) and error.denial is Denial.NOT_A_PARTY
    ):
        return ConnectionNotFoundError(error.connection_id)
    return error


def _error(
    title: str, details: str, meta: Mapping[str, object], source: Mapping[str, object] | None
) -> dict[str, object]:
    document: dict[str, object] = {"title": title, "details": details, "meta": dict(meta)}
    if source is not None:
        document["source"] = dict(source)
    return document
