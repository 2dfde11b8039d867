"""The tenant that is measured, and the commits of another person in its repository."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.baregit import run
from sandbox.sample import flow_ids, namespace_names, sample_seed

_WHO = b"Pat <pat@example.org> 1767225600 +0000"


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How large the tenant is: flows and files are those of each namespace."""

    namespaces: int
    flows: int
    files: int

    def __str__(self) -> str:
        return f"{self.namespaces} namespaces with {self.flows} flows and {self.files} files each"

    def seed(self) -> dict[str, Any]:
        """What the sandbox is planted with; the same every time."""
        return sample_seed(namespaces=self.namespaces, flows_each=self.flows, files_each=self.files)

    def flow(self, number: int) -> str:
        """The path in Git of some flow; each number another one, each in the next namespace."""
        names = namespace_names(self.namespaces)
        namespace = names[number % len(names)]
        ids = flow_ids(namespace, self.flows)
        return f"{namespace}/flows/{ids[number // len(names) % len(ids)]}.yaml"


SIZES = {
    "small": Size(namespaces=10, flows=10, files=10),
    "medium": Size(namespaces=50, flows=40, files=20),
    "large": Size(namespaces=500, flows=20, files=40),
}


def change_flow(repository: Path, path: str, number: int) -> None:
    """A commit on `main` of a bare repository that adds a comment to one flow."""
    change_flows(repository, [path], number)


def change_flows(repository: Path, paths: Sequence[str], number: int) -> None:
    """A commit on `main` of a bare repository that adds a comment to several flows."""
    git = f"--git-dir={repository}"
    message = b"change %d" % number
    script = [
        b"commit refs/heads/main\ncommitter %b\ndata %d\n%b\n" % (_WHO, len(message), message),
        b"from refs/heads/main^0\n",
    ]
    for path in paths:
        text = run(git, "cat-file", "blob", f"refs/heads/main:{path}") + b"# change %d\n" % number
        script.append(b'M 100644 inline "%b"\ndata %d\n%b\n' % (path.encode(), len(text), text))
    run(git, "fast-import", "--quiet", stdin=b"".join(script))


def tree_of(repository: Path) -> str:
    """The id of the tree on `main`."""
    return run(f"--git-dir={repository}", "rev-parse", "refs/heads/main^{tree}").decode().strip()
