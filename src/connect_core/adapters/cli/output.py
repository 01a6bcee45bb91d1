"""The output of the commands: tables and decisions at most 80 columns wide, and JSON."""

import json
import sys
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from typing import Final

import typer
from rich import box
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from connect_core import Connection, ConnectionEvent, Decision, Denial, Role, Step, steps_to
from connect_core.text import visible

#: No line is longer, however wide the terminal is.
_WIDEST: Final = 80


def console(*, err: bool = False) -> Console:
    """A console for the current stdout or stderr. It never reads text as markup."""
    found = Console(stderr=err, markup=False, highlight=False, emoji=False)
    found.width = min(found.width, _WIDEST)
    return found


def write(*parts: RenderableType, err: bool = False) -> None:
    """Write the parts with a blank line between them, without the spaces that Rich pads with."""
    out = console(err=err)
    with out.capture() as written:
        for part in parts:
            out.print(part)
            out.line()
    lines = [line.rstrip() for line in written.get().rstrip().split("\n")]
    text = "\n".join(lines).encode(out.encoding, "backslashreplace").decode(out.encoding)
    typer.echo(text, err=err, color=True)  # unchanged: Rich has decided about the colour


def json_text(value: object) -> str:
    """JSON for people and programs; in ASCII only if stdout accepts nothing else."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return json.dumps(value, indent=2)
    return text


def write_json(value: object, *, err: bool = False) -> None:
    """Write JSON without Rich: the same on every terminal, not wrapped and not coloured."""
    typer.echo(json_text(value), err=err)


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
