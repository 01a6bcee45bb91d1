"""Hostile rows for the policy, hostile roles for the guards: never an exception, never power."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from statemachine.exceptions import TransitionNotAllowed

from connect_core import (
    Action,
    Actor,
    ConnectionLifecycle,
    Denial,
    Role,
    actions,
    allowed_actions,
    can,
    decide,
    decide_access,
)

SOURCE = Actor(id="api_1", organization_id="org_A")
DESTINATION = Actor(id="usr_1", organization_id="org_B")


@dataclass
class HostileRow:
    """A row of a table that nobody has looked after."""

    source_organization_id: Any = "org_A"
    destination_organization_id: Any = "org_B"
    status: Any = "active"
    scopes: Any = field(default_factory=lambda: ["inquiry.read"])


STATUSES: list[Any] = [
    None,
    5,
    0,
    True,
    float("nan"),
    [],
    {},
    set(),
    "",
    "ACTIVE",
    "active ",
    "active\n",
    "absent",
    "frozen",
    "аctive",  # noqa: RUF001  # begins with a Cyrillic a
    b"active",
    ("active",),
    object(),
    Action.ACTIVATE,
]


class TestHostileRows:
    """What a row holds may be anything at all: the policy never raises, and never permits."""

    @pytest.mark.parametrize(
        "status",
        STATUSES,
        ids=repr,
    )
    def test_status(self, status: Any) -> None:
        row = HostileRow(status=status)
        for actor in (SOURCE, DESTINATION):
            assert allowed_actions(actor, row) == frozenset()
            menu = actions(actor, row)
            for action in Action:
                assert not can(actor, action, row)
                assert decide(actor, action, row) is menu[action]
                assert Denial.UNKNOWN_STATUS in menu[action].denials
                assert menu[action].status is None
            access = decide_access(actor, "inquiry.read", row)
            assert not access
            assert Denial.UNKNOWN_STATUS in access.denials

    @pytest.mark.parametrize("id", [None, 5, "", b"org_A", [], "ORG_A", "org_a", "org_A ", "оrg_A"])  # noqa: RUF001  # a Cyrillic o
    def test_ids(self, id: Any) -> None:
        row = HostileRow(source_organization_id=id, destination_organization_id=id)
        for actor in (SOURCE, DESTINATION):
            assert allowed_actions(actor, row) == frozenset()
            for action in Action:
                assert decide(actor, action, row).denials == (Denial.NOT_A_PARTY,)
            access = decide_access(actor, "inquiry.read", row)
            assert access.denials == (Denial.NOT_A_PARTY,)

    @pytest.mark.parametrize(
        "scopes",
        [
            None,
            5,
            True,
            "inquiry.read",
            "inquiry.read,account.read",
            b"inquiry.read",
            bytearray(b"inquiry.read"),
            memoryview(b"inquiry.read"),
            [],
            [["inquiry.read"]],
            ["INQUIRY.READ"],
            ["inquiry.read "],
            [None, 5, {}],
            {"inquiry.read": False},
            iter(["inquiry.read"]),
            range(5),
            object(),
        ],
        ids=repr,
    )
    def test_scopes(self, scopes: Any) -> None:
        decision = decide_access(DESTINATION, "inquiry.read", HostileRow(scopes=scopes))
        assert decision.denials == (Denial.SCOPE_NOT_GRANTED,)

    @pytest.mark.parametrize(
        "scope", ["", "x", "INQUIRY.READ", "inquiry.read\n", "inquiry", "*", "inquiry.*", "\x00"]
    )
    def test_a_scope_that_is_not_well_formed_is_granted_by_nothing(self, scope: str) -> None:
        """Not even by a row that holds it."""
        decision = decide_access(DESTINATION, scope, HostileRow(scopes=[scope]))
        assert decision.denials == (Denial.SCOPE_NOT_GRANTED,)


class _Agreeable:
    """Equal to everything, under the hash of a role."""

    def __init__(self, role: Role) -> None:
        self.role = role

    def __hash__(self) -> int:
        return hash(self.role)

    def __eq__(self, other: object) -> bool:
        return True


class _Raising(_Agreeable):
    """Under the hash of a role, and cannot be compared."""

    def __eq__(self, other: object) -> bool:
        raise ArithmeticError

    __hash__ = _Agreeable.__hash__


class _Pretender(set[Any]):
    """A set that says it holds everything, and cannot be walked through."""

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
    """The guards agree to a proper set of roles, and to nothing else; and they never raise."""

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
