"""What must be so at the end of a soak; each function gives what is not so, in words."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tasks.artifacts import Key, Kind, digest
from tasks.look import How, Written
from tasks.outcome import State
from tasks.plan import Action, Change, Plan
from tasks.problems import Code
from tasks.requests import OnConflict, Side, WhenMissing
from tasks.run import Review, Run
from tasks.store.audit import audit_rows
from tasks.store.contents import Contents
from tasks.store.parts import Parts
from tests.soak.groups import Groups
from tests.soak.people import Fact, Facts
from tests.soak.places import PAIRS, Pair
from tests.soak.witness import TRAILER, Move, Timeline, git_timelines, kept_in_kestra

#: Seconds by which the clocks of two processes' records of one instant may differ.
BLUR = 0.05
#: Seconds between the last look of a job and the end of its write, in which an edit goes unseen: as
#: long as a job stands still (`tests.soak.groups.STILL`), and slow calls.
BETWEEN = 15.0
#: States in which a run says that it has written nothing.
_NOTHING = {State.UNCHANGED, State.REJECTED, State.EXPIRED, State.SUPERSEDED, State.REFUSED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a run says of itself."""

    run: Run
    pair: Pair
    plan: Plan | None
    landed: tuple[Change, ...]
    reviews: tuple[Review, ...]

    @property
    def begin(self) -> float:
        return self.run.asked_at.timestamp()

    @property
    def end(self) -> float:
        assert self.run.ended_at is not None
        return self.run.ended_at.timestamp()

    @property
    def late(self) -> bool:
        """Whether a write of it was late and it says so."""
        return any(one.code is Code.LATE_WRITE for one in self.run.problems)

    def __str__(self) -> str:
        return f"run {self.run.id} ({self.run.task.type} {self.run.state})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that the end is judged by."""

    groups: Groups
    facts: Facts
    told: Sequence[Told]
    kestra: Mapping[str, Timeline]
    git: Mapping[Pair, Timeline]

    def side(self, pair: Pair, side: Side) -> Timeline:
        return self.git[pair] if side is Side.GIT else self.kestra[pair.tenant]


def gather(groups: Groups, facts: Facts) -> Evidence:
    """Reads everything."""
    records = groups.records
    parts, contents = (
        Parts(records._database),
        Contents(groups.environment["TENANTSYNC_CONTENTS_URL"]),
    )
    return Evidence(
        groups=groups,
        facts=facts,
        told=[_told(groups, run, parts, contents) for run in records.newest(1_000_000)[::-1]],
        kestra={pair.tenant: groups.witness.timeline(pair.tenant) for pair in PAIRS},
        git=git_timelines(groups),
    )


def _told(groups: Groups, run: Run, parts: Parts, contents: Contents) -> Told:
    task = run.task
    wanted = (task.kestra, task.branch, task.git_directory)
    pair = next(one for one in PAIRS if (one.kestra, one.branch, one.folder) == wanted)
    results = [row.result for row in parts.writes(run.id) if row.result is not None]
    written = [Written.model_validate_json(contents.get(result)) for result in results]
    return Told(
        run=run,
        pair=pair,
        plan=Plan.model_validate_json(contents.get(run.plan)) if run.plan else None,
        landed=tuple(_landed(run, written)),
        reviews=tuple(groups.records.reviews(run.id)),
    )


def _landed(run: Run, written: Sequence[Written]) -> Iterator[Change]:
    """What landed: as the results say, and of what they do not know as the settled run says, which
    names each change that did not land."""
    named = {problem.where for problem in run.problems}
    for one in (one for result in written for one in result.ended):
        unknown = one.how is How.UNKNOWN and run.state.final
        if one.how is How.LANDED or (unknown and str(one.change.key) not in named):
            yield one.change


def all_faults(evidence: Evidence) -> list[str]:
    """All that is not as it must be; empty = all is well."""
    checks = (
        _ended,
        _landed_is_true,
        _nothing_is_hidden,
        _applied_is_true,
        _git_is_explained,
        _kestra_is_explained,
        _deletions_were_agreed,
        _nothing_is_lost,
        _audited,
    )
    return [f"{check.__name__[1:]}: {fault}" for check in checks for fault in check(evidence)]


def _ended(evidence: Evidence) -> Iterator[str]:
    for told in evidence.told:
        run = told.run
        if not run.state.final:
            yield f"{told} has not ended"
        counts = run.counts
        if counts is not None and counts.landed != (
            len(told.landed) if run.state not in _NOTHING else 0
        ):
            yield f"{told} says that {counts.landed} landed, its results say {len(told.landed)}"
        if run.state is State.APPLIED and told.plan and len(told.landed) < len(told.plan.writes):
            yield f"{told} applied {len(told.landed)} of {len(told.plan.writes)}"


def _landed_is_true(evidence: Evidence) -> Iterator[str]:
    """What a run says it has landed, the target held at a moment between its plan and its end."""
    for told in evidence.told:
        for change in told.landed:
            target = evidence.side(told.pair, change.target)
            assert told.run.planned_at is not None
            begin = told.run.planned_at.timestamp() - BLUR
            if change.after not in target.held(change.key, begin, told.end + BLUR):
                yield f"{told} says {change.key} landed on {change.target}, it never did"


def _nothing_is_hidden(evidence: Evidence) -> Iterator[str]:
    """What a run wrote, it says has landed; what was late is named."""
    for pair, move, tellers in _written(evidence):
        if tellers and not any(_says(told, move) or told.late for told in tellers):
            names = ", ".join(str(told) for told in tellers)
            yield f"{move.key} of {pair.kestra}/{pair.branch} was written, none of {names} says so"


def _says(told: Told, move: Move) -> bool:
    return any((one.key, one.after) == (move.key, move.after) for one in told.landed)


def _written(evidence: Evidence) -> Iterator[tuple[Pair, Move, list[Told]]]:
    """Each write of the service, and the runs whose plan has it."""
    planned: dict[tuple[str, Key, str | None], list[Told]] = defaultdict(list)
    for told in evidence.told:
        for change in told.plan.writes if told.plan else ():
            place = told.pair.tenant if change.target is Side.KESTRA else told.run.id
            planned[place, change.key, change.after].append(told)
    for pair in PAIRS:
        for move in evidence.git[pair].moves:
            if move.who is not None:
                yield pair, move, planned[move.who, move.key, move.after]
        for move in evidence.kestra[pair.tenant].moves if not pair.backup else ():
            if move.who is not None:
                tellers = planned[pair.tenant, move.key, move.after]
                early = [told for told in tellers if told.begin <= move.at]
                yield pair, move, early


def _applied_is_true(evidence: Evidence) -> Iterator[str]:
    """A run that ended APPLIED or UNCHANGED made or found both sides equal: each artifact that it
    looks at was on the source, at some moment of the run, what it was on the target at some moment.

    (Not at one moment: the sides are read one after the other, and people edit meanwhile.)
    """
    for told in evidence.told:
        task = told.run.task
        lenient = task.on_conflict is OnConflict.SKIP or task.when_missing_in_source in {
            WhenMissing.KEEP,
            WhenMissing.FAIL,
        }
        if told.run.state not in {State.APPLIED, State.UNCHANGED} or lenient:
            continue
        for key in _in_scope(evidence, told):
            source = task.source(key.kind)
            one, other = (evidence.side(told.pair, side) for side in (source, source.other))
            held = one.held(key, told.begin - BLUR, told.end + BLUR)
            if not held & other.held(key, told.begin - BLUR, told.end + BLUR):
                yield f"{told}: {key} was never equal on both sides while it ran"


def _in_scope(evidence: Evidence, told: Told) -> list[Key]:
    keys = evidence.git[told.pair].keys | evidence.kestra[told.pair.tenant].keys
    namespace = getattr(told.run.task, "namespace", None)
    if namespace is None:
        return sorted(keys)
    return sorted(
        key for key in keys if key.namespace == namespace and key.kind is not Kind.DASHBOARD
    )


def _git_is_explained(evidence: Evidence) -> Iterator[str]:
    """Each commit is a person's, or the only one of its run; it changes what the plan says."""
    for branch in {pair.branch for pair in PAIRS}:
        lines = evidence.groups.git_out("log", f"--format=%H {TRAILER}", branch).decode()
        commits = [line.split(" ", 1) for line in lines.splitlines()]
        runs = Counter(run for _, run in commits if run.strip())
        yield from (f"run {run} has {n} commits" for run, n in runs.items() if n > 1)
        for oid, run in commits:
            if not run.strip() and oid not in evidence.facts.commits:
                yield f"commit {oid} of {branch} is nobody's"
    for pair, move, tellers in _written(evidence):
        if move in evidence.git[pair].moves and not any(
            _is(change, move)
            for told in tellers
            for change in told.plan.writes  # type: ignore[union-attr]
        ):
            yield f"{move} of {pair.branch} is not in the plan of its run"


def _is(change: Change, move: Move) -> bool:
    return (change.key, change.before, change.after) == (move.key, move.before, move.after)


def _kestra_is_explained(evidence: Evidence) -> Iterator[str]:
    """Each write of the service in Kestra is in a plan, from what the plan saw there.

    Kestra has no compare-and-set: an edit that comes between the last look and the write is
    overwritten unseen. So the text before may also be one that came after the plan and shortly
    before the write.
    """
    for pair, move, tellers in _written(evidence):
        if move in evidence.git[pair].moves:
            continue
        fits = any(_is(change, move) for told in tellers for change in told.plan.writes)  # type: ignore[union-attr]
        if not tellers:
            yield f"{move} of {pair.tenant} is in no plan"
        elif not fits and not _came_between(evidence, pair, move, tellers):
            yield f"{move} of {pair.tenant} overwrote what no plan saw"


def _came_between(evidence: Evidence, pair: Pair, move: Move, tellers: Sequence[Told]) -> bool:
    timeline = evidence.kestra[pair.tenant]
    last = [one for one in timeline.moves if one.key == move.key and one.at < move.at][-1:]
    begun = [told.run.planned_at.timestamp() for told in tellers if told.run.planned_at]
    recent = bool(last) and move.at - last[0].at <= BETWEEN
    return recent and any(last[0].at >= begin for begin in begun)


def _deletions_were_agreed(evidence: Evidence) -> Iterator[str]:
    """A deletion is in the plan of a run that may delete; where a guard wanted a person, one has
    approved that very plan."""
    for pair, move, tellers in _written(evidence):
        if move.after is None and not any(_agreed(told, move) for told in tellers):
            yield f"{move} of {pair.kestra}/{pair.branch}: nobody agreed to that deletion"


def _agreed(told: Told, move: Move) -> bool:
    if told.plan is None or told.run.task.when_missing_in_source is not WhenMissing.DELETE:
        return False
    gone = any(one.key == move.key and one.action is Action.DELETE for one in told.plan.writes)
    needs = bool(told.plan.guards) or told.run.task.reviewed
    by_hand = any(
        (one.decision, one.plan_digest) == ("approved", told.run.plan_digest)
        for one in told.reviews
    )
    return gone and (by_hand or not needs)


def _nothing_is_lost(evidence: Evidence) -> Iterator[str]:
    """Each text that a person wrote is in Git's history, in Kestra or its revisions, or kept as
    what a plan overwrote; or its author has overwritten it."""
    preimages = {
        (one.key, one.before): one.before_content
        for told in evidence.told
        for one in (told.plan.writes if told.plan else ())
        if one.before_content
    }
    contents = Contents(evidence.groups.environment["TENANTSYNC_CONTENTS_URL"])
    for pair in PAIRS:
        tenant = evidence.groups.kestra._world.tenant(pair.tenant)
        assert tenant is not None
        kept = kept_in_kestra(tenant)
        for twin in (one for one in PAIRS if one.tenant == pair.tenant):
            kept |= {(move.key, move.after) for move in evidence.git[twin].moves if move.after}
        moves = [] if pair.backup else evidence.kestra[pair.tenant].moves
        for at, move in enumerate(moves):
            over = _next(moves, at)
            by_person = move.who is None and move.after is not None
            if not by_person or over is None or over.who is None:
                continue
            name = preimages.get((move.key, move.after))
            kept_by_plan = name and digest(move.key.kind, contents.get(name)) == move.after
            if not kept_by_plan and (move.key, move.after) not in kept:
                yield f"{move} of {pair.tenant} is lost: {over}"


def _next(moves: Sequence[Move], at: int) -> Move | None:
    return next((one for one in moves[at + 1 :] if one.key == moves[at].key), None)


def facts_are_there(evidence: Evidence) -> Iterator[str]:
    """Each edit of a person shows in the timeline of its side."""
    for fact in evidence.facts.written:
        if fact.digest not in _timeline(evidence, fact).ever(fact.key):
            yield f"{fact} shows nowhere"


def _timeline(evidence: Evidence, fact: Fact) -> Timeline:
    return evidence.side(fact.pair, Side(fact.side))


def _audited(evidence: Evidence) -> Iterator[str]:
    """One row tells of the asking, one of each end."""
    yield from facts_are_there(evidence)
    rows = audit_rows(evidence.groups.records._database, limit=10_000_000)
    events = Counter((row.run, row.event) for row in rows)
    for told in evidence.told:
        ended = events[told.run.id, str(told.run.state).lower()]
        if ended != 1:
            yield f"{told} has {ended} audit rows of its end"
