"""``connect-core conformance``: what it runs, what it says, what it writes, and how it exits."""

import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import peers
import pytest
from peers import PEER, Lifetime
from support import ROOT
from terminal import (
    complaint,
    decoloured,
    on_a_terminal,
    outcome,
    run,
    run_json,
    squeezed,
    with_a_terminal,
)

from connect_core.adapters import cli
from connect_core.conformance import ReferenceSystem, load_specification, load_vectors, report_dict
from connect_core.conformance import run as run_vectors
from connect_core.conformance.generators import GENERATORS

REFERENCE = ["conformance", "run", "--python", "connect_core.conformance:ReferenceSystem"]
FAULTY = ["conformance", "run", "--python", "faults:SharesForEver"]


def stdio(command: list[str], *options: str) -> list[str]:
    return ["conformance", "run", *options, "--stdio", "--", *command]


class TestRun:
    """Whose verdict is the exit code."""

    def test_an_implementation_that_conforms(self) -> None:
        written = run(*REFERENCE, "--shuffle", "5")
        head, rule, *rows = written.splitlines()
        assert head.split() == ["result", "requirement", "vectors", "text"]
        assert set(rule) == {"─"}
        requirements = load_specification().requirements
        for row, each in zip(rows, requirements, strict=False):
            assert row.split()[1] == each.id
            assert row.split()[0] == ("pass" if "MUST" in each.keyword else "not-claimed")
            assert len(row) <= 80
        musts = sum("MUST" in each.keyword for each in requirements)
        assert squeezed(written).endswith(
            "connect_core.conformance:ReferenceSystem conforms to the Connection specification "
            "1.1, core + named-source + versions + expected-version + history + times + documents "
            f"+ http: {musts} of {musts} requirements met; of {len(load_vectors())} vectors "
            f"{len(load_vectors())} passed, shuffled with seed 5; not explored."
        )

    def test_the_same_in_json(self) -> None:
        output = run_json(*REFERENCE, "--shuffle", "5")
        again: dict[str, Any] = dict(report_dict(run_vectors(ReferenceSystem, shuffle=5)))
        assert output["shuffle"] == 5
        for name in ("verdict", "conforms", "counts", "requirements", "answers", "claims"):
            assert output[name] == again[name]
        assert [(each["id"], each["result"]) for each in output["vectors"]] == [
            (each["id"], each["result"]) for each in again["vectors"]
        ]

    def test_shuffling(self) -> None:
        """Another seed each time; with 0, there is none."""
        once, again = (run_json(*REFERENCE, "--only", "story/accept")["shuffle"] for _ in "ab")
        assert 0 < once != again > 0
        written = run(*REFERENCE, "--only", "story/accept", "--shuffle", "0")
        assert "the vectors were not shuffled)" in squeezed(written)

    def test_one_that_does_not(self) -> None:
        code, written, complained = outcome(*FAULTY)
        assert (code, complained) == (1, "")
        assert re.search(r"^fail +CXN-SHAR-002 +\d+ ", written, re.MULTILINE)
        assert "CXN-SHAR-002 (stated): While a Connection is `pending` or `inactive`" in written
        assert "Expected: denied\nObserved: ok (HTTP 200): the outcome is ok\n" in written
        assert "more; --report, --junit and --html list all." in written
        assert "faults:SharesForEver does not conform to" in squeezed(written)

    def test_few_failures_are_all_told(self) -> None:
        code, written, _ = outcome(*FAULTY, "--only", "story/accept", "--only", "self/life")
        assert code == 1
        assert "self/life: fail" in written
        assert "list all" not in written

    def test_only(self) -> None:
        output = run_json(*REFERENCE, "--only", "CXN-SCOP-007", "--only", "story/")
        assert sum(output["counts"].values()) == 2 + 4

    @pytest.mark.usefixtures("node")
    def test_a_process(self) -> None:
        written = run(*stdio(["node", str(PEER)], "--only", "story"))
        assert squeezed(written).startswith("result requirement vectors text")
        due = "node peer.mjs passed what was run of the tests of the Connection specification 1.1"
        assert due in squeezed(written)

    @pytest.mark.usefixtures("node")
    def test_a_process_with_options_of_its_own(self) -> None:
        command = ["node", str(PEER), "--open", "CXN-OPEN-002=refused"]
        output = json.loads(run(*stdio(command, "--only", "outsider", "--json")))
        assert output["answers"]["CXN-OPEN-002"] == ["refused"]

    @pytest.mark.stress
    def test_exploring(self) -> None:
        output = run_json(*REFERENCE, "--explore", "60x50", "--seed", "1", "--only", "story")
        assert output["exploration"]["result"] == "pass"
        assert output["sentence"].endswith("; exploration 60x50 (seed 1) found nothing.")

    def test_exploring_for_some_time(self) -> None:
        """It is at most 100x50, and says how far it came."""
        code, written, _ = outcome(*REFERENCE, "--only", "story", "--explore", "1s", "--seed", "1")
        assert code in (0, 1)  # a fast machine reaches everything
        assert re.search(
            r"; exploration 100x50 \(seed 1\) "
            r"(found nothing|is too small to say anything: it did not reach \d+ cells of the "
            r"matrix) "
            r"in \d+ of 100 runs, all that 1 s allowed\.$",
            squeezed(written),
        )

    def test_exploring_too_little_is_no_failure(self) -> None:
        code, written, _ = outcome(*REFERENCE, "--explore", "1x1", "--seed", "1", "--only", "story")
        assert code == 0
        assert "is too small to say anything: it did not reach" in squeezed(written)

    def test_what_the_explorer_finds_can_be_kept(self, tmp_path: Path) -> None:
        """The vector is printed so that it can be copied, and fails again."""
        code, written, _ = outcome(*FAULTY, "--explore", "60x40", "--seed", "1", "--only", "self")
        assert code == 1
        vector = written.partition("ready to be kept:\n")[2].partition("\n]}\n")[0] + "\n]}\n"
        kept = tmp_path / "kept.json"
        kept.write_text(vector)
        code, written, _ = outcome(*FAULTY, "--vectors", str(kept))
        assert code == 1
        assert "of 1 vectors 1 failed" in squeezed(written)
        assert "of 1 vectors 1 passed" in squeezed(run(*REFERENCE, "--vectors", str(kept)))

    def test_nothing_was_tested(self, tmp_path: Path) -> None:
        profile = tmp_path / "profile.json"
        profile.write_text('{"name": "ours", "claims": []}')
        code, written, _ = outcome(*REFERENCE, "--profile", str(profile), "--only", "history")
        assert code == 3
        assert "ours was not tested against the Connection specification" in squeezed(written)

    def test_a_profile(self, tmp_path: Path) -> None:
        profile = tmp_path / "profile.json"
        profile.write_text(
            json.dumps({"name": "ours", "known_failures": {"self/life": "it shares for ever"}})
        )
        output = run_json(*FAULTY, "--profile", str(profile), "--only", "self")
        assert output["counts"]["known-failure"] == 1
        assert output["implementation"] == "ours"

    def test_reports(self, tmp_path: Path) -> None:
        files = [tmp_path / name for name in ("report.json", "report.xml", "report.html")]
        options = ["--report", str(files[0]), "--junit", str(files[1]), "--html", str(files[2])]
        outcome(*FAULTY, "--only", "story", *options)
        output = json.loads(files[0].read_text(encoding="utf-8"))
        assert output["implementation"] == "faults:SharesForEver"
        assert ET.parse(files[1]).getroot().get("tests") == "4"  # noqa: S314  # our own
        assert output["sentence"] in files[2].read_text(encoding="utf-8")

    def test_on_a_terminal(self) -> None:
        """In colour; and while it runs, a bar on stderr, which is gone at the end."""
        coloured = on_a_terminal(*REFERENCE)
        assert "\x1b[32mpass" in coloured
        assert decoloured(coloured).startswith("result")
        written, shown = with_a_terminal(*REFERENCE, "--explore", "2x2", "--json")
        assert json.loads(written)
        assert "vectors" in shown
        assert "exploring" in shown
        assert "2/2" in shown

    def test_in_ascii(self) -> None:
        written = run(*REFERENCE, PYTHONIOENCODING="ascii")
        assert " ..." in written
        assert "…" not in written


class TestTrouble:
    """Exit code 2, and a message that says what to do; never a hang and never a pass."""

    @pytest.mark.parametrize("name", peers.MALFORMED)
    def test_malformed_peers(self, name: str) -> None:
        command, output = peers.MALFORMED[name]
        timeout = str(peers.timeout_for(name))
        code, written, complained = outcome(
            *stdio(command, "--timeout", timeout, "--only", "story")
        )
        assert (code, written) == (2, "")
        _, named, told = complained.partition("harness error: ")  # its own errors come before
        assert named
        assert squeezed(output)[:34] in squeezed(told)
        assert '\n> {"protocol": 1, "id": 1, ' in told

    def test_reports_are_written_in_any_case(self, tmp_path: Path) -> None:
        report = tmp_path / "report.json"
        arguments = stdio(peers.CRASHES, "--only", "story", "--report", str(report), "--json")
        code, written, _ = outcome(*arguments)
        assert code == 2
        for text in (written, report.read_text(encoding="utf-8")):
            output = json.loads(text)
            assert output["verdict"] == "broken"
            assert output["counts"]["broken"] == len(output["vectors"]) == 1

    def test_keep_going(self) -> None:
        """All are run, each with a new process; not all breaks are described."""
        arguments = stdio(peers.CRASHES, "--only", "story", "--keep-going")
        code, written, complained = outcome(*arguments)
        assert code == 2
        assert "of 4 vectors 4 broke the protocol" in squeezed(written)
        assert complained.count("harness error: ") == 3

    def test_an_exploration_that_breaks(self) -> None:
        """The vectors were run: their results are not written without --keep-going."""
        what = "globals().get('over') and os._exit(3); over = request['verb'] == 'close'"
        options = ["--only", "story/accept", "--explore", "2x2"]
        code, written, complained = outcome(*stdio(peers.program(what), *options))
        assert (code, written) == (2, "")
        assert "came to an end, as the protocol was broken: " in squeezed(complained)
        assert '\n> {"protocol": 1, "id": ' in complained

    def test_a_command_that_is_not_there(self) -> None:
        code, written, complained = outcome(*stdio(["nowhere-at-all"]))
        assert (code, written) == (2, "")
        assert "nowhere-at-all cannot be started" in squeezed(complained)

    @pytest.mark.parametrize(
        "arguments",
        [
            ["conformance", "run"],
            ["conformance", "run", "--stdio"],
            ["conformance", "run", "--", "node"],
            [*REFERENCE, "--stdio", "--", "node"],
            [*REFERENCE, "--", "node"],
        ],
    )
    def test_which_implementation(self, arguments: list[str]) -> None:
        assert (
            "give one of --python MODULE:FACTORY, --http BASE and --stdio -- COMMAND."
            in squeezed(complaint(*arguments))
        )

    @pytest.mark.parametrize(
        ("python", "output"),
        [
            ("nowhere:factory", "No module named 'nowhere'"),
            ("faults:Nothing", "has no attribute 'Nothing'"),
            ("faults", "'faults' cannot be imported"),
            (":ReferenceSystem", "cannot be imported"),
            ("faults:FAULTS", "'faults:FAULTS' cannot be called."),
        ],
    )
    def test_factories_that_are_none(self, python: str, output: str) -> None:
        assert output in squeezed(complaint("conformance", "run", "--python", python))

    @pytest.mark.parametrize(
        ("options", "output"),
        [
            (
                ["--explore", "100"],
                "'100' is not a size such as 100x50, runs x steps, or a time such as 20s.",
            ),
            (["--explore", "0x5"], "'0x5' is not a size"),
            (["--explore", "0s"], "'0s' is not a size"),
            (["--explore", "1.5s"], "'1.5s' is not a size"),
            (["--explore", "100000s"], "'100000s' is not a size"),
            (["--explore", "\u0662s"], "s' is not a size"),
            (["--only", "nothing"], "there is no vector for nothing."),
            (["--profile", "/nowhere.json"], "/nowhere.json cannot be read"),
            (["--vectors", "/nowhere.json"], "/nowhere.json cannot be read"),
            (["--report", "/nowhere/report.json"], "there is no folder '/nowhere'."),
            (["--timeout", "0"], "'--timeout'"),
            (["--seed", "-1"], "'--seed'"),
        ],
    )
    def test_options_that_are_wrong(self, options: list[str], output: str) -> None:
        assert output in squeezed(complaint(*REFERENCE, *options))

    @pytest.mark.parametrize("option", ["--report", "--junit", "--html"])
    def test_a_report_that_cannot_be_written(self, option: str, tmp_path: Path) -> None:
        output = squeezed(complaint(*REFERENCE, "--only", "story", option, str(tmp_path)))
        assert f"Invalid value for '{option}': '{tmp_path}': Is a directory." in output

    @pytest.mark.parametrize("option", ["--report", "--junit", "--html"])
    def test_a_report_for_which_there_is_no_room(self, option: str) -> None:
        code, _, told = outcome(*REFERENCE, "--only", "story", option, "/dev/full")
        assert (code, told) == (5, "Could not write to /dev/full: No space left on device.\n")

    def test_a_report_that_ends_in_the_middle(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The one before stays."""
        report = tmp_path / "report.json"
        report.write_text("before")

        def full(_: int) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        assert outcome(*REFERENCE, "--only", "story", "--report", str(report))[0] == 5
        assert [each.name for each in tmp_path.iterdir()] == ["report.json"]
        assert report.read_text() == "before"

    @pytest.mark.parametrize(
        "options",
        [
            ["--profile", "profile.json", "--report", "profile.json"],
            ["--profile", "profile.json", "--html", "link"],
            ["--vectors", "vectors.json", "--junit", "./vectors.json"],
            ["--report", "new", "--junit", "new"],
            ["--report", "-", "--html", "-"],
        ],
        ids=" ".join,
    )
    def test_a_report_in_place_of_another_file(
        self, options: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "profile.json").write_text("{}")
        (tmp_path / "vectors.json").write_text("{}")
        (tmp_path / "link").symlink_to("profile.json")
        output = squeezed(complaint(*REFERENCE, *options))
        assert f"'{options[2]}': '{options[3]}' is also another option's file." in output
        assert (tmp_path / "profile.json").read_text() == "{}"
        assert not (tmp_path / "new").exists()

    def test_a_summary_that_cannot_be_written(self) -> None:
        """The verdict is told on stderr."""
        for options in ([], ["--json"]):
            with (
                Path("/dev/full").open("w") as full,
                redirect_stderr(StringIO()) as told,
                redirect_stdout(full),
                pytest.raises(SystemExit) as left,
            ):
                cli.app([*REFERENCE, "--only", "story", *options], prog_name="connect-core")
            assert left.value.code == 5
            assert "tests of the Connection specification" in squeezed(told.getvalue())
            assert squeezed(told.getvalue()).endswith(
                ". Could not write to stdout: No space left on device."
            )

    def test_a_name_that_would_disturb_the_terminal(self, tmp_path: Path) -> None:
        profile = tmp_path / "profile.json"
        profile.write_text(json.dumps({"name": "\x1b[31mours"}))
        written = run(*REFERENCE, "--only", "story", "--profile", str(profile))
        assert "\x1b" not in written
        assert "\\u001b[31mours passed what was run" in squeezed(written)

    def test_a_profile_that_names_what_there_is_not(self, tmp_path: Path) -> None:
        profile = tmp_path / "profile.json"
        profile.write_text('{"claims": ["clocks"]}')
        output = squeezed(complaint(*REFERENCE, "--profile", str(profile)))
        assert "there is no capability 'clocks' (there are named-source, " in output

    def test_a_system_of_the_present_folder(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "ours_in_this_folder.py").write_text(
            "from connect_core.conformance import ReferenceSystem as make\n"
        )
        monkeypatch.chdir(tmp_path)
        before = list(sys.path)
        run("conformance", "run", "--python", "ours_in_this_folder:make", "--only", "story")
        assert sys.path == before

    @pytest.mark.parametrize("missing", ["jinja2", "pytest"])
    def test_without_the_extra(self, missing: str, tmp_path: Path) -> None:
        """It says which one it takes."""
        arguments = [*REFERENCE, "--html", str(tmp_path / "report.html")]
        done = subprocess.run(  # noqa: S603  # our own interpreter
            [
                sys.executable,
                "-c",
                f"import sys; sys.modules[{missing!r}] = None; sys.argv[1:] = "
                f"{arguments!r}; import connect_core.__main__ as m; m.main()",
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stdout) == (2, "")
        assert "pip install 'connect-core[cli,testing]'" in done.stderr


#: Starts the command as a shell does: with the signals as they are by default.
STARTED = """
import signal, sys
from connect_core.__main__ import main
signal.signal(signal.SIGINT, signal.default_int_handler)
for each in (signal.SIGTERM, signal.SIGHUP):
    signal.signal(each, signal.SIG_DFL)
main()
"""

#: A peer that says so when the exploration begins, whose organizations have ids of other lengths
#: than those of the vectors, and does not answer it.
HANGS_WHEN_EXPLORED = peers.program(
    "len(request.get('by', 'org_Source')) not in (10, 12, 15) and ("
    "os.write(3, b'.'), time.sleep(100))"
)


class TestSignals:
    """Whatever ends the kit ends the peer, and what the peer has started."""

    @pytest.fixture
    def lifetime(self, tmp_path: Path) -> Iterator[Lifetime]:
        made = Lifetime(tmp_path)
        yield made
        made.close()

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
    @pytest.mark.parametrize(
        ("command", "options"),
        [
            (peers.HANGS, []),
            (["sh", "-c", "sleep 100; true"], []),
            (HANGS_WHEN_EXPLORED, ["--explore", "9x9", "--seed", "1"]),
        ],
        ids=["vectors", "leader-that-waits", "exploration"],
    )
    def test_a_signal(
        self,
        lifetime: Lifetime,
        command: list[str],
        options: list[str],
        number: signal.Signals,
    ) -> None:
        arguments = stdio(lifetime.of(command), "--timeout", "60", "--only", "story", *options)
        with subprocess.Popen(  # noqa: S603  # our own interpreter
            [sys.executable, "-c", STARTED, *arguments], stdout=-1, stderr=-1
        ) as kit:
            assert lifetime.has_begun()
            assert not options or lifetime.has_begun()  # the exploration
            kit.send_signal(number)
            _, complained = kit.communicate(timeout=30)
        assert kit.returncode == 128 + number
        assert b"Traceback" not in complained
        assert lifetime.has_ended()

    def test_the_end_of_a_run(self, lifetime: Lifetime) -> None:
        """The example of a peer that a shell waits for, and that never answers."""
        command = lifetime.of(["sh", "-c", "sleep 100; true"])
        code, written, complained = outcome(*stdio(command, "--timeout", "1"))
        assert (code, written) == (2, "")
        assert "gave no answer within 1 s" in squeezed(complained)
        assert lifetime.has_ended()


# --- generate ------------------------------------------------------------------------------------


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What is derived in the repository, and what it is derived from."""
    for folder in ("docs/diagrams", "src/connect_core/conformance/data"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    shutil.copy(ROOT / "docs" / "specification.md", tmp_path / "docs")
    return tmp_path


class TestGenerate:
    """Everything that is derived is what it would be."""

    def test_the_repository(self) -> None:
        assert run("conformance", "generate", "--check", "--root", str(ROOT)) == ""

    def test_drift(self, checkout: Path) -> None:
        vectors = checkout / "src/connect_core/conformance/data/vectors"
        story = vectors / "story.json"
        story.write_bytes(story.read_bytes().replace(b"pending", b"Pending", 1))
        (vectors / "more.json").write_text("{}")
        (checkout / "docs/diagrams/matrix.md").unlink()
        root = ["--root", str(checkout)]
        code, written, complained = outcome("conformance", "generate", "--check", *root)
        assert code == 1
        drifted = [
            "docs/diagrams/matrix.md",
            "src/connect_core/conformance/data/vectors/more.json",
            "src/connect_core/conformance/data/vectors/story.json",
        ]
        assert written.splitlines() == drifted
        assert "run connect-core conformance generate" in squeezed(complained)
        assert run("conformance", "generate", *root).splitlines() == drifted
        assert run("conformance", "generate", "--check", *root) == ""
        assert not (vectors / "more.json").exists()
        assert len(list(vectors.iterdir())) == len(GENERATORS)

    def test_a_new_checkout(self, checkout: Path) -> None:
        """Without anything derived, everything is."""
        shutil.rmtree(checkout / "src")
        written = run("conformance", "generate", "--root", str(checkout)).splitlines()
        assert len(written) == len(GENERATORS) + 1
        assert run("conformance", "generate", "--check", "--root", str(checkout)) == ""

    def test_a_text_that_is_not_in_order(self, checkout: Path) -> None:
        """Nothing is written, and no id is lost."""
        specification = checkout / "docs" / "specification.md"
        text = specification.read_text(encoding="utf-8")
        specification.write_text(text.replace("CXN-REFU-002", "CXN-REFU-003"), encoding="utf-8")
        code, written, complained = outcome("conformance", "generate", "--root", str(checkout))
        assert (code, written) == (1, "")
        assert "CXN-REFU-002 was released; keep it, or list it" in squeezed(complained)

    def test_no_checkout(self, tmp_path: Path) -> None:
        output = squeezed(complaint("conformance", "generate", "--root", str(tmp_path)))
        assert "specification.md does not exist; give the checkout." in output


# --- diff ----------------------------------------------------------------------------------------


class TestDiff:
    """More permissive, or less."""

    @pytest.fixture
    def tables(self, tmp_path: Path) -> tuple[Path, Path]:
        """The decision table, and one in which the destination may reactivate."""
        rows: list[dict[str, Any]] = run_json("table")
        old, new = tmp_path / "old.json", tmp_path / "new.json"
        old.write_text(json.dumps(rows))
        for row in rows:
            if (row["action"], row["roles"], row["status"]) == (
                "reactivate",
                ["destination"],
                "inactive",
            ):
                row.update(allowed=True, target="pending", denials=[])
        new.write_text(json.dumps(rows))
        return old, new

    def test_the_same(self, tables: tuple[Path, Path]) -> None:
        old, _ = tables
        assert run("conformance", "diff", str(old), str(old)) == "No difference.\n"

    def test_more_permissive(self, tables: tuple[Path, Path]) -> None:
        written = run("conformance", "diff", *map(str, tables), code=1)
        assert "more permissive" in written
        assert squeezed(written).endswith("1 cell more permissive.")

    def test_less_permissive_in_json(self, tables: tuple[Path, Path]) -> None:
        (output,) = run_json("conformance", "diff", *map(str, reversed(tables)), code=1)
        assert output["kind"] == "less permissive"
        assert output["where"] == "inactive, reactivate, by the destination"

    def test_vectors(self) -> None:
        folder = str(ROOT / "src/connect_core/conformance/data/vectors")
        assert run("conformance", "diff", folder, folder) == "No difference.\n"

    def test_what_cannot_be_compared(self, tables: tuple[Path, Path]) -> None:
        folder = str(ROOT / "src/connect_core/conformance/data/vectors")
        output = squeezed(complaint("conformance", "diff", str(tables[0]), folder))
        assert "a decision table cannot be compared with vectors" in output
        output = squeezed(complaint("conformance", "diff", "/nowhere.json", folder))
        assert "/nowhere.json" in output
