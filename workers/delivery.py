"""How does a message survive its worker, and run only once while its worker lives? The Celery
configuration of delivery, and the heartbeat of the messages that a worker holds."""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, cast

import redis
from celery import bootsteps
from celery.worker import state
from kombu.transport.redis import Channel

from workers.broker import check_clock, check_keeps, connect
from workers.consumer import only_messages
from workers.inflight import Inflight
from workers.settings import Settings, settings
from workers.unacked import Unacked

log = logging.getLogger(__name__)

#: Every channel keeps what it has taken so.
Channel.QoS = Unacked
#: Replies to BRPOP bring jobs, those of a subscription bring remote control.
for _name in ("_brpop_read", "_receive_one"):
    setattr(Channel, _name, only_messages(getattr(Channel, _name)))

QUEUE = "tenantsync"
#: Priority of new work; 0 goes first on Redis, which is for jobs that are woken in a lane.
PRIORITY = 6
_DAY = 86_400
#: Seconds between two tries to reach the broker, at most (kombu's `interval_max`).
_LONGEST_PAUSE = 30.0

#: KEYS[1] the index of unacknowledged messages; ARGV their tags. The score is Redis' own time,
#: so that the clocks of workers do not matter. XX: what was acknowledged or given to another
#: meanwhile does not come back. ZREM: a full server goes on with a script that has written.
_SIGN_OF_LIFE = """
redis.call('ZREM', KEYS[1], '')
local time = redis.call('TIME')
local now = time[1] .. '.' .. string.format('%06d', tonumber(time[2]))
for _, tag in ipairs(ARGV) do
  redis.call('ZADD', KEYS[1], 'XX', now, tag)
end
"""
#: KEYS[1] the same index; ARGV[1] the seconds without a sign of life. Returns tags.
_ABANDONED = """
local now = redis.call('TIME')[1]
return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[1])
"""


def delivery_settings(chosen: Settings) -> dict[str, object]:
    """The Celery configuration of delivery: late acknowledgement, redelivery within `visibility`
    seconds, JSON only, events for Flower, soft shutdown. Broker and result addresses, and the
    jobs, are the app's."""
    return {
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "task_track_started": True,
        "task_default_queue": QUEUE,
        "task_default_priority": PRIORITY,
        "task_time_limit": chosen.time_limit,
        "task_soft_time_limit": chosen.soft_time_limit,
        "task_send_sent_event": True,
        "task_serializer": "json",
        "result_serializer": "json",
        "event_serializer": "json",
        "accept_content": ["json"],
        "result_accept_content": ["json"],
        "result_expires": _DAY,
        # Arguments would lie in the backend for a day; Flower shows the argsrepr of the message.
        "result_extended": False,
        "result_backend_transport_options": {
            "retry_policy": {"timeout": 30.0, "max_retries": 30, "interval_max": 1.0}
        },
        # That policy is for what is set alone. What is read before it would fail the job: a chord
        # whose job fails ends its run, although nothing but Redis was away.
        "result_backend_always_retry": True,
        "result_backend_max_retries": 30,
        "result_backend_max_sleep_between_retries_ms": 1000,
        "redis_socket_keepalive": True,
        "redis_retry_on_timeout": True,
        "worker_pool": "prefork",
        "worker_concurrency": chosen.concurrency,
        "worker_prefetch_multiplier": 1,
        "worker_send_task_events": True,
        "worker_soft_shutdown_timeout": chosen.shutdown,
        # A lost connection does not stop a job: the heartbeat keeps its message.
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        # A server that is full, a replica or without its primary comes back like one that was away.
        "broker_channel_error_retry": True,
        "broker_transport_options": _transport(chosen),
        "enable_utc": True,
        "timezone": "UTC",
    }


def _transport(chosen: Settings) -> dict[str, object]:
    return {
        "visibility_timeout": chosen.visibility,
        # Kombu's own sweep is off: it runs first of all on every reconnect, when no worker has
        # given a sign of life since Redis went away. `DeliveryHeartbeat` sweeps instead.
        "unacked_restore_interval": _DAY,
        "unacked_restore_throttle": 1,
        "unacked_restore_limit": 0,
        "queue_order_strategy": "priority",
        "socket_keepalive": True,
        "socket_connect_timeout": 5.0,
    }


class DeliveryHeartbeat(bootsteps.StartStopStep):
    """Every `heartbeat` seconds: a sign of life for each message that this worker holds (running,
    prefetched or waiting for its time), and redelivery of those that gave none for `visibility`
    seconds. Add it to `app.steps["consumer"]`; without it nothing is ever redelivered.

    It also carries running jobs over a lost connection. By itself kombu gives their messages
    back, so that they run twice, and the worker ends if Redis was away meanwhile.
    """

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **options: Any) -> None:
        super().__init__(consumer, **options)
        self._settings = settings()
        self._beat: _Beat | None = None
        self._timer: Any = None
        self._channel: Any = None

    def start(self, consumer: Any) -> None:
        """Runs at start and after every reconnect, in the worker's main process.

        Raises ConfigError, which ends the worker, if the clock is off or the server drops keys."""
        visibility = self._settings.visibility
        beat = self._beat or _Beat(connect(_address(consumer.app), patience=1), visibility)
        check_keeps(beat.client)
        check_clock(beat.client, visibility)
        lost, self._channel = self._channel, consumer.task_consumer.channel
        self._channel.do_restore = False
        if lost is not None:
            _carry_over(lost, self._channel, untouched=beat.age < visibility)
        beat.trust(self._patience(beat))
        beat(self._channel)
        self._beat = beat
        if self._timer is not None:
            self._timer.cancel()
        # Nothing stops it but the end of the process: a worker that ends still holds what it
        # runs to its end.
        self._timer = consumer.timer.call_repeatedly(
            self._settings.heartbeat, beat, (self._channel,)
        )

    def _patience(self, beat: _Beat) -> float:
        """Seconds in which all workers that were cut off with this one, or before it started,
        come back: they try again as long after the last time as they were away, or less."""
        spare = self._settings.visibility + 2 * self._settings.heartbeat
        if self._beat is None:
            return spare - _uptime(beat.client)
        return max(spare, min(beat.age, _LONGEST_PAUSE))

    def close(self, consumer: Any) -> None:
        """The worker ends: what it holds then goes back at once."""
        if self._channel is not None:
            self._channel.do_restore = True

    shutdown = close


class _Beat:
    def __init__(self, client: redis.Redis, visibility: float) -> None:
        self.client = client
        self._visibility = visibility
        self._last = self._trusting = time.monotonic()
        self._sign = client.register_script(_SIGN_OF_LIFE)
        self._abandoned = client.register_script(_ABANDONED)
        self._inflight = Inflight(client)

    @property
    def age(self) -> float:
        """Seconds since all held messages were known to be alive."""
        return time.monotonic() - self._last

    def trust(self, seconds: float) -> None:
        """Take no message for abandoned in the next seconds: Redis was away, and the workers
        that hold them have not come back yet."""
        self._trusting = time.monotonic() + seconds

    def __call__(self, channel: Any) -> None:
        # It is called by the worker's event loop, which an error would end.
        now = time.monotonic()
        try:
            self._give_sign(_held(channel))
            self._last = now
            if now >= self._trusting:
                self._sweep(channel)
        except (redis.RedisError, OSError) as error:
            log.warning("no sign of life for held messages: %s", type(error).__name__)
            # Nor has another worker given one, it may be.
            self.trust(self._visibility)

    def _give_sign(self, held: Mapping[str, Mapping[str, Any]]) -> None:
        if held:
            self._sign(keys=[Channel.unacked_index_key], args=list(held))
        for run, jobs in _by_run(held.values()).items():
            self._inflight.renew(run, *jobs)

    def _sweep(self, channel: Any) -> None:
        tags = self._abandoned(keys=[Channel.unacked_index_key], args=[self._visibility])
        for tag in cast(list[str], tags):
            log.warning("message %s has lost its worker and is delivered again", tag)
            channel.qos.restore_by_tag(tag)


def _uptime(client: redis.Redis) -> float:
    return float(client.info("server")["uptime_in_seconds"])


def _carry_over(lost: Any, channel: Any, *, untouched: bool) -> None:
    """Give the messages of a lost channel to its successor: running ones stay with their jobs,
    the others, which Celery has dropped, go back into the queue; not when they may have been
    given to another worker meanwhile."""
    for request in _snapshot(state.active_requests):
        if request.message.channel is lost and not request.acknowledged:
            request.message.channel = channel
            channel.qos._quick_append(request.message.delivery_tag, request.message)
    if untouched:
        for tag in set(lost.qos._delivered) - lost.qos._dirty - set(channel.qos._delivered):
            channel.qos.restore_by_tag(tag)


def _held(channel: Any) -> dict[str, Mapping[str, Any]]:
    """Delivery tag → headers of every message that is not acknowledged (kombu keeps the set for
    itself; its version is pinned)."""
    delivered, acknowledged = channel.qos._delivered, channel.qos._dirty
    return {
        str(tag): message.headers
        for tag, message in _snapshot(delivered.items())
        if tag not in acknowledged
    }


def _snapshot(shared: Iterable[Any]) -> list[Any]:
    # While the worker ends, its timers run in a thread beside the one that acknowledges.
    for _ in range(10):
        try:
            return list(shared)
        except RuntimeError:
            continue
    return []


def _by_run(messages: Iterable[Mapping[str, Any]]) -> dict[str, set[str]]:
    jobs: defaultdict[str, set[str]] = defaultdict(set)
    for headers in messages:
        run, job = headers.get("run"), headers.get("id")
        if run and job:
            jobs[str(run)].add(str(job))
    return dict(jobs)


def _address(app: Any) -> str:
    return str(app.conf.broker_read_url or app.conf.broker_url)
