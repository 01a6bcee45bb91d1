"""The store in a database: what it holds for itself, and what it leaves to the host."""

import json
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path
from threading import Timer
from typing import Any

import pytest
from databases import POSTGRESQL, database, postgresql
from sqlalchemy import (
    URL,
    Column,
    Engine,
    Integer,
    MetaData,
    Table,
    create_engine,
    event,
    func,
    insert,
    inspect,
    literal,
    select,
    text,
    update,
)
from sqlalchemy import column as sql_column
from sqlalchemy import table as sql_table
from sqlalchemy.exc import (
    ArgumentError,
    IntegrityError,
    NoSuchModuleError,
    OperationalError,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from support import OUR_KEY, PARTNER, T0

from connect_core import (
    Action,
    Actor,
    ConnectError,
    Connection,
    ConnectionService,
    DuplicateConnectionError,
    IdempotencyKey,
    IdempotencyRecord,
    InvalidRecordError,
    Organization,
    StaleConnectionError,
    Status,
    can,
    error_document,
)
from connect_core.adapters.sql import (
    History,
    JsonValue,
    SqlConnectionStore,
    UtcTime,
    actionable,
    configure_engine,
    connection_events,
    connections,
    idempotency_keys,
    metadata,
    open_engine,
    visible,
)
from connect_core.adapters.sql import engine as sql_engine

OURS, THEIRS = OUR_KEY.organization_id, PARTNER.organization_id


class Base(DeclarativeBase):
    """The host's own tables."""


class Order(Base):
    """Something of the host's."""

    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    connection_id: Mapped[str]


@pytest.fixture
def host(engine: Engine) -> Engine:
    """A database with a table of the host's beside ours."""
    Base.metadata.create_all(engine)
    return engine


def service_in(session: Session) -> ConnectionService:
    """A service whose Connections are named cxn_1, cxn_2, ... at `T0`."""
    numbers = iter(range(1, 1000))
    return ConnectionService(
        SqlConnectionStore(session), clock=lambda: T0, new_id=lambda: f"cxn_{next(numbers)}"
    )


def committed(engine: Engine) -> Connection:
    """A Connection that is active, and committed."""
    with Session(engine) as session, session.begin():
        service = service_in(session)
        service.create(by=OUR_KEY, destination=THEIRS, name="Partner", idempotency_key="k")
        return service.activate("cxn_1", by=PARTNER).connection


def count(engine: Engine, table: Table) -> int:
    with engine.connect() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()


def noting(seen: list[str], name: str) -> Callable[..., None]:
    """A listener that writes down that it was called."""

    def listener(*_: object) -> None:
        seen.append(name)

    return listener


def edit(engine: Engine, statement: Any) -> None:
    """Change what is stored, past every check: what somebody with a console can do."""
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA ignore_check_constraints = ON")
        else:
            for table in (connections, connection_events):
                for constraint in inspect(connection).get_check_constraints(table.name):
                    connection.exec_driver_sql(
                        f"ALTER TABLE {table.name} DROP CONSTRAINT {constraint['name']}"
                    )
        connection.execute(statement)


class TestTransactions:
    """They are the host's: ours and the host's own rows land together, or not at all."""

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
            with pytest.raises(IntegrityError, match="orders"):
                service_in(session).create(by=OUR_KEY, destination=THEIRS)

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
        """Read before the other's commit, written after it."""
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

    def test_a_lost_create_that_cannot_be_seen(self, engine: Engine) -> None:
        """REPEATABLE READ sees the database as it was when the transaction began."""
        strict = engine.execution_options(isolation_level="REPEATABLE READ")
        with Session(strict) as ours, ours.begin():
            service = service_in(ours)
            assert service.list(by=OUR_KEY).connections == ()
            with Session(engine) as theirs, theirs.begin():
                service_in(theirs).create(by=OUR_KEY, destination=THEIRS)
            with pytest.raises(DuplicateConnectionError) as duplicate:
                service.create(by=OUR_KEY, destination=THEIRS)
            assert duplicate.value.existing_id is None
            assert service.list(by=OUR_KEY).connections == ()

    def test_a_key_that_another_used_meanwhile(self, engine: Engine) -> None:
        """The other's record is told, and what was done here is undone."""
        key = IdempotencyKey("k")
        theirs_record = IdempotencyRecord("1" * 64, "theirs", T0)

        def attempt() -> IdempotencyRecord:
            store.add(Connection.create(by=OUR_KEY, destination=THEIRS, id="cxn_1"))
            with Session(engine) as theirs, theirs.begin():
                SqlConnectionStore(theirs).once(OURS, key, lambda: theirs_record)
            return IdempotencyRecord("2" * 64, "ours", T0)

        with Session(engine) as ours, ours.begin():
            store = SqlConnectionStore(ours)
            assert store.once(OURS, key, attempt) == theirs_record
            assert store.find(OURS, THEIRS) is None

    def test_the_same_request_that_was_quicker(self, engine: Engine) -> None:
        """Who lost a race to themselves is told the answer, and not that they lost."""
        key = IdempotencyKey("k")
        record = IdempotencyRecord("1" * 64, "theirs", T0)

        def attempt() -> IdempotencyRecord:
            with Session(engine) as theirs, theirs.begin():
                SqlConnectionStore(theirs).once(OURS, key, lambda: record)
            raise StaleConnectionError(1, 2)

        with Session(engine) as ours, ours.begin():
            assert SqlConnectionStore(ours).once(OURS, key, attempt) == record

    def test_another_request_that_was_quicker(self, engine: Engine) -> None:
        """That is told, and no record is kept of it."""
        key = IdempotencyKey("k")
        lost = StaleConnectionError(1, 2)

        def attempt() -> IdempotencyRecord:
            store.add(Connection.create(by=OUR_KEY, destination=THEIRS, id="cxn_1"))
            raise lost

        with Session(engine) as ours, ours.begin():
            store = SqlConnectionStore(ours)
            with pytest.raises(StaleConnectionError) as told:
                store.once(OURS, key, attempt)
            assert told.value is lost
            assert store.find(OURS, THEIRS) is None
            again = IdempotencyRecord("2" * 64, "again", T0)
            assert store.once(OURS, key, lambda: again) == again

    def test_a_key_that_cannot_be_seen(self, engine: Engine) -> None:
        """Nothing can be told then; the host tries its transaction again, as it does there."""
        key = IdempotencyKey("k")
        record = IdempotencyRecord("1" * 64, "x", T0)

        def attempt() -> IdempotencyRecord:
            with Session(engine) as theirs, theirs.begin():
                SqlConnectionStore(theirs).once(OURS, key, lambda: record)
            return record

        strict = engine.execution_options(isolation_level="REPEATABLE READ")
        with Session(strict) as ours, ours.begin():
            store = SqlConnectionStore(ours)
            with pytest.raises(IntegrityError, match="pk_connection_idempotency_keys"):
                store.once(OURS, key, attempt)
            assert store.find(OURS, THEIRS) is None


ROW: dict[str, object] = {
    "id": "cxn_9",
    "source_organization_id": "org_A",
    "destination_organization_id": "org_B",
    "status": "pending",
    "scopes": ["x.y"],
    "creator_id": "usr_1",
    "created_at": T0,
    "updated_at": T0,
    "version": 1,
}
EVENT: dict[str, object] = {
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


class TestFilters:
    """The rows that the policy permits, on our own table and its alias. More in `test_filters`."""

    @pytest.mark.parametrize("action", Action)
    @pytest.mark.parametrize("actor", [OUR_KEY, PARTNER], ids=["source", "destination"])
    def test_actionable(self, host: Engine, actor: Actor, action: Action) -> None:
        connection = committed(host)
        allowed = can(actor, action, connection) and action is not Action.CREATE
        for on in (connections, connections.alias()):
            mine = actionable(actor, action, on=on)
            with host.connect() as database:
                found = database.execute(select(on.c.id).where(mine)).all()
                others = database.execute(select(on.c.id).where(~mine)).all()
            assert (len(found), len(others)) == (int(allowed), int(not allowed))

    def test_one_status_is_written_with_an_equals_sign(self) -> None:
        text = str(actionable(PARTNER, Action.ACTIVATE))
        assert "connections.status = " in text
        assert " IN " not in text
        assert " IN " in str(actionable(PARTNER, Action.DEACTIVATE))

    def test_visible(self, host: Engine) -> None:
        committed(host)
        for organization, seen in ((OURS, 1), (Organization(id=THEIRS), 1), ("org_XYZ", 0)):
            with host.connect() as database:
                found = database.execute(select(connections.c.id).where(visible(organization)))
                assert len(found.all()) == seen


class TestConstraints:
    """The database refuses whatever a database can, from whoever writes to it."""

    def refused(self, engine: Engine, table: Table, row: dict[str, object]) -> None:
        with pytest.raises(IntegrityError), engine.begin() as connection:
            connection.execute(insert(table), row)

    def test_what_is_right_is_taken(self, engine: Engine) -> None:
        committed(engine)
        with engine.begin() as connection:
            connection.execute(insert(connections), ROW)
            connection.execute(insert(connection_events), EVENT)

    @pytest.mark.parametrize(
        "changes",
        [
            {"status": "frozen"},
            {"status": "Pending"},
            {"status": None},
            {"version": 0},
            {"version": None},
            {"updated_at": T0 - timedelta(milliseconds=1)},
            {"created_at": None},
            {"scopes": None},
            {"creator_id": None},
            {"id": "cxn_1"},
            {"id": None},
            {"source_organization_id": None},
            {"destination_organization_id": None},
            {"source_organization_id": str(OURS), "destination_organization_id": str(THEIRS)},
        ],
        ids=str,
    )
    def test_connections(self, engine: Engine, changes: dict[str, object]) -> None:
        committed(engine)
        self.refused(engine, connections, ROW | changes)

    @pytest.mark.parametrize(
        "changes",
        [
            {"version": 2},
            {"version": 0},
            {"connection_id": "cxn_none"},
            {"status": "frozen"},
            {"previous_status": "frozen"},
            {"action": "expire"},
            {"action": "activate"},
            {"previous_status": "inactive"},
            {"status": "active"},
            {"previous_status": None},
            {"terms": {"name": None}},
            {"action": "create", "previous_status": None, "status": "pending"},
            {"actor_id": None},
            {"roles": None},
            {"occurred_at": None},
        ],
        ids=str,
    )
    def test_events(self, engine: Engine, changes: dict[str, object]) -> None:
        committed(engine)
        self.refused(engine, connection_events, EVENT | changes)

    def test_nothing_else_may_be_null(self, engine: Engine) -> None:
        may_be = {
            table.name: {
                each["name"] for each in inspect(engine).get_columns(table.name) if each["nullable"]
            }
            for table in metadata.sorted_tables
        }
        assert may_be == {
            "connections": {"name"},
            "connection_events": {"previous_status", "terms"},
            "connection_idempotency_keys": set(),
        }

    def test_a_connection_with_events_stays(self, engine: Engine) -> None:
        committed(engine)
        with pytest.raises(IntegrityError), engine.begin() as connection:
            connection.execute(connections.delete())

    def test_each_step_of_the_lifecycle_is_known(self, engine: Engine) -> None:
        """And no other: the condition is derived from the decision table."""
        steps = {
            ("pending", "activate", "active"),
            ("pending", "deactivate", "inactive"),
            ("active", "deactivate", "inactive"),
            ("inactive", "reactivate", "pending"),
        }
        committed(engine)
        for before in Status:
            for action in ("activate", "deactivate", "reactivate", "create"):
                for after in Status:
                    step = (before.value, action, after.value)
                    row = dict(zip(("previous_status", "action", "status"), step, strict=True))
                    if step in steps:
                        with engine.connect() as connection:  # and rolled back
                            connection.execute(insert(connection_events), EVENT | row)
                    else:
                        self.refused(engine, connection_events, EVENT | row)


class TestHostileRows:
    """What was edited by hand is refused on reading, and the error names the row."""

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"status": "frozen"}, "status: Input should be "),
            ({"status": "ACTIVE"}, "status: "),
            ({"version": 0}, "version: "),
            ({"scopes": []}, "scopes: "),
            ({"scopes": "inquiry.read"}, "scopes: "),
            ({"scopes": ["everything"]}, "scopes.0: "),
            ({"scopes": {"inquiry.read": False}}, "scopes: "),
            ({"creator_id": "nobody"}, "creator.id: "),
            ({"name": "two\nlines"}, "name: "),
            ({"source_organization_id": "ABC123"}, "source_organization_id: "),
            ({"destination_organization_id": "org_"}, "destination_organization_id: "),
            ({"updated_at": T0 - timedelta(days=1)}, "updated_at: "),
        ],
        ids=str,
    )
    def test_connections(self, engine: Engine, changes: dict[str, object], reason: str) -> None:
        committed(engine)
        edit(engine, update(connections).values(changes))
        with Session(engine) as session:
            service = service_in(session)
            for read in (
                lambda: service.get("cxn_1", by=OUR_KEY),
                lambda: service.history("cxn_1", by=OUR_KEY),
                lambda: service.activate("cxn_1", by=PARTNER),
                lambda: service.authorize_access("cxn_1", "inquiry.read", by=PARTNER),
                lambda: list(SqlConnectionStore(session).everything()),
            ):
                with pytest.raises(InvalidRecordError) as caught:
                    read()
                assert caught.value.record == "connections cxn_1"
                assert caught.value.reason.startswith(reason)
                assert error_document(caught.value)[0] == 500

    @pytest.mark.parametrize("status", ["frozen", "", "active "])
    def test_lists(self, engine: Engine, status: str) -> None:
        """A row that fits is refused, not left out: nobody would miss it."""
        committed(engine)
        edit(engine, update(connections).values(status=status))
        with Session(engine) as session, pytest.raises(InvalidRecordError, match="cxn_1"):
            service_in(session).list(by=OUR_KEY)

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"status": "frozen"}, "status: "),
            ({"action": "expire"}, "action: "),
            ({"previous_status": "frozen"}, "previous_status: "),
            ({"actor_id": "nobody"}, "actor.id: "),
            ({"actor_organization_id": "nobody"}, "actor.organization_id: "),
            ({"roles": []}, "roles: "),
            ({"roles": ["owner"]}, "roles"),
            ({"roles": "source"}, "roles: "),
            ({"terms": {"name": None}}, "terms"),
            ({"terms": []}, "terms: "),
            ({"previous_status": None}, "the row: Value error, version 1, no previous_status"),
        ],
        ids=str,
    )
    def test_events(self, engine: Engine, changes: dict[str, object], reason: str) -> None:
        committed(engine)
        second = update(connection_events).where(connection_events.c.version == 2)
        edit(engine, second.values(changes))
        with Session(engine) as session:
            for read in (
                lambda: service_in(session).history("cxn_1", by=OUR_KEY),
                lambda: list(SqlConnectionStore(session).everything()),
            ):
                with pytest.raises(InvalidRecordError) as caught:
                    read()
                assert caught.value.record == "connection_events cxn_1 version 2"
                assert caught.value.reason.startswith(reason)

    @pytest.mark.parametrize(
        "statement",
        [
            connection_events.delete().where(connection_events.c.version == 1),
            connection_events.delete().where(connection_events.c.version == 2),
            update(connection_events).where(connection_events.c.version == 2).values(version=3),
            update(connection_events)
            .where(connection_events.c.version == 2)
            .values(roles=["source"]),
            update(connection_events)
            .where(connection_events.c.version == 2)
            .values(actor_organization_id=str(OURS)),
            update(connections).values(status="pending"),
            update(connections).values(version=3),
            update(connections).values(scopes=["x.y"]),
            update(connections).values(name="Another"),
            update(connections).values(source_organization_id="org_XYZ", creator_id="usr_1"),
        ],
        ids=lambda statement: str(statement).replace("\n", " ")[:60],
    )
    def test_histories(self, engine: Engine, statement: Any) -> None:
        """Each row is well formed, and together they could not have come about."""
        committed(engine)
        edit(engine, statement)
        with Session(engine) as session:
            for read in (
                lambda: service_in(session).history("cxn_1", by=PARTNER),
                lambda: list(SqlConnectionStore(session).everything()),
            ):
                with pytest.raises(InvalidRecordError) as caught:
                    read()
                assert caught.value.record == "the history of cxn_1"

    @pytest.mark.parametrize("outcome", ["", "null", '{"code": "x"}'])
    def test_outcomes(self, engine: Engine, outcome: str) -> None:
        committed(engine)
        edit(engine, update(idempotency_keys).values(outcome=outcome))
        with Session(engine) as session, pytest.raises(InvalidRecordError, match="outcome of 'k'"):
            service_in(session).create(
                by=OUR_KEY, destination=THEIRS, name="Partner", idempotency_key="k"
            )


def set_to(name: str, value: object) -> Any:
    """An update past our column types."""
    return update(sql_table("connections", sql_column(name))).values({name: literal(value)})


class TestHostileText:
    """On SQLite times and JSON are text, and text may be anything."""

    @pytest.fixture
    def engine(self, tmp_path: Path) -> Iterator[Engine]:
        engine = open_engine(f"sqlite:///{tmp_path / 'connections.db'}")
        yield engine
        engine.dispose()

    @pytest.mark.parametrize(
        "written",
        [
            "2026-11-24T12:00:00.123",
            "2026-11-24 12:00:00.123",
            "2026-11-24T12:00:00.123+00:00",
            "2026-11-24T12:00:00Z",
            "2026-11-24T12:00:00.123456Z",
            "2026-11-24t12:00:00.123z",
            "2026-11-24T13:00:00.123+01:00",
            "yesterday",
            "",
            "1795521600123",
        ],
    )
    @pytest.mark.parametrize("column", ["created_at", "updated_at"])
    def test_times_in_connections(self, engine: Engine, column: str, written: str) -> None:
        """Naive ones, and any that would sort wrongly."""
        committed(engine)
        edit(engine, set_to(column, written))
        with Session(engine) as session, pytest.raises(InvalidRecordError) as caught:
            service_in(session).get("cxn_1", by=OUR_KEY)
        assert caught.value.record == "connections cxn_1"
        assert caught.value.reason == f"{column} is {written!r}, no UTC time in milliseconds"

    def test_times_elsewhere(self, engine: Engine) -> None:
        committed(engine)
        edit(engine, text("UPDATE connection_events SET occurred_at = '2026-11-24'"))
        edit(engine, text("UPDATE connection_idempotency_keys SET created_at = '2026-11-24'"))
        with Session(engine) as session:
            service = service_in(session)
            with pytest.raises(InvalidRecordError, match=r"cxn_1 version 1 .* occurred_at is '20"):
                service.history("cxn_1", by=OUR_KEY)
            with pytest.raises(InvalidRecordError, match=r"_keys org_ABC123 'k' .* created_at is"):
                service.create(by=OUR_KEY, destination=THEIRS, idempotency_key="k")

    @pytest.mark.parametrize("written", ["", "{", "inquiry.read", "null", "[1]", "5"])
    def test_json(self, engine: Engine, written: str) -> None:
        committed(engine)
        edit(engine, text("UPDATE connections SET scopes = :s").bindparams(s=written))
        with Session(engine) as session, pytest.raises(InvalidRecordError, match="scopes"):
            service_in(session).get("cxn_1", by=OUR_KEY)

    def test_other_types(self, engine: Engine) -> None:
        """SQLite keeps what it is given, whatever the column's type."""
        for column, value in {"name": b"\xff", "version": "many", "status": 5}.items():
            committed(engine)
            edit(engine, set_to(column, value))
            with Session(engine) as session, pytest.raises(InvalidRecordError, match=column):
                service_in(session).get("cxn_1", by=OUR_KEY)
            edit(engine, connection_events.delete())
            edit(engine, connections.delete())
            edit(engine, idempotency_keys.delete())


class TestColumnTypes:
    """What a host sees that reads the tables itself."""

    def test_times_and_json_are_values(self, engine: Engine) -> None:
        committed(engine)
        with engine.connect() as connection:
            row = connection.execute(select(connections)).one()
            first = connection.execute(
                select(connection_events).order_by(connection_events.c.version)
            ).first()
        assert row.created_at == T0
        assert row.created_at.utcoffset() == timedelta(0)
        assert sorted(row.scopes) == ["account.read", "inquiry.read"]
        assert first is not None
        assert first.terms["name"] == "Partner"

    @pytest.mark.parametrize(("later", "found"), [(-1, 0), (0, 1), (1, 1)])
    def test_they_can_be_asked_for_in_any_time_zone(
        self, engine: Engine, later: int, found: int
    ) -> None:
        committed(engine)
        elsewhere = timezone(timedelta(hours=-3, minutes=-30))
        at = (T0 + timedelta(milliseconds=later)).astimezone(elsewhere)
        with engine.connect() as connection:
            rows = connection.execute(select(connections).where(connections.c.created_at <= at))
            assert len(rows.all()) == found

    def test_a_naive_time_is_refused(self, engine: Engine) -> None:
        naive = select(connections).where(connections.c.created_at < datetime(2026, 1, 1))
        with engine.connect() as connection, pytest.raises(Exception, match="the time is naive"):
            connection.execute(naive)

    def test_types_of_their_own_on_postgresql(self) -> None:
        there = URL.create("postgresql").get_dialect()()
        assert UtcTime().compile(there) == "TIMESTAMP(3) WITH TIME ZONE"
        assert UtcTime().process_bind_param(T0, there) == T0
        assert JsonValue().compile(there) == "JSONB"
        assert JsonValue().process_bind_param(["a"], there) == ["a"]
        assert JsonValue().process_result_value("1", there) == "1"  # the text, not the number

    @pytest.mark.parametrize("database", ["sqlite", "mysql"])
    def test_text_elsewhere(self, database: str) -> None:
        elsewhere = URL.create(database).get_dialect()()
        assert UtcTime().compile(elsewhere) == "VARCHAR(24)"
        assert UtcTime().process_bind_param(T0, elsewhere) == "2026-11-24T12:00:00.123Z"
        assert JsonValue().compile(elsewhere) == "TEXT"
        assert JsonValue().process_bind_param(["a"], elsewhere) == '["a"]'
        assert JsonValue().process_result_value('["a"]', elsewhere) == ["a"]

    def test_each_column(self) -> None:
        """What a host may read, and what a later version may not change without a migration."""
        there = URL.create("postgresql").get_dialect()()
        id_, status, version, time = (
            'VARCHAR COLLATE "C"',
            "VARCHAR(16)",
            "INTEGER",
            "TIMESTAMP(3) WITH TIME ZONE",
        )
        assert {
            table.name: {column.name: column.type.compile(there) for column in table.columns}
            for table in metadata.sorted_tables
        } == {
            "connections": {
                "id": id_,
                "source_organization_id": id_,
                "destination_organization_id": id_,
                "name": "VARCHAR(255)",
                "status": status,
                "scopes": "JSONB",
                "creator_id": id_,
                "created_at": time,
                "updated_at": time,
                "version": version,
            },
            "connection_events": {
                "connection_id": id_,
                "version": version,
                "action": "VARCHAR(16)",
                "previous_status": status,
                "status": status,
                "actor_id": id_,
                "actor_organization_id": id_,
                "roles": "JSONB",
                "occurred_at": time,
                "terms": "JSONB",
            },
            "connection_idempotency_keys": {
                "organization_id": id_,
                "key": id_,
                "fingerprint": "VARCHAR(64)",
                "outcome": "TEXT",
                "created_at": time,
            },
        }

    def test_none_is_null(self, engine: Engine) -> None:
        table = Table(
            "moments",
            MetaData(),
            Column("id", Integer, primary_key=True),
            Column("at", UtcTime),
            Column("value", JsonValue),
        )
        with engine.begin() as connection:
            table.create(connection)
            connection.execute(insert(table), {"id": 1, "at": None, "value": None})
            row = connection.execute(
                select(table).where(table.c.at.is_(None), table.c.value.is_(None))
            ).one()
        assert tuple(row) == (1, None, None)


class TestEngines:
    """`open_engine`: the settings that each database needs, and the tables."""

    def test_the_tables_are_created_once(self, engine: Engine) -> None:
        assert {"connections", "connection_events", "connection_idempotency_keys"} <= set(
            inspect(engine).get_table_names()
        )
        committed(engine)
        if engine.url.database is None:  # a second engine would be another database
            return
        again = open_engine(engine.url)
        assert count(again, connections) == 1
        again.dispose()

    def test_to_open_waits_for_nobody(self, engine: Engine) -> None:
        """Neither for a writer nor for one who creates the tables elsewhere."""
        if engine.url.database is None:  # where there is nobody else
            return
        url = engine.url
        with Session(engine) as session, session.begin():
            service_in(session).create(by=OUR_KEY, destination=THEIRS)
            if engine.dialect.name == "postgresql":
                session.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": 0x636F6E6E})
                options = f"{url.query['options']} -clock_timeout=1000"
                url = url.update_query_dict({"options": options})
            open_engine(url).dispose()

    def test_sqlite(self, tmp_path: Path) -> None:
        engine = open_engine(f"sqlite:///{tmp_path / 'connections.db'}")
        with engine.connect() as connection:
            settings = {
                name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                for name in ("journal_mode", "foreign_keys", "busy_timeout", "synchronous")
            }
        assert settings == {
            "journal_mode": "wal",
            "foreign_keys": 1,
            "busy_timeout": 30_000,
            "synchronous": 1,
        }
        engine.dispose()

    @pytest.mark.parametrize("patient", [False, True])
    def test_write_ahead_logging_waits_for_others(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, patient: bool
    ) -> None:
        """Where somebody else writes to a database that has none yet, SQLite would fail at once."""
        path = tmp_path / "connections.db"
        other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        other.execute("CREATE TABLE theirs (id INTEGER)")
        other.execute("BEGIN IMMEDIATE")
        if patient:
            timer = Timer(0.3, other.execute, ["COMMIT"])
            timer.start()
            open_engine(f"sqlite:///{path}").dispose()
            timer.join()
        else:
            slept: list[float] = []
            monkeypatch.setattr(sql_engine, "sleep", slept.append)
            monkeypatch.setattr(sql_engine, "_BUSY_TIMEOUT", 41)
            with pytest.raises(OperationalError, match="database is locked"):
                open_engine(f"sqlite:///{path}")
            assert slept == [0.02] * 3
            other.execute("COMMIT")
        other.close()
        again = sqlite3.connect(path)
        assert again.execute("PRAGMA journal_mode").fetchone() == ("wal" if patient else "delete",)
        again.close()

    def test_transactions_begin_as_writing_ones(self, tmp_path: Path) -> None:
        """Two that read and then write take turns, and neither fails."""
        engine = open_engine(f"sqlite:///{tmp_path / 'connections.db'}")
        impatient = create_engine(engine.url, connect_args={"timeout": 0})
        reader = engine.execution_options(only_reads=True)
        with engine.connect() as writing, writing.begin():
            writing.execute(select(connections))
            with impatient.connect() as other:
                other.exec_driver_sql("PRAGMA busy_timeout = 0")
                with pytest.raises(OperationalError, match="database is locked"):
                    other.exec_driver_sql("BEGIN IMMEDIATE")
            with reader.connect() as reading:  # and who only reads does not wait
                assert reading.execute(select(connections)).all() == []
        engine.dispose()
        impatient.dispose()

    def test_an_engine_of_the_hosts_own(self, tmp_path: Path) -> None:
        engine = create_engine(f"sqlite:///{tmp_path / 'host.db'}")
        assert configure_engine(engine) is engine
        metadata.create_all(engine)
        assert committed(engine).status is Status.ACTIVE
        engine.dispose()

    def test_one_transaction_at_a_time_in_memory(self) -> None:
        engine = open_engine("sqlite://")
        committed(engine)
        with Session(engine) as session:
            assert service_in(session).get("cxn_1", by=OUR_KEY).version == 2
        with Session(engine) as session, ThreadPoolExecutor(1) as pool:
            service_in(session).list(by=OUR_KEY)
            waiting = pool.submit(count, engine, connections)
            with pytest.raises(TimeoutError):
                waiting.result(0.1)
            session.rollback()
            assert waiting.result(30) == 1
        for url in ("sqlite:///:memory:", "sqlite:///"):
            other = open_engine(url)
            assert count(other, connections) == 0
            other.dispose()
        engine.dispose()

    def test_two_processes_never_create_the_tables_at_once(self) -> None:
        """PostgreSQL would refuse one of them."""
        with postgresql() as url:
            holder = create_engine(url)
            with holder.connect() as other, ThreadPoolExecutor(1) as pool:
                other.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": 0x636F6E6E})
                waiting = pool.submit(open_engine, url)
                with pytest.raises(TimeoutError):
                    waiting.result(0.3)
                metadata.create_all(other)
                other.commit()
                waiting.result(30).dispose()
            holder.dispose()

    def test_postgresql_through_psycopg(self) -> None:
        with postgresql() as url:
            for name in ("postgresql", "postgres"):
                plain = url.set(drivername=name).render_as_string(hide_password=False)
                engine = open_engine(plain)
                assert engine.dialect.driver == "psycopg"
                engine.dispose()
            named = open_engine(url.set(drivername="postgresql+psycopg"))
            with named.connect() as connection:
                assert connection.exec_driver_sql("SHOW transaction_isolation").scalar() == (
                    "read committed"
                )
            named.dispose()

    def test_a_connection_that_the_server_has_closed_is_replaced(self) -> None:
        with postgresql() as url:
            engine = open_engine(url)
            admin = create_engine(POSTGRESQL, isolation_level="AUTOCOMMIT")
            with engine.connect() as connection:
                pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()
            with admin.connect() as connection:
                connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
            assert count(engine, connections) == 0
            engine.dispose()
            admin.dispose()

    @pytest.mark.parametrize(
        ("url", "error"),
        [
            ("", ArgumentError),
            ("connections.db", ArgumentError),
            ("oracular://host", NoSuchModuleError),
            ("sqlite:////no/such/directory/connections.db", OperationalError),
            ("postgresql://127.0.0.1:1/test", OperationalError),
        ],
    )
    def test_what_cannot_be_opened(self, url: str, error: type[Exception]) -> None:
        with pytest.raises(error):
            open_engine(url)


class TestManyAtOnce:
    """What import and export are made of."""

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
        """By what was there, and by an earlier one of the same."""
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
        """By its ordered pair alone, or by its id alone."""
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
    """SQLAlchemy keeps the text, of a host's statements too: it costs more than to run it."""

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
    assert compiled <= {"BEGIN", "SAVEPOINT", "RELEASE"}  # text of its own, with nothing to compile
    assert "[cached since" in caplog.text


def test_a_row_is_plain(tmp_path: Path) -> None:
    """What any tool can read: text and numbers, no pickles and no classes of ours."""
    with database("sqlite-file", tmp_path) as url:
        engine = open_engine(url)
        committed(engine)
        with engine.connect() as connection:
            row = connection.exec_driver_sql("SELECT * FROM connections").mappings().one()
            made = connection.exec_driver_sql(
                "SELECT outcome FROM connection_idempotency_keys"
            ).scalar_one()
        engine.dispose()
    assert dict(row) == {
        "id": "cxn_1",
        "source_organization_id": "org_ABC123",
        "destination_organization_id": "org_DEF456",
        "name": "Partner",
        "status": "active",
        "scopes": '["account.read", "inquiry.read"]',
        "creator_id": "api_ABC123",
        "created_at": "2026-11-24T12:00:00.123Z",
        "updated_at": "2026-11-24T12:00:00.123Z",
        "version": 2,
    }
    assert json.loads(made) == {"connection_id": "cxn_1", "version": 1}
