"""The Git side of a sync: one repository, read through its mirror and written by one push."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tasks.artifacts import LARGEST
from tasks.connections import RepositoryConnection
from tasks.errors import MirrorCorrupt, NotFound, Unsafe
from tasks.points import reach
from tasks.repo import credentials, forges, history, hosting, tree
from tasks.repo.command import Git
from tasks.repo.commit import FileChange, Signature, build
from tasks.repo.history import CommitDetail
from tasks.repo.message import RUN_TRAILER, Person, compose
from tasks.repo.mirror import Mirror
from tasks.repo.pins import Pins
from tasks.repo.push import Push, Wish, push
from tasks.repo.remote import Remote, Tip
from tasks.repo.tree import TreeEntry
from tasks.repo.url import check_run, check_url


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What the doctor sees: branches that the login may read, and whether it may push."""

    branches: tuple[str, ...]
    default_branch: str | None
    #: Why it may not push; None when it may.
    problem: str | None


class RepoSide:
    """One repository. Safe for many threads; every method that reads takes commit oids, so that
    nobody sees two states of a branch in one run."""

    def __init__(
        self,
        connection: RepositoryConnection,
        data: Path,
        allowed: tuple[str, ...] = ("https", "ssh"),
    ) -> None:
        """`data` is the data directory of this host, `allowed` the protocols git may use."""
        self.connection = connection
        self.url = check_url(connection.url, allowed)
        root = data.absolute() / "mirrors"
        home = root / "home"
        home.mkdir(parents=True, exist_ok=True)
        place, timeout = self.url.canonical, connection.timeout
        git = Git(home=home, place=place, allowed=allowed, timeout=timeout)
        self._mirror = Mirror(root, f"{place}\0{credentials.scope(connection, self.url)}", git)
        self._remote = Remote(connection, self.url, git)
        self._pins = Pins(self._mirror, self._remote)

    @property
    def remote(self) -> str:
        """The identity of the repository: its canonical URL, without user and secrets."""
        return self.url.canonical

    # The remote

    def tip(self, branch: str) -> Tip:
        """What the remote shows of this branch and of its default branch, by one question."""
        return self._remote.tip(branch)

    def branches(self) -> tuple[str, ...]:
        """The names of all branches of the remote, sorted."""
        return self._remote.branches()

    def check(self) -> Check:
        """What this login can do here; raises what keeps it from reading the repository."""
        branches = self._remote.branches()
        self._mirror.create()
        return Check(
            branches=branches,
            default_branch=self._remote.default_branch(),
            problem=self._remote.push_problem(self._mirror.path),
        )

    def push(self, branch: str, new: str, expected: str | None) -> Push:
        """Move the branch from `expected` (None: it is not there yet) to `new`, or say why not.

        Never rewrites: Unsafe is raised when `new` does not descend from `expected`. Repeating it
        is harmless. Raises LoginRefused and the like when the server does not let us in.
        """
        self._check_here(new)
        if expected is not None and not self._descends(new, expected):
            raise Unsafe(f"{self.remote}: commit {new} does not descend from {expected}")
        return self._remote.ask(
            lambda git: push(
                git,
                Wish(url=self.url.text, branch=branch, new=new, expected=expected),
                read_tip=lambda: self.tip(branch).oid,
                holds=lambda _, oid: self._branch_holds(branch, oid),
            ),
            self._mirror.path,
        )

    def _descends(self, new: str, expected: str) -> bool:
        """Raises MirrorCorrupt where a repair of the mirror has lost the new commit, which the
        remote does not have yet."""
        with suppress(NotFound):
            if self.contains(new, expected):
                return True
        self._check_here(new)
        self._check_here(expected)
        return False

    def _check_here(self, oid: str) -> None:
        if not self._mirror.has(oid):
            raise MirrorCorrupt(f"{self.remote}: commit {oid} is not in the mirror; build it again")

    def commit_url(self, oid: str) -> str | None:
        """The page of a commit for people; None where the host is not known."""
        return hosting.commit_url(
            self.url, oid, forges.stated_forge(self.connection), self.connection.web_url
        )

    # The mirror

    def fetch(self, run_id: str, branch_or_oid: str) -> str:
        """Bring a branch's tip (or a commit) and its history here, kept for the run: its oid.

        Raises NotFound naming the branch and those whose names come nearest.
        """
        oid = self._pins.fetch(run_id, branch_or_oid)
        reach("fetched", run=run_id)
        return oid

    def ensure(self, run_id: str, oid: str, branch: str | None) -> None:
        """Make a pinned commit present in the mirror of this host, and keep it for the run.

        Cheap when it is there. Fetches by id, else the branch. Raises NotFound when the remote
        has the commit no more.
        """
        self._pins.ensure(run_id, oid, branch)
        reach("fetched", run=run_id)

    def release(self, run_id: str) -> None:
        """Drop what is kept for a run in this mirror."""
        self._pins.release(run_id)

    def pinned(self) -> frozenset[str]:
        """The runs for which something is kept in this mirror."""
        return self._pins.pinned()

    # What a commit holds

    def listing(self, oid: str, directory: str = "") -> tuple[TreeEntry, ...]:
        """All entries below a directory (empty: the root); () when there is no such directory."""
        return self._pins.read(lambda git: tree.listing(git, oid, directory), oid)

    def children(self, oid: str, directory: str = "") -> tuple[TreeEntry, ...]:
        """The direct entries of a directory, the ids of its subdirectories among them."""
        return self._pins.read(lambda git: tree.children(git, oid, directory), oid)

    def tree_of(self, oid: str, directory: str) -> str | None:
        """The id of the tree of a directory (empty: the root): equal ids, equal contents; None
        when there is no such directory."""
        return self._pins.read(lambda git: tree.directory_oid(git, oid, directory), oid)

    def directory_exists(self, oid: str, directory: str) -> bool:
        """Whether there is a directory (no file, no symbolic link) of this name."""
        return self.tree_of(oid, directory) is not None

    def paths(self, oid: str, paths: Sequence[str]) -> Mapping[str, TreeEntry]:
        """The entries at exactly these paths; a path where nothing is has no key."""
        return self._pins.read(lambda git: tree.find(git, oid, paths), oid)

    def blobs(self, oids: Iterable[str], limit: int = LARGEST) -> Iterator[tuple[str, bytes]]:
        """The contents of these blobs in the order asked, one in memory at a time.

        Raises Refused when one has more than `limit` bytes (`sizes` tells before) and NotFound
        for one that is not in the mirror.
        """
        return self._pins.blobs(oids, limit)

    def sizes(self, oids: Iterable[str]) -> Mapping[str, int]:
        """The bytes of these blobs, without reading them."""
        asked = tuple(oids)
        return self._pins.read(lambda git: tree.sizes(git, asked))

    # What happened before a commit

    def contains(self, tip: str, oid: str) -> bool:
        """Whether `tip` is `oid` or descends from it. A commit that is unknown here, where the
        whole history of `tip` is, is not contained."""
        return self._pins.read(
            lambda git: self._mirror.has(oid) and history.contains(git, tip, oid), tip
        )

    def run_commit(self, base: str | None, tip: str, run_id: str) -> str | None:
        """The commit in `base..tip` that the run made, even if it was reverted since.

        A base that is not here any more (rewritten history) bounds nothing.
        """
        known = base if base is not None and self._mirror.has(base) else None
        return self._pins.read(lambda git: history.run_commit(git, known, tip, run_id), tip)

    def read_commit(self, oid: str) -> CommitDetail:
        """Author, time and message of a commit."""
        return self._pins.read(lambda git: history.read_commit(git, oid), oid)

    def removed_by(self, tip: str, paths: Sequence[str]) -> Mapping[str, str]:
        """For each path, where it is found, the newest commit before `tip` that removed it:
        `commit abc1234 by Name, subject`."""
        found = self._pins.read(lambda git: history.removed_by(git, tip, paths), tip)
        return {path: detail.short for path, detail in found.items()}

    # Writing

    def commit(
        self,
        run_id: str,
        base: str | None,
        files: Iterable[FileChange],
        message: str,
        author: Person,
        committer: Person,
        when: datetime,
        trailers: Mapping[str, str] | None = None,
    ) -> str | None:
        """Build one commit on `base` (None: the first one) in the mirror; None = the same tree.

        The trailer with the run's id is added to those given. The same arguments give the same
        oid. Raises Unsafe for a path that no checkout could hold; MirrorCorrupt (try the job
        again) when the mirror had to be set aside.
        """
        if base is None:
            self._mirror.create()
        else:
            self._pins.ensure(run_id, base, None)
        stamp = self._mirror.stamp()
        text = compose(message, {RUN_TRAILER: check_run(run_id), **(trailers or {})})
        signature = Signature(author=author, committer=committer, when=when)
        try:
            ref = self._mirror.ref(run_id)
            with self._mirror.writing():
                return build(self._mirror.git, ref, base, files, text, signature)
        except MirrorCorrupt:
            self._mirror.set_aside(stamp)
            raise

    def _branch_holds(self, branch: str, oid: str) -> bool:
        run_id = f"push-{secrets.token_hex(6)}"
        try:
            return self.contains(self.fetch(run_id, branch), oid)
        finally:
            self.release(run_id)
