"""A message outlives its worker and runs once while its worker lives."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from celery import Celery
from celery.app.defaults import SETTING_KEYS
from kombu.transport.redis import Channel

from tasks.errors import ConfigError
from tests.integration.redis.conftest import Server, Worker, until
from tests.wire import Wire
from workers.broker import check_clock, clock_skew, connect
from workers.delivery import delivery_settings
from workers.inflight import Inflight
from workers.settings import Settings

Start = Callable[..., Worker]
#: Of the test workers, in seconds.
VISIBILITY, HEARTBEAT = 6, 1
#: How many messages a test worker holds at a time.
SLOTS = 2
#: An acknowledgement on the wire, as kombu sends it.
ACK = b"ZREM\r\n$13\r\nunacked_index"


class Producer:
    """Publishes the jobs of `worker_app` and reads what they left in Redis."""

    def __init__(self, url: str) -> None:
        self.app = Celery("test", broker=url, backend=url)
        self.app.conf.update(delivery_settings(Settings()))
        self.client = connect(url)

    def publish(self, job: str, seconds: float = 60, **options: object) -> None:
        self.app.send_task("hold", [seconds], task_id=job, headers={"run": "r1"}, **options)

    def starts(self, job: str) -> int:
        return int(self.client.llen(f"starts:{job}"))

    def ends(self, job: str) -> int:
        return int(self.client.llen(f"ends:{job}"))

    def let_go(self, job: str) -> None:
        self.client.rpush(f"go:{job}", 1)

    def unacked(self) -> int:
        return int(self.client.hlen("unacked"))

    def last_sign(self) -> float:
        """When the worker of the only message last said that it lives; 0 without a message."""
        signs = self.client.zrange("unacked_index", 0, -1, withscores=True)
        return float(signs[0][1]) if signs else 0.0

    def close(self) -> None:
        self.client.close()
        self.app.close()


@pytest.fixture
def producer(url: str) -> Iterator[Producer]:
    producer = Producer(url)
    yield producer
    producer.close()


def test_a_job_three_times_as_long_as_the_visibility_timeout_runs_once(
    url: str, producer: Producer, worker: Start
) -> None:
    worker(url, "one")
    worker(url, "two")
    producer.publish("long", seconds=3 * VISIBILITY)
    assert producer.app.AsyncResult("long").get(timeout=40) == "held"
    assert producer.starts("long") == 1


def test_the_job_of_a_killed_worker_runs_again_within_visibility_and_sweep(
    url: str, producer: Producer, worker: Start
) -> None:
    first = worker(url, "one")
    producer.publish("job")
    until(lambda: producer.starts("job") == 1, 10)
    worker(url, "two")
    first.kill()
    killed = time.monotonic()
    until(lambda: producer.starts("job") == 2, VISIBILITY + HEARTBEAT + 3)
    assert time.monotonic() - killed > VISIBILITY - 2 * HEARTBEAT, "it was not abandoned yet"
    producer.let_go("job")
    assert producer.app.AsyncResult("job").get(timeout=10) == "held"
    until(lambda: producer.unacked() == 0, 5)


def test_the_job_of_a_killed_child_is_given_back_by_its_parent(
    url: str, producer: Producer, worker: Start
) -> None:
    worker(url)
    producer.publish("job")
    until(lambda: producer.starts("job") == 1, 10)
    os.kill(int(producer.client.lrange("starts:job", 0, 0)[0]), signal.SIGKILL)
    # The parent looks after its children every 5 s.
    until(lambda: producer.starts("job") == 2, 5 + 5)
    producer.let_go("job")
    assert producer.app.AsyncResult("job").get(timeout=10) == "held"


def test_a_message_that_waits_for_its_time_is_kept_alive_and_runs_once(
    url: str, producer: Producer, worker: Start
) -> None:
    worker(url, "one")
    worker(url, "two")
    producer.publish("later", seconds=0, countdown=2 * VISIBILITY)
    assert producer.app.AsyncResult("later").get(timeout=40) == "held"
    assert producer.starts("later") == 1


def test_a_job_runs_once_though_redis_was_away_for_longer_than_the_visibility_timeout(
    server: Server, worker: Start
) -> None:
    producer = Producer(server.url)
    workers = [worker(server.url, "one"), worker(server.url, "two")]
    producer.publish("job")
    until(lambda: producer.starts("job") == 1, 10)
    assert producer.client.execute_command("WAITAOF", 1, 0, 5000)[0] == 1
    server.kill()
    killed = time.monotonic()
    until(lambda: time.monotonic() > killed + VISIBILITY + 2 * HEARTBEAT, 20)
    server.start()
    back = time.time()
    until(lambda: producer.last_sign() > back + 2 * VISIBILITY, 40)
    assert producer.starts("job") == 1
    producer.let_go("job")
    assert producer.app.AsyncResult("job").get(timeout=20) == "held"
    until(lambda: producer.unacked() == 0, 5)
    assert [each.running.poll() for each in workers] == [None, None]
    producer.close()


def test_a_cut_connection_neither_repeats_what_runs_nor_delays_what_waits_for_its_time(
    url: str, producer: Producer, worker: Start
) -> None:
    one = worker(url)
    producer.publish("job")
    producer.publish("later", seconds=0, countdown=4)
    until(lambda: producer.starts("job") == 1 and producer.unacked() == 2, 10)
    asked = time.monotonic()
    producer.client.client_kill_filter(_type="normal", skipme=True)
    until(lambda: one.says("Connection to broker lost"), 5)
    assert producer.app.AsyncResult("later").get(timeout=20) == "held"
    assert time.monotonic() - asked < VISIBILITY
    producer.let_go("job")
    assert producer.app.AsyncResult("job").get(timeout=20) == "held"
    until(lambda: producer.unacked() == 0, 5)
    assert (producer.starts("job"), producer.starts("later")) == (1, 1)


def test_messages_whose_acknowledgement_is_cut_neither_stay_nor_take_the_place_of_others(
    server: Server, worker: Start
) -> None:
    producer, wire = Producer(server.url), Wire(server.port)
    one = worker(server.url.replace(str(server.port), str(wire.port)))
    for cuts in range(1, SLOTS + 1):
        wire.cut(ACK, answered=False)
        producer.publish(f"job{cuts}", seconds=0)
        until(lambda: wire.cuts == cuts, 20)  # noqa: B023
    assert producer.unacked() == SLOTS
    producer.publish("next", seconds=0)
    assert producer.app.AsyncResult("next").get(timeout=20) == "held"
    until(lambda: producer.unacked() == 0, 4 * VISIBILITY)
    assert one.says("is not acknowledged: Redis is away")
    assert not one.says("Connection to broker lost"), "the worker has noticed by itself"
    wire.close()
    producer.close()


def test_a_worker_that_is_told_to_stop_gives_its_job_back_at_once(
    url: str, producer: Producer, worker: Start
) -> None:
    first = worker(url, "one", TENANTSYNC_SHUTDOWN="1")
    producer.publish("job")
    until(lambda: producer.starts("job") == 1, 10)
    worker(url, "two")
    first.running.terminate()
    first.running.wait(15)
    until(lambda: producer.starts("job") == 2, VISIBILITY / 2)
    producer.let_go("job")
    assert producer.app.AsyncResult("job").get(timeout=10) == "held"


def test_a_worker_that_waits_for_its_last_job_still_gives_signs_of_life(
    url: str, producer: Producer, worker: Start
) -> None:
    first = worker(url, "one", REMAP_SIGTERM="")
    producer.publish("job")
    until(lambda: producer.starts("job") == 1, 10)
    worker(url, "two")
    first.running.terminate()
    told = time.time()
    until(lambda: producer.last_sign() > told + 2 * VISIBILITY, 30)
    assert producer.starts("job") == 1
    producer.let_go("job")
    assert first.running.wait(15) == 0
    assert producer.app.AsyncResult("job").get(timeout=10) == "held"


def test_the_heartbeat_keeps_the_run_of_a_held_message_known(
    url: str, producer: Producer, worker: Start, client: redis.Redis
) -> None:
    inflight = Inflight(client)
    inflight.note("r1", "job", "elsewhere")
    worker(url)
    producer.publish("job")
    until(lambda: producer.starts("job") == 1, 10)

    def kept() -> bool:
        known = inflight.known("r1")
        return known["job"] < 2 * HEARTBEAT < 4 * HEARTBEAT < known["elsewhere"]

    until(kept, 15)
    producer.let_go("job")


def test_a_worker_whose_clock_is_off_refuses_to_start(
    url: str, tmp_path: Path, worker: Start
) -> None:
    wrong = "import time\nright = time.time\ntime.time = lambda: right() + 2.5\n"
    (tmp_path / "sitecustomize.py").write_text(wrong)
    root = Path(__file__).parent.parent.parent.parent
    with pytest.raises(AssertionError, match="ended with 1"):
        worker(url, "wrong", PYTHONPATH=f"{tmp_path}{os.pathsep}{root}")
    log = (tmp_path / "wrong.log").read_text()
    assert "the clock of this machine is 2.5 s ahead of the clock of Redis" in log
    assert "at most 1.5 s are safe (a quarter of TENANTSYNC_VISIBILITY)" in log


def test_clocks_that_agree_are_let_pass(client: redis.Redis) -> None:
    assert abs(clock_skew(client)) < 1
    check_clock(client, 30)
    with pytest.raises(ConfigError, match="the clock of this machine is"):
        check_clock(client, 0)


def test_every_setting_of_delivery_is_one_that_celery_and_kombu_know() -> None:
    chosen = delivery_settings(Settings())
    assert set(chosen) <= set(SETTING_KEYS)
    options = chosen["broker_transport_options"]
    assert isinstance(options, dict)
    assert set(options) <= set(Channel.from_transport_options)
    assert chosen["accept_content"] == chosen["result_accept_content"] == ["json"]
