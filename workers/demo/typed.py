"""What does a command say that is typed in the demo? It runs as a person's would, on a terminal
of its own where the story has one, and its output is kept line by line."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO

from rich.text import Text

#: Seconds that a command may take.
LIMIT = 170.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """How a command ended and what it said."""

    code: int
    lines: tuple[Text, ...]
    errors: str

    @property
    def plain(self) -> list[str]:
        return [line.plain for line in self.lines]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """Which lines of an output are shown: its first ones, all from the line that begins with
    `since`, and of the hints at its end (`  commit:     ...`) those with these names."""

    head: int = 100
    since: str = ""
    hints: tuple[str, ...] = ()

    def of(self, lines: Sequence[Text]) -> list[Text]:
        """The lines that are shown, with a line that counts what is left out."""
        kept = list(lines)
        hints: list[Text] = []
        while kept and (name := _hint(kept[-1].plain)):
            line = kept.pop()
            hints[:0] = [line] if name in self.hints else []
        return [*self._body(kept), *hints]

    def _body(self, lines: list[Text]) -> list[Text]:
        starts = (number for number, line in enumerate(lines) if line.plain.startswith(self.since))
        last = next(starts, len(lines)) if self.since else len(lines)
        left = last - self.head
        if left < 2:
            return lines
        note = Text(f"… {left} lines", style="dim")
        return [*lines[: self.head], note, *lines[last:]]


def _hint(line: str) -> str:
    """The name of a hint; empty for any other line."""
    found = re.fullmatch(r"  (\w[\w ,]{0,11}): +\S.*", line)
    return found[1] if found else ""


def run(
    command: Sequence[str], *, columns: int, terminal: bool, environment: Mapping[str, str]
) -> Said:
    """Runs a command to its end; its standard output is a terminal of that width, or a pipe.

    Raises subprocess.TimeoutExpired after `LIMIT` seconds.
    """
    if terminal:
        reader, writer = pty.openpty()
        fcntl.ioctl(writer, termios.TIOCSWINSZ, struct.pack("HHHH", 1000, columns, 0, 0))
        _no_translation(writer)
    else:
        reader, writer = os.pipe()
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=writer,
        stderr=subprocess.PIPE,
        env={**environment, "COLUMNS": str(columns), "PYTHONIOENCODING": "utf-8"},
    )
    os.close(writer)
    return _ended(process, reader)


def _ended(process: subprocess.Popen[bytes], reader: int) -> Said:
    out, errors = _Reader(os.fdopen(reader, "rb", 0)), _Reader(process.stderr)
    try:
        code = process.wait(LIMIT)
    except BaseException:
        process.kill()
        process.wait()
        raise
    lines = out.text().splitlines()
    return Said(code=code, lines=tuple(map(Text.from_ansi, lines)), errors=errors.text())


class _Reader:
    """Reads a stream to its end beside the one who waits."""

    def __init__(self, stream: IO[bytes] | None) -> None:
        assert stream is not None
        self._stream = stream
        self._parts: list[bytes] = []
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def text(self) -> str:
        self._thread.join()
        return b"".join(self._parts).decode("utf-8", "replace")

    def _read(self) -> None:
        # A terminal whose last writer has gone answers by an error on Linux.
        with self._stream, suppress(OSError):
            while part := self._stream.read(1 << 16):
                self._parts.append(part)


def _no_translation(terminal: int) -> None:
    """Lines end by LF alone, as in a pipe."""
    attributes = termios.tcgetattr(terminal)
    attributes[1] &= ~termios.OPOST
    termios.tcsetattr(terminal, termios.TCSANOW, attributes)


def tenantsync(words: Sequence[str]) -> list[str]:
    """The command line of `tenantsync` with this interpreter."""
    return [sys.executable, "-m", "workers.cli", *words]
