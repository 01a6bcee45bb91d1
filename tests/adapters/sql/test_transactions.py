"""Transactions: committed before they return, undone together, and run again if they were given up.

Everything about `Transactions` is also held of `AsyncTransactions`, in an event loop of its own.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from threading import Barrier, Lock
from typing import Any, Protocol

import pytest
from databases import MARIADB, SERVERS, database, mariadb, postgresql
from sqlalchemy import (
    URL,
    CheckConstraint,
    Engine,
    String,
    create_engine,
    func,
    insert,
    select,
    text,
)
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from support import OUR_KEY, PARTNER

from connect_core import (
    Change,
    ConnectionService,
    ForbiddenTransitionError,
    IdempotencyKeyReusedError,
    InvalidTransitionError,
    StaleConnectionError,
    Status,
    StoreUnavailableError,
)
from connect_core.adapters.sql import (
    AsyncTransactions,
    Transactions,
    configure_engine,
    connections,
    in_transaction,
    open_engine,
    transactions,
)
from connect_core.adapters.sql.availability import (
    Trouble,
    can_be_run_again,
    first_of,
    is_given_up,
    reason_of,
    trouble_of,
)

THEIRS = PARTNER.organization_id
DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "postgresql": "postgresql+psycopg",
    "mariadb": "mariadb+aiomysql",
}


class Base(DeclarativeBase):
    """The host's own tables."""


class Notice(Base):
    """A row for each change."""

    __tablename__ = "notices"
    __table_args__ = (CheckConstraint("version < 10"),)
    connection_id: Mapped[str] = mapped_column(String(255), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)


def notify(session: Any, change: Change) -> None:
    session.add(Notice(connection_id=change.connection.id, version=change.event.version))


class Host(Protocol):
    """Runs work in transactions, whichever they are."""

    engine: Engine

    def make(self, **options: Any) -> None: ...
    def change(self, work: Callable[[ConnectionService], Any]) -> Any: ...
    def ask(self, work: Callable[[ConnectionService], Any]) -> Any: ...


class SyncHost:
    """A host with threads."""

    def __init__(self, url: URL, engine: Engine) -> None:
        self.url, self.engine = url, engine
        self.make()

    def make(self, **options: Any) -> None:
        self.transactions = Transactions(self.engine, **options)

    def change(self, work: Callable[[ConnectionService], Any]) -> Any:
        return self.transactions.change(work)

    def ask(self, work: Callable[[ConnectionService], Any]) -> Any:
        return self.transactions.ask(work)


class AsyncHost:
    """A host with an event loop, which each call has of its own."""

    def __init__(self, url: URL, engine: Engine) -> None:
        self.url = url.set(drivername=DRIVERS[url.get_backend_name()])
        self.engine = engine
        self.options: dict[str, Any] = {}

    def make(self, **options: Any) -> None:
        self.options = options

    def change(self, work: Callable[[ConnectionService], Any]) -> Any:
        return asyncio.run(self._run("change", work))

    def ask(self, work: Callable[[ConnectionService], Any]) -> Any:
        return asyncio.run(self._run("ask", work))

    async def _run(self, how: str, work: Callable[[ConnectionService], Any]) -> Any:
        is_mariadb = self.url.get_backend_name() == "mariadb"
        options = {"isolation_level": "READ COMMITTED"} if is_mariadb else {}
        engine = create_async_engine(self.url, **options)
        configure_engine(engine.sync_engine)
        try:
            return await getattr(AsyncTransactions(engine, **self.options), how)(work)
        finally:
            await engine.dispose()


@pytest.fixture(params=["sqlite-file", *SERVERS])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[URL]:
    with database(request.param, tmp_path) as found:
        yield found


@pytest.fixture
def engine(url: URL) -> Iterator[Engine]:
    engine = open_engine(url)
    Base.metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture(params=[SyncHost, AsyncHost])
def host(request: pytest.FixtureRequest, url: URL, engine: Engine) -> Host:
    made: Host = request.param(url, engine)
    return made


def creating(destination: str = THEIRS, **named: Any) -> Callable[[ConnectionService], Change]:
    return lambda service: service.create(by=OUR_KEY, destination=destination, **named)


def ways(host: Host) -> list[Callable[[Callable[[Any], Any]], Any]]:
    """The ways to run work in a transaction."""
    return [host.change, host.ask, partial(in_transaction, host.engine)]


def count_of(engine: Engine, table: Any) -> int:
    with engine.connect() as session:
        counted: int = session.execute(select(func.count()).select_from(table)).scalar_one()
        return counted


# --- Transactions --------------------------------------------------------------------------------


class TestTransactions:
    """Work is committed when it returns, and undone if it fails."""

    def test_a_change_is_committed(self, host: Host) -> None:
        change = host.change(creating())
        assert count_of(host.engine, connections) == 1
        assert host.ask(lambda service: service.get(change.connection.id, by=PARTNER)) == (
            change.connection
        )

    def test_a_question_changes_nothing(self, host: Host) -> None:
        host.ask(creating())
        assert count_of(host.engine, connections) == 0

    def test_a_refusal_is_kept_for_its_key(self, host: Host) -> None:
        connection = host.change(creating()).connection

        def activate(service: ConnectionService) -> Change:
            return service.activate(connection.id, by=OUR_KEY, idempotency_key="k")

        for replayed in (False, True):
            with pytest.raises(ForbiddenTransitionError) as caught:
                host.change(activate)
            assert caught.value.replayed is replayed
        with pytest.raises(IdempotencyKeyReusedError):
            host.change(
                lambda service: service.deactivate(connection.id, by=OUR_KEY, idempotency_key="k")
            )

    @pytest.mark.parametrize("error", [RuntimeError, ValueError, KeyboardInterrupt])
    def test_anything_else_undoes_it(self, host: Host, error: type[BaseException]) -> None:
        def work(service: ConnectionService) -> None:
            creating()(service)
            raise error

        with pytest.raises(error):
            host.change(work)
        assert count_of(host.engine, connections) == 0
        host.change(creating())

    def test_clock_and_ids(self, host: Host) -> None:
        noon = datetime(2026, 6, 1, 12, tzinfo=UTC)
        host.make(clock=lambda: noon, new_id=lambda: "cxn_ours")
        connection = host.change(creating()).connection
        assert (connection.id, connection.created_at) == ("cxn_ours", noon)


class TestOnChange:
    """What the host writes for a change is there together with it, or neither is."""

    def test_each_change_once(self, host: Host) -> None:
        host.make(on_change=notify)
        connection = host.change(creating(idempotency_key="k")).connection
        assert host.change(creating(idempotency_key="k")).replayed
        host.change(lambda service: service.activate(connection.id, by=PARTNER))
        with pytest.raises(InvalidTransitionError):
            host.change(lambda service: service.activate(connection.id, by=PARTNER))
        with host.engine.connect() as session:
            found = session.execute(select(Notice.version).order_by(Notice.version)).scalars()
            assert list(found) == [1, 2]

    def test_it_fails(self, host: Host) -> None:
        def fail(*_: object) -> None:
            raise RuntimeError("no")

        connection = host.change(creating()).connection
        host.make(on_change=fail)
        works: list[Callable[[ConnectionService], object]] = [
            creating("org_New"),
            creating("org_New", idempotency_key="k"),
            lambda service: service.deactivate(connection.id, by=OUR_KEY),
        ]
        for work in works:
            with pytest.raises(RuntimeError, match="no"):
                host.change(work)
        host.make()
        assert count_of(host.engine, connections) == 1
        assert host.ask(lambda service: service.get(connection.id, by=OUR_KEY)) == connection

    def test_its_row_is_refused(self, host: Host) -> None:
        """It is written before the change is: a refusal of the database undoes both."""

        def notify_wrongly(session: Session, _: Change) -> None:
            session.add(Notice(connection_id="1", version=99))

        host.make(on_change=notify_wrongly)
        with pytest.raises((IntegrityError, OperationalError), match=r"(?i)check|constraint"):
            host.change(creating())
        assert count_of(host.engine, connections) == 0

    def test_it_raises_a_refusal(self, host: Host) -> None:
        """A refusal would be committed, so that is a fault."""

        def refuse(*_: object) -> None:
            raise StaleConnectionError(1, 2)

        host.make(on_change=refuse)
        with pytest.raises(RuntimeError, match="on_change raised a refusal") as caught:
            host.change(creating())
        assert isinstance(caught.value.__cause__, StaleConnectionError)
        assert count_of(host.engine, connections) == 0


class TestArguments:
    """What it cannot work with is refused when it is made, or before anything is done."""

    def test_engines(self, engine: Engine) -> None:
        asynchronous = create_async_engine("sqlite+aiosqlite://")
        with pytest.raises(TypeError, match="make AsyncTransactions"):
            Transactions(asynchronous)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # what hosts get wrong
        with pytest.raises(TypeError, match="there is Transactions"):
            AsyncTransactions(engine)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # what hosts get wrong
        with pytest.raises(TypeError, match="pass its sync_engine"):
            in_transaction(asynchronous, print)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # what hosts get wrong
        with pytest.raises(TypeError, match=r"engine: expected a sqlalchemy\.Engine, got None"):
            Transactions(None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # what hosts get wrong

    @pytest.mark.parametrize("name", ["on_change", "clock", "new_id"])
    def test_functions(self, engine: Engine, name: str) -> None:
        given: dict[str, Any] = {name: 1}
        with pytest.raises(TypeError, match=name):
            Transactions(engine, **given)

    def test_work(self, host: Host) -> None:
        work: Any = None
        for run in ways(host):
            with pytest.raises(TypeError, match="work"):
                run(work)

    @pytest.mark.parametrize(
        ("attempts", "error"), [(0, ValueError), (True, TypeError), (1.5, TypeError)]
    )
    def test_attempts(self, engine: Engine, attempts: Any, error: type[Exception]) -> None:
        with pytest.raises(error, match="attempts"):
            in_transaction(engine, print, attempts=attempts)


# --- Run again -----------------------------------------------------------------------------------


class Failing:
    """Work that the database gives up a few times. It counts how often it was run."""

    def __init__(self, error: Exception, times: int) -> None:
        self.error, self.times = error, times
        self.runs = 0

    def __call__(self, _: object) -> int:
        self.runs += 1
        if self.runs <= self.times:
            raise self.error
        return self.runs


def busy(code: int = sqlite3.SQLITE_BUSY) -> OperationalError:
    """What SQLAlchemy raises for this code of SQLite's."""
    error = sqlite3.OperationalError("database is locked")
    error.sqlite_errorcode = code
    return OperationalError("UPDATE", {}, error)


def server_error(state: str | None, message: str = "a message") -> OperationalError:
    """What SQLAlchemy raises for this SQLSTATE."""
    error = type("Error", (Exception,), {"sqlstate": state})(message)
    return OperationalError("UPDATE", {}, error)


def mysql_error(code: int) -> OperationalError:
    """What SQLAlchemy raises for this code of MySQL's family."""
    return OperationalError("UPDATE", {}, Exception(code, "a message"))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the pauses."""
    monkeypatch.setattr(transactions, "_PAUSE", 0)


@pytest.mark.usefixtures("quick")
class TestRunAgain:
    """A transaction that was given up for others' sake is run again, a few times."""

    @pytest.mark.parametrize(
        "error",
        [
            busy(),
            busy(sqlite3.SQLITE_BUSY | 2 << 8),
            busy(sqlite3.SQLITE_LOCKED),
            server_error("40001"),
            server_error("40P01"),
        ],
    )
    def test_given_up(self, host: Host, error: Exception) -> None:
        for run in ways(host):
            work = Failing(error, 4)
            assert run(work) == 5
            work = Failing(error, 5)
            with pytest.raises((OperationalError, StoreUnavailableError)):
                run(work)
            assert work.runs == 5

    def test_after_the_last_attempt(self, host: Host) -> None:
        with pytest.raises(StoreUnavailableError) as caught:
            host.change(Failing(busy(), 9))
        assert (caught.value.reason, caught.value.uncertain) == ("database is locked", False)
        with pytest.raises(OperationalError, match="database is locked"):
            in_transaction(host.engine, Failing(busy(), 9))

    def test_only_as_often_as_is_said(self, engine: Engine) -> None:
        work = Failing(server_error("40001"), 9)
        with pytest.raises(OperationalError):
            in_transaction(engine, work, attempts=2)
        assert work.runs == 2

    @pytest.mark.parametrize("error", [server_error("42P01"), server_error("23505"), busy(1)])
    def test_what_is_no_matter_of_others(self, host: Host, error: Exception) -> None:
        for run in ways(host):
            work = Failing(error, 1)
            with pytest.raises(OperationalError):
                run(work)
            assert work.runs == 1

    @pytest.mark.parametrize(
        ("error", "reason"),
        [
            (server_error("57P01", "terminating"), "terminating"),
            (server_error("53300", "too many clients"), "too many clients"),
            (server_error(None, "connection refused"), "connection refused"),
            (busy(sqlite3.SQLITE_FULL), "database is locked"),
        ],
    )
    def test_a_database_that_is_not_available(
        self, host: Host, error: Exception, reason: str
    ) -> None:
        work = Failing(error, 9)
        with pytest.raises(StoreUnavailableError) as caught:
            host.change(work)
        assert (caught.value.reason, caught.value.uncertain, work.runs) == (reason, False, 1)
        assert isinstance(caught.value.__cause__, OperationalError)

    def test_a_pool_that_is_exhausted(self, host: Host) -> None:
        with pytest.raises(StoreUnavailableError, match="the pool"):
            host.ask(Failing(PoolTimeoutError("the pool"), 9))

    def test_in_transaction_commits_and_undoes(self, engine: Engine) -> None:
        def add(session: Session) -> int:
            session.add(Notice(connection_id="1", version=1))
            return 7

        assert in_transaction(engine, add) == 7
        assert count_of(engine, Notice) == 1

        def fail(session: Session) -> None:
            session.add(Notice(connection_id="2", version=1))
            raise StaleConnectionError(1, 2)

        with pytest.raises(StaleConnectionError):
            in_transaction(engine, fail)
        assert count_of(engine, Notice) == 1


class TestPostgresql:
    """Real serialization failures, and a connection that is lost."""

    @pytest.fixture
    def url(self) -> Iterator[URL]:
        with postgresql() as found:
            yield found

    @pytest.mark.parametrize("isolation", ["REPEATABLE READ", "SERIALIZABLE"])
    def test_two_that_take_the_same_step(self, engine: Engine, isolation: str) -> None:
        """One of them takes it; the other is run again, and gets the refusal that is due then."""
        strict = engine.execution_options(isolation_level=isolation)
        made = Transactions(strict)
        connection = made.change(creating()).connection
        together, turn, runs = Barrier(2), Lock(), [0]

        def deactivate(service: ConnectionService) -> Change:
            with turn:
                runs[0] += 1
                first = runs[0] <= 2
            service.get(connection.id, by=OUR_KEY)
            if first:
                together.wait(10)
            return service.deactivate(connection.id, by=OUR_KEY)

        def outcome(_: int) -> object:
            try:
                return made.change(deactivate).connection.status
            except InvalidTransitionError as error:
                return type(error)

        with ThreadPoolExecutor(2) as pool:
            outcomes = set(pool.map(outcome, range(2)))
        assert outcomes == {Status.INACTIVE, InvalidTransitionError}
        assert runs == [3]

    @pytest.mark.parametrize("kind", [SyncHost, AsyncHost])
    def test_a_connection_that_is_lost(self, url: URL, engine: Engine, kind: Any) -> None:
        """Before the commit nothing was changed; while it commits nobody knows."""
        host: Host = kind(url, engine)

        def lose(session: Any, _: Change) -> None:
            lost = session.execute(text("SELECT pg_backend_pid()")).scalar_one()
            with engine.connect() as other:
                other.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": lost})

        def lose_early(session: Any, change: Change) -> None:
            lose(session, change)
            session.execute(text("SELECT 1"))

        for on_change, uncertain in ((lose_early, False), (lose, True)):
            host.make(on_change=on_change)
            with pytest.raises(StoreUnavailableError) as caught:
                host.change(creating())
            assert caught.value.uncertain is uncertain
            assert count_of(engine, connections) == 0
        host.make()
        host.change(creating())

    def test_a_server_that_is_not_there(self) -> None:
        engine = create_engine("postgresql+psycopg://127.0.0.1:1/x?connect_timeout=2")
        try:
            with pytest.raises(StoreUnavailableError) as caught:
                Transactions(engine).ask(lambda service: service.list(by=OUR_KEY))
            assert caught.value.uncertain is False
        finally:
            engine.dispose()


class TestMariadb:
    """A real conflict, and a connection that is lost."""

    @pytest.fixture
    def url(self) -> Iterator[URL]:
        with mariadb() as found:
            yield found

    @pytest.mark.parametrize("isolation", ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"])
    def test_two_that_take_the_same_step(self, engine: Engine, isolation: str) -> None:
        """One of them takes it; the other gets a refusal that is due, perhaps when run again."""
        made = Transactions(engine.execution_options(isolation_level=isolation))
        connection = made.change(creating()).connection
        together, turn, runs = Barrier(2), Lock(), [0]

        def deactivate(service: ConnectionService) -> Change:
            with turn:
                runs[0] += 1
                first = runs[0] <= 2
            service.get(connection.id, by=OUR_KEY)
            if first:
                together.wait(10)
            return service.deactivate(connection.id, by=OUR_KEY)

        def outcome(_: int) -> object:
            try:
                return made.change(deactivate).connection.status
            except (InvalidTransitionError, StaleConnectionError) as error:
                return type(error)

        with ThreadPoolExecutor(2) as pool:
            outcomes = set(pool.map(outcome, range(2)))
        assert Status.INACTIVE in outcomes
        assert len(outcomes) == 2
        history = made.ask(lambda service: service.history(connection.id, by=OUR_KEY))
        assert [event.version for event in history] == [1, 2]
        assert runs == [3 if isolation == "SERIALIZABLE" else 2]

    @pytest.mark.parametrize("isolation", ["READ COMMITTED", "REPEATABLE READ"])
    def test_a_key_that_this_one_cannot_see(self, engine: Engine, isolation: str) -> None:
        """The outcome is the other's, if necessary after the transaction was run again."""
        made = Transactions(engine.execution_options(isolation_level=isolation))
        others: list[Change] = []

        def work(service: ConnectionService) -> Change:
            service.list(by=OUR_KEY)
            if not others:
                others.append(Transactions(engine).change(creating(idempotency_key="k")))
            return creating(idempotency_key="k")(service)

        found = made.change(work)
        assert (found.replayed, found.connection) == (True, others[0].connection)

    @pytest.mark.parametrize("kind", [SyncHost, AsyncHost])
    def test_a_connection_that_is_lost(self, url: URL, engine: Engine, kind: Any) -> None:
        """Before the commit nothing was changed; while it commits nobody knows."""
        host: Host = kind(url, engine)

        def lose(session: Any, _: Change) -> None:
            lost = session.execute(text("SELECT CONNECTION_ID()")).scalar_one()
            with engine.connect() as other:
                other.execute(text(f"KILL {lost}"))

        def lose_early(session: Any, change: Change) -> None:
            lose(session, change)
            session.execute(text("SELECT 1"))

        for on_change, uncertain in ((lose_early, False), (lose, True)):
            host.make(on_change=on_change)
            with pytest.raises(StoreUnavailableError) as caught:
                host.change(creating())
            assert caught.value.uncertain is uncertain
            assert count_of(engine, connections) == 0
        host.make()
        host.change(creating())

    def test_a_server_that_is_not_there(self) -> None:
        engine = create_engine(MARIADB.set(host="127.0.0.1", port=1))
        try:
            with pytest.raises(StoreUnavailableError) as caught:
                Transactions(engine).ask(lambda service: service.list(by=OUR_KEY))
            assert caught.value.uncertain is False
        finally:
            engine.dispose()


class TestTurns:
    """On SQLite the writers of a process take turns."""

    @pytest.fixture
    def url(self, tmp_path: Path) -> Iterator[URL]:
        with database("sqlite-file", tmp_path) as found:
            yield found

    def test_many_at_once(self, engine: Engine) -> None:
        made = Transactions(engine)

        def create(number: int) -> Change:
            return made.change(creating(f"org_{number}"))

        with ThreadPoolExecutor(8) as pool:
            changes = list(pool.map(create, range(40)))
        assert len({change.connection.id for change in changes}) == 40
        assert count_of(engine, connections) == 40

    def test_a_turn_that_does_not_come(
        self, engine: Engine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(transactions, "_TURN", 0.01)
        made = Transactions(engine)
        runs: list[object] = []

        def inner(service: ConnectionService) -> None:
            runs.append(service)

        def outer(_: ConnectionService) -> None:
            with pytest.raises(StoreUnavailableError, match="others have been writing"):
                made.change(inner)

        made.change(outer)
        assert runs == []
        made.change(inner)
        assert len(runs) == 1

    def test_a_file_that_another_process_writes_to(
        self, engine: Engine, url: URL, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It is busy; the change is made once the other has ended."""
        monkeypatch.setattr(transactions, "_PAUSE", 0)
        other = sqlite3.connect(str(url.database), isolation_level=None)
        impatient = configure_engine(create_engine(url))
        try:
            with impatient.connect() as warm:
                warm.exec_driver_sql("PRAGMA busy_timeout = 1")
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreUnavailableError, match="locked"):
                Transactions(impatient).change(creating())
            other.execute("ROLLBACK")
            Transactions(impatient).change(creating())
        finally:
            other.close()
            impatient.dispose()
        assert count_of(engine, connections) == 1


class TestAvailability:
    """What a database error says."""

    @pytest.mark.parametrize(
        ("error", "trouble", "again"),
        [
            (busy(), Trouble.OTHERS, True),
            (busy(sqlite3.SQLITE_PROTOCOL), Trouble.OTHERS, False),
            (busy(sqlite3.SQLITE_IOERR | 1 << 8), Trouble.DISK, False),
            (busy(sqlite3.SQLITE_FULL), Trouble.FULL, False),
            (busy(sqlite3.SQLITE_ERROR), None, False),
            (server_error("40001"), Trouble.OTHERS, True),
            (server_error("40003"), Trouble.OTHERS, False),
            (server_error("55P03"), Trouble.OTHERS, False),
            (server_error("55006"), None, False),
            (server_error("08006"), Trouble.LOST, False),
            (server_error("57P01"), Trouble.LOST, False),
            (server_error("57014"), Trouble.SERVER, False),
            (server_error("53300"), Trouble.SERVER, False),
            (server_error("58030"), Trouble.SERVER, False),
            (server_error(None, "is down"), Trouble.UNREACHABLE, False),
            (server_error(None, "failed: FATAL:  no such role"), None, False),
            (server_error(None, "failed: FATAL:  it is starting up"), Trouble.UNREACHABLE, False),
        ],
    )
    def test_trouble(self, error: DBAPIError, trouble: Trouble | None, again: bool) -> None:
        assert trouble_of(error) is trouble
        assert can_be_run_again(error) is again

    @pytest.mark.parametrize(
        ("code", "trouble", "again"),
        [
            (1020, Trouble.OTHERS, True),
            (1021, Trouble.FULL, False),
            (1040, Trouble.SERVER, False),
            (1045, None, False),  # the password is wrong
            (1047, Trouble.SERVER, False),
            (1062, None, False),
            (1146, None, False),  # there is no such table
            (1180, Trouble.LOST, False),
            (1205, Trouble.OTHERS, True),
            (1213, Trouble.OTHERS, True),
            (1290, Trouble.SERVER, False),
            (1305, None, False),  # there is no such savepoint
            (1644, None, False),  # a trigger of the host's
            (2003, Trouble.UNREACHABLE, False),
            (2013, Trouble.LOST, False),
            (4025, None, False),  # a check constraint
            (9007, Trouble.OTHERS, True),
        ],
    )
    def test_codes_of_mysql(self, code: int, trouble: Trouble | None, again: bool) -> None:
        error = mysql_error(code)
        assert trouble_of(error) is trouble
        assert can_be_run_again(error) is is_given_up(error) is again

    def test_a_connection_to_mysql_that_is_gone(self) -> None:
        """Whatever the code is: after the loss, drivers give 0."""
        for code in (0, 1047, 2013):
            error = mysql_error(code)
            error.connection_invalidated = True
            assert trouble_of(error) is Trouble.LOST

    @pytest.mark.parametrize(
        ("statement", "again"),
        [
            ("INSERT INTO connection_idempotency_keys (organization_id", True),
            ("INSERT INTO acme_connection_idempotency_keys (organization_id", True),
            ("INSERT INTO `Acme's 1`.`acme_connection_idempotency_keys` (organization_id", True),
            ("INSERT INTO connection_idempotency_keys_of_ours (organization_id", False),
            ("INSERT INTO connections (id", False),
            ("UPDATE connection_idempotency_keys SET", False),
            (None, False),
        ],
    )
    def test_a_key_that_another_transaction_has_just_used(
        self, statement: str | None, again: bool
    ) -> None:
        """At READ COMMITTED the store sees it; with a stricter isolation it is run again."""
        taken = IntegrityError(statement, {}, Exception(1062, "Duplicate entry 'k'"))
        assert can_be_run_again(taken) is is_given_up(taken) is again
        other = IntegrityError(statement, {}, Exception(1452, "a foreign key"))
        assert not can_be_run_again(other)

    def test_given_up_on_the_way(self) -> None:
        """Another error was made of it, or followed it; but not where it was set aside."""
        made = RuntimeError("a host's own")
        made.__cause__ = mysql_error(1213)
        followed = KeyError()
        followed.__context__ = made
        assert is_given_up(made)
        assert is_given_up(followed)
        set_aside = ValueError()
        set_aside.__context__ = mysql_error(1213)
        set_aside.__suppress_context__ = True
        assert not is_given_up(set_aside)
        assert not is_given_up(KeyError())

    def test_what_is_told(self) -> None:
        """Without the code, which is no text for people."""
        assert reason_of(mysql_error(1213)) == "a message"
        assert reason_of(busy()) == "database is locked"

    def test_an_error_of_another_kind(self) -> None:
        assert trouble_of(IntegrityError("INSERT", {}, Exception("x"))) is None

    def test_the_first_of_several(self) -> None:
        first, last = busy(sqlite3.SQLITE_FULL), server_error("42P01")
        last.__context__ = RuntimeError()
        last.__context__.__context__ = first
        assert first_of(last) is first
        assert first_of(first) is first


def test_a_host_that_inserts_too(engine: Engine) -> None:
    """The work of `in_transaction` is the host's own session."""
    in_transaction(
        engine, lambda session: session.execute(insert(Notice).values(connection_id="1", version=1))
    )
    assert count_of(engine, Notice) == 1
