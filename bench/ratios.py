"""How long does TenantSync take beside the bare calls that its work needs?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.table import Table

from bench import tables
from bench.barekestra import BareKestra
from bench.figures import Figure, Section
from bench.floors import Floors
from bench.measure import Measured, Times
from bench.operations import Bench, repositories
from bench.options import Options, progress
from bench.stack import CONCURRENCY, FLOOR, stack

_STAGES = """\
Where ours spends its time, in ms since it was asked (one more run, watched by Celery's events).
'adds' is how much later the run ended for a stage, 'busy' what its jobs took together."""


def run(options: Options, folder: Path) -> Section:
    """Each operation beside its floor, in turns; `folder` must be empty."""
    measured = _measured(options, folder)
    return Section(
        title=f"TenantSync beside the bare calls; {options.size}; {CONCURRENCY} at a time",
        figures=tuple(_figure(one) for one in measured),
        tables=(_ratios(measured), *(tables.stages(one) for one in measured)),
        notes=(_STAGES,),
        details={"operations": [as_dict(one) for one in measured]},
    )


def _measured(options: Options, folder: Path) -> list[Measured]:
    progress("starting a worker, Kestra, a Git server and Valkey")
    with (
        stack(folder, repositories(options.repeat), settings=options.settings) as running,
        BareKestra(running.kestra.url, FLOOR, running.server.user, running.server.password) as bare,
        Floors(bare, folder / "floor.git", running.repository_url(FLOOR)) as floors,
    ):
        bench = Bench(
            stack=running, floors=floors, size=options.size, folder=folder, progress=progress
        )
        progress("filling two tenants and their repositories")
        bench.plant()
        return bench.all(options.repeat)


def as_dict(one: Measured) -> dict[str, Any]:
    """One operation for programs; seconds."""
    return {
        "name": one.name,
        "ratio": round(one.ratio, 3),
        "aim": one.aim,
        "met": one.met,
        "ours": _way(one.ours),
        "floor": _way(one.floor),
        "stages": [asdict(stage) for stage in one.stages],
    }


def _way(times: Times) -> dict[str, Any]:
    return {
        "median": times.median,
        "min": min(times.seconds),
        "max": max(times.seconds),
        "seconds": times.seconds,
        "calls": times.calls,
    }


def _figure(one: Measured) -> Figure:
    return Figure(name=f"{one.name}, ours / floor", value=one.ratio, unit="x", aim=one.aim)


def _ratios(measured: Sequence[Measured]) -> Table:
    made = tables.table(
        "operation", "n", "ours ms", "floor ms", "calls ours/floor", "ratio", "aim", ""
    )
    for one in measured:
        made.add_row(
            one.name,
            str(len(one.ours.seconds)),
            tables.span(one.ours),
            tables.span(one.floor),
            f"{one.ours.calls} / {one.floor.calls}",
            f"{one.ratio:.2f}",
            f"{one.aim:.1f}",
            "met" if one.met else "missed",
        )
    return made
