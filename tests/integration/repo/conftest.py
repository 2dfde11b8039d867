"""A real Git server, repositories on it, and Git sides that look at them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.git_server import GitServer
from tasks.connections import RepositoryConnection, Secret
from tasks.repo.side import RepoSide
from tests.integration.repo.bare import Bare

TOKEN = "tok-s3cr3t/with+signs"
NAME = "acme/flows"

MakeSide = Callable[..., RepoSide]


@pytest.fixture(autouse=True)
def no_foreign_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SYNC_TOKEN", TOKEN)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitServer]:
    with GitServer(tmp_path / "server", token=TOKEN) as server:
        server.create(NAME)
        yield server


@pytest.fixture
def bare(server: GitServer) -> Bare:
    return Bare(server.create(NAME))


@pytest.fixture
def make_side(server: GitServer, tmp_path: Path) -> MakeSide:
    """A Git side of the repository; `host` names whose data directory it uses."""

    def make(host: str = "one", **fields: Any) -> RepoSide:
        given = {"url": server.url(NAME), "token": Secret(env="SYNC_TOKEN"), "timeout": 60}
        connection = RepositoryConnection(**{**given, **fields})
        return RepoSide(connection, tmp_path / host, ("http", "https", "ssh"))

    return make


@pytest.fixture
def side(make_side: MakeSide) -> RepoSide:
    return make_side()
