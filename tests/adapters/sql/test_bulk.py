"""Adding many Connections at once: all of them or none, without a savepoint."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from databases import postgresql
from embedding import edit
from sqlalchemy import Engine, delete, select, text
from sqlalchemy.event import listen, remove
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.orm import Session
from support import OUR_KEY, T0

from connect_core import Connection
from connect_core.adapters.sql import (
    History,
    SqlConnectionStore,
    bulk,
    connection_events,
    connections,
    open_engine,
)


def created(number: int, *, destination: str = "", name: str | None = None) -> History:
    """A Connection with one event."""
    connection, event = Connection.create(
        by=OUR_KEY,
        destination=destination or f"org_{number}",
        name=name,
        id=f"cxn_{number:04}",
        at=T0 + timedelta(seconds=number),
    )
    return History(connection, (event,))


def run(engine: Engine, statement: str) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(statement)


def stored(session: Session) -> tuple[list[Any], list[Any]]:
    """The ids of the Connections, and of the events."""
    ids = select(connections.c.id).order_by(connections.c.id)
    events = select(connection_events.c.connection_id).order_by(connection_events.c.connection_id)
    return list(session.scalars(ids)), list(session.scalars(events))


class TestStatements:
    """The number of statements does not depend on the number of Connections."""

    def test_they_are_few_and_hold_no_savepoint(self, engine: Engine) -> None:
        asked: list[str] = []

        def ask(_: object, __: object, statement: str, *___: object) -> None:
            asked.append(statement.split()[0])

        with Session(engine) as session, session.begin():
            store = SqlConnectionStore(session)
            store.add_all([created(0)])
            listen(engine, "before_cursor_execute", ask)
            assert store.add_all([created(number) for number in range(1, 301)]) == []
            remove(engine, "before_cursor_execute", ask)
        if engine.dialect.name == "postgresql":
            assert asked == ["INSERT", "INSERT"]
        elif engine.dialect.name == "mariadb":
            assert asked == ["SELECT", "SELECT", "INSERT", "INSERT"]
        else:
            assert asked == ["SELECT", "SELECT", "SELECT", "INSERT", "INSERT"]

    @pytest.mark.parametrize("engine", ["mariadb"], indirect=True)
    def test_those_of_mariadb_stay_short(
        self, engine: Engine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Its server limits how long they are, so that many Connections take several of them."""
        sizes: list[int] = []

        def ask(_: object, __: object, statement: str, values: Any, *___: object) -> None:
            if statement.startswith("INSERT"):
                sizes.append(len(next(iter(values.values()))))

        monkeypatch.setattr(bulk, "PORTION", 5_000)
        with Session(engine) as session, session.begin():
            listen(engine, "before_cursor_execute", ask)
            store = SqlConnectionStore(session)
            assert store.add_all([created(number) for number in range(300)]) == []
            remove(engine, "before_cursor_execute", ask)
            assert len(stored(session)[1]) == 300
        assert len(sizes) > 10
        assert max(sizes) < 15_000  # the names of the columns are not counted

    def test_what_is_taken_is_found_by_indexes(self) -> None:
        """On PostgreSQL, too, where it is looked up only if something was left out."""
        with postgresql() as url:
            engine = open_engine(url)
            plans: list[str] = []

            def explain(_: object, cursor: Any, statement: str, values: Any, *__: object) -> None:
                if statement.startswith("SELECT"):
                    other = cursor.connection.cursor()
                    other.execute(f"EXPLAIN {statement}", values)
                    plans.extend(row[0] for row in other.fetchall())

            with Session(engine) as session, session.begin():
                store = SqlConnectionStore(session)
                store.add_all([created(number) for number in range(1000)])
                session.execute(text("ANALYZE connections"))
                session.execute(text("SET LOCAL enable_seqscan = off"))  # the table is small
                listen(engine, "before_cursor_execute", explain)
                assert store.add_all([created(number) for number in range(200)]) == list(range(200))
                remove(engine, "before_cursor_execute", explain)
            engine.dispose()
        assert [line for line in plans if "Index" in line]
        assert not [line for line in plans if "Seq Scan" in line]

    def test_every_text_comes_back(self, engine: Engine) -> None:
        """Whatever would end a text, an item or an array."""
        names = [
            None,
            "",
            "NULL",
            'a "b"',
            "a\\b",
            '{"',
            "},{",
            "a,b",
            "'",
            "%s :x",
            "Söhne 🎉",
            " x ",
        ]
        kept = [created(number, name=name) for number, name in enumerate(names)]
        with Session(engine) as session, session.begin():
            store = SqlConnectionStore(session)
            assert store.add_all(kept) == []
            assert list(store.everything()) == kept

    def test_times_in_a_session_of_another_time_zone(self) -> None:
        with postgresql() as url:
            engine = open_engine(url)
            with Session(engine) as session, session.begin():
                session.execute(text("SET TIME ZONE 'Asia/Tokyo'"))
                store = SqlConnectionStore(session)
                store.add_all([created(1)])
                assert store.get(created(1).connection.id) == created(1).connection
                assert tuple(store.history(created(1).connection.id)) == created(1).events
            engine.dispose()

    def test_what_postgresql_cannot_store(self) -> None:
        """It is refused before it is sent: a text with a NUL would be taken for two."""
        with postgresql() as url:
            engine = open_engine(url)
            connection, events = created(1, name="a")
            spoilt = connection.model_copy(update={"name": "a\0b"})
            with Session(engine) as session:
                store = SqlConnectionStore(session)
                with pytest.raises(ValueError, match=r"U\+0000"):
                    store.add_all([History(spoilt, events)])
            engine.dispose()


class TestLeftOut:
    """An earlier one takes its id and its pair only if it is added itself."""

    def test_one_after_one_that_is_left_out(self, engine: Engine) -> None:
        same_id = created(1, destination="org_x")
        same_pair = created(2, destination="org_x")
        with Session(engine) as session, session.begin():
            store = SqlConnectionStore(session)
            store.add_all([created(1)])
            assert store.add_all([same_id, same_pair, created(3, destination="org_x")]) == [0, 2]
            assert store.get(same_pair.connection.id) == same_pair.connection

    def test_the_same_twice(self, engine: Engine) -> None:
        with Session(engine) as session, session.begin():
            store = SqlConnectionStore(session)
            assert store.add_all([created(1), created(2), created(1)]) == [2]
            assert stored(session) == (["cxn_0001", "cxn_0002"], ["cxn_0001", "cxn_0002"])

    def test_more_than_are_looked_up_at_once(self, engine: Engine) -> None:
        many = [created(number) for number in range(1001)]
        with Session(engine) as session, session.begin():
            store = SqlConnectionStore(session)
            assert store.add_all(many[::2]) == []
            assert store.add_all(many) == list(range(0, 1001, 2))
            assert len(stored(session)[0]) == 1001


class TestRefused:
    """If the database refuses a row, nothing of the batch is there, and the rest stays."""

    @pytest.mark.parametrize("engine", ["sqlite-memory", "sqlite-file"], indirect=True)
    @pytest.mark.parametrize(
        "refused",
        [
            "connections WHEN NEW.id = 'cxn_0003'",
            "connection_events WHEN NEW.connection_id = 'cxn_0003'",
        ],
    )
    def test_by_a_trigger(self, engine: Engine, refused: str) -> None:
        table, when = refused.split(" WHEN ")
        run(
            engine,
            f"CREATE TRIGGER refusing BEFORE INSERT ON {table} WHEN {when}"
            " BEGIN SELECT RAISE(ABORT, 'not this one'); END",
        )
        with Session(engine) as session, session.begin():
            store = SqlConnectionStore(session)
            store.add_all([created(0), created(9)])
            with pytest.raises(IntegrityError, match="not this one"):
                store.add_all([created(number) for number in range(6)])
            assert stored(session) == (["cxn_0000", "cxn_0009"], ["cxn_0000", "cxn_0009"])
            assert store.add_all([created(1), created(0)]) == [1]  # and the transaction goes on

    @pytest.mark.parametrize("engine", ["sqlite-memory", "sqlite-file"], indirect=True)
    def test_with_more_than_are_looked_up_at_once(self, engine: Engine) -> None:
        run(
            engine,
            "CREATE TRIGGER refusing BEFORE INSERT ON connection_events"
            " WHEN NEW.connection_id = 'cxn_1000' BEGIN SELECT RAISE(ABORT, 'not this one'); END",
        )
        with Session(engine) as session, session.begin():
            store = SqlConnectionStore(session)
            store.add_all([created(0)])
            with pytest.raises(IntegrityError, match="not this one"):
                store.add_all([created(number) for number in range(1001)])
            assert stored(session) == (["cxn_0000"], ["cxn_0000"])

    @pytest.mark.parametrize("engine", ["mariadb"], indirect=True)
    @pytest.mark.parametrize("portion", [1, 1000, bulk.PORTION])
    @pytest.mark.parametrize(
        ("table", "column"), [("connections", "id"), ("connection_events", "connection_id")]
    )
    def test_by_a_trigger_of_mariadb(
        self,
        engine: Engine,
        monkeypatch: pytest.MonkeyPatch,
        portion: int,
        table: str,
        column: str,
    ) -> None:
        """However many rows a statement has."""
        run(
            engine,
            f"CREATE TRIGGER refusing BEFORE INSERT ON {table} FOR EACH ROW"
            f" IF NEW.{column} = 'cxn_0003' THEN SIGNAL SQLSTATE '23000'"
            " SET MESSAGE_TEXT = 'not this one'; END IF",
        )
        monkeypatch.setattr(bulk, "PORTION", portion)
        with Session(engine) as session, session.begin():
            store = SqlConnectionStore(session)
            store.add_all([created(0), created(9)])
            with pytest.raises(DBAPIError, match="not this one"):
                store.add_all([created(number) for number in range(6)])
            assert stored(session) == (["cxn_0000", "cxn_0009"], ["cxn_0000", "cxn_0009"])
            assert store.add_all([created(1), created(0)]) == [1]  # and the transaction goes on

    @pytest.mark.parametrize("engine", ["sqlite-memory", "sqlite-file"], indirect=True)
    def test_events_that_were_there_before_stay(self, engine: Engine) -> None:
        """Two Connections were deleted, but not the event of one and the last of the other."""
        begun, (event,) = created(1)
        ended, last = begun.deactivate(by=OUR_KEY)
        with Session(engine) as session, session.begin():
            SqlConnectionStore(session).add_all([History(ended, (event, last)), created(2)])
        with engine.connect() as connection:
            connection.exec_driver_sql("COMMIT")  # within a transaction it would have no effect
            connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
            connection.exec_driver_sql("BEGIN")
            connection.commit()
        edit(engine, delete(connections))
        columns = connection_events.c
        first = (columns.connection_id == "cxn_0001") & (columns.version == 1)
        edit(engine, delete(connection_events).where(first))
        with Session(engine) as session, session.begin():
            with pytest.raises(IntegrityError):
                SqlConnectionStore(session).add_all([created(number) for number in range(4)])
            assert stored(session) == ([], ["cxn_0001", "cxn_0002"])

    def test_by_a_unique_index_of_the_hosts(self, engine: Engine) -> None:
        """It makes no Connection a duplicate, also if another one is left out."""
        run(engine, "CREATE UNIQUE INDEX of_the_host ON connections (name)")
        with Session(engine) as session, session.begin():
            SqlConnectionStore(session).add_all([created(0, name="one")])
        with Session(engine) as session:
            with pytest.raises(IntegrityError, match=r"of_the_host|connections\.name"):
                SqlConnectionStore(session).add_all(
                    [created(0, name="one"), created(1, name="two"), created(2, name="one")]
                )
            session.rollback()
            assert stored(session) == (["cxn_0000"], ["cxn_0000"])

    def test_by_a_trigger_that_drops_the_row(self) -> None:
        """PostgreSQL reports no error then, but the events have no Connection."""
        with postgresql() as url:
            engine = open_engine(url)
            run(
                engine,
                "CREATE FUNCTION dropping() RETURNS trigger LANGUAGE plpgsql"
                " AS $$ BEGIN RETURN NULL; END $$",
            )
            run(
                engine,
                "CREATE TRIGGER dropping BEFORE INSERT ON connections"
                " FOR EACH ROW EXECUTE FUNCTION dropping()",
            )
            with Session(engine) as session, pytest.raises(IntegrityError, match="fk_connection"):
                SqlConnectionStore(session).add_all([created(1)])
            engine.dispose()

    def test_when_the_transaction_ends_with_it(self, tmp_path: Path) -> None:
        """SQLite undoes all of it if the disk is full. Nothing is deleted in a new transaction."""
        engine = open_engine(f"sqlite:///{tmp_path / 'connections.db'}")
        with Session(engine) as session, session.begin():
            SqlConnectionStore(session).add_all([created(0)])
        asked: list[str] = []
        with Session(engine) as session:
            store = SqlConnectionStore(session)
            assert store.get(created(0).connection.id) is not None
            pages = session.scalar(text("PRAGMA page_count"))
            session.execute(text(f"PRAGMA max_page_count = {pages + 5}"))
            listen(engine, "before_cursor_execute", lambda *about: asked.append(about[2]))
            with pytest.raises(OperationalError, match="full"):
                store.add_all([created(number) for number in range(1, 1000)])
        assert not [statement for statement in asked if statement.startswith("DELETE")]
        engine.dispose()

    def test_when_the_connection_is_lost(self, tmp_path: Path) -> None:
        """What is raised is that, and not what taking the rows back would meet with."""
        engine = open_engine(f"sqlite:///{tmp_path / 'connections.db'}")
        run(
            engine,
            "CREATE TRIGGER refusing BEFORE INSERT ON connection_events"
            " BEGIN SELECT RAISE(ABORT, 'lost'); END",
        )

        def lose(context: Any) -> None:
            context.is_disconnect = True

        listen(engine, "handle_error", lose)
        with Session(engine) as session:
            with pytest.raises(IntegrityError, match="lost") as caught:
                SqlConnectionStore(session).add_all([created(0)])
            assert caught.value.connection_invalidated
        with Session(engine) as session:
            assert stored(session) == ([], [])
        engine.dispose()


def test_a_race_leaves_out_what_others_have_added() -> None:
    """PostgreSQL waits for them; no error ends the transaction."""
    with postgresql() as url:
        engine = open_engine(url)
        with Session(engine) as ours, ours.begin():
            store = SqlConnectionStore(ours)
            assert store.get(created(0).connection.id) is None
            with Session(engine) as theirs, theirs.begin():
                SqlConnectionStore(theirs).add_all([created(0), created(1)])
            pair = created(7, destination="org_1")
            assert store.add_all([created(0), pair, created(2)]) == [0, 1]
        with Session(engine) as session:
            assert stored(session)[0] == ["cxn_0000", "cxn_0001", "cxn_0002"]
        engine.dispose()


def test_a_stricter_isolation_cannot_see_them() -> None:
    """Then the transaction has to be run again."""
    with postgresql() as url:
        engine = open_engine(url)
        strict = engine.execution_options(isolation_level="REPEATABLE READ")
        with Session(strict) as ours:
            store = SqlConnectionStore(ours)
            assert store.get(created(0).connection.id) is None
            with Session(engine) as theirs, theirs.begin():
                SqlConnectionStore(theirs).add_all([created(0)])
            with pytest.raises(OperationalError, match="could not serialize"):
                store.add_all([created(0)])
        engine.dispose()
