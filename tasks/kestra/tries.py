"""When is a request that failed sent again, and after what wait?"""

from __future__ import annotations

import random

from tasks.errors import Busy, Unreachable
from tasks.kestra.answers import NamesCollide, NoConnection, ServerFailed, Throttled, TooSlow
from tasks.kestra.calls import Call, Repeat

#: Tries of one request, the first included.
ATTEMPTS = 4
#: Seconds: the bound of the first random wait, doubled per try, and the bound of all waits.
FIRST_WAIT, LONGEST_WAIT = 0.25, 8.0
#: Seconds: a longer Retry-After is left to the job, which frees its slot meanwhile.
LONGEST_RETRY_AFTER = 30.0
#: Seconds after which a request that failed is not tried again.
TRYING_TIME = 60.0


class Waits:
    """Decides after each failed try whether and when the next one goes out."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._failed = 0

    def next(self, error: Exception) -> bool | float:
        """Seconds to wait, or False to give up: full jitter, or what Retry-After asks for."""
        self._failed += 1
        if not may_repeat(self._call, error):
            return False
        after = error.after if isinstance(error, Busy) else None
        if after is not None and after > LONGEST_RETRY_AFTER:
            return False
        bound = min(LONGEST_WAIT, FIRST_WAIT * 2 ** (self._failed - 1))
        # Not for secrets: the jitter only keeps clients from coming back all at once.
        return (after or 0.0) + random.uniform(0, bound)


def may_repeat(call: Call, error: Exception) -> bool:
    """Whether a request that ended in this error may be sent again by itself."""
    if isinstance(error, (NoConnection, Throttled)):
        return True
    if isinstance(error, (TooSlow, NamesCollide)) or call.repeat is Repeat.ONCE:
        return False
    if isinstance(error, ServerFailed) or not isinstance(error, Busy):
        return call.repeat is Repeat.READ and isinstance(error, (Busy, Unreachable))
    return True
