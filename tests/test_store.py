"""The contract of a store: the same for every `ConnectionStore`, in memory and in databases."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from inspect import signature
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from databases import CHOSEN, STORES, Backend, backend
from support import OUR_KEY, PARTNER, STRANGER, T0, take

from connect_core import (
    Action,
    Actor,
    Change,
    Connection,
    ConnectionId,
    ConnectionStore,
    IdempotencyKey,
    IdempotencyRecord,
    InMemoryStore,
    OrganizationId,
    Position,
    Role,
    Scope,
    Selection,
    Standing,
    Status,
)
from connect_core.adapters.sql import SqlConnectionStore
from connect_core.paging import count_of
from connect_core.store import selection_of_all

OURS, THEIRS = OUR_KEY.organization_id, PARTNER.organization_id
ANY = (Standing(Role.SOURCE, None), Standing(Role.DESTINATION, None))
KEY = IdempotencyKey("key-1")
RECORD = IdempotencyRecord("f" * 64, '{"version": 1}', T0)

#: Names that some layer might not handle.
NAMES = [
    None,
    "",
    " ",
    'O\'Brien "&" Söhne; DROP TABLE connections; --',
    "%s %(id)s :id ? {0} \\ \\x00",
    "🎉 👩‍👩‍👧 ﷽ مرحبا ‮abc",
    "null",
    "é" * 255,
    "🎉" * 255,
]


@pytest.fixture(params=(*STORES, *CHOSEN))
def stored(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
    """An empty store of any kind, also on tables that a host has chosen."""
    with backend(request.param, tmp_path) as found:
        yield found


def offer(
    destination: str = "org_DEF456",
    by: Actor = OUR_KEY,
    *,
    id: str = "cxn_1",
    at: datetime = T0,
    name: str | None = None,
) -> Change:
    """The creation of a Connection."""
    return Connection.create(
        by=by, destination=destination, id=id, at=at, name=name, allow_self=True
    )


def keep(stored: Backend, *changes: Change) -> None:
    """Add new Connections in one transaction."""
    with stored.store() as store:
        for change in changes:
            assert store.add(change)


@pytest.mark.parametrize("store", [InMemoryStore, SqlConnectionStore])
def test_the_port(store: type[ConnectionStore]) -> None:
    """A store's methods have the parameters of the port."""
    methods = [name for name in vars(ConnectionStore) if not name.startswith("_")]
    assert len(methods) == 9
    for name in methods:
        due = signature(getattr(ConnectionStore, name)).parameters
        assert signature(getattr(store, name)).parameters == due, name


@pytest.mark.parametrize("store", [InMemoryStore, SqlConnectionStore])
def test_beyond_the_port(store: Any) -> None:
    """Both stores count by their own means."""
    assert list(signature(store.count).parameters) == ["self", "selection", "most"]


class TestAdding:
    """One Connection per id and per ordered pair."""

    def test_what_was_added_is_there(self, stored: Backend) -> None:
        change = offer(name="Partner Connection")
        keep(stored, change)
        with stored.store() as store:
            connection = change.connection
            assert store.get(connection.id) == connection
            assert store.find(OURS, THEIRS) == connection
            assert list(store.history(connection.id)) == [change.event]

    def test_what_was_not_added_is_not(self, stored: Backend) -> None:
        with stored.store() as store:
            assert store.get(ConnectionId("cxn_1")) is None
            assert store.find(OURS, THEIRS) is None
            assert list(store.history(ConnectionId("cxn_1"))) == []

    def test_a_taken_pair(self, stored: Backend) -> None:
        first, second = offer(), offer(id="cxn_2")
        keep(stored, first)
        with stored.store() as store:
            assert store.add(second) is False
            assert store.get(second.connection.id) is None
            assert list(store.history(second.connection.id)) == []
            assert store.find(OURS, THEIRS) == first.connection
            assert store.add(offer("org_other", id="cxn_2"))  # the transaction is still usable

    def test_a_taken_id(self, stored: Backend) -> None:
        first = offer()
        keep(stored, first)
        with stored.store() as store:
            assert store.add(offer("org_other")) is False
            assert store.find(OURS, OrganizationId("org_other")) is None
            assert list(store.history(first.connection.id)) == [first.event]

    def test_the_other_direction_is_another_pair(self, stored: Backend) -> None:
        keep(stored, offer(), offer(OURS, PARTNER, id="cxn_2"), offer(OURS, id="cxn_3"))
        with stored.store() as store:
            found = [store.find(*pair) for pair in ((OURS, THEIRS), (THEIRS, OURS), (OURS, OURS))]
            assert [connection and connection.id for connection in found] == [
                "cxn_1",
                "cxn_2",
                "cxn_3",
            ]

    def test_ids_that_differ_by_case_only(self, stored: Backend) -> None:
        keep(stored, offer("org_x", id="cxn_a"), offer("org_X", id="cxn_A"))
        with stored.store() as store:
            found = store.find(OURS, OrganizationId("org_X"))
            assert found is not None
            assert found.id == "cxn_A"
            assert store.get(ConnectionId("cxn_a")) == offer("org_x", id="cxn_a").connection

    @pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name)[:20])
    def test_every_name_comes_back(self, stored: Backend, name: str | None) -> None:
        change = offer(name=name)
        keep(stored, change)
        with stored.store() as store:
            assert store.get(change.connection.id) == change.connection
            assert list(store.history(change.connection.id)) == [change.event]

    @pytest.mark.parametrize(
        "at",
        [
            datetime.fromisoformat("0001-01-02T00:00:00.000Z"),
            datetime.fromisoformat("1969-12-31T23:59:59.999Z"),
            datetime.fromisoformat("2018-06-01T00:00:00.001+05:30"),
            datetime.fromisoformat("9999-12-30T23:59:59.999Z"),
        ],
        ids=str,
    )
    def test_every_time_comes_back(self, stored: Backend, at: datetime) -> None:
        change = offer(at=at)
        keep(stored, change)
        with stored.store() as store:
            assert store.get(change.connection.id) == change.connection
            assert list(store.history(change.connection.id)) == [change.event]

    def test_long_ids_and_many_scopes(self, stored: Backend) -> None:
        change = Connection.create(
            by=Actor(id="user_" + "x" * 250, organization_id="org_" + "A-_9" * 62 + "end"),
            destination="org_" + "b" * 251,
            id="cxn_" + "9" * 251,
            scopes=[Scope(f"resource-{n}.verb_{n}") for n in range(64)],
            at=T0,
        )
        keep(stored, change)
        with stored.store() as store:
            assert store.get(change.connection.id) == change.connection
            assert list(store.history(change.connection.id)) == [change.event]


class TestSaving:
    """One event per Connection and version: of two changes to one version, one is stored."""

    def test_a_whole_life(self, stored: Backend) -> None:
        change = offer()
        keep(stored, change)
        events = [change.event]
        for number, (action, actor) in enumerate(
            [
                (Action.ACTIVATE, PARTNER),
                (Action.DEACTIVATE, OUR_KEY),
                (Action.REACTIVATE, OUR_KEY),
                (Action.DEACTIVATE, PARTNER),
            ],
            1,
        ):
            change = take(change.connection, action, actor, T0 + timedelta(milliseconds=number))
            events.append(change.event)
            with stored.store() as store:
                assert store.save(change)
            with stored.store() as store:
                assert store.get(change.connection.id) == change.connection
                assert store.find(OURS, THEIRS) == change.connection
                assert list(store.history(change.connection.id)) == events

    def test_the_second_of_two_is_not_kept(self, stored: Backend) -> None:
        connection, _ = first = offer()
        keep(stored, first)
        accepted = connection.activate(by=PARTNER, at=T0 + timedelta(seconds=1))
        withdrawn = connection.deactivate(by=OUR_KEY, at=T0 + timedelta(seconds=2))
        with stored.store() as store:
            assert store.save(withdrawn)
            assert store.save(accepted) is False
            assert store.get(connection.id) == withdrawn.connection
            assert list(store.history(connection.id)) == [first.event, withdrawn.event]

    def test_nor_is_the_same_one_twice(self, stored: Backend) -> None:
        connection, _ = first = offer()
        keep(stored, first)
        accepted = connection.activate(by=PARTNER, at=T0)
        with stored.store() as store:
            assert store.save(accepted)
            assert store.save(accepted) is False
            assert list(store.history(connection.id)) == [first.event, accepted.event]

    def test_a_version_that_is_not_there_yet(self, stored: Backend) -> None:
        connection, _ = first = offer()
        keep(stored, first)
        active, _ = connection.activate(by=PARTNER, at=T0)
        with stored.store() as store:
            assert store.save(active.deactivate(by=PARTNER, at=T0)) is False
            assert store.get(connection.id) == connection

    def test_a_connection_that_is_not_there(self, stored: Backend) -> None:
        with stored.store() as store:
            assert store.save(offer().connection.activate(by=PARTNER)) is False
            assert store.find(OURS, THEIRS) is None


def page_of(
    store: ConnectionStore,
    selection: Selection,
    beyond: Position | None,
    *,
    newest_first: bool,
    limit: int,
) -> list[Connection]:
    """A page on which every record can be read."""
    page = store.page(selection, beyond=beyond, newest_first=newest_first, limit=limit)
    readable = [each for each in page if isinstance(each, Connection)]
    assert len(readable) == len(page)
    return readable


def turned(
    store: ConnectionStore, selection: Selection, *, newest_first: bool, limit: int
) -> list[Connection]:
    """All of a selection, page by page."""
    found: list[Connection] = []
    beyond = None
    while page := page_of(store, selection, beyond, newest_first=newest_first, limit=limit):
        assert len(page) <= limit
        found += page
        beyond = Position.of(page[-1])
    return found


class TestPages:
    """Pages are ordered by (created at, id), in both directions, from any position."""

    @pytest.fixture
    def population(self, stored: Backend) -> list[Connection]:
        """Connections of five organizations, several per millisecond, their ids in no order."""
        people = [Actor(id=f"usr_{n}", organization_id=f"org_{n}") for n in range(5)]
        changes: list[Change] = []
        for number in range(25):
            by, to = people[number % 5], people[number // 5]
            at = T0 + timedelta(milliseconds=number * 7 % 4)
            change = offer(to.organization_id, by, id=f"cxn_{number * 11 % 25:02}", at=at)
            changes.append(change)
        keep(stored, *changes)
        found = [change.connection for change in changes]
        with stored.store() as store:
            for place in range(0, 25, 3):
                actor = people[place // 5]
                change = take(found[place], Action.DEACTIVATE, actor, T0 + timedelta(hours=1))
                assert store.save(change)
                found[place] = change.connection
        return found

    @pytest.mark.parametrize(
        "standings",
        [
            ANY,
            ANY[:1],
            ANY[1:],
            (Standing(Role.SOURCE, Status.PENDING), Standing(Role.DESTINATION, Status.PENDING)),
            (Standing(Role.SOURCE, Status.PENDING), Standing(Role.DESTINATION, Status.INACTIVE)),
            tuple(Standing(role, status) for role in Role for status in Status),
            (Standing(Role.SOURCE, Status.ACTIVE),),
        ],
        ids=lambda standings: " ".join(f"{role}:{status}" for role, status in standings),
    )
    def test_page_by_page_it_is_the_whole(
        self,
        stored: Backend,
        population: list[Connection],
        standings: tuple[Standing, ...],
    ) -> None:
        """No Connection is skipped or repeated, even with equal times or with itself."""
        selection = Selection(OrganizationId("org_2"), standings)
        due = sorted(filter(selection.admits, population), key=Position.of, reverse=True)
        with stored.store() as store:
            for limit in (1, 2, 5, 100):
                assert turned(store, selection, newest_first=True, limit=limit) == due
                assert turned(store, selection, newest_first=False, limit=limit) == due[::-1]
                assert count_of(store, selection, limit) == min(limit, len(due))

    @pytest.mark.parametrize("standings", [ANY, ANY[:1], ANY[1:]], ids=["any", "out", "in"])
    def test_of_given_parties(
        self, stored: Backend, population: list[Connection], standings: tuple[Standing, ...]
    ) -> None:
        """The two ids narrow the selection, possibly to nothing."""
        ids = [None, *map(OrganizationId, ("org_1", "org_2", "org_unknown"))]
        with stored.store() as store:
            for source, destination in product(ids, ids):
                selection = Selection(OrganizationId("org_2"), standings, source, destination)
                due = sorted(filter(selection.admits, population), key=Position.of, reverse=True)
                page = store.page(selection, beyond=None, newest_first=True, limit=100)
                assert list(page) == due
                assert count_of(store, selection, 2) == min(2, len(due))
                assert count_of(store, selection, 100) == len(due)

    @pytest.mark.parametrize("status", [None, *Status])
    def test_of_every_organization(
        self, stored: Backend, population: list[Connection], status: Status | None
    ) -> None:
        """For an operator: page by page, and of given parties."""
        ids = [None, *map(OrganizationId, ("org_1", "org_2", "org_unknown"))]
        with stored.store() as store:
            for source, destination in product(ids, ids):
                selection = selection_of_all(status=status, source=source, destination=destination)
                assert selection.organization_id is None
                due = [
                    each
                    for each in sorted(population, key=Position.of, reverse=True)
                    if status in (None, each.status)
                    and source in (None, each.source_organization_id)
                    and destination in (None, each.destination_organization_id)
                ]
                assert list(filter(selection.admits, population)) == [
                    each for each in population if each in due
                ]
                for limit in (2, 100):
                    assert turned(store, selection, newest_first=True, limit=limit) == due
                    assert turned(store, selection, newest_first=False, limit=limit) == due[::-1]
                    assert count_of(store, selection, limit) == min(limit, len(due))

    def test_by_name_of_every_organization(self, stored: Backend) -> None:
        keep(stored, *(offer(f"org_{n}", id=f"cxn_{n}", name=name) for n, name in enumerate(NAMES)))
        with stored.store() as store:
            for text, found in {"%": 1, "'": 1, "🎉": 2, "é": 1, "É": 0, "null": 1}.items():
                selection = selection_of_all()._replace(name=text)
                page = page_of(store, selection, None, newest_first=True, limit=100)
                assert all(text in (each.name or "") for each in page)
                assert len(page) == count_of(store, selection, 100) == found

    def test_from_a_place_where_nothing_is(
        self, stored: Backend, population: list[Connection]
    ) -> None:
        selection = Selection(OrganizationId("org_2"), ANY)
        beyond = Position(T0 + timedelta(milliseconds=2), ConnectionId("cxn_---"))
        due = {each.id for each in filter(selection.admits, population)}
        with stored.store() as store:
            older = page_of(store, selection, beyond, newest_first=True, limit=100)
            newer = page_of(store, selection, beyond, newest_first=False, limit=100)
        assert {each.id for each in older} | {each.id for each in newer} == due
        assert all(Position.of(each) < beyond for each in older)
        assert all(Position.of(each) > beyond for each in newer)


class TestOnce:
    """One record per organization and key, stored together with the change."""

    def test_the_first_record_is_kept(self, stored: Backend) -> None:
        with stored.store() as store:
            assert store.once(OURS, KEY, lambda: RECORD) == RECORD
        with stored.store() as store:
            assert store.once(OURS, KEY, unexpected) == RECORD

    def test_keys_are_an_organizations_own(self, stored: Backend) -> None:
        other = RECORD._replace(fingerprint="0" * 64)
        with stored.store() as store:
            assert store.once(OURS, KEY, lambda: RECORD) == RECORD
            assert store.once(THEIRS, KEY, lambda: other) == other
            assert store.once(OURS, IdempotencyKey("KEY-1"), lambda: other) == other
            assert store.once(OURS, KEY, unexpected) == RECORD

    def test_what_the_attempt_changed_is_kept_too(self, stored: Backend) -> None:
        with stored.store() as store:

            def attempt() -> IdempotencyRecord:
                assert store.add(offer())
                return RECORD

            assert store.once(OURS, KEY, attempt) == RECORD
        with stored.store() as store:
            assert store.find(OURS, THEIRS) == offer().connection

    def test_a_failing_attempt_keeps_nothing(self, stored: Backend) -> None:
        def attempt() -> IdempotencyRecord:
            raise LookupError("no reason")

        with stored.store() as store:
            with pytest.raises(LookupError, match="no reason"):
                store.once(OURS, KEY, attempt)
            assert store.once(OURS, KEY, lambda: RECORD) == RECORD

    def test_keys_and_outcomes_of_any_text(self, stored: Backend) -> None:
        key = IdempotencyKey("'\" \\ %s :key ~" + "x" * 200)
        record = RECORD._replace(outcome='{"name": "O\'Brien 🎉 \\u0000"}')
        with stored.store() as store:
            store.once(OURS, key, lambda: record)
        with stored.store() as store:
            assert store.once(OURS, key, unexpected) == record

    def test_forgetting(self, stored: Backend) -> None:
        """Records made before the given time are forgotten, later ones are not."""
        made = [T0 + timedelta(milliseconds=n) for n in range(4)]
        with stored.store() as store:
            for number, at in enumerate(made):
                store.once(OURS, IdempotencyKey(f"key-{number}"), record_at(at))
            assert store.forget(T0 + timedelta(milliseconds=2)) == 2
            assert store.forget(T0 + timedelta(milliseconds=2)) == 0
            later = T0 + timedelta(days=1)
            found = [
                store.once(OURS, IdempotencyKey(f"key-{number}"), record_at(later)).created_at
                for number in range(4)
            ]
        assert found == [later, later, *made[2:]]


def unexpected() -> IdempotencyRecord:
    """An attempt that must not be made."""
    raise AssertionError("the request was attempted again")


def record_at(at: datetime) -> Callable[[], IdempotencyRecord]:
    return lambda: RECORD._replace(created_at=at)


def test_an_organization_that_is_no_party_has_an_empty_list(stored: Backend) -> None:
    keep(stored, offer())
    everything = Selection(STRANGER.organization_id, ANY)
    with stored.store() as store:
        assert list(store.page(everything, beyond=None, newest_first=True, limit=10)) == []


@pytest.mark.parametrize("argument", ["status", "source", "destination"])
def test_what_selects_nothing(argument: str) -> None:
    with pytest.raises(ValueError, match=f"^{argument}"):
        selection_of_all(**{argument: "nonsense"})
