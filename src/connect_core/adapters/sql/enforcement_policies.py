"""Policies of PostgreSQL with which a role reads what is visible to one organization.

They are the filter `visible`, for the organization that a setting of the session names. This module
makes statements and runs none.
"""

from collections.abc import Iterator
from typing import Final

from sqlalchemy import Table, func
from sqlalchemy.dialects import postgresql
from sqlalchemy.sql.elements import BindParameter, ClauseElement
from sqlalchemy.sql.visitors import replacement_traverse

from connect_core.adapters.sql.filters import visible
from connect_core.adapters.sql.tables import Tables

_SETTING: Final = "connect_core.organization_id"
_DIALECT: Final = postgresql.dialect()  # type: ignore[no-untyped-call]
_NAMES: Final = _DIALECT.identifier_preparer


def create_policies(tables: Tables) -> Iterator[str]:
    """The statements that add the policies; they replace what is there."""
    connections, events = (_NAMES.format_table(table) for table in tables[:2])
    condition = _is_visible(tables.connections)
    of_visible = (
        f"EXISTS (SELECT 1 FROM {connections} WHERE"  # noqa: S608  # names of tables
        f" {connections}.id = {events}.connection_id AND ({condition}))"
    )
    conditions = {tables.connections: condition, tables.connection_events: of_visible}
    for table, using in conditions.items():
        name, policy = _NAMES.format_table(table), _policy_on(table)
        yield f"DROP POLICY IF EXISTS {policy} ON {name}"
        yield f"CREATE POLICY {policy} ON {name} FOR SELECT USING ({using})"
        yield f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY"


def drop_policies(tables: Tables) -> Iterator[str]:
    """The statements that remove the policies, if they are there."""
    for table in tables[:2]:
        name = _NAMES.format_table(table)
        yield f"DROP POLICY IF EXISTS {_policy_on(table)} ON {name}"
        yield f"ALTER TABLE {name} DISABLE ROW LEVEL SECURITY"


def _policy_on(table: Table) -> str:
    return _NAMES.quote(f"visible_{table.name}")


def _is_visible(connections: Table) -> str:
    """The filter for the organization in the session's setting; false if that is empty."""
    organization_id = func.nullif(func.current_setting(_SETTING, True), "")

    def put(element: object, **_: object) -> ClauseElement | None:
        return organization_id if isinstance(element, BindParameter) else None

    condition: ClauseElement = replacement_traverse(visible("org_", connections), {}, put)
    compiled = condition.compile(dialect=_DIALECT, compile_kwargs={"literal_binds": True})
    return str(compiled).replace("%%", "%")  # as a driver would have it
