"""What waits for a person: approved, rejected, superseded, expired, taken up, or cancelled."""

from __future__ import annotations

import os
import pwd
import signal
from datetime import timedelta
from typing import Any

import pytest

from tasks.points import hits
from tasks.store.runs import now
from tests.sides import both
from tests.stack import Stack, wait_for
from tests.texts import flow

NS = "company.team"
OTHERS = ("company.a", "company.b", "company.c")
LOGIN = pwd.getpwuid(os.getuid()).pw_name


def _written(name: str, message: str) -> dict[str, str]:
    return {"namespace": NS, "id": name, "source": flow(NS, name, message)}


def _edit(stack: Stack, name: str, message: str) -> None:
    stack.kestra.apply({"flows": [_written(name, message)]})


def _seeded(stack: Stack) -> None:
    stack.kestra.seed(flows=[flow(NS, "one"), flow(NS, "two")])


def _waits(stack: Stack, **task: Any) -> dict[str, Any]:
    """An export that waits for a person."""
    outcome = stack.export(**{"review": "always", **task})
    assert outcome["state"] == "WAITING", outcome
    return outcome


def _approve(stack: Stack, outcome: dict[str, Any], *, code: int = 0) -> str:
    """Approves the plan of an outcome on the command line; what it says."""
    done = stack.run("approve", outcome["runId"], "--digest", outcome["planDigest"])
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def _cancel(stack: Stack, run: str, **more: str) -> str:
    asked = stack.celery().send_task(
        "tenantsync.cancel", [{"runId": run, **more}], queue="tenantsync"
    )
    return str(asked.get(timeout=60))


def _has_branch(stack: Stack) -> bool:
    return bool(stack.git_out("for-each-ref"))


# -- approving ----------------------------------------------------------------------------------


def test_approval_writes_the_plan_that_was_seen_and_nothing_else(stack: Stack) -> None:
    _seeded(stack)
    outcome = _waits(stack)
    assert not _has_branch(stack)
    _edit(stack, "one", "edited after the plan")
    _edit(stack, "late", "new after the plan")
    said = _approve(stack, outcome, code=3)
    assert "PARTIAL" in said
    assert stack.tree() == {f"{NS}/flows/two.yaml": flow(NS, "two").encode()}
    run = stack.records.get(outcome["runId"])
    assert run.plan_digest == outcome["planDigest"]
    assert [(one.code, one.where) for one in run.problems] == [("STALE", f"{NS}/FLOW/one")]
    assert run.followed_by is None, "what a person approved is not asked again by itself"
    assert [review.decision for review in stack.records.reviews(run.id)] == ["approved"]
    commit = stack.git_out("log", "-1", "--format=%B", "main").decode()
    assert f"Tenantsync-Plan: {outcome['planDigest'][:12]}" in commit.replace("sha256:", "")


def test_another_digest_than_that_of_the_plan_approves_nothing(stack: Stack) -> None:
    _seeded(stack)
    outcome = _waits(stack)
    other = {**outcome, "planDigest": "0" * len(outcome["planDigest"])}
    said = _approve(stack, other, code=1)
    assert f"its plan is {outcome['planDigest'][:12]}, not 000000000000" in said
    assert stack.records.get(outcome["runId"]).state == "WAITING"
    assert not stack.records.reviews(outcome["runId"])
    assert not _has_branch(stack)


def test_a_rejected_plan_writes_nothing_and_cannot_be_approved(stack: Stack) -> None:
    _seeded(stack)
    outcome = _waits(stack)
    assert stack.run("reject", outcome["runId"], "--reason", "no").returncode == 0
    assert stack.ended(outcome["runId"]).state == "REJECTED"
    assert "REJECTED: there is nothing to approve" in _approve(stack, outcome, code=1)
    assert not _has_branch(stack)


def test_only_who_is_named_and_did_not_ask_may_approve(stack: Stack) -> None:
    _seeded(stack)
    rule = {"by": ["ann", "bob"], "notAsker": True}
    task = {"sourceOfTruth": "KESTRA", "branch": "main", "review": rule}

    def acting(person: str) -> None:
        people = {
            name: {"os": LOGIN if name == person else f"{name}-elsewhere", "roles": roles}
            for name in ("ann", "bob", "eve")
            if (roles := ["read", "ask", "approve"])
        }
        stack.configure({"careful": task}, access=people)

    acting("ann")
    assert stack.run("sync", "careful", check=True).stdout.count("WAITING")
    run = stack.records.newest(1)[0]
    outcome = {"runId": run.id, "planDigest": run.plan_digest}
    assert "ann asked for it; somebody else must approve it" in _approve(stack, outcome, code=1)
    acting("eve")
    assert "eve may not approve it; ann, bob may" in _approve(stack, outcome, code=1)
    assert stack.records.get(run.id).state == "WAITING"
    assert not _has_branch(stack)
    acting("bob")
    _approve(stack, outcome)
    assert [one.person for one in stack.records.reviews(run.id)] == ["bob"]
    assert "Reviewed-by: bob" in stack.git_out("log", "-1", "--format=%B", "main").decode()


# -- superseding --------------------------------------------------------------------------------


def test_an_equal_plan_ends_superseded_and_its_asker_gets_the_waiting_one(stack: Stack) -> None:
    _seeded(stack)
    first = _waits(stack)
    asked = stack.ask(sourceOfTruth="KESTRA", review="always")
    told = stack.outcome(asked)
    assert (told["runId"], told["state"]) == (first["runId"], "WAITING")
    second = stack.records.newest(1)[0]
    assert (second.state, second.followed_by) == ("SUPERSEDED", first["runId"])
    messages = {one.message for one in stack.records.askers(first["runId"])}
    assert asked.id in messages and len(messages) == 2
    _approve(stack, first)
    assert stack.ended(first["runId"]).state == "APPLIED"
    assert len(stack.commits()) == 1


def test_another_plan_takes_the_place_of_the_waiting_one(stack: Stack) -> None:
    _seeded(stack)
    first = _waits(stack)
    _edit(stack, "one", "edited")
    dry = stack.export(review="always", dryRun=True)
    assert dry["state"] == "PLANNED"
    assert stack.records.get(first["runId"]).state == "WAITING", "a dry run supersedes nobody"
    second = _waits(stack)
    assert second["planDigest"] != first["planDigest"]
    old = stack.ended(first["runId"])
    assert (old.state, old.followed_by) == ("SUPERSEDED", second["runId"])
    assert "SUPERSEDED: there is nothing to approve" in _approve(stack, first, code=1)
    other = _waits(stack, gitDirectory="elsewhere")
    assert stack.records.get(second["runId"]).state == "WAITING", "that is another sync"
    _approve(stack, second)
    assert stack.tree()[f"{NS}/flows/one.yaml"] == flow(NS, "one", "edited").encode()
    assert stack.records.get(other["runId"]).state == "WAITING"


def test_what_nobody_decides_on_within_seven_days_expires(stack: Stack) -> None:
    _seeded(stack)
    waiting, planned = _waits(stack), stack.export(dryRun=True)
    young = _waits(stack, gitDirectory="young")
    for outcome, days in ((waiting, 7.01), (planned, 7.01), (young, 6.99)):
        run = stack.records.get(outcome["runId"])
        assert stack.records.set(run, planned_at=now() - timedelta(days=days))
    for outcome in (waiting, planned):
        wait_for("it has expired", lambda one=outcome: _state(stack, one) == "EXPIRED")
    assert _state(stack, young) == "WAITING"
    assert "EXPIRED: there is nothing to approve" in _approve(stack, waiting, code=1)
    assert not _has_branch(stack)


def _state(stack: Stack, outcome: dict[str, Any]) -> str:
    return stack.records.get(outcome["runId"]).state


# -- a dry run that is taken up -----------------------------------------------------------------


def test_a_planned_dry_run_is_taken_up_by_its_id_and_writes_that_plan(stack: Stack) -> None:
    _seeded(stack)
    planned = stack.export(dryRun=True)
    assert planned["state"] == "PLANNED"
    _edit(stack, "one", "edited after the plan")
    _edit(stack, "late", "new after the plan")
    done = stack.export(plan=planned["runId"])
    assert (done["runId"], done["state"]) == (planned["runId"], "PARTIAL"), done
    assert set(stack.tree()) == {f"{NS}/flows/two.yaml"}
    assert "followedBy" not in done, "somebody had seen the plan: it is not asked again by itself"
    again = stack.export(plan=planned["runId"])
    assert (again["runId"], again["commitId"]) == (planned["runId"], done["commitId"])
    assert len(stack.commits()) == 1


def test_a_plan_needs_no_other_field_and_takes_no_other_value(stack: Stack) -> None:
    _seeded(stack)
    planned = stack.export(dryRun=True, whenMissingInSource="KEEP")
    with pytest.raises(Exception, match="differs from the one that was planned"):
        stack.export(plan=planned["runId"], whenMissingInSource="FAIL")
    assert not _has_branch(stack)
    asked = stack.celery().send_task(
        "tenantsync.tenant_sync", [{"plan": planned["runId"]}], queue="tenantsync"
    )
    assert stack.outcome(asked)["state"] == "APPLIED"


def test_what_a_dry_run_saw_equal_is_the_base_once_its_plan_is_written(stack: Stack) -> None:
    stack.kestra.seed(
        flows=[flow(NS, "one"), flow(NS, "two"), flow(NS, "gone")],
        files=[{"namespace": NS, "path": "/equal.txt", "text": "equal\n"}],
    )
    equal = {f"{NS}/flows/{name}.yaml": flow(NS, name) for name in ("one", "gone")}
    stack.push({**equal, f"{NS}/files/equal.txt": "equal\n"})
    planned = stack.export(dryRun=True)
    assert planned["state"] == "PLANNED"
    assert stack.export(plan=planned["runId"])["state"] == "APPLIED"
    _edit(stack, "one", "edited")
    gone = {"namespace": NS, "id": "gone"}, {"namespace": NS, "path": "/equal.txt"}
    stack.kestra.apply({"delete_flows": [gone[0]], "delete_files": [gone[1]]})
    done = stack.export()
    assert done["state"] == "APPLIED", done
    causes = {one["name"]: one["cause"] for one in stack.plan(done["runId"])["changes"]}
    assert causes == {
        "one": "CHANGED",
        "gone": "REMOVED_IN_SOURCE",
        "equal.txt": "REMOVED_IN_SOURCE",
    }


def test_a_dry_run_notes_nothing_until_its_plan_is_written(stack: Stack) -> None:
    _seeded(stack)
    stack.push({f"{NS}/flows/one.yaml": flow(NS, "one")})
    assert stack.export(dryRun=True)["state"] == "PLANNED"
    _edit(stack, "one", "edited")
    changes = stack.plan(stack.export(dryRun=True)["runId"])["changes"]
    assert [(one["name"], one["cause"]) for one in changes] == [
        ("one", "FIRST_CONTACT"),
        ("two", "NEW"),
    ]


def test_what_another_run_noted_since_is_not_put_back_by_a_plan_that_is_taken_up(
    stack: Stack,
) -> None:
    _seeded(stack)
    stack.push({f"{NS}/flows/one.yaml": flow(NS, "one")})
    planned = stack.export(dryRun=True)
    _edit(stack, "one", "edited")
    assert stack.export(commitMessage="another")["state"] == "APPLIED"
    assert stack.export(plan=planned["runId"])["state"] == "APPLIED"
    _edit(stack, "one", "edited again")
    (change,) = stack.plan(stack.export(dryRun=True)["runId"])["changes"]
    assert (change["name"], change["cause"]) == ("one", "CHANGED")


def test_a_plan_that_is_taken_up_joins_the_equal_one_that_waits(stack: Stack) -> None:
    _seeded(stack)
    planned = stack.export(dryRun=True, review="always")
    waiting = _waits(stack)
    assert waiting["planDigest"] == planned["planDigest"]
    taken = stack.export(plan=planned["runId"], review="always")
    assert (taken["runId"], taken["state"]) == (waiting["runId"], "WAITING")
    ended = stack.records.get(planned["runId"])
    assert (ended.state, ended.followed_by) == ("SUPERSEDED", waiting["runId"])
    _approve(stack, waiting)
    assert stack.ended(waiting["runId"]).state == "APPLIED"


def test_a_plan_that_is_taken_up_takes_the_place_of_another_one_that_waits(stack: Stack) -> None:
    _seeded(stack)
    planned = stack.export(dryRun=True, review="always")
    _edit(stack, "one", "edited")
    waiting = _waits(stack)
    taken = stack.export(plan=planned["runId"], review="always")
    assert (taken["runId"], taken["state"]) == (planned["runId"], "WAITING")
    ended = stack.records.get(waiting["runId"])
    assert (ended.state, ended.followed_by) == ("SUPERSEDED", planned["runId"])


def test_approving_a_planned_run_takes_the_place_of_another_one_that_waits(stack: Stack) -> None:
    _seeded(stack)
    planned = stack.export(dryRun=True, review="always")
    _edit(stack, "three", "new")
    waiting = _waits(stack)
    _approve(stack, planned)
    assert stack.ended(planned["runId"]).state == "APPLIED"
    assert stack.records.get(waiting["runId"]).state == "SUPERSEDED"


def test_a_plan_whose_task_is_reviewed_waits_when_it_is_taken_up(stack: Stack) -> None:
    _seeded(stack)
    planned = stack.export(dryRun=True, review="always")
    taken = stack.export(plan=planned["runId"], review="always")
    assert (taken["runId"], taken["state"]) == (planned["runId"], "WAITING")
    assert not _has_branch(stack)
    _approve(stack, taken)
    assert stack.ended(taken["runId"]).state == "APPLIED"


def test_whoever_takes_up_a_plan_that_is_being_written_reads_its_end(stack: Stack) -> None:
    _seeded(stack)
    planned = stack.export(dryRun=True)
    stack.hold("push.before", 1)
    first = stack.ask(sourceOfTruth="KESTRA", plan=planned["runId"])
    stack.held("push.before", 1)
    second = stack.ask(sourceOfTruth="KESTRA", plan=planned["runId"])
    asked = wait_for("it is asked", lambda: len(stack.records.askers(planned["runId"])) == 3)
    assert asked
    stack.release("push.before")
    assert [stack.outcome(one)["state"] for one in (first, second)] == ["APPLIED", "APPLIED"]


# -- cancelling ---------------------------------------------------------------------------------


def test_cancelling_while_queued_withdraws_one_asker_and_then_ends_the_run(stack: Stack) -> None:
    _seeded(stack)
    stack.hold("surveyed", 1)
    busy = stack.ask(sourceOfTruth="KESTRA")
    stack.held("surveyed", 1)
    asked = [stack.ask(sourceOfTruth="KESTRA") for _ in range(2)]
    queued = wait_for("two ask for one queued run", lambda: _queued(stack, askers=2))
    assert _cancel(stack, queued, message=asked[0].id) == "QUEUED"
    withdrawn = {one.message for one in stack.records.askers(queued) if one.withdrawn}
    assert withdrawn == {asked[0].id}
    with pytest.raises(Exception, match="message nobody did not ask for it"):
        _cancel(stack, queued, message="nobody")
    assert _cancel(stack, queued, message=asked[1].id) == "CANCELLED"
    assert stack.outcome(asked[1])["state"] == "CANCELLED"
    asked = [stack.ask(sourceOfTruth="KESTRA") for _ in range(2)]
    queued = wait_for("two ask for the next one", lambda: _queued(stack, askers=2))
    assert _cancel(stack, queued) == "CANCELLED", "who never asked ends it for all"
    stack.release("surveyed")
    assert stack.outcome(busy)["state"] == "APPLIED"


def _queued(stack: Stack, *, askers: int) -> str | None:
    run = stack.records.newest(1)[0]
    there = run.state == "QUEUED" and len(stack.records.askers(run.id)) == askers
    return run.id if there else None


@pytest.mark.parametrize("point", ["surveyed", "read", "gathered"])
def test_cancelling_while_planning_ends_it_and_nothing_is_written(stack: Stack, point: str) -> None:
    _seeded(stack)
    stack.hold(point, 1)
    asked = stack.ask(sourceOfTruth="KESTRA")
    stack.held(point, 1)
    run = stack.records.newest(1)[0].id
    assert _cancel(stack, run) == "CANCELLED"
    assert stack.outcome(asked)["state"] == "CANCELLED"
    stack.release(point)
    # The next one finds nothing in its way, and nothing of the first.
    assert stack.export(gitDirectory="next")["state"] == "APPLIED"
    assert stack.records.get(run).state == "CANCELLED"
    assert set(stack.tree()) == {f"next/{NS}/flows/one.yaml", f"next/{NS}/flows/two.yaml"}


def test_cancelling_while_writing_leaves_the_other_namespaces_unwritten(stack: Stack) -> None:
    stack.push({f"{ns}/flows/f.yaml": flow(ns, "f") for ns in OTHERS})
    stack.hold("leased", 2)
    asked = stack.ask(sourceOfTruth="GIT")
    stack.held("leased", 2)
    wait_for("one namespace is written", lambda: len(stack.kestra.flows()) == 1)
    run = stack.records.newest(1)[0].id
    assert _cancel(stack, run) == "WRITING"
    stack.release("leased")
    outcome = stack.outcome(asked)
    assert (outcome["state"], outcome["counts"]["landed"]) == ("CANCELLED", 1), outcome
    (landed,) = stack.kestra.flows()
    held = {one["where"] for one in outcome["problems"] if one["code"] == "HELD"}
    assert held == {f"{ns}/FLOW/f" for ns in OTHERS if ns != landed[0]}


def test_cancelling_stops_a_job_before_its_next_write(stack: Stack) -> None:
    stack.push({f"{NS}/flows/f.yaml": flow(NS, "f"), f"{NS}/files/a.txt": "a\n"})
    stack.hold("write.after", 1)
    asked = stack.ask(sourceOfTruth="GIT")
    stack.held("write.after", 1)
    run = stack.records.newest(1)[0].id
    assert _cancel(stack, run) == "WRITING"
    stack.release("write.after")
    outcome = stack.outcome(asked)
    assert (outcome["state"], outcome["counts"]["landed"]) == ("CANCELLED", 1), outcome
    assert set(stack.kestra.files()) == {(NS, "/a.txt")}
    assert stack.kestra.flows() == {}


def test_cancelling_before_the_push_makes_no_commit(stack: Stack) -> None:
    _seeded(stack)
    stack.hold("committed", 1)
    asked = stack.ask(sourceOfTruth="KESTRA")
    stack.held("committed", 1)
    assert _cancel(stack, stack.records.newest(1)[0].id) == "WRITING"
    stack.release("committed")
    outcome = stack.outcome(asked)
    assert (outcome["state"], outcome["counts"]["landed"]) == ("CANCELLED", 0), outcome
    assert not _has_branch(stack)


def test_cancelling_what_is_parked_behind_another_run_ends_it_at_once(stack: Stack) -> None:
    stack.push({f"{NS}/flows/f.yaml": flow(NS, "f")})
    stack.hold("leased", 1)
    first = stack.ask(sourceOfTruth="GIT")
    stack.held("leased", 1)
    parked = stack.ask(sourceOfTruth="GIT", onStale="FAIL")
    run = wait_for("it is parked", lambda: _parked(stack))
    before = both(stack)
    _cancel(stack, run)
    outcome = stack.outcome(parked)
    assert (outcome["runId"], outcome["state"]) == (run, "CANCELLED"), outcome
    assert outcome["counts"]["landed"] == 0
    assert both(stack) == before, "the first run still stands at its lane"
    stack.release("leased")
    assert stack.outcome(first)["state"] == "APPLIED"


def _parked(stack: Stack) -> str | None:
    """The run of a message that lies in a lane."""
    for key in stack.redis.scan_iter("tenantsync:lane:*:parked"):
        for place in stack.redis.hkeys(key):
            return str(place).split("\n")[0]
    return None


@pytest.mark.parametrize(("source", "point"), [("KESTRA", "push.after"), ("GIT", "write.after")])
def test_what_a_killed_job_had_written_before_the_cancel_is_told(
    stack: Stack, source: str, point: str
) -> None:
    if source == "KESTRA":
        _seeded(stack)
    else:
        stack.push({f"{NS}/flows/{name}.yaml": flow(NS, name) for name in ("one", "two")})
    stack.hold(point, 1)
    asked = stack.ask(sourceOfTruth=source)
    stack.held(point, 1)
    assert _cancel(stack, stack.records.newest(1)[0].id) == "WRITING"
    (hit,) = hits(stack.points, point)
    os.kill(int(str(hit["pid"])), signal.SIGKILL)
    outcome = stack.outcome(asked)
    assert (outcome["state"], outcome["counts"]["landed"]) == ("APPLIED", 2), outcome
    assert len(stack.kestra.flows()) == len(stack.tree()) == 2
    assert ("commitId" in outcome) == (source == "KESTRA")


def test_what_has_ended_is_not_cancelled(stack: Stack) -> None:
    _seeded(stack)
    waiting = _waits(stack)
    assert _cancel(stack, waiting["runId"]) == "CANCELLED"
    with pytest.raises(Exception, match="CANCELLED already"):
        _cancel(stack, waiting["runId"])
    assert "CANCELLED: there is nothing to approve" in _approve(stack, waiting, code=1)
