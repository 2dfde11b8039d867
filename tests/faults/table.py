"""The table point × fault → how the run ended, in how many seconds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tests.faults.matrix import INSTANTS, Strike, struck_points

#: The name under which a test notes its cell: instant, fault, states and seconds.
PROPERTY = "matrix"


def lines(reports: Iterable[Any]) -> list[str]:
    """The table of the tests that noted a cell; nothing where none did. `!` is a test that
    failed."""
    found: dict[tuple[str, str], str] = {}
    for report in reports:
        noted = dict(report.user_properties).get(PROPERTY)
        if noted is not None:
            instant, strike, states, seconds = noted
            told = f"{states} {seconds:.0f}" if states else "-"
            found[instant, strike] = told + ("" if report.passed else " !")
    return _table(found) if found else []


def _table(found: Mapping[tuple[str, str], str]) -> list[str]:
    strikes = [one for one in Strike if any(strike == one for _, strike in found)]
    instants = [str(one) for one in INSTANTS if any(str(one) == instant for instant, _ in found)]
    rows = [["instant", *strikes]]
    rows += [[one, *(found.get((one, strike), "") for strike in strikes)] for one in instants]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    points = {one.point for one in INSTANTS if str(one) in instants}
    return [
        *("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows),
        f"{len(found)} cells, {len(points)} of {len(struck_points())} points; seconds from the "
        "asking to the end of the run",
    ]
