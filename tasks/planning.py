"""What would be done about one part: both sides compared, policy applied, contents staged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tasks.artifacts import Kind, Part, Snapshot
from tasks.compare import Base, Compared, Difference, compare
from tasks.identity import body_digest
from tasks.kestra.archives import chunked
from tasks.kestra.side import KestraSide
from tasks.layout import SyncLayout
from tasks.partplan import PartPlan
from tasks.patch import line_counts
from tasks.plan import Action, Change, Held
from tasks.policy import decide
from tasks.problems import Code, Problem
from tasks.requests import OnInvalid, Side, Task
from tasks.risks import risks
from tasks.sides import Blobs, View, git_view, kestra_view, surveyed_view, without_ignored
from tasks.store.contents import Contents
from tasks.survey import PartSurvey

#: Bytes of changed files that are in memory at one time, about, while one part is planned.
IN_MEMORY = 32 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """Both views of one part, by their role."""

    source: View
    target: View
    #: The side that is written.
    to: Side


def read_sides(
    task: Task, part: Part, survey: PartSurvey, kestra: KestraSide, contents: Contents, blobs: Blobs
) -> Sides:
    """Both views of a part as the survey staged them; what it could not read is read here."""
    if survey.kestra is not None:
        kestra_side = surveyed_view(survey, contents, blobs)
    elif part.kind is Kind.FILE:
        files = kestra.files(part.namespace)
        kestra_side = kestra_view(part, files.contents, large=files.large)
    else:
        kestra_side = kestra_view(part, kestra.dashboards())
    folder = SyncLayout(task.git_directory).folder(part)
    git_side = git_view(part, folder, survey.git, kestra_side, blobs)
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
    paths = _Paths(task, part, sides)
    changes: list[Change] = []
    problems: list[Problem] = []
    for batch in _batches(part, sides, compared.differences):
        texts = _Texts(part, sides, batch)
        drafted = [_change(task, paths, one, protected, texts) for one in batch]
        found = [change for change in drafted if change is not None]
        settled, more = _settle_invalid(task, found, _invalid(kestra, found, texts))
        changes += _stored(settled, texts, sides, contents)
        problems += more
        del texts  # before those of the next batch are read
    plan = PartPlan(
        namespace=part.namespace,
        kind=part.kind,
        changes=tuple(changes),
        problems=(*_escalated(task, source, target), *problems),
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


def _batches(
    part: Part, sides: Sides, differences: Sequence[Difference]
) -> Iterator[Sequence[Difference]]:
    """The differences of which the bytes of both sides are in memory at one time. Flows and
    dashboards, which no server takes in such sizes, are validated all at once."""
    if part.kind is not Kind.FILE:
        yield differences
        return
    size = {one.name: 0 for one in differences}
    for view in (sides.source, sides.target):
        there = view.sizes([name for name in size if name in view.snapshot.entries])
        size |= {name: size[name] + more for name, more in there.items()}
    yield from chunked([(one, size[one.name]) for one in differences], count=10**6, size=IN_MEMORY)


class _Texts:
    """The bytes before and after each difference, read in one go per side."""

    def __init__(self, part: Part, sides: Sides, differences: Sequence[Difference]) -> None:
        self.part = part
        names = [one.name for one in differences]
        source, target = sides.source.snapshot.entries, sides.target.snapshot.entries
        self.after = sides.source.read([name for name in names if name in source])
        self.before = sides.target.read([name for name in names if name in target])


class _Paths:
    """Where an artifact of a part lies in Git: a file that is there keeps its name and mode, a new
    one gets those of the layout."""

    def __init__(self, task: Task, part: Part, sides: Sides) -> None:
        self.part, self.to = part, sides.to
        git = sides.target if sides.to is Side.GIT else sides.source
        self._there = git.snapshot.entries
        self._taken = {entry.path for entry in self._there.values()}
        self._layout = SyncLayout(task.git_directory)

    def of(self, name: str) -> tuple[str, str]:
        """Path and mode."""
        entry = self._there.get(name)
        if entry is not None:
            return entry.path, entry.mode
        return self._layout.new_path(self.part, name, self._taken), "100644"


def _change(
    task: Task,
    paths: _Paths,
    difference: Difference,
    protected: Sequence[str],
    texts: _Texts,
) -> Change | None:
    """The change of one difference as policy decides it; None where it is left alone."""
    part = paths.part
    decided = decide(difference, task, part, protected)
    if decided is None:
        return None
    name = difference.name
    before, after = texts.before.get(name), texts.after.get(name)
    path, mode = paths.of(name)
    added, removed = line_counts(before, after)
    flow = part.kind is Kind.FLOW
    moves = flow and difference.action in {Action.ADD, Action.DELETE}
    return Change(
        namespace=part.namespace,
        kind=part.kind,
        name=name,
        target=paths.to,
        action=decided.action,
        held=decided.held,
        cause=difference.cause,
        before=difference.before,
        after=difference.after,
        path=path,
        mode=mode,
        additions=added,
        deletions=removed,
        body=body_digest(after or before or b"") if moves else None,
        risks=risks(before, after) if flow and paths.to is Side.KESTRA else (),
    )


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


def _stored(
    changes: Sequence[Change], texts: _Texts, sides: Sides, contents: Contents
) -> tuple[Change, ...]:
    """The changes with the names of their contents and pre-images; what is not in the store yet
    goes there as one blob per side."""
    names = [change.name for change in changes]
    before = _names(names, texts.before, sides.target, contents)
    after = _names(names, texts.after, sides.source, contents)
    return tuple(
        change.model_copy(
            update={
                "before_content": before.get(change.name),
                "after_content": after.get(change.name),
            }
        )
        for change in changes
    )


def _names(
    names: Sequence[str], texts: Mapping[str, bytes], view: View, contents: Contents
) -> dict[str, str]:
    """Name of an artifact → name of its bytes in the contents store."""
    new = [name for name in names if name in texts and name not in view.stored]
    fresh = dict(zip(new, contents.put_together([texts[name] for name in new]), strict=True))
    return {name: view.stored[name] for name in names if name in view.stored} | fresh
