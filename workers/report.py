"""What does a worker see of what all workers share? Its answer to `tenantsync doctor`, by a remote
control command of Celery's: whoever can reach the broker can ask, so it holds no secret."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from celery.worker.control import inspect_command

from tasks.errors import ConfigError, TenantSyncError
from tasks.record import Record
from tasks.store.contents import Contents
from tasks.store.looking import look
from tasks.store.upgrade import SCHEMA_VERSION
from workers.broker import clock_skew, connect
from workers.settings import Settings, settings

#: The name of the command.
QUESTION = "tenantsync_report"
#: Settings that all workers must have alike: they judge each other's messages and leases by them.
ALIKE = ("heartbeat", "visibility", "lease", "attempts", "soft_time_limit", "time_limit")
#: Seconds that a look at a store may take, at most.
LIMIT = 3.0


class Report(Record):
    """What one process sees. Each place is its identity, or `why` it cannot be seen."""

    program: str
    schema_version: int
    #: Digest of the configuration file; "" where it cannot be read.
    configuration: str
    settings: dict[str, float]
    #: Identity of the records database; "" where it does not answer.
    database: str
    #: Why the database does not answer; "" where it does.
    database_problem: str = ""
    #: Why the contents that were asked for cannot be read; "" where they can.
    contents_problem: str = ""
    #: Seconds by which its clock is ahead of that of Redis; None where Redis does not answer.
    clock: float | None = None


def offer() -> None:
    """Lets workers answer the question; call it before a worker starts."""
    inspect_command(name=QUESTION, args=[("blob", str)])(_answer)


def program() -> str:
    """The version of this program."""
    try:
        return version("tenantsync")
    except PackageNotFoundError:
        return "from its sources"


def report(chosen: Settings, blob: str, limit: float = LIMIT) -> Report:
    """What this process sees; `blob` is the name of contents that somebody else has put."""
    database, database_problem = _within(limit, lambda: look(chosen.database).identity)
    _, contents_problem = _within(limit, lambda: str(len(Contents(chosen.contents).get(blob))))
    skew, _ = _within(limit, lambda: f"{_skew(chosen):.3f}")
    return Report(
        program=program(),
        schema_version=SCHEMA_VERSION,
        configuration=_digest(chosen.config),
        settings={name: float(getattr(chosen, name)) for name in ALIKE},
        database=database,
        database_problem=database_problem,
        contents_problem=contents_problem,
        clock=float(skew) if skew else None,
    )


def _skew(chosen: Settings) -> float:
    if chosen.redis_url is None:
        raise ConfigError("the embedded server has the clock of this machine")
    with connect(chosen.redis_url, patience=0) as client:
        return clock_skew(client)


def _answer(state: Any, blob: str = "", **_: Any) -> dict[str, object]:
    # The worker gives no sign of life meanwhile: its looks take a third of what it has for that.
    chosen = settings()
    return report(chosen, blob, min(LIMIT, chosen.visibility / 9)).to_dict()


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def _within(limit: float, ask: Callable[[], str]) -> tuple[str, str]:
    """What was found, or the problem. A store that hangs is left to a thread of its own."""
    found, problems = [], [f"it did not answer within {limit:g} s"]

    def run() -> None:
        try:
            found.append(ask())
        except TenantSyncError as error:
            problems.append(error.message)
        except Exception as error:  # an unknown store raises whatever it likes
            problems.append(type(error).__name__)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(limit)
    return (found[0], "") if found else ("", problems[-1])
