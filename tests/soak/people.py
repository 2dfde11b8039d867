"""How people edit either side in a soak; each edit is a fact."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass, field
from typing import Any

from tasks.artifacts import Key, digest
from tests.sides import Artifact, seed
from tests.soak.actions import Cut, Edit, Revert
from tests.soak.groups import Groups
from tests.soak.places import ANCHOR, Pair, key_of, text_of

#: How often a person whose push came second fetches and tries again.
TRIES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A text that a person wrote: on which side, of what, and when."""

    side: str
    pair: Pair
    key: Key
    digest: str | None
    at: float


@dataclass(slots=True)
class Facts:
    """All that people did."""

    written: list[Fact] = field(default_factory=list)
    #: Commits of people.
    commits: set[str] = field(default_factory=set)


class Editor:
    """Edits both sides as a person does: in Kestra one by one, in Git by commits."""

    def __init__(self, groups: Groups) -> None:
        self._groups = groups
        self._clone = groups.folder / "person"
        self.facts = Facts()

    def edit(self, edit: Edit) -> str:
        """Carries an edit out; what it has become."""
        texts = self._texts(edit)
        if not texts:
            return "nothing of it is there"
        at = time.time()
        if edit.side == "KESTRA":
            self._in_kestra(edit.pair, texts)
        else:
            self._in_git(edit.pair, texts, edit.words)
        self.facts.written += [
            Fact(
                side=edit.side,
                pair=edit.pair,
                key=key_of(one),
                digest=None if text is None else digest(key_of(one).kind, text.encode()),
                at=at,
            )
            for one, text in texts.items()
        ]
        return ", ".join(f"{'-' if text is None else '='}{one}" for one, text in texts.items())

    def _texts(self, edit: Edit) -> dict[Artifact, str | None]:
        here = self.here(edit.pair, edit.side)
        texts: dict[Artifact, str | None] = {}
        for one, cut in edit.cuts:
            if cut is Cut.REMOVE or (cut is Cut.MOVE and one.kind == "FLOW"):
                if one not in here:
                    continue
                texts[one] = None
                if cut is Cut.MOVE:
                    moved = one._replace(name=f"{one.name}-moved")
                    texts[moved] = here[one].replace(f"id: {one.name}\n", f"id: {moved.name}\n", 1)
            else:
                texts[one] = text_of(one, f"{edit.words} in {edit.side}")
        return texts

    def here(self, pair: Pair, side: str) -> dict[Artifact, str]:
        """What a side of a pair holds now."""
        if side == "KESTRA":
            return self._kestra_texts(pair.tenant)
        try:
            tree = self._groups.tree(pair.branch)
        except subprocess.CalledProcessError:  # there is no such branch yet
            return {}
        keys = {pair.key(path): content.decode() for path, content in tree.items()}
        return {Artifact(*key): text for key, text in keys.items() if key is not None}

    def _kestra_texts(self, tenant: str) -> dict[Artifact, str]:
        kestra = self._groups.kestra
        found = {
            Artifact(ns, "FLOW", name): text for (ns, name), text in kestra.flows(tenant).items()
        }
        for (ns, path), content in kestra.files(tenant).items():
            found[Artifact(ns, "FILE", path.removeprefix("/"))] = content.decode()
        for name, text in kestra.dashboards(tenant).items():
            found[Artifact("_global", "DASHBOARD", name)] = text
        return found

    def _in_kestra(self, pair: Pair, texts: dict[Artifact, str | None]) -> None:
        self._groups.kestra.apply(seed(texts), tenant=pair.tenant)

    def _in_git(self, pair: Pair, texts: dict[Artifact, str | None], words: str) -> None:
        def change() -> None:
            for one, text in texts.items():
                place = self._clone / pair.path(one)
                if text is None:
                    place.unlink(missing_ok=True)
                else:
                    place.parent.mkdir(parents=True, exist_ok=True)
                    place.write_text(text, newline="")
            self._git("add", "-A")
            self._git("commit", "-q", "--allow-empty", "-m", f"by a person: {words}")

        self._pushed(pair.branch, change)

    def revert(self, revert: Revert) -> str:
        """Reverts the newest commit of the service on a branch, where that goes without a
        conflict and leaves the anchor."""
        reverted = "none"

        def change() -> None:
            nonlocal reverted
            form = "--format=%H%x00%(trailers:key=Tenantsync-Run,valueonly,separator=%x2C)"
            listed = self._git("log", "-15", form).splitlines()
            own = [line.split("\0")[0] for line in listed if line.split("\0")[1].strip()]
            for oid in own[:1]:
                done = self._try("revert", "--no-edit", oid)
                anchor = any((self._clone / name).exists() for name in _anchors(revert.branch))
                if done.returncode == 0 and anchor:
                    # As a person who writes a message of their own: no trailer of the run in it.
                    self._git("commit", "-q", "--amend", "-m", f"by a person: not {oid[:10]}")
                    reverted = oid
                    return
                self._try("revert", "--abort")
            self._git("reset", "-q", "--hard", "FETCH_HEAD")
            self._git("commit", "-q", "--allow-empty", "-m", "by a person: nothing")

        self._pushed(revert.branch, change)
        return reverted

    def _pushed(self, branch: str, change: Any) -> None:
        if not self._clone.exists():
            self._clone.mkdir()
            self._git("init", "-q", "-b", "main")
        for _ in range(TRIES):
            self._git("fetch", "-q", str(self._groups.repository), branch)
            self._git("checkout", "-q", "-f", "-B", branch, "FETCH_HEAD")
            self._git("clean", "-q", "-fdx")
            change()
            oid = self._git("rev-parse", "HEAD").strip()
            # Noted first: whoever reads the branch must know whose commit it is.
            self.facts.commits.add(oid)
            if self._try("push", "-q", str(self._groups.repository), branch).returncode == 0:
                return
        raise AssertionError(f"{TRIES} pushes of a person to {branch} came second")

    def _git(self, *arguments: str) -> str:
        done = self._try(*arguments)
        assert done.returncode == 0, f"git {arguments}: {done.stderr}"
        return done.stdout

    def _try(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        who = {f"GIT_{role}_{what}": "pat@example.org" for role in ("AUTHOR", "COMMITTER")
               for what in ("NAME", "EMAIL")}  # fmt: skip
        environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", **who}
        return subprocess.run(
            ["git", *arguments],
            cwd=self._clone,
            env={**environment, "GIT_CONFIG_GLOBAL": "/dev/null", "LC_ALL": "C"},
            capture_output=True,
            text=True,
            check=False,
        )


def _anchors(branch: str) -> tuple[str, ...]:
    folders = ("", "second/") if branch == "main" else ("all/",)
    return tuple(folder + ANCHOR.path for folder in folders)
