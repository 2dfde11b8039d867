"""The parts of a soak that judge: the same seed chooses the same, and a timeline knows what was."""

from __future__ import annotations

from itertools import islice

from tasks.artifacts import Key, Kind
from tests.soak.actions import Action, Chooser, Strike
from tests.soak.witness import Move, Timeline

KEY = Key("team", Kind.FLOW, "load")


def _chosen(seed: int, faults: float = 0.5) -> list[Action]:
    return list(islice(Chooser(seed, faults).actions(), 2000))


def test_a_seed_chooses_the_same_again_and_another_one_does_not() -> None:
    assert _chosen(1) == _chosen(1)
    assert _chosen(1) != _chosen(2)


def test_every_kind_of_action_is_chosen_and_no_fault_without_a_rate() -> None:
    assert {type(one).__name__ for one in _chosen(1)} == {
        *("Edit", "Revert", "Ask", "TakeUp", "Decide", "Cancel", "Settle", "Strike")
    }
    assert not any(isinstance(one, Strike) for one in _chosen(1, faults=0))


def _move(at: float, before: str | None, after: str | None) -> Move:
    return Move(key=KEY, before=before, after=after, at=at, who=None)


def test_a_timeline_knows_what_was_held_between_two_moments() -> None:
    line = Timeline([_move(1, None, "a"), _move(2, "a", "b"), _move(3, "b", None)])
    assert line.held(KEY, 0, 0.5) == {None}
    assert line.held(KEY, 0, 1) == {None, "a"}
    assert line.held(KEY, 1.5, 2.5) == {"a", "b"}
    assert line.held(KEY, 4, 5) == {None}
    assert line.held(Key("team", Kind.FILE, "other"), 0, 9) == {None}
    assert line.ever(KEY) == {None, "a", "b"}
    assert line.now() == {}
