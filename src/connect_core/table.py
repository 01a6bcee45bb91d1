"""The table: the lifecycle's answers, collected once.

On import, this module puts every status and every set of roles to `ConnectionLifecycle` and keeps
the answers: where each permitted action leads, which roles may take it, from which statuses, and
the shortest way from each status to every other. What is not in these tables is refused. Collecting
takes a few milliseconds; afterwards every question is a lookup.

This module states no rule and decides nothing: `connect_core.lifecycle` states the rules, and
`connect_core.answers` decides.
"""

from collections.abc import Iterator
from typing import Any, Final

from connect_core.decision import Cell, Step
from connect_core.lifecycle import Action, ConnectionLifecycle, Role, Status
from connect_core.parties import ROLES


def _ask_lifecycle() -> Iterator[tuple[Cell, Status]]:
    """Every cell that the machine enables, with the status that it leads to."""
    machine: Any = ConnectionLifecycle()  # python-statemachine types its methods only in part
    for state in machine.states:
        status = None if state.initial else Status(state.value)
        for roles in ROLES.values():
            machine.current_state_value = state.value
            for event in machine.enabled_events(roles=roles):
                # An event with several targets would need a rule that this table cannot hold.
                (target,) = {way.target.value for way in state.transitions if way.match(event.id)}
                yield Cell(status, Action(event.id), roles), Status(target)


#: Where each permitted action leads. What is not in this table is refused.
TARGETS: Final = dict(_ask_lifecycle())

#: For each action, the roles that may take it from at least one status.
PERMITTED_ROLES: Final[dict[Action | None, frozenset[Role]]] = {
    action: frozenset(
        role
        for cell in TARGETS
        if cell.action is action and len(cell.roles) == 1
        for role in cell.roles
    )
    for action in Action
}
#: For each action, the statuses from which a role may take it; None stands for no Connection.
PERMITTED_STATUSES: Final[dict[Action | None, tuple[Status | None, ...]]] = {
    action: tuple(dict.fromkeys(cell.status for cell in TARGETS if cell.action is action))
    for action in Action
}


def _steps_from(status: Status) -> Iterator[Step]:
    """The single steps out of `status`, in the order of `Action`."""
    for action in Action:
        takers: dict[Status, set[Role]] = {}
        for role in Role:
            target = TARGETS.get(Cell(status, action, frozenset({role})))
            if target is not None:
                takers.setdefault(target, set()).add(role)
        for target, roles in takers.items():
            yield Step(action, frozenset(roles), status, target)


def _shortest_ways(start: Status) -> dict[Status, tuple[Step, ...]]:
    """The shortest way from `start` to each status that can be reached, including `start`."""
    ways: dict[Status, tuple[Step, ...]] = {start: ()}
    queue = [start]
    for status in queue:
        for step in _steps_from(status):
            if step.after not in ways:
                ways[step.after] = (*ways[status], step)
                queue.append(step.after)
    return ways


#: From each status, the shortest way to every other: the steps in order. To itself there are none.
SHORTEST_WAYS: Final = {status: _shortest_ways(status) for status in Status}


def leads_to(action: Action | None, status: Status | None) -> bool:
    """Whether `action` leads to `status`."""
    return any(cell.action is action and end is status for cell, end in TARGETS.items())
