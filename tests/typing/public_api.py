"""What type checkers see of the public API. Checked by mypy and pyright, run by neither."""

from collections.abc import Mapping
from typing import assert_type

from connect_core import (
    Action,
    Actor,
    ActorType,
    Cell,
    Change,
    Connection,
    ConnectionEvent,
    ConnectionId,
    CreateRequest,
    Decision,
    Denial,
    Organization,
    OrganizationId,
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
    replay,
    roles_of,
    steps_to,
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


def handle(error: ConnectError) -> None:
    """Errors carry typed facts."""
    assert_type(error_document(error), tuple[int, dict[str, object]])
    assert_type(error.code, str)
    if isinstance(error, InvalidTransitionError):
        assert_type(error.remedy, tuple[Step, ...])
        assert_type(error.actor, Actor)
        assert_type(error.action, Action | None)
