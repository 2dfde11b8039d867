"""How is Redis reached? A patient client, and the proof that its clock and ours agree."""

from __future__ import annotations

import time

import redis
from kombu.exceptions import OperationalError
from redis.backoff import ExponentialBackoff
from redis.retry import Retry

from tasks.errors import ConfigError

#: Every key of this project begins with it; Celery's and kombu's keys do not.
PREFIX = "tenantsync:"
#: Seconds for which the starts of a run's jobs are remembered after the last one.
ATTEMPTS_KEPT = 86_400
#: What is raised when Redis is away for longer than a client is patient, or takes no writes: it is
#: full, a replica, or has lost its primary.
AWAY = (
    redis.ConnectionError,
    redis.TimeoutError,
    OperationalError,
    redis.OutOfMemoryError,
    redis.exceptions.ReadOnlyError,
    redis.exceptions.MasterDownError,
)
#: Seconds to connect, and to wait for one answer.
_CONNECT, _ANSWER = 5.0, 10.0
#: Seconds between two tries grow from the first to the second.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0


def connect(url: str, *, patience: int = 15) -> redis.Redis:
    """A client that tries a command again `patience` times (about 11 s in all at 15) when the
    connection is lost, so that a restart of the server fails no job. Answers are text."""
    return redis.Redis.from_url(
        url,
        decode_responses=True,
        retry=Retry(ExponentialBackoff(cap=_LONGEST_PAUSE, base=_FIRST_PAUSE), patience),
        retry_on_error=[redis.BusyLoadingError],
        socket_connect_timeout=_CONNECT,
        socket_timeout=_ANSWER,
        socket_keepalive=True,
        health_check_interval=25,
    )


def clock_skew(client: redis.Redis) -> float:
    """Seconds by which the clock of this machine is ahead of the server's (negative: behind),
    measured in the middle of a round trip."""
    before = time.time()
    seconds, microseconds = client.time()
    return (before + time.time()) / 2 - (seconds + microseconds / 1_000_000)


def check_clock(client: redis.Redis, visibility: float) -> None:
    """Raise ConfigError if this machine's clock is off by more than a third of `visibility`
    seconds: workers judge by their own clocks whether a message of another is abandoned."""
    skew = clock_skew(client)
    if abs(skew) > visibility / 3:
        raise ConfigError(
            f"the clock of this machine is {abs(skew):.1f} s "
            f"{'ahead of' if skew > 0 else 'behind'} the clock of Redis; at most "
            f"{visibility / 3:.1f} s are safe (a third of TENANTSYNC_VISIBILITY): "
            "set both by a time server (NTP) and start again"
        )


def away(error: Exception) -> str:
    """Why nothing can be sent to Redis, in one line."""
    refused = isinstance(error, redis.ResponseError) or isinstance(
        error.__cause__, redis.ResponseError
    )
    said = str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
    return f"Redis {'takes no writes' if refused else 'is away'}: {said}"
