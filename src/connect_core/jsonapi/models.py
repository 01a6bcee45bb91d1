"""The documents as pydantic models: kebab-case members, and no others."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Literal

from pydantic import BaseModel, ConfigDict, field_validator

from connect_core.history import (
    ConnectionEvent,
    Timestamp,
    not_before_creation,
)
from connect_core.identifiers import ActorId, ConnectionId, OrganizationId
from connect_core.lifecycle import Status
from connect_core.parties import Actor, ActorType, Name
from connect_core.scopes import DEFAULT_SCOPES, ScopeSet
from connect_core.text import quoted

if TYPE_CHECKING:
    from pydantic import ValidationInfo

#: The type of a Connection's resource object, as the guide has it. This one is written.
RESOURCE_TYPE: Final = "connect/connections"
#: The types that are read: the guide's, and the one in the API's own pages.
_ResourceType = Literal["connect/connections", "connect/connection"]


def _kebab(field: str) -> str:
    return field.replace("_", "-")


class _Member(BaseModel):
    """A JSON object with kebab-case members, and no others."""

    model_config = ConfigDict(extra="forbid", defer_build=True, alias_generator=_kebab)


class _CreateAttributes(_Member):
    destination_organization_id: OrganizationId
    name: Name | None = None
    scopes: ScopeSet = DEFAULT_SCOPES


class _CreateData(_Member):
    type: _ResourceType = RESOURCE_TYPE
    attributes: _CreateAttributes


class CreateDocument(_Member):
    """The body of a create request."""

    data: _CreateData


class _ConnectionAttributes(_Member):
    token: ConnectionId
    name: Name | None = None
    status: Status
    organization_id: OrganizationId
    destination_organization_id: OrganizationId
    scopes: ScopeSet
    creator_id: ActorId
    creator_type: ActorType
    created_at: Timestamp
    updated_at: Timestamp

    @field_validator("token")
    @classmethod
    def _token_is_the_id(cls, value: ConnectionId, info: "ValidationInfo") -> ConnectionId:
        context: Mapping[str, object] = info.context or {}
        resource_id = context.get("id", value)
        if value != resource_id:
            raise ValueError(f"the token is the id, which is {quoted(resource_id)}")
        return value

    @field_validator("creator_type")
    @classmethod
    def _type_is_that_of_the_id(cls, value: ActorType, info: "ValidationInfo") -> ActorType:
        creator_id, source = info.data.get("creator_id"), info.data.get("organization_id")
        if creator_id is not None and source is not None:
            due = Actor(id=creator_id, organization_id=source).type
            if value is not due:
                raise ValueError(f"the type of {quoted(creator_id)} is {due}")
        return value

    _time_runs_forwards = field_validator("updated_at")(not_before_creation)


class ConnectionData(_Member):
    """The resource object of a Connection. What its ``meta`` says is not read."""

    type: _ResourceType
    id: ConnectionId
    attributes: _ConnectionAttributes
    meta: dict[str, object] | None = None


class ConnectionDocument(_Member):
    """The document of one Connection."""

    data: ConnectionData


class _RecordMeta(_Member):
    history: list[ConnectionEvent]


class RecordDocument(_Member):
    """A record of an export: a Connection and, if given, its history."""

    data: ConnectionData
    meta: _RecordMeta | None = None
