"""The local mirror of one repository: bare, a cache only, one per host and login.

Every fetch goes into a private ref of its run, so parallel fetches never meet and nothing that a
run needs is ever collected. `refs/kept` remembers the newest commit of each branch for all runs:
without it the next fetch would ask for the whole history again.
"""

from __future__ import annotations

import fcntl
import hashlib
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tasks.errors import MirrorCorrupt, TenantSyncError, Unreachable
from tasks.repo.command import Git
from tasks.repo.failure import NoSpace, failure
from tasks.repo.url import check_branch, check_oid, check_run

#: Days after which private refs that nobody released are dropped. What they held stays for two
#: weeks more, and `ensure` brings back what a run needs after that.
REF_DAYS = 2
#: Packs at which the mirror is packed anew; each fetch and commit adds one.
PACKS = 40
#: Seconds after which a lock file is stale: git holds one for moments only.
STALE_LOCK = 600
#: Seconds after which what a killed command left behind is swept.
STALE_FILE = 86_400
#: Seconds between two collections of what nothing leads to.
COLLECT = 7 * 86_400
_REFS = "refs/tenantsync"
_KEPT = "refs/kept"


class Mirror:
    """The mirror directory `root/<name>`, where `name` stands for address and login.

    `git` has neither directory nor login; the commands that reach the remote get a Git with a
    login from the caller.
    """

    def __init__(self, root: Path, identity: str, git: Git) -> None:
        name = hashlib.sha256(identity.encode()).hexdigest()[:32]
        self.path = root / f"{name}.git"
        self._lock = root / f"{name}.lock"
        self._writers = root / f"{name}.writers"
        self.git = replace(git, directory=self.path)
        self._swept = -float(STALE_LOCK)

    def fetch(self, remote: Git, url: str, run_id: str, branch: str) -> str:
        """Bring the branch's tip and history here, pinned for the run; gives the tip's oid.

        Raises NotFound when the branch is not there.
        """
        check_branch(branch)
        return self._fetch(remote, url, run_id, f"refs/heads/{branch}", branch)

    def fetch_commit(
        self, remote: Git, url: str, run_id: str, oid: str, branch: str | None
    ) -> None:
        """Bring one commit and its history here by its id, pinned for the run; `branch` is where
        it came from, if that is known."""
        self._fetch(remote, url, run_id, check_oid(oid), branch or "")

    def pin(self, run_id: str, oid: str) -> None:
        """Keep a commit that is already here for the run."""
        prefix = f"{_REFS}/{check_run(run_id)}/"
        if not self._refs(f"--points-at={check_oid(oid)}", prefix):
            self.git.run("update-ref", self.ref(run_id), oid)

    def ref(self, run_id: str) -> str:
        """A ref that nobody else uses; its name tells the day, since refs have no time."""
        day = datetime.now(UTC).strftime("%Y%m%d")
        return f"{_REFS}/{check_run(run_id)}/{day}-{secrets.token_hex(6)}"

    def has(self, oid: str) -> bool:
        """Whether the commit is here. Raises MirrorCorrupt for one that cannot be read, of which
        git says by its code alone that it is not."""
        if not self.path.exists():
            return False
        name = f"{check_oid(oid)}^{{commit}}"
        ended = self.git.run("rev-parse", "--verify", "--quiet", name, accept=(0, 1))
        if ended.code and ended.stderr:
            raise failure("rev-parse", ended.code, ended.stderr, self.git.place)
        return ended.code == 0

    def release(self, run_id: str) -> None:
        """Drop the private refs of the run; its objects may go at the next collection.

        What keeps git from it (a lock, damage) keeps no run from its end: refs that stay are
        dropped after REF_DAYS.
        """
        prefix = f"{_REFS}/{check_run(run_id)}/"
        if self.path.exists():
            self._sweep_sometimes()
            with suppress(TenantSyncError):
                self._drop(self._refs(prefix))

    def pinned(self) -> frozenset[str]:
        """The runs that have private refs here."""
        refs = self._refs(f"{_REFS}/") if self.path.exists() else []
        return frozenset(ref.removeprefix(f"{_REFS}/").partition("/")[0] for ref in refs)

    def stamp(self) -> int:
        """Which directory this is now; another one after the mirror was set aside."""
        try:
            return self.path.stat().st_ino
        except FileNotFoundError:
            return 0

    def is_sound(self) -> bool:
        """Whether everything that its refs lead to is here and can be read."""
        try:
            self.git.run("fsck", "--connectivity-only", "--no-dangling", "--no-progress")
        except MirrorCorrupt:
            return False
        return True

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Held by every command that adds objects. Where the disk is full, the last one to fail
        removes what all of them left half written: it would keep the disk full for a day."""
        with self._writers.open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_SH)
            try:
                yield
            except NoSpace:
                if _take(file.fileno(), 0):
                    self._sweep_files(0)
                raise

    def set_aside(self, stamp: int) -> None:
        """Move a damaged mirror out of the way, unless somebody did already."""
        with self._locked():
            if stamp and self.stamp() == stamp:
                self.path.touch()  # it is swept a day after now
                self.path.rename(self._aside("broken"))

    def _fetch(self, remote: Git, url: str, run_id: str, source: str, branch: str) -> str:
        ref = self.ref(run_id)
        if self.path.exists():
            self._sweep_sometimes()
            with self.writing():
                self._fetch_into(self.path, remote, url, f"+{source}:{ref}")
        else:
            self._fill(remote, url, f"+{source}:{ref}")
        found = self.git.run("rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}", accept=(0, 1))
        if found.code:
            raise MirrorCorrupt(f"{self.git.place}: the mirror does not hold what was fetched")
        self._keep(branch, found.text)
        self._maintain()
        return found.text

    @staticmethod
    def _fetch_into(path: Path, remote: Git, url: str, refspec: str) -> None:
        # No remote is configured and no shared ref is written: see git-fetch on opportunistic
        # updates, which make parallel fetches fail on each other's ref locks.
        replace(remote, directory=path).run(
            "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--refmap=",
            "--no-auto-maintenance", "--no-recurse-submodules", "--", url, refspec,
        )  # fmt: skip

    def _fill(self, remote: Git, url: str, refspec: str) -> None:
        """The first fetch: into a new directory that gets its name when it is whole."""
        with self._locked():
            if self.path.exists():
                return self._fetch_into(self.path, remote, url, refspec)
            new = self._create()
            try:
                self._fetch_into(new, remote, url, refspec)
                new.rename(self.path)
            finally:
                shutil.rmtree(new, ignore_errors=True)
        return None

    def create(self) -> None:
        """An empty mirror, for a repository that holds nothing yet."""
        with self._locked():
            if not self.path.exists():
                self._create().rename(self.path)

    def _create(self) -> Path:
        new = self._aside("new")
        replace(self.git, directory=None).run(
            "init", "--quiet", "--bare", "--template=", "--initial-branch=none", str(new)
        )
        return new

    def _aside(self, why: str) -> Path:
        return self.path.with_name(f"{self.path.stem}.{why}-{secrets.token_hex(6)}")

    def _keep(self, branch: str, oid: str) -> None:
        # Parallel fetches may lose this race: then the other's commit is kept, as good as ours.
        name = hashlib.sha256(branch.encode()).hexdigest()
        with suppress(TenantSyncError):
            self.git.run("update-ref", f"{_KEPT}/{name}", oid)

    def _refs(self, *which: str) -> list[str]:
        listed = self.git.run("for-each-ref", "--format=%(refname)", *which)
        return listed.text.split()

    def _drop(self, refs: list[str]) -> None:
        commands = "".join(f"delete {ref}\n" for ref in refs)
        if commands:
            self.git.run("update-ref", "--stdin", stdin=[commands.encode()])

    @contextmanager
    def _locked(self, *, wait: bool = True) -> Iterator[bool]:
        """Hold the lock file of this mirror; a killed holder gives it up by dying."""
        self._lock.parent.mkdir(parents=True, exist_ok=True)
        with self._lock.open("ab") as file:
            if not _take(file.fileno(), self.git.timeout if wait else 0):
                if wait:
                    raise Unreachable(
                        f"{self.git.place}: another job has been filling the mirror for "
                        f"{self.git.timeout:g} s"
                    )
                yield False
                return
            yield True

    def _maintain(self) -> None:
        """Now and then: drop old refs, sweep what killed commands left, pack anew."""
        if self._packs() < PACKS:
            return
        # Nothing that fails here keeps a run from its commit.
        with suppress(TenantSyncError), self._locked(wait=False) as ours:
            if ours:
                self._drop(list(self._old_refs()))
                self._collect()  # before the packs get a new age
                self.git.run("repack", "--geometric=2", "-d", "--write-midx", "--quiet")
                self.git.run("pack-refs", "--all")

    def _collect(self) -> None:
        """Once in COLLECT seconds: drop objects that no ref has led to for two weeks.

        Never sooner: `--prune=now` breaks the mirror under whoever fetches at the same time.
        """
        stamp = self.path / "collected"
        if stamp.exists() and time.time() - stamp.stat().st_mtime > COLLECT:
            self.git.run("gc", "--quiet", "--cruft", "--prune=2.weeks.ago")
            stamp.touch()
        elif not stamp.exists():
            stamp.touch()

    def _packs(self) -> int:
        return sum(1 for _ in (self.path / "objects/pack").glob("*.pack"))

    def _old_refs(self) -> Iterator[str]:
        last = (datetime.now(UTC) - timedelta(days=REF_DAYS)).strftime("%Y%m%d")
        for ref in self._refs(f"{_REFS}/"):
            if ref.rsplit("/", 1)[-1][:8] < last:
                yield ref

    def _sweep_sometimes(self) -> None:
        if time.monotonic() - self._swept > STALE_LOCK / 2:
            self._swept = time.monotonic()
            self.sweep()

    def sweep(self) -> None:
        """Remove stale locks, and files and directories that killed commands left behind."""
        for path in self.path.rglob("*.lock"):
            _remove_older(path, STALE_LOCK)
        self._sweep_files(STALE_FILE)
        for path in self.path.parent.glob(f"{self.path.stem}.*-*"):
            _remove_older(path, STALE_FILE)

    def _sweep_files(self, seconds: float) -> None:
        for pattern in ("objects/pack/tmp_*", "objects/tmp_*", "fast_import_crash_*"):
            for path in self.path.glob(pattern):
                _remove_older(path, seconds)


def _take(descriptor: int, seconds: float) -> bool:
    """Take the lock within some seconds. A waiter looks ten times a second."""
    end = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= end:
                return False
            time.sleep(0.1)
        else:
            return True


def _remove_older(path: Path, seconds: float) -> None:
    with suppress(FileNotFoundError):
        if time.time() - path.stat().st_mtime < seconds:
            return
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()
