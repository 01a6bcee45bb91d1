"""What a database error says: whether the database is not available, and why.

Everything else, such as a missing table or a constraint of the host's, is no matter of
availability.
"""

import re
import sqlite3
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from enum import Enum, auto
from typing import Final

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError

from connect_core.errors import StoreUnavailableError


class Trouble(Enum):
    """Why a database is not available."""

    #: Another transaction is in the way: the database gave this one up, or it waited for too long.
    OTHERS = auto()
    #: The disk failed.
    DISK = auto()
    #: The disk is full.
    FULL = auto()
    #: The server has a problem of its own: it has no room, or is shutting down.
    SERVER = auto()
    #: The connection was lost after it had been made.
    LOST = auto()
    #: There is no connection to a server.
    UNREACHABLE = auto()


#: By SQLite's code.
_SQLITE: Final = {
    sqlite3.SQLITE_BUSY: Trouble.OTHERS,
    sqlite3.SQLITE_LOCKED: Trouble.OTHERS,
    sqlite3.SQLITE_PROTOCOL: Trouble.OTHERS,
    sqlite3.SQLITE_IOERR: Trouble.DISK,
    sqlite3.SQLITE_FULL: Trouble.FULL,
}
#: By the code of MySQL's family. A node of a cluster that answers a COMMIT with 1180 was separated
#: from the others, which may have committed, as after the loss of a connection.
_MYSQL: Final = {
    1020: Trouble.OTHERS,  # the row has changed since it was read
    1021: Trouble.FULL,
    1040: Trouble.SERVER,  # too many connections
    1047: Trouble.SERVER,  # this node of a cluster has not joined it
    1053: Trouble.SERVER,  # it is shutting down
    1114: Trouble.FULL,
    1180: Trouble.LOST,
    1203: Trouble.SERVER,  # too many connections of this user
    1205: Trouble.OTHERS,  # it waited for too long
    1213: Trouble.OTHERS,  # a deadlock, or a conflict with another node
    1290: Trouble.SERVER,  # it only takes reads
    1792: Trouble.SERVER,
    1836: Trouble.SERVER,
    1927: Trouble.LOST,
    2002: Trouble.UNREACHABLE,
    2003: Trouble.UNREACHABLE,
    2006: Trouble.LOST,
    2013: Trouble.LOST,
    9007: Trouble.OTHERS,  # TiDB: a conflict with another transaction
}
#: The codes with which MySQL's family has undone the whole transaction, not only the statement.
_UNDOES_ALL: Final = frozenset({1020, 1047, 1180, 1206, 1213, 9007})
#: By the class of a server's SQLSTATE, or by the SQLSTATE itself.
_SERVER: Final = {
    "40": Trouble.OTHERS,
    "53": Trouble.SERVER,
    "55P03": Trouble.OTHERS,
    "57": Trouble.SERVER,
    "58": Trouble.SERVER,
}
#: The code of MySQL's family for a key that is taken.
_DUPLICATE: Final = 1062
#: The SQLSTATEs of a transaction that was given up for others' sake, and can be run again.
_GIVEN_UP: Final = frozenset({"40001", "40P01"})
#: The statement that MySQL's family refuses, under a stricter isolation, if another transaction has
#: just used an idempotency key. The schema and the prefix may be any.
_CLAIM: Final = re.compile(r"INSERT INTO [^(]*connection_idempotency_keys\b")
#: What libpq says if a server refuses a user, or if the client cannot meet its terms: its severity,
#: in any language, and two spaces.
_REFUSED: Final = re.compile(
    r"failed: \w+:  |fe_sendauth|SSL was required|certificate|authentication", re.IGNORECASE
)
#: What a server says if it does not refuse this user, but everybody.
_REFUSES_ALL: Final = re.compile(r"starting up|shutting down|recovery mode|too many|remaining conn")


@contextmanager
def available() -> Generator[None]:
    """Let every error of the database mean that it is not available, also a missing table.

    This is for signing in and for looking up keys, where a caller can only be told to try later.

    Raises:
        StoreUnavailableError: the database failed.
    """
    try:
        yield
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or type(error).__name__)
        raise StoreUnavailableError(reason) from error


def first_of(error: DBAPIError, handled: BaseException | None = None) -> DBAPIError:
    """The first of the errors that followed one another.

    If a disk is full, SQLite undoes the transaction, and then SQLAlchemy misses its savepoint.

    Args:
        error: the last one.
        handled: an error that the caller was handling before all of them, which is none of them.
    """
    found, earlier = error, error.__context__
    while earlier is not None and earlier is not handled:
        found = earlier if isinstance(earlier, DBAPIError) else found
        earlier = earlier.__context__
    return found


def is_given_up(error: BaseException, handled: BaseException | None = None) -> bool:
    """Whether it came about because the database gave the transaction up for others' sake.

    A driver's error may have become another one on its way, and an error may have followed it.

    Args:
        error: what came of the transaction.
        handled: an error that the caller was handling before the transaction began.
    """
    return any(can_be_run_again(each) for each in _errors_behind(error, handled))


def goes_on(database: Connection, error: BaseException) -> bool:
    """Whether a transaction goes on after an error: what was done in it is still there.

    After a deadlock the databases of MySQL's family undo all of it, and the next statement begins
    another transaction. SQLite undoes it if the disk is full. A lost connection has none. What
    undoes single changes would then change those of others.
    """
    if database.invalidated:
        return False
    if any(_number_of(each) in _UNDOES_ALL for each in _errors_behind(error)):
        return False
    return getattr(database.connection.driver_connection, "in_transaction", True) is not False


def _errors_behind(
    error: BaseException, handled: BaseException | None = None
) -> Iterator[DBAPIError]:
    """The database's errors among an error and what it came from, the last one first."""
    seen: set[int] = set()  # one may be raised from itself
    cause: BaseException | None = error
    while cause is not None and cause is not handled and id(cause) not in seen:
        seen.add(id(cause))
        if isinstance(cause, DBAPIError):
            yield cause
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)


def trouble_of(error: DBAPIError) -> Trouble | None:
    """Why the database is not available; None if something else is wrong."""
    code = getattr(error.orig, "sqlite_errorcode", None)
    if code is not None:
        return _SQLITE.get(code & 0xFF)
    number = _number_of(error)
    if number is not None and not error.connection_invalidated:
        return _MYSQL.get(number)
    state = getattr(error.orig, "sqlstate", None)
    if error.connection_invalidated or str(state).startswith(("08", "57P")):
        return Trouble.LOST
    if state is not None:
        return _SERVER.get(state) or _SERVER.get(state[:2])
    text = str(error.orig)
    refused = _REFUSED.search(text) and not _REFUSES_ALL.search(text)
    if refused or not isinstance(error, OperationalError):
        return None
    return Trouble.UNREACHABLE


def reason_of(error: DBAPIError) -> str:
    """What the database says, without the code that drivers of MySQL's family put before it."""
    return str(error.orig if _number_of(error) is None else _said_by(error)[-1])


def can_be_run_again(error: DBAPIError) -> bool:
    """Whether the database gave the transaction up for others' sake, so that nothing was done."""
    code = getattr(error.orig, "sqlite_errorcode", None)
    if code is not None:
        return code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
    number = _number_of(error)
    if number is not None:
        is_claim = number == _DUPLICATE and bool(_CLAIM.match(error.statement or ""))
        return is_claim or _MYSQL.get(number) is Trouble.OTHERS
    return getattr(error.orig, "sqlstate", None) in _GIVEN_UP


def _number_of(error: DBAPIError) -> int | None:
    """The code that a driver of MySQL's family gives; None for those of other databases."""
    said = _said_by(error)
    return said[0] if said and isinstance(said[0], int) else None


def _said_by(error: DBAPIError) -> tuple[object, ...]:
    """The arguments of the driver's error."""
    return () if error.orig is None else error.orig.args
