"""One round of the janitor at a time, under a lease that its work renews."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import redis
from celery import Celery

from tasks.outcome import State
from tasks.requests import TenantSync
from tests.integration.redis.conftest import until
from workers.janitor import LEASE, Janitor
from workers.runtime import Runtime, runtime
from workers.settings import Settings


@pytest.fixture
def opened(url: str, tmp_path: Path) -> Iterator[Runtime]:
    app = Celery("janitor", broker=url, backend=url)
    opened = runtime(Settings(data=tmp_path, redis_url=url), app)
    yield opened
    opened.close()
    app.close()


def test_a_second_round_beside_the_first_does_nothing(
    opened: Runtime, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = Janitor(opened), Janitor(opened)
    inside, go = threading.Event(), threading.Event()

    def slow() -> int:
        inside.set()
        assert go.wait(20)
        return 0

    monkeypatch.setattr(first, "_revive", slow)
    round_ = threading.Thread(target=first.round)
    round_.start()
    assert inside.wait(20)
    assert client.pttl(LEASE) > 0
    assert second.round() == "another round is under way"
    go.set()
    round_.join(20)
    until(lambda: not client.exists(LEASE), 5)
    assert second.round() == "nothing to do"


def test_a_round_that_lost_its_lease_stops(
    opened: Runtime, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    janitor = Janitor(opened)

    def taken_over() -> int:
        client.set(LEASE, "another")
        return 0

    monkeypatch.setattr(janitor, "_wake", taken_over)
    monkeypatch.setattr(janitor, "_settle_unknown", lambda: pytest.fail("went on"))
    assert janitor.round() == "the lease ended; another round goes on"
    assert client.get(LEASE) == "another"


@pytest.mark.filterwarnings("ignore:Call to deprecated setex:DeprecationWarning")  # of Celery
def test_a_run_at_rest_whose_end_was_told_to_nobody_is_answered(
    opened: Runtime, url: str, tmp_path: Path
) -> None:
    # Its records were away when its job, which moved it, wanted to know who had asked.
    task = TenantSync(sourceOfTruth="KESTRA", branch="main")
    run, _ = opened.tools.runs.ask(task, who="pat", message="asked")
    opened.inflight.note(run.id, "a job")
    opened.tools.runs.move(run, State.CANCELLED)
    at_once = replace(opened, settings=Settings(data=tmp_path, redis_url=url, janitor=0.01))
    until(lambda: "answered 1" in Janitor(at_once).round(), 10)
    assert opened.app.AsyncResult("asked").get(timeout=1)["state"] == "CANCELLED"
    assert not opened.inflight.runs()
