"""How a sandbox server is started and stopped: in a thread of this process, or in its own."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import uvicorn

from .app import SandboxApp
from .faults import Fault
from .remote import Remote
from .settings import Settings
from .transport import Transports, protocol_for
from .world import World

#: Seconds that a server may take to start or to stop.
PATIENCE = 20.0


class _Server(uvicorn.Server):
    """A server that says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()


def build_server(world: World) -> _Server:
    """The uvicorn server of a world; the caller brings the socket."""
    transports = Transports()
    return _Server(
        uvicorn.Config(
            SandboxApp(world, transports),
            http=protocol_for(transports),
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=60,
            timeout_graceful_shutdown=1,
        )
    )


def listen(port: int = 0) -> socket.socket:
    """A listening socket on 127.0.0.1; port 0 = a free one."""
    # The protocol is named so that asyncio switches Nagle's algorithm off.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(512)
    return listener


class SandboxServer(Remote):
    """A server in a thread of this process; a context manager.

    `settings` are those of `sandbox.settings.Settings`; port 0 takes a free one.
    """

    def __init__(self, settings: Settings | None = None, *, port: int = 0) -> None:
        self.settings = settings or Settings()
        self._world = World(self.settings)
        self._listener = listen(port)
        self._server = build_server(self._world)
        self._thread = threading.Thread(target=self._run, name="sandbox", daemon=True)
        super().__init__(
            f"http://127.0.0.1:{self._listener.getsockname()[1]}", self.settings.control_token
        )

    def _run(self) -> None:
        self._server.run(sockets=[self._listener])

    def start(self) -> Self:
        """Start, and come back when the server answers."""
        self._thread.start()
        if not self._server.listening.wait(PATIENCE):
            raise TimeoutError("the sandbox server did not start")
        return self

    def stop(self) -> None:
        """Stop; open calls are cut off."""
        self._server.should_exit = True
        self._thread.join(PATIENCE)
        self._listener.close()

    def arm_callback(self, fault: Fault, callback: Callable[[], None]) -> int:
        """Arm a fault that also calls a function, on the server's thread, when it strikes.

        The function runs inside the server: it may change the state with `plant`, it must not
        call the server.
        """
        return self._world.faults.arm(fault, callback).id

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *error: object) -> None:
        self.stop()


class SpawnedSandbox(Remote):
    """A server in its own operating system process; a context manager.

    `options` are command line options of `python -m sandbox`.
    """

    def __init__(self, *options: str, control_token: str | None = None) -> None:
        arguments = [*options]
        if control_token is not None:
            arguments += ["--control-token", control_token]
        self._child = subprocess.Popen(
            [sys.executable, "-m", "sandbox", *arguments],
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parent.parent,
            text=True,
        )
        assert self._child.stdout is not None
        url = self._child.stdout.readline().strip()
        if not url.startswith("http"):
            self.stop()
            raise RuntimeError(f"python -m sandbox {' '.join(options)} did not start")
        known: dict[str, Any] = {} if control_token is None else {"control_token": control_token}
        super().__init__(url, **known)

    @property
    def pid(self) -> int:
        """The process id, to be signalled by tests."""
        return self._child.pid

    def stop(self) -> None:
        """End the process."""
        self._child.terminate()
        try:
            self._child.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        if self._child.stdout is not None:
            self._child.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()
