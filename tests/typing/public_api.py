"""What type checkers see of the public API. Checked by mypy and pyright, run by neither."""

from collections.abc import Mapping
from typing import assert_type

from sqlalchemy import ColumnElement, Engine, MetaData, Table
from sqlalchemy.orm import Session

from connect_core import (
    Action,
    Actor,
    ActorLike,
    ActorType,
    Cell,
    Change,
    Connection,
    ConnectionEvent,
    ConnectionId,
    ConnectionService,
    ConnectionStore,
    CreateRequest,
    Decision,
    Denial,
    InMemoryStore,
    Organization,
    OrganizationId,
    Page,
    Role,
    Scope,
    Status,
    Step,
    actions,
    allowed_actions,
    authorize,
    authorize_access,
    authorize_create,
    can,
    connection_document,
    decide,
    decide_access,
    decide_create,
    decision_table,
    error_document,
    list_document,
    parse_connection,
    parse_create,
    permitting_statuses,
    replay,
    roles_of,
    steps_to,
)
from connect_core.adapters.sql import (
    DecisionColumns,
    SqlConnectionStore,
    Tables,
    Transactions,
    actionable,
    decision_columns,
    sql_text,
    tables_for,
    visible,
)
from connect_core.errors import ConnectError, InvalidTransitionError


class MyRow:
    """An ORM row: plain strings, mutable, no relation to any class of the library."""

    source_organization_id: str = "org_A"
    destination_organization_id: str = "org_B"
    status: str = "pending"
    scopes: list[str] = ["inquiry.read"]  # noqa: RUF012  # as an ORM's rows have them


organization = Organization(id="org_A")
actor = Actor(id="usr_1", organization_id="org_A")
same = Actor(id="usr_1", organization_id=organization)
row = MyRow()

assert_type(actor.type, ActorType)
assert_type(actor.organization_id, OrganizationId)
assert_type(roles_of(actor, row), frozenset[Role])

assert_type(decide(actor, Action.ACTIVATE, row), Decision)
assert_type(can(actor, Action.ACTIVATE, row), bool)
assert_type(authorize(actor, Action.ACTIVATE, row), Decision)
assert_type(allowed_actions(actor, row), frozenset[Action])
assert_type(actions(actor, row), Mapping[Action, Decision])
assert_type(steps_to(row), tuple[Step, ...])
assert_type(decision_table(), Mapping[Cell, Decision])
assert_type(permitting_statuses(Role.SOURCE, Action.DEACTIVATE), tuple[Status, ...])
assert_type(decide_create(actor, source=organization, destination="org_B"), Decision)
assert_type(authorize_create(actor, source="org_A", destination="org_B", existing=row), Decision)
assert_type(decide_access(actor, "inquiry.read", row), Decision)
assert_type(authorize_access(actor, "inquiry.read", row), Decision)

decision = decide(actor, Action.ACTIVATE, row)
assert_type(decision.allowed, bool)
assert_type(decision.status, Status | None)
assert_type(decision.target, Status | None)
assert_type(decision.denials, tuple[Denial, ...])
assert_type(decision.denial, Denial | None)
assert_type(decision.remedy, tuple[Step, ...])
assert_type(decision.as_dict(), dict[str, object])

change = Connection.create(by=actor, destination=organization, scopes=["inquiry.read"])
assert_type(change, Change)
connection, event = change
assert_type(connection, Connection)
assert_type(event, ConnectionEvent)
assert_type(connection.id, ConnectionId)
assert_type(connection.status, Status)
assert_type(connection.scopes, frozenset[Scope])
assert_type(connection.activate(by=actor), Change)
assert_type(connection.apply(event), Connection)
assert_type(connection.organization_of(Role.SOURCE), OrganizationId)
assert_type(replay([event]), Connection)
assert_type(decide(actor, Action.ACTIVATE, connection), Decision)
assert_type(decide_access(actor, "inquiry.read", connection), Decision)

assert_type(parse_create(b"{}"), CreateRequest)
assert_type(parse_create({"data": {}}), CreateRequest)
assert_type(parse_connection("{}", version=2), Connection)
assert_type(connection_document(connection), dict[str, object])
assert_type(list_document([connection], next="/x"), dict[str, object])

memory: ConnectionStore = InMemoryStore()
service = ConnectionService(memory)
assert_type(service.create(by=actor, destination=organization), Change)
assert_type(service.activate("cxn_1", by=actor, expected_version=1), Change)
assert_type(service.get("cxn_1", by=actor), Connection)
assert_type(service.list(by=actor, status=Status.ACTIVE, actionable="activate"), Page)
assert_type(service.history("cxn_1", by=actor), tuple[ConnectionEvent, ...])
assert_type(service.authorize_access("cxn_1", "inquiry.read", by=actor), Decision)


def sessions(session: Session) -> None:
    """A store in a session is a store, and filters are what a query takes."""
    in_a_database: ConnectionStore = SqlConnectionStore(session)
    assert_type(ConnectionService(in_a_database).get("cxn_1", by=actor), Connection)
    assert_type(visible("org_A"), ColumnElement[bool])
    assert_type(actionable(actor, Action.ACTIVATE, on=MyRow), ColumnElement[bool])
    assert_type(decision_columns(actor, "activate", on=MyRow), DecisionColumns)
    assert_type(decision_columns(actor, "activate").denial, ColumnElement[str | None])
    assert_type(sql_text(visible("org_A"), "spark"), str)
    sql_text(visible("org_A"), "oracle")  # type: ignore[arg-type]


def chosen_tables(session: Session, engine: Engine) -> None:
    """Tables of the host's choosing are what a store takes."""
    tables = tables_for(MetaData(), schema="sharing", prefix="acme_", foreign_keys=False)
    assert_type(tables, Tables)
    assert_type(tables.connections, Table)
    assert_type(tables.metadata, MetaData)
    in_a_database: ConnectionStore = SqlConnectionStore(session, tables)
    assert_type(in_a_database.get(ConnectionId("cxn_1")), Connection | None)
    assert_type(
        Transactions(engine, tables=tables).ask(lambda service: service.count(by=actor)), int
    )


def handle(error: ConnectError) -> None:
    """Errors carry typed facts."""
    assert_type(error_document(error), tuple[int, dict[str, object]])
    assert_type(error.code, str)
    if isinstance(error, InvalidTransitionError):
        assert_type(error.remedy, tuple[Step, ...])
        assert_type(error.actor, ActorLike)
        assert_type(error.action, Action | None)
