"""The runner: the results of vectors, of requirements and of a run; profiles; and reports."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from faults import FAULTS, HOPELESS

from connect_core import (
    AccessDeniedError,
    Actor,
    ConnectError,
    ConnectionNotFoundError,
    InvalidHistoryError,
    decide_access,
)
from connect_core.conformance import (
    Answer,
    BrokenSystemError,
    Exploration,
    InvalidProfileError,
    Outcome,
    Profile,
    ReferenceSystem,
    Report,
    Result,
    System,
    Vector,
    explore,
    load_specification,
    load_vectors,
    read_profile,
    report_dict,
    report_html,
    report_json,
    report_junit,
    run,
    select,
)
from connect_core.conformance.execution import Execution, NotPermittedError, call_in_words
from connect_core.conformance.generators import GENERATORS
from connect_core.conformance.profile import Answers
from connect_core.conformance.runner import FAILING
from connect_core.conformance.vectors import (
    Alternative,
    Check,
    CreateStep,
    ShareStep,
    parse_vectors,
)

ACCEPT = select(["story/accept"])
ONE_CELL = select(["transition/pending/activate/destination"])


class Raises(ReferenceSystem):
    """Raises an internal error when data is read."""

    def share(self, *, by: str, connection: str, scope: str) -> Answer:
        raise ZeroDivisionError(f"{by} {connection} {scope}")


class Unable(ReferenceSystem):
    """Does not support what it claims."""

    def share(self, *, by: str, connection: str, scope: str) -> Answer:
        super().share(by=by, connection=connection, scope=scope)
        return Answer(Outcome.UNSUPPORTED)


class NoAnswer(ReferenceSystem):
    """Returns something else than an answer."""

    def share(self, *, by: str, connection: str, scope: str) -> Answer:
        return super().share(by=by, connection=connection, scope=scope).outcome  # type: ignore[return-value]


def results(make: Callable[[], System], among: tuple[Vector, ...] = ACCEPT) -> list[Result]:
    return [each.result for each in run(make, among=among).results]


class TestResults:
    """Each of the seven results of a vector."""

    def test_pass(self) -> None:
        report = run(ReferenceSystem, among=ACCEPT)
        assert [each.result for each in report.results] == [Result.PASS]
        assert (report.conforms, report.exit_code) == (True, 0)

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
        report = run(Raises, among=ACCEPT)
        assert report.results[0].result is Result.ERROR
        assert "ZeroDivisionError: org_Destination cxn_" in report.results[0].reason
        assert report.exit_code == 1

    def test_a_factory_that_fails_is_an_error(self) -> None:
        def make() -> System:
            raise OSError("no database")

        (found,) = run(make, among=ACCEPT).results
        assert (found.result, found.exchanges) == (Result.ERROR, ())
        assert found.reason == "The implementation failed: OSError: no database"

    def test_a_close_that_fails_is_an_error(self) -> None:
        class Sticky(ReferenceSystem):
            def close(self) -> None:
                raise OSError("still busy")

        assert results(Sticky) == [Result.ERROR]

    def test_could_not_test_what_is_not_supported(self) -> None:
        report = run(Unable, among=ACCEPT)
        assert report.results[0].result is Result.COULD_NOT_TEST
        assert report.results[0].reason.endswith(
            "this is not supported, and the profile claims it."
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
        report = run(ReferenceSystem, among=())
        assert report.exit_code == 3
        assert report.sentence() == (
            "the implementation was not tested against the Connection specification 1.0: 0 of 62 "
            "requirements met; of 0 vectors none run."
        )

    def test_a_value_that_is_not_an_answer_ends_the_run(self) -> None:
        with pytest.raises(BrokenSystemError, match="which is not an Answer"):
            run(NoAnswer, among=ACCEPT)

    def test_results_are_reported_as_they_come(self) -> None:
        reported: list[str] = []
        run(
            ReferenceSystem,
            among=select(["story"]),
            on_result=lambda result: reported.append(result.vector.id),
        )
        assert reported == [vector.id for vector in select(["story"])]

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
        assert failed == {"CXN-SHAR-002", "CXN-ISOL-002", "CXN-CREA-007"}

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
        report = run(FAULTS["ChangesItsMind"])
        assert Result.FAIL in report.counts()
        failed = next(each for each in report.results if each.result is Result.FAIL)
        assert "CXN-OPEN-001 is answered by role-first elsewhere" in failed.observed

    def test_the_answers_are_reported(self) -> None:
        report = run(ReferenceSystem, among=ONE_CELL)
        assert report.answers["CXN-OPEN-001"] == ["role-first", "status-first"]
        assert run(ReferenceSystem).answers["CXN-OPEN-001"] == ["role-first"]


# --- Systems of one's own ------------------------------------------------------------------------


def test_errors_of_the_library_are_answers() -> None:
    """Systems built on the library can turn its errors into answers."""
    stranger = Actor(id="usr_1", organization_id="org_C")
    answer = ReferenceSystem().read(by="org_A", connection="cxn_1")
    assert answer == Answer(Outcome.NOT_FOUND, http=404)
    assert Answer.to(ConnectionNotFoundError("cxn_1")) == answer

    class Row:
        source_organization_id = "org_A"
        destination_organization_id = "org_B"
        status = "active"
        scopes = ("a.b",)

    refused = AccessDeniedError(decide_access(stranger, "a.b", Row()), stranger, "a.b")
    assert Answer.to(refused) == Answer(Outcome.NOT_A_PARTY, http=404)


@pytest.mark.parametrize("error", [InvalidHistoryError(0, "is missing"), ConnectError("what")])
def test_errors_that_are_not_outcomes(error: ConnectError) -> None:
    with pytest.raises(TypeError, match=f"{type(error).__name__} is not the outcome of an attempt"):
        Answer.to(error)


class Lies(ReferenceSystem):
    """The reference, with changed members in its states."""

    def __init__(self, **state: object) -> None:
        super().__init__()
        self._lies = state

    def read(self, *, by: str, connection: str) -> Answer:
        answer = super().read(by=by, connection=connection)
        if answer.state is None:
            return answer
        return Answer(Outcome.OK, state={**answer.state, **self._lies}, http=200)


@pytest.mark.parametrize(
    ("state", "about", "observed"),
    [
        ({"status": None}, "story", "status is null, not"),
        ({"status": ["active"]}, "story", 'status is ["active"], not'),
        ({"scopes": "a.b"}, "scopes/one", 'scopes is "a.b", not ["inquiry.read"]'),
        ({"scopes": ["inquiry.read"] * 2}, "scopes/one", "scopes is"),
        ({"version": True}, "versions", "version is true, not 1"),
        ({"version": 1.0}, "versions", "version is 1.0, not 1"),
        ({"events": {}}, "history", "events is {}, not"),
        ({"events": []}, "history", "events is [], not"),
        ({"events": [7]}, "history", "events is [7], not"),
        ({"created_at": 7}, "times", 'created_at is 7, not "$time"'),
        ({"created_at": "2026-01-01T00:00:00Z"}, "times", "created_at is"),
        ({"updated_at": "2026-01-01T00:00:00.0000Z"}, "times", "updated_at is"),
        ({"document": {}}, "documents/written", "document is {}, not"),
        ({"document": "{}"}, "documents/written", 'document is "{}", not'),
    ],
)
def test_states_that_are_wrong(state: dict[str, object], about: str, observed: str) -> None:
    report = run(lambda: Lies(**state), among=select([about]))
    failed = [each for each in report.results if each.result in FAILING]
    assert failed
    assert observed in failed[0].observed


def test_scopes_come_in_any_order_and_events_do_not() -> None:
    class Reversed(ReferenceSystem):
        def read(self, *, by: str, connection: str) -> Answer:
            answer = super().read(by=by, connection=connection)
            if answer.state is None:
                return answer
            state: dict[str, Any] = json.loads(json.dumps(answer.state))
            state["scopes"].reverse()
            state["events"].reverse()
            return Answer(answer.outcome, state=state, http=answer.http)

    others = set(GENERATORS) - {"history"}
    assert run(Reversed, among=select(sorted(others))).conforms
    assert {each.result for each in run(Reversed, among=select(["history"])).results} == {
        Result.FAIL
    }


def changed(change: Callable[[dict[str, Any]], None]) -> Callable[[], ReferenceSystem]:
    """The reference, with states that `change` has changed."""

    class Changed(ReferenceSystem):
        def read(self, *, by: str, connection: str) -> Answer:
            answer = super().read(by=by, connection=connection)
            if answer.state is None:
                return answer
            state: dict[str, Any] = json.loads(json.dumps(answer.state))
            change(state)
            return Answer(answer.outcome, state=state, http=answer.http)

    return Changed


def test_events_may_have_more_members_but_not_fewer() -> None:
    def more(state: dict[str, Any]) -> None:
        for event in state["events"]:
            event["note"] = "by hand"

    def less(state: dict[str, Any]) -> None:
        state["events"][-1].pop("organization")

    assert run(changed(more), among=select(["history"])).conforms
    assert not run(changed(less), among=select(["history"])).conforms


def test_a_document_must_have_every_member() -> None:
    def less(state: dict[str, Any]) -> None:
        state["document"]["data"]["attributes"].pop("name")

    assert run(changed(less), among=select(["documents/written"])).counts() == {Result.FAIL: 7}


@pytest.mark.parametrize("http", [100, 599, None])
def test_http_statuses_that_are_wrong(http: int | None) -> None:
    class Other(ReferenceSystem):
        def share(self, *, by: str, connection: str, scope: str) -> Answer:
            answer = super().share(by=by, connection=connection, scope=scope)
            return Answer(answer.outcome, http=http)

    (found,) = run(Other, among=select(["http/ok/share"])).results
    assert found.observed.endswith(f"the HTTP status is {http}, not 200")


@pytest.mark.parametrize("pointers", [["/data", "/data/x"], ["/zzz"], ["/"], []])
def test_wrong_pointers(pointers: list[str]) -> None:
    class Vague(ReferenceSystem):
        def create(self, **call: Any) -> Answer:
            answer = super().create(**call)
            return Answer(answer.outcome, answer.connection, pointers=pointers)

    (found,) = run(Vague, among=select(["documents/invalid/data/null"])).results
    assert found.blamed == ("CXN-DOCS-004",)


@pytest.mark.parametrize("given", ["", "zzz", "cxn_"])
def test_a_second_create_that_returns_an_id(given: str) -> None:
    """Only the id of the existing Connection is permitted."""

    class Returning(ReferenceSystem):
        def create(self, **call: Any) -> Answer:
            answer = super().create(**call)
            if answer.outcome is Outcome.ALREADY_EXISTS:
                existing = self._find(call["source"] or call["by"], call["destination"])
                assert existing is not None
                return Answer(Outcome.OK, given or str(existing.id))
            return answer

    report = run(Returning, among=select(["transition/active/create/source"]))
    assert report.conforms is (given == "")


def test_the_observation_is_about_the_closest_answer() -> None:
    """Of several permitted answers, the message is about the one with the same outcome."""
    about = select(["scopes/over-a-deactivation"])
    for found in run(changed(lambda state: state.update(scopes=["x.y"])), among=about).results:
        assert 'scopes is ["x.y"], not [' in found.observed

    class Odd(ReferenceSystem):
        def act(self, **call: Any) -> Answer:
            return Answer(Outcome.DENIED) if call["action"] == "reactivate" else super().act(**call)

    (found,) = run(Odd, among=select(["transition/pending/reactivate/destination"])).results
    assert found.observed == "denied: the outcome is denied"
    never = Profile(answers={"CXN-OPEN-005": "never"})
    (found,) = run(ReferenceSystem, never, among=select(["self/create/asked-for"])).results
    assert found.observed == "ok (HTTP 201): CXN-OPEN-005 is answered by never elsewhere"


class Untyped(ReferenceSystem):
    """Returns outcomes as plain text, and refuses outsiders."""

    def read(self, *, by: str, connection: str) -> Answer:
        answer = super().read(by=by, connection=connection)
        return self.plain(answer, Outcome.NOT_FOUND, "not-a-party")

    def share(self, *, by: str, connection: str, scope: str) -> Answer:
        answer = super().share(by=by, connection=connection, scope=scope)
        return self.plain(answer, Outcome.DENIED, "unsupported")

    def plain(self, answer: Answer, outcome: Outcome, instead: str) -> Answer:
        text: Any = instead if answer.outcome is outcome else answer.outcome.value
        return replace(answer, outcome=text)


def test_outcomes_may_be_plain_text() -> None:
    """Outcomes are compared as text."""
    report = run(Untyped, among=select(["share/active/destination", "share/inactive/destination"]))
    assert [each.result for each in report.results] == [Result.COULD_NOT_TEST] * 2
    assert report.results[1].reason.startswith("org_Destination reads data of")
    assert run(Untyped, among=select(["history"])).conforms
    hidden = Profile(answers={"CXN-OPEN-002": "hidden"})
    for found in run(Untyped, hidden, among=select(["outsider"])).results:
        assert (
            found.observed == "not-a-party (HTTP 404): CXN-OPEN-002 is answered by hidden elsewhere"
        )


def test_numbers_and_arrays_may_be_large() -> None:
    """They are compared by value, not by identity."""
    events: list[dict[str, object]] = [{} for _ in range(300)]
    execution = Execution(Lies(version=int("1000"), events=events), Answers({}))
    created = (Alternative(outcome=Outcome.OK),)
    execution.perform(
        CreateStep(by="org_A", connection="main", destination="org_B", accept=created)
    )
    state: dict[str, object] = {"version": 1000, "events": [{}] * 300}
    seen = Alternative(outcome=Outcome.OK, state=state)
    assert execution.read(Check(by="org_A", connection="main", accept=(seen,))) == seen


def test_a_document_must_not_have_more_members() -> None:
    class Chatty(ReferenceSystem):
        def read(self, *, by: str, connection: str) -> Answer:
            answer = super().read(by=by, connection=connection)
            assert answer.state is not None
            state: dict[str, Any] = json.loads(json.dumps(answer.state))
            state["document"]["data"]["more"] = 1
            state["more"] = 1
            return Answer(Outcome.OK, state=state)

    report = run(Chatty, among=select(["documents/written", "story"]))
    assert {each.vector.id for each in report.results if each.result is Result.FAIL} == {
        each.id for each in select(["documents/written"])
    }


class Stateless(ReferenceSystem):
    """Returns no state."""

    def read(self, *, by: str, connection: str) -> Answer:
        return Answer(super().read(by=by, connection=connection).outcome)


def test_a_read_without_a_state() -> None:
    failed = [each for each in run(Stateless).results if each.result is Result.FAIL]
    assert len(failed) > 100
    assert {each.observed.rpartition(": ")[2] for each in failed} <= {
        "there is no state",
        "the HTTP status is None, not 200; there is no state",
    }


@pytest.mark.parametrize("due", [{"unchanged": ("status",)}, {"not_before": ("updated_at",)}])
def test_an_unchanged_member_requires_a_state(due: dict[str, Any]) -> None:
    """A state is required, even if the alternative names no value for a member."""
    execution = Execution(Stateless(), Answers({}))
    created = (Alternative(outcome=Outcome.OK),)
    execution.perform(
        CreateStep(by="org_A", connection="main", destination="org_B", accept=created)
    )
    seen = Alternative(outcome=Outcome.OK, **due)
    with pytest.raises(NotPermittedError) as refused:
        execution.read(Check(by="org_A", connection="main", accept=(seen,)))
    assert refused.value.observed == "ok: there is no state"


def test_a_member_that_is_never_there_is_not_unchanged() -> None:
    class Dateless(ReferenceSystem):
        def read(self, *, by: str, connection: str) -> Answer:
            state = dict(super().read(by=by, connection=connection).state or {})
            del state["created_at"]
            return Answer(Outcome.OK, state=state)

    execution = Execution(Dateless(), Answers({}))
    created = (Alternative(outcome=Outcome.OK),)
    execution.perform(
        CreateStep(by="org_A", connection="main", destination="org_B", accept=created)
    )
    same = Alternative(outcome=Outcome.OK, unchanged=("status", "created_at"))
    for _ in range(2):
        with pytest.raises(NotPermittedError) as refused:
            execution.read(Check(by="org_A", connection="main", accept=(same,)))
        assert refused.value.observed.endswith("): created_at is missing")


@pytest.mark.parametrize("given", [None, "", 7])
def test_a_creation_without_an_id(given: Any) -> None:
    class Anonymous(ReferenceSystem):
        def create(self, **call: Any) -> Answer:
            answer = super().create(**call)
            return Answer(answer.outcome, given if answer.connection else None)

    (found,) = run(Anonymous, among=ACCEPT).results
    assert found.observed.endswith(f"the Connection's id is {given!r}")


def test_two_connections_with_one_id() -> None:
    class Same(ReferenceSystem):
        def create(self, **call: Any) -> Answer:
            return Answer(super().create(**call).outcome, "cxn_1")

    about = select(["identity/case/another-destination"])
    (found,) = run(Same, among=about).results
    assert found.observed.endswith("the id cxn_1 is that of another Connection")


def test_a_second_create_that_returns_another_connection() -> None:
    """A system that returns the existing Connection must return the right one."""

    class Mixed(ReferenceSystem):
        def create(self, **call: Any) -> Answer:
            answer = super().create(**call)
            if answer.outcome is Outcome.ALREADY_EXISTS:
                return Answer(Outcome.OK, "cxn_other")
            return answer

    about = select(["transition/active/create/source"])
    (found,) = run(Mixed, among=about).results
    assert found.result is Result.FAIL
    assert "it gives cxn_other, where cxn_" in found.observed


def test_the_message_about_wrong_pointers() -> None:
    """It has the expected and the given pointers."""

    class Vague(ReferenceSystem):
        def create(self, **call: Any) -> Answer:
            answer = super().create(**call)
            return Answer(answer.outcome, answer.connection, pointers=[""])

    (found,) = run(Vague, among=select(["documents/invalid/data/null"])).results
    assert found.blamed == ("CXN-DOCS-004",)
    assert found.expected == "invalid (pointers ['/data'])"
    assert found.observed.endswith("it points to [''], not to ['/data']")


def test_times_that_are_missing_or_move() -> None:
    class Timeless(ReferenceSystem):
        def read(self, *, by: str, connection: str) -> Answer:
            answer = super().read(by=by, connection=connection)
            state = dict(answer.state or {})
            if state.get("version") != 1:
                state.pop("created_at")
                state.pop("updated_at")
            return Answer(Outcome.OK, state=state)

    report = run(Timeless, among=select(["times"]))
    (about, *_) = {each.observed.rpartition(": ")[2] for each in report.results}
    assert about.startswith("created_at is missing, and was ")
    never = run(lambda: Lies(created_at=None), among=select(["times"])).results[0]
    assert never.result is Result.FAIL


# --- Profiles ------------------------------------------------------------------------------------


class TestProfiles:
    """What is claimed is mandatory; what does not exist cannot be claimed."""

    def test_everything_is_claimed_by_default(self) -> None:
        assert Profile().claims == tuple(load_specification().capabilities)

    def test_from_a_file(self, tmp_path: Path) -> None:
        path = tmp_path / "profile.json"
        path.write_text('{"name": "ours", "claims": [], "answers": {"CXN-OPEN-005": "never"}}')
        assert read_profile(path) == Profile(
            name="ours", claims=(), answers={"CXN-OPEN-005": "never"}
        )

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("", "Invalid JSON"),
            ("[]", "the whole document: "),
            ('{"claim": []}', "claim: Extra inputs"),
            ('{"claims": "versions"}', "claims: "),
            ('{"name": ""}', "name: "),
            ('{"known_failures": {"a": 1}}', "known_failures/a: "),
        ],
    )
    def test_a_file_that_is_not_a_profile(self, text: str, problem: str, tmp_path: Path) -> None:
        path = tmp_path / "profile.json"
        path.write_text(text)
        with pytest.raises(
            InvalidProfileError, match=r"profile\.json is not a profile: "
        ) as refused:
            read_profile(path)
        assert problem in str(refused.value)

    def test_a_file_that_does_not_exist(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidProfileError, match="cannot be read"):
            read_profile(tmp_path / "nowhere.json")

    def test_everything_unknown_is_reported(self) -> None:
        profile = Profile(
            name="ours",
            claims=("clocks",),
            answers={"CXN-OPEN-099": "yes", "CXN-OPEN-002": "maybe"},
            known_failures={"story/none": "why", "story/accept": " "},
        )
        with pytest.raises(InvalidProfileError) as refused:
            run(ReferenceSystem, profile)
        message = str(refused.value)
        assert message.startswith(
            "The profile of ours is not valid: there is no capability 'clocks' ("
        )
        assert "there is no open point 'CXN-OPEN-099' (CXN-OPEN-001, " in message
        assert "CXN-OPEN-002 has no answer 'maybe' (hidden, refused)" in message
        assert "there is no vector 'story/none'" in message
        assert message.endswith("the known failure 'story/accept' has no reason.")

    @pytest.mark.parametrize("capability", ["history", "expected-version"])
    def test_a_capability_that_depends_on_another(self, capability: str) -> None:
        """It cannot be claimed alone, because it would not be tested."""
        with pytest.raises(
            InvalidProfileError, match=f"'{capability}' cannot be claimed without 'versions'"
        ):
            run(ReferenceSystem, Profile(claims=(capability,)))

    def test_a_known_failure_may_be_a_vector_of_ones_own(self) -> None:
        mine = [each.model_copy(update={"id": "mine/first"}) for each in ACCEPT]
        profile = Profile(known_failures={"mine/first": "why"})
        assert run(ReferenceSystem, profile, among=mine).exit_code == 1


# --- Reports -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mixed() -> Report:
    """A report with every kind of result, an exploration and hostile text."""

    class Mixed(Raises):
        def read(self, *, by: str, connection: str) -> Answer:
            answer = super().read(by=by, connection=connection)
            if answer.state is not None and answer.state["name"] == "Another":
                return answer
            return Answer(answer.outcome, state={**(answer.state or {}), "name": "\x00<b>"})

    profile = Profile(
        name="<ours> & theirs",
        claims=("named-source",),
        known_failures={"story/accept": "no reads", "scopes/refused/empty": "it passes"},
    )
    found = run(Mixed, profile, among=select(["transition", "story", "history", "scopes"]))
    exploration = explore(Mixed, profile, examples=5, steps=5, seed=1)
    return Report(found.profile, found.specification, found.results, found.answers, exploration)


class TestReports:
    """The formats for programs, for continuous integration, and for people."""

    def test_json(self, mixed: Report) -> None:
        written = json.loads(report_json(mixed))
        assert written == report_dict(mixed)
        assert written["implementation"] == "<ours> & theirs"
        assert written["conforms"] is False
        assert written["sentence"] == mixed.sentence()
        assert set(written["counts"]) == {each.value for each in Result}
        assert sum(written["counts"].values()) == len(written["vectors"])
        assert [each["id"] for each in written["requirements"]] == [
            each.id for each in load_specification().requirements
        ]
        failed = next(each for each in written["vectors"] if each["result"] == "fail")
        assert failed["expected"]
        assert failed["exchanges"][0]["call"].startswith("org_Source creates main")
        passed = next(each for each in written["vectors"] if each["result"] == "pass")
        assert set(passed) == {"id", "result", "requirements"}
        assert written["exploration"]["result"] == "fail"
        assert written["exploration"]["vector"]["id"].startswith("found/")

    def test_json_of_a_run_without_an_exploration(self) -> None:
        written = report_dict(run(ReferenceSystem, among=ACCEPT))
        assert written["exploration"] is None
        assert written["conforms"] is True

    def test_junit(self, mixed: Report) -> None:
        suite = ET.fromstring(report_junit(mixed))  # noqa: S314  # our own text
        cases = {f"{case.get('classname')}/{case.get('name')}": case for case in suite}
        assert len(cases) == len(mixed.results) + 1
        assert suite.get("tests") == str(len(cases))
        kinds = {
            Result.PASS: [],
            Result.FAIL: ["failure"],
            Result.ERROR: ["error"],
            Result.UNEXPECTED_PASS: ["failure"],
            Result.COULD_NOT_TEST: ["failure"],
            Result.KNOWN_FAILURE: ["skipped"],
            Result.NOT_CLAIMED: ["skipped"],
        }
        seen = set[Result]()
        for each in mixed.results:
            case = cases[each.vector.id]
            assert [child.tag for child in case] == kinds[each.result]
            seen.add(each.result)
        assert seen >= {Result.FAIL, Result.UNEXPECTED_PASS, Result.KNOWN_FAILURE}
        xml = ET.tostring(suite, "unicode")
        assert "\\x00" in xml or "u0000" in xml
        for attribute, tag in (
            ("failures", "failure"),
            ("errors", "error"),
            ("skipped", "skipped"),
        ):
            assert suite.get(attribute) == str(len(suite.findall(f"testcase/{tag}")))

    def test_html(self, mixed: Report) -> None:
        page = report_html(mixed)
        HTMLParser().feed(page)
        assert "&lt;ours&gt; &amp; theirs does not conform" in page
        assert "<b>" not in page
        assert "<script" not in page
        assert "http" not in page.replace("HTTP", "").replace("https", "")
        for each in load_specification().requirements:
            assert f'<tr id="{each.id}">' in page
        assert "Vectors that did not pass" in page
        assert "<code>pending</code>" in page
        assert "<em>both</em>" in page
        assert "Exploration 5x5 (seed 1) found a fault." in page
        assert mixed.exploration is not None
        assert mixed.exploration.finding is not None
        assert f"<code>{mixed.exploration.finding.vector.id}</code>" in page

    def test_html_describes_each_failure(self, mixed: Report) -> None:
        page = report_html(mixed)
        described = re.findall(
            r'<h3><span class="result result-(\S+)">\1</span> <code>(.+?)</code></h3>\n'
            r"<pre>(.*?)</pre>",
            page,
            re.DOTALL,
        )
        found = [unescape(f"{vector}: {result}\n{text}") for result, vector, text in described]
        assert mixed.exploration is not None
        assert found == [
            *(
                each.describe()
                for each in mixed.results
                if each.result not in (Result.PASS, Result.NOT_CLAIMED)
            ),
            mixed.exploration.describe(),
        ]

    def test_html_of_a_pass(self) -> None:
        page = report_html(run(ReferenceSystem))
        assert 'class="verdict conforms"><strong>Conforms</strong>' in page
        assert "Vectors that did not pass" not in page
        assert "Exploration" not in page
        assert "<td>role-first</td>\n<td>Wrong role and wrong status at once</td>" in page

    def test_html_when_nothing_was_tested(self) -> None:
        page = report_html(run(ReferenceSystem, among=[]))
        assert 'class="verdict not-tested"><strong>Not tested</strong>' in page
        untested = len(load_specification().requirements)
        assert page.count('<td class="vectors">\nnone\n</td>') == untested

    def test_html_of_an_exploration_without_a_fault(self) -> None:
        page = explored_page(Exploration(1, 2, 3, Result.PASS))
        assert "<p>Exploration 1x2 (seed 3) found nothing.</p>" in page
        assert "<pre>" not in page
        assert "not reached" not in page

    def test_html_of_an_exploration_that_did_not_reach_everything(self) -> None:
        page = explored_page(explore(ReferenceSystem, examples=1, steps=1, seed=1))
        assert "did not reach" in page
        assert "<li>active/create/source</li>" in page

    def test_html_of_an_exploration_that_ended_in_an_error(self) -> None:
        page = explored_page(Exploration(1, 2, 3, Result.ERROR, reason="KeyError: 'Main'"))
        assert "<p>Exploration 1x2 (seed 3) found an error: KeyError: &#39;Main&#39;.</p>" in page
        assert "<pre>" not in page

    def test_hostile_text_in_html(self) -> None:
        """No text in the page is markup, invisible, or impossible to encode as UTF-8."""
        hostile = "</title><script>alert(\"1\")</script> <img src=x onerror='1'> {{ 7 * 7 }}"
        unshown = "\x00\x1b\x85\u202e\ufeff\uffff"

        class Hostile(ReferenceSystem):
            def share(self, *, by: str, connection: str, scope: str) -> Answer:
                raise ValueError(f"{hostile}{unshown}\ud800 {by} {connection} {scope}")

        page = report_html(run(Hostile, Profile(name=f"{hostile}{unshown}"), among=ACCEPT))
        assert "\\x00\\x1b\\x85\\u202e\\ufeff\\uffff\\ud800" in page
        assert not set(page) & set(unshown)
        page.encode()
        assert Tags.of(page) == Tags.of(report_html(run(Raises, among=ACCEPT)))
        assert (
            unescape(page).count(hostile) == 4
        )  # the title, the heading, the verdict, the failure

    def test_the_structure_of_the_page(self, mixed: Report) -> None:
        """It has a language, one main heading, landmarks, and table headers with a scope."""
        page = report_html(mixed)
        assert page.startswith('<!doctype html>\n<html lang="en">')
        tags = Tags.of(page)
        for tag in ("title", "h1", "header", "nav", "main"):
            assert tags.count(tag) == 1, tag
        assert tags.count("table") == 2
        assert set(re.findall("<th( .*?)>", page)) == {
            ' scope="col"',
            ' scope="row"',
            ' scope="rowgroup" colspan="4"',
        }
        for target in re.findall('href="#(.+?)"', page):
            assert page.count(f'id="{target}"') == 1
        ids = re.findall(' id="(.+?)"', page)
        assert len(ids) == len(set(ids))

    def test_importing_the_kit_does_not_import_jinja2(self) -> None:
        code = "import connect_core.conformance, sys; assert 'jinja2' not in sys.modules"
        subprocess.run([sys.executable, "-c", code], check=True)  # noqa: S603  # our own interpreter


class Tags(HTMLParser):
    """The tags of a page, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    @classmethod
    def of(cls, page: str) -> list[str]:
        tags = cls()
        tags.feed(page)
        return tags.found

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002  # as the parser's
        self.found.append(tag)


def explored_page(found: Exploration) -> str:
    """The page of a run that passed, with this exploration."""
    passed = run(ReferenceSystem, among=ACCEPT)
    return report_html(Report(passed.profile, passed.specification, passed.results, {}, found))


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


def test_every_call_in_words() -> None:
    """The failures have calls of every kind."""
    failed = [*run(Stateless).results, *run(FAULTS["SharesForEver"]).results]
    calls = {exchange.call for each in failed for exchange in each.exchanges}
    for words in (
        "org_Source creates main to org_Destination",
        "org_Destination creates main from org_Source to org_Destination with ",
        "org_Source creates main to org_Source with ",
        "org_Source creates main from the document {",
        "org_Destination activates main, expecting version 1",
        "org_Outsider looks at main",
        'org_Destination reads data of "account.read" through main',
    ):
        assert any(each.startswith(words) for each in calls), words


@pytest.mark.parametrize(
    ("scope", "shown"), [("x" * 158, "x" * 158 + '"'), ("x" * 159, "x" * 156 + "...")]
)
def test_long_values_are_shortened(scope: str, shown: str) -> None:
    step = ShareStep(by="org_A", connection="main", scope=scope, accept=ACCEPT[0].steps[0].accept)
    assert call_in_words(step) == f'org_A reads data of "{shown} through main'


def test_all_vectors_are_loaded_once() -> None:
    assert load_vectors() is load_vectors()
