"""Is this process still turning? It touches a file of its own, and whoever watches it (the health
check of a container) looks at the file's age."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from celery import bootsteps

from workers.settings import settings

log = logging.getLogger(__name__)


def alive_file(data: Path, name: str) -> Path:
    """The file of a process in the data directory; `name` is `worker@host` or `beat@host`."""
    return data / "alive" / name


def touch(file: Path) -> None:
    """Makes the file new again. Never raises: a full disk must not end the process."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    except OSError as error:
        log.warning("no sign of life in %s: %s", file, error.strerror)


class AliveFile(bootsteps.StartStopStep):
    """Touches the worker's file every `heartbeat` seconds while it is connected and its event
    loop turns. Add it to `app.steps["consumer"]`."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **options: Any) -> None:
        super().__init__(consumer, **options)
        self._file = alive_file(settings().data, consumer.hostname)
        self._timer: Any = None

    def start(self, consumer: Any) -> None:
        """Runs at start and after every reconnect: Celery cancels the timers of steps when the
        connection is lost."""
        if self._timer is not None:
            self._timer.cancel()
        touch(self._file)
        self._timer = consumer.timer.call_repeatedly(settings().heartbeat, touch, (self._file,))
