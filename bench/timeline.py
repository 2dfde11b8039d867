"""Where does a run spend its time? Told by the events that Celery's workers send anyway."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from celery import Celery

from bench.stack import until

#: What Celery says of one job at one moment.
Event = Mapping[str, Any]

#: Seconds of silence after which all events of a run have come.
_SILENCE = 0.3
_PREFIX = "tenantsync."
#: A job that belongs to no run.
_OTHERS = {"tenantsync.janitor"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """All jobs of one name; times in seconds since the task was asked."""

    name: str
    jobs: int
    #: When the first began and when the last ended.
    begin: float
    end: float
    #: What all of them took together.
    busy: float
    #: How much later the run ended for this stage: from the end of those before it to its own.
    adds: float


@contextmanager
def events(celery: Celery) -> Iterator[list[Event]]:
    """Collects the events of all workers from now on; the list is whole when the block is left."""
    found: list[Event] = []
    ended = threading.Event()

    def listen() -> None:
        with celery.connection_for_read() as connection:
            receiver = celery.events.Receiver(connection, handlers={"*": found.append})
            with receiver.consumer_context(wakeup=False) as (bound, _, _):
                _drain(bound, ended)

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    with celery.events.default_dispatcher() as dispatcher:

        def heard() -> bool:
            dispatcher.send("bench-hello")
            return bool(found)

        until("the events of workers arrive", heard)
    try:
        yield found
    finally:
        ended.set()
        thread.join()


def _drain(connection: Any, ended: threading.Event) -> None:
    while True:
        with suppress(TimeoutError):
            connection.drain_events(timeout=_SILENCE)
            continue
        if ended.is_set():
            return


def stages(found: Sequence[Event], asked: float, answered: float) -> tuple[Stage, ...]:
    """The stages of a run that was asked and answered at these times (seconds since 1970)."""
    of_name: defaultdict[str, list[_Job]] = defaultdict(list)
    for job in _jobs(found):
        if job.begin >= asked and job.name not in _OTHERS:
            of_name[job.name].append(job)
    made, last = [], asked
    for name, some in sorted(of_name.items(), key=lambda pair: _begin(pair[1])):
        # A job that answers the asker ends after the answer is read.
        end = min(max(job.end for job in some), answered)
        made.append(
            Stage(
                name=name.removeprefix(_PREFIX),
                jobs=len(some),
                begin=_begin(some) - asked,
                end=end - asked,
                busy=sum(job.busy for job in some),
                adds=max(0.0, end - last),
            )
        )
        last = max(last, end)
    return tuple(made)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    name: str
    begin: float
    end: float
    busy: float


def _begin(jobs: Sequence[_Job]) -> float:
    return min(job.begin for job in jobs)


def _jobs(found: Sequence[Event]) -> Iterator[_Job]:
    """The jobs that began; one that never said that it ended (it asked for a run, and the answer
    comes later) ended when it began."""
    of_job: defaultdict[str, dict[str, Event]] = defaultdict(dict)
    for event in found:
        if "uuid" in event:
            of_job[event["uuid"]][event["type"]] = event
    for seen in of_job.values():
        received, started = seen.get("task-received"), seen.get("task-started")
        if received is None or started is None:
            continue
        ended = seen.get("task-succeeded", started)
        yield _Job(
            name=str(received["name"]),
            begin=float(started["timestamp"]),
            end=float(ended["timestamp"]),
            busy=float(ended.get("runtime", 0.0)),
        )
