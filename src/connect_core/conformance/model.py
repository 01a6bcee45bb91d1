"""The model: for any call, in any state, the permitted answers.

A `Model` holds the Connections of one execution as they should be. For each call it builds a step
with the requirements that the call tests and the permitted answers. Then it applies the answer that
was given. The generators write these steps down as vectors; the exploration builds them as it goes
and follows the answers of the implementation.

The model states no rule: it asks the policy. It makes no calls and compares no answers.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple, cast

from pydantic import TypeAdapter, ValidationError

from connect_core.conformance.permitted import (
    KEPT,
    OUTSIDER_REFUSALS,
    SCOPES_WHILE_INACTIVE,
    SUSPENDED,
    access,
    action,
    creation,
)
from connect_core.conformance.subject import Outcome, State, actor_of, state_of
from connect_core.conformance.vectors import (
    CREATED_PLACE,
    ID_PLACE,
    NOW_PLACE,
    TIME_PLACE,
    UPDATED_PLACE,
    ActStep,
    Alternative,
    AnyStep,
    Check,
    CreateStep,
    ReadStep,
    ShareStep,
)
from connect_core.connection import Change, Connection
from connect_core.decision import Cell, Decision
from connect_core.errors import InvalidDocumentError
from connect_core.history import ConnectionEvent
from connect_core.identifiers import MAX_ID_LENGTH
from connect_core.jsonapi import parse_create
from connect_core.lifecycle import Action, Status
from connect_core.parties import ROLES, Name, roles_of
from connect_core.policy import decide, decide_access, decide_create
from connect_core.scopes import DEFAULT_SCOPES, MAX_SCOPES, Scope

#: The time of every change. No vector tells an implementation what time it is.
_AT: Final = datetime(2026, 1, 1, tzinfo=UTC)

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
            source, destination = step.source or step.by, destination_of(step)
            if destination is None:
                return None
            name = self.named(source, destination)
            status = None if name is None else self.connection(name).status
            return Cell(status, Action.CREATE, ROLES[step.by == source, step.by == destination])
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
        found = [self.moves_on(name, organizations, legal=legal) for name in self._entries]
        return [move for moves in found for move in moves]

    def moves_on(self, name: str, organizations: Iterable[str], *, legal: bool) -> list[Move]:
        """The moves that these organizations could make on one Connection; see `moves`."""
        connection = self.connection(name)
        return [
            Move(name, organization, action)
            for organization in organizations
            for action in Action
            if action is not Action.CREATE
            and decide(actor_of(organization), action, connection).allowed is legal
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
        requirements, accept = creation(
            self._decide_create(name, by, origin, destination),
            self_connection=origin == destination,
            asked=allow_self,
            wrong=_wrong_terms(destination, called, scopes),
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

    def create_from(self, body: str, name: str, *, by: str, places: bool = True) -> CreateStep:
        """A step that creates a Connection from the text of what may be a create document.

        Args:
            body: the text.
            name: the name of the Connection in this execution.
            by: the organization that acts.
            places: whether the places of the problems are compared, or else only the outcome.
        """
        requirements: tuple[str, ...] = ("CXN-DOCS-001",)
        try:
            request = parse_create(body)
        except InvalidDocumentError as error:
            requirements = ("CXN-DOCS-003" if error.malformed else "CXN-DOCS-002",)
            pointers = tuple(sorted({each.pointer for each in error.problems})) if places else None
            accept: tuple[Alternative, ...] = (
                Alternative(outcome=Outcome.INVALID, pointers=pointers),
            )
        else:
            to = str(request.destination_organization_id)
            _, accept = creation(
                self._decide_create(name, by, by, to), self_connection=by == to, asked=False
            )
        return CreateStep(
            by=by, connection=name, body=body, requirements=requirements, accept=accept
        )

    def _decide_create(self, name: str, by: str, source: str, destination: str) -> Decision:
        """The policy's decision on a creation, as if a self-connection were asked for."""
        existing = self._entries.get(name)
        return decide_create(
            actor_of(by),
            source=source,
            destination=destination[:MAX_ID_LENGTH],
            existing=None if existing is None else existing.connection,
            allow_self=True,
        )

    def act(self, move: Move, expected_version: int | None = None) -> ActStep:
        """A step that acts on a Connection, permitted or not.

        Args:
            move: which organization does what.
            expected_version: the version that it expects, if it names one.
        """
        connection = self.connection(move.connection)
        decision = decide(actor_of(move.by), move.action, connection)
        requirements, accept = action(decision, connection, expected_version)
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
        requirements, accept = access(decide_access(actor_of(by), scope, self.connection(name)))
        return ShareStep(
            by=by, connection=name, scope=scope, requirements=requirements, accept=accept
        )

    def read(
        self,
        name: str,
        *,
        by: str,
        members: Sequence[str] = ("status",),
        requirements: Sequence[str] = (),
        unchanged: Sequence[str] = (),
        not_before: Sequence[str] = (),
        later: Sequence[str] = (),
    ) -> Check:
        """A check that reads a Connection.

        Args:
            name: the name of the Connection in this execution.
            by: the organization that reads.
            members: the members of the state to compare with the model.
            requirements: the requirements that the check tests; ignored for an outsider.
            unchanged: members that must be equal to what the last read before the step showed.
            not_before: times that must not be earlier than that read showed.
            later: times that must be later than that read showed.
        """
        entry = self._entries[name]
        if not roles_of(actor_of(by), entry.connection):
            return Check(
                by=by, connection=name, requirements=("CXN-PERM-003",), accept=OUTSIDER_REFUSALS
            )
        due = Alternative(
            outcome=Outcome.OK,
            state=_shown(entry, members),
            unchanged=tuple(unchanged),
            not_before=tuple(not_before),
            later=tuple(later),
        )
        accept: tuple[Alternative, ...] = (due,)
        shown = {"scopes", "document"} & set(members)
        if shown and entry.connection.status is Status.INACTIVE:
            without = due.model_copy(update={"state": _without_scopes(due.state)})
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
            to, name, scopes = _terms_of(step)
            change = Connection.create(
                by=actor,
                destination=to,
                name=name,
                scopes=scopes,
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
        state = dict(state_of(change.connection, history))
        state |= {"created_at": TIME_PLACE, "updated_at": TIME_PLACE}
        state["document"] = _with_places(state["document"])
        self._entries[name] = _Entry(change.connection, history, state)


def _shown(entry: _Entry, members: Sequence[str]) -> dict[str, object]:
    """These members of a state. If there are times, all that is shown of them has to agree."""
    state = {member: entry.state[member] for member in members}
    if {"created_at", "updated_at"} <= state.keys():
        first = entry.connection.version == 1
        state |= {"created_at": NOW_PLACE, "updated_at": CREATED_PLACE if first else NOW_PLACE}
    if {"document", "created_at", "updated_at"} <= state.keys():
        times = {"created-at": CREATED_PLACE, "updated-at": UPDATED_PLACE}
        state["document"] = _with_attributes(state["document"], times)
    return state


def _with_places(document: object) -> dict[str, object]:
    """A Connection document with placeholders for the id and the times."""
    places = {"token": ID_PLACE, "created-at": TIME_PLACE, "updated-at": TIME_PLACE}
    changed = _with_attributes(document, places)
    return {"data": {**cast("dict[str, object]", changed["data"]), "id": ID_PLACE}}


def _with_attributes(document: object, changes: Mapping[str, object]) -> dict[str, object]:
    """A Connection document with other attributes."""
    data = cast("dict[str, dict[str, object]]", document)["data"]
    attributes = {**cast("dict[str, object]", data["attributes"]), **changes}
    return {"data": {**data, "attributes": attributes}}


def _without_scopes(state: State) -> dict[str, object]:
    """The same state of a Connection whose scopes are suspended."""
    changed = dict(state)
    if "scopes" in changed:
        changed["scopes"] = []
    if "document" in changed:
        changed["document"] = _with_attributes(changed["document"], {"scopes": []})
    return changed


def destination_of(step: CreateStep) -> str | None:
    """The destination that a step names; None if it is the text of no create document."""
    return step.destination if step.body is None else destination_in(step.body)


def destination_in(body: str) -> str | None:
    """The destination that a document names; None if it is no create document."""
    try:
        return str(parse_create(body).destination_organization_id)
    except InvalidDocumentError:
        return None


def _terms_of(step: CreateStep) -> tuple[str, str | None, Iterable[str]]:
    """The destination, the name and the scopes that a step creates a Connection with."""
    if step.body is not None:
        request = parse_create(step.body)
        return request.destination_organization_id, request.name, request.scopes
    return str(step.destination), step.name, DEFAULT_SCOPES if step.scopes is None else step.scopes


def _wrong_terms(
    destination: str, name: str | None, scopes: Sequence[str] | None
) -> tuple[str, ...]:
    """The requirements that refuse these terms as invalid."""
    wrong: list[str] = []
    if len(destination) > MAX_ID_LENGTH:
        wrong.append("CXN-CREA-010")
    if not _is_valid(_NAME, name):
        wrong.append("CXN-CREA-012")
    if scopes is not None:
        if not scopes:
            wrong.append("CXN-SCOP-003")
        if len(set(scopes)) > MAX_SCOPES:
            wrong.append("CXN-SCOP-007")
        if not all(_is_valid(_SCOPE, each) for each in set(scopes)):
            wrong.append("CXN-SCOP-004")
    return tuple(wrong)


_NAME: Final = TypeAdapter[object](Name | None)
_SCOPE: Final = TypeAdapter[object](Scope)


def _is_valid(kind: TypeAdapter[object], value: object) -> bool:
    try:
        kind.validate_python(value)
    except ValidationError:
        return False
    return True


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
