"""A whole tenant of a real server: out to Git, and the edits of both sides back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sandbox.sample import sample_seed
from tests.real.stack import RealStack

#: About what a small company has.
SIZE = {"namespaces": 12, "flows_each": 10, "files_each": 8, "dashboards": 12}


def stored(stack: RealStack) -> dict[str, bytes]:
    """What the server holds, by the path that it has in Git."""
    server = stack.server
    return {
        **{f"{ns}/flows/{name}.yaml": text.encode() for (ns, name), text in server.flows().items()},
        **{f"{ns}/files{path}": content for (ns, path), content in server.files().items()},
        **{f"_global/dashboards/{n}.yaml": t.encode() for n, t in server.dashboards().items()},
    }


@pytest.fixture
def synced(stack: RealStack) -> RealStack:
    """The sample tenant, exported."""
    stack.kestra.apply(sample_seed(**SIZE))
    outcome = stack.export()
    assert outcome["state"] == "APPLIED", outcome["problems"]
    return stack


def test_every_byte_of_a_tenant_comes_to_git_and_nothing_else_happens(synced: RealStack) -> None:
    tree = synced.tree()
    assert len(tree) == 12 * (10 + 8) + 12
    assert tree == stored(synced)
    assert len(synced.commits()) == 1
    assert [str(call) for call in synced.proxy.log() if call.writes] == []


def test_an_unchanged_tenant_costs_a_call_per_namespace_and_five(synced: RealStack) -> None:
    revisions, written = synced.server.revisions(), synced.server.file_revisions()
    limit = len(synced.server.shown_namespaces()) + 5
    for ask in (synced.export, synced.reconcile):
        synced.proxy.reset_log()
        outcome = ask()
        assert outcome["state"] == "UNCHANGED", outcome["problems"]
        calls = [str(call) for call in synced.proxy.log()]
        assert len(calls) <= limit, calls
        assert {call.split()[0] for call in calls} == {"GET"}
    assert synced.server.revisions() == revisions
    assert synced.server.file_revisions() == written
    assert len(synced.commits()) == 1


def test_what_is_edited_in_git_is_what_the_server_holds(synced: RealStack) -> None:
    tree = synced.tree()
    flows = sorted(path for path in tree if "/flows/" in path)
    files = sorted(path for path in tree if "/files/" in path)
    edited = {path: tree[path] + b"# edited in Git\n" for path in flows[3:33:10]}
    gone = [*flows[7:9], files[1], files[20]]
    moved_from = flows[-1]
    old, name = moved_from.split("/flows/")
    new = flows[0].split("/")[0]
    moved_to = f"{new}/flows/moved-{name}"
    text = tree[moved_from].decode()
    text = text.replace(f"id: {name.removesuffix('.yaml')}", f"id: moved-{name[:-5]}", 1)
    text = text.replace(f"namespace: {old}\n", f"namespace: {new}\n", 1)
    added = {
        "larkfield.brand.new/flows/first.yaml": _flow("larkfield.brand.new", "first"),
        f"{new}/flows/second.yaml": _flow(new, "second"),
        "larkfield.brand.new/files/a/b/c.txt": b"new\n",
        moved_to: text.encode(),
    }
    changed = {files[2]: b"\x00other bytes\xff", "_global/dashboards/sales-flows.yaml": None}
    changed |= {"_global/dashboards/mine.yaml": _dashboard("mine"), **_titled(tree)}
    before = synced.server.revisions()
    synced.push({**edited, **added, **changed, **dict.fromkeys([*gone, moved_from])})

    outcome = synced.reconcile()
    assert outcome["state"] == "APPLIED", outcome["problems"]
    assert stored(synced) == synced.tree()
    after = synced.server.revisions()
    for path, text_now in edited.items():
        namespace, flow_id = _key(path)
        assert synced.server.flow(namespace, flow_id) == (
            text_now.decode(),
            before[namespace, flow_id] + 1,
        )
    touched = {_key(path) for path in (*edited, *added, *gone, moved_from) if "/flows/" in path}
    assert {k: v for k, v in after.items() if k not in touched} == {
        k: v for k, v in before.items() if k not in touched
    }
    moves = [c for c in synced.plan(outcome["runId"])["changes"] if c.get("movedTo")]
    assert [(c["namespace"], c["name"]) for c in moves] == [(old, name.removesuffix(".yaml"))]
    assert synced.reconcile()["state"] == "UNCHANGED"
    assert synced.export()["state"] == "UNCHANGED"
    assert synced.server.revisions() == after


def test_an_edit_in_kestra_is_overwritten_and_kept(synced: RealStack) -> None:
    (key, text), *_ = sorted(synced.server.flows().items())
    name, panel = sorted(synced.server.dashboards().items())[0]
    (namespace, path), _ = sorted(synced.server.files().items())[3]
    revision = synced.server.put_flow(text + "# by hand\n")
    synced.server.put_dashboard(panel + "# by hand\n")
    synced.server.write_file(namespace, path, b"by hand\n")

    outcome = synced.reconcile()
    assert outcome["state"] == "APPLIED", outcome["problems"]
    assert synced.server.flow(*key) == (text, revision + 1)
    assert stored(synced) == synced.tree()
    changes = synced.plan(outcome["runId"])["changes"]
    assert {one["cause"] for one in changes} == {"DRIFT"}
    assert synced.before(outcome["runId"]) == {
        key: text + "# by hand\n",
        ("_global", name): panel + "# by hand\n",
        (namespace, path.removeprefix("/")): "by hand\n",
    }


def test_an_edit_in_kestra_comes_to_git_as_one_commit(synced: RealStack) -> None:
    (_, text), (gone, _), *_ = sorted(synced.server.flows().items())
    names = sorted(synced.server.dashboards())
    synced.server.put_flow(text + "# by hand\n")
    synced.server.apply(
        {
            "flows": [_flow("larkfield.brand.new", "first").decode()],
            "files": [{"namespace": "larkfield.brand.new", "path": "/x y.txt", "text": "x"}],
            "dashboards": [_dashboard("mine").decode()],
            "delete_flows": [{"namespace": gone[0], "id": gone[1]}],
            "delete_dashboards": names[:1],
        }
    )
    outcome = synced.export()
    assert outcome["state"] == "APPLIED", outcome["problems"]
    assert synced.tree() == stored(synced)
    assert len(synced.commits()) == 2
    assert outcome["counts"] | {"landed": 0} == {
        "add": 3, "update": 1, "delete": 2, "protected": 0, "conflict": 0, "stale": 0, "landed": 0
    }  # fmt: skip
    assert synced.export()["state"] == "UNCHANGED"


def test_more_deletions_than_the_budget_wait_for_a_person(synced: RealStack) -> None:
    gone = sorted(path for path in synced.tree() if "/flows/" in path)[:40]
    before = stored(synced)
    synced.push(dict.fromkeys(gone))
    outcome = synced.reconcile()
    assert outcome["state"] == "WAITING", outcome["problems"]
    codes = {problem["code"] for problem in outcome["problems"]}
    assert codes == {"DELETION_BUDGET"}
    assert stored(synced) == before

    run, digest = outcome["runId"], outcome["planDigest"]
    assert synced.run("approve", run, "--digest", digest).returncode == 1
    assert stored(synced) == before
    synced.run("approve", run, "--digest", digest, "--deletions", "40", check=True)
    assert synced.ended(run).state == "APPLIED"
    assert stored(synced) == synced.tree()


def test_an_edit_between_plan_and_write_is_left_alone(synced: RealStack) -> None:
    tree = synced.tree()
    one, other = sorted(path for path in tree if "/flows/" in path)[:2]
    synced.push({path: tree[path] + b"# by Git\n" for path in (one, other)})
    synced.hold("gathered", 1)
    asked = synced.ask(sourceOfTruth="GIT", onStale="SKIP", onConflict="SKIP")
    synced.held("gathered", 1)
    revision = synced.server.put_flow(tree[one].decode() + "# by hand\n")
    synced.release("gathered")
    outcome = synced.outcome(asked)
    assert outcome["state"] == "PARTIAL", outcome["problems"]
    assert [problem["code"] for problem in outcome["problems"]] == ["STALE"]
    synced.quiet()
    assert synced.server.flow(*_key(one)) == (tree[one].decode() + "# by hand\n", revision)
    assert synced.server.flow(*_key(other))[0] == tree[other].decode() + "# by Git\n"


def test_two_runs_at_once_write_once(synced: RealStack) -> None:
    tree = synced.tree()
    edited = {p: tree[p] + b"# edited in Git\n" for p in sorted(tree) if "/flows/" in p}
    before = synced.server.revisions()
    synced.push(edited)
    asks: list[Callable[[], Any]] = [
        lambda: synced.ask(sourceOfTruth="GIT"),
        lambda: synced.ask(sourceOfTruth="GIT", onInvalidSyntax="SKIP"),
        lambda: synced.ask(
            "namespace_sync", sourceOfTruth="GIT", namespace=sorted(edited)[0].split("/")[0]
        ),
    ]
    asked = [ask() for ask in asks]
    states = [synced.outcome(one, 180)["state"] for one in asked]
    synced.quiet()
    assert set(states) <= {"APPLIED", "UNCHANGED"}, states
    assert stored(synced) == synced.tree()
    assert synced.server.revisions() == {key: number + 1 for key, number in before.items()}


def _key(path: str) -> tuple[str, str]:
    namespace, _, name = path.split("/")
    return namespace, name.removesuffix(".yaml")


def _flow(namespace: str, name: str) -> bytes:
    return (
        f"# a comment\nid: {name}\nnamespace: {namespace}\ntasks:\n  - id: t\n"
        "    type: io.kestra.plugin.core.log.Log\n    message: hi\n"
    ).encode()


def _dashboard(name: str) -> bytes:
    return f"# a comment\nid: {name}\ntitle: T\ncharts: []\n".encode()


def _titled(tree: dict[str, bytes]) -> dict[str, bytes]:
    path = "_global/dashboards/finance-executions.yaml"
    return {path: tree[path].replace(b'title: "', b'title: "New ', 1)}
