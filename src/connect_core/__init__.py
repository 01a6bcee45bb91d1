"""The life of a data-sharing Connection between two organizations, and who may do what to it.

Everything public is here, except for the command line and what needs an extra: import these by
path.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from connect_core.connection import Change, Connection, replay
from connect_core.decision import Cell, Decision, Denial, Step
from connect_core.errors import (
    AccessDeniedError,
    ConnectError,
    ConnectionNotFoundError,
    DuplicateConnectionError,
    ForbiddenTransitionError,
    IdempotencyKeyReusedError,
    InvalidDocumentError,
    InvalidHistoryError,
    InvalidIdempotencyKeyError,
    InvalidRecordError,
    InvalidTransitionError,
    NotAPartyError,
    Problem,
    SelfConnectionError,
    StaleConnectionError,
    StoreUnavailableError,
    TransitionError,
)
from connect_core.history import ConnectionEvent, Terms
from connect_core.identifiers import ActorId, ConnectionId, IdempotencyKey, OrganizationId
from connect_core.lifecycle import (
    READING_ROLE,
    SHARING_STATUS,
    Action,
    ConnectionLifecycle,
    Role,
    Status,
)
from connect_core.parties import (
    Actor,
    ActorLike,
    ActorType,
    DynamicRow,
    Organization,
    Parties,
    roles_of,
)
from connect_core.policy import (
    ConnectionLike,
    SharingConnectionLike,
    actions,
    allowed_actions,
    authorize,
    authorize_access,
    authorize_create,
    can,
    decide,
    decide_access,
    decide_create,
    decision_table,
    permitting_statuses,
    steps_to,
)
from connect_core.row_policy import RowPolicy
from connect_core.scopes import DEFAULT_SCOPES, Scope
from connect_core.wording import Wording

if TYPE_CHECKING:
    from connect_core.jsonapi import (
        CreateRequest,
        connection_document,
        error_document,
        list_document,
        parse_connection,
        parse_create,
    )
    from connect_core.memory import InMemoryStore
    from connect_core.paging import Page
    from connect_core.service import ConnectionService
    from connect_core.store import (
        ConnectionStore,
        Direction,
        IdempotencyRecord,
        Position,
        Selection,
        Standing,
    )

__version__ = "0.1.0"

__all__ = [
    "DEFAULT_SCOPES",
    "READING_ROLE",
    "SHARING_STATUS",
    "AccessDeniedError",
    "Action",
    "Actor",
    "ActorId",
    "ActorLike",
    "ActorType",
    "Cell",
    "Change",
    "ConnectError",
    "Connection",
    "ConnectionEvent",
    "ConnectionId",
    "ConnectionLifecycle",
    "ConnectionLike",
    "ConnectionNotFoundError",
    "ConnectionService",
    "ConnectionStore",
    "CreateRequest",
    "Decision",
    "Denial",
    "Direction",
    "DuplicateConnectionError",
    "DynamicRow",
    "ForbiddenTransitionError",
    "IdempotencyKey",
    "IdempotencyKeyReusedError",
    "IdempotencyRecord",
    "InMemoryStore",
    "InvalidDocumentError",
    "InvalidHistoryError",
    "InvalidIdempotencyKeyError",
    "InvalidRecordError",
    "InvalidTransitionError",
    "NotAPartyError",
    "Organization",
    "OrganizationId",
    "Page",
    "Parties",
    "Position",
    "Problem",
    "Role",
    "RowPolicy",
    "Scope",
    "Selection",
    "SelfConnectionError",
    "SharingConnectionLike",
    "StaleConnectionError",
    "Standing",
    "Status",
    "Step",
    "StoreUnavailableError",
    "Terms",
    "TransitionError",
    "Wording",
    "actions",
    "allowed_actions",
    "authorize",
    "authorize_access",
    "authorize_create",
    "can",
    "connection_document",
    "decide",
    "decide_access",
    "decide_create",
    "decision_table",
    "error_document",
    "list_document",
    "parse_connection",
    "parse_create",
    "permitting_statuses",
    "replay",
    "roles_of",
    "steps_to",
]

#: The names that are loaded on first use, by module, so that importing the policy stays quick.
_LATER = {
    "connect_core.jsonapi": (
        "CreateRequest",
        "connection_document",
        "error_document",
        "list_document",
        "parse_connection",
        "parse_create",
    ),
    "connect_core.memory": ("InMemoryStore",),
    "connect_core.paging": ("Page",),
    "connect_core.service": ("ConnectionService",),
    "connect_core.store": (
        "ConnectionStore",
        "Direction",
        "IdempotencyRecord",
        "Position",
        "Selection",
        "Standing",
    ),
}

if not TYPE_CHECKING:  # pragma: no branch  # type checkers know every name, and report a wrong one

    def __getattr__(name: str) -> object:
        """Load a module when one of its names is first asked for."""
        for module, names in _LATER.items():
            if name in names:
                loaded = import_module(module)
                globals().update({each: getattr(loaded, each) for each in names})
                return globals()[name]
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
