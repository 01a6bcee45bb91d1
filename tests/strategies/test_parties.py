"""Strategies of organizations and actors."""

import pytest
from drawing import drawn, found, simplest
from hypothesis import given

from connect_core import Actor, ActorType, Organization, strategies


@given(strategies.organizations())
def test_organizations(organization: Organization) -> None:
    assert Organization.model_validate(organization.model_dump()) == organization


def test_organizations_with_and_without_a_name() -> None:
    assert simplest(strategies.organizations()) == Organization(id="org_A")
    named = simplest(strategies.organizations(), lambda each: each.name is not None)
    assert named == Organization(id="org_A", name="Partner")


@given(strategies.actors())
def test_actors(actor: Actor) -> None:
    assert Actor.model_validate(actor.model_dump()) == actor


@pytest.mark.parametrize("type_", ActorType)
def test_actors_of_both_types(type_: ActorType) -> None:
    found(strategies.actors(), lambda actor: actor.type is type_)
    for actor in drawn(strategies.actors(type=type_), examples=50):
        assert actor.type is type_


@pytest.mark.parametrize("organization", ["org_X", Organization(id="org_X", name="X")])
def test_actors_of_an_organization(organization: str | Organization) -> None:
    assert simplest(strategies.actors()) == Actor(id="usr_A", organization_id="org_A")
    theirs = drawn(strategies.actors(organization=organization), examples=200)
    assert {actor.organization_id for actor in theirs} == {"org_X"}
    assert len({actor.id for actor in theirs}) > 10
