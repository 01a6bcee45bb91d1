"""Races between threads of one process that share a store."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from databases import Backend, backend
from support import OUR_KEY, PARTNER

from connect_core import (
    Change,
    ConnectError,
    ConnectionService,
    DuplicateConnectionError,
    InvalidTransitionError,
    StaleConnectionError,
    Status,
    replay,
)

THREADS = 8


@pytest.fixture(params=["memory", "sqlite-memory", "sqlite-file"])
def stored(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
    """A store that threads share; on a database, each thread has its own session."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    with backend(request.param, tmp_path) as found:
        yield found
    sys.setswitchinterval(interval)


def at_once(
    stored: Backend, request: Callable[[ConnectionService, int], object], threads: int = THREADS
) -> list[object]:
    """The answers to several threads that ask at the same moment."""
    barrier = Barrier(threads, timeout=60)

    def ask(number: int) -> object:
        barrier.wait()
        with stored.service() as service:
            try:
                return request(service, number)
            except ConnectError as refusal:
                return refusal

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(ask, range(threads)))


def kinds(answers: list[object]) -> Counter[type[object]]:
    return Counter(type(answer) for answer in answers)


def test_one_of_many_creates(stored: Backend) -> None:
    for n in range(20):

        def create(service: ConnectionService, _: int, to: str = f"org_{n}") -> Change:
            return service.create(by=OUR_KEY, destination=to)

        answers = at_once(stored, create)
        assert kinds(answers) == {Change: 1, DuplicateConnectionError: THREADS - 1}
        (made,) = [answer for answer in answers if isinstance(answer, Change)]
        assert {
            answer.existing_id for answer in answers if isinstance(answer, DuplicateConnectionError)
        } == {made.connection.id}


def test_one_of_many_acceptances(stored: Backend) -> None:
    with stored.service() as service:
        offered, _ = service.create(by=OUR_KEY, destination=PARTNER.organization_id)
    for _ in range(20):
        answers = at_once(stored, lambda service, _: service.activate(offered.id, by=PARTNER))
        found = kinds(answers)
        assert found[Change] == 1
        assert found[InvalidTransitionError] + found[StaleConnectionError] == THREADS - 1
        with stored.service() as service:
            service.deactivate(offered.id, by=OUR_KEY)
            service.reactivate(offered.id, by=OUR_KEY)


def test_an_acceptance_never_undoes_a_withdrawal(stored: Backend) -> None:
    """In either order: once a deactivation has succeeded, the Connection is inactive."""
    with stored.service() as service:
        offered, _ = service.create(by=OUR_KEY, destination=PARTNER.organization_id)

    def accept_or_withdraw(service: ConnectionService, number: int) -> Change:
        if number % 2:
            return service.activate(offered.id, by=PARTNER)
        return service.deactivate(offered.id, by=OUR_KEY)

    for _ in range(20):
        answers = at_once(stored, accept_or_withdraw)
        withdrawn = [a for a in answers[::2] if isinstance(a, Change)]
        with stored.service() as service:
            connection = service.get(offered.id, by=OUR_KEY)
            assert (connection.status is Status.INACTIVE) is bool(withdrawn)
            assert len(withdrawn) <= 1
            assert replay(service.history(offered.id, by=OUR_KEY)) == connection
            if not withdrawn:
                service.deactivate(offered.id, by=OUR_KEY)
            service.reactivate(offered.id, by=OUR_KEY)


def test_one_key_in_many_hands(stored: Backend) -> None:
    """One request is carried out, and every thread gets the same answer."""
    for n in range(20):

        def create(service: ConnectionService, _: int, to: str = f"org_{n}") -> Change:
            return service.create(by=OUR_KEY, destination=to, idempotency_key=to)

        first, *others = at_once(stored, create)
        assert isinstance(first, Change)
        assert others == [first] * (THREADS - 1)
