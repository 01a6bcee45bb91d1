"""API keys: who calls, told by a secret of which the database keeps only a digest.

A token is ``<id>.<secret>``. The id names a row and is not secret; the secret is 256 bits from the
system's random source. A digest without salt is enough: nobody can try 2^256 secrets.

This module authorizes nothing: a key says who acts, and the policy says what they may do.
It logs nothing, and no text that it makes, of a value or of an error, holds a secret.
"""

import re
from base64 import urlsafe_b64encode
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from hmac import compare_digest
from os import urandom
from typing import Any, Final, NamedTuple, get_args

from sqlalchemy import (
    Column,
    Engine,
    Index,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    bindparam,
    insert,
    inspect,
    or_,
    select,
    update,
)
from sqlalchemy.exc import SQLAlchemyError

from connect_core import arguments
from connect_core.adapters.sql.engine import create_tables, require_engine, without_waiting
from connect_core.adapters.sql.rows import valid
from connect_core.adapters.sql.types import EXACT, Id, UtcTime, as_stored
from connect_core.errors import InvalidRecordError
from connect_core.history import Timestamp, as_timestamp, utc_now
from connect_core.identifiers import MAX_ID_LENGTH, ActorId, OrganizationId, minted
from connect_core.jsonapi import Representation
from connect_core.parties import MAX_NAME_LENGTH, Actor, ActorType, Immutable, Name, Organization
from connect_core.text import quoted

#: The tables of the keys, and of the browsers that signed in with them, for ``create_all`` or for
#: your own migrations. They are not in `metadata`: not every host authenticates with keys.
keys_metadata = MetaData()

#: The keys: one row per key. Rows are never deleted, so that every actor of a history is explained.
api_keys = Table(
    "connection_api_keys",
    keys_metadata,
    Column("id", Id, nullable=False),
    Column("organization_id", Id, nullable=False),
    Column("name", String(MAX_NAME_LENGTH)),
    Column("secret_hash", String(64), nullable=False),
    Column("representation", String(16)),
    Column("created_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime),
    Column("revoked_at", UtcTime),
    Column("last_used_at", UtcTime),
    PrimaryKeyConstraint("id", name="pk_connection_api_keys"),
    Index("ix_connection_api_keys_organization", "organization_id", "created_at", "id"),
    **EXACT,
)

#: How often the use of a key is noted at most.
_BETWEEN_NOTES: Final = timedelta(minutes=1)
#: How many bytes a secret has.
_SECRET_BYTES: Final = 32
#: The text of a secret has 43 characters: a quarter more than the bytes, and no padding.
_SECRET_LENGTH: Final = 43
#: The form of a secret.
SECRET: Final = rf"[0-9A-Za-z_-]{{{_SECRET_LENGTH}}}"
_TOKEN: Final = re.compile(rf"({ActorId.pattern})\.({SECRET})")
#: The longest token, in characters.
_LONGEST: Final = MAX_ID_LENGTH + len(".") + _SECRET_LENGTH
#: What is compared if there is no such key. It is the digest of no secret that anybody knows.
_NOBODYS: Final = "0" * 64
_PREFIXES: Final = {ActorType.API_KEY: "api_", ActorType.USER: "usr_"}


class KeyStatus(StrEnum):
    """Whether a key can be used."""

    #: It can be used.
    ACTIVE = "active"
    #: Its time is over.
    EXPIRED = "expired"
    #: Somebody has revoked it; this says nothing about its time.
    REVOKED = "revoked"


class ApiKey(Immutable):
    """A key, without its secret. Immutable.

    Raises:
        pydantic.ValidationError: a field is not what its type says.
    """

    id: ActorId
    organization_id: OrganizationId
    name: Name | None = None
    representation: Representation | None = None
    created_at: Timestamp
    expires_at: Timestamp | None = None
    revoked_at: Timestamp | None = None
    last_used_at: Timestamp | None = None

    @property
    def actor(self) -> Actor:
        """Who acts with this key."""
        return Actor(id=self.id, organization_id=self.organization_id)

    def status(self, at: datetime) -> KeyStatus:
        """Whether the key can be used at this time, which must be aware.

        It expires at `expires_at` itself. A revoked key is revoked at every time: the clocks of two
        machines differ.
        """
        if self.revoked_at is not None:
            return KeyStatus.REVOKED
        if self.expires_at is not None and self.expires_at <= at:
            return KeyStatus.EXPIRED
        return KeyStatus.ACTIVE


class NewApiKey(NamedTuple):
    """A key that was made now, and its token, which nothing can show again.

    Attributes:
        key: the key.
        token: what its holder sends as a bearer token. The `repr` of this value leaves it out.
    """

    key: ApiKey
    token: str

    def __repr__(self) -> str:
        return f"NewApiKey(key={self.key!r}, token=...)"


class ApiKeys:
    """The keys in a database. Each call is a transaction of its own.

    Threads may share one. From asynchronous code, call it in a thread.

    Args:
        engine: the engine of the database, one that `open_engine` or `configure_engine` returned.
        clock: gives the current time, aware; the system's clock in UTC if omitted.
        new_id: makes the id of a key from its prefix, ``api_`` or ``usr_``; a random one if
            omitted.

    Raises:
        TypeError: `engine` is no `sqlalchemy.Engine`, or another argument is no function.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        clock: Callable[[], datetime] = utc_now,
        new_id: Callable[[str], str] = minted,
    ) -> None:
        require_engine(engine)
        self._engine = engine
        self._reading = engine.execution_options(only_reads=True)
        self._clock = arguments.function(clock, "clock")
        self._new_id = arguments.function(new_id, "new_id")

    def create_tables(self) -> None:
        """Create those of the tables that are absent, also when several processes do so at once.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: the database does not take them, or one is absent and
                another name belongs to a table of another kind; nothing was changed.
        """
        create_tables(self._engine, keys_metadata)

    def has_tables(self) -> bool:
        """Whether the database has all tables of `keys_metadata`."""
        return not self.absent_tables()

    def absent_tables(self) -> Sequence[str]:
        """The names of those tables of `keys_metadata` that the database does not have.

        A database of an earlier version may have the keys alone, which can then be used.
        """
        with self._reading.connect() as database:
            found = inspect(database)
            names = [table.name for table in keys_metadata.sorted_tables]
            return [name for name in names if not found.has_table(name)]

    def create(
        self,
        organization_id: str | Organization,
        *,
        name: str | None = None,
        actor: str = ActorType.API_KEY,
        expires_in: timedelta | None = None,
        representation: Representation | None = None,
    ) -> NewApiKey:
        """Make a key for an organization, and store it without its secret.

        Args:
            organization_id: for whom its holder acts.
            name: a name for people to read.
            actor: ``"api-key"`` for a program, ``"user"`` for a person: the type of the `Actor`.
            expires_in: how long it can be used; for ever if omitted.
            representation: the form of the documents that its holder gets, ``"guide"`` or
                ``"current"``; the application's if omitted.

        Returns:
            The key and its token. Nothing else has the token: show it now, or it is lost.

        Raises:
            TypeError: an argument is of the wrong type.
            ValueError: an argument has a wrong value; nothing was stored.
            sqlalchemy.exc.SQLAlchemyError: the database does not take it.
        """
        now = self._now()
        values = {
            "id": self._new_id(_PREFIXES[arguments.member(ActorType, actor, "actor")]),
            "organization_id": arguments.organization_id(organization_id, "organization_id"),
            "name": None if name is None else arguments.text(name, "name"),
            "representation": _representation(representation),
            "created_at": now,
            "expires_at": None if expires_in is None else end_of(now, expires_in, "expires_in"),
        }
        key = ApiKey.model_validate(values)
        secret = new_secret()
        with self._engine.begin() as database:
            database.execute(insert(api_keys), _row_of(key, digest_of(secret)))
        return NewApiKey(key, f"{key.id}.{secret}")

    def authenticate(self, token: str) -> ApiKey | None:
        """The key whose token this is; None if it cannot be used.

        That is the answer for text of any form, for a wrong secret, and for a key that is unknown,
        expired or revoked: nobody can tell them apart. A row whose digest was changed has no token.
        The time of use is noted at most once a minute, and without waiting: if the database is busy
        or cannot be written, a later call notes it.

        Raises:
            TypeError: `token` is not text.
            InvalidRecordError: the token is right, and the rest of its row is not what was written.
            sqlalchemy.exc.SQLAlchemyError: the database cannot be read.
        """
        require_text(token)
        found = None if len(token) > _LONGEST else _TOKEN.fullmatch(token)
        if found is None:
            return None
        key_id, secret = found.groups()
        with self._reading.connect() as database:
            row = database.execute(_ONE, {"key_id": key_id}).one_or_none()
        stored = _NOBODYS if row is None else str(row.secret_hash)
        # In constant time, and also if there is no row. What is stored may be any text.
        same = compare_digest(digest_of(secret).encode(), stored.encode(errors="replace"))
        if row is None or not same:
            return None
        key, now = key_of(row[:-1]), self._now()
        if key.status(now) is not KeyStatus.ACTIVE:
            return None
        if key.last_used_at is None or now - key.last_used_at >= _BETWEEN_NOTES:
            self._note(key, now)
        return key

    def list(
        self,
        organization_id: str | Organization | None = None,
        *,
        on_invalid: Callable[[InvalidRecordError], None] | None = None,
    ) -> Sequence[ApiKey]:
        """The keys of an organization, or all of them, newest first.

        Args:
            organization_id: whose keys; everybody's if omitted.
            on_invalid: called with the error about each row that cannot be read, which is then left
                out. If omitted, the first such row raises.

        Raises:
            TypeError: `organization_id` is neither text nor an `Organization`.
            ValueError: `organization_id` is not an organization's id.
            InvalidRecordError: a row is not what was written.
            sqlalchemy.exc.SQLAlchemyError: the database cannot be read.
        """
        query = select(*KEY_COLUMNS).order_by(api_keys.c.created_at.desc(), api_keys.c.id.desc())
        if organization_id is not None:
            wanted = arguments.organization_id(organization_id, "organization_id")
            query = query.where(api_keys.c.organization_id == str(wanted))
        with self._reading.connect() as database:
            rows = database.execute(query).all()
        keys: list[ApiKey] = []
        for row in rows:
            try:
                keys.append(key_of(row))
            except InvalidRecordError as error:
                if on_invalid is None:
                    raise
                on_invalid(error)
        return keys

    def revoke(self, key_id: str) -> bool:
        """Let a key be used no more, from now on and for ever. One that is revoked stays so.

        Returns:
            Whether there is such a key.

        Raises:
            TypeError: `key_id` is not text.
            ValueError: `key_id` is not an actor's id.
            sqlalchemy.exc.SQLAlchemyError: the database does not take it.
        """
        this = api_keys.c.id == str(ActorId(arguments.text(key_id, "key_id")))
        revoking = update(api_keys).where(this, api_keys.c.revoked_at.is_(None))
        with self._engine.begin() as database:
            if database.execute(revoking.values(revoked_at=self._now())).rowcount:
                return True
            return database.execute(select(api_keys.c.id).where(this)).first() is not None

    def _now(self) -> datetime:
        return arguments.moment(self._clock(), "clock()")

    def _note(self, key: ApiKey, now: datetime) -> None:
        """Note that the key was used, unless the database is busy or cannot be written."""
        values = {"key_id": str(key.id), "now": now, "due": now - _BETWEEN_NOTES}
        with (
            suppress(SQLAlchemyError),
            self._reading.connect() as database,
            without_waiting(database),
        ):
            database.execute(_NOTE, values)
            database.commit()


# --- Statements ----------------------------------------------------------------------------------

_FIELDS: Final = tuple(each.name for each in api_keys.c if each.name != "secret_hash")
#: The columns of which `key_of` makes a key: all but the digest.
KEY_COLUMNS: Final = as_stored(api_keys.c[name] for name in _FIELDS)
_ONE: Final = select(*KEY_COLUMNS, api_keys.c.secret_hash).where(
    api_keys.c.id == bindparam("key_id")
)
#: Of several processes that use a key in the same moment, one notes it.
_NOTE: Final = (
    update(api_keys)
    .where(
        api_keys.c.id == bindparam("key_id"),
        or_(api_keys.c.last_used_at.is_(None), api_keys.c.last_used_at <= bindparam("due")),
    )
    .values(last_used_at=bindparam("now"))
)


# --- Values --------------------------------------------------------------------------------------


def _representation(value: object) -> str | None:
    if value is None:
        return None
    name, known = arguments.text(value, "representation"), get_args(Representation)
    if name not in known:
        raise ValueError(f"representation is {quoted(name)}; it must be one of {', '.join(known)}")
    return name


def end_of(now: datetime, period: object, argument: str) -> datetime:
    """When a period ends that begins now.

    Raises:
        TypeError: the period is no `timedelta`; the message names the argument.
        ValueError: it is shorter than a millisecond, or ends after the year 9999.
    """
    given = arguments.instance(timedelta, period, argument)
    try:
        end = as_timestamp(now + given)
    except (OverflowError, ValueError):
        raise ValueError(f"{argument} is {given}; that is after the year 9999") from None
    if end <= now:
        raise ValueError(f"{argument} is {given}; it must be a millisecond at least")
    return end


def new_secret() -> str:
    """A new secret, which is in no other place."""
    return urlsafe_b64encode(urandom(_SECRET_BYTES)).rstrip(b"=").decode("ascii")


def digest_of(secret: str) -> str:
    """What the database keeps of a secret."""
    return sha256(secret.encode()).hexdigest()


def require_text(token: object) -> None:
    """Refuse what is no text.

    Raises:
        TypeError: `token` is no `str`. The message does not have it: a token may come as bytes.
    """
    if not isinstance(token, str):
        raise TypeError(f"token: expected a str, got {type(token).__name__}")


def _row_of(key: ApiKey, secret_hash: str) -> dict[str, object]:
    return {
        "id": str(key.id),
        "organization_id": str(key.organization_id),
        "name": key.name,
        "secret_hash": secret_hash,
        "representation": key.representation,
        "created_at": key.created_at,
        "expires_at": key.expires_at,
    }


def key_of(row: Sequence[Any]) -> ApiKey:
    """The key in a row of `KEY_COLUMNS`.

    Raises:
        InvalidRecordError: the row is not what was written.
    """
    columns = zip(_FIELDS, row, strict=True)
    values = {name: value for name, value in columns if value is not None}
    return valid(ApiKey, values, f"{api_keys.name} {values['id']}")
