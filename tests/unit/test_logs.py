"""Lines of a log: no text in them passes for another line or steers a terminal."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator

import pytest

from workers.logs import bound, install

EVIL = "x\n2026-11-24 12:00:00 INFO run=7 all is well\r\x1b[2J\x9b31m\u202e\u2028\x08\x85\0"


@pytest.fixture
def log() -> Iterator[tuple[logging.Logger, io.StringIO]]:
    """A logger that is set up as that of a worker, and what it wrote."""
    logger, written = logging.Logger("evil"), io.StringIO()
    handler = logging.StreamHandler(written)
    logger.addHandler(handler)
    level = logging.getLogger("httpx").level
    install(logger)
    yield logger, written
    logging.getLogger("httpx").setLevel(level)


def test_a_message_is_one_line(log: tuple[logging.Logger, io.StringIO]) -> None:
    logger, written = log
    with bound(run=EVIL):
        logger.error("gives up: %s", EVIL)
    (line,) = written.getvalue().splitlines()
    assert line.isprintable()
    assert "\\n2026-11-24 12:00:00 INFO run=7" in line


def test_a_traceback_stands_below_its_line_and_apart(
    log: tuple[logging.Logger, io.StringIO],
) -> None:
    logger, written = log
    try:
        raise ValueError(EVIL)
    except ValueError:
        logger.exception("a bug", stack_info=True)
    first, *rest = written.getvalue().splitlines()
    assert first.endswith("a bug")
    assert len(rest) > 5
    assert all(line.startswith("    ") and line.isprintable() for line in rest)
