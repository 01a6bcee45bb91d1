"""The exploration: it finds faults and only faults, reports the cells it missed, and stops."""

from collections.abc import Callable
from itertools import count

import pytest
from faults import FAULTS, TableSystem, right_table

from connect_core import Action, decision_table
from connect_core.conformance import (
    Answer,
    BrokenSystemError,
    Exploration,
    Outcome,
    Profile,
    ReferenceSystem,
    Result,
    System,
    explore,
)
from connect_core.conformance.profile import Answers
from connect_core.conformance.trace import ORGANIZATIONS

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
    found = explore(ReferenceSystem, examples=1, steps=2, seed=1)
    assert found.result is Result.COULD_NOT_TEST
    assert "inactive/reactivate/source" in found.unvisited
    assert f"did not reach {len(found.unvisited)} cells of the matrix" in found.sentence()
    assert found.describe().splitlines()[1:] == list(found.unvisited)


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
            assert call["source"] in (None, call["by"])
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
            origin = call["source"] or call["by"]
            if origin == call["destination"] == call["by"] and answer != "on-request":
                if answer == "never":
                    return Answer(Outcome.SELF_CONNECTION)
                call["allow_self"] = True
            return super().create(**call)  # type: ignore[arg-type]

    found = small(Ours)
    assert found.finding is None, found.describe()
    assert answer != "never" or not [each for each in found.unvisited if "+" in each]
    chosen = Profile(answers={"CXN-OPEN-005": answer})
    assert small(Ours, chosen).finding is None
    other = "never" if answer == "always" else "always"
    wrong = small(Ours, Profile(answers={"CXN-OPEN-005": other}))
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
    assert found.sentence().endswith("the same story does not end the same way twice")
    assert found.finding is not None
    assert found.finding.observed.startswith("stale")


def test_a_system_without_a_claimed_capability() -> None:
    class Unable(ReferenceSystem):
        def act(self, **call: object) -> Answer:
            answer = super().act(**call)  # type: ignore[arg-type]
            return Answer(Outcome.UNSUPPORTED) if call["expected_version"] else answer

    found = small(Unable)
    assert found.result is Result.COULD_NOT_TEST
    assert found.finding is not None
    assert "this is not supported" in found.finding.reason
    assert set(found.finding.vector.needs) == {"versions", "expected-version"}


def test_a_system_that_lets_others_create() -> None:
    """The counterexample needs a named source, and says so."""

    class Generous(ReferenceSystem):
        def create(self, **call: object) -> Answer:
            return super().create(**{**call, "by": call["source"] or call["by"]})  # type: ignore[arg-type]

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

    with pytest.raises(BrokenSystemError, match="which is not an Answer"):
        small(Broken)
    assert len(calls) == 1


def test_a_read_that_fails_as_a_whole() -> None:
    """An outsider sees a Connection: no single member of the state is wrong."""

    class Open(ReferenceSystem):
        def read(self, *, by: str, connection: str) -> Answer:
            source = self._connections[connection].source_organization_id
            destination = self._connections[connection].destination_organization_id
            outside = by not in (source, destination)
            return super().read(by=str(source) if outside else by, connection=connection)

    found = small(Open)
    assert found.finding is not None
    assert found.finding.blamed == ("CXN-PERM-003",)
    assert "Expected: not-found or not-a-party" in found.finding.describe()


def test_the_organizations() -> None:
    """Two ids differ by case alone, and there are enough organizations for every cell."""
    assert len({each.lower() for each in ORGANIZATIONS}) == len(ORGANIZATIONS) - 1
    assert len(decision_table()) == 4 + 3 * 4 * len(Action)
