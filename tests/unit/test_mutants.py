"""The lines that `make mutants` takes away are where it looks for them."""

from __future__ import annotations

import pytest

from tests.mutants.__main__ import ROOT, mutated
from tests.mutants.lines import MUTANTS, Mutant


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.what)
def test_a_line_that_is_to_be_taken_away_is_there_once(mutant: Mutant) -> None:
    text = (ROOT / mutant.file).read_text(encoding="utf-8")
    assert mutated(mutant, text) != text


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.what)
def test_the_tests_that_have_to_notice_it_are_there(mutant: Mutant) -> None:
    for test in mutant.tests:
        path, _, function = test.partition("::")
        place = ROOT / "tests" / path
        assert place.exists(), path
        assert not function or f"def {function}(" in place.read_text(encoding="utf-8"), test
