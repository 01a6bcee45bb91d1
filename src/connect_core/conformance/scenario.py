"""Scenarios: build vectors step by step, with the parties and routes that vectors use.

A `Scenario` asks a `Model` for each step with its permitted answers, and writes the steps down as a
vector. It states no rule, and it runs nothing. Which vectors there are is decided in
`connect_core.conformance.generators`.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from connect_core.conformance.model import TERMS, Model, Move, continued_with
from connect_core.conformance.permitted import CREATED
from connect_core.conformance.subject import Outcome
from connect_core.conformance.vectors import (
    Alternative,
    AnyStep,
    Check,
    CreateStep,
    ReadStep,
    ShareStep,
    Vector,
)
from connect_core.identifiers import MAX_ID_LENGTH
from connect_core.lifecycle import Action, Role, Status
from connect_core.policy import steps_to

#: The versions of the specification that vectors came with.
V1_0: Final = "1.0"
V1_1: Final = "1.1"

SOURCE: Final = "org_Source"
DESTINATION: Final = "org_Destination"
OUTSIDER: Final = "org_Outsider"
PARTIES: Final = (SOURCE, DESTINATION)
EVERYBODY: Final = (*PARTIES, OUTSIDER)
HOLDERS: Final[Mapping[str, str]] = {Role.SOURCE: SOURCE, Role.DESTINATION: DESTINATION}
#: A source and a destination with the longest ids, which differ in the last character only, and an
#: id that is too long by one character.
_LONG: Final = "org_".ljust(MAX_ID_LENGTH - 1, "x")
LONG_PARTIES: Final = (f"{_LONG}S", f"{_LONG}D")
TOO_LONG: Final = f"{_LONG}DD"
WORDS: Final = {SOURCE: "source", DESTINATION: "destination", OUTSIDER: "outsider"}

SCOPES: Final = ("account.read", "inquiry.read")
READ: Final = "inquiry.read"

#: The actions on a Connection after its creation, each with the organization that acts.
Walk = tuple[tuple[str, Action], ...]


class Scenario:
    """A vector under construction. The model applies our answer, the first, to each step."""

    def __init__(self, id: str, title: str, *needs: str, since: str = V1_0) -> None:
        self._id = id
        self._title = title
        self._needs = needs
        self._since = since
        self._steps: list[AnyStep] = []
        self.model = Model()

    def vector(self) -> Vector:
        """The vector of the steps so far."""
        return Vector.of(self._id, self._title, self._since, self._steps, self._needs)

    def prepare(self, step: AnyStep) -> None:
        """Add a step that only prepares later steps. If it fails, nothing was tested."""
        self.add(step.model_copy(update={"requirements": ()}))

    def given(
        self,
        name: str = "main",
        *,
        by: str = SOURCE,
        to: str = DESTINATION,
        walk: Walk = (),
        scopes: Sequence[str] | None = SCOPES,
        called: str | None = "Partner",
    ) -> None:
        """Prepare a Connection, and the actions of a walk on it."""
        self.prepare(
            self.model.create(
                name, by=by, destination=to, scopes=scopes, called=called, allow_self=by == to
            )
        )
        for organization, action in walk:
            self.prepare(self.model.act(Move(name, organization, action)))

    def add(
        self,
        step: AnyStep,
        *also: str,
        then: Sequence[Check] = (),
    ) -> None:
        """Add a step with its read-backs.

        Args:
            step: the step.
            also: more requirements that it tests.
            then: the read-backs.
        """
        ours = step.accept[0]
        changes = {
            "requirements": tuple(dict.fromkeys((*step.requirements, *also))),
            "then": tuple(then),
        }
        step = continued_with(step, ours).model_copy(update=changes)
        self._steps.append(step)
        self.model.follow(step, ours)

    def act(self, by: str, action: Action, *also: str, name: str = "main") -> None:
        """Add an action; read its Connection back as both parties, and the other Connections."""
        step = self.model.act(Move(name, by, action))
        self.add(step, *also, then=self.read_backs_after(step, name))

    def read_backs_after(self, step: AnyStep, name: str = "main") -> list[Check]:
        """The read-backs after a step: of its Connection, and of every other Connection."""
        after = self.model.copy()
        after.follow(step, step.accept[0])
        done = step.accept[0].outcome is Outcome.OK and not isinstance(step, ShareStep)
        checks = read_backs(
            after, name, step.requirements if done else ("CXN-REFU-001",), fixed=done
        )
        for other in after.names():
            if other != name:
                by = str(after.connection(other).source_organization_id)
                tested = ("CXN-ISOL-001",) if done else ("CXN-REFU-001",)
                checks.append(after.read(other, by=by, requirements=tested))
        return checks

    def read(self, name: str = "main", *members: str, by: str = SOURCE, tests: str) -> None:
        """Add a read of these members of the state."""
        check = self.model.read(name, by=by, members=members, requirements=(tests,))
        self.add(as_step(check))

    def look(self, name: str = "main", *members: str, tests: Sequence[str] = ()) -> None:
        """Add a read of these members by each party; of all that never changes if none is given."""
        connection = self.model.connection(name)
        shown = members or ("status", *TERMS, "scopes")
        for by in dict.fromkeys(
            map(str, (connection.source_organization_id, connection.destination_organization_id))
        ):
            check = self.model.read(name, by=by, members=shown, requirements=tests)
            self.add(as_step(check))

    def take(
        self,
        by: str,
        action: Action,
        name: str = "main",
        *also: str,
        expected: int | None = None,
        pause: int = 0,
    ) -> None:
        """Add an action, permitted or not, that nothing is read back after."""
        step = self.model.act(Move(name, by, action), expected)
        self.add(step.model_copy(update={"pause": pause}), *also)

    def refused_all(self, by: str, name: str = "main", *also: str) -> None:
        """Add everything that an outsider of a Connection may try on it."""
        self.add(as_step(self.model.read(name, by=by)), *also)
        for move in self.model.moves((by,), legal=False):
            if move.connection == name:
                self.add(self.model.act(move), *also)
        for scope in sorted(self.model.connection(name).scopes)[:2]:
            self.add(self.model.share(name, by=by, scope=str(scope)), *also)


def read_backs(model: Model, name: str, tested: tuple[str, ...], *, fixed: bool) -> list[Check]:
    """Read-backs of the status by both parties, and of what never changes by the source."""
    connection = model.connection(name)
    source = str(connection.source_organization_id)
    destination = str(connection.destination_organization_id)
    permanent = ("CXN-PERM-001",) if fixed else tested
    checks = [model.read(name, by=source, requirements=tested)]
    if destination != source:
        checks.append(model.read(name, by=destination, requirements=(*tested, "CXN-PERM-002")))
    checks.append(model.read(name, by=source, members=TERMS, requirements=permanent))
    return checks


def as_step(check: Check) -> ReadStep:
    """A check as a step of its own."""
    return ReadStep(
        by=check.by,
        connection=check.connection,
        requirements=check.requirements,
        accept=check.accept,
    )


# --- Walks ---------------------------------------------------------------------------------------


def shortest_walk_to(status: Status) -> Walk:
    """The shortest walk from a new Connection to a status, by the source where it may act."""
    return tuple(
        (HOLDERS[sorted(step.roles)[-1]], step.action) for step in steps_to(CREATED, status)
    )


def walks(length: int) -> list[Walk]:
    """Every legal walk of this length."""
    longer: list[Walk] = [()]
    for _ in range(length):
        longer = [(*walk, move) for walk in longer for move in moves_after(walk)]
    return longer


def moves_after(walk: Walk) -> list[tuple[str, Action]]:
    """The actions that the parties may take after a walk."""
    model = Model()
    step: AnyStep = model.create("main", by=SOURCE, destination=DESTINATION)
    model.follow(step, step.accept[0])
    for organization, action in walk:
        step = model.act(Move("main", organization, action))
        model.follow(step, step.accept[0])
    return [(move.by, move.action) for move in model.moves(PARTIES, legal=True)]


def walk_id(walk: Walk) -> str:
    """A walk as part of an id. It names the actor where both parties could have acted."""
    return "/".join(
        f"{action}-{WORDS[by]}" if action is Action.DEACTIVATE else str(action)
        for by, action in walk
    )


#: The situations of a Connection, each with the walk that leads to it, some of them roundabout.
ROUTES: Final[Mapping[str, Walk]] = {
    "pending": shortest_walk_to(Status.PENDING),
    "active": shortest_walk_to(Status.ACTIVE),
    "inactive": (*shortest_walk_to(Status.ACTIVE), (DESTINATION, Action.DEACTIVATE)),
    "inactive-never-accepted": shortest_walk_to(Status.INACTIVE),
    "pending-again": (
        *shortest_walk_to(Status.ACTIVE),
        (DESTINATION, Action.DEACTIVATE),
        (SOURCE, Action.REACTIVATE),
    ),
    "active-again": (
        *shortest_walk_to(Status.ACTIVE),
        (SOURCE, Action.DEACTIVATE),
        (SOURCE, Action.REACTIVATE),
        (DESTINATION, Action.ACTIVATE),
    ),
}


def describe(steps: Walk) -> str:
    """A walk in words."""
    return ", ".join(f"the {WORDS[by]} {action}s" for by, action in steps)


def invalid(
    requirement: str, *, pointers: Sequence[str] | None = None, **call: object
) -> CreateStep:
    """A step: a create by the source that is refused as invalid. `call` has its terms or text."""
    due = Alternative(
        outcome=Outcome.INVALID, pointers=None if pointers is None else tuple(pointers)
    )
    return CreateStep.model_validate(
        {
            "by": SOURCE,
            "connection": "main",
            "requirements": (requirement,),
            "accept": (due,),
            **call,
        }
    )
