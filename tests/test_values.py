"""The values everything is made of: identifiers, parties, scopes, times, and what is refused."""

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from time import time_ns
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from support import OUR_KEY, PARTNER, T0, Row, connection_in, create

from connect_core import (
    DEFAULT_SCOPES,
    Actor,
    ActorId,
    ActorType,
    Connection,
    ConnectionEvent,
    ConnectionId,
    InvalidTransitionError,
    Organization,
    OrganizationId,
    Role,
    Scope,
    Status,
    Terms,
    decide_create,
    roles_of,
    steps_to,
)
from connect_core.history import as_timestamp, format_timestamp
from connect_core.identifiers import BASE58

KINDS: list[tuple[Any, str]] = [
    (OrganizationId, "org_ABC123"),
    (ActorId, "api_ABC123"),
    (ActorId, "usr_Rk3v"),
    (ActorId, "user_Rk3v"),
    (ConnectionId, "cxn_ABC123"),
    (Scope, "inquiry.read"),
]


def parts(minted: ConnectionId) -> tuple[int, int]:
    """The prefix of a minted id, which is its time and counter, and its random bits."""
    number = 0
    for character in minted.removeprefix("cxn_"):
        number = number * 58 + BASE58.index(character)
    return divmod(number, 2**100)


class TestIdentifiers:
    """A prefix and opaque text, compared exactly; its length is never checked."""

    @pytest.mark.parametrize(("kind", "text"), KINDS)
    def test_is_the_text_that_it_is(self, kind: Any, text: str) -> None:
        value = kind(text)
        assert value == text
        assert type(value) is kind
        assert hash(value) == hash(text)
        assert str(value) == text
        assert kind(value) is value
        for twin in (copy.copy(value), copy.deepcopy(value), pickle.loads(pickle.dumps(value))):
            assert type(twin) is kind
            assert twin == value
        assert TypeAdapter(kind).validate_python(text) == value
        assert type(TypeAdapter(kind).validate_json(f'"{text}"')) is kind

    @pytest.mark.parametrize(("kind", "text"), KINDS)
    def test_refuses_other_text(self, kind: Any, text: str) -> None:
        for wrong in (
            "",
            text.upper(),
            text + "\n",
            " " + text,
            text + " ",
            "." + text,
            text + "é",
        ):
            with pytest.raises(ValueError, match=r"^expected an? ") as caught:
                kind(wrong)
            assert kind.expected in str(caught.value)
            with pytest.raises(ValidationError):
                TypeAdapter(kind).validate_python(wrong)

    @pytest.mark.parametrize(("kind", "text"), KINDS)
    def test_refuses_what_is_no_text(self, kind: Any, text: str) -> None:
        for wrong in (None, 5, True, 1.5, [text], text.encode()):
            with pytest.raises(TypeError, match=r"^expected an? "):
                kind(wrong)
            with pytest.raises(ValidationError):
                TypeAdapter(kind).validate_python(wrong)

    @pytest.mark.parametrize("kind", [OrganizationId, ActorId, ConnectionId])
    def test_a_bare_prefix_is_no_identifier(self, kind: Any) -> None:
        for prefix in ("org_", "api_", "usr_", "user_", "cxn_"):
            with pytest.raises(ValueError, match="expected"):
                kind(prefix)

    def test_an_instance_of_one_kind_is_not_of_another(self) -> None:
        with pytest.raises(ValueError, match="expected a connection id"):
            ConnectionId(OrganizationId("org_A"))

    @given(st.text(st.sampled_from("0OIl_-azAZ19"), min_size=1))
    def test_opaque_text_is_kept(self, text: str) -> None:
        assert OrganizationId("org_" + text) == "org_" + text

    def test_length_is_not_checked(self) -> None:
        assert len(OrganizationId("org_" + "x" * 1_000_000)) == 1_000_004

    def test_minted(self) -> None:
        ids = {ConnectionId.mint() for _ in range(200)}
        assert len(ids) == 200
        for minted in ids:
            assert type(minted) is ConnectionId
            assert minted.startswith("cxn_")
            assert len(minted) == 4 + 28
        characters = {character for minted in ids for character in minted[4:]}
        assert characters == set(BASE58)
        assert not characters & set("0OIl_-")

    def test_minted_in_order(self) -> None:
        """Strictly, whatever the clock does meanwhile, by text as databases compare it."""
        clock = [1_000, 1_000, 1_000, 1_001, 900, 900, 0, 2**48 - 1, 5]
        nanoseconds = [at * 1_000_000 + 999_999 for at in clock]
        with (
            patch("connect_core.identifiers._last_prefix", 0),
            patch(
                "connect_core.identifiers.time_ns",
                side_effect=nanoseconds,
            ),
        ):
            ids = [ConnectionId.mint() for _ in clock]
        assert ids == sorted(ids)
        assert [prefix >> 16 for prefix, _ in map(parts, ids)] == [
            *(1_000, 1_000, 1_000, 1_001, 1_001, 1_001, 1_001),
            *(2**48 - 1, 2**48 - 1),
        ]
        assert [prefix & 0xFFFF for prefix, _ in map(parts, ids)] == [0, 1, 2, 0, 1, 2, 3, 0, 1]

    def test_more_than_a_counter_holds_in_a_millisecond(self) -> None:
        """They go on as if the next millisecond had come."""
        with (
            patch("connect_core.identifiers._last_prefix", (7 << 16) + 0xFFFF),
            patch("connect_core.identifiers.time_ns", return_value=7_000_000),
        ):
            first, second = ConnectionId.mint(), ConnectionId.mint()
        assert [parts(first)[0], parts(second)[0]] == [8 << 16, (8 << 16) + 1]

    def test_minted_now(self) -> None:
        before = time_ns() // 1_000_000
        prefix, _ = parts(ConnectionId.mint())
        assert before <= prefix >> 16 <= time_ns() // 1_000_000 + 1

    def test_minted_in_order_by_many_threads(self) -> None:
        """Each thread's ids are in order, and no two threads get the same prefix."""
        with ThreadPoolExecutor(4) as pool:
            batches = list(pool.map(lambda _: [ConnectionId.mint() for _ in range(500)], range(8)))
        assert all(batch == sorted(batch) for batch in batches)
        assert len({parts(each)[0] for batch in batches for each in batch}) == 8 * 500

    def test_minted_cannot_be_guessed(self) -> None:
        """A hundred bits are random: each is set in about half of the ids, and none repeats."""
        ids = [parts(ConnectionId.mint())[1] for _ in range(2000)]
        assert len(set(ids)) == 2000
        for bit in range(100):
            assert 700 < sum(each >> bit & 1 for each in ids) < 1300, bit

    def test_json_schema(self) -> None:
        schema = TypeAdapter(OrganizationId).json_schema()
        assert schema == {"type": "string", "pattern": "^org_[0-9A-Za-z_-]+$"}


class TestScopes:
    """``resource.verb``; a non-empty set of at most 64; unknown well-formed names are kept."""

    def test_the_default(self) -> None:
        assert {"inquiry.read", "account.read"} == DEFAULT_SCOPES
        connection, _ = Connection.create(by=OUR_KEY, destination="org_DEF456")
        assert connection.scopes == DEFAULT_SCOPES

    @pytest.mark.parametrize("text", ["a.b", "x-1.y_2", "some_thing.never-heard-of", "a0.b9"])
    def test_well_formed(self, text: str) -> None:
        connection, _ = Connection.create(by=OUR_KEY, destination="org_DEF456", scopes=[text])
        assert connection.scopes == {text}

    @pytest.mark.parametrize(
        "text",
        ["read", ".read", "a.", "a.b.c", "A.b", "a.B", "1a.b", "a.1b", "a b.c", "-a.b", "a:b"],
    )
    def test_malformed(self, text: str) -> None:
        with pytest.raises(ValidationError) as caught:
            Connection.create(by=OUR_KEY, destination="org_DEF456", scopes=["a.b", text])
        (error,) = caught.value.errors()
        assert error["loc"] == ("scopes", 1)

    def test_how_many(self) -> None:
        names = [f"a.b{index}" for index in range(65)]
        connection, _ = Connection.create(by=OUR_KEY, destination="org_DEF456", scopes=names[:64])
        assert len(connection.scopes) == 64
        for wrong in ([], names):
            with pytest.raises(ValidationError) as caught:
                Connection.create(by=OUR_KEY, destination="org_DEF456", scopes=wrong)
            assert caught.value.errors()[0]["loc"] == ("scopes",)

    def test_one_string_is_not_a_set(self) -> None:
        with pytest.raises(ValidationError) as caught:
            Connection.create(by=OUR_KEY, destination="org_DEF456", scopes="inquiry.read")
        assert caught.value.errors()[0]["loc"] == ("scopes",)


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
            connection.organization_of("owner")  # type: ignore[arg-type]  # that is the point
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


class NoOffset(tzinfo):
    """A time zone that does not know its offset: as good as none."""

    def utcoffset(self, dt: datetime | None) -> None:  # noqa: ARG002  # the name is given
        return None

    dst = tzname = utcoffset


class TestTimes:
    """Aware, UTC, whole milliseconds; naive ones are refused."""

    @pytest.mark.parametrize(
        ("given_time", "kept"),
        [
            (datetime(2026, 1, 2, 3, 4, 5, 678999, UTC), "2026-01-02T03:04:05.678Z"),
            (
                datetime(2026, 1, 2, 3, 4, 5, 0, timezone(timedelta(hours=5))),
                "2026-01-01T22:04:05.000Z",
            ),
            ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05.000Z"),
            ("2026-01-02t03:04:05.1z", "2026-01-02T03:04:05.100Z"),
            ("2026-01-02 03:04:05.123456789-01:30", "2026-01-02T04:34:05.123Z"),
            (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00.000Z"),
        ],
    )
    def test_kept(self, given_time: object, kept: str) -> None:
        moment = as_timestamp(given_time)
        assert moment.tzinfo is UTC
        assert format_timestamp(moment) == kept
        assert as_timestamp(kept) == moment

    @pytest.mark.parametrize(
        ("wrong", "message"),
        [
            (datetime(2026, 1, 2), "naive"),
            (datetime(2026, 1, 2, tzinfo=NoOffset()), "naive"),
            ("2026-01-02T03:04:05", "with its offset"),
            ("2026-01-02", "with its offset"),
            ("2026-W01-1T00:00:00Z", "with its offset"),
            ("1767322800", "with its offset"),
            ("2026-01-02T03:04:05Z\n", "with its offset"),
            ("٢٠٢٦-01-02T03:04:05Z", "with its offset"),
            ("2026-13-02T03:04:05Z", "month"),
            ("2026-01-02T03:04:60Z", "second"),
            (1767322800, "expected a time"),
            (True, "expected a time"),
            (None, "expected a time"),
            (float("nan"), "expected a time"),
            (datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1))), "years 1 to 9999"),
            (datetime(9999, 12, 31, 23, tzinfo=timezone(-timedelta(hours=2))), "years 1 to 9999"),
        ],
    )
    def test_refused(self, wrong: Any, message: str) -> None:
        with pytest.raises(ValueError, match=message):
            as_timestamp(wrong)
        with pytest.raises(ValidationError):
            Connection.model_validate(outside_data() | {"created_at": wrong})

    def test_commands_refuse_naive_times_and_change_nothing(self) -> None:
        connection, _ = create()
        before = connection.model_dump()
        with pytest.raises(ValueError, match="naive"):
            connection.activate(by=PARTNER, at=datetime(2026, 1, 2))
        assert connection.model_dump() == before

    def test_a_refusal_comes_before_a_bad_time(self) -> None:
        with pytest.raises(InvalidTransitionError):
            connection_in(Status.INACTIVE).deactivate(by=PARTNER, at=datetime(2026, 1, 2))


def outside_data() -> dict[str, Any]:
    """A Connection as it comes from a database or from JSON."""
    return {
        "id": "cxn_ABC123",
        "source_organization_id": "org_ABC123",
        "destination_organization_id": "org_DEF456",
        "name": None,
        "status": "active",
        "scopes": ["inquiry.read"],
        "creator": {"id": "api_ABC123", "organization_id": "org_ABC123"},
        "created_at": "2026-01-02T03:04:05.000Z",
        "updated_at": "2026-01-02T03:04:05.001Z",
        "version": 2,
    }


class TestOutsideData:
    """A Connection built from outside data is validated, every field of it."""

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

    @pytest.mark.parametrize(
        "change",
        [
            {"version": 2},
            {"previous_status": "inactive"},
            {"terms": None},
            {"action": "activate"},
            {"action": "reactivate", "version": 2, "previous_status": "inactive"},
            {"action": "activate", "version": 2, "terms": None},
            {"action": "activate", "previous_status": "pending", "terms": None},
        ],
    )
    def test_an_event_with_the_marks_of_a_creation_is_one(self, change: dict[str, object]) -> None:
        _, event = create()
        with pytest.raises(ValidationError, match="belong to the creation"):
            ConnectionEvent.model_validate(event.model_dump() | change)

    @pytest.mark.parametrize(
        ("change", "place"),
        [
            ({"roles": []}, "roles"),
            ({"roles": ["owner"]}, "roles"),
            ({"version": True}, "version"),
            ({"action": "explode"}, "action"),
            ({"note": "hello"}, "note"),
            ({"occurred_at": "yesterday"}, "occurred_at"),
        ],
    )
    def test_a_bad_event(self, change: dict[str, object], place: str) -> None:
        _, event = create()
        with pytest.raises(ValidationError) as caught:
            ConnectionEvent.model_validate(event.model_dump() | change)
        assert caught.value.errors()[0]["loc"][0] == place

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

    def test_terms(self) -> None:
        with pytest.raises(ValidationError, match="not permitted"):
            Terms.model_validate(
                {
                    "source_organization_id": "org_A",
                    "destination_organization_id": "org_B",
                    "scopes": ["a.b"],
                    "x": 1,
                }
            )

    def test_terms_as_plain_values(self) -> None:
        _, event = create(name="Söhne 🎉")
        assert event.terms is not None
        told = event.terms.as_dict()
        assert told == event.terms.model_dump(mode="json")
        assert told["scopes"] == ["account.read", "inquiry.read"]
        assert {type(told["source_organization_id"]), type(told["name"])} == {str}

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
