"""The output of the commands: tables and decisions for people, and JSON.

Text is wrapped to 80 columns, or to the terminal if it is narrower. Only a table of records may be
as wide as the terminal. No word is broken, so that ids can be copied; a line is longer only if one
word on it is. A name is broken where it has to be.
"""

import json
import os
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from typing import IO, Final, NamedTuple, TextIO, cast

import typer
from rich import box
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from connect_core import (
    Connection,
    ConnectionEvent,
    Decision,
    Denial,
    Role,
    Step,
    connection_document,
    steps_to,
)
from connect_core.text import visible

#: The exit code if the answer, or a file, could not be written.
UNWRITTEN: Final = 5
#: To how many columns text is wrapped, however wide the terminal is.
_WIDEST: Final = 80
#: To how many columns the text beside a label is wrapped, however narrow the terminal is.
_NARROWEST: Final = 10
#: How many columns there are between two columns of a table.
_GAP: Final = 2


def console(*, err: bool = False) -> Console:
    """A console for the current stdout or stderr. It never reads text as markup."""
    found = _uncapped(err=err)
    found.width = min(found.width, _WIDEST)
    return found


def _uncapped(*, err: bool = False) -> Console:
    return Console(stderr=err, markup=False, highlight=False, emoji=False)


def write(*parts: RenderableType, err: bool = False, done: str = "") -> None:
    """Write the parts with a blank line between them, without the spaces that Rich pads with.

    Args:
        parts: what Rich can render.
        err: whether it goes to stderr.
        done: what the command has changed, in a sentence without a full stop. Empty if nothing.

    Raises:
        typer.Exit: as `write_text`.
    """
    out = console(err=err)
    out.file = cast("TextIO", _Untouched(out.file))
    with out.capture() as written:
        for part in parts:
            out.print(unbroken(part), crop=False)
            out.line()
    lines = [line.rstrip() for line in written.get().rstrip().split("\n")]
    text = "\n".join(lines).encode(out.encoding, "backslashreplace").decode(out.encoding)
    write_text(text, err=err, done=done)


class _Untouched:
    """A stream to ask about, but not to write to.

    Rich flushes a stream also when it has captured the text, and ends the process if that fails.
    """

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)

    def write(self, _: str) -> None:
        """Write nothing."""

    def flush(self) -> None:
        """Flush nothing."""


def json_text(value: object) -> str:
    """JSON for people and programs; in ASCII only if stdout accepts nothing else."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    try:
        text.encode(console().encoding)
    except UnicodeEncodeError:
        return json.dumps(value, indent=2)
    return text


def write_json(value: object, *, err: bool = False, done: str = "") -> None:
    """Write JSON without Rich: the same on every terminal, not wrapped and not coloured."""
    write_text(json_text(value), err=err, done=done)


def write_text(text: str, *, err: bool = False, done: str = "") -> None:
    """Write a text as it is, and a line break; `write` and `write_json` end here.

    What cannot be written to stderr is lost: nobody is there to be told.

    Raises:
        typer.Exit: with `UNWRITTEN`, if stdout does not take it; stderr says what was done.
    """
    try:
        typer.echo(text, err=err, color=True)  # unchanged: Rich has decided about the colour
    except OSError as error:
        if not err:
            drop_the_rest(sys.stdout)
            raise unwritten("stdout", error, done=done) from None


def unwritten(file: str, error: OSError, *, done: str = "") -> typer.Exit:
    """Say on stderr that a file could not be written; return the exception to raise.

    A reader of stdout that leaves before the end, as ``head`` does, has what it wants: unless the
    command has changed something, nothing is said.

    Args:
        file: what could not be written; ``stdout`` is one.
        error: why.
        done: as for `write`.
    """
    if done or file != "stdout" or not isinstance(error, BrokenPipeError):
        changed = f"{done}. " if done else ""
        write(f"{changed}Could not write to {file}: {error.strerror}.", err=True)
    return typer.Exit(UNWRITTEN)


def drop_the_rest(stream: TextIO) -> None:
    """Let the interpreter, which writes what is left when it ends, write it nowhere."""
    with suppress(OSError):  # a stream without a descriptor
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def is_terminal(stream: TextIO | None) -> bool:
    """Whether it is a terminal; None is a stream that was closed when the process began."""
    return stream is not None and stream.isatty()


def either(text: str, plain: str) -> str:
    """`text`, or `plain` if stdout accepts only ASCII."""
    return plain if console().options.ascii_only else text


def shown(text: str) -> str:
    """Text from outside, made safe for people to read.

    Characters that nobody would see, or that stdout does not accept, are escaped before anything is
    fitted into 80 columns.
    """
    encoding = console().encoding
    return visible(text).encode(encoding, "backslashreplace").decode(encoding)


def tabular(*headers: str) -> Table:
    """A table with an underlined header. Text that does not fit is wrapped, never cut off."""
    padding = (0, _GAP - 1, 0, 0)
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=padding)
    for header in headers:
        table.add_column(header, overflow="fold")
    return table


_STYLES: Final = {"allowed": "bold green", "denied": "bold red"}


class _Unbroken(NamedTuple):
    """Text of which no word is broken; a longer one makes its line longer."""

    text: str | Text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield from _lines(self.text, console, options.max_width)


def unbroken(part: RenderableType) -> RenderableType:
    """What is given; of text, no word is broken."""
    return _Unbroken(part) if isinstance(part, str | Text) else part


def _lines(text: str | Text, console: Console, width: int) -> Iterator[Text]:
    """The lines of a text. No word is broken, unless the text itself asks for that."""
    whole = Text(text) if isinstance(text, str) else text.copy()
    whole.overflow = whole.overflow or "ignore"
    yield from map(_line, whole.wrap(console, width))


def _line(*parts: Text) -> Text:
    """A line that nobody wraps again."""
    return Text.assemble(*parts, no_wrap=True, overflow="ignore")


class _Labelled(NamedTuple):
    """Labels on the left and texts on the right, each wrapped by itself; at least one of them."""

    rows: Sequence[tuple[str, str | Text]]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        indent = max(len("to active"), max(len(label) for label, _ in self.rows)) + _GAP
        width = max(options.max_width - indent, _NARROWEST)
        for label, text in self.rows:
            start = Text.assemble((label, _STYLES.get(label, "dim")), " " * (indent - len(label)))
            for line in _lines(text, console, width):
                yield _line(start, line)
                start = Text(" " * indent)


def labelled(rows: Iterable[tuple[str, str | Text]]) -> RenderableType:
    """Labels on the left and texts on the right."""
    return _Labelled(tuple(rows))


class _Within(NamedTuple):
    """Something that is as wide as this at most, however wide the console is."""

    content: RenderableType
    width: int

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield from console.render(self.content, options.update_width(self.width))


def table_or_blocks(
    table: Table, blocks: Iterable[RenderableType], *, least: int, wide: bool = True
) -> Sequence[RenderableType]:
    """A table of records, or a block for each record if the table does not fit.

    Args:
        table: the table. Its columns stay whole, except for the last one, which is wrapped.
        blocks: the same records, one by one.
        least: the fewest columns of the last one in which no id is broken.
        wide: whether the table may be as wide as the terminal.
    """
    out = _uncapped()
    width = out.width if wide and is_terminal(sys.stdout) else min(out.width, _WIDEST)
    *whole, _ = table.columns
    needed = least
    for column in whole:
        column.no_wrap = True
        needed += _GAP + max(out.measure(cell).maximum for cell in (column.header, *column.cells))
    return [_Within(table, width)] if needed <= width else list(blocks)


def instant(at: datetime) -> str:
    """A time in UTC for people to read."""
    return f"{at:%Y-%m-%d %H:%M:%S}"


# --- Decisions -----------------------------------------------------------------------------------


def who(roles: Collection[Role]) -> str:
    """The roles in one word."""
    return "both" if len(roles) > 1 else next(iter(roles), "outsider")


def reasons(denials: Iterable[Denial]) -> str:
    """The denials in words: ``wrong role, wrong status``."""
    return ", ".join(denials).replace("_", " ")


def way(steps: Iterable[Step], connection: Connection | None) -> str:
    """Who must do what, one line per step; with the organizations' ids if `connection` is given."""
    return "\n".join(
        f"{step}{_ids(step.roles, connection)}: {step.before} -> {step.after}" for step in steps
    )


def _ids(roles: Collection[Role], connection: Connection | None) -> str:
    """The organizations that hold the roles, in the order in which a step names the roles."""
    if connection is None:
        return ""
    holders = [connection.organization_of(role) for role in Role if role in roles]
    return f" ({', '.join(dict.fromkeys(holders))})"


def answer(decision: Decision, tick: str) -> Text:
    """The status that the action leads to, or the first reason why it is denied."""
    if decision:
        return Text(f"{tick} {decision.target}", "green")
    return Text(reasons(decision.denials[:1]), "dim")


def verdict(decision: Decision, connection: Connection | None = None) -> RenderableType:
    """A decision with its reasons and, for a `connection`, the steps that make it active."""
    return labelled(_lines_about(decision, connection))


def _lines_about(decision: Decision, connection: Connection | None) -> Iterator[tuple[str, str]]:
    """Everything to say about a decision, as labels and texts."""
    if decision:
        yield "allowed", decision.explanation
        return
    yield "denied", reasons(decision.denials)
    yield "why", decision.explanation
    yield "advice", decision.advice
    if not decision.remedy:
        yield "remedy", "none: no step would let this actor do it"
    yield from next_steps(decision, connection)


def next_steps(decision: Decision, connection: Connection | None) -> Iterator[tuple[str, str]]:
    """What would help, and who must do it: the remedy, or else the steps that make it active."""
    if decision.remedy:
        yield "remedy", way(decision.remedy, connection)
    elif connection is not None and (left := steps_to(connection)):
        yield "to active", way(left, connection)


# --- Connections ---------------------------------------------------------------------------------


def name_of(connection: Connection, otherwise: str = "") -> Text:
    """The name, which may be broken anywhere."""
    return Text(shown(connection.name or otherwise), overflow="fold")


def card(connection: Connection) -> RenderableType:
    """All fields of a Connection, and the steps that make it active."""
    facts: dict[str, str | Text] = {
        "id": connection.id,
        "name": name_of(connection, "(none)"),
        "status": connection.status,
        "version": str(connection.version),
        "source": connection.source_organization_id,
        "destination": connection.destination_organization_id,
        "scopes": ", ".join(sorted(connection.scopes)),
        "creator": connection.creator.id,
        "created": f"{instant(connection.created_at)} UTC",
        "updated": f"{instant(connection.updated_at)} UTC",
        "to active": way(steps_to(connection), connection),
    }
    return labelled((label, text) for label, text in facts.items() if text)


def documented(connection: Connection, **facts: object) -> dict[str, object]:
    """The guide's document of a Connection, with its version and these facts in its ``meta``."""
    resource = cast("dict[str, object]", connection_document(connection)["data"])
    return {"data": {**resource, "meta": {"version": connection.version, **facts}}}


_EVENT: Final = ("v", "when (UTC)", "action", "before", "after", "who", "role")


def event_table(events: Iterable[ConnectionEvent]) -> Sequence[RenderableType]:
    """What happened to a Connection, one event per row."""
    rows = [
        (
            str(event.version),
            instant(event.occurred_at),
            event.action,
            event.previous_status or "(none)",
            event.status,
            event.actor.id,
            who(event.roles),
        )
        for event in events
    ]
    table = tabular(*_EVENT)
    for row in rows:
        table.add_row(*row)
    blocks = (labelled(zip(_EVENT, row, strict=True)) for row in rows)
    return table_or_blocks(table, blocks, least=len(Role.DESTINATION))
