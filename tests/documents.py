"""Connections and their documents, the guide's among them."""

import copy
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from support import GUIDE_ANSWER, OUR_KEY

from connect_core import Connection

#: The answer that this library gives: pending, as the rules say, and with sorted scopes.
ANSWER = GUIDE_ANSWER.replace('"active"', '"pending"').replace(
    '["inquiry.read", "account.read"]', '["account.read", "inquiry.read"]'
)
T0 = datetime(2018, 6, 1, tzinfo=UTC)


def guide_connection() -> Connection:
    """The Connection that the guide's request creates."""
    return Connection.create(
        by=OUR_KEY, destination="org_DEF456", name="Partner Connection", id="cxn_ABC123", at=T0
    ).connection


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
    """The guide's Connection with other values in some fields, validated as a whole."""
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
            created_at=datetime(1, 1, 2, tzinfo=UTC),
            updated_at=datetime(9999, 12, 30, 23, 59, 59, 999000, tzinfo=UTC),
        ),
        {"created-at": "0001-01-02T00:00:00.000Z", "updated-at": "9999-12-30T23:59:59.999Z"},
    ),
]


class _Gone:
    """Marks a member to remove."""


GONE = _Gone()


def edited(document: dict[str, Any], *edits: tuple[str, object]) -> Any:
    """A copy of `document` with the value at each pointer replaced, added or removed."""
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
