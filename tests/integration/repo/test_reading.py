from __future__ import annotations

import hashlib

import pytest

from sandbox.git_server import GitServer
from tasks.errors import Doubtful, LoginRefused, NotFound, Refused, Unreachable, Unsafe
from tasks.repo.side import RepoSide
from tasks.repo.tree import NAMED, EntryKind
from tests.integration.repo.bare import Bare
from tests.integration.repo.conftest import NAME, MakeSide

BYTES = {
    "tenant/a.b/flows/one.yaml": b"id: one\r\nnamespace: a.b\r\n",
    "tenant/a.b/files/empty": b"",
    "tenant/a.b/files/nul\x01like": b"x",
    "tenant/a.b/files/bin": bytes(range(256)) * 3,
    "tenant/a.b/files/no newline": b"last",
    "tenant/a.b/files/newlines": b"\n\n\n",
    'tenant/a.b/files/"quoted".txt': b"q",
    "tenant/a.b/files/déjà/vu ☃.txt": "☃".encode(),
    "tenant/a.b/files/:(glob)*": b"literal",
    "README.md": b"readme",
}


def test_an_empty_repository_has_no_tip_and_says_so(side: RepoSide) -> None:
    tip = side.tip("main")
    assert (tip.oid, tip.default_oid, tip.empty) == (None, None, True)


def test_a_tip_names_the_branch_and_the_default_branch(bare: Bare, side: RepoSide) -> None:
    main = bare.commit({"a": b"1"})
    other = bare.commit({"a": b"2"}, branch="feature/x")
    bare.commit({"a": b"3"}, branch="deep/refs/heads/x")
    tip = side.tip("feature/x")
    assert (tip.oid, tip.default_branch, tip.default_oid) == (other, "main", main)
    absent = side.tip("x")
    assert (absent.oid, absent.default_oid, absent.empty) == (None, main, False)


def test_a_repository_without_its_default_branch_is_not_empty(bare: Bare, side: RepoSide) -> None:
    bare.git("update-ref", "refs/other/refs/heads/main", bare.commit({"a": b"1"}, branch="trunk"))
    tip = side.tip("main")
    assert (tip.oid, tip.default_oid, tip.empty) == (None, None, False)
    assert side.branches() == ("trunk",)
    bare.git("update-ref", "-d", "refs/heads/trunk")
    assert side.tip("main").empty


def test_one_question_asks_the_remote_for_a_tip(
    server: GitServer, bare: Bare, side: RepoSide
) -> None:
    bare.commit({"a": b"1"})
    side.tip("main")
    questions = [each for each in server.requests if each.status == 200]
    assert len(questions) == 2  # what the server can do, and the refs


def test_every_byte_of_a_repository_is_read_as_it_is(bare: Bare, side: RepoSide) -> None:
    bare.commit(BYTES)
    oid = side.fetch("run-1", "main")
    entries = side.listing(oid)
    assert {entry.path for entry in entries} == set(BYTES)
    contents = dict(side.blobs(entry.oid for entry in entries))
    assert {entry.path: contents[entry.oid] for entry in entries} == BYTES


def test_a_listing_below_a_directory_has_whole_paths(bare: Bare, side: RepoSide) -> None:
    bare.commit({**BYTES, "tenant2/x": b"other"})
    oid = side.fetch("run-1", "main")
    below = {path for path in BYTES if path.startswith("tenant/")}
    assert {entry.path for entry in side.listing(oid, "tenant")} == below
    assert {entry.path for entry in side.listing(oid, "/tenant/")} == below
    children = side.children(oid, "tenant")
    assert [(entry.path, entry.kind) for entry in children] == [("tenant/a.b", EntryKind.TREE)]


def test_an_absent_directory_is_told_from_one_that_is_there(bare: Bare, side: RepoSide) -> None:
    bare.commit({"dir/file": b"1", "link": b"dir"}, modes={"link": "120000"})
    oid = side.fetch("run-1", "main")
    there = {
        name: side.directory_exists(oid, name)
        for name in ("", "dir", "dir/file", "link", "none", "..", "dir/..", "di*", ":/dir", "d\0")
    }
    assert [name for name, found in there.items() if found] == ["", "dir"]
    assert side.listing(oid, "none") == () and side.listing(oid, "dir/file") == ()


def test_modes_links_and_submodules_are_reported_and_never_followed(
    bare: Bare, side: RepoSide
) -> None:
    target = bare.commit(
        {"run.sh": b"#!", "link": b"/etc/passwd"}, modes={"run.sh": "100755", "link": "120000"}
    )
    tree = bare.git("ls-tree", "-z", "main") + b"160000 commit %s\tsub\0" % target.encode()
    oid = bare.plant(tree)
    assert side.fetch("run-1", "main") == oid
    found = {entry.path: (entry.mode, entry.kind) for entry in side.listing(oid)}
    assert found == {
        "run.sh": ("100755", EntryKind.BLOB),
        "link": ("120000", EntryKind.SYMLINK),
        "sub": ("160000", EntryKind.COMMIT),
    }
    link = next(entry for entry in side.listing(oid) if entry.path == "link")
    assert dict(side.blobs([link.oid])) == {link.oid: b"/etc/passwd"}


@pytest.mark.parametrize("more", [0, NAMED + 1])
def test_entries_at_exact_paths_are_found(bare: Bare, side: RepoSide, more: int) -> None:
    bare.commit({**BYTES, **{f"many/{number}": b"x" for number in range(more)}})
    oid = side.fetch("run-1", "main")
    asked = [*BYTES, "none", "tenant", "tenant/", "*", "", "..", "a\0b"]
    found = side.paths(oid, [*asked, *(f"many/{number}" for number in range(more))])
    assert set(found) == {*BYTES, "tenant", *(f"many/{number}" for number in range(more))}
    assert found["tenant"].kind is EntryKind.TREE
    blob = BYTES["README.md"]
    assert found["README.md"].oid == hashlib.sha1(b"blob %d\0" % len(blob) + blob).hexdigest()


def test_a_blob_over_the_limit_is_refused_before_it_is_read(bare: Bare, side: RepoSide) -> None:
    bare.commit({"big": b"x" * 1001, "small": b"x" * 1000})
    oid = side.fetch("run-1", "main")
    entries = {entry.path: entry.oid for entry in side.listing(oid)}
    assert side.sizes(entries.values()) == {entries["big"]: 1001, entries["small"]: 1000}
    assert len(dict(side.blobs([entries["small"]], limit=1000))) == 1
    with pytest.raises(Refused, match="1001 bytes, the limit is 1000"):
        list(side.blobs(entries.values(), limit=1000))


def test_ten_thousand_blobs_come_by_one_command_in_the_order_asked(
    bare: Bare, side: RepoSide
) -> None:
    bare.commit({f"f/{number}": b"%d" % number for number in range(10_000)})
    oid = side.fetch("run-1", "main")
    asked = [entry.oid for entry in side.listing(oid)]
    read = list(side.blobs(asked))
    assert [each for each, _ in read] == asked
    assert sum(int(content) for _, content in read) == sum(range(10_000))


def test_a_reader_of_blobs_may_stop_early(bare: Bare, side: RepoSide) -> None:
    bare.commit({f"f/{number}": b"%d" % number * 500 for number in range(3000)})
    oid = side.fetch("run-1", "main")
    reader = side.blobs(entry.oid for entry in side.listing(oid))
    next(reader)
    reader.close()  # type: ignore[attr-defined]
    assert list(side.blobs([])) == []


def test_what_is_no_blob_is_never_read_as_one(bare: Bare, side: RepoSide) -> None:
    oid = bare.commit({"a": b"1"})
    side.fetch("run-1", "main")
    with pytest.raises(Doubtful, match="is no blob"):
        list(side.blobs([oid]))
    with pytest.raises(NotFound, match="not in the mirror"):
        list(side.blobs(["1" * 40]))
    with pytest.raises(Unsafe):
        list(side.blobs(["HEAD:a"]))


def test_a_branch_that_is_not_there_is_named_with_the_nearest_ones(
    bare: Bare, side: RepoSide
) -> None:
    for name in ("main", "maintenance", "mail", "zebra"):
        bare.commit({"a": b"1"}, branch=name)
    with pytest.raises(NotFound) as caught:
        side.fetch("run-1", "mian")
    assert "no branch 'mian'; did you mean main" in caught.value.message
    assert "zebra" not in caught.value.message
    with pytest.raises(NotFound, match=r"no branch 'qqqqqq'$"):
        side.fetch("run-1", "qqqqqq")


def test_a_repository_that_is_not_there_is_named(server: GitServer, make_side: MakeSide) -> None:
    side = make_side(url=server.url("acme/none"))
    with pytest.raises(NotFound, match="acme/none"):
        side.tip("main")
    with pytest.raises(NotFound, match="acme/none"):
        side.fetch("run-1", "main")


def test_a_server_that_is_away_or_busy_may_be_asked_again(
    server: GitServer, make_side: MakeSide
) -> None:
    side = make_side(url="http://127.0.0.1:9/a/b")
    with pytest.raises(Unreachable):
        side.tip("main")
    server.status = 503
    with pytest.raises(Exception, match="does not serve now") as caught:
        make_side().tip("main")
    assert type(caught.value).__name__ == "Busy"


def test_the_doctor_sees_branches_and_whether_it_may_push(
    server: GitServer, bare: Bare, make_side: MakeSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare.commit({"a": b"1"})
    bare.commit({"a": b"1"}, branch="other")
    check = make_side().check()
    assert (check.branches, check.default_branch, check.problem) == (
        ("main", "other"), "main", None,
    )  # fmt: skip
    bare.git("config", "http.receivepack", "false")
    assert "403" in str(make_side().check().problem)
    monkeypatch.setenv("SYNC_TOKEN", "wrong")
    with pytest.raises(LoginRefused, match=f"{NAME}.*check username and token"):
        make_side().check()
