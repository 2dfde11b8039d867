"""What every job needs and no body says: its claim or its lanes, its tools, its retries, and the
answer to those who asked."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from celery.exceptions import Ignore, Reject, Retry

from tasks import ending, steps, writes
from tasks.errors import LeaseLost, Overtaken, Passing, RecordsAway, TenantSyncError
from tasks.guard import Asked, Guard, Stopped
from tasks.jobs import ASKING, LANED, PARTED, PHASES, message, readable
from tasks.outcome import State
from tasks.points import reach
from tasks.run import Phase, Run
from workers.admission import TurnedAway
from workers.broker import AWAY, away
from workers.circuits import PROBE_EVERY
from workers.lanes import NotEntered, Parked, Taken
from workers.logs import bound
from workers.message import Message

log = logging.getLogger(__name__)

#: The token of a job that took no lease: it frees nobody's.
_NO_LEASE = "-"
#: Seconds after which a job is asked again whose run another delivery may be writing for.
_HELD = 5.0
#: The job of no run that is asked for anew by itself.
JANITOR = "tenantsync.janitor"


class Job(Message):
    """The base class of all jobs.

    A message of a run is `(run id, epoch, *args)`; a body gets the claimed run instead of the
    first two. Jobs that write get a guard as their last argument, which refuses a write that
    the lease would not outlast. Anything else (asking, the janitor) is called as it is.
    """

    abstract = True
    #: A message holds (run id, epoch, ...), the body takes the run: nothing to compare.
    typing = False
    #: Celery would store the ids of all jobs that a job published with its result: tens of
    #: kilobytes for a thousand parts.
    trail = False
    # -- running --------------------------------------------------------------------------------

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.name not in PHASES and self.name not in LANED and self.name not in PARTED:
            return self._of_no_run(args, kwargs)
        run_id, epoch, *rest = args
        with bound(run=run_id, job=self.name):
            try:
                return self._ended(run_id, epoch, rest)
            except AWAY as error:
                log.warning("%s", away(error))
                raise self._left(run_id) from error
            except RecordsAway as error:
                # So is a run of which nothing could be noted, when the records are back.
                log.warning("waits for the records: %s", error.message)
                raise Ignore from error

    def _left(self, run_id: str) -> Exception:
        """What becomes of the message of a job that Redis has failed. What it has not published or
        noted is found by the janitor; but nobody looks after a run at rest, whose askers may have
        no answer yet, so that message is delivered again."""
        in_motion = self.tools.runs.get(run_id).state.in_motion
        return Ignore() if in_motion else Reject("not answered", requeue=True)

    def _of_no_run(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Asking may be done twice: the id of the message tells. Redis comes after the records, so
        what was asked is recorded when Redis is away, and the janitor starts it."""
        try:
            return super().__call__(*args, **kwargs)
        except Passing as error:
            if self.name == JANITOR or self.request.retries >= self.runtime.settings.attempts:
                raise
            log.info("try %d: %s", self.request.retries + 1, error.message)
            raise self.retry(countdown=self._pause(error), max_retries=None, exc=error) from None
        except AWAY as error:
            log.warning("%s", away(error))
            raise Ignore from error

    def _ended(self, run_id: str, epoch: int, rest: list[Any]) -> Any:
        try:
            return self._of_run(run_id, epoch, rest)
        except Overtaken as error:
            log.info("%s", error.message)
            return "overtaken"
        except Passing as error:
            return self._again(run_id, epoch, rest, error)
        except TenantSyncError as error:
            return self._give_up(run_id, epoch, rest, error.message)
        except (Ignore, Retry, *AWAY):
            raise
        except Exception as error:
            log.exception("a bug, or a limit that was reached")
            why = f"{type(error).__name__} in {self.name}; see the worker's log"
            return self._give_up(run_id, epoch, rest, why)

    def after_return(self, status: str, retval: Any, task_id: str, args: Any, *_: Any) -> None:
        """Called by Celery when the result is stored, before the message is acknowledged."""
        of_run = self.name in PHASES or self.name in LANED or self.name in PARTED
        run, rest = (args[0], args[2:]) if of_run else (None, ())
        reach("returned", run=run, job=self.name, **_place(rest))

    def _of_run(self, run_id: str, epoch: int, rest: list[Any]) -> Any:
        if self.name not in ASKING:
            return self._started(run_id, epoch, rest)
        with self.runtime.admitted(self.tools.runs.get(run_id), self.job_id) as turned_away:
            if turned_away is None:
                return self._started(run_id, epoch, rest)
        return self._turned_away(run_id, epoch, rest, turned_away)

    def _started(self, run_id: str, epoch: int, rest: list[Any]) -> Any:
        if self.name in LANED:
            return self._in_lanes(run_id, epoch, rest)
        attempts = self._attempts(run_id)
        run = self._claimed(run_id, epoch)
        if run is None:
            return self._nothing_to_do(run_id)
        if attempts > self.runtime.settings.attempts + 1:
            return self._give_up(run_id, epoch, rest, "it was started too often; see the log")
        reach("claim", run=run_id, job=self.name, **_place(rest))
        result = super().__call__(run, *rest)
        reach("recorded", run=run_id, job=self.name, **_place(rest))
        self.inflight.done(run_id, self.job_id)
        return result

    def _nothing_to_do(self, run_id: str) -> str:
        run = self.tools.runs.get(run_id)
        if not run.state.in_motion:
            if self._redelivered:
                self.rest(run)  # its first delivery died between the end and the answer
            # Whoever was late has noted this message after the end of its run.
            self.inflight.forget(run_id)
        return "nothing to do"

    def _claimed(self, run_id: str, epoch: int) -> Run | None:
        """The run, when this message still has something to do in it."""
        runs = self.tools.runs
        if self.name in PARTED:
            run = runs.get(run_id)
            return run if run.epoch == epoch and run.state is State.PLANNING else None
        phase = PHASES[self.name]
        if phase is Phase.SPLIT and runs.busy_twin(runs.get(run_id)) is not None:
            return None  # the equal run publishes this one when it comes to rest
        claimed = runs.claim(
            run_id, epoch, phase, message=self.job_id, redelivered=self._redelivered
        )
        if claimed is not None:
            self.request.update(claimed=claimed.epoch)
        return claimed

    def _attempts(self, run_id: str) -> int:
        return self.inflight.attempt(run_id, self.job_id)

    # -- lanes ----------------------------------------------------------------------------------

    def _in_lanes(self, run_id: str, epoch: int, rest: list[Any]) -> Any:
        run = self.tools.runs.get(run_id)
        if run.epoch != epoch or run.state is not State.WRITING:
            return self._nothing_to_do(run_id)
        needed = writes.lanes_of(self.tools, run, self.name, rest)
        if writes.is_written(self.tools, run, self.name, rest):
            return self._leave(run, rest, needed, _NO_LEASE, lambda: "done before")
        if run.cancelled_by is not None and not self._is_held(run, needed):
            return self._leave(
                run, rest, needed, _NO_LEASE, lambda: self._body(run, rest, Stopped())
            )
        taken = self._take(run, needed)
        if taken.attempts > self.runtime.settings.attempts + 1:
            return self._leave(
                run, rest, needed, taken.token, lambda: self._lose(run, rest, "it died too often")
            )
        reach("leased", run=run_id, **_place(rest))
        with self.lanes.guard(taken, needed) as guard:
            return self._guarded(run, rest, needed, taken, guard)

    def _is_held(self, run: Run, needed: Sequence[str]) -> bool:
        """Whether another delivery of this run's job may be writing in one of the lanes."""
        places = (place for lane in needed for place in self.lanes.line(lane))
        return any(place.run == run.id and place.holder is not None for place in places)

    def _take(self, run: Run, needed: Sequence[str]) -> Taken:
        """The leases, or Ignore: the message is parked in the lane that blocks it."""
        parked = self._as_message()
        taken = self.lanes.take(run.id, self.job_id, needed, parked)
        if isinstance(taken, NotEntered):
            self.lanes.enter(run.id, run.seq, writes.lanes(self.tools, run))
            taken = self.lanes.take(run.id, self.job_id, needed, parked)
        if isinstance(taken, Taken):
            return taken
        if isinstance(taken, Parked):
            self._show_parked(run, taken)
        raise Ignore

    def _guarded(
        self, run: Run, rest: list[Any], needed: Sequence[str], taken: Taken, guard: Guard
    ) -> Any:
        asked = Asked(guard, earlier=self._may_have_sent(run, taken.attempts - 1))
        try:
            return self._leave(run, rest, needed, taken.token, lambda: self._body(run, rest, asked))
        except (LeaseLost, Passing) as error:
            self.request.update(sent=asked.asked, leases=taken.attempts)
            tried_enough = self.request.retries >= self.runtime.settings.attempts
            if isinstance(error, RecordsAway) or not tried_enough or self._waits(run, error):
                log.warning("%s", error.message)
                woken = self.lanes.release(run.id, self.job_id, taken.token, needed)
                self.runtime.wake_all(woken)
                raise error if isinstance(error, Passing) else Passing(error.message) from error
            why = self._told(run.id, error)
        except (Overtaken, Ignore, Retry, *AWAY):
            raise
        except TenantSyncError as error:
            why = error.message
        except Exception as error:
            log.exception("a bug, or a limit that was reached")
            why = f"{type(error).__name__} in {self.name}; see the worker's log"
        log.error("gives up: %s", why)
        return self._leave(
            run, rest, needed, taken.token, lambda: self._lose(run, rest, why, sent=asked.asked)
        )

    def _body(self, run: Run, rest: list[Any], guard: Guard) -> Any:
        return super().__call__(run, *rest, guard)

    def _leave(
        self,
        run: Run,
        rest: list[Any],
        needed: Sequence[str],
        token: str,
        write: Callable[[], Any],
    ) -> Any:
        """Writes, leaves the lanes that the run no longer needs, and publishes what is next."""
        result = write()
        reach("recorded", run=run.id, job=self.name, **_place(rest))
        kept = writes.still_needed(self.tools, run, self.name, needed)
        self.runtime.wake_all(self.lanes.release(run.id, self.job_id, token, sorted(kept)))
        gone = [lane for lane in needed if lane not in kept]
        self.runtime.wake_all(self.lanes.leave(run.id, gone, token))
        reach("left", run=run.id, **_place(rest))
        if self.name == "tenantsync.commit":
            self.publish(run, [message(steps.after_commit(self.tools, run), run)], None)
        self.inflight.done(run.id, self.job_id)
        return result

    def _show_parked(self, run: Run, parked: Parked) -> None:
        self.inflight.renew(run.id, self.job_id)
        waits = {"behind": parked.behind, "lane": parked.lane}
        self.update_state(state="PARKED", meta=waits)
        told = f"behind run {parked.behind} in {parked.lane}"
        self.send_event("task-parked", retry=True, retry_policy=None, result=told, **waits)
        reach("parked", run=run.id)

    # -- servers --------------------------------------------------------------------------------

    def _turned_away(self, run_id: str, epoch: int, rest: list[Any], turned: TurnedAway) -> Any:
        """The slot is free, and the message comes again; that costs none of its tries. A job whose
        server is away for too long ends its run, as far as nothing of it may be under way."""
        run = self.tools.runs.get(run_id)
        # The claimant takes its own place again at any epoch.
        if not run.state.in_motion or (run.epoch != epoch and run.claimant != self.job_id):
            return self._nothing_to_do(run_id)
        ended = run.cancelled_by is not None
        if turned.is_away and (ended or turned.standing.waited > self.runtime.settings.patience):
            return self._unserved(run, rest, str(turned.standing))
        log.info("%s; asked again in %.1f s", turned.why, turned.wait)
        raise self._wait(run, rest, turned.wait)

    def _wait(self, run: Run, rest: list[Any], seconds: float) -> Ignore:
        """The message comes again, which costs no try; nobody wakes a copy of it that is parked."""
        self.inflight.renew(run.id, self.job_id)
        again = self._come_again(seconds)
        if self.name in LANED:
            needed = writes.lanes_of(self.tools, run, self.name, rest)
            self.lanes.unpark(run.id, self.job_id, needed)
        return again

    def _unserved(self, run: Run, rest: list[Any], why: str) -> Any:
        if self.name not in LANED:
            self.request.update(claimed=run.epoch)
            return self._give_up(run.id, run.epoch, rest, why)
        needed = writes.lanes_of(self.tools, run, self.name, rest)
        if self._is_held(run, needed):
            raise self._wait(run, rest, _HELD)
        log.error("gives up: %s", why)
        # A delivery that once had its leases may have written before it died.
        sent = self._may_have_sent(run, self.inflight.attempts(run.id, self.job_id))
        return self._leave(
            run, rest, needed, _NO_LEASE, lambda: self._lose(run, rest, why, sent=sent)
        )

    def _wait_for_server(self, run: Run, rest: list[Any], error: Passing) -> None:
        """Raises Ignore for a job that waits for its server: the message comes again, and neither
        this try nor its leases count."""
        if self._waits(run, error):
            log.info("%s", error.message)
            self.inflight.take_back(run.id, self.job_id)
            self.request.update(leases=max(0, int(self.request.get("leases") or 0) - 1))
            raise self._wait(run, rest, PROBE_EVERY)

    def _waits(self, run: Run, error: Exception) -> bool:
        """Whether an error means that the server of the run is away, for which its jobs wait as
        long as their patience lasts; until that is sure they use up their tries."""
        if not isinstance(error, Passing) or error.server is None:
            return False
        standing = self.runtime.standing(run, self.job_id)
        return standing.is_away and standing.waited <= self.runtime.settings.patience

    # -- errors ---------------------------------------------------------------------------------

    def _told(self, run_id: str, error: TenantSyncError) -> str:
        """The message of an error, and since when its server is away if it is."""
        if not isinstance(error, Passing) or error.server is None:
            return error.message
        standing = self.runtime.standing(self.tools.runs.get(run_id))
        if standing.since is None:
            return error.message
        return f"{error.message.rstrip('.')}. It is away since {standing.since:%H:%M:%S} UTC."

    def _again(self, run_id: str, epoch: int, rest: list[Any], error: Passing) -> Any:
        """The job is tried again later; after its last try it becomes an error record, unless
        there are no records to write it to."""
        if error.server is not None:
            self._wait_for_server(self.tools.runs.get(run_id), rest, error)
        tries = self.request.retries
        if tries >= self.runtime.settings.attempts:
            if isinstance(error, RecordsAway):
                raise error
            return self._give_up(run_id, epoch, rest, self._told(run_id, error))
        log.info("try %d: %s", tries + 1, error.message)
        countdown = self._pause(error)
        args = (run_id, self._epoch(epoch), *rest)
        shown: dict[str, Any] = {"argsrepr": readable(run_id, *rest), "kwargsrepr": ""}
        raise self.retry(
            args=args,
            countdown=countdown,
            max_retries=None,
            exc=error,
            headers=self._headers(run_id),
            **shown,
        )

    def _give_up(self, run_id: str, epoch: int, rest: list[Any], why: str) -> Any:
        log.error("gives up: %s", why)
        run = self.tools.runs.get(run_id)
        if run.epoch != self._epoch(epoch):
            return "nothing to do"
        result = self._lose(run, rest, why)
        self.inflight.done(run_id, self.job_id)
        return result

    def _lose(self, run: Run, rest: list[Any], why: str, *, sent: bool = True) -> Any:
        """The error record of a job: a part unread, a write that did not land, a run that ends."""
        if self.name in PARTED or self.name in LANED:
            return ending.lost(self.tools, run, self.name, rest, why, sent=sent)
        ended = ending.fail(self.tools, run.id, run.epoch, why) or self.tools.runs.get(run.id)
        if ended.state.at_rest:
            self.rest(ended)  # also where the job failed between the end of the run and the answer
        return "failed"


def _place(rest: Sequence[Any]) -> dict[str, str]:
    """Where a job is, in words: the namespace, and the kind of its part or the phase of its
    write."""
    return dict(zip(("namespace", "what"), map(str, rest), strict=False))
