"""How large is the largest value that a run puts into Redis?

Two ways of looking, both from outside. MONITOR shows every command with all its arguments, those of
scripts included, so no value is missed however short its life; and the keys are walked again and
again during the run, for what they take in memory.
"""

from __future__ import annotations

import re
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import redis
from rich.table import Table

from bench import tables
from bench.figures import Figure, Section
from bench.options import Options, progress
from bench.stack import OURS, Stack, stack
from bench.tenant import Size, change_flows

#: The largest value that is good enough, bytes.
AIM = 4096
#: What is no value: texts of scripts, and what is only announced.
_NOT_STORED = {"eval", "evalsha", "script", "publish", "subscribe", "hello", "client", "auth"}
_ARGUMENT = re.compile(r'"((?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(r"\\(?:x[0-9a-f]{2}|.)")
#: Ids of messages, digests, ids of runs, the parts of jobs, numbers.
_IDS = re.compile(
    r"[0-9a-f]{8}-[0-9a-f-]{27}|\b[0-9a-f]{20,}\b|\br[a-z0-9]{10}\b|(?<=\.plan\.).*|(?<=\.write\.).*|\d+"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The largest value of one kind of key."""

    #: The key, with `*` for ids and numbers.
    key: str
    command: str
    #: Bytes of the largest argument.
    size: int
    #: How that argument begins.
    begins: str


@dataclass(slots=True)
class Watch:
    """What was seen so far."""

    largest: dict[str, Seen] = field(default_factory=dict)
    #: Bytes of the largest whole key, as MEMORY USAGE says, by kind of key.
    memory: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))

    def note(self, seen: Seen) -> None:
        """Keeps the larger one."""
        known = self.largest.get(seen.key)
        if known is None or known.size < seen.size:
            self.largest[seen.key] = seen


def run(options: Options, folder: Path) -> Section:
    """A first export, and a reconcile of a change in each namespace."""
    size = options.size
    with stack(folder, [OURS], settings=options.settings) as running:
        running.kestra.apply(size.seed(), tenant=OURS)
        with watching(running.redis_url) as watch:
            _runs(running, size)
    ordered = sorted(watch.largest.values(), key=lambda one: -one.size)
    return Section(
        title=f"Largest values in Redis, of all runs; {size}",
        figures=(Figure(name="largest Redis value", value=ordered[0].size, unit="B", aim=AIM),),
        tables=(_table(ordered, watch),),
        notes=("'key' is what MEMORY USAGE says of the largest whole key of that kind.",),
        details={
            "values": [asdict(one) for one in ordered],
            "memory": dict(watch.memory),
        },
    )


def _runs(running: Stack, size: Size) -> None:
    progress("first export")
    running.sync("APPLIED", sourceOfTruth="KESTRA", repository=OURS)
    progress("reconcile of a changed flow in each namespace")
    paths = [size.flow(number) for number in range(size.namespaces)]
    change_flows(running.repository(OURS), paths, 0)
    running.sync("APPLIED", sourceOfTruth="GIT", repository=OURS)


@contextmanager
def watching(url: str) -> Iterator[Watch]:
    """Collects what is written from now on, until the block is left."""
    watch, ended = Watch(), threading.Event()
    with redis.Redis.from_url(url) as client, client.monitor() as monitor:
        reader = threading.Thread(target=_read, args=(monitor, watch), daemon=True)
        walker = threading.Thread(target=_walk, args=(url, watch, ended), daemon=True)
        reader.start()
        walker.start()
        try:
            yield watch
        finally:
            ended.set()
            walker.join()
            client.echo(_LAST)  # what was written before is read when this is
            reader.join()


_LAST = "the bench has seen enough"


def _read(monitor: redis.client.Monitor, watch: Watch) -> None:
    while True:
        line = monitor.connection.read_response().decode(errors="replace")
        seen = written(line)
        if seen is not None:
            watch.note(seen)
        elif _LAST in line:
            return


def written(line: str) -> Seen | None:
    """The largest value of one line of MONITOR; None where it stores none."""
    command, *arguments = _ARGUMENT.findall(line.partition("]")[2])
    if command.lower() in _NOT_STORED or len(arguments) < 2:
        return None
    plain = [_ESCAPE.sub("?", each) for each in arguments[1:]]
    largest = max(plain, key=len)
    return Seen(
        key=pattern(arguments[0]), command=command.upper(), size=len(largest), begins=largest[:60]
    )


def pattern(key: str) -> str:
    """A key without the ids and numbers in it."""
    return _IDS.sub("*", _ESCAPE.sub(":", key))


def _walk(url: str, watch: Watch, ended: threading.Event) -> None:
    with redis.Redis.from_url(url) as client:
        while not ended.wait(0.2):
            keys = list(client.scan_iter(count=1000))
            with client.pipeline(transaction=False) as asked:
                for key in keys:
                    asked.memory_usage(key, samples=0)
                for key, size in zip(keys, asked.execute(), strict=True):
                    name = pattern(key.decode(errors="replace"))
                    watch.memory[name] = max(watch.memory[name], size or 0)


def _table(ordered: list[Seen], watch: Watch) -> Table:
    made = tables.table("value of", "command", "bytes", "key bytes")
    for one in ordered[:12]:
        made.add_row(one.key, one.command, str(one.size), str(watch.memory.get(one.key, 0) or "?"))
    return made
