"""How does a plan read? One glyph and one line per change, and the figures in its last line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from tasks.plan import Action, Change, Held, Plan
from tasks.visible import visible_line

#: add, update, delete, conflict, stale, protected.
GLYPHS = ("+", "~", "-", "!", "?", "#")

_BY_ACTION = {Action.ADD: "+", Action.UPDATE: "~", Action.DELETE: "-"}
_WHY_HELD = {
    Held.PROTECTED: "kept, the namespace is protected",
    Held.CONFLICT: "kept, both sides moved",
    Held.UNREAD: "kept, a part could not be read",
    Held.INVALID: "left alone, the server does not accept the text",
    Held.MISSING: "missing in the source",
}


def glyph(change: Change) -> str:
    """The sign of a planned change; what is kept for another reason than protection is `!`."""
    if change.action is Action.KEEP:
        return "#" if change.held is Held.PROTECTED else "!"
    return _BY_ACTION[change.action]


def summary(plan: Plan) -> str:
    """`Plan: 3 to add, 2 to change, 1 to delete, 1 protected.`, and what else is kept, if any."""
    actions = Counter(change.action for change in plan.changes)
    held = Counter(change.held for change in plan.changes)
    figures = [
        f"{actions[Action.ADD]} to add",
        f"{actions[Action.UPDATE]} to change",
        f"{actions[Action.DELETE]} to delete",
        f"{held[Held.PROTECTED]} protected",
    ]
    others = (
        (Held.CONFLICT, "in conflict"),
        (Held.UNREAD, "kept unread"),
        (Held.INVALID, "invalid"),
        (Held.MISSING, "missing"),
    )
    figures += [f"{held[why]} {word}" for why, word in others if held[why]]
    return f"Plan: {', '.join(figures)}."


def lines(plan: Plan) -> Iterator[str]:
    """The plan as text, line by line, safe for a terminal: what could not be read comes first,
    then a new branch, the changes, problems and guards, and last the figures."""
    if plan.unread:
        yield visible_line(f"! not read: {', '.join(plan.unread)}; nothing is deleted")
    if plan.new_branch:
        start = f" from {plan.base_commit[:10]}" if plan.base_commit else ""
        yield visible_line(f"+ branch {plan.target.branch}{start}")
    for change in plan.changes:
        yield visible_line(_line(change))
    for problem in (*plan.problems, *plan.guards):
        yield visible_line(f"! {problem.code} {problem.where}: {problem.message}")
    yield summary(plan)


def _line(change: Change) -> str:
    words = [_WHY_HELD[change.held]] if change.held else [change.cause.lower().replace("_", " ")]
    if change.additions is not None and change.deletions is not None:
        words.append(f"+{change.additions} -{change.deletions}")
    if change.detail:
        words.append(change.detail)
    if change.moved_to:
        words.append(f"moves to {change.moved_to}")
    name = f"{change.namespace} {change.kind.lower()} {change.name}"
    return f"{glyph(change)} {name} ({'; '.join((*words, *change.risks))})"
