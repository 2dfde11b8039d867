"""What do the processes of a worker take? Read from /proc, which Linux alone has."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

HAS_PROC = sys.platform.startswith("linux")
_PEAK = re.compile(r"^VmHWM:\s+(\d+) kB$", re.MULTILINE)


def children(parent: int) -> list[int]:
    """The processes that a process started and that still run."""
    return [int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


def peak(pid: int) -> float:
    """The largest resident set of a process since it began; MiB. Shared pages count."""
    found = _PEAK.search(Path(f"/proc/{pid}/status").read_text())
    if found is None:
        raise ProcessLookupError(f"process {pid} has ended")
    return int(found[1]) / 1024


def processor_seconds(parent: int) -> float:
    """The processor time that a process and its children took until now."""
    return sum(_seconds(pid) for pid in (parent, *children(parent)))


def _seconds(pid: int) -> float:
    # The name in the second field may hold blanks: fields are counted from its closing bracket.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    user, system, ended_user, ended_system = (int(fields[at]) for at in (11, 12, 13, 14))
    return (user + system + ended_user + ended_system) / os.sysconf("SC_CLK_TCK")
