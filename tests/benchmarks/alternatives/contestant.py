"""What a contestant is: the same questions, each answered by a library's own means."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar

from connect_core import Action, Actor

#: What an actor may ask for about a Connection that is there; to create one is no such question.
ACTIONS = (Action.ACTIVATE, Action.DEACTIVATE, Action.REACTIVATE)


class Ability(StrEnum):
    """What may be asked of a contestant."""

    DECIDE = "decide"
    STEP = "step"
    ALLOWED_ACTIONS = "allowed_actions"
    PERMITTED = "permitted"


@dataclass(slots=True)
class StoredRow:
    """A row of the table, as a service would have it in memory."""

    id: str
    source_organization_id: str
    destination_organization_id: str
    status: str


class Contestant:
    """One library, or none, with the policy in it.

    The questions are asked about a *subject*: what `subject` makes of a row. It may be kept from
    question to question, so that to make it is not timed where one question is; where 100,000 rows
    are asked about once each, it is.

    A question that the library does not answer by its own means is named in `cannot`, with what is
    to be said instead, and its method is not there.

    Attributes:
        name: how it is called in tables.
        distribution: what is installed, or None if nothing is.
        gives: what an answer says beside yes and no.
        cannot: the questions that it does not answer, and why.
        refusals: what `step` raises to refuse.
    """

    name: str
    distribution: str | None = None
    gives: str
    cannot: ClassVar[Mapping[Ability, str]] = {}
    refusals: tuple[type[Exception], ...] = ()

    def subject(self, row: StoredRow) -> Any:
        """What is asked about: the row, or what has to be made of it first."""
        return row

    def decide(self, actor: Actor, action: Action, subject: Any) -> Any:
        """Whether `actor` may take `action`: the library's own answer, with what reason it has."""
        raise NotImplementedError

    def deciding(self) -> Callable[[Actor, Action, Any], Any]:
        """What is timed: `decide`, or the function that it only passes its arguments to."""
        return self.decide

    def read(self, answer: Any) -> tuple[bool, object]:
        """Of such an answer whether it allows, and the reason; not timed."""
        return bool(answer), None

    def step(self, subject: Any, actor: Actor, action: Action) -> Any:
        """Take `action`, if `actor` may: the subject afterwards. To refuse may be to raise."""
        raise NotImplementedError

    def status_of(self, subject: Any) -> str:
        """Where the subject stands."""
        return str(subject.status)

    def allowed_actions(self, actor: Actor, subject: Any) -> Any:
        """Every action that `actor` may take now, as names in some collection."""
        raise NotImplementedError

    def listing(self) -> Callable[[Actor, Any], Any]:
        """What is timed: `allowed_actions`, or the function that it only passes them to."""
        return self.allowed_actions

    def permitted(self, actor: Actor, action: Action, rows: Sequence[StoredRow]) -> list[StoredRow]:
        """Those of `rows` on which `actor` may take `action`, by the quickest way that it has."""
        raise NotImplementedError
