"""The model: for any call, in any state, the permitted answers.

A `Model` holds the Connections of one execution as they should be. For each call it builds a step
with the requirements that the call tests and the permitted answers. Then it applies the answer that
was given. The generators write these steps down as vectors; the exploration builds them as it goes
and follows the answers of the implementation.

The model states no rule: it asks the policy. It makes no calls and compares no answers.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

from connect_core.conformance.subject import Outcome, State, actor_of, state_of
from connect_core.conformance.vectors import (
    ActStep,
    Alternative,
    AnyStep,
    Check,
    CreateStep,
    ReadStep,
    ShareStep,
)
from connect_core.connection import Change, Connection
from connect_core.decision import Cell, Decision, Denial, minds_version
from connect_core.history import ConnectionEvent
from connect_core.lifecycle import Action, Role, Status
from connect_core.parties import roles_of
from connect_core.policy import decide, decide_access, decide_create, steps_to
from connect_core.scopes import DEFAULT_SCOPES

#: The open points of the specification and their answers. Ours comes first.
ROLE_AND_STATUS, ROLE_FIRST, STATUS_FIRST = "CXN-OPEN-001", "role-first", "status-first"
OUTSIDERS, HIDDEN, REFUSED = "CXN-OPEN-002", "hidden", "refused"
SECOND_CREATE, DUPLICATE_REFUSED, RETURNED = "CXN-OPEN-004", "refused", "returned"
SELF, ON_REQUEST, NEVER, ALWAYS = "CXN-OPEN-005", "on-request", "never", "always"
SCOPES_WHILE_INACTIVE, KEPT, SUSPENDED = "CXN-OPEN-006", "kept", "suspended"

#: The time of every change. No vector tells an implementation what time it is.
_AT: Final = datetime(2026, 1, 1, tzinfo=UTC)

_OUTCOMES: Final[Mapping[Denial, Outcome]] = {
    Denial.WRONG_ROLE: Outcome.WRONG_ROLE,
    Denial.WRONG_STATUS: Outcome.WRONG_STATUS,
    Denial.ALREADY_EXISTS: Outcome.ALREADY_EXISTS,
    Denial.NOT_A_PARTY: Outcome.NOT_A_PARTY,
    Denial.SELF_CONNECTION: Outcome.SELF_CONNECTION,
}

#: The requirement that an action tests, by the action, the actor's role and whether it is allowed.
_ACTIONS: Final[Mapping[tuple[Action, Role, bool], str]] = {
    (Action.ACTIVATE, Role.DESTINATION, True): "CXN-LIFE-001",
    (Action.ACTIVATE, Role.SOURCE, False): "CXN-LIFE-002",
    (Action.ACTIVATE, Role.DESTINATION, False): "CXN-LIFE-003",
    (Action.DEACTIVATE, Role.SOURCE, True): "CXN-LIFE-004",
    (Action.DEACTIVATE, Role.DESTINATION, True): "CXN-LIFE-005",
    (Action.DEACTIVATE, Role.SOURCE, False): "CXN-LIFE-006",
    (Action.DEACTIVATE, Role.DESTINATION, False): "CXN-LIFE-006",
    (Action.REACTIVATE, Role.SOURCE, True): "CXN-LIFE-007",
    (Action.REACTIVATE, Role.DESTINATION, False): "CXN-LIFE-008",
    (Action.REACTIVATE, Role.SOURCE, False): "CXN-LIFE-009",
}
#: The requirement that a refused read of data tests, by the reason for the refusal.
_ACCESS: Final[Mapping[Denial, str]] = {
    Denial.NOT_A_PARTY: "CXN-SHAR-005",
    Denial.NOT_ACTIVE: "CXN-SHAR-002",
    Denial.WRONG_DIRECTION: "CXN-SHAR-003",
    Denial.SCOPE_NOT_GRANTED: "CXN-SHAR-004",
}

#: The members of the state that every implementation reports and that never change.
TERMS: Final = ("source", "destination", "name")


class _Entry(NamedTuple):
    """A Connection as it should be, its history, and its state as seen from outside."""

    connection: Connection
    events: tuple[ConnectionEvent, ...]
    state: State


class Move(NamedTuple):
    """An action that an organization could take on a Connection."""

    connection: str
    by: str
    action: Action


class Model:
    """The Connections of one execution as they should be, by their names in that execution."""

    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {}

    def copy(self) -> "Model":
        """A copy that changes independently."""
        copied = Model()
        copied._entries = dict(self._entries)
        return copied

    def names(self) -> tuple[str, ...]:
        """The names of all Connections, oldest first."""
        return tuple(self._entries)

    def connection(self, name: str) -> Connection:
        """The Connection as it should be.

        Raises:
            KeyError: there is none of this name.
        """
        return self._entries[name].connection

    def named(self, source: str, destination: str) -> str | None:
        """The name of the Connection for this ordered pair, or None."""
        for name, (connection, *_) in self._entries.items():
            pair = connection.source_organization_id, connection.destination_organization_id
            if pair == (source, destination):
                return name
        return None

    def cell(self, step: AnyStep) -> Cell | None:
        """The cell of the matrix that a step is about; None if it is about none."""
        if isinstance(step, CreateStep):
            source, destination = step.source or step.by, str(step.destination)
            name = self.named(source, destination)
            status = None if name is None else self.connection(name).status
            holders = {Role.SOURCE: source, Role.DESTINATION: destination}
            roles = frozenset(role for role, holder in holders.items() if holder == step.by)
            return Cell(status, Action.CREATE, roles)
        if isinstance(step, ActStep):
            return self.cell_of(Move(step.connection, step.by, Action(step.action)))
        return None

    def cell_of(self, move: Move) -> Cell:
        """The cell of the matrix that a move is about."""
        connection = self.connection(move.connection)
        return Cell(connection.status, move.action, roles_of(actor_of(move.by), connection))

    def moves(self, organizations: Iterable[str], *, legal: bool) -> list[Move]:
        """The moves that these organizations could make on the existing Connections.

        Args:
            organizations: the organizations that act.
            legal: True for the permitted moves, False for the others.
        """
        actors = {each: actor_of(each) for each in organizations}
        return [
            Move(name, organization, action)
            for name, (connection, *_) in self._entries.items()
            for organization, actor in actors.items()
            for action in Action
            if action is not Action.CREATE and decide(actor, action, connection).allowed is legal
        ]

    # --- Calls and their permitted answers ---

    def create(
        self,
        name: str,
        *,
        by: str,
        destination: str,
        source: str | None = None,
        called: str | None = None,
        scopes: Sequence[str] | None = None,
        allow_self: bool = False,
    ) -> CreateStep:
        """A step that creates a Connection. A second create for a pair uses the name of the first.

        Args:
            name: the name of the Connection in this execution.
            by: the organization that acts.
            destination: the organization to share with.
            source: the organization whose data is shared; `by` if omitted.
            called: the Connection's own name, for people to read.
            scopes: the scopes to share; the defaults if omitted.
            allow_self: True if a self-connection is intended.
        """
        origin = by if source is None else source
        existing = self._entries.get(name)
        decision = decide_create(
            actor_of(by),
            source=origin,
            destination=destination,
            existing=None if existing is None else existing.connection,
            allow_self=True,
        )
        requirements, accept = _creation(
            decision, self_connection=origin == destination, asked=allow_self
        )
        return CreateStep(
            by=by,
            connection=name,
            destination=destination,
            source=source,
            name=called,
            scopes=None if scopes is None else tuple(scopes),
            allow_self=allow_self,
            requirements=requirements,
            accept=accept,
        )

    def act(self, move: Move, expected_version: int | None = None) -> ActStep:
        """A step that acts on a Connection, permitted or not.

        Args:
            move: which organization does what.
            expected_version: the version that it expects, if it names one.
        """
        connection = self.connection(move.connection)
        decision = decide(actor_of(move.by), move.action, connection)
        requirements, accept = _action(decision, connection)
        if expected_version is not None:
            if expected_version == connection.version:
                requirements = ("CXN-VERS-005",)
            elif minds_version(decision):
                requirements = ("CXN-VERS-004",)
                accept = (Alternative(outcome=Outcome.STALE),)
            else:
                requirements = ("CXN-VERS-006",)
        return ActStep.model_validate(
            {
                "by": move.by,
                "connection": move.connection,
                "action": move.action.value,
                "expected_version": expected_version,
                "requirements": requirements,
                "accept": accept,
            }
        )

    def share(self, name: str, *, by: str, scope: str) -> ShareStep:
        """A step that asks to read data of a scope through a Connection."""
        decision = decide_access(actor_of(by), scope, self.connection(name))
        if decision:
            return _share(by, name, scope, ("CXN-SHAR-001",), Alternative(outcome=Outcome.OK))
        tested = tuple(_ACCESS[denial] for denial in decision.denials)
        refusals = (_refusal(Outcome.DENIED),) if decision.roles else _outsider_refusals()
        return _share(by, name, scope, tested, *refusals)

    def read(
        self,
        name: str,
        *,
        by: str,
        members: Sequence[str] = ("status",),
        requirements: Sequence[str] = (),
        unchanged: Sequence[str] = (),
        not_before: Sequence[str] = (),
    ) -> Check:
        """A check that reads a Connection.

        Args:
            name: the name of the Connection in this execution.
            by: the organization that reads.
            members: the members of the state to compare with the model.
            requirements: the requirements that the check tests; ignored for an outsider.
            unchanged: members that must be equal to what the last read before the step showed.
            not_before: times that must not be earlier than that read showed.
        """
        entry = self._entries[name]
        if not roles_of(actor_of(by), entry.connection):
            return Check(
                by=by, connection=name, requirements=("CXN-PERM-003",), accept=_outsider_refusals()
            )
        due = Alternative(
            outcome=Outcome.OK,
            state={member: entry.state[member] for member in members},
            unchanged=tuple(unchanged),
            not_before=tuple(not_before),
        )
        accept: tuple[Alternative, ...] = (due,)
        if "scopes" in members and entry.connection.status is Status.INACTIVE:
            without = due.model_copy(update={"state": {**due.state, "scopes": []}})
            accept = (
                due.model_copy(update={"answers": {SCOPES_WHILE_INACTIVE: (KEPT,)}}),
                without.model_copy(update={"answers": {SCOPES_WHILE_INACTIVE: (SUSPENDED,)}}),
            )
        return Check(by=by, connection=name, requirements=tuple(requirements), accept=accept)

    # --- Applying answers ---

    def follow(self, step: AnyStep, answer: Alternative) -> None:
        """Apply the effect of this answer to this step."""
        if (
            answer.outcome is not Outcome.OK
            or answer.existing
            or isinstance(step, (ReadStep, ShareStep))
        ):
            return
        actor = actor_of(step.by)
        if isinstance(step, CreateStep):
            change = Connection.create(
                by=actor,
                destination=str(step.destination),
                name=step.name,
                scopes=DEFAULT_SCOPES if step.scopes is None else step.scopes,
                allow_self=True,
                id=f"cxn_{step.connection}",
                at=_AT,
            )
            self._record(step.connection, change, ())
        else:
            connection, events, _ = self._entries[step.connection]
            change = connection.take(Action(step.action), by=actor, at=_AT)
            self._record(step.connection, change, events)

    def _record(self, name: str, change: Change, events: Iterable[ConnectionEvent]) -> None:
        history = (*events, change.event)
        self._entries[name] = _Entry(
            change.connection, history, state_of(change.connection, history)
        )


def continued_with(step: AnyStep, answer: Alternative) -> AnyStep:
    """The step in a vector whose later steps assume this answer.

    The answer becomes the first alternative. An alternative that leaves other Connections ends the
    vector.
    """
    others = [
        each.model_copy(update={"ends": _creates(step, each) != _creates(step, answer)})
        for each in step.accept
        if each != answer
    ]
    return step.model_copy(update={"accept": (answer, *others)})


def _creates(step: AnyStep, answer: Alternative) -> bool:
    """Whether the answer means that the step created a new Connection."""
    created = answer.outcome is Outcome.OK and not answer.existing
    return isinstance(step, CreateStep) and created


# --- Requirements and permitted answers ----------------------------------------------------------

#: The requirements that a call tests, and its permitted answers.
_Permitted = tuple[tuple[str, ...], tuple[Alternative, ...]]


def _share(
    by: str, name: str, scope: str, requirements: tuple[str, ...], *accept: Alternative
) -> ShareStep:
    return ShareStep(by=by, connection=name, scope=scope, requirements=requirements, accept=accept)


def _refusal(outcome: Outcome, point: str | None = None, *answers: str) -> Alternative:
    return Alternative(outcome=outcome, answers={} if point is None else {point: answers})


def _outsider_refusals() -> tuple[Alternative, ...]:
    return (
        _refusal(Outcome.NOT_FOUND, OUTSIDERS, HIDDEN),
        _refusal(Outcome.NOT_A_PARTY, OUTSIDERS, REFUSED),
    )


def _refusals(decision: Decision) -> Iterator[Alternative]:
    """The permitted refusals of a party: one, or either of two if two reasons hold at once."""
    first, *others = (_OUTCOMES[denial] for denial in decision.denials)
    if not others:
        yield _refusal(first)
    else:
        yield _refusal(first, ROLE_AND_STATUS, ROLE_FIRST)
        yield _refusal(others[0], ROLE_AND_STATUS, STATUS_FIRST)


def _creation(decision: Decision, *, self_connection: bool, asked: bool) -> _Permitted:
    existing = Alternative(outcome=Outcome.OK, existing=True, answers={SECOND_CREATE: (RETURNED,)})
    if decision.denials == (Denial.ALREADY_EXISTS,):
        refused = _refusal(Outcome.ALREADY_EXISTS, SECOND_CREATE, DUPLICATE_REFUSED)
        return ("CXN-CREA-005",), (refused, existing)
    if decision.denials:
        requirement = "CXN-CREA-003" if decision.roles else "CXN-CREA-004"
        return (requirement,), tuple(_refusals(decision))
    if not self_connection:
        return ("CXN-CREA-001",), (Alternative(outcome=Outcome.OK),)
    willing = (ON_REQUEST, ALWAYS) if asked else (ALWAYS,)
    unwilling = (NEVER,) if asked else (ON_REQUEST, NEVER)
    accept = (
        Alternative(outcome=Outcome.OK, answers={SELF: willing}),
        _refusal(Outcome.SELF_CONNECTION, SELF, *unwilling),
    )
    return ("CXN-CREA-006",), accept if asked else accept[::-1]


def _action(decision: Decision, connection: Connection) -> _Permitted:
    action, roles = Action(str(decision.action)), decision.roles
    if not roles:
        return ("CXN-LIFE-011",), _outsider_refusals()
    requirements: tuple[str, ...] = ("CXN-CREA-007",)
    if len(roles) == 1:
        requirements = (_ACTIONS[action, next(iter(roles)), decision.allowed],)
    if connection.version > _LOWEST_VERSION[connection.status]:
        requirements += ("CXN-LIFE-010",)
    if decision:
        return requirements, (Alternative(outcome=Outcome.OK),)
    return requirements, tuple(_refusals(decision))


#: A newly created Connection.
CREATED: Final = Connection.create(by=actor_of("org_A"), destination="org_B").connection
#: The lowest version of a Connection in each status. A higher one means a longer way.
_LOWEST_VERSION: Final = {status: 1 + len(steps_to(CREATED, status)) for status in Status}
