"""The servers that the contract is put to: the sandbox always, a real one where its URL is given.

`KESTRA_URL` (with `KESTRA_USER` and `KESTRA_PASSWORD`) names a real server; what the tests make
there they delete again.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from sandbox.server import SandboxServer
from sandbox.settings import DEFAULT_PASSWORD, DEFAULT_USER, Dialect, Settings
from tests.contract.kestra import Kestra

REAL_URL = os.environ.get("KESTRA_URL")

REAL = pytest.param(
    "real", marks=pytest.mark.skipif(REAL_URL is None, reason="KESTRA_URL is not set")
)


@pytest.fixture(scope="session")
def sandbox_server() -> Iterator[SandboxServer]:
    with SandboxServer(Settings(wrong_password_seconds=0)) as server:
        yield server


@pytest.fixture(params=["sandbox", REAL])
def kestra(request: pytest.FixtureRequest) -> Iterator[Kestra]:
    """A server to be asked, with a namespace of its own for this test."""
    if request.param == "real":
        login = (os.environ["KESTRA_USER"], os.environ["KESTRA_PASSWORD"])
        with Kestra(str(REAL_URL), login) as server:
            yield server
    else:
        sandbox = request.getfixturevalue("sandbox_server")
        with Kestra(sandbox.url, (DEFAULT_USER, DEFAULT_PASSWORD)) as server:
            yield server


@pytest.fixture
def sandbox_only(sandbox_server: SandboxServer) -> Iterator[Kestra]:
    """The sandbox, for calls that a live server must be spared."""
    with Kestra(sandbox_server.url, (DEFAULT_USER, DEFAULT_PASSWORD)) as server:
        yield server


@pytest.fixture
def kestra_2() -> Iterator[Kestra]:
    """The sandbox in its 2.0 dialect."""
    with (
        SandboxServer(Settings(dialect=Dialect.V2_0)) as sandbox,
        Kestra(sandbox.url, (DEFAULT_USER, DEFAULT_PASSWORD)) as server,
    ):
        yield server
