"""Reading documents: Connections, and requests to create one."""

import copy
import json
from datetime import timedelta
from types import MappingProxyType
from typing import Any

import pytest
from documents import ANSWER, GONE, T0, changed, edited, guide_connection
from support import GUIDE_ANSWER, GUIDE_REQUEST, PARTNER

from connect_core import (
    DEFAULT_SCOPES,
    CreateRequest,
    OrganizationId,
    Scope,
    parse_connection,
    parse_create,
)

# --- The guide -----------------------------------------------------------------------------------


class TestTheGuide:
    """The guide's request and the guide's answer are read."""

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

    def test_its_own_answer_is_read(self) -> None:
        active, _ = guide_connection().activate(by=PARTNER, at=T0)
        assert parse_connection(GUIDE_ANSWER, version=2) == active


# --- Connections ---------------------------------------------------------------------------------

#: Documents that are read, though the library writes them otherwise.
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
    ("a meta", "/data/meta", {"version": 3, "actions": {"create": None}}, {}),
    ("an empty meta", "/data/meta", {}, {}),
    ("no meta", "/data/meta", None, {}),
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
