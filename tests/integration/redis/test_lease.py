"""The guard: no write starts without a lease that outlasts it."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import redis

from tasks.errors import ConfigError, LeaseLost
from tests.integration.redis.conftest import Server, until
from workers.broker import connect
from workers.lanes import Lanes, Taken

ROOT = Path(__file__).parent.parent.parent.parent


def take(lanes: Lanes, run: str = "a") -> Taken:
    lanes.enter(run, 1, ["n", "m"])
    answer = lanes.take(run, f"{run}1", ["n", "m"], "message")
    assert isinstance(answer, Taken), answer
    return answer


def test_a_lease_is_renewed_for_as_long_as_its_job_runs_and_not_longer(
    client: redis.Redis,
) -> None:
    lanes = Lanes(client, lease=0.6)
    taken = take(lanes)
    begin = time.monotonic()
    with lanes.guard(taken, ["n", "m"]) as guard:
        until(lambda: time.monotonic() > begin + 3 * lanes.lease, 5)
        assert not guard.lost
        guard(0.1)
        assert guard.held()
    assert "lease" not in {thread.name for thread in threading.enumerate()}
    until(lambda: not lanes.held(taken.token, ["n", "m"]), 2)


def test_no_write_starts_after_another_job_has_the_lane(client: redis.Redis) -> None:
    lanes = Lanes(client, lease=0.9)
    with lanes.guard(take(lanes), ["n", "m"]) as guard:
        guard(0.1)
        lanes.leave("a", ["n", "m"])
        taken = take(lanes, "b")
        with pytest.raises(LeaseLost, match=r"lane n .and 1 more. now belongs to another job"):
            guard(0.1)
        assert guard.lost
        assert not guard.held()
        assert lanes.held(taken.token, ["n", "m"])


def test_the_thread_notices_a_lost_lease_before_anybody_asks(client: redis.Redis) -> None:
    lanes = Lanes(client, lease=0.6)
    with lanes.guard(take(lanes), ["n", "m"]) as guard:
        lanes.leave("a", ["n"])
        until(lambda: guard.lost, 2)


def test_a_write_that_no_lease_would_outlast_is_a_fault_of_the_configuration(
    lanes: Lanes,
) -> None:
    with (
        lanes.guard(take(lanes), ["n", "m"]) as guard,
        pytest.raises(ConfigError, match="raise TENANTSYNC_LEASE to 90"),
    ):
        guard(60)


def test_a_lane_that_was_left_is_asked_for_no_more(lanes: Lanes) -> None:
    taken = take(lanes)
    with lanes.guard(taken, ["n", "m"]) as guard:
        lanes.leave("a", ["m"], taken.token)
        guard.left(["m"])
        guard(1)
        assert guard.held()


def test_without_redis_no_write_starts(server: Server) -> None:
    client = connect(server.url, patience=1)
    lanes = Lanes(client, lease=30)
    with lanes.guard(take(lanes), ["n", "m"]) as guard:
        guard(1)
        server.kill()
        with pytest.raises(LeaseLost, match="Redis does not say who holds lane n"):
            guard(1)
    client.close()


def test_a_lease_that_is_on_disk_outlives_a_restart_of_redis(server: Server) -> None:
    client = connect(server.url)
    lanes = Lanes(client, lease=30)
    with lanes.guard(take(lanes), ["n", "m"]) as guard:
        # What is written once a second may lag behind what was answered.
        assert client.execute_command("WAITAOF", 1, 0, 5000)[0] == 1
        server.kill()
        server.start()
        guard(1)
    client.close()


#: Takes the lane, says so, and asks its guard when its input ends.
HOLDER = """
import sys
from tasks.errors import LeaseLost
from workers.broker import connect
from workers.lanes import Lanes
lanes = Lanes(connect(sys.argv[1]), lease=0.6)
lanes.enter("a", 1, ["n"])
with lanes.guard(lanes.take("a", "a1", ["n"], "m"), ["n"]) as guard:
    print("holds", flush=True)
    sys.stdin.read()
    try:
        guard(0.1)
        print("writes", flush=True)
    except LeaseLost:
        print("lost", flush=True)
"""


def test_a_holder_that_was_stopped_past_its_lease_writes_nothing_when_it_goes_on(
    client: redis.Redis, url: str
) -> None:
    lanes = Lanes(client, lease=30)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, url],
        cwd=ROOT,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdin and holder.stdout
    assert holder.stdout.readline() == "holds\n"
    holder.send_signal(signal.SIGSTOP)
    until(lambda: isinstance(lanes.take("a", "a1", ["n"], "m"), Taken), 5)
    holder.send_signal(signal.SIGCONT)
    output, _ = holder.communicate(timeout=10)
    assert output == "lost\n"
