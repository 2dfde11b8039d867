"""A full Redis takes each decision whole or not at all, and the signs of life of what runs."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import redis

from workers.broker import refusal
from workers.inflight import Inflight
from workers.lanes import Lanes, Taken

LANES = ["a", "b"]


def _full(client: redis.Redis, full: bool) -> None:
    client.config_set("maxmemory", 1 if full else 0)


def _all(client: redis.Redis) -> dict[str, bytes]:
    """Every key and its value, without what is left of its time."""
    return {key: client.dump(key) for key in sorted(client.keys("*"))}


def _taken(lanes: Lanes) -> str:
    """Run r1 holds both lanes, r2 is parked behind it, r3 only stands there."""
    for number, run in enumerate(("r1", "r2", "r3")):
        lanes.enter(run, number, LANES)
    taken = lanes.take("r1", "j1", LANES, "m1")
    assert isinstance(taken, Taken)
    lanes.take("r2", "j2", LANES, "m2")
    return taken.token


#: Each decision that changes something, and what it needs.
DECISIONS: dict[str, Callable[[Lanes, str], object]] = {
    "enter": lambda lanes, token: lanes.enter("r4", 4, LANES),
    "take": lambda lanes, token: lanes.take("r3", "j3", LANES, "m3"),
    "renew": lambda lanes, token: lanes.renew(token, LANES),
    "release": lambda lanes, token: lanes.release("r1", "j1", token, LANES),
    "leave": lambda lanes, token: lanes.leave("r1", LANES, token),
    "wake": lambda lanes, token: list(lanes.idle_heads()),
}


@pytest.mark.parametrize("name", DECISIONS)
def test_a_decision_is_taken_whole_or_not_at_all(client: redis.Redis, name: str) -> None:
    decide = DECISIONS[name]
    lanes = Lanes(client)
    token = _taken(lanes)
    before = _all(client)
    _full(client, True)
    try:
        refused = _refused(lambda: decide(lanes, token))
    finally:
        _full(client, False)
    if refused:
        assert _all(client) == before
        assert not _refused(lambda: decide(lanes, token))
    found = _shape(client)
    client.flushall()
    decide(lanes, _taken(lanes))
    assert found == _shape(client)


def _refused(call: Callable[[], object]) -> bool:
    try:
        call()
    except redis.OutOfMemoryError:
        return True
    return False


def _shape(client: redis.Redis) -> dict[str, object]:
    """The keys and their fields; tokens and times are others each time."""
    return {
        key: client.zrange(key, 0, -1)
        if client.type(key) == "zset"
        else sorted(client.hkeys(key))
        if client.type(key) == "hash"
        else sorted(client.smembers(key))
        for key in sorted(client.keys("tenantsync:*"))
    }


def test_leases_and_signs_of_life_are_renewed_on_a_full_server(client: redis.Redis) -> None:
    lanes, inflight = Lanes(client), Inflight(client)
    token = _taken(lanes)
    inflight.note("r1", "j1")
    client.hset("tenantsync:run:r1:jobs", "j1", 0)
    _full(client, True)
    try:
        assert lanes.renew(token, LANES) is not None
        inflight.renew("r1", "j1")
        with pytest.raises(redis.OutOfMemoryError):
            inflight.note("r1", "j2")
        assert "its memory is full: raise maxmemory" in str(refusal(client))
    finally:
        _full(client, False)
    assert set(inflight.known("r1")) == {"j1"}
    assert inflight.known("r1")["j1"] < 60
    assert refusal(client) is None
