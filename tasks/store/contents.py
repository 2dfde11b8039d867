"""Immutable contents named by the sha256 of their bytes, in a folder or bucket."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping

from tasks.artifacts import content_digest
from tasks.errors import Doubtful, TenantSyncError
from tasks.store.blobs import blobs

#: Blobs of slices that one process keeps in memory.
REMEMBERED = 4
#: Bytes from which a content is a blob of its own, and of contents in one blob, about.
ALONE, TOGETHER = 1 << 20, 16 << 20
#: The blob that says whose contents these are: see `tasks.store.belonging`.
OWNER = "records-id"
#: A blob, or one that was being written when its process died.
_BLOB = re.compile(r"[0-9a-f]{64}(\.[0-9a-f]{8})?")
#: The name of a blob, and perhaps of a slice in it.
_NAME = re.compile(r"[0-9a-f]{64}(?:@[0-9]+\+[0-9]+)?")


class ContentMissing(TenantSyncError):
    """A content that a record names is not in the store (was it shared by all hosts?)."""


class Contents:
    """The contents store at an fsspec URL (`file:///var/lib/tenantsync/contents`, `s3://...`).

    Every method raises Unreachable when the store is away, and ConfigError for a bucket, login or
    address that is wrong. Putting a content that is there renews its time, which keeps `tidy`
    from removing it.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._blobs = blobs(url)
        self._last: dict[str, bytes] = {}

    def put(self, content: bytes) -> str:
        """Stores the bytes; returns their name (sha256, 64 hex digits)."""
        name = content_digest(content)
        self._blobs.put(_path(name), content)
        return name

    def put_together(self, contents: Iterable[bytes]) -> list[str]:
        """Stores several contents in few blobs: one file, or one object of a bucket, instead of
        many. Returns their names, each a slice of a blob, `sha256@offset+length`; large ones are
        blobs of their own, so that nobody copies or reads them for another's sake."""
        names: dict[int, str] = {}
        waiting: dict[int, bytes] = {}
        size = 0
        for number, content in enumerate(contents):
            if len(content) >= ALONE:
                names[number] = self.put(content)
                continue
            waiting[number], size = content, size + len(content)
            if size >= TOGETHER:
                names |= self._joined(waiting)
                waiting, size = {}, 0
        names |= self._joined(waiting)
        return [names[number] for number in range(len(names))]

    def _joined(self, contents: Mapping[int, bytes]) -> dict[int, str]:
        if not contents:
            return {}
        blob, at, names = self.put(b"".join(contents.values())), 0, {}
        for number, content in contents.items():
            names[number] = f"{blob}@{at}+{len(content)}"
            at += len(content)
        return names

    def size(self, name: str) -> int:
        """The bytes of a content, without reading it. Raises ContentMissing."""
        blob, _, span = name.partition("@")
        try:
            return int(span.partition("+")[2]) if span else self._blobs.size(_path(blob))
        except FileNotFoundError:
            raise self._missing(blob) from None

    def get(self, name: str) -> bytes:
        """The bytes of that name, whole or a slice. Raises ContentMissing, or Doubtful when they
        were damaged, or for what is no name of a content (it would be a path)."""
        if not _NAME.fullmatch(name):
            raise Doubtful(f"contents store {self.url}: {name[:12]!r} is no name of a content")
        blob, _, span = name.partition("@")
        if not span:
            return self._whole(blob)
        offset, _, length = span.partition("+")
        whole = self._remembered(blob)
        return whole[int(offset) : int(offset) + int(length)]

    def _remembered(self, blob: str) -> bytes:
        """A blob of which slices are read one after the other; the last few are kept."""
        if blob not in self._last:
            while len(self._last) >= REMEMBERED:
                self._last.pop(next(iter(self._last)))
            self._last[blob] = self._whole(blob)
        return self._last[blob]

    def _whole(self, name: str) -> bytes:
        try:
            content = self._blobs.read(_path(name))
        except FileNotFoundError:
            raise self._missing(name) from None
        if content_digest(content) != name:
            raise Doubtful(f"contents store {self.url}: {name[:12]} is damaged")
        return content

    def _missing(self, name: str) -> ContentMissing:
        return ContentMissing(
            f"contents store {self.url} has no {name[:12]}: do all workers share this store?"
        )

    def remove_unused(self, used: frozenset[str], older_than: float) -> int:
        """Removes blobs that are not in `used` and that nobody staged for `older_than` seconds."""
        limit, removed = time.time() - older_than, 0
        for path, modified in self._blobs.all():
            name = path.rpartition("/")[2]
            unused = _BLOB.fullmatch(name) and name not in used and modified < limit
            if unused and self._is_older(path, limit):
                self._blobs.remove(path)
                removed += 1
        return removed

    def _is_older(self, path: str, limit: float) -> bool:
        """Looked at again, because a blob may be staged after the store was listed."""
        try:
            return self._blobs.modified(path) < limit
        except FileNotFoundError:
            return False

    def owner(self) -> str | None:
        """The id of the records that these contents belong to; None where nobody noted it."""
        try:
            return self._blobs.read(OWNER).decode(errors="replace").strip()
        except FileNotFoundError:
            return None

    def give_to(self, owner: str) -> None:
        """Notes whose contents these are."""
        self._blobs.put(OWNER, f"{owner}\n".encode())


def _path(name: str) -> str:
    return f"{name[:2]}/{name}"
