"""Rows read without models: accepted only if the models accept them, with the same line."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine
from support import OUR_KEY, PARTNER, T0, histories

from connect_core import Action, Connection, ConnectionEvent, InvalidRecordError
from connect_core.adapters.sql import connection_events, connections
from connect_core.adapters.sql.histories import decoded, plain_row
from connect_core.adapters.sql.rows import connection_of, connection_row, event_of, event_row
from connect_core.adapters.sql.types import as_stored
from connect_core.jsonapi import record_document
from connect_core.store import verified_events

#: What a row of each table is as SQLite stores it, and as the store reads it.
DIALECT = create_engine("sqlite://").dialect
Row = tuple[Any, ...]
History = tuple[Connection, tuple[ConnectionEvent, ...]]

VALUES: tuple[Any, ...] = (
    *(None, 0, 1, 2, 3, -1, 1.0, 2.0, 2**31, 2**31 - 1, "", "x", "1", b"", b"cxn_1", b"\xff"),
    *("cxn_1", "cxn_1\n", "cxn_" + "x" * 251, "cxn_" + "x" * 252, "org_ABC123", "org_DEF456"),
    *("org_1", "api_1", "usr_1", "user_1", "api_ABC123", "usr_Rk3v", "usr_", "a" * 255, "a" * 256),
    *("pending", "active", "inactive", "create", "activate", "deactivate", "reactivate", "frozen"),
    *('["source"]', '["destination"]', '["source","destination"]', '["destination", "source"]'),
    *('["source", "source"]', "[]", "{}", "null", '"source"', "[1]", "[[]]", "[", "[" * 100_000),
    *('["a.b"]', '["b.b", "a.b"]', '["a.b", "a.b"]', '["A.b"]', '["inquiry.read"]', "NaN", "[NaN]"),
    *('{"name": null}', '{"source_organization_id": NaN}', "1" * 10_000),
    *("2026-11-24T12:00:00.123Z", "2026-11-24T12:00:00Z", "2026-11-24T12:00:00.1234Z", "infinity"),
    *("0001-01-01T00:00:00.000Z", "9999-12-31T00:00:00.000Z", "2026-02-30T12:00:00.123Z"),
)


def as_stored_by_sqlite(table: Any, row: dict[str, object]) -> Row:
    return tuple(
        value if process is None else process(value)
        for column, value in zip(table.c, row.values(), strict=True)
        for process in [column.type.bind_processor(DIALECT)]
    )


def as_read(table: Any, row: Row) -> Row:
    return tuple(
        value if process is None else process(value)
        for column, value in zip(as_stored(table.c), row, strict=True)
        for process in [column.type.result_processor(DIALECT, None)]
    )


def stored(history: History) -> tuple[Row, list[Row]]:
    """The rows of a history, with the columns in the order of the tables."""
    of_connection, names = connection_row(history[0]), connections.c.keys()
    row = as_stored_by_sqlite(connections, {name: of_connection[name] for name in names})
    return row, [as_stored_by_sqlite(connection_events, event_row(each)) for each in history[1]]


def by_models(row: Row, events: list[Row]) -> str | None:
    """The line of these rows, if they are what was written."""
    try:
        connection = connection_of(as_read(connections, row), connections)
        typed = (event_of(as_read(connection_events, e), connection_events) for e in events)
        checked = list(verified_events(connection, typed))
    except InvalidRecordError:
        return None
    return json.dumps(record_document(connection, checked), separators=(",", ":"))


def is_plain(row: Row, events: list[Row]) -> bool:
    """Whether the rows are accepted; then, the models accept them, and write the same line."""
    found = plain_row(row, events)
    if found is None:
        return False
    assert found.line() == by_models(row, events)
    return True


def long_lived() -> History:
    change = Connection.create(by=OUR_KEY, destination=PARTNER.organization_id, id="cxn_1", at=T0)
    events = [change.event]
    for action in (Action.ACTIVATE, Action.DEACTIVATE):
        change = change.connection.take(action, by=PARTNER, at=T0)
        events.append(change.event)
    return change.connection, tuple(events)


@given(histories(max_steps=6))
def test_every_history(history: History) -> None:
    assert is_plain(*stored(history))


@pytest.mark.parametrize("place", range(4))
def test_every_value_in_every_column(place: int) -> None:
    """Of the Connection, and of each event."""
    row, events = stored(long_lived())
    rows = [row, *events]
    for column in range(len(rows[place])):
        for value in VALUES:
            changed = list(rows)
            changed[place] = (*rows[place][:column], value, *rows[place][column + 1 :])
            is_plain(changed[0], changed[1:])


def test_terms_that_are_not_those() -> None:
    row, events = stored(long_lived())
    terms = json.loads(events[0][-1])
    other: list[object] = [
        {**terms, "name": "Another"},
        {**terms, "scopes": terms["scopes"][::-1]},
        {**terms, "scopes": terms["scopes"][:1]},
        {**terms, "destination_organization_id": "org_x"},
        {**terms, "more": 1},
        {name: value for name, value in terms.items() if name != "name"},
        terms["scopes"],
    ]
    for each in other:
        assert not is_plain(row, [(*events[0][:-1], json.dumps(each)), *events[1:]])
    # In another order, as PostgreSQL has them, they are the same.
    assert is_plain(row, [(*events[0][:-1], json.dumps(terms, sort_keys=True)), *events[1:]])


def test_a_history_with_other_events() -> None:
    row, events = stored(long_lived())
    assert is_plain(row, events)
    for other in ([], events[:2], events[1:], [*events, events[-1]], events[::-1], events[:1] * 3):
        assert not is_plain(row, other)


@given(histories(max_steps=4), st.data())
def test_any_mutation(history: History, data: st.DataObject) -> None:
    """Values are replaced, or exchanged for another row's, some in one record."""
    row, events = stored(history)
    rows = [row, *events]
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(rows) - 1))
        column = data.draw(st.integers(0, 9))
        other = rows[data.draw(st.integers(0, len(rows) - 1))]
        value = data.draw(st.one_of(st.sampled_from(VALUES), st.sampled_from(other)))
        rows[place] = (*rows[place][:column], value, *rows[place][column + 1 :])
    is_plain(rows[0], rows[1:])


def test_what_is_no_json() -> None:
    assert [decoded(text) for text in ("[", "1" * 10_000, "[" * 100_000)] == [None] * 3
