"""Families: every cell of the matrix, and walks through it."""

from collections.abc import Iterator

from connect_core.conformance.families.telling import (
    DESTINATION,
    EVERYBODY,
    HOLDERS,
    OUTSIDER,
    PARTIES,
    READ,
    SCOPES,
    SOURCE,
    Story,
    looks,
    named,
    told_in_words,
    walks,
    way_to,
)
from connect_core.conformance.vectors import Vector
from connect_core.conformance.world import Move
from connect_core.lifecycle import Action, Role
from connect_core.policy import Cell, decision_table


def transition() -> Iterator[Vector]:
    """Every cell of the matrix."""
    for cell in decision_table():
        column = "both" if len(cell.roles) > 1 else next(iter(cell.roles), "outsider")
        by = SOURCE if len(cell.roles) > 1 else HOLDERS.get(column, OUTSIDER)
        status = cell.status or "none"
        where = "with no Connection" if cell.status is None else f"on {status}"
        titled = f"{column} tries to {cell.action} {where}"
        named = ("named-source",) if cell.action is Action.CREATE and by != SOURCE else ()
        story = Story(f"transition/{status}/{cell.action}/{column}", titled, *named)
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


def _try_to_create(story: Story, by: str, to: str, cell: Cell) -> None:
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
    seen = looks(after, "main", born, fixed=cell.status is None)
    scopes = after.read("main", by=SOURCE, members=("scopes",), requirements=step.requirements)
    also = ("CXN-CREA-007",) if cell.status and len(cell.roles) > 1 else ()
    story.tell(step, *also, then=[*seen, scopes])


def walk() -> Iterator[Vector]:
    """Every legal walk of six steps, with bystanders, and shares along the way."""
    for steps in walks(6):
        story = Story(f"walk/{named(steps)}", f"six steps: {told_in_words(steps)}")
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


def _probe(story: Story) -> None:
    """Both want to read."""
    for by in PARTIES:
        story.tell(story.world.share("main", by=by, scope=READ))


def refusals() -> Iterator[Vector]:
    """After each step of every walk of three: everything that may not be done."""
    for steps in walks(3):
        story = Story(f"refusals/{named(steps)}", f"all that is refused: {told_in_words(steps)}")
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
