"""The command line: every answer, what it looks like, where it goes, and the exit code."""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from oracle import VERDICTS, Verdict
from terminal import (
    command,
    complaint,
    decoloured,
    environment,
    on_a_terminal,
    piped,
    process,
    run,
    run_json,
    script,
    seeded,
    squeezed,
)

from connect_core import (
    Action,
    Cell,
    Connection,
    ConnectionEvent,
    ConnectionLifecycle,
    Status,
    __version__,
    connection_document,
    decision_table,
    parse_connection,
    replay,
)
from connect_core.__main__ import main
from connect_core.adapters import cli

ESCAPE = "\x1b"
DECIDE = ["decide", "--status", "active", "--action", "reactivate", "--role", "source"]
DIAGRAMS = [["diagram", "--format", name] for name in ("text", "mermaid", "dot")]
ANSWERS = [["demo"], ["table"], ["diagram"], *DIAGRAMS, DECIDE, ["--version"]]
CHANGES = ["create", "activate", "deactivate", "reactivate"]
QUESTIONS = ["list", "show", "history", "check"]
COMMANDS = [
    *CHANGES,
    *QUESTIONS,
    "import",
    "export",
    "demo",
    "table",
    "diagram",
    "decide",
    "conformance",
]
HELP = [["--help"], *([name, "--help"] for name in COMMANDS)]
JSON = [[*command, "--json"] for command in (["demo"], ["table"], *DIAGRAMS, DECIDE)]
EVERYTHING = [[], *ANSWERS, *HELP, *JSON]

every = pytest.mark.parametrize("arguments", EVERYTHING, ids=" ".join)
coloured = pytest.mark.parametrize("arguments", [["demo"], ["table"], DECIDE], ids=" ".join)
every_verdict = pytest.mark.parametrize("verdict", VERDICTS, ids=str)


def question(verdict: Verdict) -> list[str]:
    """The arguments of `decide` that ask for this cell."""
    role = "both" if len(verdict.roles) == 2 else next(iter(verdict.roles), "outsider")
    status = "none" if verdict.status is None else verdict.status.value
    return ["decide", "--status", status, "--action", verdict.action.value, "--role", role]


def cell_of(verdict: Verdict) -> Cell:
    return Cell(verdict.status, verdict.action, verdict.roles)


def code_of(arguments: list[str]) -> int:
    """The exit code that is due: only the question of `DECIDE` is answered with a no."""
    return 1 if arguments[: len(DECIDE)] == DECIDE else 0


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
        told = run_json(*question(verdict), code=0 if verdict.target else 1)
        assert told == decision_table()[cell_of(verdict)].as_dict()
        assert told["allowed"] is (verdict.target is not None)
        assert told["target"] == verdict.target
        assert tuple(told["denials"]) == verdict.denials

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
            told = complaint(
                *("decide", "--status", "none", "--action", action, "--role", "source"), *extra
            )
            assert told.endswith("'--action': with --status none it can only be create.\n")

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
        told = complaint("decide", *(part for pair in arguments.items() for part in pair))
        assert told.endswith(f"Invalid value for '{option}': '{value}' is not one of {choices}.\n")

    @pytest.mark.parametrize("missing", ["--status", "--action", "--role"])
    def test_what_is_missing(self, missing: str) -> None:
        at = DECIDE.index(missing)
        told = complaint(*DECIDE[:at], *DECIDE[at + 2 :])
        assert f"Missing option '{missing}'" in told


class TestTable:
    """The decision matrix, derived: rows are status and action, columns are roles."""

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
        told = run_json("diagram", "--format", name)
        assert (told["format"], told["diagram"] + "\n") == (name, run("diagram", "--format", name))
        transitions = {
            (arrow["source"], arrow["event"], tuple(arrow["guards"]), arrow["target"])
            for arrow in told["transitions"]
        }
        assert len(told["transitions"]) == 5
        assert transitions == {
            ("absent", "create", ("by source",), "pending"),
            ("pending", "activate", ("by destination",), "active"),
            ("pending", "deactivate", ("by source or destination",), "inactive"),
            ("active", "deactivate", ("by source or destination",), "inactive"),
            ("inactive", "reactivate", ("by source",), "pending"),
        }

    def test_another_format(self) -> None:
        told = complaint("diagram", "--format", "png")
        assert "Invalid value for '--format': 'png' is not one of text, mermaid, dot.\n" in told


class TestDemo:
    """The guide's story plays out, from the guide's own request."""

    @pytest.fixture
    def told(self) -> Any:
        return run_json("demo")

    def test_begins_with_the_guides_request(self, told: Any) -> None:
        attributes = {
            "destination-organization-id": "org_DEF456",
            "name": "Partner Connection",
        }
        assert told["request"] == {"data": {"attributes": attributes}}
        request = json.dumps(told["request"], indent=2)
        assert run("demo").startswith(f"The guide's request\n\n{request}\n\nThe story\n\n 1. ")

    def test_goes_as_the_guide_says(self, told: Any) -> None:
        asked = [
            (
                *step["decision"]["roles"],
                step["decision"]["action"] or step["scope"],
                (step["decision"]["denials"] or ["allowed"])[0],
                step["status_afterwards"],
            )
            for step in told["steps"]
        ]
        assert asked == [
            ("source", "create", "allowed", "pending"),
            ("source", "activate", "wrong_role", "pending"),
            ("destination", "activate", "allowed", "active"),
            ("destination", "inquiry.read", "allowed", "active"),
            ("destination", "document.read", "scope_not_granted", "active"),
            ("source", "inquiry.read", "wrong_direction", "active"),
            ("source", "deactivate", "allowed", "inactive"),
            ("destination", "reactivate", "wrong_role", "inactive"),
            ("source", "reactivate", "allowed", "pending"),
            ("destination", "inquiry.read", "not_active", "pending"),
            ("destination", "activate", "allowed", "active"),
        ]

    def test_tells_who_acts(self, told: Any) -> None:
        people = {
            ("source",): {"id": "api_ABC123", "organization_id": "org_ABC123"},
            ("destination",): {"id": "usr_Rk3v", "organization_id": "org_DEF456"},
        }
        for step in told["steps"]:
            assert step["actor"] == people[tuple(step["decision"]["roles"])]
            assert (step["scope"] is None) is (step["decision"]["action"] is not None)

    def test_tells_the_way_that_is_left(self, told: Any) -> None:
        ways = {
            "pending": ["activate"],
            "active": [],
            "inactive": ["reactivate", "activate"],
        }
        for step in told["steps"]:
            way = [due["action"] for due in step["steps_to_active"]]
            assert way == ways[step["status_afterwards"]]

    def test_the_history_gives_the_document(self, told: Any) -> None:
        events = [ConnectionEvent.model_validate(event) for event in told["history"]]
        connection = replay(events)
        assert told["replay_gives_the_same"] is True
        assert connection_document(connection) == told["document"]
        assert parse_connection(told["document"], version=len(events)) == connection

    def test_the_connection_is_the_guides(self, told: Any) -> None:
        assert told["document"]["data"]["attributes"] == {
            "token": "cxn_ABC123",
            "name": "Partner Connection",
            "status": "active",
            "organization-id": "org_ABC123",
            "destination-organization-id": "org_DEF456",
            "scopes": ["account.read", "inquiry.read"],
            "creator-id": "api_ABC123",
            "creator-type": "api-key",
            "created-at": "2018-06-01T00:00:00.000Z",
            "updated-at": "2018-06-01T00:10:00.000Z",
        }

    def test_shows_the_sources_refused_activation(self) -> None:
        assert """
 2. The source (api_ABC123 of org_ABC123) asks to activate cxn_ABC123
    denied     wrong role
    why        Only the destination may activate a Connection, and the actor
               acts for the source.
    advice     It is for the destination to activate it.
    remedy     none: no step would let this actor do it
    to active  the destination must activate it (org_DEF456): pending -> active

 3. The destination (usr_Rk3v of org_DEF456) asks to activate cxn_ABC123
    allowed    The destination may activate it, and it is then active.

""" in run("demo")

    def test_shows_the_destinations_refused_reactivation(self) -> None:
        assert """
 8. The destination (usr_Rk3v of org_DEF456) asks to reactivate cxn_ABC123
    denied     wrong role
    why        Only the source may reactivate a Connection, and the actor acts
               for the destination.
    advice     It is for the source to reactivate it.
    remedy     none: no step would let this actor do it
    to active  the source must reactivate it (org_ABC123): inactive -> pending
               the destination must activate it (org_DEF456): pending -> active

""" in run("demo")

    def test_shows_that_nothing_is_shared_while_pending(self) -> None:
        assert """
10. The destination (usr_Rk3v of org_DEF456) asks to read inquiry.read
    denied     not active
    why        Data may pass only while the Connection is active, and this one
               is pending.
    advice     First the destination must activate it.
    remedy     the destination must activate it (org_DEF456): pending -> active

""" in run("demo")

    def test_shows_the_history(self) -> None:
        assert """
The history

v  when (UTC)           action      before    after     who         role
───────────────────────────────────────────────────────────────────────────────
1  2018-06-01 00:00:00  create      (none)    pending   api_ABC123  source
2  2018-06-01 00:02:00  activate    pending   active    usr_Rk3v    destination
3  2018-06-01 00:06:00  deactivate  active    inactive  api_ABC123  source
4  2018-06-01 00:08:00  reactivate  inactive  pending   api_ABC123  source
5  2018-06-01 00:10:00  activate    pending   active    usr_Rk3v    destination

Do these events, replayed, give the same Connection? Yes.
""" in run("demo")

    def test_says_where_it_was_kept(self, told: Any) -> None:
        assert told["database"] == "a temporary SQLite file"
        assert (
            "\nDo these events, replayed, give the same Connection? Yes.\n\n"
            "All of this was kept in a temporary SQLite database, which is gone now.\n\n"
            "The Connection's document\n"
        ) in run("demo")

    def test_leaves_no_file_behind(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        run("demo", XDG_DATA_HOME=str(tmp_path))
        assert list(tmp_path.iterdir()) == []

    def test_needs_no_database_of_yours(self) -> None:
        assert run("demo", CONNECT_CORE_DATABASE="mysql://nowhere") == run("demo")

    def test_keeps_the_story_in_a_sqlite_file(
        self, told: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The directory is kept, so that what the demo left in it can be read."""

        @contextmanager
        def kept(prefix: str) -> Generator[str]:
            assert prefix == "connect-core-"
            yield str(tmp_path)

        monkeypatch.setattr(cli.demo, "TemporaryDirectory", kept)
        run("demo")
        asked = ["cxn_ABC123", "--as", "usr_Rk3v@org_DEF456", "--database", f"{tmp_path}/demo.db"]
        assert run_json("show", *asked) == told["document"]
        assert run_json("history", *asked)["data"] == told["history"]

    def test_ends_with_the_document(self, told: Any) -> None:
        document = json.dumps(told["document"], indent=2)
        assert run("demo").endswith(f"\n\nThe Connection's document\n\n{document}\n")

    def test_does_not_hide_a_replay_that_went_wrong(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def replay_in_part(events: Sequence[ConnectionEvent]) -> Connection:
            return replay(events[:-1])

        monkeypatch.setattr(cli.demo, "replay", replay_in_part)
        assert "\nDo these events, replayed, give the same Connection? No!\n" in run("demo")
        assert run_json("demo")["replay_gives_the_same"] is False


class TestOutput:
    """Nothing but the answer on stdout, readable at 80 columns, colour only on a terminal."""

    @every
    def test_fits_80_columns(self, arguments: list[str]) -> None:
        lines = run(*arguments, code=code_of(arguments)).splitlines()
        assert lines
        assert [line for line in lines if line != line.rstrip()] == []
        if "--json" not in arguments:
            assert max(map(len, lines)) <= 80

    @every
    @pytest.mark.parametrize("columns", [80, 300])
    def test_is_no_wider_on_a_wide_terminal(self, arguments: list[str], columns: int) -> None:
        wide = on_a_terminal(*arguments, columns=columns, NO_COLOR="1")
        assert decoloured(wide) == run(*arguments, code=code_of(arguments))

    def test_folds_on_a_narrow_terminal_and_loses_nothing(self) -> None:
        narrow, usual = (
            run("table", COLUMNS=columns, PYTHONIOENCODING="ascii") for columns in ("50", "80")
        )
        assert max(map(len, narrow.splitlines())) <= 50
        assert Counter(filter(str.isalpha, narrow)) == Counter(filter(str.isalpha, usual))

    @every
    def test_elsewhere_has_no_escape_codes(self, arguments: list[str]) -> None:
        assert ESCAPE not in run(*arguments, code=code_of(arguments))

    @coloured
    def test_on_a_terminal_has_colour(self, arguments: list[str]) -> None:
        written = on_a_terminal(*arguments)
        colour = "1;31m" if arguments[0] == "decide" else "32m"
        assert colour in written
        codes = set(re.findall(r"\x1b\[([\d;]*)m", written))
        assert codes <= {"0", "1", "2", "32", "1;31", "1;32"}  # and nothing else stands out
        assert decoloured(written) == run(*arguments, code=code_of(arguments))

    @coloured
    def test_no_color_is_honoured_on_a_terminal(self, arguments: list[str]) -> None:
        plain = on_a_terminal(*arguments, NO_COLOR="1")
        codes = set(re.findall(r"\x1b\[([\d;]*)m", plain))
        assert codes <= {"0", "1", "2"}  # bold and faint are no colours

    @pytest.mark.parametrize("arguments", [*JSON, *DIAGRAMS], ids=" ".join)
    def test_what_programs_read_is_the_same_on_a_terminal(self, arguments: list[str]) -> None:
        assert on_a_terminal(*arguments, columns=20) == run(*arguments, code=code_of(arguments))

    @every
    def test_stdout_that_takes_only_ascii(self, arguments: list[str]) -> None:
        assert run(*arguments, code=code_of(arguments), PYTHONIOENCODING="ascii").isascii()

    def test_colour_in_a_pipe_for_who_asks_for_it(self) -> None:
        assert "\x1b[32m" in run("table", FORCE_COLOR="1")

    def test_text_is_never_markup(self, monkeypatch: pytest.MonkeyPatch) -> None:
        name = "[bold]Partner[/bold] :sunny: [/]"
        attributes = {"destination-organization-id": "org_DEF456", "name": name}
        request = json.dumps({"data": {"attributes": attributes}}, indent=2)
        monkeypatch.setattr(cli.demo, "_REQUEST", request)
        assert run("demo").count(f'"name": "{name}"') == 2  # in the request and in the document

    def test_the_tick_in_ascii(self) -> None:
        plain = run("table", PYTHONIOENCODING="ascii")
        assert "|ok inactive " in plain
        assert max(map(len, plain.splitlines())) <= 80


class TestProcesses:
    """What only a process of its own can show."""

    @pytest.mark.parametrize("arguments", [["table"], ["table", "--json"]], ids=" ".join)
    def test_a_reader_that_leaves_gets_no_traceback(self, arguments: list[str]) -> None:
        reader, writer = os.pipe()
        os.close(reader)
        with os.fdopen(writer, "wb") as closed:
            done = subprocess.run(  # noqa: S603  # our own command
                command(*arguments),
                env=environment(),
                stdout=closed,
                stderr=subprocess.PIPE,
                check=False,
            )
        assert (done.returncode, done.stderr) == (1, b"")

    def test_is_the_same_every_time(self) -> None:
        once, again = (seeded(seed, EVERYTHING) for seed in (1, 2))
        assert once == again


class TestTheCommandItself:
    """`connect-core` and `python -m connect_core` are the same."""

    def test_no_command_shows_the_help(self) -> None:
        assert run() == run("--help")

    def test_the_help_lists_the_commands(self) -> None:
        _, listed = run("--help").split("\nCommands:\n")
        described = [re.split(r" {2,}", line.strip()) for line in listed.splitlines()]
        assert [name for name, _ in described] == COMMANDS
        assert all(re.fullmatch(r"[A-Z].*[^.]\.", text) for _, text in described)  # all of it fits

    def test_the_help_names_the_choices(self) -> None:
        told = run("decide", "--help")
        assert "--status none|pending|active|inactive\n" in told
        assert "--action create|activate|deactivate|reactivate\n" in told
        assert "--role source|destination|both|outsider\n" in told

    def test_version(self) -> None:
        assert run("--version") == run("--version", "demo") == f"connect-core {__version__}\n"

    @pytest.mark.parametrize("wrong", ["remove", "--verbose"])
    def test_what_there_is_not(self, wrong: str) -> None:
        assert f"No such {'option' if wrong.startswith('-') else 'command'}" in complaint(wrong)

    def test_as_a_module(self) -> None:
        done = piped("table")
        assert (done.returncode, done.stderr) == (0, b"")
        assert done.stdout.decode() == run("table")

    def test_as_a_script(self) -> None:
        done = process([script(), *DECIDE])
        assert (done.returncode, done.stderr) == (1, b"")
        assert done.stdout.decode() == run(*DECIDE, code=1)

    def test_main_runs_it(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(sys, "argv", ["connect-core", "--version"])
        with pytest.raises(SystemExit) as left:
            main()
        assert left.value.code == 0
        assert capsys.readouterr() == (f"connect-core {__version__}\n", "")


class TestWithoutTheExtra:
    """Installed without the extra, the command says which one to install, and exits with 2."""

    @pytest.fixture(autouse=True)
    def _all_is_imported_anew(self, monkeypatch: pytest.MonkeyPatch) -> None:
        adapters = [name for name in sys.modules if name.startswith("connect_core.adapters.")]
        for name in adapters:
            monkeypatch.delitem(sys.modules, name)

    @pytest.mark.parametrize("missing", ["typer", "rich", "platformdirs", "sqlalchemy"])
    def test_says_what_to_install(
        self, missing: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setitem(sys.modules, missing, None)
        monkeypatch.setattr(sys, "argv", ["connect-core", "demo"])
        with pytest.raises(SystemExit) as left:
            main()
        assert left.value.code == 2
        assert capsys.readouterr() == (
            "",
            f"The command line needs {missing}, which comes with an extra. "
            "Install it with: pip install 'connect-core[cli]'\n",
        )

    @pytest.mark.parametrize("name", ["table", "diagram"])
    def test_what_needs_no_database_needs_no_sqlalchemy(
        self, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        for missing in ("platformdirs", "sqlalchemy"):
            monkeypatch.setitem(sys.modules, missing, None)
        monkeypatch.setattr(sys, "argv", ["connect-core", name, "--json"])
        with pytest.raises(SystemExit) as left:
            main()
        assert left.value.code == 0
        assert capsys.readouterr() == (run(name, "--json"), "")

    def test_another_missing_module_is_not_explained_away(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "itertools", None)
        with pytest.raises(ModuleNotFoundError) as caught:
            main()
        assert caught.value.name == "itertools"

    def test_in_a_process_of_its_own(self) -> None:
        blocked = (
            "import sys; sys.modules['typer'] = None; import connect_core.__main__ as m; m.main()"
        )
        done = process([sys.executable, "-W", "error", "-c", blocked])
        assert (done.returncode, done.stdout) == (2, b"")
        assert done.stderr.decode().endswith("pip install 'connect-core[cli]'\n")
