"""Traces: the calls of one random run, and the counterexample that a faulty run shrinks to.

After each call, every organization reads every Connection back. A trace that ends in an answer that
is not permitted becomes a counterexample: a vector that fails again. `shrink` leaves out the calls
that the fault does not need.

This module does not choose the calls. `connect_core.conformance.exploration` does.
"""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Final, TypeVar, cast

from connect_core.conformance.execution import (
    BrokenSystemError,
    Execution,
    NotPermittedError,
    UnsupportedError,
)
from connect_core.conformance.model import TERMS, Model, Move, continued_with
from connect_core.conformance.profile import Answers, Profile
from connect_core.conformance.results import VectorResult
from connect_core.conformance.runner import MakeSystem, result_of
from connect_core.conformance.specification import load_specification
from connect_core.conformance.subject import Outcome
from connect_core.conformance.vectors import (
    ActStep,
    Alternative,
    AnyStep,
    Check,
    CreateStep,
    ShareStep,
    Vector,
    needs_of,
)
from connect_core.lifecycle import Action

#: The organizations that take part. Two ids differ by case alone.
ORGANIZATIONS: Final = ("org_A", "org_B", "org_b")

_Result = TypeVar("_Result")


@dataclass
class Search:
    """What all traces of one exploration share.

    Attributes:
        make_system: makes a fresh system.
        profile: the profile of the implementation.
        answers: the answers to open points that were possible at the beginning.
        seconds: how long the traces may take together; None if there is no limit. Once there is a
            counterexample, they may take as long again, to repeat and shrink it.
        on_progress: called after each step and each run, with the number of runs completed so far.
        runs: this number.
        counterexample: the first counterexample, if there is one.
        broken: why the system cannot be called any more, if that is so.
        flaky: True if the same calls did not have the same effect twice.
        unmade: what `make_system` raised, if it failed.
        ended: what ended the search, if something did.
    """

    make_system: MakeSystem
    profile: Profile
    answers: Answers
    seconds: float | None
    on_progress: Callable[[int], object]
    runs: int = field(default=0, init=False)
    counterexample: "CounterexampleError | None" = field(default=None, init=False)
    broken: BrokenSystemError | None = field(default=None, init=False)
    flaky: bool = field(default=False, init=False)
    unmade: Exception | None = field(default=None, init=False)
    ended: "EndOfSearchError | None" = field(default=None, init=False)
    _begun: float = field(default_factory=lambda: time.monotonic(), init=False)
    _handled: BaseException | None = field(default_factory=sys.exception, init=False)

    def end(self, error: BaseException | None = None) -> "EndOfSearchError":
        """End the search, and return what is to be raised. Hypothesis may raise something else."""
        self.ended = EndOfSearchError(error)
        return self.ended

    def check_time(self) -> None:
        """Raise an `EndOfSearchError` if the time is up."""
        if self.seconds is not None and time.monotonic() - self._begun >= self.seconds:
            raise self.end()

    @property
    def unwinding(self) -> BaseException | None:
        """In a ``finally`` clause: the exception that ends the trace, if one does."""
        raised = sys.exception()
        return None if raised is self._handled else raised

    def report_progress(self) -> None:
        """Call `on_progress`; what that raises ends the search."""
        try:
            self.on_progress(self.runs)
        except (Exception, SystemExit) as error:
            raise self.end(error) from None

    def found(self, counterexample: "CounterexampleError") -> None:
        """Keep the first counterexample, and begin to count the time anew."""
        if self.counterexample is None:
            self.counterexample = counterexample
            self._begun = time.monotonic()


class EndOfSearchError(BaseException):
    """No more traces: the time is up, a system could not be made, or this process is to end.

    It is no `Exception`, because Hypothesis takes those for faults of the system, and repeats them;
    and so does it with `SystemExit`, which is how a signal ends this process.

    Attributes:
        error: what the caller of the exploration has to see, if there is something.
    """

    def __init__(self, error: BaseException | None = None) -> None:
        super().__init__(error)
        self.error = error


class CounterexampleError(AssertionError):
    """A trace ended in an answer that is not permitted, or in an exception.

    Attributes:
        result: the trace as a vector, with its result.
        steps: the steps of the trace.
    """

    def __init__(self, result: VectorResult, steps: Sequence[AnyStep]) -> None:
        super().__init__(result, steps)
        self.result = result
        self.steps = tuple(steps)

    def __str__(self) -> str:
        return self.result.describe()


class Trace:
    """The calls to one fresh system. Mutable.

    Raises:
        BrokenSystemError: an earlier trace found that the system cannot be called any more.
        EndOfSearchError: the time is up, or `make_system` failed.
    """

    def __init__(self, search: Search) -> None:
        if search.broken is not None:
            raise search.broken
        self._search = search
        self._steps: list[AnyStep] = []
        self._checks: dict[object, Check] = {}
        self.model = Model()
        search.check_time()
        try:
            self._system = search.make_system()
        except BrokenSystemError as error:
            search.broken = error
            raise
        except SystemExit as error:
            raise search.end(error) from None
        except Exception as error:
            search.unmade = error
            raise search.end() from error
        self._execution = Execution(self._system, search.answers.copy())

    def do(self, step: AnyStep) -> Alternative | None:
        """Make a call, follow its answer, and read everything back.

        Return the answer, or None if the transport cannot make the call, which is then left out.

        Raises:
            CounterexampleError: an answer is not permitted, or the implementation failed.
            BrokenSystemError: what the system returned is not an answer.
            EndOfSearchError: the time is up.
        """
        self._search.check_time()
        self._steps.append(step)
        answer = self._or_counterexample(lambda: self._performed(step))
        if answer is None:
            self._steps.pop()
            return None
        self._steps[-1] = continued_with(step, answer)
        self.model.follow(step, answer)
        for check in self._read_backs():
            self._search.check_time()
            self._read_back(check)
        self._search.report_progress()
        return answer

    def _performed(self, step: AnyStep) -> Alternative | None:
        try:
            return self._execution.perform(step)
        except UnsupportedError as error:
            if not error.reason:
                raise
            return None

    def close(self) -> None:
        """End the trace. A failure to close is a fault, unless something went wrong before.

        Raises:
            CounterexampleError, BrokenSystemError: as `do`.
        """
        if self._search.unwinding is not None or not self._steps:
            with suppress(Exception):
                self._system.close()
        else:
            self._or_counterexample(self._system.close, "close")

    def _read_backs(self) -> Iterator[Check]:
        """A check of each Connection by each organization."""
        last = self._steps[-1]
        refused = last.accept[0].outcome is not Outcome.OK
        for name in self.model.names():
            tested = last.requirements if last.connection == name else ("CXN-ISOL-001",)
            version = self.model.connection(name).version
            for by in ORGANIZATIONS:
                key = (name, by, version, tested, refused)
                if key not in self._checks:  # most checks are the same as after the last call
                    self._checks[key] = self._check(name, by, tested, refused=refused)
                yield self._checks[key]

    def _check(self, name: str, by: str, tested: tuple[str, ...], *, refused: bool) -> Check:
        claims = self._search.profile.claims
        members = ["status", *TERMS, "scopes"]
        if by == self.model.connection(name).source_organization_id:
            members += ["version"] if "versions" in claims else []
            members += ["events"] if {"versions", "history"} <= set(claims) else []
        times = ["created_at", "updated_at"] if "times" in claims else []
        return self.model.read(
            name,
            by=by,
            members=members,
            requirements=tested,
            unchanged=times if refused else times[:1],
            not_before=times[1:],
        )

    def _read_back(self, check: Check) -> None:
        def read() -> None:
            try:
                self._execution.read(check)
            except NotPermittedError as error:
                # Judge each member alone, so that the counterexample is about the wrong one.
                for each in _single_member_checks(check):
                    self._execution.judge(each, error.answer)
                raise  # no single member is wrong, but the whole answer is

        self._or_counterexample(read)

    # --- Faults ---

    def _or_counterexample(self, call: Callable[[], _Result], failed: str = "") -> _Result:
        """Return the result of `call`, or raise its exception as a counterexample.

        `failed` names what failed then, if it was not the call of the last exchange.
        """
        try:
            return call()
        except BrokenSystemError as error:
            self._search.broken = error
            raise
        except SystemExit as error:
            raise self._search.end(error) from None
        except Exception as error:
            execution, profile = self._execution, self._search.profile
            found = result_of(error, self._vector(error), execution.exchanges, profile, failed)
            met = frozenset(execution.met)
            counterexample = CounterexampleError(replace(found, met=met), self._steps)
            self._search.found(counterexample)
            raise counterexample from error

    def _vector(self, error: Exception) -> Vector:
        """The steps so far, with the read-back that showed the fault, if one did."""
        steps = list(self._steps)
        check = self._failed_check(error)
        if check is not None and check is not steps[-1]:
            steps[-1] = steps[-1].model_copy(update={"then": (check,)})
            # A comparison with an earlier state needs a read of that state before the last step.
            due = check.accept[0]
            if isinstance(error, NotPermittedError) and (due.unchanged or due.not_before):
                any_state = (Alternative(outcome=due.outcome),)
                earlier = check.model_copy(update={"accept": any_state, "requirements": ()})
                steps[-2] = steps[-2].model_copy(update={"then": (earlier,)})
        return Vector.of(
            f"found/{sha256(repr(steps).encode()).hexdigest()[:8]}",
            "a story that the explorer found",
            load_specification().version,
            steps,
            _needs(steps),
        )

    def _failed_check(self, error: Exception) -> Check | None:
        """The call that failed; None if what failed is no call."""
        if isinstance(error, (NotPermittedError, UnsupportedError)):
            return error.check
        last = self._execution.exchanges[-1:]
        return last[0].check if last and last[0].given is None else None


def _single_member_checks(check: Check) -> Iterator[Check]:
    """The same check for each single member of the state."""
    first, *_ = check.accept
    for member, value in first.state.items():
        due = [Alternative(outcome=first.outcome, state={member: value})]
        if member == "scopes":  # these depend on an open point while a Connection is inactive
            due = [
                each.model_copy(update={**_NO_EXPECTATIONS, "state": {member: each.state[member]}})
                for each in check.accept
            ]
        yield check.model_copy(update={"accept": tuple(due)})
    for kind in ("unchanged", "not_before"):
        for member in getattr(first, kind):
            due = [first.model_copy(update={**_NO_EXPECTATIONS, "answers": {}, kind: (member,)})]
            yield check.model_copy(update={"accept": tuple(due)})


#: Changes an alternative into one that expects nothing of the state.
_NO_EXPECTATIONS: Final[dict[str, object]] = {"state": {}, "unchanged": (), "not_before": ()}


def _needs(steps: Sequence[AnyStep]) -> Iterator[str]:
    """The capabilities that these steps need."""
    read_backs = [each for step in steps for check in step.then for each in check.accept]
    members = {member for each in read_backs for member in each.state}
    needed = {need for step in steps for need in needs_of(step)}
    if "named-source" in needed:
        yield "named-source"
    if "versions" in needed or members & {"version", "events"}:
        yield "versions"
    if "expected-version" in needed:
        yield "expected-version"
    if "events" in members:
        yield "history"
    if any(each.unchanged or each.not_before for each in read_backs):
        yield "times"


# --- Shrinking -----------------------------------------------------------------------------------


def shrink(search: Search, counterexample: CounterexampleError) -> CounterexampleError:
    """A shorter counterexample, without the calls that the fault does not need.

    Sequences of calls are left out, long ones first, down to single calls, as long as the rest
    still ends in a fault, and until the time is up.
    """
    shortest = counterexample
    size = len(shortest.steps) // 2
    while size:
        start = 0
        while start < len(shortest.steps):
            without = (*shortest.steps[:start], *shortest.steps[start + size :])
            try:
                shorter = _rerun(search, without)
            except EndOfSearchError as end:
                if end.error is not None:
                    raise end.error from None
                return shortest
            if shorter is not None and len(shorter.steps) < len(shortest.steps):
                shortest = shorter
            else:
                start += size
        size //= 2
    return shortest


def _rerun(search: Search, steps: Sequence[AnyStep]) -> CounterexampleError | None:
    """Make these calls to a fresh system; return the counterexample if they still show a fault.

    Calls about a Connection that no call creates any more are skipped.
    """
    trace = Trace(search)
    try:
        try:
            for step in steps:
                again = _restated(trace.model, step)
                if again is not None:
                    trace.do(again)
        finally:
            trace.close()
    except CounterexampleError as counterexample:
        return counterexample
    return None


def _restated(model: Model, step: AnyStep) -> AnyStep | None:
    """The same call for another model; None if the model does not have the Connection."""
    if isinstance(step, CreateStep):
        return model.create(
            step.connection,
            by=step.by,
            source=step.source,
            destination=str(step.destination),
            called=step.name,
            scopes=step.scopes,
            allow_self=step.allow_self,
        )
    if step.connection not in model.names():
        return None
    if isinstance(step, ActStep):
        move = Move(step.connection, step.by, Action(step.action))
        return model.act(move, step.expected_version)
    return model.share(step.connection, by=step.by, scope=cast("ShareStep", step).scope)
