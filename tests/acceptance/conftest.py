"""One set of processes for all acceptance tests; each test gets a tenant and a repository."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.stack import Stack


@pytest.fixture(scope="session")
def processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("acceptance")) as stack:
        stack.worker()
        yield stack


@pytest.fixture
def stack(processes: Stack) -> Stack:
    """An empty tenant, an empty repository, and workers that know both."""
    return processes.fresh()
