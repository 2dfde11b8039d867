"""The app of the test workers: jobs that tell when they start and wait to be let go."""

from __future__ import annotations

import os
from typing import Any

from celery import Celery

from workers.broker import connect
from workers.delivery import DeliveryHeartbeat, delivery_settings
from workers.settings import settings

URL = os.environ["TENANTSYNC_REDIS_URL"]

app = Celery("test", broker=URL, backend=URL)
app.conf.update(delivery_settings(settings()))
if "WITHOUT_HEARTBEAT" not in os.environ:
    app.steps["consumer"].add(DeliveryHeartbeat)


@app.task(name="hold", bind=True)
def hold(self: Any, seconds: float) -> str:
    """Runs until something is pushed to `go:<id>`, `seconds` at most."""
    with connect(URL) as client:
        client.rpush(f"starts:{self.request.id}", os.getpid())
        # A pause shorter than the client's patience: the server may die meanwhile.
        for _ in range(round(seconds * 2)):
            if client.blpop([f"go:{self.request.id}"], timeout=0.5):
                break
        client.rpush(f"ends:{self.request.id}", os.getpid())
    return "held"
