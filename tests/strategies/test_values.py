"""Strategies of scopes, names and times."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from drawing import drawn, found, simplest
from hypothesis import given
from hypothesis import strategies as st
from support import OUR_KEY, create

from connect_core import Connection, Organization, Scope, strategies
from connect_core.history import as_timestamp, format_timestamp

MILLISECOND = timedelta(milliseconds=1)
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


@given(strategies.scopes())
def test_scopes(scope: Scope) -> None:
    assert type(scope) is Scope
    assert Scope(str(scope)) == scope


def test_scopes_are_the_guides_and_others() -> None:
    assert simplest(strategies.scopes()) == "inquiry.read"
    assert {"inquiry.read", "account.read"} < set(drawn(strategies.scopes(), examples=300))
    assert found(strategies.scopes(), lambda scope: "-" in scope and "_" in scope)
    assert max(map(len, drawn(strategies.scopes()))) == 255


@given(strategies.scope_sets())
def test_scope_sets(scopes: frozenset[Scope]) -> None:
    connection, _ = Connection.create(by=OUR_KEY, destination="org_DEF456", scopes=scopes)
    assert connection.scopes == scopes


def test_scope_sets_from_the_least_to_the_most() -> None:
    assert simplest(strategies.scope_sets()) == {"inquiry.read"}
    sizes = Counter(map(len, drawn(strategies.scope_sets())))
    assert (min(sizes), max(sizes)) == (1, 64)
    assert sizes[64] < sum(sizes.values()) / 4


@given(strategies.names())
def test_names(name: str) -> None:
    assert Organization(id="org_A", name=name).name == name


def test_names_of_all_kinds() -> None:
    assert simplest(strategies.names()) == "Partner"
    names = drawn(strategies.names())
    assert "" in names
    assert any("'" in name and "<" in name for name in names)
    assert any("\u202e" in name for name in names)
    assert max(map(len, names)) == 255
    assert max(len(name.encode()) for name in names) > 1000
    assert len(set(names)) > 100


class TestTimes:
    """Times as the library keeps them, on request as it accepts them, always within the bounds."""

    @given(strategies.times())
    def test_normalized(self, at: datetime) -> None:
        assert at.tzinfo is UTC
        assert as_timestamp(at) == at
        assert datetime(1970, 1, 1, tzinfo=UTC) <= at <= datetime(2100, 1, 1, tzinfo=UTC)

    @given(strategies.times(normalized=False))
    def test_not_normalized(self, at: datetime) -> None:
        assert datetime(1970, 1, 1, tzinfo=UTC) <= at <= datetime(2100, 1, 1, tzinfo=UTC)
        assert create(OUR_KEY).connection.deactivate(by=OUR_KEY, at=at)

    def test_other_zones_and_finer(self) -> None:
        moments = drawn(strategies.times(normalized=False))
        assert any(at.microsecond % 1000 for at in moments)
        offsets = {at.utcoffset() or timedelta(0) for at in moments}
        assert min(offsets) < timedelta(0) < max(offsets)

    def test_the_plainest(self) -> None:
        assert simplest(strategies.times()) == datetime(2000, 1, 1, tzinfo=UTC)
        assert simplest(strategies.times(normalized=False)) == datetime(2000, 1, 1, tzinfo=UTC)
        tomorrow = NOON + timedelta(days=1)
        assert simplest(strategies.times(min_value=NOON, max_value=tomorrow)) == NOON

    @pytest.mark.parametrize("normalized", [True, False])
    @given(data=st.data())
    def test_the_bounds(self, normalized: bool, data: st.DataObject) -> None:
        """To the microsecond, whatever zone they are given in."""
        bounds = strategies.times(normalized=False)
        first, last = sorted(data.draw(st.tuples(bounds, bounds)))
        last += MILLISECOND
        at = data.draw(strategies.times(min_value=first, max_value=last, normalized=normalized))
        assert first <= at <= last

    def test_both_bounds_can_be_drawn(self) -> None:
        last = NOON + 3 * MILLISECOND
        two = strategies.times(min_value=NOON, max_value=last)
        assert set(drawn(two)) == {NOON + count * MILLISECOND for count in range(4)}

    @pytest.mark.parametrize("normalized", [True, False])
    def test_at_the_ends_of_time(self, normalized: bool) -> None:
        """Both are drawn, also in other time zones, where they are of another year."""
        first, last = "0001-01-02T00:00:00.000Z", "9999-12-30T23:59:59.999Z"
        every = strategies.times(
            min_value=datetime.fromisoformat(first),
            max_value=datetime.fromisoformat(last),
            normalized=normalized,
        )
        moments = drawn(every)
        kept = [format_timestamp(as_timestamp(at)) for at in moments]
        assert {first, last} < set(kept)
        assert (min(kept), max(kept)) == (first, last)
        offsets = {at.utcoffset() or timedelta(0) for at in moments}
        assert (len(offsets) > 50) is not normalized

    @pytest.mark.parametrize(
        "bounds",
        [
            {"min_value": datetime(1, 1, 1, 23, 59, 59, 999999, tzinfo=UTC)},
            {"max_value": datetime(9999, 12, 31, tzinfo=UTC)},
        ],
    )
    def test_beyond_the_ends_of_time(self, bounds: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match="expected a time from 0001-01-02T00"):
            strategies.times(**bounds)

    def test_nothing_between(self) -> None:
        half = timedelta(microseconds=500)
        with pytest.raises(ValueError, match="no whole millisecond is between min_value=2026-11"):
            strategies.times(min_value=NOON + half, max_value=NOON + half)
        with pytest.raises(ValueError, match="give an earlier min_value or a later max_value"):
            strategies.times(min_value=NOON, max_value=NOON - MILLISECOND)

    @pytest.mark.parametrize("bound", ["min_value", "max_value"])
    def test_a_naive_bound(self, bound: str) -> None:
        naive: dict[str, Any] = {bound: datetime(2026, 1, 1)}
        with pytest.raises(ValueError, match="give it a time zone, such as datetime"):
            strategies.times(**naive)
