"""A tenant in which nothing has changed costs a handful of calls; what has changed is found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import yaml

from sandbox.faults import Fault
from sandbox.sample import sample_seed
from tests.stack import Stack, wait_for
from tests.texts import dashboard, flow

NAMESPACE = "company.team"
#: identity, namespaces, newest flow, revisions, dashboards.
HANDFUL = 5


def _probing(stack: Stack, **more: Any) -> None:
    value = yaml.safe_load(stack.config.read_text())
    value["kestra"]["main"] |= {"changeProbes": True, **more}
    stack.config.write_text(yaml.safe_dump(value))


def _calls(stack: Stack, ask: Callable[[], dict[str, Any]]) -> tuple[dict[str, Any], int]:
    stack.kestra.reset_log()
    return ask(), len(stack.kestra.log())


def _settled(stack: Stack) -> None:
    """Equal on both sides, and read whole by a run that found no difference."""
    assert stack.export()["state"] == "APPLIED"
    outcome, calls = _calls(stack, stack.reconcile)
    assert outcome["state"] == "UNCHANGED"
    assert outcome["problems"] == []
    assert calls > HANDFUL


@pytest.fixture
def settled(stack: Stack) -> Stack:
    _probing(stack)
    stack.kestra.apply(sample_seed(namespaces=6, flows_each=3, files_each=2))
    stack.kestra.seed(
        flows=[flow(NAMESPACE, name) for name in ("one", "two")],
        files=[{"namespace": NAMESPACE, "path": "/a.txt", "text": "a"}],
        dashboards=[dashboard("board")],
    )
    _settled(stack)
    return stack


def test_an_unchanged_tenant_costs_a_handful_of_calls_in_either_direction(settled: Stack) -> None:
    for ask in (settled.reconcile, settled.export, settled.reconcile):
        outcome, calls = _calls(settled, ask)
        assert (outcome["state"], calls) == ("UNCHANGED", HANDFUL)
        (problem,) = outcome["problems"]
        assert problem["code"] == "NOT_READ"
        assert "files of 11 namespaces were last read at" in problem["message"]


def _changed(name: str) -> dict[str, str]:
    return {"namespace": NAMESPACE, "id": name, "source": flow(NAMESPACE, name, "other")}


CHANGES: dict[str, dict[str, Any]] = {
    "a flow is created": {"flows": [flow(NAMESPACE, "three")]},
    "a flow is changed": {"flows": [_changed("one")]},
    "a flow is deleted": {"delete_flows": [{"namespace": NAMESPACE, "id": "two"}]},
    "a flow takes the place of another": {
        "delete_flows": [{"namespace": NAMESPACE, "id": "two"}],
        "flows": [flow(NAMESPACE, "three")],
    },
    "a namespace is new": {"flows": [flow("company.fresh", "one")]},
    "a dashboard is created": {"dashboards": [dashboard("second")]},
    "a dashboard is changed": {"dashboards": [dashboard("board", "other")]},
    "a dashboard is deleted": {"delete_dashboards": ["board"]},
}


@pytest.mark.parametrize("seed", CHANGES.values(), ids=CHANGES.keys())
def test_a_change_in_kestra_is_seen(settled: Stack, seed: dict[str, Any]) -> None:
    settled.kestra.apply(seed)
    outcome = settled.export()
    assert outcome["state"] == "APPLIED"
    assert outcome["counts"]["landed"] == sum(map(len, seed.values()))
    assert outcome["problems"] == []


@pytest.mark.parametrize("path", [f"{NAMESPACE}/flows/one.yaml", f"{NAMESPACE}/files/new.txt"])
def test_a_change_in_git_is_seen(settled: Stack, path: str) -> None:
    text = flow(NAMESPACE, "one", "other") if path.endswith(".yaml") else "new"
    settled.push({path: text})
    outcome = settled.reconcile()
    assert outcome["state"] == "APPLIED"
    assert outcome["counts"]["landed"] == 1


def test_a_file_edited_in_kestra_is_found_by_a_person_and_by_the_next_full_read(
    settled: Stack,
) -> None:
    settled.kestra.apply({"files": [{"namespace": NAMESPACE, "path": "/a.txt", "text": "b"}]})
    assert _calls(settled, settled.export)[1] == HANDFUL
    plan = settled.sync(sourceOfTruth="KESTRA", dryRun=True)
    assert (plan["state"], plan["counts"]["update"]) == ("PLANNED", 1)
    shown = settled.run("sync", "tenant", "--source-of-truth", "KESTRA", "--branch", "main")
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert settled.tree()[f"{NAMESPACE}/files/a.txt"] == b"b"


def test_everything_is_read_again_when_its_time_has_come(settled: Stack) -> None:
    assert _calls(settled, settled.export)[1] == HANDFUL
    settled.kestra.apply({"files": [{"namespace": NAMESPACE, "path": "/a.txt", "text": "b"}]})
    _probing(settled, fullReadEvery=1)
    wait_for("the files are read", lambda: settled.export()["state"] == "APPLIED")
    assert settled.tree()[f"{NAMESPACE}/files/a.txt"] == b"b"


@pytest.mark.parametrize("call", ["/configs", "/namespaces/search"])
def test_everything_is_read_after_an_error(settled: Stack, call: str) -> None:
    settled.kestra.arm(Fault(target=call, status=403, times=None))
    assert settled.reconcile()["state"] == "FAILED"
    settled.kestra.disarm()
    assert _calls(settled, settled.reconcile)[1] > HANDFUL
    assert _calls(settled, settled.reconcile)[1] == HANDFUL


def _by_a_namespace_sync(stack: Stack) -> None:
    outcome = stack.sync("namespace_sync", sourceOfTruth="GIT", namespace=NAMESPACE)
    assert outcome["state"] == "APPLIED"


def _by_a_dry_run_that_is_taken_up(stack: Stack) -> None:
    planned = stack.reconcile(dryRun=True)
    assert stack.reconcile(plan=planned["runId"])["state"] == "APPLIED"


@pytest.mark.parametrize("write", [_by_a_namespace_sync, _by_a_dry_run_that_is_taken_up])
def test_everything_is_read_after_a_run_that_wrote(
    settled: Stack, write: Callable[[Stack], None]
) -> None:
    """Git goes back to a tree that was once equal; what was written meanwhile is a file alone."""
    before = settled.tree()
    settled.push({f"{NAMESPACE}/files/a.txt": "b"})
    write(settled)
    settled.push({f"{NAMESPACE}/files/a.txt": "a"})
    assert settled.tree() == before
    outcome = settled.reconcile()
    assert (outcome["state"], outcome["counts"]["landed"]) == ("APPLIED", 1)


def test_a_run_that_was_overtaken_by_a_writer_leaves_nothing_to_the_next(settled: Stack) -> None:
    settled.hold("surveyed", 1)
    slow = settled.ask(sourceOfTruth="KESTRA", onStale="FAIL")
    settled.held("surveyed", 1)
    before = settled.tree()
    settled.push({f"{NAMESPACE}/files/a.txt": "b"})
    _by_a_namespace_sync(settled)
    settled.push({f"{NAMESPACE}/files/a.txt": "a"})
    assert settled.tree() == before
    settled.release("surveyed")
    settled.outcome(slow)
    outcome = settled.reconcile()
    assert (outcome["state"], outcome["counts"]["landed"]) == ("APPLIED", 1)


def test_what_was_read_before_a_write_landed_is_not_left_to_the_next(settled: Stack) -> None:
    settled.push({f"{NAMESPACE}/files/a.txt": "b"})
    settled.hold("write.before", 1)
    writer = settled.ask("namespace_sync", sourceOfTruth="GIT", namespace=NAMESPACE)
    settled.held("write.before", 1)
    settled.push({f"{NAMESPACE}/files/a.txt": "a"})
    assert settled.export()["state"] == "UNCHANGED"  # both sides are equal, for a moment
    settled.release("write.before")
    assert settled.outcome(writer)["state"] in {"APPLIED", "PARTIAL"}
    outcome = settled.reconcile()
    assert (outcome["state"], outcome["counts"]["landed"]) == ("APPLIED", 1)


def _missing_in_git(stack: Stack) -> dict[str, str]:
    stack.push({f"{NAMESPACE}/flows/two.yaml": None})
    return {"whenMissingInSource": "KEEP"}


def _edited_on_both_sides(stack: Stack) -> dict[str, str]:
    stack.push({f"{NAMESPACE}/flows/one.yaml": flow(NAMESPACE, "one", "from git")})
    stack.kestra.apply({"flows": [_changed("one")]})
    return {"onConflict": "SKIP"}


@pytest.mark.parametrize("differ", [_missing_in_git, _edited_on_both_sides])
def test_what_policy_leaves_alone_is_not_equal(
    settled: Stack, differ: Callable[[Stack], dict[str, str]]
) -> None:
    policy = differ(settled)
    for _ in range(2):
        assert settled.reconcile(**policy)["state"] == "UNCHANGED"
    outcome, calls = _calls(settled, settled.export)
    assert calls > HANDFUL
    assert (outcome["state"], outcome["counts"]["landed"]) == ("APPLIED", 1)


def test_a_run_that_read_nothing_settles_nothing(settled: Stack) -> None:
    """A file that no probe sees, in a pair of which nothing was deleted yet: no run without a
    person may take it for one that was removed in Git."""
    pair = {"gitDirectory": "second"}
    for state in ("APPLIED", "UNCHANGED"):
        outcome = settled.export(whenMissingInSource="KEEP", **pair)
        assert outcome["state"] == state
    settled.kestra.apply({"files": [{"namespace": NAMESPACE, "path": "/new.txt", "text": "n"}]})
    outcome, calls = _calls(settled, lambda: settled.reconcile(**pair))
    assert (outcome["state"], calls) == ("UNCHANGED", HANDFUL)
    planned = settled.reconcile(dryRun=True, **pair)
    (change,) = settled.plan(planned["runId"])["changes"]
    assert (change["action"], change["cause"]) == ("DELETE", "FIRST_CONTACT")


def test_who_has_something_to_tell_reads_and_tells_it_again(settled: Stack) -> None:
    settled.push({f"{NAMESPACE}/files/a#b.txt": "no name for Kestra"})
    for _ in range(2):
        outcome, calls = _calls(settled, settled.reconcile)
        assert (outcome["state"], calls > HANDFUL) == ("UNCHANGED", True)
        assert [one["code"] for one in outcome["problems"]] == ["NAME_NOT_HELD"]


def test_a_server_without_the_probes_is_read_whole(settled: Stack) -> None:
    settled.kestra.arm(Fault(target="/charts/preview", status=404, times=None))
    for _ in range(2):
        outcome, calls = _calls(settled, settled.reconcile)
        assert outcome["state"] == "UNCHANGED"
        assert outcome["problems"] == []
        assert calls > HANDFUL


def test_without_changeprobes_everything_is_read(stack: Stack) -> None:
    stack.kestra.apply(sample_seed(namespaces=6, flows_each=1, files_each=1))
    _settled(stack)
    assert _calls(stack, stack.reconcile)[1] > HANDFUL
