"""``connect-core import`` and ``connect-core export``: files of Connections.

An export in JSON Lines has a Connection with its whole history on each line, and importing it
restores exactly that. A document without a history says what status a Connection has, but not how
it got there: the import then records the shortest way that the policy knows.
"""

import json
import os
import sys
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from shutil import copymode
from typing import TYPE_CHECKING, Annotated, BinaryIO, Final, TextIO

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

from connect_core import ConnectError, connection_document
from connect_core.adapters.cli.options import DatabaseOption, JsonOption, one_of
from connect_core.adapters.cli.output import console, shown, write, write_json
from connect_core.adapters.cli.reading import records
from connect_core.jsonapi import record_document

if TYPE_CHECKING:
    from connect_core.adapters.cli.loading import RecordProblem, Tally
    from connect_core.adapters.sql import History

# --- connect-core import -------------------------------------------------------------------------


def import_(
    file: Annotated[
        typer.FileBinaryRead,
        typer.Argument(metavar="FILE", help="A list document or JSON Lines; - for stdin."),
    ],
    skip_invalid: Annotated[
        bool, typer.Option("--skip-invalid", help="Skip bad records, and import the rest.")
    ] = False,
    database: DatabaseOption = "",
    as_json: JsonOption = False,
) -> None:
    """Import the Connections in a file: all, or none if one is bad.

    Every record is checked, and each bad one is reported with its line and its place.
    """
    tally = _import(file, database, skip_invalid=skip_invalid)
    kept = _is_kept(tally, skip_invalid=skip_invalid)
    imported = tally.added if kept else 0
    if as_json:
        write_json(_summary(tally, imported))
    elif tally.problems:
        write("\n".join(_complaints(tally)), err=True)
    if tally.broken is not None:
        write(f"Nothing was imported: the file is broken at line {tally.broken.line}.", err=True)
    elif not kept:
        advice = "Fix the file, or import the rest with --skip-invalid."
        write(f"Nothing was imported: {_counted(tally.bad, 'bad record')}. {advice}", err=True)
    elif tally.bad:
        write(f"{_counted(tally.bad, 'record')} skipped.", err=True)
    if kept and not as_json:
        write(f"{_counted(imported, 'Connection')} imported.")
    raise typer.Exit(0 if kept else 1)


def _import(file: BinaryIO, database: str, *, skip_invalid: bool) -> "Tally":
    """Import in one transaction, and commit it if the result is to be kept."""
    from sqlalchemy.exc import IntegrityError
    from sqlalchemy.orm import Session

    from connect_core.adapters.cli.database import opened, refuse
    from connect_core.adapters.cli.loading import load
    from connect_core.adapters.sql import SqlConnectionStore

    with opened(database) as engine, Session(engine) as session:
        try:
            with _progress(file) as advance:
                tally = load(records(file, advance), SqlConnectionStore(session))
        except ConnectError as error:
            refuse(error)
        except OSError as error:
            raise _unusable(file.name, error) from None
        except IntegrityError:
            write("Nothing was imported: somebody else added one of them meanwhile.", err=True)
            raise typer.Exit(1) from None
        if _is_kept(tally, skip_invalid=skip_invalid):
            session.commit()
        return tally


def _is_kept(tally: "Tally", *, skip_invalid: bool) -> bool:
    return tally.broken is None and (skip_invalid or not tally.bad)


@contextmanager
def _progress(file: BinaryIO) -> Generator[Callable[[int], None]]:
    """A progress bar on stderr, if that is a terminal; call it with a number of bytes."""
    if not sys.stderr.isatty():  # whether it has colours or not
        yield lambda _: None
        return
    columns = BarColumn(), DownloadColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console(err=True), transient=True) as bar:
        task = bar.add_task("", total=_size(file))
        yield lambda size: bar.advance(task, size)


def _size(file: BinaryIO) -> int | None:
    """The number of bytes to read, if it is known."""
    try:
        return os.fstat(file.fileno()).st_size or None
    except OSError:
        return None


def _complaints(tally: "Tally") -> Iterator[str]:
    for problem in tally.problems:
        yield _in_words(problem)
    if tally.more_problems:
        yield f"and {_counted(tally.more_problems, 'more problem')}"


def _in_words(problem: "RecordProblem") -> str:
    place = f", {problem.pointer}" if problem.pointer else ""
    return shown(f"line {problem.line}{place}: {problem.detail}")


def _summary(tally: "Tally", imported: int) -> dict[str, object]:
    return {
        "imported": imported,
        "bad": tally.bad,
        "problems": [problem._asdict() for problem in tally.problems],
        "more_problems": tally.more_problems,
    }


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


# --- connect-core export -------------------------------------------------------------------------


def _json_lines(histories: "Iterable[History]") -> Iterator[str]:
    for connection, events in histories:
        yield _compact(record_document(connection, events)) + "\n"


def _list(histories: "Iterable[History]") -> Iterator[str]:
    before = '{"data": [\n'
    for connection, _ in histories:
        yield before + _compact(connection_document(connection)["data"])
        before = ",\n"
    yield ("" if before == ",\n" else before) + '\n], "links": {"prev": null, "next": null}}\n'


def _compact(value: object) -> str:
    """JSON on one line and in ASCII, which every program can read."""
    return json.dumps(value, separators=(",", ":"))


_FORMATS: Final = {"jsonl": _json_lines, "list": _list}


def export(
    file: Annotated[
        str, typer.Argument(metavar="[FILE]", help="Where to write; - for stdout.")
    ] = "-",
    format: Annotated[
        str, one_of(_FORMATS, "JSON Lines with histories, or one JSON:API list document.")
    ] = "jsonl",
    database: DatabaseOption = "",
) -> None:
    """Export every Connection, for import."""
    from sqlalchemy.orm import Session

    from connect_core.adapters.cli.database import opened, refuse, seeing_one_state
    from connect_core.adapters.sql import SqlConnectionStore

    with opened(database) as engine, Session(seeing_one_state(engine)) as session:
        try:
            with _target(file) as out:
                out.writelines(_FORMATS[format](SqlConnectionStore(session).everything()))
        except ConnectError as error:
            refuse(error)


@contextmanager
def _target(file: str) -> Generator[TextIO]:
    """Where to write. A file appears, or replaces an older one, only when it is complete."""
    try:
        if file == "-":
            yield sys.stdout
            sys.stdout.flush()
            return
        path = Path(os.path.realpath(file))
        if path.exists() and not path.is_file():  # a device or a pipe cannot be replaced
            with path.open("w", encoding="ascii", newline="\n") as out:
                yield out
            return
        part = path.with_name(f".{token_hex(8)}.part")
        try:
            with part.open("x", encoding="ascii", newline="\n") as out:
                if path.exists():
                    copymode(path, part)
                yield out
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        if file == "-" and isinstance(error, BrokenPipeError):
            raise  # nobody reads any further, which is not an error
        raise _unusable(file, error) from None


def _unusable(file: str, error: OSError) -> typer.BadParameter:
    """The error that says why a file cannot be used."""
    return typer.BadParameter(f"{file!r}: {error.strerror}.", param_hint="'FILE'")
