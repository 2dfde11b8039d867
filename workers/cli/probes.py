"""Checks of this installation: settings, configuration, git, Redis, the database and contents."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tasks.errors import ConfigError, TenantSyncError
from workers.cli.desk import login, redis_away
from workers.cli.finding import Finding, Level, broken, looked, note, ok, warning

if TYPE_CHECKING:
    from tasks.config import Config
    from workers.settings import Settings

#: The oldest git that the Git side was written for: Debian 12 has it.
OLDEST_GIT = (2, 39)
#: Bytes below which a disk is nearly full: mirrors and contents grow.
_LITTLE = 1 << 30


def settings_findings() -> tuple[Settings | None, list[Finding]]:
    """The settings, None where the environment has mistakes."""
    from workers.settings import load

    try:
        chosen = load()
        chosen.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    except ConfigError as error:
        return None, [broken("settings", error.message)]
    except OSError as error:
        text = f"{error.filename}: {error.strerror}; choose another with TENANTSYNC_DATA"
        return None, [broken("data directory", text)]
    free = shutil.disk_usage(chosen.data).free
    text = f"{chosen.data}, {free / (1 << 30):.1f} GiB free"
    return chosen, [(warning if free < _LITTLE else ok)("data directory", text)]


def configuration(chosen: Settings) -> tuple[Config | None, list[Finding]]:
    """The configuration, None where it has mistakes; overlaps, and who the login name is."""
    from tasks.config import load as load_config
    from tasks.overlaps import overlaps

    try:
        config = load_config(chosen.config)
    except ConfigError as error:
        return None, [broken("configuration", error.message)]
    findings = [ok("configuration", f"{chosen.config}: {len(config.syncs)} syncs")]
    findings += [warning("configuration", text) for text in overlaps(config)]
    try:
        actor = config.actor(login())
        findings.append(ok("you", f"{actor.name}: {', '.join(sorted(actor.roles))}"))
    except TenantSyncError as error:
        findings.append(warning("you", error.message))
    return config, findings


def git(chosen: Settings) -> list[Finding]:
    """The git program and its version."""
    return looked("git", lambda: _git(chosen))


def _git(chosen: Settings) -> list[Finding]:
    from tasks.repo.command import Git

    said = Git(home=chosen.data, place="this machine", allowed=(), timeout=30).run("version").text
    match = re.search(r"(\d+)\.(\d+)", said)
    version = (int(match[1]), int(match[2])) if match else (0, 0)
    if version < OLDEST_GIT:
        return [broken("git", f"{said} is too old: install 2.39 or newer where workers run")]
    return [ok("git", said)]


def redis_server(chosen: Settings) -> list[Finding]:
    """Redis: reachable, what it keeps, what it drops, its clock; and the workers on it."""
    return looked("redis", lambda: _redis(chosen))


def _redis(chosen: Settings) -> list[Finding]:
    from workers.embedded import embedded

    if chosen.redis_url is not None:
        findings = _server(chosen.redis_url, chosen, "your own")
        reached = findings[0].level is Level.OK
        return [*findings, *_workers()] if reached else findings
    with embedded(chosen.data, chosen.config) as url:
        return _server(url, chosen, "embedded, of this data directory")


def _server(url: str, chosen: Settings, whose: str) -> list[Finding]:
    import redis

    from workers.broker import check_clock, connect

    try:
        with connect(url, patience=1) as client:
            told: Mapping[str, Any] = client.info()
            findings = [ok("redis", f"{whose}: {_version(told)}"), _kept(told), _dropped(told)]
            try:
                check_clock(client, chosen.visibility)
                findings.append(ok("clock", "agrees with that of Redis"))
            except ConfigError as error:
                findings.append(broken("clock", error.message))
            return findings
    except (redis.RedisError, OSError) as error:
        return [broken("redis", redis_away(error))]


def _version(told: Mapping[str, Any]) -> str:
    name = str(told.get("server_name", "redis"))
    return f"{name} {told.get('valkey_version') or told.get('redis_version', '?')}"


def _kept(told: Mapping[str, Any]) -> Finding:
    if told.get("aof_enabled"):
        return ok("redis on disk", "an append-only file is kept")
    return warning(
        "redis on disk",
        "no append-only file is kept: when Redis stops, what is in flight has to be found again "
        "from the records, which takes a minute; set `appendonly yes`",
    )


def _dropped(told: Mapping[str, Any]) -> Finding:
    policy = str(told.get("maxmemory_policy", "noeviction"))
    if policy == "noeviction":
        return ok("redis memory", "nothing is evicted (noeviction)")
    say = broken if told.get("maxmemory") else warning
    text = f"`{policy}` drops messages and lanes when memory is short: set it to noeviction"
    return say("redis memory", text)


def _workers() -> list[Finding]:
    from workers.app import app

    answers = app.control.ping(timeout=1.5) or []
    names = sorted(name for answer in answers for name in answer)
    if names:
        return [ok("workers", ", ".join(names))]
    return [warning("workers", "none answers: start one with `tenantsync worker`")]


def database(chosen: Settings) -> list[Finding]:
    """The records: reachable, of a version that we know, and writable."""
    return looked("database", lambda: _database(chosen))


def _database(chosen: Settings) -> list[Finding]:
    from tasks.store.database import Database

    records = Database(chosen.database)
    try:
        with records.write():
            where = "SQLite in the data directory" if chosen.database_url is None else "your own"
            return [ok("database", f"{where}: can be written")]
    finally:
        records.close()


def contents(chosen: Settings) -> list[Finding]:
    """The contents: what is put there comes back."""
    return looked("contents", lambda: _contents(chosen))


def _contents(chosen: Settings) -> list[Finding]:
    from tasks.store.contents import Contents

    store = Contents(chosen.contents)
    written = b"written by `tenantsync doctor`\n"
    if store.get(store.put(written)) != written:
        return [broken("contents", "what was written does not come back")]
    if chosen.contents_url is None and chosen.database_url is not None:
        text = "in the data directory: workers on other hosts need TENANTSYNC_CONTENTS_URL"
        return [ok("contents", "can be written"), note("contents", text)]
    return [ok("contents", "can be written")]
