"""How each fault of a soak is struck."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from sandbox.faults import Fault as KestraFault
from sandbox.faults import When
from tasks.points import Fault, arm
from tests.soak.actions import Strike
from tests.soak.groups import GROUPS, Groups

#: Calls that write; a flow, file or dashboard is lost by its key.
_WRITES = "POST|PUT|DELETE"


def strike(groups: Groups, fault: Strike) -> None:
    """Strikes at once, or arms what strikes whoever comes there next."""
    strikers: Mapping[str, Callable[[Groups, Strike], None]] = {
        "kestra": _kestra,
        "git": _git,
        "redis": _redis,
        "postgresql": lambda groups, _: groups.end_backends(),
        "worker": _worker,
    }
    if fault.kind in strikers:
        strikers[fault.kind](groups, fault)
    else:
        arm(groups.points, fault.kind, Fault(fault.what))


def heal(groups: Groups) -> None:
    """Takes back all that is armed and has met nobody."""
    for armed in groups.points.glob("*.json"):
        armed.unlink(missing_ok=True)
    groups.kestra.disarm()
    groups.git.cut_pushes = groups.git.cut_answers = 0
    groups.git.status = None


def _kestra(groups: Groups, fault: Strike) -> None:
    faults = {
        "429": KestraFault(status=429, headers={"Retry-After": "1"}, times=2),
        "502": KestraFault(status=502, times=2),
        "reset": KestraFault(reset=True, times=2),
        "lost-answer": KestraFault(method=_WRITES, reset=True, when=When.AFTER),
        "cut": KestraFault(method="GET", truncate=30),
        "lost": KestraFault(method=_WRITES, lose="."),
        "slow": KestraFault(latency=1500, times=3),
    }
    chosen = faults[fault.what]
    chosen = KestraFault(**{**_fields(chosen), "skip": int(fault.pick * 20)})
    groups.kestra.arm(chosen)


def _fields(fault: KestraFault) -> dict[str, object]:
    return {name: getattr(fault, name) for name in KestraFault.__dataclass_fields__}


def _git(groups: Groups, fault: Strike) -> None:
    if fault.what == "cut-push":
        groups.git.cut_pushes += 1
    elif fault.what == "cut-answer":
        groups.git.cut_answers += 1
    else:  # until the next action
        groups.git.status = 502


def _redis(groups: Groups, fault: Strike) -> None:
    if fault.what == "flush":
        groups.redis.flushall()
    elif fault.what == "kill":
        groups.restart_redis()
    else:
        groups.redis.client_kill_filter(_type="normal", skipme=True)


def _worker(groups: Groups, fault: Strike) -> None:
    name = GROUPS[int(fault.pick * len(GROUPS))]
    worker = groups.running[name]
    if fault.what == "restart":
        worker.send_signal(signal.SIGTERM)
    elif fault.what == "stop":
        groups.stand_still(name)
    elif children := _children(worker.pid):
        with suppress(ProcessLookupError):
            os.kill(children[int(fault.pick * 997) % len(children)], signal.SIGKILL)


def _children(pid: int) -> list[int]:
    try:
        listed = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return []
    return sorted(int(one) for one in listed.split())
