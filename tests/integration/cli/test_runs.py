"""`runs list|show|diff|why` and `audit list`: read from the records alone."""

from __future__ import annotations

import json

import pytest
import yaml
from amazon.ion import simpleion

from tasks.artifacts import Kind
from tasks.outcome import State
from tasks.plan import Action, Cause, Held
from tasks.problems import Code, Problem
from tests.integration.cli.home import ION, TASK, Home, change
from tests.integration.cli.terminal import ESCAPES, Terminal

GUARD = Problem(code=Code.DELETION_BUDGET, where="FLOW", message="1 of 2 flows would go")


def _varied(home: Home) -> str:
    """A waiting run with one change of each glyph."""
    changes = [
        change("born", Action.ADD, cause=Cause.NEW),
        change("report", detail="commit abc1234 by Ann, mend it"),
        change("old", Action.DELETE, cause=Cause.REMOVED_IN_SOURCE),
        change("both", Action.KEEP, cause=Cause.BOTH_MOVED, held=Held.CONFLICT),
        change("safe", Action.KEEP, namespace="system", held=Held.PROTECTED),
        change("logo.png", kind=Kind.FILE, additions=None, deletions=None),
    ]
    kept = Problem(code=Code.PROTECTED, where="system/FLOW/safe", message="system is protected")
    return home.planned(changes, guards=[GUARD], problems=[kept]).id


def test_a_run_shows_its_plan_its_problems_and_the_command_to_type(home: Home) -> None:
    run = _varied(home)
    digest = home.runs.get(run).plan_digest
    assert digest is not None
    said = home.run("runs", "show", run)
    assert said.code == 0
    lines = said.out.splitlines()
    for row in (
        ("+", "flow", "born", "+3", "-1", "new"),
        ("~", "flow", "report", "+3", "-1", "changed:", "commit", "abc1234"),
        ("-", "flow", "old", "+3", "-1", "removed", "in", "source"),
        ("!", "flow", "both", "kept:", "both", "sides", "moved"),
        ("#", "flow", "safe", "kept:"),
        ("~", "file", "logo.png", "bytes"),
    ):
        assert any(tuple(line.split()[: len(row)]) == row for line in lines), row
    assert "  ! PROTECTED system/FLOW/safe" in lines
    assert lines.index("A person must agree:") < lines.index("  ! DELETION_BUDGET FLOW")
    plan = lines.index("Plan: 1 to add, 2 to change, 1 to delete, 1 protected, 1 in conflict.")
    assert lines[plan + 1].startswith("WAITING")
    assert f"tenantsync approve {run} --digest {digest[:12]} --deletions 1" in said.out
    assert f"tenantsync reject {run}" in said.out


def test_runs_are_listed_newest_first(home: Home) -> None:
    first = home.planned([], state=State.UNCHANGED)
    second = home.planned([change("x")], state=State.PLANNED)
    said = home.run("runs", "list")
    rows = [line.split() for line in said.out.splitlines()]
    assert rows[0][:3] == ["run", "state", "sync"]
    assert rows[1][:4] == [second.id, "PLANNED", "deploy", "+0"]
    assert rows[2][:3] == [first.id, "UNCHANGED", "deploy"]
    only = home.run("runs", "list", "--state", "unchanged")
    assert first.id in only.out
    assert second.id not in only.out


def test_every_form_says_the_same(home: Home) -> None:
    run = _varied(home)
    as_json = json.loads(home.run("runs", "show", run, "-o", "json").out)
    assert as_json["runId"] == run
    assert as_json["state"] == "WAITING"
    assert as_json["counts"]["delete"] == 1
    assert yaml.safe_load(home.run("runs", "show", run, "-o", "yaml").out) == as_json
    ion = simpleion.loads(home.run("runs", "show", run, "-o", "ion").out)
    assert ion["runId"] == run
    assert json.loads(home.run("runs", "list", "-o", "json").out) == [as_json]


def test_a_run_is_named_by_a_beginning_of_its_id_or_last(home: Home) -> None:
    first = home.planned([change("x")])
    last = home.planned([], state=State.UNCHANGED)
    assert f"run {first.id}" in home.run("runs", "show", first.id[:8]).out
    assert f"run {last.id}" in home.run("runs", "show", "last").out
    said = home.run("runs", "show", "r")
    assert (said.code, "several runs start with that" in said.err) == (1, True)


def test_a_long_plan_is_cut_and_deletions_are_what_is_shown(home: Home) -> None:
    actions = [Action.ADD, Action.UPDATE]
    changes = [
        change(f"f{n:03}", actions[n % 2], namespace=f"company.n{n % 40:02}") for n in range(400)
    ]
    changes.append(change("gone", Action.DELETE, namespace="company.n39"))
    run = home.planned(changes, state=State.PLANNED)
    said = home.run("runs", "show", run.id)
    assert len(said.out.splitlines()) < 120
    assert any(line.split()[:3] == ["-", "flow", "gone"] for line in said.out.splitlines())
    assert f"All 401 changes: tenantsync runs diff {run.id}" in said.out
    assert "more namespaces" in said.out


def test_hostile_names_steer_no_terminal(home: Home) -> None:
    evil = "x\x1b[2J\x1b]0;owned\x07\u202egpj.exe"
    problem = Problem(code=Code.NAME_NOT_HELD, where=evil, message=f"{evil}\r\nrm -rf")
    run = home.planned([change(evil, kind=Kind.FILE)], problems=[problem])
    for form in ("table", "json", "yaml", "ion"):
        said = home.run("runs", "show", run.id, "-o", form)
        assert said.code == 0
        assert not {"\x1b", "\x07", "\u202e", "\r"} & set(said.out)
    shown = Terminal(home.command("runs", "show", run.id), home.folder, home.environment())
    assert shown.end() == 0
    assert not {"\x1b", "\x07", "\u202e"} & set(ESCAPES.sub("", shown.raw))
    assert "[2J" not in ESCAPES.sub("", shown.raw.replace("\\x1b[2J", ""))


def test_colours_are_for_terminals_and_can_be_turned_off(home: Home) -> None:
    run = _varied(home)
    command = home.command("runs", "show", run)
    coloured = Terminal(command, home.folder, home.environment())
    assert coloured.end() == 0
    assert "\x1b[32m" in coloured.raw
    plain = Terminal(command, home.folder, home.environment(NO_COLOR="1"))
    assert plain.end() == 0
    assert "\x1b[32m" not in plain.raw
    assert "\x1b" not in home.run("runs", "show", run).out


def test_lines_fit_the_terminal(home: Home) -> None:
    long = "a/" * 20 + "report.sql"
    run = home.planned([change(long, detail="commit abc1234 by Ann, " + "words " * 30)])
    shown = Terminal(home.command("runs", "show", run.id), home.folder, home.environment())
    assert shown.end() == 0
    assert max(map(len, shown.seen.splitlines())) <= 80
    below = [line for line in shown.seen.splitlines() if line.startswith(" " * 14)]
    assert len(below) > 1


def test_the_diff_is_a_patch_byte_for_byte_or_rows(home: Home) -> None:
    run = home.planned([change("x")]).id
    said = home.run("runs", "diff", run)
    assert (said.code, said.out) == (0, "diff --git a/x b/x\n--- a/x\n+++ b/x\n-a\n+b\n")
    assert home.run("runs", "diff", run, "--exit-code").code == 2
    assert home.run("runs", "diff", run, "-o", "ion").out.encode() == ION
    rows = json.loads(home.run("runs", "diff", run, "-o", "json").out)
    assert rows[0]["key"] == "company.team/FLOW/load"
    assert rows[0]["risks"] == []
    assert "UPDATED_KES" in home.run("runs", "diff", run, "-o", "table").out


def test_a_run_without_a_plan_has_no_diff(home: Home) -> None:
    run = home.asked()
    said = home.run("runs", "diff", run.id)
    assert (said.code, said.out) == (1, "")
    assert f"run {run.id} is QUEUED and has no plan" in said.err


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (State.WAITING, "It goes on with: tenantsync approve"),
        (State.REFUSED, "PROTECTED system/FLOW/x: kept"),
    ],
)
def test_why_a_run_rests_is_told_without_redis(home: Home, state: State, words: str) -> None:
    kept = Problem(code=Code.PROTECTED, where="system/FLOW/x", message="kept")
    run = home.planned([change("x")], state=state, problems=[kept], guards=[GUARD])
    said = home.run("runs", "why", run.id, TENANTSYNC_REDIS_URL="redis://127.0.0.1:9/0")
    assert said.code == 0
    assert f"run {run.id} is {state} since" in said.out
    assert words in said.out


def test_why_says_that_redis_is_away_in_one_message(home: Home) -> None:
    run = home.asked()
    said = home.run("runs", "why", run.id, TENANTSYNC_REDIS_URL="redis://127.0.0.1:9/0")
    assert said.code == 1
    assert said.err.startswith("tenantsync: Redis: ")
    assert "Traceback" not in said.err


def test_the_audit_tells_who_did_what(home: Home) -> None:
    first = home.planned([change("x")])
    home.planned([], state=State.UNCHANGED)
    said = home.run("audit", "list")
    assert said.out.index("unchanged") < said.out.index("waiting")
    rows = json.loads(home.run("audit", "list", first.id, "-o", "json").out)
    assert [row["event"] for row in rows] == ["waiting", "planning", "asked"]
    assert rows[-1]["who"] == "ann"
    assert rows[-1]["at"].endswith("+00:00")


def test_a_dry_run_is_listed_as_the_sync_that_it_is_one_of(home: Home) -> None:
    home.planned([], state=State.UNCHANGED, task=TASK.model_copy(update={"dry_run": True}))
    assert "deploy (dry run)" in home.run("runs", "list").out
