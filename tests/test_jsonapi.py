"""The wire documents: what is read, what is written, and what is said about a wrong one."""

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from support import GUIDE_ANSWER, GUIDE_REQUEST

from connect_core import (
    DEFAULT_SCOPES,
    AccessDeniedError,
    Action,
    Actor,
    ConnectError,
    Connection,
    ConnectionNotFoundError,
    CreateRequest,
    DuplicateConnectionError,
    ForbiddenTransitionError,
    IdempotencyKeyReusedError,
    InvalidDocumentError,
    InvalidHistoryError,
    InvalidRecordError,
    InvalidTransitionError,
    NotAPartyError,
    OrganizationId,
    Problem,
    Scope,
    SelfConnectionError,
    StaleConnectionError,
    Status,
    TransitionError,
    authorize,
    authorize_access,
    authorize_create,
    connection_document,
    decide,
    decide_create,
    error_document,
    list_document,
    parse_connection,
    parse_create,
)

# --- The guide -----------------------------------------------------------------------------------

#: The same as it is here: pending, as the rules have it, and with its scopes sorted.
ANSWER = GUIDE_ANSWER.replace('"active"', '"pending"').replace(
    '["inquiry.read", "account.read"]', '["account.read", "inquiry.read"]'
)

OUR_KEY = Actor(id="api_ABC123", organization_id="org_ABC123")
PARTNER = Actor(id="usr_Rk3v", organization_id="org_DEF456")
STRANGER = Actor(id="user_Zz9", organization_id="org_XYZ789")
T0 = datetime(2018, 6, 1, tzinfo=UTC)


def guide_connection() -> Connection:
    """What the guide's request makes."""
    return Connection.create(
        by=OUR_KEY, destination="org_DEF456", name="Partner Connection", id="cxn_ABC123", at=T0
    ).connection


def one_line(text: str) -> str:
    """JSON in one line, its members in their order."""
    return json.dumps(json.loads(text))


class TestTheGuide:
    """Its request is understood, and its answer has exactly its shape."""

    @pytest.mark.parametrize(
        "body",
        [
            GUIDE_REQUEST,
            GUIDE_REQUEST.encode(),
            bytearray(GUIDE_REQUEST.encode()),
            json.loads(GUIDE_REQUEST),
            MappingProxyType(json.loads(GUIDE_REQUEST)),
            MappingProxyType(
                {
                    "data": MappingProxyType(
                        {
                            "attributes": MappingProxyType(
                                json.loads(GUIDE_REQUEST)["data"]["attributes"]
                            )
                        }
                    )
                }
            ),
        ],
        ids=["str", "bytes", "bytearray", "dict", "mapping", "mappings"],
    )
    def test_request(self, body: Any) -> None:
        request = parse_create(body)
        assert request == CreateRequest(
            OrganizationId("org_DEF456"), "Partner Connection", DEFAULT_SCOPES
        )
        assert type(request.destination_organization_id) is OrganizationId
        assert request.scopes == {"inquiry.read", "account.read"}
        assert {type(scope) for scope in request.scopes} == {Scope}

    def test_answer(self) -> None:
        request = parse_create(GUIDE_REQUEST)
        connection, _ = Connection.create(
            by=OUR_KEY,
            destination=request.destination_organization_id,
            name=request.name,
            scopes=request.scopes,
            id="cxn_ABC123",
            at=T0,
        )
        assert json.dumps(connection_document(connection)) == one_line(ANSWER)

    def test_its_own_answer_is_read(self) -> None:
        active, _ = guide_connection().activate(by=PARTNER, at=T0)
        assert parse_connection(GUIDE_ANSWER, version=2) == active


# --- One table for reading and writing -----------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """A Connection, and the attributes in which its document differs from the guide's."""

    name: str
    connection: Connection
    attributes: dict[str, object]

    @property
    def document(self) -> dict[str, Any]:
        """The whole document."""
        document: dict[str, Any] = json.loads(ANSWER)
        attributes = document["data"]["attributes"]
        attributes |= self.attributes
        document["data"]["id"] = attributes["token"]
        return document


def changed(**fields: object) -> Connection:
    """The guide's Connection with other values in some fields, all of it checked."""
    values = dict(guide_connection()) | fields
    return Connection.model_validate(values, context={"allow_self": True})


CASES = [
    Case("the guide's", guide_connection(), {}),
    Case("active", changed(status="active"), {"status": "active"}),
    Case("inactive", changed(status="inactive"), {"status": "inactive"}),
    Case("no name", changed(name=None), {"name": None}),
    Case("empty name", changed(name=""), {"name": ""}),
    Case("quotes", changed(name="\"a\" 'b' \\ /"), {"name": "\"a\" 'b' \\ /"}),
    Case("emoji", changed(name="👩‍👩‍👧 Zoë"), {"name": "👩‍👩‍👧 Zoë"}),
    Case("255 characters", changed(name="👾" * 255), {"name": "👾" * 255}),
    Case(
        "to itself",
        changed(destination_organization_id="org_ABC123"),
        {"destination-organization-id": "org_ABC123"},
    ),
    Case(
        "a person's",
        changed(creator={"id": "usr_Rk3v", "organization_id": "org_ABC123"}),
        {"creator-id": "usr_Rk3v", "creator-type": "user"},
    ),
    Case(
        "a person's, newer id",
        changed(creator={"id": "user_Rk3v", "organization_id": "org_ABC123"}),
        {"creator-id": "user_Rk3v", "creator-type": "user"},
    ),
    Case("another id", changed(id="cxn_-_x"), {"token": "cxn_-_x"}),
    Case(
        "scopes never heard of",
        changed(scopes=["z.z", "a-b.c_d", "a.b"]),
        {"scopes": ["a-b.c_d", "a.b", "z.z"]},
    ),
    Case(
        "64 scopes",
        changed(scopes=[f"s{index:02}.read" for index in reversed(range(64))]),
        {"scopes": [f"s{index:02}.read" for index in range(64)]},
    ),
    Case(
        "milliseconds",
        changed(updated_at=T0 + timedelta(milliseconds=7)),
        {"updated-at": "2018-06-01T00:00:00.007Z"},
    ),
    Case(
        "the first year and the last",
        changed(
            created_at=datetime(1, 1, 1, tzinfo=UTC),
            updated_at=datetime(9999, 12, 31, 23, 59, 59, 999000, tzinfo=UTC),
        ),
        {"created-at": "0001-01-01T00:00:00.000Z", "updated-at": "9999-12-31T23:59:59.999Z"},
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
class TestConnectionDocuments:
    """What is written is the guide's document, and reading it gives the Connection back."""

    def test_write(self, case: Case) -> None:
        assert json.dumps(connection_document(case.connection)) == json.dumps(case.document)

    def test_read(self, case: Case) -> None:
        text = json.dumps(case.document)
        raw = json.dumps(case.document, ensure_ascii=False).encode()
        for document in (case.document, MappingProxyType(case.document), text, raw, bytearray(raw)):
            assert parse_connection(document) == case.connection

    def test_the_version_is_a_parameter(self, case: Case) -> None:
        assert parse_connection(case.document, version=7) == case.connection.model_copy(
            update={"version": 7}
        )

    def test_what_was_given_is_not_changed(self, case: Case) -> None:
        given = case.document
        before = copy.deepcopy(given)
        parse_connection(given)
        assert json.dumps(given) == json.dumps(before)

    def test_the_document_is_the_callers_to_change(self, case: Case) -> None:
        first: Any = connection_document(case.connection)
        first["data"]["attributes"]["scopes"].append("x.y")
        first["data"]["attributes"]["name"] = "changed"
        assert connection_document(case.connection) == case.document


#: Documents that are read, though they would be written otherwise.
READ_ONLY: list[tuple[str, str, object, dict[str, object]]] = [
    ("the API pages' type", "/data/type", "connect/connection", {}),
    ("another order of scopes", "/data/attributes/scopes", ["inquiry.read", "account.read"], {}),
    (
        "a scope twice",
        "/data/attributes/scopes",
        ["inquiry.read", "account.read", "inquiry.read"],
        {},
    ),
    ("an offset", "/data/attributes/created-at", "2018-06-01T02:00:00.000+02:00", {}),
    ("no fraction", "/data/attributes/created-at", "2018-06-01T00:00:00Z", {}),
    ("lower case", "/data/attributes/created-at", "2018-06-01t00:00:00z", {}),
    ("microseconds are cut off", "/data/attributes/created-at", "2018-06-01T00:00:00.000999Z", {}),
    (
        "nanoseconds are cut off",
        "/data/attributes/updated-at",
        "2018-06-01T00:00:00.001999999Z",
        {"updated_at": T0 + timedelta(milliseconds=1)},
    ),
]


@pytest.mark.parametrize(
    ("pointer", "value", "fields"), [row[1:] for row in READ_ONLY], ids=[r[0] for r in READ_ONLY]
)
def test_read_though_written_otherwise(
    pointer: str, value: object, fields: dict[str, object]
) -> None:
    assert parse_connection(edited(json.loads(ANSWER), (pointer, value))) == changed(**fields)


def test_a_name_may_be_left_out() -> None:
    document = edited(json.loads(ANSWER), ("/data/attributes/name", GONE))
    assert parse_connection(document) == changed(name=None)


@pytest.mark.parametrize("version", [0, -1, True, None, "1", 1.0])
def test_what_is_no_version(version: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        parse_connection(ANSWER, version=version)
    assert [error["loc"] for error in caught.value.errors()] == [("version",)]


# --- The round trip ------------------------------------------------------------------------------

opaque = st.text("123456789ABCabc_-", min_size=1, max_size=30)
organizations = opaque.map("org_".__add__)
names = st.none() | st.text(
    st.sampled_from("a\"'\\/<\u00e9\u202e\u200d\u0301\u2028👾 ")
    | st.characters(exclude_categories=("Cc", "Cs")),
    max_size=255,
)
scope_parts = st.from_regex(r"[a-z][0-9a-z_-]{0,6}", fullmatch=True)
scopes = st.frozensets(st.tuples(scope_parts, scope_parts).map(".".join), min_size=1, max_size=64)
times = st.datetimes(
    min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30), timezones=st.just(UTC)
)


@st.composite
def connections(draw: st.DrawFn) -> Connection:
    """Any Connection at all, those that no history leads to and self-connections included."""
    source = draw(organizations)
    created_at, updated_at = sorted((draw(times), draw(times)))
    return Connection.model_validate(
        {
            "id": "cxn_" + draw(opaque),
            "source_organization_id": source,
            "destination_organization_id": draw(organizations | st.just(source)),
            "name": draw(names),
            "status": draw(st.sampled_from(Status)),
            "scopes": draw(scopes),
            "creator": {
                "id": draw(st.sampled_from(("usr_", "user_", "api_"))) + draw(opaque),
                "organization_id": source,
            },
            "created_at": created_at,
            "updated_at": updated_at,
            "version": draw(st.integers(1, 10**20)),
        },
        context={"allow_self": True},
    )


class TestRoundTrip:
    """Reading back what was written gives an equal Connection."""

    @given(connections())
    @example(guide_connection())
    def test_as_data(self, connection: Connection) -> None:
        document = connection_document(connection)
        assert parse_connection(document, version=connection.version) == connection

    @given(connections(), st.booleans())
    def test_as_json(self, connection: Connection, ascii_only: bool) -> None:
        text = json.dumps(connection_document(connection), ensure_ascii=ascii_only)
        assert parse_connection(text, version=connection.version) == connection
        assert parse_connection(text.encode(), version=connection.version) == connection

    @given(connections())
    def test_and_again(self, connection: Connection) -> None:
        """Writing what was read writes the same."""
        document = connection_document(connection)
        assert connection_document(parse_connection(document)) == document

    @settings(max_examples=30)
    @given(st.lists(connections(), max_size=3))
    def test_in_a_list(self, page: list[Connection]) -> None:
        document: Any = list_document(page)
        assert [{"data": item} for item in document["data"]] == [
            connection_document(connection) for connection in page
        ]


# --- Lists ---------------------------------------------------------------------------------------


class TestLists:
    """A page in the order given, and its links, which are null at the ends."""

    def test_no_connections(self) -> None:
        assert json.dumps(list_document([])) == (
            '{"data": [], "links": {"prev": null, "next": null}}'
        )

    def test_a_page(self) -> None:
        one, two = CASES[0], CASES[11]
        page = iter([two.connection, one.connection])
        document = list_document(page, prev="/c?page[before]=cxn_-_x", next="/c?page[after]=cxn_A")
        assert json.dumps(document) == json.dumps(
            {
                "data": [two.document["data"], one.document["data"]],
                "links": {"prev": "/c?page[before]=cxn_-_x", "next": "/c?page[after]=cxn_A"},
            }
        )

    @pytest.mark.parametrize("links", [{"prev": "/p"}, {"next": "/n"}])
    def test_one_end(self, links: dict[str, str]) -> None:
        document = list_document([guide_connection()], **links)
        assert document["links"] == {"prev": None, "next": None} | links


# --- Create requests -----------------------------------------------------------------------------

DESTINATION = OrganizationId("org_DEF456")

CREATES: list[tuple[str, dict[str, object], CreateRequest]] = [
    ("the least", {}, CreateRequest(DESTINATION)),
    ("no name", {"name": None}, CreateRequest(DESTINATION, None)),
    ("empty name", {"name": ""}, CreateRequest(DESTINATION, "")),
    ("255 characters", {"name": "é" * 255}, CreateRequest(DESTINATION, "é" * 255)),
    (
        "one scope",
        {"scopes": ["inquiry.read"]},
        CreateRequest(DESTINATION, None, frozenset({Scope("inquiry.read")})),
    ),
    (
        "scopes never heard of",
        {"scopes": ["b.c-d", "a.b", "a.b"]},
        CreateRequest(DESTINATION, None, frozenset({Scope("a.b"), Scope("b.c-d")})),
    ),
    (
        "64 scopes",
        {"scopes": [f"s{index}.read" for index in range(64)]},
        CreateRequest(DESTINATION, None, frozenset(Scope(f"s{index}.read") for index in range(64))),
    ),
]


@pytest.mark.parametrize(
    "type_member",
    [{}, {"type": "connect/connections"}, {"type": "connect/connection"}],
    ids=["no type", "plural type", "singular type"],
)
@pytest.mark.parametrize(
    ("attributes", "expected"), [row[1:] for row in CREATES], ids=[row[0] for row in CREATES]
)
def test_create_requests(
    attributes: dict[str, object], expected: CreateRequest, type_member: dict[str, str]
) -> None:
    body = {
        "data": {
            **type_member,
            "attributes": {"destination-organization-id": "org_DEF456", **attributes},
        }
    }
    before = copy.deepcopy(body)
    for form in (body, MappingProxyType(body), json.dumps(body), json.dumps(body).encode()):
        assert parse_create(form) == expected
    assert body == before


def test_a_create_request_is_immutable() -> None:
    request = parse_create(GUIDE_REQUEST)
    with pytest.raises(AttributeError):
        request.name = "other"  # type: ignore[misc]  # what is tested  # pyright: ignore[reportAttributeAccessIssue]
    assert request.name == "Partner Connection"


# --- Wrong documents -----------------------------------------------------------------------------


class _Gone:
    """Stands for a member that is taken out."""


GONE = _Gone()


def edited(document: dict[str, Any], *edits: tuple[str, object]) -> Any:
    """A copy of `document` with the value at each pointer replaced, added or taken out."""
    result: Any = copy.deepcopy(document)
    for pointer, value in edits:
        if pointer == "":
            result = value
            continue
        *above, last = pointer.split("/")[1:]
        target = result
        for part in above:
            target = target[part]
        last = last.replace("~1", "/").replace("~0", "~")
        if value is GONE:
            del target[last]
        else:
            target[last] = value
    return result


def problems_of(error: InvalidDocumentError) -> list[tuple[str, str]]:
    """Place and text of each problem; versions of pydantic differ in a space after a comma."""
    assert not error.malformed
    return [(problem.pointer, problem.detail.replace("','", "', '")) for problem in error.problems]


def not_one(name: str) -> str:
    """What is said about a member that is not known."""
    return f"the member {name!r} is not one of this document's"


def missing(name: str) -> str:
    """What is said about a member that is missing."""
    return f"the member {name!r} is missing"


NOT_TEXT = "Input should be a valid string"
NOT_AN_OBJECT = "Input should be an object"
NOT_AN_ARRAY = "Input should be an array"
NOT_AN_ORGANIZATION = "expected an organization id ('org_' and then letters, digits, '_' or '-')"
NOT_AN_ACTOR = (
    "expected an actor id ('api_', 'usr_' or 'user_' and then letters, digits, '_' or '-')"
)
NOT_A_CONNECTION = "expected a connection id ('cxn_' and then letters, digits, '_' or '-')"
NOT_A_SCOPE = "expected a scope of the form resource.verb, in lower case, such as inquiry.read, got"
NOT_A_TYPE = "Input should be 'connect/connections' or 'connect/connection'"
NOT_A_TIME = "expected a time such as 2018-06-01T00:00:00.000Z, with its offset"
NOT_A_TIME_AT_ALL = "expected a time: a datetime, or text such as 2018-06-01T00:00:00.000Z"

#: One edit of a valid document and the one problem it makes: place, value, problem's place, text.
Wrong = tuple[str, object, str, str]

WRONG_IN_BOTH: list[Wrong] = [
    ("", None, "", NOT_AN_OBJECT),
    ("", [], "", NOT_AN_OBJECT),
    ("", True, "", NOT_AN_OBJECT),
    ("", {}, "", missing("data")),
    ("/data", None, "/data", NOT_AN_OBJECT),
    ("/data", [{}], "/data", NOT_AN_OBJECT),
    ("/data", "x", "/data", NOT_AN_OBJECT),
    ("/data/attributes", GONE, "/data", missing("attributes")),
    ("/data/attributes", None, "/data/attributes", NOT_AN_OBJECT),
    ("/data/attributes", [], "/data/attributes", NOT_AN_OBJECT),
    ("/data/type", "connect/connectionz", "/data/type", NOT_A_TYPE),
    ("/data/type", "Connect/Connections", "/data/type", NOT_A_TYPE),
    ("/data/type", None, "/data/type", NOT_A_TYPE),
    ("/data/type", True, "/data/type", NOT_A_TYPE),
    ("/meta", {}, "/meta", not_one("meta")),
    ("/a~1b~0c", 1, "/a~1b~0c", not_one("a/b~c")),
    ("/data/relationships", {}, "/data/relationships", not_one("relationships")),
    ("/data/attributes/size", 1, "/data/attributes/size", not_one("size")),
    ("/data/attributes/", 1, "/data/attributes/", not_one("")),
    (
        "/data/attributes/destination-organization-id",
        GONE,
        "/data/attributes",
        missing("destination-organization-id"),
    ),
    (
        "/data/attributes/destination_organization_id",
        "org_B",
        "/data/attributes/destination_organization_id",
        not_one("destination_organization_id"),
    ),
    (
        "/data/attributes/destination-organization-id",
        "ORG_B",
        "/data/attributes/destination-organization-id",
        f"{NOT_AN_ORGANIZATION}, got 'ORG_B'",
    ),
    (
        "/data/attributes/destination-organization-id",
        True,
        "/data/attributes/destination-organization-id",
        NOT_TEXT,
    ),
    (
        "/data/attributes/destination-organization-id",
        {"id": "org_B"},
        "/data/attributes/destination-organization-id",
        NOT_TEXT,
    ),
    (
        "/data/attributes/name",
        "x" * 256,
        "/data/attributes/name",
        "a name has at most 255 characters; this has 256",
    ),
    (
        "/data/attributes/name",
        "a\nb",
        "/data/attributes/name",
        "a name cannot hold the character U+000A",
    ),
    (
        "/data/attributes/name",
        "\x00",
        "/data/attributes/name",
        "a name cannot hold the character U+0000",
    ),
    (
        "/data/attributes/name",
        "\x85",
        "/data/attributes/name",
        "a name cannot hold the character U+0085",
    ),
    ("/data/attributes/name", True, "/data/attributes/name", NOT_TEXT),
    ("/data/attributes/name", 5, "/data/attributes/name", NOT_TEXT),
    ("/data/attributes/name", ["x"], "/data/attributes/name", NOT_TEXT),
    ("/data/attributes/scopes", [], "/data/attributes/scopes", "Array should have at least 1 item"),
    ("/data/attributes/scopes", None, "/data/attributes/scopes", NOT_AN_ARRAY),
    ("/data/attributes/scopes", "a.b", "/data/attributes/scopes", NOT_AN_ARRAY),
    ("/data/attributes/scopes", {"a.b": 1}, "/data/attributes/scopes", NOT_AN_ARRAY),
    (
        "/data/attributes/scopes",
        ["a.b", "c.d", "e"],
        "/data/attributes/scopes/2",
        f"{NOT_A_SCOPE} 'e'",
    ),
    ("/data/attributes/scopes", [True], "/data/attributes/scopes/0", NOT_TEXT),
    ("/data/attributes/scopes", ["a.b", ["c.d"]], "/data/attributes/scopes/1", NOT_TEXT),
]

WRONG_CREATES: list[Wrong] = [
    ("/data/id", "cxn_A", "/data/id", not_one("id")),
    ("/data/attributes/token", "cxn_A", "/data/attributes/token", not_one("token")),
    ("/data/attributes/status", "active", "/data/attributes/status", not_one("status")),
    (
        "/data/attributes/organization-id",
        "org_A",
        "/data/attributes/organization-id",
        not_one("organization-id"),
    ),
    ("/data/attributes/creator-id", "api_A", "/data/attributes/creator-id", not_one("creator-id")),
]

NOT_EVEN_TEXT: list[object] = [None, True, 1527811200, 1.5, [], {}]

WRONG_CONNECTIONS: list[Wrong] = [
    ("/data/type", GONE, "/data", missing("type")),
    ("/data/id", GONE, "/data", missing("id")),
    ("/data/id", None, "/data/id", NOT_TEXT),
    *(
        (f"/data/attributes/{name}", GONE, "/data/attributes", missing(name))
        for name in (
            "token",
            "status",
            "organization-id",
            "scopes",
            "creator-id",
            "creator-type",
            "created-at",
            "updated-at",
        )
    ),
    (
        "/data/attributes/token",
        "cxn_abc123",
        "/data/attributes/token",
        "the token is the id, which is 'cxn_ABC123'",
    ),
    (
        "/data/attributes/token",
        "api_A",
        "/data/attributes/token",
        f"{NOT_A_CONNECTION}, got 'api_A'",
    ),
    (
        "/data/attributes/status",
        "ACTIVE",
        "/data/attributes/status",
        "Input should be 'pending', 'active' or 'inactive'",
    ),
    (
        "/data/attributes/status",
        "absent",
        "/data/attributes/status",
        "Input should be 'pending', 'active' or 'inactive'",
    ),
    (
        "/data/attributes/organization-id",
        "org_",
        "/data/attributes/organization-id",
        f"{NOT_AN_ORGANIZATION}, got 'org_'",
    ),
    (
        "/data/attributes/creator-id",
        "key_A",
        "/data/attributes/creator-id",
        f"{NOT_AN_ACTOR}, got 'key_A'",
    ),
    (
        "/data/attributes/creator-type",
        "user",
        "/data/attributes/creator-type",
        "the type of 'api_ABC123' is api-key",
    ),
    (
        "/data/attributes/creator-id",
        "user_A",
        "/data/attributes/creator-type",
        "the type of 'user_A' is user",
    ),
    (
        "/data/attributes/creator-type",
        "api_key",
        "/data/attributes/creator-type",
        "Input should be 'user' or 'api-key'",
    ),
    (
        "/data/attributes/updated-at",
        "2018-05-31T23:59:59.999Z",
        "/data/attributes/updated-at",
        "a Connection cannot be updated before it was created",
    ),
    (
        "/data/attributes/created-at",
        "2018-06-01T00:00:00.001Z",
        "/data/attributes/updated-at",
        "a Connection cannot be updated before it was created",
    ),
    *(
        (f"/data/attributes/{name}", value, f"/data/attributes/{name}", NOT_A_TIME)
        for name in ("created-at", "updated-at")
        for value in ("2018-06-01T00:00:00.000", "2018-06-01", "1527811200", "now", "")
    ),
    *(
        ("/data/attributes/created-at", value, "/data/attributes/created-at", NOT_A_TIME_AT_ALL)
        for value in NOT_EVEN_TEXT
    ),
    (
        "/data/attributes/created-at",
        "2018-13-01T00:00:00Z",
        "/data/attributes/created-at",
        "month must be in 1..12",
    ),
    (
        "/data/attributes/updated-at",
        "9999-12-31T23:59:59.000-00:01",
        "/data/attributes/updated-at",
        "the time is outside the years 1 to 9999 in UTC",
    ),
]


def named(table: list[Wrong]) -> list[Any]:
    """The rows of `table`, each with an id to tell it by."""
    return [
        pytest.param(*row, id=f"{row[0] or 'document'}={'' if row[1] is GONE else row[1]!r:.20}")
        for row in table
    ]


CREATE = {
    "data": {
        "type": "connect/connections",
        "attributes": {
            "destination-organization-id": "org_DEF456",
            "name": "Partner Connection",
            "scopes": ["inquiry.read"],
        },
    }
}


class TestOneProblem:
    """What is wrong is named, with its place: a missing member's is the object that lacks it."""

    @pytest.mark.parametrize(
        ("edit_at", "value", "pointer", "detail"), named(WRONG_IN_BOTH + WRONG_CREATES)
    )
    def test_in_a_create_request(
        self, edit_at: str, value: object, pointer: str, detail: str
    ) -> None:
        wrong = edited(CREATE, (edit_at, value))
        self.refused(parse_create, wrong, pointer, detail)

    @pytest.mark.parametrize(
        ("edit_at", "value", "pointer", "detail"), named(WRONG_IN_BOTH + WRONG_CONNECTIONS)
    )
    def test_in_a_connection(self, edit_at: str, value: object, pointer: str, detail: str) -> None:
        wrong = edited(json.loads(ANSWER), (edit_at, value))
        self.refused(parse_connection, wrong, pointer, detail)

    def refused(self, parse: Any, wrong: Any, pointer: str, detail: str) -> None:
        """As data and as JSON alike; and what was given is as it was."""
        before = copy.deepcopy(wrong)
        for form in (wrong, json.dumps(wrong), json.dumps(wrong).encode()):
            with pytest.raises(InvalidDocumentError) as caught:
                parse(form)
            assert problems_of(caught.value) == [(pointer, detail)]
            assert str(caught.value) == (
                f"The document is not valid: {caught.value.problems[0].detail} "
                f"(at {pointer or 'the top level'})."
            )
        assert wrong == before

    def test_too_many_scopes(self) -> None:
        too_many = [f"s{index}.read" for index in range(65)]
        wrong = edited(json.loads(ANSWER), ("/data/attributes/scopes", too_many))
        with pytest.raises(InvalidDocumentError) as caught:
            parse_connection(wrong)
        (problem,) = caught.value.problems
        assert problem.pointer == "/data/attributes/scopes"
        assert problem.detail == "Array should have at most 64 items"

    def test_a_time_that_says_nothing(self) -> None:
        """A datetime is read from data that is no JSON; a naive one is not."""
        aware = datetime(2018, 6, 1, 5, 30, tzinfo=timezone(timedelta(hours=5, minutes=30)))
        right = edited(json.loads(ANSWER), ("/data/attributes/created-at", aware))
        assert parse_connection(right) == guide_connection()
        wrong = edited(json.loads(ANSWER), ("/data/attributes/created-at", datetime(2018, 6, 1)))
        with pytest.raises(InvalidDocumentError) as caught:
            parse_connection(wrong)
        assert problems_of(caught.value) == [
            (
                "/data/attributes/created-at",
                "the time is naive; give it a time zone, such as datetime.UTC",
            )
        ]


#: Members that stand twice: what is put in, where, and the places that are named.
REPEATED: list[tuple[str, str, list[tuple[str, str]]]] = [
    ('"data":', '"data": {}, "data":', [("/data", "data")]),
    ('"type":', '"type": 5, "type":', [("/data/type", "type")]),
    ('"name":', '"name": "Partner Connection", "name":', [("/data/attributes/name", "name")]),
    ('"name":', '"name": 1, "name": 2, "name":', [("/data/attributes/name", "name")]),
    ('"name":', '"n\\u0061me": 1, "name":', [("/data/attributes/name", "name")]),
    (
        '"name":',
        '"name": 1, "scopes": 2, "name":',
        [("/data/attributes/scopes", "scopes"), ("/data/attributes/name", "name")],
    ),
]


class TestRepeatedMembers:
    """A member that stands twice is refused by name, even if the last one would do."""

    @pytest.mark.parametrize(("before", "after", "named"), REPEATED)
    @pytest.mark.parametrize("binary", [False, True], ids=["text", "bytes"])
    def test_alone(
        self, before: str, after: str, named: list[tuple[str, str]], binary: bool
    ) -> None:
        document = json.dumps(CREATE).replace(before, after, 1)
        with pytest.raises(InvalidDocumentError) as caught:
            parse_create(document.encode() if binary else document)
        assert sorted(problems_of(caught.value)) == sorted(
            (pointer, f"the member {name!r} stands twice") for pointer, name in named
        )

    def test_with_what_else_is_wrong(self) -> None:
        document = (
            '{"data": {"attributes": {"name": 1, "name": 2, '
            '"a/b~c": [{}, {"d": {"e": 1, "e": 2}}], "a/b~c": [0, {"d": {"e": 1, "e": 2}}]}}}'
        )
        with pytest.raises(InvalidDocumentError) as caught:
            parse_create(document)
        assert problems_of(caught.value) == [
            ("/data/attributes", missing("destination-organization-id")),
            ("/data/attributes/name", NOT_TEXT),
            ("/data/attributes/a~1b~0c", not_one("a/b~c")),
            ("/data/attributes/name", "the member 'name' stands twice"),
            ("/data/attributes/a~1b~0c", "the member 'a/b~c' stands twice"),
            ("/data/attributes/a~1b~0c/1/d/e", "the member 'e' stands twice"),
        ]

    def test_the_same_name_in_two_places_is_no_repetition(self) -> None:
        document = json.loads(ANSWER)
        document["data"]["attributes"]["id"] = {"id": 1}
        with pytest.raises(InvalidDocumentError) as caught:
            parse_connection(json.dumps(document))
        assert problems_of(caught.value) == [("/data/attributes/id", not_one("id"))]


class TestSeveralProblems:
    """Every problem is reported at once, in one error."""

    def test_in_a_create_request(self) -> None:
        wrong = edited(
            CREATE,
            ("/data/type", "x"),
            ("/data/attributes/destination-organization-id", GONE),
            ("/data/attributes/name", "x\x7f"),
            ("/data/attributes/scopes", ["A.b", "a.b", 5]),
            ("/data/attributes/extra", 1),
            ("/links", {}),
        )
        with pytest.raises(InvalidDocumentError) as caught:
            parse_create(wrong)
        assert sorted(problems_of(caught.value)) == sorted(
            [
                ("/data/type", NOT_A_TYPE),
                ("/data/attributes", missing("destination-organization-id")),
                ("/data/attributes/name", "a name cannot hold the character U+007F"),
                ("/data/attributes/scopes/0", f"{NOT_A_SCOPE} 'A.b'"),
                ("/data/attributes/scopes/2", NOT_TEXT),
                ("/data/attributes/extra", not_one("extra")),
                ("/links", not_one("links")),
            ]
        )

    def test_in_a_connection(self) -> None:
        """A problem with a value does not hide what contradicts it."""
        wrong = edited(
            json.loads(ANSWER),
            ("/data/id", "nope"),
            ("/data/attributes/organization-id", None),
            ("/data/attributes/creator-type", "user"),
            ("/data/attributes/status", "open"),
            ("/data/attributes/created-at", GONE),
            ("/data/attributes/updated-at", "yesterday"),
        )
        with pytest.raises(InvalidDocumentError) as caught:
            parse_connection(wrong)
        found = dict(problems_of(caught.value))
        assert found["/data/id"] == f"{NOT_A_CONNECTION}, got 'nope'"
        assert found["/data/attributes/organization-id"] == NOT_TEXT
        assert found["/data/attributes"] == missing("created-at")
        assert found["/data/attributes/updated-at"] == NOT_A_TIME
        assert found["/data/attributes/status"] == (
            "Input should be 'pending', 'active' or 'inactive'"
        )

    @given(st.sets(st.sampled_from(sorted(json.loads(ANSWER)["data"]["attributes"]))))
    def test_any_members_that_are_missing(self, gone: set[str]) -> None:
        wrong = edited(json.loads(ANSWER), *((f"/data/attributes/{name}", GONE) for name in gone))
        due = {("/data/attributes", missing(name)) for name in gone - {"name"}}
        if not due:
            assert parse_connection(wrong).status is Status.PENDING
            return
        with pytest.raises(InvalidDocumentError) as caught:
            parse_connection(wrong)
        assert set(problems_of(caught.value)) == due
        assert len(caught.value.problems) == len(due)


# --- Error documents -----------------------------------------------------------------------------


@dataclass
class Row:
    """A row of somebody's table."""

    source_organization_id: str = "org_ABC123"
    destination_organization_id: str = "org_DEF456"
    status: str = "active"
    scopes: tuple[str, ...] = ("inquiry.read",)
    id: str = "cxn_ABC123"


PENDING = guide_connection()
ACTIVE = PENDING.activate(by=PARTNER).connection
INACTIVE = PENDING.deactivate(by=OUR_KEY).connection
NOT_FOUND = (
    "No Connection cxn_ABC123 is to be found for your organization. "
    "Check the id, and the organization that you act for."
)

ERRORS: list[tuple[str, ConnectError, int, str, str, str]] = [
    (
        "wrong role",
        ForbiddenTransitionError(decide(OUR_KEY, Action.ACTIVATE, PENDING), OUR_KEY, "cxn_ABC123"),
        403,
        "Forbidden",
        "wrong_role",
        "api_ABC123 of org_ABC123 may not activate cxn_ABC123: Only the destination may activate "
        "a Connection, and the actor acts for the source. It is for the destination to activate "
        "it.",
    ),
    (
        "outsider",
        NotAPartyError(decide(STRANGER, Action.ACTIVATE, PENDING), STRANGER, "cxn_ABC123"),
        404,
        "Record not found",
        "connection_not_found",
        NOT_FOUND,
    ),
    (
        "outsider who would read",
        AccessDeniedError(
            decide(STRANGER, Action.ACTIVATE, PENDING), STRANGER, "inquiry.read", "cxn_ABC123"
        ),
        404,
        "Record not found",
        "connection_not_found",
        NOT_FOUND,
    ),
    (
        "wrong status",
        InvalidTransitionError(decide(PARTNER, Action.ACTIVATE, INACTIVE), PARTNER, "cxn_ABC123"),
        409,
        "Invalid transition",
        "wrong_status",
        "usr_Rk3v of org_DEF456 may not activate cxn_ABC123: A Connection can be activated only "
        "while it is pending, and this one is inactive. First the source must reactivate it.",
    ),
    (
        "duplicate",
        DuplicateConnectionError(
            decide_create(
                OUR_KEY, source="org_ABC123", destination="org_DEF456", existing=INACTIVE
            ),
            "cxn_ABC123",
        ),
        409,
        "Record not unique",
        "duplicate_connection",
        "A Connection from this source to this destination exists already and is inactive; there "
        "is only ever one for an ordered pair. It is cxn_ABC123. Reactivate the existing one "
        "instead.",
    ),
    (
        "access denied",
        AccessDeniedError(
            decide(PARTNER, Action.REACTIVATE, INACTIVE), PARTNER, "inquiry.read", "cxn_ABC123"
        ),
        403,
        "Access denied",
        "access_denied",
        "usr_Rk3v of org_DEF456 may not read 'inquiry.read' through cxn_ABC123: Only the source "
        "may reactivate a Connection, and the actor acts for the destination. It is for the "
        "source to reactivate it.",
    ),
    (
        "not found",
        ConnectionNotFoundError("cxn_ABC123"),
        404,
        "Record not found",
        "connection_not_found",
        NOT_FOUND,
    ),
    (
        "stale",
        StaleConnectionError(3, 4, "cxn_ABC123"),
        409,
        "Stale object error",
        "stale_connection",
        "cxn_ABC123 has changed: version 3 was expected, and it has version 4. "
        "Read it again and decide anew.",
    ),
    (
        "history",
        InvalidHistoryError(2, "names a secret"),
        500,
        "Internal error",
        "invalid_history",
        "The request could not be served.",
    ),
    (
        "reused key",
        IdempotencyKeyReusedError("key-1"),
        422,
        "Idempotency key reused",
        "idempotency_key_reused",
        "The idempotency key 'key-1' came with another request before, and nothing was done. Take "
        "a new key for a new request; repeat a request word for word.",
    ),
    (
        "record",
        InvalidRecordError("a secret", "another"),
        500,
        "Internal error",
        "invalid_record",
        "The request could not be served.",
    ),
    (
        "any other",
        ConnectError("a secret"),
        500,
        "Internal error",
        "connect_error",
        "The request could not be served.",
    ),
    (
        "a transition error of no class",
        TransitionError(decide(OUR_KEY, Action.ACTIVATE, PENDING), OUR_KEY, "cxn_ABC123"),
        500,
        "Internal error",
        "transition_refused",
        "The request could not be served.",
    ),
]


class TestErrorDocuments:
    """Each error has its HTTP status and a body that names what is wrong and what would help."""

    @pytest.mark.parametrize(
        ("error", "status", "title", "code", "details"),
        [row[1:] for row in ERRORS],
        ids=[row[0] for row in ERRORS],
    )
    def test_body(
        self, error: ConnectError, status: int, title: str, code: str, details: str
    ) -> None:
        body = {"errors": [{"title": title, "details": details, "meta": {"code": code}}]}
        assert json.dumps(error_document(error)) == json.dumps([status, body])

    def test_self_connection_names_the_member(self) -> None:
        with pytest.raises(SelfConnectionError) as caught:
            authorize_create(OUR_KEY, source="org_ABC123", destination="org_ABC123")
        status, body = error_document(caught.value)
        assert status == 422
        assert body == {
            "errors": [
                {
                    "title": "Self-connection",
                    "details": str(caught.value),
                    "meta": {"code": "self_connection"},
                    "source": {"pointer": "/data/attributes/destination-organization-id"},
                }
            ]
        }
        assert "org_ABC123" in str(caught.value)

    def test_an_invalid_document_has_one_entry_a_problem(self) -> None:
        error = InvalidDocumentError(
            (Problem("", "it is empty"), Problem("/data/a~1b", "it is wrong"))
        )
        assert json.dumps(error_document(error)) == json.dumps(
            [
                422,
                {
                    "errors": [
                        {
                            "title": "Invalid document",
                            "details": "it is empty",
                            "meta": {"code": "invalid_document"},
                            "source": {"pointer": ""},
                        },
                        {
                            "title": "Invalid document",
                            "details": "it is wrong",
                            "meta": {"code": "invalid_document"},
                            "source": {"pointer": "/data/a~1b"},
                        },
                    ]
                },
            ]
        )

    def test_malformed_json(self) -> None:
        with pytest.raises(InvalidDocumentError) as caught:
            parse_create('{"data": }')
        assert caught.value.malformed
        reason = "Expecting value: line 1 column 10 (char 9)"
        assert caught.value.problems == (Problem("", reason),)
        assert str(caught.value) == f"The document is not JSON: {reason} (at the top level)."
        assert error_document(caught.value) == (
            400,
            {
                "errors": [
                    {
                        "title": "Malformed JSON",
                        "details": reason,
                        "meta": {"code": "invalid_document"},
                        "source": {"pointer": ""},
                    }
                ]
            },
        )

    def test_every_class_is_told(self) -> None:
        """The table above has each public error but the two that have a test of their own."""
        due = set(subclasses_of(ConnectError)) - {SelfConnectionError, InvalidDocumentError}
        due = {cls for cls in due if cls.__module__ == "connect_core.errors"}
        assert {type(row[1]) for row in ERRORS} == due | {ConnectError}


def subclasses_of(cls: type[ConnectError]) -> Iterator[type[ConnectError]]:
    """Those of `cls`, and theirs."""
    for subclass in cls.__subclasses__():
        yield subclass
        yield from subclasses_of(subclass)


class TestOutsiders:
    """An outsider cannot tell a Connection that exists from one that does not."""

    @pytest.mark.parametrize("connection", [PENDING, ACTIVE, INACTIVE, Row(status="frozen")])
    def test_is_told_that_there_is_none(self, connection: Any) -> None:
        none_there = error_document(ConnectionNotFoundError("cxn_ABC123"))
        for action in (Action.ACTIVATE, Action.DEACTIVATE, Action.REACTIVATE):
            with pytest.raises(NotAPartyError) as refused:
                authorize(STRANGER, action, connection)
            assert error_document(refused.value) == none_there
        with pytest.raises(AccessDeniedError) as denied:
            authorize_access(STRANGER, "inquiry.read", connection)
        assert error_document(denied.value) == none_there

    @pytest.mark.parametrize("existing", [None, PENDING, ACTIVE, INACTIVE])
    def test_who_would_create_for_others(self, existing: Connection | None) -> None:
        with pytest.raises(NotAPartyError) as refused:
            authorize_create(
                STRANGER, source="org_ABC123", destination="org_DEF456", existing=existing
            )
        assert error_document(refused.value) == error_document(ConnectionNotFoundError())

    def test_a_party_is_told_the_truth(self) -> None:
        with pytest.raises(AccessDeniedError) as denied:
            authorize_access(PARTNER, "inquiry.read", PENDING)
        status, body = error_document(denied.value)
        assert status == 403
        assert "First the destination must activate it." in json.dumps(body)


class _ImpatientError(StaleConnectionError):
    """An error of a service's own."""

    code = "impatient"


class _UnlistedError(ConnectError):
    """Another, with no base that says anything about HTTP."""

    code = "unlisted"


class _HiddenError(NotAPartyError):
    """One that must not be told."""

    code = "hidden"


class TestErrorsOfYourOwn:
    """A subclass that the library does not know has the status and the title of its base."""

    def test_status_and_title_of_the_base(self) -> None:
        error = _ImpatientError(1, 2, "cxn_A")
        assert error_document(error) == (
            409,
            {
                "errors": [
                    {
                        "title": "Stale object error",
                        "details": str(error),
                        "meta": {"code": "impatient"},
                    }
                ]
            },
        )

    def test_nothing_is_told_of_the_inside(self) -> None:
        status, body = error_document(_UnlistedError("password"))
        assert status == 500
        assert "password" not in json.dumps(body)
        assert body == {
            "errors": [
                {
                    "title": "Internal error",
                    "details": "The request could not be served.",
                    "meta": {"code": "unlisted"},
                }
            ]
        }

    def test_an_outsiders_stays_hidden(self) -> None:
        error = _HiddenError(decide(STRANGER, Action.ACTIVATE, PENDING), STRANGER, "cxn_ABC123")
        assert error_document(error) == error_document(ConnectionNotFoundError("cxn_ABC123"))


# --- Floods --------------------------------------------------------------------------------------


def unknown_members(count: int) -> str:
    """A create request with this many members that nobody knows."""
    members = ", ".join(f'"k{index}": 1' for index in range(count))
    return json.dumps(CREATE).replace('"name"', f'{members}, "name"')


def one_repeated_among(count: int) -> str:
    """One member that stands twice among this many that stand once."""
    return unknown_members(count).replace('"k0": 1', '"k0": 1, "k0": 2')


def repeated_far_below(count: int) -> str:
    """This many members that stand twice, far down under long names."""
    members = ", ".join(f'"d{index}": 1, "d{index}": 2' for index in range(count))
    above = '{"' + "k" * 200 + '": '
    return above * 500 + "{" + members + "}" + "}" * 500


def bad_scopes(count: int) -> str:
    """This many scopes that are none."""
    return json.dumps(edited(CREATE, ("/data/attributes/scopes", [1] * count)))


class TestFloods:
    """What is said about a document is short, however many problems it has and wherever."""

    @pytest.mark.parametrize(
        "flood", [unknown_members, one_repeated_among, repeated_far_below, bad_scopes]
    )
    def test_what_is_said_does_not_grow_with_the_problems(
        self, flood: Callable[[int], str]
    ) -> None:
        sizes: list[int] = []
        for count in (1_000, 2_000):
            with pytest.raises(InvalidDocumentError) as caught:
                parse_create(flood(count))
            assert len(str(caught.value)) < 50_000
            sizes.append(len(json.dumps(error_document(caught.value)[1])))
        assert sizes[1] < sizes[0] * 1.1


class TestSendable:
    """An error document is JSON in UTF-8, whatever the error was made with."""

    @pytest.mark.parametrize(
        "error",
        [
            ConnectionNotFoundError("cxn_\udcff"),
            StaleConnectionError(1, 2, "cxn_\ud800"),
            NotAPartyError(
                decide(STRANGER, Action.ACTIVATE, guide_connection()), STRANGER, "\udfff"
            ),
            AccessDeniedError(
                decide(OUR_KEY, Action.ACTIVATE, guide_connection()), OUR_KEY, "\ud800"
            ),
        ],
        ids=["not found", "stale", "outsider", "access"],
    )
    def test_half_a_surrogate_pair(self, error: ConnectError) -> None:
        """An id or a scope that was asked for comes from a URL, and a URL can hold any bytes."""
        _, body = error_document(error)
        assert json.loads(json.dumps(body, ensure_ascii=False).encode("utf-8")) == body

    @pytest.mark.parametrize(
        "error",
        [
            ConnectionNotFoundError("x" * 10_000_000),
            AccessDeniedError(
                decide(OUR_KEY, Action.ACTIVATE, guide_connection()), OUR_KEY, "x" * 10_000_000
            ),
        ],
        ids=["not found", "access"],
    )
    def test_ten_megabytes(self, error: ConnectError) -> None:
        assert len(str(error)) < 2_000
        assert len(json.dumps(error_document(error)[1])) < 2_000


# --- Plain data ----------------------------------------------------------------------------------


def kinds_in(value: object) -> set[type]:
    """The exact type of everything in a document, names of members included."""
    kinds: set[type] = {type(value)}
    if isinstance(value, dict):
        for name, item in value.items():  # pyright: ignore[reportUnknownVariableType]  # of anything
            kinds |= {type(name)} | kinds_in(item)  # pyright: ignore[reportUnknownArgumentType]  # as above
    elif isinstance(value, list):
        for item in value:  # pyright: ignore[reportUnknownVariableType]  # of anything
            kinds |= kinds_in(item)  # pyright: ignore[reportUnknownArgumentType]  # as above
    return kinds


class TestPlainData:
    """Documents are made of dict, list, str, int and None: no subclasses, which some refuse."""

    PLAIN = frozenset({dict, list, str, int, type(None)})

    @pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
    def test_connections(self, case: Case) -> None:
        assert kinds_in(connection_document(case.connection)) <= self.PLAIN
        assert kinds_in(list_document([case.connection], next="/n")) <= self.PLAIN

    @pytest.mark.parametrize("error", [row[1] for row in ERRORS], ids=[row[0] for row in ERRORS])
    def test_errors(self, error: ConnectError) -> None:
        status, body = error_document(error)
        assert type(status) is int
        assert kinds_in(body) <= self.PLAIN

    def test_invalid_documents(self) -> None:
        with pytest.raises(InvalidDocumentError) as caught:
            parse_connection({"data": {"id": "x", 5: 1, "attributes": {}}})
        assert kinds_in(error_document(caught.value)[1]) <= self.PLAIN
