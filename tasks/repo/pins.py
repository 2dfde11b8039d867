"""Which commits do runs rely on in this mirror, and how do they come back when it is damaged?"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from typing import TypeVar

from tasks.errors import Doubtful, MirrorCorrupt, NotFound
from tasks.repo import tree
from tasks.repo.command import Git
from tasks.repo.mirror import Mirror
from tasks.repo.remote import Remote
from tasks.repo.url import is_oid

T = TypeVar("T")

#: Commits that this process remembers; those of ended runs fall out.
REMEMBERED = 32


class Pins:
    """The commits that the runs of this process use. Safe for many threads."""

    def __init__(self, mirror: Mirror, remote: Remote) -> None:
        self._mirror, self._remote = mirror, remote
        self._url = remote.url.text
        #: (run, oid) → the branch that the commit came from, oldest first.
        self._pins: dict[tuple[str, str], str | None] = {}

    def fetch(self, run_id: str, branch_or_oid: str) -> str:
        """Bring a branch's tip, or a commit, and its history here, kept for the run; its oid."""
        if is_oid(branch_or_oid):
            self.ensure(run_id, branch_or_oid, None)
            return branch_or_oid
        try:
            oid = self._fetch_branch(run_id, branch_or_oid)
        except NotFound as error:
            raise self._remote.no_branch(branch_or_oid, error) from None
        self._remember(run_id, oid, branch_or_oid)
        return oid

    def ensure(self, run_id: str, oid: str, branch: str | None) -> None:
        """Make a commit present, kept for the run. Fetches by id, else the branch."""
        if not self._is_here(oid):
            self._fetch_commit(run_id, oid, branch)
        elif (run_id, oid) not in self._pins:
            self._mirror.pin(run_id, oid)
        self._remember(run_id, oid, branch)

    def release(self, run_id: str) -> None:
        """Drop what is kept for a run."""
        for pin in list(self._pins):
            if pin[0] == run_id:
                self._pins.pop(pin, None)
        self._mirror.release(run_id)

    def pinned(self) -> frozenset[str]:
        """The runs for which something is kept in this mirror."""
        return self._mirror.pinned()

    def read(self, read: Callable[[Git], T], *commits: str) -> T:
        """What a read of these commits gives; a damaged mirror is repaired once and read again."""
        stamp = self._mirror.stamp()
        try:
            return read(self._mirror.git)
        except (MirrorCorrupt, NotFound) as error:
            self._repair(stamp, commits, error)
            return read(self._mirror.git)

    def blobs(self, oids: Iterable[str], limit: int) -> Iterator[tuple[str, bytes]]:
        """See `tree.blobs`; after a repair the reading goes on where it stopped."""
        asked, read = tuple(oids), 0
        stamp = self._mirror.stamp()
        try:
            for oid, content in tree.blobs(self._mirror.git, asked, limit):
                read += 1
                yield oid, content
        except (MirrorCorrupt, NotFound) as error:
            self._repair(stamp, (), error)
            yield from tree.blobs(self._mirror.git, asked[read:], limit)

    def _remember(self, run_id: str, oid: str, branch: str | None) -> None:
        self._pins.pop((run_id, oid), None)
        self._pins[run_id, oid] = branch
        for pin in list(self._pins)[:-REMEMBERED]:
            self._pins.pop(pin, None)

    def _is_here(self, oid: str) -> bool:
        """Whether the commit is here; a mirror that cannot even say so is set aside."""
        stamp = self._mirror.stamp()
        try:
            return self._mirror.has(oid)
        except MirrorCorrupt:
            self._mirror.set_aside(stamp)
            return False

    def _fetch_branch(self, run_id: str, branch: str) -> str:
        return self._fetched(lambda git: self._mirror.fetch(git, self._url, run_id, branch))

    def _fetch_commit(self, run_id: str, oid: str, branch: str | None) -> None:
        try:
            self._fetched(
                lambda git: self._mirror.fetch_commit(git, self._url, run_id, oid, branch)
            )
        except (NotFound, Doubtful):  # old servers give no commit by its id
            if branch is None:
                raise
            self._fetch_branch(run_id, branch)
            if not self._mirror.has(oid):
                place = self._remote.url.canonical
                raise NotFound(
                    f"{place}: commit {oid} is not in branch {branch} any more"
                ) from None

    def _fetched(self, fetch: Callable[[Git], T]) -> T:
        """What a fetch gives; a damaged mirror is set aside and filled again, once."""
        stamp = self._mirror.stamp()
        try:
            return self._remote.ask(fetch)
        except (MirrorCorrupt, Doubtful) as error:
            if isinstance(error, Doubtful) and (not stamp or self._mirror.is_sound()):
                raise
            self._mirror.set_aside(stamp)
            return self._remote.ask(fetch)

    def _repair(
        self, stamp: int, commits: Collection[str], error: MirrorCorrupt | NotFound
    ) -> None:
        """Bring back what a read missed; raises `error` when the mirror has no fault."""
        pins = list(self._pins.items())
        needed = set(commits) or {oid for (_, oid), _ in pins}
        # A mirror that merely lacks a commit (fetched on another host) is not set aside.
        if all(self._seems_present(oid) for oid in needed):
            if isinstance(error, NotFound) and self._whole(needed):
                raise error
            self._mirror.set_aside(stamp)
        runs = {oid: (run_id, branch) for (run_id, oid), branch in pins}
        for oid in needed:
            self.ensure(*_pin(oid, runs))
        for oid in set(runs) - needed:
            with suppress(NotFound):  # a run that ended; whoever needs it asks again
                self.ensure(*_pin(oid, runs))

    def _seems_present(self, oid: str) -> bool:
        try:
            return self._mirror.has(oid)
        except MirrorCorrupt:
            return True

    def _whole(self, commits: Collection[str]) -> bool:
        """Whether everything that these commits lead to is here."""
        try:
            self._mirror.git.run("rev-list", "--objects", "--quiet", *commits, "--")
        except MirrorCorrupt:
            return False
        return True


def _pin(oid: str, runs: dict[str, tuple[str, str | None]]) -> tuple[str, str, str | None]:
    run_id, branch = runs.get(oid, ("repair", None))
    return run_id, oid, branch
