"""The whole way of a run, once in each direction, through real processes."""

from __future__ import annotations

from tests.stack import Stack
from tests.texts import dashboard, flow


def test_a_tenant_goes_to_git_and_back(stack: Stack) -> None:
    stack.kestra.seed(
        flows=[flow(f"company.{n}", f"f{i}") for n in "abc" for i in range(2)],
        files=[{"namespace": "company.a", "path": "/sql/q.sql", "text": "select 1;\n"}],
        dashboards=[dashboard("runs")],
    )
    exported = stack.export()
    assert exported["state"] == "APPLIED", exported
    assert stack.tree() == {
        **{
            f"company.{n}/flows/f{i}.yaml": flow(f"company.{n}", f"f{i}").encode()
            for n in "abc"
            for i in range(2)
        },
        "company.a/files/sql/q.sql": b"select 1;\n",
        "_global/dashboards/runs.yaml": dashboard("runs").encode(),
    }
    assert stack.commits() == [exported["commitId"]]

    stack.push(
        {
            "company.b/flows/f0.yaml": flow("company.b", "f0", "ahoy"),
            "company.c/flows/f1.yaml": None,
            "company.a/files/sql/q.sql": "select 2;\n",
            "_global/dashboards/runs.yaml": dashboard("runs", "All runs"),
        }
    )
    reconciled = stack.reconcile()
    assert reconciled["state"] == "APPLIED", reconciled
    flows = stack.kestra.flows()
    assert flows["company.b", "f0"] == flow("company.b", "f0", "ahoy")
    assert ("company.c", "f1") not in flows
    assert stack.kestra.files() == {("company.a", "/sql/q.sql"): b"select 2;\n"}
    assert stack.kestra.dashboards() == {"runs": dashboard("runs", "All runs")}
    assert stack.reconcile()["state"] == "UNCHANGED"
