"""Somebody saves a text between our look and our write. Kestra has no compare-and-set, so it is
overwritten; it is found by the revisions, told, and kept wherever the server still has it."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.faults import Fault, When
from tasks.points import Fault as Strike
from tasks.points import hits
from tasks.store.contents import Contents
from tasks.tidying import used_contents
from tasks.toolbox import Places, Toolbox
from tests.stack import Stack
from tests.texts import dashboard, flow

NS = "company.team"
IMPORT, FILES, DELETE = "/flows/import", f"/namespaces/{NS}/files", "/flows/delete/by-ids"


def _theirs(name: str = "a") -> dict[str, str]:
    return {"namespace": NS, "id": name, "source": flow(NS, name, "by a person")}


def _file(text: str) -> dict[str, str]:
    return {"namespace": NS, "path": "/q.sql", "text": text}


def _synced(stack: Stack, *names: str) -> None:
    stack.kestra.seed(flows=[flow(NS, name) for name in names], files=[_file("old\n")])
    assert stack.export()["state"] == "APPLIED"


def _saved(stack: Stack, target: str, method: str = "POST", **seed: Any) -> None:
    """Has somebody save something when a write is on its way and not carried out."""
    stack.kestra.arm(Fault(method=method, target=target, edit=seed))


def _overtaken(outcome: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for one in outcome["problems"] if one["code"] == "OVERTAKEN"]


def _kept(stack: Stack, outcome: dict[str, Any], key: str) -> bytes:
    """The text as a person gets it back, when nothing is kept but what some record names."""
    data = stack.folder / "data"
    tools = Toolbox(
        Places(
            config=stack.config,
            data=data,
            database_url=f"sqlite:///{data / 'tenantsync.db'}",
            contents_url=str(data / "contents"),
        )
    )
    Contents(str(data / "contents")).remove_unused(used_contents(tools), -1)
    tools.close()
    return stack.run(
        "runs", "diff", outcome["runId"], "--overtaken", "--key", key, check=True
    ).stdout.encode()


def test_a_flow_that_somebody_saves_before_our_write_is_told_and_kept(stack: Stack) -> None:
    _synced(stack, "a", "b")
    stack.push({f"{NS}/flows/{name}.yaml": flow(NS, name, "git") for name in "ab"})
    _saved(stack, IMPORT, flows=[_theirs()])
    outcome = stack.reconcile()
    assert (outcome["state"], outcome["counts"]["landed"]) == ("APPLIED", 2), outcome
    (one,) = _overtaken(outcome)
    assert one["where"] == f"{NS}/FLOW/a"
    assert "revision 2 of 20" in one["message"] and "is kept" in one["message"]
    assert stack.kestra.flows()[NS, "a"] == flow(NS, "a", "git")
    assert _kept(stack, outcome, f"{NS}/FLOW/a").decode() == _theirs()["source"]
    patch = stack.run("runs", "diff", outcome["runId"], "--overtaken", check=True).stdout
    assert "-    message: by a person\n+    message: git\n" in patch

    shown = stack.run("runs", "show", outcome["runId"], check=True).stdout
    assert f"tenantsync runs diff {outcome['runId']} --overtaken" in shown
    assert stack.run("runs", "wait", outcome["runId"]).returncode == 3
    assert stack.reconcile()["state"] == "UNCHANGED"


def test_a_flow_that_somebody_creates_first_is_told(stack: Stack) -> None:
    """A deleted flow of the same id counts on, and is nobody's text that was overwritten."""
    _synced(stack, "a", "b")
    gone = {"delete_flows": [{"namespace": NS, "id": name} for name in ("a", "b")]}
    stack.kestra.apply(gone)
    _saved(stack, IMPORT, flows=[_theirs()])
    outcome = stack.reconcile()
    assert (outcome["state"], outcome["counts"]["add"]) == ("APPLIED", 2)
    (one,) = _overtaken(outcome)
    assert one["where"] == f"{NS}/FLOW/a" and "revision 3" in one["message"]
    assert _kept(stack, outcome, f"{NS}/FLOW/a").decode() == _theirs()["source"]


@pytest.mark.parametrize("before", ["old\n", None])
def test_a_file_that_somebody_saves_before_our_write_is_told_and_kept(
    stack: Stack, before: str | None
) -> None:
    _synced(stack, "a")
    if before is None:
        gone = {"delete_files": [{"namespace": NS, "path": "/q.sql"}]}
        stack.kestra.apply(gone)
    else:
        stack.push({f"{NS}/files/q.sql": "git\n"})
    _saved(stack, FILES, files=[_file("by a person\r\n")])
    outcome = stack.reconcile()
    assert outcome["state"] == "APPLIED", outcome
    (one,) = _overtaken(outcome)
    assert one["where"] == f"{NS}/FILE/q.sql"
    data = stack.folder / "data" / "contents"
    assert _kept(stack, outcome, f"{NS}/FILE/q.sql") in {b"by a person\r\n", b"by a person\n"}
    assert any(
        path.read_bytes() == b"by a person\r\n" for path in data.rglob("*") if path.is_file()
    )


def test_a_flow_that_somebody_saves_before_its_deletion_is_told_and_kept(stack: Stack) -> None:
    _synced(stack, "a", "b", "c")
    stack.push({f"{NS}/flows/{name}.yaml": None for name in "ab"})
    _saved(stack, DELETE, "DELETE", flows=[_theirs()])
    outcome = stack.reconcile()
    assert (outcome["state"], set(stack.kestra.flows())) == ("APPLIED", {(NS, "c")})
    (one,) = _overtaken(outcome)
    assert one["where"] == f"{NS}/FLOW/a" and "deleted unseen" in one["message"]
    assert _kept(stack, outcome, f"{NS}/FLOW/a").decode() == _theirs()["source"]


def test_a_file_that_somebody_saves_before_its_deletion_is_said_to_be_lost(stack: Stack) -> None:
    """A deletion takes the newest revision with it: only the older ones are still given."""
    _synced(stack, "a")
    stack.push({f"{NS}/files/q.sql": None})
    _saved(stack, FILES, "DELETE", files=[_file("by a person\n")])
    outcome = stack.reconcile()
    assert (outcome["state"], stack.kestra.files()) == ("APPLIED", {})
    (one,) = _overtaken(outcome)
    assert "revision 2" in one["message"] and "is lost" in one["message"]
    said = stack.run("runs", "diff", outcome["runId"], "--overtaken")
    assert said.returncode == 1 and "keeps no text" in said.stderr


def test_what_was_saved_before_our_look_is_stale_and_not_overtaken(stack: Stack) -> None:
    _synced(stack, "a", "b")
    stack.push({f"{NS}/flows/{name}.yaml": flow(NS, name, "git") for name in "ab"})
    stack.hold("leased", 1)
    asked = stack.ask(sourceOfTruth="GIT", review="always")
    waiting = stack.outcome(asked)
    stack.run("approve", waiting["runId"], "--digest", waiting["planDigest"], "--no-wait")
    stack.held("leased", 1)
    stack.kestra.apply({"flows": [_theirs()]})
    stack.release("leased")
    run = stack.ended(waiting["runId"])
    assert run.state == "PARTIAL"
    assert [one.code for one in run.problems] == ["STALE"]


@pytest.mark.parametrize("fault", [{"reset": True}, {"status": 503}, {"status": 500}])
def test_our_own_second_try_is_not_another_writer(stack: Stack, fault: dict[str, Any]) -> None:
    """The answer is lost after everything was written, and after half of it."""
    _synced(stack, "a", "b")
    stack.push(
        {f"{NS}/flows/{name}.yaml": flow(NS, name, "git") for name in "abc"}
        | {f"{NS}/files/q.sql": "git\n", f"{NS}/files/new.txt": "new\n"}
    )
    stack.kestra.arm(Fault(method="POST", target=IMPORT, when=When.AFTER, **fault))
    stack.kestra.arm(Fault(method="POST", target=FILES, when=When.AFTER, **fault))
    stack.kestra.arm(Fault(method="POST", target=IMPORT, skip=1, lose="/a$"))
    outcome = stack.reconcile()
    assert (outcome["state"], outcome["problems"]) == ("APPLIED", []), outcome


@pytest.mark.parametrize(
    ("text", "edited"), [(flow(NS, "a", "git"), True), (flow(NS, "a", "git"), False), (None, True)]
)
def test_whoever_takes_a_job_over_knows_what_was_overwritten_before(
    stack: Stack, text: str | None, edited: bool
) -> None:
    _synced(stack, "a", "b")
    stack.push({f"{NS}/flows/a.yaml": text})
    if edited:
        _saved(stack, f"{IMPORT}|{DELETE}", "POST|DELETE", flows=[_theirs()])
    stack.arm("read-back", Strike.KILL)
    outcome = stack.reconcile()
    assert len(hits(stack.points, "read-back")) == 1
    assert outcome["state"] == "APPLIED", outcome
    assert [one["where"] for one in _overtaken(outcome)] == [f"{NS}/FLOW/a"] * edited
    if edited:
        assert _kept(stack, outcome, f"{NS}/FLOW/a").decode() == _theirs()["source"]


def test_what_was_overwritten_is_found_when_a_write_that_nobody_answered_is_settled(
    stack: Stack,
) -> None:
    _synced(stack, "a")
    stack.push({f"{NS}/flows/a.yaml": flow(NS, "a", "git")})
    _saved(stack, IMPORT, flows=[_theirs()])
    export = Fault(method="GET", target="/flows/export", status=403, skip=2, times=1)
    stack.kestra.arm(export)
    outcome = stack.reconcile()
    assert outcome["state"] == "APPLIED", outcome
    assert len(_overtaken(outcome)) == 1
    assert _kept(stack, outcome, f"{NS}/FLOW/a").decode() == _theirs()["source"]


def test_a_dashboard_is_written_without_revisions(stack: Stack) -> None:
    _synced(stack, "a")
    stack.push({"_global/dashboards/d.yaml": dashboard("d")})
    stack.kestra.reset_log()
    assert stack.reconcile()["state"] == "APPLIED"
    assert not [one for one in stack.kestra.log() if "revisions" in one["path"]]


def test_a_write_costs_two_calls_more_for_the_flows_and_two_for_each_file(stack: Stack) -> None:
    names = [f"f{number}" for number in range(30)]
    _synced(stack, *names)
    stack.push({f"{NS}/flows/{name}.yaml": flow(NS, name, "git") for name in names})
    stack.push({f"{NS}/files/q.sql": "git\n"})
    stack.kestra.reset_log()
    assert stack.reconcile()["state"] == "APPLIED"
    calls = [one["path"] for one in stack.kestra.log()]
    assert sum(path.endswith(f"/flows/{NS}") for path in calls) == 2
    assert sum("revisions" in path for path in calls) == 2, calls
