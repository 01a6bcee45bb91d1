"""A host that runs the service: its clock, its ids, and a transaction for each request."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

from clocks import Clock
from databases import Backend
from support import OUR_KEY, PARTNER, STRANGER, T0

from connect_core import (
    Actor,
    Change,
    ConnectError,
    Connection,
    ConnectionNotFoundError,
    ConnectionService,
    ConnectionStore,
    ForbiddenTransitionError,
    InMemoryStore,
    InvalidTransitionError,
    Status,
)

OUR_COLLEAGUE = Actor(id="usr_Other", organization_id=OUR_KEY.organization_id)
THEIRS = PARTNER.organization_id


class Host:
    """Runs each request in a transaction of its own, and commits it.

    It catches refusals inside the transaction, so it commits after a refusal too.
    """

    def __init__(self, stored: Backend) -> None:
        self.stored = stored
        self.clock = Clock(T0)
        self.minted = 0

    def new_id(self) -> str:
        self.minted += 1
        return f"cxn_{self.minted}"

    @contextmanager
    def service(self) -> Generator[ConnectionService]:
        with self.stored.service(self.clock, self.new_id) as service:
            yield service

    def asks(self, question: str, *arguments: Any, **named: Any) -> Any:
        """Call the service; return its answer, or the refusal that it raised."""
        with self.service() as service:
            try:
                return getattr(service, question)(*arguments, **named)
            except ConnectError as refusal:
                return refusal

    def create(self, by: Actor = OUR_KEY, to: str = "org_DEF456", **named: Any) -> Connection:
        """A new Connection."""
        change = self.asks("create", by=by, destination=to, **named)
        assert isinstance(change, Change), change
        return change.connection

    def brings_to(self, status: Status, connection: Connection) -> Connection:
        """The Connection, taken from pending to this status by its parties."""
        steps = {
            Status.PENDING: (),
            Status.ACTIVE: (("activate", PARTNER),),
            Status.INACTIVE: (("deactivate", OUR_KEY),),
        }
        for action, actor in steps[status]:
            connection, _ = self.asks(action, connection.id, by=actor)
        return connection

    def events(self, connection: Connection) -> int:
        """How many events the Connection has."""
        with self.stored.store() as store:
            return len(store.history(connection.id))


REFUSED: list[tuple[str, Actor, Status, type[ConnectError]]] = [
    ("activate", OUR_KEY, Status.PENDING, ForbiddenTransitionError),
    ("activate", PARTNER, Status.ACTIVE, InvalidTransitionError),
    ("activate", PARTNER, Status.INACTIVE, InvalidTransitionError),
    ("deactivate", OUR_KEY, Status.INACTIVE, InvalidTransitionError),
    ("deactivate", PARTNER, Status.INACTIVE, InvalidTransitionError),
    ("reactivate", OUR_KEY, Status.PENDING, InvalidTransitionError),
    ("reactivate", OUR_KEY, Status.ACTIVE, InvalidTransitionError),
    ("reactivate", PARTNER, Status.INACTIVE, ForbiddenTransitionError),
]
OUTSIDE: list[tuple[str, Actor, Status, type[ConnectError]]] = [
    (action, STRANGER, status, ConnectionNotFoundError)
    for action in ("activate", "deactivate", "reactivate")
    for status in Status
]


class Overtaken(InMemoryStore):
    """A store in which another request always writes first."""

    def __init__(self, meanwhile: Callable[[ConnectionStore], object]) -> None:
        super().__init__()
        self.meanwhile = meanwhile

    def save(self, change: Change) -> bool:
        self.meanwhile(super())  # type: ignore[arg-type]  # a store, as it was before this class
        return super().save(change)
