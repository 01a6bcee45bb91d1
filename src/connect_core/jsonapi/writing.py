"""Writing documents: Connections, lists of Connections, records with a history, and errors."""

from collections.abc import Collection, Iterable, Mapping
from typing import Final, cast

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
    Problem,
    SelfConnectionError,
    StaleConnectionError,
    StoreUnavailableError,
)
from connect_core.history import ConnectionEvent, format_timestamp
from connect_core.jsonapi.models import CURRENT_TYPE, RESOURCE_TYPE, Representation
from connect_core.text import shown

#: The type of an event's resource object.
EVENT_TYPE: Final = "connect/connection-events"


def connection_document(
    connection: Connection,
    *,
    representation: Representation = "guide",
    fields: Collection[str] | None = None,
) -> dict[str, object]:
    """The document of one Connection.

    Args:
        connection: the Connection.
        representation: its form: ``"guide"``, as the guide shows it, or ``"current"``, as the
            published API has it.
        fields: the members, of `field_names`, to which it is thinned out; None for all.
    """
    return {"data": _in_form(connection, representation, fields)}


def record_document(connection: Connection, events: Iterable[ConnectionEvent]) -> dict[str, object]:
    """The document of a Connection with all of its events in ``meta``, for `parse_record`."""
    history = [_event(event) for event in events]
    return {"data": _resource(connection), "meta": {"history": history}}


def list_document(
    connections: Iterable[Connection],
    *,
    prev: str | None = None,
    next: str | None = None,
    representation: Representation = "guide",
    fields: Collection[str] | None = None,
) -> dict[str, object]:
    """The document of a page of Connections, in the order given.

    Args:
        connections: the page.
        prev: the link to the page before, or None at the beginning.
        next: the link to the page after, or None at the end.
        representation: the form of each Connection.
        fields: the members to which each is thinned out; None for all.
    """
    return {
        "data": [_in_form(connection, representation, fields) for connection in connections],
        "links": {"prev": prev, "next": next},
    }


def history_document(events: Iterable[ConnectionEvent]) -> dict[str, object]:
    """The document of the events of a Connection, in the order given.

    It is an extension: the published API has no such document. The id of an event is that of its
    Connection, a dot and the version.
    """
    return {"data": [_event_resource(event) for event in events]}


def resource_type(representation: Representation) -> str:
    """The type of a Connection's resource object."""
    return RESOURCE_TYPE if representation == "guide" else CURRENT_TYPE


def field_names(representation: Representation) -> tuple[str, ...]:
    """The members to which a Connection's resource object can be thinned out."""
    return _FIELDS[representation]


_FIELDS: Final[Mapping[Representation, tuple[str, ...]]] = {
    "guide": (
        "token",
        "name",
        "status",
        "organization-id",
        "destination-organization-id",
        "scopes",
        "creator-id",
        "creator-type",
        "created-at",
        "updated-at",
    ),
    "current": (
        "status",
        "source-organization-id",
        "destination-organization-id",
        "created-at",
        "updated-at",
        "creator",
    ),
}


def _in_form(
    connection: Connection, representation: Representation, fields: Collection[str] | None
) -> dict[str, object]:
    """The resource object in one of the forms, thinned out."""
    resource = _resource(connection) if representation == "guide" else _current(connection)
    if fields is not None:
        attributes = cast("dict[str, object]", resource["attributes"])
        resource["attributes"] = {
            name: value for name, value in attributes.items() if name in fields
        }
        if "creator" not in fields:
            resource.pop("relationships", None)
    return resource


def _current(connection: Connection) -> dict[str, object]:
    """The resource object in the published form."""
    creator = connection.creator
    return {
        "type": CURRENT_TYPE,
        "id": str(connection.id),
        "attributes": {
            "status": connection.status.value,
            "source-organization-id": str(connection.source_organization_id),
            "destination-organization-id": str(connection.destination_organization_id),
            "created-at": format_timestamp(connection.created_at),
            "updated-at": format_timestamp(connection.updated_at),
        },
        "relationships": {"creator": {"data": {"type": creator.type.value, "id": str(creator.id)}}},
    }


def _event_resource(event: ConnectionEvent) -> dict[str, object]:
    """An event as a resource object, with kebab-case members."""
    previous, terms = event.previous_status, event.terms
    return {
        "type": EVENT_TYPE,
        "id": f"{event.connection_id}.{event.version}",
        "attributes": {
            "version": event.version,
            "action": event.action.value,
            "previous-status": None if previous is None else previous.value,
            "status": event.status.value,
            "actor-id": str(event.actor.id),
            "actor-type": event.actor.type.value,
            "organization-id": str(event.actor.organization_id),
            "roles": sorted(role.value for role in event.roles),
            "occurred-at": format_timestamp(event.occurred_at),
            "terms": None
            if terms is None
            else {name.replace("_", "-"): value for name, value in terms.as_dict().items()},
        },
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
    StoreUnavailableError: (503, "Service unavailable"),
}
#: The same in the published form, where it differs. A 422 needs a pointer there, which a used key
#: does not have.
_CURRENT_HTTP: Final[dict[type[ConnectError], tuple[int, str]]] = {
    InvalidTransitionError: (409, "Conflict"),
    SelfConnectionError: (422, "Unprocessable entity"),
    AccessDeniedError: (403, "Forbidden"),
    InvalidIdempotencyKeyError: (400, "Bad Request"),
    IdempotencyKeyReusedError: (409, "Conflict"),
    InvalidDocumentError: (400, "Bad Request"),
}
#: The titles of the refusals that the protocol itself knows.
_TITLES: Final = {
    400: "Bad Request",
    401: "Must be authenticated to access this endpoint",
    404: "Record not found",
    405: "Method not allowed",
    408: "Request timeout",
    413: "Content too large",
    415: "Unsupported media type",
    429: "Rate limit exceeded",
    500: "Internal error",
}
#: The members of an error in the published form, by its HTTP status.
_CURRENT_MEMBERS: Final = {
    **dict.fromkeys((400, 403, 404, 409), ("title", "details", "meta")),
    401: ("title",),
    422: ("title", "details", "source"),
}
#: The members for a status of which nothing is published.
_OTHER_MEMBERS: Final = ("title", "details")


def error_document(
    error: ConnectError, *, representation: Representation = "guide"
) -> tuple[int, dict[str, object]]:
    """The HTTP status and the body that report `error` to a client.

    An outsider's refusal is reported as `ConnectionNotFoundError`, so that clients cannot find out
    which Connections exist. The details of an internal error (500) are not reported.

    ``meta`` has the error's `code`, and the facts that belong to it: the ``denials``, the
    Connection's ``status`` now, the ``remedy`` (the steps that would help, as `Step.as_dict` writes
    them), the ``missing-scopes``, the ``existing-id``, the ``expected-version`` and the
    ``actual-version``. What is not known is left out.

    In the published form, ``"current"``, an error has the members that are published for its
    status, and no others. An invalid document is a 400, whose details name the member.

    Raises:
        TypeError: `error` is not a `ConnectError`. Report other errors in your own way: they are
            faults, and their texts are not for clients.
    """
    if not isinstance(error, ConnectError):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
        raise TypeError(f"error_document reports a ConnectError, not {type(error).__name__}")
    error = _reported(error)
    status, title = _status_of(error, representation)
    if isinstance(error, InvalidDocumentError):
        if error.malformed and representation == "guide":
            status, title = 400, "Malformed JSON"
        errors = [
            _error(
                title,
                _located(problem) if representation == "current" else problem.detail,
                {"code": error.code},
                {"pointer": problem.pointer},
            )
            for problem in error.problems
        ]
        return status, {"errors": _published(errors, status, representation)}
    details, meta = str(error), {"code": error.code, **_facts(error)}
    if status >= 500:
        details, meta = _UNSERVED[_outcome(error)], {"code": error.code}
    errors = [_error(title, details, meta, _source(error))]
    return status, {"errors": _published(errors, status, representation)}


def problem_document(
    status: int,
    details: str,
    *,
    code: str,
    source: Mapping[str, object] | None = None,
    representation: Representation = "guide",
) -> dict[str, object]:
    """The body that reports a refusal of the protocol itself, such as 401 or 415.

    Args:
        status: the HTTP status.
        details: what is wrong, and what to do.
        code: what is wrong, for programs.
        source: the part of the request that is wrong.
        representation: the form of the body.
    """
    errors = [_error(_TITLES[status], details, {"code": code}, source)]
    return {"errors": _published(errors, status, representation)}


def _status_of(error: ConnectError, representation: Representation) -> tuple[int, str]:
    tables = [_CURRENT_HTTP, _HTTP] if representation == "current" else [_HTTP]
    bases = type(error).__mro__
    return next(table[base] for base in bases for table in tables if base in table)


def _published(
    errors: list[dict[str, object]], status: int, representation: Representation
) -> list[dict[str, object]]:
    """The errors with the members that are published for this status; the guide's form has all."""
    if representation == "guide":
        return errors
    names = _CURRENT_MEMBERS.get(status, _OTHER_MEMBERS)
    return [{name: error[name] for name in names} for error in errors]


def _located(problem: Problem) -> str:
    """A problem that names its place by a dotted path."""
    path = problem.pointer.removeprefix("/").replace("/", ".")
    return f"{path}: {problem.detail}" if path else problem.detail


#: What is said of a request that could not be served, by whether anything was changed.
_UNSERVED: Final = {
    None: "The request could not be served.",
    False: "The request could not be served now, and nothing was changed: repeat it later.",
    True: (
        "It is not known whether the request was carried out: read the Connection, or repeat the"
        " request with its idempotency key."
    ),
}


def _outcome(error: ConnectError) -> bool | None:
    """Whether it is uncertain that nothing was changed; None if the error does not say."""
    return error.uncertain if isinstance(error, StoreUnavailableError) else None


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
