"""Events: their times, and what belongs to a creation."""

from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from support import OUR_KEY, PARTNER, connection_in, create, outside_data

from connect_core import (
    Connection,
    ConnectionEvent,
    InvalidHistoryError,
    InvalidTransitionError,
    Status,
    Terms,
)
from connect_core.history import as_timestamp, format_timestamp, utc_now

MAX_VERSION = 2_147_483_647
#: The earliest and the latest time that the library keeps.
EARLIEST = datetime(1, 1, 2, tzinfo=UTC)
LATEST = datetime(9999, 12, 30, 23, 59, 59, 999000, UTC)
RANGE = r"^expected a time from 0001-01-02T00:00:00\.000Z to 9999-12-30T23:59:59\.999Z$"


class NoOffset(tzinfo):
    """A time zone without an offset: as good as none."""

    def utcoffset(self, dt: datetime | None) -> None:  # noqa: ARG002  # the name is given
        return None

    dst = tzname = utcoffset


class TestTimes:
    """Times are aware, in UTC and in whole milliseconds; naive times are refused."""

    @pytest.mark.parametrize(
        ("given_time", "kept"),
        [
            (datetime(2026, 1, 2, 3, 4, 5, 678999, UTC), "2026-01-02T03:04:05.678Z"),
            (
                datetime(2026, 1, 2, 3, 4, 5, 0, timezone(timedelta(hours=5))),
                "2026-01-01T22:04:05.000Z",
            ),
            ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05.000Z"),
            ("2026-01-02t03:04:05.1z", "2026-01-02T03:04:05.100Z"),
            ("2026-01-02 03:04:05.123456789-01:30", "2026-01-02T04:34:05.123Z"),
            ("2026-01-02T03:04:05-00:00", "2026-01-02T03:04:05.000Z"),
            ("2026-01-02T23:59:59.999+23:59", "2026-01-02T00:00:59.999Z"),
            ("2026-01-02T00:00:00-23:59", "2026-01-02T23:59:00.000Z"),
            ("2024-02-29T00:00:00Z", "2024-02-29T00:00:00.000Z"),
            (f"2026-01-02T03:04:05.{'9' * 100_000}Z", "2026-01-02T03:04:05.999Z"),
            (EARLIEST, "0001-01-02T00:00:00.000Z"),
            (EARLIEST.astimezone(timezone(timedelta(hours=-23))), "0001-01-02T00:00:00.000Z"),
            ("0001-01-01T00:01:00-23:59", "0001-01-02T00:00:00.000Z"),
            (LATEST, "9999-12-30T23:59:59.999Z"),
            (LATEST + timedelta(microseconds=999), "9999-12-30T23:59:59.999Z"),
            ("9999-12-31T23:58:59.9999999+23:59", "9999-12-30T23:59:59.999Z"),
        ],
    )
    def test_kept(self, given_time: object, kept: str) -> None:
        moment = as_timestamp(given_time)
        assert moment.tzinfo is UTC
        assert format_timestamp(moment) == kept
        assert as_timestamp(kept) == moment

    @pytest.mark.parametrize(
        ("wrong", "message"),
        [
            (datetime(2026, 1, 2), "naive"),
            (datetime(2026, 1, 2, tzinfo=NoOffset()), "naive"),
            ("2026-01-02T03:04:05", "with its offset"),
            ("2026-01-02", "with its offset"),
            ("2026-W01-1T00:00:00Z", "with its offset"),
            ("1767322800", "with its offset"),
            ("2026-01-02T03:04:05Z\n", "with its offset"),
            ("٢٠٢٦-01-02T03:04:05Z", "with its offset"),
            ("2026-13-02T03:04:05Z", "month"),
            ("2026-02-29T03:04:05Z", "day"),
            ("2016-12-31T23:59:60Z", "the second of a time is at most 59; this is 60$"),
            ("2026-01-02T03:60:00Z", "the minute of a time is at most 59; this is 60$"),
            ("2026-01-02T24:00:00Z", "the hour of a time is at most 23; this is 24$"),
            ("2026-01-02T03:04:05+24:00", "the hour of an offset is at most 23; this is 24$"),
            ("2026-01-02T03:04:05-24:00", "the hour of an offset is at most 23; this is 24$"),
            ("2026-01-02T03:04:05+01:60", "the minute of an offset is at most 59; this is 60$"),
            ("2026-01-02T03:04:05+01:99", "the minute of an offset is at most 59; this is 99$"),
            ("2026-01-02T03:04:05+23:99", "the minute of an offset is at most 59; this is 99$"),
            ("0000-06-01T00:00:00Z", RANGE),
            ("0000-12-31T23:59:59-23:59", RANGE),
            ("0001-01-01T23:59:59.999999Z", RANGE),
            ("0001-01-02T00:00:00+00:01", RANGE),
            ("0001-01-01T00:00:00+00:01", RANGE),
            ("9999-12-31T00:00:00Z", RANGE),
            ("9999-12-30T23:59:59-00:01", RANGE),
            ("9999-12-31T23:59:59.999Z", RANGE),
            ("9999-12-31T23:59:59.999-23:59", RANGE),
            ("10000-01-01T00:00:00Z", "with its offset"),
            ("-0001-01-01T00:00:00Z", "with its offset"),
            (datetime(1, 1, 1, tzinfo=UTC), RANGE),
            (EARLIEST - timedelta(microseconds=1), RANGE),
            (LATEST + timedelta(milliseconds=1), RANGE),
            (datetime.max.replace(tzinfo=UTC), RANGE),
            (1767322800, "expected a time"),
            (True, "expected a time"),
            (None, "expected a time"),
            (float("nan"), "expected a time"),
            (datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1))), RANGE),
            (datetime(9999, 12, 31, 23, tzinfo=timezone(-timedelta(hours=2))), RANGE),
        ],
    )
    def test_refused(self, wrong: Any, message: str) -> None:
        with pytest.raises(ValueError, match=message):
            as_timestamp(wrong)
        with pytest.raises(ValidationError):
            Connection.model_validate(outside_data() | {"created_at": wrong})

    def test_the_ends_can_be_written_in_every_time_zone(self) -> None:
        """A session of PostgreSQL reads a time in its own time zone, up to a day away."""
        for moment in (EARLIEST, LATEST + timedelta(microseconds=999)):
            for minutes in (-1439, 1439):
                elsewhere = moment.astimezone(timezone(timedelta(minutes=minutes)))
                assert as_timestamp(elsewhere) == as_timestamp(moment)

    @pytest.mark.parametrize("at", [EARLIEST - timedelta(days=1), LATEST + timedelta(days=1)])
    def test_commands_refuse_times_out_of_range_and_change_nothing(self, at: datetime) -> None:
        connection, _ = create()
        before = connection.model_dump()
        with pytest.raises(ValueError, match=RANGE.replace("^", "^at: ")):
            connection.activate(by=PARTNER, at=at)
        assert connection.model_dump() == before
        with pytest.raises(ValueError, match=RANGE.replace("^", "^at: ")):
            Connection.create(by=OUR_KEY, destination="org_DEF456", at=at)

    def test_commands_refuse_naive_times_and_change_nothing(self) -> None:
        connection, _ = create()
        before = connection.model_dump()
        with pytest.raises(ValueError, match="naive"):
            connection.activate(by=PARTNER, at=datetime(2026, 1, 2))
        assert connection.model_dump() == before

    def test_a_refusal_comes_before_a_bad_time(self) -> None:
        with pytest.raises(InvalidTransitionError):
            connection_in(Status.INACTIVE).deactivate(by=PARTNER, at=datetime(2026, 1, 2))


class TestTheClock:
    """`utc_now` gives whole milliseconds, exactly, whatever the system's clock shows."""

    @pytest.mark.parametrize(
        ("nanoseconds", "shown"),
        [
            (0, "1970-01-01T00:00:00.000000+00:00"),
            (1_795_737_600_123_999_999, "2026-11-27T00:00:00.123000+00:00"),
            (-1, "1969-12-31T23:59:59.999000+00:00"),
            (-(2**63), "1677-09-21T00:12:43.145000+00:00"),
            (9_000_000_000_001_000_000, "2255-03-14T16:00:00.001000+00:00"),
            (2**63 - 1, "2262-04-11T23:47:16.854000+00:00"),
        ],
    )
    def test_shown(self, nanoseconds: int, shown: str) -> None:
        """The extremes are those of the 64 bits in which a system counts nanoseconds."""
        with patch("connect_core.history.time_ns", return_value=nanoseconds):
            now = utc_now()
        assert now.isoformat(timespec="microseconds") == shown
        assert as_timestamp(now) == now
        assert now.tzinfo is UTC

    @given(st.integers(-(2**63), 2**63 - 1))
    def test_whole_milliseconds(self, nanoseconds: int) -> None:
        with patch("connect_core.history.time_ns", return_value=nanoseconds):
            now = utc_now()
        elapsed = now - datetime(1970, 1, 1, tzinfo=UTC)
        assert elapsed == timedelta(milliseconds=nanoseconds // 1_000_000)


class TestVersions:
    """A version is a whole number from 1 to 2147483647, which every database can store."""

    def test_the_highest(self) -> None:
        connection = Connection.model_validate(outside_data() | {"version": MAX_VERSION})
        assert connection.version == MAX_VERSION
        assert json_schema_of_version() == {
            "title": "Version",
            "type": "integer",
            "minimum": 1,
            "maximum": MAX_VERSION,
        }

    @pytest.mark.parametrize("version", [2_147_483_648, 2**63, 10**100, 0, -1, 1.0, "1"])
    def test_no_version(self, version: object) -> None:
        with pytest.raises(ValidationError) as caught:
            Connection.model_validate(outside_data() | {"version": version})
        assert caught.value.errors()[0]["loc"] == ("version",)
        _, event = create()
        with pytest.raises(ValidationError) as caught:
            ConnectionEvent.model_validate(event.model_dump() | {"version": version})
        assert caught.value.errors()[0]["loc"] == ("version",)

    def test_nothing_follows_the_highest(self) -> None:
        """A command is refused after the policy permitted it; an event cannot have happened."""
        connection = Connection.model_validate(outside_data() | {"version": MAX_VERSION - 1})
        last, event = connection.deactivate(by=OUR_KEY)
        assert last.version == event.version == MAX_VERSION
        with pytest.raises(ValueError, match=r"^the version is 2147483647, the highest there is$"):
            last.reactivate(by=OUR_KEY)
        with pytest.raises(InvalidTransitionError):
            last.deactivate(by=OUR_KEY)
        following = ConnectionEvent.model_validate(
            event.model_dump()
            | {"action": "reactivate", "previous_status": "inactive", "status": "pending"}
        )
        with pytest.raises(InvalidHistoryError, match="the highest there is") as caught:
            last.apply(following)
        assert caught.value.index == MAX_VERSION


def json_schema_of_version() -> object:
    return Connection.model_json_schema()["properties"]["version"]


class TestOutsideData:
    """Every field of an event built from outside data is validated, its terms included."""

    @pytest.mark.parametrize(
        "change",
        [
            {"version": 2},
            {"previous_status": "inactive"},
            {"terms": None},
            {"action": "activate"},
            {"action": "reactivate", "version": 2, "previous_status": "inactive"},
            {"action": "activate", "version": 2, "terms": None},
            {"action": "activate", "previous_status": "pending", "terms": None},
        ],
    )
    def test_an_event_with_the_marks_of_a_creation_is_one(self, change: dict[str, object]) -> None:
        _, event = create()
        with pytest.raises(ValidationError, match="belong to the creation"):
            ConnectionEvent.model_validate(event.model_dump() | change)

    @pytest.mark.parametrize(
        ("change", "place"),
        [
            ({"roles": []}, "roles"),
            ({"roles": ["owner"]}, "roles"),
            ({"version": True}, "version"),
            ({"action": "explode"}, "action"),
            ({"note": "hello"}, "note"),
            ({"occurred_at": "yesterday"}, "occurred_at"),
        ],
    )
    def test_a_bad_event(self, change: dict[str, object], place: str) -> None:
        _, event = create()
        with pytest.raises(ValidationError) as caught:
            ConnectionEvent.model_validate(event.model_dump() | change)
        assert caught.value.errors()[0]["loc"][0] == place

    def test_terms(self) -> None:
        with pytest.raises(ValidationError, match="not permitted"):
            Terms.model_validate(
                {
                    "source_organization_id": "org_A",
                    "destination_organization_id": "org_B",
                    "scopes": ["a.b"],
                    "x": 1,
                }
            )

    def test_terms_as_plain_values(self) -> None:
        _, event = create(name="Söhne 🎉")
        assert event.terms is not None
        written = event.terms.as_dict()
        assert written == event.terms.model_dump(mode="json")
        assert written["scopes"] == ["account.read", "inquiry.read"]
        assert {type(written["source_organization_id"]), type(written["name"])} == {str}
