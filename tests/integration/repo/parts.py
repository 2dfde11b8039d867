"""What the tests of the Git side share: people, times, waiting for a state."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from tasks.repo.commit import FileChange
from tasks.repo.message import Person
from tasks.repo.side import RepoSide

ADA = Person("Ada", "ada@example.org")
SERVICE = Person("TenantSync", "sync@example.org")
WHEN = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def commit(
    side: RepoSide, base: str | None, files: Mapping[str, bytes | None], run_id: str = "run-1"
) -> str | None:
    changes = [FileChange(path, content) for path, content in files.items()]
    return side.commit(run_id, base, changes, "Sync", ADA, SERVICE, WHEN)


def made(oid: str | None) -> str:
    assert oid is not None
    return oid


def wait_until(state: Callable[[], object], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not state():
        assert time.monotonic() < end, "the state was not reached in time"
        time.sleep(0.01)
