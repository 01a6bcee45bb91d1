"""How two things are timed against each other on a machine that is busy with other work.

A single figure means little there: the same code can take three times as long a second later. So
whatever is compared takes turns, in many short rounds. Of a statement that lasts microseconds the
best time counts: some round or other is not disturbed at all, and the ratio of two bests is stable.
A process is never left alone for as long as it lasts. There each round gives a ratio of two
neighbours, which were disturbed alike, and the median of those counts.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import repeat
from statistics import median
from timeit import Timer
from typing import Any

#: One short measurement: seconds for one execution.
Sample = Callable[[], float]

#: A sample lasts about this long: far more than a tick of the clock, far less than the time for
#: which a busy machine leaves a process alone.
_SAMPLE_SECONDS = 0.001


def statement(source: str, /, **names: Any) -> Sample:
    """Samples of `source`, which finds `names` as local variables.

    It is compiled into `timeit`'s loop, which stops the garbage collector. So nothing is timed
    with it but the loop itself: a wrapper function would cost as much as a dict lookup does, and
    make whatever is compared look more alike than it is.
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
    """The times of each in seconds, taken in turns: A, B, A, B, ... after one to warm up."""
    for sample in contestants.values():
        sample()
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in repeat(None, rounds):
        for name, sample in contestants.items():
            times[name].append(sample())
    return times


def best(contestants: Mapping[str, Sample], rounds: int) -> dict[str, float]:
    """The best time of each in seconds, of a race."""
    return {name: min(times) for name, times in race(contestants, rounds).items()}


def paired_ratio(times: Sequence[float], baseline: Sequence[float]) -> float:
    """How many times slower than its neighbour of the same round, in the median."""
    return median(one / other for one, other in zip(times, baseline, strict=True))


def readable(seconds: float) -> str:
    """A time with three digits that count, in the unit that suits it."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"
