"""The results of the benchmarks: figures with bounds, and facts that hold or do not."""

from dataclasses import dataclass


def verdict(holds: bool) -> str:
    """The word for a table that says whether something holds."""
    return "yes" if holds else "[bold red]NO[/]"


@dataclass(frozen=True, slots=True)
class AtMost:
    """An upper bound."""

    limit: float

    def admits(self, value: float) -> bool:
        """Whether `value` keeps within it."""
        return value <= self.limit

    def __str__(self) -> str:
        return f"≤ {self.limit:g}"

    def as_dict(self) -> dict[str, float]:
        """The bound as plain JSON values."""
        return {"at_most": self.limit}


@dataclass(frozen=True, slots=True)
class AtLeast:
    """A lower bound."""

    limit: float

    def admits(self, value: float) -> bool:
        """Whether `value` keeps within it."""
        return value >= self.limit

    def __str__(self) -> str:
        return f"≥ {self.limit:g}"

    def as_dict(self) -> dict[str, float]:
        """The bound as plain JSON values."""
        return {"at_least": self.limit}


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured time, beside the time of a baseline if there is one.

    Attributes:
        subject: what was timed.
        seconds: its time.
        baseline: what it is compared with; None if the bound applies to the time itself.
        baseline_seconds: the baseline's time.
        bound: the bound of `value`; None if the figure only informs.
        faster: whether the ratio says how much faster the subject is, not how much slower.
        paired_ratio: the ratio, if it was measured round by round and not from the two times.
    """

    subject: str
    seconds: float
    baseline: str | None = None
    baseline_seconds: float | None = None
    bound: AtMost | AtLeast | None = None
    faster: bool = False
    paired_ratio: float | None = None

    @property
    def ratio(self) -> float | None:
        """How many times slower than the baseline the subject is, or faster if `faster` is set."""
        if self.paired_ratio is not None or self.baseline_seconds is None:
            return self.paired_ratio
        if self.faster:
            return self.baseline_seconds / self.seconds
        return self.seconds / self.baseline_seconds

    @property
    def value(self) -> float:
        """What the bound applies to: the ratio or, without a baseline, the time."""
        return self.seconds if self.ratio is None else self.ratio

    @property
    def holds(self) -> bool:
        """Whether the value is within its bound; true if there is none."""
        return self.bound is None or self.bound.admits(self.value)

    def as_dict(self) -> dict[str, object]:
        """The figure as plain JSON values, times in seconds."""
        return {
            "subject": self.subject,
            "seconds": self.seconds,
            "baseline": self.baseline,
            "baseline_seconds": self.baseline_seconds,
            "ratio": self.ratio,
            "bound": None if self.bound is None else self.bound.as_dict(),
            "holds": self.holds,
        }


@dataclass(frozen=True, slots=True)
class Fact:
    """A claim that is true or false, whatever the times are."""

    claim: str
    holds: bool

    def as_dict(self) -> dict[str, object]:
        """The fact as plain JSON values."""
        return {"claim": self.claim, "holds": self.holds}


@dataclass(frozen=True, slots=True)
class Section:
    """The figures and facts on one subject."""

    title: str
    figures: tuple[Figure, ...]
    facts: tuple[Fact, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether every bound and every fact holds."""
        return all(figure.holds for figure in self.figures) and all(
            fact.holds for fact in self.facts
        )

    def as_dict(self) -> dict[str, object]:
        """The section as plain JSON values."""
        return {
            "title": self.title,
            "figures": [figure.as_dict() for figure in self.figures],
            "facts": [fact.as_dict() for fact in self.facts],
        }
