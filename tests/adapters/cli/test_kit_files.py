"""``connect-core conformance init``, ``export`` and ``compare``: what they write and keep."""

import hashlib
import io
import json
import shlex
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest
from terminal import complaint, outcome, run, run_json, squeezed

from connect_core.conformance import load_specification, load_vectors
from connect_core.conformance.results import Result, Verdict
from connect_core.conformance.skeleton import SKELETONS
from connect_core.conformance.specification import DATA

INIT = ["conformance", "init"]
EXPORT = ["conformance", "export"]
COMPARE = ["conformance", "compare"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The present folder, which is empty."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


class TestInit:
    """A skeleton, and how to run it."""

    @pytest.mark.parametrize("language", SKELETONS)
    def test_here(self, language: str, folder: Path) -> None:
        skeleton = SKELETONS[language]
        code, written, told = outcome(*INIT, language)
        assert (code, written) == (0, "")
        assert told.startswith(f"Wrote {skeleton.file}. Run it:\n")
        assert (folder / skeleton.file).read_text(encoding="utf-8") == skeleton.text()
        assert [path.name for path in folder.iterdir()] == [skeleton.file]

    def test_the_commands(self) -> None:
        run = "connect-core conformance run --stdio -- "
        commands = {name: outcome(*INIT, name)[2].splitlines()[1:] for name in SKELETONS}
        assert commands == {
            "python": [f"{run}python3 peer.py"],
            "node": [f"{run}node peer.mjs"],
            "go": [f"{run}go run peer.go"],
            "java": [f"{run}java Peer.java"],
            "rust": ["rustc --edition 2021 -o peer peer.rs", f"{run}./peer"],
            "perl": [f"{run}perl peer.pl"],
        }

    def test_the_command_runs(self) -> None:
        _, _, told = outcome(*INIT, "python", "our peer.py")
        _, *command = shlex.split(told.splitlines()[1])
        command[command.index("python3")] = sys.executable
        assert command[-1] == "our peer.py"
        code, written, complained = outcome(*command[:2], "--only", "story", *command[2:])
        assert (code, complained) == (3, "")  # there is nothing to test before it can create
        assert "was not tested against the Connection specification" in squeezed(written)

    def test_in_any_case(self, folder: Path) -> None:
        assert outcome(*INIT, "NODE", "ours.mjs")[0] == 0
        assert (folder / "ours.mjs").read_text(encoding="utf-8") == SKELETONS["node"].text()

    def test_to_stdout(self, folder: Path) -> None:
        assert run(*INIT, "go", "-") == SKELETONS["go"].text()
        assert list(folder.iterdir()) == []

    def test_a_language_without_one(self) -> None:
        output = squeezed(complaint(*INIT, "basic\x1b"))
        assert (
            "Invalid value for 'LANGUAGE': there is no skeleton for 'basic\\u001b'; there is one "
            "for each of python, node, go, java, rust, perl." in output
        )

    @pytest.mark.parametrize("file", ["peer.py", "link"])
    def test_a_file_that_exists(self, file: str, folder: Path) -> None:
        (folder / "peer.py").write_text("filled in")
        (folder / "link").symlink_to("peer.py")
        output = squeezed(complaint(*INIT, "python", file))
        assert f"Invalid value for 'FILE': '{file}': it exists, and is never replaced; " in output
        assert (folder / "peer.py").read_text() == "filled in"
        assert {path.name for path in folder.iterdir()} == {"peer.py", "link"}

    @pytest.mark.parametrize(
        ("file", "reason"),
        [(".", "Is a directory"), ("nowhere/peer.py", "No such file or directory")],
    )
    def test_a_file_that_cannot_be_written(self, file: str, reason: str) -> None:
        assert f"'{file}': {reason}." in squeezed(complaint(*INIT, "python", file))

    def test_no_room(self) -> None:
        code, written, told = outcome(*INIT, "python", "/dev/full")
        assert (code, written) == (5, "")
        assert told == "Could not write to /dev/full: No space left on device.\n"

    def test_the_help_names_the_languages(self) -> None:
        *others, last = SKELETONS
        assert f"{', '.join(others)} or {last}." in squeezed(run(*INIT, "--help"))


class TestExport:
    """The kit's data in one archive, always the same."""

    def test_what_is_in_it(self, folder: Path) -> None:
        assert run(*EXPORT, "kit.zip") == ""
        with ZipFile(folder / "kit.zip") as archive:
            names = archive.namelist()
            files = {name: archive.read(name) for name in names}
            assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert names == sorted(names)
        manifest = json.loads(files.pop("manifest.json"))
        assert manifest == {
            "version": load_specification().version,
            "vectors": len(load_vectors()),
            "files": {name: hashlib.sha256(files[name]).hexdigest() for name in files},
        }
        data = Path(str(DATA))
        assert files == {
            path.relative_to(data).as_posix(): path.read_bytes()
            for path in data.rglob("*")
            if path.is_file()
        }
        assert {"requirements.json", "vectors.schema.json", "protocol.schema.json"} < set(files)
        vectors = [json.loads(files[name])["vectors"] for name in files if "vectors/" in name]
        assert sum(map(len, vectors)) == manifest["vectors"]

    def test_it_is_always_the_same(self, folder: Path) -> None:
        for name in ("one", "two"):
            run(*EXPORT, name)
        assert (folder / "one").read_bytes() == (folder / "two").read_bytes()

    def test_an_older_archive_is_replaced(self, folder: Path) -> None:
        older = folder / "kit.zip"
        with ZipFile(older, "w") as archive:
            archive.writestr("manifest.json", '{"version": "0.9"}')
            archive.writestr("requirements.json", "{}")
        run(*EXPORT, "kit.zip")
        with ZipFile(older) as archive:
            assert len(archive.namelist()) > 2

    def test_anything_else_stays(self, folder: Path) -> None:
        """Unless --force is given."""
        other = io.BytesIO()
        with ZipFile(other, "w") as archive:
            archive.writestr("manifest.json", "{}")
        for content in (b"", b"something", other.getvalue()):
            kept = folder / "kept"
            kept.write_bytes(content)
            code, written, told = outcome(*EXPORT, "kept")
            assert (code, written) == (1, "")
            assert squeezed(told) == squeezed(
                f"{kept} is no archive of the kit. It stays as it is; --force replaces it."
            )
            assert kept.read_bytes() == content
        run(*EXPORT, "kept", "--force")
        with ZipFile(folder / "kept") as archive:
            assert "manifest.json" in archive.namelist()
        assert [path.name for path in folder.iterdir()] == ["kept"]

    @pytest.mark.parametrize(
        ("file", "reason"),
        [(".", "Is a directory"), ("nowhere/kit.zip", "No such file or directory")],
    )
    def test_a_file_that_cannot_be_written(self, file: str, reason: str) -> None:
        assert f"'{file}': {reason}." in squeezed(complaint(*EXPORT, file))

    def test_no_room(self) -> None:
        code, written, told = outcome(*EXPORT, "/dev/full")
        assert (code, written) == (5, "")
        assert told == "Could not write to /dev/full: No space left on device.\n"

    def test_no_file(self) -> None:
        assert "Missing argument 'FILE'." in squeezed(complaint(*EXPORT))


def reported(name: str, verdict: str = "conforms", *results: str, **members: object) -> str:
    """Write a report with these results; return its file."""
    requirements = [{"id": f"CXN-TEST-{i:03}", "result": each} for i, each in enumerate(results)]
    report = {
        "implementation": name,
        "specification": "1.1",
        "kit": "0.1.0",
        "level": "core + versions",
        "verdict": verdict,
        "sentence": f"{name} was tested.",
        "requirements": requirements,
    }
    file = f"{name[:9]}.json"
    Path(file).write_text(json.dumps({**report, **members}), encoding="utf-8")
    return file


class TestCompare:
    """Several reports side by side."""

    def test_a_table(self) -> None:
        files = [
            reported("ours", "known-failures", "pass", "known-failure", "not-claimed"),
            reported("theirs", "does-not-conform", "fail", "error", "could-not-test"),
        ]
        assert run(*COMPARE, *files).splitlines() == [
            "Connection specification 1.1",
            "",
            "1          ours: known-failures; core + versions",
            "2          theirs: does-not-conform; core + versions",
            "",
            "requirement   1      2",
            "──────────────────────────",
            "verdict       known  FAIL",
            "CXN-TEST-000  pass   FAIL",
            "CXN-TEST-001  known  ERROR",
            "CXN-TEST-002  -      ?",
            "",
            "pass       pass",
            "known      known-failure, known-failures",
            "?          could-not-test",
            "-          not-claimed",
            "ERROR      error",
            "FAIL       fail, does-not-conform",
        ]

    def test_every_word_is_in_the_legend(self) -> None:
        files = [reported(each, each, *Result) for each in Verdict]
        legend = run(*COMPARE, *files).rpartition("\n\n")[2]
        explained = [word for line in legend.splitlines() for word in line[11:].split(", ")]
        assert sorted(explained) == sorted({*Result, *Verdict})

    @pytest.mark.parametrize(("columns", "tables"), [(80, 3), (30, 10), (20, 20)])
    def test_many_implementations(self, columns: int, tables: int) -> None:
        """The table is divided, so that none is wider than the terminal."""
        files = [reported(f"i{i}", "broken", "unexpected-pass", "broken") for i in range(20)]
        written = run(*COMPARE, *files, COLUMNS=str(columns))
        headers = [line for line in written.splitlines() if line.startswith("requirement")]
        assert len(headers) == tables
        numbers = [number for line in headers for number in line.split()[1:]]
        assert numbers == [str(number) for number in range(1, 21)]
        assert max(map(len, written.splitlines())) <= max(
            columns, len("PASS?      unexpected-pass")
        )
        assert written.count("PASS?") == 21

    def test_hostile_names(self) -> None:
        file = reported("\x1b[31m\u202e", "conforms", "pass")
        for form in ([], ["--markdown"]):
            written = run(*COMPARE, file, *form)
            assert "\x1b" not in written
            assert "\u202e" not in written
            assert "\\u001b" in written

    def test_in_ascii(self) -> None:
        file = reported("é", "conforms", "pass")
        for form in ([], ["--markdown"], ["--json"]):
            assert run(*COMPARE, file, *form, PYTHONIOENCODING="ascii").isascii()

    def test_markdown(self) -> None:
        files = [reported("ours", "conforms", "pass"), reported("theirs", "broken", "broken")]
        assert run(*COMPARE, "--markdown", *files) == (
            "| requirement | ours | theirs |\n"
            "| --- | --- | --- |\n"
            "| **verdict** | **conforms** | **broken** |\n"
            "| CXN-TEST-000 | pass | broken |\n"
        )

    def test_json(self) -> None:
        files = [reported("ours", "conforms", "pass"), reported("theirs", "broken", "broken")]
        written = run_json(*COMPARE, "--json", *files)
        assert written["specification"] == "1.1"
        assert [each["report"] for each in written["implementations"]] == files
        assert written["requirements"] == [{"id": "CXN-TEST-000", "results": ["pass", "broken"]}]

    def test_both_forms(self) -> None:
        output = squeezed(complaint(*COMPARE, reported("ours"), "--json", "--markdown"))
        assert "Invalid value for '--json': give --markdown or --json, not both." in output

    def test_what_a_run_writes(self) -> None:
        system = "connect_core.conformance:ReferenceSystem"
        for name in ("one", "two"):
            outcome("conformance", "run", "--python", system, "--only", "story", "--report", name)
        written = run_json(*COMPARE, "one", "two", "--json")
        assert [each["verdict"] for each in written["implementations"]] == ["incomplete"] * 2
        assert len(written["requirements"]) == len(load_specification().requirements)

    @pytest.mark.parametrize(
        ("file", "reason"), [("nowhere", "No such file or directory"), (".", "Is a directory")]
    )
    def test_a_file_that_cannot_be_read(self, file: str, reason: str) -> None:
        output = squeezed(complaint(*COMPARE, reported("ours"), file))
        assert f"Invalid value for 'REPORT': '{file}': {reason}." in output

    def test_a_file_that_is_no_report(self) -> None:
        Path("other\x1b").write_text("[]")
        output = squeezed(complaint(*COMPARE, "other\x1b"))
        assert (
            "Invalid value for 'REPORT': other\\u001b is no report: a report must be an object, "
            "not []; give what 'connect-core conformance run --report' of this version writes."
            in output
        )

    def test_another_version(self) -> None:
        files = [reported("ours"), reported("theirs", specification="1.0")]
        assert (
            "ours.json is about version 1.1 of the specification, and theirs.json about version "
            "1.0; run both with one version of the kit." in squeezed(complaint(*COMPARE, *files))
        )

    def test_no_report(self) -> None:
        assert "Missing argument 'REPORT" in squeezed(complaint(*COMPARE))
