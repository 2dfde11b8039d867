"""Which operations are measured: how each is asked of TenantSync, and what its floor is."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from bench.floors import Floors
from bench.measure import Measured, Operation, Way, measure
from bench.stack import FLOOR, OURS, BenchError, Stack, contents_of
from bench.tenant import Size, change_flow, tree_of
from bench.timeline import events, stages


def repositories(repeat: int) -> list[str]:
    """All repositories that the operations need: one of each tenant, and for every first export
    of either way an empty one."""
    exports = [export_name(way, number) for way in (OURS, FLOOR) for number in range(repeat + 1)]
    return [OURS, FLOOR, *exports]


def export_name(way: str, number: int) -> str:
    """The repository that a way exports into at a repetition."""
    return f"export-{way}-{number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Both ways to do everything, on two equal tenants of one server.

    Each way has a tenant and a repository of its own, so that neither does the other's work.
    """

    stack: Stack
    floors: Floors
    size: Size
    folder: Path
    progress: Callable[[str], None]

    def plant(self) -> None:
        """Fills both tenants and their repositories; this also warms up both ways."""
        for tenant in (OURS, FLOOR):
            self.stack.kestra.apply(self.size.seed(), tenant=tenant)
        self.stack.sync("APPLIED", sourceOfTruth="KESTRA", repository=OURS)
        self.floors.first_export(self.stack.repository_url(FLOOR))
        self._same_trees(OURS, FLOOR)
        self._reconcile("UNCHANGED")
        self.floors.no_change()

    def all(self, repeat: int) -> list[Measured]:
        """Measures every operation, and watches one more run of each."""
        found = []
        for operation in (self._no_change(), self._first_export(), self._one_change()):
            done = measure(operation, repeat, self._calls, self.progress)
            found.append(self._watched(operation, done, repeat))
        return found

    def _no_change(self) -> Operation:
        return Operation(
            name="no-change reconcile",
            aim=1.5,
            ours=Way(run=lambda _: self._reconcile("UNCHANGED")),
            floor=Way(run=lambda _: self.floors.no_change()),
        )

    def _first_export(self) -> Operation:
        return Operation(
            name="first export",
            aim=2.0,
            ours=Way(prepare=lambda _: self._forget_contents(), run=self._export_ours),
            floor=Way(
                run=lambda number: self.floors.first_export(
                    self.stack.repository_url(export_name(FLOOR, number))
                )
            ),
            check=lambda number: self._same_trees(
                export_name(OURS, number), export_name(FLOOR, number)
            ),
        )

    def _one_change(self) -> Operation:
        return Operation(
            name="1-flow change, Git to Kestra",
            aim=2.0,
            ours=Way(
                prepare=lambda number: self._change(OURS, number),
                run=lambda _: self._reconcile("APPLIED"),
            ),
            floor=Way(
                prepare=lambda number: self._change(FLOOR, number),
                run=lambda _: self.floors.one_change(),
            ),
            check=lambda _: self._same_flows(),
        )

    def _reconcile(self, expected: str) -> None:
        self.stack.sync(expected, sourceOfTruth="GIT", repository=OURS)

    def _export_ours(self, number: int) -> None:
        self.stack.sync("APPLIED", sourceOfTruth="KESTRA", repository=export_name(OURS, number))

    def _forget_contents(self) -> None:
        # A first export finds nothing in the contents store; those before it have filled it.
        shutil.rmtree(contents_of(self.folder), ignore_errors=True)

    def _change(self, way: str, number: int) -> None:
        change_flow(self.stack.repository(way), self.size.flow(number), number)

    def _same_trees(self, ours: str, floor: str) -> None:
        trees = [tree_of(self.stack.repository(name)) for name in (ours, floor)]
        if trees[0] != trees[1]:
            raise BenchError(f"repository {ours} holds {trees[0]}, {floor} holds {trees[1]}")

    def _same_flows(self) -> None:
        if self.stack.kestra.flows(OURS) != self.stack.kestra.flows(FLOOR):
            raise BenchError(f"tenants {OURS} and {FLOOR} do not hold the same flows")

    def _calls(self) -> int:
        return self.stack.kestra.counters(OURS)["requests"]

    def _watched(self, operation: Operation, done: Measured, number: int) -> Measured:
        operation.ours.prepare(number)
        with events(self.stack.celery) as found:
            asked = time.time()
            operation.ours.run(number)
            answered = time.time()
        return replace(done, stages=stages(found, asked, answered))
