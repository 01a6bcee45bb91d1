"""What is written on PostgreSQL: a new Connection without a savepoint, and steps in four processes.

If no PostgreSQL answers, the figures are reported as missing, and their bounds do not hold.
"""

from collections.abc import Callable, Mapping
from functools import partial
from itertools import count
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from os import getpid
from statistics import mean, median
from time import perf_counter, process_time
from typing import NamedTuple

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
from .store import ByDriver, Step, begin_life, in_service, in_session, new_postgresql, one_call
from .timing import Sample, paired_ratio, race


def writing(rounds: int) -> list[Section]:
    """Measure what is written."""
    try:
        with new_postgresql() as engine:
            return [_creating(engine, 5 * rounds), *_in_processes(engine)]
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
#: How long all of them take steps at a time, in seconds, and how often.
_TIME, _TURNS = 1.0, 9
_BY_DRIVER = "4 processes, the same statements with psycopg alone"
_AIM = AtLeast(0.5)
#: Whether there is an aim for it, by how a process takes its steps. The others tell what costs.
_WAYS: Mapping[str, AtLeast | None] = {
    "4 processes, a Session for each step": _AIM,
    "4 processes, Transactions.change for each step": _AIM,
    "the same in a Session, by hand, SQLAlchemy Core": None,
    _BY_DRIVER: None,
}


class _Measured(NamedTuple):
    """What one process has measured: steps a second, and processor time for each in seconds."""

    rate: float
    processor: float


class _Worker:
    """One of the processes: its database, and a Connection for each way to take a step."""

    def __init__(self, url: str, barrier: Barrier) -> None:
        self._barrier = barrier
        engine = open_engine(url)
        transactions, by_driver = Transactions(engine), ByDriver(engine)

        def in_transactions(connection_id: str, step: Step) -> None:
            transactions.change(
                lambda service: service.take(step.action, connection_id, by=step.by)
            )

        takes: list[Callable[[str, Step], None]] = [
            partial(in_service, engine),
            in_transactions,
            partial(in_session, engine),
            by_driver.take,
        ]
        self._takes = dict(zip(_WAYS, takes, strict=True))
        self._lives = {
            way: begin_life(engine, f"org_{getpid()}_{place}") for place, way in enumerate(_WAYS)
        }

    def measure(self, way: str) -> _Measured:
        """Take steps, while all the others take theirs."""
        take, (connection_id, life) = self._takes[way], self._lives[way]
        self._barrier.wait()
        begin, processor, steps = perf_counter(), process_time(), 0
        while perf_counter() - begin < _TIME:
            take(connection_id, next(life))
            steps += 1
        return _Measured(steps / (perf_counter() - begin), (process_time() - processor) / steps)


_worker: _Worker | None = None


def _begin(url: str, barrier: Barrier) -> None:
    """Make the worker of this process."""
    global _worker  # a pool calls functions of modules only
    _worker = _Worker(url, barrier)


def _measure(way: str) -> _Measured:
    assert _worker is not None, "the process has no worker"
    return _worker.measure(way)


def _in_processes(engine: Engine) -> list[Section]:
    """How many steps a second four processes take together, and the time on their processors.

    Each has a connection of its own.
    """
    context = get_context("spawn")
    url, barrier = engine.url.render_as_string(hide_password=False), context.Barrier(_PROCESSES)
    seconds: dict[str, list[float]] = {way: [] for way in _WAYS}
    processor: dict[str, list[float]] = {way: [] for way in _WAYS}
    with context.Pool(_PROCESSES, _begin, (url, barrier)) as pool:
        for _ in range(_TURNS):
            for way in _WAYS:
                # The barrier keeps one process from doing another's part as well.
                measured = pool.map(_measure, [way] * _PROCESSES, chunksize=1)
                seconds[way].append(1 / sum(each.rate for each in measured))
                processor[way].append(mean(each.processor for each in measured))
    return [
        Section(
            "Steps on PostgreSQL (time for one; how many times faster)",
            tuple(
                Figure(
                    way,
                    median(seconds[way]),
                    _BY_DRIVER,
                    median(seconds[_BY_DRIVER]),
                    aim,
                    faster=True,
                    paired_ratio=paired_ratio(seconds[_BY_DRIVER], seconds[way]),
                )
                for way, aim in _WAYS.items()
                if way != _BY_DRIVER
            ),
        ),
        Section(
            "The same, processor time of the processes (medians)",
            tuple(
                Figure(
                    way,
                    median(processor[way]),
                    _BY_DRIVER,
                    median(processor[_BY_DRIVER]),
                    paired_ratio=paired_ratio(processor[way], processor[_BY_DRIVER]),
                )
                for way in _WAYS
                if way != _BY_DRIVER
            ),
        ),
    ]
