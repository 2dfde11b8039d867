"""Which namespace files does a `.kestraignore` hide from both sides?"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass

from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

from tasks.errors import Unsafe
from tasks.visible import visible_line

#: The ignore file, at the top of the files of a namespace; it is itself synced.
IGNORE_FILE = ".kestraignore"
#: More than any ignore file of people has; each pattern is tried on each path.
MAX_PATTERNS = 1000
#: `a**/b` and `***/b`: only `**` between slashes has one clear meaning.
_GLUED = re.compile(r"(?:[^/!]\*\*+|\*\*\*+|\*\*[^/*]+|\*\*/)/")

#: One character of a path in the regular expressions that pathspec writes.
_ONE = r"(?:\\.|\[\^?\]?[^\]]*\]|[^\\\[\]()|*+?^$/])(?![*+])"
_STAR = r"\[\^/\]\*"
_STAR_CHUNK = re.compile(rf"{_STAR}((?:{_ONE})+)(?={_STAR})")
#: `[!a]` as pathspec writes it, which would match a slash too; git's does not.
_NOT_ONE_OF = re.compile(r"(\\.)|\[\^(?!/)")
#: How pathspec ends an expression (it looks for the start of a path) → the same for a whole one.
_ENDS = (
    ("(?:(?P<ps_d>/)|$)", "/?"),
    ("(?P<ps_d>/)", "/"),
    ("/", "/.+"),
)
#: `**/` at the beginning, and `/**` before a slash.
_LEADING_SPAN, _SPAN = "^(?:.+/)?", "(?:/.+)?"
#: Its short forms for `**`, `**/` and `*/**`.
_WHOLE = {".": ".+", "(?P<ps_d>/)": ".+/", "/": ".+/.+"}


@dataclass(frozen=True, slots=True)
class _Pattern:
    """One line: what it matches, and whether it hides or (`!`) takes back."""

    regex: re.Pattern[str]
    hides: bool


@dataclass(frozen=True, slots=True)
class Ignore:
    """The patterns of the ignore files of both sides; each file hides for itself, so that `!` in
    one takes nothing back of the other."""

    files: tuple[tuple[_Pattern, ...], ...] = ()

    @classmethod
    def of(cls, *texts: bytes) -> Ignore:
        """Reads ignore files in the syntax of .gitignore.

        Raises Unsafe, naming the line, where a pattern cannot be read or could take for ever:
        to leave it out would lay bare, and perhaps delete, what it hides.
        """
        return cls(tuple(_patterns(text) for text in dict.fromkeys(texts)))

    def hides(self, name: str) -> bool:
        """Whether a file is hidden, by its name as Kestra lists it or with spaces for `+`."""
        if name == IGNORE_FILE:
            return False
        spelt = {name, name.replace("+", " ")}
        return any(_hides(patterns, one) for patterns in self.files for one in spelt)


def _hides(patterns: tuple[_Pattern, ...], path: str) -> bool:
    """As git: folder by folder, the last pattern that matches decides, and nothing in a hidden
    folder can be taken back."""
    parts = path.split("/")
    levels = ["/".join(parts[:depth]) + "/" for depth in range(1, len(parts))] + [path]
    return any(_decided(patterns, level) for level in levels)


def _decided(patterns: tuple[_Pattern, ...], level: str) -> bool:
    return next((one.hides for one in reversed(patterns) if one.regex.fullmatch(level)), False)


def _patterns(text: bytes) -> tuple[_Pattern, ...]:
    lines = text.decode("utf-8", "replace").removeprefix("\ufeff").split("\n")
    if len(lines) > MAX_PATTERNS:
        raise Unsafe(f"{IGNORE_FILE}: more than {MAX_PATTERNS} lines; write fewer patterns")
    numbered = enumerate((line.removesuffix("\r") for line in lines), 1)
    return tuple(pattern for at, line in numbered if (pattern := _pattern(line, at)))


def _pattern(line: str, at: int) -> _Pattern | None:
    place = f"{IGNORE_FILE} line {at}: {visible_line(line)[:80]}"
    if _GLUED.search(line):
        raise Unsafe(f"{place}: git reads `**` beside other characters oddly; write `*` or `**/`")
    if "[:" in line:
        raise Unsafe(f"{place}: classes like [:alpha:] are not known; write the characters out")
    try:
        regex, hides = GitIgnoreSpecPattern.pattern_to_regex(line)
        if regex is None or hides is None:
            return None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            return _Pattern(re.compile(_bounded(regex), re.DOTALL), hides)
    except (ValueError, re.error) as error:
        raise Unsafe(f"{place}: this is no pattern that can be read; mend the line") from error


def _bounded(regex: str) -> str:
    """An expression of pathspec for a whole path that cannot backtrack without end.

    Of what stands between two stars, or between two `**`, the first place where it fits is as
    good as any later one, so it is matched once and never tried again (`*a*a*a*a*b`).
    """
    if regex in _WHOLE:
        return _WHOLE[regex]
    regex = _NOT_ONE_OF.sub(lambda found: found[1] or "[^/", regex)
    regex = _STAR_CHUNK.sub(r"(?>[^/]*?\1)", regex)
    end, whole = next((end, whole) for end, whole in _ENDS if regex.endswith(end))
    first, *more = (regex.removesuffix(end) + whole).split(_SPAN)
    if not more:
        return first
    if first.startswith(_LEADING_SPAN):
        first = f"^(?>(?:.+?/)??{first.removeprefix(_LEADING_SPAN)}(?=/))"
    inner = "".join(f"(?>(?:/.+?)??{chunk}(?=/))" for chunk in more[:-1])
    return f"{first}{inner}{_SPAN}{more[-1]}"
