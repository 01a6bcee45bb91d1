"""Tales: stories that are made up while they are told, and what is wrong with the answers.

After every call every Connection is read back, by everybody. A tale that ends in an answer that is
not permitted is told again without what it does not take, and as a vector.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Final, TypeVar, cast

from connect_core.conformance.execution import BrokenSystemError, Execution, NotPermittedError
from connect_core.conformance.model import TERMS, Model, Move, followed
from connect_core.conformance.profile import Answers, Profile
from connect_core.conformance.runner import MakeSystem, VectorResult, result_of
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
)
from connect_core.lifecycle import Action

#: Who takes part. Two ids differ by case alone.
ORGANIZATIONS: Final = ("org_A", "org_B", "org_b")

_Given = TypeVar("_Given")


@dataclass
class Search:
    """What the tales of one exploration have in common.

    Attributes:
        make_system: gives a fresh system.
        profile: what is claimed.
        answers: what was known of the answers to open points at the beginning.
        found: the first fault that was seen, if one was.
        broken: why the system cannot be asked any more, if that is so.
    """

    make_system: MakeSystem
    profile: Profile
    answers: Answers
    found: "CounterexampleError | None" = field(default=None, init=False)
    broken: BrokenSystemError | None = field(default=None, init=False)


class CounterexampleError(AssertionError):
    """A tale ended in an answer that is not permitted.

    Attributes:
        result: the tale as a vector, and what came of it.
        steps: its calls.
    """

    def __init__(self, result: VectorResult, steps: Sequence[AnyStep]) -> None:
        super().__init__(result, steps)
        self.result = result
        self.steps = tuple(steps)

    def __str__(self) -> str:
        return self.result.describe()


class Trace:
    """One tale, in a fresh system. Mutable.

    Raises:
        BrokenSystemError: the system could not be asked any more before.
    """

    def __init__(self, search: Search) -> None:
        if search.broken is not None:
            raise search.broken
        self._search = search
        self._steps: list[AnyStep] = []
        self._checks: dict[object, Check] = {}
        self.model = Model()
        self._system = search.make_system()
        self._execution = Execution(self._system, search.answers.copy())

    def do(self, step: AnyStep) -> Alternative:
        """Make a call, follow its answer, and look at everything.

        Raises:
            FoundError: an answer was not permitted, or the implementation failed.
            BrokenSystemError: what the system gave is no answer.
        """
        self._steps.append(step)
        answer = self._guarded(lambda: self._execution.perform(step))
        self._steps[-1] = followed(step, answer)
        self.model.follow(step, answer)
        for check in self._read_backs():
            self._read_back(check)
        return answer

    def close(self) -> None:
        """The tale is over.

        Raises:
            FoundError, BrokenSystemError: as `do`.
        """
        if self._search.broken is None:
            self._guarded(self._system.close)

    def _read_backs(self) -> Iterator[Check]:
        """Each Connection, as both parties see it and as an outsider does."""
        last = self._steps[-1]
        refused = last.accept[0].outcome is not Outcome.OK
        for name in self.model.names():
            tested = last.requirements if last.connection == name else ("CXN-ISOL-001",)
            version = self.model.connection(name).version
            for by in ORGANIZATIONS:
                key = (name, by, version, tested, refused)
                if key not in self._checks:  # most are as they were before this call
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
        def look() -> None:
            try:
                self._execution.read(check)
            except NotPermittedError as error:
                for each in _parts(check):
                    self._execution.judge(each, error.answer)
                raise  # no single member is wrong, but they do not go together

        self._guarded(look)

    # --- Faults ---

    def _guarded(self, call: Callable[[], _Given]) -> _Given:
        """What `call` gives; whatever it raises ends the tale, which is told as a vector."""
        try:
            return call()
        except BrokenSystemError as error:
            self._search.broken = error
            raise
        except Exception as error:
            result = result_of(error, self._vector(error), self._execution.exchanges)
            met = frozenset(self._execution.met)
            found = CounterexampleError(replace(result, met=met), self._steps)
            self._search.found = self._search.found or found
            raise found from error

    def _vector(self, error: Exception) -> Vector:
        """The calls so far, and the look that showed the fault, if one did."""
        told = list(self._steps)
        if isinstance(error, NotPermittedError) and error.check is not told[-1]:
            told[-1] = told[-1].model_copy(update={"then": (error.check,)})
            if error.check.accept[0].unchanged or error.check.accept[0].not_before:
                earlier = (Alternative(outcome=error.check.accept[0].outcome),)
                look = error.check.model_copy(update={"accept": earlier, "requirements": ()})
                told[-2] = told[-2].model_copy(update={"then": (look,)})
        return Vector.of(
            f"found/{sha256(repr(told).encode()).hexdigest()[:8]}",
            "a story that the explorer found",
            load_specification().version,
            told,
            _needs(told),
        )


def _parts(check: Check) -> Iterator[Check]:
    """Looks at a single member each, so that the one that is wrong is told alone."""
    first, *_ = check.accept
    for member, value in first.state.items():
        due = [Alternative(outcome=first.outcome, state={member: value})]
        if member == "scopes":  # which depend on an open point while it is inactive
            due = [
                each.model_copy(update={**_NOTHING, "state": _only(each, member)})
                for each in check.accept
            ]
        yield check.model_copy(update={"accept": tuple(due)})
    for kind in ("unchanged", "not_before"):
        for member in getattr(first, kind):
            due = [first.model_copy(update={**_NOTHING, "answers": {}, kind: (member,)})]
            yield check.model_copy(update={"accept": tuple(due)})


_NOTHING: Final[dict[str, object]] = {"state": {}, "unchanged": (), "not_before": ()}


def _only(alternative: Alternative, member: str) -> dict[str, object]:
    return {member: alternative.state[member]}


def _needs(steps: Sequence[AnyStep]) -> Iterator[str]:
    """The capabilities that a tale makes use of."""
    read_backs = [each for step in steps for check in step.then for each in check.accept]
    members = {member for each in read_backs for member in each.state}
    if any(isinstance(step, CreateStep) and step.source is not None for step in steps):
        yield "named-source"
    expecting = any(isinstance(step, ActStep) and step.expected_version for step in steps)
    if expecting or members & {"version", "events"}:
        yield "versions"
    if expecting:
        yield "expected-version"
    if "events" in members:
        yield "history"
    if any(each.unchanged or each.not_before for each in read_backs):
        yield "times"


# --- Without what it does not take ---------------------------------------------------------------


def shrunk(search: Search, found: CounterexampleError) -> CounterexampleError:
    """The same fault at the end of a tale from which no call can be left out.

    Pieces of the tale are left out, large ones first, for as long as what is left still ends in an
    answer that is not permitted.
    """
    size = len(found.steps) // 2
    while size:
        start = 0
        while start < len(found.steps):
            without = (*found.steps[:start], *found.steps[start + size :])
            shorter = _rerun(search, without)
            if shorter is not None and len(shorter.steps) < len(found.steps):
                found = shorter
            else:
                start += size
        size //= 2
    return found


def _rerun(search: Search, steps: Sequence[AnyStep]) -> CounterexampleError | None:
    """Make these calls to a fresh system, as far as they make sense; the fault that this shows."""
    trace = Trace(search)
    told = False
    try:
        for step in steps:
            again = _restated(trace.model, step)
            if again is not None:
                told = True
                trace.do(again)
        if told:
            trace.close()
    except CounterexampleError as found:
        return found
    return None


def _restated(model: Model, step: AnyStep) -> AnyStep | None:
    """The same call in another world; None if there is no such Connection in it."""
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
