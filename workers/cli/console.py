"""Where does text go? Results to the standard output, everything else to the standard error;
colours only on a terminal, and no name can steer it."""

from __future__ import annotations

import os
import sys
from functools import cache
from typing import IO

from rich.console import Console, RenderableType
from rich.text import Text

from tasks.visible import visible, visible_line

#: Lines of a pipe or file are not wrapped: whoever reads it wraps or searches them.
_ENDLESS = 100_000


@cache
def out() -> Console:
    """The standard output."""
    return _console(sys.stdout, to_stderr=False)


@cache
def err() -> Console:
    """The standard error: progress, questions, hints and warnings."""
    return _console(sys.stderr, to_stderr=True)


def _console(stream: IO[str], *, to_stderr: bool) -> Console:
    wide = None if stream.isatty() or os.environ.get("COLUMNS") else _ENDLESS
    return Console(stderr=to_stderr, highlight=False, markup=False, emoji=False, width=wide)


def show(renderable: RenderableType) -> None:
    """A table of the result; blanks at the ends of its lines only on a terminal."""
    if out().is_terminal:
        out().print(renderable)
        return
    with out().capture() as captured:
        out().print(renderable)
    sys.stdout.writelines(f"{each.rstrip()}\n" for each in captured.get().splitlines())


def on_terminal() -> bool:
    """Whether a person can be asked: they see the standard error and type."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def text(value: object, style: str = "") -> Text:
    """Foreign text with its lines kept, made harmless."""
    return Text(visible(str(value)), style=style)


def line(value: object, style: str = "") -> Text:
    """Foreign text on one line, made harmless."""
    return Text(visible_line(str(value)), style=style)


def say(message: str, style: str = "") -> None:
    """A message to whoever watches, unwrapped so that commands in it can be copied."""
    err().print(text(message, style), soft_wrap=True)


def tell(message: str | Text = "", style: str = "") -> None:
    """A line of the result, unwrapped so that commands and addresses in it can be copied."""
    shown = message if isinstance(message, Text) else text(message, style)
    out().print(shown, soft_wrap=True)
