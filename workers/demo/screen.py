"""How is the story shown? Chapters, commands as they are typed, what they said, and what was
proven by it; the same words on a terminal, in a pipe and without colours."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.text import Text

from tasks.visible import visible

#: Columns of a pipe, and the most that are used of a wide terminal.
NARROW, WIDEST = 80, 100
#: What stands before each line of a command's output.
_BAR = "  │ "
_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
#: Seconds between two frames.
_FRAME = 0.1
#: Columns of a figure at the end of a line: `12.3 s`.
_FIGURE = 8


def nothing() -> str:
    """Says nothing more about what is going on."""
    return ""


class Screen:
    """One stream that the story is told on."""

    def __init__(self, stream: TextIO) -> None:
        # An ASCII stream shows `?` for what it does not have, in place of failing.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
        self._console = Console(file=stream, highlight=False, markup=False, emoji=False)
        wide = self._console.width if self._console.is_terminal else NARROW
        self.width = min(wide, WIDEST)
        self._console.width = self.width

    @property
    def coloured(self) -> bool:
        """Whether commands should write for a terminal."""
        return self._console.is_terminal

    @property
    def room(self) -> int:
        """Columns that a command has for its output."""
        return self.width - len(_BAR)

    def title(self) -> None:
        self._print(Text("TenantSync", style="bold").append(" – a tenant and its repository"))

    def fact(self, name: str, value: str, more: str = "") -> None:
        """One line of what there is: a name, its value, and something about it."""
        line = Text.assemble("  ", (f"{name:<8}", "dim"), visible(value))
        self._print(line.append(f"  {visible(more)}" if more else "", style="dim"))

    def chapter(self, number: int, title: str) -> None:
        """The head of a chapter, with a line to the edge; what comes after has number 0."""
        sign = f"{number}  " if number else ""
        head = Text.assemble((sign, "bold cyan"), (title, "bold"), " ")
        self.blank()
        self._print(head.append("─" * max(0, self.width - head.cell_len), style="dim"))

    def says(self, words: str) -> None:
        """A paragraph of the story."""
        self._wrapped(Text(words), "  ")

    def types(self, command: str) -> None:
        """A command as somebody types it, with an empty line before it."""
        self.blank()
        self._wrapped(Text(command, style="bold"), "  $ ", then="    ")

    def shows(self, lines: Iterable[Text]) -> None:
        """Output of a command; what is too long for a line goes on in the next."""
        for line in lines:
            self._wrapped(line, _BAR, style="dim")

    def proves(self, words: str, figure: str = "") -> None:
        """What was checked and found as told, with a figure at the end of the last line."""
        text = Text(visible(words))
        parts = text.wrap(self._console, self.width - 4 - _FIGURE)
        for number, part in enumerate(parts):
            part.rstrip()
            head = Text("  ✓ " if number == 0 else "    ", style="green")
            line = head.append_text(part)
            if figure and number == len(parts) - 1:
                line.pad_right(max(0, self.width - _FIGURE - line.cell_len))
                line.append(f"{figure:>{_FIGURE}}", style="dim")
            self._print(line)

    def fails(self, words: str, logs: str) -> None:
        """What was not as told, and where to look."""
        self.blank()
        self._wrapped(Text(visible(words), style="bold red"), "  ✗ ", then="    ")
        self.says(f"The logs are in {logs}.")

    def commands(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Commands to type, each with what it does, in two columns where there is room."""
        listed = list(pairs)
        column = max(len(command) for command, _ in listed) + 2
        for command, what in listed:
            line = Text.assemble("  ", (f"{command:<{column}}", "bold"), (what, "dim"))
            self._print(line if line.cell_len <= self.width else Text(f"  {command}", style="bold"))

    def blank(self) -> None:
        self._print(Text())

    @contextmanager
    def busy(self, what: str, progress: Callable[[], str] = nothing) -> Iterator[None]:
        """On a terminal a line that moves, with the seconds and what `progress` says."""
        if not self._console.is_terminal or self._console.is_dumb_terminal:
            yield
            return
        with Live(
            _Busy(what, progress), console=self._console, transient=True, refresh_per_second=10
        ):
            yield

    def _wrapped(self, text: Text, start: str, *, then: str | None = None, style: str = "") -> None:
        """Text folded to the width, its first line after `start`, the others after `then`."""
        room = self.width - len(start)
        for number, part in enumerate(text.wrap(self._console, room) or [Text()]):
            part.rstrip()
            head = start if number == 0 or then is None else then
            self._print(Text.assemble((head, style), part))

    def _print(self, text: Text) -> None:
        text.rstrip()
        self._console.print(text, soft_wrap=True)
        self._console.file.flush()


class _Busy:
    """A line that moves while something is going on."""

    def __init__(self, what: str, progress: Callable[[], str]) -> None:
        self._what, self._progress = what, progress
        self._since = time.monotonic()

    def __rich__(self) -> Text:
        seconds = time.monotonic() - self._since
        frame = _FRAMES[int(seconds / _FRAME) % len(_FRAMES)]
        words = self._progress() or self._what
        line = Text.assemble("  ", (frame, "cyan"), (f" {words}  {seconds:.0f} s", "dim"))
        line.no_wrap = True
        line.overflow = "ellipsis"
        return line
