"""An installation without any server, and one with everything that runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.cli.home import Home
from tests.stack import Stack


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """A configuration and records; its Kestra and its repository are not there."""
    home = Home(tmp_path)
    yield home
    home.close()


@pytest.fixture(scope="session")
def processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("cli")) as stack:
        stack.worker()
        yield stack


@pytest.fixture
def stack(processes: Stack) -> Stack:
    """An empty tenant, an empty repository, Redis and a worker that know both."""
    return processes.fresh()
