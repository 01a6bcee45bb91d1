"""Generator of vectors in which nothing is read between the calls, and of what others are left."""

from collections.abc import Iterator, Sequence
from typing import Final

from connect_core.conformance.scenario import (
    DESTINATION,
    OUTSIDER,
    READ,
    SOURCE,
    V1_1,
    Scenario,
    Walk,
    as_step,
    invalid,
)
from connect_core.conformance.vectors import Vector
from connect_core.lifecycle import Action

#: Two rounds in which either party deactivates.
_LIFE: Final[Walk] = (
    (DESTINATION, Action.ACTIVATE),
    (SOURCE, Action.DEACTIVATE),
    (SOURCE, Action.REACTIVATE),
    (DESTINATION, Action.ACTIVATE),
    (DESTINATION, Action.DEACTIVATE),
    (SOURCE, Action.REACTIVATE),
    (SOURCE, Action.DEACTIVATE),
    (SOURCE, Action.REACTIVATE),
    (DESTINATION, Action.ACTIVATE),
)


def unread() -> Iterator[Vector]:
    """Calls straight after a change: what was read or asked before it no longer holds."""
    yield from _reading()
    for name, title, read_first, asked_first in (
        ("never", "data is read after each change, and the state never", False, False),
        ("asked-before", "data is read before and after each change", False, True),
        ("read-before", "the state is read before each change, and data after it", True, False),
    ):
        scenario = Scenario(f"unread/share/{name}", title, since=V1_1)
        scenario.given()
        for by, action in _LIFE:
            if read_first:
                scenario.look("main", "status", "scopes")
            for who in (DESTINATION, SOURCE, OUTSIDER) if asked_first else ():
                scenario.add(scenario.model.share("main", by=who, scope=READ))
            scenario.take(by, action)
            for who in (DESTINATION, SOURCE, OUTSIDER):
                scenario.add(scenario.model.share("main", by=who, scope=READ))
        scenario.look("main", tests=("CXN-SHAR-002",))
        yield scenario.vector()
    for name, title, readers in (
        ("never", "all is tried after each change, and the state never read", ()),
        ("by-the-other", "the state is read by the party that does not act", None),
        ("by-both", "the state is read by both before each change", (SOURCE, DESTINATION)),
    ):
        scenario = Scenario(f"unread/act/{name}", title, since=V1_1)
        scenario.given()
        for by, action in _LIFE:
            other = DESTINATION if by == SOURCE else SOURCE
            for reader in (other,) if readers is None else readers:
                scenario.add(as_step(scenario.model.read("main", by=reader)))
            scenario.take(by, action)
            for move in scenario.model.moves((SOURCE, DESTINATION, OUTSIDER), legal=False):
                scenario.add(scenario.model.act(move))
        scenario.look("main", tests=("CXN-LIFE-010",))
        yield scenario.vector()
    for name, title, reads in (
        ("never", "each change expects the version that is known, though it was not read", False),
        ("read-before", "each change expects the version, or the one that was read last", True),
    ):
        scenario = Scenario(
            f"unread/expected-version/{name}", title, "versions", "expected-version", since=V1_1
        )
        scenario.given()
        for by, action in _LIFE:
            version = scenario.model.connection("main").version
            if reads:
                scenario.look("main", "version")
            scenario.take(by, action, expected=version)
            for who, what in _moves(scenario):
                scenario.take(who, what, expected=version)
        scenario.look("main", "status", "version", tests=("CXN-VERS-004",))
        yield scenario.vector()


def _reading() -> Iterator[Vector]:
    """Reading again and again, data and the state, changes nothing."""
    scenario = Scenario("unread/reading", "reading changes nothing", since=V1_1)
    scenario.given()
    scenario.given("reverse", by=DESTINATION, to=SOURCE)
    for by, action in _LIFE:
        for _ in range(3):
            for who in (DESTINATION, SOURCE, OUTSIDER):
                scenario.add(scenario.model.share("main", by=who, scope=READ), "CXN-SHAR-006")
                scenario.add(as_step(scenario.model.read("main", by=who)), "CXN-SHAR-006")
        for name in ("main", "reverse"):
            scenario.look(name, tests=("CXN-SHAR-006",))
        scenario.take(by, action)
    yield scenario.vector()


def _moves(scenario: Scenario) -> list[tuple[str, Action]]:
    """The moves that the parties could make now."""
    moves = scenario.model.moves((SOURCE, DESTINATION), legal=True)
    return [(move.by, move.action) for move in moves if move.connection == "main"]


def others() -> Iterator[Vector]:
    """What is left of other Connections by the changes of one: their versions, times and events."""
    for member, needs, tests in (
        ("status", (), ("CXN-ISOL-001",)),
        ("version", ("versions",), ("CXN-VERS-002", "CXN-ISOL-001")),
        ("events", ("versions", "history"), ("CXN-HIST-001", "CXN-ISOL-001")),
    ):
        scenario = Scenario(
            f"others/{member}", f"the {member} of other Connections", *needs, since=V1_1
        )
        names = _prepare(scenario)
        for by, action in _LIFE:
            scenario.take(by, action)
            for move in scenario.model.moves((SOURCE, DESTINATION, OUTSIDER), legal=False)[:4]:
                scenario.add(scenario.model.act(move))
            scenario.add(invalid("CXN-SCOP-003", destination="org_New", scopes=()))
            again = scenario.model.create("main", by=SOURCE, destination=DESTINATION)
            scenario.add(again)
            for name in names:
                scenario.look(name, member, tests=tests)
        yield scenario.vector()
    scenario = Scenario("others/times", "the times of other Connections", "times", since=V1_1)
    names = _prepare(scenario)
    times = ("created_at", "updated_at")
    for name in names:
        _read_times(scenario, name, ())
    for by, action in _LIFE:
        scenario.take(by, action, pause=3)
        for name in names[1:]:
            _read_times(scenario, name, times)
    yield scenario.vector()


def _prepare(scenario: Scenario) -> list[str]:
    """Create a Connection, and four others of its parties, each in another status."""
    scenario.given()
    scenario.given("reverse", by=DESTINATION, to=SOURCE, walk=((SOURCE, Action.ACTIVATE),))
    scenario.given("same-source", to="org_Partner")
    scenario.given("same-destination", by="org_Partner", walk=((DESTINATION, Action.ACTIVATE),))
    scenario.given("unrelated", by="org_Partner", to=OUTSIDER)
    return list(scenario.model.names())


def _read_times(scenario: Scenario, name: str, unchanged: Sequence[str]) -> None:
    connection = scenario.model.connection(name)
    check = scenario.model.read(
        name,
        by=str(connection.source_organization_id),
        members=(),
        requirements=("CXN-PERM-005", "CXN-ISOL-001") if unchanged else (),
        unchanged=unchanged,
    )
    scenario.add(as_step(check))
