"""Rows that the database refuses: a duplicate only if one of our own keys is violated.

Triggers, constraints and indexes of the host's on our tables are the host's: what they refuse is
raised as it is, and is the outcome of no idempotency key.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Final, NamedTuple

import pytest
from databases import postgresql
from embedding import OURS, THEIRS, Base, Order, committed, count, savepoint, service_in
from sqlalchemy import (
    CheckConstraint,
    Column,
    Engine,
    ForeignKey,
    ForeignKeyConstraint,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    event,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.orm import Session
from support import OUR_KEY, PARTNER, T0

from connect_core import (
    Connection,
    ConnectionId,
    DuplicateConnectionError,
    IdempotencyKey,
    IdempotencyRecord,
    InvalidTransitionError,
    Status,
)
from connect_core.adapters.sql import (
    History,
    SqlConnectionStore,
    configure_engine,
    connection_events,
    connections,
    idempotency_keys,
    in_transaction,
    metadata,
    open_engine,
)
from connect_core.adapters.sql.types import EXACT

#: The error that a trigger raises on MariaDB, by what it calls the error on PostgreSQL.
MARIADB_ERRORS: Final = {
    "": "SQLSTATE '45000' SET",
    "integrity_constraint_violation": "SQLSTATE '23000' SET MYSQL_ERRNO = 1452,",
    "unique_violation": "SQLSTATE '23000' SET MYSQL_ERRNO = 1062,",
    "23000": "SQLSTATE '23000' SET MYSQL_ERRNO = 1452,",
}

KEY: Final = IdempotencyKey("key")
RECORD: Final = IdempotencyRecord("f" * 64, "{}", T0)


def run(engine: Engine, *statements: str) -> None:
    """Run statements of the host's."""
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


# --- What refuses --------------------------------------------------------------------------------


class Cause(NamedTuple):
    """Something of the host's that refuses the Connection from `OURS` to `THEIRS`.

    Attributes:
        make: brings it into being, in a database with our tables.
        mend: takes it away, or makes the row acceptable to it.
    """

    make: Callable[[Engine], None]
    mend: Callable[[Engine], None]


def raising(engine: Engine, message: str, error: str = "") -> str:
    """What makes a trigger raise an error, on a server; PostgreSQL's names and codes tell which."""
    if engine.dialect.name == "mariadb":
        return f"SIGNAL {MARIADB_ERRORS[error]} MESSAGE_TEXT = '{message}'"
    return f"RAISE EXCEPTION '{message}'" + (f" USING ERRCODE = '{error}'" if error else "")


def trigger(table: str, message: str, error: str = "") -> Cause:
    """A trigger that raises on every INSERT."""

    def make(engine: Engine) -> None:
        when = f"CREATE TRIGGER refusal BEFORE INSERT ON {table}"
        if engine.dialect.name == "sqlite":
            run(engine, f"{when} BEGIN SELECT RAISE(ABORT, 'pk_connections'); END")
            return
        if engine.dialect.name == "mariadb":
            run(engine, f"{when} FOR EACH ROW {raising(engine, message, error)}")
            return
        run(
            engine,
            "CREATE FUNCTION refusal() RETURNS trigger LANGUAGE plpgsql"
            f" AS $$ BEGIN {raising(engine, message, error)}; END $$",
            f"{when} FOR EACH ROW EXECUTE FUNCTION refusal()",
        )

    def mend(engine: Engine) -> None:
        on = f" ON {table}" if engine.dialect.name == "postgresql" else ""
        run(engine, f"DROP TRIGGER refusal{on}")

    return Cause(make, mend)


def organizations(own: MetaData) -> None:
    """A table of the host's, in its metadata, that our ids may refer to."""
    Table("organizations", own, Column("id", String(255), primary_key=True), **EXACT)


def rebuilt(change: Callable[[Table], None], mend: Callable[[Engine], None]) -> Cause:
    """A table of Connections with something of the host's in it."""

    def make(engine: Engine) -> None:
        metadata.drop_all(engine)
        own = MetaData()
        organizations(own)
        for table in metadata.sorted_tables:
            copied = table.to_metadata(own)
            if table is connections:
                change(copied)
        own.create_all(engine)

    return Cause(make, mend)


def with_a_check(table: Table) -> None:
    table.append_constraint(CheckConstraint("name <> 'Partner'", name="ck_of_the_host"))


def without_the_check(engine: Engine) -> None:
    if engine.dialect.name == "sqlite":
        run(engine, "PRAGMA ignore_check_constraints = ON")
    else:
        run(engine, "ALTER TABLE connections DROP CONSTRAINT ck_of_the_host")


def with_a_foreign_key(table: Table) -> None:
    own = ForeignKeyConstraint(["source_organization_id"], ["organizations.id"], name="fk_host")
    table.append_constraint(own)


def with_the_organization(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO organizations VALUES (:id)"), {"id": str(OURS)})


def with_a_column(table: Table) -> None:
    table.append_column(Column("tenant", Text, nullable=False))


def without_the_column(engine: Engine) -> None:
    run(engine, "ALTER TABLE connections DROP COLUMN tenant")


def with_an_index(engine: Engine) -> None:
    """One whose name begins like that of our own key."""
    with Session(engine) as session, session.begin():
        by, store = OUR_KEY, SqlConnectionStore(session)
        taken = Connection.create(by=by, destination="org_x", id="cxn_x", name="Partner", at=T0)
        assert store.add(taken)
    run(engine, "CREATE UNIQUE INDEX uq_connections_ordered_pair_name ON connections (name)")


def without_the_index(engine: Engine) -> None:
    on = " ON connections" if engine.dialect.name == "mariadb" else ""
    run(engine, f"DROP INDEX uq_connections_ordered_pair_name{on}")


CAUSES: Final = {
    "trigger": trigger("connections", "pk_connections"),
    "trigger that calls it a violation": trigger(
        "connections", "pk_connections", "integrity_constraint_violation"
    ),
    "trigger that calls it a duplicate": trigger(
        "connections", "pk_connections", "unique_violation"
    ),
    "trigger on the events": trigger("connection_events", "no", "23000"),
    "check": rebuilt(with_a_check, without_the_check),
    "foreign key": rebuilt(with_a_foreign_key, with_the_organization),
    "column": rebuilt(with_a_column, without_the_column),
    "unique index": Cause(with_an_index, without_the_index),
}


@pytest.fixture(params=CAUSES)
def cause(request: pytest.FixtureRequest, engine: Engine) -> Cause:
    """Each cause, in the database of the same test."""
    found: Cause = CAUSES[request.param]
    found.make(engine)
    return found


# --- What becomes of it --------------------------------------------------------------------------


def going_on(session: Session) -> AbstractContextManager[object]:
    """What a host needs to go on after a database error: on PostgreSQL, a savepoint of its own."""
    is_postgresql = session.get_bind().dialect.name == "postgresql"
    return savepoint(session) if is_postgresql else nullcontext()


def create(session: Session, key: str | None = "key") -> Connection:
    """Create the Connection that is refused."""
    return (
        service_in(session)
        .create(by=OUR_KEY, destination=THEIRS, name="Partner", idempotency_key=key)
        .connection
    )


class TestCausesOfTheHosts:
    """A refusal that is not ours is not told as ours."""

    @pytest.mark.usefixtures("cause")
    @pytest.mark.parametrize("key", [None, "key"])
    def test_it_is_raised_as_it_is(self, engine: Engine, key: str | None) -> None:
        with Session(engine) as session, pytest.raises(DBAPIError):
            create(session, key)

    @pytest.mark.usefixtures("cause")
    def test_the_session_remains_usable(self, engine: Engine) -> None:
        """The host's own rows before and after it are committed; nothing of ours is."""
        Base.metadata.create_all(engine)
        before = count(engine, connections)
        with Session(engine) as session, session.begin():
            session.add(Order(connection_id="before"))
            with pytest.raises(DBAPIError), going_on(session):
                create(session)
            session.add(Order(connection_id="after"))
            session.flush()
        assert count(engine, Order.__table__) == 2  # type: ignore[arg-type]  # it is a Table
        assert count(engine, connections) == count(engine, connection_events) == before
        assert count(engine, idempotency_keys) == 0

    def test_the_key_works_after_it_is_mended(self, engine: Engine, cause: Cause) -> None:
        with Session(engine) as session, session.begin(), pytest.raises(DBAPIError):
            create(session)
        cause.mend(engine)
        with Session(engine) as session, session.begin():
            assert create(session).destination_organization_id == THEIRS
        with Session(engine) as session, session.begin():
            assert create(session).version == 1  # the outcome that the key has

    @pytest.mark.parametrize("engine", ["sqlite-memory", "sqlite-file", "mariadb"], indirect=True)
    def test_a_duplicate_is_one_all_the_same(self, engine: Engine) -> None:
        """Both at once: a Connection is in the way, and so is a trigger.

        On PostgreSQL the trigger's refusal ends the transaction, and is raised.
        """
        committed(engine)
        trigger("connections", "no", "23000").make(engine)
        with Session(engine) as session:
            same_pair = Connection.create(by=OUR_KEY, destination=THEIRS, id="cxn_2", at=T0)
            same_id = Connection.create(by=OUR_KEY, destination="org_x", id="cxn_1", at=T0)
            other = Connection.create(by=OUR_KEY, destination="org_x", id="cxn_2", at=T0)
            store = SqlConnectionStore(session)
            assert store.add(same_pair) is False
            assert store.add(same_id) is False
            with pytest.raises(DBAPIError):
                store.add(other)

    def test_many_at_once(self, engine: Engine, cause: Cause) -> None:
        change = Connection.create(by=OUR_KEY, destination=THEIRS, name="Partner", at=T0)
        with Session(engine) as session, session.begin():
            store = SqlConnectionStore(session)
            with pytest.raises(DBAPIError), going_on(session):
                store.add_all([History(change.connection, [change.event])])
            if engine.dialect.name != "postgresql":  # there, the transaction has ended
                assert store.get(change.connection.id) is None
                assert store.history(change.connection.id) == []
        cause.mend(engine)
        with Session(engine) as session, session.begin():
            store = SqlConnectionStore(session)
            assert store.add_all([History(change.connection, [change.event])]) == []


class TestRecordsOfKeys:
    """What refuses the record of an idempotency key undoes what the request did."""

    def test_a_trigger(self, engine: Engine) -> None:
        cause = trigger("connection_idempotency_keys", "no", "23000")
        cause.make(engine)
        with Session(engine) as session, session.begin():
            with pytest.raises(IntegrityError, match=r"no|pk_connections"), going_on(session):
                create(session)
            assert SqlConnectionStore(session).find(OURS, THEIRS) is None
        cause.mend(engine)
        with Session(engine) as session, session.begin():
            assert create(session).version == 1

    def test_a_foreign_key(self, engine: Engine) -> None:
        """Of a table whose keys belong to the organizations that the host knows."""
        idempotency_keys.drop(engine)
        own = MetaData()
        organizations(own)
        of_ours = idempotency_keys.to_metadata(own)
        of_ours.c.organization_id.append_foreign_key(ForeignKey("organizations.id"))
        own.create_all(engine)
        with Session(engine) as session, session.begin():
            with pytest.raises(IntegrityError), going_on(session):
                create(session)
            assert SqlConnectionStore(session).find(OURS, THEIRS) is None
        with_the_organization(engine)
        with Session(engine) as session, session.begin():
            assert create(session).version == 1


class TestSteps:
    """A step that is refused has done nothing, also if the host goes on in the transaction."""

    def test_an_event_that_is_refused(self, engine: Engine) -> None:
        """SQLite undoes the one statement alone: the status would have changed without an event."""
        committed(engine)
        cause = trigger("connection_events", "no", "23000")
        cause.make(engine)
        with Session(engine) as session, session.begin():
            with pytest.raises(IntegrityError), savepoint(session):
                service_in(session).deactivate("cxn_1", by=PARTNER)
            session.execute(select(connections))  # and the host goes on
        with Session(engine) as session:
            assert service_in(session).get("cxn_1", by=OUR_KEY).status is Status.ACTIVE
            assert len(service_in(session).history("cxn_1", by=OUR_KEY)) == 2
        cause.mend(engine)
        with Session(engine) as session, session.begin():
            deactivated, _ = service_in(session).deactivate("cxn_1", by=PARTNER)
        assert deactivated.version == 3

    @pytest.mark.parametrize("engine", ["sqlite-memory", "sqlite-file", "mariadb"], indirect=True)
    def test_without_a_savepoint_of_the_hosts(self, engine: Engine) -> None:
        committed(engine)
        trigger("connection_events", "no", "23000").make(engine)
        with Session(engine) as session, session.begin():
            with pytest.raises(IntegrityError):
                service_in(session).deactivate("cxn_1", by=PARTNER, idempotency_key="k2")
            with pytest.raises(IntegrityError):
                service_in(session).deactivate("cxn_1", by=PARTNER)
        with Session(engine) as session:
            assert len(service_in(session).history("cxn_1", by=OUR_KEY)) == 2

    def test_an_update_that_is_refused(self, engine: Engine) -> None:
        committed(engine)
        cause = trigger("connections", "no", "23000")
        cause.make(engine)
        run(engine, *on_update(engine))
        with Session(engine) as session, session.begin(), pytest.raises(IntegrityError):
            service_in(session).deactivate("cxn_1", by=PARTNER, idempotency_key="k2")
        on = " ON connections" if engine.dialect.name == "postgresql" else ""
        run(engine, f"DROP TRIGGER refuse_updates{on}")
        with Session(engine) as session, session.begin():
            service = service_in(session)
            service.deactivate("cxn_1", by=PARTNER, idempotency_key="k2")
            with pytest.raises(InvalidTransitionError):
                service.deactivate("cxn_1", by=PARTNER)


def on_update(engine: Engine) -> list[str]:
    """A trigger that refuses every UPDATE of a Connection."""
    when = "CREATE TRIGGER refuse_updates BEFORE UPDATE ON connections"
    if engine.dialect.name == "sqlite":
        return [f"{when} BEGIN SELECT RAISE(ABORT, 'no'); END"]
    if engine.dialect.name == "mariadb":
        return [f"{when} FOR EACH ROW {raising(engine, 'no', '23000')}"]
    return [f"{when} FOR EACH ROW EXECUTE FUNCTION refusal()"]


@pytest.mark.parametrize("engine", ["mariadb"], indirect=True)
class TestDeadlocks:
    """MariaDB undoes the loser's whole transaction, and its next statement begins another."""

    @pytest.mark.parametrize("key", [None, "k2"])
    def test_the_winner_keeps_what_it_wrote(self, engine: Engine, key: str | None) -> None:
        """Also if the loser's host goes on: what it would undo is the winner's by then."""
        committed(engine)

        def lose() -> None:
            with (
                Session(engine) as ours,
                ours.begin(),
                pytest.raises(OperationalError, match="1213"),
            ):
                service_in(ours).deactivate("cxn_1", by=PARTNER, idempotency_key=key)

        with engine.connect() as theirs, ThreadPoolExecutor(1) as pool:
            theirs.exec_driver_sql("SET SESSION foreign_key_checks = 0")  # it locks no Connection
            theirs.execute(insert(connection_events), THEIR_EVENT)
            theirs.execute(insert(idempotency_keys), [their_key(n) for n in range(50)])
            losing = pool.submit(lose)
            wait_until_one_waits(engine)
            theirs.execute(update(connections).values(status="inactive", version=3))
            theirs.commit()
            losing.result(20)
            theirs.exec_driver_sql("SET SESSION foreign_key_checks = 1")
        with Session(engine) as session:
            service = service_in(session)
            found = service.get("cxn_1", by=OUR_KEY)
            assert (found.status, found.version) == (Status.INACTIVE, 3)
            assert len(service.history("cxn_1", by=OUR_KEY)) == 3
        assert count(engine, idempotency_keys) == 51

    def test_while_it_is_undone(self, engine: Engine) -> None:
        """Then nothing else is undone, and that is what is raised."""
        committed(engine)
        trigger("connection_events", "no", "23000").make(engine)

        last: list[str] = []

        def give_up(*arguments: Any) -> None:
            if last or arguments[2].startswith("DELETE"):
                last.append(arguments[2])
                raise OperationalError("DELETE", {}, Exception(1213, "Deadlock found"))

        event.listen(engine, "before_cursor_execute", give_up)
        with Session(engine) as session, pytest.raises(OperationalError, match="1213"):
            service_in(session).deactivate("cxn_1", by=PARTNER, idempotency_key="k2")
        assert len(last) == 1


THEIR_EVENT: Final[dict[str, Any]] = {
    "connection_id": "cxn_1",
    "version": 3,
    "action": "deactivate",
    "previous_status": "active",
    "status": "inactive",
    "actor_id": "usr_1",
    "actor_organization_id": str(THEIRS),
    "roles": ["destination"],
    "occurred_at": T0,
}


def their_key(number: int) -> dict[str, Any]:
    """A row that makes a transaction heavier, so that it wins."""
    place = {"organization_id": "org_x", "key": f"{number}"}
    return place | {"fingerprint": "f", "outcome": "{}", "created_at": T0}


def wait_until_one_waits(engine: Engine) -> None:
    """Wait until a transaction in this database waits for another."""
    query = text(
        "SELECT COUNT(*) FROM information_schema.innodb_trx JOIN information_schema.processlist"
        " ON id = trx_mysql_thread_id WHERE db = DATABASE() AND trx_state = 'LOCK WAIT'"
    )
    deadline = monotonic() + 20
    while True:
        with engine.connect() as watching:
            if watching.scalar(query):
                return
        assert monotonic() < deadline, "nobody waits"
        sleep(0.2)  # an answer is kept until nobody has asked for a tenth of a second


class TestHiddenDuplicates:
    """A stricter isolation hides the other's row: PostgreSQL gives the transaction up."""

    @pytest.mark.parametrize("isolation", ["REPEATABLE READ", "SERIALIZABLE"])
    @pytest.mark.parametrize(
        ("destination", "id"), [(THEIRS, "cxn_2"), ("org_x", "cxn_1")], ids=["pair", "id"]
    )
    def test_on_postgresql(self, isolation: str, destination: str, id: str) -> None:
        change = Connection.create(by=OUR_KEY, destination=destination, id=id, at=T0)
        with postgresql() as url:
            engine = open_engine(url)
            strict = engine.execution_options(isolation_level=isolation)
            with Session(strict) as ours, ours.begin():
                store = SqlConnectionStore(ours)
                assert store.find(OURS, THEIRS) is None
                committed(engine)
                with pytest.raises(DBAPIError) as given_up, savepoint(ours):
                    store.add(change)
                assert getattr(given_up.value.orig, "sqlstate", None) == "40001"
            assert (
                in_transaction(strict, lambda ours: SqlConnectionStore(ours).add(change)) is False
            )
            engine.dispose()

    def test_in_words(self) -> None:
        """`in_transaction` runs it again, and then the other's Connection is there."""
        attempts = 0

        def work(ours: Session) -> None:
            nonlocal attempts
            attempts += 1
            assert (SqlConnectionStore(ours).find(OURS, THEIRS) is None) is (attempts == 1)
            if attempts == 1:
                with Session(engine) as theirs, theirs.begin():
                    create(theirs, None)
            create(ours, None)

        with postgresql() as url:
            engine = open_engine(url)
            strict = engine.execution_options(isolation_level="REPEATABLE READ")
            with pytest.raises(DuplicateConnectionError) as duplicate:
                in_transaction(strict, work)
            assert duplicate.value.existing_id == "cxn_1"
            assert attempts == 2
            engine.dispose()


@pytest.mark.parametrize("engine", ["mariadb"], indirect=True)
class TestHiddenDuplicatesOnMariadb:
    """REPEATABLE READ hides the other's row, and the constraint is named, unless it is PRIMARY."""

    @pytest.mark.parametrize(
        ("destination", "id"), [(THEIRS, "cxn_2"), ("org_x", "cxn_1")], ids=["pair", "id"]
    )
    def test_one(self, engine: Engine, destination: str, id: str) -> None:
        change = Connection.create(by=OUR_KEY, destination=destination, id=id, at=T0)
        strict = engine.execution_options(isolation_level="REPEATABLE READ")
        with Session(strict) as ours, ours.begin():
            store = SqlConnectionStore(ours)
            assert store.find(OURS, THEIRS) is None
            committed(engine)
            if destination == THEIRS:
                assert store.add(change) is False
            else:
                with pytest.raises(IntegrityError, match="PRIMARY"):
                    store.add(change)
            assert store.get(ConnectionId("cxn_1")) is None  # usable, and it still sees none


class TestCollations:
    """A column of the host's that folds case makes more ids the same than we do."""

    @pytest.fixture
    def folding(self, tmp_path: Path) -> Iterator[Engine]:
        own = MetaData()
        for table in metadata.sorted_tables:
            copied = table.to_metadata(own)
            copied.columns[next(iter(copied.columns.keys()))].type = Text(collation="NOCASE")
        engine = configure_engine(create_engine(f"sqlite:///{tmp_path / 'folding.db'}"))
        own.create_all(engine)
        yield engine
        engine.dispose()

    def test_many_at_once_ends(self, folding: Engine) -> None:
        """The database says that it conflicts; that no id of ours is the same ends the search."""
        first, second = (
            Connection.create(by=OUR_KEY, destination=f"org_{each}", id=f"cxn_{each}", at=T0)
            for each in ("a", "A")
        )
        with Session(folding) as session, session.begin():
            store = SqlConnectionStore(session)
            assert store.add(first)
            with pytest.raises(IntegrityError):
                store.add_all([History(second.connection, [second.event])])
            assert [history.connection for history in store.everything()] == [first.connection]
            assert store.add(second) is False


def test_a_duplicate_is_kept_for_its_key(engine: Engine) -> None:
    """As every other refusal of ours."""
    committed(engine)
    for _ in range(2):
        with Session(engine) as session, session.begin():
            with pytest.raises(DuplicateConnectionError) as duplicate:
                create(session, "k2")
            assert duplicate.value.existing_id == "cxn_1"
    with engine.begin() as connection:
        outcomes = connection.execute(select(idempotency_keys.c.outcome)).scalars().all()
        assert sum("duplicate" in outcome for outcome in outcomes) == 1
