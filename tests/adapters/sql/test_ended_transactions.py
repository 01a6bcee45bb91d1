"""Transactions that the database has ended: the store undoes nothing after that.

After a deadlock, or a conflict with another node of a cluster, MariaDB has undone the transaction,
and the next statement begins another one. There the store would find the winner's change, which is
of the same version and under the same key as the loser's, and would undo that.
"""

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest
from databases import mariadb
from sqlalchemy import Engine, event, select, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import Session

from connect_core import Action, Actor, Change, ConnectionId, ConnectionService, replay
from connect_core.adapters.sql import SqlConnectionStore, idempotency_keys, open_engine

OURS = Actor(id="usr_ours", organization_id="org_ABC123")
THEIRS = Actor(id="usr_theirs", organization_id="org_DEF456")
KEY = "the same request"


def created(engine: Engine) -> ConnectionId:
    """A new Connection."""
    with Session(engine) as session, session.begin():
        service = ConnectionService(SqlConnectionStore(session))
        return service.create(by=OURS, destination="org_DEF456").connection.id


def activate(store: SqlConnectionStore, connection_id: ConnectionId) -> None:
    """Take the step that both take."""
    ConnectionService(store).activate(connection_id, by=THEIRS, idempotency_key=KEY)


class StoreWithHostRow(SqlConnectionStore):
    """A store that also writes a row of the host's, which the other transaction has locked."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._hosts = session

    def save(self, change: Change) -> bool:
        saved = super().save(change)
        self._hosts.execute(text("UPDATE host_rows SET value = 1 WHERE id = 1"))
        return saved


def test_the_victim_of_a_deadlock_leaves_the_winners_change_alone() -> None:
    """Even if its host catches the error and commits, which it should not."""
    with mariadb() as url:
        engine = open_engine(url)
        connection_id = created(engine)
        with engine.begin() as database:
            database.execute(text("CREATE TABLE host_rows (id INT PRIMARY KEY, value INT)"))
            database.execute(text("INSERT INTO host_rows SELECT seq, 0 FROM seq_1_to_500"))
        errors: list[object] = []
        with Session(engine) as winner, Session(engine) as loser:
            winner.execute(text("UPDATE host_rows SET value = 2"))  # much to lose: never the victim

            def lose() -> None:
                with pytest.raises(DBAPIError) as caught:
                    activate(StoreWithHostRow(loser), connection_id)
                errors.append(caught.value.orig and caught.value.orig.args[0])

            thread = Thread(target=lose)
            thread.start()
            wait_until_one_waits(engine)
            activate(SqlConnectionStore(winner), connection_id)
            winner.commit()
            thread.join(30)
            loser.commit()
        assert errors == [1213]
        with Session(engine) as session:
            store = SqlConnectionStore(session)
            steps = store.history(connection_id)
            assert [step.action for step in steps] == [Action.CREATE, Action.ACTIVATE]
            assert store.get(connection_id) == replay(steps)
            assert session.scalars(select(idempotency_keys.c.key)).all() == [KEY]
        engine.dispose()


def wait_until_one_waits(engine: Engine) -> None:
    """Wait until a transaction waits for a lock."""
    waiting = text(
        "SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_state LIKE 'LOCK%'"
    )
    for _ in range(100):
        time.sleep(0.2)  # the server renews this table only if nobody has read it for 0.1 seconds
        with engine.connect() as database:
            if database.scalar(waiting):
                return
    raise AssertionError("nobody waits")


# --- Errors at chosen statements ------------------------------------------------------------------


@contextmanager
def failing(engine: Engine, start: str, code: int) -> Generator[list[str]]:
    """Let the first statement with this start fail with an error of MariaDB's; list the next."""
    after: list[str] = []
    failed = False

    def fail(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        nonlocal failed
        if failed:
            after.append(" ".join(statement.split()[:3]))
        elif statement.startswith(start):
            failed = True
            raise OperationalError(statement, {}, Exception(code, "an error"))

    event.listen(engine, "before_cursor_execute", fail)
    try:
        yield after
    finally:
        event.remove(engine, "before_cursor_execute", fail)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    found = open_engine(f"sqlite:///{tmp_path / 'connections.db'}")
    yield found
    found.dispose()


def code_of(engine: Engine, work: Callable[[SqlConnectionStore], object]) -> object:
    """The code of the error that the work raises."""
    with Session(engine) as session, pytest.raises(OperationalError) as caught:
        work(SqlConnectionStore(session))
    return caught.value.orig and caught.value.orig.args[0]


EVENT = "INSERT INTO connection_events"


@pytest.mark.parametrize("code", [1020, 1213])
def test_after_an_error_that_ends_the_transaction_nothing_is_undone(
    engine: Engine, code: int
) -> None:
    connection_id = created(engine)
    with failing(engine, EVENT, code) as after:
        assert code_of(engine, lambda store: activate(store, connection_id)) == code
    assert after == []


def test_after_another_error_the_step_and_the_key_are_undone(engine: Engine) -> None:
    connection_id = created(engine)
    with failing(engine, EVENT, 1205) as after:
        assert code_of(engine, lambda store: activate(store, connection_id)) == 1205
    assert after == [
        "DELETE FROM connection_events",
        "UPDATE connections SET",
        "DELETE FROM connection_idempotency_keys",
    ]
