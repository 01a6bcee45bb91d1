"""Filters: which rows an organization may see, act on and read data through, as SQL conditions.

They are derived from the decision table, and fit any table or mapped class with two organizations
and a status; a `RowPolicy` says which columns these are and how the statuses are spelled. The types
of the columns must compare values as Python does (`connect_core.adapters.sql.columns`). They run no
query.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from sqlalchemy import ColumnElement, and_, case, false, or_, true

from connect_core import arguments
from connect_core.adapters.sql.columns import column_of, has_value
from connect_core.adapters.sql.members import has_member
from connect_core.adapters.sql.tables import connections
from connect_core.lifecycle import READING_ROLE, SHARING_STATUS, Action, Role, Status
from connect_core.parties import ActorLike, organization_id_of
from connect_core.policy import permitting_statuses
from connect_core.row_policy import RowPolicy
from connect_core.text import kind_of

#: A condition; None if it is never true.
_Condition = ColumnElement[bool] | None

#: How our own rows are read.
_OURS: Final = RowPolicy()


def visible(
    organization_id: object, on: object = connections, *, rows: RowPolicy = _OURS
) -> ColumnElement[bool]:
    """The rows that an organization may know of: those in which it holds a role.

    It is true or false for every row, never NULL, so that it can be negated and selected as a
    column.

    Args:
        organization_id: whose rows: an id of the type that the columns hold, or an `Organization`.
        on: the table, alias or mapped class to filter.
        rows: what its columns are called; as in this library if omitted.

    Raises:
        TypeError: the columns hold no such ids, or do not compare them as Python does; `on` cannot
            be filtered; or `rows` is no `RowPolicy`.
        LookupError: `on` is a table that lacks a column.
        AttributeError: `on` is a class that lacks an attribute.
    """
    arguments.instance(RowPolicy, rows, "rows")
    wanted = organization_id_of(organization_id)
    if wanted is None:
        raise TypeError("organization_id: expected an organization's id, got None")
    return _any(_holds(wanted, role, on, rows) for role in Role)


def actionable(
    actor: ActorLike, action: str, on: object = connections, *, rows: RowPolicy = _OURS
) -> ColumnElement[bool]:
    """The rows on which `actor` may take `action` now: those where `decide` allows it.

    It is derived from the decision table, and uses only ``=``, ``IN``, ``IS NOT NULL``, ``AND`` and
    ``OR``, which every database and query engine understands. It is true or false for every row,
    never NULL, so that it can be negated and selected as a column. For `Action.CREATE` it is false.

    Args:
        actor: who would act.
        action: an `Action`.
        on: the table, alias or mapped class to filter.
        rows: what its columns are called and how its statuses are spelled; as in this library if
            omitted.

    Raises:
        ValueError: there is no such action.
        TypeError: `actor` acts for no organization; the columns hold no such ids or no such
            statuses, or do not compare them as Python does; `on` cannot be filtered; or `rows` is
            no `RowPolicy`.
        LookupError: `on` is a table that lacks a column.
        AttributeError: `on` is a class that lacks an attribute.
    """
    arguments.instance(RowPolicy, rows, "rows")
    ours, taken = arguments.acting_for(actor, "actor"), Action(action)
    require_statuses(on, rows)
    return _any(
        _all(_holds(ours, role, on, rows), _is_in(permitting_statuses(role, taken), on, rows))
        for role in Role
    )


def readable(
    reader: ActorLike,
    scope: str,
    on: object = connections,
    *,
    rows: RowPolicy = _OURS,
    granted: ColumnElement[bool] | None = None,
) -> ColumnElement[bool]:
    """The rows through which `reader` may read data of `scope`: where `decide_access` allows it.

    It answers: whose data may this reader read now? It is true or false for every row,
    never NULL, so that it can be negated and selected as a column. No row grants an ill-formed
    scope.

    Scopes are found in a column of JSON (`JsonValue`, SQLAlchemy's ``JSON``, ``JSONB``) on SQLite,
    PostgreSQL, MariaDB, MySQL, DuckDB and Spark, and in an ``ARRAY``. A list of JSON that holds
    something else than texts grants nothing if it is longer than 2,000 characters or, on DuckDB and
    Spark, at all. On Spark, a list in which a surrogate is escaped grants nothing, either. If your
    rows keep their scopes otherwise, `granted` says in SQL whether a row grants this one.

    Args:
        reader: who would read.
        scope: what they would read, by its name in this library.
        on: the table, alias or mapped class to filter.
        rows: what its columns are called, and how statuses and scopes are spelled; as in this
            library if omitted.
        granted: a condition in place of the column of scopes, such as ``Partnership.grants.any(
            Grant.scope == scope)``. What is NULL grants nothing.

    Raises:
        TypeError: `reader` acts for no organization; the columns hold no such ids, statuses or
            scopes, or do not compare them as Python does; `on` cannot be filtered; `granted` is no
            condition; or `rows` is no `RowPolicy`.
        LookupError: `on` is a table that lacks a column.
        AttributeError: `on` is a class that lacks an attribute.
        sqlalchemy.exc.CompileError: when it is executed, on another database.
    """
    arguments.instance(RowPolicy, rows, "rows")
    ours = arguments.acting_for(reader, "reader")
    require_statuses(on, rows)
    _require_condition(granted)
    spelling = rows.spelling_of(scope)
    if spelling is None:
        return false()
    if granted is None:
        has_scope = has_member(column_of(on, rows.scopes), spelling)
    else:
        has_scope = case((granted, true()), else_=false())
    shared = _all(_holds(ours, READING_ROLE, on, rows), _is_in([SHARING_STATUS], on, rows))
    return _any([_all(shared, has_scope)])


# --- Parts ---------------------------------------------------------------------------------------


def _holds(organization_id: object, role: Role, on: object, rows: RowPolicy) -> _Condition:
    """Whether the organization holds the role: true or false, and false for NULL."""
    return has_value(on, rows.attribute_of(role), [organization_id])


def _is_in(statuses: Sequence[Status], on: object, rows: RowPolicy) -> _Condition:
    return has_value(on, rows.status, [rows.statuses[status] for status in statuses])


def _all(one: _Condition, other: _Condition) -> _Condition:
    return None if one is None or other is None else and_(one, other)


def _any(ways: Iterable[_Condition]) -> ColumnElement[bool]:
    possible = [way for way in ways if way is not None]
    return or_(*possible) if possible else false()


# --- What is refused -----------------------------------------------------------------------------


def _require_condition(granted: object) -> None:
    if granted is not None and not isinstance(granted, ColumnElement):
        raise TypeError(f"granted: expected a condition of SQLAlchemy's, got {kind_of(granted)}")


def require_statuses(on: object, rows: RowPolicy) -> None:
    """Refuse a column in which no status can stand as it is spelled: it would find nothing."""
    if _is_in(list(Status), on, rows) is None:
        column = column_of(on, rows.status)
        spelled = ", ".join(map(repr, rows.statuses.values()))
        raise TypeError(
            f"on: {column} is of the type {column.type!r}, which holds none of {spelled}; say how"
            " the statuses are spelled, in rows=RowPolicy(statuses={Status.PENDING: ...})"
        )
