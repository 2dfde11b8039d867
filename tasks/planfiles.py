"""The files of a plan: `plan.json`, `diff.patch` and `diff.ion`, staged by digest."""

from __future__ import annotations

from dataclasses import dataclass

from tasks.ion import diff_ion
from tasks.patch import patch
from tasks.plan import Change, Plan
from tasks.store.contents import Contents


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanFiles:
    """Names in the contents store."""

    plan: str
    patch: str
    ion: str


def store_files(plan: Plan, contents: Contents) -> PlanFiles:
    """Writes the files of a plan."""
    return PlanFiles(
        plan=contents.put(plan.to_json().encode()),
        patch=contents.put(b"".join(_patch(change, contents) for change in plan.writes)),
        ion=contents.put(diff_ion(plan.changes)),
    )


def _patch(change: Change, contents: Contents) -> bytes:
    before = contents.get(change.before_content) if change.before_content else None
    after = contents.get(change.after_content) if change.after_content else None
    return patch(change, before, after)
