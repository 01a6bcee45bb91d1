"""A host that embeds the store: its own table, its service, and edits that bypass every check."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, String, Table, func, inspect, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from support import OUR_KEY, PARTNER, T0

from connect_core import Connection, ConnectionService
from connect_core.adapters.sql import SqlConnectionStore, connection_events, connections

OURS, THEIRS = OUR_KEY.organization_id, PARTNER.organization_id


class Base(DeclarativeBase):
    """The host's own tables."""


class Order(Base):
    """A row of one of the host's own tables."""

    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    connection_id: Mapped[str] = mapped_column(String(255))


def service_in(session: Session) -> ConnectionService:
    """A service that creates Connections cxn_1, cxn_2, ... at `T0`."""
    numbers = iter(range(1, 1000))
    return ConnectionService(
        SqlConnectionStore(session), clock=lambda: T0, new_id=lambda: f"cxn_{next(numbers)}"
    )


def committed(engine: Engine) -> Connection:
    """A committed, active Connection."""
    with Session(engine) as session, session.begin():
        service = service_in(session)
        service.create(by=OUR_KEY, destination=THEIRS, name="Partner", idempotency_key="k")
        return service.activate("cxn_1", by=PARTNER).connection


@contextmanager
def savepoint(session: Session) -> Generator[None]:
    """A savepoint of the host's, set at once: the session itself would wait until it is used."""
    with session.begin_nested():
        session.connection()
        yield


def count(engine: Engine, table: Table) -> int:
    with engine.connect() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()


def unreadable_time(engine: Engine) -> tuple[str, str]:
    """A time that the database keeps and Python does not have, and how the store reads it."""
    if engine.dialect.name == "mariadb":
        return "0000-00-00 00:00:00.000", "0000-00-00T00:00:00.000Z"
    return "infinity", "infinity"


def noting(seen: list[str], name: str) -> Callable[..., None]:
    """A listener that records that it was called."""

    def listener(*_: object) -> None:
        seen.append(name)

    return listener


def edit(engine: Engine, statement: Any) -> None:
    """Change stored data without any check, as somebody at a database console can."""
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA ignore_check_constraints = ON")
        elif engine.dialect.name == "mariadb":  # of the connection, until the end of the statement
            connection.exec_driver_sql("SET SESSION check_constraint_checks = OFF")
            try:
                connection.execute(statement)
            finally:
                connection.exec_driver_sql("SET SESSION check_constraint_checks = ON")
            return
        else:
            for table in (connections, connection_events):
                for constraint in inspect(connection).get_check_constraints(table.name):
                    connection.exec_driver_sql(
                        f"ALTER TABLE {table.name} DROP CONSTRAINT {constraint['name']}"
                    )
        connection.execute(statement)
