"""The errors: facts first, text made from them.

Each error carries its facts as attributes, has a `code` that never changes, and says in its text
what was refused, why, and what would help. All of them can be copied and pickled.

What to do about each:

========================  ====================================================================
the caller may never      `ForbiddenTransitionError`, `NotAPartyError`, `SelfConnectionError`
others must act first     `InvalidTransitionError`, `AccessDeniedError`
use the existing one      `DuplicateConnectionError`
read again and retry      `StaleConnectionError`
fix the request           `InvalidDocumentError`, `ConnectionNotFoundError`,
                          `InvalidIdempotencyKeyError`, `IdempotencyKeyReusedError`
repeat it later           `StoreUnavailableError`
call an operator          `InvalidHistoryError`, `InvalidRecordError`: stored data is not what
                          was written
========================  ====================================================================

A call that raises changes nothing: every Connection is as it was before.
"""

from typing import ClassVar, Final, NamedTuple

from connect_core.decision import Decision, Denial, Step
from connect_core.identifiers import IdempotencyKey
from connect_core.lifecycle import Action, Role, Status
from connect_core.parties import ActorLike
from connect_core.text import shown

#: How much of a record's name is shown: it names a table and up to two ids, and none is cut.
_MOST_OF_A_RECORD: Final = 600


def _who(actor: ActorLike) -> str:
    return f"{shown(getattr(actor, 'id', 'an actor'))} of {shown(actor.organization_id)}"


def _named(connection_id: str | None, otherwise: str) -> str:
    return otherwise if connection_id is None else shown(connection_id)


class ConnectError(Exception):
    """The base of every error that this library raises on purpose."""

    #: What went wrong, for programs. The code of an error class never changes.
    code: ClassVar[str] = "connect_error"
    #: True if nothing was decided now: the kept refusal of an idempotency key, given again.
    replayed: bool = False


class TransitionError(ConnectError):
    """An action was refused by the rules. Raised only as one of its subclasses.

    Attributes:
        decision: the whole `Decision`, with every condition that failed.
        actor: who asked.
        connection_id: the Connection's id, or None if there is none (create, a row without id).
    """

    code = "transition_refused"

    def __init__(
        self, decision: Decision, actor: ActorLike, connection_id: str | None = None
    ) -> None:
        super().__init__(decision, actor, connection_id)
        self.decision = decision
        self.actor = actor
        self.connection_id = connection_id

    @property
    def action(self) -> Action | None:
        """The action that was refused."""
        return self.decision.action

    @property
    def status(self) -> Status | None:
        """The Connection's status; None for an outsider, an unknown status, or no Connection."""
        return self.decision.status

    @property
    def roles(self) -> frozenset[Role]:
        """The roles that the actor holds; empty for an outsider."""
        return self.decision.roles

    def __str__(self) -> str:
        subject = _named(self.connection_id, "the Connection")
        return (
            f"{_who(self.actor)} may not {self.action} {subject}: "
            f"{self.decision.explanation} {self.decision.advice}"
        )


class ForbiddenTransitionError(TransitionError):
    """Wrong role: no role that the actor holds may ever do this. Asking again will not help."""

    code = "wrong_role"


class NotAPartyError(ForbiddenTransitionError):
    """The actor's organization is neither the source nor the destination.

    Its attributes do not depend on the Connection's status, scopes and parties: `status` is None
    and `roles` is empty.
    """

    code = "not_a_party"


class InvalidTransitionError(TransitionError):
    """Wrong status: the actor's role may do this, but not from here."""

    code = "wrong_status"

    @property
    def remedy(self) -> tuple[Step, ...]:
        """The steps that would make the action possible, in order; empty if none would."""
        return self.decision.remedy


class DuplicateConnectionError(ConnectError):
    """A Connection for this ordered pair exists already. There is only ever one.

    Attributes:
        decision: the whole `Decision`.
        existing_id: the id of the existing Connection, if known. Only the source gets it.
    """

    code = "duplicate_connection"

    def __init__(self, decision: Decision, existing_id: str | None = None) -> None:
        super().__init__(decision, existing_id)
        self.decision = decision
        self.existing_id = existing_id

    def __str__(self) -> str:
        known = "" if self.existing_id is None else f" It is {shown(self.existing_id)}."
        return f"{self.decision.explanation}{known} {self.decision.advice}"


class SelfConnectionError(ConnectError):
    """Source and destination are the same organization, and the caller did not ask for that.

    Attributes:
        decision: the whole `Decision`.
        organization_id: the organization that is both.
    """

    code = "self_connection"

    def __init__(self, decision: Decision, organization_id: object) -> None:
        super().__init__(decision, organization_id)
        self.decision = decision
        self.organization_id = organization_id

    def __str__(self) -> str:
        return (
            f"{self.decision.explanation} Both are {shown(self.organization_id)}. "
            f"{self.decision.advice}"
        )


class AccessDeniedError(ConnectError):
    """The reader may not read this data through the Connection now.

    Attributes:
        decision: the whole `Decision`; an outsider's carries nothing about the Connection.
        reader: who wanted to read.
        scope: what they wanted to read.
        connection_id: the Connection's id, or None if the object given has none.
    """

    code = "access_denied"

    def __init__(
        self,
        decision: Decision,
        reader: ActorLike,
        scope: str,
        connection_id: str | None = None,
    ) -> None:
        super().__init__(decision, reader, scope, connection_id)
        self.decision = decision
        self.reader = reader
        self.scope = scope
        self.connection_id = connection_id

    @property
    def denial(self) -> Denial | None:
        """The first condition that failed."""
        return self.decision.denial

    @property
    def missing_scopes(self) -> frozenset[str]:
        """The scopes asked for and not granted; empty for an outsider, who is told nothing."""
        return frozenset({self.scope} if Denial.SCOPE_NOT_GRANTED in self.decision.denials else ())

    def __str__(self) -> str:
        subject = _named(self.connection_id, "the Connection")
        return (
            f"{_who(self.reader)} may not read '{shown(self.scope)}' through {subject}: "
            f"{self.decision.explanation} {self.decision.advice}"
        )


class ConnectionNotFoundError(ConnectError):
    """No such Connection, or none that the actor may know of. The two look the same on purpose.

    Attributes:
        connection_id: the id that was looked for, or None if there was none.
    """

    code = "connection_not_found"

    def __init__(self, connection_id: str | None = None) -> None:
        super().__init__(connection_id)
        self.connection_id = connection_id

    def __str__(self) -> str:
        found = "such Connection"
        if self.connection_id is not None:
            found = f"Connection {shown(self.connection_id)}"
        return (
            f"No {found} is to be found for your organization. "
            "Check the id, and the organization that you act for."
        )


class StaleConnectionError(ConnectError):
    """The Connection has changed since the caller read it.

    Attributes:
        expected_version: the version that the caller had read.
        actual_version: the current version, or None if it is not known.
        connection_id: the Connection's id.
    """

    code = "stale_connection"

    def __init__(
        self, expected_version: int, actual_version: int | None, connection_id: str | None = None
    ) -> None:
        super().__init__(expected_version, actual_version, connection_id)
        self.expected_version = expected_version
        self.actual_version = actual_version
        self.connection_id = connection_id

    def __str__(self) -> str:
        subject = _named(self.connection_id, "The Connection")
        actual = "another" if self.actual_version is None else f"version {self.actual_version}"
        return (
            f"{subject} has changed: version {self.expected_version} was expected, and it has "
            f"{actual}. Read it again and decide anew."
        )


class InvalidIdempotencyKeyError(ConnectError, ValueError):
    """What was given as an idempotency key is not one. Nothing was done.

    Attributes:
        key: what was given.
    """

    code = "invalid_idempotency_key"

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key

    def __str__(self) -> str:
        return f"'{shown(self.key)}' is not {IdempotencyKey.expected}. Nothing was done."


class IdempotencyKeyReusedError(ConnectError):
    """This idempotency key was used for another request before.

    Attributes:
        key: the key.
    """

    code = "idempotency_key_reused"

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key

    def __str__(self) -> str:
        return (
            f"The idempotency key '{shown(self.key)}' came with another request before, and "
            "nothing was done. Take a new key for a new request; repeat a request word for word."
        )


class Problem(NamedTuple):
    """One thing wrong with a document.

    Attributes:
        pointer: a JSON Pointer (RFC 6901) to the value that is wrong; for a missing member, to the
            object that lacks it. The empty string is the whole document.
        detail: what is wrong with it, in one sentence without a full stop.
    """

    pointer: str
    detail: str

    def __str__(self) -> str:
        return f"{self.detail} (at {self.pointer or 'the top level'})"


class InvalidDocumentError(ConnectError):
    """A document is not valid. Every problem is listed, not only the first.

    Attributes:
        problems: one or more `Problem`, each with its JSON Pointer.
        malformed: True if it is not JSON at all, so that nothing in it could be read.
    """

    code = "invalid_document"

    def __init__(self, problems: tuple[Problem, ...], malformed: bool = False) -> None:
        super().__init__(problems, malformed)
        self.problems = problems
        self.malformed = malformed

    def __str__(self) -> str:
        what = "not JSON" if self.malformed else "not valid"
        return f"The document is {what}: {'; '.join(map(str, self.problems))}."


class InvalidHistoryError(ConnectError):
    """A chain of events that could not have happened.

    Attributes:
        index: the place of the first impossible event in the chain, counted from 0; the chain's
            length if an event is missing at its end.
        reason: what is impossible about it.
    """

    code = "invalid_history"

    def __init__(self, index: int, reason: str) -> None:
        super().__init__(index, reason)
        self.index = index
        self.reason = reason

    def __str__(self) -> str:
        return (
            f"This history could not have happened: event {self.index} {self.reason}. "
            "Compare the stored events with a backup; nothing was built from them."
        )


class InvalidRecordError(ConnectError):
    """A stored record is not what was written. Nothing is served from it.

    Attributes:
        record: which record: the table and the key of a row, or the history of a Connection.
        reason: what is wrong with it.
    """

    code = "invalid_record"

    def __init__(self, record: str, reason: str) -> None:
        super().__init__(record, reason)
        self.record = record
        self.reason = reason

    def __str__(self) -> str:
        return (
            f"What is stored as {shown(self.record, _MOST_OF_A_RECORD)} is not what was written: "
            f"{self.reason}. Compare it with a backup; nothing was served from it."
        )


class StoreUnavailableError(ConnectError):
    """The store could not serve this now: it does not answer, or others were in the way for long.

    `ConnectionService` raises it only if the store does. Repeat the request later; one that had an
    idempotency key can be repeated without risk.

    Attributes:
        reason: what failed, for a log; it is not for clients.
        uncertain: True if it is not known whether the change was stored. Otherwise nothing was.
    """

    code = "store_unavailable"

    def __init__(self, reason: str, uncertain: bool = False) -> None:
        super().__init__(reason, uncertain)
        self.reason = reason
        self.uncertain = uncertain

    def __str__(self) -> str:
        changed = (
            "Whether the change was stored is not known: read the Connection, or repeat the "
            "request with its idempotency key."
            if self.uncertain
            else "Nothing was changed: repeat the request later."
        )
        return f"The store is not available: {shown(self.reason)}. {changed}"
