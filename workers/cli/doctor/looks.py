"""How long may looks take? Several go on beside each other, and none is waited for longer than
its limit: a dead server must not hold up what there is to say of the others."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence

from workers.cli.doctor.finding import Finding, Look

#: Looks at a time.
AT_A_TIME = 8
#: The share of its limit that one request or command of a look may take, so that most looks can
#: still say themselves what did not answer.
SHARE = 0.5


def answers(looks: Sequence[Look], limit: float) -> Iterator[tuple[Look, list[Finding]]]:
    """Each look with what it found, in their order. One that takes longer than `limit` seconds is
    left alone and said to have run out of time."""
    for start in range(0, len(looks), AT_A_TIME):
        running = [_Running(look, limit) for look in looks[start : start + AT_A_TIME]]
        for one in running:
            yield one.look, one.answer()


class _Running(threading.Thread):
    # A daemon: the process ends although a look still waits for a server that never answers.
    def __init__(self, look: Look, limit: float) -> None:
        super().__init__(name=f"look at {look.subject.name}", daemon=True)
        self.look, self._limit = look, limit
        self._end = time.monotonic() + limit
        self._found: list[Finding] = []
        self.start()

    def run(self) -> None:
        self._found = self.look()

    def answer(self) -> list[Finding]:
        self.join(max(0.0, self._end - time.monotonic()))
        return [self._late()] if self.is_alive() else self._found

    def _late(self) -> Finding:
        text = (
            f"ran out of time after {self._limit:g} s: it does not answer, or is very slow; see "
            "that it runs and can be reached from here, or give it longer with --timeout"
        )
        return self.look.subject.broken(self.look.check, text)
