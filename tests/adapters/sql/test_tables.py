"""The tables: constraints, the type of each column, and `tables_for`, which defines them."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from embedding import OURS, THEIRS, committed
from sqlalchemy import (
    URL,
    Column,
    Connection,
    Engine,
    ForeignKeyConstraint,
    Integer,
    MetaData,
    Table,
    create_engine,
    insert,
    inspect,
)
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.schema import BLANK_SCHEMA, CreateIndex, CreateTable
from support import T0

from connect_core import Status
from connect_core.adapters.sql import (
    Tables,
    connection_events,
    connections,
    idempotency_keys,
    metadata,
    tables_for,
)

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
        with (
            pytest.raises((IntegrityError, OperationalError)) as caught,
            engine.begin() as connection,
        ):
            connection.execute(insert(table), row)
        if caught.type is OperationalError:  # as PyMySQL calls the violation of a check constraint
            assert "(4025, " in str(caught.value.orig)

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


POSTGRESQL = URL.create("postgresql").get_dialect()()


def three(tables: Tables) -> tuple[Table, Table, Table]:
    return tables.connections, tables.connection_events, tables.idempotency_keys


def definition(tables: Tables) -> list[str]:
    """The statements that create the tables and their indexes on PostgreSQL."""
    statements: list[CreateTable | CreateIndex] = []
    for table in three(tables):
        indexes = sorted(table.indexes, key=lambda index: str(index.name))
        statements += [CreateTable(table), *map(CreateIndex, indexes)]
    return [str(statement.compile(dialect=POSTGRESQL)) for statement in statements]


def names(tables: Tables) -> list[str]:
    """The names of all tables, constraints and indexes, sorted."""
    return sorted(
        str(each)
        for table in three(tables)
        for each in (
            table.name,
            *(constraint.name for constraint in table.constraints),
            *(index.name for index in table.indexes),
        )
    )


OURS_BY_DEFAULT = Tables(connections, connection_events, idempotency_keys, metadata)
#: A naming convention that would change every name.
CONVENTION: dict[str, str] = {
    "pk": "pk_of_%(table_name)s",
    "uq": "uq_of_%(table_name)s_%(constraint_name)s",
    "ck": "ck_of_%(table_name)s_%(constraint_name)s",
    "fk": "fk_of_%(table_name)s_%(constraint_name)s",
    "ix": "ix_of_%(table_name)s_%(column_0_name)s",
}


class TestTablesFor:
    """The tables in metadata, and under names, of the host's choosing."""

    def test_nothing_chosen(self) -> None:
        """They are as our own are, and each call makes others."""
        made = tables_for()
        assert definition(made) == definition(OURS_BY_DEFAULT)
        assert names(made) == names(OURS_BY_DEFAULT)
        assert made.metadata is not metadata
        assert list(made.metadata.tables.values()) == list(three(made))
        assert made != tables_for()
        assert {made: "a key"}[made] == "a key"

    def test_it_is_frozen(self) -> None:
        with pytest.raises(AttributeError):
            tables_for().connections = connections  # type: ignore[misc]

    def test_metadata_of_the_hosts(self) -> None:
        class Base(DeclarativeBase):
            """A host's tables."""

        made = tables_for(Base.metadata, prefix="acme_")
        assert made.metadata is Base.metadata
        assert set(Base.metadata.tables) == {
            "acme_connections",
            "acme_connection_events",
            "acme_connection_idempotency_keys",
        }

    def test_a_prefix(self) -> None:
        """It is in every name once, and nothing else changes."""
        made = tables_for(prefix="Acmé_1_")
        assert all(name.count("Acmé_1_") == 1 for name in names(made))
        plain_names = sorted(name.replace("Acmé_1_", "") for name in names(made))
        assert plain_names == names(OURS_BY_DEFAULT)
        plain = [text.replace("Acmé_1_", "").replace('"', "") for text in definition(made)]
        assert plain == [text.replace('"', "") for text in definition(OURS_BY_DEFAULT)]

    def test_a_naming_convention_of_the_metadata(self) -> None:
        made = tables_for(MetaData(naming_convention=CONVENTION), prefix="acme_")
        assert definition(made) == definition(tables_for(prefix="acme_"))

    @pytest.mark.parametrize(
        ("of_metadata", "chosen", "expected"),
        [
            (None, None, None),
            (None, "own", "own"),
            ("theirs", None, "theirs"),
            ("theirs", "own", "own"),
            (None, "with.dot", "with.dot"),
        ],
    )
    def test_schemas(
        self, of_metadata: str | None, chosen: str | None, expected: str | None
    ) -> None:
        """The foreign key leads to the table in the same schema."""
        made = tables_for(MetaData(schema=of_metadata), schema=chosen)
        assert [table.schema for table in three(made)] == [expected] * 3
        (key,) = made.connection_events.foreign_keys
        assert key.column is made.connections.c.id

    def test_several_in_one_metadata(self) -> None:
        """Those of different prefixes or schemas, beside a table of the host's."""
        host = MetaData()
        Table("connections", host, Column("id", Integer, primary_key=True))
        made = [
            tables_for(host, prefix="a_"),
            tables_for(host, prefix="b_"),
            tables_for(host, schema="own"),
            tables_for(host, schema="own", prefix="a_"),
        ]
        assert len(host.tables) == 13
        for each in made:
            (key,) = each.connection_events.foreign_keys
            assert key.column is each.connections.c.id

    def test_without_foreign_keys(self) -> None:
        made = tables_for(foreign_keys=False)
        kinds = {type(each) for table in three(made) for each in table.constraints}
        assert ForeignKeyConstraint not in kinds
        engine = create_engine("sqlite://")
        with engine.begin() as database:
            database.exec_driver_sql("PRAGMA foreign_keys = ON")
            made.metadata.create_all(database)
            database.execute(insert(made.connection_events), EVENT)
            assert inspect(database).get_foreign_keys("connection_events") == []
        engine.dispose()

    def test_the_longest_prefix(self, engine: Engine) -> None:
        """No name is cut, and every database keeps all of them."""
        for prefix in ("ü" * 11, "a" * 22):
            made = tables_for(prefix=prefix)
            assert max(len(name.encode()) for name in names(made)) == 63
        with engine.begin() as database:
            made.metadata.create_all(database)
            made.metadata.create_all(database)  # finds all of them
            assert kept_names(database, made) == {
                name for name in names(made) if not is_untold(database, name)
            }

    @pytest.mark.parametrize(
        ("arguments", "reason"),
        [
            ({"metadata": "x"}, "metadata: expected a sqlalchemy.MetaData, got builtins.str"),
            ({"metadata": OURS_BY_DEFAULT}, "metadata: .*, got .*Tables; pass its metadata"),
            ({"schema": 5}, r"schema is 5 \(int\); it must be text"),
            ({"schema": BLANK_SCHEMA}, "schema is .*; it must be text"),
            ({"prefix": None}, r"prefix is None \(NoneType\); it must be text"),
            ({"foreign_keys": 1}, r"foreign_keys is 1 \(int\); it must be True or False"),
        ],
        ids=str,
    )
    def test_wrong_types(self, arguments: dict[str, Any], reason: str) -> None:
        with pytest.raises(TypeError, match=f"^{reason}$"):
            tables_for(**arguments)

    @pytest.mark.parametrize(
        ("arguments", "reason"),
        [
            ({"schema": ""}, "schema is empty: leave it out to have none"),
            (
                {"prefix": "a" * 23},
                "'a+', of 23 bytes; it must have at most 22, because PostgreSQL",
            ),
            ({"prefix": "ü" * 12}, "of 24 bytes; .* the longest one, without a prefix, is ix_conn"),
            ({"prefix": "a."}, "'a.'; it must consist of letters, digits and underscores"),
            ({"prefix": "a-"}, "'a-'; it must consist of"),
            ({"prefix": 'a"'}, "it must consist of"),
            ({"prefix": "a_\n"}, "it must consist of"),
            ({"prefix": " "}, "it must consist of"),
        ],
        ids=str,
    )
    def test_wrong_values(self, arguments: dict[str, Any], reason: str) -> None:
        host = MetaData()
        with pytest.raises(ValueError, match=reason):
            tables_for(host, **arguments)
        assert not host.tables

    @pytest.mark.parametrize(
        "name", ["a_connections", "a_connection_events", "a_connection_idempotency_keys"]
    )
    @pytest.mark.parametrize("schema", [None, "own"])
    def test_a_name_that_is_taken(self, schema: str | None, name: str) -> None:
        """Nothing is half-done."""
        host = MetaData(schema=schema)
        table = Table(name, host, Column("id", Integer, primary_key=True))
        advice = f"has a table {name} already: choose another prefix, or use what tables_for ret"
        for given in (None, schema):
            with pytest.raises(ValueError, match=advice):
                tables_for(host, prefix="a_", schema=given)
        assert list(host.tables.values()) == [table]

    def test_twice(self) -> None:
        made = tables_for(prefix="a_")
        with pytest.raises(ValueError, match="has a table a_connections already"):
            tables_for(made.metadata, prefix="a_")


#: The databases that do not tell every name, and what those names begin with.
UNTOLD = {"sqlite": ("fk_", "pk_", "uq_"), "mariadb": ("pk_",)}


def is_untold(database: Connection, name: str) -> bool:
    """Whether the database does not tell this name."""
    return name.startswith(UNTOLD.get(database.dialect.name, ()))


def kept_names(database: Connection, tables: Tables) -> set[str]:
    """The names of tables, constraints and indexes as a database has kept them."""
    found = inspect(database)
    kept: list[Any] = []
    for table in three(tables):
        details: list[Mapping[str, Any]] = [
            *found.get_indexes(table.name),
            *found.get_check_constraints(table.name),
            *found.get_unique_constraints(table.name),
            *found.get_foreign_keys(table.name),
            found.get_pk_constraint(table.name),
        ]
        kept += [table.name if found.has_table(table.name) else None]
        kept += [each["name"] for each in details]
    return {name for name in kept if name is not None and not is_untold(database, name)}
