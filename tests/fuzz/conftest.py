"""Parsers of outside texts, fed with whatever hypothesis makes up, each for some seconds.

`--fuzz-seconds` is the time of each parser and `--fuzz-seed` where it starts; a failure names the
seed of its round, and `--fuzz-seed` with that number and `--fuzz-seconds 0` repeats it alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis.strategies import SearchStrategy

#: Examples between two looks at the clock; no example has a deadline of its own.
ROUND = settings(
    max_examples=100,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)

Fuzz = Callable[[SearchStrategy[Any], Callable[[Any], None]], None]


@pytest.fixture
def fuzz(request: pytest.FixtureRequest) -> Fuzz:
    """Calls a check with examples, round after round, until the time of a parser is over."""
    first, seconds = request.config.option.fuzz_seed, request.config.option.fuzz_seconds

    def run(examples: SearchStrategy[Any], check: Callable[[Any], None]) -> None:
        number, end = first, time.monotonic() + seconds
        while number == first or time.monotonic() < end:
            try:
                seed(number)(ROUND(given(examples)(check)))()
            except Exception as error:
                error.add_note(f"repeat it with --fuzz-seed {number} --fuzz-seconds 0")
                raise
            number += 1

    return run
