"""Settings of a server, a database, a role or a session that change what a driver reads.

The store's contract holds under each of them, or the store refuses it by name.
"""

import sqlite3
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import psycopg
import pytest
import test_store
from databases import POSTGRESQL, Backend, mariadb, postgresql
from embedding import OURS, THEIRS, committed, edit, service_in
from sqlalchemy import URL, Engine, create_engine, event, text
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool
from support import OUR_KEY, T0

from connect_core import (
    Connection,
    ConnectionId,
    IdempotencyKey,
    InvalidRecordError,
    OrganizationId,
    Role,
    Selection,
    Standing,
)
from connect_core.adapters.sql import (
    History,
    SqlConnectionStore,
    configure_engine,
    metadata,
    open_engine,
)
from connect_core.adapters.sql import engine as sql_engine
from connect_core.adapters.sql import sessions as sql_sessions

# --- The contract under hostile settings ---------------------------------------------------------

#: PostgreSQL's. What each could do to the store: DateStyle and TimeZone, the form in which times
#: are written, which drivers parse, and the day that they are near the years 1 and 9999; the store
#: reads a form of its own. IntervalStyle and bytea_output: nothing, it has no such columns.
#: extra_float_digits: nothing, it has no such numbers. standard_conforming_strings and
#: backslash_quote: nothing, values are parameters. transform_null_equals: nothing, NULL is asked
#: for with IS. lc_messages: nothing, constraints are told by their names. search_path: where the
#: tables are found, and that functions of the host's hide the server's; the store names the
#: schema of those that it calls. default_transaction_isolation: a lost race may be a serialization
#: failure, and a duplicate one that cannot be seen.
POSTGRESQL_SETTINGS: Final = {
    "west": {
        "DateStyle": "SQL,DMY",
        "TimeZone": "America/Los_Angeles",
        "IntervalStyle": "sql_standard",
        "standard_conforming_strings": "off",
        "transform_null_equals": "on",
        "extra_float_digits": "-15",
        "default_transaction_isolation": "serializable",
    },
    "east": {
        "DateStyle": "German",
        "TimeZone": "Pacific/Kiritimati",
        "IntervalStyle": "iso_8601",
        "bytea_output": "escape",
        "backslash_quote": "on",
        "default_transaction_isolation": "repeatable\\ read",
    },
    "long ago": {"DateStyle": "Postgres,MDY", "TimeZone": "Europe/Amsterdam"},
}
#: SQLite's, as pragmas. foreign_keys off: an event without a Connection could be written by others.
#: case_sensitive_like: nothing, there is no LIKE. reverse_unordered_selects: nothing, what has an
#: order is asked for in it. UTF-16: ids and times are ASCII, and sort alike in it.
SQLITE_PRAGMAS: Final = {
    "UTF-16le": ["encoding = 'UTF-16le'"],
    "UTF-16be": ["encoding = 'UTF-16be'"],
    "pragmas": [
        "foreign_keys = OFF",
        "case_sensitive_like = ON",
        "reverse_unordered_selects = ON",
        "recursive_triggers = ON",
        "full_column_names = ON",
        "short_column_names = OFF",
    ],
}


def with_settings(url: URL, settings: dict[str, str]) -> URL:
    """A URL of PostgreSQL whose sessions begin with these settings."""
    options = "".join(f" -c{name}={value}" for name, value in settings.items())
    return url.update_query_dict({"options": f"{url.query['options']}{options}"})


@contextmanager
def hostile_postgresql(settings: dict[str, str]) -> Generator[Engine]:
    with postgresql() as url:
        engine = open_engine(with_settings(url, settings))
        yield engine
        engine.dispose()


@contextmanager
def hostile_sqlite(path: Path, pragmas: list[str]) -> Generator[Engine]:
    """With what a host may set on its own connections, too."""
    types = sqlite3.PARSE_DECLTYPES | sqlite3.PARSE_COLNAMES
    engine = create_engine(f"sqlite:///{path}", connect_args={"detect_types": types})

    def prepare(connection: sqlite3.Connection, _: object) -> None:
        connection.row_factory = sqlite3.Row
        connection.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 999)
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")

    is_encoding = pragmas[0].startswith("encoding")  # which is set before anything else
    if is_encoding:
        event.listen(engine, "connect", prepare)
    configure_engine(engine)
    if not is_encoding:  # `configure_engine` sets foreign keys
        event.listen(engine, "connect", prepare)
    metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture(params=[*POSTGRESQL_SETTINGS, *SQLITE_PRAGMAS])
def stored(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
    """A store under hostile settings, for the contract's tests."""
    kind: str = request.param
    opened = (
        hostile_postgresql(POSTGRESQL_SETTINGS[kind])
        if kind in POSTGRESQL_SETTINGS
        else hostile_sqlite(tmp_path / "hostile.db", SQLITE_PRAGMAS[kind])
    )
    with opened as engine:
        yield Backend(kind, engine)


# Every test of the contract; their fixture `stored` is the one above.
globals().update((name, each) for name, each in vars(test_store).items() if name.startswith("Test"))


class TestSettings:
    """The settings are what they are meant to be."""

    def test_they_are_set(self, stored: Backend) -> None:
        with stored.engine.connect() as connection:
            for name, value in POSTGRESQL_SETTINGS.get(stored.kind, {}).items():
                found = connection.exec_driver_sql(f"SHOW {name}").scalar_one()
                assert found.replace(", ", ",").startswith(value.replace("\\", ""))
            if stored.kind.startswith("UTF"):
                found = connection.exec_driver_sql("PRAGMA encoding").scalar_one()
                assert found == stored.kind
            if stored.kind == "pragmas":
                assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar_one() == 0

    def test_functions_of_the_hosts(self) -> None:
        """A schema before the server's own hides functions of the same name."""
        with postgresql() as url:
            open_engine(url).dispose()
            schema = url.query["options"].split("search_path=")[1].split()[0]  # type: ignore[union-attr]
            engine = open_engine(with_settings(url, {"search_path": f"{schema},pg_catalog"}))
            with engine.begin() as connection:
                for types in ("timestamp, text", "timestamptz, text"):
                    connection.exec_driver_sql(
                        f"CREATE FUNCTION {schema}.to_char({types}) RETURNS text LANGUAGE sql"
                        " AS $$ SELECT 'hidden' $$"
                    )
                for name, types, result in (
                    ("lower", "varchar", "text"),
                    ("lower", "text", "text"),
                    ("strpos", "text, varchar", "integer"),
                    ("strpos", "text, text", "integer"),
                ):
                    connection.exec_driver_sql(
                        f"CREATE FUNCTION {schema}.{name}({types}) RETURNS {result} LANGUAGE sql"
                        f" AS $$ SELECT '0'::{result} $$"
                    )
            assert committed(engine).created_at == T0
            with Session(engine) as session:
                service = service_in(session)
                found = service.get("cxn_1", by=OUR_KEY)
                assert found.created_at == T0
                assert list(service.list(by=OUR_KEY, name="PART")) == [found]
            engine.dispose()


# --- Values that no driver can read --------------------------------------------------------------

EVERY: Final = Selection(OURS, tuple(Standing(role, None) for role in Role))


def three(engine: Engine) -> None:
    """Three Connections, of which the second is about to be spoilt."""
    with Session(engine) as session, session.begin():
        store = SqlConnectionStore(session)
        for number in range(3):
            change = Connection.create(
                by=OUR_KEY, destination=f"org_{number}", id=f"cxn_{number}", at=T0
            )
            assert store.add(change)
            assert store.save(change.connection.deactivate(by=OUR_KEY, at=T0))


def spoil(engine: Engine, table: str, column: str, value: str) -> None:
    which = "id" if table == "connections" else "connection_id"
    edit(engine, text(f"UPDATE {table} SET {column} = {value} WHERE {which} = 'cxn_1'"))  # noqa: S608


UNREADABLE_TIMES: Final = [
    ("created_at", "'-infinity'"),
    ("updated_at", "'infinity'"),
    ("created_at", "'0044-03-15 12:00:00+00 BC'"),
    ("updated_at", "'10000-01-01 00:00:00+00'"),
    ("updated_at", "'294276-12-31 23:59:59.999+00'"),
    ("created_at", "'4713-01-01 00:00:00+00 BC'"),
]
UNREADABLE_JSON: Final = {
    "digits": "1" * 5000,
    "depth": "[" * 3000 + "]" * 3000,
    "number": '["inquiry.read", 1e400]',
}


class TestUnreadableRows:
    """A row that cannot be read stands in its place; the others are served."""

    def check_page(self, engine: Engine, reason: str) -> None:
        """On a page in either direction, and when it is asked for by itself."""
        with Session(engine) as session:
            store = SqlConnectionStore(session)
            for newest_first in (True, False):
                page = store.page(EVERY, beyond=None, newest_first=newest_first, limit=10)
                bad = [each for each in page if isinstance(each, InvalidRecordError)]
                good = [each.id for each in page if isinstance(each, Connection)]
                assert [each.record for each in bad] == ["connections cxn_1"]
                assert bad[0].reason.startswith(reason)
                assert sorted(good) == ["cxn_0", "cxn_2"]
            assert [store.count(EVERY, most) for most in (2, 10)] == [2, 3]
            assert len(store.page(EVERY, beyond=None, newest_first=True, limit=2)) == 2
            reads: list[Callable[[], object]] = [
                lambda: store.get(ConnectionId("cxn_1")),
                lambda: store.find(OURS, OrganizationId("org_1")),
            ]
            for read in reads:
                with pytest.raises(InvalidRecordError) as refused:
                    read()
                assert refused.value.record == "connections cxn_1"
                assert refused.value.reason.startswith(reason)
            assert store.get(ConnectionId("cxn_0")) is not None

    def test_in_its_place(self, engine: Engine) -> None:
        """It counts towards the limit, and keeps the order."""
        three(engine)
        spoil(engine, "connections", "status", "'frozen'")
        self.check_page(engine, "status: ")
        with Session(engine) as session:
            page = SqlConnectionStore(session).page(
                EVERY, beyond=None, newest_first=False, limit=10
            )
        assert [type(each) for each in page] == [Connection, InvalidRecordError, Connection]

    @pytest.mark.parametrize("settings", POSTGRESQL_SETTINGS)
    @pytest.mark.parametrize(("column", "value"), UNREADABLE_TIMES)
    def test_times(self, settings: str, column: str, value: str) -> None:
        with hostile_postgresql(POSTGRESQL_SETTINGS[settings]) as engine:
            three(engine)
            spoil(engine, "connections", column, value)
            self.check_page(engine, f"{column} is '")

    @pytest.mark.parametrize("kind", UNREADABLE_JSON)
    def test_json(self, engine: Engine, kind: str) -> None:
        three(engine)
        spoil(engine, "connections", "scopes", f"'{UNREADABLE_JSON[kind]}'")
        self.check_page(engine, "scopes")

    @pytest.mark.parametrize(
        ("column", "value"),
        [("terms", UNREADABLE_JSON["digits"]), ("roles", UNREADABLE_JSON["depth"])],
        ids=["terms", "roles"],
    )
    def test_events(self, engine: Engine, column: str, value: str) -> None:
        three(engine)
        spoil(engine, "connection_events", column, f"'{value}'")
        with Session(engine) as session:
            store = SqlConnectionStore(session)
            reads: list[Callable[[], object]] = [
                lambda: store.history(ConnectionId("cxn_1")),
                lambda: store.event(ConnectionId("cxn_1"), 1),
            ]
            for read in reads:
                with pytest.raises(InvalidRecordError, match="connection_events cxn_1 version 1"):
                    read()
            assert len(store.history(ConnectionId("cxn_0"))) == 2

    def test_times_elsewhere(self) -> None:
        with postgresql() as url:
            engine = open_engine(url)
            committed(engine)
            edit(engine, text("UPDATE connection_events SET occurred_at = 'infinity'"))
            edit(engine, text("UPDATE connection_idempotency_keys SET created_at = '-infinity'"))
            with Session(engine) as session:
                store = SqlConnectionStore(session)
                with pytest.raises(InvalidRecordError, match="occurred_at is 'infinity'"):
                    store.history(ConnectionId("cxn_1"))
                with pytest.raises(InvalidRecordError, match="created_at is '-infinity'"):
                    store.once(OURS, IdempotencyKey("k"), test_store.unexpected)
            engine.dispose()

    @pytest.mark.parametrize("zone", ["Etc/GMT+12", "Etc/GMT-14", "UTC"])
    @pytest.mark.parametrize("at", ["0001-01-02T00:00:00.000Z", "9999-12-30T23:59:59.999Z"])
    def test_the_first_and_the_last_time(self, zone: str, at: str) -> None:
        """They are read back whatever the time zone of the session."""
        moment = datetime.fromisoformat(at)
        with hostile_postgresql({"TimeZone": zone}) as engine, Session(engine) as session:
            three(engine)
            set_to = "UPDATE connections SET created_at = :at, updated_at = :at WHERE id = 'cxn_1'"
            session.execute(text(set_to), {"at": moment})
            page = SqlConnectionStore(session).page(
                EVERY, beyond=None, newest_first=at.startswith("9"), limit=1
            )
            assert [getattr(each, "created_at", each) for each in page] == [moment]


class TestOneEvent:
    """One event of a history, by its version."""

    def test_each(self, engine: Engine) -> None:
        three(engine)
        with Session(engine) as session:
            store = SqlConnectionStore(session)
            for each in map(ConnectionId, ("cxn_0", "cxn_2")):
                found = [store.event(each, version) for version in (1, 2)]
                assert found == list(store.history(each))
                assert store.event(each, 3) is None
                assert store.event(each, 0) is None
            assert store.event(ConnectionId("cxn_none"), 1) is None


# --- Settings that are refused -------------------------------------------------------------------


@contextmanager
def encoded(encoding: str) -> Generator[URL]:
    """A database of PostgreSQL in this encoding, with the tables in it."""
    with postgresql():  # skips the test without a server
        name = f"connect_core_{uuid4().hex}"
    admin = create_engine(POSTGRESQL, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(
            f"CREATE DATABASE {name} ENCODING '{encoding}' TEMPLATE template0"
            " LC_COLLATE 'C' LC_CTYPE 'C'"
        )
        try:
            yield POSTGRESQL.set(database=name)
        finally:
            connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")


def decoded(value: bytes) -> str:
    return value.decode(errors="replace")


def none_of_it(_: bytes) -> None:
    """A text factory that makes nothing of any text."""


def setting_factory(factory: Any) -> Callable[[sqlite3.Connection, object], None]:
    """A listener that sets a text factory on each new connection."""

    def listener(made: sqlite3.Connection, _: object) -> None:
        made.text_factory = factory

    return listener


class TestEncodings:
    """What cannot hold every name is refused by name, before anything is read or written."""

    def refused(self, engine: Engine, reason: str) -> None:
        """By each method, and as often as it is called: it is not taken for checked."""
        with Session(engine) as session:
            store = SqlConnectionStore(session)
            change = Connection.create(by=OUR_KEY, destination=THEIRS, name="🎉", at=T0)
            methods: list[Callable[[], object]] = [
                lambda: store.get(change.connection.id),
                lambda: store.page(EVERY, beyond=None, newest_first=True, limit=1),
                lambda: store.add(change),
                lambda: store.save(change),
                lambda: store.forget(T0),
            ]
            for method in methods:
                with pytest.raises(ValueError, match=reason):
                    method()
        engine.dispose()

    @pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII", "EUC_JP"])
    def test_when_it_is_opened(self, encoding: str) -> None:
        expected = f"^server_encoding is {encoding}, but must"
        with encoded(encoding) as url, pytest.raises(ValueError, match=expected):
            open_engine(url)

    def test_no_connection_stays_open(self) -> None:
        opened: list[psycopg.Connection[Any]] = []

        def creator() -> psycopg.Connection[Any]:
            opened.append(psycopg.connect(address.render_as_string(hide_password=False)))
            return opened[-1]

        with encoded("LATIN1") as url:
            address = url.set(drivername="postgresql")
            engine = configure_engine(create_engine(url, creator=creator))
            with pytest.raises(ValueError, match="server_encoding is LATIN1"):
                engine.connect()
            assert [connection.closed for connection in opened] == [True]

    @pytest.mark.parametrize("encoding", ["LATIN1", "EUC_JP"])
    def test_of_the_server(self, encoding: str) -> None:
        with encoded(encoding) as url:
            expected = rf"^server_encoding is {encoding}, but must .* ENCODING 'UTF8'$"
            self.refused(create_engine(url, poolclass=NullPool), expected)

    @pytest.mark.parametrize("encoding", ["LATIN1", "WIN1252"])
    def test_of_the_client(self, encoding: str) -> None:
        with postgresql() as url:
            open_engine(url).dispose()
            engine = create_engine(with_settings(url, {"client_encoding": encoding}))
            self.refused(engine, rf"^client_encoding is {encoding}, but must be UTF8 .* role")

    @pytest.mark.parametrize(
        ("query", "reason"),
        [
            ({"sql_mode": "NO_ENGINE_SUBSTITUTION"}, "^sql_mode is 'NO_ENGINE_SUB.*STRICT_TRANS_"),
            ({"sql_mode": "''"}, "^sql_mode is '', with which the server changes what it cannot"),
            ({"charset": "latin1"}, "^character_set_connection is latin1, but must be utf8mb4"),
            ({"charset": "utf8mb3"}, "^character_set_connection is utf8mb3, but must be utf8mb4"),
        ],
        ids=str,
    )
    def test_of_mariadb(self, query: dict[str, str], reason: str) -> None:
        with mariadb() as url:
            open_engine(url).dispose()
            if "sql_mode" in query:
                query = {"init_command": f"SET SESSION sql_mode = {query['sql_mode']}"}
            wrong = url.update_query_dict(query)
            with pytest.raises(ValueError, match=reason):
                open_engine(wrong)
            self.refused(create_engine(wrong), reason)

    def test_autocommit_in_the_url(self) -> None:
        """Nothing is written; reads are as good as ever."""
        with mariadb() as url:
            open_engine(url).dispose()
            engine = create_engine(url, connect_args={"autocommit": True})
            with Session(engine) as session:
                store = SqlConnectionStore(session)
                assert store.get(ConnectionId("cxn_1")) is None
                change = Connection.create(by=OUR_KEY, destination=THEIRS, at=T0)
                with pytest.raises(ValueError, match=r"^a rollback of the session would not undo"):
                    store.add(change)
            engine.dispose()

    def test_a_driver_that_does_not_know(self) -> None:
        """The server is asked."""
        with postgresql() as url:
            engine = open_engine(url)
            with engine.connect() as connection:
                assert sql_sessions.known_settings(object()) is None
                listener: Callable[..., object] = getattr(sql_engine, "_require_utf8")  # noqa: B009
                listener(object(), None)  # which leaves it to the store
                ask: Callable[..., object] = getattr(sql_sessions, "_ask")  # noqa: B009
                sql_sessions.require_utf8(partial(ask, connection))
            engine.dispose()

    @pytest.mark.parametrize("factory", [bytes, bytearray, none_of_it])
    def test_of_text_on_sqlite(self, tmp_path: Path, factory: Any) -> None:
        engine = open_engine(f"sqlite:///{tmp_path / 'connections.db'}")
        committed(engine)
        engine.dispose()
        other = configure_engine(create_engine(engine.url))
        event.listen(other, "connect", setting_factory(factory))
        self.refused(other, "^text_factory of the SQLite connection does not make str")

    def test_another_database(self) -> None:
        """It is the host's to know its settings."""
        engine = create_engine("sqlite://")
        engine.dialect.name = "another"
        assert configure_engine(engine) is engine
        with engine.connect() as connection:
            connection.connection.dbapi_connection.text_factory = bytes  # type: ignore[union-attr]
            check: Callable[..., object] = getattr(sql_sessions, "check_settings")  # noqa: B009
            check(connection)
        engine.dispose()

    def test_a_factory_of_str(self, tmp_path: Path) -> None:
        engine = configure_engine(create_engine(f"sqlite:///{tmp_path / 'connections.db'}"))
        event.listen(engine, "connect", setting_factory(decoded))
        metadata.create_all(engine)
        assert committed(engine).name == "Partner"
        engine.dispose()


# --- Limits --------------------------------------------------------------------------------------


def test_statements_with_few_parameters(tmp_path: Path) -> None:
    """SQLite before 3.32 takes 999 at most, and so do some builds since."""
    with hostile_sqlite(tmp_path / "limited.db", SQLITE_PRAGMAS["pragmas"]) as engine:
        histories: list[History] = []
        for number in range(2000):
            change = Connection.create(
                by=OUR_KEY, destination=f"org_{number}", id=f"cxn_{number}", at=T0
            )
            histories.append(History(change.connection, (change.event,)))
        with Session(engine) as session, session.begin():
            store = SqlConnectionStore(session)
            assert store.add_all(histories) == []
            assert len(list(store.everything())) == 2000
            assert len(store.page(EVERY, beyond=None, newest_first=True, limit=1000)) == 1000
