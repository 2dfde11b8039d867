"""What a command needs around it: a Redis, the connections, and worker processes of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from workers.embedded import embedded
from workers.runtime import Runtime, runtime
from workers.settings import Settings, load, settings

#: Seconds that a worker gets to give its jobs back when its command ends.
_GRACE = 30.0


@contextmanager
def session() -> Iterator[Runtime]:
    """The runtime of one command.

    With `TENANTSYNC_REDIS_URL` the command uses that server; without, it starts or joins the
    embedded server of its data directory.
    """
    chosen = load()
    with ExitStack() as stack:
        if chosen.redis_url is None:
            url = stack.enter_context(embedded(chosen.data, chosen.config))
            os.environ["TENANTSYNC_REDIS_URL"] = url
            settings.cache_clear()
            chosen = load()
        from workers.app import app

        opened = runtime(chosen, app)
        stack.callback(opened.close)
        yield opened


def worker_log(data: Path) -> Path:
    """Where the worker of a command writes its log."""
    return data / "logs" / "worker.log"


def start_worker(chosen: Settings, name: str, log: Path | None) -> subprocess.Popen[bytes]:
    """Starts a worker process that ends with this one."""
    command = [sys.executable, "-m", "workers.worker", name, str(chosen.concurrency), "INFO"]
    if log is None:
        return subprocess.Popen(command, start_new_session=True)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as file:
        return subprocess.Popen(
            command, stdout=file, stderr=file, stdin=subprocess.DEVNULL, start_new_session=True
        )


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ends a worker softly, and by force when it does not end in time."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(_GRACE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
