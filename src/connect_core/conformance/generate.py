"""The vectors of the specification, from the rules.

Each family tells stories through a `World`, which knows what is permitted; a `_Story` writes them
down. No rule is stated here: who may do what is asked of the policy. What is typed by hand is who
takes part, what is tried, and in which words it is told.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from connect_core.conformance.system import Outcome
from connect_core.conformance.vectors import (
    ID_PLACE,
    TIME_PLACE,
    ActStep,
    Alternative,
    AnyStep,
    Check,
    CreateStep,
    ReadStep,
    ShareStep,
    Vector,
    file_text,
)
from connect_core.conformance.world import BORN, TERMS, Move, World, followed
from connect_core.errors import InvalidDocumentError
from connect_core.jsonapi import parse_create
from connect_core.lifecycle import Action, Role, Status
from connect_core.parties import MAX_NAME_LENGTH
from connect_core.policy import Cell, decision_table, steps_to
from connect_core.scopes import MAX_SCOPES

#: The version of the specification that a vector came with.
SINCE: Final = "1.0"

SOURCE: Final = "org_Source"
DESTINATION: Final = "org_Destination"
OUTSIDER: Final = "org_Outsider"
PARTIES: Final = (SOURCE, DESTINATION)
EVERYBODY: Final = (*PARTIES, OUTSIDER)
_HOLDERS: Final[Mapping[str, str]] = {Role.SOURCE: SOURCE, Role.DESTINATION: DESTINATION}
_WORDS: Final = {SOURCE: "source", DESTINATION: "destination", OUTSIDER: "outsider"}

SCOPES: Final = ("account.read", "inquiry.read")
READ: Final = "inquiry.read"

#: What is done with a Connection after it was created: who does what.
Walk = tuple[tuple[str, Action], ...]


class _Story:
    """A vector while it is told. Each call is answered as we would, and the world goes on so."""

    def __init__(self, id: str, title: str, *needs: str) -> None:
        self._id = id
        self._title = title
        self._needs = needs
        self._steps: list[AnyStep] = []
        self.world = World()

    def vector(self) -> Vector:
        return Vector.of(self._id, self._title, SINCE, self._steps, self._needs)

    def prepare(self, step: AnyStep) -> None:
        """Do what has to have been done. If that fails, nothing was tested."""
        self.tell(step.model_copy(update={"requirements": ()}))

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
            self.world.create(
                name, by=by, destination=to, scopes=scopes, called="Partner", allow_self=by == to
            )
        )
        for organization, action in walk:
            self.prepare(self.world.act(Move(name, organization, action)))

    def tell(
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
        self.world.follow(step if meaning is None else meaning, ours)

    def act(self, by: str, action: Action, *also: str, name: str = "main") -> None:
        """Somebody acts; then both parties look, and everything else is as it was."""
        step = self.world.act(Move(name, by, action))
        self.tell(step, *also, then=self.seen_after(step, name))

    def seen_after(self, step: AnyStep, name: str = "main") -> list[Check]:
        """What is to be seen after a step: of the Connection that it is about, and of the others."""
        after = self.world.copy()
        after.follow(step, step.accept[0])
        done = step.accept[0].outcome is Outcome.OK and not isinstance(step, ShareStep)
        checks = _looks(after, name, step.requirements if done else ("CXN-REFU-001",), fixed=done)
        for other in after.names():
            if other != name:
                by = str(after.connection(other).source_organization_id)
                tested = ("CXN-ISOL-001",) if done else ("CXN-REFU-001",)
                checks.append(after.read(other, by=by, requirements=tested))
        return checks

    def look(self, name: str = "main", *members: str, by: str = SOURCE, tests: str) -> None:
        """Somebody looks at these members of the state."""
        check = self.world.read(name, by=by, members=members, requirements=(tests,))
        self.tell(_as_step(check))


def _looks(world: World, name: str, tested: tuple[str, ...], *, fixed: bool) -> list[Check]:
    """Both parties look at the status; the source, at what never changes."""
    connection = world.connection(name)
    source = str(connection.source_organization_id)
    destination = str(connection.destination_organization_id)
    permanent = ("CXN-PERM-001",) if fixed else tested
    checks = [world.read(name, by=source, requirements=tested)]
    if destination != source:
        checks.append(world.read(name, by=destination, requirements=(*tested, "CXN-PERM-002")))
    checks.append(world.read(name, by=source, members=TERMS, requirements=permanent))
    return checks


def _as_step(check: Check) -> ReadStep:
    return ReadStep(
        by=check.by,
        connection=check.connection,
        requirements=check.requirements,
        accept=check.accept,
    )


# --- Ways ----------------------------------------------------------------------------------------


def way_to(status: Status) -> Walk:
    """The shortest way from a new Connection to a status; the source goes it, where it may."""
    return tuple((_HOLDERS[sorted(step.roles)[-1]], step.action) for step in steps_to(BORN, status))


def walks(length: int) -> list[Walk]:
    """Every legal walk of so many steps after the creation."""
    found: list[Walk] = [()]
    for _ in range(length):
        found = [(*walk, move) for walk in found for move in _moves_after(walk)]
    return found


def _moves_after(walk: Walk) -> list[tuple[str, Action]]:
    world = World()
    step: AnyStep = world.create("main", by=SOURCE, destination=DESTINATION)
    world.follow(step, step.accept[0])
    for organization, action in walk:
        step = world.act(Move("main", organization, action))
        world.follow(step, step.accept[0])
    return [(move.by, move.action) for move in world.moves(PARTIES, legal=True)]


def _named(walk: Walk) -> str:
    """A walk in an id: who acted is told where both could have."""
    return "/".join(
        f"{action}-{_WORDS[by]}" if action is Action.DEACTIVATE else str(action)
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


# --- Families: the matrix and walks through it ---------------------------------------------------


def transition() -> Iterator[Vector]:
    """Every cell of the matrix."""
    for cell in decision_table():
        column = "both" if len(cell.roles) > 1 else next(iter(cell.roles), "outsider")
        by = SOURCE if len(cell.roles) > 1 else _HOLDERS.get(column, OUTSIDER)
        status = cell.status or "none"
        where = "with no Connection" if cell.status is None else f"on {status}"
        titled = f"{column} tries to {cell.action} {where}"
        named = ("named-source",) if cell.action is Action.CREATE and by != SOURCE else ()
        story = _Story(f"transition/{status}/{cell.action}/{column}", titled, *named)
        to = SOURCE if column == "both" else DESTINATION
        if cell.status is not None:
            way = tuple(
                (SOURCE if column == "both" else who, what) for who, what in way_to(cell.status)
            )
            story.given(to=to, walk=way)
        if cell.action is Action.CREATE:
            _try_to_create(story, by, to, cell)
        else:
            story.act(by, cell.action)
        yield story.vector()


def _try_to_create(story: _Story, by: str, to: str, cell: Cell) -> None:
    """Create, with other terms than before; if nothing may come of it, the source still can."""
    step = story.world.create(
        "main",
        by=by,
        source=None if by == SOURCE else SOURCE,
        destination=to,
        called="Another" if cell.status else "Partner",
        scopes=("case.read",) if cell.status else SCOPES,
        allow_self=by == to,
    )
    if cell.status is None and not cell.roles & {Role.SOURCE}:
        story.tell(step)
        later = story.world.create("main", by=SOURCE, destination=to)
        story.tell(later, "CXN-REFU-001")
        return
    born = ("CXN-CREA-002",) if cell.status is None else step.requirements
    after = story.world.copy()
    after.follow(step, step.accept[0])
    looks = _looks(after, "main", born, fixed=cell.status is None)
    scopes = after.read("main", by=SOURCE, members=("scopes",), requirements=step.requirements)
    also = ("CXN-CREA-007",) if cell.status and len(cell.roles) > 1 else ()
    story.tell(step, *also, then=[*looks, scopes])


def walk() -> Iterator[Vector]:
    """Every legal walk of six steps, with bystanders, and shares along the way."""
    for steps in walks(6):
        story = _Story(f"walk/{_named(steps)}", f"six steps: {_told(steps)}")
        story.given("reverse", by=DESTINATION, to=SOURCE, walk=((SOURCE, Action.ACTIVATE),))
        story.given("partner", to="org_Partner")
        created = story.world.create("main", by=SOURCE, destination=DESTINATION, scopes=SCOPES)
        story.tell(created, then=story.seen_after(created))
        _probe(story)
        for by, action in steps:
            story.act(by, action)
            _probe(story)
        story.tell(story.world.share("reverse", by=SOURCE, scope=READ), "CXN-ISOL-002")
        story.tell(story.world.share("reverse", by=DESTINATION, scope=READ), "CXN-ISOL-002")
        yield story.vector()


def _told(steps: Walk) -> str:
    return ", ".join(f"the {_WORDS[by]} {action}s" for by, action in steps)


def _probe(story: _Story) -> None:
    """Both want to read."""
    for by in PARTIES:
        story.tell(story.world.share("main", by=by, scope=READ))


def refusals() -> Iterator[Vector]:
    """After each step of every walk of three: everything that may not be done."""
    for steps in walks(3):
        story = _Story(f"refusals/{_named(steps)}", f"all that is refused: {_told(steps)}")
        story.given()
        for by, action in (*steps, (None, None)):
            for move in story.world.moves(EVERYBODY, legal=False):
                story.act(move.by, move.action)
            again = story.world.create("main", by=SOURCE, destination=DESTINATION, scopes=(READ,))
            story.tell(again, then=story.seen_after(again))
            if by is not None and action is not None:
                story.prepare(story.world.act(Move("main", by, action)))
        story.look("main", "scopes", tests="CXN-REFU-001")
        yield story.vector()


# --- Families: sharing and scopes ----------------------------------------------------------------

#: What a reader may ask for.
_ASKED: Final = (
    *SCOPES,
    "inquiry.write",
    "case.read",
    "Inquiry.Read",
    "inquiry",
    "inquiry.",
    "inquiry.read ",
    "inquiry.read.all",
    "*",
    "",
)


def share() -> Iterator[Vector]:
    """The sharing gate: who, when and what."""
    for (route, steps), by in ((each, by) for each in ROUTES.items() for by in EVERYBODY):
        reader = _WORDS[by]
        story = _Story(f"share/{route}/{reader}", f"{reader} reads while it is {route}")
        story.given(walk=steps)
        for scope in _ASKED:
            step = story.world.share("main", by=by, scope=scope)
            story.tell(step, then=story.seen_after(step)[:1] if scope == READ else ())
        yield story.vector()
    story = _Story("share/the-moment-counts", "reads before and after each change")
    story.given(walk=ROUTES["active-again"])
    for by, action in (
        (DESTINATION, Action.DEACTIVATE),
        (SOURCE, Action.REACTIVATE),
        (DESTINATION, Action.ACTIVATE),
        (SOURCE, Action.DEACTIVATE),
    ):
        story.tell(story.world.share("main", by=DESTINATION, scope=READ))
        story.prepare(story.world.act(Move("main", by, action)))
        story.tell(story.world.share("main", by=DESTINATION, scope=READ))
    yield story.vector()


_MANY: Final = tuple(f"kind{number:02}.read" for number in range(MAX_SCOPES))
_KEPT_SCOPES: Final[Mapping[str, tuple[str, Sequence[str] | None]]] = {
    "default": ("CXN-SCOP-002", None),
    "one": ("CXN-SCOP-001", (READ,)),
    "the-other": ("CXN-SCOP-001", ("account.read",)),
    "in-any-order-and-repeated": ("CXN-SCOP-001", (READ, "account.read", READ)),
    "unknown": ("CXN-SCOP-005", ("x-ray_2.look-at_1", READ)),
    "unknown-only": ("CXN-SCOP-005", ("a.b",)),
    "sixty-four": ("CXN-SCOP-001", _MANY),
}
_MALFORMED: Final = {
    "no-verb": "inquiry",
    "empty-verb": "inquiry.",
    "empty-resource": ".read",
    "three-parts": "inquiry.read.all",
    "upper-case": "Inquiry.read",
    "leading-digit": "1inquiry.read",
    "space": "inquiry.read ",
    "line-feed": "inquiry.read\n",
    "wildcard": "inquiry.*",
    "not-ascii": "inqu\u00edry.read",
    "empty": "",
}


def scopes() -> Iterator[Vector]:
    """Scopes at creation, and over a deactivation."""
    for name, (requirement, named) in _KEPT_SCOPES.items():
        story = _Story(f"scopes/{name}", f"a Connection with scopes: {name}")
        story.given(scopes=named, walk=way_to(Status.ACTIVE))
        story.look("main", "scopes", tests=requirement)
        for scope in sorted(story.world.connection("main").scopes)[:3]:
            story.tell(story.world.share("main", by=DESTINATION, scope=str(scope)), requirement)
        yield story.vector()
    refused = {"empty": ("CXN-SCOP-003", ()), "too-many": ("CXN-SCOP-007", (*_MANY, READ))}
    for name, malformed in _MALFORMED.items():
        refused[f"malformed/{name}"] = ("CXN-SCOP-004", (READ, malformed))
    for name, (requirement, named) in refused.items():
        yield _refused_scopes(name, requirement, named)
    for name, requirement in (("empty", "CXN-SCOP-003"), ("too-many", "CXN-SCOP-007")):
        named = () if name == "empty" else tuple(f"other{number}.read" for number in range(99))
        yield _refused_scopes(f"{name}-again", requirement, named, after="org_Partner")
    for route in ("inactive", "inactive-never-accepted"):
        for name, named in (("named", (READ, "a.b")), ("default", None)):
            yield _over_a_deactivation(route, name, named)


def _over_a_deactivation(route: str, name: str, named: Sequence[str] | None) -> Vector:
    """The scopes while it is inactive, and afterwards, are those of the creation."""
    story = _Story(f"scopes/over-a-deactivation/{route}/{name}", f"{name} scopes, {route}")
    story.given(scopes=named, walk=ROUTES[route])
    tests = "CXN-SCOP-006" if named else "CXN-SCOP-002"
    story.look("main", "scopes", tests=tests)
    for by, action in ((SOURCE, Action.REACTIVATE), (DESTINATION, Action.ACTIVATE)):
        story.prepare(story.world.act(Move("main", by, action)))
        story.look("main", "scopes", tests=tests)
    for scope in (READ, "a.b", "account.read"):
        story.tell(story.world.share("main", by=DESTINATION, scope=scope), tests)
    return story.vector()


def _refused_scopes(
    name: str, requirement: str, named: Sequence[str], after: str | None = None
) -> Vector:
    """A creation with these scopes is refused, and one without them still succeeds."""
    story = _Story(f"scopes/refused/{name}", f"a creation with scopes is refused: {name}")
    if after is not None:
        story.given("other", to=after)
    story.tell(_invalid(requirement, scopes=tuple(named), destination=DESTINATION))
    later = story.world.create("main", by=SOURCE, destination=DESTINATION)
    story.tell(later, requirement, "CXN-REFU-001")
    return story.vector()


def _invalid(
    requirement: str, *, pointers: Sequence[str] | None = None, **call: object
) -> CreateStep:
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


# --- Families: who is who ------------------------------------------------------------------------


def identity() -> Iterator[Vector]:
    """Ids that differ by case alone, and ids that nothing has."""
    for by, like in ((DESTINATION.lower(), DESTINATION), (SOURCE.lower(), SOURCE)):
        for route, steps in ROUTES.items():
            told = f"{by} is not {like}, while it is {route}"
            story = _Story(f"identity/case/{_WORDS[like]}/{route}", told)
            story.given(walk=steps)
            for move in story.world.moves((by,), legal=False):
                story.act(by, move.action, "CXN-CREA-008")
            story.tell(story.world.share("main", by=by, scope=READ), "CXN-CREA-008")
            story.tell(_as_step(story.world.read("main", by=by)), "CXN-CREA-008")
            yield story.vector()
    story = _Story("identity/case/another-destination", "two destinations that differ by case")
    story.given()
    step = story.world.create("other", by=SOURCE, destination=DESTINATION.lower())
    story.tell(step, "CXN-CREA-008", then=story.seen_after(step, "other"))
    yield story.vector()
    story = _Story(
        "identity/case/no-self-connection", "a destination that is the source but for case"
    )
    step = story.world.create("main", by=SOURCE, destination=SOURCE.lower())
    story.tell(step, "CXN-CREA-008", then=story.seen_after(step))
    yield story.vector()
    not_found = (Alternative(outcome=Outcome.NOT_FOUND),)
    calls: dict[str, Mapping[str, object]] = {
        **{
            str(action): {"verb": "act", "action": str(action)}
            for action in Action
            if action is not Action.CREATE
        },
        "share": {"verb": "share", "scope": READ},
        "read": {"verb": "read"},
    }
    for name, call in calls.items():
        story = _Story(f"identity/unknown/{name}", f"{name} where there is no such Connection")
        story.given()
        story.tell(_unknown(call, not_found), then=story.seen_after(_unknown(call, not_found)))
        yield story.vector()


def _unknown(call: Mapping[str, object], accept: tuple[Alternative, ...]) -> AnyStep:
    """A call about an id that no Connection has."""
    step = {"by": SOURCE, "connection": "nothing", "accept": accept, **call}
    step["requirements"] = ("CXN-REFU-002",)
    kinds: dict[object, type[AnyStep]] = {"act": ActStep, "share": ShareStep, "read": ReadStep}
    return kinds[call["verb"]].model_validate(step)


def outsider() -> Iterator[Vector]:
    """Outsiders, who learn nothing: not even by creating."""
    for route, steps in ROUTES.items():
        story = _Story(f"outsider/{route}", f"an outsider looks and tries while it is {route}")
        story.given(walk=steps)
        story.tell(_as_step(story.world.read("main", by=OUTSIDER)))
        for move in story.world.moves((OUTSIDER,), legal=False):
            story.act(move.by, move.action)
        story.tell(story.world.share("main", by=OUTSIDER, scope=READ))
        yield story.vector()


def independence() -> Iterator[Vector]:
    """Several Connections, each with its own life."""
    for route, steps in ROUTES.items():
        story = _Story(
            f"independence/reverse/{route}", f"the other direction of one that is {route}"
        )
        story.given(walk=steps)
        created = story.world.create("reverse", by=DESTINATION, destination=SOURCE, scopes=("a.b",))
        story.tell(created, "CXN-ISOL-002", then=story.seen_after(created, "reverse"))
        for by, action in (
            (DESTINATION, Action.ACTIVATE),
            (SOURCE, Action.ACTIVATE),
            (DESTINATION, Action.DEACTIVATE),
            (SOURCE, Action.REACTIVATE),
        ):
            story.act(by, action, "CXN-ISOL-002", name="reverse")
        for by in PARTIES:
            for name, scope in (("reverse", "a.b"), ("main", READ)):
                story.tell(story.world.share(name, by=by, scope=scope), "CXN-ISOL-002")
        yield story.vector()
    for name, by, to in (
        ("same-source", SOURCE, "org_Partner"),
        ("same-destination", "org_Partner", DESTINATION),
        ("chain", DESTINATION, "org_Partner"),
    ):
        story = _Story(f"independence/{name}", f"two Connections: {name}")
        story.given()
        story.given("other", by=by, to=to)
        for who, action in (
            (to, Action.ACTIVATE),
            (by, Action.DEACTIVATE),
            (by, Action.REACTIVATE),
        ):
            story.act(who, action, name="other")
        story.act(DESTINATION, Action.ACTIVATE)
        for reader in (DESTINATION, to):
            for which in ("main", "other"):
                story.tell(story.world.share(which, by=reader, scope=READ))
        yield story.vector()


def itself() -> Iterator[Vector]:
    """An organization that is connected with itself."""
    for name, asked in (("asked-for", True), ("not-asked-for", False)):
        story = _Story(f"self/create/{name}", f"a self-connection that is {name}")
        step = story.world.create("main", by=SOURCE, destination=SOURCE, allow_self=asked)
        story.tell(step)
        yield story.vector()
    story = _Story("self/life", "a whole life of a self-connection")
    story.given(to=SOURCE)
    for action in (Action.ACTIVATE, Action.DEACTIVATE, Action.REACTIVATE, Action.ACTIVATE):
        for move in story.world.moves((SOURCE, OUTSIDER), legal=False):
            story.act(move.by, move.action)
        story.tell(story.world.share("main", by=SOURCE, scope=READ), "CXN-CREA-007")
        story.act(SOURCE, action)
    story.tell(story.world.share("main", by=SOURCE, scope=READ), "CXN-CREA-007")
    yield story.vector()


# --- Families: what is claimed besides -----------------------------------------------------------


def versions() -> Iterator[Vector]:
    """The version after every change and every refusal."""
    for steps in walks(4):
        story = _Story(f"versions/{_named(steps)}", f"versions: {_told(steps)}", "versions")
        _keep_book(story, steps, "version", ("CXN-VERS-001", "CXN-VERS-002", "CXN-VERS-003"))
        yield story.vector()


def history() -> Iterator[Vector]:
    """The events after every change and every refusal."""
    for steps in walks(3):
        story = _Story(
            f"history/{_named(steps)}", f"history: {_told(steps)}", "versions", "history"
        )
        _keep_book(story, steps, "events", ("CXN-HIST-001", "CXN-HIST-001", "CXN-HIST-002"))
        yield story.vector()


def _keep_book(story: _Story, steps: Walk, member: str, tests: tuple[str, str, str]) -> None:
    """A walk; before each step, and at the end, all that is refused. After each call, a member.

    Args:
        story: the story.
        steps: the walk.
        member: the member of the state that is read.
        tests: the requirements that this tests after the creation, a change and a refusal.
    """
    created, changed, refused = tests
    step: AnyStep = story.world.create("main", by=SOURCE, destination=DESTINATION, scopes=SCOPES)
    _and_read(story, step, member, created)
    for by, action in steps:
        _all_refused(story, member, refused)
        _and_read(story, story.world.act(Move("main", by, action)), member, changed)
    _all_refused(story, member, refused)


def _all_refused(story: _Story, member: str, tests: str) -> None:
    for move in story.world.moves(EVERYBODY, legal=False):
        _and_read(story, story.world.act(move), member, tests)


def _and_read(story: _Story, step: AnyStep, member: str, tests: str) -> None:
    after = story.world.copy()
    after.follow(step, step.accept[0])
    then = after.read("main", by=DESTINATION, members=(member,), requirements=(tests,))
    story.tell(step, then=[then])


def times() -> Iterator[Vector]:
    """When a Connection was created and last changed."""
    for steps in walks(3):
        story = _Story(f"times/{_named(steps)}", f"times: {_told(steps)}", "times")
        story.given()
        seen = {"created_at": TIME_PLACE, "updated_at": TIME_PLACE}
        due = Alternative(outcome=Outcome.OK, state=seen)
        story.tell(
            ReadStep(by=SOURCE, connection="main", requirements=("CXN-PERM-004",), accept=(due,))
        )
        for by, action in steps:
            for move in story.world.moves(EVERYBODY, legal=False):
                story.tell(
                    story.world.act(move),
                    then=[_still(story, ("created_at", "updated_at"), "CXN-PERM-005")],
                )
            step = story.world.act(Move("main", by, action))
            later = story.world.copy()
            later.follow(step, step.accept[0])
            moved = later.read(
                "main",
                by=SOURCE,
                members=(),
                requirements=("CXN-PERM-005",),
                not_before=("updated_at",),
            )
            story.tell(step, then=[_still(story, ("created_at",), "CXN-PERM-004"), moved])
        yield story.vector()


def _still(story: _Story, unchanged: Sequence[str], requirement: str) -> Check:
    return story.world.read(
        "main", by=SOURCE, members=(), requirements=(requirement,), unchanged=unchanged
    )


def expected_version() -> Iterator[Vector]:
    """Versions that are expected: the right one, and those of before."""
    needs = ("versions", "expected-version")
    for route, steps in ROUTES.items():
        for by, action in _moves_after(steps):
            about = f"{action}-{_WORDS[by]}"
            story = _Story(
                f"expected-version/{route}/{about}",
                f"{about} with versions expected, {route}",
                *needs,
            )
            story.given(walk=steps)
            version = story.world.connection("main").version
            for stale in (*range(1, version), version + 1):
                _expect(story, Move("main", by, action), stale)
            _expect(story, Move("main", by, action), version)
            yield story.vector()
    for name, route, move in (
        ("role-first/source-activates", "pending", Move("main", SOURCE, Action.ACTIVATE)),
        (
            "role-first/destination-reactivates",
            "inactive",
            Move("main", DESTINATION, Action.REACTIVATE),
        ),
        ("status-last/source-reactivates", "active", Move("main", SOURCE, Action.REACTIVATE)),
        ("status-last/source-deactivates", "inactive", Move("main", SOURCE, Action.DEACTIVATE)),
        ("outsider-first/activates", "pending-again", Move("main", OUTSIDER, Action.ACTIVATE)),
        ("outsider-first/deactivates", "inactive", Move("main", OUTSIDER, Action.DEACTIVATE)),
    ):
        story = _Story(f"expected-version/{name}", f"another version is expected: {name}", *needs)
        story.given(walk=ROUTES[route])
        _expect(story, move, story.world.connection("main").version + 1)
        _expect(story, move, story.world.connection("main").version)
        yield story.vector()


def _expect(story: _Story, move: Move, version: int) -> None:
    step = story.world.act(move, version)
    story.tell(step, then=story.seen_after(step)[:1])


# --- Families: documents and HTTP ----------------------------------------------------------------

_ATTRIBUTES: Final[Mapping[str, object]] = {
    "destination-organization-id": DESTINATION,
    "name": "Partner Connection",
    "scopes": [READ, "account.read"],
}
_LESS: Final = {"destination-organization-id": DESTINATION}


def _document(attributes: object = _ATTRIBUTES, **data: object) -> dict[str, object]:
    return {"data": {"type": "connect/connections", **data, "attributes": attributes}}


def _with(**members: object) -> dict[str, object]:
    """A create document with other attributes, its names written with ``_``."""
    return _document(
        {**_ATTRIBUTES, **{name.replace("_", "-"): value for name, value in members.items()}}
    )


#: What an implementation has to accept.
VALID_DOCUMENTS: Final[Mapping[str, object]] = {
    "the-guides": {
        "data": {
            "attributes": {"destination-organization-id": DESTINATION, "name": "Partner Connection"}
        }
    },
    "complete": _document(),
    "least": {"data": {"attributes": _LESS}},
    "other-type": _document(type="connect/connection"),
    "name-null": _with(name=None),
    "name-empty": _with(name=""),
    "name-longest": _with(name="n" * MAX_NAME_LENGTH),
    "name-longest-beyond-ascii": _with(name="\U0001f91d" * MAX_NAME_LENGTH),
    "name-of-other-scripts": _with(name="Ma\u00df & \u30d1\u30fc\u30c8\u30ca\u30fc \u202e"),
    "one-scope": _with(scopes=[READ]),
    "scope-twice": _with(scopes=[READ, READ]),
    "unknown-scope": _with(scopes=["x-ray_2.look-at_1"]),
    "sixty-four-scopes": _with(scopes=list(_MANY)),
    "destination-of-one-letter": _with(destination_organization_id="org_1"),
    "destination-long": _with(destination_organization_id=f"org_{'Az-_9' * 50}"),
}
#: What it has to refuse: one thing is wrong with each, and nothing else.
INVALID_DOCUMENTS: Final[Mapping[str, object]] = {
    "no-object/array": [],
    "no-object/null": None,
    "no-object/text": "data",
    "data/missing": {},
    "data/null": {"data": None},
    "data/array": {"data": [_document()["data"]]},
    "attributes/missing": {"data": {"type": "connect/connections"}},
    "attributes/null": _document(None),
    "attributes/text": _document("org_Destination"),
    "destination/missing": _document({"name": "Partner Connection"}),
    "destination/null": _with(destination_organization_id=None),
    "destination/number": _with(destination_organization_id=7),
    "destination/empty": _with(destination_organization_id=""),
    "destination/prefix-only": _with(destination_organization_id="org_"),
    "destination/other-prefix": _with(destination_organization_id="cxn_Destination"),
    "destination/upper-case-prefix": _with(destination_organization_id="ORG_Destination"),
    "destination/space": _with(destination_organization_id="org_Destination "),
    "destination/line-feed": _with(destination_organization_id="org_Destination\n"),
    "destination/look-alike": _with(destination_organization_id="org_D\u0435stination"),
    "destination/full-width": _with(destination_organization_id="org_\uff11"),
    "destination/object": _with(destination_organization_id={"id": DESTINATION}),
    "name/number": _with(name=7),
    "name/false": _with(name=False),
    "name/too-long": _with(name="n" * (MAX_NAME_LENGTH + 1)),
    "name/control-character": _with(name="Partner\u0007"),
    "name/delete": _with(name="Partner\u007f"),
    "name/line-feed": _with(name="Partner\n"),
    "name/nul": _with(name="Partner\u0000"),
    "name/surrogate": _with(name="Partner\ud800"),
    "scopes/null": _with(scopes=None),
    "scopes/text": _with(scopes=READ),
    "scopes/object": _with(scopes={READ: True}),
    "scopes/empty": _with(scopes=[]),
    "scopes/too-many": _with(scopes=[*_MANY, READ]),
    "scopes/number-in-it": _with(scopes=[READ, 7]),
    "scopes/null-in-it": _with(scopes=[None, READ]),
    **{f"scopes/{name}": _with(scopes=[READ, scope]) for name, scope in _MALFORMED.items()},
    "type/other": _document(type="connect/links"),
    "type/null": _document(type=None),
    "type/upper-case": _document(type="Connect/Connections"),
    "unknown/attribute": _with(status="active"),
    "unknown/source": _with(source_organization_id=SOURCE),
    "unknown/upper-case": _with(Name="Partner"),
    "unknown/snake-case": _document({**_ATTRIBUTES, "destination_organization_id": DESTINATION}),
    "unknown/in-data": _document(id="cxn_1"),
    "unknown/beside-data": {**_document(), "meta": {}},
    "unknown/with-a-slash": _with(**{"a/b~c": 1}),
}
_DUPLICATE: Final = json.dumps(_document(_LESS))
#: The same as text, where JSON that was read could not say it.
INVALID_TEXTS: Final[Mapping[str, str]] = {
    "twice/destination": _DUPLICATE.replace(
        '"destination', f'"destination-organization-id": "{DESTINATION}", "destination'
    ),
    "twice/data": f'{{"data": 1, {_DUPLICATE[1:]}',
    "twice/in-other-words": _DUPLICATE.replace(
        '"type"', '"t\\u0079pe": "connect/connections", "type"'
    ),
}
#: What is not JSON at all.
MALFORMED_TEXTS: Final[Mapping[str, str]] = {
    "empty": "",
    "white-space": " \n",
    "cut-off": json.dumps(_document())[:-1],
    "two-values": json.dumps(_document()) * 2,
    "trailing-comma": json.dumps(_document()).replace('"}}', '",}}').replace("]}", "],}"),
    "single-quotes": json.dumps(_document()).replace('"', "'"),
    "nan": json.dumps(_document({**_ATTRIBUTES, "name": 0})).replace(": 0", ": NaN"),
    "comment": f"/* a Connection */ {json.dumps(_document())}",
    "form": "destination-organization-id=org_Destination",
    "raw-line-feed-in-text": json.dumps(_document()).replace("Partner ", "Partner\n"),
}


def documents() -> Iterator[Vector]:
    """Create documents, valid and not, and Connection documents."""
    for name, document in VALID_DOCUMENTS.items():
        yield _accepted(name, json.dumps(document))
    for name, document in INVALID_DOCUMENTS.items():
        yield _refused_document(f"invalid/{name}", "CXN-DOCS-002", json.dumps(document))
    for name, text in INVALID_TEXTS.items():
        yield _refused_document(f"invalid/{name}", "CXN-DOCS-002", text)
    for name, text in MALFORMED_TEXTS.items():
        yield _refused_document(f"not-json/{name}", "CXN-DOCS-003", text)
    several = _with(destination_organization_id="", name=7, scopes=[READ, ""], more=1)
    yield _refused_document("several-problems", "CXN-DOCS-004", json.dumps(several))
    for route, steps in ROUTES.items():
        story = _Story(
            f"documents/written/{route}", f"the document while it is {route}", "documents"
        )
        story.given(walk=steps, scopes=("x.y", READ, "a.b"))
        for by in PARTIES:
            story.tell(_written(story, by))
        yield story.vector()
    story = _Story("documents/written/nameless", "the document of one without a name", "documents")
    story.prepare(story.world.create("main", by=SOURCE, destination=DESTINATION))
    story.tell(_written(story, SOURCE))
    yield story.vector()


def _accepted(name: str, body: str) -> Vector:
    story = _Story(f"documents/valid/{name}", f"a create document: {name}", "documents")
    request = parse_create(body)
    to = str(request.destination_organization_id)
    step = story.world.create(
        "main",
        by=SOURCE,
        destination=to,
        called=request.name,
        scopes=sorted(map(str, request.scopes)),
    )
    after = story.world.copy()
    after.follow(step, step.accept[0])
    tests = ("CXN-DOCS-001",)
    seen = after.read("main", by=to, members=("status", *TERMS, "scopes"), requirements=tests)
    told = CreateStep(
        by=SOURCE, connection="main", body=body, requirements=tests, accept=step.accept
    )
    story.tell(told, then=[seen], meaning=step)
    return story.vector()


def _refused_document(name: str, requirement: str, body: str) -> Vector:
    story = _Story(f"documents/{name}", f"no create document: {name}", "documents")
    try:
        parse_create(body)
    except InvalidDocumentError as error:
        pointers = sorted({problem.pointer for problem in error.problems})
    else:
        raise AssertionError(f"{name} is a create document")
    story.tell(_invalid(requirement, body=body))
    story.tell(_invalid("CXN-DOCS-004", body=body, pointers=pointers))
    later = story.world.create("main", by=SOURCE, destination=DESTINATION)
    story.tell(later, requirement)
    return story.vector()


def _written(story: _Story, by: str) -> ReadStep:
    """The document, with places for the id and for times."""
    tests = ("CXN-DOCS-005", "CXN-DOCS-006", "CXN-DOCS-007")
    read = story.world.read("main", by=by, members=("scopes", "document"), requirements=tests)
    accept = [
        each.model_copy(update={"state": {"document": _with_places(each.state)}})
        for each in read.accept
    ]
    return _as_step(read.model_copy(update={"accept": tuple(accept)}))


def _with_places(state: Mapping[str, object]) -> object:
    """The document of a state, with places for the id and for times, and the state's scopes."""
    written = json.loads(json.dumps(state["document"]))
    attributes = written["data"]["attributes"]
    attributes["scopes"] = state["scopes"]
    written["data"]["id"] = attributes["token"] = ID_PLACE
    attributes["created-at"] = attributes["updated-at"] = TIME_PLACE
    return written


#: The HTTP statuses of an outcome: one, or for an open point those of its answers, ours first.
_STATUSES: Final[Mapping[Outcome, tuple[int, ...]]] = {
    Outcome.OK: (200,),
    Outcome.NOT_FOUND: (404,),
    Outcome.DENIED: (403,),
    Outcome.ALREADY_EXISTS: (409,),
    Outcome.INVALID: (422,),
    Outcome.WRONG_ROLE: (403, 404, 409, 422),
    Outcome.WRONG_STATUS: (409, 403, 404, 422),
}
_OPEN_STATUSES: Final = {
    Outcome.WRONG_ROLE: "CXN-OPEN-007",
    Outcome.WRONG_STATUS: "CXN-OPEN-003",
}


def _coded(step: AnyStep, requirement: str, *, due: int | None = None) -> AnyStep:
    """A call whose HTTP status is tested, not what came of it."""
    accept: list[Alternative] = []
    for each in step.accept:
        statuses = (due,) if due else _STATUSES.get(each.outcome, (None,))
        for status in (None,) if each.existing else statuses:
            point = _OPEN_STATUSES.get(each.outcome)
            chosen = {} if point is None else {point: (str(status),)}
            changes = {"http": status, "answers": {**each.answers, **chosen}}
            accept.append(each.model_copy(update=changes))
    return step.model_copy(update={"requirements": (requirement,), "accept": tuple(accept)})


def http() -> Iterator[Vector]:
    """The HTTP status of each outcome."""

    def story(name: str, route: str | None = None) -> _Story:
        found = _Story(f"http/{name}", f"the HTTP status: {name.replace('/', ', ')}", "http")
        if route is not None:
            found.given(walk=ROUTES[route])
        return found

    for name, to in (("partner", DESTINATION), ("another", "org_Partner")):
        told = story(f"created/{name}")
        told.tell(
            _coded(told.world.create("main", by=SOURCE, destination=to), "CXN-HTTP-001", due=201)
        )
        yield told.vector()
    for route, steps in ROUTES.items():
        for by, action in _moves_after(steps):
            told = story(f"ok/{route}/{action}-{_WORDS[by]}", route)
            told.tell(_coded(told.world.act(Move("main", by, action)), "CXN-HTTP-002"))
            told.tell(_coded(_as_step(told.world.read("main", by=by)), "CXN-HTTP-002"))
            yield told.vector()
    told = story("ok/share", "active")
    told.tell(_coded(told.world.share("main", by=DESTINATION, scope=READ), "CXN-HTTP-002"))
    yield told.vector()
    for name, route, move, requirement in (
        (
            "wrong-status/reactivate",
            "active",
            Move("main", SOURCE, Action.REACTIVATE),
            "CXN-HTTP-003",
        ),
        (
            "wrong-status/deactivate",
            "inactive",
            Move("main", SOURCE, Action.DEACTIVATE),
            "CXN-HTTP-003",
        ),
        ("wrong-role/activate", "pending", Move("main", SOURCE, Action.ACTIVATE), "CXN-HTTP-004"),
        (
            "wrong-role/reactivate",
            "inactive",
            Move("main", DESTINATION, Action.REACTIVATE),
            "CXN-HTTP-004",
        ),
        ("outsider/activate", "pending", Move("main", OUTSIDER, Action.ACTIVATE), "CXN-HTTP-005"),
    ):
        told = story(name, route)
        told.tell(_coded(told.world.act(move), requirement))
        yield told.vector()
    for by, route in ((DESTINATION, "pending"), (SOURCE, "active"), (OUTSIDER, "active")):
        told = story(f"denied/{_WORDS[by]}/{route}", route)
        told.tell(_coded(told.world.share("main", by=by, scope=READ), "CXN-HTTP-005"))
        yield told.vector()
    for route in ("active", "inactive"):
        told = story(f"already-exists/{route}", route)
        again = told.world.create("main", by=SOURCE, destination=DESTINATION)
        told.tell(_coded(again, "CXN-HTTP-006"))
        yield told.vector()
    for name, body, due in (
        ("not-json", MALFORMED_TEXTS["cut-off"], 400),
        ("no-document", json.dumps(INVALID_DOCUMENTS["scopes/empty"]), 422),
    ):
        told = _Story(f"http/invalid/{name}", f"the HTTP status: {name}", "http", "documents")
        told.tell(_coded(_invalid("CXN-HTTP-007", body=body), "CXN-HTTP-007", due=due))
        yield told.vector()


# --- The guide's stories -------------------------------------------------------------------------


def story() -> Iterator[Vector]:
    """The stories of the guide, for people: each is drawn in the documentation."""
    withdraw, offer = (SOURCE, Action.DEACTIVATE), (SOURCE, Action.REACTIVATE)
    accept, leave = (DESTINATION, Action.ACTIVATE), (DESTINATION, Action.DEACTIVATE)
    for name, title, steps in (
        ("accept", "an offer is accepted, and data may pass", (accept,)),
        (
            "withdraw-before-acceptance",
            "an offer is withdrawn before it is accepted",
            (withdraw, accept),
        ),
        (
            "deactivate-reactivate-accept-again",
            "either may leave; then the source offers again, and the destination accepts again",
            (accept, leave, offer, accept),
        ),
        ("refused-share", "data does not pass", (accept, withdraw)),
    ):
        told = _Story(f"story/{name}", title)
        told.tell(told.world.create("main", by=SOURCE, destination=DESTINATION, scopes=SCOPES))
        if name == "refused-share":
            told.tell(told.world.share("main", by=DESTINATION, scope=READ))
        for by, action in steps:
            told.act(by, action)
            if name == "refused-share" and action is Action.ACTIVATE:
                for reader, scope in ((SOURCE, READ), (DESTINATION, "case.read"), (OUTSIDER, READ)):
                    told.tell(told.world.share("main", by=reader, scope=scope))
        told.tell(told.world.share("main", by=DESTINATION, scope=READ))
        yield told.vector()


#: The families, each a file.
FAMILIES: Final[Mapping[str, Callable[[], Iterator[Vector]]]] = {
    "transition": transition,
    "walk": walk,
    "refusals": refusals,
    "share": share,
    "scopes": scopes,
    "identity": identity,
    "outsider": outsider,
    "independence": independence,
    "self": itself,
    "versions": versions,
    "history": history,
    "times": times,
    "expected-version": expected_version,
    "documents": documents,
    "http": http,
    "story": story,
}


def vector_files(specification: str) -> dict[str, str]:
    """The files of vectors: names and texts.

    Args:
        specification: the version that they are of.
    """
    return {f"{name}.json": file_text(specification, family()) for name, family in FAMILIES.items()}
