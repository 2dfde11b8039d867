"""What takes part in a sync, what does not, and which names are left alone for it."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import pytest

from tasks import snapshots
from tasks.artifacts import GLOBAL, LARGEST, Kind, Part, Snapshot, blob_oid, digest
from tasks.compare import Base, compare, is_withheld
from tasks.problems import Code
from tasks.snapshots import EVERYTHING, Known
from tests.planmaking import FILES, FLOWS, held
from tests.texts import dashboard, flow

FILE, LINK, SUBMODULE = "100644", "120000", "160000"
DASHBOARDS = Part(GLOBAL, Kind.DASHBOARD)
FOLDERS = {FLOWS: "team/flows", FILES: "team/files", DASHBOARDS: "_global/dashboards"}


def _never(oids: Collection[str]) -> Mapping[str, bytes]:
    raise AssertionError(f"read {oids}")


def small(oids: Collection[str]) -> Mapping[str, int]:
    return dict.fromkeys(oids, 1)


def _git(part: Part, files: Mapping[str, bytes | str], known: Mapping[str, Known] | None = None):
    """A snapshot of files below the folder of a part; a string is the mode of a link."""
    contents = {blob_oid(text): text for text in files.values() if isinstance(text, bytes)}
    entries = [
        (f"{FOLDERS[part]}/{path}", FILE, blob_oid(text))
        if isinstance(text, bytes)
        else (f"{FOLDERS[part]}/{path}", text, "0" * 40)
        for path, text in files.items()
    ]
    reads: list[Collection[str]] = []

    def read(oids: Collection[str]) -> Mapping[str, bytes]:
        reads.append(oids)
        return {oid: contents[oid] for oid in oids}

    wanted = _never if part.kind is Kind.FILE else read
    found = snapshots.git(part, FOLDERS[part], entries, known or {}, wanted, small)
    assert len(reads) <= 1
    return found


def _text(name: str, namespace: str = "team") -> bytes:
    return flow(namespace, name).encode()


def _codes(snapshot: Snapshot) -> list[tuple[Code, bool]]:
    return [(one.code, one.fatal) for one in snapshot.problems]


def test_a_flow_is_known_by_its_text_and_keeps_its_file() -> None:
    found = _git(FLOWS, {"other-name.yml": _text("x"), "sub/y.yaml": _text("y")})
    assert {name: entry.path for name, entry in found.entries.items()} == {
        "x": "team/flows/other-name.yml",
        "y": "team/flows/sub/y.yaml",
    }
    assert (found.problems, found.withheld) == ((), frozenset())
    assert found.entries["x"].digest == digest(Kind.FLOW, _text("x"))


def test_a_blob_that_kestra_holds_has_the_id_that_kestra_says() -> None:
    text = b"no id in it"
    found = _git(FLOWS, {"a.yaml": text}, {blob_oid(text): Known("x", "its digest")})
    assert found.entries["x"].digest == "its digest"


def test_an_executable_bit_is_seen() -> None:
    files = [("team/files/run.sh", "100755", "1" * 40)]
    found = snapshots.git(FILES, "team/files", files, {}, _never, small)
    assert found.entries["run.sh"].mode == "100755"


def test_two_files_of_one_id_are_fatal_and_no_name_of_theirs_is_touched() -> None:
    found = _git(FLOWS, {"a.yaml": _text("x"), "b.yml": _text("x"), "c.yaml": _text("c")})
    assert _codes(found) == [(Code.DUPLICATE_ID, True)]
    assert "a.yaml" in found.problems[0].message
    assert "b.yml" in found.problems[0].message
    assert found.withheld == {"x", "a", "b"}
    assert list(found.entries) == ["c"]


@pytest.mark.parametrize("text", [_text("x", "elsewhere"), b"id: x\ntasks: []\n"])
def test_a_text_of_another_namespace_is_fatal_and_neither_name_is_touched(text) -> None:
    found = _git(FLOWS, {"a.yaml": text})
    assert _codes(found) == [(Code.WRONG_NAMESPACE, True)]
    assert found.problems[0].where == "team/flows/a.yaml"
    assert found.withheld == {"x", "a"}


@pytest.mark.parametrize(
    ("text", "withheld"),
    [
        (b"tasks: []\n", {"a"}),
        (b"x: ]\nid: b\n", {"a", "b"}),
        (b"id: b\nid: c\nnamespace: team\n", {"a", "b", "c"}),
        (_text("b") + b"# \xff\n", {"a", "b"}),
    ],
)
def test_a_text_that_tells_no_id_is_left_alone_with_all_that_it_may_be(text, withheld) -> None:
    found = _git(FLOWS, {"a.yaml": text})
    assert _codes(found) == [(Code.NO_ID, False)]
    assert found.withheld == withheld
    assert found.entries == {}


def test_a_dashboard_needs_no_namespace_and_its_folder_may_be_deep() -> None:
    text = dashboard("daily").encode()
    found = _git(DASHBOARDS, {"ops/Daily runs.yaml": text})
    assert list(found.entries) == ["daily"]


@pytest.mark.parametrize("mode", [LINK, SUBMODULE, "100666", "040000"])
def test_a_link_or_submodule_is_left_alone_and_nothing_behind_it_is_missing(mode) -> None:
    flows = _git(FLOWS, {"a.yaml": mode})
    assert (_codes(flows), flows.withheld) == ([(Code.UNSAFE_PATH, False)], {"a"})
    files = _git(FILES, {"lib": mode, "x": b"1"})
    assert _codes(files) == [(Code.UNSAFE_PATH, False)]
    target = held({"lib": b"", "lib/a": b"", "lib/b/c": b"", "library": b""}, Kind.FILE)
    differences = compare(files, target, Base(settled=True)).differences
    assert [one.name for one in differences] == ["library", "x"]


@pytest.mark.parametrize("path", ["team/flows", "team"])
@pytest.mark.parametrize("mode", [LINK, SUBMODULE, FILE])
def test_a_link_in_the_place_of_the_folder_leaves_the_whole_part_alone(path, mode) -> None:
    found = snapshots.git(FLOWS, "team/flows", [(path, mode, "0" * 40)], {}, _never, small)
    assert _codes(found) == [(Code.UNSAFE_PATH, False)]
    assert compare(found, held({"a": b"", "b": b""}), Base(settled=True)).differences == ()


def test_an_unsafe_path_is_left_alone_and_shown_without_its_controls() -> None:
    found = _git(FLOWS, {"a\x1b[2J.yaml": _text("x"), "b\udc80.yaml": _text("y")})
    assert _codes(found) == [(Code.UNSAFE_PATH, False)] * 2
    assert [one.where for one in found.problems] == [
        "team/flows/a\\x1b[2J.yaml",
        "team/flows/b\\udc80.yaml",
    ]
    assert found.entries == {}
    for problem in found.problems:
        assert problem.to_json()


def test_files_are_known_by_their_path_as_kestra_says_it() -> None:
    found = _git(FILES, {"a b/c.txt": b"1", "team/files/d": b"2"})
    assert {name: entry.path for name, entry in found.entries.items()} == {
        "a+b/c.txt": "team/files/a b/c.txt",
        "team/files/d": "team/files/team/files/d",
    }
    assert found.entries["a+b/c.txt"].digest == blob_oid(b"1")


def test_a_file_that_kestra_cannot_hold_is_a_problem_of_that_file_alone() -> None:
    found = _git(FILES, {"a#1.txt": b"1", "a#2.txt": b"2", "_flows/x.yml": b"3", "ok": b"4"})
    assert _codes(found) == [(Code.NAME_NOT_HELD, False)] * 3
    assert found.withheld == {"a#1.txt", "a#2.txt", "_flows/x.yml"}
    assert list(found.entries) == ["ok"]


def test_two_files_that_are_one_in_kestra_are_both_left_alone() -> None:
    found = _git(FILES, {"a b": b"1", "a+b": b"2", "c": b"3"})
    assert _codes(found) == [(Code.NAME_CLASH, False)]
    assert found.withheld == {"a+b"}
    assert list(found.entries) == ["c"]


def test_what_kestra_holds_is_compared_by_normal_text_and_named_by_raw_bytes() -> None:
    text = _text("x").replace(b"\n", b"\r\n")
    entry = snapshots.kestra(FLOWS, {"x": text}).entries["x"]
    assert (entry.oid, entry.digest) == (blob_oid(text), digest(Kind.FLOW, _text("x")))


def test_drafts_are_left_alone_without_a_problem() -> None:
    found = snapshots.kestra(FLOWS, {"x": _text("x"), "y": _text("y")}, {"x", "new"})
    assert (found.problems, found.withheld, list(found.entries)) == ((), {"x", "new"}, ["y"])


@pytest.mark.parametrize(
    ("part", "name", "code"),
    [
        (FILES, "a#1.txt", Code.NAME_NOT_HELD),
        (FILES, ".git/config", Code.UNSAFE_PATH),
        (FILES, "a\x1b", Code.UNSAFE_PATH),
        (FLOWS, "a/b", Code.UNSAFE_PATH),
        (FLOWS, "a\\b", Code.UNSAFE_PATH),
        (FLOWS, "x" * 251, Code.UNSAFE_PATH),
        (FILES, "x/" * 1500 + "x", Code.UNSAFE_PATH),
        (DASHBOARDS, "a\nb", Code.UNSAFE_PATH),
    ],
)
def test_what_kestra_lists_and_git_cannot_take_is_left_alone(part, name, code) -> None:
    found = snapshots.kestra(part, {name: b"1", "ok": b"2"})
    assert _codes(found) == [(code, False)]
    assert found.withheld == {name}
    assert list(found.entries) == ["ok"]


def test_a_namespace_that_cannot_be_a_folder_is_left_alone_as_a_whole() -> None:
    found = snapshots.kestra(Part("Team", Kind.FLOW), {"x": b"1"})
    assert _codes(found) == [(Code.UNSAFE_PATH, False)]
    assert is_withheld("x", found.withheld)
    assert is_withheld("anything", found.withheld)


# Too large

LARGE = "1" * 40


def _sizes(oids: Collection[str]) -> Mapping[str, int]:
    return {oid: LARGEST + (oid == LARGE) for oid in oids}


def test_a_file_over_the_limit_is_withheld_alone_and_nothing_is_read() -> None:
    files = [("team/files/huge", FILE, LARGE), ("team/files/at-limit", FILE, "2" * 40)]
    found = snapshots.git(FILES, "team/files", files, {}, _never, _sizes)
    assert set(found.entries) == {"at-limit"}
    assert _codes(found) == [(Code.TOO_LARGE, False)]
    assert found.problems[0].where == "team/files/huge"
    assert "100000001 bytes, the limit is 100000000" in found.problems[0].message
    assert found.withheld == {"huge"}


def test_only_what_kestra_does_not_hold_is_sized() -> None:
    asked: list[Collection[str]] = []

    def sizes(oids: Collection[str]) -> Mapping[str, int]:
        asked.append(oids)
        return _sizes(oids)

    known = {"2" * 40: Known("same", "2" * 40)}
    files = [("team/files/same", FILE, "2" * 40), ("team/files/new", FILE, "3" * 40)]
    snapshots.git(FILES, "team/files", files[:1], known, _never, sizes)
    assert asked == []
    snapshots.git(FILES, "team/files", files, known, _never, sizes)
    assert asked == [{"3" * 40}]


def test_a_text_over_the_limit_may_stand_for_every_name_of_its_part() -> None:
    texts = {blob_oid(_text("x")): _text("x")}
    files = [("team/flows/huge.yaml", FILE, LARGE), ("team/flows/x.yaml", FILE, next(iter(texts)))]
    found = snapshots.git(
        FLOWS, "team/flows", files, {}, lambda oids: {oid: texts[oid] for oid in oids}, _sizes
    )
    assert _codes(found) == [(Code.TOO_LARGE, False)]
    assert EVERYTHING in found.withheld


def test_a_file_over_the_limit_in_kestra_is_withheld_alone() -> None:
    found = snapshots.kestra(FILES, {"a": b"1"}, large={"huge": LARGEST + 1})
    assert set(found.entries) == {"a"} and found.withheld == {"huge"}
    assert _codes(found) == [(Code.TOO_LARGE, False)]
    assert found.problems[0].where == "Kestra, team FILE: huge"
