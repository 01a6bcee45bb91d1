"""The decision table as Markdown: two derived pages of the documentation.

One page is the whole matrix; the other says what each role can do. No rule and no explanation is
written here: both pages come from the policy's answers.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final, NamedTuple

from connect_core.decision import Cell, Decision, any_of
from connect_core.lifecycle import SHARING_STATUS, Action, Role, Status
from connect_core.parties import ROLES, Actor
from connect_core.policy import decide_access, decision_table
from connect_core.scopes import DEFAULT_SCOPES
from connect_core.table import PERMITTED_ROLES, SHORTEST_WAYS, TARGETS


def tables() -> dict[str, str]:
    """Both pages, by the names of their files: ``matrix.md`` and ``roles.md``."""
    return {"matrix.md": f"{decision_matrix()}\n", "roles.md": f"{role_tables()}\n"}


def decision_matrix() -> str:
    """The decision table as a page of Markdown: a row for each status and action."""
    columns = _role_sets()
    rows = [
        [status or _NO_CONNECTION, action]
        + [_answer(decision_table()[Cell(status, action, roles)]) for roles in columns]
        for status, action in dict.fromkeys((cell.status, cell.action) for cell in decision_table())
    ]
    lines = [
        "# The matrix",
        "",
        "For each status and action: the new status, or every reason why it is refused, the first",
        "of them first. *Both* is an organization that is connected to itself.",
        "",
        *_table(["status", "action", *map(_role_name, columns)], *rows),
    ]
    return "\n".join(lines)


def role_tables() -> str:
    """What each role can do, as a page of Markdown.

    The page begins with the steps from each status until data may pass. Then it says for each role
    what it can do and read in each status, what it is refused and why, and what would help.
    """
    lines = [
        "# What each role can do",
        "",
        "## Until data may pass",
        "",
        *_table(
            ["status", "steps"],
            *([status or _NO_CONNECTION, _steps_left(status)] for status in _STATUSES),
        ),
    ]
    for roles in _role_sets():
        heading = "Both at once" if len(roles) > 1 else f"The {_role_name(roles)}"
        lines += ["", f"## {heading}", "", *_table(_CAN, *_permitted(roles))]
        lines += ["", *_table(_CANNOT, *_refused(roles))]
    return "\n".join(lines)


_NO_CONNECTION: Final = "none"
_CAN: Final = ["status", "can do now", "may read data"]
_CANNOT: Final = ["status", "refused", "why", "what would help"]
#: None, for no Connection yet, and every status.
_STATUSES: Final = (None, *Status)


def _table(*rows: Sequence[str]) -> Iterator[str]:
    """The lines of a table. The first row is the header."""
    for number, row in enumerate(rows):
        yield f"| {' | '.join(row)} |"
        if number == 0:
            yield f"|{' --- |' * len(row)}"


def _role_sets() -> list[frozenset[Role]]:
    """Every set of roles, the outsider's last."""
    return sorted(
        ROLES.values(), key=lambda roles: (not roles, len(roles), Role.SOURCE not in roles)
    )


def _role_name(roles: frozenset[Role]) -> str:
    return "both" if len(roles) > 1 else next(iter(roles), "outsider")


def _answer(decision: Decision) -> str:
    if decision.target is not None:
        return f"→ {decision.target}"
    return ", ".join(decision.denials).replace("_", " ")


def _steps_left(status: Status | None) -> str:
    """The steps from a status until data may pass."""
    steps: list[str] = []
    if status is None:
        status = next(target for cell, target in TARGETS.items() if cell.status is None)
        steps.append(f"{any_of(PERMITTED_ROLES[Action.CREATE])} must {Action.CREATE} it")
    steps += map(str, SHORTEST_WAYS[status][SHARING_STATUS])
    return ", then ".join(steps) or "none"


def _decisions(status: Status | None, roles: frozenset[Role]) -> list[tuple[Action, Decision]]:
    return [
        (cell.action, decision)
        for cell, decision in decision_table().items()
        if cell.status is status and cell.roles == roles
    ]


def _permitted(roles: frozenset[Role]) -> Iterator[list[str]]:
    """A row for each status."""
    for status in _STATUSES:
        able = [
            f"{action} → {decision.target}"
            for action, decision in _decisions(status, roles)
            if decision
        ]
        yield [status or _NO_CONNECTION, ", ".join(able) or "nothing", _reading(status, roles)]


class _Row(NamedTuple):
    """The attributes of a Connection that the policy needs."""

    source_organization_id: str
    destination_organization_id: str
    status: Status
    scopes: frozenset[str] = DEFAULT_SCOPES


def _reading(status: Status | None, roles: frozenset[Role]) -> str:
    """Whether data of a granted scope may be read; if not, why."""
    if status is None:
        return "no: there is no Connection"
    reader = Actor(id="usr_Reader", organization_id="org_Reader")
    source, destination = ("org_Reader" if role in roles else "org_Other" for role in Role)
    decision = decide_access(reader, min(DEFAULT_SCOPES), _Row(source, destination, status))
    return "yes" if decision else f"no: {_answer(decision)}"


def _refused(roles: frozenset[Role]) -> Iterator[list[str]]:
    """A row for each status and reason, with all actions that are refused in the same words."""
    for status in _STATUSES:
        refused = [
            (decision, action) for action, decision in _decisions(status, roles) if not decision
        ]
        for (why, advice), same in groupby(
            refused, key=lambda each: (each[0].explanation, each[0].advice)
        ):
            actions = ", ".join(action for _, action in same)
            yield [status or _NO_CONNECTION, actions, why, advice]
