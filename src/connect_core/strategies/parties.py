"""Strategies for parties: organizations, actors, and pairs of a source and a destination."""

from hypothesis import strategies as st

from connect_core.identifiers import OrganizationId
from connect_core.parties import (
    Actor,
    ActorType,
    Organization,
    organization_id_of,
)
from connect_core.strategies.identifiers import ORGANIZATION_PREFIX, actor_ids, organization_ids
from connect_core.strategies.values import names

Pair = tuple[OrganizationId, OrganizationId]


def organizations() -> st.SearchStrategy[Organization]:
    """Organizations, with and without a name."""
    return st.builds(Organization, id=organization_ids(), name=st.none() | names())


def actors(
    *, organization: str | Organization | None = None, type: ActorType | None = None
) -> st.SearchStrategy[Actor]:
    """Actors: people and API keys.

    Args:
        organization: the organization that they act for; any if omitted.
        type: only people, or only API keys; both if omitted.

    Raises:
        ValueError: `organization` is not an organization id, or there is no such type.
    """
    theirs = organization_ids() if organization is None else st.just(id_of(organization))
    return st.builds(Actor, id=actor_ids(type=type), organization_id=theirs)


def id_of(organization: str | Organization) -> OrganizationId:
    """The id of an organization that is given by its id or as an `Organization`.

    Raises:
        ValueError: it is not an organization id.
    """
    return OrganizationId(str(organization_id_of(organization)))


@st.composite
def pairs(
    draw: st.DrawFn,
    source: OrganizationId | None,
    destination: OrganizationId | None,
    *,
    allow_self: bool,
) -> Pair:
    """A source and a destination, each given or drawn; often they differ only by case."""
    if source and destination:
        return source, destination
    one = source or destination or draw(organization_ids())
    # The first of these is never filtered out: shrinking works badly if the simplest value is.
    plain = next(OrganizationId(each) for each in ("org_A", "org_B") if each != one)
    others = st.sampled_from([plain, _swapped(one), one]) | organization_ids()
    other = draw(others.filter(lambda other: allow_self or other != one))
    return (other, one) if destination else (one, other)


def _swapped(organization_id: OrganizationId) -> OrganizationId:
    """The id with upper and lower case exchanged after the prefix."""
    opaque = organization_id.removeprefix(ORGANIZATION_PREFIX)
    return OrganizationId(ORGANIZATION_PREFIX + opaque.swapcase())


def pinned(
    source: str | Organization | None, destination: str | Organization | None
) -> tuple[OrganizationId | None, OrganizationId | None]:
    """The ids of the parties that are given, None for those that are not."""
    return (
        None if source is None else id_of(source),
        None if destination is None else id_of(destination),
    )
