"""The Git server of the sandbox, where the other tests do not prove it anyway."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from sandbox.git_server import GitServer
from tests.integration.repo.bare import Bare
from tests.integration.repo.conftest import NAME
from tests.integration.repo.parts import wait_until


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_it_runs_as_a_program_until_it_is_told_to_end(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = (sys.executable, "-m", "sandbox.git_server", str(tmp_path / "srv"))
    process = subprocess.Popen(
        (*words, "--port", str(port), "--create", "a/b"), cwd=Path(__file__).parents[3]
    )
    try:
        wait_until(lambda: listens(port))
        url = f"http://127.0.0.1:{port}/a/b.git"
        assert Bare(tmp_path / "none").git("ls-remote", url) == b""
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    "path", ["/none.git/info/refs", "/../secret/HEAD", "/acme/../../secret/HEAD", "/", "/%2e%2e/x"]
)
def test_what_is_no_repository_of_its_own_is_not_found(tmp_path: Path, path: str) -> None:
    Bare(tmp_path / "secret").git("init", "--bare", "-q", str(tmp_path / "secret"))
    with GitServer(tmp_path / "server") as server:
        server.create(NAME)
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(server.origin + path, timeout=10)
        with caught.value as answer:
            assert answer.code == 404
