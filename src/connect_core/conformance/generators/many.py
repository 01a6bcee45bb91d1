"""Generators of vectors about many: Connections, changes of one, and partners of a party."""

from collections.abc import Iterator
from itertools import permutations
from typing import Final

from connect_core.conformance.model import Move
from connect_core.conformance.scenario import (
    DESTINATION,
    OUTSIDER,
    PARTIES,
    READ,
    ROUTES,
    SCOPES,
    SOURCE,
    V1_1,
    Scenario,
    Walk,
)
from connect_core.conformance.vectors import Vector
from connect_core.lifecycle import Action

#: How many Connections an organization has in these vectors.
_MANY: Final = 40
#: How often a Connection is activated, deactivated and reactivated, so that its version needs more
#: than a byte.
_ROUNDS: Final = 100
#: The changes after which everything is looked at: around powers of two and round numbers.
_AUDITED: Final = frozenset(
    {*range(1, 22), 31, 32, 33, 34, 49, 50, 51, 52, 63, 64, 65, 99, 100, 101, 102}
    | {126, 127, 128, 129, 130, 199, 200, 201, 254, 255, 256, 257, 258, 259, 300}
)
_ACTIVATE: Final = (DESTINATION, Action.ACTIVATE)
_REACTIVATE: Final = (SOURCE, Action.REACTIVATE)


def many() -> Iterator[Vector]:
    """Many Connections of one source, of one destination, and between a few organizations."""
    partners = [f"org_Partner{number:02}" for number in range(_MANY)]
    seven = [f"org_{name}" for name in ("Ant", "Bee", "Cat", "Dog", "Elk", "Fox", "Gnu")]
    for name, pairs in (
        ("destinations", [(SOURCE, each) for each in partners]),
        ("sources", [(each, DESTINATION) for each in partners]),
        ("everybody", list(permutations(seven, 2))),
    ):
        scenario = Scenario(f"many/{name}", f"many Connections: {name}", since=V1_1)
        for number, (by, to) in enumerate(pairs):
            step = scenario.model.create(
                str(number),
                by=by,
                destination=to,
                called=f"Partner {number}",
                scopes=(READ, f"kind{number}.read"),
            )
            scenario.add(step, "CXN-LIFE-012", "CXN-ISOL-001")
        for number, (_, to) in enumerate(pairs):
            if number % 2:
                scenario.take(to, Action.ACTIVATE, str(number), "CXN-ISOL-001")
        for number, (by, _) in enumerate(pairs):
            if number % 3 == 0:
                scenario.take(by, Action.DEACTIVATE, str(number), "CXN-ISOL-001")
        for number, (by, to) in enumerate(pairs):
            connection = str(number)
            scenario.look(connection, tests=("CXN-ISOL-001",))
            for scope in (f"kind{number}.read", f"kind{(number + 1) % len(pairs)}.read"):
                share = scenario.model.share(connection, by=to, scope=scope)
                scenario.add(share, "CXN-ISOL-001")
            scenario.add(scenario.model.create(connection, by=by, destination=to))
        yield scenario.vector()


def depth() -> Iterator[Vector]:
    """A Connection that changes three hundred times."""
    scenario = Scenario("depth/rounds", "three hundred changes, all read and tried", since=V1_1)
    scenario.given(scopes=(*SCOPES, "case.read"))
    for number, (by, action) in enumerate(_long_walk(), 1):
        scenario.take(by, action, "main", "CXN-LIFE-012")
        if number in _AUDITED:
            scenario.look("main", tests=("CXN-LIFE-012", "CXN-PERM-001", "CXN-SCOP-006"))
            for scope in (READ, "case.read", "other.read"):
                scenario.add(scenario.model.share("main", by=DESTINATION, scope=scope))
            for move in scenario.model.moves(PARTIES, legal=False):
                scenario.add(scenario.model.act(move))
            scenario.refused_all(OUTSIDER)
            again = scenario.model.create("main", by=SOURCE, destination=DESTINATION)
            scenario.add(again)
        else:
            scenario.add(scenario.model.share("main", by=DESTINATION, scope=READ))
    scenario.look("main", tests=("CXN-PERM-001", "CXN-SCOP-006"))
    yield scenario.vector()

    scenario = Scenario(
        "depth/versions", "three hundred changes, with versions", "versions", since=V1_1
    )
    scenario.given()
    for number, (by, action) in enumerate(_long_walk(), 1):
        scenario.take(by, action)
        if number in _AUDITED:
            scenario.look("main", "status", "version", tests=("CXN-VERS-002",))
    yield scenario.vector()

    scenario = Scenario(
        "depth/expected-version",
        "three hundred changes, with expected versions",
        *("versions", "expected-version"),
        since=V1_1,
    )
    scenario.given()
    for number, (by, action) in enumerate(_long_walk(), 1):
        version = scenario.model.connection("main").version
        others = {1, 2, version - 256, version - 128, version - 100, version - 64, version - 10}
        others |= {version - 3, version - 1, version + 1, version + 3, version + 256}
        if number in _AUDITED:
            for other in sorted(each for each in others if each >= 1 and each != version):
                scenario.take(by, action, expected=other)
        scenario.take(by, action, expected=version)
    yield scenario.vector()

    scenario = Scenario(
        "depth/history",
        "three hundred changes, with the history",
        *("versions", "history"),
        since=V1_1,
    )
    scenario.given()
    for number, (by, action) in enumerate(_long_walk(), 1):
        scenario.take(by, action)
        if number in (10, 12, 13, 16, 20, 21, 33, 50, 65, 101, 129, 257, 300):
            scenario.look("main", "events", tests=("CXN-HIST-001",))
    yield scenario.vector()


def _long_walk() -> Walk:
    """Rounds of activating, deactivating and reactivating; the parties deactivate by turns."""
    return tuple(
        step
        for number in range(_ROUNDS)
        for step in (_ACTIVATE, (PARTIES[number // 2 % 2], Action.DEACTIVATE), _REACTIVATE)
    )


def partners() -> Iterator[Vector]:
    """An organization that is not a party, but has Connections with those that are."""
    third = "org_Third"
    for name, pairs in (
        ("destination-of-the-source", ((SOURCE, third),)),
        ("source-of-the-source", ((third, SOURCE),)),
        ("destination-of-the-destination", ((DESTINATION, third),)),
        ("source-of-the-destination", ((third, DESTINATION),)),
        ("all-of-these", tuple(permutations((SOURCE, DESTINATION, third), 2))),
    ):
        scenario = Scenario(
            f"partners/{name}", f"what a third party that is {name} may do: nothing", since=V1_1
        )
        scenario.given(scopes=(READ, "case.read"))
        others = [pair for pair in pairs if pair != PARTIES]
        for by, to in others:
            walk = ((to, Action.ACTIVATE),)
            scenario.given(f"{by}-{to}", by=by, to=to, walk=walk, scopes=(READ, "own.read"))
        for move in (None, *ROUTES["active-again"]):
            if move is not None:
                scenario.prepare(scenario.model.act(Move("main", *move)))
            scenario.refused_all(third, "main", "CXN-ISOL-003")
            for scope in ("own.read", "other.read"):
                scenario.add(scenario.model.share("main", by=third, scope=scope), "CXN-ISOL-003")
            for by in PARTIES:
                scenario.add(scenario.model.share("main", by=by, scope="own.read"))
        for by, to in others:
            scenario.look(f"{by}-{to}", tests=("CXN-ISOL-001",))
            scenario.add(scenario.model.share(f"{by}-{to}", by=to, scope="own.read"))
            for who, action in ((by, Action.DEACTIVATE), (by, Action.REACTIVATE)):
                scenario.take(who, action, f"{by}-{to}")
                scenario.refused_all(third, "main", "CXN-ISOL-003")
        scenario.look("main", tests=("CXN-ISOL-003",))
        yield scenario.vector()
    scenario = Scenario(
        "partners/creates",
        "a partner of both creates a Connection between them",
        "named-source",
        since=V1_1,
    )
    scenario.given("one", by=SOURCE, to=third, walk=((third, Action.ACTIVATE),))
    scenario.given("other", by=third, to=DESTINATION, walk=_DESTINATION_ACTIVATES)
    attempt = scenario.model.create("main", by=third, source=SOURCE, destination=DESTINATION)
    scenario.add(attempt, "CXN-ISOL-003")
    scenario.add(scenario.model.create("main", by=SOURCE, destination=DESTINATION))
    scenario.add(attempt, "CXN-ISOL-003")
    scenario.look("main", tests=("CXN-ISOL-003",))
    yield scenario.vector()
    scenario = Scenario(
        "partners/creates-the-reverse",
        "a source creates the Connection to itself in the name of its destination",
        "named-source",
        since=V1_1,
    )
    scenario.given("reverse", by=DESTINATION, to=SOURCE)
    for taken in (None, Action.ACTIVATE, Action.DEACTIVATE):
        if taken is not None:
            scenario.take(SOURCE, taken, "reverse")
        attempt = scenario.model.create(
            "main", by=DESTINATION, source=SOURCE, destination=DESTINATION
        )
        scenario.add(attempt, "CXN-ISOL-002")
    scenario.add(scenario.model.create("main", by=SOURCE, destination=DESTINATION), "CXN-REFU-001")
    yield scenario.vector()


_DESTINATION_ACTIVATES: Final[Walk] = (_ACTIVATE,)
