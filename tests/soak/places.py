"""What a soak syncs: two tenants, three pairs of a tenant with a folder of a branch, and the
artifacts that people edit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tasks.artifacts import Key, Kind
from tests.sides import Artifact
from tests.texts import dashboard, flow

#: Name in the configuration → tenant of the server.
TENANTS: Mapping[str, str] = {"one": "main", "two": "second"}
NAMESPACES = ("ops", "shop", "team", "team.sub")
_FOLDERS: Mapping[str, Kind] = {
    "flows": Kind.FLOW,
    "files": Kind.FILE,
    "dashboards": Kind.DASHBOARD,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One tenant and the folder of a branch that it is synced with."""

    kestra: str
    branch: str
    folder: str = ""
    #: Only exported: the branch is a backup.
    backup: bool = False

    @property
    def tenant(self) -> str:
        return TENANTS[self.kestra]

    @property
    def task(self) -> dict[str, Any]:
        named = {"kestra": self.kestra, "branch": self.branch}
        return {**named, **({"gitDirectory": self.folder} if self.folder else {})}

    def path(self, one: Artifact) -> str:
        return f"{self.folder}/{one.path}" if self.folder else one.path

    def key(self, path: str) -> Key | None:
        """The artifact at a path of the repository; None where none of this pair lies there."""
        prefix = f"{self.folder}/" if self.folder else ""
        parts = path.removeprefix(prefix).split("/", 2)
        if not path.startswith(prefix) or len(parts) != 3 or parts[1] not in _FOLDERS:
            return None
        kind = _FOLDERS[parts[1]]
        name = parts[2] if kind is Kind.FILE else parts[2].removesuffix(".yaml")
        return Key(parts[0], kind, name)


#: The first and the last share branch and its lane, the first two share the tenant and its lanes.
PAIRS = (
    Pair(kestra="one", branch="main"),
    Pair(kestra="one", branch="backup", folder="all", backup=True),
    Pair(kestra="two", branch="main", folder="second"),
)
#: Nobody removes it, so that no side is ever empty.
ANCHOR = Artifact("ops", "FLOW", "anchor")
#: Two files a folder: a server deletes the only neighbour of an absent file (sandbox/files.py).
_FILES = ("a.txt", "b.md", "d/q.sql", "d/r.sql")
_FLOWS = ("load", "check", "send", "v1.2")
POOL = (
    *(Artifact(ns, "FLOW", name) for ns in NAMESPACES for name in _FLOWS),
    *(Artifact(ns, "FILE", name) for ns in NAMESPACES for name in _FILES),
    *(Artifact("_global", "DASHBOARD", name) for name in ("runs", "costs")),
)


def text_of(one: Artifact, words: str) -> str:
    """A text of an artifact that says these words."""
    if one.kind == "FLOW":
        return flow(one.namespace, one.name, words)
    return dashboard(one.name, words) if one.kind == "DASHBOARD" else f"{one} {words}\n"


def key_of(one: Artifact) -> Key:
    return Key(one.namespace, Kind(one.kind), one.name)
