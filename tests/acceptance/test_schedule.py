"""Named syncs that ask by themselves: several schedule processes ask each slot once."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tasks.run import Asker
from tests.stack import ROOT, Stack, wait_for
from tests.texts import flow

NS = "company.team"
SYNCS: dict[str, dict[str, Any]] = {
    "often": {"sourceOfTruth": "KESTRA", "branch": "main", "schedule": "* * * * *"},
    "team": {
        "namespace": NS,
        "sourceOfTruth": "KESTRA",
        "branch": "main",
        "gitDirectory": "team",
        "schedule": {"cron": "30 3 * * *", "timezone": "Europe/Berlin"},
    },
    "by-hand": {"sourceOfTruth": "KESTRA", "branch": "main", "gitDirectory": "never"},
}
#: The clocks of the processes go so much faster; they look each second, so every 40 s of theirs.
FACTOR = 40


def _started(
    stack: Stack, start: datetime, *, minutes: float, number: int = 1, factor: int = FACTOR
) -> list[subprocess.Popen[bytes]]:
    """Schedule processes beside each other, for so many minutes of their clocks from `start`."""
    seconds = minutes * 60 / factor
    command = [sys.executable, "-m", "tests.beats", start.isoformat(), str(factor), str(seconds)]
    with _log(stack).open("wb") as log:
        return [
            subprocess.Popen(command, env=stack.environment, cwd=ROOT, stdout=log, stderr=log)
            for _ in range(number)
        ]


def _log(stack: Stack) -> Path:
    return stack.folder / "beat.log"


def _ended(stack: Stack, running: list[subprocess.Popen[bytes]]) -> None:
    for one in running:
        assert one.wait(60) == 0, _log(stack).read_text()
    stack.quiet()


def _asked(stack: Stack, since: int) -> list[Asker]:
    """Who asked for the runs after that one, in order."""
    runs = [run for run in reversed(stack.records.newest(50)) if run.seq > since]
    return [one for run in runs for one in stack.records.askers(run.id)]


@pytest.fixture
def named(stack: Stack) -> Stack:
    stack.configure(SYNCS)
    stack.kestra.seed(flows=[flow(NS, "one")])
    return stack


def test_two_schedule_processes_ask_each_slot_once(named: Stack) -> None:
    since = _newest(named)
    # 03:30 in Berlin is 01:30 UTC in summer.
    start = datetime(2026, 6, 1, 1, 28, 50, tzinfo=UTC)
    _ended(named, _started(named, start, minutes=3.2, number=2))
    asked = _asked(named, since)
    slots = [one.message for one in asked if one.who == "schedule often"]
    assert len(slots) >= 2
    assert set(slots) <= {f"schedule.often.20260601T01{29 + n}00Z" for n in range(4)}
    assert [one.message for one in asked if one.who == "schedule team"] == [
        "schedule.team.20260601T013000Z"
    ]
    assert len(asked) == len(slots) + 1
    assert set(named.tree()) == {f"{NS}/flows/one.yaml", f"team/{NS}/flows/one.yaml"}
    assert len(named.commits()) == 2, "later slots find nothing to write"


def test_of_many_slots_that_were_missed_the_newest_is_asked(named: Stack) -> None:
    named.configure({"often": SYNCS["often"]})
    since = _newest(named)
    # At each look 20 minutes have passed.
    start = datetime(2026, 6, 2, 12, 0, 30, tzinfo=UTC)
    _ended(named, _started(named, start, minutes=50, factor=1200))
    assert 1 <= len(_asked(named, since)) <= 3, "one at each look, however many were due"


def test_the_command_asks_the_very_task_that_the_schedule_asks(named: Stack) -> None:
    named.configure({"team": SYNCS["team"]})
    since = _newest(named)
    _ended(named, _started(named, datetime(2026, 6, 3, 1, 29, 50, tzinfo=UTC), minutes=1))
    named.run("sync", "team", check=True)
    runs = [run for run in named.records.newest(5) if run.seq > since]
    assert len(runs) == 2
    assert len({run.equality for run in runs}) == 1
    assert {run.state for run in runs} == {"APPLIED", "UNCHANGED"}


def test_a_mistake_in_the_file_asks_nothing_until_it_is_mended(named: Stack) -> None:
    since, text = _newest(named), named.config.read_text()
    named.config.write_text(text.replace("repositories:", "repositries:"))
    running = _started(named, datetime(2026, 6, 4, 12, 0, 40, tzinfo=UTC), minutes=2.5)
    # A slot has passed at the second look.
    wait_for("it has looked twice", lambda: _log(named).read_text().count("repositries") >= 2)
    assert _newest(named) == since
    named.config.write_text(text)
    _ended(named, running)
    assert {one.who for one in _asked(named, since)} == {"schedule often"}


def _newest(stack: Stack) -> int:
    return max((run.seq for run in stack.records.newest(1)), default=0)
