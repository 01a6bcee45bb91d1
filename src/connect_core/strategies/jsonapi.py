"""Strategies for documents: what the guide's API reads and writes, valid and invalid."""

from collections.abc import Iterable
from copy import deepcopy
from typing import Any, Final

from hypothesis import strategies as st

from connect_core.connection import Connection
from connect_core.identifiers import MAX_ID_LENGTH
from connect_core.jsonapi import RESOURCE_TYPE, connection_document
from connect_core.lifecycle import Status
from connect_core.parties import (
    MAX_NAME_LENGTH,
    ActorType,
    Organization,
)
from connect_core.scopes import MAX_SCOPES, Scope
from connect_core.strategies.history import connections
from connect_core.strategies.identifiers import (
    ACTOR_PREFIXES,
    CONNECTION_PREFIX,
    ORGANIZATION_PREFIX,
    organization_ids,
)
from connect_core.strategies.parties import id_of
from connect_core.strategies.policy import UNKNOWN_STATUSES
from connect_core.strategies.values import names, scope_sets

#: The type that is written, and the other one that is read.
_TYPES: Final = (RESOURCE_TYPE, "connect/connection")


def create_documents(
    *, destination: str | Organization | None = None
) -> st.SearchStrategy[dict[str, object]]:
    """Bodies of create requests that `parse_create` reads, as plain JSON values.

    Optional members are present or not; scopes are in any order.

    Args:
        destination: the organization to share with; any if omitted.

    Raises:
        ValueError: `destination` is not an organization id.
    """
    theirs = organization_ids() if destination is None else st.just(id_of(destination))
    attributes = st.fixed_dictionaries(
        {"destination-organization-id": theirs.map(str)},
        optional={"name": st.none() | names(), "scopes": scope_sets().flatmap(_in_any_order)},
    )
    data = st.fixed_dictionaries(
        {"attributes": attributes}, optional={"type": st.sampled_from(_TYPES)}
    )
    return st.fixed_dictionaries({"data": data})


def _in_any_order(scopes: Iterable[Scope]) -> st.SearchStrategy[list[str]]:
    return st.permutations(sorted(map(str, scopes)))


def connection_documents(
    of: st.SearchStrategy[Connection] | None = None,
) -> st.SearchStrategy[dict[str, object]]:
    """Documents that `parse_connection` reads, as plain JSON values.

    They are those that `connection_document` returns, and variants that other writers might send:
    the other type, no ``name`` if the Connection has none, scopes in any order.

    Args:
        of: the Connections; `connections()` if omitted.
    """
    return (connections() if of is None else of).flatmap(_documents_of)


@st.composite
def _documents_of(draw: st.DrawFn, connection: Connection) -> dict[str, object]:
    """The document of the Connection, as any writer may write it."""
    document: dict[str, Any] = connection_document(connection)
    document["data"]["type"] = draw(st.sampled_from(_TYPES))
    attributes = document["data"]["attributes"]
    attributes["scopes"] = draw(_in_any_order(connection.scopes))
    if connection.name is None and draw(st.booleans()):
        del attributes["name"]
    return document


#: Stands for a member that is removed.
_GONE: Final = object()
#: The place of an error, and the wrong value there.
_Fault = tuple[str, object]

# Values that each kind of member cannot have. Copies are drawn, so that no test can change these.
_LIST: Final[list[object]] = []
_OBJECT: Final[dict[str, object]] = {}
_NOT_OBJECTS: Final = (None, True, 0, 1.5, _LIST)
_NOT_TEXT: Final = (*_NOT_OBJECTS, _OBJECT)


def _wrong(pointer: str, *values: object) -> list[_Fault]:
    return [(pointer, value) for value in values]


def _wrong_ids(pointer: str, prefix: str) -> list[_Fault]:
    """Values that are wrong by their type, prefix, case, look-alike letters or length."""
    texts = ("", "A", prefix, prefix.upper() + "A", f"x{prefix}A", f"{prefix}A ", f"{prefix}A\n")
    long = prefix.ljust(MAX_ID_LENGTH + 1, "A")
    return _wrong(pointer, *_NOT_TEXT, *texts, f"{prefix}\u0410", f"{prefix}\uff21", long)


_LONG_SCOPE: Final = "a.".ljust(MAX_ID_LENGTH + 1, "b")
_ATTRIBUTES: Final = "/data/attributes"
#: What can be wrong in either document.
_FAULTS: Final = [
    *_wrong("/data", _GONE, *_NOT_OBJECTS, "A"),
    *_wrong(_ATTRIBUTES, _GONE, *_NOT_OBJECTS, "A"),
    *_wrong("", *_NOT_OBJECTS),
    *_wrong("/included", _LIST, _OBJECT),
    *_wrong("/data/relationships", _OBJECT, None),
    *_wrong(f"{_ATTRIBUTES}/version", 1, "1"),
    *_wrong(f"{_ATTRIBUTES}/Name", "A", None),
    *_wrong("/data/type", *_NOT_TEXT, "", "connect/other", RESOURCE_TYPE.upper()),
    *_wrong(f"{_ATTRIBUTES}/destination-organization-id", _GONE),
    *_wrong_ids(f"{_ATTRIBUTES}/destination-organization-id", ORGANIZATION_PREFIX),
    *_wrong(f"{_ATTRIBUTES}/name", *_NOT_TEXT[1:]),
    *_wrong(f"{_ATTRIBUTES}/name", "A" * (MAX_NAME_LENGTH + 1), "A\0", "\n", "\x85"),
    *_wrong(f"{_ATTRIBUTES}/scopes", *_NOT_TEXT, "inquiry.read"),
    *_wrong(f"{_ATTRIBUTES}/scopes", [f"a.b{count}" for count in range(MAX_SCOPES + 1)]),
    *(
        (f"{_ATTRIBUTES}/scopes", ["inquiry.read", scope])
        for scope in (*_NOT_TEXT, "", "inquiry", "Inquiry.read", "inquiry.read ", _LONG_SCOPE)
    ),
]
#: What can be wrong in the body of a create request. A client may not name the source, the id or
#: the status.
_CREATE_FAULTS: Final = [
    *_FAULTS,
    *_wrong("/data/id", "cxn_A", None),
    *_wrong(f"{_ATTRIBUTES}/organization-id", "org_A", None),
    *_wrong(f"{_ATTRIBUTES}/status", *[each.value for each in Status]),
]


#: The attributes that only a Connection's document requires, including the scopes.
_REQUIRED: Final = (
    "token",
    "status",
    "organization-id",
    "scopes",
    "creator-id",
    "creator-type",
    "created-at",
    "updated-at",
)
#: Text that is not a time: empty, without a time of day, without a zone, no such month, spaces, a
#: leap second, no such offset, before the first time that is kept, after the last.
_NO_TIMES: Final = (
    "",
    "2018-06-01",
    "2018-06-01T00:00:00.000",
    "2018-13-01T00:00:00.000Z",
    "2018-06-01 00:00:00.000 Z",
    "2016-12-31T23:59:60.000Z",
    "2018-06-01T00:00:00.000+24:00",
    "0001-01-01T23:59:59.999Z",
    "9999-12-31T00:00:00.000Z",
)


def _connection_faults(connection: Connection) -> list[_Fault]:
    """What can be wrong in the document of this Connection."""
    attributes = [f"{_ATTRIBUTES}/{name}" for name in _REQUIRED]
    token, status, source, _, creator_id, creator_type, created_at, updated_at = attributes
    other_type = next(each for each in ActorType if each is not connection.creator.type)
    return [
        *_FAULTS,
        *((pointer, _GONE) for pointer in ("/data/type", "/data/id", *attributes)),
        *_wrong("/data/id", *_NOT_TEXT),  # with another text, the token would be wrong as well
        *_wrong_ids(token, CONNECTION_PREFIX),
        *_wrong(token, f"{connection.id}x"),
        *_wrong(status, *_NOT_TEXT, *UNKNOWN_STATUSES),
        *_wrong_ids(source, ORGANIZATION_PREFIX),
        *_wrong_ids(creator_id, ACTOR_PREFIXES[0]),
        *_wrong(creator_type, *_NOT_TEXT, "", "robot", other_type.value),
        *_wrong(created_at, *_NOT_TEXT, *_NO_TIMES),
        *_wrong(updated_at, *_NOT_TEXT, *_NO_TIMES, "0001-01-02T00:00:00.000Z"),
    ]


def invalid_create_documents(
    of: st.SearchStrategy[dict[str, object]] | None = None,
) -> st.SearchStrategy[object]:
    """Bodies that `parse_create` refuses, as plain JSON values: exactly one thing is wrong.

    A member is missing, is unknown, or has a value of the wrong type or form. There may be no
    scopes or too many; the name may be too long or hold control characters; the document as a whole
    may not be an object. `parse_create` reports one `Problem`, at its place.

    Args:
        of: the valid bodies that they are made from; `create_documents()` if omitted.
    """
    valid = create_documents() if of is None else of
    return st.builds(_edited, valid, _one_of(_CREATE_FAULTS))


def invalid_connection_documents(
    of: st.SearchStrategy[Connection] | None = None,
) -> st.SearchStrategy[object]:
    """Documents that `parse_connection` refuses, as plain JSON values: exactly one thing is wrong.

    The same things are wrong as in `invalid_create_documents`. In addition, two members that only a
    Connection has may contradict each other: the token and the id, the creator's type and id, the
    time of the last change and that of the creation. `parse_connection` reports one `Problem`, at
    its place.

    Args:
        of: the Connections whose documents they are made from; `connections()` if omitted.
    """
    return (connections() if of is None else of).flatmap(
        lambda connection: st.builds(
            _edited,
            st.just(connection_document(connection)),
            _one_of(_connection_faults(connection)),
        )
    )


def _one_of(faults: list[_Fault]) -> st.SearchStrategy[_Fault]:
    """One fault; every place is equally likely."""
    places: dict[str, list[_Fault]] = {}
    for fault in faults:
        places.setdefault(fault[0], []).append(fault)
    return st.sampled_from(list(places.values())).flatmap(st.sampled_from)


def _edited(document: dict[str, object], fault: _Fault) -> object:
    """A copy of the document with the fault in it."""
    pointer, value = fault
    whole: Any = {"": deepcopy(document)}
    *way, last = pointer.split("/")
    holder = whole
    for name in way:
        holder = holder[name]
    if value is _GONE:
        del holder[last]
    else:
        holder[last] = deepcopy(value)
    return whole[""]
