"""The explorer: Hypothesis hunts for the sequence of calls that breaks an implementation.

Where vectors are fixed, the explorer makes up stories: several organizations, two of them with ids
that differ by case alone, and Connections between any of them; moves that the rules permit, and
others; and after each call it reads every Connection back. It goes wherever the system leads, where
several answers are permitted. A story that ends in an answer that is not permitted is made as short
as can be, and told as a vector, ready to be kept.
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
from connect_core.conformance.trace import ORGANIZATIONS, CounterexampleError, Search, Trace, shrunk
from connect_core.conformance.vectors import AnyStep, CreateStep
from connect_core.decision import Cell
from connect_core.lifecycle import SHARING_STATUS, Action, Role, Status
from connect_core.parties import roles_of
from connect_core.policy import decision_table, steps_to

#: What may be shared.
SCOPES: Final = ("inquiry.read", "account.read", "case.read")
#: What may be asked for.
ASKED: Final = (*SCOPES, "inquiry.write", "Inquiry.read", "inquiry")

_organizations = st.sampled_from(ORGANIZATIONS)
#: Whether data may pass depends on the status: mostly it is one in which it may.
_sharing = st.sampled_from([None, SHARING_STATUS, SHARING_STATUS, *Status])
_scopes = st.none() | st.lists(st.sampled_from(SCOPES), min_size=1, max_size=3)
_names = st.sampled_from([None, "Partner"])
#: How far the version that an actor expects is from what it is; mostly they expect none.
_expected = st.sampled_from([None, None, None, 0, -1, -2, 1])


class Explorer(RuleBasedStateMachine):
    """Anybody tries anything, and every Connection is read back after each call.

    `explore` makes a subclass with the system that is explored.
    """

    search: ClassVar[Search]
    #: The cells of the matrix that were tried so far, in all stories.
    visited: ClassVar[set[Cell]]

    def __init__(self) -> None:
        super().__init__()
        self._tried: set[Cell] = set()
        self._trace = Trace(self.search)
        self._model = self._trace.model

    def teardown(self) -> None:
        """The story is over."""
        self._trace.close()

    @initialize(by=_organizations, partner=_organizations, third=_organizations)
    def begin(self, by: str, partner: str, third: str) -> None:
        """There are some Connections to begin with, two of them the reverse of each other."""
        for source, destination in dict.fromkeys([(by, partner), (partner, by), (by, third)]):
            self._create(source, source, destination)

    @rule(data=st.data())
    def go_on(self, data: st.DataObject) -> None:
        """Something happens. One rule draws what: of several, Hypothesis would leave some out."""
        chapters = [self._create_another]
        if self._model.names():
            chapters += [self._move, self._attempt, self._share]
        data.draw(st.sampled_from(chapters))(data)

    def _create_another(self, data: st.DataObject) -> None:
        """Somebody creates a Connection, for themselves or for others, a first or a second one."""
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
                # Of a second one that is not asked for, either reason may be told.
                allow_self=origin == destination and (asked or name is not None),
            )
        )

    def _move(self, data: st.DataObject) -> None:
        """A party does what it may do now."""
        move = data.draw(st.sampled_from(self._model.moves(ORGANIZATIONS, legal=True)))
        self._act(move, data.draw(_expected))

    def _attempt(self, data: st.DataObject) -> None:
        """A Connection is brought to a status, and somebody tries something, permitted or not.

        A cell of the matrix is drawn, if there is one that this story has not been to.
        """
        chances = self._chances()
        cells = [cell for cell in chances if cell not in self._tried] or list(chances)
        cell = data.draw(st.sampled_from(cells))
        name, by = data.draw(st.sampled_from(chances[cell]))
        self._lead(data, name, Status(str(cell.status)))
        if cell.action is Action.CREATE:
            there = self._model.connection(name)
            source, destination = there.source_organization_id, there.destination_organization_id
            self._create(by, str(source), str(destination))
        else:
            self._act(Move(name, by, cell.action), data.draw(_expected))

    def _chances(self) -> dict[Cell, list[tuple[str, str]]]:
        """The cells that there are Connections for: which, and who would act."""
        chances: dict[Cell, list[tuple[str, str]]] = {}
        for name, by, status, action in product(self._model.names(), ORGANIZATIONS, Status, Action):
            there = self._model.connection(name)
            roles = roles_of(actor_of(by), there)
            if (
                action is not Action.CREATE
                or Role.SOURCE in roles
                or "named-source" in self.search.profile.claims
            ):
                chances.setdefault(Cell(status, action, roles), []).append((name, by))
        return chances

    def _share(self, data: st.DataObject) -> None:
        """Somebody wants to read data, now or once the Connection has a status."""
        name, status = data.draw(st.sampled_from(self._model.names())), data.draw(_sharing)
        if status is not None:
            self._lead(data, name, status)
        by, scope = data.draw(_organizations), data.draw(st.sampled_from(ASKED))
        self._do(self._model.share(name, by=by, scope=scope))

    def _act(self, move: Move, expected: int | None) -> None:
        """Act, expecting so many versions less or more than there are, if that is claimed."""
        version = None
        if expected is not None and {"versions", "expected-version"} <= set(
            self.search.profile.claims
        ):
            version = max(1, self._model.connection(move.connection).version + expected)
        self._do(self._model.act(move, version))

    def _lead(self, data: st.DataObject, name: str, status: Status) -> None:
        """The parties bring a Connection to a status."""
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
    """Let Hypothesis look for a story that an implementation does not tell as it should.

    Args:
        make_system: gives a fresh system; called once for each story.
        profile: what is claimed; everything, if omitted.
        examples: how many stories.
        steps: how many calls there are at most in each, besides those that read back.
        seed: gives the same stories as it gave before; a new one if omitted.
        answers: what is known of the answers to open points; nothing but what the profile chooses,
            if omitted.

    Raises:
        BrokenSystemError: what the system gave is no answer, or it cannot be reached any more.
        ValueError: `examples` or `steps` is less than 1.
    """
    if min(examples, steps) < 1:
        raise ValueError(f"an exploration takes at least 1x1, not {examples}x{steps}")
    profile = Profile() if profile is None else profile
    number = random.SystemRandom().randrange(10**6) if seed is None else seed
    known = Answers(profile.answers) if answers is None else answers.copy()
    search, visited = Search(make_system, profile, known), set[Cell]()
    machine = type("Explorer", (Explorer,), {"search": search, "visited": visited})
    result, finding, reason = Result.PASS, None, ""
    try:
        _run(hypothesis.seed(number)(machine), examples, steps)
    except CounterexampleError as found:
        finding = shrunk(search, found).result
        result = finding.result
    except (BrokenSystemError, Flaky):
        pass  # the hunt knows, also where Hypothesis has made something else of it
    if search.broken is not None:
        raise search.broken
    if search.found is not None and finding is None:
        result, finding = Result.ERROR, search.found.result
        reason = "the same story does not end the same way twice"
    unvisited = sorted(map(_in_words, _due(profile) - visited))
    if result is Result.PASS and unvisited:
        result = Result.COULD_NOT_TEST
    return Exploration(examples, steps, number, result, tuple(unvisited), finding, reason)


#: A slow system, and long stories, are nobody's fault here.
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
            phases=(Phase.generate,),  # what is found is shortened here
            print_blob=False,
            report_multiple_bugs=False,
            suppress_health_check=_TOLERATED,
            verbosity=Verbosity.quiet,
        ),
    )


def _due(profile: Profile) -> set[Cell]:
    """The cells that an exploration has to visit."""
    everything = set(decision_table())
    if "named-source" in profile.claims:
        return everything
    return {
        cell for cell in everything if cell.action is not Action.CREATE or Role.SOURCE in cell.roles
    }


def _in_words(cell: Cell) -> str:
    return f"{cell.status or 'none'}/{cell.action}/{'+'.join(sorted(cell.roles)) or 'outsider'}"
