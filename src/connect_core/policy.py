"""The policy: who may do what, answered from a table.

When this module is imported it puts every status and every set of roles to `ConnectionLifecycle`
and writes down what the machine enables and where it leads. Everything else here is derived from
those answers: the decisions, their explanations, the shortest ways. Each possible `Decision` is
made then, once; asking later is a lookup.

Questions return a value and never raise on a well-typed call (`decide`, `can`, `allowed_actions`);
commands raise a typed error (`authorize`). Both read the same table.

The functions take any object with `source_organization_id`, `destination_organization_id` and
`status` (and `scopes`, for access): a `Connection`, or a row of your own whose status is a plain
string. A status that is not a `Status` permits nothing.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, NamedTuple, NoReturn, Protocol

from connect_core.errors import (
    AccessDeniedError,
    DuplicateConnectionError,
    ForbiddenTransitionError,
    InvalidTransitionError,
    NotAPartyError,
    SelfConnectionError,
)
from connect_core.lifecycle import (
    READING_ROLE,
    SHARING_STATUS,
    Action,
    ConnectionLifecycle,
    Role,
    Status,
)
from connect_core.parties import ROLES, Actor, Organization, Parties, organization_id_of
from connect_core.scopes import Scope


class ConnectionLike(Parties, Protocol):
    """What the policy needs to know of a Connection to judge an action."""

    @property
    def status(self) -> str:
        """A `Status`, or the same as a plain string. Anything else permits nothing."""
        ...


class SharingConnectionLike(ConnectionLike, Protocol):
    """What the policy needs to know of a Connection to judge an access."""

    @property
    def scopes(self) -> Collection[str]:
        """The scopes granted. None, or a single string, grants nothing."""
        ...


class Denial(StrEnum):
    """A condition that failed. The members stand in order of precedence."""

    #: The actor's organization is neither source nor destination. An outsider gets this alone.
    NOT_A_PARTY = "not_a_party"
    #: No role that the actor holds may ever do this.
    WRONG_ROLE = "wrong_role"
    #: It cannot be done from this status.
    WRONG_STATUS = "wrong_status"
    #: There is a Connection for this ordered pair already, whatever its status.
    ALREADY_EXISTS = "already_exists"
    #: Source and destination are the same, and the caller did not ask for that.
    SELF_CONNECTION = "self_connection"
    #: The status is not one that this version knows.
    UNKNOWN_STATUS = "unknown_status"
    #: Data may pass only while the Connection is active.
    NOT_ACTIVE = "not_active"
    #: The Connection does not grant this scope.
    SCOPE_NOT_GRANTED = "scope_not_granted"
    #: Data flows from the source to the destination only.
    WRONG_DIRECTION = "wrong_direction"


def _any_of(roles: Collection[Role]) -> str:
    """``the source or the destination``."""
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
        return f"{_any_of(self.roles)} must {self.action} it"

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
        """The step that `as_dict` wrote down.

        Raises:
            KeyError: a member is missing.
            ValueError: a value is not one that this version knows.
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
        allowed: whether nothing failed.
        action: what was asked for; None when the question was whether data may be read.
        status: the Connection's status; None if there is no Connection, if the status is not one
            that this version knows, or for an outsider, who is not told.
        roles: the roles that the actor holds.
        target: the status that the action leads to, if it is allowed and changes one.
        denials: every condition that failed, in order of precedence; an outsider gets
            `Denial.NOT_A_PARTY` alone.
        remedy: the steps, in order, that would make it possible; empty if none would.
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
        """The decision that `as_dict` wrote down, word for word.

        Raises:
            KeyError: a member is missing.
            ValueError: a value is not one that this version knows.
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

    #: Where the Connection stands; None when there is none yet.
    status: Status | None
    #: What is asked for.
    action: Action
    #: The roles that the actor holds; empty for an outsider.
    roles: frozenset[Role]


# --- The lifecycle, asked ------------------------------------------------------------------------


def _ask_lifecycle() -> Iterator[tuple[Cell, Status]]:
    """Every cell that the machine enables, with the status that it leads to."""
    machine: Any = ConnectionLifecycle()  # python-statemachine types its methods only in part
    for state in machine.states:
        status = None if state.initial else Status(state.value)
        for roles in ROLES.values():
            machine.current_state_value = state.value
            for event in machine.enabled_events(roles=roles):
                # One event that led to several statuses would need a rule that this table lacks.
                (target,) = {way.target.value for way in state.transitions if way.match(event.id)}
                yield Cell(status, Action(event.id), roles), Status(target)


#: Where each permitted action leads. What is not in here is refused.
_TARGETS: Final = dict(_ask_lifecycle())

#: For each action, the roles that may take it from some status or other.
_PERMITTED_ROLES: Final[dict[Action | None, frozenset[Role]]] = {
    action: frozenset(
        role
        for cell in _TARGETS
        if cell.action is action and len(cell.roles) == 1
        for role in cell.roles
    )
    for action in Action
}
#: For each action, the statuses it may be taken from by some role or other; None: no Connection.
_PERMITTED_STATUSES: Final[dict[Action | None, tuple[Status | None, ...]]] = {
    action: tuple(dict.fromkeys(cell.status for cell in _TARGETS if cell.action is action))
    for action in Action
}


def _steps_from(status: Status) -> Iterator[Step]:
    """The single steps out of `status`, in the order of `Action`."""
    for action in Action:
        takers: dict[Status, set[Role]] = {}
        for role in Role:
            target = _TARGETS.get(Cell(status, action, frozenset({role})))
            if target is not None:
                takers.setdefault(target, set()).add(role)
        for target, roles in takers.items():
            yield Step(action, frozenset(roles), status, target)


def _shortest_ways(start: Status) -> dict[Status, tuple[Step, ...]]:
    """The shortest way from `start` to each status that can be reached, itself included."""
    ways: dict[Status, tuple[Step, ...]] = {start: ()}
    queue = [start]
    for status in queue:
        for step in _steps_from(status):
            if step.after not in ways:
                ways[step.after] = (*ways[status], step)
                queue.append(step.after)
    return ways


_WAYS: Final = {status: _shortest_ways(status) for status in Status}


# --- Decisions, made beforehand ------------------------------------------------------------------


class _Unknown:
    """Stands for every status that is not a `Status`; equal to nothing that a row can hold."""


_UNKNOWN: Final = _Unknown()

#: Where a Connection stands: a known status, or one that this version does not know.
_Standing = Status | _Unknown
_STANDINGS: Final[tuple[_Standing, ...]] = (*Status, _UNKNOWN)


def _leads_to(action: Action | None, status: Status | None) -> bool:
    """Whether `status` is where `action` leads."""
    return any(cell.action is action and end is status for cell, end in _TARGETS.items())


def _explain(
    denial: Denial, action: Action | None, status: Status | None, roles: frozenset[Role]
) -> str:
    """Why it was denied, in one sentence."""
    match denial:
        case Denial.NOT_A_PARTY:
            return "The actor's organization is neither the source nor the destination."
        case Denial.WRONG_ROLE:
            return (
                f"Only {_any_of(_PERMITTED_ROLES[action])} may {action} a Connection, "
                f"and the actor acts for {_any_of(roles)}."
            )
        case Denial.WRONG_STATUS:
            already = " already" if _leads_to(action, status) else ""
            return (
                f"A Connection can be {action}d only while it is "
                f"{' or '.join(map(str, _PERMITTED_STATUSES[action]))}, "
                f"and this one is {status}{already}."
            )
        case Denial.ALREADY_EXISTS:
            standing = "" if status is None else f" and is {status}"
            return (
                f"A Connection from this source to this destination exists already{standing}; "
                "there is only ever one for an ordered pair."
            )
        case Denial.SELF_CONNECTION:
            return "The source and the destination are the same organization."
        case Denial.UNKNOWN_STATUS:
            return "The Connection's status is not one that this version knows."
        case Denial.NOT_ACTIVE:
            return (
                f"Data may pass only while the Connection is {SHARING_STATUS}, "
                f"and this one is {status}."
            )
        case Denial.SCOPE_NOT_GRANTED:
            return "The Connection does not grant this scope."
        case Denial.WRONG_DIRECTION:  # pragma: no branch  # every denial is named by now
            return (
                "Data passes only from the source to the destination, "
                f"and the actor acts for {_any_of(roles)}."
            )


def _advise(
    denials: tuple[Denial, ...],
    action: Action | None,
    status: Status | None,
    roles: frozenset[Role],
    remedy: tuple[Step, ...],
) -> str:
    """What would help, in one sentence."""
    if remedy:
        done = "If that was the aim, it is done. " if _leads_to(action, status) else ""
        return f"{done}First {', then '.join(map(str, remedy))}."
    match denials[0]:
        case Denial.NOT_A_PARTY:
            return "Check the Connection, and the organization that the actor acts for."
        case Denial.WRONG_ROLE:
            when = ""
            if Denial.WRONG_STATUS in denials:
                when = f", once it is {' or '.join(map(str, _PERMITTED_STATUSES[action]))}"
            return f"It is for {_any_of(_PERMITTED_ROLES[action])} to {action} it{when}."
        case Denial.ALREADY_EXISTS if Cell(status, Action.REACTIVATE, roles) in _TARGETS:
            return "Reactivate the existing one instead."
        case Denial.ALREADY_EXISTS:
            return "Use the existing one."
        case Denial.SELF_CONNECTION:
            return "Name another destination, or ask for it with allow_self=True (for sandboxes)."
        case Denial.UNKNOWN_STATUS:
            return "Correct what is stored, or upgrade to a version that knows it."
        case Denial.WRONG_DIRECTION:
            return "The other direction needs a Connection of its own."
        case _:
            return "Nothing would help: the scopes of a Connection are fixed for its life."


def _permit(action: Action | None, roles: frozenset[Role], target: Status | None) -> str:
    """Why it was allowed, in one sentence."""
    if action is None:
        return f"The {READING_ROLE} may read it while the Connection is {SHARING_STATUS}."
    takers = _any_of(roles & _PERMITTED_ROLES[action])
    return f"{takers.capitalize()} may {action} it, and it is then {target}."


def _decision(
    action: Action | None,
    status: Status | None,
    roles: frozenset[Role],
    denials: Collection[Denial],
    target: Status | None = None,
    remedy: tuple[Step, ...] = (),
) -> Decision:
    """Order the denials and put words to them. An outsider is told nothing."""
    if not roles:
        status, denials, target, remedy = None, {Denial.NOT_A_PARTY}, None, ()
    if not denials:
        explanation = _permit(action, roles, target)
        return Decision(action, status, roles, target, explanation=explanation)
    ordered = tuple(denial for denial in Denial if denial in denials)
    return Decision(
        action,
        status,
        roles,
        denials=ordered,
        remedy=remedy,
        explanation=_explain(ordered[0], action, status, roles),
        advice=_advise(ordered, action, status, roles, remedy),
    )


def _judge(
    action: Action,
    standing: _Standing | None,
    roles: frozenset[Role],
    *,
    self_refused: bool = False,
) -> Decision:
    """The decision on an action, with all that failed; a `standing` of None: no Connection yet."""
    status = standing if isinstance(standing, Status) else None
    unknown = isinstance(standing, _Unknown)
    target = None if unknown else _TARGETS.get(Cell(status, action, roles))
    may_ever = bool(roles & _PERMITTED_ROLES[action])
    possible_here = not unknown and status in _PERMITTED_STATUSES[action]
    denials: set[Denial] = set()
    if not may_ever:
        denials.add(Denial.WRONG_ROLE)
    if unknown:
        denials.add(Denial.UNKNOWN_STATUS)
    if action is Action.CREATE and not possible_here:
        denials.add(Denial.ALREADY_EXISTS)
    elif not unknown and target is None and (may_ever or not possible_here):
        denials.add(Denial.WRONG_STATUS)
    if self_refused:
        denials.add(Denial.SELF_CONNECTION)
    ways = {} if status is None else _WAYS[status]
    enough = [way for end, way in ways.items() if Cell(end, action, roles) in _TARGETS]
    remedy = min(enough, key=len, default=())
    return _decision(action, status, roles, denials, target, remedy)


def _judge_access(standing: _Standing, roles: frozenset[Role], *, granted: bool) -> Decision:
    """The decision on reading data, with all that failed."""
    status = standing if isinstance(standing, Status) else None
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
        remedy = _WAYS[status][SHARING_STATUS]
    return _decision(None, status, roles, denials, remedy=remedy)


# Each decision under the key that is quickest to build: whether the actor's organization is the
# source, whether it is the destination, and what was asked.

_DECISIONS: Final[dict[tuple[bool, bool, Action, object], Decision]] = {
    (*held, action, standing): _judge(action, standing, roles)
    for held, roles in ROLES.items()
    for action in Action
    for standing in _STANDINGS
}
_MENUS: Final[dict[tuple[bool, bool, object], Mapping[Action, Decision]]] = {
    (*held, standing): MappingProxyType(
        {action: _DECISIONS[*held, action, standing] for action in Action}
    )
    for held in ROLES
    for standing in _STANDINGS
}
_ALLOWED_ACTIONS: Final[dict[tuple[bool, bool, object], frozenset[Action]]] = {
    key: frozenset(action for action, decision in menu.items() if decision)
    for key, menu in _MENUS.items()
}
_CREATE_DECISIONS: Final[dict[tuple[bool, bool, object, bool], Decision]] = {
    (*held, standing, self_refused): _judge(
        Action.CREATE, standing, roles, self_refused=self_refused
    )
    for held, roles in ROLES.items()
    for standing in (None, *_STANDINGS)
    for self_refused in (False, True)
}
_ACCESS_DECISIONS: Final[dict[tuple[bool, bool, object, bool], Decision]] = {
    (*held, standing, granted): _judge_access(standing, roles, granted=granted)
    for held, roles in ROLES.items()
    for standing in _STANDINGS
    for granted in (False, True)
}
_DECISION_TABLE: Final[Mapping[Cell, Decision]] = MappingProxyType(
    {
        Cell(None, Action.CREATE, roles): _CREATE_DECISIONS[*held, None, False]
        for held, roles in ROLES.items()
    }
    | {
        Cell(status, action, roles): _DECISIONS[*held, action, status]
        for status in Status
        for action in Action
        for held, roles in ROLES.items()
    }
)


# --- The questions -------------------------------------------------------------------------------


def _held(actor: Actor, parties: Parties) -> tuple[bool, bool]:
    """Whether the actor's organization is the source, and whether it is the destination."""
    organization_id = actor.organization_id
    return (
        organization_id == parties.source_organization_id,
        organization_id == parties.destination_organization_id,
    )


def _standing(connection: ConnectionLike) -> _Standing:
    """The status if it is known. It comes from outside and may be anything at all."""
    try:
        return Status(connection.status)
    except ValueError:
        return _UNKNOWN


def decide(actor: Actor, action: Action, connection: ConnectionLike) -> Decision:
    """Whether `actor` may take `action` on `connection`, and why.

    A lookup: the `Decision` was made when this module was imported, and equal questions get the
    same object. Changes nothing.

    Raises:
        ValueError: there is no such action. Nothing else is raised on a well-typed call.
    """
    organization_id = actor.organization_id
    try:
        return _DECISIONS[
            organization_id == connection.source_organization_id,
            organization_id == connection.destination_organization_id,
            action,
            connection.status,
        ]
    except (KeyError, TypeError):  # an unknown status, which may not even be hashable
        return _DECISIONS[*_held(actor, connection), Action(action), _standing(connection)]


def can(actor: Actor, action: Action, connection: ConnectionLike) -> bool:
    """Whether `actor` may take `action` on `connection`: `decide` without the reasons.

    Raises:
        ValueError: there is no such action. Nothing else is raised on a well-typed call.
    """
    return decide(actor, action, connection).allowed


def authorize(actor: Actor, action: Action, connection: ConnectionLike) -> Decision:
    """The `Decision` that permits `action`, or the typed error that refuses it.

    Changes nothing, either way.

    Raises:
        NotAPartyError: the actor is an outsider.
        ForbiddenTransitionError: wrong role.
        InvalidTransitionError: wrong status, or one that this version does not know.
        DuplicateConnectionError: `action` is create, by the source.
        ValueError: there is no such action.
    """
    decision = decide(actor, action, connection)
    if not decision.allowed:
        _refuse(decision, actor, getattr(connection, "id", None))
    return decision


def allowed_actions(actor: Actor, connection: ConnectionLike) -> frozenset[Action]:
    """Every action that `actor` may take on `connection` now. Never raises on a well-typed call."""
    organization_id = actor.organization_id
    try:
        return _ALLOWED_ACTIONS[
            organization_id == connection.source_organization_id,
            organization_id == connection.destination_organization_id,
            connection.status,
        ]
    except (KeyError, TypeError):
        return _ALLOWED_ACTIONS[*_held(actor, connection), _standing(connection)]


def actions(actor: Actor, connection: ConnectionLike) -> Mapping[Action, Decision]:
    """Every action with its `Decision`: a menu, with reasons on the entries greyed out.

    The mapping is read-only, complete and in the order of `Action`. Never raises on a well-typed
    call.
    """
    return _MENUS[*_held(actor, connection), _standing(connection)]


def steps_to(connection: ConnectionLike, goal: Status = Status.ACTIVE) -> tuple[Step, ...]:
    """The shortest way from where `connection` stands to `goal`; empty if it is there.

    Who may take each step is in `Step.roles`; `Connection.organization_of` turns a role into an
    organization.

    Raises:
        ValueError: the status of `connection`, or `goal`, is not one that this version knows.
    """
    return _WAYS[Status(connection.status)][Status(goal)]


def decision_table() -> Mapping[Cell, Decision]:
    """All of it: every status, action and set of roles, for documentation and tests.

    Read-only, in the order of the matrix: creation where there is no Connection, then each status
    with each action, for an outsider, the source, the destination, and both.
    """
    return _DECISION_TABLE


def permitting_statuses(role: Role, action: Action) -> tuple[Status, ...]:
    """The statuses from which `role` may take `action`, in the order of `Status`.

    What a query needs: the Connections on which an organization may act are those where it holds a
    role and the status is one of these. Empty for create, which acts on no Connection.

    Raises:
        ValueError: there is no such role, or no such action.
    """
    roles = frozenset({Role(role)})
    return tuple(status for status in Status if Cell(status, Action(action), roles) in _TARGETS)


# --- Creation ------------------------------------------------------------------------------------


class _Pair(NamedTuple):
    source_organization_id: str
    destination_organization_id: str


def decide_create(
    actor: Actor,
    *,
    source: str | Organization,
    destination: str | Organization,
    existing: ConnectionLike | None = None,
    allow_self: bool = False,
) -> Decision:
    """Whether `actor` may create the Connection from `source` to `destination`.

    Args:
        actor: who asks.
        source: the organization that would share its data.
        destination: the organization that would receive it.
        existing: the Connection for this ordered pair, whatever its status, if there is one.
        allow_self: permit source and destination to be the same, for sandboxes.

    Raises:
        ValueError: `existing` is a Connection between other parties, or the other way round.
    """
    pair = _Pair(str(organization_id_of(source)), str(organization_id_of(destination)))
    standing: _Standing | None = None
    if existing is not None:
        found = _Pair(existing.source_organization_id, existing.destination_organization_id)
        if found != pair:
            raise ValueError(
                f"existing is a Connection from {found[0]} to {found[1]}, not from {pair[0]} to "
                f"{pair[1]}; give the one for this ordered pair, or None"
            )
        standing = _standing(existing)
    self_refused = pair[0] == pair[1] and not allow_self
    return _CREATE_DECISIONS[*_held(actor, pair), standing, self_refused]


def authorize_create(
    actor: Actor,
    *,
    source: str | Organization,
    destination: str | Organization,
    existing: ConnectionLike | None = None,
    allow_self: bool = False,
) -> Decision:
    """The `Decision` that permits the creation, or the typed error that refuses it.

    Takes what `decide_create` takes. Changes nothing, either way.

    Raises:
        NotAPartyError: the actor acts for neither organization.
        ForbiddenTransitionError: the actor acts for the destination.
        DuplicateConnectionError: there is an `existing` one.
        SelfConnectionError: both are the same organization, and `allow_self` is not given.
        ValueError: `existing` is a Connection between other parties.
    """
    decision = decide_create(
        actor, source=source, destination=destination, existing=existing, allow_self=allow_self
    )
    if not decision.allowed:
        _refuse(decision, actor, getattr(existing, "id", None))
    return decision


def _refuse(decision: Decision, actor: Actor, connection_id: str | None) -> NoReturn:
    """Raise what the first denial calls for. Creating acts on no Connection, and names none."""
    subject = None if decision.action is Action.CREATE else connection_id
    match decision.denial:
        case Denial.NOT_A_PARTY:
            raise NotAPartyError(decision, actor, subject)
        case Denial.WRONG_ROLE:
            raise ForbiddenTransitionError(decision, actor, subject)
        case Denial.ALREADY_EXISTS:
            raise DuplicateConnectionError(decision, connection_id)
        case Denial.SELF_CONNECTION:
            raise SelfConnectionError(decision, actor.organization_id)
        case _:
            raise InvalidTransitionError(decision, actor, subject)


# --- Access --------------------------------------------------------------------------------------


def decide_access(reader: Actor, scope: str, connection: SharingConnectionLike) -> Decision:
    """Whether `reader` may read data of `scope` through `connection` at this moment.

    Only the destination, only while the Connection is active, only within its scopes. Ask when the
    data is read, not before: the answer holds for the status that `connection` has now. A scope
    that is not well formed is granted by nothing. Never raises on a well-typed call.
    """
    granted = _grants(connection.scopes, scope)
    return _ACCESS_DECISIONS[*_held(reader, connection), _standing(connection), granted]


#: Collections that are not of scopes.
_NO_SCOPES: Final = (str, bytes, bytearray, memoryview, Mapping)


def _grants(scopes: object, scope: str) -> bool:
    """Whether `scope` is one of `scopes`, which come from outside and may be anything at all."""
    # A single string would "contain" every part of itself, and a mapping may hold a refusal.
    if not isinstance(scopes, Collection) or isinstance(scopes, _NO_SCOPES):
        return False
    try:
        return Scope(scope) in scopes
    except ValueError:  # not well formed, so that nothing grants it
        return False


def authorize_access(reader: Actor, scope: str, connection: SharingConnectionLike) -> Decision:
    """The `Decision` that permits the access, or the typed error that refuses it.

    Raises:
        AccessDeniedError: with the whole `Decision` and the scope that is missing, if one is.
    """
    decision = decide_access(reader, scope, connection)
    if not decision.allowed:
        raise AccessDeniedError(decision, reader, scope, getattr(connection, "id", None))
    return decision
