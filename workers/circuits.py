"""Which Kestra is away? Failures in a row are counted in Redis for all workers together; after a
few, jobs of that server are turned away but for one at a time, which finds out whether it is back.

Losing this in Redis is harmless: it is counted anew.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from importlib.resources import files
from typing import cast

import redis

from workers.broker import PREFIX

log = logging.getLogger(__name__)

#: Requests in a row without an answer after which a server counts as away.
FAILURES = 3
#: Seconds until the next job may find out whether it is back, and seconds for which the answer to
#: that is waited for before another may.
PROBE_EVERY, PROBE_TAKES = 5.0, 30.0
#: Seconds after the last failure after which all is forgotten.
_KEPT = 3600


class Answers(StrEnum):
    """How a server answers."""

    CLOSED = "closed"
    #: Some requests have failed and none has been answered since.
    DOUBTFUL = "doubtful"
    #: It counts as away.
    OPEN = "open"
    #: It counts as away, and the job that asked may find out whether it is back.
    PROBE = "probe"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a server stands for one job."""

    server: str
    answers: Answers
    since: datetime | None = None
    #: The last failure in words.
    why: str = ""
    #: Seconds until it is worth asking again, and for which this job has waited already.
    left: float = 0.0
    waited: float = 0.0

    @property
    def is_away(self) -> bool:
        """Whether it counts as away."""
        return self.answers in {Answers.OPEN, Answers.PROBE}

    def __str__(self) -> str:
        since = f" since {self.since:%H:%M:%S} UTC" if self.since is not None else ""
        return f"Kestra {self.server} is away{since}: {self.why}"


class Circuits:
    """The circuits of all servers in one Redis; a server is named by its url. Hears how requests
    end (`tasks.circuit.Circuit`)."""

    def __init__(
        self, client: redis.Redis, *, prefix: str = PREFIX, probe_every: float = PROBE_EVERY
    ) -> None:
        self._client = client
        self._prefix = prefix
        self._every = probe_every
        source = files("workers").joinpath("circuits.lua").read_text(encoding="utf-8")
        self._script = client.register_script(source)
        #: Servers that have failed lately as far as this process knows: who answers is only told
        #: then, so that a healthy server costs no call.
        self._doubtful: set[str] = set()

    def ask(self, server: str, job: str) -> Standing:
        """How a server stands for a job that wants to ask it something."""
        return self._standing(server, "ask", job)

    def release(self, server: str, job: str) -> None:
        """A job that was to find out whether a server is back has ended; if it has asked nothing,
        another may."""
        self._tell("release", server, job)

    def look(self, server: str, job: str = "") -> Standing:
        """How a server stands, for those who only want to know, and how long a job has waited."""
        return self._standing(server, "look", job)

    def answered(self, server: str) -> None:
        """See `tasks.circuit.Circuit`."""
        if server in self._doubtful:
            self._doubtful.discard(server)
            self._tell("answered", server, "")

    def failed(self, server: str, why: str) -> None:
        """See `tasks.circuit.Circuit`."""
        self._doubtful.add(server)
        self._tell("failed", server, why)

    def _standing(self, server: str, decision: str, job: str) -> Standing:
        said = self._decide(decision, server, job)
        answers = Answers(said[0])
        if answers is Answers.CLOSED:
            self._doubtful.discard(server)
            return Standing(server=server, answers=answers)
        self._doubtful.add(server)
        _, since, why, left, waited = said
        return Standing(
            server=server,
            answers=answers,
            since=datetime.fromtimestamp(int(since) / 1000, UTC),
            why=why,
            left=int(left) / 1000,
            waited=int(waited) / 1000,
        )

    def _tell(self, decision: str, server: str, word: str) -> None:
        try:
            self._decide(decision, server, word)
        except (redis.RedisError, OSError) as error:
            log.warning("how %s answers is not counted: %s", server, type(error).__name__)

    def _decide(self, decision: str, server: str, word: str) -> list[str]:
        key = f"{self._prefix}server:{server}"
        times = (int(one * 1000) for one in (self._every, PROBE_TAKES, _KEPT))
        arguments: list[str | int] = [decision, word, FAILURES, *times]
        return cast(list[str], self._script(keys=[key, f"{key}:waiting"], args=arguments))
