"""The database: an engine, tables of your own, and what is written together with each change."""

from sqlalchemy import Engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from connect_core import Change
from connect_core.adapters.sql import open_engine


class Base(DeclarativeBase):
    """Tables of your own."""


class Notice(Base):
    """A notification to send: one row for each change, written together with it."""

    __tablename__ = "notices"
    connection_id: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    sent: Mapped[bool] = mapped_column(default=False)


def opened(url: str) -> Engine:
    """The database at this URL, with all tables in it."""
    engine = open_engine(url)
    Base.metadata.create_all(engine)
    return engine


def notify(session: Session, change: Change) -> None:
    """Write a notice in the transaction that makes the change: both are there, or neither is."""
    session.add(Notice(connection_id=change.connection.id, version=change.event.version))
