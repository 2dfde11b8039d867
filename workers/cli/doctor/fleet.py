"""Checks of the workers that answer: do they all see what this command sees?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from tasks.clock import SAFE
from workers.cli.doctor.broker import SKEW
from workers.cli.doctor.finding import Check, Finding, Subject

if TYPE_CHECKING:
    from celery import Celery

    from workers.report import Report
    from workers.settings import Settings

SUBJECT = Subject("workers")
#: Seconds in which workers answer a ping, and the question, which looks at two stores.
_PING, _ANSWER = 1.5, 8.0


def look(chosen: Settings) -> list[Finding]:
    """The workers by name, and what each sees otherwise than this command."""
    from workers.app import app
    from workers.broker import AWAY, connect
    from workers.cli.doctor.broker import unreachable

    assert chosen.redis_url is not None
    try:
        with connect(chosen.redis_url, patience=0) as client:
            client.ping()
        names = sorted(_asked(app, "ping", timeout=_PING))
    except (*AWAY, OSError, ValueError) as error:
        why = unreachable(error, chosen.redis_url)
        return [SUBJECT.note(Check.WORKERS, f"cannot be asked without Redis: {why}")]
    if not names:
        text = "none answers: start one with `tenantsync worker`"
        return [SUBJECT.warning(Check.WORKERS, text)]
    return _compared(app, chosen, names)


def _asked(app: Celery, question: str, timeout: float, **options: Any) -> dict[str, Any]:
    """Worker → its answer."""
    answers = app.control.broadcast(question, reply=True, timeout=timeout, **options) or []
    return {name: told for answer in answers for name, told in answer.items()}


def _compared(app: Celery, chosen: Settings, names: list[str]) -> list[Finding]:
    from tasks.store.contents import Contents
    from workers.cli.doctor.stores import something
    from workers.report import QUESTION, report

    problem, blob = "", ""
    try:
        blob = Contents(chosen.contents).put(something())
    except Exception as error:  # the look at the contents says why
        problem = type(error).__name__
    ours = report(chosen, blob)
    answers = _asked(
        app, QUESTION, _ANSWER, arguments={"blob": blob}, destination=names, limit=len(names)
    )
    found = [
        finding
        for name in names
        for finding in _of_worker(Subject(f"worker {name}"), ours, answers.get(name), not problem)
    ]
    alike = "" if found else "; all see the same configuration, database and contents"
    return [SUBJECT.ok(Check.WORKERS, ", ".join(names) + alike), *found]


def _of_worker(worker: Subject, ours: Report, answer: object, contents: bool) -> Iterator[Finding]:
    theirs = _parsed(answer)
    if theirs is None:
        text = (
            "it lives, but does not answer what it sees: it runs another version of tenantsync, or "
            "is too busy; upgrade and restart it, or ask again"
        )
        yield worker.warning(Check.WORKER_VERSION, text)
        return
    yield from _version(worker, ours, theirs)
    yield from _configuration(worker, ours, theirs)
    yield from _settings(worker, ours.settings, theirs.settings)
    yield from _database(worker, ours, theirs)
    yield from _clock(worker, ours, theirs)
    if contents and theirs.contents_problem:
        text = (
            f"it cannot read what this command has put into the contents "
            f"({theirs.contents_problem}): give all workers the same TENANTSYNC_CONTENTS_URL, "
            "which all of them can reach"
        )
        yield worker.broken(Check.WORKER_CONTENTS, text)


def _parsed(answer: object) -> Report | None:
    from workers.report import Report

    try:
        return Report.model_validate(answer)
    except ValidationError:
        return None


def _version(worker: Subject, ours: Report, theirs: Report) -> Iterator[Finding]:
    mine = f"{ours.program} (tables {ours.schema_version})"
    its = f"{theirs.program} (tables {theirs.schema_version})"
    if mine != its:
        text = f"it runs tenantsync {its}, this is {mine}: give all hosts the same version"
        yield worker.warning(Check.WORKER_VERSION, text)


def _configuration(worker: Subject, ours: Report, theirs: Report) -> Iterator[Finding]:
    if not theirs.configuration:
        text = "it cannot read its configuration file: see TENANTSYNC_CONFIG where it runs"
        yield worker.broken(Check.WORKER_CONFIGURATION, text)
    elif ours.configuration and theirs.configuration != ours.configuration:
        text = (
            f"its configuration file is another one (sha256 {theirs.configuration[:12]}, here "
            f"{ours.configuration[:12]}): give all hosts the same"
        )
        yield worker.warning(Check.WORKER_CONFIGURATION, text)


def _settings(
    worker: Subject, ours: Mapping[str, float], theirs: Mapping[str, float]
) -> Iterator[Finding]:
    other = [
        f"TENANTSYNC_{name.upper()} {theirs.get(name, 0):g}, here {value:g}"
        for name, value in ours.items()
        if theirs.get(name) != value
    ]
    if other:
        text = f"it has other settings than this command: {'; '.join(other)}; make them alike"
        yield worker.warning(Check.WORKER_SETTINGS, text)


def _database(worker: Subject, ours: Report, theirs: Report) -> Iterator[Finding]:
    if theirs.database_problem:
        text = f"it does not reach its database: {theirs.database_problem}"
        yield worker.broken(Check.WORKER_DATABASE, text)
    elif ours.database and theirs.database != ours.database:
        text = f"its database is another one ({theirs.database}; here {ours.database}): "
        remedy = "give all workers the same TENANTSYNC_DATABASE_URL"
        if "SQLite" in (theirs.database + ours.database):
            remedy += " of a PostgreSQL server; SQLite serves the one data directory it lies in"
        yield worker.broken(Check.WORKER_DATABASE, text + remedy)


def _clock(worker: Subject, ours: Report, theirs: Report) -> Iterator[Finding]:
    """A worker looks at its clock when it starts; this one may have run away since."""
    skew, safe = abs(theirs.clock or 0.0), ours.settings["visibility"] * SAFE
    if skew > min(SKEW, safe):
        say = worker.broken if skew > safe else worker.warning
        text = (
            f"its clock and that of Redis are {skew:.1f} s apart, at most {safe:g} s are safe (a "
            "quarter of TENANTSYNC_VISIBILITY): set both by a time server (NTP)"
        )
        yield say(Check.WORKER_CLOCK, text)
