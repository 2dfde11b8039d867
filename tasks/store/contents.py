"""Immutable blobs named by the sha256 of their bytes, in a directory or bucket."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator, Sequence
from typing import Any

import fsspec

from tasks.artifacts import content_digest
from tasks.errors import Doubtful, TenantSyncError, Unreachable

#: Blobs of slices that one process keeps in memory.
REMEMBERED = 4


class ContentMissing(TenantSyncError):
    """A content that a record names is not in the store (was it shared by all hosts?)."""


class Contents:
    """The contents store at an fsspec URL (`file:///var/lib/tenantsync/contents`, `s3://...`).

    A blob is written under another name and renamed, so that a reader never sees half of it;
    putting a blob that is there renews its time, which keeps `tidy` from removing it.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._files, self._root = fsspec.core.url_to_fs(url)
        self._local = "file" in _protocols(self._files)
        self._last: dict[str, bytes] = {}

    def put(self, content: bytes) -> str:
        """Stores the bytes; returns their name (sha256, 64 hex digits)."""
        name = content_digest(content)
        path = self._path(name)
        try:
            if self._exists(path):
                self._touch(path, content)
            else:
                self._write(path, content)
        except OSError as error:
            raise Unreachable(f"contents store {self.url}: {error.strerror or error}") from error
        return name

    def put_together(self, contents: Sequence[bytes]) -> list[str]:
        """Stores several contents as one blob: one file, or one object of a bucket, instead of
        many. Returns their names, each a slice of the blob: `sha256@offset+length`."""
        if not contents:
            return []
        blob, at, names = self.put(b"".join(contents)), 0, []
        for content in contents:
            names.append(f"{blob}@{at}+{len(content)}")
            at += len(content)
        return names

    def get(self, name: str) -> bytes:
        """The bytes of that name, whole or a slice. Raises ContentMissing, or Doubtful when they
        were damaged."""
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
            content: bytes = self._files.cat_file(self._path(name))
        except FileNotFoundError:
            raise ContentMissing(
                f"contents store {self.url} has no {name[:12]}: do all workers share this store?"
            ) from None
        except OSError as error:
            raise Unreachable(f"contents store {self.url}: {error.strerror or error}") from error
        if content_digest(content) != name:
            raise Doubtful(f"contents store {self.url}: {name[:12]} is damaged")
        return content

    def remove_unused(self, used: frozenset[str], older_than: float) -> int:
        """Removes blobs that are not in `used` and that nobody staged for `older_than` seconds."""
        limit, removed = time.time() - older_than, 0
        for path in self._all():
            if path.rsplit("/", 1)[-1] not in used and self._modified(path) < limit:
                self._files.rm_file(path)
                removed += 1
        return removed

    def _path(self, name: str) -> str:
        return f"{self._root}/{name[:2]}/{name}"

    def _exists(self, path: str) -> bool:
        return os.path.exists(path) if self._local else bool(self._files.exists(path))  # noqa: PTH110

    def _touch(self, path: str, content: bytes) -> None:
        if self._local:
            os.utime(path)
        else:
            self._files.pipe_file(path, content)  # an object of a bucket has no time to set

    def _write(self, path: str, content: bytes) -> None:
        self._files.makedirs(path.rsplit("/", 1)[0], exist_ok=True)
        if not self._local:
            self._files.pipe_file(path, content)  # object stores put whole objects
            return
        aside = f"{path}.{secrets.token_hex(4)}"
        with open(aside, "wb") as file:  # noqa: PTH123
            file.write(content)
        os.replace(aside, path)  # noqa: PTH105

    def _all(self) -> Iterator[str]:
        yield from self._files.find(self._root)

    def _modified(self, path: str) -> float:
        stamp: Any = self._files.modified(path)
        return float(stamp.timestamp())


def _protocols(files: Any) -> tuple[str, ...]:
    protocol = files.protocol
    return (protocol,) if isinstance(protocol, str) else tuple(protocol)
