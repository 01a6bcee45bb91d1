"""The decision table: it equals the matrix and the running lifecycle, and its ways are shortest."""

from types import MappingProxyType
from typing import Any

import pytest
from cells import connection_for, every_cell
from hypothesis import given
from hypothesis import strategies as st
from oracle import BOTH, DESTINATION, SOURCE, VERDICTS, Verdict
from statemachine.exceptions import TransitionNotAllowed
from support import ACTORS, T0, actor_with, connections, take

from connect_core import (
    Action,
    Connection,
    ConnectionLifecycle,
    Status,
    allowed_actions,
    can,
    decide,
    decision_table,
    roles_of,
    steps_to,
)


class Model:
    """An object of somebody's own, with attributes that are named like roles."""

    def __init__(self, state: str | None) -> None:
        self.state = state
        self.source = self.destination = False

    def __repr__(self) -> str:
        return f"Model({self.state})"


@every_cell
def test_the_running_lifecycle(verdict: Verdict) -> None:
    model = Model(None if verdict.status is None else verdict.status.value)
    machine: Any = ConnectionLifecycle(model)
    before = model.state
    enabled = {event.id for event in machine.enabled_events(roles=verdict.roles)}
    assert (verdict.action.value in enabled) is (verdict.target is not None)
    if verdict.target is not None:
        machine.send(verdict.action.value, roles=verdict.roles)
        assert model.state == verdict.target
        return
    with pytest.raises(TransitionNotAllowed):
        machine.send(verdict.action.value, roles=verdict.roles)
    assert model.state == before


def test_the_table_is_the_matrix() -> None:
    table = decision_table()
    assert {(*cell,) for cell in table} == {(v.status, v.action, v.roles) for v in VERDICTS}
    for verdict in VERDICTS:
        decision = table[verdict.status, verdict.action, verdict.roles]  # type: ignore[index]  # a plain tuple equals its Cell
        assert (decision.target, decision.denials) == (verdict.target, verdict.denials)
        if verdict.status is not None:
            connection, actor = connection_for(verdict), actor_with(verdict.roles)
            assert decide(actor, verdict.action, connection) is decision


def test_the_table_cannot_be_changed() -> None:
    assert isinstance(decision_table(), MappingProxyType)


def test_roles_of_the_matrix_are_all_there_are() -> None:
    assert {v.roles for v in VERDICTS} == {SOURCE, DESTINATION, BOTH, frozenset()}
    assert {v.status for v in VERDICTS} == {None, *Status}
    assert {v.action for v in VERDICTS} == set(Action)
    assert len(VERDICTS) == (1 + 3 * 4) * 4


statuses = st.sampled_from(list(Status))


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
