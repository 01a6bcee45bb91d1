"""The documents of the guide, in and out: plain data that any framework can send.

Reading is strict. A document is checked as a whole and every problem is reported at once, each
with the JSON Pointer of its place (of more than 100 the first 100, and how many more there are).
Members that the guide does not know are refused by name, and so are members that stand twice. What
was given is never changed. The limits are those of the model: a name of at most 255 characters,
1 to 64 scopes. How large a body may be is for your server to say, before it is read here.

Writing is exact: kebab-case members in the guide's order, scopes sorted, times in UTC with
milliseconds and ``Z``. The guide's sample answer to a create shows a Connection that is active at
once; by the rules it is pending, and so it is here.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from reprlib import repr as shortened
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, NoReturn, TypeVar, cast

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from connect_core.connection import Connection
from connect_core.decision import Denial
from connect_core.errors import (
    AccessDeniedError,
    ConnectError,
    ConnectionNotFoundError,
    DuplicateConnectionError,
    ForbiddenTransitionError,
    IdempotencyKeyReusedError,
    InvalidDocumentError,
    InvalidHistoryError,
    InvalidRecordError,
    InvalidTransitionError,
    NotAPartyError,
    Problem,
    SelfConnectionError,
    StaleConnectionError,
)
from connect_core.history import (
    ConnectionEvent,
    Timestamp,
    format_timestamp,
    not_before_creation,
)
from connect_core.identifiers import ActorId, ConnectionId, OrganizationId
from connect_core.lifecycle import Status
from connect_core.parties import Actor, ActorType, Name
from connect_core.scopes import DEFAULT_SCOPES, MAX_SCOPES, Scope, ScopeSet

if TYPE_CHECKING:
    from pydantic import ValidationInfo
    from pydantic_core import ErrorDetails

#: The type of a Connection's resource object. The guide's, which is what is written ...
RESOURCE_TYPE: Final = "connect/connections"
#: ... and the one in the API's own pages, which is read as well.
_ResourceType = Literal["connect/connections", "connect/connection"]


#: What a document may be given as: JSON in UTF-8, JSON as text, or the object already read from it.
Document = bytes | bytearray | str | Mapping[str, object]


# --- The documents -------------------------------------------------------------------------------


def _kebab(field: str) -> str:
    return field.replace("_", "-")


class _Member(BaseModel):
    """An object on the wire: kebab-case members, and no others."""

    model_config = ConfigDict(extra="forbid", defer_build=True, alias_generator=_kebab)


class _CreateAttributes(_Member):
    destination_organization_id: OrganizationId
    name: Name | None = None
    scopes: ScopeSet = DEFAULT_SCOPES


class _CreateData(_Member):
    type: _ResourceType = RESOURCE_TYPE
    attributes: _CreateAttributes


class _CreateDocument(_Member):
    data: _CreateData


class _ConnectionAttributes(_Member):
    token: ConnectionId
    name: Name | None = None
    status: Status
    organization_id: OrganizationId
    destination_organization_id: OrganizationId
    scopes: ScopeSet
    creator_id: ActorId
    creator_type: ActorType
    created_at: Timestamp
    updated_at: Timestamp

    @field_validator("token")
    @classmethod
    def _token_is_the_id(cls, value: ConnectionId, info: "ValidationInfo") -> ConnectionId:
        context: Mapping[str, object] = info.context or {}
        resource_id = context.get("id", value)
        if value != resource_id:
            raise ValueError(f"the token is the id, which is {shortened(resource_id)}")
        return value

    @field_validator("creator_type")
    @classmethod
    def _type_is_that_of_the_id(cls, value: ActorType, info: "ValidationInfo") -> ActorType:
        creator_id, source = info.data.get("creator_id"), info.data.get("organization_id")
        if creator_id is not None and source is not None:
            due = Actor(id=creator_id, organization_id=source).type
            if value is not due:
                raise ValueError(f"the type of {shortened(creator_id)} is {due}")
        return value

    _time_runs_forwards = field_validator("updated_at")(not_before_creation)


class _ConnectionData(_Member):
    type: _ResourceType
    id: ConnectionId
    attributes: _ConnectionAttributes


class _ConnectionDocument(_Member):
    data: _ConnectionData


class _RecordMeta(_Member):
    history: list[ConnectionEvent]


class _RecordDocument(_Member):
    data: _ConnectionData
    meta: _RecordMeta | None = None


# --- Reading -------------------------------------------------------------------------------------


class CreateRequest(NamedTuple):
    """What a create request asks for. The source is not in it: it is whoever asks.

    Attributes:
        destination_organization_id: the organization to share with.
        name: for people, or None.
        scopes: what to share; `DEFAULT_SCOPES` if the request names nothing.
    """

    destination_organization_id: OrganizationId
    name: str | None = None
    scopes: frozenset[Scope] = DEFAULT_SCOPES


def parse_create(body: Document) -> CreateRequest:
    """Read the body of a create request. It is not changed.

    ``type`` may be left out, as the guide's own example does.

    Args:
        body: the JSON as bytes (UTF-8) or text, or the object already read from it.

    Raises:
        InvalidDocumentError: with every problem and its place; `malformed` if it is not JSON.
    """
    attributes = _validated(_CreateDocument, body).data.attributes
    return CreateRequest(attributes.destination_organization_id, attributes.name, attributes.scopes)


def parse_connection(document: Document, *, version: int = 1) -> Connection:
    """Read a Connection back from its document. It is not changed.

    The wire says neither the version, which is a parameter, nor the creator's organization, which
    is the source. A document tells of a Connection that exists, so a self-connection is read like
    any other.

    Args:
        document: the JSON as bytes (UTF-8) or text, or the object already read from it.
        version: the version that the Connection has, 1 or more.

    Raises:
        InvalidDocumentError: with every problem and its place; `malformed` if it is not JSON.
        pydantic.ValidationError: `version` is not a version.
    """
    return _connection(_validated(_ConnectionDocument, document).data, version)


def _connection(data: _ConnectionData, version: int) -> Connection:
    """The Connection that a resource object is of."""
    attributes = data.attributes
    return Connection.model_validate(
        {
            "id": data.id,
            "source_organization_id": attributes.organization_id,
            "destination_organization_id": attributes.destination_organization_id,
            "name": attributes.name,
            "status": attributes.status,
            "scopes": attributes.scopes,
            "creator": Actor(id=attributes.creator_id, organization_id=attributes.organization_id),
            "created_at": attributes.created_at,
            "updated_at": attributes.updated_at,
            "version": version,
        },
        context={"allow_self": True},
    )


class Record(NamedTuple):
    """A Connection in a file of them.

    Attributes:
        connection: the Connection. Its version is the number of its events; 1 if there are none.
        events: how it came to stand where it stands, oldest first, or None if the record does not
            tell. Each is valid by itself; whether they lead to the Connection is not checked.
        pointer: where its resource object stands in the record.
    """

    connection: Connection
    events: tuple[ConnectionEvent, ...] | None
    pointer: str


def parse_record(value: object, repeated: Sequence[Problem] = ()) -> Record:
    """Read a record of an export: a Connection's document, or only the resource object in it.

    A document may have a ``meta`` with the ``history``, as `record_document` writes it.

    Args:
        value: the JSON value, which `load_json` has read.
        repeated: what `load_json` has found in it.

    Raises:
        InvalidDocumentError: with every problem and its place.
    """
    if _is_resource(value):
        return Record(_connection(_valid(_ConnectionData, value, repeated), 1), None, "")
    document = _valid(_RecordDocument, value, repeated)
    events = None if document.meta is None else tuple(document.meta.history)
    return Record(_connection(document.data, len(events or ()) or 1), events, "/data")


def _is_resource(value: object) -> bool:
    """Whether it is an object, and no document."""
    return isinstance(value, Mapping) and "data" not in value


_Model = TypeVar("_Model", bound=BaseModel)

#: How pydantic's words for a Python value read for a JSON one.
_IN_JSON_WORDS: Final = {
    "model_type": "Input should be an object",
    "model_attributes_type": "Input should be an object",
    "frozen_set_type": "Input should be an array",
    "string_unicode": "Text and the names of members cannot hold half of a surrogate pair",
    "too_short": "Array should have at least 1 item",
    "too_long": f"Array should have at most {MAX_SCOPES} items",
}
#: A document with very many problems must not make for a very long answer.
_MOST_PROBLEMS: Final = 100
_LONGEST_POINTER: Final = 255

#: Where a value stands in a document: the place of what holds it, and its name or index there.
_Place = tuple["_Place", str | int] | None
#: An object in which names are repeated, and those names.
_Repeated = tuple[dict[str, object], list[str]]


def _validated(model: type[_Model], document: Document) -> _Model:
    """`document` as `model`, or every problem with it."""
    value: object = document
    repeated: list[Problem] = []
    if isinstance(document, (bytes, bytearray, str)):
        value, repeated = load_json(document)
    return _valid(model, value, repeated)


def _valid(model: type[_Model], value: object, repeated: Sequence[Problem]) -> _Model:
    """A JSON value as `model`, or every problem with it, its repeated members included."""
    try:
        validated = model.model_validate(value, context=_context(value))
    except ValidationError as error:
        found = [_problem(details) for details in error.errors(include_url=False)]
        raise _invalid([*found, *repeated]) from None
    if repeated:
        raise _invalid(repeated)
    return validated


def _invalid(problems: Sequence[Problem]) -> InvalidDocumentError:
    """The error that lists the problems; of very many the first, and how many more there are."""
    listed, more = list(problems[:_MOST_PROBLEMS]), len(problems) - _MOST_PROBLEMS
    if more > 0:
        listed.append(Problem("", f"there are {more} more problems"))
    return InvalidDocumentError(tuple(listed))


def _context(document: object) -> dict[str, object]:
    """What one part of a document has to agree with in another: the id, if there is one."""
    data = _member(document, "data")
    resource_id = _member(document if data is None else data, "id")
    return {"id": resource_id} if isinstance(resource_id, str) else {}


def _member(value: object, name: str) -> object:
    """The member `name` of an object; None if there is none, or if `value` is no object."""
    return cast("Mapping[object, object]", value).get(name) if isinstance(value, Mapping) else None


def load_json(text: bytes | bytearray | str) -> tuple[object, list[Problem]]:
    """The JSON value in `text`, and its repeated members, of which the value holds the last.

    Args:
        text: the JSON as bytes (UTF-8) or text.

    Raises:
        InvalidDocumentError: it is not JSON; `malformed`.
    """
    repeated: list[_Repeated] = []

    def members(pairs: list[tuple[str, object]]) -> dict[str, object]:
        result = dict(pairs)
        if len(result) < len(pairs):
            counts = Counter(name for name, _ in pairs)
            repeated.append((result, [name for name, count in counts.items() if count > 1]))
        return result

    try:
        if not isinstance(text, str):
            text = text.decode("utf-8")
        value = json.loads(text, object_pairs_hook=members, parse_constant=_no_constant)
    except RecursionError:
        _malformed("it is nested too deeply")
    except UnicodeDecodeError as error:
        _malformed(f"byte {error.start} is not UTF-8")
    except json.JSONDecodeError as error:
        _malformed(str(error))
    except ValueError:  # Python reads no integer of more than some thousand digits
        _malformed("a number has too many digits")
    return value, _repeated_members(value, repeated) if repeated else []


def _no_constant(name: str) -> NoReturn:
    _malformed(f"{name} is not a JSON number")


def _malformed(reason: str) -> NoReturn:
    raise InvalidDocumentError((Problem("", reason),), malformed=True) from None


def _repeated_members(value: object, repeated: list[_Repeated]) -> list[Problem]:
    """A problem for each member that stands more than once, with its place."""
    names_in = {id(item): names for item, names in repeated}
    problems: list[Problem] = []
    items: list[tuple[object, _Place]] = [(value, None)]
    for item, place in items:
        for name in names_in.get(id(item), ()):
            pointer = _pointer((*_location(place), name))
            problems.append(Problem(pointer, f"the member {shortened(name)} stands twice"))
        if isinstance(item, dict):
            members = cast("dict[str, object]", item).items()
            items += [(child, (place, name)) for name, child in members]
        elif isinstance(item, list):
            elements = enumerate(cast("list[object]", item))
            items += [(child, (place, index)) for index, child in elements]
    return problems


def _location(place: _Place) -> tuple[str | int, ...]:
    """The way to a place, from the top."""
    parts: list[str | int] = []
    while place is not None:
        place, part = place
        parts.append(part)
    return tuple(reversed(parts))


def _problem(details: "ErrorDetails") -> Problem:
    """One of pydantic's errors, in the words and the place of a JSON document."""
    kind, location = details["type"], details["loc"]
    if kind == "missing":
        return Problem(_pointer(location[:-1]), f"the member {location[-1]!r} is missing")
    if kind in ("extra_forbidden", "invalid_key"):
        name = shortened(location[-1])
        return Problem(_pointer(location), f"the member {name} is not one of this document's")
    if kind == "value_error":
        return Problem(_pointer(location), str(details.get("ctx", {}).get("error")))
    return Problem(_pointer(location), _IN_JSON_WORDS.get(kind, details["msg"]))


def _pointer(location: tuple[str | int, ...]) -> str:
    """A JSON Pointer (RFC 6901). One that would be too long ends above the place."""
    pointer = ""
    for part in map(str, location):
        escaped = part.replace("~", "~0").replace("/", "~1")
        if len(pointer) + len(escaped) >= _LONGEST_POINTER:
            break
        pointer += "/" + escaped.encode("utf-8", "backslashreplace").decode("utf-8")
    return pointer


# --- Writing -------------------------------------------------------------------------------------


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
    """The resource object, in plain `str`: some JSON writers take no subclass of it."""
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


#: For each error the HTTP status and the title; a subclass that is not listed has its base's.
_HTTP: Final[dict[type[ConnectError], tuple[int, str]]] = {
    ConnectError: (500, "Internal error"),
    ForbiddenTransitionError: (403, "Forbidden"),
    InvalidTransitionError: (409, "Invalid transition"),
    DuplicateConnectionError: (409, "Record not unique"),
    SelfConnectionError: (422, "Self-connection"),
    AccessDeniedError: (403, "Access denied"),
    ConnectionNotFoundError: (404, "Record not found"),
    StaleConnectionError: (409, "Stale object error"),
    IdempotencyKeyReusedError: (422, "Idempotency key reused"),
    InvalidDocumentError: (422, "Invalid document"),
    InvalidHistoryError: (500, "Internal error"),
    InvalidRecordError: (500, "Internal error"),
}


def error_document(error: ConnectError) -> tuple[int, dict[str, object]]:
    """The HTTP status and the body that tell a client about `error`.

    An outsider's refusal is told in the words of `ConnectionNotFoundError`, so that a Connection
    that exists cannot be told from one that does not. What went wrong inside (500) is not told.
    """
    error = _as_told(error)
    status, title = next(_HTTP[base] for base in type(error).__mro__ if base in _HTTP)
    if isinstance(error, InvalidDocumentError):
        if error.malformed:
            status, title = 400, "Malformed JSON"
        return status, {
            "errors": [
                _error(title, problem.detail, error.code, problem.pointer)
                for problem in error.problems
            ]
        }
    details = "The request could not be served." if status >= 500 else str(error)
    pointer = (
        "/data/attributes/destination-organization-id"
        if isinstance(error, SelfConnectionError)
        else None
    )
    return status, {"errors": [_error(title, details, error.code, pointer)]}


def _as_told(error: ConnectError) -> ConnectError:
    """What the client is told instead, where the error itself would tell too much."""
    if isinstance(error, NotAPartyError) or (
        isinstance(error, AccessDeniedError) and error.denial is Denial.NOT_A_PARTY
    ):
        return ConnectionNotFoundError(error.connection_id)
    return error


def _error(title: str, details: str, code: str, pointer: str | None) -> dict[str, object]:
    document: dict[str, object] = {"title": title, "details": details, "meta": {"code": code}}
    if pointer is not None:
        document["source"] = {"pointer": pointer}
    return document
