"""`decision_columns`, compared with `decide`: the same answer in the same words on every row."""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import duckdb
import pytest
import sqlglot
from hostile_rows import (
    EVERY,
    EVERY_QUESTION,
    IDS,
    QUESTIONS,
    SHARES,
    STATUSES,
    HostileRow,
    actor_of,
    all_expected,
    answers,
    columns_of,
    expected,
    numbered,
    query_of,
)
from hypothesis import given
from hypothesis import strategies as st
from row_forms import Caller, State, spelled
from sqlalchemy import (
    Column,
    Enum,
    Integer,
    MetaData,
    Table,
    Text,
    Uuid,
    case,
    func,
    insert,
    select,
)
from sqlalchemy import Connection as Database
from sqlalchemy.dialects import mysql
from sqlalchemy.orm import DeclarativeBase, Mapped, aliased, mapped_column
from sqlglot import exp
from support import OUR_KEY, PARTNER, connection_in

from connect_core import Action, RowPolicy, Status, Wording, decide
from connect_core.adapters.sql import connections, decision_columns, sql_text
from connect_core.adapters.sql.rows import connection_row

_texts = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=12)
_ids = st.sampled_from(["org_A", "org_B"]) | st.sampled_from(IDS) | _texts
_statuses = st.sampled_from(list(Status)).map(str) | st.sampled_from(STATUSES) | _texts
any_rows = st.lists(st.tuples(_ids, _ids, _statuses), max_size=8).map(numbered)
#: A way to run a query.
Run = Callable[[Any], Iterable[Any]]


@contextmanager
def holding(
    hosted: Database, table: Table, rows: Sequence[Any], values: Sequence[dict[str, Any]] = ()
) -> Generator[Run]:
    """A table with these rows on a database; the table is gone afterwards."""
    try:
        table.create(hosted)
        if rows:
            hosted.execute(insert(table), list(values) or [row._asdict() for row in rows])
        yield lambda query: hosted.execute(query).all()
    finally:
        hosted.rollback()
        if hosted.dialect.name == "mariadb":  # which does not undo that
            table.drop(hosted)
            hosted.commit()


class TestDecisions:
    """On each row, the answer is that of `can` and `decide`."""

    @pytest.mark.parametrize(("caller", "action"), EVERY_QUESTION)
    def test_every_combination(self, every: Run, caller: str, action: Action) -> None:
        assert answers(every, caller, action) == all_expected(EVERY, caller, action)

    @given(rows=any_rows, question=st.sampled_from(QUESTIONS))
    def test_any_text(
        self, hosted: Database, rows: list[HostileRow], question: tuple[str, Action]
    ) -> None:
        with holding(hosted, SHARES, rows) as run:
            assert answers(run, *question) == all_expected(rows, *question)

    @given(rows=any_rows, question=st.sampled_from(QUESTIONS))
    def test_any_text_on_duckdb(self, rows: list[HostileRow], question: tuple[str, Action]) -> None:
        with in_duckdb(rows) as run:
            assert answers(run, *question) == all_expected(rows, *question)

    @pytest.mark.parametrize("hosted", ["sqlite-memory"], indirect=True)
    def test_statuses_that_are_no_text(self, hosted: Database) -> None:
        """SQLite keeps whatever it is given; what is no text, or has U+0000, is not named."""
        stored = [b"active", b"x", "active\x00", "x\x00'"]
        rows = numbered([("org_A", "org_B", status) for status in stored])
        with holding(hosted, SHARES, rows) as run:
            found = answers(run, "org_A", "deactivate")
        assert [each.denial for each in found] == ["unknown_status"] * 4
        assert {each.explanation for each in found} == {
            "The Connection's status '...' is not one that this version knows."
        }

    def test_our_own_table(self, hosted: Database) -> None:
        made = connection_in(Status.ACTIVE)
        with holding(hosted, connections, [made], [connection_row(made)]):
            for actor, action in ((OUR_KEY, "activate"), (PARTNER, "deactivate")):
                found = hosted.execute(select(*decision_columns(actor, action)))
                decision = decide(actor, action, made)
                attributes = ("target", "denial", "explanation", "advice")
                assert tuple(found.keys()) == attributes
                assert found.all() == [tuple(getattr(decision, each) for each in attributes)]

    def test_in_conditions_and_groups(self, every: Run) -> None:
        """They are expressions like any other."""
        decision = decision_columns(actor_of("org_A"), "activate", SHARES)
        reason = func.coalesce(decision.denial, "allowed")
        counted = dict[Any, int]()
        for row in all_expected(EVERY, "org_A", "activate"):
            counted[row.denial or "allowed"] = counted.get(row.denial or "allowed", 0) + 1
        groups = select(reason, func.count()).select_from(SHARES).group_by(reason)
        assert dict(map(tuple, every(groups))) == counted
        filtered = select(func.count()).select_from(SHARES).where(decision.target == "active")
        assert [count for (count,) in every(filtered)] == [counted["allowed"]]
        nested = select(
            case((decision.denial == "not_a_party", 1), else_=0).label("n"), SHARES.c.id
        )
        total = select(func.sum(nested.subquery().c.n))
        assert [count for (count,) in every(total)] == [counted["not_a_party"]]


@contextmanager
def in_duckdb(rows: Sequence[HostileRow]) -> Generator[Run]:
    """DuckDB with these rows in a table."""
    with duckdb.connect() as duck:
        duck.execute(
            "CREATE TABLE shares (id INTEGER, source_organization_id VARCHAR,"
            " destination_organization_id VARCHAR, status VARCHAR)"
        )
        if rows:
            lists = "unnest(?::INTEGER[]), unnest(?::VARCHAR[]), unnest(?::VARCHAR[])"
            into = f"INSERT INTO shares SELECT {lists}, unnest(?::VARCHAR[])"
            duck.execute(into, [*columns_of(rows)])
        yield lambda query: duck.execute(sql_text(query, "duckdb")).fetchall()


@pytest.fixture(scope="module")
def every_in_duckdb() -> Iterator[Run]:
    """Every hostile row, on DuckDB."""
    with in_duckdb(EVERY) as run:
        yield run


@pytest.fixture(params=["hosted", "duckdb"])
def every(request: pytest.FixtureRequest, hosted: Database, every_in_duckdb: Run) -> Iterator[Run]:
    """Every hostile row on each database."""
    if request.param == "duckdb":
        yield every_in_duckdb
    else:
        with holding(hosted, SHARES, EVERY) as run:
            yield run


# --- Rows as hosts have them ---------------------------------------------------------------------


class Host(DeclarativeBase):
    """The classes of a host."""


class Partnership(Host):
    """A table with other columns, in which statuses are members of an `Enum`."""

    __tablename__ = "partnerships"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    giver: Mapped[UUID | None] = mapped_column(Uuid)
    taker: Mapped[UUID | None] = mapped_column(Uuid)
    state: Mapped[State | None] = mapped_column(Enum(State))


ONE, OTHER = UUID(int=2**127 + 1), UUID(int=2)
NAMES: dict[str, Any] = {"source": "giver", "destination": "taker", "status": "state"}
STATES = spelled(State.OFFERED, State.RUNNING, State.OVER)


class TestRowsOfAHost:
    """Other columns, other ids, other spellings and other words."""

    @pytest.mark.parametrize("action", Action)
    def test_classes_and_members(self, hosted: Database, action: Action) -> None:
        """A member that spells no status is not named."""
        rows = RowPolicy(**NAMES, statuses=STATES)
        stored = [
            (giver, taker, state)
            for giver in (ONE, OTHER, None)
            for taker in (ONE, OTHER)
            for state in (None, *State)
        ]
        with hosted.begin() as transaction:
            Host.metadata.create_all(hosted)
            values = [
                {"id": number, "giver": giver, "taker": taker, "state": state}
                for number, (giver, taker, state) in enumerate(stored)
            ]
            hosted.execute(insert(Partnership), values)
            for on in (Partnership, aliased(Partnership)):
                found = decision_columns(Caller(ONE), action, on, rows=rows)
                named = hosted.execute(select(on.id, *found).order_by(on.id)).all()
                loaded = hosted.execute(select(on.giver, on.taker, on.state).order_by(on.id)).all()
                assert [row[1:] for row in named] == [
                    (
                        decision.target,
                        decision.denial,
                        decision.explanation.replace("State.FROZEN (State)", "..."),
                        decision.advice,
                    )
                    for row in loaded
                    for decision in [rows.decide(Caller(ONE), action, row)]
                ]
            transaction.rollback()

    @pytest.mark.parametrize(
        "wording",
        [
            Wording(
                connection="Partnerschaft",
                unknown_status_stored="{stored}? Oder {stored}? Die {connection} ist unbekannt.",
                wrong_status="{a_connection} ist {status}.",
            ),
            Wording(unknown_status_stored="It's not known: {stored}"),
            Wording(unknown_status_stored="It's not known."),
        ],
        ids=["twice", "at the end", "not at all"],
    )
    @pytest.mark.parametrize(
        "statuses",
        [
            None,
            {"pending": "PENDING", "active": "ACTIVE", "inactive": "INACTIVE"},
            {"pending": "active", "active": "it's", "inactive": "\\"},
        ],
        ids=["as here", "upper case", "mixed up"],
    )
    def test_spellings_and_words(self, every: Run, statuses: Any, wording: Wording) -> None:
        """What is called as a status here, and is spelled otherwise, is not known."""
        rows = RowPolicy(statuses=statuses, wording=wording)
        actor, renamed = actor_of("org_A"), SHARES.alias("theirs")
        found = sorted(tuple(row) for row in every(query_of(actor, "deactivate", renamed, rows)))
        assert [row[:-2] for row in found] == [
            tuple(each)[:-2] for each in expected_of(rows, "deactivate")
        ]
        assert [row[-2:] for row in found] == [
            tuple(each)[-2:] for each in expected_of(rows, "deactivate")
        ]

    @pytest.mark.parametrize("column", [Integer(), Text()])
    def test_numbers(self, hosted: Database, column: Any) -> None:
        """A number that spells no status is not named; NULL is, as `decide` does."""
        names = {"pending": 1, "active": 2, "inactive": 3}
        rows = RowPolicy(statuses=names)
        table = Table(
            "numbers",
            MetaData(),
            Column("id", Integer),
            *(Column(f"{role}_organization_id", Integer) for role in ("source", "destination")),
            Column("status", column),
        )
        if isinstance(column, Text):
            with pytest.raises(TypeError, match="which holds no int"):
                decision_columns(Caller(7), "activate", table, rows=rows)
            return
        stored = numbered([(8, 7, status) for status in (1, 2, 3, 4, None)])
        with holding(hosted, table, stored) as run:
            query = select(*decision_columns(Caller(7), "activate", table, rows=rows))
            found = [tuple(row) for row in run(query.order_by(table.c.id))]
        decisions = [rows.decide(Caller(7), "activate", row) for row in stored]
        assert [row[:2] for row in found] == [(each.target, each.denial) for each in decisions]
        explanations = [each.explanation for each in decisions]
        assert "'4 (int)'" in explanations[3]
        explanations[3] = explanations[3].replace("4 (int)", "...")
        assert [row[2] for row in found] == explanations

    def test_ids_that_no_row_can_have(self, hosted: Database) -> None:
        """An id that the column cannot hold is nobody's."""
        rows = numbered([("org_A", "org_B", "pending")])
        with holding(hosted, SHARES, rows) as run:
            (row,) = run(select(*decision_columns(Caller("org_\ud800"), "activate", SHARES)))
        assert row.denial == "not_a_party"


def expected_of(rows: RowPolicy, action: str) -> list[Any]:
    """What should be answered about every hostile row, as this policy has it."""
    return [expected(actor_of("org_A"), action, row, rows) for row in EVERY]


# --- Text and arguments --------------------------------------------------------------------------


class TestText:
    """What is written for an engine is its SQL."""

    @pytest.mark.parametrize("action", Action)
    def test_spark_can_read_it(self, action: Action) -> None:
        query = query_of(actor_of("org_A' OR '1'='1"), action)
        (parsed,) = sqlglot.parse(sql_text(query, "spark"), dialect="spark")
        assert parsed is not None
        assert not [each for each in parsed.find_all(exp.Literal) if "'" in each.name]

    def test_another_database_does_not_name_the_status(self) -> None:
        explanation = decision_columns(OUR_KEY, "activate", SHARES).explanation
        assert "WHEN 1 = 0 THEN" in str(explanation.compile(dialect=mysql.dialect()))


class TestArguments:
    """What is given is checked when the columns are made."""

    @pytest.mark.parametrize("action", ["", "ACTIVATE", None])
    def test_an_action_that_does_not_exist(self, action: Any) -> None:
        with pytest.raises(ValueError, match="is not a valid Action"):
            decision_columns(OUR_KEY, action)

    @pytest.mark.parametrize(
        ("change", "error", "message"),
        [
            ({"actor": None}, TypeError, "^actor is None"),
            ({"actor": Caller(None)}, TypeError, "^actor acts for no organization"),
            ({"actor": Caller(7)}, TypeError, "^on: .* which holds no int"),
            ({"on": "shares"}, TypeError, "^on: expected a table"),
            ({"on": select(SHARES.c.id).subquery()}, KeyError, "status"),
            ({"rows": None}, TypeError, "^rows is None"),
            ({"rows": RowPolicy(status="state")}, KeyError, "state"),
        ],
    )  # fmt: skip
    def test_others(self, change: dict[str, Any], error: type[Exception], message: str) -> None:
        given: dict[str, Any] = {"actor": OUR_KEY, "action": "activate", "on": SHARES} | change
        with pytest.raises(error, match=message):
            decision_columns(**given)

    def test_statuses_that_the_column_cannot_hold(self) -> None:
        table = Table(
            "few",
            MetaData(),
            Column("source_organization_id", Text),
            Column("destination_organization_id", Text),
            Column("status", Enum("on", "off", name="few")),
        )
        with pytest.raises(TypeError, match=r"^on: few.status is of the type .* holds none of"):
            decision_columns(OUR_KEY, "activate", table)
