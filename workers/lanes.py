"""Who may write a namespace now? Lanes in Redis: the line of the runs that want to write, the
lease of the job that does, and the parked messages of the jobs that wait."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import islice
from typing import Any, cast

import redis

from workers.broker import ATTEMPTS_KEPT, PREFIX
from workers.lease import Guard as Guard

#: Lanes that one script looks at when all are looked at, so that no other command waits long.
_BATCH = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """The job holds the leases of all its lanes."""

    token: str
    #: `time.monotonic()` of this machine at which they end unless renewed; never too late.
    deadline: float
    #: How often this job has got its leases, this time included.
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Parked:
    """The job waits: its message now lies in the lane that blocks it."""

    lane: str
    #: The run that goes first, or holds the lease; it may be the job's own run.
    behind: str
    #: The job of that run that holds the lease; None where it is only earlier in the line.
    holder: str | None
    #: Seconds until that lease ends unless renewed.
    expires: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NotEntered:
    """The run stands in no line there (Redis lost its memory, or the run has left): nothing was
    taken or parked; enter all lanes again and ask once more."""

    lane: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One run in the line of a lane."""

    run: str
    seq: int
    #: The job that holds the lease, and for how many seconds it has; None if none does.
    holder: str | None
    held_for: float | None
    #: Jobs whose messages lie in this lane.
    parked: tuple[str, ...]


class Lanes:
    """All lanes of one Redis.

    A lane is named by what is written (a namespace of a tenant of a server, a branch of a
    remote). A job that needs several is granted all or none. Names of runs, jobs and lanes
    hold no newline.
    """

    def __init__(self, client: redis.Redis, *, prefix: str = PREFIX, lease: float = 30) -> None:
        self._client = client
        self._prefix = prefix
        #: Seconds for which a lease is granted.
        self.lease = lease
        self._script = client.register_script(_source())

    def enter(self, run: str, seq: int, lanes: Iterable[str]) -> None:
        """Put a run into the lines of all `lanes` at once, ordered by `seq`. A run that is
        there already keeps its place. A smaller `seq` goes before every run that holds no
        lease, whenever it comes."""
        self._decide("enter", run, seq, *_once(lanes))

    def take(
        self, run: str, job: str, lanes: Iterable[str], message: str
    ) -> Taken | Parked | NotEntered:
        """Take the leases of all `lanes` for `job`, or park `message` in the first that blocks.

        Granted when the run heads all of them and no lease is live in any; a lease of the same
        run, even of the same job, blocks until it is freed or ends. Attempts are counted when
        granted. Without lanes it is always granted (and counted).
        """
        token, started = secrets.token_hex(16), time.monotonic()
        answer = self._decide(
            "take", run, job, token, self._milliseconds, ATTEMPTS_KEPT, message, *_once(lanes)
        )
        match answer[0]:
            case "taken":
                deadline = started + self.lease
                return Taken(token=token, deadline=deadline, attempts=int(answer[1]))
            case "absent":
                return NotEntered(lane=answer[1])
        _, lane, behind, holder, left = answer
        expires = int(left) / 1000 if int(left) >= 0 else None
        return Parked(lane=lane, behind=behind, holder=holder or None, expires=expires)

    def renew(self, token: str, lanes: Iterable[str]) -> float | None:
        """Grant the leases of `token` anew; the new deadline (`time.monotonic()`), or None when
        one of them is no longer this token's: then none is renewed."""
        started = time.monotonic()
        if self._decide("renew", token, self._milliseconds, *_once(lanes)):
            return started + self.lease
        return None

    def held(self, token: str, lanes: Iterable[str]) -> bool:
        """Whether the leases of all `lanes` are this token's at this moment."""
        return bool(self._decide("held", token, *_once(lanes)))

    def guard(self, taken: Taken, lanes: Iterable[str]) -> Guard:
        """The guard of the leases just taken; renews them from the start of its `with` block to
        its end."""
        return Guard(self, taken.token, taken.deadline, lanes)

    def release(self, run: str, job: str, token: str, lanes: Iterable[str]) -> list[str]:
        """Free the leases of `token`; the run keeps its place. What is parked for `job` is
        dropped. A token that holds nothing any more changes nothing.

        Returns the messages to publish: those of heads that nothing blocks any more. They stay
        parked until their job takes, releases or leaves, so a lost publish loses nothing.
        """
        return cast(list[str], self._decide("release", run, job, token, *_once(lanes)))

    def unpark(self, run: str, job: str, lanes: Iterable[str]) -> None:
        """Drop what is parked for a job, whose message comes again in another way."""
        self._decide("unpark", run, job, *_once(lanes))

    def leave(self, run: str, lanes: Iterable[str], token: str | None = None) -> list[str]:
        """Take a run out of the lines of `lanes`, with its parked messages and its lease.

        With a token, a lane whose lease another job of the run has taken since is left alone;
        without one (the run is over) the run's leases are freed whoever holds them.
        Returns the messages to publish, as `release` does.
        """
        return cast(list[str], self._decide("leave", run, token or "", *_once(lanes)))

    def idle_heads(self, quiet: float = 0) -> Iterator[str]:
        """The messages of all heads that are parked although nothing blocks them: their wake-up
        was lost, or a lease ended that nobody freed. Those given out less than `quiet` seconds
        ago, by whatever call, are left out."""
        milliseconds = int(quiet * 1000)
        for lanes in _batches(self._all(), _BATCH):
            yield from self._decide("wake", milliseconds, *lanes)

    def line(self, lane: str) -> list[Place]:
        """Who stands in a lane, in the order of their numbers. The holder is not always the
        first: a run with a smaller number may have come after it took its lease."""
        pipe = self._client.pipeline()
        pipe.zrange(self._key(lane, "line"), 0, -1, withscores=True)
        pipe.hgetall(self._key(lane, "lease"))
        pipe.hkeys(self._key(lane, "parked"))
        pipe.time()
        runs, lease, parked, (seconds, microseconds) = pipe.execute()
        now = seconds + microseconds / 1_000_000
        return [_place(run, int(seq), lease, parked, now) for run, seq in runs]

    def lanes_of(self, run: str) -> list[str]:
        """The lanes that a run stands in, sorted."""
        return sorted(cast(set[str], self._client.smembers(f"{self._prefix}run:{run}:lanes")))

    def runs(self) -> set[str]:
        """All runs that stand in some lane."""
        runs: set[str] = set()
        for lanes in _batches(self._all(), _BATCH):
            pipe = self._client.pipeline(transaction=False)
            for lane in lanes:
                pipe.zrange(self._key(lane, "line"), 0, -1)
            runs.update(*pipe.execute())
        return runs

    def parked(self) -> set[str]:
        """The ids of all jobs whose messages are parked somewhere."""
        jobs: set[str] = set()
        for lanes in _batches(self._all(), _BATCH):
            pipe = self._client.pipeline(transaction=False)
            for lane in lanes:
                pipe.hkeys(self._key(lane, "parked"))
            for places in pipe.execute():
                jobs.update(place.partition("\n")[2] for place in places)
        return jobs

    def parked_of(self, run: str) -> list[str]:
        """The messages that are parked for a run, wherever; they stay parked."""
        messages: list[str] = []
        for lane in self.lanes_of(run):
            parked = cast(dict[str, str], self._client.hgetall(self._key(lane, "parked")))
            messages += [text for place, text in parked.items() if place.startswith(f"{run}\n")]
        return messages

    def empty(self) -> None:
        """Forget every lane and everything else below the prefix."""
        for keys in _batches(self._client.scan_iter(match=f"{self._prefix}*", count=500), 500):
            self._client.delete(*keys)

    @property
    def _milliseconds(self) -> int:
        return int(self.lease * 1000)

    def _all(self) -> Iterator[str]:
        return cast(Iterator[str], self._client.sscan_iter(f"{self._prefix}lanes", count=_BATCH))

    def _key(self, lane: str, what: str) -> str:
        return f"{self._prefix}lane:{lane}:{what}"

    def _decide(self, decision: str, *arguments: str | int) -> Any:
        return self._script(keys=[self._prefix], args=[decision, *arguments])


def _source() -> str:
    return files("workers").joinpath("lanes.lua").read_text(encoding="utf-8")


def _batches(names: Iterator[str], size: int) -> Iterator[tuple[str, ...]]:
    while batch := tuple(islice(names, size)):
        yield batch


def _once(lanes: Iterable[str]) -> Sequence[str]:
    return tuple(dict.fromkeys(lanes))


def _place(run: str, seq: int, lease: dict[str, str], parked: Sequence[str], now: float) -> Place:
    holds = lease.get("run") == run
    return Place(
        run=run,
        seq=seq,
        holder=lease["job"] if holds else None,
        held_for=max(0.0, now - int(lease["since"]) / 1000) if holds else None,
        parked=tuple(sorted(p.partition("\n")[2] for p in parked if p.startswith(f"{run}\n"))),
    )
