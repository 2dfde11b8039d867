"""A schedule process whose clock goes faster: `python -m tests.beats START FACTOR SECONDS`.

START is the time that its clock shows first (ISO, aware); it ends after SECONDS of real time.
"""

from __future__ import annotations

import sys
import threading
import time
from datetime import datetime, timedelta

from workers import beat
from workers.app import app
from workers.runtime import runtime
from workers.settings import settings


def main(start: str, factor: str, seconds: str) -> None:
    opened, stop, began = runtime(settings(), app), threading.Event(), time.monotonic()

    def clock() -> datetime:
        passed = (time.monotonic() - began) * float(factor)
        return datetime.fromisoformat(start) + timedelta(seconds=passed)

    timer = threading.Timer(float(seconds), stop.set)
    timer.start()
    beat.run(opened, stop, clock)
    timer.join()
    opened.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
