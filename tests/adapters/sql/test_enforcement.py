"""The triggers: what they refuse, in which words, and that nothing of it is left.

Every statement is written past the store, as a person at a prompt could write it.
"""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from cells import every_cell
from enforced import (
    ENFORCED,
    REFUSED,
    Enforced,
    Values,
    enforced,
    event_after,
    replaces,
    step_from,
    unlawful,
)
from oracle import BOTH, DESTINATION, OUTSIDER, SOURCE, Verdict
from sqlalchemy import Connection as Database
from sqlalchemy import delete, func, insert, select, text, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from support import T0

from connect_core import Action, Actor, Connection, Status
from connect_core.adapters.sql.enforcement_rules import CHANGING, FIXED
from connect_core.adapters.sql.rows import connection_row, event_row, state_of

SECOND = timedelta(seconds=1)


@pytest.fixture(scope="module", params=ENFORCED)
def held(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Enforced]:
    """A database with triggers, for the whole module; what it holds at the end is lawful."""
    with enforced(request.param, tmp_path_factory.mktemp("enforced")) as found:
        yield found
        assert unlawful(found) == []


def parties(roles: frozenset[Any] = SOURCE) -> tuple[str, str, Actor]:
    """A source, a destination, and somebody who holds these roles; nobody had them before."""
    mine, other, third = (f"org_{uuid4().hex}" for _ in range(3))
    source, destination = {
        SOURCE: (mine, other),
        DESTINATION: (other, mine),
        BOTH: (mine, mine),
        OUTSIDER: (other, third),
    }[roles]
    return source, destination, Actor(id="usr_9", organization_id=mine)


def new_id() -> str:
    return f"cxn_{uuid4().hex}"


def made(held: Enforced, status: Status = Status.PENDING) -> Connection:
    """A committed Connection in this status."""
    source, destination, _ = parties()
    return held.create(new_id(), source, destination, status)


def source_of(connection: Connection) -> Actor:
    return Actor(id="api_1", organization_id=connection.source_organization_id)


def destination_of(connection: Connection) -> Actor:
    return Actor(id="usr_2", organization_id=connection.destination_organization_id)


# --- The decision table --------------------------------------------------------------------------


def created(held: Enforced, verdict: Verdict) -> str:
    """Write a creation by who holds the roles of a cell; return the id."""
    source, destination, actor = parties(verdict.roles)
    connection_id = new_id()
    owner = Actor(id=actor.id, organization_id=source)
    connection, event = Connection.create(
        by=owner, destination=destination, allow_self=True, id=connection_id, at=T0
    )
    roles = sorted(role.value for role in verdict.roles)
    with held.engine.begin() as database:
        held.add(database, connection_row(connection))
        by = {"actor_organization_id": str(actor.organization_id), "roles": roles}
        held.add_event(database, event_row(event) | by)
    return connection_id


@every_cell
def test_every_cell(held: Enforced, verdict: Verdict) -> None:
    """As SQL, past the store: what the matrix permits passes, and the rest leaves nothing."""
    if verdict.status is None:
        if verdict.target is not None:
            (_,), (_,) = held.rows(created(held, verdict))
            return
        with pytest.raises(REFUSED, match="connect_core: ") as refusal:
            created(held, verdict)
        return
    source, destination, actor = parties(verdict.roles)
    connection = held.create(new_id(), source, destination, verdict.status)
    before = held.rows(connection.id)
    if verdict.target is not None:
        held.take(connection, verdict.action, actor)
        (row,), events = held.rows(connection.id)
        assert row.status == verdict.target.value
        assert len(events) == connection.version + 1
        return
    with pytest.raises(REFUSED) as refusal:
        held.take(connection, verdict.action, actor)
    assert held.rows(connection.id) == before
    assert re.search("connect_core: |connection_events_step", str(refusal.value))


@pytest.mark.parametrize(
    ("status", "action", "role", "refusal"),
    [
        ("pending", "activate", "source", "the source may not take activate"),
        ("inactive", "reactivate", "destination", "the destination may not take reactivate"),
        ("active", "activate", "destination", "no action leads from active to active"),
        ("active", "reactivate", "source", "no action leads from active to pending"),
        ("pending", "deactivate", "outsider", "an outsider may take no action"),
    ],
)
def test_words(held: Enforced, status: str, action: str, role: str, refusal: str) -> None:
    """A refusal names what was refused, and why."""
    connection = made(held, Status(status))
    actors = {"source": source_of(connection), "destination": destination_of(connection)}
    actor = actors.get(role, Actor(id="usr_3", organization_id="org_XYZ"))
    with pytest.raises(REFUSED, match=f"connect_core: {refusal}"):
        held.take(connection, Action(action), actor)


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"action": "activate"}, "the source may not take activate"),
        ({"action": "create"}, "create is not possible from inactive"),
        ({"action": "deactivate"}, "deactivate is not possible from inactive"),
        ({"action": "share"}, "there is no such step"),
    ],
    ids=str,
)
def test_without_check_constraints(held: Enforced, changes: Values, refusal: str) -> None:
    """The triggers refuse what those of the tables would have refused first."""
    if held.engine.dialect.name != "sqlite":
        pytest.skip("only SQLite can ignore check constraints")
    connection = made(held, Status.INACTIVE)
    row = event_after(connection, Action.REACTIVATE, source_of(connection)) | changes
    with held.engine.connect() as database:
        database.exec_driver_sql("PRAGMA ignore_check_constraints = ON")
        try:
            held.change(database, connection.id, step_from(connection, Action.REACTIVATE))
            with pytest.raises(REFUSED, match=f"connect_core: {refusal}"):
                held.add_event(database, row)
        finally:
            database.rollback()
            database.exec_driver_sql("PRAGMA ignore_check_constraints = OFF")


# --- What is fixed -------------------------------------------------------------------------------

OTHER_VALUES: Values = {
    "id": "cxn_other",
    "source_organization_id": "org_other",
    "destination_organization_id": "org_other",
    "name": None,
    "scopes": ["a.b"],
    "creator_id": "usr_other",
    "created_at": T0 - SECOND,
}


def test_every_other_column_is_fixed() -> None:
    connection, _ = Connection.create(
        by=Actor(id="usr_1", organization_id="org_A"), destination="org_B"
    )
    assert set(state_of(connection)) == set(CHANGING)
    assert tuple(OTHER_VALUES) == FIXED


@pytest.mark.parametrize("with_step", [False, True], ids=["alone", "with a step"])
@pytest.mark.parametrize("column", OTHER_VALUES)
def test_fixed_columns(held: Enforced, column: str, with_step: bool) -> None:
    connection = made(held)
    before = held.rows(connection.id)
    step = step_from(connection, Action.ACTIVATE) if with_step else {}
    with (
        pytest.raises(REFUSED, match=f"connect_core: {column} never changes|[Ff]oreign ?[Kk]ey"),
        held.engine.begin() as database,
    ):
        held.change(database, connection.id, {column: OTHER_VALUES[column], **step})
    assert held.rows(connection.id) == before


# --- Versions ------------------------------------------------------------------------------------


class TestVersions:
    """Each update of a Connection raises the version by one, and has its event."""

    @pytest.mark.parametrize(
        ("changes", "refusal"),
        [
            ({"version": 1}, "the version must rise by one"),
            ({"version": 3}, "the version must rise by one"),
            ({"version": 2**31 - 1}, "the version must rise by one"),
            ({"updated_at": T0 - SECOND}, "time must not move backwards|updated_at"),
        ],
        ids=str,
    )
    def test_that_do_not_follow(self, held: Enforced, changes: Values, refusal: str) -> None:
        connection = made(held)
        before = held.rows(connection.id)
        values = step_from(connection, Action.ACTIVATE) | changes
        with pytest.raises(REFUSED, match=refusal), held.engine.begin() as database:
            held.change(database, connection.id, values)
        assert held.rows(connection.id) == before

    @pytest.mark.parametrize("column", CHANGING)
    def test_an_update_without_a_version(self, held: Enforced, column: str) -> None:
        """Not even one that changes nothing."""
        connection = made(held)
        value = getattr(connection, column)
        with (
            pytest.raises(REFUSED, match="the version must rise by one"),
            held.engine.begin() as database,
        ):
            held.change(database, connection.id, {column: value})

    def test_a_step_without_its_event(self, held: Enforced) -> None:
        """Is not committed on PostgreSQL; elsewhere, the next one waits for it."""
        connection = made(held)
        before = held.rows(connection.id)
        database = held.engine.connect()
        with database:
            held.change(database, connection.id, step_from(connection, Action.ACTIVATE))
            if held.checks_commits:
                with pytest.raises(
                    IntegrityError, match="connect_core: the event of the last version is missing"
                ) as refusal:
                    database.commit()
                assert getattr(refusal.value.orig, "sqlstate", None) == "23514"
            else:
                database.commit()
        if held.checks_commits:
            assert held.rows(connection.id) == before
            return
        active = connection.model_copy(update={"status": Status.ACTIVE, "version": 2})
        with pytest.raises(REFUSED, match="the event of the version before is missing"):
            held.take(active, Action.DEACTIVATE, source_of(connection))
        with held.engine.begin() as database:
            event = event_after(connection, Action.ACTIVATE, destination_of(connection))
            held.add_event(database, event)
        active = active.model_copy(update={"updated_at": event["occurred_at"]})
        held.take(active, Action.DEACTIVATE, source_of(connection))

    def test_two_steps_before_their_events(self, held: Enforced) -> None:
        """On PostgreSQL, only what is committed counts."""
        connection = made(held)
        active, first = connection.activate(by=destination_of(connection), at=T0 + SECOND)
        inactive, second = active.deactivate(by=source_of(connection), at=T0 + SECOND)
        with held.engine.connect() as database:
            held.change(database, connection.id, state_of(active))
            if not held.checks_commits:
                with pytest.raises(REFUSED, match="the event of the version before is missing"):
                    held.change(database, connection.id, state_of(inactive))
                return
            held.change(database, connection.id, state_of(inactive))
            held.add_event(database, event_row(first))
            held.add_event(database, event_row(second))
            database.commit()
        assert len(held.rows(connection.id)[1]) == 3

    def test_two_steps_with_their_events(self, held: Enforced) -> None:
        connection = made(held)
        active, first = connection.activate(by=destination_of(connection), at=T0 + SECOND)
        inactive, second = active.deactivate(by=source_of(connection), at=T0 + SECOND)
        with held.engine.begin() as database:
            for after, event in ((active, first), (inactive, second)):
                held.change(database, connection.id, state_of(after))
                held.add_event(database, event_row(event))
        assert len(held.rows(connection.id)[1]) == 3


# --- Events --------------------------------------------------------------------------------------


class TestEvents:
    """An event agrees with its Connection, with the event before it, and with its actor."""

    @pytest.mark.parametrize(
        ("changes", "refusal"),
        [
            ({"connection_id": "cxn_none"}, "there is no such Connection|fk_"),
            ({"version": 3}, "the Connection has not reached the version"),
            ({"version": 1}, "history never changes|pk_|PRIMARY|previous_status"),
            ({"previous_status": "active"}, "previous_status is not the status before|_step"),
            ({"occurred_at": T0 - SECOND}, "time must not move backwards"),
            ({"occurred_at": T0 + 2 * SECOND}, "status and time of the event are not those"),
            ({"status": "inactive"}, "status and time of the event are not those|_step"),
            ({"status": "inactive", "action": "deactivate"}, "status and time of the event"),
            ({"action": "reactivate"}, "_step|is not possible from"),
            ({"terms": {}}, "only a creation has terms|_creation"),
            ({"actor_organization_id": "org_none"}, "an outsider may take no action"),
            ({"roles": []}, "the roles are not those"),
            ({"roles": ["source"]}, "the roles are not those"),
            ({"roles": ["destination", "source"]}, "the roles are not those"),
            ({"roles": ["destination", "destination"]}, "the roles are not those"),
            ({"roles": "destination"}, "the roles are not those"),
        ],
        ids=str,
    )
    def test_of_a_step(self, held: Enforced, changes: Values, refusal: str) -> None:
        connection = made(held)
        before = held.rows(connection.id)
        with pytest.raises(REFUSED, match=refusal):
            held.take(connection, Action.ACTIVATE, destination_of(connection), changes)
        assert held.rows(connection.id) == before

    def test_a_role_that_is_not_held(self, held: Enforced) -> None:
        """Who holds a role follows from the organization, whatever the event says."""
        connection = made(held)
        with pytest.raises(REFUSED, match="the roles are not those that the organization holds"):
            held.take(
                connection, Action.ACTIVATE, source_of(connection), {"roles": ["destination"]}
            )

    def test_organizations_that_differ_by_case(self, held: Enforced) -> None:
        source, destination, _ = parties()
        connection = held.create(new_id(), source, destination)
        shouting = Actor(id="usr_1", organization_id=f"org_{destination[4:].upper()}")
        spaced = {"actor_organization_id": f"{destination} ", "roles": ["destination"]}
        for changes in ({"roles": ["destination"]}, spaced):
            with pytest.raises(REFUSED, match="an outsider may take no action"):
                held.take(connection, Action.ACTIVATE, shouting, changes)

    @pytest.mark.parametrize(
        ("of_connection", "of_event"),
        [
            ({"status": "active"}, {}),
            ({"status": "active"}, {"status": "active"}),
            ({"updated_at": T0 + SECOND}, {}),
            ({"updated_at": T0 + SECOND}, {"occurred_at": T0 + SECOND}),
            ({"source_organization_id": "org_none"}, {}),
            ({"destination_organization_id": "org_none"}, {}),
            ({"name": "another"}, {}),
            ({"name": None}, {}),
            ({"scopes": ["a.b"]}, {}),
            ({"creator_id": "usr_none"}, {}),
            ({}, {"terms": None}),
            ({}, {"terms": {}}),
            ({}, {"terms": []}),
            ({}, {"terms": [1, 2, 3, 4]}),
            ({}, {"terms": "text"}),
            ({}, {"action": "activate"}),
            ({}, {"previous_status": "inactive"}),
            ({}, {"version": 2}),
        ],
        ids=str,
    )
    def test_of_a_creation(self, held: Enforced, of_connection: Values, of_event: Values) -> None:
        source, destination, _ = parties()
        by = Actor(id="api_1", organization_id=source)
        connection, event = Connection.create(
            by=by, destination=destination, name="5", id=new_id(), at=T0
        )
        with pytest.raises(REFUSED):
            held.write(connection_row(connection) | of_connection, event_row(event) | of_event)
        assert held.rows(connection.id) == [[], []]

    @pytest.mark.parametrize(
        "changes",
        [{"name": 5}, {"name": None}, {"more": 1}, {"scopes": []}, {"source_organization_id": 1}],
        ids=str,
    )
    def test_terms_of_another_kind(self, held: Enforced, changes: Values) -> None:
        """A member of another type, one more, or one that is another."""
        source, destination, _ = parties()
        by = Actor(id="api_1", organization_id=source)
        connection, event = Connection.create(
            by=by, destination=destination, name="5", id=new_id(), at=T0
        )
        row = event_row(event)
        terms: Any = row["terms"]
        row = row | {"terms": terms | changes}
        with pytest.raises(REFUSED, match="terms, actor or time are not those of the Connection"):
            held.write(connection_row(connection), row)

    @pytest.mark.parametrize("member", ["name", "scopes", "source_organization_id"])
    def test_terms_without_a_member(self, held: Enforced, member: str) -> None:
        source, destination, _ = parties()
        by = Actor(id="api_1", organization_id=source)
        connection, event = Connection.create(by=by, destination=destination, id=new_id(), at=T0)
        row = event_row(event)
        terms: Any = dict(row["terms"])  # type: ignore[call-overload]
        terms["another"] = terms.pop(member)
        row = row | {"terms": terms}
        with pytest.raises(REFUSED, match="terms, actor or time are not those of the Connection"):
            held.write(connection_row(connection), row)


# --- History -------------------------------------------------------------------------------------


class TestHistory:
    """Events are added, never changed; a Connection is never deleted."""

    def refused(self, held: Enforced, connection: Connection, statement: Any, match: str) -> None:
        before = held.rows(connection.id)
        with pytest.raises(REFUSED, match=match), held.engine.begin() as database:
            database.execute(statement)
        assert held.rows(connection.id) == before

    def test_an_event_is_not_changed(self, held: Enforced) -> None:
        events, connection = held.tables.connection_events, made(held, Status.ACTIVE)
        for column in events.c:
            statement = update(events).where(events.c.connection_id == connection.id)
            unchanged = statement.values({column.name: column})
            self.refused(held, connection, unchanged, "connect_core: history never changes")

    def test_an_event_is_not_deleted(self, held: Enforced) -> None:
        events, connection = held.tables.connection_events, made(held, Status.ACTIVE)
        one = delete(events).where(events.c.connection_id == connection.id, events.c.version == 2)
        self.refused(held, connection, one, "connect_core: history never changes")
        self.refused(held, connection, delete(events), "connect_core: history never changes")

    def test_a_connection_is_not_deleted(self, held: Enforced) -> None:
        connections, connection = held.tables.connections, made(held)
        one = delete(connections).where(connections.c.id == connection.id)
        never = "connect_core: a Connection is never deleted|FOREIGN KEY|foreign key"
        self.refused(held, connection, one, never)
        self.refused(held, connection, delete(connections), never)

    def test_tables_are_not_truncated(self, held: Enforced) -> None:
        """On PostgreSQL; MariaDB has no triggers for this, and SQLite no such statement."""
        if not held.checks_commits:
            pytest.skip("only PostgreSQL has triggers on TRUNCATE")
        connection = made(held)
        quote = held.engine.dialect.identifier_preparer.format_table
        for table, refusal in (
            (held.tables.connections, "a Connection is never deleted"),
            (held.tables.connection_events, "history never changes"),
        ):
            truncate = text(f"TRUNCATE {quote(table)} CASCADE")
            self.refused(held, connection, truncate, f"connect_core: {refusal}")

    def test_nothing_is_replaced(self, held: Enforced) -> None:
        """By the statement of SQLite and MariaDB that deletes what is in its way."""
        if held.checks_commits:
            pytest.skip("PostgreSQL has no REPLACE")
        connection = made(held)
        row = connection_row(connection)
        event = event_after(connection, Action.ACTIVATE, destination_of(connection))
        held.take(connection, Action.ACTIVATE, destination_of(connection))
        for table, values in (
            (held.tables.connections, row),  # the same id
            (held.tables.connections, row | {"id": new_id()}),  # the same pair
            (held.tables.connection_events, event),
            (held.tables.connection_events, event | {"actor_id": "usr_other"}),
        ):
            statement = replaces(insert(table).values(values))
            never = "connect_core: |[Ff][Oo][Rr][Ee][Ii][Gg][Nn]"
            self.refused(held, connection, statement, never)


# --- What the store needs ------------------------------------------------------------------------


class TestUndoing:
    """What has no event may be undone, and nothing else."""

    def test_a_creation(self, held: Enforced) -> None:
        source, destination, _ = parties()
        by = Actor(id="api_1", organization_id=source)
        connection, event = Connection.create(by=by, destination=destination, id=new_id(), at=T0)
        connections = held.tables.connections
        removal = delete(connections).where(connections.c.id == connection.id)
        with held.engine.begin() as database:
            held.add(database, connection_row(connection))
            assert database.execute(removal).rowcount == 1
        assert held.rows(connection.id) == [[], []]
        with held.engine.connect() as database:
            held.add(database, connection_row(connection))
            held.add_event(database, event_row(event))
            with pytest.raises(REFUSED):
                database.execute(removal)

    def undo(self, database: Database, held: Enforced, connection: Connection) -> int:
        held.change(database, connection.id, step_from(connection, Action.ACTIVATE))
        return held.change(database, connection.id, state_of(connection))

    def test_a_step(self, held: Enforced) -> None:
        connection = made(held)
        before = held.rows(connection.id)
        with held.engine.begin() as database:
            assert self.undo(database, held, connection) == 1
        assert held.rows(connection.id) == before
        held.take(connection, Action.ACTIVATE, destination_of(connection))

    @pytest.mark.parametrize(
        "changes", [{"status": "inactive"}, {"updated_at": T0 + SECOND}, {"version": 0}], ids=str
    )
    def test_only_to_what_was_there(self, held: Enforced, changes: Values) -> None:
        connection = made(held)
        with held.engine.connect() as database:
            held.change(database, connection.id, step_from(connection, Action.ACTIVATE))
            with pytest.raises(REFUSED):
                held.change(database, connection.id, state_of(connection) | changes)

    def test_not_what_has_an_event(self, held: Enforced) -> None:
        connection = made(held, Status.ACTIVE)
        pending = {"status": "pending", "updated_at": T0, "version": 1}
        with (
            pytest.raises(REFUSED, match="the version must rise by one"),
            held.engine.begin() as database,
        ):
            held.change(database, connection.id, pending)


class TestSkippedRows:
    """A row that ``ON CONFLICT DO NOTHING`` leaves out is not refused."""

    def test_duplicates(self, held: Enforced) -> None:
        dialects = {"postgresql": postgresql.insert, "sqlite": sqlite.insert}
        if held.engine.dialect.name not in dialects:
            pytest.skip("MariaDB has no such clause")
        adding: Any = dialects[held.engine.dialect.name](held.tables.connections)
        skipping = adding.on_conflict_do_nothing().execution_options(preserve_rowcount=True)
        connection = made(held)
        before = held.rows(connection.id)
        same = connection_row(connection) | {"status": "active"}
        pair = same | {"id": new_id()}
        with held.engine.begin() as database:
            for row in (same, pair):
                result = database.execute(skipping.values(row))
                assert result.rowcount == 0
        assert held.rows(connection.id) == before

    def test_duplicates_are_still_duplicates(self, held: Enforced) -> None:
        """Without the clause, the key is what refuses them."""
        connection = made(held)
        for row in (connection_row(connection), connection_row(connection) | {"id": new_id()}):
            with (
                pytest.raises(IntegrityError, match=r"[Uu][Nn][Ii][Qq][Uu][Ee]|Duplicate"),
                held.engine.begin() as database,
            ):
                held.add(database, row)


class TestImports:
    """A Connection may come with its whole history."""

    def history(self) -> tuple[Connection, list[Values]]:
        source, destination, _ = parties()
        by = Actor(id="api_1", organization_id=source)
        other = Actor(id="usr_2", organization_id=destination)
        change = Connection.create(by=by, destination=destination, id=new_id(), at=T0)
        events = [event_row(change.event)]
        for action, actor in ((Action.ACTIVATE, other), (Action.DEACTIVATE, by)):
            change = change.connection.take(action, by=actor, at=T0 + SECOND)
            events.append(event_row(change.event))
        return change.connection, events

    def test_complete(self, held: Enforced) -> None:
        connection, events = self.history()
        with held.engine.begin() as database:
            held.add(database, connection_row(connection))
            database.execute(insert(held.tables.connection_events), events)
        assert len(held.rows(connection.id)[1]) == 3

    def test_without_the_last_event(self, held: Enforced) -> None:
        connection, events = self.history()
        with held.engine.connect() as database:
            held.add(database, connection_row(connection))
            database.execute(insert(held.tables.connection_events), events[:-1])
            if held.checks_commits:
                with pytest.raises(IntegrityError, match="the event of the last version"):
                    database.commit()

    @pytest.mark.parametrize("order", [[1, 0, 2], [0, 2], [2]], ids=str)
    def test_out_of_order(self, held: Enforced, order: list[int]) -> None:
        connection, events = self.history()
        with pytest.raises(REFUSED, match="the event of the version before is missing"):
            held.write(connection_row(connection), *(events[index] for index in order))

    def test_with_another_status(self, held: Enforced) -> None:
        connection, events = self.history()
        row = connection_row(connection) | {"status": "active"}
        with pytest.raises(REFUSED, match="status and time of the event are not those"):
            held.write(row, *events)


def test_all_at_once(held: Enforced) -> None:
    """One statement on many rows is refused as a whole."""
    first, second = made(held), made(held, Status.ACTIVE)
    before = held.rows(first.id), held.rows(second.id)
    connections = held.tables.connections
    everything = update(connections).values(version=connections.c.version + 1, status="active")
    with pytest.raises(REFUSED), held.engine.begin() as database:
        database.execute(everything)
    assert (held.rows(first.id), held.rows(second.id)) == before
    with held.engine.connect() as database:
        rows = database.execute(select(func.count()).select_from(connections)).scalar_one()
    assert rows > 1
