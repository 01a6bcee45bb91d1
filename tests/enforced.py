"""Databases that hold the rules themselves, rows that are written past the store, and a check."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

from databases import CHOSEN, backend, chosen_tables
from sqlalchemy import Connection as Database
from sqlalchemy import Engine, Insert, event, insert, select, update
from sqlalchemy.exc import IntegrityError, OperationalError
from support import T0

from connect_core import (
    Action,
    Actor,
    Connection,
    ConnectionEvent,
    InvalidHistoryError,
    Status,
    decide,
    replay,
    roles_of,
)
from connect_core.adapters.sql import Tables, enforcement
from connect_core.adapters.sql.rows import (
    connection_of,
    connection_row,
    event_of,
    event_row,
    state_of,
)
from connect_core.adapters.sql.tables import DEFAULT_TABLES
from connect_core.adapters.sql.types import as_stored

#: The kinds of database with triggers, on our own tables and on those of a host's choice.
ENFORCED = (
    "sqlite-memory",
    "sqlite-file-chosen",
    "postgresql",
    "postgresql-chosen",
    "mariadb",
    "mariadb-chosen",
)
#: What a refused statement raises; the second with PyMySQL.
REFUSED = (IntegrityError, OperationalError)
#: Where each action leads to, if it is permitted at all. Typed by hand.
TARGETS = {
    Action.CREATE: Status.PENDING,
    Action.ACTIVATE: Status.ACTIVE,
    Action.DEACTIVATE: Status.INACTIVE,
    Action.REACTIVATE: Status.PENDING,
}

Values = dict[str, Any]


class Enforced(NamedTuple):
    """A database with triggers."""

    engine: Engine
    tables: Tables

    @property
    def checks_commits(self) -> bool:
        """Whether what a transaction leaves is checked when it is committed."""
        return self.engine.dialect.name == "postgresql"

    def add(self, database: Database, row: Values) -> None:
        """Insert a Connection."""
        database.execute(insert(self.tables.connections), row)

    def add_event(self, database: Database, row: Values) -> None:
        """Insert an event."""
        database.execute(insert(self.tables.connection_events), row)

    def change(self, database: Database, connection_id: object, values: Mapping[str, Any]) -> int:
        """Update a Connection; return how many rows there were."""
        table = self.tables.connections
        statement = update(table).where(table.c.id == connection_id)
        return database.execute(statement.values(dict(values))).rowcount

    def write(self, row: Values, *events: Values) -> None:
        """Insert a Connection and its events, in one transaction."""
        with self.engine.begin() as database:
            self.add(database, row)
            for each in events:
                self.add_event(database, each)

    def rows(self, connection_id: object) -> list[Any]:
        """Everything that is stored about a Connection."""
        connections, events = self.tables.connections, self.tables.connection_events
        own = select(connections).where(connections.c.id == connection_id)
        history = select(events).where(events.c.connection_id == connection_id)
        with self.engine.connect() as database:
            ordered = history.order_by(events.c.version)
            return [database.execute(own).all(), database.execute(ordered).all()]

    def create(
        self, connection_id: str, source: str, destination: str, status: Status = Status.PENDING
    ) -> Connection:
        """A committed Connection in this status, written past the store by permitted steps."""
        by = Actor(id="api_1", organization_id=source)
        other = Actor(id="usr_2", organization_id=destination)
        changes = [
            Connection.create(
                by=by,
                destination=destination,
                name="Ünïcode's",
                allow_self=True,
                id=connection_id,
                at=T0,
            )
        ]
        if status is Status.ACTIVE:
            changes.append(changes[0].connection.activate(by=other, at=T0 + timedelta(seconds=1)))
        if status is Status.INACTIVE:
            changes.append(changes[0].connection.deactivate(by=by, at=T0 + timedelta(seconds=1)))
        with self.engine.begin() as database:
            self.add(database, connection_row(changes[0].connection))
            self.add_event(database, event_row(changes[0].event))
            for change in changes[1:]:
                assert self.change(database, connection_id, state_of(change.connection)) == 1
                self.add_event(database, event_row(change.event))
        return changes[-1].connection

    def take(
        self,
        connection: Connection,
        action: Action,
        actor: Actor,
        changes: Mapping[str, Any] | None = None,
    ) -> None:
        """Write a step in one transaction, without asking whether it is permitted.

        Args:
            connection: the Connection as it is.
            action: the action that the event names; it decides the status.
            actor: who takes it.
            changes: other values of the event.
        """
        values = step_from(connection, action)
        row = event_after(connection, action, actor) | dict(changes or {})
        with self.engine.begin() as database:
            assert self.change(database, connection.id, values) == 1
            self.add_event(database, row)


def step_from(connection: Connection, action: Action) -> Values:
    """The update of a Connection by an action, permitted or not."""
    return {
        "status": TARGETS[action].value,
        "updated_at": connection.updated_at + timedelta(seconds=1),
        "version": connection.version + 1,
    }


def event_after(connection: Connection, action: Action, actor: Actor) -> Values:
    """The event of an action, permitted or not."""
    return {
        "connection_id": str(connection.id),
        "version": connection.version + 1,
        "action": action.value,
        "previous_status": connection.status.value,
        "status": TARGETS[action].value,
        "actor_id": str(actor.id),
        "actor_organization_id": str(actor.organization_id),
        "roles": sorted(role.value for role in roles_of(actor, connection)),
        "occurred_at": connection.updated_at + timedelta(seconds=1),
        "terms": None,
    }


@contextmanager
def enforced(kind: str, directory: Path, *, read_policy: bool = False) -> Generator[Enforced]:
    """An empty database of this kind, one of `ENFORCED`, with triggers."""
    if kind in CHOSEN:
        with chosen_tables(kind.removesuffix("-chosen"), directory) as (engine, tables):
            enforce(engine, tables, read_policy=read_policy)
            yield Enforced(engine, tables)
        return
    with backend(kind, directory) as found:
        enforce(found.engine, DEFAULT_TABLES, read_policy=read_policy)
        yield Enforced(found.engine, DEFAULT_TABLES)


def enforce(engine: Engine, tables: Tables, *, read_policy: bool = False) -> None:
    """Add the triggers."""
    event.listen(engine, "before_cursor_execute", _replace, retval=True)
    made = enforcement(engine.dialect, tables=tables, read_policy=read_policy)
    with engine.begin() as database:
        for statement in made.create:
            database.execute(statement)


def replaces(statement: Insert) -> Insert:
    """The same as ``REPLACE INTO`` of SQLite and MariaDB, which deletes what is in its way."""
    return statement.execution_options(replaces=True)


def _replace(
    _connection: Any, _cursor: Any, statement: str, parameters: Any, context: Any, _many: bool
) -> tuple[str, Any]:
    if context.execution_options.get("replaces"):
        statement = statement.replace("INSERT", "REPLACE", 1)
    return statement, parameters


# --- The check -----------------------------------------------------------------------------------


def unlawful(found: Enforced) -> list[str]:
    """What is stored and could not have come about by the rules.

    Every Connection must be what its events lead to. Where the triggers cannot wait for the commit,
    the last events may be missing: of a step, the last one, and of an import, any number.
    """
    connections, events = found.tables.connections, found.tables.connection_events
    problems: list[str] = []
    with found.engine.connect() as database:
        stored = {
            row.id: connection_of(row, connections)
            for row in database.execute(select(*as_stored(connections.c)))
        }
        histories: dict[str, list[ConnectionEvent]] = {each: [] for each in stored}
        ordered = select(*as_stored(events.c)).order_by(events.c.connection_id, events.c.version)
        for row in database.execute(ordered):
            if row.connection_id not in stored:
                problems.append(f"{row.connection_id} has events and is no Connection")
            else:
                histories[row.connection_id].append(event_of(row, events))
    for connection_id, connection in stored.items():
        problems += _problems(connection, histories[connection_id], found.checks_commits)
    return problems


def _problems(
    connection: Connection, history: list[ConnectionEvent], checks_commits: bool
) -> list[str]:
    if not history:
        return [f"{connection} has no events"] if checks_commits else []
    try:
        replayed = replay(history)
    except InvalidHistoryError as error:
        return [f"{connection}: {error}"]
    problems = [
        f"{connection}: {each} is not permitted"
        for each in history[1:]
        if not decide(each.actor, each.action, _before(connection, each))
    ]
    if replayed == connection:
        return problems
    if checks_commits or replayed.version >= connection.version:
        return [*problems, f"{connection} is not {replayed}"]
    fixed = set(Connection.model_fields) - set(state_of(connection))
    if any(getattr(replayed, name) != getattr(connection, name) for name in fixed):
        problems.append(f"{connection} has other fixed values than {replayed}")
    return problems


def _before(connection: Connection, after: ConnectionEvent) -> Connection:
    return connection.model_copy(update={"status": after.previous_status})
