"""The pictures of the rules: diagrams, the matrix, and what each role can do.

All of it is derived: from the decision table, and from vectors that tell a story. Mermaid and
Markdown are written here, SVG in the modules beside. The same input gives the same bytes.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Final

from connect_core.conformance.pictures.lifecycle import lifecycle
from connect_core.conformance.pictures.scenes import (
    Attempt,
    Rules,
    Story,
    readers,
    role_sets,
    rules,
    statuses,
    stories,
    transitions,
    who,
)
from connect_core.conformance.pictures.story import story as drawn
from connect_core.lifecycle import SHARING_STATUS, Role, Status
from connect_core.policy import Cell, Decision

# The vectors are called what they are to the caller; in here the name is taken.
_stories = stories


def pictures(stories: Sequence[Mapping[str, object]]) -> dict[str, str]:
    """Every picture, by the name of its file.

    Args:
        stories: vectors. Those whose id begins with ``story/`` are drawn, the others left out.

    Returns:
        ``lifecycle.mmd`` and ``lifecycle.svg``, ``matrix.md``, ``roles.md``; and for each story
        ``story-<name>.mmd`` and ``story-<name>.svg``. Every text ends in one newline.

    Raises:
        ValueError: a story cannot be drawn; says which, and why.
    """
    return pictures_of(rules(), stories)


def pictures_of(given: Rules, vectors: Iterable[Mapping[str, object]]) -> dict[str, str]:
    """`pictures` of whatever rules."""
    files = {
        "lifecycle.mmd": _state_diagram(given),
        "lifecycle.svg": lifecycle(given),
        "matrix.md": _matrix(given.table),
        "roles.md": _views(given),
    }
    for story in _stories(vectors, given.table):
        files[f"story-{story.name}.mmd"] = _sequence_diagram(story)
        files[f"story-{story.name}.svg"] = drawn(story)
    return {name: text.rstrip("\n") + "\n" for name, text in files.items()}


# --- Mermaid -------------------------------------------------------------------------------------


def _mermaid(text: str) -> str:
    """Text in which Mermaid sees no syntax: all but plain characters by their numbers."""
    return re.sub(r"[^A-Za-z0-9 _.,'()→-]", lambda found: f"#{ord(found.group())};", text)


def _state_diagram(given: Rules) -> str:
    known = [status for status in statuses(given.table) if status]
    lines = ["stateDiagram-v2"]
    lines += [f'    state "{_mermaid(status.capitalize())}" as {status}' for status in known]
    for before, action, roles, after in transitions(given.table):
        takers = " or ".join(roles)
        lines.append(f"    {before or '[*]'} --> {after} : {action} (by {takers})")
    for status in known:
        if reading := readers(given, status):
            lines.append(f"    note right of {status} : share (data to {' or '.join(reading)})")
    return "\n".join(lines)


def _sequence_diagram(story: Story) -> str:
    parties = {party.organization: f"p{n}" for n, party in enumerate(story.parties, 1)}
    pairs = {pair: f"c{n}" for n, pair in enumerate(story.labels, 1)}
    first, *others = (
        f"    participant {parties[party.organization]} as "
        f"{_mermaid(f'{party.part()} {party.organization}')}"
        for party in story.parties
    )
    connections = [
        f"    participant {ident} as {_mermaid(_connection_name(story.labels[pair], pairs))}"
        for pair, ident in pairs.items()
    ]
    lines = ["sequenceDiagram", first, *connections, *others]
    for number, attempt in enumerate(story.attempts, 1):
        lines += _messages(attempt, number, parties, pairs[attempt.pair])
    return "\n".join(lines)


def _connection_name(label: str, among: Iterable[object]) -> str:
    return "Connection" if len(list(among)) == 1 else f"Connection {label}"


def _messages(
    attempt: Attempt, number: int, parties: Mapping[str, str], connection: str
) -> Iterator[str]:
    """An attempt, and what comes of it. Mermaid's own numbers would count the data, too."""
    actor = parties[attempt.by]
    asked = f"{number}. {attempt.words} {', '.join(attempt.details)}".rstrip()
    if attempt.refusal:
        yield f"    {actor}-x{connection}: {_mermaid(f'{asked} (refused, {attempt.refusal})')}"
        return
    yield f"    {actor}->>{connection}: {_mermaid(asked)}"
    if attempt.data:
        yield f"    {parties[attempt.pair.source]}-->>{actor}: data"
    if attempt.status:
        yield f"    Note over {connection}: {_mermaid(attempt.status)}"


# --- Markdown ------------------------------------------------------------------------------------

_NO_CONNECTION: Final = "none"


def _rows(*rows: Sequence[str]) -> Iterator[str]:
    """A table: the head, the rule below it, and the rest."""
    for number, row in enumerate(rows):
        yield f"| {' | '.join(row)} |"
        if number == 0:
            yield f"|{' --- |' * len(row)}"


def _answer(decision: Decision) -> str:
    if decision.target is not None:
        return f"→ {decision.target}"
    return ", ".join(decision.denials).replace("_", " ")


def _matrix(table: Mapping[Cell, Decision]) -> str:
    columns = role_sets(table)
    rows = [
        [status or _NO_CONNECTION, action]
        + [_answer(table[Cell(status, action, roles)]) for roles in columns]
        for status, action in dict.fromkeys((cell.status, cell.action) for cell in table)
    ]
    lines = [
        "# The matrix",
        "",
        "For each status and action: the new status, or every reason why it is refused, the first",
        "of them first. *Both* is an organization that is connected to itself.",
        "",
        *_rows(["status", "action", *map(who, columns)], *rows),
    ]
    return "\n".join(lines)


def _views(given: Rules) -> str:
    lines = [
        "# What can I do now?",
        "",
        "For each role and status: what it can do and where that leads, whom the next step towards",
        f"`{SHARING_STATUS}` waits for, and whether it may read data. Below that, what is refused,",
        "and what would help.",
    ]
    for roles in role_sets(given.table):
        lines += ["", f"## {_heading(roles)}", "", *_view(given, roles)]
    return "\n".join(lines)


def _heading(roles: frozenset[Role]) -> str:
    return "Both at once" if len(roles) > 1 else f"The {who(roles)}"


def _view(given: Rules, roles: frozenset[Role]) -> Iterator[str]:
    known = statuses(given.table)
    yield from _rows(
        ["status", "can do now", "waits for", "may read data"],
        *(
            [
                status or _NO_CONNECTION,
                _possible(given, status, roles),
                _waiting(given, status, roles),
                _reading(given, status, roles),
            ]
            for status in known
        ),
    )
    yield ""
    refused = [row for status in known for row in _refused(given, status, roles)]
    yield from _rows(["status", "refused", "why", "what would help"], *refused)


def _here(
    given: Rules, status: Status | None, roles: frozenset[Role]
) -> Iterator[tuple[Cell, Decision]]:
    for cell, decision in given.table.items():
        if cell.status is status and cell.roles == roles:
            yield cell, decision


def _possible(given: Rules, status: Status | None, roles: frozenset[Role]) -> str:
    here = _here(given, status, roles)
    able = [f"{cell.action} → {decision.target}" for cell, decision in here if decision]
    return ", ".join(able) or "nothing"


def _refused(given: Rules, status: Status | None, roles: frozenset[Role]) -> Iterator[list[str]]:
    """A row for each reason; the actions that are refused in the same words together."""
    refused = [
        (decision.explanation, decision.advice, cell.action)
        for cell, decision in _here(given, status, roles)
        if not decision
    ]
    for (why, advice), same in groupby(refused, key=lambda each: each[:2]):
        actions = ", ".join(action for *_, action in same)
        yield [status or _NO_CONNECTION, actions, why, advice]


def _waiting(given: Rules, status: Status | None, roles: frozenset[Role]) -> str:
    """Whose turn it is on the way to the status in which data may pass."""
    if not roles:
        return "nobody: it is no party"
    left = list(_left(given, status))
    if not left:
        return f"nobody: it is {status or 'never created'}"
    turns = [
        f"it can {action} it itself" if roles & takers else f"{_any_of(takers)}, to {action} it"
        for takers, action in left
    ]
    prefix = "nobody: " if roles & left[0][0] else ""
    return prefix + "; then ".join(turns)


def _left(given: Rules, status: Status | None) -> Iterator[tuple[frozenset[Role], str]]:
    """Who has to do what, step by step."""
    for way in transitions(given.table):
        if status is way.before is None:
            yield frozenset(way.roles), way.action
            status = way.after
    if status is not None:
        for step in given.ways[status]:
            yield step.roles, step.action


def _any_of(roles: frozenset[Role]) -> str:
    return " or ".join(f"the {role}" for role in Role if role in roles)


def _reading(given: Rules, status: Status | None, roles: frozenset[Role]) -> str:
    if status is None:
        return "no: there is no Connection"
    decision = given.access[status, roles]
    return "yes" if decision else f"no: {_answer(decision)}"
