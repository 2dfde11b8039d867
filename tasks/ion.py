"""The changes of a plan as an Ion text file, as the vendor's plugin writes its diffs, and any
other value as Ion text."""

from __future__ import annotations

from collections.abc import Iterable

from amazon.ion import simpleion  # type: ignore[import-untyped]

from tasks.plan import Action, Change
from tasks.requests import Side
from tasks.visible import visible

_ACTIONS = {
    (Action.ADD, Side.GIT): "ADDED",
    (Action.ADD, Side.KESTRA): "ADDED",
    (Action.UPDATE, Side.GIT): "UPDATED_GIT",
    (Action.UPDATE, Side.KESTRA): "UPDATED_KES",
    (Action.DELETE, Side.GIT): "DELETED_GIT",
    (Action.DELETE, Side.KESTRA): "DELETED_KES",
}


def diff_ion(changes: Iterable[Change]) -> bytes:
    """`diff.ion`: one struct a line, one line per change that writes something, in order.

    One struct a line, and not one list, because Kestra's ForEachItem reads a list as one row.
    """
    rows = (ion_text(_row(change)) for change in changes if change.writes)
    return "".join(f"{row}\n" for row in rows).encode()


def ion_text(value: object, indent: str | None = None) -> str:
    """A value as Ion text in which every character that is not seen is written as an escape: Ion
    has the same ones (Ion text, "Strings"), and the library writes some of them raw."""
    return visible(simpleion.dumps(value, binary=False, indent=indent, omit_version_marker=True))


def _row(change: Change) -> dict[str, object]:
    added, deleted, changed = _counts(change)
    return {
        "file": change.path,
        "key": change.name,
        "kind": str(change.kind),
        "namespace": change.namespace,
        "action": _ACTIONS[change.action, change.target],
        "additions": f"+{added}",
        "deletions": f"-{deleted}",
        "changes": str(changed),
        "cause": str(change.cause),
        "risks": list(change.risks),
    }


def _counts(change: Change) -> tuple[int, int, int]:
    """Lines added, deleted and changed. The plugin counts lines that replace others one for one
    as changed and in neither other figure; bytes that are no text count nothing."""
    added, deleted = change.additions or 0, change.deletions or 0
    changed = min(added, deleted)
    return added - changed, deleted - changed, changed
