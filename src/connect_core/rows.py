"""Rows: what the policy reads from a Connection, or from a row of your own.

A row's values may be anything. Text counts by its characters, and the code of a value's own class
(``__eq__``, ``__hash__``, ``__contains__``, ``__bool__``) is not asked: such a value leads to a
denial, not to a permission and not to an error. Only ids of a type of the host's own are compared
by their ``==``, if both have that very type. This module decides nothing.
"""

from collections.abc import Collection
from functools import lru_cache
from typing import Any, Final, Protocol
from uuid import UUID

from connect_core.identifiers import OrganizationId
from connect_core.lifecycle import Status
from connect_core.parties import ActorLike, DynamicRow, Parties
from connect_core.scopes import Scope
from connect_core.text import same_value, text_of


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


def facts(ours: Any, source: Any, destination: Any, status: Any) -> tuple[bool, bool, str]:
    """Whether an organization is the source, whether the destination; and the status as text.

    The values come from outside and may be anything. A status that is no text gets a name that no
    status has.
    """
    kind = type(source)  # pyright: ignore[reportUnknownVariableType]  # of anything
    # What almost every row holds: values whose class has the ``==`` and the ``hash`` of its base.
    if kind is type(destination) and (type(status) is str or type(status) is Status):
        mine = type(ours)  # pyright: ignore[reportUnknownVariableType]
        if kind is UUID:
            if mine is UUID:
                number = ours.int
                return number == source.int, number == destination.int, status
        elif kind is str or kind is OrganizationId:
            if mine is str or mine is OrganizationId:
                return ours == source, ours == destination, status
        elif kind is int and mine is int:
            return ours == source, ours == destination, status
    return same_value(ours, source), same_value(ours, destination), name_of(status)


def facts_of(actor: ActorLike, connection: RowLike) -> tuple[bool, bool, str]:
    """The `facts` of an actor's organization in a Connection or a row."""
    return facts(
        actor.organization_id,
        connection.source_organization_id,
        connection.destination_organization_id,
        connection.status,
    )


def name_of(status: object) -> str:
    """A status as plain text. One that is no text gets a name that no status has."""
    if issubclass(type(status), str):
        return text_of(status)
    return f"{text_of(status)} ({type(status).__name__})"


def status_of(connection: RowLike) -> Status | None:
    """The status if it is known. The value comes from outside and may be anything."""
    text = text_or_none(connection.status)
    return None if text is None else _STATUSES.get(text)


def id_of(row: object, attribute: str = "id") -> str | None:
    """The id of a Connection or a row as text, if it has one: an error can be stored and sent."""
    row_id = getattr(row, attribute, None)
    return None if row_id is None else text_of(row_id)


#: The collections that may hold scopes.
_COLLECTIONS: Final[tuple[Any, ...]] = (frozenset, list, set, tuple)


def grants(scopes: Any, scope: object) -> bool:
    """Whether `scope` is one of `scopes`. The values come from outside and may be anything."""
    kind = type(scopes)  # pyright: ignore[reportUnknownVariableType]  # of anything
    if type(scope) is str and (kind is list or kind is frozenset):
        for member in scopes:
            if type(member) is str and member == scope:  # what almost every row holds
                return is_scope(scope)
    wanted = text_or_none(scope)
    return wanted is not None and has_member(scopes, wanted) and is_scope(wanted)


def has_member(scopes: object, wanted: object) -> bool:
    """Whether a collection has a value, which is not itself from outside."""
    return any(same_value(wanted, member) for member in _members(scopes))


def text_or_none(value: object) -> str | None:
    """Text as a plain `str`; None for anything else."""
    return text_of(value) if issubclass(type(value), str) else None


def _members(scopes: object) -> Collection[object]:
    """What is in a collection, whatever a subclass makes of iteration; nothing in other values."""
    for base in _COLLECTIONS:
        if issubclass(type(scopes), base):
            return tuple(base.__iter__(scopes))
    return ()


@lru_cache(maxsize=256)
def is_scope(text: str) -> bool:
    """Whether it is well formed."""
    try:
        return bool(Scope(text))
    except ValueError:
        return False
