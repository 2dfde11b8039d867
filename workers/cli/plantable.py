"""How does a plan look? Its changes by namespace, the weightiest in full, and its last line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from rich.cells import cell_len
from rich.text import Text

from tasks.look import How
from tasks.plan import Action, Change, Held, Plan
from tasks.report import GLYPHS, glyph, summary
from workers.cli.console import line, out, tell

#: Changes that are shown one by one; of longer plans the rest is counted by namespace.
ROWS = 40
#: Cells that names are filled up to, so that what follows stands in a column.
WIDEST = 32
#: Namespaces whose rest is counted, at most.
COUNTED = 20

_INDENT = " " * 14
_STYLES = {"+": "green", "~": "yellow", "-": "red", "!": "magenta", "?": "magenta", "#": "blue"}
_HELD = {
    Held.PROTECTED: "kept: the namespace is protected",
    Held.CONFLICT: "kept: both sides moved",
    Held.UNREAD: "kept: a part could not be read",
    Held.INVALID: "kept: the server does not accept it",
    Held.MISSING: "missing in the source",
}
_ENDED = {
    How.STALE: "not written: it had moved",
    How.FAILED: "not written",
    How.HELD: "held back",
    How.UNKNOWN: "not known whether it landed",
}


def show_changes(plan: Plan, run_id: str, ended: Mapping[str, How]) -> None:
    """The changes of a plan by namespace; `ended` says how those ended that were written, by
    their key."""
    shown = _weightiest(plan.changes)
    for head in _head(plan):
        tell(head)
    for row in _namespaces(plan.changes, shown, ended):
        tell(row)
    if len(shown) < len(plan.changes):
        tell(f"All {len(plan.changes)} changes: tenantsync runs diff {run_id}")


def last_line(plan: Plan) -> Text:
    """`Plan: 3 to add, ...`"""
    return Text(summary(plan), style="bold")


def _head(plan: Plan) -> Iterator[Text]:
    if plan.unread:
        yield line(f"! not read: {', '.join(plan.unread)}; so nothing is deleted", "bold magenta")
    if plan.new_branch:
        start = f" from {plan.base_commit[:10]}" if plan.base_commit else ""
        yield line(f"+ branch {plan.target.branch}{start}", "green")


def _weightiest(changes: Sequence[Change]) -> frozenset[str]:
    """The keys of the changes that are shown: deletions and held ones before all others."""
    order = {Action.DELETE: 0, Action.KEEP: 1, Action.UPDATE: 2, Action.ADD: 3}
    ranked = sorted(changes, key=lambda change: order[change.action])
    return frozenset(str(change.key) for change in ranked[:ROWS])


def _namespaces(
    changes: Sequence[Change], shown: frozenset[str], ended: Mapping[str, How]
) -> Iterator[Text]:
    width = max((cell_len(one.name) for one in changes if str(one.key) in shown), default=0)
    counted = 0
    for namespace, group in groupby(changes, key=lambda change: change.namespace):
        listed = list(group)
        rows = [change for change in listed if str(change.key) in shown]
        rest = [change for change in listed if str(change.key) not in shown]
        if rows:
            yield line(namespace, "bold")
        for change in rows:
            yield _row(change, ended.get(str(change.key)), min(width, WIDEST))
        counted += bool(rest)
        if rest and counted <= COUNTED:
            yield _rest(namespace, rest, more=bool(rows))
    if counted > COUNTED:
        yield Text(f"… and changes of {counted - COUNTED} more namespaces")


def _row(change: Change, how: How | None, width: int) -> Text:
    """A change on one line; its reason goes below it where the terminal is too narrow."""
    sign = "?" if how is How.STALE else glyph(change)
    name = line(change.name)
    name.pad_right(max(0, width - name.cell_len))
    row = Text.assemble(
        "  ",
        (sign, _STYLES.get(sign, "")),
        f" {change.kind.lower():<9} ",
        name,
        f"  {_lines(change):<9}",
    )
    why = line(_why(change, how), "dim")
    if row.cell_len + 1 + why.cell_len <= out().width:
        return Text.assemble(row, " ", why)
    row.rstrip()
    below = why.wrap(out(), max(20, out().width - len(_INDENT)))
    return Text("\n").join([row, *(Text.assemble(_INDENT, each) for each in below)])


def _lines(change: Change) -> str:
    if change.held is not None:
        return ""
    if change.additions is None or change.deletions is None:
        return "" if change.action in {Action.KEEP, Action.DELETE} else "bytes"
    return f"+{change.additions} -{change.deletions}"


def _why(change: Change, how: How | None) -> str:
    if how in _ENDED:
        return _ENDED[how]
    if change.held is not None:
        return _HELD[change.held]
    cause = change.cause.lower().replace("_", " ")
    words = [f"{cause}: {change.detail}" if change.detail else cause]
    if change.moved_to:
        words.append(f"moves to {change.moved_to}")
    return "; ".join((*words, *change.risks))


def _rest(namespace: str, changes: Sequence[Change], *, more: bool) -> Text:
    signs = Counter(glyph(change) for change in changes)
    figures = "  ".join(f"{sign}{signs[sign]}" for sign in GLYPHS if signs[sign])
    return line(f"  … {figures} more" if more else f"{namespace}  {figures}")
