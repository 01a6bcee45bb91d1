"""Problems in documents: all of them at once, each with its JSON pointer."""

import copy
import json
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from documents import ANSWER, GONE, edited, guide_connection
from hypothesis import given
from hypothesis import strategies as st

from connect_core import (
    InvalidDocumentError,
    Status,
    error_document,
    parse_connection,
    parse_create,
)

# --- Wrong documents -----------------------------------------------------------------------------


def problems_of(error: InvalidDocumentError) -> list[tuple[str, str]]:
    """Place and text of each problem; versions of pydantic differ in a space after a comma."""
    assert not error.malformed
    return [(problem.pointer, problem.detail.replace("','", "', '")) for problem in error.problems]


def not_one(name: str) -> str:
    """The detail about an unknown member."""
    return f"the member {name!r} is not one of this document's"


def missing(name: str) -> str:
    """The detail about a missing member."""
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
    ("/data/meta", {}, "/data/meta", not_one("meta")),
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
    ("/data/meta", [], "/data/meta", "Input should be an object"),
    ("/data/meta", 1, "/data/meta", "Input should be an object"),
    (
        "/data/id",
        "cxn_".ljust(255, "x"),
        "/data/attributes/token",
        f"the token is the id, which is '{'cxn_'.ljust(255, 'x')}'",
    ),
    (
        "/data/attributes/creator-id",
        "usr_".ljust(255, "x"),
        "/data/attributes/creator-type",
        f"the type of '{'usr_'.ljust(255, 'x')}' is user",
    ),
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
        "expected a time from 0001-01-02T00:00:00.000Z to 9999-12-30T23:59:59.999Z",
    ),
    (
        "/data/attributes/updated-at",
        "2016-12-31T23:59:60Z",
        "/data/attributes/updated-at",
        "the second of a time is at most 59; this is 60",
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
    """The problem and its place are named; a missing member's place is the object without it."""

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
        """As data and as JSON alike; the input is not changed."""
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
        assert problem.detail == "Array should have at most 64 different items"

    def test_too_many_items(self) -> None:
        """A request may name a scope as often as it likes; what differs is counted."""
        many = [f"s{index}.read" for index in range(64)]
        right = edited(CREATE, ("/data/attributes/scopes", [*many, *many, many[0]]))
        assert parse_create(right).scopes == set(many)
        for one_more in ("other.read", "Malformed", 7, None):
            wrong = edited(CREATE, ("/data/attributes/scopes", [one_more, *many]))
            with pytest.raises(InvalidDocumentError) as caught:
                parse_create(wrong)
            assert problems_of(caught.value) == [
                ("/data/attributes/scopes", "Array should have at most 64 different items")
            ]
        malformed = edited(CREATE, ("/data/attributes/scopes", [*many[:62], 7, 7]))
        with pytest.raises(InvalidDocumentError) as caught:
            parse_create(malformed)
        assert [problem.pointer for problem in caught.value.problems] == [
            "/data/attributes/scopes/62",
            "/data/attributes/scopes/63",
        ]

    def test_a_time_that_says_nothing(self) -> None:
        """A datetime is read from plain data; a naive one is refused."""
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


#: Repeated members: what is inserted, where, and the places that are named.
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
    """A repeated member is refused by name, even if the last one is valid."""

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
        """A problem with a value does not hide a contradiction."""
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


# --- Floods --------------------------------------------------------------------------------------


def unknown_members(count: int) -> str:
    """A create request with this many unknown members."""
    members = ", ".join(f'"k{index}": 1' for index in range(count))
    return json.dumps(CREATE).replace('"name"', f'{members}, "name"')


def one_repeated_among(count: int) -> str:
    """One repeated member among this many others."""
    return unknown_members(count).replace('"k0": 1', '"k0": 1, "k0": 2')


def repeated_far_below(count: int) -> str:
    """This many repeated members, deeply nested under long names."""
    members = ", ".join(f'"d{index}": 1, "d{index}": 2' for index in range(count))
    above = '{"' + "k" * 200 + '": '
    return above * 500 + "{" + members + "}" + "}" * 500


def bad_scopes(count: int) -> str:
    """This many invalid scopes."""
    return json.dumps(edited(CREATE, ("/data/attributes/scopes", [1] * count)))


class TestFloods:
    """The error is short, however many problems a document has and wherever they are."""

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
