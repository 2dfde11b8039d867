"""The lanes against a model of themselves, and under many threads and processes."""

from __future__ import annotations

import json
import queue
import random
import subprocess
import sys
import threading
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from workers.broker import connect
from workers.lanes import Lanes, NotEntered, Taken

ROOT = Path(__file__).parent.parent.parent.parent
NAMES = ("n", "m", "o")
RUNS = ("a", "b", "c", "d")


@dataclass
class Model:
    """What the lanes should do, without leases that end."""

    line: dict[str, dict[str, int]] = field(default_factory=lambda: defaultdict(dict))
    lease: dict[str, tuple[str, str]] = field(default_factory=dict)
    parked: dict[str, dict[tuple[str, str], str]] = field(default_factory=lambda: defaultdict(dict))

    def head(self, lane: str) -> str | None:
        line = self.line[lane]
        return min(line, key=line.__getitem__) if line else None

    def take(self, run: str, job: str, lanes: list[str], message: str) -> str:
        if any(run not in self.line[lane] for lane in lanes):
            return "absent"
        for lane in lanes:
            self.parked[lane].pop((run, job), None)
        for lane in lanes:
            if lane in self.lease or self.head(lane) != run:
                self.parked[lane][run, job] = message
                return f"parked {lane} {self.lease.get(lane, (self.head(lane),))[0]}"
        self.lease.update(dict.fromkeys(lanes, (run, job)))
        return "taken"

    def release(self, run: str, job: str, lanes: list[str]) -> set[str]:
        freed = [lane for lane in lanes if self.lease.get(lane) == (run, job)]
        for lane in freed:
            del self.lease[lane]
        if freed:
            for lane in lanes:
                self.parked[lane].pop((run, job), None)
        return self.woken(lanes)

    def leave(self, run: str, lanes: list[str]) -> set[str]:
        for lane in lanes:
            if self.lease.get(lane, ("",))[0] == run:
                del self.lease[lane]
            self.line[lane].pop(run, None)
            self.parked[lane] = {
                place: text for place, text in self.parked[lane].items() if place[0] != run
            }
        return self.woken(lanes)

    def woken(self, lanes: list[str]) -> set[str]:
        return {
            text
            for lane in lanes
            if lane not in self.lease
            for (run, _), text in self.parked[lane].items()
            if run == self.head(lane)
        }


Choice = some.lists(some.sampled_from(NAMES), min_size=1, max_size=3, unique=True)
Deed = some.tuples(
    some.sampled_from(("enter", "take", "take", "take", "release", "leave")),
    some.sampled_from(RUNS),
    some.sampled_from(("1", "2")),
    Choice,
)


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(deeds=some.lists(Deed, max_size=40), order=some.permutations(RUNS))
def test_every_sequence_of_decisions_agrees_with_the_model(
    lanes: Lanes, deeds: list[tuple[str, str, str, list[str]]], order: list[str]
) -> None:
    lanes.empty()
    model, tokens = Model(), {}
    for deed, run, number, names in deeds:
        job = run + number
        if deed == "enter":
            lanes.enter(run, order.index(run), names)
            for name in names:
                model.line[name].setdefault(run, order.index(run))
        elif deed == "take":
            expected = model.take(run, job, names, f"m{job}")
            answer = lanes.take(run, job, names, f"m{job}")
            if isinstance(answer, Taken):
                tokens[job] = (answer.token, names)
                assert expected == "taken"
            elif isinstance(answer, NotEntered):
                assert expected == "absent"
            else:
                assert expected == f"parked {answer.lane} {answer.behind}"
        elif deed == "release" and job in tokens:
            token, held = tokens.pop(job)
            assert set(lanes.release(run, job, token, held)) == model.release(run, job, held)
        elif deed == "leave":
            assert set(lanes.leave(run, names)) == model.leave(run, names)
    for name in NAMES:
        places = lanes.line(name)
        assert [place.run for place in places] == sorted(
            model.line[name], key=lambda run, name=name: model.line[name][run]
        )
        holders = {place.holder for place in places if place.holder}
        assert holders == ({model.lease[name][1]} if name in model.lease else set())
    assert set(lanes.idle_heads()) == model.woken(list(NAMES))


class Crowd:
    """Threads that share a queue and write down who is in a lane together with whom."""

    def __init__(self, url: str, wants: dict[str, list[str]]) -> None:
        self.url = url
        self.wants = wants
        self.published: queue.Queue[str] = queue.Queue()
        self.inside: dict[str, str] = {}
        self.grants: dict[str, list[str]] = defaultdict(list)
        self.wrong: list[str] = []
        self.left: set[str] = set()

    def work(self) -> None:
        with connect(self.url) as client:
            lanes = Lanes(client)
            while len(self.left) < len(self.wants):
                try:
                    run = self.published.get(timeout=0.1)
                except queue.Empty:
                    continue
                answer = lanes.take(run, run, self.wants[run], run)
                if isinstance(answer, Taken):
                    self.write(run, client)
                    for message in lanes.leave(run, self.wants[run], answer.token):
                        self.published.put(message)
                    self.left.add(run)

    def write(self, run: str, client: redis.Redis) -> None:
        for name in self.wants[run]:
            if self.inside.setdefault(name, run) != run:
                self.wrong.append(f"{run} and {self.inside[name]} are both in {name}")
            self.grants[name].append(run)
        client.ping()  # lets the other threads go on
        for name in self.wants[run]:
            self.inside.pop(name, None)


@pytest.mark.parametrize("seed", range(3))
def test_eight_threads_never_write_one_lane_at_a_time_and_keep_the_order(
    url: str, seed: int
) -> None:
    chance = random.Random(seed)
    names = [f"n{each}" for each in range(6)]
    crowd = Crowd(
        url, {f"r{each}": chance.sample(names, chance.randint(1, 4)) for each in range(60)}
    )
    with connect(url) as client:
        for number, (run, wanted) in enumerate(crowd.wants.items()):
            Lanes(client).enter(run, number, wanted)
    for run in chance.sample(list(crowd.wants), len(crowd.wants)):
        crowd.published.put(run)
    threads = [threading.Thread(target=crowd.work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert crowd.wrong == []
    assert crowd.left == set(crowd.wants)
    for runs in crowd.grants.values():
        assert runs == sorted(runs, key=lambda run: int(run[1:]))


#: One of several processes that share a queue in Redis; a holder is written down and taken off
#: by Redis itself, so that two holders at a time are seen whatever the clocks say.
RUNNER = """
import json, sys
from workers.broker import connect
from workers.lanes import Lanes, Taken
client = connect(sys.argv[1])
lanes = Lanes(client, lease=30)
wants = json.loads(client.get("wants"))
while client.scard("left") < len(wants):
    found = client.blpop(["published"], timeout=0.2)
    if not found:
        continue
    run = found[1]
    answer = lanes.take(run, run, wants[run], run)
    if not isinstance(answer, Taken):
        continue
    for name in wants[run]:
        if client.incr(f"inside:{name}") != 1:
            client.rpush("wrong", f"{run} in {name}")
        client.rpush(f"grants:{name}", run)
    for name in wants[run]:
        client.decr(f"inside:{name}")
    client.sadd("left", run)
    for message in lanes.leave(run, wants[run], answer.token):
        client.rpush("published", message)
"""


def test_four_processes_never_write_one_lane_at_a_time_and_keep_the_order(
    client: redis.Redis, url: str
) -> None:
    chance = random.Random(7)
    names = [f"n{each}" for each in range(5)]
    wants = {f"r{each}": chance.sample(names, chance.randint(1, 3)) for each in range(120)}
    client.set("wants", json.dumps(wants))
    lanes = Lanes(client)
    for number, (run, wanted) in enumerate(wants.items()):
        lanes.enter(run, number, wanted)
    client.rpush("published", *chance.sample(list(wants), len(wants)))
    runners = [subprocess.Popen([sys.executable, "-c", RUNNER, url], cwd=ROOT) for _ in range(4)]
    for runner in runners:
        assert runner.wait(60) == 0
    assert client.lrange("wrong", 0, -1) == []
    assert client.scard("left") == len(wants)
    for name in names:
        runs = client.lrange(f"grants:{name}", 0, -1)
        assert runs == sorted(runs, key=lambda run: int(run[1:]))
    assert lanes.runs() == set()
