"""A bare repository as somebody else sees and changes it: plain git, not the code under test."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

ENVIRONMENT = {
    "PATH": os.environ.get("PATH", os.defpath),
    "HOME": os.devnull,
    "LC_ALL": "C.UTF-8",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.org",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.org",
}


class Bare:
    """One bare repository on disk."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def git(self, *arguments: str, stdin: bytes = b"") -> bytes:
        return subprocess.run(
            ("git", f"--git-dir={self.path}", *arguments),
            input=stdin,
            env=ENVIRONMENT,
            check=True,
            capture_output=True,
            timeout=60,
        ).stdout

    def text(self, *arguments: str) -> str:
        return self.git(*arguments).decode().strip()

    def commit(
        self,
        files: Mapping[str, bytes | None],
        message: str = "change",
        branch: str = "main",
        modes: Mapping[str, str] | None = None,
    ) -> str:
        """Commit contents (None deletes) on top of the branch; the oid."""
        text = message.encode()
        old = self.tip(branch)
        lines = [
            b"commit refs/heads/%s\n" % branch.encode(),
            b"committer Ada <ada@example.org> 1700000000 +0000\ndata %d\n%s\n" % (len(text), text),
            b"from %s\n" % old.encode() if old else b"",
        ]
        for path, content in files.items():
            quoted = path.replace("\\", "\\\\").replace('"', '\\"').encode()
            if content is None:
                lines.append(b'D "%s"\n' % quoted)
            else:
                mode = (modes or {}).get(path, "100644").encode()
                lines.append(
                    b'M %s inline "%s"\ndata %d\n%s\n' % (mode, quoted, len(content), content)
                )
        self.git("fast-import", "--quiet", stdin=b"".join(lines))
        return self.tip(branch) or ""

    def plant(self, entries: bytes, branch: str = "main") -> str:
        """Commit a root tree of these raw `mktree` lines, whatever they say; the oid."""
        tree = self.git("mktree", "-z", stdin=entries).decode().strip()
        oid = self.text("commit-tree", tree, "-m", "planted")
        self.git("update-ref", f"refs/heads/{branch}", oid)
        return oid

    def raw_tree(self, *entries: tuple[str, str, str]) -> str:
        """A tree object of (mode, name, oid) that no check has seen; its oid."""
        content = b"".join(
            mode.encode() + b" " + name.encode() + b"\0" + bytes.fromhex(oid)
            for mode, name, oid in entries
        )
        command = ("hash-object", "-t", "tree", "-w", "--literally", "--stdin")
        return self.git(*command, stdin=content).decode().strip()

    def blob(self, content: bytes) -> str:
        return self.git("hash-object", "-w", "--stdin", stdin=content).decode().strip()

    def point(self, tree: str, branch: str = "main") -> str:
        """Let the branch hold a commit of this tree; the oid."""
        text = (
            f"tree {tree}\nauthor Ada <a@b> 1700000000 +0000\n"
            f"committer Ada <a@b> 1700000000 +0000\n\nplanted\n"
        )
        command = ("hash-object", "-t", "commit", "-w", "--literally", "--stdin")
        oid = self.git(*command, stdin=text.encode()).decode().strip()
        self.git("update-ref", f"refs/heads/{branch}", oid)
        return oid

    def tip(self, branch: str = "main") -> str | None:
        found = subprocess.run(
            ("git", f"--git-dir={self.path}", "rev-parse", "-q", "--verify", f"heads/{branch}"),
            env=ENVIRONMENT,
            capture_output=True,
            timeout=60,
            check=False,
        )
        return found.stdout.decode().strip() or None

    def read(self, path: str, revision: str = "main") -> bytes:
        return self.git("cat-file", "blob", f"{revision}:{path}")

    def paths(self, revision: str = "main") -> list[str]:
        names = self.git("ls-tree", "-r", "-z", "--name-only", revision).decode().split("\0")
        return [name for name in names if name]
