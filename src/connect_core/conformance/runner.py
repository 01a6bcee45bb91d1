"""The runner: executes vectors and reports a result for each vector and each requirement.

A vector passes if every answer was permitted. What could not be tested is reported, and never
counts as a pass: a vector whose preparation fails, a call that the implementation claims to support
but does not, a requirement that no call reached.

The runner does not judge single answers (`connect_core.conformance.execution` does) and does not
format reports (`connect_core.conformance.report` does).
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Final, NamedTuple

from connect_core.conformance.execution import (
    BrokenSystemError,
    Exchange,
    Execution,
    NotPermittedError,
    UnsupportedError,
)
from connect_core.conformance.profile import Answers, Profile
from connect_core.conformance.specification import Requirement, Specification, load_specification
from connect_core.conformance.subject import System
from connect_core.conformance.vectors import (
    ReadStep,
    ShareStep,
    Vector,
    file_text,
    load_vectors,
)


class Result(StrEnum):
    """The result of a vector or a requirement, the worst first."""

    #: An answer was not permitted.
    FAIL = "fail"
    #: The implementation itself failed: it raised, or returned an error instead of an answer.
    ERROR = "error"
    #: It is listed as a known failure, but passes: remove it from the list.
    UNEXPECTED_PASS = "unexpected-pass"  # noqa: S105  # no password
    #: The run did not reach what it tests. This is not a pass.
    COULD_NOT_TEST = "could-not-test"
    #: It does not pass, and the profile says so, with a reason.
    KNOWN_FAILURE = "known-failure"
    #: Every answer was permitted.
    PASS = "pass"  # noqa: S105  # no password
    #: The profile does not claim what it needs, or an answer to an open point excludes it.
    NOT_CLAIMED = "not-claimed"


#: An implementation with one of these results does not conform.
FAILING: Final = (Result.FAIL, Result.ERROR, Result.UNEXPECTED_PASS, Result.COULD_NOT_TEST)


@dataclass(frozen=True)
class VectorResult:
    """The result of one vector. Immutable.

    Attributes:
        vector: the vector.
        result: the result.
        reason: why, in one sentence; empty for a pass.
        blamed: the requirements that answers violated.
        met: the requirements of the calls that had a permitted answer, whatever followed.
        exchanges: the calls and answers, up to the first answer that was not permitted.
        expected: the permitted answers to that call, in words.
        observed: the answer to that call, in words.
    """

    vector: Vector
    result: Result
    reason: str = ""
    blamed: tuple[str, ...] = ()
    met: frozenset[str] = frozenset()
    exchanges: tuple[Exchange, ...] = ()
    expected: str = ""
    observed: str = ""

    def describe(self) -> str:
        """The whole result in words, for whoever has to fix the implementation."""
        lines = [f"{self.vector.id}: {self.result}", self.vector.title, ""]
        for each in self.blamed or self.vector.requirements:
            lines += [requirement_text(each), ""]
        lines += [f"{self.reason}", ""] if self.reason else []
        shown = [each for each in self.exchanges[:-1] if not each.is_look]
        shown += self.exchanges[-1:]
        lines += ["What was done:"] if shown else []
        for number, exchange in enumerate(shown, 1):
            lines.append(f"{number:>3}. {exchange.call}")
            lines.append(f"     -> {exchange.answer}")
        if self.expected:
            lines += ["", f"Expected: {self.expected}", f"Observed: {self.observed}"]
        return "\n".join(lines).rstrip()


def requirement_text(id: str) -> str:
    """A requirement with its id, in one line; only the id if the specification does not have it."""
    try:
        requirement = load_specification().requirement(id)
    except KeyError:
        return id
    return f"{id} ({requirement.basis}): {requirement.text}"


@dataclass(frozen=True)
class RequirementResult:
    """The result of one requirement.

    Attributes:
        requirement: the requirement.
        result: the worst result of the vectors that test it.
        counts: the number of these vectors with each result.
    """

    requirement: Requirement
    result: Result
    counts: Counter[Result]


@dataclass(frozen=True)
class Report:
    """The results of a run.

    Attributes:
        profile: the profile of the implementation.
        specification: the specification that it was tested against.
        results: the result of each vector.
        answers: for each open point, the answers that agree with everything observed.
        exploration: the result of the exploration, if there was one.
    """

    profile: Profile
    specification: Specification
    results: tuple[VectorResult, ...]
    answers: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    exploration: "Exploration | None" = None

    def counts(self) -> Counter[Result]:
        """The number of vectors with each result."""
        return Counter(each.result for each in self.results)

    def requirements(self) -> tuple[RequirementResult, ...]:
        """The result of each requirement, in the order of the specification."""
        counts: dict[str, Counter[Result]] = {
            each.id: Counter() for each in self.specification.requirements
        }
        finding = None if self.exploration is None else self.exploration.finding
        for each in (*self.results, *([finding] if finding else [])):
            for about in each.vector.requirements:
                if about in counts:  # a vector of the user's own may test something else
                    counts[about][_result_for(about, each)] += 1
        return tuple(
            RequirementResult(
                requirement,
                next((each for each in Result if counts[requirement.id][each]), Result.NOT_CLAIMED),
                counts[requirement.id],
            )
            for requirement in self.specification.requirements
        )

    @property
    def conforms(self) -> bool:
        """True if something was tested, and everything claimed was tested and did not fail."""
        return self.exit_code == 0

    @property
    def exit_code(self) -> int:
        """0 if the implementation conforms, 1 if it does not, 3 if nothing was tested."""
        counts = self.counts()
        if self.exploration is not None:
            counts[self.exploration.result] += 1
        if not any(counts[each] for each in Result if each not in _UNTESTED):
            return 3
        return 1 if any(counts[each] for each in FAILING) else 0

    def sentence(self) -> str:
        """The verdict in one sentence that can be quoted."""
        verdict = {0: "conforms to", 1: "does not conform to", 3: "was not tested against"}
        counts = self.counts()
        by_result = [f"{counts[each]} {_WORDS[each]}" for each in Result if counts[each]]
        binding = [each for each in self.requirements() if "MUST" in each.requirement.keyword]
        met = sum(each.result is Result.PASS for each in binding)
        explored = "" if self.exploration is None else f"; {self.exploration.sentence()}"
        return (
            f"{self.profile.name} {verdict[self.exit_code]} the Connection specification "
            f"{self.specification.version}: {met} of {len(binding)} requirements met; "
            f"of {len(self.results)} vectors {', '.join(by_result) or 'none run'}{explored}."
        )


_UNTESTED: Final = (Result.COULD_NOT_TEST, Result.NOT_CLAIMED)
_WORDS: Final = {
    Result.FAIL: "failed",
    Result.ERROR: "ended in an error",
    Result.UNEXPECTED_PASS: "passed unexpectedly",
    Result.COULD_NOT_TEST: "could not be tested",
    Result.KNOWN_FAILURE: "failed as known",
    Result.PASS: "passed",
    Result.NOT_CLAIMED: "not claimed",
}


@dataclass(frozen=True)
class Exploration:
    """The result of an exploration of a system by Hypothesis. Immutable.

    Attributes:
        examples: the number of random runs requested.
        steps: the maximum number of steps in each run.
        seed: the seed; it gives the same runs again.
        result: the result; `COULD_NOT_TEST` if some cells of the matrix were not reached.
        unvisited: these cells, in words.
        finding: the shrunk counterexample as a vector, with its result, if there is one.
        reason: what went wrong, if there is no reproducible counterexample.
    """

    examples: int
    steps: int
    seed: int
    result: Result
    unvisited: tuple[str, ...] = ()
    finding: VectorResult | None = None
    reason: str = ""

    def sentence(self) -> str:
        """The result in words, without a full stop."""
        size = f"exploration {self.examples}x{self.steps} (seed {self.seed})"
        if self.result is Result.PASS:
            return f"{size} found nothing"
        if self.result is Result.COULD_NOT_TEST:
            return f"{size} did not reach {len(self.unvisited)} cells of the matrix"
        because = f": {self.reason}" if self.reason else ""
        return f"{size} found {'a fault' if self.result is Result.FAIL else 'an error'}{because}"

    def describe(self) -> str:
        """The whole result: the counterexample in words and as a vector, or the cells missed."""
        if self.finding is None:
            return "\n".join([self.sentence(), *self.unvisited])
        vector = file_text(self.finding.vector.since, [self.finding.vector])
        return f"{self.finding.describe()}\n\nThe same as a vector, ready to be kept:\n{vector}"


def _result_for(id: str, result: VectorResult) -> Result:
    """The result of one requirement, according to a vector that tests it."""
    if result.result is Result.FAIL and id not in result.blamed:
        return Result.PASS if id in result.met else Result.COULD_NOT_TEST  # not reached
    return result.result


# --- Running -------------------------------------------------------------------------------------

#: A function that makes a fresh system for one execution.
MakeSystem = Callable[[], System]


def select(patterns: Sequence[str], among: Iterable[Vector] | None = None) -> tuple[Vector, ...]:
    """The vectors that match one of the patterns; all of them if there is no pattern.

    Args:
        patterns: ids of vectors or requirements, also with ``*`` and ``?``, or the beginning of a
            vector's id up to a slash.
        among: the vectors to select from; those of the specification if omitted.
    """
    vectors = load_vectors() if among is None else tuple(among)
    if not patterns:
        return vectors
    return tuple(vector for vector in vectors if any(_matches(vector, each) for each in patterns))


def _matches(vector: Vector, pattern: str) -> bool:
    names = (vector.id, *vector.requirements)
    return vector.id.startswith(f"{pattern.rstrip('/')}/") or any(
        fnmatchcase(name, pattern) for name in names
    )


def run(
    make_system: MakeSystem,
    profile: Profile | None = None,
    *,
    among: Iterable[Vector] | None = None,
    on_result: Callable[[VectorResult], object] = lambda _: None,
    answers: Answers | None = None,
) -> Report:
    """Test an implementation with vectors.

    Args:
        make_system: makes a fresh system; called once for each vector.
        profile: the profile of the implementation; if omitted, every capability is claimed.
        among: the vectors; those of the specification if omitted.
        on_result: called with each result as soon as it is known.
        answers: the answers to open points that are still possible; each vector narrows them. If
            omitted, only the answers that the profile chooses are known.

    Raises:
        InvalidProfileError: the profile names something that does not exist.
        BrokenSystemError: what the system returned is not an answer, or it cannot be reached any
            more.
    """
    profile = Profile() if profile is None else profile
    chosen = load_vectors() if among is None else tuple(among)
    profile.checked([*(each.id for each in load_vectors()), *(each.id for each in chosen)])
    answers = Answers(profile.answers) if answers is None else answers
    results: list[VectorResult] = []
    for vector in chosen:
        result = run_vector(make_system, vector, profile, answers)
        results.append(result)
        on_result(result)
    return Report(profile, load_specification(), tuple(results), answers.left())


def run_vector(
    make_system: MakeSystem, vector: Vector, profile: Profile, answers: Answers
) -> VectorResult:
    """Test a fresh system with one vector.

    Args:
        make_system: makes the system.
        vector: the vector.
        profile: the profile of the implementation.
        answers: the answers to open points that are still possible; each answer narrows them.

    Raises:
        BrokenSystemError: what the system returned is not an answer, or it cannot be reached any
            more.
    """
    lacking = profile.lacks(vector.needs)
    if lacking:
        reason = f"The profile does not claim {', '.join(lacking)}."
        return VectorResult(vector, Result.NOT_CLAIMED, reason)
    result = _execute(make_system, vector, answers)
    known = profile.known_failures.get(vector.id)
    if known is None or result.result is Result.NOT_CLAIMED:
        return result
    if result.result is Result.PASS:
        reason = f"It passes. It is listed as a known failure ({known}): strike it from the list."
        return VectorResult(vector, Result.UNEXPECTED_PASS, reason)
    return VectorResult(vector, Result.KNOWN_FAILURE, known)


def _execute(make_system: MakeSystem, vector: Vector, answers: Answers) -> VectorResult:
    """Test a fresh system with one vector, whatever the profile says about the vector."""
    execution: Execution | None = None
    try:
        system = make_system()
        execution = Execution(system, answers)
        try:
            performed = _perform_steps(execution, vector)
        finally:
            system.close()
    except BrokenSystemError:
        raise
    except Exception as error:
        return result_of(error, vector, () if execution is None else execution.exchanges)
    if performed.faults:
        result = result_of(performed.faults[0], vector, performed.exchanges)
        blamed = [each for fault in performed.faults for each in fault.check.requirements]
        return replace(result, blamed=tuple(dict.fromkeys(blamed)), met=frozenset(execution.met))
    excluded = performed.excluded
    return VectorResult(vector, Result.NOT_CLAIMED if excluded else Result.PASS, excluded)


class _Performed(NamedTuple):
    """The steps of a vector, as far as they were performed."""

    #: The answers that were not permitted.
    faults: tuple[NotPermittedError, ...]
    #: The exchanges up to the first of these answers.
    exchanges: tuple[Exchange, ...]
    #: Why a permitted answer excludes the remaining steps, if one does.
    excluded: str = ""


def _perform_steps(execution: Execution, vector: Vector) -> _Performed:
    """Perform the steps. Go on after a fault in a read or share step, which changes nothing."""
    faults: list[NotPermittedError] = []
    exchanges: tuple[Exchange, ...] = ()
    for step in vector.steps:
        try:
            answer = execution.perform(step)
        except NotPermittedError as fault:
            exchanges = exchanges or tuple(execution.exchanges)
            faults.append(fault)
            if fault.check is not step or not isinstance(step, ShareStep | ReadStep):
                break
            continue
        if answer.ends:
            points = ", ".join(
                f"{point} by {' or '.join(each)}" for point, each in answer.answers.items()
            )
            excluded = f"The implementation answers {points}, which excludes what follows."
            return _Performed(tuple(faults), exchanges, excluded)
    return _Performed(tuple(faults), exchanges)


def result_of(error: Exception, vector: Vector, exchanges: Sequence[Exchange]) -> VectorResult:
    """The result of a vector that ended in an error.

    Args:
        error: the exception that the execution or the implementation raised.
        vector: the vector.
        exchanges: the exchanges until then.
    """
    if isinstance(error, NotPermittedError):
        result, reason = Result.FAIL, ""
        if not error.check.requirements:
            result, reason = Result.COULD_NOT_TEST, "What prepares for the test was not done."
        return VectorResult(
            vector,
            result,
            reason,
            blamed=error.check.requirements,
            exchanges=tuple(exchanges),
            expected=error.expected,
            observed=error.observed,
        )
    if isinstance(error, UnsupportedError):
        reason = f"{error}, and the profile claims it."
        return VectorResult(vector, Result.COULD_NOT_TEST, reason, exchanges=tuple(exchanges))
    reason = f"The implementation failed: {type(error).__name__}: {error}"
    return VectorResult(vector, Result.ERROR, reason, exchanges=tuple(exchanges))
