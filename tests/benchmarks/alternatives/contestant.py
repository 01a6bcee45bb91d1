"""The interface of a contestant: the questions that a library answers by its own means."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar

from connect_core import Action, Actor

#: The actions on an existing Connection; a creation has no subject to ask about.
ACTIONS = (Action.ACTIVATE, Action.DEACTIVATE, Action.REACTIVATE)


class Ability(StrEnum):
    """The questions that a contestant may answer."""

    DECIDE = "decide"
    STEP = "step"
    ALLOWED_ACTIONS = "allowed_actions"
    PERMITTED = "permitted"


@dataclass(slots=True)
class StoredRow:
    """A row of the table, as a service would hold it in memory."""

    id: str
    source_organization_id: str
    destination_organization_id: str
    status: str


class Contestant:
    """The policy, written with one library or none.

    The questions are asked about a *subject*, which `subject` makes of a row. A subject can be used
    for many questions, so making it is not timed with a single question. It is timed when each of
    100,000 rows is asked about once.

    A question that the library does not answer by its own means is in `cannot`, with the text that
    tables show instead, and its method is missing.

    Attributes:
        name: its name in tables.
        distribution: the distribution that is installed, or None.
        gives: what an answer says besides yes or no.
        cannot: the questions that it does not answer, and why.
        refusals: the exceptions that `step` raises to refuse.
    """

    name: str
    distribution: str | None = None
    gives: str
    cannot: ClassVar[Mapping[Ability, str]] = {}
    refusals: tuple[type[Exception], ...] = ()

    def subject(self, row: StoredRow) -> Any:
        """What the questions are about: the row, or what the library needs instead."""
        return row

    def decide(self, actor: Actor, action: Action, subject: Any) -> Any:
        """Whether `actor` may take `action`: the library's own answer, with the reason it gives."""
        raise NotImplementedError

    def deciding(self) -> Callable[[Actor, Action, Any], Any]:
        """The callable to time: `decide`, or the function to which it only passes its arguments."""
        return self.decide

    def read(self, answer: Any) -> tuple[bool, object]:
        """Whether an answer of `decide` permits, and its reason; not timed."""
        return bool(answer), None

    def step(self, subject: Any, actor: Actor, action: Action) -> Any:
        """Take `action` if `actor` may; return the subject afterwards. A refusal may raise."""
        raise NotImplementedError

    def status_of(self, subject: Any) -> str:
        """The status of the subject."""
        return str(subject.status)

    def allowed_actions(self, actor: Actor, subject: Any) -> Any:
        """Every action that `actor` may take now, as names in some collection."""
        raise NotImplementedError

    def listing(self) -> Callable[[Actor, Any], Any]:
        """The callable to time: `allowed_actions`, or the function that it only calls."""
        return self.allowed_actions

    def permitted(self, actor: Actor, action: Action, rows: Sequence[StoredRow]) -> list[StoredRow]:
        """The rows on which `actor` may take `action`, found in the library's quickest way."""
        raise NotImplementedError
