"""Does the clock of this machine agree with that of a server? A worker whose clock is off would
take living work for lost, and lost work for living."""

from __future__ import annotations

import time
from collections.abc import Callable

from tasks.errors import ConfigError

#: The part of the visibility timeout by which clocks may differ: signs of life come three times in
#: it, so that with a quarter more a message that was missed once is still not abandoned.
SAFE = 1 / 4
#: How often a clock is asked; the answer that came the fastest counts.
_ASKED = 3


def skew_to(their_time: Callable[[], float]) -> float:
    """Seconds by which the clock of this machine is ahead of another (negative: behind), measured
    in the middle of the shortest of a few round trips. `their_time` asks it: seconds since 1970."""
    return min(_measured(their_time) for _ in range(_ASKED))[1]


def _measured(their_time: Callable[[], float]) -> tuple[float, float]:
    """How long the answer took, and the skew by it."""
    before = time.time()
    theirs = their_time()
    after = time.time()
    return after - before, (before + after) / 2 - theirs


def check_skew(skew: float, whose: str, visibility: float) -> None:
    """Raises ConfigError for clocks that are further apart than a quarter of `visibility`
    seconds."""
    safe = visibility * SAFE
    if abs(skew) > safe:
        raise ConfigError(
            f"the clock of this machine is {abs(skew):.1f} s "
            f"{'ahead of' if skew > 0 else 'behind'} the clock of {whose}; at most {safe:.1f} s "
            "are safe (a quarter of TENANTSYNC_VISIBILITY): set both by a time server (NTP) and "
            "start again"
        )
