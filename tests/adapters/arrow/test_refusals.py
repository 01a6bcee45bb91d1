"""Whatever would look like an empty result, and is a mistake, is refused."""

from enum import Enum
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
from arrow_tables import NUMBERS, OURS, OURSELVES, User, arrow, table_of

from connect_core import Actor, RowPolicy, Status
from connect_core.adapters.arrow import decide_access_many, decide_many


class Stage(Enum):
    """Statuses that a host spells as members that are no text."""

    OFFERED = "offered"
    LIVE = "live"
    ENDED = "ended"


STAGES = RowPolicy(
    statuses=dict(zip(Status, Stage, strict=True)), scope_names={"inquiry.read": Stage.LIVE}
)
_RENAMED = r"Say which one it is, in rows=RowPolicy\(source=\.\.\.\)"


class TestRefusals:
    """Whatever would look like "no row is allowed", and is a mistake."""

    @pytest.mark.parametrize(
        ("actor", "message"),
        [
            (
                None,
                r"^actor is None \(NoneType\); it must be an Actor, or an object with an organizat",
            ),
            (Actor, "^actor is .*; it must be an Actor, or an object with an organization_id$"),
            (User(None), "^actor acts for no organization: its organization_id is None$"),
            (User(True), "text, an integer or a UUID; got builtins.bool"),
            (User(1.5), "text, an integer or a UUID; got builtins.float"),
        ],
    )
    def test_actors(self, actor: Any, message: str) -> None:
        with pytest.raises(TypeError, match=message):
            decide_many(actor, "activate", table_of())

    @pytest.mark.parametrize(
        ("ours", "ids", "message"),
        [
            ("7", [7], "'source_organization_id' is of the type int64, which holds no text, and"),
            (7, ["7"], "type string, which holds no integers, .* is an integer; cast the column"),
            (OURS, [str(OURS)], "type string, which holds no UUIDs, .* is a UUID; cast the col"),
            (str(OURS), arrow.array([OURS.bytes], arrow.uuid()), "arrow.uuid>, which holds no te"),
            (OURS, arrow.array([b"short"], arrow.binary(5)), r"binary\[5\], which holds no UUIDs"),
            (7, [7.0], "type double, which holds no integers"),
            (1, [True], "type bool, which holds no integers"),
            ("org_A", arrow.array([b"org_A"]), "type binary, which holds no text"),
            ("7", arrow.array([7]).dictionary_encode(), "indices=int32, .* which holds no text"),
            ("org_A", [["org_A"]], "list<.*>, which holds no text"),
        ],
    )
    def test_ids_of_another_kind(self, ours: object, ids: Any, message: str) -> None:
        with pytest.raises(TypeError, match=message):
            decide_many(User(ours), "activate", table_of(source=ids))

    @pytest.mark.parametrize(
        ("statuses", "rows", "message"),
        [
            ([1], RowPolicy(), "type int64, which holds none of 'pending', 'active', 'inactive'"),
            (["1"], NUMBERS, r"holds none of 1, 2, 3; say how .*\(statuses=\{Status\.PENDING:"),
            ([1.0], NUMBERS, "type double, which holds none of 1, 2, 3"),
            (arrow.array([b"active"]), RowPolicy(), "type binary, which holds none of 'pending'"),
            (["live"], STAGES, "pending is spelled <Stage.OFFERED: 'offered'>, which no column"),
        ],
    )
    def test_statuses(self, statuses: Any, rows: RowPolicy, message: str) -> None:
        with pytest.raises(TypeError, match=message):
            decide_many(OURSELVES, "activate", table_of(status=statuses), rows=rows)

    @pytest.mark.parametrize(
        ("scopes", "rows", "message"),
        [
            (["inquiry.read"], RowPolicy(), "'scopes' is of the type string, which is no list of"),
            ([[5]], RowPolicy(), "list<.*>, which is no list of text; cast it to one"),
            ([["1"]], RowPolicy(scope_names={"inquiry.read": 1}), "is no list of integers"),
            (
                [["live"]],
                RowPolicy(scope_names={"inquiry.read": Stage.LIVE}),
                "inquiry.read is spelled <Stage.LIVE: 'live'>, .* whose scope_names are spelled",
            ),
        ],
    )
    def test_scopes(self, scopes: Any, rows: RowPolicy, message: str) -> None:
        table = table_of(scopes=scopes)
        with pytest.raises(TypeError, match=message):
            decide_access_many(OURSELVES, "inquiry.read", table, rows=rows)

    def test_columns(self) -> None:
        table = table_of()
        with pytest.raises(LookupError, match=rf"there is no column 'giver'; .* {_RENAMED}"):
            decide_many(OURSELVES, "activate", table, rows=RowPolicy(source="giver"))
        with pytest.raises(LookupError, match=r"columns are none\. Say which"):
            decide_many(OURSELVES, "activate", arrow.table({}))
        twice = table.append_column("source_organization_id", table.column(0))
        with pytest.raises(LookupError, match="more than one column 'source_organization_id'"):
            decide_many(OURSELVES, "activate", twice)
        with pytest.raises(LookupError, match="there is no column 'scopes'"):
            decide_access_many(OURSELVES, "inquiry.read", table)

    @pytest.mark.parametrize(
        "table", [None, 5, {"status": ["active"]}, [SimpleNamespace()], pa.Table]
    )
    def test_no_tables(self, table: Any) -> None:
        with pytest.raises(TypeError, match="table: expected a table of PyArrow, Polars, pandas"):
            decide_many(OURSELVES, "activate", table)

    def test_a_column_is_no_table(self) -> None:
        given: Any = arrow.chunked_array([["active"]])
        with pytest.raises(TypeError, match=r"expected a table with columns, got pyarrow\.lib"):
            decide_many(OURSELVES, "activate", given)

    def test_actions(self) -> None:
        with pytest.raises(ValueError, match="'expire' is not a valid Action"):
            decide_many(OURSELVES, "expire", table_of())

    def test_rows(self) -> None:
        rows: Any = {"source": "giver"}
        with pytest.raises(TypeError, match=r"^rows is .* \(dict\); it must be a RowPolicy$"):
            decide_many(OURSELVES, "activate", table_of(), rows=rows)
        with pytest.raises(TypeError, match=r"^rows is .* \(dict\); it must be a RowPolicy$"):
            decide_access_many(OURSELVES, "inquiry.read", table_of(), rows=rows)
