"""Named points: free when nobody arms them, and each fault strikes where it is told to."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import timeit
from pathlib import Path

import pytest

from tasks.points import EXIT_STATUS, POINTS, VARIABLE, Fault, arm, hits, reach, release
from tests.integration.redis.conftest import until

ROOT = Path(__file__).parent.parent.parent.parent
REACH = "from tasks.points import reach; reach('leased', run='r', namespace='n'); print('past')"


@pytest.fixture
def control(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    return tmp_path


def started(control: Path, code: str = REACH) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, VARIABLE: str(control)},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_a_point_that_nobody_armed_does_nothing(control: Path) -> None:
    for point in POINTS:
        reach(point, run="r")
    assert hits(control) == []


def test_without_a_control_directory_a_point_costs_less_than_ten_microseconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    best = min(timeit.repeat(lambda: reach("claim", run="r"), number=1000, repeat=5))
    assert best / 1000 < 10e-6


def test_a_name_that_is_not_in_the_list_is_an_error_armed_or_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(ValueError, match="point writ: not in the list"):
        reach("writ")
    with pytest.raises(ValueError, match="point writ: not in the list"):
        arm(tmp_path, "writ", Fault.KILL)


def test_a_fault_strikes_as_often_as_it_is_armed_and_each_hit_is_written_down(
    control: Path,
) -> None:
    arm(control, "leased", Fault.RAISE, times=2)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="point leased"):
            reach("leased", run="r", namespace=None)
    reach("leased", run="r")
    first, second = hits(control, "leased")
    assert (first["fault"], first["pid"], first["where"]) == ("raise", os.getpid(), {"run": "r"})
    assert second["point"] == "leased"


def test_only_what_matches_is_struck(control: Path) -> None:
    arm(control, "write.before", Fault.NO_SPACE, match={"namespace": "b"})
    reach("write.before", namespace="a")
    reach("write.before", run="b")
    with pytest.raises(OSError, match="No space left") as caught:
        reach("write.before", namespace="b", run="r")
    assert caught.value.errno == errno.ENOSPC
    assert len(hits(control)) == 1


def test_armed_for_always_is_always(control: Path) -> None:
    arm(control, "claim", Fault.NOTE, times=None)
    for _ in range(5):
        reach("claim")
    assert len(hits(control, "claim")) == 5


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (Fault.KILL, -signal.SIGKILL),
        (Fault.KILL_GROUP, -signal.SIGKILL),
        (Fault.EXIT, EXIT_STATUS),
    ],
)
def test_a_process_ends_at_the_point_and_the_hit_is_not_lost(
    control: Path, fault: Fault, status: int
) -> None:
    arm(control, "leased", fault)
    process = started(control)
    output, _ = process.communicate(timeout=20)
    assert (process.returncode, output) == (status, "")
    assert [hit["fault"] for hit in hits(control)] == [fault]


def test_killing_the_group_takes_the_parent_and_killing_the_parent_leaves_the_child(
    control: Path,
) -> None:
    forked = (
        f"import os\nif os.fork():\n  os.wait()\nelse:\n  {REACH.replace('; ', chr(10) + '  ')}"
    )
    arm(control, "leased", Fault.KILL_GROUP)
    process = started(control, forked)
    assert process.communicate(timeout=20)[0] == ""
    assert process.returncode == -signal.SIGKILL
    arm(control, "leased", Fault.KILL_PARENT)
    process = started(control, forked)
    assert process.communicate(timeout=20)[0] == "past\n"
    assert process.returncode == -signal.SIGKILL


def test_a_stopped_process_goes_on_when_it_is_told_to(control: Path) -> None:
    arm(control, "leased", Fault.STOP)
    process = started(control)
    _, status = os.waitpid(process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    process.send_signal(signal.SIGCONT)
    assert process.communicate(timeout=20)[0] == "past\n"


def test_a_held_process_waits_for_its_release(control: Path) -> None:
    arm(control, "leased", Fault.HOLD)
    process = started(control)
    until(lambda: hits(control), 20)
    assert process.poll() is None
    release(control, "leased")
    assert process.communicate(timeout=20)[0] == "past\n"


def test_many_processes_share_one_count(control: Path) -> None:
    arm(control, "leased", Fault.EXIT, times=3)
    processes = [started(control) for _ in range(6)]
    statuses = sorted(process.wait(20) for process in processes)
    for process in processes:
        process.communicate()
    assert statuses == [0, 0, 0, EXIT_STATUS, EXIT_STATUS, EXIT_STATUS]
    assert len(hits(control)) == 3
