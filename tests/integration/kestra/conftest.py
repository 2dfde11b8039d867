"""A sandbox server per test and the Kestra side that speaks to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
import stamina

from sandbox.remote import Remote
from sandbox.server import SandboxServer
from sandbox.settings import DEFAULT_PASSWORD, DEFAULT_USER, Settings
from tasks.connections import KestraConnection, Secret
from tasks.kestra.side import KestraSide

Start = Callable[..., SandboxServer]
Connect = Callable[..., KestraSide]


@pytest.fixture(autouse=True)
def _no_waits() -> Iterator[None]:
    """Tries follow each other at once; their number stays as it is."""
    stamina.set_testing(True, attempts=99, cap=True)
    yield
    stamina.set_testing(False)


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts servers with the settings that a test asks for."""
    with ExitStack() as servers:
        yield lambda **settings: servers.enter_context(SandboxServer(Settings(**settings)))


@pytest.fixture(scope="session")
def _shared() -> Iterator[SandboxServer]:
    with SandboxServer() as server:
        yield server


@pytest.fixture
def server(_shared: SandboxServer) -> Iterator[SandboxServer]:
    """An empty server as 1.3.25 is."""
    _shared.reset_log()
    yield _shared
    _shared.disarm()
    _shared.reset()
    _shared.switch(logins=[{"name": DEFAULT_USER, "password": DEFAULT_PASSWORD}])


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Iterator[Connect]:
    """Makes the side of a server; fields of the connection can be given."""
    monkeypatch.setenv("KESTRA_PASSWORD", DEFAULT_PASSWORD)
    with ExitStack() as sides:

        def side_of(server: Remote, **fields: object) -> KestraSide:
            login = {"username": DEFAULT_USER, "password": Secret(env="KESTRA_PASSWORD")}
            connection = KestraConnection.model_validate(
                {"url": server.url, **({} if "token" in fields else login), **fields}
            )
            side = KestraSide(connection)
            sides.callback(side.close)
            return side

        yield side_of


@pytest.fixture
def side(server: SandboxServer, connect: Connect) -> KestraSide:
    """The side of `server`."""
    return connect(server)
