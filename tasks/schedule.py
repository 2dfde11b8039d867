"""When is a sync due? A cron expression of five fields in a time zone."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from croniter import CroniterBadDateError, croniter
from pydantic import BeforeValidator, field_validator

from tasks.record import Record

_FIELDS = "minute hour day-of-month month day-of-week"


class Schedule(Record, use_attribute_docstrings=True):
    """When a sync is asked by itself."""

    cron: str
    """Five fields: minute, hour, day of month, month, day of week (0 and 7 are Sunday)."""
    timezone: str = "UTC"
    """Name of the time zone that the fields are read in, e.g. `Europe/Berlin`."""

    @field_validator("cron")
    @classmethod
    def _five_fields(cls, cron: str) -> str:
        fields = cron.split()
        if len(fields) != 5:
            raise ValueError(f"must have five fields ({_FIELDS}); it has {len(fields)}")
        # R is a random time for each reader, so that two of them would ask twice.
        if re.search(r"\b[HR]\b", cron, re.IGNORECASE):
            raise ValueError("has R or H, which differ for each reader; write plain times")
        if not croniter.is_valid(cron):
            raise ValueError(f"cannot be read; write {_FIELDS}, e.g. */5 * * * *")
        try:
            croniter(cron, datetime.now(UTC)).get_next(datetime)
        except CroniterBadDateError:
            raise ValueError("names a day that never comes; mend day and month") from None
        return " ".join(fields)

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError("is no time zone known here; write e.g. Europe/Berlin") from None
        return name

    def following(self, moment: datetime) -> datetime:
        """The first due time after an aware moment, in UTC.

        A local time that a clock change leaves out is due right after it, one that it repeats
        is due twice: a sync too many finds nothing to write.
        """
        start = moment.astimezone(ZoneInfo(self.timezone))
        due: datetime = croniter(self.cron, start).get_next(datetime)
        return due.astimezone(UTC)


def _from_text(value: object) -> object:
    return {"cron": value} if isinstance(value, str) else value


#: A schedule as the configuration takes it: the cron expression alone, or with its time zone.
ScheduleField = Annotated[
    Schedule | None,
    BeforeValidator(_from_text, json_schema_input_type=str | Schedule | None),
]
