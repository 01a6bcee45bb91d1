"""Reading documents: strictly, as a whole, with the place of every problem.

Pydantic validates a document, and its errors are put into JSON's terms: each `Problem` has the JSON
Pointer of its place. The input is never changed.
"""

import json
from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from reprlib import repr as shortened
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn, TypeVar, cast

from pydantic import BaseModel, ValidationError

from connect_core.connection import Connection
from connect_core.errors import InvalidDocumentError, Problem
from connect_core.history import ConnectionEvent
from connect_core.identifiers import OrganizationId
from connect_core.jsonapi.models import (
    ConnectionData,
    ConnectionDocument,
    CurrentTerms,
    RecordDocument,
    Representation,
    create_document,
)
from connect_core.parties import Actor
from connect_core.scopes import DEFAULT_SCOPES, MAX_SCOPES, Scope

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


#: The forms of a document: JSON as bytes (UTF-8) or text, or the object already read from it.
Document = bytes | bytearray | str | Mapping[str, object]


class CreateRequest(NamedTuple):
    """What a create request asks for. The source is not in it: it is the organization that asks.

    Attributes:
        destination_organization_id: the organization to share with.
        name: for people, or None.
        scopes: what to share; `DEFAULT_SCOPES` if the request names none.
    """

    destination_organization_id: OrganizationId
    name: str | None = None
    scopes: frozenset[Scope] = DEFAULT_SCOPES


def parse_create(
    body: Document,
    *,
    representation: Representation = "guide",
    extensions: bool = True,
    any_spelling: bool = False,
) -> CreateRequest:
    """Read the body of a create request. The body is not changed.

    ``type`` may be left out, as the guide's own example does.

    Args:
        body: the JSON as bytes (UTF-8) or text, or the object already read from it.
        representation: the form of the body. The published one has no name.
        extensions: whether the name and the scopes may be there in either form.
        any_spelling: whether the names of members may be in camel or snake case, too.

    Raises:
        InvalidDocumentError: with every problem and its place; `malformed` if it is not JSON.
    """
    model = create_document(representation, extensions=extensions)
    sent = _DESTINATION
    if any_spelling:
        body, repeated, sent = _respelled(body)
        with _as_sent(sent):
            validated: Any = _valid(model, body, repeated)
    else:
        validated = _validated(model, body)
    attributes: CurrentTerms = validated.data.attributes
    return CreateRequest(
        attributes.destination_organization_id,
        getattr(attributes, "name", None),
        getattr(attributes, "scopes", DEFAULT_SCOPES),
    )


#: The only member of a create request that has several words, and its spellings.
_DESTINATION: Final = "destination-organization-id"
_SPELLINGS: Final = (_DESTINATION, "destinationOrganizationId", "destination_organization_id")
_ATTRIBUTES: Final = "/data/attributes/"


def _respelled(body: Document) -> tuple[Document, list[Problem], str]:
    """The document in kebab case, its repeated members, and the spelling that was sent.

    Of two spellings of one member, both are kept: the second is a problem.
    """
    value: object = body
    repeated: list[Problem] = []
    if isinstance(body, (bytes, bytearray, str)):
        value, repeated = load_json(body)
    data = _member(value, "data")
    attributes = _member(data, "attributes")
    given = cast("Mapping[str, object]", attributes if isinstance(attributes, Mapping) else {})
    found = [name for name in _SPELLINGS if name in given]
    if not found:
        return cast("Document", value), repeated, _DESTINATION
    sent, *others = found
    repeated += [
        Problem(_ATTRIBUTES + name, f"the member {shortened(_DESTINATION)} stands twice")
        for name in others
    ]
    kept = {
        _DESTINATION if name == sent else name: member
        for name, member in given.items()
        if name not in others
    }
    outer, inner = cast("Mapping[str, object]", value), cast("Mapping[str, object]", data)
    return {**outer, "data": {**inner, "attributes": kept}}, repeated, sent


@contextmanager
def _as_sent(spelling: str) -> Generator[None]:
    """Let problems with the destination point at the member as it was sent."""
    try:
        yield
    except InvalidDocumentError as error:
        place = _ATTRIBUTES + _DESTINATION
        raise InvalidDocumentError(
            tuple(
                Problem(_ATTRIBUTES + spelling, problem.detail)
                if problem.pointer == place
                else problem
                for problem in error.problems
            )
        ) from None


def parse_connection(document: Document, *, version: int = 1) -> Connection:
    """Read a Connection back from its document. The document is not changed.

    A document has neither the version, which is a parameter, nor the creator's organization, which
    is the source. It describes a Connection that exists, so a self-connection is read like any
    other. The resource object may have a ``meta``, which is not read.

    Args:
        document: the JSON as bytes (UTF-8) or text, or the object already read from it.
        version: the version that the Connection has, 1 or more.

    Raises:
        InvalidDocumentError: with every problem and its place; `malformed` if it is not JSON.
        pydantic.ValidationError: `version` is not a version.
    """
    return _connection(_validated(ConnectionDocument, document).data, version)


def _connection(data: ConnectionData, version: int) -> Connection:
    """The Connection that a resource object describes."""
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
    """A record of an export: a Connection, with or without its history.

    Attributes:
        connection: the Connection. Its version is the number of its events; 1 if there are none.
        events: its history, oldest first, or None if the record has none. Each event is valid by
            itself; whether they lead to the Connection is not checked.
        pointer: the JSON Pointer of its resource object in the record.
    """

    connection: Connection
    events: tuple[ConnectionEvent, ...] | None
    pointer: str


def parse_record(value: object, repeated: Sequence[Problem] = ()) -> Record:
    """Read a record of an export: a Connection's document, or only the resource object in it.

    A document may have a ``meta`` with the ``history``, as `record_document` writes it.

    Args:
        value: the JSON value that `load_json` returned.
        repeated: the problems that `load_json` returned with it.

    Raises:
        InvalidDocumentError: with every problem and its place.
    """
    if _is_resource(value):
        return Record(_connection(_valid(ConnectionData, value, repeated), 1), None, "")
    document = _valid(RecordDocument, value, repeated)
    events = None if document.meta is None else tuple(document.meta.history)
    return Record(_connection(document.data, len(events or ()) or 1), events, "/data")


def _is_resource(value: object) -> bool:
    """Whether it is an object, but not a document."""
    return isinstance(value, Mapping) and "data" not in value


_Model = TypeVar("_Model", bound=BaseModel)

#: Messages about a JSON value, in place of pydantic's about a Python value.
_IN_JSON_WORDS: Final = {
    "model_type": "Input should be an object",
    "model_attributes_type": "Input should be an object",
    "dict_type": "Input should be an object",
    "frozen_set_type": "Input should be an array",
    "string_unicode": "Text and the names of members cannot hold half of a surrogate pair",
    "too_short": "Array should have at least 1 item",
    "too_long": f"Array should have at most {MAX_SCOPES} different items",
}
#: A document with very many problems must not lead to a very long answer.
_MOST_PROBLEMS: Final = 100
_LONGEST_POINTER: Final = 255

#: The place of a value in a document: the place of its parent, and its name or index there.
_Place = tuple["_Place", str | int] | None
#: An object with repeated member names, and those names.
_Repeated = tuple[dict[str, object], list[str]]


def _validated(model: type[_Model], document: Document) -> _Model:
    """`document` as `model`, or every problem with it."""
    value: object = document
    repeated: list[Problem] = []
    if isinstance(document, (bytes, bytearray, str)):
        value, repeated = load_json(document)
    return _valid(model, value, repeated)


def _valid(model: type[_Model], value: object, repeated: Sequence[Problem]) -> _Model:
    """A JSON value as `model`, or every problem with it, including its repeated members."""
    try:
        validated = model.model_validate(value, context=_context(value))
    except ValidationError as error:
        found = [_problem(details) for details in error.errors(include_url=False)]
        raise _invalid([*found, *repeated]) from None
    if repeated:
        raise _invalid(repeated)
    return validated


def _invalid(problems: Sequence[Problem]) -> InvalidDocumentError:
    """The error that lists the problems; if there are very many, the first ones and a count."""
    listed, more = list(problems[:_MOST_PROBLEMS]), len(problems) - _MOST_PROBLEMS
    if more > 0:
        listed.append(Problem("", f"there are {more} more problems"))
    return InvalidDocumentError(tuple(listed))


def _context(document: object) -> dict[str, object]:
    """What other parts of a document must agree with: the id, if there is one."""
    data = _member(document, "data")
    resource_id = _member(document if data is None else data, "id")
    return {"id": resource_id} if isinstance(resource_id, str) else {}


def _member(value: object, name: str) -> object:
    """The member `name` of an object; None if there is none, or `value` is not an object."""
    return cast("Mapping[object, object]", value).get(name) if isinstance(value, Mapping) else None


def load_json(text: bytes | bytearray | str) -> tuple[object, list[Problem]]:
    """The JSON value in `text`, and a problem for each repeated member; the value has the last.

    Args:
        text: the JSON as bytes (UTF-8) or text.

    Raises:
        InvalidDocumentError: it is not JSON; `malformed` is True.
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
    except ValueError:  # Python refuses integers with some thousand digits
        _malformed("a number has too many digits")
    return value, _repeated_members(value, repeated) if repeated else []


def _no_constant(name: str) -> NoReturn:
    _malformed(f"{name} is not a JSON number")


def _malformed(reason: str) -> NoReturn:
    raise InvalidDocumentError((Problem("", reason),), malformed=True) from None


def _repeated_members(value: object, repeated: list[_Repeated]) -> list[Problem]:
    """A problem for each member that occurs more than once, with its place."""
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
    """The names and indices that lead to a place, from the top."""
    parts: list[str | int] = []
    while place is not None:
        place, part = place
        parts.append(part)
    return tuple(reversed(parts))


def _problem(details: "ErrorDetails") -> Problem:
    """One of pydantic's errors, with the message and the place for a JSON document."""
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
    """A JSON Pointer (RFC 6901). One that would be too long ends at a parent of the place."""
    pointer = ""
    for part in map(str, location):
        escaped = part.replace("~", "~0").replace("/", "~1")
        if len(pointer) + len(escaped) >= _LONGEST_POINTER:
            break
        pointer += "/" + escaped.encode("utf-8", "backslashreplace").decode("utf-8")
    return pointer
