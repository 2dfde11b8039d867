"""How is a time shown to a person? On their clock, or as how long ago."""

from __future__ import annotations

from datetime import UTC, datetime


def local(moment: datetime | None) -> str:
    """A time on the clock of this machine to the second, with its offset; empty for None."""
    if moment is None:
        return ""
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S %z")


def ago(moment: datetime | None, now: datetime | None = None) -> str:
    """How long ago a time was, in its largest unit; empty for None."""
    if moment is None:
        return ""
    return f"{span(((now or datetime.now(UTC)) - moment).total_seconds())} ago"


def span(seconds: float) -> str:
    """A span of time in its largest unit, rounded down, e.g. `3 h`."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{max(0, int(seconds))} s"


def utc(moment: datetime) -> datetime:
    """A time of the records with its zone, which SQLite leaves out."""
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
