"""What a job has while it runs: the connections of its process, and its own message, which may come
again: retried, parked, or because its server is away."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Sequence
from typing import Any, ClassVar

from celery import Task
from celery.canvas import Signature
from celery.exceptions import Ignore

from tasks.errors import Passing
from tasks.jobs import readable
from tasks.run import Run
from tasks.toolbox import Toolbox
from workers.inflight import Inflight
from workers.lanes import Lanes
from workers.runtime import Runtime, runtime
from workers.settings import settings

#: Seconds before the first, second and third retry of a job that met a passing error.
BACKOFF = (1.0, 4.0, 10.0)


class Message(Task):  # type: ignore[type-arg]
    """The message of one job, and the runtime in which it is read."""

    abstract = True
    _runtimes: ClassVar[dict[int, Runtime]] = {}

    @property
    def runtime(self) -> Runtime:
        """The connections of this process; a forked child opens its own."""
        pid = os.getpid()
        if pid not in self._runtimes:
            self._runtimes.clear()
            self._runtimes[pid] = runtime(settings(), self.app)
        return self._runtimes[pid]

    @property
    def tools(self) -> Toolbox:
        return self.runtime.tools

    @property
    def lanes(self) -> Lanes:
        return self.runtime.lanes

    @property
    def inflight(self) -> Inflight:
        return self.runtime.inflight

    # -- its message ----------------------------------------------------------------------------

    def _epoch(self, epoch: int) -> int:
        """The epoch in which this start of the job acts: a claim may have raised its message's."""
        return int(self.request.get("claimed") or epoch)

    @property
    def _redelivered(self) -> bool:
        delivery = self.request.delivery_info or {}
        again = self.request.retries or self.request.get("again")
        return bool(delivery.get("redelivered") or again)

    @property
    def job_id(self) -> str:
        """The id of this message."""
        return str(self.request.id)

    def _as_message(self) -> str:
        """This message as it is parked."""
        return json.dumps(dict(self._same()))

    def _come_again(self, seconds: float) -> Ignore:
        """Publishes this message once more, for later; to be raised."""
        same = self._same(countdown=seconds)
        same.options["headers"] |= {"again": True}  # which costs no try, and takes its own place
        same.apply_async()
        return Ignore()

    def _same(self, **options: Any) -> Signature[Any]:
        run_id, _, *rest = self.request.args or ()
        same = self.signature_from_request(self.request, retries=self.request.retries, **options)
        same.options.update(
            argsrepr=readable(run_id, *rest), kwargsrepr="", headers=self._headers(run_id)
        )
        return same

    def _headers(self, run_id: str) -> dict[str, Any]:
        """What the next message of this job says of it: whether a write may have been sent, and at
        which of its leases that was known."""
        sent, leases = bool(self.request.get("sent")), int(self.request.get("leases") or 0)
        return {"run": run_id, "sent": sent, "leases": leases}

    def _may_have_sent(self, run: Run, leases: int) -> bool:
        """Whether an earlier start of this job, or of the one in whose place it goes on, may have
        sent a write. `leases`: how many starts had leases. A retry says so itself; a start that
        died cannot, and the jobs of another epoch are known to nobody."""
        told = int(self.request.get("leases") or 0)
        return run.epoch > 0 or bool(self.request.get("sent")) or leases > told

    def _pause(self, error: Passing) -> float:
        """Seconds until the next try."""
        last = len(BACKOFF) - 1
        wish = getattr(error, "after", None) or BACKOFF[min(self.request.retries, last)]
        # Jitter keeps the parts of one run from knocking again all at once.
        return float(min(wish * random.uniform(0.8, 1.2), self.runtime.settings.visibility))

    # -- publishing -----------------------------------------------------------------------------

    def publish(
        self, run: Run, jobs: Sequence[Signature[Any]], body: Signature[Any] | None
    ) -> None:
        """See `tasks.jobs.Job.publish`."""
        self.runtime.publish(run, jobs, body)

    def line_up(self, run: Run, lanes: Sequence[str]) -> None:
        """See `tasks.jobs.Job.line_up`."""
        self.lanes.enter(run.id, run.seq, lanes)

    def rest(self, run: Run) -> None:
        """See `tasks.jobs.Job.rest`."""
        self.runtime.rest(run)

    def answer(self, run: Run) -> None:
        """See `tasks.jobs.Job.answer`."""
        self.runtime.answer(run)
