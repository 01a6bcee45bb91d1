"""Embedding: two request handlers of a web service, without the web.

Run it: ``uv run python docs/examples/embed.py``. A request comes in as bytes and goes out as an
HTTP status and plain data, whatever the framework. The store is a dictionary here; a real one
writes the Connection and its event in one transaction.
"""

import json

from connect_core import (
    Actor,
    ConnectError,
    Connection,
    ConnectionEvent,
    ConnectionNotFoundError,
    authorize_create,
    connection_document,
    error_document,
    parse_create,
)

Answer = tuple[int, dict[str, object]]

connections: dict[str, Connection] = {}
events: list[ConnectionEvent] = []


def post_connections(actor: Actor, body: bytes) -> Answer:
    """``POST /connections``: the caller's organization offers to share."""
    try:
        request = parse_create(body)
        pair = (actor.organization_id, request.destination_organization_id)
        authorize_create(actor, source=pair[0], destination=pair[1], existing=find(*pair))
        connection, event = Connection.create(
            by=actor, destination=pair[1], name=request.name, scopes=request.scopes
        )
    except ConnectError as error:
        return error_document(error)
    return 201, store(connection, event)


def post_activate(actor: Actor, connection_id: str) -> Answer:
    """``POST /connections/{id}/activate``: the caller's organization accepts."""
    try:
        if connection_id not in connections:
            raise ConnectionNotFoundError(connection_id)
        connection, event = connections[connection_id].activate(by=actor)
    except ConnectError as error:
        return error_document(error)
    return 200, store(connection, event)


def find(source: str, destination: str) -> Connection | None:
    """The Connection for this ordered pair, if there is one."""
    for connection in connections.values():
        found = (connection.source_organization_id, connection.destination_organization_id)
        if found == (source, destination):
            return connection
    return None


def store(connection: Connection, event: ConnectionEvent) -> dict[str, object]:
    """Keep both, or neither."""
    connections[connection.id] = connection
    events.append(event)
    return connection_document(connection)


if __name__ == "__main__":
    ours = Actor(id="api_ABC123", organization_id="org_ABC123")
    theirs = Actor(id="usr_Rk3v", organization_id="org_DEF456")
    stranger = Actor(id="usr_Zz9", organization_id="org_XYZ789")
    attributes = {"destination-organization-id": "org_DEF456", "name": "Partner Connection"}
    body = json.dumps({"data": {"attributes": attributes}}).encode()

    status, document = post_connections(ours, body)
    assert status == 201
    (connection_id,) = connections
    for answer in (
        (status, document),
        post_connections(ours, body),  # 409: there is only ever one for an ordered pair
        post_connections(ours, b'{"data": {"attributes": {"name": 5}}}'),  # 422, both problems
        post_activate(ours, connection_id),  # 403: only the destination may
        post_activate(stranger, connection_id),  # 404: an outsider learns nothing
        post_activate(theirs, connection_id),  # 200: active
        post_activate(theirs, connection_id),  # 409: it is active already
    ):
        print(answer[0], json.dumps(answer[1], indent=2))
    assert [event.action for event in events] == ["create", "activate"]
