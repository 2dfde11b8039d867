"""How are the figures shown: as tables for people, as JSON for programs."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from bench import tables
from bench.figures import Figure, Section, number
from bench.tenant import Size


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Where was measured, and how busy it was: other load falsifies every time."""

    cpus: int
    python: str
    #: Runnable threads, mean of the last minute, before the first measure and after the last.
    load: tuple[float, float]

    @property
    def busy(self) -> bool:
        """Whether others used more than a quarter of it when the bench began."""
        return self.load[0] > self.cpus / 4


def machine(load_before: float) -> Machine:
    """This machine now; `load_before` is the load when the bench began."""
    return Machine(
        cpus=os.cpu_count() or 1,
        python=platform.python_version(),
        load=(load_before, os.getloadavg()[0]),
    )


def as_json(size: Size, where: Machine, sections: Mapping[str, Section]) -> str:
    """Everything that was measured; seconds and bytes."""
    value: dict[str, Any] = {
        "tenant": asdict(size),
        "machine": asdict(where) | {"busy": where.busy},
        "figures": [
            {"measure": name, **_figure(figure)}
            for name, section in sections.items()
            for figure in section.figures
        ],
    }
    for name, section in sections.items():
        # The operations of the first measure stand at the top.
        value |= section.details if name == "ratios" else {name: section.details}
    return json.dumps(value, indent=2)


def _figure(one: Figure) -> dict[str, Any]:
    return asdict(one) | {"met": one.met, "verdict": one.verdict}


def show(console: Console, where: Machine, sections: Mapping[str, Section]) -> None:
    """What each measure found, and last all figures with their aims and verdicts."""
    for section in sections.values():
        console.print(f"[bold]{section.title}[/]")
        for shown in (*section.tables, *section.notes):
            console.print(shown)
        console.print()
    console.print(_verdicts(sections))
    before, after = where.load
    console.print(
        f"Python {where.python}, {where.cpus} CPUs, load {before:.1f} before and {after:.1f} after"
    )
    if where.busy:
        console.print("Others used this machine: ratios are dim, times and rates are wrong.")


def _verdicts(sections: Mapping[str, Section]) -> Table:
    made = tables.table("figure", "is", "aim", "verdict")
    for section in sections.values():
        for one in section.figures:
            made.add_row(one.name, f"{number(one.value)} {one.unit}", one.wanted, one.verdict)
    return made
