"""The policy's questions, against a bare dict lookup."""

import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from unittest.mock import patch

from connect_core import (
    Action,
    Connection,
    Decision,
    Role,
    Status,
    allowed_actions,
    can,
    decide,
    decide_access,
)

from .results import AtMost, Fact, Figure, Section
from .story import DESTINATION, SOURCE, Row, pending_connection, pending_row
from .timing import Sample, best, statement

_BASELINE = "table[status, action, role]"
_BOUND = AtMost(6)
#: Access to a row: its scopes are a list of any values, which are looked at one by one.
_BOUND_OF_ROWS = AtMost(10)
#: How often a question is asked to check which objects it creates.
_REPETITIONS = 2_000


def _lookup() -> Sample:
    """The baseline: a dict with one key for each cell of the policy.

    A cell is a status (or an unknown one), an action, and no role, either role or both.
    """
    cells = product((*Status, "unknown"), Action, ("none", *Role, "both"))
    table = {cell: index for index, cell in enumerate(cells)}
    return statement(
        _BASELINE, table=table, status=Status.PENDING, action=Action.ACTIVATE, role=Role.DESTINATION
    )


def _questions(connection: Connection | Row) -> dict[str, Sample]:
    """Each question about one connection. The destination may activate it, the source may not."""
    names: dict[str, object] = {"decide": decide, "can": can, "allowed_actions": allowed_actions}
    names |= {"decide_access": decide_access, "scope": "inquiry.read"}
    allowed = {**names, "actor": DESTINATION, "action": Action.ACTIVATE, "connection": connection}
    denied = {**allowed, "actor": SOURCE}
    return {
        "decide, allowed": statement("decide(actor, action, connection)", **allowed),
        "decide, denied": statement("decide(actor, action, connection)", **denied),
        "can, allowed": statement("can(actor, action, connection)", **allowed),
        "can, denied": statement("can(actor, action, connection)", **denied),
        "allowed_actions": statement("allowed_actions(actor, connection)", **allowed),
        "decide_access": statement("decide_access(actor, scope, connection)", **allowed),
    }


def asking(rounds: int) -> Section:
    """How long a question takes, about a Connection and about two rows of a service's own."""
    contestants = {_BASELINE: _lookup()}
    unknown = replace(pending_row(), status="archived")
    asked: dict[str, Connection | Row] = {
        "Connection": pending_connection(),
        "row": pending_row(),
        "unknown status": unknown,
    }
    for kind, connection in asked.items():
        for question, sample in _questions(connection).items():
            contestants[f"{question}, {kind}"] = sample
    seconds = best(contestants, rounds)
    baseline = seconds.pop(_BASELINE)
    return Section(
        "Asking",
        tuple(
            Figure(question, time, _BASELINE, baseline, _bound(question))
            for question, time in seconds.items()
        ),
        tuple(_facts()),
    )


def _bound(question: str) -> AtMost:
    access_to_a_row = question.startswith("decide_access") and "Connection" not in question
    return _BOUND_OF_ROWS if access_to_a_row else _BOUND


def _facts() -> list[Fact]:
    """The facts that show that every answer exists before it is asked for."""
    connection, row = pending_connection(), pending_row()
    unknown = replace(row, status="archived")
    about = [
        (actor, that) for actor in (SOURCE, DESTINATION) for that in (connection, row, unknown)
    ]
    decisions = [lambda a=a, c=c: decide(a, Action.ACTIVATE, c) for a, c in about]
    verdicts = [lambda a=a, c=c: can(a, Action.ACTIVATE, c) for a, c in about]
    menus = [lambda a=a, c=c: allowed_actions(a, c) for a, c in about]
    questions: list[Callable[[], object]] = [*decisions, *verdicts, *menus]
    return [
        Fact("equal questions, the same object", all(map(_same_answer, questions))),
        Fact("no Decision is made by asking", _decisions_made(questions) == 0),
        Fact("answers take no memory when kept", all(map(_takes_no_memory, questions))),
    ]


def _same_answer(question: Callable[[], object]) -> bool:
    first = question()
    return all(question() is first for _ in range(_REPETITIONS))


def _decisions_made(questions: list[Callable[[], object]]) -> int:
    """How many Decisions are created while the questions are asked, kept or not."""
    with patch.object(Decision, "__init__") as made:
        for question in questions:
            question()
    return made.call_count


def _takes_no_memory(question: Callable[[], object]) -> bool:
    """Whether many answers, all kept, hold no more memory than one.

    The second round is counted, when everything that the first caches is there. The counting takes
    a few blocks of its own; if the answers took memory, there would be a block for each.
    """
    kept: list[object] = [None] * _REPETITIONS
    return [_growth(question, kept) for _ in range(2)][-1] < _REPETITIONS / 100


def _growth(question: Callable[[], object], kept: list[object]) -> int:
    """By how many blocks of memory the process grows while answers replace what `kept` holds."""
    before = sys.getallocatedblocks()
    for index in range(len(kept)):
        kept[index] = question()
    return sys.getallocatedblocks() - before
