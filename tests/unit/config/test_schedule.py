"""When a sync is due."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.schedule import Schedule

MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


def dues(schedule: Schedule, start: datetime, count: int) -> list[str]:
    found = []
    for _ in range(count):
        start = schedule.following(start)
        found.append(start.strftime("%m-%d %H:%M"))
    return found


@given(MOMENTS)
def test_every_five_minutes_is_due_within_the_next_five(moment: datetime) -> None:
    due = Schedule(cron="*/5 * * * *").following(moment)
    assert moment < due <= moment + timedelta(minutes=5)
    assert (due.minute % 5, due.second, due.tzinfo) == (0, 0, UTC)


def test_the_hours_are_those_of_the_time_zone() -> None:
    schedule = Schedule(cron="0 9 * * 1-5", timezone="Asia/Tokyo")
    friday = datetime(2026, 11, 27, 0, 0, tzinfo=UTC)
    assert dues(schedule, friday - timedelta(hours=1), 2) == ["11-27 00:00", "11-30 00:00"]


def test_a_time_that_the_clock_change_leaves_out_is_due_right_after_it() -> None:
    schedule = Schedule(cron="30 2 * * *", timezone="Europe/Berlin")
    start = datetime(2026, 3, 28, 12, tzinfo=UTC)
    assert dues(schedule, start, 2) == ["03-29 01:00", "03-30 00:30"]


def test_a_time_that_the_clock_change_repeats_is_due_twice() -> None:
    schedule = Schedule(cron="30 2 * * *", timezone="Europe/Berlin")
    start = datetime(2026, 10, 24, 12, tzinfo=UTC)
    assert dues(schedule, start, 3) == ["10-25 00:30", "10-25 01:30", "10-26 01:30"]


def test_a_leap_day_is_waited_for() -> None:
    start = datetime(2096, 3, 1, tzinfo=UTC)
    assert Schedule(cron="0 0 29 2 *").following(start) == datetime(2104, 2, 29, tzinfo=UTC)


@pytest.mark.parametrize(
    "cron",
    ["@daily", "* * * *", "* * * * * *", "60 * * * *", "0 0 31 4 *", "H H * * *", "r * * * *"],
)
def test_what_is_no_cron_expression_of_five_fields_is_refused(cron: str) -> None:
    with pytest.raises(ValueError, match="cron"):
        Schedule(cron=cron)


@pytest.mark.parametrize("cron", ["0 0 * mar fri", "0 0 * * thu", "0 0 l * *", "  0  0 * * 7 "])
def test_names_of_days_and_months_may_be_used(cron: str) -> None:
    assert Schedule(cron=cron).cron == " ".join(cron.split())


@pytest.mark.parametrize("name", ["Mars/Olympus", "../../etc/passwd", "", "Europe/berlin\0"])
def test_an_unknown_time_zone_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="time zone"):
        Schedule(cron="0 0 * * *", timezone=name)
