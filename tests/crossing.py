"""Two runs that cross at named points: how they are held, edited around and let go."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tasks.artifacts import Key, Kind, digest
from tasks.points import disarm, hits
from tasks.requests import Side
from tasks.run import Run
from tests.sides import Artifact, in_kestra, put
from tests.stack import Stack, wait_for
from tests.texts import flow

NS = "team"


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
        self._edit("KESTRA", base())
        assert stack.export()["state"] == "APPLIED"
        seq = stack.records.newest(1)[0].seq
        self._edit("KESTRA", early("KESTRA"))
        self._edit("GIT", early("GIT"))
        first, _ = self._start(pair.first, pair.p, "first")
        second, where = self._start(pair.second, pair.q, "second")
        self._edit("KESTRA", late("KESTRA"))
        self._edit("GIT", late("GIT"))
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
            before, key = held.get(one), key_of(one)
            if before in known:  # who overwrites a text of their own lets it go
                known.remove(before)
            if text is not None:
                known.append(text)
            if side == "KESTRA":
                move = Moved(key=key, before=digest_of(key, before), after=digest_of(key, text))
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


def base() -> dict[Artifact, str | None]:
    flows = ("calm", "k-edited", "g-edited", "both", "k-gone", "g-gone")
    files = ("calm.txt", "k.txt", "g.txt")
    return dict([_flow(name, "base") for name in flows] + [_file(name, "base") for name in files])


def early(side: str) -> dict[Artifact, str | None]:
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


def late(side: str) -> dict[Artifact, str | None]:
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


def digest_of(key: Key, text: str | None) -> str | None:
    return None if text is None else digest(key.kind, text.encode())


def key_of(one: Artifact) -> Key:
    return Key(one.namespace, Kind(one.kind), one.name)
