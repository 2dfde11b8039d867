"""How archives are read without trust and written so that the same input gives the same bytes."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from tasks.errors import Doubtful

#: Bytes that one archive may unfold to; a tenant of 5,000 flows needs about 7 MB.
UNFOLDED_LIMIT = 1 << 30

_Thing = TypeVar("_Thing")


def unfolded(body: bytes, what: str, *, without: str | None = None) -> list[tuple[str, bytes]]:
    """The entries of a ZIP archive in its order, directories left out, and what lies below the
    folder `without`.

    Raises Doubtful when it is damaged, cut, no archive, or unfolds beyond `UNFOLDED_LIMIT`.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            entries = [
                entry
                for entry in archive.infolist()
                if not entry.is_dir() and not (without and entry.filename.startswith(without))
            ]
            if sum(entry.file_size for entry in entries) > UNFOLDED_LIMIT:
                raise Doubtful(f"{what}: the archive unfolds to more than {UNFOLDED_LIMIT} bytes")
            return [(entry.filename, archive.read(entry)) for entry in entries]
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise Doubtful(
            f"{what}: the answer is no whole ZIP archive ({error}); "
            "a proxy may have cut it, ask again"
        ) from None


def folded(entries: Iterable[tuple[str, bytes]]) -> bytes:
    """A ZIP archive of these entries, in this order, without times."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return target.getvalue()


def chunked(
    things: Sequence[tuple[_Thing, int]], *, count: int, size: int
) -> Iterator[tuple[_Thing, ...]]:
    """The things (each with its size in bytes) in order, cut into chunks of at most `count`
    things and `size` bytes; one thing that is larger than that is a chunk of its own."""
    chunk: list[_Thing] = []
    weight = 0
    for thing, bytes_ in things:
        if chunk and (len(chunk) == count or weight + bytes_ > size):
            yield tuple(chunk)
            chunk, weight = [], 0
        chunk.append(thing)
        weight += bytes_
    if chunk:
        yield tuple(chunk)
