"""Strategies for identifiers: ids of organizations, actors and Connections."""

import string
from functools import cache
from typing import Final, TypeVar

from hypothesis import strategies as st

from connect_core.identifiers import (
    MAX_ID_LENGTH,
    ActorId,
    ConnectionId,
    OrganizationId,
    ValidatedText,
)
from connect_core.parties import (
    Actor,
    ActorType,
)

_Text = TypeVar("_Text", bound=ValidatedText)

_OPAQUE_ALPHABET: Final = string.ascii_letters + string.digits + "_-"
#: Pairs that differ only by case; look-alikes; text that reads as a number, an option or null.
_OPAQUE: Final = ("A", "B", "a", "b", "0", "_", "-", "AbC123", "aBc123", "O0Il1", "null", "Z" * 50)
ORGANIZATION_PREFIX: Final = "org_"
CONNECTION_PREFIX: Final = "cxn_"
ACTOR_PREFIXES: Final = ("usr_", "api_", "user_")


def organization_ids(*, max_length: int = MAX_ID_LENGTH) -> st.SearchStrategy[OrganizationId]:
    """Ids of organizations. Two of them often differ only by case.

    Args:
        max_length: the longest, in characters; 255 is what the library permits.

    Raises:
        ValueError: `max_length` is too short for any id, or more than 255.
    """
    return _ids(OrganizationId, (ORGANIZATION_PREFIX,), max_length)


def actor_ids(
    *, type: ActorType | None = None, max_length: int = MAX_ID_LENGTH
) -> st.SearchStrategy[ActorId]:
    """Ids of people and of API keys. Two of them often differ only by case.

    Args:
        type: only ids of people, or only ids of API keys; both if omitted.
        max_length: the longest, in characters; 255 is what the library permits.

    Raises:
        ValueError: `max_length` is too short for any id or more than 255, or there is no such type.
    """
    wanted = tuple(ActorType) if type is None else (ActorType(type),)
    prefixes = tuple(
        prefix
        for prefix in ACTOR_PREFIXES
        if Actor(id=f"{prefix}A", organization_id="org_A").type in wanted
    )
    return _ids(ActorId, prefixes, max_length)


def connection_ids(*, max_length: int = MAX_ID_LENGTH) -> st.SearchStrategy[ConnectionId]:
    """Ids of Connections. Two of them often differ only by case.

    Args:
        max_length: the longest, in characters; 255 is what the library permits.

    Raises:
        ValueError: `max_length` is too short for any id, or more than 255.
    """
    return _ids(ConnectionId, (CONNECTION_PREFIX,), max_length)


@cache
def _ids(kind: type[_Text], prefixes: tuple[str, ...], max_length: int) -> st.SearchStrategy[_Text]:
    """Ids that begin with one of the prefixes: known simple and nasty ones, and random ones.

    Among the known ones are two of the greatest length, which differ in the last character only.
    """
    if max_length > MAX_ID_LENGTH:
        raise ValueError(
            f"max_length is {max_length}, and no id is so long; "
            f"give max_length={MAX_ID_LENGTH} or less"
        )
    longest = max_length - max(map(len, prefixes))
    if longest < 1:
        raise ValueError(
            f"max_length is {max_length}, and no id is so short; "
            f"give max_length={max_length - longest + 1} or more"
        )
    known = [prefixes[0] + text for text in _OPAQUE if len(text) <= longest]
    known += [prefix + text for prefix in prefixes[1:] for text in _OPAQUE[:4]]
    known += [
        (prefix + "z" * max_length)[: max_length - 1] + last for prefix in prefixes for last in "zZ"
    ]
    opaque = st.text(_OPAQUE_ALPHABET, min_size=1, max_size=longest)
    made_up = st.tuples(st.sampled_from(prefixes), opaque).map("".join)
    return (st.sampled_from(known) | made_up).map(kind)
