"""The store: a step against hand-written SQL, and a page of a million rows against a thousand.

The benchmarks run on SQLite, in a file with write-ahead logging, on PostgreSQL and on MariaDB. If a
server does not answer, its figures are reported as missing, and their bounds do not hold.
"""

import json
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from itertools import cycle
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from timeit import Timer
from typing import Any, NamedTuple

import pytest
from databases import mariadb, postgresql
from sqlalchemy import (
    URL,
    ColumnElement,
    Engine,
    Select,
    bindparam,
    insert,
    select,
    text,
    update,
)
from sqlalchemy import Connection as Database
from sqlalchemy.orm import Session

from connect_core import Action, Actor, ConnectionService, Role, Status
from connect_core.adapters.sql import (
    SqlConnectionStore,
    actionable,
    connection_events,
    connections,
    open_engine,
    visible,
)
from connect_core.history import format_timestamp, utc_now
from connect_core.paging import MAX_PAGE_SIZE

from .results import AtMost, Fact, Figure, Section
from .timing import Sample, paired_ratio, race

_BOUND = AtMost(1.5)
_A_THOUSAND_A_SECOND = AtMost(0.001)
_ACTIONS = (Action.ACTIVATE, Action.DEACTIVATE, Action.REACTIVATE)


def storing(rounds: int) -> list[Section]:
    """Measure the store on each database."""
    return on_each(
        lambda name, fresh: [_stepping(name, fresh, 5 * rounds), _paging(name, fresh, rounds)]
    )


def on_each(measured: "Callable[[str, Fresh], Sequence[Section]]") -> list[Section]:
    """The sections of each database, measured with its name and what makes it."""
    sections: list[Section] = []
    with TemporaryDirectory(prefix="connect-core-") as directory:
        databases: dict[str, Fresh] = {
            "SQLite": partial(_sqlite, Path(directory)),
            "PostgreSQL": new_postgresql,
            "MariaDB": new_mariadb,
        }
        for name, fresh in databases.items():
            try:
                sections += measured(name, fresh)
            except (pytest.skip.Exception, pytest.fail.Exception) as reason:
                sections.append(Section(name, (), (Fact(f"NOT MEASURED: {reason.msg}", False),)))
    return sections


# --- Databases -----------------------------------------------------------------------------------

#: Makes an empty database of one kind, which is removed afterwards.
Fresh = Callable[[], AbstractContextManager[Engine]]


@contextmanager
def _sqlite(directory: Path) -> Generator[Engine]:
    path = directory / f"{len(list(directory.iterdir()))}.db"
    engine = open_engine(URL.create("sqlite", database=str(path)))
    try:
        yield engine
    finally:
        engine.dispose()
        for file in directory.glob(f"{path.name}*"):
            file.unlink()


@contextmanager
def new_postgresql() -> Generator[Engine]:
    """It does not wait for the disk: that time is the same for all and hides the differences."""
    with postgresql(durable=True) as url:
        options = f"{url.query['options']} -csynchronous_commit=off"
        engine = open_engine(url.update_query_dict({"options": options}))
        try:
            yield engine
        finally:
            engine.dispose()


@contextmanager
def new_mariadb() -> Generator[Engine]:
    """An empty database. Whether a commit waits for the disk is a setting of the whole server."""
    with mariadb() as url:
        engine = open_engine(url)
        try:
            yield engine
        finally:
            engine.dispose()


def one_call(action: Callable[[], object]) -> Sample:
    """Samples of one call, which should take about a millisecond."""
    return partial(Timer(action).timeit, 1)


# --- A step --------------------------------------------------------------------------------------

_OURS = Actor(id="api_ABC123", organization_id="org_ABC123")
_SERVICE = "service.activate, ..."
_BY_HAND = "the same by hand, in a Session"
_CONNECTION_ONLY = "the same by hand, without a Session"
_DRIVER_ONLY = "the same by hand, with the driver alone"


class Step(NamedTuple):
    """One step of a cycle of steps."""

    action: Action
    by: Actor
    role: Role
    before: Status
    after: Status


def _life(partner: Actor) -> tuple[Step, ...]:
    return (
        Step(Action.ACTIVATE, partner, Role.DESTINATION, Status.PENDING, Status.ACTIVE),
        Step(Action.DEACTIVATE, _OURS, Role.SOURCE, Status.ACTIVE, Status.INACTIVE),
        Step(Action.REACTIVATE, _OURS, Role.SOURCE, Status.INACTIVE, Status.PENDING),
    )


_SELECT = select(connections).where(connections.c.id == bindparam("which"))
_UPDATE = update(connections).where(
    connections.c.id == bindparam("which"), connections.c.version == bindparam("seen")
)
_INSERT = insert(connection_events)


def _by_hand(database: Database, connection_id: str, step: Step) -> None:
    """Take a step with hand-written SQL, as a service for this one step would."""
    row = database.execute(_SELECT, {"which": connection_id}).mappings().one()
    assert row["status"] == step.before.value
    assert row[f"{step.role}_organization_id"] == step.by.organization_id
    now, version = utc_now(), row["version"] + 1
    which = {"which": connection_id, "seen": row["version"]}
    values = {"status": step.after.value, "updated_at": now, "version": version}
    assert database.execute(_UPDATE, which | values).rowcount == 1
    event_row = {
        "connection_id": connection_id,
        "version": version,
        "action": step.action.value,
        "previous_status": step.before.value,
        "status": step.after.value,
        "actor_id": str(step.by.id),
        "actor_organization_id": str(step.by.organization_id),
        "roles": [step.role.value],
        "occurred_at": now,
        "terms": None,
    }
    database.execute(_INSERT, event_row)


def in_service(engine: Engine, connection_id: str, step: Step) -> None:
    """Take a step as a host does, in a Session of its own."""
    with Session(engine) as session, session.begin():
        service = ConnectionService(SqlConnectionStore(session))
        getattr(service, step.action)(connection_id, by=step.by)


def in_session(engine: Engine, connection_id: str, step: Step) -> None:
    """Take a step with hand-written SQL, in a Session of its own."""
    with Session(engine) as session, session.begin():
        _by_hand(session.connection(), connection_id, step)


def _in_connection(engine: Engine, connection_id: str, step: Step) -> None:
    with engine.begin() as database:
        _by_hand(database, connection_id, step)


class ByDriver:
    """Takes steps as `_by_hand` does, but with a connection of the driver and nothing else."""

    def __init__(self, engine: Engine) -> None:
        self._pooled = engine.raw_connection()  # which goes back to the pool with this object
        self._driver: Any = self._pooled.driver_connection
        self._is_sqlite = engine.dialect.name == "sqlite"
        mark = "?" if self._is_sqlite else "%s"
        self._select, self._update, self._insert = (
            each.replace("?", mark)
            for each in (
                f"SELECT {', '.join(connections.c.keys())} FROM connections WHERE id = ?",  # noqa: S608
                "UPDATE connections SET status = ?, updated_at = ?, version = ?"
                " WHERE id = ? AND version = ?",
                f"INSERT INTO connection_events ({', '.join(connection_events.c.keys())})"  # noqa: S608
                f" VALUES ({', '.join('?' * len(connection_events.c))})",
            )
        )

    def take(self, connection_id: str, step: Step) -> None:
        """Take a step, and commit it."""
        cursor = self._driver.cursor()
        if self._is_sqlite:
            cursor.execute("BEGIN IMMEDIATE")
        cursor.execute(self._select, (connection_id,))
        row = dict(zip(connections.c.keys(), cursor.fetchone(), strict=True))
        assert row["status"] == step.before.value
        assert row[f"{step.role}_organization_id"] == step.by.organization_id
        now, version = utc_now(), row["version"] + 1
        at = format_timestamp(now) if self._is_sqlite else now
        cursor.execute(self._update, (step.after.value, at, version, connection_id, row["version"]))
        assert cursor.rowcount == 1
        event = (
            connection_id,
            version,
            step.action.value,
            step.before.value,
            step.after.value,
            str(step.by.id),
            str(step.by.organization_id),
            json.dumps([step.role.value]),
            at,
            None,
        )
        cursor.execute(self._insert, event)
        self._driver.commit()
        cursor.close()


def _with_driver(engine: Engine) -> Callable[[Engine, str, Step], None]:
    by_driver = ByDriver(engine)
    return lambda _, connection_id, step: by_driver.take(connection_id, step)


def _walking(engine: Engine, partner: str, take: Callable[[Engine, str, Step], None]) -> Sample:
    """Samples of one step after another on a Connection of its own."""
    connection_id, life = begin_life(engine, partner)
    return one_call(lambda: take(engine, connection_id, next(life)))


def begin_life(engine: Engine, partner: str) -> tuple[str, Iterator[Step]]:
    """The id of a new Connection with this organization, and the steps to take on it, endlessly."""
    with Session(engine) as session, session.begin():
        service = ConnectionService(SqlConnectionStore(session))
        connection_id = str(service.create(by=_OURS, destination=partner).connection.id)
    return connection_id, cycle(_life(Actor(id="usr_Rk3v", organization_id=partner)))


def _stepping(name: str, fresh: Fresh, rounds: int) -> Section:
    """How long it takes to read, check, write and commit a step.

    The baseline is what a competent host would write: Core on the connection of its Session,
    because the step must be committed together with the host's own work. It reads the row, updates
    it if the version is still the same, and inserts the event, with statements and columns like
    ours.
    """
    with fresh() as engine:
        times = race(
            {
                _SERVICE: _walking(engine, "org_A", in_service),
                _BY_HAND: _walking(engine, "org_B", in_session),
                _CONNECTION_ONLY: _walking(engine, "org_C", _in_connection),
                _DRIVER_ONLY: _walking(engine, "org_D", _with_driver(engine)),
            },
            rounds,
        )
    ours, theirs = times[_SERVICE], times[_BY_HAND]
    figures = [
        Figure(
            _SERVICE,
            median(ours),
            _BY_HAND,
            median(theirs),
            _BOUND,
            paired_ratio=paired_ratio(ours, theirs),
        ),
        *(
            Figure(
                _SERVICE,
                median(ours),
                barer,
                median(times[barer]),
                paired_ratio=paired_ratio(ours, times[barer]),
            )
            for barer in (_CONNECTION_ONLY, _DRIVER_ONLY)
        ),
    ]
    if name == "SQLite":
        figures.append(Figure("one step, median", median(ours), bound=_A_THOUSAND_A_SECOND))
    return Section(f"A step on {name}, committed (medians)", tuple(figures))


# --- A page --------------------------------------------------------------------------------------

SMALL, LARGE = 10**3, 10**6
#: The actor of the organization that has all Connections but those of `_OTHER`, half of them in
#: each direction.
ALL = Actor(id="usr_1", organization_id="org_ALL")
#: The actor of an organization that has equally many in the large and in the small table.
_OTHER = Actor(id="usr_2", organization_id="org_OTHER")
_OTHERS = 250
_PAGE, _PAGES = 10, 1_000
#: The number in the id of the first Connection.
_FIRST = 10**7

#: SQL for the numbers below a size, and for a fixed time plus `n` seconds, in each database.
_NUMBERS = {
    "sqlite": "WITH RECURSIVE numbers(n) AS "
    "(SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < {size})",
    "postgresql": "WITH numbers AS (SELECT n FROM generate_series(0, {size} - 1) n)",
    "mariadb": "WITH numbers AS (SELECT seq AS n FROM seq_0_to_{size} WHERE seq < {size})",
}
_TIME = {
    "sqlite": "strftime('%Y-%m-%dT%H:%M:%S.000Z', 1764000000 + n, 'unixepoch')",
    "postgresql": "to_timestamp(1764000000 + n)",
    "mariadb": "TIMESTAMPADD(SECOND, n, '2025-11-24 16:00:00')",
}
_SCOPES = {
    "sqlite": """'["inquiry.read"]'""",
    "postgresql": """'["inquiry.read"]'::jsonb""",
    "mariadb": """'["inquiry.read"]'""",
}


def middle(size: int) -> str:
    """The id of the Connection in the middle of a table of this size."""
    return f"cxn_{_FIRST + size // 2}"


def _filling(dialect: str, size: int, *, others: bool) -> str:
    """A statement that inserts `size` Connections, one per second."""
    who = f"CASE WHEN n % ({2 * size} / {_OTHERS}) < 2 THEN 'org_OTHER' ELSE 'org_ALL' END"
    if not others:
        who = "'org_ALL'"
    columns = {
        "id": f"'cxn_' || ({_FIRST} + n)",
        "source_organization_id": f"CASE n % 2 WHEN 0 THEN {who} ELSE 'org_' || n END",
        "destination_organization_id": f"CASE n % 2 WHEN 1 THEN {who} ELSE 'org_' || n END",
        "name": "'Partner ' || n",
        "status": "CASE n % 3 WHEN 0 THEN 'pending' WHEN 1 THEN 'active' ELSE 'inactive' END",
        "scopes": _SCOPES[dialect],
        "creator_id": "'api_1'",
        "created_at": _TIME[dialect],
        "updated_at": _TIME[dialect],
        "version": "1",
    }
    numbers, values = _NUMBERS[dialect].format(size=size), ", ".join(columns.values())
    rows = f"{numbers} SELECT {values} FROM numbers"  # noqa: S608  # the text is all our own
    return f"INSERT INTO connections ({', '.join(columns)}) {rows}"


def fill(engine: Engine, size: int, *, others: bool = True) -> None:
    """Fill the table with `size` Connections, and update its statistics.

    All are those of `ALL`, or, if there are `others`, all but the same number in every table. The
    indexes are created afterwards, which is faster and gives the same result.
    """
    with engine.begin() as database:
        for index in connections.indexes:
            index.drop(database)
        if engine.dialect.name == "mariadb":  # where || is OR
            database.exec_driver_sql("SET sql_mode = CONCAT(@@sql_mode, ',PIPES_AS_CONCAT')")
        rows = _filling(engine.dialect.name, size, others=others)
        database.execute(text(rows.replace(":", r"\:")))
        for index in connections.indexes:
            index.create(database)
        whole = " TABLE connections" if engine.dialect.name == "mariadb" else ""
        database.exec_driver_sql(f"ANALYZE{whole}")


def _pages(session: Session) -> dict[str, Callable[[], object]]:
    """The first page and the thousandth, or the last full one if there are fewer."""
    service = ConnectionService(SqlConnectionStore(session))
    lists: dict[str, dict[str, str]] = {
        "list": {},
        "list, pending": {"status": "pending"},
        **{f"list, to {action}": {"actionable": action} for action in _ACTIONS},
    }
    pages: dict[str, Callable[[], object]] = {}
    for name, asked in lists.items():
        page = partial(service.list, by=ALL, limit=_PAGE, **asked)
        pages[f"{name}: first page"] = page
        pages[f"{name}: page {_PAGES:,}"] = partial(page, after=_before_last(service, asked))
    return pages


def _before_last(service: ConnectionService, asked: Mapping[str, str]) -> str:
    """The Connection before the thousandth page, found by reading larger pages."""
    page = service.list(by=ALL, limit=MAX_PAGE_SIZE, **asked)
    ids = [connection.id for connection in page.connections]
    while page.next is not None and len(ids) < _PAGE * _PAGES:
        page = service.list(by=ALL, limit=MAX_PAGE_SIZE, after=page.next, **asked)
        ids += [connection.id for connection in page.connections]
    return ids[-_PAGE - 1]


def _newest(session: Session, condition: ColumnElement[bool]) -> Callable[[], object]:
    """A host's own query for the newest rows that one of the filters selects."""
    column = connections.c
    query: Select[Any] = select(connections).where(condition)
    newest_first = query.order_by(column.created_at.desc(), column.id.desc()).limit(_PAGE)
    return lambda: session.execute(newest_first).all()


def _filters(session: Session) -> dict[str, Callable[[], object]]:
    """The filters in a host's own queries.

    The filters that cover both roles are measured for the organization with equally many rows in
    either table: for those, a database reads all rows of the organization, because it cannot merge
    two indexes in order.
    """
    one_way = {
        f"actionable, {action}": actionable(ALL, action)
        for action in (Action.ACTIVATE, Action.REACTIVATE)
    }
    both_ways = {
        f"visible, {_OTHERS} rows": visible(_OTHER.organization_id),
        f"actionable, deactivate, {_OTHERS} rows": actionable(_OTHER, Action.DEACTIVATE),
    }
    return {name: _newest(session, condition) for name, condition in (one_way | both_ways).items()}


def _paging(name: str, fresh: Fresh, rounds: int) -> Section:
    """How long a page of a million rows takes, against the same page of a thousand.

    The organization that asks is a party to nearly all rows of both tables.
    """
    with fresh() as small, fresh() as large:
        fill(small, SMALL)
        fill(large, LARGE)
        with Session(small) as few, Session(large) as many:
            of_few, of_many = _pages(few) | _filters(few), _pages(many) | _filters(many)
            figures = [
                _compared(question, of_few[question], of_many[question], rounds)
                for question in of_few
            ]
    return Section(f"{LARGE:,} Connections on {name} (medians)", tuple(figures))


def _compared(
    question: str, of_few: Callable[[], object], of_many: Callable[[], object], rounds: int
) -> Figure:
    """One query on the large table, against the same query on the small one."""
    baseline = f"{SMALL:,} Connections"
    samples = {question: one_call(of_many), baseline: one_call(of_few)}
    times = race(samples, rounds)
    ours, theirs = times[question], times[baseline]
    ratio = paired_ratio(ours, theirs)
    return Figure(question, median(ours), baseline, median(theirs), _BOUND, paired_ratio=ratio)
