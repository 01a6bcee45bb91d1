"""Decisions on many rows, compared with the decision on each: the same, whatever the rows are.

Tables of hostile rows are stored in every type that fits, in chunks and slices of chunks, and each
answer must be the one that a `RowPolicy` gives about the row alone.
"""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest
from arrow_tables import (
    CUTS,
    KINDS,
    NAMES,
    OURSELVES,
    POLICIES,
    TEXTS,
    Foreign,
    Kind,
    User,
    arrow,
    check,
    column,
    pairs,
    plain,
    sliced,
    table_of,
    tables,
)
from hypothesis import given
from hypothesis import strategies as st
from support import OUR_KEY, Row

from connect_core import Action, Decision, decide, decide_access
from connect_core.adapters.arrow import decide_access_many, decide_many

_kinds_and_types = [
    pytest.param(kind, type_, id=f"{name}-{type_}")
    for name, kind in KINDS.items()
    for type_ in kind.types
]


class TestActions:
    """`decide_many` answers as `RowPolicy.decide` does, row by row."""

    @pytest.mark.parametrize(("kind", "type_"), _kinds_and_types)
    @given(data=st.data())
    def test_any_rows(self, kind: Kind, type_: Any, data: st.DataObject) -> None:
        policy = data.draw(st.sampled_from([*POLICIES]))
        action = data.draw(st.sampled_from(Action))
        table, rows, each = data.draw(tables(kind, policy, type_))
        actor = User(kind.ours)
        decisions = decide_many(actor, action, table, rows=rows)
        check(decisions, [rows.decide(actor, action, row) for row in each])

    @pytest.mark.parametrize("action", Action)
    @pytest.mark.parametrize("policy", POLICIES)
    def test_every_combination(self, policy: str, action: Action) -> None:
        rows, statuses, (type_, *_) = POLICIES[policy]
        values = [
            (source, destination, status)
            for source in NAMES
            for destination in NAMES
            for status in statuses
        ]
        sources, destinations, states = zip(*values, strict=True)
        names = rows.source, rows.destination, rows.status
        table = arrow.table([sources, destinations, plain(states, type_)], names=names)
        each = [SimpleNamespace(**dict(zip(names, row, strict=True))) for row in values]
        check(
            decide_many(OURSELVES, action.value, table, rows=rows),
            [rows.decide(OURSELVES, action, row) for row in each],
        )

    def test_our_own_rows(self) -> None:
        """Equal questions get the same object."""
        row = Row(OUR_KEY.organization_id, "org_B", "active")
        table = arrow.table({name: [value] * 3 for name, value in vars(row).items()})
        for decision in decide_many(OUR_KEY, "deactivate", table):
            assert decision is decide(OUR_KEY, "deactivate", row)

    def test_an_unknown_status_is_named(self) -> None:
        decisions = decide_many(OURSELVES, "activate", table_of(2, status=["archived"] * 2))
        assert "'archived'" in decisions[1].explanation

    def test_text_that_is_not_utf_8(self) -> None:
        """It is an unknown status, and no id."""
        offsets = arrow.py_buffer(b"\0\0\0\0\1\0\0\0")
        text = arrow.Array.from_buffers(
            arrow.string(), 1, [None, offsets, arrow.py_buffer(b"\xff")]
        )
        (decision,) = decide_many(OURSELVES, "activate", table_of(status=text))
        assert decision.denials == ("unknown_status",)
        assert r"\udcff" in decision.explanation
        decisions = decide_many(OURSELVES, "activate", table_of(destination=text))
        assert decisions[0].denial == "not_a_party"


class TestAccess:
    """`decide_access_many` answers as `RowPolicy.decide_access` does, row by row."""

    @pytest.mark.parametrize(
        "list_of",
        [arrow.list_, arrow.large_list, pairs],
    )
    @pytest.mark.parametrize("policy", ["default", "other names", "numbers"])
    @given(data=st.data())
    def test_any_rows(
        self, policy: str, list_of: Callable[[Any], Any], data: st.DataObject
    ) -> None:
        kind = KINDS["text"]
        table, rows, each = data.draw(tables(kind, policy, arrow.string()))
        numbers = policy == "numbers"
        members = [1, 2, 3, None] if numbers else ["inquiry.read", "INQUIRY", "Inquiry", "", None]
        fixed = arrow.types.is_fixed_size_list(list_of(arrow.string()))
        sizes = (2, 2) if fixed else (0, 3)
        lists = st.none() | st.lists(st.sampled_from(members), min_size=sizes[0], max_size=sizes[1])
        granted = data.draw(st.lists(lists, min_size=len(each), max_size=len(each)))
        types = [arrow.int8()] if numbers else TEXTS
        type_ = list_of(data.draw(st.sampled_from(types)))
        form = data.draw(st.sampled_from([plain, sliced]))
        table = table.append_column(rows.scopes, column(granted, type_, form, data.draw(CUTS)))
        for row, scopes in zip(each, granted, strict=True):
            setattr(row, rows.scopes, scopes)
        scope = data.draw(
            st.sampled_from(["inquiry.read", "account.read", "INQUIRY", "other.read"])
        )
        check(
            decide_access_many(OURSELVES, scope, table, rows=rows),
            [rows.decide_access(OURSELVES, scope, row) for row in each],
        )

    def test_our_own_rows(self) -> None:
        row = Row("org_B", OUR_KEY.organization_id, "active", ["inquiry.read"])
        table = arrow.table({name: [value] * 3 for name, value in vars(row).items()})
        decisions = decide_access_many(OUR_KEY, "inquiry.read", table)
        assert decisions.allowed.to_pylist() == [True] * 3
        assert decisions[2] is decide_access(OUR_KEY, "inquiry.read", row)

    def test_what_a_null_list_hides(self) -> None:
        """Arrow permits values below a NULL; they grant nothing."""
        offsets, names = arrow.array([0, 1, 2]), arrow.array(["inquiry.read"] * 2)
        mask = arrow.array([True, False])
        scopes = arrow.ListArray.from_arrays(offsets, names, mask=mask)
        table = table_of(length=2).append_column("scopes", scopes)
        decisions = decide_access_many(OURSELVES, "inquiry.read", table)
        assert decisions.allowed.to_pylist() == [False, True]

    def test_dictionary_encoded_scopes(self) -> None:
        names = arrow.array(["account.read", "inquiry.read", None]).dictionary_encode()
        scopes = arrow.ListArray.from_arrays(arrow.array([0, 1, 2, 3]), names)
        table = table_of(length=3).append_column("scopes", scopes)
        decisions = decide_access_many(OURSELVES, "inquiry.read", table)
        assert decisions.allowed.to_pylist() == [False, True, False]

    def test_only_null(self) -> None:
        table = table_of(length=2).append_column("scopes", arrow.nulls(2))
        decisions = decide_access_many(OURSELVES, "inquiry.read", table)
        assert [each.denials for each in decisions] == [("scope_not_granted",)] * 2

    @pytest.mark.parametrize("scope", ["ill-formed", 5])
    def test_a_scope_that_no_row_grants(self, scope: Any) -> None:
        table = table_of().append_column("scopes", arrow.array([[scope]]))
        (decision,) = decide_access_many(OURSELVES, scope, table)
        assert decision.denials == ("scope_not_granted",)


class TestTables:
    """What is given as a table."""

    @pytest.mark.parametrize(
        "given",
        [
            table_of(),
            table_of().to_batches()[0],
            table_of().to_reader(),
            Foreign(table_of()),
        ],
        ids=lambda given: type(given).__name__,
    )
    def test_of_any_library(self, given: Any) -> None:
        assert decide_many(OURSELVES, "deactivate", given).allowed.to_pylist() == [True]

    def test_of_duckdb(self) -> None:
        with duckdb.connect() as database:
            relation = database.sql(
                "SELECT 'org_A' AS source_organization_id,"
                " CAST(NULL AS VARCHAR) AS destination_organization_id,"
                " CAST('active' AS ENUM ('pending', 'active')) AS status"
            )
            assert decide_many(OURSELVES, "deactivate", relation.arrow())[0].allowed

    @pytest.mark.parametrize("length", [0, 1])
    def test_only_null(self, length: int) -> None:
        nulls = arrow.nulls(length)
        decisions = decide_many(
            OURSELVES, "activate", table_of(source=nulls, destination=nulls, status=nulls)
        )
        check(decisions, [rows_of_nothing() for _ in range(length)])

    def test_no_chunk(self) -> None:
        none = arrow.chunked_array([], arrow.dictionary(arrow.int8(), arrow.string()))
        table = table_of(source=none, destination=none, status=none)
        check(decide_many(OURSELVES, "activate", table), [])

    def test_a_status_in_a_dictionary_of_nulls(self) -> None:
        indices = arrow.array([0], arrow.int8())
        nulls = arrow.DictionaryArray.from_arrays(indices, arrow.nulls(1))
        (decision,) = decide_many(OURSELVES, "activate", table_of(status=nulls))
        assert decision.denials == ("unknown_status",)

    def test_the_mask_filters_a_table_in_chunks(self) -> None:
        table = arrow.concat_tables([table_of(), table_of(status=["inactive"]), table_of()])
        decisions = decide_many(OURSELVES, "deactivate", table)
        assert len(table.filter(decisions.allowed)) == 2


def rows_of_nothing() -> Decision:
    """The decision on a row that holds only None."""
    nothing: Any = None
    return decide(OURSELVES, "activate", Row(nothing, nothing, nothing))
