"""What must be so after a fault: how the run ended is what both sides hold, nothing is left in
Redis, and the next runs of both directions make the sides equal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from tasks.artifacts import Key, Kind, digest
from tasks.outcome import State
from tasks.plan import Change, Plan
from tasks.requests import Side
from tasks.run import Run
from tasks.store.bases import Bases, scope
from tasks.store.contents import Contents
from tests.crossed import TRAILER
from tests.faults.scenes import Tenant
from tests.sides import Artifact, both
from tests.stack import Stack
from tests.waiting import wait_for

#: Side → key → digest of what it holds.
Held = Mapping[str, Mapping[Key, str]]
#: Seconds in which what a run no longer needs is gone from Redis.
LIMIT = 60


def held(stack: Stack) -> dict[str, dict[Key, str]]:
    """What both sides hold."""
    return {side: _digests(texts) for side, texts in both(stack).items()}


def _digests(texts: Mapping[Artifact, str]) -> dict[Key, str]:
    return {_key(one): _digest(one, text) for one, text in texts.items()}


def _key(one: Artifact) -> Key:
    return Key(one.namespace, Kind(one.kind), one.name)


def _digest(one: Artifact, text: str) -> str:
    return digest(Kind(one.kind), text.encode())


def planned(stack: Stack, run: Run) -> tuple[Change, ...]:
    """The changes that a run would write; none where it has no plan."""
    if run.plan is None:
        return ()
    return Plan.model_validate_json(_content(stack, run.plan)).writes


def landed(stack: Stack, run: Run) -> list[Change]:
    """The changes that landed, as the outcome of a run has it: those of its plan that no problem
    names. Fails where its state and figures say something else."""
    changes, told = planned(stack, run), f"{run.id} {run.state} {run.counts} {run.problems}"
    for change in changes:
        _is_kept(stack, change)
    number = run.counts.landed if run.counts is not None else 0
    named = Counter(one.where for one in run.problems)
    found = [one for one in changes if str(one.key) not in named] if number else []
    assert number == len(found), told
    match run.state:
        case State.APPLIED:
            assert found and len(found) == len(changes), told
        case State.PARTIAL:
            unread = any(one.code == "UNREAD" for one in run.problems)
            assert found and named and (unread or len(found) < len(changes)), told
        case State.FAILED | State.STALE | State.REFUSED:
            assert not found and named, told
        case State.UNCHANGED:
            assert not changes, told
        case State.PLANNED:
            assert changes and not found, told
        case _:
            raise AssertionError(told)
    return found


def _is_kept(stack: Stack, change: Change) -> None:
    """What a change overwrites or deletes can be read from the plan, whatever became of it."""
    if change.before is not None:
        content = _content(stack, str(change.before_content))
        assert digest(change.kind, content) == change.before, change


def _content(stack: Stack, name: str) -> bytes:
    return Contents(str(stack.folder / "data" / "contents")).get(name)


def sides_are_as_told(
    stack: Stack,
    before: Held,
    runs: Sequence[Run],
    meanwhile: Mapping[str, Mapping[Artifact, str | None]],
) -> None:
    """Both sides are what they were, with what the runs say has landed and what others wrote."""
    wanted = {side: dict(keys) for side, keys in before.items()}
    for run in runs:
        for change in landed(stack, run):
            _put(wanted[change.target], change.key, change.after)
    for side, texts in meanwhile.items():
        for one, text in texts.items():
            _put(wanted[side], _key(one), None if text is None else _digest(one, text))
    now = held(stack)
    for side in wanted:
        differing = [
            f"{key} on {side}: {now[side].get(key)}, told {wanted[side].get(key)}"
            for key in sorted(now[side].keys() | wanted[side].keys())
            if now[side].get(key) != wanted[side].get(key)
        ]
        states = ", ".join(f"{run.id} {run.state} {run.problems}" for run in runs)
        assert not differing, f"{states}: {differing}"


def written_once(stack: Stack, before: int, runs: Sequence[Run]) -> None:
    """Kestra has one new revision of each flow that was written, whoever wrote it; `before` is how
    many it had."""
    flows = {
        change.key
        for run in runs
        for change in landed(stack, run)
        if (change.target, change.kind) == (Side.KESTRA, Kind.FLOW)
    }
    written = stack.kestra.counters()["flow_revisions"] - before
    assert written == len(flows), f"{written} revisions of {sorted(flows)}"


def base_is_both_sides(stack: Stack, run: Run) -> None:
    """After a run that has made both sides equal the base is what they hold, at the newest
    commit."""
    assert run.target is not None
    bases, pair, now = Bases(stack.records._database), scope(run.target), held(stack)
    assert now["KESTRA"] == now["GIT"], run.id
    noted = {
        Key(part.namespace, part.kind, name): value
        for part, row in bases.parts(pair).items()
        for name, value in row.items.items()
    }
    assert noted == now["GIT"], f"the base after {run.id}"
    assert bases.commit(pair) == stack.commits()[0], f"the commit of the base after {run.id}"


def _put(side: dict[Key, str], key: Key, value: str | None) -> None:
    if value is None:
        side.pop(key, None)
    else:
        side[key] = value


def repository_is_whole(stack: Stack) -> None:
    """No damage, and at most one commit of each run, those that were reverted among them."""
    stack.git_out("fsck", "--strict")
    trailers = stack.git_out("log", f"--format={TRAILER}", "main").decode().split()
    twice = [run for run, times in Counter(trailers).items() if times > 1]
    assert not twice, f"several commits of {twice}"


def nothing_is_left(stack: Stack) -> None:
    """No lane, lease, parked message, job in flight or message of a run that is over."""
    wait_for(f"Redis is empty: {_left(stack)}", lambda: not _left(stack), LIMIT)


def _left(stack: Stack) -> list[str]:
    redis = stack.redis
    lists = [key for key in redis.keys("tenantsync*") if redis.type(key) == "list"]
    messages = [text for key in lists for text in redis.lrange(key, 0, -1)]
    messages += list(redis.hvals("unacked"))
    jobs = [text[:200] for text in messages if "tenantsync.janitor" not in text]
    return [*jobs, *redis.keys("tenantsync:lane*"), *redis.keys("tenantsync:run:*:jobs")]


def next_runs_converge(tenant: Tenant, source: str) -> None:
    """A further run of either direction writes what is new and makes both sides equal."""
    stack = tenant.stack
    for side in (source, *({"KESTRA", "GIT"} - {source})):
        tenant.touch(side)
        outcome = stack.sync(sourceOfTruth=side)
        assert outcome["state"] == "APPLIED", f"the next run from {side}: {outcome}"
        stack.quiet(LIMIT)
        sides = both(stack)
        assert sides["KESTRA"] == sides["GIT"], f"after the next run from {side}"
