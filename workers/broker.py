"""How is Redis reached? A patient client, and the proof that the server can be relied on: its clock
and ours agree, and it drops nothing."""

from __future__ import annotations

import redis
from celery.exceptions import BackendStoreError
from kombu.exceptions import OperationalError
from redis._parsers import BaseParser
from redis.backoff import ExponentialBackoff
from redis.retry import Retry

from tasks.clock import check_skew, skew_to
from tasks.errors import ConfigError

#: Every key of this project begins with it; Celery's and kombu's keys do not.
PREFIX = "tenantsync:"
#: Seconds for which the starts of a run's jobs are remembered after the last one.
ATTEMPTS_KEPT = 86_400


class TakesNoWrites(redis.ResponseError):
    """The answer of a server that cannot save, or has fewer replicas than it wants."""


# redis-py has a class for each of the other refusals that pass, and tells these by no class.
BaseParser.EXCEPTION_CLASSES |= {"MISCONF": TakesNoWrites, "NOREPLICAS": TakesNoWrites}

#: What is raised when Redis is away for longer than a client is patient, or takes no writes: it is
#: full, a replica, has lost its primary or its replicas, or cannot save. A server that still loads
#: what it has saved counts as one that cannot be reached (`redis.BusyLoadingError`).
AWAY = (
    redis.ConnectionError,
    redis.TimeoutError,
    OperationalError,
    BackendStoreError,
    TakesNoWrites,
    redis.OutOfMemoryError,
    redis.exceptions.ReadOnlyError,
    redis.exceptions.MasterDownError,
)
#: What a server that takes no writes says first, and what is to be done.
_NO_WRITES = {
    "OOM": "its memory is full: raise maxmemory or free some",
    "MISCONF": "it cannot save to its disk, so it takes no writes: see its log, free its disk",
    "READONLY": "it is a read-only replica: name its primary in TENANTSYNC_REDIS_URL",
    "NOPERM": "the login may not write keys: give it all commands on all keys of this database",
    "NOREPLICAS": "it wants more replicas than it has: see min-replicas-to-write",
}
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

    def their_time() -> float:
        seconds, microseconds = client.time()
        return float(seconds + microseconds / 1_000_000)

    return skew_to(their_time)


def check_clock(client: redis.Redis, visibility: float) -> None:
    """Raise ConfigError if this machine's clock and that of Redis are further apart than is safe:
    workers judge by their own clocks whether a message of another is abandoned."""
    check_skew(clock_skew(client), "Redis", visibility)


def check_keeps(client: redis.Redis) -> None:
    """Raise ConfigError if the server drops keys when its memory is short: messages, lanes and
    leases among them, of which nobody would hear."""
    memory = client.info("memory")
    policy = str(memory.get("maxmemory_policy", "noeviction"))
    if int(memory.get("maxmemory") or 0) and policy != "noeviction":
        raise ConfigError(
            f"Redis drops messages and lanes when its memory is short (maxmemory-policy {policy}): "
            "set `maxmemory-policy noeviction` and start again"
        )


def away(error: Exception) -> str:
    """Why nothing can be sent to Redis, in one line."""
    refused = isinstance(error, redis.ResponseError) or isinstance(
        error.__cause__, redis.ResponseError
    )
    said = str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
    return f"Redis {'takes no writes' if refused else 'is away'}: {said}"


def refusal(client: redis.Redis) -> str | None:
    """Why the server takes no writes, and what to do; None where it takes them. Leaves a key for
    ten seconds: only a write shows it. Raises what `AWAY` names where the server is away."""
    try:
        client.set(f"{PREFIX}probe", "1", ex=10)
    except redis.ResponseError as error:
        said = str(error).rstrip(".")
        # redis-py takes the code off the errors that have a class.
        return (
            f"it takes no writes ({said}): {_NO_WRITES.get(error.status_code or '', 'see its log')}"
        )
    return None
