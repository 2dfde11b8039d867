"""How much memory does a worker take, at its peak, and does it grow from run to run?

Read from `/proc/<pid>/status`: the peak of the resident set of each process of the worker since it
began (`VmHWM`). Linux only.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from rich.table import Table

from bench import tables
from bench.figures import Figure, Section
from bench.options import Options, progress
from bench.processes import HAS_PROC, children, peak
from bench.stack import OURS, BenchError, Stack, stack
from bench.tenant import SIZES, Size, change_flows

#: The largest peak that is good enough, MiB.
AIM = 300
#: The peak may grow by this between the middle and the last run, to be called flat.
FLAT = 1.1
#: 1,000 and 30,000 artifacts, dashboards not counted.
TENANTS = (Size(namespaces=20, flows=20, files=30), SIZES["large"])
#: Runs after the first export.
RUNS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Peaks:
    """The peaks so far after one run; MiB."""

    run: str
    parent: float
    #: Of each child, the largest first.
    children: tuple[float, ...]

    @property
    def largest(self) -> float:
        return max(self.parent, *self.children)


def run(options: Options, folder: Path) -> Section:
    """A first export, then reconciles of all kinds, on a small and on a large tenant."""
    if not HAS_PROC:
        raise BenchError("memory is read from /proc, which Linux alone has")
    found = {}
    for size in TENANTS:
        progress(f"{artifacts(size)} artifacts: {size}")
        place = folder / str(artifacts(size))
        place.mkdir()
        with stack(place, [OURS], settings=options.settings) as running:
            found[artifacts(size)] = _runs(running, size)
    return Section(
        title="Peak memory of each process of a worker (VmHWM), after each run",
        figures=tuple(
            figure for count, peaks in found.items() for figure in _figures(count, peaks)
        ),
        tables=tuple(_table(count, peaks) for count, peaks in found.items()),
        notes=(
            "Pages that processes share are counted in each. A child's peak rises when it first "
            "gets a large job.",
        ),
        details={str(count): [asdict(one) for one in peaks] for count, peaks in found.items()},
    )


def artifacts(size: Size) -> int:
    """Flows and files of a tenant."""
    return size.namespaces * (size.flows + size.files)


def _runs(running: Stack, size: Size) -> list[Peaks]:
    running.kestra.apply(size.seed(), tenant=OURS)
    running.sync("APPLIED", sourceOfTruth="KESTRA", repository=OURS)
    found = [peaks("first export", running.worker)]
    for number in range(RUNS):
        if number % 4 == 3:
            paths = [size.flow(n) for n in range(size.namespaces)]
            change_flows(running.repository(OURS), paths, number)
            name, expected = "a flow in each namespace", "APPLIED"
        else:
            name, expected = "no change", "UNCHANGED"
        running.sync(expected, sourceOfTruth="GIT", repository=OURS)
        found.append(peaks(name, running.worker))
        progress(f"{found[-1].run}: {found[-1].largest:.0f} MiB")
    return found


def peaks(run: str, parent: int) -> Peaks:
    """The peaks of a worker's processes now."""
    largest = sorted((peak(child) for child in children(parent)), reverse=True)
    return Peaks(run=run, parent=peak(parent), children=tuple(largest))


def _figures(count: int, found: list[Peaks]) -> tuple[Figure, ...]:
    name = f"peak memory, {count:,} artifacts"
    growth = found[-1].largest / found[len(found) // 2].largest
    return (
        Figure(name=f"{name}, largest process", value=found[-1].largest, unit="MiB", aim=AIM),
        Figure(name=f"{name}, parent", value=found[-1].parent, unit="MiB", aim=AIM),
        Figure(name=f"{name}, last / middle run", value=growth, unit="x", aim=FLAT),
    )


def _table(count: int, found: list[Peaks]) -> Table:
    made = tables.table(f"{count:,} artifacts: after", "parent MiB", "largest child", "smallest")
    for one in found:
        sizes = (one.parent, one.children[0], one.children[-1])
        made.add_row(one.run, *(f"{size:.0f}" for size in sizes))
    return made
