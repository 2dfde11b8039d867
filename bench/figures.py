"""What did a measure find, and is it good enough?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rich.table import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One number and its aim."""

    name: str
    value: float
    #: `x` for ratios, else `MiB`, `B`, `jobs/s`, ...
    unit: str
    #: None = no aim: the number is told, not judged.
    aim: float | None = None
    #: Whether the aim is the least that is good enough; otherwise it is the most.
    at_least: bool = False

    @property
    def met(self) -> bool | None:
        """Whether the aim is met; None without one."""
        if self.aim is None:
            return None
        return self.value >= self.aim if self.at_least else self.value <= self.aim

    @property
    def verdict(self) -> str:
        """`met`, `missed by 12 %` of the aim, or nothing where there is no aim."""
        if self.aim is None:
            return ""
        if self.met:
            return "met"
        return f"missed by {abs(self.value - self.aim) / self.aim * 100:.0f} %"

    @property
    def wanted(self) -> str:
        """The aim as it is shown."""
        if self.aim is None:
            return ""
        return f"{'≥' if self.at_least else '≤'} {number(self.aim)} {self.unit}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """What one measure found."""

    #: What was measured on what, in one line.
    title: str
    figures: tuple[Figure, ...]
    #: What to know when reading the figures.
    notes: tuple[str, ...] = ()
    #: For people; programs read `details`.
    tables: tuple[Table, ...] = ()
    #: For programs, under this measure's name; times in seconds, sizes in bytes.
    details: Mapping[str, Any] = field(default_factory=dict)


def number(value: float) -> str:
    """A number with three digits that count, or all before the point."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
