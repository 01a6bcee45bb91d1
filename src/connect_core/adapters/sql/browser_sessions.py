"""Browser sessions: a random token stands for the API key with which somebody signed in.

A browser keeps the token of a session and not that of a key: a session ends by itself, and ending
it leaves the key as it is. A link signs a browser in without anybody typing a key's token. A token
is 256 bits from the system's random source. The database keeps only its digest, by which a row is
found: how long that takes says nothing about a token.

This module authorizes nothing, and knows no cookie and no URL. It logs nothing, and no
text that it makes, of a value or of an error, holds a token.
"""

import re
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, NamedTuple

from sqlalchemy import (
    Column,
    Engine,
    Index,
    PrimaryKeyConstraint,
    String,
    Table,
    bindparam,
    delete,
    insert,
    select,
)
from sqlalchemy.exc import SQLAlchemyError

from connect_core import arguments
from connect_core.adapters.sql.engine import require_engine, without_waiting
from connect_core.adapters.sql.keys import (
    KEY_COLUMNS,
    SECRET,
    ApiKey,
    KeyStatus,
    api_keys,
    digest_of,
    end_of,
    key_of,
    keys_metadata,
    new_secret,
    require_text,
)
from connect_core.adapters.sql.rows import valid
from connect_core.adapters.sql.types import EXACT, Id, UtcTime, as_stored
from connect_core.history import Timestamp, utc_now
from connect_core.identifiers import ActorId
from connect_core.parties import Actor, Immutable, Organization

#: The sessions and the links: one row for each. Rows are deleted when they have ended or expired.
browser_sessions = Table(
    "connection_browser_sessions",
    keys_metadata,
    Column("token_hash", String(64), nullable=False),
    Column("purpose", String(16), nullable=False),
    Column("key_id", Id, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime, nullable=False),
    PrimaryKeyConstraint("token_hash", name="pk_connection_browser_sessions"),
    Index("ix_connection_browser_sessions_expires_at", "expires_at"),
    Index("ix_connection_browser_sessions_key_id", "key_id"),
    **EXACT,
)

_TOKEN: Final = re.compile(SECRET)


class _Purpose(StrEnum):
    """What a token is for. One for a session does not work in a link, nor the reverse."""

    #: A browser sends it with each request.
    SESSION = "session"
    #: It is in a link with which a browser signs in.
    LINK = "link"


class BrowserSession(Immutable):
    """A session, without its token. Immutable.

    Raises:
        pydantic.ValidationError: a field is not what its type says.
    """

    key: ApiKey
    created_at: Timestamp
    expires_at: Timestamp

    @property
    def actor(self) -> Actor:
        """Who acts in this session: the actor of its key."""
        return self.key.actor


class NewBrowserSession(NamedTuple):
    """A session that was started now, and its token, which nothing can show again.

    Attributes:
        session: the session.
        token: what the browser sends. The `repr` of this value leaves it out.
    """

    session: BrowserSession
    token: str

    def __repr__(self) -> str:
        return f"NewBrowserSession(session={self.session!r}, token=...)"


class BrowserSessions:
    """The sessions in a database, and the links. Each call is a transaction of its own.

    Their table is one of `keys_metadata`; `ApiKeys.create_tables` creates it. Threads may share one
    `BrowserSessions`. From asynchronous code, call it in a thread.

    Args:
        engine: the engine of the database, one that `open_engine` or `configure_engine` returned.
        lifetime: how long a session lasts.
        clock: gives the current time, aware; the system's clock in UTC if omitted.

    Raises:
        TypeError: `engine` is no `sqlalchemy.Engine`, or another argument is of the wrong type.
        ValueError: `lifetime` is shorter than a millisecond, or ends after the year 9999.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        lifetime: timedelta = timedelta(hours=8),
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        require_engine(engine)
        self._engine = engine
        self._reading = engine.execution_options(only_reads=True)
        self._clock = arguments.function(clock, "clock")
        end_of(self._now(), lifetime, "lifetime")
        self._lifetime = lifetime

    def start(self, key: ApiKey) -> NewBrowserSession:
        """Start a session of a browser whose user has shown this key, and store its digest.

        It ends after `lifetime`, or when the key expires if that is sooner. If the key cannot be
        used any more, neither can the session. Sessions and links that have expired are deleted.

        Args:
            key: the key, as `ApiKeys.authenticate` or `opened` returned it.

        Returns:
            The session and its token. Nothing else has the token.

        Raises:
            TypeError: `key` is no `ApiKey`.
            ValueError: the session would end after the year 9999; nothing was stored.
            sqlalchemy.exc.SQLAlchemyError: the database does not take it.
        """
        return self._store(_Purpose.SESSION, key, self._lifetime, "lifetime")

    def find(self, token: str) -> BrowserSession | None:
        """The session whose token this is; None if it cannot be used.

        That is the answer for text of any form, for the token of a link, for a session that is
        unknown, ended or expired, and for one whose key is revoked, expired or gone: nobody can
        tell them apart. The use of the key is not noted.

        Raises:
            TypeError: `token` is not text.
            InvalidRecordError: the row of the session, or of its key, is not what was written.
            sqlalchemy.exc.SQLAlchemyError: the database cannot be read.
        """
        return self._find(_Purpose.SESSION, token)

    def end(self, token: str) -> None:
        """End the session whose token this is. For text of any other form, nothing happens.

        Raises:
            TypeError: `token` is not text.
            sqlalchemy.exc.SQLAlchemyError: the database does not take it.
        """
        require_text(token)
        if _TOKEN.fullmatch(token) is None:
            return
        with self._engine.begin() as database:
            database.execute(_END, _identity(_Purpose.SESSION, token))

    def end_all(
        self, *, key_id: str | None = None, organization_id: str | Organization | None = None
    ) -> int:
        """End the sessions and the links of a key, or of all keys of an organization.

        Give one of the two.

        Returns:
            How many were stored, counting those that had expired and were not deleted yet.

        Raises:
            TypeError: an argument is of the wrong type.
            ValueError: both are given or neither is, or it is not the id of an actor or of an
                organization; none was ended.
            sqlalchemy.exc.SQLAlchemyError: the database does not take it.
        """
        if (key_id is None) is (organization_id is None):
            raise ValueError("give either key_id or organization_id")
        if key_id is not None:
            these = browser_sessions.c.key_id == str(ActorId(arguments.text(key_id, "key_id")))
        else:
            wanted = arguments.organization_id(organization_id, "organization_id")
            of_organization = api_keys.c.organization_id == str(wanted)
            these = browser_sessions.c.key_id.in_(select(api_keys.c.id).where(of_organization))
        with self._engine.begin() as database:
            return database.execute(delete(browser_sessions).where(these)).rowcount

    def link(self, key: ApiKey, *, expires_in: timedelta | None = None) -> str:
        """Make a token for a link that signs in the holder of this key.

        It can be used several times until it expires, at the latest when the key does. It is no
        token of a session. Sessions and links that have expired are deleted.

        Args:
            key: the key.
            expires_in: how long it can be used; as long as a session lasts if omitted.

        Returns:
            The token. Nothing else has it.

        Raises:
            TypeError: an argument is of the wrong type.
            ValueError: `expires_in` is shorter than a millisecond, or ends after the year 9999;
                nothing was stored.
            sqlalchemy.exc.SQLAlchemyError: the database does not take it.
        """
        if expires_in is None:
            return self._store(_Purpose.LINK, key, self._lifetime, "lifetime").token
        return self._store(_Purpose.LINK, key, expires_in, "expires_in").token

    def opened(self, token: str) -> ApiKey | None:
        """The key whose link has this token; None if the link cannot be used.

        The answer is None for the same reasons as that of `find`, and for the token of a session.

        Raises:
            TypeError: `token` is not text.
            InvalidRecordError: the row of the link, or of its key, is not what was written.
            sqlalchemy.exc.SQLAlchemyError: the database cannot be read.
        """
        found = self._find(_Purpose.LINK, token)
        return None if found is None else found.key

    def _now(self) -> datetime:
        return arguments.moment(self._clock(), "clock()")

    def _store(
        self, purpose: _Purpose, key: ApiKey, period: timedelta, argument: str
    ) -> NewBrowserSession:
        if not isinstance(key, ApiKey):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
            # Not its value: that may be a token.
            raise TypeError(f"key: expected an ApiKey, got {type(key).__name__}")
        now = self._now()
        end = end_of(now, period, argument)
        if key.expires_at is not None:
            end = min(end, key.expires_at)
        token = new_secret()
        values = {
            **_identity(purpose, token),
            "key_id": str(key.id),
            "created_at": now,
            "expires_at": end,
        }
        with self._engine.begin() as database:
            database.execute(insert(browser_sessions), values)
        self._delete_expired(now)
        return NewBrowserSession(BrowserSession(key=key, created_at=now, expires_at=end), token)

    def _delete_expired(self, now: datetime) -> None:
        """Delete what has expired, unless the database is busy: others do so, too."""
        with (
            suppress(SQLAlchemyError),
            self._reading.connect() as database,
            without_waiting(database),
        ):
            database.execute(_DELETE_EXPIRED, {"now": now})
            database.commit()

    def _find(self, purpose: _Purpose, token: str) -> BrowserSession | None:
        require_text(token)
        if _TOKEN.fullmatch(token) is None:
            return None
        identity = _identity(purpose, token)
        with self._reading.connect() as database:
            row = database.execute(_ONE, identity).one_or_none()
        if row is None:
            return None
        *of_key, created_at, expires_at = tuple(row)
        values = {"key": key_of(of_key), "created_at": created_at, "expires_at": expires_at}
        record = f"{browser_sessions.name} {identity['token_hash']}"
        session, now = valid(BrowserSession, values, record), self._now()
        over = session.expires_at <= now or session.key.status(now) is not KeyStatus.ACTIVE
        return None if over else session


def _identity(purpose: _Purpose, token: str) -> dict[str, object]:
    """What is stored of a token: its digest, and what it is for."""
    return {"token_hash": digest_of(token), "purpose": purpose.value}


# --- Statements ----------------------------------------------------------------------------------

_THIS: Final = (browser_sessions.c.token_hash == bindparam("token_hash")) & (
    browser_sessions.c.purpose == bindparam("purpose")
)
_ONE: Final = (
    select(*KEY_COLUMNS, *as_stored([browser_sessions.c.created_at, browser_sessions.c.expires_at]))
    .join_from(browser_sessions, api_keys, browser_sessions.c.key_id == api_keys.c.id)
    .where(_THIS)
)
_END: Final = delete(browser_sessions).where(_THIS)
_DELETE_EXPIRED: Final = delete(browser_sessions).where(
    browser_sessions.c.expires_at <= bindparam("now")
)
