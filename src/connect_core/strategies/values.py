"""Strategies for values: scopes, names and times."""

import string
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

from hypothesis import strategies as st

from connect_core.history import EARLIEST, LATEST, as_timestamp
from connect_core.identifiers import MAX_ID_LENGTH
from connect_core.parties import (
    MAX_NAME_LENGTH,
)
from connect_core.scopes import DEFAULT_SCOPES, MAX_SCOPES, Scope

KNOWN_SCOPES: Final = tuple(
    map(Scope, ("inquiry.read", "account.read", "inquiry.write", "x-1.y_2", "a.b"))
)
#: A scope of the greatest length.
_LONGEST_SCOPE: Final = Scope("a." + "b" * (MAX_ID_LENGTH - 2))
_SCOPE_PARTS: Final = st.tuples(
    st.sampled_from(string.ascii_lowercase),
    st.text(string.ascii_lowercase + string.digits + "_-", max_size=8),
).map("".join)


def scopes() -> st.SearchStrategy[Scope]:
    """Scopes: the guide's, and others that are well formed, of up to 255 characters."""
    made_up = st.tuples(_SCOPE_PARTS, _SCOPE_PARTS).map(".".join).map(Scope)
    return st.sampled_from((*KNOWN_SCOPES, _LONGEST_SCOPE)) | made_up


def scope_sets() -> st.SearchStrategy[frozenset[Scope]]:
    """Sets of scopes that a Connection can have: mostly a few, sometimes the maximum."""
    most = frozenset(Scope(f"resource-{number}.read") for number in range(MAX_SCOPES))
    known = [frozenset(KNOWN_SCOPES[:1]), DEFAULT_SCOPES, frozenset(KNOWN_SCOPES), most]
    return st.sampled_from(known) | st.frozensets(scopes(), min_size=1, max_size=4)


#: Empty and blank, markup and quotes, text from right to left, invisible characters, emoji.
_NAMES: Final = (
    "Partner",
    "",
    " ",
    'O\'Brien & "Søns" <b>%s</b> \\',
    "\u202etrams",
    "a\u200d\ufeff\u0301",
    "\U0001f469\u200d\U0001f4bb",
    "\U0001f4be" * MAX_NAME_LENGTH,
)


def names() -> st.SearchStrategy[str]:
    """Names of organizations and Connections. A missing name is not drawn here."""
    readable = st.characters(exclude_categories=("Cc", "Cs"))
    return st.sampled_from(_NAMES) | st.text(readable, max_size=MAX_NAME_LENGTH)


_MILLISECOND: Final = timedelta(milliseconds=1)
_SOONEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FARTHEST: Final = datetime(2100, 1, 1, tzinfo=UTC)
#: The simplest, a millisecond later, the end of a leap day, the start and 32-bit end of Unix time,
#: and the first and the last time that is kept.
_TIMES: Final = (
    datetime(2000, 1, 1, tzinfo=UTC),
    datetime(2000, 1, 1, tzinfo=UTC) + _MILLISECOND,
    datetime(2024, 2, 29, 23, 59, 59, 999000, tzinfo=UTC),
    datetime(1970, 1, 1, tzinfo=UTC),
    datetime(2038, 1, 19, 3, 14, 8, tzinfo=UTC),
    EARLIEST,
    LATEST,
)


def times(
    *, min_value: datetime = _SOONEST, max_value: datetime = _FARTHEST, normalized: bool = True
) -> st.SearchStrategy[datetime]:
    """Times: aware, in UTC and in whole milliseconds, as the library keeps them.

    Args:
        min_value: the earliest; aware, and from 0001-01-02T00:00:00.000Z.
        max_value: the latest; aware, and up to 9999-12-30T23:59:59.999Z.
        normalized: False to draw microseconds and other time zones as well, which the library
            accepts and normalizes.

    Raises:
        ValueError: there is no whole millisecond between the two, or one of them is naive or out of
            range.
    """
    first = as_timestamp(min_value)
    first += _MILLISECOND if first < min_value else timedelta(0)
    last = as_timestamp(max_value)
    if first > last:
        raise ValueError(
            f"no whole millisecond is between min_value={min_value} and max_value={max_value}; "
            "give an earlier min_value or a later max_value"
        )
    unit = _MILLISECOND if normalized else timedelta.resolution
    any_time = st.integers(0, (last - first) // unit).map(lambda count: first + count * unit)
    known = [at for at in _TIMES if first <= at <= last]
    moments = st.sampled_from(known) | any_time if known else any_time
    return moments if normalized else st.builds(_elsewhere, moments, st.integers(-1439, 1439))


def _elsewhere(at: datetime, minutes: int) -> datetime:
    """The same moment in a time zone so many minutes ahead."""
    return at.astimezone(timezone(timedelta(minutes=minutes)))
