"""Texts and names that are not plain, and texts that a real server does not take."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.acceptance.test_bytes import FILES, FLOWS, NS
from tests.acceptance.test_peer_repositories import PEER, _state
from tests.real.stack import RealStack
from tests.texts import dashboard, flow

#: Files that Kestra lists under another name than they have in Git, and files it cannot hold.
BLANKS = {"a file.txt": b"blank\n", "d i r/x y.bin": b"\0"}
NOT_HELD = {"hash#tag.txt": b"#", "per%41cent.txt": b"%", "brackets[1].txt": b"["}

MISSING_PLUGIN = flow("company.bad", "plugin").replace("core.log.Log", "nowhere.Task")
INVALID = {
    "company.bad/flows/plugin.yaml": MISSING_PLUGIN,
    "company.bad/flows/tasks.yaml": "id: tasks\nnamespace: company.bad\n",
    "company.bad/flows/twice.yaml": flow("company.bad", "twice") + "  - id: say\n"
    "    type: io.kestra.plugin.core.log.Log\n    message: again\n",
    "company.bad/flows/kill.yaml": flow("company.bad", "kill"),
    "company.bad/flows/property.yaml": flow("company.bad", "property") + "nothing: 1\n",
    "_global/dashboards/broken.yaml": "id: broken\ntitle: T\nnothing: 1\n",
}


def test_odd_texts_and_names_of_the_server_come_to_git(stack: RealStack) -> None:
    stack.kestra.seed(
        flows=list(FLOWS.values()),
        files=[
            {"namespace": NS, "path": f"/{path}", "base64": base64.b64encode(content).decode()}
            for path, content in FILES.items()
        ],
    )
    outcome = stack.export()
    assert outcome["state"] == "APPLIED", outcome["problems"]
    tree, flows = stack.tree(), stack.kestra.flows()
    for name, text in FLOWS.items():
        assert tree[f"{NS}/flows/{name}.yaml"] == flows[NS, name].encode() == text.encode(), name
    for path, content in FILES.items():
        assert tree[f"{NS}/files/{path}"] == content, path
    assert stack.export()["state"] == "UNCHANGED"
    assert stack.reconcile()["state"] == "UNCHANGED"


def test_odd_texts_and_names_of_git_come_to_the_server(stack: RealStack) -> None:
    stack.push(
        {
            **{f"{NS}/flows/{name}.yaml": text.encode() for name, text in FLOWS.items()},
            **{f"{NS}/files/{p}": content for p, content in {**FILES, **BLANKS}.items()},
            **{f"{NS}/files/{path}": content for path, content in NOT_HELD.items()},
        }
    )
    stack.kestra.remember([NS])
    stack.proxy.reset_log()
    outcome = stack.reconcile()
    assert outcome["state"] == "APPLIED", outcome["problems"]
    named = {problem["where"].split(": ")[-1] for problem in outcome["problems"]}
    assert {problem["code"] for problem in outcome["problems"]} == {"NAME_NOT_HELD"}
    assert {path for path in NOT_HELD if any(path in where for where in named)} == set(NOT_HELD)
    assert stack.kestra.flows() == {(NS, name): text for name, text in FLOWS.items()}
    held = {p.replace(" ", "+"): content for p, content in {**FILES, **BLANKS}.items()}
    assert stack.kestra.files() == {(NS, f"/{path}"): content for path, content in held.items()}
    # One upload of the plain names, and one of each other name.
    uploads = [call for call in stack.proxy.log() if call.path.endswith("/files") and call.writes]
    assert len(uploads) == 1 + sum(not in_archive(path) for path in held), uploads
    written = stack.server.file_revisions()
    assert stack.reconcile()["state"] == "UNCHANGED"
    assert stack.export()["state"] == "UNCHANGED"
    assert stack.server.file_revisions() == written

    stack.push({f"{NS}/files/a file.txt": None, f"{NS}/files/deep/er/still/leaf.txt": None})
    outcome = stack.reconcile()
    assert outcome["state"] == "APPLIED", outcome["problems"]
    left = {f"/{path}" for path in held} - {"/a+file.txt", "/deep/er/still/leaf.txt"}
    assert {path for _, path in stack.kestra.files()} == left


def test_texts_that_the_server_does_not_take_refuse_the_run_with_all_messages(
    stack: RealStack,
) -> None:
    stack.push({"company.good/flows/fine.yaml": flow("company.good", "fine"), **INVALID})
    outcome = stack.reconcile()
    assert outcome["state"] == "REFUSED", outcome
    assert _messages(outcome).keys() == INVALID.keys()
    assert (
        "Invalid type: io.kestra.plugin.nowhere.Task"
        in _messages(outcome)["company.bad/flows/plugin.yaml"]
    )
    assert stack.kestra.flows() == {}
    assert [str(call) for call in stack.proxy.log() if call.writes] == []


@pytest.mark.parametrize("way", ["SKIP", "WARN"])
def test_texts_that_the_server_does_not_take_are_left_out(stack: RealStack, way: str) -> None:
    good = {
        "company.good/flows/fine.yaml": flow("company.good", "fine"),
        "company.bad/flows/fine.yaml": flow("company.bad", "fine"),
        "_global/dashboards/fine.yaml": dashboard("fine"),
    }
    stack.push({**good, **INVALID})
    outcome = stack.reconcile(onInvalidSyntax=way)
    assert outcome["state"] == "APPLIED", outcome["problems"]
    assert _messages(outcome).keys() == INVALID.keys()
    assert set(stack.kestra.flows()) == {("company.good", "fine"), ("company.bad", "fine")}
    assert set(stack.kestra.dashboards()) == {"fine"}
    stack.proxy.reset_log()
    assert stack.reconcile(onInvalidSyntax=way)["state"] == "UNCHANGED"
    assert [str(call) for call in stack.proxy.log() if call.writes] == []


def test_a_file_in_the_place_of_a_folder_is_named_and_all_else_lands(stack: RealStack) -> None:
    """Nothing is deleted before what is new has landed; and a server whose storage is a disk
    never gives the place of a deleted file to a folder, or the other way round."""
    old = {f"{NS}/files/x": b"1", f"{NS}/files/y/z": b"2"}
    stack.push({f"{NS}/flows/one.yaml": flow(NS, "one"), **old})
    assert stack.reconcile()["state"] == "APPLIED"
    stack.kestra.remember([NS])
    stack.push(dict.fromkeys(old))
    stack.push({f"{NS}/files/x/w": b"3", f"{NS}/files/y": b"4", f"{NS}/files/good": b"5"})
    outcome = stack.reconcile()
    assert outcome["state"] == "PARTIAL", outcome["problems"]
    assert {problem["where"] for problem in outcome["problems"]} == {
        f"{NS}/FILE/x/w",
        f"{NS}/FILE/y",
    }
    assert all("another name" in problem["message"] for problem in outcome["problems"])
    assert stack.kestra.files() == {(NS, "/good"): b"5"}
    stack.push({f"{NS}/files/x/w": None, f"{NS}/files/y": None, f"{NS}/files/x2/w": b"3"})
    assert stack.reconcile()["state"] == "APPLIED"
    assert stack.kestra.files() == {(NS, "/good"): b"5", (NS, "/x2/w"): b"3"}


def test_flows_whose_names_collide_in_the_servers_export_are_read_all_the_same(
    stack: RealStack,
) -> None:
    flows = [flow("col-a", "x"), flow("col", "a-x"), flow("col", "other")]
    stack.push({f"col{n}/flows/{n}.yaml": flow(f"col{n}", str(n)) for n in range(2)})
    stack.kestra.seed(flows=flows)
    stack.proxy.reset_log()
    outcome = stack.export(whenMissingInSource="KEEP")
    assert outcome["state"] == "APPLIED", outcome["problems"]
    failed = [str(call) for call in stack.proxy.log() if call.status >= 500]
    assert failed == ["GET /main/flows/export/by-query"]
    tree = stack.tree()
    assert tree["col-a/flows/x.yaml"] == flows[0].encode()
    assert tree["col/flows/a-x.yaml"] == flows[1].encode()
    assert tree["col/flows/other.yaml"] == flows[2].encode()


def test_a_namespace_of_files_alone_is_known_once_it_was_in_git(stack: RealStack) -> None:
    stack.push(
        {
            f"{NS}/flows/one.yaml": flow(NS, "one"),
            "files.only/files/a.txt": b"a\n",
            "files.only/files/b/c.txt": b"c\n",
        }
    )
    stack.kestra.remember(["files.only"])
    assert stack.reconcile()["state"] == "APPLIED"
    assert set(stack.kestra.files()) == {("files.only", "/a.txt"), ("files.only", "/b/c.txt")}
    stack.server.write_file("files.only", "/a.txt", b"by hand\n")
    outcome = stack.export()
    assert outcome["state"] == "APPLIED", outcome["problems"]
    assert stack.tree()["files.only/files/a.txt"] == b"by hand\n"
    stack.push({"files.only/files/a.txt": None, "files.only/files/b/c.txt": None})
    assert stack.reconcile()["state"] == "APPLIED"
    assert stack.kestra.files() == {}


def test_one_namespace_is_synced_both_ways_and_no_other_is_touched(stack: RealStack) -> None:
    stack.kestra.seed(
        flows=[flow(NS, "one"), flow(f"{NS}.child", "two"), flow("company.team2", "three")],
        files=[{"namespace": NS, "path": "/q.sql", "text": "select 1;\n"}],
    )
    task = {"job": "namespace_sync", "namespace": NS}
    assert stack.export(**task)["state"] == "APPLIED"
    assert set(stack.tree()) == {f"{NS}/flows/one.yaml", f"{NS}/files/q.sql"}
    stack.push({f"{NS}/flows/one.yaml": None, f"{NS}/flows/new.yaml": flow(NS, "new")})
    outcome = stack.reconcile(**task)
    assert outcome["state"] == "APPLIED", outcome["problems"]
    assert set(stack.kestra.flows()) == {
        (NS, "new"),
        (f"{NS}.child", "two"),
        ("company.team2", "three"),
    }
    stack.proxy.reset_log()
    assert stack.reconcile(**task)["state"] == "UNCHANGED"
    assert len(stack.proxy.log()) <= 6, [str(call) for call in stack.proxy.log()]


def test_dashboards_are_created_changed_and_deleted(stack: RealStack) -> None:
    names = [f"board-{n}" for n in range(4)]
    files = {f"_global/dashboards/{name}.yaml": dashboard(name) for name in names}
    stack.push({**files, "company.team/flows/one.yaml": flow("company.team", "one")})
    assert stack.reconcile()["state"] == "APPLIED"
    assert stack.kestra.dashboards() == {name: dashboard(name) for name in names}
    changed = dashboard("board-1", "Other title").replace("\n", "\r\n")
    stack.push(
        {
            "_global/dashboards/board-0.yaml": None,
            "_global/dashboards/board-1.yaml": changed.encode(),
            "_global/dashboards/board-9.yml": dashboard("board-9"),
        }
    )
    outcome = stack.reconcile()
    assert outcome["state"] == "APPLIED", outcome["problems"]
    assert stack.kestra.dashboards() == {
        "board-1": changed,
        "board-2": dashboard("board-2"),
        "board-3": dashboard("board-3"),
        "board-9": dashboard("board-9"),
    }
    assert stack.reconcile()["state"] == "UNCHANGED"
    assert stack.export()["state"] == "UNCHANGED"


@pytest.mark.parametrize("bundle", ["tenant-sync.bundle", "tenant-sync-dir.bundle"])
def test_a_repository_of_the_vendors_tenant_sync_is_unchanged(
    stack: RealStack, bundle: str
) -> None:
    state = _state()
    stack.kestra.seed(
        flows=[one["source"] for one in state["flows"] if ".plugin.git." not in one["source"]],
        files=state["files"],
        dashboards=[one["sourceCode"] for one in state["dashboards"]],
    )
    stack.git_out("fetch", "-q", str(PEER / bundle), "main:main")
    task = {"gitDirectory": "kestra/main"} if "dir" in bundle else {}
    for side in ("KESTRA", "GIT"):
        outcome = stack.sync(
            sourceOfTruth=side, onInvalidSyntax="SKIP", dryRun=True, onConflict="SOURCE", **task
        )
        changes = stack.plan(outcome["runId"])["changes"]
        # The flows of a plugin that this server may not have are in Git alone.
        others = [(c["namespace"], c["name"]) for c in changes if c["namespace"] != "ops"]
        assert others == []


def in_archive(path: str) -> bool:
    return path.isascii() and "+" not in path


def _messages(outcome: dict[str, Any]) -> dict[str, str]:
    return {
        problem["where"].split(" (")[0]: problem["message"]
        for problem in outcome["problems"]
        if problem["code"] == "INVALID_SYNTAX"
    }
