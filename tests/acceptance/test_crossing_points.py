"""Two runs interleaved at every pair of named points, with an edit on each side in between.

All pairs are some thousand (`--all-pairs`, an hour or more); without that option a seed chooses
some of each kind, other ones every day. `-rP` shows how the runs of each pair ended.
"""

from __future__ import annotations

import sys
from random import Random

import pytest

from tasks.requests import Side
from tests.crossed import check
from tests.crossing import Crossing, Pair, Way, pairs
from tests.stack import Stack

EXPORT, RECONCILE = (Way(source=side, tenant=True) for side in (Side.KESTRA, Side.GIT))
NS_EXPORT, NS_RECONCILE = (Way(source=side, tenant=False) for side in (Side.KESTRA, Side.GIT))
KINDS = [
    (EXPORT, RECONCILE),
    (RECONCILE, EXPORT),
    (EXPORT, EXPORT),
    (RECONCILE, RECONCILE),
    *((sync, own) for sync in (EXPORT, RECONCILE) for own in (NS_EXPORT, NS_RECONCILE)),
    *((own, sync) for sync in (EXPORT, RECONCILE) for own in (NS_EXPORT, NS_RECONCILE)),
]
#: Pairs of each kind that a run of the tests without `--all-pairs` crosses.
CHOSEN = 2


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    option = metafunc.config.option
    random = Random(option.pairs_seed)
    found: list[Pair] = []
    for first, second in KINDS:
        of_kind = list(pairs(first, second))
        found += of_kind if option.all_pairs else random.sample(of_kind, CHOSEN)
    metafunc.parametrize("pair", found, ids=str)


def test_runs_that_cross_lose_nothing_and_tell_the_truth(stack: Stack, pair: Pair) -> None:
    crossed = Crossing(stack, pair).cross()
    sys.stdout.write(f"{crossed}\n")
    check(stack, crossed)
