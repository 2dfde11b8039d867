"""What would be done about one part: both sides compared, policy applied, contents staged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tasks.artifacts import Kind, Part, Snapshot
from tasks.compare import Base, Compared, Difference, compare
from tasks.identity import body_digest
from tasks.kestra.side import KestraSide
from tasks.layout import SyncLayout
from tasks.partplan import PartPlan
from tasks.patch import line_counts
from tasks.plan import Action, Change, Held
from tasks.policy import decide
from tasks.problems import Code, Problem
from tasks.repo.side import RepoSide
from tasks.requests import OnInvalid, Side, Task
from tasks.risks import risks
from tasks.sides import View, git_view, kestra_view, without_ignored
from tasks.store.contents import Contents
from tasks.survey import PartSurvey


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """Both views of one part, by their role."""

    source: View
    target: View
    #: The side that is written.
    to: Side


def read_sides(
    task: Task, part: Part, survey: PartSurvey, kestra: KestraSide, repo: RepoSide
) -> Sides:
    """Both views of a part; files are exported from Kestra here, texts were by the survey."""
    contents = kestra.files(part.namespace) if part.kind is Kind.FILE else survey.contents()
    folder = SyncLayout(task.git_directory).folder(part)
    kestra_side = kestra_view(part, contents, survey.drafts)
    git_side = git_view(repo, part, folder, survey.git, kestra_side)
    if part.kind is Kind.FILE:
        kestra_side, git_side = without_ignored(kestra_side, git_side)
    if task.source(part.kind) is Side.KESTRA:
        return Sides(source=kestra_side, target=git_side, to=Side.GIT)
    return Sides(source=git_side, target=kestra_side, to=Side.KESTRA)


def plan_part(
    task: Task,
    part: Part,
    survey: PartSurvey,
    sides: Sides,
    protected: Sequence[str],
    kestra: KestraSide,
    contents: Contents,
) -> tuple[PartPlan, Compared]:
    """The result of one part, and what was read equal (for the base)."""
    base = Base(items=survey.base.items, settled=survey.base.settled)
    source, target = sides.source.snapshot, sides.target.snapshot
    compared = compare(source, target, base)
    texts = _Texts(part, sides, compared.differences)
    drafted = [_change(task, part, sides, one, protected, texts) for one in compared.differences]
    changes = [change for change in drafted if change is not None]
    invalid = _invalid(kestra, changes, texts)
    changes, problems = _settle_invalid(task, changes, invalid)
    plan = PartPlan(
        namespace=part.namespace,
        kind=part.kind,
        changes=tuple(_stage(change, texts, contents) for change in changes),
        problems=(*survey.problems, *_escalated(task, source, target), *problems),
        source_count=len(source.entries),
        target_count=len(target.entries),
    )
    return plan, compared


def _escalated(task: Task, source: Snapshot, target: Snapshot) -> list[Problem]:
    """The problems of both sides; a text of the source that tells no id is invalid syntax."""
    fatal = task.on_invalid_syntax is OnInvalid.FAIL
    return [
        one.model_copy(update={"fatal": fatal}) if one.code is Code.NO_ID else one
        for one in source.problems
    ] + list(target.problems)


class _Texts:
    """The bytes before and after each difference, read in one go per side."""

    def __init__(self, part: Part, sides: Sides, differences: Sequence[Difference]) -> None:
        self.part = part
        names = [one.name for one in differences]
        source, target = sides.source.snapshot.entries, sides.target.snapshot.entries
        self.after = sides.source.read([name for name in names if name in source])
        self.before = sides.target.read([name for name in names if name in target])


def _change(
    task: Task,
    part: Part,
    sides: Sides,
    difference: Difference,
    protected: Sequence[str],
    texts: _Texts,
) -> Change | None:
    """The change of one difference as policy decides it; None where it is left alone."""
    decided = decide(difference, task, part, protected)
    if decided is None:
        return None
    name = difference.name
    before, after = texts.before.get(name), texts.after.get(name)
    added, removed = line_counts(before, after)
    flow = part.kind is Kind.FLOW
    moves = flow and difference.action in {Action.ADD, Action.DELETE}
    return Change(
        namespace=part.namespace,
        kind=part.kind,
        name=name,
        target=sides.to,
        action=decided.action,
        held=decided.held,
        cause=difference.cause,
        before=difference.before,
        after=difference.after,
        path=_path(task, part, sides, name),
        mode=_mode(sides, name),
        additions=added,
        deletions=removed,
        body=body_digest(after or before or b"") if moves else None,
        risks=risks(before, after) if flow else (),
    )


def _path(task: Task, part: Part, sides: Sides, name: str) -> str:
    """The file in Git: the one that is there keeps its name, else the layout's."""
    git = sides.target if sides.to is Side.GIT else sides.source
    entry = git.snapshot.entries.get(name)
    return entry.path if entry else SyncLayout(task.git_directory).new_path(part, name)


def _mode(sides: Sides, name: str) -> str:
    git = sides.target if sides.to is Side.GIT else sides.source
    entry = git.snapshot.entries.get(name)
    return entry.mode if entry else "100644"


def _invalid(kestra: KestraSide, changes: Sequence[Change], texts: _Texts) -> Mapping[str, str]:
    """Name → the server's message for the changed texts that it does not accept."""
    if texts.part.kind is Kind.FILE:
        return {}
    sent = {
        change.key: texts.after[change.name]
        for change in changes
        if change.action in {Action.ADD, Action.UPDATE}
    }
    found = kestra.validate(texts.part.kind, sent) if sent else {}
    return {key.name: message for key, message in found.items()}


def _settle_invalid(
    task: Task, changes: Sequence[Change], invalid: Mapping[str, str]
) -> tuple[list[Change], list[Problem]]:
    """`onInvalidSyntax`: FAIL names all of them, SKIP and WARN hold back or warn."""
    kept: list[Change] = []
    problems: list[Problem] = []
    for change in changes:
        message = invalid.get(change.name)
        if message is None:
            kept.append(change)
            continue
        exported = task.on_invalid_syntax is OnInvalid.WARN and change.target is Side.GIT
        held = {"action": Action.KEEP, "held": Held.INVALID}
        kept.append(change if exported else change.model_copy(update=held))
        problems.append(
            Problem(
                code=Code.INVALID_SYNTAX,
                where=f"{change.path} ({change.namespace}/{change.name})",
                message=message,
                fatal=task.on_invalid_syntax is OnInvalid.FAIL,
            )
        )
    return kept, problems


def _stage(change: Change, texts: _Texts, contents: Contents) -> Change:
    """The change with its contents and pre-image in the store."""
    before, after = texts.before.get(change.name), texts.after.get(change.name)
    return change.model_copy(
        update={
            "before_content": contents.put(before) if before is not None else None,
            "after_content": contents.put(after) if after is not None else None,
        }
    )
