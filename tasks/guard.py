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


class Asked:
    """A guard that remembers whether it ever granted a write, to this start of its job or to an
    `earlier` one."""

    def __init__(self, guard: Guard, *, earlier: bool) -> None:
        self._guard = guard
        self.asked = earlier

    @property
    def longest(self) -> float:
        return self._guard.longest

    def __call__(self, seconds: float) -> None:
        """As the guard, and remembers that it granted."""
        self._guard(seconds)
        self.asked = True

    def held(self) -> bool:
        return self._guard.held()


class Stopped:
    """The guard of a job that only looks at what landed, without the leases that a write needs."""

    longest = 0.0

    def __call__(self, seconds: float) -> None:
        """Raises Cancelled."""
        raise Cancelled(f"the run was cancelled; no write of {seconds:g} s is started")

    def held(self) -> bool:
        return True
