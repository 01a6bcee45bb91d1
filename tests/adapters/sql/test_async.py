"""From asynchronous code, through ``AsyncSession.run_sync``: with aiosqlite and psycopg's own.

Every test has an event loop of its own, in which the engine is made and disposed of.
"""

import asyncio
import sqlite3
from asyncio import Barrier, Event
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext
from functools import wraps
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple, ParamSpec, TypeVar

import pytest
from databases import database, postgresql
from sqlalchemy import URL, String, Table, event, func, select
from sqlalchemy.exc import ArgumentError, OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.pool import AsyncAdaptedQueuePool
from support import OUR_KEY, PARTNER, STRANGER

from connect_core import (
    AccessDeniedError,
    Action,
    Actor,
    Change,
    ConnectError,
    ConnectionNotFoundError,
    ConnectionService,
    DuplicateConnectionError,
    ForbiddenTransitionError,
    IdempotencyKeyReusedError,
    InvalidTransitionError,
    StaleConnectionError,
    Status,
    replay,
)
from connect_core.adapters.sql import (
    SqlConnectionStore,
    configure_engine,
    connection_events,
    connections,
    idempotency_keys,
    metadata,
    open_engine,
)
from connect_core.adapters.sql import engine as sql_engine

P = ParamSpec("P")
T = TypeVar("T")

THEIRS = PARTNER.organization_id
#: The asynchronous driver of each database.
DRIVERS = {
    "sqlite-file": "sqlite+aiosqlite",
    "postgresql": "postgresql+psycopg",
    "mariadb": "mariadb+aiomysql",
}
#: How often each race is run.
ROUNDS = 10
#: How long to wait for something that must not happen, in seconds.
A_MOMENT = 0.2


class Base(DeclarativeBase):
    """The host's own tables."""


class Order(Base):
    """A row of the host's own."""

    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    what: Mapped[str] = mapped_column(String(16))


# --- Helpers -------------------------------------------------------------------------------------


def in_a_loop(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """A test that is a coroutine, in an event loop of its own."""

    @wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        asyncio.run(test(*args, **kwargs))

    return run


@pytest.fixture(params=DRIVERS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[URL]:
    """An empty database, for an asynchronous driver."""
    with database(request.param, tmp_path) as found:
        yield found.set(drivername=DRIVERS[request.param])


@asynccontextmanager
async def opened(url: URL, **options: Any) -> AsyncGenerator[AsyncEngine]:
    """An engine like a host's, with our tables and the host's."""
    if url.get_backend_name() == "mariadb":
        options["isolation_level"] = "READ COMMITTED"
    engine = create_async_engine(url, **options)
    configure_engine(engine.sync_engine)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(metadata.create_all)
            await connection.run_sync(Base.metadata.create_all)
        yield engine
    finally:
        await engine.dispose()


@asynccontextmanager
async def transaction(engine: AsyncEngine) -> AsyncGenerator[AsyncSession]:
    """A session in a transaction: committed at the end, undone by an exception."""
    async with AsyncSession(engine) as session, session.begin():
        yield session


async def ask(session: AsyncSession, question: Callable[[ConnectionService], T]) -> T:
    """The service's answer, in the session's transaction."""
    return await session.run_sync(
        lambda inner: question(ConnectionService(SqlConnectionStore(inner)))
    )


async def ask_alone(engine: AsyncEngine, question: Callable[[ConnectionService], T]) -> T:
    """The service's answer, in a transaction of its own, which a refusal undoes."""
    async with transaction(engine) as session:
        return await ask(session, question)


def offer(service: ConnectionService) -> Change:
    return service.create(by=OUR_KEY, destination=THEIRS, name="Partner")


class Tally(NamedTuple):
    """How many rows there are."""

    connections: int = 0
    events: int = 0
    keys: int = 0
    orders: int = 0


async def tally(engine: AsyncEngine) -> Tally:
    """What other transactions see."""
    orders: Any = Order.__table__
    tables: list[Table] = [connections, connection_events, idempotency_keys, orders]
    async with engine.connect() as connection:
        counts = [
            (await connection.execute(select(func.count()).select_from(table))).scalar_one()
            for table in tables
        ]
    return Tally(*counts)


async def is_waiting(task: "asyncio.Task[Any]") -> bool:
    """Whether the task is still waiting after a moment."""
    done, _ = await asyncio.wait([task], timeout=A_MOMENT)
    return not done


# --- The story -----------------------------------------------------------------------------------


class TestStory:
    """Everything that a host asks of the service."""

    @in_a_loop
    async def test_a_whole_life(self, url: URL) -> None:
        async with opened(url) as engine:
            async with transaction(engine) as session:
                connection, _ = await ask(session, offer)
                it = connection.id
                with pytest.raises(ForbiddenTransitionError) as forbidden:
                    await ask(session, lambda service: service.activate(it, by=OUR_KEY))
                assert forbidden.value.status is Status.PENDING
                active, _ = await ask(session, lambda service: service.activate(it, by=PARTNER))
                assert (active.status, active.version) == (Status.ACTIVE, 2)
            async with transaction(engine) as session:
                page = await ask(
                    session, lambda service: service.list(by=PARTNER, actionable="deactivate")
                )
                assert page.connections == (active,)
                access = await ask(
                    session,
                    lambda service: service.authorize_access(it, "inquiry.read", by=PARTNER),
                )
                assert access
                with pytest.raises(AccessDeniedError):
                    await ask(
                        session,
                        lambda service: service.authorize_access(it, "inquiry.read", by=OUR_KEY),
                    )
                await ask(session, lambda service: service.deactivate(it, by=OUR_KEY))
                with pytest.raises(StaleConnectionError) as stale:
                    await ask(
                        session,
                        lambda service: service.activate(it, by=PARTNER, expected_version=2),
                    )
                assert (stale.value.expected_version, stale.value.actual_version) == (2, 3)
            async with transaction(engine) as session:
                events = await ask(session, lambda service: service.history(it, by=PARTNER))
                assert [event.action for event in events] == ["create", "activate", "deactivate"]
                with pytest.raises(ConnectionNotFoundError):
                    await ask(session, lambda service: service.history(it, by=STRANGER))
            assert await tally(engine) == Tally(connections=1, events=3)

    @in_a_loop
    async def test_refusals_leave_the_session_usable(self, url: URL) -> None:
        """What the host wrote before a refusal and after it is committed."""
        async with opened(url) as engine:
            connection, _ = await ask_alone(engine, offer)
            refused: list[tuple[type[ConnectError], Callable[[ConnectionService], object]]] = [
                (DuplicateConnectionError, offer),
                (
                    DuplicateConnectionError,
                    lambda service: service.create(
                        by=OUR_KEY, destination=THEIRS, idempotency_key="k"
                    ),
                ),
                (
                    ForbiddenTransitionError,
                    lambda service: service.activate(connection.id, by=OUR_KEY),
                ),
                (
                    StaleConnectionError,
                    lambda service: service.activate(connection.id, by=PARTNER, expected_version=9),
                ),
                (ConnectionNotFoundError, lambda service: service.get("cxn_0", by=OUR_KEY)),
            ]
            async with transaction(engine) as session:
                session.add(Order(what="before"))
                for error, request in refused:
                    with pytest.raises(error):
                        await ask(session, request)
                session.add(Order(what="after"))
                await ask(session, lambda service: service.activate(connection.id, by=PARTNER))
            assert await tally(engine) == Tally(connections=1, events=2, keys=1, orders=2)

    @in_a_loop
    async def test_an_exception_leaves_nothing(self, url: URL) -> None:
        async def work_that_fails(engine: AsyncEngine) -> None:
            async with transaction(engine) as session:
                session.add(Order(what="ours"))
                await ask(session, offer)
                raise LookupError

        async with opened(url) as engine:
            with pytest.raises(LookupError):
                await work_that_fails(engine)
            assert await tally(engine) == Tally()

    @in_a_loop
    async def test_a_key_is_answered_once(self, url: URL) -> None:
        def request(service: ConnectionService) -> Change:
            return service.create(by=OUR_KEY, destination=THEIRS, idempotency_key="k")

        def another(service: ConnectionService) -> Change:
            return service.create(by=OUR_KEY, destination="org_other", idempotency_key="k")

        async with opened(url) as engine:
            assert await ask_alone(engine, request) == await ask_alone(engine, request)
            with pytest.raises(IdempotencyKeyReusedError):
                await ask_alone(engine, another)
            assert await tally(engine) == Tally(connections=1, events=1, keys=1)

    @in_a_loop
    async def test_in_memory(self) -> None:
        """With one connection, tasks take turns; with SQLAlchemy's default they would not."""
        one = {"poolclass": AsyncAdaptedQueuePool, "pool_size": 1, "max_overflow": 0}
        async with opened(URL.create("sqlite+aiosqlite"), **one) as engine:
            answers = await asyncio.gather(
                *(ask_alone(engine, offer) for _ in range(3)), return_exceptions=True
            )
            assert sorted(type(answer).__name__ for answer in answers) == [
                "Change",
                "DuplicateConnectionError",
                "DuplicateConnectionError",
            ]
            assert await tally(engine) == Tally(connections=1, events=1)


# --- Races ---------------------------------------------------------------------------------------


class TestRaces:
    """Tasks of one event loop, each in a transaction of its own."""

    @in_a_loop
    async def test_a_create_that_comes_too_late(self, url: URL) -> None:
        """It waits for the other transaction, is refused, and its host's row is committed."""

        async def late() -> DuplicateConnectionError:
            async with transaction(engine) as session:
                session.add(Order(what="late"))
                with pytest.raises(DuplicateConnectionError) as duplicate:
                    await ask(session, offer)
                return duplicate.value

        async with opened(url) as engine:
            async with transaction(engine) as session:
                connection, _ = await ask(session, offer)
                task = asyncio.create_task(late())
                assert await is_waiting(task)
            assert (await task).existing_id == connection.id
            assert await tally(engine) == Tally(connections=1, events=1, orders=1)

    @pytest.mark.parametrize("version", [1, None])
    @in_a_loop
    async def test_accepting_and_withdrawing(self, url: URL, version: int | None) -> None:
        """Of two requests decided on the same version, one wins.

        Who names no version may withdraw what was accepted a moment ago, but not accept what was
        withdrawn.
        """
        async with opened(url) as engine:
            for number in range(ROUNDS):
                await self.accept_and_withdraw(engine, f"org_{number}", version)
            assert (await tally(engine)).connections == ROUNDS

    async def accept_and_withdraw(
        self, engine: AsyncEngine, destination: str, version: int | None
    ) -> None:
        partner = Actor(id="usr_1", organization_id=destination)
        created, first = await ask_alone(
            engine, lambda service: service.create(by=OUR_KEY, destination=destination)
        )
        answers = await asyncio.gather(
            ask_alone(
                engine,
                lambda service: service.activate(created.id, by=partner, expected_version=version),
            ),
            ask_alone(
                engine,
                lambda service: service.deactivate(
                    created.id, by=OUR_KEY, expected_version=version
                ),
            ),
            return_exceptions=True,
        )
        made = [answer for answer in answers if isinstance(answer, Change)]
        refused = [answer for answer in answers if not isinstance(answer, Change)]
        made.sort(key=lambda change: change.event.version)
        actions = [change.event.action for change in made]
        assert actions in ([Action.ACTIVATE], [Action.DEACTIVATE], list(Action)[1:3])
        if version is not None:
            assert len(made) == 1
            assert [type(refusal) for refusal in refused] == [StaleConnectionError]
        else:
            late = InvalidTransitionError, StaleConnectionError
            assert all(isinstance(refusal, late) for refusal in refused), refused
        kept = await ask_alone(engine, lambda service: service.history(created.id, by=partner))
        assert kept == (first, *(change.event for change in made))
        assert replay(kept) == made[-1].connection

    @in_a_loop
    async def test_both_have_read_before_either_writes(self) -> None:
        """Only PostgreSQL allows this; on SQLite transactions take turns."""

        async def step(actor: Actor) -> Change:
            async with transaction(engine) as session:
                seen = await ask(session, lambda service: service.get(created.id, by=actor))
                await barrier.wait()
                return await ask(
                    session,
                    lambda service: service.deactivate(
                        created.id, by=actor, expected_version=seen.version
                    ),
                )

        with postgresql() as url:
            async with opened(url) as engine:
                created, _ = await ask_alone(engine, offer)
                barrier = Barrier(2)
                answers = await asyncio.gather(step(OUR_KEY), step(PARTNER), return_exceptions=True)
                (stale,) = (each for each in answers if isinstance(each, StaleConnectionError))
                assert (stale.expected_version, stale.actual_version) == (1, 2)
                assert await tally(engine) == Tally(connections=1, events=2)

    @in_a_loop
    async def test_one_key_at_once(self, url: URL) -> None:
        """All get the same answer, and one Connection is created."""

        def request(service: ConnectionService) -> Change:
            return service.create(by=OUR_KEY, destination=THEIRS, idempotency_key="k")

        async with opened(url) as engine:
            answers = await asyncio.gather(*(ask_alone(engine, request) for _ in range(5)))
            assert all(answer == answers[0] for answer in answers)
            assert sorted(answer.replayed for answer in answers) == [False, True, True, True, True]
            assert await tally(engine) == Tally(connections=1, events=1, keys=1)


# --- Cancellation --------------------------------------------------------------------------------


@contextmanager
def cancelling(engine: AsyncEngine, moment: str, number: int) -> Generator[None]:
    """The task for which the engine does something for the n-th time is cancelled as it does so."""
    times = count(1)

    def listener(*_: object) -> None:
        task = asyncio.current_task()
        if next(times) == number and task is not None:
            task.cancel()

    event.listen(engine.sync_engine, moment, listener, insert=True)
    try:
        yield
    finally:
        event.remove(engine.sync_engine, moment, listener)


class TestCancellation:
    """A cancelled task, as after a client hangs up, leaves all of its work or nothing."""

    async def work(self, engine: AsyncEngine) -> None:
        """A Connection with two events, a key and a row of the host's."""
        async with transaction(engine) as session:
            session.add(Order(what="ours"))
            created, _ = await ask(
                session,
                lambda service: service.create(by=OUR_KEY, destination=THEIRS, idempotency_key="k"),
            )
            await ask(session, lambda service: service.activate(created.id, by=PARTNER))

    ALL = Tally(connections=1, events=2, keys=1, orders=1)

    async def cancelled(self, engine: AsyncEngine, number: int, times: int) -> "asyncio.Task[None]":
        """The task that did the work, cancelled at its n-th statement if it has so many."""
        task = asyncio.create_task(self.work(engine))
        with (
            cancelling(engine, "before_cursor_execute", number),
            cancelling(engine, "invalidate", 1) if times == 2 else nullcontext(),
        ):
            await asyncio.wait([task])
        return task

    @pytest.mark.parametrize("times", [1, 2])
    @in_a_loop
    async def test_at_each_statement(self, url: URL, times: int) -> None:
        """Once, or again while it is cleared away. Others find nothing held, as long as it is kept.

        A traceback keeps cursors, and on SQLite those can keep a transaction from its end.
        """
        async with opened(url) as engine:
            number = 1
            while (task := await self.cancelled(engine, number, times)).cancelled():
                assert await tally(engine) == Tally()
                number += 1
            task.result()
            assert await tally(engine) == self.ALL
            assert number > 8  # statements, at each of which it was cancelled once

    @in_a_loop
    async def test_at_the_commit(self, url: URL) -> None:
        async with opened(url) as engine:
            task = asyncio.create_task(self.work(engine))
            with cancelling(engine, "commit", 1):
                await asyncio.wait([task])
            assert task.cancelled()
            assert await tally(engine) in (Tally(), self.ALL)

    @in_a_loop
    async def test_between_two_requests(self, url: URL) -> None:
        async def work() -> None:
            async with transaction(engine) as session:
                await ask(session, offer)
                reached.set()
                await Event().wait()

        async with opened(url) as engine:
            reached = Event()
            task = asyncio.create_task(work())
            await reached.wait()
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled()
            assert await tally(engine) == Tally()

    @pytest.mark.parametrize("commits", [True, False])
    @in_a_loop
    async def test_while_it_waits_for_another(self, url: URL, commits: bool) -> None:
        """Whatever the other does, it is done at most once, and the next one finds nothing held."""
        async with opened(url) as engine:
            async with AsyncSession(engine) as session:
                await ask(session, offer)
                task = asyncio.create_task(self.work(engine))
                assert await is_waiting(task)
                task.cancel()
                if engine.dialect.name == "sqlite":  # which cannot be interrupted
                    assert await is_waiting(task)
                await (session.commit() if commits else session.rollback())
            await asyncio.wait([task])
            assert task.cancelled()
            assert await tally(engine) == (Tally(1, 1) if commits else Tally())
            next_one = Actor(id="usr_1", organization_id="org_next")
            await ask_alone(engine, lambda service: service.create(by=next_one, destination=THEIRS))


# --- Engines -------------------------------------------------------------------------------------


class TestEngines:
    """`configure_engine` takes the ``sync_engine`` of an asynchronous one; `open_engine` none."""

    @pytest.fixture
    def sqlite(self, tmp_path: Path) -> URL:
        return URL.create("sqlite+aiosqlite", database=str(tmp_path / "connections.db"))

    @in_a_loop
    async def test_the_settings(self, sqlite: URL) -> None:
        async with opened(sqlite) as engine, engine.connect() as connection:
            settings = {
                name: (await connection.exec_driver_sql(f"PRAGMA {name}")).scalar_one()
                for name in ("journal_mode", "foreign_keys", "busy_timeout", "synchronous")
            }
        assert settings == {
            "journal_mode": "wal",
            "foreign_keys": 1,
            "busy_timeout": 30_000,
            "synchronous": 1,
        }

    @in_a_loop
    async def test_who_only_reads_does_not_wait(self, sqlite: URL) -> None:
        async with opened(sqlite) as engine:
            reading = engine.execution_options(only_reads=True)
            async with transaction(engine) as session:
                await ask(session, offer)
                page = await ask_alone(reading, lambda service: service.list(by=OUR_KEY))
                assert page.connections == ()
                writing = asyncio.create_task(tally(engine))
                assert await is_waiting(writing)
            assert await writing == Tally(connections=1, events=1)

    @pytest.mark.parametrize("patient", [True, False])
    @in_a_loop
    async def test_write_ahead_logging_waits_for_others(
        self, sqlite: URL, monkeypatch: pytest.MonkeyPatch, patient: bool
    ) -> None:
        """Without keeping the event loop from its work, as a sleep of the whole thread would."""
        slept: list[float] = []
        monkeypatch.setattr(sql_engine, "sleep", slept.append)
        monkeypatch.setattr(sql_engine, "_BUSY_TIMEOUT", 10_000 if patient else 60)
        other = sqlite3.connect(str(sqlite.database), isolation_level=None)
        other.execute("CREATE TABLE theirs (id INTEGER)")
        other.execute("BEGIN IMMEDIATE")
        engine = create_async_engine(sqlite)
        configure_engine(engine.sync_engine)
        task = asyncio.create_task(tables_in(engine))
        if patient:
            assert await is_waiting(task)
            other.execute("COMMIT")
            assert await task == 1
        else:
            with pytest.raises(OperationalError, match="database is locked"):
                await task
            other.execute("COMMIT")
        other.close()
        await engine.dispose()
        assert slept == []

    @pytest.mark.parametrize(
        "url",
        [
            "sqlite+aiosqlite://",
            "sqlite+aiosqlite:///connections.db",
            "postgresql+psycopg_async://me:secret@127.0.0.1:1/test",
            "postgresql+asyncpg://me:secret@127.0.0.1:1/test",
        ],
    )
    def test_open_engine_is_for_other_drivers(self, url: str) -> None:
        driver, _, _ = url.partition(":")
        with pytest.raises(ArgumentError, match="create_async_engine") as refused:
            open_engine(url)
        assert str(refused.value).startswith(f"{driver} is an asynchronous driver")
        assert "secret" not in str(refused.value)


async def tables_in(engine: AsyncEngine) -> int:
    """How many tables there are in a SQLite database."""
    async with engine.connect() as connection:
        found = await connection.exec_driver_sql("SELECT count(*) FROM sqlite_master")
        return int(found.scalar_one())
