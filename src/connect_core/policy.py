"""The policy: who may do what, answered from a table.

On import, this module makes every possible `Decision` once, from the lifecycle's answers
(`connect_core.table`). A question is then a lookup.

Questions return a value and never raise on a well-typed call (`decide`, `can`, `allowed_actions`);
commands raise a typed error (`authorize`). Both read the same table.

The functions take any object with `source_organization_id`, `destination_organization_id` and
`status` (and `scopes`, for access): a `Connection`, or a row of your own whose status is a plain
string. A status that is not a `Status` permits nothing.
"""

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple, NoReturn, Protocol

from connect_core.decision import Cell, Decision, Denial, Step
from connect_core.errors import (
    AccessDeniedError,
    DuplicateConnectionError,
    ForbiddenTransitionError,
    InvalidTransitionError,
    NotAPartyError,
    SelfConnectionError,
)
from connect_core.lifecycle import READING_ROLE, SHARING_STATUS, Action, Role, Status
from connect_core.parties import ROLES, Actor, Organization, Parties, organization_id_of
from connect_core.scopes import Scope
from connect_core.table import PERMITTED_ROLES, PERMITTED_STATUSES, SHORTEST_WAYS, TARGETS
from connect_core.wording import advise, explain, explain_permission


class ConnectionLike(Parties, Protocol):
    """What the policy needs to know about a Connection to decide on an action."""

    @property
    def status(self) -> str:
        """A `Status`, or the same as a plain string. Anything else permits nothing."""
        ...


class SharingConnectionLike(ConnectionLike, Protocol):
    """What the policy needs to know about a Connection to decide on reading its data."""

    @property
    def scopes(self) -> Collection[str]:
        """The scopes granted. None, or a single string, grants nothing."""
        ...


# --- Precomputed decisions -----------------------------------------------------------------------


class _Unknown:
    """Stands for every status that is not a `Status`; equal to nothing that a row can hold."""


_UNKNOWN: Final = _Unknown()

#: A Connection's status: a known one, or one that this version does not know.
_Standing = Status | _Unknown
_STANDINGS: Final[tuple[_Standing, ...]] = (*Status, _UNKNOWN)


def _decision(
    action: Action | None,
    status: Status | None,
    roles: frozenset[Role],
    denials: Collection[Denial],
    target: Status | None = None,
    remedy: tuple[Step, ...] = (),
) -> Decision:
    """Sort the denials and add the wording. An outsider is told nothing."""
    if not roles:
        status, denials, target, remedy = None, {Denial.NOT_A_PARTY}, None, ()
    if not denials:
        explanation = explain_permission(action, roles, target)
        return Decision(action, status, roles, target, explanation=explanation)
    ordered = tuple(denial for denial in Denial if denial in denials)
    return Decision(
        action,
        status,
        roles,
        denials=ordered,
        remedy=remedy,
        explanation=explain(ordered[0], action, status, roles),
        advice=advise(ordered, action, status, roles, remedy),
    )


def _judge(
    action: Action,
    standing: _Standing | None,
    roles: frozenset[Role],
    *,
    self_refused: bool = False,
) -> Decision:
    """The decision on an action, with every denial; None as `standing` means no Connection yet."""
    status = standing if isinstance(standing, Status) else None
    unknown = isinstance(standing, _Unknown)
    target = None if unknown else TARGETS.get(Cell(status, action, roles))
    may_ever = bool(roles & PERMITTED_ROLES[action])
    possible_here = not unknown and status in PERMITTED_STATUSES[action]
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
    ways = {} if status is None else SHORTEST_WAYS[status]
    enough = [way for end, way in ways.items() if Cell(end, action, roles) in TARGETS]
    remedy = min(enough, key=len, default=())
    return _decision(action, status, roles, denials, target, remedy)


def _judge_access(standing: _Standing, roles: frozenset[Role], *, granted: bool) -> Decision:
    """The decision on reading data, with every denial."""
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
        remedy = SHORTEST_WAYS[status][SHARING_STATUS]
    return _decision(None, status, roles, denials, remedy=remedy)


# Each decision has the key that is quickest to build: whether the actor's organization is the
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


# --- Actions on a Connection ---------------------------------------------------------------------


def _held(actor: Actor, parties: Parties) -> tuple[bool, bool]:
    """Whether the actor's organization is the source, and whether it is the destination."""
    organization_id = actor.organization_id
    return (
        organization_id == parties.source_organization_id,
        organization_id == parties.destination_organization_id,
    )


def _standing(connection: ConnectionLike) -> _Standing:
    """The status if it is known. The value comes from outside and may be anything."""
    try:
        return Status(connection.status)
    except ValueError:
        return _UNKNOWN


def decide(actor: Actor, action: Action, connection: ConnectionLike) -> Decision:
    """Whether `actor` may take `action` on `connection`, and why.

    This is a lookup: the `Decision` was made when this module was imported, and equal questions
    get the same object. Nothing changes.

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
    """Return the `Decision` that permits `action`, or raise the typed error that refuses it.

    Nothing changes either way.

    Raises:
        NotAPartyError: the actor is an outsider.
        ForbiddenTransitionError: wrong role.
        InvalidTransitionError: wrong status, or one that this version does not know.
        DuplicateConnectionError: `action` is create, and the actor acts for the source.
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
    """Every action with its `Decision`: a menu, with the reasons why entries are disabled.

    The mapping is read-only, complete and in the order of `Action`. Never raises on a well-typed
    call.
    """
    return _MENUS[*_held(actor, connection), _standing(connection)]


def steps_to(connection: ConnectionLike, goal: Status = Status.ACTIVE) -> tuple[Step, ...]:
    """The shortest way from the status of `connection` to `goal`; empty if it is there already.

    `Step.roles` says who may take each step; `Connection.organization_of` turns a role into an
    organization.

    Raises:
        ValueError: this version does not know the status of `connection`, or `goal`.
    """
    return SHORTEST_WAYS[Status(connection.status)][Status(goal)]


def decision_table() -> Mapping[Cell, Decision]:
    """The whole table: every status, action and set of roles, for documentation and tests.

    It is read-only, in the order of the matrix: creation without a Connection, then each status
    with each action, for an outsider, the source, the destination, and both.
    """
    return _DECISION_TABLE


def permitting_statuses(role: Role, action: Action) -> tuple[Status, ...]:
    """The statuses from which `role` may take `action`, in the order of `Status`.

    Use it for queries: an organization may act on the Connections in which it holds a role and the
    status is one of these. Empty for create, which acts on no Connection.

    Raises:
        ValueError: there is no such role, or no such action.
    """
    roles = frozenset({Role(role)})
    return tuple(status for status in Status if Cell(status, Action(action), roles) in TARGETS)


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
        ValueError: `existing` is a Connection between other parties, or in the other direction.
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
    """Return the `Decision` that permits the creation, or raise the typed error that refuses it.

    It takes the arguments of `decide_create`. Nothing changes either way.

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
    """Raise the error for the first denial. For create, only a duplicate names a Connection."""
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

    Only the destination may, only while the Connection is active, and only within its scopes. Ask
    when the data is read, not before: the answer holds for the status that `connection` has now.
    No Connection grants an ill-formed scope. Never raises on a well-typed call.
    """
    granted = _grants(connection.scopes, scope)
    return _ACCESS_DECISIONS[*_held(reader, connection), _standing(connection), granted]


#: Collections that never count as collections of scopes.
_NO_SCOPES: Final = (str, bytes, bytearray, memoryview, Mapping)


def _grants(scopes: object, scope: str) -> bool:
    """Whether `scope` is one of `scopes`. The value comes from outside and may be anything."""
    # A single string would "contain" all its substrings, and a mapping may map a scope to False.
    if not isinstance(scopes, Collection) or isinstance(scopes, _NO_SCOPES):
        return False
    try:
        return Scope(scope) in scopes
    except ValueError:  # it is ill-formed, so nothing grants it
        return False


def authorize_access(reader: Actor, scope: str, connection: SharingConnectionLike) -> Decision:
    """Return the `Decision` that permits the access, or raise the typed error that refuses it.

    Raises:
        AccessDeniedError: with the whole `Decision`, and with the missing scope, if one is missing.
    """
    decision = decide_access(reader, scope, connection)
    if not decision.allowed:
        raise AccessDeniedError(decision, reader, scope, getattr(connection, "id", None))
    return decision
