"""What the records keep and find, in every database that can hold them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tasks.artifacts import Kind, Part
from tasks.errors import NotFound, TaskError
from tasks.outcome import State
from tasks.plan import Target
from tasks.requests import Side, TenantSync
from tasks.run import Phase, Run
from tasks.store.audit import audit_rows
from tasks.store.bases import BaseRow, Bases, Noted, note, scope
from tasks.store.database import LONGEST, Database
from tasks.store.parts import PartRow, Parts, PartState, WritePhase, WriteRow
from tasks.store.runs import Runs, now

TASK = TenantSync(kestra="prod", repository="flows", source_of_truth=Side.GIT, branch="main")
TARGET = Target(server="u", tenant="main", remote="r", branch="main", git_directory="")
PART = Part("company.team", Kind.FLOW)
#: Texts that engines treat differently: quotes, emoji, a null escaped in JSON, wildcards.
HOSTILE = "it's 100% \U0001f4a9 \u0000 \\ \" _"


@pytest.fixture
def runs(database: Database) -> Runs:
    return Runs(database)


def _asked(runs: Runs, branch: str = "main") -> Run:
    return runs.ask(TASK.model_copy(update={"branch": branch}), who="anna", message=branch)[0]


def test_a_message_id_that_is_too_long_is_refused_by_name(runs: Runs) -> None:
    with pytest.raises(TaskError, match=rf"has 300 characters, at most {LONGEST}"):
        runs.ask(TASK, who="anna", message="m" * 300)
    assert runs.newest() == []


def test_a_name_that_is_too_long_is_cut(runs: Runs, database: Database) -> None:
    run, _ = runs.ask(TASK, who="a" * 300, message="m" * LONGEST)
    assert [one.who for one in runs.askers(run.id)] == ["a" * LONGEST]
    assert [row.who for row in audit_rows(database, run.id)] == ["a" * LONGEST]


def test_texts_and_times_come_back_as_they_were(runs: Runs) -> None:
    run = _asked(runs)
    at = now()
    changed = runs.set(run, facts={"text": HOSTILE}, planned_at=at)
    assert changed is not None
    assert (changed.facts, changed.planned_at) == ({"text": HOSTILE}, at)


def test_a_run_is_found_by_a_beginning_and_wildcards_are_letters(runs: Runs) -> None:
    first, last = _asked(runs, "a"), _asked(runs, "b")
    assert runs.find(first.id[:8]).id == first.id
    assert runs.find("last").id == last.id
    for wrong in ("r%", "_", first.id + "x"):
        with pytest.raises(NotFound, match="no run starts with that"):
            runs.find(wrong)


def test_only_plans_of_long_ago_expire(runs: Runs) -> None:
    old, young = _asked(runs, "old"), _asked(runs, "young")
    for run, days in ((old, 8), (young, 6)):
        claimed = runs.claim(run.id, 0, Phase.SPLIT, message="m", redelivered=False)
        assert claimed is not None
        assert runs.move(claimed, State.WAITING, planned_at=now() - timedelta(days=days))
    assert [run.id for run in runs.expire(7)] == [old.id]
    assert runs.get(young.id).state is State.WAITING


def test_a_claimant_takes_its_place_at_any_epoch_and_nobody_else_does(runs: Runs) -> None:
    run = _asked(runs)

    def claim(message: str, *, redelivered: bool = True) -> int | None:
        claimed = runs.claim(run.id, 0, Phase.SPLIT, message=message, redelivered=redelivered)
        return None if claimed is None else claimed.epoch

    assert claim("one", redelivered=False) == 0
    assert claim("one", redelivered=False) is None
    assert [claim("one"), claim("one"), claim("one")] == [1, 2, 3]
    assert claim("other") is None
    assert runs.revive(runs.get(run.id), Phase.SPLIT) is not None
    assert claim("one") is None, "the janitor has published what comes after this phase"
    assert runs.revive(runs.get(run.id), None) is not None
    assert runs.claim(run.id, 5, Phase.SPLIT, message="new", redelivered=False) is not None
    assert claim("one") is None
    assert claim("new") == 6


def test_a_base_that_another_run_has_changed_is_left_as_it_is(database: Database) -> None:
    bases, pair = Bases(database), scope(TARGET)
    bases.seen_equal(pair, PART, BaseRow(), {"a": "1"}, ())
    read = bases.part(pair, PART)
    _note(database, landed={PART: {"a": "2", "b": "3"}})
    bases.seen_equal(pair, PART, read, {"a": "1", "c": "4"}, ())
    assert bases.part(pair, PART).items == {"a": "2", "b": "3"}
    _note(database, landed={PART: {"b": None}}, settled=[PART], commit="c")
    assert (bases.part(pair, PART).items, bases.part(pair, PART).settled) == ({"a": "2"}, True)
    assert bases.commit(pair) == "c"


def _note(database: Database, **said: Any) -> None:
    with database.write() as db:
        note(db, Noted(target=TARGET, **said))


def test_only_the_first_result_of_a_write_job_changes_the_base(
    database: Database, runs: Runs
) -> None:
    parts, bases, run = Parts(database), Bases(database), _asked(runs)
    row = WriteRow(
        run=run.id, namespace="n", phase=WritePhase.UPSERT, changes="c", namespaces=("n",)
    )
    parts.add_writes([row])
    for result in ("first", "late"):
        noted = Noted(target=TARGET, landed={PART: {"a": result}})
        parts.written(run.id, "n", WritePhase.UPSERT, result, noted)
    assert [row.result for row in parts.writes(run.id)] == ["first"]
    assert bases.part(scope(TARGET), PART).items == {"a": "first"}


def test_what_was_read_without_a_lane_is_not_noted_over_what_is_newer(database: Database) -> None:
    bases, pair = Bases(database), scope(TARGET)
    _note(database, landed={PART: {"a": "1"}})
    read_at = {PART: bases.part(pair, PART).version}
    _note(database, landed={PART: {"a": "2"}})
    _note(database, landed={PART: {"a": "old"}}, read_at=read_at)
    assert bases.part(pair, PART).items == {"a": "2"}
    read_at = {PART: bases.part(pair, PART).version}
    _note(database, landed={PART: {"a": "3"}}, read_at=read_at)
    assert bases.part(pair, PART).items == {"a": "3"}


def test_a_run_that_has_moved_meanwhile_changes_no_base(database: Database, runs: Runs) -> None:
    run = _asked(runs)
    assert runs.move(run, State.CANCELLED, noted=Noted(target=TARGET, commit="first"))
    assert not runs.move(run, State.CANCELLED, noted=Noted(target=TARGET, commit="late"))
    assert Bases(database).commit(scope(TARGET)) == "first"


def test_a_survey_is_recorded_once(database: Database, runs: Runs) -> None:
    parts, run = Parts(database), _asked(runs)
    row = PartRow(run=run.id, namespace="n", kind=Kind.FLOW, state=PartState.SURVEYED, survey="s")
    assert parts.survey(run, [row], base_commit="a" * 40)
    assert not parts.survey(run, [row], base_commit="b" * 40)
    parts.planned(run.id, row.part, PartState.PLANNED, "first")
    parts.planned(run.id, row.part, PartState.PLANNED, "second")
    assert [one.result for one in parts.of(run.id)] == ["first"]
    assert (parts.progress(run.id), runs.get(run.id).base_commit) == ((1, 1), "a" * 40)
