"""History: what happened to a Connection, as one event per change.

An event records one change: the version that it made, the action, the actor and their roles, the
status before and after, and the time. The first event, a creation, also carries the terms, which
never change, so that the events alone are enough to rebuild the Connection
(`connect_core.replay`). This module neither replays nor stores them.
"""

import re
from datetime import UTC, datetime, timedelta
from time import time_ns
from typing import TYPE_CHECKING, Annotated, Final, Self

from pydantic import BeforeValidator, Field, PlainSerializer, model_validator

from connect_core.identifiers import ConnectionId
from connect_core.lifecycle import Action, Role, Status
from connect_core.parties import Actor, Immutable, Name, OrganizationRef
from connect_core.scopes import ScopeSet

if TYPE_CHECKING:
    from pydantic import ValidationInfo

#: The earliest and the latest time that is kept. Between them, a time can be written in every time
#: zone, which may be up to a day away: a database session reads times in a time zone of its own.
EARLIEST: Final = datetime(1, 1, 2, tzinfo=UTC)
LATEST: Final = datetime(9999, 12, 30, 23, 59, 59, 999000, tzinfo=UTC)


def _form(year: str, hour: str, sixty: str) -> str:
    """A pattern of a time in RFC 3339, with these patterns of its parts."""
    clock = rf"{hour}:{sixty}:{sixty}(?:\.[0-9]+)?"
    return rf"{year}-[0-9]{{2}}-[0-9]{{2}}[Tt ]{clock}(?:[Zz]|[+-]{hour}:{sixty})"


_RFC_3339: Final = _form("(?!0000)[0-9]{4}", "(?:[01][0-9]|2[0-3])", "[0-5][0-9]")
#: The same, with numbers that may be too great. Each is in a group.
_ANY_NUMBERS: Final = _form("([0-9]{4})", "([0-9]{2})", "([0-9]{2})")
#: The most that each part after the date can be, with its name. Versions of Python differ about
#: 24:00, and none of them refuses the offset 01:99. Leap seconds are not kept.
_MOST: Final = (
    ("23", "the hour of a time"),
    ("59", "the minute of a time"),
    ("59", "the second of a time"),
    ("23", "the hour of an offset"),
    ("59", "the minute of an offset"),
)


def as_timestamp(value: object) -> datetime:
    """`value` as an aware UTC time in whole milliseconds; anything finer is cut off.

    Args:
        value: an aware `datetime` in any time zone, or RFC 3339 text with an offset or ``Z``.

    Raises:
        ValueError: it is neither; or it is naive: without a time zone a time is ambiguous; or it is
            not from 0001-01-02T00:00:00.000Z to 9999-12-30T23:59:59.999Z.
    """
    if isinstance(value, str):
        value = _from_text(value)
    if not isinstance(value, datetime):
        raise ValueError("expected a time: a datetime, or text such as 2018-06-01T00:00:00.000Z")
    if value.utcoffset() is None:
        raise ValueError("the time is naive; give it a time zone, such as datetime.UTC")
    try:
        value = value.astimezone(UTC)
    except OverflowError:  # in UTC it is the year 0 or 10000
        raise _out_of_range() from None
    value = value.replace(microsecond=value.microsecond // 1000 * 1000)
    if not EARLIEST <= value <= LATEST:
        raise _out_of_range()
    return value


def _from_text(text: str) -> datetime:
    """The time in RFC 3339 text, with its offset."""
    if re.fullmatch(_RFC_3339, text) is None:
        raise _problem_of(text)
    return datetime.fromisoformat(text.upper())


def _problem_of(text: str) -> ValueError:
    """What is wrong with text that is no time in RFC 3339."""
    found = re.fullmatch(_ANY_NUMBERS, text)
    if found is None:
        return ValueError("expected a time such as 2018-06-01T00:00:00.000Z, with its offset")
    _, *parts = found.groups(default="00")
    for part, (most, name) in zip(parts, _MOST, strict=True):
        if part > most:
            return ValueError(f"{name} is at most {most}; this is {part}")
    return _out_of_range()  # it is the year 0, which Python does not have


def _out_of_range() -> ValueError:
    earliest, latest = format_timestamp(EARLIEST), format_timestamp(LATEST)
    return ValueError(f"expected a time from {earliest} to {latest}")


def format_timestamp(at: datetime) -> str:
    """A UTC time as text with milliseconds: ``2018-06-01T00:00:00.000Z``."""
    return at.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def utc_now() -> datetime:
    """The current time in UTC, in whole milliseconds."""
    # A float would not be exact: it has no room for the milliseconds of a clock that is far ahead.
    milliseconds = time_ns() // 1_000_000
    return _EPOCH + timedelta(0, 0, 0, milliseconds)  # by name it would take half as long again


#: A time as a model's field: aware, UTC, whole milliseconds.
Timestamp = Annotated[
    datetime,
    BeforeValidator(as_timestamp),
    PlainSerializer(format_timestamp, return_type=str, when_used="json"),
]


def not_before_creation(updated_at: datetime, info: "ValidationInfo") -> datetime:
    """Validate `updated_at` in a model that declares `created_at` before it."""
    if updated_at < info.data.get("created_at", updated_at):
        raise ValueError("a Connection cannot be updated before it was created")
    return updated_at


#: The highest version: an integer column holds no greater number.
MAX_VERSION: Final = 2**31 - 1

#: The number of changes of a Connection, including its creation: 1, 2, 3, ..., 2147483647.
Version = Annotated[int, Field(strict=True, ge=1, le=MAX_VERSION)]


class Terms(Immutable):
    """What is fixed for life when a Connection is created. Immutable."""

    source_organization_id: OrganizationRef
    destination_organization_id: OrganizationRef
    name: Name | None = None
    scopes: ScopeSet

    def as_dict(self) -> dict[str, object]:
        """Plain JSON values: what ``model_dump(mode="json")`` gives, in half the time."""
        return {
            "source_organization_id": str(self.source_organization_id),
            "destination_organization_id": str(self.destination_organization_id),
            "name": self.name,
            "scopes": sorted(map(str, self.scopes)),
        }


class ConnectionEvent(Immutable):
    """One change of one Connection. Immutable.

    Attributes:
        connection_id: which Connection.
        version: the version that the change made. The creation makes 1, and each later change
            adds 1; the Connection and the version together identify the event.
        action: the action that was taken.
        previous_status: the status before; None before the creation.
        status: the status after.
        actor: who took it.
        roles: the roles that the actor held.
        occurred_at: when, in UTC and whole milliseconds; also the Connection's `updated_at`.
        terms: the parties, name and scopes; only of a creation.

    Raises:
        pydantic.ValidationError: a field is not valid; or a creation lacks one of its marks
            (version 1, no previous status, terms), or another action has one of them.
    """

    connection_id: ConnectionId
    version: Version
    action: Action
    previous_status: Status | None
    status: Status
    actor: Actor
    roles: Annotated[
        frozenset[Role],
        Field(min_length=1),
        PlainSerializer(sorted, return_type=list[str], when_used="json"),
    ]
    occurred_at: Timestamp
    terms: Terms | None = None

    @model_validator(mode="after")
    def _creation_comes_first(self) -> Self:
        marks = (self.version == 1, self.previous_status is None, self.terms is not None)
        if marks != (self.action is Action.CREATE,) * 3:
            raise ValueError(
                "version 1, no previous_status, and terms belong to the creation, and to it alone"
            )
        return self
