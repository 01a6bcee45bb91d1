"""The command line: the guide's story, the matrix, the diagram, and one question at a time.

No rule is stated here. Every answer is asked of the policy, of the lifecycle, or of a Connection
that really goes through its life.

The answer goes to stdout and nothing else does. It is composed first and written at once, in
colour on a terminal only (`NO_COLOR` is honoured), at most 80 columns wide, and in ASCII where
stdout takes nothing else. Wrong usage is told on stderr, with exit code 2.
"""

import json
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Annotated, Final, NamedTuple

import typer
from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from connect_core import (
    Action,
    Actor,
    Cell,
    Change,
    Connection,
    ConnectionEvent,
    ConnectionLifecycle,
    CreateRequest,
    Decision,
    Denial,
    Role,
    Step,
    TransitionError,
    __version__,
    connection_document,
    decide,
    decide_access,
    decide_create,
    decision_table,
    parse_create,
    replay,
    steps_to,
)

#: The command line. Help and usage errors are plain text, not Rich's panels.
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


def _one_of(choices: Collection[str], help: str) -> object:
    """An option that takes one of `choices`."""

    def parse(text: str) -> str:
        if text not in choices:
            raise typer.BadParameter(f"{text!r} is not one of {', '.join(choices)}.")
        return text

    return typer.Option(parser=parse, metavar="|".join(choices), help=help)


_JsonOption = Annotated[bool, typer.Option("--json", help="Give the answer as JSON.")]


@app.callback(invoke_without_command=True)
def _connect_core(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    """The life of a data-sharing Connection, and who may do what to it."""
    if version:
        typer.echo(f"connect-core {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


# --- Writing the answer --------------------------------------------------------------------------

#: No line is longer, however wide the terminal is.
_WIDEST: Final = 80


def _console() -> Console:
    """Stdout as it is now. Text is never read as markup."""
    console = Console(markup=False, highlight=False, emoji=False)
    console.width = min(console.width, _WIDEST)
    return console


def _write(*parts: RenderableType) -> None:
    """Write the parts, a blank line between them, without the blanks that Rich fills lines with."""
    console = _console()
    with console.capture() as written:
        for part in parts:
            console.print(part)
            console.line()
    lines = [line.rstrip() for line in written.get().rstrip().splitlines()]
    typer.echo("\n".join(lines), color=True)  # as it is: Rich has decided about the colour


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _write_json(value: object) -> None:
    """Past Rich: the same on every terminal, not wrapped and not coloured."""
    typer.echo(_json(value))


def _tabular(*headers: str) -> Table:
    """A table with its head underlined. What does not fit goes on below, never lost."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for header in headers:
        table.add_column(header, overflow="fold")
    return table


def _who(roles: Collection[Role]) -> str:
    """The roles in one word."""
    return "both" if len(roles) > 1 else next(iter(roles), "outsider")


def _denials(denials: Iterable[Denial]) -> str:
    """``wrong role, wrong status``."""
    return ", ".join(denials).replace("_", " ")


def _steps(steps: Iterable[Step], connection: Connection | None) -> str:
    """Who must do what, a line a step; with the organizations' ids, if it is on a `connection`."""
    return "\n".join(
        f"{step}{_ids(step.roles, connection)}: {step.before} -> {step.after}" for step in steps
    )


def _ids(roles: Iterable[Role], connection: Connection | None) -> str:
    if connection is None:
        return ""
    return f" ({', '.join(connection.organization_of(role) for role in sorted(roles))})"


def _reasons(decision: Decision, connection: Connection | None) -> Iterator[tuple[str, str]]:
    """All there is to say about a decision, as labels and texts."""
    if decision:
        yield "allowed", decision.explanation
        return
    yield "denied", _denials(decision.denials)
    yield "why", decision.explanation
    yield "advice", decision.advice
    remedy = _steps(decision.remedy, connection)
    yield "remedy", remedy or "none: no step would let this actor do it"
    if connection is not None and not remedy and (way := steps_to(connection)):
        yield "to active", _steps(way, connection)


_STYLES: Final = {"allowed": "bold green", "denied": "bold red"}


def _verdict(decision: Decision, connection: Connection | None = None) -> Table:
    """A decision with its reasons; for a `connection`, with the way that makes it active."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(min_width=len("to active"))
    for label, text in _reasons(decision, connection):
        grid.add_row(Text(label, _STYLES.get(label, "dim")), text)
    return grid


# --- connect-core demo ---------------------------------------------------------------------------

#: The body of the guide's request, as the guide has it.
_REQUEST: Final = """\
{
  "data": {
    "attributes": {
      "destination-organization-id": "org_DEF456",
      "name": "Partner Connection"
    }
  }
}"""
#: When the guide's Connection was created. Each scene comes a minute after the one before.
_BEGINNING: Final = datetime(2018, 6, 1, tzinfo=UTC)

_COMMANDS: Final[dict[Action, Callable[..., Change]]] = {
    Action.ACTIVATE: Connection.activate,
    Action.DEACTIVATE: Connection.deactivate,
    Action.REACTIVATE: Connection.reactivate,
}


class _Scene(NamedTuple):
    """Somebody asks for something: the answer, and the Connection as it is afterwards."""

    actor: Actor
    scope: str | None  # what they want to read, if it is not an action that they want to take
    decision: Decision
    connection: Connection

    def title(self) -> str:
        role, organization = _who(self.decision.roles), self.actor.organization_id
        wish = f"{self.decision.action or 'read'} {self.scope or self.connection.id}"
        return f"The {role} ({self.actor.id} of {organization}) asks to {wish}"

    def as_dict(self) -> dict[str, object]:
        return {
            "actor": self.actor.model_dump(mode="json"),
            "scope": self.scope,
            "decision": self.decision.as_dict(),
            "status_afterwards": self.connection.status.value,
            "steps_to_active": [step.as_dict() for step in steps_to(self.connection)],
        }


class _Story:
    """One Connection, taken through its life by its own commands."""

    def __init__(self, creator: Actor, request: CreateRequest) -> None:
        destination = request.destination_organization_id
        self.connection, event = Connection.create(
            by=creator,
            destination=destination,
            name=request.name,
            scopes=request.scopes,
            id="cxn_ABC123",
            at=_BEGINNING,
        )
        self.events: list[ConnectionEvent] = [event]
        self.scenes: list[_Scene] = []
        created = decide_create(creator, source=creator.organization_id, destination=destination)
        self._show(creator, created)

    def take(self, action: Action, by: Actor) -> None:
        """`by` tries it. A refusal raises and changes nothing; the decision says why."""
        decision = decide(by, action, self.connection)
        at = _BEGINNING + timedelta(minutes=len(self.scenes))
        with suppress(TransitionError):
            self.connection, event = _COMMANDS[action](self.connection, by=by, at=at)
            self.events.append(event)
        self._show(by, decision)

    def read(self, scope: str, by: Actor) -> None:
        """`by` asks whether data of `scope` may be read now."""
        self._show(by, decide_access(by, scope, self.connection), scope)

    def _show(self, actor: Actor, decision: Decision, scope: str | None = None) -> None:
        self.scenes.append(_Scene(actor, scope, decision, self.connection))


def _play() -> _Story:
    """The guide's story, and what somebody else might try on the way."""
    our_key = Actor(id="api_ABC123", organization_id="org_ABC123")
    partner = Actor(id="usr_Rk3v", organization_id="org_DEF456")
    story = _Story(our_key, parse_create(_REQUEST))
    story.take(Action.ACTIVATE, by=our_key)
    story.take(Action.ACTIVATE, by=partner)
    story.read("inquiry.read", by=partner)
    story.read("document.read", by=partner)
    story.read("inquiry.read", by=our_key)
    story.take(Action.DEACTIVATE, by=our_key)
    story.take(Action.REACTIVATE, by=partner)
    story.take(Action.REACTIVATE, by=our_key)
    story.read("inquiry.read", by=partner)
    story.take(Action.ACTIVATE, by=partner)
    return story


@app.command("demo")
def _demo(as_json: _JsonOption = False) -> None:
    """Play the guide's story in memory, refusals included."""
    story = _play()
    replayed = replay(story.events) == story.connection
    if as_json:
        _write_json(_told(story, replayed))
        return
    _write(
        Text("The guide's request", "bold"),
        _REQUEST,
        Text("The story", "bold"),
        *(_scene(number, scene) for number, scene in enumerate(story.scenes, 1)),
        Text("The history", "bold"),
        _history(story.events),
        f"Do these events, replayed, give the same Connection? {'Yes.' if replayed else 'No!'}",
        Text("The Connection's document", "bold"),
        _json(connection_document(story.connection)),
    )


def _told(story: _Story, replayed: bool) -> dict[str, object]:
    return {
        "request": json.loads(_REQUEST),
        "steps": [scene.as_dict() for scene in story.scenes],
        "history": [event.model_dump(mode="json") for event in story.events],
        "replay_gives_the_same": replayed,
        "document": connection_document(story.connection),
    }


def _scene(number: int, scene: _Scene) -> Group:
    verdict = _verdict(scene.decision, scene.connection)
    return Group(f"{number:>2}. {scene.title()}", Padding(verdict, (0, 0, 0, 4)))


def _history(events: Iterable[ConnectionEvent]) -> Table:
    table = _tabular("v", "when (UTC)", "action", "before", "after", "who", "role")
    for event in events:
        table.add_row(
            str(event.version),
            f"{event.occurred_at:%Y-%m-%d %H:%M:%S}",
            event.action,
            event.previous_status or "(none)",
            event.status,
            event.actor.id,
            _who(event.roles),
        )
    return table


# --- connect-core table --------------------------------------------------------------------------

#: Every set of roles that an actor can hold, by its word; the outsider's last.
_ROLES: Final = {
    _who(cell.roles): cell.roles
    for cell in sorted(decision_table(), key=lambda cell: not cell.roles)
}


@app.command("table")
def _table(as_json: _JsonOption = False) -> None:
    """Show the decision matrix: every status, action and role."""
    if as_json:
        _write_json([_row(cell, decision) for cell, decision in decision_table().items()])
    else:
        _write(_matrix(tick="ok" if _console().options.ascii_only else "✓"))


def _row(cell: Cell, decision: Decision) -> dict[str, object]:
    """The decision with the cell's own status, which an outsider's decision does not tell."""
    row = {"status": cell.status, "action": cell.action, "roles": sorted(cell.roles)}
    return row | decision.as_dict() | row


def _matrix(tick: str) -> Table:
    table = _tabular("status", "action", *_ROLES)
    questions = dict.fromkeys((cell.status, cell.action) for cell in decision_table())
    for status, rows in groupby(questions, key=lambda question: question[0]):
        table.add_section()
        for _, action in rows:
            decisions = [decision_table()[Cell(status, action, roles)] for roles in _ROLES.values()]
            answers = [_answer(decision, tick) for decision in decisions]
            table.add_row(status or "(none)", action, *answers)
    return table


def _answer(decision: Decision, tick: str) -> Text:
    """Where it leads, or the first reason why it is denied."""
    if decision:
        return Text(f"{tick} {decision.target}", "green")
    return Text(_denials(decision.denials[:1]), "dim")


# --- connect-core diagram ------------------------------------------------------------------------


class _Arrow(NamedTuple):
    """A transition of the lifecycle, in words."""

    source: str
    event: str
    guards: list[str]
    target: str

    def label(self) -> str:
        return f"{self.event} [{', '.join(self.guards)}]"


def _arrows() -> Iterator[_Arrow]:
    """The transitions as the lifecycle declares them, state by state."""
    for state in ConnectionLifecycle.states:
        for transition in state.transitions:
            guards = [str(guard) for guard in transition.cond]
            for target in transition.targets:
                yield _Arrow(state.id, transition.event, guards, target.id)


def _text(arrows: list[_Arrow]) -> str:
    margin = max(len(arrow.source) for arrow in arrows)
    reach = max(len(arrow.label()) for arrow in arrows)
    groups: list[str] = []
    for source, leaving in groupby(arrows, key=lambda arrow: arrow.source):
        lines = [f"--{arrow.label():-<{reach}}-->  {arrow.target}" for arrow in leaving]
        groups.append(f"{source:{margin}}  " + f"\n{'':{margin}}  ".join(lines))
    return "\n\n".join(groups)


def _mermaid(_: list[_Arrow]) -> str:
    return format(ConnectionLifecycle, "mermaid").rstrip()


def _dot(arrows: list[_Arrow]) -> str:
    """Drawn here: python-statemachine's own needs pydot, and has memory addresses in it."""
    edges = [
        f'  {arrow.source} -> {arrow.target} [label="{arrow.event}\\n{", ".join(arrow.guards)}"];'
        for arrow in arrows
    ]
    initial = next(state.id for state in ConnectionLifecycle.states if state.initial)
    head = ["  rankdir=LR;", "  node [shape=box, style=rounded];"]
    start = ['  "" [shape=point];', f'  "" -> {initial};']
    return "\n".join(["digraph ConnectionLifecycle {", *head, *start, *edges, "}"])


_DRAWINGS: Final = {"text": _text, "mermaid": _mermaid, "dot": _dot}


@app.command("diagram")
def _diagram(
    format: Annotated[str, _one_of(_DRAWINGS, "How to draw it.")] = "text",
    as_json: _JsonOption = False,
) -> None:
    """Draw the lifecycle."""
    arrows = list(_arrows())
    drawing = _DRAWINGS[format](arrows)
    if as_json:
        transitions = [arrow._asdict() for arrow in arrows]
        _write_json({"format": format, "diagram": drawing, "transitions": transitions})
    else:
        typer.echo(drawing)


# --- connect-core decide -------------------------------------------------------------------------

#: Every status by its word, and that there is no Connection yet by another.
_STATUSES: Final = {cell.status or "none": cell.status for cell in decision_table()}


@app.command("decide")
def _decide(
    status: Annotated[str, _one_of(_STATUSES, "Where the Connection stands, or none.")],
    action: Annotated[str, _one_of(list(Action), "What is asked for.")],
    role: Annotated[str, _one_of(_ROLES, "What the actor is; both: in a self-connection.")],
    as_json: _JsonOption = False,
) -> None:
    """Say whether an action is allowed, and why.

    The exit code is 0 if it is allowed, 1 if it is denied, 2 if the question makes no sense.
    """
    decision = decision_table().get(Cell(_STATUSES[status], Action(action), _ROLES[role]))
    if decision is None:
        raise typer.BadParameter(_no_such_cell(status), param_hint="'--action'")
    if as_json:
        _write_json(decision.as_dict())
    else:
        _write(_verdict(decision))
    raise typer.Exit(0 if decision else 1)


def _no_such_cell(status: str) -> str:
    here = dict.fromkeys(
        cell.action for cell in decision_table() if cell.status is _STATUSES[status]
    )
    return f"with --status {status} it can only be {' or '.join(here)}."
