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
from tasks.layout import MAX_PATH, check_path
from tasks.record import Record

#: A namespace as Kestra accepts it (kestra-api: `^[a-z0-9][a-z0-9._-]*`, 1-150).
Namespace = Annotated[
    str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=150, min_length=1)
]
#: A name of the configuration. An address with a login in its place is refused unread.
NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
Name = Annotated[str, StringConstraints(pattern=NAME, max_length=100)]
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


class DeletionBudget(Record, use_attribute_docstrings=True):
    """How many deletions of one kind go without a person.

    The guard trips when n > free and (n > items or n > percent of what the target holds).
    """

    free: Annotated[int, Field(ge=0)] = 5
    """So many deletions of one kind always go."""
    items: Annotated[int, Field(ge=0)] = 20
    """More than so many wait for a person."""
    percent: Annotated[float, Field(ge=0, le=100)] = 25
    """More than so many percent of what the target holds wait for a person."""


class ReviewRule(Record, use_attribute_docstrings=True):
    """Who may approve: names in `access:`; `notAsker` shuts out everybody who asked."""

    by: tuple[Text, ...] = ()
    """Names in `access:`; empty = everybody who may approve."""
    not_asker: bool = False
    """Nobody who asked for the run may approve it."""


class TriggeredBy(Record, use_attribute_docstrings=True):
    """The Kestra execution that asked."""

    execution_id: Text
    """Id of the execution."""
    namespace: Text | None = None
    """Namespace of its flow."""
    flow_id: Text | None = None
    """Id of its flow."""


class Sync(Record, use_attribute_docstrings=True):
    """What both syncs have in common."""

    kestra: Name | None = None
    """Name in `kestra:` of the configuration; may be left out where there is only one."""
    repository: Name | None = None
    """Name in `repositories:` of the configuration; may be left out where there is only one."""
    source_of_truth: Side
    """Where the truth is: KESTRA exports to Git, GIT reconciles Kestra."""
    source_of_truth_overrides: Mapping[Kind, Side] = {}
    """Another truth for single kinds, e.g. `{FILE: KESTRA}`."""
    when_missing_in_source: WhenMissing = WhenMissing.DELETE
    """What happens to an artifact that the source does not hold."""
    protected_namespaces: tuple[Text, ...] = ("system",)
    """Namespaces in which nothing is deleted, in either direction; `p` covers `p` and `p.*`."""
    dry_run: bool = False
    """Plan only: nothing is written on either side."""
    on_invalid_syntax: OnInvalid = OnInvalid.FAIL
    """What happens when the server does not accept a text."""
    git_directory: str = ""
    """Folder of the repository that holds the tenant; empty = the root."""
    branch: Branch
    """The branch that holds the tenant."""
    base_branch: Branch | None = None
    """Where a branch that is not there yet starts (Git as target); default: the remote's HEAD."""
    commit_message: Text | None = None
    """Message of the commit; placeholders: `{run}` `{source}` `{counts}` `{executionId}`."""
    author_name: Text | None = None
    """Author of the commit; default: who approved, else who asked."""
    author_email: Text | None = None
    """Email of the author of the commit."""
    review: Literal["never", "always"] | ReviewRule = "never"
    """Whether a person must approve the plan: `never`, `always`, or by whom."""
    plan: Text | None = None
    """The id of a PLANNED run that is to be written now."""
    deletion_budget: DeletionBudget = DeletionBudget()
    """How many deletions go without a person."""
    allow_empty: bool = False
    """An empty source is refused unless this is true."""
    first_contact: Literal["ASK", "MIRROR"] = "ASK"
    """ASK: deletions in a part never synced before wait for a person. MIRROR: they do not."""
    on_conflict: OnConflict = OnConflict.SOURCE
    """What happens when both sides moved since they were last seen equal."""
    on_stale: OnStale = OnStale.SKIP
    """What happens when a side moved between the plan and its write."""
    triggered_by: TriggeredBy | None = None
    """The Kestra execution that asked."""

    @field_validator("git_directory")
    @classmethod
    def _plain_directory(cls, value: str) -> str:
        parts = [part for part in value.strip("/").split("/") if part]
        # Room for what the layout puts below it; the rules are those of every path in Git.
        reason = check_path("/".join(parts)) if parts else None
        if reason or len("/".join(parts).encode()) > MAX_PATH // 2:
            why = reason or f"it is longer than {MAX_PATH // 2} bytes"
            raise ValueError(
                f"gitDirectory is a plain folder below the root, without . or ..: {why}"
            )
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
    """The task."""
    namespaces: tuple[Namespace, ...] = ()
    """Namespaces to look at besides those that either side shows (files-only ones)."""
    kinds: tuple[Kind, ...] = (Kind.FLOW, Kind.FILE, Kind.DASHBOARD)
    """The kinds to sync."""


class NamespaceSync(Sync):
    """Sync the flows and files of one namespace, without its children."""

    type: Literal["namespaceSync"] = "namespaceSync"
    """The task."""
    namespace: Namespace
    """The namespace to sync."""
    kinds: tuple[Literal[Kind.FLOW, Kind.FILE], ...] = (Kind.FLOW, Kind.FILE)
    """The kinds to sync."""


#: Any task.
Task = TenantSync | NamespaceSync
TASKS: TypeAdapter[Task] = TypeAdapter(Annotated[Task, Field(discriminator="type")])


def equality(task: Task, *, with_dry_run: bool = True) -> str:
    """A digest that is equal for tasks equal in every field but `triggeredBy` (and, on wish,
    `dryRun`): sha256, 64 hex digits."""
    left_out = {"triggered_by"} | (set() if with_dry_run else {"dry_run", "plan"})
    value = task.model_dump(mode="json", by_alias=True, exclude=left_out)
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
