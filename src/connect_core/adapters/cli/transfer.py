"""``connect-core import`` and ``connect-core export``: files of Connections.

An export in JSON Lines has a Connection with its whole history on each line, and importing it
restores exactly that. A document without a history says what status a Connection has, but not how
it got there: the import then records the shortest way that the policy knows.
"""

import json
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

from connect_core import (
    Connection,
    ConnectionEvent,
    InvalidDocumentError,
    InvalidRecordError,
    Role,
    connection_document,
)
from connect_core.adapters.cli.files import Source, is_one_of, source, target, unusable
from connect_core.adapters.cli.options import DatabaseOption, JsonOption, one_of
from connect_core.adapters.cli.output import (
    console,
    is_terminal,
    shown,
    unwritten,
    write,
    write_json,
)
from connect_core.adapters.cli.reading import BrokenFileError, Found, records
from connect_core.adapters.cli.signals import cleaning_up
from connect_core.jsonapi import PlainRecord, load_json, parse_record, record_document

if TYPE_CHECKING:
    from sqlalchemy.exc import DBAPIError

    from connect_core.adapters.cli.loading import RecordProblem, Tally
    from connect_core.adapters.sql import SqlConnectionStore
    from connect_core.adapters.sql.histories import Streamed

# --- connect-core import -------------------------------------------------------------------------


def import_(
    file: Annotated[
        str,
        typer.Argument(metavar="FILE", help="A list document or JSON Lines; - for stdin."),
    ],
    skip_invalid: Annotated[
        bool, typer.Option("--skip-invalid", help="Skip bad records, and import the rest.")
    ] = False,
    skip_existing: Annotated[
        bool,
        typer.Option(
            "--skip-existing", help="Skip Connections that exist, and leave them as they are."
        ),
    ] = False,
    database: DatabaseOption = "",
    as_json: JsonOption = False,
) -> None:
    """Import the Connections in a file: all, or none if one is bad.

    Every record is checked, and each bad one is reported with its line and its place. One whose id
    or ordered pair is taken is bad; with --skip-existing, only if another Connection has it.
    """
    tally = _import(file, database, skip_invalid=skip_invalid, skip_existing=skip_existing)
    kept = _is_kept(tally, skip_invalid=skip_invalid)
    imported = tally.added if kept else 0
    done = f"{_counted(imported, 'Connection')} imported"
    if as_json:
        write_json(_summary(tally, imported), done=done)
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
        reason = "it exists" if tally.existing == 1 else "they exist"
        skipped = f", {tally.existing} skipped because {reason}" if tally.existing else ""
        write(f"{_counted(imported, 'Connection')} imported{skipped}.", done=done)
    raise typer.Exit(0 if kept else 1)


def _import(file: str, database: str, *, skip_invalid: bool, skip_existing: bool) -> "Tally":
    """Import in one transaction, and commit it if the result is to be kept.

    Another transaction sees which Connections existed before.
    """
    from sqlalchemy.exc import DBAPIError
    from sqlalchemy.orm import Session

    from connect_core.adapters.cli.database import opened, say_what_is_new
    from connect_core.adapters.cli.loading import analyze, load
    from connect_core.adapters.sql import SqlConnectionStore

    with (
        source(file) as found,
        opened(database, changes=True, on_creation=say_what_is_new) as engine,
        Session(engine) as session,
        Session(engine.execution_options(only_reads=True)) as before,
    ):
        skipping = [_stored_in(SqlConnectionStore(before))] if skip_existing else []
        try:
            with _progress(found) as advance:
                tally = load(records(found, advance), SqlConnectionStore(session), *skipping)
        except OSError as error:
            raise unwritten("a temporary file", error) from None
        except DBAPIError as error:
            if not _is_taken(error):  # the database says why it refuses a row
                raise
            write("Nothing was imported: somebody else added one of them meanwhile.", err=True)
            raise typer.Exit(1) from None
        if _is_kept(tally, skip_invalid=skip_invalid):
            session.commit()
            analyze(engine)
        return tally


def _stored_in(store: "SqlConnectionStore") -> Callable[[Connection], bool]:
    """Whether `store` has the same Connection: the same id for the same ordered pair.

    Give a store that does not see what is being added: a record that occurs twice in a file does
    not exist for that reason.
    """

    def exists(connection: Connection) -> bool:
        try:
            found = store.get(connection.id)
        except InvalidRecordError:  # nobody knows which Connection it was
            return False
        return found is not None and all(
            found.organization_of(role) == connection.organization_of(role) for role in Role
        )

    return exists


def _is_kept(tally: "Tally", *, skip_invalid: bool) -> bool:
    return tally.broken is None and (skip_invalid or not tally.bad)


def _is_taken(error: "DBAPIError") -> bool:
    """Whether another Connection, which cannot be seen, has the id or the ordered pair.

    PostgreSQL then says that the transactions cannot be serialized, and MariaDB names the key. The
    host's own triggers and constraints refuse rows with the same classes of error.
    """
    from connect_core.adapters.sql.sessions import violated

    if getattr(error.orig, "sqlstate", None) == "40001":
        return True
    key = violated(error.orig)
    is_connection = (error.statement or "").startswith("INSERT INTO connections ")
    return "uq_connections_ordered_pair" in key or ("PRIMARY" in key and is_connection)


@contextmanager
def _progress(file: Source) -> Generator[Callable[[int], None]]:
    """A progress bar on stderr, if that is a terminal; call it with a number of bytes."""
    if not is_terminal(sys.stderr):  # whether it has colours or not
        yield lambda _: None
        return
    columns = BarColumn(), DownloadColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console(err=True), transient=True) as bar:
        task = bar.add_task("", total=file.size)
        yield lambda size: bar.advance(task, size)


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
        "existing": tally.existing,
        "bad": tally.bad,
        "problems": [problem._asdict() for problem in tally.problems],
        "more_problems": tally.more_problems,
    }


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


# --- connect-core export -------------------------------------------------------------------------


#: How many events are written at a time.
_BATCH: Final = 1000
#: How many characters of a record are held; those of a longer one are written to a temporary file.
_HELD: Final = 1 << 20
#: How many of the records that are left out are named.
_MOST_NAMED: Final = 100


def _line(connection: Connection, events: Iterator[ConnectionEvent]) -> Iterator[str]:
    """The line of a Connection, in pieces."""
    end = "]}}"
    start = _compact(record_document(connection, ())).removesuffix(end)
    yield start
    before = ""
    while batch := tuple(islice(events, _BATCH)):
        yield before + _compact(record_document(connection, batch))[len(start) : -len(end)]
        before = ","
    yield end + "\n"


def _element(connection: Connection, events: Iterator[ConnectionEvent]) -> Iterator[str]:
    """The element of a list, which has no history, but the history is checked."""
    deque(events, maxlen=0)
    yield _compact(connection_document(connection)["data"])


def _compact(value: object) -> str:
    """JSON on one line and in ASCII, which every program can read."""
    return json.dumps(value, separators=(",", ":"))


def _plain_line(record: PlainRecord) -> str:
    return record.line() + "\n"


def _plain_element(record: PlainRecord) -> str:
    return record.resource


class _Format(NamedTuple):
    """How a record is written, and what comes before the first, between two and after the last."""

    record: Callable[[Connection, Iterator[ConnectionEvent]], Iterator[str]]
    plain: Callable[[PlainRecord], str]
    before: str = ""
    between: str = ""
    after: str = ""


FORMATS: Final = {
    "jsonl": _Format(_line, _plain_line),
    "list": _Format(
        _element,
        _plain_element,
        '{"data": [\n',
        ",\n",
        '\n], "links": {"prev": null, "next": null}}\n',
    ),
}


class _LeftOut:
    """Names the records that are left out.

    Attributes:
        number: how many there are.
    """

    def __init__(self) -> None:
        self.number = 0

    def __call__(self, error: InvalidRecordError) -> None:
        self.number += 1
        if self.number <= _MOST_NAMED:
            write(shown(f"{error.record}: {error.reason}"), err=True)

    def sum_up(self) -> None:
        """Say how many they were."""
        more = self.number - _MOST_NAMED
        if more > 0:
            write(f"and {_counted(more, 'more record')}", err=True)
        if self.number:
            write(f"{_counted(self.number, 'record')} skipped.", err=True)


def _require_enough(older: Path, number: int) -> None:
    """Refuse to replace a file that has more than this number of records, or is no export.

    Raises:
        typer.Exit: with 1; stderr says why.
        OSError: it cannot be read.
    """
    before = _number_of_records(older)
    if before is None:
        reason = "is no export"
    elif before > number:
        reason = f"has {_counted(before, 'record')}, and this export has {number}"
    else:
        return
    write(f"{shown(str(older))} {reason}. It stays as it is; --force replaces it.", err=True)
    raise typer.Exit(1)


def _number_of_records(file: Path) -> int | None:
    """How many records a file has; None if it is no export."""
    number = 0
    with file.open("rb") as opened:
        try:
            for number, found in enumerate(records(opened), 1):
                if number == 1 and isinstance(found, Found):
                    parse_record(*load_json(found.text))
        except (BrokenFileError, InvalidDocumentError):
            return None
    return number


def _unskipped(error: InvalidRecordError) -> None:
    raise error


class Pieces:
    """What an export writes, in pieces. A record is held back until its last event is checked.

    Attributes:
        records: how many records are among the pieces so far.
    """

    def __init__(
        self,
        form: _Format,
        found: "Iterable[PlainRecord | Streamed]",
        unreadable: Callable[[InvalidRecordError], None],
    ) -> None:
        self.records = 0
        self._form = form
        self._found = found
        self._unreadable = unreadable

    def __iter__(self) -> Iterator[str]:
        yield self._form.before
        with SpooledTemporaryFile(_HELD, "w+", encoding="ascii", newline="\n") as record:
            for found in self._found:
                if isinstance(found, PlainRecord):
                    yield (self._form.between if self.records else "") + self._form.plain(found)
                    self.records += 1
                    continue
                connection, events = found
                record.seek(0)
                record.truncate()
                try:
                    for piece in self._form.record(connection, events):
                        record.write(piece)  # one by one: `writelines` would hold them all
                except InvalidRecordError as error:
                    self._unreadable(error)
                    continue
                record.seek(0)
                yield self._form.between if self.records else ""
                while piece := record.read(_HELD):
                    yield piece
                self.records += 1
        yield self._form.after


def export(
    file: Annotated[
        str, typer.Argument(metavar="[FILE]", help="Where to write; - for stdout.")
    ] = "-",
    format: Annotated[
        str, one_of(FORMATS, "JSON Lines with histories, or one JSON:API list document.")
    ] = "jsonl",
    skip_invalid: Annotated[
        bool, typer.Option("--skip-invalid", help="Skip unreadable records, and export the rest.")
    ] = False,
    force: Annotated[
        bool,
        typer.Option("--force", help="Replace FILE even if it has more records, or is no export."),
    ] = False,
    database: DatabaseOption = "",
) -> None:
    """Export every Connection, for import.

    It ends at the first stored record that is not what was written, and leaves an older FILE as it
    was.
    """
    from sqlalchemy.orm import Session

    from connect_core.adapters.cli.database import files_of, opened, seeing_one_state
    from connect_core.adapters.sql import SqlConnectionStore

    left_out = _LeftOut()
    unreadable = left_out if skip_invalid else _unskipped
    with cleaning_up(), opened(database) as engine, Session(seeing_one_state(engine)) as session:
        if is_one_of(file, files_of(engine)):
            raise unusable(file, "it is part of the database")
        found = SqlConnectionStore(session).plain_records(on_unreadable=unreadable)
        pieces = Pieces(FORMATS[format], found, unreadable)

        def require_enough(older: Path) -> None:
            if not force:
                _require_enough(older, pieces.records)

        try:
            with target(file, before_replacing=require_enough) as write_to:
                for piece in pieces:
                    write_to(piece)
        except InvalidRecordError as error:
            write(shown(str(error)), "Mend it, or export the rest with --skip-invalid.", err=True)
            raise typer.Exit(1) from None
        except OSError as error:
            raise unwritten("a temporary file", error) from None
    left_out.sum_up()
