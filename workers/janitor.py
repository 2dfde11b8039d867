"""What was lost on the way? Runs that Redis no longer knows go on from their records; reviews
that nobody took up end; what no record names is removed."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from functools import partial

import redis
from redis.exceptions import LockNotOwnedError
from redis.lock import Lock

from tasks import ending, settling, writes
from tasks.errors import NotFound, TenantSyncError
from tasks.jobs import QUEUE, body, message
from tasks.outcome import State
from tasks.points import reach
from tasks.run import Phase, Run
from tasks.store.parts import PartState
from tasks.store.runs import now
from tasks.tidying import used_contents
from workers.broker import AWAY
from workers.inflight import present
from workers.runtime import Runtime

log = logging.getLogger(__name__)

#: How often the messages of a run are published again while it is planned, and again while it is
#: written, before it ends FAILED.
REVIVALS = 3
#: Seconds for which contents that no row names are kept (a day).
STAGED = 86_400.0
#: The key of the lease under which a round works; it lasts as long as a message without a sign of
#: life, so a round that died holds up the next no longer than its own message.
LEASE = "tenantsync:janitor:lease"
#: The key that says that the contents were tidied today.
TIDIED = "tenantsync:tidied"


class Janitor:
    """One round after the other, one at a time over all workers under a lease."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._tools = runtime.tools

    def round(self) -> str:
        """Everything that the janitor does, one thing after the other; a failing one is logged."""
        lease = self._runtime.client.lock(LEASE, timeout=self._runtime.settings.visibility)
        if not lease.acquire(blocking=False):
            return "another round is under way"
        try:
            told = self._works(lease)
            lease.release()
        except LockNotOwnedError:
            return "the lease ended; another round goes on"
        return told

    def _works(self, lease: Lock) -> str:
        works = {
            "revived": self._revive,
            "woken": self._wake,
            "settled": self._settle_unknown,
            "answered": self._answer,
            "left": self._leave,
            "expired": self._expire,
            "removed": self._tidy,
        }
        done = []
        for name, work in works.items():
            lease.reacquire()
            if number := _tried(name, work):
                done.append(f"{name} {number}")
        return ", ".join(done) or "nothing to do"

    def _revive(self) -> int:
        moving = [state for state in State if state.in_motion]
        standing = now() - timedelta(seconds=self._runtime.settings.janitor)
        runs = [run for run in self._tools.runs.in_motion(moving) if run.moved_at < standing]
        return sum(_tried(f"run {run.id}", partial(self._revive_one, run)) for run in runs)

    def _revive_one(self, run: Run) -> int:
        return int(self._is_lost(run) and self._revived(run))

    def _is_lost(self, run: Run) -> bool:
        """Whether no message of the run is anywhere: not noted, or noted long ago and not found."""
        if run.state is State.QUEUED and self._tools.runs.busy_twin(run) is not None:
            return False
        known = self._runtime.inflight.known(run.id)
        quiet = self._runtime.settings.visibility
        if any(age < quiet for age in known.values()):
            return False
        if not known:
            return True
        return not present(self._runtime.client, QUEUE, known, self._runtime.lanes.parked())

    def _revived(self, run: Run) -> bool:
        if run.revived >= REVIVALS:
            ended = ending.fail(
                self._tools, run.id, run.epoch, f"its messages were lost {REVIVALS} times"
            )
            if ended is not None:
                self._runtime.rest(ended)
            return ended is not None
        before, name = self._next(run)
        revived = self._tools.runs.revive(run, before)
        if revived is None:
            return False
        log.warning("run %s: its messages are lost, publishing %s again", run.id, name)
        reach("revived", run=run.id)
        try:
            self._publish(revived, name)
        except AWAY:
            # Nothing was published, so this one does not count.
            self._tools.runs.set(revived, revived=run.revived)
            raise
        return True

    def _publish(self, run: Run, name: str) -> None:
        self._runtime.inflight.forget(run.id)
        if run.state is State.WRITING:
            self._runtime.lanes.enter(run.id, run.seq, writes.lanes(self._tools, run))
        job = body(name, run) if name == "tenantsync.gather" else message(name, run)
        self._runtime.publish(run, [job], None)

    def _next(self, run: Run) -> tuple[Phase | None, str]:
        """The phase to set the run back to, and the job to publish."""
        if run.state is State.WRITING:
            return Phase.GATHER, "tenantsync.begin"
        rows = self._tools.parts.of(run.id)
        done = rows and all(row.state is not PartState.SURVEYED for row in rows)
        if run.state is State.PLANNING and done:
            return Phase.SPLIT, "tenantsync.gather"
        return None, "tenantsync.split"

    def _wake(self) -> int:
        """Publishes again what is parked at the head of a lane that nobody holds."""
        waiting = list(self._runtime.lanes.idle_heads(self._runtime.settings.janitor))
        self._runtime.wake_all(waiting)
        return len(waiting)

    def _settle_unknown(self) -> int:
        unknown = self._tools.runs.in_motion([State.UNKNOWN])
        return sum(_tried(f"run {run.id}", partial(self._settled, run)) for run in unknown)

    def _settled(self, run: Run) -> int:
        with self._runtime.admitted(run, f"{run.id}.settle") as turned_away:
            if turned_away is not None:
                return 0  # a server that is away must not hold up the janitor
            ended = settling.settle_unknown(self._tools, run)
        if ended is not None:
            self._runtime.rest(ended)
        return int(ended is not None)

    def _answer(self) -> int:
        """Runs at rest of which Redis still knows a job: whoever ended them has told nobody."""
        in_flight = self._runtime.inflight.runs()
        return sum(_tried(f"run {run_id}", partial(self._answered, run_id)) for run_id in in_flight)

    def _answered(self, run_id: str) -> int:
        try:
            run = self._tools.runs.get(run_id)
        except NotFound:
            self._runtime.inflight.forget(run_id)
            return 0
        standing = now() - timedelta(seconds=self._runtime.settings.janitor)
        if not run.state.at_rest or run.moved_at > standing:
            return 0
        self._runtime.rest(run)
        return 1

    def _leave(self) -> int:
        """Runs that are over leave the lanes where they still stand."""
        left = 0
        for run_id in self._runtime.lanes.runs():
            if self._is_over(run_id):
                lanes = self._runtime.lanes.lanes_of(run_id)
                self._runtime.wake_all(self._runtime.lanes.leave(run_id, lanes))
                left += 1
        return left

    def _is_over(self, run_id: str) -> bool:
        try:
            return not self._tools.runs.get(run_id).state.in_motion
        except TenantSyncError:
            return True

    def _expire(self) -> int:
        expired = self._tools.runs.expire(self._runtime.settings.review_days)
        return sum(_tried(f"run {run.id}", partial(self._rested, run)) for run in expired)

    def _rested(self, run: Run) -> int:
        self._runtime.rest(run)
        return 1

    def _tidy(self) -> int:
        """Once a day: contents that no record names and nobody staged for a day are removed."""
        if not self._runtime.client.set(TIDIED, "1", nx=True, ex=int(STAGED)):
            return 0
        return self._tools.contents.remove_unused(used_contents(self._tools), STAGED)


def _tried(name: str, work: Callable[[], int]) -> int:
    try:
        return work()
    except (TenantSyncError, redis.RedisError, *AWAY) as error:
        log.warning("%s: %s", name, error)
    except Exception:
        log.exception("%s: a bug; the janitor goes on with the next", name)
    return 0
