"""How flows and files travel in ZIP archives: written from packed members, read as a stream.

Reading follows the local headers from the front, as the server does: a body that is no archive
has no entries, and a cut one gives its first entries before it fails.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_LOCAL = struct.Struct("<4sHHHHHIIIHH")
_CENTRAL = struct.Struct("<4sHHHHHHIIIHHHHHII")
_END = struct.Struct("<4sHHHHIIH")
_UTF8_FLAG = 0x800
_DESCRIPTOR_FLAG = 0x8
#: 2026-01-01 00:00 in DOS form: exports of equal texts are equal bytes.
_DOS_DATE = ((2026 - 1980) << 9) | (1 << 5) | 1


class DamagedArchiveError(Exception):
    """The archive ends, or stops making sense, inside an entry."""


class DuplicateEntryError(Exception):
    """Two entries of one archive have the same name."""


@dataclass(frozen=True, slots=True)
class Packed:
    """A content as an archive holds it: checksum, length, deflated bytes."""

    crc: int
    size: int
    deflated: bytes


def pack(content: bytes) -> Packed:
    """Deflate `content` once, to be put into any number of archives."""
    squeeze = zlib.compressobj(6, zlib.DEFLATED, -15)
    deflated = squeeze.compress(content) + squeeze.flush()
    return Packed(zlib.crc32(content), len(content), deflated)


def write_archive(members: Iterable[tuple[str, Packed]]) -> bytes:
    """One archive of all members; raises DuplicateEntryError as the server's writer does."""
    parts: list[bytes] = []
    directory: list[bytes] = []
    seen: set[str] = set()
    offset = 0
    for name, packed in members:
        if name in seen:
            raise DuplicateEntryError(name)
        seen.add(name)
        raw = name.encode()
        shared = (
            8,
            0,
            _DOS_DATE,
            packed.crc,
            len(packed.deflated),
            packed.size,
            len(raw),
        )
        header = _LOCAL.pack(b"PK\3\4", 20, _UTF8_FLAG, *shared, 0) + raw
        parts += (header, packed.deflated)
        directory.append(
            _CENTRAL.pack(b"PK\1\2", 20, 20, _UTF8_FLAG, *shared, 0, 0, 0, 0, 0, offset) + raw
        )
        offset += len(header) + len(packed.deflated)
    tail = b"".join(directory)
    end = _END.pack(b"PK\5\6", 0, 0, len(directory), len(directory), len(tail), offset, 0)
    return b"".join((*parts, tail, end))


def read_archive(body: bytes) -> Iterator[tuple[str, bytes]]:
    """The files of an archive in order; raises DamagedArchiveError where it is cut."""
    at = 0
    while body[at : at + 4] == b"PK\3\4":
        name, content, at = _read_entry(body, at)
        if not name.endswith("/"):
            yield name, content


def _read_entry(body: bytes, at: int) -> tuple[str, bytes, int]:
    if len(body) < at + _LOCAL.size:
        raise DamagedArchiveError
    head = _LOCAL.unpack_from(body, at)
    flags, method, crc, packed_size = head[2], head[3], head[6], head[7]
    name_end = at + _LOCAL.size + head[9]
    name = body[at + _LOCAL.size : name_end].decode(errors="replace")
    start = name_end + head[10]
    if method == 8:
        content, used = _inflate(body, start)
    elif method == 0 and not flags & _DESCRIPTOR_FLAG:
        content, used = body[start : start + packed_size], packed_size
    else:
        raise DamagedArchiveError
    end = start + used
    if flags & _DESCRIPTOR_FLAG:
        signed = body[end : end + 4] == b"PK\7\x08"
        crc = struct.unpack_from("<I", body, end + (4 if signed else 0))[0]
        end += 16 if signed else 12
    if len(content) < head[8] or zlib.crc32(content) != crc:
        raise DamagedArchiveError
    return name, content, end


def _inflate(body: bytes, start: int) -> tuple[bytes, int]:
    expand = zlib.decompressobj(-15)
    try:
        content = expand.decompress(body[start:])
    except zlib.error as error:
        raise DamagedArchiveError from error
    if not expand.eof:
        raise DamagedArchiveError
    return content, len(body) - start - len(expand.unused_data)
