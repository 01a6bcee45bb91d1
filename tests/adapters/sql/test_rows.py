"""Rows: stored as plain values, and refused if they are not what was written."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from databases import database
from embedding import OURS, THEIRS, committed, edit, service_in
from sqlalchemy import Engine, literal, text, update
from sqlalchemy import column as sql_column
from sqlalchemy import table as sql_table
from sqlalchemy.orm import Session
from support import OUR_KEY, PARTNER, T0

from connect_core import InvalidRecordError, error_document
from connect_core.adapters.sql import (
    SqlConnectionStore,
    connection_events,
    connections,
    idempotency_keys,
    open_engine,
)


class TestHostileRows:
    """A row that was edited by hand is refused when it is read, and the error names it."""

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"status": "frozen"}, "status: Input should be "),
            ({"status": "ACTIVE"}, "status: "),
            ({"version": 0}, "version: "),
            ({"scopes": []}, "scopes: "),
            ({"scopes": "inquiry.read"}, "scopes: "),
            ({"scopes": ["everything"]}, "scopes.0: "),
            ({"scopes": {"inquiry.read": False}}, "scopes: "),
            ({"creator_id": "nobody"}, "creator.id: "),
            ({"name": "two\nlines"}, "name: "),
            ({"source_organization_id": "ABC123"}, "source_organization_id: "),
            ({"destination_organization_id": "org_"}, "destination_organization_id: "),
            ({"updated_at": T0 - timedelta(days=1)}, "updated_at: "),
        ],
        ids=str,
    )
    def test_connections(self, engine: Engine, changes: dict[str, object], reason: str) -> None:
        committed(engine)
        edit(engine, update(connections).values(changes))
        with Session(engine) as session:
            service = service_in(session)
            for read in (
                lambda: service.get("cxn_1", by=OUR_KEY),
                lambda: service.history("cxn_1", by=OUR_KEY),
                lambda: service.activate("cxn_1", by=PARTNER),
                lambda: service.authorize_access("cxn_1", "inquiry.read", by=PARTNER),
                lambda: list(SqlConnectionStore(session).everything()),
            ):
                with pytest.raises(InvalidRecordError) as caught:
                    read()
                assert caught.value.record == "connections cxn_1"
                assert caught.value.reason.startswith(reason)
                assert error_document(caught.value)[0] == 500

    @pytest.mark.parametrize("status", ["frozen", "", "active "])
    def test_lists(self, engine: Engine, status: str) -> None:
        """A spoilt row is left out of a list, and named; it is counted."""
        committed(engine)
        edit(engine, update(connections).values(status=status))
        with Session(engine) as session:
            page = service_in(session).list(by=OUR_KEY)
            count = service_in(session).count(by=OUR_KEY)
        assert not page
        assert [error.record for error in page.unreadable] == ["connections cxn_1"]
        assert count == 1

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"status": "frozen"}, "status: "),
            ({"action": "expire"}, "action: "),
            ({"previous_status": "frozen"}, "previous_status: "),
            ({"actor_id": "nobody"}, "actor.id: "),
            ({"actor_organization_id": "nobody"}, "actor.organization_id: "),
            ({"roles": []}, "roles: "),
            ({"roles": ["owner"]}, "roles"),
            ({"roles": "source"}, "roles: "),
            ({"terms": {"name": None}}, "terms"),
            ({"terms": []}, "terms: "),
            ({"previous_status": None}, "the row: Value error, version 1, no previous_status"),
        ],
        ids=str,
    )
    def test_events(self, engine: Engine, changes: dict[str, object], reason: str) -> None:
        committed(engine)
        second = update(connection_events).where(connection_events.c.version == 2)
        edit(engine, second.values(changes))
        with Session(engine) as session:
            for read in (
                lambda: service_in(session).history("cxn_1", by=OUR_KEY),
                lambda: list(SqlConnectionStore(session).everything()),
            ):
                with pytest.raises(InvalidRecordError) as caught:
                    read()
                assert caught.value.record == "connection_events cxn_1 version 2"
                assert caught.value.reason.startswith(reason)

    @pytest.mark.parametrize(
        "statement",
        [
            connection_events.delete().where(connection_events.c.version == 1),
            connection_events.delete().where(connection_events.c.version == 2),
            update(connection_events).where(connection_events.c.version == 2).values(version=3),
            update(connection_events)
            .where(connection_events.c.version == 2)
            .values(roles=["source"]),
            update(connection_events)
            .where(connection_events.c.version == 2)
            .values(actor_organization_id=str(OURS)),
            update(connections).values(status="pending"),
            update(connections).values(version=3),
            update(connections).values(scopes=["x.y"]),
            update(connections).values(name="Another"),
            update(connections).values(source_organization_id="org_XYZ", creator_id="usr_1"),
        ],
        ids=lambda statement: str(statement).replace("\n", " ")[:60],
    )
    def test_histories(self, engine: Engine, statement: Any) -> None:
        """Each row is well formed, but together they are an impossible history."""
        committed(engine)
        edit(engine, statement)
        with Session(engine) as session:
            for read in (
                lambda: service_in(session).history("cxn_1", by=PARTNER),
                lambda: list(SqlConnectionStore(session).everything()),
            ):
                with pytest.raises(InvalidRecordError) as caught:
                    read()
                assert caught.value.record == "the history of cxn_1"

    @pytest.mark.parametrize("outcome", ["", "null", '{"code": "x"}'])
    def test_outcomes(self, engine: Engine, outcome: str) -> None:
        committed(engine)
        edit(engine, update(idempotency_keys).values(outcome=outcome))
        with Session(engine) as session, pytest.raises(InvalidRecordError, match="outcome of 'k'"):
            service_in(session).create(
                by=OUR_KEY, destination=THEIRS, name="Partner", idempotency_key="k"
            )


def set_to(name: str, value: object) -> Any:
    """An update that bypasses the column types."""
    return update(sql_table("connections", sql_column(name))).values({name: literal(value)})


class TestHostileText:
    """On SQLite times and JSON are text, and text may be anything."""

    @pytest.fixture
    def engine(self, tmp_path: Path) -> Iterator[Engine]:
        engine = open_engine(f"sqlite:///{tmp_path / 'connections.db'}")
        yield engine
        engine.dispose()

    @pytest.mark.parametrize(
        "written",
        [
            "2026-11-24T12:00:00.123",
            "2026-11-24 12:00:00.123",
            "2026-11-24T12:00:00.123+00:00",
            "2026-11-24T12:00:00Z",
            "2026-11-24T12:00:00.123456Z",
            "2026-11-24t12:00:00.123z",
            "2026-11-24T13:00:00.123+01:00",
            "yesterday",
            "",
            "1795521600123",
        ],
    )
    @pytest.mark.parametrize("column", ["created_at", "updated_at"])
    def test_times_in_connections(self, engine: Engine, column: str, written: str) -> None:
        """Naive times, and any that would sort wrongly."""
        committed(engine)
        edit(engine, set_to(column, written))
        with Session(engine) as session, pytest.raises(InvalidRecordError) as caught:
            service_in(session).get("cxn_1", by=OUR_KEY)
        assert caught.value.record == "connections cxn_1"
        assert caught.value.reason == f"{column} is {written!r}, no UTC time in milliseconds"

    def test_times_elsewhere(self, engine: Engine) -> None:
        committed(engine)
        edit(engine, text("UPDATE connection_events SET occurred_at = '2026-11-24'"))
        edit(engine, text("UPDATE connection_idempotency_keys SET created_at = '2026-11-24'"))
        with Session(engine) as session:
            service = service_in(session)
            with pytest.raises(InvalidRecordError, match=r"cxn_1 version 1 .* occurred_at is '20"):
                service.history("cxn_1", by=OUR_KEY)
            with pytest.raises(InvalidRecordError, match=r"_keys org_ABC123 'k' .* created_at is"):
                service.create(by=OUR_KEY, destination=THEIRS, idempotency_key="k")

    @pytest.mark.parametrize("written", ["", "{", "inquiry.read", "null", "[1]", "5"])
    def test_json(self, engine: Engine, written: str) -> None:
        committed(engine)
        edit(engine, text("UPDATE connections SET scopes = :s").bindparams(s=written))
        with Session(engine) as session, pytest.raises(InvalidRecordError, match="scopes"):
            service_in(session).get("cxn_1", by=OUR_KEY)

    def test_other_types(self, engine: Engine) -> None:
        """SQLite keeps what it is given, whatever the column's type."""
        for column, value in {"name": b"\xff", "version": "many", "status": 5}.items():
            committed(engine)
            edit(engine, set_to(column, value))
            with Session(engine) as session, pytest.raises(InvalidRecordError, match=column):
                service_in(session).get("cxn_1", by=OUR_KEY)
            edit(engine, connection_events.delete())
            edit(engine, connections.delete())
            edit(engine, idempotency_keys.delete())


def test_a_row_is_plain(tmp_path: Path) -> None:
    """Any tool can read the rows: they hold text and numbers, no pickles or classes."""
    with database("sqlite-file", tmp_path) as url:
        engine = open_engine(url)
        committed(engine)
        with engine.connect() as connection:
            row = connection.exec_driver_sql("SELECT * FROM connections").mappings().one()
            made = connection.exec_driver_sql(
                "SELECT outcome FROM connection_idempotency_keys"
            ).scalar_one()
        engine.dispose()
    assert dict(row) == {
        "id": "cxn_1",
        "source_organization_id": "org_ABC123",
        "destination_organization_id": "org_DEF456",
        "name": "Partner",
        "status": "active",
        "scopes": '["account.read", "inquiry.read"]',
        "creator_id": "api_ABC123",
        "created_at": "2026-11-24T12:00:00.123Z",
        "updated_at": "2026-11-24T12:00:00.123Z",
        "version": 2,
    }
    assert json.loads(made) == {"connection_id": "cxn_1", "version": 1}
