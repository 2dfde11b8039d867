"""A real Kestra for each test, empty before and after.

`KESTRA_URL`, `KESTRA_USER` and `KESTRA_PASSWORD` name it. These tests sync its whole tenant `main`,
so they refuse a tenant that is not empty when they begin.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.real.alone import alone
from tests.real.server import RealServer
from tests.real.stack import RealStack

#: What names the server; all of them.
VARIABLES = ("KESTRA_URL", "KESTRA_USER", "KESTRA_PASSWORD")
#: Seconds of one test, waiting for those of other processes included.
LIMIT = 900


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skips the tests of this folder where no server is named."""
    given = all(os.environ.get(name) for name in VARIABLES)
    reason = f"no real Kestra: {', '.join(VARIABLES)} are not all set"
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(LIMIT))
            if not given:
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def given() -> Iterator[RealServer]:
    """The server, as the environment names it."""
    server = RealServer(*(os.environ[name] for name in VARIABLES))
    yield server
    server.close()


@pytest.fixture(scope="session")
def processes(given: RealServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealStack]:
    with RealStack(tmp_path_factory.mktemp("real"), given) as stack:
        stack.worker()
        yield stack


@pytest.fixture
def kestra(given: RealServer) -> Iterator[RealServer]:
    """The server with an empty tenant, which no other process of these tests touches meanwhile."""
    with alone(given.url):
        if not given.is_empty():
            pytest.fail(
                f"tenant main of {given.url} is not empty, and these tests would delete what it "
                "holds: give them a server of their own",
                pytrace=False,
            )
        yield given
        given.reset()


@pytest.fixture
def stack(processes: RealStack, kestra: RealServer) -> Iterator[RealStack]:
    """Workers that know the empty tenant and an empty repository."""
    stack = processes.fresh()
    stack.proxy.reset_log()
    yield stack
    processes.quiet()
    if processes.git_out("branch"):
        paths = processes.git_out("log", "--all", "--name-only", "--format=", "-z").decode()
        kestra.remember(
            {path.strip().split("/")[0] for path in paths.split("\0")} - {"", "_global"}
        )
