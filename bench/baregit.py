"""What do the git commands cost by themselves? Each method is one or two commands of git."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

#: What a commit of the bench says of itself.
_WHO = b"Bench <bench@example.org> 1767225600 +0000"


class BareGit:
    """A bare repository of ours, and the branch `main` of the remote at `url`."""

    def __init__(self, directory: Path, url: str) -> None:
        self._directory, self._url = directory, url

    def create(self) -> None:
        """Makes the repository."""
        run("init", "--quiet", "--bare", "--template=", str(self._directory))

    def tip(self) -> str | None:
        """The commit that the remote shows; None = there is no such branch."""
        line = run("ls-remote", self._url, "refs/heads/main").decode()
        return line.partition("\t")[0] or None

    def fetch(self) -> None:
        """Brings the branch here."""
        self._run(
            "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance",
            self._url, "+refs/heads/main:refs/heads/main",
        )  # fmt: skip

    def has(self, commit: str) -> bool:
        """Whether the branch here is at this commit."""
        ref = self._directory / "refs/heads/main"
        return ref.exists() and ref.read_text().strip() == commit

    def listing(self, commit: str) -> dict[str, str]:
        """Path → blob id of everything in a commit."""
        entries = self._run("ls-tree", "-r", "-z", commit).decode().split("\0")
        pairs = (entry.split("\t", 1) for entry in entries if entry)
        return {path: meta.split()[2] for meta, path in pairs}

    def blob(self, oid: str) -> bytes:
        """The bytes of one blob."""
        return self._run("cat-file", "blob", oid)

    def commit(self, files: Mapping[str, bytes]) -> None:
        """One commit of these files on the branch here, without a delta search."""
        self._run(
            "-c", "pack.depth=0", "-c", "core.compression=1", "-c", "fastimport.unpackLimit=1",
            "fast-import", "--quiet", "--done",
            stdin=b"".join(_script(files)),
        )  # fmt: skip

    def push(self) -> None:
        """Pushes the branch to the remote."""
        self._run(
            "-c", "pack.window=0", "push", "--quiet", self._url, "refs/heads/main:refs/heads/main"
        )

    def tree(self) -> str:
        """The id of the tree of the branch here: equal for equal files."""
        return self._run("rev-parse", "refs/heads/main^{tree}").decode().strip()

    def _run(self, *arguments: str, stdin: bytes = b"") -> bytes:
        return run(f"--git-dir={self._directory}", *arguments, stdin=stdin)


def run(*arguments: str, stdin: bytes = b"") -> bytes:
    """What git says. Raises CalledProcessError."""
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
    }
    done = subprocess.run(
        ("git", *arguments), input=stdin, env=environment, check=True, capture_output=True
    )
    return done.stdout


def _script(files: Mapping[str, bytes]) -> Iterable[bytes]:
    """The input of fast-import; on top of the branch where it is there."""
    for mark, content in enumerate(files.values(), start=1):
        yield b"blob\nmark :%d\ndata %d\n%b\n" % (mark, len(content), content)
    message = b"bench"
    yield b"commit refs/heads/main\ncommitter %b\ndata %d\n%b\n" % (_WHO, len(message), message)
    for mark, path in enumerate(files, start=1):
        yield b'M 100644 :%d "%b"\n' % (mark, path.encode())
    yield b"\ndone\n"
