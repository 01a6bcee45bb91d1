"""The results of a run: for each vector, each requirement, an exploration, and the verdict.

This module tests nothing: `connect_core.conformance.runner` does. It does not format reports
either; `connect_core.conformance.report` does.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from connect_core.conformance.execution import Exchange
from connect_core.conformance.profile import Profile
from connect_core.conformance.specification import Requirement, Specification, load_specification
from connect_core.conformance.vectors import Vector, file_text, load_vectors


class Result(StrEnum):
    """The result of a vector or a requirement, the worst first."""

    #: The implementation broke the protocol, or could not be reached any more. That says nothing
    #: about the rules.
    BROKEN = "broken"
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
    #: The profile does not claim what it needs, an answer to an open point excludes it, or the
    #: transport cannot make its calls.
    NOT_CLAIMED = "not-claimed"


#: An implementation with one of these results does not conform.
FAILING: Final = (Result.FAIL, Result.ERROR, Result.UNEXPECTED_PASS, Result.COULD_NOT_TEST)


class Verdict(StrEnum):
    """What a whole run says about an implementation."""

    #: Every vector of the specification was run, shuffled, and every answer was permitted.
    CONFORMS = "conforms"
    #: Nothing was found, but this was no complete run: the report says why.
    INCOMPLETE = "incomplete"
    #: Nothing was found but what the profile lists as known failures.
    KNOWN_FAILURES = "known-failures"
    #: Something was found.
    DOES_NOT_CONFORM = "does-not-conform"
    #: Nothing was tested.
    NOT_TESTED = "not-tested"
    #: The implementation broke the protocol, or could not be reached any more.
    BROKEN = "broken"


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
        traceback: if the implementation raised an exception, its traceback, from the
            implementation's first frame.
        transcript: if a process broke the protocol, the last lines that were sent and received,
            and what it wrote to its standard error.
        seconds: how long it took in a run.
    """

    vector: Vector
    result: Result
    reason: str = ""
    blamed: tuple[str, ...] = ()
    met: frozenset[str] = frozenset()
    exchanges: tuple[Exchange, ...] = ()
    expected: str = ""
    observed: str = ""
    traceback: str = ""
    transcript: tuple[str, ...] = ()
    seconds: float = 0.0

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
        if self.traceback:
            lines += ["", self.traceback]
        lines += ["What was sent and received:", *self.transcript] if self.transcript else []
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
        shuffle: the seed of the ids and of the order; 0 if they were those of the vectors.
        began: when the run began, in UTC.
        seconds: how long it took, without the exploration.
    """

    profile: Profile
    specification: Specification
    results: tuple[VectorResult, ...]
    answers: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    exploration: "Exploration | None" = None
    shuffle: int = 0
    began: datetime | None = None
    seconds: float = 0.0

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
        """True if the verdict is `Verdict.CONFORMS`."""
        return self.verdict is Verdict.CONFORMS

    @property
    def passed(self) -> bool:
        """True if something was tested, and nothing was found that the profile does not list."""
        return self.exit_code == 0

    @property
    def verdict(self) -> Verdict:
        """What the run says about the implementation."""
        counts = self.counts()
        explored = None if self.exploration is None else self.exploration.result
        if counts[Result.BROKEN] or explored is Result.BROKEN:
            return Verdict.BROKEN
        if explored in (Result.FAIL, Result.ERROR):
            return Verdict.DOES_NOT_CONFORM
        if not any(counts[each] for each in Result if each not in _UNTESTED):
            return Verdict.INCOMPLETE if explored is Result.PASS else Verdict.NOT_TESTED
        if any(counts[each] for each in FAILING):
            return Verdict.DOES_NOT_CONFORM
        if counts[Result.KNOWN_FAILURE]:
            return Verdict.KNOWN_FAILURES
        return Verdict.INCOMPLETE if self.gaps() else Verdict.CONFORMS

    def gaps(self) -> tuple[str, ...]:
        """Why this is no complete run, in words; empty if it is one."""
        run = {each.vector.id: each.vector for each in self.results}
        of_specification = load_vectors()
        missing = [each for each in of_specification if run.get(each.id) != each]
        gaps: list[str] = []
        if missing:
            done = len(of_specification) - len(missing)
            gaps.append(f"{done} of {len(of_specification)} vectors of the specification were run")
        if not self.shuffle:
            gaps.append("the vectors were not shuffled")
        return tuple(gaps)

    @property
    def level(self) -> str:
        """What was tested, in words: ``core + versions + history``."""
        claimed = [each for each in self.specification.capabilities if each in self.profile.claims]
        return " + ".join(["core", *claimed])

    @property
    def exit_code(self) -> int:
        """0 if nothing was found that the profile does not list, or else 1, 2 or 3.

        1: something was found. 2: the implementation broke the protocol. 3: nothing was tested.
        """
        return _EXIT_CODES.get(self.verdict, 0)

    def sentence(self) -> str:
        """The verdict in one sentence that can be quoted."""
        counts = self.counts()
        by_result = [f"{counts[each]} {_WORDS[each]}" for each in Result if counts[each]]
        binding = [each for each in self.requirements() if "MUST" in each.requirement.keyword]
        met = sum(each.result is Result.PASS for each in binding)
        explored = "not explored"
        if self.exploration is not None:
            explored = self.exploration.sentence()
        gaps = f" ({'; '.join(self.gaps())})" if self.verdict is Verdict.INCOMPLETE else ""
        shuffled = f", shuffled with seed {self.shuffle}" if self.shuffle else ""
        return (
            f"{self.profile.name} {_VERDICTS[self.verdict]} the Connection specification "
            f"{self.specification.version}, {self.level}{gaps}: {met} of {len(binding)} "
            f"requirements met; of {len(self.results)} vectors "
            f"{', '.join(by_result) or 'none run'}{shuffled}; {explored}."
        )


_UNTESTED: Final = (Result.COULD_NOT_TEST, Result.NOT_CLAIMED)
_EXIT_CODES: Final = {
    Verdict.DOES_NOT_CONFORM: 1,
    Verdict.BROKEN: 2,
    Verdict.NOT_TESTED: 3,
}
_VERDICTS: Final = {
    Verdict.CONFORMS: "conforms to",
    Verdict.INCOMPLETE: "passed what was run of the tests of",
    Verdict.KNOWN_FAILURES: "does not meet, as its profile says,",
    Verdict.DOES_NOT_CONFORM: "does not conform to",
    Verdict.NOT_TESTED: "was not tested against",
    Verdict.BROKEN: "broke the protocol when it was tested against",
}
_WORDS: Final = {
    Result.BROKEN: "broke the protocol",
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
    """The result of an exploration. Immutable.

    Attributes:
        examples: the number of random runs requested.
        steps: the maximum number of steps in each run.
        seed: the seed; it gives the same runs again.
        result: the result; `COULD_NOT_TEST` if some cells of the matrix were not reached, which
            says nothing against the system.
        unvisited: these cells, in words.
        finding: the shrunk counterexample as a vector, with its result, if there is one. If it is
            not reproducible, it is the whole run.
        reason: what went wrong, if there is no reproducible counterexample.
        traceback: the traceback of the exception, if `make_system` raised one.
        transcript: if a process broke the protocol, the last lines that were sent and received,
            and what it wrote to its standard error.
        runs: the number of runs that were completed.
        seconds: how long the runs were permitted to take; None if there was no limit.
        timed_out: True if the time was up before all runs were completed.
    """

    examples: int
    steps: int
    seed: int
    result: Result
    unvisited: tuple[str, ...] = ()
    finding: VectorResult | None = None
    reason: str = ""
    traceback: str = ""
    transcript: tuple[str, ...] = ()
    runs: int = 0
    seconds: float | None = None
    timed_out: bool = False

    def sentence(self) -> str:
        """The result in words, without a full stop."""
        size = f"exploration {self.examples}x{self.steps} (seed {self.seed})"
        far = ""
        if self.timed_out:
            far = f" in {self.runs} of {self.examples} runs, all that {self.seconds:g} s allowed"
        if self.result is Result.PASS:
            return f"{size} found nothing{far}"
        if self.result is Result.COULD_NOT_TEST and self.finding is None:
            return (
                f"{size} is too small to say anything: it did not reach {len(self.unvisited)} "
                f"cells of the matrix{far}"
            )
        because = f": {self.reason}" if self.reason else ""
        return f"{size} {_FOUND.get(self.result, 'found an error')}{because}"

    def describe(self) -> str:
        """The whole result: the counterexample in words and as a vector, or the cells missed."""
        if self.traceback:
            return f"{self.sentence()}\n\n{self.traceback}"
        if self.finding is None:
            more = self.transcript if self.result is Result.BROKEN else self.unvisited
            return "\n".join([self.sentence(), *more])
        vector = file_text(self.finding.vector.since, [self.finding.vector])
        return f"{self.finding.describe()}\n\nThe same as a vector, ready to be kept:\n{vector}"


_FOUND: Final = {
    Result.FAIL: "found a fault",
    Result.COULD_NOT_TEST: "could not make a call",
    Result.BROKEN: "came to an end, as the protocol was broken",
}


def _result_for(id: str, result: VectorResult) -> Result:
    """The result of one requirement, according to a vector that tests it."""
    if result.result is Result.FAIL and id not in result.blamed:
        return Result.PASS if id in result.met else Result.COULD_NOT_TEST  # not reached
    if result.result is Result.NOT_CLAIMED and id in result.met:  # before the rest was left out
        return Result.PASS
    return result.result
