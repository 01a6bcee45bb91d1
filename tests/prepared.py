"""Databases on MariaDB that already have our tables, for one test after another in a process.

To create and drop a database costs a test more than all that it does in it. After a test, a
database is kept if nobody uses it any more and only its rows differ from what they were: the rows
are deleted, and so are tables that were added. Otherwise it is dropped. At the end of the process
all are dropped.
"""

import atexit
import time
from collections import defaultdict
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from uuid import uuid4

from sqlalchemy import URL, Connection, Engine, create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateSchema, DropSchema

#: How long to wait until the server has closed the connections of a test, in seconds.
_PATIENCE = 2.0
#: Locks of a transaction that a test left open are not waited for. Rows are deleted in any order.
_SETTINGS = (
    "SET SESSION lock_wait_timeout = 2, innodb_lock_wait_timeout = 2, foreign_key_checks = 0"
)


class Prepared:
    """One or more databases with the tables of a test.

    Attributes:
        names: of the databases.
    """

    def __init__(self, engine: Engine, names: Sequence[str]) -> None:
        self._engine = engine
        self.names = tuple(names)
        self._tables: frozenset[str] | None = None
        self._definition: list[object] = []
        with engine.connect() as connection:
            for name in names:
                connection.execute(CreateSchema(name))

    def is_complete(self) -> None:
        """Take the tables that are there now for those that every test finds."""
        if self._tables is None:
            with self._engine.connect() as connection:
                self._tables = frozenset(self._tables_in(connection))
                self._definition = list(self._definition_in(connection))

    def restore(self) -> bool:
        """Make it what it was; False if that is not possible."""
        if self._tables is None:
            return False
        try:
            with self._engine.connect() as connection:
                if self._is_in_use(connection):
                    return False
                for added in set(self._tables_in(connection)) - self._tables:
                    connection.exec_driver_sql(f"DROP TABLE {added}")
                if list(self._definition_in(connection)) != self._definition:
                    return False
                for table in self._tables:
                    connection.exec_driver_sql(f"DELETE FROM {table}")  # noqa: S608  # ours
        except DBAPIError:
            return False
        return True

    def drop(self) -> None:
        """Drop the databases."""
        with self._engine.connect() as connection:
            for name in self.names:
                connection.execute(DropSchema(name))

    def _is_in_use(self, connection: Connection) -> bool:
        """Whether a connection remains open. The server closes one a moment after its client."""
        query = text("SELECT COUNT(*) FROM information_schema.processlist WHERE db IN :names")
        deadline = time.monotonic() + _PATIENCE
        while connection.scalar(query, {"names": self.names}):
            if time.monotonic() > deadline:
                return True
            time.sleep(0.002)
        return False

    def _tables_in(self, connection: Connection) -> Iterator[str]:
        """The tables and views, as a statement has their names."""
        quoted = connection.dialect.identifier_preparer.quote_identifier
        for name in self.names:
            for table in connection.exec_driver_sql(f"SHOW TABLES FROM {quoted(name)}").scalars():
                yield f"{quoted(name)}.{quoted(table)}"

    def _definition_in(self, connection: Connection) -> Iterator[object]:
        """Everything that the databases hold beside the rows."""
        quoted = connection.dialect.identifier_preparer.quote_identifier
        for table in sorted(self._tables_in(connection)):
            yield connection.exec_driver_sql(f"SHOW CREATE TABLE {table}").one()[1]
        for name in self.names:
            yield connection.exec_driver_sql(f"SHOW CREATE DATABASE {quoted(name)}").one()
            for kind in ("TRIGGERS", "EVENTS"):
                yield connection.exec_driver_sql(f"SHOW {kind} FROM {quoted(name)}").all()
            for kind in ("FUNCTION", "PROCEDURE"):
                status = text(f"SHOW {kind} STATUS WHERE Db = :name")
                yield connection.execute(status, {"name": name}).all()


#: Those that no test uses, by what is in them.
_free: defaultdict[object, list[Prepared]] = defaultdict(list)


@cache
def _engine_on(server: URL) -> Engine:
    made = create_engine(
        server,
        isolation_level="AUTOCOMMIT",
        pool_pre_ping=True,
        connect_args={"init_command": _SETTINGS},
    )
    atexit.register(_drop_all)
    return made


def _drop_all() -> None:
    for each in _free.values():
        while each:
            each.pop().drop()


@contextmanager
def prepared(
    server: URL, what: object, *prefixes: str
) -> Generator[tuple[Sequence[str], Callable[[], None]]]:
    """Databases that are as an earlier test found them, or new and empty ones.

    Args:
        server: the MariaDB server.
        what: the tables that are to be in them.
        prefixes: what the names of the databases begin with.

    Yields:
        Their names, and what is to be called when all tables are there and no row is.
    """
    free = _free[what]
    names = [f"{prefix}{uuid4().hex}" for prefix in prefixes]
    found = free.pop() if free else Prepared(_engine_on(server), names)
    try:
        yield found.names, found.is_complete
    finally:
        if found.restore():
            free.append(found)
        else:
            found.drop()
