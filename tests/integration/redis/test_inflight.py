"""What Redis still knows of a run."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import redis
from celery import Celery
from kombu import Connection

from tests.integration.redis.conftest import until
from workers.delivery import QUEUE, delivery_settings
from workers.inflight import Inflight, present
from workers.lanes import Lanes
from workers.settings import Settings


@pytest.fixture
def app(url: str) -> Iterator[Celery]:
    app = Celery("test", broker=url, backend=url)
    app.conf.update(delivery_settings(Settings()))
    yield app
    app.close()


@pytest.fixture
def inflight(client: redis.Redis) -> Inflight:
    return Inflight(client)


def test_a_run_is_known_from_the_publish_of_its_first_job_to_the_end_of_its_last(
    inflight: Inflight, client: redis.Redis
) -> None:
    assert inflight.known("r") == {}
    inflight.note("r", "one", "two")
    assert set(inflight.known("r")) == {"one", "two"}
    assert all(0 <= age < 1 for age in inflight.known("r").values())
    inflight.done("r", "one")
    assert set(inflight.known("r")) == {"two"}
    assert 0 < client.ttl("tenantsync:run:r:jobs") <= 7 * 86_400
    inflight.done("r", "two")
    assert inflight.known("r") == {}
    assert client.keys() == []


def test_a_sign_of_life_renews_and_never_brings_back(inflight: Inflight) -> None:
    inflight.note("r", "one")
    until(lambda: inflight.known("r")["one"] > 0.3, 2)
    inflight.renew("r", "one", "gone")
    known = inflight.known("r")
    assert set(known) == {"one"}
    assert known["one"] < 0.3
    inflight.done("r", "one")
    inflight.renew("r", "one")
    assert inflight.known("r") == {}


def test_a_chord_s_body_is_as_old_as_the_end_of_the_last_job_before_it(
    inflight: Inflight,
) -> None:
    inflight.note("r", "header", "body")
    until(lambda: inflight.known("r")["body"] > 0.3, 2)
    inflight.done("r", "header")
    assert inflight.known("r")["body"] < 0.3


def test_a_job_that_ends_twice_or_was_never_noted_changes_nothing(inflight: Inflight) -> None:
    inflight.note("r", "one")
    until(lambda: inflight.known("r")["one"] > 0.2, 2)
    inflight.done("r", "other")
    assert inflight.known("r")["one"] > 0.2


def test_forgetting_is_of_one_run(inflight: Inflight) -> None:
    inflight.note("r", "one")
    inflight.note("s", "two")
    inflight.forget("r")
    assert inflight.known("r") == {}
    assert set(inflight.known("s")) == {"two"}


def test_starts_of_jobs_without_lanes_are_counted(inflight: Inflight, client: redis.Redis) -> None:
    assert [inflight.attempt("r", "one") for _ in range(3)] == [1, 2, 3]
    assert inflight.attempt("r", "two") == 1
    assert client.ttl("tenantsync:run:r:attempts") > 0


def test_a_message_is_found_in_a_long_queue_of_any_priority(
    app: Celery, client: redis.Redis
) -> None:
    with app.producer_pool.acquire(block=True) as producer:
        for number in range(1200):
            app.send_task("hold", [1], task_id=f"new{number}", producer=producer)
    app.send_task("hold", [1], task_id="woken", priority=0)
    wanted = {"new0", "new700", "new1199", "woken"}
    assert present(client, QUEUE, wanted | {"lost"}) == wanted


def test_a_message_that_a_worker_holds_is_found(app: Celery, client: redis.Redis, url: str) -> None:
    app.send_task("hold", [1], task_id="held")
    with Connection(url) as connection, connection.SimpleQueue(QUEUE) as queue:
        message = queue.get(timeout=5)
        assert client.hlen("unacked") == 1
        assert present(client, QUEUE, {"held", "lost"}) == {"held"}
        message.ack()
    assert present(client, QUEUE, {"held"}) == set()


def test_a_parked_message_is_found(client: redis.Redis, lanes: Lanes) -> None:
    lanes.enter("a", 1, ["n"])
    lanes.enter("b", 2, ["n"])
    lanes.take("b", "parked", ["n"], json.dumps({}))
    assert present(client, QUEUE, {"parked", "lost"}, lanes.parked()) == {"parked"}
