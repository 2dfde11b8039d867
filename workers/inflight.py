"""Which jobs of a run does Redis still know? One entry per published job, kept alive by whoever
has the message; and a look into the queues for messages that nobody has taken yet."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from importlib.resources import files
from typing import Any, cast

import redis
from kombu.transport.redis import Channel

from workers.broker import ATTEMPTS_KEPT, PREFIX

#: Milliseconds for which a run without any sign of life is remembered: a week of backlog.
_KEPT = 7 * 86_400_000
#: Messages read at a time.
_PAGE = 500


class Inflight:
    """The jobs in flight, by run. An entry is noted with the publish, renewed by the delivery
    heartbeat and by parking, and removed when its job ends."""

    def __init__(self, client: redis.Redis, *, prefix: str = PREFIX) -> None:
        self._client = client
        self._prefix = prefix
        source = files("workers").joinpath("inflight.lua").read_text(encoding="utf-8")
        self._script = client.register_script(source)

    def note(self, run: str, *jobs: str) -> None:
        """Note jobs just before they are published, the body of a chord with its headers."""
        self._decide("note", run, jobs)

    def renew(self, run: str, *jobs: str) -> None:
        """Renew the entries of jobs whose messages somebody holds; entries that are gone stay
        gone."""
        self._decide("renew", run, jobs)

    def attempt(self, run: str, job: str) -> int:
        """Count a start of a job that has no lanes (`Lanes.take` counts the others'); how often
        it was started, this time included."""
        key = f"{self._prefix}run:{run}:attempts"
        pipe = self._client.pipeline()
        pipe.hincrby(key, job, 1)
        pipe.expire(key, ATTEMPTS_KEPT)
        return int(pipe.execute()[0])

    def take_back(self, run: str, job: str) -> None:
        """Counts the attempt that is under way no more: the job had to wait for others."""
        self._client.hincrby(f"{self._prefix}run:{run}:attempts", job, -1)

    def attempts(self, run: str, job: str) -> int:
        """How often a job was started so far, or has got its leases."""
        return int(self._client.hget(f"{self._prefix}run:{run}:attempts", job) or 0)

    def done(self, run: str, job: str) -> None:
        """A job has come to its end and will not run again."""
        self._decide("done", run, (job,))

    def forget(self, run: str) -> None:
        """A run is over, or gets a new epoch."""
        self._client.delete(self._key(run))

    def runs(self) -> set[str]:
        """All runs with jobs in flight, and those at rest that nobody has answered yet."""
        before, after = self._key("*").split("*")
        keys = cast(Iterator[str], self._client.scan_iter(match=self._key("*"), count=_PAGE))
        return {key.removeprefix(before).removesuffix(after) for key in keys}

    def known(self, run: str) -> dict[str, float]:
        """The jobs of a run in flight → seconds since their last sign of life, or since another
        job of the run last ended, if that is later (a chord's body has no message before).

        Empty: Redis knows nothing of the run. A job that gave no sign for longer than the
        visibility timeout may still wait in a long queue: ask `present`.
        """
        flat = self._decide("ages", run, ())
        return {job: int(age) / 1000 for job, age in zip(flat[::2], flat[1::2], strict=True)}

    def _key(self, run: str) -> str:
        return f"{self._prefix}run:{run}:jobs"

    def _decide(self, decision: str, run: str, jobs: Iterable[str]) -> list[str]:
        return cast(list[str], self._script(keys=[self._key(run)], args=[decision, _KEPT, *jobs]))


def present(
    client: redis.Redis, queue: str, jobs: Iterable[str], parked: Iterable[str] = ()
) -> set[str]:
    """Those of `jobs` that have a message: in `queue` at any priority, delivered and not yet
    acknowledged, or among `parked` (`Lanes.parked`).

    Reads the whole queue, so it is for jobs that look lost. Looks twice: a message that moves
    while it is looked for is seen the second time.
    """
    wanted = frozenset(jobs)
    found = wanted & frozenset(parked)
    for _ in range(2):
        if missing := wanted - found:
            found |= _queued(client, queue, missing) | _unacknowledged(client, missing)
    return set(found)


def _queued(client: redis.Redis, queue: str, wanted: frozenset[str]) -> frozenset[str]:
    names = [f"{queue}{Channel.sep}{step}" if step else queue for step in Channel.priority_steps]
    messages = (json.loads(text) for name in names for text in _listed(client, name))
    return frozenset(_job(message) for message in messages) & wanted


def _listed(client: redis.Redis, name: str) -> Iterator[str]:
    # From the left, where messages come in: those that come meanwhile shift others to the
    # right, where they are seen twice, never missed.
    start = 0
    while page := cast(list[str], client.lrange(name, start, start + _PAGE - 1)):
        yield from page
        start += len(page)


def _unacknowledged(client: redis.Redis, wanted: frozenset[str]) -> frozenset[str]:
    entries = client.hscan_iter(Channel.unacked_key, count=_PAGE)
    return frozenset(_job(json.loads(text)[0]) for _, text in entries) & wanted


def _job(message: Mapping[str, Any]) -> str:
    return str(message.get("headers", {}).get("id", ""))
