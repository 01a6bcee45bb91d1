"""Idempotency: the outcome that is kept for a key, and how it is read again.

A fingerprint identifies a request. The outcome is either the change that the request made or the
refusal that it got, with the refusal's facts, so that the same request gets the same answer again.
Invalid arguments, store failures and lost races are not outcomes, and are not kept.

This module does not store outcomes: the store does (`connect_core.store`). It does not know what a
request does: the service does (`connect_core.service`).
"""

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

from connect_core.connection import Change, ReplayedChange
from connect_core.decision import Decision
from connect_core.errors import (
    ConnectError,
    ConnectionNotFoundError,
    DuplicateConnectionError,
    ForbiddenTransitionError,
    IdempotencyKeyReusedError,
    InvalidDocumentError,
    InvalidRecordError,
    InvalidTransitionError,
    Problem,
    SelfConnectionError,
    StaleConnectionError,
)
from connect_core.identifiers import ConnectionId, IdempotencyKey, OrganizationId
from connect_core.parties import Actor
from connect_core.store import ConnectionStore, IdempotencyRecord, step_taken


def once(
    store: ConnectionStore,
    organization_id: OrganizationId,
    key: IdempotencyKey,
    request: Mapping[str, object],
    perform: Callable[[], Change],
    clock: Callable[[], datetime],
) -> Change:
    """Carry out a request unless it was carried out before; its outcome is the same either way.

    Args:
        store: where outcomes are kept.
        organization_id: whose key it is.
        key: the key that came with the request.
        request: the request, as plain JSON values; equal requests are the same request.
        perform: carries out the request.
        clock: gives the current time, aware.

    Returns:
        The change that the request made; a `ReplayedChange` if it made it before.

    Raises:
        ConnectError: the refusal that the request got now, or before; then it is `replayed`.
        IdempotencyKeyReusedError: the key was used for another request before.
        InvalidRecordError: the stored outcome cannot be read.
        Exception: what `perform` raises, unless it is a refusal that is kept.
    """
    fingerprint = sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()
    attempted: tuple[IdempotencyRecord, Change | ConnectError] | None = None

    def attempt() -> IdempotencyRecord:
        nonlocal attempted
        outcome = _outcome(perform, keep_stale=request.get("expected_version") is not None)
        record = IdempotencyRecord(fingerprint, json.dumps(_plain(outcome)), clock())
        attempted = record, outcome
        return record

    record = store.once(organization_id, key, attempt)
    if attempted is not None and attempted[0] is record:  # and not that of another request
        return _told(attempted[1])
    if record.fingerprint != fingerprint:
        raise IdempotencyKeyReusedError(key)
    try:
        outcome = _read(json.loads(record.outcome))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        subject = f"the outcome of '{key}' for {organization_id}"
        raise InvalidRecordError(subject, f"it cannot be read ({error!r})") from error
    if isinstance(outcome, ConnectError):
        outcome.replayed = True
        raise outcome
    return _replayed(store, *outcome)


def _told(outcome: Change | ConnectError) -> Change:
    """The outcome of a request that was carried out now."""
    if isinstance(outcome, Change):
        return outcome
    raise outcome


def _replayed(store: ConnectionStore, connection_id: ConnectionId, version: int) -> ReplayedChange:
    """The change that led to this version of a Connection."""
    connection, event = store.get(connection_id), store.event(connection_id, version)
    if connection is None or event is None:
        raise InvalidRecordError(f"the history of {connection_id}", f"it has no event {version}")
    return ReplayedChange(*step_taken(connection, event))


#: The refusals that are kept for an idempotency key.
_REFUSALS: Final[dict[str, type[ConnectError]]] = {
    refusal.code: refusal
    for refusal in (
        ConnectionNotFoundError,
        DuplicateConnectionError,
        ForbiddenTransitionError,
        InvalidDocumentError,
        InvalidTransitionError,
        SelfConnectionError,
        StaleConnectionError,
    )
}


def _outcome(perform: Callable[[], Change], *, keep_stale: bool) -> Change | ConnectError:
    """The change that a request made, or the refusal that is kept."""
    try:
        return perform()
    except tuple(_REFUSALS.values()) as refusal:
        if isinstance(refusal, StaleConnectionError) and not keep_stale:
            raise  # a lost race, in which nothing was decided
        return refusal


def _plain(outcome: Change | ConnectError) -> dict[str, object]:
    """An outcome as plain JSON values."""
    if isinstance(outcome, Change):
        return {"connection_id": str(outcome.connection.id), "version": outcome.event.version}
    facts = {name: _plain_fact(fact) for name, fact in vars(outcome).items()}
    return {"code": outcome.code, "facts": facts}


def _plain_fact(fact: object) -> object:
    if isinstance(fact, Decision):
        return fact.as_dict()
    return fact.model_dump(mode="json") if isinstance(fact, Actor) else fact


def _read(outcome: dict[str, Any]) -> ConnectError | tuple[ConnectionId, int]:
    """Read what `_plain` returned: the refusal, or the Connection and the version."""
    if "code" not in outcome:
        return ConnectionId(outcome["connection_id"]), int(outcome["version"])
    facts: dict[str, Any] = dict(outcome["facts"])
    if "decision" in facts:
        facts["decision"] = Decision.from_dict(facts["decision"])
    if "actor" in facts:
        facts["actor"] = Actor.model_validate(facts["actor"])
    if "problems" in facts:
        facts["problems"] = tuple(Problem(*map(str, problem)) for problem in facts["problems"])
    return _REFUSALS[outcome["code"]](**facts)
