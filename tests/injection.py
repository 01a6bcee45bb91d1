"""Transactions that the database gives up, at any of their statements or when they are committed.

The server itself raises the error: PostgreSQL 40001, after which the transaction takes no
statement, and MariaDB 1213, after which the next statement begins another transaction.
"""

from collections.abc import Callable
from contextlib import closing
from functools import partial
from inspect import currentframe
from threading import get_ident
from types import FrameType
from typing import Any, Final

from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import InvalidRequestError, OperationalError
from sqlalchemy.orm import Session, SessionTransaction

from connect_core.adapters.sql import transactions

_MESSAGE: Final = "given up for the test"
#: Raises a serialization failure where it stands.
_RAISE: Final = f"RAISE EXCEPTION '{_MESSAGE}' USING ERRCODE = '40001'"
#: By the name of the dialect: the statement that fails as one does whose transaction is given up.
FAILING: Final = {
    "postgresql": f"DO $$ BEGIN {_RAISE}; END $$",
    "mariadb": f"SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = 1213, MESSAGE_TEXT = '{_MESSAGE}'",
}
#: Make the COMMIT fail. All of it is gone with the transaction.
_AT_COMMIT: Final = (
    "CREATE TEMPORARY TABLE given_up (id integer) ON COMMIT DROP",
    "CREATE FUNCTION pg_temp.give_up() RETURNS trigger LANGUAGE plpgsql AS"
    f" $$ BEGIN {_RAISE}; END $$",
    "CREATE CONSTRAINT TRIGGER give_up AFTER INSERT ON given_up DEFERRABLE INITIALLY DEFERRED"
    " FOR EACH ROW EXECUTE FUNCTION pg_temp.give_up()",
    "INSERT INTO given_up VALUES (1)",
)


class Injection:
    """Gives a session's transaction up once, at one place.

    Args:
        at: the number of the statement that fails in place of the host's or the library's, from 1.
            If the transaction has one statement less, it is its COMMIT.
        meanwhile: is called when the server has undone the transaction, and before anybody knows.

    Attributes:
        statements: how many statements there were before the failure.
        happened: whether it has failed.
    """

    def __init__(self, at: int, meanwhile: Callable[[], object] | None = None) -> None:
        self._at = at
        self._meanwhile = meanwhile
        self._watched: Connection | None = None
        self.statements = 0
        self.happened = False

    def watch(self, session: Session) -> None:
        """Wait for the transaction that this session begins next."""
        event.listen(session, "after_begin", self._begun)

    def attach(self, connection: Connection) -> None:
        """Watch the transaction that this connection has begun."""
        self._watched = connection
        target = _listening(connection)
        event.listen(target, "before_cursor_execute", self._at_statement, retval=True)
        event.listen(target, "commit", self._at_commit)

    def _begun(self, _: Session, transaction: SessionTransaction, connection: Connection) -> None:
        if not transaction.nested:
            self.attach(connection)

    def _at_statement(
        self, connection: Connection, _: Any, statement: str, parameters: Any, __: Any, many: bool
    ) -> tuple[str, Any]:
        if connection is not self._watched:
            return statement, parameters
        if self.happened or self.statements + 1 != self._at:
            self.statements += 1
            return statement, parameters
        self._undo(connection)
        return FAILING[connection.dialect.name], [()] if many else ()

    def _at_commit(self, connection: Connection) -> None:
        if connection is not self._watched or self.happened or self.statements + 1 != self._at:
            return
        self._undo(connection)
        with closing(connection.connection.cursor()) as cursor:
            if connection.dialect.name == "postgresql":
                for statement in _AT_COMMIT:
                    cursor.execute(statement)
                return
            try:
                cursor.execute(FAILING["mariadb"])
            except connection.dialect.dbapi.OperationalError as error:  # type: ignore[union-attr]  # there is a driver
                raise OperationalError("COMMIT", None, error) from error

    def _undo(self, connection: Connection) -> None:
        """On MariaDB the server undoes the transaction, and then reports the error."""
        self.happened = True
        if connection.dialect.name == "mariadb":
            connection.connection.rollback()
        if self._meanwhile is not None:
            self._meanwhile()


def _listening(connection: Connection) -> Connection | Engine:
    """The connection, or its engine: SQLAlchemy 2.0.28 does not let one listen to the former.

    That is so if the engine has execution options.
    """
    try:
        event.listen(connection, "savepoint", _nothing)
    except InvalidRequestError:
        return connection.engine
    return connection


def _nothing(*_: object) -> None:
    """It tells whether one can listen."""


# --- The whole suite -----------------------------------------------------------------------------


def give_up_everywhere() -> None:
    """Give up each transaction of `in_transaction` and `Transactions`, at each place in turn.

    It is run again until nothing is left at which it was not given up, so the number of attempts
    has no bound, and no pauses are made. Only servers' transactions are given up.
    """
    transactions._ATTEMPTS = 1_000_000  # type: ignore[misc]  # pyright: ignore[reportPrivateUsage, reportAttributeAccessIssue]  # it is for this alone
    transactions._PAUSE = 0  # type: ignore[misc]  # pyright: ignore[reportPrivateUsage, reportAttributeAccessIssue]  # it is for this alone
    (transactions.in_transaction.__kwdefaults__ or {})["attempts"] = 1_000_000
    event.listen(Session, "after_begin", _begun)


#: At which place to give up next the work that is run again, by the thread and the work itself.
_next: Final[dict[tuple[int, int], int]] = {}


def _begun(_: Session, transaction: SessionTransaction, connection: Connection) -> None:
    work = _work_of(currentframe())
    if transaction.nested or work is None or connection.dialect.name not in FAILING:
        return
    key = get_ident(), id(work)
    at = _next.setdefault(key, 1)
    injection = Injection(at, partial(_next.__setitem__, key, at + 1))
    injection.attach(connection)

    def ended(which: Connection) -> None:
        if which is connection and not injection.happened:
            _next.pop(key, None)

    event.listen(_listening(connection), "commit", ended)
    event.listen(_listening(connection), "rollback", ended)


def _work_of(frame: FrameType | None) -> object:
    """The work whose transaction has begun; None if nobody would run it again."""
    while frame is not None:
        if frame.f_globals.get("__name__") == transactions.__name__:
            if frame.f_code.co_name == "in_transaction":
                return frame.f_locals["work"]
            if frame.f_code.co_name == "run":
                return frame.f_locals["self"]._work
        frame = frame.f_back
    return None
