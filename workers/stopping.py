"""How does a worker stop softly? It waits for what it runs, and no longer than that."""

from __future__ import annotations

import logging
import time
from typing import Any

from celery import Celery
from celery.worker import state

log = logging.getLogger(__name__)

#: Seconds between two looks at the running jobs.
LOOK = 0.05


def stop_promptly(app: Celery) -> None:
    """Has the workers of an app end as soon as nothing runs any more: Celery's own soft shutdown
    sleeps its whole timeout, even when the last job ends at once."""
    worker: Any = app.Worker
    app.Worker = type("Worker", (worker,), {"wait_for_soft_shutdown": _wait})  # type: ignore[misc]


def _wait(self: Any) -> None:
    seconds = self.app.conf.worker_soft_shutdown_timeout
    if state.active_requests:
        log.warning("stopping: running jobs get %g s to end, then go back to the queue", seconds)
    end = time.monotonic() + seconds
    while state.active_requests and time.monotonic() < end:
        time.sleep(LOOK)
