"""The tables: constraints, and the type of each column."""

from datetime import timedelta

import pytest
from embedding import OURS, THEIRS, committed
from sqlalchemy import URL, Engine, Table, insert, inspect
from sqlalchemy.exc import IntegrityError
from support import T0

from connect_core import Status
from connect_core.adapters.sql import connection_events, connections, metadata

ROW: dict[str, object] = {
    "id": "cxn_9",
    "source_organization_id": "org_A",
    "destination_organization_id": "org_B",
    "status": "pending",
    "scopes": ["x.y"],
    "creator_id": "usr_1",
    "created_at": T0,
    "updated_at": T0,
    "version": 1,
}
EVENT: dict[str, object] = {
    "connection_id": "cxn_1",
    "version": 3,
    "action": "deactivate",
    "previous_status": "active",
    "status": "inactive",
    "actor_id": "usr_1",
    "actor_organization_id": str(THEIRS),
    "roles": ["destination"],
    "occurred_at": T0,
}


class TestConstraints:
    """The database refuses everything that it can, whoever writes to it."""

    def refused(self, engine: Engine, table: Table, row: dict[str, object]) -> None:
        with pytest.raises(IntegrityError), engine.begin() as connection:
            connection.execute(insert(table), row)

    def test_what_is_right_is_taken(self, engine: Engine) -> None:
        committed(engine)
        with engine.begin() as connection:
            connection.execute(insert(connections), ROW)
            connection.execute(insert(connection_events), EVENT)

    @pytest.mark.parametrize(
        "changes",
        [
            {"status": "frozen"},
            {"status": "Pending"},
            {"status": None},
            {"version": 0},
            {"version": None},
            {"updated_at": T0 - timedelta(milliseconds=1)},
            {"created_at": None},
            {"scopes": None},
            {"creator_id": None},
            {"id": "cxn_1"},
            {"id": None},
            {"source_organization_id": None},
            {"destination_organization_id": None},
            {"source_organization_id": str(OURS), "destination_organization_id": str(THEIRS)},
        ],
        ids=str,
    )
    def test_connections(self, engine: Engine, changes: dict[str, object]) -> None:
        committed(engine)
        self.refused(engine, connections, ROW | changes)

    @pytest.mark.parametrize(
        "changes",
        [
            {"version": 2},
            {"version": 0},
            {"connection_id": "cxn_none"},
            {"status": "frozen"},
            {"previous_status": "frozen"},
            {"action": "expire"},
            {"action": "activate"},
            {"previous_status": "inactive"},
            {"status": "active"},
            {"previous_status": None},
            {"terms": {"name": None}},
            {"action": "create", "previous_status": None, "status": "pending"},
            {"actor_id": None},
            {"roles": None},
            {"occurred_at": None},
        ],
        ids=str,
    )
    def test_events(self, engine: Engine, changes: dict[str, object]) -> None:
        committed(engine)
        self.refused(engine, connection_events, EVENT | changes)

    def test_nothing_else_may_be_null(self, engine: Engine) -> None:
        may_be = {
            table.name: {
                each["name"] for each in inspect(engine).get_columns(table.name) if each["nullable"]
            }
            for table in metadata.sorted_tables
        }
        assert may_be == {
            "connections": {"name"},
            "connection_events": {"previous_status", "terms"},
            "connection_idempotency_keys": set(),
        }

    def test_a_connection_with_events_stays(self, engine: Engine) -> None:
        committed(engine)
        with pytest.raises(IntegrityError), engine.begin() as connection:
            connection.execute(connections.delete())

    def test_each_step_of_the_lifecycle_is_known(self, engine: Engine) -> None:
        """And no other step: the condition is derived from the decision table."""
        steps = {
            ("pending", "activate", "active"),
            ("pending", "deactivate", "inactive"),
            ("active", "deactivate", "inactive"),
            ("inactive", "reactivate", "pending"),
        }
        committed(engine)
        for before in Status:
            for action in ("activate", "deactivate", "reactivate", "create"):
                for after in Status:
                    step = (before.value, action, after.value)
                    row = dict(zip(("previous_status", "action", "status"), step, strict=True))
                    if step in steps:
                        with engine.connect() as connection:  # and rolled back
                            connection.execute(insert(connection_events), EVENT | row)
                    else:
                        self.refused(engine, connection_events, EVENT | row)


class TestColumnTypes:
    """The columns, for hosts that read the tables themselves."""

    def test_each_column(self) -> None:
        """A host may read these types; a later version may change them only with a migration."""
        there = URL.create("postgresql").get_dialect()()
        id_, status, version, time = (
            'VARCHAR(255) COLLATE "C"',
            "VARCHAR(16)",
            "INTEGER",
            "TIMESTAMP(3) WITH TIME ZONE",
        )
        assert {
            table.name: {column.name: column.type.compile(there) for column in table.columns}
            for table in metadata.sorted_tables
        } == {
            "connections": {
                "id": id_,
                "source_organization_id": id_,
                "destination_organization_id": id_,
                "name": "VARCHAR(255)",
                "status": status,
                "scopes": "JSONB",
                "creator_id": id_,
                "created_at": time,
                "updated_at": time,
                "version": version,
            },
            "connection_events": {
                "connection_id": id_,
                "version": version,
                "action": "VARCHAR(16)",
                "previous_status": status,
                "status": status,
                "actor_id": id_,
                "actor_organization_id": id_,
                "roles": "JSONB",
                "occurred_at": time,
                "terms": "JSONB",
            },
            "connection_idempotency_keys": {
                "organization_id": id_,
                "key": id_,
                "fingerprint": "VARCHAR(64)",
                "outcome": "TEXT",
                "created_at": time,
            },
        }
