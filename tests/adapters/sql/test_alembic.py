"""The migrations of a host, as `docs/examples/alembic` has them: up, down, and written anew."""

import re
import shutil
from argparse import Namespace
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from databases import database
from sqlalchemy import URL, Engine, create_engine, insert, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool
from support import OUR_KEY, PARTNER, ROOT, T0

from connect_core import ConnectionService, Status
from connect_core.adapters.sql import (
    SqlConnectionStore,
    configure_engine,
    connection_events,
    connections,
    idempotency_keys,
    metadata,
)

ENVIRONMENT = ROOT / "docs/examples/alembic"

#: For each database all that it can tell about its tables: their names, and what there is to them.
CATALOGUES = {
    "sqlite": ["SELECT tbl_name, type, name, sql FROM sqlite_master WHERE sql IS NOT NULL"],
    "postgresql": [
        "SELECT table_name, column_name, udt_name, character_maximum_length, datetime_precision, "
        "collation_name, is_nullable, column_default FROM information_schema.columns "
        "WHERE table_schema = current_schema()",
        "SELECT cast(cast(conrelid AS regclass) AS text), conname, pg_get_constraintdef(oid) "
        "FROM pg_constraint WHERE connamespace = cast(current_schema() AS regnamespace)",
        "SELECT tablename, indexname, replace(indexdef, current_schema(), '') "
        "FROM pg_indexes WHERE schemaname = current_schema()",
    ],
}


@contextmanager
def opened(url: URL) -> Generator[Engine]:
    """An engine as a host has it. The tables are not made."""
    engine = configure_engine(create_engine(url, poolclass=NullPool))
    try:
        yield engine
    finally:
        engine.dispose()


@pytest.fixture(params=["sqlite-file", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[URL]:
    """An empty database."""
    with database(request.param, tmp_path) as found:
        yield found


@pytest.fixture
def engine(url: URL) -> Iterator[Engine]:
    """An engine on the database of the same test."""
    with opened(url) as found:
        yield found


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Engine]:
    """An engine on an empty SQLite database."""
    with opened(URL.create("sqlite", database=str(tmp_path / "host.db"))) as found:
        yield found


def environment(of: Engine, directory: Path = ENVIRONMENT) -> Config:
    """The environment, for this database. What commands have to say goes nowhere."""
    url = of.url.render_as_string(hide_password=False)
    options = Namespace(x=[f"url={url}"])
    return Config(directory / "alembic.ini", stdout=StringIO(), cmd_opts=options)


def copied(directory: Path, *, with_versions: bool) -> Path:
    """A copy of the environment, to write to."""
    copy = directory / "environment"
    left_out = shutil.ignore_patterns("__pycache__", "" if with_versions else "*.py", "env.py")
    shutil.copytree(ENVIRONMENT, copy, ignore=left_out)
    shutil.copy(ENVIRONMENT / "env.py", copy)
    return copy


def catalogue(engine: Engine) -> list[tuple[object, ...]]:
    """All that the database can tell about its tables, without Alembic's own."""
    with engine.connect() as connection:
        rows = [
            tuple(row) for query in CATALOGUES[engine.dialect.name]
            for row in connection.execute(text(query))
        ]  # fmt: skip
    return sorted((plain(row) for row in rows if row[0] != "alembic_version"), key=repr)


def plain(row: tuple[Any, ...]) -> tuple[object, ...]:
    """A row without what means nothing: the order of constraints and blanks in SQLite's text."""
    if not str(row[-1]).startswith("CREATE TABLE"):
        return row
    return (*row[:-1], *sorted(line.strip("\t ,") for line in row[-1].splitlines()))


def expected(engine: Engine, directory: Path) -> list[tuple[object, ...]]:
    """The catalogue of a database of the same kind, of which `metadata` has made the tables."""
    directory.mkdir()
    kind = "postgresql" if engine.dialect.name == "postgresql" else "sqlite-file"
    with database(kind, directory) as url, opened(url) as other:
        metadata.create_all(other)
        return catalogue(other)


def of_the_library(found: list[tuple[object, ...]]) -> list[tuple[object, ...]]:
    """A catalogue without the host's own table."""
    return [row for row in found if row[0] != "notices"]


def live_through_it(engine: Engine) -> None:
    """A Connection is created and activated, and its history holds."""
    with Session(engine) as session, session.begin():
        service = ConnectionService(SqlConnectionStore(session))
        created, _ = service.create(
            by=OUR_KEY, destination="org_DEF456", name="Söhne 🎉", idempotency_key="key"
        )
    with Session(engine) as session, session.begin():
        service = ConnectionService(SqlConnectionStore(session))
        active, _ = service.activate(created.id, by=PARTNER, expected_version=1)
        assert service.history(created.id, by=OUR_KEY)[-1].status is Status.ACTIVE
        assert service.list(by=PARTNER, actionable="deactivate").connections == (active,)


class TestUp:
    """What ``alembic upgrade head`` leaves."""

    def test_the_tables_are_those_of_the_library(self, engine: Engine, tmp_path: Path) -> None:
        command.upgrade(environment(engine), "head")
        found = catalogue(engine)
        assert of_the_library(found) == expected(engine, tmp_path / "other")
        assert {row[0] for row in found} == {*metadata.tables, "notices"}

    def test_no_difference_is_found(self, engine: Engine) -> None:
        command.upgrade(environment(engine), "head")
        command.check(environment(engine))

        def is_ours(name: str | None, kind: str, _: object) -> bool:
            return kind != "table" or name in metadata.tables

        with engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"include_name": is_ours})
            assert compare_metadata(context, metadata) == []

    def test_the_service_works(self, engine: Engine) -> None:
        command.upgrade(environment(engine), "head")
        live_through_it(engine)

    def test_twice_is_once(self, engine: Engine) -> None:
        command.upgrade(environment(engine), "head")
        live_through_it(engine)
        command.upgrade(environment(engine), "head")
        with engine.connect() as connection:
            assert len(connection.execute(select(connection_events)).all()) == 2

    def test_written_as_sql(self, engine: Engine) -> None:
        """``--sql`` writes what has the same effect."""
        told = environment(engine)
        told.output_buffer = StringIO()
        command.upgrade(told, "head", sql=True)
        statements = told.output_buffer.getvalue()
        assert "CREATE TABLE connections" in statements
        with engine.connect() as connection:
            driver: Any = connection.connection.driver_connection
            if engine.dialect.name == "sqlite":
                driver.executescript(statements)
            else:
                driver.rollback()
                driver.autocommit = True
                driver.execute(statements)
        command.check(environment(engine))
        live_through_it(engine)


ROW: dict[str, object] = {
    "id": "cxn_2",
    "source_organization_id": "org_ABC123",
    "destination_organization_id": "org_GHI789",
    "status": "pending",
    "scopes": ["inquiry.read"],
    "creator_id": "api_ABC123",
    "created_at": T0,
    "updated_at": T0,
    "version": 1,
}
TERMS: dict[str, object] = {}
EVENT: dict[str, object] = {
    "connection_id": "cxn_2",
    "version": 1,
    "action": "create",
    "status": "pending",
    "actor_id": "api_ABC123",
    "actor_organization_id": "org_ABC123",
    "roles": ["source"],
    "occurred_at": T0,
    "terms": TERMS,
}
LATER: dict[str, object] = {
    "version": 2,
    "terms": None,
    "action": "deactivate",
    "status": "inactive",
}
KEY = {"organization_id": "org_A", "key": "k", "fingerprint": "", "outcome": "", "created_at": T0}


class TestConstraints:
    """What the library's own tables refuse, the migrated ones refuse too."""

    @pytest.mark.parametrize(
        ("change", "constraint"),
        [
            ({"status": "archived"}, "ck_connections_status"),
            ({"version": 0}, "ck_connections_version"),
            ({"updated_at": T0.replace(year=2000)}, "ck_connections_updated_at"),
            ({"id": "cxn_1"}, "pk_connections"),
            ({"destination_organization_id": "org_DEF456"}, "uq_connections_ordered_pair"),
            ({"status": None}, "status"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_of_connections(
        self, engine: Engine, change: dict[str, object], constraint: str
    ) -> None:
        command.upgrade(environment(engine), "head")
        with engine.begin() as connection:
            first = {"id": "cxn_1", "destination_organization_id": "org_DEF456"}
            connection.execute(insert(connections), ROW | first)
            connection.execute(insert(connections), ROW)
        row = ROW | {"id": "cxn_3", "destination_organization_id": "org_3"} | change
        with engine.connect() as connection, pytest.raises(IntegrityError) as caught:
            connection.execute(insert(connections), row)
        assert_names(engine, caught.value, constraint)

    @pytest.mark.parametrize(
        ("change", "constraint"),
        [
            ({"connection_id": "cxn_9"}, "fk_connection_events_connection"),
            ({}, "pk_connection_events"),
            (LATER | {"previous_status": "inactive"}, "ck_connection_events_step"),
            (
                LATER | {"previous_status": "active", "terms": TERMS},
                "ck_connection_events_creation",
            ),
            ({"version": 0}, "ck_connection_events_"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_of_events(self, engine: Engine, change: dict[str, object], constraint: str) -> None:
        command.upgrade(environment(engine), "head")
        with engine.begin() as connection:
            connection.execute(insert(connections), ROW)
            connection.execute(insert(connection_events), EVENT)
        with engine.connect() as connection, pytest.raises(IntegrityError) as caught:
            connection.execute(insert(connection_events), EVENT | change)
        assert_names(engine, caught.value, constraint)

    def test_of_idempotency_keys(self, engine: Engine) -> None:
        command.upgrade(environment(engine), "head")
        with engine.connect() as connection, pytest.raises(IntegrityError) as caught:
            connection.execute(insert(idempotency_keys), [KEY, KEY])
        assert_names(engine, caught.value, "pk_connection_idempotency_keys")


def assert_names(engine: Engine, error: IntegrityError, constraint: str) -> None:
    """The database names the constraint; SQLite does so for its checks only."""
    if engine.dialect.name == "postgresql" or constraint.startswith("ck_"):
        assert constraint in str(error.orig)


class TestOnPostgresql:
    """The types that only PostgreSQL has."""

    @pytest.mark.parametrize("url", ["postgresql"], indirect=True)
    def test_the_types_of_the_columns(self, engine: Engine) -> None:
        command.upgrade(environment(engine), "head")
        types = text(
            "SELECT attname, format_type(atttypid, atttypmod), collname FROM pg_attribute "
            "LEFT JOIN pg_collation ON pg_collation.oid = attcollation "
            "WHERE attrelid = to_regclass('connections') AND attnum > 0"
        )
        with engine.connect() as connection:
            found = {name: (kind, collation) for name, kind, collation in connection.execute(types)}
        assert found == {
            "id": ("character varying", "C"),
            "source_organization_id": ("character varying", "C"),
            "destination_organization_id": ("character varying", "C"),
            "name": ("character varying(255)", "default"),
            "status": ("character varying(16)", "default"),
            "scopes": ("jsonb", None),
            "creator_id": ("character varying", "C"),
            "created_at": ("timestamp(3) with time zone", None),
            "updated_at": ("timestamp(3) with time zone", None),
            "version": ("integer", None),
        }


class TestDown:
    """What ``alembic downgrade base`` leaves: nothing."""

    def test_down_and_up_again(self, engine: Engine) -> None:
        command.upgrade(environment(engine), "head")
        before = catalogue(engine)
        live_through_it(engine)
        command.downgrade(environment(engine), "base")
        assert catalogue(engine) == []
        command.upgrade(environment(engine), "head")
        assert catalogue(engine) == before
        live_through_it(engine)


class TestWrittenAnew:
    """``alembic revision --autogenerate`` on an empty database."""

    def test_up_and_down(self, engine: Engine, tmp_path: Path) -> None:
        told = environment(engine, copied(tmp_path, with_versions=False))
        command.revision(told, "the first", autogenerate=True, rev_id="first")
        (path,) = (tmp_path / "environment/versions").glob("*.py")
        written = path.read_text(encoding="utf-8")
        assert re.search(r"^import connect_core\.adapters\.sql$", written, re.MULTILINE)
        command.upgrade(told, "head")
        command.check(told)
        assert of_the_library(catalogue(engine)) == expected(engine, tmp_path / "other")
        live_through_it(engine)
        command.downgrade(told, "base")
        assert catalogue(engine) == []

    def test_nothing_follows(self, engine: Engine, tmp_path: Path) -> None:
        told = environment(engine, copied(tmp_path, with_versions=True))
        command.upgrade(told, "head")
        command.revision(told, "nothing", autogenerate=True, rev_id="second")
        (path,) = (tmp_path / "environment/versions").glob("second_*.py")
        assert path.read_text(encoding="utf-8").count("    pass\n") == 2
        command.upgrade(told, "head")
        command.downgrade(told, "base")


SECOND = '''"""A second migration."""

import sqlalchemy as sa
from alembic import op

revision = "second"
down_revision = "{head}"


def upgrade() -> None:
    with op.batch_alter_table("connections", recreate="always") as table:
        table.add_column(sa.Column("remark", sa.String(), nullable=True))
    {then}


def downgrade() -> None:
    with op.batch_alter_table("connections") as table:
        table.drop_column("remark")
'''


class TestOnSqlite:
    """SQLite alters a table by making it anew."""

    def second(self, sqlite: Engine, directory: Path, then: str = "") -> Config:
        """The environment with a second migration, and a Connection made after the first."""
        copy = copied(directory, with_versions=True)
        (head,) = (path.name.partition("_")[0] for path in copy.glob("versions/*.py"))
        migration = SECOND.format(head=head, then=then)
        (copy / "versions/second_.py").write_text(migration, encoding="utf-8")
        told = environment(sqlite, copy)
        command.upgrade(told, head)
        live_through_it(sqlite)
        return told

    def test_nothing_is_lost(self, sqlite: Engine, tmp_path: Path) -> None:
        told = self.second(sqlite, tmp_path)
        before = catalogue(sqlite)
        command.upgrade(told, "head")
        with sqlite.connect() as connection:
            assert connection.execute(text("SELECT remark FROM connections")).all() == [(None,)]
            assert len(connection.execute(select(connection_events)).all()) == 2
            assert connection.execute(text("PRAGMA foreign_key_check")).all() == []
        command.downgrade(told, "-1")
        names = [row[:3] for row in catalogue(sqlite)]
        assert names == [row[:3] for row in before]
        with Session(sqlite) as session:
            service = ConnectionService(SqlConnectionStore(session))
            (kept,) = service.list(by=PARTNER).connections
            assert len(service.history(kept.id, by=PARTNER)) == 2
        with sqlite.connect() as connection, pytest.raises(IntegrityError) as caught:
            connection.execute(insert(connections), ROW | {"status": "archived"})
        assert_names(sqlite, caught.value, "ck_connections_status")

    def test_all_or_nothing(self, sqlite: Engine, tmp_path: Path) -> None:
        told = self.second(sqlite, tmp_path, then="raise RuntimeError('half way')")
        before = catalogue(sqlite)
        with pytest.raises(RuntimeError, match="half way"):
            command.upgrade(told, "head")
        assert catalogue(sqlite) == before
        with sqlite.connect() as connection:
            assert len(connection.execute(select(connection_events)).all()) == 2
