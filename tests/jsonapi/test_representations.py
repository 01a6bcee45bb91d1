"""The published form, thinned documents, and the schemas that every document is valid against."""

import json
from collections.abc import Mapping
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import OUR_KEY, PARTNER, connection_in
from test_errors import every_error

from connect_core import (
    Action,
    Connection,
    ConnectionEvent,
    ConnectionNotFoundError,
    IdempotencyKeyReusedError,
    InvalidDocumentError,
    InvalidIdempotencyKeyError,
    Problem,
    SelfConnectionError,
    StaleConnectionError,
    Status,
    StoreUnavailableError,
    connection_document,
    decide,
    error_document,
    list_document,
    parse_create,
    strategies,
)
from connect_core.jsonapi import (
    Representation,
    field_names,
    history_document,
    problem_document,
    resource_type,
)
from connect_core.jsonapi.schemas import CONNECTION_SCHEMAS, error_schema, schemas

FORMS: tuple[Representation, ...] = ("guide", "current")
DESTINATION = "destination-organization-id"
SPELLINGS = (DESTINATION, "destinationOrganizationId", "destination_organization_id")


def valid(document: object, name: str, representation: Representation) -> bool:
    """Whether a document, as it is sent, is valid against a schema."""
    components = schemas(representation, extensions=True)
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$ref": f"#/components/schemas/{name}",
        "components": {"schemas": components},
    }
    validator: Any = jsonschema.Draft202012Validator(schema)
    return bool(validator.is_valid(json.loads(json.dumps(document))))


def fields_of(representation: Representation) -> st.SearchStrategy[frozenset[str] | None]:
    return st.none() | st.frozensets(st.sampled_from(field_names(representation)))


class TestCurrent:
    """The published form has these members, and no others."""

    def test_document(self) -> None:
        connection = connection_in(Status.ACTIVE)
        assert connection_document(connection, representation="current") == {
            "data": {
                "type": "connect/connection",
                "id": "cxn_ABC123",
                "attributes": {
                    "status": "active",
                    "source-organization-id": "org_ABC123",
                    "destination-organization-id": "org_DEF456",
                    "created-at": guide(connection)["created-at"],
                    "updated-at": guide(connection)["updated-at"],
                },
                "relationships": {"creator": {"data": {"type": "api-key", "id": "api_ABC123"}}},
            }
        }

    def test_a_person_as_creator(self) -> None:
        connection, _ = Connection.create(by=PARTNER, destination="org_ABC123")
        data: Any = connection_document(connection, representation="current")["data"]
        assert data["relationships"]["creator"]["data"] == {"type": "user", "id": "usr_Rk3v"}

    @pytest.mark.parametrize(
        ("error", "status", "expected"),
        [
            (
                InvalidDocumentError((Problem("/data/attributes/x", "it is wrong"),)),
                400,
                {
                    "title": "Bad Request",
                    "details": "data.attributes.x: it is wrong",
                    "meta": {"code": "invalid_document"},
                },
            ),
            (
                InvalidDocumentError((Problem("", "it is no JSON"),), malformed=True),
                400,
                {
                    "title": "Bad Request",
                    "details": "it is no JSON",
                    "meta": {"code": "invalid_document"},
                },
            ),
            (
                SelfConnectionError(
                    decide(OUR_KEY, Action.CREATE, connection_in(Status.ACTIVE)), "org_ABC123"
                ),
                422,
                {
                    "title": "Unprocessable entity",
                    "source": {"pointer": f"/data/attributes/{DESTINATION}"},
                },
            ),
            (ConnectionNotFoundError("cxn_1"), 404, {"title": "Record not found"}),
            (StaleConnectionError(1, 2, "cxn_1"), 409, {"title": "Stale object error"}),
            (IdempotencyKeyReusedError("k"), 409, {"title": "Conflict"}),
            (InvalidIdempotencyKeyError("\n"), 400, {"title": "Bad Request"}),
            (StoreUnavailableError("x"), 503, {"title": "Service unavailable"}),
        ],
    )
    def test_errors(self, error: Any, status: int, expected: Mapping[str, object]) -> None:
        found, document = error_document(error, representation="current")
        (told,) = errors_in(document)
        assert found == status
        assert {name: told[name] for name in expected} == expected
        members = {
            400: {"title", "details", "meta"},
            404: {"title", "details", "meta"},
            409: {"title", "details", "meta"},
            422: {"title", "details", "source"},
            503: {"title", "details"},
        }
        assert set(told) == members[status]

    @pytest.mark.parametrize(
        ("status", "members"),
        [
            (400, {"title", "details", "meta"}),
            (401, {"title"}),
            (404, {"title", "details", "meta"}),
            (405, {"title", "details"}),
            (408, {"title", "details"}),
            (413, {"title", "details"}),
            (415, {"title", "details"}),
            (429, {"title", "details"}),
            (500, {"title", "details"}),
        ],
    )
    def test_refusals_of_the_protocol(self, status: int, members: set[str]) -> None:
        source = {"header": "If-Match"}
        published, ours = (
            problem_document(status, "no", code="c", source=source, representation=form)
            for form in ("current", "guide")
        )
        assert set(errors_in(published)[0]) == members
        assert valid(published, error_schema(status, "current"), "current")
        assert valid(ours, "Errors", "guide")
        assert errors_in(ours)[0] | {"title": ""} == {
            "title": "",
            "details": "no",
            "meta": {"code": "c"},
            "source": source,
        }
        assert errors_in(ours)[0]["title"] == errors_in(published)[0]["title"]


class TestSchemas:
    """Law: every document that is written is valid against its schema, thinned out or not."""

    @given(st.data())
    def test_connections(self, data: st.DataObject) -> None:
        connection = data.draw(strategies.connections())
        representation = data.draw(st.sampled_from(FORMS))
        fields = data.draw(fields_of(representation))
        one, page = CONNECTION_SCHEMAS[representation]
        document = connection_document(connection, representation=representation, fields=fields)
        assert valid(document, one, representation)
        listed = list_document(
            [connection], prev=None, next="/x", representation=representation, fields=fields
        )
        assert valid(listed, page, representation)
        assert listed["data"] == [document["data"]]

    @given(strategies.histories())
    def test_histories(self, history: strategies.History) -> None:
        document = history_document(history[1])
        assert valid(document, "History", "guide")
        assert valid(document, "History", "current")

    @pytest.mark.parametrize("error", every_error().values(), ids=str)
    @pytest.mark.parametrize("representation", FORMS)
    def test_errors(self, error: Any, representation: Representation) -> None:
        status, document = error_document(error, representation=representation)
        assert valid(document, error_schema(status, representation), representation)

    @given(body=strategies.create_documents())
    def test_requests(self, body: object) -> None:
        for representation in FORMS:
            assert valid(body, "CreateDocument", representation)

    def test_the_published_form_admits_no_other_member(self) -> None:
        """A member too many at any level is found; so is a null."""
        document = connection_document(connection_in(Status.ACTIVE), representation="current")
        assert valid(document, "CurrentDocument", "current")
        for place in (
            (),
            ("data",),
            ("data", "attributes"),
            ("data", "relationships"),
            ("data", "relationships", "creator"),
            ("data", "relationships", "creator", "data"),
        ):
            changed: Any = json.loads(json.dumps(document))
            inner = changed
            for name in place:
                inner = inner[name]
            inner["name"] = "x"
            assert not valid(changed, "CurrentDocument", "current"), place
        without: Any = json.loads(json.dumps(document))
        del without["data"]["relationships"]
        assert valid(without, "CurrentDocument", "current")
        without["data"]["relationships"] = None
        assert not valid(without, "CurrentDocument", "current")

    def test_what_is_not_published(self) -> None:
        for representation in FORMS:
            assert "History" in schemas(representation, extensions=True)
            published = schemas(representation, extensions=False)
            assert "History" not in published
            assert "scopes" not in json.dumps(published["CreateDocument"])
            names = json.dumps(published)
            assert "_" not in "".join(published), names


class TestFields:
    """``fields`` thins out attributes, and the creator of the published form."""

    def test_thinned(self) -> None:
        connection = connection_in(Status.ACTIVE)
        data: Any = connection_document(connection, fields=["status", "creator"])["data"]
        assert data == {
            "type": "connect/connections",
            "id": "cxn_ABC123",
            "attributes": {"status": "active"},
        }
        current: Any = connection_document(connection, representation="current", fields=[])["data"]
        assert current == {"type": "connect/connection", "id": "cxn_ABC123", "attributes": {}}
        creator: Any = connection_document(
            connection, representation="current", fields=["creator"]
        )["data"]
        assert set(creator) == {"type", "id", "attributes", "relationships"}

    @pytest.mark.parametrize("representation", FORMS)
    def test_names(self, representation: Representation) -> None:
        """They are the members of the documents, in their order."""
        data: Any = connection_document(
            connection_in(Status.ACTIVE), representation=representation
        )["data"]
        named = [*data["attributes"], *data.get("relationships", {})]
        assert list(field_names(representation)) == named
        assert data["type"] == resource_type(representation)


class TestHistory:
    """The document of the events."""

    def test_document(self) -> None:
        connection, first = Connection.create(
            by=OUR_KEY, destination="org_DEF456", name="N", id="cxn_1"
        )
        events: list[ConnectionEvent] = [first, connection.activate(by=PARTNER).event]
        created, activated = data_in(history_document(events))
        assert created["type"] == "connect/connection-events"
        assert (created["id"], activated["id"]) == ("cxn_1.1", "cxn_1.2")
        assert list(created["attributes"]) == [
            "version",
            "action",
            "previous-status",
            "status",
            "actor-id",
            "actor-type",
            "organization-id",
            "roles",
            "occurred-at",
            "terms",
        ]
        assert created["attributes"]["terms"] == {
            "source-organization-id": "org_ABC123",
            "destination-organization-id": "org_DEF456",
            "name": "N",
            "scopes": ["account.read", "inquiry.read"],
        }
        assert activated["attributes"] | {"occurred-at": ""} == {
            "version": 2,
            "action": "activate",
            "previous-status": "pending",
            "status": "active",
            "actor-id": "usr_Rk3v",
            "actor-type": "user",
            "organization-id": "org_DEF456",
            "roles": ["destination"],
            "occurred-at": "",
            "terms": None,
        }


class TestCreateRequests:
    """What is not published is refused, unless extensions are on."""

    @pytest.mark.parametrize(
        ("representation", "extensions", "admitted"),
        [
            ("guide", True, {"name", "scopes"}),
            ("guide", False, {"name"}),
            ("current", True, {"name", "scopes"}),
            ("current", False, set[str]()),
        ],
    )
    def test_members(
        self, representation: Representation, extensions: bool, admitted: set[str]
    ) -> None:
        for name, value in {"name": "N", "scopes": ["report.read"]}.items():
            body = {"data": {"attributes": {DESTINATION: "org_1", name: value}}}
            if name in admitted:
                wanted = parse_create(body, representation=representation, extensions=extensions)
                assert getattr(wanted, name) in ("N", frozenset({"report.read"}))
                continue
            with pytest.raises(InvalidDocumentError) as caught:
                parse_create(body, representation=representation, extensions=extensions)
            (problem,) = caught.value.problems
            assert problem.pointer == f"/data/attributes/{name}"

    @pytest.mark.parametrize("representation", FORMS)
    def test_defaults(self, representation: Representation) -> None:
        body = {"data": {"attributes": {DESTINATION: "org_1"}}}
        wanted = parse_create(body, representation=representation, extensions=False)
        assert wanted == parse_create(body)


class TestSpellings:
    """The names of members may be spelled in three ways, each once."""

    @pytest.mark.parametrize("spelling", SPELLINGS)
    def test_any(self, spelling: str) -> None:
        body = {"data": {"attributes": {"name": "N", spelling: "org_1"}}}
        kept = json.dumps(body)
        for form in (body, kept, kept.encode()):
            wanted = parse_create(form, any_spelling=True)
            assert (wanted.destination_organization_id, wanted.name) == ("org_1", "N")
        assert json.dumps(body) == kept, "the body was changed"

    @pytest.mark.parametrize("spelling", SPELLINGS[1:])
    def test_only_if_asked(self, spelling: str) -> None:
        with pytest.raises(InvalidDocumentError):
            parse_create({"data": {"attributes": {spelling: "org_1"}}})

    @pytest.mark.parametrize("spelling", SPELLINGS)
    def test_a_problem_is_where_it_was_sent(self, spelling: str) -> None:
        for value in (1, "x", None):
            with pytest.raises(InvalidDocumentError) as caught:
                parse_create({"data": {"attributes": {spelling: value}}}, any_spelling=True)
            assert [each.pointer for each in caught.value.problems] == [
                f"/data/attributes/{spelling}"
            ]

    @pytest.mark.parametrize("first", SPELLINGS)
    @pytest.mark.parametrize("second", SPELLINGS)
    def test_two_of_one_member_stand_twice(self, first: str, second: str) -> None:
        text = f'{{"data":{{"attributes":{{"{first}":"org_1","{second}":"org_1"}}}}}}'
        with pytest.raises(InvalidDocumentError) as caught:
            parse_create(text, any_spelling=True)
        (problem,) = caught.value.problems
        assert problem.detail.endswith("stands twice")
        assert problem.pointer in (f"/data/attributes/{first}", f"/data/attributes/{second}")

    @pytest.mark.parametrize(
        "spelling",
        ["Destination-Organization-Id", "DESTINATION_ORGANIZATION_ID", "destinationorganizationid"],
    )
    def test_no_other(self, spelling: str) -> None:
        with pytest.raises(InvalidDocumentError) as caught:
            parse_create({"data": {"attributes": {spelling: "org_1"}}}, any_spelling=True)
        assert len(caught.value.problems) == 2

    @given(body=strategies.invalid_create_documents())
    def test_the_problems_of_kebab_case_are_the_same(self, body: Any) -> None:
        """Law: for a body in kebab case, whether others are admitted makes no difference."""
        problems: list[object] = []
        for any_spelling in (False, True):
            with pytest.raises(InvalidDocumentError) as caught:
                parse_create(body, any_spelling=any_spelling)
            problems.append((caught.value.problems, caught.value.malformed))
        assert problems[0] == problems[1]


def guide(connection: Connection) -> dict[str, Any]:
    data: Any = connection_document(connection)["data"]
    attributes: dict[str, Any] = data["attributes"]
    return attributes


def errors_in(document: Mapping[str, object]) -> list[dict[str, Any]]:
    errors: Any = document["errors"]
    return list(errors)


def data_in(document: Mapping[str, object]) -> list[dict[str, Any]]:
    data: Any = document["data"]
    return list(data)
