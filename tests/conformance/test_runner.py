"""The runner: the results of vectors, of requirements and of a run."""

import json
import re
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from faults import FAULTS, HOPELESS, SharesForEver
from subjects import (
    ACCEPT,
    NO_WAY,
    ONE_CELL,
    CannotReactivate,
    CannotShare,
    NoAnswer,
    Raises,
    ShowsNoScopes,
    Unable,
    results,
)

from connect_core.conformance import (
    Answer,
    BrokenSystemError,
    Exploration,
    Outcome,
    Profile,
    ReferenceSystem,
    Report,
    Result,
    System,
    VectorResult,
    Verdict,
    explore,
    load_specification,
    load_vectors,
    run,
    select,
)
from connect_core.conformance.profile import Answers
from connect_core.conformance.runner import run_vector
from connect_core.conformance.shuffle import Shuffle
from connect_core.conformance.vectors import Alternative, parse_vectors
from connect_core.conformance.wording import alternative_in_words
from connect_core.history import utc_now

#: How many requirements are binding.
MUSTS = sum("MUST" in each.keyword for each in load_specification().requirements)


class TestResults:
    """Each of the eight results of a vector."""

    def test_pass(self) -> None:
        report = run(ReferenceSystem, among=ACCEPT)
        assert [each.result for each in report.results] == [Result.PASS]
        assert (report.passed, report.exit_code) == (True, 0)

    def test_fail(self) -> None:
        report = run(FAULTS["SharesForEver"], among=select(["share/inactive/destination"]))
        (found,) = report.results
        assert found.result is Result.FAIL
        assert found.blamed == ("CXN-SHAR-002",)
        assert found.expected == "denied"
        assert found.observed == "ok (HTTP 200): the outcome is ok"
        assert (
            found.exchanges[-1].call == 'org_Destination reads data of "account.read" through main'
        )
        assert report.exit_code == 1

    def test_error(self) -> None:
        report = run(Raises, among=ACCEPT, shuffle=0)
        assert report.results[0].result is Result.ERROR
        assert "ZeroDivisionError: org_Destination cxn_" in report.results[0].reason
        assert report.exit_code == 1

    def test_a_factory_that_fails_is_an_error(self) -> None:
        def make() -> System:
            raise OSError("no database")

        (found,) = run(make, among=ACCEPT).results
        assert (found.result, found.exchanges) == (Result.ERROR, ())
        assert found.reason == "make_system failed: OSError: no database"

    def test_a_close_that_fails_is_an_error(self) -> None:
        class Sticky(ReferenceSystem):
            def close(self) -> None:
                raise OSError("still busy")

        assert results(Sticky) == [Result.ERROR]

    def test_could_not_test_what_is_not_supported(self) -> None:
        report = run(Unable, among=ACCEPT)
        assert report.results[0].result is Result.COULD_NOT_TEST
        assert report.results[0].reason.endswith(
            "this is not supported, and every implementation has to support it."
        )
        assert report.exit_code == 3  # none of the selected vectors was tested

    def test_could_not_test_what_was_not_reached(self) -> None:
        report = run(HOPELESS["RefusesEverything"], Profile(claims=()), among=ONE_CELL)
        (found,) = report.results
        assert found.result is Result.COULD_NOT_TEST
        assert found.reason == "What prepares for the test was not done."
        assert found.observed == "wrong-role: the outcome is wrong-role"
        assert report.exit_code == 3

    def test_it_excludes_conformance_also_beside_passes(self) -> None:
        report = run(Unable, among=select(["story", "transition/none"]))
        assert report.counts() == {Result.COULD_NOT_TEST: 4, Result.PASS: 4}
        assert report.exit_code == 1

    def test_not_claimed(self) -> None:
        report = run(ReferenceSystem, Profile(claims=("versions",)), among=select(["history"]))
        assert {each.result for each in report.results} == {Result.NOT_CLAIMED}
        assert report.results[0].reason == "The profile does not claim history."
        assert report.exit_code == 3

    def test_known_failure(self) -> None:
        profile = Profile(known_failures={"story/accept": "reads are not there yet"})
        report = run(Raises, profile, among=ACCEPT)
        assert report.results[0].result is Result.KNOWN_FAILURE
        assert report.results[0].reason == "reads are not there yet"
        assert report.exit_code == 0

    def test_unexpected_pass(self) -> None:
        profile = Profile(known_failures={"story/accept": "reads are not there yet"})
        report = run(ReferenceSystem, profile, among=ACCEPT)
        assert report.results[0].result is Result.UNEXPECTED_PASS
        assert report.results[0].reason == (
            "It passes. It is listed as a known failure (reads are not there yet): strike it from "
            "the list."
        )
        assert report.exit_code == 1

    def test_a_known_failure_that_is_not_claimed_is_not_claimed(self) -> None:
        about = "history/activate/deactivate-source/reactivate"
        profile = Profile(claims=(), known_failures={about: "no"})
        report = run(ReferenceSystem, profile, among=select([about]))
        assert report.results[0].result is Result.NOT_CLAIMED

    def test_no_vectors(self) -> None:
        report = run(ReferenceSystem, Profile(claims=("http", "versions")), among=(), shuffle=0)
        assert (report.exit_code, report.verdict) == (3, Verdict.NOT_TESTED)
        assert report.sentence() == (
            "the implementation was not tested against the Connection specification 1.1, "
            f"core + versions + http: 0 of {MUSTS} requirements met; of 0 vectors none run; "
            "not explored."
        )

    def test_results_are_reported_as_they_come(self) -> None:
        reported: list[str] = []
        run(
            ReferenceSystem,
            among=select(["story"]),
            on_result=lambda result: reported.append(result.vector.id),
        )
        assert sorted(reported) == sorted(vector.id for vector in select(["story"]))

    def test_each_vector_has_a_fresh_system(self) -> None:
        made: list[ReferenceSystem] = []

        def make() -> ReferenceSystem:
            made.append(ReferenceSystem())
            return made[-1]

        run(make, among=select(["story"]))
        assert len(made) == 4


class TestRequirements:
    """Each requirement has the worst result of its vectors."""

    def test_only_violated_requirements_fail(self) -> None:
        report = run(FAULTS["SharesForEver"])
        failed = {
            each.requirement.id for each in report.requirements() if each.result is Result.FAIL
        }
        blamed = {each for result in report.results for each in result.blamed}
        assert failed == blamed
        assert failed >= {"CXN-SHAR-002", "CXN-ISOL-002", "CXN-CREA-007"}
        assert not {each for each in failed if each.startswith(("CXN-LIFE", "CXN-DOCS"))}

    def test_what_a_fault_hides_could_not_be_tested(self) -> None:
        report = run(FAULTS["ActivatedOnlyOnce"], among=select(["story"]))
        found = {each.requirement.id: each.result for each in report.requirements()}
        assert found["CXN-LIFE-001"] is Result.FAIL
        assert found["CXN-LIFE-007"] is Result.PASS
        assert found["CXN-SHAR-001"] is Result.COULD_NOT_TEST
        assert found["CXN-VERS-001"] is Result.NOT_CLAIMED

    def test_a_fault_in_a_read_hides_nothing(self) -> None:
        """A share that should be refused changes nothing: the later steps are tested."""
        report = run(FAULTS["SharesForEver"], among=select(["share/the-moment-counts"]))
        (found,) = report.results
        assert found.blamed == ("CXN-SHAR-002",)
        assert found.met == {"CXN-SHAR-001"}

    def test_the_exploration_counts(self) -> None:
        found = explore(FAULTS["SharesForEver"], examples=50, steps=30, seed=1)
        passed = run(ReferenceSystem)
        report = Report(passed.profile, passed.specification, passed.results, {}, found)
        assert report.exit_code == 1
        failed = [each for each in report.requirements() if each.result is Result.FAIL]
        assert [each.requirement.id for each in failed] == ["CXN-SHAR-002"]
        assert report.sentence().endswith("; exploration 50x30 (seed 1) found a fault.")
        assert (report.passed, report.conforms) == (False, False)

    def test_a_vector_of_ones_own_may_test_other_requirements(self) -> None:
        text = json.dumps(
            {
                "specification": "1.0",
                "vectors": [
                    {
                        "id": "mine/first",
                        "title": "mine",
                        "since": "1.0",
                        "requirements": ["OUR-001"],
                        "steps": [
                            {
                                "verb": "read",
                                "by": "org_A",
                                "connection": "main",
                                "requirements": ["OUR-001"],
                                "accept": [{"outcome": "ok"}],
                            }
                        ],
                    }
                ],
            }
        )
        report = run(ReferenceSystem, among=parse_vectors(text, "mine"))
        assert report.counts() == {Result.FAIL: 1}
        assert "OUR-001" in report.results[0].describe()
        assert {each.result for each in report.requirements()} == {Result.NOT_CLAIMED}


class TestTransports:
    """What a transport cannot do is left out, and does not count."""

    def test_a_call_that_changes_nothing_is_left_out(self) -> None:
        """The others count: the story's first requirement is met, sharing is not tested."""
        report = run(CannotShare, among=select(["story/accept"]))
        (result,) = report.results
        assert (result.result, result.reason) == (Result.NOT_CLAIMED, NO_WAY)
        found = {each.requirement.id: each.result for each in report.requirements()}
        assert found["CXN-LIFE-001"] is Result.PASS
        assert found["CXN-SHAR-001"] is Result.NOT_CLAIMED

    def test_a_call_that_changes_something_ends_the_vector(self) -> None:
        report = run(
            CannotReactivate, among=select(["transition/inactive/reactivate/source", "story"])
        )
        results = {each.vector.id: each.result for each in report.results}
        assert results["transition/inactive/reactivate/source"] is Result.NOT_CLAIMED
        assert results["story/accept"] is Result.PASS
        assert report.passed

    def test_a_fault_before_it_counts(self) -> None:
        class Faulty(CannotReactivate, SharesForEver):
            """Two things are wrong, of which one is the transport's."""

        (shares,) = select(["share/inactive/destination"])
        (again,) = select(["transition/inactive/reactivate/source"])
        step = next(each for each in again.steps if getattr(each, "action", "") == "reactivate")
        vector = shares.model_copy(update={"steps": (*shares.steps, step)})
        assert run(Faulty, among=[vector]).results[0].result is Result.FAIL
        assert run(CannotReactivate, among=[vector]).results[0].result is Result.NOT_CLAIMED

    def test_a_known_failure_excuses_nothing_there(self) -> None:
        profile = Profile(known_failures={"story/accept": "why"})
        report = run(CannotShare, profile, among=select(["story/accept"]))
        assert report.results[0].result is Result.NOT_CLAIMED

    def test_members_that_it_does_not_show_are_not_compared(self) -> None:
        """What looks at nothing else is left out; an answer to an open point stays open."""
        report = run(ShowsNoScopes, among=select(["scopes/one", "walk/*", "transition/*"]))
        results = {each.vector.id: each.result for each in report.results}
        assert results["scopes/one"] is Result.NOT_CLAIMED
        assert results["transition/active/deactivate/source"] is Result.PASS
        assert report.passed
        assert len(report.answers["CXN-OPEN-006"]) == 2

    def test_members_that_it_shows_are_compared(self) -> None:
        class Lies(ShowsNoScopes):
            """The source is another."""

            def read(self, *, by: str, connection: str) -> Answer:
                answer = super().read(by=by, connection=connection)
                return replace(answer, state={**(answer.state or {}), "source": "org_X"})

        report = run(Lies, among=select(["transition/pending/activate/destination"]))
        assert report.results[0].result is Result.FAIL


class TestOpenPoints:
    """The chosen answer is required, or else the first one that the system gives."""

    def test_a_chosen_answer_is_required(self) -> None:
        profile = Profile(answers={"CXN-OPEN-002": "refused"})
        report = run(
            ReferenceSystem, profile, among=select(["transition/active/activate/outsider"])
        )
        (found,) = report.results
        assert found.result is Result.FAIL
        assert found.observed.endswith("CXN-OPEN-002 is answered by refused elsewhere")

    def test_the_same_answer_every_time(self) -> None:
        report = run(FAULTS["ChangesItsMind"], shuffle=0)
        assert Result.FAIL in report.counts()
        failed = next(each for each in report.results if each.result is Result.FAIL)
        assert "CXN-OPEN-001 is answered by role-first elsewhere" in failed.observed

    def test_the_answers_are_reported(self) -> None:
        report = run(ReferenceSystem, among=ONE_CELL)
        assert report.answers["CXN-OPEN-001"] == ["role-first", "status-first"]
        assert run(ReferenceSystem).answers["CXN-OPEN-001"] == ["role-first"]


class StopsInTheMiddle(ReferenceSystem):
    """Its process exits when data is read."""

    def share(self, **_: object) -> Answer:
        error = BrokenSystemError("it exited")
        error.transcript = ["> {}", "! no more memory"]
        raise error


def breaking_at(number: int, made: list[System], *, where: str) -> Callable[[], System]:
    """A factory of right systems, of which this one (from 1) breaks the protocol."""

    class Breaks(ReferenceSystem):
        def close(self) -> None:
            raise BrokenSystemError("close: broken")

    def make() -> System:
        made.append(ReferenceSystem())
        if len(made) != number:
            return made[-1]
        if where == "close":
            return Breaks()
        raise BrokenSystemError("make_system: broken")

    return make


class TestBroken:
    """A system that breaks the protocol has no verdict on the rules."""

    def test_a_value_that_is_not_an_answer(self) -> None:
        report = run(NoAnswer, among=ACCEPT, shuffle=0)
        (found,) = report.results
        assert found.result is Result.BROKEN
        assert found.reason.startswith('org_Destination reads data of "inquiry.read" through main')
        assert found.reason.endswith("which is not an Answer")
        assert (report.verdict, report.exit_code) == (Verdict.BROKEN, 2)
        assert (report.passed, report.conforms) == (False, False)
        assert "broke the protocol when it was tested against" in report.sentence()

    def test_the_transcript_is_kept(self) -> None:
        (found,) = run(StopsInTheMiddle, among=ACCEPT).results
        assert (found.reason, found.transcript) == ("it exited", ("> {}", "! no more memory"))
        assert found.describe().endswith(
            "it exited\n\nWhat was sent and received:\n> {}\n! no more memory"
        )

    @pytest.mark.parametrize("where", ["make_system", "close"])
    def test_the_run_stops(self, where: str) -> None:
        made: list[System] = []
        told: list[VectorResult] = []
        make = breaking_at(2, made, where=where)
        report = run(make, among=select(["story"]), on_result=told.append, shuffle=0)
        assert len(made) == 2
        assert [each.result for each in told] == [Result.PASS, Result.BROKEN]
        assert told[1].reason == f"{where}: broken"
        assert report.results == tuple(told)
        assert report.counts() == {Result.PASS: 1, Result.BROKEN: 1}
        assert report.exit_code == 2

    @pytest.mark.parametrize("where", ["make_system", "close"])
    def test_it_can_go_on(self, where: str) -> None:
        """The verdict is the same."""
        made: list[System] = []
        make = breaking_at(2, made, where=where)
        report = run(make, among=select(["story"]), keep_going=True)
        assert len(made) == 4
        assert report.counts() == {Result.PASS: 3, Result.BROKEN: 1}
        assert report.verdict is Verdict.BROKEN

    def test_it_is_the_worst_result(self) -> None:
        """Worse than a fault."""
        made: list[System] = []
        fault = FAULTS["SharesForEver"]

        def make() -> System:
            made.append(fault())
            return NoAnswer() if len(made) == 1 else made[-1]

        among = (*ACCEPT, *select(["share/inactive/destination"]))
        report = run(make, among=among, keep_going=True, shuffle=0)
        assert [each.result for each in report.results] == [Result.BROKEN, Result.FAIL]
        assert report.exit_code == 2

    def test_an_exploration_that_was_broken(self) -> None:
        report = run(ReferenceSystem, among=ACCEPT)
        found = Exploration(9, 9, 1, Result.BROKEN, reason="it exited", transcript=("> {}",))
        report = replace(report, exploration=found)
        assert (report.verdict, report.exit_code) == (Verdict.BROKEN, 2)
        assert report.sentence().endswith(
            "exploration 9x9 (seed 1) came to an end, as the protocol was broken: it exited."
        )
        assert found.describe() == f"{found.sentence()}\n> {{}}"

    @pytest.mark.parametrize("ending", [KeyboardInterrupt, SystemExit])
    def test_an_interrupt_is_none(self, ending: type[BaseException]) -> None:
        class Interrupted(ReferenceSystem):
            def share(self, **_: object) -> Answer:
                raise ending

        with pytest.raises(ending):
            run(Interrupted, among=ACCEPT)


class TestShuffle:
    """The order and the ids are others each time; the report has the seed."""

    def test_the_order(self) -> None:
        """The results stand in that of the vectors."""
        among = select(["transition"])

        def order(seed: int | None) -> list[str]:
            told: list[str] = []
            report = run(
                ReferenceSystem,
                among=among,
                on_result=lambda result: told.append(result.vector.id),
                shuffle=seed,
            )
            assert [each.vector.id for each in report.results] == [each.id for each in among]
            return told

        assert order(0) == [each.id for each in among]
        assert order(5) == order(5)
        assert order(5) != order(6)
        assert order(None) != order(None)

    def test_the_seed_is_reported(self) -> None:
        report = run(ReferenceSystem, among=ACCEPT, shuffle=5)
        assert report.shuffle == 5
        assert ", shuffled with seed 5; not explored." in report.sentence()
        assert run(ReferenceSystem, among=ACCEPT, shuffle=0).shuffle == 0
        assert run(ReferenceSystem, among=ACCEPT).shuffle > 0

    def test_a_seed_that_is_negative(self) -> None:
        with pytest.raises(ValueError, match=r"^the seed must not be negative, as -1 is$"):
            run(ReferenceSystem, among=ACCEPT, shuffle=-1)

    def test_a_vector_alone_is_as_written(self) -> None:
        """`run_vector` shuffles only if it is told to."""
        (vector,) = ACCEPT
        found = run_vector(Raises, vector, Profile(), Answers({}))
        assert "org_Destination" in found.reason
        found = run_vector(Raises, vector, Profile(), Answers({}), Shuffle(1))
        assert "org_Destination" not in found.reason


class TestVerdicts:
    """What a whole run says."""

    def test_conforms(self) -> None:
        report = run(ReferenceSystem, shuffle=5)
        assert (report.verdict, report.exit_code) == (Verdict.CONFORMS, 0)
        assert (report.conforms, report.passed, report.gaps()) == (True, True, ())
        assert report.level == (
            "core + named-source + versions + expected-version + history + times + documents + http"
        )
        assert report.sentence() == (
            f"the implementation conforms to the Connection specification 1.1, {report.level}: "
            f"{MUSTS} of {MUSTS} requirements met; of {len(load_vectors())} vectors "
            f"{len(load_vectors())} passed, shuffled with seed 5; not explored."
        )

    def test_incomplete(self) -> None:
        report = run(ReferenceSystem, among=ACCEPT, shuffle=0)
        assert (report.verdict, report.exit_code) == (Verdict.INCOMPLETE, 0)
        assert (report.conforms, report.passed) == (False, True)
        gap = f"1 of {len(load_vectors())} vectors of the specification were run"
        assert report.gaps() == (gap, "the vectors were not shuffled")
        assert (
            "the implementation passed what was run of the tests of the Connection specification "
            f"1.1, {report.level} ({gap}; the vectors were not shuffled): "
        ) in report.sentence()
        assert run(ReferenceSystem, among=ACCEPT, shuffle=2).gaps() == (gap,)

    def test_only_an_exploration(self) -> None:
        """It is no complete run, but something was tested."""
        passed = Exploration(60, 50, 1, Result.PASS, runs=60)
        small = Exploration(1, 1, 1, Result.COULD_NOT_TEST, ("a", "b"), runs=1)
        nothing = run(ReferenceSystem, among=())
        assert replace(nothing, exploration=passed).verdict is Verdict.INCOMPLETE
        assert replace(nothing, exploration=small).verdict is Verdict.NOT_TESTED

    def test_an_exploration_that_is_too_small(self) -> None:
        """It says nothing against the system."""
        small = Exploration(1, 1, 1, Result.COULD_NOT_TEST, ("a", "b"), runs=1)
        report = replace(run(ReferenceSystem, among=ACCEPT), exploration=small)
        assert report.passed
        assert report.sentence().endswith(
            "; exploration 1x1 (seed 1) is too small to say anything: it did not reach 2 cells of "
            "the matrix."
        )
        assert small.describe() == f"{small.sentence()}\na\nb"

    @pytest.mark.parametrize("result", [Result.FAIL, Result.ERROR])
    def test_what_an_exploration_finds(self, result: Result) -> None:
        found = replace(run(ReferenceSystem, among=()), exploration=Exploration(9, 9, 1, result))
        assert (found.verdict, found.exit_code) == (Verdict.DOES_NOT_CONFORM, 1)

    def test_a_call_that_an_exploration_could_not_make(self) -> None:
        (unable,) = run(Unable, among=ACCEPT).results
        found = Exploration(9, 9, 1, Result.COULD_NOT_TEST, finding=unable)
        assert found.sentence() == "exploration 9x9 (seed 1) could not make a call"

    def test_known_failures(self) -> None:
        profile = Profile(known_failures={"story/accept": "reads are not there yet"})
        report = run(Raises, profile, among=ACCEPT)
        assert (report.verdict, report.exit_code) == (Verdict.KNOWN_FAILURES, 0)
        assert (report.conforms, report.passed) == (False, True)
        assert "does not meet, as its profile says, the Connection specification" in (
            report.sentence()
        )
        assert " 1 failed as known" in report.sentence()

    def test_times(self) -> None:
        """When it began, and how long each vector and the whole took."""
        before = utc_now()

        class Slow(ReferenceSystem):
            def share(self, **call: Any) -> Answer:
                time.sleep(0.02)
                return super().share(**call)

        report = run(Slow, among=select(["story"]))
        assert report.began is not None
        assert before <= report.began <= utc_now()
        assert all(each.seconds > 0 for each in report.results)
        assert report.results[0].seconds >= 0.02
        assert report.seconds >= sum(each.seconds for each in report.results)

    @pytest.mark.parametrize(
        "result", [Result.KNOWN_FAILURE, Result.UNEXPECTED_PASS, Result.BROKEN]
    )
    def test_the_time_of_what_is_no_pass(self, result: Result) -> None:
        class Slow(ReferenceSystem):
            def create(self, **call: Any) -> Answer:
                time.sleep(0.02)
                if result is Result.BROKEN:
                    raise BrokenSystemError("it is gone")
                if result is Result.KNOWN_FAILURE:
                    raise RuntimeError("it is broken")
                return super().create(**call)

        listed = {} if result is Result.BROKEN else {"story/accept": "for now"}
        (found,) = run(Slow, Profile(known_failures=listed), among=ACCEPT).results
        assert found.result is result
        assert found.seconds >= 0.02


def test_permitted_answers_in_words() -> None:
    """Everything that an alternative can ask for."""
    alternative = Alternative(
        outcome=Outcome.OK,
        state={"status": "active"},
        unchanged=("created_at",),
        not_before=("updated_at",),
        later=("version",),
        pointers=("",),
        http=200,
        existing=True,
    )
    assert alternative_in_words(alternative) == (
        'ok (status "active", created_at as it was, updated_at not earlier, version later, '
        "pointers [''], HTTP 200, the existing one)"
    )


def test_an_exploration_whose_system_cannot_be_made() -> None:
    found = Exploration(9, 9, 1, Result.ERROR, reason="make_system failed", traceback="Traceback")
    assert found.describe() == f"{found.sentence()}\n\nTraceback"


def test_an_exploration_whose_time_was_up() -> None:
    found = Exploration(9, 9, 1, Result.PASS, runs=3, seconds=2, timed_out=True)
    assert found.sentence() == (
        "exploration 9x9 (seed 1) found nothing in 3 of 9 runs, all that 2 s allowed"
    )


def test_selecting_by_what_an_id_begins_with() -> None:
    """Up to a slash."""
    assert {each.id for each in select(["story/"])} == {each.id for each in select(["story"])}
    assert select(["stor"]) == ()
    assert select([], ACCEPT) == ACCEPT
    assert {each.id for each in select(["story/acc?pt"])} == {"story/accept"}


def test_describing_a_failure() -> None:
    """It has the requirement's text, the calls, and the expected and observed answers."""
    (found,) = run(FAULTS["SharesForEver"], among=select(["share/inactive/destination"])).results
    assert found.describe().splitlines() == [
        "share/inactive/destination: fail",
        "destination reads while it is inactive",
        "",
        "CXN-SHAR-002 (stated): While a Connection is `pending` or `inactive`, an attempt of its "
        "destination to read data MUST be refused, as `denied`, whatever the status was before.",
        "",
        "What was done:",
        '  1. org_Source creates main to org_Destination with name="Partner", '
        'scopes=["account.read", "inquiry.read"]',
        "     -> ok (HTTP 201)",
        "  2. org_Destination activates main",
        "     -> ok (HTTP 200)",
        "  3. org_Destination deactivates main",
        "     -> ok (HTTP 200)",
        '  4. org_Destination reads data of "account.read" through main',
        "     -> ok (HTTP 200)",
        "",
        "Expected: denied",
        "Observed: ok (HTTP 200): the outcome is ok",
    ]


def test_all_vectors_are_loaded_once() -> None:
    assert load_vectors() is load_vectors()


def test_vectors_of_ones_own_are_not_those_of_the_specification() -> None:
    """Not even if they have the same ids."""
    easy = [each.model_copy(update={"steps": each.steps[:1]}) for each in load_vectors()]
    report = run(ReferenceSystem, among=easy, shuffle=1)
    assert report.passed
    assert (report.verdict, report.conforms) == (Verdict.INCOMPLETE, False)
    (gap,) = report.gaps()
    assert re.fullmatch(r"\d+ of \d+ vectors of the specification were run", gap)
