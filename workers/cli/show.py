"""Everything about one run for people: who asked, its plan and problems, how it ended, and what
can be typed next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta

from rich.table import Table
from rich.text import Text

from tasks.ending import all_problems
from tasks.look import How
from tasks.outcome import State
from tasks.plan import Plan
from tasks.problems import Code, Problem, told
from tasks.requests import ReviewRule
from tasks.run import Asker, Run
from tasks.toolbox import Toolbox
from tasks.writes import results
from workers.cli.console import line, show, tell, text
from workers.cli.output import Output, write
from workers.cli.plantable import last_line, show_changes
from workers.cli.words import local, source_and_target, sync_name
from workers.settings import load

_STYLES = {
    State.APPLIED: "bold green",
    State.UNCHANGED: "bold green",
    State.PLANNED: "bold cyan",
    State.WAITING: "bold yellow",
    State.SUPERSEDED: "bold cyan",
}
#: States after which the same sync is asked again, once a person has mended something.
_TO_MEND = {State.REFUSED, State.FAILED, State.PARTIAL, State.STALE}
#: Hex digits of a digest that a person types.
SHORT_DIGEST = 12


def style_of(state: State) -> str:
    """How a state is coloured: green is done, red is not."""
    return _STYLES.get(state, "" if state.in_motion else "bold red")


def show_end(tools: Toolbox, run: Run) -> None:
    """Everything about a run at rest: plan, problems, state, and what to type next."""
    plan = plan_of(tools, run)
    name = sync_name(tools.config, run)
    tell(line(f"run {run.id}  {name}  {source_and_target(run.task)}", "bold"))
    if plan is not None:
        show_plan(tools, run, plan)
    else:
        show_problems("Problems", run.problems)
    tell(_state(run))
    for hint in _next(tools, run, plan, name):
        tell(text(f"  {hint}"))


def particulars(tools: Toolbox, run: Run) -> Table:
    """The particulars as a table of names and values."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(no_wrap=True, style="dim")
    table.add_column(overflow="fold")
    for name, value in _pairs(tools, run):
        if value:
            table.add_row(Text(name), line(value))
    return table


def _pairs(tools: Toolbox, run: Run) -> Iterator[tuple[str, str]]:
    for asker in tools.runs.askers(run.id):
        yield "asked", f"{local(asker.asked_at)} by {_who(asker)}"
    yield "planned", local(run.planned_at)
    for review in tools.runs.reviews(run.id):
        reason = f": {review.reason}" if review.reason else ""
        yield review.decision, f"{local(review.at)} by {review.person}{reason}"
    yield "ended", local(run.ended_at)
    yield "task", _task(run)
    if run.target is not None:
        yield "kestra", f"{run.target.server} tenant {run.target.tenant}"
        yield "git", f"{run.target.remote} {run.target.branch}"
    yield "read at", run.base_commit or ""
    yield "digest", run.plan_digest or ""
    yield "follows", run.follows or ""


def _who(asker: Asker) -> str:
    withdrawn = " (withdrawn)" if asker.withdrawn else ""
    return asker.who + withdrawn


def _task(run: Run) -> str:
    """The fields of the task that were given another value than their default."""
    given = run.task.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return ", ".join(f"{name}: {value}" for name, value in given.items())


def show_plan(tools: Toolbox, run: Run, plan: Plan) -> None:
    """The plan of a run with its problems, what wants a person, and its last line."""
    if plan.changes or plan.new_branch or plan.unread:
        show_changes(plan, run.id, ended_of(tools, run))
    shown = told(plan.guards)
    guards = set(shown)
    show_problems("Problems", [one for one in run.problems if one not in guards])
    if run.state in {State.WAITING, State.PLANNED}:
        show_problems("A person must agree", shown)
    tell(last_line(plan))


def plan_of(tools: Toolbox, run: Run) -> Plan | None:
    """The plan of a run; None where it has none yet."""
    if run.plan is None:
        return None
    return Plan.model_validate_json(tools.contents.get(run.plan))


def ended_of(tools: Toolbox, run: Run) -> Mapping[str, How]:
    """How the changes of a run ended that were written or tried, by their key."""
    return {str(one.change.key): one.how for result in results(tools, run) for one in result.ended}


def show_problems(title: str, problems: Sequence[Problem]) -> None:
    """All problems in full, under a title."""
    if not problems:
        return
    tell(Text(f"{title}:", style="bold"))
    table = Table(box=None, show_header=False, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column(width=3, justify="right")
    table.add_column(overflow="fold")
    for problem in problems:
        sign = Text("!", style="bold red" if problem.fatal else "magenta")
        words = Text.assemble(line(problem.code, "bold"), " ", line(problem.where), "\n")
        table.add_row(sign, words.append(text(problem.message)))
    show(table)


def show_all_problems(tools: Toolbox, run: Run, output: Output) -> None:
    """Every problem of a run, one by one."""
    found = all_problems(tools, run)
    if output is not Output.TABLE:
        write([one.to_dict() for one in found], output)
        return
    for one in found:
        tell(Text.assemble(line(one.code, "bold"), " ", line(one.where)))
        tell(text(f"  {one.message}"))


def approval(run: Run, plan: Plan) -> str:
    """The command that approves exactly this plan."""
    deletions = f" --deletions {plan.deletions}" if plan.guards else ""
    digest = (run.plan_digest or "")[:SHORT_DIGEST]
    return f"tenantsync approve {run.id} --digest {digest}{deletions}"


def _state(run: Run) -> Text:
    counts = run.counts
    landed = f"{counts.landed} landed" if counts else ""
    words = {
        State.QUEUED: "not begun yet",
        State.PLANNING: "being planned",
        State.WRITING: "being written",
        State.UNCHANGED: "nothing to write",
        State.PLANNED: "a dry run, nothing was written",
        State.WAITING: "nothing is written before a person agrees",
        State.APPLIED: landed,
        State.PARTIAL: f"not everything was read or written; {landed}",
        State.STALE: "both sides had moved, nothing was written",
        State.REFUSED: "nothing was written",
        State.UNKNOWN: "what landed cannot be read yet; workers try again",
        State.FAILED: f"an error ended it; {landed}" if counts else "an error ended it",
        State.REJECTED: "nothing was written",
        State.CANCELLED: f"by {run.cancelled_by or 'somebody'}" + (f"; {landed}" if counts else ""),
        State.EXPIRED: "nobody decided in time, nothing was written",
        State.SUPERSEDED: f"run {run.followed_by} took its place",
    }.get(run.state, "")
    return Text.assemble(Text(run.state, style=style_of(run.state)), line(f"  {words}"))


def _next(tools: Toolbox, run: Run, plan: Plan | None, name: str) -> Iterator[str]:
    if run.commit_url or run.commit_id:
        yield f"commit:     {run.commit_url or run.commit_id}"
    if run.state in {State.WAITING, State.PLANNED} and plan is not None:
        yield from _to_decide(run, plan)
    elif run.state is State.SUPERSEDED and run.followed_by:
        yield from _after_superseded(tools, run.followed_by)
    elif run.followed_by:
        yield f"follower:   tenantsync runs wait {run.followed_by}"
    if run.state in {State.WAITING, State.PLANNED}:
        limit = (run.planned_at or run.moved_at) + timedelta(days=load().review_days)
        yield f"expires:    {local(limit)}"
    if run.patch is not None and plan is not None and plan.changes:
        yield f"the texts:  tenantsync runs diff {run.id}"
    if any(problem.code is Code.OVERTAKEN for problem in run.problems):
        yield f"overtaken:  tenantsync runs diff {run.id} --overtaken"
    if run.state.in_motion or run.state is State.UNKNOWN:
        yield f"wait:       tenantsync runs wait {run.id}"
        yield f"explained:  tenantsync runs why {run.id}"
    if run.state in _TO_MEND and run.followed_by is None and name in tools.config.syncs:
        yield f"mend, then: tenantsync sync {name}"


def _to_decide(run: Run, plan: Plan) -> Iterator[str]:
    yield f"approve:    {approval(run, plan)}"
    yield f"reject:     tenantsync reject {run.id}"
    rule = run.task.review
    if isinstance(rule, ReviewRule) and rule.by:
        yield f"who may:    {', '.join(rule.by)}" + (", unless they asked" * rule.not_asker)


def _after_superseded(tools: Toolbox, run_id: str) -> Iterator[str]:
    other = tools.runs.get(run_id)
    plan = plan_of(tools, other)
    if other.state is State.WAITING and plan is not None:
        yield from _to_decide(other, plan)
    else:
        yield f"see:        tenantsync runs show {run_id}"
