"""A command on a terminal: what a person sees, and what they type."""

from __future__ import annotations

import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from fcntl import ioctl
from pathlib import Path

#: What terminals obey: colours, moves of the cursor.
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """A command whose input and outputs are one terminal of 80 columns."""

    def __init__(
        self, command: Sequence[str], folder: Path, environment: Mapping[str, str]
    ) -> None:
        self._ours, theirs = pty.openpty()
        ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 80, 0, 0))
        self.raw = ""
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            env={**environment, "TERM": "xterm-256color"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)

    @property
    def seen(self) -> str:
        """Everything that was shown, without what only steers the terminal."""
        return ESCAPES.sub("", self.raw).replace("\r\n", "\n")

    def until(self, text: str, limit: float = 60) -> None:
        """Reads until the text is shown."""
        end = time.monotonic() + limit
        while text not in self.seen:
            assert time.monotonic() < end, f"{text!r} is not shown in {self.seen!r}"
            if not self._read(0.2) and self.process.poll() is not None:
                assert text in self.seen, f"{text!r} is not shown in {self.seen!r}"

    def type(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def end(self, limit: float = 60) -> int:
        """Reads to the end of the command; its exit code."""
        end = time.monotonic() + limit
        while self._read(0.2) or self.process.poll() is None:
            assert time.monotonic() < end, self.seen
        os.close(self._ours)
        return self.process.wait()

    def _read(self, seconds: float) -> bool:
        ready, _, _ = select.select([self._ours], [], [], seconds)
        if not ready:
            return False
        try:
            chunk = os.read(self._ours, 65536)
        except OSError:  # the other end is closed
            return False
        self.raw += chunk.decode("utf-8", "replace")
        return bool(chunk)
