"""Many runs at once in two worker processes: 697 write jobs over 200 namespaces, one of them with a
hundred queued runs. One namespace is never written by two at a time, and in the order of asking."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from tasks.outcome import State
from tasks.requests import NamespaceSync
from tasks.run import Run
from tests.stack import Stack, stop, wait_for
from tests.texts import flow

HOT = "hot"
COLD = [f"cold.n{number:03}" for number in range(199)]
#: Runs of the hot namespace; every tenth of them exports, so that it writes to Git.
QUEUED = 100
#: Namespaces with a file that a tenant run deletes, after it has written another one.
FILED = [HOT, *COLD[:99]]
#: Cold namespaces that a NamespaceSync of their own writes, and those of one more tenant run.
OWN, MORE = COLD[:98], COLD[-98:]
#: One job of each queued run, of the tenant run in each namespace, two of the one that deletes, one
#: of each other cold namespace, and the commit of the tenant export.
WRITE_JOBS = QUEUED + 200 + 2 * len(FILED) + len(OWN) + len(MORE) + 1
BACKUP = "backup"
#: Seconds in which all runs have planned, and again in which they have ended.
LIMIT = 240
#: The server of the remote says when it begins and ends to move a branch.
HOOK = """#!/bin/sh
read old new ref
case "$1 $ref" in
  "prepared refs/heads/"*|"committed refs/heads/"*)
    echo "$1 $new $(date +%s.%N)" >>"$GIT_DIR/moves" ;;
esac
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrote:
    """Something that was written in a namespace, by which run, and from when to when."""

    namespace: str
    what: str
    run: str
    begin: float
    end: float


@pytest.fixture(scope="module")
def second_worker(processes: Stack) -> Iterator[None]:
    worker = processes.worker("w2")
    yield
    stop(worker)
    processes.workers.remove(worker)


def _planted(stack: Stack) -> None:
    """Something to write for every run, and a server that was reached before."""
    names = [HOT, *COLD]
    stack.kestra.seed(
        flows=[flow(namespace, "seed") for namespace in names],
        files=[{"namespace": name, "path": "/old.txt", "text": "old\n"} for name in FILED],
    )
    tenant = {f"tenant/{name}/flows/tenant.yaml": flow(name, "tenant") for name in names}
    files = {f"files/{name}/files/new.txt": "new\n" for name in FILED}
    own = {f"own/{name}/flows/own.yaml": flow(name, "own") for name in OWN}
    more = {f"more/{name}/flows/more.yaml": flow(name, "more") for name in MORE}
    queued = {f"q{n}/{HOT}/flows/q{n}.yaml": flow(HOT, f"q{n}") for n in range(QUEUED)}
    stack.push({**tenant, **files, **own, **more, **queued})
    stack.push({"README.md": "backup\n"}, branch=BACKUP)
    hook = stack.repository / "hooks" / "reference-transaction"
    hook.write_text(HOOK)
    hook.chmod(0o755)
    stack.git_out("config", "core.logAllRefUpdates", "always")
    first = stack.reconcile(gitDirectory="own", whenMissingInSource="KEEP", dryRun=True)
    assert first["state"] == "PLANNED"
    stack.kestra.reset_log()


def _asks() -> list[tuple[str, dict[str, Any]]]:
    """All asks in their order: the tenant runs and the cold ones come between the queued ones."""
    keep = {"branch": "main", "sourceOfTruth": "GIT", "whenMissingInSource": "KEEP"}
    export = {"branch": BACKUP, "sourceOfTruth": "KESTRA", "whenMissingInSource": "KEEP"}
    asks: list[tuple[str, dict[str, Any]]] = []
    cold = iter(OWN)
    for number in range(QUEUED):
        way = export if number % 10 == 5 else keep
        task = {**way, "namespace": HOT, "gitDirectory": f"q{number}", "kinds": ["FLOW"]}
        asks.append(("namespace_sync", task))
        if (namespace := next(cold, None)) is not None:
            task = {**keep, "namespace": namespace, "gitDirectory": "own", "kinds": ["FLOW"]}
            asks.append(("namespace_sync", task))
    for place, directory in ((50, "tenant"), (170, "more")):
        task = {**keep, "gitDirectory": directory, "kinds": ["FLOW"]}
        asks.insert(place, ("tenant_sync", task))
    mirror = {"whenMissingInSource": "DELETE", "firstContact": "MIRROR"}
    budget = {"deletionBudget": {"free": 1000}, "kinds": ["FILE"], "gitDirectory": "files"}
    asks.insert(100, ("tenant_sync", {**keep, **mirror, **budget}))
    asks.insert(150, ("tenant_sync", {**export, "gitDirectory": "all", "kinds": ["FLOW"]}))
    return asks


def _all_asked(stack: Stack) -> list[Run]:
    """All runs, once the first holds the hot lane and the others have planned; by their number."""
    celery = stack.celery()
    asks = _asks()
    stack.hold("write.before", 1, namespace=HOT)
    celery.send_task(f"tenantsync.{asks[0][0]}", [asks[0][1]], queue="tenantsync")
    stack.held("write.before", 1)

    first = stack.records.newest(1)[0].seq
    for job, task in asks[1:]:
        celery.send_task(f"tenantsync.{job}", [task], queue="tenantsync")

    def planned() -> bool:
        asked = stack.records.newest(1)[0].seq == first + len(asks) - 1
        return asked and not stack.records.newest(1, [State.QUEUED, State.PLANNING])

    wait_for(f"{len(asks)} runs planned", planned, LIMIT)
    return sorted(stack.records.newest(len(asks)), key=lambda run: run.seq)


def _in_kestra(stack: Stack, runs: Sequence[Run]) -> list[Wrote]:
    """What the server says was changed; each text names the one run that has it."""
    of = {}
    for run in runs:
        directory = run.task.git_directory
        own = isinstance(run.task, NamespaceSync)
        namespaces = [run.task.namespace] if own else [HOT, *COLD]
        for namespace in namespaces if run.task.branch == "main" else ():
            names = {"files": ("old.txt", "new.txt")}.get(directory, (directory,))
            of |= {(namespace, name): run.id for name in names}
    found = []
    for call in stack.kestra.log():
        for changed in call["changed"]:
            _, _, place = changed.partition(" ")
            namespace, _, name = place.partition("/")
            found.append(
                Wrote(
                    namespace=namespace,
                    what=changed,
                    run=of[namespace, name],
                    begin=call["started_at"],
                    end=call["ended_at"],
                )
            )
    return found


def _in_git(stack: Stack) -> list[Wrote]:
    """What the commits changed, while the remote moved the branch to each of them."""
    lines = (stack.repository / "moves").read_text().split("\n")
    moves = {(line.split()[0], line.split()[1]): float(line.split()[2]) for line in lines if line}
    return [
        Wrote(
            namespace=path.split("/")[1],
            what=path,
            run=_run_of(stack, commit),
            begin=moves["prepared", commit],
            end=moves["committed", commit],
        )
        for commit in stack.commits(BACKUP)[:-2]
        for path in _changed(stack, commit)
    ]


def _run_of(stack: Stack, commit: str) -> str:
    form = "%(trailers:key=Tenantsync-Run,valueonly)"
    return stack.git_out("log", "-1", f"--format={form}", commit).decode().strip()


def _changed(stack: Stack, commit: str) -> list[str]:
    changed = stack.git_out("diff-tree", "-r", "--name-only", "--no-commit-id", commit)
    return changed.decode().split("\n")[:-1]


def _overlaps(wrote: Sequence[Wrote]) -> list[tuple[Wrote, Wrote]]:
    """Pairs of one namespace and two runs of which one began before the other had ended."""
    by_namespace = defaultdict(list)
    for one in sorted(wrote, key=lambda one: one.begin):
        by_namespace[one.namespace].append(one)
    return [
        (one, other)
        for line in by_namespace.values()
        for number, one in enumerate(line)
        for other in line[number + 1 :]
        if other.begin < one.end and one.run != other.run
    ]


def _line(wrote: Sequence[Wrote], namespace: str, runs: Sequence[Run]) -> list[int]:
    """The numbers of the runs that wrote a namespace, in the order in which they first did."""
    seqs = {run.id: run.seq for run in runs}
    own = sorted((one for one in wrote if one.namespace == namespace), key=lambda one: one.begin)
    return [seqs[run] for run in dict.fromkeys(one.run for one in own)]


def _overtaken(wrote: Sequence[Wrote], runs: Sequence[Run]) -> list[str]:
    """NamespaceSyncs, which stand in line since they were asked, that a later run overtook."""
    lines = {namespace: _line(wrote, namespace, runs) for namespace in (HOT, *COLD)}
    found = []
    for run in (run for run in runs if isinstance(run.task, NamespaceSync)):
        line = lines[run.task.namespace]
        if max(line[: line.index(run.seq) + 1]) > run.seq:
            found.append(f"{run.id} in {run.task.namespace}")
    return found


def _keys(stack: Stack) -> set[str]:
    """What Redis keeps for good; what ends by itself (answers, counts of attempts) left out."""
    return {key for key in stack.redis.scan_iter(count=1000) if stack.redis.ttl(key) == -1}


@pytest.mark.timeout(600)
@pytest.mark.usefixtures("second_worker")
def test_697_write_jobs_never_overlap_and_keep_the_order_of_asking(stack: Stack) -> None:
    _planted(stack)
    keys = _keys(stack)
    runs = _all_asked(stack)
    stack.release("write.before")
    stack.quiet(LIMIT)
    ended = Counter(stack.records.get(run.id).state for run in runs)
    assert ended == {State.APPLIED: len(runs)}

    wrote = [*_in_kestra(stack, runs), *_in_git(stack)]
    assert WRITE_JOBS == 697
    commits = {one.run for one in wrote if "/flows/" in one.what}
    in_kestra = [one.what for one in wrote if one.run not in commits]
    assert len(in_kestra) == len(set(in_kestra)), "something was written twice"
    assert len(in_kestra) + len(commits) == WRITE_JOBS
    assert _overlaps(wrote) == []

    assert _overtaken(wrote, runs) == []
    hot = _line(wrote, HOT, runs)
    assert hot == sorted(hot)
    assert len(hot) == QUEUED + 3

    moves = stack.git_out("reflog", "--format=%H", BACKUP).decode().split()
    assert moves == stack.commits(BACKUP)[: len(moves)], "a push replaced another one"
    assert stack.redis.smembers("tenantsync:lanes") == set()
    wait_for("Redis keeps what it kept before", lambda: _keys(stack) <= keys)
