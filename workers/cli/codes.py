"""With which exit code does a command end that was about a run?"""

from __future__ import annotations

from tasks.outcome import Outcome, State
from tasks.problems import Code

DONE, FAILED, CHANGES, SHORT, UNKNOWN = 0, 1, 2, 3, 4

#: 0 done, nothing to do, dry run, waiting for a person, or replaced by a newer plan; 3 not or
#: not wholly done, or done over a text that nobody had seen; 4 not known; 1 an error. A run that
#: still moves (`--no-wait`) is 0.
_CODES = {
    State.REFUSED: SHORT,
    State.PARTIAL: SHORT,
    State.STALE: SHORT,
    State.REJECTED: SHORT,
    State.EXPIRED: SHORT,
    State.CANCELLED: SHORT,
    State.UNKNOWN: UNKNOWN,
    State.FAILED: FAILED,
}


def code_of(outcome: Outcome, *, tell_changes: bool) -> int:
    """The exit code of an outcome; `tell_changes` (`--exit-code`) makes 2 of a 0 whose plan has
    changes."""
    counts = outcome.counts
    code = _CODES.get(outcome.state, DONE)
    if code == DONE and any(problem.code is Code.OVERTAKEN for problem in outcome.problems):
        return SHORT
    has_changes = bool(counts.add or counts.update or counts.delete)
    return CHANGES if tell_changes and code == DONE and has_changes else code
