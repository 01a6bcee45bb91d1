"""What is written for readers is true: its Python runs, and what is derived has not drifted."""

import re
import runpy
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import alembic.config
import pytest
from databases import postgresql
from oracle import BOTH, DESTINATION, OUTSIDER, SOURCE
from sqlalchemy.orm import Session
from support import OUR_KEY, PARTNER
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

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
)
from connect_core.adapters import cli
from connect_core.adapters.sql import SqlConnectionStore, open_engine

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
EMBEDDING = (ROOT / "docs/embedding.md").read_text(encoding="utf-8")
CONFORMANCE = (ROOT / "docs/conformance.md").read_text(encoding="utf-8")


def test_its_python_runs(capsys: pytest.CaptureFixture[str]) -> None:
    document = Sybil(parsers=[PythonCodeBlockParser()]).parse(ROOT / "README.md")
    examples = list(document.examples())
    for example in examples:
        example.evaluate()
    document.namespace["engine"].dispose()
    assert len(examples) == README.count("```python") == 3
    assert "Only the destination may activate" in capsys.readouterr().out


def test_the_python_of_the_conformance_page_runs(capsys: pytest.CaptureFixture[str]) -> None:
    document = Sybil(parsers=[PythonCodeBlockParser()]).parse(ROOT / "docs/conformance.md")
    examples = list(document.examples())
    for example in examples:
        example.evaluate()
    assert len(examples) == CONFORMANCE.count("```python") == 3
    assert "our store conforms to the Connection specification" in capsys.readouterr().out


def test_the_pages_link_to_what_there_is() -> None:
    """Every relative link of the pages leads to a file, and to a heading in it."""
    for page in (
        ROOT / "README.md",
        *(ROOT / "docs").glob("*.md"),
        *(ROOT / "docs").glob("*/*.md"),
    ):
        for target in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
            if target.startswith("http"):
                continue
            path, _, heading = target.partition("#")
            file = (page.parent / path) if path else page
            assert file.exists(), (page.name, target)
            if heading:
                titles = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
                slugs = [re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in titles]
                assert heading in slugs, (page.name, target)


@pytest.mark.parametrize(
    "path", sorted((ROOT / "docs/examples").glob("*.py")), ids=lambda p: p.stem
)
def test_the_examples_run(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They assert what they show."""
    runpy.run_path(str(path), run_name="__main__")
    assert capsys.readouterr().out


def test_its_diagram_is_the_lifecycle() -> None:
    drawn = re.search(r"```mermaid\n(.*?)```", README, re.DOTALL)
    assert drawn is not None
    assert drawn.group(1).strip() == format(ConnectionLifecycle, "mermaid").strip()


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
    assert "pip install uv && uv run pytest\n" in README


# --- docs/embedding.md ---------------------------------------------------------------------------


def console_lines() -> list[list[str]]:
    """What the guide to embedding has the reader type, split as a shell splits it."""
    blocks = re.findall(r"```console\n(.*?)```", EMBEDDING, re.DOTALL)
    return [shlex.split(line) for block in blocks for line in block.splitlines()]


class TestEmbedding:
    """Its Python runs from top to bottom, and so do its commands, in a directory of their own."""

    @pytest.fixture
    def namespace(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> Iterator[dict[str, Any]]:
        """What the Python has made in the end."""
        monkeypatch.chdir(tmp_path)
        document = Sybil(parsers=[PythonCodeBlockParser()]).parse(ROOT / "docs/embedding.md")
        examples = list(document.examples())
        try:
            for example in examples:
                example.evaluate()
            assert len(examples) == EMBEDDING.count("```python") > 10
            yield document.namespace
        finally:
            document.namespace["engine"].dispose()

    def test_it_runs(
        self,
        namespace: dict[str, Any],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        shutil.copytree(ROOT / "docs/examples/alembic", tmp_path / "docs/examples/alembic")
        for name, *arguments in console_lines():
            if name == "export":
                variable, _, value = arguments[0].partition("=")
                monkeypatch.setenv(variable, value)
            elif name == "connect-core":
                with pytest.raises(SystemExit) as left:
                    cli.app(arguments, prog_name=name)
                assert left.value.code == 0, arguments
            elif name == "alembic":
                alembic.config.main(argv=arguments)  # which exits if it fails
            else:
                assert name in ("pip", "uv")
        written = capsys.readouterr().out
        assert namespace["connection"].id in written
        assert "3 Connections imported." in written

    def test_its_loop_runs_a_transaction_again(self, namespace: dict[str, Any]) -> None:
        attempts: list[int] = []

        def work(session: Session) -> None:
            service = ConnectionService(SqlConnectionStore(session))
            seen = service.get(created.id, by=OUR_KEY)
            attempts.append(seen.version)
            if len(attempts) == 1:
                with Session(engine) as other, other.begin():
                    service_of(other).deactivate(created.id, by=PARTNER)
            service.deactivate(created.id, by=OUR_KEY, expected_version=seen.version)

        def service_of(session: Session) -> ConnectionService:
            return ConnectionService(SqlConnectionStore(session))

        with postgresql() as url:
            engine = open_engine(url)
            with Session(engine) as session, session.begin():
                created, _ = service_of(session).create(by=OUR_KEY, destination="org_DEF456")
            strict = engine.execution_options(isolation_level="REPEATABLE READ")
            with pytest.raises(InvalidTransitionError):
                namespace["in_transaction"](strict, work)
            engine.dispose()
        assert attempts == [1, 2]


def test_what_it_names_is_there() -> None:
    """The commands of the command line, the tests, and the methods of a store."""
    named = re.search(r"```\n\n(`create`.*?) are the others;", EMBEDDING, re.DOTALL)
    assert named is not None
    commands = {command.name for command in cli.app.registered_commands}
    assert set(re.findall(r"`(\w+)`", named.group(1))) < commands
    tests = [word for line in console_lines() for word in line if word.startswith("tests/")]
    assert len(tests) == 3
    assert all((ROOT / test).is_file() for test in tests)
    methods = [name for name in vars(ConnectionStore) if not name.startswith("_")]
    listed = re.search(r"the eight methods of\s`ConnectionStore`: (.*?)\.", EMBEDDING, re.DOTALL)
    assert listed is not None
    assert re.findall(r"`(\w+)`", listed.group(1)) == methods
    assert len(methods) == 8
    assert "eight methods long" in README


def test_the_links_are_to_files() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)
    assert "docs/embedding.md" in links
    assert all((ROOT / link).is_file() for link in links)
