"""A worker looks at its stores before it takes a job: the records are brought up to its program,
the contents have to be theirs, and the clocks of the servers have to agree with its own."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from celery import bootsteps

from tasks.clock import check_skew, skew_to
from tasks.store.belonging import join
from tasks.toolbox import Toolbox
from workers.broker import AWAY, check_clock, check_keeps, connect
from workers.runtime import places
from workers.settings import Settings, settings


class Stores(bootsteps.Step):
    """Add it to `app.steps["worker"]`. Runs before the pool forks and closes what it opened, so
    that each job's process has connections of its own.

    Raises ConfigError or Unreachable, which ends the worker.
    """

    def __init__(self, worker: Any, **options: Any) -> None:
        super().__init__(worker, **options)
        chosen = settings()
        chosen.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        _check_redis(worker.app, chosen)
        tools = Toolbox(places(chosen))
        try:
            check_skew(skew_to(tools.database.time), "the records database", chosen.visibility)
            join(tools.database, tools.contents)
        finally:
            tools.close()


def _check_redis(app: Any, chosen: Settings) -> None:
    """Where Redis is away now, the delivery looks at it when it is there."""
    with suppress(*AWAY), connect(app.conf.broker_url, patience=0) as client:
        check_keeps(client)
        check_clock(client, chosen.visibility)
