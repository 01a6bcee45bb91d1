"""Checks what a database holds after a race or a crash, without the library's own checks.

It reads the rows as they are stored, and looks each step up in the hand-typed matrix.
"""

import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

from databases import database
from oracle import VERDICTS, Verdict
from sqlalchemy import Engine, Select, create_engine, select, text
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool
from workers import PATIENCE, Request

from connect_core import Action, ConnectionId, Role, Status, replay
from connect_core.adapters.sql import (
    SqlConnectionStore,
    configure_engine,
    connection_events,
    connections,
)

Row = Mapping[str, Any]
_CELLS = {(verdict.status, verdict.action, verdict.roles): verdict for verdict in VERDICTS}


class Arena(NamedTuple):
    """A database that several processes use.

    Attributes:
        kind: which database, one of `databases.DATABASES`.
        url: the URL that the processes use.
        engine: the test's own engine. It holds nothing open between transactions.
        application: the processes' application name in PostgreSQL.
    """

    kind: str
    url: str
    engine: Engine
    application: str

    def terminate_backends(self) -> int:
        """End every connection of the processes to PostgreSQL; return how many there were."""
        return len(self._of_backends("pg_terminate_backend(pid)"))

    def wait_until_alone(self) -> None:
        """Wait for a server to notice that the processes are gone: one may still be committing.

        SQLite has no server that could go on after the process.
        """
        if self.kind != "sqlite-file":
            deadline = time.monotonic() + PATIENCE
            while self._of_backends("pid") if self.kind == "postgresql" else self._others():
                assert time.monotonic() < deadline, "a dead process's backend still runs"
                time.sleep(0.001)

    def _others(self) -> int:
        """How many connections to MariaDB the processes have: all in this database but our own."""
        query = (
            "SELECT COUNT(*) FROM information_schema.processlist"
            " WHERE db = DATABASE() AND id <> CONNECTION_ID()"
        )
        with self.engine.connect() as database:
            return int(database.execute(text(query)).scalar_one())

    def _of_backends(self, what: str) -> Sequence[object]:
        query = f"SELECT {what} FROM pg_stat_activity WHERE application_name = :name"  # noqa: S608
        with self.engine.connect() as database:
            return database.execute(text(query), {"name": self.application}).all()


@contextmanager
def arena(kind: str, directory: Path) -> Generator[Arena]:
    """An empty database without tables. It is removed when no process uses it any more."""
    with database(kind, directory) as url:
        application = f"connect_core_{uuid4().hex}"
        engine = configure_engine(create_engine(url, poolclass=NullPool))
        if kind == "postgresql":
            url = url.update_query_dict({"application_name": application})
        found = Arena(kind, url.render_as_string(hide_password=False), engine, application)
        try:
            yield found
        finally:
            if kind == "postgresql":
                found.terminate_backends()


def rows(engine: Engine, query: Select[Any]) -> Sequence[Row]:
    """The rows as they are stored."""
    with engine.connect() as database:
        found = database.execute(query).mappings()
        return [{str(name): value for name, value in row.items()} for row in found]


def histories(engine: Engine, *ids: str) -> dict[str, Sequence[Row]]:
    """The events of the Connections with these ids, or of all, after checking each history.

    Every ordered pair has one row. Every row has a contiguous history that leads to it, in which
    the matrix permits each step. There are no other events.
    """
    chosen, events_chosen = select(connections), select(connection_events)
    if ids:
        chosen = chosen.where(connections.c.id.in_(ids))
        events_chosen = events_chosen.where(connection_events.c.connection_id.in_(ids))
    events_chosen = events_chosen.order_by(
        connection_events.c.connection_id, connection_events.c.version
    )
    stored = {row["id"]: row for row in rows(engine, chosen)}
    grouped = groupby(rows(engine, events_chosen), lambda event: str(event["connection_id"]))
    found: dict[str, Sequence[Row]] = {each: list(events) for each, events in grouped}
    pairs = {
        (row["source_organization_id"], row["destination_organization_id"])
        for row in stored.values()
    }
    assert len(pairs) == len(stored), "an ordered pair has two Connections"
    assert stored.keys() == found.keys(), "a Connection without a history, or the reverse"
    with Session(engine) as session:
        store = SqlConnectionStore(session)
        for each, events in found.items():
            _check_chain(stored[each], events)
            assert replay(store.history(ConnectionId(each))) == store.get(ConnectionId(each))
    return found


def _check_chain(row: Row, events: Sequence[Row]) -> None:
    """Check that the events are contiguous and permitted, and that they lead to the row."""
    assert [event["version"] for event in events] == list(range(1, row["version"] + 1))
    status = None
    for event in events:
        assert event["previous_status"] == status, event
        roles = roles_in(row, event["actor_organization_id"])
        assert event["roles"] == sorted(roles), event
        status = cell(status, event["action"], roles).target
        assert status is not None, f"not permitted: {event}"
        assert event["status"] == status, event
    assert row["status"] == status
    assert row["updated_at"] == events[-1]["occurred_at"]


def roles_in(row: Row, organization: str) -> frozenset[Role]:
    """The roles that an organization holds, by comparing its id."""
    return frozenset(role for role in Role if row[f"{role}_organization_id"] == organization)


def cell(status: str | None, action: str, roles: frozenset[Role]) -> Verdict:
    """The cell of the matrix."""
    return _CELLS[None if status is None else Status(status), Action(action), roles]


def verdict_on(request: Request, status: str | None) -> Verdict:
    """The cell of the matrix for a request in this status."""
    row = {
        "source_organization_id": request.source,
        "destination_organization_id": request.destination,
    }
    return cell(status, request.action, roles_in(row, request.organization))
