"""Which known name was meant."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.names import advice, nearest, printable
from tasks.visible import visible_line

KNOWN = ["sourceOfTruth", "branch", "baseBranch", "production", "staging"]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("source_of_truth", "sourceOfTruth"),
        ("SOURCE-OF-TRUTH", "sourceOfTruth"),
        ("brnach", "branch"),
        ("prod", "production"),
        ("hunter2", ""),
        ("", ""),
        ("x" * 1_000_000, ""),
    ],
)
def test_the_nearest_name_is_found_whatever_its_spelling(name: str, meant: str) -> None:
    assert nearest(name, KNOWN) == meant


@given(st.sampled_from(KNOWN))
def test_a_known_name_is_nearest_to_itself(name: str) -> None:
    assert nearest(name, KNOWN) == name


def test_advice_names_the_nearest_else_all_else_none() -> None:
    assert advice("brnch", KNOWN) == "did you mean branch?"
    assert advice("q", ["b", "a"]) == "known: a, b"
    assert advice("q", []) == "none is configured"


@given(st.text())
def test_a_shown_name_hides_nothing_and_has_an_end(name: str) -> None:
    shown = printable(name)
    assert visible_line(shown) == shown
    assert len(shown) <= 61
