"""The statements of a store, built once for each set of tables.

This module runs none of them.
"""

from functools import lru_cache
from typing import Final

from sqlalchemy import (
    PrimaryKeyConstraint,
    UniqueConstraint,
    and_,
    bindparam,
    delete,
    insert,
    or_,
    select,
    update,
)

from connect_core.adapters.sql.histories import Histories
from connect_core.adapters.sql.pages import Pages
from connect_core.adapters.sql.tables import Tables
from connect_core.adapters.sql.types import as_stored

#: The columns that no two Connections have in common.
_OWN_KEYS: Final = (("id",), ("source_organization_id", "destination_organization_id"))


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
        self.add = insert(connections)
        self.save = update(connections).where(
            connections.c.id == bindparam("the_id"),
            connections.c.version == bindparam("previous_version"),
        )

        chosen_events = select(*as_stored(events.c))
        self.history = chosen_events.where(of_connection).order_by(events.c.version)
        self.event = chosen_events.where(of_connection, events.c.version == bindparam("version"))
        self.add_event = insert(events)

        self.find_outcome = select(*as_stored(keys.c)).where(
            keys.c.organization_id == bindparam("organization_id"),
            keys.c.key == bindparam("key"),
        )
        self.add_outcome = insert(keys)
        self.forget = delete(keys).where(keys.c.created_at < bindparam("before"))

        self.pages = Pages(connections)
        self.histories = Histories(tables)
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
