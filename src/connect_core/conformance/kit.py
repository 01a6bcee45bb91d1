"""The kit for pytest: a test class with one method to override.

It makes a pytest test of each vector, and one of the exploration. It adds no checks of its own.
"""

from typing import ClassVar

import pytest

from connect_core.conformance.exploration import explore
from connect_core.conformance.profile import Answers, Profile
from connect_core.conformance.runner import Result, VectorResult, run_vector
from connect_core.conformance.subject import System
from connect_core.conformance.vectors import Vector, load_vectors


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
    """

    #: The profile of the implementation. By default every capability is claimed.
    profile: ClassVar[Profile] = Profile()
    #: The number of random runs, and the maximum number of steps in each.
    exploration: ClassVar[tuple[int, int]] = (100, 50)
    #: The seed of the runs. By default every exploration has a new one.
    seed: ClassVar[int | None] = None

    _answers: ClassVar[Answers]

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        cls.profile.checked(vector.id for vector in load_vectors())
        cls._answers = Answers(cls.profile.answers)

    def make_system(self) -> System:
        """Make a fresh system that holds no Connections. Override this method."""
        raise NotImplementedError(f"{type(self).__name__} has to override make_system")

    @pytest.mark.parametrize("vector", load_vectors(), ids=lambda vector: vector.id)
    def test_vector(self, vector: Vector) -> None:
        """Every answer to a call of the vector is permitted."""
        _report(run_vector(self.make_system, vector, self.profile, self._answers))

    def test_explorer(self) -> None:
        """Random runs try every cell of the matrix, and find no answer that is not permitted."""
        examples, steps = self.exploration
        done = explore(
            self.make_system,
            self.profile,
            examples=examples,
            steps=steps,
            seed=self.seed,
            answers=self._answers.copy(),
        )
        if done.finding is not None:
            pytest.fail(done.describe(), pytrace=False)
        if done.result is not Result.PASS:
            pytest.fail(f"{done.sentence()}: {', '.join(done.unvisited)}", pytrace=False)


def _report(result: VectorResult) -> None:
    """Turn a result into pytest's pass, skip, xfail or fail."""
    match result.result:
        case Result.PASS:
            return
        case Result.NOT_CLAIMED:
            pytest.skip(result.reason)
        case Result.KNOWN_FAILURE:
            pytest.xfail(result.reason)
        case _:
            pytest.fail(result.describe(), pytrace=False)
