"""The explorer: Hypothesis hunts for the sequence of calls that breaks an implementation.

Where vectors are fixed, the explorer makes up stories: several organizations, two of them with ids
that differ by case alone, and Connections between any of them; moves that the rules permit, and
others; and after each call it reads every Connection back. It goes wherever the system leads, where
several answers are permitted. A story that ends in an answer that is not permitted is made as short
as can be, and told as a vector, ready to be kept.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from itertools import product
from typing import ClassVar, Final, TypeVar

import hypothesis
from hypothesis import HealthCheck, Verbosity, settings
from hypothesis import strategies as st
from hypothesis.errors import Flaky
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from connect_core.conformance.case import BrokenSystemError, Case, NotPermittedError
from connect_core.conformance.profile import Answers, Profile
from connect_core.conformance.runner import (
    Exploration,
    MakeSystem,
    Result,
    VectorResult,
    what_came_of,
)
from connect_core.conformance.specification import load_specification
from connect_core.conformance.system import actor_of
from connect_core.conformance.vectors import AnyStep, Check, CreateStep, Vector
from connect_core.conformance.world import NEVER, SELF, TERMS, Move, World, followed
from connect_core.lifecycle import Action, Role, Status
from connect_core.parties import roles_of
from connect_core.policy import Cell, decision_table, steps_to

#: Who takes part. Two ids differ by case alone.
ORGANIZATIONS: Final = ("org_A", "org_B", "org_b")
#: What may be shared, and read.
SCOPES: Final = ("inquiry.read", "account.read", "case.read")

_organizations = st.sampled_from(ORGANIZATIONS)

_Given = TypeVar("_Given")


class FoundError(AssertionError):
    """A story ended in an answer that is not permitted.

    Attributes:
        result: the story as a vector, and what came of it.
    """

    def __init__(self, result: VectorResult) -> None:
        super().__init__(result)
        self.result = result

    def __str__(self) -> str:
        return self.result.describe()


@dataclass
class _Hunt:
    """What the stories of one exploration have in common.

    Attributes:
        make_system: gives a fresh system.
        profile: what is claimed.
        answers: what was known of the answers to open points at the beginning.
        visited: the cells of the matrix that were tried so far.
        broken: why the system cannot be asked any more, if that is so.
    """

    make_system: MakeSystem
    profile: Profile
    answers: Answers
    visited: set[Cell] = field(default_factory=set[Cell])
    broken: BrokenSystemError | None = None


class Explorer(RuleBasedStateMachine):
    """Anybody tries anything, and every Connection is read back after each call.

    `explore` makes a subclass with the system that is explored.
    """

    hunt: ClassVar[_Hunt]

    def __init__(self) -> None:
        super().__init__()
        self._world = World()
        self._steps: list[AnyStep] = []
        self._tried: set[Cell] = set()
        if self.hunt.broken is not None:
            raise self.hunt.broken
        self._system = self.hunt.make_system()
        self._case = Case(self._system, self.hunt.answers.copy())

    def teardown(self) -> None:
        """The story is over."""
        if self.hunt.broken is None:
            self._guarded(self._system.close)

    @initialize(by=_organizations, destination=_organizations)
    def begin(self, by: str, destination: str) -> None:
        """There is a Connection to begin with, so that everything can be tried."""
        self._create(by, by, destination, None, asked=True)

    @rule(
        by=_organizations,
        source=st.none() | _organizations,
        destination=_organizations,
        scopes=st.none() | st.lists(st.sampled_from(SCOPES), min_size=1, max_size=3),
        asked=st.booleans(),
    )
    def create(
        self,
        by: str,
        source: str | None,
        destination: str,
        scopes: Sequence[str] | None,
        asked: bool,
    ) -> None:
        """Somebody creates a Connection, for themselves or for others, a first or a second one."""
        if "named-source" not in self.hunt.profile.claims:
            source = None
        self._create(by, by if source is None else source, destination, scopes, asked=asked)

    def _create(
        self, by: str, origin: str, destination: str, scopes: Sequence[str] | None, *, asked: bool
    ) -> None:
        name = self._world.named(origin, destination)
        self._do(
            self._world.create(
                name or f"{origin}-{destination}",
                by=by,
                source=None if origin == by else origin,
                destination=destination,
                scopes=scopes,
                # Of a second one that is not asked for, either reason may be told.
                allow_self=origin == destination and (asked or name is not None),
            )
        )

    @precondition(lambda self: self._world.names())
    @rule(data=st.data())
    def move(self, data: st.DataObject) -> None:
        """A party does what it may do now."""
        move = data.draw(st.sampled_from(self._world.moves(ORGANIZATIONS, legal=True)))
        self._do(self._world.act(move))

    @precondition(lambda self: self._world.names())
    @rule(data=st.data())
    def attempt(self, data: st.DataObject) -> None:
        """A Connection is brought to a status, and somebody tries something, permitted or not.

        A cell of the matrix is drawn, if there is one that this story has not been to.
        """
        chances = self._chances()
        cells = [cell for cell in chances if cell not in self._tried] or list(chances)
        cell = data.draw(st.sampled_from(cells))
        name, by = data.draw(st.sampled_from(chances[cell]))
        self._lead(data, name, Status(str(cell.status)))
        if cell.action is Action.CREATE:
            there = self._world.connection(name)
            source, destination = there.source_organization_id, there.destination_organization_id
            self._create(by, str(source), str(destination), None, asked=True)
        else:
            self._do(self._world.act(Move(name, by, cell.action)))

    def _chances(self) -> dict[Cell, list[tuple[str, str]]]:
        """The cells that there are Connections for: which, and who would act."""
        chances: dict[Cell, list[tuple[str, str]]] = {}
        for name, by, status, action in product(self._world.names(), ORGANIZATIONS, Status, Action):
            there = self._world.connection(name)
            roles = roles_of(actor_of(by), there)
            if (
                action is not Action.CREATE
                or Role.SOURCE in roles
                or "named-source" in self.hunt.profile.claims
            ):
                chances.setdefault(Cell(status, action, roles), []).append((name, by))
        return chances

    @precondition(lambda self: self._world.names())
    @rule(data=st.data(), by=_organizations, scope=st.sampled_from(SCOPES))
    def share(self, data: st.DataObject, by: str, scope: str) -> None:
        """Somebody wants to read data."""
        name = data.draw(st.sampled_from(self._world.names()))
        self._do(self._world.share(name, by=by, scope=scope))

    def _lead(self, data: st.DataObject, name: str, status: Status) -> None:
        """The parties bring a Connection to a status."""
        for step in steps_to(self._world.connection(name), status):
            role = data.draw(st.sampled_from(sorted(step.roles)))
            by = str(self._world.connection(name).organization_of(role))
            self._do(self._world.act(Move(name, by, step.action)))
            self.everything_is_as_it_should_be()

    def _do(self, step: AnyStep) -> None:
        cell = self._world.cell(step)
        if cell is not None:
            self.hunt.visited.add(cell)
            self._tried.add(cell)
        self._steps.append(step)
        answer = self._guarded(lambda: self._case.perform(step))
        self._steps[-1] = followed(step, answer)
        self._world.follow(step, answer)
        if isinstance(step, CreateStep) and NEVER in answer.answers.get(SELF, ()):
            self.hunt.visited.update(cell for cell in decision_table() if len(cell.roles) > 1)

    @invariant()
    def everything_is_as_it_should_be(self) -> None:
        """Each Connection, as both parties see it and as an outsider does."""
        for name in self._world.names():
            for by in ORGANIZATIONS:
                check = self._check(name, by)
                self._guarded(partial(self._case.read, check))

    def _check(self, name: str, by: str) -> Check:
        claims = self.hunt.profile.claims
        members = ["status", *TERMS, "scopes"]
        members += ["version"] if "versions" in claims else []
        members += ["events"] if {"versions", "history"} <= set(claims) else []
        last = self._steps[-1]
        return self._world.read(
            name,
            by=by,
            members=members,
            requirements=last.requirements if last.connection == name else ("CXN-ISOL-001",),
            unchanged=["created_at"] if "times" in claims else [],
            not_before=["updated_at"] if "times" in claims else [],
        )

    # --- Faults ---

    def _guarded(self, call: Callable[[], _Given]) -> _Given:
        """What `call` gives; whatever it raises ends the story, which is told as a vector."""
        try:
            return call()
        except BrokenSystemError as error:
            self.hunt.broken = error
            raise
        except Exception as error:
            exchanges = self._case.exchanges
            said = [each for each in exchanges[:-1] if not each.is_look] + exchanges[-1:]
            raise FoundError(what_came_of(error, self._story(error), said)) from error

    def _story(self, error: Exception) -> Vector:
        """The calls so far, and the look that showed the fault, if one did."""
        *steps, last = self._steps
        if isinstance(error, NotPermittedError) and error.check is not last:
            last = last.model_copy(update={"then": (error.check,)})
        told = (*steps, last)
        digest = sha256(repr(told).encode()).hexdigest()[:8]
        return Vector.of(
            f"found/{digest}",
            "a story that the explorer found",
            load_specification().version,
            told,
            [each for each in _TAKEN if each in self.hunt.profile.claims],
        )


#: The capabilities that a story may make use of.
_TAKEN: Final = ("named-source", "versions", "history", "times")


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
    hunt = _Hunt(
        make_system, profile, Answers(profile.answers) if answers is None else answers.copy()
    )
    machine = type("Explorer", (Explorer,), {"hunt": hunt})
    result, finding, reason = Result.PASS, None, ""
    try:
        _run(hypothesis.seed(number)(machine), examples, steps)
    except FoundError as found:
        finding = found.result
        result = finding.result
    except Flaky:
        result, reason = Result.ERROR, "the same story does not end the same way twice"
    except BrokenSystemError:
        pass  # it is raised below, also where Hypothesis made something else of it
    if hunt.broken is not None:
        raise hunt.broken
    unvisited = sorted(map(_in_words, _due(profile) - hunt.visited))
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
