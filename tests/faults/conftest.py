"""What tests of faults share."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def dropped_connections() -> Iterator[None]:
    """What Celery drops when its server goes away is collected here, not in the middle of another
    test."""
    yield
    gc.collect()
