"""At which instant does a fault strike? Named points of a run, armed from outside by a file in a
control directory and free when nobody arms them."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

#: The environment variable that names the control directory; unset = every point is a no-op.
VARIABLE = "TENANTSYNC_POINTS"

#: Every point there is, and what has happened when it is reached.
POINTS: Mapping[str, str] = {
    "upgraded": "the tables of the records are changed, the transaction is not committed",
    "given": "the contents store bears the id of the records, which do not say so yet",
    "asked": "the run is recorded, its first message is not published",
    "noted": "jobs are noted as in flight and not published",
    "published": "the first message of a run is published, the asker has no answer yet",
    "claim": "a job has claimed its phase and done nothing else",
    "fetched": "a commit is in the mirror and kept for its run",
    "surveyed": "both sides are surveyed, the survey is not recorded",
    "survey.recorded": "the survey is recorded, no job of a part is published",
    "split.published": "the chord of the parts is published, its maker is not acknowledged",
    "read": "both snapshots of a part are read",
    "staged": "contents and pre-images of a part are staged, nothing names them",
    "recorded": "a job has recorded its result and is not acknowledged",
    "gathered": "the plan is recorded, the state of the run has not moved",
    "decided": "the state has moved by the plan, nothing is published and nobody is answered",
    "taken-up": "a planned run has moved on, its writers are not published",
    "approved": "a person has approved a plan, its writers are not published",
    "lined-up": "a run stands in all its lanes, its writers are not published",
    "parked": "a job has left its message in a lane and is not acknowledged",
    "leased": "a job holds the leases of its lanes and has written nothing",
    "write.published": "the chord of the writers is published, its maker is not acknowledged",
    "write.before": "a write is decided and guarded, the request is not sent",
    "write.after": "the target has answered a write, nothing is read back",
    "read-back": "a write is read back, the change is not recorded",
    "result.staged": "what a job has written is staged, neither result nor base is recorded",
    "committed": "the commit is made in the mirror and not pushed",
    "push.before": "the push is decided and guarded, nothing is sent",
    "push.after": "the remote has answered the push, its tip is not read",
    "left": "a run has left a lane and woken who waited there",
    "waking": "a lane has given out a parked message, which is not published",
    "woken": "a parked message is published again and still lies in its lane",
    "ended": "the outcome is recorded, what the run kept for itself is not dropped",
    "finished": "the outcome is recorded, notifications are not sent",
    "rested": "a run at rest has left its lanes, nobody is answered",
    "answered": "those who asked have their answer, an equal run that waits is not started",
    "returned": "the result of a job is stored and counted, its message is not acknowledged",
    "revived": "the janitor has given a run a new epoch, its message is not published",
}

#: Exit status of the fault `exit`; no signal and no program of this project ends with it.
EXIT_STATUS = 86
#: Seconds after which a held point goes on by itself, so that no test leaves a process behind.
HOLD_LIMIT = 120.0
_HOLD_LOOK = 0.02


class Fault(StrEnum):
    """What happens at an armed point."""

    #: Nothing; the hit is written down.
    NOTE = "note"
    #: This process is killed (SIGKILL).
    KILL = "kill"
    #: Its whole process group is killed.
    KILL_GROUP = "kill-group"
    #: Its parent is killed, itself goes on.
    KILL_PARENT = "kill-parent"
    #: It is stopped (SIGSTOP) until somebody sends SIGCONT.
    STOP = "stop"
    #: RuntimeError.
    RAISE = "raise"
    #: OSError: no space left on the device.
    NO_SPACE = "no-space"
    #: The process ends at once with `EXIT_STATUS`, without cleaning up.
    EXIT = "exit"
    #: It waits until the file `<gate>.release` is there, `HOLD_LIMIT` seconds at most.
    HOLD = "hold"


class _Order(NamedTuple):
    """What an armed point was armed with."""

    fault: Fault
    gate: str


def reach(point: str, **where: str | None) -> None:
    """Say that `point` is reached by `where` (run, namespace, job, ...); strike if it is armed.

    A point is armed by `<directory>/<point>.json`: `{fault, times, match, gate}`. `times` (default
    1, null = always) counts hits over all processes; `match` names fields of `where` that must be
    equal; `gate` (default: the point) is what a held job waits for. Each hit is one JSON line in
    `<directory>/hits.log`, written before the fault.
    Raises ValueError for a name that is not in `POINTS`, armed or not.
    """
    if point not in POINTS:
        raise ValueError(f"point {point}: not in the list of tasks/points.py")
    if directory := os.environ.get(VARIABLE):
        _look(Path(directory), point, where)


def arm(
    directory: Path,
    point: str,
    fault: Fault,
    *,
    times: int | None = 1,
    match: Mapping[str, str] | None = None,
    gate: str | None = None,
) -> None:
    """Arm `point` for every process whose control directory this is. With gates of their own two
    jobs are held at one point and released apart. Raises ValueError for a point that is not in
    the list."""
    if point not in POINTS:
        raise ValueError(f"point {point}: not in the list of tasks/points.py")
    order = {"fault": str(fault), "times": times, "match": dict(match or {}), "gate": gate or point}
    with _alone(directory):
        _replace(directory / f"{point}.json", json.dumps(order))


def disarm(directory: Path, point: str) -> None:
    """Take back what `point` is armed with and nobody has met yet."""
    with _alone(directory):
        (directory / f"{point}.json").unlink(missing_ok=True)


def release(directory: Path, gate: str) -> None:
    """Let go on whoever is held at a gate (that of a point has its name), now and later."""
    (directory / f"{gate}.release").touch()


def hits(directory: Path, point: str | None = None) -> list[dict[str, object]]:
    """The hits so far, oldest first, of one point or of all: point, fault, gate, pid, at, where."""
    log = directory / "hits.log"
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    found: list[dict[str, object]] = [json.loads(line) for line in lines]
    return [hit for hit in found if point in (None, hit["point"])]


def _look(directory: Path, point: str, where: Mapping[str, str | None]) -> None:
    armed = directory / f"{point}.json"
    if not armed.exists():
        return
    with _alone(directory):
        order = _use_up(armed, where)
        if order is not None:
            _write_down(directory, point, order, where)
    if order is not None:
        _strike(order, directory, point)


def _use_up(armed: Path, where: Mapping[str, str | None]) -> _Order | None:
    try:
        order = json.loads(armed.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    if any(where.get(name) != value for name, value in order.get("match", {}).items()):
        return None
    times = order.get("times", 1)
    if times is not None and times <= 1:
        armed.unlink()
    elif times is not None:
        _replace(armed, json.dumps(order | {"times": times - 1}))
    return _Order(Fault(order["fault"]), order.get("gate", armed.stem))


def _write_down(
    directory: Path, point: str, order: _Order, where: Mapping[str, str | None]
) -> None:
    hit = {
        "point": point,
        "fault": str(order.fault),
        "gate": order.gate,
        "pid": os.getpid(),
        "at": time.time(),
        "where": {name: value for name, value in where.items() if value is not None},
    }
    with (directory / "hits.log").open("a", encoding="utf-8") as log:
        log.write(json.dumps(hit) + "\n")


def _strike(order: _Order, directory: Path, point: str) -> None:
    match order.fault:
        case Fault.NOTE:
            return
        case Fault.RAISE:
            raise RuntimeError(f"point {point} is armed to fail")
        case Fault.NO_SPACE:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), point)
        case Fault.EXIT:
            os._exit(EXIT_STATUS)
        case Fault.HOLD:
            _hold(directory / f"{order.gate}.release")
        case _:
            _signal(order.fault)


def _signal(fault: Fault) -> None:
    match fault:
        case Fault.KILL_GROUP:
            os.killpg(0, signal.SIGKILL)
        case Fault.KILL_PARENT:
            os.kill(os.getppid(), signal.SIGKILL)
        case Fault.STOP:
            os.kill(os.getpid(), signal.SIGSTOP)
        case _:
            os.kill(os.getpid(), signal.SIGKILL)


def _hold(released: Path) -> None:
    limit = time.monotonic() + HOLD_LIMIT
    while not released.exists() and time.monotonic() < limit:
        time.sleep(_HOLD_LOOK)


def _replace(path: Path, text: str) -> None:
    draft = path.with_suffix(".draft")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """One process at a time counts and writes down."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
