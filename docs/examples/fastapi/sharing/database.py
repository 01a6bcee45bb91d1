"""The database: an asynchronous engine, and transactions for the service to work in."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Annotated, TypeVar

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from connect_core import Change, ConnectError, ConnectionService
from connect_core.adapters.sql import SqlConnectionStore, configure_engine, metadata

T = TypeVar("T")


class Base(DeclarativeBase):
    """Tables of your own."""


class Notice(Base):
    """A notification to send: one row for each change, written together with it."""

    __tablename__ = "notices"
    connection_id: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    sent: Mapped[bool] = mapped_column(default=False)


@asynccontextmanager
async def opened(url: str) -> AsyncGenerator["Database"]:
    """The database at this URL, with the tables in it, for as long as the service runs."""
    engine = create_async_engine(url)
    configure_engine(engine.sync_engine)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(metadata.create_all)
            await connection.run_sync(Base.metadata.create_all)
        yield Database(engine)
    finally:
        await engine.dispose()


class Database:
    """Runs each command and question of a `ConnectionService` in a transaction of its own."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._writing = engine
        self._reading = engine.execution_options(only_reads=True)

    async def change(self, command: Callable[[ConnectionService], Change]) -> Change:
        """Carry out a command and commit before the answer goes out.

        A refusal is committed as well. It has changed nothing, but if the request had an
        idempotency key, the refusal is recorded, and a repeated request gets it again.
        """

        def work(session: Session) -> Change:
            connection, event = change = command(service_in(session))
            session.merge(Notice(connection_id=connection.id, version=event.version))
            return change

        async with AsyncSession(self._writing, expire_on_commit=False) as session:
            try:
                change = await session.run_sync(work)
            except ConnectError:
                await session.commit()
                raise
            await session.commit()
            return change

    async def ask(self, question: Callable[[ConnectionService], T]) -> T:
        """What the service answers. Nothing is written, and nobody waits."""
        async with AsyncSession(self._reading) as session:
            return await session.run_sync(lambda inner: question(service_in(inner)))


def service_in(session: Session) -> ConnectionService:
    """The service in a session. It costs nothing to make."""
    return ConnectionService(SqlConnectionStore(session))


def get_database(request: Request) -> Database:
    """The database that was opened when the service started."""
    database: Database = request.app.state.database
    return database


Data = Annotated[Database, Depends(get_database)]
