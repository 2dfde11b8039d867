"""What does the commit of a run say? Its message, with placeholders filled, and its trailers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from tasks.errors import TaskError
from tasks.plan import Action, Change
from tasks.requests import NamespaceSync, Sync
from tasks.visible import visible_line

#: What a configured message may hold in braces.
PLACEHOLDERS = ("run", "source", "counts", "executionId")

_PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
#: The trailers that are ours alone: a message that holds one could pass for another run's commit.
_TRAILERS = ("Tenantsync-Run", "Tenantsync-Plan", "Kestra-Execution", "Reviewed-by")
_FORGED = re.compile(rf"^[ \t]*(?:{'|'.join(_TRAILERS)})[ \t]*:", re.IGNORECASE | re.MULTILINE)
_BREAKS = re.compile(r"[\r\n\v\f\x1c-\x1e\x85\u2028\u2029]+")


def default_message(task: Sync) -> str:
    """The message of a task that configures none: the vendor's."""
    noun = "Namespace" if isinstance(task, NamespaceSync) else "Tenant"
    return f"{noun} sync from Kestra"


def check_message(template: str) -> None:
    """Raises TaskError for a message with a placeholder that nobody fills, or with a line that
    reads as one of our trailers."""
    for found in _PLACEHOLDER.finditer(template):
        if found[1] not in PLACEHOLDERS:
            known = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
            raise TaskError(f"commitMessage: unknown placeholder {found[0]}; known are {known}")
    if forged := _FORGED.search(_BREAKS.sub("\n", template)):
        raise TaskError(
            f"commitMessage: a line begins with {visible_line(forged[0].strip())}, which only the "
            "service writes; word it otherwise"
        )


def commit_message(
    template: str,
    changes: Iterable[Change],
    *,
    run: str,
    source: str,
    execution_id: str | None = None,
) -> str:
    """The message with its placeholders filled; line ends in the values become blanks.

    `changes` are those that the commit writes; `source` says in words what was exported, e.g.
    `tenant main`. Raises TaskError as `check_message` does.
    """
    check_message(template)
    values = {
        "run": run,
        "source": source,
        "counts": counts_in_words(changes),
        "executionId": execution_id or "",
    }
    return _PLACEHOLDER.sub(lambda found: _one_line(values[found[1]]), template)


def counts_in_words(changes: Iterable[Change]) -> str:
    """`3 added, 2 changed, 1 deleted`."""
    actions = [change.action for change in changes]
    words = ((Action.ADD, "added"), (Action.UPDATE, "changed"), (Action.DELETE, "deleted"))
    return ", ".join(f"{actions.count(action)} {word}" for action, word in words)


def trailers(
    run_id: str,
    plan_digest: str,
    *,
    execution_id: str | None = None,
    reviewers: Iterable[str] = (),
) -> Mapping[str, str]:
    """The trailers of a commit, each value on one line; those without a value are left out."""
    values = (run_id, plan_digest, execution_id or "", ", ".join(reviewers))
    pairs = zip(_TRAILERS, map(_one_line, values), strict=True)
    return {key: value for key, value in pairs if value}


def _one_line(value: str) -> str:
    return " ".join(_BREAKS.sub(" ", value).replace("\0", "").split())
