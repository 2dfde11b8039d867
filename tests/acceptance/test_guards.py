"""Nothing is deleted that nobody agreed to."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.faults import Fault
from sandbox.settings import DEFAULT_PASSWORD, DEFAULT_USER, Login, Settings
from tests.stack import Stack
from tests.texts import dashboard, flow

NS = "company.team"


def _synced(stack: Stack, number: int = 10) -> None:
    """Both sides equal: flows in two namespaces, files and a dashboard."""
    stack.kestra.seed(
        flows=[flow(NS, f"f{n}") for n in range(number)] + [flow("other.place", "one")],
        files=[{"namespace": NS, "path": f"/d/{n}.txt", "text": f"{n}\n"} for n in range(number)],
        dashboards=[dashboard("runs")],
    )
    assert stack.export()["state"] == "APPLIED"


def _everything(stack: Stack) -> tuple[object, ...]:
    return stack.kestra.flows(), stack.kestra.files(), stack.kestra.dashboards()


def _codes(outcome: dict[str, Any]) -> set[str]:
    return {problem["code"] for problem in outcome.get("problems", ())}


def _refused(stack: Stack, outcome: dict[str, Any], code: str, before: tuple[object, ...]) -> None:
    assert outcome["state"] == "REFUSED", outcome
    assert code in _codes(outcome)
    assert _everything(stack) == before


def test_an_emptied_repository_is_refused(stack: Stack) -> None:
    _synced(stack)
    before = _everything(stack)
    stack.push({**dict.fromkeys(stack.tree()), "README.md": "nothing here\n"})
    _refused(stack, stack.reconcile(), "EMPTY_SOURCE", before)


def test_a_renamed_directory_is_refused(stack: Stack) -> None:
    _synced(stack)
    before = _everything(stack)
    _refused(stack, stack.reconcile(gitDirectory="kestra/mian"), "EMPTY_SOURCE", before)


def test_a_typo_in_the_branch_is_refused_with_the_nearest_name(stack: Stack) -> None:
    _synced(stack)
    before = _everything(stack)
    outcome = stack.reconcile(branch="mian")
    _refused(stack, outcome, "NO_BRANCH", before)
    assert "main" in outcome["problems"][0]["message"]
    assert set(stack.git_out("branch", "--format=%(refname:short)").decode().split()) == {"main"}


def test_an_emptied_tenant_is_refused_as_source(stack: Stack) -> None:
    _synced(stack)
    tree = stack.tree()
    stack.kestra.reset()
    outcome = stack.export()
    assert outcome["state"] == "REFUSED"
    assert "EMPTY_SOURCE" in _codes(outcome)
    assert stack.tree() == tree


def test_an_empty_source_that_is_allowed_still_waits_for_a_person(stack: Stack) -> None:
    _synced(stack)
    before = _everything(stack)
    stack.push({**dict.fromkeys(stack.tree()), "README.md": "nothing here\n"})
    outcome = stack.reconcile(allowEmpty=True)
    assert outcome["state"] == "WAITING"
    assert {"DELETION_BUDGET", "NAMESPACE_EMPTIED"} <= _codes(outcome)
    assert _everything(stack) == before


def test_more_deletions_than_the_budget_wait_for_the_figure(stack: Stack) -> None:
    _synced(stack)
    before = _everything(stack)
    stack.push({f"{NS}/flows/f{n}.yaml": None for n in range(7)})
    outcome = stack.reconcile()
    assert outcome["state"] == "WAITING"
    assert "DELETION_BUDGET" in _codes(outcome)
    run, digest = outcome["runId"], outcome["planDigest"]

    assert stack.run("approve", run, "--digest", "0" * 64, "--deletions", "7").returncode == 1
    assert stack.run("approve", run, "--digest", digest).returncode == 1
    wrong = stack.run("approve", run, "--digest", digest, "--deletions", "6")
    assert wrong.returncode == 1
    assert "--deletions 7" in wrong.stderr
    assert _everything(stack) == before
    assert stack.records.get(run).state == "WAITING"

    done = stack.run("approve", run, "--digest", digest, "--deletions", "7")
    assert done.returncode == 0, done.stdout + done.stderr
    assert stack.ended(run).state == "APPLIED"
    assert len(stack.kestra.flows()) == 4


def test_a_flow_that_tells_no_id_is_left_alone_and_holds_back_no_deletion(stack: Stack) -> None:
    _synced(stack)
    odd = f"{NS}/flows/odd.yaml"
    stack.kestra.apply({"flows": [{"source": "just: text\n", "namespace": NS, "id": "odd"}]})
    stack.push({odd: flow(NS, "odd"), f"{NS}/flows/f0.yaml": None})
    outcome = stack.reconcile()
    assert (outcome["state"], outcome["counts"]["delete"]) == ("APPLIED", 1), outcome
    assert "NO_ID" in _codes(outcome)
    assert stack.kestra.flows()[NS, "odd"] == "just: text\n"
    stack.kestra.apply({"delete_flows": [{"namespace": NS, "id": "f1"}]})
    assert stack.export()["state"] == "APPLIED"
    assert odd in stack.tree() and f"{NS}/flows/f1.yaml" not in stack.tree()
    assert stack.reconcile()["state"] == "UNCHANGED"


def test_a_small_deletion_goes_without_a_person(stack: Stack) -> None:
    _synced(stack)
    stack.push({f"{NS}/flows/f{n}.yaml": None for n in range(5)})
    outcome = stack.reconcile()
    assert outcome["state"] == "APPLIED", outcome
    assert outcome["counts"]["delete"] == 5


def test_the_first_contact_deletes_nothing_without_a_person(stack: Stack) -> None:
    stack.kestra.seed(flows=[flow(NS, "here"), flow(NS, "both")])
    stack.push({f"{NS}/flows/both.yaml": flow(NS, "both"), f"{NS}/flows/new.yaml": flow(NS, "new")})
    outcome = stack.reconcile()
    assert outcome["state"] == "WAITING"
    assert _codes(outcome) == {"FIRST_CONTACT"}
    assert set(stack.kestra.flows()) == {(NS, "here"), (NS, "both")}

    mirrored = stack.reconcile(firstContact="MIRROR")
    assert mirrored["state"] == "APPLIED", mirrored
    assert set(stack.kestra.flows()) == {(NS, "both"), (NS, "new")}


def test_a_failing_page_of_dashboards_deletes_nothing(stack: Stack) -> None:
    stack.kestra.seed(flows=[flow(NS, "one")], dashboards=[dashboard(f"d{n}") for n in range(3)])
    assert stack.export()["state"] == "APPLIED"
    tree = stack.tree()
    stack.kestra.apply(
        {
            "delete_flows": [{"namespace": NS, "id": "one"}],
            "flows": [{"namespace": NS, "id": "two", "source": flow(NS, "two")}],
        }
    )
    stack.kestra.arm(Fault(method="GET", target="/dashboards", status=500, times=None))
    outcome = stack.export()
    assert outcome["state"] == "PARTIAL", outcome
    assert set(tree) <= set(stack.tree())
    assert f"{NS}/flows/two.yaml" in stack.tree()


def test_a_part_that_cannot_be_read_holds_back_every_deletion(stack: Stack) -> None:
    _synced(stack)
    stack.kestra.apply(
        {
            "delete_flows": [{"namespace": NS, "id": "f0"}],
            "flows": [{"namespace": NS, "id": "new", "source": flow(NS, "new")}],
        }
    )
    stack.kestra.arm(
        Fault(method="GET", target="/namespaces/other.place/files", status=500, times=None)
    )
    outcome = stack.outcome(stack.ask(sourceOfTruth="KESTRA"), 120)
    assert outcome["state"] == "PARTIAL", outcome
    assert "UNREAD" in _codes(outcome)
    tree = stack.tree()
    assert f"{NS}/flows/f0.yaml" in tree
    assert f"{NS}/flows/new.yaml" in tree


def test_a_login_that_sees_less_deletes_nothing_without_a_person(processes: Stack) -> None:
    logins = (
        Login(name=DEFAULT_USER, password=DEFAULT_PASSWORD),
        Login(name="less@example.org", password=DEFAULT_PASSWORD, namespaces=("other.place",)),
    )
    stack = processes.fresh(Settings(logins=logins))
    _synced(stack)
    tree = stack.tree()
    kestra = {
        "url": stack.kestra.url,
        "username": "less@example.org",
        "password": {"env": "KESTRA_PASSWORD"},
        "timeout": 4,
    }
    stack.configure(kestra={"main": kestra})
    outcome = stack.export()
    assert outcome["state"] in {"WAITING", "PARTIAL", "FAILED"}, outcome
    assert stack.tree() == tree


@pytest.mark.parametrize("side", ["GIT", "KESTRA"])
def test_a_protected_namespace_loses_nothing_of_any_kind(stack: Stack, side: str) -> None:
    stack.kestra.seed(
        flows=[flow("system", "one"), flow("prod.eu", "one"), flow(NS, "one"), flow(NS, "two")],
        files=[{"namespace": "prod.eu", "path": "/a.txt", "text": "a\n"}],
        dashboards=[dashboard("runs"), dashboard("more")],
    )
    assert stack.export()["state"] == "APPLIED"
    protected = ["prod", "_global"]
    if side == "GIT":
        stack.push(
            dict.fromkeys(
                [
                    "system/flows/one.yaml",
                    "prod.eu/flows/one.yaml",
                    "prod.eu/files/a.txt",
                    "_global/dashboards/more.yaml",
                    f"{NS}/flows/two.yaml",
                ]
            )
        )
    else:
        stack.kestra.apply(
            {
                "delete_flows": [
                    {"namespace": "system", "id": "one"},
                    {"namespace": "prod.eu", "id": "one"},
                    {"namespace": NS, "id": "two"},
                ],
                "delete_files": [{"namespace": "prod.eu", "path": "/a.txt"}],
                "delete_dashboards": ["more"],
            }
        )
    outcome = stack.sync(sourceOfTruth=side, protectedNamespaces=protected)
    assert outcome["state"] == "APPLIED", outcome
    assert outcome["counts"]["protected"] == 4
    if side == "GIT":
        assert {("system", "one"), ("prod.eu", "one")} <= set(stack.kestra.flows())
        assert (NS, "two") not in stack.kestra.flows()
        assert stack.kestra.files() and "more" in stack.kestra.dashboards()
    else:
        tree = set(stack.tree())
        assert {"system/flows/one.yaml", "prod.eu/files/a.txt"} <= tree
        assert "_global/dashboards/more.yaml" in tree
        assert f"{NS}/flows/two.yaml" not in tree


def test_a_rewritten_branch_is_refused(stack: Stack) -> None:
    _synced(stack)
    before = _everything(stack)
    tree = stack.git_out("rev-parse", "main^{tree}").decode().strip()
    person = ("-c", "user.name=Pat", "-c", "user.email=pat@example.org")
    other = stack.git_out(*person, "commit-tree", tree, "-m", "rewritten").decode().strip()
    stack.git_out("update-ref", "refs/heads/main", other)
    _refused(stack, stack.reconcile(), "HISTORY_REWRITTEN", before)
    assert stack.export()["state"] == "REFUSED"


def test_two_files_with_one_id_refuse_the_run_and_delete_neither(stack: Stack) -> None:
    _synced(stack)
    before = _everything(stack)
    stack.push({f"{NS}/flows/copy.yaml": flow(NS, "f0", "other")})
    outcome = stack.reconcile()
    _refused(stack, outcome, "DUPLICATE_ID", before)
    message = next(p["message"] for p in outcome["problems"] if p["code"] == "DUPLICATE_ID")
    assert "flows/copy.yaml" in message
    assert "flows/f0.yaml" in message


def test_a_missing_source_refuses_with_fail_and_names_all(stack: Stack) -> None:
    _synced(stack)
    before = _everything(stack)
    stack.push({f"{NS}/flows/f{n}.yaml": None for n in range(3)})
    outcome = stack.reconcile(whenMissingInSource="FAIL")
    _refused(stack, outcome, "MISSING_IN_SOURCE", before)
    assert sum(p["code"] == "MISSING_IN_SOURCE" for p in outcome["problems"]) == 3


def test_invalid_flows_refuse_the_run_with_all_messages(stack: Stack) -> None:
    _synced(stack)
    before = _everything(stack)
    broken = flow(NS, "bad").replace("core.log.Log", "core.log.Nothing")
    stack.push(
        {
            f"{NS}/flows/bad.yaml": broken,
            f"{NS}/flows/bad2.yaml": broken.replace("id: bad", "id: bad2"),
            f"{NS}/flows/good.yaml": flow(NS, "good"),
        }
    )
    outcome = stack.reconcile()
    _refused(stack, outcome, "INVALID_SYNTAX", before)
    assert sum(p["code"] == "INVALID_SYNTAX" for p in outcome["problems"]) == 2
    skipped = stack.reconcile(onInvalidSyntax="SKIP")
    assert skipped["state"] == "APPLIED", skipped
    assert (NS, "good") in stack.kestra.flows()
    assert (NS, "bad") not in stack.kestra.flows()
