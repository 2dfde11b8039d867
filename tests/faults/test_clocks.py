"""A worker does not start, and says why, whose clock is 10 s off that of Redis or of the records,
or whose Redis drops keys."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.stack import ROOT, Stack
from tests.wire import between, shifted

#: As in production, where 10 s are to be refused.
TIMES = {
    "TENANTSYNC_VISIBILITY": "30",
    "TENANTSYNC_HEARTBEAT": "5",
    "TENANTSYNC_LEASE": "30",
    "TENANTSYNC_SHUTDOWN": "20",
}
REMEDY = "set both by a time server (NTP) and start again"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("clocks")) as stack:
        yield stack


def _refused(stack: Stack, **more: str) -> str:
    """What a worker says that ends by itself at its start."""
    done = subprocess.run(
        [sys.executable, "-m", "workers.worker", "w1", "1", "INFO"],
        env={**stack.environment, **TIMES, **more},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode != 0, done.stderr
    assert " ready." not in done.stderr
    return done.stderr


def test_a_clock_that_is_behind_that_of_redis(stack: Stack) -> None:
    with between(urlsplit(stack.redis_url).port or 0, shifted(10)) as port:
        said = _refused(stack, TENANTSYNC_REDIS_URL=f"redis://127.0.0.1:{port}/0")
    assert "s behind the clock of Redis; at most 7.5 s are safe" in said
    assert REMEDY in said


def test_a_clock_that_is_ahead_of_that_of_the_records(stack: Stack, postgresql: str) -> None:
    # What the records ask is found in this schema first.
    with psycopg.connect(postgresql, autocommit=True) as db:
        name = urlsplit(postgresql).path.lstrip("/")
        db.execute(
            "CREATE FUNCTION clock_timestamp() RETURNS timestamptz LANGUAGE sql AS "
            "$$SELECT pg_catalog.clock_timestamp() - interval '10 s'$$"
        )
        db.execute(f"ALTER DATABASE {name} SET search_path = public, pg_catalog".encode())
    said = _refused(stack, TENANTSYNC_DATABASE_URL=postgresql)
    assert "s ahead of the clock of the records database; at most 7.5 s are safe" in said
    assert REMEDY in said


def test_a_redis_that_drops_keys_when_memory_is_short(stack: Stack) -> None:
    stack.redis.config_set("maxmemory-policy", "allkeys-lru")
    stack.redis.config_set("maxmemory", 1 << 30)
    said = _refused(stack)
    assert "error: Redis drops messages and lanes when its memory is short" in said
    assert "(maxmemory-policy allkeys-lru): set `maxmemory-policy noeviction`" in said
