"""Databases with triggers in use: the store, migrations, other settings, and roles that read."""

from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from databases import database, new_schema
from enforced import (
    ENFORCED,
    REFUSED,
    Enforced,
    enforce,
    enforced,
    event_after,
    step_from,
    unlawful,
)
from sqlalchemy import Connection as Database
from sqlalchemy import MetaData, create_engine, event, insert, select, text, update
from sqlalchemy.dialects import mysql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from support import OUR_KEY, PARTNER, STRANGER, T0

from connect_core import (
    Action,
    Actor,
    Cell,
    Connection,
    ConnectionService,
    Decision,
    DuplicateConnectionError,
    ForbiddenTransitionError,
    InvalidTransitionError,
    Role,
    StaleConnectionError,
    Status,
    decision_table,
)
from connect_core.adapters.sql import (
    History,
    SqlConnectionStore,
    configure_engine,
    enforcement,
    enforcement_rules,
    tables_for,
    visible,
)
from connect_core.adapters.sql.rows import connection_row, event_row
from connect_core.adapters.sql.tables import DEFAULT_TABLES

SECOND = timedelta(seconds=1)
OURS, THEIRS = str(OUR_KEY.organization_id), str(PARTNER.organization_id)


@pytest.fixture(params=ENFORCED)
def held(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Enforced]:
    """A database with triggers; what it holds at the end is lawful."""
    with enforced(request.param, tmp_path) as found:
        yield found
        assert unlawful(found) == []


@contextmanager
def service_on(held: Enforced) -> Generator[ConnectionService]:
    with Session(held.engine) as session, session.begin():
        yield ConnectionService(SqlConnectionStore(session, held.tables))


# --- The store -----------------------------------------------------------------------------------


class TestTheStore:
    """The service works on a database with triggers as on any other."""

    def test_a_life(self, held: Enforced) -> None:
        with service_on(held) as service:
            created, _ = service.create(by=OUR_KEY, destination=THEIRS, idempotency_key="k")
        with service_on(held) as service:
            again = service.create(by=OUR_KEY, destination=THEIRS, idempotency_key="k")
            assert again.replayed
            service.activate(created.id, by=PARTNER, idempotency_key="k")
            service.deactivate(created.id, by=OUR_KEY)
        with service_on(held) as service:
            service.reactivate(created.id, by=OUR_KEY, expected_version=3)
            service.activate(created.id, by=PARTNER)
        with service_on(held) as service:
            assert service.get(created.id, by=PARTNER).version == 5
            assert len(service.history(created.id, by=OUR_KEY)) == 5

    def test_refusals(self, held: Enforced) -> None:
        """The service refuses with its own errors, and the session goes on."""
        with service_on(held) as service:
            created, _ = service.create(by=OUR_KEY, destination=THEIRS)
            with pytest.raises(DuplicateConnectionError):
                service.create(by=OUR_KEY, destination=THEIRS)
            with pytest.raises(ForbiddenTransitionError):
                service.activate(created.id, by=OUR_KEY)
            with pytest.raises(InvalidTransitionError):
                service.reactivate(created.id, by=OUR_KEY)
            service.activate(created.id, by=PARTNER)
            with pytest.raises(StaleConnectionError):
                service.deactivate(created.id, by=PARTNER, expected_version=1)
            service.create(by=PARTNER, destination=OURS)
        with service_on(held) as service:
            assert service.count(by=OUR_KEY) == 2

    def test_an_id_that_is_taken(self, held: Enforced) -> None:
        with Session(held.engine) as session, session.begin():
            store = SqlConnectionStore(session, held.tables)
            service = ConnectionService(store, new_id=lambda: "cxn_1")
            service.create(by=OUR_KEY, destination=THEIRS)
            change = Connection.create(by=OUR_KEY, destination="org_other", id="cxn_1")
            assert not store.add(change)

    @pytest.mark.parametrize("first", [True, False], ids=["a creation", "a step"])
    def test_an_event_that_fails(self, held: Enforced, first: bool) -> None:
        """The store undoes the change; where the transaction goes on, it can be committed."""
        created, added = Connection.create(by=OUR_KEY, destination=THEIRS, id="cxn_1", at=T0)
        change = created.activate(by=PARTNER, at=T0 + SECOND)
        if not first:
            held.write(connection_row(created), event_row(added))
        before = held.rows("cxn_1")
        with failing_events(held), Session(held.engine) as session:
            store = SqlConnectionStore(session, held.tables)
            with pytest.raises(IntegrityError, match="no event"):
                _ = store.add(type(change)(created, added)) if first else store.save(change)
            session.commit()
        assert held.rows("cxn_1") == before

    def test_an_import(self, held: Enforced) -> None:
        histories: list[History] = []
        for number in range(20):
            change = Connection.create(by=OUR_KEY, destination=f"org_{number}", at=T0)
            events = [change.event]
            other = Actor(id="usr_2", organization_id=f"org_{number}")
            for action, by in [("activate", other), ("deactivate", OUR_KEY)][: number % 3]:
                change = change.connection.take(action, by=by, at=T0 + SECOND)
                events.append(change.event)
            histories.append(History(change.connection, events))
        with Session(held.engine) as session, session.begin():
            store = SqlConnectionStore(session, held.tables)
            assert store.add_all(histories[:5]) == []
            assert store.add_all(histories) == [0, 1, 2, 3, 4]
        with Session(held.engine) as session:
            found = SqlConnectionStore(session, held.tables).everything()
            stored = {each.connection.id: each.connection for each in found}
        assert stored == {each.connection.id: each.connection for each in histories}

    def test_an_import_in_parts(self, held: Enforced) -> None:
        """A history that is too long for one statement."""
        created, first = Connection.create(by=OUR_KEY, destination=THEIRS, at=T0)
        active, second = created.activate(by=PARTNER, at=T0)
        inactive, third = active.deactivate(by=PARTNER, at=T0)
        with Session(held.engine) as session, session.begin():
            store = SqlConnectionStore(session, held.tables)
            assert store.add_all([History(inactive, [first])]) == []
            store.add_events([second])
            store.add_events([third])


@contextmanager
def failing_events(held: Enforced) -> Generator[None]:
    """A trigger of the host's that refuses every event."""
    dialect = held.engine.dialect
    table = dialect.identifier_preparer.format_table(held.tables.connection_events)
    name = table.replace("connection_events", "a_refusal") if "." in table else "a_refusal"
    statements = {
        "sqlite": [
            f"CREATE TRIGGER a_refusal BEFORE INSERT ON {table}"
            " BEGIN SELECT RAISE(ABORT, 'no event'); END"
        ],
        "postgresql": [
            f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS"
            " $$BEGIN RAISE 'no event' USING ERRCODE = '23000'; END$$",
            f"CREATE TRIGGER a_refusal BEFORE INSERT ON {table}"
            f" FOR EACH ROW EXECUTE FUNCTION {name}()",
        ],
        "mariadb": [
            f"CREATE TRIGGER {name} BEFORE INSERT ON {table} FOR EACH ROW"
            " SIGNAL SQLSTATE '23000' SET MYSQL_ERRNO = 1048, MESSAGE_TEXT = 'no event'"
        ],
    }
    with held.engine.begin() as connection:
        for statement in statements[dialect.name]:
            connection.execute(text(statement))
    yield


def test_others_commit_meanwhile(held: Enforced) -> None:
    """A transaction that began before the last step can write the next one.

    In MariaDB, a query sees what was committed when its transaction began, and an update what is
    committed now.
    """
    if held.engine.dialect.name != "mariadb":
        pytest.skip("only MariaDB reads an older state than it writes")
    connection = held.create("cxn_1", OURS, THEIRS)
    with held.engine.connect() as old:
        old.execute(select(held.tables.connections)).all()
        held.take(connection, Action.ACTIVATE, PARTNER)
        active, _ = connection.activate(by=PARTNER, at=connection.updated_at + SECOND)
        held.change(old, "cxn_1", step_from(active, Action.DEACTIVATE))
        held.add_event(old, event_after(active, Action.DEACTIVATE, PARTNER))
        old.commit()


# --- Statements ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ENFORCED)
class TestStatements:
    """What is created can be created again, and removed."""

    def test_again(self, kind: str, tmp_path: Path) -> None:
        with enforced(kind, tmp_path) as held:
            connection = held.create("cxn_1", OURS, THEIRS)
            enforce(held.engine, held.tables)
            with pytest.raises(REFUSED):
                held.take(connection, Action.ACTIVATE, OUR_KEY)

    def test_removed(self, kind: str, tmp_path: Path) -> None:
        with enforced(kind, tmp_path) as held:
            connection = held.create("cxn_1", OURS, THEIRS)
            for _ in range(2):
                with held.engine.begin() as database:
                    for statement in enforcement(held.engine.dialect, tables=held.tables).drop:
                        database.execute(statement)
            held.take(connection, Action.ACTIVATE, OUR_KEY)
            with held.engine.begin() as database:
                database.execute(update(held.tables.connection_events).values(actor_id="usr_x"))
            assert left_behind(held) == 0

    def test_in_a_migration(self, kind: str, tmp_path: Path) -> None:
        """Alembic executes them, and can write them into a script."""
        with enforced(kind, tmp_path) as held:
            made = enforcement(held.engine.dialect, tables=held.tables)
            with held.engine.begin() as database:
                operations = Operations(MigrationContext.configure(database))
                for statement in (*made.drop, *made.create):
                    operations.execute(statement)
            connection = held.create("cxn_1", OURS, THEIRS)
            with pytest.raises(REFUSED):
                held.take(connection, Action.ACTIVATE, OUR_KEY)


def left_behind(held: Enforced) -> int:
    """How many triggers and functions there are."""
    schema = held.tables.connections.schema
    queries = {
        "sqlite": "SELECT count(*) FROM sqlite_master WHERE type = 'trigger'",
        "postgresql": (
            "SELECT (SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal AND tgrelid IN"
            " (SELECT oid FROM pg_class WHERE relnamespace = place.oid)) +"
            " (SELECT count(*) FROM pg_proc WHERE pronamespace = place.oid)"
            " FROM pg_namespace AS place WHERE nspname = coalesce(:schema, current_schema())"
        ),
        "mariadb": (
            "SELECT count(*) FROM information_schema.triggers"
            " WHERE trigger_schema = coalesce(:schema, database())"
        ),
    }
    query = text(queries[held.engine.dialect.name])
    with held.engine.connect() as database:
        parameters = {} if held.engine.dialect.name == "sqlite" else {"schema": schema}
        return int(database.execute(query, parameters).scalar_one())


@pytest.mark.parametrize("kind", ["sqlite-memory", "postgresql", "mariadb"])
def test_with_the_tables(kind: str, tmp_path: Path) -> None:
    """``create_all`` creates them with the tables, if they listen to it."""
    tables = tables_for(MetaData(), prefix="host_")
    with database(kind, tmp_path) as url:
        engine = configure_engine(create_engine(url))
        for statement in enforcement(engine.dialect, tables=tables).create:
            event.listen(tables.metadata, "after_create", statement)
        for _ in range(2):
            tables.metadata.create_all(engine)
        held = Enforced(engine, tables)
        connection = held.create("cxn_1", OURS, THEIRS)
        with pytest.raises(REFUSED, match="the source may not take activate"):
            held.take(connection, Action.ACTIVATE, OUR_KEY)
        engine.dispose()


def test_in_a_script(capsys: pytest.CaptureFixture[str]) -> None:
    """Alembic writes them into a script as they are."""
    context = MigrationContext.configure(dialect_name="postgresql", opts={"as_sql": True})
    for statement in enforcement("postgresql").create:
        Operations(context).execute(statement)
    written = capsys.readouterr().out
    assert "connect_core: the destination may not take reactivate" in written
    assert "RAISE EXCEPTION USING ERRCODE = 'check_violation'" in written


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql", "mariadb"])
def test_a_changed_table_changes_the_triggers(
    dialect: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing that follows from the decision table is written by hand."""
    monkeypatch.setattr(enforcement_rules, "decision_table", destination_may_reactivate)
    changed = [str(each.statement) for each in enforcement(dialect).create]
    monkeypatch.undo()
    ours = [str(each.statement) for each in enforcement(dialect).create]
    step = '["destination"] reactivate inactive pending'
    assert step not in "".join(ours)
    assert step in "".join(changed)
    assert sum(one != other for one, other in zip(ours, changed, strict=True)) == 1


def test_a_changed_table_permits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(enforcement_rules, "decision_table", destination_may_reactivate)
    with enforced("sqlite-memory", tmp_path) as held:
        connection = held.create("cxn_1", OURS, THEIRS, Status.INACTIVE)
        held.take(connection, Action.REACTIVATE, PARTNER)
        with held.engine.begin() as database:
            for statement in enforcement("sqlite").drop:
                database.execute(statement)


def destination_may_reactivate() -> Mapping[Cell, Decision]:
    """The decision table with one more step."""
    cell = Cell(Status.INACTIVE, Action.REACTIVATE, frozenset({Role.DESTINATION}))
    permitted = Decision(Action.REACTIVATE, Status.INACTIVE, cell.roles, Status.PENDING)
    return {**decision_table(), cell: permitted}


class TestArguments:
    """Wrong ones are refused, and say what to pass."""

    @pytest.mark.parametrize("dialect", ["mysql", "duckdb", "PostgreSQL", ""])
    def test_another_database(self, dialect: str) -> None:
        with pytest.raises(ValueError, match="there are triggers for postgresql, sqlite, mariadb"):
            enforcement(dialect)

    def test_mysql(self) -> None:
        """The URL of a MariaDB server may begin with mysql; the dialect knows."""
        dialect: Any = mysql.dialect()
        with pytest.raises(ValueError, match="dialect is 'mysql'"):
            enforcement(dialect)
        dialect.is_mariadb = True
        assert texts(enforcement(dialect)) == texts(enforcement("mariadb"))

    def test_an_engine(self) -> None:
        engine = create_engine("sqlite://")
        with pytest.raises(TypeError, match="Engine; pass its dialect"):
            enforcement(cast("Any", engine))
        assert texts(enforcement(engine.dialect)) == texts(enforcement("sqlite"))

    def test_of_another_type(self) -> None:
        with pytest.raises(TypeError, match="dialect: expected a name or a Dialect, got"):
            enforcement(cast("Any", 5))
        with pytest.raises(TypeError, match="tables: expected what tables_for returns"):
            enforcement("sqlite", tables=cast("Any", DEFAULT_TABLES.metadata))
        with pytest.raises(TypeError, match="read_policy"):
            enforcement("postgresql", read_policy=cast("Any", "yes"))

    @pytest.mark.parametrize("dialect", ["sqlite", "mariadb"])
    def test_policies_elsewhere(self, dialect: str) -> None:
        with pytest.raises(ValueError, match="only PostgreSQL has policies"):
            enforcement(dialect, read_policy=True)

    def test_a_dialect_of_a_class(self) -> None:
        assert texts(enforcement(sqlite.dialect())) == texts(enforcement("sqlite"))


def texts(made: Any) -> list[list[str]]:
    return [[each.statement for each in statements] for statements in made]


# --- PostgreSQL ----------------------------------------------------------------------------------


class TestSettings:
    """What a session of PostgreSQL sets does not change what a trigger reads."""

    @pytest.fixture(params=["postgresql", "postgresql-chosen"])
    def held(self, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Enforced]:
        with enforced(request.param, tmp_path) as found:
            yield found
            assert unlawful(found) == []

    def test_temporary_tables(self, held: Enforced) -> None:
        """Tables of the session's own that have the names of ours, and hold other rows."""
        connection = held.create("cxn_1", OURS, THEIRS)
        quote = held.engine.dialect.identifier_preparer.quote
        with held.engine.connect() as database:
            place = held.tables.connections.schema or database.scalar(
                text("SELECT current_schema()")
            )
            for table in held.tables[:2]:
                own, name = quote(table.name), f"{quote(str(place))}.{quote(table.name)}"
                database.execute(text(f"CREATE TEMP TABLE {own} AS TABLE {name}"))
            shadow = held.tables.connections.to_metadata(MetaData(), schema="pg_temp")
            database.execute(update(shadow).values(version=2))
            events = held.tables.connection_events.to_metadata(MetaData(), schema=str(place))
            values = event_after(connection, Action.ACTIVATE, PARTNER)
            with pytest.raises(IntegrityError, match="has not reached the version"):
                database.execute(insert(events).values(values))

    def test_operators(self, held: Enforced) -> None:
        """Operators of somebody's own, before those of PostgreSQL."""
        connection = held.create("cxn_1", OURS, THEIRS)
        with new_schema("postgresql", f"evil_{uuid4().hex}") as evil, held.engine.connect() as own:
            path = own.scalar(text("SHOW search_path"))
            for left in ("text", "varchar"):
                own.execute(
                    text(
                        f"CREATE FUNCTION {evil}.same({left}, {left}) RETURNS boolean"
                        " LANGUAGE sql IMMUTABLE AS 'SELECT true'"
                    )
                )
                own.execute(
                    text(
                        f"CREATE OPERATOR {evil}.= (FUNCTION = {evil}.same,"
                        f" LEFTARG = {left}, RIGHTARG = {left})"
                    )
                )
            own.commit()
            own.execute(text(f"SET search_path = {evil}, {path}, pg_catalog"))
            assert own.scalar(text("SELECT 'a'::varchar = 'b'::varchar")) is True
            held.change(own, "cxn_1", step_from(connection, Action.ACTIVATE))
            with pytest.raises(IntegrityError, match="connect_core: "):
                held.add_event(own, event_after(connection, Action.ACTIVATE, STRANGER))

    def test_immediate_constraints(self, held: Enforced) -> None:
        """Checks that do not wait refuse more, never less."""
        connection = held.create("cxn_1", OURS, THEIRS)
        with held.engine.connect() as database:
            database.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
            with pytest.raises(IntegrityError, match="the event of the last version is missing"):
                held.change(database, "cxn_1", step_from(connection, Action.ACTIVATE))

    def test_a_connection_without_events(self, held: Enforced) -> None:
        row = connection_row(Connection.create(by=OUR_KEY, destination=THEIRS).connection)
        with held.engine.connect() as database:
            held.add(database, row)
            with pytest.raises(IntegrityError, match="the event of the last version is missing"):
                database.commit()


# --- The policy ----------------------------------------------------------------------------------

HOSTILE = [
    "org_A",
    "org_B",
    "org_a",
    "ORG_A",
    "org_A ",
    " org_A",
    "org_",
    "org_AB",
    "",
    "NULL",
    "org_A' OR '1'='1",
    "оrg_A",  # noqa: RUF001  # a Cyrillic o
    "org_A\u0301",
    "org%",
    "org_A\n",
]


class TestReadPolicy:
    """A role sees what is visible to the organization in the session's setting."""

    @pytest.fixture(params=["postgresql", "postgresql-chosen"])
    def held(self, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Enforced]:
        with enforced(request.param, tmp_path, read_policy=True) as found:
            yield found

    @pytest.fixture
    def role(self, held: Enforced) -> Iterator[str]:
        """A role that may read the two tables, and write into them as far as policies permit."""
        name = f"connect_core_{uuid4().hex}"
        format_table = held.engine.dialect.identifier_preparer.format_table
        tables = ", ".join(map(format_table, held.tables[:2]))
        with held.engine.begin() as database:
            schema = held.tables.connections.schema or database.scalar(
                text("SELECT current_schema()")
            )
            quoted = held.engine.dialect.identifier_preparer.quote(str(schema))
            database.execute(text(f"CREATE ROLE {name}"))
            database.execute(text(f"GRANT USAGE ON SCHEMA {quoted} TO {name}"))
            database.execute(text(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {tables} TO {name}"))
        yield name
        with held.engine.begin() as database:
            database.execute(text(f"DROP OWNED BY {name}"))
            database.execute(text(f"DROP ROLE {name}"))

    def hostile(self, held: Enforced) -> None:
        """Rows whose organizations only look alike, with an event each."""
        with held.engine.begin() as database:
            database.execute(text("SET LOCAL session_replication_role = replica"))
            for number, source in enumerate(HOSTILE):
                for other, destination in enumerate(HOSTILE):
                    change = Connection.create(
                        by=OUR_KEY, destination=THEIRS, id=f"cxn_{number}-{other}", at=T0
                    )
                    pair = {
                        "source_organization_id": source,
                        "destination_organization_id": destination,
                    }
                    held.add(database, connection_row(change.connection) | pair)
                    held.add_event(database, event_row(change.event))

    def acting(self, database: Database, role: str, organization_id: str | None) -> None:
        database.execute(text(f"SET LOCAL ROLE {role}"))
        if organization_id is not None:
            setting = text("SELECT set_config('connect_core.organization_id', :it, true)")
            database.execute(setting, {"it": organization_id})

    def test_it_is_the_filter(self, held: Enforced, role: str) -> None:
        self.hostile(held)
        connections, events = held.tables[:2]
        for organization_id in filter(None, HOSTILE):
            expected = select(connections.c.id).where(visible(organization_id, connections))
            with held.engine.connect() as database:
                seen = set(database.scalars(expected))
                assert len(seen) == 2 * len(HOSTILE) - 1
                self.acting(database, role, organization_id)
                assert set(database.scalars(select(connections.c.id))) == seen
                assert set(database.scalars(select(events.c.connection_id))) == seen

    def test_nobody_sees_nothing(self, held: Enforced, role: str) -> None:
        """If the setting is absent or empty, also where an organization's id is empty."""
        self.hostile(held)
        for organization_id in (None, "", "org_C"):
            with held.engine.connect() as database:
                self.acting(database, role, organization_id)
                for table in held.tables[:2]:
                    assert database.execute(select(table)).all() == []

    def test_it_permits_no_change(self, held: Enforced, role: str) -> None:
        """Reading is all that it permits; other policies may permit more."""
        connection = held.create("cxn_1", OURS, THEIRS)
        with held.engine.connect() as database:
            self.acting(database, role, THEIRS)
            assert held.change(database, "cxn_1", step_from(connection, Action.ACTIVATE)) == 0
            new, _ = Connection.create(by=PARTNER, destination=OURS, at=T0)
            with pytest.raises(Exception, match="row-level security"):
                held.add(database, connection_row(new))

    def test_a_role_that_may_write(self, held: Enforced, role: str) -> None:
        """With a policy of its own, it writes under the same triggers."""
        connection = held.create("cxn_1", OURS, THEIRS)
        format_table = held.engine.dialect.identifier_preparer.format_table
        with held.engine.begin() as database:
            for table in held.tables[:2]:
                name = format_table(table)
                database.execute(
                    text(
                        f"CREATE POLICY service ON {name} TO {role} USING (true) WITH CHECK (true)"
                    )
                )
        with held.engine.connect() as database:
            self.acting(database, role, None)
            held.change(database, "cxn_1", step_from(connection, Action.ACTIVATE))
            held.add_event(database, event_after(connection, Action.ACTIVATE, PARTNER))
            database.commit()
        assert len(held.rows("cxn_1")[1]) == 2

    def test_the_owner_sees_everything(self, held: Enforced) -> None:
        """Like superusers and roles with BYPASSRLS, so that the store goes on working."""
        with service_on(held) as service:
            created, _ = service.create(by=OUR_KEY, destination=THEIRS)
            service.activate(created.id, by=PARTNER)
            assert service.count(by=PARTNER) == 1

    def test_removed(self, held: Enforced, role: str) -> None:
        self.hostile(held)
        made = enforcement("postgresql", tables=held.tables, read_policy=True)
        with held.engine.begin() as database:
            for _ in range(2):
                for statement in made.drop:
                    database.execute(statement)
            self.acting(database, role, None)
            found = database.execute(select(held.tables.connections)).all()
            assert len(found) == len(HOSTILE) ** 2
