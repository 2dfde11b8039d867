"""How tables for people are laid out."""

from __future__ import annotations

from rich.table import Table

from bench.measure import Measured, Times


def table(first: str, *others: str) -> Table:
    """A table whose first column is text and whose others are numbers."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    made.add_column(first, min_width=30)
    for name in others:
        made.add_column(name, justify="right", no_wrap=True)
    return made


def stages(one: Measured) -> Table:
    """Where an operation of ours spends its time."""
    made = table(one.name, "jobs", "begin", "end", "adds", "busy")
    for stage in one.stages:
        times = (stage.begin, stage.end, stage.adds, stage.busy)
        made.add_row(stage.name, str(stage.jobs), *(milliseconds(seconds) for seconds in times))
    return made


def span(times: Times) -> str:
    """Median and limits of all repetitions, in ms."""
    low, high = milliseconds(min(times.seconds)), milliseconds(max(times.seconds))
    return f"{milliseconds(times.median)} ({low}-{high})"


def milliseconds(seconds: float) -> str:
    """Seconds, in ms without a unit."""
    return f"{seconds * 1000:.0f}"
