from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sandbox.git_server import GitServer
from tasks.errors import MirrorCorrupt, NotFound, Unreachable
from tasks.repo import mirror as mirrors
from tasks.repo.commit import FileChange
from tasks.repo.side import RepoSide
from tests.damage import DAMAGES, empty_refs, lost_pack, truncated_pack, zero_bytes
from tests.integration.repo.bare import Bare
from tests.integration.repo.conftest import MakeSide
from tests.integration.repo.parts import ADA, SERVICE, commit, made, wait_until

FILES: dict[str, bytes | None] = {f"n{n % 7}/f{n}": os.urandom(3000) for n in range(200)}


def mirror_of(side: RepoSide) -> Bare:
    return Bare(side._mirror.path)


def refs(side: RepoSide, prefix: str = "refs/tenantsync/") -> list[str]:
    return mirror_of(side).text("for-each-ref", "--format=%(refname)", prefix).split()


def content(side: RepoSide, oid: str) -> dict[str, bytes]:
    entries = side.listing(oid)
    contents = dict(side.blobs(entry.oid for entry in entries))
    return {entry.path: contents[entry.oid] for entry in entries}


@pytest.mark.parametrize("warm", [True, False])
def test_eight_threads_fetch_one_branch_at_once(bare: Bare, side: RepoSide, warm: bool) -> None:
    tip = bare.commit(FILES)
    if warm:
        side.fetch("before", "main")
        tip = bare.commit({"new": b"1"})
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda n: side.fetch(f"run-{n}", "main"), range(32)))
    assert found == [tip] * 32
    assert mirror_of(side).text("fsck", "--no-dangling") == ""


def test_hosts_and_processes_that_start_together_fill_one_mirror_once(
    server: GitServer, bare: Bare, make_side: MakeSide
) -> None:
    bare.commit(FILES)
    sides = [make_side("shared") for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda side: side.fetch("run-1", "main"), sides))
    root = sides[0]._mirror.path.parent
    assert sorted(path.suffix for path in root.iterdir() if path.name != "home") == [
        ".git", ".lock",
    ]  # fmt: skip


def test_only_the_asked_branch_is_brought_here(bare: Bare, side: RepoSide) -> None:
    bare.commit({"a": b"1"})
    other = bare.commit({"a": b"2"}, branch="other")
    bare.git("tag", "v1", other)
    side.fetch("run-1", "main")
    assert not side._mirror.has(other)
    mirror = mirror_of(side)
    assert not (mirror.path / "FETCH_HEAD").exists()
    assert "remote" not in (mirror.path / "config").read_text()


@pytest.mark.parametrize("by_id", [True, False])
def test_what_was_fetched_before_is_not_sent_again(bare: Bare, side: RepoSide, by_id: bool) -> None:
    oid = bare.commit(FILES)
    if by_id:
        side.ensure("run-1", oid, "main")
    else:
        side.fetch("run-1", "main")
    side.release("run-1")
    bare.commit({"new": b"1"})
    before = {path: path.stat().st_size for path in mirror_of(side).path.rglob("*.pack")}
    side.fetch("run-2", "main")
    after = {path: path.stat().st_size for path in mirror_of(side).path.rglob("*.pack")}
    new = [size for path, size in after.items() if path not in before]
    assert sum(new) < 2000 < sum(before.values())


def test_two_logins_never_share_a_mirror(make_side: MakeSide) -> None:
    names = {
        make_side()._mirror.path,
        make_side(username="other")._mirror.path,
        make_side(token=None)._mirror.path,
    }
    assert len(names) == 3


def test_a_pinned_commit_is_made_present_on_another_host(bare: Bare, make_side: MakeSide) -> None:
    pinned = bare.commit({"a": b"1"})
    make_side("one").fetch("run-1", "main")
    bare.commit({"a": b"2"})
    other = make_side("two")
    other.ensure("run-1", pinned, "main")
    assert content(other, pinned) == {"a": b"1"}
    for _ in range(3):
        make_side("two").ensure("run-1", pinned, "main")
    assert len(refs(other)) == 1
    assert other.fetch("run-2", pinned) == pinned


def test_an_old_server_that_gives_no_commit_by_its_id_is_asked_for_the_branch(
    bare: Bare, make_side: MakeSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    pinned = bare.commit({"a": b"1"})
    bare.commit({"a": b"2"})
    side = make_side("two")

    def refuse(*_: object) -> None:
        raise NotFound("Server does not allow request for unadvertised object")

    monkeypatch.setattr(side._mirror, "fetch_commit", refuse)
    side.ensure("run-1", pinned, "main")
    assert content(side, pinned) == {"a": b"1"}


def test_a_commit_that_the_remote_lost_is_named(bare: Bare, side: RepoSide) -> None:
    bare.commit({"a": b"1"})
    with pytest.raises(NotFound, match="1111 is not in branch main any more"):
        side.ensure("run-1", "1" * 40, "main")


def test_release_drops_the_refs_of_one_run_only(bare: Bare, side: RepoSide) -> None:
    base = bare.commit({"a": b"1"})
    side.fetch("run-1", "main")
    side.fetch("run-10", "main")
    commit(side, base, {"a": b"2"}, "run-1")
    side.release("run-1")
    assert [ref.split("/")[2] for ref in refs(side)] == ["run-10"]
    side.release("run-1")
    side.release("never-seen")


def test_release_of_a_repository_never_seen_is_quiet(side: RepoSide) -> None:
    side.release("run-1")


# Damage


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_mirror_is_built_again_for_whoever_reads(
    bare: Bare, side: RepoSide, damage: Callable[[Path], None]
) -> None:
    bare.commit(FILES)
    oid = side.fetch("run-1", "main")
    damage(side._mirror.path)
    assert content(side, oid) == FILES


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_mirror_is_built_again_for_whoever_writes(
    bare: Bare, side: RepoSide, damage: Callable[[Path], None]
) -> None:
    base = bare.commit(FILES)
    side.fetch("run-1", "main")
    damage(side._mirror.path)
    for _ in range(3):  # a job is tried again after MirrorCorrupt
        with suppress(MirrorCorrupt):
            side.ensure("run-1", base, "main")
            new = made(commit(side, base, {"a": b"2"}))
            assert side.push("main", new, base).result == "LANDED"
            break
    assert bare.read("a") == b"2"


@pytest.mark.parametrize("damage", [zero_bytes, lost_pack, empty_refs])
def test_contents_come_back_when_the_mirror_breaks_after_the_listing(
    bare: Bare, side: RepoSide, damage: Callable[[Path], None]
) -> None:
    bare.commit(FILES)
    oid = side.fetch("run-1", "main")
    entries = side.listing(oid)
    damage(side._mirror.path)
    contents = dict(side.blobs(entry.oid for entry in entries))
    assert {entry.path: contents[entry.oid] for entry in entries} == FILES


def test_one_lost_blob_comes_back(bare: Bare, side: RepoSide) -> None:
    bare.commit(FILES)
    oid = side.fetch("run-1", "main")
    lost = side.listing(oid)[7].oid
    mirror = mirror_of(side)
    packs = [path.rename(mirror.path / path.name) for path in mirror.path.rglob("*.pack")]
    for index in mirror.path.glob("objects/pack/*"):
        index.unlink()
    for pack in packs:
        mirror.git("unpack-objects", "-q", stdin=pack.read_bytes())
    (mirror.path / "objects" / lost[:2] / lost[2:]).unlink()
    assert side.sizes([lost]) == {lost: 3000}


def test_an_object_that_nobody_has_is_no_damage(bare: Bare, side: RepoSide) -> None:
    bare.commit({"a": b"1"})
    side.fetch("run-1", "main")
    stamp = side._mirror.stamp()
    with pytest.raises(NotFound):
        side.sizes(["1" * 40])
    assert side._mirror.stamp() == stamp


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_mirror_is_built_again_by_the_next_run(
    bare: Bare, side: RepoSide, make_side: MakeSide, damage: Callable[[Path], None]
) -> None:
    bare.commit(FILES)
    side.fetch("run-1", "main")
    damage(side._mirror.path)
    tip = bare.commit({"new": b"1"})
    other = make_side()  # another process: it knows nothing of run-1
    assert other.fetch("run-2", "main") == tip
    assert content(other, tip) == {**FILES, "new": b"1"}


def test_contents_read_from_a_damaged_mirror_come_once_each(bare: Bare, side: RepoSide) -> None:
    bare.commit(FILES)
    oid = side.fetch("run-1", "main")
    asked = [entry.oid for entry in side.listing(oid)]
    zero_bytes(side._mirror.path)
    assert [each for each, _ in side.blobs(asked)] == asked


def test_an_older_commit_that_cannot_be_read_never_reads_as_another_history(
    bare: Bare, side: RepoSide
) -> None:
    bare.commit({"a": b"1"})
    side.fetch("run-1", "main")
    old = next((side._mirror.path / "objects/pack").glob("*.pack"))
    base, tip = bare.commit({"a": b"2"}), bare.commit({"a": b"3"})
    side.fetch("run-1", "main")
    old.chmod(0o600)
    with old.open("ab") as file:
        file.write(b"\0" * 20)  # in the place of the digest that its index names
    assert side.contains(tip, base)


def test_a_commit_that_a_repair_has_lost_is_built_again(bare: Bare, side: RepoSide) -> None:
    bare.commit({"a": b"1"})
    side.fetch("run-1", "main")
    old = next((side._mirror.path / "objects/pack").glob("*.pack"))
    base = bare.commit({"a": b"2"})
    side.fetch("run-1", "main")

    def build() -> str:
        # As old as its base: git reads the older commit, too, before it answers.
        when, change = datetime.fromtimestamp(1_700_000_000, UTC), FileChange("a", b"3")
        return made(side.commit("run-1", base, [change], "Sync", ADA, SERVICE, when))

    new = build()
    old.chmod(0o600)
    with old.open("ab") as file:
        file.write(b"\0" * 20)
    with pytest.raises(MirrorCorrupt, match="build it again"):
        side.push("main", new, base)
    side.ensure("run-1", base, "main")
    assert side.push("main", build(), base).result == "LANDED"


def test_a_commit_that_meets_a_damaged_mirror_goes_through_when_tried_again(
    bare: Bare, side: RepoSide
) -> None:
    base = bare.commit(FILES)
    side.fetch("run-1", "main")
    truncated_pack(side._mirror.path)
    with suppress(MirrorCorrupt):  # found before or while it is built, as git likes
        commit(side, base, {"a": b"2"})
    side.ensure("run-1", base, "main")
    new = made(commit(side, base, {"a": b"2"}))
    assert side.push("main", new, base).result == "LANDED"


def test_a_mirror_is_set_aside_once_when_many_find_it_damaged(bare: Bare, side: RepoSide) -> None:
    bare.commit(FILES)
    oid = side.fetch("run-1", "main")
    lost_pack(side._mirror.path)
    with ThreadPoolExecutor(6) as pool:
        read = list(pool.map(lambda _: content(side, oid), range(6)))
    assert read == [FILES] * 6
    broken = [path for path in side._mirror.path.parent.iterdir() if ".broken-" in path.name]
    assert len(broken) <= 1


def test_a_mirror_that_somebody_set_aside_already_is_let_be(bare: Bare, side: RepoSide) -> None:
    bare.commit({"a": b"1"})
    side.fetch("run-1", "main")
    damaged = side._mirror.stamp()
    side._mirror.set_aside(damaged)
    side.fetch("run-2", "main")
    fresh = side._mirror.stamp()
    side._mirror.set_aside(damaged)
    side._mirror.set_aside(0)
    assert side._mirror.stamp() == fresh


def test_another_hosts_commit_is_no_damage(bare: Bare, side: RepoSide) -> None:
    bare.commit({"a": b"1"})
    side.fetch("run-1", "main")
    stamp = side._mirror.stamp()
    later = bare.commit({"a": b"2"})
    assert content(side, later) == {"a": b"2"}
    assert side._mirror.stamp() == stamp


# What killed commands leave behind


def aged(path: Path, seconds: float) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    then = time.time() - seconds
    os.utime(path, (then, then))
    return path


def test_stale_locks_and_leftovers_are_swept_and_young_ones_stay(
    bare: Bare, side: RepoSide, make_side: MakeSide
) -> None:
    bare.commit({"a": b"1"})
    side.fetch("run-1", "main")
    path = side._mirror.path
    stale = [
        aged(path / name, mirrors.STALE_LOCK + 5)
        for name in ("packed-refs.lock", "shallow.lock", "refs/kept/x.lock", "config.lock")
    ]
    stale += [
        aged(path / name, mirrors.STALE_FILE + 5)
        for name in ("objects/pack/tmp_pack_x", "fast_import_crash_77")
    ]
    stale.append(path.parent / f"{path.stem}.new-dead")
    stale[-1].mkdir()
    os.utime(stale[-1], (0, 0))
    young = aged(path / "objects/info/commit-graph.lock", 5)
    bare.commit({"a": b"2"})
    other = make_side()
    tip = other.fetch("run-2", "main")
    other.release("run-2")
    assert [each.name for each in stale if each.exists()] == []
    assert young.exists()
    assert mirror_of(side).text("for-each-ref", "--format=%(objectname)", "refs/kept/") == tip


def test_a_lock_that_keeps_refs_from_being_dropped_keeps_no_run_from_its_end(
    bare: Bare, side: RepoSide
) -> None:
    bare.commit({"a": b"1"})
    side.fetch("run-1", "main")
    lock = aged(side._mirror.path / "packed-refs.lock", 5)
    side.release("run-1")
    assert mirror_of(side).text("for-each-ref", "refs/tenantsync/run-1/")
    lock.unlink()
    side.release("run-1")
    assert not mirror_of(side).text("for-each-ref", "refs/tenantsync/run-1/")


def test_a_fetch_that_hangs_is_ended_with_all_its_programs(
    server: GitServer, bare: Bare, make_side: MakeSide
) -> None:
    bare.commit({"a": b"1"})
    side = make_side(timeout=1)
    server.hanging = True
    started = time.monotonic()
    with pytest.raises(Unreachable, match="did not end within 1 s"):
        side.fetch("run-1", "main")
    assert time.monotonic() - started < 10
    assert programs_that_name(server.origin) == []
    server.resume()
    assert make_side().fetch("run-1", "main")


def programs_that_name(text: str) -> list[str]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            if text in words:
                found.append(words)
    return found


def test_fetches_stopped_at_any_moment_leave_a_mirror_that_works(
    bare: Bare, make_side: MakeSide
) -> None:
    bare.commit(FILES)
    make_side().fetch("run-0", "main")
    for number in range(20):
        bare.commit({f"big{number}": os.urandom(200_000)})
        try:
            make_side(timeout=0.004 * (number + 1)).fetch(f"run-{number}", "main")
        except Unreachable:
            continue
    side = make_side()
    tip = side.fetch("run-last", "main")
    assert tip == bare.tip() and len(side.listing(tip)) == len(FILES) + 20
    assert not list(side._mirror.path.rglob("*.lock"))
    assert mirror_of(side).text("fsck", "--no-dangling") == ""


CHILD = """
import sys
from pathlib import Path
from tasks.connections import RepositoryConnection, Secret
from tasks.repo.side import RepoSide
connection = RepositoryConnection(url=sys.argv[1], token=Secret(env="SYNC_TOKEN"), timeout=60)
RepoSide(connection, Path(sys.argv[2]), ("http",)).fetch("run-1", "main")
"""


def test_a_worker_killed_while_it_fills_the_mirror_blocks_nobody(
    server: GitServer, bare: Bare, make_side: MakeSide, tmp_path: Path
) -> None:
    bare.commit(FILES)
    side = make_side("killed")
    server.hanging = True
    root = Path(__file__).parents[3]
    child = subprocess.Popen(
        (sys.executable, "-c", CHILD, side.connection.url, str(tmp_path / "killed")), cwd=root
    )
    wait_until(lambda: server.waiting)
    child.send_signal(signal.SIGKILL)
    child.wait()
    server.resume()
    assert side.fetch("run-1", "main") == bare.tip()


def test_many_packs_are_packed_anew_and_old_refs_dropped(
    bare: Bare, side: RepoSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirrors, "PACKS", 5)
    bare.commit({"a": b"0"})
    side.fetch("run-keep", "main")
    old = datetime.now(UTC) - timedelta(days=mirrors.REF_DAYS + 1)
    mirror_of(side).git("update-ref", f"refs/tenantsync/dead/{old:%Y%m%d}-abc", bare.tip() or "")
    for number in range(12):
        bare.commit({"a": b"%d" % number})
        side.fetch("run-x", "main")
    assert len(list(side._mirror.path.glob("objects/pack/*.pack"))) <= 6
    assert {ref.split("/")[2] for ref in refs(side)} == {"run-keep", "run-x"}
    assert mirror_of(side).text("fsck", "--no-dangling") == ""


def test_what_nothing_leads_to_is_collected_after_two_weeks(
    bare: Bare, side: RepoSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = bare.commit({"a": b"0"})
    side.fetch("run-1", "main")
    mirror = mirror_of(side)
    young = made(commit(side, base, {"b": b"young"}, "run-2"))
    before = set(mirror.path.glob("objects/pack/*"))
    old = made(commit(side, base, {"b": b"old"}, "run-2"))
    for file in set(mirror.path.glob("objects/pack/*")) - before:
        aged(file, 20 * 86_400)
    side.release("run-2")
    monkeypatch.setattr(mirrors, "PACKS", 1)
    aged(mirror.path / "collected", mirrors.COLLECT + 5)
    side.fetch("run-3", "main")
    assert side._mirror.has(young) and not side._mirror.has(old)


def test_reading_goes_on_while_the_mirror_is_packed(
    bare: Bare, side: RepoSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirrors, "PACKS", 2)
    bare.commit(FILES)
    side.fetch("run-0", "main")

    def round_trip(number: int) -> None:
        base = side.fetch(f"run-{number}", "main")
        new = made(commit(side, base, {f"w{number}": b"x"}, f"run-{number}"))
        assert content(side, new) == {**FILES, f"w{number}": b"x"}
        side.release(f"run-{number}")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(round_trip, range(24)))
    assert mirror_of(side).text("fsck", "--no-dangling") == ""
