"""The replay of the peer: as many calls as the plugin made on a live server, and in its order.

The counts are those of `TenantSync` of plugin-git 2.0.11 on Kestra 1.3.25. Its two tenants held,
beside the namespaces of the bench, their parent, `system`, and a namespace with the two flows that
ran the task; all files of a namespace lay in one folder; there were no dashboards.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from bench.baregit import run
from bench.peer.calls import CallFailedError, PeerCalls
from bench.peer.replay import DiffersError, first_export, no_change, read_tenant
from sandbox.server import SandboxServer
from sandbox.settings import DEFAULT_PASSWORD, DEFAULT_USER, Settings

FLOW = """\
id: {id}
namespace: {namespace}
tasks:
  - id: say
    type: io.kestra.plugin.core.log.Log
    message: hi
"""
DASHBOARD = """\
id: {id}
title: {id}
charts:
  - id: one
    type: io.kestra.plugin.core.dashboard.chart.Markdown
    content: hi
"""


@pytest.fixture
def server() -> Iterator[SandboxServer]:
    with SandboxServer(Settings()) as running:
        yield running


@pytest.fixture
def calls(server: SandboxServer) -> Iterator[PeerCalls]:
    with PeerCalls(server.url, "main", DEFAULT_USER, DEFAULT_PASSWORD) as made:
        yield made


@pytest.fixture
def remote(tmp_path: Path) -> str:
    run("init", "--quiet", "--bare", "--initial-branch=main", str(tmp_path / "remote.git"))
    return str(tmp_path / "remote.git")


def _tenant(namespaces: int, flows: int, files: int) -> dict[str, Any]:
    names = [f"bench.n{number:02}" for number in range(namespaces)]
    where = [(name, f"f{n}") for name in names for n in range(flows)]
    return {
        "flows": [FLOW.format(namespace=ns, id=flow) for ns, flow in (*where, *_OPS)],
        "files": [
            {"namespace": name, "path": f"/data/{number}.txt", "text": f"{name} {number}"}
            for name in names
            for number in range(files)
        ],
    }


_OPS = (("ops", "sync-git"), ("ops", "sync-kestra"))


@pytest.mark.parametrize(
    ("namespaces", "flows", "files", "counted"), [(20, 20, 5, 570), (50, 40, 20, 3160)]
)
def test_as_many_calls_as_the_plugin_made_live(
    server: SandboxServer, calls: PeerCalls, namespaces: int, flows: int, files: int, counted: int
) -> None:
    server.apply(_tenant(namespaces, flows, files))
    held = read_tenant(calls)
    assert len(held) == namespaces * (flows + files) + len(_OPS)
    assert calls.made == len(server.log()) == counted


def test_one_call_at_a_time_in_the_order_of_the_plugin(
    server: SandboxServer, calls: PeerCalls
) -> None:
    server.seed(
        flows=[FLOW.format(namespace="a", id=name) for name in ("one", "two")],
        files=[
            {"namespace": "a", "path": path, "text": "x"} for path in ("/x.txt", "/deep/er/y.txt")
        ],
        dashboards=[DASHBOARD.format(id="board")],
    )
    read_tenant(calls)
    log = server.log()
    asked = [
        (one["method"], one["path"].removeprefix("/api/v1/main/"), one["query"]) for one in log
    ]
    assert asked == [
        ("GET", "namespaces/search", "page=1&size=200&existing=false"),
        ("GET", "flows/export/by-query", "filters%5Bnamespace%5D%5BEQUALS%5D=a"),
        ("POST", "flows/validate", ""),
        ("POST", "flows/validate", ""),
        ("GET", "namespaces/a/files/directory", ""),
        ("GET", "namespaces/a/files/directory", "path=deep"),
        ("GET", "namespaces/a/files/directory", "path=deep%2Fer"),
        ("GET", "namespaces/a/files", "path=deep%2Fer%2Fy.txt"),
        ("GET", "namespaces/a/files", "path=x.txt"),
        ("GET", "flows/export/by-query", "filters%5Bnamespace%5D%5BEQUALS%5D=system"),
        ("GET", "namespaces/system/files/directory", ""),
        ("GET", "dashboards", "page=1&size=200"),
        ("GET", "dashboards/board", ""),
    ]
    assert all(before["ended"] <= after["started"] for before, after in pairwise(log))


def test_a_full_page_is_followed_by_another(server: SandboxServer, calls: PeerCalls) -> None:
    server.seed(flows=[FLOW.format(namespace=f"n{n:03}", id="f") for n in range(199)])
    assert len(calls.namespaces()) == 200  # with `system`
    pages = Counter(one["path"].rpartition("/")[2] for one in server.log())
    assert pages == {"search": 2}


def test_what_it_exported_it_finds_unchanged(
    server: SandboxServer, calls: PeerCalls, remote: str, tmp_path: Path
) -> None:
    server.apply(_tenant(2, 3, 2))
    first_export(calls, remote, tmp_path / "one")
    listed = run(f"--git-dir={remote}", "ls-tree", "-r", "--name-only", "main").decode().split()
    assert listed == sorted(
        [
            *(f"bench.n0{ns}/flows/f{n}.yaml" for ns in range(2) for n in range(3)),
            *(f"bench.n0{ns}/files/data/{n}.txt" for ns in range(2) for n in range(2)),
            *(f"ops/flows/{name}.yaml" for _, name in _OPS),
        ]
    )
    no_change(calls, remote, tmp_path / "two")
    server.seed(flows=[FLOW.format(namespace="ops", id="late")])
    with pytest.raises(DiffersError):
        no_change(calls, remote, tmp_path / "three")


def test_a_refused_call_is_named(server: SandboxServer) -> None:
    with (
        PeerCalls(server.url, "main", "nobody", "wrong") as calls,
        pytest.raises(CallFailedError, match=r"namespaces/search.* was answered 401"),
    ):
        read_tenant(calls)
