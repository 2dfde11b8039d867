"""A Celery of its own with a job that does nothing, and one that counts: the floor of a chord.

`python -m celery -A bench.noop worker`; the broker is `BENCH_REDIS_URL`. Messages are
acknowledged late and fetched one by one, as whoever wants to survive a killed worker has to.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from celery import Celery

QUEUE = "bench"
BROKER = "BENCH_REDIS_URL"


def application(url: str) -> Celery:
    """The app on this broker."""
    made = Celery("noop", broker=url, backend=url, set_as_current=False)
    made.conf.update(
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=1,
        task_default_queue=QUEUE,
        task_serializer="json",
        result_serializer="json",
        accept_content=["json"],
        broker_connection_retry_on_startup=True,
    )
    made.task(name="bench.part")(_part)
    made.task(name="bench.count")(_count)
    return made


def _part(number: int) -> int:
    return number


def _count(numbers: Sequence[int]) -> int:
    return len(numbers)


if BROKER in os.environ:
    app = application(os.environ[BROKER])
