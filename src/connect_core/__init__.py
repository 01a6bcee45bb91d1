"""The life of a data-sharing Connection between two organizations, and who may do what to it.

Everything public is here; the command line and what needs an extra is imported by path.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from connect_core.connection import Change, Connection, replay
from connect_core.errors import (
    AccessDeniedError,
    ConnectError,
    ConnectionNotFoundError,
    DuplicateConnectionError,
    ForbiddenTransitionError,
    InvalidDocumentError,
    InvalidHistoryError,
    InvalidTransitionError,
    NotAPartyError,
    Problem,
    SelfConnectionError,
    StaleConnectionError,
    TransitionError,
)
from connect_core.history import ConnectionEvent, Terms
from connect_core.identifiers import ActorId, ConnectionId, OrganizationId
from connect_core.lifecycle import Action, ConnectionLifecycle, Role, Status
from connect_core.parties import Actor, ActorType, Organization, Parties, roles_of
from connect_core.policy import (
    Cell,
    ConnectionLike,
    Decision,
    Denial,
    SharingConnectionLike,
    Step,
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
    steps_to,
)
from connect_core.scopes import DEFAULT_SCOPES, Scope

if TYPE_CHECKING:
    from connect_core.jsonapi import (
        CreateRequest,
        connection_document,
        error_document,
        list_document,
        parse_connection,
        parse_create,
    )

__version__ = "0.1.0"

__all__ = [
    "DEFAULT_SCOPES",
    "AccessDeniedError",
    "Action",
    "Actor",
    "ActorId",
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
    "CreateRequest",
    "Decision",
    "Denial",
    "DuplicateConnectionError",
    "ForbiddenTransitionError",
    "InvalidDocumentError",
    "InvalidHistoryError",
    "InvalidTransitionError",
    "NotAPartyError",
    "Organization",
    "OrganizationId",
    "Parties",
    "Problem",
    "Role",
    "Scope",
    "SelfConnectionError",
    "SharingConnectionLike",
    "StaleConnectionError",
    "Status",
    "Step",
    "Terms",
    "TransitionError",
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
    "replay",
    "roles_of",
    "steps_to",
]

#: The names of `connect_core.jsonapi`. Who only decides need not wait for it to load.
_DOCUMENTS = {
    "CreateRequest",
    "connection_document",
    "error_document",
    "list_document",
    "parse_connection",
    "parse_create",
}

if not TYPE_CHECKING:  # pragma: no branch  # type checkers know every name, and tell a wrong one

    def __getattr__(name: str) -> object:
        """Load the documents when one of them is first asked for."""
        if name not in _DOCUMENTS:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        documents = import_module("connect_core.jsonapi")
        globals().update({each: getattr(documents, each) for each in _DOCUMENTS})
        return globals()[name]
