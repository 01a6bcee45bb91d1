"""Times two or more things against each other on a machine that is busy with other work.

A single time means little there: the same code can take three times as long a second later. So the
contestants take turns, in many short rounds. Of a statement that takes microseconds, the best time
counts: some rounds are not disturbed at all, and the ratio of two best times is stable. A whole
process is always disturbed. Each round then gives a ratio of two neighbours, which were disturbed
alike, and the median of these ratios counts.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import repeat
from statistics import median
from timeit import Timer
from typing import Any

#: One short measurement: seconds for one execution.
Sample = Callable[[], float]

#: A sample takes about this long: far longer than the clock's resolution, far shorter than a busy
#: machine lets a process run without interruption.
_SAMPLE_SECONDS = 0.001


def statement(source: str, /, **names: Any) -> Sample:
    """Samples of `source`, which finds `names` as local variables.

    It is compiled into `timeit`'s loop, which stops the garbage collector. So only the loop is
    timed with it: a wrapper function would cost as much as a dict lookup, and make the contestants
    look more alike than they are.
    """
    timer = timer_of(source, **names)
    number = 1
    # The best of several: one interruption, or a first call that sets things up, would otherwise
    # end the search at once, and the clock's own cost would be counted as the statement's.
    while min(timer.repeat(number=number)) < _SAMPLE_SECONDS:
        number *= 2
    return lambda: timer.timeit(number) / number


def timer_of(source: str, /, **names: Any) -> Timer:
    """The loop of `source`, which finds `names` as local variables."""
    setup = "\n".join(f"{name} = names[{name!r}]" for name in names)
    return Timer(source, setup or "pass", globals={"names": names})


def race(contestants: Mapping[str, Sample], rounds: int) -> dict[str, list[float]]:
    """The times of each in seconds, taken in turns (A, B, A, B, ...) after one round to warm up."""
    for sample in contestants.values():
        sample()
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in repeat(None, rounds):
        for name, sample in contestants.items():
            times[name].append(sample())
    return times


def best(contestants: Mapping[str, Sample], rounds: int) -> dict[str, float]:
    """The best time of each in a race, in seconds."""
    return {name: min(times) for name, times in race(contestants, rounds).items()}


def paired_ratio(times: Sequence[float], baseline: Sequence[float]) -> float:
    """The median of the ratios of `times` to `baseline`, round by round."""
    return median(one / other for one, other in zip(times, baseline, strict=True))


def readable(seconds: float) -> str:
    """A time with three significant digits, in a suitable unit."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"
