"""Generators of vectors about the matrix: every cell, and walks through it."""

from collections.abc import Iterator

from connect_core.conformance.model import Move
from connect_core.conformance.scenario import (
    DESTINATION,
    EVERYBODY,
    HOLDERS,
    OUTSIDER,
    PARTIES,
    READ,
    ROUTES,
    SCOPES,
    SOURCE,
    V1_1,
    Scenario,
    describe,
    read_backs,
    shortest_walk_to,
    walk_id,
    walks,
)
from connect_core.conformance.vectors import Vector
from connect_core.decision import Cell
from connect_core.lifecycle import Action, Role
from connect_core.policy import decision_table


def transition() -> Iterator[Vector]:
    """One vector for every cell of the matrix."""
    for cell in decision_table():
        column = "both" if len(cell.roles) > 1 else next(iter(cell.roles), "outsider")
        by = SOURCE if len(cell.roles) > 1 else HOLDERS.get(column, OUTSIDER)
        status = cell.status or "none"
        where = "with no Connection" if cell.status is None else f"on {status}"
        title = f"{column} tries to {cell.action} {where}"
        needs = ("named-source",) if cell.action is Action.CREATE and by != SOURCE else ()
        scenario = Scenario(f"transition/{status}/{cell.action}/{column}", title, *needs)
        to = SOURCE if column == "both" else DESTINATION
        if cell.status is not None:
            steps = tuple(
                (SOURCE if column == "both" else who, what)
                for who, what in shortest_walk_to(cell.status)
            )
            scenario.given(to=to, walk=steps)
        if cell.action is Action.CREATE:
            _try_to_create(scenario, by, to, cell)
        else:
            scenario.act(by, cell.action)
        yield scenario.vector()


def _try_to_create(scenario: Scenario, by: str, to: str, cell: Cell) -> None:
    """Add a create, with new terms if there is a Connection.

    Read the Connection back. If there is none, and the create is refused, the source creates one.
    """
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
    tests = ("CXN-CREA-002",) if cell.status is None else step.requirements
    after = scenario.model.copy()
    after.follow(step, step.accept[0])
    seen = read_backs(after, "main", tests, fixed=cell.status is None)
    scopes = after.read("main", by=SOURCE, members=("scopes",), requirements=step.requirements)
    also = ("CXN-CREA-007",) if cell.status and len(cell.roles) > 1 else ()
    scenario.add(step, *also, then=[*seen, scopes])


def _second_creates() -> Iterator[Vector]:
    """A second creation with the same terms, with none, and with others."""
    for route, steps in ROUTES.items():
        scenario = Scenario(
            f"refusals/second-create/{route}", f"second creations while it is {route}", since=V1_1
        )
        scenario.given(walk=steps)
        for called, named in (
            ("Partner", SCOPES),
            ("Partner", SCOPES[::-1]),
            (None, None),
            ("Another", SCOPES),
            ("Partner", ("case.read",)),
        ):
            again = scenario.model.create(
                "main", by=SOURCE, destination=DESTINATION, called=called, scopes=named
            )
            scenario.add(again, "CXN-REFU-001")
        scenario.look("main", tests=("CXN-CREA-005",))
        yield scenario.vector()


def walk() -> Iterator[Vector]:
    """Every legal walk of six steps, beside two other Connections, with shares after each step."""
    for steps in walks(6):
        scenario = Scenario(f"walk/{walk_id(steps)}", f"six steps: {describe(steps)}")
        scenario.given("reverse", by=DESTINATION, to=SOURCE, walk=((SOURCE, Action.ACTIVATE),))
        scenario.given("partner", to="org_Partner")
        created = scenario.model.create("main", by=SOURCE, destination=DESTINATION, scopes=SCOPES)
        scenario.add(created, then=scenario.read_backs_after(created))
        _share_by_both(scenario)
        for by, action in steps:
            scenario.act(by, action)
            _share_by_both(scenario)
        scenario.add(scenario.model.share("reverse", by=SOURCE, scope=READ), "CXN-ISOL-002")
        scenario.add(scenario.model.share("reverse", by=DESTINATION, scope=READ), "CXN-ISOL-002")
        yield scenario.vector()


def _share_by_both(scenario: Scenario) -> None:
    """Both parties ask to read data."""
    for by in PARTIES:
        scenario.add(scenario.model.share("main", by=by, scope=READ))


def refusals() -> Iterator[Vector]:
    """Every legal walk of three steps, with all refused calls before each step and at the end."""
    yield from _second_creates()
    for steps in walks(3):
        scenario = Scenario(f"refusals/{walk_id(steps)}", f"all that is refused: {describe(steps)}")
        scenario.given()
        for by, action in (*steps, (None, None)):
            for move in scenario.model.moves(EVERYBODY, legal=False):
                scenario.act(move.by, move.action)
            again = scenario.model.create(
                "main", by=SOURCE, destination=DESTINATION, scopes=(READ,)
            )
            scenario.add(again, then=scenario.read_backs_after(again))
            if by is not None and action is not None:
                scenario.prepare(scenario.model.act(Move("main", by, action)))
        scenario.read("main", "scopes", tests="CXN-REFU-001")
        yield scenario.vector()
