"""How much faster is TenantSync than Kestra's own Git plugin, on one server and one tenant?"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from bench import tables
from bench.figures import Figure, Section
from bench.measure import Measured, Operation, Way, measure
from bench.operations import export_name
from bench.options import Options, progress
from bench.peer.calls import PeerCalls
from bench.peer.replay import first_export, no_change
from bench.ratios import as_dict
from bench.stack import OURS, PROBING, BenchError, Service, contents_of, service, stack
from bench.tenant import tree_of

#: How many times as long as ours the peer has to take, without change probes and with them.
AIM, AIM_WITH_PROBES = 10.0, 40.0
PEER = "peer"

_NOTES = (
    "The peer's calls are replayed one after the other, as plugin-git makes them, and git stands "
    "in for\nJGit: what the plugin itself computes (Java, YAML, JGit) is not counted, so the real "
    "one is slower.",
)


def run(options: Options, folder: Path) -> Section:
    """No-change reconcile and first export, ours beside the peer's, in turns."""
    measured = _measured(options, folder)
    return Section(
        title=f"TenantSync beside the calls of plugin-git's TenantSync; {_tenant(options)}",
        figures=tuple(_figure(one) for one in measured),
        tables=(_table(measured),),
        notes=_NOTES,
        details={"operations": [_as_dict(one) for one in measured]},
    )


def _tenant(options: Options) -> str:
    if options.kestra is None:
        return f"{options.size}; {options.latency or 0:g} ms latency of each call"
    return f"tenant {options.kestra.tenant} of {options.kestra.url} as it is"


def _measured(options: Options, folder: Path) -> list[Measured]:
    progress("starting everything")
    with _running(options, folder) as (running, calls):
        server = running.server
        with PeerCalls(server.url, server.tenant, server.user, server.password) as peer:
            planted = options.kestra is None
            both = _Both(service=running, peer=peer, folder=folder, planted=planted)
            both.warm_up()
            counted = calls or (lambda: peer.made)
            operations = (both.no_change, both.first_export, both.probed)
            return [measure(one(), options.repeat, counted, progress) for one in operations]


@contextmanager
def _running(options: Options, folder: Path) -> Iterator[tuple[Service, Callable[[], int] | None]]:
    """The service, and how the calls to its server are counted, where that can be asked."""
    names = [
        OURS,
        PEER,
        *(export_name(way, n) for way in (OURS, PEER) for n in range(options.repeat)),
    ]
    settings = options.settings
    if options.kestra is not None:
        with service(folder, names, options.kestra, settings=settings) as there:
            yield there, None
        return
    with stack(folder, names, settings=settings) as here:
        here.kestra.apply(options.size.seed(), tenant=OURS)
        here.slow_down(options.latency)
        yield here, lambda: here.kestra.counters(OURS)["requests"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Both:
    """Both ways to carry out an operation on one tenant, which neither changes."""

    service: Service
    peer: PeerCalls
    folder: Path
    #: Whether the tenant is the bench's own, of which both ways have to write the same.
    planted: bool

    def warm_up(self) -> None:
        """Fills a repository for each way, and proves that each finds its own unchanged."""
        self.service.sync("APPLIED", sourceOfTruth="KESTRA", repository=OURS)
        self._reconcile()
        first_export(self.peer, self.service.repository_url(PEER), self._clone)
        self._no_clone()
        self._peer_reads()

    def no_change(self) -> Operation:
        return Operation(
            name="no-change reconcile",
            aim=1 / AIM,
            ours=Way(run=lambda _: self._reconcile()),
            beside=PEER,
            floor=Way(run=lambda _: self._peer_reads(), prepare=lambda _: self._no_clone()),
        )

    def probed(self) -> Operation:
        self._probe()  # reads everything, and leaves to the next what it found
        return Operation(
            name="no-change reconcile, change probes",
            aim=1 / AIM_WITH_PROBES,
            ours=Way(run=lambda _: self._probe()),
            beside=PEER,
            floor=Way(run=lambda _: self._peer_reads(), prepare=lambda _: self._no_clone()),
        )

    def first_export(self) -> Operation:
        return Operation(
            name="first export",
            aim=1 / AIM,
            ours=Way(run=self._export, prepare=lambda _: self._forget_contents()),
            beside=PEER,
            floor=Way(run=self._peer_exports, prepare=lambda _: self._no_clone()),
            check=self._same_trees,
        )

    def _reconcile(self) -> None:
        self.service.sync("UNCHANGED", sourceOfTruth="GIT", repository=OURS)

    def _probe(self) -> None:
        self.service.sync("UNCHANGED", sourceOfTruth="GIT", repository=OURS, kestra=PROBING)

    def _export(self, number: int) -> None:
        name = export_name(OURS, number)
        self.service.sync("APPLIED", sourceOfTruth="KESTRA", repository=name)

    def _peer_reads(self) -> None:
        no_change(self.peer, self.service.repository_url(PEER), self._clone)

    def _peer_exports(self, number: int) -> None:
        first_export(self.peer, self._peer_url(number), self._clone)

    def _peer_url(self, number: int) -> str:
        return self.service.repository_url(export_name(PEER, number))

    @property
    def _clone(self) -> Path:
        return self.folder / "clone"

    def _no_clone(self) -> None:
        shutil.rmtree(self._clone, ignore_errors=True)

    def _forget_contents(self) -> None:
        # A first export finds nothing in the contents store; those before it have filled it.
        shutil.rmtree(contents_of(self.folder), ignore_errors=True)

    def _same_trees(self, number: int) -> None:
        if not self.planted:
            return  # texts that only one of both leaves out are no matter of speed
        names = [export_name(way, number) for way in (OURS, PEER)]
        trees = [tree_of(self.service.repository(name)) for name in names]
        if trees[0] != trees[1]:
            raise BenchError(f"repositories {' and '.join(names)} do not hold the same")


def _times_faster(one: Measured) -> float:
    return 1 / one.ratio


def _figure(one: Measured) -> Figure:
    return Figure(
        name=f"{one.name}, peer / ours",
        value=_times_faster(one),
        unit="x",
        aim=1 / one.aim,
        at_least=True,
    )


def _as_dict(one: Measured) -> dict[str, object]:
    found = as_dict(one)
    found["peer"] = found.pop("floor")
    return {**found, "ratio": round(_times_faster(one), 2), "aim": round(1 / one.aim)}


def _table(measured: list[Measured]) -> Table:
    made = tables.table("operation", "n", "ours ms", "peer ms", "calls ours/peer", "peer / ours")
    for one in measured:
        made.add_row(
            one.name,
            str(len(one.ours.seconds)),
            tables.span(one.ours),
            tables.span(one.floor),
            f"{one.ours.calls or '?'} / {one.floor.calls}",
            f"{_times_faster(one):.1f}",
        )
    return made
