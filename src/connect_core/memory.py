"""The reference store: Connections in the memory of one process.

Use it for tests and sandboxes, and to compare other stores with it. Nothing outlives the process.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from heapq import nlargest, nsmallest
from itertools import islice
from threading import RLock

from connect_core.connection import Change, Connection
from connect_core.errors import InvalidRecordError
from connect_core.history import ConnectionEvent
from connect_core.identifiers import ConnectionId, IdempotencyKey, OrganizationId
from connect_core.store import IdempotencyRecord, Position, Selection


class InMemoryStore:
    """A `ConnectionStore` in this process's memory. Threads may share it."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._connections: dict[ConnectionId, Connection] = {}
        self._ids: dict[tuple[OrganizationId, OrganizationId], ConnectionId] = {}
        self._events: dict[ConnectionId, list[ConnectionEvent]] = {}
        self._records: dict[tuple[OrganizationId, IdempotencyKey], IdempotencyRecord] = {}

    def add(self, change: Change) -> bool:
        """See `ConnectionStore.add`."""
        connection, event = change
        pair = connection.source_organization_id, connection.destination_organization_id
        with self._lock:
            if pair in self._ids or connection.id in self._connections:
                return False
            self._ids[pair] = connection.id
            self._connections[connection.id] = connection
            self._events[connection.id] = [event]
            return True

    def save(self, change: Change) -> bool:
        """See `ConnectionStore.save`."""
        connection, event = change
        with self._lock:
            kept = self._connections.get(connection.id)
            if kept is None or kept.version != connection.version - 1:
                return False
            self._connections[connection.id] = connection
            self._events[connection.id].append(event)
            return True

    def get(self, connection_id: ConnectionId) -> Connection | None:
        """See `ConnectionStore.get`."""
        with self._lock:
            return self._connections.get(connection_id)

    def find(self, source: OrganizationId, destination: OrganizationId) -> Connection | None:
        """See `ConnectionStore.find`."""
        with self._lock:
            connection_id = self._ids.get((source, destination))
            return None if connection_id is None else self._connections[connection_id]

    def page(
        self, selection: Selection, *, beyond: Position | None, newest_first: bool, limit: int
    ) -> Sequence[Connection | InvalidRecordError]:
        """See `ConnectionStore.page`."""
        with self._lock:
            found = list(filter(selection.admits, self._connections.values()))
        if beyond is not None and newest_first:
            found = [connection for connection in found if Position.of(connection) < beyond]
        elif beyond is not None:
            found = [connection for connection in found if Position.of(connection) > beyond]
        first = nlargest if newest_first else nsmallest
        return first(limit, found, key=Position.of)

    def count(self, selection: Selection, most: int) -> int:
        """How many Connections are selected, counting no further than `most`."""
        with self._lock:
            selected = filter(selection.admits, self._connections.values())
            return sum(1 for _ in islice(selected, most))

    def history(self, connection_id: ConnectionId) -> Sequence[ConnectionEvent]:
        """See `ConnectionStore.history`."""
        with self._lock:
            return tuple(self._events.get(connection_id, ()))

    def event(self, connection_id: ConnectionId, version: int) -> ConnectionEvent | None:
        """See `ConnectionStore.event`."""
        with self._lock:
            events = self._events.get(connection_id, ())
            return events[version - 1] if 1 <= version <= len(events) else None

    def once(
        self,
        organization_id: OrganizationId,
        key: IdempotencyKey,
        attempt: Callable[[], IdempotencyRecord],
    ) -> IdempotencyRecord:
        """See `ConnectionStore.once`."""
        with self._lock:
            if (organization_id, key) not in self._records:
                self._records[organization_id, key] = attempt()
            return self._records[organization_id, key]

    def forget(self, before: datetime) -> int:
        """See `ConnectionStore.forget`."""
        with self._lock:
            kept = {key: each for key, each in self._records.items() if each.created_at >= before}
            forgotten = len(self._records) - len(kept)
            self._records = kept
            return forgotten
