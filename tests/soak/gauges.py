"""What the workers and stores of a soak take up: memory, open files, threads, keys, files, refs."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.soak.groups import GROUPS, Groups


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The processes of both groups at one moment."""

    #: Kilobytes: the share of all memory (PSS), and the largest process (RSS).
    pss: int
    largest: int
    #: The most open files and threads that one process has.
    files: int
    threads: int
    number: int

    def __str__(self) -> str:
        return (
            f"{self.number} processes, PSS {self.pss / 1024:.0f} MB, largest "
            f"{self.largest / 1024:.0f} MB, open files {self.files}, threads {self.threads}"
        )


def read(groups: Groups) -> Reading:
    """Reads all processes of both groups now."""
    found = [_one(pid) for pid in pids([groups.running[name].pid for name in GROUPS])]
    whole = [one for one in found if one is not None]
    return Reading(
        pss=sum(one[0] for one in whole),
        largest=max(one[1] for one in whole),
        files=max(one[2] for one in whole),
        threads=max(one[3] for one in whole),
        number=len(whole),
    )


def pids(groups: Sequence[int]) -> list[int]:
    """All Python processes of these process groups; a git command that runs now is none."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            name = (entry / "comm").read_text()
        except OSError:
            continue
        if int(fields[2]) in groups and fields[0] != "Z" and "git" not in name:
            found.append(int(entry.name))
    return found


def open_files(groups: Groups) -> list[str]:
    """Of the process with the most open files, how many of each sort, and what it runs."""
    found = []
    for pid in pids([groups.running[name].pid for name in GROUPS]):
        try:
            files = [str(one.readlink()) for one in Path(f"/proc/{pid}/fd").iterdir()]
            command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        sorts = Counter(name.partition(":")[0] for name in files)
        found.append(f"{len(files)} of {pid} {command[:90]}: {dict(sorts)}")
    return sorted(found, reverse=True)


def _one(pid: int) -> tuple[int, int, int, int] | None:
    place = Path(f"/proc/{pid}")
    try:
        rollup = (place / "smaps_rollup").read_text()
        status = (place / "status").read_text()
        files = len(list((place / "fd").iterdir()))
    except OSError:
        return None
    return _field(rollup, "Pss:"), _field(status, "VmRSS:"), files, _field(status, "Threads:")


def _field(text: str, name: str) -> int:
    lines = (line.split() for line in text.splitlines() if line.startswith(name))
    return next((int(line[1]) for line in lines), 0)


def lasting_keys(groups: Groups) -> set[str]:
    """Keys of Redis that do not end by themselves."""
    client = groups.redis
    return {key for key in client.scan_iter(count=1000) if client.ttl(key) == -1}


def passing_keys(groups: Groups) -> dict[str, int]:
    """How many keys end by themselves, by the beginning of their name."""
    found: dict[str, int] = {}
    for key in groups.redis.scan_iter(count=1000):
        if groups.redis.ttl(key) >= 0:
            name = _sort_of(key)
            found[name] = found.get(name, 0) + 1
    return found


def _sort_of(key: str) -> str:
    if key.startswith("tenantsync:run:"):
        return "tenantsync:run:*:" + key.rpartition(":")[2]
    for name in ("celery-task-meta-", "celery-taskset-meta-"):
        if key.startswith(name):
            return f"{name}*"
    return key


def size(folder: Path) -> tuple[int, int]:
    """Files below a folder, and their bytes."""
    sizes = []
    for path in folder.rglob("*"):
        try:
            if path.is_file():
                sizes.append(path.stat().st_size)
        except OSError:  # it was just moved
            continue
    return len(sizes), sum(sizes)


def pinned_runs(groups: Groups, name: str) -> dict[str, int]:
    """Run → private refs in the mirrors of a group."""
    found: dict[str, int] = {}
    for head in groups.host(name).rglob("HEAD"):
        command = ["git", "--git-dir", str(head.parent), "for-each-ref", "--format=%(refname)"]
        done = subprocess.run(
            [*command, "refs/tenantsync"], capture_output=True, text=True, check=True
        )
        for ref in done.stdout.split():
            run = ref.split("/")[2]
            found[run] = found.get(run, 0) + 1
    return found
