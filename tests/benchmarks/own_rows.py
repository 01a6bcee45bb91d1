"""The policy on a host's own rows, against `decide` on rows with this library's names."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from uuid import UUID

from connect_core import Action, RowPolicy, Status, decide

from .results import AtMost, Figure, Section
from .timing import Sample, best, statement

_DECIDE = "decide, text ids"
#: The ids of two organizations, for each type. Equal ids are different objects, as in life.
_IDS: dict[str, Callable[[int], object]] = {
    "text": lambda number: f"organization {number}",
    "int": lambda number: 1000 + number,
    "UUID": lambda number: UUID(int=2**100 + number),
}


class _State(Enum):
    OFFERED = "offered"
    RUNNING = "running"
    OVER = "over"


@dataclass
class _User:
    organization_id: object


@dataclass
class _Row:
    source_organization_id: object
    destination_organization_id: object
    status: object


@dataclass
class _Partnership:
    giver: object
    taker: object
    state: object


def _policy(*spellings: object) -> RowPolicy:
    statuses = dict(zip(Status, spellings, strict=True))
    return RowPolicy(source="giver", destination="taker", status="state", statuses=statuses)


_POLICIES = {
    "upper case": (_policy("PENDING", "ACTIVE", "INACTIVE"), "PENDING"),
    "members of an Enum": (_policy(*_State), _State.OFFERED),
}


def _samples() -> dict[str, Sample]:
    """The destination may activate what is pending, for each type of an id."""
    samples: dict[str, Sample] = {}
    for kind, make in _IDS.items():
        user = _User(make(2))
        ours = _Row(make(1), make(2), "pending")
        samples[f"decide, {kind} ids"] = statement(
            "decide(user, action, row)", decide=decide, user=user, action=Action.ACTIVATE, row=ours
        )
        for spelling, (rows, pending) in _POLICIES.items():
            samples[f"RowPolicy.decide, {kind} ids, {spelling}"] = statement(
                "rows.decide(user, action, row)",
                rows=rows,
                user=user,
                action=Action.ACTIVATE,
                row=_Partnership(make(1), make(2), pending),
            )
    return samples


def mapping(rounds: int) -> Section:
    """How long a question about a host's own row takes, for each type of an id."""
    seconds = best(_samples(), rounds)
    baseline = seconds.pop(_DECIDE)
    return Section(
        "Rows of a host's own",
        tuple(
            Figure(question, time, _DECIDE, baseline, _bound(question))
            for question, time in seconds.items()
        ),
        (),
    )


def _bound(question: str) -> AtMost:
    """Ids of other types take no longer, but for the noise; a mapping half as long again."""
    if question.startswith("decide"):
        return AtMost(1.1)
    return AtMost(1.5 if "upper" in question else 1.75)
