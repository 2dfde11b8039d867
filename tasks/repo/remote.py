"""What does the remote show: its branches, a branch's tip, and whether this login may push?"""

from __future__ import annotations

import difflib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from tasks.channel import knock, problem
from tasks.connections import RepositoryConnection
from tasks.errors import (
    ConfigError,
    Doubtful,
    LoginRefused,
    NotFound,
    TenantSyncError,
    Unreachable,
)
from tasks.repo import credentials
from tasks.repo.command import Git
from tasks.repo.failure import Expired
from tasks.repo.githubapp import Tokens
from tasks.repo.ssh import opens
from tasks.repo.url import Url, check_branch, is_oid
from tasks.visible import visible_line

T = TypeVar("T")
_HEADS = "refs/heads/"
#: Seconds for which a server that took a connection counts as reachable.
KNOCK = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tip:
    """What the remote shows of one branch. `empty`: the repository has no branch at all."""

    oid: str | None
    default_branch: str | None
    default_oid: str | None
    empty: bool


class Remote:
    """One repository as the server shows it. `git` has neither directory nor login."""

    def __init__(self, connection: RepositoryConnection, url: Url, git: Git) -> None:
        self.connection, self.url, self._git = connection, url, git
        app = connection.github_app
        self._knocked = -KNOCK
        self._tokens = None if app is None else Tokens(connection, app, url)

    def git(self, directory: Path | None = None) -> Git:
        """git with the login of this repository, as it is now, for one command."""
        token = self._tokens.current() if self._tokens else None
        login = credentials.login(self.connection, self.url, self._git.home, token)
        return replace(self._git, login=login, directory=directory)

    def ask(self, use: Callable[[Git], T], directory: Path | None = None) -> T:
        """What `use` gives of git with the login of this repository, as it is now.

        A token of a GitHub App that is not accepted any more is renewed once, so `use` may be
        called twice. Raises what `use` raises; where certificates or a proxy are behind it, the
        error that says so.
        """
        try:
            return self._used(use, directory)
        except LoginRefused:
            if self._tokens is None:
                raise
            self._tokens.drop()
            return self._used(use, directory)

    def _used(self, use: Callable[[Git], T], directory: Path | None) -> T:
        git = self.git(directory)
        self._knock()
        try:
            return use(git)
        except Expired:
            raise
        except LoginRefused as error:
            if opens(self.connection, self._git.home):
                raise
            raise LoginRefused(
                f"{error.message}. The reason: sshPassphrase ({self.connection.ssh_passphrase}) "
                f"does not open the private key {self.connection.ssh_key}; correct it"
            ) from None
        except (Unreachable, ConfigError) as error:
            raise self._named(error) from None

    def _knock(self) -> None:
        """git gives up a connection that does not open after minutes only."""
        if self._over_http and time.monotonic() - self._knocked > KNOCK:
            knock(self.connection, self.url.text)
            self._knocked = time.monotonic()

    def _named(self, error: TenantSyncError) -> TenantSyncError:
        """The error, or the one that is behind it: git names neither proxies nor what is wrong
        with a certificate."""
        found = problem(self.connection, self.url.text) if self._over_http else None
        return error if found is None else type(found)(f"{self.url.canonical}: {found.message}")

    @property
    def _over_http(self) -> bool:
        return self.url.scheme in {"http", "https"}

    def tip(self, branch: str) -> Tip:
        """What the remote shows of this branch and of its default branch, by one question."""
        wanted = _HEADS + check_branch(branch)
        refs, default = self._refs("HEAD", wanted)
        oid, main = refs.get(wanted), refs.get("HEAD")
        # Neither is there: only the list of all branches tells an empty repository from another.
        empty = oid is None and main is None and not self.branches()
        return Tip(oid=oid, default_branch=default, default_oid=main, empty=empty)

    def branches(self) -> tuple[str, ...]:
        """The names of all branches, sorted."""
        refs, _ = self._refs(f"{_HEADS}*")
        return tuple(sorted(ref.removeprefix(_HEADS) for ref in refs if ref.startswith(_HEADS)))

    def default_branch(self) -> str | None:
        """The branch that HEAD names; None where it has no commit."""
        return self._refs("HEAD")[1]

    def push_problem(self, directory: Path) -> str | None:
        """Why this login may not push; None when it may. Changes nothing.

        Asks the server to drop a branch that is not there, and only in play.
        """
        absent = f":{_HEADS}tenantsync-{secrets.token_hex(8)}"
        try:
            self.ask(
                lambda git: git.run(
                    "push", "--dry-run", "--porcelain", "--", self.url.text, absent
                ),
                directory,
            )
        except TenantSyncError as error:
            return None if "remote ref does not exist" in error.message else error.message
        return None

    def no_branch(self, branch: str, error: NotFound) -> NotFound:
        """The error for a branch that is not there, with the names that come nearest; `error`
        itself when it is there."""
        names = self.branches()
        if branch in names:
            return error
        near = ", ".join(difflib.get_close_matches(branch, names, n=3))
        hint = f"; did you mean {visible_line(near)}?" if near else ""
        return NotFound(f"{self.url.canonical}: there is no branch {branch!r}{hint}")

    def _refs(self, *patterns: str) -> tuple[dict[str, str], str | None]:
        """Refs whose names end with a pattern, with their oids, and the name of the default
        branch where HEAD was asked."""
        command = ("ls-remote", "--symref", "--", self.url.text, *patterns)
        text = self.ask(lambda git: git.run(*command).text)
        if not text and self._over_http:
            self._check_protocol(command)
        refs: dict[str, str] = {}
        default = None
        for line in text.split("\n"):
            oid, _, name = line.partition("\t")
            if oid.startswith(f"ref: {_HEADS}") and name == "HEAD":
                default = oid.removeprefix(f"ref: {_HEADS}")
            elif is_oid(oid):
                refs[name] = oid
        return refs, default

    def _check_protocol(self, command: tuple[str, ...]) -> None:
        """Raises Doubtful when a server that shows no ref does not speak git's protocol.

        git takes any page of one line, and an empty one, for the list of a plain file server
        (gitprotocol-http, "dumb" clients): a login page would read as an empty repository.
        """
        said = self.ask(lambda git: _traced(git).run(*command).stderr)
        if "packet:" not in said:
            raise Doubtful(
                f"{self.url.canonical}: what answers there is no Git server (a login page or a "
                "proxy?); check the url and the way to it"
            )


def _traced(git: Git) -> Git:
    """git that shows on stderr each line of its protocol."""
    environment = {**git.login.environment, "GIT_TRACE_PACKET": "1"}
    return replace(git, login=replace(git.login, environment=environment))
