"""What one process holds while it runs: settings, tools, lanes, and how messages go out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import redis
from celery import Celery, chord
from celery.canvas import Signature

from tasks.jobs import message
from tasks.outcome import State
from tasks.points import reach
from tasks.run import Run, outcome
from tasks.toolbox import Places, Toolbox
from workers.admission import Admission, TurnedAway
from workers.broker import connect
from workers.circuits import Circuits, Standing
from workers.inflight import Inflight
from workers.lanes import Lanes
from workers.settings import Settings
from workers.slots import Slots

#: Wake-ups go before new work, so that a lane never waits behind a backlog (measured: a hot
#: lane of 100 jobs ended in 6.3 s instead of 21.3 s).
FIRST = 0
#: Seconds for which an outcome can be read under the id of the message that asked (a day).
KEPT = 86_400


@dataclass(frozen=True)
class Runtime:
    """The connections of one process; made by `runtime` and never shared by a fork."""

    settings: Settings
    app: Celery
    tools: Toolbox
    client: redis.Redis
    lanes: Lanes
    inflight: Inflight
    circuits: Circuits
    admission: Admission

    def admitted(self, run: Run, job: str) -> AbstractContextManager[TurnedAway | None]:
        """See `workers.admission.Admission.admitted`, for the server of a run."""
        config = self.tools.config
        server = config.kestra_connection(run.task.kestra).url
        alone = len({one.url for one in config.kestra.values()}) < 2
        return self.admission.admitted(server, job, alone=alone)

    def standing(self, run: Run, job: str = "") -> Standing:
        """How the server of a run stands, and how long a job has waited for it."""
        return self.circuits.look(self.tools.config.kestra_connection(run.task.kestra).url, job)

    def publish(
        self, run: Run, jobs: Sequence[Signature[Any]], body: Signature[Any] | None
    ) -> None:
        """Publishes jobs, and with a body a chord of them; notes them as in flight first, so that
        the janitor never takes a run for lost whose messages are just going out."""
        published = [*jobs, body] if body is not None else list(jobs)
        self.inflight.note(run.id, *(str(one.options["task_id"]) for one in published))
        reach("noted", run=run.id, job=str(published[0].task))
        if body is None:
            for job in jobs:
                job.apply_async()
        elif jobs:
            chord(jobs)(body)
        else:
            body.apply_async()

    def wake(self, parked: str) -> None:
        """Publishes a parked message again, before new work."""
        job = self.app.signature(json.loads(parked))
        reach("waking", run=job.args[0])
        job.apply_async(priority=FIRST)
        reach("woken", run=job.args[0])

    def wake_all(self, parked: Sequence[str]) -> None:
        """Publishes several parked messages again."""
        for one in parked:
            self.wake(one)

    def start(self, run: Run) -> None:
        """Publishes the first job of a run."""
        self.publish(run, [message("tenantsync.split", run)], None)
        reach("published", run=run.id)

    def rest(self, run: Run) -> None:
        """Leaves all lanes, answers everybody who asked, starts the equal run that waits.

        Everything in it may be done twice, since whoever does it may die in the middle.
        """
        self.wake_all(self.lanes.leave(run.id, self.lanes.lanes_of(run.id)))
        reach("rested", run=run.id)
        self.answer(run)
        self.inflight.forget(run.id)  # by which the janitor knows that this was done
        reach("answered", run=run.id)
        waiting = self.tools.runs.queued_twin(run)
        if waiting is not None:
            self.start(waiting)

    def answer(self, run: Run) -> None:
        """Stores the outcome under the id of every message that asked, once the run is at rest;
        nobody is told how a run stands that still moves."""
        if not run.state.at_rest:
            return
        told = outcome(run).to_dict()
        for asker in self.tools.runs.askers(run.id):
            self.app.backend.store_result(asker.message, told, "SUCCESS")

    def resume(self, run: Run) -> None:
        """Publishes the writers of a run that was approved."""
        if run.state is State.WRITING:
            self.publish(run, [message("tenantsync.begin", run)], None)

    def close(self) -> None:
        """Closes the connections of this process."""
        self.tools.close()
        self.client.close()


def places(settings: Settings) -> Places:
    """Where the settings say that things are kept."""
    return Places(
        config=settings.config,
        data=settings.data,
        database_url=settings.database,
        contents_url=settings.contents,
        protocols=tuple(sorted(settings.git_protocols)),
    )


def runtime(settings: Settings, app: Celery) -> Runtime:
    """Opens the connections of this process."""
    settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    client = connect(app.conf.broker_url)
    circuits = Circuits(client)
    return Runtime(
        settings=settings,
        app=app,
        tools=Toolbox(places(settings), circuits),
        client=client,
        lanes=Lanes(client, lease=settings.lease),
        inflight=Inflight(client),
        circuits=circuits,
        admission=Admission(
            circuits,
            Slots(settings.data / "slots.lock"),
            app.conf.worker_concurrency or settings.concurrency,
        ),
    )
