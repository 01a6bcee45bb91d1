"""Filters: which rows an organization may see, and on which an actor may act, as SQL conditions.

They are derived from the decision table, and fit any table or mapped class with the columns
`source_organization_id`, `destination_organization_id` and `status`, whose types must compare texts
as Python does (`connect_core.adapters.sql.columns`). They run no query.
"""

from collections.abc import Iterable

from sqlalchemy import (
    ColumnElement,
    and_,
    false,
    or_,
)

from connect_core.adapters.sql.columns import has_text
from connect_core.adapters.sql.sessions import kind_of
from connect_core.adapters.sql.tables import connections
from connect_core.identifiers import OrganizationId
from connect_core.lifecycle import Action, Role
from connect_core.parties import Actor, Organization, organization_id_of
from connect_core.policy import permitting_statuses

#: A condition; None if it is never true.
_Condition = ColumnElement[bool] | None


def _holds(organization_id: str, role: Role, on: object) -> _Condition:
    """Whether the organization holds the role: true or false, and false for NULL."""
    return has_text(on, f"{role}_organization_id", [organization_id])


def _both(one: _Condition, other: _Condition) -> _Condition:
    return None if one is None or other is None else and_(one, other)


def _any(ways: Iterable[_Condition]) -> ColumnElement[bool]:
    possible = [way for way in ways if way is not None]
    return or_(*possible) if possible else false()


def visible(organization_id: str | Organization, on: object = connections) -> ColumnElement[bool]:
    """The rows that an organization may know of: those in which it holds a role.

    It is true or false for every row, never NULL, so that it can be negated and selected as a
    column.

    Args:
        organization_id: whose rows.
        on: the table, alias or mapped class to filter.

    Raises:
        ValueError: `organization_id` is not an organization id.
        TypeError: it is not even text; or `on` cannot be filtered, or has a column that does not
            compare texts as Python does.
        LookupError: `on` is a table that lacks a column.
    """
    wanted = organization_id_of(organization_id)
    if not isinstance(wanted, str):
        raise TypeError(
            "organization_id: expected an organization id or an Organization,"
            f" got {kind_of(organization_id)}"
        )
    text = str(OrganizationId(str.__str__(wanted)))
    return _any(_holds(text, role, on) for role in Role)


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
        TypeError: `actor` is not an actor; or `on` cannot be filtered, or has a column that does
            not compare texts as Python does.
        LookupError: `on` is a table that lacks a column.
    """
    organization_id: object = getattr(actor, "organization_id", None)
    if not isinstance(organization_id, str):
        raise TypeError(f"actor: expected an Actor, got {kind_of(actor)}")
    text = str.__str__(organization_id)
    taken = Action(action)
    return _any(
        _both(
            _holds(text, role, on),
            has_text(on, "status", [each.value for each in permitting_statuses(role, taken)]),
        )
        for role in Role
    )
