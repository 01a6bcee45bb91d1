"""How answers look: their width, colours, JSON, and the same answer every time."""

import json
import re
from collections import Counter
from pathlib import Path

import pytest
from invocations import DECIDE, DIAGRAMS, EVERYTHING, JSON
from people import OURS, QUESTIONS, THEIRS, People, filled
from terminal import decoloured, on_a_terminal, outcome, run, seeded

from connect_core.adapters import cli

ESCAPE = "\x1b"

every = pytest.mark.parametrize("arguments", EVERYTHING, ids=" ".join)
coloured = pytest.mark.parametrize("arguments", [["demo"], ["table"], DECIDE], ids=" ".join)


def code_of(arguments: list[str]) -> int:
    """The expected exit code: only `DECIDE` asks a question whose answer is no."""
    return 1 if arguments[: len(DECIDE)] == DECIDE else 0


class TestOutput:
    """Only the answer goes to stdout: at most 80 columns, in colour only on a terminal."""

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


class TestReproducible:
    """The same question gets the same answer, byte for byte."""

    def test_whatever_the_hashes_are(self, people: People) -> None:
        connection_id = people.source.create(
            "org_DEF456", *(part for scope in "cabed" for part in ("--scope", f"{scope}.read"))
        )
        people.destination.create("org_ABC123")
        asked = [filled(arguments, connection_id) for arguments in (*QUESTIONS, ["activate", "ID"])]
        said = ["--as", OURS, "--database", people.source.database]
        commands = [[*each, *said, *form] for each in asked for form in ([], ["--json"])]
        once, again = (seeded(seed, commands) for seed in (1, 2))
        assert once == again
        assert "a.read, b.read, c.read, d.read, e.read" in once

    def test_whatever_the_shell_has_set(
        self, people: People, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The tests see the same on every developer's machine."""
        connection_id = people.connection()
        asked = ["show", connection_id, "--database", people.source.database]
        usual = outcome(*asked, "--as", OURS), outcome(*asked), outcome("list", "--as", OURS)
        monkeypatch.setenv("CONNECT_CORE_ACTOR", THEIRS)
        monkeypatch.setenv("CONNECT_CORE_DATABASE", people.source.database)
        monkeypatch.setenv("XDG_DATA_HOME", str(Path(people.source.database).parent))
        monkeypatch.setenv("COLUMNS", "40")
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("PYTHONIOENCODING", "ascii")
        assert (
            outcome(*asked, "--as", OURS),
            outcome(*asked),
            outcome("list", "--as", OURS),
        ) == usual

    @pytest.mark.parametrize("columns", ["30", "200"])
    def test_json_does_not_depend_on_the_width(self, columns: str, people: People) -> None:
        connection_id = people.connection()
        for arguments in QUESTIONS:
            whole = [*filled(arguments, connection_id), "--as", OURS, "--json"]
            at = ["--database", people.source.database]
            assert outcome(*whole, *at, stdin=b"", COLUMNS=columns) == outcome(*whole, *at)

    @pytest.mark.parametrize("columns", ["80", "200"])
    def test_no_line_is_longer_on_a_wide_terminal(self, columns: str, people: People) -> None:
        connection_id = people.source.create("org_DEF456", "--name", "x" * 255)
        for arguments in (["show", connection_id], ["list"]):
            usual = people.source.run(*arguments)
            assert people.source.run(*arguments, COLUMNS=columns) == usual
