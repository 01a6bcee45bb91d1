"""What is written on PostgreSQL: a new Connection without a savepoint, and steps in four processes.

If no PostgreSQL answers, the figures are reported as missing, and their bounds do not hold.
"""

from itertools import count
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from os import getpid
from statistics import median
from time import perf_counter

import pytest
from sqlalchemy import Engine, insert
from sqlalchemy.orm import Session

from connect_core import Actor, ConnectionService
from connect_core.adapters.sql import (
    SqlConnectionStore,
    Transactions,
    connection_events,
    connections,
    open_engine,
)
from connect_core.adapters.sql.rows import connection_row, event_row
from connect_core.connection import Change

from .results import AtLeast, Fact, Figure, Section
from .store import ByDriver, Step, begin_life, new_postgresql, one_call
from .timing import Sample, paired_ratio, race


def writing(rounds: int) -> list[Section]:
    """Measure what is written."""
    try:
        with new_postgresql() as engine:
            return [_creating(engine, 5 * rounds), _in_processes(engine)]
    except (pytest.skip.Exception, pytest.fail.Exception) as reason:
        return [Section("PostgreSQL", (), (Fact(f"NOT MEASURED: {reason.msg}", False),))]


# --- A new Connection ----------------------------------------------------------------------------

_ACTOR = Actor(id="api_ABC123", organization_id="org_ABC123")
_WITHOUT = "service.create, committed"
_WITH = "the same with a savepoint, as it was"


class _WithSavepoint(SqlConnectionStore):
    """The store as it was when it set a savepoint around the two rows of a new Connection."""

    def add(self, change: Change) -> bool:
        """Add both rows; a refusal is not expected here."""
        self._writing()
        with self._session.begin_nested():
            database = self._writing()  # the savepoint begins with this
            database.execute(_INSERT_CONNECTION, connection_row(change.connection))
            database.execute(_INSERT_EVENT, event_row(change.event))
        return True


_INSERT_CONNECTION, _INSERT_EVENT = insert(connections), insert(connection_events)


def _creating(engine: Engine, rounds: int) -> Section:
    """How long it takes to create a Connection and commit it."""
    times = race(
        {
            _WITHOUT: _creations(engine, SqlConnectionStore, "org_A"),
            _WITH: _creations(engine, _WithSavepoint, "org_B"),
        },
        rounds,
    )
    ours, theirs = times[_WITHOUT], times[_WITH]
    figure = Figure(
        _WITHOUT,
        median(ours),
        _WITH,
        median(theirs),
        AtLeast(1.2),
        faster=True,
        paired_ratio=paired_ratio(theirs, ours),
    )
    return Section("A new Connection on PostgreSQL (medians; times faster)", (figure,))


def _creations(engine: Engine, store: type[SqlConnectionStore], prefix: str) -> Sample:
    numbers = count()

    def create() -> None:
        with Session(engine) as session, session.begin():
            destination = f"{prefix}{next(numbers)}"
            ConnectionService(store(session)).create(by=_ACTOR, destination=destination)

    return one_call(create)


# --- Steps in several processes ------------------------------------------------------------------

_PROCESSES = 4
#: How long all of them take steps at a time, and how often.
_SECONDS, _TURNS = 1.0, 15
_IN_SESSION = "4 processes, a Session for each step"
_IN_TRANSACTIONS = "4 processes, Transactions.change for each step"
_BY_DRIVER = "4 processes, the same statements with psycopg alone"


class _Worker:
    """One of the processes: its database, and a Connection for each way to take a step."""

    def __init__(self, url: str, barrier: Barrier) -> None:
        self._barrier = barrier
        self._engine = open_engine(url)
        self._transactions = Transactions(self._engine)
        self._driver = ByDriver(self._engine)
        ways = (_IN_SESSION, _IN_TRANSACTIONS, _BY_DRIVER)
        self._lives = {
            way: begin_life(self._engine, f"org_{getpid()}_{place}")
            for place, way in enumerate(ways)
        }

    def rate(self, way: str) -> float:
        """How many steps this process takes in a second, while all the others take theirs."""
        take = {
            _IN_SESSION: self._in_session,
            _IN_TRANSACTIONS: self._in_transactions,
            _BY_DRIVER: self._driver.take,
        }[way]
        connection_id, life = self._lives[way]
        self._barrier.wait()
        begin, steps = perf_counter(), 0
        while perf_counter() - begin < _SECONDS:
            take(connection_id, next(life))
            steps += 1
        return steps / (perf_counter() - begin)

    def _in_session(self, connection_id: str, step: Step) -> None:
        with Session(self._engine) as session, session.begin():
            service = ConnectionService(SqlConnectionStore(session))
            getattr(service, step.action)(connection_id, by=step.by)

    def _in_transactions(self, connection_id: str, step: Step) -> None:
        self._transactions.change(
            lambda service: service.take(step.action, connection_id, by=step.by)
        )


_worker: _Worker | None = None


def _begin(url: str, barrier: Barrier) -> None:
    """Make the worker of this process."""
    global _worker  # a pool calls functions of modules only
    _worker = _Worker(url, barrier)


def _rate(way: str) -> float:
    assert _worker is not None, "the process has no worker"
    return _worker.rate(way)


def _in_processes(engine: Engine) -> Section:
    """How many steps a second four processes take together, each with a connection of its own."""
    context = get_context("spawn")
    url, barrier = engine.url.render_as_string(hide_password=False), context.Barrier(_PROCESSES)
    seconds: dict[str, list[float]] = {
        way: [] for way in (_IN_SESSION, _BY_DRIVER, _IN_TRANSACTIONS)
    }
    with context.Pool(_PROCESSES, _begin, (url, barrier)) as pool:
        for _ in range(_TURNS):
            for way, found in seconds.items():
                # The barrier keeps one process from doing another's part as well.
                found.append(1 / sum(pool.map(_rate, [way] * _PROCESSES, chunksize=1)))
    theirs = seconds[_BY_DRIVER]
    figures = [
        Figure(
            way,
            median(seconds[way]),
            _BY_DRIVER,
            median(theirs),
            AtLeast(0.5),
            faster=True,
            paired_ratio=paired_ratio(theirs, seconds[way]),
        )
        for way in (_IN_SESSION, _IN_TRANSACTIONS)
    ]
    return Section(
        "Steps on PostgreSQL (time for one; rate against the baseline's)", tuple(figures)
    )
