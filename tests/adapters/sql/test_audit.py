"""`impossible_events`, compared with the oracle, with `replay`, and with what was done."""

import json
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final

import duckdb
import pytest
from audited import (
    COPIES,
    HISTORY,
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
from databases import DATABASES, Backend, backend, connection_of_a_host
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from sqlalchemy import Connection as Database
from sqlalchemy import insert, update
from sqlalchemy.exc import DBAPIError
from support import OUR_KEY, PARTNER

from connect_core import (
    Action,
    ConnectionEvent,
    InvalidHistoryError,
    Role,
    Status,
    replay,
    strategies,
)
from connect_core.adapters.sql import (
    Tables,
    connection_events,
    impossible_events,
    sql_text,
    tables_for,
)

Found = list[tuple[str, int, str]]


class Audited:
    """A database with the tables of an audit, empty between two audits."""

    def __init__(self, run: Callable[[Sequence[Party], Sequence[Event]], Iterable[Any]]) -> None:
        self._run = run

    def findings(self, parties: Sequence[Party], events: Sequence[Event]) -> Found:
        """What is found in these rows, sorted."""
        rows = [tuple(row) for row in self._run(parties, events)]
        return sorted(rows, key=lambda row: (str(row[0]), row[1] or 0))


@contextmanager
def audited_in_duckdb() -> Generator[Audited]:
    """DuckDB."""
    with duckdb.connect() as duck:
        duck.execute(f"CREATE TABLE connections ({', '.join(f'{n} VARCHAR' for n in PARTIES)})")
        types = {"version": "INTEGER"}
        columns = ", ".join(f"{name} {types.get(name, 'VARCHAR')}" for name in STEPS)
        duck.execute(f"CREATE TABLE connection_events ({columns})")

        def run(parties: Sequence[Party], events: Sequence[Event]) -> Iterable[Any]:
            duck.begin()
            for name, rows, names in (
                ("connections", [*parties], PARTIES),
                ("connection_events", [as_text(event) for event in events], STEPS),
            ):
                if rows:
                    lists = ", ".join(
                        f"unnest(?::{types.get(each, 'VARCHAR')}[])" for each in names
                    )
                    values = [list(column) for column in zip(*rows, strict=True)]
                    duck.execute(f"INSERT INTO {name} SELECT {lists}", values)
            found = duck.execute(sql_text(impossible_events(COPIES), "duckdb")).fetchall()
            duck.rollback()
            return found

        yield Audited(run)


@contextmanager
def audited_in(database: Database) -> Generator[Audited]:
    """SQLite or PostgreSQL."""
    COPIES.metadata.create_all(database, tables=[COPIES.connections, COPIES.connection_events])
    database.commit()

    def run(parties: Sequence[Party], events: Sequence[Event]) -> Iterable[Any]:
        with database.begin() as transaction:
            for table, rows in ((COPIES.connections, parties), (COPIES.connection_events, events)):
                if rows:
                    database.execute(insert(table), [row._asdict() for row in rows])
            found = database.execute(impossible_events(COPIES)).all()
            transaction.rollback()
        return found

    yield Audited(run)


@pytest.fixture(scope="module", params=["sqlite-memory", "postgresql", "duckdb"])
def audited(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Audited]:
    """A database to audit."""
    if request.param == "duckdb":
        with audited_in_duckdb() as found:
            yield found
        return
    directory = tmp_path_factory.mktemp("host")
    with connection_of_a_host(request.param, directory) as database, audited_in(database) as found:
        yield found


class TestFindings:
    """Each kind of tampering is found, on the event where it happened."""

    @pytest.mark.parametrize("name", TAMPERED)
    def test_tampering(self, audited: Audited, name: str) -> None:
        events, findings = TAMPERED[name]
        found = audited.findings([A, Party("cxn_Other", "org_C", "org_D")], events)
        assert [(version, finding) for _, version, finding in found] == findings

    def test_every_step(self, audited: Audited) -> None:
        """Every status, action, set of roles and status after, known or not."""
        parties, events, findings = every_step()
        assert len(parties) == 7 * 8 * 4 * 6
        found = on_every_step(audited.findings(parties, events), events)
        assert found == findings
        kinds = {finding for *_, finding in findings}
        assert kinds == {
            "not_a_party", "wrong_role", "wrong_status", "already_exists", "unknown_step",
            "wrong_status_after",
        }  # fmt: skip

    @pytest.mark.parametrize("order", [1, -1])
    def test_an_organization_with_itself(self, audited: Audited, order: int) -> None:
        """Both roles are recorded, in either order."""
        events = [event._replace(roles=event.roles[::order]) for event in TO_ITSELF]
        alone = A._replace(destination_organization_id="org_A")
        assert audited.findings([alone], events) == []
        wrong = [event._replace(roles=["source"]) for event in events]
        assert [each[2] for each in audited.findings([alone], wrong)] == [
            "wrong_recorded_roles"
        ] * 5

    def test_several_histories(self, audited: Audited) -> None:
        """Each is judged by itself, whatever the order of the rows."""
        parties = [A._replace(id=f"cxn_{number}") for number in range(9)]
        events = [
            event._replace(connection_id=party.id)
            for event in reversed(HISTORY)
            for party in parties
            if (event.version, party.id) != (2, "cxn_5")
        ]
        assert audited.findings(parties, events) == [("cxn_5", 3, "version_gap")]
        assert audited.findings(parties, []) == audited.findings([], []) == []

    def test_parties_that_are_missing(self, audited: Audited) -> None:
        nobody = Party("cxn_A", None, None)
        found = audited.findings([nobody], [HISTORY[0]._replace(actor_organization_id=None)])
        assert found == [("cxn_A", 1, "not_a_party")]


# --- Against replay ------------------------------------------------------------------------------

_FIELDS: Final[dict[str, list[Any]]] = {
    "action": [*Action, "expire"],
    "previous_status": [*Status, None, "frozen"],
    "status": [*Status, "frozen"],
    "actor_organization_id": ["source", "destination", "org_Stranger"],
    "roles": [["source"], ["destination"], ["destination", "source"], []],
    "version": [*range(10, 13), 0],
}


def event_as_row(event: ConnectionEvent) -> Event:
    """The row of an event."""
    previous = event.previous_status
    return Event(
        str(event.connection_id),
        event.version,
        event.action.value,
        None if previous is None else previous.value,
        event.status.value,
        str(event.actor.organization_id),
        sorted(role.value for role in event.roles),
    )


@st.composite
def tampered(draw: st.DrawFn) -> tuple[Party, list[Event], list[ConnectionEvent]]:
    """A history in which an event may be missing, or have another value; and as it was."""
    connection, events = draw(strategies.histories(allow_self=True, max_steps=5))
    rows = [event_as_row(event) for event in events]
    party = Party(
        str(connection.id),
        str(connection.source_organization_id),
        str(connection.destination_organization_id),
    )
    place = draw(st.integers(0, len(rows) - 1))
    field = draw(st.sampled_from([*_FIELDS, "missing", "nothing"]))
    if field == "missing":
        del rows[place]
    elif field != "nothing":
        value: Any = draw(st.sampled_from(_FIELDS[field]))
        if value in ("source", "destination"):
            value = getattr(party, f"{value}_organization_id")
        changes: dict[str, Any] = {field: str(value) if isinstance(value, str) else value}
        rows[place] = rows[place]._replace(**changes)
    return party, rows, list(events)


def first_refused(rows: Sequence[Event], events: Sequence[ConnectionEvent]) -> int | None:
    """The version of the first event that `replay` refuses."""
    terms = events[0].terms
    history: list[ConnectionEvent] = []
    for row in sorted(rows, key=lambda row: row.version or 0):
        values = row._asdict()
        values["actor"] = {"id": "usr_1", "organization_id": values.pop("actor_organization_id")}
        values["occurred_at"] = datetime(2026, 1, 2, tzinfo=UTC)
        values["terms"] = terms if row.action == "create" else None
        try:
            history.append(ConnectionEvent.model_validate(values))
            replay(history)
        except (ValidationError, InvalidHistoryError):
            return row.version
    return None


class TestReplay:
    """The first finding of a history is the event at which `replay` gives up."""

    @given(drawn=tampered())
    def test_any_history(
        self, audited: Audited, drawn: tuple[Party, list[Event], list[ConnectionEvent]]
    ) -> None:
        party, rows, events = drawn
        found = audited.findings([party], rows)
        first = None if not found else found[0][1]
        assert first == first_refused(rows, events)


# --- The tables of the library -------------------------------------------------------------------


class TestTables:
    """The audit of what the store has written, in the tables as they are."""

    @pytest.mark.parametrize("kind", [*DATABASES, "sqlite-file-chosen", "postgresql-chosen"])
    def test_what_the_service_writes(self, kind: str, tmp_path: Any) -> None:
        with backend(kind, tmp_path) as stored:
            tables = tables_of(stored)
            with stored.service() as service:
                made, _ = service.create(by=OUR_KEY, destination=PARTNER.organization_id)
                service.activate(made.id, by=PARTNER)
                service.deactivate(made.id, by=OUR_KEY)
                service.reactivate(made.id, by=OUR_KEY)
                alone, _ = service.create(
                    by=OUR_KEY, destination=OUR_KEY.organization_id, allow_self=True
                )
                service.activate(alone.id, by=OUR_KEY)
            events = tables.connection_events
            with stored.engine.begin() as database:
                assert database.execute(impossible_events(tables)).all() == []
                tampering = update(events).where(events.c.version == 3)
                database.execute(tampering.values(roles=["destination"]))
                found = database.execute(impossible_events(tables))
                assert list(found.keys()) == ["connection_id", "version", "finding"]
                assert found.all() == [(made.id, 3, "wrong_recorded_roles")]
            with stored.engine.begin() as database, pytest.raises(DBAPIError):
                database.execute(tampering.values(action="activate"))

    @pytest.mark.parametrize("tables", [None, connection_events, "connection_events"])
    def test_what_tables_for_has_not_made(self, tables: Any) -> None:
        with pytest.raises(TypeError, match=r"^tables: expected what tables_for returns, got"):
            impossible_events(tables)

    def test_the_roles_are_those_of_the_lifecycle(self) -> None:
        """A role that is new would need a name in the query, and has one."""
        text = sql_text(impossible_events(), "duckdb")
        assert all(f"'{role}'" in text for role in Role)
        assert all(f"'{action}'" in text for action in Action)
        assert json.dumps(sorted(Role)) in text


def tables_of(stored: Backend) -> Tables:
    """The tables of a store."""
    return stored._tables or tables_for()  # pyright: ignore[reportPrivateUsage]
