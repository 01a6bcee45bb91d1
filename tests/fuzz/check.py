"""The properties that must hold for any bytes given as a document."""

import json
from collections.abc import Callable
from contextlib import suppress

from connect_core import (
    Actor,
    Connection,
    InvalidDocumentError,
    connection_document,
    error_document,
    parse_connection,
    parse_create,
)


def check(data: bytes) -> None:
    """Read `data` as each document, as bytes and as text: valid, or refused with every problem."""
    forms: list[bytes | str] = [data]
    with suppress(UnicodeDecodeError):
        forms.append(data.decode())
    for read in (check_create, check_connection):
        found = [read_or_refused(read, form) for form in forms]
        assert found[0] == found[-1], "bytes and text must have the same problems"


def read_or_refused(
    read: Callable[[bytes | str], None], form: bytes | str
) -> tuple[object, ...] | None:
    """Read a document; return the arguments of its `InvalidDocumentError`, or None if it is valid.

    Any other error is a failure.
    """
    try:
        read(form)
    except InvalidDocumentError as error:
        check_refusal(error)
        return error.args
    return None


def check_refusal(error: InvalidDocumentError) -> None:
    """The error locates every problem, and both its text and its document can be sent."""
    assert error.problems
    for problem in error.problems:
        assert problem.pointer == "" or problem.pointer.startswith("/")
        assert problem.detail
    status, document = error_document(error)
    assert status == (400 if error.malformed else 422)
    json.dumps(document, ensure_ascii=False).encode()
    str(error).encode()


def check_create(form: bytes | str) -> None:
    """A Connection can be created from the request, written and read back."""
    request = parse_create(form)
    connection, _ = Connection.create(
        by=Actor(id="api_1", organization_id="org_fuzz"),
        destination=request.destination_organization_id,
        name=request.name,
        scopes=request.scopes,
        allow_self=True,
    )
    document = json.dumps(connection_document(connection), ensure_ascii=False).encode()
    assert parse_connection(document) == connection


def check_connection(form: bytes | str) -> None:
    """The Connection is the same after it is written and read back."""
    connection = parse_connection(form, version=7)
    assert parse_connection(connection_document(connection), version=7) == connection
