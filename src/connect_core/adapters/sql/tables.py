"""The tables: Connections, their events, and the outcomes of requests with an idempotency key.

`tables_for` defines them in the metadata and under the names that a host chooses; ours are what it
makes if nothing is chosen. This module runs no statement.

The databases enforce what a database can: one row for an ordered pair, one event for a version,
only known statuses, only steps of the lifecycle. The statuses and steps are derived from the rules.
"""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.schema import SchemaItem, conv

from connect_core import arguments
from connect_core.adapters.sql.types import EXACT, Id, JsonValue, UtcTime
from connect_core.lifecycle import Role, Status
from connect_core.parties import MAX_NAME_LENGTH
from connect_core.policy import decision_table
from connect_core.text import kind_of, quoted


class Tables(NamedTuple):
    """Three tables on which a store works together; `tables_for` makes them.

    Attributes:
        connections: the current state, one row for each Connection.
        connection_events: the history, one row for each change.
        idempotency_keys: the outcomes of requests that had an idempotency key. Its name in the
            database ends in ``connection_idempotency_keys``.
        metadata: what the tables belong to, for ``create_all`` or for your own migrations.
    """

    connections: Table
    connection_events: Table
    idempotency_keys: Table
    metadata: MetaData


#: The names of the tables, after the prefix.
_NAMES: Final = ("connections", "connection_events", "connection_idempotency_keys")
#: The longest name of a table, a constraint or an index without a prefix.
_LONGEST: Final = "ix_connection_idempotency_keys_created_at"
#: How many bytes of a name PostgreSQL keeps.
_MAX_BYTES: Final = 63


def tables_for(
    metadata: MetaData | None = None,
    *,
    schema: str | None = None,
    prefix: str = "",
    foreign_keys: bool = True,
) -> Tables:
    """Tables for the store in metadata of your own, under names that you choose.

    They have the columns, constraints and indexes of the tables in our own `metadata`. A prefix
    comes first in the names of tables, and second in those of constraints and indexes: with
    ``acme_``, `connections` becomes ``acme_connections``, and ``pk_connections`` becomes
    ``pk_acme_connections``. A naming convention of the metadata does not change these names.

    This only describes the tables. Create them by a migration, or with
    ``tables.metadata.create_all(engine)`` on an engine that `configure_engine` was given; create
    the schema first.

    Args:
        metadata: what the tables are added to, such as ``Base.metadata``; new metadata if omitted.
        schema: the schema of the tables, for PostgreSQL, or their database, for MariaDB and MySQL;
            that of the metadata if omitted. If neither is given, the server decides.
        prefix: what their names begin with: letters, digits and underscores, at most 22 bytes in
            UTF-8.
        foreign_keys: False to leave out the foreign key from the events to the Connections. Then
            the database does not refuse an event of no Connection.

    Returns:
        The tables. Make them once: a store keeps its statements for them.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: the metadata has a table by one of the names already, the prefix is too long or
            has another character, or the schema is empty. Nothing was added to the metadata.
    """
    if metadata is None:
        metadata = MetaData()
    _require_metadata(metadata)
    if schema is not None and not arguments.text(schema, "schema"):
        raise ValueError("schema is empty: leave it out to have none")
    prefix = arguments.text(prefix, "prefix")
    _require_fitting(prefix)
    arguments.flag(foreign_keys, "foreign_keys")
    _require_free(metadata, schema, prefix)
    place = _Place(metadata, schema, prefix)
    connections = _connections(place)
    parent = connections if foreign_keys else None
    return Tables(connections, _events(place, parent), _idempotency_keys(place), metadata)


def require_tables(tables: object) -> None:
    """Refuse what `tables_for` has not made.

    Raises:
        TypeError: `tables` is something else.
    """
    if not isinstance(tables, Tables):
        raise TypeError(f"tables: expected what tables_for returns, got {kind_of(tables)}")


def _require_metadata(metadata: object) -> None:
    if not isinstance(metadata, MetaData):
        advice = "; pass its metadata" if hasattr(metadata, "metadata") else ""
        raise TypeError(
            f"metadata: expected a sqlalchemy.MetaData, got {kind_of(metadata)}{advice}"
        )


def _require_fitting(prefix: str) -> None:
    if not re.fullmatch(r"\w*", prefix):
        raise ValueError(
            f"prefix is {quoted(prefix)}; it must consist of letters, digits and underscores"
        )
    length, most = len(prefix.encode()), _MAX_BYTES - len(_LONGEST)
    if length > most:
        raise ValueError(
            f"prefix is {quoted(prefix)}, of {length} bytes; it must have at most {most}, because"
            f" PostgreSQL cuts a name after {_MAX_BYTES} bytes, and the longest one, without a"
            f" prefix, is {_LONGEST}"
        )


def _require_free(metadata: MetaData, schema: str | None, prefix: str) -> None:
    where = metadata.schema if schema is None else schema
    taken = {table.name for table in metadata.tables.values() if table.schema == where}
    for name in _NAMES:
        if f"{prefix}{name}" in taken:
            raise ValueError(
                f"the metadata has a table {prefix}{name} already: choose another prefix, or use"
                " what tables_for returned when it made this one"
            )


# --- What is in them -----------------------------------------------------------------------------


class _Place(NamedTuple):
    """Where tables are defined, and how they are named."""

    metadata: MetaData
    schema: str | None
    prefix: str

    def table(self, name: str, *contents: SchemaItem) -> Table:
        """A table with these columns, constraints and indexes."""
        return Table(f"{self.prefix}{name}", self.metadata, *contents, schema=self.schema, **EXACT)

    def name(self, kind: str, rest: str) -> conv:
        """The name of a constraint or an index, which no naming convention changes."""
        return conv(f"{kind}_{self.prefix}{rest}")


def _listed(values: Sequence[str]) -> str:
    return ", ".join(f"'{value}'" for value in values)


def _known_steps() -> str:
    """The steps that the lifecycle has, as a condition on a row of `connection_events`."""
    steps = dict.fromkeys(
        (cell.status, cell.action, decision.target)
        for cell, decision in decision_table().items()
        if decision
    )
    return " OR ".join(
        f"action = '{action}' AND status = '{target}' AND "
        + ("previous_status IS NULL" if previous is None else f"previous_status = '{previous}'")
        for previous, action, target in steps
    )


def _connections(place: _Place) -> Table:
    return place.table(
        "connections",
        Column("id", Id, nullable=False),
        Column("source_organization_id", Id, nullable=False),
        Column("destination_organization_id", Id, nullable=False),
        Column("name", String(MAX_NAME_LENGTH)),
        Column("status", String(16), nullable=False),
        Column("scopes", JsonValue, nullable=False),
        Column("creator_id", Id, nullable=False),
        Column("created_at", UtcTime, nullable=False),
        Column("updated_at", UtcTime, nullable=False),
        Column("version", Integer, autoincrement=False, nullable=False),
        PrimaryKeyConstraint("id", name=place.name("pk", "connections")),
        UniqueConstraint(
            "source_organization_id",
            "destination_organization_id",
            name=place.name("uq", "connections_ordered_pair"),
        ),
        CheckConstraint(
            f"status IN ({_listed(list(Status))})", name=place.name("ck", "connections_status")
        ),
        CheckConstraint("version >= 1", name=place.name("ck", "connections_version")),
        CheckConstraint(
            "updated_at >= created_at", name=place.name("ck", "connections_updated_at")
        ),
        # A list shows an organization in one role, with any status or with one, newest first.
        *(
            Index(
                place.name("ix", f"connections_{role}{suffix}"), f"{role}_organization_id", *columns
            )
            for role in Role
            for suffix, columns in {
                "": ["created_at", "id"],
                "_status": ["status", "created_at", "id"],
            }.items()
        ),
    )


def _events(place: _Place, parent: Table | None) -> Table:
    """The table of events, with a foreign key to `parent` if there is one."""
    name = place.name("fk", "connection_events_connection")
    links = (
        []
        if parent is None
        # The column itself: a text would be looked up by the rules for a metadata's schema.
        else [ForeignKeyConstraint(["connection_id"], [parent.c.id], name=name)]
    )
    return place.table(
        "connection_events",
        Column("connection_id", Id, nullable=False),
        Column("version", Integer, autoincrement=False, nullable=False),
        Column("action", String(16), nullable=False),
        Column("previous_status", String(16)),
        Column("status", String(16), nullable=False),
        Column("actor_id", Id, nullable=False),
        Column("actor_organization_id", Id, nullable=False),
        Column("roles", JsonValue, nullable=False),
        Column("occurred_at", UtcTime, nullable=False),
        Column("terms", JsonValue),
        PrimaryKeyConstraint(
            "connection_id", "version", name=place.name("pk", "connection_events")
        ),
        *links,
        CheckConstraint("version >= 1", name=place.name("ck", "connection_events_version")),
        CheckConstraint(_known_steps(), name=place.name("ck", "connection_events_step")),
        CheckConstraint(
            "version = 1 AND previous_status IS NULL AND terms IS NOT NULL OR "
            "version > 1 AND previous_status IS NOT NULL AND terms IS NULL",
            name=place.name("ck", "connection_events_creation"),
        ),
    )


def _idempotency_keys(place: _Place) -> Table:
    return place.table(
        "connection_idempotency_keys",
        Column("organization_id", Id, nullable=False),
        Column("key", Id, nullable=False),
        Column("fingerprint", String(64), nullable=False),
        Column("outcome", Text, nullable=False),
        Column("created_at", UtcTime, nullable=False),
        PrimaryKeyConstraint(
            "organization_id", "key", name=place.name("pk", "connection_idempotency_keys")
        ),
        Index(place.name("ix", "connection_idempotency_keys_created_at"), "created_at"),
    )


# --- Ours ----------------------------------------------------------------------------------------

#: The tables of a store that is given no others.
DEFAULT_TABLES: Final = tables_for()

#: The tables, for ``create_all`` or for your own migrations.
metadata: MetaData = DEFAULT_TABLES.metadata

#: The current state: one row per Connection.
connections: Table = DEFAULT_TABLES.connections

#: The history: one row per change. Rows are added, never changed.
connection_events: Table = DEFAULT_TABLES.connection_events

#: The outcomes of requests that had an idempotency key.
idempotency_keys: Table = DEFAULT_TABLES.idempotency_keys
