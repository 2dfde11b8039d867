"""Who removed what is missing in the source? The commit or the revision, for each deletion."""

from __future__ import annotations

from collections.abc import Mapping

from tasks.errors import TenantSyncError
from tasks.kestra.side import KestraSide
from tasks.partplan import PartPlan
from tasks.plan import Action, Cause, Change
from tasks.repo.side import RepoSide
from tasks.requests import Side

#: Flows of a part whose last revision is asked for, one call each.
ASKED = 20
_REMOVED = {Cause.REMOVED_IN_SOURCE, Cause.BOTH_MOVED}


def with_details(
    plan: PartPlan, kestra: KestraSide, repo: RepoSide, commit: str | None
) -> PartPlan:
    """The plan of a part with `detail` on its deletions, where the source tells.

    A source that does not answer costs the detail, never the plan.
    """
    gone = [one for one in plan.changes if one.action is Action.DELETE and one.cause in _REMOVED]
    if not gone:
        return plan
    try:
        found = _details(gone, kestra, repo, commit)
    except TenantSyncError:
        return plan
    changes = tuple(
        one.model_copy(update={"detail": found.get(one.path)}) if one in gone else one
        for one in plan.changes
    )
    return plan.model_copy(update={"changes": changes})


def _details(
    gone: list[Change], kestra: KestraSide, repo: RepoSide, commit: str | None
) -> Mapping[str, str]:
    """Path → who removed it."""
    if gone[0].target is Side.KESTRA:
        return repo.removed_by(commit, [one.path for one in gone]) if commit else {}
    asked = {one.path: kestra.revision(one.key) for one in gone[:ASKED]}
    return {path: said for path, said in asked.items() if said is not None}
