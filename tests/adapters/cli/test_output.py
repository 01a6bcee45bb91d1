"""How answers look: their width, colours, JSON, and the same answer every time."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest
from exports import Place, line
from invocations import DECIDE, DIAGRAMS, EVERYTHING, JSON, MODULE
from people import OURS, QUESTIONS, THEIRS, People, filled, spoil
from rich.cells import cell_len
from support import T0
from terminal import decoloured, on_a_terminal, outcome, run, seeded, squeezed

from connect_core import Action, Actor, Connection
from connect_core.adapters import cli
from connect_core.adapters.sql import History

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
        if "--json" not in arguments and arguments != MODULE:
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

    @pytest.mark.parametrize("arguments", [*JSON, *DIAGRAMS, MODULE], ids=" ".join)
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


class Told(NamedTuple):
    """A Connection whose ids and name are long, and the people who ask about it.

    It was offered and accepted.
    """

    place: Place
    history: History
    source: Actor
    destination: Actor

    @classmethod
    def on(cls, place: Place, length: int, name: str | None = None) -> "Told":
        """A Connection in this database, with ids of this length."""
        source, destination = (
            Actor(
                id=f"usr_{letter}".ljust(length, letter),
                organization_id=f"org_{letter}".ljust(length, letter),
            )
            for letter in "ab"
        )
        created = Connection.create(
            by=source,
            destination=destination.organization_id,
            id="cxn_c".ljust(length, "c"),
            at=T0,
            name=name,
        )
        accepted = created.connection.take(Action.ACTIVATE, by=destination, at=T0)
        history = History(accepted.connection, (created.event, accepted.event))
        place.add(history)
        return cls(place, history, source, destination)

    @property
    def id(self) -> str:
        """The Connection's id."""
        return self.history.connection.id

    def outcome(
        self, *arguments: str, by: Actor | None = None, **variables: str
    ) -> tuple[int, str, str]:
        """The exit code, and what the command writes to stdout and to stderr."""
        who = [] if by is None else ["--as", f"{by.id}@{by.organization_id}"]
        return outcome(*arguments, *who, "--database", self.place.url, stdin=b"", **variables)

    def on_a_terminal(self, *arguments: str, columns: int) -> str:
        """What the command writes to a terminal of this width, for the source."""
        who = ["--as", f"{self.source.id}@{self.source.organization_id}"]
        shown = on_a_terminal(
            *arguments, *who, "--database", self.place.url, columns=columns, NO_COLOR="1"
        )
        return decoloured(shown)


def whole(written: str, *words: str, width: int) -> None:
    """Check that the words stand whole on a line, and that only such lines exceed the width."""
    lines = written.splitlines()
    assert [word for word in words if not any(word in each for each in lines)] == []
    longer = [each for each in lines if cell_len(each) > width]
    assert [each for each in longer if max(map(len, each.split())) <= width - 20] == []


class TestIdsOfAnyLength:
    """No id is broken or cut, however narrow the terminal is, and nothing else is left out.

    Nothing but an id makes a line longer.
    """

    @pytest.fixture(params=[20, 60, 100, 255], ids="ids of {}".format)
    def told(self, request: pytest.FixtureRequest, place: Place) -> Told:
        return Told.on(place, request.param, "A name of several words")

    widths = pytest.mark.parametrize("width", [40, 80, 200])
    encodings = pytest.mark.parametrize("encoding", ["utf-8", "ascii"])

    @widths
    @encodings
    def test_a_list(self, told: Told, width: int, encoding: str) -> None:
        for by in (told.source, told.destination):
            variables = {"COLUMNS": str(width), "PYTHONIOENCODING": encoding}
            code, written, complained = told.outcome("list", by=by, **variables)
            assert (code, complained) == (0, "")
            other = told.destination if by is told.source else told.source
            whole(written, told.id, other.organization_id, "active", width=min(width, 80))
            assert "A name of several words" in squeezed(written)
            assert "2026-11-24 12:00:00" in squeezed(written)

    @widths
    @encodings
    def test_a_list_of_all(self, told: Told, width: int, encoding: str) -> None:
        variables = {"COLUMNS": str(width), "PYTHONIOENCODING": encoding}
        code, written, complained = told.outcome("list", "--all", by=None, **variables)
        assert (code, complained) == (0, "")
        parties = told.source.organization_id, told.destination.organization_id
        whole(written, told.id, *parties, "active", width=min(width, 80))
        assert "A name of several words" in squeezed(written)

    @pytest.mark.parametrize("width", [20, 40, 80, 200, 600])
    def test_on_a_terminal(self, told: Told, width: int) -> None:
        other, ours = told.destination.organization_id, told.source.organization_id
        listed = told.on_a_terminal("list", columns=width)
        whole(listed, told.id, other, "active", "2026-11-24", width=max(width, 25))
        listed = told.on_a_terminal("list", "--all", columns=width)
        whole(listed, told.id, ours, other, "active", width=max(width, 25))
        written = told.on_a_terminal("history", told.id, columns=width)
        facts = "create", "activate", "(none)", "pending", "active", "source", "destination"
        whole(written, told.source.id, told.destination.id, *facts, width=max(width, 25))
        written = told.on_a_terminal("show", told.id, columns=width)
        whole(written, told.id, ours, other, told.source.id, width=max(min(width, 80), 25))
        assert written.split().count("reactivate") >= 1

    @widths
    def test_a_card_and_a_menu(self, told: Told, width: int) -> None:
        code, written, complained = told.outcome(
            "deactivate", told.id, by=told.source, COLUMNS=str(width)
        )
        assert (code, complained) == (0, "")
        ids = told.id, told.source.organization_id, told.destination.organization_id
        whole(written, *ids, told.source.id, width=min(width, 80))
        assert "the source must reactivate it" in squeezed(written)
        shown = told.outcome("show", told.id, by=told.source, COLUMNS=str(width))[1]
        whole(shown, *ids, told.source.id, *Action, width=min(width, 80))
        assert shown.startswith(written.partition("\n\n")[2])
        title = f"What {told.source.id} of {told.source.organization_id} (source) may do now"
        assert title in squeezed(shown)

    @widths
    @encodings
    def test_a_history(self, told: Told, width: int, encoding: str) -> None:
        variables = {"COLUMNS": str(width), "PYTHONIOENCODING": encoding}
        written = told.outcome("history", told.id, by=told.source, **variables)[1]
        facts = "create", "activate", "(none)", "pending", "active", "source", "destination"
        whole(written, told.source.id, told.destination.id, *facts, width=min(width, 80))

    @widths
    def test_refusals(self, told: Told, width: int) -> None:
        """With the reason, and who has to do what."""
        told.outcome("deactivate", told.id, by=told.source)
        ours, theirs = told.source.organization_id, told.destination.organization_id
        stranger = told.source.model_copy(update={"organization_id": "org_s"})
        nobodys = told.id[:-1] + "d"
        refusals: list[tuple[list[str], Actor, list[str]]] = [
            (["activate", told.id], told.destination, [told.id, told.destination.id, theirs, ours]),
            (["create", theirs], told.source, [told.id, ours, theirs]),
            (["create", ours], told.source, [ours]),
            (["show", told.id], stranger, [told.id]),
            (["list", "--all", "--after", nobodys], stranger, [nobodys]),
            (["reactivate", told.id, "--expected-version", "1"], told.source, [told.id]),
        ]
        for arguments, by, words in refusals:
            code, written, complained = told.outcome(*arguments, by=by, COLUMNS=str(width))
            assert (code, written) == (1, "")
            whole(complained, *words, width=min(width, 80))

    def test_refusals_in_json(self, told: Told) -> None:
        who = [f"{told.source.id}@{told.source.organization_id}", "--database", told.place.url]
        arguments = ["create", told.destination.organization_id, "--json", "--as", *who]
        (error,) = json.loads(outcome(*arguments)[2])["errors"]
        assert error["meta"]["existing-id"] == told.id

    @widths
    def test_decisions(self, told: Told, width: int) -> None:
        told.outcome("deactivate", told.id, by=told.source)
        code, written, _ = told.outcome(
            "check", told.id, "inquiry.read", by=told.destination, COLUMNS=str(width)
        )
        assert code == 1
        parties = told.source.organization_id, told.destination.organization_id
        whole(written, *parties, width=min(width, 80))
        assert "the destination must activate it" in squeezed(written)

    @widths
    def test_what_is_wrong_with_a_file(self, told: Told, width: int) -> None:
        parties = told.source.organization_id, told.destination.organization_id
        record = json.loads(line(told.history))
        del record["meta"]
        record["data"]["attributes"]["token"] = told.id[:-1] + "d"
        rival = json.loads(json.dumps(record).replace(told.id, told.id[:-1] + "d"))
        file = told.place.file(
            "\n".join(map(json.dumps, (record, rival))) + "\n" + line(told.history)
        )
        _, written, complained = told.outcome("import", file, COLUMNS=str(width))
        assert written == ""
        whole(complained, told.id, *parties, width=min(width, 80))
        assert f"the token is the id, which is '{told.id}'" in squeezed(complained)
        assert f"the ordered pair {' -> '.join(parties)} is taken by {told.id}" in squeezed(
            complained
        )
        assert f"the id {told.id} is taken" in squeezed(complained)

    @widths
    def test_damaged_records(self, told: Told, width: int) -> None:
        spoil(told.place.url, "UPDATE connections SET name = 'Another'")
        for arguments, by in ((["history", told.id], told.source), (["export"], None)):
            code, _, complained = told.outcome(*arguments, by=by, COLUMNS=str(width))
            assert code == 1
            whole(complained, told.id, width=min(width, 80))
        spoil(told.place.url, "UPDATE connections SET creator_id = 'nobody'")
        for arguments in (["list"], ["list", "--all"]):
            _, written, complained = told.outcome(*arguments, by=told.source, COLUMNS=str(width))
            assert written == "There are none.\n"
            whole(complained, told.id, width=min(width, 80))

    @widths
    def test_where_the_next_page_is(self, told: Told, width: int) -> None:
        by = told.source
        told.outcome("create", "org_x", by=by)
        written = told.outcome("list", "--limit", "1", by=by, COLUMNS=str(width))[1]
        newest = written.rstrip().rpartition(" ")[2]
        assert f"\nOlder ones: --after {newest}\n" in written
        written = told.outcome("list", "--after", newest, by=by, COLUMNS=str(width))[1]
        assert f"\nNewer ones: --before {told.id}\n" in written


#: Names that have no blank, or are wider or narrower than they are long.
LONG_NAMES = {
    "one word": "x" * 255,
    "wide": "漢字" * 127,
    "combining": "e\u0301" * 127,
    "emoji": "\U0001f469" * 120,
    "words": "Partner & Söhne " * 15,
    "mixed": "a漢e\u0301" * 60,
}


class TestNamesOfAnyLength:
    """A name is broken where it has to be, and nothing of it is left out."""

    @pytest.mark.parametrize("name", LONG_NAMES.values(), ids=LONG_NAMES)
    @pytest.mark.parametrize("width", [20, 40, 80, 200])
    def test_nothing_is_left_out(self, place: Place, name: str, width: int) -> None:
        told = Told.on(place, 8, name)
        due = "".join(name.split())
        for arguments in (["list"], ["list", "--all"], ["show", told.id]):
            piped = told.outcome(*arguments, by=told.source, COLUMNS=str(width))[1]
            for written in (piped, told.on_a_terminal(*arguments, columns=width)):
                assert due in "".join(written.split())
                assert max(map(cell_len, written.splitlines())) <= max(width, 33)
                whole(
                    written,
                    told.id,
                    told.destination.organization_id,
                    "active",
                    width=max(width, 25),
                )

    @pytest.mark.parametrize("name", LONG_NAMES.values(), ids=LONG_NAMES)
    def test_in_ascii(self, place: Place, name: str) -> None:
        told = Told.on(place, 8, name)
        due = "".join(name.split()).encode("ascii", "backslashreplace").decode()
        for arguments in (["list"], ["list", "--all"], ["show", told.id]):
            written = told.outcome(*arguments, by=told.source, PYTHONIOENCODING="ascii")[1]
            assert due in re.sub(r"[\s|]", "", written)
