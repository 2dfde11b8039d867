"""Small plans for tests: tasks, snapshots, changes and parts with only what a test is about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tasks.artifacts import Entry, Kind, Part, Snapshot, digest
from tasks.partplan import PartPlan
from tasks.plan import Action, Cause, Change, Plan, Target
from tasks.requests import Side, TenantSync

TARGET = Target(server="uuid", tenant="main", remote="r", branch="main", git_directory="")


def sync(truth: Side = Side.GIT, **fields: Any) -> TenantSync:
    """A tenant sync with the defaults of a user who says nothing else."""
    return TenantSync(source_of_truth=truth, branch="main", **fields)


def held(contents: Mapping[str, bytes], kind: Kind = Kind.FLOW, **fields: Any) -> Snapshot:
    """A snapshot of these contents."""
    entries = {
        name: Entry(digest=digest(kind, text), oid=digest(kind, text), path=name)
        for name, text in contents.items()
    }
    return Snapshot(entries=entries, **fields)


def change(action: Action, name: str, *, namespace: str = "team", **fields: Any) -> Change:
    """A change of a flow in Kestra, unless the fields say otherwise."""
    values: dict[str, Any] = {
        "kind": Kind.FLOW,
        "target": Side.KESTRA,
        "cause": Cause.NEVER_IN_SOURCE if action is Action.DELETE else Cause.CHANGED,
        "before": None if action is Action.ADD else "1" * 40,
        "after": None if action is Action.DELETE else "2" * 40,
        "path": f"{namespace}/flows/{name}.yaml",
    }
    return Change(namespace=namespace, name=name, action=action, **(values | fields))


def part(namespace: str = "team", kind: Kind = Kind.FLOW, **fields: Any) -> PartPlan:
    """The result of one part."""
    return PartPlan(namespace=namespace, kind=kind, **fields)


def plan(*changes: Change, **fields: Any) -> Plan:
    """A plan of these changes."""
    return Plan(run="run-1", target=TARGET, changes=changes, **fields)


FLOWS = Part("team", Kind.FLOW)
FILES = Part("team", Kind.FILE)
