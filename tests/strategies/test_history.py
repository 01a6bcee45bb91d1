"""Strategies of Connections and their histories."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
from drawing import drawn, found, simplest
from hypothesis import given
from hypothesis import strategies as st
from support import ACTORS, OUR_KEY, STRANGER

from connect_core import (
    Action,
    Actor,
    ActorType,
    Connection,
    ConnectionEvent,
    Organization,
    Status,
    replay,
    strategies,
)
from connect_core.strategies import History

MILLISECOND = timedelta(milliseconds=1)
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def is_of_both(history: History) -> bool:
    """Whether it is a self-connection."""
    return history[0].source_organization_id == history[0].destination_organization_id


def actions_of(history: History) -> str:
    """The actions, in one line."""
    return " ".join(event.action for event in history[1])


def is_way(way: str, history: History) -> bool:
    """Whether these are the actions."""
    return actions_of(history) == way


class TestHistories:
    """Histories are legal from the creation on, and every legal history can be drawn."""

    @given(strategies.histories(allow_self=True))
    def test_they_replay(self, history: History) -> None:
        connection, events = history
        assert replay(events) == connection
        assert type(events) is tuple

    @given(strategies.histories(clock=strategies.times(normalized=False)))
    def test_they_are_what_validation_would_give(self, history: History) -> None:
        connection, events = history
        assert Connection.model_validate(connection.model_dump()) == connection
        for event in events:
            assert ConnectionEvent.model_validate(event.model_dump()) == event

    @given(strategies.histories())
    def test_everybody_acts_for_one_organization(self, history: History) -> None:
        actors = {(event.actor.id, event.actor.organization_id) for event in history[1]}
        assert len({actor_id for actor_id, _ in actors}) == len(actors)

    @pytest.mark.parametrize(
        ("max_steps", "due"),
        [
            (0, ["create"]),
            (1, ["create", "create activate", "create deactivate"]),
            (
                3,
                [
                    "create",
                    "create activate",
                    "create activate deactivate",
                    "create activate deactivate reactivate",
                    "create deactivate",
                    "create deactivate reactivate",
                    "create deactivate reactivate activate",
                    "create deactivate reactivate deactivate",
                ],
            ),
        ],
    )
    def test_every_way_and_no_other(self, max_steps: int, due: list[str]) -> None:
        histories = strategies.histories(max_steps=max_steps)
        assert set(map(actions_of, drawn(histories, examples=200))) <= set(due)
        for way in due:
            found(histories, partial(is_way, way))

    def test_the_longest(self) -> None:
        found(strategies.histories(), lambda history: len(history[1]) == 9)
        assert max(len(events) for _, events in drawn(strategies.histories())) <= 9

    def test_the_plainest(self) -> None:
        due = Connection.create(
            by=Actor(id="usr_A", organization_id="org_A"),
            destination="org_B",
            scopes=["inquiry.read"],
            id="cxn_A",
            at=datetime(2000, 1, 1, tzinfo=UTC),
        )
        assert simplest(strategies.histories()) == (due.connection, (due.event,))
        assert simplest(strategies.connections()) == due.connection
        assert simplest(strategies.events()) == due.event

    def test_the_plainest_active_one(self) -> None:
        connection, events = simplest(strategies.histories(status="active"))
        assert [event.action for event in events] == ["create", "activate"]
        assert events[1].actor == Actor(id="usr_B", organization_id="org_B")
        assert connection.updated_at == datetime(2000, 1, 1, tzinfo=UTC)

    def test_clocks_jump(self) -> None:
        """Forwards, not at all, and backwards, where the time of the last change is kept."""
        moments = [
            (before.occurred_at, after.occurred_at)
            for _, events in drawn(strategies.histories(), examples=200)
            for before, after in pairwise(events)
        ]
        assert any(before < after for before, after in moments)
        assert sum(before == after for before, after in moments) > len(moments) / 5

    def test_several_of_an_organization_take_the_steps(self) -> None:
        history = found(
            strategies.histories(),
            lambda history: len({event.actor.id for event in history[1]}) == 4,
        )
        assert len({event.actor.organization_id for event in history[1]}) == 2

    @pytest.mark.parametrize("type_", ActorType)
    @pytest.mark.parametrize("action", Action)
    def test_both_types_of_actors_do_everything(self, type_: ActorType, action: Action) -> None:
        found(strategies.events(), lambda each: each.action is action and each.actor.type is type_)

    def test_parties_that_differ_only_by_case(self) -> None:
        connections = drawn(strategies.connections())
        alike = [
            connection
            for connection in connections
            if connection.source_organization_id.lower()
            == connection.destination_organization_id.lower()
        ]
        assert len(alike) > 5

    def test_with_itself_only_on_request(self) -> None:
        assert not any(map(is_of_both, drawn(strategies.histories(), examples=200)))
        histories = drawn(strategies.histories(allow_self=True), examples=200)
        assert 10 < sum(map(is_of_both, histories)) < 150


def organization(id: str) -> Organization:
    """The organization with this id."""
    return Organization(id=id)


class TestPins:
    """Each argument is honoured, alone and together with the others."""

    @pytest.mark.parametrize("status", Status)
    def test_every_status(self, status: Status) -> None:
        found(strategies.connections(), lambda connection: connection.status is status)
        for connection in drawn(strategies.connections(status=status), examples=50):
            assert connection.status is status
        for connection, _ in drawn(strategies.histories(status=status.value), examples=50):
            assert connection.status is status

    @pytest.mark.parametrize("form", [list, set, iter])
    def test_several_statuses(self, form: Any) -> None:
        either = strategies.connections(status=form(["inactive", "active"]))
        assert {connection.status for connection in drawn(either, examples=100)} == {
            Status.ACTIVE,
            Status.INACTIVE,
        }
        assert simplest(strategies.connections(status=["inactive", "active"])).status == "active"

    @pytest.mark.parametrize("status", ["active", "inactive"])
    def test_a_status_in_the_fewest_steps(self, status: str) -> None:
        histories = drawn(strategies.histories(status=status, max_steps=1), examples=50)
        assert {len(events) for _, events in histories} == {2}

    @pytest.mark.parametrize("status", Status)
    def test_a_status_after_many_steps(self, status: Status) -> None:
        _, events = found(strategies.histories(status=status), lambda each: len(each[1]) > 6)
        assert events[-1].status is status

    @pytest.mark.parametrize("form", [str, organization])
    def test_the_parties(self, form: Callable[[str], str | Organization]) -> None:
        ours, theirs = form("org_a"), form("org_A")
        for connection in drawn(strategies.connections(source=ours), examples=50):
            assert connection.source_organization_id == "org_a"
            assert connection.destination_organization_id != "org_a"
        for connection in drawn(strategies.connections(destination=theirs), examples=50):
            assert connection.destination_organization_id == "org_A"
            assert connection.source_organization_id != "org_A"
        both = strategies.connections(source=ours, destination=theirs)
        for connection in drawn(both, examples=50):
            assert connection.source_organization_id == "org_a"
            assert connection.destination_organization_id == "org_A"

    @pytest.mark.parametrize("pinned", ["source", "destination"])
    def test_a_party_with_itself(self, pinned: str) -> None:
        pin: dict[str, Any] = {pinned: "org_X", "allow_self": True}
        history = found(strategies.histories(**pin), is_of_both)
        assert history[0].source_organization_id == "org_X"
        assert not all(map(is_of_both, drawn(strategies.histories(**pin), examples=50)))

    @given(strategies.histories(source="org_X", destination="org_X", allow_self=True))
    def test_both_parties_the_same(self, history: History) -> None:
        assert history[0].source_organization_id == "org_X"
        assert is_of_both(history)

    @given(strategies.connections(scopes=iter(["x.y", "a.b", "x.y"])))
    def test_the_scopes(self, connection: Connection) -> None:
        assert connection.scopes == {"a.b", "x.y"}

    @given(
        strategies.histories(
            clock=strategies.times(min_value=NOON, max_value=NOON + 5 * MILLISECOND)
        )
    )
    def test_the_clock(self, history: History) -> None:
        for event in history[1]:
            assert NOON <= event.occurred_at <= NOON + 5 * MILLISECOND

    @given(strategies.histories(actors=iter(ACTORS)))
    def test_the_actors(self, history: History) -> None:
        assert all(event.actor in ACTORS for event in history[1])
        assert not is_of_both(history)
        assert replay(history[1]) == history[0]

    def test_all_of_the_actors(self) -> None:
        """Between any two of their organizations, and with itself on request."""
        histories = drawn(strategies.histories(actors=ACTORS, allow_self=True), examples=500)
        taking_part = {event.actor.id for _, events in histories for event in events}
        assert taking_part == {actor.id for actor in ACTORS}
        organizations = {actor.organization_id for actor in ACTORS}
        assert {
            (connection.source_organization_id, connection.destination_organization_id)
            for connection, _ in histories
        } == {(one, other) for one in organizations for other in organizations}

    @given(
        strategies.histories(
            actors=[*ACTORS, STRANGER],
            source=STRANGER.organization_id,
            destination="org_a",
            status=["inactive", "active"],
            scopes=["a.b"],
            clock=st.just(NOON),
            max_steps=2,
        )
    )
    def test_all_together(self, history: History) -> None:
        connection, events = history
        assert connection.creator == STRANGER
        assert connection.destination_organization_id == "org_a"
        assert connection.status in {"inactive", "active"}
        assert connection.scopes == {"a.b"}
        assert connection.created_at == connection.updated_at == NOON
        assert 2 <= len(events) <= 3

    def test_one_organization_is_enough_for_itself(self) -> None:
        history = simplest(strategies.histories(actors=[OUR_KEY], allow_self=True))
        assert is_of_both(history)

    @given(strategies.events(strategies.histories(max_steps=0, source="org_X")))
    def test_the_histories_of_events(self, event: ConnectionEvent) -> None:
        assert event.action is Action.CREATE
        assert event.actor.organization_id == "org_X"

    def test_the_defaults_of_connections(self) -> None:
        versions = {connection.version for connection in drawn(strategies.connections())}
        assert versions == {1, 2, 3, 4, 5}
