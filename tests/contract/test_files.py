"""What every server must do with namespace files: bytes, names, folders, archives, revisions."""

from __future__ import annotations

import pytest

from tests.contract.kestra import Kestra, archive, entries_of, flow


def names(kestra: Kestra, path: str) -> set[str]:
    listed = kestra.files("/directory", path=path).json()
    return {entry["fileName"] + "/" * (entry["type"] == "Directory") for entry in listed}


def test_a_nested_file_needs_no_folder_and_keeps_its_bytes(kestra: Kestra) -> None:
    content = bytes(range(256)) + b"\0\0"
    written = kestra.write("/a/b/c.bin", content)
    assert (written.status_code, written.content) == (200, b"")
    assert kestra.read("/a/b/c.bin").content == content
    assert kestra.write("/a/b/c.bin", b"").status_code == 200
    assert kestra.read("/a/b/c.bin").content == b""


def test_search_lists_every_path_at_any_depth(kestra: Kestra) -> None:
    for path in ("/top.txt", "/a/b/deep.txt", "/a/other.txt"):
        kestra.write(path, b"x")
    assert kestra.paths() == ["/a/b/deep.txt", "/a/other.txt", "/top.txt"]
    assert kestra.files("/search", q="DEEP").json() == ["/a/b/deep.txt"]
    assert kestra.files("/search").status_code == 400


def test_a_directory_lists_one_level_with_types_and_sizes(kestra: Kestra) -> None:
    kestra.write("/a/b/deep.txt", b"x")
    kestra.write("/a/file.txt", b"hello")
    listed = {entry["fileName"]: entry for entry in kestra.files("/directory", path="/a").json()}
    assert {name: entry["type"] for name, entry in listed.items()} == {
        "b": "Directory",
        "file.txt": "File",
    }
    assert listed["file.txt"]["size"] == 5
    assert isinstance(listed["file.txt"]["lastModifiedTime"], int)


def test_the_root_always_exists_and_other_folders_do_not(kestra: Kestra) -> None:
    assert kestra.files("/directory").json() == []
    assert kestra.files("/directory", path="/zz").status_code == 404


def test_an_export_holds_files_without_empty_folders(kestra: Kestra) -> None:
    kestra.write("/a/file.txt", b"hello")
    kestra.client.post(f"/namespaces/{kestra.namespace}/files/directory", params={"path": "/empty"})
    entries = entries_of(kestra.files("/export"))
    assert entries == {"a/file.txt": b"hello"}


def test_a_1_3_export_also_holds_the_flows(kestra: Kestra) -> None:
    text = flow(kestra.namespace, "f")
    kestra.create(text)
    assert entries_of(kestra.files("/export")) == {"_flows/f.yml": text.encode()}


def test_deleting_the_last_file_deletes_its_empty_folders(kestra: Kestra) -> None:
    top = f"/{kestra.namespace}"
    kestra.write(f"{top}/b/c/last.txt", b"x")
    kestra.write(f"{top}/stays.txt", b"x")
    assert kestra.delete_path(f"{top}/b/c/last.txt").status_code == 200
    assert names(kestra, top) == {"stays.txt"}
    kestra.delete_path(f"{top}/stays.txt")
    assert kestra.files("/directory").json() == []


def test_an_emptied_folder_stays_where_another_namespace_has_it_too(kestra: Kestra) -> None:
    path = f"/{kestra.namespace}/f.txt"
    kestra.write(path, b"x")
    kestra.write(path, b"x", namespace=f"{kestra.namespace}.other")
    kestra.delete_path(path)
    assert (kestra.paths(), names(kestra, "/")) == ([], {f"{kestra.namespace}/"})


def test_deleting_an_absent_path_deletes_its_only_sibling(kestra: Kestra) -> None:
    folder = f"/{kestra.namespace}"
    for name in ("one", "two"):
        kestra.write(f"{folder}/{name}.txt", b"x")
    kestra.delete_path(f"{folder}/one.txt")
    assert kestra.paths() == [f"{folder}/two.txt"]
    kestra.delete_path(f"{folder}/one.txt")
    assert kestra.paths() == []


def test_deleting_a_folder_deletes_all_it_holds(kestra: Kestra) -> None:
    for path in ("/a/b/1.txt", "/a/2.txt", "/c.txt"):
        kestra.write(path, b"x")
    kestra.delete_path("/a")
    assert kestra.paths() == ["/c.txt"]


def test_deleting_an_absent_path_is_200(kestra: Kestra) -> None:
    assert kestra.delete_path("/nope/zz.txt").status_code == 200


def test_an_absent_file_is_404(kestra: Kestra) -> None:
    assert kestra.read("/zz.txt").status_code == 404
    assert kestra.files("/stats", path="/zz.txt").status_code == 404
    assert kestra.files("/revisions", path="/zz.txt").status_code == 404


def test_the_folder_of_flows_is_no_folder_of_files(kestra: Kestra) -> None:
    for refused in (
        kestra.read("/_flows/x.yml"),
        kestra.files("/directory", path="/_flows"),
        kestra.write("/_flows", b"x"),
        kestra.delete_path("/_flows/x.yml"),
    ):
        assert refused.status_code == 422
    assert kestra.write("/_flowsx.txt", b"x").status_code == 200


def test_a_file_written_to_the_folder_of_flows_is_imported_as_a_flow(kestra: Kestra) -> None:
    kestra.write("/_flows/x.yml", flow("some.other", "via-files").encode())
    assert kestra.source(kestra.namespace, "via-files") == (
        flow(kestra.namespace, "via-files").encode()
    )


def test_an_equal_rewrite_makes_a_revision_all_the_same(kestra: Kestra) -> None:
    for _ in range(3):
        kestra.write("/f.txt", b"same")
    assert kestra.files("/revisions", path="/f.txt").json() == [
        {"revision": number} for number in (1, 2, 3)
    ]


def test_a_deletion_takes_the_present_revision_and_leaves_the_older(kestra: Kestra) -> None:
    for content in (b"one", b"two"):
        kestra.write("/f.txt", content)
    kestra.delete_path("/f.txt")
    assert kestra.read("/f.txt", revision="1").content == b"one"
    assert kestra.read("/f.txt", revision="2").status_code == 404
    assert kestra.files("/revisions", path="/f.txt").status_code == 404
    kestra.write("/f.txt", b"three")
    assert kestra.read("/f.txt", revision="1").content == b"one"
    assert kestra.read("/f.txt", revision="2").status_code == 404
    assert kestra.read("/f.txt", revision="3").content == b"three"


@pytest.mark.parametrize(
    ("given", "listed"),
    [
        ("/sp ace.txt", "/sp+ace.txt"),
        ("/dir with space/f.txt", "/dir+with+space/f.txt"),
        ("/back\\slash.txt", "/back/slash.txt"),
        ("/a//b.txt", "/a/b.txt"),
        ("/a/./b.txt", "/a/b.txt"),
        ("noslash.txt", "/noslash.txt"),
        ("/uni-é漢.txt", "/uni-é漢.txt"),
        ("/.hidden", "/.hidden"),
        ("/a..b.txt", "/a..b.txt"),
        ("/pct%41.txt", "/pct%41.txt"),
    ],
)
def test_names_are_listed_in_one_form_and_read_in_the_given(
    kestra: Kestra, given: str, listed: str
) -> None:
    assert kestra.write(given, b"content").status_code == 200
    assert kestra.paths() == [listed]
    assert kestra.read(given).content == b"content"
    assert list(entries_of(kestra.files("/export"))) == [listed[1:]]


@pytest.mark.parametrize("name", ['q"x', "[x]", "{x}", "a|b", "a^b", "a`b", "a<b", "b%zz"])
def test_names_that_no_uri_can_hold_are_422(kestra: Kestra, name: str) -> None:
    assert kestra.write(f"/{name}", b"x").status_code == 422
    assert kestra.paths() == []


def test_paths_upwards_and_long_names_are_422(kestra: Kestra) -> None:
    assert kestra.write("/../esc.txt", b"x").status_code == 422
    assert kestra.write("/x/../y.txt", b"x").status_code == 422
    assert kestra.write("/" + "n" * 255, b"x").status_code == 200
    assert kestra.write("/" + "n" * 256, b"x").status_code == 422


@pytest.mark.parametrize(("one", "other"), [("/x#1.txt", "/x#2.txt"), ("/q?1.txt", "/q?2.txt")])
def test_names_that_are_cut_in_storage_share_one_content(
    kestra: Kestra, one: str, other: str
) -> None:
    kestra.write(one, b"first")
    kestra.write(other, b"second")
    assert kestra.paths() == [one, other]
    assert (kestra.read(one).content, kestra.read(other).content) == (b"second", b"second")


def test_a_file_in_the_place_of_a_folder_is_404_and_a_folder_swallows_a_file(
    kestra: Kestra,
) -> None:
    kestra.write("/a", b"file")
    assert kestra.write("/a/b.txt", b"x").status_code == 404
    kestra.write("/d/e.txt", b"x")
    assert kestra.write("/d", b"lost").status_code == 200
    assert kestra.paths() == ["/a", "/d/e.txt"]


def test_moving_gives_a_file_another_path(kestra: Kestra) -> None:
    kestra.write("/one/f.txt", b"x")
    kestra.write("/taken.txt", b"y")
    where = f"/namespaces/{kestra.namespace}/files"
    moved = kestra.client.put(where, params={"from": "/one/f.txt", "to": "/two/g.txt"})
    assert (moved.status_code, kestra.paths()) == (200, ["/taken.txt", "/two/g.txt"])
    onto = kestra.client.put(where, params={"from": "/two/g.txt", "to": "/taken.txt"})
    assert (onto.status_code, kestra.read("/taken.txt").content) == (500, b"y")


def test_a_part_named_zip_is_unpacked_and_a_neutral_name_is_not(kestra: Kestra) -> None:
    content = archive({"zz/one.txt": "1", "two.bin": bytes(range(256))})
    kestra.write("/ignored", content, name="x.zip")
    assert kestra.paths() == ["/two.bin", "/zz/one.txt"]
    assert kestra.read("/two.bin").content == bytes(range(256))
    kestra.write("/kept.zip", content)
    assert kestra.read("/kept.zip").content == content


def test_an_unpacked_archive_fails_at_a_blank_and_keeps_what_came_before(kestra: Kestra) -> None:
    failed = kestra.write("/x", archive({"one.txt": "1", "sp ace.txt": "2"}), name="x.zip")
    assert failed.status_code == 422
    assert kestra.paths() == ["/one.txt"]


def test_a_missing_part_is_500_and_a_missing_path_400(kestra: Kestra) -> None:
    where = f"/namespaces/{kestra.namespace}/files"
    no_part = kestra.client.post(where, params={"path": "/x"}, files={"other": ("file", b"x")})
    no_path = kestra.client.post(where, files={"fileContent": ("file", b"x")})
    assert (no_part.status_code, no_path.status_code) == (500, 400)
