"""Parties: actors, the organizations that they act for, and their roles in a Connection.

Roles are derived, never claimed. An actor acts for exactly one organization; comparing its id with
the two in the Connection gives the roles: `source`, `destination`, both (only in a self-connection)
or none (an *outsider*). This module does not authenticate: your service says who the actor is.
"""

import re
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final, Protocol

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from connect_core.identifiers import ActorId, OrganizationId
from connect_core.lifecycle import Role
from connect_core.text import same_value

#: The longest name, in characters.
MAX_NAME_LENGTH: Final = 255

_UNREADABLE = r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]"


def _readable(name: str) -> str:
    if len(name) > MAX_NAME_LENGTH:
        raise ValueError(f"a name has at most {MAX_NAME_LENGTH} characters; this has {len(name)}")
    if (found := re.search(_UNREADABLE, name)) is not None:
        raise ValueError(f"a name cannot hold the character U+{ord(found.group()):04X}")
    return name


def may_be_in_name(text: str) -> bool:
    """Whether a name can hold every character of `text`."""
    return re.search(_UNREADABLE, text) is None


#: A name as a model's field. It is for people; no rule depends on it. At most 255 characters,
#: without control characters and lone surrogates, which some systems cannot store or show.
Name = Annotated[
    str,
    Field(
        strict=True,
        json_schema_extra={
            "maxLength": MAX_NAME_LENGTH,
            "not": {"pattern": r"[\u0000-\u001f\u007f-\u009f]"},
        },
    ),
    AfterValidator(_readable),
]


class Immutable(BaseModel):
    """The base of this library's models: equal by value, hashable, never changed in place.

    Undeclared fields are refused. Validators are built on first use.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class Organization(Immutable):
    """An organization that shares or receives data. Accepted wherever its id is.

    Immutable. `name` is for people; no rule depends on it.

    Raises:
        pydantic.ValidationError: `id` is not an organization id, or `name` is not a name.
    """

    id: OrganizationId
    name: Name | None = None

    if TYPE_CHECKING:  # what callers may pass, which is wider than what the fields hold

        def __init__(self, *, id: str, name: str | None = None) -> None: ...


def organization_id_of(organization: object) -> object:
    """The id of an `Organization`; anything else unchanged, for a validator to check."""
    return organization.id if isinstance(organization, Organization) else organization


#: An organization's id as a model's field, which takes an `Organization` too.
OrganizationRef = Annotated[OrganizationId, BeforeValidator(organization_id_of)]


class ActorType(StrEnum):
    """The kind of an actor. The prefix of the id tells which."""

    #: A person, in a dashboard: ``usr_`` or ``user_``.
    USER = "user"
    #: A program, with an API key: ``api_``.
    API_KEY = "api-key"


class Actor(Immutable):
    """Who acts, and the one organization they act for. Immutable.

    Your service builds it from what it has authenticated, never from what a request claims.

    Raises:
        pydantic.ValidationError: `id` is not an actor id, or `organization_id` is neither an
            organization id nor an `Organization`.
    """

    id: ActorId
    organization_id: OrganizationRef

    if TYPE_CHECKING:  # what callers may pass, which is wider than what the fields hold

        def __init__(self, *, id: str, organization_id: str | Organization) -> None: ...

    @property
    def type(self) -> ActorType:
        """Whether a person or an API key acts, by the prefix of the id."""
        return ActorType.API_KEY if self.id.startswith("api_") else ActorType.USER


class ActorLike(Protocol):
    """Who asks: an `Actor`, or an object of yours, such as a user, with an organization's id.

    The id may be text, a number, a `UUID` or any other value that compares with ``==``. If the
    object has an `id` as well, errors name it.
    """

    @property
    def organization_id(self) -> object:
        """The id of the organization that it acts for. None acts for nobody."""
        ...


class Parties(Protocol):
    """Anything with two organization ids: a `Connection`, a database row or an object of yours."""

    @property
    def source_organization_id(self) -> object:
        """The organization whose data is shared."""
        ...

    @property
    def destination_organization_id(self) -> object:
        """The organization that receives it."""
        ...


class DynamicRow(Protocol):
    """A row whose attributes exist at run time only, so that type checkers cannot see them.

    Such as a row of SQLAlchemy's ``select``.
    """

    def __getattr__(self, name: str, /) -> object:
        """The value of a column."""
        ...


#: The roles, by (is the source, is the destination). Each set is made once and shared.
ROLES: dict[tuple[bool, bool], frozenset[Role]] = {
    (False, False): frozenset(),
    (True, False): frozenset({Role.SOURCE}),
    (False, True): frozenset({Role.DESTINATION}),
    (True, True): frozenset({Role.SOURCE, Role.DESTINATION}),
}


def roles_of(actor: ActorLike, connection: Parties | DynamicRow) -> frozenset[Role]:
    """The roles that `actor` holds in `connection`: none, one, or both in a self-connection.

    Ids are compared exactly; case is never folded. Never raises on a well-typed call.
    """
    organization_id = actor.organization_id
    return ROLES[
        same_value(organization_id, connection.source_organization_id),
        same_value(organization_id, connection.destination_organization_id),
    ]
