"""The service's commands and questions, the same over every store."""

from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import Mock

import pytest
from clocks import Clock
from databases import Backend
from hosts import OUR_COLLEAGUE, OUTSIDE, REFUSED, THEIRS, Host, Overtaken
from pydantic import ValidationError
from support import OUR_KEY, PARTNER, STRANGER, T0

from connect_core import (
    DEFAULT_SCOPES,
    AccessDeniedError,
    Action,
    Actor,
    Change,
    ConnectError,
    Connection,
    ConnectionId,
    ConnectionNotFoundError,
    ConnectionService,
    ConnectionStore,
    Denial,
    Direction,
    DuplicateConnectionError,
    ForbiddenTransitionError,
    InMemoryStore,
    Organization,
    Page,
    Position,
    Role,
    SelfConnectionError,
    StaleConnectionError,
    Status,
    error_document,
    replay,
)


@pytest.fixture
def host(stored: Backend) -> Host:
    return Host(stored)


class TestCreate:
    """Offer to share: the rules *create*, *once*, *self* and *scopes*."""

    def test_it_is_pending_and_kept(self, host: Host) -> None:
        with host.service() as service:
            connection, event = service.create(by=OUR_KEY, destination=THEIRS, name="Partner")
        assert (connection.id, connection.status, connection.version) == (
            "cxn_1",
            Status.PENDING,
            1,
        )
        assert (connection.name, connection.scopes) == ("Partner", DEFAULT_SCOPES)
        assert (connection.creator, connection.created_at) == (OUR_KEY, T0)
        assert event.action is Action.CREATE
        assert host.asks("get", connection.id, by=OUR_KEY) == connection
        assert host.asks("get", connection.id, by=PARTNER) == connection
        assert host.asks("history", connection.id, by=PARTNER) == (event,)

    def test_an_organization_and_scopes_of_any_kind(self, host: Host) -> None:
        connection = host.create(
            to=Organization(id="org_DEF456", name="Partner"),  # type: ignore[arg-type]  # as its id
            scopes=(name for name in ("x.read", "y.read")),
        )
        assert connection.destination_organization_id == "org_DEF456"
        assert connection.scopes == {"x.read", "y.read"}

    @pytest.mark.parametrize("status", Status)
    def test_only_once_whatever_its_status(self, host: Host, status: Status) -> None:
        existing = host.brings_to(status, host.create())
        refusal = host.asks("create", by=OUR_COLLEAGUE, destination=THEIRS)
        assert type(refusal) is DuplicateConnectionError
        assert refusal.existing_id == existing.id
        assert refusal.decision.status is status
        assert f"is {status};" in str(refusal)
        assert ("Reactivate the existing one instead." in str(refusal)) is (
            status is Status.INACTIVE
        )
        assert host.asks("get", existing.id, by=OUR_KEY) == existing
        assert len(host.asks("list", by=OUR_KEY).connections) == 1

    def test_the_other_direction_is_free(self, host: Host) -> None:
        host.create()
        assert host.create(PARTNER, OUR_KEY.organization_id).id == "cxn_2"

    def test_with_itself_only_on_request(self, host: Host) -> None:
        ours = OUR_KEY.organization_id
        refusal = host.asks("create", by=OUR_KEY, destination=ours)
        assert type(refusal) is SelfConnectionError
        assert host.minted == 0
        connection = host.create(to=ours, allow_self=True)
        assert host.asks("get", connection.id, by=OUR_KEY) == connection
        again = host.asks("create", by=OUR_KEY, destination=ours, allow_self=True)
        assert type(again) is DuplicateConnectionError
        assert [each.id for each in host.asks("list", by=OUR_KEY).connections] == [connection.id]

    @pytest.mark.parametrize(
        ("named", "field"),
        [
            ({"destination": "DEF456"}, "destination_organization_id"),
            ({"destination": "org_\x00"}, "destination_organization_id"),
            ({"destination": None}, "destination_organization_id"),
            ({"name": "x" * 256}, "name"),
            ({"name": "nul \x00"}, "name"),
            ({"name": "half \ud83c"}, "name"),
            ({"scopes": []}, "scopes"),
            ({"scopes": ["everything"]}, "scopes"),
            ({"scopes": "inquiry.read"}, "scopes"),
        ],
        ids=ascii,
    )
    def test_bad_arguments_change_nothing(
        self, host: Host, named: dict[str, object], field: str
    ) -> None:
        with pytest.raises(ValidationError) as caught, host.service() as service:
            service.create(**({"by": OUR_KEY, "destination": THEIRS} | named))  # type: ignore[arg-type]  # that is the point
        assert {details["loc"][0] for details in caught.value.errors()} == {field}
        assert host.asks("list", by=OUR_KEY).connections == ()

    def test_an_id_that_is_taken(self, host: Host) -> None:
        first = host.create()
        host.minted = 0
        with host.service() as service:
            with pytest.raises(ValueError, match="cxn_1 is taken; new_id must give new ids"):
                service.create(by=OUR_KEY, destination="org_other")
            assert service.list(by=OUR_KEY).connections == (first,)

    def test_the_defaults_are_the_clock_and_minted_ids(self) -> None:
        before = datetime.now(UTC) - timedelta(seconds=1)
        connection, _ = ConnectionService(InMemoryStore()).create(by=OUR_KEY, destination=THEIRS)
        assert before < connection.created_at < datetime.now(UTC) + timedelta(seconds=1)
        assert len(connection.id) == len("cxn_") + 28


#: Permitted steps: the action, who may take it, from which status, and where it leads.
PERMITTED = [
    ("activate", PARTNER, Status.PENDING, Status.ACTIVE),
    ("deactivate", OUR_KEY, Status.PENDING, Status.INACTIVE),
    ("deactivate", PARTNER, Status.PENDING, Status.INACTIVE),
    ("deactivate", OUR_KEY, Status.ACTIVE, Status.INACTIVE),
    ("deactivate", PARTNER, Status.ACTIVE, Status.INACTIVE),
    ("reactivate", OUR_KEY, Status.INACTIVE, Status.PENDING),
]


class TestSteps:
    """Activate, deactivate, reactivate: like the Connection's own commands, and stored."""

    @pytest.mark.parametrize(("action", "actor", "status", "target"), PERMITTED)
    def test_permitted(
        self, host: Host, action: str, actor: Actor, status: Status, target: Status
    ) -> None:
        before = host.brings_to(status, host.create())
        host.clock.move(seconds=5)
        connection, event = host.asks(action, before.id, by=actor)
        assert (connection.status, connection.version) == (target, before.version + 1)
        assert (connection.updated_at, event.occurred_at) == (host.clock.now, host.clock.now)
        assert (event.action, event.actor, event.previous_status) == (action, actor, status)
        assert host.asks("get", before.id, by=actor) == connection
        events = host.asks("history", before.id, by=actor)
        assert replay(events) == connection
        assert events[-1] == event

    @pytest.mark.parametrize(("action", "actor", "status", "error"), REFUSED + OUTSIDE)
    def test_refused(
        self, host: Host, action: str, actor: Actor, status: Status, error: type[ConnectError]
    ) -> None:
        """Nothing changes, and the refusal is that of the policy."""
        before = host.brings_to(status, host.create())
        host.clock.move(seconds=5)
        refusal = host.asks(action, before.id, by=actor)
        assert type(refusal) is error
        assert host.asks("get", before.id, by=OUR_KEY) == before
        assert host.events(before) == before.version

    @pytest.mark.parametrize("action", ["activate", "deactivate", "reactivate"])
    def test_a_version_that_is_not_the_present_one(self, host: Host, action: str) -> None:
        """An acceptance of an earlier offer never accepts a later one."""
        offered = host.create()
        host.asks("deactivate", offered.id, by=OUR_KEY)
        host.asks("reactivate", offered.id, by=OUR_KEY)
        actor = PARTNER if action == "activate" else OUR_KEY
        for version in (1, 2, 4, 0, -1):
            refusal = host.asks(action, offered.id, by=actor, expected_version=version)
            assert type(refusal) is StaleConnectionError
            assert vars(refusal) == {
                "expected_version": version,
                "actual_version": 3,
                "connection_id": offered.id,
            }
        assert host.events(offered) == 3

    def test_the_present_version(self, host: Host) -> None:
        offered = host.create()
        assert host.asks("activate", offered.id, by=PARTNER, expected_version=1).event.version == 2

    def test_a_long_life(self, host: Host) -> None:
        """The version stays an exact number after many steps."""
        offered = host.create()
        round_trip = (("activate", PARTNER), ("deactivate", PARTNER), ("reactivate", OUR_KEY))
        with host.service() as service:
            for version, (action, actor) in enumerate(round_trip * 100, 1):
                getattr(service, action)(offered.id, by=actor, expected_version=version)
        assert host.events(offered) == 301

    def test_who_may_never_is_not_told_to_read_again(self, host: Host) -> None:
        offered = host.create()
        refusal = host.asks("activate", offered.id, by=OUR_KEY, expected_version=7)
        assert type(refusal) is ForbiddenTransitionError
        outsider = host.asks("activate", offered.id, by=STRANGER, expected_version=7)
        assert type(outsider) is ConnectionNotFoundError

    def test_a_clock_that_goes_backwards(self, host: Host) -> None:
        offered = host.create()
        host.clock.move(days=-1)
        connection, _ = host.asks("activate", offered.id, by=PARTNER)
        assert connection.updated_at == offered.updated_at
        assert host.asks("get", offered.id, by=PARTNER) == connection

    def test_a_naive_clock_changes_nothing(self, host: Host) -> None:
        offered = host.create()
        host.clock.now = datetime(2026, 1, 1)  # that is the point
        with pytest.raises(ValueError, match="naive"), host.service() as service:
            service.activate(offered.id, by=PARTNER)
        assert host.events(offered) == 1


class TestLostRaces:
    """A change is not stored if the Connection has changed since the decision."""

    def test_a_step(self) -> None:
        def withdraw(store: ConnectionStore) -> None:
            connection = store.get(ConnectionId("cxn_1"))
            assert connection is not None
            assert store.save(connection.deactivate(by=OUR_KEY, at=T0))

        store = Overtaken(withdraw)
        service = ConnectionService(store, clock=Clock(T0), new_id=lambda: "cxn_1")
        service.create(by=OUR_KEY, destination=THEIRS)
        with pytest.raises(StaleConnectionError) as lost:
            service.activate("cxn_1", by=PARTNER)
        assert vars(lost.value) == {
            "expected_version": 1,
            "actual_version": 2,
            "connection_id": "cxn_1",
        }
        assert service.get("cxn_1", by=PARTNER).status is Status.INACTIVE

    def test_a_connection_that_has_gone(self) -> None:
        """No store deletes Connections; if one did, the error would name no version."""

        class Forgetful(InMemoryStore):
            def save(self, change: Change) -> bool:
                self._connections.clear()
                return super().save(change)

        service = ConnectionService(Forgetful(), new_id=lambda: "cxn_1")
        service.create(by=OUR_KEY, destination=THEIRS)
        with pytest.raises(StaleConnectionError) as lost:
            service.activate("cxn_1", by=PARTNER)
        assert lost.value.actual_version is None

    def test_a_second_create(self) -> None:
        class Faster(InMemoryStore):
            def add(self, change: Change) -> bool:
                other, event = Connection.create(
                    by=OUR_COLLEAGUE, destination=THEIRS, id="cxn_theirs", at=T0
                )
                super().add(Change(other, event))
                return super().add(change)

        service = ConnectionService(Faster())
        with pytest.raises(DuplicateConnectionError) as duplicate:
            service.create(by=OUR_KEY, destination=THEIRS)
        assert duplicate.value.existing_id == "cxn_theirs"
        assert [each.id for each in service.list(by=OUR_KEY).connections] == ["cxn_theirs"]

    @pytest.mark.parametrize("destination", [THEIRS, OUR_KEY.organization_id])
    def test_a_second_create_that_cannot_be_seen(self, destination: str) -> None:
        """Under stricter isolation, a Connection that another transaction added is invisible."""

        class Isolated(InMemoryStore):
            def add(self, change: Change) -> bool:
                del change
                return False

        service = ConnectionService(Isolated())
        with pytest.raises(DuplicateConnectionError) as duplicate:
            service.create(by=OUR_KEY, destination=destination, allow_self=True)
        assert duplicate.value.existing_id is None
        assert duplicate.value.decision.denials == (Denial.ALREADY_EXISTS, Denial.UNKNOWN_STATUS)
        assert str(duplicate.value).endswith("for an ordered pair. Use the existing one.")


#: The questions about one Connection, and their other arguments.
QUESTIONS: list[tuple[str, tuple[str, ...]]] = [
    ("get", ()),
    ("history", ()),
    ("authorize_access", ("inquiry.read",)),
    ("activate", ()),
    ("deactivate", ()),
    ("reactivate", ()),
]


class TestVisibility:
    """An outsider cannot tell a Connection that exists from one that does not."""

    @pytest.mark.parametrize(("question", "more"), QUESTIONS, ids=str)
    def test_not_found_either_way(self, host: Host, question: str, more: tuple[str, ...]) -> None:
        connection = host.brings_to(Status.ACTIVE, host.create())
        hidden = host.asks(question, connection.id, *more, by=STRANGER)
        absent = host.asks(question, "cxn_none", *more, by=STRANGER)
        malformed = host.asks(question, "no id; DROP TABLE\x00 \ud83c", *more, by=STRANGER)
        for refusal in (hidden, absent, malformed):
            assert type(refusal) is ConnectionNotFoundError
        assert error_document(hidden)[0] == error_document(malformed)[0] == 404
        assert str(hidden).replace("cxn_1", "cxn_none") == str(absent)

    def test_a_cursor_of_others(self, host: Host) -> None:
        connection = host.create()
        for cursor in (connection.id, "cxn_none", "\x00"):
            for name in ("after", "before"):
                refusal = host.asks("list", by=STRANGER, **{name: cursor})
                assert type(refusal) is ConnectionNotFoundError

    def test_what_is_no_text_is_the_callers_mistake(self, host: Host) -> None:
        with pytest.raises(TypeError, match="connection_id is 5"), host.service() as service:
            service.get(5, by=OUR_KEY)  # type: ignore[arg-type]  # that is the point


class TestStores:
    """What a store raises is passed on, whatever it is."""

    @pytest.mark.parametrize("question", ["get", "history", "activate"])
    def test_a_value_error_of_the_store(self, question: str) -> None:
        class Misconfigured(InMemoryStore):
            def get(self, connection_id: ConnectionId) -> Connection | None:
                raise ValueError(f"server_encoding is LATIN1, for {connection_id}")

        service = ConnectionService(Misconfigured())
        with pytest.raises(ValueError, match="server_encoding is LATIN1"):
            getattr(service, question)("cxn_1", by=OUR_KEY)


class TestFind:
    """The Connection with another organization, by the pair."""

    def test_each_way(self, host: Host) -> None:
        outbound, inbound = host.create(), host.create(PARTNER, OUR_KEY.organization_id)
        to_self = host.create(OUR_KEY, OUR_KEY.organization_id, allow_self=True)
        assert host.asks("find", by=OUR_KEY, destination=THEIRS) == outbound
        assert host.asks("find", by=OUR_KEY, source=THEIRS) == inbound
        assert host.asks("find", by=PARTNER, source=OUR_KEY.organization_id) == outbound
        assert host.asks("find", by=PARTNER, destination=OUR_KEY.organization_id) == inbound
        pair = {"source": OUR_KEY.organization_id, "destination": THEIRS}
        assert host.asks("find", by=OUR_KEY, **pair) == outbound
        assert host.asks("find", by=PARTNER, **pair) == outbound
        assert host.asks("find", by=OUR_KEY, source=OUR_KEY.organization_id) == to_self
        assert host.asks("find", by=OUR_KEY, destination=Organization(id=THEIRS)) == outbound

    def test_none(self, host: Host) -> None:
        host.create()
        assert host.asks("find", by=OUR_KEY, source=THEIRS) is None
        assert host.asks("find", by=OUR_KEY, destination=THEIRS.lower()) is None

    def test_an_outsider_is_told_nothing(self, host: Host) -> None:
        host.create()
        pair = {"source": OUR_KEY.organization_id, "destination": THEIRS}
        assert host.asks("find", by=STRANGER, **pair) is None
        assert host.asks("find", by=STRANGER, destination=THEIRS) is None

    def test_without_a_party(self, host: Host) -> None:
        with pytest.raises(ValueError, match="give source, destination or both"):
            host.asks("find", by=OUR_KEY)


class TestTake:
    """A step by its name is the same as the step's own method."""

    @pytest.mark.parametrize(
        ("action", "actor", "status"),
        [("activate", PARTNER, "active"), (Action.DEACTIVATE, OUR_KEY, "inactive")],
    )
    def test_permitted(self, host: Host, action: str, actor: Actor, status: str) -> None:
        offered = host.create()
        change = host.asks("take", action, offered.id, by=actor, expected_version=1)
        assert (change.connection.status, change.event.action) == (status, action)
        assert host.asks("get", offered.id, by=actor) == change.connection

    @pytest.mark.parametrize(("action", "actor", "status", "error"), [*REFUSED, *OUTSIDE])
    def test_refused(
        self, host: Host, action: str, actor: Actor, status: Status, error: type[ConnectError]
    ) -> None:
        connection = host.brings_to(status, host.create())
        refusal = host.asks("take", action, connection.id, by=actor)
        same = host.asks(action, connection.id, by=actor)
        assert type(refusal) is type(same) is error
        assert vars(refusal) == vars(same)

    def test_create_is_always_refused(self, host: Host) -> None:
        offered = host.create()
        refusal = host.asks("take", "create", offered.id, by=OUR_KEY)
        assert type(refusal) is DuplicateConnectionError
        assert refusal.existing_id == offered.id

    def test_a_key_is_of_the_request_however_it_is_called(self, host: Host) -> None:
        offered = host.create()
        first = host.asks("activate", offered.id, by=PARTNER, idempotency_key="k")
        again = host.asks("take", "activate", offered.id, by=PARTNER, idempotency_key="k")
        assert again == first
        assert (first.replayed, again.replayed) == (False, True)


class TestAccess:
    """The rule *share*: the current status decides."""

    @pytest.mark.parametrize("status", Status)
    def test_only_while_it_is_active(self, host: Host, status: Status) -> None:
        connection = host.brings_to(status, host.create())
        answer = host.asks("authorize_access", connection.id, "inquiry.read", by=PARTNER)
        if status is Status.ACTIVE:
            assert answer.allowed
        else:
            assert type(answer) is AccessDeniedError
            assert answer.denial is Denial.NOT_ACTIVE
            assert answer.connection_id == connection.id

    def test_it_stops_when_the_connection_does(self, host: Host) -> None:
        connection = host.brings_to(Status.ACTIVE, host.create())
        host.asks("deactivate", connection.id, by=OUR_KEY)
        answer = host.asks("authorize_access", connection.id, "inquiry.read", by=PARTNER)
        assert type(answer) is AccessDeniedError

    def test_direction_and_scope(self, host: Host) -> None:
        connection = host.brings_to(Status.ACTIVE, host.create())
        backwards = host.asks("authorize_access", connection.id, "inquiry.read", by=OUR_KEY)
        assert backwards.denial is Denial.WRONG_DIRECTION
        ungranted = host.asks("authorize_access", connection.id, "x.y", by=PARTNER)
        assert ungranted.missing_scopes == {"x.y"}


class TestList:
    """Outbound and inbound Connections of the caller, newest first, in pages."""

    @pytest.fixture
    def population(self, host: Host) -> list[Connection]:
        """Newest first: seven from us, two to us, one with ourselves, and Connections of others."""
        others = [Actor(id=f"usr_{n}", organization_id=f"org_{n}") for n in range(7)]
        for other in others:
            host.create(OUR_KEY, other.organization_id)
            host.clock.move(milliseconds=1)
        host.create(OUR_KEY, OUR_KEY.organization_id, allow_self=True)
        host.create(others[0], OUR_KEY.organization_id)
        host.create(others[1], OUR_KEY.organization_id)
        host.create(others[0], others[1].organization_id)
        for n in (0, 2, 4):
            host.asks("activate", f"cxn_{n + 1}", by=others[n])
        for n in (4, 5):
            host.asks("deactivate", f"cxn_{n + 1}", by=OUR_KEY)
        host.asks("activate", "cxn_9", by=OUR_KEY)
        found = [host.asks("get", f"cxn_{n}", by=OUR_KEY) for n in range(1, 11)]
        return sorted(found, key=Position.of, reverse=True)

    def listed(self, host: Host, by: Actor = OUR_KEY, **named: Any) -> list[Connection]:
        return list(host.asks("list", by=by, **{"limit": 100, **named}).connections)

    def test_all_of_them(self, host: Host, population: list[Connection]) -> None:
        assert self.listed(host) == population
        page = host.asks("list", by=OUR_KEY)
        assert (list(page.connections), page.prev, page.next) == (population, None, None)

    def test_newest_first_within_a_millisecond(self, host: Host) -> None:
        """The clock stands still: minted ids sort in the order of creation."""
        with host.stored.service(host.clock) as service:
            created = [
                service.create(by=OUR_KEY, destination=f"org_{number}").connection
                for number in range(10)
            ]
        assert {connection.created_at for connection in created} == {host.clock.now}
        assert self.listed(host) == created[::-1]

    def test_ten_to_a_page_unless_told(self, host: Host) -> None:
        for number in range(11):
            host.create(to=f"org_{number}")
        page = host.asks("list", by=OUR_KEY)
        assert len(page.connections) == 10
        assert page.next == page.connections[-1].id

    def test_one_more_is_read_than_is_shown(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The extra row shows whether another page follows; nothing else is read."""
        store = InMemoryStore()
        page = Mock(wraps=store.page)
        monkeypatch.setattr(store, "page", page)
        ids = iter(["cxn_1", "cxn_2"])
        service = ConnectionService(store, clock=lambda: T0, new_id=lambda: next(ids))
        service.create(by=OUR_KEY, destination="org_1")
        service.create(by=OUR_KEY, destination="org_2")
        service.list(by=OUR_KEY, limit=7)
        service.list(by=OUR_KEY, limit=7, after="cxn_2")
        limits = [call.kwargs["limit"] for call in page.call_args_list]
        assert limits == [8, 8, 1]  # the last one: whether there is a page before

    def test_none(self, host: Host, population: list[Connection]) -> None:
        page = host.asks("list", by=STRANGER)
        assert page == Page()
        assert len(population) == 10

    @pytest.mark.parametrize("status", Status)
    @pytest.mark.parametrize("direction", [None, *Direction])
    def test_by_status_and_direction(
        self,
        host: Host,
        population: list[Connection],
        status: Status,
        direction: Direction | None,
    ) -> None:
        def fits(connection: Connection) -> bool:
            ours = OUR_KEY.organization_id
            outbound = connection.source_organization_id == ours
            inbound = connection.destination_organization_id == ours
            wanted = {None: True, "outbound": outbound, "inbound": inbound}[direction]
            return wanted and connection.status is status

        due = [connection for connection in population if fits(connection)]
        assert self.listed(host, status=status, direction=direction) == due
        assert self.listed(host, status=status.value, direction=direction and direction.value) == (
            due
        )
        if status is Status.ACTIVE:
            assert due

    def test_by_destination(self, host: Host, population: list[Connection]) -> None:
        (only,) = self.listed(host, destination="org_3")
        assert only.destination_organization_id == "org_3"
        assert self.listed(host, destination=Organization(id="org_3")) == [only]
        assert self.listed(host, destination="org_unknown") == []
        assert self.listed(host, destination="org_3", direction="inbound") == []
        inbound = [each for each in population if each.id in {"cxn_8", "cxn_9", "cxn_10"}]
        assert self.listed(host, destination=OUR_KEY.organization_id) == inbound

    @pytest.mark.parametrize("action", Action)
    def test_actionable(self, host: Host, population: list[Connection], action: Action) -> None:
        """The Connections on which the caller may act now, according to their own commands."""
        due: list[Connection] = []
        for connection in population:
            try:
                getattr(connection, action)(by=OUR_KEY)
            except ConnectError:
                continue
            except TypeError:  # create takes other arguments and acts on no Connection
                break
            due.append(connection)
        assert self.listed(host, actionable=action) == due
        assert self.listed(host, actionable=action.value) == due
        assert bool(due) is (action is not Action.CREATE)
        for direction, role in zip(Direction, Role, strict=True):
            that_way = [
                each for each in due if each.organization_of(role) == OUR_KEY.organization_id
            ]
            assert self.listed(host, actionable=action, direction=direction) == that_way
        for status in Status:
            standing = [each for each in due if each.status is status]
            assert self.listed(host, actionable=action, status=status) == standing

    @pytest.mark.parametrize("limit", [1, 3, 4, 9, 10, 11])
    def test_there_and_back_again(
        self, host: Host, population: list[Connection], limit: int
    ) -> None:
        pages = [host.asks("list", by=OUR_KEY, limit=limit)]
        while pages[-1].next is not None:
            pages.append(host.asks("list", by=OUR_KEY, limit=limit, after=pages[-1].next))
        assert [each for page in pages for each in page.connections] == population
        assert pages[0].prev is None
        assert all(len(page.connections) == limit for page in pages[:-1])
        back = [pages[-1]]
        while back[0].prev is not None:
            back.insert(0, host.asks("list", by=OUR_KEY, limit=limit, before=back[0].prev))
        assert [each for page in back for each in page.connections] == population
        assert back[-1].next is None
        assert all(page.next == page.connections[-1].id for page in back[:-1])

    def test_filtered_pages(self, host: Host, population: list[Connection]) -> None:
        due = [each for each in population if each.status is Status.PENDING]
        found: list[Connection] = []
        page = host.asks("list", by=OUR_KEY, status="pending", limit=2)
        while True:
            found += page.connections
            if page.next is None:
                break
            page = host.asks("list", by=OUR_KEY, status="pending", limit=2, after=page.next)
        assert found == due
        assert page.prev is not None

    def test_a_cursor_that_has_left_the_selection(
        self, host: Host, population: list[Connection]
    ) -> None:
        """The service looks up whether a page follows; it does not assume it."""
        pending = self.listed(host, status="pending")
        first, rest = pending[0], pending[1:]
        assert host.asks("list", by=OUR_KEY, status="pending", after=first.id).prev == rest[0].id
        host.asks("deactivate", first.id, by=OUR_KEY)
        page = host.asks("list", by=OUR_KEY, status="pending", after=first.id)
        assert list(page.connections) == rest
        assert page.prev is None
        assert len(population) > len(pending)

    def test_behind_the_end(self, host: Host, population: list[Connection]) -> None:
        oldest, newest = population[-1].id, population[0].id
        assert host.asks("list", by=OUR_KEY, after=oldest) == Page(prev=oldest)
        assert host.asks("list", by=OUR_KEY, before=newest) == Page(next=newest)
        assert host.asks("list", by=OUR_KEY, before=oldest, limit=100).connections == tuple(
            population[:-1]
        )

    def test_rows_inserted_meanwhile(self, host: Host, population: list[Connection]) -> None:
        first = host.asks("list", by=OUR_KEY, limit=4)
        host.clock.move(seconds=1)
        newer = host.create(OUR_KEY, "org_new")
        second = host.asks("list", by=OUR_KEY, limit=100, after=first.next)
        assert [*first.connections, *second.connections] == population
        before = host.asks("list", by=OUR_KEY, limit=100, before=population[0].id)
        assert before.connections == (newer,)

    @pytest.mark.parametrize("limit", [0, -1, 101, 10**5000], ids=["0", "-1", "101", "huge"])
    def test_the_limit_is_1_to_100(self, host: Host, limit: int) -> None:
        with pytest.raises(ValueError, match=r"^limit is .*; it must be 1 to 100$") as caught:
            host.asks("list", by=OUR_KEY, limit=limit)
        assert len(str(caught.value)) < 150

    @pytest.mark.parametrize(
        ("named", "complaint"),
        [
            (
                {"status": "frozen"},
                "status is 'frozen'; it must be one of pending, active, inactive",
            ),
            (
                {"direction": "sideways"},
                "direction is 'sideways'; it must be one of outbound, inbound",
            ),
            (
                {"actionable": "expire"},
                "actionable is 'expire'; it must be one of create, activate",
            ),
            ({"destination": "DEF456"}, "expected an organization id"),
            ({"after": "cxn_1", "before": "cxn_2"}, "give after or before, not both"),
        ],
        ids=str,
    )
    def test_bad_arguments(self, host: Host, named: dict[str, Any], complaint: str) -> None:
        with pytest.raises(ValueError, match=complaint), host.service() as service:
            service.list(by=OUR_KEY, **named)


def test_every_role_has_a_direction() -> None:
    """Outbound belongs to the source, inbound to the destination; there is no third direction."""
    service = ConnectionService(InMemoryStore())
    service.create(by=OUR_KEY, destination=THEIRS)
    holders = {Role.SOURCE: OUR_KEY, Role.DESTINATION: PARTNER}
    for direction, role in zip(Direction, Role, strict=True):
        assert service.list(by=holders[role], direction=direction).connections
        other = next(actor for held, actor in holders.items() if held is not role)
        assert service.list(by=other, direction=direction).connections == ()
