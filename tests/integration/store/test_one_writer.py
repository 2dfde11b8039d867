"""What a transaction read is still true when it commits, in every database of records."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

from tasks.problems import Code, Problem
from tasks.requests import Side, TenantSync
from tasks.run import Phase, Run
from tasks.store.database import Database
from tasks.store.runs import Runs

TASK = TenantSync(kestra="prod", repository="flows", source_of_truth=Side.GIT, branch="main")
#: As many as the pool of one process opens connections.
CALLERS = 8
ROUNDS = 20


def _together(call: Callable[[int], Any]) -> list[Any]:
    """The results of a call that so many make at the same moment."""
    start = Barrier(CALLERS)

    def one(number: int) -> Any:
        start.wait(timeout=20)
        return call(number)

    with ThreadPoolExecutor(CALLERS) as pool:
        return list(pool.map(one, range(CALLERS)))


def _new(runs: Runs, number: int) -> Run:
    run, new = runs.ask(
        TASK.model_copy(update={"branch": f"b{number}"}), who="a", message=f"m{number}"
    )
    assert new
    return run


def test_one_of_many_messages_claims_a_phase(database: Database) -> None:
    runs = Runs(database)
    for number in range(ROUNDS):
        run = _new(runs, number)
        for phase in (Phase.SPLIT, Phase.GATHER):

            def claim(_: int, run: Run = run, phase: Phase = phase) -> Run | None:
                return runs.claim(run.id, 0, phase, message="m", redelivered=False)

            won = [one for one in _together(claim) if one is not None]
            assert [one.phase for one in won] == [phase]


def test_problems_that_many_jobs_add_at_once_are_all_kept(database: Database) -> None:
    runs = Runs(database)
    run = _new(runs, 1000)

    def add(number: int) -> None:
        runs.add_problem(run.id, Problem(code=Code.FAILED, where=f"n{number}", message="no"))

    _together(add)
    assert {one.where for one in runs.get(run.id).problems} == {f"n{n}" for n in range(CALLERS)}


def test_equal_askings_at_once_are_one_run(database: Database) -> None:
    runs = Runs(database)
    for number in range(ROUNDS):
        task = TASK.model_copy(update={"branch": f"joined{number}"})

        def ask(caller: int, task: TenantSync = task, number: int = number) -> tuple[Run, bool]:
            return runs.ask(task, who="a", message=f"j{number}.{caller}")

        asked = _together(ask)
        assert len({run.id for run, _ in asked}) == 1
        assert [new for _, new in asked].count(True) == 1
