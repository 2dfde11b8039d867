"""What starts or stops running when a flow changes."""

from __future__ import annotations

import pytest

from tasks.risks import risks

FLOW = b"id: x\nnamespace: n\n"
DAILY = b"""triggers:
  - id: daily
    type: io.kestra.plugin.core.trigger.Schedule
    cron: 0 6 * * *
"""


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (FLOW, FLOW + b"tasks: []\n", ()),
        (FLOW + DAILY, FLOW + b"# c\n" + DAILY.replace(b"0 6 * * *", b'"0 6 * * *"'), ()),
        (
            FLOW + b"disabled: true\n",
            FLOW,
            ("the flow is disabled on the target and becomes enabled",),
        ),
        (
            FLOW + b"disabled: false\n",
            FLOW + b"disabled: True\n",
            ("the flow is enabled on the target and becomes disabled",),
        ),
        (FLOW, FLOW + b"tasks:\n  - disabled: true\n", ()),
        (FLOW, FLOW + DAILY, ("trigger daily added (Schedule 0 6 * * *)",)),
        (None, FLOW + DAILY, ("trigger daily added (Schedule 0 6 * * *)",)),
        (None, FLOW + b"disabled: true\n", ()),
        (FLOW + DAILY, FLOW, ("trigger daily removed (Schedule 0 6 * * *)",)),
        (FLOW + DAILY, None, ("trigger daily removed (Schedule 0 6 * * *)",)),
        (
            FLOW + DAILY,
            FLOW + DAILY.replace(b"0 6", b"0 7"),
            ("trigger daily changed: 0 6 * * * → 0 7 * * *",),
        ),
        (FLOW + DAILY, FLOW + DAILY + b"    timezone: UTC\n", ("trigger daily changed",)),
        (
            FLOW + DAILY,
            FLOW + DAILY + b"    disabled: true\n",
            ("trigger daily is enabled on the target and becomes disabled",),
        ),
        (
            FLOW + DAILY + b"    disabled: true\n",
            FLOW + DAILY,
            ("trigger daily is disabled on the target and becomes enabled",),
        ),
        (
            FLOW + DAILY,
            FLOW + DAILY.replace(b"daily", b"nightly"),
            (
                "trigger daily removed (Schedule 0 6 * * *)",
                "trigger nightly added (Schedule 0 6 * * *)",
            ),
        ),
    ],
)
def test_what_starts_or_stops_is_named(before, after, expected) -> None:
    assert risks(before, after) == expected


def test_conditions_deep_in_a_trigger_count_as_its_change() -> None:
    one = FLOW + DAILY + b"    conditions:\n      - {type: A, day: MONDAY}\n"
    assert risks(one, one.replace(b"MONDAY", b"FRIDAY")) == ("trigger daily changed",)


def test_risks_are_few_short_and_safe_to_show() -> None:
    many = b"triggers:\n" + b"".join(
        b'  - id: "\\e[2J%s%d"\n' % (b"x" * 500, at) for at in range(99)
    )
    found = risks(None, FLOW + many)
    assert len(found) == 21
    assert found[-1] == "and 79 more"
    assert all(len(one) <= 160 and "\x1b" not in one for one in found)


def test_bombs_and_broken_texts_tell_what_can_be_read() -> None:
    bomb = b"a: &a [x]\n" + b"".join(b"b%d: [*a, *a]\n" % at for at in range(50))
    assert risks(FLOW + bomb, FLOW + bomb + DAILY) == ("trigger daily added (Schedule 0 6 * * *)",)
    assert risks(FLOW, FLOW + DAILY + b"x: [") == ("trigger daily added (Schedule 0 6 * * *)",)
