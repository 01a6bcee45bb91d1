"""Answers: every possible decision, made in advance from the lifecycle's answers.

`Answers` puts every status, action and set of roles to the rules as `connect_core.table` has
collected them, and keeps the decisions with their words. A question to the policy is then a lookup.
`ENGLISH` is made on import; a host with words of its own makes another one. What is decided here
follows from the rules; `connect_core.lifecycle` states them.

A status that this version does not know cannot be listed in advance. The first answers about such
statuses are kept, too.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final, NamedTuple, TypeVar

from connect_core.decision import Cell, Decision, Denial, Step
from connect_core.lifecycle import READING_ROLE, SHARING_STATUS, Action, Role, Status
from connect_core.parties import ROLES
from connect_core.table import PERMITTED_ROLES, PERMITTED_STATUSES, SHORTEST_WAYS, TARGETS
from connect_core.text import quoted
from connect_core.wording import Wording


class Unknown(NamedTuple):
    """A status that this version does not know."""

    #: What it is called, safe to show; empty if that makes no difference.
    name: str = ""


#: A status, whether this version knows it or not.
AnyStatus = Status | Unknown

#: What an answer depends on: whether the actor's organization is the source, whether it is the
#: destination, the status, and what was asked. It is the key that is quickest to build.
Key = tuple[bool, bool, str, *tuple[object, ...]]
_Answer = TypeVar("_Answer")

#: How many answers each table has at most, and how long an unknown status in one of them may be.
_MOST_KEPT: Final = 1024
_LONGEST_KEPT: Final = 100


class Answers:
    """Every decision, in the words of a `Wording`.

    Attributes:
        decisions: those on an action, by (is source, is destination, status, action).
        menus: those on all actions, by (is source, is destination, status).
        access: those on reading data, by (is source, is destination, status, whether the scope is
            granted).
        creations: those on a creation, by (is source, is destination, the status of the Connection
            that exists or None, whether it is refused to connect an organization with itself).
    """

    def __init__(self, wording: Wording) -> None:
        self._wording = wording
        self.decisions: Final[dict[Key, Decision]] = {
            (*held, status, action): self._judge(action, status, roles)
            for held, roles in ROLES.items()
            for action in Action
            for status in Status
        }
        self.menus: Final[dict[Key, Mapping[Action, Decision]]] = {
            (*held, status): self._menu_on(*held, status) for held in ROLES for status in Status
        }
        self.access: Final[dict[Key, Decision]] = {
            (*held, status, granted): self._judge_access(status, roles, granted=granted)
            for held, roles in ROLES.items()
            for status in Status
            for granted in (False, True)
        }
        self.creations: Final[dict[tuple[bool, bool, object, bool], Decision]] = {
            (*held, status, self_refused): self._judge(
                Action.CREATE, status, roles, self_refused=self_refused
            )
            for held, roles in ROLES.items()
            for status in (None, *Status, Unknown())
            for self_refused in (False, True)
        }

    # --- Lookups ---

    def on_action(self, key: Key) -> Decision:
        """The decision on an action.

        Raises:
            ValueError: there is no such action.
        """
        try:
            return self.decisions[key]
        except (KeyError, TypeError):  # an unknown status, or no action
            return _kept(self.decisions, self._on_unknown, key)

    def on_all_actions(self, key: Key) -> Mapping[Action, Decision]:
        """The decision on each action, in the order of `Action`; read-only."""
        try:
            return self.menus[key]
        except KeyError:  # an unknown status
            return _kept(self.menus, self._menu_on, key)

    def on_access(self, key: Key) -> Decision:
        """The decision on reading data."""
        try:
            return self.access[key]
        except KeyError:  # an unknown status
            return _kept(self.access, self._access_on_unknown, key)

    def _menu_on(
        self, is_source: bool, is_destination: bool, status: str
    ) -> Mapping[Action, Decision]:
        keys = {action: (is_source, is_destination, status, action) for action in Action}
        return MappingProxyType({action: self.on_action(key) for action, key in keys.items()})

    def _on_unknown(
        self, is_source: bool, is_destination: bool, status: str, action: str
    ) -> Decision:
        unknown = Unknown(quoted(status))
        return self._judge(Action(action), unknown, ROLES[is_source, is_destination])

    def _access_on_unknown(
        self, is_source: bool, is_destination: bool, status: str, granted: bool
    ) -> Decision:
        unknown = Unknown(quoted(status))
        return self._judge_access(unknown, ROLES[is_source, is_destination], granted=granted)

    # --- Making decisions ---

    def _judge(
        self,
        action: Action,
        found: AnyStatus | None,
        roles: frozenset[Role],
        *,
        self_refused: bool = False,
    ) -> Decision:
        """The decision on an action, with every denial.

        `found` is the status, or None if there is no Connection yet.
        """
        status = found if isinstance(found, Status) else None
        unknown = found if isinstance(found, Unknown) else None
        target = None if unknown is not None else TARGETS.get(Cell(status, action, roles))
        may_ever = bool(roles & PERMITTED_ROLES[action])
        possible_here = unknown is None and status in PERMITTED_STATUSES[action]
        denials: set[Denial] = set()
        if not may_ever:
            denials.add(Denial.WRONG_ROLE)
        if unknown is not None:
            denials.add(Denial.UNKNOWN_STATUS)
        if action is Action.CREATE and not possible_here:
            denials.add(Denial.ALREADY_EXISTS)
        elif unknown is None and target is None and (may_ever or not possible_here):
            denials.add(Denial.WRONG_STATUS)
        if self_refused:
            denials.add(Denial.SELF_CONNECTION)
        ways = {} if status is None else SHORTEST_WAYS[status]
        enough = [way for end, way in ways.items() if Cell(end, action, roles) in TARGETS]
        remedy = min(enough, key=len, default=())
        name = "" if unknown is None else unknown.name
        return self._decision(action, status, roles, denials, target, remedy, name)

    def _judge_access(self, found: AnyStatus, roles: frozenset[Role], *, granted: bool) -> Decision:
        """The decision on reading data, with every denial."""
        status = found if isinstance(found, Status) else None
        denials: set[Denial] = set()
        if status is None:
            denials.add(Denial.UNKNOWN_STATUS)
        elif status is not SHARING_STATUS:
            denials.add(Denial.NOT_ACTIVE)
        if not granted:
            denials.add(Denial.SCOPE_NOT_GRANTED)
        if READING_ROLE not in roles:
            denials.add(Denial.WRONG_DIRECTION)
        remedy: tuple[Step, ...] = ()
        if status is not None and denials == {Denial.NOT_ACTIVE}:
            remedy = SHORTEST_WAYS[status][SHARING_STATUS]
        name = found.name if isinstance(found, Unknown) else ""
        return self._decision(None, status, roles, denials, remedy=remedy, unknown_status=name)

    def _decision(
        self,
        action: Action | None,
        status: Status | None,
        roles: frozenset[Role],
        denials: Collection[Denial],
        target: Status | None = None,
        remedy: tuple[Step, ...] = (),
        unknown_status: str = "",
    ) -> Decision:
        """Sort the denials and add the words. An outsider is told nothing."""
        if not roles:
            status, denials, target, remedy = None, {Denial.NOT_A_PARTY}, None, ()
        if denials:
            ordered = tuple(denial for denial in Denial if denial in denials)
            plain = Decision(action, status, roles, denials=ordered, remedy=remedy)
        else:
            plain = Decision(action, status, roles, target)
        return replace(
            plain,
            explanation=self._wording.explain(plain, stored_status=unknown_status),
            advice=self._wording.advise(plain),
        )


def _kept(table: dict[Key, _Answer], make: Callable[..., _Answer], key: Key) -> _Answer:
    """An answer about a status that is not known. It names the status; the first ones are kept."""
    answer = make(*key)
    if len(table) < _MOST_KEPT and len(key[2]) <= _LONGEST_KEPT:
        table[key] = answer
    return answer


#: The answers of the policy.
ENGLISH: Final = Answers(Wording())
