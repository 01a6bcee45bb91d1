"""The guide's two documents in plain pydantic: the baseline for those of connect_core.

The models are written as pydantic's documentation recommends: the same members with the same
kebab-case aliases, unknown members refused, and every constraint that pydantic can express by
itself (patterns, lengths, enums, aware times). A request is validated straight from its JSON, and
the answer is validated from plain values and dumped.

They do less than connect_core, on purpose, because they measure pydantic's share of the work. They
mint no id, read no clock, decide nothing, make no Connection and no event, do not notice duplicate
members, do not compare one field with another, and write scopes in any order and times without a
fixed precision.
"""

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from connect_core import DEFAULT_SCOPES, ActorType, Status

_OrganizationId = Annotated[str, Field(max_length=255, pattern=r"^org_[0-9A-Za-z_-]+$")]
_ConnectionId = Annotated[str, Field(max_length=255, pattern=r"^cxn_[0-9A-Za-z_-]+$")]
_ActorId = Annotated[str, Field(max_length=255, pattern=r"^(?:api_|usr_|user_)[0-9A-Za-z_-]+$")]
_Name = Annotated[str, Field(max_length=255, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")]
_Scope = Annotated[str, Field(max_length=255, pattern=r"^[a-z][0-9a-z_-]*\.[a-z][0-9a-z_-]*$")]
_Scopes = Annotated[frozenset[_Scope], Field(min_length=1, max_length=64)]
_ResourceType = Literal["connect/connections", "connect/connection"]

_AT = datetime(2018, 6, 1, tzinfo=UTC)


def _kebab(field: str) -> str:
    return field.replace("_", "-")


class _Member(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=_kebab)


class _CreateAttributes(_Member):
    destination_organization_id: _OrganizationId
    name: _Name | None = None
    scopes: _Scopes = frozenset(map(str, DEFAULT_SCOPES))


class _CreateData(_Member):
    type: _ResourceType = "connect/connections"
    attributes: _CreateAttributes


class _CreateDocument(_Member):
    data: _CreateData


class _ConnectionAttributes(_Member):
    token: _ConnectionId
    name: _Name | None = None
    status: Status
    organization_id: _OrganizationId
    destination_organization_id: _OrganizationId
    scopes: _Scopes
    creator_id: _ActorId
    creator_type: ActorType
    created_at: AwareDatetime
    updated_at: AwareDatetime


class _ConnectionData(_Member):
    type: _ResourceType
    id: _ConnectionId
    attributes: _ConnectionAttributes


class _ConnectionDocument(_Member):
    data: _ConnectionData


def answer(body: bytes) -> dict[str, object]:
    """Validate a create request, then validate and dump the document that answers it."""
    asked = _CreateDocument.model_validate_json(body).data.attributes
    document = _ConnectionDocument.model_validate(
        {
            "data": {
                "type": "connect/connections",
                "id": "cxn_ABC123",
                "attributes": {
                    "token": "cxn_ABC123",
                    "name": asked.name,
                    "status": Status.PENDING,
                    "organization-id": "org_ABC123",
                    "destination-organization-id": asked.destination_organization_id,
                    "scopes": asked.scopes,
                    "creator-id": "api_ABC123",
                    "creator-type": ActorType.API_KEY,
                    "created-at": _AT,
                    "updated-at": _AT,
                },
            }
        }
    )
    return document.model_dump(mode="json", by_alias=True)
