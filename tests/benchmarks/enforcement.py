"""The triggers of `enforcement`: what they add to a step, and to each row of many.

A step writes two rows: it updates a Connection and inserts an event. It is written by hand, in the
statements of the store, on two databases in turns: one with triggers, and one without. What the
triggers add is the difference of the best times. If a server does not answer, its figures are
reported as missing, and their bounds do not hold.
"""

from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from databases import mariadb, postgresql
from sqlalchemy import URL, Engine, bindparam, insert, update

from connect_core import Action, Actor, Connection
from connect_core.adapters.sql import connection_events, connections, enforcement, open_engine
from connect_core.adapters.sql.rows import connection_row, event_row, state_of

from .results import AtMost, Fact, Figure, Section
from .store import one_call
from .timing import Sample, best

#: What the triggers may add to a row, on PostgreSQL, where steps share a transaction. In a
#: transaction of its own, a step also pays for what PostgreSQL prepares for each transaction.
_MOST = AtMost(0.000_040)
#: How many Connections take a step in one transaction.
_MANY = 10
_ROWS_OF_A_STEP = 2

_OURS = Actor(id="api_ABC123", organization_id="org_ABC123")
_ACTIONS = (Action.ACTIVATE, Action.DEACTIVATE, Action.REACTIVATE)
_UPDATE = update(connections).where(
    connections.c.id == bindparam("which"), connections.c.version == bindparam("seen")
)
_INSERT = insert(connection_events)


def enforcing(rounds: int) -> list[Section]:
    """Measure the triggers on each database."""
    sections: list[Section] = []
    for name, make in _DATABASES.items():
        try:
            sections.append(_section(name, make, rounds))
        except (pytest.skip.Exception, pytest.fail.Exception) as reason:
            missing = Fact(f"NOT MEASURED: {reason.msg}", False)
            sections.append(Section(f"{name}: triggers", (), (missing,)))
    return sections


# --- Databases -----------------------------------------------------------------------------------


@contextmanager
def _sqlite() -> Generator[URL]:
    with TemporaryDirectory(prefix="connect-core-") as directory:
        yield URL.create("sqlite", database=str(Path(directory) / "connections.db"))


@contextmanager
def _postgresql() -> Generator[URL]:
    """It does not wait for the disk: that time is the same for both and hides the difference."""
    with postgresql(durable=True) as url:
        options = f"{url.query['options']} -csynchronous_commit=off"
        yield url.update_query_dict({"options": options})


_DATABASES = {"SQLite": _sqlite, "PostgreSQL": _postgresql, "MariaDB": mariadb}


# --- Steps ---------------------------------------------------------------------------------------


class _Walkers:
    """Connections that take the same steps at the same time, by hand-written SQL."""

    def __init__(self, engine: Engine, number: int) -> None:
        self._engine = engine
        self._partners = [
            Actor(id="usr_Rk3v", organization_id=f"org_{number}_{each}") for each in range(number)
        ]
        changes = [
            Connection.create(by=_OURS, destination=each.organization_id) for each in self._partners
        ]
        with engine.begin() as database:
            for connection, event in changes:
                database.execute(insert(connections), connection_row(connection))
                database.execute(_INSERT, event_row(event))
        self._connections = [change.connection for change in changes]

    def step(self) -> None:
        """Take the next step, in one transaction."""
        action = _ACTIONS[(self._connections[0].version - 1) % len(_ACTIONS)]
        changes = [
            connection.take(action, by=partner if action is Action.ACTIVATE else _OURS)
            for connection, partner in zip(self._connections, self._partners, strict=True)
        ]
        updates = [
            {"which": str(connection.id), "seen": connection.version - 1} | state_of(connection)
            for connection, _ in changes
        ]
        events = [event_row(event) for _, event in changes]
        with self._engine.begin() as database:
            database.execute(_UPDATE, updates)
            database.execute(_INSERT, events)
        self._connections = [change.connection for change in changes]


def _section(name: str, make: Callable[[], AbstractContextManager[URL]], rounds: int) -> Section:
    with ExitStack() as stack:
        engines: list[Engine] = []
        for with_triggers in (False, True):
            engine = open_engine(stack.enter_context(make()))
            stack.callback(engine.dispose)
            if with_triggers:
                with engine.begin() as database:
                    for statement in enforcement(engine.dialect).create:
                        database.execute(statement)
            engines.append(engine)
        figures = [
            figure
            for number in (1, _MANY)
            for figure in _figures(name, engines, number, rounds if number > 1 else 5 * rounds)
        ]
    return Section(f"{name}: triggers", tuple(figures), ())


def _figures(name: str, engines: Sequence[Engine], number: int, rounds: int) -> list[Figure]:
    samples: dict[str, Sample] = {
        kind: one_call(_Walkers(engine, number).step)
        for kind, engine in zip(("without", "with"), engines, strict=True)
    }
    seconds = best(samples, rounds)
    steps = "a step" if number == 1 else f"{number} steps in one transaction"
    added = (seconds["with"] - seconds["without"]) / (number * _ROWS_OF_A_STEP)
    bound = _MOST if name == "PostgreSQL" and number == _MANY else None
    return [
        Figure(f"{steps}, with triggers", seconds["with"], "without", seconds["without"]),
        Figure(f"{steps}: added to a row", added, bound=bound),
    ]
