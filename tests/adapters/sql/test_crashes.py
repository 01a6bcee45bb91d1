"""Crashes: a process is killed in the middle of its work, or loses its connection to PostgreSQL.

A writer takes steps, and in the same transactions writes the host's own rows, now before and now
after the step, now with an idempotency key and now without. It is stopped at a random moment, and
what is left behind must be what it has acknowledged, with at most the one change that it was about
to acknowledge. The next writer carries on with the same Connection.
"""

import logging
import time
from collections import Counter
from collections.abc import Iterator
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from random import SystemRandom

import pytest
from databases import SERVERS
from sqlalchemy import select
from verification import Arena, arena, histories, rows
from workers import (
    ACKNOWLEDGED,
    BEGUN,
    HALF,
    PATIENCE,
    PROCESSES,
    UNDISTURBED,
    Orders,
    host_rows,
    is_keyed,
    key_of,
    opened,
    running,
    write,
)

from connect_core.adapters.sql import idempotency_keys

pytestmark = pytest.mark.stress

#: How often a writer is stopped, for each database and each way of stopping it.
CRASHES = 100
#: How many lives of writers go into one Connection. Every tenth crash may hit a creation.
LIVES = 10

log = logging.getLogger(__name__)
chance = SystemRandom()


class Stage:
    """The Connections that the writers work on, and what is known about them.

    Attributes:
        arena: the database.
        last: what a writer did last when it was stopped, and how often.
        undone: how many transactions had begun and left nothing behind.
        landed: how many had been committed and not yet been acknowledged.
    """

    def __init__(self, where: Arena, directory: Path) -> None:
        self.arena = where
        self.last: Counter[str] = Counter()
        self.undone = 0
        self.landed = 0
        self._directory = directory
        self._lives = 0
        self._version = 0
        with opened(where.url) as engine:
            host_rows.create(engine)

    def orders(self) -> Orders:
        """For the next writer's life: carry on with the Connection, at times with a new one."""
        number, life = divmod(self._lives, LIVES)
        if life == 0:
            self._version = 0
        self._lives += 1
        return Orders(f"cxn_{number}", f"org_{number}", str(self._directory / str(self._lives)))

    def check(self, orders: Orders) -> None:
        """What was acknowledged is there, at most one change more, and no half of anything."""
        notes = Path(orders.path).read_text().splitlines()
        last = notes[-1].split()[0]
        acknowledged = [int(note.split()[1]) for note in notes if note.startswith(ACKNOWLEDGED)]
        before, self._version = self._version, self._check_tables(orders.connection_id)
        made = list(range(before + 1, self._version + 1))
        in_doubt = last != ACKNOWLEDGED
        assert made[: len(acknowledged)] == acknowledged, "an acknowledged change is missing"
        assert len(made) - len(acknowledged) <= in_doubt, "a change that nobody had made"
        landed = len(made) - len(acknowledged)
        self.last[last] += 1
        self.landed += landed
        self.undone += in_doubt - landed

    def _check_tables(self, connection_id: str) -> int:
        """The version, after checking that all four tables say the same."""
        events = histories(self.arena.engine, connection_id).get(connection_id, ())
        versions = [event["version"] for event in events]
        theirs = select(host_rows.c.version).where(host_rows.c.connection_id == connection_id)
        found = rows(self.arena.engine, theirs.order_by(host_rows.c.version))
        assert [row["version"] for row in found] == versions, (
            "the host's rows are not of our events"
        )
        of_this = idempotency_keys.c.key.startswith(f"{connection_id} ", autoescape=True)
        keys = {
            row["key"]
            for row in rows(self.arena.engine, select(idempotency_keys.c.key).where(of_this))
        }
        assert keys == {key_of(connection_id, each) for each in versions if is_keyed(each)}
        return len(versions)

    def check_at_last(self) -> None:
        """Everything once more, the Connections of long ago too; and stops hit where they hurt."""
        log.warning("last: %s; undone %d, landed %d", dict(self.last), self.undone, self.landed)
        numbers = range(-(-self._lives // LIVES))
        assert histories(self.arena.engine).keys() == {f"cxn_{number}" for number in numbers}
        for number in numbers:
            self._check_tables(f"cxn_{number}")
        assert self.last[HALF] > 0, "never between the two writes of a transaction"
        assert self.undone >= CRASHES // 10, "hardly ever within a transaction"


@pytest.fixture(params=["sqlite-file", *SERVERS])
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    """An empty database with the host's table in it."""
    with arena(request.param, tmp_path) as found:
        yield Stage(found, tmp_path)


@pytest.fixture
def postgresql_stage(tmp_path: Path) -> Iterator[Stage]:
    """The same, on PostgreSQL only."""
    with arena("postgresql", tmp_path) as found:
        yield Stage(found, tmp_path)


def wait_for(note: str, path: str) -> None:
    """Wait until a writer has written this note into its journal."""
    deadline = time.monotonic() + PATIENCE
    while not (Path(path).exists() and note in Path(path).read_text()):
        assert time.monotonic() < deadline, f"a writer has not {note} anything"
        time.sleep(0.0005)


def wait_for_a_bad_moment(orders: Orders) -> None:
    """Wait until the writer begins or acknowledges a change, and a little longer."""
    wait_for(chance.choice([BEGUN, ACKNOWLEDGED, ACKNOWLEDGED]), orders.path)
    time.sleep(chance.uniform(0.0, 0.03))


def answer(commands: Pipe) -> str:
    """What the writer says."""
    assert commands.poll(PATIENCE), "the writer does not answer"
    said: str = commands.recv()
    return said


def carry_on(stage: Stage, commands: Pipe) -> None:
    """An undisturbed writer carries on, and stops when it is told to."""
    orders = stage.orders()
    commands.send(orders)
    wait_for(ACKNOWLEDGED, orders.path)
    commands.send("stop")
    assert answer(commands) == UNDISTURBED
    commands.send(None)
    stage.check(orders)


def test_what_a_killed_process_acknowledged_is_there_and_no_half_of_anything(stage: Stage) -> None:
    """SIGKILL at any moment: every acknowledged change is there, and the next process carries on.

    The host's row is there exactly when ours is, and the idempotency key's record too.
    """
    for _ in range(CRASHES):
        ours, theirs = PROCESSES.Pipe()
        with running(write, [(stage.arena.url, theirs)]):
            orders = stage.orders()
            ours.send(orders)
            wait_for_a_bad_moment(orders)
        stage.arena.wait_until_alone()
        stage.check(orders)
    ours, theirs = PROCESSES.Pipe()
    with running(write, [(stage.arena.url, theirs)]) as (writer,):
        carry_on(stage, ours)
        writer.join(PATIENCE)
        assert writer.exitcode == 0
    stage.check_at_last()


def test_a_process_that_loses_its_connection_gets_an_error_and_carries_on(
    postgresql_stage: Stage,
) -> None:
    """pg_terminate_backend at any moment: no wrong acknowledgement, and a new transaction works.

    A connection that is ended while it lies idle in the pool is replaced, and nobody notices.
    """
    stage = postgresql_stage
    errors: Counter[str] = Counter()
    ours, theirs = PROCESSES.Pipe()
    with running(write, [(stage.arena.url, theirs)]) as (writer,):
        for _ in range(CRASHES):
            orders = stage.orders()
            ours.send(orders)
            wait_for_a_bad_moment(orders)
            stage.arena.terminate_backends()
            ours.send("stop")
            errors[answer(ours)] += 1
            stage.check(orders)
        carry_on(stage, ours)
        writer.join(PATIENCE)
        assert writer.exitcode == 0
    stage.check_at_last()
    assert all(error == UNDISTURBED or error.startswith("lost: ") for error in errors), errors
