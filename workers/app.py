"""The Celery application: `celery -A workers.app worker`, and what other services send to."""

from __future__ import annotations

from typing import Any

import redis
from celery import Celery, bootsteps
from celery.signals import after_setup_logger, after_setup_task_logger

from tasks.errors import ConfigError
from workers import report
from workers.alive import AliveFile
from workers.broker import AWAY
from workers.delivery import QUEUE, DeliveryHeartbeat, delivery_settings
from workers.logs import install
from workers.settings import Settings, settings
from workers.stopping import stop_promptly
from workers.stores import Stores

#: The key under which one worker at a time asks for a round of the janitor.
ROUND = "tenantsync:janitor"


class JanitorTimer(bootsteps.StartStopStep):
    """Asks for a round of the janitor every `janitor` seconds, in whichever worker is first."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **options: Any) -> None:
        super().__init__(consumer, **options)
        self._timer: Any = None

    def start(self, consumer: Any) -> None:
        """Runs at start and after every reconnect, which cancels the timers of the worker."""
        if self._timer is not None:
            self._timer.cancel()
        seconds = settings().janitor
        self._timer = consumer.timer.call_repeatedly(seconds, _ask_janitor, (consumer.app,))


def _ask_janitor(app: Celery) -> None:
    # Half a period: whoever looks next finds the key gone, whoever looks at the same time does not.
    milliseconds = int(settings().janitor * 500)
    try:
        backend: Any = app.backend
        if backend.client.set(ROUND, "1", nx=True, px=milliseconds):
            app.send_task("tenantsync.janitor", queue=QUEUE, priority=0, argsrepr="", expires=60)
    except (OSError, redis.RedisError, *AWAY):
        pass  # Redis is away: the next round asks again


def _application(chosen: Settings) -> Celery:
    url = _redis(chosen)
    made = Celery(
        "tenantsync", task_cls="workers.base:Job", include=["tasks.jobs", "workers.intake"]
    )
    made.loader.override_backends = dict.fromkeys(("redis", "rediss"), "workers.results:Results")
    made.conf.update(
        delivery_settings(chosen),
        broker_url=url,
        result_backend=url,
        worker_consumer="workers.consumer:Consumer",
    )
    stop_promptly(made)
    made.steps["worker"].add(Stores)
    report.offer()
    made.steps["consumer"].update({AliveFile, DeliveryHeartbeat, JanitorTimer})
    return made


def _redis(chosen: Settings) -> str:
    """The address of the broker; without one of its own, that of the embedded server, which a
    command has to have started."""
    if chosen.redis_url is not None:
        return chosen.redis_url
    raise ConfigError(
        "TENANTSYNC_REDIS_URL is not set: give the address of a Redis or Valkey server, or start "
        "this process with `tenantsync worker`, `tenantsync beat` or `tenantsync up`, which bring "
        "their own"
    )


app = _application(settings())


@after_setup_logger.connect
@after_setup_task_logger.connect
def _log_fields(logger: Any, **_: Any) -> None:
    install(logger)
