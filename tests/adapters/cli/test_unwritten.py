"""Answers that cannot be written: nothing that was done is reported as refused."""

import errno
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from importlib import import_module
from io import StringIO
from pathlib import Path
from unittest.mock import patch

import pytest
from exports import THREE, Place, line
from invocations import EVERYTHING
from people import NOBODYS, OURS, THEIRS, People
from terminal import command, environment, squeezed

from connect_core.__main__ import main
from connect_core.adapters import cli

FULL = "Could not write to stdout: No space left on device."
CLOSED = "Could not write to stdout: Bad file descriptor."


def redirected(
    redirection: str, *arguments: str, **variables: str
) -> "subprocess.CompletedProcess[str]":
    """The command in a process of its own, with a shell's redirection of its streams."""
    return subprocess.run(  # noqa: S603  # our own command
        ["/bin/sh", "-c", f'exec "$@" {redirection}', "sh", *command(*arguments)],
        env=environment(**variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def without_a_reader(*arguments: str) -> "subprocess.CompletedProcess[bytes]":
    """The command with a pipe as stdout that nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as closed:
        return subprocess.run(  # noqa: S603  # our own command
            command(*arguments),
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=closed,
            stderr=subprocess.PIPE,
            check=False,
        )


class TestWhatWasDone:
    """A command that has changed something says so on stderr; the exit code is 5, and not 1."""

    @pytest.mark.parametrize("json", [[], ["--json"]], ids=["text", "json"])
    @pytest.mark.parametrize("where", [">/dev/full", ">&-", "a reader that leaves"])
    def test_create(self, people: People, where: str, json: list[str]) -> None:
        arguments = ["create", "org_B", "--as", OURS, "--database", people.source.database, *json]
        told, reason = self._told(where, arguments)
        (created,) = people.source.json("list")["data"]
        assert told == (f"Created {created['id']}, version 1. Could not write to stdout: {reason}.")

    @pytest.mark.parametrize("where", [">/dev/full", ">&-", "a reader that leaves"])
    def test_a_step(self, people: People, where: str) -> None:
        connection_id = people.connection()
        database = people.destination.database
        told, reason = self._told(
            where, ["activate", connection_id, "--as", THEIRS, "--database", database]
        )
        assert told == (
            f"Activated {connection_id}, version 2. Could not write to stdout: {reason}."
        )
        assert people.source.status(connection_id) == "active"

    @pytest.mark.parametrize("json", [[], ["--json"]], ids=["text", "json"])
    @pytest.mark.parametrize("where", [">/dev/full", ">&-", "a reader that leaves"])
    def test_import(self, place: Place, where: str, json: list[str]) -> None:
        file = place.file("".join(map(line, THREE)))
        told, reason = self._told(where, ["import", file, "--database", place.url, *json])
        assert told == f"3 Connections imported. Could not write to stdout: {reason}."
        assert len(place.kept()) == 3

    def _told(self, where: str, arguments: list[str]) -> tuple[str, str]:
        if where == "a reader that leaves":
            done = without_a_reader(*arguments)
            assert done.returncode == 5
            return squeezed(done.stderr.decode()), "Broken pipe"
        run = redirected(where, *arguments)
        assert run.returncode == 5
        return squeezed(run.stderr), (
            "Bad file descriptor" if where == ">&-" else "No space left on device"
        )

    def test_an_import_of_nothing(self, place: Place) -> None:
        for options in ([], ["--json"]):
            file = place.file("x" if options else "")
            arguments = ("import", file, "--database", place.url, *options)
            done = redirected(">/dev/full", *arguments)
            assert (done.returncode, squeezed(done.stderr)) == (
                5,
                f"0 Connections imported. {FULL}",
            )

    def test_a_refusal_is_still_one(self, people: People) -> None:
        """It goes to stderr."""
        arguments = ["show", NOBODYS, "--as", OURS, "--database", people.source.database]
        for redirection in (">/dev/full", ">&-"):
            done = redirected(redirection, *arguments)
            assert done.returncode == 1
            assert "No Connection" in done.stderr


class TestWhatWasAsked:
    """A command that has changed nothing only says that nobody got the answer."""

    @pytest.mark.parametrize("arguments", [["demo"], ["table"], ["diagram"]], ids=" ".join)
    def test_commands_without_a_database(self, arguments: list[str]) -> None:
        done = redirected(">/dev/full", *arguments)
        assert (done.returncode, squeezed(done.stderr)) == (5, FULL)

    @pytest.mark.parametrize("redirection", [">/dev/full", ">&-"])
    @pytest.mark.parametrize("unbuffered", ["", "1"])
    def test_export(self, place: Place, redirection: str, unbuffered: str) -> None:
        """Whether it is noticed at once, or only when the buffer is flushed."""
        place.add(*THREE)
        arguments = ("export", "--database", place.url)
        done = redirected(redirection, *arguments, PYTHONUNBUFFERED=unbuffered)
        told = FULL if redirection == ">/dev/full" else CLOSED
        assert (done.returncode, squeezed(done.stderr)) == (5, told)

    def test_check(self, people: People) -> None:
        """What could not be said is neither allowed nor denied."""
        arguments = ["check", people.connection("active"), "inquiry.read", "--as", THEIRS]
        done = redirected(">/dev/full", *arguments, "--database", people.source.database)
        assert (done.returncode, squeezed(done.stderr)) == (5, FULL)

    @pytest.mark.parametrize("arguments", [["table"], ["table", "--json"], ["--help"]])
    def test_a_reader_that_leaves(self, arguments: list[str]) -> None:
        """It has what it wants, and nothing is said."""
        done = without_a_reader(*arguments)
        assert (done.returncode, done.stderr) == (5, b"")

    def test_an_export_whose_reader_leaves(self, place: Place) -> None:
        place.add(*THREE)
        done = without_a_reader("export", "--database", place.url)
        assert (done.returncode, done.stderr) == (5, b"")

    @pytest.mark.parametrize("arguments", [["list", "--help"], ["--version"]], ids=" ".join)
    def test_help(self, arguments: list[str]) -> None:
        for redirection, told in ((">/dev/full", FULL), (">&-", CLOSED)):
            done = redirected(redirection, *arguments)
            assert (done.returncode, squeezed(done.stderr)) == (5, told)


class TestClosedStreams:
    """Streams that were closed when the process began."""

    def test_stdin(self, place: Place) -> None:
        done = redirected("<&-", "import", "-", "--database", place.url)
        assert done.returncode == 2
        assert done.stderr.endswith("Invalid value for 'FILE': '-': stdin is closed.\n")

    @pytest.mark.parametrize("target", ["-", "/dev/stdout", "/dev/fd/1"])
    def test_stdout_for_an_export(self, place: Place, target: str) -> None:
        """Its number must not become that of the database."""
        place.add(*THREE)
        before = (place.directory / "connections.db").read_bytes()
        done = redirected(">&-", "export", target, "--database", place.url)
        name = "stdout" if target == "-" else target
        assert (done.returncode, done.stderr) == (
            5,
            f"Could not write to {name}: Bad file descriptor.\n",
        )
        assert (place.directory / "connections.db").read_bytes() == before

    def test_stderr(self, place: Place) -> None:
        """What would go there is lost; the exit code stays what it is."""
        file = place.file("".join(map(line, THREE)))
        for redirection in ("2>&-", "2>/dev/full"):
            done = redirected(redirection, "show", NOBODYS, "--as", OURS, "--database", place.url)
            assert done.returncode == 1
            new = f"sqlite:///{place.directory}/{redirection[-4:].strip('/&>-')}.db"
            done = redirected(redirection, "import", file, "--database", new)
            assert (done.returncode, done.stdout) == (0, "3 Connections imported.\n")

    def test_all(self, people: People) -> None:
        place = people.source.database
        done = redirected("<&- >&- 2>&-", "create", "org_B", "--as", OURS, "--database", place)
        assert done.returncode == 5
        assert len(people.source.json("list")["data"]) == 1


class Failing(StringIO):
    """A stream that takes nothing."""

    def __init__(self, error: OSError) -> None:
        super().__init__()
        self._error = error

    def write(self, _: str, /) -> int:
        raise self._error


class TestMain:
    """The same in this process: `main` reports what the command line's library raises."""

    @pytest.mark.parametrize(
        ("error", "told"),
        [
            (OSError(errno.ENOSPC, "No space left on device"), f"{FULL}\n"),
            (BrokenPipeError(errno.EPIPE, "Broken pipe"), ""),
        ],
        ids=["full", "left"],
    )
    @pytest.mark.parametrize("arguments", [*EVERYTHING, ["--version"], []], ids=" ".join)
    def test_what_cannot_be_written(self, arguments: list[str], error: OSError, told: str) -> None:
        with (
            patch.dict(os.environ, environment(), clear=True),
            patch.object(sys, "argv", ["connect-core", *arguments]),
            redirect_stderr(StringIO()) as complained,
            redirect_stdout(Failing(error)),
            pytest.raises(SystemExit) as left,
        ):
            main()
        assert (left.value.code, complained.getvalue()) == (5, told)

    def test_a_stream_with_a_descriptor(self, place: Place) -> None:
        """What is left in its buffer is dropped, or it would fail again when it is closed."""
        place.add(THREE[0])  # few enough bytes to stay in the buffer
        with (
            Path("/dev/full").open("w") as full,
            redirect_stderr(StringIO()) as complained,
            redirect_stdout(full),
            pytest.raises(SystemExit) as left,
        ):
            cli.app(["export", "--database", place.url], prog_name="connect-core")
        assert (left.value.code, complained.getvalue()) == (5, f"{FULL}\n")

    def test_stderr_that_takes_nothing(self, people: People) -> None:
        with (
            patch.dict(os.environ, environment(), clear=True),
            redirect_stderr(Failing(OSError(errno.ENOSPC, "No space left on device"))),
            pytest.raises(SystemExit) as left,
        ):
            cli.app(["show", NOBODYS, "--as", OURS, "--database", people.source.database])
        assert left.value.code == 1

    def test_closed_streams(self, monkeypatch: pytest.MonkeyPatch) -> None:
        opened: list[str] = []

        def fstat(_: int) -> None:
            raise OSError(errno.EBADF, "Bad file descriptor")

        def opening(path: str, _: int) -> int:
            opened.append(path)
            return len(opened) - 1

        def stream(*_: object, **__: object) -> Failing:
            return Failing(OSError(errno.EBADF, "Bad file descriptor"))

        monkeypatch.setattr(sys, "argv", ["connect-core", "--version"])
        monkeypatch.setattr(os, "fstat", fstat)
        monkeypatch.setattr(os, "open", opening)
        monkeypatch.setattr(os, "fdopen", stream)
        monkeypatch.setattr(sys, "stdout", None)
        with redirect_stderr(StringIO()) as complained, pytest.raises(SystemExit) as left:
            main()
        monkeypatch.undo()
        assert (left.value.code, complained.getvalue()) == (5, f"{CLOSED}\n")
        assert opened[:3] == [os.devnull] * 3

    def test_an_error_about_a_file_is_not_hidden(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def failing(*_: object, **__: object) -> None:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", "some.json")

        monkeypatch.setattr(import_module("connect_core.adapters.cli"), "app", failing)
        with pytest.raises(FileNotFoundError):
            main()

    def test_no_file_takes_the_place_of_a_closed_stream(self) -> None:
        script = (
            "import os, sys; from connect_core.__main__ import main\n"
            "sys.argv = ['connect-core', '--version']\n"
            "try: main()\n"
            "except SystemExit: os._exit(os.open(os.devnull, os.O_RDONLY))\n"
        )
        done = subprocess.run(  # noqa: S603  # our own interpreter
            ["/bin/sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", sys.executable, "-c", script],
            check=False,
        )
        assert done.returncode >= 3
