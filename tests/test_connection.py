"""The Connection: its commands, and how it is built from outside data."""

import copy
import pickle
from datetime import timedelta
from functools import cached_property
from typing import Any

import pytest
from cells import ERRORS, assert_is_the_refusal, connection_for, every_existing_cell
from oracle import BOTH, EXISTING, Verdict
from pydantic import PrivateAttr, ValidationError
from support import OUR_KEY, PARTNER, T0, actor_with, connection_in, create, outside_data, take

from connect_core import Action, Connection, ConnectionEvent, ConnectionId, Role, Status, roles_of


class TestOutsideData:
    """Every field of a Connection built from outside data is validated."""

    def test_taken(self) -> None:
        connection = Connection.model_validate(outside_data())
        assert connection.status is Status.ACTIVE
        assert connection.creator == OUR_KEY
        assert type(connection.id) is ConnectionId
        assert connection.updated_at - connection.created_at == timedelta(milliseconds=1)

    @pytest.mark.parametrize(
        ("change", "place", "message"),
        [
            (
                {"destination_organization_id": "org_ABC123"},
                "destination_organization_id",
                "same organ",
            ),
            ({"updated_at": "2026-01-02T03:04:04.999Z"}, "updated_at", "before it was created"),
            ({"version": 0}, "version", "greater than or equal to 1"),
            ({"version": True}, "version", "valid integer"),
            ({"version": 1.0}, "version", "valid integer"),
            ({"version": "1"}, "version", "valid integer"),
            ({"version": float("nan")}, "version", "valid integer"),
            ({"status": "archived"}, "status", "Input should be "),
            ({"status": "ACTIVE"}, "status", "Input should be "),
            ({"status": None}, "status", "Input should be "),
            ({"scopes": []}, "scopes", "at least 1 item"),
            ({"scopes": None}, "scopes", "frozenset"),
            (
                {"creator": {"id": "api_1", "organization_id": "org_X"}},
                "creator",
                "only the source creates",
            ),
            (
                {"creator": {"id": "api_1", "organization_id": "org_A"}},
                "creator",
                "only the source creates",
            ),
            ({"created_at": "2026-01-02T03:04:05.000"}, "created_at", "offset"),
            ({"id": "org_A"}, "id", "connection id"),
            ({"deleted": True}, "deleted", "not permitted"),
        ],
    )
    def test_refused(self, change: dict[str, object], place: str, message: str) -> None:
        with pytest.raises(ValidationError, match=message) as caught:
            Connection.model_validate(outside_data() | change)
        assert [error["loc"][0] for error in caught.value.errors()] == [place]

    def test_every_field_but_the_name_is_needed(self) -> None:
        with pytest.raises(ValidationError) as caught:
            Connection.model_validate({})
        missing = {error["loc"][0] for error in caught.value.errors()}
        assert missing == set(Connection.model_fields) - {"name"}
        assert {error["type"] for error in caught.value.errors()} == {"missing"}

    def test_a_self_connection_only_when_asked_for(self) -> None:
        data = outside_data() | {"destination_organization_id": "org_ABC123"}
        connection = Connection.model_validate(data, context={"allow_self": True})
        assert roles_of(OUR_KEY, connection) == set(Role)
        with pytest.raises(ValidationError, match="same organization"):
            Connection.model_validate(data, context={"allow_self": False})

    def test_json_is_written_plainly(self) -> None:
        connection, event = create()
        assert connection.model_dump(mode="json") == {
            "id": "cxn_ABC123",
            "source_organization_id": "org_ABC123",
            "destination_organization_id": "org_DEF456",
            "name": "Partner Connection",
            "status": "pending",
            "scopes": ["account.read", "inquiry.read"],
            "creator": {"id": "api_ABC123", "organization_id": "org_ABC123"},
            "created_at": "2026-11-24T12:00:00.123Z",
            "updated_at": "2026-11-24T12:00:00.123Z",
            "version": 1,
        }
        assert event.model_dump(mode="json")["roles"] == ["source"]
        assert event.model_dump(mode="json")["occurred_at"] == "2026-11-24T12:00:00.123Z"

    def test_schemas(self) -> None:
        """What a service publishes about its own API can be generated."""
        schema = Connection.model_json_schema()
        assert schema["properties"]["id"]["pattern"] == "^cxn_[0-9A-Za-z_-]+$"
        assert schema["properties"]["version"]["minimum"] == 1
        assert ConnectionEvent.model_json_schema()["title"] == "ConnectionEvent"

    def test_copies(self) -> None:
        connection, event = create()
        changed, _ = connection.activate(by=PARTNER, at=T0)
        for value in (connection, event, changed):
            assert copy.copy(value) == copy.deepcopy(value) == value
            assert pickle.loads(pickle.dumps(value)) == value
            assert hash(copy.deepcopy(value)) == hash(value)
        assert changed.model_copy(update={"name": "x"}).name == "x"
        assert changed.name == "Partner Connection"

    def test_a_subclass_stays_one(self) -> None:
        class Tagged(Connection):
            tag: str = "t"

        connection, _ = Tagged.create(by=OUR_KEY, destination="org_DEF456")
        changed, _ = connection.activate(by=PARTNER)
        assert isinstance(changed, Tagged)
        assert changed.tag == "t"

    @pytest.mark.parametrize("to_self", [False, True])
    def test_a_subclass_works_everything_out_anew(self, to_self: bool) -> None:
        """Nothing that it has kept for itself is carried over to the next Connection."""

        class Cached(Connection):
            tag: str = "t"
            _notes: list[str] = PrivateAttr(default_factory=list)

            @property
            def notes(self) -> list[str]:
                return self._notes

            @cached_property
            def headline(self) -> str:
                return f"{self.status}, version {self.version}"

        destination = "org_ABC123" if to_self else "org_DEF456"
        connection, _ = Cached.create(by=OUR_KEY, destination=destination, allow_self=to_self)
        connection = connection.model_copy(update={"tag": "kept"})
        assert isinstance(connection, Cached)
        assert connection.headline == "pending, version 1"
        connection.notes.append("noted")
        changed, event = connection.deactivate(by=OUR_KEY)
        assert isinstance(changed, Cached)
        assert (changed.headline, changed.tag) == ("inactive, version 2", "kept")
        assert changed.notes == []
        again = changed.apply(changed.reactivate(by=OUR_KEY).event)
        assert isinstance(again, Cached)
        assert again.headline == "pending, version 3"
        assert "headline" not in event.model_dump()
        assert set(changed.model_dump()) == {*Connection.model_fields, "tag"}


@pytest.mark.parametrize("verdict", [v for v in EXISTING if v.action is not Action.CREATE], ids=str)
def test_commands(verdict: Verdict) -> None:
    connection, actor = connection_for(verdict), actor_with(verdict.roles)
    before = connection.model_dump()
    if verdict.target is None:
        with pytest.raises(ERRORS[verdict.denials[0]]) as caught:
            take(connection, verdict.action, actor)
        assert_is_the_refusal(caught.value, verdict, "cxn_ABC123")
    else:
        changed, event = take(connection, verdict.action, actor)
        assert changed.status is event.status is verdict.target
        assert event.previous_status is verdict.status
        assert event.roles == verdict.roles
        assert event.action is verdict.action
        assert event.actor == actor
        untouched = {"status", "updated_at", "version"}
        assert changed.model_dump(exclude=untouched) == connection.model_dump(exclude=untouched)
    assert connection.model_dump() == before


@every_existing_cell
def test_a_step_by_its_name(verdict: Verdict) -> None:
    """`take` does what the command of that name does, and never creates."""
    connection, actor = connection_for(verdict), actor_with(verdict.roles)
    before = connection.model_dump()
    names: list[Any] = [verdict.action, verdict.action.value]
    for action in names:
        if verdict.target is None:
            with pytest.raises(ERRORS[verdict.denials[0]]) as caught:
                connection.take(action, by=actor, at=T0)
            assert_is_the_refusal(caught.value, verdict, "cxn_ABC123")
        else:
            change = connection.take(action, by=actor, at=T0)
            assert change == take(connection, verdict.action, actor, T0)
            assert change.event.action is verdict.action
    assert connection.model_dump() == before


def test_a_step_that_does_not_exist() -> None:
    nothing: Any = "expire"
    with pytest.raises(ValueError, match="'expire' is not a valid Action"):
        connection_in(Status.ACTIVE).take(nothing, by=actor_with(BOTH))
