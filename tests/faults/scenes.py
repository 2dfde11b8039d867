"""What is edited before a run that is struck, and how such a run is asked for."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tasks.points import hits
from tests.faults.matrix import BESIDE, NS, Instant, Scene
from tests.sides import Artifact, both, put
from tests.stack import Stack
from tests.texts import flow
from tests.waiting import wait_for

#: The gate at which whatever has to be before the struck run waits.
AHEAD = "ahead"
#: Which side of a scene holds the truth.
SOURCE: Mapping[Scene, str] = {
    scene: "GIT" if scene in {Scene.RECONCILE, Scene.BOTH, Scene.BEHIND} else "KESTRA"
    for scene in Scene
}


def nothing() -> None:
    """The default of what comes after a strike."""


@dataclass(slots=True)
class Asked:
    """A run that is asked for, and what becomes of it from outside."""

    #: The message that asked; a person's command has none that gets the end of the run.
    answer: Any = None
    #: What has to be let go once the fault has struck.
    go_on: Callable[[], None] = nothing
    #: What somebody else has written meanwhile: side → artifact → text.
    meanwhile: dict[str, dict[Artifact, str | None]] = field(default_factory=dict)
    command: subprocess.Popen[bytes] | None = None


class Tenant:
    """A tenant and its repository, which one cell after the other edits and syncs."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.round = 0
        #: What a person has typed last.
        self.command: subprocess.Popen[bytes] | None = None

    def begin(self) -> None:
        """An empty tenant and repository, and both sides equal."""
        self.stack.fresh()
        texts = _edits(0, "FLOW", {}) | _edits(0, "FILE", {})
        put(self.stack, "KESTRA", texts)
        for run in (self.stack.export(), self.stack.reconcile()):
            assert run["state"] in {"APPLIED", "UNCHANGED"}, run

    def edit(self, scene: Scene) -> None:
        """What the run is to write: an edit, something new and something gone in two namespaces,
        flows and files."""
        self.round += 1
        held = both(self.stack)
        if scene is Scene.BOTH:
            put(self.stack, "GIT", _edits(self.round, "FLOW", held["GIT"]))
            put(self.stack, "KESTRA", _edits(self.round, "FILE", held["KESTRA"]))
            return
        side = SOURCE[scene]
        edits = [_edits(self.round, kind, held[side]) for kind in ("FLOW", "FILE")]
        put(self.stack, side, edits[0] | edits[1])

    def touch(self, side: str) -> None:
        """A small edit of one side, so that its next run has something to write."""
        self.round += 1
        text = f"touch {self.round}"
        put(self.stack, side, dict([_flow(NS, "edited", text), _file(NS, "a.txt", text)]))

    def task(self, scene: Scene) -> dict[str, Any]:
        """The task of a scene; no two of a tenant are equal."""
        task = {"sourceOfTruth": SOURCE[scene], "commitMessage": f"round {self.round}"}
        if scene is Scene.BOTH:
            return task | {"sourceOfTruthOverrides": {"FILE": "KESTRA"}}
        if scene is Scene.DRY_RUN:
            return task | {"dryRun": True}
        return task | ({"review": "always"} if scene is Scene.APPROVED else {})


def _edits(number: int, kind: str, held: Mapping[Artifact, str]) -> dict[Artifact, str | None]:
    text = f"round {number}"
    found: dict[Artifact, str | None] = {
        one: None for one in held if one.kind == kind and one.name.startswith("new-")
    }
    for namespace in (NS, BESIDE):
        if kind == "FLOW":
            new = (_flow(namespace, "edited", text), _flow(namespace, f"new-{number}", text))
        else:
            new = (_file(namespace, "a.txt", text), _file(namespace, f"new-{number}.txt", text))
        found |= dict(new)
    return found


def _flow(namespace: str, name: str, text: str) -> tuple[Artifact, str]:
    return Artifact(namespace, "FLOW", name), flow(namespace, name, text)


def _file(namespace: str, name: str, text: str) -> tuple[Artifact, str]:
    return Artifact(namespace, "FILE", name), f"{name} {text}\n"


# -- how each scene begins ------------------------------------------------------------------------


def ask(tenant: Tenant, instant: Instant, armed: Callable[[], None]) -> Asked:
    """Asks for the run of a scene; `armed` arms the instant as soon as nothing else can meet it."""
    return _STARTS.get(instant.scene, _plain)(tenant, instant, armed)


def _plain(tenant: Tenant, instant: Instant, armed: Callable[[], None]) -> Asked:
    armed()
    return Asked(answer=tenant.stack.ask(**tenant.task(instant.scene)))


def _taken_up(tenant: Tenant, instant: Instant, armed: Callable[[], None]) -> Asked:
    task = tenant.task(Scene.TAKEN_UP)
    planned = tenant.stack.sync(dryRun=True, **task)
    assert planned["state"] == "PLANNED", planned
    armed()
    return Asked(answer=tenant.stack.ask(plan=planned["runId"], **task))


def _approved(tenant: Tenant, instant: Instant, armed: Callable[[], None]) -> Asked:
    waiting = tenant.stack.sync(**tenant.task(Scene.APPROVED))
    assert waiting["state"] == "WAITING", waiting
    armed()
    words = ("approve", waiting["runId"], "--digest", waiting["planDigest"], "--no-wait")
    command = subprocess.Popen(
        [sys.executable, "-m", "workers.cli", *words],
        env=tenant.stack.environment,
        cwd=tenant.stack.folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    return Asked(command=command)


def _behind(tenant: Tenant, instant: Instant, armed: Callable[[], None]) -> Asked:
    stack, task = tenant.stack, tenant.task(Scene.BEHIND)
    stack.hold("leased", 1, gate=AHEAD, namespace=NS, what="UPSERT")
    stack.ask(**task | {"commitMessage": f"ahead {tenant.round}"})
    _met(stack)
    armed()
    answer = stack.ask(**task)
    if instant.point == "parked":
        return Asked(answer=answer, go_on=lambda: stack.release(AHEAD))
    wait_for("the second run is parked", lambda: _parked(stack))
    stack.release(AHEAD)
    return Asked(answer=answer)


def _parked(stack: Stack) -> bool:
    return any(stack.redis.hlen(key) for key in stack.redis.keys("tenantsync:lane:*:parked"))


def _revived(tenant: Tenant, instant: Instant, armed: Callable[[], None]) -> Asked:
    stack = tenant.stack
    stack.hold("surveyed", 1, gate=AHEAD)
    answer = stack.ask(**tenant.task(Scene.REVIVED))
    pid = _met(stack)
    armed()
    stack.redis.flushall()
    os.kill(pid, signal.SIGKILL)
    return Asked(answer=answer)


def _reverted(tenant: Tenant, instant: Instant, armed: Callable[[], None]) -> Asked:
    stack, before = tenant.stack, both(tenant.stack)["GIT"]
    stack.hold("push.after", 1, gate=AHEAD)
    answer = stack.ask(**tenant.task(Scene.REVERTED))
    _met(stack)
    reverted = _back(before, both(stack)["GIT"])
    put(stack, "GIT", reverted)
    armed()
    stack.release(AHEAD)
    return Asked(answer=answer, meanwhile={"GIT": reverted})


def _back(
    before: Mapping[Artifact, str], after: Mapping[Artifact, str]
) -> dict[Artifact, str | None]:
    changed = {one for one in before.keys() | after.keys() if before.get(one) != after.get(one)}
    return {one: before.get(one) for one in changed}


_STARTS: Mapping[Scene, Callable[[Tenant, Instant, Callable[[], None]], Asked]] = {
    Scene.TAKEN_UP: _taken_up,
    Scene.APPROVED: _approved,
    Scene.BEHIND: _behind,
    Scene.REVIVED: _revived,
    Scene.REVERTED: _reverted,
}


def _met(stack: Stack) -> int:
    """Waits until a job stands at the gate `AHEAD`; its process."""

    def look() -> int | None:
        found = [hit for hit in hits(stack.points) if hit["gate"] == AHEAD]
        return int(str(found[0]["pid"])) if found else None

    return wait_for("a job stands ahead", look, 100)
