"""Traces: the calls of one random run, and what a faulty run leaves: a counterexample.

A `Trace` makes calls to a fresh system, with a model beside it that says which answers are
permitted. A trace that ends in an answer that is not permitted becomes a `Counterexample`: a
vector that fails again.

This module does not choose the calls: `connect_core.conformance.random_run` does. It makes no
counterexample shorter: `connect_core.conformance.shrinking` does.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Final, NamedTuple

from connect_core.conformance.execution import (
    BrokenSystemError,
    Execution,
    NotPermittedError,
    UnsupportedError,
)
from connect_core.conformance.model import TERMS, Model, continued_with
from connect_core.conformance.permitted import status_requirement, with_statuses
from connect_core.conformance.profile import Answers, Profile
from connect_core.conformance.results import VectorResult
from connect_core.conformance.runner import MakeSystem, result_of
from connect_core.conformance.scenario import as_step
from connect_core.conformance.specification import load_specification
from connect_core.conformance.subject import Answer, Outcome
from connect_core.conformance.vectors import (
    Alternative,
    AnyStep,
    ReadStep,
    ShareStep,
    Vector,
    needs_of,
)


class OutOfTimeError(Exception):
    """The time that the traces may take is up."""


class UnmadeError(Exception):
    """`make_system` failed, for this `cause`."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(cause)
        self.cause = cause


@dataclass
class Search:
    """What all traces of one exploration share.

    Attributes:
        make_system: makes a fresh system.
        profile: the profile of the implementation.
        answers: the answers to open points that were possible at the beginning.
        seconds: how long the traces may take together; None if there is no limit. Once there is a
            counterexample, they may take as long again, to shrink it.
        on_call: called after each call.
    """

    make_system: MakeSystem
    profile: Profile
    answers: Answers
    seconds: float | None
    on_call: Callable[[], object] = lambda: None
    _begun: float = field(default_factory=lambda: time.monotonic(), init=False)

    def check_time(self) -> None:
        """Raise an `OutOfTimeError` if the time is up."""
        if self.seconds is not None and time.monotonic() - self._begun >= self.seconds:
            raise OutOfTimeError

    def begin_anew(self) -> None:
        """Count the time from now on."""
        self._begun = time.monotonic()


class Counterexample(NamedTuple):
    """A trace that ended in an answer that is not permitted, or in an exception.

    Attributes:
        result: the trace as a vector, with its result.
        steps: the calls of the trace, the last of them the one with the wrong answer.
    """

    result: VectorResult
    steps: tuple[AnyStep, ...]


class FoundError(Exception):
    """A trace found something: its `counterexample`."""

    def __init__(self, counterexample: Counterexample) -> None:
        super().__init__(counterexample.result.describe())
        self.counterexample = counterexample


class Trace:
    """The calls to one fresh system. Mutable. Use it as a context manager: it closes the system.

    Args:
        search: what the traces share.
        statuses: whether HTTP statuses are compared, where they are claimed.

    Raises:
        OutOfTimeError: the time is up.
        UnmadeError: `make_system` failed.
        BrokenSystemError: the system cannot be called any more.
        FoundError: on leaving the context: the system failed to close.
    """

    def __init__(self, search: Search, *, statuses: bool = True) -> None:
        search.check_time()
        self._search = search
        self._statuses = statuses and "http" in search.profile.claims
        self._steps: list[AnyStep] = []
        #: The version that a read of each Connection last showed the times of.
        self._timed: dict[str, int] = {}
        self.model = Model()
        try:
            self._system = search.make_system()
        except BrokenSystemError:
            raise
        except Exception as error:
            raise UnmadeError(error) from error
        #: The answers to open points that agree with everything observed so far.
        self.answers = search.answers.copy()
        self._execution = Execution(self._system, self.answers)

    def __enter__(self) -> "Trace":
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if error is not None:
            with suppress(Exception):
                self._system.close()
            return
        try:
            self._system.close()
        except BrokenSystemError:
            raise
        except Exception as failure:
            if self._steps:
                raise FoundError(self._counterexample(failure, "close")) from failure

    def do(self, step: AnyStep) -> Alternative | None:
        """Make a call, and follow its answer.

        Return the answer, or None if the transport cannot make the call, which is then left out.

        Raises:
            FoundError: an answer is not permitted, or the implementation failed.
            BrokenSystemError: what the system returned is not an answer.
            OutOfTimeError: the time is up.
        """
        self._search.check_time()
        step = with_statuses(step) if self._statuses else step
        self._steps.append(step)
        try:
            answer = self._execution.perform(step)
        except BrokenSystemError as error:
            raise self._with_steps(error) from error
        except Exception as error:
            if isinstance(error, UnsupportedError) and error.reason:
                self._steps.pop()
                return None
            if isinstance(error, NotPermittedError):
                error = self._narrowed(step, error)
            raise FoundError(self._counterexample(error)) from error
        self._steps[-1] = continued_with(step, answer)
        self.model.follow(step, answer)
        self._search.on_call()
        return answer

    def read(self, name: str, by: str) -> Alternative | None:
        """Read all of a Connection's state that is claimed; result and errors as `do`."""
        claims = self._search.profile.claims
        members = ["status", *TERMS, "scopes"]
        members += ["version"] if "versions" in claims else []
        members += ["events"] if {"versions", "history"} <= set(claims) else []
        members += ["document"] if "documents" in claims else []
        times = ["created_at", "updated_at"] if "times" in claims else []
        version = self.model.connection(name).version
        same = self._timed.get(name) == version
        check = self.model.read(
            name,
            by=by,
            members=[*members, *times],
            requirements=("CXN-PERM-002",),
            unchanged=times if same else times[:1],
            not_before=() if same else times[1:],
        )
        answer = self.do(as_step(check))
        if answer is not None and answer.outcome is Outcome.OK:
            self._timed[name] = version
        return answer

    # --- Faults ---

    def _with_steps(self, error: BrokenSystemError) -> BrokenSystemError:
        """The error, with the calls so far if the transport keeps no transcript."""
        if not error.transcript:
            error.transcript = [f"> {each.call}" for each in self._execution.exchanges[-20:]]
        return error

    def _narrowed(self, step: AnyStep, error: NotPermittedError) -> NotPermittedError:
        """The same fault, as one of the least part of the answer that is wrong."""
        if error.check.requirements != step.requirements:  # it is about every refusal
            return self._blaming(step, error, error.check.requirements)
        if any(each.http is not None for each in step.accept):
            plain = _without_statuses(step)
            failure = self._failure(plain, error.answer)
            if failure is None:
                told = status_requirement(step, error.answer)
                return self._blaming(step, error, (told,))
            step, error = plain, failure
        shown = error.answer.outcome in {each.outcome for each in step.accept}
        wrong = [
            (member, each, narrower)
            for member, each in (_single_members(step) if shown else ())
            if (narrower := self._failure(each, error.answer)) is not None
        ]
        if wrong:
            member, each, narrower = wrong[0]
            return self._blaming(each, narrower, self._member_requirements(member, each))
        return self._blaming(step, error, step.requirements)

    def _failure(self, step: AnyStep, answer: Answer) -> NotPermittedError | None:
        """Why an answer is not permitted; None if it is."""
        try:
            self._execution.judge(step, answer)
        except NotPermittedError as error:
            return error
        return None

    def _blaming(
        self, step: AnyStep, error: NotPermittedError, requirements: tuple[str, ...]
    ) -> NotPermittedError:
        """The same fault, with these requirements; the step is the last of the trace."""
        self._steps[-1] = step.model_copy(update={"requirements": requirements})
        return NotPermittedError(self._steps[-1], error.answer, error.expected, error.observed)

    def _member_requirements(self, member: str, step: AnyStep) -> tuple[str, ...]:
        """The requirements that a wrong member of a state violates."""
        if member not in ("status", "scopes", "updated_at"):
            return (_MEMBERS[member],)
        last = next((each for each in self._steps[-2::-1] if not isinstance(each, ReadStep)), step)
        if last.connection != step.connection:
            return ("CXN-ISOL-001",)
        if last.accept[0].outcome is not Outcome.OK or isinstance(last, ShareStep):
            return ("CXN-REFU-001",) if member != "updated_at" else ("CXN-PERM-005",)
        return last.requirements if member == "status" else (_MEMBERS[member],)

    def _counterexample(self, error: Exception, failed: str = "") -> Counterexample:
        steps = list(self._steps)
        vector = vector_of(steps)
        found = result_of(error, vector, self._execution.exchanges, self._search.profile, failed)
        return Counterexample(replace(found, met=frozenset(self._execution.met)), tuple(steps))


#: The requirement that a wrong member of a state violates, whatever was done before.
_MEMBERS: Final = {
    **dict.fromkeys(TERMS, "CXN-PERM-001"),
    "scopes": "CXN-SCOP-006",
    "version": "CXN-VERS-002",
    "events": "CXN-HIST-001",
    "created_at": "CXN-PERM-004",
    "updated_at": "CXN-PERM-005",
    "document": "CXN-DOCS-005",
}
#: Changes an alternative into one that expects nothing of the state.
_NO_EXPECTATIONS: Final[dict[str, object]] = {"state": {}, "unchanged": (), "not_before": ()}


def vector_of(steps: Sequence[AnyStep]) -> Vector:
    """The calls of a trace as a vector."""
    return Vector.of(
        f"found/{sha256(repr(steps).encode()).hexdigest()[:8]}",
        "a story that the exploration found",
        load_specification().version,
        steps,
        _needs(steps),
    )


def _without_statuses(step: AnyStep) -> AnyStep:
    """The same call with no HTTP statuses, nor what they say of open points."""
    accept: list[Alternative] = []
    for each in step.accept:
        answers = {
            point: chosen
            for point, chosen in each.answers.items()
            if point not in ("CXN-OPEN-003", "CXN-OPEN-007")
        }
        plain = each.model_copy(update={"http": None, "answers": answers})
        accept += [plain] if plain not in accept else []
    return step.model_copy(update={"accept": tuple(accept)})


def _single_members(step: AnyStep) -> Iterator[tuple[str, AnyStep]]:
    """Each member of the state that a read compares, with the same read of this one alone."""
    first, *_ = step.accept
    for member in first.state:
        due = [
            each.model_copy(update={**_NO_EXPECTATIONS, "state": {member: each.state[member]}})
            for each in step.accept
            if member in each.state
        ]
        if member not in ("scopes", "document"):  # only these depend on an open point
            due = [each.model_copy(update={"answers": {}}) for each in due[:1]]
        yield member, step.model_copy(update={"accept": tuple(due)})
    for kind in ("unchanged", "not_before"):
        for member in getattr(first, kind):
            due = [first.model_copy(update={**_NO_EXPECTATIONS, "answers": {}, kind: (member,)})]
            yield member, step.model_copy(update={"accept": tuple(due)})


def _needs(steps: Iterable[AnyStep]) -> tuple[str, ...]:
    """The capabilities that these steps need, in the order of the specification."""
    needed: set[str] = set()
    for step in steps:
        needed.update(needs_of(step))
        for each in step.accept:
            members = {*each.state, *each.unchanged, *each.not_before}
            needed.update(_OF_MEMBERS[member] for member in members if member in _OF_MEMBERS)
            needed.update({"http"} if each.http is not None else ())
    needed |= {"versions"} if needed & {"expected-version", "history"} else set()
    return tuple(each for each in load_specification().capabilities if each in needed)


#: The capability that a member of the state needs.
_OF_MEMBERS: Final = {
    "version": "versions",
    "events": "history",
    "created_at": "times",
    "updated_at": "times",
    "document": "documents",
}

#: The name of a Connection that no call creates.
NOTHING: Final = "nothing"
