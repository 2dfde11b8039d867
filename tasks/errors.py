"""Every error that TenantSync raises on purpose, and what each one means for a retry.

    TenantSyncError
    ├── UserError            a person can mend it: configuration, task, credentials, repository
    │   ├── ConfigError      the configuration file or the environment
    │   ├── TaskError        the task that was asked
    │   ├── LoginRefused     Kestra or Git does not accept the credentials
    │   ├── NotFound         a tenant, repository, branch or commit that is not there
    │   ├── Refused          the other side understood and said no (rules, hooks, validation)
    │   ├── Unsupported      this server does not offer the kind or the call
    │   └── Unsafe           input that is never followed (paths, URLs, refs)
    ├── Passing              the same call may go through later: the job is tried again
    │   ├── Unreachable      no connection, cut connection, timeout
    │   │   └── RecordsAway  the records cannot be read or written: nothing can be noted of any run
    │   ├── Busy             429, 5xx: the server is there but does not serve now
    │   └── MirrorCorrupt    the local mirror is broken: rebuilt from the remote, then once more
    ├── Doubtful             an answer that cannot be trusted (short page, damaged archive)
    ├── LeaseLost            the lane now belongs to another run; this job starts no further write
    │   └── Cancelled        a person has ended the run; this job starts no further write
    └── Overtaken            another delivery of this job took its place; it does nothing more

Each class takes one message, so that it survives pickling between processes.
"""

from __future__ import annotations


class TenantSyncError(Exception):
    """The root. The message names the thing, the place and the remedy, and holds no secret."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class UserError(TenantSyncError):
    """Something that a person can mend; trying again without a change is useless."""


class ConfigError(UserError):
    """The configuration file or a TENANTSYNC_* variable is wrong."""


class TaskError(UserError):
    """The task that was asked cannot be done as it is written."""


class LoginRefused(UserError):
    """Kestra or the Git server does not accept the credentials."""


class NotFound(UserError):
    """A tenant, repository, branch or commit is not there."""


class Refused(UserError):
    """The other side understood the request and said no."""


class Unsupported(UserError):
    """This server does not offer the kind or the call."""


class Unsafe(UserError):
    """Input that is never followed: a path, URL or ref that could lead outside."""


class Passing(TenantSyncError):
    """The same call may go through later. `server` is the url of the Kestra that is away, if that
    is why."""

    server: str | None = None


class Unreachable(Passing):
    """No connection, a cut connection or a timeout."""


class RecordsAway(Unreachable):
    """The records database is away, locked, full or damaged. No run can be judged by that, nor can
    anything be noted of it: its jobs go on when the records are back."""


class Busy(Passing):
    """The server answered 429 or 5xx; `after` seconds is its own wish where it gave one."""

    def __init__(self, message: str, after: float | None = None) -> None:
        super().__init__(message)
        self.after = after

    def __reduce__(self) -> tuple[type[Busy], tuple[str, float | None]]:
        return type(self), (self.message, self.after)


class MirrorCorrupt(Passing):
    """The local mirror is broken and has to be rebuilt from the remote."""


class Doubtful(TenantSyncError):
    """An answer that cannot be trusted; it must never read as "missing"."""


class LeaseLost(TenantSyncError):
    """The lane now belongs to another run."""


class Overtaken(TenantSyncError):
    """Another delivery of this job, or a person, has moved the run meanwhile."""


class Cancelled(LeaseLost):
    """A person has ended the run; unlike a lost lane, nobody goes on with its writes."""
