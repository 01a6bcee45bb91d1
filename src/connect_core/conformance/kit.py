"""The kit for pytest: a class with one method to override."""

from typing import ClassVar

import pytest

from connect_core.conformance.exploration import explore
from connect_core.conformance.profile import Answers, Profile
from connect_core.conformance.runner import Result, VectorResult, run_vector
from connect_core.conformance.subject import System
from connect_core.conformance.vectors import Vector, load_vectors


class ConnectionConformance:
    """Every vector of the specification, and the explorer, as tests of your implementation.

    Subclass it in a test module, and give it your system::

        from connect_core.conformance import ConnectionConformance, Profile

        class TestOurs(ConnectionConformance):
            profile = Profile(name="ours", claims=("versions",))

            def make_system(self):
                return OurSystem()

    Fixtures work as in any test class: let one that is used automatically put what `make_system`
    needs into an attribute. A vector that passes though it is listed as a known failure fails; one
    whose capabilities are not claimed is skipped, with the reason.
    """

    #: What is claimed: everything, unless you say otherwise.
    profile: ClassVar[Profile] = Profile()
    #: How many stories the explorer tells, and how long they are.
    exploration: ClassVar[tuple[int, int]] = (100, 50)
    #: Gives the same stories every time; new ones each time, unless you say which.
    seed: ClassVar[int | None] = None

    _answers: ClassVar[Answers]

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        cls.profile.checked(vector.id for vector in load_vectors())
        cls._answers = Answers(cls.profile.answers)

    def make_system(self) -> System:
        """A fresh implementation, in a world without Connections. Override this."""
        raise NotImplementedError(f"{type(self).__name__} has to override make_system")

    @pytest.mark.parametrize("vector", load_vectors(), ids=lambda vector: vector.id)
    def test_vector(self, vector: Vector) -> None:
        """The implementation gives permitted answers only."""
        _tell(run_vector(self.make_system, vector, self.profile, self._answers))

    def test_explorer(self) -> None:
        """No story is found that ends in an answer that is not permitted."""
        examples, steps = self.exploration
        found = explore(
            self.make_system,
            self.profile,
            examples=examples,
            steps=steps,
            seed=self.seed,
            answers=self._answers.copy(),
        )
        if found.finding is not None:
            pytest.fail(found.describe(), pytrace=False)
        if found.result is not Result.PASS:
            pytest.fail(f"{found.sentence()}: {', '.join(found.unvisited)}", pytrace=False)


def _tell(result: VectorResult) -> None:
    """Say it as pytest says it."""
    match result.result:
        case Result.PASS:
            return
        case Result.NOT_CLAIMED:
            pytest.skip(result.reason)
        case Result.KNOWN_FAILURE:
            pytest.xfail(result.reason)
        case _:
            pytest.fail(result.describe(), pytrace=False)
