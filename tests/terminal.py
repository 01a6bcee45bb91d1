"""Runs the command line for tests: in this process, which is fast, or in one of its own.

Variables of the developer's shell that would change the output are removed, and there is no
data directory to write to unless a test provides one.
"""

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stderr, redirect_stdout
from functools import cache
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any, TextIO
from unittest.mock import patch

import pytest
from typer.main import get_command

from connect_core.adapters import cli

#: The variables that affect colour, width, encoding and help, besides `OURS`.
_DECISIVE = {
    "FORCE_COLOR",
    "GITHUB_ACTIONS",
    "NO_COLOR",
    "PY_COLORS",
    "TTY_COMPATIBLE",
    "TTY_INTERACTIVE",
    "TYPER_USE_RICH",
}
#: The prefix of our own variables.
_OURS = ("CONNECT_CORE_", "_CONNECT_CORE_")
#: The variables that every test sets. Nothing can be created below /dev/null.
_GIVEN = {
    "COLUMNS": "80",
    "HOME": "/dev/null",
    "PYTHONIOENCODING": "utf-8",
    "TERM": "xterm-256color",
    "XDG_DATA_HOME": "/dev/null",
}


def environment(**variables: str) -> dict[str, str]:
    """This process's environment without variables that affect the output, plus these."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in _DECISIVE and not name.startswith(_OURS)
    }
    return {**kept, **_GIVEN, **variables}


# --- In this process -----------------------------------------------------------------------------


def outcome(*arguments: str, stdin: bytes = b"", **variables: str) -> tuple[int, str, str]:
    """The exit code, and what the command writes to stdout and to stderr."""
    encoding = environment(**variables)["PYTHONIOENCODING"]
    with _stream(encoding) as out, _stream("utf-8") as err:
        code = _run(arguments, variables, out, err, stdin)
        return code, _written(out), _written(err)


def _stream(encoding: str, content: bytes = b"") -> TextIOWrapper:
    """A stream like those of a process; in UTF-8 it rejects lone surrogates."""
    return TextIOWrapper(BytesIO(content), encoding=encoding, newline="\n")


def _written(stream: TextIO) -> str:
    stream.seek(0)
    return stream.read()


def _run(
    arguments: Sequence[str],
    variables: dict[str, str],
    out: TextIO,
    err: TextIO,
    stdin: bytes = b"",
) -> int:
    """Run the command with these streams; return the exit code."""
    # Not Typer's CliRunner: whether it separates stdout from stderr depends on Click's version.
    with (
        _stream("utf-8", stdin) as read,
        patch.dict(os.environ, environment(**variables), clear=True),
        patch.object(sys, "stdin", read),
        redirect_stdout(out),
        redirect_stderr(err),
        pytest.raises(SystemExit) as left,
    ):
        _command_line()(arguments, prog_name="connect-core")
    assert isinstance(left.value.code, int)
    return left.value.code


@cache
def _command_line() -> Callable[..., Any]:
    """The Click command that `cli.app` builds on each call, built once: it takes half the time."""
    return get_command(cli.app)


def on_a_terminal(*arguments: str, columns: int = 80, **variables: str) -> str:
    """What the command writes to a terminal of this width."""
    sized = {"COLUMNS": str(columns), **variables}
    with _stream("utf-8") as err:
        return _shown(lambda terminal: _run(arguments, sized, terminal, err))


def with_a_terminal(*arguments: str, stdin: bytes = b"") -> tuple[str, str]:
    """What the command writes to stdout, which is no terminal, and to stderr, which is one."""
    with _stream("utf-8") as out:
        shown = _shown(lambda terminal: _run(arguments, {}, out, terminal, stdin))
        return _written(out), shown


def _shown(write: Callable[[TextIO], object]) -> str:
    """What is written to a terminal."""
    leader, follower = pty.openpty()
    with ThreadPoolExecutor() as pool, os.fdopen(leader, "rb", buffering=0):
        shown = pool.submit(_read_to_the_end, leader)
        with os.fdopen(follower, "w", encoding="utf-8") as terminal:
            write(terminal)
        return shown.result().replace("\r\n", "\n")


def _read_to_the_end(terminal: int) -> str:
    written = b""
    try:
        while chunk := os.read(terminal, 65536):
            written += chunk
    except OSError:  # a terminal raises this when the other end is closed
        pass
    return written.decode()


def run(*arguments: str, code: int = 0, stdin: bytes = b"", **variables: str) -> str:
    """What the command writes to stdout; nothing goes to stderr."""
    exit_code, written, complained = outcome(*arguments, stdin=stdin, **variables)
    assert (exit_code, complained) == (code, "")
    return written


def run_json(*arguments: str, code: int = 0, stdin: bytes = b"", **variables: str) -> Any:
    """The same as JSON, after checking that it is formatted as the standard library does it."""
    return _json(run(*arguments, "--json", code=code, stdin=stdin, **variables))


def _json(written: str) -> Any:
    value = json.loads(written)
    assert written == json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    return value


def refusal(*arguments: str, stdin: bytes = b"", **variables: str) -> str:
    """What the command says on stderr when it is refused; nothing goes to stdout."""
    exit_code, written, complained = outcome(*arguments, stdin=stdin, **variables)
    assert (exit_code, written) == (1, "")
    return complained


def refusal_json(*arguments: str, stdin: bytes = b"", **variables: str) -> Any:
    """The same as JSON."""
    return _json(refusal(*arguments, "--json", stdin=stdin, **variables))


def complaint(*arguments: str, stdin: bytes = b"", **variables: str) -> str:
    """What the command says on stderr about wrong usage; nothing goes to stdout."""
    exit_code, written, complained = outcome(*arguments, stdin=stdin, **variables)
    assert (exit_code, written) == (2, "")
    assert complained.startswith("Usage: connect-core")
    return complained


# --- Text without formatting --------------------------------------------------------------------


def decoloured(text: str) -> str:
    """The text without escape codes and without trailing spaces."""
    plain = re.sub(r"\x1b\[[\d;]*m", "", text)
    return "".join(f"{line.rstrip()}\n" for line in plain.splitlines())


def squeezed(text: str) -> str:
    """The text without its line breaks and alignment."""
    return " ".join(text.split())


# --- In a process of its own ---------------------------------------------------------------------


def command(*arguments: str) -> list[str]:
    """The command line that runs the command in a process of its own."""
    return [sys.executable, "-W", "error", "-m", "connect_core", *arguments]


def script() -> Path:
    """The path of the installed command."""
    return Path(sys.executable).with_name("connect-core")


def piped(*arguments: str, **variables: str) -> "subprocess.CompletedProcess[bytes]":
    """Run the command in a process of its own, with its output in pipes."""
    return process(command(*arguments), **variables)


def process(
    arguments: Sequence[str | Path], **variables: str
) -> "subprocess.CompletedProcess[bytes]":
    """Run a process in our `environment`, with its output in pipes."""
    return subprocess.run(  # noqa: S603  # our own commands
        arguments,
        env=environment(**variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )


def seeded(seed: int, commands: Sequence[Sequence[str]], **variables: str) -> str:
    """What the commands write, run in turn by one process with this hash seed."""
    done = process(
        [sys.executable, "-W", "error", "-c", _ONE_AFTER_ANOTHER, json.dumps(commands)],
        PYTHONHASHSEED=str(seed),
        **variables,
    )
    assert done.returncode == 0
    return done.stdout.decode() + done.stderr.decode()


_ONE_AFTER_ANOTHER = """\
import json, sys
from connect_core.adapters.cli import app

for arguments in json.loads(sys.argv[1]):
    try:
        app(arguments, prog_name="connect-core")
    except SystemExit as left:
        print(left.code)
"""
