"""The tables as each dialect of SQLAlchemy writes them, and the page on engines.

The files show how a dialect spells the tables. Whether a database accepts them is for other tests,
on the engines that we run.
"""

import re
import sqlite3
from contextlib import closing

import pytest
from conftest import missing
from ddl import DIALECTS, DIRECTORY, SUMMARY, dialect_of, statements, summary
from sqlalchemy import Dialect
from support import ROOT

from connect_core import OrganizationId, Role
from connect_core.adapters.sql import connections
from connect_core.adapters.sql.pages import Pages
from connect_core.store import Selection, Standing

PAGE = (ROOT / "docs" / "reference" / "engines.md").read_text(encoding="utf-8")
#: What to do if a file is out of date.
ADVICE = "uv run --group engines python -m tests.ddl"


def installed(name: str) -> Dialect:
    """The dialect. If it is not installed, the test is skipped, or fails if it is required."""
    try:
        return dialect_of(name)
    except LookupError as error:
        missing(f"{error} (`uv run --group engines`)", "CONNECT_CORE_REQUIRE_ENGINES")


@pytest.mark.parametrize("name", DIALECTS)
def test_the_statements_are_those_in_the_file(name: str) -> None:
    stored = (DIRECTORY / f"{name}.sql").read_bytes()
    assert statements(installed(name)).encode() == stored, ADVICE


def test_the_summary_is_that_in_the_file() -> None:
    dialects = {name: installed(name) for name in DIALECTS}
    assert summary(dialects).encode() == SUMMARY.read_bytes(), ADVICE


def test_there_is_a_file_for_each_dialect_and_no_other() -> None:
    found = {path.name for path in DIRECTORY.iterdir()}
    assert found == {f"{name}.sql" for name in DIALECTS} | {SUMMARY.name}


def test_sqlite_accepts_its_file() -> None:
    with closing(sqlite3.connect(":memory:")) as database:
        database.executescript((DIRECTORY / "sqlite.sql").read_text(encoding="utf-8"))
        (tables,) = database.execute("SELECT count(*) FROM sqlite_schema WHERE type = 'table'")
    assert tables == (5,)


def test_what_a_dialect_refuses_is_a_comment() -> None:
    """Spanner has no UNIQUE constraint, and its dialect says so; no other refuses anything."""
    refused = {
        name: re.findall(r"^-- (\S+): ", (DIRECTORY / f"{name}.sql").read_text(), re.MULTILINE)
        for name in DIALECTS
    }
    assert refused.pop("spanner") == ["connections"]
    assert set(map(tuple, refused.values())) == {()}


def test_an_unknown_dialect_is_not_installed() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(DIALECTS, "unknown", "unknown://")
        with pytest.raises(LookupError, match="the dialect unknown is not installed"):
            dialect_of("unknown")


class TestPage:
    """The page names a file for each engine, and says of each whether our tests run on it."""

    ROWS = re.findall(
        r"^\| (.+?) \| (run on it|not run by us) \| .+ \| `(.+)\.sql` \|$", PAGE, re.M
    )

    def test_it_names_every_file(self) -> None:
        assert {file for _, _, file in self.ROWS} == set(DIALECTS)

    def test_no_other_engine_is_run(self) -> None:
        run = [engine for engine, state, _ in self.ROWS if state == "run on it"]
        assert run == ["SQLite", "PostgreSQL", "MariaDB 10.11"]

    @pytest.mark.parametrize("engine", [row[0] for row in ROWS if row[1] == "not run by us"])
    def test_an_engine_that_is_not_run_has_a_section_that_says_so(self, engine: str) -> None:
        assert re.search(rf"^## {re.escape(engine)}\n\nNot run by us\.", PAGE, re.MULTILINE)

    def test_each_known_statement_has_its_source(self) -> None:
        """What it says an engine has, lacks or does differently is linked, or is our dialect's."""
        _, _, sections = PAGE.partition("## Sources")
        statements = re.findall(r"^\| .+? \| ((?:Has|Lacks|Differs).*) \|$", sections, re.MULTILINE)
        assert len(statements) > 30
        assert [each for each in statements if "](http" not in each] == []

    def test_a_search_is_written_for_sqlite_if_the_name_is_not_known(self) -> None:
        """The page says so as long as it is true."""
        other = dialect_of("postgresql")
        other.name = "cockroachdb"
        named = Selection(OrganizationId("org_1"), (Standing(Role.SOURCE, None),), name="partner")
        asked = Pages(connections).count_query(named, 1)
        assert asked is not None
        is_sqlites = "instr(" in str(asked[0].compile(dialect=other))
        assert is_sqlites is ("the store writes `instr`" in PAGE) is ("`instr` in a search" in PAGE)
