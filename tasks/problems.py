"""What a person should know about a run besides its changes: a closed list of codes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from enum import StrEnum

from tasks.record import Record

#: Problems of one code that a run tells one by one, in its record, its outcome and what it shows.
TOLD = 30


class Code(StrEnum):
    """Stable names of problems; users and monitors match on them."""

    #: Two files of one folder hold one id.
    DUPLICATE_ID = "DUPLICATE_ID"
    #: The text names another namespace than the folder it lies in.
    WRONG_NAMESPACE = "WRONG_NAMESPACE"
    #: No id can be read from the text.
    NO_ID = "NO_ID"
    #: Kestra cannot hold a namespace file of this name.
    NAME_NOT_HELD = "NAME_NOT_HELD"
    #: Two file names fall together in Kestra (`a b` and `a+b`) or on case-blind disks.
    NAME_CLASH = "NAME_CLASH"
    #: A path that is never followed (`..`, `.git`, control characters, ...).
    UNSAFE_PATH = "UNSAFE_PATH"
    #: It has more bytes than one artifact may have.
    TOO_LARGE = "TOO_LARGE"
    #: The server does not accept the text.
    INVALID_SYNTAX = "INVALID_SYNTAX"
    #: A part could not be read; nothing is deleted in the whole run.
    UNREAD = "UNREAD"
    #: Namespace files were not read, because nothing that the probes see has changed.
    NOT_READ = "NOT_READ"
    #: The server does not offer this kind.
    UNSUPPORTED = "UNSUPPORTED"
    #: The source is empty where the target is not.
    EMPTY_SOURCE = "EMPTY_SOURCE"
    #: The branch is not there.
    NO_BRANCH = "NO_BRANCH"
    #: The tip of the branch does not contain the last synced commit.
    HISTORY_REWRITTEN = "HISTORY_REWRITTEN"
    #: Both sides changed since they were last seen equal.
    CONFLICT = "CONFLICT"
    #: An artifact is missing in the source and `whenMissingInSource` is FAIL.
    MISSING_IN_SOURCE = "MISSING_IN_SOURCE"
    #: A deletion in a protected namespace was held back.
    PROTECTED = "PROTECTED"
    #: A guard of the deletions wants a person.
    DELETION_BUDGET = "DELETION_BUDGET"
    #: A namespace would lose everything it has.
    NAMESPACE_EMPTIED = "NAMESPACE_EMPTIED"
    #: Deletions in a part that was never synced before.
    FIRST_CONTACT = "FIRST_CONTACT"
    #: A side moved between the plan and its write; the change was not written.
    STALE = "STALE"
    #: A planned change was not sent, because something else of the run kept it back.
    HELD = "HELD"
    #: What was written is not what the target holds after a second try.
    NOT_KEPT = "NOT_KEPT"
    #: Another writer saved it between our look and our write; that text was overwritten unseen.
    OVERTAKEN = "OVERTAKEN"
    #: A write was under way when the lease of its lane ended.
    LATE_WRITE = "LATE_WRITE"
    #: The other side said no.
    REFUSED = "REFUSED"
    #: The outcome of a push or write could not be read.
    UNKNOWN = "UNKNOWN"
    #: A job died or met an error that is not the user's.
    FAILED = "FAILED"


class Problem(Record):
    """One problem: what, where, and what to do about it.

    `where` names the namespace, flow, file, line or key. A fatal problem refuses the run.
    """

    code: Code
    where: str
    message: str
    fatal: bool = False


def told(problems: Sequence[Problem]) -> list[Problem]:
    """The problems as a run carries them about: of each code the first `TOLD`, those that refuse
    the run before others, then how many more there are. The plan has those of its own in full."""
    ranked = sorted(problems, key=lambda one: not one.fatal)
    seen: Counter[Code] = Counter()
    kept = set()
    for problem in ranked:
        seen[problem.code] += 1
        if seen[problem.code] <= TOLD:
            kept.add(id(problem))
    return [one for one in problems if id(one) in kept] + [
        Problem(
            code=code,
            where=f"and {number - TOLD:,} more",
            message=f"{number:,} in all; `tenantsync runs show RUN --problems` names each",
            fatal=any(one.fatal for one in problems if one.code is code),
        )
        for code, number in seen.items()
        if number > TOLD
    ]
