"""May this job start a write now? The guard of the leases that a job holds: renewed by a thread
while the job runs, asked before each write."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable
from types import TracebackType
from typing import Protocol

import redis

from tasks.errors import Cancelled, ConfigError, LeaseLost
from tasks.guard import Guard as Permission

log = logging.getLogger(__name__)

#: Seconds between two tries to renew while Redis does not answer, as part of the lease.
_TRY_AGAIN = 1 / 15


class Leases(Protocol):
    """Who grants leases: the lanes."""

    @property
    def lease(self) -> float:
        """Seconds for which a lease is granted."""

    def renew(self, token: str, lanes: Iterable[str]) -> float | None:
        """The new deadline (`time.monotonic()`), None when a lease is no longer this token's."""

    def held(self, token: str, lanes: Iterable[str]) -> bool:
        """Whether the leases of all lanes are this token's at this moment."""


class Guard:
    """The guard of the leases of one job; `guard(seconds)` is asked before each write.

    Leaving its `with` block stops the renewing and frees nothing: that is `Lanes.release` or
    `leave`. All methods may be called from any thread of the process.
    """

    def __init__(self, leases: Leases, token: str, deadline: float, lanes: Iterable[str]) -> None:
        self.token = token
        self._leases = leases
        self._lanes = tuple(dict.fromkeys(lanes))
        self._deadline = deadline
        self._lost = False
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)

    def __enter__(self) -> Guard:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()

    @property
    def lost(self) -> bool:
        """Whether the leases are known to be another's, or ended. Asks nobody."""
        return self._lost or time.monotonic() >= self._deadline

    @property
    def longest(self) -> float:
        """Seconds that a single write may take at most: two thirds of a lease, so that a check
        still passes when a renewal came to nothing."""
        return self._leases.lease * 2 / 3

    def __call__(self, seconds: float) -> None:
        """Say that a write of at most `seconds` (all of it, retries included) starts now.

        Asks Redis. Raises LeaseLost unless the token is still ours in all lanes and the leases
        outlast the write; ConfigError if no lease ever would.
        """
        if seconds > self.longest:
            raise ConfigError(
                f"a write of up to {seconds:g} s does not fit a lease of {self._leases.lease:g} s: "
                f"raise TENANTSYNC_LEASE to {seconds * 3 / 2:g} or lower the timeout of the write"
            )
        try:
            self._renew()
        except redis.RedisError as error:
            raise LeaseLost(
                f"Redis does not say who holds {self._place} ({type(error).__name__}); "
                "no further write is started"
            ) from error
        if self._lost or time.monotonic() + seconds >= self._deadline:
            raise LeaseLost(f"{self._place} now belongs to another job; no write is started")

    def held(self) -> bool:
        """Whether the token is ours in all lanes, asked of Redis: after a write, false means
        that the write may have been late."""
        return not self._lost and self._leases.held(self.token, self._lanes)

    def left(self, lanes: Iterable[str]) -> None:
        """Say that the job has left some of its lanes; they are renewed and asked for no more."""
        gone = frozenset(lanes)
        with self._lock:
            self._lanes = tuple(lane for lane in self._lanes if lane not in gone)

    @property
    def _place(self) -> str:
        first, *others = self._lanes or ("no lane",)
        return f"lane {first}" + (f" (and {len(others)} more)" if others else "")

    def _renew(self) -> None:
        with self._lock:
            deadline = self._leases.renew(self.token, self._lanes)
            if deadline is None:
                self._lost = True
            else:
                self._deadline = max(self._deadline, deadline)

    def _keep(self) -> None:
        pause = self._leases.lease / 3
        while not self._ended.wait(pause) and not self._lost:
            try:
                self._renew()
                pause = self._leases.lease / 3
            except redis.RedisError as error:
                pause = self._leases.lease * _TRY_AGAIN
                log.warning("lease of %s not renewed: %s", self._place, type(error).__name__)
        if self._lost:
            log.warning("lease of %s lost: no further write is started", self._place)


class Asked:
    """A guard that remembers whether it ever granted a write."""

    def __init__(self, guard: Permission) -> None:
        self._guard = guard
        self.asked = False

    @property
    def longest(self) -> float:
        return self._guard.longest

    def __call__(self, seconds: float) -> None:
        self._guard(seconds)
        self.asked = True

    def held(self) -> bool:
        return self._guard.held()


class Stopped:
    """The guard of a job that only looks at what landed, without the leases that a write needs."""

    longest = 0.0

    def __call__(self, seconds: float) -> None:
        raise Cancelled(f"the run was cancelled; no write of {seconds:g} s is started")

    def held(self) -> bool:
        return True
