"""Rows: what the policy reads from a Connection, or from a row of your own.

A row's values may be anything. Text counts by its characters, and the code of a value's own class
(``__eq__``, ``__hash__``, ``__contains__``, ``__bool__``) is never asked: such a value leads to a
denial, not to a permission and not to an error. This module decides nothing.
"""

from collections.abc import Collection
from functools import lru_cache
from typing import Any, Final, Protocol

from connect_core.identifiers import OrganizationId
from connect_core.lifecycle import Status
from connect_core.parties import Actor, DynamicRow, Parties, same_organization
from connect_core.scopes import Scope
from connect_core.text import text_of


class ConnectionLike(Parties, Protocol):
    """What the policy needs to know about a Connection to decide on an action."""

    @property
    def status(self) -> object:
        """A `Status`, or the same as a plain string. Anything else permits nothing."""
        ...


class SharingConnectionLike(ConnectionLike, Protocol):
    """What the policy needs to know about a Connection to decide on reading its data."""

    @property
    def scopes(self) -> object:
        """The scopes granted: a set, frozenset, list or tuple of text. Nothing else grants any."""
        ...


#: What the policy decides about.
RowLike = ConnectionLike | DynamicRow
SharingRowLike = SharingConnectionLike | DynamicRow

#: The types of text whose ``==`` and ``hash`` are those of `str`. Text of other types is compared
#: as what it says.
TEXT: Final = frozenset[type]({str, OrganizationId, Status, Scope})
_STATUSES: Final[dict[str, Status]] = {status.value: status for status in Status}


def facts_of(actor: Actor, connection: RowLike) -> tuple[bool, bool, str]:
    """Whether the actor's organization is the source, whether the destination; and the status.

    A row's values may be anything. The status is plain text; one that is no text gets a name that
    no status has.
    """
    ours, status = actor.organization_id, connection.status
    source, destination = connection.source_organization_id, connection.destination_organization_id
    if (
        type(ours) in TEXT
        and type(source) in TEXT
        and type(destination) in TEXT
        and type(status) in TEXT
    ):
        # A call of `cast` would take a tenth of the time of a decision.
        return ours == source, ours == destination, status  # type: ignore[return-value]  # is text
    name = text_of(status)
    if not issubclass(type(status), str):
        name = f"{name} ({type(status).__name__})"
    return same_organization(ours, source), same_organization(ours, destination), name


def status_of(connection: RowLike) -> Status | None:
    """The status if it is known. The value comes from outside and may be anything."""
    text = _text_or_none(connection.status)
    return None if text is None else _STATUSES.get(text)


def id_of(connection: object) -> str | None:
    """The id of a Connection or a row as text, if it has one: an error can be stored and sent."""
    connection_id = getattr(connection, "id", None)
    return None if connection_id is None else text_of(connection_id)


#: The collections that may hold scopes.
_COLLECTIONS: Final[tuple[Any, ...]] = (frozenset, list, set, tuple)


def grants(scopes: Any, scope: object) -> bool:
    """Whether `scope` is one of `scopes`. The values come from outside and may be anything."""
    members = scopes if type(scopes) in _COLLECTIONS else _members(scopes)
    wanted = scope if type(scope) is str else _text_or_none(scope)
    if wanted is None:
        return False
    for member in members:
        plain = type(member) in TEXT
        if (member if plain else _text_or_none(member)) == wanted:
            return type(member) is Scope or _is_scope(wanted)
    return False


def _text_or_none(value: object) -> str | None:
    return text_of(value) if issubclass(type(value), str) else None


def _members(scopes: object) -> Collection[object]:
    """What is in a subclass of a collection, whatever it makes of iteration; nothing in others."""
    for base in _COLLECTIONS:
        if issubclass(type(scopes), base):
            return tuple(base.__iter__(scopes))
    return ()


@lru_cache(maxsize=256)
def _is_scope(text: str) -> bool:
    """Whether it is well formed."""
    try:
        return bool(Scope(text))
    except ValueError:
        return False
