"""Which namespace files a tenant holds, how they are listed, and where they are stored.

A path is listed in one form and stored in another: the storage name is the path of a URI, so what
follows `#` is cut and `%41` becomes `A`, and several names can share one content.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
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
    deleted: bool = False
    #: Storage names by revision, the first is revision 1.
    revisions: list[str] = field(default_factory=list)


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
    """The files of one namespace."""

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace
        self._rows: dict[str, Row] = {}
        self.storage: dict[str, Content] = {}

    def row(self, path: str) -> Row | None:
        """The live row of a listed path."""
        row = self._rows.get(path)
        return None if row is None or row.deleted else row

    def rows(self) -> list[Row]:
        """All live rows, folders included, sorted by path."""
        return sorted((row for row in self._rows.values() if not row.deleted), key=_path_of)

    def files(self) -> list[Row]:
        """The live files, sorted by path."""
        return [row for row in self.rows() if not row.path.endswith("/")]

    def children(self, folder: str) -> Iterator[Row]:
        """The live rows directly in a folder, which is given with its ending slash."""
        for row in self.rows():
            rest = row.path.removeprefix(folder)
            if row.path.startswith(folder) and rest and "/" not in rest[:-1]:
                yield row

    def content(self, path: str, revision: int | None = None) -> Content | None:
        """The content of a file; None where the file or that revision is absent."""
        row = self.row(path)
        if row is None or not row.revisions:
            return None
        if revision is None:
            return self.storage.get(row.revisions[-1])
        if not 1 <= revision <= len(row.revisions):
            return None
        return self.storage.get(row.revisions[revision - 1])

    def write(self, path: str, raw: bytes) -> None:
        """Store bytes as the next revision of a listed path, equal or not."""
        self.make_folders(path)
        row = self._revive(path)
        name = storage_name(path, len(row.revisions) + 1)
        before = self.storage.get(name)
        row.revisions.append(name)
        self.storage[name] = Content(raw, time.time())

        def undo() -> None:
            row.revisions.pop()
            row.deleted = not row.revisions
            self.storage.pop(name)
            if before is not None:
                self.storage[name] = before

        note(f"file {self.namespace}{path}", undo)

    def make_folder(self, path: str) -> None:
        """Make one folder; those above it are not made, as on the server."""
        self._revive(path + "/")

    def make_folders(self, path: str) -> None:
        """Make all folders above a path."""
        parts = path.split("/")[1:-1]
        for depth in range(len(parts)):
            self._revive("/" + "/".join(parts[: depth + 1]) + "/")

    def delete(self, path: str) -> None:
        """Delete a file or a folder with all it holds; absent paths are no error."""
        folder = path + "/"
        for row in list(self._rows.values()):
            if not row.deleted and (row.path in (path, folder) or row.path.startswith(folder)):
                self._remove(row)
        self._remove_empty_parents(path)

    def blocked_by(self, path: str) -> bool:
        """True where a file stands in the place of one of the path's folders."""
        parts = path.split("/")
        return any(self.row("/".join(parts[:depth])) for depth in range(2, len(parts)))

    def move(self, source: str, target: str) -> None:
        """Give a file, or all files of a folder, another path; an absent one is no error."""
        folder = source + "/"
        for row in self.files():
            if row.path == source or row.path.startswith(folder):
                content = self.content(row.path)
                if content is not None:
                    self.write(target + row.path.removeprefix(source), content.raw)
                self._remove(row)
        self.delete(source)

    def _remove_empty_parents(self, path: str) -> None:
        parent = path.rpartition("/")[0]
        while parent:
            row = self.row(parent + "/")
            if row is None or any(self.children(parent + "/")):
                return
            self._remove(row)
            parent = parent.rpartition("/")[0]

    def _remove(self, row: Row) -> None:
        row.deleted = True
        note(f"file {self.namespace}{row.path}", _undelete(row))

    def _revive(self, path: str) -> Row:
        row = self._rows.setdefault(path, Row(path, time.time()))
        if row.deleted:
            row.deleted = False
        return row


def _path_of(row: Row) -> str:
    return row.path


def _undelete(row: Row) -> Callable[[], None]:
    def undo() -> None:
        row.deleted = False

    return undo
