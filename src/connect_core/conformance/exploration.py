"""Exploration: Hypothesis generates random runs to find a sequence of calls with a wrong answer.

Vectors are fixed; the exploration generates its calls. There are several organizations, two of them
with ids that differ by case alone, and Connections between any of them. The calls are permitted or
not, and after each call every Connection is read back. Where several answers are permitted, the
exploration follows the one that the system gives. A trace that ends in an answer that is not
permitted is shrunk to a counterexample, which is also a vector to keep.

This module only chooses calls. `connect_core.conformance.trace` makes them, checks the answers and
shrinks: Hypothesis' own shrinking is not used.
"""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product
from typing import ClassVar, Final

import hypothesis
from hypothesis import HealthCheck, Phase, Verbosity, settings
from hypothesis import strategies as st
from hypothesis.errors import Flaky
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)

from connect_core.conformance.execution import BrokenSystemError
from connect_core.conformance.model import Move
from connect_core.conformance.permitted import NEVER, SELF
from connect_core.conformance.profile import Answers, Profile
from connect_core.conformance.results import Exploration, Result
from connect_core.conformance.runner import MakeSystem
from connect_core.conformance.subject import actor_of
from connect_core.conformance.trace import (
    ORGANIZATIONS,
    CounterexampleError,
    EndOfSearchError,
    Search,
    Trace,
    shrink,
)
from connect_core.conformance.tracebacks import error_in_words, traceback_of
from connect_core.conformance.vectors import AnyStep, CreateStep
from connect_core.decision import Cell
from connect_core.lifecycle import SHARING_STATUS, Action, Role, Status
from connect_core.parties import roles_of
from connect_core.policy import decision_table, steps_to

#: The scopes that Connections are created with.
SCOPES: Final = ("inquiry.read", "account.read", "case.read")
#: The scopes that readers ask for.
ASKED: Final = (*SCOPES, "inquiry.write", "Inquiry.read", "inquiry")

_organizations = st.sampled_from(ORGANIZATIONS)
#: The status to bring a Connection to before a share: mostly the one in which data may pass.
_sharing = st.sampled_from([None, SHARING_STATUS, SHARING_STATUS, *Status])
_scopes = st.none() | st.lists(st.sampled_from(SCOPES), min_size=1, max_size=3)
_names = st.sampled_from([None, "Partner"])
#: The expected version, relative to the current one; mostly the actor expects none.
_expected = st.sampled_from([None, None, None, 0, -1, -2, 1])


class Explorer(RuleBasedStateMachine):
    """Chooses the calls of a random run. `explore` makes a subclass for the system under test."""

    search: ClassVar[Search]
    #: The cells of the matrix that were tried so far, in all runs.
    visited: ClassVar[set[Cell]]

    def __init__(self) -> None:
        super().__init__()
        self._tried: set[Cell] = set()
        self._trace = Trace(self.search)
        self._model = self._trace.model

    def teardown(self) -> None:
        """End the run, and count it if it was completed."""
        raised = self.search.unwinding
        self._trace.close()
        if isinstance(raised, SystemExit):
            raise self.search.end(raised) from None
        if raised is None:
            self.search.runs += 1
            self.search.report_progress()

    @initialize(by=_organizations, partner=_organizations, third=_organizations)
    def begin(self, by: str, partner: str, third: str) -> None:
        """Create some Connections to begin with, two of them in opposite directions."""
        for source, destination in dict.fromkeys([(by, partner), (partner, by), (by, third)]):
            self._create(source, source, destination)

    @rule(data=st.data())
    def go_on(self, data: st.DataObject) -> None:
        """Make the next call. There is one rule: of several, Hypothesis would disable some."""
        kinds = [self._create_another]
        if self._model.names():
            kinds += [self._move, self._attempt, self._share]
        data.draw(st.sampled_from(kinds))(data)

    def _create_another(self, data: st.DataObject) -> None:
        """Create a Connection, by its source or somebody else, the first of its pair or not."""
        by, destination = data.draw(_organizations), data.draw(_organizations)
        source = by
        if "named-source" in self.search.profile.claims and data.draw(st.booleans()):
            source = data.draw(_organizations)
        scopes, called, asked = data.draw(_scopes), data.draw(_names), data.draw(st.booleans())
        self._create(by, source, destination, scopes, called=called, asked=asked)

    def _create(
        self,
        by: str,
        origin: str,
        destination: str,
        scopes: Sequence[str] | None = None,
        *,
        called: str | None = None,
        asked: bool = True,
    ) -> None:
        name = self._model.named(origin, destination)
        self._do(
            self._model.create(
                name or f"{origin}-{destination}",
                by=by,
                source=None if origin == by else origin,
                destination=destination,
                called=called,
                scopes=scopes,
                # Without `allow_self`, a second self-connection could be refused for two reasons.
                allow_self=origin == destination and (asked or name is not None),
            )
        )

    def _move(self, data: st.DataObject) -> None:
        """Make a permitted move."""
        move = data.draw(st.sampled_from(self._model.moves(ORGANIZATIONS, legal=True)))
        self._act(move, data.draw(_expected))

    def _attempt(self, data: st.DataObject) -> None:
        """Bring a Connection to a status, and try something, permitted or not.

        Cells of the matrix that this run has not tried yet come first.
        """
        candidates = self._candidates()
        cells = [cell for cell in candidates if cell not in self._tried] or list(candidates)
        cell = data.draw(st.sampled_from(cells))
        name, by = data.draw(st.sampled_from(candidates[cell]))
        self._bring_to(data, name, Status(str(cell.status)))
        if cell.action is Action.CREATE:
            first = self._model.connection(name)
            source, destination = first.source_organization_id, first.destination_organization_id
            self._create(by, str(source), str(destination))
        else:
            self._act(Move(name, by, cell.action), data.draw(_expected))

    def _candidates(self) -> dict[Cell, list[tuple[str, str]]]:
        """The cells that can be tried, each with the possible Connections and actors."""
        candidates: dict[Cell, list[tuple[str, str]]] = {}
        for name, by, status, action in product(self._model.names(), ORGANIZATIONS, Status, Action):
            roles = roles_of(actor_of(by), self._model.connection(name))
            if (
                action is not Action.CREATE
                or Role.SOURCE in roles
                or "named-source" in self.search.profile.claims
            ):
                candidates.setdefault(Cell(status, action, roles), []).append((name, by))
        return candidates

    def _share(self, data: st.DataObject) -> None:
        """Ask to read data, in the current status or after bringing the Connection to another."""
        name, status = data.draw(st.sampled_from(self._model.names())), data.draw(_sharing)
        if status is not None:
            self._bring_to(data, name, status)
        by, scope = data.draw(_organizations), data.draw(st.sampled_from(ASKED))
        self._do(self._model.share(name, by=by, scope=scope))

    def _act(self, move: Move, expected: int | None) -> None:
        """Act, with an expected version relative to the current one, if that is claimed."""
        version = None
        if expected is not None and {"versions", "expected-version"} <= set(
            self.search.profile.claims
        ):
            version = max(1, self._model.connection(move.connection).version + expected)
        self._do(self._model.act(move, version))

    def _bring_to(self, data: st.DataObject, name: str, status: Status) -> None:
        """Bring a Connection to a status by permitted moves."""
        for step in steps_to(self._model.connection(name), status):
            role = data.draw(st.sampled_from(sorted(step.roles)))
            by = str(self._model.connection(name).organization_of(role))
            self._do(self._model.act(Move(name, by, step.action)))

    def _do(self, step: AnyStep) -> None:
        cell = self._model.cell(step)
        answer = self._trace.do(step)
        if answer is None:
            return
        if cell is not None:
            self.visited.add(cell)
            self._tried.add(cell)
        # Without self-connections, the cells of an actor with both roles cannot be reached.
        if isinstance(step, CreateStep) and NEVER in answer.answers.get(SELF, ()):
            self.visited.update(cell for cell in decision_table() if len(cell.roles) > 1)


def explore(
    make_system: MakeSystem,
    profile: Profile | None = None,
    *,
    examples: int = 100,
    steps: int = 50,
    seed: int | None = None,
    answers: Answers | None = None,
    seconds: float | None = None,
    on_progress: Callable[[int], object] = lambda _: None,
) -> Exploration:
    """Test an implementation with random runs, generated by Hypothesis.

    Args:
        make_system: makes a fresh system; called once for each run.
        profile: the profile of the implementation; if omitted, every capability is claimed.
        examples: the number of runs.
        steps: the maximum number of steps in each run. A step is one call, after the calls that
            bring a Connection to the status that it needs; read-backs are not counted.
        seed: the seed; the same seed gives the same runs. A new one if omitted.
        answers: the answers to open points that are still possible. If omitted, only the answers
            that the profile chooses are known.
        seconds: how long the runs may take together; None if there is no limit. The time is checked
            before each call to the system: a single call that takes longer is not interrupted. A
            fault that was found is repeated and shrunk for at most as long again.
        on_progress: called after each step and each run, with the number of runs completed so far.

    Raises:
        BrokenSystemError: what the system returned is not an answer, or it cannot be reached any
            more.
        TypeError: `seconds` is not a number.
        ValueError: `examples` or `steps` is less than 1, or `seconds` is not a number above 0.
    """
    if min(examples, steps) < 1:
        raise ValueError(f"an exploration needs at least 1x1, not {examples}x{steps}")
    if seconds is not None and not 0 < _number(seconds) < math.inf:
        raise ValueError(f"the seconds must be a number above 0, not {seconds}")
    profile = Profile() if profile is None else profile
    number = random.SystemRandom().randrange(10**6) if seed is None else seed
    known = Answers(profile.answers) if answers is None else answers.copy()
    search, visited = Search(make_system, profile, known, seconds, on_progress), set[Cell]()
    machine = type("Explorer", (Explorer,), {"search": search, "visited": visited})
    repeated = _run(search, hypothesis.seed(number)(machine), examples, steps)
    done = Exploration(
        examples,
        steps,
        number,
        Result.PASS,
        unvisited=tuple(sorted(map(_in_words, _required_cells(profile) - visited))),
        runs=search.runs,
        seconds=seconds,
    )
    out_of_time = search.ended is not None and search.unmade is None
    if repeated is not None:
        found = shrink(search, repeated).result
        return replace(done, result=found.result, finding=found)
    if search.counterexample is not None:
        found = search.counterexample.result
        if out_of_time:  # to repeat it
            return replace(done, result=found.result, finding=found)
        return replace(done, result=Result.ERROR, finding=found, reason=_FLAKY)
    if search.unmade is not None:
        reason = f"make_system failed: {error_in_words(search.unmade)}"
        traceback = traceback_of(search.unmade)
        return replace(done, result=Result.ERROR, reason=reason, traceback=traceback)
    if search.flaky and not out_of_time:
        return replace(done, result=Result.ERROR, reason=_FLAKY)
    result = Result.COULD_NOT_TEST if done.unvisited else Result.PASS
    return replace(done, result=result, timed_out=out_of_time)


#: Why an exploration ended in an error, if the system is not the same each time.
_FLAKY: Final = "the same story does not end the same way twice"


def _number(seconds: object) -> float:
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
        raise TypeError(f"the seconds must be a number, not {type(seconds).__name__}")
    return seconds


#: Health checks of Hypothesis that do not apply: systems may be slow, and runs long.
_TOLERATED: Final = (
    HealthCheck.too_slow,
    HealthCheck.data_too_large,
    HealthCheck.filter_too_much,
    HealthCheck.large_base_example,
)


def _run(
    search: Search, machine: type[RuleBasedStateMachine], examples: int, steps: int
) -> CounterexampleError | None:
    """Make the runs; return the counterexample that occurred twice, if one did.

    Raises:
        BrokenSystemError: the system cannot be called any more.
        BaseException: what else the caller of `explore` has to see.
    """
    repeated: CounterexampleError | None = None
    try:
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=examples,
                stateful_step_count=steps,
                deadline=None,
                database=None,
                derandomize=False,
                phases=(Phase.generate,),  # `shrink` does the shrinking
                print_blob=False,
                report_multiple_bugs=False,
                suppress_health_check=_TOLERATED,
                verbosity=Verbosity.quiet,
            ),
        )
    except CounterexampleError as counterexample:
        repeated = counterexample
    except Flaky:  # also instead of the others; `search` has the original exception
        search.flaky = True
    except (BrokenSystemError, EndOfSearchError):
        pass
    if search.broken is not None:
        raise search.broken
    if search.ended is not None and search.ended.error is not None:
        raise search.ended.error
    return repeated


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
