"""Which namespace files does a `.kestraignore` hide from both sides?"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

from tasks.errors import Unsafe
from tasks.visible import visible_line

#: The ignore file, at the top of the files of a namespace; it is itself synced.
IGNORE_FILE = ".kestraignore"
#: More than any ignore file of people has; each pattern is tried on each path and its folders.
MAX_PATTERNS = 1000
#: Bytes of an ignore file.
MAX_BYTES = 256 * 1024
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
class _Patterns:
    """Lines that follow each other: what any of them matches, and whether they hide or (`!`) take
    back. One expression for all of them is tried ten times faster than one after the other, and
    one for the last name of a path hundred times faster than one that looks for it in the path."""

    names: re.Pattern[str]
    paths: re.Pattern[str]
    hides: bool

    def match(self, level: str) -> bool:
        """Whether one of them matches a path, which ends with a slash if it is a folder's."""
        name = level[level.rfind("/", 0, -1) + 1 :]
        return bool(self.names.fullmatch(name) or self.paths.fullmatch(level))


@dataclass(frozen=True, slots=True)
class Ignore:
    """The patterns of the ignore files of both sides; each file hides for itself, so that `!` in
    one takes nothing back of the other."""

    #: Of each file, from its end.
    files: tuple[tuple[_Patterns, ...], ...] = ()

    @classmethod
    def of(cls, *texts: bytes) -> Ignore:
        """Reads ignore files in the syntax of .gitignore.

        Raises Unsafe, naming the line, where a pattern cannot be read or could take for ever:
        to leave it out would lay bare, and perhaps delete, what it hides.
        """
        return cls(tuple(_patterns(text) for text in dict.fromkeys(texts)))

    def hidden(self, names: Iterable[str]) -> frozenset[str]:
        """Those of the files that are hidden, by their names as Kestra lists them or with spaces
        for `+`."""
        looks = [_Look(patterns) for patterns in self.files]
        return frozenset(
            name
            for name in names
            if name != IGNORE_FILE
            and any(look.hides(one) for look in looks for one in {name, name.replace("+", " ")})
        )


class _Look:
    """A look at many paths; what was found of a folder counts for all below it."""

    def __init__(self, patterns: tuple[_Patterns, ...]) -> None:
        self._patterns = patterns
        self._folders = {"": False}

    def hides(self, path: str) -> bool:
        """As git: folder by folder, the last pattern that matches decides, and nothing in a hidden
        folder can be taken back."""
        return self._folder(path.rpartition("/")[0]) or self._decided(path)

    def _folder(self, path: str) -> bool:
        """Whether a folder or one above it is hidden. A path has a thousand levels at most."""
        new = []
        while path not in self._folders:
            new.append(path)
            path = path.rpartition("/")[0]
        hidden = self._folders[path]
        for one in reversed(new):
            hidden = self._folders[one] = hidden or self._decided(f"{one}/")
        return hidden

    def _decided(self, level: str) -> bool:
        return next((one.hides for one in self._patterns if one.match(level)), False)


def _patterns(text: bytes) -> tuple[_Patterns, ...]:
    if len(text) > MAX_BYTES or text.count(b"\n") >= MAX_PATTERNS:
        limits = f"{MAX_PATTERNS} lines or {MAX_BYTES} bytes"
        raise Unsafe(f"{IGNORE_FILE}: more than {limits}; write fewer patterns")
    lines = text.decode("utf-8", "replace").removeprefix("\ufeff").split("\n")
    numbered = enumerate((line.removesuffix("\r") for line in lines), 1)
    found = [pattern for at, line in numbered if (pattern := _pattern(line, at))]
    return tuple(
        _together([regex for regex, _ in same], hides)
        for hides, same in groupby(reversed(found), key=itemgetter(1))
    )


def _together(regexes: Sequence[str], hides: bool) -> _Patterns:
    paths = [one for one in regexes if not one.startswith(_LEADING_SPAN)]
    spans = [one.removeprefix(_LEADING_SPAN) for one in regexes if one.startswith(_LEADING_SPAN)]
    names = [regex for regex in spans if _is_of_name(regex)]
    spans = [regex for regex in spans if not _is_of_name(regex)]
    # The beginnings of a path are gone through once for all patterns that may begin anywhere.
    anywhere = [_LEADING_SPAN + _any(spans)] if spans else []
    compiled = [re.compile(one, re.DOTALL) for one in (_any(names), _any([*paths, *anywhere]))]
    return _Patterns(compiled[0], compiled[1], hides)


def _any(regexes: Sequence[str]) -> str:
    return f"(?:{'|'.join(f'(?:{regex})' for regex in regexes)})" if regexes else "(?!)"


def _is_of_name(regex: str) -> bool:
    """Whether what follows `_LEADING_SPAN` is about the last name of a path alone."""
    return "/" not in regex.removesuffix("?").removesuffix("/").replace("[^/", "")


def _pattern(line: str, at: int) -> tuple[str, bool] | None:
    """The expression of a line, and whether it hides; None where it says nothing."""
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
            return re.compile(_bounded(regex), re.DOTALL).pattern, hides
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
