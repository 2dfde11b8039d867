"""Ignore files hide what git would hide."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.errors import Unsafe
from tasks.ignore import Ignore


@pytest.mark.parametrize(
    ("patterns", "hidden", "shown"),
    [
        ("*.tmp", ["a.tmp", "d/a.tmp"], ["a.tmpx", "tmp"]),
        ("scratch/", ["scratch/a", "d/scratch/a/b"], ["scratch", "scratchy/a"]),
        ("/top", ["top", "top/a"], ["d/top"]),
        ("a/**/b", ["a/b", "a/x/b", "a/x/y/b/c"], ["b", "c/a/b"]),
        ("**/a*/**/b/c/**/d", ["a/b/c/d", "x/ay/b/b/c/c/d/e"], ["a/b/d", "a/b/cd/d", "b/c/d"]),
        ("d/**", ["d/a", "d/e/f"], ["d", "e/d/a"]),
        ("*\n!keep.txt", ["a", "d/a", "d/keep.txt"], ["keep.txt"]),
        ("d/*\n!d/keep", ["d/a"], ["d/keep", "d/keep/x"]),
        ("a b.txt", ["a+b.txt"], ["ab.txt"]),
        ("a+b.txt", ["a+b.txt"], []),
        ("[!a].x", ["b.x"], ["a.x"]),
        ("x[!a]y", ["xby"], ["x/y"]),
        ("x[+-9]y", ["x4y", "d/x.y"], ["x/y"]),
        ("# c\n\n\\#x", ["#x"], ["# c"]),
        ("*.tmp\r\n*.bak\r\n", ["a.tmp", "a.bak"], []),
        ("*", ["a"], [".kestraignore"]),
    ],
)
def test_patterns_hide_as_in_gitignore(patterns, hidden, shown) -> None:
    ignore = Ignore.of(patterns.encode())
    assert ignore.hidden(hidden + shown) == set(hidden)


def test_what_either_side_hides_is_hidden_and_one_side_takes_nothing_back_of_the_other() -> None:
    ignore = Ignore.of(b"*.tmp\n", b"*.bak\n!a.tmp\n")
    assert ignore.hidden(["a.tmp", "a.bak", "a"]) == {"a.tmp", "a.bak"}
    assert not Ignore.of().hidden(["a"])


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (b"ok\n[z-a]\n", "line 2"),
        (b"x\\", "line 1"),
        (b"[[:alpha:]]", "line 1"),
        (b"a**/b", "line 1"),
        (b"\n" * 1001, "more than 1000 lines"),
        (b"x" * 262_145, "or 262144 bytes"),
    ],
)
def test_a_pattern_that_cannot_be_honoured_is_refused_by_its_line(text, line) -> None:
    with pytest.raises(Unsafe, match=line):
        Ignore.of(text)


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        (b"*" + b"a*" * 60 + b"b", "a" * 255),
        (b"**/" + b"a*" * 60 + b"b", "a/" * 1000 + "a" * 255),
        (b"**/a/**/a/**/a/**/b", "a/" * 1000 + "c"),
        (b"*?" * 60 + b"b", "a" * 255),
    ],
)
def test_no_pattern_takes_for_ever(pattern, name) -> None:
    started = time.monotonic()
    assert not Ignore.of(pattern).hidden([name])
    assert time.monotonic() - started < 10


def test_a_thousand_patterns_look_at_a_folder_once() -> None:
    """Looked at one by one, twenty thousand such files took a quarter of an hour."""
    kinds = ("*.t{0}", "dir{0}/", "/a{0}/**/b", "name{0}", "**/x{0}/*.py", "!keep{0}.txt", "d{0}*e")
    lines = [kinds[number % len(kinds)].format(number) for number in range(1000)]
    deep = "/".join(f"folder{depth}" for depth in range(30))
    ignore = Ignore.of("\n".join(lines).encode())
    found = ignore.hidden([*(f"{deep}/{number}.bin" for number in range(2000)), f"{deep}/x.t7"])
    assert found == {f"{deep}/x.t7"}


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ignore")
    subprocess.run(["git", "init", "-q", path], check=True)
    return path


_PIECE = st.sampled_from(["a", "b", "*", "?", "[ab]", "[!a]", "."])
_SEGMENT = st.lists(_PIECE, min_size=1, max_size=4).map("".join).filter(lambda one: "**" not in one)
_PATTERN = st.builds(
    lambda no, top, segments, joint, end: no + top + joint.join(segments) + end,
    st.sampled_from(["", "", "!"]),
    st.sampled_from(["", "/", "**/"]),
    st.lists(_SEGMENT, min_size=1, max_size=3),
    st.sampled_from(["/", "/", "/**/"]),
    st.sampled_from(["", "/", "/**"]),
)
_NAME = st.text("ab.", min_size=1, max_size=3).filter(lambda one: one.strip("."))
_PATHS = st.lists(st.lists(_NAME, min_size=1, max_size=5).map("/".join), min_size=1, max_size=20)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(patterns=st.lists(_PATTERN, min_size=1, max_size=3), paths=_PATHS)
def test_git_itself_agrees(repository: Path, patterns: list[str], paths: list[str]) -> None:
    text = "\n".join(patterns).encode()
    (repository / ".gitignore").write_bytes(text)
    command = ["git", "-C", str(repository), "check-ignore", "--no-index", "-z", "--stdin"]
    asked = "\0".join(paths).encode()
    found = subprocess.run(command, input=asked, capture_output=True, check=False)
    ignore = Ignore.of(text)
    assert ignore.hidden(paths) == set(filter(None, found.stdout.decode().split("\0")))
