"""What is told of a fault: the shortest story, which fails again in a fresh world."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from faults import FAULTS
from serving import served

from connect_core.conformance import (
    Answer,
    Exploration,
    Outcome,
    Profile,
    ReferenceSystem,
    Result,
    StdioPeer,
    System,
    Vector,
    VectorResult,
    explore,
    run,
    shrinking,
)
from connect_core.conformance.profile import Answers
from connect_core.conformance.shrinking import NOT_REPRODUCIBLE
from connect_core.conformance.trace import Search, Trace
from connect_core.conformance.vectors import CreateStep
from connect_core.history import as_timestamp, format_timestamp

CREATED = "org_A creates main to org_B"
SOURCE_LEAVES = (CREATED, "org_A deactivates main")
DESTINATION_LEAVES = (CREATED, "org_B deactivates main")
OFFERED_AGAIN = "org_A reactivates main"

#: Faults whose shortest stories are known: each with all of them, and what is blamed.
STORIES: dict[str, tuple[set[tuple[str, ...]], set[str]]] = {
    "ActivatedOnlyOnce": (
        {
            (CREATED, "org_B activates main", leaves, OFFERED_AGAIN, "org_B activates main")
            for leaves in ("org_A deactivates main", "org_B deactivates main")
        },
        {"CXN-LIFE-001", "CXN-LIFE-010"},
    ),
    "ReactivatedOnlyOnce": (
        {
            (CREATED, first, OFFERED_AGAIN, second, OFFERED_AGAIN)
            for first in ("org_A deactivates main", "org_B deactivates main")
            for second in ("org_A deactivates main", "org_B deactivates main")
        },
        {"CXN-LIFE-007", "CXN-LIFE-010"},
    ),
    "WithdrawalIsFinal": (
        {(*SOURCE_LEAVES, OFFERED_AGAIN), (*DESTINATION_LEAVES, OFFERED_AGAIN)},
        {"CXN-LIFE-007"},
    ),
    "WhoeverLeftComesBack": ({(*DESTINATION_LEAVES, OFFERED_AGAIN)}, {"CXN-LIFE-007"}),
    "SourceAcceptsTheSecondTime": (
        {
            (*left, OFFERED_AGAIN, "org_A activates main")
            for left in (SOURCE_LEAVES, DESTINATION_LEAVES)
        },
        {"CXN-LIFE-002", "CXN-LIFE-010"},
    ),
    "ScopesAreLost": (
        {
            (*left, OFFERED_AGAIN, f"org_{who} looks at main")
            for left in (SOURCE_LEAVES, DESTINATION_LEAVES)
            for who in "AB"
        },
        {"CXN-SCOP-006"},
    ),
    "EventLost": (
        {(*DESTINATION_LEAVES, f"org_{who} looks at main") for who in "AB"},
        {"CXN-HIST-001"},
    ),
    "VersionNotRaised": (
        {
            (*left, OFFERED_AGAIN, f"org_{who} looks at main")
            for left in (SOURCE_LEAVES, DESTINATION_LEAVES)
            for who in "AB"
        },
        {"CXN-VERS-002"},
    ),
    "SecondAfterInactive": (
        {(*SOURCE_LEAVES, CREATED), (*DESTINATION_LEAVES, CREATED)},
        {"CXN-CREA-005"},
    ),
    "OneForAnUnorderedPair": ({(CREATED, "org_B creates second to org_A")}, {"CXN-CREA-001"}),
    "GoneWhenInactive": (
        {
            (*SOURCE_LEAVES, "org_B looks at main"),
            (*DESTINATION_LEAVES, "org_B looks at main"),
        },
        {"CXN-PERM-002"},
    ),
    "OutsidersLearnTheStatus": (
        {
            (*left, f"org_C {action} main")
            for left in (SOURCE_LEAVES, DESTINATION_LEAVES)
            for action in ("activates", "deactivates", "reactivates")
        },
        {"CXN-LIFE-011"},
    ),
}


def told(found: Exploration) -> tuple[tuple[str, ...], set[str]]:
    """The story, and the requirements that are blamed."""
    assert found.finding is not None, found.describe()
    assert found.result is Result.FAIL, found.describe()
    calls = tuple(each.call for each in found.finding.exchanges)
    return calls, set(found.finding.blamed)


@pytest.mark.parametrize("name", STORIES)
def test_the_story_is_the_fault(name: str) -> None:
    """It is one of the shortest that there are, and it blames what is violated."""
    story, blamed = told(explore(FAULTS[name], seed=1))
    assert (story in STORIES[name][0], blamed) == (True, STORIES[name][1]), story


@pytest.mark.parametrize("name", STORIES)
def test_over_the_line_protocol(name: str) -> None:
    """There, one process serves all runs, and what is left over would be taken for a fault."""
    with StdioPeer(served(name)) as peer:
        found = explore(lambda: peer, seed=2)
        story, blamed = told(found)
        assert (story in STORIES[name][0], blamed) == (True, STORIES[name][1]), story
        assert found.finding is not None
        again = run(lambda: peer, among=[found.finding.vector])
    assert again.counts() == {Result.FAIL: 1}
    assert run(ReferenceSystem, among=[found.finding.vector]).counts() == {Result.PASS: 1}


def test_no_call_follows_a_wrong_answer_in_the_same_world() -> None:
    """Every world is closed, also the one in which something was found."""
    calls: list[str] = []

    class Wrong(ReferenceSystem):
        def share(self, **_: object) -> Answer:
            calls.append("wrong")
            return Answer(Outcome.STALE)

        def create(self, **call: object) -> Answer:
            calls.append("create")
            return super().create(**call)  # type: ignore[arg-type]

        def close(self) -> None:
            calls.append("close")

    assert explore(Wrong, seed=1).result is Result.FAIL
    after = [second for first, second in itertools.pairwise(calls) if first == "wrong"]
    assert set(after) == {"close"}
    assert calls[-1] == "close"


def test_what_does_not_happen_again_is_told_in_full() -> None:
    """It is said that it is not reproducible; the calls are those of the whole run."""
    made: list[object] = []

    class Once(ReferenceSystem):
        def __init__(self) -> None:
            super().__init__()
            self.calls = 0
            made.append(self)

        def share(self, **call: object) -> Answer:
            self.calls += 1
            if len(made) == 1 and self.calls == 5:
                return Answer(Outcome.STALE)
            return super().share(**call)  # type: ignore[arg-type]

    found = explore(Once, seed=1)
    assert found.result is Result.ERROR
    assert found.reason == NOT_REPRODUCIBLE
    assert found.finding is not None
    assert len(found.finding.exchanges) > 5
    assert found.finding.observed.startswith("stale")
    assert NOT_REPRODUCIBLE in found.describe()


def test_a_story_that_only_http_statuses_tell() -> None:
    """It needs the capability `http`, and blames the requirement about the status."""

    class Teapot(ReferenceSystem):
        def act(self, **call: object) -> Answer:
            answer = super().act(**call)  # type: ignore[arg-type]
            taken = answer.outcome is Outcome.OK and call["action"] == "reactivate"
            return Answer(Outcome.OK, http=202) if taken else answer

    found = explore(Teapot, seed=1)
    story, blamed = told(found)
    assert len(story) == 3
    assert blamed == {"CXN-HTTP-002"}
    assert found.finding is not None
    assert found.finding.vector.needs == ("http",)
    silent = explore(Teapot, Profile(claims=("versions",)), seed=1)
    assert silent.finding is None


@pytest.mark.parametrize(
    ("carries", "blamed"),
    [
        ({"connection": "cxn_1"}, "CXN-REFU-004"),
        ({"state": {"status": "active"}}, "CXN-REFU-004"),
        ({"http": 200}, "CXN-HTTP-009"),
        ({"http": 500}, "CXN-HTTP-009"),
    ],
)
def test_what_no_refusal_has(carries: dict[str, object], blamed: str) -> None:
    class Talks(ReferenceSystem):
        def share(self, **call: object) -> Answer:
            answer = super().share(**call)  # type: ignore[arg-type]
            if answer.outcome is Outcome.DENIED:
                return Answer(Outcome.DENIED, **{"http": 403, **carries})  # type: ignore[arg-type]
            return answer

    assert told(explore(Talks, seed=1))[1] == {blamed}
    report = run(Talks)
    failed = {each.requirement.id for each in report.requirements() if each.result is Result.FAIL}
    assert failed == {blamed}


@pytest.mark.parametrize(("returned", "blamed"), [(False, "CXN-HTTP-001"), (True, "CXN-HTTP-008")])
def test_a_wrong_status_of_a_creation(returned: bool, blamed: str) -> None:
    class Accepts(ReferenceSystem):
        def create(self, **call: object) -> Answer:
            answer = super().create(**call)  # type: ignore[arg-type]
            if answer.outcome is Outcome.OK and not returned:
                return replace(answer, http=202)
            if answer.outcome is Outcome.ALREADY_EXISTS and returned:
                source = str(call.get("source") or call["by"])
                existing = self._find(source, str(call["destination"]))
                assert existing is not None
                return Answer(Outcome.OK, existing.id, http=201)
            return answer

    claims = ("http", "versions")
    assert told(explore(Accepts, Profile(claims=claims), seed=1))[1] == {blamed}


def test_a_fault_that_only_documents_show() -> None:
    """The organizations in the document have simple ids, too."""

    class Deaf(ReferenceSystem):
        def create(self, **call: object) -> Answer:
            answer = super().create(**call)  # type: ignore[arg-type]
            if answer.outcome is Outcome.OK and call.get("body") is not None:
                return Answer(Outcome.INVALID, http=422)
            return answer

    story, blamed = told(explore(Deaf, Profile(claims=("documents",)), seed=1))
    assert blamed == {"CXN-DOCS-001"}
    assert len(story) == 1
    assert '"destination-organization-id": "org_B"' in story[0]


def test_what_is_told_has_to_fail_as_a_vector(monkeypatch: pytest.MonkeyPatch) -> None:
    def passes(_: object, vector: Vector, *__: object) -> VectorResult:
        return VectorResult(vector, Result.PASS)

    monkeypatch.setattr(shrinking, "run_vector", passes)
    found = explore(FAULTS["SharesForEver"], seed=1)
    assert (found.result, found.reason) == (Result.ERROR, NOT_REPRODUCIBLE)


def test_a_system_that_cannot_be_closed_and_was_never_called() -> None:
    """There is no story to tell."""

    class Sticky(ReferenceSystem):
        def close(self) -> None:
            raise OSError("still busy")

    with Trace(Search(Sticky, Profile(), Answers({}), None)):
        pass


def test_times_that_move_backwards_are_told() -> None:
    class Backwards(ReferenceSystem):
        def read(self, **call: object) -> Answer:
            answer = super().read(**call)  # type: ignore[arg-type]
            if answer.state is None or answer.state["version"] == 1:
                return answer
            late = as_timestamp(str(answer.state["updated_at"])) - timedelta(seconds=9)
            return replace(answer, state={**answer.state, "updated_at": format_timestamp(late)})

    assert told(explore(Backwards, Profile(claims=("versions", "times")), seed=1))[1] == {
        "CXN-PERM-005"
    }


def test_a_document_is_told_as_terms_if_these_show_the_fault() -> None:
    class Loses(ReferenceSystem):
        def create(self, **call: object) -> Answer:
            answer = super().create(**call)  # type: ignore[arg-type]
            if answer.connection is not None:
                kept = self._connections[answer.connection]
                self._connections[answer.connection] = kept.model_copy(update={"name": None})
            return answer

    story, blamed = told(explore(Loses, seed=2))
    assert "document" not in story[0]
    assert len(story) == 2
    assert blamed == {"CXN-PERM-001"}


@pytest.mark.parametrize("make", [FAULTS["CreatedAnew"], FAULTS["PairsWithoutCase"]])
def test_organizations_have_simple_ids_where_these_do(make: Callable[[], System]) -> None:
    found = explore(make, seed=1)
    assert found.finding is not None
    organizations = {each.by for each in found.finding.vector.steps}
    assert "org_A" in organizations


@pytest.mark.parametrize("seed", range(1, 6))
def test_as_few_scopes_are_named_as_the_fault_needs(seed: int) -> None:
    """A default would not show it: the scopes that are added would be there already."""
    found = explore(FAULTS["ScopesWiden"], seed=seed)
    assert found.finding is not None
    first = found.finding.vector.steps[0]
    assert isinstance(first, CreateStep)
    assert first.scopes is not None
    assert len(first.scopes) == 1
