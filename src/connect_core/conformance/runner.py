"""The runner: executes vectors and reports a result for each vector and each requirement.

A vector passes if every answer was permitted. What could not be tested is reported, and never
counts as a pass: a vector whose preparation fails, a call that the implementation claims to support
but does not, a requirement that no call reached.

The runner does not judge single answers (`connect_core.conformance.execution` does) and does not
format reports (`connect_core.conformance.report` does).
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from fnmatch import fnmatchcase
from time import monotonic
from typing import Final, NamedTuple

from connect_core.conformance.execution import (
    BrokenSystemError,
    Exchange,
    Execution,
    ImplementationError,
    NotPermittedError,
    UnsupportedError,
)
from connect_core.conformance.profile import Answers, Profile
from connect_core.conformance.results import Report, Result, VectorResult
from connect_core.conformance.shuffle import Shuffle
from connect_core.conformance.specification import load_specification
from connect_core.conformance.subject import System
from connect_core.conformance.tracebacks import error_in_words, traceback_of
from connect_core.conformance.vectors import (
    ReadStep,
    ShareStep,
    Vector,
    load_vectors,
    needs_of,
)
from connect_core.conformance.wording import call_in_words
from connect_core.history import utc_now

_AS_WRITTEN: Final = Shuffle(0)

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
    shuffle: int | None = None,
    keep_going: bool = False,
) -> Report:
    """Test an implementation with vectors, in another order and with other ids each time.

    A vector that cannot be finished, because the system breaks the protocol or cannot be reached
    any more, has the result `Result.BROKEN`.

    Args:
        make_system: makes a fresh system; called once for each vector.
        profile: the profile of the implementation; if omitted, every capability is claimed.
        among: the vectors; those of the specification if omitted.
        on_result: called with each result as soon as it is known.
        answers: the answers to open points that are still possible; each vector narrows them. If
            omitted, only the answers that the profile chooses are known.
        shuffle: the seed of the ids of organizations, and of the order; a new one if None. With 0,
            the vectors are run as they are written, and in their order.
        keep_going: whether the other vectors are run after one that could not be finished. Each is
            run with a system of its own, so that `make_system` has to make one that works.

    Raises:
        InvalidProfileError: the profile names something that does not exist.
        ValueError: the seed is negative.
    """
    if shuffle is not None and shuffle < 0:
        raise ValueError(f"the seed must not be negative, as {shuffle} is")
    profile = Profile() if profile is None else profile
    chosen = load_vectors() if among is None else tuple(among)
    profile.checked([*(each.id for each in load_vectors()), *(each.id for each in chosen)])
    answers = Answers(profile.answers) if answers is None else answers
    shuffled = Shuffle.of(shuffle)
    results: dict[str, VectorResult] = {}
    began, begun = utc_now(), monotonic()
    for vector in shuffled.order(chosen):
        vector_begun = monotonic()
        try:
            result = run_vector(make_system, vector, profile, answers, shuffled)
        except BrokenSystemError as error:
            transcript = tuple(error.transcript)
            result = VectorResult(vector, Result.BROKEN, str(error), transcript=transcript)
        result = replace(result, seconds=monotonic() - vector_begun)
        results[vector.id] = result
        on_result(result)
        if result.result is Result.BROKEN and not keep_going:
            break
    return Report(
        profile,
        load_specification(),
        tuple(results[each.id] for each in chosen if each.id in results),
        answers.left(),
        shuffle=shuffled.seed,
        began=began,
        seconds=monotonic() - begun,
    )


def run_vector(
    make_system: MakeSystem,
    vector: Vector,
    profile: Profile,
    answers: Answers,
    shuffle: Shuffle = _AS_WRITTEN,
) -> VectorResult:
    """Test a fresh system with one vector.

    Args:
        make_system: makes the system.
        vector: the vector.
        profile: the profile of the implementation.
        answers: the answers to open points that are still possible; each answer narrows them.
        shuffle: the ids of the organizations; by default, those of the vector.

    Raises:
        BrokenSystemError: what the system returned is not an answer, or it cannot be reached any
            more.
    """
    lacking = profile.lacks(vector.needs)
    if lacking:
        reason = f"The profile does not claim {', '.join(lacking)}."
        return VectorResult(vector, Result.NOT_CLAIMED, reason)
    result = _execute(make_system, vector, profile, answers, shuffle)
    known = profile.known_failures.get(vector.id)
    if known is None or result.result is Result.NOT_CLAIMED:
        return result
    if result.result is Result.PASS:
        reason = f"It passes. It is listed as a known failure ({known}): strike it from the list."
        return VectorResult(vector, Result.UNEXPECTED_PASS, reason)
    return VectorResult(vector, Result.KNOWN_FAILURE, known)


def _execute(
    make_system: MakeSystem,
    vector: Vector,
    profile: Profile,
    answers: Answers,
    shuffle: Shuffle,
) -> VectorResult:
    """Test a fresh system with one vector, known failure or not."""
    try:
        system = make_system()
    except BrokenSystemError:
        raise
    except Exception as error:
        return result_of(error, vector, (), profile, "make_system")
    execution = Execution(shuffle.system(system, vector.id), answers)
    try:
        result = _perform(execution, vector, profile)
    except BaseException:  # there will be no result, but the execution is ended
        with suppress(Exception):
            system.close()
        raise
    try:
        system.close()
    except BrokenSystemError:
        raise
    except Exception as error:
        if result.result in (Result.PASS, Result.NOT_CLAIMED):  # or else something failed before
            return result_of(error, vector, execution.exchanges, profile, "close")
    return result


def _perform(execution: Execution, vector: Vector, profile: Profile) -> VectorResult:
    """Perform the steps of a vector; return its result."""
    try:
        performed = _perform_steps(execution, vector)
    except BrokenSystemError:
        raise
    except Exception as error:
        return result_of(error, vector, execution.exchanges, profile)
    if performed.faults:
        result = result_of(performed.faults[0], vector, performed.exchanges, profile)
        blamed = [each for fault in performed.faults for each in fault.check.requirements]
        return replace(result, blamed=tuple(dict.fromkeys(blamed)), met=frozenset(execution.met))
    excluded = performed.excluded or " ".join(dict.fromkeys(execution.left_out))
    if excluded:
        return VectorResult(vector, Result.NOT_CLAIMED, excluded, met=frozenset(execution.met))
    return VectorResult(vector, Result.PASS)


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
        except UnsupportedError as error:
            if not error.reason:
                raise
            break
        if answer.ends:
            points = ", ".join(
                f"{point} by {' or '.join(each)}" for point, each in answer.answers.items()
            )
            excluded = f"The implementation answers {points}, which excludes what follows."
            return _Performed(tuple(faults), exchanges, excluded)
    return _Performed(tuple(faults), exchanges)


def result_of(
    error: Exception,
    vector: Vector,
    exchanges: Sequence[Exchange],
    profile: Profile,
    failed: str = "",
) -> VectorResult:
    """The result of a vector that ended in an error.

    Args:
        error: the exception that the execution or the implementation raised.
        vector: the vector.
        exchanges: the exchanges until then.
        profile: the profile of the implementation.
        failed: what failed, if it was not the call of the last exchange.
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
        why = profile.why_tested(needs_of(error.check))
        reason = f"{call_in_words(error.check)}: this is not supported, {why}."
        return VectorResult(vector, Result.COULD_NOT_TEST, reason, exchanges=tuple(exchanges))
    # The traceback of a peer's error would only show the kit.
    traceback = "" if isinstance(error, ImplementationError) else traceback_of(error)
    reason = f"{failed or 'The implementation'} failed: {error_in_words(error)}"
    return VectorResult(
        vector, Result.ERROR, reason, exchanges=tuple(exchanges), traceback=traceback
    )
