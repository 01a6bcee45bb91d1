"""The files that commands read and write.

None that is written is left half written, and none replaces what is to be kept.
"""

import os
import sys
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from shutil import copymode
from typing import BinaryIO, TextIO

import typer

from connect_core.adapters.cli.output import drop_the_rest, shown, unwritten

#: Writes a text, or bytes; not both to one file.
Write = Callable[[str | bytes], None]


def _whatever(_: Path) -> None:
    """The older file is not looked at."""


@contextmanager
def target(
    file: str, *, before_replacing: Callable[[Path], None] = _whatever, hint: str = "'FILE'"
) -> Generator[Write]:
    """The function that writes to a file, in UTF-8.

    A plain file appears, or replaces an older one, when it is complete and on the disk; until then
    it stands beside its target. Symbolic links are followed. Anything else is written to as it is:
    ``-``, which is stdout, a descriptor of this process such as ``/dev/stdout``, a named pipe, a
    device.

    Args:
        file: the path.
        before_replacing: called with the path of the older file when the new one is complete. What
            it raises keeps the older one.
        hint: the argument or option that names the file.

    Raises:
        typer.BadParameter: the file cannot be opened, or moved into place.
        typer.Exit: with `UNWRITTEN`, if it cannot be written; stderr says so.
    """
    if file == "-":
        yield from _to_stdout()
        return
    path, number = _real(file), descriptor_of(file)
    part = out = None
    try:
        try:
            if number is not None:
                out = os.fdopen(os.dup(number), "w", encoding="utf-8", newline="\n")
            elif path.exists() and not path.is_file():
                out = path.open("w", encoding="utf-8", newline="\n")
            else:
                part = path.with_name(f".{token_hex(8)}.part")
                out = part.open("x", encoding="utf-8", newline="\n")
                if path.exists():
                    copymode(path, part)
        except OSError as error:
            raise unusable(file, error, hint) from None
        yield _writer(out, file)
        with _told(out, file):
            out.flush()
            if part is not None:
                os.fsync(out.fileno())
        if part is not None:
            _move(part, path, file, before_replacing, hint)
    finally:  # also if a signal comes while the file is being opened
        if out is not None:
            with suppress(OSError):  # about what could not be written before
                out.close()
        if part is not None:
            with suppress(OSError):  # it was moved, or could not be opened
                part.unlink()


class Source:
    """A file that is being read; `source` opens it.

    Attributes:
        size: how many bytes it has, if that is known.
    """

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file = file
        self._name = name
        try:
            self.size = os.fstat(file.fileno()).st_size or None
        except OSError:  # a stream without a descriptor
            self.size = None

    def read(self, size: int, /) -> bytes:
        """The next bytes, at most `size`; none at the end.

        Raises:
            typer.BadParameter: it cannot be read.
        """
        try:
            return self._file.read(size)
        except OSError as error:
            raise unusable(self._name, error) from None


@contextmanager
def source(file: str) -> Generator[Source]:
    """The file to read from; ``-`` is stdin.

    Raises:
        typer.BadParameter: it cannot be opened.
    """
    if file == "-":
        if sys.stdin is None:  # pyright: ignore[reportUnnecessaryComparison]  # it was closed
            raise unusable("-", "stdin is closed")
        yield Source(sys.stdin.buffer, file)
        return
    try:
        opened = Path(file).open("rb")  # noqa: SIM115  # closed below
    except OSError as error:
        raise unusable(file, error) from None
    with opened:
        yield Source(opened, file)


def is_one_of(file: str, others: Iterable[Path]) -> bool:
    """Whether to write to a file is to write to one of the others, whatever its path."""
    number = 1 if file == "-" else descriptor_of(file)
    try:
        found = Path(file).stat() if number is None else os.fstat(number)
    except OSError:  # it does not exist yet
        found = None
    for other in others:
        if _real(other) == _real(file):
            return True
        with suppress(OSError):
            if found is not None and os.path.samestat(found, other.stat()):
                return True
    return False


def unusable(file: str, error: OSError | str, hint: str = "'FILE'") -> typer.BadParameter:
    """The error that says why a file cannot be used."""
    reason = error if isinstance(error, str) else error.strerror
    return typer.BadParameter(f"{shown(file)!r}: {reason}.", param_hint=hint)


def descriptor_of(file: str) -> int | None:
    """The descriptor of this process that a path names, also through symbolic links."""
    directories = [_real("/dev/fd"), _real("/proc/self/fd")]
    path = Path.cwd() / file
    for _ in range(40):  # as many links as Linux follows
        directory = _real(path.parent)
        if directory in directories and path.name.isdecimal():
            return int(path.name)
        if not path.is_symlink():
            break
        path = directory / path.readlink()
    return None


def _real(path: str | Path) -> Path:
    """The path without symbolic links. Unlike `Path.resolve`, this takes links in a circle."""
    return Path(os.path.realpath(path))


def _to_stdout() -> Generator[Write]:
    yield _writer(sys.stdout, "stdout")
    with _told(sys.stdout, "stdout"):
        sys.stdout.flush()


def _writer(out: TextIO, file: str) -> Write:
    def write(content: str | bytes) -> None:
        with _told(out, file):
            if isinstance(content, bytes):
                out.buffer.write(content)
            else:
                out.write(content)

    return write


@contextmanager
def _told(out: TextIO, file: str) -> Generator[None]:
    """Tell on stderr what the operating system says against writing to a file."""
    try:
        yield
    except OSError as error:
        if out is sys.stdout:
            drop_the_rest(out)
        raise unwritten(shown(file), error) from None


def _move(
    part: Path, path: Path, file: str, before_replacing: Callable[[Path], None], hint: str
) -> None:
    try:
        if path.exists():
            before_replacing(path)
        part.replace(path)
    except OSError as error:
        raise unusable(file, error, hint) from None
