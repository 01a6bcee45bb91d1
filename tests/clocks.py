"""A clock for tests."""

from datetime import datetime, timedelta


class Clock:
    """A clock that stands still until somebody moves it.

    Args:
        now: the time that it shows at first.
    """

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def move(self, **time: float) -> None:
        """Move it by so much, as `timedelta` takes it."""
        self.now += timedelta(**time)
