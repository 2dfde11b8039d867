"""How many parts a second go through split, plan and gather, beside a bare chord of Celery?

All parts differ: Git holds one file in each of many namespaces, the tenant is empty, and a dry run
plans. A part of files asks Kestra nothing, so what is measured is how jobs are published, claimed,
run, recorded and gathered; surveying the many namespaces is left out of the rate.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from celery import Celery, chord
from rich.table import Table

from bench import tables
from bench.baregit import BareGit
from bench.figures import Figure, Section
from bench.noop import BROKER, QUEUE, application
from bench.options import Options, progress
from bench.stack import CONCURRENCY, RUN_LIMIT, Stack, is_ready, stack, started, until

#: Parts of a run, and how often each is repeated.
ROUNDS = ((100, 3), (1000, 3), (5000, 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """A run of so many parts; seconds, medians."""

    parts: int
    #: From the last answer of the survey to the outcome.
    ours: float
    #: From the asking to the outcome.
    whole: float
    #: A bare chord of as many jobs, from its publishing to its result.
    floor: float


def run(options: Options, folder: Path) -> Section:
    """Each number of parts, ours and the floor in turns."""
    names = [_repository(parts) for parts, _ in ROUNDS]
    with (
        stack(folder, names, settings=options.settings) as running,
        _bare_worker(folder / "noop.log", running.redis_url) as bare,
    ):
        found = [
            _round(running, bare, parts, min(times, options.repeat)) for parts, times in ROUNDS
        ]
    return Section(
        title=f"Runs whose parts all differ beside bare chords; {CONCURRENCY} at a time each",
        figures=tuple(figure for one in found for figure in _figures(one)),
        tables=(_table(found),),
        notes=("'whole' counts the survey too: one call to Kestra for each namespace.",),
        details={"rounds": [asdict(one) for one in found]},
    )


def _repository(parts: int) -> str:
    return f"parts-{parts}"


def _round(running: Stack, bare: Celery, parts: int, times: int) -> Round:
    _plant(running, parts)
    ours, whole, floor = [], [], []
    for number in range(times):
        planned, all_of_it = _ours(running, parts)
        ours.append(planned)
        whole.append(all_of_it)
        floor.append(_floor(bare, parts))
        progress(
            f"{parts} parts {number + 1}/{times}: ours {planned:.2f} s "
            f"(whole {all_of_it:.2f} s), floor {floor[-1]:.2f} s"
        )
    return Round(
        parts=parts,
        ours=statistics.median(ours),
        whole=statistics.median(whole),
        floor=statistics.median(floor),
    )


def _plant(running: Stack, parts: int) -> None:
    """One commit with one file in each namespace."""
    name = _repository(parts)
    files = {f"bench.n{n:04}/files/note.txt": b"note %d\n" % n for n in range(parts)}
    BareGit(running.repository(name), running.repository_url(name)).commit(files)


def _ours(running: Stack, parts: int) -> tuple[float, float]:
    """Seconds from the end of the survey, and from the asking, to the outcome."""
    running.kestra.reset_log()
    asked = time.time()
    outcome = running.sync(
        "PLANNED", sourceOfTruth="GIT", repository=_repository(parts), dryRun=True
    )
    answered = time.time()
    if outcome["counts"]["add"] != parts:
        raise AssertionError(f"{outcome['counts']} is not {parts} to add")
    surveyed = max(call["ended_at"] for call in running.kestra.log())
    return answered - surveyed, answered - asked


def _floor(bare: Celery, parts: int) -> float:
    """Seconds of a chord of jobs that do nothing."""
    part, count = (bare.tasks[f"bench.{name}"] for name in ("part", "count"))
    start = time.perf_counter()
    result = chord([part.s(number) for number in range(parts)])(count.s())
    if result.get(timeout=RUN_LIMIT) != parts:
        raise AssertionError("the bare chord lost a part")
    return time.perf_counter() - start


@contextmanager
def _bare_worker(log: Path, redis_url: str) -> Iterator[Celery]:
    """A worker of the floor with as many processes as ours, and the app that asks it."""
    command = [
        sys.executable, "-m", "celery", "-A", "bench.noop", "worker",
        f"--concurrency={CONCURRENCY}", "--hostname=noop@%h", "--loglevel=INFO",
        "--without-gossip", "--without-mingle", "-Q", QUEUE,
    ]  # fmt: skip
    with started(command, log, {**os.environ, BROKER: redis_url}) as process:
        until(f"the bare worker takes jobs ({log})", lambda: is_ready(process, log))
        app = application(redis_url)
        yield app
        app.close()


def _figures(one: Round) -> tuple[Figure, ...]:
    name = f"chord of {one.parts} parts"
    return (
        Figure(name=f"{name}, ours", value=one.parts / one.ours, unit="jobs/s"),
        Figure(name=f"{name}, bare Celery", value=one.parts / one.floor, unit="jobs/s"),
        Figure(name=f"{name}, ours / floor", value=one.ours / one.floor, unit="x"),
    )


def _table(found: list[Round]) -> Table:
    made = tables.table("parts", "ours ms", "floor ms", "whole ms", "ours jobs/s", "floor jobs/s")
    for one in found:
        times = (tables.milliseconds(each) for each in (one.ours, one.floor, one.whole))
        rates = (f"{one.parts / each:.0f}" for each in (one.ours, one.floor))
        made.add_row(str(one.parts), *times, *rates)
    return made
