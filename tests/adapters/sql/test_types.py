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

    @pytest.mark.parametrize("database", ["sqlite", "mssql"])
    def test_text_elsewhere(self, database: str) -> None:
        elsewhere = URL.create(database).get_dialect()()
        assert UtcTime().compile(elsewhere).startswith("VARCHAR(24)")
        assert UtcTime().process_bind_param(T0, elsewhere) == "2026-11-24T12:00:00.123Z"
        assert JsonValue().compile(elsewhere).startswith("TEXT")
        assert JsonValue().process_bind_param(["a"], elsewhere) == '["a"]'
        assert JsonValue().process_result_value('["a"]', elsewhere) == ["a"]

    @pytest.mark.parametrize("database", ["mariadb", "mysql"])
    def test_types_of_their_own_in_the_family_of_mysql(self, database: str) -> None:
        there = URL.create(database).get_dialect()()
        assert UtcTime().compile(there) == "DATETIME(3)"
        assert UtcTime().process_bind_param(T0, there) == T0.replace(tzinfo=None)
        assert UtcTime().process_result_value(T0.replace(tzinfo=None), there) == T0
        assert UtcTime().process_result_value("0000-00-00", there) == "0000-00-00"
        assert JsonValue().compile(there) == "JSON"
        assert JsonValue().process_bind_param(["a"], there) == ["a"]
        assert JsonValue().process_result_value("1", there) == "1"

    @pytest.mark.parametrize(
        "at",
        ["0001-01-02T00:00:00.000Z", "1582-10-10T00:00:00.001Z", "9999-12-30T23:59:59.999Z"],
    )
    def test_the_first_and_the_last_time(self, engine: Engine, at: str) -> None:
        """To the millisecond, also as what is compared."""
        moment = datetime.fromisoformat(at)
        table = Table("moments", MetaData(), Column("id", Integer), Column("at", UtcTime))
        with engine.begin() as connection:
            table.create(connection)
            connection.execute(insert(table), {"id": 1, "at": moment})
            found = connection.execute(select(table.c.at).where(table.c.at == moment))
            assert found.scalar_one() == moment

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
