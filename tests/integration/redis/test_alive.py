"""The file by which the health check of a container sees that a worker turns."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.redis.conftest import HERE, ROOT, TIMES, Server, until
from workers.alive import alive_file, touch


@pytest.fixture
def worker(server: Server, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A worker that shows its file in `tmp_path` every second, with its own server."""
    environment = {
        **os.environ,
        **TIMES,
        "TENANTSYNC_REDIS_URL": server.url,
        "TENANTSYNC_DATA": str(tmp_path),
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, "-m", "celery", "-A", "alive_app", "worker", "-n", "one@test"]
    running = subprocess.Popen(
        [*command, "--concurrency", "1", "--without-mingle", "--without-gossip"],
        cwd=HERE,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    yield running
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()


def touched_again(file: Path) -> None:
    """Waits until the file was touched twice more: by the timer, not only at start."""
    for _ in range(2):
        seen = file.stat().st_mtime_ns
        until(lambda seen=seen: file.stat().st_mtime_ns > seen, 30)  # type: ignore[misc]


def test_a_worker_touches_its_file_while_it_turns_and_after_its_redis_came_back(
    server: Server, worker: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    file = alive_file(tmp_path, "one@test")
    until(file.exists, 30)
    touched_again(file)
    server.kill()
    server.start()
    touched_again(file)


def test_a_file_that_cannot_be_touched_ends_nobody(tmp_path: Path) -> None:
    (tmp_path / "alive").write_text("no folder")
    touch(alive_file(tmp_path, "one@test"))
