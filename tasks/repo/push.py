"""Push one commit by compare-and-swap, and say how it ended by what the remote then holds."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from tasks.errors import (
    Busy,
    Doubtful,
    LoginRefused,
    NotFound,
    Passing,
    TenantSyncError,
    Unreachable,
)
from tasks.repo.command import Git
from tasks.repo.failure import failure
from tasks.repo.url import check_branch, check_oid

#: Characters of the server's own words that are repeated to the user.
QUOTED = 2000

#: How git, GitLab, Gitea and others say that the branch moved since it was read.
_RACE = re.compile(
    r"fetch first|non-fast-forward|cannot lock ref|incorrect old value provided|stale info|"
    r"reference already exists|remote ref updated since|needs force|failed to update ref|"
    r"failed to lock|atomic transaction failed",
    re.IGNORECASE,
)
#: The same words, but for good: branch `a` stands where branch `a/b` would need a directory.
_IN_THE_WAY = re.compile(r"exists; cannot create")


#: Ends of a push that leave open whether the server wrote.
_CUT = (Unreachable, Busy, Doubtful)


class PushResult(StrEnum):
    """How a push ended."""

    #: The branch holds the commit now.
    LANDED = "LANDED"
    #: The branch held the commit before.
    NO_OP = "NO_OP"
    #: The branch moved since it was read; nothing was written.
    RACED = "RACED"
    #: The server said no; nothing was written. The message has its words.
    REFUSED = "REFUSED"
    #: It cannot be said: the connection was cut, and the remote does not show the commit (yet)
    #: or cannot be read. The same push may be repeated.
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """How a push ended; `tip` is what the branch held afterwards (None: no branch, or unread)."""

    result: PushResult
    message: str
    tip: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Move `branch` from `expected` (None: it is not there yet) to `new`, a commit on top of it."""

    url: str
    branch: str
    new: str
    expected: str | None


def push(
    remote: Git, wish: Wish, read_tip: Callable[[], str | None], holds: Callable[[str, str], bool]
) -> Push:
    """Push, then read the remote: only what it holds afterwards counts.

    `remote` is a Git with mirror and login, `read_tip` reads the branch's tip, `holds(tip, oid)`
    tells whether a tip contains a commit. Raises LoginRefused, NotFound and the like when the
    server did not let us in at all.
    """
    said = _ask(remote, wish)
    if said.flag == "=":
        return Push(result=PushResult.NO_OP, message="the branch holds it already", tip=wish.new)
    if said.error and not said.summary and not isinstance(said.error, _CUT):
        raise said.error
    return _judged(wish, read_tip, holds, said)


def _ask(remote: Git, wish: Wish) -> _Said:
    try:
        ended = remote.run(*_command(wish), accept=range(-64, 256))
    except Unreachable as error:  # its time was over
        return _Said(error=error)
    flag, summary = _status(ended.stdout)
    said = ended.stderr
    wrong = failure("push", ended.code, said, remote.place) if ended.code else None
    return _Said(flag=flag, summary=remote.login.scrub(summary), stderr=said, error=wrong)


def _command(wish: Wish) -> tuple[str, ...]:
    ref = f"refs/heads/{check_branch(wish.branch)}"
    expected = check_oid(wish.expected) if wish.expected else ""
    return (
        # No delta search: the changes are small, and it triples the time of a large push.
        # Not --atomic: with one ref it adds nothing, and some servers refuse it.
        "-c", "pack.window=0",
        "push", "--porcelain", "--no-verify", "--no-follow-tags",
        "--recurse-submodules=no", f"--force-with-lease={ref}:{expected}",
        "--", wish.url, f"{check_oid(wish.new)}:{ref}",
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    """What the push command itself said about its end."""

    flag: str = ""
    summary: str = ""
    stderr: str = ""
    error: TenantSyncError | None = None

    @property
    def race(self) -> bool:
        blocked = _IN_THE_WAY.search(self.summary + self.stderr)
        return self.flag == "!" and bool(_RACE.search(self.summary)) and not blocked

    @property
    def refused(self) -> bool:
        return self.flag == "!" and not self.race

    @property
    def words(self) -> str:
        """The server's words (`remote:` lines) and git's reason, for people."""
        lines = self.stderr.split("\n")
        told = [line[7:].strip() for line in lines if line.startswith("remote:")]
        text = "\n".join(filter(None, [self.summary, *told]))
        return text if len(text) <= QUOTED else text[: QUOTED - 1] + "…"


def _judged(
    wish: Wish,
    read_tip: Callable[[], str | None],
    holds: Callable[[str, str], bool],
    said: _Said,
) -> Push:
    try:
        tip = read_tip()
        landed = tip is not None and (tip == wish.new or holds(tip, wish.new))
    except (Passing, NotFound, LoginRefused) as error:
        message = f"the push ended, but the remote cannot be read: {error.message}"
        return Push(result=PushResult.UNKNOWN, message=message, tip=None)
    if landed:
        return Push(result=PushResult.LANDED, message="", tip=tip)
    if said.refused:
        return Push(result=PushResult.REFUSED, message=said.words, tip=tip)
    if said.race or tip != wish.expected:
        message = f"branch {wish.branch} moved to {tip or 'nothing'} meanwhile: {said.words}"
        return Push(result=PushResult.RACED, message=message.rstrip(": "), tip=tip)
    message = "the server took the push, but its branch does not show the commit"
    if said.error:
        message = said.error.message
    return Push(result=PushResult.UNKNOWN, message=message, tip=tip)


def _status(stdout: bytes) -> tuple[str, bytes]:
    """Flag and summary of the one ref line of `push --porcelain`; empty when there is none.

    A line that only says that the server gave no answer counts as none.
    """
    for line in stdout.splitlines():
        parts = line.split(b"\t")
        if len(parts) == 3 and len(parts[0]) == 1 and b"failed to report status" not in parts[2]:
            return parts[0].decode("utf-8", "replace"), parts[2]
    return "", b""
