"""Laws of the policy. Each class states one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import (
    ACTORS,
    STRANGER,
    Row,
    actors,
    connection_in,
    connections,
    reader_of,
    scope_names,
    take,
)

from connect_core import (
    AccessDeniedError,
    Action,
    Actor,
    ConnectError,
    Connection,
    Denial,
    NotAPartyError,
    Role,
    Scope,
    Status,
    actions,
    allowed_actions,
    authorize,
    authorize_access,
    can,
    decide,
    decide_access,
    roles_of,
)

COMMANDS = [Action.ACTIVATE, Action.DEACTIVATE, Action.REACTIVATE]
commands = st.sampled_from(COMMANDS)
statuses = st.sampled_from(list(Status))


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


class TestWays:
    """Following a remedy makes the action possible."""

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
