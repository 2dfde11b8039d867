"""How archives are read without trust and written so that the same input gives the same bytes."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, TypeVar

from tasks.artifacts import LARGEST
from tasks.errors import Doubtful

#: Bytes that one archive may unfold to; a tenant of 5,000 flows needs about 7 MB.
UNFOLDED_LIMIT = 1 << 30

#: The header before an entry's bytes: mark, flags, lengths of name and extra field (APPNOTE.TXT of
#: PKWARE, 4.3.7).
_HEADER = struct.Struct("<4s2xH18xHH")
#: The end of the directory (4.3.16): mark, entries in all, length of the comment behind it; the
#: larger form of it (4.3.14), and the bytes of the locator that follows that one (4.3.15).
_END = struct.Struct("<4s6xH8xH")
_END64 = struct.Struct("<4s28xQ16x")
_LOCATOR = 20
#: Flags of an encrypted or patched entry (4.4.4).
_UNREADABLE = 0x61
#: The name of this entry is UTF-8.
_UTF8 = 0x800

_Thing = TypeVar("_Thing")


class Unfolded(NamedTuple):
    """What an archive holds: its entries, and of those that are too large only the bytes."""

    entries: list[tuple[str, bytes]]
    large: list[tuple[str, int]]


def unfolded(body: bytes, what: str) -> list[tuple[str, bytes]]:
    """As `unfold`; raises Doubtful for an entry that is too large as well."""
    found = unfold(body, what)
    for _, size in found.large:
        raise Doubtful(f"{what}: an entry of {size} bytes unfolds to more than {LARGEST}")
    return found.entries


def unfold(body: bytes, what: str, *, without: str | None = None) -> Unfolded:
    """The entries of a ZIP archive in its order, directories left out, and what lies below the
    folder `without`. Names are what the archive says: whoever uses one as a path checks it.
    Entries of more than `LARGEST` bytes, by what the archive says, are not unfolded.

    Raises Doubtful when it is damaged, cut, longer than it says, no archive, or unfolds beyond
    `UNFOLDED_LIMIT`.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            _check_whole(body, archive)
            entries = [
                entry
                for entry in archive.infolist()
                if not entry.is_dir() and not (without and entry.filename.startswith(without))
            ]
            large = [(one.filename, one.file_size) for one in entries if one.file_size > LARGEST]
            entries = [entry for entry in entries if entry.file_size <= LARGEST]
            if sum(entry.file_size for entry in entries) > UNFOLDED_LIMIT:
                raise Doubtful(f"{what}: the archive unfolds to more than {UNFOLDED_LIMIT} bytes")
            return Unfolded([(entry.filename, _read(body, entry)) for entry in entries], large)
    except (
        zipfile.BadZipFile,
        zlib.error,
        struct.error,
        NotImplementedError,
        ValueError,
        IndexError,
    ) as error:
        raise Doubtful(
            f"{what}: the answer is no whole ZIP archive ({error}); "
            "a proxy may have cut it, ask again"
        ) from None


def _check_whole(body: bytes, archive: zipfile.ZipFile) -> None:
    """That the archive is all of the body, and its directory names as many entries as its end
    says: one that was cut and joined anew would else be read as a small one."""
    entries = archive.infolist()
    end = len(body) - len(archive.comment) - _END.size
    mark, count, length = _END.unpack_from(body, end)
    if count == 0xFFFF:  # more than this field can say: the record before it says how many
        mark64, count = _END64.unpack_from(body, end - _LOCATOR - _END64.size)
        mark = mark if mark64 == b"PK\6\6" else b""
    if mark != b"PK\5\6" or length != len(archive.comment):
        raise zipfile.BadZipFile("something follows its end")
    if count != len(entries):
        raise zipfile.BadZipFile(f"{len(entries)} entries where its end says {count}")
    if min((entry.header_offset for entry in entries), default=archive.start_dir) != 0:
        raise zipfile.BadZipFile("something stands before its begin")
    if any(entry.filename != entry.orig_filename or not entry.filename for entry in entries):
        raise zipfile.BadZipFile("an entry has no proper name")


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
    content = _inflated(memoryview(body)[start : start + entry.compress_size], entry)
    if len(content) != entry.file_size or zlib.crc32(content) != entry.CRC:
        raise zipfile.BadZipFile(f"{entry.filename!r} is damaged")
    return content


def _inflated(folded_bytes: memoryview, entry: zipfile.ZipInfo) -> bytes:
    if entry.compress_type == zipfile.ZIP_STORED:
        return bytes(folded_bytes)
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
