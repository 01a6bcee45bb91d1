"""A million rows, every action: filters and decisions on DuckDB and Spark, against `decide_many`.

What is expected lies in the same file of Parquet, a column beside each row, and the engine counts
the rows on which its own answer differs. `decide_many` itself is tested against `decide`.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hostile_rows import IDS, STATUSES, actor_of, is_named
from pyarrow import compute, parquet
from sqlalchemy import Boolean, Column, MetaData, Table, Text, func, or_, select

from connect_core import Action, Status
from connect_core.adapters.arrow import decide_many
from connect_core.adapters.sql import actionable, decision_columns, sql_text, visible

pytestmark = pytest.mark.stress
arrow: Any = pa  # its stubs describe only some of what is made here
pc: Any = compute
files: Any = parquet

MILLION = 1_000_000
CALLER = "org_A"
#: Of the ids, a third are ours, and more than half of the statuses are known: so that everything
#: occurs often.
_IDS = [*IDS, *[CALLER] * 30, *(f"org_{number}" for number in range(50))]
_STATUSES = [*filter(is_named, STATUSES), *[*map(str, Status)] * 10]
_TEXTS = ("target", "denial", "explanation", "advice")

ROWS = Table(
    "rows",
    MetaData(),
    Column("source_organization_id", Text),
    Column("destination_organization_id", Text),
    Column("status", Text),
    Column("visible", Boolean),
    *(Column(f"{action}_allowed", Boolean) for action in Action),
    *(Column(f"{action}_{text}", Text) for action in Action for text in _TEXTS),
)


def million_rows() -> Any:
    """The rows, which have every combination, and what is expected of each."""
    numbers = arrow.array(range(MILLION), arrow.int64())

    def column(values: list[str | None], step: int) -> Any:
        places = pc.divide(numbers, step)
        count = len(values)
        places = pc.subtract(places, pc.multiply(pc.divide(places, count), count))
        return arrow.array(values, arrow.string()).take(places)

    table = arrow.table(
        {
            "source_organization_id": column(_IDS, 1),
            "destination_organization_id": column(_IDS, len(_IDS)),
            "status": column(_STATUSES, len(_IDS) ** 2),
        }
    )
    ours = [
        pc.fill_null(pc.equal(table[f"{role}_organization_id"], CALLER), False)
        for role in ("source", "destination")
    ]
    table = table.append_column("visible", pc.or_(*ours))
    for action in Action:
        decisions = decide_many(actor_of(CALLER), action, table)
        table = table.append_column(f"{action}_allowed", decisions.allowed)
        for text in _TEXTS:
            plain: Any = decisions.column(text)  # type: ignore[arg-type]
            table = table.append_column(f"{action}_{text}", plain.cast(arrow.string()))
    return table


#: Runs a query for its one number.
Count = Callable[[Any], int]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file."""
    found = tmp_path_factory.mktemp("million") / "rows.parquet"
    table = million_rows()
    assert table.num_rows == MILLION > len(_IDS) ** 2 * len(_STATUSES) > MILLION // 5
    assert len(pc.unique(table["deactivate_explanation"])) > len(set(_STATUSES))
    assert 50_000 < pc.sum(table["activate_allowed"]).as_py() < MILLION // 10
    files.write_table(table, found)
    return found


@pytest.fixture(params=["duckdb", "spark"])
def count(request: pytest.FixtureRequest, path: Path) -> Iterator[Count]:
    """DuckDB and Spark on the file."""
    if request.param == "spark":
        spark: Any = request.getfixturevalue("spark")
        spark.read.parquet(str(path)).createOrReplaceTempView("rows")

        def in_spark(query: Any) -> int:
            (row,) = spark.sql(sql_text(query, "spark")).collect()
            number: int = row[0]
            return number

        yield in_spark
        return
    with duckdb.connect() as duck:
        duck.read_parquet(str(path)).create_view("rows")

        def in_duckdb(query: Any) -> int:
            (row,) = duck.execute(sql_text(query, "duckdb")).fetchall()
            number: int = row[0]
            return number

        yield in_duckdb


def different(action: Action, expected: Action) -> Any:
    """How many rows there are on which an action is not answered as expected of this one."""
    actor, answers = actor_of(CALLER), ROWS.c
    found = decision_columns(actor, action, ROWS)
    return (
        select(func.count())
        .select_from(ROWS)
        .where(
            or_(
                actionable(actor, action, ROWS).is_distinct_from(answers[f"{expected}_allowed"]),
                *(
                    getattr(found, text).is_distinct_from(answers[f"{expected}_{text}"])
                    for text in _TEXTS
                ),
            )
        )
    )


class TestMillionRows:
    """No row is answered otherwise."""

    @pytest.mark.parametrize("action", Action)
    def test_decisions(self, count: Count, action: Action) -> None:
        assert count(select(func.count()).select_from(ROWS)) == MILLION
        assert count(different(action, action)) == 0

    def test_visible(self, count: Count) -> None:
        condition = visible(CALLER, ROWS).is_distinct_from(ROWS.c.visible)
        assert count(select(func.count()).select_from(ROWS).where(condition)) == 0

    def test_a_difference_is_counted(self, count: Count) -> None:
        """Another action is answered otherwise, wherever we are a party."""
        parties = count(select(func.count()).select_from(ROWS).where(ROWS.c.visible))
        found = count(different(Action.ACTIVATE, Action.REACTIVATE))
        assert MILLION // 3 < found <= parties
