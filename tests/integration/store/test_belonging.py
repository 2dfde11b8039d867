"""Records and contents know each other: a worker that has the one and not the other is refused."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from tasks.errors import ConfigError
from tasks.points import VARIABLE, Fault, arm
from tasks.store.belonging import join, mismatch
from tasks.store.contents import OWNER, Contents
from tasks.store.database import Database
from tests.records.old import make_version_1


def _store(tmp_path: Path, name: str) -> Contents:
    return Contents(str(tmp_path / name))


def test_what_met_once_meets_again(database: Database, tmp_path: Path) -> None:
    contents = _store(tmp_path, "contents")
    assert mismatch(database, contents) is None
    join(database, contents)
    assert contents.owner() is not None
    join(database, _store(tmp_path, "contents"))
    assert mismatch(database, contents) is None


def test_another_place_is_refused_with_the_first_and_the_remedy(
    database: Database, tmp_path: Path
) -> None:
    join(database, _store(tmp_path, "contents"))
    other = _store(tmp_path, "elsewhere")
    with pytest.raises(ConfigError) as caught:
        join(database, other)
    assert f"{tmp_path}/elsewhere: it is not the one of these records" in caught.value.message
    assert f"found at {tmp_path}/contents" in caught.value.message
    assert "give every worker the same folder or bucket (TENANTSYNC_CONT" in caught.value.message
    assert mismatch(database, other) == caught.value.message
    assert other.owner() is None


def test_contents_that_were_moved_are_theirs_again(database: Database, tmp_path: Path) -> None:
    join(database, _store(tmp_path, "contents"))
    (tmp_path / "contents").rename(tmp_path / "moved")
    join(database, _store(tmp_path, "moved"))


def test_contents_that_are_lost_for_good_are_made_anew_as_the_error_says(
    database: Database, tmp_path: Path
) -> None:
    join(database, _store(tmp_path, "contents"))
    wrong = mismatch(database, _store(tmp_path, "new"))
    assert wrong is not None
    named = wrong.partition("lost for good, write ")[2].partition(" into a file ")[0]
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / OWNER).write_text(f"{named}\n")
    join(database, _store(tmp_path, "new"))


def test_two_databases_never_share_one_store(database: Database, tmp_path: Path) -> None:
    contents = _store(tmp_path, "contents")
    join(database, contents)
    second = Database(f"sqlite:///{tmp_path / 'second.db'}")
    with pytest.raises(ConfigError, match="it belongs to other records"):
        join(second, contents)
    second.close()


def test_of_two_new_stores_at_once_one_is_taken(database: Database, tmp_path: Path) -> None:
    start = Barrier(2)

    def one(name: str) -> bool:
        start.wait(timeout=20)
        try:
            join(database, _store(tmp_path, name))
        except ConfigError:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(one, ["a", "b"])) == [False, True]


def test_a_store_that_was_given_by_a_process_that_died_is_still_theirs(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    contents = _store(tmp_path, "contents")
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    arm(tmp_path, "given", Fault.RAISE)
    with pytest.raises(RuntimeError):
        join(database, contents)
    assert mismatch(database, contents) is None
    join(database, contents)
    with pytest.raises(ConfigError):
        join(database, _store(tmp_path, "other"))


def test_records_of_before_are_not_given_a_store_without_their_plans(
    url: str, tmp_path: Path
) -> None:
    make_version_1(url)
    database = Database(url)
    with pytest.raises(ConfigError, match="it is not the one of these records"):
        join(database, _store(tmp_path, "empty"))
    database.close()
