"""Transactions that are given up at every statement, and at COMMIT: the outcome is as without it.

On PostgreSQL at SERIALIZABLE and on MariaDB the server raises the error; on SQLite another
connection is in the way when the transaction begins, and when it is committed.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import pytest
from databases import database
from injection import FAILING, Injection
from sqlalchemy import URL, Table, create_engine, delete, event, insert, select
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import Session
from support import OUR_KEY, PARTNER, STRANGER, T0

from connect_core import (
    Actor,
    ConnectError,
    Connection,
    ConnectionService,
    InvalidDocumentError,
    StoreUnavailableError,
)
from connect_core.adapters.sql import (
    AsyncTransactions,
    History,
    SqlConnectionStore,
    Transactions,
    configure_engine,
    connection_events,
    connections,
    idempotency_keys,
    in_transaction,
    metadata,
    transactions,
)
from connect_core.jsonapi import parse_create

TABLES = (connections, connection_events, idempotency_keys)
KINDS = ("postgresql", "mariadb")
ISOLATION = {
    "postgresql": "SERIALIZABLE",
    "mariadb": "READ COMMITTED",
    "sqlite": "SERIALIZABLE",
}
ASYNC_DRIVERS = {"postgresql": "postgresql+psycopg", "mariadb": "mariadb+aiomysql"}
#: There are fewer statements than this in every transaction.
MANY = 40

Work = Callable[[ConnectionService], Any]


# --- What is done --------------------------------------------------------------------------------


def create(destination: str, **named: Any) -> Work:
    return lambda service: service.create(by=OUR_KEY, destination=destination, **named)


def step(action: str, connection_id: str, by: Actor, **named: Any) -> Work:
    return lambda service: service.take(action, connection_id, by=by, **named)


def refuse(service: ConnectionService) -> Any:
    try:
        parse_create({})
    except InvalidDocumentError as error:
        return service.refuse(error, by=OUR_KEY, request={"a": 1}, idempotency_key="refused")


def several(service: ConnectionService) -> Any:
    """More than one command in a transaction."""
    made = service.create(by=OUR_KEY, destination="org_New", idempotency_key="new")
    service.activate("cxn_pending", by=PARTNER, idempotency_key="new")
    return made, service.deactivate("cxn_active", by=OUR_KEY, idempotency_key="other")


def store_of(service: ConnectionService) -> Any:
    return service._store  # pyright: ignore[reportPrivateUsage]  # nobody else has it


def session_of(service: ConnectionService) -> Session:
    session: Session = store_of(service)._session
    return session


def of_store(name: str, *values: Any) -> Work:
    """What only a store can do; a service has one."""

    def work(service: ConnectionService) -> Any:
        found = getattr(store_of(service), name)(*values)
        return found if isinstance(found, int) else list(found)

    return work


def history(id_: str, destination: str) -> History:
    change = Connection.create(by=STRANGER, destination=destination, id=id_, at=T0)
    second = change.connection.deactivate(by=STRANGER, at=T0)
    return History(second.connection, [change.event, second.event])


#: Each operation, by a name. Beforehand our organization has created `cxn_pending`, `cxn_active`
#: and `cxn_inactive`, and the key `kept` is that of a refused step.
OPERATIONS: dict[str, Work] = {
    "create": create("org_New"),
    "create with a key": create("org_New", idempotency_key="new"),
    "create a taken pair": create("org_Active"),
    "create a taken pair with a key": create("org_Active", idempotency_key="new"),
    "activate": step("activate", "cxn_pending", PARTNER),
    "activate with a key": step("activate", "cxn_pending", PARTNER, idempotency_key="new"),
    "deactivate": step("deactivate", "cxn_active", OUR_KEY, expected_version=2),
    "deactivate with a key": step("deactivate", "cxn_active", OUR_KEY, idempotency_key="new"),
    "reactivate": step("reactivate", "cxn_inactive", OUR_KEY),
    "reactivate with a key": step("reactivate", "cxn_inactive", OUR_KEY, idempotency_key="new"),
    "a stale version": step("deactivate", "cxn_active", OUR_KEY, expected_version=1),
    "a forbidden step with a key": step("activate", "cxn_pending", OUR_KEY, idempotency_key="new"),
    "a step of a stranger": step("activate", "cxn_pending", STRANGER, idempotency_key="new"),
    "replay": step("activate", "cxn_pending", OUR_KEY, idempotency_key="kept"),
    "a key for something else": create("org_New", idempotency_key="kept"),
    "refuse": refuse,
    "several": several,
    "get": lambda service: service.get("cxn_active", by=OUR_KEY),
    "get as a stranger": lambda service: service.get("cxn_active", by=STRANGER),
    "find": lambda service: service.find(by=OUR_KEY, destination="org_Active"),
    "list": lambda service: list(service.list(by=OUR_KEY, limit=2)),
    "list further": lambda service: list(service.list(by=OUR_KEY, after="cxn_active")),
    "list by name": lambda service: list(service.list(by=OUR_KEY, name="a")),
    "count": lambda service: service.count(by=OUR_KEY),
    "history": lambda service: service.history("cxn_active", by=OUR_KEY),
    "access": lambda service: service.authorize_access(
        "cxn_active", "inquiry.read", by=Actor(id="usr_A", organization_id="org_Active")
    ),
    "forget": lambda service: service.forget_idempotency_keys(timedelta(0)),
    "import": of_store("add_all", [history("cxn_1", "org_1"), history("cxn_active", "org_2")]),
    "export": of_store("everything"),
}


# --- How it is done ------------------------------------------------------------------------------


class Outcome(NamedTuple):
    """What came of an operation."""

    answer: str
    tables: Sequence[Any]
    refused: bool
    attempts: int


class Place:
    """A database, and the rows that it has at first."""

    def __init__(self, url: URL) -> None:
        kind = url.get_backend_name()
        self.url = url
        self.engine = configure_engine(create_engine(url, isolation_level=ISOLATION[kind]))
        metadata.create_all(self.engine)
        clock: dict[str, Any] = {"clock": lambda: T0}
        for status in ("pending", "active", "inactive"):
            made = Transactions(self.engine, new_id=partial(str, f"cxn_{status}"), **clock)
            to = PARTNER.organization_id if status == "pending" else f"org_{status.title()}"
            made.change(create(to, name=f"A {status} one"))
        taken = Transactions(self.engine, **clock)
        theirs = Actor(id="usr_A", organization_id="org_Active")
        taken.change(step("activate", "cxn_active", theirs))
        taken.change(step("deactivate", "cxn_inactive", OUR_KEY))
        with pytest.raises(ConnectError):
            taken.change(step("activate", "cxn_pending", OUR_KEY, idempotency_key="kept"))
        self._first = self.rows()

    def rows(self) -> list[list[dict[str, Any]]]:
        """The rows of all tables."""
        with self.engine.connect() as connection:
            return [self._of(connection, table) for table in TABLES]

    def _of(self, connection: Any, table: Table) -> list[dict[str, Any]]:
        found = connection.execute(select(table).order_by(*table.primary_key)).mappings()
        return [dict(row) for row in found]

    def restore(self) -> None:
        """Let the tables have what they had at first."""
        with self.engine.begin() as connection:
            for table in reversed(TABLES):
                connection.execute(delete(table))
            for table, rows in zip(TABLES, self._first, strict=True):
                connection.execute(insert(table), rows)


class Run(Protocol):
    """Runs work in a transaction, and again if it is given up."""

    def __call__(self, place: Place, work: Work) -> Any: ...


def with_transactions(place: Place, work: Work) -> Any:
    return Transactions(place.engine, **FIXED).change(work)


def with_questions(place: Place, work: Work) -> Any:
    return Transactions(place.engine, **FIXED).ask(work)


def with_in_transaction(place: Place, work: Work) -> Any:
    def in_session(session: Session) -> Any:
        return work(ConnectionService(SqlConnectionStore(session), **FIXED))

    return in_transaction(place.engine, in_session)


def with_async_transactions(place: Place, work: Work) -> Any:
    async def run() -> Any:
        url = place.url.set(drivername=ASYNC_DRIVERS[place.url.get_backend_name()])
        engine = create_async_engine(url, isolation_level=ISOLATION[url.get_backend_name()])
        configure_engine(engine.sync_engine)
        try:
            return await AsyncTransactions(engine, **FIXED).change(work)
        finally:
            await engine.dispose()

    return asyncio.run(run())


FIXED: dict[str, Any] = {"clock": lambda: T0 + timedelta(hours=1), "new_id": lambda: "cxn_new"}
WAYS: dict[str, Run] = {
    "change": with_transactions,
    "ask": with_questions,
    "in_transaction": with_in_transaction,
    "async": with_async_transactions,
}


def outcome_of(place: Place, run: Run, work: Work, injection: Injection | None = None) -> Outcome:
    """Do it. The first attempt is given up, if there is an injection."""
    attempts = 0

    def attempt(service: ConnectionService) -> Any:
        nonlocal attempts
        attempts += 1
        if injection is not None and attempts == 1:
            injection.watch(session_of(service))
        return work(service)

    refused = False
    try:
        answer = repr(run(place, attempt))
    except ConnectError as error:
        refused, answer = True, f"{type(error).__name__} {error} {error.args} {vars(error)}"
    return Outcome(answer, place.rows(), refused, attempts)


def commits(way: str, outcome: Outcome) -> bool:
    """Whether the transaction is committed."""
    return way in ("change", "async") or (way == "in_transaction" and not outcome.refused)


@pytest.fixture(scope="module", params=KINDS)
def place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    with database(request.param, tmp_path_factory.mktemp("unused")) as url:
        place = Place(url)
        yield place
        place.engine.dispose()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the pauses."""
    monkeypatch.setattr(transactions, "_PAUSE", 0)


#: `change` and `in_transaction` do every operation, and what shares their code some of them.
CASES = [
    *((way, name) for name in OPERATIONS for way in ("change", "in_transaction")),
    *(("async", name) for name in ("create with a key", "several", "a forbidden step with a key")),
    *(("ask", name) for name in ("several", "list further", "history", "get as a stranger")),
]


@pytest.mark.parametrize(("way", "name"), CASES)
def test_given_up_at_every_statement_and_at_commit(place: Place, way: str, name: str) -> None:
    """The answer and all tables are as without it, after two attempts."""
    work, run = OPERATIONS[name], WAYS[way]
    place.restore()
    due = outcome_of(place, run, work)
    assert due.attempts == 1
    places, injection = 0, Injection(0)
    for at in range(1, MANY):
        injection = Injection(at)
        place.restore()
        found = outcome_of(place, run, work, injection)
        assert found[:3] == due[:3], f"statement {at}"
        assert found.attempts == 1 + injection.happened
        if not injection.happened:
            break
        places += 1
    assert places == injection.statements + commits(way, due) >= 1


# --- A host that goes on all the same ------------------------------------------------------------


def meanwhile_activated(place: Place) -> None:
    """Another transaction makes the same change, with the same key, and commits it."""
    work = step("activate", "cxn_pending", PARTNER, idempotency_key="new")
    Transactions(place.engine, **FIXED).change(work)


@pytest.mark.parametrize("place", ["mariadb"], indirect=True)
@pytest.mark.parametrize(
    "named", [{}, {"idempotency_key": "new"}], ids=["without a key", "with a key"]
)
def test_a_host_that_commits_after_its_transaction_was_undone(
    place: Place, named: dict[str, Any]
) -> None:
    """What others have committed since stays: the next statement is in another transaction."""
    place.restore()
    meanwhile_activated(place)
    due, injection = place.rows(), Injection(0)
    for at in range(1, MANY):
        place.restore()
        injection = Injection(at, partial(meanwhile_activated, place))
        session = Session(place.engine)
        injection.watch(session)
        service = ConnectionService(SqlConnectionStore(session), **FIXED)
        with closing(session):
            try:
                service.activate("cxn_pending", by=PARTNER, **named)
            except DBAPIError:
                session.commit()
        if not injection.happened:
            break
        assert place.rows() == due, f"statement {at}"
    assert injection.statements >= 3


def test_sqlite_undoes_all_of_it() -> None:
    """A trigger of the host's ends the transaction: nothing is undone outside of one."""
    with sqlite() as place:
        with place.engine.begin() as connection:
            connection.exec_driver_sql(
                "CREATE TRIGGER refuse BEFORE INSERT ON connection_events"
                " BEGIN SELECT RAISE(ROLLBACK, 'refused'); END"
            )
        sent: list[str] = []
        event.listen(place.engine, "before_cursor_execute", lambda *given: sent.append(given[2]))
        due = place.rows()
        for work in (OPERATIONS["activate with a key"], OPERATIONS["create with a key"]):
            with pytest.raises(DBAPIError, match="refused"):
                Transactions(place.engine, **FIXED).change(work)
            assert sent[-1].startswith("INSERT INTO connection_events")
            assert place.rows() == due


# --- SQLite --------------------------------------------------------------------------------------


@contextmanager
def sqlite(directory: Path | None = None) -> Generator[Place]:
    """SQLite in memory, or in a file with a rollback journal, where a reader hinders a writer."""
    url = URL.create("sqlite", database=None if directory is None else f"{directory}/a.db")
    place = Place(url)
    try:
        yield place
    finally:
        place.engine.dispose()


class Hindrance:
    """Another connection to a file, which is in the way of one BEGIN or COMMIT.

    Attributes:
        failures: how many statements failed through it.
    """

    def __init__(self, place: Place, name: str) -> None:
        self._other = sqlite3.connect(str(place.url.database), isolation_level=None)
        self._name = name
        self._came = False
        self.failures = 0
        event.listen(place.engine, "before_cursor_execute", self._at_statement)
        event.listen(place.engine, "commit", self._at_commit)
        event.listen(place.engine, "handle_error", self._leave)

    def _at_statement(self, connection: Any, _: Any, statement: str, *__: Any) -> None:
        if self._name == "begin" and statement == "BEGIN IMMEDIATE":
            self._come(connection, "BEGIN IMMEDIATE")

    def _at_commit(self, connection: Any) -> None:
        if self._name == "commit":
            self._come(connection, "BEGIN")

    def _come(self, connection: Any, beginning: str) -> None:
        if not self._came:
            self._came = True
            connection.connection.driver_connection.execute("PRAGMA busy_timeout = 0")
            self._other.execute(beginning)
            self._other.execute("SELECT * FROM connections").fetchall()

    def _leave(self, failure: ExceptionContext) -> None:
        error = failure.original_exception
        assert isinstance(error, sqlite3.OperationalError)
        assert error.sqlite_errorcode == sqlite3.SQLITE_BUSY
        self.failures += 1
        self._other.execute("ROLLBACK")

    def close(self) -> None:
        self._other.close()


@pytest.mark.parametrize("way", ["change", "in_transaction"])
@pytest.mark.parametrize("at", ["begin", "commit"])
@pytest.mark.parametrize("name", OPERATIONS)
def test_sqlite_is_busy(tmp_path: Path, name: str, at: str, way: str) -> None:
    """Another connection writes when ours begins, or reads when ours is committed."""
    work, run = OPERATIONS[name], WAYS[way]
    with sqlite(tmp_path) as place:
        with place.engine.connect() as connection:
            driver: Any = connection.connection.driver_connection
            assert driver.execute("PRAGMA journal_mode = DELETE").fetchone() == ("delete",)
        due = outcome_of(place, run, work)
        place.restore()
        with closing(Hindrance(place, at)) as hindrance:
            found = outcome_of(place, run, work)
        assert found[:3] == due[:3]
        assert hindrance.failures == (at == "begin" or commits(way, due))
        assert found.attempts == 1 + hindrance.failures


# --- How often, how long after, and because of what ----------------------------------------------


class AlwaysGivenUp:
    """Work whose every attempt is given up at its first statement."""

    def __init__(self) -> None:
        self.attempts = 0

    def __call__(self, session: Session) -> None:
        self.attempts += 1
        Injection(1).watch(session)
        session.connection().exec_driver_sql("SELECT 1")

    def with_service(self, service: ConnectionService) -> None:
        self(session_of(service))


@pytest.mark.parametrize("attempts", [1, 2, 7])
def test_the_last_error_as_it_was(place: Place, attempts: int) -> None:
    work = AlwaysGivenUp()
    with pytest.raises(OperationalError, match="given up for the test") as caught:
        in_transaction(place.engine, work, attempts=attempts)
    assert caught.value.statement == FAILING[place.engine.dialect.name]
    assert work.attempts == attempts


def test_the_last_error_of_transactions(place: Place) -> None:
    work = AlwaysGivenUp()
    with pytest.raises(StoreUnavailableError) as caught:
        Transactions(place.engine).change(work.with_service)
    assert (caught.value.uncertain, work.attempts) == (False, 5)
    assert "given up for the test" in caught.value.reason
    assert isinstance(caught.value.__cause__, OperationalError)


def test_the_pauses_are_random(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """They lie between nothing and a bound that grows."""
    pauses: list[float] = []
    monkeypatch.setattr(transactions, "_PAUSE", 1.0)
    monkeypatch.setattr(transactions, "sleep", pauses.append)
    for _ in range(2):
        with pytest.raises(OperationalError):
            in_transaction(place.engine, AlwaysGivenUp(), attempts=5)
    assert all(0 <= pause < 1 + number % 4 for number, pause in enumerate(pauses))
    assert len(set(pauses)) == 8


class HostError(Exception):
    """What a host makes of a database's error."""


class HostRefusalError(ConnectError):
    """A refusal that a host makes of a database's error."""


def from_it(kind: type[Exception], error: Exception) -> None:
    raise kind from error


def after_it(kind: type[Exception], error: Exception) -> None:
    try:
        raise error
    except Exception:
        raise kind  # noqa: B904  # the context is what matters


def after_another(kind: type[Exception], error: Exception) -> None:
    try:
        after_it(KeyError, error)
    except KeyError as another:
        raise kind from another


def from_itself(kind: type[Exception], error: Exception) -> None:
    host_error = kind()
    host_error.__context__ = error
    raise host_error from host_error


def hidden(kind: type[Exception], _: Exception) -> None:
    raise kind from None


@pytest.mark.parametrize("way", ["change", "in_transaction", "async"])
@pytest.mark.parametrize("kind", [HostError, HostRefusalError])
@pytest.mark.parametrize(
    ("how", "again"),
    [(from_it, True), (after_it, True), (after_another, True), (hidden, False)],
)
def test_what_a_host_makes_of_the_error(
    place: Place, how: Callable[..., None], again: bool, kind: type[Exception], way: str
) -> None:
    """Its cause counts, and its context, unless the host has hidden it."""
    place.restore()
    attempts = 0

    def work(service: ConnectionService) -> str:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            Injection(4).watch(session_of(service))
        try:
            service.activate("cxn_pending", by=PARTNER, idempotency_key="new")
            service.deactivate("cxn_active", by=OUR_KEY)
        except DBAPIError as error:
            how(kind, error)
        return "done"

    if again:
        assert WAYS[way](place, work) == "done"
    else:
        with pytest.raises(kind):
            WAYS[way](place, work)
    assert attempts == 1 + again


def test_an_error_that_is_its_own_cause(place: Place) -> None:
    def work(_: Session) -> None:
        from_itself(HostError, LookupError())

    with pytest.raises(HostError):
        in_transaction(place.engine, work)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", [HostError, HostRefusalError])
def test_an_error_that_was_there_before(place: Place, kind: type[Exception], way: str) -> None:
    """What the host was handling when it began is no cause."""
    attempts = 0

    def work(_: ConnectionService) -> None:
        nonlocal attempts
        attempts += 1
        raise kind

    try:
        in_transaction(place.engine, AlwaysGivenUp())
    except OperationalError:
        with pytest.raises(kind):
            WAYS[way](place, work)
    assert attempts == 1


def test_a_reason_that_was_there_before(place: Place) -> None:
    """The reason is that of the last failure, not of one that the host was handling."""

    def work(_: ConnectionService) -> None:
        raise OperationalError("SELECT", None, Exception("connection refused"))

    try:
        in_transaction(place.engine, AlwaysGivenUp())
    except OperationalError:
        with pytest.raises(StoreUnavailableError) as caught:
            Transactions(place.engine).change(work)
        assert caught.value.reason == "connection refused"
