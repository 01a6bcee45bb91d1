"""Random statements on databases with triggers: whatever is refused, what is left is lawful.

In the gate, each database gets 2,000 statements. The long run takes 100,000 for each::

    uv run --group test pytest -m long tests/adapters/sql/test_enforcement_at_random.py

It prints how many were carried out and refused, with ``-rP``.
"""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from enforced import TARGETS, Enforced, Values, enforce, enforced, event_after, replaces, unlawful
from sqlalchemy import Connection as Database
from sqlalchemy import Row, Select, delete, insert, select, text, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError
from support import T0

from connect_core import Action, Actor, Connection, Role, allowed_actions
from connect_core.adapters.sql import enforcement
from connect_core.adapters.sql.rows import connection_of, connection_row, event_of, event_row
from connect_core.adapters.sql.types import as_stored

IDS = ["cxn_1", "cxn_2", "cxn_3", "cxn_4"]
ORGANIZATIONS = ["org_A", "org_B", "org_a"]
ACTORS = [
    Actor(id=f"{prefix}{index}", organization_id=organization)
    for index, organization in enumerate(ORGANIZATIONS)
    for prefix in ("usr_", "api_")
]
TIMES = [T0 + timedelta(seconds=each) for each in range(-1, 4)]
SCOPES = [["a.b"], ["a.b", "c.d"]]
NAMES = [None, "Ünïcode's", "5"]
STATUSES = ["pending", "active", "inactive", "frozen"]
VERSIONS = [0, 1, 2, 3, 4, 7]
TERMS = [
    None,
    {
        "source_organization_id": "org_A",
        "destination_organization_id": "org_B",
        "name": None,
        "scopes": ["a.b"],
    },
]

#: The values that a column may get.
POOLS: dict[str, list[Any]] = {
    "id": [*IDS, "cxn_5"],
    "connection_id": [*IDS, "cxn_5"],
    "source_organization_id": ORGANIZATIONS,
    "destination_organization_id": ORGANIZATIONS,
    "actor_organization_id": [*ORGANIZATIONS, "org_C"],
    "name": NAMES,
    "status": STATUSES,
    "previous_status": [None, *STATUSES],
    "scopes": SCOPES,
    "creator_id": ["usr_0", "api_1"],
    "actor_id": ["usr_0", "api_1"],
    "created_at": TIMES,
    "updated_at": TIMES,
    "occurred_at": TIMES,
    "version": VERSIONS,
    "action": [*Action, "share"],
    "roles": [[], ["source"], ["destination"], ["destination", "source"], ["source", "source"]],
    "terms": TERMS,
}


class Writer:
    """Writes random statements in random transactions: many of them are nearly lawful."""

    def __init__(self, held: Enforced, seed: int) -> None:
        self.held = held
        self.random = Random(seed)  # noqa: S311  # to be repeated, not to be secret
        #: How many statements were carried out and refused.
        self.counts: Counter[str] = Counter()
        self._makers: list[tuple[int, Callable[[Database], list[Any]]]] = [
            (2, self.creation),
            (8, self.step),
            (4, self.last_event),
            (2, self.undoing),
            (2, self.imported),
            (1, self.any_update),
            (1, self.any_event),
            (1, self.any_removal),
            (1, self.any_change_of_events),
            (1, self.in_the_way),
        ]

    def run(self, statements: int) -> None:
        """Run as many statements, and a few more."""
        while self.counts.total() < statements:
            with self.held.engine.connect() as database:
                self.transaction(database)

    def transaction(self, database: Database) -> None:
        for _ in range(self.random.randint(1, 4)):
            weights, makers = zip(*self._makers, strict=True)
            (maker,) = self.random.choices(makers, weights)
            for statement in maker(database):
                self.execute(database, statement)
        if self.random.random() < 0.2:
            database.rollback()
            return
        try:
            database.commit()
        except DBAPIError:
            self.counts["commits refused"] += 1

    def execute(self, database: Database, statement: Any) -> None:
        """Run a statement; if it is refused, the transaction goes on."""
        try:
            with database.begin_nested():
                database.execute(statement)
            self.counts["carried out"] += 1
        except DBAPIError:
            self.counts["refused"] += 1

    # --- Values ---

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def mutated(self, row: Values) -> Values:
        """A row, perhaps with another value in a column."""
        if self.chance(0.6):
            return row
        column = self.random.choice([*row])
        return row | {column: self.random.choice(POOLS[column])}

    def some(self, statements: list[Any]) -> list[Any]:
        """Statements, perhaps without one of them, or in another order."""
        if self.chance(0.1):
            statements.pop(self.random.randrange(len(statements)))
        elif self.chance(0.05):
            self.random.shuffle(statements)
        return statements

    def connection(self, database: Database) -> Connection | None:
        """One of the Connections that are there."""
        table = self.held.tables.connections
        query: Select[Any] = select(*as_stored(table.c)).order_by(table.c.id)
        rows: list[Row[Any]] = [*database.execute(query)]
        return connection_of(self.random.choice(rows), table) if rows else None

    def new(self) -> Any:
        source = self.random.choice(ACTORS)
        return Connection.create(
            by=source,
            destination=self.random.choice(ORGANIZATIONS),
            name=self.random.choice(NAMES),
            scopes=self.random.choice(SCOPES),
            allow_self=True,
            id=self.random.choice(IDS),
            at=self.random.choice(TIMES[:2]),
        )

    # --- Statements ---

    def creation(self, _: Database) -> list[Any]:
        connection, event = self.new()
        return self.some(
            [
                self.adding(self.mutated(connection_row(connection))),
                insert(self.held.tables.connection_events).values(self.mutated(event_row(event))),
            ]
        )

    def adding(self, row: Values) -> Any:
        """An insertion of a Connection, perhaps one that skips or replaces what is in the way."""
        table, dialect = self.held.tables.connections, self.held.engine.dialect.name
        if dialect == "postgresql":
            skipping: Any = postgresql.insert(table).on_conflict_do_nothing()
        elif dialect == "sqlite":
            skipping = sqlite.insert(table).on_conflict_do_nothing()
        else:
            skipping = insert(table).prefix_with("IGNORE")
        if self.chance(0.3):
            return skipping.values(row)
        statement = insert(table).values(row)
        return replaces(statement) if dialect != "postgresql" and self.chance(0.2) else statement

    def step(self, database: Database) -> list[Any]:
        connection = self.connection(database)
        if connection is None:
            return []
        actor, action = self.random.choice(ACTORS), self.random.choice(list(TARGETS))
        if self.chance(0.7):  # one that is permitted
            ways = [(by, each) for by in ACTORS for each in allowed_actions(by, connection)]
            actor, action = self.random.choice(sorted(ways, key=str))
        event = event_after(connection, action, actor)
        event["occurred_at"] = max(self.random.choice(TIMES), connection.updated_at)
        values = {
            "status": event["status"],
            "updated_at": event["occurred_at"],
            "version": event["version"],
        }
        return self.some(
            [
                self.updating(str(connection.id), self.mutated(values)),
                insert(self.held.tables.connection_events).values(self.mutated(event)),
            ]
        )

    def updating(self, connection_id: str, values: Values) -> Any:
        table = self.held.tables.connections
        return update(table).where(table.c.id == connection_id).values(values)

    def last_event(self, database: Database) -> list[Any]:
        """The event of a Connection's version, if it is missing: most often a permitted one."""
        table, connection = self.held.tables.connection_events, self.connection(database)
        if connection is None:
            return []
        query = select(*as_stored(table.c)).where(table.c.connection_id == connection.id)
        row = database.execute(query.order_by(table.c.version.desc()).limit(1)).one_or_none()
        if row is None or row.version == connection.version:
            return []
        last = event_of(row, table)
        before = connection.model_copy(update={"status": last.status, "version": last.version})
        ways = [
            (by, each)
            for by in ACTORS
            for each in allowed_actions(by, before)
            if TARGETS[each] == connection.status
        ]
        if not ways:
            return self.undoing(database)
        by, action = self.random.choice(sorted(ways, key=str))
        event = event_after(before, action, by) | {"occurred_at": connection.updated_at}
        return [insert(table).values(self.mutated(event))]

    def undoing(self, database: Database) -> list[Any]:
        """Back to an event of a Connection."""
        events, connection = self.held.tables.connection_events, self.connection(database)
        if connection is None:
            return []
        query = select(*as_stored(events.c)).where(events.c.connection_id == connection.id)
        found = [*database.execute(query.order_by(events.c.version.desc()).limit(2))]
        if not found:
            table = self.held.tables.connections
            return [delete(table).where(table.c.id == connection.id)]
        event = self.random.choice(found)
        values = {
            "status": event.status,
            "updated_at": event.occurred_at,
            "version": event.version,
        }
        return [self.updating(str(connection.id), self.mutated(values))]

    def imported(self, _: Database) -> list[Any]:
        """A Connection with several events, perhaps without one of them."""
        connection, event = self.new()
        rows = [event_row(event)]
        for _step in range(self.random.randint(1, 3)):
            ways = [(by, each) for by in ACTORS for each in allowed_actions(by, connection)]
            by, action = self.random.choice(sorted(ways, key=str))
            connection, event = connection.take(action, by=by, at=self.random.choice(TIMES))
            rows.append(event_row(event))
        table = self.held.tables.connection_events
        return self.some(
            [
                self.adding(self.mutated(connection_row(connection))),
                *(insert(table).values(self.mutated(row)) for row in rows),
            ]
        )

    def random_values(self, columns: Any) -> Values:
        names = [column.name for column in columns]
        chosen = self.random.sample(names, self.random.randint(1, 3))
        return {name: self.random.choice(POOLS[name]) for name in chosen}

    def any_update(self, _: Database) -> list[Any]:
        table = self.held.tables.connections
        values = self.random_values(table.c)
        if self.chance(0.3):
            values["version"] = table.c.version + self.random.choice([-1, 0, 1, 2])
        return [self.updating(self.random.choice(IDS), values)]

    def any_event(self, _: Database) -> list[Any]:
        table = self.held.tables.connection_events
        row = {column.name: self.random.choice(POOLS[column.name]) for column in table.c}
        statement = insert(table).values(row)
        with_replace = self.held.engine.dialect.name != "postgresql" and self.chance(0.5)
        return [replaces(statement) if with_replace else statement]

    def any_removal(self, _: Database) -> list[Any]:
        connections, events = self.held.tables.connections, self.held.tables.connection_events
        statements: list[Any] = [
            delete(connections).where(connections.c.id == self.random.choice(IDS)),
            delete(events).where(events.c.version == self.random.choice(VERSIONS)),
            delete(connections),
            delete(events),
        ]
        if self.held.checks_commits:
            name = self.held.engine.dialect.identifier_preparer.format_table
            statements += [text(f"TRUNCATE {name(each)} CASCADE") for each in (connections, events)]
        return [self.random.choice(statements)]

    def any_change_of_events(self, _: Database) -> list[Any]:
        table = self.held.tables.connection_events
        which = table.c.connection_id == self.random.choice(IDS)
        return [update(table).where(which).values(self.random_values(table.c))]

    def in_the_way(self, database: Database) -> list[Any]:
        """A row again that is there, with another value."""
        connection = self.connection(database)
        if connection is None:
            return []
        row = connection_row(connection)
        column = self.random.choice([*row])
        return [self.adding(row | {column: self.random.choice(POOLS[column])})]


def emptied(held: Enforced) -> None:
    """Remove the triggers and all rows, and add the triggers again."""
    with held.engine.begin() as database:
        for statement in enforcement(held.engine.dialect, tables=held.tables).drop:
            database.execute(statement)
        database.execute(delete(held.tables.connection_events))
        database.execute(delete(held.tables.connections))
    enforce(held.engine, held.tables)


#: `stress` leaves it out of the gate, too, where that is asked for by name.
LONG = [pytest.mark.stress, pytest.mark.long]


@pytest.mark.parametrize("statements", [2_000, pytest.param(100_000, marks=LONG)], ids=str)
@pytest.mark.parametrize("kind", ["sqlite-memory", "postgresql", "mariadb"])
def test_what_is_left_is_lawful(kind: str, statements: int, tmp_path: Path) -> None:
    """Every Connection is what its events lead to, and each event was permitted."""
    counts: Counter[str] = Counter()
    with enforced(kind, tmp_path) as held:
        for seed in range(statements // 250):
            emptied(held)
            writer = Writer(held, seed)
            writer.run(250)
            assert unlawful(held) == [], seed
            counts += writer.counts
    print(f"{kind}: {dict(counts)}")  # noqa: T201  # for the long run
    assert counts["carried out"] > statements / 8
    assert counts["refused"] > statements / 5
    assert (counts["commits refused"] > 0) == held.checks_commits


def test_roles_are_in_the_pool() -> None:
    assert sorted(role.value for role in Role) in POOLS["roles"]
