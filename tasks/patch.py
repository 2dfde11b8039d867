"""How did a text change, line by line? Counts and a patch that git can apply."""

from __future__ import annotations

import re
from codecs import getincrementaldecoder
from collections.abc import Iterator, Sequence

from tasks.lines import Edit, edits, split_lines
from tasks.plan import Change
from tasks.visible import visible

#: Lines around a change, as git shows them.
CONTEXT = 3
#: Bytes of either text; of bigger ones a patch gives only the counts.
MAX_SHOWN = 1024 * 1024
#: Lines of both texts that are compared (about a second, and 100 bytes of memory each); of longer
#: ones every line counts as replaced.
MAX_COMPARED = 500_000
#: Bytes that are looked at in one go.
_PIECE = 1 << 20
#: Paths that git does not quote: printable ASCII without `"` and backslash.
_PLAIN = re.compile(rb"[ !#-\[\]-~]*")


def is_text(content: bytes) -> bool:
    """Whether bytes are shown as lines: UTF-8 without NUL."""
    if b"\0" in content:
        return False
    decoder = getincrementaldecoder("utf-8")()
    try:
        for at in range(0, len(content), _PIECE):  # never a second copy of all of it
            decoder.decode(content[at : at + _PIECE])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def line_counts(before: bytes | None, after: bytes | None) -> tuple[int | None, int | None]:
    """Lines added and removed; (None, None) where either is no text. None = absent."""
    if not is_text(before or b"") or not is_text(after or b""):
        return None, None
    return _line_counts(before or b"", after or b"")


def _line_counts(before: bytes, after: bytes) -> tuple[int, int]:
    old, new = _length(before), _length(after)
    if old + new > MAX_COMPARED:
        return (0, 0) if before == after else (new, old)
    return _counted(edits(split_lines(before), split_lines(after)))


def _length(text: bytes) -> int:
    """The lines of a text; the last one may have no LF."""
    return text.count(b"\n") + (not text.endswith(b"\n") and text != b"")


def _counted(found: Sequence[Edit]) -> tuple[int, int]:
    added = sum(edit[3] - edit[2] for edit in found)
    return added, sum(edit[1] - edit[0] for edit in found)


def patch(change: Change, before: bytes | None, after: bytes | None) -> bytes:
    """The patch of one change of its file in Git's form, byte-exact; None = absent.

    Bytes that are no text, and texts above `MAX_SHOWN`, are named without their lines.
    """
    old, new = _quoted(f"a/{change.path}"), _quoted(f"b/{change.path}")
    head = b"diff --git %s %s\n" % (old, new)
    if before is None:
        head, old = head + b"new file mode %s\n" % change.mode.encode(), b"/dev/null"
    if after is None:
        head, new = head + b"deleted file mode %s\n" % change.mode.encode(), b"/dev/null"
    return head + _body(old, new, before, after)


def _body(old: bytes, new: bytes, before: bytes | None, after: bytes | None) -> bytes:
    if not is_text(before or b"") or not is_text(after or b""):
        return b"Binary files %s and %s differ\n" % (old, new)
    if max(len(before or b""), len(after or b"")) > MAX_SHOWN:
        counts = _line_counts(before or b"", after or b"")
        return b"Big files %s and %s differ: +%d -%d lines\n" % (old, new, *counts)
    old_lines, new_lines = split_lines(before), split_lines(after)
    found = edits(old_lines, new_lines)
    hunks = b"".join(_hunks(old_lines, new_lines, found))
    names = b"--- %s%s\n+++ %s%s\n" % (old, _tab(old), new, _tab(new))
    return names + hunks if hunks else b""


def shown(patch_text: bytes) -> str:
    """A patch as it may go to a terminal or a page: nothing in it is not seen."""
    return visible(patch_text.decode("utf-8", "replace"))


def _hunks(old: Sequence[bytes], new: Sequence[bytes], found: Sequence[Edit]) -> Iterator[bytes]:
    for group in _groups(found):
        first, last = group[0], group[-1]
        old_from, new_from = max(first[0] - CONTEXT, 0), max(first[2] - CONTEXT, 0)
        # Above the first edit both texts are equal, so both begin equally far above it.
        old_to = min(last[1] + CONTEXT, len(old))
        new_to = min(last[3] + CONTEXT, len(new))
        yield b"@@ -%s +%s @@\n" % (_range(old_from, old_to), _range(new_from, new_to))
        at = old_from
        for edit in group:
            yield _signed(b" ", old[at : edit[0]])
            yield _signed(b"-", old[edit[0] : edit[1]])
            yield _signed(b"+", new[edit[2] : edit[3]])
            at = edit[1]
        yield _signed(b" ", old[at:old_to])


def _groups(found: Sequence[Edit]) -> Iterator[list[Edit]]:
    """Edits whose surroundings touch are shown together."""
    group: list[Edit] = []
    for edit in found:
        if group and edit[0] - group[-1][1] > 2 * CONTEXT:
            yield group
            group = []
        group.append(edit)
    if group:
        yield group


def _range(start: int, end: int) -> bytes:
    """Counted from 1; an empty range names the line above it, and a single line has no count."""
    count = end - start
    first = start if count == 0 else start + 1
    return b"%d" % first if count == 1 else b"%d,%d" % (first, count)


def _signed(sign: bytes, lines: Sequence[bytes]) -> bytes:
    """Lines behind their sign; only the last line of a text may have no LF."""
    text = b"".join([sign + line for line in lines])
    whole = not lines or lines[-1].endswith(b"\n")
    return text if whole else text + b"\n\\ No newline at end of file\n"


def _quoted(path: str) -> bytes:
    """A path as git writes it in a header: in quotes where it holds `"`, a backslash or bytes
    that are no printable ASCII."""
    raw = path.encode("utf-8", "surrogateescape")
    if _PLAIN.fullmatch(raw):
        return raw
    named = {0x22: b'\\"', 0x5C: b"\\\\", 0x0A: b"\\n", 0x09: b"\\t"}
    plain = (bytes([one]) if 0x20 <= one < 0x7F else b"\\%03o" % one for one in raw)
    return (
        b'"' + b"".join(named.get(one, text) for one, text in zip(raw, plain, strict=True)) + b'"'
    )


def _tab(path: bytes) -> bytes:
    """Git ends a name that holds a blank with a tab, so that its end is seen."""
    return b"\t" if b" " in path else b""
