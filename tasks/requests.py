"""What a user can ask for: the tasks as frozen models, with Kestra's field names."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, TypeAdapter, field_validator

from tasks.artifacts import Kind
from tasks.connections import Text
from tasks.record import Record

#: A namespace as Kestra accepts it (kestra-api: `^[a-z0-9][a-z0-9._-]*`, 1-150).
Namespace = Annotated[
    str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=150, min_length=1)
]
Branch = Annotated[str, StringConstraints(pattern=r"^[^-\s~^:?*\[\\][^\s~^:?*\[\\]*$")]


class Side(StrEnum):
    """The two sides of a sync."""

    KESTRA = "KESTRA"
    GIT = "GIT"

    @property
    def other(self) -> Side:
        return Side.GIT if self is Side.KESTRA else Side.KESTRA


class WhenMissing(StrEnum):
    """What happens to an artifact that the source does not hold."""

    #: It is deleted on the target.
    DELETE = "DELETE"
    #: It stays.
    KEEP = "KEEP"
    #: The run is refused, naming all of them.
    FAIL = "FAIL"


class OnInvalid(StrEnum):
    """What happens when the server does not accept a text."""

    #: The run is refused with all messages.
    FAIL = "FAIL"
    #: The artifact is left alone on the target.
    SKIP = "SKIP"
    #: Exported with a warning (Git as target), skipped with a warning (Kestra as target).
    WARN = "WARN"


class OnConflict(StrEnum):
    """What happens when both sides moved since they were last seen equal."""

    #: The source wins; the overwritten text is kept as pre-image.
    SOURCE = "SOURCE"
    #: Both sides keep what they have; the plan names it.
    SKIP = "SKIP"
    #: The run is refused.
    FAIL = "FAIL"


class OnStale(StrEnum):
    """What happens when a side moved between the plan and its write."""

    #: The rest lands; the follower plans the moved ones again.
    SKIP = "SKIP"
    #: Nothing more is written.
    FAIL = "FAIL"


class DeletionBudget(Record):
    """How many deletions of one kind go without a person.

    The guard trips when n > free and (n > items or n > percent of what the target holds).
    """

    free: Annotated[int, Field(ge=0)] = 5
    items: Annotated[int, Field(ge=0)] = 20
    percent: Annotated[float, Field(ge=0, le=100)] = 25


class ReviewRule(Record):
    """Who may approve: names in `access:`; `notAsker` shuts out everybody who asked."""

    by: tuple[Text, ...] = ()
    not_asker: bool = False


class TriggeredBy(Record):
    """The Kestra execution that asked."""

    execution_id: Text
    namespace: Text | None = None
    flow_id: Text | None = None


class Sync(Record):
    """What both syncs have in common."""

    #: Name in `kestra:` of the configuration; may be left out where there is only one.
    kestra: Text | None = None
    #: Name in `repositories:` of the configuration; may be left out where there is only one.
    repository: Text | None = None
    #: Where the truth is: KESTRA exports to Git, GIT reconciles Kestra.
    source_of_truth: Side
    #: Another truth for single kinds, e.g. {FILE: KESTRA}.
    source_of_truth_overrides: Mapping[Kind, Side] = {}
    when_missing_in_source: WhenMissing = WhenMissing.DELETE
    #: Namespaces in which nothing is deleted, in either direction; `p` covers `p` and `p.*`.
    protected_namespaces: tuple[Text, ...] = ("system",)
    dry_run: bool = False
    on_invalid_syntax: OnInvalid = OnInvalid.FAIL
    #: Folder of the repository that holds the tenant; empty = the root.
    git_directory: str = ""
    branch: Branch
    #: Where a branch that is not there yet starts (Git as target); default: the remote's HEAD.
    base_branch: Branch | None = None
    #: Placeholders: {run} {source} {counts} {executionId}.
    commit_message: Text | None = None
    author_name: Text | None = None
    author_email: Text | None = None
    review: Literal["never", "always"] | ReviewRule = "never"
    #: The id of a PLANNED run that is to be written now.
    plan: Text | None = None
    deletion_budget: DeletionBudget = DeletionBudget()
    #: An empty source is refused unless this is true.
    allow_empty: bool = False
    #: ASK: deletions in a part never synced before wait for a person. MIRROR: they do not.
    first_contact: Literal["ASK", "MIRROR"] = "ASK"
    on_conflict: OnConflict = OnConflict.SOURCE
    on_stale: OnStale = OnStale.SKIP
    triggered_by: TriggeredBy | None = None

    @field_validator("git_directory")
    @classmethod
    def _plain_directory(cls, value: str) -> str:
        parts = [part for part in value.strip("/").split("/") if part]
        if any(part in {".", ".."} or part.lower() == ".git" for part in parts):
            raise ValueError("gitDirectory is a plain folder below the root, without . or ..")
        return "/".join(parts)

    @property
    def reviewed(self) -> bool:
        return self.review != "never"

    def source(self, kind: Kind) -> Side:
        """The side that holds the truth for a kind."""
        return self.source_of_truth_overrides.get(kind, self.source_of_truth)


class TenantSync(Sync):
    """Sync a whole tenant: flows, namespace files and dashboards."""

    type: Literal["tenantSync"] = "tenantSync"
    #: Namespaces to look at besides those that either side shows (files-only ones).
    namespaces: tuple[Namespace, ...] = ()
    kinds: tuple[Kind, ...] = (Kind.FLOW, Kind.FILE, Kind.DASHBOARD)


class NamespaceSync(Sync):
    """Sync the flows and files of one namespace, without its children."""

    type: Literal["namespaceSync"] = "namespaceSync"
    namespace: Namespace
    kinds: tuple[Literal[Kind.FLOW, Kind.FILE], ...] = (Kind.FLOW, Kind.FILE)


Task = Annotated[TenantSync | NamespaceSync, Field(discriminator="type")]
TASKS: TypeAdapter[TenantSync | NamespaceSync] = TypeAdapter(Task)


def equality(task: Sync, *, with_dry_run: bool = True) -> str:
    """A digest that is equal for tasks equal in every field but `triggeredBy` (and, on wish,
    `dryRun`): sha256, 64 hex digits."""
    left_out = {"triggered_by"} | (set() if with_dry_run else {"dry_run", "plan"})
    value = task.model_dump(mode="json", by_alias=True, exclude=left_out)
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
