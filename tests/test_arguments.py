"""Wrong arguments: each is named in the error, and nothing is done."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import PrivateAttr
from support import OUR_KEY, PARTNER, T0, EqualClass, create

from connect_core import (
    Actor,
    Connection,
    ConnectionService,
    IdempotencyKey,
    InMemoryStore,
    InvalidIdempotencyKeyError,
    Organization,
    OrganizationId,
    StaleConnectionError,
    error_document,
    replay,
)
from connect_core.arguments import actor


class Tenant(Actor):
    """A host's own kind of actor: one more field, private notes, and an id of any form."""

    id: Any
    organization_id: Any
    tenant: str = "secret"
    _notes: list[str] = PrivateAttr(default_factory=list)


class Impostor(metaclass=EqualClass):
    """An object whose class is equal to every class."""


def with_the_fields_of_an_actor() -> Impostor:
    """Such an object, which otherwise is a valid actor."""
    made = Impostor()
    vars(made).update(vars(OUR_KEY))
    return made


def service() -> ConnectionService:
    """A service with one pending Connection, ``cxn_ABC123``."""
    store = InMemoryStore()
    store.add(create())
    return ConnectionService(store, clock=lambda: T0)


#: A call with one argument left open, the argument's name, and values that it cannot have.
Call = Callable[[Any], object]
NO_TEXT: list[Any] = [17, b"cxn_ABC123", ["cxn_ABC123"], 1.5, object(), Impostor()]
NO_ACTOR: list[Any] = [
    *(None, "usr_1", {"id": "usr_1"}, 17, Actor, Organization(id="org_ABC123"), Impostor()),
    with_the_fields_of_an_actor(),
    OUR_KEY.model_copy(update={"id": Impostor()}),
    OUR_KEY.model_copy(update={"organization_id": Impostor()}),
]
CALLS: list[tuple[str, Call, list[Any]]] = [
    ("connection_id", lambda v: service().get(v, by=OUR_KEY), [None, *NO_TEXT]),
    ("connection_id", lambda v: service().history(v, by=OUR_KEY), [None, *NO_TEXT]),
    ("connection_id", lambda v: service().activate(v, by=PARTNER), [None, *NO_TEXT]),
    ("connection_id", lambda v: service().take("activate", v, by=PARTNER), [None, *NO_TEXT]),
    (
        "connection_id",
        lambda v: service().authorize_access(v, "inquiry.read", by=PARTNER),
        [None, *NO_TEXT],
    ),
    ("scope", lambda v: service().authorize_access("cxn_ABC123", v, by=PARTNER), [None, *NO_TEXT]),
    ("by", lambda v: service().get("cxn_ABC123", by=v), NO_ACTOR),
    ("by", lambda v: service().history("cxn_ABC123", by=v), NO_ACTOR),
    ("by", lambda v: service().list(by=v), NO_ACTOR),
    ("by", lambda v: service().find(by=v, destination="org_B"), NO_ACTOR),
    ("by", lambda v: service().create(by=v, destination="org_B"), NO_ACTOR),
    ("by", lambda v: service().deactivate("cxn_ABC123", by=v), NO_ACTOR),
    ("by", lambda v: service().reactivate("cxn_ABC123", by=v), NO_ACTOR),
    ("by", lambda v: service().authorize_access("cxn_ABC123", "a.b", by=v), NO_ACTOR),
    ("by", lambda v: Connection.create(by=v, destination="org_B"), NO_ACTOR),
    ("by", lambda v: create().connection.activate(by=v), NO_ACTOR),
    (
        "expected_version",
        lambda v: service().activate("cxn_ABC123", by=PARTNER, expected_version=v),
        ["1", 1.0, True, False, b"1", [1], Impostor(), 10**5000, -(10**5000), 2**31, -(2**31)],
    ),
    (
        "idempotency_key",
        lambda v: service().activate("cxn_ABC123", by=PARTNER, idempotency_key=v),
        NO_TEXT,
    ),
    (
        "idempotency_key",
        lambda v: service().create(by=OUR_KEY, destination="org_B", idempotency_key=v),
        NO_TEXT,
    ),
    ("action", lambda v: service().take(v, "cxn_ABC123", by=PARTNER), [None, "expire", *NO_TEXT]),
    (
        "destination",
        lambda v: service().create(by=OUR_KEY, destination=v),
        [None, "DEF456", *NO_TEXT],
    ),
    ("name", lambda v: service().create(by=OUR_KEY, destination="org_B", name=v), [17, b"x"]),
    (
        "scopes",
        lambda v: service().create(by=OUR_KEY, destination="org_B", scopes=v),
        [None, 17, "inquiry.read", [], [17], ["inquiry"]],
    ),
    (
        "allow_self",
        lambda v: service().create(by=OUR_KEY, destination="org_ABC123", allow_self=v),
        [None, 0, 1, "no", "false", Impostor()],
    ),
    ("status", lambda v: service().list(by=OUR_KEY, status=v), ["frozen", *NO_TEXT]),
    ("source", lambda v: service().list(by=OUR_KEY, source=v), ["DEF456", *NO_TEXT]),
    ("destination", lambda v: service().list(by=OUR_KEY, destination=v), ["DEF456", *NO_TEXT]),
    ("direction", lambda v: service().list(by=OUR_KEY, direction=v), ["sideways", *NO_TEXT]),
    ("actionable", lambda v: service().list(by=OUR_KEY, actionable=v), ["expire", *NO_TEXT]),
    ("after", lambda v: service().list(by=OUR_KEY, after=v), NO_TEXT),
    ("before", lambda v: service().list(by=OUR_KEY, before=v), NO_TEXT),
    ("name", lambda v: service().list(by=OUR_KEY, name=v), ["", "x" * 256, *NO_TEXT]),
    ("by", lambda v: service().count(by=v), NO_ACTOR),
    ("status", lambda v: service().count(by=OUR_KEY, status=v), ["frozen", *NO_TEXT]),
    ("source", lambda v: service().count(by=OUR_KEY, source=v), ["DEF456", *NO_TEXT]),
    ("destination", lambda v: service().count(by=OUR_KEY, destination=v), ["DEF456", *NO_TEXT]),
    ("direction", lambda v: service().count(by=OUR_KEY, direction=v), ["sideways", *NO_TEXT]),
    ("actionable", lambda v: service().count(by=OUR_KEY, actionable=v), ["expire", *NO_TEXT]),
    ("name", lambda v: service().count(by=OUR_KEY, name=v), ["", "x" * 256, *NO_TEXT]),
    (
        "most",
        lambda v: service().count(by=OUR_KEY, most=v),
        [None, True, "5", 5.0, 0, -1, 1001, 10**5000],
    ),
    (
        "limit",
        lambda v: service().list(by=OUR_KEY, limit=v),
        [None, True, "10", 10.0, 0, 101, 10**5000],
    ),
    ("source", lambda v: service().find(by=OUR_KEY, source=v), ["DEF456", *NO_TEXT]),
    ("destination", lambda v: service().find(by=OUR_KEY, destination=v), ["DEF456", *NO_TEXT]),
    ("older_than", lambda v: service().forget_idempotency_keys(v), [None, 86_400, "1 day", T0]),
    ("store", lambda v: ConnectionService(v), [None, InMemoryStore, {}, "sqlite://"]),
    ("clock", lambda v: ConnectionService(InMemoryStore(), clock=v), [None, T0]),
    ("new_id", lambda v: ConnectionService(InMemoryStore(), new_id=v), [None, "cxn_1"]),
    ("destination", lambda v: Connection.create(by=OUR_KEY, destination=v), [None, *NO_TEXT]),
    (
        "source",
        lambda v: Connection.create(by=OUR_KEY, destination="org_B", source=v),
        NO_TEXT,
    ),
    ("id", lambda v: Connection.create(by=OUR_KEY, destination="org_B", id=v), NO_TEXT),
    (
        "allow_self",
        lambda v: Connection.create(by=OUR_KEY, destination="org_B", allow_self=v),
        [None, 0, "no"],
    ),
    (
        "at",
        lambda v: Connection.create(by=OUR_KEY, destination="org_B", at=v),
        [17, "today", datetime(2026, 1, 1), T0.date()],  # naive, on purpose
    ),
    (
        "at",
        lambda v: create().connection.activate(by=PARTNER, at=v),
        [17, "today", datetime(2026, 1, 1), T0.date()],  # naive, on purpose
    ),
    (
        "action",
        lambda v: create().connection.take(v, by=PARTNER),
        [None, "expire", *NO_TEXT],
    ),
    ("role", lambda v: create().connection.organization_of(v), [None, "owner", *NO_TEXT]),
    ("event", lambda v: create().connection.apply(v), [None, "created", create()]),
    ("event", lambda v: replay([v]), [None, "created", create()]),
]


@pytest.mark.parametrize(
    ("argument", "call", "value"),
    [(argument, call, value) for argument, call, values in CALLS for value in values],
    ids=lambda value: value if isinstance(value, str) and value.isidentifier() else "",
)
def test_a_wrong_argument_is_named(argument: str, call: Call, value: Any) -> None:
    with pytest.raises((TypeError, ValueError)) as caught:
        call(value)
    assert argument in str(caught.value).lower()
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("filters", "error", "message"),
    [
        ({"name": ""}, ValueError, "name is ''; it must be a part of a name, 1 to 255 characters"),
        ({"name": "x" * 256}, ValueError, "it must be a part of a name, 1 to 255 characters"),
        ({"name": 17}, TypeError, "name is 17 (int); it must be text"),
        ({"name": b"x"}, TypeError, "name is b'x' (bytes); it must be text"),
        ({"colour": "x"}, TypeError, "() got an unexpected keyword argument 'colour'"),
    ],
)
def test_what_to_do_about_a_wrong_filter(
    filters: dict[str, Any], error: type[Exception], message: str
) -> None:
    """Whether Connections are listed or counted."""
    for called in (service().list, service().count):
        with pytest.raises(error, match=re.escape(message) + "$") as caught:
            called(by=OUR_KEY, **filters)
        assert type(caught.value) is error


@pytest.mark.parametrize(
    ("most", "error", "message"),
    [
        (0, ValueError, "most is 0; it must be 1 to 1000"),
        (1001, ValueError, "most is 1001; it must be 1 to 1000"),
        (True, TypeError, "most is True (bool); it must be a whole number"),
        ("5", TypeError, "most is '5' (str); it must be a whole number"),
    ],
)
def test_what_to_do_about_a_wrong_bound(most: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=f"^{re.escape(message)}$") as caught:
        service().count(by=OUR_KEY, most=most)
    assert type(caught.value) is error


@pytest.mark.parametrize("most", [1, 1000])
def test_the_bounds_of_a_count(most: int) -> None:
    assert service().count(by=OUR_KEY, most=most) == 1


@pytest.mark.parametrize("version", [2**31 - 1, 0, -(2**31 - 1)])
def test_the_bounds_of_an_expected_version(version: int) -> None:
    """Within them, a version that no Connection has is stale, and not a wrong argument."""
    with pytest.raises(StaleConnectionError):
        service().activate("cxn_ABC123", by=PARTNER, expected_version=version)


class TestActors:
    """A command takes exactly the id, the organization and the type from an actor."""

    def test_a_valid_actor_is_taken_as_it_is(self) -> None:
        assert actor(OUR_KEY, "by") is OUR_KEY

    @pytest.mark.parametrize(
        "made",
        [
            Tenant(id="api_ABC123", organization_id="org_ABC123"),
            OUR_KEY.model_copy(update={"tenant": "secret"}),
            Actor.model_construct(id="api_ABC123", organization_id="org_ABC123"),
            Actor.model_construct(id="api_ABC123", organization_id=Organization(id="org_ABC123")),
        ],
        ids=["subclass", "copy", "constructed", "organization"],
    )
    def test_nothing_else_gets_into_events_or_outcomes(self, made: Any) -> None:
        connections = service()
        first = connections.create(by=made, destination="org_B", idempotency_key="k")
        for actor_kept in (first.connection.creator, first.event.actor):
            assert type(actor_kept) is Actor
            assert vars(actor_kept) == vars(OUR_KEY)
        assert first.event.__pydantic_private__ is None
        assert "secret" not in first.event.model_dump_json()
        for _ in range(2):
            with pytest.raises(Exception, match="may not activate") as refusal:
                connections.activate("cxn_ABC123", by=made, idempotency_key="refused")
            assert error_document(refusal.value)[0] == 403  # type: ignore[arg-type]  # a refusal

    @pytest.mark.parametrize(
        ("made", "wrong"),
        [
            (Tenant(id="root", organization_id="org_ABC123"), "id: "),
            (Tenant(id=17, organization_id="org_ABC123"), "id: "),
            (OUR_KEY.model_copy(update={"id": "root"}), "id: "),
            (OUR_KEY.model_copy(update={"organization_id": "ABC123"}), "organization_id: "),
            (Actor.model_construct(id="root", organization_id=17), "id: .*; organization_id: "),
            (Actor.model_construct(), "id: .*; organization_id: "),
        ],
        ids=["subclass", "no text", "copy", "organization", "constructed", "empty"],
    )
    def test_what_others_could_not_read_is_not_stored(self, made: Any, wrong: str) -> None:
        connections = service()
        calls: list[Callable[[], object]] = [
            lambda: connections.create(by=made, destination="org_B"),
            lambda: connections.deactivate("cxn_ABC123", by=made),
            lambda: Connection.create(by=made, destination="org_B"),
            lambda: create().connection.deactivate(by=made),
        ]
        for call in calls:
            with pytest.raises(ValueError, match=f"^by is not a valid Actor: {wrong}"):
                call()
        assert [each.version for each in connections.list(by=OUR_KEY)] == [1]
        assert [each.version for each in connections.list(by=PARTNER)] == [1]


class TestKeys:
    """A bad idempotency key is the client's mistake; a value of another type is the host's."""

    @pytest.mark.parametrize("key", ["", "é", "a\n", "x" * 256, "\ud800"])
    def test_bad_keys(self, key: str) -> None:
        connections = service()
        with pytest.raises(InvalidIdempotencyKeyError) as caught:
            connections.deactivate("cxn_ABC123", by=OUR_KEY, idempotency_key=key)
        assert caught.value.key == key
        assert isinstance(caught.value, ValueError)
        assert error_document(caught.value)[0] == 400
        assert connections.get("cxn_ABC123", by=OUR_KEY).version == 1

    def test_a_key_made_before(self) -> None:
        key = IdempotencyKey("k")
        assert not service().deactivate("cxn_ABC123", by=OUR_KEY, idempotency_key=key).replayed


class TestClocks:
    """What the host's functions give is checked like any argument."""

    @pytest.mark.parametrize("now", [None, 17, datetime(2026, 1, 1)])  # naive
    def test_a_clock_without_a_zone(self, now: Any) -> None:
        store = InMemoryStore()
        store.add(create())
        connections = ConnectionService(store, clock=lambda: now)
        calls: list[Callable[[], object]] = [
            lambda: connections.create(by=OUR_KEY, destination="org_B"),
            lambda: connections.activate("cxn_ABC123", by=PARTNER, idempotency_key="k"),
        ]
        for call in calls:
            with pytest.raises(ValueError, match=r"^clock\(\): "):
                call()

    @pytest.mark.parametrize("age", [timedelta.max, timedelta(days=800_000)])
    def test_outcomes_cannot_be_older_than_time(self, age: timedelta) -> None:
        assert service().forget_idempotency_keys(age) == 0

    def test_a_negative_age(self) -> None:
        with pytest.raises(ValueError, match="older_than is an age"):
            service().forget_idempotency_keys(timedelta.min)


def test_text_of_a_time_is_a_time() -> None:
    at = "2026-11-24T13:00:00+01:00"
    connection, _ = create().connection.activate(by=PARTNER, at=at)
    assert connection.updated_at == T0  # which is later, and time does not run backwards
    created, event = Connection.create(by=OUR_KEY, destination="org_B", at=at)
    assert created.created_at == event.occurred_at == datetime(2026, 11, 24, 12, tzinfo=UTC)


def test_an_organization_is_accepted_wherever_its_id_is() -> None:
    partner = Organization(id="org_DEF456", name="Partner")
    connections = service()
    assert connections.list(by=OUR_KEY, destination=partner)[0].id == "cxn_ABC123"
    assert connections.list(by=PARTNER, source=OrganizationId("org_ABC123"))[0].id == "cxn_ABC123"
    found = connections.find(by=OUR_KEY, destination=partner)
    assert found == connections.get("cxn_ABC123", by=OUR_KEY)
