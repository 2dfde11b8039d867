"""Two servers, two tenants on one of them, two repositories, one configuration: all of them hold a
namespace of the same name, and neither runs nor lanes nor bases mix."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.server import SandboxServer
from sandbox.settings import Settings
from tests.stack import Stack
from tests.texts import flow

NS = "company.team"
FLOW, FILE = f"{NS}/flows/load.yaml", f"{NS}/files/query.sql"


@dataclass(frozen=True)
class Pair:
    """One named sync: which tenant it reads and where in Git it writes."""

    kestra: str
    repository: str
    branch: str
    folder: str = ""

    @property
    def task(self) -> dict[str, Any]:
        named = {"kestra": self.kestra, "repository": self.repository, "branch": self.branch}
        return {**named, **({"gitDirectory": self.folder} if self.folder else {})}

    @property
    def prefix(self) -> str:
        return f"{self.folder}/" if self.folder else ""


#: The last shares server and tenant with the one before, repository and branch with the first.
PAIRS = {
    "one": Pair("first", "one", "main"),
    "other-tenant": Pair("first-other", "one", "other"),
    "other-server": Pair("second", "two", "main"),
    "other-folder": Pair("second", "one", "main", "servers/second"),
}


@dataclass
class World:
    """The stack with its second server and repository."""

    stack: Stack
    second: SandboxServer
    repositories: Mapping[str, Path]
    tenants: Mapping[str, tuple[SandboxServer, str]] = field(init=False)

    def __post_init__(self) -> None:
        first = self.stack.kestra
        self.tenants = {
            "first": (first, "main"),
            "first-other": (first, "other"),
            "second": (self.second, "main"),
        }

    def write(self, kestra: str, text: str) -> None:
        """One flow and one file of the tenant, both with this text."""
        server, tenant = self.tenants[kestra]
        file = {"namespace": NS, "path": "query.sql", "text": text}
        server.seed(flows=[flow(NS, "load", text)], files=[file], tenant=tenant)

    def held(self, kestra: str) -> tuple[str, bytes]:
        """The flow and the file that a tenant holds."""
        server, tenant = self.tenants[kestra]
        return server.flows(tenant)[NS, "load"], server.files(tenant)[NS, "/query.sql"]

    def committed(self, pair: Pair) -> tuple[str, bytes]:
        """The flow and the file that its place in Git holds."""
        tree = self._in(pair, lambda: self.stack.tree(pair.branch))
        return tree[pair.prefix + FLOW].decode(), tree[pair.prefix + FILE]

    def push(self, pair: Pair, text: str) -> None:
        """A commit by a person to the place of a sync in Git."""
        files = {pair.prefix + FLOW: flow(NS, "load", text), pair.prefix + FILE: text}
        self._in(pair, lambda: self.stack.push(files, branch=pair.branch))

    def _in(self, pair: Pair, do: Any) -> Any:
        before = self.stack.repository
        self.stack.repository = self.repositories[pair.repository]
        try:
            return do()
        finally:
            self.stack.repository = before

    def run_all(self) -> dict[str, str]:
        """Every named sync at the same time, by the command line: name → state."""
        known = {run.id for run in self.stack.records.newest(1000)}
        with ThreadPoolExecutor(len(PAIRS)) as pool:
            done = dict(
                zip(PAIRS, pool.map(lambda n: self.stack.run("sync", n), PAIRS), strict=True)
            )
        assert all(one.returncode == 0 for one in done.values()), done
        runs = [run for run in self.stack.records.newest(1000) if run.id not in known]
        assert len(runs) == len(PAIRS), "each sync is a run of its own"
        return {name: self._state(runs, pair) for name, pair in PAIRS.items()}

    def _state(self, runs: list[Any], pair: Pair) -> str:
        (run,) = [
            run
            for run in runs
            if (run.task.kestra, run.task.repository, run.task.branch) == _names(pair)
            and (run.task.git_directory or "") == pair.folder
        ]
        return str(self.stack.ended(run.id).state)


def _names(pair: Pair) -> tuple[str, str, str]:
    return pair.kestra, pair.repository, pair.branch


@pytest.fixture
def world(processes: Stack) -> Iterator[World]:
    stack = processes.fresh(Settings(oss_strict=False, tenants=("main", "other")))
    with SandboxServer(Settings(uuid="5andb0xKestraServer002")) as second:
        two = stack.git.create(f"{stack.repository.stem}-two")
        _configure(stack, second)
        world = World(stack, second, {"one": stack.repository, "two": two})
        for name in world.tenants:
            world.write(name, f"{name} 1")
        yield world


def _configure(stack: Stack, second: SandboxServer) -> None:
    stack.configure()
    config = yaml.safe_load(stack.config.read_text())
    kestra, repository = config["kestra"]["main"], config["repositories"]["main"]
    config["kestra"] = {
        "first": kestra,
        "first-other": {**kestra, "tenant": "other"},
        "second": {**kestra, "url": second.url},
    }
    two = repository["url"].removesuffix(".git") + "-two.git"
    config["repositories"] = {"one": repository, "two": {**repository, "url": two}}
    config["syncs"] = {
        name: {"sourceOfTruth": "KESTRA", **pair.task} for name, pair in PAIRS.items()
    }
    stack.config.write_text(yaml.safe_dump(config, sort_keys=False))


def test_each_sync_writes_its_own_place_and_keeps_its_own_base(world: World) -> None:
    assert set(world.run_all().values()) == {"APPLIED"}
    for pair in PAIRS.values():
        text = f"{pair.kestra} 1"
        assert world.committed(pair) == (flow(NS, "load", text), text.encode())
        assert world.held(pair.kestra) == world.committed(pair)
    assert set(world.run_all().values()) == {"UNCHANGED"}

    world.write("first-other", "edited")
    states = world.run_all()
    assert states == {**dict.fromkeys(PAIRS, "UNCHANGED"), "other-tenant": "APPLIED"}
    assert world.committed(PAIRS["other-tenant"])[1] == b"edited"
    assert world.committed(PAIRS["one"])[1] == b"first 1"

    # A base of another pair would make this a conflict, or leave it out as seen before.
    world.push(PAIRS["one"], "first-other 1")
    outcome = world.stack.reconcile(**PAIRS["one"].task)
    assert outcome["state"] == "APPLIED"
    plan = world.stack.plan(outcome["runId"])
    assert {change["cause"] for change in plan["changes"]} == {"CHANGED"}
    assert world.held("first")[1] == b"first-other 1"
    assert world.held("first-other")[1] == b"edited" and world.held("second")[1] == b"second 1"


def test_a_writer_of_one_tenant_holds_up_nobody_of_another(world: World) -> None:
    stack = world.stack
    world.run_all()
    reconciled = ["one", "other-tenant", "other-server"]
    for name in reconciled:
        world.push(PAIRS[name], f"{name} 2")
    stack.hold("write.before", 1)
    first = stack.ask(sourceOfTruth="GIT", **PAIRS["one"].task)
    stack.held("write.before", 1)

    for name in reconciled[1:]:
        assert stack.reconcile(**PAIRS[name].task)["state"] == "APPLIED", name
        assert world.held(PAIRS[name].kestra)[1] == f"{name} 2".encode()
    assert world.held("first")[1] == b"first 1", "the first writer is still held"

    stack.release("write.before")
    assert stack.outcome(first)["state"] == "APPLIED"
    assert world.held("first")[1] == b"one 2"
