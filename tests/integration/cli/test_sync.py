"""`sync`, `approve`, `runs wait|cancel|why` from asking to the end, with real workers."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import sys

from tasks.outcome import State
from tests.integration.cli.terminal import Terminal
from tests.stack import Stack, wait_for
from tests.texts import flow

NAMESPACE = "company.team"
PATH = f"{NAMESPACE}/flows/one.yaml"
SYNCS = {
    "backup": {"sourceOfTruth": "KESTRA", "branch": "main"},
    "deploy": {"sourceOfTruth": "GIT", "branch": "main"},
    "careful": {"sourceOfTruth": "GIT", "branch": "main", "review": "always"},
}


def _synced(stack: Stack) -> None:
    """Both sides equal: one flow; and the named syncs."""
    stack.configure(SYNCS)
    stack.kestra.seed(flows=[flow(NAMESPACE, "one")])
    assert stack.run("sync", "backup", check=True).stdout.count("APPLIED") == 1


def _edited(stack: Stack, message: str = "edited") -> None:
    stack.push({PATH: flow(NAMESPACE, "one", message)})


def _command(stack: Stack, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "workers.cli", *arguments],
        env=stack.environment,
        cwd=stack.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_sync_shows_its_states_its_plan_and_its_commit(stack: Stack) -> None:
    stack.configure(SYNCS)
    stack.kestra.seed(flows=[flow(NAMESPACE, "one")])
    done = stack.run("sync", "backup")
    assert done.returncode == 0, done.stderr
    states = [line.split()[2] for line in done.stderr.splitlines() if line.startswith("run ")]
    assert states == sorted(set(states), key=["QUEUED", "PLANNING", "WRITING"].index)
    lines = done.stdout.splitlines()
    assert any(line.split()[:3] == ["+", "flow", "one"] for line in lines)
    plan = lines.index("Plan: 1 to add, 0 to change, 0 to delete, 0 protected.")
    assert lines[plan + 1] == "APPLIED  1 landed"
    assert any(line.split() == ["commit:", stack.commits()[0]] for line in lines)
    again = stack.run("sync", "backup", "--exit-code")
    assert (again.returncode, "UNCHANGED" in again.stdout) == (0, True)


def test_json_is_the_outcome_alone_and_the_way_is_on_the_other_stream(stack: Stack) -> None:
    _synced(stack)
    _edited(stack)
    done = stack.run("sync", "deploy", "-o", "json", "--exit-code")
    told = json.loads(done.stdout)
    assert (told["state"], told["counts"]["update"], told["counts"]["landed"]) == ("APPLIED", 1, 1)
    assert done.returncode == 2
    assert f"run {told['runId']}  QUEUED" in done.stderr
    assert "edited" in stack.kestra.flows()[(NAMESPACE, "one")]


def test_a_dry_run_writes_nothing_until_its_plan_is_asked_for(stack: Stack) -> None:
    _synced(stack)
    _edited(stack)
    planned = json.loads(stack.run("sync", "deploy", "--dry-run", "-o", "json").stdout)
    assert planned["state"] == "PLANNED"
    assert "edited" not in stack.kestra.flows()[(NAMESPACE, "one")]
    done = stack.run("sync", "deploy", "--plan", planned["runId"][:6])
    assert (done.returncode, "APPLIED  1 landed" in done.stdout) == (0, True), done.stderr
    assert "edited" in stack.kestra.flows()[(NAMESPACE, "one")]


def test_a_plan_needs_no_other_field_to_be_written(stack: Stack) -> None:
    _synced(stack)
    _edited(stack)
    fields = ("--source-of-truth", "git", "--branch", "main", "--kind", "flow")
    planned = stack.run("sync", "tenant", *fields, "--dry-run", "-o", "json", check=True)
    run = json.loads(planned.stdout)["runId"]
    wrong = stack.run("sync", "namespace", "--plan", run)
    assert (wrong.returncode, "ask with that" in wrong.stderr) == (1, True)
    other = stack.run("sync", "tenant", "--plan", run, "--branch", "other")
    assert (other.returncode, "the task differs" in other.stderr) == (1, True)
    done = stack.run("sync", "tenant", "--plan", run)
    assert (done.returncode, "APPLIED  1 landed" in done.stdout) == (0, True), done.stderr


def test_the_command_that_is_shown_approves_the_plan(stack: Stack) -> None:
    _synced(stack)
    _edited(stack)
    asked = stack.run("sync", "careful")
    assert (asked.returncode, "WAITING" in asked.stdout) == (0, True)
    shown = next(line for line in asked.stdout.splitlines() if "approve:" in line)
    command = shlex.split(shown.split("approve:", 1)[1])
    assert command[0] == "tenantsync"
    for digest in ("0" * 12, command[command.index("--digest") + 1][:11]):
        wrong = stack.run("approve", "last", "--digest", digest)
        assert (wrong.returncode, "look at the plan again" in wrong.stderr) == (1, True)
    done = stack.run(*command[1:], "--reason", "looks right")
    assert (done.returncode, "APPLIED  1 landed" in done.stdout) == (0, True), done.stderr
    assert "edited" in stack.kestra.flows()[(NAMESPACE, "one")]


def test_a_guarded_plan_is_approved_on_a_terminal_by_repeating_its_figure(stack: Stack) -> None:
    stack.configure(SYNCS)
    stack.push({PATH: flow(NAMESPACE, "one")})
    stack.kestra.seed(flows=[flow(NAMESPACE, "only-here")])
    asked = stack.run("sync", "deploy")
    assert "! FIRST_CONTACT" in asked.stdout
    assert "--deletions 1" in asked.stdout
    command = [sys.executable, "-m", "workers.cli", "approve", "last"]
    shown = Terminal(command, stack.folder, stack.environment)
    shown.until("Repeat the figure:")
    shown.type("1\n")
    shown.until("Write exactly this plan? [y/N]:")
    shown.type("y\n")
    assert shown.end() == 0, shown.seen
    assert "APPLIED  2 landed" in shown.seen
    assert set(stack.kestra.flows()) == {(NAMESPACE, "one")}


def test_a_second_ask_of_a_waiting_plan_points_to_the_first(stack: Stack) -> None:
    _synced(stack)
    _edited(stack)
    first = json.loads(stack.run("sync", "careful", "-o", "json").stdout)["runId"]
    again = stack.run("sync", "careful")
    assert again.returncode == 0
    assert f"SUPERSEDED  run {first} took its place" in again.stdout
    assert f"tenantsync approve {first} --digest" in again.stdout


def test_what_is_refused_ends_with_three_and_its_problems_in_full(stack: Stack) -> None:
    _synced(stack)
    stack.push({PATH: "id: one\nnamespace: company.team\ntasks: no list\n"})
    done = stack.run("sync", "deploy")
    assert done.returncode == 3
    assert "! INVALID_SYNTAX" in done.stdout
    assert "REFUSED  nothing was written" in done.stdout


def test_what_fails_ends_with_one_and_says_why(stack: Stack) -> None:
    _synced(stack)
    text = stack.config.read_text()
    stack.config.write_text(text.replace("admin@example.org", "nobody@example.org"))
    done = stack.run("sync", "deploy")
    assert done.returncode == 1
    assert "FAILED  an error ended it" in done.stdout
    assert "! FAILED" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_without_waiting_the_run_is_named_and_waited_for_later(stack: Stack) -> None:
    _synced(stack)
    stack.hold("surveyed", 1)
    asked = stack.run("sync", "backup", "--no-wait", "-o", "json", check=True)
    run = json.loads(asked.stdout)["runId"]
    assert f"tenantsync runs wait {run}" in asked.stderr
    stack.held("surveyed", 1)
    late = stack.run("runs", "wait", run, "--timeout", "0.3")
    assert (late.returncode, late.stdout) == (4, "")
    assert f"run {run} is not at rest after 0.3 s" in late.stderr
    why = stack.run("runs", "why", run)
    assert "Both sides are being read in bulk." in why.stdout
    assert "1 workers answer: w1@" in why.stdout
    stack.release("surveyed")
    done = stack.run("runs", "wait", run)
    assert (done.returncode, "UNCHANGED" in done.stdout) == (0, True)


def test_ctrl_c_ends_the_command_and_not_the_run(stack: Stack) -> None:
    _synced(stack)
    stack.hold("surveyed", 1)
    command = _command(stack, "sync", "backup")
    stack.held("surveyed", 1)
    command.send_signal(signal.SIGINT)
    out, err = command.communicate(timeout=30)
    run = stack.records.newest(1)[0]
    assert (command.returncode, out) == (130, "")
    assert f"run {run.id} was not stopped. It goes on in the workers." in err
    assert f"tenantsync runs cancel {run.id}" in err
    assert "Traceback" not in err
    assert run.cancelled_by is None
    stack.release("surveyed")
    assert stack.ended(run.id).state is State.UNCHANGED


def test_a_run_that_stands_behind_another_says_so(stack: Stack) -> None:
    _synced(stack)
    stack.hold("leased", 1)
    _edited(stack)
    first = _command(stack, "sync", "deploy")
    stack.held("leased", 1)
    ahead = stack.records.newest(1)[0]
    fields = ("--source-of-truth", "git", "--branch", "main", "--namespace", NAMESPACE)
    second = _command(stack, "sync", "namespace", *fields)
    behind = wait_for("the second run", lambda: _newer(stack, ahead.id))
    wait_for("it is written", lambda: stack.records.get(behind).state is State.WRITING)
    wait_for("it is parked", lambda: f"behind run {ahead.id}" in stack.run(
        "runs", "why", behind
    ).stdout)  # fmt: skip
    stack.release("leased")
    _, told = second.communicate(timeout=60)
    first.communicate(timeout=60)
    assert f"run {behind}  WRITING behind run {ahead.id} in namespace {NAMESPACE}" in told


def _newer(stack: Stack, run: str) -> str | None:
    newest = stack.records.newest(1)[0].id
    return newest if newest != run else None


def test_a_cancelled_run_ends_and_whoever_waits_is_told(stack: Stack) -> None:
    _synced(stack)
    stack.hold("surveyed", 1)
    waiting = _command(stack, "sync", "backup")
    stack.held("surveyed", 1)
    run = stack.records.newest(1)[0].id
    cancelled = stack.run("runs", "cancel", run)
    assert (cancelled.returncode, cancelled.stdout) == (0, f"run {run} is cancelled\n")
    out, _ = waiting.communicate(timeout=60)
    assert waiting.returncode == 3
    assert "CANCELLED  by" in out
    stack.release("surveyed")
    over = stack.run("runs", "cancel", run)
    assert (over.returncode, f"run {run} is CANCELLED already" in over.stderr) == (1, True)


def test_two_who_ask_the_same_get_one_run(stack: Stack) -> None:
    _synced(stack)
    stack.hold("surveyed", 1)
    first = json.loads(stack.run("sync", "backup", "--no-wait", "-o", "json").stdout)["runId"]
    stack.held("surveyed", 1)
    second = json.loads(stack.run("sync", "backup", "--no-wait", "-o", "json").stdout)["runId"]
    third = stack.run("sync", "backup", "--no-wait", "-o", "json")
    assert first != second
    assert json.loads(third.stdout)["runId"] == second
    assert f"joined run {second}, which" in third.stderr
    why = stack.run("runs", "why", second)
    assert f"It waits for run {first} (PLANNING), which does the same." in why.stdout
    stack.release("surveyed")
    stack.quiet()


def test_whoever_asks_may_add_a_review_and_never_take_one_away(stack: Stack) -> None:
    _synced(stack)
    _edited(stack)
    assert stack.run("sync", "careful", "--review", "never").returncode == 1
    added = stack.run("sync", "deploy", "--review")
    assert "WAITING" in added.stdout
    assert stack.kestra.flows()[NAMESPACE, "one"] == flow(NAMESPACE, "one")
