"""The policy: who may do what, answered from a table.

On import, this module makes every possible `Decision` once, from the lifecycle's answers
(`connect_core.table`). A question is then a lookup.

Questions return a value and never raise on a well-typed call (`decide`, `can`, `allowed_actions`);
commands raise a typed error (`authorize`). Both read the same table.

The functions take any object with `source_organization_id`, `destination_organization_id` and
`status` (and `scopes`, for access): a `Connection`, or a row of your own whose status is a plain
string. A status that is not a `Status` permits nothing.

What a row holds may be anything: see `connect_core.rows`.
"""

from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple, NoReturn, TypeVar

from connect_core.decision import Cell, Decision, Denial, Step
from connect_core.errors import (
    AccessDeniedError,
    DuplicateConnectionError,
    ForbiddenTransitionError,
    InvalidTransitionError,
    NotAPartyError,
    SelfConnectionError,
)
from connect_core.identifiers import OrganizationId
from connect_core.lifecycle import READING_ROLE, SHARING_STATUS, Action, Role, Status
from connect_core.parties import ROLES, Actor, Organization, organization_id_of, same_organization
from connect_core.rows import CHECKED, RowLike, SharingRowLike, facts_of, grants, id_of, status_of
from connect_core.rows import ConnectionLike as ConnectionLike
from connect_core.rows import SharingConnectionLike as SharingConnectionLike
from connect_core.table import PERMITTED_ROLES, PERMITTED_STATUSES, SHORTEST_WAYS, TARGETS
from connect_core.text import quoted, shown, text_of
from connect_core.wording import advise, explain, explain_permission

# --- Precomputed decisions -----------------------------------------------------------------------


class _Unknown(NamedTuple):
    """A status that this version does not know."""

    #: What it is called, safe to show; empty if that makes no difference.
    name: str = ""


_UNKNOWN: Final = _Unknown()

#: A Connection's status: a known one, or one that this version does not know.
_Standing = Status | _Unknown


def _decision(
    action: Action | None,
    status: Status | None,
    roles: frozenset[Role],
    denials: Collection[Denial],
    target: Status | None = None,
    remedy: tuple[Step, ...] = (),
    unknown_status: str = "",
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
        explanation=explain(ordered[0], action, status, roles, unknown_status),
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
    unknown = standing if isinstance(standing, _Unknown) else None
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
    return _decision(action, status, roles, denials, target, remedy, name)


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
    name = standing.name if isinstance(standing, _Unknown) else ""
    return _decision(None, status, roles, denials, remedy=remedy, unknown_status=name)


_Key = tuple[bool, bool, str, *tuple[object, ...]]
_Answer = TypeVar("_Answer")

#: How many answers each table has at most, and how long an unknown status in one of them may be.
_MOST_KEPT: Final = 1024
_LONGEST_KEPT: Final = 100


def _kept(table: dict[_Key, _Answer], make: Callable[..., _Answer], key: _Key) -> _Answer:
    """An answer about a status that is not known. It names the status; the first ones are kept."""
    answer = make(*key)
    if len(table) < _MOST_KEPT and len(key[2]) <= _LONGEST_KEPT:
        table[key] = answer
    return answer


def _on_unknown(is_source: bool, is_destination: bool, status: str, action: str) -> Decision:
    return _judge(Action(action), _Unknown(quoted(status)), ROLES[is_source, is_destination])


def _decided(key: _Key) -> Decision:
    try:
        return _DECISIONS[key]
    except (KeyError, TypeError):  # an unknown status, or no action
        return _kept(_DECISIONS, _on_unknown, key)


def _menu_on(is_source: bool, is_destination: bool, status: str) -> Mapping[Action, Decision]:
    keys = {action: (is_source, is_destination, status, action) for action in Action}
    return MappingProxyType({action: _decided(key) for action, key in keys.items()})


def _access_on_unknown(
    is_source: bool, is_destination: bool, status: str, granted: bool
) -> Decision:
    unknown = _Unknown(quoted(status))
    return _judge_access(unknown, ROLES[is_source, is_destination], granted=granted)


# Each answer has the key that is quickest to build: whether the actor's organization is the source,
# whether it is the destination, the status, and what was asked.

_DECISIONS: Final[dict[_Key, Decision]] = {
    (*held, status, action): _judge(action, status, roles)
    for held, roles in ROLES.items()
    for action in Action
    for status in Status
}
_MENUS: Final[dict[_Key, Mapping[Action, Decision]]] = {
    (*held, status): _menu_on(*held, status) for held in ROLES for status in Status
}
_ALLOWED_ACTIONS: Final[Mapping[_Key, frozenset[Action]]] = {
    key: frozenset(action for action, decision in menu.items() if decision)
    for key, menu in _MENUS.items()
}
_NONE: Final[frozenset[Action]] = frozenset()
_ACCESS_DECISIONS: Final[dict[_Key, Decision]] = {
    (*held, status, granted): _judge_access(status, roles, granted=granted)
    for held, roles in ROLES.items()
    for status in Status
    for granted in (False, True)
}
_CREATE_DECISIONS: Final[dict[tuple[bool, bool, object, bool], Decision]] = {
    (*held, standing, self_refused): _judge(
        Action.CREATE, standing, roles, self_refused=self_refused
    )
    for held, roles in ROLES.items()
    for standing in (None, *Status, _UNKNOWN)
    for self_refused in (False, True)
}
_DECISION_TABLE: Final[Mapping[Cell, Decision]] = MappingProxyType(
    {
        Cell(None, Action.CREATE, roles): _CREATE_DECISIONS[*held, None, False]
        for held, roles in ROLES.items()
    }
    | {
        Cell(status, action, roles): _DECISIONS[*held, status, action]
        for status in Status
        for action in Action
        for held, roles in ROLES.items()
    }
)


# --- Actions on a Connection ---------------------------------------------------------------------


def decide(actor: Actor, action: str, connection: RowLike) -> Decision:
    """Whether `actor` may take `action` on `connection`, and why.

    This is a lookup: the `Decision` was made when this module was imported, and equal questions
    get the same object. A status that this version does not know is named in the explanation.
    Nothing changes.

    Args:
        actor: who asks.
        action: an `Action`, or the same as plain text.
        connection: a `Connection`, or a row.

    Raises:
        ValueError: there is no such action. Nothing else is raised on a well-typed call.
    """
    ours = actor.organization_id
    if type(connection) in CHECKED and type(ours) is OrganizationId:  # the same, in less time
        values = connection.__dict__
        is_source = ours == values["source_organization_id"]
        is_destination = ours == values["destination_organization_id"]
        status = values["status"]
    else:
        is_source, is_destination, status = facts_of(actor, connection)
    try:
        return _DECISIONS[is_source, is_destination, status, action]
    except (KeyError, TypeError):  # an unknown status, or no action
        return _decided((*facts_of(actor, connection), action))


def can(actor: Actor, action: str, connection: RowLike) -> bool:
    """Whether `actor` may take `action` on `connection`: `decide` without the reasons.

    Raises:
        ValueError: there is no such action. Nothing else is raised on a well-typed call.
    """
    return decide(actor, action, connection).allowed


def authorize(actor: Actor, action: str, connection: RowLike) -> Decision:
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
        _refuse(decision, actor, id_of(connection))
    return decision


def allowed_actions(actor: Actor, connection: RowLike) -> frozenset[Action]:
    """Every action that `actor` may take on `connection` now. Never raises on a well-typed call."""
    return _ALLOWED_ACTIONS.get(facts_of(actor, connection), _NONE)


def actions(actor: Actor, connection: RowLike) -> Mapping[Action, Decision]:
    """Every action with its `Decision`: a menu, with the reasons why entries are disabled.

    The mapping is read-only, complete and in the order of `Action`. Never raises on a well-typed
    call.
    """
    key = facts_of(actor, connection)
    return _MENUS.get(key) or _kept(_MENUS, _menu_on, key)


def steps_to(connection: RowLike, goal: str = Status.ACTIVE) -> tuple[Step, ...]:
    """The shortest way from the status of `connection` to `goal`; empty if it is there already.

    `Step.roles` says who may take each step; `Connection.organization_of` turns a role into an
    organization.

    Raises:
        ValueError: this version does not know the status of `connection`, or `goal`.
    """
    status = status_of(connection)
    if status is None:
        raise ValueError(f"this version does not know the status {quoted(connection.status)}")
    return SHORTEST_WAYS[status][Status(goal)]


def decision_table() -> Mapping[Cell, Decision]:
    """The whole table: every status, action and set of roles, for documentation and tests.

    It is read-only, in the order of the matrix: creation without a Connection, then each status
    with each action, for an outsider, the source, the destination, and both.
    """
    return _DECISION_TABLE


def permitting_statuses(role: str, action: str) -> tuple[Status, ...]:
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
    existing: RowLike | None = None,
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
        found = existing.source_organization_id, existing.destination_organization_id
        if not all(map(same_organization, pair, found)):
            raise ValueError(
                f"existing is a Connection from {shown(found[0])} to {shown(found[1])}, not from "
                f"{shown(pair[0])} to {shown(pair[1])}; give the one for this ordered pair, or None"
            )
        standing = status_of(existing) or _UNKNOWN
    self_refused = pair[0] == pair[1] and not allow_self
    is_source, is_destination = (same_organization(actor.organization_id, each) for each in pair)
    return _CREATE_DECISIONS[is_source, is_destination, standing, self_refused]


def authorize_create(
    actor: Actor,
    *,
    source: str | Organization,
    destination: str | Organization,
    existing: RowLike | None = None,
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
        _refuse(decision, actor, id_of(existing))
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


def decide_access(reader: Actor, scope: str, connection: SharingRowLike) -> Decision:
    """Whether `reader` may read data of `scope` through `connection` at this moment.

    Only the destination may, only while the Connection is active, and only within its scopes. Ask
    when the data is read, not before: the answer holds for the status that `connection` has now.
    No Connection grants an ill-formed scope. Never raises on a well-typed call.
    """
    ours = reader.organization_id
    if type(connection) in CHECKED and type(ours) is OrganizationId and type(scope) is str:
        values = connection.__dict__  # the same, in half the time
        is_source = ours == values["source_organization_id"]
        is_destination = ours == values["destination_organization_id"]
        status, granted = values["status"], scope in values["scopes"]
    else:
        is_source, is_destination, status = facts_of(reader, connection)
        granted = grants(connection.scopes, scope)
    try:
        return _ACCESS_DECISIONS[is_source, is_destination, status, granted]
    except (KeyError, TypeError):  # an unknown status
        key = (*facts_of(reader, connection), granted)
        return _kept(_ACCESS_DECISIONS, _access_on_unknown, key)


def authorize_access(reader: Actor, scope: str, connection: SharingRowLike) -> Decision:
    """Return the `Decision` that permits the access, or raise the typed error that refuses it.

    Raises:
        AccessDeniedError: with the whole `Decision`, and with the missing scope, if one is missing.
    """
    decision = decide_access(reader, scope, connection)
    if not decision.allowed:
        raise AccessDeniedError(decision, reader, text_of(scope), id_of(connection))
    return decision
