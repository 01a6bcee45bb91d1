"""The store inside the host's session: transactions, races, and many Connections at once."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from databases import postgresql
from embedding import OURS, THEIRS, Base, Order, committed, count, noting, service_in
from sqlalchemy import Engine, create_engine, event, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from support import OUR_KEY, PARTNER, T0

from connect_core import (
    Actor,
    ConnectError,
    Connection,
    ConnectionService,
    DuplicateConnectionError,
    IdempotencyKey,
    IdempotencyRecord,
    StaleConnectionError,
    Status,
)
from connect_core.adapters.sql import (
    History,
    SqlConnectionStore,
    connection_events,
    connections,
    open_engine,
)


class TestTransactions:
    """Transactions belong to the host: its rows and ours are committed together or not at all."""

    @pytest.mark.parametrize("ours_first", [True, False])
    @pytest.mark.parametrize("commits", [True, False])
    def test_together(self, host: Engine, commits: bool, ours_first: bool) -> None:
        with Session(host) as session:
            if not ours_first:
                session.add(Order(connection_id="cxn_1"))
            service_in(session).create(by=OUR_KEY, destination=THEIRS)
            if ours_first:
                session.add(Order(connection_id="cxn_1"))
            if commits:
                session.commit()
        orders: Any = Order.__table__
        assert count(host, orders) == count(host, connections) == int(commits)
        assert count(host, connection_events) == int(commits)

    def test_it_neither_commits_nor_rolls_back_nor_connects(self, host: Engine) -> None:
        """A whole life, refusals included, in a transaction that the host alone ends."""
        seen: list[str] = []
        for name in ("commit", "rollback", "checkout"):
            event.listen(host, name, noting(seen, name))
        with Session(host) as session:
            service = service_in(session)
            assert seen == []
            service.create(by=OUR_KEY, destination=THEIRS, idempotency_key="k")
            service.create(by=OUR_KEY, destination=THEIRS, idempotency_key="k")
            with pytest.raises(DuplicateConnectionError):
                service.create(by=OUR_KEY, destination=THEIRS)
            service.activate("cxn_1", by=PARTNER)
            service.list(by=OUR_KEY)
            service.history("cxn_1", by=OUR_KEY)
            service.forget_idempotency_keys(timedelta(0))
            assert seen == ["checkout"]
            session.rollback()
        assert seen == ["checkout", "rollback"]
        assert count(host, connections) == 0

    def test_refusals_leave_the_session_usable(self, host: Engine) -> None:
        committed(host)
        with Session(host) as session, session.begin():
            service = service_in(session)
            session.add(Order(connection_id="before"))
            for refused in (
                lambda: service.create(by=OUR_KEY, destination=THEIRS),
                lambda: service.create(by=OUR_KEY, destination=THEIRS, idempotency_key="k2"),
                lambda: service.activate("cxn_1", by=OUR_KEY, idempotency_key="k3"),
                lambda: service.activate("cxn_1", by=PARTNER, expected_version=1),
                lambda: service.get("cxn_none", by=OUR_KEY),
            ):
                with pytest.raises(ConnectError):
                    refused()
            session.add(Order(connection_id="after"))
            service.deactivate("cxn_1", by=PARTNER)
        assert count(host, Order.__table__) == 2  # type: ignore[arg-type]  # it is a Table
        with Session(host) as session:
            assert service_in(session).get("cxn_1", by=OUR_KEY).status is Status.INACTIVE

    def test_the_hosts_own_mistake_is_the_hosts(self, host: Engine) -> None:
        """A row of the host's that cannot be written is not taken for a duplicate of ours."""
        with Session(host) as session:
            session.add_all([Order(id=1, connection_id="a"), Order(id=1, connection_id="b")])
            service_in(session).create(by=OUR_KEY, destination=THEIRS)
            with pytest.raises(IntegrityError, match="orders"):
                session.commit()
        assert count(host, connections) == 0

    def test_the_connection_of_a_session_with_several_databases(
        self, host: Engine, tmp_path: Path
    ) -> None:
        other = create_engine(f"sqlite:///{tmp_path / 'other.db'}")
        Base.metadata.create_all(other)
        with Session(binds={Base: other, connections: host}) as session, session.begin():
            service_in(session).create(by=OUR_KEY, destination=THEIRS)
            session.add(Order(connection_id="cxn_1"))
        assert count(host, connections) == count(other, Order.__table__) == 1  # type: ignore[arg-type]
        assert count(host, Order.__table__) == 0  # type: ignore[arg-type]
        other.dispose()


class TestRaces:
    """Two transactions at once, in two sessions of one process."""

    @pytest.fixture
    def engine(self) -> Iterator[Engine]:
        with postgresql() as url:
            engine = open_engine(url)
            yield engine
            engine.dispose()

    def test_a_lost_step(self, engine: Engine) -> None:
        """Read before the other transaction's commit, written after it."""
        committed(engine)
        with Session(engine) as ours, ours.begin():
            store = SqlConnectionStore(ours)
            service = service_in(ours)
            seen = service.get("cxn_1", by=OUR_KEY)
            with Session(engine) as theirs, theirs.begin():
                service_in(theirs).deactivate("cxn_1", by=PARTNER)
            assert store.save(seen.deactivate(by=OUR_KEY)) is False
            with pytest.raises(StaleConnectionError):
                service.deactivate("cxn_1", by=OUR_KEY, expected_version=seen.version)
            reactivated, _ = service.reactivate("cxn_1", by=OUR_KEY)
        assert reactivated.version == 4

    def test_a_lost_create(self, engine: Engine) -> None:
        """The other's row is not there to be found, and there when ours is written."""
        with Session(engine) as ours, ours.begin():
            store = SqlConnectionStore(ours)
            assert store.find(OURS, THEIRS) is None
            with Session(engine) as theirs, theirs.begin():
                service_in(theirs).create(by=OUR_KEY, destination=THEIRS)
            change = Connection.create(by=OUR_KEY, destination=THEIRS)
            assert store.add(change) is False
            with pytest.raises(DuplicateConnectionError) as duplicate:
                service_in(ours).create(by=OUR_KEY, destination=THEIRS)
            assert duplicate.value.existing_id == "cxn_1"

    def test_a_key_that_another_is_using(self, engine: Engine) -> None:
        """The other waits for our outcome, and gets it; or, if we give up, makes its own."""
        key = IdempotencyKey("k")

        def use(outcome: str) -> IdempotencyRecord:
            record = IdempotencyRecord("2" * 64, outcome, T0)
            with Session(engine) as theirs, theirs.begin():
                return SqlConnectionStore(theirs).once(OURS, key, lambda: record)

        ours_record = IdempotencyRecord("1" * 64, "ours", T0)
        for gives_up in (True, False):
            with Session(engine) as ours, ThreadPoolExecutor(1) as pool:
                assert SqlConnectionStore(ours).once(OURS, key, lambda: ours_record) == ours_record
                waiting = pool.submit(use, "theirs")
                with pytest.raises(TimeoutError):
                    waiting.result(0.2)
                if gives_up:
                    ours.rollback()
                    assert waiting.result(20).outcome == "theirs"
                    with Session(engine) as session, session.begin():
                        SqlConnectionStore(session).forget(T0 + timedelta(seconds=1))
                else:
                    ours.commit()
                    assert waiting.result(20) == ours_record

    def test_another_request_that_was_quicker(self, engine: Engine) -> None:
        """That is told, and no record is kept of it."""
        key = IdempotencyKey("k")
        lost = StaleConnectionError(1, 2)

        def attempt() -> IdempotencyRecord:
            store.add(Connection.create(by=OUR_KEY, destination=THEIRS, id="cxn_1"))
            raise lost

        with Session(engine) as ours, ours.begin():
            store = SqlConnectionStore(ours)
            with pytest.raises(StaleConnectionError) as caught:
                store.once(OURS, key, attempt)
            assert caught.value is lost
            assert store.find(OURS, THEIRS) is None
            again = IdempotencyRecord("2" * 64, "again", T0)
            assert store.once(OURS, key, lambda: again) == again


class TestManyAtOnce:
    """The methods on which import and export are built."""

    def histories(self, number: int) -> list[History]:
        found: list[History] = []
        for n in range(number):
            connection, first = Connection.create(
                by=OUR_KEY, destination=f"org_{n}", id=f"cxn_{n}", at=T0
            )
            if n % 2:
                found.append(History(connection, (first,)))
            else:
                inactive, second = connection.deactivate(by=OUR_KEY, at=T0)
                found.append(History(inactive, (first, second)))
        return found

    def test_in_and_out(self, engine: Engine) -> None:
        """More than the batches in which they are read."""
        histories = self.histories(2100)
        with Session(engine) as session, session.begin():
            assert SqlConnectionStore(session).add_all(histories) == []
        with Session(engine) as session:
            found = list(SqlConnectionStore(session).everything())
        assert found == sorted(histories, key=lambda history: history.connection.id)

    def test_nothing_at_all(self, engine: Engine) -> None:
        with Session(engine) as session:
            store = SqlConnectionStore(session)
            assert store.add_all([]) == []
            assert list(store.everything()) == []

    def test_what_is_taken_is_left_out(self, engine: Engine) -> None:
        """Taken by a stored Connection, or by an earlier one in the same call."""
        histories = self.histories(6)
        same_pair = Connection.create(by=OUR_KEY, destination="org_3", id="cxn_x", at=T0)
        same_id = Connection.create(by=OUR_KEY, destination="org_x", id="cxn_4", at=T0)
        with Session(engine) as session, session.begin():
            store = SqlConnectionStore(session)
            assert store.add_all(histories[:2]) == []
            batch = [
                *histories,
                History(same_pair.connection, (same_pair.event,)),
                History(same_id.connection, (same_id.event,)),
            ]
            assert store.add_all(batch) == [0, 1, 6, 7]
            assert store.add_all(batch) == list(range(8))
            assert [history.connection.id for history in store.everything()] == [
                f"cxn_{n}" for n in range(6)
            ]

    @pytest.mark.parametrize(("destination", "id"), [("org_0", "cxn_x"), ("org_x", "cxn_0")])
    def test_one_that_is_taken(self, engine: Engine, destination: str, id: str) -> None:
        """Taken by its ordered pair alone, or by its id alone."""
        connection, event = Connection.create(by=OUR_KEY, destination=destination, id=id, at=T0)
        with Session(engine) as session, session.begin():
            store = SqlConnectionStore(session)
            (first,) = self.histories(1)
            assert store.add_all([first]) == []
            assert store.add_all([History(connection, (event,))]) == [0]
            assert list(store.everything()) == [first]

    def test_only_what_was_read_is_told(self, engine: Engine) -> None:
        """Events that came after the Connection was read do not belong to it."""
        committed(engine)
        with Session(engine) as session:
            (history,) = SqlConnectionStore(session).everything()
        assert [each.version for each in history.events] == [1, 2]


def test_statements_are_compiled_once(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    """SQLAlchemy caches the SQL, for a host's statements too: compiling costs more than running."""

    def run(number: int) -> None:
        with Session(engine) as session, session.begin():
            service = ConnectionService(SqlConnectionStore(session), new_id=lambda: f"cxn_{number}")
            service.create(by=OUR_KEY, destination=f"org_{number}", idempotency_key=f"{number}")
            service.activate(f"cxn_{number}", by=Actor(id="usr_1", organization_id=f"org_{number}"))
            service.history(f"cxn_{number}", by=OUR_KEY)
            service.list(by=OUR_KEY, status="active", after=f"cxn_{number}")
            session.execute(select(connections).where(connections.c.scopes == ["inquiry.read"]))

    for number in (1, 2):  # with the second, a page has one before it
        run(number)
    with caplog.at_level("INFO", "sqlalchemy.engine"):
        run(3)
    compiled = {
        statement.split()[0]
        for statement, how in pairwise(caplog.messages)
        if how.startswith("[") and not how.startswith("[cached since")
    }
    # SQLAlchemy before 2.1 does not cache an INSERT with ON CONFLICT.
    uncached = {"INSERT"} if sqlalchemy.__version__.startswith("2.0.") else set[str]()
    assert compiled <= {"BEGIN", *uncached}  # text of its own, with nothing to compile
    assert "[cached since" in caplog.text
