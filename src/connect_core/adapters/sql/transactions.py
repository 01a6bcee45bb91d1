"""Transactions: a session for each piece of work, committed, and run again if it was given up.

`in_transaction` is for code that works with a session. `Transactions` and `AsyncTransactions` run
work with a `ConnectionService`: they are what a request handler needs, and what the HTTP API takes.
"""

import asyncio
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import datetime
from random import random
from sys import exception
from threading import Lock
from time import sleep
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session

from connect_core import arguments
from connect_core.adapters.sql.availability import (
    Trouble,
    first_of,
    is_given_up,
    reason_of,
    trouble_of,
)
from connect_core.adapters.sql.engine import require_engine
from connect_core.adapters.sql.store import SqlConnectionStore
from connect_core.adapters.sql.tables import DEFAULT_TABLES, Tables, require_tables
from connect_core.connection import Change
from connect_core.errors import ConnectError, StoreUnavailableError
from connect_core.history import utc_now
from connect_core.identifiers import ConnectionId
from connect_core.service import ConnectionService
from connect_core.text import kind_of

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

_Result = TypeVar("_Result")
#: Called for every change, in the session that makes it.
OnChange = Callable[[Session, Change], object]

#: How often a transaction is run.
_ATTEMPTS: Final = 5
#: The longest pause after the first attempt, in seconds. It grows with each.
_PAUSE: Final = 0.05
#: How long a writer waits for its turn on SQLite, in seconds.
_TURN: Final = 30.0


def in_transaction(
    engine: Engine, work: Callable[[Session], _Result], *, attempts: int = _ATTEMPTS
) -> _Result:
    """Run `work` in a session of its own, commit, and return its result.

    If the database gives the transaction up for others' sake (a serialization failure, a deadlock,
    a lock that did not come, a busy SQLite, a conflict with another node of a cluster), everything
    in `work` happens again, after a short random pause: it must not do what cannot be undone, such
    as sending mail. This is also so if `work` raises an error of its own from the database's.
    Whatever else `work` raises undoes all of it, refusals included; `Transactions` commits those.

    Args:
        engine: the database.
        work: is given the session. It need not commit.
        attempts: how often it is run at most, 1 or more.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: `attempts` is less than 1.
        sqlalchemy.exc.DBAPIError: the database's error, if it is no such one, or after the last
            attempt.
        Exception: what `work` raised.
    """
    require_engine(engine)
    arguments.function(work, "work")
    arguments.number(attempts, "attempts", 1, 1000)
    number, handled = 1, exception()
    while True:
        try:
            with Session(engine) as session, session.begin():
                return work(session)
        except Exception as error:
            if number >= attempts or not is_given_up(error, handled):
                raise
        sleep(_pause(number))
        number += 1


class Transactions:
    """Runs work with a `ConnectionService` in transactions of its own.

    On SQLite, changes of one process wait for each other here. SQLite itself would let them try
    again after pauses, which takes longer on the whole.

    It holds no session, and threads may share it.

    Args:
        engine: the database, with the settings of `configure_engine`.
        on_change: is called with the session and the `Change` for every change, inside of its
            transaction, for rows of your own: they are there together with the change, or neither
            is. It is not called for a replayed change. What it raises undoes everything.
        clock: gives the current time, aware; the system's clock in UTC if omitted.
        new_id: gives a new Connection's id; `ConnectionId.mint` if omitted.
        tables: those that `tables_for` returned for this database; our own if omitted.

    Raises:
        TypeError: an argument has the wrong type.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        on_change: OnChange | None = None,
        clock: Callable[[], datetime] = utc_now,
        new_id: Callable[[], str] = ConnectionId.mint,
        tables: Tables = DEFAULT_TABLES,
    ) -> None:
        require_engine(engine, if_async="make AsyncTransactions")
        self._writing = engine
        self._reading = engine.execution_options(only_reads=True)
        self._services = _Services(on_change, clock, new_id, tables)
        self._turn = Lock() if engine.dialect.name == "sqlite" else None

    def change(self, work: Callable[[ConnectionService], _Result]) -> _Result:
        """The result of work that may change something. It is committed when this returns.

        A refusal is committed as well: it has changed nothing, but may have been kept for an
        idempotency key. So work with several commands can be half done if a later one is refused.
        A transaction that the database gave up for others' sake is run again.

        Raises:
            ConnectError: the refusal that `work` raised.
            StoreUnavailableError: the database is not available, or others were in the way.
            Exception: what `work` raised otherwise; nothing was changed.
        """
        with _taking_turns(self._turn):
            return self._run(self._writing, work, commits=True)

    def ask(self, work: Callable[[ConnectionService], _Result]) -> _Result:
        """The result of work that only reads. Nobody waits for it, and nothing is committed.

        Raises:
            StoreUnavailableError: the database is not available.
            Exception: what `work` raised.
        """
        return self._run(self._reading, work, commits=False)

    def _run(
        self, engine: Engine, work: Callable[[ConnectionService], _Result], *, commits: bool
    ) -> _Result:
        number, handled = 1, exception()
        while True:
            attempt = _Attempt(self._services, work, handled, commits=commits)
            try:
                with Session(engine) as session:
                    return attempt.run(session)
            except Exception as error:
                attempt.require_another(error, number)
            sleep(_pause(number))
            number += 1


class AsyncTransactions:
    """The same as `Transactions` for an asynchronous host.

    It needs ``sqlalchemy[asyncio]``. Give the engine's ``sync_engine`` to `configure_engine` first.
    A cancelled task leaves all of its transaction, or nothing of it.

    Args:
        engine: the database, an ``AsyncEngine``.
        on_change: as in `Transactions`; it is given the synchronous session.
        clock: as in `Transactions`.
        new_id: as in `Transactions`.
        tables: as in `Transactions`.

    Raises:
        TypeError: an argument has the wrong type.
    """

    def __init__(
        self,
        engine: "AsyncEngine",
        *,
        on_change: OnChange | None = None,
        clock: Callable[[], datetime] = utc_now,
        new_id: Callable[[], str] = ConnectionId.mint,
        tables: Tables = DEFAULT_TABLES,
    ) -> None:
        if not hasattr(engine, "sync_engine"):
            raise TypeError(
                f"engine: expected a sqlalchemy.ext.asyncio.AsyncEngine, got {kind_of(engine)};"
                " for an Engine there is Transactions"
            )
        self._writing = engine
        self._reading = engine.execution_options(only_reads=True)
        self._services = _Services(on_change, clock, new_id, tables)

    async def change(self, work: Callable[[ConnectionService], _Result]) -> _Result:
        """See `Transactions.change`. The work is synchronous."""
        return await self._run(self._writing, work, commits=True)

    async def ask(self, work: Callable[[ConnectionService], _Result]) -> _Result:
        """See `Transactions.ask`. The work is synchronous."""
        return await self._run(self._reading, work, commits=False)

    async def _run(
        self, engine: "AsyncEngine", work: Callable[[ConnectionService], _Result], *, commits: bool
    ) -> _Result:
        from sqlalchemy.ext.asyncio import AsyncSession

        number, handled = 1, exception()
        while True:
            attempt = _Attempt(self._services, work, handled, commits=commits)
            try:
                async with AsyncSession(engine) as session:
                    return await session.run_sync(attempt.run)
            except Exception as error:
                attempt.require_another(error, number)
            await asyncio.sleep(_pause(number))
            number += 1


# --- What both share -----------------------------------------------------------------------------


class _Services:
    """Makes the services that work is given."""

    def __init__(
        self,
        on_change: OnChange | None,
        clock: Callable[[], datetime],
        new_id: Callable[[], str],
        tables: Tables,
    ) -> None:
        require_tables(tables)
        self._tables = tables
        self._on_change = on_change
        if on_change is not None:
            arguments.function(on_change, "on_change")
        self._clock = arguments.function(clock, "clock")
        self._new_id = arguments.function(new_id, "new_id")

    def service(self, session: Session) -> ConnectionService:
        """A service in this session."""
        store = SqlConnectionStore(session, self._tables)
        if self._on_change is not None:
            store = _ObservedStore(session, self._tables, self._on_change)
        return ConnectionService(store, clock=self._clock, new_id=self._new_id)


class _ObservedStore(SqlConnectionStore):
    """A store that calls the host for every change that it has written."""

    def __init__(self, session: Session, tables: Tables, on_change: OnChange) -> None:
        super().__init__(session, tables)
        self._told, self._on_change = session, on_change

    def add(self, change: Change) -> bool:
        return super().add(change) and self._tell(change)

    def save(self, change: Change) -> bool:
        return super().save(change) and self._tell(change)

    def _tell(self, change: Change) -> bool:
        """Call the host, and write what it added."""
        try:
            self._on_change(self._told, change)
        except ConnectError as error:  # no refusal of the change, which would be committed
            raise RuntimeError("on_change raised a refusal; nothing was changed") from error
        self._told.flush()
        return True


class _Attempt(Generic[_Result]):
    """One attempt to do some work in a session."""

    def __init__(
        self,
        services: _Services,
        work: Callable[[ConnectionService], _Result],
        handled: BaseException | None,
        *,
        commits: bool,
    ) -> None:
        self._services = services
        self._work = arguments.function(work, "work")
        self._handled = handled
        self._commits = commits
        self._is_committing = False

    def run(self, session: Session) -> _Result:
        """Do the work, and commit; a refusal is raised after that.

        A refusal that came of an error with which the transaction was given up is not committed.
        """
        service = self._services.service(session)
        try:
            result = self._work(service)
        except ConnectError as error:
            if not is_given_up(error, self._handled):
                self._commit(session)
            raise
        self._commit(session)
        return result

    def _commit(self, session: Session) -> None:
        if self._commits:
            self._is_committing = True
            try:
                session.commit()
            except Exception:  # SQLite may still be in the transaction; `close` does not end it
                session.rollback()
                raise

    def require_another(self, error: Exception, number: int) -> None:
        """Return if the work can be run again after this error; otherwise raise.

        Raises:
            StoreUnavailableError: the database is not available, or this was the last attempt.
            Exception: the error itself; something else is wrong.
        """
        if isinstance(error, PoolTimeoutError):
            raise StoreUnavailableError(str(error)) from error
        if number < _ATTEMPTS and is_given_up(error, self._handled):
            return
        if not isinstance(error, DBAPIError):
            raise error
        cause = first_of(error, self._handled)
        trouble = trouble_of(cause)
        if trouble is None:
            raise error
        uncertain = self._is_committing and trouble is Trouble.LOST
        raise StoreUnavailableError(reason_of(cause), uncertain=uncertain) from error


@contextmanager
def _taking_turns(turn: "Lock | None") -> Generator[None]:
    """Wait for one's turn, if there are turns.

    Raises:
        StoreUnavailableError: it did not come in time.
    """
    if turn is None:
        yield
        return
    if not turn.acquire(timeout=_TURN):
        raise StoreUnavailableError(f"others have been writing for {_TURN:g} seconds")
    try:
        yield
    finally:
        turn.release()


def _pause(number: int) -> float:
    """How long to wait after an attempt, in seconds."""
    return random() * _PAUSE * number  # noqa: S311  # it keeps no secret
