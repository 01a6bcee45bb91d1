"""What is written for readers is true: its Python runs, and what is derived has not drifted."""

import re
import runpy
from pathlib import Path

import pytest
from oracle import BOTH, DESTINATION, OUTSIDER, SOURCE
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

from connect_core import Action, Cell, ConnectionLifecycle, Role, Status, decision_table

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_its_python_runs(capsys: pytest.CaptureFixture[str]) -> None:
    document = Sybil(parsers=[PythonCodeBlockParser()]).parse(ROOT / "README.md")
    examples = list(document.examples())
    for example in examples:
        example.evaluate()
    document.namespace["engine"].dispose()
    assert len(examples) == README.count("```python") == 3
    assert "Only the destination may activate" in capsys.readouterr().out


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
