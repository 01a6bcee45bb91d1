"""Rows with hostile ids and statuses, and what `decide` answers about them, for queries."""

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import product
from typing import Any, NamedTuple

from sqlalchemy import Column, Integer, MetaData, Table, Text, select

from connect_core import Action, Actor, Denial, RowPolicy, Status
from connect_core.adapters.sql import actionable, decision_columns

#: Ids: ours, another one, what only looks like ours, and what SQL or Spark could take for syntax.
IDS: list[str | None] = [
    "org_A", "org_B", None, "", "ORG_A", "org_A ", " org_A", "org_A\t", "org_A\n", "org_\u0410",
    "org_A\u0301", "org_A\u200b", "org_A' OR '1'='1", "org_A\\", "org_A\\'", "${env:HOME}",
    "org_A$", 'org_A"', "org_%", "NULL",
]  # fmt: skip
#: Ids that ask. All of them are text that no model has checked.
CALLERS = [each for each in IDS if each is not None]
#: Statuses: known ones, what only looks like one, what is not safe to show, and long ones.
STATUSES: list[str | None] = [
    *(status.value for status in Status), *(status.name for status in Status), None, "", " ",
    "active ", " active", "active\n", "\nactive", "active\t", "archived", "it's", "a\\b", "\\", "'",
    "${env:HOME}", "$", "NULL", "None", "...", "a status that connect_core does not know",
    "acti\u0301ve", "\u0430ctive", "active\u200b", "\u202eevitca", "\x7f", "\x1f", "~",
    "x" * 255, "x" * 256, "\u00e9",
]  # fmt: skip

SHARES = Table(
    "shares",
    MetaData(),
    Column("id", Integer),
    *(
        Column(name, Text)
        for name in ("source_organization_id", "destination_organization_id", "status")
    ),
)


class HostileRow(NamedTuple):
    """A row of `SHARES`."""

    id: int
    source_organization_id: Any
    destination_organization_id: Any
    status: Any


def numbered(rows: Iterable[tuple[Any, Any, Any]]) -> list[HostileRow]:
    """The rows with ids, from 0."""
    return [HostileRow(number, *values) for number, values in enumerate(rows)]


#: Every pair of ids in two statuses, and every status of a few pairs.
EVERY = numbered(
    [
        *product(IDS, IDS, ["pending", "archived"]),
        *product(["org_A", "org_B", None], ["org_A", "org_B"], STATUSES),
    ]
)


class Answer(NamedTuple):
    """What is answered about a row."""

    id: int
    allowed: bool
    target: str | None
    denial: str | None
    explanation: str
    advice: str


def actor_of(organization_id: str) -> Actor:
    """An actor of an organization, whose id is not checked."""
    return Actor.model_construct(id="usr_1", organization_id=organization_id)


def query_of(
    actor: Actor,
    action: str,
    on: Any = SHARES,
    rows: RowPolicy = RowPolicy(),  # noqa: B008  # immutable
) -> Any:
    """The query for the answers about every row of a table."""
    allowed = actionable(actor, action, on, rows=rows).label("allowed")
    return select(on.c.id, allowed, *decision_columns(actor, action, on, rows=rows))


def expected(
    actor: Actor,
    action: str,
    row: Any,
    policy: RowPolicy = RowPolicy(),  # noqa: B008  # immutable
) -> Answer:
    """What `can` and `decide` say. A status that is not printable ASCII is not named."""
    decision = policy.decide(actor, action, row)
    explanation, status = decision.explanation, getattr(row, policy.status)
    if decision.denial is Denial.UNKNOWN_STATUS and not is_named(status):
        substitute = HostileRow(
            0, row.source_organization_id, row.destination_organization_id, "..."
        )
        explanation = policy.decide(actor, action, substitute).explanation
    return Answer(
        row.id,
        policy.can(actor, action, row),
        decision.target,
        decision.denial,
        explanation,
        decision.advice,
    )


def is_named(status: object) -> bool:
    """Whether an explanation in SQL names this status."""
    return not isinstance(status, str) or re.fullmatch("[\x20-\x7e]{0,255}", status) is not None


QUESTIONS = [(caller, action) for caller in ("org_A", "org_B") for action in Action]
#: Everybody asks, but each about one action.
EVERY_QUESTION = [*QUESTIONS, *((caller, Action.DEACTIVATE) for caller in CALLERS)]


def answers(run: Callable[[Any], Iterable[Any]], caller: str, action: str) -> list[Answer]:
    """What a query answers about `SHARES`, in the order of the rows."""
    found = [Answer(*row) for row in run(query_of(actor_of(caller), action))]
    return sorted(found)


def all_expected(rows: Iterable[HostileRow], caller: str, action: str) -> list[Answer]:
    """What should be answered about the rows."""
    return [expected(actor_of(caller), action, row) for row in rows]


def columns_of(rows: Iterable[HostileRow]) -> Iterator[list[Any]]:
    """The values of each column."""
    for values in zip(*rows, strict=True):
        yield list(values)
