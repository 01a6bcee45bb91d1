"""The output of the commands: tables and decisions at most 80 columns wide, and JSON."""

import json
import os
import sys
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from typing import IO, Final, TextIO, cast

import typer
from rich import box
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from connect_core import Connection, ConnectionEvent, Decision, Denial, Role, Step, steps_to
from connect_core.text import visible

#: The exit code if the answer, or a file, could not be written.
UNWRITTEN: Final = 5
#: No line is longer, however wide the terminal is.
_WIDEST: Final = 80


def console(*, err: bool = False) -> Console:
    """A console for the current stdout or stderr. It never reads text as markup."""
    found = Console(stderr=err, markup=False, highlight=False, emoji=False)
    found.width = min(found.width, _WIDEST)
    return found


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
            out.print(part)
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
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for header in headers:
        table.add_column(header, overflow="fold")
    return table


_STYLES: Final = {"allowed": "bold green", "denied": "bold red"}


def labelled(rows: Iterable[tuple[str, str]]) -> Table:
    """A table with labels on the left and texts on the right."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(min_width=len("to active"))
    grid.add_column(overflow="fold")
    for label, text in rows:
        grid.add_row(Text(label, _STYLES.get(label, "dim")), text)
    return grid


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


def verdict(decision: Decision, connection: Connection | None = None) -> Table:
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


def card(connection: Connection) -> Table:
    """All fields of a Connection, and the steps that make it active."""
    facts = {
        "id": connection.id,
        "name": shown(connection.name or "(none)"),
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


def event_table(events: Iterable[ConnectionEvent]) -> Table:
    """What happened to a Connection, one event per row."""
    table = tabular("v", "when (UTC)", "action", "before", "after", "who", "role")
    for event in events:
        table.add_row(
            str(event.version),
            instant(event.occurred_at),
            event.action,
            event.previous_status or "(none)",
            event.status,
            event.actor.id,
            who(event.roles),
        )
    return table
