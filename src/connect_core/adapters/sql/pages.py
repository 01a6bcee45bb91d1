"""The queries for a page of Connections, and for how many there are.

Each puts together a range of an index for each standing.

This module builds statements and runs none.
"""

import operator
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from string import ascii_uppercase
from typing import Any, Final, NamedTuple, TypeAlias

from sqlalchemy import (
    BindParameter,
    Boolean,
    Column,
    ColumnElement,
    Integer,
    Select,
    String,
    Table,
    and_,
    bindparam,
    func,
    literal,
    or_,
    select,
    tuple_,
    union,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from connect_core.adapters.sql.types import Id, UtcTime, as_stored
from connect_core.identifiers import OrganizationId
from connect_core.lifecycle import Role
from connect_core.store import Position, Selection, Standing

#: The position after which a page begins, and the length of the page.
_PLACE: Final = (bindparam("created_at", type_=UtcTime), bindparam("id", type_=Id))
_LIMIT: Final[BindParameter[int]] = bindparam("limit", type_=Integer)


#: A statement, and the values of its parameters.
_Query: TypeAlias = tuple[Select[Any], dict[str, object]]


class _Contains(FunctionElement[bool]):
    """Whether a text contains another, which is in lower case, ignoring the case of A to Z."""

    type = Boolean()
    inherit_cache = True


@compiles(_Contains)
def _contains(element: _Contains, compiler: SQLCompiler, **options: Any) -> str:
    """On SQLite, where `lower` folds A to Z only."""
    name, part = (compiler.process(each, **options) for each in element.clauses)
    return f"instr(lower({name}), {part}) > 0"


@compiles(_Contains, "postgresql")
def _contains_in_postgresql(element: _Contains, compiler: SQLCompiler, **options: Any) -> str:
    """On PostgreSQL, where `lower` folds A to Z only under the collation C."""
    name, part = (compiler.process(each, **options) for each in element.clauses)
    return f'pg_catalog.strpos(pg_catalog.lower({name} COLLATE "C"), {part}) > 0'


@compiles(_Contains, "mysql")
@compiles(_Contains, "mariadb")
def _contains_in_mysql(element: _Contains, compiler: SQLCompiler, **options: Any) -> str:
    """On MySQL and MariaDB, where `lower` folds other letters too; `replace` minds the case."""
    name, part = (compiler.process(each, **options) for each in element.clauses)
    for letter in ascii_uppercase:
        name = f"replace({name}, '{letter}', '{letter.lower()}')"
    return f"instr({name}, {part}) > 0"


class _Shape(NamedTuple):
    """What decides the text of a statement. The rest of a selection is in its parameters.

    Attributes:
        standings: those that the given parties permit.
        given: the roles whose organization is given.
        of_all: whether the Connections are those of every organization.
        named: whether a text in their names is looked for.
        partnered: whether certain other parties are looked for.
        by_column: whether the database finds a range of an index only column by column.
    """

    standings: tuple[Standing, ...]
    given: frozenset[Role]
    of_all: bool
    named: bool
    partnered: bool
    by_column: bool


class Pages:
    """Builds the queries on one table of Connections.

    Statements are cached, because making one takes longer than executing it. What differs between
    two pages of the same shape is a parameter.

    If the database is of MySQL's family, `by_column` must be True. These databases find no range of
    an index by a comparison of rows. Nor do they always read a range where an organization is
    compared with ``=``: if most of what it has is in the range, they begin with its first row.
    """

    def __init__(self, table: Table) -> None:
        self._table = table
        self._has_name = _Contains(table.c.name, bindparam("name", type_=String))
        self._page = lru_cache(self._page_statement)
        self._count = lru_cache(self._count_statement)

    def page_query(
        self,
        selection: Selection,
        *,
        beyond: Position | None,
        newest_first: bool,
        limit: int,
        by_column: bool = False,
    ) -> _Query | None:
        """The query for a page; None if no Connection can be selected."""
        shape, values = _shape_of(selection, by_column), _values_of(selection, limit)
        if not shape.standings:
            return None
        if beyond is not None:
            values |= {"created_at": beyond.created_at, "id": str(beyond.id)}
        return self._page(shape, placed=beyond is not None, newest_first=newest_first), values

    def count_query(
        self, selection: Selection, most: int, *, by_column: bool = False
    ) -> _Query | None:
        """The query that counts, no further than `most`; None if no Connection can be selected."""
        shape = _shape_of(selection, by_column)
        return (self._count(shape), _values_of(selection, most)) if shape.standings else None

    def _page_statement(self, shape: _Shape, *, placed: bool, newest_first: bool) -> Select[Any]:
        """The statement for a page. If `placed`, the page begins after a position."""
        # A union, because a self-connection is found in both roles.
        parts = self._parts(shape, self._table.c, placed, newest_first)
        found = union(*(select(part.subquery()) for part in parts)).subquery()
        order = _in_order([found.c.created_at, found.c.id], newest_first)
        return select(*as_stored(found.c)).order_by(*order).limit(_LIMIT)

    def _count_statement(self, shape: _Shape) -> Select[Any]:
        """The statement that counts. It selects ids only, so that the indexes are enough."""
        parts = self._parts(shape, [self._table.c.id], placed=False, newest_first=True)
        found = union(*(select(part.subquery()) for part in parts)).limit(_LIMIT).subquery()
        return select(func.count()).select_from(found)

    def _parts(
        self, shape: _Shape, columns: Iterable[Column[Any]], placed: bool, newest_first: bool
    ) -> list[Select[Any]]:
        """The first Connections of each standing, in order. Those looked for may be far apart."""
        parts: list[Select[Any]] = []
        for standing in shape.standings:
            parties = {} if shape.of_all else {standing.role: "organization_id"}
            for role in Role:
                if role in shape.given:
                    parties.setdefault(role, role.value)
            equal: dict[ColumnElement[Any], ColumnElement[Any]] = {
                self._table.c[f"{role}_organization_id"]: bindparam(name)
                for role, name in parties.items()
            }
            # Two parties have one Connection at most, which every database looks up.
            if shape.by_column and len(parties) < len(Role):
                part = self._range_by_column(columns, standing, equal, placed, newest_first)
            else:
                part = self._index_range(columns, standing, placed, newest_first).where(
                    *(column == value for column, value in equal.items())
                )
            if shape.named or shape.partnered:
                part = part.where(or_(*self._looked_for(shape, standing.role)))
            # With a limit, PostgreSQL may look for the Connection of two parties among all that
            # one of the two has.
            parts.append(part if len(parties) == len(Role) else part.limit(_LIMIT))
        return parts

    def _looked_for(self, shape: _Shape, role: Role) -> Iterator[ColumnElement[bool]]:
        """The conditions of which one is enough, where the organization holds this role."""
        if shape.named:
            yield self._has_name
        if shape.partnered:
            (other,) = set(Role) - {role}
            partner = self._table.c[f"{other}_organization_id"]
            yield partner.in_(bindparam("partners", expanding=True))

    def _index_range(
        self, selected: Iterable[Column[Any]], standing: Standing, placed: bool, newest_first: bool
    ) -> Select[Any]:
        """The Connections of one status, or of all, in order: a range of an index.

        If `placed`, they begin after a position. The status is compared as a range, and comes first
        in the order, though all rows have the same. With ``=`` PostgreSQL may use the index without
        a status, and read everything between two Connections of that status, which can be
        everything that an organization has.
        """
        columns: list[ColumnElement[Any]] = [self._table.c.created_at, self._table.c.id]
        start: list[ColumnElement[Any]] = list(_PLACE) if placed else []
        statement = select(*selected)
        if standing.status is not None:
            columns.insert(0, self._table.c.status)
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

    def _range_by_column(
        self,
        selected: Iterable[Column[Any]],
        standing: Standing,
        equal: Mapping[ColumnElement[Any], ColumnElement[Any]],
        placed: bool,
        newest_first: bool,
    ) -> Select[Any]:
        """The same for the databases of MySQL's family, where some columns have these values.

        Every column of the index is compared by itself, and those with a value as a range, too.
        """
        time, id_ = self._table.c.created_at, self._table.c.id
        same = dict(equal)
        if standing.status is not None:
            same[self._table.c.status] = literal(standing.status.value)
        statement = select(*selected).where(
            *(column >= value for column, value in same.items()),
            *(column <= value for column, value in same.items()),
        )
        if placed:
            beyond = operator.lt if newest_first else operator.gt
            at, after = _PLACE
            statement = statement.where(or_(beyond(time, at), and_(time == at, beyond(id_, after))))
        return statement.order_by(*_in_order([*same, time, id_], newest_first))


def _parties(selection: Selection) -> dict[Role, OrganizationId]:
    """The organizations that are given, by their roles."""
    given = {Role.SOURCE: selection.source, Role.DESTINATION: selection.destination}
    return {role: party for role, party in given.items() if party is not None}


def _shape_of(selection: Selection, by_column: bool) -> _Shape:
    parties, ours = _parties(selection), selection.organization_id
    fitting = tuple(
        each for each in selection.standings if ours is None or parties.get(each.role, ours) == ours
    )
    return _Shape(
        fitting,
        frozenset(parties),
        ours is None,
        selection.name is not None,
        selection.partners is not None,
        by_column,
    )


def _values_of(selection: Selection, limit: int) -> dict[str, object]:
    """The values of the parameters, without a position."""
    values: dict[str, object] = {
        role.value: str(party) for role, party in _parties(selection).items()
    }
    # The organization's id is not read if it is None.
    values |= {"organization_id": str(selection.organization_id), "limit": limit}
    if selection.name is not None:
        values["name"] = selection.name
    if selection.partners is not None:
        values["partners"] = list(map(str, selection.partners))
    return values


def _in_order(
    columns: Sequence[ColumnElement[Any]], newest_first: bool
) -> list[ColumnElement[Any]]:
    return [column.desc() if newest_first else column.asc() for column in columns]
