"""Do the times fit each other? What can never work is refused at the start of every process; this
explains what works badly, or for some connections not at all."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from tasks.requests import Side
from workers.cli.doctor.finding import Check, Finding, Level, Subject
from workers.cli.doctor.using import syncs_of, writing_to

if TYPE_CHECKING:
    from tasks.config import Config
    from workers.settings import Settings

#: The part of a lease that one write may take; see `workers.lease.Guard.longest`.
_OF_A_LEASE = 2 / 3
_TIMES = Subject("times")


def findings(chosen: Settings, config: Config | None) -> list[Finding]:
    """The settings against each other, and the timeouts of all connections against them."""
    found = [*_settings(chosen), *_connections(chosen, config)]
    if any(finding.level is not Level.NOTE for finding in found):
        return found
    text = f"heartbeat {chosen.heartbeat:g} s, visibility {chosen.visibility:g} s, lease "
    return [_TIMES.ok(Check.TIMES, f"{text}{chosen.lease:g} s fit each other"), *found]


def _settings(chosen: Settings) -> Iterator[Finding]:
    if chosen.lease > chosen.visibility:
        yield _TIMES.warning(
            Check.TIMES,
            f"TENANTSYNC_LEASE ({chosen.lease:g} s) is longer than TENANTSYNC_VISIBILITY "
            f"({chosen.visibility:g} s): when a worker dies, its job comes back and then waits for "
            f"its own lease; set the lease to {chosen.visibility:g} or raise the visibility",
        )


def _connections(chosen: Settings, config: Config | None) -> Iterator[Finding]:
    for name in config.kestra if config else ():
        assert config is not None
        yield from _kestra(chosen, config, name)
    for name, repository in (config.repositories if config else {}).items():
        if repository.timeout >= chosen.soft_time_limit:
            yield _too_long(Subject(f"repository {name}"), "timeout", repository.timeout, chosen)


def _kestra(chosen: Settings, config: Config, name: str) -> Iterator[Finding]:
    subject, connection = Subject(f"kestra {name}"), config.kestra[name]
    longest = chosen.lease * _OF_A_LEASE
    if connection.timeout > longest:
        writing = writing_to(Side.KESTRA, syncs_of(config, "kestra", name))
        say = subject.broken if writing else subject.note
        whose = f" ({', '.join(writing)})" if writing else ", were a sync to write it"
        yield say(
            Check.TIMES,
            f"timeout {connection.timeout:g} s does not fit TENANTSYNC_LEASE "
            f"({chosen.lease:g} s), of which one write may take two thirds: no write is ever "
            f"started{whose}. Lower the timeout to {math.floor(longest)} or raise the lease to "
            f"{math.ceil(connection.timeout / _OF_A_LEASE)}",
        )
    if connection.bulk_timeout >= chosen.soft_time_limit:
        yield _too_long(subject, "bulkTimeout", connection.bulk_timeout, chosen)


def _too_long(subject: Subject, key: str, seconds: float, chosen: Settings) -> Finding:
    return subject.warning(
        Check.TIMES,
        f"{key} {seconds:g} s is not shorter than TENANTSYNC_SOFT_TIME_LIMIT "
        f"({chosen.soft_time_limit:g} s): a job that waits so long is ended before it can say "
        "what did not answer; lower the timeout or raise both time limits",
    )
