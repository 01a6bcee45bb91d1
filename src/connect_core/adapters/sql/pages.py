"""The query for a page of Connections: a range of an index for each standing, put together.

This module builds statements and runs none.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Integer,
    Select,
    bindparam,
    literal,
    select,
    tuple_,
    union,
)

from connect_core.adapters.sql.tables import connections
from connect_core.adapters.sql.types import Id, UtcTime, as_stored
from connect_core.lifecycle import Role
from connect_core.store import Standing

#: The position after which a page begins, and the length of the page.
_PLACE: Final = (bindparam("created_at", type_=UtcTime), bindparam("id", type_=Id))
_LIMIT: Final[BindParameter[int]] = bindparam("limit", type_=Integer)


@lru_cache
def page_statement(
    standings: tuple[Standing, ...],
    given: frozenset[Role],
    *,
    of_all: bool,
    placed: bool,
    newest_first: bool,
) -> Select[Any]:
    """The statement for a page of these standings, with the parties in `given`.

    It is cached, because making it takes longer than executing it. What differs between two pages
    of the same kind is a parameter. If `of_all`, the Connections are those of every organization.
    If `placed`, the page begins after a position.
    """
    parts: list[Select[Any]] = []
    for standing in standings:
        parties = {} if of_all else {standing.role: "organization_id"}
        for role in Role:
            if role in given:
                parties.setdefault(role, role.value)
        part = _index_range(standing, placed, newest_first).where(
            *(
                connections.c[f"{role}_organization_id"] == bindparam(name)
                for role, name in parties.items()
            )
        )
        # Two parties have one Connection at most. With a limit, PostgreSQL may look for it among
        # all Connections that one of the two has.
        parts.append(part if len(parties) == len(Role) else part.limit(_LIMIT))
    # A union, because a self-connection is found in both roles.
    found = union(*(select(part.subquery()) for part in parts)).subquery()
    order = _in_order([found.c.created_at, found.c.id], newest_first)
    return select(*as_stored(found.c)).order_by(*order).limit(_LIMIT)


def _index_range(standing: Standing, placed: bool, newest_first: bool) -> Select[Any]:
    """The Connections of one status, or of all, in order: a range of an index.

    If `placed`, they begin after a position. The status is compared as a range, and comes first in
    the order, though all rows have the same. With ``=`` PostgreSQL may use the index without a
    status, and read everything between two Connections of that status, which can be everything
    that an organization has.
    """
    columns: list[ColumnElement[Any]] = [connections.c.created_at, connections.c.id]
    start: list[ColumnElement[Any]] = list(_PLACE) if placed else []
    statement = select(connections)
    if standing.status is not None:
        columns.insert(0, connections.c.status)
        start.insert(0, literal(standing.status.value))
        last = columns[0] >= start[0] if newest_first else columns[0] <= start[0]
        statement = statement.where(last)
    if start:
        here, there = tuple_(*columns[: len(start)]), tuple_(*start)
        if placed:
            statement = statement.where(here < there if newest_first else here > there)
        else:
            statement = statement.where(here <= there if newest_first else here >= there)
    return statement.order_by(*_in_order(columns, newest_first))


def _in_order(
    columns: Sequence[ColumnElement[Any]], newest_first: bool
) -> list[ColumnElement[Any]]:
    return [column.desc() if newest_first else column.asc() for column in columns]
