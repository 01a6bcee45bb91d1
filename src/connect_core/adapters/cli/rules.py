"""``connect-core table``, ``diagram`` and ``decide``: what the rules say, without a database."""

from itertools import groupby
from typing import Annotated, Final

import typer
from rich.table import Table

from connect_core import Action, Cell, Decision, decision_table
from connect_core.adapters.cli.options import JsonOption, one_of
from connect_core.adapters.cli.output import (
    answer,
    either,
    tabular,
    verdict,
    who,
    write,
    write_json,
    write_text,
)
from connect_core.adapters.cli.typescript import typescript_module
from connect_core.diagrams import arrows, lifecycle_dot, lifecycle_mermaid

# --- connect-core table --------------------------------------------------------------------------

#: Every set of roles that an actor can hold, by its name; the outsider's is last.
_ROLES: Final = {
    who(cell.roles): cell.roles
    for cell in sorted(decision_table(), key=lambda cell: not cell.roles)
}

_FORMATS: Final = ("text", "typescript")


def table(
    format: Annotated[
        str, one_of(_FORMATS, "The format; typescript is a module for a front end to copy.")
    ] = "text",
    as_json: JsonOption = False,
) -> None:
    """Show the decision matrix: every status, action and role."""
    if as_json and format != "text":
        raise typer.BadParameter(
            f"give --format {format} or --json, not both.", param_hint="'--json'"
        )
    if format == "typescript":
        write_text(typescript_module())
    elif as_json:
        write_json(table_rows())
    else:
        write(_matrix(tick=either("✓", "ok")))


def table_rows() -> list[dict[str, object]]:
    """The decision table as plain JSON values, one row per cell: what ``table --json`` writes."""
    return [_row(cell, decision) for cell, decision in decision_table().items()]


def _row(cell: Cell, decision: Decision) -> dict[str, object]:
    """The decision with the cell's own status, which an outsider's decision does not tell."""
    row = {"status": cell.status, "action": cell.action, "roles": sorted(cell.roles)}
    return row | decision.as_dict() | row


def _matrix(tick: str) -> Table:
    matrix = tabular("status", "action", *_ROLES)
    questions = dict.fromkeys((cell.status, cell.action) for cell in decision_table())
    for status, rows in groupby(questions, key=lambda question: question[0]):
        matrix.add_section()
        for _, action in rows:
            decisions = [decision_table()[Cell(status, action, roles)] for roles in _ROLES.values()]
            answers = [answer(decision, tick) for decision in decisions]
            matrix.add_row(status or "(none)", action, *answers)
    return matrix


# --- connect-core diagram ------------------------------------------------------------------------


def _text() -> str:
    """The lifecycle for a terminal: one line per transition."""
    found = arrows()
    margin = max(len(arrow.source) for arrow in found)
    reach = max(len(arrow.label()) for arrow in found)
    groups: list[str] = []
    for source, leaving in groupby(found, key=lambda arrow: arrow.source):
        lines = [f"--{arrow.label():-<{reach}}-->  {arrow.target}" for arrow in leaving]
        groups.append(f"{source:{margin}}  " + f"\n{'':{margin}}  ".join(lines))
    return "\n\n".join(groups)


_DRAWINGS: Final = {"text": _text, "mermaid": lifecycle_mermaid, "dot": lifecycle_dot}


def diagram(
    format: Annotated[str, one_of(_DRAWINGS, "The format of the drawing.")] = "text",
    as_json: JsonOption = False,
) -> None:
    """Draw the lifecycle."""
    drawing = _DRAWINGS[format]()
    if as_json:
        transitions = [arrow._asdict() for arrow in arrows()]
        write_json({"format": format, "diagram": drawing, "transitions": transitions})
    else:
        write_text(drawing)


# --- connect-core decide -------------------------------------------------------------------------

#: Every status by its name; ``none`` means that there is no Connection yet.
_STATUSES: Final = {cell.status or "none": cell.status for cell in decision_table()}


def decide(
    status: Annotated[
        str, one_of(_STATUSES, "The Connection's status; none without a Connection.")
    ],
    action: Annotated[str, one_of(list(Action), "The action that is asked for.")],
    role: Annotated[str, one_of(_ROLES, "The actor's role; both only in a self-connection.")],
    as_json: JsonOption = False,
) -> None:
    """Say whether an action is allowed, and why.

    The exit code is 0 if it is allowed, 1 if it is denied, 2 if the question makes no sense.
    """
    decision = decision_table().get(Cell(_STATUSES[status], Action(action), _ROLES[role]))
    if decision is None:
        raise typer.BadParameter(_no_such_cell(status), param_hint="'--action'")
    if as_json:
        write_json(decision.as_dict())
    else:
        write(verdict(decision))
    raise typer.Exit(0 if decision else 1)


def _no_such_cell(status: str) -> str:
    here = dict.fromkeys(
        cell.action for cell in decision_table() if cell.status is _STATUSES[status]
    )
    return f"with --status {status} it can only be {' or '.join(here)}."
