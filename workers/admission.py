"""May this job ask its Kestra now? Not while the server is away, and not with all slots of a worker
while another server is asked as well."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

from workers.circuits import Answers, Circuits, Standing
from workers.slots import Slots, share

#: Seconds after which a job that was turned away comes back: the longest wait for a server that is
#: away, and the wait for a slot.
_LONGEST, _SLOT = 10.0, 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnedAway:
    """The job gives its slot back and comes again."""

    standing: Standing
    #: Seconds until then.
    wait: float

    @property
    def is_away(self) -> bool:
        """Whether the server is away, and not just busy with as many jobs as it may have."""
        return self.standing.answers is Answers.OPEN

    @property
    def why(self) -> str:
        """Why, in words."""
        if self.is_away:
            return str(self.standing)
        return f"as many jobs as may ask Kestra {self.standing.server} at once are under way"


class Admission:
    """Lets the jobs of one worker to the servers; `size` is the number of its slots."""

    def __init__(self, circuits: Circuits, slots: Slots, size: int) -> None:
        self._circuits = circuits
        self._slots = slots
        self._size = size

    @contextmanager
    def admitted(self, server: str, job: str, *, alone: bool) -> Iterator[TurnedAway | None]:
        """None while the job may ask the server, in the block; `alone`: no other server is
        configured, so that all slots are its."""
        standing = self._circuits.ask(server, job)
        if standing.answers is Answers.OPEN:
            # Jitter keeps those that wait from coming back all at once.
            wait = min(standing.left, _LONGEST) * random.uniform(1.0, 1.3)
            yield TurnedAway(standing=standing, wait=max(_SLOT, wait))
            return
        try:
            with self._slot(server, standing, alone=alone) as taken:
                wait = _SLOT * random.uniform(0.7, 1.3)
                yield None if taken else TurnedAway(standing=standing, wait=wait)
        finally:
            if standing.answers is Answers.PROBE:
                self._circuits.release(server, job)

    def _slot(
        self, server: str, standing: Standing, *, alone: bool
    ) -> AbstractContextManager[bool]:
        if alone:
            return nullcontext(True)
        doubtful = standing.answers is not Answers.CLOSED
        return self._slots.taken(server, share(self._size, doubtful=doubtful))
