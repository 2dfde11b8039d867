"""A run from top to bottom: ask → split → plan → gather → (review) → write → finish.

`split` pins both sides and reads them in bulk; `plan_part` compares one namespace × kind;
`gather` makes one plan of all parts and decides whether it ends, waits for a person or is
written; `commit` and `write` write inside the lanes, looking at each change again first;
`finish` says how it ended. Each function here is called by one job of `tasks.jobs`, may be called
twice, and may die at any instruction: what it stores is stored once per run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tasks import committing, finishing, planning, survey, writing
from tasks.artifacts import Kind, Part
from tasks.compare import is_withheld
from tasks.errors import Doubtful, LeaseLost, LoginRefused, Unsupported
from tasks.gathering import assemble
from tasks.guard import Guard
from tasks.kestra.side import Server
from tasks.look import Ended, How, Written
from tasks.outcome import Counts, State
from tasks.partplan import PartPlan, unchanged, unread
from tasks.plan import Change, Plan, plan_digest
from tasks.planfiles import store_files
from tasks.points import reach
from tasks.problems import Code, Problem
from tasks.protection import is_protected
from tasks.requests import Task, WhenMissing
from tasks.run import Run
from tasks.sides import kestra_now
from tasks.store.bases import scope
from tasks.store.parts import PartRow, PartState, WritePhase
from tasks.store.runs import now
from tasks.survey import PartSurvey, Pinned
from tasks.toolbox import Toolbox
from tasks.wording import commit_wording
from tasks.writes import changes_of, open_writes, results, store, target_of, write_row, write_rows

#: Runs that follow each other because something was stale, at most.
FOLLOWERS = 3


# -- split --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """What a split gives: parts to compare, or a run that has ended."""

    parts: tuple[Part, ...] = ()
    ended: Run | None = None


def split(tools: Toolbox, run: Run) -> Split:
    """Pins both sides and surveys them in bulk, once per run."""
    if run.cancelled_by is not None:
        return Split(ended=tools.runs.move(run, State.CANCELLED) or tools.runs.get(run.id))
    rows = tools.parts.of(run.id)
    if not rows:
        pinned = _pin(tools, run)
        if pinned.problems:
            return Split(ended=_refused(tools, run, pinned.problems))
        rows = _survey(tools, run, pinned)
    return Split(parts=tuple(row.part for row in rows if row.state is PartState.SURVEYED))


def _pin(tools: Toolbox, run: Run) -> Pinned:
    kestra, repo = _sides(tools, run.task)
    pinned = survey.pin(run.task, run.id, kestra, repo, tools.bases)
    tools.bases.met(kestra.connection.url, pinned.server.uuid)
    reach("fetched", run=run.id)
    return pinned


def _survey(tools: Toolbox, run: Run, pinned: Pinned) -> list[PartRow]:
    kestra, repo = _sides(tools, run.task)
    read = survey.read(run.task, pinned, kestra, repo, tools.bases, tools.contents)
    reach("surveyed", run=run.id)
    facts = {
        "server": asdict(pinned.server),
        "equal": [[part.namespace, part.kind, count] for part, count in read.equal.items()],
    }
    tools.runs.set(
        run,
        target=pinned.target.to_dict(),
        base_commit=pinned.commit,
        new_branch=pinned.new_branch,
        facts=facts,
        problems=[problem.to_dict() for problem in read.problems],
    )
    rows = [_row(run, part, PartState.SURVEYED, name) for part, name in read.open.items()]
    rows += [_row(run, part, PartState.EQUAL, None) for part in read.equal]
    tools.parts.survey(rows)
    return rows


def _row(run: Run, part: Part, state: PartState, name: str | None) -> PartRow:
    return PartRow(run=run.id, namespace=part.namespace, kind=part.kind, state=state, survey=name)


# -- plan ---------------------------------------------------------------------------------------


def plan_part(tools: Toolbox, run: Run, part: Part) -> str:
    """Compares one part and stores its result; what is refused is data, never an error."""
    row = tools.parts.one(run.id, part)
    if row is None or row.survey is None or row.result is not None or run.target is None:
        return "done before"
    surveyed = PartSurvey.model_validate_json(tools.contents.get(row.survey))
    try:
        plan = _compare(tools, run, part, surveyed)
    except (Unsupported, Doubtful, LoginRefused) as error:
        plan = unread(part, error.message)
    state = PartState.PLANNED if plan.unread is None else PartState.UNREAD
    result = tools.contents.put(plan.to_json().encode())
    reach("staged", run=run.id, namespace=part.namespace)
    tools.parts.planned(run.id, part, state, result)
    return f"{len(plan.changes)} changes"


def _compare(tools: Toolbox, run: Run, part: Part, surveyed: PartSurvey) -> PartPlan:
    if surveyed.unread is not None:
        return unread(part, surveyed.unread)
    kestra, repo = _sides(tools, run.task)
    kestra.assume(Server(**run.facts["server"]))
    if run.base_commit is not None:
        repo.ensure(run.id, run.base_commit, run.task.branch)
    sides = planning.read_sides(run.task, part, surveyed, kestra, repo)
    reach("read", run=run.id, namespace=part.namespace)
    protected = protected_namespaces(run)
    plan, compared = planning.plan_part(
        run.task, part, surveyed, sides, protected, kestra, tools.contents
    )
    if not run.task.dry_run and run.target is not None:
        withheld = sides.source.snapshot.withheld | sides.target.snapshot.withheld
        kept = {one.name for one in compared.differences}
        kept |= {name for name in surveyed.base.items if is_withheld(name, withheld)}
        tools.bases.seen_equal(scope(run.target), part, surveyed.base, compared.equal, kept)
    return plan


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


def gather(tools: Toolbox, run: Run) -> Decided:
    """One plan of all parts, its digest and diff files; then the next state."""
    plan = _assemble(tools, run)
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
        "problems": [problem.to_dict() for problem in (*plan.problems, *plan.guards)],
    }
    tools.parts.add_writes(write_rows(tools, run, plan))
    reach("gathered", run=run.id)
    twin = _waiting_twin(tools, run, plan, digest)
    if twin is not None:
        tools.runs.join(run, twin)
        ended = tools.runs.move(run, State.SUPERSEDED, followed_by=twin.id, **columns)
        return Decided(run=ended or tools.runs.get(run.id), superseded=(twin,))
    state = State.CANCELLED if tools.runs.is_cancelled(run.id) else next_state(run, plan)
    moved = tools.runs.move(run, state, **columns) or tools.runs.get(run.id)
    if moved.state is State.UNCHANGED and not run.task.dry_run:
        settle(tools, moved, moved.base_commit)
    return Decided(run=moved, superseded=_supersede(tools, moved))


def next_after_plan(run: Run, plan: Plan) -> State:
    """What a plan that has changes leads to once it is to be written: a person, or writing."""
    return State.WAITING if run.task.reviewed or plan.guards else State.WRITING


def next_state(run: Run, plan: Plan) -> State:
    """What a plan leads to: the end of the run, a person, or writing."""
    if any(problem.fatal for problem in plan.problems):
        return State.REFUSED
    if not plan.writes:
        return State.PARTIAL if plan.unread else State.UNCHANGED
    if run.task.dry_run:
        return State.PLANNED
    return next_after_plan(run, plan)


def _assemble(tools: Toolbox, run: Run) -> Plan:
    parts = []
    counts = {Part(n, Kind(k)): count for n, k, count in run.facts.get("equal", [])}
    for row in tools.parts.of(run.id):
        if row.state is PartState.EQUAL:
            parts.append(unchanged(row.part, counts.get(row.part, 0)))
        elif row.result is None:
            parts.append(unread(row.part, "its job did not end"))
        else:
            parts.append(PartPlan.model_validate_json(tools.contents.get(row.result)))
    return assemble(
        run.task,
        run.id,
        target_of(run),
        parts,
        base_commit=run.base_commit,
        new_branch=run.new_branch,
        problems=run.problems,
    )


def _waiting_twin(tools: Toolbox, run: Run, plan: Plan, digest: str) -> Run | None:
    """The run of the same sync that waits for a person with this very plan."""
    if next_state(run, plan) is not State.WAITING:
        return None
    waiting = tools.runs.waiting_plans(run)
    return next((other for other in waiting if other.plan_digest == digest), None)


def _supersede(tools: Toolbox, run: Run) -> tuple[Run, ...]:
    """Ends the waiting runs of the same sync that this newer plan replaces."""
    if run.state in {State.PLANNED, State.REFUSED, State.CANCELLED, State.FAILED}:
        return ()
    old = [other for other in tools.runs.waiting_plans(run) if other.seq < run.seq]
    return tuple(tools.runs.get(other.id) for other in old if tools.runs.supersede(other, run))


# -- write --------------------------------------------------------------------------------------


def begin(tools: Toolbox, run: Run) -> Run:
    """Resolves the identities again before anything is written, with the protection of now.

    A plan that was made for another server or repository than the names mean now is REFUSED.
    """
    kestra, repo = _sides(tools, run.task)
    server = kestra.identity(prove=False)
    target = target_of(run)
    if (server.uuid, repo.remote) != (target.server, target.remote):
        message = (
            f"the plan is for server {target.server} and {target.remote}; the configuration now "
            f"leads to server {server.uuid} and {repo.remote}; make a new plan"
        )
        return _refused(
            tools,
            run,
            [Problem(code=Code.REFUSED, where=f"run {run.id}", message=message, fatal=True)],
        )
    protected = protected_namespaces(run)
    now_protected = (*protected, server.system_namespace) if protected else ()
    facts = {**run.facts, "protected": sorted(set(now_protected))}
    return tools.runs.set(run, facts=facts) or tools.runs.get(run.id)


def commit(tools: Toolbox, run: Run, guard: Guard) -> str:
    """One commit of all changes whose target is Git, inside all its lanes."""
    row = tools.parts.write(run.id, "", WritePhase.COMMIT)
    if row is None or row.result is not None:
        return "done before"
    changes = changes_of(tools, row)
    if tools.runs.is_cancelled(run.id):
        return store(tools, run, row, _held(changes, "the run was cancelled"))
    kestra, repo = _sides(tools, run.task)
    held = kestra_now(kestra, {change.part for change in changes})
    wording = commit_wording(
        run,
        plan_of(tools, run),
        tools.runs.askers(run.id),
        tools.runs.reviews(run.id),
        repo.connection,
    )
    written = committing.commit_plan(
        run,
        changes,
        held,
        wording,
        repo=repo,
        bases=tools.bases,
        contents=tools.contents,
        guard=guard,
    )
    return store(tools, run, row, written)


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
    if tools.runs.is_cancelled(run.id):
        return store(tools, run, row, _held(changes, "the run was cancelled"))
    held = _held_deletions(tools, run, changes) if phase is WritePhase.DELETE else {}
    todo = [change for change in changes if change not in held]
    kestra, repo = _sides(tools, run.task)
    written = Written()
    if todo:
        written = writing.write_namespace(
            run,
            todo,
            kestra=kestra,
            repo=repo,
            bases=tools.bases,
            contents=tools.contents,
            guard=guard,
        )
        _check_late(tools, run, namespace, guard)
    kept = tuple(Ended(change=one, how=How.HELD, message=why) for one, why in held.items())
    written = written.model_copy(update={"ended": (*written.ended, *kept)})
    reach("read-back", run=run.id, namespace=namespace)
    return store(tools, run, row, written)


def _check_late(tools: Toolbox, run: Run, namespace: str, guard: Guard) -> None:
    """A write that was under way when the lease ended is named; the job that gets the lane next
    reads the namespace back before the lane is left."""
    if guard.held():
        return
    message = "the lease of this lane ended while a write was under way; it is read back"
    tools.runs.add_problem(run.id, Problem(code=Code.LATE_WRITE, where=namespace, message=message))
    raise LeaseLost(f"{namespace}: {message}")


def _held_deletions(tools: Toolbox, run: Run, changes: Sequence[Change]) -> Mapping[Change, str]:
    """Deletions that must not be sent: of a move whose other half did not land, or all of them
    when something is stale and `onStale` is FAIL."""
    done = [ended for result in results(tools, run) for ended in result.ended]
    if run.task.on_stale == "FAIL" and any(one.how is How.STALE for one in done):
        return dict.fromkeys(changes, "held back: the run has stale changes (onStale: FAIL)")
    landed = {str(one.change.key) for one in done if one.how is How.LANDED}
    protected = run.facts.get("protected", [])
    held = {
        change: f"held back: {change.namespace} is protected now"
        for change in changes
        if is_protected(change.namespace, protected)
    }
    return held | {
        change: f"held back: {change.moved_to}, to which it moves, did not land"
        for change in changes
        if change.moved_to is not None and change.moved_to not in landed
    }


def lost(tools: Toolbox, run: Run, job: str, rest: Sequence[str], why: str) -> str:
    """The error record of a job that failed for good: a part unread, or changes not landed."""
    if job == "tenantsync.plan":
        part = Part(rest[0], Kind(rest[1]))
        result = tools.contents.put(unread(part, why).to_json().encode())
        tools.parts.planned(run.id, part, PartState.UNREAD, result)
        return "unread"
    row = write_row(tools, run, job, rest)
    if row is None or row.result is not None:
        return "done before"
    # It may have written before it died: the target is read before anybody says that it did not.
    ended = tuple(Ended(change=one, how=How.UNKNOWN, message=why) for one in changes_of(tools, row))
    return store(tools, run, row, Written(ended=ended))


# -- finish -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A run at its end, and the one that follows it."""

    run: Run
    follower: Run | None = None


def finish(tools: Toolbox, run: Run) -> Finished:
    """The outcome of a run that has written, its base, and a follower for what was stale."""
    end = finishing.end(
        plan_of(tools, run), results(tools, run), cancelled=run.cancelled_by is not None
    )
    follower = _follow(tools, run, end) if end.counts.stale else None
    moved = tools.runs.move(
        run,
        end.state,
        counts=end.counts.to_dict(),
        problems=[problem.to_dict() for problem in (*end.problems, *_late(tools, run))],
        commit_id=end.commit,
        commit_url=end.commit_url,
        followed_by=follower.id if follower else None,
    )
    ended = moved or tools.runs.get(run.id)
    if moved is not None:
        commit_id = end.commit or (run.base_commit if end.state is State.APPLIED else None)
        settle(tools, ended, commit_id)
    return Finished(run=ended, follower=follower)


def _late(tools: Toolbox, run: Run) -> list[Problem]:
    problems = tools.runs.get(run.id).problems
    return [problem for problem in problems if problem.code is Code.LATE_WRITE]


def _follow(tools: Toolbox, run: Run, end: finishing.End) -> Run | None:
    """An unreviewed run that left something stale asks its task again."""
    reviewed = run.task.reviewed or run.task.plan or tools.runs.reviews(run.id)
    if reviewed or run.depth >= FOLLOWERS or end.state not in {State.PARTIAL, State.STALE}:
        return None
    follower, _ = tools.runs.ask(
        run.task, who=f"run {run.id}", message=f"{run.id}.follower", follows=run
    )
    return follower


def settle(tools: Toolbox, run: Run, commit_id: str | None) -> None:
    """The parts that a run which may delete has settled, and the commit both sides are at; not
    for dry runs."""
    target = target_of(run)
    if commit_id is not None and run.state in {State.APPLIED, State.PARTIAL, State.UNCHANGED}:
        tools.bases.synced(scope(target), target, commit_id)
    deletes = run.task.when_missing_in_source is WhenMissing.DELETE
    if deletes and run.state in {State.APPLIED, State.UNCHANGED}:
        rows = tools.parts.of(run.id)
        tools.bases.settle(scope(target), [row.part for row in rows])
    if run.state is State.UNCHANGED:
        tools.parts.forget(run.id)  # a reconcile every few minutes would fill the table
    tools.repository(run.task.repository).release(run.id)


def fail(tools: Toolbox, run_id: str, epoch: int, why: str) -> Run | None:
    """Ends a run that cannot go on; what it wrote so far is told truly."""
    run = tools.runs.get(run_id)
    if run.epoch != epoch or run.state.at_rest or run.state is State.UNKNOWN:
        return None
    problem = Problem(code=Code.FAILED, where=f"run {run.id}", message=why)
    landed = sum(len(result.landed) for result in results(tools, run))
    state = State.PARTIAL if landed and run.state is State.WRITING else State.FAILED
    counts = (run.counts or Counts()).model_copy(update={"landed": landed})
    return tools.runs.move(
        run,
        state,
        problems=[one.to_dict() for one in (*run.problems, problem)],
        counts=counts.to_dict(),
    )


# -- shared -------------------------------------------------------------------------------------


def plan_of(tools: Toolbox, run: Run) -> Plan:
    """The plan of a run that has one."""
    return Plan.model_validate_json(tools.contents.get(run.plan or ""))


def _sides(tools: Toolbox, task: Task) -> tuple[Any, Any]:
    return tools.kestra(task.kestra), tools.repository(task.repository)


def _refused(tools: Toolbox, run: Run, problems: Sequence[Problem]) -> Run:
    rows = [problem.to_dict() for problem in problems]
    return tools.runs.move(run, State.REFUSED, problems=rows) or tools.runs.get(run.id)


def _held(changes: Sequence[Change], why: str) -> Written:
    return Written(ended=tuple(Ended(change=one, how=How.HELD, message=why) for one in changes))
