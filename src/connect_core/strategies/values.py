"""Strategies for values: scopes, names and times."""

import string
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

from hypothesis import strategies as st

from connect_core.history import as_timestamp
from connect_core.parties import (
    MAX_NAME_LENGTH,
)
from connect_core.scopes import DEFAULT_SCOPES, MAX_SCOPES, Scope

KNOWN_SCOPES: Final = tuple(
    map(Scope, ("inquiry.read", "account.read", "inquiry.write", "x-1.y_2", "a.b"))
)
_SCOPE_PARTS: Final = st.tuples(
    st.sampled_from(string.ascii_lowercase),
    st.text(string.ascii_lowercase + string.digits + "_-", max_size=8),
).map("".join)


def scopes() -> st.SearchStrategy[Scope]:
    """Scopes: the guide's, and others that are well formed."""
    made_up = st.tuples(_SCOPE_PARTS, _SCOPE_PARTS).map(".".join).map(Scope)
    return st.sampled_from(KNOWN_SCOPES) | made_up


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
_EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(2100, 1, 1, tzinfo=UTC)
#: The simplest, a millisecond later, the end of a leap day, the start and 32-bit end of Unix time.
_TIMES: Final = (
    datetime(2000, 1, 1, tzinfo=UTC),
    datetime(2000, 1, 1, tzinfo=UTC) + _MILLISECOND,
    datetime(2024, 2, 29, 23, 59, 59, 999000, tzinfo=UTC),
    datetime(1970, 1, 1, tzinfo=UTC),
    datetime(2038, 1, 19, 3, 14, 8, tzinfo=UTC),
)


def times(
    *, min_value: datetime = _EARLIEST, max_value: datetime = _LATEST, normalized: bool = True
) -> st.SearchStrategy[datetime]:
    """Times: aware, in UTC and in whole milliseconds, as the library keeps them.

    Args:
        min_value: the earliest; aware.
        max_value: the latest; aware.
        normalized: False to draw microseconds and other time zones as well, which the library
            accepts and normalizes.

    Raises:
        ValueError: there is no whole millisecond between the two, or one of them is naive.
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
    """The same moment in a time zone so many minutes ahead, if it can be expressed there."""
    try:
        return at.astimezone(timezone(timedelta(minutes=minutes)))
    except OverflowError:  # it is the year 0 or 10000 there
        return at
