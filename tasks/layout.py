"""Where does an artifact of a sync lie in the repository, and which paths may exist at all?"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from tasks.artifacts import GLOBAL, Kind, Part
from tasks.errors import Unsafe
from tasks.visible import visible_line

#: Bytes of one path component on common file systems; Kestra refuses 256 as well (measured).
MAX_COMPONENT = 255
#: Bytes of a whole path (PATH_MAX of Linux without its end mark).
MAX_PATH = 4095
#: A namespace as Kestra accepts it, 1-150 characters.
_NAMESPACE = re.compile(r"[a-z0-9][a-z0-9._-]{0,149}")
#: Code points that HFS+ leaves out when it compares names (git: utf8.c).
_IGNORED = re.compile("[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]")
#: `git~1` is the short name that NTFS gives to `.git`; it ends at `:` and drops dots and blanks.
_NTFS_GIT = re.compile(r"(?:\.git|git~1)[ .]*(?::.*)?", re.IGNORECASE)
_NOT_HELD = re.compile(r'["\[\]{}]')
_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")
_TEXT_SUFFIXES = (".yaml", ".yml")
_FOLDERS = {Kind.FLOW: "flows", Kind.FILE: "files", Kind.DASHBOARD: "dashboards"}


class Place(NamedTuple):
    """Which part a path below the directory of the sync belongs to."""

    part: Part
    #: The path below the folder of the part: `load.yaml`, `sql/a b.sql`.
    rest: str


#: Paths in which no rule below can find anything, as most are: plain names without a first dot.
_PLAIN = re.compile(
    r"(?:[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}/){0,20}[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}"
)


def check_path(path: str) -> str | None:
    """Why a repository path is never followed or written; None for a safe one."""
    if _PLAIN.fullmatch(path):
        return None
    try:
        size = len(path.encode())
    except UnicodeEncodeError:
        return "it is not UTF-8"
    if not path:
        return "it is empty"
    if size > MAX_PATH:
        return f"it is longer than {MAX_PATH} bytes"
    return next(filter(None, map(_check_component, path.split("/"))), None)


def _check_component(name: str) -> str | None:
    if name == "":
        return "it is absolute or has an empty component"
    if name in {".", ".."}:
        return f"it has a component {name}"
    if "\\" in name:
        return "it has a backslash"
    if any(unicodedata.category(one) == "Cc" for one in name):
        return "it has a control character"
    if len(name.encode()) > MAX_COMPONENT:
        return f"it has a component longer than {MAX_COMPONENT} bytes"
    if _NTFS_GIT.fullmatch(_IGNORED.sub("", name)):
        return "it has a component that some file systems take for .git"
    return None


@lru_cache(maxsize=10_000)
def check_namespace(name: str) -> str | None:
    """Why a name cannot be the folder of a namespace; None for a good one."""
    if not _NAMESPACE.fullmatch(name):
        return "it is no namespace (a-z, 0-9, `.`, `_`, `-`, 1-150 characters)"
    return check_path(name)


def kestra_name(path: str) -> str:
    """The name under which Kestra lists a namespace file: a space becomes `+` (measured)."""
    return path.replace(" ", "+")


def held_name(name: str) -> str | None:
    """Why Kestra cannot hold a namespace file of this name; None where it can.

    Measured on 1.3: some characters are refused (422), others are cut or decoded in storage so
    that two files would share one content, and what lies under `_flows/` is imported as a flow.
    """
    if refused := _NOT_HELD.search(name):
        return f"Kestra refuses {refused[0]} in a name"
    if ".." in name:
        return "Kestra refuses .. in a name"
    if "\\" in name:
        return "Kestra takes a backslash for a slash"
    if "#" in name:
        return "Kestra cuts the name at # in its storage"
    if _ESCAPE.search(name):
        return "Kestra decodes %xx of a name in its storage"
    if any(len(part.encode("utf-8", "replace")) > MAX_COMPONENT for part in name.split("/")):
        return f"Kestra refuses a component longer than {MAX_COMPONENT} bytes"
    if name.split("/")[0] == "_flows":
        return "Kestra imports what lies under _flows/ as flows"
    return None


def twins(paths: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    """Groups of paths that are one path where case or Unicode form is not told apart."""
    groups: dict[str, set[str]] = defaultdict(set)
    for path in paths:
        folded = unicodedata.normalize("NFC", path).casefold()
        groups[unicodedata.normalize("NFC", folded)].add(path)
    return tuple(sorted(tuple(sorted(group)) for group in groups.values() if len(group) > 1))


def obstacles(added: Iterable[str], remaining: Iterable[str]) -> dict[str, str]:
    """New path → a remaining path beside which it cannot exist: one of the two would have to be
    a file and a folder at once."""
    kept = set(remaining)
    below: dict[str, str] = {}
    for path in sorted(kept):
        for folder in _folders(path):
            below.setdefault(folder, path)
    found: dict[str, str] = {}
    for path in added:
        blocking = below.get(path) or next(filter(kept.__contains__, _folders(path)), None)
        if blocking is not None:
            found[path] = blocking
    return found


def _folders(path: str) -> Iterator[str]:
    parts = path.split("/")
    return ("/".join(parts[:depth]) for depth in range(1, len(parts)))


@dataclass(frozen=True, slots=True)
class SyncLayout:
    """The layout of TenantSync and NamespaceSync below one directory of the repository.

    `<directory>/<namespace>/flows/<id>.yaml`, `<directory>/<namespace>/files/**` and
    `<directory>/_global/dashboards/<id>.yaml`; a dotted namespace is one folder.
    """

    #: Without slashes at its ends; empty = the root of the repository.
    git_directory: str = ""

    def flow_path(self, namespace: str, flow_id: str) -> str:
        """Where a new flow goes. Raises Unsafe where no safe path has this name."""
        return self._new(namespace, "flows", self._stem(flow_id, "flow") + ".yaml")

    def file_path(self, namespace: str, name: str) -> str:
        """Where a new namespace file goes. Raises Unsafe where no safe path has this name."""
        return self._new(namespace, "files", name)

    def dashboard_path(self, dashboard_id: str) -> str:
        """Where a new dashboard goes. Raises Unsafe where no safe path has this name."""
        return self._new(GLOBAL, "dashboards", self._stem(dashboard_id, "dashboard") + ".yaml")

    def new_path(self, part: Part, name: str, taken: Collection[str] = frozenset()) -> str:
        """Where a new artifact of a part goes, past the paths that other artifacts have taken (a
        file may hold another id than its name says).

        Raises Unsafe where no safe path has this name or none is free.
        """
        if part.kind is Kind.FILE:
            return self.file_path(part.namespace, name)
        flow = part.kind is Kind.FLOW
        path = self.flow_path(part.namespace, name) if flow else self.dashboard_path(name)
        path = path if path not in taken else path.removesuffix(".yaml") + ".yml"
        if path in taken:
            shown = visible_line(f"{part.namespace}: {name}")
            raise Unsafe(f"{shown} has no free file name: others lie in {visible_line(path)}")
        return path

    def folder(self, part: Part) -> str:
        """The folder of a part: what lies below it belongs to the part, if its name says so."""
        return self._join(part.namespace, _FOLDERS[part.kind])

    def place(self, path: str) -> Place | None:
        """The part that a file of the repository belongs to; None = foreign, never touched.

        Namespaces whose name Kestra could not hold are foreign, and so are files other than
        .yaml and .yml beside flows and dashboards.
        """
        namespace, _, below = (self._below(path) or "").partition("/")
        folder, _, rest = below.partition("/")
        part = _part(namespace, folder)
        if part is None or not rest:
            return None
        owned = part.kind is Kind.FILE or rest.endswith(_TEXT_SUFFIXES)
        return Place(part=part, rest=rest) if owned else None

    def hidden_parts(self, path: str, *, link: bool = True) -> tuple[Part, ...]:
        """The parts that cannot be read because something else lies at this path, in the place of
        the folder of a part or, if it is a symbolic link or submodule, of a namespace.

        An ordinary file (`link` false) beside the folders of namespaces is foreign: a repository
        may hold a `makefile`, which could be the name of a namespace.
        """
        below = self._below(path)
        if below is None or below.count("/") > 1:
            return ()
        namespace, _, folder = below.partition("/")
        if not folder and not link:
            return ()
        folders = (folder,) if folder else _FOLDERS.values()
        found = (_part(namespace, each) for each in folders)
        return tuple(part for part in found if part is not None)

    def _below(self, path: str) -> str | None:
        prefix = f"{self.git_directory}/" if self.git_directory else ""
        return path.removeprefix(prefix) if path.startswith(prefix) else None

    def _join(self, *parts: str) -> str:
        return "/".join((self.git_directory, *parts) if self.git_directory else parts)

    def _new(self, namespace: str, folder: str, rest: str) -> str:
        reason = None if namespace == GLOBAL else check_namespace(namespace)
        path = self._join(namespace, folder, rest)
        if reason := reason or check_path(path):
            shown = visible_line(f"{namespace}: {folder}/{rest}")
            raise Unsafe(f"{shown} cannot be a path in the repository: {reason}")
        return path

    @staticmethod
    def _stem(name: str, noun: str) -> str:
        if "/" in name:
            raise Unsafe(f"{noun} {visible_line(name)}: an id with a slash cannot be a file name")
        return name


@lru_cache(maxsize=10_000)
def _part(namespace: str, folder: str) -> Part | None:
    kind = next((kind for kind, name in _FOLDERS.items() if name == folder), None)
    if kind is None or (namespace == GLOBAL) != (kind is Kind.DASHBOARD):
        return None
    good = namespace == GLOBAL or check_namespace(namespace) is None
    return Part(namespace, kind) if good else None


def stem(rest: str) -> str:
    """The file name without its last suffix: the id that the name of a file promises."""
    return rest.rsplit("/", 1)[-1].rsplit(".", 1)[0]
