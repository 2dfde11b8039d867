"""What happened before a commit: what it contains, who wrote it, which run made it, and which
commits removed a path."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BufferedReader, BytesIO
from typing import cast

from tasks.repo.command import Git
from tasks.repo.failure import failure
from tasks.repo.message import RUN_TRAILER, Person
from tasks.repo.url import check_oid
from tasks.visible import visible_line

#: Seconds spent on finding who removed paths; what is not found by then stays unexplained.
SEARCH_SECONDS = 20.0
#: Paths up to which git is told what to look for; beyond, it shows every removal (faster).
NAMED = 100
#: Characters that are shown of an author's name and of a subject.
SHOWN = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitDetail:
    """One commit as people speak of it; its texts are the author's own, hence untrusted."""

    oid: str
    author: Person
    when: datetime
    message: str

    @property
    def short(self) -> str:
        """`commit abc1234 by Name, subject`, on one visible line."""
        subject = self.message.strip().split("\n", 1)[0]
        name = self.author.name[:SHOWN]
        return visible_line(f"commit {self.oid[:7]} by {name}, {subject[:SHOWN]}")


def contains(git: Git, tip: str, oid: str) -> bool:
    """Whether `tip` is `oid` or descends from it; both are in the mirror. Raises MirrorCorrupt."""
    command = ("merge-base", "--is-ancestor", check_oid(oid), check_oid(tip))
    ended = git.run(*command, accept=(0, 1))
    if ended.code and ended.stderr:
        # Where it cannot read an older commit, git complains and says no all the same (2.39).
        raise failure("merge-base", ended.code, ended.stderr, git.place)
    return ended.code == 0


def run_commit(git: Git, base: str | None, tip: str, run_id: str) -> str | None:
    """The oldest commit in `base..tip` whose own trailer block names the run.

    Only real trailers count, so a revert that quotes the message in its text does not; the oldest
    is the run's own, whatever was copied from it later. `base` None: the whole history of `tip`.
    """
    names = [check_oid(tip)] + ([f"^{check_oid(base)}"] if base else [])
    trailer = f"%(trailers:key={RUN_TRAILER},valueonly,separator=%x1f)"
    output = git.run(
        "log", "-z", "--reverse", "--topo-order", "--fixed-strings",
        f"--grep={RUN_TRAILER}: {run_id}", f"--format=%H %x1f{trailer}", *names, "--",
    ).stdout.decode("utf-8", "replace")  # fmt: skip
    for line in filter(None, output.split("\0")):
        oid, *values = line.split("\x1f")
        if run_id in {value.strip() for value in values}:
            return oid.strip()
    return None


def read_commit(git: Git, oid: str) -> CommitDetail:
    """Author, time and message of one commit."""
    # Imported here: it costs 150 ms and fails to import where git is not installed.
    from git import Commit, Repo

    raw = git.run("cat-file", "commit", check_oid(oid)).stdout
    # The object without a Repo: that one obeys the worker's GIT_* variables and starts processes
    # which keep running, while all that is wanted here is what the bytes say.
    nowhere = cast(Repo, None)
    commit = Commit(nowhere, bytes.fromhex(oid))._deserialize(BytesIO(raw))
    message = commit.message
    return CommitDetail(
        oid=oid,
        author=Person(commit.author.name or "unknown", commit.author.email or ""),
        when=_moment(commit.authored_date),
        message=message if isinstance(message, str) else message.decode("utf-8", "replace"),
    )


def _moment(seconds: int) -> datetime:
    """A time that an author may set as they like; the latest there is for one beyond it."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.max.replace(tzinfo=UTC)


def removed_by(git: Git, tip: str, paths: Sequence[str]) -> Mapping[str, CommitDetail]:
    """For each path the newest commit before `tip` that removed it, where one is found."""
    newest: dict[str, str] = {}
    wanted = {path for path in paths if path and "\0" not in path}
    deadline = time.monotonic() + SEARCH_SECONDS
    for oid, path in _removals(git, tip, wanted):
        if path in wanted:
            newest.setdefault(path, oid)
        if len(newest) == len(wanted) or time.monotonic() > deadline:
            break
    details = {oid: read_commit(git, oid) for oid in set(newest.values())}
    return {path: details[oid] for path, oid in newest.items()}


def _removals(git: Git, tip: str, paths: set[str]) -> Iterator[tuple[str, str]]:
    """(commit, path) of all removals, newest first, as git finds them."""
    if not paths:
        return
    named = sorted(paths) if len(paths) <= NAMED else []
    command = ("log", "-z", "--no-renames", "--diff-filter=D", "--name-only", "--format=%x01%H")
    with git.stream(*command, check_oid(tip), "--", *named) as stream:
        oid = ""
        for field in _fields(stream.stdout):
            text = field.decode("utf-8", "surrogateescape").lstrip("\n")
            if text.startswith("\x01"):
                oid = text[1:41]
            elif text:
                yield oid, text


def _fields(pipe: BufferedReader) -> Iterator[bytes]:
    rest = b""
    while chunk := pipe.read1(1 << 16):
        *whole, rest = (rest + chunk).split(b"\0")
        yield from whole
    yield rest
