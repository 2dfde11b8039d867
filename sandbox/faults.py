"""Which calls go wrong, when and how: faults that tests arm, counted as they are hit."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any


class When(StrEnum):
    """On which side of the request's effect a fault acts."""

    #: The request is not carried out.
    BEFORE = "before"
    #: The request is carried out, its answer is what goes wrong.
    AFTER = "after"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What goes wrong with the calls that match.

    Several armed faults that match one call act together; of `status`, `reset` and `truncate` the
    first armed one wins.
    """

    #: Regular expression for the method, whole.
    method: str = ".*"
    #: Regular expression, searched in the decoded `path?query`.
    target: str = ""
    #: How many matching calls are hit; None = all.
    times: int | None = 1
    #: Matching calls that pass before the first hit.
    skip: int = 0
    #: Milliseconds the call waits before it is carried out.
    latency: float = 0
    #: Milliseconds the answer waits after the call was carried out.
    answer_latency: float = 0
    #: Answer with this status in place of the right one.
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: str | None = None
    #: Reset the connection in place of an answer.
    reset: bool = False
    #: Whether `status` or `reset` strike before the request is carried out, or after.
    when: When = When.BEFORE
    #: Send only so many bytes of the answer, then reset the connection.
    truncate: int | None = None
    #: Lose the changes of this call whose key (`flow ns/id`, `file ns/path`, `dashboard id`,
    #: `kv ns/key`) matches; the answer stays as it is.
    lose: str | None = None
    #: What another writer puts into the tenant at this call (a seed document).
    edit: dict[str, Any] | None = None
    edit_when: When = When.BEFORE


@dataclass(slots=True, eq=False)
class Armed:
    """A fault in wait, and how often it was met."""

    id: int
    fault: Fault
    #: Called like `edit`, where the test runs in the server's process.
    callback: Callable[[], None] | None = None
    seen: int = 0
    hits: int = 0

    def strikes(self, method: str, target: str) -> bool:
        """Count a call; True where the fault acts on it."""
        fault = self.fault
        if not re.fullmatch(fault.method, method) or not re.search(fault.target, target):
            return False
        self.seen += 1
        if self.seen <= fault.skip or (fault.times is not None and self.hits >= fault.times):
            return False
        self.hits += 1
        return True


class Faults:
    """All faults armed on one server."""

    def __init__(self) -> None:
        self._armed: dict[int, Armed] = {}
        self._next = 1

    def arm(self, fault: Fault, callback: Callable[[], None] | None = None) -> Armed:
        """Put a fault in wait."""
        armed = Armed(self._next, fault, callback)
        self._armed[armed.id] = armed
        self._next += 1
        return armed

    def disarm(self, fault_id: int | None = None) -> None:
        """Take one fault away, or all."""
        if fault_id is None:
            self._armed.clear()
        else:
            self._armed.pop(fault_id, None)

    def striking(self, method: str, target: str) -> Strike:
        """What happens to a call."""
        return Strike([one for one in self._armed.values() if one.strikes(method, target)])

    def __iter__(self) -> Iterator[Armed]:
        return iter(self._armed.values())


class Strike:
    """All that the faults of one call ask for."""

    def __init__(self, armed: list[Armed]) -> None:
        self.armed = armed

    @property
    def latency(self) -> float:
        """Seconds to wait before the call is carried out."""
        return sum(one.fault.latency for one in self.armed) / 1000

    @property
    def answer_latency(self) -> float:
        """Seconds to wait before the answer is sent."""
        return sum(one.fault.answer_latency for one in self.armed) / 1000

    @property
    def lose(self) -> str | None:
        """The pattern of the changes to lose."""
        patterns = [one.fault.lose for one in self.armed if one.fault.lose is not None]
        return "|".join(f"(?:{pattern})" for pattern in patterns) or None

    @property
    def truncate(self) -> int | None:
        """After how many bytes the answer breaks off."""
        return next((a.fault.truncate for a in self.armed if a.fault.truncate is not None), None)

    def replacement(self, when: When) -> Fault | None:
        """The fault that answers in place of the server."""
        for one in self.armed:
            fault = one.fault
            if (fault.reset or fault.status is not None) and fault.when is when:
                return fault
        return None

    def edits(self, when: When) -> list[Armed]:
        """The faults that change the tenant."""
        return [
            one
            for one in self.armed
            if one.fault.edit_when is when and (one.callback or one.fault.edit)
        ]


def fault_from_json(record: dict[str, Any]) -> Fault:
    """A fault out of its fields; raises ValueError that names an unknown one."""
    unknown = set(record) - {entry.name for entry in fields(Fault)}
    if unknown:
        raise ValueError(f"a fault has no field {', '.join(sorted(unknown))}")
    changed = dict(record)
    for name in ("when", "edit_when"):
        if name in changed:
            changed[name] = When(changed[name])
    return Fault(**changed)
