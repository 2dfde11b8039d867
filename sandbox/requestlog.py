"""Which calls came, when, from whom, and how they were answered."""

from __future__ import annotations

from collections import deque
from dataclasses import asdict, dataclass
from typing import Any

#: Older entries fall out.
MAX_ENTRIES = 200_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One call."""

    method: str
    #: Decoded path, without the query.
    path: str
    #: The query as sent.
    query: str
    #: 0 where the connection was reset in place of an answer.
    status: int
    login: str | None
    #: Seconds of CLOCK_MONOTONIC, which all processes of one host share.
    started: float
    ended: float
    #: Seconds since 1970.
    started_at: float
    ended_at: float
    received_bytes: int
    sent_bytes: int
    #: What the call wrote or deleted, in order: `flow <namespace>/<id>`, `file <namespace>/<path>`,
    #: `dashboard <id>`, `kv <namespace>/<key>`.
    changed: tuple[str, ...] = ()
    #: Ids of the faults that struck.
    faults: tuple[int, ...] = ()


class RequestLog:
    """The calls since the last reset."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque(maxlen=MAX_ENTRIES)
        #: Calls since the server started; a reset leaves it alone.
        self.total = 0

    def add(self, entry: Entry) -> None:
        """Note a call."""
        self._entries.append(entry)
        self.total += 1

    def reset(self) -> None:
        """Forget all entries."""
        self._entries.clear()

    def as_json(self) -> list[dict[str, Any]]:
        """All entries, oldest first."""
        return [asdict(entry) for entry in self._entries]
