"""What must be so after two runs have crossed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

import httpx

from sandbox.settings import DEFAULT_PASSWORD, DEFAULT_USER
from tasks.artifacts import Key, Kind, digest
from tasks.outcome import State
from tasks.plan import Change, Plan
from tasks.problems import Code
from tasks.requests import Side
from tasks.run import Run
from tests.crossing import Crossed, Moved, base, digest_of, early, key_of, late
from tests.sides import both
from tests.stack import Stack

TRAILER = "%(trailers:key=Tenantsync-Run,valueonly)"


def check(stack: Stack, crossed: Crossed) -> None:
    """All that must be so after two runs have crossed, and that the next ones converge."""
    plans = {run.id: _plan(stack, run) for run in crossed.runs}
    git, kestra = _git_history(stack), _kestra_history(stack)
    _states_are_true(crossed, plans, git, kestra)
    _only_plans_are_written(stack, crossed, plans, git, kestra)
    _nothing_is_lost(stack, crossed, plans, git, kestra)
    _converges(stack)


#: Key → the digests that a side has held, oldest first; None = it was not there.
History = Mapping[Key, Sequence[str | None]]


def _plan(stack: Stack, run: Run) -> tuple[Change, ...]:
    if run.plan is None:
        return ()
    content = stack.folder / "data" / "contents" / run.plan[:2] / run.plan
    return Plan.model_validate_json(content.read_bytes()).writes


def _git_history(stack: Stack) -> list[Moved]:
    """All changes of the branch, oldest commit first."""
    form = f"--format=@%H {TRAILER}"
    out = stack.git_out(
        "log", "--reverse", "--root", "--no-renames", "--raw", "-r", "--no-abbrev", form, "main"
    )
    found: list[Moved] = []
    run: str | None = None
    digests: dict[str, str] = {}
    for line in out.decode().splitlines():
        if line.startswith("@"):
            run = line.partition(" ")[2].strip() or None
        elif line.startswith(":"):
            meta, path = line.split("\t", 1)
            _, _, old, new, _ = meta.split()
            key = _key_of(path)
            found.append(
                Moved(
                    key=key,
                    before=_blob(stack, key.kind, old, digests),
                    after=_blob(stack, key.kind, new, digests),
                    run=run,
                )
            )
    return found


def _key_of(path: str) -> Key:
    namespace, folder, name = path.split("/", 2)
    kind = {"flows": Kind.FLOW, "files": Kind.FILE}[folder]
    return Key(namespace, kind, re.sub(r"\.yaml$", "", name) if kind is Kind.FLOW else name)


def _blob(stack: Stack, kind: Kind, oid: str, digests: dict[str, str]) -> str | None:
    if not oid.strip("0"):
        return None
    if oid not in digests:
        digests[oid] = digest(kind, stack.git_out("cat-file", "blob", oid))
    return digests[oid]


def _kestra_history(stack: Stack) -> list[Moved]:
    """All changes of flows, revision by revision, and what revisions of files hold; who made them
    is not known there."""
    edits = [base(), *(edit(side) for edit in (early, late) for side in ("KESTRA", "GIT"))]
    keys = sorted({key_of(one) for edit in edits for one in edit})
    login = (DEFAULT_USER, DEFAULT_PASSWORD)
    with httpx.Client(base_url=f"{stack.kestra.url}/api/v1/main", auth=login) as client:
        found: list[Moved] = []
        for key in keys:
            flows = key.kind is Kind.FLOW
            digests = _flow_revisions(client, key) if flows else _file_revisions(client, key)
            moves = zip([None, *digests], digests, strict=False)
            found += [Moved(key=key, before=before, after=after) for before, after in moves]
    return found


def _flow_revisions(client: httpx.Client, key: Key) -> list[str | None]:
    path, query = f"/flows/{key.namespace}/{key.name}/revisions", {"allowDelete": "true"}
    answer = client.get(path, params=query)
    revisions = answer.json() if answer.status_code == 200 else []
    return [None if one.get("deleted") else digest_of(key, one["source"]) for one in revisions]


def _file_revisions(client: httpx.Client, key: Key) -> list[str | None]:
    path, query = f"/namespaces/{key.namespace}/files", {"path": f"/{key.name}"}
    answer = client.get(f"{path}/revisions", params=query)
    numbers = [one["revision"] for one in answer.json()] if answer.status_code == 200 else []
    texts = [client.get(path, params={**query, "revision": number}) for number in numbers]
    return [digest(key.kind, one.content) for one in texts if one.status_code == 200]


def _states_are_true(
    crossed: Crossed,
    plans: Mapping[str, Sequence[Change]],
    git: Sequence[Moved],
    kestra: Sequence[Moved],
) -> None:
    for run in crossed.runs:
        named = Counter(one.where for one in run.problems if one.code is not Code.OVERTAKEN)
        left = [one for one in plans[run.id] if str(one.key) not in named]
        told = f"{crossed}: {run.id} {run.task.type} {run.state} {run.problems}"
        counts = run.counts
        assert counts is not None, told
        match run.state:
            case State.UNCHANGED:
                assert not plans[run.id], told
            case State.APPLIED:
                assert left == list(plans[run.id]) and left, told
            case State.PARTIAL:
                assert left and len(left) < len(plans[run.id]), told
            case State.STALE:
                assert plans[run.id] and not left, told
            case _:
                raise AssertionError(told)
        if run.state is not State.UNCHANGED:
            assert counts.landed == len(left), told
        for one in left:
            moves = git if one.target is Side.GIT else kestra
            checked = one.target is Side.GIT or one.kind is Kind.FLOW
            seen = [move for move in moves if (move.key, move.after) == (one.key, one.after)]
            assert seen or not checked, f"{told}: {one.key} never was so on {one.target}"


def _only_plans_are_written(
    stack: Stack,
    crossed: Crossed,
    plans: Mapping[str, Sequence[Change]],
    git: Sequence[Moved],
    kestra: Sequence[Moved],
) -> None:
    trailers = stack.git_out("log", f"--format={TRAILER}", "main").decode().split()
    assert max(Counter(trailers).values()) == 1, f"{crossed}: a second commit of one run"
    for move in git:
        if move.run in plans:
            assert _planned(plans[move.run], Side.GIT, move), f"{crossed}: {move} is not its plan"
    everybody = [one for plan in plans.values() for one in plan]
    for move in kestra:
        if move.key.kind is Kind.FILE:  # its deletions are no revisions
            continue
        known = move in crossed.by_hand or _planned(everybody, Side.KESTRA, move)
        assert known or _in_between(crossed, everybody, move), f"{crossed}: {move} is in no plan"


def _in_between(crossed: Crossed, changes: Sequence[Change], move: Moved) -> bool:
    """Whether an edit came between the look and the write, which Kestra gives no way to refuse; it
    is told all the same."""
    points = {crossed.pair.p.name, crossed.pair.q.name}
    planned = any((one.key, one.after) == (move.key, move.after) for one in changes)
    told = [problem.where for run in crossed.runs for problem in run.problems]
    assert str(move.key) in told, f"{crossed}: {move} was overwritten, and nobody says so"
    late = any(one.key == move.key and one.after == move.before for one in crossed.by_hand)
    return bool(points & {"write.before", "write.after"}) and planned and late


def _planned(changes: Sequence[Change], side: Side, move: Moved) -> bool:
    wanted = (side, move.key, move.before, move.after)
    return any((one.target, one.key, one.before, one.after) == wanted for one in changes)


def _nothing_is_lost(
    stack: Stack,
    crossed: Crossed,
    plans: Mapping[str, Sequence[Change]],
    git: Sequence[Moved],
    kestra: Sequence[Moved],
) -> None:
    kept = {(move.key, move.after) for move in (*git, *kestra)}
    kept |= {(one.key, one.before) for plan in plans.values() for one in plan if one.before_content}
    for side, held in both(stack).items():
        kept |= {(key_of(one), digest(Kind(one.kind), text.encode())) for one, text in held.items()}
        for one, texts in crossed.texts[side].items():
            for text in texts:
                found = (key_of(one), digest(Kind(one.kind), text.encode()))
                assert found in kept, f"{crossed}: {text!r} of {one} on {side} is lost"


def _converges(stack: Stack) -> None:
    """A further sync makes both sides equal, and the one after finds nothing."""
    assert stack.export()["state"] in {"APPLIED", "UNCHANGED"}
    sides = both(stack)
    assert sides["KESTRA"] == sides["GIT"]
    assert stack.reconcile()["state"] == "UNCHANGED"
