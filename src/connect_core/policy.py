"""The policy: who may do what, answered from a table.

Every possible `Decision` was made once, from the lifecycle's answers (`connect_core.answers`). A
question is a lookup.

Questions return a value and never raise on a well-typed call (`decide`, `can`, `allowed_actions`);
commands raise a typed error (`authorize`). Both read the same table.

The functions take any object with `source_organization_id`, `destination_organization_id` and
`status` (and `scopes`, for access): a `Connection`, or a row of your own whose status is a plain
string. A status that is not a `Status` permits nothing. For rows with other attributes or other
spellings there is `connect_core.RowPolicy`.

An actor is any object with an `organization_id`, and an organization's id is text, a number, a
`UUID` or any other value that compares with ``==``. Two ids can be the same only if both are
text, both integers, both UUIDs, or both of one other type: the text of a UUID is not the UUID.

What a row holds may be anything: see `connect_core.rows`.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple, NoReturn

from connect_core.answers import ENGLISH, Answers, AnyStatus, Key, Unknown
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
from connect_core.lifecycle import Action, Role, Status
from connect_core.parties import ROLES, ActorLike, organization_id_of
from connect_core.rows import (
    CHECKED,
    RowLike,
    SharingRowLike,
    facts,
    facts_of,
    grants,
    id_of,
    status_of,
)
from connect_core.rows import ConnectionLike as ConnectionLike
from connect_core.rows import SharingConnectionLike as SharingConnectionLike
from connect_core.table import SHORTEST_WAYS, TARGETS
from connect_core.text import quoted, same_value, shown, text_of

# The tables that the questions are looked up in.
_DECISIONS: Final = ENGLISH.decisions
_ACCESS: Final = ENGLISH.access
_ALLOWED_ACTIONS: Final[Mapping[Key, frozenset[Action]]] = {
    key: frozenset(action for action, decision in menu.items() if decision)
    for key, menu in ENGLISH.menus.items()
}
_NONE: Final[frozenset[Action]] = frozenset()
_DECISION_TABLE: Final[Mapping[Cell, Decision]] = MappingProxyType(
    {
        Cell(None, Action.CREATE, roles): ENGLISH.creations[*held, None, False]
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


def decide(actor: ActorLike, action: str, connection: RowLike) -> Decision:
    """Whether `actor` may take `action` on `connection`, and why.

    This is a lookup: the `Decision` was made when this module was imported, and equal questions
    get the same object. Only a decision about a status that this version does not know is made
    when it is asked for; its explanation names the status. Nothing changes.

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
        is_source, is_destination, status = facts(
            ours,
            connection.source_organization_id,
            connection.destination_organization_id,
            connection.status,
        )
    try:
        return _DECISIONS[is_source, is_destination, status, action]
    except (KeyError, TypeError):  # an unknown status, or no action
        return ENGLISH.on_action((*facts_of(actor, connection), action))


def can(actor: ActorLike, action: str, connection: RowLike) -> bool:
    """Whether `actor` may take `action` on `connection`: `decide` without the reasons.

    Raises:
        ValueError: there is no such action. Nothing else is raised on a well-typed call.
    """
    return decide(actor, action, connection).allowed


def authorize(actor: ActorLike, action: str, connection: RowLike) -> Decision:
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
        refuse(decision, actor, id_of(connection))
    return decision


def allowed_by(facts: tuple[bool, bool, str]) -> frozenset[Action]:
    """The actions that are allowed to an actor who has these facts of a row."""
    return _ALLOWED_ACTIONS.get(facts, _NONE)


def allowed_actions(actor: ActorLike, connection: RowLike) -> frozenset[Action]:
    """Every action that `actor` may take on `connection` now. Never raises on a well-typed call."""
    key = facts(  # the same as `allowed_by(facts_of(...))`, in less time
        actor.organization_id,
        connection.source_organization_id,
        connection.destination_organization_id,
        connection.status,
    )
    try:
        return _ALLOWED_ACTIONS[key]
    except KeyError:  # an unknown status
        return _NONE


def actions(actor: ActorLike, connection: RowLike) -> Mapping[Action, Decision]:
    """Every action with its `Decision`: a menu, with the reasons why entries are disabled.

    The mapping is read-only, complete and in the order of `Action`. Never raises on a well-typed
    call.
    """
    return ENGLISH.on_all_actions(facts_of(actor, connection))


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


def decide_create(
    actor: ActorLike,
    *,
    source: object,
    destination: object,
    existing: RowLike | None = None,
    allow_self: bool = False,
) -> Decision:
    """Whether `actor` may create the Connection from `source` to `destination`.

    Args:
        actor: who asks.
        source: the organization that would share its data: its id, or an `Organization`.
        destination: the organization that would receive it.
        existing: the Connection for this ordered pair, whatever its status, if there is one.
        allow_self: permit source and destination to be the same, for sandboxes.

    Raises:
        TypeError: `source` or `destination` is None.
        ValueError: `existing` is a Connection between other parties, or in the other direction.
    """
    found = None
    if existing is not None:
        parties = existing.source_organization_id, existing.destination_organization_id
        found = Existing(*parties, status_of(existing))
    return creation_decision(ENGLISH, actor, source, destination, found, allow_self=allow_self)


class Existing(NamedTuple):
    """What matters for a creation of the Connection that exists already."""

    source: object
    destination: object
    #: None if this version does not know it.
    status: Status | None


def creation_decision(
    answers: Answers,
    actor: ActorLike,
    source: object,
    destination: object,
    existing: Existing | None,
    *,
    allow_self: bool,
) -> Decision:
    """What `decide_create` answers, in the words of `answers`."""
    pair = organization_id_of(source), organization_id_of(destination)
    if pair[0] is None or pair[1] is None:
        raise TypeError("source and destination: expected an organization's id, got None")
    status: AnyStatus | None = None
    if existing is not None:
        if not all(map(same_value, pair, existing[:2])):
            raise ValueError(
                f"existing is a Connection from {shown(existing.source)} to"
                f" {shown(existing.destination)}, not from {shown(pair[0])} to {shown(pair[1])};"
                " give the one for this ordered pair, or None"
            )
        status = existing.status or Unknown()
    self_refused = same_value(*pair) and not allow_self
    is_source, is_destination = (same_value(actor.organization_id, each) for each in pair)
    return answers.creations[is_source, is_destination, status, self_refused]


def authorize_create(
    actor: ActorLike,
    *,
    source: object,
    destination: object,
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
        TypeError: `source` or `destination` is None.
        ValueError: `existing` is a Connection between other parties.
    """
    decision = decide_create(
        actor, source=source, destination=destination, existing=existing, allow_self=allow_self
    )
    if not decision.allowed:
        refuse(decision, actor, id_of(existing))
    return decision


def refuse(decision: Decision, actor: ActorLike, connection_id: str | None) -> NoReturn:
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


def decide_access(reader: ActorLike, scope: str, connection: SharingRowLike) -> Decision:
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
        is_source, is_destination, status = facts(
            ours,
            connection.source_organization_id,
            connection.destination_organization_id,
            connection.status,
        )
        granted = grants(connection.scopes, scope)
    try:
        return _ACCESS[is_source, is_destination, status, granted]
    except (KeyError, TypeError):  # an unknown status
        return ENGLISH.on_access((*facts_of(reader, connection), granted))


def authorize_access(reader: ActorLike, scope: str, connection: SharingRowLike) -> Decision:
    """Return the `Decision` that permits the access, or raise the typed error that refuses it.

    Raises:
        AccessDeniedError: with the whole `Decision`, and with the missing scope, if one is missing.
    """
    decision = decide_access(reader, scope, connection)
    if not decision.allowed:
        raise AccessDeniedError(decision, reader, text_of(scope), id_of(connection))
    return decision
