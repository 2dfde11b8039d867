"""What a worker's processes take, read of real ones."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from bench.processes import HAS_PROC, children, peak, processor_seconds

pytestmark = pytest.mark.skipif(not HAS_PROC, reason="/proc is there on Linux alone")

#: Takes 64 MiB and gives them back, works half a second in a child with an odd name.
PROGRAM = """
import subprocess, sys, time
held = bytearray(64 * 1024 * 1024)
del held
work = "import time, ctypes; ctypes.CDLL(None).prctl(15, b'a ) b c d e', 0, 0, 0)\\n"
work += "while time.process_time() < 0.5: pass\\nprint('worked', flush=True)\\ninput()"
child = subprocess.Popen([sys.executable, "-c", work])
child.wait()
"""


@pytest.fixture
def parent() -> Iterator[int]:
    command = [sys.executable, "-c", PROGRAM]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "worked\n"
        yield process.pid
        process.stdin.close()
        process.kill()


def test_the_peak_stays_when_memory_is_given_back(parent: int) -> None:
    (child,) = children(parent)
    assert peak(parent) > 64
    assert peak(child) < 64


def test_processor_time_is_that_of_all_processes(parent: int) -> None:
    assert 0.45 <= processor_seconds(parent) < 5  # in ticks of 10 ms
