"""`sql_text`: every value in the text is read as it was given."""

import re
from typing import Any
from uuid import UUID

import duckdb
import pytest
from hostile_rows import IDS, SHARES, STATUSES
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import (
    ARRAY,
    Column,
    ColumnElement,
    LargeBinary,
    MetaData,
    PickleType,
    String,
    Table,
    Uuid,
    cast,
    literal,
    null,
    select,
    true,
)
from sqlalchemy.exc import CompileError
from support import OUR_KEY

from connect_core import Actor
from connect_core.adapters.sql import actionable, readable, sql_text, tables_for

#: What Spark is given for a text, and may only contain what it reads in one way.
SPARK_LITERAL = re.compile(r"'[^'\\]*'|CHR\(\d+\)")


def read_by_spark(written: str) -> str:
    """The text that Spark reads in a literal of ours, by its grammar."""
    parts = SPARK_LITERAL.findall(written)
    joined = ", ".join(parts)
    assert written in (joined, f"CONCAT({joined})")
    assert "${" not in written
    return "".join(chr(int(each[4:-1])) if each.startswith("CHR") else each[1:-1] for each in parts)


class TestValues:
    """Text in, the same text out."""

    @pytest.mark.parametrize(
        ("text", "written"),
        [
            ("org_A", "'org_A'"),
            ("", "''"),
            ("it's", "CONCAT('it', CHR(39), 's')"),
            ("'", "CHR(39)"),
            ("''", "CONCAT(CHR(39), CHR(39))"),
            ("a\\", "CONCAT('a', CHR(92))"),
            ("\\'", "CONCAT(CHR(92), CHR(39))"),
            ("${env:HOME}", "CONCAT(CHR(36), '{env:HOME}')"),
            ("$1 {", "'$1 {'"),
            ('a"b`c;--', "'a\"b`c;--'"),
            ("é\n%", "'é\n%'"),
        ],
    )
    def test_spark(self, text: str, written: str) -> None:
        assert sql_text(literal(text), "spark") == written

    @given(st.text(st.sampled_from("a'\\${}\"") | st.characters(codec="utf-8")))
    def test_any_text_for_spark(self, text: str) -> None:
        assert read_by_spark(sql_text(literal(text), "spark")) == text

    @given(st.text(st.characters(codec="utf-8", exclude_characters="\x00")))
    def test_any_text_for_duckdb(self, text: str) -> None:
        assert duckdb_reads(literal(text)) == text

    @pytest.mark.parametrize("text", [*filter(None, IDS), *filter(None, STATUSES)])
    def test_hostile_text(self, text: str) -> None:
        assert duckdb_reads(literal(text)) == text
        assert read_by_spark(sql_text(literal(text), "spark")) == text

    @pytest.mark.parametrize("engine", ["duckdb", "spark"])
    def test_values_that_are_no_text(self, engine: Any) -> None:
        assert sql_text(literal(2**40), engine) == "1099511627776"
        assert sql_text(true(), engine) == "true"
        actor = Actor.model_construct(id="usr_1", organization_id="org_A")
        assert sql_text(readable(actor, "ill-formed"), engine) == "false"

    def test_bytes(self) -> None:
        value = literal(b"\x00\\xff'\xff", LargeBinary())
        assert duckdb_reads(value) == b"\x00\\xff'\xff"
        assert sql_text(value, "spark") == "X'005c786666 27ff'".replace(" ", "")

    def test_a_value_that_cannot_be_written(self) -> None:
        with pytest.raises(CompileError):
            sql_text(literal([1], PickleType()), "spark")

    def test_uuids(self) -> None:
        value = UUID(int=17)
        assert sql_text(literal(value, Uuid()), "spark") == f"'{value}'"
        assert duckdb_reads(literal(value, Uuid())) == str(value)


def duckdb_reads(value: ColumnElement[Any]) -> object:
    """What DuckDB reads."""
    with duckdb.connect() as duck:
        (row,) = duck.execute(sql_text(select(value), "duckdb")).fetchall()
        return row[0]


class TestNames:
    """Names are quoted as the engine does."""

    @pytest.mark.parametrize(("engine", "mark"), [("duckdb", '"'), ("spark", "`")])
    def test_columns_and_tables(self, engine: Any, mark: str) -> None:
        table = Table("Shares", MetaData(), Column("select", String), Column('a`"b', String))
        text = sql_text(select(table), engine)
        inside = 'a`"b'.replace(mark, mark * 2)
        name = f"{mark}Shares{mark}"
        columns = f"{name}.{mark}select{mark}, {name}.{mark}{inside}{mark}"
        assert text.replace(" \n", " ") == f"SELECT {columns} FROM {name}"  # noqa: S608  # not run

    def test_a_schema(self) -> None:
        tables = tables_for(MetaData(), schema="lake", prefix="raw_")
        text = sql_text(select(tables.connections.c.id), "spark")
        assert text == "SELECT lake.raw_connections.id \nFROM lake.raw_connections"


class TestStatements:
    """Whole filters, as text."""

    def test_a_filter(self) -> None:
        """It has what every engine has, and the same for both."""
        written = {engine: sql_text(actionable(OUR_KEY, "activate"), engine) for engine in ENGINES}
        assert len(set(written.values())) == 1
        assert "'org_ABC123'" in written["spark"]

    def test_text_of_any_length_in_spark(self) -> None:
        assert sql_text(cast(null(), String()), "spark") == "CAST(NULL AS STRING)"
        assert sql_text(cast(SHARES.c.id, String()), "duckdb") == "CAST(shares.id AS VARCHAR)"

    def test_scopes_in_spark(self) -> None:
        """JSON is a list of texts and nothing else before Spark reads it."""
        text = sql_text(readable(OUR_KEY, "inquiry.read"), "spark")
        found = re.search(
            r"CASE WHEN connections\.scopes RLIKE (.*) THEN coalesce\(array_contains\(from_json\("
            r"connections\.scopes, 'array<string>'\), 'inquiry\.read'\), false\) ELSE false END",
            text,
        )
        assert found is not None
        pattern = read_by_spark(found.group(1)).replace(r"\z", r"\Z")  # as Python writes it
        for each in (
            '["a"]',
            ' [ "a" ,\n"b" ] ',
            '["a\\n\\u0041\\u00e9"]',
            '["é"]',
            '["a","","b"]',
        ):
            assert re.search(pattern, each), each
        for each in (
            "", "null", '"a"', "[]", '["a",]', '[,"a"]', '["a"]x', 'x["a"]', '["a"]\n]', '["a",1]',
            '[["a"]]', '["a" "b"]', "['a']", '["a\\x"]', '["a\\ud800"]', '["a\\uDBFF"]', '["a\n"]',
        ):  # fmt: skip
            assert not re.search(pattern, each), each

    def test_arrays_in_spark(self) -> None:
        table = Table(
            "shares",
            MetaData(),
            *(Column(f"{role}_organization_id", String) for role in ("source", "destination")),
            Column("status", String),
            Column("scopes", ARRAY(String)),
        )
        text = sql_text(readable(OUR_KEY, "inquiry.read", table), "spark")
        assert text.endswith("coalesce(array_contains(shares.scopes, 'inquiry.read'), false)")

    @pytest.mark.parametrize("engine", ["", "Spark", "sqlite", None])
    def test_another_engine(self, engine: Any) -> None:
        with pytest.raises(ValueError, match=r"^engine: expected one of duckdb, spark; got"):
            sql_text(select(1), engine)


ENGINES: list[Any] = ["duckdb", "spark"]
