"""The kit for pytest: a test class with one method to override.

It makes a pytest test of each vector, and one of the exploration. It adds no checks of its own.
"""

import time
from contextlib import nullcontext
from typing import ClassVar, Final

import pytest

from connect_core.conformance.exploration import explore
from connect_core.conformance.profile import Answers, Profile
from connect_core.conformance.results import Exploration, Result, VectorResult
from connect_core.conformance.runner import run_vector
from connect_core.conformance.shuffle import Shuffle
from connect_core.conformance.subject import System
from connect_core.conformance.vectors import Vector, load_vectors
from connect_core.text import visible

#: An exploration that takes longer says how far it is, and again after as long. In seconds.
_INTERVAL: Final = 5.0


class ConnectionConformance:
    """Every vector of the specification, and the exploration, as tests of your implementation.

    Subclass it in a test module, and return your system::

        from connect_core.conformance import ConnectionConformance, Profile

        class TestOurs(ConnectionConformance):
            profile = Profile(name="ours", claims=("versions",))

            def make_system(self):
                return OurSystem()

    Fixtures work as in any test class: an ``autouse`` fixture can put what `make_system` needs into
    an attribute. A vector that is listed as a known failure, but passes, fails the test. A vector
    whose capabilities are not claimed is skipped, with the reason.

    The ids of the organizations are others in each session.

    The exploration makes ten thousand calls or more, but ends after 20 seconds, and says how far it
    came. If it has not tried every cell of the matrix by then, it is skipped, with the reason. For
    a slow system, set `exploration_seconds` to more, or to None.
    """

    #: The profile of the implementation. By default every capability is claimed.
    profile: ClassVar[Profile] = Profile()
    #: The number of random runs, and the maximum number of steps in each.
    exploration: ClassVar[tuple[int, int]] = (100, 50)
    #: How long the runs may take together, in seconds; None if there is no limit.
    exploration_seconds: ClassVar[float | None] = 20.0
    #: The seed of the runs. By default every exploration has a new one.
    seed: ClassVar[int | None] = None
    #: The seed of the ids of organizations. By default they are others each time; with 0, they are
    #: those of the vectors.
    shuffle: ClassVar[int | None] = None

    _answers: ClassVar[Answers]
    _shuffle: ClassVar[Shuffle]

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        cls.profile.checked(vector.id for vector in load_vectors())
        cls._answers = Answers(cls.profile.answers)
        cls._shuffle = Shuffle.of(cls.shuffle)

    def make_system(self) -> System:
        """Make a fresh system that holds no Connections. Override this method."""
        raise NotImplementedError(f"{type(self).__name__} has to override make_system")

    @pytest.mark.parametrize("vector", load_vectors(), ids=lambda vector: vector.id)
    def test_vector(self, vector: Vector) -> None:
        """Every answer to a call of the vector is permitted."""
        done = run_vector(self.make_system, vector, self.profile, self._answers, self._shuffle)
        _report(done)

    def test_explorer(self, request: pytest.FixtureRequest) -> None:
        """Random runs try every cell of the matrix, and find no answer that is not permitted."""
        examples, steps = self.exploration
        progress = _Progress(request, examples)
        done = explore(
            self.make_system,
            self.profile,
            examples=examples,
            steps=steps,
            seed=self.seed,
            answers=self._answers.copy(),
            seconds=self.exploration_seconds,
            on_progress=progress.report,
        )
        if done.timed_out:
            progress.write(done.sentence())
        _report_exploration(done)


class _Progress:
    """Says on pytest's terminal how far an exploration is, if that takes long.

    Without a terminal reporter, as in the workers of pytest-xdist, it says nothing.
    """

    def __init__(self, request: pytest.FixtureRequest, examples: int) -> None:
        plugins = request.config.pluginmanager
        self._terminal = plugins.get_plugin("terminalreporter")
        self._capture = plugins.get_plugin("capturemanager")
        self._test = request.node.nodeid
        self._examples = examples
        self._begun = self._last = time.monotonic()

    def report(self, runs: int) -> None:
        """Say how many runs were completed, unless it was said shortly before."""
        now = time.monotonic()
        if now - self._last >= _INTERVAL:
            self._last = now
            self.write(f"{runs} of {self._examples} runs in {now - self._begun:.0f} s")

    def write(self, text: str) -> None:
        """Write a line, past pytest's capturing of output."""
        if self._terminal is None:
            return
        with self._capture.global_and_fixture_disabled() if self._capture else nullcontext():
            self._terminal.write_line(f"{self._test}: {text}")


def _report_exploration(done: Exploration) -> None:
    """Turn the result of an exploration into pytest's pass, skip or fail."""
    if done.result is Result.PASS:
        return
    if done.result is Result.COULD_NOT_TEST and done.timed_out:
        pytest.skip(
            f"{done.sentence()}; set exploration_seconds to more, or to None. "
            f"Not reached: {', '.join(done.unvisited)}"
        )
    if done.result is Result.COULD_NOT_TEST and done.finding is None:
        pytest.skip(f"{done.sentence()}: {', '.join(done.unvisited)}")
    pytest.fail(visible(done.describe(), keep="\n"), pytrace=False)


def _report(result: VectorResult) -> None:
    """Turn a result into pytest's pass, skip, xfail or fail."""
    match result.result:
        case Result.PASS:
            return
        case Result.NOT_CLAIMED:
            pytest.skip(visible(result.reason))
        case Result.KNOWN_FAILURE:
            pytest.xfail(visible(result.reason))
        case _:
            pytest.fail(visible(result.describe(), keep="\n"), pytrace=False)
