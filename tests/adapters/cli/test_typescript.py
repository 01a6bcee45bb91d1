"""`table --format typescript`: the module answers as the policy does, in every cell."""

import json
import re
import subprocess
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import pytest
from compiler import STRICT
from invocations import MODULE
from oracle import BOTH, DESTINATION, OUTSIDER, SOURCE
from servers import blocks
from support import ROOT, Row, actor_with
from terminal import run

from connect_core import (
    Action,
    Cell,
    Decision,
    Denial,
    Role,
    Status,
    __version__,
    decide,
    decide_access,
    decision_table,
    steps_to,
)

# --- The text ------------------------------------------------------------------------------------


class TestTheText:
    """Small, plain, and honest about where it comes from."""

    def test_is_small(self) -> None:
        assert len(run(*MODULE).encode()) <= 5_000

    def test_is_readable_everywhere(self) -> None:
        text = run(*MODULE)
        assert text.isascii()
        assert max(map(len, text.splitlines())) <= 100

    def test_says_where_it_comes_from_and_what_it_is_for(self) -> None:
        first, second, *_ = run(*MODULE).splitlines()
        assert f"`connect-core {' '.join(MODULE)}`, version {__version__}. " in first
        assert second.endswith("protects nothing: the server decides.")

    def test_needs_nothing(self) -> None:
        assert re.findall(r"\b(?:any|as (?!const)|enum|import|namespace|require)\b", code()) == []

    def test_exports_what_the_page_names(self) -> None:
        exported = re.findall(r"^export (?:function|interface|type) (\w+)", code(), re.MULTILINE)
        types = {"Action", "ConnectionLike", "Decision", "Denial", "Role", "Status", "Step"}
        functions = {"actions", "can", "decide", "decideAccess", "rolesOf", "stepsTo"}
        assert sorted(exported) == sorted(types | functions)
        page = (ROOT / "docs/how-to/front-ends.md").read_text(encoding="utf-8")
        assert [name for name in sorted(functions) if f"`{name}`" not in page] == []

    def test_says_no_rule_in_its_functions(self) -> None:
        """No status, no action and no reason is named outside the data."""
        _, functions = code().split("\nfunction ", 1)
        for word in (*Status, *Action, *Denial):
            assert f'"{word}"' not in functions


def code() -> str:
    """The module without its comments."""
    return re.sub(r"//.*|/\*\*.*\*/", "", run(*MODULE))


# --- The questions -------------------------------------------------------------------------------

Id: TypeAlias = int | str
Call: TypeAlias = tuple[object, ...]

UNKNOWN = (
    *("archived", "", "Active", "ACTIVE", " active", "unknown", "null", "0"),
    *("constructor", "__proto__", "toString", "valueOf", "hasOwnProperty", "length"),
)
STATUSES = (*Status, *UNKNOWN)
#: The scopes that a Connection has, and the one that is asked for.
SCOPES: tuple[tuple[list[str], str], ...] = (
    (["inquiry.read"], "inquiry.read"),
    (["account.read", "inquiry.read"], "inquiry.read"),
    (["account.read"], "inquiry.read"),
    (["inquiry.reads"], "inquiry.read"),
    (["Everything"], "Everything"),
    (["inquiry.read\n"], "inquiry.read\n"),
    (["a." + "b" * 253], "a." + "b" * 253),
    (["a." + "b" * 254], "a." + "b" * 254),
    ([], "constructor"),
    ([], ""),
)


class Parties(NamedTuple):
    """Who asks, about a Connection between whom, and which roles that gives."""

    ours: Id
    source: Id
    destination: Id
    roles: frozenset[Role]

    def connection(self, status: str) -> dict[str, object]:
        return {
            "sourceOrganizationId": self.source,
            "destinationOrganizationId": self.destination,
            "status": status,
        }


def parties_of(ours: Id, theirs: Id, third: Id) -> list[Parties]:
    """Every set of roles, by these ids."""
    return [
        Parties(ours, ours, theirs, SOURCE),
        Parties(ours, theirs, ours, DESTINATION),
        Parties(ours, ours, ours, BOTH),
        Parties(ours, theirs, third, OUTSIDER),
        Parties(ours, theirs, theirs, OUTSIDER),
    ]


PARTIES = [
    *parties_of("org_ABC123", "org_DEF456", "org_GHI789"),
    *parties_of("", "constructor", "__proto__"),
    *parties_of(7, 8, 9),
    *parties_of(0, -1, 1),
    *parties_of("org_a", "org_A", "org_a "),
    *parties_of(7, "7", "07"),
    *parties_of("0", 0, "00"),
]


def decision_of(parties: Parties, action: Action, status: str) -> dict[str, object]:
    """Python's decision: the cell of the table, or what the policy says of an unknown status."""
    if status in list(Status):
        return plain(decision_table()[Cell(Status(status), action, parties.roles)])
    return plain(decide(actor_with(parties.roles), action, row_for(parties.roles, status)))


def access_of(parties: Parties, scope: str, status: str, scopes: list[str]) -> dict[str, object]:
    row = row_for(parties.roles, status)
    row.scopes = scopes
    return plain(decide_access(actor_with(parties.roles), scope, row))


def row_for(roles: frozenset[Role], status: str) -> Row:
    """A row in which `actor_with` has these roles."""
    return Row("org_ABC123", "org_ABC123" if roles == BOTH else "org_DEF456", status)


def plain(decision: Decision) -> dict[str, object]:
    """What the module tells of a decision."""
    record = decision.as_dict()
    return {name: record[name] for name in ("allowed", "target", "denials")}


def way_of(status: str, goal: str) -> list[dict[str, object]] | None:
    """Python's way; None instead of an error."""
    try:
        steps = steps_to(row_for(OUTSIDER, status), goal)
    except ValueError:
        return None
    return [
        {**step.as_dict(), "roles": [role for role in Role if role in step.roles]} for step in steps
    ]


def questions() -> Iterator[tuple[Call, Any]]:
    """Every question that can be asked in TypeScript, with Python's answer."""
    for parties, status in product(PARTIES, STATUSES):
        ours, connection = parties.ours, parties.connection(status)
        decisions = {action: decision_of(parties, action, status) for action in Action}
        for action, decision in decisions.items():
            yield ("decide", ours, action, connection), decision
            yield ("can", ours, action, connection), decision["allowed"]
        menu = [{"action": action, **decision} for action, decision in decisions.items()]
        yield ("actions", ours, connection), menu
        yield ("rolesOf", ours, connection), [role for role in Role if role in parties.roles]
        for scopes, scope in SCOPES:
            answer = access_of(parties, scope, status, scopes)
            yield ("decideAccess", ours, scope, {**connection, "scopes": scopes}), answer
    for status, goal in product(STATUSES, STATUSES):
        yield ("stepsTo", status, goal), way_of(status, goal)
    for name in ("delete", "constructor", "toString", "__proto__", "length"):
        connection = PARTIES[0].connection("pending")
        yield ("decide", PARTIES[0].ours, name, connection), "TypeError"


QUESTIONS = list(questions())
CALLS = [call for call, _ in QUESTIONS]


class TestTheQuestions:
    """What is compared with the module: everything that Python's table has, but creation."""

    def test_every_cell_is_asked(self) -> None:
        asked = {
            Cell(Status(status), action, parties.roles)
            for parties, status, action in product(PARTIES, Status, Action)
        }
        assert asked == {cell for cell in decision_table() if cell.status is not None}

    def test_every_denial_is_due_but_one(self) -> None:
        """Whether a self-connection is wanted is asked when it is created."""
        denials = set[str]()
        for call, due in QUESTIONS:
            if call[0] == "decideAccess" or (call[0] == "decide" and due != "TypeError"):
                denials.update(due["denials"])
        assert denials == {*Denial} - {Denial.SELF_CONNECTION}

    def test_every_way_is_due(self) -> None:
        ways = [due for call, due in QUESTIONS if call[0] == "stepsTo"]
        assert len([way for way in ways if way is not None]) == len(Status) ** 2
        assert sorted({len(way) for way in ways if way is not None}) == [0, 1, 2]


# --- The compiled module -------------------------------------------------------------------------

#: What the compiler has to accept, and what it has to refuse.
USAGE = ROOT / "tests/typing/front_end.ts"


def mutants(text: str) -> list[str]:
    """The module with one cell changed, for every cell."""
    table = re.search(r"^const DECISIONS.*?^};$", text, re.DOTALL | re.MULTILINE)
    assert table is not None
    cells = [
        (row.start(1) + cell.start(), row.start(1) + cell.end())
        for row in re.finditer(r"^    \w+: \[(.*)\],$", text, re.MULTILINE)
        if table.start() < row.start() < table.end()
        for cell in re.finditer(r'\[[^]]*\]|"\w+"', row[1])
    ]
    return [f"{text[:start]}[NAP]{text[end:]}" for start, end in cells]


def compiled(tsc: Sequence[str], folder: Path, sources: dict[str, str]) -> None:
    """Compile TypeScript in a folder, as strictly as can be."""
    (folder / "package.json").write_text('{"type": "module"}', encoding="utf-8")
    for name, text in sources.items():
        (folder / name).write_text(text, encoding="utf-8")
    done = subprocess.run(  # noqa: S603  # the compiler
        [*tsc, *STRICT, *sources], cwd=folder, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


def answers(node: str, modules: Sequence[Path], calls: Sequence[Call]) -> list[list[Any]]:
    """What these modules return for the calls."""
    done = subprocess.run(  # noqa: S603  # our own script
        [node, str(ROOT / "tests/node/ask.mjs")],
        input=json.dumps({"modules": list(map(str, modules)), "calls": calls}),
        capture_output=True,
        text=True,
        check=True,
    )
    found: list[list[Any]] = json.loads(done.stdout)
    return found


@pytest.mark.stress
class TestTheModule:
    """It passes the compiler's strictest checks, and answers as Python does."""

    def test_gives_the_same_answers(self, node: str, tsc: list[str], tmp_path: Path) -> None:
        compiled(tsc, tmp_path, {"connections.ts": run(*MODULE)})
        (found,) = answers(node, [tmp_path / "connections.js"], CALLS)
        for (call, due), answer in zip(QUESTIONS, found, strict=True):
            assert answer == due, call

    def test_a_changed_cell_is_noticed(self, node: str, tsc: list[str], tmp_path: Path) -> None:
        changed = {f"{index}.ts": text for index, text in enumerate(mutants(run(*MODULE)))}
        assert len(changed) == (len(Status) + 1) * (len(Action) + 1) * 3
        compiled(tsc, tmp_path, changed)
        asked = [each for each in QUESTIONS if each[0][1] == PARTIES[0].ours]
        calls, due = map(list, zip(*asked, strict=True))
        found = answers(node, [tmp_path / f"{index}.js" for index in range(len(changed))], calls)
        assert [index for index, each in enumerate(found) if each == due] == []

    def test_its_types(self, tsc: list[str], tmp_path: Path) -> None:
        compiled(
            tsc, tmp_path, {"connections.ts": run(*MODULE), "usage.ts": USAGE.read_text("utf-8")}
        )

    def test_the_page(self, node: str, tsc: list[str], tmp_path: Path) -> None:
        """The program of the page on front ends prints what the page says."""
        program = "declare const console: { log(...shown: string[]): void };\n" + "\n".join(
            blocks("front-ends.md", "typescript")
        )
        compiled(tsc, tmp_path, {"connections.ts": run(*MODULE), "page.ts": program})
        done = subprocess.run(  # noqa: S603  # the page's own
            [node, str(tmp_path / "page.js")], capture_output=True, text=True, check=True
        )
        assert [done.stdout] == blocks("front-ends.md", "text")
