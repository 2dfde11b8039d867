"""Which fault strikes at which instant of which run? The cells of the fault matrix, those that are
left out and why, and the choice that a seed makes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random

from tasks.points import POINTS

#: The namespace in which faults strike; another one is written beside it.
NS = "team"
BESIDE = "other"


class Strike(StrEnum):
    """What happens to a job that has reached a point."""

    #: Its process is killed.
    KILL = "kill"
    #: Its worker is killed with all its children.
    KILL_GROUP = "kill-group"
    #: Its worker is killed, itself goes on.
    KILL_PARENT = "kill-parent"
    #: It and its worker stand still until another worker has ended its run and another run has
    #: written the same namespace; then they go on.
    STOP = "stop"
    #: An error that nobody expects.
    RAISE = "raise"
    #: An error of one write to the disk.
    NO_SPACE = "no-space"
    #: The disk under the data directory is full until somebody complains.
    FULL = "full"
    #: The next request is carried out and its answer is cut off.
    CUT = "cut"
    #: Redis forgets everything.
    FLUSH = "flush"
    #: Redis is killed, and started again after the job went on.
    RESTART = "restart"


#: Faults after which a run comes to its full end: whoever goes on finds all that it needs.
SURVIVED = frozenset(Strike) - {Strike.RAISE, Strike.NO_SPACE, Strike.FULL}


class Scene(StrEnum):
    """What a run does that is struck."""

    #: Kestra → Git.
    EXPORT = "export"
    #: Git → Kestra, with adds, updates and deletions.
    RECONCILE = "reconcile"
    #: Flows from Git and files from Kestra in one run.
    BOTH = "both"
    #: An export that writes nothing.
    DRY_RUN = "dry-run"
    #: A dry run whose plan is written after all.
    TAKEN_UP = "taken-up"
    #: An export to which a person agrees.
    APPROVED = "approved"
    #: A reconcile that waits in a lane behind another one.
    BEHIND = "behind"
    #: An export whose messages Redis has lost.
    REVIVED = "revived"
    #: An export whose commit a person reverts at once.
    REVERTED = "reverted"


class Sends(StrEnum):
    """What the run still sends after an instant."""

    #: A request to Kestra.
    ANY = "any"
    #: A write to Kestra.
    WRITE = "write"
    #: A push.
    PUSH = "push"
    #: Nothing that the sandbox could cut off.
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Instant:
    """A point as a run of a scene reaches it."""

    scene: Scene
    point: str
    sends: Sends
    #: Which of the jobs that reach the point is meant.
    match: Mapping[str, str] = field(default_factory=dict)
    #: Whether a person's command reaches it, not a worker.
    of_person: bool = False

    def __str__(self) -> str:
        told = [one.removeprefix("tenantsync.") for one in self.match.values() if one != NS]
        return "-".join([self.scene, self.point, *told])


def _instants(scene: Scene, sends: Sends, *places: str | tuple[str, str]) -> Iterator[Instant]:
    """Instants in a row; `(point, job)` names the job, `(point, UPSERT)` the writes meant."""
    for place in places:
        point, what = place if isinstance(place, tuple) else (place, None)
        yield Instant(scene=scene, point=point, sends=sends, match=_match(point, what))


#: Points that several namespaces reach beside each other: one of them is meant.
_OF_NAMESPACE = {"read", "staged", "write.before", "write.after", "read-back"}


def _match(point: str, what: str | None) -> Mapping[str, str]:
    if what is None:
        return {"namespace": NS} if point in _OF_NAMESPACE else {}
    if what.isupper():
        job = {"job": "tenantsync.write"} if point in {"recorded", "returned"} else {}
        return {"namespace": NS, **job, "what": what}
    return {"job": f"tenantsync.{what}"}


_E, _R = Scene.EXPORT, Scene.RECONCILE
#: Every instant at which a job is struck, in the order in which a run reaches them.
INSTANTS: Sequence[Instant] = (
    *_instants(
        _E, Sends.ANY,
        "asked", ("noted", "split"), "published", ("returned", "tenant_sync"), ("claim", "split"),
        "fetched", "surveyed", "survey.recorded", ("noted", "plan"), "split.published",
        ("returned", "split"), ("claim", "plan"), "read", "staged", ("recorded", "plan"),
        ("returned", "plan"), ("claim", "gather"), "gathered", "decided", ("noted", "begin"),
        ("recorded", "gather"), ("returned", "gather"), ("claim", "begin"), "lined-up",
        ("noted", "commit"), "write.published", ("returned", "begin"),
    ),
    *_instants(_E, Sends.PUSH, "leased", "committed", "push.before"),
    *_instants(
        _E, Sends.NOTHING,
        "push.after", "result.staged", ("recorded", "commit"), "left", ("noted", "finish"),
        ("returned", "commit"), ("claim", "finish"), "ended", "finished", "rested", "answered",
        ("recorded", "finish"), ("returned", "finish"),
    ),
    *_instants(
        _R, Sends.WRITE,
        ("noted", "write"), "write.published", ("leased", "UPSERT"), "write.before", "write.after",
        "read-back", ("result.staged", "UPSERT"), ("recorded", "UPSERT"), ("left", "UPSERT"),
        ("returned", "UPSERT"), ("claim", "deletions"), ("recorded", "deletions"),
        ("returned", "deletions"), ("leased", "DELETE"),
    ),
    *_instants(
        _R, Sends.NOTHING,
        ("result.staged", "DELETE"), ("recorded", "DELETE"), ("left", "DELETE"),
        ("returned", "DELETE"), ("claim", "finish"), "ended", "rested",
    ),
    *_instants(Scene.BOTH, Sends.PUSH, "lined-up", "leased", "push.before"),
    *_instants(
        Scene.BOTH, Sends.WRITE,
        "push.after", ("recorded", "commit"), ("noted", "upserts"), ("claim", "upserts"),
        ("noted", "write"), "write.before", "write.after",
    ),
    *_instants(Scene.BOTH, Sends.NOTHING, ("claim", "finish")),
    *_instants(Scene.DRY_RUN, Sends.NOTHING, "gathered", "decided", "rested", "answered"),
    *_instants(Scene.TAKEN_UP, Sends.ANY, "asked", "taken-up", ("claim", "begin")),
    Instant(scene=Scene.APPROVED, point="approved", sends=Sends.ANY, of_person=True),
    *_instants(Scene.APPROVED, Sends.ANY, ("claim", "begin"), "lined-up"),
    *_instants(Scene.BEHIND, Sends.WRITE, "parked"),
    *_instants(Scene.BEHIND, Sends.ANY, "waking", "woken"),
    *_instants(Scene.REVIVED, Sends.ANY, "revived"),
    *_instants(Scene.REVERTED, Sends.NOTHING, "result.staged", ("recorded", "commit")),
)  # fmt: skip

#: Points that no run reaches, and where each is tested.
NO_RUN: Mapping[str, str] = {
    "upgraded": "a worker that starts reaches it: integration/store/test_upgrade",
    "given": "a worker that starts reaches it: integration/store/test_belonging",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One fault at one instant."""

    instant: Instant
    strike: Strike

    def __str__(self) -> str:
        return f"{self.instant}+{self.strike}"


def why_not(cell: Cell) -> str | None:
    """Why this cell cannot occur; None when it can."""
    if cell.strike is Strike.CUT and cell.instant.sends is Sends.NOTHING:
        return "no request comes after it"
    if cell.strike is Strike.KILL_PARENT and cell.instant.of_person:
        return "the parent of a person's command is no part of the product"
    if cell.strike is Strike.STOP and cell.instant.scene is Scene.REVERTED:
        return "a run that writes the namespace again undoes the revert that is looked for"
    return None


def cells() -> list[Cell]:
    """All cells that can occur."""
    every = [Cell(instant=one, strike=strike) for one in INSTANTS for strike in Strike]
    return [cell for cell in every if why_not(cell) is None]


def chosen(seed: int) -> list[Cell]:
    """One cell of each point, and each fault as often as the others, as far as that goes."""
    random = Random(seed)
    found: list[Cell] = []
    for point in random.sample(sorted(struck_points()), len(struck_points())):
        found.append(_chosen(point, found, random))
    return sorted(found, key=lambda cell: list(POINTS).index(cell.instant.point))


def _chosen(point: str, others: Collection[Cell], random: Random) -> Cell:
    """A cell of the point whose fault the others have least often."""
    of_point = [cell for cell in cells() if cell.instant.point == point]
    counts = {strike: sum(one.strike is strike for one in others) for strike in Strike}
    least = min(counts[cell.strike] for cell in of_point)
    return random.choice([cell for cell in of_point if counts[cell.strike] == least])


def struck_points() -> frozenset[str]:
    """The points at which some cell strikes."""
    return frozenset(instant.point for instant in INSTANTS)
