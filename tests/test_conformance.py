"""The library's implementations and the one in JavaScript, against the whole specification."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from databases import STORES, Backend
from sqlalchemy import delete

from connect_core import ConnectionService, InMemoryStore
from connect_core.adapters.sql import connection_events, connections
from connect_core.conformance import (
    ConnectionConformance,
    Profile,
    ReferenceSystem,
    Result,
    ServiceSystem,
    StdioPeer,
    System,
    explore,
    load_specification,
    load_vectors,
    run,
)

PEER = Path(__file__).parent / "node" / "peer.mjs"
EVERYTHING = Profile().claims
SERVICE = Profile(
    name="the service",
    claims=tuple(each for each in EVERYTHING if each != "named-source"),
    answers={point.id: point.ours for point in load_specification().open_points},
)


class TestReference(ConnectionConformance):
    """The core alone, with a dict as its store. Every vector is a test of its own."""

    profile = Profile(
        name="the reference",
        answers={point.id: point.ours for point in load_specification().open_points},
    )

    exploration = (60, 50)
    seed = 1

    def make_system(self) -> System:
        return ReferenceSystem()


def system_on(backend: Backend) -> ServiceSystem:
    """The service on a store that is emptied at the end of each execution."""

    def empty() -> None:
        with backend.engine.begin() as database:
            database.execute(delete(connection_events))
            database.execute(delete(connections))

    return ServiceSystem(backend.service, empty)


class TestService:
    """The service, on each store."""

    def test_in_memory(self) -> None:
        def make() -> ServiceSystem:
            return ServiceSystem(ConnectionService(InMemoryStore()))

        report = run(make, SERVICE)
        assert report.conforms, report.sentence()
        assert report.counts()[Result.NOT_CLAIMED] == len(
            [each for each in report.results if "named-source" in each.vector.needs]
        )
        assert explore(make, SERVICE, examples=20, steps=30, seed=1).finding is None

    @pytest.mark.parametrize(
        "stored",
        [STORES[1], *(pytest.param(store, marks=pytest.mark.hunt) for store in STORES[2:])],
        indirect=True,
    )
    def test_on_a_database(self, stored: Backend) -> None:
        system = system_on(stored)
        report = run(lambda: system, SERVICE)
        assert report.conforms, report.sentence()
        assert report.counts()[Result.PASS] > 300
        assert explore(lambda: system, SERVICE, examples=3, steps=20, seed=1).finding is None

    def test_somebody_else_s_connection_is_not_supported(self) -> None:
        system = ServiceSystem(ConnectionService(InMemoryStore()))
        report = run(lambda: system, Profile(claims=("named-source",)))
        found = {each.result for each in report.results if "named-source" in each.vector.needs}
        assert found == {Result.COULD_NOT_TEST}
        assert report.exit_code == 1


# --- In another language -------------------------------------------------------------------------


@contextmanager
def peer(*options: str) -> Generator[StdioPeer]:
    with StdioPeer(["node", str(PEER), *options]) as started:
        yield started


@pytest.mark.usefixtures("node")
class TestSecondImplementation:
    """An implementation in JavaScript, written from the specification alone."""

    def test_it_conforms(self) -> None:
        with peer() as system:
            report = run(lambda: system, Profile(name="Node.js"))
        assert report.conforms, report.sentence()
        assert report.counts() == {Result.PASS: len(report.results)}
        assert report.answers == {
            point.id: [point.ours] for point in load_specification().open_points
        }

    @pytest.mark.hunt
    def test_the_exploration_finds_nothing(self) -> None:
        with peer() as system:
            found = explore(lambda: system, examples=60, steps=50, seed=1)
        assert found.result is Result.PASS, found.describe()

    @pytest.mark.hunt
    @pytest.mark.parametrize(
        ("point", "answer"),
        [
            (point, answer)
            for point, answers in load_specification().answers().items()
            for answer in answers
        ],
    )
    def test_every_answer_to_an_open_point_conforms(self, point: str, answer: str) -> None:
        """With or without a declaration; but not if another answer is declared."""
        about = [vector for vector in load_vectors() if point in vector.open]
        with peer("--open", f"{point}={answer}") as system:
            declared = run(lambda: system, Profile(answers={point: answer}), among=about)
            undeclared = run(lambda: system, among=about)
            others = [each for each in load_specification().answers()[point] if each != answer]
            wrong = run(lambda: system, Profile(answers={point: others[0]}), among=about)
        assert declared.conforms, declared.sentence()
        assert undeclared.conforms
        assert undeclared.answers[point] == [answer]
        assert wrong.exit_code == 1

    @pytest.mark.hunt
    @pytest.mark.parametrize("capability", EVERYTHING)
    def test_a_capability_that_is_left_out(self, capability: str) -> None:
        """The implementation conforms if it does not claim the capability, and only then."""
        claims = tuple(each for each in EVERYTHING if each != capability)
        if capability == "versions":
            claims = tuple(each for each in claims if each not in ("history", "expected-version"))
        with peer("--without", capability) as system:
            assert run(lambda: system, Profile(claims=claims)).conforms
            needing = [vector for vector in load_vectors() if capability in vector.needs]
            assert not run(lambda: system, among=needing).conforms

    @pytest.mark.hunt
    def test_all_other_answers_at_once(self) -> None:
        """The exploration follows them, too."""
        others = {point: answers[-1] for point, answers in load_specification().answers().items()}
        options = [part for choice in others.items() for part in ("--open", "=".join(choice))]
        with peer(*options) as system:
            found = explore(lambda: system, examples=20, steps=30, seed=2)
            assert run(lambda: system).answers == {
                point: [answer] for point, answer in others.items()
            }
        assert found.finding is None, found.describe()
