"""The machine by itself, bound to an object of somebody's own."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from statemachine import StateMachine
from statemachine.exceptions import InvalidStateValue, TransitionNotAllowed

from connect_core import Action, ConnectionLifecycle, Role, Status
from connect_core.lifecycle import READING_ROLE, SHARING_STATUS, by


class Order:
    """A model of somebody's own: another field, and callbacks that the machine calls."""

    def __init__(self, stage: str | None) -> None:
        self.stage = stage
        self.heard: list[str] = []

    def after_transition(self, event: str, roles: frozenset[Role]) -> None:
        self.heard.append(f"{event} by {', '.join(sorted(roles))}")


def machine_for(stage: str | None) -> tuple[Order, Any]:
    order = Order(stage)
    return order, ConnectionLifecycle(order, state_field="stage")


def test_it_is_a_state_machine() -> None:
    assert issubclass(ConnectionLifecycle, StateMachine)


def test_a_whole_life() -> None:
    order, machine = machine_for(None)
    assert order.stage == "absent"
    machine.send("create", roles={Role.SOURCE})
    machine.send("activate", roles={Role.DESTINATION})
    assert order.stage is Status.ACTIVE
    machine.deactivate(roles={Role.DESTINATION})
    machine.reactivate(roles=frozenset({Role.SOURCE}))
    machine.activate(roles={Role.DESTINATION})
    assert machine.active.is_active
    assert order.heard == [
        "create by source",
        "activate by destination",
        "deactivate by destination",
        "reactivate by source",
        "activate by destination",
    ]


def test_by_itself_without_a_model() -> None:
    machine: Any = ConnectionLifecycle(start_value=Status.INACTIVE)
    machine.send("reactivate", roles={Role.SOURCE})
    assert machine.current_state_value is Status.PENDING


def test_its_states_and_events_are_the_enumerations() -> None:
    machine: Any = ConnectionLifecycle()
    assert {state.value for state in machine.states} - {"absent"} == set(Status)
    assert [event.id for event in machine.events] == [action.value for action in Action]
    assert "absent" not in set(Status)


@pytest.mark.parametrize("stage", ["archived", "ACTIVE", "", 5, False])
def test_an_unknown_status_is_refused_on_binding(stage: Any) -> None:
    order = Order(stage)
    with pytest.raises(InvalidStateValue) as caught:
        ConnectionLifecycle(order, state_field="stage")
    error: Any = caught.value
    assert error.value == stage
    assert order.stage is stage


@pytest.mark.parametrize("roles", [None, "destination", ["destination"], Role.DESTINATION, 5, {}])
def test_roles_are_given_as_a_set(roles: Any) -> None:
    order, machine = machine_for("pending")
    with pytest.raises(TransitionNotAllowed):
        machine.send("activate", roles=roles)
    with pytest.raises(TransitionNotAllowed):
        machine.send("activate")
    assert machine.enabled_events(roles=roles) == machine.enabled_events() == []
    assert (order.stage, order.heard) == ("pending", [])


def test_an_unknown_event_is_refused() -> None:
    order, machine = machine_for("pending")
    with pytest.raises(TransitionNotAllowed):
        machine.send("explode", roles=set(Role))
    assert order.stage == "pending"


def of_any_type(kind: type[object]) -> st.SearchStrategy[object]:
    return st.from_type(kind)


anything: st.SearchStrategy[object] = st.from_type(type).flatmap(of_any_type)


@given(anything)
def test_guards_cannot_raise(roles: object) -> None:
    """python-statemachine would count a guard that raises as one that agrees."""
    held = isinstance(roles, (set, frozenset)) and "source" in roles
    assert by(Role.SOURCE)(roles=roles) is held


def test_guards_agree_on_any_of_their_roles() -> None:
    either = by(Role.SOURCE, Role.DESTINATION)
    assert either(roles={Role.SOURCE})
    assert either(roles=frozenset({Role.DESTINATION}))
    assert not either(roles=set())
    assert not by(Role.SOURCE)(roles={Role.DESTINATION})
    assert either.__name__ == "by source or destination"


def test_the_sharing_gate() -> None:
    assert SHARING_STATUS is Status.ACTIVE
    assert READING_ROLE is Role.DESTINATION
