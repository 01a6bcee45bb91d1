"""Every cell of the matrix, asked of everything that answers: the refusals as hard as the rest."""

from types import MappingProxyType
from typing import Any

import pytest
from oracle import BOTH, CREATION, DESTINATION, EXISTING, REMEDIES, SOURCE, VERDICTS, Verdict
from statemachine.exceptions import TransitionNotAllowed
from support import T0, Row, actor_with, connection_in, take

from connect_core import (
    Action,
    Connection,
    ConnectionLifecycle,
    Denial,
    DuplicateConnectionError,
    ForbiddenTransitionError,
    InvalidTransitionError,
    NotAPartyError,
    Role,
    Status,
    Step,
    TransitionError,
    actions,
    allowed_actions,
    authorize,
    authorize_create,
    can,
    decide,
    decide_create,
    decision_table,
)

every_cell = pytest.mark.parametrize("verdict", VERDICTS, ids=str)
every_existing_cell = pytest.mark.parametrize("verdict", EXISTING, ids=str)
every_creation_cell = pytest.mark.parametrize("verdict", CREATION, ids=str)

ERRORS: dict[Denial, type[Exception]] = {
    Denial.NOT_A_PARTY: NotAPartyError,
    Denial.WRONG_ROLE: ForbiddenTransitionError,
    Denial.WRONG_STATUS: InvalidTransitionError,
    Denial.ALREADY_EXISTS: DuplicateConnectionError,
}


def connection_for(verdict: Verdict) -> Connection:
    """A Connection in the cell's status; a self-connection where the actor holds both roles."""
    assert verdict.status is not None
    return connection_in(verdict.status, to_self=verdict.roles == BOTH)


def told_status(verdict: Verdict) -> Status | None:
    """The status that the actor is told: an outsider is told none."""
    return verdict.status if verdict.roles else None


def assert_is_the_refusal(error: Exception, verdict: Verdict, connection_id: str | None) -> None:
    """The error is of the one right type, and every attribute is right."""
    assert type(error) is ERRORS[verdict.denials[0]]
    if isinstance(error, DuplicateConnectionError):
        assert error.existing_id == connection_id
        assert error.decision.denials == verdict.denials
        assert error.decision.status is verdict.status
        return
    assert isinstance(error, TransitionError)
    assert error.action is verdict.action
    assert error.status is told_status(verdict)
    assert error.roles == verdict.roles
    assert error.actor == actor_with(verdict.roles)
    assert error.connection_id == (None if verdict.action is Action.CREATE else connection_id)
    assert error.decision.denials == verdict.denials


@every_existing_cell
def test_decide(verdict: Verdict) -> None:
    connection, actor = connection_for(verdict), actor_with(verdict.roles)
    decision = decide(actor, verdict.action, connection)
    assert decision.allowed is (verdict.target is not None)
    assert bool(decision) is decision.allowed
    assert decision.action is verdict.action
    assert decision.status is told_status(verdict)
    assert decision.roles == verdict.roles
    assert decision.target is verdict.target
    assert decision.denials == verdict.denials
    assert decision.denial is (verdict.denials[0] if verdict.denials else None)


@every_existing_cell
def test_everything_that_asks_agrees_with_decide(verdict: Verdict) -> None:
    connection, actor = connection_for(verdict), actor_with(verdict.roles)
    decision = decide(actor, verdict.action, connection)
    assert can(actor, verdict.action, connection) is decision.allowed
    assert (verdict.action in allowed_actions(actor, connection)) is decision.allowed
    assert actions(actor, connection)[verdict.action] is decision
    assert decide(actor, verdict.action, Row.of(connection)) is decision
    assert can(actor, verdict.action, Row.of(connection)) is decision.allowed


@every_existing_cell
def test_authorize(verdict: Verdict) -> None:
    connection, actor = connection_for(verdict), actor_with(verdict.roles)
    before = connection.model_dump()
    if verdict.target is not None:
        assert authorize(actor, verdict.action, connection).target is verdict.target
    else:
        with pytest.raises(ERRORS[verdict.denials[0]]) as caught:
            authorize(actor, verdict.action, connection)
        assert_is_the_refusal(caught.value, verdict, "cxn_ABC123")
    assert connection.model_dump() == before


@every_creation_cell
def test_creation(verdict: Verdict) -> None:
    actor = actor_with(verdict.roles)
    to_self = verdict.roles == BOTH
    source, destination = "org_ABC123", "org_ABC123" if to_self else "org_DEF456"
    decision = decide_create(actor, source=source, destination=destination, allow_self=to_self)
    assert decision.allowed is (verdict.target is not None)
    assert (decision.target, decision.denials) == (verdict.target, verdict.denials)
    assert (decision.action, decision.status) == (Action.CREATE, None)
    assert decision.roles == verdict.roles
    if verdict.target is not None:
        assert (
            authorize_create(actor, source=source, destination=destination, allow_self=to_self)
            is decision
        )
        created = Connection.create(
            by=actor, source=source, destination=destination, allow_self=to_self
        )
        assert created.connection.status is verdict.target
        return
    with pytest.raises(ERRORS[verdict.denials[0]]) as asked:
        authorize_create(actor, source=source, destination=destination, allow_self=to_self)
    assert_is_the_refusal(asked.value, verdict, None)
    with pytest.raises(ERRORS[verdict.denials[0]]) as commanded:
        Connection.create(by=actor, source=source, destination=destination, allow_self=to_self)
    assert_is_the_refusal(commanded.value, verdict, None)


@pytest.mark.parametrize("verdict", [v for v in EXISTING if v.action is Action.CREATE], ids=str)
def test_creation_where_one_exists(verdict: Verdict) -> None:
    existing, actor = connection_for(verdict), actor_with(verdict.roles)
    with pytest.raises(ERRORS[verdict.denials[0]]) as caught:
        authorize_create(
            actor,
            source=existing.source_organization_id,
            destination=existing.destination_organization_id,
            existing=existing,
            allow_self=True,
        )
    assert_is_the_refusal(caught.value, verdict, "cxn_ABC123")


@pytest.mark.parametrize("verdict", [v for v in EXISTING if v.action is not Action.CREATE], ids=str)
def test_commands(verdict: Verdict) -> None:
    connection, actor = connection_for(verdict), actor_with(verdict.roles)
    before = connection.model_dump()
    if verdict.target is None:
        with pytest.raises(ERRORS[verdict.denials[0]]) as caught:
            take(connection, verdict.action, actor)
        assert_is_the_refusal(caught.value, verdict, "cxn_ABC123")
    else:
        changed, event = take(connection, verdict.action, actor)
        assert changed.status is event.status is verdict.target
        assert event.previous_status is verdict.status
        assert event.roles == verdict.roles
        assert event.action is verdict.action
        assert event.actor == actor
        untouched = {"status", "updated_at", "version"}
        assert changed.model_dump(exclude=untouched) == connection.model_dump(exclude=untouched)
    assert connection.model_dump() == before


@every_existing_cell
def test_a_step_by_its_name(verdict: Verdict) -> None:
    """`take` does what the command of that name does, and never creates."""
    connection, actor = connection_for(verdict), actor_with(verdict.roles)
    before = connection.model_dump()
    names: list[Any] = [verdict.action, verdict.action.value]
    for action in names:
        if verdict.target is None:
            with pytest.raises(ERRORS[verdict.denials[0]]) as caught:
                connection.take(action, by=actor, at=T0)
            assert_is_the_refusal(caught.value, verdict, "cxn_ABC123")
        else:
            change = connection.take(action, by=actor, at=T0)
            assert change == take(connection, verdict.action, actor, T0)
            assert change.event.action is verdict.action
    assert connection.model_dump() == before


def test_a_step_that_does_not_exist() -> None:
    nothing: Any = "expire"
    with pytest.raises(ValueError, match="'expire' is not a valid Action"):
        connection_in(Status.ACTIVE).take(nothing, by=actor_with(BOTH))


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


def in_words(steps: tuple[Step, ...]) -> str:
    return ", ".join(
        f"{step.action} by {' or '.join(role for role in Role if role in step.roles)}"
        for step in steps
    )


@every_existing_cell
def test_remedies(verdict: Verdict) -> None:
    """A wrong status can be mended by others, and nothing else can."""
    decision = decide(actor_with(verdict.roles), verdict.action, connection_for(verdict))
    due = ""
    if verdict.denials == (Denial.WRONG_STATUS,):
        due = REMEDIES[str(verdict.status), verdict.action.value]
    assert in_words(decision.remedy) == due
    assert bool(decision.advice) is not decision.allowed


def test_roles_of_the_matrix_are_all_there_are() -> None:
    assert {v.roles for v in VERDICTS} == {SOURCE, DESTINATION, BOTH, frozenset()}
    assert {v.status for v in VERDICTS} == {None, *Status}
    assert {v.action for v in VERDICTS} == set(Action)
    assert len(VERDICTS) == (1 + 3 * 4) * 4
