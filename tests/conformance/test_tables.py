"""The decision table as Markdown, against the matrix typed by hand."""

import re

from oracle import BOTH, DESTINATION, OUTSIDER, SOURCE, VERDICTS

from connect_core import Action, Role, Status, decision_table
from connect_core.conformance.tables import decision_matrix, role_tables, tables

COLUMNS = (SOURCE, DESTINATION, BOTH, OUTSIDER)


def rows_of(text: str) -> list[list[str]]:
    """The rows of the Markdown table in `text`."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_files() -> None:
    assert tables() == {"matrix.md": decision_matrix() + "\n", "roles.md": role_tables() + "\n"}
    for text in tables().values():
        assert not re.search(r"[ \t]$|\n\n\Z", text, re.MULTILINE)


def test_every_cell_of_the_matrix() -> None:
    head, rule, *rows = rows_of(decision_matrix())
    assert head == ["status", "action", "source", "destination", "both", "outsider"]
    assert set(rule) == {"---"}
    found = {
        (row[0], row[1], roles): answer
        for row in rows
        for roles, answer in zip(COLUMNS, row[2:], strict=True)
    }
    assert len(rows) * len(COLUMNS) == len(found) == len(VERDICTS)
    for status, action, roles, target, denials in VERDICTS:
        answer = f"→ {target}" if target else ", ".join(denials).replace("_", " ")
        assert found[status or "none", action, roles] == answer


class TestRoles:
    """What each role can do: each answer is that of the policy."""

    INTRODUCTION, *SECTIONS = role_tables().split("\n## ")[1:]

    def sections(self) -> dict[frozenset[Role], tuple[list[list[str]], list[list[str]]]]:
        """For each role what it can do, and what it is refused."""
        split = [section.split("\n\n")[1:3] for section in self.SECTIONS]
        return {
            roles: (rows_of(can)[2:], rows_of(refused)[2:])
            for roles, (can, refused) in zip(COLUMNS, split, strict=True)
        }

    def test_headings(self) -> None:
        assert re.findall("^#+ .*", role_tables(), re.MULTILINE) == [
            "# What each role can do",
            "## Until data may pass",
            "## The source",
            "## The destination",
            "## Both at once",
            "## The outsider",
        ]

    def test_the_steps_that_are_left(self) -> None:
        accept = "the destination must activate it"
        assert rows_of(self.INTRODUCTION)[2:] == [
            ["none", f"the source must create it, then {accept}"],
            ["pending", accept],
            ["active", "none"],
            ["inactive", f"the source must reactivate it, then {accept}"],
        ]

    def test_what_each_can_do_and_where_it_leads(self) -> None:
        for roles, (rows, _) in self.sections().items():
            assert [row[0] for row in rows] == ["none", *Status]
            for status, able, _reading in rows:
                permitted = [
                    f"{verdict.action} → {verdict.target}"
                    for verdict in sorted(VERDICTS, key=lambda each: list(Action).index(each[1]))
                    if (verdict.status or "none", verdict.roles) == (status, roles)
                    and verdict.target
                ]
                assert able == (", ".join(permitted) or "nothing")

    def test_who_may_read(self) -> None:
        none, direction = "no: there is no Connection", "no: not active, wrong direction"
        reading = {roles: [row[2] for row in rows] for roles, (rows, _) in self.sections().items()}
        assert reading == {
            SOURCE: [none, direction, "no: wrong direction", direction],
            DESTINATION: [none, "no: not active", "yes", "no: not active"],
            BOTH: [none, "no: not active", "yes", "no: not active"],
            OUTSIDER: [none, "no: not a party", "no: not a party", "no: not a party"],
        }

    def test_every_refusal_with_what_would_help(self) -> None:
        shown = [
            (row[0], action, roles, row[2], row[3])
            for roles, (_, refused) in self.sections().items()
            for row in refused
            for action in row[1].split(", ")
        ]
        refused = {
            (cell.status or "none", cell.action, cell.roles, each.explanation, each.advice)
            for cell, each in decision_table().items()
            if not each
        }
        assert set(shown) == refused
        assert len(shown) == len(refused)
