"""Laws of a Connection and its history. Each class states one."""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import (
    ACTORS,
    PARTNER,
    STRANGER,
    T0,
    actors,
    connections,
    create,
    histories,
    reader_of,
    take,
    times,
)

from connect_core import (
    Action,
    Actor,
    ConnectError,
    Connection,
    ConnectionEvent,
    ConnectionId,
    Denial,
    InvalidHistoryError,
    NotAPartyError,
    Role,
    Scope,
    Status,
    Terms,
    allowed_actions,
    can,
    decide_access,
    replay,
)
from connect_core.strategies import History

COMMANDS = [Action.ACTIVATE, Action.DEACTIVATE, Action.REACTIVATE]
commands = st.sampled_from(COMMANDS)


class TestConsent:
    """Active is only ever entered by the destination, pending only by the source."""

    @given(histories())
    def test_who_enters_what(self, history: History) -> None:
        _, events = history
        for event in events:
            if event.status is Status.ACTIVE:
                assert event.action is Action.ACTIVATE
                assert Role.DESTINATION in event.roles
            if event.status is Status.PENDING:
                assert event.action in {Action.CREATE, Action.REACTIVATE}
                assert Role.SOURCE in event.roles

    @given(histories())
    def test_active_is_entered_from_pending_alone(self, history: History) -> None:
        _, events = history
        for event in events:
            if event.status is Status.ACTIVE:
                assert event.previous_status is Status.PENDING


class TestChanges:
    """Every change raises the version by one and yields one event that describes it."""

    @given(histories())
    def test_versions_and_events(self, history: History) -> None:
        connection, events = history
        assert [event.version for event in events] == list(range(1, len(events) + 1))
        assert connection.version == len(events)
        for before, after in pairwise(events):
            assert after.previous_status is before.status
        assert events[-1].status is connection.status
        assert events[-1].occurred_at == connection.updated_at

    @given(histories())
    def test_what_is_permanent(self, history: History) -> None:
        connection, events = history
        first = events[0]
        assert first.terms is not None
        assert connection.creator == first.actor
        assert connection.created_at == first.occurred_at
        for field in Terms.model_fields:
            assert getattr(connection, field) == getattr(first.terms, field)
        assert {event.connection_id for event in events} == {connection.id}
        assert [event.terms for event in events[1:]] == [None] * (len(events) - 1)

    @given(histories())
    def test_they_are_what_validation_would_give(self, history: History) -> None:
        """Commands skip validation; what they return would pass it unchanged."""
        connection, events = history
        self_ok = {"allow_self": True}
        again = Connection.model_validate(connection.model_dump(), context=self_ok)
        assert again == connection
        assert hash(again) == hash(connection)
        assert again.model_dump_json() == connection.model_dump_json()
        json = connection.model_dump_json()
        assert Connection.model_validate_json(json, context=self_ok) == connection
        for event in events:
            assert ConnectionEvent.model_validate(event.model_dump()) == event
            assert ConnectionEvent.model_validate_json(event.model_dump_json()) == event


class TestRefusals:
    """A refusal changes nothing and yields no event."""

    @given(connections, commands, actors)
    def test_nothing_has_changed(
        self, connection: Connection, action: Action, actor: Actor
    ) -> None:
        before = connection.model_dump()
        try:
            take(connection, action, actor)
        except ConnectError:
            assert not can(actor, action, connection)
        else:
            assert can(actor, action, connection)
        assert connection.model_dump() == before


class TestTime:
    """Time never runs backwards, even when the clock does."""

    @given(histories())
    def test_events_are_in_order(self, history: History) -> None:
        connection, events = history
        moments = [event.occurred_at for event in events]
        assert moments == sorted(moments)
        assert connection.created_at <= connection.updated_at

    @given(connections, times)
    def test_the_later_of_clock_and_last_change(self, connection: Connection, at: datetime) -> None:
        action, actor = next(
            (action, actor) for actor in ACTORS for action in allowed_actions(actor, connection)
        )
        changed, _ = take(connection, action, actor, at)
        cut = at.replace(microsecond=at.microsecond // 1000 * 1000)
        assert changed.updated_at == max(cut, connection.updated_at)

    def test_without_a_time_it_is_now(self) -> None:
        before = datetime.now(UTC) - timedelta(milliseconds=1)
        connection, _ = Connection.create(by=ACTORS[0], destination="org_B")
        changed, _ = connection.deactivate(by=ACTORS[0])
        after = datetime.now(UTC)
        assert before <= connection.created_at <= changed.updated_at <= after
        assert connection.created_at.tzinfo is UTC
        assert connection.created_at.microsecond % 1000 == 0


class TestReplay:
    """`replay(events) == connection`, and a chain that could not have happened is caught."""

    @given(histories())
    def test_rebuilds_the_connection(self, history: History) -> None:
        connection, events = history
        assert replay(iter(events)) == connection

    @given(histories(), st.data())
    def test_a_dropped_event_is_caught(self, history: History, data: st.DataObject) -> None:
        """Anywhere but at the end, where the version shows it."""
        connection, events = history
        index = data.draw(st.integers(0, len(events) - 1))
        rest = events[:index] + events[index + 1 :]
        if rest and index == len(events) - 1:
            assert replay(rest).version == connection.version - 1
            return
        with pytest.raises(InvalidHistoryError) as caught:
            replay(rest)
        assert caught.value.index == index

    @given(histories(), st.data())
    def test_a_repeated_event_is_caught(self, history: History, data: st.DataObject) -> None:
        _, events = history
        index = data.draw(st.integers(0, len(events) - 1))
        with pytest.raises(InvalidHistoryError) as caught:
            replay([*events[: index + 1], events[index], *events[index + 1 :]])
        assert caught.value.index == index + 1

    @given(histories().filter(lambda history: len(history[1]) > 1), st.data())
    def test_swapped_events_are_caught(self, history: History, data: st.DataObject) -> None:
        _, events = history
        one = data.draw(st.integers(0, len(events) - 2))
        other = data.draw(st.integers(one + 1, len(events) - 1))
        swapped = list(events)
        swapped[one], swapped[other] = events[other], events[one]
        with pytest.raises(InvalidHistoryError) as caught:
            replay(swapped)
        assert caught.value.index == one

    @given(histories(), st.data())
    def test_an_edited_event_is_caught(self, history: History, data: st.DataObject) -> None:
        """Any field, except that another actor of the same organization may do the same."""
        connection, events = history
        index = data.draw(st.integers(0, len(events) - 1))
        field, edit = data.draw(st.sampled_from(sorted(EDITS.items())))
        edited = edit(events[index])
        chain = [*events[:index], edited, *events[index + 1 :]]
        with suppress(InvalidHistoryError):
            assert replay(chain) != connection, field

    @pytest.mark.parametrize("index", [0, 1, 2])
    @pytest.mark.parametrize("field", ["action", "previous_status", "status", "version", "roles"])
    def test_an_edited_step_is_caught_where_it_stands(self, index: int, field: str) -> None:
        connection, first = create()
        connection, second = connection.activate(by=PARTNER)
        connection, third = connection.deactivate(by=PARTNER)
        events = [first, second, third]
        events[index] = EDITS[field](events[index])
        with pytest.raises(InvalidHistoryError) as caught:
            replay(events)
        assert caught.value.index == index
        assert f"event {index} " in str(caught.value)

    def test_an_empty_history(self) -> None:
        with pytest.raises(InvalidHistoryError, match="is missing") as caught:
            replay([])
        assert (caught.value.index, caught.value.code) == (0, "invalid_history")

    def test_a_history_without_its_creation(self) -> None:
        connection, _ = create()
        _, event = connection.activate(by=PARTNER)
        with pytest.raises(
            InvalidHistoryError, match="is activate, and a history begins"
        ) as caught:
            replay([event])
        assert caught.value.index == 0

    def test_a_creation_by_somebody_else(self) -> None:
        _, event = create()
        forged = event.model_copy(update={"actor": PARTNER})
        with pytest.raises(InvalidHistoryError, match="was not permitted") as caught:
            replay([forged])
        assert caught.value.index == 0
        assert caught.value.__cause__ is not None

    def test_the_message_names_what_differs(self) -> None:
        connection, _ = create()
        _, event = connection.activate(by=PARTNER, at=T0)
        wrong = event.model_copy(update={"version": 5, "status": Status.INACTIVE})
        with pytest.raises(InvalidHistoryError) as caught:
            connection.apply(wrong)
        assert caught.value.index == 1
        assert caught.value.reason == (
            "has version 5 where 2 was due, status inactive where active was due"
        )

    def test_apply_refuses_what_the_rules_refuse(self) -> None:
        connection, _ = create()
        _, event = connection.activate(by=PARTNER, at=T0)
        with pytest.raises(InvalidHistoryError, match="was not permitted") as caught:
            connection.apply(event.model_copy(update={"actor": STRANGER}))
        assert caught.value.index == 1
        assert isinstance(caught.value.__cause__, NotAPartyError)

    def test_apply_takes_the_next_step(self) -> None:
        connection, _ = create()
        change = connection.activate(by=PARTNER, at=T0)
        assert connection.apply(change.event) == change.connection


def _other(values: type[Status] | type[Action] | type[Role], value: object) -> object:
    return next(other for other in values if other is not value)


_TERMS = Terms(
    source_organization_id=ACTORS[0].organization_id,
    destination_organization_id=PARTNER.organization_id,
    scopes=frozenset({Scope("a.b")}),
)

#: For each field of an event, an edit to another valid value.
EDITS: dict[str, Callable[[ConnectionEvent], ConnectionEvent]] = {
    "connection_id": lambda e: e.model_copy(update={"connection_id": ConnectionId("cxn_other")}),
    "version": lambda e: e.model_copy(update={"version": e.version + 1}),
    "action": lambda e: e.model_copy(update={"action": _other(Action, e.action)}),
    "previous_status": lambda e: e.model_copy(
        update={"previous_status": _other(Status, e.previous_status)}
    ),
    "status": lambda e: e.model_copy(update={"status": _other(Status, e.status)}),
    "actor": lambda e: e.model_copy(update={"actor": STRANGER}),
    "roles": lambda e: e.model_copy(
        update={"roles": frozenset({_other(Role, next(iter(e.roles)))})}
    ),
    "occurred_at": lambda e: e.model_copy(
        update={"occurred_at": e.occurred_at - timedelta(days=40000)}
    ),
    "terms": lambda e: e.model_copy(update={"terms": None if e.terms else _TERMS}),
}


class TestOneDirection:
    """A→B never affects B→A."""

    @given(histories(), times)
    def test_the_other_direction_stays(self, history: History, at: datetime) -> None:
        connection, events = history
        source, destination = (connection.organization_of(role) for role in Role)
        if source == destination:
            return
        other, first = Connection.create(
            by=Actor(id="usr_x", organization_id=destination), destination=source, at=at
        )
        for event in events:
            with pytest.raises(InvalidHistoryError):
                other.apply(event)
        reader = reader_of(connection)
        assert Denial.WRONG_DIRECTION in decide_access(reader, "inquiry.read", other).denials
        assert replay([first]) == other
