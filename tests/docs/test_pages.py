"""The documentation is true: every code block runs, and derived parts match their source."""

import inspect
import os
import re
import runpy
import shutil
import textwrap
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from databases import postgresql
from oracle import BOTH, DESTINATION, OUTSIDER, SOURCE
from pages import PAGES, Runner, count_blocks, count_excused
from sqlalchemy.orm import Session
from support import OUR_KEY, PARTNER, ROOT, Row

from connect_core import (
    Action,
    Cell,
    ConnectionLifecycle,
    ConnectionService,
    ConnectionStore,
    InvalidTransitionError,
    Role,
    Status,
    decision_table,
    lifecycle,
    strategies,
)
from connect_core.adapters import cli
from connect_core.adapters.sql import SqlConnectionStore, open_engine
from connect_core.conformance import ConnectionConformance, ReferenceSystem

README = (ROOT / "README.md").read_text(encoding="utf-8")
SERVICE = (ROOT / "docs/how-to/service.md").read_text(encoding="utf-8")


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A scratch folder for a page to run in, with the parts of a clone that the pages use."""
    shutil.copytree(ROOT / "docs/examples/alembic", tmp_path / "docs/examples/alembic")
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    monkeypatch.chdir(tmp_path)
    with patch.dict(os.environ):
        os.environ.pop("CONNECT_CORE_ACTOR", None)
        os.environ.pop("CONNECT_CORE_DATABASE", None)
        yield


@pytest.mark.usefixtures("clone")
@pytest.mark.parametrize("name", PAGES)
def test_its_blocks_run(name: str, request: pytest.FixtureRequest) -> None:
    """Every block runs or says why it does not, and prints what the page says."""
    text = PAGES[name].read_text(encoding="utf-8")
    if "tests/node/peer.mjs" in text:
        request.getfixturevalue("node")
    runner = Runner()
    with ExitStack() as stack:
        if "DATABASE_URL" in text:
            url = stack.enter_context(postgresql())
            os.environ["DATABASE_URL"] = url.render_as_string(hide_password=False)
        runner.run(PAGES[name])
    assert runner.ran + count_excused(text) == count_blocks(text)


def test_no_block_hides_in_a_directive() -> None:
    """Code stands in fenced blocks, which are run; directives show only files."""
    for name, path in PAGES.items():
        assert "{code-block}" not in path.read_text(encoding="utf-8"), name


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_it_links_to_what_there_is(name: str) -> None:
    """Links lead to existing files and headings. The site's build checks those of its pages."""
    for target in re.findall(r"\]\(([^)]+)\)", PAGES[name].read_text(encoding="utf-8")):
        if target.startswith("http"):
            continue
        path, _, heading = target.partition("#")
        assert (ROOT / path).is_file(), target
        if heading:
            titles = re.findall(r"^#+ (.+)$", (ROOT / path).read_text("utf-8"), re.MULTILINE)
            slugs = [re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in titles]
            assert heading in slugs, target


@pytest.mark.parametrize(
    "path", sorted((ROOT / "docs/examples").glob("*.py")), ids=lambda p: p.stem
)
def test_the_examples_run(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The examples check themselves with assertions."""
    runpy.run_path(str(path), run_name="__main__")
    assert capsys.readouterr().out


class TestDocstrings:
    """The reference shows docstrings; three of them have a code block, which runs."""

    def run(self, documented: object, **names: object) -> dict[str, Any]:
        """Run the one code block in a docstring; return its namespace."""
        (block,) = re.findall(r"::\n\n((?: {4}.*\n|\n)+)", f"{inspect.getdoc(documented)}\n")
        exec(textwrap.dedent(block), names)  # noqa: S102  # it is our own
        return names

    def test_there_are_no_others(self) -> None:
        sources = [path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py")]
        assert sum(len(re.findall(r"::\n\n {4}", source)) for source in sources) == 3
        assert not any(">>>" in source for source in sources)

    def test_of_the_lifecycle(self) -> None:
        row = Row("org_ABC123", "org_DEF456", "pending")
        self.run(lifecycle, row=row, ConnectionLifecycle=ConnectionLifecycle, Role=Role)
        assert row.status == "active"

    def test_of_the_strategies(self) -> None:
        self.run(strategies)["test_our_report_lists_it"]()

    def test_of_the_kit(self) -> None:
        tests = self.run(ConnectionConformance, OurSystem=ReferenceSystem)["TestOurs"]()
        assert isinstance(tests.make_system(), ReferenceSystem)
        assert tests.profile.claims == ("versions",)


# --- README.md -----------------------------------------------------------------------------------


def matrix() -> str:
    """The decision table as the README shows it."""

    def cell(status: Status | None, action: Action, roles: frozenset[Role]) -> str:
        decision = decision_table()[Cell(status, action, roles)]
        if decision.denial is None:
            return f"✓ {decision.target}"
        return decision.denial.replace("_", " ")

    rows: list[tuple[Status | None, Action]] = [(None, Action.CREATE)]
    rows += [(status, action) for status in Status for action in Action]
    lines = ["| status | action | source | destination | both | outsider |", "| --- " * 6 + "|"]
    for status, action in rows:
        cells = [cell(status, action, roles) for roles in (SOURCE, DESTINATION, BOTH, OUTSIDER)]
        lines.append(f"| {status or '(none)'} | {action} | {' | '.join(cells)} |")
    return "\n".join(lines)


def test_its_matrix_is_the_decision_table() -> None:
    assert matrix() in README, f"put this into the README:\n{matrix()}"


def test_its_commands_are_there() -> None:
    assert "pip install uv && uv run connect-core demo\n" in README
    assert "pip install uv && uv run --group test pytest\n" in README


# --- docs/how-to ---------------------------------------------------------------------------------


@pytest.mark.usefixtures("clone")
def test_a_transaction_runs_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The retry loop of the page on PostgreSQL, in a race that the first transaction loses."""
    attempts: list[int] = []

    def work(session: Session) -> None:
        service = service_of(session)
        seen = service.get(created.id, by=OUR_KEY)
        attempts.append(seen.version)
        if len(attempts) == 1:
            with Session(engine) as other, other.begin():
                service_of(other).deactivate(created.id, by=PARTNER)
        service.deactivate(created.id, by=OUR_KEY, expected_version=seen.version)

    def service_of(session: Session) -> ConnectionService:
        return ConnectionService(SqlConnectionStore(session))

    with postgresql() as url:
        monkeypatch.setenv("DATABASE_URL", url.render_as_string(hide_password=False))
        page: dict[str, Any] = Runner().run(PAGES["docs/how-to/postgresql.md"]).namespace
        engine = open_engine(url)
        with Session(engine) as session, session.begin():
            created, _ = service_of(session).create(by=PARTNER, destination=OUR_KEY.organization_id)
        strict = engine.execution_options(isolation_level="REPEATABLE READ")
        with pytest.raises(InvalidTransitionError):
            page["in_transaction"](strict, work)
        engine.dispose()
    assert attempts == [1, 2]


def test_what_it_names_is_there() -> None:
    """The page names existing commands, tests and store methods."""
    named = re.search(r"```\n\n(`create`.*?) are the others;", SERVICE, re.DOTALL)
    assert named is not None
    commands = {command.name for command in cli.app.registered_commands}
    assert set(re.findall(r"`(\w+)`", named.group(1))) < commands
    tests = re.findall(r"tests/\w+\.py", SERVICE)
    assert len(tests) == 7
    assert all((ROOT / test).is_file() for test in tests)
    methods = [name for name in vars(ConnectionStore) if not name.startswith("_")]
    listed = re.search(r"the nine methods of\s`ConnectionStore`: (.*?)\.", SERVICE, re.DOTALL)
    assert listed is not None
    assert re.findall(r"`(\w+)`", listed.group(1)) == methods
    assert len(methods) == 9
    assert "nine methods long" in README
