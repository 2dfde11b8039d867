"""What is done next in a soak: chosen by a seed alone; the same seed chooses the same again.

Where an action needs something of the moment (a run to cancel, a text to remove) it says which of
those that are there, by a fraction from 0 to 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Any

from tests.sides import Artifact
from tests.soak.places import NAMESPACES, PAIRS, POOL, Pair


class Cut(StrEnum):
    """What a person does to one artifact."""

    WRITE = "write"
    REMOVE = "remove"
    #: Its text goes to another flow of the same namespace, whatever is there.
    MOVE = "move"


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """A person edits one side of a pair."""

    side: str
    pair: Pair
    cuts: tuple[tuple[Artifact, Cut], ...]
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Revert:
    """A person reverts the newest commit of the service on a branch."""

    branch: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """Somebody asks for a sync, several times at once where `copies` says so."""

    job: str
    task: dict[str, Any]
    copies: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeUp:
    """Somebody asks for a dry run to be written."""

    pick: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Decide:
    """A person approves or rejects what waits, or a dry run; by the command line or as it does."""

    pick: float
    approve: bool
    by_command: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    """Somebody cancels a run, one in the wanted state if there is one."""

    pick: float
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Settle:
    """Nobody does anything until all runs are at rest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Strike:
    """A fault; `pick` chooses whom it hits and after how many calls."""

    kind: str
    what: str
    pick: float


Action = Edit | Revert | Ask | TakeUp | Decide | Cancel | Settle | Strike

#: Points that the jobs of runs reach; the others are reached by a worker that starts.
_POINTS = (
    *("asked", "published", "claim", "surveyed", "split.published", "read", "staged", "recorded"),
    *("gathered", "parked", "leased", "write.published", "write.before", "write.after"),
    *("read-back", "committed", "push.before", "push.after", "left", "finished"),
)
_POINT_FAULTS = ("kill", "kill-group", "kill-parent", "stop", "raise", "no-space", "exit")
_OTHERS = (
    *(("kestra", what) for what in ("429", "502", "reset", "lost-answer", "cut", "lost", "slow")),
    *(("git", what) for what in ("cut-push", "cut-answer", "down")),
    *(("redis", what) for what in ("flush", "kill", "clients")),
    ("postgresql", "backends"),
    *(("worker", what) for what in ("restart", "stop", "kill-child")),
)


class Chooser:
    """An endless row of actions."""

    def __init__(self, seed: int, faults: float) -> None:
        self._random, self._faults = Random(seed), faults
        self._number = 0

    def actions(self) -> Iterator[Action]:
        """The actions; before each ask a fault is struck with the rate that was asked for."""
        while True:
            action = self._next()
            if isinstance(action, Ask) and self._random.random() < self._faults:
                yield self._strike()
            yield action

    def _next(self) -> Action:
        makers = {
            self._edit: 34,
            self._ask: 38,
            self._decide: 9,
            self._cancel: 5,
            self._take_up: 5,
            self._purge: 2,
            self._revert: 2,
            lambda: Settle(): 2,
        }
        return self._random.choices(list(makers), list(makers.values()))[0]()

    def _words(self) -> str:
        """Mostly new; sometimes words that were there before or are on the other side too."""
        self._number += 1
        if self._random.random() < 0.15:
            return f"again {self._random.randrange(3)}"
        return f"edit {self._number}"

    def _edit(self) -> Action:
        random = self._random
        chosen = random.sample(POOL, random.randint(1, 4))
        cuts = random.choices(list(Cut), (70, 22, 8), k=len(chosen))
        return Edit(
            side=random.choice(("KESTRA", "GIT")),
            pair=random.choice(PAIRS),
            cuts=tuple(zip(chosen, cuts, strict=True)),
            words=self._words(),
        )

    def _purge(self) -> Action:
        """More deletions than go without a person."""
        random = self._random
        kind = random.choice(("FLOW", "FILE"))
        gone = random.sample([one for one in POOL if one.kind == kind], 8)
        return Edit(
            side=random.choice(("KESTRA", "GIT")),
            pair=random.choice(PAIRS),
            cuts=tuple((one, Cut.REMOVE) for one in gone),
            words=self._words(),
        )

    def _revert(self) -> Action:
        return Revert(branch=self._random.choice(("main", "main", "backup")))

    def _ask(self) -> Action:
        random = self._random
        pair = random.choice(PAIRS)
        source = "KESTRA" if pair.backup else random.choice(("KESTRA", "GIT"))
        task: dict[str, Any] = {
            **pair.task,
            "sourceOfTruth": source,
            "whenMissingInSource": self._of(DELETE=70, KEEP=20, FAIL=10),
            "onConflict": self._of(SOURCE=70, SKIP=20, FAIL=10),
            "onStale": self._of(SKIP=90, FAIL=10),
            "firstContact": self._of(MIRROR=80, ASK=20),
            "review": self._of(never=85, always=15),
            "dryRun": random.random() < 0.12,
        }
        copies = random.choice((2, 3, 4)) if random.random() < 0.1 else 1
        if random.random() < 0.35:
            task["namespace"] = random.choice(NAMESPACES)
            return Ask(job="namespace_sync", task=task, copies=copies)
        task["namespaces"] = list(NAMESPACES)
        if not pair.backup and random.random() < 0.2:
            kind = random.choice(("FLOW", "FILE", "DASHBOARD"))
            task["sourceOfTruthOverrides"] = {kind: "GIT" if source == "KESTRA" else "KESTRA"}
        return Ask(job="tenant_sync", task=task, copies=copies)

    def _of(self, **weights: int) -> str:
        return self._random.choices(list(weights), list(weights.values()))[0]

    def _decide(self) -> Action:
        random = self._random
        approve, by_command = random.random() < 0.7, random.random() < 0.1
        return Decide(pick=random.random(), approve=approve, by_command=by_command)

    def _cancel(self) -> Action:
        states = ("QUEUED", "PLANNING", "WRITING", "WAITING", "PLANNED")
        return Cancel(pick=self._random.random(), state=self._random.choice(states))

    def _take_up(self) -> Action:
        return TakeUp(pick=self._random.random())

    def _strike(self) -> Action:
        random = self._random
        kind, what = random.choice(_OTHERS)
        if random.random() < 0.5:
            kind, what = random.choice(_POINTS), random.choice(_POINT_FAULTS)
        return Strike(kind=kind, what=what, pick=random.random())
