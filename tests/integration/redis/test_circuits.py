"""Failures in a row open the circuit of a server for all workers; one job at a time finds out
whether it is back."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from tests.waiting import wait_for
from workers.admission import Admission
from workers.circuits import FAILURES, Answers, Circuits
from workers.slots import Slots, share

SERVER, OTHER = "http://kestra.example:8080", "http://other.example:8080"


@pytest.fixture
def circuits(client: redis.Redis) -> Circuits:
    return Circuits(client, probe_every=0.2)


def _fail(circuits: Circuits, times: int = FAILURES) -> None:
    for number in range(times):
        circuits.failed(SERVER, f"no answer {number}")


def _admission(circuits: Circuits, folder: Path, size: int = 8) -> Admission:
    return Admission(circuits, Slots(folder / "slots.lock"), size)


def test_a_few_failures_in_a_row_open_it_for_everybody(
    client: redis.Redis, circuits: Circuits
) -> None:
    elsewhere = Circuits(client, probe_every=0.2)
    assert elsewhere.ask(SERVER, "a").answers is Answers.CLOSED
    _fail(circuits, FAILURES - 1)
    assert elsewhere.ask(SERVER, "a").answers is Answers.DOUBTFUL
    elsewhere.failed(SERVER, "the last one")
    standing = circuits.ask(SERVER, "a")
    assert (standing.answers, standing.why) == (Answers.OPEN, "the last one")
    assert standing.since is not None and 0 < standing.left <= 0.2
    assert f"Kestra {SERVER} is away since " in str(standing)
    assert circuits.ask(OTHER, "a").answers is Answers.CLOSED


def test_an_answer_in_between_begins_the_count_anew(circuits: Circuits) -> None:
    for _ in range(3):
        _fail(circuits, FAILURES - 1)
        circuits.answered(SERVER)
        assert circuits.ask(SERVER, "a").answers is Answers.CLOSED


def test_one_job_at_a_time_finds_out_whether_it_is_back(circuits: Circuits) -> None:
    _fail(circuits)
    probe = wait_for("a probe", lambda: _probe(circuits, "a"))
    assert probe
    assert circuits.ask(SERVER, "b").answers is Answers.OPEN
    circuits.failed(SERVER, "still away")
    assert circuits.ask(SERVER, "a").answers is Answers.OPEN, "the next one only after a while"
    wait_for("another probe", lambda: _probe(circuits, "b"))
    circuits.release(SERVER, "a")
    assert circuits.ask(SERVER, "c").answers is Answers.OPEN, "only its own place is given back"
    circuits.release(SERVER, "b")
    assert _probe(circuits, "c")
    circuits.answered(SERVER)
    assert circuits.ask(SERVER, "d").answers is Answers.CLOSED


def _probe(circuits: Circuits, job: str) -> bool:
    return circuits.ask(SERVER, job).answers is Answers.PROBE


def test_a_job_is_told_how_long_it_has_waited(client: redis.Redis) -> None:
    circuits = Circuits(client, probe_every=60)
    _fail(circuits)
    assert circuits.ask(SERVER, "a").waited == 0
    wait_for("a has waited", lambda: circuits.ask(SERVER, "a").waited > 0.05)
    assert circuits.ask(SERVER, "b").waited == 0


def test_a_redis_that_lost_it_or_is_away_harms_nobody(
    client: redis.Redis, circuits: Circuits
) -> None:
    _fail(circuits)
    client.flushall()
    assert circuits.ask(SERVER, "a").answers is Answers.CLOSED
    nobody = Circuits(redis.Redis(port=1))
    nobody.failed(SERVER, "no answer")
    nobody.answered(SERVER)


def test_one_of_several_servers_never_gets_all_slots(circuits: Circuits, tmp_path: Path) -> None:
    admission = _admission(circuits, tmp_path)
    with _jobs_elsewhere(tmp_path, share(8, doubtful=False) - 1):
        with admission.admitted(SERVER, "a", alone=False) as refused:
            assert refused is None, "the last place"
        _fail(circuits, 1)
        with admission.admitted(SERVER, "b", alone=False) as refused:
            assert refused is not None and not refused.is_away, "in doubt it may have fewer"
    circuits.answered(SERVER)
    with _jobs_elsewhere(tmp_path, share(8, doubtful=False)):
        with admission.admitted(SERVER, "b", alone=False) as refused:
            assert refused is not None and not refused.is_away
        with admission.admitted(SERVER, "b", alone=True) as refused:
            assert refused is None
        with admission.admitted(OTHER, "c", alone=False) as refused:
            assert refused is None
    with admission.admitted(SERVER, "d", alone=False) as refused:
        assert refused is None, "who dies gives its place back"


@contextmanager
def _jobs_elsewhere(folder: Path, number: int) -> Iterator[None]:
    """A child of this process that holds so many places and dies with them."""
    slots = Slots(folder / "slots.lock")
    program = (
        "import fcntl, sys, time\nfile, start, number = sys.argv[1:]\n"
        "held = open(file, 'ab')\n"
        "fcntl.lockf(held, fcntl.LOCK_EX | fcntl.LOCK_NB, int(number), int(start))\n"
        "print('held', flush=True)\ntime.sleep(600)\n"
    )
    arguments = [str(folder / "slots.lock"), str(slots._start(SERVER)), str(number)]
    command = [sys.executable, "-c", program, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None and process.stdout.readline() == "held\n"
            yield
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("slots", "sure", "doubtful"), [(1, 1, 1), (2, 1, 1), (4, 3, 1), (8, 6, 2)]
)
def test_the_share_of_a_server(slots: int, sure: int, doubtful: int) -> None:
    assert (share(slots, doubtful=False), share(slots, doubtful=True)) == (sure, doubtful)
