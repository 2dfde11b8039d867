"""Whatever both sides and the base hold: a written plan makes the sides equal, and a second plan
is empty."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tasks.artifacts import Kind, Part, Snapshot, digest
from tasks.compare import Base, compare, is_withheld
from tasks.plan import Action, Held
from tasks.policy import decide
from tasks.requests import OnConflict, WhenMissing
from tests.planmaking import held, sync

_NAMES = st.sampled_from(["a", "b", "c", "d/e", "d/f", "g"])
_SIDES = st.dictionaries(_NAMES, st.sampled_from([b"1", b"2", b"3", b"1\n"]))
_WITHHELD = st.frozensets(st.sampled_from(["a", "d/", "g", "x"]), max_size=2)
_KINDS = st.sampled_from(Kind)


def _written(
    source: dict[str, bytes], target: dict[str, bytes], kind: Kind, base: Base, withheld, task
) -> tuple[dict[str, bytes], Base, list]:
    """What the target holds after the plan, the base that follows, and the decisions."""
    part = Part("team", kind)
    compared = compare(held(source, kind, withheld=withheld), held(target, kind), base)
    after, items = dict(target), {**base.items, **compared.equal}
    decisions = []
    for one in compared.differences:
        decided = decide(one, task, part, ())
        decisions.append(decided)
        if decided is None or decided.action is Action.KEEP:
            continue
        if decided.action is Action.DELETE:
            del after[one.name]
            items.pop(one.name, None)
        else:
            after[one.name] = source[one.name]
            items[one.name] = digest(kind, source[one.name])
    return after, Base(items=items, settled=True), decisions


def _base(items: dict[str, bytes], kind: Kind, settled: bool) -> Base:
    return Base(items={name: digest(kind, text) for name, text in items.items()}, settled=settled)


@given(_SIDES, _SIDES, _SIDES, st.booleans(), _KINDS, _WITHHELD)
def test_after_a_plan_with_delete_both_sides_are_equal_but_for_withheld_names(
    source, target, known, settled, kind, withheld
) -> None:
    task = sync()
    first = _base(known, kind, settled)
    after, base, _ = _written(source, target, kind, first, withheld, task)

    def shown(side: dict[str, bytes]) -> dict[str, str]:
        names = [name for name in side if not is_withheld(name, withheld)]
        return {name: digest(kind, side[name]) for name in names}

    assert shown(after) == shown(source)
    hidden = {name for name in target if is_withheld(name, withheld)}
    assert {name: after.get(name) for name in hidden} == {name: target[name] for name in hidden}
    again = compare(held(source, kind, withheld=withheld), held(after, kind), base)
    assert again.differences == ()


@given(_SIDES, _SIDES, _SIDES, st.booleans(), _KINDS)
def test_with_keep_and_skip_nothing_is_deleted_and_a_second_plan_writes_nothing(
    source, target, known, settled, kind
) -> None:
    task = sync(when_missing_in_source=WhenMissing.KEEP, on_conflict=OnConflict.SKIP)
    nothing = frozenset[str]()
    after, base, _ = _written(source, target, kind, _base(known, kind, settled), nothing, task)
    assert set(after) >= set(target)
    last, _, decisions = _written(source, after, kind, base, nothing, task)
    assert last == after
    assert all(one is None or one.held is Held.CONFLICT for one in decisions)


@given(_SIDES, _SIDES, st.booleans(), _KINDS)
def test_what_is_equal_and_what_differs_are_all_names_and_share_none(
    source, target, settled, kind
) -> None:
    compared = compare(held(source, kind), held(target, kind), Base(settled=settled))
    different = {one.name for one in compared.differences}
    assert different | set(compared.equal) == {*source, *target}
    assert not different & set(compared.equal)
    reverse = compare(held(target, kind), held(source, kind), Base(settled=settled))
    assert reverse.equal == compared.equal


def test_an_empty_snapshot_is_equal_to_itself() -> None:
    assert compare(Snapshot(), Snapshot(), Base()).differences == ()
