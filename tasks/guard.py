"""What every write asks first: does the lease of its lane outlast it?"""

from __future__ import annotations

from typing import Protocol


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
