"""An installation without any server, and one with everything that runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.doctor.patient import Patient
from tests.stack import Stack


@pytest.fixture
def patient(tmp_path: Path) -> Patient:
    return Patient(tmp_path)


@pytest.fixture(scope="session")
def processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("doctor")) as stack:
        stack.worker()
        yield stack


@pytest.fixture
def stack(processes: Stack) -> Stack:
    """An empty tenant, an empty repository, Redis and a worker that know both."""
    return processes.fresh()
