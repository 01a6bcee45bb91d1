"""Actors and organizations, the roles that they hold, and names for people."""

from typing import Any

import pytest
from pydantic import ValidationError
from support import OUR_KEY, Row, connection_in, create

from connect_core import (
    Actor,
    ActorType,
    Connection,
    Organization,
    Role,
    Status,
    decide_create,
    roles_of,
    steps_to,
)


class TestParties:
    """Roles follow from organization ids alone."""

    @pytest.mark.parametrize(
        ("actor_id", "kind"),
        [
            ("api_1", ActorType.API_KEY),
            ("usr_1", ActorType.USER),
            ("user_1", ActorType.USER),
            ("usr_api_1", ActorType.USER),
        ],
    )
    def test_the_type_is_in_the_prefix(self, actor_id: str, kind: ActorType) -> None:
        assert Actor(id=actor_id, organization_id="org_A").type is kind

    def test_type_values(self) -> None:
        assert [kind.value for kind in ActorType] == ["user", "api-key"]

    @pytest.mark.parametrize(
        ("organization", "roles"),
        [
            ("org_ABC123", {Role.SOURCE}),
            ("org_DEF456", {Role.DESTINATION}),
            ("org_abc123", set[Role]()),
            ("org_ABC1234", set[Role]()),
            ("org_ABC12", set[Role]()),
        ],
    )
    def test_roles(self, organization: str, roles: set[Role]) -> None:
        actor = Actor(id="usr_1", organization_id=organization)
        connection = connection_in(Status.PENDING)
        assert roles_of(actor, connection) == roles
        assert roles_of(actor, Row.of(connection)) == roles

    def test_both_roles(self) -> None:
        assert roles_of(OUR_KEY, connection_in(Status.PENDING, to_self=True)) == set(Role)

    def test_an_organization_stands_for_its_id(self) -> None:
        ours = Organization(id="org_ABC123", name="We")
        partner = Organization(id="org_DEF456")
        actor = Actor(id="api_ABC123", organization_id=ours)
        assert actor == OUR_KEY
        connection, _ = Connection.create(by=actor, source=ours, destination=partner)
        assert connection.source_organization_id == "org_ABC123"
        assert connection.destination_organization_id == "org_DEF456"
        assert decide_create(actor, source=ours, destination=partner)
        assert (ours.name, partner.name) == ("We", None)

    def test_organization_of(self) -> None:
        connection = connection_in(Status.PENDING)
        assert connection.organization_of(Role.SOURCE) == "org_ABC123"
        assert connection.organization_of(Role.DESTINATION) == "org_DEF456"
        plain: Any = "source"
        assert connection.organization_of(plain) == "org_ABC123"
        with pytest.raises(ValueError, match="'owner' is not a valid Role"):
            connection.organization_of("owner")
        (step,) = steps_to(connection)
        assert [connection.organization_of(role) for role in step.roles] == ["org_DEF456"]

    @pytest.mark.parametrize(
        ("model", "values", "place"),
        [
            (Actor, {"id": "x_1", "organization_id": "org_A"}, "id"),
            (Actor, {"id": "usr_1", "organization_id": "usr_1"}, "organization_id"),
            (Actor, {"id": "usr_1"}, "organization_id"),
            (Actor, {"id": "usr_1", "organization_id": "org_A", "role": "source"}, "role"),
            (Organization, {"id": "ORG_A"}, "id"),
            (Organization, {"id": "org_A", "name": "x" * 256}, "name"),
            (Organization, {"id": "org_A", "name": 5}, "name"),
            (Organization, {"id": "org_A", "name": b"bytes"}, "name"),
            (Organization, {"id": "org_A", "name": "a\x1bb"}, "name"),
        ],
    )
    def test_refused(self, model: Any, values: dict[str, object], place: str) -> None:
        with pytest.raises(ValidationError) as caught:
            model(**values)
        assert [error["loc"] for error in caught.value.errors()] == [(place,)]

    def test_immutable(self) -> None:
        for value in (OUR_KEY, Organization(id="org_A"), connection_in(Status.ACTIVE)):
            with pytest.raises(ValidationError, match="frozen"):
                value.id = "api_2"  # type: ignore[assignment]  # that is the point


class TestNames:
    """For people: at most 255 characters, none of them a control character."""

    @pytest.mark.parametrize(
        "name",
        [None, "", "x" * 255, "😀" * 255, 'O\'Neil "&" <b>', "é\u00a0ß"],
        ids=["none", "empty", "longest", "emoji", "quotes", "accents"],
    )
    def test_kept(self, name: str | None) -> None:
        assert create(name=name).connection.name == name

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("x" * 256, "at most 255 characters; this has 256"),
            ("a\x00b", r"the character U\+0000"),
            ("a\nb", r"the character U\+000A"),
            ("a\x7fb", r"the character U\+007F"),
            ("a\x9fb", r"the character U\+009F"),
            ("\ud800", r"the character U\+D800"),
        ],
    )
    def test_refused(self, name: str, message: str) -> None:
        with pytest.raises(ValidationError, match=message) as caught:
            create(name=name)
        assert caught.value.errors()[0]["loc"] == ("name",)
