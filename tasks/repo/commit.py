"""Build one commit from changed files without a work tree, by one `git fast-import`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from tasks.errors import Doubtful, Unsafe
from tasks.layout import check_path, obstacles
from tasks.repo.command import Git
from tasks.repo.message import Person
from tasks.repo.url import check_oid
from tasks.visible import visible_line

_FILE, _EXECUTABLE = "100644", "100755"


@dataclass(frozen=True, slots=True)
class FileChange:
    """What a commit does at one path: write these bytes, or (None) delete what is there.

    Without a mode an existing file keeps its own and a new one gets 100644.
    """

    path: str
    content: bytes | None
    mode: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """Who wrote a commit and when. The caller gives a fixed time: a repeated run then makes the
    same commit again, with the same oid."""

    author: Person
    committer: Person
    when: datetime


def build(
    git: Git,
    ref: str,
    base: str | None,
    files: Iterable[FileChange],
    message: str,
    signature: Signature,
) -> str | None:
    """The oid of a commit on `base` (None: a first commit) with these changes, held by `ref`.

    None when the tree would be the same as that of `base`. The order of the changes is free.
    Raises Unsafe for a path that no checkout could hold, before anything is written to `ref`.
    """
    script = _Script(ref, base, message, signature, _modes(git, base))
    command = ("-c", "pack.depth=0", "-c", "core.compression=1", "fast-import", "--quiet", "--done")
    oid = git.run(*command, stdin=script.lines(files)).text
    if not oid:
        raise Doubtful("git fast-import: it gave no commit id")
    if _tree(git, oid) == (None if base is None else _tree(git, base)) or script.empty:
        git.run("update-ref", "-d", ref)
        return None
    return oid


def _modes(git: Git, base: str | None) -> dict[str, str]:
    """Path → mode of every entry of the base."""
    if base is None:
        return {}
    lines = git.run("ls-tree", "-r", "-z", "--full-tree", check_oid(base)).stdout.split(b"\0")
    return {
        line.split(b"\t", 1)[1].decode("utf-8", "surrogateescape"): line[:6].decode()
        for line in lines
        if line
    }


def _tree(git: Git, commit: str) -> str:
    return git.run("rev-parse", "--verify", f"{check_oid(commit)}^{{tree}}").text


class _Script:
    """The input of fast-import: contents first, as they come; then the commit that names them.

    The deletions of the commit come before its files, so that a file may become a directory.
    """

    def __init__(
        self,
        ref: str,
        base: str | None,
        message: str,
        signature: Signature,
        modes: Mapping[str, str],
    ) -> None:
        self._ref, self._base, self._message = ref, base, message
        self._signature, self._modes = signature, modes
        self._written: dict[str, tuple[str, int]] = {}
        self._deleted: set[str] = set()

    @property
    def empty(self) -> bool:
        return not self._written and not self._deleted

    def lines(self, files: Iterable[FileChange]) -> Iterator[bytes]:
        for file in files:
            _check(file)
            if file.path in self._written or file.path in self._deleted:
                raise Unsafe(f"commit: {visible_line(file.path)} is changed twice")
            if file.content is None:
                self._deleted.add(file.path)
            else:
                yield from self._blob(file, file.content)
        self._check_directories()
        yield from self._commit()

    def _blob(self, file: FileChange, content: bytes) -> Iterator[bytes]:
        mark = len(self._written) + 2
        kept = _EXECUTABLE if self._modes.get(file.path) == _EXECUTABLE else _FILE
        self._written[file.path] = (file.mode or kept, mark)
        yield b"blob\nmark :%d\ndata %d\n" % (mark, len(content))
        yield content
        yield b"\n"

    def _check_directories(self) -> None:
        """Nothing becomes a file and a directory at once: fast-import would drop what is there."""
        written = self._written.keys()
        remaining = self._modes.keys() - self._deleted - written
        clashes = obstacles(written, remaining) | obstacles(written, written)
        for path, other in sorted(clashes.items()):
            raise Unsafe(
                f"commit: {visible_line(path)} and {visible_line(other)} cannot both be in a tree: "
                "one of them would be a file and a directory; rename one of them"
            )

    def _commit(self) -> Iterator[bytes]:
        text = self._message.encode("utf-8", "replace")
        who = self._signature
        head = [
            f"commit {self._ref}",
            "mark :1",
            f"author {who.author.line(who.when)}",
            f"committer {who.committer.line(who.when)}",
            f"data {len(text)}",
        ]
        yield "\n".join(head).encode("utf-8", "replace") + b"\n" + text + b"\n"
        if self._base is not None:
            yield f"from {check_oid(self._base)}\n".encode()
        for path in sorted(self._deleted):
            yield f"D {_quoted(path)}\n".encode()
        for path, (mode, mark) in sorted(self._written.items()):
            yield f"M {mode} :{mark} {_quoted(path)}\n".encode()
        yield b"\nget-mark :1\ndone\n"


def _check(file: FileChange) -> None:
    """fast-import takes any path (`../x`, `.git/config`): nothing but this stands before it."""
    reason = check_path(file.path)
    if reason is None and file.mode not in {None, _FILE, _EXECUTABLE}:
        reason = f"its mode {file.mode} is not that of a file"
    if reason:
        raise Unsafe(f"commit: {visible_line(file.path)} cannot be written: {reason}")


def _quoted(path: str) -> str:
    escaped = path.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
