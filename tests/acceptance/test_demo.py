"""The demo, as a person runs it: it tells the whole story, ends with what there is to look at, and
says so where something is not as told."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from rich.cells import cell_len

from sandbox.remote import Remote
from tests.stack import ROOT, stop, wait_for
from tests.texts import flow

#: Seconds for a whole demo on a machine that does much else; alone it takes a third of a minute.
LIMIT = 300
COMMAND = [sys.executable, "-m", "workers.cli", "demo"]
STATES = [
    "PLANNED", "APPLIED",  # the export, dry and for real
    "APPLIED",  # what a person did in Git
    "APPLIED",  # what a person did in Kestra
    "REFUSED", "UNCHANGED",  # the emptied repository, and repaired
    "APPLIED",  # the deletions, approved
    "UNCHANGED",
]  # fmt: skip


@pytest.mark.timeout(LIMIT)
def test_the_demo_tells_the_story_and_leaves_all_of_it_to_look_at(tmp_path: Path) -> None:
    told = subprocess.run(
        COMMAND, cwd=tmp_path, env=_environment(), capture_output=True, text=True, timeout=LIMIT
    )
    assert told.returncode == 0, told.stdout + told.stderr
    assert told.stderr == ""

    lines = told.stdout.splitlines()
    assert [line for line in lines if cell_len(line) > 80 or "\x1b" in line] == []
    assert len(lines) <= 150
    proven = [line for line in lines if line.startswith("  ✓ ")]
    assert len(proven) == 10
    typed = [line[4:] for line in lines if line.startswith("  $ ")]
    assert "tenantsync sync export --dry-run" in typed
    assert any(re.fullmatch(r"tenantsync approve \w+ --digest \w{12} --deletions 42", line)
               for line in typed)  # fmt: skip

    folder = tmp_path / "tenantsync-demo"
    runs = json.loads(_typed(folder, "tenantsync runs list -o json"))
    assert [run["state"] for run in reversed(runs)] == STATES
    moved = list(reversed(runs))[2]["counts"]
    assert (moved["add"], moved["update"], moved["delete"], moved["landed"]) == (1, 1, 2, 4)
    for command in _suggested(told.stdout):
        assert _typed(folder, command)
    assert "Sam" in _typed(folder, next(one for one in _suggested(told.stdout) if "diff" in one))
    assert _authors(folder)[:-1] == ["Robin"] * 4
    _nothing_runs(folder, told.stdout)


@pytest.mark.timeout(LIMIT)
def test_a_step_that_is_not_as_told_ends_the_demo_by_its_name(tmp_path: Path) -> None:
    with subprocess.Popen(
        COMMAND, cwd=tmp_path, env=_environment(), stdout=subprocess.PIPE, text=True
    ) as demo:
        assert demo.stdout is not None
        told = ""
        for line in demo.stdout:
            told += line
            if "byte for byte" in line:  # the export is done: somebody adds a flow of their own
                Remote(_address(told)).seed(flows=[flow("larkfield.sales.orders", "uninvited")])
    assert demo.returncode == 1, told
    assert "✗ chapter 2, Git goes to Kestra: counts: expected" in told
    assert "The logs are in tenantsync-demo/logs." in told
    _nothing_runs(tmp_path / "tenantsync-demo", told)


@pytest.mark.timeout(LIMIT)
def test_ctrl_c_ends_everything_that_the_demo_started(tmp_path: Path) -> None:
    terminal, other = pty.openpty()
    demo = subprocess.Popen(
        COMMAND, cwd=tmp_path, env=_environment(), stdin=other, stdout=other, stderr=other,
        start_new_session=True,
    )  # fmt: skip
    os.close(other)
    try:
        told = _read_until(terminal, b"parts compared")
        os.kill(demo.pid, 2)
        told += _read_until(terminal, b"is stopped")
        assert demo.wait(60) == 130
    finally:
        stop(demo)
        os.close(terminal)
    _nothing_runs(tmp_path / "tenantsync-demo", told)


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "tenantsync-demo"
    folder.mkdir()
    (folder / "notes.txt").write_text("mine", encoding="utf-8")
    told = subprocess.run(
        COMMAND, cwd=tmp_path, env=_environment(), capture_output=True, text=True, timeout=60
    )
    assert told.returncode == 1
    assert "is not the folder of a demo" in told.stderr
    assert (folder / "notes.txt").read_text(encoding="utf-8") == "mine"


def _environment() -> Mapping[str, str]:
    """That of somebody with settings for their own installation, which the demo must not use."""
    return {
        **{name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ},
        "PYTHONPATH": str(ROOT),
        "TERM": "xterm-256color",
        "TENANTSYNC_REDIS_URL": "redis://127.0.0.1:9/0",
        "TENANTSYNC_DATABASE_URL": "postgresql+psycopg://nobody@127.0.0.1:9/production",
        "TENANTSYNC_CONFIG": "/nonexistent/tenantsync.yaml",
        "http_proxy": "http://127.0.0.1:9",
    }


def _typed(folder: Path, command: str) -> str:
    """What a command says that is typed after the demo, in a shell with its `env`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TENANTSYNC")}
    done = subprocess.run(
        ["sh", "-c", f". ./env && {command}"],
        cwd=folder, env=kept, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def _suggested(told: str) -> list[str]:
    """The commands that the demo suggests at its end."""
    end = told[told.index("Look around") :]
    return re.findall(r"^  (tenantsync .*?)(?: {2,}.*)?$", end, re.MULTILINE)


def _authors(folder: Path) -> list[str]:
    """The authors of the commits of the repository, newest first."""
    command = ["git", f"--git-dir={folder / 'git/larkfield.git'}", "log", "--format=%an", "main"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def _address(told: str) -> str:
    return re.findall(r"Kestra\s+(http://\S+)", told)[0]


def _nothing_runs(folder: Path, told: str) -> None:
    """Neither the servers nor the workers of the demo, nor, soon after it, the embedded Valkey."""
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", urlsplit(_address(told)).port or 0)) != 0
    wait_for("everything has ended", lambda: not _processes(str(folder)))
    assert not (folder / ".tenantsync/redis.url").exists()


def _processes(folder: str) -> list[str]:
    """Command lines of processes that were started for this folder."""
    found: list[Any] = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            environment = (place / "environ").read_bytes()
            command = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            # The embedded server and its keeper see no variable of the demo.
            if f"TENANTSYNC_CONFIG={folder}/".encode() in environment or f"{folder}/" in command:
                found.append(command)
        except OSError:
            continue  # it has ended, or belongs to somebody else
    return found


def _read_until(terminal: int, words: bytes, limit: float = 120) -> str:
    """What a terminal shows until these words, escapes left out."""
    shown, end = b"", time.monotonic() + limit
    while words not in shown:
        assert time.monotonic() < end, shown.decode()
        if select.select([terminal], [], [], 1)[0]:
            shown += os.read(terminal, 1 << 16)
    return re.sub(rb"\x1b\[[0-9;?]*[a-zA-Z]", b"", shown).decode("utf-8", "replace")
