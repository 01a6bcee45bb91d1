"""Column types: times and JSON as each database keeps them."""

from datetime import datetime, timedelta, timezone

import pytest
from embedding import committed
from sqlalchemy import URL, Column, Engine, Integer, MetaData, Table, insert, select
from support import T0

from connect_core.adapters.sql import JsonValue, UtcTime, connection_events, connections


class TestColumnTypes:
    """The values, for hosts that read the tables themselves."""

    def test_times_and_json_are_values(self, engine: Engine) -> None:
        committed(engine)
        with engine.connect() as connection:
            row = connection.execute(select(connections)).one()
            first = connection.execute(
                select(connection_events).order_by(connection_events.c.version)
            ).first()
        assert row.created_at == T0
        assert row.created_at.utcoffset() == timedelta(0)
        assert sorted(row.scopes) == ["account.read", "inquiry.read"]
        assert first is not None
        assert first.terms["name"] == "Partner"

    @pytest.mark.parametrize(("later", "found"), [(-1, 0), (0, 1), (1, 1)])
    def test_they_can_be_asked_for_in_any_time_zone(
        self, engine: Engine, later: int, found: int
    ) -> None:
        committed(engine)
        elsewhere = timezone(timedelta(hours=-3, minutes=-30))
        at = (T0 + timedelta(milliseconds=later)).astimezone(elsewhere)
        with engine.connect() as connection:
            rows = connection.execute(select(connections).where(connections.c.created_at <= at))
            assert len(rows.all()) == found

    def test_a_naive_time_is_refused(self, engine: Engine) -> None:
        naive = select(connections).where(connections.c.created_at < datetime(2026, 1, 1))
        with engine.connect() as connection, pytest.raises(Exception, match="the time is naive"):
            connection.execute(naive)

    def test_types_of_their_own_on_postgresql(self) -> None:
        there = URL.create("postgresql").get_dialect()()
        assert UtcTime().compile(there) == "TIMESTAMP(3) WITH TIME ZONE"
        assert UtcTime().process_bind_param(T0, there) == T0
        assert JsonValue().compile(there) == "JSONB"
        assert JsonValue().process_bind_param(["a"], there) == ["a"]
        assert JsonValue().process_result_value("1", there) == "1"  # the text, not the number

    @pytest.mark.parametrize("database", ["sqlite", "mysql"])
    def test_text_elsewhere(self, database: str) -> None:
        elsewhere = URL.create(database).get_dialect()()
        assert UtcTime().compile(elsewhere) == "VARCHAR(24)"
        assert UtcTime().process_bind_param(T0, elsewhere) == "2026-11-24T12:00:00.123Z"
        assert JsonValue().compile(elsewhere) == "TEXT"
        assert JsonValue().process_bind_param(["a"], elsewhere) == '["a"]'
        assert JsonValue().process_result_value('["a"]', elsewhere) == ["a"]

    def test_none_is_null(self, engine: Engine) -> None:
        table = Table(
            "moments",
            MetaData(),
            Column("id", Integer, primary_key=True),
            Column("at", UtcTime),
            Column("value", JsonValue),
        )
        with engine.begin() as connection:
            table.create(connection)
            connection.execute(insert(table), {"id": 1, "at": None, "value": None})
            row = connection.execute(
                select(table).where(table.c.at.is_(None), table.c.value.is_(None))
            ).one()
        assert tuple(row) == (1, None, None)
