"""What of a plan needs a person, and what refuses it? Rules over all parts of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from tasks.artifacts import Kind
from tasks.partplan import PartPlan
from tasks.plan import Action, Cause, Change, Held
from tasks.problems import Code, Problem
from tasks.requests import DeletionBudget, OnConflict, Side, Sync


def guards(task: Sync, changes: Sequence[Change], parts: Sequence[PartPlan]) -> list[Problem]:
    """Why a person must agree before this is written; empty = nobody needs to.

    The budget does not count moves, whose text stays; what is held back counts for nothing.
    """
    deleted = [one for one in changes if one.action is Action.DELETE]
    figure = len(deleted)
    gone = [one for one in deleted if one.moved_to is None]
    found = [
        *_over_budget(task.deletion_budget, gone, parts),
        *_emptied(task.deletion_budget, changes, parts),
    ]
    if task.first_contact == "ASK":
        found += _first_contact(deleted)
    advice = f"; approve with --deletions {figure}, or mend the source"
    return [one.model_copy(update={"message": one.message + advice}) for one in found]


def _over_budget(
    budget: DeletionBudget, deleted: Sequence[Change], parts: Sequence[PartPlan]
) -> list[Problem]:
    numbers = Counter(one.kind for one in deleted)
    held: Counter[Kind] = Counter()
    for part in parts:
        held[part.kind] += part.target_count
    return [
        Problem(
            code=Code.DELETION_BUDGET,
            where=f"{kind}",
            message=f"{number} of {held[kind]} would be deleted, more than the deletionBudget "
            f"(free {budget.free}, items {budget.items}, percent {budget.percent:g})",
        )
        for kind, number in sorted(numbers.items())
        if trips(budget, number, held[kind])
    ]


def trips(budget: DeletionBudget, number: int, of: int) -> bool:
    """The formula of the budget: n > free and (n > items or n > percent of what the target
    holds)."""
    too_many = number > budget.items or number * 100 > budget.percent * of
    return number > budget.free and too_many


def _emptied(
    budget: DeletionBudget, changes: Sequence[Change], parts: Sequence[PartPlan]
) -> list[Problem]:
    """Namespaces that nothing is left of, though not all of it moved elsewhere."""
    leaving = Counter(one.namespace for one in changes if one.action is Action.DELETE)
    moving = Counter(
        one.namespace for one in changes if one.action is Action.DELETE and one.moved_to is not None
    )
    held: Counter[str] = Counter()
    for part in parts:
        held[part.namespace] += part.target_count
    return [
        Problem(
            code=Code.NAMESPACE_EMPTIED,
            where=namespace,
            message=f"all {number} artifacts of {namespace} would be deleted",
        )
        for namespace, number in sorted(leaving.items())
        if number - moving[namespace] > budget.free and number >= held[namespace]
    ]


def _first_contact(deleted: Iterable[Change]) -> list[Problem]:
    numbers = Counter(one.namespace for one in deleted if one.cause is Cause.FIRST_CONTACT)
    if not numbers:
        return []
    names = sorted(numbers)
    shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    message = f"{sum(numbers.values())} would be deleted in parts never synced before ({shown})"
    return [Problem(code=Code.FIRST_CONTACT, where=shown, message=message)]


def refusals(task: Sync, changes: Sequence[Change], parts: Sequence[PartPlan]) -> list[Problem]:
    """What refuses the run, all of it: an empty source, FAIL policies."""
    found = [
        _refusal(change, Code.MISSING_IN_SOURCE, "it is missing in the source")
        for change in changes
        if change.held is Held.MISSING
    ]
    if task.on_conflict is OnConflict.FAIL:
        found += [
            _refusal(change, Code.CONFLICT, "both sides changed since they were last equal")
            for change in changes
            if change.held is Held.CONFLICT
        ]
    return found + _empty_source(task, parts)


def _refusal(change: Change, code: Code, message: str) -> Problem:
    return Problem(code=code, where=str(change.key), message=message, fatal=True)


def _empty_source(task: Sync, parts: Sequence[PartPlan]) -> list[Problem]:
    """A side that is the truth for some kinds, was read whole, and holds nothing of any of them
    while the other side does."""
    if task.allow_empty or any(part.unread is not None for part in parts):
        return []
    sources = {side: [one for one in parts if task.source(one.kind) is side] for side in Side}
    return [
        _empty(task, side)
        for side, found in sources.items()
        if any(one.target_count for one in found) and not any(one.source_count for one in found)
    ]


def _empty(task: Sync, side: Side) -> Problem:
    place = f"{task.git_directory or 'the root'} of branch {task.branch}"
    place = place if side is Side.GIT else "Kestra"
    message = (
        f"the source ({place}) holds nothing of any kind in scope, the target does; check "
        "gitDirectory and branch, or allow it with allowEmpty"
    )
    return Problem(code=Code.EMPTY_SOURCE, where=place, message=message, fatal=True)


def held_unread(changes: Sequence[Change], parts: Sequence[PartPlan]) -> tuple[Change, ...]:
    """The changes without deletions when a part of the run could not be read."""
    if all(part.unread is None for part in parts):
        return tuple(changes)
    held = {"action": Action.KEEP, "held": Held.UNREAD}
    return tuple(
        change.model_copy(update=held) if change.action is Action.DELETE else change
        for change in changes
    )


def unread_problems(parts: Sequence[PartPlan]) -> list[Problem]:
    """One problem per part that could not be read."""
    return [
        Problem(code=Code.UNREAD, where=str(part.part), message=part.unread)
        for part in parts
        if part.unread is not None
    ]
