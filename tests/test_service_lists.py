"""The service's lists show exactly what the policy permits, on every store."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from itertools import product

import pytest
from databases import STORES, Backend, backend
from hypothesis import given
from hypothesis import strategies as st
from support import ORGANIZATIONS, T0, take

from connect_core import (
    Action,
    Actor,
    Change,
    Connection,
    ConnectionService,
    ConnectionStore,
    Direction,
    Role,
    Status,
    allowed_actions,
    can,
    roles_of,
)

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
        )


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
            for listing in asked:
                expected = list(filter(listing.admits, everything))
                assert pages(ConnectionService(store), listing, limit) == expected
            raise _UndoneError
