"""The laws: what holds for every Connection, actor and history. Each class states one."""

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
    Row,
    actors,
    connection_in,
    connections,
    create,
    histories,
    reader_of,
    scope_names,
    take,
    times,
)

from connect_core import (
    AccessDeniedError,
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
    actions,
    allowed_actions,
    authorize,
    authorize_access,
    can,
    connection_document,
    decide,
    decide_access,
    parse_connection,
    replay,
    roles_of,
    steps_to,
)
from connect_core.strategies import History

COMMANDS = [Action.ACTIVATE, Action.DEACTIVATE, Action.REACTIVATE]
commands = st.sampled_from(COMMANDS)
statuses = st.sampled_from(list(Status))


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


class TestOutsiders:
    """An outsider changes nothing and learns nothing: the same error, field by field."""

    @given(commands, statuses, statuses, st.booleans())
    def test_the_same_refusal_whatever_the_status(
        self, action: Action, one: Status, other: Status, to_self: bool
    ) -> None:
        def refusal(connection: Connection) -> NotAPartyError:
            with pytest.raises(NotAPartyError) as caught:
                take(connection, action, STRANGER)
            return caught.value

        first = refusal(connection_in(one))
        second = refusal(connection_in(other, to_self=to_self))
        assert vars(first) == vars(second)
        assert first.args == second.args
        assert str(first) == str(second)
        assert first.decision == second.decision
        assert (first.status, first.roles) == (None, frozenset())

    @given(connections, scope_names)
    def test_the_same_refusal_to_read(self, connection: Connection, scope: Scope) -> None:
        with pytest.raises(AccessDeniedError) as caught:
            authorize_access(STRANGER, scope, connection)
        assert caught.value.decision == decide_access(
            STRANGER, "no.such", connection_in(Status.ACTIVE)
        )
        assert caught.value.denial is Denial.NOT_A_PARTY
        assert caught.value.missing_scopes == frozenset()
        assert caught.value.decision.denials == (Denial.NOT_A_PARTY,)

    @given(connections)
    def test_nothing_is_allowed(self, connection: Connection) -> None:
        assert allowed_actions(STRANGER, connection) == frozenset()
        assert not any(actions(STRANGER, connection).values())


class TestChanges:
    """Every change raises the version by one and yields one event that tells it truly."""

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
        """Commands skip validation; what they make would have passed it unchanged."""
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
        """Anywhere but at the end, where the version tells it."""
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
        """Each field, but for another actor of the same organization, who may do the same."""
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

#: An edit of each field of an event, to another value that is well formed by itself.
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


class TestSharing:
    """Sharing is allowed exactly when active, scope granted, and from source to destination."""

    @given(connections, actors, scope_names)
    def test_exactly_when(self, connection: Connection, reader: Actor, scope: Scope) -> None:
        roles = roles_of(reader, connection)
        failed = {
            Denial.NOT_ACTIVE: connection.status is not Status.ACTIVE,
            Denial.SCOPE_NOT_GRANTED: scope not in connection.scopes,
            Denial.WRONG_DIRECTION: Role.DESTINATION not in roles,
        }
        due = tuple(denial for denial, has_failed in failed.items() if has_failed)
        if not roles:
            due = (Denial.NOT_A_PARTY,)
        decision = decide_access(reader, scope, connection)
        assert decision.denials == due
        assert decision is decide_access(reader, scope, Row.of(connection))
        assert (decision.action, decision.target) == (None, None)
        if decision:
            assert authorize_access(reader, scope, connection) is decision
            return
        with pytest.raises(AccessDeniedError) as caught:
            authorize_access(reader, scope, connection)
        error = caught.value
        assert (error.decision, error.denial) == (decision, due[0])
        assert (error.reader, error.scope, error.connection_id) == (reader, scope, connection.id)
        assert (error.missing_scopes == {scope}) is (Denial.SCOPE_NOT_GRANTED in due)

    @given(connections, scope_names, st.data())
    def test_nothing_after_a_deactivation_until_activated_again(
        self, connection: Connection, scope: Scope, data: st.DataObject
    ) -> None:
        if connection.status is Status.INACTIVE:
            return
        party = next(a for a in ACTORS if can(a, Action.DEACTIVATE, connection))
        connection, _ = connection.deactivate(by=party)
        for _ in range(data.draw(st.integers(0, 6))):
            assert not any(decide_access(actor, scope, connection) for actor in ACTORS)
            moves = [
                (action, actor)
                for actor in ACTORS
                for action in sorted(allowed_actions(actor, connection))
            ]
            action, actor = data.draw(st.sampled_from(moves))
            connection, _ = take(connection, action, actor)
            if action is Action.ACTIVATE:
                assert Role.DESTINATION in roles_of(actor, connection)
                return

    @given(connections)
    def test_the_remedy_makes_it_possible(self, connection: Connection) -> None:
        reader, scope = reader_of(connection), next(iter(connection.scopes))
        for step in decide_access(reader, scope, connection).remedy:
            actor = next(a for a in ACTORS if roles_of(a, connection) & step.roles)
            connection, _ = take(connection, step.action, actor)
        assert decide_access(reader, scope, connection)


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


class TestWays:
    """Following `steps_to` always arrives, and no shorter way exists."""

    @given(connections, statuses)
    def test_arrives(self, connection: Connection, goal: Status) -> None:
        steps = steps_to(connection, goal)
        for step in steps:
            assert connection.status is step.before
            actor = next(a for a in ACTORS if roles_of(a, connection) & step.roles)
            connection, _ = take(connection, step.action, actor)
            assert connection.status is step.after
        assert connection.status is goal

    @given(connections, statuses)
    def test_no_way_is_shorter(self, connection: Connection, goal: Status) -> None:
        reached, distance = {connection.status: connection}, 0
        while goal not in reached:
            reached = {
                after.status: after
                for one in reached.values()
                for actor in ACTORS
                for action in allowed_actions(actor, one)
                for after, _ in [take(one, action, actor, T0)]
            }
            distance += 1
        assert len(steps_to(connection, goal)) == distance

    @given(connections, statuses)
    def test_exactly_the_named_roles_may(self, connection: Connection, goal: Status) -> None:
        for step in steps_to(connection, goal)[:1]:
            for actor in ACTORS:
                permitted = bool(roles_of(actor, connection) & step.roles)
                assert can(actor, step.action, connection) is permitted

    @given(connections, actors, commands)
    def test_the_remedy_makes_it_possible(
        self, connection: Connection, actor: Actor, action: Action
    ) -> None:
        decision = decide(actor, action, connection)
        for step in decision.remedy:
            helper = next(a for a in ACTORS if roles_of(a, connection) & step.roles)
            connection, _ = take(connection, step.action, helper)
        mended = decision.allowed or bool(decision.remedy)
        assert can(actor, action, connection) is mended


class TestAgreement:
    """`allowed_actions`, `actions`, `can`, `decide` and `authorize` agree."""

    @given(connections, actors)
    def test_all_of_them(self, connection: Connection, actor: Actor) -> None:
        menu = actions(actor, connection)
        assert list(menu) == list(Action)
        for action, decision in menu.items():
            assert decision is decide(actor, action, connection)
            assert decision.allowed is can(actor, action, connection)
            assert decision.allowed is (action in allowed_actions(actor, connection))
            if decision:
                assert authorize(actor, action, connection) is decision
            else:
                with pytest.raises(ConnectError) as caught:
                    authorize(actor, action, connection)
                assert caught.value.decision is decision  # type: ignore[attr-defined]  # each has it


class TestDocuments:
    """Reading back what was written gives an equal Connection."""

    @given(connections)
    def test_round_trip(self, connection: Connection) -> None:
        document = connection_document(connection)
        assert parse_connection(document, version=connection.version) == connection
