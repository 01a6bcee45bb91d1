"""The files that commands read and write: which they are, and what may replace them."""

import errno
import io
import os
import sqlite3
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from shutil import which

import pytest
from exports import THREE, Place, line, lived
from terminal import complaint, environment, outcome, squeezed
from typer import BadParameter

from connect_core.adapters.cli import transfer
from connect_core.adapters.cli.database import files_of, opened
from connect_core.adapters.cli.files import descriptor_of, is_one_of, source

WHOLE = "".join(map(line, THREE))


def shell(script: str, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run a script of Bash's with the command as ``connect-core``."""
    bash = which("bash")
    if bash is None:
        pytest.skip("there is no Bash")
    function = f"connect-core() {{ '{sys.executable}' -W error -m connect_core \"$@\"; }}\n"
    return subprocess.run(  # noqa: S603  # our own scripts
        [bash, "-c", function + script, "bash", *arguments],
        env=environment(**variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def three(place: Place) -> Place:
    """A database with three Connections."""
    place.add(*THREE)
    return place


def names(directory: Path) -> list[str]:
    return sorted(each.name for each in directory.iterdir())


# --- What a path names ---------------------------------------------------------------------------


class TestDescriptors:
    """A path may name a descriptor of this process, also through symbolic links."""

    @pytest.mark.parametrize(
        ("path", "number"),
        [
            ("/dev/stdin", 0),
            ("/dev/stdout", 1),
            ("/dev/stderr", 2),
            ("/dev/fd/63", 63),
            ("/proc/self/fd/7", 7),
            (f"/proc/{os.getpid()}/fd/7", 7),
            ("/dev/../dev/fd/5", 5),
            ("/dev/fd", None),
            ("/dev/null", None),
            ("/dev/fd/x", None),
            ("-", None),
            ("", None),
            ("fd/1", None),
        ],
    )
    def test_of_a_path(self, path: str, number: int | None) -> None:
        assert descriptor_of(path) == number

    def test_through_links(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "out").symlink_to("again")
        (tmp_path / "again").symlink_to("/dev/stdout")
        (tmp_path / "file").symlink_to("plain")
        (tmp_path / "circle").symlink_to("circle")
        monkeypatch.chdir(tmp_path)
        assert descriptor_of("out") == 1
        assert descriptor_of(str(tmp_path / "again")) == 1
        assert descriptor_of("file") is None
        assert descriptor_of("circle") is None


class TestTheSameFile:
    """Whether to write to a file is to write to another, whatever its path."""

    @pytest.fixture
    def other(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "c.db").touch()
        (tmp_path / "link").symlink_to("c.db")
        os.link(tmp_path / "c.db", tmp_path / "hard")
        os.link(tmp_path / "c.db", tmp_path / "+")
        (tmp_path / "there").mkdir()
        return tmp_path / "c.db"

    @pytest.mark.parametrize("file", ["c.db", "./c.db", "there/../c.db", "link", "hard", "+"])
    def test_it_is(self, other: Path, file: str) -> None:
        assert is_one_of(file, [Path("/dev/null"), other])

    @pytest.mark.parametrize("file", ["x.db", "C.DB", "there/c.db", "there", "/dev/stdout", "-"])
    def test_it_is_not(self, other: Path, file: str) -> None:
        assert not is_one_of(file, [other, other.with_name("absent")])

    def test_one_that_does_not_exist_yet(self, other: Path) -> None:
        assert is_one_of("c.db-wal", [other, Path("c.db-wal")])

    def test_a_descriptor(self, other: Path) -> None:
        with other.open("a") as file:
            assert is_one_of(f"/dev/fd/{file.fileno()}", [other])


# --- What an export does not replace -------------------------------------------------------------


class TestDatabases:
    """An export is refused if its target is part of the database."""

    @pytest.mark.parametrize("ending", ["", "-wal", "-shm", "-journal"])
    @pytest.mark.parametrize("form", ["{}", "sqlite:///{}", "sqlite:///file:{}?uri=true"])
    def test_its_files(self, three: Place, ending: str, form: str) -> None:
        path = three.directory / "connections.db"
        before = path.read_bytes()
        for options in ([], ["--force"]):
            output = complaint(
                "export", f"{path}{ending}", *options, "--database", form.format(path)
            )
            assert output.endswith(f"'{path}{ending}': it is part of the database.\n")
        assert path.read_bytes() == before
        assert names(three.directory) == ["connections.db"]

    def test_by_another_path(self, three: Place) -> None:
        path = three.directory / "connections.db"
        os.link(path, three.directory / "hard.jsonl")
        (three.directory / "link.jsonl").symlink_to(path)
        for name in ("hard.jsonl", "link.jsonl"):
            output = complaint("export", str(three.directory / name), "--database", three.url)
            assert "it is part of the database" in output
        assert len(three.kept()) == 3

    @pytest.mark.parametrize("target", ["", "-", "/dev/stdout", "/dev/fd/1"])
    def test_as_stdout(self, three: Place, target: str) -> None:
        path = three.directory / "connections.db"
        before = path.read_bytes()
        done = shell(f'connect-core export {target} --database "$1" >> "$1"', str(path))
        assert done.returncode == 2
        assert "it is part of the database" in done.stderr
        assert path.read_bytes() == before

    def test_as_stdout_that_was_emptied(self, three: Place) -> None:
        """The shell empties it before the command begins; the command does not write to it."""
        path = three.directory / "connections.db"
        done = shell('connect-core export --database "$1" > "$1"', str(path))
        assert (done.returncode, path.read_bytes()) == (2, b"")
        assert "there is no table connection" in done.stderr

    def test_what_they_are(self, three: Place) -> None:
        with opened(three.url) as engine:
            found = files_of(engine)
        assert [each.name.removeprefix("connections.db") for each in found] == [
            *("", "-journal", "-shm", "-wal")
        ]

    def test_a_server_has_none(self, any_place: Place) -> None:
        any_place.add(*THREE)
        assert any_place.run("export", str(any_place.directory / "out.jsonl")) == ""
        assert (any_place.directory / "out.jsonl").read_text() == WHOLE


class TestOlderFiles:
    """An export does not replace a file that has more records, or that is no export."""

    @pytest.mark.parametrize("format", ["jsonl", "list"])
    def test_one_with_more_records(self, three: Place, format: str) -> None:
        more = Place.on(f"sqlite:///{three.directory / 'more.db'}", three.directory)
        more.add(*map(lived, range(5)))
        target = three.directory / "backup.jsonl"
        more.run("export", str(target), "--format", format)
        before = target.read_bytes()
        code, written, told = outcome("export", str(target), "--database", three.url)
        assert (code, written) == (1, "")
        assert squeezed(told) == (
            f"{target} has 5 records, and this export has 3. It stays as it is; --force"
            " replaces it."
        )
        assert target.read_bytes() == before
        assert ".part" not in "".join(names(three.directory))
        assert three.run("export", str(target), "--force") == ""
        assert target.read_text() == WHOLE

    def test_an_empty_database(self, place: Place) -> None:
        """The nightly backup of a database that was emptied by mistake."""
        target = Path(place.file(line(THREE[0]), "backup.jsonl"))
        code, _, told = outcome("export", str(target), "--database", place.url)
        assert code == 1
        assert f"{target} has 1 record, and this export has 0. " in squeezed(told)
        assert target.read_text() == line(THREE[0])

    @pytest.mark.parametrize(
        "content",
        [
            "root:x:0:0:root:/root:/bin/bash\n",
            '{"name": "x"}\n',
            '{\n  "name": "x"\n}\n',
            "\0\1\2",
            '{"data": [1]}',
            '{"data": [{"type": "connections"',
            "[]",
            line(THREE[0])[:-20],
        ],
    )
    def test_one_that_is_no_export(self, three: Place, content: str) -> None:
        target = Path(three.file(content, "notes"))
        code, _, told = outcome("export", str(target), "--database", three.url)
        assert code == 1
        assert squeezed(told) == (f"{target} is no export. It stays as it is; --force replaces it.")
        assert target.read_text() == content
        three.run("export", str(target), "--force")
        assert target.read_text() == WHOLE

    @pytest.mark.parametrize("content", ["", "\n \n", WHOLE, line(THREE[2])])
    def test_one_with_no_more_records(self, three: Place, content: str) -> None:
        target = Path(three.file(content, "backup.jsonl"))
        assert three.run("export", str(target)) == ""
        assert target.read_text() == WHOLE

    def test_one_with_a_long_record(self, three: Place, monkeypatch: pytest.MonkeyPatch) -> None:
        """It is counted, and not read into memory."""
        monkeypatch.setattr("connect_core.adapters.cli.reading._LONG", 1000)
        target = Path(three.file(WHOLE + line(lived(7)), "backup.jsonl"))
        code, _, told = outcome("export", str(target), "--database", three.url)
        assert (code, "has 4 records" in squeezed(told)) == (1, True)

    def test_what_is_left_out_counts(self, three: Place) -> None:
        """An export without the invalid records has fewer than the one before."""
        target = Path(three.file(WHOLE, "backup.jsonl"))
        with closing(sqlite3.connect(three.directory / "connections.db")) as file, file:
            file.execute("UPDATE connections SET name = 'x' WHERE id = 'cxn_00001'")
        code, _, told = outcome("export", str(target), "--skip-invalid", "--database", three.url)
        assert code == 1
        assert "has 3 records, and this export has 2" in squeezed(told)
        assert target.read_text() == WHOLE

    def test_one_that_cannot_be_read(self, three: Place, monkeypatch: pytest.MonkeyPatch) -> None:
        target = Path(three.file(WHOLE, "backup.jsonl"))

        def unreadable(*_: object) -> None:
            raise PermissionError(errno.EACCES, "Permission denied")

        monkeypatch.setattr(transfer, "_require_enough", unreadable)
        output = complaint("export", str(target), "--database", three.url)
        assert output.endswith(f"'FILE': '{target}': Permission denied.\n")
        assert names(three.directory) == ["backup.jsonl", "connections.db"]


# --- What is no plain file -----------------------------------------------------------------------


class TestOtherTargets:
    """Devices, pipes and descriptors are written to as they are."""

    @pytest.mark.parametrize("target", ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "link"])
    def test_stdout_that_is_a_file_is_not_emptied(self, three: Place, target: str) -> None:
        (three.directory / "link").symlink_to("/dev/stdout")
        everything = three.directory / "all.jsonl"
        everything.write_text("before\n")
        script = f'cd "$2"; connect-core export {target} --database "$1" >> all.jsonl'
        done = shell(script, three.url, str(three.directory))
        assert (done.returncode, done.stderr) == (0, "")
        assert everything.read_text() == "before\n" + WHOLE
        assert names(three.directory) == ["all.jsonl", "connections.db", "link"]

    def test_process_substitution(self, three: Place) -> None:
        script = 'connect-core export >(sort -r > "$2") --database "$1"; wait $!'
        copy = three.directory / "copy"
        done = shell(script, three.url, str(copy))
        assert (done.returncode, done.stderr) == (0, "")
        assert copy.read_text() == "".join(sorted(map(line, THREE), reverse=True))

    def test_a_descriptor(self, three: Place) -> None:
        reader, writer = os.pipe()
        with os.fdopen(reader) as pipe, ThreadPoolExecutor() as pool:
            read = pool.submit(pipe.read)
            assert three.run("export", f"/dev/fd/{writer}") == ""
            os.close(writer)
            assert read.result() == WHOLE

    def test_a_descriptor_that_is_not_open(self, three: Place) -> None:
        output = complaint("export", "/dev/fd/9999", "--database", three.url)
        assert output.endswith("'/dev/fd/9999': Bad file descriptor.\n")

    @pytest.mark.parametrize("name", [".", "absent/out.jsonl", "connections.db/out.jsonl"])
    def test_what_cannot_be_opened(self, three: Place, name: str) -> None:
        output = complaint("export", str(three.directory / name), "--database", three.url)
        assert "Invalid value for 'FILE': " in output
        assert names(three.directory) == ["connections.db"]

    @pytest.mark.parametrize("name", ["stdout", "+", "./-"])
    def test_a_file_of_any_name(
        self, three: Place, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Only - is stdout."""
        monkeypatch.chdir(three.directory)
        assert three.run("export", name) == ""
        assert (three.directory / name).read_text() == WHOLE

    def test_what_fails_while_it_is_opened_leaves_nothing(
        self, three: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refused(*_: object) -> None:
            raise PermissionError(errno.EPERM, "Operation not permitted")

        target = three.file("", "out.jsonl")
        monkeypatch.setattr("connect_core.adapters.cli.files.copymode", refused)
        output = complaint("export", target, "--database", three.url)
        assert output.endswith("Operation not permitted.\n")
        assert names(three.directory) == ["connections.db", "out.jsonl"]

    def test_a_new_file_is_private_like_the_older_one(
        self, three: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Also while it is being written."""
        target = Path(three.file("", "out.jsonl"))
        target.chmod(0o600)
        modes: list[int] = []
        fsync = os.fsync

        def looking(number: int) -> None:
            modes.append(stat.S_IMODE(os.fstat(number).st_mode))
            fsync(number)

        monkeypatch.setattr(os, "fsync", looking)
        three.run("export", str(target))
        assert modes == [0o600]


# --- What cannot be written ----------------------------------------------------------------------


class TestUnwritable:
    """What cannot be written is told on stderr, and the exit code is 5."""

    def test_a_device_that_is_full(self, three: Place) -> None:
        code, written, told = outcome("export", "/dev/full", "--database", three.url)
        assert (code, written, told) == (
            5,
            "",
            "Could not write to /dev/full: No space left on device.\n",
        )

    def test_a_file_for_which_there_is_no_room(
        self, three: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        target = Path(three.file(line(THREE[0]), "out.jsonl"))

        def full(_: int) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        code, _, told = outcome("export", str(target), "--database", three.url)
        assert code == 5
        assert squeezed(told) == f"Could not write to {target}: No space left on device."
        assert target.read_text() == line(THREE[0])
        assert names(three.directory) == ["connections.db", "out.jsonl"]

    def test_a_pipe_that_is_closed(self, three: Place) -> None:
        """It was named, unlike stdout: whoever reads it may not have all."""
        reader, writer = os.pipe()
        os.close(reader)
        code, _, told = outcome("export", f"/dev/fd/{writer}", "--database", three.url)
        os.close(writer)
        assert (code, told) == (5, f"Could not write to /dev/fd/{writer}: Broken pipe.\n")

    def test_a_descriptor_that_is_only_read(self, three: Place) -> None:
        with Path(three.file("x")).open() as file:
            name = f"/dev/fd/{file.fileno()}"
            code, _, told = outcome("export", name, "--database", three.url)
        assert (code, told) == (5, f"Could not write to {name}: Bad file descriptor.\n")

    @pytest.mark.parametrize("command_", ["export", "import"])
    def test_a_temporary_file(
        self, three: Place, monkeypatch: pytest.MonkeyPatch, command_: str
    ) -> None:
        """That is neither the database nor the file that was named."""

        def full(*_: object, **__: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(transfer, "SpooledTemporaryFile", full)
        monkeypatch.setattr("connect_core.adapters.cli.loading.TemporaryFile", full)
        monkeypatch.setattr("connect_core.adapters.cli.reading._LONG", 1000)
        file = three.file(line(lived(7)), "in.jsonl")
        arguments = ["export"] if command_ == "export" else ["import", file]
        code, written, told = outcome(*arguments, "--database", three.url)
        assert (code, written) == (5, "")
        assert told == "Could not write to a temporary file: No space left on device.\n"
        assert len(three.kept()) == 3


class TestSources:
    """What is imported."""

    def test_a_file_that_fails(self, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
        class Failing(io.BytesIO):
            def read(self, _: int | None = -1, /) -> bytes:
                raise OSError(errno.EIO, "Input/output error")

        def failing(*_: object) -> Failing:
            return Failing()

        file = place.file(line(THREE[0]))
        monkeypatch.setattr(Path, "open", failing)
        output = complaint("import", file, "--database", place.url)
        assert output.endswith(f"Invalid value for 'FILE': '{file}': Input/output error.\n")
        monkeypatch.undo()
        assert place.kept() == []

    def test_stdin_that_is_closed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "stdin", None)
        with pytest.raises(BadParameter, match="'-': stdin is closed"), source("-"):
            pytest.fail("not reached")

    def test_a_directory(self, place: Place) -> None:
        output = complaint("import", str(place.directory), "--database", place.url)
        assert output.endswith(f"'{place.directory}': Is a directory.\n")

    def test_a_name_that_would_disturb_a_terminal(self, place: Place) -> None:
        output = complaint("import", "\x1b[31m", "--database", place.url)
        assert output.endswith("'\\\\u001b[31m': No such file or directory.\n")

    def test_nothing_is_created_for_a_file_that_is_not_there(self, tmp_path: Path) -> None:
        output = complaint("import", "none", "--database", str(tmp_path / "new.db"))
        assert "No such file or directory" in output
        assert names(tmp_path) == []

    def test_a_database_among_the_sources(self, three: Place) -> None:
        """It is read, and only read."""
        path = three.directory / "connections.db"
        code, _, told = outcome("import", str(path), "--database", three.url)
        assert (code, "Nothing was imported" in told) == (1, True)
        assert len(three.kept()) == 3
