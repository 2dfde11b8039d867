from __future__ import annotations

import pytest

from tasks.repo.commit import FileChange
from tasks.repo.side import RepoSide
from tests.integration.repo.bare import Bare
from tests.integration.repo.parts import ADA, SERVICE, WHEN, commit, made

QUOTED = "Revert\n\nThis undoes:\n\n    Sync\n\n    Tenantsync-Run: run-1\n"
FLAT = "Revert\n\nTenantsync-Run: run-1 was wrong.\n\nIt is undone here.\n"


def test_a_tip_contains_its_history_and_nothing_else(bare: Bare, side: RepoSide) -> None:
    first = bare.commit({"a": b"1"})
    second = bare.commit({"a": b"2"})
    other = bare.commit({"a": b"3"}, branch="other")
    side.fetch("run-1", "main")
    assert side.contains(second, first) and side.contains(second, second)
    assert not side.contains(first, second)
    assert not side.contains(second, other)  # it is not even in the mirror


def test_a_run_finds_its_commit_again_even_after_a_revert(bare: Bare, side: RepoSide) -> None:
    base = bare.commit({"a": b"1"})
    side.fetch("run-1", "main")
    new = made(commit(side, base, {"a": b"2"}))
    side.push("main", new, base)
    bare.commit({"a": b"1"}, QUOTED)
    bare.commit({"b": b"1"}, "copied later\n\nTenantsync-Run: run-1\n")
    tip = side.fetch("run-2", "main")
    assert side.run_commit(base, tip, "run-1") == new
    assert side.run_commit(None, tip, "run-1") == new
    assert side.run_commit(new, new, "run-1") is None
    assert side.run_commit(base, tip, "run-2") is None
    assert side.run_commit(base, tip, "run") is None


@pytest.mark.parametrize(
    "message", [QUOTED, FLAT, "Tenantsync-Run: run-1", "x\n\n> Tenantsync-Run: run-1"]
)
def test_a_message_that_quotes_a_run_is_not_its_commit(
    bare: Bare, side: RepoSide, message: str
) -> None:
    base = bare.commit({"a": b"1"})
    bare.commit({"a": b"2"}, message)
    tip = side.fetch("run-1", "main")
    assert side.run_commit(base, tip, "run-1") is None


def test_a_run_id_is_no_pattern(bare: Bare, side: RepoSide) -> None:
    base = bare.commit({"a": b"1"})
    tip = bare.commit({"a": b"2"}, "x\n\nTenantsync-Run: run-1\n")
    side.fetch("run-1", "main")
    assert side.run_commit(base, tip, "run.1") is None
    assert side.run_commit(base, tip, ".*") is None


def test_a_commit_is_read_with_its_author_and_message(side: RepoSide) -> None:
    changes = [FileChange("a", b"1")]
    oid = made(side.commit("r", None, changes, "Über\n\nText", ADA, SERVICE, WHEN))
    detail = side.read_commit(oid)
    assert (detail.author, detail.when, detail.oid) == (ADA, WHEN, oid)
    assert detail.message.startswith("Über\n\nText\n")
    assert detail.short == f"commit {oid[:7]} by Ada, Über"


def test_who_removed_a_path_is_told_on_one_visible_line(bare: Bare, side: RepoSide) -> None:
    bare.commit({"a": b"1", "b/c": b"1", "b/d ☃": b"1", "kept": b"1", "moved": b"long text\n" * 9})
    bare.commit({"a": None}, "first removal")
    bare.commit({"a": b"2"})
    newest = bare.commit({"a": None, "b/c": None}, "second \x1b[31m\u202eremoval\n\nbody")
    last = bare.commit({"b/d ☃": None, "moved": None, "there": b"long text\n" * 9}, "third")
    tip = side.fetch("run-1", "main")
    found = side.removed_by(tip, ["a", "b/c", "b/d ☃", "kept", "never", "b", "moved"])
    assert set(found) == {"a", "b/c", "b/d ☃", "moved"}
    assert found["a"] == found["b/c"]
    assert found["a"].startswith(f"commit {newest[:7]} by Ada, second ")
    assert found["a"].isprintable()
    assert found["moved"] == f"commit {last[:7]} by Ada, third"
    assert side.removed_by(tip, []) == {}


def test_a_removed_path_is_no_pattern(bare: Bare, side: RepoSide) -> None:
    names = [":(glob)*", ":!a", "a", "*"]
    bare.commit({**dict.fromkeys(names, b"x"), "kept": b"x"})
    bare.commit(dict.fromkeys(names))
    tip = side.fetch("run-1", "main")
    for asked in (names, [":!a"], [":(glob)*"]):
        assert set(side.removed_by(tip, asked)) == set(asked)


def test_thousands_of_removals_are_explained_by_one_search(bare: Bare, side: RepoSide) -> None:
    names = [f"d{number % 50}/f{number}" for number in range(3000)]
    bare.commit({**dict.fromkeys(names, b"x"), "moved": b"a long text\n" * 20})
    names.append("moved")
    removal = bare.commit({**dict.fromkeys(names), "new/place": b"a long text\n" * 20}, "all gone")
    tip = side.fetch("run-1", "main")
    found = side.removed_by(tip, [*names, "never"])
    assert set(found) == set(names)
    assert set(found.values()) == {f"commit {removal[:7]} by Ada, all gone"}


def test_a_removal_on_a_merged_branch_is_found(bare: Bare, side: RepoSide) -> None:
    first = bare.commit({"a": b"1", "b": b"1"})
    bare.git("update-ref", "refs/heads/work", first)
    bare.commit({"a": None}, "removed on the branch", branch="work")
    bare.commit({"c": b"1"})
    merge = bare.text(
        "-c", "user.name=Ada", "-c", "user.email=a@b", "commit-tree", "-m", "merge",
        "-p", "main", "-p", "work", bare.text("merge-tree", "--write-tree", "main", "work"),
    )  # fmt: skip
    bare.git("update-ref", "refs/heads/main", merge)
    tip = side.fetch("run-1", "main")
    assert "removed on the branch" in side.removed_by(tip, ["a"])["a"]


def _commit_object(bare: Bare, tree: str, parent: str, author: bytes, message: bytes) -> str:
    """A commit as a hostile pusher may write it, past what git's own commands allow."""
    committer = b"Eve <e@x> 1700000000 +0000"
    raw = b"tree %s\nparent %s\nauthor %s\ncommitter %s\n%s" % (
        tree.encode(), parent.encode(), author, committer, message,
    )  # fmt: skip
    oid = bare.git("hash-object", "-t", "commit", "-w", "--literally", "--stdin", stdin=raw)
    bare.git("update-ref", "refs/heads/main", oid.decode().strip())
    return oid.decode().strip()


ODD = {
    "far future": (b"Eve <e@x> 99999999999999999 +0000", b"\nGone"),
    "year 10000": (b"Eve <e@x> 253402300800 +0000", b"\nGone"),
    "odd zone": (b"Eve <e@x> 1700000000 +9999", b"\nGone"),
    "escapes": (b"\x1b[2J\xe2\x80\xaeEve\r <e@x> 1700000000 +0000", b"\n\x1b]0;x\x07Gone\x9b\xff"),
    "no text": (b"\xff\xfe <\xff> 1700000000 +0000", b"\n\xff\xfe"),
    "no message": (b"Eve <e@x> 1700000000 +0000", b""),
    "unknown encoding": (b"Eve <e@x> 1700000000 +0000", b"encoding none-such\n\nGone"),
    "encoding of bytes": (b"Eve <e@x> 1700000000 +0000", b"encoding hex\n\nGone"),
    "encoding of escapes": (
        b"Eve <e@x> 1700000000 +0000", b"encoding unicode_escape\n\n\\x1b[2JGone",
    ),
    "signed": (b"Eve <e@x> 1700000000 +0000", b"gpgsig x\n y\n\nGone"),
    "long subject": (b"Eve <e@x> 1700000000 +0000", b"\n" + b"x" * 1_000_000),
    "long author": (b"E" * 100_000 + b" <e@x> 1700000000 +0000", b"\nGone"),
}  # fmt: skip


@pytest.mark.parametrize(("author", "message"), ODD.values(), ids=ODD.keys())
def test_whoever_removed_a_path_is_told_whatever_the_commit_says(
    bare: Bare, side: RepoSide, author: bytes, message: bytes
) -> None:
    parent = bare.commit({"a": b"1", "b": b"2"})
    tree = bare.raw_tree(("100644", "b", bare.blob(b"2")))
    oid = _commit_object(bare, tree, parent, author, message)
    side.fetch("run-1", "main")
    short = side.removed_by(oid, ["a"])["a"]
    assert short.startswith(f"commit {oid[:7]} by ")
    assert short.isprintable() and len(short) < 600
