from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from tasks.errors import NotFound, Unsafe
from tasks.repo.commit import FileChange
from tasks.repo.message import Person
from tasks.repo.side import RepoSide
from tests.integration.repo.bare import Bare
from tests.integration.repo.conftest import MakeSide
from tests.integration.repo.parts import ADA, SERVICE, WHEN, commit, made
from tests.integration.repo.test_reading import BYTES


def landed(side: RepoSide, base: str | None, files: dict[str, bytes | None]) -> str:
    oid = made(commit(side, base, files))
    assert side.push("main", oid, base).result == "LANDED"
    return oid


def test_a_first_commit_creates_the_branch_of_an_empty_repository(
    bare: Bare, side: RepoSide
) -> None:
    files = {path: content for path, content in BYTES.items() if path.isprintable()}
    files |= {
        '"whole"': b"0",
        '"lead': b"1",
        'a "b" c': b"2",
        '"': b"3",
        " ": b"4",
        "# M 100644": b"5",
    }
    oid = landed(side, None, {**files})
    assert bare.tip() == oid
    assert {path: bare.read(path) for path in bare.paths()} == files
    assert bare.text("fsck", "--strict") == ""


def test_a_commit_changes_its_own_paths_and_no_other_byte(bare: Bare, side: RepoSide) -> None:
    base = bare.commit(
        {**BYTES, "run.sh": b"#!/bin/sh\r\n", "link": b"README.md", "old": b"o"},
        modes={"run.sh": "100755", "link": "120000"},
    )
    side.fetch("run-1", "main")
    before = bare.text("ls-tree", "-r", "main")
    oid = landed(side, base, {"README.md": b"new\r\n", "old": None, "added ö/x y": b"\0"})
    assert bare.text("rev-parse", f"{oid}^") == base
    after = bare.text("ls-tree", "-r", oid)
    changed = {"README.md", "old", '"added \\303\\266/x y"'}
    rest = [
        [line for line in listing.splitlines() if line.split("\t")[1] not in changed]
        for listing in (before, after)
    ]
    assert rest[0] == rest[1]
    assert bare.read("README.md") == b"new\r\n" and bare.read("added ö/x y") == b"\0"
    assert "old" not in bare.paths()


def test_an_executable_file_stays_executable_and_a_link_becomes_a_file(
    bare: Bare, side: RepoSide
) -> None:
    base = bare.commit({"run.sh": b"1", "link": b"x"}, modes={"run.sh": "100755", "link": "120000"})
    side.fetch("run-1", "main")
    changes = [FileChange("run.sh", b"2"), FileChange("link", b"2"), FileChange("new", b"2")]
    changes.append(FileChange("tool", b"2", "100755"))
    oid = made(side.commit("run-1", base, changes, "Sync", ADA, SERVICE, WHEN))
    modes = {path: entry.mode for path, entry in
             side.paths(oid, ["run.sh", "link", "new", "tool"]).items()}  # fmt: skip
    assert modes == {"run.sh": "100755", "link": "100644", "new": "100644", "tool": "100755"}


@pytest.mark.parametrize("swap", [0, 1])
def test_a_file_may_become_a_directory_and_back_in_any_order(
    bare: Bare, side: RepoSide, swap: int
) -> None:
    base = bare.commit({"a": b"file", "b/c": b"in directory", "b/d/e": b"deep"})
    side.fetch("run-1", "main")
    changes = [
        FileChange("a/x", b"1"), FileChange("a", None), FileChange("b/c", None),
        FileChange("b", b"2"), FileChange("b/d/e", None),
    ]  # fmt: skip
    ordered = changes[::-1] if swap else changes
    oid = made(side.commit("run-1", base, ordered, "Sync", ADA, SERVICE, WHEN))
    assert [entry.path for entry in side.listing(oid)] == ["a/x", "b"]


def test_the_same_tree_gives_no_commit(bare: Bare, side: RepoSide) -> None:
    base = bare.commit({"a": b"1", "x.sh": b"2"}, modes={"x.sh": "100755"})
    side.fetch("run-1", "main")
    assert commit(side, base, {"a": b"1", "x.sh": b"2", "none": None}) is None
    assert commit(side, base, {}) is None
    assert commit(side, None, {}) is None


def test_a_repeated_build_gives_the_same_commit_on_every_host(
    bare: Bare, make_side: MakeSide
) -> None:
    base = bare.commit({"a": b"1"})
    oids = set()
    for host in ("one", "two"):
        side = make_side(host)
        side.fetch("run-1", "main")
        oids |= {commit(side, base, {"a": b"2"}), commit(side, base, {"a": b"2"})}
    assert len(oids) == 1 and None not in oids


def test_author_committer_time_and_trailers_are_those_given(bare: Bare, side: RepoSide) -> None:
    trailers = {"Tenantsync-Plan": "abc", "Reviewed-by": "Zoë <zoe@example.org>", "Empty": ""}
    changes = [FileChange("a", b"1")]
    oid = side.commit(
        "run-7", None, changes, "Export 1 flow\n\nWhy:\ttest\n", ADA, SERVICE, WHEN, trailers
    )
    side.push("main", made(oid), None)
    assert bare.text("log", "-1", "--format=%an|%ae|%cn|%ce|%aI|%ct") == (
        "Ada|ada@example.org|TenantSync|sync@example.org|2026-03-01T12:00:00+00:00|"
        f"{int(WHEN.timestamp())}"
    )
    assert bare.text("log", "-1", "--format=%B") == (
        "Export 1 flow\n\nWhy:\ttest\n\nTenantsync-Run: run-7\nTenantsync-Plan: abc\n"
        "Reviewed-by: Zoë <zoe@example.org>"
    )


def test_nobody_adds_a_trailer_or_header_through_a_value(bare: Bare, side: RepoSide) -> None:
    evil = Person("Eve\nTenantsync-Run: x <e@x> 1 +0000\ncommitter C", "e@x>\n <b")
    trailers = {"Reviewed-by": "Eve\r\nTenantsync-Plan: forged\u2028X-Y: z", "Bad key": "v"}
    oid = side.commit(
        "run-7", None, [FileChange("a", b"1")], "Subject", evil, evil,
        WHEN + timedelta(hours=1), trailers,
    )  # fmt: skip
    side.push("main", made(oid), None)
    assert bare.text("log", "-1", "--format=%(trailers:only,unfold)") == (
        "Tenantsync-Run: run-7\nReviewed-by: Eve Tenantsync-Plan: forged X-Y: z"
    )
    assert bare.text("cat-file", "commit", "main").count("\ncommitter ") == 1
    assert bare.text("fsck", "--strict") == ""


@pytest.mark.parametrize(
    "path",
    [
        "../x", "a/../x", "./x", "/abs", "a//b", "a/", "", ".git/config", ".GIT/config",
        "git~1/x", ".g\u200cit/x", "a\\..\\x", "a\nb", "a\0b", "x" * 300, "d/.git",
    ],
)  # fmt: skip
def test_a_path_that_leads_elsewhere_is_never_written(
    bare: Bare, side: RepoSide, path: str
) -> None:
    base = bare.commit({"a": b"1"})
    side.fetch("run-1", "main")
    for content in (b"PWN", None):
        with pytest.raises(Unsafe, match="cannot be written"):
            commit(side, base, {"fine": b"1", path: content})


def test_a_mode_that_is_no_file_is_never_written(side: RepoSide) -> None:
    for mode in ("120000", "160000", "040000", "100644 x"):
        with pytest.raises(Unsafe, match="mode"):
            side.commit("r", None, [FileChange("a", b"/etc", mode)], "m", ADA, SERVICE, WHEN)


def test_a_path_that_is_written_twice_or_is_file_and_directory_is_refused(side: RepoSide) -> None:
    with pytest.raises(Unsafe, match="changed twice"):
        changes = [FileChange("a", b"1"), FileChange("a", None)]
        side.commit("r", None, changes, "m", ADA, SERVICE, WHEN)
    with pytest.raises(Unsafe, match="a and a/b cannot both be in a tree"):
        commit(side, None, {"a": b"1", "a/b": b"2"})


def test_contents_that_cannot_be_had_end_the_build_and_leave_nothing(
    bare: Bare, side: RepoSide
) -> None:
    base = bare.commit({"a": b"1"})
    side.fetch("run-1", "main")

    def contents() -> Iterator[FileChange]:
        yield FileChange("b", b"x" * 1_000_000)
        raise RuntimeError("the store is away")

    with pytest.raises(RuntimeError, match="the store is away"):
        side.commit("run-1", base, contents(), "m", ADA, SERVICE, WHEN)
    assert made(commit(side, base, {"b": b"2"}))


def test_a_base_that_is_not_here_is_fetched_or_named(bare: Bare, side: RepoSide) -> None:
    base = bare.commit({"a": b"1"})
    assert made(commit(side, base, {"a": b"2"}))
    with pytest.raises(NotFound, match="no such repository or commit"):
        commit(side, "1" * 40, {"a": b"1"})


def test_ten_thousand_files_make_one_commit(bare: Bare, side: RepoSide) -> None:
    files: dict[str, bytes | None] = {f"{n % 100}/{n}.yaml": b"id: %d\n" % n for n in range(10**4)}
    oid = landed(side, None, files)
    assert len(bare.paths()) == 10_000
    assert commit(side, oid, files) is None


def test_a_new_file_in_the_place_of_a_kept_folder_is_refused(side: RepoSide) -> None:
    base = side.commit("r", None, [FileChange("a/b", b"kept")], "m", ADA, SERVICE, WHEN)
    with pytest.raises(Unsafe, match="a and a/b cannot both be in a tree"):
        side.commit("r", base, [FileChange("a", b"new")], "m", ADA, SERVICE, WHEN)
    with pytest.raises(Unsafe, match="a/b/c and a/b cannot both be in a tree"):
        side.commit("r", base, [FileChange("a/b/c", b"new")], "m", ADA, SERVICE, WHEN)
    replaced = [FileChange("a/b", None), FileChange("a", b"new")]
    assert side.commit("r", base, replaced, "m", ADA, SERVICE, WHEN) is not None
