"""What the answers of a service behind HTTP mean: documents as states, refusals as outcomes.

The documents are those of the guide (``connect/connections``) or those of the published API
(``connect/connection``). A refusal is read from its ``meta.code`` if it has one of this library's,
then from its title, then from its HTTP status. The published API gives no code, and its statuses
leave it open whether a refusal is for the role or for the status: then the answer has all the
`Reading` that are possible, each with what it says of CXN-OPEN-003 and CXN-OPEN-007.

This module makes no request, and judges no answer.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple, cast

from connect_core.conformance.execution import ImplementationError
from connect_core.conformance.subject import ERRORS, Outcome, Reading, State
from connect_core.jsonapi import Representation
from connect_core.text import shown

#: The types of the resource object of a Connection, and the form that each belongs to.
_FORMS: Final[Mapping[object, Representation]] = {
    "connect/connections": "guide",
    "connect/connection": "current",
}
_MEDIA_TYPES: Final = frozenset({"application/json", "application/vnd.api+json"})
#: A version's tag. A proxy that compresses an answer marks the tag as weak, or adds to it.
_VERSION: Final = re.compile(r'(?:W/)?"([1-9][0-9]{0,17})(?:-[a-z-]+)?"')
#: The members of the attributes that a state is made of, in each form.
_SOURCES: Final[Mapping[Representation, str]] = {
    "guide": "organization-id",
    "current": "source-organization-id",
}
_CODES: Final[Mapping[str | None, Outcome]] = {error.code: each for error, each in ERRORS.items()}
#: The published titles that say what is wrong.
_TITLES: Final[Mapping[str, Outcome]] = {
    "record not unique": Outcome.ALREADY_EXISTS,
    "stale object error": Outcome.STALE,
}


class Reply(NamedTuple):
    """A response, with its body read as JSON.

    Attributes:
        request: the request in words: its method and its path.
        status: the HTTP status.
        etag: the entity tag; empty if there is none.
        document: the body.
    """

    request: str
    status: int
    etag: str
    document: Mapping[str, object]

    @property
    def is_ok(self) -> bool:
        """Whether it is a success."""
        return self.status < 300

    def wrong(self, what: str) -> ImplementationError:
        """The error to raise for an answer that is none: what is wrong with it, in words."""
        return ImplementationError(f"{self.request}: {what} (HTTP {self.status})")


def reply_of(request: str, status: int, headers: Mapping[str, str], text: str) -> Reply:
    """Read a response.

    Args:
        request: the request in words.
        status: the HTTP status.
        headers: the headers; their names are in any case.
        text: the body.

    Raises:
        ImplementationError: it is neither a success nor a refusal in JSON.
    """
    reply = Reply(request, status, headers.get("ETag", ""), {})
    if status >= 500:
        raise reply.wrong("the service failed")
    if 300 <= status < 400:
        raise reply.wrong("it answers with a redirect, which no operation does")
    media_type = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if media_type not in _MEDIA_TYPES:
        raise reply.wrong(f"the media type is {shown(media_type) or 'missing'}, not JSON")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise reply.wrong("the body is not JSON") from None
    if not isinstance(document, dict):
        raise reply.wrong("the body is not an object")
    return reply._replace(document=cast("dict[str, object]", document))


# --- Documents -----------------------------------------------------------------------------------


class Resource(NamedTuple):
    """A Connection as a service shows it."""

    form: Representation
    id: str
    attributes: Mapping[str, object]
    reply: Reply


def resource_of(reply: Reply) -> Resource:
    """The Connection in a success.

    Raises:
        ImplementationError: a member is missing, or has the wrong type.
    """
    data = object_in(reply, reply.document, "data")
    kind = text_in(reply, data, "type")
    if kind not in _FORMS:
        raise reply.wrong(f"the type is {shown(kind)!r}, not {' or '.join(map(str, _FORMS))}")
    named = text_in(reply, data, "id")
    return Resource(_FORMS[kind], named, object_in(reply, data, "attributes"), reply)


def form_of(body: bytes) -> Representation:
    """The form of the document in a body; the guide's if it has none."""
    try:
        return _FORMS[json.loads(body)["data"]["type"]]
    except (ValueError, LookupError, TypeError, RecursionError):
        return "guide"


def text_in(reply: Reply, record: Mapping[str, object], name: str) -> str:
    """A member of an object in an answer, which is text.

    Raises:
        ImplementationError: it is missing, or something else.
    """
    return cast("str", _member(reply, record, name, str))


def object_in(reply: Reply, record: Mapping[str, object], name: str) -> dict[str, object]:
    """A member which is an object; errors as `text_in`."""
    return cast("dict[str, object]", _member(reply, record, name, dict))


def objects_in(reply: Reply, record: Mapping[str, object], name: str) -> list[dict[str, object]]:
    """A member which is a list of objects; errors as `text_in`."""
    found = cast("list[object]", _member(reply, record, name, list))
    if not all(isinstance(each, dict) for each in found):
        raise reply.wrong(f"not everything in {name!r} is an object")
    return cast("list[dict[str, object]]", found)


def _member(reply: Reply, record: Mapping[str, object], name: str, kind: type) -> object:
    if not isinstance(record.get(name), kind):
        raise reply.wrong(f"the member {name!r} is {'wrong' if name in record else 'missing'}")
    return record[name]


def state_of(resource: Resource, name_of: Callable[[str], str]) -> dict[str, object]:
    """The state of a Connection, without its events.

    Args:
        resource: the Connection.
        name_of: gives the name of an organization in the execution.

    Raises:
        ImplementationError: a member is missing.
    """
    reply, attributes = resource.reply, resource.attributes
    source = _SOURCES[resource.form]
    state: dict[str, object] = {
        "status": text_in(reply, attributes, "status"),
        "source": name_of(text_in(reply, attributes, source)),
        "destination": name_of(text_in(reply, attributes, "destination-organization-id")),
        "created_at": text_in(reply, attributes, "created-at"),
        "updated_at": text_in(reply, attributes, "updated-at"),
    }
    if resource.form == "guide":
        for name in ("name", "scopes"):
            if name not in attributes:
                raise reply.wrong(f"the member {name!r} is missing")
            state[name] = attributes[name]
    version = _VERSION.fullmatch(reply.etag)
    if version is not None:
        state["version"] = int(version[1])
    return state


def parties_of(reply: Reply) -> list[tuple[str, str, str]]:
    """The id, the source and the destination of each Connection in a list.

    Raises:
        ImplementationError: it is no list.
    """
    found: list[tuple[str, str, str]] = []
    for each in objects_in(reply, reply.document, "data"):
        resource = resource_of(reply._replace(document={"data": each}))
        state = state_of(resource, str)
        found.append((resource.id, str(state["source"]), str(state["destination"])))
    return found


def next_of(reply: Reply) -> object:
    """The link of a list to its next page; None if there is none."""
    links = reply.document.get("links")
    return cast("dict[str, object]", links).get("next") if isinstance(links, dict) else None


def creator_of(resource: Resource) -> tuple[object, object]:
    """The type and the id of the creator, in the guide's form."""
    return resource.attributes.get("creator-type"), resource.attributes.get("creator-id")


def events_of(reply: Reply, name_of: Callable[[str], str]) -> list[State]:
    """The events in the answer to a history: a list of resource objects, oldest first.

    Raises:
        ImplementationError: a member is missing, or has the wrong type.
    """
    events: list[State] = []
    for each in objects_in(reply, reply.document, "data"):
        attributes = object_in(reply, each, "attributes")
        organization = text_in(reply, attributes, "organization-id")
        events.append(
            {
                "version": attributes.get("version"),
                "action": attributes.get("action"),
                "previous_status": attributes.get("previous-status"),
                "status": attributes.get("status"),
                "organization": name_of(organization),
            }
        )
    return events


# --- Refusals ------------------------------------------------------------------------------------


class Refusal(NamedTuple):
    """A refusal: all that it can mean, and the places of the problems that it tells."""

    readings: Sequence[Reading]
    pointers: Sequence[str] | None


def refusal_of(reply: Reply, verb: str, *, is_self: bool = False, expects: bool = False) -> Refusal:
    """Read a refusal.

    Args:
        reply: the answer.
        verb: what was attempted: ``create``, ``act``, ``share`` or ``read``.
        is_self: whether a self-connection was attempted.
        expects: whether a version was expected.

    Raises:
        ImplementationError: it is no refusal that an operation can have, or has no errors.
    """
    errors = objects_in(reply, reply.document, "errors")
    if not errors:
        raise reply.wrong("there is no error in 'errors'")
    for error in errors:
        text_in(reply, error, "title")
    code, title = _within(errors[0], "meta", "code"), text_in(reply, errors[0], "title")
    outcome = _CODES.get(code) or _TITLES.get(title.strip().lower())
    if outcome is not None:
        return Refusal((Reading(outcome),), _pointers(errors))
    if reply.status not in _STATUSES:
        raise reply.wrong(f"it is refused with {shown(title)!r}, which says nothing")
    readings = tuple(_readings(reply.status, verb, is_self=is_self, expects=expects))
    return Refusal(readings, _pointers(errors))


#: The statuses that say something of an attempt.
_STATUSES: Final = (400, 403, 404, 409, 412, 422)
_COMMON: Final = {
    400: Outcome.INVALID,
    404: Outcome.NOT_FOUND,
    412: Outcome.STALE,
    422: Outcome.INVALID,
}
_OF_STATUS: Final[Mapping[str, Mapping[int, Outcome]]] = {
    "create": {**_COMMON, 403: Outcome.WRONG_ROLE, 409: Outcome.ALREADY_EXISTS},
    "share": {**_COMMON, **dict.fromkeys((403, 409, 422), Outcome.DENIED)},
    "read": {**_COMMON, 403: Outcome.NOT_A_PARTY, 409: Outcome.WRONG_STATUS},
}


def _readings(status: int, verb: str, *, is_self: bool, expects: bool) -> Iterator[Reading]:
    """All that a refusal without a code can mean, the most likely first."""
    if verb != "act":
        yield Reading(_OF_STATUS[verb][status])
        if verb == "share" and status == 403:
            yield Reading(Outcome.NOT_A_PARTY)
        if is_self and status in (400, 403, 409, 422):
            yield Reading(Outcome.SELF_CONNECTION)
        return
    if status in (400, 412):
        yield Reading(Outcome.INVALID if status == 400 else Outcome.STALE)
        return
    if status == 404:
        yield Reading(Outcome.NOT_FOUND)
    if status == 403:
        yield Reading(Outcome.NOT_A_PARTY)
    if expects and status == 409:
        yield Reading(Outcome.STALE)
    # Both open points have the same statuses.
    yield Reading(Outcome.WRONG_ROLE, {"CXN-OPEN-007": (str(status),)})
    yield Reading(Outcome.WRONG_STATUS, {"CXN-OPEN-003": (str(status),)})


def _pointers(errors: Sequence[Mapping[str, object]]) -> Sequence[str] | None:
    """The places of the problems, each once; None if the errors do not tell them."""
    pointers = [_within(each, "source", "pointer") for each in errors]
    return list(dict.fromkeys(each for each in pointers if each is not None)) or None


def _within(error: Mapping[str, object], name: str, inner: str) -> str | None:
    """The text in a member of a member of an error; None if there is none."""
    found = error.get(name)
    value = cast("dict[str, object]", found).get(inner) if isinstance(found, dict) else None
    return value if isinstance(value, str) else None
