"""The mirror of a worker is damaged, locked, half filled or has no room at any step of a run: it
is mended without a person, or the run ends truly and the next one works."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.damage import DAMAGES
from tests.sides import both
from tests.stack import Stack, stop, wait_for
from tests.texts import flow

NS = "company.team"
#: Seconds in which a run ends, its retries included.
LIMIT = 120

#: Direction of a run, and where its job stands when the mirror breaks.
STEPS: list[tuple[str, str, dict[str, str]]] = [
    ("KESTRA", "claim", {"job": "tenantsync.split"}),
    ("KESTRA", "surveyed", {}),
    ("KESTRA", "claim", {"job": "tenantsync.plan"}),
    ("KESTRA", "gathered", {}),
    ("KESTRA", "leased", {}),
    ("KESTRA", "committed", {}),
    ("KESTRA", "push.before", {}),
    ("KESTRA", "push.after", {}),
    ("KESTRA", "claim", {"job": "tenantsync.finish"}),
    ("GIT", "claim", {"job": "tenantsync.split"}),
    ("GIT", "surveyed", {}),
    ("GIT", "claim", {"job": "tenantsync.plan"}),
    ("GIT", "gathered", {}),
    ("GIT", "leased", {}),
    ("GIT", "write.before", {}),
    ("GIT", "read-back", {}),
    ("GIT", "claim", {"job": "tenantsync.finish"}),
]


@pytest.fixture(scope="module")
def processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("mirrors")) as stack:
        stack.worker()
        _ready(stack)
        yield stack


@pytest.fixture
def stack(processes: Stack) -> Stack:
    """Both sides equal, and a mirror that is filled."""
    processes.quiet()
    return processes


def _ready(stack: Stack) -> None:
    stack.push({"README.md": "ours\n"})
    stack.kestra.seed(flows=[flow(NS, "one"), flow(NS, "two")])
    assert stack.export()["state"] == "APPLIED"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each step with one damage, each damage at one step at least; all of them on wish."""
    if {"damage", "step"} <= set(metafunc.fixturenames):
        whole = metafunc.config.option.all_damages
        pairs = [(step, one) for step in STEPS for one in DAMAGES]
        some = [(step, DAMAGES[at % len(DAMAGES)]) for at, step in enumerate(STEPS)]
        chosen = pairs if whole else some
        ids = ["-".join((s[0], s[1], *s[2].values(), d.__name__)) for s, d in chosen]
        metafunc.parametrize(("step", "damage"), chosen, ids=ids)


def mirror(stack: Stack) -> Path:
    """The directory of the mirror that is in use."""
    root = stack.folder / "data/mirrors"
    found = [path for path in root.glob("*.git") if ".new-" not in path.name]
    (path,) = [path for path in found if ".broken-" not in path.name]
    return path


def edit(stack: Stack, source: str, text: str) -> None:
    """Somebody edits a flow on the side of the source."""
    if source == "GIT":
        stack.push({f"{NS}/flows/one.yaml": flow(NS, "one", text)})
    else:
        new = {"namespace": NS, "id": "one", "source": flow(NS, "one", text)}
        stack.kestra.apply({"flows": [new]})


def lands(stack: Stack, asked: Any) -> dict[str, Any]:
    """The run is applied, both sides are equal, and the branch is sound."""
    outcome: dict[str, Any] = stack.outcome(asked, LIMIT)
    assert outcome["state"] == "APPLIED", outcome
    stack.quiet()
    sides = both(stack)
    assert sides["GIT"] == sides["KESTRA"]
    stack.git_out("fsck", "--strict")
    return outcome


def next_run_lands(stack: Stack) -> None:
    edit(stack, "KESTRA", f"next {time.monotonic_ns()}")
    lands(stack, stack.ask(sourceOfTruth="KESTRA"))
    edit(stack, "GIT", f"next {time.monotonic_ns()}")
    lands(stack, stack.ask(sourceOfTruth="GIT"))


def test_a_mirror_damaged_at_any_step_is_mended_without_a_person(
    stack: Stack, step: tuple[str, str, dict[str, str]], damage: Callable[[Path], None]
) -> None:
    source, point, match = step
    edit(stack, source, f"{point} {damage.__name__} {time.monotonic_ns()}")
    commits = len(stack.commits())
    stack.hold(point, 1, **match)
    asked = stack.ask(sourceOfTruth=source)
    stack.held(point, 1)
    damage(mirror(stack))
    stack.release(point)
    lands(stack, asked)
    assert len(stack.commits()) == commits + (source == "KESTRA")
    next_run_lands(stack)


LOCKS = [
    "index.lock", "HEAD.lock", "config.lock", "packed-refs.lock", "shallow.lock",
    "objects/info/commit-graph.lock", "objects/pack/multi-pack-index.lock", "gc.pid",
]  # fmt: skip


@pytest.mark.parametrize("minutes", [0, 11])
def test_locks_that_a_killed_git_left_behind_hold_up_nobody(stack: Stack, minutes: int) -> None:
    path = mirror(stack)
    refs = [f"{file.relative_to(path)}.lock" for file in (path / "refs/kept").iterdir()]
    then = time.time() - 60 * minutes
    for name in (*LOCKS, *refs):
        lock = path / name
        lock.parent.mkdir(parents=True, exist_ok=True)
        lock.touch()
        os.utime(lock, (then, then))
    stamp = path.stat().st_ino
    next_run_lands(stack)
    assert mirror(stack).stat().st_ino == stamp
    for name in (*LOCKS, *refs):
        (path / name).unlink(missing_ok=True)


# The first fill


def test_a_worker_killed_during_the_first_fill_leaves_no_half_mirror(tmp_path: Path) -> None:
    with Stack(tmp_path / "stack") as stack:
        stack.push({"README.md": "ours\n", f"{NS}/flows/one.yaml": flow(NS, "one")})
        worker = stack.worker()
        stack.git.hang_at = "/git-upload-pack"
        asked = stack.ask(sourceOfTruth="GIT")
        wait_for("the fill is under way", lambda: stack.git.waiting, LIMIT)
        stop(worker)
        stack.git.hang_at = None
        stack.git.resume()
        assert not list((stack.folder / "data/mirrors").glob("[0-9a-f]*[0-9a-f].git"))
        stack.worker("w2")
        lands(stack, asked)
        subprocess.run(("git", f"--git-dir={mirror(stack)}", "fsck"), check=True)


@contextmanager
def small_disk(path: Path, size: str) -> Iterator[None]:
    """A file system of this size at `path`; skips where none may be mounted."""
    path.mkdir(parents=True, exist_ok=True)
    command = ("mount", "-t", "tmpfs", "-o", f"size={size}", "tenantsync-test", str(path))
    if os.geteuid() or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("a full disk is tried where the tests may mount one (as root)")
    try:
        yield
    finally:
        subprocess.run(("umount", "--lazy", str(path)), check=True)


def _grow(path: Path, size: str) -> None:
    subprocess.run(("mount", "-o", f"remount,size={size}", str(path)), check=True)


def _noise(size: int) -> bytes:
    return os.urandom(size // 2).hex().encode()


def _full_disk(stack: Stack, asked: Any) -> None:
    outcome = stack.outcome(asked, LIMIT)
    assert outcome["state"] == "FAILED", outcome
    (problem,) = outcome["problems"]
    assert "no space is left on the disk of the worker" in problem["message"], problem


@pytest.mark.parametrize("filled", [False, True], ids=["first fill", "later fetch"])
def test_a_full_disk_ends_the_run_truly_and_leaves_nothing(tmp_path: Path, filled: bool) -> None:
    mirrors = tmp_path / "stack/data/mirrors"
    with Stack(tmp_path / "stack") as stack, small_disk(mirrors, "2m"):
        stack.push({f"{NS}/flows/one.yaml": flow(NS, "one")})
        stack.worker()
        if filled:
            lands(stack, stack.ask(sourceOfTruth="GIT"))
        edit(stack, "GIT", "new")
        stack.push({f"{NS}/files/big-{number}": _noise(2_000_000) for number in range(3)})
        before = stack.kestra.flows()
        _full_disk(stack, stack.ask(sourceOfTruth="GIT"))
        assert stack.kestra.flows() == before
        left = [path for path in mirrors.rglob("*") if path.is_file() and "tmp_" in path.name]
        assert left == []
        assert not list(mirrors.glob("*.new-*"))
        _grow(mirrors, "64m")
        lands(stack, stack.ask(sourceOfTruth="GIT"))


def test_a_disk_that_is_full_when_the_commit_is_made_pushes_nothing(tmp_path: Path) -> None:
    mirrors = tmp_path / "stack/data/mirrors"
    with Stack(tmp_path / "stack") as stack, small_disk(mirrors, "2m"):
        stack.push({f"{NS}/flows/one.yaml": flow(NS, "one")})
        stack.worker()
        lands(stack, stack.ask(sourceOfTruth="GIT"))
        commits = stack.commits()
        big = {"namespace": NS, "path": "big", "text": _noise(8_000_000).decode()}
        stack.kestra.seed(files=[big])
        outcome = stack.outcome(stack.ask(sourceOfTruth="KESTRA"), LIMIT)
        assert outcome["state"] == "FAILED", outcome
        assert "no space is left on the disk of the worker" in str(outcome["problems"])
        assert stack.commits() == commits
        left = [path for path in mirrors.rglob("*") if path.is_file() and "tmp_" in path.name]
        assert left == []
        _grow(mirrors, "64m")
        lands(stack, stack.ask(sourceOfTruth="KESTRA"))
