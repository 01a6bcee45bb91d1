"""An execution: which answers conform to a step, and what is reported of those that do not."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from faults import FAULTS
from subjects import ACCEPT

from connect_core.conformance import (
    Answer,
    Outcome,
    Profile,
    ReferenceSystem,
    Result,
    Vector,
    load_vectors,
    run,
    select,
)
from connect_core.conformance.execution import Execution, NotPermittedError
from connect_core.conformance.profile import Answers
from connect_core.conformance.results import FAILING
from connect_core.conformance.subject import Reading
from connect_core.conformance.vectors import (
    VARIANTS,
    Alternative,
    Check,
    CreateStep,
    ShareStep,
)
from connect_core.conformance.wording import call_in_words
from connect_core.history import as_timestamp, format_timestamp


def first(patterns: list[str]) -> list[Vector]:
    """The vectors of the first version of the specification that match."""
    return [each for each in select(patterns) if each.since == "1.0"]


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
        ({"created_at": "\u0662026-01-01T00:00:00.000Z"}, "times", "created_at is"),
        ({"created_at": "2026-01-01T00:00:00.000Z\n"}, "times", "created_at is"),
        ({"created_at": "2026-01-01T00:00:60.000Z"}, "times", "created_at is"),
        ({"created_at": "2026-02-30T00:00:00.000Z"}, "times", "created_at is"),
        ({"created_at": "2026-01-01t00:00:00.000z"}, "times", "created_at is"),
        ({"created_at": "0001-01-01T23:59:59.999Z"}, "times", "created_at is"),
        ({"updated_at": "9999-12-31T00:00:00.000Z"}, "times", "updated_at is"),
        ({"document": {}}, "documents/written", "document is {}, not"),
        ({"document": "{}"}, "documents/written", 'document is "{}", not'),
    ],
)
def test_states_that_are_wrong(state: dict[str, object], about: str, observed: str) -> None:
    report = run(lambda: Lies(**state), among=select([about]))
    failed = [each for each in report.results if each.result in FAILING]
    assert failed
    assert observed in failed[0].observed


@pytest.mark.parametrize(
    "times",
    [("0001-01-02T00:00:00.000Z",) * 2, ("2018-06-01T00:00:00.000Z", "9999-12-30T23:59:59.999Z")],
)
def test_the_first_and_the_last_time_are_times(times: tuple[str, str]) -> None:
    created_at, updated_at = times
    lies = run(lambda: Lies(created_at=created_at, updated_at=updated_at), among=first(["times"]))
    assert lies.passed


@pytest.mark.parametrize("length", [255, 256])
def test_the_length_of_a_connections_id(length: int) -> None:
    class Long(ReferenceSystem):
        def create(self, **call: Any) -> Answer:
            answer = super().create(**call)
            assert answer.connection is not None
            long = answer.connection.ljust(length, "x")
            self._connections[long] = self._connections.pop(answer.connection)
            self._events[long] = self._events.pop(answer.connection)
            return replace(answer, connection=long)

    report = run(Long, among=select(["story/accept"]))
    assert report.passed is (length == 255)
    (found,) = report.results
    assert found.observed.endswith("the Connection's id has 256 characters") is (length == 256)


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

    others = [each for each in load_vectors() if "history" not in each.needs]
    assert run(Reversed, among=others).passed
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

    assert run(changed(more), among=select(["history"])).passed
    assert not run(changed(less), among=select(["history"])).passed


def test_a_document_must_have_every_member() -> None:
    def less(state: dict[str, Any]) -> None:
        state["document"]["data"]["attributes"].pop("name")

    assert run(changed(less), among=first(["documents/written"])).counts() == {Result.FAIL: 8}


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
    assert report.passed is (given == "")


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
    assert run(Untyped, among=select(["history"])).passed
    hidden = Profile(answers={"CXN-OPEN-002": "hidden"})
    for found in run(Untyped, hidden, among=first(["outsider"])).results:
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
        "the HTTP status is None, not 404",
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

    report = run(Timeless, among=first(["times"]))
    (about, *_) = {each.observed.rpartition(": ")[2] for each in report.results}
    assert about.startswith("created_at is missing, and was ")
    never = run(lambda: Lies(created_at=None), among=first(["times"])).results[0]
    assert never.result is Result.FAIL


@pytest.mark.parametrize(
    ("moved", "wrong"),
    [(timedelta(0), False), (timedelta(seconds=50), False), (timedelta(seconds=70), True)],
)
@pytest.mark.parametrize("sign", [1, -1])
def test_real_times(moved: timedelta, wrong: bool, sign: int) -> None:
    """A clock may be wrong by a minute."""

    class Moves(ReferenceSystem):
        def read(self, *, by: str, connection: str) -> Answer:
            answer = super().read(by=by, connection=connection)
            state = dict(answer.state or {})
            for each in ("created_at", "updated_at"):
                time = as_timestamp(str(state[each])) + sign * moved
                state[each] = format_timestamp(time)
            return replace(answer, state={**state, "document": None})

    report = run(Moves, among=select(["times/real/destination"]))
    assert report.passed is not wrong
    assert not wrong or report.results[0].blamed[0] in ("CXN-TIME-001", "CXN-TIME-002")


def test_times_that_move_backwards() -> None:
    """Later than a minute ago, but before what the last read showed."""

    class Backwards(ReferenceSystem):
        def read(self, *, by: str, connection: str) -> Answer:
            answer = super().read(by=by, connection=connection)
            state = dict(answer.state or {})
            late = as_timestamp(str(state["updated_at"])) - timedelta(seconds=int(state["version"]))  # type: ignore[call-overload]
            return replace(answer, state={**state, "updated_at": format_timestamp(late)})

    report = run(Backwards, among=first(["times"]))
    assert {each.blamed for each in report.results} == {("CXN-PERM-005",)}
    assert ", and was " in report.results[0].observed


def test_times_that_stand_still() -> None:
    class Still(ReferenceSystem):
        def read(self, *, by: str, connection: str) -> Answer:
            answer = super().read(by=by, connection=connection)
            state = dict(answer.state or {})
            return replace(answer, state={**state, "updated_at": state["created_at"]})

    (found,) = run(Still, among=select(["times/real/destination"])).results
    assert found.blamed == ("CXN-TIME-003", "CXN-PERM-004")
    assert "updated_at is" in found.observed
    assert ", not later than " in found.observed
    assert found.expected == "ok (created_at as it was, updated_at later)"


def test_the_times_of_a_document_are_those_of_the_state() -> None:
    class Other(ReferenceSystem):
        def read(self, *, by: str, connection: str) -> Answer:
            answer = super().read(by=by, connection=connection)
            state: dict[str, Any] = json.loads(json.dumps(answer.state))
            state["document"]["data"]["attributes"]["updated-at"] = "2026-01-01T00:00:00.000Z"
            return replace(answer, state=state)

    report = run(Other, among=select(["documents/written"]))
    blamed = {each for result in report.results for each in result.blamed}
    assert blamed == {"CXN-DOCS-008"}


@pytest.mark.parametrize("variant", VARIANTS)
def test_variants_of_an_id(variant: str) -> None:
    """A variant that is the id of a Connection after all is not sent."""
    ids = iter(["cxn_aB0-1-and-a-few-characters", "cxn_other"])
    sent: list[str] = []

    class Numbered(ReferenceSystem):
        def create(self, **call: Any) -> Answer:
            answer = super().create(**call)
            made = next(ids)
            self._connections[made] = self._connections.pop(str(answer.connection))
            return replace(answer, connection=made)

        def read(self, **call: Any) -> Answer:
            sent.append(call["connection"])
            return Answer(Outcome.NOT_FOUND)

    execution = Execution(Numbered(), Answers({}))
    for name, to in (("main", "org_B"), ("other", "org_C")):
        ok = (Alternative(outcome=Outcome.OK),)
        execution.perform(CreateStep(by="org_A", connection=name, destination=to, accept=ok))
    refused = (Alternative(outcome=Outcome.NOT_FOUND),)
    execution.read(Check(by="org_A", connection="main", variant=variant, accept=refused))
    assert len(sent) == 1
    assert sent != ["cxn_aB0-1-and-a-few-characters"]
    same = Check(by="org_A", connection="other", variant="lower-case", accept=refused)
    assert execution.read(same) == refused[0]
    assert len(sent) == 1


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


class TestReadings:
    """An answer that can mean several outcomes is permitted if one of them is."""

    ROLE = Reading(Outcome.WRONG_ROLE, {"CXN-OPEN-007": ("409",)})
    STATUS = Reading(Outcome.WRONG_STATUS, {"CXN-OPEN-003": ("409",)})
    CHECK = Check(
        by="org_A",
        connection="main",
        accept=(
            Alternative(outcome=Outcome.WRONG_ROLE, answers={"CXN-OPEN-001": ("role-first",)}),
            Alternative(outcome=Outcome.WRONG_STATUS, answers={"CXN-OPEN-001": ("status-first",)}),
        ),
    )

    def _judge(self, answers: Answers, *readings: Reading) -> Alternative:
        answer = Answer(readings[0].outcome, http=409, readings=readings)
        return Execution(ReferenceSystem(), answers).judge(self.CHECK, answer)

    def test_either_is_possible(self) -> None:
        answers = Answers({})
        assert self._judge(answers, self.STATUS, self.ROLE).outcome is Outcome.WRONG_ROLE  # ours
        assert len(answers.left()["CXN-OPEN-001"]) == 2
        answers.narrow({"CXN-OPEN-003": ("403",)})
        assert answers.left()["CXN-OPEN-001"] == ["role-first"]
        assert answers.left()["CXN-OPEN-007"] == ["409"]

    def test_what_is_excluded_does_not_count(self) -> None:
        answers = Answers({"CXN-OPEN-001": "role-first", "CXN-OPEN-007": "403"})
        with pytest.raises(NotPermittedError) as refused:
            self._judge(answers, self.STATUS, self.ROLE)
        assert refused.value.observed.startswith("wrong-status or wrong-role (HTTP 409): ")
        assert refused.value.observed.endswith("CXN-OPEN-001 is answered by role-first elsewhere")

    def test_none_is_permitted(self) -> None:
        with pytest.raises(NotPermittedError, match="the outcome is stale or not-found"):
            self._judge(Answers({}), Reading(Outcome.STALE), Reading(Outcome.NOT_FOUND))

    def test_both_say_something_of_a_point(self) -> None:
        """Both have to agree."""
        due = Alternative(
            outcome=Outcome.WRONG_ROLE, answers={"CXN-OPEN-007": ("403", "409")}, http=409
        )
        check = self.CHECK.model_copy(update={"accept": (due,)})
        answers = Answers({})
        execution = Execution(ReferenceSystem(), answers)
        answer = Answer(Outcome.WRONG_ROLE, http=409, readings=(self.ROLE, self.STATUS))
        execution.judge(check, answer)
        assert answers.left()["CXN-OPEN-007"] == ["409"]
