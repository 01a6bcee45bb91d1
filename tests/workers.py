"""Worker processes for the tests of races and crashes.

Each is forked from a server that has imported everything, holds no database open and runs no thread
(``forkserver``), so that starting one takes milliseconds and inherits nothing. It opens its own
engine, and records its results in a journal of its own: a file, written to after COMMIT has
returned. What is written to a file survives the death of the process that wrote it.
"""

import json
import os
import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection as Pipe
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Barrier
from pathlib import Path
from random import Random
from traceback import format_exc
from typing import Final, NamedTuple, Self, cast

from sqlalchemy import Column, Engine, Integer, MetaData, String, Table, func, insert, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from connect_core import (
    Action,
    Actor,
    Change,
    ConnectError,
    Connection,
    ConnectionService,
    OrganizationId,
    StaleConnectionError,
    Status,
    TransitionError,
)
from connect_core.adapters.sql import (
    SqlConnectionStore,
    connections,
    in_transaction,
    metadata,
    open_engine,
)

PROCESSES: Final = get_context("forkserver")
PROCESSES.set_forkserver_preload(
    [
        "connect_core.adapters.sql",
        "connect_core.jsonapi",
        "multiprocessing.synchronize",
        "psycopg",
        "pytest",  # each process imports its main module
        "sqlalchemy.dialects.postgresql.psycopg",
        "sqlalchemy.dialects.sqlite.pysqlite",
    ]
)
#: The longest that any wait for a process may take, in seconds.
PATIENCE: Final = 120.0


@contextmanager
def running(
    work: Callable[..., None], arguments: Iterable[tuple[object, ...]]
) -> Generator[list[BaseProcess]]:
    """A process for each tuple of arguments. All of them are dead afterwards."""
    started: list[BaseProcess] = []
    try:
        for each in arguments:
            process: BaseProcess = PROCESSES.Process(target=work, args=each)
            process.start()
            started.append(process)
        yield started
    finally:
        for process in started:
            process.kill()
            process.join()


def run(work: Callable[..., None], arguments: Iterable[tuple[object, ...]]) -> None:
    """Run the work in several processes at once, until all are done or one has failed."""
    with running(work, arguments) as started:
        busy = {process.sentinel: process for process in started}
        while busy:
            done = [busy.pop(cast("int", sentinel)) for sentinel in wait(busy, PATIENCE)]
            assert done, "the processes take too long"
            ends = [process.exitcode for process in done]
            assert ends == [0] * len(ends), "a process has failed; its traceback is on stderr"


class Journal:
    """A file to which lines are appended, each with one system call, so that none is partial."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)

    def write(self, line: str) -> None:
        """Add a line."""
        os.write(self._file, f"{line}\n".encode())


@contextmanager
def opened(url: str) -> Generator[Engine]:
    """An engine for this process alone."""
    engine = open_engine(url)
    try:
        yield engine
    finally:
        engine.dispose()


# --- Requests ------------------------------------------------------------------------------------

HERE: Final = "org_ABC123"
THERE: Final = "org_DEF456"
ELSEWHERE: Final = "org_XYZ789"
Pair = tuple[str, str]


def pairs_of(heat: int) -> list[Pair]:
    """The ordered pairs of a heat: both directions, and each organization with itself."""
    organizations = f"{HERE}{heat}", f"{THERE}{heat}"
    return [(source, destination) for source in organizations for destination in organizations]


class Request(NamedTuple):
    """A request to the service."""

    action: str
    source: str
    destination: str
    organization: str
    connection_id: str = ""
    expected_version: int | None = None
    key: str | None = None


class Outcome(NamedTuple):
    """The result of a request: the version that it made, or the error's code and facts."""

    code: str
    connection_id: str = ""
    version: int | None = None
    status: str | None = None

    @property
    def changed(self) -> bool:
        """Whether the request changed something, rather than being refused."""
        return self.code == CHANGED


class Entry(NamedTuple):
    """What a journal holds for one request."""

    request: Request
    outcome: Outcome

    @property
    def lost_race(self) -> bool:
        """Whether another request overtook one that named no version: nothing was decided."""
        return self.outcome.code == STALE and self.request.expected_version is None


CHANGED: Final = "changed"
STALE: Final = StaleConnectionError.code


def read_journal(path: Path) -> list[Entry]:
    """The entries of a journal of requests."""
    parts = map(json.loads, path.read_text().splitlines())
    return [Entry(Request(*request), Outcome(*outcome)) for request, outcome in parts]


def actor_of(organization: str) -> Actor:
    """Somebody who acts for an organization."""
    return Actor(id=f"usr_{organization.removeprefix('org_')}", organization_id=organization)


def ask(service: ConnectionService, request: Request) -> Change:
    """Call the command that the request names."""
    by = actor_of(request.organization)
    if request.action == Action.CREATE:
        return service.create(
            by=by, destination=request.destination, allow_self=True, idempotency_key=request.key
        )
    command = getattr(service, request.action)
    change: Change = command(
        request.connection_id,
        by=by,
        expected_version=request.expected_version,
        idempotency_key=request.key,
    )
    return change


def carry_out(engine: Engine, request: Request) -> Outcome:
    """Ask in a transaction, which is committed whatever the answer: a refusal changes nothing.

    On MariaDB it is run again after a deadlock, which InnoDB reports to one of those who wait for
    a key that is rolled back. On the other databases there must be none.
    """

    def attempt(session: Session) -> Outcome:
        try:
            change = ask(ConnectionService(SqlConnectionStore(session)), request)
        except TransitionError as refusal:
            return Outcome(refusal.code, status=refusal.status)
        except StaleConnectionError as refusal:
            return Outcome(refusal.code, version=refusal.actual_version)
        except ConnectError as refusal:
            return Outcome(refusal.code)
        return Outcome(CHANGED, str(change.connection.id), change.event.version)

    return in_transaction(engine, attempt, attempts=20 if engine.name == "mariadb" else 1)


def perform(engine: Engine, request: Request, journal: Journal) -> Entry:
    """Carry out a request and record its outcome, even an unexpected exception."""
    try:
        entry = Entry(request, carry_out(engine, request))
    except Exception:
        journal.write(json.dumps(Entry(request, Outcome(format_exc()))))
        raise
    journal.write(json.dumps(entry))
    return entry


def insist(engine: Engine, request: Request, journal: Journal) -> None:
    """Repeat a request that has a key until it is decided, as a client does."""
    while perform(engine, request, journal).lost_race and request.key is not None:
        pass


# --- Races ---------------------------------------------------------------------------------------


def race(
    url: str, path: str, barrier: Barrier, seed: int, worker: int, heats: int, requests: int
) -> None:
    """In each heat, make requests of all kinds about a few new Connections."""
    chance = Random(f"{seed} {worker}")  # noqa: S311
    with Journal(path) as journal, opened(url) as engine:
        for heat in range(heats):
            barrier.wait(PATIENCE)
            for pair in pairs_of(heat):
                perform(engine, Request(Action.CREATE, *pair, pair[0]), journal)
            ids = {pair: seen(engine, pair).id for pair in pairs_of(heat)}
            for number in range(requests - len(ids)):
                if number % 10 == 0:
                    request = _common_request(f"{seed} {heat}", number, ids)
                else:
                    request = _own_request(engine, chance, worker, number, list(ids))
                insist(engine, request, journal)
                if request.key is not None and chance.random() < 0.1:
                    insist(engine, request, journal)


def _common_request(seed: str, number: int, ids: Mapping[Pair, str]) -> Request:
    """A request that every process makes, identical in each and with the same key."""
    chance = Random(f"{seed} common {number}")  # noqa: S311
    pair = chance.choice(list(ids))
    action = chance.choice(_ACTIONS)
    organization = chance.choice(pair)
    expected = chance.choice([None, None, None, chance.randint(1, 1 + number)])
    return _request(action, pair, organization, ids[pair], expected, f"common {number}")


def _own_request(
    engine: Engine, chance: Random, worker: int, number: int, pairs: Sequence[Pair]
) -> Request:
    """A request of this process alone: one that fits the status it has just read, or any other."""
    pair = chance.choice(pairs)
    connection = seen(engine, pair)
    action, organization = fitting(connection.status, pair)
    if chance.random() < 0.5:
        action = chance.choice(_ACTIONS)
        organization = chance.choice((*pair, ELSEWHERE))
    version = connection.version
    expected = chance.choice([None, None, None, None, version, version, version - 1])
    keys = [f"own {worker} {number}", f"common {chance.randrange(0, number + 1, 10)}"]
    key = chance.choice([None, None, None, None, *keys])
    return _request(action, pair, organization, connection.id, expected, key)


_ACTIONS: Final = [Action.CREATE, *[Action.ACTIVATE, Action.DEACTIVATE, Action.REACTIVATE] * 3]


def _request(
    action: Action,
    pair: Pair,
    organization: str,
    connection_id: str,
    expected_version: int | None,
    key: str | None,
) -> Request:
    """A request. For a creation, the source makes it and it expects no version."""
    if action is Action.CREATE:
        organization, expected_version = pair[0], None
    return Request(action, *pair, organization, connection_id, expected_version, key)


def seen(engine: Engine, pair: Pair) -> Connection:
    """The Connection as a client that reads before it writes sees it."""
    with Session(engine.execution_options(only_reads=True)) as session:
        found = SqlConnectionStore(session).find(*map(OrganizationId, pair))
    assert found is not None, f"no Connection for {pair}"
    return found


def fitting(status: Status | None, pair: Pair) -> tuple[Action, str]:
    """The next step of the cycle from this status, and the organization that may take it."""
    source, destination = pair
    return {
        None: (Action.CREATE, source),
        Status.PENDING: (Action.ACTIVATE, destination),
        Status.ACTIVE: (Action.DEACTIVATE, source),
        Status.INACTIVE: (Action.REACTIVATE, source),
    }[status]


def duel(
    url: str, path: str, barrier: Barrier, seed: int, rounds: Sequence[Sequence[Request]]
) -> None:
    """In each round, make the requests of that round, at the same time as the other process.

    A random delay of up to three milliseconds lets each process be first at times.
    """
    chance = Random(seed)  # noqa: S311
    with Journal(path) as journal, opened(url) as engine:
        for requests in rounds:
            barrier.wait(PATIENCE)
            time.sleep(chance.random() * 0.003)
            for request in requests:
                perform(engine, request, journal)


def open_together(urls: Sequence[str], barrier: Barrier) -> None:
    """In each round, open an empty database at the same moment as the other processes."""
    for url in urls:
        barrier.wait(PATIENCE)
        with opened(url) as engine:
            with engine.connect() as database:
                assert database.execute(select(func.count()).select_from(connections)).scalar() == 0
            first = barrier.wait(PATIENCE) == 0
            if first:
                metadata.drop_all(engine)


# --- Crashes -------------------------------------------------------------------------------------

#: The host's own rows, written in the same transactions: one for each version.
host_rows: Final = Table(
    "host_rows",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("connection_id", String(255), nullable=False),
    Column("version", Integer, nullable=False),
)

#: The marks that a writer makes in its journal, in this order.
BEGUN: Final = "begun"
HALF: Final = "half"
WHOLE: Final = "whole"
ACKNOWLEDGED: Final = "acknowledged"
#: The writer's answer when nothing has gone wrong.
UNDISTURBED: Final = "undisturbed"


class Orders(NamedTuple):
    """The Connection that a writer works on, and the path of its journal."""

    connection_id: str
    destination: str
    path: str


def write(url: str, commands: Pipe) -> None:
    """Follow orders: one transaction after another until told to stop, or until one fails."""
    with opened(url) as engine:
        while (orders := commands.recv()) is not None:
            outcome = UNDISTURBED
            with Journal(orders.path) as journal:
                try:
                    while not commands.poll():
                        _transaction(engine, orders, journal)
                except DBAPIError as error:
                    lost = "lost" if error.connection_invalidated else "not lost"
                    outcome = f"{lost}: {error.orig!r}"
            commands.recv()
            commands.send(outcome)


def _transaction(engine: Engine, orders: Orders, journal: Journal) -> None:
    """Take a step and write the host's row for it, in either order; half of the steps have keys."""
    journal.write(BEGUN)
    with Session(engine) as session, session.begin():
        pair = HERE, orders.destination
        store = SqlConnectionStore(session)
        found = store.find(*map(OrganizationId, pair))
        version = 1 if found is None else found.version + 1
        action, organization = fitting(None if found is None else found.status, pair)
        key = key_of(orders.connection_id, version) if is_keyed(version) else None
        request = Request(action, *pair, organization, orders.connection_id, key=key)
        row = insert(host_rows).values(connection_id=orders.connection_id, version=version)

        def ours() -> None:
            service = ConnectionService(store, new_id=lambda: orders.connection_id)
            assert ask(service, request).event.version == version

        parts: list[Callable[[], object]] = [ours, lambda: session.execute(row)]
        first, second = parts if version % 2 else reversed(parts)
        first()
        journal.write(HALF)
        second()
        journal.write(WHOLE)
    journal.write(f"{ACKNOWLEDGED} {version}")


def is_keyed(version: int) -> bool:
    """Whether the step to this version is taken under an idempotency key."""
    return version % 4 in (0, 1)


def key_of(connection_id: str, version: int) -> str:
    """The idempotency key of the step to this version."""
    return f"{connection_id} {version}"
