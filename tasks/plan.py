"""What a run would write: changes, their plan, and the digest that a person approves."""

from __future__ import annotations

import hashlib
import json
from enum import StrEnum

from tasks.artifacts import Key, Kind, Part
from tasks.problems import Problem
from tasks.record import Record
from tasks.requests import Side

#: Raised whenever the meaning of a plan changes; part of every plan digest.
PLAN_FORMAT = 1


class Action(StrEnum):
    """What a change does to its target."""

    ADD = "ADD"
    UPDATE = "UPDATE"
    DELETE = "DELETE"
    #: Nothing: policy holds the change back; `held` says why.
    KEEP = "KEEP"


class Cause(StrEnum):
    """Why an artifact differs: the last column of the decision table."""

    NEW = "NEW"
    CHANGED = "CHANGED"
    DRIFT = "DRIFT"
    BOTH_MOVED = "BOTH_MOVED"
    REMOVED_IN_SOURCE = "REMOVED_IN_SOURCE"
    NEVER_IN_SOURCE = "NEVER_IN_SOURCE"
    FIRST_CONTACT = "FIRST_CONTACT"


class Held(StrEnum):
    """Why a change is kept back."""

    #: The deletion lies in a protected namespace.
    PROTECTED = "PROTECTED"
    #: Both sides moved and `onConflict` is SKIP.
    CONFLICT = "CONFLICT"
    #: A part of this run could not be read, so nothing is deleted.
    UNREAD = "UNREAD"
    #: The server does not accept the text and `onInvalidSyntax` lets it be.
    INVALID = "INVALID"
    #: `whenMissingInSource` is FAIL: the run is refused.
    MISSING = "MISSING"


class Change(Record):
    """One artifact that differs, and what is to be done about it on the target."""

    namespace: str
    kind: Kind
    name: str
    #: The side that is written.
    target: Side
    action: Action
    cause: Cause
    #: Digests of the target before and after (`tasks.artifacts.digest`); None = absent.
    before: str | None = None
    after: str | None = None
    #: Names in the contents store (sha256): what is written, and what it overwrites.
    after_content: str | None = None
    before_content: str | None = None
    #: The path in the repository, below its root: that of the existing file, else the new one.
    path: str
    mode: str = "100644"
    held: Held | None = None
    #: The commit or revision that removed or changed it, where known.
    detail: str | None = None
    risks: tuple[str, ...] = ()
    #: The other half of a move (`namespace/KIND/name`), where a deletion has one.
    moved_to: str | None = None
    #: Lines; None for bytes that are no text.
    additions: int | None = None
    deletions: int | None = None
    #: Digest of a flow's text without its id and namespace lines, to find moves.
    body: str | None = None

    @property
    def key(self) -> Key:
        return Key(self.namespace, self.kind, self.name)

    @property
    def part(self) -> Part:
        return Part(self.namespace, self.kind)

    @property
    def writes(self) -> bool:
        return self.action is not Action.KEEP


class Target(Record):
    """Which tenant and which branch a plan is about: the scope of its digest and of the base."""

    server: str
    tenant: str
    remote: str
    branch: str
    git_directory: str


class Plan(Record):
    """All changes of one run, sorted by key, and the commit that the plan was made against."""

    format: int = PLAN_FORMAT
    run: str
    target: Target
    #: The tip of the branch that was read; None where the branch is not there yet.
    base_commit: str | None = None
    #: The branch has to be created, from this commit (None: an empty repository).
    new_branch: bool = False
    commit_message: str | None = None
    author: str | None = None
    changes: tuple[Change, ...]
    problems: tuple[Problem, ...] = ()
    #: Why a person must agree before this is written (codes of guards); empty = nobody needs to.
    guards: tuple[Problem, ...] = ()
    #: Parts that could not be read.
    unread: tuple[str, ...] = ()

    @property
    def writes(self) -> tuple[Change, ...]:
        return tuple(change for change in self.changes if change.writes)

    @property
    def deletions(self) -> int:
        return sum(change.action is Action.DELETE for change in self.changes)


def plan_digest(plan: Plan) -> str:
    """What a person approves: sha256 over all that decides what is written, and nothing else.

    Covers format, server uuid + tenant, remote, branch, gitDirectory, the sorted (key, target,
    action, before, after), commit message and author as configured. Not ids, times, base commit,
    causes or risks.
    """
    rows = sorted(
        [c.namespace, c.kind, c.name, c.target, c.action, c.before, c.after] for c in plan.writes
    )
    value = {
        "format": plan.format,
        "target": plan.target.to_dict(),
        "newBranch": plan.new_branch,
        "changes": rows,
        "commitMessage": plan.commit_message,
        "author": plan.author,
    }
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
