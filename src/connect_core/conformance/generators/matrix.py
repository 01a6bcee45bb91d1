"""Families: every cell of the matrix, and walks through it."""

from collections.abc import Iterator

from connect_core.conformance.model import Move
from connect_core.conformance.scenario import (
    DESTINATION,
    EVERYBODY,
    HOLDERS,
    OUTSIDER,
    PARTIES,
    READ,
    SCOPES,
    SOURCE,
    Scenario,
    describe,
    named,
    read_backs,
    walks,
    way_to,
)
from connect_core.conformance.vectors import Vector
from connect_core.decision import Cell
from connect_core.lifecycle import Action, Role
from connect_core.policy import decision_table


def transition() -> Iterator[Vector]:
    """Every cell of the matrix."""
    for cell in decision_table():
        column = "both" if len(cell.roles) > 1 else next(iter(cell.roles), "outsider")
        by = SOURCE if len(cell.roles) > 1 else HOLDERS.get(column, OUTSIDER)
        status = cell.status or "none"
        where = "with no Connection" if cell.status is None else f"on {status}"
        titled = f"{column} tries to {cell.action} {where}"
        named = ("named-source",) if cell.action is Action.CREATE and by != SOURCE else ()
        scenario = Scenario(f"transition/{status}/{cell.action}/{column}", titled, *named)
        to = SOURCE if column == "both" else DESTINATION
        if cell.status is not None:
            way = tuple(
                (SOURCE if column == "both" else who, what) for who, what in way_to(cell.status)
            )
            scenario.given(to=to, walk=way)
        if cell.action is Action.CREATE:
            _try_to_create(scenario, by, to, cell)
        else:
            scenario.act(by, cell.action)
        yield scenario.vector()


def _try_to_create(scenario: Scenario, by: str, to: str, cell: Cell) -> None:
    """Create, with other terms than before; if nothing may come of it, the source still can."""
    step = scenario.model.create(
        "main",
        by=by,
        source=None if by == SOURCE else SOURCE,
        destination=to,
        called="Another" if cell.status else "Partner",
        scopes=("case.read",) if cell.status else SCOPES,
        allow_self=by == to,
    )
    if cell.status is None and not cell.roles & {Role.SOURCE}:
        scenario.add(step)
        later = scenario.model.create("main", by=SOURCE, destination=to)
        scenario.add(later, "CXN-REFU-001")
        return
    born = ("CXN-CREA-002",) if cell.status is None else step.requirements
    after = scenario.model.copy()
    after.follow(step, step.accept[0])
    seen = read_backs(after, "main", born, fixed=cell.status is None)
    scopes = after.read("main", by=SOURCE, members=("scopes",), requirements=step.requirements)
    also = ("CXN-CREA-007",) if cell.status and len(cell.roles) > 1 else ()
    scenario.add(step, *also, then=[*seen, scopes])


def walk() -> Iterator[Vector]:
    """Every legal walk of six steps, with bystanders, and shares along the way."""
    for steps in walks(6):
        scenario = Scenario(f"walk/{named(steps)}", f"six steps: {describe(steps)}")
        scenario.given("reverse", by=DESTINATION, to=SOURCE, walk=((SOURCE, Action.ACTIVATE),))
        scenario.given("partner", to="org_Partner")
        created = scenario.model.create("main", by=SOURCE, destination=DESTINATION, scopes=SCOPES)
        scenario.add(created, then=scenario.seen_after(created))
        _probe(scenario)
        for by, action in steps:
            scenario.act(by, action)
            _probe(scenario)
        scenario.add(scenario.model.share("reverse", by=SOURCE, scope=READ), "CXN-ISOL-002")
        scenario.add(scenario.model.share("reverse", by=DESTINATION, scope=READ), "CXN-ISOL-002")
        yield scenario.vector()


def _probe(scenario: Scenario) -> None:
    """Both want to read."""
    for by in PARTIES:
        scenario.add(scenario.model.share("main", by=by, scope=READ))


def refusals() -> Iterator[Vector]:
    """After each step of every walk of three: everything that may not be done."""
    for steps in walks(3):
        scenario = Scenario(f"refusals/{named(steps)}", f"all that is refused: {describe(steps)}")
        scenario.given()
        for by, action in (*steps, (None, None)):
            for move in scenario.model.moves(EVERYBODY, legal=False):
                scenario.act(move.by, move.action)
            again = scenario.model.create(
                "main", by=SOURCE, destination=DESTINATION, scopes=(READ,)
            )
            scenario.add(again, then=scenario.seen_after(again))
            if by is not None and action is not None:
                scenario.prepare(scenario.model.act(Move("main", by, action)))
        scenario.look("main", "scopes", tests="CXN-REFU-001")
        yield scenario.vector()
