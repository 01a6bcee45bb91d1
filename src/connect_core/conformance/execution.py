"""One execution: makes calls to a fresh system and compares the answers with the permitted ones.

The runner executes vectors; the exploration executes steps of its own. An execution does not know
the rules: each step comes with its permitted answers. It does not decide on a result either; that
is the runner's task.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import product
from typing import Final, NamedTuple, cast

from connect_core.conformance.profile import Answers
from connect_core.conformance.subject import Answer, Choices, Outcome, Reading, State, System
from connect_core.conformance.tracebacks import error_in_words
from connect_core.conformance.vectors import (
    CREATED_PLACE,
    ID_PLACE,
    NOW_PLACE,
    TIME_PLACE,
    UPDATED_PLACE,
    VARIANTS,
    ActStep,
    Alternative,
    AnyStep,
    Check,
    CreateStep,
    ShareStep,
    absent_id,
)
from connect_core.conformance.wording import (
    MISSING,
    alternative_in_words,
    answer_in_words,
    as_json,
    call_in_words,
    outcome_in_words,
)
from connect_core.history import as_timestamp, format_timestamp, utc_now
from connect_core.identifiers import MAX_ID_LENGTH
from connect_core.text import quoted

#: The placeholders for a time that is a member of the state, each with that member.
_MEMBERS: Final = {CREATED_PLACE: "created_at", UPDATED_PLACE: "updated_at"}
#: How far a time may be from the real one.
_WRONG_CLOCK: Final = timedelta(minutes=1)


class Exchange(NamedTuple):
    """One call and its answer.

    Attributes:
        check: the call and its permitted answers.
        given: the answer that the system gave; None if it failed instead.
        failure: how it failed, in words; empty if it gave an answer.
    """

    check: Check
    given: Answer | None
    failure: str = ""

    @property
    def call(self) -> str:
        """The call in words."""
        return call_in_words(self.check)

    @property
    def answer(self) -> str:
        """The answer in words, or how the call failed."""
        return self.failure if self.given is None else answer_in_words(self.given)

    @property
    def is_look(self) -> bool:
        """True if the call only reads a Connection's state."""
        return not isinstance(self.check, (CreateStep, ActStep, ShareStep))


class NotPermittedError(Exception):
    """An answer is not permitted.

    Attributes:
        check: the call and its permitted answers.
        answer: the answer that the system gave.
        expected: the permitted answers, in words.
        observed: the answer in words, and what is wrong with it.
    """

    def __init__(self, check: Check, answer: Answer, expected: str, observed: str) -> None:
        super().__init__(check, answer, expected, observed)
        self.check = check
        self.answer = answer
        self.expected = expected
        self.observed = observed


class UnsupportedError(Exception):
    """The system does not support a call.

    Attributes:
        check: the call and its permitted answers.
        reason: why the transport cannot make it; empty if it is the implementation that does not
            support it.
    """

    def __init__(self, check: Check, reason: str = "") -> None:
        super().__init__(check, reason)
        self.check = check
        self.reason = reason


class BrokenSystemError(Exception):
    """The system breaks the protocol of `System`: what it returned is not an answer at all.

    Attributes:
        transcript: if it is a process, the last lines that were sent and received, and what it
            wrote to its standard error.
    """

    transcript: Sequence[str] = ()


class ImplementationError(Exception):
    """An implementation in another process answered that it failed for internal reasons."""


class Execution:
    """The calls of one execution. Mutable; use it once.

    Args:
        system: a fresh system.
        answers: the answers to open points that are still possible; each answer narrows them.
    """

    def __init__(self, system: System, answers: Answers) -> None:
        self._system = system
        self._answers = answers
        self._began = utc_now()
        self._ids: dict[str, str] = {}
        #: The last states read before the current step, and those read since it began.
        self._before: dict[str, Mapping[str, object]] = {}
        self._since: dict[str, Mapping[str, object]] = {}
        #: The exchanges so far, oldest first.
        self.exchanges: list[Exchange] = []
        #: The requirements of the calls that had a permitted answer.
        self.met: set[str] = set()
        #: Why calls were left out that the transport cannot make.
        self.left_out: list[str] = []

    def perform(self, step: AnyStep) -> Alternative:
        """Make the call of a step, and its read-backs; return the alternative that it matched.

        A call that changes nothing is left out if the transport cannot make it: then ours, the
        first, is returned.

        Raises:
            NotPermittedError: an answer is not permitted.
            UnsupportedError: the system does not support a call, or the transport cannot make it
                and it would change something.
            BrokenSystemError: what the system returned is not an answer.
            Exception: whatever the system raised. The call is the last of the exchanges.
        """
        self._before |= self._since
        if isinstance(step, ActStep) and step.pause:
            time.sleep(step.pause / 1000)
        matched = self.read(step)
        for check in () if matched.ends else step.then:
            self.read(check)
        return matched

    def read(self, check: Check) -> Alternative:
        """Make one call; return the alternative that the answer matched.

        Raises:
            NotPermittedError, UnsupportedError, BrokenSystemError: as `perform`.
        """
        if check.variant is not None and self._id_in(check) is None:
            return check.accept[0]
        try:
            return self.judge(check, self._call(check))
        except UnsupportedError as error:
            if not error.reason:
                raise
            self.left_out.append(error.reason)
            if isinstance(check, (CreateStep, ActStep)):
                raise
            return check.accept[0]

    def _call(self, check: Check) -> Answer:
        try:
            answer = self._answer(check)
        except BrokenSystemError:
            raise
        except Exception as error:
            self.exchanges.append(Exchange(check, None, f"raised {error_in_words(error)}"))
            raise
        if not isinstance(answer, Answer):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
            raise BrokenSystemError(
                f"{call_in_words(check)}: the answer is {quoted(answer)}, which is not an Answer"
            )
        self.exchanges.append(Exchange(check, answer))
        if answer.outcome == Outcome.UNSUPPORTED or _shows_nothing(check, answer):
            raise UnsupportedError(check, answer.reason)
        return answer

    def _answer(self, check: Check) -> Answer:
        if isinstance(check, CreateStep):
            if check.body is not None:
                return self._system.create(by=check.by, body=check.body)
            return self._system.create(
                by=check.by,
                destination=check.destination,
                source=check.source,
                name=check.name,
                scopes=check.scopes,
                allow_self=check.allow_self,
            )
        connection = str(self._id_in(check))
        if isinstance(check, ActStep):
            return self._system.act(
                by=check.by,
                connection=connection,
                action=check.action,
                expected_version=check.expected_version,
            )
        if isinstance(check, ShareStep):
            return self._system.share(by=check.by, connection=connection, scope=check.scope)
        return self._system.read(by=check.by, connection=connection)

    def _id_in(self, check: Check) -> str | None:
        """The id that a call names; None if a variant of it is the id of a Connection after all."""
        known = self._ids.get(check.connection, absent_id(check.connection))
        if check.variant is None:
            return known
        variant = VARIANTS[check.variant](known)
        return None if variant in self._ids.values() else variant

    def judge(self, check: Check, answer: Answer) -> Alternative:
        """Find the permitted alternative that an answer matches; the first, if it matches several.

        Raises:
            NotPermittedError: the answer matches none.
        """
        self._refuse_what_no_refusal_has(check, answer)
        closest: Sequence[str] | None = None
        matched: list[tuple[Alternative, Choices]] = []
        for alternative, reading in product(check.accept, answer.readings or (None,)):
            choices = _both(alternative.answers, reading)
            outcome = answer.outcome if reading is None else reading.outcome
            differences = list(self._differences(check, alternative, answer, outcome, choices))
            if not differences:
                matched.append((alternative, choices))
                if reading is None and not answer.unseen:
                    break  # it matches no other
            # The message is about the alternative with the same outcome, or else about the first.
            elif closest is None or alternative.outcome == outcome:
                closest = differences
        if matched:
            self._answers.narrow(*(choices for _, choices in matched))
            self._remember(check, answer)
            self.met.update(check.requirements)
            return matched[0][0]
        expected = " or ".join(alternative_in_words(each) for each in check.accept)
        observed = f"{answer_in_words(answer)}: {'; '.join(closest or ())}"
        raise NotPermittedError(check, answer, expected, observed)

    def _refuse_what_no_refusal_has(self, check: Check, answer: Answer) -> None:
        """Raise a `NotPermittedError` if a refusal says what no refusal may say."""
        wrong = requirement = ""
        if answer.outcome not in (Outcome.OK, Outcome.UNSUPPORTED):
            if answer.connection is not None or answer.state is not None:
                requirement = "CXN-REFU-004"
                wrong = "it comes with the id or the state of a Connection"
            elif answer.http is not None and not 400 <= answer.http <= 499:
                requirement, wrong = "CXN-HTTP-009", f"the HTTP status is {answer.http}"
        if wrong:
            about = check.model_copy(update={"requirements": (requirement,)})
            expected = "a refusal with its outcome alone and, if http is claimed, a status from 400"
            raise NotPermittedError(about, answer, expected, f"{answer_in_words(answer)}: {wrong}")

    def _remember(self, check: Check, answer: Answer) -> None:
        """Keep the id and the state of a Connection, to which later steps refer."""
        if answer.connection is not None:
            self._ids.setdefault(check.connection, answer.connection)
        if answer.state is not None:
            self._since[check.connection] = answer.state

    # --- Comparing an answer with an alternative ---

    def _differences(
        self,
        check: Check,
        expected: Alternative,
        answer: Answer,
        outcome: Outcome,
        choices: Choices,
    ) -> Iterator[str]:
        if outcome != expected.outcome:
            yield f"the outcome is {outcome_in_words(answer)}"
            return
        if expected.outcome is Outcome.OK and isinstance(check, CreateStep):
            yield from self._wrong_id(check, expected, answer)
        if expected.http is not None and answer.http != expected.http:
            yield f"the HTTP status is {answer.http}, not {expected.http}"
        if expected.pointers is not None and sorted(answer.pointers or ()) != sorted(
            expected.pointers
        ):
            yield f"it points to {list(answer.pointers or ())}, not to {list(expected.pointers)}"
        yield from self._wrong_state(check, expected, answer)
        contradiction = self._answers.contradiction(choices)
        if contradiction is not None:
            yield contradiction

    def _wrong_id(self, check: Check, expected: Alternative, answer: Answer) -> Iterator[str]:
        if not isinstance(answer.connection, str) or not answer.connection:
            yield f"the Connection's id is {answer.connection!r}"
        elif len(answer.connection) > MAX_ID_LENGTH:
            yield f"the Connection's id has {len(answer.connection)} characters"
        elif expected.existing:
            known = self._ids.get(check.connection)
            if answer.connection != known:
                yield f"it gives {answer.connection}, where {known} exists"
        elif answer.connection in self._ids.values():
            yield f"the id {answer.connection} is that of another Connection"

    def _wrong_state(self, check: Check, expected: Alternative, answer: Answer) -> Iterator[str]:
        state = answer.state
        if state is None:
            if expected.state or expected.unchanged or expected.not_before or expected.later:
                yield "there is no state"
            return
        last = self._before.get(check.connection, {})
        for name, value in expected.state.items():
            if name in answer.unseen:
                continue
            actual = state.get(name, MISSING)
            if not self._matches(actual, value, name, check.connection, state):
                yield f"{name} is {as_json(actual)}, not {as_json(value)}"
        for name in expected.unchanged:
            actual = state.get(name, MISSING)
            if actual != last.get(name, actual):
                yield f"{name} is {as_json(actual)}, and was {as_json(last[name])}"
            elif actual is MISSING:
                yield f"{name} is missing"
        for name in expected.not_before:
            actual, before = state.get(name, MISSING), last.get(name, "")
            if not isinstance(actual, str) or actual < str(before):
                yield f"{name} is {as_json(actual)}, and was {as_json(before)}"
        for name in expected.later:
            actual, before = state.get(name, MISSING), last.get(name, "")
            if not isinstance(actual, str) or actual <= str(before):
                yield f"{name} is {as_json(actual)}, not later than {as_json(before)}"

    def _matches(
        self, actual: object, expected: object, name: str, connection: str, state: State
    ) -> bool:
        """Whether a member of a state has the expected value. Scopes may be in any order."""
        if name == "scopes":
            actual, expected = _sorted(actual), _sorted(expected)
        places: dict[str, object] = {ID_PLACE: self._ids.get(connection)}
        places |= {place: state.get(member, MISSING) for place, member in _MEMBERS.items()}
        return self._equal(actual, expected, places, exactly=name == "document")

    def _equal(
        self, actual: object, expected: object, places: Mapping[str, object], *, exactly: bool
    ) -> bool:
        """Compare deeply, with placeholders. Objects may have more members unless `exactly`."""
        if expected == TIME_PLACE:
            return _is_time(actual)
        if expected == NOW_PLACE:
            return _is_time(actual) and _is_now(str(actual), self._began)
        if isinstance(expected, str):
            return actual == places.get(expected, expected)
        if isinstance(expected, Mapping):
            if not isinstance(actual, Mapping):
                return False
            has = cast("Mapping[str, object]", actual)
            wants = cast("Mapping[str, object]", expected)
            return (not exactly or has.keys() == wants.keys()) and all(
                name in has and self._equal(has[name], wants[name], places, exactly=exactly)
                for name in wants
            )
        if isinstance(expected, (list, tuple)):
            if not isinstance(actual, (list, tuple)):
                return False
            items, wanted = cast("Sequence[object]", actual), cast("Sequence[object]", expected)
            return len(items) == len(wanted) and all(
                self._equal(one, other, places, exactly=exactly)
                for one, other in zip(items, wanted, strict=True)
            )
        return type(actual) is type(expected) and actual == expected


def _shows_nothing(check: Check, answer: Answer) -> bool:
    """Whether the transport shows no member of the state that the check compares."""
    if not answer.unseen:
        return False
    compared = {
        member
        for each in check.accept
        for member in (*each.state, *each.unchanged, *each.not_before, *each.later)
    }
    return bool(compared) and compared <= answer.unseen


def _both(some: Choices, reading: Reading | None) -> Choices:
    """The answers to open points that agree with these, and with a reading if there is one."""
    if reading is None:
        return some
    agreeing = {
        point: tuple(each for each in answers if each in some.get(point, answers))
        for point, answers in reading.answers.items()
    }
    return {**some, **agreeing}


def _is_time(value: object) -> bool:
    """Whether it is a time in the form of documents: in UTC, with three digits after the second."""
    try:
        return isinstance(value, str) and format_timestamp(as_timestamp(value)) == value
    except ValueError:
        return False


def _is_now(value: str, since: datetime) -> bool:
    """Whether a time lies between one and the present, as far as clocks agree."""
    return since - _WRONG_CLOCK <= as_timestamp(value) <= utc_now() + _WRONG_CLOCK


def _sorted(value: object) -> object:
    """An array as sorted texts; any other value unchanged."""
    if not isinstance(value, (list, tuple)):
        return value
    return sorted(map(str, cast("Sequence[object]", value)))
