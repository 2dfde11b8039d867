"""What every write asks first: does the lease of its lane outlast it?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from tasks.errors import Cancelled


class Guard(Protocol):
    """The leases of the job that writes."""

    @property
    def longest(self) -> float:
        """Seconds that a single write may take at most."""

    def __call__(self, seconds: float) -> None:
        """Says that a write of at most `seconds` starts now. Raises LeaseLost when the lane would
        not be held that long; then the write must not start."""

    def held(self) -> bool:
        """Whether the lane is still ours; after a write, false means that it may have been late."""


@dataclass(frozen=True, slots=True)
class Stoppable:
    """A guard that starts no write of a run which a person has ended."""

    guard: Guard
    is_cancelled: Callable[[], bool]

    @property
    def longest(self) -> float:
        return self.guard.longest

    def __call__(self, seconds: float) -> None:
        """As the guard; raises Cancelled when the run has been ended meanwhile."""
        if self.is_cancelled():
            raise Cancelled("the run was cancelled")
        self.guard(seconds)

    def held(self) -> bool:
        return self.guard.held()
