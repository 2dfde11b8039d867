"""Everything that a Kestra can do wrong while a run is under way: the run ends truthfully, deletes
nothing that nobody agreed to, and the next one works."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from sandbox.faults import Fault, When
from sandbox.settings import DEFAULT_PASSWORD, DEFAULT_USER
from tasks.outcome import State
from tests.sides import Artifact, both, put
from tests.stack import Stack, wait_for
from tests.texts import dashboard, flow

NS = "company.team"
SIDES = ("KESTRA", "GIT")
HTML = {"content-type": "text/html"}
EDITED, GONE, NEW = (Artifact(NS, "FLOW", name) for name in ("edited", "gone", "new"))
FILE, GONE_FILE = (Artifact(NS, "FILE", name) for name in ("q.sql", "old.txt"))
BOARD = Artifact("_global", "DASHBOARD", "runs")
LOGIN = {"name": DEFAULT_USER, "password": DEFAULT_PASSWORD}


@pytest.fixture
def synced(stack: Stack) -> Iterator[Stack]:
    """Both sides equal."""
    kept = {Artifact(NS, "FLOW", f"k{n}"): flow(NS, f"k{n}") for n in range(8)}
    flows = {one: flow(NS, one.name) for one in (EDITED, GONE)}
    files = {FILE: "1\n", GONE_FILE: "2\n"}
    put(stack, "KESTRA", {**kept, **flows, **files, BOARD: dashboard("runs")})
    assert stack.export()["state"] == "APPLIED"
    yield stack
    stack.kestra.disarm()


def _edit(stack: Stack, side: str) -> None:
    """One change of every kind and action."""
    changed = {one: flow(NS, one.name, side) for one in (EDITED, NEW)}
    gone: Mapping[Artifact, str | None] = {GONE: None, GONE_FILE: None}
    put(stack, side, {**changed, FILE: side, BOARD: dashboard("runs", side), **gone})


def _is_told(stack: Stack, outcome: Mapping[str, Any], source: str) -> None:
    """What landed, and nothing else, is on the target; the rest is named."""
    target = "GIT" if source == "KESTRA" else "KESTRA"
    sides = both(stack)
    named = {problem["where"] for problem in outcome["problems"]}
    changed = (EDITED, GONE, NEW, FILE, GONE_FILE, BOARD)
    landed = [one for one in changed if sides["KESTRA"].get(one) == sides["GIT"].get(one)]
    assert outcome["counts"]["landed"] == len(landed), outcome
    for one in set(changed) - set(landed):
        assert str(one) in named, f"{one} is not on {target}, and nobody says so: {outcome}"


def _next_works(stack: Stack, source: str) -> None:
    stack.kestra.disarm()
    stack.quiet()
    outcome = stack.sync(sourceOfTruth=source, commitMessage="the next one")
    assert outcome["state"] in {"APPLIED", "UNCHANGED"}, outcome
    sides = both(stack)
    assert sides["KESTRA"] == sides["GIT"]
    assert stack.sync(sourceOfTruth=source)["state"] == "UNCHANGED"


def _codes(outcome: Mapping[str, Any]) -> set[str]:
    return {problem["code"] for problem in outcome["problems"]}


def _told(outcome: Mapping[str, Any]) -> str:
    return " ".join(problem["message"] for problem in outcome["problems"])


def _date() -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)


PASSING = {
    "429-seconds": lambda: {"status": 429, "headers": {"retry-after": "1"}},
    "429-date": lambda: {"status": 429, "headers": {"retry-after": _date()}},
    "502": lambda: {"status": 502, "headers": HTML, "body": "<html>bad gateway"},
    "503": lambda: {"status": 503, "headers": HTML, "body": "<html>starting"},
    "503-after": lambda: {"status": 503, "headers": HTML, "when": When.AFTER},
    "reset-after": lambda: {"reset": True, "when": When.AFTER},
    "cut": lambda: {"truncate": 60},
}


@pytest.mark.parametrize(
    ("source", "fault"), [(SIDES[n % 2], fault) for n, fault in enumerate(PASSING)]
)
def test_what_passes_is_gone_through(synced: Stack, source: str, fault: str) -> None:
    """Every second call of the run goes wrong, the same call goes through afterwards."""
    _edit(synced, source)
    met = [
        synced.kestra.arm(Fault(method=method, target=target, times=1, **PASSING[fault]()))
        for method in ("GET", "POST|PUT|DELETE")
        for target in ("/flows/export", "/flows/import|/by-ids", "/files", "/dashboards")
    ]
    outcome = synced.outcome(synced.ask(sourceOfTruth=source), 120)
    assert (outcome["state"], outcome["counts"]["landed"]) == ("APPLIED", 6), outcome
    assert _codes(outcome) == set(), outcome
    assert sum(synced.kestra.hits(one) for one in met) >= 3
    _next_works(synced, source)


@pytest.mark.parametrize(
    ("source", "cut"), [("KESTRA", {"truncate": 300}), ("GIT", {"reset": True})], ids=SIDES
)
def test_an_export_that_always_breaks_off_never_reads_as_fewer_flows(
    synced: Stack, source: str, cut: dict[str, Any]
) -> None:
    _edit(synced, source)
    before = both(synced)
    synced.kestra.arm(Fault(method="GET", target="/flows/export", times=None, **cut))
    outcome = synced.outcome(synced.ask(sourceOfTruth=source), 120)
    assert outcome["state"] == "FAILED", outcome
    assert synced.kestra.url in _told(outcome)
    assert both(synced) == before
    _next_works(synced, source)


def test_an_answer_of_200_that_lost_the_write_is_found(synced: Stack) -> None:
    _edit(synced, "GIT")
    lost = "|".join((f"flow {NS}/edited$", f"flow {NS}/gone$", "/q.sql$", "dashboard runs$"))
    synced.kestra.arm(Fault(method="POST|PUT|DELETE", lose=lost, times=None))
    outcome = synced.reconcile()
    assert outcome["state"] == "PARTIAL", outcome
    assert _codes(outcome) == {"NOT_KEPT"}
    assert outcome["counts"]["landed"] == 2
    _is_told(synced, outcome, "GIT")
    _next_works(synced, "GIT")


def test_a_server_that_loses_a_plugin_refuses_what_was_valid_and_keeps_what_is_equal(
    synced: Stack,
) -> None:
    _edit(synced, "GIT")
    synced.hold("leased", 1)
    asked = synced.ask(sourceOfTruth="GIT")
    synced.held("leased", 1)
    synced.kestra.switch(missing_plugins=["io.kestra.plugin.core.log.*"])
    synced.kestra.reset_log()
    synced.release("leased")
    outcome = synced.outcome(asked)
    assert outcome["state"] == "PARTIAL", outcome
    assert f"{NS}/FLOW/edited" in {one["where"] for one in outcome["problems"]}
    assert "io.kestra.plugin.core.log.Log" in _told(outcome)
    changed = {key for call in synced.kestra.log() for key in call["changed"]}
    assert not [key for key in changed if f"flow {NS}/k" in key], "what is equal is never sent"
    _is_told(synced, outcome, "GIT")

    refused = synced.reconcile(commitMessage="without the plugin")
    assert (refused["state"], _codes(refused)) == ("REFUSED", {"INVALID_SYNTAX"})
    synced.kestra.switch(missing_plugins=[])
    _next_works(synced, "GIT")


@pytest.mark.parametrize(("source", "point"), [("GIT", "surveyed"), ("KESTRA", "staged")])
def test_a_login_that_is_revoked_while_a_run_is_planned_deletes_nothing(
    synced: Stack, source: str, point: str
) -> None:
    _edit(synced, source)
    before = both(synced)
    synced.hold(point, 1)
    asked = synced.ask(sourceOfTruth=source)
    synced.held(point, 1)
    synced.kestra.switch(logins=[])
    synced.release(point)
    outcome = synced.outcome(asked)
    assert outcome["state"] in {"FAILED", "REFUSED"}, outcome
    assert both(synced) == before
    assert f"user {DEFAULT_USER} is not accepted" in _told(outcome)
    assert "Check the login of this server in kestra:" in _told(outcome)
    synced.kestra.switch(logins=[LOGIN])
    _next_works(synced, source)


@pytest.mark.parametrize("point", ["leased", "write.before", "write.after"])
def test_a_login_that_is_revoked_while_a_run_writes_deletes_nothing(
    synced: Stack, point: str
) -> None:
    """What was sent is UNKNOWN until the target can be read again."""
    _edit(synced, "GIT")
    synced.hold(point, 1, namespace=NS)
    asked = synced.ask(sourceOfTruth="GIT")
    synced.held(point, 1)
    synced.kestra.switch(logins=[])
    synced.release(point)
    (run,) = synced.records.newest(1)
    wait_for("nothing is under way", lambda: not synced.records.get(run.id).state.in_motion, 120)
    state = synced.records.get(run.id).state
    assert (state is State.UNKNOWN) == (point != "leased")
    assert GONE in both(synced)["KESTRA"]
    synced.kestra.switch(logins=[LOGIN])
    outcome = synced.outcome(asked, 120)
    # The dashboards, which another job writes, may have landed before.
    assert outcome["state"] in {"FAILED", "PARTIAL"}, outcome
    assert f"user {DEFAULT_USER} is not accepted" in _told(outcome)
    _is_told(synced, outcome, "GIT")
    assert GONE in both(synced)["KESTRA"]
    _next_works(synced, "GIT")


@pytest.mark.parametrize(
    ("source", "point"),
    [("GIT", "staged"), ("KESTRA", "claim"), ("KESTRA", "leased"), ("GIT", "leased")],
)
def test_a_server_that_is_replaced_by_another_one_is_not_written(
    synced: Stack, source: str, point: str
) -> None:
    _edit(synced, source)
    before = both(synced)
    match = {"job": "tenantsync.begin"} if point == "claim" else {}
    jobs = 2 if (source, point) == ("GIT", "leased") else 1  # flows and files; dashboards
    synced.hold(point, jobs, **match)
    asked = synced.ask(sourceOfTruth=source)
    synced.held(point, jobs)
    synced.kestra.switch(uuid="5andb0xKestraServer009")
    synced.release(point)
    outcome = synced.outcome(asked)
    assert outcome["state"] in {"REFUSED", "FAILED"}, outcome
    assert "5andb0xKestraServer009" in _told(outcome)
    assert both(synced) == before
    again = synced.sync(sourceOfTruth=source, commitMessage="the other server")
    assert again["state"] == "WAITING", "nothing is deleted at the first contact with it"
    assert _codes(again) == {"FIRST_CONTACT"}
    synced.run("reject", again["runId"])
    synced.kestra.switch(uuid="5andb0xKestraServer001")
    _next_works(synced, source)
