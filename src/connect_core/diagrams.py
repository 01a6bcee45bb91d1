"""Diagrams of the lifecycle and of stories, as text for programs that draw.

The texts are for documentation, wikis and code hosts. The lifecycle is available for Mermaid and
for Graphviz (DOT). A story, which is a vector of the conformance kit as plain data, becomes a
Mermaid sequence diagram. The same input gives the same bytes.

Nothing is drawn here. There is no layout, no colour and no font: the program that renders the text
chooses them. No rule is stated here either: the transitions come from the lifecycle, and the
statuses in a story come from the decision table.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple, cast

from connect_core.decision import Cell
from connect_core.lifecycle import (
    READING_ROLE,
    SHARING_STATUS,
    Action,
    ConnectionLifecycle,
    Role,
    Status,
)
from connect_core.parties import ROLES
from connect_core.policy import decision_table

# --- The lifecycle -------------------------------------------------------------------------------


class Arrow(NamedTuple):
    """A transition of the lifecycle, in words.

    Attributes:
        source: the state it starts from; ``absent`` if there is no Connection yet.
        event: the action.
        guards: who may take it, in the words of the lifecycle's guards: ``by source``.
        target: the state it leads to.
    """

    source: str
    event: str
    guards: list[str]
    target: str

    def label(self) -> str:
        """The action, and who may take it: ``create [by source]``."""
        return f"{self.event} [{', '.join(self.guards)}]"


def arrows() -> list[Arrow]:
    """Every transition that the lifecycle declares, state by state."""
    return [
        Arrow(state.id, transition.event, [str(guard) for guard in transition.cond], target.id)
        for state in ConnectionLifecycle.states
        for transition in state.transitions
        for target in transition.targets
    ]


def _initial() -> str:
    """The state in which there is no Connection."""
    state: str = next(state.id for state in ConnectionLifecycle.states if state.initial)
    return state


def lifecycle_mermaid() -> str:
    """The lifecycle as a Mermaid state diagram, as python-statemachine writes it."""
    text: str = format(ConnectionLifecycle, "mermaid")
    return text.rstrip()


def lifecycle_dot() -> str:
    """The lifecycle in DOT, for Graphviz.

    It is written here because python-statemachine's own needs pydot and contains memory addresses.
    """
    edges = [
        f'  {arrow.source} -> {arrow.target} [label="{arrow.event}\\n{", ".join(arrow.guards)}"];'
        for arrow in arrows()
    ]
    head = ["  rankdir=LR;", "  node [shape=box, style=rounded];"]
    start = ['  "" [shape=point];', f'  "" -> {_initial()};']
    return "\n".join(["digraph ConnectionLifecycle {", *head, *start, *edges, "}"])


def state_diagram() -> str:
    """The lifecycle as a Mermaid state diagram that also says who may read data and when.

    It is narrow enough for a phone, and has a title and a description for screen readers.
    """
    lines = [
        "stateDiagram-v2",
        "    accTitle: The life of a Connection",
        f"    accDescr: {_escaped(' '.join(map(_in_words, arrows())))}",
    ]
    for status in Status:
        reader = f"the {READING_ROLE}" if status is SHARING_STATUS else "nobody"
        lines.append(f'    state "{status.capitalize()}" as {status}')
        lines.append(f"    {status} : {reader} may read data")
    for arrow in arrows():
        before = "[*]" if arrow.source == _initial() else arrow.source
        guards = ", ".join(arrow.guards).replace(" or ", f"{_BREAK}or ")
        lines.append(f"    {before} --> {arrow.target} : {arrow.event}{_BREAK}{guards}")
    return "\n".join(lines)


def _in_words(arrow: Arrow) -> str:
    guards = ", ".join(arrow.guards)
    return f"{arrow.event} {guards}, from {arrow.source} to {arrow.target}."


# --- Mermaid's syntax ----------------------------------------------------------------------------

_BREAK: Final = "<br/>"


def _escaped(text: str) -> str:
    """Text without Mermaid syntax: special characters are replaced by their numbers."""
    return re.sub(r"[^A-Za-z0-9 _.,'()]", lambda found: f"#{ord(found.group())};", text)


# --- Stories -------------------------------------------------------------------------------------

#: The ids of stories begin with this.
_STORY: Final = "story/"
#: How many details of a step are shown at most. Of more, only the number is shown.
_MOST_DETAILS: Final = 3
_READ_DATA: Final = "read data"


class _Pair(NamedTuple):
    """The parties of a Connection. They identify it: each ordered pair has at most one."""

    source: str
    destination: str

    def roles(self, organization: str) -> frozenset[Role]:
        return ROLES[organization == self.source, organization == self.destination]


class _Attempt(NamedTuple):
    """One step of a story: what an organization tries, and the result."""

    by: str
    pair: _Pair
    words: list[str]
    #: Why the attempt is refused; empty if it is not.
    refusal: str
    #: The new status, if the attempt changes it.
    status: Status | None

    def __str__(self) -> str:
        first, *details = self.words
        more = f" ({', '.join(details)})" if details else ""
        return f"{first} by {self.by}{more}, {self.result}"

    @property
    def result(self) -> str:
        """The result in words."""
        if self.refusal:
            return f"refused, {self.refusal}"
        if self.reads_data:
            return "data passes"
        return f"now {self.status}" if self.status else "done"

    @property
    def reads_data(self) -> bool:
        """Whether data passes."""
        return self.words[0] == _READ_DATA and not self.refusal


def sequence_diagram(story: Mapping[str, object]) -> str:
    """A story as a Mermaid sequence diagram.

    An arrow is an attempt. An arrow that ends in a cross is a refused attempt. A note is the
    Connection's new status, from the decision table. An open arrow is the data that passes.

    Args:
        story: a vector as plain data, with ``id``, ``title`` and ``steps``. The diagram shows the
            first of the outcomes that a step accepts.

    Raises:
        ValueError: the story cannot be drawn. The message says which story or step, and why.
    """
    name = _text(story, "id", "a vector")
    reader = _Reader()
    for number, step in enumerate(cast("Sequence[Mapping[str, object]]", story["steps"]), 1):
        reader.read(step, f"step {number} of {name}")
    if not reader.attempts:
        raise ValueError(f"{name} has no steps that could be drawn")
    description = " ".join(f"{number}. {each}." for number, each in enumerate(reader.attempts, 1))
    title = _text(story, "title", name)
    lines = [
        "sequenceDiagram",
        f"    accTitle: {_escaped(title[:1].upper() + title[1:])}",
        f"    accDescr: {_escaped(description)}",
    ]
    organizations, connections = _participants(reader)
    first, *others = (
        f"    participant {ident} as {_joined([_part(reader, organization), organization])}"
        for organization, ident in organizations.items()
    )
    lines.append(first)
    for pair, ident in connections.items():
        label = [] if len(connections) == 1 else [reader.labels[pair]]
        lines.append(f"    participant {ident} as {_joined(['Connection', *label])}")
    lines += others
    for number, attempt in enumerate(reader.attempts, 1):
        lines += _messages(attempt, number, organizations, connections[attempt.pair])
    return "\n".join(lines)


class _Reader:
    """Reads the steps of a story, and keeps track of its Connections."""

    def __init__(self) -> None:
        self.attempts: list[_Attempt] = []
        #: The Connections, each with its first label.
        self.labels: dict[_Pair, str] = {}
        self._pairs: dict[str, _Pair] = {}
        self._statuses: dict[_Pair, Status] = {}

    def read(self, step: Mapping[str, object], where: str) -> None:
        """Read the next step. Messages use `where`."""
        by = _text(step, "by", where)
        verb = step.get("verb")
        action: Action | None = None
        words: str
        match verb:
            case "create":
                words = action = Action(verb)
            case "act":
                words = action = Action(_text(step, "action", where))
            case "share":
                words = _READ_DATA
            case "read":
                words = "look at it"
            case _:
                raise ValueError(f"{where} has the verb {verb!r}, which cannot be drawn")
        pair = self._created(step, where) if verb == "create" else self._known(step, where)
        outcome = _outcome(step, where)
        refusal = "" if outcome == "ok" else outcome.replace("-", " ")
        status = self._change(action, by, pair) if action and not refusal else None
        self.attempts.append(_Attempt(by, pair, [words, *_details(step)], refusal, status))

    def _known(self, step: Mapping[str, object], where: str) -> _Pair:
        label = _text(step, "connection", where)
        if label not in self._pairs:
            raise ValueError(f"{where} is about {label!r}, which no step before it creates")
        return self._pairs[label]

    def _created(self, step: Mapping[str, object], where: str) -> _Pair:
        """The pair that a create names. The create may be refused, and then lack a label."""
        source = _text({"source": step["by"]} | dict(step), "source", where)
        pair = _Pair(source, _text(step, "destination", where))
        label = _text({"connection": " to ".join(pair)} | dict(step), "connection", where)
        self._pairs[label] = pair
        self.labels.setdefault(pair, label)
        return pair

    def _change(self, action: Action, by: str, pair: _Pair) -> Status | None:
        """Record and return the new status; None if the decision table has none."""
        cell = Cell(self._statuses.get(pair), action, pair.roles(by))
        status = decision_table()[cell].target if cell in decision_table() else None
        if status is not None:
            self._statuses[pair] = status
        return status


def _text(record: Mapping[str, object], name: str, where: str) -> str:
    value = record.get(name)
    if not isinstance(value, str):
        raise ValueError(f"{where} needs a text for {name!r}, and has {value!r}")
    return value


def _outcome(step: Mapping[str, object], where: str) -> str:
    """The first of the accepted outcomes."""
    accepted = cast("Sequence[Mapping[str, object]]", step["accept"])
    if not accepted:
        raise ValueError(f"{where} accepts no outcome, so that none can be drawn")
    return _text(accepted[0], "outcome", where)


def _details(step: Mapping[str, object]) -> list[str]:
    """The scopes and the expected version of a step, shortened if there are many scopes."""
    details = [*cast("Sequence[str]", step.get("scopes", ()))]
    details += [str(step["scope"])] if "scope" in step else []
    if "expected_version" in step:
        details.append(f"if version {step['expected_version']}")
    if len(details) > _MOST_DETAILS:
        more = len(details) - _MOST_DETAILS + 1
        details[_MOST_DETAILS - 1 :] = [f"and {more} more"]
    return details


def _part(reader: _Reader, organization: str) -> str:
    """The part of an organization: ``Source``, ``Source and destination`` or ``Outsider``."""
    held = {role for pair in reader.labels for role in pair.roles(organization)}
    return (" and ".join(role for role in Role if role in held) or "outsider").capitalize()


def _participants(reader: _Reader) -> tuple[dict[str, str], dict[_Pair, str]]:
    """The organizations and the Connections, each with its name in the diagram's text.

    The parties of Connections come before outsiders. The names say the role, to make the text
    readable and to let a style sheet distinguish roles: ``source``, ``outsider2``.
    """
    named = [organization for pair in reader.labels for organization in pair]
    acting = [attempt.by for attempt in reader.attempts]
    organizations: dict[str, str] = {}
    for organization in dict.fromkeys(named + acting):
        part = _part(reader, organization).lower()
        organizations[organization] = _unused(
            "both" if " " in part else part, organizations.values()
        )
    connections: dict[_Pair, str] = {}
    for pair in reader.labels:
        connections[pair] = _unused("connection", connections.values())
    return organizations, connections


def _unused(name: str, used: Collection[str]) -> str:
    """The name, followed by a number if it is already in use."""
    same = sum(other.rstrip("0123456789") == name for other in used)
    return f"{name}{same + 1}" if same else name


def _joined(lines: Iterable[str]) -> str:
    return _BREAK.join(map(_escaped, lines))


def _messages(
    attempt: _Attempt, number: int, organizations: Mapping[str, str], connection: str
) -> Iterator[str]:
    """The lines of an attempt, numbered here: Mermaid's own numbering would count data, too."""
    actor = organizations[attempt.by]
    first, *details = attempt.words
    words = [f"{number}. {first}", *details]
    if attempt.refusal:
        yield f"    {actor}--x{connection}: {_joined([*words, attempt.result])}"
        return
    yield f"    {actor}->>{connection}: {_joined(words)}"
    if attempt.reads_data:
        yield f"    {organizations[attempt.pair.source]}-){actor}: data"
    if attempt.status:
        yield f"    Note over {connection}: {attempt.status}"


# --- Files ---------------------------------------------------------------------------------------


def diagrams(stories: Iterable[Mapping[str, object]]) -> dict[str, str]:
    """Every diagram, by the name of its file.

    Args:
        stories: vectors as plain data. Those whose ids begin with ``story/`` are drawn; the others
            are left out.

    Returns:
        ``lifecycle.mmd``, ``lifecycle.dot``, and ``story-<name>.mmd`` for each story, sorted by
        name. Every text ends in one newline.

    Raises:
        ValueError: a story cannot be drawn. The message says which one, and why.
    """
    files = {
        "lifecycle.mmd": state_diagram(),
        "lifecycle.dot": lifecycle_dot(),
    }
    named = [(_text(story, "id", "a vector"), story) for story in stories]
    for name, story in sorted(named, key=lambda each: each[0]):
        if not name.startswith(_STORY):
            continue
        slug = name.removeprefix(_STORY)
        if not slug.isascii() or not slug.replace("-", "").isalnum():
            raise ValueError(f"{name!r} names a file, and can have letters, digits and '-' only")
        if f"story-{slug}.mmd" in files:
            raise ValueError(f"two vectors have the id {name!r}; rename one of them")
        files[f"story-{slug}.mmd"] = sequence_diagram(story)
    return {name: f"{text}\n" for name, text in files.items()}
