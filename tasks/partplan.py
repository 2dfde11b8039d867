"""What did the comparison of one part give? The result of one planning job, and all that the
gathering of a run needs to know of the part."""

from __future__ import annotations

from collections.abc import Mapping

from tasks.artifacts import Kind, Part
from tasks.plan import Change
from tasks.problems import Problem
from tasks.record import Record


class PartPlan(Record):
    """The changes of one part before anything is decided over the whole run.

    Every part in scope has one; a part that is proven unchanged without a job has one with its
    counts alone (`unchanged`).
    """

    namespace: str
    kind: Kind
    #: Sorted by name; kept-back ones (action KEEP) included.
    changes: tuple[Change, ...] = ()
    problems: tuple[Problem, ...] = ()
    #: How many artifacts take part on the side of the truth and on the side that is written.
    source_count: int = 0
    target_count: int = 0
    #: Of a dry run, so that it can be noted as the base if the plan is written: name → digest of
    #: what both sides hold equal, and the names whose base is to stay as it is.
    equal: Mapping[str, str] = {}
    differing: tuple[str, ...] = ()
    #: Why the part could not be read whole; then nothing is deleted in the whole run.
    unread: str | None = None

    @property
    def part(self) -> Part:
        return Part(self.namespace, self.kind)


def unchanged(part: Part, count: int) -> PartPlan:
    """The result of a part of `count` artifacts that is proven equal on both sides."""
    return PartPlan(
        namespace=part.namespace, kind=part.kind, source_count=count, target_count=count
    )


def unread(part: Part, reason: str) -> PartPlan:
    """The result of a part of which a side could not be read; `reason` holds no secret."""
    return PartPlan(namespace=part.namespace, kind=part.kind, unread=reason)
