"""Two syncs that undo each other."""

from __future__ import annotations

import pytest

from tasks.artifacts import Kind
from tasks.configured import Config
from tasks.overlaps import overlaps

BASE = {
    "kestra": {
        "a": {"url": "http://k/"},
        "same": {"url": "http://k"},
        "tenant": {"url": "http://k", "tenant": "two"},
    },
    "repositories": {
        "r": {"url": "https://h/r.git"},
        "same": {"url": "https://h/r/"},
        "other": {"url": "https://h/s.git"},
    },
}
FIRST = {"kestra": "a", "repository": "r", "sourceOfTruth": "GIT", "branch": "main"}


def warned(*syncs: dict[str, object]) -> list[str]:
    named = {f"s{number}": {**FIRST, **sync} for number, sync in enumerate(syncs, 1)}
    return overlaps(Config.model_validate({**BASE, "syncs": named}))


def test_two_directions_of_one_pair_are_warned_of_by_name_and_kind() -> None:
    (warning,) = warned({}, {"sourceOfTruth": "KESTRA", "namespace": "company.team"})
    assert "syncs.s1 and syncs.s2 write FLOW, FILE" in warning
    assert "s1: GIT to KESTRA" in warning


@pytest.mark.parametrize(
    "second",
    [
        {},
        {"kestra": "same", "repository": "same"},
        {"kinds": ["FILE"]},
        {"sourceOfTruth": "GIT", "sourceOfTruthOverrides": {"FILE": "KESTRA"}},
    ],
    ids=["plain", "other names of the same", "one kind", "by override"],
)
def test_syncs_that_meet_are_warned_of(second: dict[str, object]) -> None:
    assert len(warned({}, {"sourceOfTruth": "KESTRA", **second})) == 1


@pytest.mark.parametrize(
    "second",
    [
        {"sourceOfTruth": "GIT"},
        {"branch": "other"},
        {"gitDirectory": "elsewhere"},
        {"kestra": "tenant"},
        {"repository": "other"},
        {"dryRun": True},
        {"sourceOfTruthOverrides": dict.fromkeys(Kind, "GIT")},
    ],
    ids=["direction", "branch", "folder", "tenant", "repository", "dry", "overrides"],
)
def test_syncs_that_do_not_meet_are_not_warned_of(second: dict[str, object]) -> None:
    assert not warned({}, {"sourceOfTruth": "KESTRA", **second})


def test_syncs_of_two_namespaces_or_of_other_kinds_do_not_meet() -> None:
    assert not warned({"namespace": "a"}, {"namespace": "b", "sourceOfTruth": "KESTRA"})
    assert not warned({"kinds": ["FLOW"]}, {"kinds": ["FILE"], "sourceOfTruth": "KESTRA"})
    assert warned({"namespace": "a"}, {"namespace": "a", "sourceOfTruth": "KESTRA"})


def test_each_two_syncs_are_warned_of_once() -> None:
    assert len(warned({}, {}, {"sourceOfTruth": "KESTRA"})) == 2
