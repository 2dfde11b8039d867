"""The app of a worker that does nothing but show that it is alive."""

from __future__ import annotations

import os

from celery import Celery

from workers.alive import AliveFile
from workers.delivery import delivery_settings
from workers.settings import settings

app = Celery("test", broker=os.environ["TENANTSYNC_REDIS_URL"])
app.conf.update(delivery_settings(settings()))
app.steps["consumer"].add(AliveFile)
