"""Runs several processes as one: their lines under one prefix each, and all end together."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from types import FrameType
from typing import Any

from rich.text import Text

from workers.cli.console import line, out, say

#: Seconds that processes get to end softly; a worker gives its jobs back in 20 s.
GRACE = 30.0
_STYLES = ("cyan", "magenta", "green", "yellow", "blue")
#: The sender of a wish to stop, in place of the name of a process.
_PERSON = ""
_Event = tuple[str, str | None]


def run_together(commands: Mapping[str, Sequence[str]]) -> int:
    """Runs the commands until one ends or SIGINT or SIGTERM comes, then ends the others.

    Returns 0 when it was told to stop, 1 when a process ended by itself.
    """
    events: SimpleQueue[_Event] = SimpleQueue()
    with _told_to_stop(events):
        running = {name: _start(name, command, events) for name, command in commands.items()}
        return _Crew(running, events).run()


def run_alone(command: Sequence[str]) -> int:
    """Runs one command on this terminal; SIGINT and SIGTERM end it softly, once more at once.

    Returns 0 when it was told to stop, else its own code.
    """
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    events: SimpleQueue[_Event] = SimpleQueue()
    threading.Thread(target=lambda: events.put((str(process.wait()), None)), daemon=True).start()
    told = 0
    with _told_to_stop(events):
        while (event := events.get())[0] == _PERSON:
            told += 1
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL) if told > 1 else process.terminate()
    return 0 if told else int(event[0])


class _Crew:
    """The running processes, what they say, and how they are ended."""

    def __init__(
        self, running: dict[str, subprocess.Popen[str]], events: SimpleQueue[_Event]
    ) -> None:
        self._running = running
        self._events = events
        self._width = max(map(len, running))
        self._styles = dict(zip(running, _STYLES * len(running), strict=False))
        self._limit: float | None = None
        self._code = 0

    def run(self) -> int:
        while self._running:
            try:
                sender, said = self._events.get(timeout=self._left())
            except Empty:
                self._signal(signal.SIGKILL)
                continue
            if said is not None:
                self._show(sender, said)
            elif sender == _PERSON:
                self._stop("stopping; once more to stop at once")
            else:
                self._ended(sender)
        return self._code

    def _left(self) -> float | None:
        return None if self._limit is None else max(0.1, self._limit - time.monotonic())

    def _show(self, name: str, said: str) -> None:
        prefix = Text(f"{name:<{self._width}} | ", style=self._styles[name])
        out().print(Text.assemble(prefix, line(said)), soft_wrap=True)

    def _ended(self, name: str) -> None:
        code = self._running.pop(name).wait()
        if self._limit is None:
            self._code = 1
            self._stop(f"{name} has ended with code {code}: stopping the others")

    def _stop(self, why: str) -> None:
        if self._limit is not None:
            self._signal(signal.SIGKILL)
            return
        say(why)
        self._limit = time.monotonic() + GRACE
        self._signal(signal.SIGTERM)

    def _signal(self, number: int) -> None:
        """The soft signal to the process alone, which tells its children; the hard one to all."""
        for process in self._running.values():
            with suppress(ProcessLookupError):
                if number == signal.SIGKILL:
                    os.killpg(process.pid, number)
                else:
                    process.send_signal(number)


def _start(name: str, command: Sequence[str], events: SimpleQueue[_Event]) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        # Ctrl-C reaches this process alone, which then ends the others in order.
        start_new_session=True,
    )
    threading.Thread(target=_read, args=(name, process, events), daemon=True).start()
    return process


def _read(name: str, process: subprocess.Popen[str], events: SimpleQueue[_Event]) -> None:
    for said in process.stdout or ():
        events.put((name, said.rstrip("\n")))
    events.put((name, None))


@contextmanager
def _told_to_stop(events: SimpleQueue[_Event]) -> Iterator[None]:
    """SIGINT and SIGTERM become events until the block ends."""

    def tell(number: int, frame: FrameType | None) -> None:
        events.put((_PERSON, None))

    before: dict[int, Any] = {
        number: signal.signal(number, tell) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
