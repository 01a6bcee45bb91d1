"""Exploration: Hypothesis generates random runs to find a sequence of calls with a wrong answer.

Vectors are fixed; the exploration generates its calls. There are several organizations, two of them
with ids that differ by case alone, and Connections between any of them. The calls are permitted or
not, and after each call every Connection is read back. Where several answers are permitted, the
exploration follows the one that the system gives. A trace that ends in an answer that is not
permitted is shrunk to a counterexample, which is also a vector to keep.

This module only chooses calls. `connect_core.conformance.trace` makes them, checks the answers and
shrinks: Hypothesis' own shrinking is not used.
"""

import random
from collections.abc import Sequence
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
from connect_core.conformance.model import NEVER, SELF, Move
from connect_core.conformance.profile import Answers, Profile
from connect_core.conformance.runner import Exploration, MakeSystem, Result
from connect_core.conformance.subject import actor_of
from connect_core.conformance.trace import ORGANIZATIONS, CounterexampleError, Search, Trace, shrink
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
        """End the run."""
        self._trace.close()

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
        if cell is not None:
            self.visited.add(cell)
            self._tried.add(cell)
        answer = self._trace.do(step)
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

    Raises:
        BrokenSystemError: what the system returned is not an answer, or it cannot be reached any
            more.
        ValueError: `examples` or `steps` is less than 1.
    """
    if min(examples, steps) < 1:
        raise ValueError(f"an exploration needs at least 1x1, not {examples}x{steps}")
    profile = Profile() if profile is None else profile
    number = random.SystemRandom().randrange(10**6) if seed is None else seed
    known = Answers(profile.answers) if answers is None else answers.copy()
    search, visited = Search(make_system, profile, known), set[Cell]()
    machine = type("Explorer", (Explorer,), {"search": search, "visited": visited})
    result, finding, reason = Result.PASS, None, ""
    try:
        _run(hypothesis.seed(number)(machine), examples, steps)
    except CounterexampleError as counterexample:
        finding = shrink(search, counterexample).result
        result = finding.result
    except (BrokenSystemError, Flaky):
        pass  # Hypothesis may raise either of them; `search` has the original exception
    if search.broken is not None:
        raise search.broken
    # A counterexample that did not occur again is reported as an error.
    if search.counterexample is not None and finding is None:
        result, finding = Result.ERROR, search.counterexample.result
        reason = "the same story does not end the same way twice"
    unvisited = sorted(map(_in_words, _required_cells(profile) - visited))
    if result is Result.PASS and unvisited:
        result = Result.COULD_NOT_TEST
    return Exploration(examples, steps, number, result, tuple(unvisited), finding, reason)


#: Health checks of Hypothesis that do not apply: systems may be slow, and runs long.
_TOLERATED: Final = (
    HealthCheck.too_slow,
    HealthCheck.data_too_large,
    HealthCheck.filter_too_much,
    HealthCheck.large_base_example,
)


def _run(machine: type[RuleBasedStateMachine], examples: int, steps: int) -> None:
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
