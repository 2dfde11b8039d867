"""Every fault at every named point of a run: it ends truly, and the next runs work.

All cells are some hundred (`make faults`, half an hour on two cores); without `--all-faults` a
seed chooses one of each point, other ones every day. A table at the end shows how each run ended.
"""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tasks.outcome import State
from tasks.points import POINTS, release
from tasks.run import Run
from tests.faults import truth
from tests.faults.matrix import (
    NO_RUN,
    SURVIVED,
    Cell,
    Scene,
    Strike,
    cells,
    chosen,
    struck_points,
)
from tests.faults.scenes import SOURCE, Asked, Tenant, ask
from tests.faults.striking import Striking
from tests.faults.table import PROPERTY
from tests.restarting import Servers
from tests.stack import ROOT, Stack, stop
from tests.waiting import wait_for

pytestmark = [
    # The asker's Celery drops its connections to a server that went away without closing them.
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
    pytest.mark.timeout(600),
]
#: Seconds in which a run ends, whatever struck it.
LIMIT = 120
#: Bytes of the disk under the data directory, which a fault fills.
DISK = "64m"
#: Points behind the answer: when Redis forgets everything there, it forgets that as well.
ANSWERED = {
    ("answered", None),
    ("recorded", "tenantsync.finish"),
    ("returned", "tenantsync.finish"),
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "cell" in metafunc.fixturenames:
        option = metafunc.config.option
        found = cells() if option.all_faults else chosen(option.faults_seed)
        metafunc.parametrize("cell", found, ids=str)


# -- the list -------------------------------------------------------------------------------------


def test_every_point_of_the_product_is_struck_or_left_out_by_a_reason() -> None:
    reached = {
        point
        for folder in ("tasks", "workers")
        for path in (ROOT / folder).rglob("*.py")
        for point in re.findall(r'\breach\(\s*"([^"]+)"', path.read_text(encoding="utf-8"))
    }
    assert reached == set(POINTS)
    assert reached == struck_points() | set(NO_RUN)
    assert not struck_points() & set(NO_RUN)


@pytest.mark.parametrize("seed", range(20))
def test_every_choice_has_each_point_once_and_all_faults(seed: int) -> None:
    found = chosen(seed)
    assert sorted(cell.instant.point for cell in found) == sorted(struck_points())
    assert {cell.strike for cell in found} == set(Strike)


# -- the cells ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    with Servers() as servers:
        yield servers


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, servers: Servers) -> Iterator[Tenant]:
    """A stack whose data lie on a small disk of their own, where this machine lets us have one."""
    with Stack(tmp_path_factory.mktemp("matrix")) as stack, _disk(stack.folder / "data"):
        tenant = Tenant(stack)
        _workers(stack)
        tenant.begin()
        yield tenant
        for worker in stack.workers:
            stop(worker)


@contextmanager
def _disk(folder: Path) -> Iterator[None]:
    """A small disk at an empty folder, if we may mount one.

    It lies elsewhere, so that the mount of a test run that was killed is in nobody's way.
    """
    with TemporaryDirectory(prefix="tenantsync-disk-", ignore_cleanup_errors=True) as place:
        mount = ("mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", place)
        with suppress(FileNotFoundError):
            subprocess.run(mount, check=False, capture_output=True)
        try:
            if Path(place).is_mount():
                folder.rmdir()
                folder.symlink_to(place)
            yield
        finally:
            if Path(place).is_mount():
                subprocess.run(["umount", "-l", place], check=True)


def _workers(stack: Stack) -> None:
    """Two workers; what a dead one has left behind is killed with it."""
    for worker in [one for one in stack.workers if one.poll() is not None]:
        stop(worker)
        stack.workers.remove(worker)
    for name in ("w1", "w2"):
        if not any(worker.args[3] == name for worker in stack.workers):  # type: ignore[index]
            stack.worker(name)


@pytest.fixture
def tenant(whole: Tenant) -> Iterator[Tenant]:
    """Both sides equal, two workers, and no point armed; a cell that failed is swept away."""
    _workers(whole.stack)
    for file in whole.stack.points.iterdir():
        file.unlink()
    yield whole
    whole.stack.kestra.disarm()
    whole.stack.git.cut_answers = 0


def _swept(tenant: Tenant) -> None:
    """New workers, an empty Redis, and a tenant and a repository that nothing has happened to."""
    for process in [*tenant.stack.workers, *filter(None, [tenant.command])]:
        stop(process)
    tenant.stack.redis.flushall()
    for point in POINTS:
        release(tenant.stack.points, point)
    _workers(tenant.stack)
    tenant.begin()


def test_a_fault_at_a_point_leaves_a_true_end_and_working_sides(
    tenant: Tenant, servers: Servers, cell: Cell, record_property: Callable[[str, object], None]
) -> None:
    if cell.strike is Strike.FULL and not (tenant.stack.folder / "data").resolve().is_mount():
        pytest.skip("a full disk needs the right to mount a small one")
    try:
        _struck(tenant, servers, cell, record_property)
    except BaseException:
        _swept(tenant)
        raise


def _struck(
    tenant: Tenant, servers: Servers, cell: Cell, note: Callable[[str, object], None]
) -> None:
    stack, scene = tenant.stack, cell.instant.scene
    tenant.edit(scene)
    before, seq = truth.held(stack), stack.records.newest(1)[0].seq
    revisions = stack.kestra.counters()["flow_revisions"]
    striking, began = Striking(stack, servers, cell), time.monotonic()
    states = ""
    try:
        asked = ask(tenant, cell.instant, striking.arm)
        tenant.command = asked.command
        striking.strike(asked.go_on)
        runs = _ended(stack, seq, scene, asked)
        states = " ".join(run.state for run in runs)
    finally:
        note(PROPERTY, (str(cell.instant), str(cell.strike), states, time.monotonic() - began))
    _ended_well(cell, runs)
    truth.sides_are_as_told(stack, before, runs, asked.meanwhile)
    truth.written_once(stack, revisions, runs)
    if runs[-1].state is State.APPLIED and scene is not Scene.REVERTED:
        truth.base_is_both_sides(stack, runs[-1])
    _is_answered(stack, cell, asked, runs[-1])
    if cell.strike is Strike.STOP:
        _goes_on_late(tenant, cell, striking)
    if asked.command is not None:
        asked.command.wait(LIMIT)
    striking.met_once()
    striking.was_cut()
    truth.repository_is_whole(stack)
    truth.nothing_is_left(stack)
    truth.next_runs_converge(tenant, SOURCE[scene])


def _ended(stack: Stack, seq: int, scene: Scene, asked: Asked) -> list[Run]:
    """The runs since a number, once all are over; a plan that is to be written is over where the
    asker was told so."""

    def over(run: Run) -> bool:
        if run.state is State.PLANNED:
            return scene is Scene.DRY_RUN or bool(asked.answer and _answer(asked).ready())
        return run.state.final

    def look() -> list[Run] | None:
        found = [run for run in reversed(stack.records.newest(20)) if run.seq > seq]
        return found if found and all(over(run) for run in found) else None

    return wait_for(f"all runs after {seq} are over", look, LIMIT)


def _ended_well(cell: Cell, runs: Sequence[Run]) -> None:
    """What no fault has broken for good ends as if nothing had been."""
    told = [(run.id, run.state, run.problems) for run in runs]
    if cell.strike in SURVIVED:
        wanted = State.PLANNED if cell.instant.scene is Scene.DRY_RUN else State.APPLIED
        assert {run.state for run in runs} == {wanted}, told
    assert len(runs) == (2 if cell.instant.scene is Scene.BEHIND else 1), told


def _is_answered(stack: Stack, cell: Cell, asked: Asked, run: Run) -> None:
    """Whoever asked reads how the run ended."""
    place = (
        cell.instant.point,
        cell.instant.match.get("job", "").removeprefix("tenantsync.") or None,
    )
    lost = cell.strike is Strike.FLUSH and place in ANSWERED
    if asked.answer is None or lost:
        return
    if _answer(asked).state == "FAILURE" and run.state is State.PLANNED:
        return  # the dry run stays as it was, and who wanted it written knows that it was not
    wait_for("the answer is there", lambda: _answer(asked).state == "SUCCESS", LIMIT)
    told = _answer(asked).result
    assert (told["runId"], told["state"]) == (run.id, run.state), told


def _answer(asked: Asked) -> Any:
    """The answer as it is now; one that Celery has seen to be ready is never read again."""
    return asked.answer.app.AsyncResult(asked.answer.id)


def _goes_on_late(tenant: Tenant, cell: Cell, striking: Striking) -> None:
    """Another run has written the namespace when the stopped job goes on: it changes nothing, or
    is named where its request was on its way already."""
    stack, struck = tenant.stack, tenant.stack.records.newest(1)[0]
    source = SOURCE[cell.instant.scene]
    tenant.touch(source)
    before = truth.held(stack)
    outcome = stack.sync(sourceOfTruth=source)
    assert outcome["state"] == "APPLIED", outcome
    written = [stack.records.get(outcome["runId"])]
    truth.sides_are_as_told(stack, before, written, {})
    striking.wake()
    stack.quiet()
    if cell.instant.point == "write.before":
        wait_for("the late write is named", lambda: _is_late(stack.records.get(struck.id)), LIMIT)
    else:
        truth.sides_are_as_told(stack, before, written, {})
        truth.base_is_both_sides(stack, written[0])


def _is_late(run: Run) -> bool:
    return any(one.code == "LATE_WRITE" for one in run.problems)
