"""`readable`, compared with `decide_access`: scopes in JSON, an array, a text, a child table.

Where a database reads JSON otherwise than Python, the filter may find less, and never more.
"""

import json
import re
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import duckdb
import pytest
from databases import in_duckdb
from hypothesis import given
from hypothesis import strategies as st
from row_forms import Caller, State, StateText
from sqlalchemy import (
    ARRAY,
    JSON,
    URL,
    Column,
    ColumnElement,
    Enum,
    ForeignKey,
    Integer,
    MetaData,
    Select,
    String,
    Table,
    Text,
    func,
    insert,
    literal,
    select,
    text,
)
from sqlalchemy import Connection as Database
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.exc import CompileError
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship
from sqlalchemy.types import TypeEngine

from connect_core import RowPolicy, decide_access
from connect_core.adapters.sql import JsonValue, connections, readable
from connect_core.adapters.sql.types import JsonValue as StoredJson

READER: Final = Caller("org_B")


def shares(scopes: TypeEngine[Any], name: str = "shares") -> Table:
    """A table of Connections whose scopes have this type."""
    return Table(
        name,
        MetaData(),
        Column("id", Integer, primary_key=True, autoincrement=False),
        Column("source_organization_id", Text),
        Column("destination_organization_id", Text),
        Column("status", Text),
        Column("scopes", scopes),
    )


def row(number: int, scopes: Any) -> dict[str, Any]:
    """A row through which the reader may read, if the scopes grant it."""
    return {
        "id": number,
        "source_organization_id": "org_A",
        "destination_organization_id": "org_B",
        "status": "active",
        "scopes": scopes,
    }


@contextmanager
def created(hosted: Database, table: Table) -> Generator[None]:
    """The table is there, and is gone again, with what is in it."""
    with hosted.begin() as transaction:
        try:
            table.create(hosted)
            yield
        finally:
            transaction.rollback()
    if hosted.dialect.name == "mariadb":  # which commits when a table is created
        with hosted.begin():
            table.drop(hosted)


on_postgresql = pytest.mark.parametrize("hosted", ["postgresql"], indirect=True)
on_text = pytest.mark.parametrize("hosted", ["sqlite-memory", "mariadb"], indirect=True)


def found(hosted: Database, table: Table, condition: ColumnElement[bool]) -> list[int]:
    """The ids of the rows; each is found by the condition or by its negation."""
    some = hosted.scalars(select(table.c.id).where(condition).order_by(table.c.id)).all()
    others = hosted.scalars(select(table.c.id).where(~condition)).all()
    total = hosted.scalar(select(func.count()).select_from(table))
    assert len(some) + len(others) == total
    return list(some)


# --- JSON ----------------------------------------------------------------------------------------

#: What a list of scopes can be, in JSON, and what only looks like one.
DOCUMENTS: Final[list[Any]] = [
    ["inquiry.read"], ["account.read", "inquiry.read"], [], ["account.read"], None,
    "inquiry.read", {"inquiry.read": 1}, [["inquiry.read"]], [{"inquiry.read": 1}], 1, True,
    ["inquiry.read", None], [1, 2.5, "inquiry.read"], ["inquiry.read", ["x"], {"y": "z"}],
    ["Inquiry.read"], ["inquiry.read "], ["inquiry.readx"], ["xinquiry.read"], ["inquiry"],
    ["inquiry%read"], ['"inquiry.read"'], ["inquiry.read", "\u202e", "é", "\\", '"', "/"],
    ["\u0131nquiry.read"], ["inquiry.read"] * 500,
    [*(f"x.y{n}" for n in range(500)), "inquiry.read"],
]  # fmt: skip

JSON_TYPES: Final[dict[str, TypeEngine[Any]]] = {
    "JsonValue": JsonValue(),
    "JSON": JSON(none_as_null=True),
    "JSONB": JSON(none_as_null=True).with_variant(pg.JSONB(none_as_null=True), "postgresql"),
}


class TestJson:
    """A row grants what its list has."""

    @pytest.mark.parametrize("name", JSON_TYPES)
    def test_every_document(self, hosted: Database, name: str) -> None:
        table = shares(JSON_TYPES[name])
        with created(hosted, table):
            hosted.execute(insert(table), [row(n, each) for n, each in enumerate(DOCUMENTS)])
            stored = hosted.execute(select(table)).all()
            assert [each.scopes for each in stored] == DOCUMENTS
            for scope in ("inquiry.read", "account.read", "x.y", "ill-formed", "", "inquiry"):
                allowed = [each.id for each in stored if decide_access(READER, scope, each)]
                assert found(hosted, table, readable(READER, scope, table)) == allowed
                assert allowed or "." not in scope or scope == "x.y"

    def test_our_own_table(self, hosted: Database) -> None:
        assert "connections.scopes" in str(
            readable(READER, "inquiry.read").compile(dialect=hosted.dialect)
        )

    def test_on_duckdb(self) -> None:
        table = shares(JsonValue())
        with duckdb.connect() as duck:
            duck.execute(
                "CREATE TABLE shares (id INTEGER, source_organization_id VARCHAR,"
                " destination_organization_id VARCHAR, status VARCHAR, scopes VARCHAR)"
            )
            texts = [each if each is None else json.dumps(each) for each in DOCUMENTS]
            texts += HOSTILE
            values = [list(row(n, each).values()) for n, each in enumerate(texts)]
            duck.executemany("INSERT INTO shares VALUES (?, ?, ?, ?, ?)", values)
            for scope in ("inquiry.read", "account.read", "a.b"):
                query = select(table.c.id).where(readable(READER, scope, table))
                some = {each[0] for each in duck.execute(in_duckdb(query)).fetchall()}
                negated = select(table.c.id).where(~readable(READER, scope, table))
                others = {each[0] for each in duck.execute(in_duckdb(negated)).fetchall()}
                assert some ^ others == set(range(len(texts)))
                allowed = {n for n, each in enumerate(texts) if allows(each, scope)}
                assert some <= allowed
                of_texts = {n for n in allowed if only_texts(texts[n]) and texts[n] != SURROGATE}
                assert some == of_texts

    def test_mysql(self) -> None:
        """It reads JSON as Python does, as far as we know, and has no possessive quantifiers."""
        query = readable(READER, "inquiry.read")
        written = {
            name: str(query.compile(dialect=URL.create(name).get_dialect()()))
            for name in ("mysql", "mariadb")
        }
        assert all("JSON_TABLE" in each for each in written.values())
        assert [name for name, each in written.items() if "REGEXP" in each] == ["mariadb"]

    def test_another_database(self) -> None:
        """It is refused when the query is made, and what would help is said."""
        with pytest.raises(CompileError, match="cannot be searched on mssql; pass granted="):
            readable(READER, "inquiry.read").compile(dialect=URL.create("mssql").get_dialect()())


def allows(stored: str | None, scope: str) -> bool:
    """Whether `decide_access` allows it, if the scopes are stored as this text."""
    value = StoredJson().process_result_value(stored, _Sqlite)  # type: ignore[arg-type]
    return decide_access(READER, scope, Scoped(value)).allowed


class _Sqlite:
    name = "sqlite"


class Scoped:
    """A row that differs by its scopes only."""

    source_organization_id = "org_A"
    destination_organization_id = "org_B"
    status = "active"

    def __init__(self, scopes: object) -> None:
        self.scopes = scopes


def only_texts(stored: str | None) -> bool:
    """Whether a list of JSON holds nothing else."""
    return all(isinstance(each, str) for each in json.loads(stored or "null"))


#: A list with half of a character, which DuckDB does not read.
SURROGATE: Final = '["a.b","\\ud800"]'
#: Texts that are no JSON, or that databases and Python may read differently.
HOSTILE: Final[list[str]] = [
    "", " ", "x", '["a.b"', '"a.b"]', '["a.b",]', '["a.b"],', "['a.b']", '["a.b",NaN]',
    '["a.b",Infinity]', '["a.b",-Infinity]', '["a.b","\t"]', '["a.b"]\x00', '["a.b"]\x00x',
    '\x00["a.b"]', '\ufeff["a.b"]', '["a.b",01]', '["a.b",1.]', '["a.b",.5]', '["a.b",0x1]',
    '["\\u0061.b"]', '["a\\u002eb"]', SURROGATE, '["a.b","\\x41"]', '["a.b"]//',
    '/**/["a.b"]', ' [ "a.b" ] ', '\u00a0["a.b"]', '["a.b"]\x0c', '["a.b\\u0000"]',
    '["a.b\\u0000x"]', '["a.b","x\\u0000"]', '["a.b","\\\\u0000"]', '["a.b",1e999]', '["a.b",-]',
    '["a.b" "c"]', '["A.B"]', '["a.b\\n"]', '["a.b",{"x":1,"x":2}]', '["a.b",{x:1}]',
    f'["a.b",{"1" * 5000}]', f'["a.b",{"[" * 3000}{"]" * 3000}]', f'["a.b",{"[" * 900}{"]" * 900}]',
    f'["a.b","{"x" * 5000}"]', f'["a.b",1,"{"x" * 5000}"]', '["a.b",1,"é"]', '["a\\.b"]',
    '["a.b","\\/"]', '["a.b","\\a"]', '["a.b",tru]', '["a.b",true]', "null", '{"a.b":["a.b"]}',
    '["a.b",1e]', '["a.b",1E+]', '["a.b",0e]', '["a.b",1.e5]', '["a.b",1-]', '["a.b",1.2.3]',
    '["a.b",TRUE]', '["a.b",truetrue]', '["a.b","\\u12"]', '["a.b","\\U0041"]', '["a.b","\\B"]',
    '["\\a.b"]', '["a.b",{"\\x":1}]', '["a.b","\x1f"]', '["a.b","\x7f"]', '["a.b "]',
    '["a.b\x00"]', '["a.b",1e5,-0.5E-3]', '["a.b",{},[]]',
]  # fmt: skip

TOKENS: Final = [
    "[", "]", '"a.b"', ",", '"', "{", "}", ":", "1", "-", ".", "e", "+", "0", "\\", "u0061",
    "null", "true", "NaN", "\t", "\x00", "\x01", " ", "'", "/", "*", "Infinity", "\x7f", "é",
    "\\u0000", "a.b",
]  # fmt: skip


#: What a list has that grants the scope, if the database may find nothing all the same: what SQLite
#: takes for the end of a text; half of a character, and what is too deep for MariaDB.
UNSEEN: Final = {"sqlite": "\\\\u0000", "mariadb": r"\\ud8|\[{31}"}


class TestTextThatMayBeJson:
    """SQLite and MariaDB keep JSON as text, and so a row may hold anything.

    On MariaDB its own check of the column takes for JSON what is none.
    """

    @staticmethod
    def check(hosted: Database, texts: Sequence[str]) -> None:
        """The filter finds no row that the policy refuses, and all of those with texts alone."""
        table, of_texts = shares(JsonValue()), shares(Text())
        with created(hosted, of_texts):
            hosted.execute(insert(of_texts), [row(n, each) for n, each in enumerate(texts)])
            some = set(found(hosted, table, readable(READER, "a.b", table)))
        allowed = {n for n, each in enumerate(texts) if allows(each, "a.b")}
        assert some <= allowed, [texts[n] for n in some - allowed]
        missed = [texts[n] for n in allowed - some]
        assert not [
            each
            for each in missed
            if not re.search(UNSEEN[hosted.dialect.name], each)
            and (only_texts(each) or len(each) <= 2000)
        ]

    @on_text
    def test_every_one(self, hosted: Database) -> None:
        assert sum(allows(each, "a.b") for each in HOSTILE) > 8
        self.check(hosted, HOSTILE)

    @on_text
    @given(st.lists(st.lists(st.sampled_from(TOKENS), max_size=6).map("".join), min_size=1))
    def test_any_text(self, hosted: Database, texts: list[str]) -> None:
        self.check(hosted, [f'["a.b"{each}]' for each in texts] + texts)

    def test_constants_that_json_lacks(self) -> None:
        """Python would read them; they are no JSON, so that the text stays a text."""
        for stored in ("NaN", '["a.b",NaN]', "-Infinity"):
            assert StoredJson().process_result_value(stored, _Sqlite) == stored  # type: ignore[arg-type]


@on_postgresql
def test_json_that_cannot_be_jsonb(hosted: Database) -> None:
    """PostgreSQL's `json` keeps texts that `jsonb` refuses; they fail no query."""
    texts = ['["a.b", "\\u0000"]', '["a.b", "\\ud800"]', '["a.b", 1e999999]', '["x", "a.b"]']
    table = shares(JSON())
    with hosted.begin() as transaction:
        table.create(hosted)
        for number, each in enumerate(texts):
            values = row(number, None) | {"scopes": text("CAST(:scopes AS json)")}
            statement = insert(table).values(values)
            hosted.execute(statement, {"scopes": each})
        assert found(hosted, table, readable(READER, "a.b", table)) == [0, 1, 2, 3]
        transaction.rollback()


# --- Arrays --------------------------------------------------------------------------------------


class TestArrays:
    """A column of PostgreSQL's that is an array."""

    @on_postgresql
    @pytest.mark.parametrize(
        ("type_", "names", "items"),
        [
            (Text(), None, ["inquiry.read", "account.read", "INQUIRY.READ", ""]),
            (pg.VARCHAR(30), {"inquiry.read": "READ"}, ["READ", "read", "inquiry.read"]),
            (Integer(), {"inquiry.read": 1}, [1, 2, 0]),
            (Enum(State), {"inquiry.read": State.RUNNING}, list(State)),
            (Enum(StateText, name="texts"), {"inquiry.read": "Running"}, list(StateText)),
        ],
        ids=["text", "varchar", "integer", "Enum", "StrEnum"],
    )
    @pytest.mark.parametrize("array", [ARRAY, pg.ARRAY])
    def test_items(
        self, hosted: Database, array: Any, type_: Any, names: Any, items: list[Any]
    ) -> None:
        rows = RowPolicy(scope_names=names)
        table = shares(array(type_))
        # SQLAlchemy 2.0.28 cannot read NULL among the members of an Enum.
        nothing = [] if isinstance(type_, Enum) else [None]
        lists = [[], None, nothing, *([each] for each in items), [*nothing, items[0]], items[::-1]]
        with hosted.begin() as transaction:
            table.create(hosted)
            hosted.execute(insert(table), [row(n, each) for n, each in enumerate(lists)])
            stored = hosted.execute(select(table)).all()
            for scope in ("inquiry.read", "account.read", "ill-formed"):
                allowed = [each.id for each in stored if rows.decide_access(READER, scope, each)]
                condition = readable(READER, scope, table, rows=rows)
                assert found(hosted, table, condition) == allowed
                assert allowed or scope != "inquiry.read"
            transaction.rollback()

    @on_postgresql
    def test_dimensions(self, hosted: Database) -> None:
        """A list of lists grants nothing; PostgreSQL keeps it in the same column."""
        table = shares(ARRAY(Text()))
        literals = ["{{a.b}}", "{{a.b,x},{y,z}}", "[0:1]={x,a.b}", "{a.b}", "{}"]
        with hosted.begin() as transaction:
            table.create(hosted)
            for number, each in enumerate(literals):
                values = row(number, None) | {"scopes": text("CAST(:scopes AS text[])")}
                hosted.execute(insert(table).values(values), {"scopes": each})
            stored = hosted.execute(select(table)).all()
            allowed = [each.id for each in stored if decide_access(READER, "a.b", each)]
            assert found(hosted, table, readable(READER, "a.b", table)) == allowed == [2, 3]
            transaction.rollback()

    def test_on_duckdb(self) -> None:
        table = shares(ARRAY(Text()))
        with duckdb.connect() as duck:
            duck.execute(
                "CREATE TABLE shares AS SELECT 1 AS id, 'org_A' AS source_organization_id, 'org_B'"
                " AS destination_organization_id, 'active' AS status, ['x', 'a.b'] AS scopes"
                " UNION ALL SELECT 2, 'org_A', 'org_B', 'active', ['x', NULL]"
                " UNION ALL SELECT 3, 'org_A', 'org_B', 'active', NULL"
            )
            query = select(table.c.id).where(readable(READER, "a.b", table))
            assert duck.execute(in_duckdb(query)).fetchall() == [(1,)]
            query = select(table.c.id).where(~readable(READER, "a.b", table)).order_by("id")
            assert duck.execute(in_duckdb(query)).fetchall() == [(2,), (3,)]

    def test_items_that_do_not_compare(self) -> None:
        with pytest.raises(TypeError, match=r"^on: shares.scopes is of the type .*compare it with"):
            readable(READER, "a.b", shares(ARRAY(Integer())))

    def test_items_that_cannot_be_it(self) -> None:
        condition = readable(READER, "a.b", shares(ARRAY(Enum("x.y", name="few"))))
        assert str(condition) == "false"


# --- Scopes that are kept otherwise --------------------------------------------------------------


class Host(DeclarativeBase):
    """The classes of a host."""

    type_annotation_map = {str: String(64)}  # noqa: RUF012  # SQLAlchemy's


class Permit(Host):
    """A scope of a partnership, in a table of its own."""

    __tablename__ = "permits"
    partnership_id: Mapped[int] = mapped_column(ForeignKey("partnerships.id"), primary_key=True)
    scope: Mapped[str] = mapped_column(primary_key=True)


class Partnership(Host):
    """A table of a host's own, with scopes in a child table, and once more as text."""

    __tablename__ = "partnerships"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    source_organization_id: Mapped[str]
    destination_organization_id: Mapped[str]
    status: Mapped[str | None]
    scope: Mapped[str | None]
    permits: Mapped[list[Permit]] = relationship()

    @property
    def in_child_table(self) -> list[str]:
        """The scopes of the child table."""
        return [each.scope for each in self.permits]

    @property
    def in_text(self) -> list[str]:
        """The scopes of the text."""
        return (self.scope or "").split()

    @hybrid_property
    def either(self) -> Any:
        """A text, which grants nothing."""
        return self.scope


def in_text(scope: str) -> ColumnElement[bool]:
    """Whether a text of scopes, separated by spaces, has this one."""
    wanted = literal(f" {scope} ")
    return (literal(" ") + Partnership.scope + literal(" ")).contains(wanted, autoescape=False)


class TestGranted:
    """The host says in SQL whether a row grants a scope."""

    def test_a_child_table_and_a_text(self, hosted: Database) -> None:
        lists = [[], ["inquiry.read"], ["account.read"], ["account.read", "inquiry.read"]]
        standings = [
            (source, destination, status, scopes)
            for source in ("org_A", "org_B")
            for destination in ("org_A", "org_B")
            for status in ("active", "pending", None)
            for scopes in lists
        ]
        with hosted.begin() as transaction, Session(hosted) as session:
            Host.metadata.create_all(hosted)
            for number, (source, destination, status, scopes) in enumerate(standings):
                made = Partnership(
                    id=number,
                    source_organization_id=source,
                    destination_organization_id=destination,
                    status=status,
                    scope=" ".join(scopes) or None,
                )
                made.permits = [Permit(scope=each) for each in scopes]
                session.add(made)
            session.flush()
            everything = session.scalars(select(Partnership)).all()
            for attribute, scope, granted in (
                ("in_child_table", "inquiry.read", Partnership.permits.any(scope="inquiry.read")),
                ("in_text", "inquiry.read", in_text("inquiry.read")),
                ("in_text", "ill-formed", in_text("ill-formed")),
            ):
                rows = RowPolicy(scopes=attribute)
                condition = readable(READER, scope, Partnership, rows=rows, granted=granted)
                some = session.scalars(select(Partnership).where(condition)).all()
                others = session.scalars(select(Partnership).where(~condition)).all()
                allowed = [each for each in everything if rows.decide_access(READER, scope, each)]
                assert some == allowed
                assert len(others) == len(everything) - len(allowed)
                assert bool(allowed) is (scope == "inquiry.read")
            transaction.rollback()

    def test_null_grants_nothing(self, hosted: Database) -> None:
        table = shares(Text())
        with created(hosted, table):
            hosted.execute(insert(table), [row(1, None), row(2, "a.b")])
            condition = readable(READER, "a.b", table, granted=table.c.scopes == "a.b")
            assert found(hosted, table, condition) == [2]

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            (
                "scope",
                r"^on: .*scope is of the type String\(length=64\), which is neither JSON nor an",
            ),
            ("either", "neither JSON nor an ARRAY; pass granted="),
            ("in_text", "^on: in_text is a property of .*Partnership.*, which SQL cannot compare"),
            ("permits", "permits is a relationship of .*Partnership.*, which SQL cannot compare"),
        ],
    )
    def test_what_cannot_be_searched(self, name: str, message: str) -> None:
        with pytest.raises(TypeError, match=message):
            readable(READER, "a.b", Partnership, rows=RowPolicy(scopes=name))

    def test_spellings_that_are_no_texts(self) -> None:
        for names in ({"a.b": 1}, {"a.b": State.RUNNING}):
            with pytest.raises(
                TypeError, match=r"its scopes are spelled as .*; spell them as texts"
            ):
                readable(READER, "a.b", rows=RowPolicy(scope_names=names))

    @pytest.mark.parametrize("granted", ["scope = 'a.b'", True, Select, object()])
    def test_what_is_no_condition(self, granted: Any) -> None:
        with pytest.raises(TypeError, match=r"^granted: expected a condition of SQLAlchemy's, got"):
            readable(READER, "a.b", granted=granted)

    def test_a_column_that_is_missing(self) -> None:
        with pytest.raises(KeyError, match="grants"):
            readable(READER, "a.b", connections, rows=RowPolicy(scopes="grants"))
