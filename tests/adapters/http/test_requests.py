"""Requests of every kind with the right answer for each: through the handler, and through ASGI.

Each row is one request of the source to a Connection of its own, which is pending unless the path
says otherwise, and what has to come back.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pytest
from http_api import (
    Answered,
    AsgiClient,
    MemoryTransactions,
    authenticate,
    caller_of,
)

from connect_core.adapters.http import Handler, Request, create_api
from connect_core.adapters.http.routing import CONNECTIONS
from connect_core.jsonapi import parse_connection

JSON = ("Content-Type", "application/json")
KEY = ("Idempotency-Key", "k-1")
VALID = b'{"data":{"attributes":{"destination-organization-id":"org_New"}}}'


class Row(NamedTuple):
    """A request and its answer.

    Attributes:
        status: the HTTP status.
        method: the method.
        target: the path and the query. ``{c}`` is the Connections' path, ``{id}`` the id of a
            Connection.
        headers: header fields, besides the caller's token.
        body: the body.
        code: the code of the refusal; None for a success.
        source: the part of the request that is wrong.
        shows: header fields of the answer.
    """

    status: int
    method: str
    target: str
    headers: Sequence[tuple[str, str]] = ()
    body: bytes = b""
    code: str | None = None
    source: Mapping[str, str] | None = None
    shows: Mapping[str, str] = {}


def refused(
    status: int,
    code: str,
    method: str,
    target: str,
    headers: Sequence[tuple[str, str]] = (),
    body: bytes = b"",
    *,
    source: Mapping[str, str] | None = None,
    **shows: str,
) -> Row:
    fields = {name.replace("_", "-"): value for name, value in shows.items()}
    return Row(status, method, target, headers, body, code, source, fields)


def parameter(name: str, query: str) -> Row:
    """A list whose query is refused because of this member."""
    source = {"parameter": name}
    return refused(400, "invalid_parameter", "GET", "{c}?" + query, source=source)


def header(name: str, *fields: tuple[str, str]) -> Row:
    """A step that is refused because of this header."""
    path = "{c}/{id}/deactivate"
    return refused(400, "invalid_header", "POST", path, fields, source={"header": name})


def no_json(*fields: tuple[str, str], body: bytes = VALID) -> Row:
    """A creation that is refused because its body is not JSON in UTF-8."""
    return refused(415, "unsupported_media_type", "POST", "{c}", fields, body)


ROWS = {
    # Paths and methods
    "create": Row(201, "POST", "{c}", [JSON], VALID, shows={"etag": '"1"'}),
    "list": Row(200, "GET", "{c}"),
    "retrieve": Row(200, "GET", "{c}/{id}", shows={"etag": '"1"'}),
    "deactivate": Row(200, "POST", "{c}/{id}/deactivate", shows={"etag": '"2"'}),
    "history": Row(200, "GET", "{c}/{id}/history"),
    "head of a list": Row(200, "HEAD", "{c}"),
    "head of one": Row(200, "HEAD", "{c}/{id}", shows={"etag": '"1"'}),
    "head of a history": Row(200, "HEAD", "{c}/{id}/history"),
    "options of all": Row(204, "OPTIONS", "{c}", shows={"allow": "GET, HEAD, OPTIONS, POST"}),
    "options of one": Row(204, "OPTIONS", "{c}/{id}", shows={"allow": "GET, HEAD, OPTIONS"}),
    "options of a step": Row(204, "OPTIONS", "{c}/{id}/activate", shows={"allow": "OPTIONS, POST"}),
    "delete": refused(405, "method_not_allowed", "DELETE", "{c}/{id}", allow="GET, HEAD, OPTIONS"),
    "put": refused(405, "method_not_allowed", "PUT", "{c}", allow="GET, HEAD, OPTIONS, POST"),
    "get of a step": refused(
        405, "method_not_allowed", "GET", "{c}/{id}/activate", allow="OPTIONS, POST"
    ),
    "head of a step": refused(405, "method_not_allowed", "HEAD", "{c}/{id}/deactivate"),
    "an unknown method": refused(405, "method_not_allowed", "BREW", "{c}/{id}/history"),
    "a method in lower case": refused(405, "method_not_allowed", "get", "{c}"),
    "the root": refused(404, "no_such_path", "GET", "/"),
    "no path": refused(404, "no_such_path", "GET", ""),
    "a part of the path": refused(404, "no_such_path", "GET", "/api/v1/connect"),
    "a longer word": refused(404, "no_such_path", "GET", "{c}s"),
    "options of nothing": refused(404, "no_such_path", "OPTIONS", "/api/v1"),
    "a slash at the end": refused(404, "no_such_path", "GET", "{c}/"),
    "a slash after an id": refused(404, "no_such_path", "GET", "{c}/{id}/"),
    "a slash after a step": refused(404, "no_such_path", "POST", "{c}/{id}/activate/"),
    "two slashes": refused(404, "no_such_path", "GET", "/{c}"),
    "no id": refused(404, "no_such_path", "POST", "{c}//activate"),
    "an unknown step": refused(404, "no_such_path", "POST", "{c}/{id}/delete"),
    "a step in upper case": refused(404, "no_such_path", "POST", "{c}/{id}/Activate"),
    "an encoded slash": refused(404, "connection_not_found", "GET", "{c}/{id}%2Fhistory"),
    "an encoded slash before a step": refused(
        405, "method_not_allowed", "POST", "{c}/{id}%2factivate"
    ),
    "an id that is encoded": Row(200, "GET", "{c}/%63xn{rest}"),
    "an id of no Connection": refused(404, "connection_not_found", "GET", "{c}/cxn_None"),
    "what is no id": refused(404, "connection_not_found", "GET", "{c}/1"),
    "an id that is not UTF-8": refused(404, "connection_not_found", "GET", "{c}/%FF"),
    "an id in upper case": refused(404, "connection_not_found", "GET", "{c}/CXN_1"),
    "a step on nothing": refused(404, "connection_not_found", "POST", "{c}/cxn_None/deactivate"),
    # Bodies
    "json api": Row(201, "POST", "{c}", [("Content-Type", "application/vnd.api+json")], VALID),
    "utf-8": Row(201, "POST", "{c}", [("Content-Type", "application/json; charset=UTF-8")], VALID),
    "utf-8 in quotes": Row(
        201, "POST", "{c}", [("content-type", 'Application/JSON;charset="utf-8"')], VALID
    ),
    "no coding": Row(201, "POST", "{c}", [JSON, ("Content-Encoding", "identity")], VALID),
    "latin-1": no_json(("Content-Type", "application/json; charset=latin-1")),
    "a form": no_json(("Content-Type", "application/x-www-form-urlencoded"), body=b"a=b"),
    "a form of parts": no_json(("Content-Type", "multipart/form-data; boundary=x")),
    "plain text": no_json(("Content-Type", "text/plain")),
    "xml": no_json(("Content-Type", "application/xml"), body=b"<a/>"),
    "no type": no_json(),
    "an empty type": no_json(("Content-Type", "")),
    "gzip": no_json(JSON, ("Content-Encoding", "gzip"), body=b"\x1f\x8b"),
    "two types": refused(
        400, "invalid_header", "POST", "{c}", [JSON, JSON], VALID, source={"header": "Content-Type"}
    ),
    "a form without a body, for a step": refused(
        415,
        "unsupported_media_type",
        "POST",
        "{c}/{id}/deactivate",
        [("Content-Type", "application/x-www-form-urlencoded")],
    ),
    "an object for a step": Row(200, "POST", "{c}/{id}/deactivate", [JSON], b"{}"),
    "a document for a step": refused(
        422, "invalid_document", "POST", "{c}/{id}/deactivate", [JSON], b'{"data":{}}'
    ),
    "no document": refused(422, "invalid_document", "POST", "{c}", [JSON], b"[]"),
    "no json": refused(400, "invalid_document", "POST", "{c}", [JSON], b"{"),
    "no body": refused(400, "invalid_document", "POST", "{c}", [JSON]),
    "not utf-8": refused(400, "invalid_document", "POST", "{c}", [JSON], b"\xff"),
    "a mistyped member": refused(
        422,
        "invalid_document",
        "POST",
        "{c}",
        [JSON],
        b'{"data":{"attributes":{"destination-organization-id":1}}}',
        source={"pointer": "/data/attributes/destination-organization-id"},
    ),
    "camel case": Row(
        201,
        "POST",
        "{c}",
        [JSON],
        b'{"data":{"attributes":{"destinationOrganizationId":"org_New"}}}',
    ),
    "snake case": Row(
        201,
        "POST",
        "{c}",
        [JSON],
        b'{"data":{"attributes":{"destination_organization_id":"org_New"}}}',
    ),
    "two spellings": refused(
        422,
        "invalid_document",
        "POST",
        "{c}",
        [JSON],
        b'{"data":{"attributes":{"destination_organization_id":"org_New",'
        b'"destination-organization-id":"org_New"}}}',
    ),
    "oneself": refused(
        422,
        "self_connection",
        "POST",
        "{c}",
        [JSON],
        VALID.replace(b"org_New", b"org_ABC123"),
        source={"pointer": "/data/attributes/destination-organization-id"},
    ),
    "a pair that has one": refused(
        409, "duplicate_connection", "POST", "{c}", [JSON], VALID.replace(b"org_New", b"org_DEF456")
    ),
    # Headers
    "a key": Row(200, "POST", "{c}/{id}/deactivate", [KEY]),
    "two keys": header("Idempotency-Key", KEY, KEY),
    "no key": refused(
        400,
        "invalid_idempotency_key",
        "POST",
        "{c}/{id}/deactivate",
        [("Idempotency-Key", "")],
        source={"header": "Idempotency-Key"},
    ),
    "a long key": refused(
        400, "invalid_idempotency_key", "POST", "{c}", [JSON, ("Idempotency-Key", "k" * 256)], VALID
    ),
    "two keys of a question": Row(200, "GET", "{c}/{id}", [KEY, KEY]),
    "its version": Row(200, "POST", "{c}/{id}/deactivate", [("If-Match", '"1"')]),
    "a weak tag": Row(200, "POST", "{c}/{id}/deactivate", [("If-Match", 'W/"1"')]),
    "several tags": Row(200, "POST", "{c}/{id}/deactivate", [("If-Match", '"7", "1"')]),
    "several lines": Row(
        200, "POST", "{c}/{id}/deactivate", [("If-Match", '"7"'), ("If-Match", '"1"')]
    ),
    "any version": Row(200, "POST", "{c}/{id}/deactivate", [("If-Match", "*")]),
    "another version": refused(
        409, "stale_connection", "POST", "{c}/{id}/deactivate", [("If-Match", '"2"')]
    ),
    "several other versions": refused(
        409, "stale_connection", "POST", "{c}/{id}/deactivate", [("If-Match", '"2", "3"')]
    ),
    "the last version": refused(
        409, "stale_connection", "POST", "{c}/{id}/deactivate", [("If-Match", '"2147483647"')]
    ),
    "a version that cannot be": refused(
        409, "stale_connection", "POST", "{c}/{id}/deactivate", [("If-Match", '"2147483648"')]
    ),
    "a version of many digits": refused(
        409, "stale_connection", "POST", "{c}/{id}/deactivate", [("If-Match", f'"{"9" * 5000}"')]
    ),
    "its version beside one that cannot be": Row(
        200, "POST", "{c}/{id}/deactivate", [("If-Match", '"2147483648", "1"')]
    ),
    "no tag": header("If-Match", ("If-Match", "1")),
    "an empty one": header("If-Match", ("If-Match", "")),
    "a version of what is new": refused(
        400,
        "invalid_header",
        "POST",
        "{c}",
        [JSON, ("If-Match", '"1"')],
        VALID,
        source={"header": "If-Match"},
    ),
    "what is known": Row(304, "GET", "{c}/{id}", [("If-None-Match", '"1"')], shows={"etag": '"1"'}),
    "one of what is known": Row(304, "GET", "{c}/{id}", [("If-None-Match", 'W/"9", W/"1"')]),
    "whatever is there": Row(304, "HEAD", "{c}/{id}", [("If-None-Match", "*")]),
    "what is not known": Row(200, "GET", "{c}/{id}", [("If-None-Match", '"2"')]),
    "camel": Row(200, "GET", "{c}/{id}", [("Key-Inflection", "camel")]),
    "an unknown spelling": refused(
        400,
        "invalid_header",
        "GET",
        "{c}",
        [("Key-Inflection", "Camel")],
        source={"header": "Key-Inflection"},
    ),
    "two spellings of an answer": refused(
        400,
        "invalid_header",
        "GET",
        "{c}",
        [("Key-Inflection", "camel"), ("Key-Inflection", "camel")],
    ),
    "a date": Row(200, "GET", "{c}", [("Persona-Version", "2023-01-05")]),
    "another host": Row(200, "GET", "{c}", [("Host", "elsewhere"), ("X-Forwarded-Host", "x")]),
    "a request's id": Row(
        200, "GET", "{c}", [("Request-Id", "req_1-a")], shows={"request-id": "req_1-a"}
    ),
    "text for another type": Row(200, "GET", "{c}", [("Accept", "text/html")]),
    # Queries
    "a filter": Row(200, "GET", "{c}?filter[status]=pending"),
    "an encoded filter": Row(200, "GET", "{c}?filter%5Bstatus%5D=pending"),
    "every member": Row(
        200,
        "GET",
        "{c}?filter[status]=pending&filter[destination-organization-id]=org_DEF456"
        "&filter[direction]=outbound&filter[actionable]=deactivate&page[size]=100"
        "&page[after]={id}&fields[connect/connections]=name,createdAt",
    ),
    "a mistyped filter": parameter("filter[state]", "filter[state]=active"),
    "a filter in another spelling": parameter(
        "filter[destination_organization_id]", "filter[destination_organization_id]=org_A"
    ),
    "no filter": parameter("status", "status=active"),
    "an unknown page": parameter("page[number]", "page[number]=2"),
    "an unknown order": parameter("sort", "sort=name"),
    "an unknown status": parameter("filter[status]", "filter[status]=Active"),
    "an empty status": parameter("filter[status]", "filter[status]="),
    "what is no organization": parameter(
        "filter[destination-organization-id]", "filter[destination-organization-id]=DEF456"
    ),
    "an unknown direction": parameter("filter[direction]", "filter[direction]=both"),
    "an unknown action": parameter("filter[actionable]", "filter[actionable]=share"),
    "nothing on a page": parameter("page[size]", "page[size]=0"),
    "too much on a page": parameter("page[size]", "page[size]=101"),
    "what is no number": parameter("page[size]", "page[size]=1.0"),
    "a number of another script": parameter("page[size]", "page[size]=%D9%A1"),
    "a filter twice": parameter("filter[status]", "filter[status]=active&filter[status]=pending"),
    "both cursors": parameter("page[before]", "page[after]={id}&page[before]={id}"),
    "a cursor of nothing": refused(404, "connection_not_found", "GET", "{c}?page[after]=cxn_None"),
    "an empty cursor": refused(404, "connection_not_found", "GET", "{c}?page[before]="),
    "unknown fields": parameter(
        "fields[connect/connections]", "fields[connect/connections]=secret"
    ),
    "fields of another type": parameter(
        "fields[connect/connection]", "fields[connect/connection]=status"
    ),
    "a query that is not UTF-8": refused(400, "invalid_query", "GET", "{c}?filter[status]=%FF"),
    "a query of many members": refused(
        400, "invalid_query", "GET", "{c}?" + "&".join(["a=1"] * 101)
    ),
    "a query of as many as are read": refused(
        400, "invalid_parameter", "GET", "{c}?" + "&".join(["a=1"] * 100)
    ),
    "fields of one": Row(200, "GET", "{c}/{id}?fields[connect/connections]=status"),
    "a filter of one": refused(400, "invalid_parameter", "GET", "{c}/{id}?filter[status]=active"),
    "fields of what is created": Row(
        201, "POST", "{c}?fields[connect/connections]=status", [JSON], VALID
    ),
    "a query of a step": refused(
        400, "invalid_parameter", "POST", "{c}/{id}/deactivate?fields[connect/connections]=status"
    ),
    "a query of a history": refused(
        400, "invalid_parameter", "GET", "{c}/{id}/history?page[size]=1"
    ),
}


def by_handler(transactions: MemoryTransactions) -> Any:
    """Sends requests to the handler, as a host without ASGI does."""
    handler = Handler(transactions)

    def send(
        method: str, target: str, headers: Sequence[tuple[str, str]] = (), body: bytes = b""
    ) -> Answered:
        path, _, query = target.partition("?")
        tokens = [value for name, value in headers if name == "Authorization"]
        caller = caller_of(tokens or ["Bearer ours"])
        response = handler.handle(Request(method, path, query, headers, body), caller)
        fields = {name.lower(): value for name, value in response.headers.items()}
        sent = b"" if method == "HEAD" else response.body
        return Answered(response.status, fields, sent)

    return send


def by_asgi(transactions: MemoryTransactions) -> Any:
    """Sends requests to the application, as a server does."""
    app = create_api(authenticate=authenticate, transactions=transactions)
    return AsgiClient(app).request


@pytest.mark.parametrize("way", [by_handler, by_asgi])
@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_request(row: Row, way: Any) -> None:
    send = way(MemoryTransactions())
    content = VALID.replace(b"org_New", b"org_DEF456")
    path = send("POST", CONNECTIONS, [JSON], content).headers["location"]
    connection_id = path.rpartition("/")[2]
    places = {"c": CONNECTIONS, "id": connection_id, "rest": connection_id.removeprefix("cxn")}

    answer = send(row.method, row.target.format(**places), row.headers, row.body)

    shown = {name: answer.headers.get(name) for name in row.shows}
    assert (answer.status, shown) == (row.status, dict(row.shows)), answer.body
    if row.method == "HEAD" or row.status in (204, 304):
        assert answer.body == b""
        return
    assert answer.headers["content-type"] == "application/json"
    if row.code is None:
        assert "data" in answer.json
    else:
        assert set(answer.codes) == {row.code}
        assert row.source is None or answer.json["errors"][0]["source"] == row.source
    if row.status >= 400:
        now = parse_connection(send("GET", path).body)
        assert now.status == "pending", "a refusal changed something"


def test_a_refusal_says_what_there_is() -> None:
    send = by_handler(MemoryTransactions())
    step = send("POST", f"{CONNECTIONS}/cxn_1/activate?a=1").json["errors"][0]
    assert step["details"] == "There is no a here; this operation takes no query."
    one = send("GET", f"{CONNECTIONS}/cxn_1?a=1").json["errors"][0]
    assert one["details"] == "There is no a here; there are fields[connect/connections]."


def test_there_are_enough_of_them() -> None:
    """The table is about every part of a request."""
    assert len(ROWS) >= 80
