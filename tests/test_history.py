"""Events: their times, and what belongs to a creation."""

from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any

import pytest
from pydantic import ValidationError
from support import PARTNER, connection_in, create, outside_data

from connect_core import Connection, ConnectionEvent, InvalidTransitionError, Status, Terms
from connect_core.history import as_timestamp, format_timestamp


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
            (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00.000Z"),
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
            ("2026-01-02T03:04:60Z", "second"),
            (1767322800, "expected a time"),
            (True, "expected a time"),
            (None, "expected a time"),
            (float("nan"), "expected a time"),
            (datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1))), "years 1 to 9999"),
            (datetime(9999, 12, 31, 23, tzinfo=timezone(-timedelta(hours=2))), "years 1 to 9999"),
        ],
    )
    def test_refused(self, wrong: Any, message: str) -> None:
        with pytest.raises(ValueError, match=message):
            as_timestamp(wrong)
        with pytest.raises(ValidationError):
            Connection.model_validate(outside_data() | {"created_at": wrong})

    def test_commands_refuse_naive_times_and_change_nothing(self) -> None:
        connection, _ = create()
        before = connection.model_dump()
        with pytest.raises(ValueError, match="naive"):
            connection.activate(by=PARTNER, at=datetime(2026, 1, 2))
        assert connection.model_dump() == before

    def test_a_refusal_comes_before_a_bad_time(self) -> None:
        with pytest.raises(InvalidTransitionError):
            connection_in(Status.INACTIVE).deactivate(by=PARTNER, at=datetime(2026, 1, 2))


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
