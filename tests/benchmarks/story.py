"""The guide's Connection and its actors, as a service would receive them.

Everything is read from JSON, so that no two values share a string object: identical objects compare
faster than equal ones, and in a service the ids come from different sources.
"""

import json
from dataclasses import dataclass

from connect_core import Actor, Connection

#: The body of the guide's create request.
CREATE_BODY = b"""{
  "data": {
    "attributes": {
      "destination-organization-id": "org_DEF456",
      "name": "Partner Connection"
    }
  }
}"""

SOURCE = Actor(id="api_ABC123", organization_id="org_ABC123")
DESTINATION = Actor(id="usr_Rk3v", organization_id="org_DEF456")


@dataclass(slots=True)
class Row:
    """A row of a service's own table: no methods, and the status as a plain string."""

    source_organization_id: str
    destination_organization_id: str
    status: str
    scopes: list[str]


def pending_connection() -> Connection:
    """The guide's Connection, not accepted yet."""
    created, _ = Connection.create(
        by=SOURCE, destination="org_DEF456", name="Partner Connection", id="cxn_ABC123"
    )
    return Connection.model_validate_json(created.model_dump_json())


def pending_row() -> Row:
    """The same as a row."""
    columns = set(Row.__slots__)
    return Row(**json.loads(pending_connection().model_dump_json(include=columns)))
