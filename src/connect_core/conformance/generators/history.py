"""Generators of vectors about optional capabilities: versions, histories and times."""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Final

from connect_core.conformance.model import Move
from connect_core.conformance.scenario import (
    DESTINATION,
    EVERYBODY,
    OUTSIDER,
    READ,
    ROUTES,
    SCOPES,
    SOURCE,
    V1_1,
    WORDS,
    Scenario,
    Walk,
    as_step,
    describe,
    moves_after,
    walk_id,
    walks,
)
from connect_core.conformance.subject import Outcome
from connect_core.conformance.vectors import (
    CREATED_PLACE,
    NOW_PLACE,
    TIME_PLACE,
    Alternative,
    AnyStep,
    Check,
    ReadStep,
    Vector,
)
from connect_core.lifecycle import Action


def versions() -> Iterator[Vector]:
    """The version after every change and every refusal."""
    scenario = Scenario(
        "versions/second-create", "the version after second creations", "versions", since=V1_1
    )
    yield _second_creations(scenario, "version", "CXN-VERS-003")
    for steps in walks(4):
        scenario = Scenario(
            f"versions/{walk_id(steps)}", f"versions: {describe(steps)}", "versions"
        )
        _read_after_each(
            scenario, steps, "version", ("CXN-VERS-001", "CXN-VERS-002", "CXN-VERS-003")
        )
        yield scenario.vector()


def _second_creations(scenario: Scenario, member: str, tests: str) -> Vector:
    """A vector of second creations, after each of which a member of the state is read."""
    scenario.given()
    for by, action in ((DESTINATION, Action.ACTIVATE), (SOURCE, Action.DEACTIVATE)):
        for called in ("Partner", "Another"):
            again = scenario.model.create(
                "main", by=SOURCE, destination=DESTINATION, called=called, scopes=SCOPES
            )
            scenario.add(again)
            scenario.look("main", member, tests=(tests,))
        scenario.take(by, action)
    return scenario.vector()


def history() -> Iterator[Vector]:
    """The events after every change and every refusal."""
    scenario = Scenario(
        "history/second-create",
        "the history after second creations",
        "versions",
        "history",
        since=V1_1,
    )
    yield _second_creations(scenario, "events", "CXN-HIST-002")
    scenario = Scenario(
        "history/stale",
        "the history after attempts that expect another version",
        *("versions", "history", "expected-version"),
        since=V1_1,
    )
    scenario.given()
    for by, action in ((DESTINATION, Action.ACTIVATE), (SOURCE, Action.DEACTIVATE)):
        version = scenario.model.connection("main").version
        for who, expected in product(EVERYBODY, (version + 1, version + 2**33)):
            scenario.take(who, action, expected=expected)
        scenario.look("main", "events", tests=("CXN-HIST-002",))
        scenario.take(by, action, expected=version)
    scenario.look("main", "events", tests=("CXN-HIST-001",))
    yield scenario.vector()
    for steps in walks(3):
        scenario = Scenario(
            f"history/{walk_id(steps)}", f"history: {describe(steps)}", "versions", "history"
        )
        _read_after_each(
            scenario, steps, "events", ("CXN-HIST-001", "CXN-HIST-001", "CXN-HIST-002")
        )
        yield scenario.vector()


def _read_after_each(
    scenario: Scenario, steps: Walk, member: str, tests: tuple[str, str, str]
) -> None:
    """Add a walk, with all refused calls before each step and at the end.

    A member of the state is read after each call.

    Args:
        scenario: the scenario to add to.
        steps: the walk.
        member: the member of the state that is read.
        tests: the requirements that the read tests after the creation, a change and a refusal.
    """
    created, changed, refused = tests
    step: AnyStep = scenario.model.create("main", by=SOURCE, destination=DESTINATION, scopes=SCOPES)
    _add_and_read(scenario, step, member, created)
    for by, action in steps:
        _add_all_refused(scenario, member, refused)
        _add_and_read(scenario, scenario.model.act(Move("main", by, action)), member, changed)
    _add_all_refused(scenario, member, refused)


def _add_all_refused(scenario: Scenario, member: str, tests: str) -> None:
    for move in scenario.model.moves(EVERYBODY, legal=False):
        _add_and_read(scenario, scenario.model.act(move), member, tests)


def _add_and_read(scenario: Scenario, step: AnyStep, member: str, tests: str) -> None:
    after = scenario.model.copy()
    after.follow(step, step.accept[0])
    then = after.read("main", by=DESTINATION, members=(member,), requirements=(tests,))
    scenario.add(step, then=[then])


def times() -> Iterator[Vector]:
    """The times of creation and of the last change, after every change and every refusal."""
    for steps in walks(3):
        scenario = Scenario(f"times/{walk_id(steps)}", f"times: {describe(steps)}", "times")
        scenario.given()
        times_of: dict[str, object] = {"created_at": TIME_PLACE, "updated_at": TIME_PLACE}
        due = Alternative(outcome=Outcome.OK, state=times_of)
        scenario.add(
            ReadStep(by=SOURCE, connection="main", requirements=("CXN-PERM-004",), accept=(due,))
        )
        for by, action in steps:
            for move in scenario.model.moves(EVERYBODY, legal=False):
                scenario.add(
                    scenario.model.act(move),
                    then=[_unchanged(scenario, ("created_at", "updated_at"), "CXN-PERM-005")],
                )
            step = scenario.model.act(Move("main", by, action))
            later = scenario.model.copy()
            later.follow(step, step.accept[0])
            moved = later.read(
                "main",
                by=SOURCE,
                members=(),
                requirements=("CXN-PERM-005",),
                not_before=("updated_at",),
            )
            scenario.add(step, then=[_unchanged(scenario, ("created_at",), "CXN-PERM-004"), moved])
        yield scenario.vector()

    scenario = Scenario("times/read", "reading moves no time", "times", since=V1_1)
    scenario.given(walk=ROUTES["active"])
    times = ("created_at", "updated_at")
    tests = ("CXN-SHAR-006", "CXN-PERM-005")
    scenario.add(_unchanged_step(scenario, (), ()))
    for by in EVERYBODY:
        for scope in (READ, "other.read"):
            scenario.add(scenario.model.share("main", by=by, scope=scope), "CXN-SHAR-006")
            scenario.take(OUTSIDER, Action.ACTIVATE, pause=3)
            scenario.add(_unchanged_step(scenario, times, tests))
        scenario.add(as_step(scenario.model.read("main", by=by)), "CXN-SHAR-006")
        scenario.take(OUTSIDER, Action.ACTIVATE, pause=3)
        scenario.add(_unchanged_step(scenario, times, tests))
    yield scenario.vector()

    for capabilities in (("times",), ("times", "versions", "expected-version")):
        yield _refused_times(capabilities)
    yield from _real_times()


def _refused_times(needs: Sequence[str]) -> Vector:
    """Second creations, and what else the capabilities permit, are refused."""
    scenario = Scenario(f"times/refused/{needs[-1]}", "refusals move no time", *needs, since=V1_1)
    scenario.given(walk=ROUTES["active"])
    times, tests = ("created_at", "updated_at"), ("CXN-PERM-005",)
    for terms in (("Partner", SCOPES), (None, None), ("Another", ("case.read",))):
        scenario.add(_unchanged_step(scenario, (), ()))
        called, named = terms
        again = scenario.model.create(
            "main", by=SOURCE, destination=DESTINATION, called=called, scopes=named
        )
        scenario.add(again)
        scenario.take(OUTSIDER, Action.ACTIVATE, pause=3)
        if "expected-version" in needs:
            for by in EVERYBODY:
                scenario.take(by, Action.DEACTIVATE, expected=1, pause=2)
        scenario.add(_unchanged_step(scenario, times, tests))
    return scenario.vector()


def _real_times() -> Iterator[Vector]:
    """Times that are real, and move."""
    walks_of: dict[str, Walk] = {
        "source": (
            (DESTINATION, Action.ACTIVATE),
            (SOURCE, Action.DEACTIVATE),
            (SOURCE, Action.REACTIVATE),
        ),
        "destination": ((DESTINATION, Action.DEACTIVATE),),
    }
    for who, steps in walks_of.items():
        yield _real_times_of(who, steps)


def _real_times_of(who: str, steps: Walk) -> Vector:
    title = f"times are real, and move where the {who} deactivates"
    scenario = Scenario(f"times/real/{who}", title, "times", since=V1_1)
    created = scenario.model.create("main", by=SOURCE, destination=DESTINATION, scopes=SCOPES)
    scenario.add(created, "CXN-TIME-001", "CXN-TIME-002")
    for by in (SOURCE, DESTINATION):
        first: dict[str, object] = {"created_at": NOW_PLACE, "updated_at": CREATED_PLACE}
        scenario.add(_times_are(by, first, "CXN-TIME-001", "CXN-TIME-002"))
    for by, action in steps:
        scenario.take(by, action, pause=_PAUSE)
        for reader in (SOURCE, DESTINATION):
            check = scenario.model.read(
                "main",
                by=reader,
                members=(),
                requirements=("CXN-TIME-003", "CXN-PERM-004"),
                unchanged=("created_at",),
                later=("updated_at",) if reader == SOURCE else (),
            )
            scenario.add(as_step(check))
            scenario.add(_times_are(reader, {"updated_at": NOW_PLACE}, "CXN-TIME-002"))
    return scenario.vector()


#: How long a vector waits for the time to move, in milliseconds.
_PAUSE: Final = 100


def _unchanged_step(scenario: Scenario, unchanged: Sequence[str], tests: Sequence[str]) -> ReadStep:
    check = scenario.model.read(
        "main", by=SOURCE, members=(), requirements=tests, unchanged=unchanged
    )
    return as_step(check)


def _times_are(by: str, times: dict[str, object], *tests: str) -> ReadStep:
    """A read of the times."""
    due = Alternative(outcome=Outcome.OK, state=times)
    return ReadStep(by=by, connection="main", requirements=tests, accept=(due,))


def _unchanged(scenario: Scenario, unchanged: Sequence[str], requirement: str) -> Check:
    return scenario.model.read(
        "main", by=SOURCE, members=(), requirements=(requirement,), unchanged=unchanged
    )


def expected_version() -> Iterator[Vector]:
    """Expected versions: the current one, all earlier ones, and the next one."""
    needs = ("versions", "expected-version")
    for route, steps in ROUTES.items():
        for by, action in moves_after(steps):
            about = f"{action}-{WORDS[by]}"
            scenario = Scenario(
                f"expected-version/{route}/{about}",
                f"{about} with versions expected, {route}",
                *needs,
            )
            scenario.given(walk=steps)
            version = scenario.model.connection("main").version
            for stale in (*range(1, version), version + 1):
                _act_expecting(scenario, Move("main", by, action), stale)
            _act_expecting(scenario, Move("main", by, action), version)
            yield scenario.vector()
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
        scenario = Scenario(
            f"expected-version/{name}", f"another version is expected: {name}", *needs
        )
        scenario.given(walk=ROUTES[route])
        _act_expecting(scenario, move, scenario.model.connection("main").version + 1)
        _act_expecting(scenario, move, scenario.model.connection("main").version)
        yield scenario.vector()

    scenario = Scenario(
        "expected-version/big", "versions that no Connection has", *needs, since=V1_1
    )
    scenario.given(walk=ROUTES["pending-again"])
    version = scenario.model.connection("main").version
    for offset in _BIG:
        for by in EVERYBODY:
            scenario.take(by, Action.ACTIVATE, expected=version + offset)
    for offset in _BIG:
        scenario.take(SOURCE, Action.DEACTIVATE, expected=version + offset)
    scenario.look("main", "status", "version", tests=("CXN-VERS-003",))
    scenario.take(DESTINATION, Action.ACTIVATE, expected=version)
    yield scenario.vector()
    for route, steps in ROUTES.items():
        scenario = Scenario(
            f"expected-version/who-minds/{route}",
            f"everybody tries everything, expecting another version, {route}",
            *needs,
            since=V1_1,
        )
        scenario.given(walk=steps)
        version = scenario.model.connection("main").version
        for other in dict.fromkeys(each for each in (1, version - 1, version + 1, 10) if each):
            for by, action in product(EVERYBODY, Action):
                if action is not Action.CREATE and other != version:
                    scenario.take(by, action, expected=other)
        for move in scenario.model.moves(EVERYBODY, legal=False):
            scenario.take(move.by, move.action, expected=version)
        scenario.look("main", "status", "version", tests=("CXN-VERS-003",))
        yield scenario.vector()


#: How far from the version an expected version is that no Connection has.
_BIG: Final = (
    *(10, 2**7, 2**8, 2**15, 2**16, 2**24, 2**31 - 10, 2**31, 2**32, 2**32 + 2**8),
    *(2**53, 2**63, 2**64, 10**20),
)


def _act_expecting(scenario: Scenario, move: Move, version: int) -> None:
    step = scenario.model.act(move, version)
    scenario.add(step, then=scenario.read_backs_after(step)[:1])
