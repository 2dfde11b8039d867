"""How much longer do other namespaces take beside one that everybody wants?

A hundred runs of one namespace stand in its line and are written one after the other. Meanwhile
NamespaceSyncs of other namespaces are asked, and the same is done without the hot one, in turns.
Compare the ratio, not the times: other load on the machine slows both.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.table import Table

from bench import tables
from bench.baregit import run as git
from bench.figures import Figure, Section
from bench.options import Options
from bench.stack import OURS, RUN_LIMIT, BenchError, Stack, stack

#: The queued runs of the hot namespace, the namespaces beside it, and the turns of each way.
QUEUED, COLD, TURNS = 100, 20, 3
#: The largest ratio that is good enough.
AIM = 2.0
HOT = "hot"
NAMESPACES = [f"cold.n{number}" for number in range(COLD)]
_WHO = b"Pat <pat@example.org> 1767225600 +0000"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hot:
    """What was measured: seconds from asking to the end, of each NamespaceSync of a cold
    namespace."""

    alone: tuple[float, ...]
    beside: tuple[float, ...]
    #: How many of the queued runs were still to be written when the last cold one had ended.
    left: tuple[int, ...]
    #: The same again, asked in one burst with the queued runs, before those have planned.
    burst: tuple[float, ...]


def p95(seconds: Sequence[float]) -> float:
    """The time that 95 of 100 do not exceed (nearest rank)."""
    ordered = sorted(seconds)
    return ordered[max(0, -(-len(ordered) * 95 // 100) - 1)]


def measure(running: Stack, turns: int = TURNS) -> Hot:
    """Measures on a running stack with an empty tenant and an empty repository `OURS`."""
    _plant(running, 2 * turns + 1)
    alone: list[float] = []
    beside: list[float] = []
    left: list[int] = []
    for turn in range(turns):
        alone += _timed(_ask_cold(running, 2 * turn))
        queued = _ask_hot(running, turn)
        queued[0].get(timeout=RUN_LIMIT)  # the first is written: the others have planned
        beside += _timed(_ask_cold(running, 2 * turn + 1))
        left.append(sum(not one.ready() for one in queued))
        _end(queued)
    queued = _ask_hot(running, turns)
    burst = _timed(_ask_cold(running, 2 * turns))
    _end(queued)
    return Hot(alone=tuple(alone), beside=tuple(beside), left=tuple(left), burst=tuple(burst))


def _plant(running: Stack, cold_turns: int) -> None:
    """One folder of the repository for each ask, so that each run has something to write."""
    flows = {
        f"cold{turn}/{namespace}/flows/cold{turn}.yaml": _flow(namespace, f"cold{turn}")
        for turn in range(cold_turns)
        for namespace in NAMESPACES
    }
    flows |= {
        f"{name}/{HOT}/flows/{name}.yaml": _flow(HOT, name)
        for turn in range(cold_turns)
        for name in _hot_names(turn)
    }
    _commit(running.repository(OURS), flows)
    seeds = [_flow(namespace, "seed") for namespace in (HOT, *NAMESPACES)]
    running.kestra.apply({"flows": seeds}, tenant=OURS)
    _end([_ask(running, HOT, "warm-up", dryRun=True, allowEmpty=True)])


def _hot_names(turn: int) -> list[str]:
    return [f"hot{turn}-{number}" for number in range(QUEUED)]


def _flow(namespace: str, name: str) -> str:
    return (
        f"id: {name}\nnamespace: {namespace}\ntasks:\n  - id: say\n"
        "    type: io.kestra.plugin.core.log.Log\n    message: hello\n"
    )


def _commit(repository: Path, files: Mapping[str, str]) -> None:
    script = [b"commit refs/heads/main\ncommitter %b\ndata 5\nflows\n" % _WHO]
    for path, text in files.items():
        content = text.encode()
        script.append(b'M 100644 inline "%b"\ndata %d\n' % (path.encode(), len(content)))
        script.append(content + b"\n")
    git(f"--git-dir={repository}", "fast-import", "--quiet", stdin=b"".join(script))


def _ask(running: Stack, namespace: str, directory: str, **more: Any) -> Any:
    task = {
        "namespace": namespace,
        "gitDirectory": directory,
        "sourceOfTruth": "GIT",
        "branch": "main",
        "kestra": OURS,
        "repository": OURS,
        "whenMissingInSource": "KEEP",
        **more,
    }
    return running.celery.send_task("tenantsync.namespace_sync", [task], queue="tenantsync")


def _ask_cold(running: Stack, turn: int) -> list[tuple[float, Any]]:
    return [(time.time(), _ask(running, name, f"cold{turn}")) for name in NAMESPACES]


def _ask_hot(running: Stack, turn: int) -> list[Any]:
    return [_ask(running, HOT, name) for name in _hot_names(turn)]


def _timed(asked: Sequence[tuple[float, Any]]) -> list[float]:
    """Seconds from each asking to the end of its run, as its outcome tells."""
    outcomes = [_applied(one) for _, one in asked]
    ends = [datetime.fromisoformat(one["endedAt"]).timestamp() for one in outcomes]
    return [end - at for (at, _), end in zip(asked, ends, strict=True)]


def _applied(asked: Any) -> Mapping[str, Any]:
    outcome: Mapping[str, Any] = asked.get(timeout=RUN_LIMIT)
    if outcome["state"] != "APPLIED":
        raise BenchError(f"a run ended {outcome['state']}: {outcome['problems']}")
    return outcome


def _end(asked: Sequence[Any]) -> None:
    for one in asked:
        one.get(timeout=RUN_LIMIT)


def run(options: Options, folder: Path) -> Section:
    """NamespaceSyncs of cold namespaces, with and without the hot one, in turns."""
    with stack(folder, [OURS], settings=options.settings) as running:
        found = measure(running, min(options.repeat, TURNS))
    return Section(
        title=f"{COLD} cold namespaces, beside a hot one with {QUEUED} queued runs",
        figures=(
            _figure("p95 of the cold, beside the hot / alone", found.beside, found.alone, AIM),
            _figure("the same, asked in one burst / alone", found.burst, found.alone, None),
        ),
        tables=(_table(found),),
        notes=(f"queued runs left when the last cold one had ended: {found.left}",),
        details=asdict(found),
    )


def _figure(
    name: str, seconds: Sequence[float], alone: Sequence[float], aim: float | None
) -> Figure:
    return Figure(name=name, value=p95(seconds) / p95(alone), unit="x", aim=aim)


def _table(found: Hot) -> Table:
    made = tables.table("cold namespaces", "n", "p50 ms", "p95 ms")
    times = {"alone": found.alone, "beside the hot one": found.beside, "in one burst": found.burst}
    for name, seconds in times.items():
        p50 = sorted(seconds)[len(seconds) // 2]
        made.add_row(name, str(len(seconds)), f"{p50 * 1000:.0f}", f"{p95(seconds) * 1000:.0f}")
    return made
