"""How are the figures shown: as tables for people, as JSON for programs."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.measure import Measured, Times
from bench.stack import CONCURRENCY
from bench.tenant import Size


def as_json(size: Size, measured: Sequence[Measured]) -> str:
    """Everything that was measured; seconds."""
    value = {
        "tenant": asdict(size),
        "machine": _machine(),
        "operations": [_operation(one) for one in measured],
    }
    return json.dumps(value, indent=2)


def _operation(one: Measured) -> dict[str, Any]:
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


def _machine() -> dict[str, Any]:
    return {"cpus": os.cpu_count(), "load": os.getloadavg()[0], "python": platform.python_version()}


def show(console: Console, size: Size, measured: Sequence[Measured]) -> None:
    """The table of ratios, and under it where each operation spends its time."""
    machine = _machine()
    console.print(
        f"{size.namespaces} namespaces with {size.flows} flows and {size.files} files each; "
        f"Python {machine['python']}, {machine['cpus']} CPUs, load {machine['load']:.1f}; "
        f"{CONCURRENCY} at a time; median (min-max) of n repetitions"
    )
    console.print(_ratios(measured))
    console.print(
        "Where ours spends its time, in ms since it was asked (one more run, watched by Celery's "
        "events).\n'adds' is how much later the run ended for a stage, 'busy' what its jobs took "
        "together."
    )
    for one in measured:
        console.print(_stages(one))


def _ratios(measured: Sequence[Measured]) -> Table:
    table = _table("operation", "n", "ours ms", "floor ms", "calls ours/floor", "ratio", "aim", "")
    for one in measured:
        table.add_row(
            one.name,
            str(len(one.ours.seconds)),
            _span(one.ours),
            _span(one.floor),
            f"{one.ours.calls} / {one.floor.calls}",
            f"{one.ratio:.2f}",
            f"{one.aim:.1f}",
            "met" if one.met else "missed",
        )
    return table


def _stages(one: Measured) -> Table:
    table = _table(one.name, "jobs", "begin", "end", "adds", "busy")
    for stage in one.stages:
        times = (stage.begin, stage.end, stage.adds, stage.busy)
        table.add_row(stage.name, str(stage.jobs), *(_milliseconds(seconds) for seconds in times))
    return table


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(first, min_width=30)
    for name in others:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _span(times: Times) -> str:
    low, high = _milliseconds(min(times.seconds)), _milliseconds(max(times.seconds))
    return f"{_milliseconds(times.median)} ({low}-{high})"


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f}"
