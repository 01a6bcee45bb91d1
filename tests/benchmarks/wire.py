"""A whole create, from the request to the document, against pydantic's share of it."""

from typing import cast

from connect_core import Connection, connection_document, parse_create

from . import plain
from .results import AtMost, Fact, Figure, Section
from .story import CREATE_BODY, SOURCE
from .timing import best, statement

_CREATE = "parse_create, create, document"
_PLAIN = "plain pydantic: validate and dump"


def answer(body: bytes) -> dict[str, object]:
    """Read a create request, create the Connection, and write the document that answers it."""
    asked = parse_create(body)
    connection, _ = Connection.create(
        by=SOURCE,
        destination=asked.destination_organization_id,
        name=asked.name,
        scopes=asked.scopes,
    )
    return connection_document(connection)


def answering(rounds: int) -> Section:
    """How long it takes to answer the guide's request."""
    seconds = best(
        {
            _CREATE: statement("answer(body)", answer=answer, body=CREATE_BODY),
            _PLAIN: statement("answer(body)", answer=plain.answer, body=CREATE_BODY),
        },
        rounds,
    )
    return Section(
        "A create request, answered",
        (Figure(_CREATE, seconds[_CREATE], _PLAIN, seconds[_PLAIN], AtMost(5)),),
        (
            Fact(
                "both write the same members",
                _members(answer(CREATE_BODY)) == _members(plain.answer(CREATE_BODY)),
            ),
        ),
    )


def _members(value: object) -> object:
    """The names of a document's members without their values, in the order they are written."""
    if not isinstance(value, dict):
        return None
    return [(name, _members(child)) for name, child in cast("dict[str, object]", value).items()]
