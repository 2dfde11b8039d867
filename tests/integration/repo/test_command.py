from __future__ import annotations

import time
from pathlib import Path

import pytest

from tasks.errors import ConfigError, TenantSyncError, Unreachable
from tasks.repo.command import KEPT, Git


@pytest.fixture
def git(tmp_path: Path) -> Git:
    git = Git(home=tmp_path, place="here", allowed=("https",), timeout=30)
    git.run("init", "--bare", "--quiet", "m.git")
    return Git(
        home=tmp_path, place="here", allowed=("https",), timeout=30, directory=tmp_path / "m.git"
    )


def test_a_command_that_needs_longer_is_ended(git: Git) -> None:
    quick = Git(home=git.home, place="here", allowed=(), timeout=0.5, directory=git.directory)
    started = time.monotonic()
    with quick.stream("cat-file", "--batch") as stream:
        assert stream.stdout.read() == b""
    with pytest.raises(Unreachable, match=r"did not end within 0\.5 s"):
        quick.run("-c", "alias.wait=!exec sleep 60", "wait")
    assert time.monotonic() - started < 10


def test_a_command_may_tidy_up_before_it_ends(git: Git) -> None:
    tidy = "alias.wait=!trap 'touch tidied; exit' TERM; while :; do sleep 0.05; done"
    quick = Git(home=git.home, place="here", allowed=(), timeout=0.3, directory=git.directory)
    with pytest.raises(Unreachable):
        quick.run("-c", tidy, "wait")
    assert (git.home / "tidied").exists()


def test_a_command_that_ignores_the_polite_end_is_killed(git: Git) -> None:
    stubborn = "alias.wait=!trap '' TERM; while :; do sleep 0.05; done"
    quick = Git(home=git.home, place="here", allowed=(), timeout=0.3, directory=git.directory)
    started = time.monotonic()
    with pytest.raises(Unreachable):
        quick.run("-c", stubborn, "wait")
    assert 2 < time.monotonic() - started < 10


def test_megabytes_of_words_block_nobody_and_only_the_end_is_kept(git: Git) -> None:
    talk = "alias.talk=!head -c 3000000 /dev/zero | tr '\\0' x >&2; echo the end >&2; exit 7"
    with pytest.raises(TenantSyncError, match="code 7"):
        git.run("-c", talk, "talk")
    result = git.run("-c", talk, "talk", accept=(7,))
    assert result.stderr.endswith("the end") and len(result.stderr) <= KEPT


def test_input_and_output_of_any_size_pass_at_once(git: Git) -> None:
    chunks = [bytes([number]) * 100_000 for number in range(100)]
    assert git.run("-c", "alias.echo=!cat", "echo", stdin=chunks).stdout == b"".join(chunks)


def test_a_command_that_reads_no_input_says_why_by_its_code(git: Git) -> None:
    result = git.run("-c", "alias.no=!exit 3", "no", stdin=[b"x" * 1_000_000], accept=(3,))
    assert result.code == 3


def test_a_worker_without_git_is_told_to_install_it(
    git: Git, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ConfigError, match="install git"):
        git.run("version")
