"""Arguments: what a caller gave, checked, with the name of the argument in the error.

The commands of `connect_core.connection` and `connect_core.service` take their arguments through
these functions, and so do adapters, so that a wrong one is reported before anything is done. A
value of the wrong type raises a TypeError, and a wrong value a ValueError.
"""

from datetime import datetime
from enum import StrEnum
from typing import Final, TypeVar

from pydantic import ValidationError

from connect_core.errors import InvalidIdempotencyKeyError
from connect_core.history import as_timestamp
from connect_core.identifiers import ActorId, IdempotencyKey, OrganizationId
from connect_core.parties import Actor, organization_id_of
from connect_core.text import quoted, text_of

_Kind = TypeVar("_Kind")
_Member = TypeVar("_Member", bound=StrEnum)
_MISSING: Final = object()


def actor(value: object, argument: str) -> Actor:
    """An `Actor` that is valid, and has the fields of an `Actor` only.

    Pydantic checks an `Actor` that is made in the usual way. One that was made in another way
    (``model_construct``, ``model_copy(update=...)``, a subclass) is checked here, before anything
    of it is stored for others to read.
    """
    if type(value) is Actor:
        kept = value.__dict__
        if (
            len(kept) == 2
            and type(kept.get("id")) is ActorId
            and type(kept.get("organization_id")) is OrganizationId
        ):
            return value
    if not isinstance(value, Actor):
        raise _wrong_type(argument, value, "an Actor")
    fields = {name: getattr(value, name, None) for name in Actor.model_fields}
    try:
        return Actor.model_validate(fields)
    except ValidationError as error:
        wrong = "; ".join(f"{each['loc'][0]}: {each['msg']}" for each in error.errors())
        raise ValueError(f"{argument} is not a valid Actor: {wrong}") from None


def acting_for(value: object, argument: str) -> object:
    """The id of the organization that an actor acts for, of any type."""
    ours: object = getattr(value, "organization_id", _MISSING)
    if ours is _MISSING or isinstance(value, type):
        raise _wrong_type(argument, value, "an Actor, or an object with an organization_id")
    if ours is None:
        raise TypeError(f"{argument} acts for no organization: its organization_id is None")
    return ours


def seconds(value: object, argument: str) -> float:
    """A length of time in seconds, more than 0."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise _wrong_type(argument, value, "a number of seconds")
    if not value > 0:
        raise ValueError(f"{argument} is {value!r}; it must be more than 0")
    return value


def organization_id(value: object, argument: str) -> OrganizationId:
    """The id of an organization, which may be given as an `Organization`."""
    given = text(organization_id_of(value), argument)
    try:
        return OrganizationId(given)
    except ValueError as error:
        raise ValueError(f"{argument}: {error}") from None


def text(value: object, argument: str) -> str:
    """Text, as a `str` that no subclass has changed."""
    if not issubclass(type(value), str):
        raise _wrong_type(argument, value, "text")
    return text_of(value)


def flag(value: object, argument: str) -> bool:
    """True or False."""
    if type(value) is not bool:
        raise _wrong_type(argument, value, "True or False")
    return value


def member(kind: type[_Member], value: object, argument: str) -> _Member:
    """A member of an enumeration, which may be given as plain text."""
    name = text(value, argument)
    try:
        return kind(name)
    except ValueError:
        known = ", ".join(kind)
        raise ValueError(f"{argument} is {quoted(value)}; it must be one of {known}") from None


def number(value: object, argument: str, least: int, most: int) -> int:
    """A whole number from `least` to `most`; True is none."""
    if type(value) is not int:
        raise _wrong_type(argument, value, "a whole number")
    if not least <= value <= most:
        raise ValueError(f"{argument} is {quoted(value)}; it must be {least} to {most}")
    return value


def moment(value: object, argument: str) -> datetime:
    """An aware time in UTC and whole milliseconds."""
    try:
        return as_timestamp(value)
    except ValueError as error:
        raise ValueError(f"{argument}: {error}") from None


def idempotency_key(value: object) -> IdempotencyKey:
    """An idempotency key.

    Raises:
        InvalidIdempotencyKeyError: it is text, but no key.
    """
    key = text(value, "idempotency_key")
    try:
        return IdempotencyKey(key)
    except ValueError:
        raise InvalidIdempotencyKeyError(key) from None


def instance(kind: type[_Kind], value: object, argument: str) -> _Kind:
    """A value of this type."""
    if not isinstance(value, kind):
        raise _wrong_type(argument, value, f"a {kind.__name__}")
    return value


def store(value: _Kind, argument: str, port: type) -> _Kind:
    """A value with every method of `port`."""
    methods = [name for name in vars(port) if not name.startswith("_")]
    if isinstance(value, type):
        raise _wrong_type(argument, value, f"a {port.__name__}, not a class of them")
    lacking = [name for name in methods if not callable(getattr(value, name, None))]
    if lacking:
        raise _wrong_type(argument, value, f"a {port.__name__}, and lacks {', '.join(lacking)}")
    return value


def function(value: _Kind, argument: str) -> _Kind:
    """A function, or anything else that can be called."""
    if not callable(value):
        raise _wrong_type(argument, value, "a function")
    return value


def _wrong_type(argument: str, value: object, expected: str) -> TypeError:
    return TypeError(
        f"{argument} is {quoted(value)} ({type(value).__name__}); it must be {expected}"
    )
