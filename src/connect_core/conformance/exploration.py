"""Exploration: random runs, to find a sequence of calls with a wrong answer.

Vectors are fixed; the exploration generates its calls. Each run has a world of its own
(`connect_core.conformance.worlds`): a few or many organizations and Connections, features that are
on or off, values that differ in hostile ways. The calls are permitted or not. Where several answers
are permitted, the exploration follows the one that the system gives.

The choices depend on nothing but the seed, the number of the run, and the answers: a seed gives the
same runs, and can be run again. What is found is shrunk to a counterexample, which is also a vector
to keep.
"""

import math
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from connect_core.conformance.execution import BrokenSystemError
from connect_core.conformance.profile import Answers, Profile
from connect_core.conformance.random_run import RandomRun
from connect_core.conformance.results import Exploration, Result, VectorResult
from connect_core.conformance.runner import MakeSystem
from connect_core.conformance.shrinking import NOT_REPRODUCIBLE, shrink
from connect_core.conformance.trace import (
    Counterexample,
    FoundError,
    OutOfTimeError,
    Search,
    Trace,
    UnmadeError,
)
from connect_core.conformance.tracebacks import error_in_words, traceback_of
from connect_core.conformance.worlds import World
from connect_core.decision import Cell
from connect_core.lifecycle import Action, Role
from connect_core.policy import decision_table

#: The most organizations in a world.
ORGANIZATIONS: Final = 20


def explore(
    make_system: MakeSystem,
    profile: Profile | None = None,
    *,
    examples: int = 100,
    steps: int = 50,
    seed: int | None = None,
    answers: Answers | None = None,
    seconds: float | None = None,
    organizations: int = ORGANIZATIONS,
    on_progress: Callable[[int], object] = lambda _: None,
) -> Exploration:
    """Test an implementation with random runs.

    Args:
        make_system: makes a fresh system; called once for each run.
        profile: the profile of the implementation; if omitted, every capability is claimed.
        examples: the number of runs.
        steps: the number of steps in each run. A step is one call, after the calls that bring a
            Connection to the status that it needs. A run first creates its Connections, and at its
            end it reads them.
        seed: the seed; the same seed gives the same runs. A new one if omitted.
        answers: the answers to open points that are still possible. If omitted, only the answers
            that the profile chooses are known.
        seconds: how long the runs may take together; None if there is no limit. The time is checked
            before each call to the system: a single call that takes longer is not interrupted. A
            fault that was found is shrunk for at most as long again.
        organizations: how many organizations a run may have at most.
        on_progress: called after each call and each run, with the number of runs completed so far.

    Returns:
        What was found. A system that breaks the protocol, or cannot be reached any more, gives the
        result `Result.BROKEN`.

    Raises:
        TypeError: `seconds` is not a number.
        ValueError: `examples` or `steps` is less than 1, there are fewer than 3 `organizations`, or
            `seconds` is not a number above 0.
    """
    if min(examples, steps) < 1:
        raise ValueError(f"an exploration needs at least 1x1, not {examples}x{steps}")
    if organizations < _FEWEST:
        raise ValueError(f"a run needs at least {_FEWEST} organizations, not {organizations}")
    if seconds is not None and not 0 < _number(seconds) < math.inf:
        raise ValueError(f"the seconds must be a number above 0, not {seconds}")
    profile = Profile() if profile is None else profile
    number = random.SystemRandom().randrange(10**6) if seed is None else seed
    known = Answers(profile.answers) if answers is None else answers.copy()
    visited, required, runs = set[Cell](), _required_cells(profile), 0
    search = Search(make_system, profile, known, seconds, lambda: on_progress(runs))

    def done(result: Result) -> Exploration:
        unvisited = tuple(sorted(map(_in_words, required - visited)))
        return Exploration(examples, steps, number, result, unvisited, runs=runs, seconds=seconds)

    timed_out, fault, seen = False, None, known
    try:
        while runs < examples:
            chance = random.Random(f"{number}:{runs}")  # noqa: S311  # no secret
            world = World(chance, organizations)
            with Trace(search) as trace:
                RandomRun(trace, world, frozenset(profile.claims), visited, required).go(steps)
            if search.answers is not known:  # it was repeated, and nothing was wrong then
                return replace(done(Result.ERROR), reason=NOT_REPRODUCIBLE)
            joined = seen.joined(trace.answers)
            if joined is None:  # nothing is wrong in this run alone: repeat it, knowing the others
                search.answers = seen
                continue
            seen, runs = joined, runs + 1
            on_progress(runs)
    except OutOfTimeError:
        timed_out = True
    except FoundError as found:
        fault = found.counterexample
    except BrokenSystemError as error:
        transcript = tuple(error.transcript)
        return replace(done(Result.BROKEN), reason=str(error), transcript=transcript)
    except UnmadeError as error:
        reason = f"make_system failed: {error_in_words(error.cause)}"
        traceback = traceback_of(error.cause)
        return replace(done(Result.ERROR), reason=reason, traceback=traceback)
    if fault is not None:  # not while it is handled: errors would refer to it
        finding = _shrunk(search, fault)
        return replace(done(finding.result), finding=finding, reason=_why(finding))
    result = Result.COULD_NOT_TEST if required - visited else Result.PASS
    return replace(done(result), timed_out=timed_out)


#: How few organizations a run needs: a source, a destination and an outsider.
_FEWEST: Final = 3


def _shrunk(search: Search, fault: Counterexample) -> VectorResult:
    """What was found, as short as it can be made."""
    search.begin_anew()
    try:
        return shrink(search, fault).result
    except (OutOfTimeError, BrokenSystemError, UnmadeError):
        return fault.result


def _why(finding: VectorResult) -> str:
    """Why a finding is told as it is; empty if it is what fails."""
    return finding.reason if finding.reason == NOT_REPRODUCIBLE else ""


def _number(seconds: object) -> float:
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
        raise TypeError(f"the seconds must be a number, not {type(seconds).__name__}")
    return seconds


def _required_cells(profile: Profile) -> set[Cell]:
    """The cells that an exploration has to try."""
    everything = set(decision_table())
    if "named-source" in profile.claims:
        return everything
    return {
        cell for cell in everything if cell.action is not Action.CREATE or Role.SOURCE in cell.roles
    }


def _in_words(cell: Cell) -> str:
    return f"{cell.status or 'none'}/{cell.action}/{'+'.join(sorted(cell.roles)) or 'outsider'}"
