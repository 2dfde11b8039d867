"""Archives of a server are read without trust: whole and as they were packed, or not at all."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable

import pytest

from tasks.errors import Doubtful
from tasks.kestra import archives
from tasks.kestra.archives import folded, unfolded

ENTRIES = [("a/one.yml", b"id: one\n" * 50), ("ä/zwei.bin", bytes(range(256))), ("empty", b"")]


def _packed(**options: int) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", **options) as archive:  # type: ignore[call-overload]
        archive.writestr("folder/", b"")
        for name, content in ENTRIES:
            archive.writestr(name, content)
    return target.getvalue()


def _streamed() -> bytes:
    """As a server writes it that does not know the sizes before: a descriptor behind the bytes."""

    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

    target = Pipe()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in ENTRIES:
            archive.writestr(name, content)
    return target.getvalue()


@pytest.mark.parametrize(
    "body",
    [
        folded(ENTRIES),
        _packed(compression=zipfile.ZIP_STORED),
        _packed(compression=zipfile.ZIP_DEFLATED, compresslevel=9),
        _streamed(),
        b"something before it" + folded(ENTRIES),
    ],
    ids=["ours", "stored", "deflated", "streamed", "behind other bytes"],
)
def test_every_entry_comes_as_it_was_packed(body: bytes) -> None:
    assert unfolded(body, "the export") == ENTRIES


def test_what_lies_below_a_folder_can_be_left_out() -> None:
    assert unfolded(folded(ENTRIES), "the export", without="a/") == ENTRIES[1:]


def _in_directory(body: bytes, offset: int, value: bytes) -> bytes:
    """The archive with another value in the directory's row of the first entry (APPNOTE 4.3.12)."""
    at = body.index(b"PK\1\2") + offset
    return body[:at] + value + body[at + len(value) :]


BODY = folded(ENTRIES)
BROKEN: dict[str, Callable[[], bytes]] = {
    "no archive": lambda: b"<html>",
    "empty": lambda: b"",
    "cut": lambda: BODY[: len(BODY) // 2],
    "encrypted": lambda: _in_directory(BODY, 8, struct.pack("<H", 1)),
    "another method": lambda: _packed(compression=zipfile.ZIP_BZIP2),
    "another checksum": lambda: _in_directory(BODY, 16, struct.pack("<I", 1)),
    "unfolds to more than it says": lambda: _in_directory(BODY, 24, struct.pack("<I", 7)),
    "unfolds to less than it says": lambda: _in_directory(BODY, 24, struct.pack("<I", 401)),
    "another name in the directory": lambda: _in_directory(BODY, 46, b"b"),
    "a name that is no text": lambda: folded([("ä", b"")]).replace("ä".encode(), b"\xff\xff"),
    "points to no entry": lambda: _in_directory(BODY, 42, struct.pack("<I", 3)),
    "points behind its end": lambda: _in_directory(BODY, 42, struct.pack("<I", 1 << 30)),
}


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN.keys())
def test_an_archive_that_is_not_whole_is_doubtful(body: Callable[[], bytes]) -> None:
    with pytest.raises(Doubtful, match="the export: the answer is no whole ZIP archive"):
        unfolded(body(), "the export")


def test_an_archive_that_unfolds_to_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "UNFOLDED_LIMIT", 500)
    with pytest.raises(Doubtful, match="unfolds to more than 500 bytes"):
        unfolded(BODY, "the export")


def test_one_wrong_bit_never_gives_other_contents() -> None:
    for bit in range(len(BODY) * 8):
        spoilt = bytearray(BODY)
        spoilt[bit // 8] ^= 1 << bit % 8
        try:
            found = dict(unfolded(bytes(spoilt), "the export"))
        except Doubtful:
            continue
        # What no checksum covers (times, attributes) may differ, and entries be missed where the
        # directory says that it has fewer; a text under its name is always the one packed.
        assert found.items() <= dict(ENTRIES).items(), bit
