"""Which namespace files a tenant holds, how they are listed, and where they are stored.

A path is listed in one form and stored in another: the storage name is the path of a URI, so what
follows `#` is cut and `%41` becomes `A`, and several names can share one content.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import unquote

from .archive import Packed, pack
from .errors import illegal_argument
from .journal import note

#: The longest name of a file or folder.
MAX_COMPONENT = 255
_ILLEGAL = re.compile(r'["<>\[\]^`{|}\x00-\x20\x7f]|%(?![0-9A-Fa-f]{2})')


@dataclass(slots=True)
class Content:
    """Bytes at one place of the storage."""

    raw: bytes
    written: float
    _packed: Packed | None = field(default=None, repr=False)

    @property
    def packed(self) -> Packed:
        """The bytes as archives hold them, deflated once."""
        if self._packed is None:
            self._packed = pack(self.raw)
        return self._packed


@dataclass(slots=True)
class Row:
    """A listed path: a file with its revisions, or a folder (its path ends with `/`)."""

    path: str
    created: float
    live: bool = False
    #: Storage names by revision, the first is revision 1.
    revisions: list[str] = field(default_factory=list)
    #: Revisions that were the present one when the file was deleted: no longer readable.
    deleted: set[int] = field(default_factory=set)

    @property
    def parent(self) -> str:
        """The folder it lies in, with its ending slash."""
        return self.path.rstrip("/").rpartition("/")[0] + "/"


def listed_path(given: str) -> str:
    """The form in which a path is kept: one leading slash, none at the end, a blank is `+`."""
    parts = given.replace("\\", "/").replace(" ", "+").split("/")
    return "/" + "/".join(part for part in parts if part not in ("", "."))


def check_path(given: str, namespace: str) -> str:
    """The listed form of a path that is to be written; names that cannot be held are 422."""
    refuse_parents(given)
    path = listed_path(given)
    if any(len(part) > MAX_COMPONENT for part in path.split("/")):
        raise illegal_argument(
            f"A file or folder name exceeds the maximum length of {MAX_COMPONENT} characters."
        )
    uri = f"kestra:///{namespace.replace('.', '/')}/_files{path}"
    illegal = _ILLEGAL.search(uri)
    if illegal:
        what = "Malformed escape pair" if illegal[0] == "%" else "Illegal character in path"
        raise illegal_argument(f"{what} at index {illegal.start()}: {uri}")
    return path


def refuse_parents(given: str) -> None:
    """A path with `..` is 422, for reading as well."""
    if ".." in given.replace("\\", "/").split("/"):
        raise illegal_argument(
            "File should be accessed with their full path and not using relative '..' path."
        )


def storage_name(path: str, revision: int) -> str:
    """Where revision `revision` of a listed path is stored."""
    named = path if revision == 1 else f"{path}.v{revision}"
    return unquote(re.split(r"[?#]", named, maxsplit=1)[0])


class NamespaceFiles:
    """The files of one namespace.

    `entries` counts the live rows of every folder path over all namespaces of the tenant.
    """

    def __init__(self, namespace: str, entries: Counter[str]) -> None:
        self.namespace = namespace
        self.storage: dict[str, Content] = {}
        self._rows: dict[str, Row] = {}
        self._entries = entries

    def row(self, path: str) -> Row | None:
        """The live row of a listed path."""
        row = self._rows.get(path)
        return row if row is not None and row.live else None

    def rows(self) -> list[Row]:
        """All live rows, folders included, sorted by path."""
        return sorted((row for row in self._rows.values() if row.live), key=_path_of)

    def files(self) -> list[Row]:
        """The live files, sorted by path."""
        return [row for row in self.rows() if not row.path.endswith("/")]

    def children(self, folder: str) -> Iterator[Row]:
        """The live rows directly in a folder, which is given with its ending slash."""
        return (row for row in self.rows() if row.parent == folder)

    def content(self, path: str, revision: int | None = None) -> Content | None:
        """The content of a file; None where the file or that revision is absent. A deletion takes
        the newest revision, the older ones are still given."""
        row = self._rows.get(path)
        if row is None or not row.revisions or (revision is None and not row.live):
            return None
        number = len(row.revisions) if revision is None else revision
        if not 1 <= number <= len(row.revisions) or number in row.deleted:
            return None
        return self.storage.get(row.revisions[number - 1])

    def write(self, path: str, raw: bytes) -> None:
        """Store bytes as the next revision of a listed path, equal or not."""
        self._make_parents(path)
        row = self._revive(path)
        name = storage_name(path, len(row.revisions) + 1)
        before = self.storage.get(name)
        row.revisions.append(name)
        self.storage[name] = Content(raw, time.time())

        def undo() -> None:
            row.revisions.pop()
            self._set_live(row, bool(row.revisions))
            self.storage.pop(name)
            if before is not None:
                self.storage[name] = before

        note(f"file {self.namespace}{path}", undo)

    def make_folder(self, path: str) -> None:
        """Make one folder; those above it are not made, as on the server."""
        self._revive(path + "/")

    def blocked_by(self, path: str) -> bool:
        """True where a file stands in the place of one of the path's folders."""
        parts = path.split("/")
        return any(self.row("/".join(parts[:depth])) for depth in range(2, len(parts)))

    def delete(self, path: str) -> None:
        """Delete a file or a folder, and the folders above that hold one entry only.

        As on the server the entries of a folder are counted over all namespaces, and nobody asks
        whether the one entry is the path to be deleted: deleting an absent path deletes its only
        sibling.
        """
        parent = path.rpartition("/")[0]
        while parent and self._entries[parent + "/"] == 1:
            path, parent = parent, parent.rpartition("/")[0]
        for row in list(self._rows.values()):
            if row.live and (row.path == path or row.path.startswith(path + "/")):
                self._remove(row)

    def move(self, source: str, target: str) -> None:
        """Give a file, or a folder with all it holds, another path; an absent one is no error."""
        self._make_parents(target)
        for row in self.rows():
            if row.path == source or row.path.startswith(source + "/"):
                moved = Row(target + row.path.removeprefix(source), row.created)
                for number, name in enumerate(row.revisions, 1):
                    moved.revisions.append(storage_name(moved.path, number))
                    self.storage[moved.revisions[-1]] = self.storage.pop(name)
                self._set_live(row, False)
                self._rows.pop(row.path)
                self._rows[moved.path] = moved
                self._set_live(moved, True)

    def _make_parents(self, path: str) -> None:
        parts = path.split("/")[1:-1]
        for depth in range(len(parts)):
            self._revive("/" + "/".join(parts[: depth + 1]) + "/")

    def _remove(self, row: Row) -> None:
        self._set_live(row, False)
        number = len(row.revisions)
        row.deleted.add(number)

        def undo() -> None:
            row.deleted.discard(number)
            self._set_live(row, True)

        note(f"file {self.namespace}{row.path}", undo)

    def _revive(self, path: str) -> Row:
        row = self._rows.setdefault(path, Row(path, time.time()))
        self._set_live(row, True)
        return row

    def _set_live(self, row: Row, live: bool) -> None:
        if row.live != live:
            row.live = live
            self._entries[row.parent] += 1 if live else -1


def _path_of(row: Row) -> str:
    return row.path
