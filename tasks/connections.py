"""How the two sides are reached: addresses and references to secrets, never secrets."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, field_validator, model_validator

from tasks.errors import ConfigError
from tasks.record import Record

Text = Annotated[str, StringConstraints(min_length=1)]


class Secret(Record, use_attribute_docstrings=True):
    """A reference to a secret: `{env: NAME}` or `{file: PATH}`, read where it is used."""

    env: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = None
    """Name of an environment variable of the worker."""
    file: Text | None = None
    """Path of a file on the worker's disk."""

    @model_validator(mode="after")
    def _one_place(self) -> Secret:
        if (self.env is None) == (self.file is None):
            raise ValueError("a secret is a reference: write {env: NAME} or {file: PATH}")
        return self

    def resolve(self) -> str:
        """The secret itself, without the line end of a file.

        Raises ConfigError naming the variable or file when it is not there or empty.
        """
        if self.env is not None:
            value, place = os.environ.get(self.env, ""), f"environment variable {self.env}"
        else:
            value, place = _read(Path(self.file or "")), f"file {self.file}"
        if not value:
            raise ConfigError(f"secret: {place} is not set or empty; set it where the worker runs")
        return value

    def __str__(self) -> str:
        return f"env {self.env}" if self.env else f"file {self.file}"


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").rstrip("\r\n")
    except OSError:
        return ""


class KestraConnection(Record, use_attribute_docstrings=True):
    """One Kestra server and tenant with its login (Basic or Bearer, never both)."""

    url: Annotated[str, StringConstraints(pattern=r"^https?://[^\s/?#@]+(/[^\s?#]*)?$")]
    """Address of the server, without `/api`, user or query."""
    tenant: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]*$")] = "main"
    """The tenant; the open edition has `main` alone."""
    username: Text | None = None
    """Login name (Basic), with `password`."""
    password: Secret | None = None
    """The password that belongs to `username`."""
    token: Secret | None = None
    """API token (Bearer), in place of `username` and `password`."""
    timeout: Annotated[float, Field(gt=0, le=600)] = 15.0
    """Seconds for one request that is not a bulk read."""
    bulk_timeout: Annotated[float, Field(gt=0, le=3600)] = 300.0
    """Seconds for bulk reads and imports, which the server builds in memory."""
    connections: Annotated[int, Field(ge=1, le=64)] = 8
    """Connections of one worker process group; throughput stops growing at 8 (measured)."""
    change_probes: bool = False
    """Whether a tenant sync that no person asked for asks first if anything has changed, and reads
    nothing if not. Namespace files that were edited in Kestra are then found by the next full read
    only."""
    full_read_every: Annotated[float, Field(ge=1, le=3600)] = 3600.0
    """Seconds after which everything is read all the same; with `changeProbes`."""

    @model_validator(mode="after")
    def _one_login(self) -> KestraConnection:
        if self.token is not None and (self.username or self.password):
            raise ValueError("give either username and password, or token, not both")
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password belong together")
        return self


class RepositoryConnection(Record, use_attribute_docstrings=True):
    """One Git repository: where it lies and how to log in."""

    url: Text
    """Address to clone from: `https://…`, `ssh://…` or `git@host:path`."""
    username: Text = "git"
    """https: the user name that goes with the token; some forges want `oauth2` or the like."""
    token: Secret | None = None
    """https: the access token."""
    ssh_key: Text | None = None
    """ssh: path of the private key (mode 0600)."""
    known_hosts: Text | None = None
    """ssh: path of the file with the pinned host keys."""
    forge: Literal["github", "gitlab"] | None = None
    """What the URL's host is, where its name does not tell; decides the form of commit URLs."""
    web_url: Text | None = None
    """The page of the repository for people, where the clone URL is another one."""
    author_name: Text = "TenantSync"
    """Committer, and author where neither the task nor a person gives one."""
    author_email: Text = "tenantsync@localhost"
    """Email of the committer."""
    timeout: Annotated[float, Field(gt=0, le=3600)] = 300.0
    """Seconds for one fetch or push."""

    @field_validator("url")
    @classmethod
    def _no_secret_in_url(cls, url: str) -> str:
        rest = url.split("://", 1)[-1].split("/", 1)[0]
        if "://" in url and "@" in rest and ":" in rest.rsplit("@", 1)[0]:
            raise ValueError("the URL holds a password; use token: {env: NAME} instead")
        return url
