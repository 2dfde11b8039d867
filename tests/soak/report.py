"""The tables that a soak prints at its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from statistics import quantiles

from tests.soak.gauges import Reading
from tests.soak.verdict import Told


def table(title: str, rows: Iterable[tuple[str, object]]) -> list[str]:
    """A title and two columns."""
    listed = [(name, str(value)) for name, value in rows]
    width = max((len(name) for name, _ in listed), default=0)
    return ["", title, *(f"  {name:<{width}}  {value}" for name, value in listed)]


def runs_table(told: Sequence[Told]) -> list[str]:
    """Runs by state, and how long they took from the asking to their end."""
    states = Counter(str(one.run.state) for one in told)
    # What waited for a person says nothing of the service.
    waited = {one.run.id for one in told if one.reviews or one.run.task.dry_run}
    taken = sorted(one.end - one.begin for one in told if one.run.id not in waited)
    cuts = quantiles(taken, n=4) if len(taken) > 1 else taken * 3
    landed = sum(len(one.landed) for one in told)
    return [
        *table("runs by state", sorted(states.items())),
        *table(
            "seconds from asking to end",
            [
                ("quartiles", " ".join(f"{cut:.1f}" for cut in cuts)),
                ("longest", f"{taken[-1]:.1f}" if taken else "-"),
                ("changes landed", landed),
            ],
        ),
    ]


def gauge_table(first: Reading, last: Reading) -> list[str]:
    """The workers at the first tenth and at the end."""
    rows = [
        ("processes", f"{first.number} -> {last.number}"),
        ("memory, all (PSS)", f"{first.pss / 1024:.0f} -> {last.pss / 1024:.0f} MB"),
        ("memory, largest (RSS)", f"{first.largest / 1024:.0f} -> {last.largest / 1024:.0f} MB"),
        ("open files, most", f"{first.files} -> {last.files}"),
        ("threads, most", f"{first.threads} -> {last.threads}"),
    ]
    return table("workers: at the first tenth -> at the end", rows)


def faults_table(struck: Mapping[str, int], hit: Mapping[str, int]) -> list[str]:
    """Faults by kind: how often each was struck or armed, and how often a point was hit."""
    rows = [*sorted(struck.items()), *((f"hit: {name}", n) for name, n in sorted(hit.items()))]
    return table("faults", rows)
