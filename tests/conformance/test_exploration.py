"""The exploration: it finds faults and only faults, reports the cells it missed, and stops."""

import math
from collections.abc import Callable
from itertools import count
from types import SimpleNamespace

import pytest
from faults import FAULTS, TableSystem, right_table
from subjects import CannotReactivate, CannotShare, ShowsNoScopes, Watched

from connect_core.conformance import (
    Answer,
    Exploration,
    Outcome,
    PeerError,
    Profile,
    ReferenceSystem,
    Result,
    System,
    Verdict,
    explore,
    run,
    trace,
)
from connect_core.conformance.profile import Answers
from connect_core.conformance.random_run import RandomRun
from connect_core.conformance.shrinking import NOT_REPRODUCIBLE

STRESS = pytest.mark.stress


def small(
    make_system: Callable[[], System],
    profile: Profile | None = None,
    *,
    seed: int = 1,
    answers: Answers | None = None,
) -> Exploration:
    """An exploration large enough to find a fault, and too small to visit every cell."""
    return explore(make_system, profile, examples=30, steps=30, seed=seed, answers=answers)


@STRESS
def test_it_finds_nothing_in_the_reference_and_visits_every_cell() -> None:
    found = explore(ReferenceSystem, examples=60, steps=50, seed=2)
    assert (found.result, found.unvisited, found.finding) == (Result.PASS, (), None)
    assert found.sentence() == "exploration 60x50 (seed 2) found nothing"


def test_each_exploration_has_a_seed_of_its_own() -> None:
    first = explore(ReferenceSystem, examples=1, steps=1)
    second = explore(ReferenceSystem, examples=1, steps=1)
    assert first.seed != second.seed


def test_a_seed_gives_the_same_runs() -> None:
    findings = [small(FAULTS["RefusalMutates"], seed=3).finding for _ in range(2)]
    assert findings[0] is not None
    assert findings[1] is not None
    assert findings[0].vector == findings[1].vector


def test_an_exploration_that_is_too_small_does_not_pass() -> None:
    """It says nothing against the system either."""
    found = explore(ReferenceSystem, examples=1, steps=2, seed=1)
    assert found.result is Result.COULD_NOT_TEST
    assert "inactive/deactivate/outsider" in found.unvisited
    assert found.sentence().startswith("exploration 1x2 (seed 1) is too small to say anything: it")
    assert f"did not reach {len(found.unvisited)} cells of the matrix" in found.sentence()
    assert found.describe().splitlines()[1:] == list(found.unvisited)


@pytest.mark.parametrize("system", [CannotShare, ShowsNoScopes])
def test_what_the_transport_cannot_do_is_left_out(system: type[ReferenceSystem]) -> None:
    found = small(system)
    assert found.finding is None
    assert found.runs == 30


def test_a_transport_that_cannot_create_anything() -> None:
    """There is nothing to explore. That is no fault."""

    class Mute(ReferenceSystem):
        def create(self, **_: object) -> Answer:
            return Answer(Outcome.UNSUPPORTED, reason="Nobody creates here.")

    found = small(Mute)
    assert found.result is Result.COULD_NOT_TEST
    assert found.finding is None
    assert found.runs == 30


def test_a_cell_that_the_transport_cannot_reach_does_not_count() -> None:
    """Nothing is wrong, but not all was tried."""
    found = small(CannotReactivate)
    assert found.result is Result.COULD_NOT_TEST
    assert found.finding is None
    assert "inactive/reactivate/source" in found.unvisited
    assert "pending/activate/destination" not in found.unvisited


def test_a_fault_beside_what_is_left_out_is_found() -> None:
    class Faulty(CannotShare):
        """Nobody can deactivate."""

        def act(
            self, *, by: str, connection: str, action: str, expected_version: int | None = None
        ) -> Answer:
            if action == "deactivate":
                return Answer(Outcome.STALE)
            return super().act(
                by=by, connection=connection, action=action, expected_version=expected_version
            )

    found = small(Faulty)
    assert found.result is Result.FAIL
    assert found.finding is not None
    assert len(found.finding.vector.steps) == 2


@pytest.mark.parametrize(("examples", "steps"), [(0, 1), (1, 0), (-1, 5)])
def test_invalid_sizes(examples: int, steps: int) -> None:
    with pytest.raises(ValueError, match=f"at least 1x1, not {examples}x{steps}"):
        explore(ReferenceSystem, examples=examples, steps=steps)


def test_only_claimed_capabilities_are_used() -> None:
    """A table has no versions, histories or times, and does not accept a named source."""

    class Plain(TableSystem):
        def __init__(self) -> None:
            super().__init__(right_table())

        def create(self, **call: object) -> Answer:
            assert call.get("source") in (None, call["by"])
            return super().create(**call)  # type: ignore[arg-type]

    found = small(Plain, Profile(claims=()))
    assert found.finding is None, found.describe()
    creations = {each for each in found.unvisited if "create" in each}
    assert not {each for each in creations if each.endswith(("outsider", "/destination"))}


@pytest.mark.parametrize(
    "answer", ["never", *(pytest.param(each, marks=STRESS) for each in ("always", "on-request"))]
)
def test_answers_are_followed(answer: str) -> None:
    """A system that never makes self-connections need not visit the cells about them."""

    class Ours(ReferenceSystem):
        def create(self, **call: object) -> Answer:
            origin = call.get("source") or call["by"]
            if origin == call.get("destination") == call["by"] and answer != "on-request":
                if answer == "never":
                    return Answer(Outcome.SELF_CONNECTION)
                call["allow_self"] = True
            return super().create(**call)  # type: ignore[arg-type]

    claims = ("named-source", "versions", "times")  # a document does not ask for one
    found = small(Ours, Profile(claims=claims))
    assert found.finding is None, found.describe()
    assert answer != "never" or not [each for each in found.unvisited if "+" in each]
    chosen = Profile(claims=claims, answers={"CXN-OPEN-005": answer})
    assert small(Ours, chosen).finding is None
    other = "never" if answer == "always" else "always"
    declared = Profile(claims=claims, answers={"CXN-OPEN-005": other})
    wrong = explore(Ours, declared, examples=100, steps=50, seed=1)
    assert wrong.result is Result.FAIL


def test_known_answers_are_required_and_not_changed() -> None:
    known = Answers({"CXN-OPEN-002": "refused"})
    before = known.left()
    assert small(ReferenceSystem, answers=known).result is Result.FAIL
    assert known.left() == before


def test_a_system_that_raises() -> None:
    class Raises(ReferenceSystem):
        def act(self, **call: object) -> Answer:
            if call["action"] == "reactivate":
                raise ZeroDivisionError
            return super().act(**call)  # type: ignore[arg-type]

    found = small(Raises)
    assert found.result is Result.ERROR
    assert found.finding is not None
    assert "ZeroDivisionError" in found.finding.reason
    assert len(found.finding.vector.steps) == 2
    assert found.sentence().endswith("found an error")


def test_a_close_that_raises() -> None:
    class Sticky(ReferenceSystem):
        def close(self) -> None:
            raise OSError("still busy")

    found = small(Sticky)
    assert found.result is Result.ERROR
    assert found.finding is not None
    assert "OSError: still busy" in found.finding.reason


def test_a_system_that_is_not_the_same_twice() -> None:
    """A fault that occurs only once cannot be reproduced."""
    calls = count()

    class Moody(ReferenceSystem):
        def share(self, **call: object) -> Answer:
            if next(calls) == 20:
                return Answer(Outcome.STALE)
            return super().share(**call)  # type: ignore[arg-type]

    found = small(Moody)
    assert found.result is Result.ERROR
    assert found.sentence().endswith(f"found an error: {NOT_REPRODUCIBLE}")
    assert found.finding is not None
    assert found.finding.observed.startswith("stale")


def test_a_system_that_answers_an_open_point_in_different_ways() -> None:
    """Each answer is permitted, but not both of them. It does not only end early."""
    made = count()

    class Moody(ReferenceSystem):
        def __init__(self) -> None:
            super().__init__()
            self.never = next(made) % 2 == 1

        def create(self, **call: object) -> Answer:
            if (call.get("source") or call["by"]) == call.get("destination") and self.never:
                return Answer(Outcome.SELF_CONNECTION)
            return super().create(**call)  # type: ignore[arg-type]

    found = small(Moody)
    assert found.runs < 30
    assert found.result in (Result.FAIL, Result.ERROR)  # the next one may answer as the first
    assert found.finding is None or "CXN-OPEN-005" in found.finding.observed


def test_answers_that_differ_from_run_to_run() -> None:
    """No run is wrong alone. The story needs what was answered before, and says so."""

    class Sized(ReferenceSystem):
        """Large worlds are open, small ones are not."""

        def share(self, **call: object) -> Answer:
            answer = super().share(**call)  # type: ignore[arg-type]
            large = len(self._connections) > 5
            known = call["connection"] in self._connections
            if answer.outcome is Outcome.NOT_FOUND and large and known:
                return Answer(Outcome.NOT_A_PARTY, http=403)
            return answer

    found = explore(Sized, Profile(claims=()), seed=1)
    assert found.result is Result.FAIL
    assert found.finding is not None
    assert "CXN-OPEN-002 is answered by" in found.finding.observed


def test_answers_that_differ_from_run_to_run_but_not_again() -> None:
    made = count()

    class Moody(ReferenceSystem):
        def __init__(self) -> None:
            super().__init__()
            self.open = next(made) == 4

        def _told(self, answer: Answer, call: dict[str, object]) -> Answer:
            known = call["connection"] in self._connections
            if answer.outcome is Outcome.NOT_FOUND and self.open and known:
                return Answer(Outcome.NOT_A_PARTY, http=403)
            return answer

        def read(self, **call: object) -> Answer:
            return self._told(super().read(**call), call)  # type: ignore[arg-type]

        def share(self, **call: object) -> Answer:
            return self._told(super().share(**call), call)  # type: ignore[arg-type]

        def act(self, **call: object) -> Answer:
            return self._told(super().act(**call), call)  # type: ignore[arg-type]

    found = explore(Moody, seed=1)
    assert (found.result, found.finding, found.runs) == (Result.ERROR, None, 4)
    assert found.sentence().endswith(NOT_REPRODUCIBLE)


def test_a_system_without_a_claimed_capability() -> None:
    class Unable(ReferenceSystem):
        def act(self, **call: object) -> Answer:
            answer = super().act(**call)  # type: ignore[arg-type]
            return Answer(Outcome.UNSUPPORTED) if call.get("expected_version") else answer

    found = small(Unable)
    assert found.result is Result.COULD_NOT_TEST
    assert found.finding is not None
    assert "this is not supported" in found.finding.reason
    assert set(found.finding.vector.needs) == {"versions", "expected-version"}


def test_a_system_that_lets_others_create() -> None:
    """The counterexample needs a named source, and says so."""

    class Generous(ReferenceSystem):
        def create(self, **call: object) -> Answer:
            return super().create(**{**call, "by": call.get("source") or call["by"]})  # type: ignore[arg-type]

    found = small(Generous)
    assert found.finding is not None
    assert found.finding.vector.needs == ("named-source",)
    assert found.finding.blamed in {("CXN-CREA-003",), ("CXN-CREA-004",)}


def test_a_value_that_is_not_an_answer_ends_the_exploration() -> None:
    calls: list[object] = []

    class Broken(ReferenceSystem):
        def share(self, **call: object) -> Answer:
            calls.append(call)
            return None  # type: ignore[return-value]

    found = small(Broken)
    assert found.result is Result.BROKEN
    assert "which is not an Answer" in found.reason
    assert found.transcript
    assert found.describe().splitlines()[1:] == list(found.transcript)
    assert len(calls) == 1


def test_a_read_that_fails_as_a_whole() -> None:
    """An outsider sees a Connection: no single member of the state is wrong."""

    class Open(ReferenceSystem):
        def read(self, *, by: str, connection: str) -> Answer:
            if connection not in self._connections:
                return super().read(by=by, connection=connection)
            source = self._connections[connection].source_organization_id
            destination = self._connections[connection].destination_organization_id
            outside = by not in (source, destination)
            return super().read(by=str(source) if outside else by, connection=connection)

    found = small(Open)
    assert found.finding is not None
    assert found.finding.blamed == ("CXN-PERM-003",)
    assert "Expected: not-found or not-a-party" in found.finding.describe()


@pytest.mark.parametrize("organizations", [3, 4])
def test_the_number_of_organizations_is_limited(organizations: int) -> None:
    """A fixed number of keys is enough for so many runs."""
    seen: list[set[str]] = []

    class Counts(ReferenceSystem):
        def __init__(self) -> None:
            super().__init__()
            seen.append(set())

        def create(self, **call: object) -> Answer:
            if call.get("body") is None and len(str(call.get("destination"))) < 256:
                seen[-1] |= {str(call["by"]), str(call.get("destination"))}
            return super().create(**call)  # type: ignore[arg-type]

    found = explore(Counts, examples=20, steps=20, seed=1, organizations=organizations)
    assert found.finding is None
    assert max(map(len, seen)) == organizations


def test_too_few_organizations() -> None:
    with pytest.raises(ValueError, match="at least 3 organizations, not 2"):
        explore(ReferenceSystem, organizations=2)


def test_the_worlds_differ() -> None:
    """Long lives, many Connections, ids that are nearly the same, documents, big versions."""
    lives: list[int] = []
    worlds: list[int] = []
    organizations: set[str] = set()
    calls: list[str] = []

    class Watches(ReferenceSystem):
        def create(self, **call: object) -> Answer:
            organizations.add(str(call["by"]))
            calls.append("document" if call.get("body") is not None else "create")
            return super().create(**call)  # type: ignore[arg-type]

        def act(self, **call: object) -> Answer:
            expected = call.get("expected_version")
            calls.append("big" if isinstance(expected, int) and expected > 2**31 else "act")
            return super().act(**call)  # type: ignore[arg-type]

        def share(self, **call: object) -> Answer:
            calls.append("share")
            return super().share(**call)  # type: ignore[arg-type]

        def read(self, **call: object) -> Answer:
            calls.append("read")
            return super().read(**call)  # type: ignore[arg-type]

        def close(self) -> None:
            lives.append(max(each.version for each in self._connections.values()))
            worlds.append(len(self._connections))

    assert explore(Watches, seed=1, examples=60).finding is None
    assert max(lives) > 256
    assert min(worlds) < 4
    assert max(worlds) > 25
    lower = [each.lower() for each in organizations]
    assert len(set(lower)) < len(lower)
    shares = {each: calls.count(each) / len(calls) for each in set(calls)}
    assert shares["share"] > 0.1
    assert shares["read"] < 0.3
    assert shares["document"] > 0.01
    assert shares["big"] > 0.002


# --- Time ----------------------------------------------------------------------------------------


class Clock:
    """A clock that only advances with the calls of a system, and what became of these.

    Args:
        seconds: how long each call takes.
    """

    def __init__(self, seconds: float = 1) -> None:
        self.seconds = seconds
        self.now = 0.0
        self.calls = 0
        self.open = 0

    def timed(self, make_system: Callable[[], System]) -> Callable[[], System]:
        """Make systems whose calls, except for the last, take time by this clock."""

        def make() -> System:
            self.open += 1
            return Watched(make_system(), self._count)

        return make

    def _count(self, verb: str) -> None:
        if verb == "close":
            self.open -= 1
        else:
            self.calls += 1
            self.now += self.seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(trace, "time", SimpleNamespace(monotonic=lambda: made.now))
    return made


def test_a_time_limit(clock: Clock) -> None:
    """No call begins after it, not even a read-back. Every system is closed."""
    found = explore(clock.timed(ReferenceSystem), examples=30, steps=30, seed=1, seconds=300)
    assert (clock.calls, clock.now, clock.open) == (300, 300, 0)
    assert found.result is Result.COULD_NOT_TEST
    assert (found.timed_out, found.seconds) == (True, 300)
    assert 0 < found.runs < 30
    assert found.sentence() == (
        f"exploration 30x30 (seed 1) is too small to say anything: it did not reach "
        f"{len(found.unvisited)} cells of the matrix in {found.runs} of 30 runs, all that 300 s "
        "allowed"
    )
    assert found.describe().splitlines()[1:] == list(found.unvisited)


def test_a_time_limit_before_the_first_run_has_ended(clock: Clock) -> None:
    """A single call is not interrupted, but no other follows."""
    clock.seconds = 100
    found = explore(clock.timed(ReferenceSystem), examples=30, steps=30, seed=1, seconds=0.5)
    assert (clock.calls, clock.open) == (1, 0)
    assert found.sentence().endswith(" in 0 of 30 runs, all that 0.5 s allowed")


@STRESS
def test_a_time_limit_after_every_cell_was_tried(clock: Clock) -> None:
    found = explore(clock.timed(ReferenceSystem), examples=9999, steps=50, seed=1, seconds=6000)
    assert (found.result, found.unvisited, found.timed_out) == (Result.PASS, (), True)
    assert found.sentence() == (
        f"exploration 9999x50 (seed 1) found nothing in {found.runs} of 9999 runs, "
        "all that 6000 s allowed"
    )


def test_a_time_limit_that_suffices(clock: Clock) -> None:
    """Nothing is said about it. The runs are the same as without."""
    limited = explore(clock.timed(ReferenceSystem), examples=3, steps=5, seed=1, seconds=10**6)
    calls = clock.calls
    found = explore(clock.timed(ReferenceSystem), examples=3, steps=5, seed=1)
    assert clock.calls == 2 * calls
    assert (limited.runs, limited.timed_out) == (found.runs, found.timed_out) == (3, False)
    assert limited.sentence() == found.sentence()


def late(clock: Clock, seconds: float) -> Callable[[], System]:
    """A system with a fault. From its first occurrence on, each call takes some seconds."""

    class Late(ReferenceSystem):
        def share(self, **_: object) -> Answer:
            clock.seconds = seconds
            return Answer(Outcome.STALE)

    clock.seconds = 0
    return clock.timed(Late)


def test_shrinking_has_a_time_limit_too(clock: Clock) -> None:
    """It takes as long as the runs at most. What it has by then is reported."""
    shortest = explore(late(clock, 1), examples=30, steps=30, seed=1)
    assert shortest.finding is not None
    less, clock.now = clock.now - 1, 0
    found = explore(late(clock, 1), examples=30, steps=30, seed=1, seconds=less)
    assert found.finding is not None
    assert less <= clock.now <= less + 1 + len(found.finding.vector.steps)  # it is run once more
    assert (found.result, found.timed_out, clock.open) == (Result.FAIL, False, 0)
    assert found.finding is not None
    assert found.finding.observed.startswith("stale")
    assert len(found.finding.vector.steps) >= len(shortest.finding.vector.steps)


def test_a_fault_that_there_is_no_time_to_repeat(clock: Clock) -> None:
    """It is reported as it was found."""
    found = explore(late(clock, 1000), examples=30, steps=30, seed=1, seconds=0.5)
    assert (found.result, found.timed_out, found.reason) == (Result.FAIL, False, "")
    assert found.finding is not None
    assert found.finding.observed.startswith("stale")
    assert run(late(clock, 0), among=[found.finding.vector]).exit_code == 1


@pytest.mark.parametrize("seconds", [0, -1, math.nan, math.inf, -math.inf])
def test_time_limits_that_are_wrong(seconds: float) -> None:
    with pytest.raises(ValueError, match="the seconds must be a number above 0, not "):
        explore(ReferenceSystem, seconds=seconds)


@pytest.mark.parametrize("seconds", ["20", True, [20]])
def test_time_limits_that_are_no_numbers(seconds: object) -> None:
    with pytest.raises(TypeError, match="the seconds must be a number, not "):
        explore(ReferenceSystem, seconds=seconds)  # type: ignore[arg-type]


def test_progress_is_reported() -> None:
    """After each step and each run, also if there is an exception at the time."""
    reported: list[int] = []
    try:
        raise KeyError
    except KeyError:
        found = explore(ReferenceSystem, examples=4, steps=5, seed=1, on_progress=reported.append)
    assert found.runs == 4
    assert reported == sorted(reported)
    assert set(reported) == {0, 1, 2, 3, 4}
    assert len(reported) > 4 + 4 * 5


# --- Ends ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", [KeyboardInterrupt, SystemExit, OSError])
def test_what_reports_progress_can_end_it(ending: type[BaseException]) -> None:
    """What it raises is no fault of the system, which is closed."""
    raised: list[int] = []
    clock = Clock()

    def on_progress(_: int) -> None:
        raised.append(1)
        raise ending

    with pytest.raises(ending):
        explore(clock.timed(ReferenceSystem), examples=3, steps=5, on_progress=on_progress)
    assert (len(raised), clock.open) == (1, 0)


def test_what_reports_progress_can_end_the_shrinking() -> None:
    found: list[int] = []

    class Wrong(ReferenceSystem):
        def share(self, **_: object) -> Answer:
            found.append(1)
            return Answer(Outcome.STALE)

    def on_progress(_: int) -> None:
        if len(found) > 2:
            raise OSError("no terminal")

    with pytest.raises(OSError, match="no terminal"):
        explore(Wrong, examples=30, steps=30, seed=1, on_progress=on_progress)


@pytest.mark.parametrize("verb", ["make_system", "create", "read", "close"])
@pytest.mark.parametrize("ending", [KeyboardInterrupt, SystemExit])
def test_a_signal_ends_it(verb: str, ending: type[BaseException]) -> None:
    """Hypothesis would take `SystemExit` for a fault, and go on."""
    calls: list[str] = []

    def before(called: str) -> None:
        calls.append(called)
        if calls.count(verb) == 3:
            raise ending(143)

    def make() -> System:
        before("make_system")
        return Watched(ReferenceSystem(), before)

    with pytest.raises(ending, match="143"):
        explore(make, examples=9, steps=9)
    assert calls.count(verb) == 3


def test_a_signal_between_calls_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    raised: list[int] = []

    def interrupted(*_: object, **__: object) -> None:
        raised.append(1)
        raise SystemExit(143)

    monkeypatch.setattr(RandomRun, "_create", interrupted)
    with pytest.raises(SystemExit, match="143"):
        explore(ReferenceSystem, examples=9, steps=9)
    assert raised == [1]


def test_a_system_that_cannot_be_reached_any_more() -> None:
    """Also if that is found when it is made. It is no verdict."""
    made: list[int] = []

    def make() -> System:
        made.append(1)
        raise PeerError("gone")

    found = explore(make, examples=9, steps=9)
    assert (found.result, found.reason, made) == (Result.BROKEN, "gone", [1])
    assert found.sentence().endswith("came to an end, as the protocol was broken: gone")
    made.clear()
    report = run(make)
    assert (report.verdict, report.exit_code, made) == (Verdict.BROKEN, 2, [1])
    assert [each.reason for each in report.results] == ["gone"]


def test_a_system_that_cannot_be_reached_when_it_is_closed() -> None:
    class Gone(ReferenceSystem):
        def close(self) -> None:
            raise PeerError("gone")

    assert explore(Gone).result is Result.BROKEN
    assert run(Gone).verdict is Verdict.BROKEN


def test_a_system_that_cannot_be_reached_while_a_fault_is_shrunk() -> None:
    """The fault is told as it was found."""
    wrong: list[int] = []

    class Dies(ReferenceSystem):
        def share(self, **_: object) -> Answer:
            if wrong:
                raise PeerError("gone")
            wrong.append(1)
            return Answer(Outcome.STALE)

    found = explore(Dies, seed=1)
    assert found.result is Result.FAIL
    assert found.finding is not None
    assert found.finding.observed.startswith("stale")


def test_every_system_is_closed_also_while_shrinking() -> None:
    """Otherwise one that serves every run would keep its Connections."""
    systems: list[System] = []
    calls: list[str] = []

    def before(verb: str) -> None:
        calls.append(verb)

    def make() -> System:
        if not systems or calls[-1] == "close":
            systems.append(FAULTS["SharesForEver"]())
        return Watched(systems[-1], before)

    found = explore(make, examples=60, steps=40, seed=1).finding
    alone = explore(FAULTS["SharesForEver"], examples=60, steps=40, seed=1).finding
    assert found is not None
    assert alone is not None
    assert found.vector == alone.vector
    assert calls.count("close") == len(systems)
