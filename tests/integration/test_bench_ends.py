"""A bench that is told to stop takes its servers and workers with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.processes import HAS_PROC

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(not HAS_PROC, reason="what still runs is read from /proc, on Linux alone")
def test_a_bench_that_is_terminated_leaves_nothing_running(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "bench", "peer", "--size", "small"],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stderr=subprocess.DEVNULL,
    )
    try:
        _until(lambda: any(tmp_path.glob("bench-*/worker.log")))
        assert _running(tmp_path)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 128 + signal.SIGTERM
        _until(lambda: not _running(tmp_path))
        assert not any(tmp_path.iterdir())
    finally:
        process.kill()
        process.wait()
        for pid in _running(tmp_path):
            os.kill(pid, signal.SIGKILL)


def _running(folder: Path) -> list[int]:
    """Processes that name the folder in their command or environment, or that work in it."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            texts = (place / "cmdline").read_bytes() + (place / "environ").read_bytes()
            texts += os.fsencode((place / "cwd").readlink())  # Valkey overwrites the other two
        except OSError:
            continue  # it ended, or belongs to somebody else
        if str(folder).encode() in texts:
            found.append(int(place.name))
    return found


def _until(look: Callable[[], bool], limit: float = 90) -> None:
    end = time.monotonic() + limit
    while not look():
        assert time.monotonic() < end
        time.sleep(0.05)
