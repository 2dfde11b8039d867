"""What the report says of a figure, and that programs get the same as people."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from bench.figures import Figure, Section, number
from bench.report import Machine, as_json, show
from bench.tables import table
from bench.tenant import SIZES


def _figure(value: float, aim: float | None, *, at_least: bool = False) -> Figure:
    return Figure(name="it", value=value, unit="x", aim=aim, at_least=at_least)


@pytest.mark.parametrize(
    ("figure", "met", "verdict"),
    [
        (_figure(1.5, 1.5), True, "met"),
        (_figure(1.8, 1.5), False, "missed by 20 %"),
        (_figure(3.2, 3.2, at_least=True), True, "met"),
        (_figure(2.4, 3.2, at_least=True), False, "missed by 25 %"),
        (_figure(7, None), None, ""),
    ],
)
def test_a_figure_is_judged_by_its_aim(figure: Figure, met: bool | None, verdict: str) -> None:
    assert figure.met is met
    assert figure.verdict == verdict


def test_three_digits_or_all_before_the_point() -> None:
    assert [number(value) for value in (0.01234, 1.456, 12.34, 2145.0)] == [
        "0.0123",
        "1.46",
        "12.3",
        "2145",
    ]


def test_people_read_every_figure_with_its_aim_and_how_busy_the_machine_was() -> None:
    text = _shown(Machine(cpus=2, python="3.12.1", load=(1.6, 2.0)))
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert "What was measured" in lines
    assert "one 7" in lines
    assert "a note" in lines
    assert "it 1.8 x ≤ 1.5 x missed by 20 %" in lines
    assert "it 7 x" in lines
    assert "Python 3.12.1, 2 CPUs, load 1.6 before and 2.0 after" in lines
    assert "Others used this machine" in text
    assert "Others used" not in _shown(Machine(cpus=2, python="3.12.1", load=(0.4, 2.0)))


def test_programs_read_the_same() -> None:
    where = Machine(cpus=2, python="3.12.1", load=(0.4, 2.0))
    value = json.loads(as_json(SIZES["large"], where, _sections()))
    assert value["tenant"] == {"namespaces": 500, "flows": 20, "files": 40}
    assert value["machine"] == {"cpus": 2, "python": "3.12.1", "load": [0.4, 2.0], "busy": False}
    assert [(one["measure"], one["met"], one["verdict"]) for one in value["figures"]] == [
        ("ratios", False, "missed by 20 %"),
        ("ratios", None, ""),
        ("chord", True, "met"),
    ]
    assert value["operations"] == [1, 2]
    assert value["chord"] == {"rounds": [3]}


def _shown(where: Machine) -> str:
    written = io.StringIO()
    show(Console(file=written, width=120, highlight=False), where, _sections())
    return written.getvalue()


def _sections() -> dict[str, Section]:
    shown = table("name", "value")
    shown.add_row("one", "7")
    return {
        "ratios": Section(
            title="What was measured",
            figures=(_figure(1.8, 1.5), _figure(7, None)),
            notes=("a note",),
            tables=(shown,),
            details={"operations": [1, 2]},
        ),
        "chord": Section(title="Chord", figures=(_figure(1, 2),), details={"rounds": [3]}),
    }
