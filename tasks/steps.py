"""A run from top to bottom: ask → split → plan → gather → (review) → write → finish.

`split` pins both sides and reads them in bulk; `plan_part` compares one namespace × kind;
`gather` makes one plan of all parts and decides whether it ends, waits for a person or is
written; `commit` and `write` write inside the lanes, looking at each change again first;
`finish` says how it ended. Each function here is called by one job of `tasks.jobs`, may be called
twice, and may die at any instruction: what it stores is stored once per run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tasks import committing, finishing, holding, planning, survey, writing
from tasks.artifacts import Part
from tasks.compare import is_withheld
from tasks.deciding import assemble_plan, next_state, part_plans, supersede_older, waiting_twin
from tasks.details import with_details
from tasks.ending import columns_of, commit_of, end_of, follow, let_go, noted
from tasks.errors import (
    Cancelled,
    Doubtful,
    LeaseLost,
    LoginRefused,
    Overtaken,
    Passing,
    Unsafe,
    Unsupported,
)
from tasks.guard import Guard, Stoppable
from tasks.kestra.side import Server
from tasks.look import Written
from tasks.outcome import State
from tasks.overtaking import Looks
from tasks.partplan import PartPlan, unread
from tasks.plan import Change, plan_digest
from tasks.planfiles import store_files
from tasks.points import reach
from tasks.probing import question, remember
from tasks.problems import Code, Problem, told
from tasks.requests import Task
from tasks.run import Run
from tasks.sides import BlobsOf, kestra_now
from tasks.store.bases import scope
from tasks.store.parts import PartRow, PartState, WritePhase, WriteRow
from tasks.store.runs import now
from tasks.survey import PartSurvey
from tasks.takingup import note_seen
from tasks.toolbox import Toolbox
from tasks.wording import commit_wording
from tasks.writes import (
    changes_of,
    note_revisions,
    noted_of,
    open_writes,
    store,
    target_of,
    write_rows,
)

# -- split --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """What a split gives: parts to compare, or a run that has ended."""

    parts: tuple[Part, ...] = ()
    ended: Run | None = None


def split(tools: Toolbox, run: Run) -> Split:
    """Pins both sides and surveys them in bulk, once per run."""
    if run.cancelled_by is not None:
        return Split(ended=_moved(tools.runs.move(run, State.CANCELLED)))
    rows = tools.parts.of(run.id)
    if not rows:
        kestra, repo = _sides(tools, run.task)
        asks = question(tools, run)
        surveyed = survey.survey(run.task, run.id, kestra, repo, tools.bases, tools.contents, asks)
        if surveyed.pinned.problems:
            return Split(ended=_refused(tools, run, surveyed.pinned.problems))
        tools.bases.met(kestra.connection.url, surveyed.pinned.server.uuid)
        reach("surveyed", run=run.id)
        rows = _record(tools, run, surveyed)
    return Split(parts=tuple(row.part for row in rows if row.state is PartState.SURVEYED))


def _record(tools: Toolbox, run: Run, read: survey.Survey) -> list[PartRow]:
    """The survey as rows: the run's target and facts, and one row per part."""
    pinned = read.pinned
    facts = {
        "server": asdict(pinned.server),
        "nameless": read.nameless,
        "equal": [[part.namespace, part.kind, count] for part, count in read.equal.items()],
        "seen": read.seen.to_facts() if read.seen is not None else None,
    }
    rows = [_row(run, part, PartState.SURVEYED, name) for part, name in read.open.items()]
    rows += [
        _row(run, part, PartState.EQUAL, *read.proofs.get(part, (None, None)))
        for part in read.equal
    ]
    recorded = tools.parts.survey(
        run,
        rows,
        moved_at=now(),
        target=pinned.target.to_dict(),
        base_commit=pinned.commit,
        new_branch=pinned.new_branch,
        facts=facts,
        problems=[problem.to_dict() for problem in read.problems],
    )
    if not recorded:
        raise Overtaken(f"run {run.id}: another delivery has surveyed it")
    return rows


def _row(
    run: Run, part: Part, state: PartState, survey: str | None, result: str | None = None
) -> PartRow:
    return PartRow(
        run=run.id,
        namespace=part.namespace,
        kind=part.kind,
        state=state,
        survey=survey,
        result=result,
    )


# -- plan ---------------------------------------------------------------------------------------


def plan_part(tools: Toolbox, run: Run, part: Part) -> str:
    """Compares one part and stores its result; what is refused is data, never an error."""
    row = tools.parts.one(run.id, part)
    if row is None or row.survey is None or row.result is not None or run.target is None:
        return "done before"
    surveyed = PartSurvey.model_validate_json(tools.contents.get(row.survey))
    try:
        plan = _compare(tools, run, part, surveyed)
    except (Unsupported, Unsafe, Doubtful, LoginRefused) as error:
        plan = unread(part, error.message)
    state = PartState.PLANNED if plan.unread is None else PartState.UNREAD
    result = tools.contents.put(plan.to_json().encode())
    reach("staged", run=run.id, namespace=part.namespace)
    tools.parts.planned(run.id, part, state, result)
    return f"{len(plan.changes)} changes"


def _compare(tools: Toolbox, run: Run, part: Part, surveyed: PartSurvey) -> PartPlan:
    kestra, repo = _sides(tools, run.task)
    kestra.assume(Server(**run.facts["server"]))
    blobs = BlobsOf(repo, run)
    sides = planning.read_sides(run.task, part, surveyed, kestra, tools.contents, blobs)
    reach("read", run=run.id, namespace=part.namespace)
    protected = protected_namespaces(run)
    plan, compared = planning.plan_part(
        run.task, part, surveyed, sides, protected, kestra, tools.contents
    )
    withheld = sides.source.snapshot.withheld | sides.target.snapshot.withheld
    kept = {one.name for one in compared.differences}
    kept |= {name for name in surveyed.base.items if is_withheld(name, withheld)}
    if run.task.dry_run:
        seen = {"equal": compared.equal, "differing": tuple(sorted(kept))}
        plan = plan.model_copy(update=seen)
    else:
        pair = scope(target_of(run))
        tools.bases.seen_equal(pair, part, surveyed.base, compared.equal, kept)
    return with_details(plan, kestra, repo, run.base_commit)


def protected_namespaces(run: Run) -> tuple[str, ...]:
    """The task's list and the server's system namespace; an empty list protects nothing."""
    named = run.task.protected_namespaces
    system = str(run.facts.get("server", {}).get("system_namespace", "system"))
    return tuple(dict.fromkeys((*named, system))) if named else ()


# -- gather -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """A run after its plan is made, and the waiting runs whose place it took."""

    run: Run
    superseded: tuple[Run, ...] = ()
    #: The waiting run with this very plan, which the askers of this one have joined.
    twin: Run | None = None


def gather(tools: Toolbox, run: Run) -> Decided:
    """One plan of all parts, its digest and diff files; then the next state."""
    parts = part_plans(tools, run)
    plan = assemble_plan(run, parts)
    digest = plan_digest(plan)
    stored = store_files(plan, tools.contents)
    columns: dict[str, Any] = {
        "plan_digest": digest,
        "plan": stored.plan,
        "patch": stored.patch,
        "ion": stored.ion,
        "planned_at": now(),
        "deletions": plan.deletions,
        "counts": finishing.plan_counts(plan).to_dict(),
        "problems": [one.to_dict() for one in (*told(plan.problems), *told(plan.guards))],
    }
    tools.parts.add_writes(write_rows(tools, run, plan))
    reach("gathered", run=run.id)
    twin = waiting_twin(tools, run, plan, digest)
    if twin is not None:
        tools.runs.join(run, twin)
        ended = tools.runs.move(run, State.SUPERSEDED, followed_by=twin.id, **columns)
        return Decided(run=_moved(ended), twin=tools.runs.get(twin.id))
    state = State.CANCELLED if tools.runs.is_cancelled(run.id) else next_state(run, plan)
    unchanged = state is State.UNCHANGED and not run.task.dry_run
    said = noted(tools, run, state, run.base_commit) if unchanged else None
    moved = _moved(tools.runs.move(run, state, noted=said, **columns))
    if unchanged:
        let_go(tools, moved)
        remember(tools.known, moved, plan, parts)
    return Decided(run=moved, superseded=supersede_older(tools, moved))


# -- write --------------------------------------------------------------------------------------


def begin(tools: Toolbox, run: Run) -> Run:
    """Resolves the identities again before anything is written, with the protection of now.

    A plan that was made for another tenant or repository than the names mean now is REFUSED.
    """
    server = tools.kestra(run.task.kestra).identity(prove=False)
    wrong = holding.elsewhere(tools, run, server)
    if wrong is not None and not run.facts.get("published"):
        return _refused(tools, run, [wrong])
    if run.target is not None:
        tools.known.take_all(run.target, run.id)  # what was equal is not so any more
    if run.task.dry_run:
        note_seen(tools, run)  # before anything is written: what is written is noted on top
    protected = protected_namespaces(run)
    of_now = (*protected, server.system_namespace) if protected else ()
    facts = {**run.facts, "protected": sorted(set(of_now)), "published": True}
    return _moved(tools.runs.set(run, facts=facts))


def commit(tools: Toolbox, run: Run, guard: Guard) -> str:
    """One commit of all changes whose target is Git, inside all its lanes."""
    row = tools.parts.write(run.id, "", WritePhase.COMMIT)
    if row is None or row.result is not None:
        return "done before"
    changes = changes_of(tools, row)
    holding.check_place(tools, run)
    kestra, repo = _sides(tools, run.task)
    kept = holding.protected_now(run, changes)
    todo = [change for change in changes if change not in kept]
    held = kestra_now(kestra, {change.part for change in todo})
    wording = commit_wording(
        run,
        changes,
        tools.runs.askers(run.id),
        tools.runs.reviews(run.id),
        repo.connection,
    )
    try:
        written = committing.commit_plan(
            run,
            todo,
            held,
            wording,
            repo=repo,
            bases=tools.bases,
            contents=tools.contents,
            guard=_stoppable(tools, run, guard),
        )
    except Cancelled as error:
        written = holding.with_held(Written(), dict.fromkeys(todo, error.message))
    return store(tools, run, row, holding.with_held(written, kept))


def _stoppable(tools: Toolbox, run: Run, guard: Guard) -> Guard:
    # A cancelled job still looks at its target: what it wrote before it died has landed.
    return Stoppable(guard, lambda: tools.runs.is_cancelled(run.id))


def after_commit(tools: Toolbox, run: Run) -> str:
    """The job that comes after the commit of a run."""
    more = open_writes(tools, run, WritePhase.UPSERT) + open_writes(tools, run, WritePhase.DELETE)
    return "tenantsync.upserts" if more else "tenantsync.finish"


def write(tools: Toolbox, run: Run, namespace: str, phase: WritePhase, guard: Guard) -> str:
    """Writes one namespace of Kestra inside its lane."""
    row = tools.parts.write(run.id, namespace, phase)
    if row is None or row.result is not None:
        return "done before"
    changes = changes_of(tools, row)
    holding.check_place(tools, run)
    held = holding.held_deletions(tools, run, changes) if phase is WritePhase.DELETE else {}
    todo = [change for change in changes if change not in held]
    written = _write(tools, run, row, todo, guard) if todo else Written()
    reach("read-back", run=run.id, namespace=namespace)
    return store(tools, run, row, holding.with_held(written, held))


def _write(
    tools: Toolbox, run: Run, row: WriteRow, changes: Sequence[Change], guard: Guard
) -> Written:
    kestra, repo = _sides(tools, run.task)
    namespace = changes[0].namespace
    looks = Looks(
        noted=noted_of(tools, row), note=lambda revisions: note_revisions(tools, row, revisions)
    )
    try:
        written = writing.write_namespace(
            run,
            changes,
            kestra=kestra,
            repo=repo,
            bases=tools.bases,
            contents=tools.contents,
            looks=looks,
            guard=_stoppable(tools, run, guard),
        )
    except (LeaseLost, Passing):
        _check_late(tools, run, namespace, guard)
        raise
    _check_late(tools, run, namespace, guard)
    return written


def _check_late(tools: Toolbox, run: Run, namespace: str, guard: Guard) -> None:
    """A write that was under way when the lease ended is named; the job that gets the lane next
    reads the namespace back before the lane is left."""
    if guard.held():
        return
    message = "the lease of this lane ended while a write was under way; it is read back"
    tools.runs.add_problem(run.id, Problem(code=Code.LATE_WRITE, where=namespace, message=message))
    raise LeaseLost(f"{namespace}: {message}")


# -- finish -------------------------------------------------------------------------------------


def finish(tools: Toolbox, run: Run) -> Run:
    """The outcome of a run that has written, its base, and a follower for what was stale."""
    end = end_of(tools, run)
    tools.known.take_all(target_of(run), run.id)  # whoever has read meanwhile saw half of it
    follower = follow(tools, run, end) if end.counts.stale else None
    commit = commit_of(run, end.state, end)
    moved = tools.runs.move(
        run,
        end.state,
        noted=noted(tools, run, end.state, commit),
        followed_by=follower.id if follower else None,
        **columns_of(tools, run, end),
    )
    ended = _moved(moved)
    reach("ended", run=run.id)
    let_go(tools, ended)
    return ended


# -- shared -------------------------------------------------------------------------------------


def _moved(run: Run | None) -> Run:
    """The run after a move; Overtaken when somebody else moved it first."""
    if run is None:
        raise Overtaken("the run was moved by another delivery or by a person")
    return run


def _sides(tools: Toolbox, task: Task) -> tuple[Any, Any]:
    return tools.kestra(task.kestra), tools.repository(task.repository)


def _refused(tools: Toolbox, run: Run, problems: Sequence[Problem]) -> Run:
    rows = [problem.to_dict() for problem in problems]
    return _moved(tools.runs.move(run, State.REFUSED, problems=rows))
