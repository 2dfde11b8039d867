"""What does a command work with? The records alone, or a whole runtime with a worker; and who it
is that acts."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from subprocess import Popen
from typing import TYPE_CHECKING

from tasks.access import Actor, Role
from tasks.errors import Unreachable

if TYPE_CHECKING:
    from tasks.toolbox import Toolbox
    from workers.runtime import Runtime


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """The runtime of one command and the person who typed it."""

    runtime: Runtime
    actor: Actor
    #: Whether Redis is the embedded one, so that nothing goes on without a command.
    embedded: bool
    #: The worker of this command, where it has one.
    worker: Popen[bytes] | None = None

    @property
    def tools(self) -> Toolbox:
        return self.runtime.tools

    def expect_worker(self) -> None:
        """Raises Unreachable when the worker of this command has ended."""
        if self.worker is not None and self.worker.poll() is not None:
            from workers.session import worker_log

            log = worker_log(self.runtime.settings.data)
            raise Unreachable(f"the worker of this command has ended; see {log}")


def login() -> str:
    """The login name of this process as the system knows it; a number where it has none."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


@contextmanager
def records(role: Role = Role.READ) -> Iterator[Toolbox]:
    """The records and contents, without Redis. Raises UserError for somebody without the role."""
    from tasks.toolbox import Places, Toolbox
    from workers.settings import load

    chosen = load()
    places = Places(
        config=chosen.config,
        data=chosen.data,
        database_url=chosen.database,
        contents_url=chosen.contents,
        protocols=tuple(sorted(chosen.git_protocols)),
    )
    tools = Toolbox(places)
    try:
        tools.config.actor(login()).check(role)
        chosen.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        yield tools
    finally:
        tools.close()


@contextmanager
def opened(role: Role, *, worker: bool) -> Iterator[Desk]:
    """The runtime of a command, with a worker of its own where Redis is the embedded one and
    `worker` asks for it. Raises UserError for somebody without the role, and Unreachable where
    Redis does not answer or takes no writes, before anything is asked or written.
    """
    from kombu.exceptions import OperationalError
    from redis import RedisError

    from tasks.config import load as load_config
    from workers.session import session
    from workers.settings import load

    chosen = load()
    actor = load_config(chosen.config).actor(login())
    actor.check(role)
    try:
        if chosen.redis_url is not None:
            _expect_redis(chosen.redis_url)
        with session() as runtime, ExitStack() as stack:
            embedded = chosen.redis_url is None
            own = stack.enter_context(_worker(runtime)) if embedded and worker else None
            yield Desk(runtime=runtime, actor=actor, embedded=embedded, worker=own)
    except (RedisError, OperationalError) as error:
        raise Unreachable(f"Redis: {redis_away(error)}") from None


def redis_away(error: Exception) -> str:
    """What went wrong with Redis, and what to do about it; addresses have no password in it."""
    why = str(error).rstrip(".")
    return f"{why}; see that it runs and that TENANTSYNC_REDIS_URL is right"


def _expect_redis(url: str) -> None:
    from workers.broker import connect, refusal

    with connect(url, patience=2) as client:
        if (why := refusal(client)) is not None:
            raise Unreachable(f"Redis: {why}")


@contextmanager
def _worker(runtime: Runtime) -> Iterator[Popen[bytes]]:
    """A worker that ends with this command and gives back what it has not done."""
    from workers.session import start_worker, stop, worker_log

    log = worker_log(runtime.settings.data)
    process = start_worker(runtime.settings, f"command-{os.getpid()}", log)
    try:
        yield process
    finally:
        stop(process)
