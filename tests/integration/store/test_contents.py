"""The contents in each store that can hold them: a folder, and the bucket of a real server."""

from __future__ import annotations

import os
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tasks.errors import ConfigError, Doubtful, Unreachable
from tasks.store.contents import ALONE, ContentMissing, Contents
from tests.bucket import ObjectStore
from tests.ports import free_port
from tests.reflector import Reflector
from tests.waiting import wait_for

DAY = 86_400.0


@pytest.fixture
def bucket(bucket_server: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of an empty place in a bucket that this process may use."""
    for name, value in bucket_server.environment.items():
        monkeypatch.setenv(name, value)
    return bucket_server.create()


@pytest.fixture(params=["folder", "bucket"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty store."""
    if request.param == "folder":
        return f"file://{tmp_path / 'contents'}"
    return str(request.getfixturevalue("bucket"))


@pytest.fixture
def contents(place: str) -> Contents:
    return Contents(place)


def _modified(contents: Contents, name: str) -> float:
    return {path[3:]: modified for path, modified in contents._blobs.all()}[name]


def test_what_is_put_comes_back_under_its_digest(contents: Contents) -> None:
    name = contents.put(b"a flow\n")
    assert contents.get(name) == b"a flow\n"
    assert contents.put(b"a flow\n") == name
    assert contents.get(contents.put(b"")) == b""


def test_slices_of_one_blob_come_back_alone(contents: Contents) -> None:
    names = contents.put_together([b"one", b"", b"three"])
    assert [contents.get(name) for name in names] == [b"one", b"", b"three"]


def test_large_contents_are_blobs_of_their_own_and_small_ones_share_one(contents: Contents) -> None:
    large = os.urandom(ALONE)
    names = contents.put_together(iter([b"one", large, b"two", large[1:]]))
    assert [contents.get(name) for name in names] == [b"one", large, b"two", large[1:]]
    assert [contents.size(name) for name in names] == [3, ALONE, 3, ALONE - 1]
    assert names[1] == contents.put(large)
    assert len({name.partition("@")[0] for name in names}) == 2
    with pytest.raises(ContentMissing):
        contents.size("0" * 64)


def test_small_contents_are_cut_into_blobs_of_some_size(contents: Contents) -> None:
    given = [os.urandom(1 << 19) for _ in range(40)]
    names = contents.put_together(given)
    assert [contents.get(name) for name in names] == given
    assert len({name.partition("@")[0] for name in names}) == 2


def test_a_large_content_is_whole(contents: Contents) -> None:
    large = os.urandom(6 * 1024 * 1024)
    assert contents.get(contents.put(large)) == large


def test_what_is_not_there_is_named(contents: Contents) -> None:
    with pytest.raises(ContentMissing, match="do all workers share this store"):
        contents.get("0" * 64)


def test_eight_threads_put_and_get_at_once(contents: Contents) -> None:
    def both(number: int) -> bytes:
        # Each content is put by two threads.
        return contents.get(contents.put(b"%d" % (number % 40)))

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(both, range(80))) == [b"%d" % (number % 40) for number in range(80)]


def test_only_what_nobody_names_and_nobody_staged_lately_is_removed(contents: Contents) -> None:
    kept, unused = contents.put(b"kept"), contents.put(b"unused")
    assert contents.remove_unused(frozenset({kept}), DAY) == 0
    assert contents.remove_unused(frozenset({kept}), -DAY) == 1
    assert contents.get(kept) == b"kept"
    with pytest.raises(ContentMissing):
        contents.get(unused)


def test_a_blob_that_is_put_again_is_as_new(contents: Contents) -> None:
    again, once = contents.put(b"put again"), contents.put(b"put once")
    first = _modified(contents, once)

    def is_newer() -> bool:
        contents.put(b"put again")
        return _modified(contents, again) > first + 1  # an object store tells whole seconds

    wait_for("the blob is a second newer", is_newer)
    assert contents.remove_unused(frozenset(), time.time() - first - 0.5) == 1
    assert contents.get(again) == b"put again"
    with pytest.raises(ContentMissing):
        contents.get(once)


def test_whose_contents_these_are_outlives_tidying(contents: Contents) -> None:
    assert contents.owner() is None
    contents.give_to("abc")
    assert contents.remove_unused(frozenset(), -DAY) == 0
    assert contents.owner() == "abc"


def test_a_damaged_file_is_doubtful_and_a_half_written_one_is_never_seen(tmp_path: Path) -> None:
    contents = Contents(str(tmp_path))
    name = contents.put(b"whole")
    (tmp_path / name[:2] / f"{name}.0123abcd").write_bytes(b"wh")  # its process died
    assert contents.get(name) == b"whole"
    assert contents.remove_unused(frozenset({name}), -DAY) == 1
    (tmp_path / name[:2] / name).write_bytes(b"wh")
    with pytest.raises(Doubtful, match="damaged"):
        contents.get(name)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(Unreachable, match=r"contents store .*file"):
        Contents(str(tmp_path / "file")).put(b"x")


@pytest.mark.usefixtures("bucket")
def test_a_bucket_that_is_missing_is_named_with_the_remedy() -> None:
    contents = Contents("s3://nowhere/prefix")
    for call in (contents.owner, lambda: contents.put(b"x"), lambda: contents.get("0" * 64)):
        with pytest.raises(
            ConfigError, match=r"s3://nowhere/prefix: (there is no such bucket|acc)"
        ):
            call()


@pytest.mark.parametrize("variable", ["AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID"])
def test_a_wrong_login_is_named_with_the_remedy_and_without_the_secret(
    bucket: str, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "hidden-and-wrong")
    with pytest.raises(ConfigError, match=r"access denied .* \(AWS_ACCESS_KEY_ID") as caught:
        Contents(bucket).put(b"x")
    assert "hidden-and-wrong" not in str(caught.value)


def test_a_missing_login_is_named_with_the_remedy(
    bucket: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    with pytest.raises(ConfigError, match="no login was found; set AWS_ACCESS_KEY_ID"):
        Contents(bucket).put(b"x")


def test_a_server_that_is_away_may_come_back_and_is_named(
    bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(Unreachable, match="AWS_ENDPOINT_URL_S3 is right"):
        Contents(bucket).put(b"x")


@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL_S3", "HTTP_PROXY"])
def test_a_login_in_an_address_of_the_environment_is_not_shown(
    bucket: str, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, f"http://me:hidden-one@127.0.0.1:{free_port()}")
    with pytest.raises(Unreachable, match="s3://") as caught:
        Contents(bucket).put(b"x")
    assert "hidden-one" not in "".join(traceback.format_exception(caught.value))


def test_what_a_store_says_back_of_a_login_is_not_shown(
    bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = "s3ssion/token+of-the-role"
    monkeypatch.setenv("AWS_SESSION_TOKEN", token)
    with Reflector() as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server.url)
        with pytest.raises(ConfigError, match=r"access denied .*\*\*\*") as caught:
            Contents(bucket).put(b"x")
    assert server.told
    assert token not in "".join(traceback.format_exception(caught.value))


def test_a_place_beside_another_is_not_touched(bucket: str) -> None:
    one, other = Contents(bucket), Contents(f"{bucket}0")
    kept = other.put(b"of the other")
    one.put(b"of the one")
    assert one.remove_unused(frozenset(), -DAY) == 1
    assert other.get(kept) == b"of the other"
