"""The commands, applied to a store: each reads, takes the step, and hands the result to the store.

They state no rule, and keep no outcome for an idempotency key: `connect_core.service` calls them.
"""

from collections.abc import Callable
from datetime import datetime

from connect_core.connection import Change, Connection
from connect_core.decision import minds_version
from connect_core.errors import StaleConnectionError
from connect_core.history import Terms
from connect_core.lifecycle import Action
from connect_core.parties import Actor
from connect_core.policy import authorize_create, decide
from connect_core.store import ConnectionStore, unseen_duplicate


def create(
    store: ConnectionStore,
    by: Actor,
    terms: Terms,
    *,
    allow_self: bool,
    new_id: Callable[[], str],
    clock: Callable[[], datetime],
) -> Change:
    """Create a Connection, if there is none for the ordered pair.

    Args:
        store: where Connections are kept.
        by: who creates it.
        terms: what is offered; the source is the organization of `by`.
        allow_self: permit the destination to be the source.
        new_id: gives the Connection's id.
        clock: gives the current time.

    Raises:
        DuplicateConnectionError: there is one for this ordered pair already.
        SelfConnectionError: both are the same organization, without `allow_self`.
        ValueError: the id from `new_id` is taken.
    """
    source, destination = terms.source_organization_id, terms.destination_organization_id

    def require_none() -> None:
        authorize_create(
            by,
            source=source,
            destination=destination,
            existing=store.find(source, destination),
            allow_self=allow_self,
        )

    require_none()
    change = Connection.create(
        by=by,
        destination=destination,
        name=terms.name,
        scopes=terms.scopes,
        allow_self=allow_self,
        id=new_id(),
        at=clock(),
    )
    if not store.add(change):
        require_none()
        if store.get(change.connection.id) is not None:
            raise ValueError(f"{change.connection.id} is taken; new_id must give new ids")
        raise unseen_duplicate(by, change.connection)
    return change


def take(
    store: ConnectionStore,
    connection: Connection,
    action: Action,
    by: Actor,
    expected_version: int | None,
    clock: Callable[[], datetime],
) -> Change:
    """Take an action on a Connection that was just read.

    Args:
        store: where it is kept.
        connection: the Connection as it was read.
        action: the action.
        by: who takes it.
        expected_version: the version that `by` has decided on; None for any.
        clock: gives the current time.

    Raises:
        StaleConnectionError: it has another version, or somebody changed it meanwhile.
        TransitionError: the action is refused.
    """
    if (
        expected_version is not None
        and expected_version != connection.version
        and minds_version(decide(by, action, connection))
    ):
        raise StaleConnectionError(expected_version, connection.version, connection.id)
    change = connection.take(action, by=by, at=clock())
    if not store.save(change):  # a lost race
        now = store.get(connection.id)
        actual = None if now is None else now.version
        raise StaleConnectionError(connection.version, actual, connection.id)
    return change
