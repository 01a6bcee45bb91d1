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

_STATUSES: Final[dict[str, Status]] = {status.value: status for status in Status}


#: The classes whose values have been checked, and are in ``__dict__``: `connect_core.Connection`,
#: unless somebody has gone around the checks (``model_construct``). These values are compared as
#: they are.
CHECKED: Final[set[type]] = set()


def facts_of(actor: Actor, connection: RowLike) -> tuple[bool, bool, str]:
    """Whether the actor's organization is the source, whether the destination; and the status.

    A row's values may be anything. The status is plain text; one that is no text gets a name that
    no status has.
    """
    ours, status = actor.organization_id, connection.status
    source, destination = connection.source_organization_id, connection.destination_organization_id
    # What almost every row holds: text whose class has the ``==`` and the ``hash`` of `str`.
    if (type(ours) is OrganizationId or type(ours) is str) and (
        (type(source) is str and type(destination) is str and type(status) is str)
        or (
            type(source) is OrganizationId
            and type(destination) is OrganizationId
            and type(status) is Status
        )
    ):
        return ours == source, ours == destination, status
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
    kind = type(scopes)  # pyright: ignore[reportUnknownVariableType]  # of anything
    if type(scope) is str and (kind is list or kind is frozenset):
        for member in scopes:
            if type(member) is str and member == scope:  # what almost every row holds
                return _is_scope(scope)
    wanted = _text_or_none(scope)
    return wanted in map(_text_or_none, _members(scopes)) and _is_scope(wanted)


def _text_or_none(value: object) -> str | None:
    return text_of(value) if issubclass(type(value), str) else None


def _members(scopes: object) -> Collection[object]:
    """What is in a collection, whatever a subclass makes of iteration; nothing in other values."""
    for base in _COLLECTIONS:
        if issubclass(type(scopes), base):
            return tuple(base.__iter__(scopes))
    return ()


@lru_cache(maxsize=256)
def _is_scope(text: str | None) -> bool:
    """Whether it is well formed."""
    try:
        return text is not None and bool(Scope(text))
    except ValueError:
        return False
