"""Spark itself: filters, decisions and the audit answer as the policy does, on hostile rows."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from audited import (
    COPIES,
    PARTIES,
    STEPS,
    TAMPERED,
    TO_ITSELF,
    A,
    Event,
    Party,
    as_text,
    every_step,
    on_every_step,
)
from hostile_rows import (
    CALLERS,
    EVERY,
    EVERY_QUESTION,
    IDS,
    SHARES,
    STATUSES,
    actor_of,
    all_expected,
    answers,
    columns_of,
)
from pyarrow import parquet
from sqlalchemy import ARRAY, Column, Integer, MetaData, Select, Table, Text, literal, select

from connect_core import Action, RowPolicy, decide_access, roles_of
from connect_core.adapters.sql import (
    JsonValue,
    decision_columns,
    impossible_events,
    readable,
    sql_text,
    visible,
)

pytestmark = pytest.mark.stress
arrow: Any = pa  # its stubs describe only some of what is made here
files: Any = parquet


def register(spark: Any, directory: Path, name: str, columns: dict[str, Any]) -> None:
    """A table of Spark's, from a file of Parquet."""
    path = directory / f"{name}.parquet"
    files.write_table(arrow.table(columns), path)
    spark.read.parquet(str(path)).createOrReplaceTempView(name)


def run(spark: Any, query: Any) -> list[tuple[Any, ...]]:
    """What Spark answers to the text of a query."""
    return [tuple(row) for row in spark.sql(sql_text(query, "spark")).collect()]


# --- Decisions -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def every(spark: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Every hostile row."""
    types = [arrow.int32(), *[arrow.string()] * 3]
    columns = {
        column.name: arrow.array(values, type_)
        for column, values, type_ in zip(SHARES.c, columns_of(EVERY), types, strict=True)
    }
    register(spark, tmp_path_factory.mktemp("every"), "shares", columns)
    return spark


class TestDecisions:
    """`can` and `decide`, row by row."""

    @pytest.mark.parametrize(("caller", "action"), EVERY_QUESTION)
    def test_every_combination(self, every: Any, caller: str, action: Action) -> None:
        def ask(query: Select[Any]) -> Iterable[Any]:
            return run(every, query)

        assert answers(ask, caller, action) == all_expected(EVERY, caller, action)

    def test_visible(self, every: Any) -> None:
        columns = [
            visible(caller, SHARES).label(f"seen_{number}") for number, caller in enumerate(CALLERS)
        ]
        found = sorted(run(every, select(SHARES.c.id, *columns)))
        assert found == [
            (row.id, *(bool(roles_of(actor_of(caller), row)) for caller in CALLERS))
            for row in EVERY
        ]

    def test_words_of_a_host(self, every: Any) -> None:
        """Spellings, too, may have what Spark reads otherwise."""
        rows = RowPolicy(statuses={"pending": "it's", "active": "a\\b", "inactive": "${env:HOME}"})
        decision = decision_columns(actor_of("org_A"), "deactivate", SHARES, rows=rows)
        found = sorted(run(every, select(SHARES.c.id, decision.denial, decision.target)))
        decisions = [rows.decide(actor_of("org_A"), "deactivate", row) for row in EVERY]
        assert found == [
            (row.id, each.denial, each.target) for row, each in zip(EVERY, decisions, strict=True)
        ]
        assert sum(map(bool, decisions)) == 8

    @pytest.mark.parametrize("setting", ["true", "false"])
    def test_texts_whatever_the_settings_are(self, spark: Any, setting: str) -> None:
        """A text is what it was, also where a backslash is no escape."""
        texts = [*filter(None, IDS), *filter(None, STATUSES), "\\n", "\\\\", "\\'", "''", "\\u0041"]
        name = "spark.sql.parser.escapedStringLiterals"
        spark.conf.set(name, setting)
        try:
            labels = [literal(text).label(f"t{number}") for number, text in enumerate(texts)]
            (row,) = run(spark, select(*labels))
        finally:
            spark.conf.unset(name)
        assert list(row) == texts


# --- Scopes --------------------------------------------------------------------------------------

#: Scopes as JSON, and what only looks like it.
DOCUMENTS: list[str | None] = [
    None, '["a.b"]', '["c.d", "a.b"]', '[ "a.b" ]', '\n["a.b"\t,\r"c.d"]', '["\\u0061.b"]', "[]",
    '["c.d"]',
    '"a.b"', '{"a.b": 1}', '[["a.b"]]', '[{"a.b": 1}]', "1", "true", "null", "", " ", "x", '["a.b"',
    '"a.b"]', '["a.b",]', '[,"a.b"]', '["a.b"],', '["a.b"]x', '["a.b"]["a.b"]', "['a.b']", "[a.b]",
    '["a.b",NaN]', '["a.b",1]', '["a.b",null]', '["a.b",01]', '["a.b" "c.d"]', '["A.B"]',
    '["a.b "]',
    '["a.b\\n"]', '["a.b","\t"]', '["a.b","\x01"]', '\ufeff["a.b"]', '\u00a0["a.b"]', '["a.b"]\n',
    '["a.b"]//', '/**/["a.b"]', '["a.b","\\ud800"]', '["\\ud800"]', '["?"]', '["a.b","\\x41"]',
    '["a.b","é"]', '["a.b","\\/"]', '["a.b\\u0000"]', '["a\\.b"]', '["a.b", "\\"]',
    '["a.b", "\\\\"]',
    '["\\"a.b\\""]', '[", ", "x"]',
]  # fmt: skip
LONG = [
    ["a.b"] * 100_000,
    ["\n" * 200_000, "a.b"],
    ["x" * 2_000_000, "a.b"],
    [f"x.y{number}" for number in range(100_000)],
]


def scoped(scopes: Any) -> Table:
    """A table of Connections whose scopes have this type."""
    columns = [Column(f"{role}_organization_id", Text) for role in ("source", "destination")]
    columns += [Column("status", Text), Column("scopes", scopes)]
    return Table("scoped", MetaData(), Column("id", Integer), *columns)


class Scoped:
    """A row that differs by its scopes only."""

    source_organization_id = "org_A"
    destination_organization_id = "org_B"
    status = "active"

    def __init__(self, scopes: Any) -> None:
        self.scopes = scopes


def parsed(text: str | None) -> Any:
    """What Python reads; nothing in what is not JSON."""
    try:
        return None if text is None else json.loads(text)
    except ValueError:
        return None


class TestScopes:
    """`readable` finds no row that `decide_access` refuses."""

    @staticmethod
    def found(spark: Any, directory: Path, table: Table, scopes: Any, scope: str) -> set[int]:
        count = len(scopes)
        columns = {
            "id": arrow.array(range(count), arrow.int32()),
            "source_organization_id": ["org_A"] * count,
            "destination_organization_id": ["org_B"] * count,
            "status": ["active"] * count,
            "scopes": scopes,
        }
        register(spark, directory, "scoped", columns)
        condition = readable(actor_of("org_B"), scope, table)
        some = {row[0] for row in run(spark, select(table.c.id).where(condition))}
        others = {row[0] for row in run(spark, select(table.c.id).where(~condition))}
        assert some ^ others == set(range(count))
        assert not some & others
        return some

    @pytest.mark.parametrize("scope", ["a.b", "c.d"])
    def test_json(self, spark: Any, tmp_path: Path, scope: str) -> None:
        """All lists of texts are found but those with half of a character."""
        texts = [*DOCUMENTS, *map(json.dumps, LONG)]
        table = scoped(JsonValue())
        found = self.found(spark, tmp_path, table, arrow.array(texts, arrow.string()), scope)
        values = [parsed(text) for text in texts]
        allowed = {
            number
            for number, value in enumerate(values)
            if decide_access(actor_of("org_B"), scope, Scoped(value))
        }
        assert found <= allowed
        of_texts = {
            number
            for number in allowed
            if all(isinstance(each, str) for each in values[number])
            and "\\ud800" not in (texts[number] or "")
        }
        assert found == of_texts
        assert len(found) > (8 if scope == "a.b" else 2)

    def test_a_replacement_is_no_scope(self, spark: Any, tmp_path: Path) -> None:
        """Spark reads half of a character as a question mark, which a scope of a host may be."""
        rows = RowPolicy(scope_names={"a.b": "?"})
        texts = arrow.array(['["\\ud800"]', '["?"]', '["\\ud83d\\ude00"]'], arrow.string())
        table = scoped(JsonValue())
        assert self.found(spark, tmp_path, table, texts, "x.y") == set()
        condition = readable(actor_of("org_B"), "a.b", table, rows=rows)
        assert run(spark, select(table.c.id).where(condition)) == [(1,)]

    def test_arrays(self, spark: Any, tmp_path: Path) -> None:
        lists = [
            ["a.b"],
            ["c.d", "a.b"],
            [],
            None,
            [None],
            [None, "a.b"],
            ["A.B"],
            ["a.b "],
            ["c.d"],
        ]
        stored = arrow.array(lists, arrow.list_(arrow.string()))
        table = scoped(ARRAY(Text()))
        for scope in ("a.b", "c.d", "ill-formed"):
            allowed = {
                number
                for number, value in enumerate(lists)
                if decide_access(actor_of("org_B"), scope, Scoped(value))
            }
            assert self.found(spark, tmp_path, table, stored, scope) == allowed


# --- The audit -----------------------------------------------------------------------------------


class TestAudit:
    """`impossible_events`, as elsewhere."""

    @staticmethod
    def found(
        spark: Any, directory: Path, parties: Sequence[Party], events: Sequence[Event]
    ) -> list[tuple[Any, ...]]:
        for name, rows, names in (
            ("connections", parties, PARTIES),
            ("connection_events", [as_text(event) for event in events], STEPS),
        ):
            types = {"version": arrow.int32()}
            values = zip(*rows, strict=True)
            columns = {
                name: arrow.array(list(column), types.get(name, arrow.string()))
                for name, column in zip(names, values, strict=True)
            }
            register(spark, directory, name, columns)
        return run(spark, impossible_events(COPIES))

    def test_every_step(self, spark: Any, tmp_path: Path) -> None:
        parties, events, findings = every_step()
        found = self.found(spark, tmp_path, parties, events)
        assert on_every_step(found, events) == findings

    def test_tampering(self, spark: Any, tmp_path: Path) -> None:
        """All kinds at once, each in a history of its own."""
        parties: list[Party] = []
        events: list[Event] = []
        expected: list[tuple[str, int | None, str]] = []
        for number, (name, (history, findings)) in enumerate(TAMPERED.items()):
            if history[0].connection_id != "cxn_A":  # the event of no Connection
                events += [event._replace(action=name) for event in history]
                expected += [
                    (str(event.connection_id), 1, "unknown_connection") for event in history
                ]
                continue
            connection_id = f"cxn_{number}"
            parties.append(A._replace(id=connection_id))
            events += [event._replace(connection_id=connection_id) for event in history]
            expected += [(connection_id, version, finding) for version, finding in findings]
        found = self.found(spark, tmp_path, parties, events)
        assert sorted((str(row[0]), *row[1:]) for row in found if row[1] is not None) == sorted(
            each for each in expected if each[1] is not None
        )
        assert len(found) == len(expected)

    def test_both_roles(self, spark: Any, tmp_path: Path) -> None:
        alone = A._replace(destination_organization_id="org_A")
        assert self.found(spark, tmp_path, [alone], TO_ITSELF) == []
