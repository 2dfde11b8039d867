"""The worker process: Celery's worker with our settings, which never outlives its command."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from typing import Any

from tasks.errors import TenantSyncError
from workers.embedded import hold
from workers.settings import settings

#: prctl(2): the signal that the kernel sends when the parent ends.
_PR_SET_PDEATHSIG = 1
#: mallopt(3): how many arenas glibc allocates from. By default it is 8 for each processor, one for
#: each thread that reads; what they hold free is kept from the others, so that a process grows with
#: every large tenant that it reads. With two it stays flat at 30,000 artifacts (`bench memory`).
_M_ARENA_MAX, _ARENAS = -8, 2


def arguments(*, name: str, concurrency: int, level: str) -> list[str]:
    """The arguments of Celery's worker."""
    return [
        "worker",
        f"--concurrency={concurrency}",
        f"--hostname={name}@%h",
        f"--loglevel={level}",
        # Neighbours are found through Redis and the records; gossip only costs start-up time.
        "--without-gossip",
        "--without-mingle",
        "-Q",
        "tenantsync",
    ]


def end_with_parent() -> None:
    """Has the kernel end this process softly when its parent dies (Linux; elsewhere nothing)."""
    if not sys.platform.startswith("linux"):
        return
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGTERM)


def bound_memory() -> None:
    """Has threads of this process and its children share what they have freed (glibc only)."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, _ARENAS)


def main(name: str, concurrency: int, level: str) -> None:
    """Runs the worker in this process until it is told to stop.

    SIGTERM becomes Celery's soft shutdown, after which unfinished jobs go back to the queue. A
    worker that cannot start says why and ends with 1.
    """
    os.environ["REMAP_SIGTERM"] = "SIGQUIT"
    bound_memory()
    from celery.signals import celeryd_init

    from workers.app import app

    app.conf.worker_concurrency = concurrency  # which its jobs share out between the servers
    started: list[Any] = []
    celeryd_init.connect(lambda instance, **_: started.append(instance), weak=False)
    try:
        app.worker_main(arguments(name=name, concurrency=concurrency, level=level))
    except TenantSyncError as error:
        sys.exit(f"error: {error.message}")
    # Celery writes an error that ends a worker to its log, and returns.
    if started and started[0].exitcode:
        sys.exit(started[0].exitcode)


def of_command(name: str, concurrency: int, level: str) -> None:
    """Runs the worker of a command: it ends with the command, and keeps the embedded server
    until it has given its jobs back."""
    end_with_parent()
    settings().data.mkdir(parents=True, exist_ok=True, mode=0o700)
    with hold(settings().data):
        main(name, concurrency, level)


if __name__ == "__main__":
    of_command(sys.argv[1], int(sys.argv[2]), sys.argv[3])
