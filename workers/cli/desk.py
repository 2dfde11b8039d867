"""What does a command work with? The records alone, or a whole runtime with a worker; and who it
is that acts."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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

    @property
    def tools(self) -> Toolbox:
        return self.runtime.tools


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
    chosen.data.mkdir(parents=True, exist_ok=True, mode=0o700)
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
        yield tools
    finally:
        tools.close()


@contextmanager
def opened(role: Role, *, worker: bool) -> Iterator[Desk]:
    """The runtime of a command, with a worker of its own where Redis is the embedded one and
    `worker` asks for it. Raises UserError for somebody without the role before anything starts.
    """
    import redis
    from kombu.exceptions import OperationalError

    from tasks.config import load as load_config
    from workers.session import session
    from workers.settings import load

    chosen = load()
    actor = load_config(chosen.config).actor(login())
    actor.check(role)
    try:
        with session(worker=worker) as runtime:
            yield Desk(runtime=runtime, actor=actor, embedded=chosen.redis_url is None)
    except (redis.RedisError, OperationalError) as error:
        raise Unreachable(
            f"Redis: {error}; see that it runs and that TENANTSYNC_REDIS_URL is right"
        ) from None
