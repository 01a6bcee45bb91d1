"""The host's session: which are accepted, which engine is chosen, and what the session keeps."""

import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, nullcontext
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import pytest
from databases import SERVERS
from embedding import OURS, THEIRS, Base, committed, count, savepoint, service_in
from pymysql.err import IntegrityError as MySqlError
from sqlalchemy import (
    Column,
    Delete,
    Engine,
    ForeignKey,
    Insert,
    MetaData,
    String,
    Table,
    Text,
    Update,
    create_engine,
    event,
    func,
    inspect,
    select,
)
from sqlalchemy.exc import UnboundExecutionError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import (
    Mapped,
    Session,
    column_property,
    mapped_column,
    registry,
    scoped_session,
    sessionmaker,
)
from sqlalchemy.orm.exc import ObjectDeletedError
from support import OUR_KEY, PARTNER, T0

from connect_core import (
    Connection,
    ConnectionService,
    DuplicateConnectionError,
    IdempotencyKey,
    IdempotencyRecord,
    StaleConnectionError,
    decide_access,
)
from connect_core.adapters.sql import (
    History,
    SqlConnectionStore,
    configure_engine,
    connection_events,
    connections,
    idempotency_keys,
    metadata,
    open_engine,
)
from connect_core.adapters.sql.sessions import violated
from connect_core.adapters.sql.types import EXACT

# --- Which sessions ------------------------------------------------------------------------------


class TestSessions:
    """What is no session is refused when the store is made, and the message says what to pass."""

    def test_what_is_accepted(self, engine: Engine) -> None:
        class Own(Session):
            """A session of the host's."""

        for make in (sessionmaker(engine), sessionmaker(engine, class_=Own)):
            with make() as session, session.begin():
                service_in(session).list(by=OUR_KEY)
        registry_ = scoped_session(sessionmaker(engine))
        with registry_.begin():
            store = SqlConnectionStore(registry_)
            change = Connection.create(by=OUR_KEY, destination=THEIRS, id="cxn_1", at=T0)
            assert store.add(change)
            assert store.save(change.connection.deactivate(by=OUR_KEY, at=T0))
            assert store.find(OURS, THEIRS) is not None
        registry_.remove()
        assert count(engine, connection_events) == 2

    @pytest.mark.parametrize(
        ("given", "advice"),
        [
            (None, r"got None; pass a sqlalchemy\.orm\.Session$"),
            ("sqlite://secret", r"got builtins\.str; pass a sqlalchemy\.orm\.Session$"),
            (
                create_engine("sqlite://"),
                r"got sqlalchemy\.engine\.base\.Engine; pass a ",
            ),
            (sessionmaker(), r"got sqlalchemy\.orm\.session\.sessionmaker; pass what it makes"),
            (async_sessionmaker(), r"async_sessionmaker; pass what it makes"),
            (Session, r"got builtins\.type; pass what it makes"),
            (
                AsyncSession(),
                r"AsyncSession; call it inside of run_sync, which ",
            ),
            (
                create_async_engine("sqlite+aiosqlite://"),
                r"AsyncEngine; open an AsyncSession on ",
            ),
        ],
        ids=str,
    )
    def test_what_is_refused(self, given: Any, advice: str) -> None:
        with pytest.raises(
            TypeError, match=r"^session: expected a Session, .*" + advice
        ) as refused:
            SqlConnectionStore(given)
        assert "secret" not in str(refused.value)

    def test_a_connection(self, engine: Engine) -> None:
        wrong: Any
        with (
            engine.connect() as wrong,
            pytest.raises(TypeError, match="pass a Session on it"),
        ):
            SqlConnectionStore(wrong)


# --- Which transaction ---------------------------------------------------------------------------


def create(session: Session) -> None:
    service_in(session).create(by=OUR_KEY, destination=THEIRS)


def create_once(session: Session) -> None:
    service_in(session).create(by=OUR_KEY, destination=THEIRS, idempotency_key="k")


def take(session: Session) -> None:
    SqlConnectionStore(session).save(CREATED.connection.deactivate(by=OUR_KEY, at=T0))


def add_all(session: Session) -> None:
    SqlConnectionStore(session).add_all([History(CREATED.connection, (CREATED.event,))])


def add_events(session: Session) -> None:
    SqlConnectionStore(session).add_events([CREATED.event])


def forget(session: Session) -> None:
    SqlConnectionStore(session).forget(T0)


CREATED = Connection.create(by=OUR_KEY, destination=THEIRS, id="cxn_1", at=T0)
WRITES = (create, create_once, take, add_all, add_events, forget)


def their_own_mode(engine: Engine) -> Engine:
    """An engine with which SQLite's driver begins no transactions, as SQLAlchemy advises."""

    def on_connect(connection: Any, _: object) -> None:
        connection.isolation_level = None

    def on_begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN")

    event.listen(engine, "connect", on_connect)
    event.listen(engine, "begin", on_begin)
    return engine


class TestTransactions:
    """What a rollback of the session would not undo is refused before anything is written."""

    @pytest.fixture
    def unconfigured(self, tmp_path: Path) -> Iterator[Engine]:
        engine = create_engine(f"sqlite:///{tmp_path / 'host.db'}")
        metadata.create_all(engine)
        yield engine
        engine.dispose()

    @pytest.mark.parametrize("nested", [False, True])
    @pytest.mark.parametrize("write", WRITES)
    def test_an_engine_without_our_settings(
        self, unconfigured: Engine, write: Callable[[Session], None], nested: bool
    ) -> None:
        with Session(unconfigured) as session, savepoint(session) if nested else nullcontext():
            with pytest.raises(ValueError, match="a rollback of the session would not undo this"):
                write(session)
            session.rollback()
        assert count(unconfigured, connections) == 0
        assert count(unconfigured, connection_events) == 0

    @pytest.mark.parametrize("nested", [False, True])
    @pytest.mark.parametrize("write", WRITES[:2])
    def test_settings_of_the_hosts_own(
        self, unconfigured: Engine, write: Callable[[Session], None], nested: bool
    ) -> None:
        engine = their_own_mode(unconfigured)
        engine.dispose()
        with Session(engine) as session:
            with savepoint(session) if nested else nullcontext():
                write(session)
            session.rollback()
        assert count(engine, connections) == 0
        with Session(engine) as session, session.begin():
            write(session)
        assert count(engine, connections) == 1

    @pytest.mark.skipif(sys.version_info < (3, 12), reason="autocommit is new in Python 3.12")
    def test_a_driver_that_is_always_in_a_transaction(self, unconfigured: Engine) -> None:
        engine = create_engine(unconfigured.url, connect_args={"autocommit": False})
        with Session(engine) as session:
            with savepoint(session):
                create(session)
            session.rollback()
        assert count(engine, connections) == 0
        engine.dispose()

    def test_a_transaction_that_a_change_of_the_hosts_began(self, unconfigured: Engine) -> None:
        with Session(unconfigured) as session:
            session.execute(idempotency_keys.delete())
            create(session)
            session.rollback()
        assert count(unconfigured, connections) == 0

    @pytest.mark.parametrize("engine", SERVERS, indirect=True)
    @pytest.mark.parametrize("write", WRITES)
    def test_autocommit(self, engine: Engine, write: Callable[[Session], None]) -> None:
        careless = engine.execution_options(isolation_level="AUTOCOMMIT")
        with Session(careless) as session, pytest.raises(ValueError, match="do not set AUTOCOMMIT"):
            write(session)
        assert count(engine, connections) == 0


# --- Which engine --------------------------------------------------------------------------------


class RoutingSession(Session):
    """SQLAlchemy's recipe: writes to the leader, reads to a replica."""

    leader: Engine
    replica: Engine
    writing: tuple[type[Any], ...] = (Insert, Update, Delete)

    def get_bind(self, mapper: Any = None, clause: Any = None, **_: Any) -> Engine:
        del mapper
        writes = self._flushing or isinstance(clause, self.writing)
        return self.leader if writes else self.replica


class AsDocumented(RoutingSession):
    """The recipe to the letter, which does not think of INSERT."""

    writing = (Update, Delete)


class WritesStayTogether(RoutingSession):
    """As the store's documentation asks: a transaction that writes reads from the leader."""

    def get_bind(self, mapper: Any = None, clause: Any = None, **_: Any) -> Engine:
        bind = super().get_bind(mapper, clause)
        if self.info.setdefault("engine", bind) is self.replica:
            self.info["engine"] = bind
        return self.info["engine"]  # type: ignore[no-any-return]


@pytest.fixture
def leader(tmp_path: Path) -> Iterator[Engine]:
    engine = open_engine(f"sqlite:///{tmp_path / 'leader.db'}")
    yield engine
    engine.dispose()


@pytest.fixture
def replica(tmp_path: Path) -> Iterator[Engine]:
    """A database that nobody may write to, and that has nothing yet."""
    engine = open_engine(f"sqlite:///{tmp_path / 'replica.db'}")

    @event.listens_for(engine, "before_cursor_execute")
    def only_reads(*arguments: Any) -> None:
        assert not arguments[2].startswith(("INSERT", "UPDATE", "DELETE"))

    yield engine
    engine.dispose()


def routed(kind: type[RoutingSession], leader: Engine, replica: Engine) -> RoutingSession:
    session = kind()
    session.leader, session.replica = leader, replica
    return session


class TestRouting:
    """A session that chooses its engine is given what it needs with each statement."""

    @pytest.mark.parametrize("kind", [RoutingSession, AsDocumented, WritesStayTogether])
    def test_changes_go_to_the_leader(
        self, kind: type[RoutingSession], leader: Engine, replica: Engine
    ) -> None:
        with routed(kind, leader, replica) as session, session.begin():
            store = SqlConnectionStore(session)
            change = Connection.create(by=OUR_KEY, destination=THEIRS, id="cxn_1", at=T0)
            assert store.add(change)
            active = change.connection.activate(by=PARTNER, at=T0)
            assert store.save(active)
            key, record = IdempotencyKey("k"), IdempotencyRecord("f" * 64, "{}", T0)
            assert store.once(OURS, key, lambda: record) == record
            other = Connection.create(by=OUR_KEY, destination="org_x", id="cxn_2", at=T0)
            assert store.add_all([History(other.connection, [other.event])]) == []
        assert count(leader, connections) == 2
        assert count(leader, connection_events) == 3
        assert count(leader, idempotency_keys) == 1
        assert count(replica, connections) == 0
        with routed(kind, leader, replica) as session, session.begin():
            assert SqlConnectionStore(session).forget(T0.replace(year=2027)) == 1

    @pytest.mark.parametrize("kind", [RoutingSession, AsDocumented])
    def test_reads_go_to_the_replica(
        self, kind: type[RoutingSession], leader: Engine, replica: Engine
    ) -> None:
        with writer(replica) as engine:
            committed(engine)
        with routed(kind, leader, replica) as session:
            service = service_in(session)
            assert service.get("cxn_1", by=OUR_KEY).version == 2
            assert len(service.list(by=OUR_KEY).connections) == 1
            assert len(service.history("cxn_1", by=OUR_KEY)) == 2

    def test_a_conflict_is_looked_for_where_it_is(self, leader: Engine, replica: Engine) -> None:
        """The leader has the Connection, and the replica does not have it yet."""
        committed(leader)
        with routed(RoutingSession, leader, replica) as session, session.begin():
            service = service_in(session)
            with pytest.raises(DuplicateConnectionError):
                service.create(by=OUR_KEY, destination=THEIRS)
            store = SqlConnectionStore(session)
            taken = Connection.create(by=OUR_KEY, destination=THEIRS, id="cxn_2", at=T0)
            assert store.add_all([History(taken.connection, [taken.event])]) == [0]

    def test_an_outcome_is_looked_for_where_it_is(self, leader: Engine, replica: Engine) -> None:
        committed(leader)  # with the key k
        with routed(RoutingSession, leader, replica) as session, session.begin():
            found = SqlConnectionStore(session).once(OURS, IdempotencyKey("k"), not_called)
            assert '"cxn_1"' in found.outcome

    def test_what_is_undone_is_on_the_leader(self, leader: Engine, replica: Engine) -> None:
        """What a failed attempt wrote is undone."""
        with routed(RoutingSession, leader, replica) as session, session.begin():
            store = SqlConnectionStore(session)
            change = Connection.create(by=OUR_KEY, destination=THEIRS, id="cxn_1", at=T0)

            def attempt() -> IdempotencyRecord:
                assert store.add(change)
                raise StaleConnectionError(1, 2)

            with pytest.raises(StaleConnectionError):
                store.once(OURS, IdempotencyKey("k"), attempt)
        assert count(leader, connections) == 0

    def test_a_whole_life_in_a_writing_transaction(self, leader: Engine, replica: Engine) -> None:
        """With a session that keeps a writing transaction together."""
        with routed(WritesStayTogether, leader, replica) as session, session.begin():
            session.connection({"clause": connections.update()})  # the host knows that it writes
            service = service_in(session)
            service.create(by=OUR_KEY, destination=THEIRS, idempotency_key="k")
            service.create(by=OUR_KEY, destination=THEIRS, idempotency_key="k")
            with pytest.raises(DuplicateConnectionError) as duplicate:
                service.create(by=OUR_KEY, destination=THEIRS)
            assert duplicate.value.existing_id == "cxn_1"
            service.activate("cxn_1", by=PARTNER)
            assert len(service.history("cxn_1", by=OUR_KEY)) == 2
            assert len(service.list(by=OUR_KEY).connections) == 1
        assert count(leader, connection_events) == 2

    @pytest.mark.parametrize("also", [True, False])
    def test_binds(self, leader: Engine, replica: Engine, also: bool) -> None:
        """The engine of `connections` is that of all three tables."""
        binds: dict[Any, Any] = {connections: leader, Base: replica}
        default = None if also else replica
        with Session(default, binds=binds) as session, session.begin():
            service = service_in(session)
            service.create(by=OUR_KEY, destination=THEIRS, idempotency_key="k")
            service.activate("cxn_1", by=PARTNER)
            assert len(service.history("cxn_1", by=OUR_KEY)) == 2
        assert count(leader, connection_events) == 2
        assert count(leader, idempotency_keys) == 1

    def test_binds_without_ours(self, leader: Engine) -> None:
        """They say nothing of our tables, and no default does."""
        binds: dict[Any, Any] = {Base: leader}
        advice = r"Session\(binds=\{\.\.\., connections: engine\}\)"
        with Session(binds=binds) as session, pytest.raises(UnboundExecutionError, match=advice):
            service_in(session).get("cxn_1", by=OUR_KEY)


def not_called() -> IdempotencyRecord:
    raise AssertionError("there is a record")


@contextmanager
def writer(replica: Engine) -> Generator[Engine]:
    """An engine that may write to the replica."""
    engine = configure_engine(create_engine(replica.url))
    try:
        yield engine
    finally:
        engine.dispose()


# --- Constraints ---------------------------------------------------------------------------------


class TestConstraints:
    """Which constraint a database names."""

    @pytest.mark.parametrize(
        ("message", "names_ours"),
        [
            ('duplicate key value violates unique constraint "pk_connections"', True),
            ("doppelter Schlüsselwert verletzt Unique-Constraint »pk_connections«", True),
            ("la valeur viole la contrainte unique « pk_connections »\nDETAIL: x", True),
            ('violates unique constraint "pk_connections_old"', False),
            ('violates unique constraint "uq"\nDETAIL:  Key (name)=(pk_connections) exists', False),
            ("", False),
        ],
    )
    def test_by_the_message_alone(self, message: str, names_ours: bool) -> None:
        """For drivers that do not give the name by itself."""
        assert ("pk_connections" in violated(Exception(message))) is names_ours

    @pytest.mark.parametrize(
        ("code", "message", "named"),
        [
            (1062, "Duplicate entry 'cxn_1' for key 'PRIMARY'", {"PRIMARY"}),
            (1062, "Duplicate entry 'a-b' for key 'uq_acmé_pair'", {"uq_acmé_pair"}),
            (1062, "Duplicate entry 'a-b' for key 'connections.uq_pair'", {"uq_pair"}),
            (1062, "Duplicate entry 'x' for key 'uq_pair'' for key 'other'", {"other"}),
            (1062, "Duplicate entry 'x' for key 'a.uq_pair'' for key 'own.other'", {"other"}),
            (1062, "Duplicate entry 'x\n for key 'uq_pair'\n' for key 'other'", {"other"}),
            (1062, "Duplicate entry 'x' for key 'uq_pair", set[str]()),
            (1062, "uq_pair", set[str]()),
            (1452, "uq_pair", set[str]()),
            (1452, "Duplicate entry 'a-b' for key 'uq_pair'", set[str]()),
            (1644, "uq_pair", set[str]()),
        ],
    )
    def test_by_the_code_of_mysql(self, code: int, message: str, named: set[str]) -> None:
        """The row is quoted first, and may itself look like the rest of a message."""
        assert violated(MySqlError(code, message)) == named


# --- What the session keeps ----------------------------------------------------------------------


own = registry()


class Partnership:
    """A class on our table."""

    id: str
    source_organization_id: str
    destination_organization_id: str
    scopes: list[str]
    status: str
    version: int
    name: str | None


own.map_imperatively(Partnership, connections)


class Renamed:
    """A class with other names for some of the columns, and without the others."""

    number: str
    state: str
    shouted: str


own.map_imperatively(
    Renamed,
    connections,
    include_properties=["id", "status"],
    properties={
        "number": connections.c.id,
        "state": connections.c.status,
        "shouted": column_property(func.upper(connections.c.status)),
    },
)


class Timeless:
    """A class that has nothing of what changes."""

    id: str
    name: str | None


own.map_imperatively(Timeless, connections, include_properties=["id", "name"])


class Versioned:
    """A class that has the version in its primary key."""

    id: str
    status: str


own.map_imperatively(Versioned, connections, primary_key=[connections.c.id, connections.c.version])


class Joined:
    """A class on two tables."""

    id: str
    status: str
    occurred_at: datetime


own.map_imperatively(
    Joined,
    connections.join(connection_events),
    properties={
        "id": [connections.c.id, connection_events.c.connection_id],
        "status": connections.c.status,
        "version": connections.c.version,
        "event_version": connection_events.c.version,
        "event_status": connection_events.c.status,
    },
)

APART = MetaData()
OWN_TABLE = Table(
    "connections", APART, Column("id", String(255), primary_key=True), Column("status", String(16))
)


class Apart:
    """A class on a table of the host's own making, of the same name."""

    id: str
    status: str


own.map_imperatively(Apart, OWN_TABLE)


class Other(Base):
    """A class that has nothing to do with ours."""

    __tablename__ = "others"
    id: Mapped[str] = mapped_column(String(255), primary_key=True)
    status: Mapped[str] = mapped_column(String(16))


class Special(Partnership):
    """A subclass with a table of its own beside ours."""

    note: str


CONNECTION_ID: Any = connections.c.id
SPECIALS = Table(
    "specials",
    APART,
    Column("special_id", String(255), ForeignKey(CONNECTION_ID), primary_key=True),
    Column("note", Text),
    **EXACT,
)
own.map_imperatively(Special, SPECIALS, inherits=Partnership)


class Thing:
    """A class of the host's on a table of its own."""

    id: str


class SharedThing(Thing):
    """A subclass on our table."""

    status: str


THINGS = Table("things", APART, Column("id", String(255), primary_key=True))
own.map_imperatively(Thing, THINGS)
own.map_imperatively(
    SharedThing,
    connections,
    inherits=Thing,
    inherit_condition=THINGS.c.id == connections.c.id,
    properties={"id": [THINGS.c.id, connections.c.id]},
)


_Mapped = TypeVar("_Mapped")


def get_one(session: Session, mapped: type[_Mapped], id: str) -> _Mapped:
    """`Session.get_one`, which SQLAlchemy has since 2.0.22."""
    found = session.get(mapped, id)
    assert found is not None
    return found


class TestKeptObjects:
    """Objects of the host's agree with what a command wrote in the same session."""

    @pytest.fixture
    def session(self, host: Engine) -> Iterator[Session]:
        committed(host)
        APART.create_all(host)
        with Session(host) as session, session.begin():
            session.execute(THINGS.insert(), [{"id": "cxn_1"}, {"id": "unlike"}])
            session.execute(SPECIALS.insert(), {"special_id": "cxn_1", "note": "as stored"})
            yield session

    def test_a_decision_on_a_kept_object(self, session: Session) -> None:
        """After a deactivation nothing may be read any more."""
        kept = get_one(session, Partnership, "cxn_1")
        assert decide_access(PARTNER, "inquiry.read", kept)
        service_in(session).deactivate("cxn_1", by=OUR_KEY)
        assert not decide_access(PARTNER, "inquiry.read", kept)
        assert (kept.status, kept.version) == ("inactive", 3)

    @pytest.mark.parametrize(
        ("class_", "attribute"),
        [
            (Partnership, "status"),
            (Renamed, "state"),
            (Joined, "status"),
            (Apart, "status"),
            (Special, "status"),
            (SharedThing, "status"),
        ],
    )
    def test_each_kind_of_class(self, session: Session, class_: type[Any], attribute: str) -> None:
        kept = session.scalars(select(class_)).first()
        assert getattr(kept, attribute) == "active"
        service_in(session).deactivate("cxn_1", by=OUR_KEY)
        assert getattr(kept, attribute) == "inactive"

    def test_expressions(self, session: Session) -> None:
        kept = session.scalars(select(Renamed)).one()
        assert kept.shouted == "ACTIVE"
        service_in(session).deactivate("cxn_1", by=OUR_KEY)
        assert kept.shouted == "INACTIVE"

    def test_a_version_in_the_primary_key(self, session: Session) -> None:
        """The row with that key is gone, and SQLAlchemy says so."""
        kept = session.scalars(select(Versioned)).one()
        service_in(session).deactivate("cxn_1", by=OUR_KEY)
        with pytest.raises(ObjectDeletedError):
            assert kept.status

    def test_changes_of_the_hosts_own(self, session: Session) -> None:
        """Those to other attributes stay; those to what a command changes are dropped."""
        kept = get_one(session, Partnership, "cxn_1")
        timeless = get_one(session, Timeless, "cxn_1")
        with session.no_autoflush:
            kept.name, kept.status = "Ours", "pending"
            service_in(session).deactivate("cxn_1", by=OUR_KEY)
            assert (kept.name, kept.status) == ("Ours", "inactive")
        assert timeless.name == "Partner"
        session.flush()
        assert service_in(session).get("cxn_1", by=OUR_KEY).name == "Ours"

    def test_a_subclass_keeps_changes_of_its_own(self, session: Session) -> None:
        kept = session.scalars(select(Special)).one()
        kept.note = "not flushed yet"
        service_in(session).deactivate("cxn_1", by=OUR_KEY)
        assert (kept.note, kept.status) == ("not flushed yet", "inactive")

    def test_other_objects_are_left_alone(self, session: Session) -> None:
        """Nothing is read again that did not change."""
        second = Connection.create(by=OUR_KEY, destination="org_x", id="cxn_2", at=T0)
        assert SqlConnectionStore(session).add(second)
        session.add(Other(id="cxn_1", status="x"))
        session.flush()
        kept = [get_one(session, Partnership, "cxn_2"), get_one(session, Other, "cxn_1")]
        kept += [get_one(session, Timeless, "cxn_1"), get_one(session, Thing, "unlike")]
        other_joined = session.scalars(select(Joined).where(connections.c.id == "cxn_2")).one()
        service_in(session).deactivate("cxn_1", by=OUR_KEY)
        for each in (*kept, other_joined):
            assert not inspect(each).expired_attributes

    def test_a_command_that_was_too_late(self, session: Session) -> None:
        """The object is as stale as the command was."""
        store = SqlConnectionStore(session)
        kept = get_one(session, Partnership, "cxn_1")
        seen = service_in(session).get("cxn_1", by=OUR_KEY)
        session.connection().execute(connections.update().values(version=3, status="inactive"))
        assert store.save(seen.deactivate(by=OUR_KEY)) is False
        assert (kept.status, kept.version) == ("inactive", 3)

    @pytest.mark.parametrize("error", [StaleConnectionError(1, 2), RuntimeError("no")], ids=str)
    def test_what_is_undone(self, session: Session, error: Exception) -> None:
        """An attempt of a key that fails has done nothing, also to objects."""
        store = SqlConnectionStore(session)
        kept = get_one(session, Partnership, "cxn_1")

        def attempt() -> IdempotencyRecord:
            ConnectionService(store).deactivate("cxn_1", by=OUR_KEY)
            assert kept.status == "inactive"
            raise error

        with pytest.raises(type(error)):
            store.once(OURS, IdempotencyKey("other"), attempt)
        assert kept.status == "active"

    def test_an_object_that_is_gone(self, session: Session) -> None:
        """Only what the host still holds is kept."""
        get_one(session, Partnership, "cxn_1")
        service_in(session).deactivate("cxn_1", by=OUR_KEY)
        assert get_one(session, Partnership, "cxn_1").status == "inactive"
