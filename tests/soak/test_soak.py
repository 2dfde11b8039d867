"""The short form of a soak; `make soak` runs long ones."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.soak.__main__ import NO_SERVER
from tests.stack import ROOT

#: Chosen at random each time in the long form; here the same choices on every machine.
SEED = 7
RUNS = 40
#: Seconds after which even a busy machine is stuck.
LIMIT = 900


@pytest.mark.timeout(LIMIT + 30)
def test_mixed_runs_over_two_groups_with_faults_lose_nothing_and_end_truly(
    tmp_path: Path,
) -> None:
    """In a process of its own, which asks and decides by the configuration of the soak."""
    options = ("--runs", str(RUNS), "--seed", str(SEED), "--folder", str(tmp_path / "soak"))
    done = subprocess.run(
        [sys.executable, "-m", "tests.soak", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    if done.returncode == NO_SERVER:
        pytest.skip(done.stdout.strip().splitlines()[-1])
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-4000:]
