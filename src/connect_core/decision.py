"""Decisions: the policy's answers, as values.

A `Decision` is the whole answer to "may they?": every `Denial` that applies, the `Step`s that would
help, and both in words. A `Cell` is one question to the decision table. All of them are immutable.

This module decides nothing: `connect_core.answers` makes the decisions, and `connect_core.wording`
puts them into words.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from connect_core.lifecycle import Action, Role, Status


class Denial(StrEnum):
    """A condition that failed. The members are in order of precedence."""

    #: The actor's organization is neither source nor destination. An outsider gets this alone.
    NOT_A_PARTY = "not_a_party"
    #: No role that the actor holds may ever do this.
    WRONG_ROLE = "wrong_role"
    #: The action is not possible from this status.
    WRONG_STATUS = "wrong_status"
    #: A Connection for this ordered pair exists already, whatever its status.
    ALREADY_EXISTS = "already_exists"
    #: Source and destination are the same, and the caller did not ask for that.
    SELF_CONNECTION = "self_connection"
    #: This version does not know the status.
    UNKNOWN_STATUS = "unknown_status"
    #: Data may pass only while the Connection is active.
    NOT_ACTIVE = "not_active"
    #: The Connection does not grant this scope.
    SCOPE_NOT_GRANTED = "scope_not_granted"
    #: Data flows from the source to the destination only.
    WRONG_DIRECTION = "wrong_direction"


def any_of(roles: Collection[Role]) -> str:
    """The roles in words: ``the source or the destination``."""
    return " or ".join(f"the {role}" for role in Role if role in roles)


class Step(NamedTuple):
    """One transition on the way to a goal.

    Attributes:
        action: what has to be done.
        roles: who may do it; any one of them.
        before: the status it starts from.
        after: the status it leads to.
    """

    action: Action
    roles: frozenset[Role]
    before: Status
    after: Status

    def __str__(self) -> str:
        """The step in words: ``the source must reactivate it``."""
        return f"{any_of(self.roles)} must {self.action} it"

    def as_dict(self) -> dict[str, object]:
        """The step as plain JSON values; roles are sorted."""
        return {
            "action": self.action.value,
            "roles": sorted(role.value for role in self.roles),
            "before": self.before.value,
            "after": self.after.value,
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> "Step":
        """Make a step from what `as_dict` returned.

        Raises:
            KeyError: a member is missing.
            ValueError: this version does not know one of the values.
        """
        return cls(
            Action(record["action"]),
            frozenset(map(Role, record["roles"])),
            Status(record["before"]),
            Status(record["after"]),
        )


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer to "may they?", with every reason. Immutable, and true exactly when allowed.

    Attributes:
        allowed: True if no condition failed.
        action: the action asked for; None if the question was whether data may be read.
        status: the Connection's status; None if there is no Connection, if this version does not
            know the status, or for an outsider, who is not told.
        roles: the roles that the actor holds.
        target: the status that the action leads to; None if it is denied, or for reading data.
        denials: every condition that failed, in order of precedence; an outsider gets
            `Denial.NOT_A_PARTY` alone.
        remedy: the steps that would make it possible, in order; empty if none would.
        explanation: why, in one plain sentence.
        advice: what would help, in one plain sentence; empty when allowed.
    """

    allowed: bool = field(init=False)
    action: Action | None
    status: Status | None
    roles: frozenset[Role]
    target: Status | None = None
    denials: tuple[Denial, ...] = ()
    remedy: tuple[Step, ...] = field(default=(), repr=False)
    explanation: str = field(default="", repr=False)
    advice: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "allowed", not self.denials)

    def __bool__(self) -> bool:
        return self.allowed

    @property
    def denial(self) -> Denial | None:
        """The condition that failed first, in order of precedence; None when allowed."""
        return self.denials[0] if self.denials else None

    def as_dict(self) -> dict[str, object]:
        """The decision as plain JSON values, for an audit record; roles are sorted."""
        return {
            "allowed": self.allowed,
            "action": None if self.action is None else self.action.value,
            "status": None if self.status is None else self.status.value,
            "roles": sorted(role.value for role in self.roles),
            "target": None if self.target is None else self.target.value,
            "denials": [denial.value for denial in self.denials],
            "remedy": [step.as_dict() for step in self.remedy],
            "explanation": self.explanation,
            "advice": self.advice,
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> "Decision":
        """Make a decision from what `as_dict` returned, word for word.

        Raises:
            KeyError: a member is missing.
            ValueError: this version does not know one of the values.
        """
        action, status, target = record["action"], record["status"], record["target"]
        return cls(
            None if action is None else Action(action),
            None if status is None else Status(status),
            frozenset(map(Role, record["roles"])),
            None if target is None else Status(target),
            tuple(map(Denial, record["denials"])),
            tuple(map(Step.from_dict, record["remedy"])),
            record["explanation"],
            record["advice"],
        )


class Cell(NamedTuple):
    """One question to the decision table."""

    #: The Connection's status; None if there is no Connection yet.
    status: Status | None
    #: The action asked for.
    action: Action
    #: The roles that the actor holds; empty for an outsider.
    roles: frozenset[Role]


def minds_version(decision: Decision) -> bool:
    """True if a stale version is reported before the decision itself.

    Reading the Connection again helps neither an outsider nor a role that may never do this: they
    get the decision.
    """
    return not {Denial.NOT_A_PARTY, Denial.WRONG_ROLE} & set(decision.denials)
