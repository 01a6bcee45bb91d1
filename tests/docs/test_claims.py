"""Sentences of the pages that no code block shows."""

import re
from datetime import UTC, datetime
from inspect import get_annotations
from pathlib import Path

import pytest
from pages import PAGES
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable
from support import OUR_KEY, ROOT

from connect_core import Connection
from connect_core.adapters.sql import configure_engine, metadata

POSTGRESQL = PAGES["docs/how-to/postgresql.md"].read_text(encoding="utf-8")
TABLES = "\n".join(
    str(CreateTable(table).compile(dialect=postgresql.dialect()))  # type: ignore[no-untyped-call]  # SQLAlchemy's
    for table in metadata.tables.values()
)
SOURCE = "\n".join(
    path.read_text(encoding="utf-8")
    for path in (ROOT / "src/connect_core/adapters/sql").glob("*.py")
)


def foreign_keys(engine: Engine) -> bool:
    """Whether SQLite checks foreign keys on a connection of this pool."""
    with engine.connect() as connection:
        return bool(connection.scalar(text("PRAGMA foreign_keys")))


class TestAnEngineThatWasUsed:
    """``configure_engine`` sets up new connections; dispose of the old ones first."""

    @pytest.mark.parametrize("disposed", [False, True])
    def test_old_connections_keep_their_settings(self, tmp_path: Path, disposed: bool) -> None:
        engine = create_engine(f"sqlite:///{tmp_path}/used.db")
        assert not foreign_keys(engine)
        if disposed:
            engine.dispose()
        configure_engine(engine)
        assert foreign_keys(engine) is disposed
        engine.dispose()

    @pytest.mark.parametrize("name", ["how-to/service.md", "reference/sql.md"])
    def test_the_pages_say_so(self, name: str) -> None:
        said = re.sub(r"\s+", " ", PAGES[f"docs/{name}"].read_text(encoding="utf-8"))
        assert "already keep their old settings" in said
        assert "engine.dispose()" in said


class TestTimesAsText:
    """RFC 3339 text is taken wherever a time is given."""

    @pytest.mark.parametrize("at", ["2018-06-01T00:00:00.000Z", "2018-06-01T02:00:00+02:00"])
    def test_it_is_taken(self, at: str) -> None:
        _, event = Connection.create(by=OUR_KEY, destination="org_DEF456", at=at)
        assert event.occurred_at == datetime(2018, 6, 1, tzinfo=UTC)

    def test_the_hint(self) -> None:
        assert get_annotations(Connection.activate)["at"] == datetime | str | None

    @pytest.mark.parametrize(
        "at", [datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)]
    )
    def test_the_first_and_the_last_day(self, at: datetime) -> None:
        _, event = Connection.create(by=OUR_KEY, destination="org_DEF456", at=at)
        assert event.occurred_at == at


class TestWhatElseSpeaksPostgresqlsProtocol:
    """The page promises nothing for other databases, and says what the store relies on."""

    def test_none_is_promised(self) -> None:
        rows = re.findall(r"^\| (.*?) \| .* \| (.*) \|$", POSTGRESQL, re.MULTILINE)
        names = [name for name, _ in rows[2:]]
        assert {tested for _, tested in rows[2:]} == {"not tested"}
        for name in ("Aurora", "RDS", "Citus", "PgBouncer"):
            assert any(name in each for each in names), name
        assert "should work" not in POSTGRESQL

    @pytest.mark.parametrize(
        ("named", "there"),
        [
            ("no savepoint", "begin_nested" not in SOURCE),
            ("`INSERT ... ON CONFLICT DO NOTHING`", "on_conflict_do_nothing" in SOURCE),
            ("unique constraints", "UNIQUE (" in TABLES),
            ("a foreign key", "FOREIGN KEY" in TABLES),
            ("check constraints", "CHECK (" in TABLES),
            ('`COLLATE "C"`', 'COLLATE "C"' in TABLES),
            ("`jsonb`", "JSONB" in TABLES),
            ("`timestamptz(3)`", "TIMESTAMP(3) WITH TIME ZONE" in TABLES),
            ("comparisons of rows", "tuple_(" in SOURCE),
            ("`pg_advisory_xact_lock`", "pg_advisory_xact_lock" in SOURCE),
            ("no lock beyond the row", "with_for_update" not in SOURCE),
        ],
    )
    def test_what_the_store_relies_on(self, named: str, there: bool) -> None:
        assert (named in POSTGRESQL) is there
