"""The write jobs of a run: which changes each has, which lanes it needs, and what it did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tasks.artifacts import Key, Part
from tasks.errors import NotFound
from tasks.look import Ended, How, Written
from tasks.plan import Action, Change, Plan, Target
from tasks.points import reach
from tasks.requests import NamespaceSync, Side
from tasks.run import Run
from tasks.store.bases import Noted
from tasks.store.parts import WritePhase, WriteRow
from tasks.toolbox import Toolbox


def target_of(run: Run) -> Target:
    if run.target is None:
        raise NotFound(f"run {run.id} was never surveyed")
    return run.target


def write_rows(tools: Toolbox, run: Run, plan: Plan) -> list[WriteRow]:
    """The write jobs of a plan: one commit, and per namespace of Kestra upserts and deletions."""
    jobs: dict[tuple[str, WritePhase], list[Change]] = {}
    for change in plan.writes:
        jobs.setdefault(_job(change), []).append(change)
    return [
        WriteRow(
            run=run.id,
            namespace=namespace,
            phase=phase,
            changes=tools.contents.put(_staged(changes)),
            namespaces=tuple(sorted({change.namespace for change in changes})),
        )
        for (namespace, phase), changes in sorted(jobs.items())
    ]


def _job(change: Change) -> tuple[str, WritePhase]:
    if change.target is Side.GIT:
        return "", WritePhase.COMMIT
    deletes = change.action is Action.DELETE
    return change.namespace, WritePhase.DELETE if deletes else WritePhase.UPSERT


def lanes(tools: Toolbox, run: Run) -> list[str]:
    """All lanes that a run still needs, sorted: one per namespace with an open write job, and
    one for the branch while the commit is open."""
    rows = [row for row in tools.parts.writes(run.id) if row.result is None]
    return sorted({one for row in rows for one in _lanes(target_of(run), row)})


def _lanes(target: Target, row: WriteRow) -> list[str]:
    branch = [branch_lane(target)] if row.phase is WritePhase.COMMIT else []
    return [*branch, *(lane(target, namespace) for namespace in row.namespaces)]


def lane(target: Target, namespace: str) -> str:
    """The lane of a namespace of a tenant."""
    return f"{target.server}/{target.tenant}/{namespace}"


def branch_lane(target: Target) -> str:
    """The lane of a branch of a remote."""
    return f"{target.remote}#{target.branch}"


def lanes_of(tools: Toolbox, run: Run, job: str, rest: Sequence[str]) -> list[str]:
    """The lanes that one write job needs."""
    row = write_row(tools, run, job, rest)
    return sorted(_lanes(target_of(run), row)) if row is not None else []


def open_writes(tools: Toolbox, run: Run, phase: WritePhase) -> list[str]:
    """The namespaces whose write job of a phase has no result yet."""
    rows = tools.parts.writes(run.id)
    return [row.namespace for row in rows if row.phase is phase and row.result is None]


def is_written(tools: Toolbox, run: Run, job: str, rest: Sequence[str]) -> bool:
    """Whether a write job has its result already."""
    row = write_row(tools, run, job, rest)
    return row is None or row.result is not None


def store(tools: Toolbox, run: Run, row: WriteRow, written: Written) -> str:
    """Stores the result of a write job, and with it what landed as the new base."""
    landed: dict[Part, dict[str, str | None]] = {}
    for change in written.landed:
        landed.setdefault(change.part, {})[change.name] = change.after
    result = tools.contents.put(written.to_json().encode())
    reach("result.staged", run=run.id, namespace=row.namespace or None, what=row.phase)
    noted = Noted(target=target_of(run), landed=landed)
    tools.parts.written(run.id, row.namespace, row.phase, result, noted)
    tools.runs.touch(run.id)
    return f"{len(written.landed)} of {len(written.ended)} landed"


def write_row(tools: Toolbox, run: Run, job: str, rest: Sequence[str]) -> WriteRow | None:
    if job == "tenantsync.commit":
        return tools.parts.write(run.id, "", WritePhase.COMMIT)
    return tools.parts.write(run.id, rest[0], WritePhase(rest[1]))


def _staged(changes: Sequence[Change]) -> bytes:
    return (
        Written(ended=tuple(Ended(change=change, how=How.HELD) for change in changes))
        .to_json()
        .encode()
    )


def changes_of(tools: Toolbox, row: WriteRow) -> tuple[Change, ...]:
    return tuple(one.change for one in planned_of(tools, row))


def planned_of(tools: Toolbox, row: WriteRow) -> tuple[Ended, ...]:
    """The changes of a write job, with the revisions that it has noted."""
    return Written.model_validate_json(tools.contents.get(row.changes)).ended


def noted_of(tools: Toolbox, row: WriteRow) -> dict[Key, int]:
    """The revisions that a write job has noted before it wrote."""
    planned = planned_of(tools, row)
    return {one.change.key: one.revision for one in planned if one.revision is not None}


def note_revisions(tools: Toolbox, row: WriteRow, revisions: Mapping[Key, int]) -> None:
    """Keeps the revisions of what a write job is about to write with its changes; those noted
    first stay, since an earlier delivery of the job may have written since."""
    noted = {**revisions, **noted_of(tools, row)}
    ended = tuple(
        one.model_copy(update={"revision": noted.get(one.change.key)})
        for one in planned_of(tools, row)
    )
    changes = tools.contents.put(Written(ended=ended).to_json().encode())
    tools.parts.noted(row.run, row.namespace, row.phase, changes)


def results(tools: Toolbox, run: Run) -> list[Written]:
    rows = tools.parts.writes(run.id)
    return [result_of(tools, row) for row in rows if row.result is not None]


def result_of(tools: Toolbox, row: WriteRow) -> Written:
    """The result of a write job that has one."""
    return Written.model_validate_json(tools.contents.get(row.result or ""))


def settle_result(tools: Toolbox, row: WriteRow, result: Written) -> None:
    """Puts what was found out later in the place of a result that did not know it."""
    stored = tools.contents.put(result.to_json().encode())
    tools.parts.settled(row.run, row.namespace, row.phase, stored)


def lane_key(tools: Toolbox, run: Run) -> str | None:
    """The lane of a run that writes one namespace only, as far as it is known when it is asked;
    None where the server was never reached."""
    if not isinstance(run.task, NamespaceSync):
        return None
    connection = tools.config.kestra_connection(run.task.kestra)
    uuid = tools.bases.server(connection.url)
    return f"{uuid}/{connection.tenant}/{run.task.namespace}" if uuid else None


def still_needed(tools: Toolbox, run: Run, job: str, needed: Sequence[str]) -> frozenset[str]:
    """Those of a job's lanes that another open write job of the run needs as well."""
    if job != "tenantsync.commit":
        namespace = needed[0].rsplit("/", 1)[-1]
        rows = [tools.parts.write(run.id, namespace, phase) for phase in WritePhase]
        return frozenset(needed) if any(row and row.result is None for row in rows) else frozenset()
    target = target_of(run)
    rows_of_run = tools.parts.writes(run.id)
    still = {lane(target, row.namespace) for row in rows_of_run if row.result is None}
    return frozenset(needed) & still


def plan_of(tools: Toolbox, run: Run) -> Plan:
    """The plan of a run that has one."""
    return Plan.model_validate_json(tools.contents.get(run.plan or ""))
