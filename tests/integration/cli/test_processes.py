"""`up`, `worker`, `beat`, `doctor`, and commands that bring their own Redis and worker."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from sandbox.git_server import GitServer
from sandbox.sample import sample_seed
from sandbox.server import SandboxServer
from tests.integration.cli.home import Home
from tests.ports import free_port
from tests.stack import FIFTH, wait_for

CONFIG = """\
kestra:
  prod:
    url: {kestra}
    username: admin@example.org
    password: {{env: KESTRA_PASSWORD}}
repositories:
  flows:
    url: {git}
    token: {{env: GIT_TOKEN}}
syncs:
  backup:
    sourceOfTruth: KESTRA
    branch: main
    schedule: "* * * * *"
"""


class Alone(Home):
    """An installation without a Redis of its own, its Kestra and its Git server."""

    _started: subprocess.Popen[str] | None = None

    def environment(self, **more: str) -> dict[str, str]:
        return {
            **super().environment(),
            **FIFTH,
            "GIT_TOKEN": "git-token",
            "TENANTSYNC_CONCURRENCY": "2",
            **more,
        }

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        with (self.folder / "said").open("w") as said:
            self._started = subprocess.Popen(
                self.command(*arguments),
                cwd=self.folder,
                env=self.environment(),
                stdout=said,
                stderr=subprocess.STDOUT,
                text=True,
            )
        return self._started

    def close(self) -> None:
        """Kills what a failed test has left."""
        super().close()
        if self._started is not None and self._started.poll() is None:
            for process in (*_children(self._started.pid), self._started.pid):
                os.kill(process, signal.SIGKILL)
            self._started.wait()

    @property
    def said(self) -> str:
        return (self.folder / "said").read_text(errors="replace")


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Alone]:
    with SandboxServer() as kestra, GitServer(tmp_path / "git", token="git-token") as git:
        git.create("acme")
        kestra.apply(sample_seed(namespaces=2, flows_each=2, files_each=1))
        home = Alone(tmp_path, CONFIG.format(kestra=kestra.url, git=git.url("acme")))
        try:
            yield home
        finally:
            home.close()


def _children(parent: int) -> set[int]:
    """The processes below one, at this moment."""
    found: set[int] = set()
    for entry in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            if int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1]) == parent:
                found |= {int(entry.name)} | _children(int(entry.name))
    return found


def _alive(processes: set[int]) -> bool:
    return any(Path(f"/proc/{each}").exists() for each in processes)


def test_a_command_alone_brings_redis_and_a_worker_and_takes_them_away(alone: Alone) -> None:
    said = alone.run("sync", "backup")
    assert (said.code, "APPLIED" in said.out) == (0, True), said.err
    wait_for("the server ends", lambda: not (alone.data / "redis.url").exists(), 30)
    assert "ready." in (alone.data / "logs" / "worker.log").read_text()


def test_without_waiting_nothing_goes_on_before_the_next_worker(alone: Alone) -> None:
    asked = alone.run("sync", "backup", "--no-wait")
    assert (asked.code, "is QUEUED" in asked.out) == (0, True), asked.err
    assert "It goes on as soon as a worker runs (`tenantsync up`" in asked.err
    why = alone.run("runs", "why", "last")
    assert "No worker answers: `tenantsync up`" in why.out
    done = alone.run("runs", "wait", "last")
    assert (done.code, "APPLIED" in done.out) == (0, True), done.err


def test_a_worker_that_cannot_start_is_told_and_not_waited_for(alone: Alone) -> None:
    (alone.folder / "sitecustomize.py").write_text(
        "import sys\nif 'workers.worker' in sys.orig_argv: sys.exit('no celery today')\n"
    )
    path = f"{alone.folder}{os.pathsep}{alone.environment()['PYTHONPATH']}"
    said = alone.run("sync", "backup", PYTHONPATH=path)
    assert said.code == 1
    assert "the worker of this command has ended; see" in said.err
    assert "no celery today" in (alone.data / "logs" / "worker.log").read_text()


def test_up_runs_worker_schedule_and_flower_and_ends_them_together(alone: Alone) -> None:
    port = free_port()
    up = alone.start("up", "--flower-port", str(port))
    for words in ("worker | ", "beat   | schedule: backup", "flower | ", "ready.", "Visit me at"):
        wait_for(words, lambda words=words: words in alone.said, 60)  # type: ignore[misc]
    wait_for("the schedule asks", lambda: "beat   | " in alone.said and _asked(alone), 90)
    children = _children(up.pid)
    assert len(children) >= 5
    up.send_signal(signal.SIGTERM)
    assert up.wait(40) == 0
    wait_for("all have ended", lambda: not _alive(children), 10)
    assert "stopping" in alone.said


def _asked(alone: Alone) -> bool:
    runs = alone.runs.newest(1)
    return bool(runs) and alone.runs.askers(runs[0].id)[0].who == "schedule backup"


def test_up_ends_all_when_one_ends(alone: Alone) -> None:
    up = alone.start("up", "--no-flower")
    wait_for("ready", lambda: "ready." in alone.said and "schedule: backup" in alone.said, 60)
    beats = [each for each in _children(up.pid) if b"beat" in _line(each)]
    os.kill(beats[0], signal.SIGKILL)
    assert up.wait(40) == 1
    assert "beat has ended with code -9: stopping the others" in alone.said


def _line(process: int) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{process}/cmdline").read_bytes()
    return b""


def test_what_up_started_does_not_outlive_it(alone: Alone) -> None:
    up = alone.start("up", "--no-flower")
    wait_for("ready", lambda: "ready." in alone.said and "schedule: backup" in alone.said, 60)
    children = _children(up.pid)
    up.kill()
    up.wait()
    wait_for("all have ended", lambda: not _alive(children), 30)


def test_a_taken_port_is_told_before_anything_starts(alone: Alone) -> None:
    with GitServer(alone.folder / "other") as other:
        port = other.origin.rsplit(":", 1)[1]
        said = alone.run("up", "--flower-port", port)
    assert said.code == 1
    assert f"port {port} is taken" in said.err


def test_a_worker_ends_softly(alone: Alone) -> None:
    worker = alone.start("worker", "--name", "steady", "--concurrency", "1")
    wait_for("ready", lambda: "steady@" in alone.said and "ready." in alone.said, 60)
    children = _children(worker.pid)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(40) == 0
    wait_for("all have ended", lambda: not _alive(children), 10)


def test_the_module_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "workers.cli", "--version"], capture_output=True, text=True,
        check=True, cwd=Path(__file__).parents[3],
    )  # fmt: skip
    assert done.stdout.startswith("tenantsync")
