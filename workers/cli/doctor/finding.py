"""What did a check find?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from tasks.errors import TenantSyncError
from tasks.record import Record


class Level(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    #: Nothing to mend; something to know.
    NOTE = "note"
    #: It works, but not as it should.
    WARNING = "warning"
    #: Syncs will fail.
    BROKEN = "broken"


class Check(StrEnum):
    """What is looked at, by names that do not change; `docs/operations.md` has a row for each."""

    SETTINGS = "settings"
    DATA_DIRECTORY = "data-directory"
    CONFIGURATION = "configuration"
    PERSON = "person"
    TIMES = "times"
    GIT = "git"
    SSH = "ssh"
    REDIS = "redis"
    REDIS_VERSION = "redis-version"
    REDIS_ROLE = "redis-role"
    REDIS_DISK = "redis-disk"
    REDIS_EVICTION = "redis-eviction"
    REDIS_MEMORY = "redis-memory"
    REDIS_CLOCK = "redis-clock"
    WORKERS = "workers"
    WORKER_VERSION = "worker-version"
    WORKER_CONFIGURATION = "worker-configuration"
    WORKER_SETTINGS = "worker-settings"
    WORKER_CLOCK = "worker-clock"
    WORKER_DATABASE = "worker-database"
    WORKER_CONTENTS = "worker-contents"
    DATABASE = "database"
    DATABASE_VERSION = "database-version"
    CONTENTS = "contents"
    KESTRA = "kestra"
    KESTRA_VERSION = "kestra-version"
    KESTRA_CLOCK = "kestra-clock"
    KESTRA_KINDS = "kestra-kinds"
    KESTRA_RIGHTS = "kestra-rights"
    KESTRA_NAMESPACES = "kestra-namespaces"
    REPOSITORY = "repository"
    REPOSITORY_PUSH = "repository-push"
    REPOSITORY_BRANCH = "repository-branch"
    REPOSITORY_PROTECTION = "repository-protection"


class Finding(Record):
    """What one check found, and what to do about it."""

    check: Check
    level: Level
    #: The thing: `redis`, `kestra prod`, `worker w1@host`.
    subject: str
    text: str


@dataclass(frozen=True, slots=True)
class Subject:
    """The thing that a probe looks at; makes its findings."""

    name: str

    def ok(self, check: Check, text: str) -> Finding:
        return Finding(check=check, level=Level.OK, subject=self.name, text=text)

    def note(self, check: Check, text: str) -> Finding:
        return Finding(check=check, level=Level.NOTE, subject=self.name, text=text)

    def warning(self, check: Check, text: str) -> Finding:
        return Finding(check=check, level=Level.WARNING, subject=self.name, text=text)

    def broken(self, check: Check, text: str) -> Finding:
        return Finding(check=check, level=Level.BROKEN, subject=self.name, text=text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One look at one thing, which may take long; `check` and `subject` say what was looked at
    when it fails as a whole."""

    check: Check
    subject: Subject
    ask: Callable[[], list[Finding]]

    def __call__(self) -> list[Finding]:
        """What it finds; an error on purpose is a finding as well."""
        try:
            return self.ask()
        except TenantSyncError as error:
            return [self.subject.broken(self.check, error.message)]
        except Exception as error:  # one look that fails must not hide what the others found
            text = f"the look itself failed ({type(error).__name__}), which is a mistake of doctor"
            return [self.subject.broken(self.check, text)]
