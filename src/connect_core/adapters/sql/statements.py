"""The statements of a store, built once for each set of tables.

This module runs none of them.
"""

from functools import lru_cache
from typing import Final

from sqlalchemy import (
    Dialect,
    Insert,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
    and_,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from connect_core.adapters.sql.bulk import Bulk
from connect_core.adapters.sql.histories import Histories
from connect_core.adapters.sql.pages import Pages
from connect_core.adapters.sql.tables import Tables
from connect_core.adapters.sql.types import as_stored

#: The columns that no two Connections have in common.
_OWN_KEYS: Final = (("id",), ("source_organization_id", "destination_organization_id"))


class Insertion:
    """The INSERT of a row, which does nothing if the row has a key that is taken.

    The databases of MySQL's family can only ignore every error at once, and their row count does
    not tell. There it is the plain INSERT, whose refusal does not end the transaction.

    Attributes:
        plain: the INSERT that is refused if a key is taken.
    """

    def __init__(self, table: Table) -> None:
        # SQLAlchemy keeps the row count of an INSERT only on request.
        self.plain = insert(table).execution_options(preserve_rowcount=True)
        self._by_dialect = {
            kind: each.execution_options(preserve_rowcount=True)
            for kind, each in {
                "postgresql": postgresql.insert(table).on_conflict_do_nothing(),
                "sqlite": sqlite.insert(table).on_conflict_do_nothing(),
            }.items()
        }

    def on(self, dialect: Dialect) -> Insert:
        """The statement for a database."""
        return self._by_dialect.get(dialect.name, self.plain)


class Statements:
    """What a store sends to the database, for one set of tables."""

    def __init__(self, tables: Tables) -> None:
        connections, events, keys = tables[:3]
        is_own_id = connections.c.id == bindparam("id")
        of_connection = events.c.connection_id == bindparam("id")

        chosen = select(*as_stored(connections.c))
        self.get = chosen.where(is_own_id)
        self.find = chosen.where(
            connections.c.source_organization_id == bindparam("source"),
            connections.c.destination_organization_id == bindparam("destination"),
        )
        #: The Connections that have the id, or the ordered pair, of a row.
        self.conflicting = select(
            connections.c.id,
            connections.c.source_organization_id,
            connections.c.destination_organization_id,
        ).where(
            or_(
                is_own_id,
                and_(
                    connections.c.source_organization_id == bindparam("source_organization_id"),
                    connections.c.destination_organization_id
                    == bindparam("destination_organization_id"),
                ),
            )
        )
        self.add = Insertion(connections)
        self.save = update(connections).where(
            connections.c.id == bindparam("the_id"),
            connections.c.version == bindparam("previous_version"),
        )

        #: Undo an `add`, or a `save`: the Connection is again as the event before left it.
        of_change = events.c.connection_id == bindparam("the_id")
        is_the_one = and_(
            connections.c.id == bindparam("the_id"),
            connections.c.version == bindparam("the_version"),
        )
        self.remove_event = delete(events).where(
            of_change, events.c.version == bindparam("the_version")
        )
        self.remove = delete(connections).where(is_the_one)
        before = select(events.c.occurred_at).where(
            of_change, events.c.version == bindparam("the_version") - 1
        )
        self.restore = (
            update(connections)
            .where(is_the_one)
            .values(
                version=connections.c.version - 1,
                updated_at=func.coalesce(before.scalar_subquery(), connections.c.updated_at),
            )
        )

        chosen_events = select(*as_stored(events.c))
        self.history = chosen_events.where(of_connection).order_by(events.c.version)
        self.event = chosen_events.where(of_connection, events.c.version == bindparam("version"))
        self.add_event = insert(events)

        is_own_key = and_(
            keys.c.organization_id == bindparam("the_organization_id"),
            keys.c.key == bindparam("the_key"),
        )
        self.find_outcome = select(*as_stored(keys.c)).where(is_own_key)
        #: Take a key for an outcome that is not known yet; then keep the outcome, or let it go.
        self.claim = Insertion(keys)
        self.complete = update(keys).where(is_own_key)
        self.release = delete(keys).where(is_own_key)
        self.forget = delete(keys).where(keys.c.created_at < bindparam("before"))

        self.pages = Pages(connections)
        self.histories = Histories(tables)
        self.bulk = Bulk(tables)
        #: The constraints that make a Connection a duplicate; a host may have added others.
        self.own_keys = frozenset(
            str(each.name)
            for each in connections.constraints
            if isinstance(each, PrimaryKeyConstraint | UniqueConstraint)
            and tuple(each.columns.keys()) in _OWN_KEYS
        )


@lru_cache
def statements_for(tables: Tables) -> Statements:
    """The statements for these tables."""
    return Statements(tables)
