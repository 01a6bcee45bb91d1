"""Filters: which rows an organization may see, and on which an actor may act, as SQL conditions.

They are derived from the decision table, and fit any table or mapped class with the columns
`source_organization_id`, `destination_organization_id` and `status`. They run no query.
"""

from collections.abc import Sequence
from typing import Any, cast

from sqlalchemy import (
    ColumnElement,
    FromClause,
    and_,
    false,
    or_,
)

from connect_core.adapters.sql.tables import connections
from connect_core.identifiers import OrganizationId
from connect_core.lifecycle import Action, Role, Status
from connect_core.parties import Actor, Organization, organization_id_of
from connect_core.policy import permitting_statuses


def _column(on: object, name: str) -> Any:
    """The column of a table, of a mapped class, or of an alias of either."""
    if isinstance(on, FromClause):
        return cast("FromClause", on).c[name]
    return getattr(on, name)


def _holds(organization_id: str, role: Role, on: object) -> ColumnElement[bool]:
    """Whether the organization holds the role: true or false, and false for NULL."""
    column = _column(on, f"{role}_organization_id")
    return and_(column.is_not(None), column == str(organization_id))


def _stands(statuses: Sequence[Status], on: object) -> ColumnElement[bool]:
    """Whether the status is one of these: true or false, and false for NULL."""
    column = _column(on, "status")
    values = [status.value for status in statuses]  # an `Enum(Status)` column accepts them, too
    one_of = column == values[0] if len(values) == 1 else column.in_(values)
    return and_(column.is_not(None), one_of)


def visible(organization_id: str | Organization, on: object = connections) -> ColumnElement[bool]:
    """The rows that an organization may know of: those in which it holds a role.

    It is true or false for every row, never NULL, so that it can be negated and selected as a
    column.

    Args:
        organization_id: whose rows.
        on: the table, alias or mapped class to filter.

    Raises:
        ValueError: `organization_id` is not an organization id.
    """
    wanted = OrganizationId(str(organization_id_of(organization_id)))
    return or_(*(_holds(wanted, role, on) for role in Role))


def actionable(actor: Actor, action: str, on: object = connections) -> ColumnElement[bool]:
    """The rows on which `actor` may take `action` now: those where `decide` allows it.

    It is derived from the decision table, and uses only ``=``, ``IN``, ``IS NOT NULL``, ``AND`` and
    ``OR``, which every database and query engine understands. It is true or false for every row,
    never NULL, so that it can be negated and selected as a column. For `Action.CREATE` it is false.

    Args:
        actor: who would act.
        action: an `Action`.
        on: the table, alias or mapped class to filter.

    Raises:
        ValueError: there is no such action.
    """
    ways = [
        and_(_holds(actor.organization_id, role, on), _stands(statuses, on))
        for role in Role
        if (statuses := permitting_statuses(role, Action(action)))
    ]
    return or_(*ways) if ways else false()
