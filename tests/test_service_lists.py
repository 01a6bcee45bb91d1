"""The service's lists show exactly what the policy permits, on every store."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from itertools import product
from typing import Any, Final

import pytest
from databases import STORES, Backend, backend
from hypothesis import given
from hypothesis import strategies as st
from support import ORGANIZATIONS, OUR_KEY, PARTNER, STRANGER, T0, take, without_count

from connect_core import (
    Action,
    Actor,
    Change,
    Connection,
    ConnectionService,
    ConnectionStore,
    Direction,
    InMemoryStore,
    Organization,
    Role,
    Status,
    allowed_actions,
    can,
    roles_of,
)
from connect_core.store import Filters

ACTORS = [Actor(id="api_1", organization_id=each) for each in ORGANIZATIONS]


@dataclass
class Listing:
    """The filters of a list."""

    by: Actor
    status: Status | None
    source: str | None
    destination: str | None
    direction: Direction | None
    actionable: Action | None
    name: str | None
    partners: list[str] | None = None

    def admits(self, connection: Connection) -> bool:
        """Whether a Connection belongs to the list, by the policy and by its fields."""
        roles = roles_of(self.by, connection)
        role = {Direction.OUTBOUND: Role.SOURCE, Direction.INBOUND: Role.DESTINATION}
        return (
            bool(roles)
            and self.status in (None, connection.status)
            and self.source in (None, connection.source_organization_id)
            and self.destination in (None, connection.destination_organization_id)
            and (self.direction is None or role[self.direction] in roles)
            and (self.actionable is None or can(self.by, self.actionable, connection))
            and self.is_found(connection)
        )

    def is_found(self, connection: Connection) -> bool:
        """Whether the name or the other party is looked for, if either is."""
        ours = self.by.organization_id
        source = connection.source_organization_id
        other = connection.destination_organization_id if source == ours else source
        matches = [
            *([] if self.name is None else [contains(connection.name, self.name)]),
            *([] if self.partners is None else [other in self.partners]),
        ]
        return any(matches) if matches else True


def contains(name: str | None, text: str) -> bool:
    """Whether a text is in a name. In UTF-8, `bytes.lower` changes A to Z and nothing else."""
    return name is not None and in_bytes(text) in in_bytes(name)


def in_bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass").lower()


#: Short texts of few characters, so that many are in each other.
_short = st.text("aAbÜü%_\\'", max_size=4)


@st.composite
def populations(draw: st.DrawFn) -> list[list[Change]]:
    """Some Connections, many from the same millisecond, each as the changes that made it."""
    pairs = draw(st.permutations(list(product(ORGANIZATIONS, repeat=2))))
    return [
        draw(_changes(f"cxn_{number}", *pair))
        for number, pair in enumerate(pairs[: draw(st.integers(0, len(pairs)))])
    ]


@st.composite
def _changes(draw: st.DrawFn, id: str, source: str, destination: str) -> list[Change]:
    change = Connection.create(
        by=Actor(id="api_1", organization_id=source),
        destination=destination,
        allow_self=True,
        name=draw(st.none() | _short),
        id=id,
        at=T0 + timedelta(milliseconds=draw(st.integers(0, 2))),
    )
    changes = [change]
    for _ in range(draw(st.integers(0, 3))):
        moves = [
            (action, actor)
            for actor in ACTORS
            for action in sorted(allowed_actions(actor, changes[-1].connection))
        ]
        changes.append(take(changes[-1].connection, *draw(st.sampled_from(moves)), T0))
    return changes


listings = st.builds(
    Listing,
    by=st.sampled_from(ACTORS),
    status=st.none() | st.sampled_from(Status),
    source=st.none() | st.sampled_from(ORGANIZATIONS),
    destination=st.none() | st.sampled_from(ORGANIZATIONS),
    direction=st.none() | st.sampled_from(Direction),
    actionable=st.none() | st.sampled_from(Action),
    name=st.none() | _short.map(lambda text: text[:2]).filter(bool),
    partners=st.none() | st.lists(st.sampled_from([*ORGANIZATIONS, "org_unknown"]), max_size=3),
)


def keep(store: ConnectionStore, population: list[list[Change]]) -> None:
    """Put a population into a store."""
    for first, *later in population:
        assert store.add(first)
        assert all(map(store.save, later))


def pages(service: ConnectionService, listing: Listing, limit: int) -> list[Connection]:
    """All pages in order, after checking that paging backwards gives the same."""
    forwards: list[Connection] = []
    page = service.list(**vars(listing), limit=limit)
    forwards += page.connections
    while page.next is not None:
        page = service.list(**vars(listing), limit=limit, after=page.next)
        forwards += page.connections
    backwards = list(page.connections)
    while page.prev is not None:
        page = service.list(**vars(listing), limit=limit, before=page.prev)
        backwards = [*page.connections, *backwards]
    assert backwards == forwards
    return forwards


@pytest.fixture(scope="module", params=STORES)
def shared_store(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Backend]:
    """An empty store of each kind, for all examples."""
    with backend(request.param, tmp_path_factory.mktemp("lists")) as found:
        yield found


class _UndoneError(Exception):
    """Rolls a transaction back."""


class TestLists:
    """The pages of a list are the Connections that the policy admits, newest first."""

    @given(population=populations(), asked=st.lists(listings, max_size=4), limit=st.integers(1, 4))
    def test_lists(
        self,
        shared_store: Backend,
        population: list[list[Change]],
        asked: list[Listing],
        limit: int,
    ) -> None:
        fresh = Backend("memory") if shared_store.kind == "memory" else shared_store
        everything = [changes[-1].connection for changes in population]
        everything.sort(key=lambda each: (each.created_at, each.id), reverse=True)
        with suppress(_UndoneError), fresh.store() as store:
            keep(store, population)
            service, without = ConnectionService(store), ConnectionService(without_count(store))
            for listing in asked:
                expected = list(filter(listing.admits, everything))
                assert pages(service, listing, limit) == expected
                for most in (1, limit, 1000):
                    due = min(most, len(expected))
                    assert service.count(**vars(listing), most=most) == due
                    assert without.count(**vars(listing), most=most) == due
            raise _UndoneError


#: Names, and texts to look for, that a database might read in its own way: as a pattern, as the end
#: of a statement, or as equal to another text.
HOSTILE: Final = (
    *("%", "_", "100% sure", "100 sure", "a_b", "aXb", "a%b", "[a-b]*?", "^a.b$", "back\\slash"),
    *(
        "'",
        '"',
        "''",
        "O'Brien",
        "'; DROP TABLE connections; --",
        ":name",
        "%s",
        "%(name)s",
        "\\x00",
    ),
    *("Über", "über", "ÜBER", "U\u0308ber", "Uber", "Straße", "STRASSE", "strasse", "ß", "ẞ"),
    *(
        "İstanbul",
        "istanbul",
        "ISTANBUL",
        "\u0131stanbul",
        "i\u0307",
        "K",
        "\u212a",
        "\u017f",
        "s",
        "Σ",
        "ς",
    ),
    *("🎉", "🎉 Party 👩‍👩‍👧", "party", "\u200d", "\ufeff", "ﷺ", "ﬁ", "fi", "①", "1"),
    *(" ", "  ", " a", "a ", "\u00a0", "null", "None", "x" * 255, "x" * 254 + "Y", "🎉" * 255),
)
#: Names that nothing is in.
NOTHING_IN_THEM: Final = (None, "")
#: Texts that are in no name, and those that no name can hold.
IN_NO_NAME: Final = ("100% sure thing", "aZb", "Übers", "%%", "__", "\\\\", "y" * 255)
NOT_TO_BE_HELD: Final = ("\x00", "a\x00", "\n", "\t", "\x7f", "\ud800", "🎉\udc00")
NAMES: Final = (*NOTHING_IN_THEM, *HOSTILE)


def named(number: int, name: str | None) -> list[Change]:
    """A Connection of ours with this name, in one direction or the other, in some status."""
    partner = Actor(id="usr_1", organization_id=f"org_{number}")
    source, destination = (OUR_KEY, partner) if number % 2 else (partner, OUR_KEY)
    first = Connection.create(
        by=source,
        destination=destination.organization_id,
        id=f"cxn_{number * 7 % 100:02}",
        name=name,
        at=T0 + timedelta(milliseconds=number // 3),
    )
    steps = [(), ((Action.ACTIVATE, destination),), ((Action.DEACTIVATE, source),)]
    return [first, *(take(first.connection, *step, T0) for step in steps[number // 2 % 3])]


POPULATION: Final = [named(number, name) for number, name in enumerate(NAMES)]
EVERYTHING: Final = sorted(
    (changes[-1].connection for changes in POPULATION),
    key=lambda each: (each.created_at, each.id),
    reverse=True,
)
TEXTS: Final = tuple(
    dict.fromkeys(
        text
        for each in (*HOSTILE, *IN_NO_NAME, *NOT_TO_BE_HELD)
        for text in (each, each.swapcase()[:255], each[1:3] or each)
    )
)


@pytest.fixture(scope="module", params=STORES)
def named_store(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Backend]:
    """A store of each kind with the Connections of these names."""
    with backend(request.param, tmp_path_factory.mktemp("names")) as found:
        with found.store() as store:
            keep(store, POPULATION)
        yield found


class TestNames:
    """A name is found by any text in it; of A to Z the case is ignored, and no other difference."""

    @pytest.mark.parametrize("text", TEXTS, ids=ascii)
    def test_hostile_names_and_texts(self, named_store: Backend, text: str) -> None:
        listing = Listing(OUR_KEY, None, None, None, None, None, text)
        due = list(filter(listing.admits, EVERYTHING))
        with named_store.service() as service:
            assert list(service.list(by=OUR_KEY, name=text, limit=100)) == due
            assert pages(service, listing, 2) == due
            assert [service.count(by=OUR_KEY, name=text, most=most) for most in (1, 2, 1000)] == [
                min(most, len(due)) for most in (1, 2, 1000)
            ]

    @pytest.mark.parametrize("text", ["a", "%", "_", "ü", "'", " "])
    def test_with_other_filters(self, named_store: Backend, text: str) -> None:
        everybody: list[str | None] = [None, "org_ABC123", "org_2", "org_3"]
        with named_store.service() as service:
            for status, direction, action, source, destination in product(
                (None, *Status), (None, *Direction), (None, *Action), everybody, everybody
            ):
                listing = Listing(OUR_KEY, status, source, destination, direction, action, text)
                due = list(filter(listing.admits, EVERYTHING))
                assert list(service.list(**vars(listing), limit=100)) == due
                assert service.count(**vars(listing)) == len(due)

    @pytest.mark.parametrize(
        ("text", "found"),
        [
            ("%", {"%", "100% sure", "a%b", "%s", "%(name)s"}),
            ("_", {"_", "a_b"}),
            ("A_B", {"a_b"}),
            ("\\", {"back\\slash", "\\x00"}),
            ("ü", {"über"}),
            ("Ü", {"Über", "ÜBER"}),
            ("İ", {"İstanbul"}),
            ("ISTANBUL", {"istanbul", "ISTANBUL"}),
            ("ß", {"Straße", "ß"}),
            ("k", {"K", "back\\slash"}),
            ("PARTY", {"🎉 Party 👩‍👩‍👧", "party"}),
            ("NULL", {"null"}),
            ("x" * 255, {"x" * 255}),
            ("x" * 254 + "y", {"x" * 254 + "Y"}),
            *((text, set[str]()) for text in (*IN_NO_NAME, *NOT_TO_BE_HELD)),
        ],
        ids=ascii,
    )
    def test_what_is_found(self, named_store: Backend, text: str, found: set[str]) -> None:
        """Written out, and not by the rule."""
        with named_store.service() as service:
            page = service.list(by=OUR_KEY, name=text, limit=100)
            assert {each.name for each in page} == found
            assert service.count(by=OUR_KEY, name=text) == len(found)

    def test_an_outsider_finds_none(self, named_store: Backend) -> None:
        with named_store.service() as service:
            assert not service.list(by=STRANGER, name="a")
            assert service.count(by=STRANGER, name="a") == 0

    def test_turning_the_pages_while_looking_for_a_name(self, named_store: Backend) -> None:
        """A page begins after a Connection that has the name, or one that has not."""
        due = [each for each in EVERYTHING if contains(each.name, "s")]
        with named_store.service() as service:
            for place, cursor in enumerate(EVERYTHING):
                older = [each for each in EVERYTHING[place + 1 :] if each in due]
                newer = [each for each in EVERYTHING[:place] if each in due]
                after = service.list(by=OUR_KEY, name="S", after=cursor.id, limit=3)
                before = service.list(by=OUR_KEY, name="S", before=cursor.id, limit=3)
                assert list(after) == older[:3]
                assert list(before) == newer[-3:]
                assert (after.next is None) == (len(older) <= 3)
                assert (before.prev is None) == (len(newer) <= 3)


class TestPartners:
    """The Connections with certain other parties; with a name, those that match either."""

    @pytest.mark.parametrize("name", [None, "Ü", "\x00"], ids=ascii)
    @pytest.mark.parametrize("partners", [[], ["org_3"], ["org_3", "org_6", "org_3"], ["org_no"]])
    def test_with_a_name_and_without(
        self, named_store: Backend, partners: list[str], name: str | None
    ) -> None:
        listing = Listing(OUR_KEY, None, None, None, None, None, name, partners)
        due = list(filter(listing.admits, EVERYTHING))
        with named_store.service() as service:
            assert pages(service, listing, 2) == due
            assert service.count(by=OUR_KEY, name=name, partners=partners) == len(due)

    def test_many(self, named_store: Backend) -> None:
        partners = [f"org_{number}" for number in range(0, 200, 2)]
        listing = Listing(OUR_KEY, None, None, None, None, None, None, partners)
        with named_store.service() as service:
            assert pages(service, listing, 10) == list(filter(listing.admits, EVERYTHING))

    def test_in_any_form(self) -> None:
        service = ConnectionService(InMemoryStore())
        made = service.create(by=OUR_KEY, destination="org_DEF456").connection
        for partners in (
            {"org_DEF456"},
            {"org_DEF456": "Lender"},
            (Organization(id="org_DEF456", name="Lender"),),
        ):
            assert list(service.list(by=OUR_KEY, partners=partners)) == [made]

    @pytest.mark.parametrize("partners", ["org_1", b"org_1", 7, iter(()), [7]], ids=repr)
    def test_of_the_wrong_type(self, partners: Any) -> None:
        with pytest.raises(TypeError, match="partners is"):
            ConnectionService(InMemoryStore()).list(by=OUR_KEY, partners=partners)

    @pytest.mark.parametrize("partners", [["1"], [f"org_{number}" for number in range(101)]])
    def test_that_are_not_valid(self, partners: list[str]) -> None:
        with pytest.raises(ValueError, match=r"^partners"):
            ConnectionService(InMemoryStore()).count(by=OUR_KEY, partners=partners)


class TestCounts:
    """A count is that of the list, as far as is asked."""

    def test_a_self_connection_counts_once(self, stored: Backend) -> None:
        with stored.service() as service:
            service.create(by=OUR_KEY, destination="org_ABC123", allow_self=True, name="Ours")
            filters: list[Filters] = [
                {},
                {"direction": "outbound"},
                {"direction": "inbound"},
                {"status": "pending"},
                {"source": "org_ABC123", "destination": "org_ABC123"},
                {"actionable": "activate"},
                {"actionable": "deactivate"},
                {"name": "OURS"},
                {"partners": ["org_ABC123"]},
            ]
            assert [service.count(by=OUR_KEY, **each) for each in filters] == [1] * len(filters)

    def test_one_hundred_unless_said_otherwise(self, stored: Backend) -> None:
        with stored.service() as service:
            for number in range(101):
                service.create(by=OUR_KEY, destination=f"org_{number}")
            assert service.count(by=OUR_KEY) == 100
            assert service.count(by=OUR_KEY, most=1000) == 101
            assert service.count(by=PARTNER) == 0
