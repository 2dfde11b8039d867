"""What both sides of a stack hold, by artifact, and how a test edits either."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from tests.stack import Stack

_FOLDERS = {"flows": "FLOW", "files": "FILE", "dashboards": "DASHBOARD"}


class Artifact(NamedTuple):
    """A flow, namespace file or dashboard; written as problems name it."""

    namespace: str
    kind: str
    name: str

    def __str__(self) -> str:
        return "/".join(self)

    @property
    def path(self) -> str:
        """Its file in Git."""
        folder = {kind: name for name, kind in _FOLDERS.items()}[self.kind]
        return f"{self.namespace}/{folder}/{self.name}" + ("" if self.kind == "FILE" else ".yaml")


def both(stack: Stack) -> dict[str, dict[Artifact, str]]:
    """Side → artifact → text."""
    return {"KESTRA": in_kestra(stack), "GIT": in_git(stack)}


def in_kestra(stack: Stack) -> dict[Artifact, str]:
    """All that the server stores."""
    flows = {Artifact(ns, "FLOW", name): text for (ns, name), text in stack.kestra.flows().items()}
    files = {
        Artifact(namespace, "FILE", path.removeprefix("/")): content.decode()
        for (namespace, path), content in stack.kestra.files().items()
    }
    dashboards = stack.kestra.dashboards().items()
    return flows | files | {Artifact("_global", "DASHBOARD", id_): text for id_, text in dashboards}


def in_git(stack: Stack, branch: str = "main") -> dict[Artifact, str]:
    """All files of the branch that lie where artifacts do."""
    found = {}
    for path, content in stack.tree(branch).items():
        namespace, _, rest = path.partition("/")
        folder, _, name = rest.partition("/")
        if folder in _FOLDERS:
            kind = _FOLDERS[folder]
            name = name if kind == "FILE" else name.removesuffix(".yaml")
            found[Artifact(namespace, kind, name)] = content.decode()
    return found


def put(stack: Stack, side: str, texts: Mapping[Artifact, str | None]) -> None:
    """Another writer's edit of one side; None removes."""
    if side == "GIT":
        stack.push({one.path: text for one, text in texts.items()})
    else:
        stack.kestra.apply(seed(texts))


def seed(texts: Mapping[Artifact, str | None]) -> dict[str, Any]:
    """What the sandbox has to be told of such an edit."""
    gone = [one for one, text in texts.items() if text is None]
    left = {one: text for one, text in texts.items() if text is not None}
    return {
        "flows": [text for one, text in left.items() if one.kind == "FLOW"],
        "files": [
            {"namespace": one.namespace, "path": one.name, "text": text}
            for one, text in left.items()
            if one.kind == "FILE"
        ],
        "dashboards": [text for one, text in left.items() if one.kind == "DASHBOARD"],
        "delete_flows": [
            {"namespace": one.namespace, "id": one.name} for one in gone if one.kind == "FLOW"
        ],
        "delete_files": [
            {"namespace": one.namespace, "path": one.name} for one in gone if one.kind == "FILE"
        ],
        "delete_dashboards": [one.name for one in gone if one.kind == "DASHBOARD"],
    }
