"""JSON Schemas of the documents, made from pydantic models, for an OpenAPI 3.1 document.

The published form is strict: its models admit no other member at any level. The guide's form admits
further members, because a client has to bear them. An answer may be thinned out in both, so that no
schema requires an attribute.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from connect_core.history import MAX_VERSION, Timestamp
from connect_core.identifiers import ActorId, ConnectionId, OrganizationId
from connect_core.jsonapi.models import Representation, create_document, kebab
from connect_core.lifecycle import Action, Role, Status
from connect_core.parties import ActorType, Name
from connect_core.scopes import ScopeSet

if TYPE_CHECKING:
    from pydantic_core import CoreSchema


def schemas(representation: Representation, *, extensions: bool) -> dict[str, object]:
    """The schemas of all documents by their names, as the components of an OpenAPI document.

    Args:
        representation: the form of the documents.
        extensions: whether to describe what is not published, too.
    """
    models = [*_DOCUMENTS[representation], *((History,) if extensions else ())]
    _, made = models_json_schema(
        [
            (create_document(representation, extensions=extensions), "validation"),
            *((model, "validation") for model in models),
        ],
        ref_template="#/components/schemas/{model}",
        schema_generator=_Untitled,
    )
    found: dict[str, Any] = made["$defs"]
    for name in _THINNED:
        found.get(name, {}).pop("required", None)
    if extensions:  # a request may name a scope twice, which counts once
        for bound in ("uniqueItems", "maxItems"):
            del found["CreateTerms"]["properties"]["scopes"][bound]
    return found


def error_schema(status: int, representation: Representation) -> str:
    """The name of the schema of an error document with this HTTP status."""
    if representation == "guide":
        return "Errors"
    return _ERROR_NAMES.get(status, "OtherErrors")


class _Untitled(GenerateJsonSchema):
    """Schemas without a title for each member, which would only repeat its name."""

    def field_title_should_be_set(self, schema: "CoreSchema | Any") -> bool:  # noqa: ARG002  # pydantic's
        return False


# --- Both forms ---


class _Open(BaseModel):
    """A JSON object with kebab-case members, which may have others."""

    model_config = ConfigDict(alias_generator=kebab, extra="allow", defer_build=True)


class _Strict(BaseModel):
    """A JSON object with kebab-case members, and no others."""

    model_config = ConfigDict(alias_generator=kebab, extra="forbid", defer_build=True)


class Links(_Strict):
    """The links of a page: paths with a query, or null at the ends."""

    prev: str | None
    next: str | None


# --- The guide's form ---


class ConnectionAttributes(_Open):
    """What the guide shows of a Connection."""

    token: ConnectionId
    name: Name | None
    status: Status
    organization_id: OrganizationId
    destination_organization_id: OrganizationId
    scopes: ScopeSet
    creator_id: ActorId
    creator_type: ActorType
    created_at: Timestamp
    updated_at: Timestamp


class ConnectionResource(_Open):
    """A Connection."""

    type: Literal["connect/connections"]
    id: ConnectionId
    attributes: ConnectionAttributes


class ConnectionDocument(_Open):
    """The document of one Connection."""

    data: ConnectionResource


class ConnectionList(_Open):
    """The document of a page of Connections, newest first."""

    data: list[ConnectionResource]
    links: Links


class Error(_Open):
    """Why a request was refused."""

    title: str
    details: str
    meta: dict[str, object]
    source: dict[str, str] = Field(default_factory=dict)  # or absent, but never null


class Errors(_Open):
    """The document of one or more errors."""

    errors: list[Error] = Field(min_length=1)


# --- The published form ---


class CurrentAttributes(_Strict):
    """What the published API shows of a Connection."""

    status: Status
    source_organization_id: OrganizationId
    destination_organization_id: OrganizationId
    created_at: Timestamp
    updated_at: Timestamp


class CreatorId(_Strict):
    """The type and the id of a creator."""

    type: ActorType
    id: ActorId


class Creator(_Strict):
    """The creator of a Connection."""

    data: CreatorId


class Relationships(_Strict):
    """The relationships of a Connection."""

    creator: Creator


class CurrentResource(_Strict):
    """A Connection."""

    type: Literal["connect/connection"]
    id: ConnectionId
    attributes: CurrentAttributes
    relationships: Relationships = Field(  # or absent, but never null
        default_factory=Relationships.model_construct
    )


class CurrentDocument(_Strict):
    """The document of one Connection."""

    data: CurrentResource


class CurrentList(_Strict):
    """The document of a page of Connections, newest first."""

    data: list[CurrentResource]
    links: Links


class TitledError(_Strict):
    """Why a request was refused: 401."""

    title: str


class OtherError(TitledError):
    """Why a request was refused: 429, and what is not published."""

    details: str


class ExplainedError(OtherError):
    """Why a request was refused: 400, 403, 404 and 409."""

    meta: dict[str, object]


class Pointer(_Strict):
    """The part of a document that is wrong."""

    pointer: str


class LocatedError(OtherError):
    """Why a request was refused: 422."""

    source: Pointer


class TitledErrors(_Strict):
    """The document of a 401."""

    errors: list[TitledError] = Field(min_length=1)


class OtherErrors(_Strict):
    """The document of a 429, and of what is not published."""

    errors: list[OtherError] = Field(min_length=1)


class ExplainedErrors(_Strict):
    """The document of a 400, 403, 404 or 409."""

    errors: list[ExplainedError] = Field(min_length=1)


class LocatedErrors(_Strict):
    """The document of a 422."""

    errors: list[LocatedError] = Field(min_length=1)


_ERROR_NAMES: Final = {
    **dict.fromkeys((400, 403, 404, 409), "ExplainedErrors"),
    401: "TitledErrors",
    422: "LocatedErrors",
}


# --- The history ---


class EventTerms(_Open):
    """The terms of a new Connection."""

    source_organization_id: OrganizationId
    destination_organization_id: OrganizationId
    name: Name | None
    scopes: ScopeSet


class EventAttributes(_Open):
    """What happened to a Connection, who did it, and in which roles."""

    version: int = Field(ge=1, le=MAX_VERSION)
    action: Action
    previous_status: Status | None
    status: Status
    actor_id: ActorId
    actor_type: ActorType
    organization_id: OrganizationId
    roles: list[Role]
    occurred_at: Timestamp
    terms: EventTerms | None


class Event(_Open):
    """An event: one change of a Connection."""

    type: Literal["connect/connection-events"]
    id: str
    attributes: EventAttributes


class History(_Open):
    """The events of a Connection, oldest first."""

    data: list[Event]


#: The documents of each form.
_DOCUMENTS: Final[Mapping[Representation, tuple[type[BaseModel], ...]]] = {
    "guide": (ConnectionDocument, ConnectionList, Errors),
    "current": (
        CurrentDocument,
        CurrentList,
        TitledErrors,
        OtherErrors,
        ExplainedErrors,
        LocatedErrors,
    ),
}
#: What ``fields`` thins out.
_THINNED: Final = ("ConnectionAttributes", "CurrentAttributes")
#: The names of the schemas of one Connection and of a page of them.
CONNECTION_SCHEMAS: Final[Mapping[Representation, tuple[str, str]]] = {
    "guide": ("ConnectionDocument", "ConnectionList"),
    "current": ("CurrentDocument", "CurrentList"),
}
