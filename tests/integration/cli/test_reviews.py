"""`approve` and `reject`: who may, and on what."""

from __future__ import annotations

import json
import os
import pwd

import pytest

from tasks.outcome import State
from tasks.plan import Action
from tasks.problems import Code, Problem
from tests.integration.cli.home import CONFIG, Home, change
from tests.integration.cli.terminal import Terminal

GUARD = Problem(code=Code.DELETION_BUDGET, where="FLOW", message="1 of 2 flows would go")
LOGIN = pwd.getpwuid(os.getuid()).pw_name
#: Nothing listens there: whatever is refused before Redis is needed passes by it.
NO_REDIS = {"TENANTSYNC_REDIS_URL": "redis://127.0.0.1:9/0"}


def test_nobody_can_be_asked_without_a_terminal_so_the_digest_is_wanted(home: Home) -> None:
    run = home.planned([change("x"), change("old", Action.DELETE)], guards=[GUARD])
    said = home.run("approve", run.id, **NO_REDIS)
    assert said.code == 1
    assert "Plan: 0 to add, 1 to change, 1 to delete" in said.out
    digest = str(run.plan_digest)[:12]
    assert f"tenantsync approve {run.id} --digest {digest} --deletions 1" in said.err
    assert home.runs.get(run.id).state is State.WAITING


@pytest.mark.parametrize(
    ("answers", "words"),
    [(("n\n",), "nothing was done"), (("\n",), "nothing was done")],
)
def test_a_person_who_does_not_agree_changes_nothing(
    home: Home, answers: tuple[str, ...], words: str
) -> None:
    run = home.planned([change("x")])
    shown = Terminal(home.command("approve", run.id), home.folder, home.environment(**NO_REDIS))
    for answer in answers:
        shown.until("Write exactly this plan?")
        shown.type(answer)
    assert shown.end() == 1
    assert words in shown.seen
    assert home.runs.get(run.id).state is State.WAITING


def test_a_wrong_figure_is_refused_before_anything_starts(home: Home) -> None:
    run = home.planned([change("old", Action.DELETE)], guards=[GUARD])
    shown = Terminal(home.command("approve", run.id), home.folder, home.environment(**NO_REDIS))
    shown.until("How many artifacts does this plan delete?")
    shown.type("7\n")
    assert shown.end() == 1
    assert "this plan deletes 1, not 7" in shown.seen
    assert home.runs.get(run.id).state is State.WAITING


@pytest.mark.parametrize("command", ["approve", "reject"])
def test_what_has_ended_cannot_be_decided_on(home: Home, command: str) -> None:
    run = home.planned([], state=State.UNCHANGED)
    said = home.run(command, run.id, **NO_REDIS)
    assert said.code == 1
    assert f"run {run.id} is UNCHANGED: there is nothing to {command}" in said.err


@pytest.mark.parametrize(
    ("roles", "arguments", "words"),
    [
        ("read, ask", ("approve", "last", "--digest", "0" * 64), "may not approve"),
        ("read, ask", ("reject", "last"), "may not approve"),
        ("ask, approve", ("runs", "list"), "may not read"),
        ("read, approve", ("sync", "deploy"), "may not ask"),
        ("read, approve", ("runs", "cancel", "last"), "may not ask"),
    ],
)
def test_roles_of_the_login_name_are_kept_to(
    home: Home, roles: str, arguments: tuple[str, ...], words: str
) -> None:
    run = home.planned([change("x")])
    home.config.write_text(f"{CONFIG}access:\n  pat:\n    os: {LOGIN}\n    roles: [{roles}]\n")
    said = home.run(*arguments, **NO_REDIS)
    assert said.code == 1
    assert f"pat {words}" in said.err
    assert home.runs.get(run.id).state is State.WAITING


def test_a_login_name_of_nobody_in_access_may_do_nothing(home: Home) -> None:
    home.config.write_text(f"{CONFIG}access:\n  pat:\n    os: somebody-else\n    roles: [read]\n")
    said = home.run("runs", "list")
    assert said.code == 1
    assert f"the login {LOGIN} belongs to nobody in access:" in said.err
    # The variables by which other programs are told a login name change nothing.
    assert home.run("runs", "list", LOGNAME="somebody-else", USER="somebody-else").code == 1


def test_a_rejected_run_ends_and_the_reason_is_kept(home: Home) -> None:
    run = home.planned([change("x")])
    said = home.run("reject", run.id, "--reason", "not on a Friday", "-o", "json")
    assert said.code == 0
    assert json.loads(said.out)["state"] == "REJECTED"
    assert home.runs.reviews(run.id)[0].reason == "not on a Friday"
    shown = home.run("runs", "show", run.id)
    assert f"by {LOGIN}: not on a Friday" in shown.out
