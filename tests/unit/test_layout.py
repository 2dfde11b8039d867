"""Paths that are safe, paths that are not, and where artifacts lie."""

from __future__ import annotations

import pytest

from tasks.artifacts import GLOBAL, Kind, Part
from tasks.errors import Unsafe
from tasks.layout import (
    SyncLayout,
    check_namespace,
    check_path,
    held_name,
    kestra_name,
    obstacles,
    stem,
    twins,
)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/a",
        "a/",
        "a//b",
        ".",
        "..",
        "a/../b",
        "a/.",
        "./a",
        ".git",
        "a/.git/config",
        ".GIT",
        ".Git/x",
        "git~1",
        "GIT~1/x",
        ".git.",
        ".git ",
        ".git . .",
        ".git::$INDEX_ALLOCATION",
        ".git:x",
        "git~1:x",
        "git~1.",
        ".g\u200cit",
        "\u200d.git/x",
        ".git\ufeff",
        ".g\u202ait",
        "a\\b",
        "..\\x",
        "a\0b",
        "a\nb",
        "a\x1b[31m",
        "a\x7f",
        "a\x85b",
        "a" * 256,
        "é" * 128,
        "\udc80",
        "x/" * 2048 + "x",
    ],
)
def test_a_path_that_could_lead_elsewhere_is_refused(path) -> None:
    assert check_path(path)


@pytest.mark.parametrize(
    "path",
    [
        "a",
        "a/b.c",
        ".github/x",
        "foo.git",
        ".gitignore",
        ".gitmodules",
        "git~2",
        "..a",
        "a..",
        "a b",
        "übersicht/日本語/🚢.txt",
        "a" * 255,
        "é" * 127,
        'a"b',
        "-x",
        "CON",
        "a:b",
        "a+b",
        "x.git/y",
    ],
)
def test_an_ordinary_path_is_let_through(path) -> None:
    assert check_path(path) is None


@pytest.mark.parametrize("name", ["a", "a.b-c_d", "0", "a" * 150])
def test_a_namespace_of_the_server_is_a_folder(name) -> None:
    assert check_namespace(name) is None


@pytest.mark.parametrize("name", ["", "A", ".a", "a/b", "_global", "-a", "a b", "a" * 151, "a\n"])
def test_no_other_name_is_the_folder_of_a_namespace(name) -> None:
    assert check_namespace(name)


def test_a_space_is_a_plus_in_kestra() -> None:
    assert kestra_name("a b/c d+e") == "a+b/c+d+e"


@pytest.mark.parametrize(
    "name",
    [
        'a"b',
        "a[b",
        "a]b",
        "a{b",
        "a}b",
        "a..b",
        "a\\b",
        "a#b",
        "a%41b",
        "a%fFb",
        "_flows/x.yml",
        "x" * 256,
        "é" * 128,
        "_flows",
    ],
)
def test_names_that_kestra_cannot_hold_are_known(name) -> None:
    assert held_name(name)


@pytest.mark.parametrize(
    "name", ["a.b", "a%b", "a%4", "100%", "x/_flows/y", "a'b", "a&b", "x" * 255]
)
def test_other_names_are_held(name) -> None:
    assert held_name(name) is None


def test_twins_are_paths_that_differ_in_case_or_unicode_form_alone() -> None:
    paths = ["a/B", "A/b", "x", "\u00e9", "e\u0301", "E\u0301", "straße", "STRASSE"]
    found = twins(paths)
    assert {frozenset(group) for group in found} == {
        frozenset({"a/B", "A/b"}),
        frozenset({"\u00e9", "e\u0301", "E\u0301"}),
        frozenset({"straße", "STRASSE"}),
    }
    assert twins(["a", "a", "b"]) == ()


@pytest.mark.parametrize("directory", ["", "kestra/main"])
def test_a_new_artifact_lies_where_it_is_found_again(directory) -> None:
    layout = SyncLayout(directory)
    top = f"{directory}/" if directory else ""
    for part, name, path, rest in (
        (Part("a.b", Kind.FLOW), "x.v2", "a.b/flows/x.v2.yaml", "x.v2.yaml"),
        (Part("a.b", Kind.FILE), "d/e.txt", "a.b/files/d/e.txt", "d/e.txt"),
        (Part(GLOBAL, Kind.DASHBOARD), "d", "_global/dashboards/d.yaml", "d.yaml"),
    ):
        assert layout.new_path(part, name) == top + path
        place = layout.place(top + path)
        assert place is not None
        assert (place.part, place.rest) == (part, rest)
        assert layout.folder(part) == top + path.removesuffix(f"/{rest}")


@pytest.mark.parametrize(
    ("path", "part", "rest"),
    [
        ("a/flows/sub/x.yml", Part("a", Kind.FLOW), "sub/x.yml"),
        ("_global/dashboards/ops/daily.yaml", Part(GLOBAL, Kind.DASHBOARD), "ops/daily.yaml"),
        ("a/files/flows/x.yaml", Part("a", Kind.FILE), "flows/x.yaml"),
        ("a/files/a\\b", Part("a", Kind.FILE), "a\\b"),
    ],
)
def test_files_below_the_folder_of_a_part_belong_to_it(path, part, rest) -> None:
    place = SyncLayout().place(path)
    assert place is not None
    assert (place.part, place.rest) == (part, rest)


@pytest.mark.parametrize(
    "path",
    [
        "README.md",
        "a/README.md",
        "a/flows/README.md",
        "a/flows/x.YAML",
        "a/flows",
        "a/files",
        "a/other/x.yaml",
        "A/flows/x.yaml",
        ".github/flows/x.yaml",
        "_global/flows/x.yaml",
        "_global/dashboards/x.json",
        "a/dashboards/x.yaml",
        "a/kv.yaml",
        "",
        "a",
    ],
)
def test_everything_else_is_foreign(path) -> None:
    assert SyncLayout().place(path) is None


def test_nothing_outside_the_directory_of_the_sync_belongs_to_it() -> None:
    layout = SyncLayout("kestra")
    assert layout.place("a/flows/x.yaml") is None
    assert layout.place("kestra2/a/flows/x.yaml") is None
    assert layout.place("kestra") is None


def test_a_link_in_the_place_of_a_folder_hides_its_parts() -> None:
    layout = SyncLayout("d")
    flows, files = Part("a", Kind.FLOW), Part("a", Kind.FILE)
    assert layout.hidden_parts("d/a") == (flows, files)
    assert layout.hidden_parts("d/a/flows") == (flows,)
    assert layout.hidden_parts("d/_global") == (Part(GLOBAL, Kind.DASHBOARD),)
    assert layout.hidden_parts("d/_global/dashboards") == (Part(GLOBAL, Kind.DASHBOARD),)
    assert layout.hidden_parts("d/a/flows", link=False) == (flows,)
    assert layout.hidden_parts("d/makefile", link=False) == ()
    for path in ("d/a/flows/x", "d/A", "a/flows", "d/a/other", "d/_global/flows"):
        assert layout.hidden_parts(path) == ()


@pytest.mark.parametrize("name", ["a/b", "..", "a\nb", "a\\b", "x" * 252])
def test_an_id_that_cannot_be_a_file_name_is_refused_and_shown_safely(name) -> None:
    if name == "..":
        assert SyncLayout().flow_path("a", name) == "a/flows/...yaml"
        return
    with pytest.raises(Unsafe) as refused:
        SyncLayout().flow_path("a", name)
    assert "\n" not in refused.value.message
    with pytest.raises(Unsafe):
        SyncLayout().dashboard_path(name)


@pytest.mark.parametrize(
    ("namespace", "name"), [("../x", "y"), ("A", "y"), ("a", "../y"), ("a", "")]
)
def test_a_file_or_namespace_that_leads_outside_is_refused(namespace, name) -> None:
    with pytest.raises(Unsafe):
        SyncLayout().file_path(namespace, name)


def test_a_new_text_goes_past_a_file_that_holds_another_id() -> None:
    part, layout = Part("a", Kind.FLOW), SyncLayout()
    assert layout.new_path(part, "x", {"a/flows/y.yaml"}) == "a/flows/x.yaml"
    assert layout.new_path(part, "x", {"a/flows/x.yaml"}) == "a/flows/x.yml"
    with pytest.raises(Unsafe, match="no free file name"):
        layout.new_path(part, "x", {"a/flows/x.yaml", "a/flows/x.yml"})


def test_no_new_file_takes_the_place_of_a_folder_or_of_a_file_above_it() -> None:
    remaining = ["d/file", "e/f/g"]
    assert obstacles(["d/file/x", "e/f", "e", "d/x", "e/f/h"], remaining) == {
        "d/file/x": "d/file",
        "e/f": "e/f/g",
        "e": "e/f/g",
    }


def test_the_stem_is_the_name_without_its_last_suffix() -> None:
    assert stem("sub/load.crates.v2.yaml") == "load.crates.v2"
