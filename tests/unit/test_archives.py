"""Archives of a server are read without trust: whole and as they were packed, or not at all."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.errors import Doubtful
from tasks.kestra import archives
from tasks.kestra.archives import folded, unfold, unfolded

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


def _large() -> bytes:
    """With the records of archives that are too large for the old ones (APPNOTE 4.3.14)."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in ENTRIES:
            with archive.open(name, "w", force_zip64=True) as entry:
                entry.write(content)
    body = target.getvalue()
    end = len(body) - 22
    size, start = struct.unpack_from("<II", body, end + 12)
    count = len(ENTRIES)
    record = struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, count, count, size, start)
    locator = struct.pack("<4sIQI", b"PK\6\7", 0, end, 1)
    last = struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 2**32 - 1, 2**32 - 1, 0)
    return body[:end] + record + locator + last


def _commented(comment: bytes) -> bytes:
    target = io.BytesIO(folded(ENTRIES))
    with zipfile.ZipFile(target, "a") as archive:
        archive.comment = comment
    return target.getvalue()


def _listing(*names: str) -> bytes:
    """An archive whose directory lists one entry by each of these names."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name in names:
            archive.writestr(zipfile.ZipInfo(name), b"x")
    return target.getvalue()


@pytest.mark.parametrize(
    "body",
    [
        folded(ENTRIES),
        _packed(compression=zipfile.ZIP_STORED),
        _packed(compression=zipfile.ZIP_DEFLATED, compresslevel=9),
        _streamed(),
        _large(),
        _commented(b"c" * 65535),
    ],
    ids=["ours", "stored", "deflated", "streamed", "ZIP64", "with a long comment"],
)
def test_every_entry_comes_as_it_was_packed(body: bytes) -> None:
    assert unfolded(body, "the export") == ENTRIES


def test_what_lies_below_a_folder_can_be_left_out() -> None:
    assert unfold(folded(ENTRIES), "the export", without="a/").entries == ENTRIES[1:]


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
    "behind other bytes": lambda: b"something before it" + BODY,
    "before other bytes": lambda: BODY + b"something behind it",
    "two archives": lambda: BODY + folded([("one", b"1")]),
    "an empty one behind": lambda: BODY + folded([]),
    "an empty one behind other bytes": lambda: b"x" + folded([]),
    "fewer than its end says": lambda: _at_end(BODY, 10, struct.pack("<H", 4)),
    "a shorter comment than it says": lambda: _at_end(BODY, 20, struct.pack("<H", 7)),
    "a cut directory": lambda: _without_row(BODY),
    "a cut ZIP64": lambda: _without_row(_large()),
    "an empty name": lambda: _listing("a").replace(b"\x01\0\0\0a", b"\0\0\0\0a"),
    "NUL in a name": lambda: _listing("a-b").replace(b"a-b", b"a\0b"),
    "a name of another length": lambda: BODY.replace(b"\x09\0\0\0a/one", b"\xff\xff\0\0a/one"),
    "points behind its end": lambda: _in_directory(BODY, 42, struct.pack("<I", 1 << 30)),
}


def _at_end(body: bytes, offset: int, value: bytes) -> bytes:
    at = body.rindex(b"PK\5\6") + offset
    return body[:at] + value + body[at + len(value) :]


def _without_row(body: bytes) -> bytes:
    """The archive without the last row of its directory, and the size of that said anew."""
    row, end = body.rindex(b"PK\1\2"), max(body.rfind(b"PK\6\6"), -1)
    end = end if end >= 0 else body.rindex(b"PK\5\6")
    cut = body[:row] + body[end:]
    offset = 40 if b"PK\6\6" in cut else 12
    at = cut.rindex(b"PK\6\6" if b"PK\6\6" in cut else b"PK\5\6") + offset
    (size,) = struct.unpack_from("<I", cut, at)
    cut = cut[:at] + struct.pack("<I", size - (end - row)) + cut[at + 4 :]
    locator = cut.rfind(b"PK\6\7")
    return cut if locator < 0 else cut[: locator + 8] + struct.pack("<Q", row) + cut[locator + 16 :]


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
        # What no checksum covers (times, attributes) may differ; the texts and their names never.
        assert found == dict(ENTRIES), bit


def test_names_are_given_as_they_are_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names = ["../up", "/etc/x", "a/../../b", "C:\\x", "link", "\x1b[2J", "a\nb", "ä" * 100]
    assert [name for name, _ in unfolded(_listing(*names), "the export")] == names
    assert not list(tmp_path.iterdir())


def test_names_that_are_no_utf8_are_read_as_the_format_says() -> None:
    body = folded([("abc", b"x")]).replace(b"abc", b"a\x81c")
    assert unfolded(body, "the export") == [("a\u00fcc", b"x")]  # cp437 (APPNOTE, appendix D)


def test_one_name_twice_gives_both_for_others_to_refuse() -> None:
    body = _listing("a", "b").replace(b"b", b"a")
    assert unfolded(body, "the export") == [("a", b"x"), ("a", b"x")]


def _bomb(claimed: int) -> bytes:
    """An entry of 64 MiB of zeros that says another size, in both of its headers."""
    body = bytearray(folded([("bomb", bytes(64 << 20))]))
    for mark, offset in ((b"PK\3\4", 22), (b"PK\1\2", 24)):
        struct.pack_into("<I", body, body.index(mark) + offset, claimed)
    return bytes(body)


def test_a_bomb_is_never_unfolded_further_than_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    body = _bomb(1000)
    tracemalloc.start()
    try:
        with pytest.raises(Doubtful, match="is damaged"):
            unfolded(body, "the export")
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()
    with pytest.raises(Doubtful, match="unfolds to more than"):
        unfolded(_bomb(2**32 - 2), "the export")


def test_many_entries_over_the_same_bytes_count_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """Entries may overlap (a bomb that needs no nesting): what each unfolds to is summed first."""
    body = folded([("a", bytes(1 << 20))])
    row, end = body.index(b"PK\1\2"), body.index(b"PK\5\6")
    count = 3000
    rows = body[row:end] * count
    last = struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, count, count, len(rows), row, 0)
    with pytest.raises(Doubtful, match="unfolds to more than 1073741824 bytes"):
        unfolded(body[:row] + rows + last, "the export")


def test_an_archive_in_an_archive_is_a_file_like_others() -> None:
    inner = folded([("a", bytes(1 << 20))])
    assert unfolded(folded([("inner.zip", inner)]), "the export") == [("inner.zip", inner)]
