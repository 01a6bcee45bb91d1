"""Filters on a host's own rows: ids of any type, columns of any name, statuses of any spelling.

Each filter must select exactly the rows that the policy permits, on SQLite, PostgreSQL and DuckDB.
"""

import enum
import json
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import chain, product
from typing import Any, Final, NamedTuple
from uuid import UUID, uuid4

import duckdb
import pytest
from databases import in_duckdb
from hypothesis import given
from hypothesis import strategies as st
from row_forms import SPELLINGS, Caller, State, StateNumber, StateText, Tenant
from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    ColumnElement,
    Enum,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    PickleType,
    SmallInteger,
    String,
    Table,
    Uuid,
    insert,
    select,
    text,
)
from sqlalchemy import Connection as Database
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    aliased,
    mapped_column,
    relationship,
    synonym,
)
from sqlalchemy.types import CHAR, TypeDecorator, TypeEngine

from connect_core import Action, RowPolicy
from connect_core.adapters.sql import (
    JsonValue,
    actionable,
    readable,
    visible,
)

# --- Types ---------------------------------------------------------------------------------------


class TenantNumber(TypeDecorator[Tenant]):
    """A value object, stored as its number."""

    impl = Integer
    cache_ok = True

    def process_bind_param(self, value: Tenant | None, dialect: Any) -> int | None:  # noqa: ARG002
        return None if value is None else value.number

    def process_result_value(self, value: Any, dialect: Any) -> Tenant | None:  # noqa: ARG002
        return None if value is None else Tenant(value)


class PrefixedText(TypeDecorator[str]):
    """Text with a prefix, stored as a UUID."""

    impl = Uuid
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Any) -> UUID | None:  # noqa: ARG002
        return None if value is None else UUID(value.removeprefix("org-"))

    def process_result_value(self, value: Any, dialect: Any) -> str | None:  # noqa: ARG002
        return None if value is None else f"org-{value}"


class UuidAsText(TypeDecorator[UUID]):
    """A UUID in a column of 32 characters, as SQLAlchemy's documentation shows it."""

    impl = CHAR(32)
    cache_ok = True

    def process_bind_param(self, value: UUID | None, dialect: Any) -> str | None:  # noqa: ARG002
        return None if value is None else value.hex

    def process_result_value(self, value: Any, dialect: Any) -> UUID | None:  # noqa: ARG002
        return None if value is None else UUID(value)


class IdForm(NamedTuple):
    """A type of an id; the ids of two organizations, and then what only looks like them."""

    type: TypeEngine[Any]
    ids: list[Any]
    #: What DuckDB calls the type; empty if there is no such thing.
    duckdb: str = ""


A, B = UUID(int=17), UUID(int=2**127 + 5)
ID_FORMS: Final[dict[str, IdForm]] = {
    "text": IdForm(
        String(64),
        ["acme", "zeta", None, "Acme", "acme ", " acme", "", "acme'--", "%", "org_A", "аcme"],  # noqa: RUF001  # a Cyrillic a
        "VARCHAR",
    ),
    "integer": IdForm(Integer(), [17, 1000, None, 0, -17, 18, 2**31 - 1], "INTEGER"),
    "small integer": IdForm(SmallInteger(), [17, 1000, None, 0, -17], "SMALLINT"),
    "big integer": IdForm(BigInteger(), [17, 2**40, None, -(2**63), -17, 2**63 - 1], "BIGINT"),
    "UUID": IdForm(Uuid(), [A, B, None, UUID(int=0), UUID(int=18)], "UUID"),
    "UUID as text": IdForm(
        Uuid(as_uuid=False), [str(A), str(B), None, str(UUID(int=0))], "UUID"
    ),
    "UUID in 32 characters": IdForm(UuidAsText(), [A, B, None, UUID(int=0)]),
    "bytes": IdForm(LargeBinary(16), [b"17", b"\x00\xff", None, b"", b"17 "]),
    "value object": IdForm(TenantNumber(), [Tenant(17), Tenant(18), None, Tenant(0)]),
    "prefixed": IdForm(PrefixedText(), [f"org-{A}", f"org-{B}", None]),
}  # fmt: skip

TEXTS: Final = [None, "PENDING", "pending", "Pending", "ACTIVE ", "", "'ACTIVE'", "active", "1"]
#: For each spelling, the type of the column, and what else is in it.
STATUS_FORMS: Final[dict[str, tuple[TypeEngine[Any], list[Any], str]]] = {
    "as here": (String(32), TEXTS, "VARCHAR"),
    "upper case": (String(32), TEXTS, "VARCHAR"),
    "mixed up": (String(32), TEXTS, "VARCHAR"),
    "integers": (Integer(), [None, 2, 7, -1], "INTEGER"),
    "Enum": (Enum(State, native_enum=False), [None, *State], "VARCHAR"),
    "StrEnum": (Enum(StateText), [None, *StateText], "VARCHAR"),
    "IntEnum": (Enum(StateNumber, native_enum=False), [None, *StateNumber], ""),
}
SCOPES: Final[list[Any]] = [
    ["inquiry.read"], ["account.read", "inquiry.read"], [], ["account.read"], None,
    ["INQUIRY.READ"], ["inquiry.read "],
]  # fmt: skip

# --- The law -------------------------------------------------------------------------------------

#: Runs a query.
Run = Callable[[Any], Sequence[Sequence[Any]]]
ROWS = {
    name: RowPolicy(
        source="giver", destination="taker", status="state", id="number", statuses=statuses
    )
    for name, (statuses, _) in SPELLINGS.items()
}


class Question(NamedTuple):
    """A filter, and what the policy says of one row."""

    filter: Callable[[Any], ColumnElement[bool]]
    answer: Callable[[Any], bool]


def questions_of(caller: Caller, rows: RowPolicy) -> Iterator[Question]:
    """Everything that can be asked for somebody."""

    def is_visible(on: Any) -> ColumnElement[bool]:
        return visible(caller.organization_id, on, rows=rows)

    def is_party(row: Any) -> bool:
        return bool(rows.decide(caller, "activate", row).roles)

    def may_read(row: Any) -> bool:
        return rows.decide_access(caller, "inquiry.read", row).allowed

    yield Question(is_visible, is_party)
    for action in Action:
        yield Question(
            partial(actionable, caller, action, rows=rows), partial(rows.can, caller, action)
        )
    yield Question(partial(readable, caller, "inquiry.read", rows=rows), may_read)


def check(run: Run, on: Any, id: Any, stored: Sequence[Any], questions: Sequence[Question]) -> None:
    """Check on these rows: the filter, its negation, and the filter as a column.

    Args:
        run: runs a query.
        on: what the filters are given.
        id: the column of the row's id.
        stored: the rows as the host reads them.
        questions: what is asked.
    """
    filters = [question.filter(on) for question in questions]
    labels = [each.label(f"answer_{number}") for number, each in enumerate(filters)]
    found = {row[0]: list(row[1:]) for row in run(select(id, *labels))}
    assert found == {row.number: [each.answer(row) for each in questions] for row in stored}
    for number, each in enumerate(filters):
        yes = sorted(name for name, answers in found.items() if answers[number])
        assert sorted(row[0] for row in run(select(id).where(each))) == yes
        assert sorted(row[0] for row in run(select(id).where(~each))) == sorted({*found} - {*yes})


# --- Databases -----------------------------------------------------------------------------------


def own_table(id_form: IdForm, status: TypeEngine[Any]) -> Table:
    """A table of a host's."""
    return Table(
        f"partnership_{uuid4().hex}",
        MetaData(),
        Column("number", Integer, primary_key=True, autoincrement=False),
        Column("giver", id_form.type),
        Column("taker", id_form.type),
        Column("state", status),
        Column("scopes", JsonValue),
    )


@contextmanager
def holding(
    hosted: Database, table: Table, rows: Sequence[Sequence[Any]]
) -> Generator[Sequence[Any]]:
    """The table is there, with these rows, which are given as they are read; and is gone again."""
    names = [column.name for column in table.columns]
    with hosted.begin() as transaction:
        try:
            table.create(hosted)
            values = [dict(zip(names, (n, *row), strict=True)) for n, row in enumerate(rows)]
            if values:
                hosted.execute(insert(table), values)
            yield hosted.execute(select(table)).all()
        finally:
            transaction.rollback()


def combinations(ids: list[Any], states: list[Any]) -> list[tuple[Any, ...]]:
    """Every pair in every known status; every status of a few pairs."""
    pairs = product(ids, ids, states[:2], [["inquiry.read"]])
    standings = product(ids[:3], ids[:3], states, SCOPES[:3])
    return list(chain(pairs, standings))


# --- Every type, spelling and database -----------------------------------------------------------


class Host(DeclarativeBase):
    """The classes of a host."""


class Agreement(Host):
    """A table whose columns have other names than its attributes."""

    __tablename__ = "agreements"

    number: Mapped[int] = mapped_column("Nr", primary_key=True, autoincrement=False)
    giver: Mapped[UUID | None] = mapped_column("Von")
    taker: Mapped[UUID | None] = mapped_column("An")
    state: Mapped[State | None] = mapped_column("select", Enum(State))
    permits: Mapped[Any] = mapped_column("Umfang", JsonValue)

    source_organization_id = synonym("giver")
    destination_organization_id = synonym("taker")

    @hybrid_property
    def status(self) -> Any:
        """The status by another name."""
        return self.state

    @hybrid_property
    def scopes(self) -> Any:
        """The scopes by another name."""
        return self.permits


def _spelled(**names: Any) -> RowPolicy:
    return RowPolicy(id="number", statuses=SPELLINGS["Enum"][0], **names)


_ATTRIBUTES = _spelled(source="giver", destination="taker", status="state", scopes="permits")
_ALIAS = aliased(Agreement)
#: Ways in which a host names its table in a query: how its rows are read, and the id's column.
FORMS: Final[dict[str, tuple[RowPolicy, Any, Any]]] = {
    "class": (_ATTRIBUTES, Agreement, Agreement.number),
    "aliased class": (_ATTRIBUTES, _ALIAS, _ALIAS.number),
    "synonyms and hybrids": (_spelled(), Agreement, Agreement.number),
    "alias of these": (_spelled(), _ALIAS, _ALIAS.number),
}


def hosted_run(hosted: Database) -> Run:
    """What a database answers."""
    return lambda query: hosted.execute(query).all()


class TestFiltersAndDecisions:
    """rows(filter) == rows where the policy allows it; NOT filter selects exactly the others."""

    @pytest.mark.parametrize("spelling", SPELLINGS)
    @pytest.mark.parametrize("id_form", ID_FORMS.values(), ids=ID_FORMS)
    def test_every_combination(self, hosted: Database, id_form: IdForm, spelling: str) -> None:
        status, others, _ = STATUS_FORMS[spelling]
        table = own_table(id_form, status)
        rows = ROWS[spelling]
        states = list(dict.fromkeys([*rows.statuses.values(), *others]))
        questions = [
            question
            for ours in (id_form.ids[0], id_form.ids[1], id_form.ids[-1])
            if ours is not None
            for question in questions_of(Caller(ours), rows)
        ]
        with holding(hosted, table, combinations(id_form.ids, states)) as stored:
            assert any(question.answer(row) for question in questions for row in stored)
            check(hosted_run(hosted), table, table.c.number, stored, questions)

    @pytest.mark.parametrize("form", FORMS)
    def test_what_a_filter_is_given(self, hosted: Database, form: str) -> None:
        """A mapped class with attributes of its own, as one row and as the objects of a session."""
        rows, on, number = FORMS[form]
        ids, states = ID_FORMS["UUID"].ids, [*State, None]
        values = [
            {"number": n, "giver": giver, "taker": taker, "state": state, "permits": scopes}
            for n, (giver, taker, state, scopes) in enumerate(combinations(ids, states))
        ]
        with hosted.begin() as transaction, Session(hosted) as session:
            Host.metadata.create_all(hosted)
            session.execute(insert(Agreement), values)
            stored = session.scalars(select(on)).all()
            assert len(stored) == len(values)
            for ours in ids[:2]:
                questions = list(questions_of(Caller(ours), rows))
                check(hosted_run(hosted), on, number, stored, questions)
            transaction.rollback()

    @pytest.mark.parametrize("spelling", [name for name, form in STATUS_FORMS.items() if form[2]])
    @pytest.mark.parametrize("id_type", [name for name, form in ID_FORMS.items() if form.duckdb])
    def test_every_combination_on_duckdb(self, id_type: str, spelling: str) -> None:
        id_form, (status, others, status_type) = ID_FORMS[id_type], STATUS_FORMS[spelling]
        rows = ROWS[spelling]
        states = list(dict.fromkeys([*rows.statuses.values(), *others]))
        stored = [
            DuckRow(number, *values)
            for number, values in enumerate(combinations(id_form.ids, states))
        ]
        table = own_table(id_form, status)
        with duckdb.connect() as duck:
            duck.execute(
                f"CREATE TABLE {table.name} (number INTEGER, giver {id_form.duckdb},"
                f" taker {id_form.duckdb}, state {status_type}, scopes VARCHAR)"
            )
            values = [each.values() for each in stored]
            duck.executemany(f"INSERT INTO {table.name} VALUES (?, ?, ?, ?, ?)", values)  # noqa: S608  # ours
            check(
                lambda query: duck.execute(in_duckdb(query)).fetchall(),
                table,
                table.c.number,
                stored,
                [q for ours in id_form.ids[:2] for q in questions_of(Caller(ours), rows)],
            )

    @given(data=st.data())
    def test_any_rows(self, hosted: Database, data: st.DataObject) -> None:
        """The law, on rows that Hypothesis draws."""
        id_form = ID_FORMS[data.draw(st.sampled_from(sorted(ID_FORMS)))]
        spelling = data.draw(st.sampled_from(sorted(SPELLINGS)))
        status, others, _ = STATUS_FORMS[spelling]
        states = [*ROWS[spelling].statuses.values(), *others]
        ids = st.sampled_from(id_form.ids)
        row = st.tuples(ids, ids, st.sampled_from(states), st.sampled_from(SCOPES))
        drawn = data.draw(st.lists(row, max_size=8))
        ours = data.draw(ids.filter(lambda each: each is not None))
        table = own_table(id_form, status)
        with holding(hosted, table, drawn) as stored:
            questions = list(questions_of(Caller(ours), ROWS[spelling]))
            check(hosted_run(hosted), table, table.c.number, stored, questions)


class DuckRow(NamedTuple):
    """A row as a host reads it."""

    number: int
    giver: Any
    taker: Any
    state: Any
    scopes: Any

    def values(self) -> list[Any]:
        """The row as it is inserted."""
        stored = self.state.name if isinstance(self.state, enum.Enum) else self.state
        scopes = None if self.scopes is None else json.dumps(self.scopes)
        return [self.number, self.giver, self.taker, stored, scopes]


# --- What SQLite keeps whatever the column's type ------------------------------------------------


@pytest.mark.parametrize("hosted", ["sqlite-memory"], indirect=True)
def test_numbers_that_are_none(hosted: Database) -> None:
    """A column of numbers may hold texts, and ids may be wider than any number of SQL."""
    odd = ["17", " 17", "17.0", "17.5", "seventeen", b"17", 17.0, 17.5, -0.0, "1e1", None, 17]
    table = own_table(ID_FORMS["integer"], Integer())
    rows = ROWS["integers"]
    with hosted.begin() as transaction:
        hosted.exec_driver_sql(
            f"CREATE TABLE {table.name} (number INTEGER PRIMARY KEY, giver INTEGER,"
            " taker INTEGER, state INTEGER, scopes TEXT)"
        )
        hosted.exec_driver_sql(
            f"INSERT INTO {table.name} VALUES (?, ?, ?, ?, ?)",  # noqa: S608  # ours
            [(n, *values, "[]") for n, values in enumerate(product(odd, odd, [0, 1, "0", "x"]))],
        )
        stored = hosted.execute(select(table)).all()
        for ours in (17, 0, 10, 2**31, 2**63 - 1, -(2**63), 2**63, 10**30):
            questions = list(questions_of(Caller(ours), rows))
            check(hosted_run(hosted), table, table.c.number, stored, questions)
        transaction.rollback()


def test_numbers_that_are_wide(hosted: Database) -> None:
    """An id that the column cannot hold is in no row; no database refuses to look for it."""
    table = own_table(ID_FORMS["small integer"], Integer())
    with holding(hosted, table, [(17, 18, 0, []), (None, 17, 1, [])]) as stored:
        for ours in (17, 2**15, 2**31, 2**63 - 1, -(2**63), 2**63, -(2**63) - 1, 10**30):
            questions = list(questions_of(Caller(ours), ROWS["integers"]))
            check(hosted_run(hosted), table, table.c.number, stored, questions)


def test_texts_that_no_database_holds(hosted: Database) -> None:
    """They are in no row, and the query does not fail."""
    table = own_table(ID_FORMS["text"], String(32))
    with holding(hosted, table, [("acme", "zeta", "PENDING", [])]) as stored:
        for ours in ("acme\x00", "\x00", "\ud800", "acme\udfff"):
            questions = list(questions_of(Caller(ours), ROWS["upper case"]))
            check(hosted_run(hosted), table, table.c.number, stored, questions)


def test_texts_that_are_no_uuid(hosted: Database) -> None:
    """SQLAlchemy would strip the hyphens of a text, wherever they are."""
    table = own_table(ID_FORMS["UUID as text"], String(32))
    with holding(hosted, table, [(str(A), str(B), "PENDING", [])]) as stored:
        spelled_otherwise = A.hex, str(A).upper(), f"{{{A}}}", f"{B.hex[:2]}-{B.hex[2:]}"
        for ours in (*spelled_otherwise, "acme", ""):
            questions = list(questions_of(Caller(ours), ROWS["upper case"]))
            check(hosted_run(hosted), table, table.c.number, stored, questions)


# --- Indexes -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["text", "integer", "big integer", "UUID", "value object"])
def test_it_uses_the_index(hosted: Database, name: str) -> None:
    """The database reads the rows of one organization, by the host's own index."""
    id_form = ID_FORMS[name]
    table = own_table(id_form, Integer())
    Index(f"ix_{uuid4().hex}_giver", table.c.giver, table.c.state)
    Index(f"ix_{uuid4().hex}_taker", table.c.taker, table.c.state)
    ours, theirs = id_form.ids[:2]
    many = [(theirs, theirs, n % 3, ["inquiry.read"]) for n in range(3000)]
    with holding(hosted, table, [*many, (ours, theirs, 0, []), (theirs, ours, 1, [])]):
        if hosted.dialect.name != "sqlite":
            what = "TABLE " if hosted.dialect.name == "mariadb" else ""
            hosted.exec_driver_sql(f"ANALYZE {what}{table.name}").close()
        for condition in (
            visible(ours, table, rows=ROWS["integers"]),
            actionable(Caller(ours), "deactivate", table, rows=ROWS["integers"]),
            readable(Caller(ours), "inquiry.read", table, rows=ROWS["integers"]),
        ):
            query = select(table.c.number).where(condition)
            rows = hosted.execute(explained(query, hosted)).all()
            plan = "\n".join(map(str, rows))
            assert "ix_" in plan, plan
            if hosted.dialect.name == "mariadb":  # which names the indexes that it might use, too
                used = [(each.type, each.key) for each in rows if each.table != "member"]
                assert all(kind != "ALL" and key for kind, key in used), plan
            assert "Seq Scan" not in plan, plan
            assert "SCAN" not in plan.replace("SCAN member", ""), plan  # the items of a list


def explained(query: Any, hosted: Database) -> Any:
    """The statement that explains a query, with its values."""
    prefix = "EXPLAIN QUERY PLAN" if hosted.dialect.name == "sqlite" else "EXPLAIN"
    compiled = query.compile(dialect=hosted.dialect, compile_kwargs={"literal_binds": True})
    return text(f"{prefix} {str(compiled).replace(':', chr(92) + ':')}")


# --- What cannot be filtered ---------------------------------------------------------------------


class Odd(Host):
    """A class with attributes that SQL does not have."""

    __tablename__ = "odd"
    number: Mapped[int] = mapped_column(primary_key=True)
    giver_id: Mapped[int]
    agreement_id: Mapped[int | None] = mapped_column(ForeignKey("agreements.Nr"))
    state: Mapped[str] = mapped_column(String(32))
    agreement: Mapped[Agreement | None] = relationship()

    @property
    def giver(self) -> str:
        """What a host might have instead of a column."""
        return f"org_{self.giver_id}"

    def taker(self) -> str:
        """And a method."""
        return ""


class TestRefused:
    """What would find nothing, or cannot be asked, is a TypeError that says what would help."""

    @pytest.mark.parametrize(
        ("names", "message"),
        [
            ({"source": "giver"}, r"^on: giver is a property of .*Odd'>, which SQL cannot compare"),
            (
                {"source": "agreement"},
                "^on: agreement is a relationship of .*make it a hybrid_prop",
            ),
            (
                {"source": "taker"},
                "^on: taker is a function of .*, or name a mapped column in rows",
            ),
            (
                {"source": "giver_id"},
                "^on: odd.giver_id is of the type Integer.*compare it with an",
            ),
        ],
    )
    def test_attributes(self, names: dict[str, Any], message: str) -> None:
        rows = RowPolicy(destination="state", status="number", **names)
        with pytest.raises(TypeError, match=message):
            visible("org_1", Odd, rows=rows)

    @pytest.mark.parametrize(
        ("type_", "wrong", "advice"),
        [
            (String(9), 17, "holds no int: compare it with text, or give the column a TypeDec"),
            (String(9), A, "holds no UUID: compare it with text, or"),
            (String(9), Tenant(1), "holds no Tenant: compare it with text, or"),
            (String(9), b"acme", "holds no bytes: compare it with text"),
            (Integer(), "17", "holds no str: compare it with an int"),
            (Integer(), True, "holds no bool: compare it with an int"),
            (Integer(), 17.0, "holds no float: compare it with an int"),
            (BigInteger(), A, "holds no UUID: compare it with an int"),
            (Uuid(), str(A), "holds no str: compare it with a uuid.UUID"),
            (Uuid(), 17, "holds no int: compare it with a uuid.UUID"),
            (Uuid(as_uuid=False), A, "holds no UUID: ids and statuses are texts, integers, UUIDs"),
            (LargeBinary(), "acme", "holds no str: ids and statuses are texts, integers, UUIDs or"),
            (Numeric(), 17, "holds no int: ids and statuses are texts, integers, UUIDs or what a"),
            (Float(), 17.0, "holds no float: ids and statuses are"),
            (JSON(), 17, "holds no int: ids and statuses are"),
            (PickleType(), Tenant(1), "holds no Tenant: ids and statuses are"),
            (CHAR(32), Tenant(1), "pads texts with spaces"),
        ],
        ids=repr,
    )
    def test_ids(self, type_: Any, wrong: Any, advice: str) -> None:
        table = own_table(IdForm(type_, []), String(32))
        asks: list[Callable[[], object]] = [
            lambda: visible(wrong, table, rows=ROWS["as here"]),
            lambda: actionable(Caller(wrong), "deactivate", table, rows=ROWS["as here"]),
            lambda: readable(Caller(wrong), "inquiry.read", table, rows=ROWS["as here"]),
        ]
        for ask in asks:
            with pytest.raises(
                TypeError, match=r"^on: .*\.(giver|taker) is of the type "
            ) as refused:
                ask()
            assert advice in str(refused.value)

    @pytest.mark.parametrize(
        ("type_", "spelling", "message"),
        [
            (Enum(State), "as here", "holds none of 'pending', 'active', 'inactive'; say how the"),
            (Enum(StateText), "Enum", "holds none of <State.OFFERED: 'pending?'>, <"),
            (Enum("x", "y", name="few"), "upper case", "holds none of 'PENDING', 'ACTIVE', 'INA"),
            (String(9), "integers", "holds no int: compare it with text"),
            (String(9), "Enum", "holds no State: compare it with text"),
            (Integer(), "upper case", "holds no str: compare it with an int"),
        ],
    )
    def test_statuses(self, type_: Any, spelling: str, message: str) -> None:
        """A column in which no status can stand would find nothing, whatever is asked."""
        table = own_table(ID_FORMS["integer"], type_)
        asks: list[Callable[[], object]] = [
            lambda: actionable(Caller(17), "deactivate", table, rows=ROWS[spelling]),
            lambda: readable(Caller(17), "inquiry.read", table, rows=ROWS[spelling]),
        ]
        for ask in asks:
            with pytest.raises(TypeError, match=r"^on: .*\.state is of the type ") as refused:
                ask()
            assert message in str(refused.value)

    def test_a_status_that_the_column_lacks(self) -> None:
        table = own_table(ID_FORMS["integer"], Enum("PENDING", "ENDED", name="short"))
        rows = ROWS["upper case"]
        assert str(actionable(Caller(17), "reactivate", table, rows=rows)) == "false"
        assert str(actionable(Caller(17), "activate", table, rows=rows)) != "false"

    @pytest.mark.parametrize("rows", [None, {"source": "giver"}, RowPolicy, "giver"], ids=repr)
    def test_rows(self, rows: Any) -> None:
        asks: list[Callable[[], object]] = [
            lambda: visible("org_A", rows=rows),
            lambda: actionable(Caller("org_A"), "activate", rows=rows),
            lambda: readable(Caller("org_A"), "inquiry.read", rows=rows),
        ]
        for ask in asks:
            with pytest.raises(TypeError, match=r"^rows is .*; it must be a RowPolicy$"):
                ask()

    def test_nobody(self) -> None:
        with pytest.raises(
            TypeError, match=r"^actor acts for no organization: its organization_id"
        ):
            actionable(Caller(None), "activate")
        with pytest.raises(
            TypeError, match=r"^reader acts for no organization: its organization_i"
        ):
            readable(Caller(None), "inquiry.read")
        nobody: Any = 5
        with pytest.raises(
            TypeError, match=r"^reader is 5 \(int\); it must be an Actor, or an obj"
        ):
            readable(nobody, "inquiry.read")
        with pytest.raises(TypeError, match=r"^organization_id: expected an organization's id"):
            visible(None)

    @pytest.mark.parametrize("scope", ["ill-formed", "", "READ", None, 5])
    def test_scopes_that_nobody_grants(self, scope: Any) -> None:
        assert str(readable(Caller("org_A"), scope)) == "false"
        named = RowPolicy(scope_names={"inquiry.read": "READ"})
        assert str(readable(Caller("org_A"), scope, rows=named)) == "false"
