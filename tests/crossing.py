"""Two runs that cross at named points: how they are held, edited around and let go, and what must
be so afterwards."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from sandbox.settings import DEFAULT_PASSWORD, DEFAULT_USER
from tasks.artifacts import Key, Kind, digest
from tasks.outcome import State
from tasks.plan import Change, Plan
from tasks.points import disarm, hits
from tasks.requests import Side
from tasks.run import Run
from tests.sides import Artifact, both, in_kestra, put
from tests.stack import Stack, wait_for
from tests.texts import flow

NS = "team"
TRAILER = "%(trailers:key=Tenantsync-Run,valueonly)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One instant of a run: the name of a point, and which of its jobs or phases is meant."""

    name: str
    job: str | None = None
    what: str | None = None
    #: Whether the run heads its lanes there, so that no other writer of them gets so far.
    inside: bool = False

    def __str__(self) -> str:
        return "-".join(part for part in (self.name, self.job, self.what) if part)

    @property
    def match(self) -> dict[str, str]:
        found = {"job": f"tenantsync.{self.job}" if self.job else None, "what": self.what}
        return {name: value for name, value in found.items() if value is not None}


#: Where a run stands in line behind another one and waits for its lanes.
PARKED = Point(name="parked")

#: A point behind a publish (`published`, `split.published`, `write.published`, `recorded` of a job
#: that publishes) holds a job whose run goes on beside it, so no run can be held there.
PLANNING = (
    Point(name="asked"),
    Point(name="claim", job="split"),
    Point(name="surveyed"),
    Point(name="read"),
    Point(name="staged"),
    Point(name="recorded", job="plan"),
    Point(name="gathered"),
    Point(name="claim", job="begin"),
)
ENDING = (
    Point(name="claim", job="finish"),
    Point(name="finished"),
)
EXPORT = (
    *PLANNING,
    Point(name="leased", inside=True),
    Point(name="committed", inside=True),
    Point(name="push.before", inside=True),
    Point(name="push.after", inside=True),
    Point(name="recorded", job="commit", inside=True),
    Point(name="left"),
    *ENDING,
)
RECONCILE = (
    *PLANNING,
    Point(name="leased", what="UPSERT", inside=True),
    Point(name="write.before", inside=True),
    Point(name="write.after", inside=True),
    Point(name="read-back", inside=True),
    Point(name="recorded", job="write", what="UPSERT", inside=True),
    Point(name="left", what="UPSERT", inside=True),
    Point(name="claim", job="deletions", inside=True),
    Point(name="leased", what="DELETE", inside=True),
    Point(name="recorded", job="write", what="DELETE", inside=True),
    Point(name="left", what="DELETE"),
    *ENDING,
)
#: Where a run has not read either side yet.
_UNREAD = PLANNING[:2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One kind of run: whether it exports or reconciles, and what of."""

    source: Side
    #: The tenant, or the one namespace that all edits are in.
    tenant: bool

    def __str__(self) -> str:
        what = "export" if self.source is Side.KESTRA else "reconcile"
        return what if self.tenant else f"ns-{what}"

    @property
    def points(self) -> Sequence[Point]:
        return EXPORT if self.source is Side.KESTRA else RECONCILE

    def ask(self, stack: Stack, name: str) -> Any:
        """Asks; the name keeps two runs of one way from being equal, so that they cross."""
        task = {"sourceOfTruth": str(self.source), "commitMessage": name}
        if self.tenant:
            return stack.ask(**task)
        return stack.ask("namespace_sync", namespace=NS, **task)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two runs, the point at which each is held, and which is let go first."""

    first: Way
    second: Way
    p: Point
    q: Point
    #: Whether the second run ends before the first goes on.
    overtakes: bool

    def __str__(self) -> str:
        order = "-overtakes" if self.overtakes else ""
        return f"{self.first}.{self.p}+{self.second}.{self.q}{order}"


def pairs(first: Way, second: Way) -> Iterator[Pair]:
    """Every pair of points at which two such runs can be at the same time.

    Where the first run is inside the lanes the second one gets no further than being parked,
    whatever comes after.
    """
    for p in first.points:
        inside = _is_inside(first, p)
        reached = [q for q in second.points if not (inside and _is_behind(q))]
        for q in [*reached, PARKED] if inside else reached:
            for overtakes in (False, True) if _order_matters(p, q, inside=inside) else (False,):
                yield Pair(first=first, second=second, p=p, q=q, overtakes=overtakes)


def _is_inside(way: Way, p: Point) -> bool:
    """Whether nobody else gets the lanes; a NamespaceSync has its own since it was asked."""
    return p.inside or (not way.tenant and p in PLANNING and p.name != "asked")


def _is_behind(q: Point) -> bool:
    """Whether a run has to be past its lanes to get there."""
    return q != PARKED and q not in PLANNING


def _order_matters(p: Point, q: Point, *, inside: bool) -> bool:
    """Both outside the lanes: who is let go first writes first. Where one is inside, the other
    comes after it in any case; what that one plans differs only if it has not read yet."""
    if p not in PLANNING or not (q in PLANNING or q.inside):
        return p.inside and q in _UNREAD
    if inside or q.inside:
        return (q if inside else p) in _UNREAD
    return True


# -- a crossing ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """One change of a side: what it held before and after, and the run that did it, if one did."""

    key: Key
    before: str | None
    after: str | None
    run: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossed:
    """What is left after two runs have crossed."""

    pair: Pair
    #: The two runs and all that followed them.
    runs: tuple[Run, ...]
    #: Where the second run was when the edits came: `held`, `parked` or `ended`.
    second: str
    #: Every text that a person wrote into a side, those aside that they overwrote themselves.
    texts: Mapping[str, Mapping[Artifact, Sequence[str]]]
    #: What a person did in Kestra.
    by_hand: Collection[Moved]

    def __str__(self) -> str:
        states = " ".join(run.state for run in self.runs)
        return f"{self.pair}: the second one was {self.second}; {states}"


class Crossing:
    """Carries out one pair on a fresh tenant of a stack."""

    def __init__(self, stack: Stack, pair: Pair) -> None:
        self._stack, self._pair = stack, pair
        self.texts: dict[str, dict[Artifact, list[str]]] = {"KESTRA": {}, "GIT": {}}
        self.by_hand: set[Moved] = set()

    def cross(self) -> Crossed:
        stack, pair = self._stack, self._pair
        self._edit("KESTRA", _base())
        assert stack.export()["state"] == "APPLIED"
        seq = stack.records.newest(1)[0].seq
        self._edit("KESTRA", _early("KESTRA"))
        self._edit("GIT", _early("GIT"))
        first, _ = self._start(pair.first, pair.p, "first")
        second, where = self._start(pair.second, pair.q, "second")
        self._edit("KESTRA", _late("KESTRA"))
        self._edit("GIT", _late("GIT"))
        order = [("first", first), ("second", second)]
        for gate, run in reversed(order) if pair.overtakes else order:
            stack.release(gate)
            wait_for(f"{gate} run {run} rests or waits", lambda run=run: self._stands(run), 100)
        stack.quiet(100)
        runs = [run for run in stack.records.newest(20) if run.seq > seq]
        return Crossed(
            pair=pair,
            runs=tuple(reversed(runs)),
            second=where,
            texts=self.texts,
            by_hand=self.by_hand,
        )

    def _edit(self, side: str, texts: Mapping[Artifact, str | None]) -> None:
        held = in_kestra(self._stack) if side == "KESTRA" else {}
        for one, text in texts.items():
            known = self.texts[side].setdefault(one, [])
            before, key = held.get(one), _key(one)
            if before in known:  # who overwrites a text of their own lets it go
                known.remove(before)
            if text is not None:
                known.append(text)
            if side == "KESTRA":
                move = Moved(key=key, before=_digest(key, before), after=_digest(key, text))
                self.by_hand.add(move)
        put(self._stack, side, texts)

    def _start(self, way: Way, point: Point, gate: str) -> tuple[str, str]:
        """Asks for a run and waits until it is held at its point, parked or at rest."""
        stack = self._stack
        if point.name == "asked":
            stack.hold(point.name, 1, gate=gate)
            way.ask(stack, gate)
            return self._met(gate), "held"
        at_start = point == Point(name="claim", job="split")
        stack.hold("claim", 1, gate=gate if at_start else f"start-{gate}", job="tenantsync.split")
        way.ask(stack, gate)
        if at_start:
            return self._met(gate), "held"
        run = self._met(f"start-{gate}")
        self._hold(run, point, gate)
        stack.release(f"start-{gate}")
        where = wait_for(f"{gate} run {run} is held", lambda: self._where(run, gate), 100)
        if where != "held":
            disarm(stack.points, point.name)
        return run, where

    def _hold(self, run: str, point: Point, gate: str) -> None:
        if point == PARKED:
            return
        # A request to Kestra does not know its run; no other one writes the namespace meanwhile.
        own = {"namespace": NS} if point.name in {"write.before", "write.after"} else {"run": run}
        self._stack.hold(point.name, 1, gate=gate, **own, **point.match)

    def _met(self, gate: str) -> str:
        def look() -> str | None:
            found = [hit for hit in hits(self._stack.points) if hit["gate"] == gate]
            return str(found[0]["where"]["run"]) if found else None  # type: ignore[index]

        return wait_for(f"somebody is held at gate {gate}", look)

    def _where(self, run: str, gate: str) -> str | None:
        if any(hit["gate"] == gate for hit in hits(self._stack.points)):
            return "held"
        return self._stands(run)

    def _stands(self, run: str) -> str | None:
        if self._stack.records.get(run).state.at_rest:
            return "ended"
        keys = self._stack.redis.scan_iter("tenantsync:lane:*:parked", count=1000)
        parked = [place for key in keys for place in self._stack.redis.hkeys(key)]
        return "parked" if any(place.startswith(f"{run}\n") for place in parked) else None


def _flow(name: str, text: str | None) -> tuple[Artifact, str | None]:
    return Artifact(NS, "FLOW", name), text and flow(NS, name, f"{name} {text}")


def _file(name: str, text: str) -> tuple[Artifact, str]:
    return Artifact(NS, "FILE", name), f"{name} {text}\n"


def _base() -> dict[Artifact, str | None]:
    flows = ("calm", "k-edited", "g-edited", "both", "k-gone", "g-gone")
    files = ("calm.txt", "k.txt", "g.txt")
    return dict([_flow(name, "base") for name in flows] + [_file(name, "base") for name in files])


def _early(side: str) -> dict[Artifact, str | None]:
    """What both runs may plan: an edit, a new one, one gone, one that both sides edited."""
    own = side[0].lower()
    return dict(
        [
            _flow(f"{own}-edited", f"early {side}"),
            _flow("both", f"early {side}"),
            _flow(f"{own}-new", f"early {side}"),
            _flow(f"{own}-gone", None),
            _file(f"{own}.txt", f"early {side}"),
        ]
    )


def _late(side: str) -> dict[Artifact, str | None]:
    """What comes between: another edit of what was planned, and something new."""
    own = side[0].lower()
    return dict(
        [
            _flow(f"{own}-edited", f"late {side}"),
            _flow(f"{own}-born", f"late {side}"),
            _file(f"{own}.txt", f"late {side}"),
            _file(f"{own}-born.txt", f"late {side}"),
        ]
    )


# -- what must be so ----------------------------------------------------------------------------


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
    edits = [_base(), *(edit(side) for edit in (_early, _late) for side in ("KESTRA", "GIT"))]
    keys = sorted({_key(one) for edit in edits for one in edit})
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
    return [None if one.get("deleted") else _digest(key, one["source"]) for one in revisions]


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
        named = Counter(one.where for one in run.problems)
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
    """Whether an edit came between the look and the write, which Kestra gives no way to notice."""
    points = {crossed.pair.p.name, crossed.pair.q.name}
    planned = any((one.key, one.after) == (move.key, move.after) for one in changes)
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
        kept |= {(_key(one), digest(Kind(one.kind), text.encode())) for one, text in held.items()}
        for one, texts in crossed.texts[side].items():
            for text in texts:
                found = (_key(one), digest(Kind(one.kind), text.encode()))
                assert found in kept, f"{crossed}: {text!r} of {one} on {side} is lost"


def _digest(key: Key, text: str | None) -> str | None:
    return None if text is None else digest(key.kind, text.encode())


def _key(one: Artifact) -> Key:
    return Key(one.namespace, Kind(one.kind), one.name)


def _converges(stack: Stack) -> None:
    """A further sync makes both sides equal, and the one after finds nothing."""
    assert stack.export()["state"] in {"APPLIED", "UNCHANGED"}
    sides = both(stack)
    assert sides["KESTRA"] == sides["GIT"]
    assert stack.reconcile()["state"] == "UNCHANGED"
