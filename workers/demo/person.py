"""What do people do to a tenant and its repository, without asking anybody? Robin has a clone and
pushes to it; Sam edits in the pages of Kestra."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import httpx

from sandbox.settings import DEFAULT_PASSWORD, DEFAULT_USER
from tasks.errors import Unreachable

#: Seconds for one git command or one call.
_LIMIT = 60.0


class Robin:
    """Has a clone of the repository and pushes what was done in it."""

    def __init__(self, remote: str, clone: Path) -> None:
        self._remote, self.clone = remote, clone

    def clones(self) -> None:
        _git(self.clone.parent, "clone", "--quiet", self._remote, str(self.clone))

    def git(self, *arguments: str) -> str:
        """What a git command in the clone says."""
        return _git(self.clone, *arguments)

    def edits(self, path: str, change: Callable[[str], str]) -> None:
        """Writes a file anew, as `change` makes it from its text."""
        file = self.clone / path
        file.write_text(change(file.read_text(encoding="utf-8")), encoding="utf-8")

    def moves(self, path: str, to: str) -> None:
        self.git("mv", path, to)

    def removes(self, *patterns: str) -> None:
        self.git("rm", "--quiet", "-r", "--", *patterns)

    def pushes(self, message: str) -> str:
        """Commits everything and pushes it; the figures of the commit in git's words."""
        self.git("commit", "--quiet", "--all", f"--message={message}")
        self.git("push", "--quiet")
        return self.git("show", "--shortstat", "--format=", "HEAD").strip()

    def commits(self) -> list[str]:
        """Ids of the commits of the remote's branch, newest first."""
        self.git("fetch", "--quiet")
        return self.git("rev-list", "origin/main").split()

    def branches(self) -> int:
        """How many branches the remote has."""
        return len(_git(self.clone.parent, "ls-remote", "--heads", self._remote).splitlines())

    def holds(self) -> dict[str, bytes]:
        """Path and content of every file at the tip of the remote's branch."""
        listed = self.git("ls-tree", "-r", "-z", "--name-only", "origin/main").split("\0")
        assert self.git("rev-parse", "HEAD") == self.git("rev-parse", "origin/main")
        return {path: (self.clone / path).read_bytes() for path in listed if path}


class Sam:
    """Edits flows in the pages of Kestra, which call its API like this."""

    def __init__(self, kestra: str) -> None:
        self._api = f"{kestra}/api/v1/main"

    def edits(self, namespace: str, flow: str, change: Callable[[str], str]) -> None:
        """Saves a flow anew, as `change` makes it from its text."""
        address = f"{self._api}/flows/{namespace}/{flow}"
        with httpx.Client(auth=(DEFAULT_USER, DEFAULT_PASSWORD), timeout=_LIMIT) as client:
            shown = client.get(address, params={"source": "true"}).raise_for_status()
            client.put(
                address,
                content=change(shown.json()["source"]).encode(),
                headers={"Content-Type": "application/x-yaml"},
            ).raise_for_status()


def _git(folder: Path, *arguments: str) -> str:
    """Runs git as somebody with a configuration of their own; raises Unreachable with its words
    where it fails."""
    done = subprocess.run(
        ("git", *arguments),
        cwd=folder,
        env=_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=_LIMIT,
        check=False,
    )
    if done.returncode:
        raise Unreachable(
            f"git {arguments[0]} in {folder}: {done.stderr.decode('utf-8', 'replace').strip()}"
        )
    return done.stdout.decode("utf-8", "surrogateescape")


def _environment() -> dict[str, str]:
    """That of Robin: nothing of whoever runs the demo (signing, hooks, a proxy) takes part."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": os.devnull,
        "LC_ALL": "C.UTF-8",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_AUTHOR_NAME": "Robin",
        "GIT_AUTHOR_EMAIL": "robin@larkfield.example",
        "GIT_COMMITTER_NAME": "Robin",
        "GIT_COMMITTER_EMAIL": "robin@larkfield.example",
    }
