"""The runner: vectors against a system, and what came of them.

A vector passes if every answer was permitted. What could not be tested is said, and never counts as
a pass: a vector whose preparation fails, one that the implementation does not support though it
claims to, a requirement that nothing reached.
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
    """What came of a vector, or of a requirement; the worst first."""

    #: An answer was not permitted.
    FAIL = "fail"
    #: The implementation failed on its own: it raised, or gave an error in place of an answer.
    ERROR = "error"
    #: It is listed as a known failure, and passes: strike it from the list.
    UNEXPECTED_PASS = "unexpected-pass"  # noqa: S105  # no password
    #: What it tests was not reached. This is no pass.
    COULD_NOT_TEST = "could-not-test"
    #: It does not pass, and the profile says so, with the reason.
    KNOWN_FAILURE = "known-failure"
    #: Every answer was permitted.
    PASS = "pass"  # noqa: S105  # no password
    #: The profile does not claim what it takes, or a chosen answer excludes it.
    NOT_CLAIMED = "not-claimed"


#: With one of these an implementation does not conform.
FAILING: Final = (Result.FAIL, Result.ERROR, Result.UNEXPECTED_PASS, Result.COULD_NOT_TEST)


@dataclass(frozen=True)
class VectorResult:
    """What came of one vector. Immutable.

    Attributes:
        vector: the vector.
        result: what came of it.
        reason: why, in one sentence; empty for a pass.
        blamed: the requirements that answers that were not permitted are about.
        met: the requirements about which an answer was permitted, whatever came later.
        exchanges: what was said, up to the first answer that was not permitted.
        expected: what was permitted there.
        observed: what was answered.
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
        """All of it, for whoever has to mend the implementation."""
        lines = [f"{self.vector.id}: {self.result}", self.vector.title, ""]
        for each in self.blamed or self.vector.requirements:
            lines += [requirement_text(each), ""]
        lines += [f"{self.reason}", ""] if self.reason else []
        told = [each for each in self.exchanges[:-1] if not each.is_look]
        told += self.exchanges[-1:]
        lines += ["What was done:"] if told else []
        for number, exchange in enumerate(told, 1):
            lines.append(f"{number:>3}. {exchange.call}")
            lines.append(f"     -> {exchange.answer}")
        if self.expected:
            lines += ["", f"Expected: {self.expected}", f"Observed: {self.observed}"]
        return "\n".join(lines).rstrip()


def requirement_text(id: str) -> str:
    """A requirement with its id, in one line; of one that is not the specification's, the id."""
    try:
        requirement = load_specification().requirement(id)
    except KeyError:
        return id
    return f"{id} ({requirement.basis}): {requirement.text}"


@dataclass(frozen=True)
class RequirementResult:
    """What came of one requirement.

    Attributes:
        requirement: the requirement.
        result: the worst that came of a vector that tests it.
        counts: how many vectors came to what.
    """

    requirement: Requirement
    result: Result
    counts: Counter[Result]


@dataclass(frozen=True)
class Report:
    """What came of a run.

    Attributes:
        profile: what was claimed.
        specification: what it was tested against.
        results: what came of each vector.
        answers: for each open point, the answers that what was seen is in keeping with.
        exploration: what the explorer found, if it ran.
    """

    profile: Profile
    specification: Specification
    results: tuple[VectorResult, ...]
    answers: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    exploration: "Exploration | None" = None

    def counts(self) -> Counter[Result]:
        """How many vectors came to what."""
        return Counter(each.result for each in self.results)

    def requirements(self) -> tuple[RequirementResult, ...]:
        """What came of each requirement, in the order of the specification."""
        found: dict[str, Counter[Result]] = {
            each.id: Counter() for each in self.specification.requirements
        }
        finding = None if self.exploration is None else self.exploration.finding
        for each in (*self.results, *([finding] if finding else [])):
            for about in each.vector.requirements:
                if about in found:  # a vector of the user's own may be about something else
                    found[about][_result_for(about, each)] += 1
        return tuple(
            RequirementResult(
                requirement,
                next((each for each in Result if found[requirement.id][each]), Result.NOT_CLAIMED),
                found[requirement.id],
            )
            for requirement in self.specification.requirements
        )

    @property
    def conforms(self) -> bool:
        """Whether something was tested, and nothing that was claimed failed or went untested."""
        return self.exit_code == 0

    @property
    def exit_code(self) -> int:
        """0: it conforms; 1: it does not; 3: nothing was tested."""
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
        told = [f"{counts[each]} {_WORDS[each]}" for each in Result if counts[each]]
        binding = [each for each in self.requirements() if "MUST" in each.requirement.keyword]
        met = sum(each.result is Result.PASS for each in binding)
        explored = "" if self.exploration is None else f"; {self.exploration.sentence()}"
        return (
            f"{self.profile.name} {verdict[self.exit_code]} the Connection specification "
            f"{self.specification.version}: {met} of {len(binding)} requirements met; "
            f"of {len(self.results)} vectors {', '.join(told) or 'none run'}{explored}."
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
    """What came of letting Hypothesis explore a system. Immutable.

    Attributes:
        examples: how many stories were asked for.
        steps: how many steps each was to have at most.
        seed: gives the same stories again.
        result: what came of it; `COULD_NOT_TEST` if cells of the matrix were not reached.
        unvisited: these cells, in words.
        finding: the shortest story that ends in an answer that is not permitted, as a vector.
        reason: if there is no such story, what went wrong.
    """

    examples: int
    steps: int
    seed: int
    result: Result
    unvisited: tuple[str, ...] = ()
    finding: VectorResult | None = None
    reason: str = ""

    def sentence(self) -> str:
        """What came of it, without a full stop."""
        size = f"exploration {self.examples}x{self.steps} (seed {self.seed})"
        if self.result is Result.PASS:
            return f"{size} found nothing"
        if self.result is Result.COULD_NOT_TEST:
            return f"{size} did not reach {len(self.unvisited)} cells of the matrix"
        because = f": {self.reason}" if self.reason else ""
        return f"{size} found {'a fault' if self.result is Result.FAIL else 'an error'}{because}"

    def describe(self) -> str:
        """All of it: the story, as it went and as a vector; or what was not tried."""
        if self.finding is None:
            return "\n".join([self.sentence(), *self.unvisited])
        vector = file_text(self.finding.vector.since, [self.finding.vector])
        return f"{self.finding.describe()}\n\nThe same as a vector, ready to be kept:\n{vector}"


def _result_for(id: str, result: VectorResult) -> Result:
    """What a vector's result means for one of its requirements."""
    if result.result is Result.FAIL and id not in result.blamed:
        return Result.PASS if id in result.met else Result.COULD_NOT_TEST  # it was not reached
    return result.result


# --- Running -------------------------------------------------------------------------------------

#: What makes a fresh system for a case.
MakeSystem = Callable[[], System]


def select(patterns: Sequence[str], among: Iterable[Vector] | None = None) -> tuple[Vector, ...]:
    """The vectors that one of the patterns is about; all of them, if there is no pattern.

    Args:
        patterns: the id of a vector or requirement, the beginning of a vector's id up to a slash,
            or either with ``*`` and ``?``.
        among: which vectors; those of the specification if omitted.
    """
    found = load_vectors() if among is None else tuple(among)
    if not patterns:
        return found
    return tuple(vector for vector in found if any(_is_about(vector, each) for each in patterns))


def _is_about(vector: Vector, pattern: str) -> bool:
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
    """Put vectors to an implementation.

    Args:
        make_system: gives a fresh system; called once for each vector.
        profile: what is claimed; everything, if omitted.
        among: which vectors; those of the specification if omitted.
        on_result: told of each result as it comes.
        answers: what is known of the answers to open points; nothing but what the profile chooses,
            if omitted.

    Raises:
        InvalidProfileError: the profile names what does not exist.
        BrokenSystemError: what the system gave is no answer, or it cannot be reached any more.
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
    """Put one vector to a fresh system.

    Args:
        make_system: gives the system.
        vector: the vector.
        profile: what is claimed.
        answers: what is known of the answers to open points. It is narrowed by what is seen.

    Raises:
        BrokenSystemError: what the system gave is no answer, or it cannot be reached any more.
    """
    lacking = profile.lacks(vector.needs)
    if lacking:
        reason = f"The profile does not claim {', '.join(lacking)}."
        return VectorResult(vector, Result.NOT_CLAIMED, reason)
    result = _attempt(make_system, vector, answers)
    excuse = profile.known_failures.get(vector.id)
    if excuse is None or result.result is Result.NOT_CLAIMED:
        return result
    if result.result is Result.PASS:
        reason = f"It passes. It is listed as a known failure ({excuse}): strike it from the list."
        return VectorResult(vector, Result.UNEXPECTED_PASS, reason)
    return VectorResult(vector, Result.KNOWN_FAILURE, excuse)


def _attempt(make_system: MakeSystem, vector: Vector, answers: Answers) -> VectorResult:
    """One vector, whatever the profile says of it."""
    execution: Execution | None = None
    try:
        system = make_system()
        execution = Execution(system, answers)
        try:
            played = _play(execution, vector)
        finally:
            system.close()
    except BrokenSystemError:
        raise
    except Exception as error:
        return result_of(error, vector, () if execution is None else execution.exchanges)
    if played.faults:
        result = result_of(played.faults[0], vector, played.exchanges)
        blamed = [each for fault in played.faults for each in fault.check.requirements]
        return replace(result, blamed=tuple(dict.fromkeys(blamed)), met=frozenset(execution.met))
    return VectorResult(vector, Result.NOT_CLAIMED if played.ended else Result.PASS, played.ended)


class _Played(NamedTuple):
    """How far a vector went."""

    #: The answers that were not permitted.
    faults: tuple[NotPermittedError, ...]
    #: What was said, up to the first of them.
    exchanges: tuple[Exchange, ...]
    #: Why it ended early, if a permitted answer ended it.
    ended: str = ""


def _play(execution: Execution, vector: Vector) -> _Played:
    """Take the steps. A fault in a read changes nothing: what follows is tested all the same."""
    faults: list[NotPermittedError] = []
    said: tuple[Exchange, ...] = ()
    for step in vector.steps:
        try:
            answer = execution.perform(step)
        except NotPermittedError as fault:
            said = said or tuple(execution.exchanges)
            faults.append(fault)
            if fault.check is not step or not isinstance(step, ShareStep | ReadStep):
                break
            continue
        if answer.ends:
            points = ", ".join(
                f"{point} by {' or '.join(each)}" for point, each in answer.answers.items()
            )
            ended = f"The implementation answers {points}, which excludes what follows."
            return _Played(tuple(faults), said, ended)
    return _Played(tuple(faults), said)


def result_of(error: Exception, vector: Vector, exchanges: Sequence[Exchange]) -> VectorResult:
    """The result of a vector that ended in this error.

    Args:
        error: what was raised: by the case, or by the implementation.
        vector: the vector.
        exchanges: what was said until then.
    """
    said = tuple(exchanges)
    if isinstance(error, NotPermittedError):
        result, reason = Result.FAIL, ""
        if not error.check.requirements:
            result, reason = Result.COULD_NOT_TEST, "What prepares for the test was not done."
        return VectorResult(
            vector,
            result,
            reason,
            blamed=error.check.requirements,
            exchanges=said,
            expected=error.expected,
            observed=error.observed,
        )
    if isinstance(error, UnsupportedError):
        reason = f"{error}, and the profile claims it."
        return VectorResult(vector, Result.COULD_NOT_TEST, reason, exchanges=said)
    reason = f"The implementation failed: {type(error).__name__}: {error}"
    return VectorResult(vector, Result.ERROR, reason, exchanges=said)
