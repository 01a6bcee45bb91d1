"""Connections as lines of an export, and a database with a directory for files."""

import json
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple, cast

from sqlalchemy import URL
from sqlalchemy.orm import Session
from support import OUR_KEY, T0
from terminal import outcome, run, squeezed

from connect_core import Action, Actor, Connection, connection_document
from connect_core.adapters.cli.loading import load
from connect_core.adapters.cli.reading import records
from connect_core.adapters.sql import History, SqlConnectionStore, open_engine
from connect_core.jsonapi import record_document


@contextmanager
def session_on(url: str | URL) -> Generator[Session]:
    """A transaction on this database, committed at the end."""
    engine = open_engine(url)
    try:
        with Session(engine) as session, session.begin():
            yield session
    finally:
        engine.dispose()


class Place(NamedTuple):
    """A database, and a directory for files."""

    url: str
    directory: Path

    @classmethod
    def on(cls, url: str, directory: Path) -> "Place":
        """A database with its tables, which are created if they are absent."""
        open_engine(url).dispose()
        return cls(url, directory)

    def run(self, *arguments: str, code: int = 0, stdin: bytes = b"") -> str:
        """What the command writes to stdout; it writes nothing to stderr."""
        return run(*arguments, "--database", self.url, code=code, stdin=stdin)

    def refused(self, *arguments: str, stdin: bytes = b"") -> str:
        """What the command writes to stderr, without line breaks; it changes nothing."""
        before = self.kept()
        code, written, complained = outcome(*arguments, "--database", self.url, stdin=stdin)
        assert (code, written) == (1, "")
        assert self.kept() == before
        return squeezed(complained)

    def file(self, content: str | bytes, name: str = "file") -> str:
        """The path of a file with this content."""
        path = self.directory / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)

    def add(self, *added: History) -> None:
        """Put Connections into the database."""
        with session_on(self.url) as session:
            assert SqlConnectionStore(session).add_all(added) == []

    def kept(self) -> list[History]:
        """Everything in the database."""
        with session_on(self.url) as session:
            return list(SqlConnectionStore(session).everything())


def lived(number: int) -> History:
    """A Connection with four events, the third by the destination."""
    partner = Actor(id="usr_Rk3v", organization_id=f"org_{number}")
    created = Connection.create(
        by=OUR_KEY,
        destination=partner.organization_id,
        name=f"Söhne {number} 🎉",
        id=f"cxn_{number:05}",
        at=T0 + timedelta(seconds=number),
    )
    changes = [created]
    for action, by in (
        (Action.ACTIVATE, partner),
        (Action.DEACTIVATE, partner),
        (Action.REACTIVATE, OUR_KEY),
    ):
        changes.append(changes[-1].connection.take(action, by=by, at=T0 + timedelta(days=1)))
    return History(changes[-1].connection, tuple(change.event for change in changes))


def line(history: History) -> str:
    """A line of an export."""
    return json.dumps(record_document(*history), separators=(",", ":")) + "\n"


def resource(history: History) -> dict[str, Any]:
    """The resource object of a Connection."""
    return cast("dict[str, Any]", connection_document(history.connection)["data"])


def seen(kept: Sequence[History]) -> list[History]:
    """The same histories, with their events as tuples, so that they can be compared."""
    return [History(connection, tuple(events)) for connection, events in kept]


THREE = [lived(number) for number in range(3)]


class File:
    """A file in memory."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def read(self, size: int, /) -> bytes:
        """The next bytes."""
        piece, self._content = self._content[:size], self._content[size:]
        return piece


def loaded(text: bytes) -> list[History]:
    """What importing a valid file puts into an empty database."""
    with session_on(URL.create("sqlite")) as session:
        store = SqlConnectionStore(session)
        tally = load(records(File(text)), store)
        assert (tally.bad, tally.problems, tally.broken) == (0, [], None)
        found = seen(list(store.everything()))
        assert tally.added == len(found)
        return found
