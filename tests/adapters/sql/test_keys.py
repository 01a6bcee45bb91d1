"""API keys: who calls, told by a secret that nothing shows and nobody can guess."""

import copy
import hmac
import inspect as inspection
import logging
import pickle
import re
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from time import monotonic
from typing import Any
from unittest.mock import patch

import pytest
from clocks import Clock
from embedding import unreadable_time
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from sqlalchemy import Engine, event, inspect, select, text, update
from sqlalchemy.exc import IntegrityError, InvalidRequestError, OperationalError, SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine
from support import T0

from connect_core import Actor, ActorType, InvalidRecordError, Organization
from connect_core.adapters.sql import (
    ApiKey,
    ApiKeys,
    KeyStatus,
    NewApiKey,
    api_keys,
    keys,
    keys_metadata,
    metadata,
    open_engine,
)
from connect_core.history import LATEST
from connect_core.identifiers import BASE58

MINUTE = timedelta(minutes=1)
MILLISECOND = timedelta(milliseconds=1)


@pytest.fixture
def kept(engine: Engine, clock: Clock) -> ApiKeys:
    """Keys in an empty table, on every database."""
    found = ApiKeys(engine, clock=clock)
    found.create_tables()
    return found


@pytest.fixture
def in_memory(memory: Engine, clock: Clock) -> ApiKeys:
    """Keys in an empty table there."""
    found = ApiKeys(memory, clock=clock)
    found.create_tables()
    return found


def row(engine: Engine, key: ApiKey) -> Any:
    with engine.connect() as database:
        return database.execute(select(api_keys).where(api_keys.c.id == str(key.id))).one()


def edit(engine: Engine, key: ApiKey, **columns: object) -> None:
    """Change a row as somebody would with a database's own tools."""
    changes = ", ".join(f"{name} = :{name}" for name in columns)
    statement = text(f"UPDATE connection_api_keys SET {changes} WHERE id = :key")  # noqa: S608  # ours
    with engine.begin() as database:
        database.execute(statement, {**columns, "key": str(key.id)})


class TestTheTable:
    """It is in metadata of its own, so that other hosts do not get it."""

    def test_it_is_not_among_the_others(self, engine: Engine) -> None:
        tables = {"connection_api_keys", "connection_browser_sessions"}
        assert set(keys_metadata.tables) == tables
        assert tables.isdisjoint(metadata.tables)
        assert tables.isdisjoint(inspect(engine).get_table_names())

    def test_it_is_created_once(self, engine: Engine) -> None:
        kept = ApiKeys(engine)
        assert not kept.has_tables()
        assert list(kept.absent_tables()) == ["connection_api_keys", "connection_browser_sessions"]
        kept.create_tables()
        assert kept.has_tables()
        key, _ = kept.create("org_A")
        kept.create_tables()
        assert list(kept.list()) == [key]

    @pytest.mark.parametrize("absent", sorted(keys_metadata.tables))
    def test_one_of_them_is_absent(self, kept: ApiKeys, engine: Engine, absent: str) -> None:
        """An earlier version created the keys alone."""
        keys_metadata.tables[absent].drop(engine)
        assert (kept.has_tables(), list(kept.absent_tables())) == (False, [absent])
        kept.create_tables()
        assert (kept.has_tables(), list(kept.absent_tables())) == (True, [])

    def test_another_table_by_its_name(self, engine: Engine) -> None:
        """Nothing is created beside it."""
        with engine.begin() as database:
            database.execute(text("CREATE TABLE connection_browser_sessions (token_hash TEXT)"))
        kept = ApiKeys(engine)
        reason = "it has a table connection_browser_sessions of another kind, without purpose, "
        with pytest.raises(InvalidRequestError, match=reason):
            kept.create_tables()
        assert list(kept.absent_tables()) == ["connection_api_keys"]

    def test_without_it_every_call_fails(self, engine: Engine) -> None:
        kept = ApiKeys(engine)
        with pytest.raises(SQLAlchemyError, match="connection_api_keys"):
            kept.create("org_A")
        with pytest.raises(SQLAlchemyError, match="connection_api_keys"):
            kept.list()

    @pytest.mark.parametrize(
        ("wrong", "message"),
        [
            (None, "engine: expected a sqlalchemy.Engine, got None"),
            (
                create_async_engine("sqlite+aiosqlite://"),
                r"engine: expected a sqlalchemy.Engine, got .*AsyncEngine; of an AsyncEngine, pass "
                "its sync_engine",
            ),
        ],
        ids=["None", "AsyncEngine"],
    )
    def test_what_is_no_engine(self, wrong: Any, message: str) -> None:
        with pytest.raises(TypeError, match=f"^{message}$"):
            ApiKeys(wrong)

    def test_what_is_no_function(self, engine: Engine) -> None:
        wrong: Any = T0
        with pytest.raises(TypeError, match=r"^clock is .*; it must be a function$"):
            ApiKeys(engine, clock=wrong)
        with pytest.raises(TypeError, match=r"^new_id is .*; it must be a function$"):
            ApiKeys(engine, new_id=wrong)


class TestCreate:
    """A key and its token, of which only a digest is stored."""

    def test_a_program(self, kept: ApiKeys, engine: Engine) -> None:
        key, token = kept.create("org_ABC123")
        assert re.fullmatch(rf"api_[{BASE58}]{{28}}", key.id)
        assert key == ApiKey(id=key.id, organization_id="org_ABC123", created_at=T0)  # type: ignore[arg-type]  # as hosts may write it
        assert key.actor == Actor(id=key.id, organization_id="org_ABC123")
        assert key.actor.type is ActorType.API_KEY
        stored = row(engine, key)
        secret = token.removeprefix(f"{key.id}.")
        assert re.fullmatch("[0-9A-Za-z_-]{43}", secret)
        assert stored.secret_hash == sha256(secret.encode()).hexdigest()
        assert secret not in repr(stored)

    def test_a_person_with_everything(self, kept: ApiKeys) -> None:
        organization = Organization(id="org_DEF456", name="Partner")
        key, token = kept.create(
            organization,
            name="Söhne 🎉",
            actor="user",
            expires_in=timedelta(days=90),
            representation="current",
        )
        assert re.fullmatch(rf"usr_[{BASE58}]{{28}}", key.id)
        assert key.actor.type is ActorType.USER
        assert (key.name, key.representation) == ("Söhne 🎉", "current")
        assert key.expires_at == T0 + timedelta(days=90)
        assert list(kept.list()) == [key]
        assert kept.authenticate(token) == key

    def test_no_two_are_the_same(self, in_memory: ApiKeys) -> None:
        made = [in_memory.create("org_A") for _ in range(50)]
        assert len({new.key.id for new in made}) == 50
        assert len({new.token.partition(".")[2] for new in made}) == 50

    def test_the_secret_is_256_bits_from_the_system(self, in_memory: ApiKeys) -> None:
        with patch.object(keys, "urandom", return_value=b"\xff\xfe" * 16) as urandom:
            _, token = in_memory.create("org_A")
        urandom.assert_called_once_with(32)
        assert token.partition(".")[2] == "__7__v_-" * 5 + "__4"

    def test_an_id_of_the_hosts_own(self, engine: Engine) -> None:
        kept = ApiKeys(engine, new_id=lambda prefix: f"{prefix}ABC123")
        kept.create_tables()
        key, token = kept.create("org_A")
        assert key.id == "api_ABC123"
        assert kept.authenticate(token) is not None
        with pytest.raises(IntegrityError):
            kept.create("org_B")
        assert list(kept.list("org_B")) == []

    @pytest.mark.parametrize(
        ("arguments", "error", "message"),
        [
            ({"organization_id": "acme"}, ValueError, "organization_id: expected an organization"),
            ({"organization_id": None}, TypeError, "organization_id is None .* must be text"),
            ({"name": 1}, TypeError, "name is 1 .* must be text"),
            ({"name": "a\nb"}, ValueError, "a name cannot hold the character U\\+000A"),
            ({"name": "x" * 256}, ValueError, "a name has at most 255 characters"),
            ({"actor": "robot"}, ValueError, "actor is 'robot'; .* one of user, api-key"),
            ({"actor": None}, TypeError, "actor is None .* must be text"),
            (
                {"representation": "latest"},
                ValueError,
                "representation is 'latest'; it must be one of guide, current",
            ),
            ({"representation": 1}, TypeError, "representation is 1 .* must be text"),
            ({"expires_in": 90}, TypeError, "expires_in is 90 .* must be a timedelta"),
            ({"expires_in": timedelta(0)}, ValueError, "expires_in is 0:00:00; .* millisecond"),
            (
                {"expires_in": timedelta(microseconds=876)},
                ValueError,
                "expires_in is 0:00:00.000876; it must be a millisecond at least",
            ),
            ({"expires_in": -MINUTE}, ValueError, "it must be a millisecond at least"),
            ({"expires_in": timedelta.max}, ValueError, "that is after the year 9999"),
            (
                {"expires_in": LATEST - T0 + MILLISECOND},
                ValueError,
                "that is after the year 9999",
            ),
        ],
    )
    def test_wrong_arguments(
        self,
        in_memory: ApiKeys,
        arguments: dict[str, Any],
        error: type[Exception],
        message: str,
    ) -> None:
        given: dict[str, Any] = {"organization_id": "org_A", **arguments}
        with pytest.raises(error, match=message):
            in_memory.create(**given)
        assert list(in_memory.list()) == []

    def test_the_shortest_and_the_longest_time(self, in_memory: ApiKeys) -> None:
        shortest, _ = in_memory.create("org_A", expires_in=MILLISECOND)
        longest, _ = in_memory.create("org_A", expires_in=LATEST - T0)
        assert (shortest.expires_at, longest.expires_at) == (T0 + MILLISECOND, LATEST)

    def test_a_naive_clock(self, in_memory: ApiKeys, clock: Clock) -> None:
        clock.now = T0.replace(tzinfo=None)
        with pytest.raises(ValueError, match=r"^clock\(\): the time is naive"):
            in_memory.create("org_A")

    def test_a_clock_in_another_zone_and_finer(self, in_memory: ApiKeys, clock: Clock) -> None:
        clock.now = datetime.fromisoformat("2026-11-24T13:00:00.123999+01:00")
        key, _ = in_memory.create("org_A")
        assert (key.created_at, key.created_at.tzinfo) == (T0, UTC)


class TestAuthenticate:
    """The key of a token, or None: nobody can tell the reasons apart."""

    def test_each_its_own(self, kept: ApiKeys) -> None:
        made = [kept.create(f"org_{each}") for each in "ABa"]
        assert [kept.authenticate(new.token) for new in made] == [new.key for new in made]

    def test_every_other_character_is_wrong(self, in_memory: ApiKeys) -> None:
        """Also in the last one, of which base64 ignores two bits."""
        _, token = in_memory.create("org_A")
        for place in range(len(token)):
            for other in "AB_.":
                changed = token[:place] + other + token[place + 1 :]
                assert (in_memory.authenticate(changed) is not None) is (changed == token)

    def test_the_secret_of_another_key(self, kept: ApiKeys) -> None:
        (ours, token), (theirs, other) = kept.create("org_A"), kept.create("org_B")
        assert kept.authenticate(f"{ours.id}.{other.partition('.')[2]}") is None
        assert kept.authenticate(f"{theirs.id}.{token.partition('.')[2]}") is None

    def test_the_digest_is_no_secret(self, kept: ApiKeys, engine: Engine) -> None:
        """Whoever reads the table cannot call."""
        key, _ = kept.create("org_A")
        digest = row(engine, key).secret_hash
        assert kept.authenticate(f"{key.id}.{digest}") is None
        assert kept.authenticate(f"{key.id}.{digest[:43]}") is None

    def test_ids_are_compared_exactly(self, kept: ApiKeys) -> None:
        _, token = kept.create("org_A")
        key_id, _, secret = token.partition(".")
        assert kept.authenticate(f"api_{key_id[4:].swapcase()}.{secret}") is None

    @given(st.sampled_from(["", "api_", "api_1.", "usr_1."]), st.text())
    def test_any_text(self, start: str, text: str) -> None:
        """What cannot be a token is answered with None, and the database is not asked."""
        assert _UNREACHABLE.authenticate(start + text) is None

    @pytest.mark.parametrize(
        "token",
        [
            "",
            ".",
            "api_1.",
            f".{'a' * 43}",
            f"api_1.{'a' * 42}",
            f"api_1.{'a' * 44}",
            f"api_1.{'a' * 42}=",
            f"api_1.{'a' * 42}é",
            f"api_1.{'a' * 43}\n",
            f" api_1.{'a' * 43}",
            f"Bearer api_1.{'a' * 43}",
            f"cxn_1.{'a' * 43}",
            f"org_1.{'a' * 43}",
            f"api_.{'a' * 43}",
            f"api_1\x00.{'a' * 43}",
            f"api_1' OR '1'='1.{'a' * 43}",
            f"api_{'1' * 252}.{'a' * 43}",
            f"api_{'1' * 10_000_000}.{'a' * 43}",
            "api_1." * 100_000,
            "\ud800",
        ],
        ids=lambda each: ascii(each[:20]),
    )
    def test_hostile_text(self, token: str) -> None:
        assert _UNREACHABLE.authenticate(token) is None

    @pytest.mark.parametrize("wrong", [None, b"api_1.secret", 1, ["api_1.secret"]])
    def test_what_is_no_text(self, in_memory: ApiKeys, wrong: Any) -> None:
        """The message does not have it: it may be a token."""
        with pytest.raises(TypeError) as caught:
            in_memory.authenticate(wrong)
        assert str(caught.value) == f"token: expected a str, got {type(wrong).__name__}"

    def test_the_longest_id(self, engine: Engine) -> None:
        kept = ApiKeys(engine, new_id=lambda prefix: prefix + "z" * 251)
        kept.create_tables()
        key, token = kept.create("org_A")
        assert len(token) == 255 + 1 + 43
        assert kept.authenticate(token) is not None
        assert key.id == "api_" + "z" * 251

    def test_the_comparison_takes_constant_time(self, in_memory: ApiKeys, memory: Engine) -> None:
        """The same one is made of digests of the same length, whether there is a key or not."""
        key, token = in_memory.create("org_A")
        stored = row(memory, key).secret_hash.encode()
        wrong = f"{key.id}.{'a' * 43}"
        unknown = f"api_1.{'a' * 43}"
        for each, expected in ((token, stored), (wrong, stored), (unknown, b"0" * 64)):
            digest = sha256(each.partition(".")[2].encode()).hexdigest().encode()
            with patch.object(keys, "compare_digest", wraps=hmac.compare_digest) as compared:
                assert (in_memory.authenticate(each) is None) is (each != token)
            compared.assert_called_once_with(digest, expected)

    def test_a_digest_that_matches_nobodys_is_not_enough(self, in_memory: ApiKeys) -> None:
        with patch.object(keys, "compare_digest", return_value=True):
            assert in_memory.authenticate(f"api_1.{'a' * 43}") is None

    def test_the_database_cannot_be_read(self) -> None:
        """That is no answer about the token."""
        with pytest.raises(OperationalError) as caught:
            _UNREACHABLE.authenticate(f"api_1.{'a' * 43}")
        assert "aaaa" not in str(caught.value)


_NO_TABLE = open_engine("sqlite://")
#: Keys that have no table, so that a query fails.
_UNREACHABLE = ApiKeys(_NO_TABLE)


@pytest.fixture(scope="module", autouse=True)
def _disposed() -> Iterator[None]:
    yield
    _NO_TABLE.dispose()


class TestExpiry:
    """A key can be used before it expires, and not at that moment or later."""

    def test_the_boundary(self, kept: ApiKeys, clock: Clock) -> None:
        key, token = kept.create("org_A", expires_in=MINUTE)
        for after, status in (
            (timedelta(0), KeyStatus.ACTIVE),
            (MINUTE - MILLISECOND, KeyStatus.ACTIVE),
            (MINUTE, KeyStatus.EXPIRED),
            (MINUTE + MILLISECOND, KeyStatus.EXPIRED),
        ):
            clock.now = T0 + after
            assert key.status(clock.now) is status
            assert (kept.authenticate(token) is None) is (status is not KeyStatus.ACTIVE)

    def test_finer_than_a_millisecond(self, in_memory: ApiKeys, clock: Clock) -> None:
        _, token = in_memory.create("org_A", expires_in=MINUTE)
        clock.now = T0 + MINUTE - timedelta(microseconds=1)
        assert in_memory.authenticate(token) is not None

    def test_without_an_end(self, in_memory: ApiKeys, clock: Clock) -> None:
        _, token = in_memory.create("org_A")
        clock.now = LATEST
        assert in_memory.authenticate(token) is not None

    def test_an_expired_one_is_not_used(self, kept: ApiKeys, clock: Clock) -> None:
        _, token = kept.create("org_A", expires_in=MINUTE)
        clock.now = T0 + MINUTE
        assert kept.authenticate(token) is None
        assert [each.last_used_at for each in kept.list()] == [None]


class TestRevoke:
    """A key that is revoked is never used again."""

    def test_it_ends_at_once(self, kept: ApiKeys, clock: Clock) -> None:
        others = [kept.create("org_A").token]
        key, token = kept.create("org_A")
        others.append(kept.create("org_A").token)
        assert kept.revoke(key.id)
        assert kept.authenticate(token) is None
        assert None not in map(kept.authenticate, others)
        (revoked,) = [each for each in kept.list() if each.id == key.id]
        assert revoked.revoked_at == T0
        assert revoked.status(clock.now - timedelta(days=1)) is KeyStatus.REVOKED

    def test_once(self, kept: ApiKeys, clock: Clock) -> None:
        key, _ = kept.create("org_A", expires_in=MINUTE)
        assert kept.revoke(key.id)
        clock.now += timedelta(days=1)
        assert kept.revoke(key.id)
        (revoked,) = kept.list()
        assert revoked.revoked_at == T0
        assert revoked.status(clock.now) is KeyStatus.REVOKED  # which says more than expired

    def test_an_unknown_one(self, kept: ApiKeys) -> None:
        kept.create("org_A")
        assert not kept.revoke("api_1")

    @pytest.mark.parametrize(
        ("wrong", "error"), [("cxn_1", ValueError), ("", ValueError), (None, TypeError)]
    )
    def test_what_is_no_id(self, in_memory: ApiKeys, wrong: Any, error: type[Exception]) -> None:
        with pytest.raises(error, match=r"an actor id|must be text"):
            in_memory.revoke(wrong)

    def test_a_row_that_cannot_be_read(self, kept: ApiKeys, engine: Engine) -> None:
        key, token = kept.create("org_A")
        edit(engine, key, organization_id="acme")
        assert kept.revoke(key.id)
        edit(engine, key, organization_id="org_A")
        assert kept.authenticate(token) is None


class TestList:
    """The keys, newest first, without their secrets."""

    def test_the_order(self, kept: ApiKeys, clock: Clock) -> None:
        made: list[ApiKey] = []
        for number in range(4):
            clock.now = T0 + number // 2 * MINUTE
            made.append(kept.create(f"org_{'AB'[number % 2]}").key)
        assert list(kept.list()) == made[::-1]
        assert list(kept.list("org_A")) == [made[2], made[0]]
        assert list(kept.list(Organization(id="org_B"))) == [made[3], made[1]]
        assert list(kept.list("org_a")) == []

    @pytest.mark.parametrize(("wrong", "error"), [("acme", ValueError), (1, TypeError)])
    def test_what_is_no_organization(
        self, in_memory: ApiKeys, wrong: Any, error: type[Exception]
    ) -> None:
        with pytest.raises(error, match=r"^organization_id"):
            in_memory.list(wrong)


class TestUse:
    """The time of use is noted once a minute, and never at the caller's cost."""

    def test_once_a_minute(self, kept: ApiKeys, clock: Clock) -> None:
        _, token = kept.create("org_A")
        noted: list[datetime | None] = []
        for after in (timedelta(0), MINUTE - MILLISECOND, MINUTE, MINUTE + MILLISECOND, -MINUTE):
            clock.now = T0 + after
            assert kept.authenticate(token) is not None
            noted += [each.last_used_at for each in kept.list()]
        assert noted == [T0, T0, T0 + MINUTE, T0 + MINUTE, T0 + MINUTE]

    def test_each_its_own(self, kept: ApiKeys) -> None:
        made = [kept.create("org_A") for _ in range(3)]
        assert kept.authenticate(made[1].token) is not None
        used = {each.id: each.last_used_at for each in kept.list()}
        assert used == {new.key.id: T0 if new is made[1] else None for new in made}

    def test_how_many_statements(self, in_memory: ApiKeys, memory: Engine) -> None:
        """Within the minute a call is one query, and writes nothing."""
        _, token = in_memory.create("org_A")
        assert in_memory.authenticate(token) is not None
        statements: list[str] = []

        def note(*arguments: Any) -> None:
            statements.append(arguments[2])

        event.listen(memory, "before_cursor_execute", note)
        assert in_memory.authenticate(token) is not None
        assert [each.split()[0] for each in statements] == ["BEGIN", "SELECT"]

    @pytest.mark.parametrize("late", [T0 + MILLISECOND, T0 + timedelta(hours=1)])
    def test_two_processes_note_it_once(
        self, kept: ApiKeys, engine: Engine, late: datetime
    ) -> None:
        """Nor does the later one move the time back."""
        key, token = kept.create("org_A")

        def clock_of_the_slower() -> datetime:
            """Between reading the row and writing it."""
            with engine.begin() as database:
                database.execute(update(api_keys).values(last_used_at=late))
            return T0 + MINUTE

        assert ApiKeys(engine, clock=clock_of_the_slower).authenticate(token) == key
        assert [each.last_used_at for each in kept.list()] == [late]

    def test_while_another_process_writes(self, engine: Engine, clock: Clock) -> None:
        """Nobody waits for it; a later call notes the time."""
        if engine.url.database is None:  # where there is nobody else
            return
        kept = ApiKeys(engine, clock=clock)
        kept.create_tables()
        key, token = kept.create("org_A")
        with engine.begin() as database:
            database.execute(update(api_keys).values(name="in a transaction"))
            began = monotonic()
            assert kept.authenticate(token) == key
            assert monotonic() - began < 5
        assert [each.last_used_at for each in kept.list()] == [None]
        assert kept.authenticate(token) is not None
        assert [each.last_used_at for each in kept.list()] == [T0]
        if engine.dialect.name == "sqlite":
            with engine.connect() as database:  # of the pool, where it was changed for a moment
                assert database.exec_driver_sql("PRAGMA busy_timeout").scalar_one() == 30_000

    def test_where_it_cannot_be_written(self, in_memory: ApiKeys, memory: Engine) -> None:
        key, token = in_memory.create("org_A")

        def refuse(*arguments: Any) -> None:
            if arguments[2].startswith("UPDATE"):
                raise OperationalError(arguments[2], None, Exception("read-only"))

        event.listen(memory, "before_cursor_execute", refuse)
        assert in_memory.authenticate(token) == key
        assert [each.last_used_at for each in in_memory.list()] == [None]
        event.remove(memory, "before_cursor_execute", refuse)


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
    def test_columns(
        self, kept: ApiKeys, engine: Engine, columns: dict[str, object], reason: str
    ) -> None:
        key, token = kept.create("org_A")
        edit(engine, key, **columns)
        self._refused(kept, key, token, reason)

    @pytest.mark.parametrize("column", ["created_at", "expires_at", "revoked_at", "last_used_at"])
    def test_times(self, kept: ApiKeys, engine: Engine, column: str) -> None:
        """Servers know times that Python does not; SQLite takes any text."""
        key, token = kept.create("org_A")
        time, read = unreadable_time(engine)
        edit(engine, key, **{column: time})
        self._refused(kept, key, token, f"{column} is '{read}', no UTC time in milliseconds")

    def _refused(self, kept: ApiKeys, key: ApiKey, token: str, reason: str) -> None:
        sound, _ = kept.create("org_A")
        for question in (lambda: kept.authenticate(token), kept.list):
            with pytest.raises(InvalidRecordError) as caught:
                question()
            assert caught.value.record == f"connection_api_keys {key.id}"
            assert reason in caught.value.reason
            assert token.partition(".")[2] not in "".join(traceback.format_exception(caught.value))
        found: list[InvalidRecordError] = []
        assert list(kept.list(on_invalid=found.append)) == [sound]
        assert [each.record for each in found] == [f"connection_api_keys {key.id}"]
        # Whoever has not the secret learns nothing of it.
        assert kept.authenticate(f"{key.id}.{'a' * 43}") is None

    @pytest.mark.parametrize("digest", ["", "é" * 64, "0" * 64, "A" * 64, "\x01"])
    def test_a_digest_has_no_token(self, kept: ApiKeys, engine: Engine, digest: str) -> None:
        key, token = kept.create("org_A")
        edit(engine, key, secret_hash=digest)
        assert kept.authenticate(token) is None
        assert list(kept.list()) == [key]

    @pytest.mark.parametrize("digest", [b"\xff\x00", 7])
    def test_a_digest_of_another_type(
        self, in_memory: ApiKeys, memory: Engine, digest: object
    ) -> None:
        key, token = in_memory.create("org_A")
        edit(memory, key, secret_hash=digest)
        assert in_memory.authenticate(token) is None


def test_what_could_be_mixed_up_is_given_by_name() -> None:
    by_name: dict[Any, int] = {ApiKeys: 2, ApiKeys.create: 4, ApiKeys.list: 1}
    for function, count in by_name.items():
        parameters = inspection.signature(function).parameters.values()
        kinds = [parameter.kind for parameter in parameters]
        assert kinds.count(inspection.Parameter.KEYWORD_ONLY) == count
        assert inspection.Parameter.POSITIONAL_ONLY not in kinds


class TestSecrecy:
    """A token is in the returned value, and nowhere else."""

    def test_no_repr_has_it(self, in_memory: ApiKeys) -> None:
        new = in_memory.create("org_A", name="N")
        assert isinstance(new, NewApiKey)
        secret = new.token.partition(".")[2]
        assert repr(new) == f"NewApiKey(key={new.key!r}, token=...)"
        for shown in (repr(new), str(new), f"{new}", repr([new]), repr(new.key), str(new.key)):
            assert secret not in shown
        assert secret not in new.key.model_dump_json()
        assert secret not in repr(vars(in_memory))
        assert "secret" not in " ".join(ApiKey.model_fields)

    def test_a_key_is_a_frozen_value(self, in_memory: ApiKeys) -> None:
        key, _ = in_memory.create("org_A")
        with pytest.raises(ValidationError, match="frozen"):
            key.name = "changed"
        assert copy.copy(key) == pickle.loads(pickle.dumps(key)) == key
        assert hash(key) == hash(copy.deepcopy(key))

    def test_no_log_and_no_statement_has_it(
        self, engine: Engine, clock: Clock, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Not even if SQLAlchemy logs every statement with its values."""
        kept = ApiKeys(engine, clock=clock)
        with caplog.at_level(logging.DEBUG):
            engine.echo = "debug"
            kept.create_tables()
            key, token = kept.create("org_A")
            assert kept.authenticate(token) == key
            assert kept.authenticate(f"{key.id}.{'a' * 43}") is None
            kept.list()
            kept.revoke(key.id)
            engine.echo = False
        assert key.id in caplog.text
        assert token.partition(".")[2] not in caplog.text
        assert "a" * 43 not in caplog.text

    def test_no_exception_has_it(self, engine: Engine) -> None:
        """The table is absent: creating a key fails, and so does asking for one."""
        kept = ApiKeys(engine)
        secret = "s" * 43
        with (
            patch.object(keys, "urlsafe_b64encode", return_value=secret.encode()),
            pytest.raises(SQLAlchemyError) as creating,
        ):
            kept.create("org_A")
        with pytest.raises(SQLAlchemyError) as asking:
            kept.authenticate(f"api_1.{secret}")
        for caught in (creating, asking):
            assert secret not in "".join(traceback.format_exception(caught.value))
