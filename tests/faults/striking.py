"""How each fault strikes a job at a point, and how what it broke is mended."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from sandbox.faults import Fault as Answer
from sandbox.faults import When
from tasks.points import Fault, arm, hits
from tests.faults.matrix import Cell, Sends, Strike
from tests.restarting import Servers
from tests.stack import Stack
from tests.waiting import wait_for
from workers.broker import AWAY

#: Seconds in which a run gets to a point.
LIMIT = 100
#: Faults that the point itself brings about.
_AT_ONCE: Mapping[Strike, Fault] = {
    Strike.KILL: Fault.KILL,
    Strike.KILL_GROUP: Fault.KILL_GROUP,
    Strike.KILL_PARENT: Fault.KILL_PARENT,
    Strike.RAISE: Fault.RAISE,
    Strike.NO_SPACE: Fault.NO_SPACE,
}
#: What a worker logs when its disk is full.
_COMPLAINTS = ("No space left", "disk is full", "disk I/O error")


class Striking:
    """One fault at one instant: armed, met, and mended."""

    def __init__(self, stack: Stack, servers: Servers, cell: Cell) -> None:
        self._stack, self._servers, self._cell = stack, servers, cell
        self._cut: int | None = None
        self._go_on: Callable[[], None] = lambda: None

    def arm(self) -> None:
        """Has the next job that gets there meet the fault, or wait there for it."""
        stack, instant, gate = self._stack, self._cell.instant, "struck"
        (stack.points / f"{gate}.release").unlink(missing_ok=True)
        fault = _AT_ONCE.get(self._cell.strike, Fault.HOLD)
        arm(stack.points, instant.point, fault, match=instant.match, gate=gate)

    def strike(self, go_on: Callable[[], None]) -> None:
        """Waits until the point is met, brings about what the point itself cannot, and lets go
        what waits for it."""
        self._met()
        self._go_on = go_on
        outside: Mapping[Strike, Callable[[], None]] = {
            Strike.CUT: self._cut_off,
            Strike.FLUSH: self._flush,
            Strike.RESTART: self._restart,
            Strike.FULL: self._fill,
            Strike.STOP: self._stop,
        }
        outside.get(self._cell.strike, lambda: None)()
        go_on()

    def _met(self) -> int:
        """The process that has met the point."""

        def look() -> int | None:
            found = [hit for hit in hits(self._stack.points) if hit["gate"] == "struck"]
            return int(str(found[0]["pid"])) if found else None

        return wait_for(f"{self._cell.instant} is reached", look, LIMIT)

    def met_once(self) -> None:
        """Fails unless the fault struck exactly once."""
        met = [hit for hit in hits(self._stack.points) if hit["gate"] == "struck"]
        assert len(met) == 1, f"{self._cell.instant} was met {len(met)} times"

    def _release(self) -> None:
        self._stack.release("struck")

    def _cut_off(self) -> None:
        if self._cell.instant.sends is Sends.PUSH:
            self._stack.git.cut_answers = 1
        else:
            write = self._cell.instant.sends is Sends.WRITE
            method = "POST|PUT|DELETE" if write else ".*"
            cut = Answer(method=method, target="^/api/v1/main", reset=True, when=When.AFTER)
            self._cut = self._stack.kestra.arm(cut)
        self._release()

    def was_cut(self) -> None:
        """Fails unless an answer was cut off, where that is the fault."""
        if self._cell.strike is not Strike.CUT:
            return
        assert self._stack.git.cut_answers == 0, "no push was cut off"
        if self._cut is not None:
            assert self._stack.kestra.hits(self._cut) == 1, "no request was cut off"

    def _flush(self) -> None:
        self._stack.redis.flushall()
        self._release()

    def _restart(self) -> None:
        folder = self._servers.end(self._stack)
        self._release()  # the job runs into its absence
        self._servers.start(self._stack, folder)

    # -- a full disk ----------------------------------------------------------------------------

    def _fill(self) -> None:
        before = self._complaints()
        seq = self._stack.records.newest(1)[0].seq
        filler = self._stack.folder / "data" / "filler"
        _fill(filler)
        self._release()
        self._go_on()
        try:
            wait_for(
                "somebody complains, or the run is at rest",
                lambda: self._complaints() > before or self._rests(seq),
                LIMIT,
            )
        finally:
            filler.unlink()

    def _complaints(self) -> int:
        logs = [path.read_text(errors="replace") for path in self._stack.folder.glob("*.log")]
        return sum(text.count(words) for text in logs for words in _COMPLAINTS)

    def _rests(self, seq: int) -> bool:
        newest = self._stack.records.newest(1)[0]
        return newest.seq >= seq and newest.state.at_rest

    # -- a worker that stands still -------------------------------------------------------------

    def _stop(self) -> None:
        for pid in self._stopped():
            os.kill(pid, signal.SIGSTOP)

    def _stopped(self) -> list[int]:
        """The struck process and its worker. Other children go on: one that stands in the middle
        of a transaction would hold up a database of files for everybody."""
        pid = self._met()
        return [os.getpgid(pid), pid] if os.getpgid(pid) != pid else [pid]

    def wake(self) -> None:
        """Lets the stopped worker go on, and waits until its job has come to an end."""
        pid, pids = self._met(), self._stopped()
        self._release()
        for one in reversed(pids):
            os.kill(one, signal.SIGCONT)
        wait_for(f"the job of process {pid} has ended", lambda: self._idle(pid), LIMIT)

    def _idle(self, pid: int) -> bool:
        if self._cell.instant.of_person:
            return not Path(f"/proc/{pid}/fd").exists() or _is_zombie(pid)
        try:
            replies = self._stack.celery().control.inspect(timeout=5, limit=2).active() or {}
        except AWAY:  # a connection from before Redis was started again
            return False
        return all(one["worker_pid"] != pid for jobs in replies.values() for one in jobs)


def _is_zombie(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


def _fill(place: Path) -> None:
    """Takes all the space that there is."""
    chunk = b"\0" * (1 << 16)
    with place.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(chunk)
    with place.open("ab", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"\0")
