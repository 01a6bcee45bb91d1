"""The store on tables that a host has chosen: its own, those of another store, and a host's."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from databases import SERVERS, chosen_tables, database, new_schema, postgresql
from embedding import OURS, THEIRS, count
from sqlalchemy import (
    Column,
    Engine,
    MetaData,
    Select,
    String,
    Table,
    UniqueConstraint,
    Update,
    create_engine,
    inspect,
    select,
    update,
)
from sqlalchemy.exc import DBAPIError, IntegrityError, UnboundExecutionError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, registry
from support import OUR_KEY, PARTNER, T0

from connect_core import (
    Connection,
    ConnectionId,
    ConnectionService,
    DuplicateConnectionError,
    IdempotencyKey,
    IdempotencyRecord,
    InvalidRecordError,
    InvalidTransitionError,
    Status,
)
from connect_core.adapters.sql import (
    AsyncTransactions,
    History,
    SqlConnectionStore,
    Tables,
    Transactions,
    configure_engine,
    connections,
    idempotency_keys,
    in_transaction,
    metadata,
    open_engine,
    tables_for,
    visible,
)
from connect_core.adapters.sql.statements import statements_for
from connect_core.adapters.sql.tables import DEFAULT_TABLES
from connect_core.store import selection_of_all

KEY = IdempotencyKey("k")


def service_on(session: Session, tables: Tables) -> ConnectionService:
    """A service that creates the Connection cxn_1 at `T0`."""
    store = SqlConnectionStore(session, tables)
    return ConnectionService(store, clock=lambda: T0, new_id=lambda: "cxn_1")


def live(session: Session, tables: Tables, name: str) -> Connection:
    """An active Connection."""
    service = service_on(session, tables)
    service.create(by=OUR_KEY, destination=THEIRS, name=name, idempotency_key="k")
    return service.activate("cxn_1", by=PARTNER).connection


Chosen = tuple[Engine, Tables]


@pytest.fixture(params=["sqlite-file", *SERVERS])
def chosen(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Chosen]:
    """A database that has chosen tables only."""
    with chosen_tables(request.param, tmp_path) as found:
        yield found


# --- Two stores in one database ------------------------------------------------------------------


class TestTwoSets:
    """Nothing of one set of tables is seen, or changed, in the other."""

    @pytest.fixture(
        params=[
            "sqlite-file prefix",
            *(f"{kind} {how}" for kind in SERVERS for how in ("prefix", "schema")),
        ]
    )
    def two(
        self, request: pytest.FixtureRequest, tmp_path: Path
    ) -> Iterator[tuple[Engine, Tables, Tables]]:
        """Our own tables, and others by another prefix or in another schema."""
        kind, _, how = request.param.partition(" ")
        prefix = "acme_" if how == "prefix" else ""
        with ExitStack() as stack:
            schema = None
            if how == "schema":
                schema = stack.enter_context(new_schema(kind, f"other_{uuid4().hex}"))
            engine = open_engine(stack.enter_context(database(kind, tmp_path)))
            stack.callback(engine.dispose)
            other = tables_for(schema=schema, prefix=prefix)
            other.metadata.create_all(engine)
            yield engine, DEFAULT_TABLES, other

    def test_in_one_session(self, two: tuple[Engine, Tables, Tables]) -> None:
        """The same ids, the same pair and the same idempotency key in both."""
        engine, *both = two
        with Session(engine) as session, session.begin():
            made = [live(session, tables, f"Name {n}") for n, tables in enumerate(both)]
            assert [each.name for each in made] == ["Name 0", "Name 1"]
            service_on(session, both[1]).deactivate("cxn_1", by=OUR_KEY)
        with Session(engine) as session, session.begin():
            for tables, version, status in zip(both, (2, 3), ("active", "inactive"), strict=True):
                store, service = SqlConnectionStore(session, tables), service_on(session, tables)
                assert service.get("cxn_1", by=OUR_KEY).status == status
                assert len(service.history("cxn_1", by=OUR_KEY)) == version
                assert [len(history.events) for history in store.everything()] == [version]
                assert [each.status for each in service.list(by=OUR_KEY)] == [status]
                assert len(service.list(by=OUR_KEY, status=status)) == 1
                assert service.count(by=OUR_KEY) == store.count(selection_of_all(), 9) == 1

    @pytest.mark.parametrize("first", [0, 1])
    def test_what_is_in_one_only(self, two: tuple[Engine, Tables, Tables], first: int) -> None:
        """Every way to read finds nothing in the other, and nothing there is forgotten."""
        engine, *both = two
        full, empty = both[first], both[1 - first]
        with Session(engine) as session, session.begin():
            live(session, full, "Partner")
        with Session(engine) as session, session.begin():
            store = SqlConnectionStore(session, empty)
            assert store.get(ConnectionId("cxn_1")) is None
            assert store.find(OURS, THEIRS) is None
            assert store.event(ConnectionId("cxn_1"), 1) is None
            assert list(store.history(ConnectionId("cxn_1"))) == []
            assert list(store.everything()) == []
            assert store.count(selection_of_all(), 9) == 0
            assert not service_on(session, empty).list(by=OUR_KEY)
            assert store.forget(T0 + timedelta(days=1)) == 0
            record = IdempotencyRecord("f" * 64, "{}", T0)
            assert store.once(OURS, KEY, lambda: record) == record
            late = Connection.create(by=OUR_KEY, destination=THEIRS, id="cxn_1", at=T0)
            assert store.save(late.connection.activate(by=PARTNER, at=T0)) is False
        assert count(engine, full.connections) == count(engine, full.idempotency_keys) == 1
        assert count(engine, empty.connections) == 0
        with Session(engine) as session, session.begin():
            assert SqlConnectionStore(session, full).forget(T0 + timedelta(days=1)) == 1

    def test_import(self, two: tuple[Engine, Tables, Tables]) -> None:
        """What is taken in one is free in the other."""
        engine, *both = two
        change = Connection.create(by=OUR_KEY, destination=THEIRS, id="cxn_1", at=T0)
        active = change.connection.activate(by=PARTNER, at=T0)
        history = History(active.connection, (change.event, active.event))
        for tables in both:
            with Session(engine) as session, session.begin():
                store = SqlConnectionStore(session, tables)
                assert store.add_all([history]) == []
                assert store.add_all([history]) == [0]
                inactive = active.connection.deactivate(by=OUR_KEY, at=T0)
                store.add_events([inactive.event])
            assert count(engine, tables.connection_events) == 3

    def test_kept_objects_of_the_other(self, two: tuple[Engine, Tables, Tables]) -> None:
        """They are not expired, and changes to them that are not flushed stay."""
        engine, ours, other = two
        own = registry()

        class Mine:
            status: str

        class Another:
            status: str

        own.map_imperatively(Mine, ours.connections)
        own.map_imperatively(Another, other.connections)
        with Session(engine) as session, session.begin(), session.no_autoflush:
            live(session, ours, "a")
            live(session, other, "b")
            mine, another = session.get(Mine, "cxn_1"), session.get(Another, "cxn_1")
            assert mine is not None
            assert another is not None
            another.status = "inactive"
            service_on(session, ours).deactivate("cxn_1", by=OUR_KEY)
            assert mine.status == "inactive"
            assert session.is_modified(another)
            session.expire(another)
            service_on(session, other).deactivate("cxn_1", by=PARTNER)
            assert not inspect(mine).expired_attributes
            assert another.status == "inactive"


# --- A host with a table of the same name --------------------------------------------------------


class Base(DeclarativeBase):
    """The tables of a host, among which one is called like ours."""


class Line(Base):
    """A connection of the host's, which is something else."""

    __tablename__ = "connections"
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    status: Mapped[str] = mapped_column(String(16))
    version: Mapped[str] = mapped_column(String(16))


ACME = tables_for(Base.metadata, prefix="acme_")


class TestBesideTheHostsOwn:
    """The host's table `connections` has other columns, and is mapped on a class."""

    @pytest.fixture
    def engine(self, engine: Engine) -> Engine:
        """A database with the host's tables and none of our own."""
        metadata.drop_all(engine)
        Base.metadata.create_all(engine)
        return engine

    def test_its_objects_are_left_alone(self, engine: Engine) -> None:
        with Session(engine) as session, session.begin():
            line = Line(id="cxn_1", status="up", version="v4")
            session.add(line)
            session.flush()
            with session.no_autoflush:
                line.status = "down"
                live(session, ACME, "Partner")
                with pytest.raises(InvalidTransitionError):
                    service_on(session, ACME).reactivate(
                        "cxn_1", by=OUR_KEY, idempotency_key="other"
                    )
                assert not inspect(line).expired_attributes
                assert line.status == "down"
        with Session(engine) as session:
            assert session.scalars(select(Line.status)).all() == ["down"]
            assert service_on(session, ACME).get("cxn_1", by=OUR_KEY).status is Status.ACTIVE

    def test_its_rows_are_not_read(self, engine: Engine) -> None:
        with Session(engine) as session, session.begin():
            session.add(Line(id="cxn_1", status="active", version="1"))
            session.flush()
            store = SqlConnectionStore(session, ACME)
            assert list(store.everything()) == []
            assert store.get(ConnectionId("cxn_1")) is None

    def test_filters(self, engine: Engine) -> None:
        with Session(engine) as session, session.begin():
            live(session, ACME, "Partner")
            table = ACME.connections
            for organization, expected in ((str(OURS), ["cxn_1"]), ("org_x", [])):
                query = select(table.c.id).where(visible(organization, table))
                assert list(session.scalars(query)) == expected


class TestTheSameTable:
    """A table of the host's by our name is ours if it is in the same schema of the database."""

    @pytest.fixture
    def engine(self) -> Iterator[Engine]:
        with postgresql() as url:
            engine = open_engine(url)
            yield engine
            engine.dispose()

    @pytest.mark.parametrize(
        ("ours", "theirs", "same"),
        [
            ("default", None, True),
            (None, "default", True),
            ("default", "default", True),
            (None, None, True),
            (None, "other", False),
            ("other", None, False),
            ("other", "default", False),
            ("other", "other", True),
        ],
    )
    def test_of_schemas(
        self, engine: Engine, ours: str | None, theirs: str | None, same: bool
    ) -> None:
        default = inspect(engine).default_schema_name
        assert default is not None
        with new_schema("postgresql", f"{default}_other") as other:
            names = {None: None, "default": default, "other": other}
            tables_for(schema=other).metadata.create_all(engine)
            tables = tables_for(schema=names[ours])
            mine = Table(
                "connections",
                MetaData(),
                Column("id", String, primary_key=True),
                Column("status", String),
                schema=names[theirs],
            )

            class Mine:
                status: str

            registry().map_imperatively(Mine, mine)
            with Session(engine) as session, session.begin():
                live(session, tables, "ours")
                if not same:
                    live(session, tables_for(schema=names[theirs]), "theirs")
                kept = session.get(Mine, "cxn_1")
                assert kept is not None
                service_on(session, tables).deactivate("cxn_1", by=OUR_KEY)
                assert bool(inspect(kept).expired_attributes) is same
                assert kept.status == ("inactive" if same else "active")
            engine.dispose()

    def test_on_sqlite(self, tmp_path: Path) -> None:
        """Its only schema is called ``main``."""
        engine = open_engine(f"sqlite:///{tmp_path / 'connections.db'}")
        metadata_of_a_host = MetaData(schema="main")
        mine = Table("connections", metadata_of_a_host, autoload_with=engine)

        class Mine:
            status: str

        registry().map_imperatively(Mine, mine)
        with Session(engine) as session, session.begin():
            live(session, DEFAULT_TABLES, "Partner")
            kept = session.get(Mine, "cxn_1")
            assert kept is not None
            service_on(session, DEFAULT_TABLES).deactivate("cxn_1", by=OUR_KEY)
            assert kept.status == "inactive"
        engine.dispose()


# --- The session ---------------------------------------------------------------------------------


class TestSessions:
    """What a session is asked, and what a host is told."""

    def test_binds(self, chosen: Chosen, memory: Engine) -> None:
        engine, tables = chosen
        with Session(memory, binds={tables.connections: engine}) as session, session.begin():
            live(session, tables, "Partner")
        assert count(engine, tables.connection_events) == 2

    def test_no_bind(self, chosen: Chosen) -> None:
        engine, tables = chosen
        advice = f"no engine for the table {tables.connections.fullname}: give that table"
        with (
            Session(binds={connections: engine}) as session,
            pytest.raises(UnboundExecutionError) as caught,
        ):
            service_on(session, tables).get("cxn_1", by=OUR_KEY)
        assert advice in str(caught.value)

    def test_what_get_bind_is_given(self, chosen: Chosen) -> None:
        engine, tables = chosen
        given: set[object] = set()

        class Routing(Session):
            """A session that chooses its engine by the statement."""

            def get_bind(self, mapper: Any = None, clause: Any = None, **_: Any) -> Engine:
                del mapper
                if isinstance(clause, Update):
                    given.add((Update, clause.table))
                elif isinstance(clause, Select):
                    given.add((Select, *clause.get_final_froms()))
                return engine

        with Routing() as session, session.begin():
            live(session, tables, "Partner")
            service_on(session, tables).list(by=OUR_KEY)
        assert given == {(Update, tables.connections), (Select, tables.connections)}

    @pytest.mark.parametrize("wrong", [None, metadata, connections, (connections,), "acme_"])
    def test_what_is_no_tables(self, memory: Engine, wrong: Any) -> None:
        reason = "^tables: expected what tables_for returns, got "
        with Session(memory) as session, pytest.raises(TypeError, match=reason):
            SqlConnectionStore(session, wrong)
        with pytest.raises(TypeError, match=reason):
            Transactions(memory, tables=wrong)
        with pytest.raises(TypeError, match=reason):
            AsyncTransactions(create_async_engine("sqlite+aiosqlite://"), tables=wrong)

    def test_by_name(self, chosen: Chosen) -> None:
        engine, tables = chosen
        with Session(engine) as session:
            assert SqlConnectionStore(session, tables=tables).count(selection_of_all(), 9) == 0


# --- Records -------------------------------------------------------------------------------------


class TestRecords:
    """An error about a record names it by the table that it is in."""

    def stored(self, chosen: Chosen) -> Chosen:
        engine, tables = chosen
        with Session(engine) as session, session.begin():
            live(session, tables, "Partner")
        return chosen

    def record(self, chosen: Chosen, change: Any, read: Callable[[ConnectionService], Any]) -> str:
        """The record that is named after a change which no check saw."""
        engine, tables = self.stored(chosen)
        with engine.begin() as database:
            database.execute(change)
        with Session(engine) as session, pytest.raises(InvalidRecordError) as caught:
            read(service_on(session, tables))
        return caught.value.record

    def test_of_connections(self, chosen: Chosen) -> None:
        table = chosen[1].connections
        change = update(table).values(creator_id="nobody")
        found = self.record(chosen, change, lambda service: service.get("cxn_1", by=OUR_KEY))
        assert found == f"{table.fullname} cxn_1"
        assert "acme_connections" in found
        with Session(chosen[0]) as session:
            page = service_on(session, chosen[1]).list(by=OUR_KEY)
            assert [error.record for error in page.unreadable] == [found]
            errors: list[InvalidRecordError] = []
            store = SqlConnectionStore(session, chosen[1])
            assert list(store.everything(on_unreadable=errors.append)) == []
            assert found in [error.record for error in errors]

    def test_of_events(self, chosen: Chosen) -> None:
        table = chosen[1].connection_events
        change = update(table).values(actor_id="nobody")
        found = self.record(chosen, change, lambda service: service.history("cxn_1", by=OUR_KEY))
        assert found == f"{table.fullname} cxn_1 version 1"
        with Session(chosen[0]) as session, pytest.raises(InvalidRecordError) as caught:
            list(SqlConnectionStore(session, chosen[1]).everything())
        assert caught.value.record == found
        with Session(chosen[0]) as session, pytest.raises(InvalidRecordError) as caught:
            SqlConnectionStore(session, chosen[1]).event(ConnectionId("cxn_1"), 2)
        assert caught.value.record == f"{table.fullname} cxn_1 version 2"

    def test_of_idempotency_keys(self, tmp_path: Path) -> None:
        with chosen_tables("sqlite-file", tmp_path) as chosen:
            change = "UPDATE acme_connection_idempotency_keys SET created_at = 'yesterday'"
            engine, tables = self.stored(chosen)
            with engine.begin() as database:
                database.exec_driver_sql(change)
            with Session(engine) as session, pytest.raises(InvalidRecordError) as caught:
                service_on(session, tables).create(
                    by=OUR_KEY, destination=THEIRS, idempotency_key="k"
                )
        assert caught.value.record == f"acme_connection_idempotency_keys {OURS} 'k'"


# --- Constraints ---------------------------------------------------------------------------------


class TestConstraints:
    """On PostgreSQL, which names the constraint that refused a row."""

    @pytest.fixture
    def strict(self, tmp_path: Path) -> Iterator[Chosen]:
        """Transactions that do not see what others have committed since they began."""
        with chosen_tables("postgresql", tmp_path) as (engine, tables):
            yield engine.execution_options(isolation_level="REPEATABLE READ"), tables

    @pytest.mark.parametrize(("destination", "id"), [(str(THEIRS), "cxn_2"), ("org_x", "cxn_1")])
    def test_a_duplicate_that_cannot_be_seen(
        self, strict: Chosen, destination: str, id: str
    ) -> None:
        engine, tables = strict
        with Session(engine) as ours, ours.begin():
            store = SqlConnectionStore(ours, tables)
            assert store.find(OURS, THEIRS) is None
            with Session(engine) as theirs, theirs.begin():
                live(theirs, tables, "first")
            late = Connection.create(by=OUR_KEY, destination=destination, id=id, at=T0)
            with pytest.raises(DBAPIError) as given_up:
                store.add(late)
            assert getattr(given_up.value.orig, "sqlstate", None) == "40001"

    def test_a_key_that_cannot_be_seen(self, strict: Chosen) -> None:
        """The work is run again, and finds the record."""
        engine, tables = strict
        made = IdempotencyRecord("1" * 64, "theirs", T0)
        late = IdempotencyRecord("1" * 64, "ours", T0)
        runs: list[Session] = []

        def work(session: Session) -> IdempotencyRecord:
            runs.append(session)
            store = SqlConnectionStore(session, tables)
            assert store.find(OURS, THEIRS) is None  # what is committed now can no longer be seen
            if len(runs) == 1:
                with Session(engine) as theirs, theirs.begin():
                    SqlConnectionStore(theirs, tables).once(OURS, KEY, lambda: made)
            return store.once(OURS, KEY, lambda: late)

        assert in_transaction(engine, work) == made
        assert len(runs) == 2

    def test_a_constraint_of_the_hosts(self) -> None:
        """It makes no Connection a duplicate."""
        tables = tables_for(prefix="acme_")
        tables.connections.append_constraint(UniqueConstraint("name", name="pk_of_names"))
        with postgresql() as url:
            engine = create_engine(url)
            tables.metadata.create_all(engine)
            with Session(engine) as session, session.begin():
                store = SqlConnectionStore(session, tables)
                for destination in ("org_1", "org_2"):
                    change = Connection.create(by=OUR_KEY, destination=destination, name="Same")
                    if destination == "org_1":
                        assert store.add(change)
                    else:
                        with pytest.raises(IntegrityError, match="pk_of_names"):
                            store.add(change)
            engine.dispose()


# --- Transactions --------------------------------------------------------------------------------


class TestTransactions:
    """Each makes its services on the tables that it was given."""

    @pytest.mark.parametrize("observed", [True, False])
    def test_of_a_synchronous_host(self, chosen: Chosen, observed: bool) -> None:
        engine, tables = chosen
        seen: list[Status] = []
        made = Transactions(
            engine,
            tables=tables,
            on_change=(lambda _, change: seen.append(change.connection.status))
            if observed
            else None,
            new_id=lambda: "cxn_1",
        )
        made.change(lambda service: service.create(by=OUR_KEY, destination=THEIRS))
        made.change(lambda service: service.activate("cxn_1", by=PARTNER))
        with pytest.raises(DuplicateConnectionError):
            made.change(lambda service: service.create(by=OUR_KEY, destination=THEIRS))
        assert made.ask(lambda service: service.count(by=PARTNER)) == 1
        assert count(engine, tables.connection_events) == 2
        assert seen == ([Status.PENDING, Status.ACTIVE] if observed else [])

    def test_of_an_asynchronous_host(self, tmp_path: Path) -> None:
        async def run(engine: Any, tables: Tables) -> int:
            made = AsyncTransactions(engine, tables=tables)
            await made.change(lambda service: service.create(by=OUR_KEY, destination=THEIRS))
            found = await made.ask(lambda service: service.count(by=PARTNER))
            await engine.dispose()
            return found

        with chosen_tables("sqlite-file", tmp_path) as (engine, tables):
            asynchronous = create_async_engine(engine.url.set(drivername="sqlite+aiosqlite"))
            configure_engine(asynchronous.sync_engine)
            assert asyncio.run(run(asynchronous, tables)) == 1
            assert count(engine, tables.connections) == 1


# --- Statements ----------------------------------------------------------------------------------


class TestStatements:
    """They are built once for each set of tables, because that takes longer than to run them."""

    def test_of_each_set(self) -> None:
        one, other = tables_for(), tables_for()
        assert statements_for(one) is statements_for(one)
        assert statements_for(one) is not statements_for(other)

    def test_of_pages(self) -> None:
        pages = statements_for(tables_for(prefix="acme_")).pages
        selection = selection_of_all()

        def page() -> object:
            found = pages.page_query(selection, beyond=None, newest_first=True, limit=9)
            assert found is not None
            return found[0]

        first, counted = page(), pages.count_query(selection, 9)
        assert page() is first
        assert "FROM acme_connections" in str(first)
        again = pages.count_query(selection, 9)
        assert counted is not None
        assert again is not None
        assert again[0] is counted[0]

    def test_without_foreign_keys(self, engine: Engine) -> None:
        """The store finds its way without them."""
        tables = tables_for(prefix="acme_", foreign_keys=False)
        tables.metadata.create_all(engine)
        with Session(engine) as session, session.begin():
            active = live(session, tables, "Partner")
            (history,) = SqlConnectionStore(session, tables).everything()
            assert history.connection == active
            assert len(history.events) == 2
        assert count(engine, idempotency_keys) == 0
