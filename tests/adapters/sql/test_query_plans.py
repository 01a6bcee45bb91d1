"""How the databases answer what the library asks: from an index, reading no more than is due.

The statements are those that the store and the filters really send, with their parameters: each
question is asked once, what it sends is caught on the way, and the database explains it. It does
so on a table that is filled as in life, with its statistics up to date: many organizations, one of
them much larger than the others, and almost nothing pending there, though much is elsewhere.
"""

import json
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple
from uuid import uuid4

import pytest
from databases import SERVERS, Backend, backend, new_schema
from sqlalchemy import Connection as Database
from sqlalchemy import Engine, MetaData, Select, event, insert, literal, null, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from support import T0

from connect_core import (
    Action,
    Actor,
    ConnectionId,
    ConnectionService,
    Direction,
    IdempotencyKey,
    IdempotencyRecord,
    OrganizationId,
    Page,
    Status,
)
from connect_core.adapters.sql import (
    JsonValue,
    SqlConnectionStore,
    Tables,
    actionable,
    connection_events,
    connections,
    idempotency_keys,
    metadata,
    tables_for,
    visible,
)
from connect_core.adapters.sql.tables import DEFAULT_TABLES
from connect_core.paging import MAX_COUNT, MAX_PAGE_SIZE

ROWS: Final = 30_000
LIMIT: Final = 10
#: What a page of `LIMIT` may cost. PostgreSQL: the most rows that one step of the plan handles,
#: and a page is put together from up to four stretches of an index, each one row longer than the
#: page. MariaDB: the rows that it reads, all steps together, where it also looks up both ends of a
#: stretch. SQLite: the instructions of its virtual machine, which are counted exactly.
AFFORDABLE: Final = {
    "postgresql": 4 * (LIMIT + 1),
    "mariadb": 4 * (LIMIT + 2),
    "sqlite": 4_000,
}

#: What it may cost to read all that the big organization has, a tenth of the table.
ALL_OF_ONE: Final = {
    "postgresql": ROWS // 10,
    "mariadb": ROWS // 10 + AFFORDABLE["mariadb"],
    "sqlite": 60 * ROWS // 10,
}

BIG = Actor(id="usr_1", organization_id="org_BIG")
#: One of the others.
SMALL = Actor(id="usr_2", organization_id="org_7")
#: What the creation of each Connection says; that it is another's is of no matter here.
TERMS: Final = {
    "source_organization_id": "org_7",
    "destination_organization_id": "org_8",
    "scopes": ["inquiry.read"],
}


# --- A table as in life --------------------------------------------------------------------------


def _parties(number: int) -> tuple[str, str]:
    """Every tenth Connection is the big organization's, half of them in each direction."""
    if number == 0:
        return "org_BIG", "org_BIG"
    partner = f"org_p{number}"
    return {0: ("org_BIG", partner), 1: (partner, "org_BIG")}.get(
        number % 20, (f"org_{number % 197}", partner)
    )


def _status(number: int) -> Status:
    """Elsewhere two of three are pending; of the big organization's only the oldest are."""
    if number % 20 > 1:
        return Status.PENDING if number % 3 else Status.ACTIVE
    if number < 400:
        return Status.PENDING
    return Status.ACTIVE if number % 40 < 20 else Status.INACTIVE


def _time(number: int) -> datetime:
    """Three Connections a millisecond, and the middle fifth all at once, as imports are."""
    if number in range(2 * ROWS // 5, 3 * ROWS // 5):
        number = 2 * ROWS // 5
    return T0 + timedelta(milliseconds=number // 3)


def _row(number: int) -> dict[str, object]:
    source, destination = _parties(number)
    return {
        "id": f"cxn_{number * 7919 % ROWS:05}",  # in no order
        "source_organization_id": source,
        "destination_organization_id": destination,
        "name": f"Partner {number}",
        "status": _status(number).value,
        "scopes": ["inquiry.read"],
        "creator_id": "api_1",
        "created_at": _time(number),
        "updated_at": _time(number),
        "version": 1,
    }


def fill(engine: Engine) -> None:
    """All three tables, each with as many rows, and the statistics on them."""
    column = connections.c
    first_event = select(
        column.id,
        literal(1),
        literal("create"),
        null(),
        literal("pending"),
        column.creator_id,
        column.source_organization_id,
        literal(["source"], JsonValue),
        column.created_at,
        literal(TERMS, JsonValue),
    )
    record = select(
        column.source_organization_id,
        column.id,
        literal("f" * 64),
        literal("{}"),
        column.created_at,
    )
    with engine.begin() as connection:
        connection.execute(insert(connections), [_row(number) for number in range(ROWS)])
        for table, rows in ((connection_events, first_event), (idempotency_keys, record)):
            connection.execute(insert(table).from_select(list(table.c.keys()), rows))
        analyze(connection, metadata)


def analyze(connection: Database, tables: MetaData) -> None:
    """Bring the statistics on these tables up to date."""
    statement = "ANALYZE"
    if connection.dialect.name == "mariadb":  # which must be told the tables
        name = connection.dialect.identifier_preparer.format_table
        statement = f"ANALYZE TABLE {', '.join(map(name, tables.sorted_tables))}"
    connection.exec_driver_sql(statement)


@pytest.fixture(scope="module", params=["sqlite-file", "postgresql", "mariadb"])
def filled(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engine]:
    """The filled tables on each database."""
    directory: Path = tmp_path_factory.mktemp("plans")
    stored: Backend
    with backend(request.param, directory) as stored:
        fill(stored.engine)
        with stored.store() as store:  # with its first use, a store asks for MariaDB's settings
            store.get(ConnectionId(str(_MIDDLE)))
        yield stored.engine


@contextmanager
def chosen(engine: Engine) -> Generator[Tables]:
    """The same rows in tables with a prefix, and on a server in a schema of their own."""
    with ExitStack() as stack:
        schema = None
        if engine.dialect.name in SERVERS:
            schema = stack.enter_context(new_schema(engine.dialect.name, f"plans_{uuid4().hex}"))
        tables = tables_for(schema=schema, prefix="acme_")
        with engine.begin() as connection:
            tables.metadata.create_all(connection)
            for table, filled in zip(
                tables.metadata.sorted_tables, metadata.sorted_tables, strict=True
            ):
                rows = filled.select()
                connection.execute(insert(table).from_select(list(table.c.keys()), rows))
            analyze(connection, tables.metadata)
        yield tables
        tables.metadata.drop_all(engine)


# --- The questions -------------------------------------------------------------------------------

#: What a session is used for. Whatever it changes is undone.
Question = Callable[[Session], object]


def store_of(session: Session) -> SqlConnectionStore:
    """The store on the tables that the session was given."""
    return SqlConnectionStore(session, session.info["tables"])


#: What a list can be asked for; each is a page's rows, at every place.
LISTS: Final[dict[str, dict[str, Any]]] = {
    "all": {},
    **{f"status {status}": {"status": status} for status in Status},
    **{f"direction {direction}": {"direction": direction} for direction in Direction},
    **{
        f"actionable {action}": {"actionable": action}
        for action in Action
        if action is not Action.CREATE
    },
    "outbound and active": {"direction": "outbound", "status": "active"},
    "inbound and pending": {"direction": "inbound", "status": "pending"},
    "destination": {"destination": "org_p2000"},
    "destination itself": {"destination": "org_BIG"},
}
#: Connections of the big organization: the one in the middle, one that is older than most,
#: and the oldest but few.
_MIDDLE, _OLD, _LATE = _row(ROWS // 2)["id"], _row(1_200)["id"], _row(400)["id"]
PLACES: Final[dict[str, dict[str, Any]]] = {
    "first": {},
    "after the middle": {"after": _MIDDLE},
    "before the middle": {"before": _MIDDLE},
    "before most": {"before": _OLD},
    "after a late one": {"after": _LATE},
    "before a late one": {"before": _LATE},
}


def listing(limit: int = LIMIT, **asked: Any) -> Callable[[Session], Page]:
    """A page of the big organization's Connections."""
    return lambda session: ConnectionService(store_of(session)).list(by=BIG, limit=limit, **asked)


def counting(most: int, **asked: Any) -> Callable[[Session], int]:
    """How many Connections the big organization has."""
    return lambda session: ConnectionService(store_of(session)).count(by=BIG, most=most, **asked)


#: PostgreSQL believes that the big organization is connected with itself 75 times. It reads what
#: lies beyond the place instead of that pair if it is less.
_NOT_ASKED: Final = ("destination itself", "before most")
PAGES: Final = {
    f"{list_}, {place}": listing(**asked, **where)
    for list_, asked in LISTS.items()
    for place, where in PLACES.items()
    if (list_, place) != _NOT_ASKED
}


def newest(condition: Any) -> Question:
    """A query of a host's own, with one of the filters in it."""
    column = connections.c
    query: Select[Any] = select(connections).where(condition)
    newest_first = query.order_by(column.created_at.desc(), column.id.desc()).limit(LIMIT)
    return lambda session: session.execute(newest_first).all()


FILTERS: Final = {
    f"{name} {actor.organization_id}": newest(condition)
    for actor in (BIG, SMALL)
    for name, condition in {
        "visible": visible(actor.organization_id),
        **{f"actionable {action}": actionable(actor, action) for action in list(Action)[1:]},
    }.items()
}


def save(session: Session) -> None:
    """Take a step."""
    oldest = _row(20)["id"]
    ConnectionService(store_of(session)).deactivate(str(oldest), by=BIG)


def recall(session: Session) -> IdempotencyRecord:
    """Repeat a request that was made."""
    key = IdempotencyKey(str(_MIDDLE))
    return store_of(session).once(OrganizationId("org_BIG"), key, lambda: NEW)


def remember(session: Session) -> IdempotencyRecord:
    """Make a request for the first time."""
    key = IdempotencyKey("new")
    return store_of(session).once(OrganizationId("org_BIG"), key, lambda: NEW)


NEW: Final = IdempotencyRecord("0" * 64, "{}", T0)
SINGLE: Final[dict[str, Question]] = {
    "get": lambda session: store_of(session).get(ConnectionId(str(_MIDDLE))),
    "find": lambda session: store_of(session).find(
        OrganizationId("org_BIG"), OrganizationId("org_p2000")
    ),
    "history": lambda session: store_of(session).history(ConnectionId(str(_MIDDLE))),
    "save": save,
    "recall": recall,
    "remember": remember,
    "forget": lambda session: store_of(session).forget(_time(ROWS // 100)),
}
FIRST_PAGES: Final = {name: page for name, page in PAGES.items() if name.endswith("first")}
#: Where fetching each row by its id would be so dear that the whole table looks cheap.
LONG_PAGES: Final = {
    f"{list_}, a long page": listing(MAX_PAGE_SIZE, **asked) for list_, asked in LISTS.items()
}
COUNTS: Final = {f"{list_}, counted": counting(LIMIT, **asked) for list_, asked in LISTS.items()}
LONG_COUNTS: Final = {
    f"{list_}, counted to the end": counting(MAX_COUNT, **asked) for list_, asked in LISTS.items()
}
#: The other parties of some of its Connections, and of none.
_PARTNERS: Final = [*(f"org_p{number}" for number in range(2000, 2090)), "org_unknown"]
#: What is looked for, by name.
LOOKED_FOR: Final[dict[str, dict[str, Any]]] = {
    "partner": {"name": "partner"},
    "nothing": {"name": "nothing"},
    "partners": {"partners": _PARTNERS},
    "a name or partners": {"name": "nothing", "partners": _PARTNERS},
}
#: All of the organization's Connections may have to be read, and no others.
BY_NAME: Final[dict[str, Question]] = {
    f"{list_}, {name}, {how}": question
    for list_, asked in LISTS.items()
    for name, looked_for in LOOKED_FOR.items()
    for how, question in {
        "a page": listing(**asked, **looked_for),
        "a later page": listing(**asked, **looked_for, after=_MIDDLE),
        "counted": counting(MAX_COUNT, **asked, **looked_for),
    }.items()
}
QUESTIONS: Final = {
    **PAGES,
    **LONG_PAGES,
    **COUNTS,
    **LONG_COUNTS,
    **BY_NAME,
    **FILTERS,
    **SINGLE,
}


# --- The plans -----------------------------------------------------------------------------------


class Plan(NamedTuple):
    """How a database answers one statement."""

    #: The steps that go through a whole table, or a whole index.
    whole: list[str]
    #: The indexes in which something is looked up.
    indexes: set[str]
    #: What it takes, in the unit of `AFFORDABLE`.
    cost: int


class Asked(NamedTuple):
    """A statement as it is sent to the database."""

    text: str
    parameters: Any


@contextmanager
def sent_by(engine: Engine) -> Generator[list[Asked]]:
    """What is sent meanwhile, but for what begins and ends transactions."""
    sent: list[Asked] = []

    def listener(_: object, __: object, text: str, parameters: Any, *___: object) -> None:
        if text.split()[0] in ("SELECT", "INSERT", "UPDATE", "DELETE"):
            sent.append(Asked(text, parameters))

    event.listen(engine, "before_cursor_execute", listener)
    try:
        yield sent
    finally:
        event.remove(engine, "before_cursor_execute", listener)


def plans(engine: Engine, question: Question, tables: Tables = DEFAULT_TABLES) -> list[Plan]:
    """The plans of all that a question sends, each explained where the question was asked."""
    with sent_by(engine) as sent, Session(engine, info={"tables": tables}) as session:
        question(session)  # and rolled back
    assert sent, "nothing was asked"
    found: list[Plan] = []
    for asked in sent:
        with engine.connect() as database:
            found.append(_EXPLAIN[engine.dialect.name](database, asked))
    return found


def _explained_by_sqlite(database: Database, asked: Asked) -> Plan:
    """SCAN goes through all rows, of an index where one is named; SEARCH looks some up."""
    rows = database.exec_driver_sql(f"EXPLAIN QUERY PLAN {asked.text}", asked.parameters)
    steps = [str(row[-1]).split() for row in rows]
    own = {step[1] for step in steps if step[0] in ("CO-ROUTINE", "MATERIALIZE")}
    return Plan(
        whole=[" ".join(step) for step in steps if step[0] == "SCAN" and step[1] not in own],
        indexes={step[step.index("INDEX") + 1] for step in steps if "INDEX" in step[3:]},
        cost=_instructions(database, asked),
    )


def _instructions(database: Database, asked: Asked) -> int:
    """How many instructions SQLite carries out."""
    done: list[None] = []
    driver: Any = database.connection.dbapi_connection
    driver.set_progress_handler(lambda: done.append(None), 1)
    try:
        result = database.exec_driver_sql(asked.text, asked.parameters)
        if result.returns_rows:
            result.all()
    finally:
        driver.set_progress_handler(None, 1)
    return len(done)


def _explained_by_postgresql(database: Database, asked: Asked) -> Plan:
    """The statement is carried out, and each step says how many rows it has handled."""
    explain = "EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) "
    ((explained,),) = database.exec_driver_sql(f"{explain}{asked.text}", asked.parameters)
    steps = list(_steps(explained[0]["Plan"]))
    return Plan(
        whole=[
            f"{step['Node Type']} of {step.get('Relation Name', step.get('Index Name'))}"
            for step in steps
            if "Scan" in step["Node Type"] and not _looks_up(step)
        ],
        indexes={step["Index Name"] for step in steps if "Index Name" in step},
        cost=max(map(_handled, steps)),
    )


def _steps(step: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A step of a plan, and all that it is made of."""
    yield step
    for part in step.get("Plans", ()):
        yield from _steps(part)


def _looks_up(step: dict[str, Any]) -> bool:
    """Whether a scan is of the rows that an index has found, or of what another step gives."""
    return "Index Cond" in step or step["Node Type"] in ("Bitmap Heap Scan", "Subquery Scan")


def _handled(step: dict[str, Any]) -> int:
    """The rows that a step gives, and those that it has read for nothing."""
    read = sum(step[name] for name in step if name.startswith(("Actual Rows", "Rows Removed")))
    return int(read * step["Actual Loops"])


def _explained_by_mariadb(database: Database, asked: Asked) -> Plan:
    """Tables whose names begin with ``<`` are those that the statement itself makes."""
    ((explained,),) = database.exec_driver_sql(
        f"EXPLAIN FORMAT=JSON {asked.text}", asked.parameters
    )
    steps = list(_objects(json.loads(explained)))
    return Plan(
        whole=[
            f"{step['access_type']} of {step['table_name']}"
            for step in steps
            if step.get("access_type") in ("ALL", "index") and step["table_name"][0] != "<"
        ],
        indexes={step["key"] for step in steps if "key" in step},
        cost=_rows_read(database, asked),
    )


def _objects(value: dict[str, Any] | list[Any] | str | float | None) -> Iterator[dict[str, Any]]:
    """All objects in a value of JSON."""
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for part in value:
            yield from _objects(part)


def _rows_read(database: Database, asked: Asked) -> int:
    """How many rows MariaDB reads, those included that it drops while it reads an index."""
    before = _counters(database)
    with suppress(IntegrityError):  # of a key that is taken
        result = database.exec_driver_sql(asked.text, asked.parameters)
        if result.returns_rows:
            result.all()
    read = _counters(database) - before
    return read["Rows_read"] + read["Handler_icp_attempts"] - read["Handler_icp_match"]


def _counters(database: Database) -> Counter[str]:
    """What MariaDB has counted for this session; tables that a statement makes do not count."""
    found = database.exec_driver_sql(
        "SHOW SESSION STATUS WHERE Variable_name IN"
        " ('Rows_read', 'Handler_icp_attempts', 'Handler_icp_match')"
    )
    return Counter({name: int(value) for name, value in found})


_EXPLAIN: Final = {
    "sqlite": _explained_by_sqlite,
    "postgresql": _explained_by_postgresql,
    "mariadb": _explained_by_mariadb,
}


# --- The tests -----------------------------------------------------------------------------------


class TestPlans:
    """No statement goes through a whole table, nor through a whole index."""

    @pytest.mark.parametrize("name", QUESTIONS)
    def test_nothing_is_read_whole(self, filled: Engine, name: str) -> None:
        for plan in plans(filled, QUESTIONS[name]):
            assert plan.whole == []

    @pytest.mark.parametrize("name", PAGES)
    def test_a_page_costs_what_a_page_costs(self, filled: Engine, name: str) -> None:
        """Filtered or not, at whatever place: no row is read for nothing, nor sorted."""
        for plan in plans(filled, PAGES[name]):
            assert plan.cost <= AFFORDABLE[filled.dialect.name]

    @pytest.mark.parametrize("name", COUNTS)
    def test_counting_stops_where_it_is_told(self, filled: Engine, name: str) -> None:
        """It costs no more than a page of that length, and is one statement."""
        (plan,) = plans(filled, COUNTS[name])
        assert plan.indexes
        assert plan.cost <= AFFORDABLE[filled.dialect.name]

    @pytest.mark.parametrize("name", BY_NAME)
    def test_a_name_is_looked_for_among_the_organizations_own(
        self, filled: Engine, name: str
    ) -> None:
        for plan in plans(filled, BY_NAME[name]):
            # MariaDB makes no plan if the only row of a key is not among those looked for.
            assert plan.indexes or plan.cost == 1
            assert plan.cost <= ALL_OF_ONE[filled.dialect.name]

    def test_every_index_is_of_use(self, filled: Engine) -> None:
        declared = {index.name for table in metadata.tables.values() for index in table.indexes}
        used = {
            index
            for question in QUESTIONS.values()
            for plan in plans(filled, question)
            for index in plan.indexes
        }
        assert declared - used == set()

    def test_on_chosen_tables(self, filled: Engine) -> None:
        """With a prefix and, on a server, in a schema, the plans are the same."""
        with chosen(filled) as tables:
            for name, question in {**FIRST_PAGES, **COUNTS, **SINGLE}.items():
                for plan, other in zip(
                    plans(filled, question), plans(filled, question, tables), strict=True
                ):
                    assert other.whole == plan.whole, name
                    found = {index.replace("acme_", "") for index in other.indexes}
                    assert found == plan.indexes, name
                    assert other.cost <= max(plan.cost, AFFORDABLE[filled.dialect.name]), name

    def test_the_questions_have_answers(self, filled: Engine) -> None:
        """Or it would be easy to be quick."""
        with Session(filled, info={"tables": DEFAULT_TABLES}) as session:
            page = listing(after=_MIDDLE)(session)
        assert len(page.connections) == LIMIT
        assert None not in (page.prev, page.next)
        with Session(filled, info={"tables": DEFAULT_TABLES}) as session:
            assert counting(LIMIT)(session) == LIMIT
            assert counting(MAX_COUNT)(session) == MAX_COUNT
            assert counting(MAX_COUNT, name="PARTNER")(session) == MAX_COUNT
            assert counting(MAX_COUNT, name="partner 2000")(session) == 3
            assert counting(MAX_COUNT, name="nothing")(session) == 0
            assert counting(MAX_COUNT, partners=_PARTNERS)(session) == 10
            assert counting(MAX_COUNT, name="nothing", partners=_PARTNERS)(session) == 10


class TestTheChecks:
    """The checks themselves fail where they must."""

    def test_a_whole_table(self, filled: Engine) -> None:
        by_name = select(connections).where(connections.c.name == "Partner 7")
        (plan,) = plans(filled, lambda session: session.execute(by_name))
        assert len(plan.whole) == 1
        assert "connections" in plan.whole[0]
        assert plan.cost >= ROWS

    def test_a_whole_index(self, filled: Engine) -> None:
        ids = select(connections.c.id).order_by(connections.c.id)
        (plan,) = plans(filled, lambda session: session.execute(ids).all())
        assert len(plan.whole) == 1

    def test_counting_further(self, filled: Engine) -> None:
        (plan,) = plans(filled, counting(MAX_COUNT))
        assert plan.cost > AFFORDABLE[filled.dialect.name]

    @pytest.mark.parametrize("column", ["created_at", "updated_at"])
    def test_more_than_a_page(self, filled: Engine, column: str) -> None:
        """What is skipped has been read, and what is sorted, too."""
        some = select(connections).where(connections.c.source_organization_id == "org_BIG")
        skipping = some.order_by(connections.c[column]).limit(LIMIT).offset(1400)
        (plan,) = plans(filled, lambda session: session.execute(skipping).all())
        assert plan.whole == []
        assert plan.cost > AFFORDABLE[filled.dialect.name]
