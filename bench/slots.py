"""How much faster do four times as many slots write, where Kestra answers slowly?

A slot is a job that a worker runs at a time. Jobs wait for Kestra most of their time, so slots are
worth more than processors, until the processors have no time left: with every call a fixed latency,
what is missing at four times the speed is the work of the machine itself.
"""

from __future__ import annotations

import os
import statistics
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.table import Table

from bench import tables
from bench.figures import Figure, Section
from bench.measure import timed
from bench.options import Options, progress
from bench.processes import HAS_PROC, processor_seconds
from bench.stack import OURS, Stack, stack
from bench.tenant import Size, change_flows

#: Slots of the slow and of the fast worker.
FEW, MANY = 4, 16
#: Milliseconds of each call to Kestra.
LATENCY = 50.0
AIM = 3.2
#: Every namespace gets one changed flow in each run.
SIZE = Size(namespaces=96, flows=3, files=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconcile:
    """One run; seconds."""

    whole: float
    #: From the first write to the last call of the last writer.
    writing: float
    #: Processor time of all processes of the worker; None where it cannot be read.
    processor: float | None


def run(options: Options, folder: Path) -> Section:
    """The same reconciles by few and by many slots, in turns."""
    latency = LATENCY if options.latency is None else options.latency
    found: dict[int, list[Reconcile]] = {FEW: [], MANY: []}
    with ExitStack() as exits:
        stacks = {}
        for slots in found:
            place = folder / str(slots)
            place.mkdir()
            one = stack(place, [OURS], concurrency=slots, settings=options.settings)
            stacks[slots] = exits.enter_context(one)
            _fill(stacks[slots], latency)
        for number in range(min(options.repeat, 3)):
            for slots, running in stacks.items():
                found[slots].append(_reconcile(running, number))
                progress(f"{slots} slots {number + 1}: {found[slots][-1]}")
    few, many = (_medians(some) for some in found.values())
    return Section(
        title=f"A reconcile that writes {SIZE.namespaces} namespaces, {latency:g} ms a call",
        figures=_figures(few, many),
        tables=(_table({FEW: few, MANY: many}),),
        notes=(
            "'writing' is from the first write to the last; the survey before it reads all files\n"
            "on 8 connections, whatever the number of slots. 'processor' is what the worker\n"
            f"took: a run cannot be shorter than this divided by the {os.cpu_count()} processors.",
        ),
        details={
            "latency": latency / 1000,
            "runs": {str(slots): [asdict(one) for one in some] for slots, some in found.items()},
        },
    )


def _fill(running: Stack, latency: float) -> None:
    running.kestra.apply(SIZE.seed(), tenant=OURS)
    running.sync("APPLIED", sourceOfTruth="KESTRA", repository=OURS)
    running.sync("UNCHANGED", sourceOfTruth="GIT", repository=OURS)
    running.slow_down(latency)


def _reconcile(running: Stack, number: int) -> Reconcile:
    paths = [SIZE.flow(n) for n in range(SIZE.namespaces)]
    change_flows(running.repository(OURS), paths, number)
    running.kestra.reset_log()
    before = _processor(running)
    whole = timed(lambda: running.sync("APPLIED", sourceOfTruth="GIT", repository=OURS))
    after = _processor(running)
    calls = running.kestra.log()
    first = next(call for call in calls if call["path"].endswith("/flows/import"))
    return Reconcile(
        whole=whole,
        writing=max(call["ended"] for call in calls) - first["started"],
        processor=None if before is None or after is None else after - before,
    )


def _processor(running: Stack) -> float | None:
    return processor_seconds(running.worker) if HAS_PROC else None


def _medians(some: list[Reconcile]) -> Reconcile:
    each = [one.processor for one in some if one.processor is not None]
    return Reconcile(
        whole=statistics.median(one.whole for one in some),
        writing=statistics.median(one.writing for one in some),
        processor=statistics.median(each) if each else None,
    )


def _figures(few: Reconcile, many: Reconcile) -> tuple[Figure, ...]:
    name = f"{FEW} to {MANY} slots"
    return (
        Figure(
            name=f"{name}, whole run",
            value=few.whole / many.whole,
            unit="x",
            aim=AIM,
            at_least=True,
        ),
        Figure(name=f"{name}, writing alone", value=few.writing / many.writing, unit="x"),
    )


def _table(found: dict[int, Reconcile]) -> Table:
    made = tables.table("slots", "whole ms", "writing ms", "processor ms")
    for slots, one in found.items():
        times = (one.whole, one.writing, one.processor)
        made.add_row(str(slots), *("?" if t is None else tables.milliseconds(t) for t in times))
    return made
