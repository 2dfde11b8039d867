"""The names of checks are an interface: the documentation has a row for each, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from workers.cli.doctor.finding import Check

OPERATIONS = Path(__file__).parents[3] / "docs" / "operations.md"


def test_every_check_is_documented() -> None:
    section = OPERATIONS.read_text(encoding="utf-8").split("## Doctor", 1)[1].split("\n## ", 1)[0]
    rows = re.findall(r"^\| `([a-z-]+)` \|", section, re.MULTILINE)
    assert rows == list(Check)
