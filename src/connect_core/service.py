"""The service: the rules, applied to a store.

Request handlers call `ConnectionService`. It states no rule of its own: each command reads the
Connection, takes the step (`connect_core.Connection`), and hands the result to the store. It adds
what needs a store:

- *once* per ordered pair: the store refuses a second Connection, and the policy words the refusal;
- visibility: an outsider gets `ConnectionNotFoundError`, as if the Connection did not exist;
- concurrency: a change is kept only if nobody else has changed the Connection since it was read;
- pages, newest first, that neither skip nor repeat Connections;
- idempotency keys: a request that is sent again gets its first answer again.

`ConnectionStore` (`connect_core.store`) is the interface of a store. `InMemoryStore`
(`connect_core.memory`) is the reference, and good for tests; `connect_core.adapters.sql` has the
store for databases.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from connect_core.connection import Change, Connection, replay
from connect_core.decision import Decision, minds_version
from connect_core.errors import (
    ConnectError,
    ConnectionNotFoundError,
    DuplicateConnectionError,
    InvalidRecordError,
    StaleConnectionError,
)
from connect_core.history import ConnectionEvent, Terms, utc_now
from connect_core.idempotency import once
from connect_core.identifiers import ConnectionId, IdempotencyKey
from connect_core.lifecycle import Action
from connect_core.parties import Actor, Organization, roles_of
from connect_core.policy import (
    authorize_access,
    authorize_create,
    decide,
    decide_create,
)
from connect_core.scopes import DEFAULT_SCOPES
from connect_core.store import (
    ConnectionStore,
    Position,
    Selection,
    selection_for,
    verified_history,
)

#: The most Connections on one page.
MAX_PAGE_SIZE: Final = 100


class Page(NamedTuple):
    """One page of a list of Connections, newest first.

    Attributes:
        connections: the Connections, at most as many as were asked for.
        prev: pass this as `before` to get the page before; None at the beginning.
        next: pass this as `after` to get the page after; None at the end.
    """

    connections: tuple[Connection, ...]
    prev: ConnectionId | None
    next: ConnectionId | None


class ConnectionService:
    """The commands and questions of `connect_core` for a request handler, applied to a store.

    It holds no state of its own: make one per request, or one for all.

    Every command takes an `idempotency_key`, 1 to 255 printable ASCII characters, chosen by the
    client. An organization's first request with a key is carried out, and its outcome is kept, even
    if it is a refusal. The same request with the same key gets the same outcome and changes
    nothing; another request with that key raises `IdempotencyKeyReusedError`. Invalid arguments and
    store failures are not kept. Nor is the lost race of a request without a version, which can be
    sent again. A refusal is kept in the store's transaction: if you roll that back because of the
    refusal, nothing is kept.

    Args:
        store: where Connections are kept.
        clock: gives the current time, aware; the system's clock in UTC if omitted.
        new_id: gives a new Connection's id; `ConnectionId.mint` if omitted.
    """

    def __init__(
        self,
        store: ConnectionStore,
        *,
        clock: Callable[[], datetime] = utc_now,
        new_id: Callable[[], str] = ConnectionId.mint,
    ) -> None:
        self._store = store
        self._clock = clock
        self._new_id = new_id

    # --- Commands ---

    def create(
        self,
        *,
        by: Actor,
        destination: str | Organization,
        name: str | None = None,
        scopes: Iterable[str] = DEFAULT_SCOPES,
        allow_self: bool = False,
        idempotency_key: str | None = None,
    ) -> Change:
        """Offer to share: the rules *create*, *once*, *self* and *scopes*. It becomes pending.

        Args:
            by: who creates it. Their organization is the source.
            destination: the organization to share with.
            name: for people; at most 255 characters.
            scopes: what to share; `DEFAULT_SCOPES` if omitted.
            allow_self: permit the destination to be the source, for sandboxes.
            idempotency_key: names this request, so that it can be repeated safely.

        Raises:
            DuplicateConnectionError: there is one for this ordered pair already, whatever its
                status. The error names it, and advises to reactivate it if it is inactive.
            SelfConnectionError: both are the same organization, without `allow_self`.
            IdempotencyKeyReusedError: the key was used for another request before.
            ValueError: the id from `new_id` is taken, or `idempotency_key` is not valid.
            pydantic.ValidationError: another argument is not valid; all of them are listed.
        """
        terms = Terms.model_validate(
            {
                "source_organization_id": by.organization_id,
                "destination_organization_id": destination,
                "name": name,
                "scopes": scopes,
            }
        )
        request = {
            "action": Action.CREATE.value,
            "terms": terms.as_dict(),
            "allow_self": allow_self,
        }
        return self._once(
            idempotency_key, by, request, lambda: self._create(by, terms, allow_self=allow_self)
        )

    def activate(
        self,
        connection_id: str,
        *,
        by: Actor,
        expected_version: int | None = None,
        idempotency_key: str | None = None,
    ) -> Change:
        """Accept the offer: the rule *activate*. Pending becomes active.

        Args:
            connection_id: which Connection.
            by: who activates it; must act for the destination.
            expected_version: the version that the caller has seen and decided on. Without it, a
                late acceptance may accept a later offer than the one it was meant for.
            idempotency_key: names this request, so that it can be repeated safely.

        Raises:
            ConnectionNotFoundError: there is none, or `by` acts for neither organization.
            ForbiddenTransitionError: `by` acts for the source alone.
            StaleConnectionError: the Connection has another version, or changed during the call.
            InvalidTransitionError: the Connection is not pending.
            IdempotencyKeyReusedError: the key was used for another request before.
        """
        return self._take(Action.ACTIVATE, connection_id, by, expected_version, idempotency_key)

    def deactivate(
        self,
        connection_id: str,
        *,
        by: Actor,
        expected_version: int | None = None,
        idempotency_key: str | None = None,
    ) -> Change:
        """Withdraw: the rule *deactivate*. Pending or active becomes inactive.

        Args:
            connection_id: which Connection.
            by: who deactivates it; must act for the source or the destination.
            expected_version: the version that the caller has seen and decided on.
            idempotency_key: names this request, so that it can be repeated safely.

        Raises:
            ConnectionNotFoundError: there is none, or `by` acts for neither organization.
            StaleConnectionError: the Connection has another version, or changed during the call.
            InvalidTransitionError: the Connection is inactive already.
            IdempotencyKeyReusedError: the key was used for another request before.
        """
        return self._take(Action.DEACTIVATE, connection_id, by, expected_version, idempotency_key)

    def reactivate(
        self,
        connection_id: str,
        *,
        by: Actor,
        expected_version: int | None = None,
        idempotency_key: str | None = None,
    ) -> Change:
        """Offer again: the rule *reactivate*. Inactive becomes pending, whoever deactivated it.

        Args:
            connection_id: which Connection.
            by: who reactivates it; must act for the source.
            expected_version: the version that the caller has seen and decided on.
            idempotency_key: names this request, so that it can be repeated safely.

        Raises:
            ConnectionNotFoundError: there is none, or `by` acts for neither organization.
            ForbiddenTransitionError: `by` acts for the destination alone.
            StaleConnectionError: the Connection has another version, or changed during the call.
            InvalidTransitionError: the Connection is not inactive.
            IdempotencyKeyReusedError: the key was used for another request before.
        """
        return self._take(Action.REACTIVATE, connection_id, by, expected_version, idempotency_key)

    # --- Questions ---

    def get(self, connection_id: str, *, by: Actor) -> Connection:
        """The Connection as it is now.

        Raises:
            ConnectionNotFoundError: there is none, or `by` acts for neither organization. The two
                cannot be told apart.
        """
        try:
            connection = self._store.get(ConnectionId(connection_id))
        except ValueError:  # no Connection has such an id
            connection = None
        if connection is None or not roles_of(by, connection):
            raise ConnectionNotFoundError(connection_id)
        return connection

    def list(
        self,
        *,
        by: Actor,
        status: str | None = None,
        destination: str | Organization | None = None,
        direction: str | None = None,
        actionable: str | None = None,
        after: str | None = None,
        before: str | None = None,
        limit: int = 10,
    ) -> Page:
        """A page of the Connections of the caller's organization, newest first.

        The order is (created at, id): pages neither skip nor repeat Connections, even if some were
        created in the same millisecond, or are created while somebody turns the pages.

        Args:
            by: who asks.
            status: only Connections with this `Status`.
            destination: only Connections to this organization.
            direction: only Connections in this `Direction`, seen from the caller's organization.
            actionable: only Connections on which the caller may take this `Action` now.
            after: the id of a Connection; the page begins after it.
            before: the id of a Connection; the page ends before it. Not with `after`.
            limit: how many, 1 to 100.

        Raises:
            ConnectionNotFoundError: there is no Connection `after` or `before`, or none that `by`
                may know of.
            ValueError: another argument is not valid.
        """
        if type(limit) is not int or not 1 <= limit <= MAX_PAGE_SIZE:
            raise ValueError(f"limit is {limit}; a page has 1 to {MAX_PAGE_SIZE} Connections")
        if after is not None and before is not None:
            raise ValueError("give after or before, not both")
        selection = selection_for(by, status, destination, direction, actionable)
        cursor = after if before is None else before
        beyond = None if cursor is None else Position.of(self.get(cursor, by=by))
        newest_first = before is None
        found = self._page(selection, beyond, newest_first, limit + 1)
        page, more = found[:limit], len(found) > limit
        if not page:
            return Page((), None, None)
        # Ask what lies behind the cursor: its Connection may have left the selection.
        start = Position.of(page[0])
        behind = cursor is not None and bool(self._page(selection, start, not newest_first, 1))
        if not newest_first:
            page, more, behind = page[::-1], behind, more
        return Page(page, page[0].id if behind else None, page[-1].id if more else None)

    def history(self, connection_id: str, *, by: Actor) -> tuple[ConnectionEvent, ...]:
        """The events of a Connection, oldest first: one for each version.

        They are replayed, and must lead to the stored Connection.

        Raises:
            ConnectionNotFoundError: there is none, or `by` acts for neither organization.
            InvalidRecordError: the stored events do not lead to the stored Connection.
        """
        connection = self.get(connection_id, by=by)
        return verified_history(connection, self._store.history(connection.id))

    def authorize_access(self, connection_id: str, scope: str, *, by: Actor) -> Decision:
        """The `Decision` that permits `by` to read data of `scope` now: the rule *share*.

        It reads the current status: ask when the data is read.

        Raises:
            ConnectionNotFoundError: there is none, or `by` acts for neither organization.
            AccessDeniedError: the data may not be read; the error has every reason.
        """
        return authorize_access(by, scope, self.get(connection_id, by=by))

    def forget_idempotency_keys(self, older_than: timedelta) -> int:
        """Delete the outcomes of requests that were made longer ago than this; return how many.

        A request that is repeated later than that is carried out anew. Keep outcomes for at least
        as long as your clients repeat requests; a day is usual.

        Raises:
            ValueError: `older_than` is negative.
        """
        if older_than < timedelta(0):
            raise ValueError("older_than is an age, and cannot be negative")
        return self._store.forget(self._clock() - older_than)

    # --- Steps, pages and outcomes ---

    def _create(self, by: Actor, terms: Terms, *, allow_self: bool) -> Change:
        source, destination = terms.source_organization_id, terms.destination_organization_id

        def require_none() -> None:
            authorize_create(
                by,
                source=source,
                destination=destination,
                existing=self._store.find(source, destination),
                allow_self=allow_self,
            )

        require_none()
        change = Connection.create(
            by=by,
            destination=destination,
            name=terms.name,
            scopes=terms.scopes,
            allow_self=allow_self,
            id=self._new_id(),
            at=self._clock(),
        )
        if not self._store.add(change):
            require_none()
            if self._store.get(change.connection.id) is not None:
                raise ValueError(f"{change.connection.id} is taken; new_id must give new ids")
            raise _unseen_duplicate(by, change.connection)
        return change

    def _take(
        self,
        action: Action,
        connection_id: str,
        by: Actor,
        expected_version: int | None,
        idempotency_key: str | None,
    ) -> Change:
        def step() -> Change:
            connection = self.get(connection_id, by=by)
            if (
                expected_version is not None
                and expected_version != connection.version
                and minds_version(decide(by, action, connection))
            ):
                raise StaleConnectionError(expected_version, connection.version, connection.id)
            change = connection.take(action, by=by, at=self._clock())
            if not self._store.save(change):
                raise self._overtaken(connection)
            return change

        request = {
            "action": action.value,
            "connection_id": connection_id,
            "expected_version": expected_version,
        }
        return self._once(idempotency_key, by, request, step)

    def _overtaken(self, connection: Connection) -> StaleConnectionError:
        """The error for a lost race: somebody changed the Connection meanwhile."""
        now = self._store.get(connection.id)
        return StaleConnectionError(
            connection.version, None if now is None else now.version, connection.id
        )

    def _page(
        self, selection: Selection, beyond: Position | None, newest_first: bool, limit: int
    ) -> tuple[Connection, ...]:
        if not selection.standings:
            return ()
        found = self._store.page(selection, beyond=beyond, newest_first=newest_first, limit=limit)
        return tuple(found)

    def _once(
        self,
        idempotency_key: str | None,
        by: Actor,
        request: Mapping[str, object],
        perform: Callable[[], Change],
    ) -> Change:
        """Carry out a request; if it has been carried out before, repeat its outcome."""
        if idempotency_key is None:
            return perform()
        outcome = once(
            self._store,
            by.organization_id,
            IdempotencyKey(idempotency_key),
            request,
            perform,
            self._clock,
        )
        if isinstance(outcome, ConnectError):
            raise outcome
        return self._change(*outcome)

    def _change(self, connection_id: ConnectionId, version: int) -> Change:
        """The change that led to this version of a Connection."""
        connection = self._store.get(connection_id)
        events: tuple[ConnectionEvent, ...] = ()
        if connection is not None:
            events = verified_history(connection, self._store.history(connection_id))
        if not 1 <= version <= len(events):
            raise InvalidRecordError(
                f"the history of {connection_id}", f"it has no event {version}"
            )
        return Change(replay(events[:version]), events[version - 1])


class _Unseen(NamedTuple):
    """A Connection that exists, but that this transaction cannot see."""

    source_organization_id: str
    destination_organization_id: str
    status: str = "unseen"


def _unseen_duplicate(by: Actor, connection: Connection) -> DuplicateConnectionError:
    """The refusal because of another transaction's Connection, which this one cannot see."""
    source, destination = connection.source_organization_id, connection.destination_organization_id
    existing = _Unseen(source, destination)
    decision = decide_create(
        by, source=source, destination=destination, existing=existing, allow_self=True
    )
    return DuplicateConnectionError(decision)
