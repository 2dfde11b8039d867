"""How archives are read without trust and written so that the same input gives the same bytes."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from tasks.errors import Doubtful

#: Bytes that one archive may unfold to; a tenant of 5,000 flows needs about 7 MB.
UNFOLDED_LIMIT = 1 << 30

#: The header before an entry's bytes: mark, flags, lengths of name and extra field (APPNOTE.TXT of
#: PKWARE, 4.3.7).
_HEADER = struct.Struct("<4s2xH18xHH")
#: Flags of an encrypted or patched entry (4.4.4).
_UNREADABLE = 0x61
#: The name of this entry is UTF-8.
_UTF8 = 0x800

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
            return [(entry.filename, _read(body, entry)) for entry in entries]
    except (
        zipfile.BadZipFile,
        zlib.error,
        struct.error,
        NotImplementedError,
        UnicodeError,
    ) as error:
        raise Doubtful(
            f"{what}: the answer is no whole ZIP archive ({error}); "
            "a proxy may have cut it, ask again"
        ) from None


def _read(body: bytes, entry: zipfile.ZipInfo) -> bytes:
    """The bytes of one entry. An archive holds thousands of small ones, and `ZipFile.read` takes
    three times as long for each, most of it for a file object that is read once."""
    at = entry.header_offset
    mark, flags, name, extra = _HEADER.unpack_from(body, at)
    start = at + _HEADER.size + name + extra
    encoding = "utf-8" if flags & _UTF8 else "cp437"
    named = body[at + _HEADER.size : start - extra] == entry.orig_filename.encode(encoding)
    odd = flags & _UNREADABLE or (flags ^ entry.flag_bits) & (_UNREADABLE | _UTF8)
    if mark != b"PK\3\4" or odd or not named:
        raise zipfile.BadZipFile(f"{entry.filename!r} cannot be read")
    folded_bytes = body[start : start + entry.compress_size]
    content = _inflated(folded_bytes, entry)
    if len(content) != entry.file_size or zlib.crc32(content) != entry.CRC:
        raise zipfile.BadZipFile(f"{entry.filename!r} is damaged")
    return content


def _inflated(folded_bytes: bytes, entry: zipfile.ZipInfo) -> bytes:
    if entry.compress_type == zipfile.ZIP_STORED:
        return folded_bytes
    if entry.compress_type != zipfile.ZIP_DEFLATED:
        raise NotImplementedError(f"{entry.filename!r} is packed by method {entry.compress_type}")
    # One byte more than was promised: an entry that unfolds to more is seen, and never held whole.
    return zlib.decompressobj(-zlib.MAX_WBITS).decompress(folded_bytes, entry.file_size + 1)


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
