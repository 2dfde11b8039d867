"""The runs: who asked for what, how each stands, and every move between states.

Each transition is one conditional UPDATE on (state, epoch); no row changed means that somebody
else decided first, and the caller stops. A transition whose answer was lost is asked for again, and
finds its own success by the time that it has set.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, and_, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from tasks.errors import NotFound, TaskError
from tasks.outcome import MOVES, State
from tasks.problems import Problem
from tasks.requests import TASKS, Task, equality
from tasks.run import BEFORE, CLAIMED_IN, Asker, Phase, Review, Run
from tasks.store import bases
from tasks.store.audit import note
from tasks.store.bases import Noted
from tasks.store.database import LONGEST, Database, askers, reviews, runs

#: States in which an equal later run has to wait before it is claimed.
BUSY = (State.PLANNING, State.WRITING)


def now() -> datetime:
    """The time of records: aware, UTC."""
    return datetime.now(UTC)


def new_run_id() -> str:
    """A short id that people can type: `r` and ten letters and digits without look-alikes."""
    return "r" + "".join(secrets.choice("abcdefghjkmnpqrstuvwxyz23456789") for _ in range(10))


class Runs:
    """Reads and moves the runs in one records database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # -- asking ---------------------------------------------------------------------------------

    def ask(
        self, task: Task, *, who: str, message: str, follows: Run | None = None
    ) -> tuple[Run, bool]:
        """Writes a run for the task, or joins one that is still QUEUED and equal in every field
        but `triggeredBy`. Returns it and whether it is new.

        A message id that was seen before returns its run again, so a repeated message never asks
        twice. A task with `plan: R` joins the run R; raises TaskError where R does not fit, or
        where the message id is longer than `LONGEST`.
        """
        if len(message) > LONGEST:
            raise TaskError(
                f"message {message[:20]}...: its id has {len(message)} characters, at most "
                f"{LONGEST} are kept; send it with a shorter one"
            )
        try:
            return self._ask(task, who, message, follows)
        except IntegrityError:  # the same message was recorded by another process meanwhile
            return self._ask(task, who, message, follows)

    def _ask(self, task: Task, who: str, message: str, follows: Run | None) -> tuple[Run, bool]:
        recorded: list[Run] = []

        def body(db: Connection) -> tuple[Run, bool]:
            seen = _run_of_message(db, message)
            if seen is not None:  # by the first try of this very ask, it may be
                return seen, seen.id in {run.id for run in recorded}
            joined = self._to_join(db, task)
            run = joined or self._insert(db, task, follows)
            db.execute(insert(askers).values(_asker(run.id, message, who, task)))
            note(db, run.id, who, "asked", {"task": task.type, "joined": joined is not None})
            if joined is None:
                recorded.append(run)
            return run, joined is None

        return self._database.again(body)

    def _to_join(self, db: Connection, task: Task) -> Run | None:
        if task.plan is not None:
            return _planned(db, task)
        same = select(runs).where(runs.c.state == State.QUEUED, runs.c.equality == equality(task))
        row = db.execute(same.order_by(runs.c.seq).limit(1)).first()
        return _run(row) if row else None

    def _insert(self, db: Connection, task: Task, follows: Run | None) -> Run:
        at = now()
        values = {
            "id": new_run_id(),
            "task": task.model_dump(mode="json", by_alias=True),
            "equality": equality(task),
            "sync": equality(task, with_dry_run=False),
            "state": State.QUEUED,
            "epoch": 0,
            "asked_at": at,
            "moved_at": at,
            "follows": follows.id if follows else None,
            "depth": follows.depth + 1 if follows else 0,
            "facts": {},
            "problems": [],
        }
        db.execute(insert(runs).values(values))
        return _one(db, str(values["id"]))

    # -- reading --------------------------------------------------------------------------------

    def get(self, run_id: str) -> Run:
        """The run of that id. Raises NotFound."""
        with self._database.read() as db:
            return _one(db, run_id)

    def find(self, prefix: str) -> Run:
        """The run whose id starts so; `last` is the newest. Raises NotFound, also when several
        runs fit."""
        query = select(runs).order_by(runs.c.seq.desc()).limit(2)
        if prefix != "last":
            query = query.where(runs.c.id.startswith(prefix, autoescape=True))
        with self._database.read() as db:
            rows = db.execute(query).all()
        if not rows or (len(rows) > 1 and prefix not in {"last", rows[0].id}):
            what = "several runs start" if rows else "no run starts"
            raise NotFound(f"run {prefix}: {what} with that; see `tenantsync runs list`")
        return _run(rows[0])

    def newest(self, limit: int = 30, states: Sequence[State] = ()) -> list[Run]:
        """The newest runs first, of these states or of all."""
        query = select(runs).order_by(runs.c.seq.desc()).limit(limit)
        if states:
            query = query.where(runs.c.state.in_(states))
        with self._database.read() as db:
            return [_run(row) for row in db.execute(query)]

    def in_motion(self, states: Sequence[State]) -> list[Run]:
        """All runs of these states, oldest first."""
        query = select(runs).where(runs.c.state.in_(states)).order_by(runs.c.seq)
        with self._database.read() as db:
            return [_run(row) for row in db.execute(query)]

    def over(self, run_ids: Collection[str]) -> list[str]:
        """Those of these runs that have come to an end."""
        ended = [state for state in State if state.final]
        query = select(runs.c.id).where(runs.c.id.in_(run_ids), runs.c.state.in_(ended))
        with self._database.read() as db:
            return list(db.execute(query).scalars())

    def askers(self, run_id: str) -> list[Asker]:
        """Everybody who asked for the run, in order."""
        query = select(askers).where(askers.c.run == run_id).order_by(askers.c.asked_at)
        with self._database.read() as db:
            return [Asker(**row._mapping) for row in db.execute(query)]

    def reviews(self, run_id: str) -> list[Review]:
        """All decisions on the run, in order."""
        columns = [column for column in reviews.c if column.name != "id"]
        query = select(*columns).where(reviews.c.run == run_id).order_by(reviews.c.id)
        with self._database.read() as db:
            return [Review(**row._mapping) for row in db.execute(query)]

    def busy_twin(self, run: Run) -> Run | None:
        """An equal earlier run that is being planned or written: this one has to wait for it."""
        query = select(runs).where(
            runs.c.equality == run.equality, runs.c.state.in_(BUSY), runs.c.seq < run.seq
        )
        with self._database.read() as db:
            row = db.execute(query.limit(1)).first()
        return _run(row) if row else None

    def queued_twin(self, run: Run) -> Run | None:
        """The equal run that waits for this one to end."""
        query = select(runs).where(runs.c.equality == run.equality, runs.c.state == State.QUEUED)
        with self._database.read() as db:
            row = db.execute(query.order_by(runs.c.seq).limit(1)).first()
        return _run(row) if row else None

    def waiting_plans(self, run: Run) -> list[Run]:
        """Other runs of the same sync (equal but for `dryRun`) that wait for a person."""
        query = select(runs).where(
            runs.c.sync == run.sync, runs.c.state == State.WAITING, runs.c.id != run.id
        )
        with self._database.read() as db:
            return [_run(row) for row in db.execute(query.order_by(runs.c.seq))]

    # -- moving ---------------------------------------------------------------------------------

    def _once(
        self, run_id: str, change: Callable[[Connection, datetime], Run | None]
    ) -> Run | None:
        """Does `change`, which sets `moved_at` to the time that it is given: when the answer to
        the first COMMIT was lost, that time tells that it took effect."""
        at = now()

        def body(db: Connection) -> Run | None:
            run = _one(db, run_id)
            return run if run.moved_at == at else change(db, at)

        return self._database.again(body)

    def claim(
        self, run_id: str, epoch: int, phase: Phase, *, message: str, redelivered: bool
    ) -> Run | None:
        """Claims a phase for the caller, or None when the message has nothing to do any more.

        Only one message of an epoch claims a phase. The claimant that is redelivered takes its own
        place again, because the job that it started may be dead: it raises the epoch, after which
        the moves of that job no longer fit. It may do so any number of times, so the epoch that it
        carries may be older than the run's.
        """

        def change(db: Connection, at: datetime) -> Run | None:
            run = _one(db, run_id)
            if run.state not in CLAIMED_IN[phase]:
                return None
            if run.epoch == epoch and run.phase in BEFORE[phase]:
                values: dict[str, Any] = {"phase": phase, "claimant": message}
                if phase is Phase.SPLIT:
                    values |= {"state": State.PLANNING, "started_at": at}
            elif run.phase is phase and run.claimant == message and redelivered:
                values = {"epoch": run.epoch + 1}
            else:
                return None
            _set(db, run, values, at)
            return _one(db, run_id)

        return self._once(run_id, change)

    def move(
        self,
        run: Run,
        to: State,
        *,
        details: Mapping[str, Any] | None = None,
        noted: Noted | None = None,
        **values: Any,
    ) -> Run | None:
        """Moves the run to another state and sets columns; None when it moved meanwhile.

        An audit row is added with every move, and what the move says of the base is noted.
        """
        if to not in MOVES[run.state]:
            raise ValueError(f"run {run.id}: {run.state} never becomes {to}")
        if to.final:
            values.setdefault("ended_at", now())
        if to is State.WRITING:
            values["revived"] = 0  # what was lost while planning does not count any more

        def change(db: Connection, at: datetime) -> Run | None:
            if not _set(db, run, {"state": to, **values}, at):
                return None
            note(db, run.id, "tenantsync", to.lower(), dict(details or {}))
            if noted is not None:
                bases.note(db, noted)
            return _one(db, run.id)

        return self._once(run.id, change)

    def set(self, run: Run, **values: Any) -> Run | None:
        """Sets columns of the run as long as its state and epoch are still these."""

        def change(db: Connection, at: datetime) -> Run | None:
            return _one(db, run.id) if _set(db, run, values, at) else None

        return self._once(run.id, change)

    def add_problem(self, run_id: str, problem: Problem) -> None:
        """Adds a problem to a run that goes on."""
        with self._database.write() as db:
            known = _one(db, run_id).problems
            if problem not in known:  # a job that is done again finds it again
                problems = [one.to_dict() for one in (*known, problem)]
                db.execute(update(runs).where(runs.c.id == run_id).values(problems=problems))

    def touch(self, run_id: str) -> None:
        """Notes that the run went forward."""
        with self._database.write() as db:
            db.execute(update(runs).where(runs.c.id == run_id).values(moved_at=now()))

    def revive(self, run: Run, phase: Phase | None) -> Run | None:
        """A new epoch for a run whose messages are lost; None when it moved meanwhile.

        `phase` is the one before the job that is to be published again.
        """
        return self.set(
            run, epoch=run.epoch + 1, revived=run.revived + 1, phase=phase, claimant=None
        )

    def cancel(self, run: Run, who: str, message: str | None = None) -> Run | None:
        """Notes that somebody wants the run to end; jobs stop before their next write.

        While the run is QUEUED and others still ask, only the canceller's asking is withdrawn;
        somebody who never asked ends it for all. Raises NotFound for a message that never asked
        for it.
        """

        def change(db: Connection, at: datetime) -> Run | None:
            mine = askers.c.message == message if message else askers.c.who == who
            asked = update(askers).where(askers.c.run == run.id, mine).values(withdrawn=True)
            withdrawn = db.execute(asked).rowcount
            if message and not withdrawn:
                raise NotFound(f"run {run.id}: message {message} did not ask for it")
            left = select(func.count()).where(askers.c.run == run.id, ~askers.c.withdrawn)
            alone = run.state is not State.QUEUED or not withdrawn or not db.execute(left).scalar()
            if not _set(db, run, {"cancelled_by": who} if alone else {}, at):
                return None
            note(db, run.id, who, "cancel asked" if alone else "withdrawn", {})
            return _one(db, run.id)

        return self._once(run.id, change)

    def is_cancelled(self, run_id: str) -> bool:
        """Whether a person said stop."""
        with self._database.read() as db:
            query = select(runs.c.cancelled_by).where(runs.c.id == run_id)
            return db.execute(query).scalar() is not None

    def decide(
        self, run: Run, to: State, decision: str, *, person: str, reason: str | None
    ) -> Run | None:
        """A person's decision on a plan: the move, the review and its audit row in one
        transaction; None when somebody else decided first."""
        ended = {"ended_at": now()} if to.final else {"revived": 0}
        review = {
            "run": run.id,
            "plan_digest": run.plan_digest,
            "decision": decision,
            "person": person,
            "reason": reason,
            "at": now(),
        }

        def change(db: Connection, at: datetime) -> Run | None:
            if not _set(db, run, {"state": to, **ended}, at):
                return None
            db.execute(insert(reviews).values(review))
            note(db, run.id, person, decision, {"planDigest": run.plan_digest, "reason": reason})
            return _one(db, run.id)

        return self._once(run.id, change)

    def supersede(self, old: Run, new: Run) -> bool:
        """Ends a waiting run because a newer plan of the same sync is there."""

        def change(db: Connection, at: datetime) -> Run | None:
            ended = {"state": State.SUPERSEDED, "ended_at": at, "followed_by": new.id}
            if not _set(db, old, ended, at):
                return None
            note(db, old.id, "tenantsync", "superseded", {"by": new.id})
            return _one(db, old.id)

        return self._once(old.id, change) is not None

    def join(self, old: Run, new: Run) -> None:
        """The askers of one run also get the outcome of another."""
        with self._database.write() as db:
            db.execute(update(askers).where(askers.c.run == old.id).values(run=new.id))

    def expire(self, days: float) -> list[Run]:
        """Ends reviews and dry runs that nobody took up within `days` of their plan."""
        limit = now() - timedelta(days=days)
        query = select(runs).where(
            runs.c.state.in_((State.PLANNED, State.WAITING)), runs.c.planned_at < limit
        )
        with self._database.read() as db:
            old = [_run(row) for row in db.execute(query)]
        return [ended for run in old if (ended := self.move(run, State.EXPIRED))]

    def contents(self) -> frozenset[str]:
        """Names in the contents store that run rows hold."""
        with self._database.read() as db:
            rows = db.execute(select(runs.c.plan, runs.c.patch, runs.c.ion)).all()
        return frozenset(name for row in rows for name in row if name)


def _run_of_message(db: Connection, message: str) -> Run | None:
    query = select(runs).join(askers, askers.c.run == runs.c.id).where(askers.c.message == message)
    row = db.execute(query).first()
    return _run(row) if row else None


def _planned(db: Connection, task: Task) -> Run:
    run = _one(db, str(task.plan))
    if run.sync != equality(task, with_dry_run=False):
        raise TaskError(
            f"plan {run.id}: the task differs from the one that was planned; ask with the same "
            "fields (dryRun aside), or make a new plan"
        )
    if run.state in {State.QUEUED, State.PLANNING}:
        raise TaskError(f"plan {run.id}: it is {run.state} and has no plan yet; ask again later")
    return run


def _asker(run_id: str, message: str, who: str, task: Task) -> dict[str, Any]:
    by = task.triggered_by
    return {
        "message": message,
        "run": run_id,
        "who": who[:LONGEST],
        "triggered_by": by.to_dict() if by else None,
        "asked_at": now(),
        "withdrawn": False,
    }


def _one(db: Connection, run_id: str) -> Run:
    row = db.execute(select(runs).where(runs.c.id == run_id)).first()
    if row is None:
        raise NotFound(f"run {run_id} is not known here; see `tenantsync runs list`")
    return _run(row)


def _run(row: Row[Any]) -> Run:
    values = dict(row._mapping)
    values["task"] = TASKS.validate_python(values["task"])
    return Run(**{name: _aware(value) for name, value in values.items()})


def _aware(value: Any) -> Any:
    # SQLite gives times back without their zone.
    if isinstance(value, datetime) and value.tzinfo is None:
        return value.replace(tzinfo=UTC)
    return value


def _set(db: Connection, run: Run, values: Mapping[str, Any], at: datetime) -> bool:
    """One conditional UPDATE; False when state or epoch are no longer those of `run`."""
    here = and_(runs.c.id == run.id, runs.c.state == run.state, runs.c.epoch == run.epoch)
    changed = db.execute(update(runs).where(here).values(moved_at=at, **values))
    return changed.rowcount == 1
