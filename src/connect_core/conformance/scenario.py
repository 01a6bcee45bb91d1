"""How vectors are told: who takes part, the ways that lead to a status, and stories.

A `Story` goes through a `World`, which knows what is permitted, and writes down what it says.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from connect_core.conformance.model import CREATED, TERMS, Model, Move, followed
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
from connect_core.lifecycle import Action, Role, Status
from connect_core.policy import steps_to

#: The version of the specification that a vector came with.
SINCE: Final = "1.0"

SOURCE: Final = "org_Source"
DESTINATION: Final = "org_Destination"
OUTSIDER: Final = "org_Outsider"
PARTIES: Final = (SOURCE, DESTINATION)
EVERYBODY: Final = (*PARTIES, OUTSIDER)
HOLDERS: Final[Mapping[str, str]] = {Role.SOURCE: SOURCE, Role.DESTINATION: DESTINATION}
WORDS: Final = {SOURCE: "source", DESTINATION: "destination", OUTSIDER: "outsider"}

SCOPES: Final = ("account.read", "inquiry.read")
READ: Final = "inquiry.read"

#: What is done with a Connection after it was created: who does what.
Walk = tuple[tuple[str, Action], ...]


class Scenario:
    """A vector while it is told. Each call is answered as we would, and the world goes on so."""

    def __init__(self, id: str, title: str, *needs: str) -> None:
        self._id = id
        self._title = title
        self._needs = needs
        self._steps: list[AnyStep] = []
        self.model = Model()

    def vector(self) -> Vector:
        """What was told."""
        return Vector.of(self._id, self._title, SINCE, self._steps, self._needs)

    def prepare(self, step: AnyStep) -> None:
        """Do what has to have been done. If that fails, nothing was tested."""
        self.add(step.model_copy(update={"requirements": ()}))

    def given(
        self,
        name: str = "main",
        *,
        by: str = SOURCE,
        to: str = DESTINATION,
        walk: Walk = (),
        scopes: Sequence[str] | None = SCOPES,
    ) -> None:
        """There is a Connection, and this was done with it."""
        self.prepare(
            self.model.create(
                name, by=by, destination=to, scopes=scopes, called="Partner", allow_self=by == to
            )
        )
        for organization, action in walk:
            self.prepare(self.model.act(Move(name, organization, action)))

    def add(
        self,
        step: AnyStep,
        *also: str,
        then: Sequence[Check] = (),
        meaning: AnyStep | None = None,
    ) -> None:
        """A call, and what is read back afterwards.

        Args:
            step: the call.
            also: what else it tests.
            then: what is read back.
            meaning: a call that the world understands, if `step` is in other words.
        """
        ours = step.accept[0]
        changes = {
            "requirements": tuple(dict.fromkeys((*step.requirements, *also))),
            "then": tuple(then),
        }
        step = followed(step, ours).model_copy(update=changes)
        self._steps.append(step)
        self.model.follow(step if meaning is None else meaning, ours)

    def act(self, by: str, action: Action, *also: str, name: str = "main") -> None:
        """Somebody acts; then both parties look, and everything else is as it was."""
        step = self.model.act(Move(name, by, action))
        self.add(step, *also, then=self.seen_after(step, name))

    def seen_after(self, step: AnyStep, name: str = "main") -> list[Check]:
        """What is to be seen after a step: of its Connection, and of the others."""
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

    def look(self, name: str = "main", *members: str, by: str = SOURCE, tests: str) -> None:
        """Somebody looks at these members of the state."""
        check = self.model.read(name, by=by, members=members, requirements=(tests,))
        self.add(as_step(check))


def read_backs(model: Model, name: str, tested: tuple[str, ...], *, fixed: bool) -> list[Check]:
    """Both parties look at the status; the source, at what never changes."""
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
    """A read as a step of its own."""
    return ReadStep(
        by=check.by,
        connection=check.connection,
        requirements=check.requirements,
        accept=check.accept,
    )


# --- Ways ----------------------------------------------------------------------------------------


def way_to(status: Status) -> Walk:
    """The shortest way from a new Connection to a status; the source goes it, where it may."""
    return tuple(
        (HOLDERS[sorted(step.roles)[-1]], step.action) for step in steps_to(CREATED, status)
    )


def walks(length: int) -> list[Walk]:
    """Every legal walk of so many steps after the creation."""
    found: list[Walk] = [()]
    for _ in range(length):
        found = [(*walk, move) for walk in found for move in moves_after(walk)]
    return found


def moves_after(walk: Walk) -> list[tuple[str, Action]]:
    """What the parties may do after a walk."""
    model = Model()
    step: AnyStep = model.create("main", by=SOURCE, destination=DESTINATION)
    model.follow(step, step.accept[0])
    for organization, action in walk:
        step = model.act(Move("main", organization, action))
        model.follow(step, step.accept[0])
    return [(move.by, move.action) for move in model.moves(PARTIES, legal=True)]


def named(walk: Walk) -> str:
    """A walk in an id: who acted is told where both could have."""
    return "/".join(
        f"{action}-{WORDS[by]}" if action is Action.DEACTIVATE else str(action)
        for by, action in walk
    )


#: Where a Connection can stand, and the ways that lead there, the roundabout ones too.
ROUTES: Final[Mapping[str, Walk]] = {
    "pending": way_to(Status.PENDING),
    "active": way_to(Status.ACTIVE),
    "inactive": (*way_to(Status.ACTIVE), (DESTINATION, Action.DEACTIVATE)),
    "inactive-never-accepted": way_to(Status.INACTIVE),
    "pending-again": (
        *way_to(Status.ACTIVE),
        (DESTINATION, Action.DEACTIVATE),
        (SOURCE, Action.REACTIVATE),
    ),
    "active-again": (
        *way_to(Status.ACTIVE),
        (SOURCE, Action.DEACTIVATE),
        (SOURCE, Action.REACTIVATE),
        (DESTINATION, Action.ACTIVATE),
    ),
}


def describe(steps: Walk) -> str:
    """A walk, for people."""
    return ", ".join(f"the {WORDS[by]} {action}s" for by, action in steps)


def invalid(
    requirement: str, *, pointers: Sequence[str] | None = None, **call: object
) -> CreateStep:
    """A creation by the source that is refused as invalid; `call` has its terms or its text."""
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
