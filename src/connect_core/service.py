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

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import NoReturn, Unpack

from connect_core import arguments, commands
from connect_core.connection import Change, Connection
from connect_core.decision import Decision
from connect_core.errors import ConnectionNotFoundError, InvalidDocumentError
from connect_core.history import MAX_VERSION, ConnectionEvent, Terms, utc_now
from connect_core.idempotency import once
from connect_core.identifiers import ConnectionId
from connect_core.lifecycle import Action
from connect_core.paging import MAX_COUNT, MAX_PAGE_SIZE, Page, count_of, page_of
from connect_core.parties import Actor, Organization, roles_of
from connect_core.policy import authorize_access
from connect_core.scopes import DEFAULT_SCOPES
from connect_core.store import ConnectionStore, Filters, selection_for, verified_history


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
        self._store = arguments.store(store, "store", ConnectionStore)
        self._clock = arguments.function(clock, "clock")
        self._new_id = arguments.function(new_id, "new_id")

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
        by = arguments.actor(by, "by")
        allow_self = arguments.flag(allow_self, "allow_self")
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

        def perform() -> Change:
            return commands.create(
                self._store, by, terms, allow_self=allow_self, new_id=self._new_id, clock=self._now
            )

        return self._once(idempotency_key, by, request, perform)

    def activate(
        self,
        connection_id: str,
        *,
        by: Actor,
        expected_version: int | None = None,
        idempotency_key: str | None = None,
    ) -> Change:
        """Accept the offer: the rule *activate*. Pending becomes active.

        It takes the arguments of `take`, and raises the same errors. Give `expected_version`:
        without it, a late acceptance may accept a later offer than the one it was meant for.

        Raises:
            ForbiddenTransitionError: `by` acts for the source alone.
            InvalidTransitionError: the Connection is not pending.
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

        It takes the arguments of `take`, and raises the same errors. Either party may.

        Raises:
            InvalidTransitionError: the Connection is inactive already.
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

        It takes the arguments of `take`, and raises the same errors.

        Raises:
            ForbiddenTransitionError: `by` acts for the destination alone.
            InvalidTransitionError: the Connection is not inactive.
        """
        return self._take(Action.REACTIVATE, connection_id, by, expected_version, idempotency_key)

    def take(
        self,
        action: str,
        connection_id: str,
        *,
        by: Actor,
        expected_version: int | None = None,
        idempotency_key: str | None = None,
    ) -> Change:
        """Take `action`: what `activate`, `deactivate` and `reactivate` do.

        Args:
            action: an `Action`. Create is always refused: the Connection exists.
            connection_id: which Connection.
            by: who takes it.
            expected_version: the version that the caller has seen and decided on.
            idempotency_key: names this request, so that it can be repeated safely.

        Raises:
            ConnectionNotFoundError: there is none, or `by` acts for neither organization.
            StaleConnectionError: the Connection has another version, or changed during the call.
            TransitionError: the action is refused, as for the action's own method.
            DuplicateConnectionError: `action` is create, and `by` acts for the source.
            IdempotencyKeyReusedError: the key was used for another request before.
            TypeError: an argument has the wrong type.
            ValueError: there is no such action, or another argument is not valid.
        """
        return self._take(action, connection_id, by, expected_version, idempotency_key)

    def refuse(
        self,
        error: InvalidDocumentError,
        *,
        by: Actor,
        request: Mapping[str, object],
        idempotency_key: str | None,
    ) -> Change:
        """Raise the refusal of a document, and keep it for the key like every other refusal.

        It never returns, but has the type of a command, which it stands for.

        Args:
            error: why the document is refused.
            by: who sent it.
            request: identifies the request, in plain JSON values.
            idempotency_key: names the request; None to keep nothing.

        Raises:
            InvalidDocumentError: `error`, or the equal one that is kept.
            IdempotencyKeyReusedError: the key was used for another request before.
        """
        by = arguments.actor(by, "by")
        return self._once(idempotency_key, by, {"refused": dict(request)}, partial(_raise, error))

    # --- Questions ---

    def get(self, connection_id: str, *, by: Actor) -> Connection:
        """The Connection as it is now.

        Raises:
            ConnectionNotFoundError: there is none, or `by` acts for neither organization. The two
                cannot be told apart.
        """
        return self._visible(
            arguments.text(connection_id, "connection_id"), arguments.actor(by, "by")
        )

    def find(
        self,
        *,
        by: Actor,
        source: str | Organization | None = None,
        destination: str | Organization | None = None,
    ) -> Connection | None:
        """The Connection with another organization as it is now, or None.

        Args:
            by: who asks. Their organization is the other party.
            source: the Connection from this organization.
            destination: the Connection to this organization.

        Raises:
            TypeError: an argument has the wrong type.
            ValueError: an argument is not valid, or neither `source` nor `destination` is given.
        """
        by = arguments.actor(by, "by")
        if source is None and destination is None:
            raise ValueError("give source, destination or both: there may be a Connection each way")
        ours = by.organization_id
        pair = (
            ours if source is None else arguments.organization_id(source, "source"),
            ours if destination is None else arguments.organization_id(destination, "destination"),
        )
        return self._store.find(*pair) if ours in pair else None

    def list(
        self,
        *,
        by: Actor,
        status: str | None = None,
        source: str | Organization | None = None,
        destination: str | Organization | None = None,
        direction: str | None = None,
        actionable: str | None = None,
        name: str | None = None,
        partners: Collection[str | Organization] | None = None,
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
            source: only Connections from this organization.
            destination: only Connections to this organization.
            direction: only Connections in this `Direction`, seen from the caller's organization.
            actionable: only Connections on which the caller may take this `Action` now.
            name: only Connections with this text in their names, ignoring the case of A to Z.
            partners: only Connections with one of these organizations, at most 100; with `name`,
                Connections that match either.
            after: the id of a Connection; the page begins after it.
            before: the id of a Connection; the page ends before it. Not with `after`.
            limit: how many, 1 to 100.

        Raises:
            ConnectionNotFoundError: there is no Connection `after` or `before`, or none that `by`
                may know of.
            ValueError: another argument is not valid.
        """
        by = arguments.actor(by, "by")
        arguments.number(limit, "limit", 1, MAX_PAGE_SIZE)
        if after is not None and before is not None:
            raise ValueError("give after or before, not both")
        selection = selection_for(
            by,
            status=status,
            source=source,
            destination=destination,
            direction=direction,
            actionable=actionable,
            name=name,
            partners=partners,
        )
        cursor, argument = (after, "after") if before is None else (before, "before")
        beyond = None if cursor is None else self._visible(arguments.text(cursor, argument), by)
        return page_of(self._store, selection, beyond, newest_first=before is None, limit=limit)

    def count(self, *, by: Actor, most: int = 100, **filters: Unpack[Filters]) -> int:
        """How many Connections `list` gives with these filters, counting no further than `most`.

        It costs the same however many there are, unless a name or partners are looked for.

        Raises:
            ValueError: an argument is not valid; `most` is 1 to 1000.
        """
        by = arguments.actor(by, "by")
        arguments.number(most, "most", 1, MAX_COUNT)
        return count_of(self._store, selection_for(by, **filters), most)

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
        scope = arguments.text(scope, "scope")
        return authorize_access(by, scope, self.get(connection_id, by=by))

    def forget_idempotency_keys(self, older_than: timedelta) -> int:
        """Delete the outcomes of requests that were made longer ago than this; return how many.

        A request that is repeated later than that is carried out anew. Keep outcomes for at least
        as long as your clients repeat requests; a day is usual.

        Raises:
            TypeError: `older_than` is not a `timedelta`.
            ValueError: `older_than` is negative.
        """
        if arguments.instance(timedelta, older_than, "older_than") < timedelta(0):
            raise ValueError("older_than is an age, and cannot be negative")
        try:
            return self._store.forget(arguments.moment(self._clock() - older_than, "clock()"))
        except OverflowError:  # nothing is that old
            return 0

    # --- Steps and outcomes ---

    def _visible(self, connection_id: str, by: Actor) -> Connection:
        """The Connection, if there is one that `by` may know of."""
        connection = None
        if _is_id(connection_id):
            connection = self._store.get(ConnectionId(connection_id))
        if connection is None or not roles_of(by, connection):
            raise ConnectionNotFoundError(connection_id)
        return connection

    def _now(self) -> datetime:
        return arguments.moment(self._clock(), "clock()")

    def _take(
        self,
        action: str,
        connection_id: str,
        by: Actor,
        expected_version: int | None,
        idempotency_key: str | None,
    ) -> Change:
        """Check the arguments, and take the action unless the key's outcome is known."""
        step = arguments.member(Action, action, "action")
        which = arguments.text(connection_id, "connection_id")
        by = arguments.actor(by, "by")
        if expected_version is not None:
            arguments.number(expected_version, "expected_version", -MAX_VERSION, MAX_VERSION)

        if not _is_id(which):  # text of any length, of which nothing is kept
            raise ConnectionNotFoundError(which)

        def perform() -> Change:
            connection = self._visible(which, by)
            return commands.take(self._store, connection, step, by, expected_version, self._now)

        request = {
            "action": step.value,
            "connection_id": which,
            "expected_version": expected_version,
        }
        return self._once(idempotency_key, by, request, perform)

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
        key = arguments.idempotency_key(idempotency_key)
        return once(self._store, by.organization_id, key, request, perform, self._now)


def _is_id(text: str) -> bool:
    """Whether a Connection can have this id."""
    try:
        return bool(ConnectionId(text))
    except ValueError:
        return False


def _raise(error: InvalidDocumentError) -> NoReturn:
    raise error
