"""A schedule process whose clock goes faster: `python -m tests.beats START FACTOR SECONDS`.

START is the time that its clock shows first (ISO), to which all that are given one `BEATS_EPOCH`
(seconds since 1970) have set theirs; it ends after SECONDS.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from datetime import datetime, timedelta

from workers import beat
from workers.app import app
from workers.runtime import runtime
from workers.settings import settings


def main(start: str, factor: str, seconds: str) -> None:
    epoch = float(os.environ["BEATS_EPOCH"])

    def clock() -> datetime:
        passed = max(0.0, time.time() - epoch) * float(factor)
        return datetime.fromisoformat(start) + timedelta(seconds=passed)

    stop = threading.Event()
    threading.Timer(epoch + float(seconds) - time.time(), stop.set).start()
    opened = runtime(settings(), app)
    beat.run(opened, stop, clock)
    opened.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
