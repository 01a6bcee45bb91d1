"""Strategies of documents."""

import json
from collections.abc import Callable
from typing import Any, NamedTuple, cast

import pytest
from drawing import drawn, simplest
from hypothesis import given
from hypothesis import strategies as st

from connect_core import (
    InvalidDocumentError,
    Organization,
    Problem,
    connection_document,
    parse_connection,
    parse_create,
    strategies,
)

PLAIN = (type(None), bool, int, float, str, list, dict)


def parts_of(value: object) -> list[object]:
    """A JSON value, and every value and name in it."""
    parts: list[object] = [value]
    for part in parts:
        if isinstance(part, dict):
            parts += [each for item in cast("dict[object, object]", part).items() for each in item]
        elif isinstance(part, list):
            parts += cast("list[object]", part)
    return parts


def assert_plain(document: object) -> None:
    """The document is plain JSON: no subclass of `str`, nothing that cannot be written."""
    assert {type(part) for part in parts_of(document)} <= set(PLAIN)
    assert json.loads(json.dumps(document, ensure_ascii=False).encode()) == document


def spoil(document: object) -> None:
    """Empty every part of it, so that a part shared between examples would show."""
    for part in parts_of(document):
        if isinstance(part, (dict, list)):
            cast("dict[object, object] | list[object]", part).clear()


class TestCreateDocuments:
    """Every document can be read, with and without its optional members."""

    @given(strategies.create_documents())
    def test_they_are_read(self, document: dict[str, Any]) -> None:
        assert_plain(document)
        attributes = document["data"]["attributes"]
        request = parse_create(document)
        assert request.destination_organization_id == attributes["destination-organization-id"]
        assert request.name == attributes.get("name")
        assert request.scopes == set(attributes.get("scopes", ["inquiry.read", "account.read"]))
        spoil(document)

    def test_members_that_may_be_left_out(self) -> None:
        members = [
            frozenset(part for part in parts_of(document) if part in ("type", "name", "scopes"))
            for document in drawn(strategies.create_documents())
        ]
        assert len(set(members)) == 8

    def test_the_plainest(self) -> None:
        assert simplest(strategies.create_documents()) == {
            "data": {"attributes": {"destination-organization-id": "org_A"}}
        }

    @pytest.mark.parametrize("destination", ["org_X", Organization(id="org_X")])
    def test_the_destination(self, destination: str | Organization) -> None:
        for document in drawn(strategies.create_documents(destination=destination), examples=50):
            assert parse_create(document).destination_organization_id == "org_X"

    def test_both_types_and_any_order(self) -> None:
        documents: list[Any] = drawn(strategies.create_documents())
        types = {document["data"].get("type") for document in documents}
        assert types == {None, "connect/connections", "connect/connection"}
        scopes = [document["data"]["attributes"].get("scopes", []) for document in documents]
        assert any(each != sorted(each) for each in scopes)


class TestConnectionDocuments:
    """Every document can be read, as the library or as others write it."""

    @given(st.data())
    def test_they_are_read(self, data: st.DataObject) -> None:
        connection = data.draw(strategies.connections(allow_self=True))
        document = data.draw(strategies.connection_documents(st.just(connection)))
        assert_plain(document)
        assert parse_connection(document, version=connection.version) == connection
        spoil(document)

    def test_the_plainest_is_what_is_written(self) -> None:
        plainest = simplest(strategies.connections())
        assert simplest(strategies.connection_documents()) == connection_document(plainest)

    def test_what_others_write(self) -> None:
        documents: list[Any] = drawn(strategies.connection_documents())
        assert {each["data"]["type"] for each in documents} == {
            "connect/connections",
            "connect/connection",
        }
        attributes = [document["data"]["attributes"] for document in documents]
        assert any("name" not in each for each in attributes)
        assert any(each.get("name", "") is None for each in attributes)
        assert any(each["scopes"] != sorted(each["scopes"]) for each in attributes)


CREATE_PLACES = """
    / /included /data /data/id /data/relationships /data/type /data/attributes
    /data/attributes/Name /data/attributes/destination-organization-id /data/attributes/name
    /data/attributes/organization-id /data/attributes/scopes /data/attributes/scopes/1
    /data/attributes/status /data/attributes/version
"""
CONNECTION_PLACES = """
    / /included /data /data/id /data/relationships /data/type /data/attributes
    /data/attributes/Name /data/attributes/destination-organization-id /data/attributes/name
    /data/attributes/organization-id /data/attributes/scopes /data/attributes/scopes/1
    /data/attributes/status /data/attributes/version
    /data/attributes/token /data/attributes/creator-id /data/attributes/creator-type
    /data/attributes/created-at /data/attributes/updated-at
"""
CREATE_MISSING = "attributes data destination-organization-id"
CONNECTION_MISSING = """
    attributes created-at creator-id creator-type data destination-organization-id id
    organization-id scopes status token type updated-at
"""


class Invalid(NamedTuple):
    """A strategy for invalid documents, and what it must draw."""

    strategy: Callable[..., st.SearchStrategy[object]]
    valid: st.SearchStrategy[object]
    read: Callable[[Any], object]
    places: str
    missing: str


INVALID = [
    Invalid(
        strategies.invalid_create_documents,
        strategies.create_documents(),
        parse_create,
        CREATE_PLACES,
        CREATE_MISSING,
    ),
    Invalid(
        strategies.invalid_connection_documents,
        strategies.connections(),
        parse_connection,
        CONNECTION_PLACES,
        CONNECTION_MISSING,
    ),
]


def problem_of(read: Callable[[Any], object], document: object) -> Problem:
    """The one problem of an invalid document."""
    with pytest.raises(InvalidDocumentError) as caught:
        read(document)
    assert not caught.value.malformed
    (problem,) = caught.value.problems
    return problem


class TestInvalidDocuments:
    """Each document has exactly one problem, reported with its place."""

    @pytest.mark.parametrize("invalid", INVALID, ids=["create", "connection"])
    @given(data=st.data())
    def test_one_thing_is_wrong(self, invalid: Invalid, data: st.DataObject) -> None:
        document = data.draw(invalid.strategy())
        assert_plain(document)
        problem = problem_of(invalid.read, document)
        place: Any = {"": document}
        for name in problem.pointer.split("/"):
            place = place[int(name) if isinstance(place, list) else name]
        assert problem_of(invalid.read, json.dumps(document)) == problem
        spoil(document)

    @pytest.mark.parametrize("invalid", INVALID, ids=["create", "connection"])
    def test_whatever_can_be_wrong(self, invalid: Invalid) -> None:
        """All the invalid forms of one document, so that Hypothesis runs out of them."""
        valid = simplest(invalid.valid)
        documents = drawn(invalid.strategy(st.just(valid)), examples=3000)
        assert len(documents) < 1000  # older versions of it draw some of them twice
        problems = [problem_of(invalid.read, document) for document in documents]
        assert {problem.pointer or "/" for problem in problems} == set(invalid.places.split())
        assert {
            problem.detail.split("'")[1] for problem in problems if "is missing" in problem.detail
        } == set(invalid.missing.split())

    @pytest.mark.parametrize(
        "detail",
        [
            "the token is the id",
            "the type of 'usr_A' is user",
            "cannot be updated before it was created",
            "at most 64 different items",
            "at most 255 characters",
            "cannot hold the character U+0000",
        ],
    )
    def test_what_only_the_details_tell(self, detail: str) -> None:
        valid = st.just(simplest(strategies.connections()))
        problems = [
            problem_of(parse_connection, document)
            for document in drawn(strategies.invalid_connection_documents(valid), examples=3000)
        ]
        assert any(detail in problem.detail for problem in problems)

    def test_the_plainest(self) -> None:
        assert simplest(strategies.invalid_create_documents()) == {}
        assert simplest(strategies.invalid_connection_documents()) == {}

    @given(strategies.invalid_connection_documents(strategies.connections(source="org_X")))
    def test_of_which_connections(self, document: object) -> None:
        texts = [part for part in parts_of(document) if isinstance(part, str)]
        assert "org_X" in texts or problem_of(parse_connection, document).pointer in (
            "",
            "/data",
            "/data/attributes",
            "/data/attributes/organization-id",
        )
