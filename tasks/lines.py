"""Which lines differ between two texts? The edits that lead from one to the other.

The work grows with the lines and not with their square, whatever the texts are: lines that are
there once in both texts are the fixed points (as git's `--patience`), and only short stretches
between them are searched for the shortest difference.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

#: Lines of a stretch, and equal pairs of lines in it, that are searched (some milliseconds);
#: of a longer one all lines count as replaced.
MAX_STRETCH = 400
MAX_PAIRS = 4_000

#: From and to in the old lines, from and to in the new lines; never empty on both sides.
Edit = tuple[int, int, int, int]


def split_lines(content: bytes | None) -> list[bytes]:
    """The lines with their LF; the last one may have none. None = absent, no lines."""
    lines = (content or b"").split(b"\n")
    last = lines.pop()
    return [line + b"\n" for line in lines] + ([last] if last else [])


def edits(old: Sequence[bytes], new: Sequence[bytes]) -> list[Edit]:
    """What differs, in order; between two edits at least one line is equal."""
    if not old or not new:
        return [(0, len(old), 0, len(new))] if old or new else []
    found: list[Edit] = []
    for edit in _between_anchors(old, new):
        if found and found[-1][1] == edit[0] and found[-1][3] == edit[2]:
            found[-1] = (found[-1][0], edit[1], found[-1][2], edit[3])
        else:
            found.append(edit)
    return found


def _between_anchors(old: Sequence[bytes], new: Sequence[bytes]) -> Iterator[Edit]:
    at_old = at_new = 0
    for anchor_old, anchor_new in [*_anchors(old, new), (len(old), len(new))]:
        yield from _stretch(old, new, (at_old, anchor_old, at_new, anchor_new))
        at_old, at_new = anchor_old + 1, anchor_new + 1


def _anchors(old: Sequence[bytes], new: Sequence[bytes]) -> list[tuple[int, int]]:
    """The longest chain of lines that stand once in each text, in the order of both."""
    once = {line for line, count in Counter(old).items() if count == 1}
    once &= {line for line, count in Counter(new).items() if count == 1}
    places = {line: at for at, line in enumerate(new) if line in once}
    pairs = [(at, places[line]) for at, line in enumerate(old) if line in once]
    tails: list[int] = []
    ends: list[int] = []
    before: list[int] = []
    for index, (_, place) in enumerate(pairs):
        length = bisect_left(tails, place)
        before.append(ends[length - 1] if length else -1)
        tails[length : length + 1] = [place]
        ends[length : length + 1] = [index]
    chain: list[tuple[int, int]] = []
    at = ends[-1] if ends else -1
    while at >= 0:
        chain.append(pairs[at])
        at = before[at]
    return chain[::-1]


def _stretch(old: Sequence[bytes], new: Sequence[bytes], within: Edit) -> Iterator[Edit]:
    """The edits of one stretch between two fixed points."""
    old_from, old_to, new_from, new_to = within
    while old_from < old_to and new_from < new_to and old[old_from] == new[new_from]:
        old_from, new_from = old_from + 1, new_from + 1
    while old_from < old_to and new_from < new_to and old[old_to - 1] == new[new_to - 1]:
        old_to, new_to = old_to - 1, new_to - 1
    ours, theirs = old[old_from:old_to], new[new_from:new_to]
    if not ours and not theirs:
        return
    if len(ours) + len(theirs) > MAX_STRETCH or _pairs(ours, theirs) > MAX_PAIRS:
        yield old_from, old_to, new_from, new_to
        return
    matcher = SequenceMatcher(None, ours, theirs, autojunk=False)
    for tag, first, last, new_first, new_last in matcher.get_opcodes():
        if tag != "equal":
            yield old_from + first, old_from + last, new_from + new_first, new_from + new_last


def _pairs(old: Sequence[bytes], new: Sequence[bytes]) -> int:
    counts, others = Counter(old), Counter(new)
    return sum(count * others[line] for line, count in counts.items())
