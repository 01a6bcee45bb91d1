"""Audit: which events of a history could not have happened, as one query.

The decision table becomes the conditions of a ``CASE``; `decide` and `replay` apply the same table
to one event at a time. No rule is written here, and no query is run.
"""

from itertools import permutations
from typing import Any, TypeAlias

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    Select,
    and_,
    case,
    cast,
    false,
    func,
    literal,
    not_,
    null,
    or_,
    select,
)

from connect_core.adapters.sql.tables import DEFAULT_TABLES, Tables, require_tables
from connect_core.decision import Denial
from connect_core.lifecycle import Action, Role, Status
from connect_core.parties import ROLES
from connect_core.policy import decision_table

_Condition: TypeAlias = ColumnElement[bool]


def impossible_events(tables: Tables = DEFAULT_TABLES) -> Select[Any]:
    """The events that could not have happened, as one query over every history.

    It selects `connection_id`, `version` and `finding`: what is wrong with the event, the first of
    these that applies.

    - ``unknown_connection``: there is no such Connection, so nobody knows the parties.
    - ``version_gap``: the version is not one more than that of the event before, or not 1 if there
      is none before.
    - ``wrong_previous_status``: `previous_status` is not the status that the event before led to.
    - a `Denial`, such as ``wrong_role``: the decision table denies the action from
      `previous_status` to the roles that the actor's organization holds in the Connection.
    - ``unknown_step``: the decision table has no such status or action, or no such action where
      there is no Connection yet.
    - ``wrong_status_after``: `status` is not the one that the decision table gives.
    - ``wrong_recorded_roles``: `roles` are not those that the actor's organization holds, as a JSON
      list that this library or PostgreSQL has written.

    NULL is wrong wherever there should be a value. An event after an impossible one is judged by
    what that one says, so that one impossible event does not make all later ones impossible.

    It does not see that the last events of a history are missing, that an actor was replaced by
    another of the same organization, or that times or terms were changed.

    Args:
        tables: what `tables_for` returns; those of this library if omitted. They need no
            constraints, and so may be copies elsewhere, under the same names of columns.

    Raises:
        TypeError: `tables` is something else.
    """
    require_tables(tables)
    judged = _judged(
        _with_targets(_with_roles(_steps(tables.connection_events), tables.connections))
    )
    columns = [judged.c[name] for name in ("connection_id", "version", "finding")]
    return select(*columns).where(judged.c.finding.is_not(None))


# --- What is known of an event -------------------------------------------------------------------


def _steps(events: FromClause) -> FromClause:
    """The events, each with the version and the status of the one before it."""
    each = events.c
    history: dict[str, Any] = {"partition_by": each.connection_id, "order_by": each.version}
    return select(
        each.connection_id,
        each.version,
        each.action,
        each.previous_status,
        each.status,
        each.actor_organization_id,
        each.roles,
        # MariaDB's `lag` takes no value for the first row.
        case(
            (func.row_number().over(**history) == 1, 0),
            else_=func.lag(each.version).over(**history),
        ).label("version_before"),
        func.lag(each.status).over(**history).label("status_before"),
    ).cte("steps")


def _with_roles(steps: FromClause, connections: FromClause) -> FromClause:
    """The steps, each with the roles that the actor's organization holds.

    `held` is NULL where there is no such Connection.
    """
    step, connection = steps.c, connections.c
    holds = {
        role: step.actor_organization_id == connection[f"{role}_organization_id"] for role in Role
    }
    held = case(
        (connection.id.is_(None), null()),
        # All roles of a set, the larger sets first.
        *(
            (and_(*(holds[role] for role in roles)), _name(roles))
            for roles in sorted(ROLES.values(), key=len, reverse=True)
            if roles
        ),
        else_=_name(frozenset()),
    )
    return (
        select(*step, held.label("held"))
        .select_from(steps.outerjoin(connections, connection.id == step.connection_id))
        .cte("steps_with_roles")
    )


def _name(roles: frozenset[Role]) -> str:
    """A name for a set of roles."""
    return " and ".join(sorted(roles)) or "none"


# --- What is found -------------------------------------------------------------------------------


#: A change from one status by one action; None stands for no Connection.
_Change = tuple[Status | None, Action]
#: Changes, each with the sets of roles of which this is said.
_Changes = dict[_Change, list[frozenset[Role]]]


def _with_targets(steps: FromClause) -> FromClause:
    """The steps, each with the status that it should lead to; NULL if it is not permitted."""
    ways: dict[Status, _Changes] = {}
    for cell, decision in decision_table().items():
        if decision.target is not None:
            changes = ways.setdefault(decision.target, {})
            changes.setdefault((cell.status, cell.action), []).append(cell.roles)
    target = case(*((_is_one_of(changes, steps), str(end)) for end, changes in ways.items()))
    return select(*steps.c, target.label("target")).cte("steps_with_targets")


def _judged(steps: FromClause) -> FromClause:
    """The steps, each with what is wrong with it; NULL if nothing is."""
    step = steps.c
    denied: dict[Denial, _Changes] = {}
    for cell, decision in decision_table().items():
        if decision.denial is not None:
            changes = denied.setdefault(decision.denial, {})
            changes.setdefault((cell.status, cell.action), []).append(cell.roles)
    denial = case(
        *((_is_one_of(changes, steps), str(denial)) for denial, changes in denied.items()),
        else_="unknown_step",
    )
    version_is_next = cast(step.version, BigInteger) - 1 == step.version_before
    finding = case(
        (step.held.is_(None), "unknown_connection"),
        (not_(func.coalesce(version_is_next, false())), "version_gap"),
        (step.previous_status.is_distinct_from(step.status_before), "wrong_previous_status"),
        (step.target.is_(None), denial),
        (step.status.is_distinct_from(step.target), "wrong_status_after"),
        (not_(func.coalesce(_are_recorded(steps), false())), "wrong_recorded_roles"),
    )
    return select(step.connection_id, step.version, finding.label("finding")).cte("judged_steps")


def _is_one_of(changes: _Changes, steps: FromClause) -> _Condition:
    """Whether a step is one of these changes, by an organization that holds such roles."""
    step = steps.c
    return or_(
        *(
            and_(
                step.previous_status.is_(None)
                if before is None
                else step.previous_status == str(before),
                step.action == str(action),
                step.held.in_([_name(roles) for roles in held]),
            )
            for (before, action), held in changes.items()
        )
    )


def _are_recorded(steps: FromClause) -> _Condition:
    """Whether the roles that the organization holds are those that the event has."""
    step = steps.c
    return or_(
        *(
            and_(step.held == _name(roles), step.roles == literal([*written], step.roles.type))
            for roles in ROLES.values()
            if roles
            for written in permutations(sorted(role.value for role in roles))
        )
    )
