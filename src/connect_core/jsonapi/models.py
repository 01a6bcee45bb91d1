"""The documents as pydantic models: kebab-case members, and no others."""

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, cast

from pydantic import BaseModel, ConfigDict, create_model, field_validator
from pydantic_core import PydanticKnownError

from connect_core.history import (
    ConnectionEvent,
    Timestamp,
    not_before_creation,
)
from connect_core.identifiers import ActorId, ConnectionId, OrganizationId
from connect_core.lifecycle import Status
from connect_core.parties import Actor, ActorType, Name
from connect_core.scopes import DEFAULT_SCOPES, MAX_SCOPES, ScopeSet
from connect_core.text import quoted

if TYPE_CHECKING:
    from pydantic import ValidationInfo

#: The two forms of the documents: the guide's, and that of the published API.
Representation: TypeAlias = Literal["guide", "current"]

#: The type of a Connection's resource object, as the guide has it. This one is written.
RESOURCE_TYPE: Final = "connect/connections"
#: The same in the published API's form.
CURRENT_TYPE: Final = "connect/connection"
#: The types that are read.
_ResourceType = Literal["connect/connections", "connect/connection"]


def kebab(field: str) -> str:
    """The name of a member, from the name of its field."""
    return field.replace("_", "-")


class _Member(BaseModel):
    """A JSON object with kebab-case members, and no others."""

    model_config = ConfigDict(extra="forbid", defer_build=True, alias_generator=kebab)


class CurrentTerms(_Member):
    """What a create request of the published form asks for."""

    destination_organization_id: OrganizationId


class GuideTerms(CurrentTerms):
    """What a create request of the guide's form asks for."""

    name: Name | None = None


class CreateTerms(GuideTerms):
    """What a create request can ask for, with our extension: the scopes."""

    scopes: ScopeSet = DEFAULT_SCOPES

    @field_validator("scopes", mode="before")
    @classmethod
    def _not_too_many(cls, value: object) -> object:
        """If there are too many different elements, that is the only problem of the array."""
        different = _different(value)
        if different > MAX_SCOPES:
            count = {"max_length": MAX_SCOPES, "actual_length": different}
            raise PydanticKnownError("too_long", {"field_type": "List", **count})
        return value


def _different(value: object) -> int:
    """How many different elements an array has; what is no text differs from everything."""
    items = cast("list[object]", value) if isinstance(value, list) else []
    texts = {each for each in items if isinstance(each, str)}
    return len(texts) + sum(not isinstance(each, str) for each in items)


@cache
def create_document(representation: Representation, *, extensions: bool) -> Any:
    """The model of the body of a create request, whose terms are in ``data.attributes``.

    It has every member that we know, or those that are published. Each of the models has the same
    name in a schema.
    """
    terms = GuideTerms if representation == "guide" else CurrentTerms
    attributes = (CreateTerms if extensions else terms, ...)
    resource = (_ResourceType, RESOURCE_TYPE)
    fields: Any = {"type": resource, "attributes": attributes}
    data: Any = create_model("CreateData", __base__=_Member, **fields)
    return create_model("CreateDocument", __base__=_Member, data=(data, ...))


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
