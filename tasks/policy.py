"""What may be done about a difference? The task's policies, for one artifact at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tasks.artifacts import Part
from tasks.compare import Difference
from tasks.plan import Action, Held
from tasks.protection import is_protected
from tasks.requests import OnConflict, Sync, WhenMissing


@dataclass(frozen=True, slots=True)
class Decision:
    """The action that policy leaves; KEEP names what holds it back."""

    action: Action
    held: Held | None = None


def decide(
    difference: Difference, task: Sync, part: Part, protected: Sequence[str]
) -> Decision | None:
    """The decision on one difference; None where it is left alone without a word
    (`whenMissingInSource: KEEP`).

    What refuses the whole run is data here (held MISSING or CONFLICT); the gathering of the run
    lists all of them.
    """
    if difference.action is Action.DELETE:
        return _missing(difference, task, part, protected)
    if difference.conflict and task.on_conflict is not OnConflict.SOURCE:
        return Decision(Action.KEEP, Held.CONFLICT)
    return Decision(difference.action)


def _missing(
    difference: Difference, task: Sync, part: Part, protected: Sequence[str]
) -> Decision | None:
    if task.when_missing_in_source is WhenMissing.KEEP:
        return None
    if is_protected(part.namespace, protected):
        return Decision(Action.KEEP, Held.PROTECTED)
    if difference.conflict and task.on_conflict is not OnConflict.SOURCE:
        return Decision(Action.KEEP, Held.CONFLICT)
    if task.when_missing_in_source is WhenMissing.FAIL:
        return Decision(Action.KEEP, Held.MISSING)
    return Decision(Action.DELETE)
