"""Sessions of browsers that signed in with an API key, and links that sign in."""

import copy
import inspect as inspection
import logging
import pickle
import re
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from threading import Barrier
from typing import Any
from unittest.mock import patch

import pytest
from clocks import Clock
from embedding import unreadable_time
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from sqlalchemy import Engine, event, inspect, select, text
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine
from support import T0

from connect_core import Actor, InvalidRecordError, Organization
from connect_core.adapters.sql import (
    ApiKey,
    ApiKeys,
    BrowserSession,
    BrowserSessions,
    NewBrowserSession,
    browser_sessions,
    keys,
    keys_metadata,
    open_engine,
)
from connect_core.history import EARLIEST, LATEST

HOUR = timedelta(hours=1)
MILLISECOND = timedelta(milliseconds=1)
A_TOKEN = "a" * 43


@pytest.fixture
def holders(engine: Engine, clock: Clock) -> ApiKeys:
    """Keys in an empty table, on every database."""
    found = ApiKeys(engine, clock=clock)
    found.create_tables()
    return found


@pytest.fixture
def kept(holders: ApiKeys, engine: Engine, clock: Clock) -> BrowserSessions:  # noqa: ARG001  # creates the tables
    """Sessions in an empty table, beside the keys."""
    return BrowserSessions(engine, lifetime=HOUR, clock=clock)


@pytest.fixture
def key(holders: ApiKeys) -> ApiKey:
    """A key of org_A."""
    return holders.create("org_A").key


@pytest.fixture
def in_memory(memory: Engine, clock: Clock) -> BrowserSessions:
    """Sessions in an empty table there."""
    ApiKeys(memory).create_tables()
    return BrowserSessions(memory, lifetime=HOUR, clock=clock)


@pytest.fixture
def a_key(in_memory: BrowserSessions, memory: Engine, clock: Clock) -> ApiKey:  # noqa: ARG001  # creates the tables
    """A key there."""
    return ApiKeys(memory, clock=clock).create("org_A").key


def rows(engine: Engine) -> list[Any]:
    with engine.connect() as database:
        return list(database.execute(select(browser_sessions)))


def edit(engine: Engine, table: str, **columns: object) -> None:
    """Change all rows as somebody would with a database's own tools."""
    changes = ", ".join(f"{name} = :{name}" for name in columns)
    with engine.begin() as database:
        database.execute(text(f"UPDATE {table} SET {changes}"), columns)  # noqa: S608  # ours


def digest(token: str) -> str:
    return sha256(token.encode()).hexdigest()


class TestTheTable:
    """It is beside that of the keys, which create it."""

    def test_its_constraints_and_indexes(self, holders: ApiKeys, engine: Engine) -> None:
        assert holders.has_tables()
        assert keys_metadata.tables["connection_browser_sessions"] is browser_sessions
        found = inspect(engine)
        primary = found.get_pk_constraint("connection_browser_sessions")
        assert primary["constrained_columns"] == ["token_hash"]
        if engine.dialect.name != "mariadb":  # which calls every one of them PRIMARY
            assert primary["name"] == "pk_connection_browser_sessions"
        indexes = found.get_indexes("connection_browser_sessions")
        assert sorted((each["name"], each["column_names"]) for each in indexes) == [
            ("ix_connection_browser_sessions_expires_at", ["expires_at"]),
            ("ix_connection_browser_sessions_key_id", ["key_id"]),
        ]

    def test_a_database_of_an_earlier_version(
        self, holders: ApiKeys, kept: BrowserSessions, key: ApiKey, engine: Engine
    ) -> None:
        """It gets the table, and keeps its keys."""
        browser_sessions.drop(engine)
        assert not holders.has_tables()
        holders.create_tables()
        assert list(holders.list()) == [key]
        assert kept.find(kept.start(key).token) is not None

    def test_without_it_every_call_fails(self, engine: Engine) -> None:
        """That is no answer about a token, which the error does not have."""
        for call in calls(BrowserSessions(engine)):
            with (
                patch.object(keys, "urlsafe_b64encode", return_value=A_TOKEN.encode()),
                pytest.raises(SQLAlchemyError, match="connection_browser_sessions") as caught,
            ):
                call()
            assert A_TOKEN not in "".join(traceback.format_exception(caught.value))

    def test_the_database_is_down(self, in_memory: BrowserSessions, memory: Engine) -> None:
        def refuse(*_: object) -> None:
            raise OperationalError("SELECT", None, Exception("down"))

        event.listen(memory, "before_cursor_execute", refuse)
        for call in calls(in_memory):
            with pytest.raises(OperationalError, match="down"):
                call()
        event.remove(memory, "before_cursor_execute", refuse)


def calls(kept: BrowserSessions) -> list[Callable[[], object]]:
    """Every call that asks the database."""
    key = ApiKey.model_validate({"id": "api_1", "organization_id": "org_A", "created_at": T0})
    return [
        lambda: kept.start(key),
        lambda: kept.link(key),
        lambda: kept.find(A_TOKEN),
        lambda: kept.opened(A_TOKEN),
        lambda: kept.end(A_TOKEN),
        lambda: kept.end_all(key_id=key.id),
        lambda: kept.end_all(organization_id="org_A"),
    ]


class TestArguments:
    """What `BrowserSessions` itself is given."""

    @pytest.mark.parametrize(
        ("wrong", "advice"),
        [(None, ""), (create_async_engine("sqlite+aiosqlite://"), "; of an AsyncEngine, pass its")],
        ids=["None", "AsyncEngine"],
    )
    def test_what_is_no_engine(self, wrong: Any, advice: str) -> None:
        with pytest.raises(TypeError, match=f"^engine: expected a sqlalchemy.Engine, .*{advice}"):
            BrowserSessions(wrong)

    def test_what_is_no_clock(self, memory: Engine) -> None:
        wrong: Any = T0
        with pytest.raises(TypeError, match=r"^clock is .*; it must be a function$"):
            BrowserSessions(memory, clock=wrong)

    def test_a_naive_clock(self, in_memory: BrowserSessions, a_key: ApiKey, clock: Clock) -> None:
        clock.now = T0.replace(tzinfo=None)
        with pytest.raises(ValueError, match=r"^clock\(\): the time is naive"):
            in_memory.start(a_key)

    def test_a_clock_in_another_zone_and_finer(
        self, in_memory: BrowserSessions, a_key: ApiKey, clock: Clock
    ) -> None:
        clock.now = datetime.fromisoformat("2026-11-24T13:00:00.123999+01:00")
        session = in_memory.start(a_key).session
        assert (session.created_at, session.created_at.tzinfo) == (T0, UTC)
        assert session.expires_at == T0 + HOUR

    @pytest.mark.parametrize(
        ("wrong", "error", "message"),
        [
            (None, TypeError, r" is None \(NoneType\); it must be a timedelta$"),
            (90, TypeError, r" is 90 \(int\); it must be a timedelta$"),
            (timedelta(0), ValueError, r" is 0:00:00; it must be a millisecond at least$"),
            (
                timedelta(microseconds=876),
                ValueError,
                r" is 0:00:00.000876; it must be a millisecond at least$",
            ),
            (-HOUR, ValueError, " is .*; it must be a millisecond at least$"),
            (timedelta.max, ValueError, " is .*; that is after the year 9999$"),
            (LATEST - T0 + MILLISECOND, ValueError, " is .*; that is after the year 9999$"),
        ],
        ids=["None", "number", "0", "less", "negative", "longest", "later"],
    )
    def test_wrong_times(
        self,
        in_memory: BrowserSessions,
        a_key: ApiKey,
        memory: Engine,
        clock: Clock,
        wrong: Any,
        error: type[Exception],
        message: str,
    ) -> None:
        with pytest.raises(error, match=f"^lifetime{message}"):
            BrowserSessions(memory, lifetime=wrong, clock=clock)
        if wrong is not None:
            with pytest.raises(error, match=f"^expires_in{message}"):
                in_memory.link(a_key, expires_in=wrong)
        assert rows(memory) == []

    def test_the_shortest_and_the_longest_time(
        self, memory: Engine, a_key: ApiKey, clock: Clock
    ) -> None:
        for lifetime, end in ((MILLISECOND, T0 + MILLISECOND), (LATEST - T0, LATEST)):
            kept = BrowserSessions(memory, lifetime=lifetime, clock=clock)
            assert kept.start(a_key).session.expires_at == end

    def test_a_lifetime_that_has_become_too_long(
        self, in_memory: BrowserSessions, memory: Engine, a_key: ApiKey, clock: Clock
    ) -> None:
        clock.now = LATEST
        for call in (in_memory.start, in_memory.link):
            with pytest.raises(ValueError, match=r"^lifetime is 1:00:00; that is after the year"):
                call(a_key)
        assert rows(memory) == []

    def test_eight_hours_by_default(self, memory: Engine, a_key: ApiKey) -> None:
        session = BrowserSessions(memory).start(a_key).session
        assert session.expires_at - session.created_at == 8 * HOUR
        assert abs(session.created_at - datetime.now(UTC)) < HOUR

    def test_what_could_be_mixed_up_is_given_by_name(self) -> None:
        by_name: dict[Any, int] = {
            BrowserSessions: 2,
            BrowserSessions.end_all: 2,
            BrowserSessions.link: 1,
        }
        for function, count in by_name.items():
            parameters = inspection.signature(function).parameters.values()
            kinds = [parameter.kind for parameter in parameters]
            assert kinds.count(inspection.Parameter.KEYWORD_ONLY) == count
            assert inspection.Parameter.POSITIONAL_ONLY not in kinds


class TestStart:
    """A session and its token, of which only a digest is stored."""

    def test_a_session(self, kept: BrowserSessions, key: ApiKey, engine: Engine) -> None:
        session, token = kept.start(key)
        assert session == BrowserSession(key=key, created_at=T0, expires_at=T0 + HOUR)
        assert session.actor == Actor(id=key.id, organization_id="org_A")
        assert re.fullmatch("[0-9A-Za-z_-]{43}", token)
        assert kept.find(token) == session
        (row,) = rows(engine)
        assert (row.token_hash, row.purpose, row.key_id) == (digest(token), "session", key.id)
        assert (row.created_at, row.expires_at) == (T0, T0 + HOUR)
        assert token not in repr(row)

    def test_the_token_is_256_bits_from_the_system(
        self, in_memory: BrowserSessions, a_key: ApiKey
    ) -> None:
        with patch.object(keys, "urandom", return_value=b"\xff\xfe" * 16) as urandom:
            _, token = in_memory.start(a_key)
        urandom.assert_called_once_with(32)
        assert token == "__7__v_-" * 5 + "__4"

    def test_no_two_are_the_same(self, in_memory: BrowserSessions, a_key: ApiKey) -> None:
        tokens = {in_memory.start(a_key).token for _ in range(25)}
        tokens |= {in_memory.link(a_key) for _ in range(25)}
        assert len(tokens) == 50

    def test_it_ends_when_the_key_expires(
        self, kept: BrowserSessions, holders: ApiKeys, clock: Clock
    ) -> None:
        for key_lasts, expected in (
            (HOUR - MILLISECOND, HOUR - MILLISECOND),
            (HOUR, HOUR),
            (HOUR + MILLISECOND, HOUR),
        ):
            key = holders.create("org_A", expires_in=key_lasts).key
            session, token = kept.start(key)
            assert session.expires_at == T0 + expected
            assert kept.find(token) == session
        clock.now = T0 + HOUR - MILLISECOND
        assert kept.find(token) is not None

    def test_with_a_key_that_cannot_be_used(
        self, kept: BrowserSessions, holders: ApiKeys, clock: Clock
    ) -> None:
        """As when it was revoked, or has expired, just before."""
        revoked = holders.create("org_A").key
        expired = holders.create("org_A", expires_in=MILLISECOND).key
        holders.revoke(revoked.id)
        clock.now += MILLISECOND
        for each in (revoked, expired):
            assert kept.find(kept.start(each).token) is None
            assert kept.opened(kept.link(each)) is None

    @pytest.mark.parametrize("wrong", [None, A_TOKEN, {"id": "api_1"}])
    def test_what_is_no_key(self, in_memory: BrowserSessions, memory: Engine, wrong: Any) -> None:
        """The message does not have it: it may be a token."""
        for call in (in_memory.start, in_memory.link):
            with pytest.raises(TypeError) as caught:
                call(wrong)
            assert str(caught.value) == f"key: expected an ApiKey, got {type(wrong).__name__}"
        assert rows(memory) == []

    @pytest.mark.parametrize("name", ["start", "link"])
    def test_expired_ones_are_deleted(
        self, kept: BrowserSessions, key: ApiKey, engine: Engine, clock: Clock, name: str
    ) -> None:
        """All of them, links too. The boundary is that of `find`."""
        kept.start(key)
        kept.link(key)
        kept.link(key, expires_in=HOUR - MILLISECOND)
        last = kept.link(key, expires_in=HOUR + MILLISECOND)
        clock.now = T0 + HOUR - MILLISECOND
        getattr(kept, name)(key)
        assert len(rows(engine)) == 4
        clock.now = T0 + HOUR
        getattr(kept, name)(key)
        left = {row.token_hash for row in rows(engine)}
        assert len(left) == 3
        assert digest(last) in left

    def test_several_at_once(self, kept: BrowserSessions, key: ApiKey, engine: Engine) -> None:
        """Threads with engines of their own, each of which finds expired ones to delete."""
        count = 1 if engine.url.database is None else 4  # a database in memory is of one engine
        engines = [engine] if count == 1 else [open_engine(engine.url) for _ in range(count)]
        barrier = Barrier(count)

        def work(own: Engine) -> list[str]:
            sessions = BrowserSessions(own, lifetime=HOUR, clock=lambda: T0 + HOUR)
            barrier.wait(30)
            return [sessions.start(key).token for _ in range(10)]

        for _ in range(20):
            kept.start(key)
        with ThreadPoolExecutor(count) as pool:
            tokens = [each for made in pool.map(work, engines) for each in made]
        assert len(set(tokens)) == 10 * count
        assert {row.token_hash for row in rows(engine)} == set(map(digest, tokens))
        assert None not in map(kept.find, tokens)
        for each in engines:
            each.dispose()

    def test_nobody_waits_for_another_who_deletes(
        self, kept: BrowserSessions, key: ApiKey, engine: Engine, clock: Clock
    ) -> None:
        """On PostgreSQL: in SQLite, there is one who writes."""
        if engine.dialect.name != "postgresql":
            return
        kept.start(key)
        clock.now += HOUR
        with engine.begin() as database:
            database.execute(text("DELETE FROM connection_browser_sessions"))
            with ThreadPoolExecutor(1) as pool:
                assert pool.submit(kept.start, key).result(30).session.created_at == clock.now


class TestFind:
    """The session of a token, or None: nobody can tell the reasons apart."""

    def test_each_its_own(self, kept: BrowserSessions, holders: ApiKeys) -> None:
        made = [kept.start(holders.create(f"org_{each}").key) for each in "ABa"]
        assert [kept.find(new.token) for new in made] == [new.session for new in made]

    def test_several_of_a_key(self, kept: BrowserSessions, key: ApiKey) -> None:
        made = [kept.start(key).token for _ in range(3)]
        assert None not in map(kept.find, made)

    def test_the_key_with_everything(self, kept: BrowserSessions, holders: ApiKeys) -> None:
        key, secret = holders.create(
            "org_DEF456",
            name="Söhne 🎉",
            actor="user",
            expires_in=HOUR * 24,
            representation="current",
        )
        holders.authenticate(secret)
        (used,) = holders.list()
        assert used.last_used_at == T0
        found = kept.find(kept.start(key).token)
        assert found == BrowserSession(key=used, created_at=T0, expires_at=T0 + HOUR)

    def test_the_boundary(self, kept: BrowserSessions, key: ApiKey, clock: Clock) -> None:
        _, token = kept.start(key)
        for after, live in (
            (timedelta(0), True),
            (HOUR - MILLISECOND, True),
            (HOUR - timedelta(microseconds=1), True),
            (HOUR, False),
            (HOUR + MILLISECOND, False),
        ):
            clock.now = T0 + after
            assert (kept.find(token) is not None) is live

    def test_the_clock_of_another_machine_is_behind(
        self, kept: BrowserSessions, key: ApiKey, clock: Clock
    ) -> None:
        _, token = kept.start(key)
        clock.now = EARLIEST
        assert kept.find(token) is not None

    def test_the_key_is_revoked(
        self, kept: BrowserSessions, holders: ApiKeys, key: ApiKey, clock: Clock
    ) -> None:
        other = holders.create("org_A").key
        tokens = [kept.start(each).token for each in (key, other)]
        links = [kept.link(each) for each in (key, other)]
        holders.revoke(key.id)
        clock.now -= HOUR  # the clocks of two machines differ
        assert [kept.find(each) is None for each in tokens] == [True, False]
        assert [kept.opened(each) is None for each in links] == [True, False]

    def test_the_key_expires_sooner_than_was_known(
        self, kept: BrowserSessions, key: ApiKey, engine: Engine, clock: Clock
    ) -> None:
        """Its row was changed after the session was started."""
        (_, token), link = kept.start(key), kept.link(key)
        end = T0 + MILLISECOND
        is_text = engine.dialect.name == "sqlite"
        stored = "2026-11-24T12:00:00.124Z" if is_text else end
        edit(engine, "connection_api_keys", expires_at=stored)
        found = kept.find(token)
        assert found is not None
        assert (found.key.expires_at, found.expires_at) == (end, T0 + HOUR)
        clock.now = end
        assert (kept.find(token), kept.opened(link)) == (None, None)

    def test_the_key_is_gone(self, kept: BrowserSessions, key: ApiKey, engine: Engine) -> None:
        (_, token), link = kept.start(key), kept.link(key)
        with engine.begin() as database:
            database.execute(text("DELETE FROM connection_api_keys"))
        assert (kept.find(token), kept.opened(link)) == (None, None)

    def test_it_is_one_query(
        self, in_memory: BrowserSessions, memory: Engine, a_key: ApiKey
    ) -> None:
        """It writes nothing, and does not read the digest of the key's secret."""
        (_, token), link = in_memory.start(a_key), in_memory.link(a_key)
        statements: list[str] = []

        def note(*arguments: Any) -> None:
            statements.append(arguments[2])

        event.listen(memory, "before_cursor_execute", note)
        assert in_memory.find(token) is not None
        assert in_memory.opened(link) is not None
        assert [each.split()[0] for each in statements] == ["BEGIN", "SELECT"] * 2
        assert "secret_hash" not in "".join(statements)

    def test_while_another_process_writes(
        self, kept: BrowserSessions, key: ApiKey, engine: Engine
    ) -> None:
        """Reading waits for nothing."""
        if engine.url.database is None:  # where there is nobody else
            return
        (_, token), link = kept.start(key), kept.link(key)
        with engine.begin() as database:
            database.execute(text("DELETE FROM connection_browser_sessions"))
            assert kept.find(token) is not None
            assert kept.opened(link) == key
        assert (kept.find(token), kept.opened(link)) == (None, None)


_NO_TABLE = open_engine("sqlite://")
#: Sessions that have no table, so that a query fails.
_UNREACHABLE = BrowserSessions(_NO_TABLE)


@pytest.fixture(scope="module", autouse=True)
def _disposed() -> Iterator[None]:
    yield
    _NO_TABLE.dispose()


class TestTokens:
    """Text of any form is answered, and only a token finds anything."""

    def test_every_other_character_is_wrong(
        self, in_memory: BrowserSessions, a_key: ApiKey
    ) -> None:
        """Also in the last one, of which base64 ignores two bits."""
        _, token = in_memory.start(a_key)
        for place in range(len(token)):
            for other in "AB_.":
                changed = token[:place] + other + token[place + 1 :]
                assert (in_memory.find(changed) is not None) is (changed == token)
        assert in_memory.find(token.swapcase()) is None

    def test_a_link_is_no_session_nor_the_reverse(
        self, kept: BrowserSessions, key: ApiKey, engine: Engine
    ) -> None:
        (session, token), link = kept.start(key), kept.link(key)
        assert kept.find(link) is None
        assert kept.opened(token) is None
        kept.end(link)
        assert (kept.find(token), kept.opened(link)) == (session, key)
        assert len(rows(engine)) == 2

    def test_the_keys_own_token_is_neither(self, kept: BrowserSessions, holders: ApiKeys) -> None:
        key, token = holders.create("org_A")
        session = kept.start(key).token
        for each in (token, token.partition(".")[2]):
            assert (kept.find(each), kept.opened(each)) == (None, None)
        assert holders.authenticate(f"{key.id}.{session}") is None

    def test_the_digest_is_no_token(
        self, kept: BrowserSessions, key: ApiKey, engine: Engine
    ) -> None:
        """Whoever reads the table can sign in nowhere."""
        kept.start(key)
        kept.link(key)
        for row in rows(engine):
            for each in (row.token_hash, row.token_hash[:43]):
                assert (kept.find(each), kept.opened(each)) == (None, None)

    def test_another_purpose(self, kept: BrowserSessions, key: ApiKey, engine: Engine) -> None:
        (_, token), link = kept.start(key), kept.link(key)
        edit(engine, "connection_browser_sessions", purpose="other")
        for each in (token, link):
            assert (kept.find(each), kept.opened(each)) == (None, None)

    @given(st.text())
    def test_any_text(self, text: str) -> None:
        """What cannot be a token is answered without the database."""
        _refuse(text)

    @pytest.mark.parametrize(
        "token",
        [
            "",
            "a" * 42,
            "a" * 44,
            "a" * 42 + "=",
            "a" * 42 + ".",
            "a" * 42 + "é",
            "a" * 43 + "\n",
            " " + "a" * 43,
            "\uff41" * 43,
            "a" * 42 + "\x00",
            "' OR '1'='1",
            f"api_1.{A_TOKEN}",
            f"Bearer {A_TOKEN}",
            "a" * 10_000_000,
            "\ud800" * 43,
        ],
        ids=lambda each: ascii(each[:50]),
    )
    def test_hostile_text(self, token: str) -> None:
        _refuse(token)

    @pytest.mark.parametrize("wrong", [None, A_TOKEN.encode(), 1, [A_TOKEN]])
    def test_what_is_no_text(self, in_memory: BrowserSessions, wrong: Any) -> None:
        """The message does not have it: it may be a token."""
        for call in (in_memory.find, in_memory.opened, in_memory.end):
            with pytest.raises(TypeError) as caught:
                call(wrong)
            assert str(caught.value) == f"token: expected a str, got {type(wrong).__name__}"


def _refuse(text: str) -> None:
    assert _UNREACHABLE.find(text) is None
    assert _UNREACHABLE.opened(text) is None
    _UNREACHABLE.end(text)


class TestEnd:
    """A session that has ended is never found again."""

    def test_it_ends_at_once(self, kept: BrowserSessions, key: ApiKey, engine: Engine) -> None:
        (_, token), (other, others_token) = kept.start(key), kept.start(key)
        link = kept.link(key)
        kept.end(token)
        assert kept.find(token) is None
        assert (kept.find(others_token), kept.opened(link)) == (other, key)
        assert digest(token) not in {row.token_hash for row in rows(engine)}

    def test_twice(self, kept: BrowserSessions, key: ApiKey) -> None:
        _, token = kept.start(key)
        kept.end(token)
        kept.end(token)
        assert kept.find(token) is None

    def test_an_unknown_one(self, kept: BrowserSessions, key: ApiKey, engine: Engine) -> None:
        kept.start(key)
        kept.end(A_TOKEN)
        assert len(rows(engine)) == 1

    def test_one_that_cannot_be_read(
        self, kept: BrowserSessions, key: ApiKey, engine: Engine
    ) -> None:
        _, token = kept.start(key)
        edit(engine, "connection_api_keys", organization_id="acme")
        kept.end(token)
        assert rows(engine) == []


class TestEndAll:
    """The sessions and the links of a key, or of an organization."""

    @pytest.fixture
    def made(self, kept: BrowserSessions, holders: ApiKeys) -> list[tuple[ApiKey, str, str]]:
        """Two keys of org_A, and one each of org_a and org_B, with a session and a link each."""
        found = [holders.create(f"org_{each}").key for each in "AAaB"]
        return [(key, kept.start(key).token, kept.link(key)) for key in found]

    def left(self, kept: BrowserSessions, made: list[tuple[ApiKey, str, str]]) -> str:
        """A letter for each key: whether its session, its link, both or nothing is left."""
        return "".join(
            "-sl2"[(kept.find(token) is not None) + 2 * (kept.opened(link) is not None)]
            for _, token, link in made
        )

    def test_of_a_key(self, kept: BrowserSessions, made: list[tuple[ApiKey, str, str]]) -> None:
        assert self.left(kept, made) == "2222"
        assert kept.end_all(key_id=made[1][0].id) == 2
        assert self.left(kept, made) == "2-22"
        assert kept.end_all(key_id=made[1][0].id) == 0

    @pytest.mark.parametrize("organization", ["org_A", Organization(id="org_A", name="A")])
    def test_of_an_organization(
        self,
        kept: BrowserSessions,
        made: list[tuple[ApiKey, str, str]],
        organization: str | Organization,
    ) -> None:
        assert kept.end_all(organization_id=organization) == 4
        assert self.left(kept, made) == "--22"
        assert kept.end_all(organization_id=organization) == 0

    def test_none(self, kept: BrowserSessions, made: list[tuple[ApiKey, str, str]]) -> None:
        assert kept.end_all(key_id="api_1") == 0
        assert kept.end_all(organization_id="org_C") == 0
        assert self.left(kept, made) == "2222"

    def test_of_a_key_that_is_revoked(
        self, kept: BrowserSessions, holders: ApiKeys, made: list[tuple[ApiKey, str, str]]
    ) -> None:
        for key, _, _ in made:
            holders.revoke(key.id)
        assert kept.end_all(key_id=made[0][0].id) == 2
        assert kept.end_all(organization_id="org_A") == 2

    def test_expired_ones_are_counted(
        self, kept: BrowserSessions, made: list[tuple[ApiKey, str, str]], clock: Clock
    ) -> None:
        clock.now += HOUR
        assert kept.end_all(key_id=made[0][0].id) == 2

    @pytest.mark.parametrize(
        ("arguments", "error", "message"),
        [
            ({}, ValueError, "^give either key_id or organization_id$"),
            (
                {"key_id": "api_1", "organization_id": "org_A"},
                ValueError,
                "^give either key_id or organization_id$",
            ),
            ({"key_id": "cxn_1"}, ValueError, "^expected an actor id "),
            ({"key_id": ""}, ValueError, "^expected an actor id "),
            ({"key_id": 1}, TypeError, "^key_id is 1 .* must be text$"),
            ({"organization_id": "acme"}, ValueError, "^organization_id: expected an organization"),
            ({"organization_id": ""}, ValueError, "^organization_id: expected an organization"),
            ({"organization_id": 1}, TypeError, "^organization_id is 1 .* must be text$"),
        ],
    )
    def test_wrong_arguments(
        self,
        in_memory: BrowserSessions,
        memory: Engine,
        a_key: ApiKey,
        arguments: dict[str, Any],
        error: type[Exception],
        message: str,
    ) -> None:
        in_memory.start(a_key)
        with pytest.raises(error, match=message):
            in_memory.end_all(**arguments)
        assert len(rows(memory)) == 1


class TestLinks:
    """A token that says whose link was opened, several times until it expires."""

    def test_a_link(self, kept: BrowserSessions, key: ApiKey, engine: Engine) -> None:
        link = kept.link(key)
        assert re.fullmatch("[0-9A-Za-z_-]{43}", link)
        assert [kept.opened(link) for _ in range(3)] == [key] * 3
        (row,) = rows(engine)
        assert (row.token_hash, row.purpose, row.key_id) == (digest(link), "link", key.id)
        assert (row.created_at, row.expires_at) == (T0, T0 + HOUR)
        assert link not in repr(row)

    def test_each_its_own(self, kept: BrowserSessions, holders: ApiKeys) -> None:
        made = [holders.create(f"org_{each}").key for each in "ABa"]
        links = [kept.link(each) for each in made]
        assert [kept.opened(each) for each in links] == made

    @pytest.mark.parametrize("given", [None, MILLISECOND, HOUR * 24])
    def test_the_boundary(
        self, kept: BrowserSessions, key: ApiKey, clock: Clock, given: timedelta | None
    ) -> None:
        """As long as a session, unless a time is given."""
        link = kept.link(key, expires_in=given)
        end = T0 + (given or HOUR)
        for now, expected in (
            (T0, key),
            (end - MILLISECOND, key),
            (end, None),
            (end + MILLISECOND, None),
        ):
            clock.now = now
            assert kept.opened(link) == expected

    def test_it_expires_with_its_key(
        self, kept: BrowserSessions, holders: ApiKeys, engine: Engine
    ) -> None:
        key = holders.create("org_A", expires_in=MILLISECOND).key
        kept.link(key)
        kept.link(key, expires_in=HOUR)
        assert [row.expires_at for row in rows(engine)] == [T0 + MILLISECOND] * 2

    def test_its_session_is_the_keys(
        self, kept: BrowserSessions, key: ApiKey, clock: Clock
    ) -> None:
        """The session begins when the link is opened, and outlasts it."""
        link = kept.link(key)
        clock.now += HOUR - MILLISECOND
        opened = kept.opened(link)
        assert opened is not None
        _, token = kept.start(opened)
        clock.now += MILLISECOND
        assert kept.opened(link) is None
        assert kept.find(token) is not None


class TestRowsThatWereEdited:
    """A row that is not what was written is never served, and the error says what is wrong."""

    @pytest.mark.parametrize(
        ("columns", "reason"),
        [
            ({"organization_id": "acme"}, "organization_id: Value error, expected an organization"),
            ({"name": "a\nb"}, "name: Value error, a name cannot hold the character U+000A"),
            ({"representation": "latest"}, "representation: Input should be 'guide' or 'current'"),
        ],
        ids=["organization_id", "name", "representation"],
    )
    def test_of_a_key(
        self,
        kept: BrowserSessions,
        key: ApiKey,
        engine: Engine,
        columns: dict[str, object],
        reason: str,
    ) -> None:
        (_, token), link = kept.start(key), kept.link(key)
        edit(engine, "connection_api_keys", **columns)
        for call, each in ((kept.find, token), (kept.opened, link)):
            self.refused(call, each, f"connection_api_keys {key.id}", reason)

    @pytest.mark.parametrize("column", ["created_at", "expires_at", "revoked_at"])
    def test_times_of_a_key(
        self, kept: BrowserSessions, key: ApiKey, engine: Engine, column: str
    ) -> None:
        (_, token), link = kept.start(key), kept.link(key)
        time, read = unreadable_time(engine)
        edit(engine, "connection_api_keys", **{column: time})
        reason = f"{column} is '{read}', no UTC time in milliseconds"
        for call, each in ((kept.find, token), (kept.opened, link)):
            self.refused(call, each, f"connection_api_keys {key.id}", reason)

    @pytest.mark.parametrize("column", ["created_at", "expires_at"])
    def test_of_a_session_or_a_link(
        self, kept: BrowserSessions, key: ApiKey, engine: Engine, column: str
    ) -> None:
        (_, token), link = kept.start(key), kept.link(key)
        time, read = unreadable_time(engine)
        edit(engine, "connection_browser_sessions", **{column: time})
        reason = f"{column} is '{read}', no UTC time in milliseconds"
        for call, each in ((kept.find, token), (kept.opened, link)):
            self.refused(call, each, f"connection_browser_sessions {digest(each)}", reason)

    def refused(self, call: Callable[[str], object], token: str, record: str, reason: str) -> None:
        with pytest.raises(InvalidRecordError) as caught:
            call(token)
        assert caught.value.record == record
        assert reason in caught.value.reason
        assert token not in "".join(traceback.format_exception(caught.value))
        # Whoever has not the token learns nothing of it.
        assert call(A_TOKEN) is None


class TestSecrecy:
    """A token is in the returned value, and nowhere else."""

    def test_no_repr_has_it(self, in_memory: BrowserSessions, a_key: ApiKey) -> None:
        new = in_memory.start(a_key)
        assert isinstance(new, NewBrowserSession)
        assert repr(new) == f"NewBrowserSession(session={new.session!r}, token=...)"
        for shown in (repr(new), str(new), f"{new}", repr([new]), repr(new.session)):
            assert new.token not in shown
        assert new.token not in new.session.model_dump_json()
        assert new.token not in repr(vars(in_memory))

    def test_a_session_is_a_frozen_value(self, in_memory: BrowserSessions, a_key: ApiKey) -> None:
        session = in_memory.start(a_key).session
        with pytest.raises(ValidationError, match="frozen"):
            session.expires_at = T0
        assert copy.copy(session) == pickle.loads(pickle.dumps(session)) == session
        assert hash(session) == hash(copy.deepcopy(session))

    def test_no_log_and_no_statement_has_it(
        self,
        kept: BrowserSessions,
        key: ApiKey,
        engine: Engine,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """Not even if SQLAlchemy logs every statement with its values."""
        with caplog.at_level(logging.DEBUG):
            engine.echo = "debug"
            (session, token), link = kept.start(key), kept.link(key)
            assert kept.find(token) == session
            assert kept.opened(link) == key
            assert kept.find(A_TOKEN) is None
            kept.end(token)
            kept.end(A_TOKEN)
            kept.end_all(key_id=key.id)
            engine.echo = False
        assert digest(token) in caplog.text
        for each in (token, link, A_TOKEN):
            assert each not in caplog.text
