"""Patches that git applies byte for byte, and counts of lines."""

from __future__ import annotations

import subprocess
import time
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.lines import edits, split_lines
from tasks.patch import MAX_SHOWN, line_counts, patch, shown
from tasks.plan import Action
from tests.planmaking import change

_LINE = st.sampled_from(
    [b"a", b"b", b"c", b"d", b"", b" x", b"\r", b"\xc3\xa9", b"-", b"@@ -1 +1 @@"]
)
_TEXT = st.builds(
    lambda lines, end: b"\n".join(lines) + end,
    st.lists(_LINE, max_size=25),
    st.sampled_from([b"", b"\n"]),
)


@given(_TEXT, _TEXT)
def test_edits_lead_from_the_one_text_to_the_other(one: bytes, other: bytes) -> None:
    old, new = split_lines(one), split_lines(other)
    built: list[bytes] = []
    at = new_at = 0
    for old_from, old_to, new_from, new_to in edits(old, new):
        assert old_to > old_from or new_to > new_from
        assert old_from - at == new_from - new_at
        built += old[at:old_from] + new[new_from:new_to]
        at, new_at = old_to, new_to
    assert built + old[at:] == new
    assert b"".join(old) == one


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (None, b"a\nb", (2, 0)),
        (b"a\nb\n", None, (0, 2)),
        (b"a\nb\nc\n", b"a\nx\nc\n", (1, 1)),
        (b"a\nb\n", b"a\nb\nc\n", (1, 0)),
        (b"a\nb", b"a\nb\n", (1, 1)),
        (b"a\n", b"a\n", (0, 0)),
        (b"", b"", (0, 0)),
        (None, b"\0", (None, None)),
        (b"\xff", b"a", (None, None)),
    ],
)
def test_lines_are_counted_as_git_counts_them(before, after, expected) -> None:
    assert line_counts(before, after) == expected


def _lines(numbers) -> bytes:
    return b"".join(b"%d\n" % number for number in numbers)


def _sparse(word: bytes) -> bytes:
    """Lines that stand twice, far apart among lines that only this text holds."""
    return b"".join(
        b"twice %d\n" % (at % 900) + b"".join(b"%s %d %d\n" % (word, at, n) for n in range(60))
        for at in range(1800)
    )


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (_lines(range(20_000)), _lines(range(1, 20_000, 2)), (0, 10_000)),
        (
            _lines(range(20_000)),
            b"".join(b"%d\n%d\n" % (number, -number - 1) for number in range(20_000)),
            (20_000, 0),
        ),
        (_lines(range(20_000)), _lines(range(19_999, -1, -1)), (19_999, 19_999)),
        (b"x\n" * 100_000, b"x\n" * 99_999 + b"y\n", (1, 1)),
        (_sparse(b"old"), _sparse(b"new"), None),
        (_lines(n % 90 for n in range(9000)), _lines(n * 7 % 90 for n in range(9000)), None),
    ],
    ids=["half", "double", "reversed", "alike", "sparse", "few"],
)
def test_no_pair_of_texts_takes_for_ever(before, after, expected) -> None:
    started = time.monotonic()
    counts = line_counts(before, after)
    assert expected is None or counts == expected
    assert time.monotonic() - started < 15


def _change(path: str, mode: str = "100644"):
    return change(Action.UPDATE, "x", path=path, mode=mode)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tree")
    subprocess.run(["git", "init", "-q", path], check=True)
    return path


def _applied(tree: Path, path: str, before: bytes | None, patched: bytes) -> bytes | None:
    """What git makes of a file with a patch."""
    file = tree / path
    file.unlink(missing_ok=True)
    if before is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(before)
    if not patched.endswith(b" 100644\n") or before is not None:
        command = ["git", "-C", str(tree), "apply", "--whitespace=nowarn", "-"]
        done = subprocess.run(command, input=patched, capture_output=True, check=False)
        assert done.returncode == 0, (done.stderr, patched)
    return file.read_bytes() if file.exists() else None


@settings(max_examples=40, deadline=None)
@given(before=_TEXT, after=_TEXT)
def test_git_applies_the_patch_byte_for_byte(tree: Path, before: bytes, after: bytes) -> None:
    if before != after:
        patched = patch(_change("d/file.txt"), before, after)
        assert _applied(tree, "d/file.txt", before, patched) == after


@pytest.mark.parametrize(
    "path", ["a b.txt", "übersicht 日本.txt", 'quote"s.txt', "back\\slash", "tab\there", "a\nb"]
)
@pytest.mark.parametrize(("before", "after"), [(None, b"1\n"), (b"1", None), (b"1\n", b"2")])
def test_git_understands_every_name_and_new_and_deleted_files(tree, path, before, after) -> None:
    assert _applied(tree, path, before, patch(_change(path), before, after)) == after


def test_the_patch_of_a_change_reads_as_git_writes_it() -> None:
    before = b"".join(b"%d\n" % line for line in range(1, 21))
    after = before.replace(b"5\n", b"five\n", 1).replace(b"20\n", b"20")
    assert patch(_change("team/flows/x.yaml"), before, after).decode() == (
        "diff --git a/team/flows/x.yaml b/team/flows/x.yaml\n"
        "--- a/team/flows/x.yaml\n"
        "+++ b/team/flows/x.yaml\n"
        "@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n"
        "@@ -17,4 +17,4 @@\n 17\n 18\n 19\n-20\n+20\n\\ No newline at end of file\n"
    )


def test_edits_whose_surroundings_touch_are_one_hunk_and_others_are_not() -> None:
    before = _lines(range(30))
    for gap, hunks in ((6, 1), (7, 2)):
        after = before.replace(b"5\n", b"x\n", 1).replace(b"%d\n" % (6 + gap), b"y\n", 1)
        assert patch(_change("x"), before, after).count(b"@@ -") == hunks


def test_an_empty_range_names_the_line_above_it() -> None:
    assert b"@@ -0,0 +1 @@\n+a\n" in patch(_change("x"), None, b"a\n")
    assert b"@@ -1,2 +0,0 @@\n" in patch(_change("x"), b"a\nb\n", b"")


def test_bytes_and_big_texts_are_named_without_their_lines() -> None:
    name = "diff --git a/x b/x\n"
    assert patch(_change("x"), b"\0", b"\1").decode() == f"{name}Binary files a/x and b/x differ\n"
    big = b"line\n" * (MAX_SHOWN // 5 + 1)
    assert patch(_change("x"), big, big + b"more\n").decode() == (
        f"{name}Big files a/x and b/x differ: +1 -0 lines\n"
    )


def test_a_new_empty_file_is_only_named() -> None:
    assert patch(_change("x", "100755"), None, b"").decode() == (
        "diff --git a/x b/x\nnew file mode 100755\n"
    )


def test_what_is_shown_cannot_steer_a_terminal() -> None:
    evil = "\x1b[2J\x9b\r\u202e\tend\n"
    text = shown(patch(_change("x"), b"a\n", evil.encode()))
    assert text.endswith("-a\n+\\x1b[2J\\x9b\\x0d\\u202e\tend\n")


def test_a_text_of_very_many_lines_is_counted_without_being_taken_apart() -> None:
    many = b"a\n" * 20_000_000
    one = change(Action.UPDATE, "x")
    tracemalloc.start()
    try:
        assert line_counts(many, many + b"b") == (20_000_001, 20_000_000)
        assert line_counts(many, many) == (0, 0)
        assert line_counts(None, many) == (20_000_000, 0)
        assert b"differ: +20000001 -20000000 lines" in patch(one, many, many + b"b")
        # The texts themselves are 40 MB each, and are decoded once.
        assert tracemalloc.get_traced_memory()[1] < 300 << 20
    finally:
        tracemalloc.stop()
