"""The tables: Connections, their events, and the outcomes of requests with an idempotency key.

The databases enforce what a database can: one row for an ordered pair, one event for a version,
only known statuses, only steps of the lifecycle. The statuses and steps are derived from the rules.
"""

from collections.abc import Sequence

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

from connect_core.adapters.sql.types import Id, JsonValue, UtcTime
from connect_core.lifecycle import Role, Status
from connect_core.parties import MAX_NAME_LENGTH
from connect_core.policy import decision_table


def _quoted(values: Sequence[str]) -> str:
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


#: The tables, for ``create_all`` or for your own migrations.
metadata = MetaData()

#: The current state: one row per Connection.
connections = Table(
    "connections",
    metadata,
    Column("id", Id, nullable=False),
    Column("source_organization_id", Id, nullable=False),
    Column("destination_organization_id", Id, nullable=False),
    Column("name", String(MAX_NAME_LENGTH)),
    Column("status", String(16), nullable=False),
    Column("scopes", JsonValue, nullable=False),
    Column("creator_id", Id, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
    Column("version", Integer, nullable=False),
    PrimaryKeyConstraint("id", name="pk_connections"),
    UniqueConstraint(
        "source_organization_id", "destination_organization_id", name="uq_connections_ordered_pair"
    ),
    CheckConstraint(f"status IN ({_quoted(list(Status))})", name="ck_connections_status"),
    CheckConstraint("version >= 1", name="ck_connections_version"),
    CheckConstraint("updated_at >= created_at", name="ck_connections_updated_at"),
    # A list shows an organization in one role, with any status or with one, newest first.
    *(
        Index(f"ix_connections_{role}{suffix}", f"{role}_organization_id", *columns)
        for role in Role
        for suffix, columns in {
            "": ["created_at", "id"],
            "_status": ["status", "created_at", "id"],
        }.items()
    ),
)

#: The history: one row per change. Rows are added, never changed.
connection_events = Table(
    "connection_events",
    metadata,
    Column("connection_id", Id, nullable=False),
    Column("version", Integer, nullable=False),
    Column("action", String(16), nullable=False),
    Column("previous_status", String(16)),
    Column("status", String(16), nullable=False),
    Column("actor_id", Id, nullable=False),
    Column("actor_organization_id", Id, nullable=False),
    Column("roles", JsonValue, nullable=False),
    Column("occurred_at", UtcTime, nullable=False),
    Column("terms", JsonValue),
    PrimaryKeyConstraint("connection_id", "version", name="pk_connection_events"),
    ForeignKeyConstraint(
        ["connection_id"], ["connections.id"], name="fk_connection_events_connection"
    ),
    CheckConstraint("version >= 1", name="ck_connection_events_version"),
    CheckConstraint(_known_steps(), name="ck_connection_events_step"),
    CheckConstraint(
        "version = 1 AND previous_status IS NULL AND terms IS NOT NULL OR "
        "version > 1 AND previous_status IS NOT NULL AND terms IS NULL",
        name="ck_connection_events_creation",
    ),
)

#: The outcomes of requests that had an idempotency key.
idempotency_keys = Table(
    "connection_idempotency_keys",
    metadata,
    Column("organization_id", Id, nullable=False),
    Column("key", Id, nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("outcome", Text, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    PrimaryKeyConstraint("organization_id", "key", name="pk_connection_idempotency_keys"),
    Index("ix_connection_idempotency_keys_created_at", "created_at"),
)
