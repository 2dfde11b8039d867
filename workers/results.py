"""How is the end of a job counted and stored while Redis is away, or takes no writes? It is tried
again for a while; what is not counted even then is found by the janitor, like a lost message."""

from __future__ import annotations

import logging
import sys
from typing import Any, cast

from celery.backends.redis import RedisBackend

from workers.broker import AWAY, away

log = logging.getLogger(__name__)


class Results(RedisBackend):
    """Celery's results in Redis, for which an absence of Redis is no failure of a job: to Celery it
    is one, and a chord of which a job has failed ends its run."""

    def exception_safe_to_retry(self, exc: Exception) -> bool:
        """Whether a call is made again (`result_backend_max_retries`)."""
        return isinstance(exc, AWAY) or bool(super().exception_safe_to_retry(exc))

    def store_result(
        self,
        task_id: str,
        result: Any,
        state: str,
        traceback: Any = None,
        request: Any = None,
        **more: Any,
    ) -> Any:
        """Stores what a job has become. Raises what `AWAY` names for the answer of a run, which has
        no request; what Celery stores of a job by itself is shown and no more."""
        try:
            return super().store_result(task_id, result, state, traceback, request, **more)
        except AWAY as error:
            if request is None:
                raise
            log.warning("the state %s of %s is not stored: %s", state, task_id, away(error))
            return result

    def on_chord_part_return(
        self, request: Any, state: str, result: Any, propagate: Any = None, **more: Any
    ) -> None:
        """Counts a job of a chord, which it does once for each id, and publishes the body after the
        last one."""
        count, again = super().on_chord_part_return, cast(Any, self)._ensure_retryable
        try:
            again(count, request, state, result, propagate, **more)
        except AWAY as error:
            log.warning("the end of %s is not counted: %s", request.id, away(error))

    def chord_error_from_stack(self, callback: Any, exc: Exception | None = None) -> Any:
        """Ends the run of a chord, but not because Redis was away while it was counted."""
        caught = sys.exc_info()[1]
        if isinstance(caught, AWAY):
            log.warning("the body of a chord is not published: %s", away(caught))
            return None
        return super().chord_error_from_stack(callback, exc)
