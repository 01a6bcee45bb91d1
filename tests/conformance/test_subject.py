"""The library's implementations and those in other languages, against the whole specification."""

from collections.abc import Generator
from contextlib import contextmanager

import pytest
from databases import STORES, Backend
from peers import PEER, PERL_PEER
from sqlalchemy import delete

from connect_core import (
    AccessDeniedError,
    Actor,
    ConnectError,
    ConnectionNotFoundError,
    ConnectionService,
    InMemoryStore,
    InvalidHistoryError,
    decide_access,
)
from connect_core.adapters.sql import connection_events, connections
from connect_core.conformance import (
    Answer,
    ConnectionConformance,
    Outcome,
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
    exploration_seconds = None
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
        [STORES[1], *(pytest.param(store, marks=pytest.mark.stress) for store in STORES[2:])],
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
        found = {
            each.result for each in report.results if set(each.vector.needs) == {"named-source"}
        }
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

    @pytest.mark.stress
    def test_the_exploration_finds_nothing(self) -> None:
        with peer() as system:
            found = explore(lambda: system, examples=60, steps=50, seed=1)
        assert found.result is Result.PASS, found.describe()

    @pytest.mark.stress
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
        assert declared.passed, declared.sentence()
        assert undeclared.passed
        assert undeclared.answers[point] == [answer]
        assert wrong.exit_code == 1

    @pytest.mark.stress
    @pytest.mark.parametrize("capability", EVERYTHING)
    def test_a_capability_that_is_left_out(self, capability: str) -> None:
        """The implementation conforms if it does not claim the capability, and only then."""
        claims = tuple(each for each in EVERYTHING if each != capability)
        if capability == "versions":
            claims = tuple(each for each in claims if each not in ("history", "expected-version"))
        with peer("--without", capability) as system:
            assert run(lambda: system, Profile(claims=claims)).conforms
            needing = [vector for vector in load_vectors() if capability in vector.needs]
            assert not run(lambda: system, among=needing).passed

    @pytest.mark.stress
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


def test_errors_of_the_library_are_answers() -> None:
    """Systems built on the library can turn its errors into answers."""
    stranger = Actor(id="usr_1", organization_id="org_C")
    answer = ReferenceSystem().read(by="org_A", connection="cxn_1")
    assert answer == Answer(Outcome.NOT_FOUND, http=404)
    assert Answer.to(ConnectionNotFoundError("cxn_1")) == answer

    class Row:
        source_organization_id = "org_A"
        destination_organization_id = "org_B"
        status = "active"
        scopes = ("a.b",)

    refused = AccessDeniedError(decide_access(stranger, "a.b", Row()), stranger, "a.b")
    assert Answer.to(refused) == Answer(Outcome.NOT_A_PARTY, http=404)


@pytest.mark.parametrize("error", [InvalidHistoryError(0, "is missing"), ConnectError("what")])
def test_errors_that_are_not_outcomes(error: ConnectError) -> None:
    with pytest.raises(TypeError, match=f"{type(error).__name__} is not the outcome of an attempt"):
        Answer.to(error)


class TestThirdImplementation:
    """An implementation in Perl, written from the specification alone."""

    def test_it_conforms(self, perl: str) -> None:
        with StdioPeer([perl, str(PERL_PEER)]) as system:
            report = run(lambda: system, Profile(name="Perl"))
        assert report.conforms, report.sentence()
        assert report.counts() == {Result.PASS: len(report.results)}
        assert report.answers == {
            point.id: [point.ours] for point in load_specification().open_points
        }

    @pytest.mark.stress
    def test_the_exploration_finds_nothing(self, perl: str) -> None:
        with StdioPeer([perl, str(PERL_PEER)]) as system:
            found = explore(lambda: system, examples=60, steps=50, seed=1)
        assert found.result is Result.PASS, found.describe()
