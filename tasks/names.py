"""How is a name shown, and which known one was probably meant by an unknown one?"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from tasks.visible import visible_line

#: Longer names are not compared: the comparison is quadratic in their length.
_LONGEST = 100


def printable(name: str) -> str:
    """A name of the configuration as it is safe to show, cut after 60 characters."""
    shown = visible_line(name)
    return shown if len(shown) <= 60 else f"{shown[:60]}…"


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name that `name` comes closest to or begins; empty when none is close."""
    spellings = {_spelling(each): each for each in known}
    given = _spelling(name[:_LONGEST])
    close = get_close_matches(given, spellings, n=1, cutoff=0.6)
    begun = [each for each in spellings if given and each.startswith(given)]
    if not close and len(begun) == 1:
        close = begun
    return spellings[close[0]] if close else ""


def advice(name: str, known: Iterable[str]) -> str:
    """What to do about an unknown name: the nearest known one, else all of them, else none."""
    names = sorted(printable(each) for each in known)
    if close := nearest(name, names):
        return f"did you mean {close}?"
    return f"known: {', '.join(names)}" if names else "none is configured"


def _spelling(name: str) -> str:
    """Letters of either case are alike."""
    return name.lower()
