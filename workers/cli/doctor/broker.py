"""Checks of Redis: reachable, what it is, what it keeps, what it drops, its clock."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from tasks.errors import ConfigError
from workers.cli.desk import redis_away
from workers.cli.doctor.finding import Check, Finding, Subject

if TYPE_CHECKING:
    import redis

    from workers.settings import Settings

SUBJECT = Subject("redis")
#: The oldest server that the lanes and the delivery were tried with (Valkey says which version of
#: Redis it is compatible with).
OLDEST = (6, 2)
#: Shares of `maxmemory` at which Redis is nearly full, and full.
NEARLY, FULL = 0.8, 0.97
#: Seconds that clocks may differ before it is worth a word.
SKEW = 2.0


def look(chosen: Settings) -> list[Finding]:
    """What there is to say of the server, your own or the embedded one."""
    from workers.embedded import embedded

    if chosen.redis_url is not None:
        return _server(chosen.redis_url, chosen, "your own")
    with embedded(chosen.data, chosen.config) as url:
        return _server(url, chosen, "embedded, of this data directory")


def _server(url: str, chosen: Settings, whose: str) -> list[Finding]:
    import redis

    from workers.broker import connect

    try:
        with connect(url, patience=0) as client:
            told: Mapping[str, Any] = client.info()
            return [
                SUBJECT.ok(Check.REDIS, f"{whose}: {_version(told)}"),
                *_celery(url),
                *_what_it_is(told),
                *_memory(told),
                *_disk(told),
                *_writes(client, told),
                *_clock(client, chosen),
            ]
    except (redis.RedisError, OSError) as error:
        return [SUBJECT.broken(Check.REDIS, unreachable(error, url))]


def unreachable(error: Exception, url: str) -> str:
    """Why the server does not answer us, and what to do; never with its password."""
    import redis

    said, secure = str(error), url.startswith("rediss://")
    if isinstance(error, redis.AuthenticationError):
        return (
            f"it does not accept the login ({said.rstrip('.')}); write it in TENANTSYNC_REDIS_URL, "
            "redis://USER:PASSWORD@HOST:PORT/0"
        )
    if isinstance(error, redis.exceptions.NoPermissionError):
        return f"{said.rstrip('.')}: give the login all commands"
    if "certificate" in said.lower() or isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"its certificate is not trusted ({said.rstrip('.')}); name the file of its authority, "
            "rediss://HOST:PORT/0?ssl_cert_reqs=required&ssl_ca_certs=FILE"
        )
    if secure and re.search(r"[Tt]imeout|WRONG_VERSION|[Rr]ecord layer", said):
        return f"{redis_away(error)} (a server that speaks no TLS wants redis://)"
    if not secure and re.search(r"Connection closed|reset by peer|Protocol Error", said):
        return f"{redis_away(error)} (a server that takes TLS only wants rediss://)"
    return redis_away(error)


def _version(told: Mapping[str, Any]) -> str:
    name = str(told.get("server_name", "redis"))
    return f"{name} {told.get('valkey_version') or told.get('redis_version', '?')}"


def _celery(url: str) -> Iterator[Finding]:
    """What Celery wants of a TLS address; it says so only when a worker starts."""
    if not url.startswith("rediss://"):
        return
    from workers.app import app

    try:
        backend: Any = app.backend
        _ = backend.client
    except ValueError:
        text = (
            "workers do not start with this rediss:// address: add ?ssl_cert_reqs=required to "
            "TENANTSYNC_REDIS_URL"
        )
        yield SUBJECT.broken(Check.REDIS, text)


def _what_it_is(told: Mapping[str, Any]) -> Iterator[Finding]:
    match = re.match(r"(\d+)\.(\d+)", str(told.get("redis_version", "")))
    if match and (int(match[1]), int(match[2])) < OLDEST:
        text = f"{_version(told)} is too old: use Redis 6.2 or newer, or Valkey"
        yield SUBJECT.broken(Check.REDIS_VERSION, text)
    if told.get("cluster_enabled"):
        text = (
            "it runs in cluster mode, which Celery and the lanes cannot use: use a server without "
            "`cluster-enabled` (with Sentinel or replicas if it must fail over)"
        )
        yield SUBJECT.broken(Check.REDIS_ROLE, text)
    elif told.get("role") in {"slave", "replica"}:
        primary = f"{told.get('master_host', '?')}:{told.get('master_port', '?')}"
        text = f"it is a replica of {primary}: name the primary in TENANTSYNC_REDIS_URL"
        yield SUBJECT.broken(Check.REDIS_ROLE, text)


def _memory(told: Mapping[str, Any]) -> Iterator[Finding]:
    policy, most = str(told.get("maxmemory_policy", "noeviction")), int(told.get("maxmemory") or 0)
    if policy == "noeviction":
        yield SUBJECT.ok(Check.REDIS_EVICTION, "nothing is evicted (noeviction)")
    else:
        say = SUBJECT.broken if most else SUBJECT.warning
        text = f"`{policy}` drops messages and lanes when memory is short"
        yield say(Check.REDIS_EVICTION, f"{text}: set `maxmemory-policy noeviction`")
    used = int(told.get("used_memory") or 0)
    if most and used >= NEARLY * most:
        say = SUBJECT.broken if used >= FULL * most else SUBJECT.warning
        text = f"{used / most:.0%} of maxmemory ({most >> 20} MiB) is used; when it is full, no job"
        yield say(Check.REDIS_MEMORY, f"{text} can be published: raise maxmemory or free some")
    elif most:
        text = f"{used / most:.0%} of maxmemory ({most >> 20} MiB) is used"
        yield SUBJECT.ok(Check.REDIS_MEMORY, text)


def _disk(told: Mapping[str, Any]) -> Iterator[Finding]:
    if not told.get("aof_enabled"):
        yield SUBJECT.warning(
            Check.REDIS_DISK,
            "no append-only file is kept: when Redis stops, what is in flight has to be found "
            "again from the records, which takes a minute; set `appendonly yes`",
        )
    elif told.get("aof_last_write_status", "ok") != "ok":
        text = "it cannot write its append-only file: see its log, free its disk"
        yield SUBJECT.broken(Check.REDIS_DISK, text)
    else:
        yield SUBJECT.ok(Check.REDIS_DISK, "an append-only file is kept")


def _writes(client: redis.Redis, told: Mapping[str, Any]) -> Iterator[Finding]:
    """Whether it takes one."""
    from workers.broker import refusal

    if told.get("cluster_enabled"):
        return
    if (why := refusal(client)) is not None:
        yield SUBJECT.broken(Check.REDIS, why)


def _clock(client: redis.Redis, chosen: Settings) -> Iterator[Finding]:
    from workers.broker import check_clock, clock_skew

    try:
        check_clock(client, chosen.visibility)
    except ConfigError as error:
        yield SUBJECT.broken(Check.REDIS_CLOCK, error.message)
        return
    skew = clock_skew(client)
    if abs(skew) > SKEW:
        text = f"the clock of this machine and that of Redis are {abs(skew):.0f} s apart: set both"
        yield SUBJECT.warning(Check.REDIS_CLOCK, f"{text} by a time server (NTP)")
    else:
        yield SUBJECT.ok(Check.REDIS_CLOCK, "its clock agrees with that of this machine")
