"""How long does an operation take beside its floor? Both in turns, in one run."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.timeline import Stage

#: An operation is not repeated for more than so many seconds, on a machine with much other load,
#: once it was repeated so many times: the whole bench then takes less than three minutes.
LONG, ENOUGH = 30.0, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way to carry out an operation; both functions get the number of the repetition."""

    #: Timed.
    run: Callable[[int], object]
    #: Not timed, before each repetition.
    prepare: Callable[[int], object] = lambda _: None


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What is measured, both ways."""

    name: str
    #: The largest ratio of the medians that is good enough.
    aim: float
    ours: Way
    floor: Way
    #: What stands in the place of the floor.
    beside: str = "floor"
    #: Not timed, after both: raises when they did not do the same.
    check: Callable[[int], object] = lambda _: None


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """The seconds of all repetitions, and the most calls that one made."""

    seconds: tuple[float, ...]
    calls: int

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One operation beside its floor."""

    name: str
    aim: float
    ours: Times
    floor: Times
    #: Of one more run of ours, which is not among the times.
    stages: tuple[Stage, ...] = ()

    @property
    def ratio(self) -> float:
        """Ours by the floor, of the medians."""
        return self.ours.median / self.floor.median

    @property
    def met(self) -> bool:
        return self.ratio <= self.aim


def measure(
    operation: Operation, repeat: int, calls: Callable[[], int], progress: Callable[[str], None]
) -> Measured:
    """Repeats ours and the floor in turns, `repeat` times or for `LONG` seconds; `calls` counts the
    calls that the server got."""
    ours: list[tuple[float, int]] = []
    floor: list[tuple[float, int]] = []
    end = time.monotonic() + LONG
    for number in range(repeat):
        ours.append(_timed(operation.ours, number, calls))
        floor.append(_timed(operation.floor, number, calls))
        operation.check(number)
        progress(
            f"{operation.name} {number + 1}/{repeat}: "
            f"ours {ours[-1][0] * 1000:.0f} ms, {operation.beside} {floor[-1][0] * 1000:.0f} ms"
        )
        if len(ours) >= ENOUGH and time.monotonic() > end:
            break
    return Measured(name=operation.name, aim=operation.aim, ours=_times(ours), floor=_times(floor))


def _timed(way: Way, number: int, calls: Callable[[], int]) -> tuple[float, int]:
    way.prepare(number)
    before = calls()
    seconds = timed(lambda: way.run(number))
    return seconds, calls() - before


def timed(run: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def _times(measured: Sequence[tuple[float, int]]) -> Times:
    return Times(
        seconds=tuple(seconds for seconds, _ in measured),
        calls=max(count for _, count in measured),
    )
