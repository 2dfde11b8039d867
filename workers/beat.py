"""When is a named sync asked by itself? Beside each other, several of these processes ask each
slot once: the slot is the id of the message that asks."""

from __future__ import annotations

import logging
import signal
import socket
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from tasks.errors import TenantSyncError
from tasks.run import Run
from workers.alive import alive_file, touch
from workers.broker import AWAY
from workers.producer import Producer
from workers.runtime import Runtime

log = logging.getLogger(__name__)

#: Seconds between two looks at the clock and the configuration.
LOOK = 1.0
#: A slot that was missed by more than this (the process was down) is left out; the next one
#: syncs the same things.
LATE = timedelta(minutes=1)


def due(runtime: Runtime, since: datetime, until: datetime) -> Mapping[str, datetime]:
    """The named syncs with a slot in (since, until], and the newest such slot of each."""
    slots: dict[str, datetime] = {}
    for name, sync in runtime.tools.config.syncs.items():
        if sync.schedule is None:
            continue
        slot = sync.schedule.following(max(since, until - LATE))
        while slot <= until:
            slots[name] = slot
            slot = sync.schedule.following(slot)
    return slots


def ask(runtime: Runtime, name: str, slot: datetime) -> Run:
    """Asks a named sync for one slot; whoever asks the same slot again gets the same run."""
    task = runtime.tools.config.sync(name)
    message = f"schedule.{name}.{slot.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    return Producer(runtime).ask(task, who=f"schedule {name}", message=message)


def _now() -> datetime:
    return datetime.now(UTC)


def run(runtime: Runtime, stop: threading.Event, clock: Callable[[], datetime] = _now) -> None:
    """Asks all due syncs until `stop` is set. A sync that cannot be asked is logged, and asked
    again at its next slot. `clock` tells the time, aware."""
    seen = clock()
    alive = alive_file(runtime.settings.data, f"beat@{socket.gethostname()}")
    while not stop.wait(LOOK):
        touch(alive)
        moment = clock()
        try:
            slots = due(runtime, seen, moment)
        except TenantSyncError as error:
            log.error("%s", error.message)  # the file is being edited: the slot is looked at again
            continue
        seen = moment
        for name, slot in slots.items():
            _ask(runtime, name, slot)


def _ask(runtime: Runtime, name: str, slot: datetime) -> None:
    try:
        log.info("schedule %s: run %s", name, ask(runtime, name, slot).id)
    except TenantSyncError as error:
        log.error("schedule %s: %s", name, error.message)
    except AWAY as error:
        why = type(error).__name__
        log.error("schedule %s: Redis is away (%s); its run starts when Redis is back", name, why)


def main(runtime: Runtime) -> None:
    """Runs until SIGTERM or SIGINT."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    run(runtime, stop)
