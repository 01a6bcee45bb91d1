"""What the OpenAPI pages show of bodies and answers, which FastAPI cannot see in the handlers."""

from datetime import UTC, datetime
from typing import Any, Final

from connect_core import (
    Actor,
    Connection,
    ConnectionNotFoundError,
    connection_document,
    error_document,
)

_GUIDES = Connection.create(
    by=Actor(id="api_ABC123", organization_id="org_ABC123"),
    destination="org_DEF456",
    name="Partner Connection",
    id="cxn_ABC123",
    at=datetime(2018, 6, 1, tzinfo=UTC),
).connection


def _json(example: object) -> dict[str, Any]:
    return {"content": {"application/json": {"example": example}}}


A_REQUEST: Final = {
    "required": True,
    **_json(
        {
            "data": {
                "attributes": {
                    "destination-organization-id": "org_DEF456",
                    "name": "Partner Connection",
                }
            }
        }
    ),
}
A_CONNECTION: Final = {
    "description": "The Connection. Its version is the `ETag`.",
    **_json(connection_document(_GUIDES)),
}
A_REFUSAL: Final = {
    "description": "The reason for a refusal: 4xx, or 500 for an internal error.",
    **_json(error_document(ConnectionNotFoundError("cxn_ABC123"))[1]),
}
