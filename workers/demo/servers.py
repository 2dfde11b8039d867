"""What runs during a demo? A small Kestra, a Git server, the embedded Valkey and two workers,
each a process of its own; all of them end with the demo."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from sandbox.remote import Remote
from tasks.errors import Unreachable
from workers.demo.folder import Folder
from workers.demo.screen import Screen
from workers.embedded import embedded
from workers.session import start_worker
from workers.settings import load

WORKERS = ("w1", "w2")
#: Settings of the workers: a demo is made for two cores, and nobody wants to wait for its end.
_SETTINGS = {"TENANTSYNC_CONCURRENCY": "4", "TENANTSYNC_SHUTDOWN": "3"}
#: Seconds that a server may take to start, and to end softly.
_START_LIMIT, _STOP_LIMIT = 60.0, 30.0
_LOOK = 0.05
_Process = subprocess.Popen[bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    """The addresses of what runs, and its processes by name."""

    kestra: Remote
    git: str
    flower: str | None
    processes: dict[str, _Process]

    def ended(self) -> list[str]:
        """The names of those that have ended by themselves."""
        return [name for name, process in self.processes.items() if process.poll() is not None]


@contextmanager
def started(screen: Screen, folder: Folder, *, flower: bool) -> Iterator[Servers]:
    """Everything is started, and the folder configured for it, until the block ends."""
    processes: dict[str, _Process] = {}
    with ExitStack() as stack:
        stack.callback(_stop, processes)
        with screen.busy("starting a Kestra, a Git server, Valkey and two workers"):
            processes["kestra"] = _served(folder, "kestra", folder.path)
            processes["git"] = _served(folder, "git", folder.git)
            kestra, git = (_address(folder, name, processes[name]) for name in ("kestra", "git"))
            folder.configure(kestra, git)
            valkey = stack.enter_context(embedded(folder.data, folder.config))
            os.environ.update({**_SETTINGS, "TENANTSYNC_REDIS_URL": valkey})
            processes |= _workers(folder)
            page = _flower(folder, processes) if flower else None
            _expect_workers(folder, processes)
        yield Servers(kestra=Remote(kestra), git=git, flower=page, processes=processes)


def _served(folder: Folder, name: str, place: Path) -> _Process:
    return _spawn(folder, name, [sys.executable, "-m", "workers.demo.serve", name, str(place)])


def _spawn(folder: Folder, name: str, command: Sequence[str]) -> _Process:
    with _log(folder, name).open("ab") as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if name in {"kestra", "git"} else log,
            stderr=log,
            # Ctrl-C reaches the demo alone, which then ends the others in order.
            start_new_session=True,
        )


def _log(folder: Folder, name: str) -> Path:
    return folder.logs / f"{name}.log"


def _address(folder: Folder, name: str, process: _Process) -> str:
    """The first line that a server says."""
    assert process.stdout is not None
    said = process.stdout.readline().decode().strip()
    if not said.startswith("http"):
        raise Unreachable(f"the {name} server did not start: see {_log(folder, name)}")
    return said


def _workers(folder: Folder) -> dict[str, _Process]:
    chosen = load()
    return {name: start_worker(chosen, name, _log(folder, name)) for name in WORKERS}


def _expect_workers(folder: Folder, processes: dict[str, _Process]) -> None:
    """Comes back when every worker takes jobs, which its file tells."""
    alive = [folder.data / "alive" / f"{name}@{socket.gethostname()}" for name in WORKERS]

    def look() -> bool:
        for name in WORKERS:
            if processes[name].poll() is not None:
                raise Unreachable(f"worker {name} did not start: see {_log(folder, name)}")
        return all(file.exists() for file in alive)

    if not until(look, _START_LIMIT):
        raise Unreachable(f"the workers did not start in {_START_LIMIT:g} s: see {folder.logs}")


def until(look: Callable[[], bool], limit: float) -> bool:
    """Whether `look` came true within `limit` seconds."""
    end = time.monotonic() + limit
    while not look():
        if time.monotonic() > end:
            return False
        time.sleep(_LOOK)
    return True


def _flower(folder: Folder, processes: dict[str, _Process]) -> str:
    """Starts Flower on a free port; its address. It is there a few seconds later."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "workers.cli.flower", str(port)]
    processes["flower"] = _spawn(folder, "flower", command)
    return f"http://127.0.0.1:{port}"


def _stop(processes: dict[str, _Process]) -> None:
    """Ends the workers, then what they use: softly, and by force who does not end in time."""
    workers = {name for name in processes if name in WORKERS}
    for group in (workers, processes.keys() - workers):
        for name in group:
            processes[name].terminate()
        end = time.monotonic() + _STOP_LIMIT
        for name in group:
            _await_end(processes[name], end)


def _await_end(process: _Process, end: float) -> None:
    with suppress(subprocess.TimeoutExpired):
        process.wait(max(0.1, end - time.monotonic()))
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if process.stdout is not None:
        process.stdout.close()
