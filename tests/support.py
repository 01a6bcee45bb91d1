"""What the tests share: the people of the story, Connections in every status, strategies."""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final, cast

from hypothesis import strategies as st

from connect_core import (
    DEFAULT_SCOPES,
    Action,
    Actor,
    Change,
    Connection,
    ConnectionStore,
    Role,
    Scope,
    Status,
    roles_of,
    strategies,
)

#: The repository.
ROOT: Final = Path(__file__).parent.parent

T0 = datetime(2026, 11, 24, 12, 0, 0, 123000, tzinfo=UTC)

OUR_KEY = Actor(id="api_ABC123", organization_id="org_ABC123")
PARTNER = Actor(id="usr_Rk3v", organization_id="org_DEF456")
STRANGER = Actor(id="user_Zz9", organization_id="org_XYZ789")


# --- The guide ------------------------------------------------------------------------------------

#: The body of the guide's ``curl``, character by character.
GUIDE_REQUEST = """{
    "data": {
      "attributes": {
        "destination-organization-id": "org_DEF456",
        "name": "Partner Connection"
      }
    }
  }"""

#: The guide's answer to it, character by character.
GUIDE_ANSWER = """{
  "data": {
    "type": "connect/connections",
    "id": "cxn_ABC123",
    "attributes": {
      "token": "cxn_ABC123",
      "name": "Partner Connection",
      "status": "active",
      "organization-id": "org_ABC123",
      "destination-organization-id": "org_DEF456",
      "scopes": ["inquiry.read", "account.read"],
      "creator-id": "api_ABC123",
      "creator-type": "api-key",
      "created-at": "2018-06-01T00:00:00.000Z",
      "updated-at": "2018-06-01T00:00:00.000Z"
    }
  }
}"""

# --- Requests to a web service --------------------------------------------------------------------

#: The steps that lead to each status: who takes which action.
STEPS_TO: dict[str, list[tuple[str, str]]] = {
    "pending": [],
    "active": [("theirs", "activate")],
    "inactive": [("ours", "deactivate")],
}
#: Steps that are refused: the status, the caller, the action, the HTTP status and the error code.
REFUSED_STEPS = [
    ("pending", "ours", "activate", 403, "wrong_role"),
    ("pending", "theirs", "reactivate", 403, "wrong_role"),
    ("pending", "ours", "reactivate", 409, "wrong_status"),
    ("active", "ours", "activate", 403, "wrong_role"),
    ("active", "theirs", "activate", 409, "wrong_status"),
    ("active", "ours", "reactivate", 409, "wrong_status"),
    ("inactive", "theirs", "activate", 409, "wrong_status"),
    ("inactive", "ours", "deactivate", 409, "wrong_status"),
    ("inactive", "theirs", "reactivate", 403, "wrong_role"),
    ("pending", "stranger", "activate", 404, "connection_not_found"),
    ("active", "stranger", "deactivate", 404, "connection_not_found"),
]


def create(
    by: Actor = OUR_KEY,
    destination: str = "org_DEF456",
    *,
    name: str | None = "Partner Connection",
    allow_self: bool = False,
) -> Change:
    """The guide's Connection, or one like it, at `T0`."""
    return Connection.create(
        by=by, destination=destination, name=name, allow_self=allow_self, id="cxn_ABC123", at=T0
    )


def take(connection: Connection, action: Action, by: Actor, at: datetime | None = None) -> Change:
    """Call the Connection's command for this action."""
    commands = {
        Action.ACTIVATE: connection.activate,
        Action.DEACTIVATE: connection.deactivate,
        Action.REACTIVATE: connection.reactivate,
    }
    return commands[action](by=by, at=at)


def connection_in(status: Status, *, to_self: bool = False) -> Connection:
    """A Connection that reached `status` by the rules; on request, a self-connection."""
    source = OUR_KEY
    destination = Actor(id="usr_Own", organization_id="org_ABC123") if to_self else PARTNER
    connection, _ = create(source, destination.organization_id, allow_self=to_self)
    if status is Status.ACTIVE:
        connection, _ = connection.activate(by=destination, at=T0 + timedelta(seconds=1))
    if status is Status.INACTIVE:
        connection, _ = connection.deactivate(by=source, at=T0 + timedelta(seconds=1))
    return connection


def actor_with(roles: frozenset[Role]) -> Actor:
    """Somebody who holds exactly these roles in a Connection of `connection_in`."""
    return {
        frozenset(): STRANGER,
        frozenset({Role.SOURCE}): OUR_KEY,
        frozenset({Role.DESTINATION}): PARTNER,
        frozenset(Role): OUR_KEY,
    }[roles]


def outside_data() -> dict[str, Any]:
    """A Connection as it comes from a database or from JSON."""
    return {
        "id": "cxn_ABC123",
        "source_organization_id": "org_ABC123",
        "destination_organization_id": "org_DEF456",
        "name": None,
        "status": "active",
        "scopes": ["inquiry.read"],
        "creator": {"id": "api_ABC123", "organization_id": "org_ABC123"},
        "created_at": "2026-01-02T03:04:05.000Z",
        "updated_at": "2026-01-02T03:04:05.001Z",
        "version": 2,
    }


class EqualClass(type):
    """A class of classes that are equal to every class."""

    def __eq__(cls, other: object) -> bool:
        return True

    def __hash__(cls) -> int:
        return hash(str)


@dataclass
class Row:
    """A row of a service's own table: no methods, and the status as a plain string."""

    source_organization_id: str
    destination_organization_id: str
    status: str
    scopes: list[str] = field(default_factory=lambda: sorted(DEFAULT_SCOPES))

    @classmethod
    def of(cls, connection: Connection) -> "Row":
        """The row of a Connection."""
        return cls(
            str(connection.source_organization_id),
            str(connection.destination_organization_id),
            str(connection.status.value),
            sorted(connection.scopes),
        )


class _WithoutCount:
    """What a store has, but for `count`."""

    def __init__(self, store: ConnectionStore) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        if name == "count":
            raise AttributeError(name)
        return getattr(self._store, name)


def without_count(store: ConnectionStore) -> ConnectionStore:
    """A store with the methods of the port only."""
    return cast("ConnectionStore", _WithoutCount(store))


def without_address(value: object) -> str:
    """The `repr` of a value without its address: a test id that is the same in every process."""
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))


# --- Strategies ----------------------------------------------------------------------------------

ORGANIZATIONS = ("org_A", "org_B", "org_a")  # two that differ only by case
ACTORS = [
    Actor(id=f"{prefix}{index}", organization_id=organization)
    for index, organization in enumerate(ORGANIZATIONS)
    for prefix in ("usr_", "api_")
]
actors = st.sampled_from(ACTORS)
scope_names = st.sampled_from(
    [Scope(name) for name in ("inquiry.read", "account.read", "inquiry.write", "x-1.y_2")]
)
scope_sets = st.frozensets(scope_names, min_size=1)
times = strategies.times(normalized=False)

#: Histories of these organizations' Connections, self-connections included, by these actors.
histories = partial(strategies.histories, actors=ACTORS, allow_self=True, clock=times)
connections = strategies.connections(actors=ACTORS, allow_self=True, clock=times)


def reader_of(connection: Connection) -> Actor:
    """Somebody who acts for the destination."""
    return next(actor for actor in ACTORS if Role.DESTINATION in roles_of(actor, connection))
