"""The rules on the command line: `decide`, `table` and `diagram`."""

import re

import pytest
from invocations import DECIDE
from oracle import VERDICTS, Verdict
from terminal import complaint, run, run_json, squeezed

from connect_core import Action, Cell, ConnectionLifecycle, Status, decision_table

every_verdict = pytest.mark.parametrize("verdict", VERDICTS, ids=str)


def question(verdict: Verdict) -> list[str]:
    """The arguments of `decide` that ask for this cell."""
    role = "both" if len(verdict.roles) == 2 else next(iter(verdict.roles), "outsider")
    status = "none" if verdict.status is None else verdict.status.value
    return ["decide", "--status", status, "--action", verdict.action.value, "--role", role]


def cell_of(verdict: Verdict) -> Cell:
    return Cell(verdict.status, verdict.action, verdict.roles)


class TestDecide:
    """The exit code is 0 if it is allowed, 1 if it is denied, 2 if the question makes no sense."""

    @every_verdict
    def test_says_what_the_matrix_says(self, verdict: Verdict) -> None:
        decision = decision_table()[cell_of(verdict)]
        if verdict.target is not None:
            written = run(*question(verdict), code=0)
            assert squeezed(written) == f"allowed {decision.explanation}"
            assert decision.explanation.endswith(f"then {verdict.target}.")
            return
        written = run(*question(verdict), code=1)
        reasons = ", ".join(denial.value.replace("_", " ") for denial in verdict.denials)
        assert written.splitlines()[0] == f"denied     {reasons}"
        assert squeezed(written).startswith(
            f"denied {reasons} why {decision.explanation} advice {decision.advice} remedy "
        )

    @every_verdict
    def test_says_the_same_in_json(self, verdict: Verdict) -> None:
        output = run_json(*question(verdict), code=0 if verdict.target else 1)
        assert output == decision_table()[cell_of(verdict)].as_dict()
        assert output["allowed"] is (verdict.target is not None)
        assert output["target"] == verdict.target
        assert tuple(output["denials"]) == verdict.denials

    def test_a_remedy_of_two_steps(self) -> None:
        active = "--status active --action activate --role destination"
        assert run("decide", *active.split(), code=1).splitlines()[-2:] == [
            "remedy     the source or the destination must deactivate it: active -> inactive",
            "           the source must reactivate it: inactive -> pending",
        ]

    def test_no_remedy(self) -> None:
        pending = "--status pending --action activate --role source"
        written = run("decide", *pending.split(), code=1)
        assert written.endswith("\nremedy     none: no step would let this actor do it\n")

    @pytest.mark.parametrize("action", [a for a in Action if a is not Action.CREATE])
    def test_without_a_connection_there_is_only_creation(self, action: Action) -> None:
        for extra in ([], ["--json"]):
            output = complaint(
                *("decide", "--status", "none", "--action", action, "--role", "source"), *extra
            )
            assert output.endswith("'--action': with --status none it can only be create.\n")

    @pytest.mark.parametrize(
        ("option", "value", "choices"),
        [
            ("--status", "[bold]archived[/]", "none, pending, active, inactive"),
            ("--status", "Pending", "none, pending, active, inactive"),
            ("--action", "delete", "create, activate, deactivate, reactivate"),
            ("--role", "", "source, destination, both, outsider"),
        ],
    )
    def test_what_there_is_not(self, option: str, value: str, choices: str) -> None:
        arguments = {"--status": "pending", "--action": "activate", "--role": "source"}
        arguments[option] = value
        output = complaint("decide", *(part for pair in arguments.items() for part in pair))
        assert output.endswith(
            f"Invalid value for '{option}': '{value}' is not one of {choices}.\n"
        )

    @pytest.mark.parametrize("missing", ["--status", "--action", "--role"])
    def test_what_is_missing(self, missing: str) -> None:
        at = DECIDE.index(missing)
        output = complaint(*DECIDE[:at], *DECIDE[at + 2 :])
        assert f"Missing option '{missing}'" in output


class TestTable:
    """The derived decision matrix: rows are status and action, columns are roles."""

    def test_is_the_matrix(self) -> None:
        head, rule, *rows = run("table").splitlines()
        assert head.split() == ["status", "action", "source", "destination", "both", "outsider"]
        assert set(rule) == {"─"}
        found = [re.split(r" {2,}", row) for row in rows if row]
        due: dict[tuple[str, str], dict[str, str]] = {}
        for verdict in VERDICTS:
            answer = verdict.denials[0].replace("_", " ") if verdict.denials else None
            row = due.setdefault((verdict.status or "(none)", verdict.action), {})
            row["+".join(sorted(verdict.roles))] = answer or f"✓ {verdict.target}"
        order = ("source", "destination", "destination+source", "")
        assert sorted(found) == sorted([*key, *map(row.get, order)] for key, row in due.items())

    def test_is_in_the_order_of_the_lifecycle(self) -> None:
        rows = [row.split()[:2] for row in run("table").splitlines()[2:] if row]
        assert rows == [
            ["(none)", "create"],
            *([status, action] for status in Status for action in Action),
        ]

    def test_separates_the_statuses(self) -> None:
        assert len(run("table").split("\n\n")) == 1 + len(Status)

    def test_json(self) -> None:
        rows = run_json("table")
        assert len(rows) == len(decision_table()) == 52
        for row, (cell, decision) in zip(rows, decision_table().items(), strict=True):
            assert row == decision.as_dict() | {"status": cell.status}
            assert list(row)[:3] == ["status", "action", "roles"]
            assert (row["action"], row["roles"]) == (cell.action, sorted(cell.roles))

    def test_an_outsiders_row_has_its_status(self) -> None:
        outsiders = [row for row in run_json("table") if not row["roles"]]
        assert {row["status"] for row in outsiders} == {None, *Status}
        assert {row["explanation"] for row in outsiders} == {
            "The actor's organization is neither the source nor the destination."
        }

    def test_text_is_the_default(self) -> None:
        assert run("table", "--format", "text") == run("table")
        assert run_json("table", "--format", "text") == run_json("table")

    def test_another_format(self) -> None:
        output = complaint("table", "--format", "csv")
        assert "Invalid value for '--format': 'csv' is not one of text, typescript.\n" in output

    def test_a_module_is_not_json(self) -> None:
        output = complaint("table", "--format", "typescript", "--json")
        assert output.endswith(
            "Invalid value for '--json': give --format typescript or --json, not both.\n"
        )


class TestDiagram:
    """Every diagram is derived from the declared machine."""

    TEXT = """\
absent    --create [by source]--------------------->  pending

pending   --activate [by destination]-------------->  active
          --deactivate [by source or destination]-->  inactive

active    --deactivate [by source or destination]-->  inactive

inactive  --reactivate [by source]----------------->  pending
"""
    DOT = """\
digraph ConnectionLifecycle {
  rankdir=LR;
  node [shape=box, style=rounded];
  "" [shape=point];
  "" -> absent;
  absent -> pending [label="create\\nby source"];
  pending -> active [label="activate\\nby destination"];
  pending -> inactive [label="deactivate\\nby source or destination"];
  active -> inactive [label="deactivate\\nby source or destination"];
  inactive -> pending [label="reactivate\\nby source"];
}
"""

    def test_text_is_the_default(self) -> None:
        assert run("diagram") == run("diagram", "--format", "text") == self.TEXT

    def test_dot(self) -> None:
        assert run("diagram", "--format", "dot") == self.DOT

    def test_mermaid_is_the_state_machines_own(self) -> None:
        written = run("diagram", "--format", "mermaid")
        assert written == format(ConnectionLifecycle, "mermaid").rstrip() + "\n"
        assert written.startswith("stateDiagram-v2\n")
        assert "pending --> active : Activate [by destination]\n" in written

    @pytest.mark.parametrize("name", ["text", "mermaid", "dot"])
    def test_json(self, name: str) -> None:
        output = run_json("diagram", "--format", name)
        assert (output["format"], output["diagram"] + "\n") == (
            name,
            run("diagram", "--format", name),
        )
        transitions = {
            (arrow["source"], arrow["event"], tuple(arrow["guards"]), arrow["target"])
            for arrow in output["transitions"]
        }
        assert len(output["transitions"]) == 5
        assert transitions == {
            ("absent", "create", ("by source",), "pending"),
            ("pending", "activate", ("by destination",), "active"),
            ("pending", "deactivate", ("by source or destination",), "inactive"),
            ("active", "deactivate", ("by source or destination",), "inactive"),
            ("inactive", "reactivate", ("by source",), "pending"),
        }

    def test_another_format(self) -> None:
        output = complaint("diagram", "--format", "png")
        assert "Invalid value for '--format': 'png' is not one of text, mermaid, dot.\n" in output
