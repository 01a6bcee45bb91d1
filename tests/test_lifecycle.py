"""The lifecycle as a state machine, bound to somebody's own object; its guards never raise."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from statemachine import StateMachine
from statemachine.exceptions import InvalidStateValue, TransitionNotAllowed

from connect_core import Action, ConnectionLifecycle, Role, Status
from connect_core.lifecycle import READING_ROLE, SHARING_STATUS, by


class _Agreeable:
    """Equal to everything, with the hash of a role."""

    def __init__(self, role: Role) -> None:
        self.role = role

    def __hash__(self) -> int:
        return hash(self.role)

    def __eq__(self, other: object) -> bool:
        return True


class _Raising(_Agreeable):
    """Has the hash of a role, and raises when it is compared."""

    def __eq__(self, other: object) -> bool:
        raise ArithmeticError

    __hash__ = _Agreeable.__hash__


class _Pretender(set[Any]):
    """A set that claims to hold everything, and cannot be iterated."""

    def __contains__(self, item: object) -> bool:
        return True

    def __iter__(self) -> Any:
        raise ArithmeticError

    def isdisjoint(self, other: object) -> bool:  # noqa: ARG002  # a set's own signature
        return False


ROLES_THAT_ARE_NONE: list[Any] = [
    None,
    5,
    True,
    "source",
    Role.SOURCE,
    ["source"],
    [Role.SOURCE, Role.DESTINATION],
    (Role.SOURCE,),
    {Role.SOURCE: True, Role.DESTINATION: True},
    {Role.SOURCE: True}.keys(),
    iter([Role.SOURCE]),
    object(),
    set(),
    {"Source", "SOURCE", "source ", "аctive", None, 5},  # noqa: RUF001  # begins with a Cyrillic a
    {Action.CREATE},
    {_Agreeable(Role.SOURCE), _Agreeable(Role.DESTINATION)},
    {_Raising(Role.SOURCE), _Raising(Role.DESTINATION)},
    _Pretender(),
    _Pretender({1}),
]


class TestGuards:
    """The guards accept a proper set of roles and nothing else, and they never raise."""

    @pytest.mark.parametrize("roles", ROLES_THAT_ARE_NONE, ids=lambda roles: type(roles).__name__)
    @pytest.mark.parametrize("state", ["absent", "pending", "active", "inactive"])
    def test_what_is_no_set_of_roles(self, roles: Any, state: str) -> None:
        machine: Any = ConnectionLifecycle(start_value=state)
        assert list(machine.enabled_events(roles=roles)) == []
        for action in Action:
            with pytest.raises(TransitionNotAllowed):
                machine.send(action.value, roles=roles)
        assert machine.current_state_value == state

    @pytest.mark.parametrize("roles", [{Role.SOURCE}, frozenset({Role.SOURCE, Role.DESTINATION})])
    def test_what_is(self, roles: Any) -> None:
        machine: Any = ConnectionLifecycle()
        machine.send("create", roles=roles)
        assert machine.current_state_value == "pending"


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
