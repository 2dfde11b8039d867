"""A soak from start to end: everything is set up, people and faults do what a seed says, all comes
to rest, and the end is judged."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import IO, TypeVar

from tasks.outcome import State
from tasks.points import VARIABLE, hits
from tests.soak import gauges, report, verdict
from tests.soak.actions import Action, Ask, Cancel, Chooser, Decide, Edit, Revert, Strike, TakeUp
from tests.soak.desk import OPEN, Desk
from tests.soak.groups import GROUPS, Groups
from tests.soak.people import Editor
from tests.soak.places import ANCHOR, NAMESPACES, PAIRS, POOL, Pair, text_of
from tests.soak.strikes import heal, strike
from tests.soak.witness import watch_git
from tests.waiting import wait_for

T = TypeVar("T")
_MOVING = [state for state in State if state.in_motion or state is State.UNKNOWN]
#: Asks without an answer beyond which nobody asks for more.
CROWD = 8
#: Seconds within which an ask is answered, whatever strikes: three epochs of a lost job, each found
#: after its lease and a round of the janitor, on a busy machine.
LIMIT = 240.0
#: By how much the workers may have grown from the first tenth to the end. Memory: what the
#: interpreter and the allocator keep of the largest tenant read so far. Files: a job's process that
#: takes the place of a dead one is forked with the worker's connections open beside its own pools
#: (8 to Kestra, 10 to the records, those to Redis); threads: those pools while they read.
GROWTH = {"pss": 1.3, "largest": 1.5}
MORE_FILES, MORE_THREADS = 32, 16
#: Equal requests to Kestra within a second, by all jobs together.
BURST = 60
#: Private refs of runs that are over in the mirrors of one group: each run that ends there takes
#: those of all that are over, so that only the newest are left.
PINNED = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How long a soak is and what it meets."""

    runs: int
    seed: int
    #: The share of asks before which a fault is struck, 0 to 1.
    faults: float
    folder: Path


class Soak:
    """One soak; `go` gives all that is not as it must be."""

    def __init__(self, options: Options, database_url: str, say: Callable[[str], None]) -> None:
        self._options, self._say = options, say
        self._database_url = database_url
        self._struck: Counter[str] = Counter()
        self._begun = time.monotonic()
        self._told_at = self._begun
        self._first: gauges.Reading | None = None
        self._most_equal = self._pinned = 0

    def go(self) -> list[str]:
        """The whole soak."""
        options = self._options
        with Groups(options.folder, self._database_url) as self.groups:
            self._share_environment()
            self.desk, self.editor = Desk(self.groups), Editor(self.groups)
            with (options.folder / "actions.log").open("w") as self._log:
                try:
                    return self._go(self._log)
                finally:
                    self.desk.close()

    def _share_environment(self) -> None:
        """This process asks and decides by the same configuration, but no point strikes it."""
        own = {k: v for k, v in self.groups.environment.items() if k != VARIABLE}
        data = {"TENANTSYNC_DATA": str(self.groups.folder / "host-person")}
        os.environ.update({**own, **data})
        os.environ.pop(VARIABLE, None)

    def _go(self, log: IO[str]) -> list[str]:
        self._plant()
        keys = gauges.lasting_keys(self.groups)
        self._say("both groups are up, all pairs are synced once")
        for action in Chooser(self._options.seed, self._options.faults).actions():
            if self.done >= self._options.runs:
                break
            said = self._do(action)
            log.write(f"{time.time():.3f} {action} -> {said}\n")
            log.flush()
        return [*self._come_to_rest(), *self._judge(keys)]

    # -- the start ------------------------------------------------------------------------------

    def _plant(self) -> None:
        watch_git(self.groups)
        self.groups.start()
        random = Random(self._options.seed)
        for tenant in {pair.tenant for pair in PAIRS}:
            texts = {one: text_of(one, "planted") for one in POOL if random.random() < 0.7}
            texts[ANCHOR] = text_of(ANCHOR, "planted")
            pair = next(one for one in PAIRS if one.tenant == tenant)
            self.editor._in_kestra(pair, dict(texts))
        for pair in PAIRS:
            assert self._sync(pair, "KESTRA") == "APPLIED"

    def _sync(self, pair: Pair, source: str) -> str:
        """One plain sync of a pair, approved where a guard wants it; the state it ends in."""
        task = {
            **pair.task,
            "sourceOfTruth": source,
            "firstContact": "MIRROR",
            "namespaces": list(NAMESPACES),
        }
        message = self.desk.ask(Ask(job="tenant_sync", task=task))
        self._until("a plain sync is answered", lambda: not self.desk.moving())
        run = self.groups.records.get(self.desk.runs_of([message])[message])
        if run.state is State.WAITING:
            self.desk.approve(run)
            ended = self._until("the approved one ends", lambda: self._final(run.id))
            return str(ended)
        return str(run.state)

    def _final(self, run_id: str) -> State | None:
        state = self.groups.records.get(run_id).state
        return state if state.final else None

    # -- what is done ---------------------------------------------------------------------------

    @property
    def done(self) -> int:
        """Runs so far."""
        newest = self.groups.records.newest(1)
        return newest[0].seq if newest else 0

    def _do(self, action: Action) -> str:
        self.groups.git.status = None
        self._tend()
        match action:
            case Edit():
                return self.editor.edit(action)
            case Revert():
                return self.editor.revert(action)
            case Ask():
                self._until("fewer ask at once", lambda: self.desk.moving() < CROWD)
                return self.desk.ask(action)
            case TakeUp():
                said = self.desk.take_up(action)
                self._until("it is asked or refused", self.desk.recorded)
                return said
            case Decide():
                return self.desk.decide(action)
            case Cancel():
                return self.desk.cancel(action)
            case Strike():
                return self._strike(action)
        self._quiet()
        return "all is quiet"

    def _strike(self, fault: Strike) -> str:
        if fault.kind == "redis":
            # What nobody has taken from the broker yet is lost with it: that is the asker's.
            self._until("each ask is recorded", self.desk.recorded)
        self._struck[f"{fault.kind} {fault.what}"] += 1
        strike(self.groups, fault)
        return "struck"

    def _quiet(self) -> None:
        self._until("nothing moves", lambda: not self.desk.moving() and not self._moving())

    def _moving(self) -> bool:
        return bool(self.groups.records.newest(1, _MOVING))

    def _until(self, what: str, look: Callable[[], T | None], limit: float = LIMIT) -> T:
        def tended() -> T | None:
            self._tend()
            return look()

        try:
            return wait_for(what, tended, limit)
        except AssertionError as error:
            raise AssertionError(f"{error}: {self._standing()}") from None

    def _standing(self) -> str:
        """What has not come to an end."""
        moving = [f"{run.id} {run.state} {run.phase}" for run in self.desk.open(_MOVING)]
        return f"runs {moving}, asks {list(self.desk.unanswered)}"

    def _tend(self) -> None:
        self.groups.tend()
        now = time.monotonic()
        if self._first is None and self.done >= self._options.runs / 10:
            self._first = gauges.read(self.groups)
        if now - self._told_at >= 10:
            self._told_at = now
            self._say(
                f"{now - self._begun:5.0f} s  {self.done} of {self._options.runs} runs, "
                f"{sum(self._struck.values())} faults, {sum(self.groups.restarts.values())} "
                "workers started again"
            )

    # -- the end --------------------------------------------------------------------------------

    def _come_to_rest(self) -> list[str]:
        """No fault any more, all runs end, and a last sync makes the sides of each pair equal."""
        heal(self.groups)
        self._quiet()
        self._until("nobody stands still", lambda: not self.groups.standing)
        for run in self.desk.open(OPEN):
            self.desk.end(run)
        self._quiet()
        found = []
        random = Random(self._options.seed)
        for pair in PAIRS:
            source = "KESTRA" if pair.backup else random.choice(("KESTRA", "GIT"))
            found += self._last(pair, source)
        return found

    def _last(self, pair: Pair, source: str) -> list[str]:
        """The last sync of a pair: the target becomes what the source is, and nothing is left."""
        other = "GIT" if source == "KESTRA" else "KESTRA"
        wanted = self.editor.here(pair, source)
        found = []
        state = self._sync(pair, source)
        if state not in {"APPLIED", "UNCHANGED"}:
            found.append(f"the last sync of {pair} ended {state}")
        if self.editor.here(pair, source) != wanted:
            found.append(f"the last sync of {pair} wrote its source, {source}")
        if self.editor.here(pair, other) != wanted:
            found.append(f"the last sync of {pair} left both sides different")
        sides = (source,) if pair.backup else (source, other)
        after = {side: self._sync(pair, side) for side in sides}
        if set(after.values()) != {"UNCHANGED"}:
            found.append(f"syncs of {pair} after the last one ended {after}")
        return found

    def _judge(self, keys: set[str]) -> list[str]:
        found = self._leftovers(keys)
        evidence = verdict.gather(self.groups, self.editor.facts)
        found += verdict.all_faults(evidence)
        found += self._grown()
        hit = Counter(f"{one['point']} {one['fault']}" for one in hits(self.groups.points))
        self._say("\n".join(report.runs_table(evidence.told)))
        self._say("\n".join(report.faults_table(self._struck, hit)))
        self._say("\n".join(self._stores()))
        if self._pinned > PINNED:
            found.append(f"a mirror keeps {self._pinned} refs of runs that are over")
        if self._most_equal > BURST:
            found.append(f"Kestra was asked the same {self._most_equal} times in a second")
        return found

    def _leftovers(self, keys: set[str]) -> list[str]:
        """Messages, lanes, keys and private refs that somebody left behind."""
        groups, found = self.groups, []
        self.groups.git_out("fsck", "--strict")
        looks: dict[str, Callable[[], bool]] = {
            "a message is left": lambda: not groups.messages(),
            "a lane is left": lambda: not list(groups.redis.scan_iter("tenantsync:lane*")),
            "Redis keeps more than before": lambda: gauges.lasting_keys(groups) <= keys,
        }
        for what, look in looks.items():
            try:
                self._until(what, look, 30)
            except AssertionError:
                more = sorted(gauges.lasting_keys(groups) - keys)[:10]
                found.append(f"{what}: {groups.messages()} messages, keys {more}")
        return found

    def _grown(self) -> list[str]:
        first, last = self._first, gauges.read(self.groups)
        assert first is not None
        self._say("\n".join(report.gauge_table(first, last)))
        found = [
            f"workers grew: {name} {getattr(first, name)} -> {getattr(last, name)} kB"
            for name, times in GROWTH.items()
            if getattr(last, name) > getattr(first, name) * times
        ]
        if last.files > first.files + MORE_FILES:
            (self._options.folder / "files.log").write_text(
                "\n".join(gauges.open_files(self.groups))
            )
            found.append(f"open files grew: {first.files} -> {last.files}, see files.log")
        if last.threads > first.threads + MORE_THREADS:
            found.append(f"threads grew: {first.threads} -> {last.threads}")
        return found

    def _stores(self) -> list[str]:
        contents, pinned = gauges.size(self.groups.folder / "contents"), {}
        for name in GROUPS:
            pinned[name] = gauges.pinned_runs(self.groups, name)
        calls = Counter(
            (call["method"], call["path"], call["query"], int(call["started_at"]))
            for call in self.groups.kestra.log()
        )
        busiest = calls.most_common(1)[0]
        self._most_equal = busiest[1]
        over = {name: self.groups.records.over(list(runs)) for name, runs in pinned.items()}
        self._pinned = max(sum(pinned[name][run] for run in over[name]) for name in GROUPS)
        rows: list[tuple[str, object]] = [
            ("contents", f"{contents[0]} files, {contents[1] / 1e6:.1f} MB"),
            *(
                (
                    f"mirror of {name}",
                    "{} files, {:.1f} MB".format(*_millions(gauges.size(self.groups.host(name)))),
                )
                for name in GROUPS
            ),
            *((f"refs of runs in {name}", sum(pinned[name].values())) for name in GROUPS),
            ("keys that end by themselves", dict(sorted(gauges.passing_keys(self.groups).items()))),
            ("calls to Kestra", self.groups.kestra.counters()["requests"]),
            ("most equal calls in a second", f"{busiest[1]}: {busiest[0][0]} {busiest[0][1]}"),
            ("workers started again", dict(self.groups.restarts)),
            ("asks", f"{self.desk.asked}, {self.desk.repeated} sent again"),
            ("decisions", dict(sorted(self.desk.said.items()))),
        ]
        return report.table("what is left", rows)


def _millions(size: tuple[int, int]) -> tuple[int, float]:
    return size[0], size[1] / 1e6
