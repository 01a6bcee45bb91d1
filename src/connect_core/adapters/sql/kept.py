"""The objects that a session keeps of Connections: the host has loaded them with its own classes.

They agree with what a command wrote, because what it changed is expired, and read again when the
host next looks at it. This module runs no statement and knows none of the rules.
"""

from collections.abc import Set
from functools import cached_property
from typing import Any, Final

from sqlalchemy import Column, ColumnElement, Table, inspect
from sqlalchemy.orm import InstanceState, Mapper, Session, scoped_session

from connect_core.adapters.sql.sessions import default_schema

#: The columns of the table of Connections that a change updates.
_CHANGING: Final = frozenset({"status", "updated_at", "version"})


def expire_kept(
    session: Session | scoped_session[Session], table: Table, connection_id: str | None
) -> None:
    """Expire what changes in the objects that the session keeps of a Connection, or of all.

    Args:
        session: the host's session.
        table: that of the Connections. A table of the host's by the same name, in the same schema,
            is taken for it.
        connection_id: that of the Connection; None for all.
    """
    if session.identity_map:
        _Kept(session, table).expire(connection_id)


class _Kept:
    """What a session keeps of the rows of one table."""

    def __init__(self, session: Session | scoped_session[Session], table: Table) -> None:
        self._session = session
        self._table = table

    def expire(self, connection_id: str | None) -> None:
        # A list first: objects that nobody holds may leave the map while it is read.
        for class_ in {key[0] for key in list(self._session.identity_map.keys())}:
            mapper: Mapper[Any] = inspect(class_)
            if not any(map(self._is_on_table, mapper.self_and_descendants)):
                continue
            for kept in self._objects(mapper, connection_id):
                changing = self._attributes(inspect(type(kept)), _CHANGING, or_expressions=True)
                if changing:
                    self._session.expire(kept, changing)

    def _is_on_table(self, mapper: Mapper[Any]) -> bool:
        return any(map(self._is_it, mapper.tables))

    def _is_it(self, other: object) -> bool:
        """Whether this is our table, or one of the host's for the same table of the database."""
        if other is self._table:
            return True
        if getattr(other, "name", None) != self._table.name:
            return False
        here, there = self._table.schema, getattr(other, "schema", None)
        return here == there or (here or self._default) == (there or self._default)

    @cached_property
    def _default(self) -> str | None:
        return default_schema(self._session, self._table)

    def _objects(self, mapper: Mapper[Any], connection_id: str | None) -> list[object]:
        """The objects of a class and its subclasses that may show this Connection, or all."""
        identity_map = self._session.identity_map
        if connection_id is not None and [self._names(key) for key in mapper.primary_key] == [
            {"id"}
        ]:
            kept = identity_map.get(mapper.identity_key_from_primary_key((connection_id,)))
            return [] if kept is None else [kept]
        ours = (each for each in identity_map.values() if isinstance(each, mapper.class_))
        return [
            each for each in ours if connection_id in (None, self._loaded_id(each, connection_id))
        ]

    def _loaded_id(self, kept: object, otherwise: str | None) -> object:
        """The id of a Connection that an object has loaded."""
        state: InstanceState[Any] = inspect(kept)
        keys = self._attributes(state.mapper, {"id"}, or_expressions=False)
        return next((state.dict[key] for key in keys if key in state.dict), otherwise)

    def _attributes(
        self, mapper: Mapper[Any], names: Set[str], *, or_expressions: bool
    ) -> list[str]:
        """The attributes of a class that are mapped on these columns, or else on an expression."""
        return [
            each.key
            for each in mapper.column_attrs
            if any(
                or_expressions if found is None else found & names
                for found in map(self._names, each.columns)
            )
        ]

    def _names(self, column: ColumnElement[Any]) -> Set[str] | None:
        """The names of the columns of our table that a column is; None if it is an expression."""
        bases = column.base_columns
        if not all(isinstance(base, Column) for base in bases):
            return None
        return {str(base.name) for base in bases if self._is_it(getattr(base, "table", None))}
